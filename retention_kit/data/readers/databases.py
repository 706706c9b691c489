"""Reads database files of DuckDB and SQLite: opened read-only, copied from, and closed again.

Such a file may come from anybody, and its views are programs. So it is opened in a separate connection that can access
nothing but the file, and a view is run only if it does nothing but read the file's own tables.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING, Any

from retention_kit.data.engines.duckdb import SEAL, SEALED, DuckDB, track_connection
from retention_kit.data.engines.private_folders import private_path
from retention_kit.data.engines.sql_text import is_query, literal, quote
from retention_kit.data.readers.frames import Stream, register_cells
from retention_kit.errors import DataError, Listed, Phrase, did_you_mean, which_file

if TYPE_CHECKING:
    import duckdb

SUFFIXES = (".duckdb", ".db", ".sqlite", ".sqlite3")
# Limits for views of a small file, and more for each of its megabytes; tables have none.
SECONDS, ROWS, TEXT = 8, 500_000, 10**8  # ROWS and TEXT (characters in all rows) are for views of SQLite
_SECONDS_PER_MB, _ROWS_PER_MB, _TEXT_PER_MB = 1, 10**5, 10**7
_VALUE_BYTES = 16 * 2**20  # bytes of one value, or row, of SQLite
_ROWS_FACTOR = 10  # rows of a view of DuckDB at most, relative to the rows of all tables, plus a million
_CATALOG = "_theirs"  # the name of an attached database file
_LIMITS: dict[str, Any] = {"memory_limit": "2GB", "max_temp_directory_size": "20GB"}
# Functions that views may not use, besides table functions: some reveal information on the machine,
_FORBIDDEN_FUNCTIONS = {"getenv", "getvariable", "current_setting", "current_user", "query", "query_table", "error"}
# others return values of any length, which no limit of the engine prevents.
_FORBIDDEN_FUNCTIONS |= {
    "repeat", "lpad", "rpad", "printf", "format", "bar", "range", "generate_series", "list_resize",
    "array_resize",
}  # fmt: skip  # words by the line
_READ_ACTIONS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_LOADING_FUNCTIONS = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"}


def database_file(url: str, folder: Path) -> Path:
    """The file of an engine URL; `sqlite:///shop.sqlite` is relative to the folder of the retention.toml."""
    path = folder / url.partition(":///")[2]
    if not path.is_file():
        template = "There is no database {file!r} in {folder!r}: {hint}"
        raise DataError(template, file=path.name, folder=str(path.parent), hint=which_file(path, SUFFIXES))
    kind = url.partition(":")[0]
    if (actual := _kind(path)) != kind:
        template = "data.engine: {file} is a database of {found}, not of {kind}: write {found}:///…."
        raise DataError(template, file=path.name, found=actual, kind=kind)
    return path


def tables_in(path: Path) -> list[str]:
    """The tables and views of a database file, as `table` or `schema.table`."""
    if _kind(path) == "sqlite":
        with _sqlite(path) as connection:
            return _sqlite_tables(connection)
    with _duckdb(path) as connection:
        return _duckdb_tables(connection)


def read_database(engine: DuckDB, path: Path, text: str, name: str) -> str:
    """Copy a table, or the result of a query in the database's own SQL, to the engine; returns SQL that reads the copy.

    Raises DataError if the file is broken, or a view in it does more than read the file's tables.
    """
    if _kind(path) == "duckdb":
        _copy_duckdb(engine, path, text, name)
        return quote(name)
    with _sqlite(path) as connection:
        cursor = connection.execute(_query(path, text, _sqlite_tables(connection)))
        names = [column[0] for column in cursor.description or ()]
        rows = _sqlite_rows(path, cursor, connection.limited)
    for number, row in enumerate(rows, start=1):
        for column, value in zip(names, row, strict=True):
            if isinstance(value, bytes):
                template = "{file}: the column {column!r} holds bytes in row {number}: leave it out with a query."
                raise DataError(template, file=path.name, column=column, number=number)
    return register_cells(engine, name, names, rows)


def content_files(path: Path) -> list[Path]:
    """The files with a database's content: the file itself, and its write-ahead log."""
    files = path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}.wal")
    return [file for file in files if file.is_file()]


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"SQLite format 3\0"):
        return "sqlite"
    if head[8:12] == b"DUCK":
        return "duckdb"
    raise DataError("{file} is neither a DuckDB nor an SQLite database.", file=path.name)


def _query(path: Path, text: str, tables: list[str]) -> str:
    if is_query(text):
        return text.strip().rstrip(";")
    name = text.lower().removeprefix("main.")
    for table in tables:
        if table.lower() == name:
            return f"SELECT * FROM {'.'.join(map(quote, _parts(table)))}"
    raise DataError("{file} has no table {text!r}: {hint}", file=path.name, text=text, hint=did_you_mean(text, tables))


def _parts(table: str) -> list[str]:
    return table.split(".", 1)


