"""The oracle's own reading of the three raw tables: what counts, row by row. It shares no code with the package."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from zoneinfo import ZoneInfo

import pandas as pd

NEVER = datetime.max.replace(tzinfo=UTC)
BEFORE = date.min  # of who was there before the data begin
YEARLY_TWELFTHS = {"month": 12, "quarter": 4, "year": 1, "week": 52, "day": 365}
WITHOUT_MRR = {"paused", "trialing", "unpaid", "free"}
WITH_MRR = {"active", "past_due", "cancelled", ""}
DEFAULT_SCALE = {"nps": "0-10", "csat": "1-5", "ces": "1-7"}
OURS = {
    "orders": {"customer_id", "order_id", "ordered_at", "amount", "refund_of", "refunded", "currency"},
    "subscriptions": {
        *("customer_id", "subscription_id", "started_at", "ended_at", "amount", "interval", "currency"),
        *("trial_ends_at", "cancel_reason", "status"),
    },
    "responses": {"customer_id", "responded_at", "survey", "score", "scale", "weight", "comment", "response_id"},
}


@dataclass(frozen=True)
class Rules:
    """The options of the definitions; each default is the first value named there."""

    basis: str
    inactivity_days: int | None = None
    churn_mode: str = "endpoint"
    count: str = "orders"
    returning: str = "before"
    zero_orders: str = "ignore"
    lifespan_years: Fraction | int | None = None
    mrr_mode: str = "snapshot"
    quick_ratio_reactivation: bool = True
    answers: str = "last"
    csat_top: int = 2
    ces_top: int | str = 3
    min_n: int = 1


@dataclass(frozen=True)
class Row:
    """What all tables share: whose row it is (None: a guest's), when, on which local day, and its other columns."""

    customer: str | None
    at: datetime
    day: date
    columns: dict[str, str | None]


@dataclass(frozen=True)
class Purchase(Row):
    """An order less the refunds that name it."""

    cents: int | Fraction = 0


@dataclass(frozen=True)
class Refund(Row):
    """What was paid back and names no order."""

    cents: int | Fraction = 0


@dataclass(frozen=True)
class Spell(Row):
    """One paid stretch, from `at` to `end`, at a constant price."""

    end: datetime = NEVER
    twelfths: int = 0  # of a cent a month, in its own currency
    currency: str | None = None  # None: the report's
    reason: str | None = None


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
    rules: Rules
    currency: str = "GBP"
    rates: dict[str, list[tuple[date, Fraction]]] = field(default_factory=dict)
    purchases: list[Purchase] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)
    pauses: list[Row] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    known: frozenset[str] = frozenset()  # customers of before the data, who are never new

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def local_day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def row(self, raw: dict, table: str, at: datetime) -> Row:
        columns = {name: text(value) for name, value in raw.items() if name not in OURS[table]}
        return Row(text(raw.get("customer_id")), at, self.local_day(at), columns)

    def code(self, raw: dict) -> str | None:
        """The row's currency; None for the report's."""
        code = (text(raw.get("currency")) or self.currency).upper()
        return None if code == self.currency else code

    def rate(self, code: str | None, before: date) -> Fraction | int:
        """The last rate of an earlier day."""
        if code is None:
            return 1
        earlier = bisect_left(self.rates[code], (before,))
        assert earlier, f"no rate of {code} before {before}"
        return self.rates[code][earlier - 1][1]

    # Looked up often; the tables are whole by then.

    @cached_property
    def purchases_by_day(self) -> tuple[list[date], list[Purchase]]:
        ordered = sorted(self.purchases, key=lambda purchase: purchase.day)
        return [purchase.day for purchase in ordered], ordered

    @cached_property
    def purchase_days(self) -> dict[str, list[date]]:
        return grouped((p.customer, p.day) for p in self.purchases if p.customer)

    @cached_property
    def spells_of(self) -> dict[str, list[Spell]]:
        return grouped((spell.customer, spell) for spell in self.spells)

    @cached_property
    def first_purchase(self) -> dict[str, date]:
        return {customer: self.first(customer, days) for customer, days in self.purchase_days.items()}

    @cached_property
    def first_spell(self) -> dict[str, date]:
        return {
            customer: self.first(customer, [spell.day for spell in spells])
            for customer, spells in self.spells_of.items()
        }

    def first(self, customer: str, days: list[date]) -> date:
        return BEFORE if customer in self.known else min(days)

    @property
    def begin(self) -> date:
        """The first day on which a customer of the basis paid within the data."""
        rows = [p for p in self.purchases if p.customer] if self.rules.basis == "orders" else self.spells
        return min(row.day for row in rows)

    @property
    def first_paid(self) -> dict[str, date]:
        """The day on which each customer of the basis paid for the first time."""
        return self.first_purchase if self.rules.basis == "orders" else self.first_spell

    @cached_property
    def rows_in_time(self) -> list[Row]:
        return sorted((row for row in self.rows if row.customer), key=lambda row: row.at)


# Reading


