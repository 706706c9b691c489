"""The outbox: every message as it goes out, and a ledger of what became of it, so that each is sent once.

What all recipients of a message share lies in one file; the lines that are one recipient's are in the ledger, and with
them the digest of the two together: what was cut or edited since is not sent.

queued → sending → data → sent | failed | queued, again, where it was not taken | unknown, where nobody knows.

A state is on the disk before the step that it names is taken. What a crash leaves in `data` may have been sent: it
becomes `unknown` and is never repeated unasked. What it leaves in `sending` was not: it is queued again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from retention_kit.data.engines.private_folders import write_private
from retention_kit.delivery.ledgers import now, opened, opened_to_read, sync, version_of
from retention_kit.errors import Phrase, ReportError, SettingsError
from retention_kit.report.archive.folder import output_lock

NAME = "outbox"
OWNERS = "owner/"  # how the series of words to the owner about failures begin; those of reports hold no slash
ALERTS = "alerts/"  # how those of alerts do
LEDGER = "ledger.sqlite"
STATES = ("queued", "sending", "data", "sent", "failed", "unknown")
_UNITS = {name: timedelta(days=days) for name, days in {"day": 1, "week": 7, "month": 31, "year": 366}.items()}
_VERSION = 3
# What of alerts was told to whom, by message, and up to which period each was looked at (`alert_ledger`).
_ALERTS = f"""
CREATE TABLE IF NOT EXISTS told (
    rule TEXT NOT NULL, segment_value TEXT NOT NULL, since TEXT NOT NULL, event TEXT NOT NULL, target TEXT NOT NULL,
    period TEXT NOT NULL, figures TEXT NOT NULL, message_id TEXT NOT NULL,
    PRIMARY KEY (rule, segment_value, since, event, target)
);
CREATE TABLE IF NOT EXISTS watched (
    rule TEXT NOT NULL, segment_value TEXT NOT NULL, target TEXT NOT NULL, period TEXT NOT NULL,
    PRIMARY KEY (rule, segment_value, target)
);
PRAGMA user_version = {_VERSION};
"""
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS deliveries (
    series TEXT NOT NULL, period TEXT NOT NULL, recipient TEXT NOT NULL,
    revision INTEGER NOT NULL, digest TEXT NOT NULL, message_id TEXT NOT NULL, root TEXT NOT NULL, file TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN {STATES}), attempts INTEGER NOT NULL, reply TEXT NOT NULL, at TEXT NOT NULL,
    head BLOB NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (series, period, recipient)
);
CREATE TABLE IF NOT EXISTS history (
    series TEXT NOT NULL, period TEXT NOT NULL, recipient TEXT NOT NULL, revision INTEGER NOT NULL,
    state TEXT NOT NULL, reply TEXT NOT NULL, at TEXT NOT NULL
);
{_ALERTS}
"""
# From each earlier version to this one; of the first, what waits there is queued anew.
_UPGRADES = {
    1: f"""
ALTER TABLE deliveries ADD COLUMN head BLOB NOT NULL DEFAULT x'';
ALTER TABLE deliveries ADD COLUMN content TEXT NOT NULL DEFAULT '';
{_ALERTS}
""",
    2: _ALERTS,
}


class Key(NamedTuple):
    """What is sent once: a series' report of a period, to one address."""

    series: str
    period: str
    recipient: str


class Row(NamedTuple):
    """One message of the ledger."""

    series: str
    period: str
    recipient: str
    revision: int  # 0 at first, one more for each correction
    digest: str  # of the pack's message
    message_id: str
    root: str  # the Message-ID that its thread began with
    file: str  # in the outbox: what it shares with others
    state: str
    attempts: int  # how often a server was asked to take it
    reply: str  # what was last heard of it
    at: str  # when, in UTC

    @property
    def key(self) -> Key:
        return Key(*self[:3])

    @property
    def is_report(self) -> bool:
        """Whether it is a report, and not an alert or a word to the owner about failures."""
        return "/" not in self.series


