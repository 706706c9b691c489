"""The package against the oracle under each option of the definitions, in several currencies, and line by line."""

from __future__ import annotations

import random
from datetime import date, timedelta
from fractions import Fraction
from functools import cache

import pandas as pd
import pytest

import oracle
import oracle_cases as cases
import oracle_tables
import retention_kit as rk
from pencil import table

pytestmark = pytest.mark.long

# Each with the basis and the metrics that it can move; the others are compared in test_oracle
STATES = oracle.CUSTOMER_METRICS
MOVING = [
    ("orders", {"inactivity_days": 1}, STATES),
    ("orders", {"inactivity_days": 45}, STATES),
    ("orders", {"inactivity_days": 45, "churn_mode": "event"}, STATES),
    ("orders", {"churn_mode": "event"}, STATES),
    ("subscriptions", {"churn_mode": "event"}, STATES),
    ("subscriptions", {"mrr_mode": "event"}, oracle.MRR_METRICS),
    ("subscriptions", {"mrr_mode": "event", "churn_mode": "event", "quick_ratio_reactivation": False}, oracle.METRICS),
]
STILL = [
    ("subscriptions", {"quick_ratio_reactivation": False}, oracle.MRR_METRICS),
    ("orders", {"returning": "shopify"}, oracle.ORDER_METRICS),
    ("orders", {"count": "days"}, oracle.ORDER_METRICS),
    ("orders", {"zero_orders": "purchase"}, STATES + oracle.LIFETIME_METRICS + oracle.ORDER_METRICS),
    (
        "orders",
        {"zero_orders": "purchase", "count": "days", "inactivity_days": 20, "returning": "shopify"},
        oracle.METRICS,
    ),
    ("orders", {"lifespan_years": 3}, oracle.LIFETIME_METRICS),
    ("subscriptions", {"lifespan_years": 2.5}, oracle.LIFETIME_METRICS),
    ("orders", {"answers": "all"}, oracle.SURVEY_METRICS),
    ("orders", {"csat_top": 1, "ces_top": 2}, oracle.SURVEY_METRICS),
    ("orders", {"csat_top": 3, "ces_top": 1, "answers": "all"}, oracle.SURVEY_METRICS),
    ("orders", {"ces_top": "mean"}, oracle.SURVEY_METRICS),
]


# The same at once, where they move different metrics.
TOGETHER = [
    (
        "orders",
        {"returning": "shopify", "lifespan_years": 3, "answers": "all", "csat_top": 1, "ces_top": 2},
        oracle.ORDER_METRICS + oracle.LIFETIME_METRICS + oracle.SURVEY_METRICS,
    ),
    (
        "orders",
        {"count": "days", "answers": "all", "csat_top": 3, "ces_top": 1},
        oracle.ORDER_METRICS + oracle.SURVEY_METRICS,
    ),
    (
        "orders",
        {"zero_orders": "purchase", "ces_top": "mean"},
        STATES + oracle.LIFETIME_METRICS + oracle.ORDER_METRICS + oracle.SURVEY_METRICS,
    ),
    STILL[4],
    (
        "subscriptions",
        {"quick_ratio_reactivation": False, "lifespan_years": 2.5},
        oracle.MRR_METRICS + oracle.LIFETIME_METRICS,
    ),
]


def case_name(case) -> str:
    basis, options, _ = case
    return f"{basis} {options}"


@pytest.mark.parametrize("case", MOVING + TOGETHER, ids=case_name)
def test_hard_cases_have_the_figures_of_the_oracle(case):
    basis, options, metrics = case
    data, books = cases.tricky(range(6), basis, **options)
    assert cases.scorecard_differences(data, books, cases.TRICKY_PERIODS, "month", metrics, segment="case") == []
    assert cases.scorecard_differences(data, books, cases.TRICKY_PERIODS, "month", metrics) == []
    for every in ("week", "month", "quarter") if case in MOVING else ():
        assert cases.movement_differences(data, books, every) == []
        if basis == "subscriptions":
            assert cases.reason_differences(data, books, every) == []


