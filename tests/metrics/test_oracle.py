"""The package against the oracle, on the sample company and on hard cases; first, the oracle with a pencil."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

import oracle
import oracle_cases as cases
import oracle_lives
import oracle_tables
import retention_kit as rk
from oracle_money import churn_reasons, mrr_movements
from pencil import table

# The oracle itself, where it is subtle


def read_books(basis: str, as_of: date = date(2024, 7, 1), **options):
    """Tables on paper as the oracle reads them."""
    named = ("orders", "subscriptions", "responses", "rates")
    return oracle_tables.read("UTC", as_of, basis, **{k: table(v) if k in named else v for k, v in options.items()})


def test_pencil_refunds():
    """Order 1 is given back in part, 2 more than in full: 3.00 of the second refund name none, as r4 and r5 do."""
    books = read_books(
        "orders",
        orders="""
        customer_id  order_id  ordered_at  amount  refund_of
        A            1         2024-01-05  10.00   -
        B            2         2024-01-06  8.00    -
        A            r1        2024-03-01  -4.00   1
        B            r2        2024-02-01  6.00    2
        B            r3        2024-03-02  -5.00   2
        B            r4        2024-03-03  -1.00   -
        -            r5        2024-03-04  2.00    9
        """,
    )
    assert [(p.customer, p.cents) for p in books.purchases] == [("A", 600)]
    assert [(r.day, r.cents) for r in books.refunds] == [
        (date(2024, 3, 2), 300),
        (date(2024, 3, 3), 100),
        (date(2024, 3, 4), 200),
    ]


def customers(books, label: str) -> tuple[int, ...]:
    """start, new, reactivated, lost, retained, end"""
    return tuple(oracle.customer_movements(books, label).values())


def mrr(books, label: str, mode: str) -> tuple[Fraction, ...]:
    """start, new, expansion, contraction, churned, reactivation, fx, end"""
    return tuple(mrr_movements(books, label, mode).values())


def test_pencil_inactivity():
    """With 10 days A, of 5 and 12 March, is a customer at the boundaries of 6 to 22 March; B comes back on the 31st."""
    orders = """
        customer_id  order_id  ordered_at  amount
        A            1         2024-03-05  10.00
        A            2         2024-03-12  10.00
        B            3         2024-02-25  10.00
        B            4         2024-03-31  10.00
        C            5         2024-03-22  10.00
        """
    assert customers(read_books("orders", orders=orders, inactivity_days=10), "2024-03") == (1, 1, 0, 0, 1, 2)
    books = read_books("orders", orders=orders, inactivity_days=10, churn_mode="event")
    # A is new on the 5th and C on the 22nd; B is lost on 6 March (25 February and 10 days), A on the 22nd
    assert customers(books, "2024-03") == (1, 2, 1, 2, 1, 2)
    assert oracle.early_churned(books, "2024-03") == 1  # A


SPELLS = """
    customer_id  started_at  ended_at    amount  cancel_reason  status
    A            2024-01-10  2024-03-05  10.00   price          -
    A            2024-03-09  -           15.00   -              -
    B            2024-01-10  2024-03-20  20.00   moved          -
    B            2024-03-20  -           20.00   -              paused
    C            2024-03-02  2024-03-04  30.00   -              -
    D            2024-02-01  2024-03-31  5.00    price          -
    D            2024-02-01  2024-03-30  50.00   moved          -
    E            2024-02-01  2024-03-06  40.00   -              -
    E            2024-03-07  2024-03-08  40.00   -              -
    """


def test_pencil_events():
    """March: A leaves and comes back dearer, C only visits, D's dearer spell ends first, E's gap of a day is none."""
    endpoint = read_books("subscriptions", subscriptions=SPELLS)
    assert customers(endpoint, "2024-03") == (4, 0, 0, 3, 1, 1)
    assert mrr(endpoint, "2024-03", "snapshot") == (125, 0, 5, 0, 115, 0, 0, 15)
    assert churn_reasons(endpoint, "2024-03") == {"(paused)": (1, 20), "price": (1, 55), "(none)": (1, 40)}
    by_event = read_books("subscriptions", subscriptions=SPELLS, churn_mode="event", mrr_mode="event")
    by_reason = {"(paused)": (1, 20), "price": (2, 10 + 5), "(none)": (2, 30 + 40)}  # D's 50 went while D stayed
    assert churn_reasons(by_event, "2024-03") == by_reason
    assert customers(by_event, "2024-03") == (4, 1, 1, 5, 1, 1)
    assert mrr(by_event, "2024-03", "event") == (125, 30, 0, 50, 10 + 20 + 30 + 5 + 40, 15, 0, 15)
    figures = oracle.figures(by_event, "2024-03")[""]
    assert figures["customer_retention_rate"] == Fraction(1, 4)
    assert figures["customer_churn_rate"] == Fraction(5, 4)
    assert figures["early_churned_customers"] == 1
    assert figures["net_revenue_retention"] == Fraction(15, 125)
    assert figures["gross_revenue_retention"] == 1 - Fraction(155, 125)
    assert figures["quick_ratio"] == Fraction(45, 155)


RATES = """
    date        currency  rate
    2024-01-01  EUR       0.80
    2024-02-29  eur       0.90
    2024-03-01  EUR       0.95
    2024-03-31  EUR       1.00
    """


def test_pencil_currencies():
    """March opens at .90 and closes at 1.00: A's 10 EUR gain 1.00 of fx and 2.00 of expansion, B's 20 leave at .90."""
    subscriptions = """
        customer_id  subscription_id  started_at  ended_at    amount  currency
        A            1                2024-01-10  -           10.00   EUR
        A            2                2024-03-10  -           2.00    EUR
        B            3                2024-01-10  2024-03-20  20.00   EUR
        C            4                2024-03-10  -           30.00   EUR
        D            5                2024-01-10  -           7.00    -
        """
    books = read_books("subscriptions", subscriptions=subscriptions, rates=RATES)
    assert mrr(books, "2024-03", "snapshot") == (34, 30, 2, 0, 18, 0, 1, 49)
    # By event all of it goes at the day's .95, and fx is on A's 10 and 2, on B's 20 until then, on C's 30 since.
    fx = Fraction("1.00") + Fraction("0.10") + Fraction("1.00") + Fraction("1.50")
    assert mrr(books, "2024-03", "event") == (34, Fraction("28.50"), Fraction("1.90"), 0, 19, 0, fx, 49)
    figures = oracle.figures(books, "2024-03")[""]
    assert figures["net_revenue_retention"] == Fraction("17.80") / 34  # 12 EUR at the .90 of the start, and D's 7
    assert figures["gross_revenue_retention"] == Fraction(34 - 18, 34)


def test_pencil_orders_in_currencies():
    """The day's own rate counts, and the order's for its refund; a refund that names none goes at its day's."""
    orders = """
        customer_id  order_id  ordered_at  amount  refund_of  currency
        A            1         2024-02-29  10.00   -          EUR
        A            2         2024-03-01  10.00   -          eur
        B            3         2024-02-10  10.00   -          GBP
        A            r1        2024-04-01  -10.00  1          EUR
        A            r2        2024-04-01  -1.00   -          EUR
        """
    books = read_books("orders", orders=orders, rates=RATES)
    assert [p.cents for p in books.purchases] == [950, 1000]
    assert [r.cents for r in books.refunds] == [100]


