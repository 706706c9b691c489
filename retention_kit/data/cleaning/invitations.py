"""Cleans invitations to surveys: the table `invitations(customer_id, asked_on, day, …)`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from retention_kit.data.cleaning.columns import Columns
from retention_kit.data.cleaning.quality import Count
from retention_kit.data.cleaning.side_tables import count_problems
from retention_kit.data.engines.protocol import Engine
from retention_kit.errors import DataError

NAME = "invitations"
DAYS = 14  # to answer, including the day of the invitation
_TYPED = f"""
CREATE TABLE {NAME}_typed AS
WITH source_rows AS (SELECT _row, $customer_id AS customer_id, lower($survey) AS survey,
    $invited_at AS invited_at, $invited_at_outside AS outside, $responded_at AS responded_at,
    $responded_at_outside OR $responded_at_unreadable AS is_unclear, $has_answers AS has_answers
    FROM {NAME}_raw),
placed AS (SELECT source_rows.*, row_number() OVER (PARTITION BY customer_id, survey, invited_at
                                             ORDER BY CASE WHEN responded_at IS NULL THEN 1 ELSE 0 END, _row) AS place
    FROM source_rows)
SELECT _row, customer_id, survey, invited_at, responded_at,
       CASE WHEN survey IS NULL OR survey NOT IN ('nps', 'csat', 'ces') THEN 'unknown survey'
            WHEN customer_id IS NULL AND NOT has_answers THEN 'no id'
            WHEN outside THEN 'date outside 1970-2100'
            WHEN invited_at IS NULL THEN 'unreadable date'
            WHEN is_unclear THEN 'unreadable date of an answer'
            WHEN CAST(responded_at AS DATE) < CAST(invited_at AS DATE) THEN 'answered before it was asked'
            WHEN customer_id IS NOT NULL AND place > 1 THEN 'same invitation'
            WHEN invited_at >= $as_of THEN 'after the as-of date'
            WHEN (CAST(invited_at AS DATE) + {DAYS}) <= DATE '$begin' THEN 'asked before the data begin' END AS problem
FROM placed"""
# If a form has several questions, an answer to one of them counts.
_INVITATIONS = f"""
CREATE TABLE {NAME} AS
WITH usable AS (
    SELECT _row, customer_id, survey, invited_at, CAST(invited_at AS DATE) AS asked_on,
           (CAST(invited_at AS DATE) + {DAYS}) AS ends_on, CAST(responded_at AS DATE) AS answered_on,
           CAST(lead(invited_at) OVER (PARTITION BY customer_id, survey ORDER BY invited_at, _row) AS DATE) AS next_on
    FROM {NAME}_typed WHERE problem IS NULL
),
matched AS (
    $matched
),
judged AS (
    SELECT usable.*, CASE WHEN answered_on < ends_on AND answered_on < CAST($as_of AS DATE) THEN 1
                          WHEN matched._row IS NOT NULL THEN 1 ELSE 0 END AS is_answered
    FROM usable LEFT JOIN matched ON matched._row = usable._row
)
SELECT customer_id, asked_on, (MIN(ends_on) - 1) AS day, CAST(MAX(is_answered) AS INTEGER) AS is_answered,
       MIN(_row) AS _row, MIN(ends_on) <= CAST($as_of AS DATE) AS is_over
FROM judged GROUP BY customer_id, asked_on, CASE WHEN customer_id IS NULL THEN _row END"""
_ANSWERS = """SELECT DISTINCT usable._row FROM usable
    JOIN responses ON responses.customer_id = usable.customer_id AND responses.survey = usable.survey
        AND responses.day >= usable.asked_on AND responses.day < usable.ends_on
        AND (usable.next_on IS NULL OR responses.day < usable.next_on)"""
_FAULTS = (  # of which over half of the rows are refused: the check, the column, and what it is
    ("no id", "customer_id", "is empty"),
    ("unknown survey", "survey", "is no nps, csat or ces"),
    ("unreadable date", "invited_at", "is unreadable"),
    ("date outside 1970-2100", "invited_at", "lies outside 1970-2100"),
    ("unreadable date of an answer", "responded_at", "is unreadable"),
    ("answered before it was asked", "responded_at", "lies before invited_at"),
)


def make_invitations(
    engine: Engine, columns: Columns, starts: Mapping[str, date], as_of: str
) -> tuple[int, list[Count]]:
    """Make the table of invitations, with whether they were answered within DAYS; returns its rows and counts.

    An invitation is answered by its `responded_at`, or by the customer's answer to the survey before the next one.
    `day` is the last day to answer; until then it does not count in rates. Raises DataError without any information on
    answers, or if over half of the rows have the same problem.
    """
    has_answers = columns.has("responded_at")
    if not has_answers and "responses" not in starts:
        raise DataError(
            "The {table} have no column responded_at, and there are no responses: who answered cannot be told.",
            table=NAME,
        )
    names = ("customer_id", "survey", "invited_at", "invited_at_outside", "responded_at", "responded_at_outside")
    parts = {name: columns.sql[name] for name in (*names, "responded_at_unreadable")}
    begin = str(min(starts.values()))
    engine.run(_TYPED, **parts, has_answers=str(has_answers).lower(), as_of=as_of, begin=begin)
    nobody = "SELECT _row FROM usable WHERE 1 = 0"
    engine.run(_INVITATIONS, as_of=as_of, matched=_ANSWERS if "responses" in starts else nobody)
    rows, counts = count_problems(engine, NAME, _FAULTS)
    ((still_open,),) = engine.rows(f"SELECT COUNT(*) FROM {NAME} WHERE NOT is_over")
    return rows, counts + [Count(NAME, "still open to an answer", still_open)] * (still_open > 0)
