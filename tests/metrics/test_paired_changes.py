"""A change since the period before is paired by customer: its covariance, from plain loops over customers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from math import sqrt
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import oracle
import oracle_cases as cases
import retention_kit as rk
from oracle_calendar import bounds
from oracle_money import running, worth
from oracle_tables import grouped
from retention_kit.metrics.change_parts import segment_changes
from retention_kit.metrics.formulas import Z95, difference, paired
from retention_kit.metrics.scorecard import _Measures
from retention_kit.metrics.summary_rows import Mrr
from retention_kit.periods import Period
from retention_kit.settings import Definitions

pytestmark = pytest.mark.long

Parts = dict[str, tuple[float, float]]  # by customer, what they add to numerator and denominator
RATES = ("customer_retention_rate", "customer_churn_rate")
MONEY = (
    "gross_revenue_retention",
    "net_revenue_retention",
    "gross_revenue_churn_rate",
    "net_revenue_churn_rate",
    "quick_ratio",
    "average_revenue_per_account",
)
BOUGHT = (
    "repeat_purchase_rate",
    "returning_customer_rate",
    "average_purchase_value",
    "purchase_frequency",
    "average_revenue_per_customer",
)
SCORES = ("net_promoter_score", "customer_satisfaction_score", "customer_effort_score")


def rates(books, label: str) -> dict[str, Parts]:
    start, end = oracle.customers_of(books, label)
    return {
        "customer_retention_rate": {customer: (customer in end, 1) for customer in start},
        "customer_churn_rate": {customer: (customer not in end, 1) for customer in start},
    }


def money(books, label: str) -> dict[str, Parts]:
    """At the rates of the start, which a change between two ends is paired by; per account at those of the end."""
    start, end = bounds(label)
    end, parts = min(end, books.as_of), {metric: {} for metric in MONEY}
    for customer, spells in books.spells_of.items():
        was, now = (float(worth(running(spells, books, day), books, start)) / 1200 for day in (start, end))
        more, less = max(now - was, 0), max(was - now, 0)
        back = more if not was and books.first_spell[customer] < start else 0
        counted = more if books.rules.quick_ratio_reactivation else more - back
        parts["gross_revenue_retention"][customer] = (min(was, now), was)
        parts["net_revenue_retention"][customer] = (now if was else 0, was)
        parts["gross_revenue_churn_rate"][customer] = (less, was)
        parts["net_revenue_churn_rate"][customer] = (was - now if was else -back, was)
        parts["quick_ratio"][customer] = (counted, less)
        at_end = float(worth(running(spells, books, end), books, end)) / 1200
        parts["average_revenue_per_account"][customer] = (at_end, at_end > 0)
    return parts


def bought(books, label: str) -> dict[str, Parts]:
    start, end = bounds(label)
    parts = {metric: {} for metric in BOUGHT}
    window = oracle.purchases_between(books, start, min(end, books.as_of))
    by_customer = grouped((purchase.customer, purchase) for purchase in window if purchase.customer)
    for customer, purchases in by_customer.items():
        spent, count = float(sum(purchase.cents for purchase in purchases)) / 100, len(purchases)
        parts["repeat_purchase_rate"][customer] = (count > 1, 1)
        parts["returning_customer_rate"][customer] = (books.first_purchase[customer] < start, 1)
        parts["average_purchase_value"][customer] = (spent, count)
        parts["purchase_frequency"][customer] = (count, 1)
        parts["average_revenue_per_customer"][customer] = (spent, 1)
    return parts


def answered(books, label: str) -> dict[str, Parts]:
    """The last answer of each customer, in points or as what lies in the top boxes."""
    start, end = bounds(label)
    parts = {metric: {} for metric in SCORES}
    for metric, survey in zip(SCORES, ("nps", "csat", "ces"), strict=True):
        for answer in oracle.answers_of(books, survey, start, min(end, books.as_of)):
            above = answer.score - int(answer.scale.split("-")[1])
            value = {
                "nps": 100 * ((above >= -1) - (above <= -4)),
                "csat": above > -2,
                "ces": above > (-3 if answer.scale == "1-7" else -2),
            }
            if answer.customer:
                parts[metric][answer.customer] = (value[survey], 1)
    return parts


def products(now: Parts, before: Parts) -> tuple[float, ...]:
    both = [(now[customer], before[customer]) for customer in now.keys() & before.keys()]
    return tuple(sum(later[i] * earlier[j] for later, earlier in both) for i in (0, 1) for j in (0, 1))


def measured(data, books, parts, metrics, labels=None, segment=None) -> Iterator[tuple]:
    """Each metric's measures and what customers add to them, in two periods in a row; by segment value, if any."""
    measures = _Measures(data)
    for earlier, later in pairwise(labels or oracle.all_periods(books, "month")):
        pair = (later, earlier)
        values = [values_of(books, label, segment) for label in pair]
        by_metric = [parts(books, label) for label in pair]
        for metric in metrics:
            for value in sorted({values[0](customer) for customer in by_metric[0][metric]}):
                yield (
                    metric,
                    f"{later} {value}".strip(),
                    *(measures.measure(rk.METRICS[metric], Period.parse(label), segment, value) for label in pair),
                    *(
                        {customer: part for customer, part in all_[metric].items() if value_of(customer) == value}
                        for value_of, all_ in zip(values, by_metric, strict=True)
                    ),
                )


