"""The ledger of alerts: what was told of each to whom, so that it is told once, and up to which period."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from retention_kit.delivery.alert_events import Event, Known, Told
from retention_kit.delivery.outbox import Outbox


class Watch(NamedTuple):
    """One alert as one target hears of it: the digest of its rule, a segment value (empty: the whole), a target."""

    rule: str
    segment_value: str
    target: str


class AlertLedger:
    """What is in the ledger of an outbox, read once; a message and what it tells are written in one transaction."""

    def __init__(self, outbox: Outbox):
        self._ledger = outbox.ledger
        self._told: dict[Watch, dict[tuple[str, str], Told]] = defaultdict(dict)
        self._messages: dict[tuple[Watch, str], list[str]] = defaultdict(list)
        query = "SELECT rule, segment_value, target, since, event, period, figures, message_id FROM told ORDER BY rowid"
        for *watch, since, event, period, figures, message_id in self._ledger.execute(query):
            self._told[Watch(*watch)][since, event] = Told(period, figures)
            self._messages[Watch(*watch), since].append(message_id)
        query = "SELECT rule, segment_value, target, period FROM watched"
        self._last = {Watch(*watch): period for *watch, period in self._ledger.execute(query)}

    def known(self, watch: Watch) -> Known:
        """What was told before, by the period since which it is so and the kind of event."""
        return self._told.get(watch, {})

    def last(self, watch: Watch) -> str | None:
        """The newest period that was looked at."""
        return self._last.get(watch)

    def thread(self, events: Iterable[tuple[Watch, Event]]) -> tuple[str, ...]:
        """The messages that told of the same firings before, the oldest first."""
        found = (one for watch, event in events for one in self._messages.get((watch, event.since), ()))
        return tuple(dict.fromkeys(found))

    def watch(self, periods: Iterable[tuple[Watch, str]]) -> None:
        """Remember that there was nothing to tell up to these periods."""
        with self._ledger:
            _look(self._ledger, periods)


def remember(
    ledger: sqlite3.Connection,
    message_id: str,
    events: Iterable[tuple[Watch, Event]],
    periods: Iterable[tuple[Watch, str]],
) -> None:
    """Write what a message tells, and up to which periods was looked, in the transaction that queues it."""
    rows = [(*watch[:2], event.since, event.kind, watch.target, *event.told, message_id) for watch, event in events]
    ledger.executemany("INSERT INTO told VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    _look(ledger, periods)


def _look(ledger: sqlite3.Connection, periods: Iterable[tuple[Watch, str]]) -> None:
    rows = [(*watch, period) for watch, period in periods]
    ledger.executemany("INSERT OR REPLACE INTO watched VALUES (?, ?, ?, ?)", rows)
