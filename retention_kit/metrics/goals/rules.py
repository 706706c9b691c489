"""Rules of goals: their metric, length of period and customers, valid values, and whether they are reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from math import isfinite

from retention_kit.errors import Phrase, SettingsError, check_choice
from retention_kit.metrics.catalogue import METRICS, Measure, Metric
from retention_kit.metrics.goals.pace import is_met
from retention_kit.periods import Period
from retention_kit.settings import Definitions, Goal

MOST_POINTS = 100
MOST = 1e15  # larger integers are not exact
MOST_SHARE = 10  # limit of rates of money: 1,000%


def as_set(metric: Metric, definitions: Definitions) -> Metric:
    """A metric with the unit that the settings give it: the effort score may be a mean."""
    is_mean = metric.name == "customer_effort_score" and definitions.ces_top == "mean"
    return replace(metric, unit="ratio") if is_mean else metric


def check_goals(goals: Mapping[str, Goal], definitions: Definitions) -> None:
    """Raise SettingsError, with the nearest valid form, for an unknown metric or an invalid value."""
    for name, goal in goals.items():
        if goal.kind:
            continue
        metric = goal.metric or name
        check_choice(SettingsError, "[goals] names no metric {metric!r}: {hint}", METRICS, metric=metric)
        for key in ("target", "start"):
            if getattr(goal, key) is not None:
                number(getattr(goal, key), as_set(METRICS[metric], definitions), f"goals.{name}.{key}")


def number(raw: float | str, metric: Metric, path: str) -> float:
    """A goal's value in the metric's unit: a fraction for a rate, also written "25%"; raises SettingsError."""
    if isinstance(raw, str):
        if not (match := re.fullmatch(r"\s*([+-]?\d+(?:\.\d+)?)\s*%\s*", raw)):
            form = Phrase("a number without quotation marks, such as 25")
            if metric.unit == "fraction":
                form = Phrase('0.25 or "25%"')
            raise SettingsError("{path} cannot be {given!r}: write {form}.", path=path, given=raw, form=form)
        if metric.unit != "fraction":
            template = "{path} is a per cent, but {name} is none: write {example}."
            raise SettingsError(template, path=path, name=metric.name, example=match[1])
        value = round(float(match[1]) / 100, 12)
    else:
        value = float(raw)
        if not isfinite(value):
            template = "{path} cannot be {value}: write a number, such as {example}."
            raise SettingsError(template, path=path, value=value, example=_example(metric))
        if abs(value) > MOST:
            template = "{path} cannot be {value:g}: write a number up to {most:,.0f}."
            raise SettingsError(template, path=path, value=value, most=MOST)
    if metric.unit == "fraction":
        low, high = (-MOST_SHARE, MOST_SHARE) if metric.parts[0] == "money" else (0, 1)
        if not low <= value <= high:
            is_percent = not isinstance(raw, str) and abs(value) <= 100
            nearest = Phrase("write {example}", example=_example(metric))
            if is_percent:
                nearest = Phrase('write {part:g} or "{percent:g}%"', part=abs(value) / 100, percent=abs(value))
            template = "{path} cannot be {given}, as a rate is a part of 1: {nearest}."
            raise SettingsError(template, path=path, given=raw, nearest=nearest)
    if metric.unit == "points" and abs(value) > MOST_POINTS:
        template = "{path} cannot be {given}: {name} lies between -100 and 100."
        raise SettingsError(template, path=path, given=raw, name=metric.name)
    if metric.unit == "count" and value < 0:
        template = "{path} cannot be {given}: {name} is counted, from 0 on."
        raise SettingsError(template, path=path, given=raw, name=metric.name)
    return value


def _example(metric: Metric) -> str:
    return '0.25 or "25%"' if metric.unit == "fraction" else "25"


def goals_of(goals: Mapping[str, Goal], name: str, every: str, segment: str, default: str) -> list[Goal]:
    """The goals of a figure for a length of period and some customers.

    `segment` is empty for the whole, else `country=France`; `default` is the length of goals that name none.
    """
    target_key = (name, every, segment)
    return [
        goal
        for key, goal in goals.items()
        if not goal.kind and (goal.metric or key, goal.every or default, goal.segment or "") == target_key
    ]


def goal_of(goals: Mapping[str, Goal], name: str, period: Period, segment: str, default: str) -> Goal | None:
    """The goal that applies to a figure in a period, or None: the first that is not yet due, else the last."""
    matching = sorted(goals_of(goals, name, period.every, segment, default), key=_due)
    return next((goal for goal in matching if _due(goal) >= period.end), matching[-1] if matching else None)


def _due(goal: Goal) -> date:
    """The end of the period of `by`; date.max without one."""
    return Period.parse(goal.by).end if goal.by else date.max


def target_of(goal: Goal, metric: Metric) -> float:
    """The target of a goal in the metric's unit."""
    assert goal.target is not None  # the settings refuse a goal of a figure without one
    return number(goal.target, metric, f"goals.{goal.id or metric.name}.target")


def status_of(goal: Goal | None, metric: Metric, measure: Measure, period: Period) -> str:
    """reached, missed or, before it is due, open; empty without a goal or a value."""
    if goal is None or measure.value is None:
        return ""
    if is_met(measure.value, target_of(goal, metric), metric.better):
        return "reached"
    return "open" if goal.by and period.end < Period.parse(goal.by).end else "missed"