def values_of(books, label: str, segment: str | None):
    """A function that gives the value of a customer in a period; "" without a segment."""
    value_of = oracle.segment_of(books, segment, min(bounds(label)[1], books.as_of))
    return lambda customer: value_of(SimpleNamespace(customer=customer))


def differences(data, books, parts, metrics, tolerance=1e-9, labels=None, segment=None) -> list[str]:
    lines, count = [], 0
    for metric, label, now, _, own, own_before in measured(data, books, parts, metrics, labels, segment):
        expected = products(own, own_before)
        count += any(expected)
        if now.value is not None and now.crossed != pytest.approx(expected, rel=tolerance, abs=tolerance):
            lines.append(f"{metric} {label}: {now.crossed}, by customer {expected}")
    assert count >= 2 * len(metrics), "nothing to compare"
    return lines


STATES = [
    ("orders", {}),
    ("orders", {"inactivity_days": 1}),
    ("orders", {"inactivity_days": 45, "churn_mode": "event"}),
    ("subscriptions", {}),
]


@pytest.mark.parametrize(("basis", "options"), STATES, ids=str)
def test_customers_of_hard_cases(basis, options):
    metrics = RATES[:1] if options.get("churn_mode") == "event" else RATES
    assert differences(*cases.tricky(range(8), basis, **options), rates, metrics) == []


@pytest.mark.parametrize("options", [{}, {"quick_ratio_reactivation": False}], ids=str)
def test_money_of_hard_cases(options):
    assert differences(*cases.tricky(range(8), "subscriptions", **options), money, MONEY) == []


def test_money_in_several_currencies():
    daily = pd.DataFrame(
        [
            (day, code, level * (1 + month / 20))
            for month, day in enumerate(("2023-08-01", "2024-01-01", "2024-02-10", "2024-03-20"))
            for code, level in (("EUR", 0.86), ("USD", 0.78))
        ],
        columns=["date", "currency", "rate"],
    )
    books = cases.tricky(range(6), "subscriptions", ("EUR", None, "usd", "gbp"), daily)
    assert differences(*books, money, MONEY, 1e-6) == []


@pytest.mark.parametrize(
    ("basis", "parts", "metrics"),
    [
        ("orders", rates, RATES),
        ("orders", bought, BOUGHT),
        ("orders", answered, SCORES),
        ("subscriptions", rates, RATES),
        ("subscriptions", money, MONEY),
    ],
    ids=["buyers", "purchases", "answers", "members", "MRR"],
)
@pytest.mark.parametrize("segment", [None, "country"])
def test_of_a_value_those_are_paired_who_had_it_before_too(basis, parts, metrics, segment):
    """Who moves between values is in the figure of one now, and was in that of the other."""
    assert differences(*cases.tricky(range(6), basis), parts, metrics, segment=segment) == []


