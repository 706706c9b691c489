"""What the explorer looks at: one selection, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from retention_kit.errors import DataError, SettingsError, UnknownNameError, did_you_mean
from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.summaries import available_summaries, check_segment, periods_of, pick_period, summary
from retention_kit.metrics.scorecard import missing_metrics, split_segment
from retention_kit.periods import Period, check_every

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

COMPARE = ("previous", "year_ago", "goal")
LEADING = "customer_retention_rate"


@dataclass(frozen=True)
class Selection:
    """A period, a metric, perhaps a segment column and some of its values, and what the figures are compared with."""

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
        """`column=value` where one value is looked at alone, else empty."""
        return f"{self.column}={self.values[0]}" if len(self.values) == 1 else ""

    @property
    def segment(self) -> str:
        """As a template takes it: the value alone, or the column to break down by."""
        return self.only or self.column

    def parameters(self, data: Dataset) -> dict[str, str]:
        """What a template takes to show the same."""
        language = data.settings.report.languages[0]
        return {
            "period": str(self.period),
            "every": self.every,
            "segment": self.segment,
            "language": language,
            "data": data.origin,
        }


def checked(
    data: Dataset, period: str, every: str, metric: str, segment: str, values: Iterable[str], compare: str
) -> Selection:
    """The selection of these words; empty ones, and None, take their defaults. Raises a sentence that names what is
    wrong.

    Whether a segment has a value only its summaries tell: without an engine DataError where they are not at hand.
    """
    period, every, metric, segment, values = str(period or ""), every or "", metric or "", segment or "", values or ()
    for name, text in (("every", every), ("metric", metric), ("segment", segment)):
        if not isinstance(text, str):
            raise SettingsError("{name} must be a text, not {text!r}.", name=name, text=text)
    if not isinstance(values, Iterable):
        raise SettingsError("values must be a text or several, not {values!r}.", values=values)
    if compare not in COMPARE:
        raise SettingsError(
            "There is no comparison {compare!r}: {hint}", compare=compare, hint=did_you_mean(compare, COMPARE)
        )
    metric = metric or first_metric(data)
    if reason := missing_metrics(data).get(METRICS[metric].name):
        raise DataError("There is no {metric}: {reason}", metric=metric, reason=reason)
    when = pick_period(data, period, (check_every(every) if every else None) if period or every else None)
    column, value = split_segment(data, segment)
    values = (value,) if value is not None else tuple(dict.fromkeys([values] if isinstance(values, str) else values))
    if values and not column:
        raise UnknownNameError("Values are those of a segment column: name one in `segment`.")
    known = values_of(data, column) if values else []
    for one in values:
        if one not in known:
            raise UnknownNameError(
                "There is no {column} {one!r} in the data: {hint}",
                column=column,
                one=one,
                hint=did_you_mean(one, known),
            )
    return Selection(when, metric, column or "", values, compare)


def first_metric(data: Dataset) -> str:
    """The metric that is shown unless another is asked for."""
    missing = missing_metrics(data)
    return LEADING if LEADING not in missing else next(name for name in METRICS if name not in missing)


def values_of(data: Dataset, column: str | None) -> list[str]:
    """The values of a segment column that a report may look at alone, as `split_segment` knows them."""
    if not column:
        return []
    check_segment(data, column)
    granularity = Granularity(data.settings.report.every)
    return sorted(
        {
            value
            for name in available_summaries(data)
            for value in summary(data, name, granularity, column)["segment_value"]
            if value
        }
    )


def same_time(data: Dataset, period: Period, every: str) -> Period:
    """The period of another length that holds the last known day of this one; before it where only this one is
    complete.
    """
    period_then = Period.of(min(period.end, data.as_of) - timedelta(days=1), every)
    before = period_then.shift(-1)
    is_running = period.is_complete(data.as_of) and not period_then.is_complete(data.as_of)
    return before if is_running and before in periods_of(data, every) else period_then
