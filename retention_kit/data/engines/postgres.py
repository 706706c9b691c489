"""A PostgreSQL database as engine: cleaning and summaries run there, in tables of one session that end with it.

Nothing is written into the user's schemas: raw rows are copied once into a temporary table, since theirs may change
meanwhile, and all that follows is temporary too. So a user who may only read suffices, with the privilege TEMP.
Their tables, views and queries are read in a read-only transaction: functions behind them write nothing.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from retention_kit.data.engines.dialects import Statement, shorten_name, transpile
from retention_kit.data.engines.remote import RemoteEngine
from retention_kit.data.engines.sql_text import fill_placeholders, is_query, quote
from retention_kit.errors import DataError, did_you_mean
from retention_kit.lazy import pd

# Whatever the server or the user has set: times and texts are read one way, rows come in one order.
_SESSION = """
SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET standard_conforming_strings = on; SET synchronize_seqscans = off; SET max_parallel_workers_per_gather = 0;
SET jit = off;
SET work_mem = '64MB'; SET temp_buffers = '64MB';
"""
# No statement runs for ever, whatever a view of theirs says; a limit that the server or the user has set stays.
_LIMIT = "SELECT set_config('statement_timeout', '1h', false) WHERE current_setting('statement_timeout') = '0'"
# In a read-only transaction no table can be made, and to insert into one would mix up the order of the rows. So the
# transaction becomes one before the first row is read, and nothing in it can take that back.
_TURN_READ_ONLY = "(SELECT set_config('transaction_read_only', 'on', true)) = 'on'"
# What is temporary comes first where a search path does not name it; theirs is found before ours of the same name is
# made.
_PATH = """
SELECT set_config('search_path', coalesce(string_agg(quote_ident(schema), ', ' ORDER BY place), ''), false)
FROM unnest(current_schemas(false)) WITH ORDINALITY AS path(schema, place) WHERE schema NOT LIKE 'pg\\_temp%'
"""
_KINDS = {  # PostgreSQL's types by number, as DuckDB calls them; all others are taken as text
    16: "BOOLEAN", 20: "BIGINT", 21: "SMALLINT", 23: "INTEGER", 700: "FLOAT", 701: "DOUBLE", 1700: "DECIMAL",
    1082: "DATE", 1114: "TIMESTAMP", 1184: "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip  # words by the line
_COLUMNS = {  # DuckDB's types as columns of PostgreSQL; all others are uploaded as text
    "BOOLEAN": "boolean", "TINYINT": "smallint", "SMALLINT": "smallint", "UTINYINT": "smallint", "INTEGER": "integer",
    "USMALLINT": "integer", "BIGINT": "bigint", "UINTEGER": "bigint", "UBIGINT": "numeric", "HUGEINT": "numeric",
    "FLOAT": "real", "DOUBLE": "double precision", "DECIMAL": "numeric", "DATE": "date", "TIMESTAMP": "timestamp",
    "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp", "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
}  # fmt: skip  # words by the line
_DTYPES = {  # as DuckDB's frames have them: without and with missing values
    "BOOLEAN": ("bool", "boolean"), "BIGINT": ("int64", "Int64"), "SMALLINT": ("int16", "Int16"),
    "INTEGER": ("int32", "Int32"), "FLOAT": ("float32", "float32"), "DOUBLE": ("float64", "float64"),
    "DECIMAL": ("float64", "float64"), "DATE": ("datetime64[us]",) * 2, "TIMESTAMP": ("datetime64[us]",) * 2,
    "TIMESTAMP WITH TIME ZONE": ("datetime64[us, UTC]",) * 2, "VARCHAR": ("str", "str"),
}  # fmt: skip  # words by the line
_TABLES = """
SELECT n.nspname, c.relname, pg_table_is_visible(c.oid) FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
ORDER BY 3 DESC, 1, 2
"""


class PostgresError(Exception):
    """The first line of the database's message, without statement and address."""


