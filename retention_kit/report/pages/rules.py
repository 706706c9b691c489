"""Texts on the options of definitions: all that are in use, and those of one metric that are not at their default."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from retention_kit.metrics.catalogue import Metric
from retention_kit.metrics.definitions.feedback import SURVEYS
from retention_kit.settings import Definitions
from retention_kit.wording import Words

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset


def describe_options(metrics: Iterable[Metric], data: Dataset, words: Words) -> list[str]:
    """A sentence for each option that affects these metrics, and for `min_n` if it hides any figures."""
    definitions = data.settings.definitions
    names = dict.fromkeys(
        option for metric in metrics for option in metric.options if option not in _unused_options(data)
    )
    sentences = [_describe(name, getattr(definitions, name), words) for name in names]
    return sentences + ([_describe("min_n", definitions.min_n, words)] if definitions.min_n > 1 else [])


def in_force(metric: Metric, data: Dataset, words: Words) -> str:
    """Sentences on options of a metric that are not at their default, and on unweighted answers among weighted ones."""
    definitions, default = data.settings.definitions, Definitions()
    sentences = [
        _describe(option, getattr(definitions, option), words)
        for option in metric.options
        if option not in _unused_options(data) and getattr(definitions, option) != getattr(default, option)
    ]
    survey = SURVEYS.get(metric.name)
    counts = data.quality.loc[data.quality["check"] == f"unweighted beside weighted answers: {survey}", "rows"]
    sentences += [words.text("rules.unweighted", count=words.value(int(count), "count")) for count in counts]
    return " ".join(sentences)


def _unused_options(data: Dataset) -> set[str]:
    """The options that have no effect with these data."""
    if data.basis != "orders":
        return {"inactivity_days"}
    return set() if data.settings.definitions.inactivity_days else {"inactivity_days", "churn_mode"}


def _describe(name: str, value: str | bool | float | None, words: Words) -> str:
    if isinstance(value, str | bool) or value is None:
        return words.text(f"rules.{name}.{str(value).lower()}")
    if name == "discount" and not value:
        return words.text("rules.discount.nothing")
    unit = {"lifespan_years": "years", "discount": "fraction"}.get(name, "count")
    return words.text(f"rules.{name}.number", value=words.value(value, unit))