def _copy_duckdb(engine: DuckDB, path: Path, text: str, name: str) -> None:
    with _duckdb(path) as connection:
        query = _query(path, text, _duckdb_tables(connection))
        through_views = _check_views(connection, path, query)
        row_limit = _row_limit(connection) if through_views else None
        query = f"SELECT * FROM ({query}\n)" + ("" if row_limit is None else f" LIMIT {row_limit + 1}")
        target, stream = f"{engine.catalog}.main.{quote(name)}", f"{name}_stream"
        deadline = _Deadline(_seconds(path), connection.interrupt)
        if through_views:
            deadline.start()
        try:
            engine.register(stream, Stream(connection.sql(query)))
            engine.run(f"CREATE TABLE {target} AS SELECT * FROM {quote(stream)}")
        except engine.error as error:
            if deadline.has_passed:
                template = "{file}: its view takes more than {seconds} seconds to read: make it a table."
                raise DataError(template, file=path.name, seconds=deadline.interval) from None
            raise error from None
        finally:
            deadline.cancel()
            engine.unregister(stream)
        if row_limit is not None and engine.rows(f"SELECT count(*) FROM {target}")[0][0] > row_limit:
            template = "{file}: its view gives more than {row_limit:,} rows: make it a table."
            raise DataError(template, file=path.name, row_limit=row_limit)


class _Deadline(Timer):
    """A timer that calls `interrupt`, and remembers that it has."""

    def __init__(self, seconds: float, interrupt: Callable[[], None]):
        super().__init__(seconds, self._pass)
        self.daemon, self.has_passed, self._interrupt = True, False, interrupt

    def _pass(self) -> None:
        self.has_passed = True
        self._interrupt()


def _scaled_limit(least: float, more: int, path: Path) -> float:
    """A limit for a file: `least`, and `more` for each megabyte."""
    return least + path.stat().st_size // 2**20 * more


def _seconds(path: Path) -> float:
    """The time limit for reading through views of a file."""
    return _scaled_limit(SECONDS, _SECONDS_PER_MB, path)


def _row_limit(connection: duckdb.DuckDBPyConnection) -> int:
    ((size,),) = connection.execute(
        f"SELECT coalesce(sum(estimated_size), 0) FROM duckdb_tables() WHERE database_name = '{_CATALOG}'"
    ).fetchall()
    return _ROWS_FACTOR * int(size) + 10**6


