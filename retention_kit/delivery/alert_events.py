"""New events of an alert since the last notification, computed from its states over all complete periods.

A notification is sent when a firing begins and when it ends. The data may be revised afterwards: it stays the same
firing, even where it now begins or ends in another period, as long as it overlaps the periods that were notified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal, NamedTuple

from retention_kit.metrics.alerts.states import AlertState, Operand
from retention_kit.periods import Period
from retention_kit.wording import Words

# Reopened: firing after all, though notified as resolved; withdrawn: it would not have fired. Both follow from data
# revised since, as does `revised`: it fires in another period or with other figures than were notified.
Kind = Literal["firing", "reopened", "no data", "revised", "withdrawn", "resolved"]
KINDS: tuple[Kind, ...] = ("firing", "reopened", "no data", "revised", "withdrawn", "resolved")  # the gravest first
_STARTS = ("firing", "reopened")


class Notification(NamedTuple):
    """The period and the figures (`figures_of`) that a notification named."""

    period: str
    figures: str


@dataclass(frozen=True)
class Event:
    """An event to notify; `since` is the period that identifies the firing, or the lack of data, in the ledger."""

    kind: Kind
    since: str
    state: AlertState  # in the period that the notification names

    @property
    def notification(self) -> Notification:
        return Notification(self.state.period, figures_of(self.state))


Notifications = Mapping[tuple[str, str], Notification]  # of one rule, by `since` and kind


@dataclass(frozen=True)
class _Episode:
    """Consecutive firing periods, including periods without data between them."""

    since: str
    states: tuple[AlertState, ...]  # the firing ones
    last: str  # including periods without data that follow

    def overlaps(self, first: str, last: str) -> bool:
        """Whether any of its periods lies between two periods, both included."""
        return start_of(self.states[0].period) <= start_of(last) and start_of(first) <= start_of(self.last)


def figures_of(state: AlertState) -> str:
    """The figures of a condition as formatted for readers, in English: a change too small to be visible is none."""
    words = Words()
    comparisons = (
        f"{_figure(comparison.left, words)} {comparison.sign} {_figure(comparison.right, words)}"
        if comparison.right.metric
        else _figure(comparison.left, words)
        for comparison in state.figures
    )
    return "; ".join(comparisons)


def _figure(operand: Operand, words: Words) -> str:
    return f"{operand.function}({operand.metric}) {words.value(operand.value, operand.unit or 'ratio')}"


def new_events(history: Sequence[AlertState], notified: Notifications, last: str | None) -> list[Event]:
    """The events of one rule and segment value that are still to be notified.

    `history` has its states in complete periods, the oldest first; `last` is the last period evaluated before, None for
    never: then only the newest state counts. Data that end before `last` give no events.
    """
    if not history or not history[-1].period or (last and start_of(last) > start_of(history[-1].period)):
        return []
    fresh = [state for state in history if last and start_of(state.period) > start_of(last)] or [history[-1]]
    begins, updated, events = start_of(fresh[0].period), dict(notified), []
    episodes = _episodes(history)
    for episode in episodes:
        first = next((state for state in episode.states if start_of(state.period) >= begins), None)
        overlapping = [since for since, span in _notified_spans(updated, last).items() if episode.overlaps(*span)]
        if first is None or any((since, "resolved") not in updated for since in overlapping):
            continue
        # A withdrawn firing that fires again is notified again, but never twice for one period.
        starts = _starts_of(updated)
        since = next((period for period in (episode.since, first.period) if period not in starts), None)
        if since and first.period not in {notification.period for notification in starts.values()}:
            events.append(Event("reopened" if overlapping else "firing", since, first))
            updated[since, events[-1].kind] = events[-1].notification
    for since, span in _notified_spans(updated, last).items():
        current = [episode for episode in episodes if episode.overlaps(*span)]
        events += _updates(since, history, current, updated)
    return events + _no_data(history, notified)


def _starts_of(notified: Notifications) -> dict[str, Notification]:
    return {since: notification for (since, kind), notification in notified.items() if kind in _STARTS}


def _notified_spans(notified: Notifications, last: str | None) -> dict[str, tuple[str, str]]:
    """The first and last period of each firing that was notified and not withdrawn, by `since`."""
    spans = {}
    for since, start in _starts_of(notified).items():
        if (since, "withdrawn") not in notified:
            resolved = notified.get((since, "resolved"))
            end = str(Period.parse(resolved.period).shift(-1)) if resolved else last or start.period
            spans[since] = start.period, max(start.period, end, key=start_of)
    return spans


def _updates(
    since: str, history: Sequence[AlertState], current: Sequence[_Episode], notified: Notifications
) -> list[Event]:
    """Events of a notified firing, given its current episodes: its data were revised, or it is resolved."""
    first, by_period = _starts_of(notified)[since], {state.period: state for state in history}
    if first.period not in by_period:
        return []
    if not current:
        return [Event("withdrawn", since, by_period[first.period])]
    state, events = by_period[first.period], []
    if not current[0].overlaps(first.period, first.period):
        events.append(Event("revised", since, current[0].states[0]))
    elif state.state == "firing" and figures_of(state) != first.figures:
        events.append(Event("revised", since, state))
    if (since, "resolved") not in notified:
        after = history[history.index(current[-1].states[-1]) :]
        events += [Event("resolved", since, state) for state in after if state.state == "resolved"][:1]
    return [event for event in events if (since, event.kind) not in notified]


def _no_data(history: Sequence[AlertState], notified: Notifications) -> list[Event]:
    newest = history[-1]
    if newest.state != "no data":
        return []
    periods = [notification.period for (_, kind), notification in notified.items() if kind == "no data"]
    is_notified = any(start_of(period) >= start_of(newest.since) for period in periods)
    return [] if is_notified or (newest.since, "no data") in notified else [Event("no data", newest.since, newest)]


def _episodes(history: Sequence[AlertState]) -> list[_Episode]:
    firing: dict[str, list[AlertState]] = {}
    last: dict[str, str] = {}
    since = ""
    for state in history:
        if state.state == "firing":
            since = state.since
            firing.setdefault(since, []).append(state)
        if state.state == "firing" or (state.is_held and since):
            last[since] = state.period
    return [_Episode(since, tuple(states), last[since]) for since, states in firing.items()]


@lru_cache(10_000)
def start_of(period: str) -> date:
    """The first day of a period."""
    return Period.parse(period).start


def end_of(period: str) -> date:
    """The day after a period: orders periods of any length."""
    return Period.parse(period).end
