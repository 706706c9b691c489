"""Value segments: fifths and groups by hand and by pandas, and movements that add up."""

from __future__ import annotations

from datetime import date
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from retention_kit.errors import DataError
from retention_kit.metrics.queries.summaries import concentration
from retention_kit.metrics.queries.value_segments import GROUPS, NONE_YET, value_segments
from retention_kit.periods import Period, add_months
from retention_kit.report.page import Page

MARCH = Period.parse("2024-03")


def load(orders: pd.DataFrame, **options) -> rk.Dataset:
    return rk.load(orders=orders, **{"timezone": "UTC", "currency": "GBP", "as_of": "2024-04-01"} | options)


def group(recency: int, worth: int) -> str:
    (match,) = (name for name, (recent, value) in GROUPS.items() if recency in recent and worth in value)
    return match


def test_every_pair_of_fifths_is_in_one_group():
    assert len([group(*pair) for pair in product(range(1, 6), repeat=2)]) == 25
    assert {group(*pair) for pair in product(range(1, 6), repeat=2)} == {*GROUPS}


def test_five_customers_by_hand():
    """One a fifth each: e bought last, most often and most; a first, once and least. In February d and e had not
    bought, and of a, b and c the fifths are 1, 2 and 4.
    """
    rows = [("a", "2024-01-01", 1.0), ("b", "2024-01-02", 2.0), ("b", "2024-01-03", 2.0), ("c", "2024-02-01", 30.0)]
    rows += [("c", f"2024-02-{day:02}", 1.0) for day in (2, 3)]
    rows += [("d", f"2024-03-{day:02}", 10.0) for day in (1, 2, 3, 4)]
    rows += [("e", f"2024-03-{day:02}", 20.0) for day in (5, 6, 7, 8, 9)]
    rows += [("e", "2024-03-09", 5.0), (None, "2024-03-09", 999.0)]  # a second order of a day; a guest
    segments = value_segments(load(pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])), MARCH)
    assert sorted(map(tuple, segments.itertuples(index=False))) == [
        ("hibernating", "hibernating", 2, 5.0, 5.0),  # a: 1 and 1 both times; b: 2 and (2 + 2 + 1) // 2
        ("loyal", "need_attention", 1, 32.0, 32.0),  # c: 4 and 4, then 3 and 3
        ("none", "champions", 1, 0.0, 105.0),  # e: 5 and 5
        ("none", "loyal", 1, 0.0, 40.0),  # d: 4 and 4
    ]


def oracle(orders: pd.DataFrame, until: date) -> pd.DataFrame:
    """The group and revenue of each customer of the twelve months up to a date, by pandas."""
    days = pd.to_datetime(orders["ordered_at"]).dt.date
    purchases = orders[(days >= add_months(until, -12)) & (days < until)].assign(day=days)
    by = purchases.groupby("customer_id").agg(last=("day", "max"), days=("day", "nunique"), revenue=("amount", "sum"))
    fifths = pd.DataFrame(
        {name: 1 + np.floor((by[name].rank(method="min") - 1) * 5 / len(by)) for name in ("last", "days", "revenue")}
    ).astype(int)
    worth = (fifths["days"] + fifths["revenue"] + 1) // 2
    return by.assign(group=[group(*pair) for pair in zip(fifths["last"], worth, strict=True)])[["group", "revenue"]]


