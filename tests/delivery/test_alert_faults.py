"""Alerts on a bad day: senders that are killed, receivers that are lost, and two runs at once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_alert_events import Reader, beginnings_and_ends, history

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


def in_memory() -> tempfile.TemporaryDirectory:
    """A folder whose writing costs nothing, where there is one: a kill is no power cut."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


def run(folder: Path, pattern: str, hooks: dict[str, Webhook], digest: str = "d") -> None:
    histories = [(SETTINGS.alerts[0], history(pattern, digest=digest, alert=SETTINGS.alerts[0]))]
    with sending(folder) as outbox:
        deliver_alerts(outbox, histories, SETTINGS, hooks, None, date(2026, 1, 1))


def events_in(bodies) -> list[tuple[str, str]]:
    """The events of some messages: kind and month."""
    alerts = [one for body in bodies for one in json.loads(body)["facts"]["alerts"]]
    return sorted((one["event"], one["period"][5:]) for one in alerts if one["event"] != "no data")


class Receivers:
    """They do with each message what the day brings."""

    def __init__(self, monkeypatch):
        self.taken: list[tuple[str, str, bytes]] = []
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
        self.taken.append((str(hook), number, content))
        if fault == "killed after":
            raise Killed
        return Outcome("unknown", "lost") if fault == "lost" else Outcome("sent", "200")


FAULTS = ["", "", "away", "refused", "lost", "killed before", "killed", "killed after"]
days = st.lists(st.tuples(st.text(".x?", max_size=2), st.lists(st.sampled_from(FAULTS), max_size=3)), max_size=12)


@settings(max_examples=40)
@given(days=days)
def test_on_whatever_days_each_event_is_sent_once_to_each(days):
    with in_memory() as folder, pytest.MonkeyPatch.context() as patch:
        path, receivers, hooks = Path(folder), Receivers(patch), {one: Webhook(*one.split(":"), "") for one in TARGETS}
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
            mine = [row for row in rows if row.recipient == target]
            assert events_in(bodies[row.message_id] for row in mine) == beginnings_and_ends(pattern, 0)
            taken = Counter(number for name, number, _ in receivers.taken if name == target)
            assert set(taken.values()) <= {1}
            assert {row.message_id for row in mine if row.state == "sent"} <= {*taken}


changes = st.tuples(
    st.sampled_from(["more", "revise", "again", "another rule"]), st.integers(0, 30), st.sampled_from("..xx?")
)


@settings(max_examples=40)
@given(days=st.lists(st.tuples(changes, st.lists(st.sampled_from(FAULTS), max_size=3)), max_size=12))
def test_whatever_data_and_rules_become_the_ledger_remembers_what_was_sent(days):
    """As somebody would who heard of it with no fault between: for each rule, in the order of days."""
    with in_memory() as folder, pytest.MonkeyPatch.context() as patch:
        path, receivers, hooks = Path(folder), Receivers(patch), {one: Webhook(*one.split(":"), "") for one in TARGETS}
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
        expected = sorted(one for reader in readers.values() for one in reader.events if one[0] != "no data")
        for target in TARGETS:
            assert events_in(bodies[row.message_id] for row in rows if row.recipient == target) == expected
        assert {row.state for row in rows} <= {"sent", "unknown"}
        assert {*Counter(taken[:2] for taken in receivers.taken).values()} <= {1}


# Runs in a child each time it is asked, which may be killed; everything is imported before.
TELLER = """
import os, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:4]
import test_alert_faults as faults
from retention_kit.delivery import dispatch
from retention_kit.delivery.webhooks import webhook_of
dispatch.PAUSES = ()
hooks = {one: webhook_of(one) for one in faults.TARGETS}
print("ready", flush=True)
for line in sys.stdin:
    if child := os.fork():
        print(child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)
    else:
        try:
            faults.run(Path(sys.argv[1]), line.strip(), hooks)
        finally:
            os._exit(0)
"""


@contextmanager
def start_process(folder: Path, url: str):
    """A process that runs when asked, a child each time."""
    tests = Path(__file__).parent
    urls = {f"RETENTION_KIT_WEBHOOK_{one.partition(':')[2]}": url for one in TARGETS}
    command = [sys.executable, "-c", TELLER, folder, tests, tests.parent / "support"]
    environment = {**os.environ, **urls}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


def run_once(process, pattern: str, meanwhile=lambda _: None) -> None:
    """Let a run begin, and wait until it is done or dead."""
    process.stdin.write(f"{pattern}\n")
    process.stdin.flush()
    meanwhile(int(process.stdout.readline()))
    assert process.stdout.readline() == "ended\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.long
def test_a_run_killed_again_and_again_sends_everything_once():
    """SIGKILL at any moment of a run, now and then just when the receiver has a message and has not said so."""
    chance, lives, pattern = random.Random(11), 0, "."
    with in_memory() as folder, hook_server() as server, start_process(Path(folder), server.url) as process:
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
    taken = Counter(one.headers["Idempotency-Key"] for one in server.taken)
    states = Counter(row.state for row in rows)
    assert set(states) == {"sent", "unknown"}
    assert set(taken.values()) == {1}, "nothing is told twice"
    assert {row.message_id for row in rows if row.state == "sent"} <= {*taken}
    for target in TARGETS:
        mine = [bodies[row.message_id] for row in rows if row.recipient == target]
        months = [(kind, month) for kind, month in events_in(mine)]
        assert Counter(kind for kind, _ in months) == Counter(kind for kind, _ in beginnings_and_ends(pattern, 0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.long
def test_two_runs_at_once_send_everything_once():
    with (
        in_memory() as folder,
        hook_server() as server,
        start_process(Path(folder), server.url) as one,
        start_process(Path(folder), server.url) as other,
    ):
        for pattern in (".", ".x", ".x.", ".x.x", ".x.x."):
            threads = [threading.Thread(target=run_once, args=(process, pattern)) for process in (one, other)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        run_once(one, ".x.x.")
    deliveries = Counter(event for taken in server.taken for event in events_in([taken.body]))
    assert deliveries == Counter(dict.fromkeys(beginnings_and_ends(".x.x.", 0), 2)), "to each of the two"