@pytest.mark.parametrize("case", [MOVING[2], MOVING[-1]], ids=case_name)
def test_the_sample_has_the_figures_of_the_oracle(case):
    basis, options, metrics = case
    data, books = cases.company(basis, **options)
    assert cases.scorecard_differences(data, books, cases.some_periods(books, "month", 3), "month", metrics) == []
    assert cases.movement_differences(data, books, "month") == []


@cache
def hard_figures(basis: str, **options) -> list[dict]:
    """What the oracle says of the hard cases, period by period."""
    books = cases.tricky_books(range(6), basis, **options)
    return [oracle.figures(books, label)[""] for label in cases.TRICKY_PERIODS]


@pytest.mark.parametrize("case", MOVING + STILL, ids=case_name)
def test_every_option_changes_a_figure(case):
    """An option that moves no figure of the hard cases would be compared with nothing."""
    basis, options, metrics = case
    values = [
        [[figures[metric] for metric in metrics] for figures in hard_figures(basis, **chosen)]
        for chosen in ({}, options)
    ]
    without_effect = basis == "orders" and options == {"churn_mode": "event"}  # buyers of a period know no days
    assert (values[0] == values[1]) == without_effect


def test_rates_of_small_numbers_are_withheld_as_by_the_oracle():
    """Rates and means of fewer than 40 are not shown, by country; counts and money are."""
    data, books = cases.company("subscriptions", min_n=40)
    periods = cases.some_periods(books, "month", 2)
    metrics = list(oracle.SWIFT_METRICS)
    frame = rk.scorecard(data, periods=periods, every="month", metrics=metrics, segment="country")
    # These are of customers, too, but how many a quotient of sums is of is the package's to say.
    unclear = frame["metric"].isin(["quick_ratio", *oracle.MRR_METRICS[2:6]])
    assert oracle.differences(frame[~unclear], books, "country") == []
    few = frame[unclear & (frame["n"] < 40)]
    assert few["value"].isna().all()
    assert few["note"].str.len().gt(0).all()
    assert len(few) > 10


# Several currencies


def rates(first: date, last: date, gap: int) -> pd.DataFrame:
    """Rates that wander, every few days."""
    draw, rows = random.Random(5), []
    for code, level in (("EUR", 0.86), ("USD", 0.78)):
        day = first
        while day <= last:
            rows.append((day.isoformat(), code, f"{level * draw.uniform(0.9, 1.1):.4f}"))
            day += timedelta(days=draw.randint(1, gap))
    return pd.DataFrame(rows, columns=["date", "currency", "rate"])


@pytest.mark.parametrize("mode", ["snapshot", "event"])
@pytest.mark.parametrize("basis", cases.BASES)
def test_hard_cases_in_several_currencies_have_the_figures_of_the_oracle(basis, mode):
    daily = rates(date(2023, 10, 1), date(2024, 5, 10), 9)
    data, books = cases.tricky(range(6), basis, ("EUR", None, " usd ", "gbp"), daily, mrr_mode=mode)
    for segment in (None, "case"):
        options = {"segment": segment, "tolerance": 1e-6}
        assert cases.scorecard_differences(data, books, cases.TRICKY_PERIODS, "month", **options) == []
    for every in ("week", "month", "quarter"):
        assert cases.movement_differences(data, books, every, 1e-6) == []
        assert cases.cohort_differences(data, books, every, 1e-6) == []
        if basis == "subscriptions":
            assert cases.reason_differences(data, books, every, 1e-6) == []


def test_who_came_and_left_within_a_period_is_known():
    """A paid from 10 to 20 January, at no month's end; in March that is MRR won back, in whatever currency."""
    subscriptions = """
        customer_id  started_at  ended_at    amount  currency
        A            2024-01-10  2024-01-20  10.00   {}
        A            2024-03-10  -           10.00   {}
        B            2024-01-10  -           10.00   EUR
        """
    rate = table("""
        date        currency  rate
        2024-01-01  EUR       0.80
        """)
    for code, worth in (("EUR", 8), ("GBP", 10)):
        tables = {"subscriptions": table(subscriptions.format(code, code)), "rates": rate, "currency": "GBP"}
        data = rk.load(**tables, timezone="UTC", as_of="2024-05-01")
        march = rk.mrr_movements(data, every="month").set_index("period").loc["2024-03"]
        assert (march["new"], march["reactivation"]) == (0, worth)