def text(value) -> str | None:
    """The value as text; None when it is missing or blank."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return None
    return str(value).strip() or None


def number(value) -> Decimal | None:
    try:
        parsed = Decimal(text(value) or "")
    except InvalidOperation:
        return None
    return parsed if parsed.is_finite() else None


def cents(value) -> int | None:
    amount = number(value)
    return None if amount is None else int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))


def instant(value, zone: ZoneInfo) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text(value) or "")
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).astimezone(UTC)


def grouped(pairs) -> dict:
    lists = defaultdict(list)
    for key, value in pairs:
        lists[key].append(value)
    return lists


def raw_rows(frame: pd.DataFrame | None) -> list[dict]:
    """The rows as dicts, identical ones once."""
    return [] if frame is None else frame.drop_duplicates().to_dict("records")


def first_of_each_key(candidates: list[tuple]) -> list:
    """Of (key, rank, row) the row of the lowest rank for each key; a key of None is like no other."""
    rows_by_key, loose = {}, []
    for key, rank, row in candidates:
        if key is None:
            loose.append(row)
        elif key not in rows_by_key or rank < rows_by_key[key][0]:
            rows_by_key[key] = (rank, row)
    return [row for _, row in rows_by_key.values()] + loose


def read(
    zone: str,
    as_of: date,
    basis: str,
    *,
    orders=None,
    subscriptions=None,
    responses=None,
    rates=None,
    known_customers=(),
    currency="GBP",
    lines=False,
    **options,
) -> Books:
    """The raw tables, cleaned; `lines` says that an order may have several rows, and responses may be several sources."""
    known = frozenset(filter(None, map(text, known_customers)))
    books = Books(ZoneInfo(zone), as_of, Rules(basis, **options), currency, known=known)
    for raw in [] if rates is None else rates.to_dict("records"):
        day = date.fromisoformat(str(raw["date"])[:10])
        books.rates.setdefault(text(raw["currency"]).upper(), []).append((day, Fraction(text(raw["rate"]))))
    for known in books.rates.values():
        known.sort()
    read_orders(books, orders_of(orders, books).to_dict("records") if lines else raw_rows(orders))
    read_subscriptions(books, raw_rows(subscriptions))
    for source in responses if isinstance(responses, list) else [] if responses is None else [responses]:
        named = source["customer_id"].map(text).notna()
        # Two guests may well answer alike.
        read_responses(books, [*raw_rows(source[named]), *source[~named].to_dict("records")])
    return books


def orders_of(lines: pd.DataFrame, books: Books) -> pd.DataFrame:
    """Lines (all with an order_id, none a named refund) summed at the earliest time; like ones are all kept."""
    lines = lines.assign(
        ordered_at=each(lines["ordered_at"], lambda value: instant(value, books.zone)),
        cents=each(lines["amount"], cents),
        customer_id=each(lines["customer_id"], text),
    )
    readable = lines["ordered_at"].notna() & lines["cents"].notna()
    lines = lines[readable & (lines["ordered_at"] < books.midnight(books.as_of))].sort_values(
        "ordered_at", kind="stable"
    )
    orders = lines.groupby("order_id", sort=False)
    first = orders.first()  # that is not missing
    for column in set(first) - OURS["orders"] - {"cents"}:
        first.loc[orders[column].nunique() > 1, column] = "(several)"
    if "refunded" in lines:  # of the order, on one of its lines or on each
        paid_back = lines.assign(refunded=each(lines["refunded"], lambda value: abs(cents(value) or 0)))
        first["refunded"] = [
            Decimal(most) / 100 for most in paid_back.groupby("order_id", sort=False)["refunded"].max()
        ]
    total = orders["cents"].sum()
    return first.assign(amount=[Decimal(int(sum_)) / 100 for sum_ in total]).drop(columns="cents").reset_index()


def each(column: pd.Series, function) -> pd.Series:
    """The function of every value, worked out once for equal ones."""
    return column.map({value: function(value) for value in column.drop_duplicates()})


def read_orders(books: Books, table: list[dict]) -> None:
    candidates = []
    for raw in table:
        at, amount = instant(raw["ordered_at"], books.zone), cents(raw["amount"])
        refunded = cents(raw.get("refunded"))
        if at is None or amount is None or (refunded is None and text(raw.get("refunded"))):
            continue
        row = books.row(raw, "orders", at)
        refunded = abs(refunded or 0)
        key = text(raw.get("order_id"))
        order = (key, amount, books.code(raw), text(raw.get("refund_of")), refunded, row)
        candidates.append((key, (at, amount, -refunded), order))
    orders = [order for order in first_of_each_key(candidates) if order[-1].day < books.as_of]
    books.rows += [order[-1] for order in orders]
    sales = [order for order in orders if order[3] is None and order[1] >= 0]
    sold = {key: (max(amount - refunded, 0), code, row) for key, amount, code, _, refunded, row in sales if key}
    left = {key: amount * day_rate(books, code, row) for key, (amount, code, row) in sold.items()}
    for _, amount, code, refund_of, _, row in sorted(orders, key=lambda order: order[-1].at):
        if refund_of is None and amount >= 0:
            continue
        named = sold.get(refund_of)
        rate = day_rate(books, code, named[2] if named and named[1] == code else row)
        offset = min(left.get(refund_of, 0), abs(amount) * rate)
        if offset:
            left[refund_of] -= offset
        if abs(amount) * rate > offset:
            excess = (abs(amount) - offset / rate) * day_rate(books, code, row)  # names none: by its own day
            books.refunds.append(Refund(**vars(row), cents=excess))
    for key, amount, code, _, refunded, row in sales:
        net = left[key] if key else max(amount - refunded, 0) * day_rate(books, code, row)
        if net > 0 or (amount == 0 and books.rules.zero_orders == "purchase"):
            books.purchases.append(Purchase(**vars(row), cents=net))


def day_rate(books: Books, code: str | None, row: Row) -> Fraction | int:
    """The last rate on or before the row's day."""
    return books.rate(code, row.day + timedelta(days=1))


