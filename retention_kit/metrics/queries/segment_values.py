"""The segment value of each customer in each span, and the values that are shown by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retention_kit.data.checks import WHEN
from retention_kit.data.engines.sql_text import literal, segment_column
from retention_kit.metrics.queries.statements import sql
from retention_kit.settings import TABLES

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset
    from retention_kit.metrics.queries.spans import Granularity

NONE, OTHER, MOST_VALUES = "(none)", "(other)", 50
_TOP = "top_values"  # the table of values that are shown by name


def segment_parts(segment: str | None) -> dict[str, str]:
    """SQL placeholders: the relation of the customers' segment values (empty without a segment), and a missing one."""
    empty = (
        "(SELECT CAST(NULL AS VARCHAR) AS customer_id, CAST(NULL AS VARCHAR) AS value, "
        "0 AS from_period, 0 AS until_period WHERE 1 = 0)"
    )
    return {"values": "customer_values" if segment else empty, "missing": literal(NONE if segment else "")}


def top_values_sql(segment: str) -> str:
    """SQL for the segment's value, or (other) if it is not among the largest ones."""
    return _limited(_text(segment), _TOP)


def build_customer_values(
    data: Dataset, granularity: Granularity, segment: str, end: str, name: str = "customer_values", top: str = _TOP
) -> None:
    """Build the segment value of each customer in each span as table `name`; `end` is the first span after the data.

    Also builds `top`, the table of the values that are shown by name.
    """
    # Windows that end at a date are those of one period: the value before that date is used in all of them.
    begin = str(granularity.index(data.start) - 1)
    before = f" AND {{}} < DATE '{granularity.ends}'" if granularity.is_windows else ""

    def span(moment: str) -> str:
        return begin if granularity.is_windows else granularity.sql(f"CAST({moment} AS DATE)")

    _build_top_values(data, segment, top)
    rows, dated = [], []
    for table in data.segments[segment]:
        when = WHEN[table]
        filtered = f"FROM {table} WHERE customer_id IS NOT NULL{before.format(when)}"
        rows.append(f"SELECT customer_id, {when} AS happened_at, {_text(segment)} AS value {filtered}")
        dated.append(
            f"SELECT customer_id, {when} AS happened_at, {TABLES.index(table)} AS place_of_table, _row, "
            f"{_limited(_text(segment), top)} AS value, {span(when)} AS period {filtered} "
            "AND customer_id IN (SELECT customer_id FROM kinds WHERE held > 1)"
        )
    data.live_engine.run(
        sql("customer_values"),
        name=name,
        rows=" UNION ALL ".join(rows),
        shown=_limited("value", top),
        first_period=span("first_at"),
        dated=" UNION ALL ".join(dated),
        begin=begin,
        end=end,
    )


def _build_top_values(data: Dataset, segment: str, top: str) -> None:
    """Build the table of the values with the most customers (a guest's row counts as one), ties by name."""
    rows = " UNION ALL ".join(
        f"SELECT {_text(segment)} AS value, coalesce(customer_id, CAST(_row AS VARCHAR)) AS who FROM {table}"
        for table in data.segments[segment]
    )
    engine, make = data.live_engine, f"CREATE OR REPLACE TEMP TABLE {top} AS SELECT"
    engine.run(f"{make} DISTINCT value FROM ({rows}) AS every_row WHERE value IS NOT NULL LIMIT {MOST_VALUES + 1}")
    ((values,),) = engine.rows(f"SELECT COUNT(*) FROM {top}")
    if values > MOST_VALUES:  # otherwise their sizes do not matter
        engine.run(
            f"{make} value FROM (SELECT value, COUNT(DISTINCT who) AS size FROM ({rows}) AS every_row "
            f"WHERE value IS NOT NULL GROUP BY value) AS sized ORDER BY size DESC, value LIMIT {MOST_VALUES}"
        )


def _text(segment: str) -> str:
    return f"CAST({segment_column(segment)} AS VARCHAR)"


def _limited(value: str, top: str) -> str:
    is_top = f"{value} IS NULL OR {value} IN (SELECT value FROM {top})"
    return f"CASE WHEN {is_top} THEN {value} ELSE {literal(OTHER)} END"