@pytest.mark.parametrize(
    ("metric", "basis", "parts", "per_customer"),
    [
        ("revenue", "orders", bought, "average_revenue_per_customer"),
        ("mrr", "subscriptions", money, "average_revenue_per_account"),
    ],
    ids=["revenue", "MRR"],
)
def test_who_moves_between_values_changes_the_sums_of_both(metric, basis, parts, per_customer):
    """The half width of a value's change: what each customer adds to it, or no longer does, squared."""
    data, books = cases.tricky(range(6), basis)
    labels, count = ("2024-02", "2024-03"), 0
    amounts = [{customer: part[0] for customer, part in parts(books, label)[per_customer].items()} for label in labels]
    values = [values_of(books, label, "country") for label in labels]
    for row in segment_changes(data, Period.parse(labels[1]), "country", [metric]).itertuples():
        if row.value:
            changes = [
                sum(
                    sign * amount.get(customer, 0) * (value_of(customer) == row.value)
                    for sign, amount, value_of in zip((-1, 1), amounts, values, strict=True)
                )
                for customer in amounts[0].keys() | amounts[1].keys()
            ]
            assert row.now - row.before == pytest.approx(sum(changes)), row.value
            assert row.high - (row.now - row.before) == pytest.approx(Z95 * sqrt(sum(change**2 for change in changes)))
            count += 1
    assert count >= 3


@pytest.mark.parametrize("basis", cases.BASES)
def test_customers_of_the_sample(basis):
    data, books = cases.company(basis)
    assert differences(data, books, rates, RATES, labels=oracle.all_periods(books, "month")[-5:]) == []


def test_money_of_the_sample():
    data, books = cases.company("subscriptions")
    assert differences(data, books, money, MONEY, labels=oracle.all_periods(books, "month")[-5:]) == []


def test_the_interval_of_a_change_goes_by_what_customers_deviate():
    """Covariance: the sum over customers of what each deviates from the ratio, then and now."""
    data, books = cases.company("subscriptions")
    labels, count = oracle.all_periods(books, "month")[-5:-1], 0
    for parts, metrics in ((rates, RATES), (money, MONEY)):
        for metric, label, now, before, own, own_before in measured(data, books, parts, metrics, labels):
            both = own.keys() & own_before.keys()
            covariance = sum(
                (own[customer][0] - now.value * own[customer][1])
                * (own_before[customer][0] - before.value * own_before[customer][1])
                for customer in both
            ) / (now.denominator * before.denominator)
            sides = [max(measure.value - measure.low, measure.high - measure.value) for measure in (now, before)]
            correlation = Z95**2 * covariance / (sides[0] * sides[1])
            row = rk.scorecard(data, label, metrics=[metric]).iloc[0]
            down, up = now.value - now.low, before.high - before.value
            expected = sqrt(down**2 + up**2 - 2 * correlation * down * up)
            assert row["change"] - row["change_low"] == pytest.approx(expected), f"{metric} {label}"
            count += 1
    assert count == 3 * len(RATES + MONEY)


@pytest.mark.parametrize("basis", cases.BASES)
def test_who_is_in_two_retention_rates_was_retained_in_the_earlier(basis):
    """So only that old customers stay more often, or less, than new ones pairs the two."""
    data, books = cases.tricky(range(3), basis)
    for _, label, now, before, own, own_before in measured(data, books, rates, RATES[:1]):
        both = own.keys() & own_before.keys()
        assert all(own_before[customer][0] for customer in both), label
        if both:
            xx, xy, yx, yy = now.crossed
            stay = sum(own[customer][0] for customer in both) / len(both)
            covariance = xx - before.value * xy - now.value * yx + now.value * before.value * yy
            assert covariance == pytest.approx(len(both) * (1 - before.value) * (stay - now.value))


def test_every_figure_with_an_interval_is_paired():
    """Those of the last twelve months, and of all that customers have done, have no interval of their change."""
    measures = _Measures(cases.company("subscriptions")[0])
    for metric in rk.METRICS.values():
        if not metric.overlaps:
            measure = measures.measure(metric, Period.parse("2025-11"), None, "")
            assert (measure.crossed is None) == (measure.estimate is None), metric.name


# False alarms

MONTHS = 24


def pausing(rng: np.random.Generator) -> np.ndarray:
    """MRR of three thousand members by month: some leave and others come, and each pauses a month now and then."""
    return np.where(rng.random((3_000, MONTHS)) < 0.06, 0, indicator(rng, 3_000) * rng.choice([9, 19, 49], (3_000, 1)))


