"""Registers tables in memory on the engine: DataFrames, Arrow streams, and cells of workbooks and databases."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from retention_kit.data.checks import Finding
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.sql_text import quote
from retention_kit.data.readers.header import names_again
from retention_kit.data.schema import OPTIONAL, REQUIRED
from retention_kit.errors import DataError, Phrase
from retention_kit.lazy import pd

_UNREADABLE = (
    "The {table} DataFrame's column {column!r} holds what cannot be read ({kind}): make it text, numbers or times."
)


class Stream:
    """Only the Arrow stream of an object, so that the engine reads it without the library that made it."""

    def __init__(self, source: Any):
        self._source = source

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._source.__arrow_c_stream__(requested_schema)


def register_frame(engine: DuckDB, table: str, frame: Any) -> tuple[str, str]:
    """Register a frame on the engine; returns its name there and its SHA-256, which is the same for equal content.

    pandas is read in place, but for columns of objects, whose types the engine would find anew in each query; Polars
    and Arrow are copied, as a stream can be read only once. Raises DataError if it is no frame, or a column has values
    that a table cannot have.
    """
    import duckdb

    name = f"_{table}_frame"
    if isinstance(frame, pd.DataFrame):
        frame = _without_special_types(_with_named_index(table, frame))
        try:
            engine.register(name, frame)
            digest = _digest(frame)
            if objects := [column for column, kind in enumerate(frame.dtypes) if str(kind) == "object"]:
                _copy_objects(engine, name, frame, objects)
            return name, digest
        except (duckdb.Error, UnicodeError, TypeError):
            for column, kind in frame.dtypes.items():
                if not _is_readable(engine, frame[[column]]):
                    raise DataError(_UNREADABLE, table=table, column=column, kind=kind) from None
            raise
    if hasattr(frame, "collect") and _is_polars(frame):
        frame = frame.collect()
    for column, kind in frame.schema.items() if _is_polars(frame) else ():
        if str(kind) == "Object":  # addresses in memory, to whoever reads them
            raise DataError(_UNREADABLE, table=table, column=column, kind=kind)
    if not hasattr(frame, "__arrow_c_stream__"):
        kind = type(frame).__name__
        raise DataError(
            "{table} must be a DataFrame (pandas, Polars) or an Arrow table, not {kind}; to read a file use "
            "rk.load(path).",
            table=table,
            kind=Phrase("an {kind}" if kind[0] in "aeiou" else "a {kind}", kind=kind),
        )
    engine.register(name, Stream(frame))
    _copy(engine, name)
    (rows,) = engine.rows(
        f"SELECT sha256(string_agg(sha256(CAST(_kept AS VARCHAR)), '' ORDER BY _kept.rowid)) FROM {name} AS _kept"
    )[0]
    return name, hashlib.sha256(f"{engine.types(name)} {rows}".encode()).hexdigest()


def find_repeated_names(engine: DuckDB, relation: str, columns: Sequence[str]) -> tuple[Finding, ...]:
    """A finding on repeated column names of a frame or file, which the engine has renamed."""
    if not columns or not (detail := names_again(columns, [*engine.types(relation)][-len(columns) :])):
        return ()
    ((rows,),) = engine.rows(f"SELECT count(*) FROM {relation}")
    return (Finding("duplicate header", rows, detail),)


def names_of(frame: Any) -> list[str]:
    """The names of the columns of a frame; none of a stream that does not tell them."""
    if isinstance(frame, pd.DataFrame):
        return [*map(str, frame.columns)]
    if _is_polars(frame):
        return frame.collect_schema().names()
    return [*getattr(getattr(frame, "schema", None), "names", [])]


def _is_polars(frame: Any) -> bool:
    return type(frame).__module__.startswith("polars")


def _with_named_index(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with those of our columns that are its index, as `set_index` makes them."""
    index_names = [name for name in frame.index.names if name in (*REQUIRED[table], *OPTIONAL[table])]
    missing = [name for name in index_names if name not in frame.columns]
    return frame.reset_index(level=missing) if missing else frame


def _copy(engine: DuckDB, name: str) -> None:
    """Copy a registered frame into a table of the same name."""
    engine.run(f"CREATE TABLE {name}_copied AS SELECT * FROM {name}")
    engine.unregister(name)
    engine.run(f"ALTER TABLE {name}_copied RENAME TO {name}")