def test_the_sample_in_three_currencies_has_the_figures_of_the_oracle():
    """Every third customer pays in euros, every fifth in dollars."""

    def currency(customer: pd.Series) -> pd.Series:
        number = customer.fillna("").astype(str).str.extract(r"(\d+)")[0].fillna("0").astype(int)
        return number.map(lambda n: "EUR" if n % 3 == 1 else "USD" if n % 5 == 2 else "GBP")

    tables = dict(cases.tables())
    for name in ("orders", "subscriptions"):
        tables[name] = tables[name].assign(currency=currency(tables[name]["customer_id"]))
        assert tables[name]["currency"].nunique() == 3
    tables["rates"] = rates(date(2022, 12, 1), date(2026, 1, 5), 4)
    data = rk.load(**tables, timezone=cases.ZONE, currency=cases.CURRENCY, basis="subscriptions")
    books = oracle_tables.read(cases.ZONE, cases.AS_OF, "subscriptions", **tables)
    periods, metrics = cases.some_periods(books, "month", 2), oracle.SWIFT_METRICS
    assert cases.scorecard_differences(data, books, periods, "month", metrics, tolerance=1e-6) == []
    assert cases.movement_differences(data, books, "quarter", 1e-6) == []
    assert cases.cohort_differences(data, books, "quarter", 1e-6) == []
    fx = rk.mrr_movements(data, every="quarter")["fx"]
    assert fx.abs().max() > 100


@pytest.mark.parametrize("options", [{}, {"lifespan_years": 2.5}], ids=["implied", "given"])
def test_few_customers_have_a_lifetime_value(options):
    """A and then B pay at one month-end of twelve each: 120 a year, over the month that churn implies or 2.5 years."""
    subscriptions = table("""
        customer_id  started_at  ended_at    amount
        A            2024-01-10  2024-02-10  10.00
        B            2024-02-20  -           10.00
        """)
    data = rk.load(subscriptions=subscriptions, timezone="UTC", as_of="2024-05-01", **options)
    books = oracle_tables.read("UTC", date(2024, 5, 1), "subscriptions", subscriptions=subscriptions, **options)
    assert oracle.figures(books, "2024-02")[""]["customer_lifetime_value"] == (300 if options else 10)
    frame = rk.scorecard(data, periods=["2024-01", "2024-02"], metrics=list(oracle.LIFETIME_METRICS))
    assert oracle.differences(frame, books) == []


# Lines


def test_random_order_lines_have_the_figures_of_the_oracle(tmp_path):
    """Random lines; times within an order differ, so that the earliest that names a customer is one."""
    draw, rows = random.Random(11), []
    for order in range(60):
        first = pd.Timestamp("2024-01-01") + pd.Timedelta(hours=draw.randrange(2400))
        for minutes in draw.sample(range(0, 2000, 7), draw.randint(1, 4)):
            amount = draw.choice(["5.00", "7.50", "-5.00", "0.01", "0", "ten"])
            line = (
                draw.choice("ABCDEF") if draw.random() < 0.6 else None,
                order,
                first + pd.Timedelta(minutes=minutes),
            )
            rows += [(*line, amount, draw.choice(["Spain", "Spain", "France", None]))] * draw.choice([1, 1, 1, 2])
    lines = pd.DataFrame(rows, columns=["customer_id", "order_id", "ordered_at", "amount", "country"])
    lines.to_csv(tmp_path / "lines.csv", index=False)
    settings = (
        f'[data.orders]\npath = "lines.csv"\nrows = "lines"\n[report]\ntimezone = "{cases.ZONE}"\ncurrency = "GBP"\n'
    )
    (tmp_path / "retention.toml").write_text(settings + "as_of = 2024-04-09\n", encoding="utf-8")
    data = rk.load(tmp_path / "retention.toml")
    books = oracle_tables.read(cases.ZONE, date(2024, 4, 9), "orders", orders=lines, lines=True)
    metrics = oracle.CUSTOMER_METRICS + oracle.ORDER_METRICS
    for every in ("week", "month"):
        periods = oracle.all_periods(books, every)
        assert cases.scorecard_differences(data, books, periods, every, metrics) == []
        assert cases.scorecard_differences(data, books, periods, every, metrics, segment="country") == []
        assert cases.cohort_differences(data, books, every) == []