class Postgres(RemoteEngine):
    """A session of a PostgreSQL database."""

    dialect = "postgres"
    row_digest = "hashtextextended(CAST(_theirs AS text), 0)"

    def __init__(self, bind: Any, memory_limit: str | None = None, files: Iterable[Path] = ()):
        """`bind` is an SQLAlchemy engine; the session is a connection of its own. The others are the embedded
        engine's.
        """
        super().__init__(PostgresError, memory_limit, files)
        self.database = f"{bind.url.host or 'localhost'}/{bind.url.database or ''}"
        self._full_names: dict[str, str] = {}  # names that PostgreSQL would have cut
        try:
            self._connection = bind.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True)
        except Exception as error:
            template = "{database} cannot be reached: {reason}"
            raise DataError(template, database=self.database, reason=_first_line(error)) from None
        self._driver = self._connection.connection.driver_connection
        _read_all_times(self._driver)
        self._connection.detach()  # a pool would keep the session, and with it the tables
        weakref.finalize(self, self._connection.close)
        try:
            self._execute(_SESSION)
            self._execute(_LIMIT)
            self._execute(_PATH)
            self._execute(
                resources.files("retention_kit.data.engines").joinpath("sql", "postgres.sql").read_text("utf-8")
            )
        except PostgresError as error:
            template = (
                "{database} allows no temporary tables, which the figures are made in: GRANT TEMP on the database "
                "to its user ({reason})"
            )
            raise DataError(template, database=self.database, reason=_first_line(error)) from None

    @classmethod
    def connect(cls, url: str, memory_limit: str | None = None, files: Iterable[Path] = ()) -> Postgres:
        """The database at an address, `postgresql://user@host/name`; raises DataError where it is none or cannot be
        reached.
        """
        try:
            from sqlalchemy import create_engine, make_url
            from sqlalchemy.exc import SQLAlchemyError

            try:
                address = make_url(url).set(drivername="postgresql+psycopg")
            except (SQLAlchemyError, ValueError):
                raise DataError("data.engine is no address of a database: write postgresql://user@host/name.") from None
            return cls(create_engine(address), memory_limit, files)
        except ModuleNotFoundError:
            raise DataError('PostgreSQL is read with SQLAlchemy: pip install "retention-kit[warehouse]".') from None

    @classmethod
    def from_connection(cls, given: Any) -> Postgres:
        """The database of an SQLAlchemy engine or connection."""
        from sqlalchemy.engine import Connection
        from sqlalchemy.engine import Engine as Bind

        if not isinstance(given, Bind | Connection):
            raise DataError(
                "The tables cannot be loaded from SQLAlchemy's {kind}: give its DuckDB or a Connection, and the "
                "tables as names or queries in plain text.",
                kind=type(given).__name__,
            )
        if given.dialect.name != "postgresql":
            template = "A connection to {name} cannot be used yet, one to postgresql can."
            raise DataError(template, name=given.dialect.name)
        return cls(given.engine)

    def run(self, sql: str, **parts: str) -> None:
        """Run one of our statements; a table that it creates replaces one with the same name."""
        statement = transpile(fill_placeholders(sql, parts), "postgres")
        self._replace(statement)
        self._execute(statement.text)
        if statement.kind == "TABLE":
            self._execute(f"ANALYZE pg_temp.{quote(statement.creates)}")

    def frame(self, sql: str, **parts: str) -> pd.DataFrame:
        """The rows of a query as a DataFrame, with the dtypes that DuckDB gives."""
        result = self._execute(transpile(fill_placeholders(sql, parts), "postgres").text)
        kinds = [
            (self._full_names.get(name, name), _KINDS.get(code, "VARCHAR"))
            for name, code, *_ in result.cursor.description
        ]
        rows = result.fetchall()
        columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
        columns_read = [_series(values, kind) for values, (_, kind) in zip(columns, kinds, strict=True)]
        return pd.concat(columns_read, axis=1).set_axis([name for name, _ in kinds], axis=1)

    def rows(self, sql: str, **parts: str) -> list[tuple]:
        """The rows of a small query as tuples."""
        return [tuple(row) for row in self._execute(transpile(fill_placeholders(sql, parts), "postgres").text)]

    def types(self, relation: str) -> dict[str, str]:
        """Column names and types, as DuckDB calls them, of a table, view or parenthesised query in PostgreSQL's SQL."""
        with self._reading_only():
            result = self._execute(f"SELECT * FROM {relation} AS _theirs LIMIT 0")
        return {
            self._full_names.get(name, name): _KINDS.get(code, "VARCHAR")
            for name, code, *_ in result.cursor.description
        }

    def define(self, name: str, query: str) -> None:
        """Copy the rows of a query in PostgreSQL's SQL, in the order they come; texts sort by their bytes from now
        on.
        """
        columns = (
            f'CAST({self.quote(column)} AS text) COLLATE "C" AS {self.quote(column)}'
            if kind == "VARCHAR"
            else self.quote(column)
            for column, kind in self.types(f"({query})").items()
        )
        rows = f"SELECT {', '.join(columns)} FROM ({query}\n) AS _theirs WHERE {_TURN_READ_ONLY}"
        self._execute(f"CREATE TEMP TABLE {name} AS {rows}")
        self._execute(f"ANALYZE pg_temp.{name}")

    @contextmanager
    def _reading_only(self) -> Iterator[None]:
        self._execute("BEGIN READ ONLY")
        try:
            yield
        except BaseException:
            with suppress(PostgresError):  # where the session has ended
                self._execute("ROLLBACK")
            raise
        self._execute("COMMIT")

    def digest(self, name: str) -> str:
        """SHA-256 of the rows of a defined table, in their order."""
        rows = (
            f"SELECT CAST({self.row_digest} AS numeric) AS digest, row_number() OVER () AS place FROM {name} AS _theirs"
        )
        sums = f"SELECT count(*), sum(digest), sum(digest * place) FROM ({rows}) AS placed"
        return hashlib.sha256(f"{self.types(name)} {self._execute(sums).fetchall()}".encode()).hexdigest()

    def find_table(self, text: str) -> str:
        """The user's query in parentheses, or a quoted table or view."""
        if is_query(text):
            return f"({text.strip().rstrip(';')}\n)"
        known: dict[str, str] = {}
        for schema, table, is_visible in self._execute(_TABLES):
            for spelling in (f"{schema}.{table}", *([table] if is_visible else [])):
                known.setdefault(spelling, f"{quote(schema)}.{quote(table)}")
        by_lower = {spelling.lower(): table for spelling, table in known.items()}
        if known_name := known.get(text) or by_lower.get(text.lower()):
            return known_name
        template = "{database} has no table {text!r}: {hint}"
        raise DataError(template, database=self.database, text=text, hint=did_you_mean(text, known))

    def list_tables(self) -> list[str]:
        """The tables and views that need no schema."""
        return [table for _, table, is_visible in self._execute(_TABLES) if is_visible]

    def register(self, name: str, frame: object) -> None:
        """Upload a DataFrame under a name."""
        self.embedded.register(name, frame)
        self.upload(name, name)
        self.embedded.unregister(name)

    def unregister(self, name: str) -> None:
        """Drop the table of that name."""
        self._execute(f"DROP TABLE IF EXISTS pg_temp.{quote(name)}")

    def interrupt(self) -> None:
        """Cancel the running query, from another thread."""
        self.embedded.interrupt()
        getattr(self._driver, "cancel_safe", self._driver.cancel)()  # cancel_safe is psycopg's

    def upload(self, name: str, relation: str) -> str:
        """Copy a relation of the embedded engine into a temporary table."""
        kinds = self.embedded.types(relation)
        self._full_names |= {shorten_name(column): column for column in kinds if shorten_name(column) != column}
        columns = {self.quote(column): _COLUMNS.get(kind.split("(")[0], "text") for column, kind in kinds.items()}
        texts = ", ".join(f"CAST({quote(column)} AS VARCHAR)" for column in kinds)
        self._replace(Statement("", name, "TABLE"))
        self._execute(f"CREATE TEMP TABLE {quote(name)} ({', '.join(map(' '.join, columns.items()))})")
        if rows := self.embedded.rows(f"SELECT {texts} FROM {relation}"):
            placeholders = ", ".join(f"CAST(%s AS {kind})" for kind in columns.values())
            insert = f"INSERT INTO {quote(name)} VALUES ({placeholders})"
            try:
                self._connection.exec_driver_sql(insert, rows, execution_options={"no_parameters": False})
            except self._sql_error as error:
                raise PostgresError(_first_line(error)) from None
        return quote(name)

    def quote(self, name: str) -> str:
        """A column's name in PostgreSQL's SQL."""
        return quote(shorten_name(name))

    def _replace(self, statement: Statement) -> None:
        if statement.creates:
            self._execute(f"DROP {statement.kind} IF EXISTS pg_temp.{quote(statement.creates)}")

    def _execute(self, sql: str) -> Any:
        try:
            return self._connection.exec_driver_sql(sql)
        except self._sql_error as error:
            raise PostgresError(_first_line(error)) from None

    @property
    def _sql_error(self) -> type[Exception]:
        from sqlalchemy.exc import SQLAlchemyError

        return SQLAlchemyError


def _read_all_times(connection: Any) -> None:
    """Read times that Python lacks, such as `infinity`, as None instead of raising an error."""
    if not hasattr(connection, "adapters"):  # of another driver than psycopg
        return
    from psycopg import DataError as Unreadable
    from psycopg.types import datetime as loaders

    for kind in ("Date", "Timestamp", "Timestamptz"):
        usual = getattr(loaders, f"{kind}Loader")

        def load(self: Any, data: Any, usual: Any = usual) -> Any:
            try:
                return usual.load(self, data)
            except Unreadable:
                return None

        connection.adapters.register_loader(kind.lower(), type(f"Any{kind}Loader", (usual,), {"load": load}))


def _series(values: tuple, kind: str) -> pd.Series:
    is_missing = None in values
    if kind == "VARCHAR" and not any(value is not None for value in values):
        return pd.Series(values, dtype="object")
    return pd.Series(values, dtype="object").astype(_DTYPES[kind][is_missing])


def _first_line(error: Exception) -> str:
    """The first line of a driver's message; the rest is the statement."""
    text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".") + "."
