"""How a goal stands: reached, on track, at risk, off track, missed or no data, by its pace and by what is likely.

Pure: from what is known of its figure. `goals.reading` gets that from the data.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from retention_kit.metrics.goals import outlook as outlooks
from retention_kit.metrics.goals.outlook import Known, Outlook
from retention_kit.metrics.goals.pace import bar, elapsed, expected, is_met, progress
from retention_kit.periods import Period

if TYPE_CHECKING:
    from retention_kit.settings.goals import Goal

REACHED, ON_TRACK, AT_RISK, OFF_TRACK, MISSED, NO_DATA = (
    "reached",
    "on track",
    "at risk",
    "off track",
    "missed",
    "no data",
)
# Of each state the shape that stands beside its word; the bundled font has them all.
SHAPES = {REACHED: "✓", ON_TRACK: "→", AT_RISK: "◊", OFF_TRACK: "∆", MISSED: "×", NO_DATA: "–"}
URGENT = (MISSED, OFF_TRACK, AT_RISK, NO_DATA, ON_TRACK, REACHED)  # the order in which they want attention
FAR_BEHIND = 0.5  # of the way that should be done by now
_MOST_AHEAD = 24  # periods of an outlook that are drawn


@dataclass(frozen=True)
class GoalState:
    """A goal at a period: its figure, the way from its start, where it should be by now, and what is likely.

    `period` is the one judged, empty where there is none; of a sum that comes together over a longer period (`is_sum`)
    the last one counted. Values are in `unit`; `progress` and `expected` are parts of the way, `pace` is the value that
    should be by now, `probability` is of its due period, by the last `known` periods. `low` and `high` are the value's
    95% interval, `outlook` has (period, low, middle, high) of later periods at 80%, `history` (period, value). `reason`
    says why there is no data, `why_no_start` and `why_no_outlook` what is missing else: keys of sentences.
    """

    id: str
    goal: Goal
    metric: str
    every: str
    unit: str = "count"
    better: str = ""
    state: str = NO_DATA
    reason: str = ""
    period: str = ""
    due: str = ""  # the period by whose end it is to be reached
    value: float | None = None
    low: float | None = None
    high: float | None = None
    target: float | None = None
    start: float | None = None
    start_period: str = ""  # of the figure it began with; empty where the goal says the value
    progress: float | None = None
    expected: float | None = None
    pace: float | None = None
    probability: float | None = None
    known: int = 0
    is_sum: bool = False
    is_past: bool = False
    is_held: bool = False  # whether it began as good as its target: a level to hold
    why_no_start: str = ""
    why_no_outlook: str = ""
    history: tuple[tuple[str, float | None], ...] = field(default=(), repr=False)
    outlook: tuple[tuple[str, float, float, float], ...] = field(default=(), repr=False)

    @property
    def bar(self) -> float | None:
        """What a bar shows, 0 to 1: full where the goal is reached, and there alone."""
        if self.is_sum and self.better == "lower":
            return None if self.progress is None else min(max(self.progress, 0.0), 1.0)
        return bar(self.progress, self.state == REACHED)

    @property
    def mark(self) -> float | None:
        """Where on the bar one should be by now."""
        return None if self.expected is None or self.progress is None else min(max(self.expected, 0.0), 1.0)

    @property
    def band(self) -> str:
        """unlikely, open or likely; empty where no probability is told."""
        return "" if self.probability is None else outlooks.band(self.probability)

    @property
    def may_be_chance(self) -> bool:
        """Whether the interval of the figure holds the target."""
        if self.low is None or self.high is None or self.target is None:
            return False
        return self.low <= self.target <= self.high


def judged(
    blank: GoalState, known: list[Known], at: Period, due: Period | None, begun: Period | None, is_part: bool
) -> GoalState:
    """The state of a goal at a complete period `at`.

    `blank` has what the goal says; `known` the figures of the complete periods up to `at`, undefined ones left out;
    `begun` the period that its start is of; `is_part` whether a fraction is a part of a whole.
    """
    found = next((one for one in known if one.index == at.index), None)
    is_past = due is not None and at.index >= due.index
    blank = replace(blank, period=str(at), due=str(due) if due else "", is_past=is_past)
    if found is None or blank.target is None:
        return replace(blank, state=NO_DATA, reason=blank.reason or "undefined")
    way = progress(found.value, blank.start, blank.target, blank.better)
    passed = elapsed(at.index, begun.index, due.index) if begun and due else None
    pace = expected(blank.start, blank.target, blank.better, passed)
    told = replace(
        blank,
        reason="",
        value=found.value,
        low=found.low,
        high=found.high,
        progress=way,
        expected=None if way is None else passed,
        pace=pace,
        is_held=blank.start is not None and is_met(blank.start, blank.target, blank.better),
    )
    if due is not None and not is_past:
        told = _with_outlook(told, known, due, is_part)
    return replace(told, state=_state(told, due is None or is_past))


def _with_outlook(told: GoalState, known: list[Known], due: Period, is_part: bool) -> GoalState:
    fitted = outlooks.fit(known, told.unit, is_part)
    assert told.target is not None
    if fitted is None:
        return replace(told, why_no_outlook="few", known=len(known))
    return replace(
        told,
        probability=fitted.probability(told.target, told.better, due.index),
        known=fitted.periods,
        outlook=_path(fitted, due),
    )


def _path(fitted: Outlook, due: Period) -> tuple[tuple[str, float, float, float], ...]:
    ends = min(due.index, fitted.last + _MOST_AHEAD)
    later = (Period(due.every, index) for index in range(fitted.last + 1, ends + 1))
    return tuple((str(period), *fitted.interval(period.index)) for period in later)


def _state(told: GoalState, is_final: bool) -> str:
    """By the value where the time is up, else by the pace and by what is likely; see docs/goals.md."""
    assert told.value is not None
    assert told.target is not None
    if is_met(told.value, told.target, told.better):
        return REACHED
    return MISSED if is_final else _between(told)


def _between(told: GoalState) -> str:
    """Of a goal that is neither reached nor due."""
    is_ahead = None if told.pace is None or told.value is None else is_met(told.value, told.pace, told.better)
    is_ahead = is_ahead or told.why_no_start == "later"  # nothing is expected yet
    band = told.band
    if band == "likely" or (is_ahead and band != "unlikely"):
        return ON_TRACK
    if band:
        return OFF_TRACK if band == "unlikely" and not is_ahead else AT_RISK
    if is_ahead:
        return ON_TRACK
    if told.progress is None or told.expected is None:
        return AT_RISK
    return AT_RISK if told.progress >= FAR_BEHIND * told.expected else OFF_TRACK


def judged_sum(blank: GoalState, known: list[Known], first: int, at: Period, due: Period) -> GoalState:
    """The state of a goal whose figure is the sum over its due period, counted up to a complete part of it, `at`.

    `known` are the figures of all complete parts up to `at`, oldest first; `first` numbers the first of the due period.
    """
    last = Period.of(due.end - timedelta(days=1), at.every).index
    left, share = last - at.index, (at.index - first + 1) / (last - first + 1)
    blank = replace(blank, period=str(at), due=str(due), is_sum=True, start=0.0, is_past=left <= 0)
    parts = [one.value for one in known if one.index >= first]
    assert blank.target is not None
    if len(parts) < at.index - first + 1:
        return replace(blank, state=NO_DATA, reason="part_missing")
    way = progress(sum(parts), 0.0, blank.target, "")
    told = replace(
        blank,
        value=sum(parts),
        progress=way,
        expected=None if way is None else share,
        pace=blank.target * share,
    )
    is_met_now, only_grows = is_met(sum(parts), blank.target, blank.better), blank.better == "lower"
    if left <= 0 or is_met_now != only_grows:  # what is to stay below is decided once it is above
        return replace(told, state=REACHED if is_met_now else MISSED)
    fitted = outlooks.fit(known, told.unit, is_part=False)
    if fitted is None:
        told = replace(told, why_no_outlook="few", known=len(known))
    else:
        chance = fitted.probability_of_sum(blank.target - sum(parts), blank.better, left)
        told = replace(told, probability=chance, known=fitted.periods)
    return replace(told, state=_between(told))


def judged_by_hand(blank: GoalState, until: date, due: Period | None) -> GoalState:
    """The state of a goal of yes or no at a date; before its time is up it is on track, as nothing else is known."""
    is_past = due is not None and until >= due.end
    state = REACHED if blank.goal.done else MISSED if is_past else ON_TRACK
    return replace(blank, state=state, reason="", due=str(due) if due else "", is_past=is_past)
