"""The outbox: every message as it is sent, and a ledger of its outcome, so that each is sent once.

The part that all recipients share is one file; each recipient's own headers are in the ledger, with the digest of both
together: a message that was truncated or edited since is not sent.

queued → sending → data → sent | failed | queued again if certainly not accepted | unknown if that is not known.

A state is on the disk before its step begins. After a crash, a message in `data` may have been sent: it becomes
`unknown` and is never repeated unasked. One in `sending` was not sent: it is queued again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from retention_kit.data.engines.private_folders import replace_private
from retention_kit.delivery.ledgers import now, opened, opened_to_read, sync, version_of
from retention_kit.errors import Phrase, ReportError, SettingsError
from retention_kit.report.archive.folder import output_lock

NAME = "outbox"
OWNERS = "owner/"  # prefix of the series of messages to the owner about failures; those of reports have no slash
ALERTS = "alerts/"  # prefix of those of alerts
LEDGER = "ledger.sqlite"
STATES = ("queued", "sending", "data", "sent", "failed", "unknown")
_UNITS = {name: timedelta(days=days) for name, days in {"day": 1, "week": 7, "month": 31, "year": 366}.items()}
_VERSION = 3
# Which events each target was notified of, by message, and the last period evaluated (`alert_ledger`).
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
# From each earlier version to this one; messages waiting in the first version are queued anew.
_UPGRADES = {
    1: f"""
ALTER TABLE deliveries ADD COLUMN head BLOB NOT NULL DEFAULT x'';
ALTER TABLE deliveries ADD COLUMN content TEXT NOT NULL DEFAULT '';
{_ALERTS}
""",
    2: _ALERTS,
}


class Key(NamedTuple):
    """Identifies a message that is sent once: a series, a period and an address."""

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
    root: str  # the Message-ID of the first message of its thread
    file: str  # in the outbox: the part shared with other recipients
    state: str
    attempts: int  # how often it was offered to a server
    reply: str  # the last reply or reason
    at: str  # when, in UTC

    @property
    def key(self) -> Key:
        return Key(*self[:3])

    @property
    def is_report(self) -> bool:
        """Whether it is a report, not an alert or a message to the owner about failures."""
        return "/" not in self.series


class Outbox:
    """The messages and the ledger of one folder of packs; write to it inside `sending` only."""

    def __init__(self, folder: Path, ledger: sqlite3.Connection):
        self.folder, self.ledger = folder, ledger

    def row(self, key: Key) -> Row | None:
        """The ledger's row of one message, or None."""
        rows = self._rows("WHERE series = ? AND period = ? AND recipient = ?", key)
        return rows[0] if rows else None

    def rows(self) -> list[Row]:
        """All rows, by period, series and recipient."""
        return self._rows("ORDER BY period, series, recipient", ())

    def root(self, key: Key) -> str:
        """The first Message-ID of a recipient's thread of a series; empty if nothing has reached them yet."""
        condition = "(state IN ('sent', 'unknown', 'data') OR revision > 0)"
        rows = self._rows(
            f"WHERE series = ? AND recipient = ? AND {condition} ORDER BY rowid LIMIT 1", (key[0], key[2])
        )
        return rows[0].root if rows else ""

    def is_waiting(self, row: Row) -> bool:
        """Whether a message is queued and its content is unchanged."""
        try:
            return row.state == "queued" and bool(self.content(row))
        except ReportError:
            return False

    def content(self, row: Row) -> bytes:
        """A message as it is sent; raises ReportError if it is missing or not as it was queued."""
        query = "SELECT head, content FROM deliveries WHERE series = ? AND period = ? AND recipient = ?"
        head, digest = self.ledger.execute(query, row.key).fetchone() or (b"", "")
        try:
            content = head + (self.folder / row.file).read_bytes()
        except (OSError, TypeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or Phrase("the ledger names no file")
            template = "{file} of {folder!r} cannot be read: {why}."
            raise ReportError(template, file=row.file, folder=str(self.folder), why=reason) from None
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
        also: Callable[[sqlite3.Connection, str], None] | None = None,
    ) -> Row:
        """Store a message to be sent, first on the disk, then in the ledger; it replaces an earlier one of the key.

        `head` are its recipient's own headers, `shared` is the rest. `also(ledger, message_id)` writes more in the same
        transaction.
        """
        before = self.row(key)
        attempts = before.attempts if before and before.revision == revision else 0
        file = f"{key.period}-{hashlib.sha256(shared).hexdigest()[:16]}{suffix}"
        row = Row(*key, revision, digest, message_id, root, file, "queued", attempts, "", now())
        if not self._has(file, shared):
            _write(self.folder / file, shared)
        with self.ledger:
            values = (*row, head, hashlib.sha256(head + shared).hexdigest())
            names = ", ".join((*Row._fields, "head", "content"))
            marks = ", ".join("?" * len(values))
            self.ledger.execute(f"INSERT OR REPLACE INTO deliveries ({names}) VALUES ({marks})", values)
            self._log(row.key, revision, "queued", "", row.at)
            if also:
                also(self.ledger, message_id)
        return row

    def _has(self, file: str, content: bytes) -> bool:
        try:
            return (self.folder / file).read_bytes() == content
        except OSError:
            return False

    def forget(self, keep: str) -> int:
        """Delete messages older than `keep`, such as "1 year", with their history; returns the number of files.

        The record that they were sent, to whom and when stays, else they would be sent again; unsent messages stay too.
        """
        number, unit = keep.split()
        before = datetime.now(UTC) - int(number) * _UNITS[unit.removesuffix("s")]
        limit, waiting = before.isoformat(timespec="seconds"), "('queued', 'sending', 'data')"
        with self.ledger:
            self.ledger.execute("DELETE FROM history WHERE at < ?", (limit,))
            self.ledger.execute(f"UPDATE deliveries SET head = x'' WHERE at < ? AND state NOT IN {waiting}", (limit,))
        used = {row.file for row in self._rows(f"WHERE at >= ? OR state IN {waiting}", (limit,))}
        unused = [path for path in _messages(self.folder) if path.name not in used]
        old = [path for path in unused if path.stat().st_mtime < before.timestamp()]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def set(self, row: Row, state: str, reply: str = "") -> None:
        """Record a state; returns when it is on the disk."""
        attempt, at = int(state == "sending"), now()
        with self.ledger:
            self.ledger.execute(
                "UPDATE deliveries SET state = ?, reply = ?, at = ?, attempts = attempts + ? "
                "WHERE series = ? AND period = ? AND recipient = ?",
                (state, reply, at, attempt, *row.key),
            )
            self._log(row.key, row.revision, state, reply, at)

    def history(self, key: Key) -> list[tuple[int, str, str]]:
        """Every state of a message: revision, state and reply, the oldest first."""
        query = (
            "SELECT revision, state, reply FROM history WHERE series = ? AND period = ? AND recipient = ? "
            "ORDER BY rowid"
        )
        return self.ledger.execute(query, key).fetchall()

    def _log(self, key: Key, revision: int, state: str, reply: str, at: str) -> None:
        self.ledger.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)", (*key, revision, state, reply, at))

    def _rows(self, clause: str, values: tuple) -> list[Row]:
        names = ", ".join(Row._fields)
        return [Row(*row) for row in self.ledger.execute(f"SELECT {names} FROM deliveries {clause}", values)]


