"""Counts the findings of cleaning for each table: check, rows and the effect on the figures, with amounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.data.checks import WARNED, WHEN, get_check
from retention_kit.data.cleaning.columns import Columns
from retention_kit.data.cleaning.failure_shares import FailedRows, JudgedRows
from retention_kit.data.cleaning.money import Money
from retention_kit.data.cleaning.raw_columns import is_capped
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal
from retention_kit.data.schema import table_name
from retention_kit.errors import Phrase
from retention_kit.settings import SIDE_TABLES, TABLES
from retention_kit.wording import AND, SEMICOLON, Figure, Sentence, Verbatim, declared, sentence

if TYPE_CHECKING:
    import pandas as pd

# SQL conditions of rows → the check that counts them.
_CLOCKS = {"_ambiguous": "ambiguous local time", "_nonexistent": "nonexistent local time"}
_LONG = {"($is_cut)": "long text, cut"}
_FLAGS = {
    "orders": _CLOCKS | _LONG,
    "subscriptions": _CLOCKS | {"_no_end": "end date that stands for none"} | _LONG,
    "responses": _CLOCKS | _LONG,
}


class _Query(NamedTuple):
    """SQL for a check: its name, relation and condition, how many rows each row counts for, and amounts."""

    check: str
    relation: str
    where: str = "true"
    rows: str = "1"
    units: str = ""
    currency: str = ""  # empty for the report's
    parts: int = 1  # divisor of units
    row_source: str = ""  # relation with the rows, if the other has none

    def sums(self) -> tuple[str, str]:
        """SQL for the number of rows and the sum of units in the relation."""
        amounts = f"sum(CASE WHEN {self.where} THEN {self.units} END)" if self.units else "NULL"
        return f"CAST(sum(CASE WHEN {self.where} THEN {self.rows} END) AS BIGINT)", f"CAST({amounts} AS DECIMAL(38, 6))"

    def rows_sql(self) -> str:
        """SQL for the number of each row that the check finds, with the check's name."""
        return (
            f"SELECT _row, {self.check} AS check_name FROM {self.row_source or f'{self.relation} WHERE {self.where}'}"
        )


_COUNTS = {
    "orders": (
        _Query(
            "'identical line'",
            "(SELECT currency, count(*) - 1 AS copies, min(abs(amount)) AS amount FROM orders_typed WHERE _is_line "
            "AND problem IS NULL "
            "AND ordered_at < $as_of AND order_id IS NOT NULL GROUP BY currency, _like) AS alike",
            rows="copies",
            units="copies * amount",
            currency="currency",
            row_source="orders_typed WHERE _is_line AND problem IS NULL AND ordered_at < $as_of "
            "AND order_id IS NOT NULL AND _like IN "
            "(SELECT _like FROM orders_typed WHERE _is_line AND problem IS NULL GROUP BY _like HAVING count(*) > 1)",
        ),
        _Query("'order of several customers'", "orders", "has_several", units="amount"),
        _Query("'no purchase: amount 0'", "orders", "is_zero AND NOT is_purchase"),
        _Query("'purchase: amount 0'", "orders", "is_zero AND is_purchase"),
        _Query("'refund that names no order'", "orders", "refund > 0 AND NOT is_named", units="refund"),
        _Query("'refunded without a date'", "orders", "undated > 0", units="undated"),
        _Query("'refunded above its order'", "orders", "beyond > 0", units="beyond"),
        _Query("'refund of a named order'", "orders", "refund = 0 AND is_named", units="refunded"),
        _Query("'refund above the order it names'", "orders", "refund > 0 AND is_named", units="refund"),
        _Query(
            "'no customer (guest)'", "orders", "is_purchase AND NOT is_zero AND customer_id IS NULL", units="amount"
        ),
    ),
    "subscriptions": (
        _Query(
            "'no exchange rate at its start'", "subscriptions", "mrr > 0 AND CAST(paid_from AS DATE) < $rates_begin"
        ),
        _Query(
            "'cancelled without an end'",
            "subscriptions_counted",
            "status = 'cancelled' AND ended_at IS NULL AND amount >= 0",
            units="mrr",
            currency="currency",
            parts=12,
        ),
        # A customer's first spell of more than a month ago, so that there is none of before the status.
        _Query(
            "'status of today alone'",
            "(SELECT _row, yearly, currency FROM subscriptions_counted WHERE status IN ('paused', 'unpaid') AND "
            "ended_at IS NULL "
            "AND amount >= 0 AND started_at < $as_of - INTERVAL 31 DAY AND (customer_id, started_at) IN "
            "(SELECT customer_id, min(started_at) FROM subscriptions_counted GROUP BY customer_id)) AS first",
            units="yearly",
            currency="currency",
            parts=12,
        ),
        _Query("'discount'", "subscriptions_discounts", units="discount", currency="nullif(code, '')", parts=12),
        _Query(
            "'discount above what it lowers'",
            "(SELECT DISTINCT terms._row FROM subscriptions_discounts AS terms JOIN subscriptions_stretches AS "
            "stretches "
            "ON stretches.customer_id = terms.customer_id AND stretches.code = terms.code "
            "AND stretches.moment >= terms.paid_from AND (terms.paid_until IS NULL OR stretches.moment < "
            "terms.paid_until) "
            "WHERE stretches.discount > stretches.mrr) AS beyond",
        ),
        _Query(
            "'spell that begins before the one before it ends'",
            "(SELECT *, max(coalesce(ended_at, TIMESTAMP '9999-12-31 00:00:00')) OVER (PARTITION BY subscription_id "
            "ORDER BY paid_from, _row "
            "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS last_end FROM subscriptions_counted "
            "WHERE is_paid AND subscription_id IN (SELECT subscription_id FROM subscriptions_counted WHERE is_paid "
            "GROUP BY subscription_id HAVING count(*) > 1)) AS paid",
            "last_end > paid_from + INTERVAL 24 HOUR",
            units="mrr",
            currency="currency",
            parts=12,
        ),
        _Query("'gap of at most 24 hours'", "subscriptions", "is_bridged"),
        _Query("'spell without MRR: ' || unpaid_kind", "subscriptions", "unpaid_kind IS NOT NULL"),
    ),
    "responses": (
        _Query(
            "'unweighted beside weighted answers: ' || survey",
            "(SELECT _row, survey FROM responses WHERE NOT is_weighted "
            "AND (SELECT count(*) FROM responses WHERE is_weighted) > 0) AS beside",
        ),
    ),
}


