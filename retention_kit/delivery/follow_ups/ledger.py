"""The ledger of follow-up lists: customers, occasions and completion, kept for good, so that each is listed once.

A list is staged on the disk, recorded in the ledger, then renamed to its final path. After a crash, a staged list that
the ledger contains is renamed, any other is deleted and made anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from retention_kit.data.engines.private_folders import write_private
from retention_kit.delivery.ledgers import opened, opened_to_read, sync, version_of
from retention_kit.errors import ReportError, SettingsError
from retention_kit.report.archive.folder import output_lock

NAME = "follow-ups.sqlite"
_VERSION = 1
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS listed (
    rule TEXT NOT NULL, customer TEXT NOT NULL, occasion TEXT NOT NULL, day TEXT NOT NULL, due TEXT NOT NULL,
    file TEXT NOT NULL, done_at TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (rule, customer, occasion)
);
CREATE INDEX IF NOT EXISTS listed_customers ON listed (customer);
CREATE TABLE IF NOT EXISTS files (
    file TEXT PRIMARY KEY, rule TEXT NOT NULL, day TEXT NOT NULL, owner TEXT NOT NULL, at TEXT NOT NULL,
    has_event INTEGER NOT NULL, is_drawn INTEGER NOT NULL, targets TEXT NOT NULL, content TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS done (
    rule TEXT NOT NULL, customer TEXT NOT NULL, done_at TEXT NOT NULL, PRIMARY KEY (rule, customer, done_at)
);
CREATE TABLE IF NOT EXISTS runs (rule TEXT PRIMARY KEY, day TEXT NOT NULL);
PRAGMA user_version = {_VERSION};
"""


class Entry(NamedTuple):
    """One customer on one list."""

    rule: str
    customer: str
    occasion: str
    day: str  # the first day after the data
    due: str
    file: str
    done_at: str = ""  # empty while open


class StoredList(NamedTuple):
    """One list: its path below the folder, and what is still to be published of it."""

    file: str
    rule: str
    day: str
    owner: str
    at: str  # when it was written, in UTC
    has_event: int  # whether it belongs in the calendar
    is_drawn: int  # whether that calendar has been written
    targets: str  # webhooks still to be posted to, separated by spaces
    content: str  # the JSON to post; empty if there are no targets


class Ledger:
    """The ledger of one folder of lists; write to it inside `writing` only."""

    def __init__(self, folder: Path, connection: sqlite3.Connection):
        self.folder, self._connection = folder, connection

    def is_listed(self, rule: str, customer: str, occasion: str) -> bool:
        """Whether a customer has been listed for an occasion."""
        query = "SELECT 1 FROM listed WHERE rule = ? AND customer = ? AND occasion = ?"
        return self._connection.execute(query, (rule, customer, occasion)).fetchone() is not None

    def is_quiet(self, customer: str, day: date, days: int) -> bool:
        """Whether a customer was on any list within fewer than `days` before or after a day."""
        query = "SELECT 1 FROM listed WHERE customer = ? AND day > ? AND day < ?"
        around = [str(day + timedelta(days=sign * days)) for sign in (-1, 1)]
        return days > 0 and self._connection.execute(query, (customer, *around)).fetchone() is not None

    def size(self, rule: str, day: date) -> int:
        """The number of customers on a rule's lists of a day."""
        query = "SELECT count(*) FROM listed WHERE rule = ? AND day = ?"
        return self._connection.execute(query, (rule, str(day))).fetchone()[0]

    def entries(self, rule: str | None = None) -> list[Entry]:
        """All entries, or those of one rule, the earliest due first."""
        clause, values = ("WHERE rule = ?", (rule,)) if rule is not None else ("", ())
        query = f"SELECT {', '.join(Entry._fields)} FROM listed {clause} ORDER BY due, customer, rule, occasion"
        return [Entry(*row) for row in self._connection.execute(query, values)]

    def files(self) -> list[StoredList]:
        """All lists, the oldest first."""
        rows = self._connection.execute(f"SELECT {', '.join(StoredList._fields)} FROM files ORDER BY day, rowid")
        return [StoredList(*row) for row in rows]

    def last_days(self) -> dict[str, date]:
        """The day of the last run of each rule."""
        return {rule: date.fromisoformat(day) for rule, day in self._connection.execute("SELECT rule, day FROM runs")}

    def record_run(self, rules: Iterable[str], day: date) -> None:
        """Record that the lists of a day were made, even if they are empty."""
        query = "INSERT INTO runs VALUES (?, ?) ON CONFLICT (rule) DO UPDATE SET day = max(day, excluded.day)"
        with self._connection:
            self._connection.executemany(query, [(rule, str(day)) for rule in rules])

    def add(self, file: StoredList, entries: Iterable[Entry]) -> None:
        """Record a list and its entries."""
        with self._connection:
            self._connection.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", file)
            self._connection.executemany("INSERT INTO listed VALUES (?, ?, ?, ?, ?, ?, ?)", entries)

    def mark_drawn(self, day: str) -> None:
        """Record that the calendar of a day contains all its lists."""
        with self._connection:
            self._connection.execute("UPDATE files SET is_drawn = 1 WHERE day = ?", (day,))

    def set_waiting(self, file: str, targets: Iterable[str]) -> None:
        """Record the webhooks still to be posted to; without any, the content is deleted."""
        left = " ".join(targets)
        with self._connection:
            query = "UPDATE files SET targets = ?, content = CASE WHEN ? = '' THEN '' ELSE content END WHERE file = ?"
            self._connection.execute(query, (left, left, file))

    def mark_done(self, rule: str, customer: str, done_at: str) -> bool:
        """Record that a customer was followed up; returns whether they are on a list of the rule.

        Without a date it applies to the lists that existed when it was first read.
        """
        with self._connection:
            query = "INSERT OR IGNORE INTO done VALUES (?, ?, ?)"
            is_new = self._connection.execute(query, (rule, customer, done_at)).rowcount > 0
            if is_new or done_at:
                self._connection.execute(
                    "UPDATE listed SET done_at = ? WHERE rule = ? AND customer = ? AND done_at = '' "
                    "AND (? = '' OR day <= date(?, '+1 day'))",  # a list's day is the day after its data
                    (done_at or "yes", rule, customer, done_at, done_at),
                )
        query = "SELECT 1 FROM listed WHERE rule = ? AND customer = ?"
        return self._connection.execute(query, (rule, customer)).fetchone() is not None


