"""The state of a goal: reached, on track, at risk, off track, missed or no data, from its pace and its outlook.

Pure: computed from observations of its figure, which `goals.reading` gets from the data.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from retention_kit.metrics.goals import outlook as outlooks
from retention_kit.metrics.goals.outlook import Observation, Outlook
from retention_kit.metrics.goals.pace import bar, elapsed, expected, is_met, progress
from retention_kit.periods import Period
from retention_kit.settings.goals import Goal

REACHED, ON_TRACK, AT_RISK, OFF_TRACK, MISSED, NO_DATA = (
    "reached",
    "on track",
    "at risk",
    "off track",
    "missed",
    "no data",
)
# The symbol of each state, all in the bundled font.
SHAPES = {REACHED: "✓", ON_TRACK: "→", AT_RISK: "◊", OFF_TRACK: "∆", MISSED: "×", NO_DATA: "–"}
URGENT = (MISSED, OFF_TRACK, AT_RISK, NO_DATA, ON_TRACK, REACHED)  # in order of urgency
FAR_BEHIND = 0.5  # share of the expected progress
_MAX_PERIODS_AHEAD = 24  # periods of an outlook that are drawn


@dataclass(frozen=True)
class GoalState:
    """A goal in a period: its figure, actual and expected progress, and its outlook.

    `period` is the one evaluated, empty if there is none; for a sum over a longer period (`is_sum`) the last one
    counted. Values are in `unit`; `progress` and `expected` are shares of the way from start to target, `pace` is the
    expected value, `probability` is for its due period, from the last `known` periods. `low` and `high` are the value's
    95% interval, `outlook` has (period, low, middle, high) of later periods at 80%, `history` (period, value).
    `reason`, `why_no_start` and `why_no_outlook` are keys of sentences on what is missing.
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
    due: str = ""  # the period by whose end it has to be reached
    value: float | None = None
    low: float | None = None
    high: float | None = None
    target: float | None = None
    start: float | None = None
    start_period: str = ""  # of the figure at the start; empty if the goal gives the value
    progress: float | None = None
    expected: float | None = None
    pace: float | None = None
    probability: float | None = None
    known: int = 0
    is_sum: bool = False
    is_past: bool = False
    is_held: bool = False  # whether the start had reached the target: a level to hold
    why_no_start: str = ""
    why_no_outlook: str = ""
    history: tuple[tuple[str, float | None], ...] = field(default=(), repr=False)
    outlook: tuple[tuple[str, float, float, float], ...] = field(default=(), repr=False)

    @property
    def bar(self) -> float | None:
        """The fill of a progress bar, 0 to 1; 1 only if the goal is reached."""
        if self.is_sum and self.better == "lower":
            return None if self.progress is None else min(max(self.progress, 0.0), 1.0)
        return bar(self.progress, self.state == REACHED)

    @property
    def mark(self) -> float | None:
        """The position of the expected progress on the bar."""
        return None if self.expected is None or self.progress is None else min(max(self.expected, 0.0), 1.0)

    @property
    def band(self) -> str:
        """unlikely, open or likely; empty without a probability."""
        return "" if self.probability is None else outlooks.band(self.probability)

    @property
    def may_be_chance(self) -> bool:
        """Whether the interval of the figure contains the target."""
        if self.low is None or self.high is None or self.target is None:
            return False
        return self.low <= self.target <= self.high


def goal_state(
    blank: GoalState,
    observations: list[Observation],
    at: Period,
    due: Period | None,
    start_period: Period | None,
    is_part: bool,
) -> GoalState:
    """The state of a goal at a complete period `at`.

    `blank` has the settings of the goal; `observations` are of the complete periods up to `at`, undefined figures left
    out; `start_period` is that of its start; `is_part` whether a fraction is a part of a whole.
    """
    observation = next((observation for observation in observations if observation.index == at.index), None)
    is_past = due is not None and at.index >= due.index
    blank = replace(blank, period=str(at), due=str(due) if due else "", is_past=is_past)
    if observation is None or blank.target is None:
        return replace(blank, state=NO_DATA, reason=blank.reason or "undefined")
    share_done = progress(observation.value, blank.start, blank.target, blank.better)
    passed = elapsed(at.index, start_period.index, due.index) if start_period and due else None
    pace = expected(blank.start, blank.target, blank.better, passed)
    state = replace(
        blank,
        reason="",
        value=observation.value,
        low=observation.low,
        high=observation.high,
        progress=share_done,
        expected=None if share_done is None else passed,
        pace=pace,
        is_held=blank.start is not None and is_met(blank.start, blank.target, blank.better),
    )
    if due is not None and not is_past:
        state = _with_outlook(state, observations, due, is_part)
    return replace(state, state=_state_of(state, due is None or is_past))


