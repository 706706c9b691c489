"""The embedded engine: DuckDB in this process, which reads files and frames.

It can read only the files that it is created for, whatever SQL a user's expression contains.
"""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from retention_kit.data.engines.private_folders import private_path
from retention_kit.data.engines.sql_text import fill_placeholders, literal, path_literal, quote
from retention_kit.errors import DataError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


_running: weakref.WeakSet[Any] = weakref.WeakSet()  # connections with a query that may be running


def track_connection(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Register a connection for `interrupt_all`, and return it."""
    _running.add(connection)
    return connection


def interrupt_all() -> None:
    """Interrupt all running queries of this process from another thread, as Python gets no signals during a query."""
    for connection in [*_running]:
        with suppress(Exception):  # it may have been closed
            connection.interrupt()


# No extensions, no stored secrets of the user, no variables of this program.
SEALED: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
}
# Run last: what is not allowed by then stays forbidden. The folder for spilled data is always allowed.
SEAL = "SET enable_external_access = false; SET lock_configuration = true"

_KEPT = "_kept"  # the name of an attached file of saved tables
MOST_OPEN = 200  # files of `kept_texts`; a process may often open a thousand only

# Functions with the same name on all engines.
_MACROS = """
CREATE MACRO as_number(value) AS TRY_CAST(value AS DOUBLE);
CREATE MACRO ordered_sum(value) AS SUM(value ORDER BY value);
CREATE MACRO local_time(instant, zone) AS timezone(zone, instant);
CREATE MACRO instant_at(local_time, zone) AS timezone(zone, local_time);
-- Decimals of up to 18 digits, which hold amounts below a million with six decimals, take a fifth of the time of
-- longer ones.
CREATE MACRO whole_units(value, units) AS coalesce(
    TRY_CAST(round(TRY_CAST(value AS DECIMAL(12, 6)) * units) AS BIGINT),
    TRY_CAST(round(TRY_CAST(value AS DECIMAL(28, 6)) * units) AS BIGINT)
);
"""


class DuckDB:
    """One embedded DuckDB database, an `Engine`; frames are read in place, without a copy."""

    dialect = "duckdb"
    database = ""
    row_digest = "hash(_theirs)"
    catalog = "memory"  # which holds our tables

    def __init__(self, memory_limit: str | None = None, files: Iterable[Path] = (), kept: Iterable[Path] = ()):
        """`memory_limit`, such as 6GB, limits the memory for tables; the rest is stored on disk.

        Without it tables are held in memory. `files` are those that can be read, `kept` the folders for `save_tables`
        and `open_tables`.
        """
        import duckdb

        self.error: type[Exception] | tuple[type[Exception], ...] = duckdb.Error
        self.embedded = self
        self.prepared: dict[str, object] = {}
        self._types: dict[str, dict[str, str]] = {}  # of relations, until a statement may change one
        self.lock = RLock()
        self.copy_folder = private_path()  # for temporary copies of files
        # By table of a text file: where its rows are to be kept (see text_cache), and where they are read.
        self.text_folders: dict[str, tuple[str, Path, Path]] = {}
        self.kept_texts: dict[str, tuple[Path, list[int]]] = {}
        folder = private_path()
        config: dict[str, Any] = SEALED | {"temp_directory": str(folder / "spilled" if memory_limit else folder)}
        if memory_limit:
            config["memory_limit"] = memory_limit
        self._connection = track_connection(duckdb.connect(config=config))
        if memory_limit:
            self._attach_file(folder)
        # compressed_materialization: in DuckDB 2.0.0 a sum beside a join with an empty table overflows (93 for 349).
        # pandas_analyze_sample: the type of a column of Python objects is that of all values; from a sample, a 7.5
        # among whole numbers could be read as 7.
        self.run(
            "SET disabled_optimizers = 'compressed_materialization'; SET TimeZone = 'UTC'; "
            "SET pandas_analyze_sample = 9_000_000_000_000_000_000"
        )
        self.run(_MACROS)
        paths = ", ".join(form for file in files for form in (literal(str(file)), path_literal(file)))
        folders = ", ".join(literal(str(folder)) for folder in (self.copy_folder, *kept))
        self.run(f"SET allowed_paths = [{paths}]; SET allowed_directories = [{folders}]; {SEAL}")

    def _attach_file(self, folder: Path) -> None:
        """Store tables in a file: pages that leave memory need not be written again, as spilled ones are."""
        import duckdb

        weakref.finalize(self, _close, self._connection, folder, os.getpid())
        self.catalog = "_ours"  # not the name of a user's schema or table
        # Compressing takes longer than reading the source.
        self.run("SET force_compression = 'uncompressed'")
        try:
            folder.mkdir(mode=0o700)
            self.run(f"ATTACH {literal(str(folder / self.catalog))} AS {self.catalog} (RECOVERY_MODE NO_WAL_WRITES)")
        except (OSError, duckdb.Error) as error:
            raise DataError("What memory_limit leaves no room for cannot be written: {error}.", error=error) from None
        self.run(f"USE {self.catalog}")

    def run(self, sql: str, **parts: str) -> None:
        """Run statements; `$name` placeholders are replaced by SQL of this package, never by data."""
        self._types.clear()
        with _raise_interrupts():
            self._connection.execute(fill_placeholders(sql, parts))

    def frame(self, sql: str, **parts: str) -> pd.DataFrame:
        """The rows of a query as a DataFrame."""
        import warnings

        with _raise_interrupts():
            result = self._connection.execute(fill_placeholders(sql, parts))
            if all(str(kind) != "TIMESTAMP WITH TIME ZONE" for _, kind, *_ in result.description):
                return result.df()
            # Only here, since restoring the filters of the process could undo those set by another thread's import.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # raised by DuckDB for times with a zone
                return result.df()

    def arrow(self, sql: str) -> object:
        """The rows of a query as an Arrow table."""
        with _raise_interrupts():
            return self._connection.sql(sql).to_arrow_table()

    def rows(self, sql: str, **parts: str) -> list[tuple]:
        """The rows of a small query as plain tuples."""
        with _raise_interrupts():
            return self._connection.execute(fill_placeholders(sql, parts)).fetchall()

    def keeps_order(self, sql: str, **parts: str) -> bool:
        """Whether no step of a statement's plan changes the order of rows, as the join for a long IN list would."""
        plan = str(self.rows(f"EXPLAIN {sql}", **parts)).lower()
        return not any(step in plan for step in ("join", "product", "group", "aggregate", "window", "distinct"))

    def types(self, relation: str) -> dict[str, str]:
        """Column names and SQL types of a table, view or parenthesised query."""
        if (known := self._types.get(relation)) is None:
            known = {name: kind for name, kind, *_ in self.rows(f"DESCRIBE SELECT * FROM {relation}")}
            self._types[relation] = known
        return dict(known)

    def define(self, name: str, query: str) -> None:
        """Create a view of a query in DuckDB's SQL."""
        self.run(f"CREATE VIEW {name} AS {query}")

    def upload(self, name: str, relation: str) -> str:  # noqa: ARG002, the name is for engines that copy
        """The relation itself, since this engine reads files and frames in place."""
        return relation

    def quote(self, name: str) -> str:
        """A column's name in this engine's SQL."""
        return quote(name)

    def register(self, name: str, frame: object) -> None:
        """Make a DataFrame or an Arrow stream readable as `name`."""
        self._types.clear()
        self._connection.register(name, frame)

    def unregister(self, name: str) -> None:
        """Release what was registered as `name`."""
        self._types.clear()
        self._connection.unregister(name)

    def save_tables(self, path: Path) -> list[str]:
        """Copy all tables except those of `kept_texts`, and registered frames, into a new file.

        Returns the SQL of the views on them, in order.
        """
        tables = self.rows(
            "SELECT database_name, table_name FROM duckdb_tables() "
            f"WHERE NOT internal AND NOT starts_with(database_name, '{_KEPT}') UNION ALL "
            "SELECT database_name, view_name FROM duckdb_views() WHERE NOT internal AND temporary"
        )
        with self._attached(path, "RECOVERY_MODE NO_WAL_WRITES"):
            for catalog, name in tables:
                self.run(f"CREATE TABLE {_KEPT}.main.{quote(name)} AS FROM {catalog}.main.{quote(name)}")
        views = "SELECT sql FROM duckdb_views() WHERE NOT internal AND NOT temporary ORDER BY view_oid"
        return [sql for (sql,) in self.rows(views)]

    def save_table(self, path: Path, name: str) -> None:
        """Copy one table into a new file."""
        with self._attached(path, "RECOVERY_MODE NO_WAL_WRITES"):
            self.run(f"CREATE TABLE {_KEPT}.main.kept AS FROM {self.catalog}.main.{quote(name)}")

    def read_kept(self, path: Path, checksums: list[int], name: str) -> None:
        """Read a table of `save_table` in place, under a name; raises one of `error`.

        From MOST_OPEN on tables are copied, since each that is read in place keeps a file open.
        """
        if len(self.kept_texts) >= MOST_OPEN:
            with self._attached(path, "READ_ONLY"):
                self.run(f"CREATE OR REPLACE TABLE {name} AS FROM {_KEPT}.main.kept")
            return
        attached = next((other for other, (file, _) in self.kept_texts.items() if file == path), None)
        if attached is None:
            attached = name
            self._attach_kept(path, name)
            self.kept_texts[name] = path, checksums
        self.run(f"DROP TABLE IF EXISTS {name}; CREATE VIEW {name} AS FROM {_KEPT}{attached}.main.kept")

    def _attach_kept(self, path: Path, name: str = "") -> None:
        self.run(f"ATTACH {literal(str(path))} AS {_KEPT}{name} (READ_ONLY)")

    @contextmanager
    def _attached(self, path: Path, option: str) -> Iterator[None]:
        self.run(f"ATTACH {literal(str(path))} AS {_KEPT} ({option})")
        try:
            yield
        finally:
            self.run(f"DETACH {_KEPT}")

    def open_tables(self, path: Path, views: Iterable[str], texts: Mapping[str, Path]) -> None:
        """Read the tables of `save_tables` and the files of `texts`, by name, in place; raises one of `error`."""
        attached: list[str] = []
        try:
            for name, file in {"": path, **texts}.items():
                self._attach_kept(file, name)
                attached.append(name)
            self.run(f"SET search_path = '{self.catalog}.main,{_KEPT}.main'; BEGIN")
            for view in views:
                self.run(view)
            self.run("COMMIT")
        except self.error:
            with suppress(Exception):  # nothing was begun
                self.run("ROLLBACK")
            self.run("; ".join([f"USE {self.catalog}.main", *(f"DETACH {_KEPT}{name}" for name in attached)]))
            raise

    def interrupt(self) -> None:
        """Interrupt the running query, from another thread."""
        self._connection.interrupt()


@contextmanager
def _raise_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt for Ctrl-C in a query, where DuckDB raises another error."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from None
        raise


def _close(connection: duckdb.DuckDBPyConnection, folder: Path, process: int) -> None:
    """Close an engine and delete the folder of its tables; not in a fork."""
    if os.getpid() == process:
        try:
            connection.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
