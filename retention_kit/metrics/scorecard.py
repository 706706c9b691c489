"""Computes all metrics for periods and segments as one tidy frame, which everything else shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from numbers import Real
from typing import TYPE_CHECKING, Any

from retention_kit.errors import DataError, PeriodError, SettingsError, UnknownNameError, check_choice
from retention_kit.lazy import pd
from retention_kit.metrics.alerts.conditions import rules
from retention_kit.metrics.catalogue import COLUMNS, METRICS, NUMBERS, OVERLAPPING, SMALL, SUMMARIES, Measure, Metric
from retention_kit.metrics.forecasts.lives import lives
from retention_kit.metrics.formulas import difference, paired
from retention_kit.metrics.goals.rules import as_set, check_goals, goal_of, status_of, target_of
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.summaries import (
    available_summaries,
    check_segment,
    in_currency,
    missing_reason,
    periods_of,
    pick_period,
    summary,
    table_of,
)
from retention_kit.metrics.queries.trailing_year import trailing_year
from retention_kit.metrics.summary_rows import columns
from retention_kit.periods import Period
from retention_kit.wording import Sentence, sentence

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset


def scorecard(
    data: Dataset,
    period: str | Period | None = None,
    *,
    periods: Iterable[str | Period] | None = None,
    every: str | None = None,
    segment: str | None = None,
    metrics: Iterable[str] | None = None,
) -> pd.DataFrame:
    """All metrics for one or several periods, for all customers and, with `segment`, for each of its values.

    `period` defaults to the last complete one; `periods="all"` takes every one. `segment="country"` breaks down,
    `segment="country=France"` looks at that value alone. Columns as in `COLUMNS`: rates are fractions, money is in the
    report's currency, `change` is value - previous in the metric's unit, `change_low` to `change_high` its interval.
    Metrics whose table is missing are absent; `frame.attrs["absent"]` gives the reasons. Raises PeriodError,
    UnknownNameError or DataError.
    """
    from retention_kit.metrics.frames import Scorecard, shown_as

    selected = _chosen_metrics(data, metrics)
    chosen = _chosen_periods(data, period, periods, every)
    column, only = split_segment(data, segment, *{period.every for period in chosen})
    figures = _Measures(data)
    rows = []
    for metric in selected:
        for when in chosen:
            values = figures.values(metric, when, column) if column else []
            parts = [(column, only)] if only else [(None, ""), *((column, value) for value in values)]
            rows += [_row(data, figures, metric, when, *part) for part in parts]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in NUMBERS:
        frame[name] = frame[name].astype("float64")
    for name in ("label", "note"):  # a text column would not keep Sentences
        frame[name] = pd.Series([row[COLUMNS.index(name)] for row in rows], dtype=object)
    frame = Scorecard(frame)
    frame.attrs |= {"absent": missing_metrics(data), **shown_as(data)}
    return frame


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The scorecard as plain values: None if undefined, integers without a fraction."""
    rows = _plain_rows(frame)
    whole = ("numerator", "denominator", "n")
    for row in rows:
        for name, value in row.items():
            if isinstance(value, float) and value.is_integer() and (row["unit"] == "count" or name in whole):
                row[name] = int(value)
    return rows


