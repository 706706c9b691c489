"""Cleans the table of customers from before the data: `known_customers(customer_id, first_at)`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from retention_kit.data.cleaning.columns import Columns
from retention_kit.data.cleaning.quality import Count
from retention_kit.data.cleaning.side_tables import count_problems
from retention_kit.data.engines.protocol import Engine
from retention_kit.errors import DataError, Listed

NAME = "known_customers"
_TYPED = f"""
CREATE TABLE {NAME}_typed AS
WITH source_rows AS (SELECT _row, $customer_id AS customer_id, $first_at AS first_at,
    $first_at_unreadable AS is_unreadable FROM {NAME}_raw),
placed AS (SELECT source_rows.*, row_number() OVER (PARTITION BY customer_id ORDER BY first_at, _row) AS place
    FROM source_rows)
SELECT _row, customer_id, first_at, place,
       CASE WHEN customer_id IS NULL THEN 'no id'
            WHEN is_unreadable THEN 'unreadable date'
            WHEN CAST(first_at AS DATE) >= DATE '$begin' THEN 'known only since the data begin' END AS problem
FROM placed"""
_KNOWN = f"""
CREATE TABLE {NAME} AS
SELECT customer_id, CASE WHEN COUNT(*) = COUNT(first_at) THEN MIN(CAST(first_at AS DATE)) END AS first_at
FROM {NAME}_typed WHERE problem IS NULL GROUP BY customer_id"""

_FAULTS = (  # of which over half of the rows are refused: the check, the column, and what it is
    ("no id", "customer_id", "is empty"),
    ("unreadable date", "first_at", "is unreadable"),
)


def make_known_customers(engine: Engine, columns: Columns, starts: Mapping[str, date]) -> tuple[int, list[Count]]:
    """Make the table of customers from before the tables in `starts` begin; returns its rows and counts.

    Customers whose first date is in the data are excluded. A customer with a row without `first_at` is from before.
    Raises DataError if over half of the rows lack an id or a readable date.
    """
    starts_of_tables = {name: starts[name] for name in ("orders", "subscriptions") if name in starts}
    parts = {name: columns.sql[name] for name in ("customer_id", "first_at", "first_at_unreadable")}
    engine.run(_TYPED, **parts, begin=str(max(starts_of_tables.values())))
    engine.run(_KNOWN)
    rows, counts = count_problems(engine, NAME, _FAULTS)
    ((copies,),) = engine.rows(f"SELECT COUNT(*) FROM {NAME}_typed WHERE problem IS NULL AND place > 1")
    customer_ids = " UNION ".join(f"SELECT DISTINCT customer_id FROM {name}" for name in starts_of_tables)
    ((known, met),) = engine.rows(
        f"SELECT COUNT(*), COUNT(seen.customer_id) FROM {NAME} AS known LEFT JOIN ({customer_ids}) AS seen "
        "ON seen.customer_id = known.customer_id"
    )
    if known and not met:
        raise DataError(
            "None of the {known:,} {table} is in the {tables}: write customer_id as it is there.",
            known=known,
            table=NAME,
            tables=Listed(starts_of_tables, " or "),
        )
    checks = [
        ("several rows of one customer", copies),
        ("never new: there before the data begin", met),
        ("not in the data", known - met),
    ]
    return rows, counts + [Count(NAME, check, size) for check, size in checks if size]