class Count(NamedTuple):
    """The number of rows of a table that a check finds, their amounts by currency, and details such as examples."""

    table: str
    check: str
    rows: int
    amounts: tuple[str, ...] = ()
    detail: str = ""
    failing: FailedRows | None = None  # of a check that excludes rows: their values and the total


def count_checks(
    engine: Engine, table: str, columns: Columns, money: Money, known: dict[str, str], judged: JudgedRows
) -> list[Count]:
    """Counts of all checks of a table that find rows; excluded rows are in no other check."""
    impossible = _impossible_checks(table, columns, judged, known)
    queries = [query for query in _queries(table) if query.check not in impossible]
    parts = known | {"is_cut": is_capped(engine, table) if columns.values.has_long else "false"}
    counts: dict[str, Count] = {}
    for index, check, code, size, units in sorted(
        _counted(engine, queries, parts), key=lambda row: (*row[:2], row[2] is None, row[2] or "")
    ):
        before = counts.get(check, Count(table, check, 0))
        amounts = (money.format(units / queries[index].parts, code),) if units else ()
        counts[check] = Count(table, check, before.rows + size, before.amounts + amounts)
    return [count._replace(failing=judged.failing.get(check)) for check, count in counts.items()]


def _impossible_checks(table: str, columns: Columns, judged: JudgedRows, known: dict[str, str]) -> set[str]:
    """The checks that cannot find rows in this table, and are skipped."""
    is_set, is_past = known["is_as_of_set"] == "true", known["as_of"] <= known["tomorrow"]
    is_impossible = {
        "problem": not judged.failing,
        "'after the as-of date'": not is_set,
        "'dated in the future'": is_set,
        "'dated in the future, before as_of'": is_past,
        **{f"'{check}'": columns.constant.get(flag) == "false" for flag, check in _FLAGS[table].items()},
        "'long text, cut'": not columns.values.has_long,
    }
    if table == "orders":
        has_named = columns.has("refund_of")
        is_impossible |= {
            "'identical line'": not columns.has_lines,
            "'order of several customers'": not columns.has_lines,
            "'refunded without a date'": not columns.has_refunded,
            "'refunded above its order'": not columns.has_refunded,
            "'refund of a named order'": not has_named,
            "'refund above the order it names'": not has_named,
        }
    if table == "subscriptions":
        is_impossible |= {
            "'spell that begins before the one before it ends'": columns.has_unique_key,
            "'discount'": not columns.has_discounts,
            "'discount above what it lowers'": not columns.has_discounts,
            "'cancelled without an end'": not columns.has("status"),
            "'status of today alone'": not columns.has("status"),
            "'no exchange rate at its start'": known["rates_begin"].startswith("CAST(NULL"),
        }
    return {check for check, skip in is_impossible.items() if skip}


def _counted(
    engine: Engine, queries: list[_Query], parts: dict[str, str]
) -> Iterator[tuple[int, str, str | None, int, Decimal | None]]:
    """The results of queries by check and currency: index of the query, check, currency, rows and units.

    Queries of the same relation are combined.
    """
    together = defaultdict(list)
    for index, query in enumerate(queries):
        name = "" if query.check.endswith("'") else query.check  # of each row
        together[query.relation, name, query.currency].append(index)
    for (relation, name, currency), indices in together.items():
        sums = ", ".join(sql for index in indices for sql in queries[index].sums())
        by = ", ".join(filter(None, (name, currency)))
        statement = (
            f"SELECT {name or 'NULL'}, {currency or 'NULL'}, {sums} FROM {relation}{f' GROUP BY {by}' * bool(by)}"
        )
        for check, code, *counted in engine.rows(statement, **parts):
            for index, size, units in zip(indices, counted[::2], counted[1::2], strict=True):
                if size:
                    yield index, check or queries[index].check.strip("'"), code, size, units


