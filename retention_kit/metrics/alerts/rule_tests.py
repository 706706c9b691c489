"""Tests of alerts without data: a TOML file with series of figures and the expected states or firings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import msgspec
from msgspec import Struct, field

from retention_kit.errors import PeriodError, Phrase, SettingsError, check_choice
from retention_kit.metrics.alerts.back_test import firings_of
from retention_kit.metrics.alerts.conditions import Rule, rules
from retention_kit.metrics.alerts.evaluate import Point
from retention_kit.metrics.alerts.judge import judge
from retention_kit.metrics.alerts.states import AlertState
from retention_kit.metrics.catalogue import METRICS, Measure
from retention_kit.metrics.formulas import difference
from retention_kit.metrics.goals.rules import number
from retention_kit.periods import Period
from retention_kit.settings import Settings, make_settings

NO_DATA = "no data"
STATES = ("ok", "pending", "firing", "resolved", NO_DATA)
BEGINS = date(2026, 1, 1)  # the first period of a series unless the file names one


class Case(Struct, frozen=True, forbid_unknown_fields=True):
    """One test: the alert, its figures period by period, and the expected states or firings.

    A figure is a number, of a rate also "6%"; "no data"; or a table of `value`, `low` and `high`.
    """

    alert: str
    figures: dict[str, list[Any]]
    name: str = ""
    first: str | None = None  # the first period
    goals: dict[str, float | str] = field(default_factory=dict)
    states: list[str] | None = None
    firings: list[str] | None = None  # the periods in which it begins to fire


@dataclass(frozen=True)
class Row:
    """One period of a test: the expected state (empty if the test gives none) and the actual one."""

    period: str
    expected: str
    state: AlertState
    is_as_expected: bool


@dataclass(frozen=True)
class Result:
    """The result of a test, period by period."""

    name: str
    rows: list[Row]

    @property
    def is_as_expected(self) -> bool:
        return all(row.is_as_expected for row in self.rows)


def run_tests(raw: Mapping[str, Any], settings: Settings | None) -> list[Result]:
    """Run the tests of a file on its own [[alerts]], else on those of the settings; raises SettingsError."""
    for key in raw:
        check_choice(SettingsError, "there is no key {key!r}: {hint}", ("alerts", "tests"), key=key)
    raw_tests = raw.get("tests")
    if not isinstance(raw_tests, list) or not raw_tests:
        raise SettingsError("there are no tests: write [[tests]] with an alert, its figures and states.")
    cases = [_case(raw_case, _where(number)) for number, raw_case in enumerate(raw_tests, 1)]
    if "alerts" in raw:
        goals = {name: {"target": goal} for case in cases for name, goal in case.goals.items()}
        settings = make_settings({"alerts": raw["alerts"], "goals": goals})
    rules_by_name = {rule.alert.name: rule for rule in rules(settings or Settings())}
    return [_run(case, _where(number), rules_by_name) for number, case in enumerate(cases, 1)]


def _where(number: int) -> Phrase:
    return Phrase("tests: number {number}", number=number)


def _check_keys(raw: dict, where: str, keys: Sequence[str]) -> None:
    for key in raw:
        check_choice(SettingsError, "{where} has no key {key!r}: {hint}", keys, where=where, key=key)


def _case(raw: Any, where: Phrase) -> Case:
    if not isinstance(raw, dict):
        raise SettingsError("{where} is no table: write [[tests]] above its keys.", where=where)
    _check_keys(raw, where, Case.__struct_fields__)
    try:
        case = msgspec.convert(raw, Case)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        template = "{where}{path}: {problem}."
        raise SettingsError(
            template, where=where, path=path.rstrip("`"), problem=f"{problem[0].lower()}{problem[1:]}"
        ) from None
    if (case.states is None) is (case.firings is None):
        raise SettingsError("{where} expects nothing, or twice: give states or firings.", where=where)
    for state in case.states or ():
        template = "{where}.states: there is no state {state!r}: {hint}"
        check_choice(SettingsError, template, STATES, where=where, state=state)
    return case


def _run(case: Case, where: Phrase, rules_by_name: Mapping[str, Rule]) -> Result:
    template = "{where}: there is no alert {alert!r}: {hint}"
    check_choice(SettingsError, template, rules_by_name, where=where, alert=case.alert)
    rule = rules_by_name[case.alert]
    for name in case.figures:
        template = "{where}.figures: the alert asks for no {name!r}: {hint}"
        check_choice(SettingsError, template, rule.metrics, where=where, name=name)
    lengths = {name: len(case.figures[name]) for name in rule.metrics if name in case.figures}
    if missing := [name for name in rule.metrics if name not in lengths]:
        template = "{where}.figures: the alert asks for {metric} too: give as many as of the others."
        raise SettingsError(template, where=where, metric=missing[0])
    count = min(lengths.values())
    if len({*lengths.values(), *([len(case.states)] if case.states else [])}) > 1 or not count:
        template = "{where}: give as many figures of each metric, and states, as there are periods."
        raise SettingsError(template, where=where)
    try:
        first = Period.parse(case.first, rule.every) if case.first else Period.of(BEGINS, rule.every)
        begins = [str(Period.parse(text, rule.every)) for text in case.firings or ()]
    except PeriodError as error:
        raise SettingsError("{where}: {error}", where=where, error=error) from None
    figures = {name: _series(case, name, first, f"{where}.figures.{name}") for name in rule.metrics}
    periods = [first.shift(at) for at in range(count)]
    if outside := [period for period in begins if period not in map(str, periods)]:
        template = "{where}.firings: {outside} lies outside {first} to {last}."
        raise SettingsError(template, where=where, outside=outside[0], first=periods[0], last=periods[-1])
    value = rule.alert.segment.partition("=")[2] if rule.alert.segment else ""
    return Result(case.name or case.alert, _rows(case, list(judge(rule, value, figures, periods, {})), begins))


def _rows(case: Case, states: list[AlertState], begins: list[str]) -> list[Row]:
    if case.states is not None:
        pairs = zip(states, case.states, strict=True)
        return [Row(state.period, expected, state, state.state == expected) for state, expected in pairs]
    began = {firing.first.since for firing in firings_of(states)}
    return [
        Row(
            state.period,
            "begins to fire" if state.period in begins else "",
            state,
            (state.period in begins) is (state.period in began),
        )
        for state in states
    ]


def _series(case: Case, name: str, first: Period, where: str) -> dict[int, Point]:
    target = number(case.goals[name], METRICS[name], f"{where} (goals)") if name in case.goals else None
    points: dict[int, Point] = {}
    before: Point | None = None
    for at, value in enumerate(case.figures[name]):
        point = _point(value, name, target, f"{where}[{at}]")
        if before is not None and before.value is not None and point.value is not None:
            low, high = difference(_measure(point), _measure(before)) or (None, None)
            point = replace(point, change=point.value - before.value, change_low=low, change_high=high)
        points[first.index + at] = before = point
    return points


def _measure(point: Point) -> Measure:
    return Measure(point.value, low=point.low, high=point.high)


def _point(raw: Any, name: str, target: float | None, where: str) -> Point:
    parts = raw if isinstance(raw, dict) else {"value": raw}
    _check_keys(parts, where, ("value", "low", "high"))
    if parts.get("value") == NO_DATA or parts.get("value") != parts.get("value"):
        return Point(None, target=target, note="The test gives none.")
    for key, value in parts.items():
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            template = "{where}.{key} cannot be {value!r}: write a number or {no_data!r}."
            raise SettingsError(template, where=where, key=key, value=value, no_data=NO_DATA)
    numbers = {key: number(value, METRICS[name], f"{where}.{key}") for key, value in parts.items()}
    if {*numbers} not in ({"value"}, {"value", "low", "high"}):
        raise SettingsError("{where} needs a value, and low and high both or neither.", where=where)
    if "low" in numbers and not numbers["low"] <= numbers["value"] <= numbers["high"]:
        raise SettingsError("{where}: the value has to lie between low and high.", where=where)
    return Point(numbers["value"], numbers.get("low"), numbers.get("high"), target=target, unit=METRICS[name].unit)