def random_orders(seed: int, count: int, customers: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    days = pd.Timestamp("2022-06-01") + pd.to_timedelta(rng.integers(0, 670, count), unit="D")
    return pd.DataFrame(
        {
            "customer_id": np.char.add("c", rng.integers(0, customers, count).astype(str)),
            "ordered_at": days.strftime("%Y-%m-%d"),
            "amount": rng.integers(1, 40, count).astype(float),  # with ties
        }
    )


@pytest.mark.long
@settings(max_examples=12)
@given(st.integers(0, 10**6), st.integers(1, 400), st.integers(1, 120))
def test_it_agrees_with_pandas_and_adds_up(seed, count, customers):
    orders = random_orders(seed, count, customers)
    data = load(orders)
    if MARCH.index < Period.of(data.start, "month").index:
        return
    segments = value_segments(data, MARCH)
    then, now = oracle(orders, MARCH.start), oracle(orders, MARCH.end)
    then = then.rename(columns={"group": "before", "revenue": "revenue_before"})
    joined = now.rename(columns={"group": "now"}).merge(then, "outer", left_index=True, right_index=True)
    joined = joined.fillna({"now": NONE_YET, "before": NONE_YET, "revenue": 0, "revenue_before": 0})
    sums = joined.groupby(["before", "now"]).agg(
        customers=("now", "size"), revenue_before=("revenue_before", "sum"), revenue=("revenue", "sum")
    )
    pd.testing.assert_frame_equal(
        segments.set_index(["before", "now"]).sort_index(), sums.sort_index(), check_dtype=False, rtol=1e-12
    )
    spread = concentration(data, MARCH)
    assert segments.loc[segments["now"] != NONE_YET, "customers"].sum() == spread["customers"].sum()
    assert segments["revenue"].sum() == pytest.approx(spread["revenue"].sum(), rel=1e-12)
    earlier = concentration(data, MARCH.shift(-1)) if data.start < MARCH.start else spread[:0]
    assert segments.loc[segments["before"] != NONE_YET, "customers"].sum() == earlier["customers"].sum()


def test_the_page_shows_groups_and_movements_whose_sums_are_the_groups():
    page = Page("2024-03", data=load(random_orders(1, 3000, 300)))
    groups, moves = page.value_groups()
    sizes, before = ([row[index] for row in groups.data["rows"]] for index in (1, 5))
    assert moves.data["rows"][-1][1:11] == ["–" if size == "0" else size for size in sizes[:-1]]
    assert [row[-1] for row in moves.data["rows"][:10]] == ["–" if size == "0" else size for size in before[:-1]]
    number = [[int(cell.replace("–", "0").replace(",", "")) for cell in row[1:]] for row in moves.data["rows"]]
    assert [sum(column) for column in zip(*number[:-1], strict=True)] == number[-1]
    assert all(sum(row[:-1]) == row[-1] for row in number)
    assert moves.data["title"].startswith(
        f"{sum(number[index][index] for index in range(10))} of {before[-1]} customers"
    )


def test_of_few_there_are_no_groups_and_of_the_first_month_no_movements():
    assert Page("2024-03", data=load(random_orders(1, 60, 12))).value_groups() == []
    first = load(random_orders(1, 3000, 300).assign(ordered_at="2024-03-05"))
    (groups,) = Page("2024-03", data=first).value_groups()
    assert groups.data["rows"][0][-2:] == ["–", "–"]


def test_without_orders_there_are_none():
    spells = pd.DataFrame({"customer_id": ["a"], "started_at": ["2024-01-01"], "ended_at": [None], "amount": [10.0]})
    data = rk.load(subscriptions=spells, timezone="UTC", currency="GBP", as_of="2024-04-01")
    assert Page("2024-03", data=data).value_groups() == []
    with pytest.raises(DataError, match="value segments"):
        value_segments(data, MARCH)


def test_what_a_cohort_has_brought_in_all_adds_up():
    """Ten new ones a month, who spend £10, then £2, then £1 in every month after."""
    rows = []
    for number, first in enumerate(pd.period_range("2021-12", "2024-03", freq="M")):
        for age, month in enumerate(pd.period_range(first, "2024-03", freq="M")):
            spent = {0: 10.0, 1: 2.0}.get(age, 0.0)
            rows += [(f"{number}-{purchase}", f"{month}-10", spent or 1.0) for purchase in range(10)]
    page = Page("2024-03", data=load(pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])))
    block = page.value_curves().data
    assert block["title"] == "A new customer has brought £10.00 by month 0, and £23.00 by month 12"
    assert "0: £10.00, 1: £12.00, 2: £13.00" in block["alt"]
