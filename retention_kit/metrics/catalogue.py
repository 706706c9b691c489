"""Metrics: declared once with `@metric`, and registered in `METRICS`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from typing import Any, NamedTuple, TypeVar

from retention_kit.display import Display, printable
from retention_kit.errors import SettingsError, TemplateError, UnknownNameError, check_choice, did_you_mean
from retention_kit.metrics.summary_rows import Feedback, Lives, Movements, Mrr, Purchases, TrailingYear
from retention_kit.wording import Sentence, Words, sentence

SUMMARIES: dict[str, type] = {  # by the name of a metric's only parameter, the type of its row
    "movements": Movements,
    "purchases": Purchases,
    "mrr": Mrr,
    "feedback": Feedback,
    "trailing_year": TrailingYear,
    "lives": Lives,
}
OVERLAPPING = ("trailing_year", "lives")  # computed for one period at a time, and overlapping with the period before
SMALL = 30  # n below which a rate or mean has a note
# Columns of a scorecard; numbers are floats, NaN if undefined.
COLUMNS = (
    "metric", "label", "period", "segment", "segment_value", "value", "unit", "numerator", "denominator", "n", "low",
    "high", "previous", "change", "change_low", "change_high", "year_ago", "complete", "target", "status", "note",
)  # fmt: skip  # words by the line
NUMBERS = tuple(
    name
    for name in COLUMNS
    if name not in ("metric", "label", "period", "segment", "segment_value", "unit", "complete", "status", "note")
)
UNITS = ("fraction", "count", "money", "points", "ratio", "years")


class Estimate(NamedTuple):
    """A value and the bounds of its 95% interval, none of them missing."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measure:
    """A figure that says what it is: value = numerator / denominator over `n` observations, with its 95% interval.

    `value` is None where it is undefined; `note` then says why. `unit` is given where a setting changes the metric's.
    `crossed` are sums over the customers who are in it and in the same figure of the period before, with x the
    numerator and y the denominator of each, in the value's unit: x·x', x·y', y·x' and y·y'. A change is then paired by
    customer.
    """

    value: float | None
    numerator: float | None = None
    denominator: float | None = None
    n: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""
    unit: str = ""
    crossed: tuple[float, float, float, float] | None = None

    @property
    def estimate(self) -> Estimate | None:
        """The value with its interval; None if either is missing."""
        if self.value is None or self.low is None or self.high is None:
            return None
        return Estimate(self.value, self.low, self.high)

    def _repr_html_(self) -> str:
        return self._display().html()

    def __repr__(self) -> str:
        display = self._display()
        return printable(" · ".join([display.title, *display.notes]))

    def _display(self) -> Display:
        """The figure, then what it is made of; without a unit plain numbers."""
        words, unit = Words(currency="XXX"), self.unit if self.unit in UNITS else "ratio"

        def in_words(figure: Any, unit: str = "count") -> str:
            is_number = isinstance(figure, Real) and isfinite(figure)
            return words.value(figure, unit, "full") if is_number else str(figure)

        texts = []
        if None not in (self.numerator, self.denominator):
            parts = {"numerator": in_words(self.numerator), "denominator": in_words(self.denominator)}
            texts.append(words.text("shown.measure.share", **parts))
        if None not in (self.low, self.high):
            texts.append(words.text("card.interval", low=in_words(self.low, unit), high=in_words(self.high, unit)))
        if self.n is not None:
            texts.append(words.text("card.n", n=in_words(self.n)))
        is_known = self.value is not None and self.value == self.value
        value = in_words(self.value, unit) if is_known else words.text("shown.measure.undefined")
        return Display(value, words, notes=list(filter(None, [" · ".join(texts), self.note])))


@dataclass(frozen=True)
class Metric:
    """The declaration of a metric; `function` takes one row of `summary` and returns a Measure.

    A row has the columns of its summary, money in the report's currency, and `is_first` (whether the data begin in its
    period), `may_hold_earlier` (whether those first seen in it may be customers of before the data) and `definitions`
    (the settings of [definitions]).
    """

    name: str
    label: str
    unit: str
    better: str  # "higher", "lower" or ""
    formula: str
    definition: str  # the first line of the function's docstring
    source: str
    competing: str  # competing definitions, and their effect
    template: str  # its section of the report
    summary: str  # named by the function's parameter
    parts: tuple[str, str]  # the units of numerator and denominator
    grows: str  # with the length of the period: "value" if the figure does, "rest" if 1 - figure does, or ""
    options: tuple[str, ...]  # keys of [definitions] that change the metric
    card: int  # its position among the cards of the first page; 0 if it has none
    headline: int  # its position among the figures of the headline
    mail_chart: int  # its position among the trends of a message
    by_segment: bool  # whether its segment values are compared with the other customers
    function: Callable[[Any], Measure]

    @property
    def overlaps(self) -> bool:
        """Whether the figures of two periods rest on much the same, so that their intervals say nothing of a change:
        the last twelve months, or all that customers have done so far.
        """
        return self.summary in OVERLAPPING


