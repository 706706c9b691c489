"""What cleaning did to each table, counted: check, rows and the effect on the figures, with the money concerned."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.data.checks import WHEN
from retention_kit.data.columns import SHIFTED, Columns
from retention_kit.data.engine import Engine
from retention_kit.errors import SettingsError
from retention_kit.settings import TABLES
from retention_kit.wording import money_decimals

if TYPE_CHECKING:
    import pandas as pd

_UNPAID = {
    "paused": "no MRR while paused: not a paying customer",
    "trialing": "no MRR in a trial: not a paying customer yet",
    "unpaid": "no MRR while unpaid: not a paying customer",
    "free": "no MRR from a free plan: not a paying customer",
    "amount 0": "no MRR from amount 0: not a paying customer",
    "in trial": "no MRR before the trial ends: not a paying customer yet",
    "trial never paid": "no MRR: it ended by the end of its trial",
    "ended as it started": "no MRR: it has no length",
}
# What stands between < and > is said where there is money to name.
_EFFECTS = {
    "naive times without a time zone": "read as UTC; set [report] timezone",
    "unreadable date": "set aside: no figure counts the row<; {money}>",
    "unreadable end date": "set aside: no figure counts the spell",
    "unreadable end date of the trial": "set aside: no figure counts the spell",
    "unreadable amount": "set aside: no figure counts the row",
    "unreadable refunded amount": "set aside: no figure counts the row<; {money}>",
    "unreadable score": "set aside: no figure counts the answer",
    "no exchange rate yet": "set aside: the rates of its currency begin later<; {money}>",
    "no exchange rate at its start": "valued at the first rate of its currency until that day",
    "identical row": "one is kept<; {money} not counted twice>",
    "identical line": "kept: two like lines are two of the same<; {money}>",
    "same order_id, other contents": (
        "the earliest, then the smallest amount, is kept, the rest set aside<; {money}>; "
        'if rows are lines of orders, set rows = "lines"'
    ),
    "same subscription_id and start, other contents": "the smallest amount is kept; the rest are set aside",
    "no customer": "set aside: a subscription needs a customer",
    "unknown interval": "set aside: use day, week, month, quarter or year",
    "unknown status": "set aside: its MRR is not known",
    "ended before it started": "set aside: no figure counts the spell",
    "unknown survey": "set aside: use nps, csat or ces",
    "unknown scale": "set aside: use 0-10, 1-5, 1-7 or 1-10",
    "score outside the scale": "set aside, never clamped",
    "no answer": "left out: the question was not answered",
    "no weight": "left out: the other answers are weighted",
    "no purchase: amount 0": "not counted as purchases (definitions.zero_orders)",
    "purchase: amount 0": "counted as purchases (definitions.zero_orders)",
    "refund that names no order": "lowers net revenue of its period; purchases stay as they are<; {money}>",
    "refund of a named order": "lowers that order in that order's period<; {money}>",
    "refund above the order it names": "lowers that order to nothing; the rest names none<; {money}>",
    "refunded without a date": "lowers its own order, in that order's period<; {money}>",
    "refunded above its order": "lowers that order to nothing; the rest counts nowhere<; {money}>",
    "order of several customers": "counted for the customer of its earliest line<; {money}>",
    "no customer (guest)": "in revenue< ({money})>; in no figure about customers",
    "gap of at most 24 hours": "bridged: neither churn nor reactivation",
    "ambiguous local time": "shown twice by clocks put back: read as the first",
    "nonexistent local time": "skipped by clocks put forward: moved forward",
    "dated in the future": "counted, so the data seem to reach so far: set as_of if the date is wrong<; {money}>",
    "after the as-of date": "not known yet at the as-of date<; {money}>",
    "no usable row": "as if the table were not there: its figures are absent",
} | {f"spell without MRR: {kind}": effect for kind, effect in _UNPAID.items()}

_SHIFTED = dict(zip(SHIFTED, ("ambiguous local time", "nonexistent local time"), strict=True))


class _Query(NamedTuple):
    """SQL of what one check finds: its name, the rows FROM which, how many, their worth in units and in which currency."""

    check: str
    rest: str
    rows: str = "count(*)"
    units: str = "NULL"
    currency: str = "NULL"  # the report's

    def sql(self, place: int) -> str:
        return (
            f"SELECT {place} AS place, {self.check} AS said, CAST({self.currency} AS VARCHAR) AS code, "
            f"CAST({self.rows} AS BIGINT) AS found, CAST({self.units} AS DECIMAL(38, 6)) AS worth FROM {self.rest}"
        )


_COUNTS = {
    "orders": (
        _Query(
            "'identical line'",
            "(SELECT currency, count(*) - 1 AS copies, min(abs(amount)) AS amount FROM orders_typed WHERE _is_line AND problem IS NULL "
            "AND ordered_at < $as_of AND order_id IS NOT NULL GROUP BY currency, _like) AS alike GROUP BY currency",
            "sum(copies)",
            "sum(copies * amount)",
            "currency",
        ),
        _Query("'order of several customers'", "orders WHERE has_several", units="sum(amount)"),
        _Query(
            "CASE WHEN is_purchase THEN 'purchase: amount 0' ELSE 'no purchase: amount 0' END",
            "orders WHERE is_zero GROUP BY is_purchase",
        ),
        _Query("'refund that names no order'", "orders WHERE refund > 0 AND NOT is_named", units="sum(refund)"),
        _Query("'refunded without a date'", "orders WHERE undated > 0", units="sum(undated)"),
        _Query("'refunded above its order'", "orders WHERE beyond > 0", units="sum(beyond)"),
        _Query("'refund of a named order'", "orders WHERE refund = 0 AND is_named", units="sum(refunded)"),
        _Query("'refund above the order it names'", "orders WHERE refund > 0 AND is_named", units="sum(refund)"),
        _Query(
            "'no customer (guest)'",
            "orders WHERE is_purchase AND NOT is_zero AND customer_id IS NULL",
            units="sum(amount)",
        ),
    ),
    "subscriptions": (
        _Query(
            "'no exchange rate at its start'",
            "subscriptions WHERE mrr > 0 AND CAST(paid_from AS DATE) < $rates_begin",
        ),
        _Query("'gap of at most 24 hours'", "subscriptions WHERE is_bridged"),
        _Query(
            "'spell without MRR: ' || unpaid_kind",
            "subscriptions WHERE unpaid_kind IS NOT NULL GROUP BY unpaid_kind",
        ),
    ),
    "responses": (),
}


class Money(NamedTuple):
    """How amounts are written: the report's currency, its decimals and the units of a minor unit."""

    currency: str
    decimals: int
    scale: int

    def say(self, units: int | Decimal, currency: str | None) -> str:
        """`1,234.50 GBP`; each currency by its own name, since what is set aside is never converted."""
        amount = Decimal(units) / (10**self.decimals * self.scale)
        code = currency or self.currency
        return f"{amount:,.{_decimals(code)}f}" + (f" {code}" if code != "XXX" else "")


