"""The figures of a report: every metric over the periods of its trend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retention_kit.metrics.queries.summaries import periods_of
from retention_kit.metrics.scorecard import scorecard
from retention_kit.periods import Period

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

TREND = 13  # periods in a trend: a year and the same period of the year before


def trend_periods(data: Dataset, period: Period) -> list[Period]:
    """Thirteen periods up to this one, and the one after it while that is incomplete."""
    periods = periods_of(data, period.every)
    following = [other for other in periods if other == period.shift(1) and not other.is_complete(data.as_of)]
    return [other for other in periods if other <= period][-TREND:] + following


def trend_rows(data: Dataset, period: Period, only: str = "") -> pd.DataFrame:
    """The scorecard of all metrics over the periods of a trend, of the whole or of one segment
    value (`column=value`).
    """
    rows = scorecard(data, periods=trend_periods(data, period), segment=only or None)
    return rows.assign(segment="", segment_value="") if only else rows