def _with_outlook(state: GoalState, observations: list[Observation], due: Period, is_part: bool) -> GoalState:
    fitted = outlooks.fit(observations, state.unit, is_part)
    assert state.target is not None
    if fitted is None:
        return replace(state, why_no_outlook="few", known=len(observations))
    return replace(
        state,
        probability=fitted.probability(state.target, state.better, due.index),
        known=fitted.periods,
        outlook=_path(fitted, due),
    )


def _path(fitted: Outlook, due: Period) -> tuple[tuple[str, float, float, float], ...]:
    ends = min(due.index, fitted.last + _MAX_PERIODS_AHEAD)
    later = (Period(due.every, index) for index in range(fitted.last + 1, ends + 1))
    return tuple((str(period), *fitted.interval(period.index)) for period in later)


def _state_of(state: GoalState, is_final: bool) -> str:
    """By the value if it is due, else by pace and outlook; see docs/goals.md."""
    assert state.value is not None
    assert state.target is not None
    if is_met(state.value, state.target, state.better):
        return REACHED
    return MISSED if is_final else _between(state)


def _between(state: GoalState) -> str:
    """The state of a goal that is neither reached nor due."""
    is_ahead = None if state.pace is None or state.value is None else is_met(state.value, state.pace, state.better)
    is_ahead = is_ahead or state.why_no_start == "later"  # no progress is expected yet
    band = state.band
    if band == "likely" or (is_ahead and band != "unlikely"):
        return ON_TRACK
    if band:
        return OFF_TRACK if band == "unlikely" and not is_ahead else AT_RISK
    if is_ahead:
        return ON_TRACK
    if state.progress is None or state.expected is None:
        return AT_RISK
    return AT_RISK if state.progress >= FAR_BEHIND * state.expected else OFF_TRACK


def sum_goal_state(
    blank: GoalState, observations: list[Observation], first: int, at: Period, due: Period, begins: int
) -> GoalState:
    """The state of a goal whose figure is a sum over its due period, counted up to a complete part of it, `at`.

    `observations` are of all complete parts up to `at`, oldest first; `first` is the index of the first part. The
    outlook is by those from the index `begins` on.
    """
    last = Period.of(due.end - timedelta(days=1), at.every).index
    periods_left, share = last - at.index, (at.index - first + 1) / (last - first + 1)
    blank = replace(blank, period=str(at), due=str(due), is_sum=True, start=0.0, is_past=periods_left <= 0)
    parts = [observation.value for observation in observations if observation.index >= first]
    assert blank.target is not None
    if len(parts) < at.index - first + 1:
        return replace(blank, state=NO_DATA, reason="part_missing")
    share_done = progress(sum(parts), 0.0, blank.target, "")
    state = replace(
        blank,
        value=sum(parts),
        progress=share_done,
        expected=None if share_done is None else share,
        pace=blank.target * share,
    )
    is_met_now, only_grows = is_met(sum(parts), blank.target, blank.better), blank.better == "lower"
    if periods_left <= 0 or is_met_now != only_grows:  # an upper limit is missed once it is exceeded
        return replace(state, state=REACHED if is_met_now else MISSED)
    known = [observation for observation in observations if observation.index >= begins]
    if (fitted := outlooks.fit(known, state.unit, is_part=False)) is None:
        state = replace(state, why_no_outlook="few", known=len(known))
    else:
        chance = fitted.probability_of_sum(blank.target - sum(parts), blank.better, periods_left)
        state = replace(state, probability=chance, known=fitted.periods)
    return replace(state, state=_between(state))


def yes_no_goal_state(blank: GoalState, until: date, due: Period | None) -> GoalState:
    """The state of a yes/no goal at a date; on track until it is due."""
    is_past = due is not None and until >= due.end
    state = REACHED if blank.goal.done else MISSED if is_past else ON_TRACK
    return replace(blank, state=state, reason="", due=str(due) if due else "", is_past=is_past)
