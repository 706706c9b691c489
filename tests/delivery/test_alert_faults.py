"""Alerts on a bad day: senders that are killed, receivers that are lost, and two runs at once."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections import Counter
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_alert_events import Reader, beginnings_and_ends, history

from forking import in_memory, run_once, start_process
from hook_server import hook_server
from retention_kit.delivery import dispatch, webhooks
from retention_kit.delivery.alerts import deliver_alerts
from retention_kit.delivery.outbox import reading, sending
from retention_kit.delivery.smtp import Deferred, Outcome
from retention_kit.delivery.webhooks import Webhook
from retention_kit.settings import make_settings

TARGETS = ("webhook:ONE", "webhook:TWO")
SETTINGS = make_settings({"alerts": [{"name": "a", "when": "customer_churn_rate > 5%", "then": [*TARGETS]}]})


class Killed(BaseException):
    """The process ends here."""


def run(folder: Path, pattern: str, hooks: dict[str, Webhook], digest: str = "d") -> None:
    histories = [(SETTINGS.alerts[0], history(pattern, digest=digest, alert=SETTINGS.alerts[0]))]
    with sending(folder) as outbox:
        deliver_alerts(outbox, histories, SETTINGS, hooks, None, date(2026, 1, 1))


def events_in(bodies) -> list[tuple[str, str]]:
    """The events of some messages: kind and month."""
    alerts = [alert for body in bodies for alert in json.loads(body)["facts"]["alerts"]]
    return sorted((alert["event"], alert["period"][5:]) for alert in alerts if alert["event"] != "no data")


class Receivers:
    """They do with each message what the day brings."""

    def __init__(self, monkeypatch):
        self.received: list[tuple[str, str, bytes]] = []
        self.day: list[str] = []
        monkeypatch.setattr(webhooks, "send_post", self)
        monkeypatch.setattr(dispatch, "PAUSES", ())

    def __call__(self, hook, content, number, commit):
        fault = self.day.pop(0) if self.day else ""
        if fault == "away":
            raise Deferred("away")
        if fault == "killed before":
            raise Killed
        if fault == "refused":
            return Outcome("failed", "400")
        commit()
        if fault == "killed":
            raise Killed
        self.received.append((str(hook), number, content))
        if fault == "killed after":
            raise Killed
        return Outcome("unknown", "lost") if fault == "lost" else Outcome("sent", "200")


FAULTS = ["", "", "away", "refused", "lost", "killed before", "killed", "killed after"]
days = st.lists(st.tuples(st.text(".x?", max_size=2), st.lists(st.sampled_from(FAULTS), max_size=3)), max_size=12)


@settings(max_examples=40)
@given(days=days)
def test_on_whatever_days_each_event_is_sent_once_to_each(days):
    with in_memory() as folder, pytest.MonkeyPatch.context() as patch:
        path, receivers, hooks = (
            Path(folder),
            Receivers(patch),
            {target: Webhook(*target.split(":"), "") for target in TARGETS},
        )
        pattern = "."
        run(path, pattern, hooks)
        for more, receivers.day in days:
            pattern += more
            with suppress(Killed):
                run(path, pattern, hooks)
        receivers.day = []
        run(path, pattern, hooks)
        with reading(path) as outbox:
            rows = outbox.rows()
            bodies = {row.message_id: outbox.content(row) for row in rows}
        assert {row.state for row in rows} <= {"sent", "unknown"}
        for target in TARGETS:
            target_rows = [row for row in rows if row.recipient == target]
            assert events_in(bodies[row.message_id] for row in target_rows) == beginnings_and_ends(pattern, 0)
            counts = Counter(number for name, number, _ in receivers.received if name == target)
            assert set(counts.values()) <= {1}
            assert {row.message_id for row in target_rows if row.state == "sent"} <= {*counts}


changes = st.tuples(
    st.sampled_from(["more", "revise", "again", "another rule"]), st.integers(0, 30), st.sampled_from("..xx?")
)


@settings(max_examples=40)
@given(days=st.lists(st.tuples(changes, st.lists(st.sampled_from(FAULTS), max_size=3)), max_size=12))
def test_whatever_data_and_rules_become_the_ledger_remembers_what_was_sent(days):
    """As somebody would who heard of it with no fault between: for each rule, in the order of days."""
    with in_memory() as folder, pytest.MonkeyPatch.context() as patch:
        path, receivers, hooks = (
            Path(folder),
            Receivers(patch),
            {target: Webhook(*target.split(":"), "") for target in TARGETS},
        )
        pattern, rule, readers = ["."], 0, {"0": Reader()}
        for (what, at, letter), receivers.day in [(("again", 0, "."), []), *days, (("again", 0, "."), [])]:
            if what == "more":
                pattern.append(letter)
            elif what == "revise":
                pattern[at % len(pattern)] = letter
            rule += what == "another rule"
            with suppress(Killed):
                run(path, "".join(pattern), hooks, str(rule))
            readers.setdefault(str(rule), Reader()).read(history("".join(pattern), digest=str(rule)))
        with reading(path) as outbox:
            rows = outbox.rows()
            bodies = {row.message_id: outbox.content(row) for row in rows}
        expected = sorted(event for reader in readers.values() for event in reader.events if event[0] != "no data")
        for target in TARGETS:
            assert events_in(bodies[row.message_id] for row in rows if row.recipient == target) == expected
        assert {row.state for row in rows} <= {"sent", "unknown"}
        assert {*Counter(received[:2] for received in receivers.received).values()} <= {1}


PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
import test_alert_faults as faults
from retention_kit.delivery import dispatch
from retention_kit.delivery.webhooks import webhook_of
dispatch.PAUSES = ()
hooks = {target: webhook_of(target) for target in faults.TARGETS}

def run(pattern):
    faults.run(Path(sys.argv[1]), pattern, hooks)
"""