def read_subscriptions(books: Books, table: list[dict]) -> None:
    candidates = []
    payers = {text(raw.get("customer_id")) for raw in table if (cents(raw["amount"]) or 0) > 0}
    for raw in table:
        start, amount = instant(raw["started_at"], books.zone), cents(raw["amount"])
        end = instant(raw.get("ended_at"), books.zone)
        trial = instant(raw.get("trial_ends_at"), books.zone)
        interval, status = text(raw.get("interval")) or "month", text(raw.get("status")) or ""
        if (
            start is None
            or amount is None
            or (amount < 0 and text(raw.get("customer_id")) not in payers)
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
        key = key and amount >= 0 and (key, start)
        candidates.append((key or None, amount, (raw, start, end, trial, twelfths, status)))
    now = books.midnight(books.as_of)
    paid, discounts = defaultdict(list), defaultdict(list)
    for raw, start, end, trial, twelfths, status in first_of_each_key(candidates):
        row = books.row(raw, "subscriptions", start)
        if row.day >= books.as_of:
            continue
        if (cents(raw["amount"]) or 0) >= 0:
            books.rows.append(row)
            if status == "paused":
                books.pauses.append(row)
        end = NEVER if end is None or end >= now else end
        first_paid = max(row.at, trial or row.at)
        if row.customer and twelfths and first_paid < min(end, now):
            paid_row = books.row(raw, "subscriptions", first_paid)
            terms = {"twelfths": twelfths, "currency": books.code(raw), "reason": text(raw.get("cancel_reason"))}
            (paid if twelfths > 0 else discounts)[row.customer].append(Spell(**vars(paid_row), end=end, **terms))
    for customer, spells in paid.items():
        spells, lowering = bridged(spells, discounts[customer])
        books.spells += lowered(books, spells, lowering)


def bridged(spells: list[Spell], discounts: list[Spell]) -> tuple[list[Spell], list[Spell]]:
    """One customer's spells, a gap of at most a day without any closed by what ended at its beginning; and the
    discounts.
    """
    reach = min(spells, key=lambda spell: spell.at).end
    for following in sorted(spells, key=lambda spell: spell.at)[1:]:
        if reach < following.at <= reach + timedelta(hours=24):
            spells, discounts = (
                [replace(s, end=following.at) if s.end == reach else s for s in some] for some in (spells, discounts)
            )
        reach = max(reach, following.end)
    return spells, discounts


def lowered(books: Books, spells: list[Spell], discounts: list[Spell]) -> list[Spell]:
    """One customer's spells less the discounts in their currency: cut at every bound, the first of the table lowered
    first.
    """
    pieces = []
    for currency in {spell.currency for spell in spells}:
        own = [spell for spell in spells if spell.currency == currency]
        off = [spell for spell in discounts if spell.currency == currency]
        if not off:
            pieces += own
            continue
        moments = sorted({at for spell in own + off for at in (spell.at, spell.end)})
        for at, end in pairwise(moments):
            rest = -sum(spell.twelfths for spell in off if spell.at <= at < spell.end)
            for spell in own:
                if spell.at <= at < spell.end:
                    reduction = min(rest, spell.twelfths)
                    rest -= reduction
                    if spell.twelfths > reduction:
                        reason = spell.reason if end == spell.end else None
                        changed = {"at": at, "day": books.local_day(at), "end": end, "reason": reason}
                        pieces.append(replace(spell, twelfths=spell.twelfths - reduction, **changed))
    return pieces


def read_responses(books: Books, table: list[dict]) -> None:
    weighted = {text(raw["survey"]) for raw in table if text(raw.get("weight"))}
    for raw in table:
        at, score, survey = instant(raw["responded_at"], books.zone), number(raw["score"]), text(raw["survey"])
        if at is None or at >= books.midnight(books.as_of):
            continue
        scale = text(raw.get("scale")) or DEFAULT_SCALE[survey]
        lowest, highest = map(int, scale.split("-"))
        weight = number(raw["weight"]) if survey in weighted else Decimal(1)
        if score is None or score % 1 or not lowest <= score <= highest or not weight or weight < 0:
            continue
        row = books.row(raw, "responses", at)
        books.rows.append(row)
        books.answers.append(Answer(**vars(row), survey=survey, score=int(score), scale=scale, weight=Fraction(weight)))