class Count(NamedTuple):
    """Rows of a table that one check found, what they are worth, by currency, and what else is to be told, such as examples."""

    table: str
    check: str
    rows: int
    worth: tuple[str, ...] = ()
    detail: str = ""


def count_checks(engine: Engine, table: str, columns: Columns, money: Money, known: dict[str, str]) -> list[Count]:
    """Every check of a table that found rows, all asked at once; set-aside rows are in no other check."""
    amount = "sum(abs(amount))" if table == "orders" else "NULL"
    currency, by_currency = ("NULL", "") if table == "responses" else ("currency", "GROUP BY currency")
    usable = f"{table}_typed WHERE problem IS NULL AND {WHEN[table]}"
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    future = f"{usable} < $as_of AND {WHEN[table]} > TIMESTAMP '{tomorrow:%Y-%m-%d %H:%M:%S}' {by_currency}"
    by_problem = f"{table}_typed WHERE problem IS NOT NULL GROUP BY problem{', currency' if by_currency else ''}"
    queries = [
        _Query("problem", by_problem, units=amount, currency=currency),
        *(query for query in _COUNTS[table] if columns.has_lines or " line'" not in query.check),
        *(_Query(f"'{check}'", f"{usable} < $as_of AND _{flag}") for flag, check in _SHIFTED.items()),
        _Query("'dated in the future'", future, units=amount, currency=currency),
        _Query("'after the as-of date'", f"{usable} >= $as_of {by_currency}", units=amount, currency=currency),
    ]
    rows = engine.rows(" UNION ALL ".join(query.sql(place) for place, query in enumerate(queries)), **known)
    found: dict[str, Count] = {}
    for _, check, code, size, units in sorted(rows, key=lambda row: (*row[:2], row[2] is None, row[2] or "")):
        if size:
            before = found.get(check, Count(table, check, 0))
            said = (money.say(units, code),) if units else ()
            found[check] = Count(table, check, before.rows + size, before.worth + said)
    return list(found.values())


def lines_effect(engine: Engine, columns: Columns) -> str:
    """What the rows of a table became, if they are lines of orders."""
    if not columns.has_lines:
        return ""
    (orders,) = engine.rows("SELECT count(*) FROM orders")[0]
    return f"{'orders and ' if columns.is_mixed else ''}lines of orders, summed by order_id: {orders:,} orders"


def quality_frame(counts: list[Count], sizes: dict[str, int], read: dict[str, str]) -> pd.DataFrame:
    """Columns table, check, rows, effect: each table's size, with what was read if it is no plain row, then its checks."""
    import pandas as pd

    rows = [(name, "rows read", size, read[name]) for name, size in sizes.items()]
    rows += [(count.table, count.check, count.rows, _effect(count)) for count in counts]
    frame = pd.DataFrame(rows, columns=["table", "check", "rows", "effect"])
    return frame.sort_values("table", key=lambda column: column.map(TABLES.index), kind="stable").reset_index(drop=True)


def _effect(count: Count) -> str:
    money = " and ".join(count.worth)
    effect = re.sub("<(.*?)>", lambda said: said[1].format(money=money) if money else "", _EFFECTS[count.check])
    return f"{effect}; {count.detail}" if count.detail else effect


def _decimals(code: str) -> int:
    try:
        return money_decimals(code)
    except SettingsError:
        return 2
