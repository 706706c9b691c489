"""Spark as engine: cleaning and summaries run in its cluster, and only small frames come back.

All happens in a session of our own beside the user's (`newSession`), which shares its executors and its cache but has
its own views and settings: theirs are neither changed nor met. What our SQL makes as a table is a view whose rows are
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
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from retention_kit.data.engines.dialects import transpile
from retention_kit.data.engines.remote import RemoteEngine
from retention_kit.data.engines.sql_text import fill_placeholders, is_query
from retention_kit.errors import DataError, Phrase, did_you_mean
from retention_kit.settings.addresses import mask_url

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

# Whatever the user has set: times that name no zone have none, instants are in UTC, and what cannot be calculated is an
# error.
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
}  # fmt: skip  # words by the line
# DuckDB's types that Spark lacks, as they are handed over; what is in neither table is handed over as text
_UPLOAD_TYPES = {
    "UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT", "UBIGINT": "DECIMAL(20, 0)",
    "HUGEINT": "DECIMAL(38, 0)", "TIMESTAMP_S": "TIMESTAMP", "TIMESTAMP_MS": "TIMESTAMP", "TIMESTAMP_NS": "TIMESTAMP",
}  # fmt: skip  # words by the line
_PARTITION_BITS = 33  # bits of monotonically_increasing_id() that count within a partition
_PORT = 7077
# A row as text, with its times to the last digit. Columns hashed by themselves would not do: missing ones are passed
# over.
_ROW = """to_json(struct(_theirs.*), map("timestampFormat", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
"timestampNTZFormat", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"))"""


class SparkError(Exception):
    """The first sentence of Spark's message."""


class Spark(RemoteEngine):
    """A Spark session, separate from the user's."""

    database = "Spark"
    dialect = "spark"
    row_digest = f"xxhash64({_ROW})"

    def __init__(self, session: SparkSession, memory_limit: str | None = None, files: Iterable[Path] = ()):
        """`memory_limit` is that of the embedded engine which reads `files`."""
        super().__init__(SparkError, memory_limit, files)
        self._user_session, self._session = session, session.newSession()
        self._persisted: dict[str, DataFrame] = {}  # what is persisted, by the view it is behind
        with _spark_errors():
            for name, value in {**_settings_of(session), **_SESSION}.items():
                with suppress(Exception) if name not in _SESSION else _spark_errors():
                    self._session.conf.set(name, value)
        weakref.finalize(self, _release, self._persisted).atexit = False

    @classmethod
    def connect(cls, url: str, memory_limit: str | None = None, files: Iterable[Path] = ()) -> Spark:
        """The cluster at an address, `spark://host:7077`, or `spark://local` for this machine; a session that runs
        there serves.
        """
        try:
            from pyspark.sql import SparkSession
        except ModuleNotFoundError:
            raise DataError('Spark is used through PySpark: pip install "retention-kit[spark]".') from None
        address = mask_url(url)
        rest = url.partition("://")[2]
        is_local = rest.split("[")[0] == "local"
        if not (session := SparkSession.getActiveSession()):
            if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
                raise DataError("Spark needs Java 17 or later, and there is none here: install it or set JAVA_HOME.")
            if not is_local:
                _refuse_unreachable(url)
            builder = SparkSession.builder.appName("retention-kit")
            builder = builder.master(("local[*]" if rest == "local" else rest) if is_local else url)
            builder = builder.config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
            try:
                session = builder.getOrCreate()
            except Exception as error:
                reason = _first_sentence(error).replace(url, address).replace(rest, address.partition("://")[2])
                template = "Spark cannot be started at {address}: {reason}"
                raise DataError(template, address=address, reason=reason) from None
        running = session.conf.get("spark.master", "") or Phrase("another address")
        if not (running.split("[")[0] == "local" if is_local else running == url):
            template = (
                "data.engine names {address}, but a Spark session of {running} runs here: stop it, or load from it "
                "with rk.load(session)."
            )
            raise DataError(template, address=address, running=mask_url(running))
        return cls(session, memory_limit, files)

    @classmethod
    def from_session(cls, given: Any) -> Spark:
        """The engine behind a Spark session or a DataFrame of it."""
        session = getattr(given, "sparkSession", given)
        if type(session).__module__.startswith("pyspark.sql.connect"):
            raise DataError("Spark Connect cannot be used yet: give a session of a cluster's own, spark://HOST:PORT.")
        if not hasattr(session, "newSession"):
            template = "The tables cannot be loaded from {kind}: give a SparkSession or a Spark DataFrame."
            raise DataError(template, kind=type(given).__name__)
        return cls(session)

    def run(self, sql: str, **parts: str) -> None:
        """Run one of our statements; what it creates replaces a relation with the same name."""
        statement = transpile(fill_placeholders(sql, parts), "spark")
        with _spark_errors():
            frame = self._session.sql(statement.text)
            if "monotonically_increasing_id()" in statement.text:
                self._persist(statement.creates, frame)
                self._number_rows(statement.creates)
                for source in [
                    name
                    for name in self._persisted
                    if name.startswith(f"{statement.creates.removesuffix('raw')}source_")
                ]:
                    _unpersist(self._persisted.pop(source))  # its rows are in what was numbered
            elif statement.kind == "TABLE":
                self._checkpoint(statement.creates, frame)
            else:
                self._create_view(statement.creates, frame)

    def frame(self, sql: str, **parts: str) -> pd.DataFrame:
        """The rows of a query as a DataFrame, with the dtypes that DuckDB gives."""
        with _spark_errors():
            table = self._session.sql(transpile(fill_placeholders(sql, parts), "spark").text).toArrow()
        self.embedded.register("_came", table)
        return self.embedded.frame("SELECT * FROM _came")

    def rows(self, sql: str, **parts: str) -> list[tuple]:
        """The rows of a small query as tuples."""
        with _spark_errors():
            return [
                tuple(row)
                for row in self._session.sql(transpile(fill_placeholders(sql, parts), "spark").text).collect()
            ]

    def types(self, relation: str) -> dict[str, str]:
        """Column names and types, as DuckDB calls them, of a table, view or parenthesised query in Spark's SQL."""
        with _spark_errors():
            return _kinds(self._session.sql(f"SELECT * FROM {relation} AS _theirs"))

    def define(self, name: str, query: str) -> None:
        """Persist the rows of a query in Spark's SQL, which is read once."""
        with _spark_errors():
            frame = self._session.sql(query)
            texts = [name for name, kind in frame.dtypes if kind.split("(")[0] not in _KINDS and kind[:7] != "decimal"]
            for column in texts:
                frame = frame.withColumn(column, frame[_quoted(column)].cast("string"))
            self._persist(name, frame)

    def digest(self, name: str) -> str:
        """SHA-256 of the rows of a defined view, in their order, however they lie in partitions.

        Each partition gives its sums; the number of rows in those before it shifts its positions.
        """
        rows = f"SELECT {self.row_digest} AS digest, monotonically_increasing_id() AS position FROM {name} AS _theirs"
        within = f"CAST(digest % 1000000007 AS DECIMAL(38, 0)) * (position & {(1 << _PARTITION_BITS) - 1})"
        sums = (
            f"SELECT shiftright(position, {_PARTITION_BITS}) AS part, count(*), CAST(sum(CAST(digest AS DECIMAL(38, "
            "0))) AS STRING), "
            f"CAST(sum(digest % 1000000007) AS STRING), CAST(sum({within}) AS STRING) FROM ({rows}) GROUP BY 1 ORDER "
            "BY 1"
        )
        with _spark_errors():
            parts = self._session.sql(sums).collect()
        count = total = placed = 0
        for _, size, digests, small, inside in parts:
            placed += int(inside) + count * int(small)
            count, total = count + size, total + int(digests)
        return hashlib.sha256(f"{self.types(name)} {count} {total} {placed}".encode()).hexdigest()

    def find_table(self, text: str) -> str:
        """A view of the user's query, or of a table in the user's session."""
        name = f"_found_{uuid4().hex}"
        with _spark_errors():
            if is_query(text):
                self.register(name, self._user_session.sql(text.strip().rstrip(";")))
                return name
            if self._user_session.catalog.tableExists(text):
                self.register(name, self._user_session.table(text))
                return name
        raise DataError("Spark has no table {text!r}: {hint}", text=text, hint=did_you_mean(text, self.list_tables()))

    def list_tables(self) -> list[str]:
        """The tables and views of the user's session that need no schema."""
        with _spark_errors():
            return sorted(row["tableName"] for row in self._user_session.sql("SHOW TABLES").collect())

    def is_native(self, frame: object) -> bool:
        """Whether a frame is a Spark DataFrame."""
        return type(frame).__module__.partition(".")[0] == "pyspark"

    def register(self, name: str, frame: Any) -> None:
        """Make a DataFrame, Spark's or any other, readable as `name`."""
        if not self.is_native(frame):
            self.embedded.register("_going", frame)
            self.upload(name, "_going")
            self.embedded.unregister("_going")
            return
        from pyspark.sql.functions import lit

        shared = f"retention_kit_{uuid4().hex}"  # sessions share nothing but the views called global
        with _spark_errors():
            # With a column more it is another frame: whose view is dropped, what of it is cached is dropped too.
            frame.withColumn(shared, lit(True)).createGlobalTempView(shared)
            try:
                self._create_view(name, self._session.table(f"global_temp.{shared}").drop(shared))
            finally:
                self._session.catalog.dropGlobalTempView(shared)

    def unregister(self, name: str) -> None:
        """Drop the view with that name, and free its memory."""
        if before := self._persisted.pop(name, None):
            _unpersist(before)
        self._session.catalog.dropTempView(name)

    def interrupt(self) -> None:
        """Cancel the running query, from another thread."""
        self.embedded.interrupt()
        with _spark_errors():
            self._session.interruptAll()  # of our own session: the user's go on

    def upload(self, name: str, relation: str) -> str:
        """Send a relation of the embedded engine to the cluster."""
        columns = ", ".join(
            f"CAST({self.embedded.quote(column)} AS {_upload_type(kind)}) AS {self.embedded.quote(column)}"
            for column, kind in self.embedded.types(relation).items()
        )
        table = self.embedded.arrow(f"SELECT {columns} FROM {relation}")
        with _spark_errors():
            self._create_view(name, self._session.createDataFrame(table))
        return _quoted(name)

    def quote(self, name: str) -> str:
        """A column's name in Spark's SQL."""
        return _quoted(name)

    def _create_view(self, name: str, frame: DataFrame) -> None:
        frame.createOrReplaceTempView(name)
        if before := self._persisted.pop(name, None):
            _unpersist(before)

    def _persist(self, name: str, frame: DataFrame) -> None:
        """Rows read once and kept, which can be read again if a machine is lost."""
        from pyspark import StorageLevel

        frame = frame.persist(StorageLevel.MEMORY_AND_DISK)
        self._create_view(name, frame)
        self._persisted[name] = frame

    def _checkpoint(self, name: str, frame: DataFrame) -> None:
        """Cut the lineage of computed rows, as plans that grow with every step take longer and longer."""
        frame = frame.localCheckpoint(eager=False)
        self._create_view(name, frame)
        self._persisted[name] = frame

    def _number_rows(self, name: str) -> None:
        """Number persisted rows in order: Spark's ids increase by one within a partition, with gaps between them."""
        sizes = self._session.sql(
            f"SELECT shiftright(_row, {_PARTITION_BITS}) AS part, count(*) AS size FROM {name} GROUP BY 1 ORDER BY 1"
        )
        leaps, before = [], 1
        for part, size in sizes.collect():
            leaps.append(f"WHEN {part} THEN {before - (part << _PARTITION_BITS)}")
            before += size
        number = f"_row + CASE shiftright(_row, {_PARTITION_BITS}) {' '.join(leaps)} END" if leaps else "_row"
        columns = ", ".join(_quoted(column) for column in self._persisted[name].columns if column != "_row")
        self._session.sql(f"SELECT {columns}, {number} AS _row FROM {name}").createOrReplaceTempView(name)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _kinds(frame: DataFrame) -> dict[str, str]:
    return {
        name: kind.upper() if kind[:7] == "decimal" else _KINDS.get(kind.split("(")[0], "VARCHAR")
        for name, kind in frame.dtypes
    }


def _upload_type(kind: str) -> str:
    if kind in _KINDS.values() or kind.startswith("DECIMAL"):
        return kind
    return _UPLOAD_TYPES.get(kind, "VARCHAR")


def _settings_of(session: SparkSession) -> dict[str, str]:
    """The user's settings for SQL, as a new session has the cluster's defaults."""
    with suppress(Exception):
        return {
            name: value
            for name, value in dict(session.conf.getAll).items()
            if name.startswith("spark.sql.") and "escapedStringLiterals" not in name
        }
    return {}


def _release(persisted: dict[str, DataFrame]) -> None:
    for frame in persisted.values():
        with suppress(Exception):  # the session may be gone
            _unpersist(frame)


def _unpersist(frame: DataFrame) -> None:
    """Free the memory of rows on the cluster, including a checkpoint's."""
    frame.unpersist()
    if (plan := frame._jdf.queryExecution().analyzed()).nodeName().startswith("LogicalRDD"):
        plan.rdd().unpersist(False)


def _refuse_unreachable(url: str) -> None:
    """Raise DataError if nothing answers at an address, where Spark would try for minutes."""
    for address in mask_url(url).partition("://")[2].split(","):
        host, _, port = address.partition(":")
        with suppress(OSError, ValueError), socket.create_connection((host, int(port or _PORT)), timeout=5):
            return
    raise DataError("Nothing answers at {address}: is Spark running there?", address=mask_url(url))


@contextmanager
def _spark_errors() -> Iterator[None]:
    """Turn Spark's errors into a SparkError with one sentence."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise SparkError(_first_sentence(error)) from None


def _cause(error: Exception) -> str:
    """Java's message of an error that only names the call."""
    cause = getattr(error, "java_exception", None)
    while cause is not None and cause.getCause() is not None:
        cause = cause.getCause()
    return (cause.getMessage() or "").strip() if cause is not None else ""


def _first_sentence(error: Exception) -> str:
    """The first line of Spark's message without its codes; sums that are too large begin as DuckDB's message does."""
    text = _cause(error) or str(error).strip() or type(error).__name__
    first = re.sub(r"^\[[\w.]+\] ?| ?SQLSTATE: \w+.*", "", text.splitlines()[0]).rstrip(".;")
    is_large = "OVERFLOW" in text or "OUT_OF_RANGE" in text
    return f"{'Overflow: ' if is_large else ''}{first}."
