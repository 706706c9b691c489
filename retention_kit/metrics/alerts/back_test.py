"""Back-tests of alerts: when each would have fired over the periods of the data, and how often by chance alone.

The null is a company where nothing changes: every figure with an interval keeps its mean, and each period's differs
from it by its own sampling error. Sums and counts, which have none, stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

RUNS, LEAST_RUNS = 200, 20  # histories that are drawn, over all values of `each`, and of each at least


@dataclass(frozen=True)
class Firing:
    """From the period in which an alert fired to the last in which it did."""

    segment_value: str
    first: AlertState
    last: AlertState
    resolved: str  # the period in which it resolved; empty of one that still fires


@dataclass(frozen=True)
class BackTest:
    """What an alert would have done over the complete periods of the data, as they stand now."""

    alert: Alert
    periods: tuple[str, ...]
    firings: tuple[Firing, ...]
    no_data: int  # periods without a figure, over all values of `each`
    by_chance: float | None  # firings to expect where nothing changes; None where no figure has an interval


def back_test(data: Dataset, period: Period | None = None, alerts: Iterable[Alert] | None = None) -> list[BackTest]:
    """The back-test of each alert of the settings, or of those given, up to the end of `period` if one is given."""
    read, found = Reader(data), []
    for rule in rules(data.settings, alerts):
        periods = read.periods(rule, period)
        parts, wider = read.parts(rule, periods), read.wider(rule, periods)
        runs = max(RUNS // max(len(parts), 1), LEAST_RUNS)
        firings: list[Firing] = []
        no_data, chance = 0, None
        for value, figures in parts.items():
            history = list(judge(rule, value, figures, periods, wider))
            firings += firings_of(history)
            no_data += sum(one.state == "no data" for one in history)
            if any(has_interval(points) for points in figures.values()):
                draws = Random(f"{rule.digest} {value}")
                drawn = [judge(rule, value, by_chance(figures, draws), periods, wider) for _ in range(runs)]
                chance = (chance or 0.0) + sum(len(firings_of(list(one))) for one in drawn) / runs
        firings.sort(key=lambda one: (one.first.since, one.segment_value))
        found.append(BackTest(rule.alert, tuple(map(str, periods)), tuple(firings), no_data, chance))
    return found


def firings_of(history: list[AlertState]) -> list[Firing]:
    """The firings in the states of one segment value, in order."""
    found: list[Firing] = []
    for one in history:
        if one.state == "firing":
            if found and found[-1].first.since == one.since:
                found[-1] = replace(found[-1], last=one)
            else:
                found.append(Firing(one.segment_value, one, one, ""))
        elif one.state == "resolved":
            found[-1] = replace(found[-1], resolved=one.period)
    return found


def has_interval(points: Mapping[int, Point]) -> bool:
    """Whether the sampling error of a figure is known in any period."""
    return any(point.low is not None for point in points.values())


def by_chance(figures: Figures, draws: Random) -> Figures:
    """The figures of one history in which nothing but the sampling error changes anything."""
    return {name: _redrawn(points, draws) if has_interval(points) else points for name, points in figures.items()}


def _redrawn(points: Mapping[int, Point], draws: Random) -> dict[int, Point]:
    known = {index: point for index, point in points.items() if point.value is not None and point.low is not None}
    weights = {index: point.n or 1.0 for index, point in known.items()}
    mean = sum(weights[index] * (point.value or 0.0) for index, point in known.items()) / sum(weights.values())
    found = dict(points)
    for index in sorted(known):
        point = known[index]
        assert point.value is not None
        assert point.low is not None
        assert point.high is not None
        value = draws.gauss(mean, (point.high - point.low) / 2 / Z95)
        if point.unit == "fraction" and 0 <= point.value <= 1:
            value = min(max(value, 0.0), 1.0)
        moved = value - point.value
        found[index] = replace(point, value=value, low=point.low + moved, high=point.high + moved)
    for index, point in found.items():
        before = found.get(index - 1)
        if point.change is None or point.value is None or before is None or before.value is None:
            continue
        change = point.value - before.value
        bounds = [
            None if bound is None else change + bound - point.change for bound in (point.change_low, point.change_high)
        ]
        found[index] = replace(point, change=change, change_low=bounds[0], change_high=bounds[1])
    return found