@contextmanager
def sending(output: Path) -> Iterator[Outbox]:
    """The outbox of a folder of packs, locked for this sender, after recovery from an interrupted one.

    Raises ReportError if another sender is at work, if the ledger cannot be used, and if the file system has no locks:
    then messages could be sent twice.
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
    with ExitStack() as stack:
        try:
            is_alone = stack.enter_context(output_lock(folder))
        except SettingsError as error:
            template = error.text.template.replace(", or give another --output", "")
            raise ReportError(template, **error.text.values) from None
        if not is_alone:
            raise ReportError(
                "{folder!r} lies where the system keeps no locks: two senders could send twice.", folder=str(folder)
            )
        if not (folder / LEDGER).exists():
            _refuse_lost(folder)
        ledger = stack.enter_context(opened(folder / LEDGER, "rwc"))
        (folder / LEDGER).chmod(0o600)
        if (version := _version_of(folder, ledger)) < _VERSION:
            ledger.executescript(f"BEGIN;{_UPGRADES[version] if version else _SCHEMA}COMMIT;")
        outbox = Outbox(folder, ledger)
        _recover(outbox)
        yield outbox


@contextmanager
def reading(output: Path) -> Iterator[Outbox | None]:
    """The outbox, read only, also where we may not write; None if nothing was ever sent."""
    folder = output / NAME
    if not (folder / LEDGER).is_file():
        _refuse_lost(folder)
        yield None
        return
    with opened_to_read(folder / LEDGER) as ledger:
        yield Outbox(folder, ledger) if _version_of(folder, ledger) else None


def _version_of(folder: Path, ledger: sqlite3.Connection) -> int:
    """The version of a ledger, 0 if new; raises ReportError if it is of a newer release, or was lost."""
    if not (version := version_of(folder / LEDGER, ledger, _VERSION)):
        _refuse_lost(folder)
    return version


def _refuse_lost(folder: Path) -> None:
    """Raise ReportError if there are messages but no ledger, or an empty one: all would be sent again."""
    if any(_messages(folder)):
        template = "The ledger in {folder!r} is empty although messages were sent: restore it, or move the folder away."
        raise ReportError(template, folder=str(folder))


def _recover(outbox: Outbox) -> None:
    """Settle the steps of a sender that was killed; nobody else is sending now."""
    for row in outbox.rows():
        if row.state == "data":
            outbox.set(row, "unknown", "the sender was cut off while the message was sent")
        elif row.state == "sending":
            outbox.set(row, "queued", "the sender was cut off before the message was sent")


def _write(path: Path, content: bytes) -> None:
    """Write a private file, whole or not at all; raises ReportError if that fails."""
    try:
        replace_private(path, content)
        sync(path.parent)
    except OSError as error:
        template = "No message can be written to {folder!r}: {reason}."
        raise ReportError(template, folder=str(path.parent), reason=error.strerror) from None


def _messages(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*") if path.suffix in (".eml", ".json"))
