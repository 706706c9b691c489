"""Ledgers in SQLite of what was sent and who was listed: every step is on the disk before the next is taken."""

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
    """A ledger; `mode` is ro, rw or rwc, which makes it. Raises ReportError where it cannot be used."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=30)
        connection.text_factory = lambda text: text.decode("utf-8", "replace")  # a broken one is no end
        try:
            connection.execute("PRAGMA synchronous = FULL")  # with it, each step stays, also when the power goes
            yield connection
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter of what it says of a broken one
        said = " ".join(str(error).split())
        raise ReportError(
            "The ledger in {folder!r} cannot be used: {said}.", folder=str(path.parent), said=said
        ) from error


@contextmanager
def opened_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """A ledger as it stands, also where we may not write."""
    # What a killed run was writing lies beside the ledger, and is taken back by whoever opens it next.
    is_cut = path.with_name(f"{path.name}-journal").exists() and os.access(path.parent, os.W_OK)
    with opened(path, "rw" if is_cut else "ro") as connection:
        yield connection


def version_of(path: Path, connection: sqlite3.Connection, newest: int) -> int:
    """The version of a ledger, 0 where it is new; raises ReportError where it is newer than `newest`."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > newest:
        raise ReportError(
            "The ledger in {folder!r} was written by a newer retention-kit: upgrade this one.", folder=str(path.parent)
        )
    return version


def sync(folder: Path) -> None:
    """The names in a folder are on the disk."""
    if os.name != "nt":  # Windows opens no folders
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def now() -> str:
    """The time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
