"""The ledger of alerts: which events each target was notified of, and the last period evaluated for it."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from retention_kit.delivery.alert_events import Event, Notification
from retention_kit.delivery.outbox import Outbox


class Watch(NamedTuple):
    """One alert for one target: the digest of its rule, a segment value (empty: the whole), a target."""

    rule: str
    segment_value: str
    target: str


class AlertLedger:
    """The ledger of an outbox, read once: notifications sent, and the last period evaluated, for each watch."""

    def __init__(self, outbox: Outbox):
        self.notifications: dict[Watch, dict[tuple[str, str], Notification]] = defaultdict(dict)
        self._messages: dict[tuple[Watch, str], list[str]] = defaultdict(list)
        query = "SELECT rule, segment_value, target, since, event, period, figures, message_id FROM told ORDER BY rowid"
        for *watch, since, event, period, figures, message_id in outbox.ledger.execute(query):
            self.notifications[Watch(*watch)][since, event] = Notification(period, figures)
            self._messages[Watch(*watch), since].append(message_id)
        query = "SELECT rule, segment_value, target, period FROM watched"
        self.last_periods = {Watch(*watch): period for *watch, period in outbox.ledger.execute(query)}

    def thread(self, events: Iterable[tuple[Watch, Event]]) -> tuple[str, ...]:
        """The Message-IDs of earlier notifications of the same firings, the oldest first."""
        earlier = (self._messages.get((watch, event.since), ()) for watch, event in events)
        return tuple(dict.fromkeys(chain.from_iterable(earlier)))


def record(
    events: Iterable[tuple[Watch, Event]],
    periods: Iterable[tuple[Watch, str]],
    ledger: sqlite3.Connection,
    message_id: str = "",
) -> None:
    """Record the events of a message and the last periods evaluated, inside a transaction."""
    rows = [
        (*watch[:2], event.since, event.kind, watch.target, *event.notification, message_id) for watch, event in events
    ]
    ledger.executemany("INSERT INTO told VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    ledger.executemany(
        "INSERT OR REPLACE INTO watched VALUES (?, ?, ?, ?)", [(*watch, last) for watch, last in periods]
    )