@contextmanager
def _duckdb(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A separate connection to a DuckDB file, without access to anything else."""
    import duckdb

    folder = private_path()
    try:
        with duckdb.connect(config=SEALED | _LIMITS | {"temp_directory": str(folder)}) as connection:
            connection.execute(f"ATTACH {literal(str(path))} AS {_CATALOG} (READ_ONLY)")
            connection.execute(f"SET TimeZone = 'UTC'; SET arrow_lossless_conversion = true; USE {_CATALOG}; {SEAL}")
            yield track_connection(connection)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _duckdb_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    matches = connection.execute(
        f"SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = '{_CATALOG}' ORDER "
        "BY ALL"
    ).fetchall()
    return [table if schema == "main" else f"{schema}.{table}" for schema, table in matches]


def _check_views(connection: duckdb.DuckDBPyConnection, path: Path, query: str) -> bool:
    """Whether a query reads through views of the file; raises DataError if one does more than read its tables.

    The query itself is the user's and not checked; the views may be from anybody.
    """

    def catalog_rows(columns: str) -> list[tuple]:
        return connection.execute(f"SELECT {columns} WHERE database_name = '{_CATALOG}'").fetchall()

    views = {
        _lowered(schema, name): sql
        for schema, name, sql in catalog_rows("schema_name, view_name, sql FROM duckdb_views()")
    }
    tables = {_lowered(*name) for name in catalog_rows("schema_name, table_name FROM duckdb_tables()")} | views.keys()
    macros = {name.lower() for (name,) in catalog_rows("function_name FROM duckdb_functions()")}
    functions = _parsed(connection, query)
    pending = [name for name in (_tables_read(functions, "main") if functions else views) if name in views]
    seen = set()
    while pending:
        if (view := pending.pop()) in seen:
            continue
        seen.add(view)
        tree = _parsed(connection, views[view].partition(" AS ")[2].rstrip("; \n"))
        read, functions = set(_tables_read(tree, view[0])), set(_functions(tree))
        forbidden = {".".join(name) for name in read - tables} | (functions & (macros | _FORBIDDEN_FUNCTIONS))
        forbidden |= {name for name in functions if name.endswith("()")}
        if tree is None or forbidden:
            outside = Listed(sorted(forbidden)) or Phrase("it cannot be told what")
            template = (
                "{file}: the view {view!r} reads more than the tables of its file ({outside}), so it is not run: "
                "make it a table."
            )
            raise DataError(template, file=path.name, view=view[1], outside=outside)
        pending += [name for name in read if name in views]
    return bool(seen)


def _lowered(*names: str) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _parsed(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """The syntax tree of a query; None if it cannot be parsed."""
    ((text,),) = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    try:
        tree = json.loads(text)
    except RecursionError:
        return None
    return None if tree.get("error") else tree


def _nodes(tree: Any) -> Iterator[dict]:
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            yield node
            pending += node.values()
        elif isinstance(node, list):
            pending += node


def _tables_read(tree: Any, schema: str) -> Iterator[tuple[str, ...]]:
    """The tables and views in a syntax tree as pairs of schema and name; `schema` is the default."""
    own = {str(part["key"]).lower() for node in _nodes(tree) for part in (node.get("cte_map") or {}).get("map", ())}
    own |= {str(node["cte_name"]).lower() for node in _nodes(tree) if "cte_name" in node}
    for node in _nodes(tree):
        if node.get("type") == "SHOW_REF":
            yield "", "show"
        if node.get("type") != "BASE_TABLE":
            continue
        catalog, where, name = _lowered(node["catalog_name"], node["schema_name"], node["table_name"])
        if catalog not in ("", _CATALOG):
            yield f"{catalog}.{where}", name
        elif where or name not in own:
            yield where or schema, name


def _functions(tree: Any) -> Iterator[str]:
    """The functions called in a syntax tree; table functions with parentheses."""
    for node in _nodes(tree):
        if node.get("type") == "TABLE_FUNCTION":
            yield f"{node['function'].get('function_name', '')}()".lower()
        elif node.get("class") == "FUNCTION":
            yield str(node.get("function_name", "")).lower()


def _sqlite_tables(connection: sqlite3.Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return [name for (name,) in connection.execute(query)]


def _sqlite_rows(path: Path, cursor: sqlite3.Cursor, through_views: list[str]) -> list[tuple]:
    """All rows of a query; raises DataError if a view gives more than a table of the file's size could have."""
    if not through_views:
        return cursor.fetchall()
    rows, size = [], 0
    most, longest = _scaled_limit(ROWS, _ROWS_PER_MB, path), _scaled_limit(TEXT, _TEXT_PER_MB, path)
    while part := cursor.fetchmany(10_000):
        rows += part
        size += sum(len(value) for row in part for value in row if isinstance(value, str | bytes))
        if len(rows) > most or size > longest:
            template = (
                "{file}: its view {view!r} gives more than {most:,} rows or {longest:,} characters: make it a table."
            )
            raise DataError(template, file=path.name, view=through_views[0], most=most, longest=longest)
    return rows


class _Sqlite(sqlite3.Connection):
    """A connection whose statements can only read tables and views; through views they have a deadline."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.seconds = float(SECONDS)
        self.limited: list[str] = []  # the views that are read
        self._until = 0.0
        self.execute("PRAGMA trusted_schema = OFF")
        self.execute("PRAGMA query_only = ON")
        self.execute("PRAGMA cell_size_check = ON")
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_BYTES)
        self.set_authorizer(self._authorize)
        self.set_progress_handler(self._is_over_deadline, 100_000)

    def _authorize(
        self, action: int, _first: str | None, second: str | None, _place: str | None, view: str | None
    ) -> int:
        """Called by SQLite while it prepares a statement; `view` is the view that an access comes from."""
        if action not in _READ_ACTIONS or (
            action == sqlite3.SQLITE_FUNCTION and str(second).lower() in _LOADING_FUNCTIONS
        ):
            return sqlite3.SQLITE_DENY
        if view and view not in self.limited:
            self.limited.append(view)
            self._until = self._until or monotonic() + self.seconds
        return sqlite3.SQLITE_OK

    def _is_over_deadline(self) -> bool:
        return bool(self._until) and monotonic() > self._until


@contextmanager
def _sqlite(path: Path) -> Iterator[_Sqlite]:
    """A connection that writes nothing: for a database in WAL mode without a log, it is opened as immutable."""
    with path.open("rb") as file:
        has_log = file.read(19)[18:] == b"\2"
    is_whole = has_log and not path.with_name(f"{path.name}-wal").exists()
    uri = f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if is_whole else ''}"
    try:
        with closing(sqlite3.connect(uri, uri=True, factory=_Sqlite)) as connection:
            connection.seconds = _seconds(path)
            yield connection
    except (sqlite3.Error, sqlite3.Warning, UnicodeDecodeError) as error:
        raise DataError("{file} cannot be read: {reason}.", file=path.name, reason=_reason(error, path)) from None


def _reason(error: Exception, path: Path) -> str:
    text = str(error).rstrip(".")
    if text == "interrupted":
        return Phrase("its view takes more than {seconds} seconds to read: make it a table", seconds=_seconds(path))
    if text == "not authorized":
        return Phrase("a query of it does more than read its tables")
    if isinstance(error, UnicodeDecodeError):
        return Phrase("a text in it is not UTF-8")
    return text
