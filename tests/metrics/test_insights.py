"""What is called more than chance: corrected for all that a report compares, by hand and in the pages."""

from __future__ import annotations

from math import erfc, sqrt

import numpy as np
import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.metrics.formulas import Z95, share
from retention_kit.metrics.insights import Claim, by_length, change_claims, contrast, p_value, significant
from retention_kit.periods import Period
from retention_kit.report.page import Page


def claim(family: str, p: float, name: str = "a", twin: object = None) -> Claim:
    return Claim((family,), name, "previous", p, twin=twin)


def names(claims: list[Claim]) -> set[str]:
    return {metric for metric, *_ in significant(claims)}


@pytest.mark.parametrize(
    ("ps", "expected"),
    [
        ({"a": 0.04}, {"a"}),
        ({"a": 0.04, "b": 0.9}, set()),  # 2 × 0.04
        ({"a": 0.02, "b": 0.04}, {"a", "b"}),  # 2 × 0.02, then 1 × 0.04
        ({"a": 0.01, "b": 0.03, "c": 0.04}, {"a"}),  # 3 × 0.01; 2 × 0.03 is too much, and what follows no less
        ({"a": 0.05}, {"a"}),
        ({}, set()),
    ],
)
def test_a_family_is_corrected_by_holm(ps, expected):
    assert names([claim("one", p, name) for name, p in ps.items()]) == expected


def test_families_are_corrected_too():
    """Two families: the better must hold at 2.5%, then the other at 5%."""
    assert names([claim("one", 0.03, "a"), claim("two", 0.9, "b")]) == set()
    assert names([claim("one", 0.02, "a"), claim("two", 0.04, "b")]) == {"a", "b"}
    assert names([claim("one", 0.02, "a"), claim("two", 0.04, "b"), claim("three", 0.5, "c")]) == set()


def test_what_says_the_same_twice_counts_once():
    twice = [claim("one", 0.03, name, twin="same") for name in ("retention", "churn")]
    assert names(twice) == {"retention", "churn"}
    assert names([claim("one", 0.03, name) for name in ("retention", "churn")]) == set()


def test_many_looks_at_nothing_claim_something_in_one_of_twenty():
    rng = np.random.default_rng(3)
    claimed = 0
    for _ in range(2000):
        ps = rng.random((5, 12))
        claimed += bool(
            significant(claim(str(f), p, f"{f} {i}") for f, row in enumerate(ps) for i, p in enumerate(row))
        )
    assert 0.035 < claimed / 2000 < 0.065


def test_the_p_of_a_change_agrees_with_its_interval():
    assert p_value(1, 0, 3) == pytest.approx(0.05)
    assert p_value(-1, -3, 0) == pytest.approx(0.05)
    assert p_value(1, 0.5, 1.5) == pytest.approx(erfc(2 * Z95 / sqrt(2)))
    assert p_value(0, -1, 1) == 1
    assert p_value(-0.09, -0.10, -0.08, (-0.097, 0)) == 1, "what the length of the period explains is none"
    assert p_value(-0.12, -0.143, -0.097, (-0.097, 0)) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("name", "base", "before", "explained"),
    [
        ("purchase_frequency", "orders", 1.3, (1.3 * (28 / 31 - 1), 0)),
        ("customer_retention_rate", "orders", 0.4, (0.4 * (28 / 31 - 1), 0)),
        ("customer_churn_rate", "orders", 0.6, (0, -0.4 * (28 / 31 - 1))),
        ("customer_retention_rate", "subscriptions", 0.9, (0, -0.1 * (28 / 31 - 1))),  # fewer days to leave
        ("customer_churn_rate", "subscriptions", 0.1, (0.1 * (28 / 31 - 1), 0)),
        ("average_purchase_value", "orders", 20, (0, 0)),
        ("net_promoter_score", "orders", 20, (0, 0)),
    ],
)
def test_february_explains_what_fewer_days_do(name, base, before, explained):
    february, january = Period.parse("2023-02"), Period.parse("2023-01")
    assert by_length(name, base, before, february, january) == pytest.approx(explained)
    assert by_length(name, base, before, Period.parse("2023-W06"), Period.parse("2023-W05")) == (0, 0)


def test_a_part_is_held_against_the_others_not_against_the_whole_it_is_in():
    """40 of 100 against 300 of 500 others; the whole is 340 of 600."""
    part, whole, others = share(40, 100, ""), share(340, 600, ""), share(300, 500, "")
    spread = sqrt(0.4 * 0.6 / 100 + 0.6 * 0.4 / 500)
    assert contrast(part, whole) == pytest.approx(erfc(0.2 / spread / sqrt(2)), rel=0.4)
    assert contrast(others, whole) < 0.001
    assert contrast(whole, whole) is None


def shop(start: str, rates: list[float], customers: int = 4000, seed: int = 1) -> pd.DataFrame:
    """Customers who buy on each day with the same chance, for months of 31, 28, 31 … days: nothing ever changes."""
    rng = np.random.default_rng(seed)
    days = pd.date_range(start, periods=len(rates), freq="D")
    rows = [
        pd.DataFrame(
            {
                "customer_id": [f"c{n}" for n in np.flatnonzero(rng.random(customers) < rate)],
                "ordered_at": str(day)[:10],
            }
        )
        for day, rate in zip(days, rates, strict=True)
    ]
    return pd.concat(rows).assign(amount=10.0)


def test_a_short_month_of_constant_buying_is_not_worse():
    orders = shop("2022-11-01", [0.05] * 120)  # to the end of February 2023
    page = Page("2023-02", data=rk.load(orders=orders, timezone="UTC", as_of="2023-03-01"))
    row = page.row("purchase_frequency")
    assert row.change_high < 0, "or this would prove nothing"
    assert [item for item in page.attention().data["items"] if "Worse" in item] == []
    assert page.verdict(row) == "length"
    assert not [
        change["good"]
        for change in page.cards("purchase_frequency").data["cards"][0]["changes"]
        if change["good"] is not None
    ]


def test_a_shop_that_loses_a_third_of_its_buying_is_worse():
    orders = shop("2022-11-01", [0.05] * 92 + [0.03] * 28)
    page = Page("2023-02", data=rk.load(orders=orders, timezone="UTC", as_of="2023-03-01"))
    (worse,) = [item for item in page.attention().data["items"] if "Worse" in item]
    assert "Purchase frequency" in worse
    assert page.headline().data["text"].startswith("Customer retention fell by ")


def test_of_fewer_than_thirty_nothing_is_claimed():
    def rows(n: int) -> pd.DataFrame:
        row = {
            "metric": "net_promoter_score",
            "numerator": 0.0,
            "denominator": n,
            "n": n,
            "complete": True,
            "unit": "points",
        }
        then = row | {
            "period": "2024-01",
            "value": 50.0,
            "low": 45.0,
            "high": 55.0,
            "change_low": None,
            "change_high": None,
        }
        now = row | {
            "period": "2024-02",
            "value": -50.0,
            "low": -55.0,
            "high": -45.0,
            "change_low": -107.0,
            "change_high": -93.0,
        }
        return pd.DataFrame([then, now])

    assert change_claims(rows(29), Period.parse("2024-02"), "orders") == []
    (claim,) = change_claims(rows(30), Period.parse("2024-02"), "orders")
    assert claim.p < 1e-9
