"""Goals: of which figure and length of period they speak, and whether they are reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from math import isfinite
from typing import TYPE_CHECKING

from retention_kit.errors import Phrase, SettingsError, did_you_mean
from retention_kit.metrics.catalogue import METRICS, Measure, Metric
from retention_kit.periods import Period

if TYPE_CHECKING:
    from retention_kit.settings import Definitions, Goal

MOST_POINTS = 100
MOST = 1e15  # beyond it not every whole number is one
MOST_SHARE = 10  # of what a rate of money may be: 1,000%


def as_set(one: Metric, definitions: Definitions) -> Metric:
    """A metric in the unit that the settings give its figures: ease is a mean score where they ask for that."""
    is_mean = one.name == "customer_effort_score" and definitions.ces_top == "mean"
    return replace(one, unit="ratio") if is_mean else one


def check_goals(goals: Mapping[str, Goal], definitions: Definitions) -> None:
    """Raise SettingsError, with the nearest valid form, for a goal of no metric, or of a value that it cannot have."""
    for name, goal in goals.items():
        if goal.kind:
            continue
        metric = goal.metric or name
        if metric not in METRICS:
            raise SettingsError(
                "[goals] names no metric {metric!r}: {hint}", metric=metric, hint=did_you_mean(metric, METRICS)
            )
        for key in ("target", "start"):
            if getattr(goal, key) is not None:
                number(getattr(goal, key), as_set(METRICS[metric], definitions), f"goals.{name}.{key}")


def number(given: float | str, one: Metric, place: str) -> float:
    """A goal's value in the metric's unit: a fraction for a rate, also written "25%"; raises SettingsError."""
    if isinstance(given, str):
        found = re.fullmatch(r"\s*([+-]?\d+(?:\.\d+)?)\s*%\s*", given)
        if not found:
            form = Phrase("a number without quotation marks, such as 25")
            if one.unit == "fraction":
                form = Phrase('0.25 or "25%"')
            raise SettingsError("{path} cannot be {given!r}: write {form}.", place=place, given=given, form=form)
        if one.unit != "fraction":
            raise SettingsError(
                "{path} is a per cent, but {name} is none: write {example}.",
                place=place,
                name=one.name,
                example=found[1],
            )
        value = round(float(found[1]) / 100, 12)
    else:
        value = float(given)
        if not isfinite(value):
            raise SettingsError(
                "{path} cannot be {value}: write a number, such as {example}.",
                place=place,
                value=value,
                example=_example(one),
            )
        if abs(value) > MOST:
            raise SettingsError(
                "{path} cannot be {value:g}: write a number up to {most:,.0f}.", place=place, value=value, most=MOST
            )
    if one.unit == "fraction":
        low, high = (-MOST_SHARE, MOST_SHARE) if one.parts[0] == "money" else (0, 1)
        if not low <= value <= high:
            is_percent = not isinstance(given, str) and abs(value) <= 100
            nearest = Phrase("write {example}", example=_example(one))
            if is_percent:
                nearest = Phrase('write {part:g} or "{percent:g}%"', part=abs(value) / 100, percent=abs(value))
            raise SettingsError(
                "{path} cannot be {given}, as a rate is a part of 1: {nearest}.",
                place=place,
                given=given,
                nearest=nearest,
            )
    if one.unit == "points" and abs(value) > MOST_POINTS:
        raise SettingsError(
            "{path} cannot be {given}: {name} lies between -100 and 100.", place=place, given=given, name=one.name
        )
    if one.unit == "count" and value < 0:
        raise SettingsError(
            "{path} cannot be {given}: {name} is counted, from 0 on.", place=place, given=given, name=one.name
        )
    return value


def _example(one: Metric) -> str:
    return '0.25 or "25%"' if one.unit == "fraction" else "25"


def goals_of(goals: Mapping[str, Goal], name: str, every: str, segment: str, default: str) -> list[Goal]:
    """The goals of a figure that speak of this length of period and these customers.

    `segment` is empty for the whole, else `country=France`; `default` is the length of goals that name none.
    """
    spoken = (name, every, segment)
    return [
        goal
        for key, goal in goals.items()
        if not goal.kind and (goal.metric or key, goal.every or default, goal.segment or "") == spoken
    ]


def goal_of(goals: Mapping[str, Goal], name: str, period: Period, segment: str, default: str) -> Goal | None:
    """The goal that a figure is held against in a period; None where it has none.

    Of several it is the first that is not yet due, by when it is; once all are, the last.
    """
    found = sorted(goals_of(goals, name, period.every, segment, default), key=_due)
    return next((goal for goal in found if _due(goal) >= period.end), found[-1] if found else None)


def _due(goal: Goal) -> date:
    """When a goal is due: the end of its period; never where it names none."""
    return Period.parse(goal.by).end if goal.by else date.max


def target_of(goal: Goal, one: Metric) -> float:
    """What a goal wants, in the metric's unit."""
    assert goal.target is not None  # the settings refuse a goal of a figure without one
    return number(goal.target, one, f"goals.{goal.id or one.name}.target")


def status_of(goal: Goal | None, one: Metric, measure: Measure, period: Period) -> str:
    """reached, missed or, before its time is up, open; empty without a goal or a value."""
    if goal is None or measure.value is None:
        return ""
    target = target_of(goal, one)
    if measure.value <= target if one.better == "lower" else measure.value >= target:
        return "reached"
    return "open" if goal.by and period.end < Period.parse(goal.by).end else "missed"
