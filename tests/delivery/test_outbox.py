"""The outbox and its ledger: what is written before a step, what a crash leaves, and who may write."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest

from retention_kit.delivery import outbox as module
from retention_kit.delivery.outbox import Key, reading, sending
from retention_kit.errors import ReportError, SettingsError

KEY = Key("example-en", "2011-11", "ann@example.com")


def queue(outbox, key: Key = KEY, revision: int = 0, root: str = "<root@x>", content: bytes = b"a: b\r\n\r\n"):
    number = f"<{key.period}-{revision}@x>"
    return outbox.queue(key, revision, "digest", number, root, f"Message-ID: {number}\r\n".encode(), content)


def states(output) -> dict[str, str]:
    with reading(output) as outbox:
        return {row.recipient: row.state for row in outbox.rows()}


def test_a_message_is_kept_before_the_ledger_knows_of_it(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with sending(tmp_path) as outbox:
        queue(outbox)
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(ReportError, match=f"^No message can be written to '{outbox.folder}': No space left"):
            queue(outbox, KEY._replace(recipient="ben@example.com"), content=b"c: d\r\n\r\n")
        assert not [*outbox.folder.glob("*.part")]
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
        assert (corrected.attempts, corrected.file == first.file) == (0, True), "they share what follows"
        assert outbox.history(KEY) == [
            (0, "queued", ""),
            (0, "sending", ""),
            (0, "queued", "450 later"),
            (0, "queued", ""),
            (1, "queued", ""),
        ]


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
from contextlib import closing
from pathlib import Path
from retention_kit.delivery.outbox import sending
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

    monkeypatch.setattr(module, "output_lock", unsure)
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
        ledger.execute("PRAGMA user_version = 4")
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


@pytest.mark.long
def test_what_many_share_is_kept_once(tmp_path):
    """A thousand recipients of one message are one file and a thousand heads."""
    shared = b"Subject: s\r\n\r\n" + b"x" * 300_000
    with sending(tmp_path) as outbox:
        rows = [queue(outbox, KEY._replace(recipient=f"p{n}@example.com"), content=shared) for n in range(1000)]
        assert {len(outbox.content(row)) for row in rows} == {len(shared) + len("Message-ID: <2024-01-0@x>\r\n")}
    size = sum(path.stat().st_size for path in (tmp_path / module.NAME).iterdir())
    assert size < 2_000_000


SPOILED = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-2]),
    "empty": lambda path: path.write_bytes(b""),
    "edited": lambda path: path.write_bytes(path.read_bytes().replace(b"a", b"z")),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("how", SPOILED)
def test_what_is_not_as_it_was_queued_does_not_go_out(tmp_path, how):
    with sending(tmp_path) as outbox:
        row = queue(outbox)
        assert outbox.is_waiting(row)
        SPOILED[how](outbox.folder / row.file)
        assert not outbox.is_waiting(row)
        with pytest.raises(ReportError, match=row.file):
            outbox.content(row)
        assert outbox.is_waiting(queue(outbox)), "it is queued anew"


def test_old_messages_go_and_what_was_sent_stays_known(tmp_path):
    with sending(tmp_path) as outbox:
        rows = {state: queue(outbox, KEY._replace(recipient=state), content=state.encode()) for state in module.STATES}
        for state, row in rows.items():
            outbox.set(row, state)
        assert outbox.forget("1 year") == 0
        then = time.time() - 400 * 86400
        outbox.ledger.execute("UPDATE deliveries SET at = '2020-01-01T00:00:00+00:00'")
        for row in rows.values():
            os.utime(outbox.folder / row.file, (then, then))
        assert outbox.forget("2 years") == 0, "the files are younger"
        assert outbox.forget("1 year") == 3
        stored = {state for state, row in rows.items() if (outbox.folder / row.file).exists()}
        assert stored == {"queued", "sending", "data"}
        assert {row.state for row in outbox.rows()} == {*module.STATES}


def test_a_ledger_of_the_first_version_is_read_and_what_waits_there_is_queued_anew(tmp_path):
    folder = tmp_path / module.NAME
    folder.mkdir()
    first = module._SCHEMA.replace("    head BLOB NOT NULL, content TEXT NOT NULL,\n", "").replace(
        "_version = 3", "_version = 1"
    )
    with closing(sqlite3.connect(folder / module.LEDGER)) as ledger:
        ledger.executescript(first)
        for state in ("queued", "sent"):
            ledger.execute(
                "INSERT INTO deliveries VALUES ('a', '2024-01', ?, 0, 'd', '<a@x>', '<a@x>', 'a.eml', ?, 0, '', '')",
                (state, state),
            )
        ledger.commit()
    (folder / "a.eml").write_bytes(b"a: b\r\n\r\n")
    assert states(tmp_path) == {"queued": "queued", "sent": "sent"}
    with sending(tmp_path) as outbox:
        assert [outbox.is_waiting(row) for row in outbox.rows()] == [False, False]
    assert states(tmp_path) == {"queued": "queued", "sent": "sent"}