class Outbox:
    """The messages and the ledger of one folder of packs; to be written to inside `sending` only."""

    def __init__(self, folder: Path, ledger: sqlite3.Connection):
        self.folder, self.ledger = folder, ledger

    def row(self, key: Key) -> Row | None:
        """What the ledger says of one message."""
        rows = self._rows("WHERE series = ? AND period = ? AND recipient = ?", key)
        return rows[0] if rows else None

    def rows(self) -> list[Row]:
        """All of it, by period, series and recipient."""
        return self._rows("ORDER BY period, series, recipient", ())

    def root(self, key: Key) -> str:
        """The Message-ID that a recipient's thread of a series began with; empty where nothing has reached them yet."""
        condition = "(state IN ('sent', 'unknown', 'data') OR revision > 0)"
        rows = self._rows(
            f"WHERE series = ? AND recipient = ? AND {condition} ORDER BY rowid LIMIT 1", (key[0], key[2])
        )
        return rows[0].root if rows else ""

    def is_waiting(self, row: Row) -> bool:
        """Whether a message was queued before, did not go out, and is still there as it was."""
        try:
            return row.state == "queued" and bool(self.content(row))
        except ReportError:
            return False

    def content(self, row: Row) -> bytes:
        """A message as it goes out; raises ReportError where it is not there, or not as it was queued."""
        query = "SELECT head, content FROM deliveries WHERE series = ? AND period = ? AND recipient = ?"
        head, digest = self.ledger.execute(query, row.key).fetchone() or (b"", "")
        try:
            content = head + (self.folder / row.file).read_bytes()
        except (OSError, TypeError, ValueError) as error:
            why = getattr(error, "strerror", None) or Phrase("the ledger names no file")
            raise ReportError(
                "{file} of {folder!r} cannot be read: {why}.", file=row.file, folder=str(self.folder), why=why
            ) from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise ReportError("{file} of {folder!r} is not what was queued.", file=row.file, folder=str(self.folder))
        return content

    def queue(
        self,
        key: Key,
        revision: int,
        digest: str,
        message_id: str,
        root: str,
        head: bytes,
        shared: bytes,
        suffix: str = ".eml",
        also: Callable[[sqlite3.Connection], None] | None = None,
    ) -> Row:
        """Keep a message, on the disk before the ledger knows of it, to be sent; an earlier one of the key gives way.

        `head` are its recipient's own lines, `shared` is all that follows; what `also` writes is there if it is.
        """
        before = self.row(key)
        attempts = before.attempts if before and before.revision == revision else 0
        file = f"{key.period}-{hashlib.sha256(shared).hexdigest()[:16]}{suffix}"
        row = Row(*key, revision, digest, message_id, root, file, "queued", attempts, "", now())
        if not self._holds(file, shared):
            _write(self.folder / file, shared)
        with self.ledger:
            values = (*row, head, hashlib.sha256(head + shared).hexdigest())
            names = ", ".join((*Row._fields, "head", "content"))
            marks = ", ".join("?" * len(values))
            self.ledger.execute(f"INSERT OR REPLACE INTO deliveries ({names}) VALUES ({marks})", values)
            self._tell(row.key, revision, "queued", "", row.at)
            if also:
                also(self.ledger)
        return row

    def _holds(self, file: str, content: bytes) -> bool:
        try:
            return (self.folder / file).read_bytes() == content
        except OSError:
            return False

    def forget(self, keep: str) -> int:
        """Delete messages of longer ago than `keep`, as 1 year, and what was heard of them; how many files.

        That they were sent, to whom and when stays: else they would be sent again. What is still to be sent stays, too.
        """
        number, unit = keep.split()
        before = datetime.now(UTC) - int(number) * _UNITS[unit.removesuffix("s")]
        limit, waiting = before.isoformat(timespec="seconds"), "('queued', 'sending', 'data')"
        with self.ledger:
            self.ledger.execute("DELETE FROM history WHERE at < ?", (limit,))
            self.ledger.execute(f"UPDATE deliveries SET head = x'' WHERE at < ? AND state NOT IN {waiting}", (limit,))
        kept = {row.file for row in self._rows(f"WHERE at >= ? OR state IN {waiting}", (limit,))}
        old = [path for path in _messages(self.folder) if path.name not in kept and _is_older(path, before)]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def set(self, row: Row, state: str, reply: str = "") -> None:
        """Write a state down, for good; returns when the disk has it."""
        asked, at = int(state == "sending"), now()
        with self.ledger:
            self.ledger.execute(
                "UPDATE deliveries SET state = ?, reply = ?, at = ?, attempts = attempts + ? "
                "WHERE series = ? AND period = ? AND recipient = ?",
                (state, reply, at, asked, *row.key),
            )
            self._tell(row.key, row.revision, state, reply, at)

    def history(self, key: Key) -> list[tuple[int, str, str]]:
        """Every state that a message went through: revision, state and reply, the oldest first."""
        query = (
            "SELECT revision, state, reply FROM history WHERE series = ? AND period = ? AND recipient = ? "
            "ORDER BY rowid"
        )
        return self.ledger.execute(query, key).fetchall()

    def _tell(self, key: Key, revision: int, state: str, reply: str, at: str) -> None:
        self.ledger.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)", (*key, revision, state, reply, at))

    def _rows(self, which: str, values: tuple) -> list[Row]:
        names = ", ".join(Row._fields)
        return [Row(*row) for row in self.ledger.execute(f"SELECT {names} FROM deliveries {which}", values)]


