"""Selections to compute in advance while the explorer is idle, the most likely ones first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from retention_kit.metrics.queries.summaries import periods_of
from retention_kit.metrics.trend import trend_periods
from retention_kit.periods import EVERY
from retention_kit.widgets.selection import Selection, matching_period, values_of

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

MOST_PERIODS = 60  # in addition to those of the trend


def next_selections(data: Dataset, chosen: Selection) -> Iterator[Selection]:
    """Selections one or two changes away: other periods of the trend, nearest first; segment columns and their values;
    other period lengths; periods outside the trend.

    Metric and comparison stay the same, since changing them needs no new figures.
    """
    trend = trend_periods(data, chosen.period)
    yield from _with_periods(trend, chosen)
    yield replace(chosen, column="", values=())
    columns = [chosen.column, *(column for column in data.segments if column != chosen.column)]
    for column in filter(None, columns):
        yield replace(chosen, column=column, values=())
        for value in values_of(data, column):
            yield replace(chosen, column=column, values=(value,))
    for every in EVERY:
        yield replace(chosen, period=matching_period(data, chosen.period, every))
    others = [period for period in periods_of(data, chosen.every) if period not in trend]
    yield from _with_periods(others[-MOST_PERIODS:], chosen)


def _with_periods(periods: list, chosen: Selection) -> Iterator[Selection]:
    by_nearness = sorted(periods, key=lambda period: abs(period.index - chosen.period.index))
    return (replace(chosen, period=period) for period in by_nearness)
