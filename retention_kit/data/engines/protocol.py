"""The interface of database engines: a few methods that run SQL."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.engines.duckdb import DuckDB


class Engine(Protocol):
    """Where queries run: embedded DuckDB, PostgreSQL or Spark.

    `run`, `frame` and `rows` take our SQL: a subset of DuckDB's, which the other engines transpile (`dialects.py`).
    `types` and `define` take SQL in the engine's own dialect, in which users write their expressions.
    Every method that runs a query raises one of `error` where the database refuses it.
    """

    dialect: str  # of users' expressions: duckdb, postgres or spark
    row_digest: str  # SQL of a number or text that two rows of `_theirs` share only if they are alike
    database: str  # in whose catalogue tables are found by name; empty for the embedded engine
    error: type[Exception] | tuple[type[Exception], ...]
    embedded: DuckDB  # reads files and frames; the embedded engine itself, or the one beside another engine
    prepared: dict[str, object]  # which shared views exist at the moment, by name
    lock: RLock  # held while shared views are in use: the explorer's thread and the cells of a notebook both ask

    def run(self, sql: str, **parts: str) -> None:
        """Run a statement of ours; a table or view that it creates replaces one of the same name.

        `$name` placeholders in `sql` are filled from `parts`: SQL made by the package, never data.
        Engines other than DuckDB take one statement at a time.
        """

    def frame(self, sql: str, **parts: str) -> pd.DataFrame:
        """The rows of a query of ours as a DataFrame, with the dtypes that DuckDB gives.

        `$name` placeholders in `sql` are filled from `parts`.
        All rows are held in memory: for summaries, not for raw tables.
        """
        ...

    def rows(self, sql: str, **parts: str) -> list[tuple]:
        """The rows of a small query of ours as plain tuples.

        `$name` placeholders in `sql` are filled from `parts`.
        Rows come in the order that the query asks for, else in any.
        """
        ...

    def keeps_order(self, sql: str, **parts: str) -> bool:
        """Whether the table that a statement of ours makes is sure to have `rowid`s in the order the rows came."""
        ...

    def types(self, relation: str) -> dict[str, str]:
        """Column names and SQL types of a relation, in order, without reading its rows.

        `relation` is a table, view or parenthesised query in the engine's own dialect.
        Types are named as DuckDB names them; what it has no name for is VARCHAR.
        """
        ...

    def define(self, name: str, query: str) -> None:
        """Make the rows of a query readable as `name`, as they are now and in the order they come.

        `query` is in the engine's own dialect. DuckDB makes a view, since files do not change while they are read;
        other engines copy the rows.
        """

    def upload(self, name: str, relation: str) -> str:
        """Make a relation of the embedded engine readable here, as `name`; give the SQL that reads it.

        `relation` is a table, view or parenthesised query in DuckDB's SQL.
        The embedded engine gives it back unchanged.
        """
        ...

    def quote(self, name: str) -> str:
        """A column's name as an identifier in the engine's own dialect.

        Any character is allowed in `name`; PostgreSQL names longer than 63 bytes
        become their beginning with a digest.
        """
        ...

    def register(self, name: str, frame: object) -> None:
        """Make a DataFrame, or an Arrow table or stream, readable as `name`.

        DuckDB reads pandas columns in place; PostgreSQL and Spark upload them.
        A stream can be read once only.
        """

    def unregister(self, name: str) -> None:
        """Release what was registered as `name`.

        Nothing happens where there is no such name.
        Frames themselves stay as they are.
        """

    def interrupt(self) -> None:
        """End the running query, from another thread: it raises one of `error`.

        The next query works again.
        Without a running query nothing happens.
        """
