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
_LINES = "FROM orders_typed WHERE _is_line AND problem IS NULL AND ordered_at < $as_of"
# Each gives check, currency (NULL: the report's), rows, and amount in units.
_COUNTS = {
    "orders": (
        f"SELECT 'identical line', currency, CAST(sum(copies) AS BIGINT), sum(copies * amount) FROM (SELECT currency, "
        f"count(*) - 1 AS copies, min(abs(amount)) AS amount {_LINES} AND order_id IS NOT NULL GROUP BY currency, _like) AS alike "
        "GROUP BY currency",
        "SELECT 'order of several customers', NULL, count(*), sum(amount) FROM orders WHERE has_several",
        "SELECT CASE WHEN is_purchase THEN 'purchase: amount 0' ELSE 'no purchase: amount 0' END, NULL, count(*), NULL "
        "FROM orders WHERE is_zero GROUP BY 1",
        "SELECT 'refund that names no order', NULL, count(*), sum(refund) FROM orders WHERE refund > 0 AND NOT is_named",
        "SELECT 'refund of a named order', NULL, count(*), sum(refunded) FROM orders WHERE refund = 0 AND is_named",
        "SELECT 'refund above the order it names', NULL, count(*), sum(refund) FROM orders WHERE refund > 0 AND is_named",
        "SELECT 'no customer (guest)', NULL, count(*), sum(amount) FROM orders "
        "WHERE is_purchase AND NOT is_zero AND customer_id IS NULL",
    ),
    "subscriptions": (
        "SELECT 'no exchange rate at its start', NULL, count(*), NULL FROM subscriptions "
        "WHERE mrr > 0 AND CAST(paid_from AS DATE) < $rates_begin",
        "SELECT 'gap of at most 24 hours', NULL, count(*), NULL FROM subscriptions WHERE is_bridged",
        "SELECT 'spell without MRR: ' || unpaid_kind, NULL, count(*), NULL FROM subscriptions "
        "WHERE unpaid_kind IS NOT NULL GROUP BY 1 ORDER BY 1",
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
    """Rows of a table that one check found, and what they are worth, by currency."""

    table: str
    check: str
    rows: int
    worth: tuple[str, ...] = ()


def count_checks(engine: Engine, table: str, columns: Columns, money: Money, known: dict[str, str]) -> list[Count]:
    """Every check of a table that found rows; set-aside rows are in no other check."""
    amount = "sum(abs(amount))" if table == "orders" else "NULL"
    currency = "NULL" if table == "responses" else "currency"
    by_problem, by_currency = "GROUP BY problem ORDER BY problem", ""
    if table != "responses":
        by_problem, by_currency = (
            "GROUP BY problem, currency ORDER BY problem, currency",
            "GROUP BY currency ORDER BY currency",
        )
    typed = f"FROM {table}_typed WHERE problem IS"
    when, tomorrow = WHEN[table], datetime.now(UTC) + timedelta(days=1)
    queries = [
        f"SELECT problem, {currency}, count(*), {amount} {typed} NOT NULL {by_problem}",
        *(query for query in _COUNTS[table] if columns.has_lines or " line'" not in query),
        *(
            f"SELECT '{check}', NULL, count(CASE WHEN _{flag} THEN 1 END), NULL {typed} NULL AND {when} < $as_of"
            for flag, check in _SHIFTED.items()
        ),
        f"SELECT 'dated in the future', {currency}, count(*), {amount} {typed} NULL AND {when} < $as_of "
        f"AND {when} > TIMESTAMP '{tomorrow:%Y-%m-%d %H:%M:%S}' {by_currency}",
        f"SELECT 'after the as-of date', {currency}, count(*), {amount} {typed} NULL AND {when} >= $as_of {by_currency}",
    ]
    found: dict[str, Count] = {}
    for query in queries:
        for check, code, rows, units in engine.rows(query, **known):
            if rows:
                before = found.get(check, Count(table, check, 0))
                said = (money.say(units, code),) if units else ()
                found[check] = Count(table, check, before.rows + rows, before.worth + said)
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
    return re.sub("<(.*?)>", lambda said: said[1].format(money=money) if money else "", _EFFECTS[count.check])


def _decimals(code: str) -> int:
    try:
        return money_decimals(code)
    except SettingsError:
        return 2
