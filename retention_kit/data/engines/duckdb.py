"""Where queries run: embedded DuckDB, or another engine with the same few methods (`postgres.py`, `spark.py`).

`run`, `frame` and `rows` take our SQL, which other engines port (`dialects.py`); `types` and `keep` take SQL of the
engine's own, in which the user's expressions are written. The embedded engine reads the files that it is made for and
no others, whatever an expression says. Engines with a `place`, in whose catalogue tables are found by
name, have three methods more: `find`, `tables` and `digest`. Files, the embedded engine's sources, have fingerprints.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from string import Template
from threading import RLock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from retention_kit.errors import DataError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


def quote(name: str) -> str:
    """A column or table name as an SQL identifier, whatever characters it holds."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def pattern_of(path: Path) -> str:
    """A path as an SQL string that the engine takes for that file alone, not for a pattern."""
    return literal(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))


def as_pattern(text: str) -> str:
    """A text as it stands, as a regular expression of every engine."""
    return "".join(
        sign if sign.isalnum() or sign == " " else f"\\{sign}" if sign in "\\^[]" else f"[{sign}]" for sign in text
    )


def segment_column(name: str) -> str:
    """A segment column as our tables carry it: a name of its own, so that it never meets one of ours."""
    return quote(f"segment.{name}")


_running: weakref.WeakSet[Any] = weakref.WeakSet()  # connections that a query may be running on