def start_runs(folder: Path, url: str):
    """A process that runs when asked, a child each time."""
    tests = Path(__file__).parent
    urls = {f"RETENTION_KIT_WEBHOOK_{target.partition(':')[2]}": url for target in TARGETS}
    return start_process(PROGRAM, folder, tests, tests.parent / "support", **urls)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.long
def test_a_run_killed_again_and_again_sends_everything_once():
    """SIGKILL at any moment of a run, now and then just when the receiver has a message and has not said so."""
    chance, lives, pattern = random.Random(11), 0, "."
    with in_memory() as folder, hook_server() as server, start_runs(Path(folder), server.url) as process:
        path = Path(folder)
        run_once(process, pattern)

        def kill(child: int) -> None:
            def end(*_) -> bool:
                with suppress(ProcessLookupError):  # it was done first
                    os.kill(child, signal.SIGKILL)
                return True

            server.after = end if lives % 3 == 0 else lambda _: False
            if lives % 3:
                threading.Timer(chance.uniform(0, 0.04), end).start()

        while len(pattern) < 40:
            pattern += chance.choice(".x")
            run_once(process, pattern, kill)
            lives += 1
        server.after = lambda _: False
        run_once(process, pattern)
        run_once(process, pattern)
        with reading(path) as outbox:
            rows = outbox.rows()
            bodies = {row.message_id: outbox.content(row) for row in rows}
    counts = Counter(request.headers["Idempotency-Key"] for request in server.received)
    states = Counter(row.state for row in rows)
    assert set(states) == {"sent", "unknown"}
    assert set(counts.values()) == {1}, "nothing is told twice"
    assert {row.message_id for row in rows if row.state == "sent"} <= {*counts}
    for target in TARGETS:
        target_bodies = [bodies[row.message_id] for row in rows if row.recipient == target]
        months = [(kind, month) for kind, month in events_in(target_bodies)]
        assert Counter(kind for kind, _ in months) == Counter(kind for kind, _ in beginnings_and_ends(pattern, 0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.long
def test_two_runs_at_once_send_everything_once():
    with (
        in_memory() as folder,
        hook_server() as server,
        start_runs(Path(folder), server.url) as first,
        start_runs(Path(folder), server.url) as second,
    ):
        for pattern in (".", ".x", ".x.", ".x.x", ".x.x."):
            threads = [threading.Thread(target=run_once, args=(process, pattern)) for process in (first, second)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        run_once(first, ".x.x.")
    deliveries = Counter(event for request in server.received for event in events_in([request.body]))
    assert deliveries == Counter(dict.fromkeys(beginnings_and_ends(".x.x.", 0), 2)), "to each of the two"
