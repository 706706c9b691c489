"""Finds customers with an event that triggers a follow-up, and their values in the tables."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from retention_kit.data.checks import WHEN
from retention_kit.data.customer_columns import consent_sql, latest_value_sql, silence_sql
from retention_kit.data.engines.sql_text import literal
from retention_kit.metrics.queries.memberships import renewing_members
from retention_kit.metrics.queries.statements import sql
from retention_kit.metrics.queries.views import run_query
from retention_kit.settings.follow_ups import FollowUp

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

MOST = 100_000  # rows of one follow-up at most
_NOBODY = "(SELECT CAST(NULL AS VARCHAR) AS customer_id, CAST(NULL AS DATE) AS day WHERE 1 = 0)"
_PAUSING = "SELECT customer_id FROM subscriptions WHERE status = 'paused' AND paid_until IS NULL"


def happened(
    data: Dataset, follow_up: FollowUp, first: date | datetime, last: date | datetime, kinds: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Customers with the event of a follow-up from `first` to `last` (inclusive) that nothing later has made obsolete.

    For purchases, first payments and losses these are dates; for answers and tickets times, where a date is a whole
    day; for renewals `last` is the latest date, and `kinds` are those at risk (`members_lists.risk_groups`). Columns:
    customer_id; happened_on or happened_at; said_score of answers, ticket_id of tickets, billed, units and anchored_on
    of renewals; value_0, … for the contact (if any) and each column used in the text; agrees (1 or 0) and is_silent (1
    or 0) by the settings. At most 100,001 rows, the earliest first.
    """
    rule, candidates = follow_up.rule, _found_sql(data, follow_up)
    if rule.kind == "renewal":
        return renewing_members(data, data.as_of, _plain(last), kinds, candidates)
    if rule.kind == "score":
        sign, score = rule.comparison
        parts = {"survey": literal(rule.survey), "comparison": f"{sign} {score}", "first": _moment(first)}
        return run_query(data, sql("due_answers"), None, None, found=candidates, **parts)
    if rule.kind == "ticket":
        until = last + timedelta(microseconds=1) if isinstance(last, datetime) else last + timedelta(days=1)
        return run_query(data, sql("due_tickets"), found=candidates, first=_moment(first), until=_moment(until))
    dates = {"first": f"DATE '{_plain(first)}'", "last": f"DATE '{_plain(last)}'", "ends": f"DATE '{data.as_of}'"}
    if rule.kind == "subscribing":
        condition = f"pays_until >= DATE '{data.as_of}'{_newcomers(data, 'customer_id')}"
        return run_query(
            data, sql("due_members"), None, None, found=candidates, when="pays_since", wanted=condition, **dates
        )
    if rule.kind == "leaving":
        condition = f"customer_id NOT IN ({_PAUSING})"
        return run_query(
            data, sql("due_members"), None, None, found=candidates, when="pays_until", wanted=condition, **dates
        )
    repeats = {"first": "frequency = 0", "second": "frequency = 1"}.get(
        "first" if rule.kind == "second" else rule.ordinal, "1 = 1"
    )
    answers = "responses" if rule.kind == "purchase" and "responses" in data.tables else _NOBODY
    condition = repeats + (_newcomers(data, "sums.customer_id") if repeats != "1 = 1" else "")
    query = sql("purchase_days") + sql("due_purchases")
    return run_query(data, query, None, None, found=candidates, answers=answers, wanted=condition, **dates)


def _newcomers(data: Dataset, customer: str) -> str:
    """SQL that excludes customers known from before the data, whose first purchase is unknown."""
    return f" AND {customer} NOT IN (SELECT customer_id FROM known_customers)" if data.has_known_customers else ""


def _found_sql(data: Dataset, follow_up: FollowUp) -> str:
    """SQL that selects the rows of `happened`, with values of these customers from the tables."""
    engine, tables = data.live_engine, [name for name in data.parts if name in WHEN]
    columns = [name for name in (follow_up.contact, *follow_up.merged) if name is not None]
    selected, joins = ["happened.*"], []
    for number, name in enumerate(columns):
        if name == "customer_id":
            selected.append(f"happened.customer_id AS value_{number}")
            continue
        alias = f"latest_{number}"
        selected.append(f"{alias}.value AS value_{number}")
        joins.append(f"LEFT JOIN ({latest_value_sql(engine, tables, name)}) AS {alias} ON {_same(alias)}")
    agrees, silent = "1", []
    if follow_up.consent is not None:
        agrees = "coalesce(agreeing.agrees, 0)"
        joins.append(f"LEFT JOIN ({consent_sql(engine, tables, follow_up.consent)}) AS agreeing ON {_same('agreeing')}")
    for number, (column, value) in enumerate(follow_up.suppressions):
        name = f"silent_{number}"
        silent.append(f"{name}.customer_id IS NOT NULL")
        joins.append(f"LEFT JOIN ({silence_sql(engine, tables, column, value)}) AS {name} ON {_same(name)}")
    selected.append(f"{agrees} AS agrees")
    selected.append(f"CASE WHEN {' OR '.join(silent) or '1 = 0'} THEN 1 ELSE 0 END AS is_silent")
    rule = follow_up.rule
    when = "happened_at" if rule.kind in ("score", "ticket") else "happened_on"
    order = [f"happened.{when}"] if rule.kind != "renewal" else []
    order += ["happened.customer_id", *(["happened.ticket_id"] if rule.kind == "ticket" else [])]
    return f"SELECT {', '.join(selected)} FROM happened {' '.join(joins)} ORDER BY {', '.join(order)} LIMIT {MOST + 1}"


def _same(name: str) -> str:
    return f"{name}.customer_id = happened.customer_id"


def _plain(day: date | datetime) -> date:
    return day.date() if isinstance(day, datetime) else day


def _moment(day: date | datetime) -> str:
    return f"TIMESTAMP '{day if isinstance(day, datetime) else datetime.combine(day, time())}'"