def queries_of_rows(table: str, checks: list[str]) -> list[str]:
    """SQL for the rows that some checks find but do not exclude: their number and the check's name."""
    if table not in _COUNTS:  # other counts of side tables are of customers, not of rows
        return []
    condition = f"check_name IN ({', '.join(map(literal, checks)) or 'NULL'})"
    return [
        f"SELECT _row, check_name FROM ({query.rows_sql()}) AS found WHERE {condition}"
        for query in _queries(table)
        if query.check != "problem" and any(_may_be(query, check) for check in checks)
    ]


def _may_be(query: _Query, check: str) -> bool:
    return f"'{check}'" in query.check or ("||" in query.check and query.check.split("'")[1] in check)


def _queries(table: str) -> list[_Query]:
    """The query of each check of a table."""
    amount = "abs(amount)" if table == "orders" else ""
    currency = "" if table == "responses" else "currency"
    typed, usable = f"{table}_typed", f"problem IS NULL AND {WHEN[table]}"
    return [
        _Query("problem", typed, "problem IS NOT NULL", units=amount, currency=currency),
        *_COUNTS[table],
        *(
            _Query(f"'{check}'", typed, f"{usable} < $as_of AND {flag}", currency=currency)
            for flag, check in _FLAGS[table].items()
        ),
        _Query(
            "'dated in the future, before as_of'",
            typed,
            f"{usable} < $as_of AND {WHEN[table]} >= $tomorrow",
            units=amount,
            currency=currency,
        ),
        *(
            _Query(f"'{check}'", typed, f"{asked} AND {usable} >= $as_of", units=amount, currency=currency)
            for check, asked in (
                ("after the as-of date", "$is_as_of_set"),
                ("dated in the future", "NOT $is_as_of_set"),
            )
        ),
    ]


def lines_effect(engine: Engine, columns: Columns) -> str:
    """The effect of reading a table of order lines: the number of orders; else empty."""
    if not columns.has_lines:
        return ""
    (orders,) = engine.rows("SELECT count(*) FROM orders")[0]
    details = {"column": Verbatim("order_id"), "orders": float(orders)}
    return sentence(f"quality.details.{'mixed' if columns.is_mixed else 'lines'}", **details)


def quality_frame(counts: list[Count], sizes: dict[str, int], read: dict[str, str]) -> pd.DataFrame:
    """The frame of findings: columns table, check, rows, effect; each table's size first, then its checks.

    `read` has a table's effect of reading. All columns but rows are sentences.
    """
    import pandas as pd

    rows = [(name, sentence("quality.details.rows_read"), size, read[name]) for name, size in sizes.items()]
    rows += [(count.table, _name(count.check), count.rows, _effect(count)) for count in counts]
    rows.sort(key=lambda row: (*TABLES, *SIDE_TABLES).index(row[0]))
    tables = [table_name(name) for name, *_ in rows]
    checks, rows_found, effects = [list(column) for column in zip(*rows, strict=True)][1:]
    columns = {"table": tables, "check": checks, "rows": rows_found, "effect": effects}
    # A text column would not keep Sentences, which can be translated.
    return pd.DataFrame(columns, dtype=object).astype({"rows": "int64"})


def warnings(counts: list[Count], sizes: dict[str, int]) -> tuple[str, ...]:
    """A sentence for each check with so many rows that figures may be wrong, those with most rows first."""
    sentences = []
    for count in counts:
        total = count.failing.of if count.failing else sizes[count.table]
        share = get_check(count.check).share
        part = count.rows / total if total else 0.0
        if share and (share == "always" or (total and part >= WARNED)):
            percent = f"{part:.0%}"
            text = sentence(
                f"quality.details.{'warning_values' if count.failing and count.failing.of_values else 'warning'}",
                table=table_name(count.table),
                check=_name(count.check),
                rows=float(count.rows),
                total=float(total),
                share=Figure(int(percent[:-1]) / 100, "percent"),
                effect=_effect(count),
            )
            sentences.append((-part, text))
    return tuple(text for _, text in sorted(sentences))


def _name(check: str) -> Sentence:
    """The name of a check as a Sentence; the reasons of `leave_out` are the user's or a layout's."""
    prefix, colon, why = check.partition(": ")
    if prefix != "left out" or not colon:
        return Sentence.declared(f"checks.{check}.name", check)
    return declared("checks.left out.name", "left out: {why}", why=Phrase(why))


def _effect(count: Count) -> str:
    money = Sentence.joined(*count.amounts, between=AND) if count.amounts else ""
    key = "left out" if count.check.startswith("left out: ") else count.check
    effect = declared(f"checks.{key}.effect", get_check(key).effect, money=money)
    examples = count.failing.examples if count.failing else ""
    return Sentence.joined(effect, examples, count.detail, between=SEMICOLON)
