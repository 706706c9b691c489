"""What the package and the oracle are compared on: the sample company, and small tables of nothing but hard cases."""

from __future__ import annotations

import random
from datetime import date
from functools import cache

import pandas as pd

import oracle
import oracle_tables
import retention_kit as rk
from oracle_money import churn_reasons, mrr_movements
from retention_kit.data.sample import sample_tables

ZONE, CURRENCY, AS_OF = "Europe/London", "GBP", date(2026, 1, 1)
BASES = ("orders", "subscriptions")
EVERY = ("week", "month", "quarter", "year")

tables = cache(sample_tables)


@cache
def company(basis: str, **options):
    """The sample company as the package and as the oracle read it."""
    data = rk.load(**tables(), timezone=ZONE, currency=CURRENCY, basis=basis, **options)
    return data, oracle_tables.read(ZONE, AS_OF, basis, **tables(), **options)


def some_periods(books, every: str, count: int) -> list[str]:
    """The first, the second, the last and a few between, always the same."""
    labels = oracle.all_periods(books, every)
    between = labels[2:-1]
    chosen = random.Random(f"{every} {books.rules.basis}").sample(between, min(count, len(between)))
    return sorted({*labels[:2], *chosen, labels[-1]})


# What the package says beside the oracle: one line for each difference


def scorecard_differences(data, books, periods, every, metrics=oracle.METRICS, segment=None, tolerance=1e-9):
    """Lifetime, which takes the package two years of data for every period, of the last but one and the last only."""
    lifetime = [metric for metric in metrics if metric in oracle.LIFETIME_METRICS]
    few = periods[-2:-1] if segment else periods[-2:]
    lines = []
    for chosen, some in (([metric for metric in metrics if metric not in lifetime], periods), (lifetime, few)):
        if chosen:
            frame = rk.scorecard(data, periods=some, every=every, metrics=chosen, segment=segment)
            assert len(frame[frame["segment"] == ""]) == len(some) * len(chosen)
            lines += oracle.differences(frame, books, segment, tolerance)
    return lines


def movement_differences(data, books, every: str, tolerance: float = 1e-9) -> list[str]:
    """Of customers in every period, and of MRR in every period that the package shows."""
    labels = oracle.all_periods(books, every)
    customers = rk.customer_movements(data, every=every).set_index("period")
    lines = [f"{label}: no movements" for label in labels if label not in customers.index]
    compared = [
        (customers, label, oracle.customer_movements(books, label)) for label in labels if label in customers.index
    ]
    if books.spells:
        mrr = rk.mrr_movements(data, every=every).set_index("period")
        known = mrr.index.intersection(labels)
        assert len(known) > len(labels) / 2
        compared += [(mrr, label, mrr_movements(books, label, books.rules.mrr_mode)) for label in known]
    for frame, label, by_oracle in compared:
        for name, expected in by_oracle.items():
            if not oracle.same(frame.loc[label, name], expected, tolerance):
                lines.append(f"{name} {label}: {frame.loc[label, name]}, the oracle says {expected}")
    return lines


def cohort_differences(data, books, every: str, tolerance: float = 1e-9) -> list[str]:
    """Of every cell; those that are not observed are empty."""
    frame = rk.cohorts(data, every=every)
    assert {"active", "revenue"} <= set(frame.columns)
    known = frame[frame["active"].notna()]
    cells = {(row.cohort, row.age): (row.size, row.active, row.revenue) for row in known.itertuples(index=False)}
    return disagreements(cells, oracle.cohorts(books, every), tolerance)


def reason_differences(data, books, every: str, tolerance: float = 1e-9) -> list[str]:
    frame = rk.churn_reasons(data, every=every)
    assert list(frame.columns) == ["period", "reason", "lost", "churned"]
    counts = {(row.period, row.reason): (row.lost, row.churned) for row in frame.itertuples()}
    labels = oracle.all_periods(books, every)
    by_oracle = {(label, reason): lost for label in labels for reason, lost in churn_reasons(books, label).items()}
    return disagreements(counts, by_oracle, tolerance)


def disagreements(actual: dict, expected: dict, tolerance: float) -> list[str]:
    """Keys with other figures, or on one side only."""
    lines = [
        f"{key}: {actual.get(key)}, the oracle says {expected.get(key)}" for key in actual.keys() ^ expected.keys()
    ]
    for key in actual.keys() & expected.keys():
        if not all(oracle.same(*pair, tolerance) for pair in zip(actual[key], expected[key], strict=True)):
            lines.append(f"{key}: {actual[key]}, the oracle says {expected[key]}")
    return sorted(lines)


# Small tables of nothing but hard cases: boundaries to the second, clock changes, gaps of a day, trials, pauses,
# several subscriptions, refunds of every kind, one key with two contents, guests, unreadable values

