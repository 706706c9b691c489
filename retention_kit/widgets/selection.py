"""The explorer's selection: period, metric, segment and comparison; and those that may be next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from retention_kit.errors import DataError, SettingsError, UnknownNameError, check_choice
from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.queries.summaries import check_segment, periods_of, pick_period
from retention_kit.metrics.scorecard import missing_metrics, segment_values, split_segment
from retention_kit.metrics.trend import trend_periods
from retention_kit.periods import EVERY, Period, check_every

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

COMPARE = ("previous", "year_ago", "goal")
DEFAULT_METRIC = "customer_retention_rate"
MOST_PERIODS = 60  # computed in advance, in addition to those of the trend


@dataclass(frozen=True)
class Selection:
    """A period, a metric, a segment column with some of its values (empty: the whole), and the comparison."""

    period: Period
    metric: str
    column: str = ""
    values: tuple[str, ...] = ()
    compare: str = "previous"

    @property
    def every(self) -> str:
        return self.period.every

    @property
    def only(self) -> str:
        """`column=value` if one value is chosen, else empty."""
        return f"{self.column}={self.values[0]}" if len(self.values) == 1 else ""

    @property
    def segment(self) -> str:
        """As the parameter of a template: `column=value`, or the column to break down by."""
        return self.only or self.column

    def parameters(self, data: Dataset) -> dict[str, str]:
        """The parameters of a template that shows the same."""
        language = data.settings.report.languages[0]
        return {
            "period": str(self.period),
            "every": self.every,
            "segment": self.segment,
            "language": language,
            "data": data.origin,
        }


def check_selection(
    data: Dataset,
    period: str = "",
    every: str = "",
    metric: str = "",
    segment: str = "",
    values: Iterable[str] = (),
    compare: str = "previous",
) -> Selection:
    """A selection from a user's input; empty values, and None, take their defaults.

    Raises SettingsError, UnknownNameError, PeriodError or DataError on wrong input. The values of a segment come from
    its summaries: without an engine, DataError if these are not cached.
    """
    period, every, metric, segment, values = str(period or ""), every or "", metric or "", segment or "", values or ()
    for name, text in (("every", every), ("metric", metric), ("segment", segment)):
        if not isinstance(text, str):
            raise SettingsError("{name} must be a text, not {text!r}.", name=name, text=text)
    if not isinstance(values, Iterable):
        raise SettingsError("values must be a text or several, not {values!r}.", values=values)
    check_choice(SettingsError, "There is no comparison {compare!r}: {hint}", COMPARE, compare=compare)
    missing = missing_metrics(data)
    metric = metric or next(name for name in (DEFAULT_METRIC, *METRICS) if name not in missing)
    if reason := missing.get(METRICS[metric].name):
        raise DataError("There is no {metric}: {reason}", metric=metric, reason=reason)
    when = pick_period(data, period, (check_every(every) if every else None) if period or every else None)
    column, value = split_segment(data, segment, when.every)
    values = (value,) if value is not None else tuple(dict.fromkeys([values] if isinstance(values, str) else values))
    if values and not column:
        raise UnknownNameError("Values are those of a segment column: name one in `segment`.")
    known = values_of(data, column, when.every) if values else []
    for chosen in values:
        template = "There is no {column} {value!r} in the data: {hint}"
        check_choice(UnknownNameError, template, known, column=column, value=chosen)
    return Selection(when, metric, column or "", values, compare)


def values_of(data: Dataset, column: str | None, every: str) -> list[str]:
    """The values of a segment column that a report of periods of a length can be limited to: see `split_segment`."""
    if not column:
        return []
    check_segment(data, column)
    lengths = dict.fromkeys([every, data.settings.report.every])
    return sorted({value for length in lengths for value in segment_values(data, column, length)})


def matching_period(data: Dataset, period: Period, every: str) -> Period:
    """The period of another length with the last day of this one that has data, or the one before if only `period` is
    complete.
    """
    match = Period.of(min(period.end, data.as_of) - timedelta(days=1), every)
    before = match.shift(-1)
    is_running = period.is_complete(data.as_of) and not match.is_complete(data.as_of)
    return before if is_running and before in periods_of(data, every) else match


def next_selections(data: Dataset, chosen: Selection) -> Iterator[Selection]:
    """Selections one or two changes away, the most likely first, to compute in advance: other periods of the trend,
    nearest first; segment columns and their values; other period lengths; periods outside the trend.

    Metric and comparison stay the same, since changing them needs no new figures.
    """
    trend = trend_periods(data, chosen.period)
    yield from _with_periods(trend, chosen)
    yield replace(chosen, column="", values=())
    columns = [chosen.column, *(column for column in data.segments if column != chosen.column)]
    for column in filter(None, columns):
        yield replace(chosen, column=column, values=())
        for value in values_of(data, column, chosen.every):
            yield replace(chosen, column=column, values=(value,))
    for every in EVERY:
        yield replace(chosen, period=matching_period(data, chosen.period, every))
    others = [period for period in periods_of(data, chosen.every) if period not in trend]
    yield from _with_periods(others[-MOST_PERIODS:], chosen)


def _with_periods(periods: list, chosen: Selection) -> Iterator[Selection]:
    by_nearness = sorted(periods, key=lambda period: abs(period.index - chosen.period.index))
    return (replace(chosen, period=period) for period in by_nearness)
