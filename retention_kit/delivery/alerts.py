"""Telling of alerts: each firing once to everybody who is to hear of it, all that is new in one message."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.delivery import headers
from retention_kit.delivery.alert_events import Event, end_of, news
from retention_kit.delivery.alert_ledger import AlertLedger, Watch, remember
from retention_kit.delivery.alert_messages import News
from retention_kit.delivery.alert_targets import owner_of, people_of, target_of, targets_of
from retention_kit.delivery.dispatch import Queued, deliver
from retention_kit.delivery.outbox import ALERTS, Key, Outbox, sending
from retention_kit.delivery.smtp import Server, refuse_localhost, server_of
from retention_kit.delivery.webhooks import Webhook, deliver_posts, queue_post, webhook_of
from retention_kit.errors import ReportError
from retention_kit.metrics.alerts.states import AlertState
from retention_kit.periods import Period
from retention_kit.settings import Settings
from retention_kit.settings.alerts import Alert
from retention_kit.settings.mail import Recipient
from retention_kit.wording import Words

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset


class Outcome(NamedTuple):
    """What became of one message."""

    target: str  # an address, or webhook:NAME and the like
    period: str
    state: str  # sent, queued, failed, unknown
    reply: str


@dataclass(frozen=True)
class Telling:
    """What one call of `tell_alerts` did, and which alerts that set the exit code are firing."""

    outcomes: tuple[Outcome, ...]
    firing: tuple[str, ...]

    @property
    def is_done(self) -> bool:
        """Whether everybody has for certain what they are to hear."""
        return all(one.state == "sent" for one in self.outcomes)


Histories = Sequence[tuple[Alert, Sequence[AlertState]]]


def check_targets(settings: Settings, server: Server | None = None) -> tuple[dict[str, Webhook], Server | None]:
    """The webhooks of all alerts, by target, and the mail server where one is needed.

    Raises SettingsError, before anything is built, where the environment lacks the address of one.
    """
    found = people_of(settings)
    hooks = {target: webhook_of(target) for target, who in found.items() if isinstance(who, str)}
    is_mailed = any(isinstance(who, Recipient) for who in found.values())
    return hooks, (server or server_of()) if is_mailed else None


def tell_alerts(
    data: Dataset,
    output: Path,
    server: Server | None = None,
    progress: Callable[[str], None] | None = None,
) -> Telling:
    """Evaluate the alerts of the settings for all complete periods, and tell what is new, each event once.

    What could not be delivered before is tried again. Raises SettingsError where an address of a webhook or the mail
    server is missing, ReportError where another run is at work.
    """
    from retention_kit.metrics.alerts.judge import alert_history

    settings = data.settings
    if not settings.alerts:
        return Telling((), ())
    hooks, server = check_targets(settings, server)
    histories = [(alert, alert_history(data, alert)) for alert in settings.alerts]
    with sending(output) as outbox:
        outcomes = tell(outbox, histories, settings, hooks, server, data.as_of, progress)
    return Telling(tuple(outcomes), firing_exits(histories))


def firing_exits(histories: Histories) -> tuple[str, ...]:
    """The names of the alerts with `exit` that fire in their newest period."""
    return tuple(
        alert.name
        for alert, history in histories
        if "exit" in alert.then and any(states[-1].state == "firing" for states in _current(history).values())
    )


def tell(
    outbox: Outbox,
    histories: Histories,
    settings: Settings,
    hooks: Mapping[str, Webhook],
    server: Server | None,
    as_of: date,
    progress: Callable[[str], None] | None = None,
) -> list[Outcome]:
    """Queue what is new, and deliver it with all that is waiting; returns what became of each message."""
    queue_news(outbox, histories, settings, hooks, as_of)
    people = people_of(settings)
    rows, lost = [], []
    for row in outbox.rows():
        if row.series.startswith(ALERTS) and row.state in ("queued", "failed") and target_of(row) in people:
            try:
                outbox.content(row)
                rows.append(row)
            except ReportError as error:
                lost.append(Outcome(row.recipient, row.period, row.state, str(error)))
    deliver_posts(outbox, hooks, [row for row in rows if row.recipient in hooks], progress=progress)
    mails = []
    for row in rows:
        if isinstance(who := people[target_of(row)], Recipient):
            mails.append(Queued(row, headers.sender_of(outbox.content(row)), who.address))
    if mails and server:
        refuse_localhost(mails[0].sender, server)
        deliver(outbox, server, mails, progress=progress)
    outbox.forget(settings.mail.keep_outbox)
    now = [outbox.row(row.key) or row for row in rows]
    return sorted([Outcome(row.recipient, row.period, row.state, row.reply) for row in now] + lost)


def queue_news(
    outbox: Outbox, histories: Histories, settings: Settings, hooks: Mapping[str, Webhook], as_of: date
) -> None:
    """Put one message with all that is new into the outbox for each target, and what it tells into the ledger."""
    ledger = AlertLedger(outbox)
    events: dict[str, list[tuple[Watch, Event]]] = {target: [] for target in people_of(settings)}
    looked: dict[str, dict[Watch, str]] = {target: {} for target in events}
    for alert, history in histories:
        told, owner = targets_of(alert), owner_of(alert, settings)
        for value, states in _current(history).items():
            for target in told | owner:
                watch = Watch(states[-1].digest, value, target)
                if watch in looked[target]:
                    continue  # of two alerts with the same rule, the first
                last = ledger.last(watch)
                found = news(states, ledger.known(watch), last)
                events[target] += [(watch, one) for one in found if _concerns(one, target in told, target in owner)]
                looked[target][watch] = max(filter(None, [last, states[-1].period]), key=_start)
    for target, who in people_of(settings).items():
        if not events[target]:
            ledger.watch(looked[target].items())
            continue
        period = max((event.state.period for _, event in events[target]), key=end_of)
        note = News(
            [event for _, event in events[target]],
            settings,
            Words.of(settings.report),
            as_of,
        )
        gist = "\n".join(f"{watch} {event.kind} {event.since}" for watch, event in events[target])
        series = ALERTS + hashlib.sha256(gist.encode()).hexdigest()[:16]
        writes = partial(_write, events[target], looked[target])
        if isinstance(who, str):
            queue_post(outbox, hooks[target], series, period, note.message(), writes)
        else:
            _queue_mail(
                outbox,
                Key(series, period, who.address.lower()),
                who,
                note.letter(),
                ledger.thread(events[target]),
                writes,
            )


def _concerns(event: Event, is_told: bool, is_owner: bool) -> bool:
    """Whether a target is to hear of an event; that one of many values has no data is news only where it fires."""
    if event.kind == "no data":
        return is_owner and (not event.state.alert.each or event.state.is_held)
    return is_told


def _write(
    events: Sequence[tuple[Watch, Event]],
    looked: Mapping[Watch, str],
    ledger: sqlite3.Connection,
    message_id: str,
) -> None:
    remember(ledger, message_id, events, looked.items())


def _queue_mail(
    outbox: Outbox,
    key: Key,
    to: Recipient,
    raw: bytes,
    thread: tuple[str, ...],
    writes: Callable[[sqlite3.Connection, str], None],
) -> None:
    sender, digest = headers.sender_of(raw), hashlib.sha256(raw).hexdigest()
    number = headers.message_id(key, 0, digest, sender)
    head, shared = headers.personal(raw, to, number, thread, datetime.now(UTC), None)
    root = thread[0] if thread else number
    outbox.queue(key, 0, digest, number, root, head, shared, also=lambda ledger: writes(ledger, number))


def _current(history: Iterable[AlertState]) -> dict[str, list[AlertState]]:
    """The states of an alert by segment value, in the order of periods, of the values that the newest period has."""
    found: dict[str, list[AlertState]] = {}
    for one in history:
        found.setdefault(one.segment_value, []).append(one)
    newest = max((states[-1].period for states in found.values()), default="")
    return {value: states for value, states in found.items() if states[-1].period == newest != ""}


def _start(period: str) -> date:
    return Period.parse(period).start