def by_seat(rng: np.random.Generator) -> np.ndarray:
    """The same of two thousand whose seats go up and down around a number of their own."""
    seats = rng.lognormal(2, 0.8, (2_000, 1)) * np.exp(rng.normal(0, 0.1, (2_000, MONTHS)))
    return indicator(rng, 2_000) * 10 * np.maximum(1, seats.round())


def indicator(rng: np.random.Generator, count: int) -> np.ndarray:
    born, month = rng.integers(-60, MONTHS, (count, 1)), np.arange(MONTHS)
    return (month >= born) & (month < born + rng.geometric(1 / 18, (count, 1)))


def row(paid: np.ndarray, month: int) -> Mrr:
    """The sums of a month that the metrics below read."""
    two = [Moves(paid[:, at - 1], paid[:, at], (paid[:, :at] > 0).any(axis=1)) for at in (month - 1, month)]
    (before, now), zeros = two, {field.name: 0.0 for field in fields(Mrr)}
    crossed = {
        "start_crossed": now.start @ before.start,
        "kept_crossed": now.kept @ before.kept,
        "kept_start_before": now.kept @ before.start,
        "start_kept_before": now.start @ before.kept,
        "back_crossed": now.kept @ before.back + now.back @ before.kept,
        "back_start_before": now.back @ before.start,
        "start_back_before": now.start @ before.back,
        "gained_crossed": now.gained @ before.gained,
        "gained_lost_before": now.gained @ before.lost,
        "lost_gained_before": now.lost @ before.gained,
        "lost_crossed": now.lost @ before.lost,
    }
    more, new = np.maximum(now.kept, 0), now.gained - np.maximum(now.kept, 0) - now.back
    own = {
        "start": now.start.sum(),
        "start_squared": now.start @ now.start,
        "customers_at_start": (now.start > 0).sum(),
        "kept_change": now.kept.sum(),
        "kept_squared": now.kept @ now.kept,
        "start_kept": now.start @ now.kept,
        "new": new.sum(),
        "new_squared": new @ new,
        "reactivation": now.back.sum(),
        "reactivation_squared": now.back @ now.back,
        "expansion": more.sum(),
        "expansion_squared": more @ more,
        "start_expansion": now.start @ more,
        "churned": now.lost.sum(),
        "loss_squared": now.lost @ now.lost,
        "start_loss": now.start @ now.lost,
        "changes": ((now.gained > 0) | (now.lost > 0)).sum(),
    }
    named = {"segment_value": "", "period": month, "is_first": False, "may_hold_earlier": False}
    return Mrr(**zeros | own | crossed | named | {"definitions": Definitions()})


class Moves:
    """What members pay at the start of a month, and what they did until its end."""

    def __init__(self, start: np.ndarray, end: np.ndarray, known: np.ndarray):
        self.start, stayed = start.astype(float), start > 0
        self.kept = np.where(stayed, end - start, 0.0)
        self.lost, self.gained = np.maximum(start - end, 0.0), np.maximum(end - start, 0.0)
        self.back = np.where(known & ~stayed, end, 0.0)


@pytest.mark.long
@pytest.mark.parametrize(
    ("company", "metric"),
    [
        (pausing, "net_revenue_churn_rate"),
        (pausing, "quick_ratio"),
        (by_seat, "net_revenue_retention"),
        (by_seat, "net_revenue_churn_rate"),
    ],
)
def test_of_a_hundred_changes_of_nothing_five_are_called_one(company, metric):
    """Without pairs they are more: who pauses comes back, and who adds a seat gives it up."""
    claimed = {"paired": 0, "apart": 0}
    for number in range(150):
        paid = company(np.random.default_rng([4, number]))
        for month in range(MONTHS - 1, 5, -3):
            now, before = (rk.METRICS[metric].function(row(paid, at)) for at in (month, month - 1))
            for name, correlation in (("paired", paired(now, before)), ("apart", 0.0)):
                low, high = difference(now, before, correlation)
                claimed[name] += low > 0 or high < 0
    shares = {name: count / (150 * 6) for name, count in claimed.items()}
    assert 0.02 < shares["paired"] < 0.065
    assert shares["apart"] > shares["paired"] + 0.015