MOMENTS = (
    *("2023-10-29 01:30:00", "2023-12-31 23:59:59", "2024-01-01 00:00:00", "2024-01-31 23:59:59", "2024-02-01"),
    *(
        "2024-01-12 09:00:00",
        "2024-02-01 00:00:01",
        "2024-02-02 00:00:00",
        "2024-02-10 09:00:00",
        "2024-02-28 23:00:00",
        "2024-02-29 23:00:00",
    ),
    *(
        "2024-03-01 22:59:59",
        "2024-03-01 23:00:01",
        "2024-03-10 15:00:00",
        "2024-03-30 12:00:00",
        "2024-03-31 13:00:00",
    ),
    *("2024-03-31 13:00:01", "2024-04-01 00:00:00", "2024-04-01 00:30:00", "2024-04-19 23:59:59"),
    *("2024-04-20 00:00:00", "2024-05-05 10:00:00", "no date", ""),
)
TRICKY_AS_OF = date(2024, 4, 20)
TRICKY_PERIODS = ["2023-12", "2024-01", "2024-02", "2024-03", "2024-04"]
COLUMNS = {
    "orders": ("customer_id", "order_id", "ordered_at", "amount", "refund_of", "refunded", "country", "currency"),
    "subscriptions": (
        *("customer_id", "subscription_id", "started_at", "ended_at", "trial_ends_at", "amount", "interval", "status"),
        *("cancel_reason", "currency"),
    ),
    "responses": ("customer_id", "responded_at", "survey", "score", "scale", "country"),
}


def tricky(seeds: range, basis: str, currencies: tuple = (None,), rates: pd.DataFrame | None = None, **options):
    """Companies of hard cases in one, `case` telling them apart, as the package and as the oracle read them."""
    tables = many_tricky_tables(seeds, currencies) | options | ({} if rates is None else {"rates": rates})
    data = rk.load(**tables, timezone=ZONE, currency=CURRENCY, basis=basis, as_of=str(TRICKY_AS_OF))
    if currencies == (None,):
        return data, tricky_books(seeds, basis, **options)
    return data, oracle_tables.read(ZONE, TRICKY_AS_OF, basis, currency=CURRENCY, **tables)


@cache
def tricky_books(seeds: range, basis: str, **options) -> oracle_tables.Books:
    return oracle_tables.read(ZONE, TRICKY_AS_OF, basis, **many_tricky_tables(seeds), **options)


@cache
def many_tricky_tables(seeds: range, currencies: tuple = (None,)) -> dict[str, pd.DataFrame]:
    stacks = {name: [] for name in COLUMNS}
    for seed in seeds:
        for name, frame in tricky_tables(seed, currencies).items():
            keys = frame.columns.intersection(["customer_id", "order_id", "refund_of", "subscription_id"])
            own = {key: frame[key].map(f"{seed} {{}}".format, na_action="ignore") for key in keys}
            stacks[name].append(frame.assign(**own, case=str(seed)))
    return {name: pd.concat(frames, ignore_index=True) for name, frames in stacks.items()}


def tricky_tables(seed: int, currencies=(None,)) -> dict[str, pd.DataFrame]:
    """What decides between equal rows is a function of the key, so that no rule is left to chance."""
    draw = random.Random(seed)

    def customer(number: int) -> str | None:
        return "ABCDEFG"[number % 7] if number % 8 else None

    def country(customer_id: str | None, moment: str) -> str | None:
        return ("France", "Spain", None)[(ord(customer_id or "Z") + MOMENTS.index(moment)) % 3]

    def currency(number: int) -> str | None:  # a refund's number is its order's and 75
        return currencies[number % 5 % len(currencies)]

    orders = []
    for _ in range(110):
        number, moment = draw.randrange(100), draw.choice(MOMENTS)
        refund_of = None if number < 80 else str(number - 75) if number < 96 else "unknown"
        amount = draw.choice(["10.00", "10.00", "7.35", "3.33", "0.01", "0", "-5.00", "-10.00", "ten", ""])
        customer_id = customer(number)
        refunded = {1: "2.50", 4: "10.00", 7: "-0.01", 9: "0"}.get(number % 11)  # without a date, of the order itself
        terms = (refund_of, refunded, country(customer_id, moment), currency(number))
        orders.append((customer_id, str(number), moment, amount, *terms))
    subscriptions = []
    for row in range(150):
        number, started, ended = draw.randrange(96), draw.choice(MOMENTS), draw.choice(MOMENTS)
        if draw.random() < 0.8:
            started, ended = sorted((started, ended), key=MOMENTS.index)
        trial = draw.choice(["", "", "", "", draw.choice(MOMENTS)])
        interval = draw.choice(["month", "month", "quarter", "year", "week", "day", ""])
        status = draw.choice(["active", "", "cancelled", "past_due", "paused", "paused", "unpaid", "sleeping"])
        amount = draw.choice([f"{row + 10}.99", f"{row + 10}.99", f"{row + 10}.99", "0", f"-{row + 10}"])
        reason = draw.choice(["price", "price", "moved", " ", None])
        terms = (trial, amount, interval, "free" if amount == "0" else status, reason, currency(number))
        customer_id = "ABCDEFGHIJKLMNOPQRSTUVWX"[number % 24]  # many with one spell or two, so that some come and go
        subscriptions.append((customer_id, str(number), started, ended, *terms))
    responses = {}
    for _ in range(90):
        customer_id, moment, survey = (
            customer(draw.randrange(16)),
            draw.choice(MOMENTS),
            draw.choice(["nps", "csat", "ces"]),
        )
        score = draw.choice(["0", "1", "2", "3", "3", "4", "4", "5", "5", "6", "10", "11", "4.5", "many", ""])
        responses[customer_id, survey, moment] = (
            customer_id,
            moment,
            survey,
            score,
            oracle_tables.DEFAULT_SCALE[survey],
            country(customer_id, moment),
        )
    rows = {"orders": orders, "subscriptions": subscriptions, "responses": list(responses.values())}
    return {name: pd.DataFrame(rows[name], columns=list(columns)) for name, columns in COLUMNS.items()}
