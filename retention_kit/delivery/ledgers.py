"""SQLite ledgers of sent messages and listed customers: every step is on the disk before the next begins."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from retention_kit.errors import ReportError


@contextmanager
def opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """A ledger; `mode` is ro, rw or rwc (create). Raises ReportError if it cannot be used."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=30)
        connection.text_factory = lambda text: text.decode("utf-8", "replace")  # tolerate invalid UTF-8
        try:
            connection.execute("PRAGMA synchronous = FULL")  # each step survives a power failure
            yield connection
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter from SQLite's message about a damaged file
        reason = " ".join(str(error).split())
        template = "The ledger in {folder!r} cannot be used: {said}."
        raise ReportError(template, folder=str(path.parent), said=reason) from error


@contextmanager
def opened_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """A ledger, read only, also where we may not write."""
    # A killed run leaves its journal beside the ledger; opening for writing rolls it back.
    has_journal = path.with_name(f"{path.name}-journal").exists() and os.access(path.parent, os.W_OK)
    with opened(path, "rw" if has_journal else "ro") as connection:
        yield connection


def version_of(path: Path, connection: sqlite3.Connection, newest: int) -> int:
    """The version of a ledger, 0 if new; raises ReportError if it is newer than `newest`."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > newest:
        template = "The ledger in {folder!r} was written by a newer retention-kit: upgrade this one."
        raise ReportError(template, folder=str(path.parent))
    return version


def sync(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    if os.name != "nt":  # Windows opens no folders
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def now() -> str:
    """The time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
