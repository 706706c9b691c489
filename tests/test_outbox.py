"""The outbox and its ledger: what is written before a step, what a crash leaves, and who may write."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import contextmanager

import pytest

from retention_kit.errors import ReportError, SettingsError
from retention_kit.report import outbox as module
from retention_kit.report.outbox import Key, reading, sending

KEY = Key("example-en", "2011-11", "ann@example.com")


def queue(outbox, key: Key = KEY, revision: int = 0, root: str = "<root@x>", content: bytes = b"a: b\r\n\r\n"):
    return outbox.queue(key, revision, "digest", f"<{key.period}-{revision}@x>", root, content)


def states(output) -> dict[str, str]:
    with reading(output) as outbox:
        return {row.recipient: row.state for row in outbox.rows()}


def test_a_message_is_kept_before_the_ledger_knows_of_it(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    with sending(tmp_path) as outbox:
        queue(outbox)
        monkeypatch.setattr(module, "_write", fail)
        with pytest.raises(OSError, match="disk full"):
            queue(outbox, KEY._replace(recipient="ben@example.com"))
    assert states(tmp_path) == {"ann@example.com": "queued"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_nobody_else_reads_it(tmp_path):
    with sending(tmp_path) as outbox:
        row = queue(outbox)
        files = [outbox.folder, outbox.folder / row.file, outbox.folder / module.LEDGER]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o700, 0o600, 0o600]
    assert files[1].read_bytes() == b"a: b\r\n\r\n"


def test_one_row_for_a_report_and_a_person(tmp_path):
    with sending(tmp_path) as outbox:
        first = queue(outbox)
        outbox.set(first, "sending")
        outbox.set(first, "queued", "450 later")
        again = queue(outbox)
        assert again.attempts == 1, "the same message, tried again"
        corrected = queue(outbox, revision=1)
        assert [row.revision for row in outbox.rows()] == [1]
        assert (corrected.attempts, corrected.file == first.file) == (0, False)
        assert outbox.history(KEY) == [
            (0, "queued", ""), (0, "sending", ""), (0, "queued", "450 later"), (0, "queued", ""), (1, "queued", ""),
        ]  # fmt: skip


def test_what_a_crash_leaves_is_settled(tmp_path):
    people = {state: f"{state}@example.com" for state in module.STATES}
    with sending(tmp_path) as outbox:
        for state, address in people.items():
            outbox.set(queue(outbox, KEY._replace(recipient=address)), state)
    assert {states(tmp_path)[address] for address in people.values()} == {*module.STATES}, "looking changes nothing"
    with sending(tmp_path):
        settled = {state: states(tmp_path)[address] for state, address in people.items()}
    assert settled == {state: state for state in module.STATES} | {"sending": "queued", "data": "unknown"}


def test_a_thread_begins_with_what_was_sent_first(tmp_path):
    later = KEY._replace(period="2011-12")
    with sending(tmp_path) as outbox:
        first = queue(outbox, root="<first@x>")
        assert outbox.root(later) == "", "it is not sent yet"
        outbox.set(first, "failed", "550 no")
        assert outbox.root(later) == ""
        outbox.set(first, "sent")
        assert outbox.root(later) == "<first@x>"
        queue(outbox, revision=1, root="<first@x>")
        assert outbox.root(later) == "<first@x>", "a correction has not unsent it"
        assert outbox.root(later._replace(recipient="ben@example.com")) == ""
        assert outbox.root(later._replace(series="example-ar")) == ""


HOLD = """
import sys
from pathlib import Path
from retention_kit.report.outbox import sending
with sending(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_sender_at_a_time_and_a_dead_one_holds_nothing(tmp_path):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ReportError, match=rf"Another run \(process {other.pid}\) .* wait until it is done\.$"):
            sending(tmp_path).__enter__()
        with reading(tmp_path) as outbox:
            assert outbox.rows() == [], "anybody may look meanwhile"
        other.kill()
        other.wait()
        with sending(tmp_path) as outbox:
            assert outbox.rows() == []


def test_where_there_are_no_locks_nothing_is_sent(tmp_path, monkeypatch):
    @contextmanager
    def unsure(_):
        yield False

    monkeypatch.setattr(module, "writing", unsure)
    with pytest.raises(ReportError, match="the system keeps no locks"):
        sending(tmp_path).__enter__()


def test_an_error_inside_is_left_as_it_is(tmp_path):
    with pytest.raises(SettingsError, match=r"^no password$"), sending(tmp_path):
        raise SettingsError("no password")


@pytest.mark.parametrize("enter", [sending, reading])
def test_a_ledger_that_cannot_be_used_is_said(tmp_path, enter):
    (tmp_path / "outbox").mkdir()
    ledger = tmp_path / "outbox" / "ledger.sqlite"
    ledger.write_bytes(b"not a database" * 100)
    with pytest.raises(ReportError, match=r"The ledger in .* cannot be used: file is not a database"):
        enter(tmp_path).__enter__()
    assert ledger.read_bytes() == b"not a database" * 100, "it may be mended: it is left as it is"


def test_a_ledger_of_a_later_version_is_not_touched(tmp_path):
    with sending(tmp_path) as outbox:
        queue(outbox)
    with sqlite3.connect(tmp_path / "outbox" / "ledger.sqlite") as ledger:
        ledger.execute("PRAGMA user_version = 2")
    with pytest.raises(ReportError, match="by a newer retention-kit"):
        sending(tmp_path).__enter__()


def test_there_is_none_where_nothing_was_sent(tmp_path):
    with reading(tmp_path) as outbox:
        assert outbox is None
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("enter", [sending, reading])
@pytest.mark.parametrize("is_gone", [True, False])
def test_a_lost_ledger_is_no_new_one(tmp_path, enter, is_gone):
    with sending(tmp_path) as outbox:
        queue(outbox)
    ledger = tmp_path / "outbox" / "ledger.sqlite"
    ledger.unlink() if is_gone else ledger.write_bytes(b"")
    with pytest.raises(
        ReportError, match=r"is empty although messages were sent: restore it, or move the folder away\."
    ):
        enter(tmp_path).__enter__()
    assert is_gone or ledger.read_bytes() == b""


def test_looking_writes_nothing(tmp_path):
    with sending(tmp_path) as outbox:
        queue(outbox)
    with reading(tmp_path) as outbox, pytest.raises(sqlite3.OperationalError, match="readonly"):
        outbox.set(outbox.rows()[0], "sent")
    assert sorted(path.suffix for path in (tmp_path / "outbox").iterdir()) == [".eml", ".sqlite"]
