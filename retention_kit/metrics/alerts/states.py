"""The states of alerts: ok, pending, firing, resolved, or no data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from retention_kit.settings.alerts import Alert

State = Literal["ok", "pending", "firing", "resolved", "no data"]


@dataclass(frozen=True)
class Operand:
    """One side of a comparison: a figure, a function of one, or a number that the condition names."""

    metric: str  # empty of a number
    function: str  # "" or change, previous, year_ago, low, high, goal, usual
    value: float | None  # None where it is undefined
    unit: str
    low: float | None = None  # of its 95% interval, wider where `each` compares several values
    high: float | None = None


@dataclass(frozen=True)
class Comparison:
    """What a condition saw: two sides, the sign between them, and whether it holds (None: no data)."""

    left: Operand
    sign: str
    right: Operand
    holds: bool | None


@dataclass(frozen=True)
class AlertState:
    """Where an alert stands in one complete period, for the whole or for one segment value.

    `resolved` is it in the very period in which it left firing, and `ok` after that. `since` is the period in which the
    state was entered: with `digest` and `segment_value` it tells one firing from another.
    """

    alert: Alert
    segment_value: str  # empty for the whole
    period: str
    state: State
    since: str
    figures: tuple[Comparison, ...]
    reason: str  # of "no data": a sentence
    digest: str  # of the rule: when, for, reset, every, each, segment, certain, cooldown; not of its name or `then`
