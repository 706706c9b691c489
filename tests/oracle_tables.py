"""The oracle's own reading of the three raw tables: what counts, row by row. It shares no code with the package."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction
from zoneinfo import ZoneInfo

import pandas as pd

NEVER = datetime.max.replace(tzinfo=UTC)
YEARLY_TWELFTHS = {"month": 12, "quarter": 4, "year": 1, "week": 52, "day": 365}
WITHOUT_MRR = {"paused", "trialing", "unpaid", "free"}
WITH_MRR = {"active", "past_due", "cancelled", ""}
DEFAULT_SCALE = {"nps": "0-10", "csat": "1-5", "ces": "1-7"}
OURS = {
    "orders": {"customer_id", "order_id", "ordered_at", "amount", "refund_of", "currency"},
    "subscriptions": {
        *("customer_id", "subscription_id", "started_at", "ended_at", "amount", "interval", "currency"),
        *("trial_ends_at", "cancel_reason", "status"),
    },
    "responses": {"customer_id", "responded_at", "survey", "score", "scale", "weight", "comment"},
}


@dataclass(frozen=True)
class Row:
    """What all tables share: whose row it is (None: a guest's), when, on which local day, and its other columns."""

    customer: str | None
    at: datetime
    day: date
    columns: dict[str, str | None]


@dataclass(frozen=True)
class Purchase(Row):
    cents: int = 0


@dataclass(frozen=True)
class Spell(Row):
    """One paid stretch, from `at` to `end`, at a constant price."""

    end: datetime = NEVER
    twelfths: int = 0  # of a cent a month


@dataclass(frozen=True)
class Answer(Row):
    survey: str = ""
    score: int = 0
    scale: str = ""
    weight: Fraction = Fraction(1)


@dataclass
class Books:
    """The cleaned tables of one company, and the rows that tell a customer's segment."""

    zone: ZoneInfo
    as_of: date
    basis: str
    purchases: list[Purchase] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def row(self, raw: dict, table: str, at: datetime) -> Row:
        columns = {name: text(value) for name, value in raw.items() if name not in OURS[table]}
        return Row(text(raw.get("customer_id")), at, at.astimezone(self.zone).date(), columns)


# Reading


def text(value) -> str | None:
    """The value as text; None when it is missing or blank."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return None
    return str(value).strip() or None


def number(value) -> Decimal | None:
    try:
        found = Decimal(text(value) or "")
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def cents(value) -> int | None:
    amount = number(value)
    return None if amount is None else int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))


def instant(value, zone: ZoneInfo) -> datetime | None:
    try:
        found = datetime.fromisoformat(text(value) or "")
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def raw_rows(frame: pd.DataFrame | None) -> list[dict]:
    """The rows as dicts, identical ones once."""
    return [] if frame is None else frame.drop_duplicates().to_dict("records")


def first_of_each_key(candidates: list[tuple]) -> list:
    """Of (key, rank, row) the row of the lowest rank for each key; a key of None is like no other."""
    kept, loose = {}, []
    for key, rank, row in candidates:
        if key is None:
            loose.append(row)
        elif key not in kept or rank < kept[key][0]:
            kept[key] = (rank, row)
    return [row for _, row in kept.values()] + loose


def read(zone: str, as_of: date, basis: str, *, orders=None, subscriptions=None, responses=None) -> Books:
    """The three raw tables, cleaned."""
    books = Books(ZoneInfo(zone), as_of, basis)
    read_orders(books, raw_rows(orders))
    read_subscriptions(books, raw_rows(subscriptions))
    named = responses is not None and responses["customer_id"].map(text).notna()
    for rows in () if responses is None else (raw_rows(responses[named]), responses[~named].to_dict("records")):
        read_responses(books, rows)  # two guests may well answer alike
    return books


def read_orders(books: Books, table: list[dict]) -> None:
    candidates = []
    for raw in table:
        at, amount = instant(raw["ordered_at"], books.zone), cents(raw["amount"])
        if at is None or amount is None:
            continue
        row = books.row(raw, "orders", at)
        key = text(raw.get("order_id"))
        candidates.append((key, (at, amount), (key, amount, text(raw.get("refund_of")), row)))
    kept = [order for order in first_of_each_key(candidates) if order[3].day < books.as_of]
    books.rows += [row for *_, row in kept]
    refunded = Counter()
    for _, amount, refund_of, _ in kept:
        refunded[refund_of] += abs(amount)
    for key, amount, refund_of, row in kept:
        net = amount - (refunded[key] if key else 0)
        if refund_of is None and amount > 0 and net > 0:
            books.purchases.append(Purchase(**vars(row), cents=net))


def read_subscriptions(books: Books, table: list[dict]) -> None:
    candidates = []
    for raw in table:
        start, amount = instant(raw["started_at"], books.zone), cents(raw["amount"])
        end = instant(raw.get("ended_at"), books.zone)
        trial = instant(raw.get("trial_ends_at"), books.zone)
        interval, status = text(raw.get("interval")) or "month", text(raw.get("status")) or ""
        if (
            start is None
            or amount is None
            or amount < 0
            or interval not in YEARLY_TWELFTHS
            or status not in WITH_MRR | WITHOUT_MRR
        ):
            continue
        if (end is None and text(raw.get("ended_at"))) or (trial is None and text(raw.get("trial_ends_at"))):
            continue
        if end is not None and end < start:
            continue
        twelfths = 0 if status in WITHOUT_MRR else amount * YEARLY_TWELFTHS[interval]
        key = text(raw.get("subscription_id"))
        candidates.append((key and (key, start), amount, (raw, start, end, trial, twelfths)))
    now = books.midnight(books.as_of)
    paid = defaultdict(list)
    for raw, start, end, trial, twelfths in first_of_each_key(candidates):
        row = books.row(raw, "subscriptions", start)
        if row.day >= books.as_of:
            continue
        books.rows.append(row)
        end = NEVER if end is None or end >= now else end
        first_paid = max(row.at, trial or row.at)
        if row.customer and twelfths > 0 and first_paid < min(end, now):
            paid_row = books.row(raw, "subscriptions", first_paid)
            paid[row.customer].append(Spell(**vars(paid_row), end=end, twelfths=twelfths))
    books.spells = [spell for spells in paid.values() for spell in bridged(spells)]


def bridged(spells: list[Spell]) -> list[Spell]:
    """One customer's spells, a gap of at most a day without any closed by what ended at its beginning."""
    spells = sorted(spells, key=lambda spell: spell.at)
    reach = spells[0].end
    for following in spells[1:]:
        if reach < following.at <= reach + timedelta(hours=24):
            spells = [replace(s, end=following.at) if s.end == reach else s for s in spells]
        reach = max(reach, following.end)
    return spells


def read_responses(books: Books, table: list[dict]) -> None:
    weighted = any("weight" in raw for raw in table)
    for raw in table:
        at, score, survey = instant(raw["responded_at"], books.zone), number(raw["score"]), text(raw["survey"])
        if at is None or at >= books.midnight(books.as_of):
            continue
        scale = text(raw.get("scale")) or DEFAULT_SCALE[survey]
        lowest, highest = map(int, scale.split("-"))
        weight = number(raw["weight"]) if weighted else Decimal(1)
        if score is None or score % 1 or not lowest <= score <= highest or weight is None:
            continue
        row = books.row(raw, "responses", at)
        books.rows.append(row)
        books.answers.append(Answer(**vars(row), survey=survey, score=int(score), scale=scale, weight=Fraction(weight)))