def interruptible(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The same, which `interrupt_all` knows from now on."""
    _running.add(connection)
    return connection


def interrupt_all() -> None:
    """End all running queries of this process, from another thread: while one runs, Python hears of no signal."""
    for connection in [*_running]:
        with suppress(Exception):  # it may just be closed
            connection.interrupt()


# No extension, no secret of the user's, no variable of this program.
SEALED = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
}
# Last of all: what is not allowed by then never is. The folder for what is spilled is allowed by itself.
SEAL = "SET enable_external_access = false; SET lock_configuration = true"

# Our own words for what engines say differently.
_MACROS = """
CREATE MACRO as_number(said) AS TRY_CAST(said AS DOUBLE);
CREATE MACRO local_time(instant, zone) AS timezone(zone, instant);
CREATE MACRO instant_at(local_time, zone) AS timezone(zone, local_time);
-- Decimals of up to 18 digits, which hold amounts below a million in units of up to a millionth, cost a fifth of longer ones.
CREATE MACRO whole_units(said, units) AS coalesce(
    TRY_CAST(round(TRY_CAST(said AS DECIMAL(12, 6)) * units) AS BIGINT),
    TRY_CAST(round(TRY_CAST(said AS DECIMAL(28, 6)) * units) AS BIGINT)
);
"""


def filled(sql: str, parts: dict[str, str]) -> str:
    """SQL with its `$name` placeholders replaced."""
    return Template(sql).substitute(parts) if parts else sql


class Engine:
    """One embedded DuckDB database; frames are read in place, without a copy."""

    dialect = "duckdb"  # of `types` and `keep`, in which users write their expressions
    row_digest = "hash(_theirs)"  # a number or text that two rows share only if they are alike
    catalog = "memory"  # where our tables are

    def __init__(self, memory_limit: str | None = None, files: Iterable[Path] = ()):
        """`memory_limit`, such as 6GB, is what it may hold in memory; the rest lies on disk.

        Without it tables are held in memory, up to most of the machine's. `files` are those that can be read.
        """
        import duckdb

        self.error = duckdb.Error
        self.reader = self  # the embedded engine that reads files and frames
        self.place = ""  # of a database that tables are found in by name
        self.prepared: dict[str, object] = {}  # which shared views stand at the moment
        self.lock = RLock()  # of whoever asks: the explorer's thread, and the cells of a notebook
        self.copies = private_place()  # where copies of what is being read can lie
        place = private_place()
        config: dict[str, Any] = SEALED | {"temp_directory": str(place / "spilled" if memory_limit else place)}
        if memory_limit:
            config["memory_limit"] = memory_limit
        self._connection = interruptible(duckdb.connect(config=config))
        if memory_limit:
            self._lay_tables(place)
        # In DuckDB 2.0.0 it narrows sums beside a join with an empty table by the wrong bounds: 349 comes out as 93.
        self.run("SET disabled_optimizers = 'compressed_materialization'; SET TimeZone = 'UTC'")
        self.run(_MACROS)
        paths = ", ".join(form for file in files for form in (literal(str(file)), pattern_of(file)))
        self.run(f"SET allowed_paths = [{paths}]; SET allowed_directories = [{literal(str(self.copies))}]; {SEAL}")

    def _lay_tables(self, place: Path) -> None:
        """Let tables lie in a file, from which memory is filled and freed without writing: spilled, they would be written anew."""
        weakref.finalize(self, _close, self._connection, place, os.getpid())
        self.catalog = "_ours"  # no schema or table of a user is called so
        # As they are, since packing them takes longer than reading what is to be packed.
        self.run("SET force_compression = 'uncompressed'")
        try:
            place.mkdir(mode=0o700)
            self.run(f"ATTACH {literal(str(place / self.catalog))} AS {self.catalog} (RECOVERY_MODE NO_WAL_WRITES)")
        except (OSError, self.error) as error:
            raise DataError(f"What memory_limit leaves no room for cannot be written: {error}.") from None
        self.run(f"USE {self.catalog}")

    def run(self, sql: str, **parts: str) -> None:
        """Run statements; `$name` placeholders stand for SQL made by the package, never for data."""
        with _interruptible():
            self._connection.execute(filled(sql, parts))

    def frame(self, sql: str, **parts: str) -> pd.DataFrame:
        """The rows of a query as a DataFrame."""
        import warnings

        with warnings.catch_warnings(), _interruptible():
            warnings.simplefilter("ignore", DeprecationWarning)  # DuckDB's, of how it makes times with a zone
            return self._connection.execute(filled(sql, parts)).df()

    def arrow(self, sql: str) -> object:
        """The rows of a query as an Arrow table."""
        with _interruptible():
            return self._connection.sql(sql).to_arrow_table()

    def rows(self, sql: str, **parts: str) -> list[tuple]:
        """The rows of a small query as plain tuples."""
        with _interruptible():
            return self._connection.execute(filled(sql, parts)).fetchall()

    def types(self, relation: str) -> dict[str, str]:
        """Column names and SQL types of a table, view or parenthesised query."""
        return {name: kind for name, kind, *_ in self.rows(f"DESCRIBE SELECT * FROM {relation}")}

    def keep(self, name: str, query: str) -> None:
        """Let the rows of a query stand under a name, as they are now and in the order they come."""
        self.run(f"CREATE VIEW {name} AS {query}")

    def take(self, name: str, relation: str) -> str:  # noqa: ARG002, the name is for engines that copy
        """What `reader` reads as a table or parenthesised query, in this engine's SQL."""
        return relation

    def is_native(self, frame: object) -> bool:  # noqa: ARG002, Spark has frames of its own
        """Whether a frame is one that only this engine reads."""
        return False

    def quote(self, name: str) -> str:
        """A column's name in this engine's SQL."""
        return quote(name)

    def register(self, name: str, frame: object) -> None:
        """Make a DataFrame or an Arrow stream readable under a name."""
        self._connection.register(name, frame)

    def unregister(self, name: str) -> None:
        """Let go of what was registered under a name."""
        self._connection.unregister(name)

    def interrupt(self) -> None:
        """End the running query from another thread: it raises `error`, and the next one works. Else nothing happens."""
        self._connection.interrupt()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C in a query is a KeyboardInterrupt: DuckDB makes an error of it that is none of its own."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from None
        raise


def _close(connection: duckdb.DuckDBPyConnection, place: Path, process: int) -> None:
    """End an engine whose tables lie at `place`; a fork has none of its own."""
    if os.getpid() == process:
        try:
            connection.close()
        finally:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def private_folder(place: Path | None = None) -> Iterator[Path]:
    """A folder for copies of what is being read, gone afterwards; after a kill the next process takes it away."""
    place = place or private_place()
    try:
        place.mkdir(mode=0o700)
        yield place
    except OSError as error:
        raise DataError(f"A copy of what is read cannot be written: {error}.") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)


def private_place() -> Path:
    """Where one engine lays rows that it does not hold in memory: nobody else may look, and it is gone with the engine.

    What a killed process has left is taken away by the next one.
    """
    name = f"{os.getpid()}-{uuid4().hex}"
    if os.name == "nt":  # where the folder for temporary files is the user's own
        return Path(tempfile.gettempdir(), f"retention-kit-{name}")
    place = Path(tempfile.gettempdir(), f"retention-kit-{os.getuid()}")
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        about = place.lstat()
        if about.st_uid != os.getuid() or about.st_mode & 0o077:
            raise PermissionError(f"{place} is not ours alone")
        for left in place.iterdir():
            if _has_ended(int(left.name.partition("-")[0])):
                shutil.rmtree(left, ignore_errors=True)
    except (OSError, ValueError):
        place = Path(tempfile.mkdtemp(prefix="retention-kit-"))
    return place / name


def _has_ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's, of that number
        pass
    return False


def is_query(text: str) -> bool:
    """Whether a source is a query of the user's rather than the name of a table."""
    return bool(re.match(r"\s*(SELECT|WITH|FROM)\s", text, re.IGNORECASE))
