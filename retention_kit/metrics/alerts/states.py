"""The states of alerts: ok, pending, firing, resolved or no data, from their conditions period by period."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from retention_kit.settings.alerts import Alert

State = Literal["ok", "pending", "firing", "resolved", "no data"]


@dataclass(frozen=True)
class Operand:
    """One side of a comparison: a figure, a function of a figure, or a number."""

    metric: str  # empty for a number
    function: str  # "" or change, previous, year_ago, low, high, goal, usual
    value: float | None  # None where it is undefined
    unit: str
    low: float | None = None  # 95% interval, wider where `each` compares several values
    high: float | None = None
    factor: float = 1.0  # 2 in "2 * usual(refunds)"; included in the value


@dataclass(frozen=True)
class Comparison:
    """A comparison of a condition: two sides, the sign between them, and whether it holds (None: no data)."""

    left: Operand
    sign: str
    right: Operand
    holds: bool | None


@dataclass(frozen=True)
class AlertState:
    """The state of an alert in one complete period, for all customers or one segment value.

    It is `resolved` in the period in which firing ended, and `ok` afterwards. `since` is the period in which the state
    was entered; with `digest` and `segment_value` it identifies a firing.
    """

    alert: Alert
    segment_value: str  # empty for all customers
    period: str
    state: State
    since: str
    figures: tuple[Comparison, ...]
    reason: str  # for "no data": a sentence
    digest: str  # of the rule: when, for, reset, every, each, segment, certain, cooldown; not of its name or `then`
    is_held: bool = False  # for "no data": it was firing before and has not resolved


@dataclass
class _Progress:
    """The state of a rule between periods."""

    is_firing: bool = False
    fires_since: str = ""
    in_a_row: int = 0  # consecutive periods in which it held
    row_since: str = ""
    cooling: int = 0  # periods left in which it cannot fire
    state: State | None = None
    since: str = ""


def states(
    outcomes: Iterable[tuple[str, bool | None, bool | None]],
    for_: int = 1,
    cooldown: int = 0,
    *,
    has_reset: bool = False,
) -> Iterator[tuple[State, str]]:
    """The state of a rule in each period, and the period in which it was entered.

    `outcomes` are, for periods in order: the period, whether `when` holds, and whether `reset` does; None is no data. A
    period without data does not end a firing or a cooldown, and breaks a row of periods.
    """
    now = _Progress()
    for period, when, reset in outcomes:
        now.in_a_row = now.in_a_row + 1 if when else 0
        if now.in_a_row == 1:
            now.row_since = period
        state = _next(now, when, reset if has_reset else True, for_)
        if state == "resolved":
            now.is_firing, now.cooling = False, cooldown
        elif now.cooling and not now.is_firing:
            now.cooling -= 1
        if state == "firing":
            if not now.is_firing:
                now.is_firing, now.fires_since = True, period
            since = now.fires_since
        elif state == "pending":
            since = now.row_since
        else:
            since = now.since if state == now.state else period
        now.state, now.since = state, since
        yield state, since


def _next(now: _Progress, when: bool | None, reset: bool | None, for_: int) -> State:
    if when is None:
        return "no data"
    if now.is_firing:
        if when:
            return "firing"
        return "no data" if reset is None else "resolved" if reset else "firing"
    if not when:
        return "ok"
    return "firing" if now.in_a_row >= for_ and not now.cooling else "pending"
