"""Rules: alerts with parsed conditions, whose names and units are checked before they are evaluated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from retention_kit.errors import Listed, Phrase, SettingsError, did_you_mean
from retention_kit.metrics.alerts.language import (
    FUNCTIONS,
    Compare,
    Figure,
    Node,
    Number,
    canonical,
    comparisons,
    parse,
    wrong,
)
from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.goals.rules import MOST_POINTS, MOST_SHARE, as_set
from retention_kit.settings import Settings
from retention_kit.settings.alerts import Alert

_IS = {
    "fraction": "a rate",
    "count": "a count",
    "money": "money",
    "points": "in points",
    "ratio": "a ratio",
    "years": "in years",
}


@dataclass(frozen=True)
class Rule:
    """An alert that can be evaluated: its conditions as trees, the length of its periods, and the metrics it needs."""

    alert: Alert
    when: Node
    reset: Node | None
    every: str
    metrics: tuple[str, ...]

    @property
    def digest(self) -> str:
        """A digest of everything that decides when the rule fires; not of its name, owner or `then`."""
        alert, reset = self.alert, canonical(self.reset) if self.reset else ""
        parts = (canonical(self.when), reset, self.every, alert.each or "", alert.segment or "")
        text = "\n".join([*parts, f"{alert.for_} {alert.cooldown} {alert.certain}"])
        return sha256(text.encode()).hexdigest()[:16]


def rules(settings: Settings, alerts: Iterable[Alert] | None = None) -> list[Rule]:
    """The rules of the given alerts, by default those of the settings.

    Raises SettingsError with the alert's name, the key and the position in the condition.
    """
    return [_rule(alert, settings) for alert in (settings.alerts if alerts is None else alerts)]


def _rule(alert: Alert, settings: Settings) -> Rule:
    every = alert.every or settings.report.every
    nodes: list[Node | None] = []
    for key, text in (("when", alert.when), ("reset", alert.reset)):
        if text is None:
            nodes.append(None)
            continue
        try:
            nodes.append(_checked(parse(text), alert, every, settings))
        except SettingsError as error:
            raise SettingsError("alerts.{name}.{key}: {error}", name=alert.name, key=key, error=error) from None
    when, reset = nodes
    assert when is not None
    sides = [
        side
        for node in (when, reset)
        if node
        for comparison in comparisons(node)
        for side in (comparison.left, comparison.right)
    ]
    metrics = dict.fromkeys(side.metric for side in sides if isinstance(side, Figure))
    return Rule(alert, when, reset, every, tuple(metrics))


def _checked(node: Node, alert: Alert, every: str, settings: Settings) -> Node:
    """The same condition; raises SettingsError if a name is unknown or two sides cannot be compared."""
    for comparison in comparisons(node):
        for side in (comparison.left, comparison.right):
            if isinstance(side, Figure):
                _check_figure(side, alert, every, settings)
        _check_units(comparison, settings)
    return node


def _check_figure(figure: Figure, alert: Alert, every: str, settings: Settings) -> None:
    name = figure.metric
    if name not in METRICS:
        hint = did_you_mean(name, METRICS)
        if name in FUNCTIONS:
            hint = Phrase("write {name}(METRIC).", name=name)
        raise wrong(figure.at, "there is no metric {name!r}: {hint}", name=name, hint=hint)
    if figure.function == "goal" and not _has_goal(name, alert, every, settings):
        template = "{name} has no goal for this length of period and these customers: add it to [goals]."
        raise wrong(figure.at, template, name=name)


def _has_goal(name: str, alert: Alert, every: str, settings: Settings) -> bool:
    """Whether there is a goal for the figure; with `each`, for some segment value."""
    for key, goal in settings.goals.items():
        if goal.kind or (goal.metric or key) != name or (goal.every or settings.report.every) != every:
            continue
        segment = goal.segment or ""
        if segment.startswith(f"{alert.each}=") if alert.each else segment == (alert.segment or ""):
            return True
    return False


def unit_of(name: str, settings: Settings) -> str:
    """The unit of a metric with these settings."""
    return as_set(METRICS[name], settings.definitions).unit


def _check_units(comparison: Compare, settings: Settings) -> None:
    match comparison.left, comparison.right:
        case Number(), Number():
            raise wrong(comparison.left.at, "two numbers are compared: name a metric, such as customer_churn_rate.")
        case Figure() as left, Figure() as right:
            units = unit_of(left.metric, settings), unit_of(right.metric, settings)
            if units[0] != units[1]:
                raise wrong(
                    comparison.at,
                    "{left} is {unit} and {right} {other}: compare figures of one unit.",
                    left=left.metric,
                    unit=Phrase(_IS[units[0]]),
                    right=right.metric,
                    other=Phrase(_IS[units[1]]),
                )
        case (Figure() as figure, Number() as number):
            _check_number(figure, number, unit_of(figure.metric, settings), comparison.sign)
        case (Number() as number, Figure() as figure):
            _check_number(figure, number, unit_of(figure.metric, settings))


def _check_number(figure: Figure, number: Number, unit: str, sign: str = "") -> None:
    """Raise SettingsError if a figure cannot be compared with a number: a rate with 5% or 0.05, but not with 5."""
    named = f"{figure.function}({figure.metric})" if figure.function else figure.metric
    value, metric = number.value, METRICS[figure.metric]
    if number.is_percent and unit != "fraction":
        examples = [_example(unit)]
        if figure.function == "change" and sign and value > -1:
            examples.append(f"{figure.metric} {sign} {1 + value:g} * previous({figure.metric})")
        template = "{figure} is {unit}, not a per cent: write a number such as {examples}."
        raise wrong(number.at, template, figure=named, unit=Phrase(_IS[unit]), examples=Listed(examples, ", or "))
    is_money, is_change = metric.parts[0] == "money", figure.function == "change"
    if unit == "fraction":
        bounds = (-MOST_SHARE, MOST_SHARE) if is_money else (-1, 1) if is_change else (0, 1)
        low, high = (bound * figure.factor for bound in bounds)
        if not low <= value <= high:
            is_slip = not number.is_percent and abs(value) <= 100
            example = value if is_slip and (low < 0 or value >= 0) else 5
            raise wrong(
                number.at,
                "{figure} is {kind}, a part of 1, and never {value:g}: write {percent:g}% or {part:g}.",
                figure=named,
                kind=Phrase("a change of a rate" if is_change else "a rate"),
                value=value,
                percent=example,
                part=example / 100,
            )
    most = MOST_POINTS * (2 if is_change else 1) * figure.factor
    if unit == "points" and abs(value) > most:
        template = "{figure} lies between {low:g} and {high:g}, and never is {value:g}."
        raise wrong(number.at, template, figure=named, low=-most, high=most, value=value)


def _example(unit: str) -> str:
    return {"money": "1250.50", "ratio": "1.5", "years": "2.5"}.get(unit, "5")
