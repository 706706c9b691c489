"""The package against the oracle, on the sample company."""

from __future__ import annotations

import random
from datetime import date
from functools import cache

import pandas as pd
import pytest

import oracle
import oracle_tables
import retention_kit as rk
from retention_kit.data.sample import sample_tables

ZONE, CURRENCY, AS_OF = "Europe/London", "GBP", date(2026, 1, 1)
BASES = ("orders", "subscriptions")
EVERY = ("week", "month", "quarter", "year")
SEGMENTS = ("country", "channel", "plan")


@cache
def company(basis: str):
    """The sample company as the package and as the oracle read it."""
    tables = sample_tables()
    return rk.load(**tables, timezone=ZONE, currency=CURRENCY, basis=basis), oracle_tables.read(
        ZONE, AS_OF, basis, **tables
    )


def some_periods(books, every: str, count: int) -> list[str]:
    """The first, the second, the last and a few between, always the same."""
    labels = oracle.all_periods(books, every)
    between = labels[2:-1]
    chosen = random.Random(f"{every} {books.basis}").sample(between, min(count, len(between)))
    return sorted({*labels[:2], *chosen, labels[-1]})


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("basis", BASES)
def test_scorecard(basis, every):
    data, books = company(basis)
    periods = some_periods(books, every, 6)
    frame = rk.scorecard(data, periods=periods, every=every, metrics=list(oracle.METRICS))
    assert len(frame) == len(periods) * len(oracle.METRICS)
    assert oracle.differences(frame, books) == []


@pytest.mark.parametrize("segment", SEGMENTS)
@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("basis", BASES)
def test_scorecard_by_segment(basis, every, segment):
    data, books = company(basis)
    periods = some_periods(books, every, 2)
    frame = rk.scorecard(data, periods=periods, every=every, metrics=list(oracle.METRICS), segment=segment)
    assert oracle.differences(frame, books, segment) == []


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("basis", BASES)
def test_customer_movements(basis, every):
    data, books = company(basis)
    frame = rk.customer_movements(data, every=every).set_index("period")
    wanted = {label: oracle.customer_movements(books, label) for label in some_periods(books, every, 10)}
    assert {label: frame.loc[label, list(row)].astype(int).to_dict() for label, row in wanted.items()} == wanted


@pytest.mark.parametrize("every", EVERY)
def test_mrr_movements(every):
    data, books = company("subscriptions")
    frame = rk.mrr_movements(data, every=every).set_index("period")
    for label in some_periods(books, every, 10):
        wanted = {name: float(value) for name, value in oracle.mrr_movements(books, label).items()}
        assert frame.loc[label, list(wanted)].astype(float).to_dict() == pytest.approx(wanted, rel=1e-9, abs=1e-9), (
            label
        )


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("basis", BASES)
def test_cohorts(basis, every):
    data, books = company(basis)
    assert observed(rk.cohorts(data, every=every)) == oracle.cohorts(books, every)


def observed(frame: pd.DataFrame) -> dict[tuple[str, int], tuple[int, int]]:
    """The observed cells by cohort and age."""
    seen = frame[frame["active"].notna()]
    return {(row.cohort, row.age): (row.size, row.active) for row in seen.itertuples(index=False)}


# Small tables of nothing but hard cases: boundaries to the second, clock changes, gaps of a day, trials, pauses,
# several subscriptions, refunds of every kind, one key with two contents, guests, unreadable values

MOMENTS = (
    *("2023-10-29 01:30:00", "2023-12-31 23:59:59", "2024-01-01 00:00:00", "2024-01-31 23:59:59", "2024-02-01"),
    *(
        "2024-02-01 00:00:01",
        "2024-02-02 00:00:00",
        "2024-02-28 23:00:00",
        "2024-02-29 23:00:00",
        "2024-03-01 22:59:59",
    ),
    *(
        "2024-03-01 23:00:01",
        "2024-03-30 12:00:00",
        "2024-03-31 13:00:00",
        "2024-03-31 13:00:01",
        "2024-04-01 00:00:00",
    ),
    *("2024-04-01 00:30:00", "2024-04-19 23:59:59", "2024-04-20 00:00:00", "2024-05-05 10:00:00", "no date", ""),
)
TRICKY_AS_OF = date(2024, 4, 20)


