"""Response rates of surveys: by period, and by properties of customers at the time of the invitation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retention_kit.data.summary_key import SummaryKey
from retention_kit.metrics.queries.segment_values import segment_parts
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.statements import sql
from retention_kit.metrics.queries.views import run_query
from retention_kit.periods import Period, add_months

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

MONTHS = 12  # of compared invitations, up to a period's end


def response_rates(data: Dataset, every: str) -> pd.DataFrame | None:
    """Numbers of invited customers and of those who answered, by the period in which the time to answer ended.

    Columns: period (an index), invited, answered. A customer counts once in a period; so does an anonymous invitation.
    None if the data have no invitations.
    """
    if not data.has_invitations:
        return None
    granularity = Granularity(every)

    def compute() -> pd.DataFrame:
        parts = {"period": granularity.sql("day"), "begins": f"DATE '{data.start}'"}
        return run_query(data, sql("response_rates"), None, None, (), **parts)

    return data.cached(SummaryKey("response_rates", every), f"no response rates by {every}", compute)


def response_groups(data: Dataset, period: Period, column: str | None = None) -> pd.DataFrame | None:
    """The same for the twelve months up to a period's end, by properties of customers when they were invited.

    Counts each one's last invitation whose time to answer was over. Columns: about (bought, spent, paying; or the
    segment column), value, invited, answered. None if the data have no invitations.
    """
    if not data.has_invitations:
        return None
    key = SummaryKey("response_groups", str(period), column)
    return data.cached(key, f"nothing of who answered up to {period}", lambda: _groups(data, period, column))


def _groups(data: Dataset, period: Period, column: str | None) -> pd.DataFrame:
    import pandas as pd

    ends = min(period.end, data.as_of)
    parts = {"begins": f"DATE '{add_months(ends, -MONTHS)}'", "ends": f"DATE '{ends}'"}
    invitations = sql("last_invitations")
    if column is not None:
        granularity = Granularity(period.every)
        parts |= {"period": granularity.sql("recipients.day"), **segment_parts(column)}
        frame = run_query(data, invitations + sql("responses_by_segment"), granularity, column, (), **parts)
        return frame.assign(about=column)[["about", "value", "invited", "answered"]]
    queries = {"orders": "responses_by_purchases", "subscriptions": "responses_by_payment"}
    frames = [
        run_query(data, invitations + sql(query), None, None, (), **parts)
        for table, query in queries.items()
        if table in data.tables
    ]
    empty = pd.DataFrame({"about": [], "value": [], "invited": [], "answered": []})
    return pd.concat(frames, ignore_index=True) if frames else empty