def test_pencil_lines():
    """Order 1 is of the minute of its earliest line, and of the customer of the earliest that names one."""
    lines = """
        customer_id  order_id  ordered_at        amount  country
        B            1         2024-03-05 10:02  1.00    Spain
        A            1         2024-03-05 10:01  2.00    Spain
        -            1         2024-03-05 10:00  4.00    -
        A            2         2024-03-06 10:00  4.00    Spain
        A            2         2024-03-06 10:00  4.00    Spain
        A            2         2024-03-06 10:00  ten     France
        A            3         2024-03-07 10:00  -2.00   France
        A            3         2024-03-07 10:00  2.00    Spain
        """
    books = read_books("orders", orders=lines, lines=True, zero_orders="purchase")
    purchases = sorted((p.at.minute, p.day.day, p.customer, p.cents, p.columns["country"]) for p in books.purchases)
    assert purchases == [(0, 5, "A", 700, "Spain"), (0, 6, "A", 800, "Spain"), (0, 7, "A", 0, "(several)")]


# The sample company

SEGMENTED = [
    *((basis, every, "country") for basis in cases.BASES for every in cases.EVERY),
    *(("orders", "month", "channel"), ("subscriptions", "month", "plan")),
]


@pytest.mark.parametrize(
    "every", [pytest.param(every, marks=pytest.mark.long) if every == "week" else every for every in cases.EVERY]
)
@pytest.mark.parametrize("basis", cases.BASES)
def test_the_scorecard_has_the_figures_of_the_oracle(basis, every):
    data, books = cases.company(basis)
    assert cases.scorecard_differences(data, books, cases.some_periods(books, every, 5), every) == []


@pytest.mark.long
@pytest.mark.parametrize(("basis", "every", "segment"), SEGMENTED)
def test_scorecard_by_segment(basis, every, segment):
    data, books = cases.company(basis)
    periods = cases.some_periods(books, every, 2)
    metrics = oracle.METRICS if every == "month" else oracle.SWIFT_METRICS
    assert cases.scorecard_differences(data, books, periods, every, metrics, segment) == []


@pytest.mark.long
@pytest.mark.parametrize("every", cases.EVERY)
@pytest.mark.parametrize("basis", cases.BASES)
def test_movements_are_those_of_the_oracle(basis, every):
    data, books = cases.company(basis)
    assert cases.movement_differences(data, books, every) == []


@pytest.mark.parametrize("every", cases.EVERY)
@pytest.mark.parametrize("basis", cases.BASES)
def test_cohorts_are_those_of_the_oracle(basis, every):
    data, books = cases.company(basis)
    assert cases.cohort_differences(data, books, every) == []


@pytest.mark.long
@pytest.mark.parametrize("every", cases.EVERY)
def test_churn_reasons_are_those_of_the_oracle(every):
    data, books = cases.company("subscriptions")
    assert cases.reason_differences(data, books, every) == []


# Hard cases


@pytest.mark.long
@pytest.mark.parametrize("basis", cases.BASES)
def test_hard_cases_have_the_figures_of_the_oracle(basis):
    data, books = cases.tricky(range(8), basis)
    for segment in ("case", "country"):
        assert cases.scorecard_differences(data, books, cases.TRICKY_PERIODS, "month", segment=segment) == []
    assert cases.scorecard_differences(data, books, cases.TRICKY_PERIODS, "month") == []
    for every in cases.EVERY:
        assert cases.cohort_differences(data, books, every) == []
        assert cases.movement_differences(data, books, every) == []
        if basis == "subscriptions":
            assert cases.reason_differences(data, books, every) == []


def test_every_metric_has_an_oracle():
    """A new metric needs a second, independent computation in tests/support/oracle*.py; plug-ins look after their own."""
    own = {name for name, metric in rk.METRICS.items() if metric.function.__module__.startswith("retention_kit.")}
    assert own == {*oracle.METRICS, *oracle_lives.METRICS}
