"""Who has been on which list, for what, and what was done: kept for good, so that each occasion is listed once.

A list is on the disk beside its place before the ledger knows of it, and takes its place when the ledger does: what a
crash leaves beside is put in place where the ledger knows it, and else thrown away and made anew.
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
    day: str  # the first that the data did not know
    due: str
    file: str
    done_at: str = ""  # empty while it is to be done


class File(NamedTuple):
    """One list: where it lies below the folder, and what is still to be told of it."""

    file: str
    rule: str
    day: str
    owner: str
    at: str  # when it was written, in UTC
    has_event: int  # whether it stands in the calendar
    is_drawn: int  # whether that calendar has been written since
    targets: str  # webhooks that wait for it, with blanks between
    content: str  # what they are sent, as JSON; empty when nobody waits


class Ledger:
    """The ledger of one folder of lists; to be written to inside `writing` only."""

    def __init__(self, folder: Path, connection: sqlite3.Connection):
        self.folder, self._connection = folder, connection

    def knows(self, rule: str, customer: str, occasion: str) -> bool:
        """Whether a customer has been listed for this."""
        query = "SELECT 1 FROM listed WHERE rule = ? AND customer = ? AND occasion = ?"
        return self._connection.execute(query, (rule, customer, occasion)).fetchone() is not None

    def is_quiet(self, customer: str, day: date, days: int) -> bool:
        """Whether a customer was on any list less than so many days before or after a day."""
        query = "SELECT 1 FROM listed WHERE customer = ? AND day > ? AND day < ?"
        around = [str(day + timedelta(days=sign * days)) for sign in (-1, 1)]
        return days > 0 and self._connection.execute(query, (customer, *around)).fetchone() is not None

    def size(self, rule: str, day: date) -> int:
        """How many customers the lists of a day name."""
        query = "SELECT count(*) FROM listed WHERE rule = ? AND day = ?"
        return self._connection.execute(query, (rule, str(day))).fetchone()[0]

    def entries(self, rule: str | None = None) -> list[Entry]:
        """Everybody listed, or for one rule, the first due first."""
        which, values = ("WHERE rule = ?", (rule,)) if rule is not None else ("", ())
        query = f"SELECT {', '.join(Entry._fields)} FROM listed {which} ORDER BY due, customer, rule, occasion"
        return [Entry(*row) for row in self._connection.execute(query, values)]

    def files(self) -> list[File]:
        """All lists, the oldest first."""
        rows = self._connection.execute(f"SELECT {', '.join(File._fields)} FROM files ORDER BY day, rowid")
        return [File(*row) for row in rows]

    def last_days(self) -> dict[str, date]:
        """Of which day the last lists are that were asked for, by follow-up."""
        return {rule: date.fromisoformat(day) for rule, day in self._connection.execute("SELECT rule, day FROM runs")}

    def ran(self, rules: Iterable[str], day: date) -> None:
        """Write down that the lists of a day have been made, whether they name anybody or not."""
        query = "INSERT INTO runs VALUES (?, ?) ON CONFLICT (rule) DO UPDATE SET day = max(day, excluded.day)"
        with self._connection:
            self._connection.executemany(query, [(rule, str(day)) for rule in rules])

    def add(self, file: File, entries: Iterable[Entry]) -> None:
        """Write down a list with everybody on it; from here on they have been listed."""
        with self._connection:
            self._connection.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", file)
            self._connection.executemany("INSERT INTO listed VALUES (?, ?, ?, ?, ?, ?, ?)", entries)

    def drawn(self, day: str) -> None:
        """Write down that the calendar of a day holds all its lists."""
        with self._connection:
            self._connection.execute("UPDATE files SET is_drawn = 1 WHERE day = ?", (day,))

    def wait(self, file: str, targets: Iterable[str]) -> None:
        """Write down which webhooks still wait for a list; with none, what they were sent is forgotten."""
        left = " ".join(targets)
        with self._connection:
            query = "UPDATE files SET targets = ?, content = CASE WHEN ? = '' THEN '' ELSE content END WHERE file = ?"
            self._connection.execute(query, (left, left, file))

    def mark_done(self, rule: str, customer: str, done_at: str) -> bool:
        """Write down that a customer was followed up; whether they were on a list by then.

        Without a date it speaks of the lists of before it was read for the first time.
        """
        with self._connection:
            query = "INSERT OR IGNORE INTO done VALUES (?, ?, ?)"
            is_new = self._connection.execute(query, (rule, customer, done_at)).rowcount > 0
            if is_new or done_at:
                self._connection.execute(
                    "UPDATE listed SET done_at = ? WHERE rule = ? AND customer = ? AND done_at = '' "
                    "AND (? = '' OR day <= date(?, '+1 day'))",  # a list is of the day after the last that is known
                    (done_at or "yes", rule, customer, done_at, done_at),
                )
        query = "SELECT 1 FROM listed WHERE rule = ? AND customer = ?"
        return self._connection.execute(query, (rule, customer)).fetchone() is not None


@contextmanager
def writing(folder: Path) -> Iterator[Ledger]:
    """The ledger of a folder of lists, for this run alone; what an earlier one left half done is settled first.

    Raises SettingsError where another run is at work, ReportError where the ledger cannot be used or was lost.
    """
    is_new = not folder.exists()
    with ExitStack() as held:
        try:
            is_alone = held.enter_context(output_lock(folder))
        except SettingsError as error:
            template = error.text.template.replace("No pack can", "No list can")
            raise SettingsError(template, **error.text.values) from None
        if not is_alone:
            raise ReportError(
                "{folder!r} lies where the system keeps no locks: two runs could list twice.", folder=str(folder)
            )
        if is_new:
            folder.chmod(0o700)  # customers by name: for whoever made it
        if not (folder / NAME).exists():
            _refuse_lost(folder)
        connection = held.enter_context(opened(folder / NAME, "rwc"))
        (folder / NAME).chmod(0o600)
        if _is_new(folder, connection):
            connection.executescript(f"BEGIN;{_SCHEMA}COMMIT;")
        ledger = Ledger(folder, connection)
        _settle(ledger)
        yield ledger


@contextmanager
def reading(folder: Path) -> Iterator[Ledger]:
    """The ledger as it stands, for looking at; an empty one where nobody was ever listed."""
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
    """Where a file lies until it is whole."""
    return path.with_name(f".{path.name}.part")


def write_beside(path: Path, content: str) -> None:
    """Write what is to become a file beside its place, for this user's eyes, and on the disk; raises ReportError."""
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(part, content.encode("utf-8", "replace"))
        sync(part.parent)
        sync(part.parent.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ReportError(
            "No list can be written to {folder!r}: {reason}.", folder=str(path.parent), reason=error.strerror
        ) from None


def put_in_place(path: Path) -> None:
    """Give a file that was written beside its place its name."""
    try:
        _part_of(path).replace(path)
        sync(path.parent)
    except OSError as error:
        raise ReportError(
            "{file} cannot be put into {folder!r}: {reason}.",
            file=path.name,
            folder=str(path.parent),
            reason=error.strerror,
        ) from None


def _settle(ledger: Ledger) -> None:
    """Put the lists in place that a killed run had written down, and remove those that it had not."""
    known = {one.file for one in ledger.files()}
    for part in ledger.folder.glob("*/.*.part"):
        path = part.with_name(part.name.removeprefix(".").removesuffix(".part"))
        if path.relative_to(ledger.folder).as_posix() in known and not path.exists():
            put_in_place(path)
        else:
            part.unlink(missing_ok=True)


def _is_new(folder: Path, connection: sqlite3.Connection) -> bool:
    """Whether a ledger holds nothing yet; raises ReportError where it is newer than us, or was lost."""
    if version_of(folder / NAME, connection, _VERSION):
        return False
    _refuse_lost(folder)
    return True


def _refuse_lost(folder: Path) -> None:
    """Raise ReportError where lists lie beside no ledger, or an empty one: everybody would be listed again."""
    digit = "[0-9]"
    if any(folder.glob(f"{digit * 4}-{digit * 2}-{digit * 2}/*.csv")):  # of a day, unlike packs
        raise ReportError(
            "The ledger in {folder!r} is empty although there are lists: restore it, or move the folder away.",
            folder=str(folder),
        )
