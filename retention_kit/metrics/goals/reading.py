"""The goals of a page: selection, figures and states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from retention_kit.data.summary_key import SummaryKey
from retention_kit.metrics.catalogue import METRICS, SMALL
from retention_kit.metrics.goals.outlook import WINDOW, Observation
from retention_kit.metrics.goals.rules import as_set, check_goals, number, target_of
from retention_kit.metrics.goals.states import GoalState, goal_state, sum_goal_state, yes_no_goal_state
from retention_kit.metrics.queries.summaries import missing_reason, periods_of, table_of
from retention_kit.metrics.scorecard import first_periods, scorecard, split_segment
from retention_kit.metrics.trend import TREND
from retention_kit.periods import EVERY, Period

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset
    from retention_kit.settings.goals import Goal

_EARLIEST = date.min + timedelta(days=1)
# Money of purchases alone: the sum over the months of a year is that of the year. A customer may be new or lost in a
# month without being so in the year.
SUMS = ("revenue", "guest_revenue", "refunds", "net_revenue")


def goal_states(data: Dataset, period: Period, only: str = "", *, all_lengths: bool = False) -> list[GoalState]:
    """The states of the goals in a period, in the order of the settings.

    With `only` (country=France) those of that segment value, else all. A goal of another length of period is left out,
    except sums over a longer one; with `all_lengths` it is evaluated in the last complete period of its own length.
    Computed once for each period. Raises SettingsError for an invalid goal.
    """
    settings = data.settings
    if not settings.goals:
        return []
    request = (str(period), all_lengths, tuple(settings.goals.items()), settings.definitions)
    key = SummaryKey("goals", request, only)
    if key not in data.summaries:
        check_goals(settings.goals, settings.definitions)
        data.summaries[key] = list(_Reading(data, period).states(only, all_lengths))
    return list(data.summaries[key])


def has_goals(data: Dataset, every: str, only: str = "") -> bool:
    """Whether a page of periods of this length shows any goal."""
    default = data.settings.report.every
    return any(_is_on_page(goal, every, only, default) for goal in data.settings.goals.values())


def _is_on_page(goal: Goal, every: str, only: str, default: str) -> bool:
    if only and (goal.segment or "") != only:
        return False
    own = goal.every or default
    return bool(goal.kind) or own == every or _adds_up(goal, own, every)


def _adds_up(goal: Goal, own: str, every: str) -> bool:
    """Whether the figure of a goal is the sum of those of shorter periods; weeks do not add up to months."""
    return (goal.metric or goal.id) in SUMS and every != "week" and EVERY.index(every) < EVERY.index(own)


class _Reading:
    """The figures of one dataset, each scorecard computed once."""

    def __init__(self, data: Dataset, period: Period):
        self._data, self._period = data, period
        self._until = min(period.end, data.as_of)
        self._observations: dict[tuple[str, str, str], dict[int, Observation]] = {}
        self._notes: dict[tuple[str, str, str], str] = {}

    def states(self, only: str, all_lengths: bool) -> Iterator[GoalState]:
        default = self._data.settings.report.every
        for name, goal in self._data.settings.goals.items():
            if _is_on_page(goal, self._period.every, only, default):
                yield self._state(name, goal, self._period.every)
            elif all_lengths and (not only or (goal.segment or "") == only):
                yield self._state(name, goal, goal.every or default)

    def _state(self, name: str, goal: Goal, every: str) -> GoalState:
        due = Period.parse(goal.by) if goal.by else None
        own = goal.every or self._data.settings.report.every
        if goal.kind:
            return yes_no_goal_state(GoalState(name, goal, "", own), self._until, due)
        metric = as_set(METRICS[goal.metric or name], self._data.settings.definitions)
        blank = GoalState(name, goal, metric.name, own, metric.unit, metric.better, target=target_of(goal, metric))
        if reason := missing_reason(self._data, metric.summary):
            return replace(blank, reason=reason, due=goal.by or "")
        if own != every and _adds_up(goal, own, every):
            return self._sum(blank, every, due)
        return self._level(blank, own, due)

    def _level(self, blank: GoalState, every: str, due: Period | None) -> GoalState:
        """The state of a goal for the figure of one period, such as a monthly rate."""
        complete = self._complete(every)
        until = _ending_by(due.end, every) if due else None
        at = next((period for period in reversed(complete) if until is None or period <= until), None)
        if at is None:
            return replace(blank, reason="before_data" if complete else "incomplete", due=str(until or ""))
        window = [period for period in complete if period <= at][-WINDOW:]
        begins = self._begins(blank, every).index
        figures = {index: figure for index, figure in self._figures(blank, every, window).items() if index >= begins}
        reason = self._notes.get((blank.metric, str(at), blank.goal.segment or ""), "")
        blank = replace(blank, history=_history(at, window, figures), reason=reason)
        blank, start_period = self._with_start(blank, every, complete, at)
        is_part = METRICS[blank.metric].parts[0] != "money"
        return goal_state(blank, list(figures.values()), at, until, start_period, is_part)

    def _with_start(
        self, blank: GoalState, every: str, complete: list[Period], at: Period
    ) -> tuple[GoalState, Period | None]:
        """The goal with its start, and the period of the start."""
        goal, when = blank.goal, blank.goal.start_date
        metric = as_set(METRICS[blank.metric], self._data.settings.definitions)
        if goal.start is not None:
            start = number(goal.start, metric, f"goals.{blank.id}.start")
            start_period = _ending_by(when, every) if when else complete[0]
            is_later = start_period > complete[-1]
            return replace(blank, start=start, why_no_start="later" * is_later), None if is_later else start_period
        if when:
            then = Period.of(when, every)
            if then not in complete:
                return replace(blank, why_no_start="later" if then > complete[-1] else "earlier"), None
            candidates = [then]
        elif metric.overlaps:
            return replace(blank, why_no_start="ask"), None
        else:
            begins = self._begins(blank, every)
            candidates = [period for period in complete if begins <= period <= at]  # the start is before the due date
        first = self._first_figure(blank, every, candidates)
        if first is None:
            return replace(blank, why_no_start="undefined"), None
        start = self._figures(blank, every, [first])[first.index].value
        return replace(blank, start=start, start_period=str(first)), first

    def _first_figure(self, blank: GoalState, every: str, candidates: list[Period]) -> Period | None:
        """The first period with a figure, of a rate or a mean one of at least 30 if there is any: a better start."""
        first = None
        for index in range(0, len(candidates), TREND):  # most have one among the first few
            part = candidates[index : index + TREND]
            figures = self._figures(blank, every, part)
            for period in part:
                if period.index in figures:
                    first = first or period
                    if not figures[period.index].is_of_few:
                        return period
        return first

    def _sum(self, blank: GoalState, every: str, due: Period | None) -> GoalState:
        """The state of a goal for a sum over a longer period."""
        if not (complete := self._complete(every)):
            return replace(blank, reason="incomplete")
        whole = _ending_by(due.end, blank.every) if due else Period.of(complete[-1].start, blank.every)
        at = next((period for period in reversed(complete) if period.end <= whole.end), None)
        if at is None or at.end <= whole.start:
            return replace(blank, reason="not_begun" if at else "before_data", due=str(whole))
        window = [period for period in complete if period <= at][-WINDOW:]
        figures = self._figures(blank, every, window)
        blank = replace(blank, history=_history(at, window, figures))
        begins = self._begins(blank, every).index
        return sum_goal_state(blank, list(figures.values()), Period.of(whole.start, every).index, at, whole, begins)

    def _complete(self, every: str) -> list[Period]:
        return [period for period in periods_of(self._data, every) if period.is_complete(self._until)]

    def _begins(self, blank: GoalState, every: str) -> Period:
        """The first period in which the table or segment value of a goal has a figure that is not 0."""
        column, value = split_segment(self._data, blank.goal.segment, every)
        starts = first_periods(self._data, blank.metric, every, column)
        return starts.get(value or "", starts[""])

    def _figures(self, blank: GoalState, every: str, periods: Iterable[Period]) -> dict[int, Observation]:
        """The defined figures of some periods, by index."""
        metric, segment = METRICS[blank.metric], blank.goal.segment or ""
        periods = list(periods)[-TREND:] if metric.overlaps else list(periods)
        figures = self._observations.setdefault((metric.name, every, segment), {})
        begins = self._data.starts.get(table_of(self._data, metric.summary), self._data.start)
        # Before its table begins a count is 0 and a sum nothing, and neither is known.
        if missing := [
            period for period in periods if period.index not in figures and period >= Period.of(begins, every)
        ]:
            rows = scorecard(self._data, periods=missing, metrics=[metric.name], segment=segment or None)
            figures |= {observation.index: observation for observation in _observations(rows)}
            undefined = rows[rows["value"].isna()]
            self._notes |= {(metric.name, row.period, segment): row.note for row in undefined.itertuples()}
        return {period.index: figures[period.index] for period in periods if period.index in figures}


def _observations(rows: pd.DataFrame) -> Iterator[Observation]:
    for row in rows.itertuples():
        if row.value == row.value:
            low, high = (row.low, row.high) if row.low == row.low and row.high == row.high else (None, None)
            is_of_few = row.denominator == row.denominator and not row.n >= SMALL
            yield Observation(Period.parse(row.period).index, float(row.value), low, high, is_of_few)


def _history(at: Period, window: list[Period], figures: dict[int, Observation]) -> tuple[tuple[str, float | None], ...]:
    recent = [period for period in window if at.index - TREND < period.index <= at.index]
    return tuple((str(period), figures[period.index].value if period.index in figures else None) for period in recent)


def _ending_by(end: date, every: str) -> Period:
    """The last period of a length that ends by a date."""
    period = Period.of(max(end, _EARLIEST) - timedelta(days=1), every)
    return period if period.end <= end else period.shift(-1)