def tricky_tables(seed: int) -> dict[str, pd.DataFrame]:
    """What decides between equal rows is a function of the key, so that no rule is left to chance."""
    draw = random.Random(seed)

    def customer(number: int) -> str | None:
        return "ABCDEFG"[number % 7] if number % 8 else None

    def country(who: str | None, moment: str) -> str | None:
        return ("France", "Spain", None)[(ord(who or "Z") + MOMENTS.index(moment)) % 3]

    orders = []
    for _ in range(60):
        number, moment = draw.randrange(40), draw.choice(MOMENTS)
        refund_of = None if number < 30 else str(number - 25) if number < 38 else "unknown"
        amount = draw.choice(["10.00", "10.00", "7.35", "3.33", "0.01", "0", "-5.00", "-10.00", "ten", ""])
        who = customer(number)
        orders.append((who, str(number), moment, amount, refund_of, country(who, moment)))
    subscriptions = []
    for row in range(40):
        number, started, ended = draw.randrange(16), draw.choice(MOMENTS), draw.choice(MOMENTS)
        trial = draw.choice(["", "", "", draw.choice(MOMENTS)])
        interval = draw.choice(["month", "month", "quarter", "year", "week", "day", ""])
        status = draw.choice(["active", "", "", "cancelled", "past_due", "paused", "unpaid", "free", "sleeping"])
        amount = draw.choice([f"{row + 10}.99", f"{row + 10}.99", f"{row + 10}.99", "0", f"-{row + 10}"])
        subscriptions.append((customer(number) or "H", str(number), started, ended, trial, amount, interval, status))
    responses = {}
    for _ in range(60):
        who, moment, survey = customer(draw.randrange(16)), draw.choice(MOMENTS), draw.choice(["nps", "csat"])
        score = draw.choice(["0", "3", "4", "5", "6", "7", "9", "10", "11", "-1", "4.5", "many", ""])
        responses[who, survey, moment] = (who, moment, survey, score, country(who, moment))
    names = {
        "orders": ["customer_id", "order_id", "ordered_at", "amount", "refund_of", "country"],
        "subscriptions": [
            *("customer_id", "subscription_id", "started_at", "ended_at"),
            *("trial_ends_at", "amount", "interval", "status"),
        ],
        "responses": ["customer_id", "responded_at", "survey", "score", "country"],
    }
    rows = {"orders": orders, "subscriptions": subscriptions, "responses": list(responses.values())}
    return {name: pd.DataFrame(rows[name], columns=columns) for name, columns in names.items()}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("basis", BASES)
def test_hard_cases(basis, seed):
    tables = tricky_tables(seed)
    data = rk.load(**tables, timezone=ZONE, currency=CURRENCY, basis=basis, as_of=str(TRICKY_AS_OF))
    books = oracle_tables.read(ZONE, TRICKY_AS_OF, basis, **tables)
    periods = ["2023-12", "2024-01", "2024-02", "2024-03", "2024-04"]
    asked = {"periods": periods, "every": "month", "metrics": list(oracle.METRICS)}
    assert oracle.differences(rk.scorecard(data, **asked), books) == []
    assert oracle.differences(rk.scorecard(data, **asked, segment="country"), books, "country") == []
    assert observed(rk.cohorts(data, every="month")) == oracle.cohorts(books, "month")
    frame = rk.mrr_movements(data, every="month").set_index("period")
    for label in frame.index.intersection(periods):
        wanted = {name: float(value) for name, value in oracle.mrr_movements(books, label).items()}
        assert frame.loc[label, list(wanted)].astype(float).to_dict() == pytest.approx(wanted, rel=1e-9, abs=1e-9), (
            label
        )