@pytest.mark.parametrize(
    ("basis", "options"),
    [
        ("orders", {}),
        ("orders", {"inactivity_days": 20, "churn_mode": "event"}),
        ("subscriptions", {}),
        ("subscriptions", {"mrr_mode": "event"}),
    ],
)
def test_customers_of_before(basis, options):
    """Every third customer was there before: never new, in no cohort, at the first purchase or payment come back."""
    tables = cases.many_tricky_tables(range(3))
    customers = sorted(
        {
            customer_id
            for name in ("orders", "subscriptions")
            for customer_id in tables[name]["customer_id"].dropna()
            if customer_id.strip()
        }
    )
    known = pd.DataFrame({"customer_id": customers[::3]})
    common = {
        "timezone": cases.ZONE,
        "currency": cases.CURRENCY,
        "basis": basis,
        "as_of": str(cases.TRICKY_AS_OF),
    } | options
    data = rk.load(**tables, known_customers=known, **common)
    books = oracle_tables.read(
        cases.ZONE, cases.TRICKY_AS_OF, basis, **tables, known_customers=known["customer_id"], **options
    )
    assert books.known
    metrics = oracle.CUSTOMER_METRICS + oracle.ORDER_METRICS + oracle.MRR_METRICS
    assert cases.scorecard_differences(data, books, cases.TRICKY_PERIODS, "month", metrics) == []
    assert cases.movement_differences(data, books, "month") == []
    assert cases.cohort_differences(data, books, "month") == []


def test_weights_are_asked_for_by_survey_and_source(tmp_path):
    """In the first source satisfaction is weighted, in the second nothing is."""
    answers = cases.many_tricky_tables(range(4))["responses"].drop_duplicates().reset_index(drop=True)
    answers = answers.assign(weight=[["2", "0.5", "", "1", "0"][index % 5] for index in range(len(answers))])
    answers.loc[answers["survey"] != "csat", "weight"] = ""
    sources = [answers.iloc[::2], answers.iloc[1::2].drop(columns="weight")]
    for name, source in zip("ab", sources, strict=True):
        source.to_csv(tmp_path / f"{name}.csv", index=False)
    listed = "".join(f'[[data.responses]]\npath = "{name}.csv"\n' for name in "ab")
    (tmp_path / "retention.toml").write_text(listed, "utf-8")
    data = rk.load(tmp_path, timezone=cases.ZONE, currency=cases.CURRENCY, as_of=str(cases.TRICKY_AS_OF))
    read = [source.astype(object).replace("", None) for source in sources]
    books = oracle_tables.read(cases.ZONE, cases.TRICKY_AS_OF, "orders", responses=read)
    frame = rk.scorecard(data, periods=cases.TRICKY_PERIODS, every="month", metrics=oracle.SURVEY_METRICS)
    values = frame.set_index(["period", "metric"])["value"]
    for label in cases.TRICKY_PERIODS:
        start, end = oracle.bounds(label)
        expected = oracle.survey_figures(books, start, min(end, books.as_of))
        assert all(oracle.same(values[label, metric], expected[metric], 1e-9) for metric in oracle.SURVEY_METRICS), (
            label
        )
    assert {answer.weight for answer in books.answers} == {Fraction(2), Fraction(1, 2), Fraction(1)}


@pytest.mark.parametrize("first", [1049, 1091, 1112, 1119])
@pytest.mark.parametrize("mode", ["endpoint", "event"])
def test_reasons_of_more_hard_cases_are_those_of_the_oracle(first, mode):
    """Who pays within a day alone, and pauses a night away in which clocks change."""
    options = {"churn_mode": mode, "mrr_mode": "event" if mode == "event" else "snapshot"}
    data, books = cases.tricky(range(first, first + 7), "subscriptions", **options)
    for every in ("week", "month", "quarter"):
        assert cases.movement_differences(data, books, every) == []
        assert cases.reason_differences(data, books, every) == []
