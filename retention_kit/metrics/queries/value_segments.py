"""Value segments: customers by recency, frequency and monetary value (RFM), and their moves since the last period."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retention_kit.data.summary_key import SummaryKey
from retention_kit.errors import DataError
from retention_kit.metrics.queries.statements import sql
from retention_kit.metrics.queries.summaries import missing_reason
from retention_kit.metrics.queries.views import run_query
from retention_kit.periods import Period, add_months

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

# Groups by fifths of recency and of worth (the mean of those of frequency and money, a half rounded up); 5 is the
# best. Every pair of fifths is in one group.
GROUPS: dict[str, tuple[range, range]] = {
    "champions": (range(5, 6), range(4, 6)),
    "loyal": (range(3, 5), range(4, 6)),
    "potential_loyal": (range(4, 6), range(2, 4)),
    "new": (range(5, 6), range(1, 2)),
    "promising": (range(4, 5), range(1, 2)),
    "need_attention": (range(3, 4), range(3, 4)),
    "about_to_sleep": (range(3, 4), range(1, 3)),
    "previously_loyal": (range(1, 3), range(3, 5)),
    "cannot_lose": (range(1, 3), range(5, 6)),
    "hibernating": (range(1, 3), range(1, 3)),
}
NONE_YET = "none"  # without a purchase in the twelve months


def value_segments(data: Dataset, period: Period) -> pd.DataFrame:
    """Numbers of customers by value group at the start and the end of a period, and what they spent.

    Groups are those of buyers in the twelve months up to then, by fifths 1 + (rank - 1) × 5 / n of their last purchase,
    their days with a purchase and the amount spent (the least first, ties equal); other customers are in none. Columns:
    before and now (a key of `GROUPS`, or none), customers, revenue_before and revenue (of the twelve months up to the
    start and the end, in the report's currency). Every customer of either twelve months is in one row. Raises DataError
    without orders.
    """
    if reason := missing_reason(data, "value_segments"):
        raise DataError("There are no value segments: {reason}", reason=reason)
    key = SummaryKey("value_segments", str(period))
    return data.cached(key, f"no value segments of {period}", lambda: _query(data, period))


def _query(data: Dataset, period: Period) -> pd.DataFrame:
    starts, ends = period.start, min(period.end, data.as_of)
    frame = run_query(
        data,
        sql("value_segments"),
        views=["purchase_history"],
        place=_group_number_sql(),
        begins=f"DATE '{add_months(ends, -12)}'",
        ends=f"DATE '{ends}'",
        earlier=f"DATE '{add_months(starts, -12)}'",
        starts=f"DATE '{starts}'",
    )
    names = [NONE_YET, *GROUPS]
    money = {name: frame[name] / data.minor for name in ("revenue_before", "revenue")}
    groups = {
        now: [names[number] for number in frame[code]] for now, code in (("before", "place_before"), ("now", "place"))
    }
    return frame.assign(**groups, **money)[["before", "now", "customers", "revenue_before", "revenue"]]


def _group_number_sql() -> str:
    """SQL for the number of a group, from 1, by the fifths that make it."""
    cases = [
        f"WHEN recency BETWEEN {recency[0]} AND {recency[-1]} "
        f"AND worth BETWEEN {worth[0]} AND {worth[-1]} THEN {number}"
        for number, (recency, worth) in enumerate(GROUPS.values(), 1)
    ]
    return f"CASE {' '.join(cases)} END"
