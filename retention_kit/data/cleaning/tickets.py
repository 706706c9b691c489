"""Cleans support tickets: the table `tickets(customer_id, ticket_id, opened_at, closed_at)`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from retention_kit.data.cleaning.columns import Columns
from retention_kit.data.cleaning.quality import Count
from retention_kit.data.cleaning.side_tables import count_problems
from retention_kit.data.engines.protocol import Engine
from retention_kit.errors import DataError, Listed

NAME = "tickets"
_TYPED = f"""
CREATE TABLE {NAME}_typed AS
WITH source_rows AS (SELECT _row, $customer_id AS customer_id, $ticket_id AS ticket_id,
    $opened_at AS opened_at, $opened_at_outside AS opened_outside,
    $closed_at AS closed_at, $closed_at_outside OR $closed_at_unreadable AS is_unclear
    FROM {NAME}_raw),
placed AS (SELECT source_rows.*,
    row_number() OVER (PARTITION BY customer_id, ticket_id, CASE WHEN ticket_id IS NULL THEN opened_at END,
                       CASE WHEN ticket_id IS NULL THEN closed_at END
                       ORDER BY CASE WHEN closed_at IS NULL THEN 1 ELSE 0 END, closed_at, opened_at, _row) AS place
    FROM source_rows)
SELECT _row, customer_id, ticket_id, opened_at, closed_at,
       CASE WHEN customer_id IS NULL THEN 'no id'
            WHEN opened_outside THEN 'date outside 1970-2100'
            WHEN opened_at IS NULL THEN 'unreadable date'
            WHEN is_unclear THEN 'unreadable closing date'
            WHEN closed_at < opened_at THEN 'closed before it was opened'
            WHEN place > 1 THEN 'same ticket'
            WHEN opened_at >= greatest($as_of, $tomorrow) AND NOT $is_as_of_set THEN 'dated in the future'
            WHEN opened_at >= $as_of THEN 'after the as-of date' END AS problem
FROM placed"""
_TICKETS = f"""
CREATE TABLE {NAME} AS
SELECT customer_id, ticket_id, opened_at, CASE WHEN closed_at < $as_of THEN closed_at END AS closed_at
FROM {NAME}_typed WHERE problem IS NULL"""
_FAULTS = (  # of which over half of the rows are refused: the check, the column, and what it is
    ("no id", "customer_id", "is empty"),
    ("unreadable date", "opened_at", "is unreadable"),
    ("date outside 1970-2100", "opened_at", "lies outside 1970-2100"),
    ("unreadable closing date", "closed_at", "is unreadable"),
    ("closed before it was opened", "closed_at", "lies before opened_at"),
)


def make_tickets(
    engine: Engine, columns: Columns, starts: Mapping[str, date], known: Mapping[str, str]
) -> tuple[int, list[Count]]:
    """Make the table of tickets opened before the as-of date; returns its rows and counts.

    Tickets closed later are still open. Raises DataError if over half of the rows lack a customer or a readable date,
    or if none of several customers is in the tables of `starts`.
    """
    names = ("customer_id", "ticket_id", "opened_at", "opened_at_outside", "closed_at", "closed_at_outside")
    parts = {name: columns.sql[name] for name in (*names, "closed_at_unreadable")}
    parts |= {name: known[name] for name in ("as_of", "is_as_of_set", "tomorrow")}
    engine.run(_TYPED, **parts)
    engine.run(_TICKETS, as_of=known["as_of"])
    rows, counts = count_problems(engine, NAME, _FAULTS)
    customer_ids = " UNION ".join(f"SELECT DISTINCT customer_id FROM {name}" for name in starts)
    ((unknown, customers, met),) = engine.rows(
        "SELECT COUNT(CASE WHEN seen.customer_id IS NULL THEN 1 END), COUNT(DISTINCT asked.customer_id), "
        f"COUNT(DISTINCT seen.customer_id) FROM {NAME} AS asked LEFT JOIN ({customer_ids}) AS seen "
        "ON seen.customer_id = asked.customer_id"
    )
    if customers > 1 and not met:
        raise DataError(
            "None of the {customers:,} customers of the {table} is in the {tables}: write customer_id as it is there.",
            customers=customers,
            table=NAME,
            tables=Listed(starts, " or "),
        )
    return rows, counts + [Count(NAME, "ticket of nobody in the other tables", unknown)] * (unknown > 0)
