"""Goals of a `retention.toml`: `[goals.METRIC]`, or `[[goals]]` for several of one metric, or of none."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import msgspec
from msgspec import Struct

from retention_kit.errors import PeriodError, SettingsError
from retention_kit.periods import Period


class Goal(Struct, frozen=True, forbid_unknown_fields=True):
    """A target value, to be reached by the end of a period if `by` is given. It applies to one length of period."""

    target: float | str | None = None  # in the metric's unit; of a rate 0.25 or "25%"
    by: str | None = None
    every: Literal["week", "month", "quarter", "year"] | None = None  # else [report] every
    start: float | str | None = None  # where one began, in the same unit; else the figure then
    start_date: date | None = None  # when; else the first complete period of the data
    owner: str | None = None
    segment: str | None = None  # "country=France": the goal of these alone
    id: str = ""  # tells goals apart; else the metric's name, which stands in the brackets of the short form
    metric: str | None = None  # else its id
    kind: Literal["yes/no"] | None = None  # of no figure: whether it is done is set by hand
    objective: str = ""  # what it is for, in words
    done: bool = False  # of yes/no


def goals_by_id(goals: Any) -> Any:
    """Both forms as goals by id, each with its metric; raises SettingsError for a missing or repeated id."""
    if isinstance(goals, dict):
        return {name: _with_names(name, goal) if isinstance(goal, dict) else goal for name, goal in goals.items()}
    if not isinstance(goals, list):
        return goals
    by_id: dict[str, Any] = {}
    for number, goal in enumerate(goals, 1):
        if not isinstance(goal, dict):
            raise SettingsError("goals: number {number} is no table: write [[goals]] above its keys.", number=number)
        name = goal.get("id") or goal.get("metric") or goal.get("objective")
        if not isinstance(name, str):
            template = 'goals: number {number} names no metric: give it one, or kind = "yes/no" and an objective.'
            raise SettingsError(template, number=number)
        if name in by_id:
            raise SettingsError("goals: two are called {name!r}: give one of them an id of its own.", name=name)
        by_id[name] = goal | {"id": name}
    return by_id


def _with_names(name: str, goal: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, **({} if goal.get("kind") else {"metric": name})} | goal


def check_forms(goals: dict[str, Goal]) -> None:
    """Raise SettingsError for keys that do not fit the kind of a goal, and for invalid periods."""
    for name, goal in goals.items():
        if goal.kind and (goal.metric or goal.target is not None or goal.start is not None):
            template = "goals.{name} is yes or no: it has no metric, target or start, but done = true or false."
            raise SettingsError(template, name=name)
        if not goal.kind and goal.metric is None:
            raise SettingsError('goals.{name} names no metric: give it one, or kind = "yes/no".', name=name)
        if not goal.kind and goal.target is None:
            raise SettingsError("goals.{name} needs a target, such as target = 0.25.", name=name)
        if goal.done and not goal.kind:
            template = 'goals.{name}.done is of goals with kind = "yes/no": those of a figure are reached by it.'
            raise SettingsError(template, name=name)
        try:
            goal.by and Period.parse(goal.by)
        except PeriodError as error:
            raise SettingsError("goals.{name}.by: {error}", name=name, error=error) from None
        if goal.start_date and goal.start_date.year == date.max.year:
            template = "goals.{name}.start_date cannot be {start_date}: write a date before 9999."
            raise SettingsError(template, name=name, start_date=goal.start_date)
        if goal.by and goal.start_date and Period.parse(goal.by).end <= goal.start_date:
            template = (
                "goals.{name}.by cannot be {by!r}, which is over on {start_date}, its start_date: write a later period."
            )
            raise SettingsError(template, name=name, by=goal.by, start_date=goal.start_date)


def check_types(goals: Any, sentence: Any) -> None:
    """Raise SettingsError, with the goal's name, for a value of the wrong type; `sentence` words msgspec's message."""
    for name, goal in goals.items() if isinstance(goals, dict) else ():
        try:
            msgspec.convert(goal, Goal)
        except msgspec.ValidationError as error:
            problem, _, key = str(error).partition(" - at `$")
            raise SettingsError(sentence(f"{problem} - at `$.goals.{name}{key}")) from None
