"""Forecasts for the customers at a period's end, by the lifetime model of subscriptions or orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retention_kit.data.summary_key import SummaryKey
from retention_kit.errors import DataError
from retention_kit.metrics.forecasts.horizon import undefined
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.summaries import check_segment, missing_reason, summary
from retention_kit.periods import Period

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset
    from retention_kit.metrics.forecasts.back_test import BackTest

NOBODY = "There are no customers to forecast."


def lives(data: Dataset, period: Period, segment: str | None = None) -> list[dict[str, Any]]:
    """The fields of a `Lives` row for each segment value at the period's end, or at the as-of date if that is earlier.

    The model is fitted to all customers; forecasts are summed by segment value. Raises DataError if the data lack the
    table, or only saved summaries without it are available.
    """
    from retention_kit.metrics.forecasts import buyers, members

    if reason := missing_reason(data, "lives"):
        raise DataError("There is no forecast: {reason}", reason=reason)
    check_segment(data, segment)
    forecast, description = members if data.basis == "subscriptions" else buyers, f"{period} by {segment or 'whole'}"
    key = SummaryKey("lives", str(period), segment)
    forecasts = data.cached(key, f"no forecast of {description}", lambda: forecast.rows(data, period, segment))
    rows = {row["segment_value"]: row for row in forecasts}
    values = summary(data, "movements", Granularity(period.every), segment)["segment_value"].unique()
    return [*rows.values(), *(undefined(value, NOBODY) for value in values if value not in rows)]


def back_test(data: Dataset, period: Period) -> BackTest:
    """Compare the model of a horizon before the period's end with what happened since, for all customers.

    Raises DataError if the data lack the table, or only saved summaries without it are available.
    """
    from retention_kit.metrics.forecasts import buyers_back_test, members

    if reason := missing_reason(data, "lives"):
        raise DataError("There is no back-test: {reason}", reason=reason)
    forecast = members if data.basis == "subscriptions" else buyers_back_test
    return forecast.back_test(data, period)
