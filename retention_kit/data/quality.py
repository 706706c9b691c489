"""What cleaning did to each table, counted: check, rows and the effect on the figures, with the money concerned."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.data.checks import WARNED, WHEN, check_of
from retention_kit.data.columns import Columns, is_capped
from retention_kit.data.engine import Engine, literal
from retention_kit.data.money import Money
from retention_kit.data.shares import Failing, Judged
from retention_kit.settings import BESIDE, TABLES

if TYPE_CHECKING:
    import pandas as pd

_FLAGS = {
    "orders": {"ambiguous": "ambiguous local time", "nonexistent": "nonexistent local time"},
    "subscriptions": {
        "ambiguous": "ambiguous local time",
        "nonexistent": "nonexistent local time",
        "no_end": "end date that stands for none",
    },
    "responses": {"ambiguous": "ambiguous local time", "nonexistent": "nonexistent local time"},
}


class _Query(NamedTuple):
    """SQL of what one check finds: its name, the rows FROM which, how many, their worth in units and in which currency."""

    check: str
    rest: str
    rows: str = "count(*)"
    units: str = "NULL"
    currency: str = "NULL"  # the report's
    found: str = ""  # the rows themselves, where `rest` has none

    def sql(self, place: int) -> str:
        return (
            f"SELECT {place} AS place, {self.check} AS said, CAST({self.currency} AS VARCHAR) AS code, "
            f"CAST({self.rows} AS BIGINT) AS found, CAST({self.units} AS DECIMAL(38, 6)) AS worth FROM {self.rest}"
        )

    def rows_sql(self) -> str:
        """The number of each row that the check found, with its name."""
        return f"SELECT _row, {self.check} AS said FROM {self.found or re.sub(' GROUP BY [^()]*$', '', self.rest)}"


_COUNTS = {
    "orders": (
        _Query(
            "'identical line'",
            "(SELECT currency, count(*) - 1 AS copies, min(abs(amount)) AS amount FROM orders_typed WHERE _is_line AND problem IS NULL "
            "AND ordered_at < $as_of AND order_id IS NOT NULL GROUP BY currency, _like) AS alike GROUP BY currency",
            "sum(copies)",
            "sum(copies * amount)",
            "currency",
            "orders_typed WHERE _is_line AND problem IS NULL AND ordered_at < $as_of AND order_id IS NOT NULL AND _like IN (SELECT "
            "_like FROM orders_typed WHERE _is_line AND problem IS NULL GROUP BY _like HAVING count(*) > 1)",
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
        _Query(
            "'cancelled without an end'",
            "subscriptions_counted WHERE status = 'cancelled' AND ended_at IS NULL AND amount >= 0 GROUP BY currency",
            units="sum(mrr) / 12",
            currency="currency",
        ),
        # A customer's first spell of more than a month ago, so that there is none of before the status.
        _Query(
            "'status of today alone'",
            "subscriptions_counted WHERE status IN ('paused', 'unpaid') AND ended_at IS NULL AND amount >= 0 "
            "AND started_at < $as_of - INTERVAL 31 DAY AND (customer_id, started_at) IN "
            "(SELECT customer_id, min(started_at) FROM subscriptions_counted GROUP BY customer_id) GROUP BY currency",
            units="sum(yearly) / 12",
            currency="currency",
        ),
        _Query(
            "'discount'",
            "subscriptions_discounts GROUP BY code",
            units="sum(discount) / 12",
            currency="nullif(code, '')",
        ),
        _Query(
            "'discount above what it lowers'",
            "(SELECT DISTINCT terms._row FROM subscriptions_discounts AS terms JOIN subscriptions_stretches AS stretches "
            "ON stretches.customer_id = terms.customer_id AND stretches.code = terms.code "
            "AND stretches.moment >= terms.paid_from AND (terms.paid_until IS NULL OR stretches.moment < terms.paid_until) "
            "WHERE stretches.discount > stretches.mrr) AS beyond",
        ),
        _Query("'gap of at most 24 hours'", "subscriptions WHERE is_bridged"),
        _Query(
            "'spell without MRR: ' || unpaid_kind",
            "subscriptions WHERE unpaid_kind IS NOT NULL GROUP BY unpaid_kind",
        ),
    ),
    "responses": (
        _Query(
            "'unweighted beside weighted answers: ' || survey",
            "responses WHERE NOT is_weighted AND (SELECT count(*) FROM responses WHERE is_weighted) > 0 GROUP BY survey",
        ),
    ),
}


class Count(NamedTuple):
    """Rows of a table that one check found, what they are worth, by currency, and what else is to be told, such as examples."""

    table: str
    check: str
    rows: int
    worth: tuple[str, ...] = ()
    detail: str = ""
    failing: Failing | None = None  # of a check that sets aside: the values that did it, and of how many rows


def count_checks(
    engine: Engine, table: str, columns: Columns, money: Money, known: dict[str, str], judged: Judged
) -> list[Count]:
    """Every check of a table that found rows, all asked at once; set-aside rows are in no other check."""
    queries = [query for query in _queries(table) if columns.has_lines or " line'" not in query.check]
    rows = engine.rows(
        " UNION ALL ".join(query.sql(place) for place, query in enumerate(queries)),
        **known,
        is_cut=is_capped(engine, table),
    )
    found: dict[str, Count] = {}
    for _, check, code, size, units in sorted(rows, key=lambda row: (*row[:2], row[2] is None, row[2] or "")):
        if size:
            before = found.get(check, Count(table, check, 0))
            said = (money.say(units, code),) if units else ()
            found[check] = Count(table, check, before.rows + size, before.worth + said)
    return [count._replace(failing=judged.failing.get(check)) for check, count in found.items()]


def row_queries(table: str, checks: list[str]) -> list[str]:
    """SQL of the rows that are in some of the checks but not set aside by them: their number and the check."""
    wanted = f"said IN ({', '.join(map(literal, checks)) or 'NULL'})"
    return [
        f"SELECT _row, said FROM ({query.rows_sql()}) AS found WHERE {wanted}"
        for query in _queries(table)
        if query.check != "problem" and any(_may_be(query, check) for check in checks)
    ]


def _may_be(query: _Query, check: str) -> bool:
    return f"'{check}'" in query.check or ("||" in query.check and query.check.split("'")[1] in check)


def _queries(table: str) -> list[_Query]:
    """The query of each check of a table."""
    amount = "sum(abs(amount))" if table == "orders" else "NULL"
    currency, by_currency = ("NULL", "") if table == "responses" else ("currency", "GROUP BY currency")
    usable = f"{table}_typed WHERE problem IS NULL AND {WHEN[table]}"
    future = f"{usable} < $as_of AND {WHEN[table]} >= $tomorrow {by_currency}"
    by_problem = f"{table}_typed WHERE problem IS NOT NULL GROUP BY problem{', currency' if by_currency else ''}"
    late = "CASE WHEN $is_as_of_set THEN 'after the as-of date' ELSE 'dated in the future' END"
    return [
        _Query("problem", by_problem, units=amount, currency=currency),
        *_COUNTS[table],
        *(_Query(f"'{check}'", f"{usable} < $as_of AND _{flag}") for flag, check in _FLAGS[table].items()),
        _Query("'long text, cut'", f"{usable} < $as_of AND ($is_cut)"),
        _Query("'dated in the future, before as_of'", future, units=amount, currency=currency),
        _Query(late, f"{usable} >= $as_of {by_currency}", units=amount, currency=currency),
    ]


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
    return frame.sort_values(
        "table", key=lambda column: column.map((*TABLES, *BESIDE).index), kind="stable"
    ).reset_index(drop=True)


def warnings(counts: list[Count], sizes: dict[str, int]) -> tuple[str, ...]:
    """A sentence for each check that so many rows fail that figures may be wrong, those of most rows first."""
    told = []
    for count in counts:
        of = count.failing.of if count.failing else sizes[count.table]
        share = check_of(count.check).share
        if share and (share == "always" or count.rows >= WARNED * of):
            base = count.failing.base if count.failing else "rows"
            text = f"{count.table}: {count.check} in {count.rows:,} of {of:,} {base} ({count.rows / of:.0%}), {_effect(count)}."
            told.append((-count.rows / of, text))
    return tuple(text for _, text in sorted(told))


def _effect(count: Count) -> str:
    money = " and ".join(count.worth)
    effect = re.sub("<(.*?)>", lambda said: said[1].format(money=money) if money else "", check_of(count.check).effect)
    return "; ".join(filter(None, (effect, count.failing.told if count.failing else "", count.detail)))
