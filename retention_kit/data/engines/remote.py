"""Common parts of PostgreSQL and Spark: an additional embedded engine, and tables by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from threading import RLock

from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.protocol import Engine


class RemoteEngine(Engine, ABC):
    """An engine whose database has tables of users."""

    def __init__(self, error: type[Exception], memory_limit: str | None, files: Iterable[Path]):
        """`error` is what its queries raise; `memory_limit` and `files` are those of the embedded engine."""
        import duckdb

        self.embedded = DuckDB(memory_limit, files)
        self.error = (error, duckdb.Error)
        self.prepared = {}
        self.lock = RLock()

    @abstractmethod
    def find_table(self, text: str) -> str:
        """SQL of the table or view of a name, as `table` or `schema.table`, or of a query of the user's.

        Raises DataError, with the nearest name, where there is none.
        """

    @abstractmethod
    def list_tables(self) -> list[str]:
        """The tables and views that need no schema."""

    @abstractmethod
    def digest(self, name: str) -> str:
        """SHA-256 of what was defined as `name`: the same for the same rows in the same order, by which ties are
        settled.
        """

    def is_native(self, frame: object) -> bool:  # noqa: ARG002, only Spark has frames of its own
        """Whether only this engine can read a frame; others are read by the embedded one and uploaded."""
        return False

    def keeps_order(self, sql: str, **parts: str) -> bool:  # noqa: ARG002
        """Never: tables of a database have no order."""
        return False