def _copy_objects(engine: DuckDB, name: str, frame: pd.DataFrame, objects: list[int]) -> None:
    """Make a registered frame a table in which columns of objects, given by place, are text where the engine has no
    type for all of their values, such as numbers beside dates, or a less exact one: for decimals beside NaN, and long
    ids beside 7.5.
    """
    import duckdb

    is_copied = True
    try:
        _copy(engine, name)
    except duckdb.Error:
        is_copied = False
    columns = [*engine.types(name).items()]
    mixed = [
        index
        for index in objects
        if _is_inexact(columns[index][1], frame.iloc[:, index])
        or not (is_copied or _can_count(engine, name, columns[index][0]))
    ]
    if is_copied and not mixed:
        return
    if is_copied:
        engine.run(f"DROP TABLE {name}")
    frame = frame.copy(deep=False)
    for index in mixed:
        values = frame.iloc[:, index]
        frame.isetitem(index, values.map(str).where(values.notna(), None).astype("str"))
    engine.register(name, frame)
    _copy(engine, name)


def _is_inexact(kind: str, values: pd.Series) -> bool:
    return kind == "FLOAT" or (kind == "DOUBLE" and any(map(_is_long, values.dropna())))


def _can_count(engine: DuckDB, name: str, column: str) -> bool:
    import duckdb

    try:
        engine.rows(f"SELECT count({quote(column)}) FROM {name}")
    except duckdb.Error:
        return False
    return True


def _without_special_types(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with periods as their start times, and sparse columns as dense ones."""
    casts = {
        pd.PeriodDtype: lambda column: column.dt.to_timestamp(),
        pd.SparseDtype: lambda column: column.sparse.to_dense(),
    }
    if not (columns := [name for name, kind in frame.dtypes.items() if type(kind) in casts]):
        return frame
    frame = frame.copy(deep=False)
    for name in columns:
        frame[name] = casts[type(frame[name].dtype)](frame[name])
    return frame


def _is_readable(engine: DuckDB, frame: pd.DataFrame) -> bool:
    import duckdb

    try:
        engine.register("_column", frame)
        _digest(frame)
    except (duckdb.Error, UnicodeError, TypeError):
        return False
    finally:
        engine.unregister("_column")
    return True


def with_microseconds(engine: DuckDB, relation: str) -> str:
    """A relation with nanoseconds truncated to microseconds; a cast could round them up into the next day or month."""
    casts = {"TIMESTAMP_NS": "{time}", "TIMESTAMPTZ_NS": "timezone('UTC', {time})"}
    cut = [
        f"{casts[kind].format(time=f'make_timestamp(epoch_ns({quote(name)}) // 1000)')} AS {quote(name)}"
        for name, kind in engine.types(relation).items()
        if kind in casts
    ]
    return f"(SELECT * REPLACE ({', '.join(cut)}) FROM {relation})" if cut else relation


def cells(names: Sequence[str], rows: Iterable[Sequence[object]]) -> pd.DataFrame:
    """A DataFrame whose columns are typed by their cells: numbers, times, dates or booleans; else text."""
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    frame = pd.concat([_column(values) for values in columns], axis=1) if names else pd.DataFrame()
    return frame.set_axis(list(names), axis=1)


def _column(values: Sequence[object]) -> pd.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean")
    if kinds == {int} and all(abs(value) < 2**63 for value in values if isinstance(value, int)):
        return pd.Series(values, dtype="Int64")
    if kinds and kinds <= {int, float} and not any(map(_is_long, values)):
        return pd.Series(
            [float(value) if isinstance(value, int | float) else None for value in values], dtype="Float64"
        )
    if kinds and all(issubclass(kind, date) for kind in kinds):
        if all(_is_bare(value) for value in values if isinstance(value, date)):
            days = [date(value.year, value.month, value.day) if isinstance(value, date) else None for value in values]
            return pd.Series(days, dtype="object")
        return pd.Series(pd.to_datetime(list(values))).astype("datetime64[us]")
    return pd.Series([None if value is None else _as_text(value) for value in values], dtype="str")


def _is_long(value: object) -> bool:
    """Whether a float is too short for a number."""
    if isinstance(value, Decimal):
        return len(value.as_tuple().digits) > 15
    return isinstance(value, int) and abs(value) > 2**53


def _is_bare(value: date) -> bool:
    return not isinstance(value, datetime) or value.time() == time()


def _as_text(value: object) -> str:
    """A cell as text; midnight is a date, as workbooks have no separate type for dates."""
    if isinstance(value, date):
        if isinstance(value, datetime) and not _is_bare(value):
            return value.isoformat(" ")
        return str(date(value.year, value.month, value.day))
    return str(value)


def _digest(frame: pd.DataFrame) -> str:
    """SHA-256 of a DataFrame's columns and values."""
    from pandas.util import hash_pandas_object

    digest = hashlib.sha256(repr(list(frame.columns)).encode())
    objects = [
        name for name, kind in frame.dtypes.items() if str(kind) == "object"
    ]  # may hold lists, which have no hash
    digest.update(hash_pandas_object(frame.astype(dict.fromkeys(objects, str)), index=False).to_numpy().tobytes())
    return digest.hexdigest()


def register_cells(engine: DuckDB, name: str, names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Register cells under a name on the engine; returns the quoted name."""
    engine.register(name, cells(names, rows))
    return quote(name)