def history_note(row: Movements | Purchases) -> str:
    """A note if customers from before the data may count as new; else empty."""
    if not row.may_hold_earlier:
        return ""
    return sentence("notes.data_begin" if row.is_first else "notes.data_begin_before")


class _Catalogue(dict[str, Metric]):
    """Metrics by name; the error for a wrong name suggests the nearest one."""

    def __missing__(self, name: str) -> Metric:
        raise UnknownNameError("There is no metric {name!r}: {hint}", name=name, hint=did_you_mean(name, self))


METRICS = _Catalogue()
Function = TypeVar("Function", bound=Callable[[Any], Measure])


def ranked(by: str) -> list[str]:
    """The metrics with a position in `card`, `headline` or `mail_chart`, in that order, or those with `by_segment`."""
    return sorted((name for name in METRICS if getattr(METRICS[name], by)), key=lambda name: getattr(METRICS[name], by))


def _declared(name: str, text_name: str, english: str, translations: Mapping[str, Mapping[str, str]]) -> str:
    others = {language: texts[text_name] for language, texts in translations.items() if text_name in texts}
    return Sentence.declared(f"metrics.{name}.{text_name}", english, others) if english else ""


def _check_units(unit: str, parts: tuple[str, str], grows: str) -> None:
    if grows != "":
        check_choice(UnknownNameError, "A metric does not grow by {grows!r}: {hint}", ("value", "rest"), grows=grows)
    for unit_name in (unit, *parts):
        check_choice(UnknownNameError, "There is no unit {given!r}: {hint}", UNITS, given=unit_name)


def metric(
    *,
    label: str,
    unit: str,
    formula: str,
    source: str,
    better: str = "",
    competing: str = "",
    template: str = "kpi",
    parts: tuple[str, str] | None = None,
    options: tuple[str, ...] = (),
    grows: str = "",
    card: int = 0,
    headline: int = 0,
    mail_chart: int = 0,
    by_segment: bool = False,
    translations: Mapping[str, Mapping[str, str]] | None = None,
) -> Callable[[Function], Function]:
    """Declare a metric: a pure function of one row of the summary that its only parameter names.

    `parts` are the units of its numerator and denominator: unless given, money over a count for money, else counts.
    `options` are the keys of [definitions] that change its rule: readers are told which are set. `grows` is "value"
    where a longer period makes the figure larger (a sum, purchases per buyer), "rest" where it makes 1 - figure larger.
    `card`, `headline` and `mail_chart` are its place, from 1, among the cards of the first page, the figures of the
    headline and the trends of a message; `by_segment` has its segment values judged against the other customers.
    `translations` give `label`, `definition`, `formula`, `competing` and `source` in other languages, as in
    `{"ar": {"label": …}}`; those of the toolkit's own metrics stand in its word files.

    Raises UnknownNameError for an unknown unit, `grows` or parameter, TemplateError without a docstring, SettingsError
    where another module declares a metric of the same name.
    """
    parts = parts or ("money" if unit == "money" else "count", "count")
    _check_units(unit, parts, grows)

    def declare(function: Function) -> Function:
        name, (summary, *more) = function.__name__, [*inspect.signature(function).parameters, ""]
        if summary not in SUMMARIES or more != [""]:
            raise UnknownNameError(
                "The metric {name} takes one row of one summary: {hint}",
                name=name,
                hint=did_you_mean(summary, SUMMARIES),
            )
        if not (definition := (inspect.getdoc(function) or "").partition("\n")[0]):
            raise TemplateError(
                "The metric {name} needs a docstring: its first line is the definition that readers see.", name=name
            )
        known = METRICS.get(name)
        if known and known.function.__module__ != function.__module__:
            raise SettingsError(
                "There is a metric {name!r} in {module} already: give yours another name.",
                name=name,
                module=known.function.__module__,
            )
        texts = {"label": label, "definition": definition, "formula": formula, "competing": competing, "source": source}
        sentences = {
            text_name: _declared(name, text_name, english, translations or {}) for text_name, english in texts.items()
        }
        METRICS[name] = Metric(
            name,
            sentences["label"],
            unit,
            better,
            sentences["formula"],
            sentences["definition"],
            sentences["source"],
            sentences["competing"],
            template,
            summary,
            parts,
            grows,
            options,
            card,
            headline,
            mail_chart,
            by_segment,
            function,
        )
        return function

    return declare
