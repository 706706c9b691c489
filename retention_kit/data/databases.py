"""Databases in a file, DuckDB's and SQLite's: opened to read, copied from, and closed again."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from retention_kit.data.engine import Engine, literal, quote
from retention_kit.data.frames import register_cells
from retention_kit.errors import DataError, did_you_mean

SUFFIXES = (".duckdb", ".db", ".sqlite", ".sqlite3")
_THEIRS = "_theirs"  # what a database file is called while it is open


def is_query(text: str) -> bool:
    """Whether a source is a query of the user's rather than the name of a table."""
    return bool(re.match(r"\s*(SELECT|WITH|FROM)\s", text, re.IGNORECASE))


def file_of(url: str, folder: Path) -> Path:
    """The file that an engine URL names: `sqlite:///shop.sqlite` lies beside the retention.toml."""
    path = folder / url.partition(":///")[2]
    if not path.is_file():
        near = [found.name for found in path.parent.glob("*")] if path.parent.is_dir() else []
        raise DataError(f"There is no database {path.name!r} in {str(path.parent)!r}: {did_you_mean(path.name, near)}")
    kind = url.partition(":")[0]
    if (found := _kind(path)) != kind:
        raise DataError(f"data.engine: {path.name} is a database of {found}, not of {kind}: write {found}:///….")
    return path


def tables_in(engine: Engine, path: Path) -> list[str]:
    """The tables and views of a database file, as `table` or `schema.table`."""
    if _kind(path) == "sqlite":
        with _sqlite(path) as connection:
            return _sqlite_tables(connection)
    with _attached(engine, path):
        return _duckdb_tables(engine)


def read_database(engine: Engine, path: Path, text: str, name: str) -> str:
    """Copy a table, or the result of a query in the database's own SQL, onto the engine; SQL that reads the copy."""
    if _kind(path) == "duckdb":
        with _attached(engine, path):
            query = _query(path, text, _duckdb_tables(engine))
            engine.run(f"CREATE TABLE {engine.catalog}.main.{quote(name)} AS SELECT * FROM ({query}\n)")
        return quote(name)
    with _sqlite(path) as connection:
        cursor = connection.execute(_query(path, text, _sqlite_tables(connection)))
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchall()
    for number, row in enumerate(rows, start=1):
        for column, value in zip(names, row, strict=True):
            if isinstance(value, bytes):
                raise DataError(
                    f"{path.name}: the column {column!r} holds bytes in row {number}: leave it out with a query."
                )
    return register_cells(engine, name, names, rows)


def fingerprinted(path: Path) -> list[Path]:
    """The files that a database's content is in: its own, and its log of what is not yet in there."""
    return [
        found
        for found in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}.wal"))
        if found.is_file()
    ]


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"SQLite format 3\0"):
        return "sqlite"
    if head[8:12] == b"DUCK":
        return "duckdb"
    raise DataError(f"{path.name} is neither a DuckDB nor an SQLite database.")


def _query(path: Path, text: str, tables: list[str]) -> str:
    if is_query(text):
        return text.strip().rstrip(";")
    wanted = text.lower().removeprefix("main.")
    for table in tables:
        if table.lower() == wanted:
            return f"SELECT * FROM {'.'.join(map(quote, _parts(table)))}"
    raise DataError(f"{path.name} has no table {text!r}: {did_you_mean(text, tables)}")


def _parts(table: str) -> list[str]:
    return table.split(".", 1)


def _duckdb_tables(engine: Engine) -> list[str]:
    found = engine.rows(
        f"SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = '{_THEIRS}' ORDER BY ALL"
    )
    return [table if schema == "main" else f"{schema}.{table}" for schema, table in found]


def _sqlite_tables(connection: sqlite3.Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return [name for (name,) in connection.execute(query)]


@contextmanager
def _attached(engine: Engine, path: Path) -> Iterator[None]:
    engine.run(f"ATTACH {literal(str(path))} AS {_THEIRS} (READ_ONLY)")
    try:
        engine.run(f"USE {_THEIRS}")
        yield
    finally:
        engine.run(f"USE {engine.catalog}")
        engine.run(f"DETACH {_THEIRS}")


@contextmanager
def _sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that writes nothing: one to a database with a write-ahead log would, unless the log is there already."""
    with path.open("rb") as file:
        has_log = file.read(19)[18:] == b"\2"
    is_whole = has_log and not path.with_name(f"{path.name}-wal").exists()
    uri = f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if is_whole else ''}"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise DataError(f"{path.name} cannot be read: {str(error).rstrip('.')}.") from None
