"""Find and read the raw tables: files and DataFrames, with their columns renamed to ours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.data.engine import Engine, literal, quote
from retention_kit.errors import DataError, did_you_mean
from retention_kit.settings import TABLES, Table

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = {
    "orders": ("customer_id", "ordered_at", "amount"),
    "subscriptions": ("customer_id", "started_at", "ended_at", "amount"),
    "responses": ("responded_at", "survey", "score"),
}
OPTIONAL = {
    "orders": ("order_id", "refund_of", "currency"),
    "subscriptions": (
        "subscription_id",
        "interval",
        "currency",
        "trial_ends_at",
        "cancel_reason",
        "status",
    ),
    "responses": ("customer_id", "scale", "weight", "comment"),
}
FORMATS = (".parquet", ".csv")


def find_tables(folder: Path) -> dict[str, Path]:
    """The tables that lie in a folder under our names: `orders.csv`, `subscriptions.parquet`, …"""
    found = {name: path for name in TABLES for ending in FORMATS if (path := folder / f"{name}{ending}").is_file()}
    if not found:
        raise DataError(
            f"The folder {str(folder)!r} holds no table: name them orders, subscriptions or responses "
            f"({', '.join(FORMATS)}), or put a retention.toml beside them."
        )
    return found


def guess_table(engine: Engine, path: Path) -> str:
    """Which of our tables a single file is: by its name, else by its columns."""
    try:
        columns = engine.types(_reader(engine, path, Table(path=path.name)))
    except engine.error as error:
        raise DataError(f"{path.name} cannot be read: {_first_line(error)}") from None
    named = [name for name in TABLES if path.stem.lower().startswith(name)]
    fitting = [name for name in TABLES if set(_distinctive(name)) <= set(columns)]
    if not (named or fitting):
        raise DataError(
            f"{path.name} is none of our tables: orders need {', '.join(REQUIRED['orders'])}; "
            f"it has {', '.join(columns)}. Map the columns in a retention.toml (retention-kit init writes one)."
        )
    return (named or fitting)[0]


def read_file(engine: Engine, table: str, source: Table, folder: Path) -> str:
    """SQL that reads one file with its columns under our names; raises DataError, naming file and column."""
    path = folder / source.path
    if not path.is_file():
        near = [found.name for found in path.parent.glob("*")] if path.parent.is_dir() else []
        raise DataError(f"There is no file {source.path!r} in {str(folder)!r}: {did_you_mean(path.name, near)}")
    try:
        reader = _reader(engine, path, source)
        return _renamed(engine, table, source, reader, path.name)
    except engine.error as error:
        raise DataError(f"{path.name} cannot be read: {_first_line(error)}") from None


def read_frame(engine: Engine, table: str, frame: pd.DataFrame) -> str:
    """SQL that reads a DataFrame whose columns bear our names."""
    engine.register(f"_{table}_frame", frame)
    return _renamed(engine, table, Table(path=""), f"_{table}_frame", f"the {table} DataFrame")


def fingerprint(source: Path | pd.DataFrame) -> str:
    """SHA-256 of a file's bytes, or of a DataFrame's columns and values."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    from pandas.util import hash_pandas_object

    digest = hashlib.sha256(repr(list(source.columns)).encode())
    objects = [
        name for name, kind in source.dtypes.items() if str(kind) == "object"
    ]  # may hold lists, which have no hash
    digest.update(hash_pandas_object(source.astype(dict.fromkeys(objects, str)), index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _distinctive(table: str) -> tuple[str, ...]:
    return REQUIRED[table] if table != "subscriptions" else ("customer_id", "started_at", "amount")


def _reader(engine: Engine, path: Path, source: Table) -> str:
    """SQL that reads a file.

    In CSV only columns that are computed with become numbers, so that `007` stays a text, and none becomes a date, so
    that strptime works on every way of writing one.
    """
    name = literal(str(path))
    if path.suffix == ".parquet":
        return f"read_parquet({name})"
    if path.suffix != ".csv":
        raise DataError(f"{path.name} cannot be read: use one of {', '.join(FORMATS)}.")
    texts = f"read_csv({name}, header = true, all_varchar = true)"
    theirs = engine.types(texts)
    mapped = {text.lower() for name, text in source.columns.items() if name not in ("amount", "score", "weight")}
    expressions = [*source.columns.values(), source.where or ""]
    computed = {column for column in _used(theirs, expressions) if column.lower() not in mapped}
    if not computed:
        return texts
    types = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in theirs if column not in computed)
    candidates = "auto_type_candidates = ['BIGINT', 'DOUBLE', 'BOOLEAN', 'VARCHAR']"
    return f"read_csv({name}, header = true, sample_size = -1, {candidates}, types = {{{types}}})"


def _used(theirs: Iterable[str], expressions: list[str]) -> list[str]:
    """The columns of theirs that SQL expressions name; plain column names are no expressions."""
    plain = {column.lower() for column in theirs}
    code = " ".join(re.sub(r"'[^']*'", "", text) for text in expressions if text.lower() not in plain)
    return [column for column in theirs if re.search(rf"(?<!\w){re.escape(column)}(?!\w)", code, re.IGNORECASE)]


def _renamed(engine: Engine, table: str, source: Table, reader: str, label: str) -> str:
    theirs = engine.types(reader)
    # Weights change every figure: where columns are mapped, only a mapped weight counts.
    own = [name for name in (*REQUIRED[table], *OPTIONAL[table]) if name != "weight" or not source.columns]
    ours = {**{name: name for name in own if name in theirs}, **source.columns}
    constants = {"survey": source.survey, "scale": source.scale} if table == "responses" else {}
    selected = {name: _expression(engine, text, theirs, reader, label, name) for name, text in ours.items()}
    selected |= {name: literal(value) for name, value in constants.items() if value}
    for name in REQUIRED[table]:
        if name not in selected:
            known = [column for column in theirs if column not in source.columns.values()]
            raise DataError(f"{label} has no column {name!r}, which {table} need: {did_you_mean(name, known)}")
    consumed = _used(theirs, list(ours.values()))
    taken = {text.lower() for text in [*selected, *ours.values(), *consumed, *REQUIRED[table], *OPTIONAL[table]]}
    selected |= {name: quote(name) for name in theirs if name.lower() not in taken and not name.startswith("_")}
    query = f"SELECT {', '.join(f'{text} AS {quote(name)}' for name, text in selected.items())} FROM {reader}"
    if not source.where:
        return query
    _try(engine, f"FROM {reader} WHERE {source.where}", label, f"where = {source.where!r}", source.where, theirs)
    return f"{query} WHERE {source.where}"


def _expression(engine: Engine, text: str, theirs: dict[str, str], reader: str, label: str, name: str) -> str:
    """A column of theirs, or an SQL expression on them that the engine accepts."""
    for column in theirs:
        if column.lower() == text.lower():  # as SQL compares names
            return quote(column)
    if re.fullmatch(r"[^\W\d]\w*", text):
        raise DataError(f"{label} has no column {text!r} for {name}: {did_you_mean(text, theirs)}")
    _try(engine, f"SELECT {text} FROM {reader}", label, f"{name} = {text!r}", text, theirs)
    return f"({text})"


def _try(engine: Engine, query: str, label: str, place: str, text: str, theirs: dict[str, str]) -> None:
    """Raise where the engine does not accept a query, and say which columns of its expression are text."""
    try:
        engine.types(f"({query})")
    except engine.error as error:
        message = f"{label}: {place} does not work: {_first_line(error)}"
        texts = [column for column in _used(theirs, [text]) if theirs[column] == "VARCHAR"]
        if texts and "cast" in message:
            message += f" {_listed(texts)} text: write CAST({quote(texts[0])} AS DOUBLE)."
        raise DataError(message) from None


def _listed(columns: list[str]) -> str:
    return f"{', '.join(map(repr, columns))} {'is' if len(columns) == 1 else 'are'}"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") + "."
