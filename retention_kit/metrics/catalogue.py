"""What a metric is: declared once with `@metric`, found by everything in `METRICS`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

UNITS = ("fraction", "count", "money", "points", "ratio", "years")


@dataclass(frozen=True)
class Measure:
    """A figure that says what it is: value = numerator / denominator over `n` observations, with its 95% interval.

    `value` is None where it is undefined; `note` then says why.
    """

    value: float | None
    numerator: float | None = None
    denominator: float | None = None
    n: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Metric:
    """The declaration of a metric; `function` takes one row of `summary` and returns a Measure."""

    name: str
    label: str
    unit: str
    better: str  # "higher", "lower" or "" where neither is
    formula: str
    definition: str  # the first line of the function's docstring
    source: str
    competing: str  # rules that others use, and what they change
    template: str  # the section it belongs to
    summary: str  # named by the function's parameter
    function: Callable[[Any], Measure]


METRICS: dict[str, Metric] = {}


def metric(
    *, label: str, unit: str, formula: str, source: str, better: str = "", competing: str = "", template: str = "kpi"
) -> Callable[[Callable[[Any], Measure]], Callable[[Any], Measure]]:
    """Declare a metric: a pure function of one row of the summary that its only parameter names."""
    if unit not in UNITS:
        raise ValueError(f"There is no unit {unit!r}: choose from {', '.join(UNITS)}.")

    def declare(function: Callable[[Any], Measure]) -> Callable[[Any], Measure]:
        (summary,) = inspect.signature(function).parameters
        definition = inspect.getdoc(function).splitlines()[0]
        name = function.__name__
        METRICS[name] = Metric(
            name, label, unit, better, formula, definition, source, competing, template, summary, function
        )
        return function

    return declare
