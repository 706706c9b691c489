"""Evaluates alerts over the periods of the data: their states in one period, or in all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import chain
from statistics import NormalDist
from typing import TYPE_CHECKING

from retention_kit.errors import SettingsError, UnknownNameError
from retention_kit.metrics.alerts.conditions import Rule, rules
from retention_kit.metrics.alerts.evaluate import Figures, Outcome, Point, evaluate, may_hold
from retention_kit.metrics.alerts.states import AlertState, states
from retention_kit.metrics.catalogue import METRICS, SMALL
from retention_kit.metrics.formulas import Z95
from retention_kit.metrics.queries.summaries import check_segment, missing_reason, periods_of
from retention_kit.metrics.scorecard import first_periods, scorecard, split_segment
from retention_kit.periods import Period
from retention_kit.wording import Sentence, sentence

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset
    from retention_kit.settings.alerts import Alert

LEVEL = 0.05  # of all values of a column together
Parts = dict[str, Figures]  # figures by segment value, "" for the whole


def alert_states(
    data: Dataset, period: Period | None = None, alerts: Iterable[Alert] | None = None
) -> list[AlertState]:
    """The state of each alert in the last complete period of its length, up to the end of `period` if one is given.

    `alerts` are those of the settings unless given. One with `each` has a state for every value that has figures in the
    period, or is firing. Raises SettingsError for an invalid condition or segment.
    """
    chosen, reader = rules(data.settings, alerts), Reader(data)
    newest = []
    for rule in chosen:
        if not (periods := reader.periods(rule, period)):
            reason = sentence("alerts.reasons.no_period")
            newest.append(AlertState(rule.alert, _segment_value(rule), "", "no data", "", (), reason, rule.digest))
        histories = reader.histories(rule, periods)
        newest += [states[-1] for states in histories if states and states[-1].period == str(periods[-1])]
    return newest


def check_alerts(data: Dataset) -> None:
    """Raise SettingsError, as `alert_states` does, for an invalid condition or segment; without any figure."""
    reader = Reader(data)
    for rule in rules(data.settings):
        if reader.periods(rule):
            reader.check_part(rule)


def without_data(data: Dataset, name: str) -> Sentence | None:
    """Why the data have no figure that a rule needs; None if they have."""
    if reason := missing_reason(data, METRICS[name].summary):
        return sentence("alerts.reasons.missing", label=METRICS[name].label, reason=reason.lowered())
    return None


def alert_history(data: Dataset, alert: Alert, today: date | None = None) -> list[AlertState]:
    """The states of an alert in all complete periods, of those that are over `today`, from the current data."""
    (rule,), reader = rules(data.settings, [alert]), Reader(data)
    periods = [period for period in reader.periods(rule) if today is None or period.is_complete(today)]
    return [*chain.from_iterable(reader.histories(rule, periods))]


def judge(
    rule: Rule, value: str, figures: Figures, periods: list[Period], wider: dict[int, float]
) -> Iterator[AlertState]:
    """The state of a rule in each period that has rows of the figures, or in which it is firing."""
    alert, certain = rule.alert, rule.alert.certain
    evaluated: list[Outcome] = []

    def outcomes() -> Iterator[tuple[str, bool | None, bool | None]]:
        for period in periods:
            width = wider.get(period.index, 1.0)
            outcome = evaluate(rule.when, figures, period, certain=certain, wider=width)
            evaluated.append(outcome)
            reset = evaluate(rule.reset, figures, period, certain=certain, wider=width) if rule.reset else None
            yield str(period), outcome.holds, reset.holds if reset else None

    is_firing = False
    folded = states(outcomes(), alert.for_, alert.cooldown, has_reset=rule.reset is not None)
    for period, (state, since) in zip(periods, folded, strict=True):
        outcome, has_rows = evaluated[-1], any(period.index in figures.get(name, {}) for name in rule.metrics)
        is_firing = state == "firing" or (is_firing and state == "no data")
        if has_rows or is_firing or not alert.each:
            is_missing = state == "no data"
            reason = (outcome.reason or sentence("alerts.reasons.reset")) if is_missing else ""
            is_held = is_missing and is_firing
            yield AlertState(alert, value, str(period), state, since, outcome.figures, reason, rule.digest, is_held)


def _segment_value(rule: Rule) -> str:
    """The segment value of a rule with `segment`, else empty."""
    return rule.alert.segment.partition("=")[2] if rule.alert.segment else ""


class Reader:
    """The figures that rules need, read once for rules of one length of period and the same customers."""

    def __init__(self, data: Dataset):
        self._data = data
        self._points: dict[tuple[str, str, str], dict[str, dict[int, Point]]] = {}

    def periods(self, rule: Rule, until: Period | None = None) -> list[Period]:
        """The complete periods of a rule's length, from the first of the data to the end of `until`."""
        return [
            period
            for period in periods_of(self._data, rule.every)
            if period.is_complete(self._data.as_of) and (until is None or period.end <= until.end)
        ]

    def parts(self, rule: Rule, periods: list[Period]) -> Parts:
        """The figures of all customers, of a segment value, or of each value that has any."""
        if not periods:
            return {}
        part = rule.alert.each or rule.alert.segment or ""
        by_metric = {name: self._read(rule, name, part) for name in rule.metrics}
        if rule.alert.each:
            values = sorted({value for points in by_metric.values() for value in points if value})
        else:
            values = [_segment_value(rule)]
        return {value: {name: points.get(value, {}) for name, points in by_metric.items()} for value in values}

    def histories(self, rule: Rule, periods: list[Period]) -> Iterator[list[AlertState]]:
        """The states of a rule in some periods, for each segment value."""
        wider = self.wider(rule, periods)
        for value, figures in self.parts(rule, periods).items():
            yield list(judge(rule, value, figures, periods, wider))

    def wider(self, rule: Rule, periods: list[Period]) -> dict[int, float]:
        """The factor for intervals by period, so that chance fires any value of `each` no more often than one alert.

        Bonferroni's correction over the values whose figures of the period could fire it: of an `or` one part does.
        """
        if not rule.alert.each:
            return {}
        counts: dict[int, int] = defaultdict(int)
        for figures in self.parts(rule, periods).values():
            for period in periods:
                counts[period.index] += may_hold(rule.when, figures, period)
        return {index: NormalDist().inv_cdf(1 - LEVEL / 2 / max(count, 1)) / Z95 for index, count in counts.items()}

    def _read(self, rule: Rule, name: str, part: str) -> dict[str, dict[int, Point]]:
        """A metric's points, by segment value and number of the period."""
        key = (rule.every, part, name)
        if key not in self._points:
            self._points[key] = self._points_of(rule, name, part)
        return self._points[key]

    def _points_of(self, rule: Rule, name: str, part: str) -> dict[str, dict[int, Point]]:
        data, periods = self._data, self.periods(rule)
        self.check_part(rule)
        if note := without_data(data, name):
            missing = {period.index: Point(None, note=note) for period in periods}
            return {} if rule.alert.each else {_segment_value(rule): missing}
        column, _ = split_segment(data, part or None, rule.every)
        firsts = first_periods(data, name, rule.every, column)  # zeros of before are no figures
        with_data = [period for period in periods if period >= firsts[""]]
        rows = scorecard(data, periods=with_data, segment=part or None, metrics=[name])
        points: dict[str, dict[int, Point]] = defaultdict(dict)
        for row in rows.to_dict("records"):
            period, value = Period.parse(row["period"], rule.every), row["segment_value"]
            if bool(value) is bool(part) and value in firsts and period >= firsts[value]:
                points[value][period.index] = _point(row)
        return points

    def check_part(self, rule: Rule) -> None:
        """Raise SettingsError if the data have no such segment column or value."""
        alert = rule.alert
        try:
            check_segment(self._data, alert.each)
            split_segment(self._data, alert.segment, rule.every)
        except UnknownNameError as error:
            raise SettingsError(
                "alerts.{name}.{key}: {error}", name=alert.name, key="each" if alert.each else "segment", error=error
            ) from None


def _point(row: dict) -> Point:
    columns = ("value", "low", "high", "change", "change_low", "change_high", "target", "n", "denominator")
    numbers = {name: None if row[name] != row[name] else row[name] for name in columns}
    is_ratio = numbers.pop("denominator") is not None
    is_of_few = is_ratio and not (numbers["n"] or 0) >= SMALL
    note = row["note"] if numbers["value"] is None else ""
    return Point(**numbers, unit=row["unit"], is_of_few=is_of_few, note=note)