@contextmanager
def sending(output: Path) -> Iterator[Outbox]:
    """The outbox of a folder of packs, for this sender alone; what an earlier one left half done is settled first.

    Raises ReportError where another sender is at work, where the ledger cannot be used, and where the system keeps no
    locks: nobody could tell then that a message goes out once.
    """
    folder = output / NAME
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            sync(output)
        folder.chmod(0o700)
    except OSError as error:
        raise ReportError(
            "No message can be written to {folder!r}: {reason}.", folder=str(folder), reason=error.strerror
        ) from None
    with ExitStack() as held:
        try:
            is_alone = held.enter_context(output_lock(folder))
        except SettingsError as error:
            template = error.text.template.replace(", or give another --output", "")
            raise ReportError(template, **error.text.values) from None
        if not is_alone:
            raise ReportError(
                "{folder!r} lies where the system keeps no locks: two senders could send twice.", folder=str(folder)
            )
        if not (folder / LEDGER).exists():
            _refuse_lost(folder)
        ledger = held.enter_context(opened(folder / LEDGER, "rwc"))
        (folder / LEDGER).chmod(0o600)
        if (version := _version_of(folder, ledger)) < _VERSION:
            ledger.executescript(f"BEGIN;{_UPGRADES[version] if version else _SCHEMA}COMMIT;")
        outbox = Outbox(folder, ledger)
        _settle(outbox)
        yield outbox


@contextmanager
def reading(output: Path) -> Iterator[Outbox | None]:
    """The outbox as it stands, for looking at, also where we may not write; none where nothing was ever sent."""
    folder = output / NAME
    if not (folder / LEDGER).is_file():
        _refuse_lost(folder)
        yield None
        return
    with opened_to_read(folder / LEDGER) as ledger:
        yield Outbox(folder, ledger) if _version_of(folder, ledger) else None


def _version_of(folder: Path, ledger: sqlite3.Connection) -> int:
    """The version of a ledger, 0 where it is new; raises ReportError where it is newer than us, or was lost."""
    if not (version := version_of(folder / LEDGER, ledger, _VERSION)):
        _refuse_lost(folder)
    return version


def _refuse_lost(folder: Path) -> None:
    """Raise ReportError where messages lie beside no ledger, or an empty one: all would be sent again."""
    if any(_messages(folder)):
        raise ReportError(
            "The ledger in {folder!r} is empty although messages were sent: restore it, or move the folder away.",
            folder=str(folder),
        )


def _settle(outbox: Outbox) -> None:
    """What a sender that was killed left half done; there is none at work now but us."""
    for row in outbox.rows():
        if row.state == "data":
            outbox.set(row, "unknown", "the sender was cut off while the message was sent")
        elif row.state == "sending":
            outbox.set(row, "queued", "the sender was cut off before the message was sent")


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, for this user's eyes; raises ReportError where there is no room."""
    beside = path.with_suffix(".part")
    try:
        write_private(beside, content)
        beside.replace(path)
        sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise ReportError(
            "No message can be written to {folder!r}: {reason}.", folder=str(path.parent), reason=error.strerror
        ) from None


def _messages(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*") if path.suffix in (".eml", ".json"))


def _is_older(path: Path, than: datetime) -> bool:
    return path.stat().st_mtime < than.timestamp()