@contextmanager
def writing(folder: Path) -> Iterator[Ledger]:
    """The ledger of a folder of lists, locked for this run, after recovery from an interrupted one.

    Raises SettingsError if another run is at work, ReportError if the ledger cannot be used or was lost.
    """
    is_new = not folder.exists()
    with ExitStack() as stack:
        try:
            is_alone = stack.enter_context(output_lock(folder))
        except SettingsError as error:
            template = error.text.template.replace("No pack can", "No list can")
            raise SettingsError(template, **error.text.values) from None
        if not is_alone:
            raise ReportError(
                "{folder!r} lies where the system keeps no locks: two runs could list twice.", folder=str(folder)
            )
        if is_new:
            folder.chmod(0o700)  # names of customers: for this user only
        if not (folder / NAME).exists():
            _refuse_lost(folder)
        connection = stack.enter_context(opened(folder / NAME, "rwc"))
        (folder / NAME).chmod(0o600)
        if _is_new(folder, connection):
            connection.executescript(f"BEGIN;{_SCHEMA}COMMIT;")
        ledger = Ledger(folder, connection)
        _recover(ledger)
        yield ledger


@contextmanager
def reading(folder: Path) -> Iterator[Ledger]:
    """The ledger, read only; an empty one if nobody was ever listed."""
    if (folder / NAME).is_file():
        with opened_to_read(folder / NAME) as connection:
            if not _is_new(folder, connection):
                yield Ledger(folder, connection)
                return
    _refuse_lost(folder)
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(_SCHEMA)
        yield Ledger(folder, connection)


def _part_of(path: Path) -> Path:
    """The path of a file that is staged."""
    return path.with_name(f".{path.name}.part")


def stage_file(path: Path, content: str) -> None:
    """Write a private file, flushed to the disk, beside its final path; raises ReportError if that fails."""
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(part, content.encode("utf-8", "replace"))
        sync(part.parent)
        sync(part.parent.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        template = "No list can be written to {folder!r}: {reason}."
        raise ReportError(template, folder=str(path.parent), reason=error.strerror) from None


def publish(path: Path) -> None:
    """Rename a staged file to its final path; raises ReportError if that fails."""
    try:
        _part_of(path).replace(path)
        sync(path.parent)
    except OSError as error:
        template = "{file} cannot be put into {folder!r}: {reason}."
        raise ReportError(template, file=path.name, folder=str(path.parent), reason=error.strerror) from None


def _recover(ledger: Ledger) -> None:
    """Publish the staged lists of a killed run that the ledger contains, and delete the others."""
    listed = {stored.file for stored in ledger.files()}
    for part in ledger.folder.glob("*/.*.part"):
        path = part.with_name(part.name.removeprefix(".").removesuffix(".part"))
        if path.relative_to(ledger.folder).as_posix() in listed and not path.exists():
            publish(path)
        else:
            part.unlink(missing_ok=True)


def _is_new(folder: Path, connection: sqlite3.Connection) -> bool:
    """Whether a ledger is empty; raises ReportError if it is of a newer release, or was lost."""
    if version_of(folder / NAME, connection, _VERSION):
        return False
    _refuse_lost(folder)
    return True


def _refuse_lost(folder: Path) -> None:
    """Raise ReportError if there are lists but no ledger, or an empty one: everybody would be listed again."""
    digit = "[0-9]"
    if any(folder.glob(f"{digit * 4}-{digit * 2}-{digit * 2}/*.csv")):  # the folder of a day, unlike packs
        template = "The ledger in {folder!r} is empty although there are lists: restore it, or move the folder away."
        raise ReportError(template, folder=str(folder))
