"""Retention of customers after they answered a survey, by their score."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.data.summary_key import SummaryKey
from retention_kit.metrics.queries.memberships import span_before
from retention_kit.metrics.queries.statements import sql
from retention_kit.metrics.queries.summaries import missing_reason
from retention_kit.metrics.queries.views import run_query
from retention_kit.periods import Period, add_months

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

MONTHS = 3  # after an answer; `inactivity_days` if that is set


class Window(NamedTuple):
    """Answers from `begins` to before `ends`; the data include all of their later time."""

    begins: date
    ends: date
    days: int | None  # of later time; None: three months


def window_of(data: Dataset, period: Period) -> Window:
    """The last twelve months of answers whose later time is over by a period's end."""
    cut = min(period.end, data.as_of)
    days = data.settings.definitions.inactivity_days if data.basis == "orders" else None
    ends = add_months(cut, -MONTHS) if days is None else cut - timedelta(days=days)
    return Window(add_months(ends, -12), ends, days)


def later_retention(data: Dataset, period: Period) -> pd.DataFrame | None:
    """Customers who answered in the `window_of` a period, by survey and score, and how many of them stayed.

    Counts each one's first answer as a customer. Subscribers stay if they still pay three months later; buyers (within
    twelve months before) if they buy again within three months, or `inactivity_days`. Columns: survey, score, high (of
    the scale), customers, kept; the row with survey "" counts all customers of the window. None if the data have no
    answers or no customers.
    """
    if missing_reason(data, "feedback") or missing_reason(data, "movements"):
        return None
    key, description = (
        SummaryKey("later_retention", str(period)),
        f"nothing of what followed the answers up to {period}",
    )
    return data.cached(key, description, lambda: _query(data, window_of(data, period)))


def _query(data: Dataset, window: Window) -> pd.DataFrame:
    is_orders = data.basis == "orders"
    day = "answered.day" if is_orders else "day"
    later = f"CAST({day} + INTERVAL {MONTHS} MONTH AS DATE)"
    if window.days is not None:
        later = f"({day} + CAST({window.days} AS INTEGER))"
    parts = {"begins": f"DATE '{window.begins}'", "ends": f"DATE '{window.ends}'", "later": later}
    if is_orders:
        parts["earliest"] = f"DATE '{add_months(window.begins, -12)}'"
        return run_query(data, sql("later_retention_orders"), None, None, (), **parts)
    granularity, _ = span_before(window.ends)
    return run_query(data, sql("later_retention_subscriptions"), granularity, None, ["paid_stretches"], **parts)
