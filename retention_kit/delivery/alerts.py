"""Sends alerts: each firing once to each of its recipients, all new events in one message."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple

from retention_kit.data.dataset import Dataset
from retention_kit.delivery import headers
from retention_kit.delivery.alert_events import Event, end_of, new_events, start_of
from retention_kit.delivery.alert_ledger import AlertLedger, Watch, record
from retention_kit.delivery.alert_messages import AlertNotice
from retention_kit.delivery.alert_targets import all_targets, owner_of, target_of, targets_of
from retention_kit.delivery.dispatch import Queued, deliver, queue_mail
from retention_kit.delivery.outbox import ALERTS, Key, Outbox, sending
from retention_kit.delivery.smtp import Server, refuse_localhost, server_of
from retention_kit.delivery.webhooks import Webhook, deliver_posts, queue_post, webhook_of
from retention_kit.errors import ReportError
from retention_kit.metrics.alerts.states import AlertState
from retention_kit.settings import Settings
from retention_kit.settings.alerts import Alert
from retention_kit.settings.mail import Recipient
from retention_kit.wording import Words


class AlertOutcome(NamedTuple):
    """The outcome of one message."""

    target: str  # an address, or webhook:NAME and the like
    period: str
    state: str  # sent, queued, failed, unknown
    reply: str


@dataclass(frozen=True)
class AlertDelivery:
    """The outcomes of one call of `send_alerts`, and the names of the firing alerts that set the exit code."""

    outcomes: tuple[AlertOutcome, ...]
    firing: tuple[str, ...]

    @property
    def is_done(self) -> bool:
        """Whether every message was certainly delivered."""
        return all(outcome.state == "sent" for outcome in self.outcomes)


Histories = Sequence[tuple[Alert, Sequence[AlertState]]]


def check_targets(settings: Settings, server: Server | None = None) -> tuple[dict[str, Webhook], Server | None]:
    """The webhooks of all alerts, by target, and the mail server where one is needed.

    Raises SettingsError, before anything is built, where the environment lacks the address of one.
    """
    targets = all_targets(settings)
    hooks = {target: webhook_of(target) for target, receiver in targets.items() if isinstance(receiver, str)}
    is_mailed = any(isinstance(receiver, Recipient) for receiver in targets.values())
    return hooks, (server or server_of()) if is_mailed else None


def send_alerts(data: Dataset, output: Path, progress: Callable[[str], None] | None = None) -> AlertDelivery:
    """Evaluate the alerts of the settings for all complete periods, and send the new events, each once. A period that
    goes on today is not over, though the data may have some of its last day.

    Messages that could not be delivered before are tried again. Raises SettingsError if the address of a webhook or of
    the mail server is missing, ReportError if another run is at work.
    """
    from retention_kit.delivery.send import today
    from retention_kit.metrics.alerts.judge import alert_history

    settings = data.settings
    if not settings.alerts:
        return AlertDelivery((), ())
    hooks, server = check_targets(settings)
    histories = [(alert, alert_history(data, alert, today(settings))) for alert in settings.alerts]
    with sending(output) as outbox:
        outcomes = deliver_alerts(outbox, histories, settings, hooks, server, data.as_of, progress)
    return AlertDelivery(tuple(outcomes), firing_exits(histories))


def firing_exits(histories: Histories) -> tuple[str, ...]:
    """The names of the alerts with `exit` that fire in their newest period."""
    return tuple(
        alert.name
        for alert, history in histories
        if "exit" in alert.then and any(states[-1].state == "firing" for states in _current(history).values())
    )


def deliver_alerts(
    outbox: Outbox,
    histories: Histories,
    settings: Settings,
    hooks: Mapping[str, Webhook],
    server: Server | None,
    as_of: date,
    progress: Callable[[str], None] | None = None,
) -> list[AlertOutcome]:
    """Queue new events and deliver all waiting messages; returns the outcome of each."""
    queue_events(outbox, histories, settings, hooks, as_of)
    targets = all_targets(settings)
    rows, lost = [], []
    for row in outbox.rows():
        if row.series.startswith(ALERTS) and row.state in ("queued", "failed") and target_of(row) in targets:
            try:
                outbox.content(row)
                rows.append(row)
            except ReportError as error:
                lost.append(AlertOutcome(row.recipient, row.period, row.state, str(error)))
    deliver_posts(outbox, hooks, [row for row in rows if row.recipient in hooks], progress=progress)
    mails = []
    for row in rows:
        if isinstance(receiver := targets[target_of(row)], Recipient):
            mails.append(Queued(row, headers.sender_of(outbox.content(row)), receiver.address))
    if mails and server:
        refuse_localhost(mails[0].sender, server)
        deliver(outbox, server, mails, progress=progress)
    outbox.forget(settings.mail.keep_outbox)
    now = [outbox.row(row.key) or row for row in rows]
    return sorted([AlertOutcome(row.recipient, row.period, row.state, row.reply) for row in now] + lost)


def queue_events(
    outbox: Outbox, histories: Histories, settings: Settings, hooks: Mapping[str, Webhook], as_of: date
) -> None:
    """Queue one message with all new events for each target, and record the events in the ledger."""
    ledger, targets = AlertLedger(outbox), all_targets(settings)
    events: dict[str, list[tuple[Watch, Event]]] = {target: [] for target in targets}
    evaluated: dict[str, dict[Watch, str]] = {target: {} for target in targets}
    for alert, history in histories:
        listed, owner = targets_of(alert), owner_of(alert, settings)
        for value, states in _current(history).items():
            for target in listed | owner:
                watch = Watch(states[-1].digest, value, target)
                if watch in evaluated[target]:
                    continue  # of two alerts with the same rule, the first
                last = ledger.last_periods.get(watch)
                for event in new_events(states, ledger.notifications[watch], last):
                    if _is_recipient(event, target in listed, target in owner):
                        events[target].append((watch, event))
                evaluated[target][watch] = max(filter(None, [last, states[-1].period]), key=start_of)
    for target, receiver in targets.items():
        if not events[target]:
            with outbox.ledger:
                record((), evaluated[target].items(), outbox.ledger)
            continue
        period = max((event.state.period for _, event in events[target]), key=end_of)
        notice = AlertNotice([event for _, event in events[target]], settings, Words.of(settings.report), as_of)
        gist = "\n".join(f"{watch} {event.kind} {event.since}" for watch, event in events[target])
        series = ALERTS + hashlib.sha256(gist.encode()).hexdigest()[:16]
        also = partial(record, events[target], evaluated[target].items())
        if isinstance(receiver, str):
            queue_post(outbox, hooks[target], series, period, notice.message(), also)
        else:
            raw, key = notice.email(), Key(series, period, receiver.address.lower())
            digest = hashlib.sha256(raw).hexdigest()
            queue_mail(outbox, key, receiver, raw, digest, thread=ledger.thread(events[target]), also=also)


def _is_recipient(event: Event, is_listed: bool, is_owner: bool) -> bool:
    """Whether a target gets an event; "no data" of one of many values counts only while its alert fires."""
    if event.kind == "no data":
        return is_owner and (not event.state.alert.each or event.state.is_held)
    return is_listed


def _current(history: Iterable[AlertState]) -> dict[str, list[AlertState]]:
    """The states of an alert by segment value, the oldest first, for the values that the newest period has."""
    by_value: dict[str, list[AlertState]] = {}
    for state in history:
        by_value.setdefault(state.segment_value, []).append(state)
    newest = max((states[-1].period for states in by_value.values()), default="")
    return {value: states for value, states in by_value.items() if states[-1].period == newest != ""}
