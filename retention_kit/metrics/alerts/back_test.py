"""Back-tests of alerts: when each would have fired over the periods of the data, and how often by chance alone.

The null hypothesis is a company without change: every figure with an interval keeps its mean and varies by its own
sampling error. Sums and counts, which have none, stay as observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from retention_kit.metrics.alerts.conditions import rules
from retention_kit.metrics.alerts.evaluate import Figures, Point
from retention_kit.metrics.alerts.judge import Reader, judge
from retention_kit.metrics.alerts.states import AlertState
from retention_kit.metrics.formulas import Z95
from retention_kit.periods import Period

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset
    from retention_kit.settings.alerts import Alert

RUNS, LEAST_RUNS = 200, 20  # simulated histories over all values of `each`, and at least for each value


@dataclass(frozen=True)
class Firing:
    """The first and the last state of one firing."""

    segment_value: str
    first: AlertState
    last: AlertState
    resolved: str  # the period in which it resolved; empty if it still fires


@dataclass(frozen=True)
class BackTest:
    """The firings that an alert would have had over the complete periods of the current data."""

    alert: Alert
    periods: tuple[str, ...]
    firings: tuple[Firing, ...]
    no_data: int  # periods without a figure, over all values of `each`
    by_chance: float | None  # expected firings without any change; None if no figure has an interval


def back_test(data: Dataset, period: Period | None = None) -> list[BackTest]:
    """Back-test the alerts of the settings, up to the end of `period` if given."""
    reader, back_tests = Reader(data), []
    for rule in rules(data.settings):
        periods = reader.periods(rule, period)
        parts, wider = reader.parts(rule, periods), reader.wider(rule, periods)
        runs = max(RUNS // max(len(parts), 1), LEAST_RUNS)
        firings: list[Firing] = []
        no_data, chance = 0, None
        for value, figures in parts.items():
            history = list(judge(rule, value, figures, periods, wider))
            firings += firings_of(history)
            no_data += sum(state.state == "no data" for state in history)
            if any(has_interval(points) for points in figures.values()):
                draws = Random(f"{rule.digest} {value}")
                histories = [judge(rule, value, by_chance(figures, draws), periods, wider) for _ in range(runs)]
                chance = (chance or 0.0) + sum(len(firings_of(list(history))) for history in histories) / runs
        firings.sort(key=lambda firing: (firing.first.since, firing.segment_value))
        back_tests.append(BackTest(rule.alert, tuple(map(str, periods)), tuple(firings), no_data, chance))
    return back_tests


def firings_of(history: list[AlertState]) -> list[Firing]:
    """The firings in the states of one segment value, in order."""
    firings: list[Firing] = []
    for state in history:
        if state.state == "firing":
            if firings and firings[-1].first.since == state.since:
                firings[-1] = replace(firings[-1], last=state)
            else:
                firings.append(Firing(state.segment_value, state, state, ""))
        elif state.state == "resolved":
            firings[-1] = replace(firings[-1], resolved=state.period)
    return firings


def has_interval(points: Mapping[int, Point]) -> bool:
    """Whether the sampling error of a figure is known in any period."""
    return any(point.low is not None for point in points.values())


def by_chance(figures: Figures, draws: Random) -> Figures:
    """One simulated history of the figures, in which only sampling errors vary."""
    return {name: _redrawn(points, draws) if has_interval(points) else points for name, points in figures.items()}


def _redrawn(points: Mapping[int, Point], draws: Random) -> dict[int, Point]:
    estimates = {index: point for index, point in points.items() if point.value is not None and point.low is not None}
    weights = {index: point.n or 1.0 for index, point in estimates.items()}
    mean = sum(weights[index] * (point.value or 0.0) for index, point in estimates.items()) / sum(weights.values())
    redrawn = dict(points)
    for index in sorted(estimates):
        point = estimates[index]
        assert point.value is not None
        assert point.low is not None
        assert point.high is not None
        value = draws.gauss(mean, (point.high - point.low) / 2 / Z95)
        if point.unit == "fraction" and 0 <= point.value <= 1:
            value = min(max(value, 0.0), 1.0)
        shift = value - point.value
        redrawn[index] = replace(point, value=value, low=point.low + shift, high=point.high + shift)
    for index, point in redrawn.items():
        before = redrawn.get(index - 1)
        if point.change is None or point.value is None or before is None or before.value is None:
            continue
        change = point.value - before.value
        bounds = [None if end is None else change + end - point.change for end in (point.change_low, point.change_high)]
        redrawn[index] = replace(point, change=change, change_low=bounds[0], change_high=bounds[1])
    return redrawn
