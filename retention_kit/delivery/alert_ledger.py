"""The ledger of alerts: which events each target was notified of, and the last period evaluated for it."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from retention_kit.delivery.alert_events import Event, Notification, Notifications
from retention_kit.delivery.outbox import Outbox


class Watch(NamedTuple):
    """One alert for one target: the digest of its rule, a segment value (empty: the whole), a target."""

    rule: str
    segment_value: str
    target: str


class AlertLedger:
    """The ledger of an outbox, read once; a message and its events are written in one transaction."""

    def __init__(self, outbox: Outbox):
        self._ledger = outbox.ledger
        self._notified: dict[Watch, dict[tuple[str, str], Notification]] = defaultdict(dict)
        self._messages: dict[tuple[Watch, str], list[str]] = defaultdict(list)
        query = "SELECT rule, segment_value, target, since, event, period, figures, message_id FROM told ORDER BY rowid"
        for *watch, since, event, period, figures, message_id in self._ledger.execute(query):
            self._notified[Watch(*watch)][since, event] = Notification(period, figures)
            self._messages[Watch(*watch), since].append(message_id)
        query = "SELECT rule, segment_value, target, period FROM watched"
        self._last = {Watch(*watch): period for *watch, period in self._ledger.execute(query)}

    def notifications(self, watch: Watch) -> Notifications:
        """The notifications sent before, by `since` and kind of event."""
        return self._notified.get(watch, {})

    def last_period(self, watch: Watch) -> str | None:
        """The last period evaluated; None for never."""
        return self._last.get(watch)

    def thread(self, events: Iterable[tuple[Watch, Event]]) -> tuple[str, ...]:
        """The Message-IDs of earlier notifications of the same firings, the oldest first."""
        earlier = (self._messages.get((watch, event.since), ()) for watch, event in events)
        return tuple(dict.fromkeys(chain.from_iterable(earlier)))

    def record_evaluated(self, periods: Iterable[tuple[Watch, str]]) -> None:
        """Record that there was no event up to these periods."""
        with self._ledger:
            _record_evaluated(self._ledger, periods)


def record_message(
    events: Iterable[tuple[Watch, Event]],
    periods: Iterable[tuple[Watch, str]],
    ledger: sqlite3.Connection,
    message_id: str,
) -> None:
    """Record the events of a message and the last periods evaluated, in the transaction that queues it."""
    rows = [
        (*watch[:2], event.since, event.kind, watch.target, *event.notification, message_id) for watch, event in events
    ]
    ledger.executemany("INSERT INTO told VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    _record_evaluated(ledger, periods)


def _record_evaluated(ledger: sqlite3.Connection, periods: Iterable[tuple[Watch, str]]) -> None:
    rows = [(*watch, period) for watch, period in periods]
    ledger.executemany("INSERT OR REPLACE INTO watched VALUES (?, ?, ?, ?)", rows)
