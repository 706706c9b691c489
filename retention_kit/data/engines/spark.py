"""Spark as engine: cleaning and summaries run in its cluster, and only small frames come back.

All happens in a session of our own beside the user's (`newSession`), which shares its executors and its cache but has its
own views and settings: theirs are neither changed nor met. What our SQL makes as a table is a view whose rows are
persisted (memory, then disk), until the engine is let go of.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from retention_kit.data.engines.dialects import ported
from retention_kit.data.engines.duckdb import Engine, filled, is_query
from retention_kit.errors import DataError, did_you_mean
from retention_kit.settings.addresses import shown

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

# How our session is, whatever the user's ways: times that name no zone have none, instants are told in UTC, and what
# cannot be calculated is an error.
_SESSION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.enforceReservedKeywords": "false",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.caseSensitive": "false",
}
_KINDS = {  # Spark's types as DuckDB calls them; all others are taken as text
    "string": "VARCHAR", "boolean": "BOOLEAN", "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER",
    "bigint": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "date": "DATE", "timestamp_ntz": "TIMESTAMP",
    "timestamp": "TIMESTAMP WITH TIME ZONE", "timestamp_ltz": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
_TAKEN = {  # DuckDB's types that Spark lacks, as they are handed over; what is in neither table is handed over as text
    "UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT", "UBIGINT": "DECIMAL(20, 0)",
    "HUGEINT": "DECIMAL(38, 0)", "TIMESTAMP_S": "TIMESTAMP", "TIMESTAMP_MS": "TIMESTAMP", "TIMESTAMP_NS": "TIMESTAMP",
}  # fmt: skip
_PLACE = 33  # bits of monotonically_increasing_id() that count within a partition
_PORT = 7077
# A row as text, with its times to the last digit. Columns hashed by themselves would not do: missing ones are passed over.
_ROW = """to_json(struct(_theirs.*), map("timestampFormat", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
"timestampNTZFormat", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"))"""


class SparkError(Exception):
    """What Spark said, in its first sentence."""


class Spark:
    """A Spark session of our own beside the user's, of the same methods as the embedded `Engine`."""

    place = "Spark"
    dialect = "spark"

    def __init__(self, session: SparkSession, memory_limit: str | None = None, files: Iterable[Path] = ()):
        """`memory_limit` is that of the embedded engine which reads `files`."""
        self.reader = Engine(memory_limit, files)
        self.error = (SparkError, self.reader.error)
        self.prepared: dict[str, object] = {}
        self.lock = RLock()  # of whoever asks: the explorer's thread, and the cells of a notebook
        self._theirs, self._session = session, session.newSession()
        self._kept: dict[str, DataFrame] = {}  # what is persisted, by the view it is behind
        with _as_ours():
            for name, value in {**_settings_of(session), **_SESSION}.items():
                with suppress(Exception) if name not in _SESSION else _as_ours():
                    self._session.conf.set(name, value)
        weakref.finalize(self, _let_go, self._kept).atexit = False

    @classmethod
    def at(cls, url: str, memory_limit: str | None = None, files: Iterable[Path] = ()) -> Spark:
        """The cluster at an address, `spark://host:7077`, or `spark://local` for this machine; a session that runs there serves."""
        try:
            from pyspark.sql import SparkSession
        except ModuleNotFoundError:
            raise DataError('Spark is used through PySpark: pip install "retention-kit[spark]".') from None
        place = shown(url)
        rest = url.partition("://")[2]
        is_local = rest.split("[")[0] == "local"
        session = SparkSession.getActiveSession()
        if not session:
            if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
                raise DataError("Spark needs Java 17 or later, and there is none here: install it or set JAVA_HOME.")
            if not is_local:
                _refuse_silent(url)
            builder = SparkSession.builder.appName("retention-kit")
            builder = builder.master(("local[*]" if rest == "local" else rest) if is_local else url)
            builder = builder.config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
            try:
                session = builder.getOrCreate()
            except Exception as error:
                said = _said(error).replace(url, place).replace(rest, place.partition("://")[2])
                raise DataError(f"Spark cannot be started at {place}: {said}") from None
        running = session.conf.get("spark.master", "") or "another address"
        if not (running.split("[")[0] == "local" if is_local else running == url):
            raise DataError(
                f"data.engine names {place}, but a Spark session of {shown(running)} runs here: stop it, or load from it "
                "with rk.load(session)."
            )
        return cls(session, memory_limit, files)

    @classmethod
    def of(cls, given: Any) -> Spark:
        """The engine behind a Spark session or a DataFrame of it."""
        session = getattr(given, "sparkSession", given)
        if type(session).__module__.startswith("pyspark.sql.connect"):
            raise DataError("Spark Connect cannot be used yet: give a session of a cluster's own, spark://HOST:PORT.")
        if not hasattr(session, "newSession"):
            raise DataError(
                f"The tables cannot be loaded from {type(given).__name__}: give a SparkSession or a Spark DataFrame."
            )
        return cls(session)

    @property
    def row_digest(self) -> str:
        """SQL for a number that two rows share only if they are alike."""
        return f"xxhash64({_ROW})"

    def run(self, sql: str, **parts: str) -> None:
        """Run one statement of ours; what it creates takes the place of what bore that name."""
        statement = ported(filled(sql, parts), "spark")
        with _as_ours():
            frame = self._session.sql(statement.text)
            if "monotonically_increasing_id()" in statement.text:
                self._persist(statement.creates, frame)
                self._number(statement.creates)
                for source in [
                    name for name in self._kept if name.startswith(f"{statement.creates.removesuffix('raw')}source_")
                ]:
                    _forget(self._kept.pop(source))  # its rows are in what was numbered
            elif statement.kind == "TABLE":
                self._cut(statement.creates, frame)
            else:
                self._stand(statement.creates, frame)

    def frame(self, sql: str, **parts: str) -> pd.DataFrame:
        """The rows of a query as a DataFrame, of the types that the embedded engine gives."""
        with _as_ours():
            table = self._session.sql(ported(filled(sql, parts), "spark").text).toArrow()
        self.reader.register("_came", table)
        return self.reader.frame("SELECT * FROM _came")

    def rows(self, sql: str, **parts: str) -> list[tuple]:
        """The rows of a small query as plain tuples."""
        with _as_ours():
            return [tuple(row) for row in self._session.sql(ported(filled(sql, parts), "spark").text).collect()]

    def types(self, relation: str) -> dict[str, str]:
        """Column names and types, as DuckDB calls them, of a table, view or parenthesised query in Spark's SQL."""
        with _as_ours():
            return _kinds(self._session.sql(f"SELECT * FROM {relation} AS _theirs"))

    def keep(self, name: str, query: str) -> None:
        """Let the rows of a query in Spark's SQL stand under a name, read once."""
        with _as_ours():
            frame = self._session.sql(query)
            texts = [
                column for column, kind in frame.dtypes if kind.split("(")[0] not in _KINDS and kind[:7] != "decimal"
            ]
            for column in texts:
                frame = frame.withColumn(column, frame[_quoted(column)].cast("string"))
            self._persist(name, frame)

    def digest(self, name: str) -> str:
        """SHA-256 of what was kept under a name, the same for the same rows in the same order, by which ties are settled.

        How they lie in partitions changes nothing: each tells its sums, and what came before it moves the places on.
        """
        rows = f"SELECT {self.row_digest} AS digest, monotonically_increasing_id() AS place FROM {name} AS _theirs"
        within = f"CAST(digest % 1000000007 AS DECIMAL(38, 0)) * (place & {(1 << _PLACE) - 1})"
        sums = (
            f"SELECT shiftright(place, {_PLACE}) AS part, count(*), CAST(sum(CAST(digest AS DECIMAL(38, 0))) AS STRING), "
            f"CAST(sum(digest % 1000000007) AS STRING), CAST(sum({within}) AS STRING) FROM ({rows}) GROUP BY 1 ORDER BY 1"
        )
        with _as_ours():
            parts = self._session.sql(sums).collect()
        count = total = placed = 0
        for _, size, digests, small, inside in parts:
            placed += int(inside) + count * int(small)
            count, total = count + size, total + int(digests)
        return hashlib.sha256(f"{self.types(name)} {count} {total} {placed}".encode()).hexdigest()

    def find(self, text: str) -> str:
        """A query of the user's, or the table or view of a name, as their session knows it, in Spark's SQL."""
        name = f"_found_{uuid4().hex}"
        with _as_ours():
            if is_query(text):
                self.register(name, self._theirs.sql(text.strip().rstrip(";")))
                return name
            if self._theirs.catalog.tableExists(text):
                self.register(name, self._theirs.table(text))
                return name
        raise DataError(f"Spark has no table {text!r}: {did_you_mean(text, self.tables())}")

    def tables(self) -> list[str]:
        """The tables and views of the user's session that go by their name alone."""
        with _as_ours():
            return sorted(row["tableName"] for row in self._theirs.sql("SHOW TABLES").collect())

    def is_native(self, frame: object) -> bool:
        """Whether a frame is one of Spark's."""
        return type(frame).__module__.partition(".")[0] == "pyspark"

    def register(self, name: str, frame: Any) -> None:
        """Make a DataFrame, Spark's or an embedded one, readable under a name."""
        if not self.is_native(frame):
            self.reader.register("_going", frame)
            self.take(name, "_going")
            self.reader.unregister("_going")
            return
        from pyspark.sql.functions import lit

        shared = f"retention_kit_{uuid4().hex}"  # sessions share nothing but the views called global
        with _as_ours():
            # With a column more it is another frame: whose view is dropped, what of it is cached is dropped too.
            frame.withColumn(shared, lit(True)).createGlobalTempView(shared)
            try:
                self._stand(name, self._session.table(f"global_temp.{shared}").drop(shared))
            finally:
                self._session.catalog.dropGlobalTempView(shared)

    def unregister(self, name: str) -> None:
        """Let go of what was registered under a name."""
        if before := self._kept.pop(name, None):
            _forget(before)
        self._session.catalog.dropTempView(name)

    def interrupt(self) -> None:
        """End the running query from another thread: it raises `error`, and the next one works. Else nothing happens."""
        self.reader.interrupt()
        with _as_ours():
            self._session.interruptAll()  # of our own session: the user's go on

    def take(self, name: str, relation: str) -> str:
        """Upload what the embedded reader reads as a table or parenthesised query, as `name`."""
        columns = ", ".join(
            f"CAST({self.reader.quote(column)} AS {_handed(kind)}) AS {self.reader.quote(column)}"
            for column, kind in self.reader.types(relation).items()
        )
        table = self.reader.arrow(f"SELECT {columns} FROM {relation}")
        with _as_ours():
            self._stand(name, self._session.createDataFrame(table))
        return _quoted(name)

    def quote(self, name: str) -> str:
        """A column's name in Spark's SQL."""
        return _quoted(name)

    def _stand(self, name: str, frame: DataFrame) -> None:
        frame.createOrReplaceTempView(name)
        if before := self._kept.pop(name, None):
            _forget(before)

    def _persist(self, name: str, frame: DataFrame) -> None:
        """Rows as they come, read once: they can be read again where a machine is lost."""
        from pyspark import StorageLevel

        frame = frame.persist(StorageLevel.MEMORY_AND_DISK)
        self._stand(name, frame)
        self._kept[name] = frame

    def _cut(self, name: str, frame: DataFrame) -> None:
        """Rows made from others, without the memory of how: plans that grow with every step take ever longer to make."""
        frame = frame.localCheckpoint(eager=False)
        self._stand(name, frame)
        self._kept[name] = frame

    def _number(self, name: str) -> None:
        """Number persisted rows in their order: ids grow by one within a partition and leap from one to the next."""
        sizes = self._session.sql(
            f"SELECT shiftright(_row, {_PLACE}) AS part, count(*) AS size FROM {name} GROUP BY 1 ORDER BY 1"
        )
        leaps, before = [], 1
        for part, size in sizes.collect():
            leaps.append(f"WHEN {part} THEN {before - (part << _PLACE)}")
            before += size
        number = f"_row + CASE shiftright(_row, {_PLACE}) {' '.join(leaps)} END" if leaps else "_row"
        columns = ", ".join(_quoted(column) for column in self._kept[name].columns if column != "_row")
        self._session.sql(f"SELECT {columns}, {number} AS _row FROM {name}").createOrReplaceTempView(name)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _kinds(frame: DataFrame) -> dict[str, str]:
    return {
        name: kind.upper() if kind[:7] == "decimal" else _KINDS.get(kind.split("(")[0], "VARCHAR")
        for name, kind in frame.dtypes
    }


def _handed(kind: str) -> str:
    if kind in _KINDS.values() or kind.startswith("DECIMAL"):
        return kind
    return _TAKEN.get(kind, "VARCHAR")


def _settings_of(session: SparkSession) -> dict[str, str]:
    """What the user has set for SQL: a new session would have the cluster's defaults."""
    with suppress(Exception):
        return {
            name: value
            for name, value in dict(session.conf.getAll).items()
            if name.startswith("spark.sql.") and "escapedStringLiterals" not in name
        }
    return {}


def _let_go(kept: dict[str, DataFrame]) -> None:
    for frame in kept.values():
        with suppress(Exception):  # the session may be gone
            _forget(frame)


def _forget(frame: DataFrame) -> None:
    """Let the cluster have back the memory of rows, of those too that were cut."""
    frame.unpersist()
    if (plan := frame._jdf.queryExecution().analyzed()).nodeName().startswith("LogicalRDD"):
        plan.rdd().unpersist(False)


def _refuse_silent(url: str) -> None:
    """Raise where nothing answers at an address, which Spark would ask for minutes."""
    for place in shown(url).partition("://")[2].split(","):
        host, _, port = place.partition(":")
        with suppress(OSError, ValueError), socket.create_connection((host, int(port or _PORT)), timeout=5):
            return
    raise DataError(f"Nothing answers at {shown(url)}: is Spark running there?")


@contextmanager
def _as_ours() -> Iterator[None]:
    """Spark's errors as ours, in one sentence."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise SparkError(_said(error)) from None


def _cause(error: Exception) -> str:
    """What Java says behind an error that only names the call."""
    cause = getattr(error, "java_exception", None)
    while cause is not None and cause.getCause() is not None:
        cause = cause.getCause()
    return (cause.getMessage() or "").strip() if cause is not None else ""


def _said(error: Exception) -> str:
    """The first line of what Spark says, without its codes; sums that are too large are told as the embedded engine does."""
    said = _cause(error) or str(error).strip() or type(error).__name__
    first = re.sub(r"^\[[\w.]+\] ?| ?SQLSTATE: \w+.*", "", said.splitlines()[0]).rstrip(".;")
    is_large = "OVERFLOW" in said or "OUT_OF_RANGE" in said
    return f"{'Overflow: ' if is_large else ''}{first}."
