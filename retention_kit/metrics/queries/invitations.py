"""Who was asked to answer a survey and who did: by period, and by what was known of customers when they were asked."""

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

MONTHS = 12  # of invitations that are compared, up to a period's end


def response_rates(data: Dataset, every: str) -> pd.DataFrame | None:
    """Customers who were asked and who answered, by the period in which their days to answer were over.

    Columns: period (an index), invited, answered. A customer counts once in a period, an anonymous invitation as one.
    None where the data hold no invitations.
    """
    if not data.has_invitations:
        return None
    granularity = Granularity(every)

    def made() -> pd.DataFrame:
        parts = {"period": granularity.sql("day"), "begins": f"DATE '{data.start}'"}
        return run_query(data, sql("response_rates"), None, None, (), **parts)

    return data.cached(SummaryKey("response_rates", every), f"no response rates by {every}", made)


def response_groups(data: Dataset, period: Period, column: str | None = None) -> pd.DataFrame | None:
    """Customers who were asked in the twelve months up to a period's end and who answered, by what they were then.

    Each by their last invitation whose days to answer were over. Columns: about (bought, spent, paying; or the segment
    column), value, invited, answered. None where the data hold no invitations.
    """
    if not data.has_invitations:
        return None
    key = SummaryKey("response_groups", str(period), column)
    return data.cached(key, f"nothing of who answered up to {period}", lambda: _groups(data, period, column))


def _groups(data: Dataset, period: Period, column: str | None) -> pd.DataFrame:
    import pandas as pd

    ends = min(period.end, data.as_of)
    parts = {"begins": f"DATE '{add_months(ends, -MONTHS)}'", "ends": f"DATE '{ends}'"}
    asked = sql("last_invitations")
    if column is not None:
        granularity = Granularity(period.every)
        parts |= {"period": granularity.sql("asked.day"), **segment_parts(column)}
        frame = run_query(data, asked + sql("responses_by_segment"), granularity, column, (), **parts)
        return frame.assign(about=column)[["about", "value", "invited", "answered"]]
    queries = {"orders": "responses_by_purchases", "subscriptions": "responses_by_payment"}
    frames = [
        run_query(data, asked + sql(query), None, None, (), **parts)
        for table, query in queries.items()
        if table in data.tables
    ]
    empty = pd.DataFrame({"about": [], "value": [], "invited": [], "answered": []})
    return pd.concat(frames, ignore_index=True) if frames else empty
