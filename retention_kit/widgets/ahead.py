"""What may be chosen next: the explorer prepares it while nothing is asked for, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from retention_kit.metrics.queries.summaries import periods_of
from retention_kit.metrics.trend import trend_periods
from retention_kit.periods import EVERY
from retention_kit.widgets.selection import Selection, same_time, values_of

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

MOST_PERIODS = 60  # besides those of the trend


def next_selections(data: Dataset, chosen: Selection) -> Iterator[Selection]:
    """What one or two changes of a selection lead to: periods of its trend, the nearest first; segment columns and
    their values; other lengths of periods; periods beyond the trend.

    Metric and comparison stay as they are, as no other figures are behind another one.
    """
    shown = trend_periods(data, chosen.period)
    yield from _at(shown, chosen)
    yield replace(chosen, column="", values=())
    columns = [chosen.column, *(column for column in data.segments if column != chosen.column)]
    for column in filter(None, columns):
        yield replace(chosen, column=column, values=())
        for value in values_of(data, column):
            yield replace(chosen, column=column, values=(value,))
    for every in EVERY:
        yield replace(chosen, period=same_time(data, chosen.period, every))
    others = [period for period in periods_of(data, chosen.every) if period not in shown]
    yield from _at(others[-MOST_PERIODS:], chosen)


def _at(periods: list, chosen: Selection) -> Iterator[Selection]:
    by_nearness = sorted(periods, key=lambda period: abs(period.index - chosen.period.index))
    return (replace(chosen, period=period) for period in by_nearness)