def _rows_of(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows as dicts; pandas' own iteration is slower than all computations on them."""
    names = frame.columns.tolist()
    columns = [frame[name].tolist() for name in names]
    return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


def _plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows with None for missing values."""
    return [{name: None if value != value else value for name, value in row.items()} for row in _rows_of(frame)]


def missing_metrics(data: Dataset) -> dict[str, str]:
    """The metrics that the data do not allow, with the reasons."""
    reasons = {name: missing_reason(data, metric.summary) for name, metric in METRICS.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def split_segment(data: Dataset, segment: str | None, *lengths: str) -> tuple[str | None, str | None]:
    """`country` → (country, None), `country=France` → (country, France); raises UnknownNameError for unknown names.

    A value is known if it is in a summary of one of the `lengths` of period that are asked for, or of that of reports:
    weeks have values that customers no longer have at the end of the month.
    """
    if not segment:
        return None, None
    cuts = [*(index for index, sign in enumerate(segment) if sign == "="), len(segment)]
    cut = max((cut for cut in cuts if segment[:cut] in data.segments), default=cuts[0])  # names may contain a =
    column, value = segment[:cut], segment[cut + 1 :]
    check_segment(data, column)
    if cut == len(segment):
        return column, None
    values: list[str] = []
    for every in dict.fromkeys([*lengths, data.settings.report.every]):
        if value in (of_length := segment_values(data, column, every)):
            return column, value
        values += of_length
    template = "There is no {column} {value!r} in the data: {hint}"
    check_choice(UnknownNameError, template, sorted({*values}), column=column, value=value)
    return column, value


def segment_values(data: Dataset, column: str, every: str = "") -> list[str]:
    """The values of a segment column in the summaries of a length of period, by default that of reports, in order."""
    granularity = Granularity(every or data.settings.report.every)
    summaries = (summary(data, name, granularity, column) for name in available_summaries(data))
    return sorted({value for frame in summaries for value in frame["segment_value"] if value})


def check_rules(data: Dataset) -> None:
    """Raise SettingsError for a goal or an alert that no figure can be held against: a name that is not known, an
    impossible value, a condition that cannot be read.
    """
    check_goals(data.settings.goals, data.settings.definitions)
    if data.engine:  # else they were checked before
        rules(data.settings)
    for name, goal in data.settings.goals.items() if data.engine else ():
        _check_goal_segment(data, name, goal.segment, goal.every)


def _chosen_metrics(data: Dataset, names: Iterable[str] | None) -> list[Metric]:
    check_rules(data)
    if names is None:
        return [metric for metric in METRICS.values() if not missing_reason(data, metric.summary)]
    for name in (names := [names] if isinstance(names, str) else [*dict.fromkeys(names)]):
        if reason := missing_reason(data, METRICS[name].summary):
            raise DataError("There is no {name}: {reason}", name=name, reason=reason)
    return [METRICS[name] for name in names]


def _check_goal_segment(data: Dataset, name: str, segment: str | None, every: str | None) -> None:
    try:
        column, value = split_segment(data, segment, *filter(None, [every]))
    except UnknownNameError as error:
        raise SettingsError("goals.{name}.segment: {error}", name=name, error=error) from None
    if column and value is None:
        template = 'goals.{name}.segment cannot be {segment!r}: name a value too, as in "{column}=…".'
        raise SettingsError(template, name=name, segment=segment, column=column)


def _chosen_periods(
    data: Dataset, period: str | Period | None, periods: Iterable[str | Period] | None, every: str | None
) -> list[Period]:
    if period is not None and periods is not None:
        raise PeriodError("Give either period or periods.")
    if periods is None:
        return [pick_period(data, period, every)]
    if isinstance(periods, str) and periods == "all":
        return periods_of(data, every or data.settings.report.every)
    return [pick_period(data, period, every) for period in periods]


def first_periods(data: Dataset, metric: str, every: str, column: str | None = None) -> dict[str, Period]:
    """The first period of each segment value in which the summary of a metric is not all zeros; of all customers under
    an empty value that in which its table begins.
    """
    name = METRICS[metric].summary
    first = {"": Period.of(data.starts.get(table_of(data, name), data.start), every)}
    if column is None:
        return first
    name = "movements" if name in OVERLAPPING else name
    frame = summary(data, name, Granularity(every), column)
    known = frame[(frame[[*columns(name)]] != 0).any(axis=1)]
    starts = known.groupby("segment_value")["period"].min()
    return first | {value: Period(every, int(index)) for value, index in starts.items()}


class _Measures:
    """Measures of one dataset by metric, period and segment value, each computed once."""

    def __init__(self, data: Dataset):
        self._data = data
        self.measure = lru_cache(maxsize=None)(self._measure)
        self._rows = lru_cache(maxsize=None)(self._read_rows)
        self._rows_at = lru_cache(maxsize=None)(self._read_rows_at)

    def values(self, metric: Metric, period: Period, column: str) -> list[str]:
        """The segment values in a metric's summary in a period, in order."""
        known = self._rows(metric.summary, period.every, column)
        return sorted(value for value, index in known if value and index == period.index)

    def first(self, name: str, every: str) -> Period:
        """The period in which the table behind a summary begins."""
        return Period.of(self._data.starts.get(table_of(self._data, name), self._data.start), every)

    def _measure(self, metric: Metric, period: Period, column: str | None, value: str) -> Measure:
        if metric.overlaps:
            row = self._rows_at(metric.summary, period, column).get(value)
        else:
            row = self._rows(metric.summary, period.every, column).get((value, period.index))
        if row is None:
            return Measure(None, note=sentence("notes.unknown_segment"))
        return _apply_minimum_n(_evaluate(metric, row), self._data.settings.definitions.min_n)

    def _read_rows(self, name: str, every: str, column: str | None) -> dict[tuple[str, int], Any]:
        if name in OVERLAPPING:  # they have the values of movements
            name = "movements"
        frame = in_currency(self._data, name, summary(self._data, name, Granularity(every), column))
        first, table = self.first(name, every).index, table_of(self._data, name)
        early = {
            index: self._data.may_hold_earlier(table, Period(every, int(index)).start)
            for index in frame["period"].unique()
        }
        return {
            (row["segment_value"], row["period"]): SUMMARIES[name](
                **row,
                is_first=row["period"] == first,
                may_hold_earlier=early[row["period"]],
                definitions=self._data.settings.definitions,
            )
            for row in _rows_of(frame)
        }

    def _read_rows_at(self, name: str, period: Period, column: str | None) -> dict[str, Any]:
        """The rows of a summary that is computed for one period, by segment value."""
        if name == "lives":
            rows = lives(self._data, period, column)
        else:
            rows = _plain_rows(trailing_year(self._data, period, column))
        definitions = self._data.settings.definitions
        return {row["segment_value"]: SUMMARIES[name](**row, definitions=definitions) for row in rows}


def _evaluate(metric: Metric, row: Any) -> Measure:
    """The measure of a metric for a row; undefined if the function fails, which may be a plug-in's."""
    try:
        measure = metric.function(row)
    except ZeroDivisionError:
        return Measure(None, note=sentence("notes.nothing_to_divide_by"))
    except (Exception, SystemExit) as error:
        return Measure(None, note=sentence("notes.fails", kind=type(error).__name__, error=str(error)))
    if not isinstance(measure, Measure):
        return Measure(None, note=sentence("notes.no_measure", returned=repr(measure)))
    figures = [measure.value, measure.numerator, measure.denominator, measure.n, measure.low, measure.high]
    if not all(figure is None or isinstance(figure, Real) for figure in figures):
        return Measure(None, note=sentence("notes.no_numbers"))
    if measure.value is None or measure.value != measure.value:
        return replace(measure, value=None, note=measure.note or sentence("notes.no_reason"))
    return measure


def _apply_minimum_n(measure: Measure, min_n: int) -> Measure:
    """Rates and means of few observations: undefined below `min_n`, with a note below 30."""
    if measure.value is None or measure.denominator is None or measure.n is None:
        return measure
    if measure.n < min_n:
        note = sentence("notes.below_minimum", n=measure.n, least=min_n)
        return replace(measure, value=None, low=None, high=None, note=note)
    if measure.n < SMALL:
        return replace(measure, note=Sentence.joined(measure.note, sentence("notes.small", n=measure.n)))
    return measure


def _row(
    data: Dataset, figures: _Measures, metric: Metric, period: Period, column: str | None, value: str | None
) -> tuple:
    measure = figures.measure(metric, period, column, value)
    complete = period.is_complete(data.as_of)
    before, year_ago = (
        figures.measure(metric, other, column, value)
        if other is not None and other >= figures.first(metric.summary, period.every)
        else Measure(None)
        for other in (period.shift(-1), period.year_ago())
    )
    change, bounds = None, None
    if complete and measure.value is not None and before.value is not None:
        change = measure.value - before.value
        if not metric.overlaps:
            bounds = difference(measure, before, paired(measure, before))
    settings, part = data.settings, f"{column}={value}" if column else ""
    goal = goal_of(settings.goals, metric.name, period, part, settings.report.every)
    if metric.unit == "money" and change is not None:
        change = round(change, 9)  # errors of binary fractions: 0.3 - 0.1 is not 0.2
    return (
        metric.name,
        metric.label,
        str(period),
        column or "",
        value or "",
        measure.value,
        measure.unit or metric.unit,
        measure.numerator,
        measure.denominator,
        measure.n,
        measure.low,
        measure.high,
        before.value,
        change,
        *(bounds or (None, None)),
        year_ago.value,
        complete,
        target_of(goal, as_set(metric, settings.definitions)) if goal else None,
        status_of(goal, as_set(metric, settings.definitions), measure, period) if complete else "",
        measure.note,
    )
