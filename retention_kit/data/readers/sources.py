"""Find and read the raw tables: files, DataFrames and tables of a database, with their columns renamed to ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from retention_kit.data.checks import Found
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.remote import RemoteEngine
from retention_kit.data.engines.sql_text import is_query, literal
from retention_kit.data.readers.databases import SUFFIXES as DATABASES
from retention_kit.data.readers.databases import file_of, fingerprinted, read_database, tables_in
from retention_kit.data.readers.exclusions import as_text, leave_out, limits
from retention_kit.data.readers.files import (
    FORMATS,
    files_of,
    fingerprint,
    read_file,
    refuse_irregular,
    sheets,
    used,
)
from retention_kit.data.readers.frames import in_micros, keep_frame
from retention_kit.data.readers.header import Names, name_key
from retention_kit.data.readers.text_files import TEXTS, text_columns
from retention_kit.data.readers.union import FILE, LEFT, REST, keep_where, lacking_in, stacked
from retention_kit.data.readers.wanted_columns import as_named, names_of, spelled, wanted_columns
from retention_kit.data.schema import OPTIONAL, REQUIRED
from retention_kit.data.values.amounts import Hints
from retention_kit.data.values.expressions import close_column, plainly
from retention_kit.data.values.typed_expressions import typed
from retention_kit.errors import DataError, did_you_mean
from retention_kit.settings import BESIDE, TABLES, Table

_OURS = (*TABLES, *BESIDE)
_FULL = ("Out of Memory", "Could not write", "Could not truncate", "No space left")


class Source(NamedTuple):
    """One of the sources that a table is stacked from: kept under our column names, and what the report says of it."""

    name: str  # of its rows on the engine
    label: str
    sha256: str
    zone: str | None = None  # of its naive times, if it has its own
    is_lines: bool = False
    found: tuple[Found, ...] = ()  # what reading has set aside or decided
    columns: Mapping[str, str] = {}  # ours = what they call it; empty for an expression
    left: str = ""  # of the rows on the engine that `where` leaves out
    asked: tuple[str, ...] = ()  # their columns that `where` asks for
    files: tuple[str, ...] = ()  # that it is stacked from
    fold: bool = False  # whether ids that differ only in case are one
    decimal: str | None = None  # how its amounts are written, if that is stated
    delimiter: str | None = None  # of a text file
    keep: tuple[str, ...] | None = None  # the columns that are segments, whatever the rule says
    unread: tuple[str, ...] = ()  # columns of text files that are not kept, since by their names they are no segments
    is_frame: bool = False  # a DataFrame, which no expression is on
    question: str = ""  # of answers, the column of their scores as it is mapped


def find_tables(path: Path) -> dict[str, str]:
    """The tables that a folder, a workbook or a database holds under our names, each with its path from there."""
    if path.is_dir():
        return _tables_of_folder(path)
    if path.suffix.lower() == ".xlsx":
        held = sheets(path)
    elif path.suffix.lower() in DATABASES:
        with sentence(DuckDB(), path.name):
            held = tables_in(path)
    else:
        return {guess_table(path): path.name}
    found = {name: path.name for name in _OURS if name in {sheet.strip().lower() for sheet in held}}
    if set(found) & set(TABLES):
        return found
    if path.suffix.lower() == ".xlsx":
        return {guess_table(path): path.name}
    raise DataError(
        f"{path.name} holds none of our tables, {', '.join(TABLES)}; it has {', '.join(held) or 'none'}. "
        "Name yours in a retention.toml with [data] engine."
    )


def guess_table(path: Path) -> str:
    """Which of our tables a single file is: by its name, else by its columns."""
    refuse_irregular(path)
    names = Names(frozenset(name for one in TABLES for name in (*REQUIRED[one], *OPTIONAL[one])))
    if path.suffix.lower() in TEXTS:
        columns = text_columns(path, names)
    else:
        engine = DuckDB(files=[path])
        with sentence(engine, path.name):
            columns = [*engine.types(read_file(engine, path, Table(path=""), "", "_guess", names)[0])]
    keys = set(map(name_key, columns))
    named = [name for name in TABLES if path.stem.lower().startswith(name)]
    fitting = [name for name in TABLES if set(map(name_key, _distinctive(name))) <= keys]
    if not (named or fitting):
        raise DataError(
            f"{path.name} is none of our tables: orders need {', '.join(REQUIRED['orders'])}; "
            f"it has {', '.join(columns)}. Map the columns in a retention.toml (retention-kit init writes one)."
        )
    return (named or fitting)[0]


def read_table(
    engine: Engine,
    table: str,
    number: int,
    source: Table,
    database: str | None,
    folder: Path,
    decimals: int = 2,
    segments: Iterable[str] = (),
) -> Source:
    """One source of a table with its columns under our names; raises DataError, naming file and column.

    `decimals` are those of the report's currency, by which expressions read amounts. Of text files those columns are kept
    that are mapped, that `segments` names, or that may be segments.
    """
    name, kept = f"_{table}_{number}", f"{table}_source_{number}"
    is_in_database = is_query(source.path) or Path(source.path).suffix.lower() not in FORMATS + DATABASES
    if isinstance(engine, RemoteEngine) and is_in_database:
        return _in_database(engine, table, source, kept)
    embedded = engine.embedded
    names: tuple[str, ...] = ()
    delimiter, unread = None, list[str]()
    if database and (is_query(source.path) or Path(source.path).suffix.lower() not in FORMATS):
        files, text = [file_of(database, folder)], source.path
        label = title = f"{files[0].name}: {' '.join(text.split())}"
        is_database = True
    else:
        files, text = files_of(source.path, folder), table
        label, title = source.path, Path(source.path).name
        is_database = files[0].suffix.lower() in DATABASES and len(files) == 1
    if is_database:
        with sentence(engine, files[0].name):
            reader = read_database(embedded, files[0], text, name)
            reader, told = spelled(embedded, table, source, reader, title)
        files = fingerprinted(files[0])
    else:
        known = names_of(embedded, table, source)
        wanted = wanted_columns(embedded, source, known, segments, unread)
        readers, told, delimiter = _read_files(embedded, table, source, files, name, known, wanted)
        reader, names = stacked(readers), tuple(path.name for path in files) if len(files) > 1 else ()
        told += _lacking(embedded, table, source, files, readers)
    # Expressions on a file are the embedded engine's, wherever its rows go.
    with sentence(engine, title):
        hints = Hints(source.decimal, delimiter, decimals)
        relation, found = _after_leaving_out(embedded, source, in_micros(embedded, reader), title, kept, hints)
        asked, more = _keep(embedded, table, source, relation, title, kept, hints)
        for view in (kept, *([LEFT.format(kept)] if source.where else [])) if embedded is not engine else ():
            engine.define(view, f"SELECT * FROM {engine.upload(f'_taken_{view}', view)}")
    beside = {"files": names, "asked": asked, "delimiter": delimiter, "unread": tuple(dict.fromkeys(unread))}
    return _source(kept, label, fingerprint(files), source, found=(*told, *found, *more), **beside)


def read_given(engine: Engine, table: str, given: Any) -> Source:
    """A DataFrame or Arrow table whose columns bear our names, or the name of such a table, or a query, in a database."""
    kept = f"{table}_source_0"
    if isinstance(given, str) and isinstance(engine, RemoteEngine):
        return _in_database(engine, table, Table(path=given), kept)
    name, label = f"_{table}_frame", f"{table} DataFrame"
    native = engine if isinstance(engine, RemoteEngine) and engine.is_native(given) else None
    if native:
        native.register(name, given)
        relation, digest = name, ""
    else:
        name, digest = keep_frame(engine.embedded, table, given)
        relation = engine.upload(name, in_micros(engine.embedded, name))
    with sentence(engine, f"The {label}"):
        relation, told = spelled(engine, table, Table(path=""), relation, f"the {label}")
        _keep(engine, table, Table(path=""), relation, f"the {label}", kept, Hints())
        return Source(
            kept, label, native.digest(kept) if native else digest, found=told, is_frame=not isinstance(given, str)
        )


def _in_database(engine: RemoteEngine, table: str, source: Table, kept: str) -> Source:
    """A table or query of the engine's own database."""
    label = f"{engine.database}: {' '.join(source.path.split())}"
    with sentence(engine, label):
        relation, told = spelled(engine, table, source, engine.find_table(source.path), label)
        relation, found = _after_leaving_out(engine, source, relation, label, kept, Hints())
        asked, _ = _keep(engine, table, source, relation, label, kept, Hints())
        return _source(kept, label, engine.digest(kept), source, found=told + found, asked=asked)


def _after_leaving_out(
    engine: Engine, source: Table, relation: str, label: str, kept: str, hints: Hints
) -> tuple[str, tuple[Found, ...]]:
    """The rows of a source that its `leave_out` keeps, and what is to be told of the others and of the export."""
    relation, found = leave_out(engine, source, as_text(engine, source, relation), label, kept, hints)
    return relation, (*found, *(Found("limit of the export", 1, note) for note in limits(source)))


def _source(kept: str, label: str, digest: str, source: Table, **more: Any) -> Source:
    plain = {ours: text if re.fullmatch(r"[\w .#-]+", text) else "" for ours, text in source.columns.items()}
    left = LEFT.format(kept) if source.where else ""
    keep = None if source.keep is None else tuple(source.keep)
    more |= {
        "left": left,
        "question": source.columns.get("score", ""),
        "keep": keep,
        "fold": source.case == "fold",
        "decimal": source.decimal,
    }
    return Source(kept, label, digest, source.timezone, source.rows == "lines", columns=plain, **more)


@contextmanager
def sentence(engine: Engine, label: str) -> Iterator[None]:
    """Turn what the engine cannot do into one sentence about a source."""
    try:
        yield
    except engine.error as error:
        raise DataError(f"{label} cannot be read: {first_line(error)}") from None


def _read_files(
    engine: DuckDB, table: str, source: Table, files: list[Path], name: str, names: Names, wanted: Callable
) -> tuple[list[str], tuple[Found, ...], str | None]:
    """SQL that reads each of the files, what else they hold, and the first one's delimiter: `;` is where commas begin decimals."""
    readers, found, delimiters = [], [], []
    for part, path in enumerate(files):
        with sentence(engine, path.name):
            reader, told, delimiter = read_file(engine, path, source, table, f"{name}_{part}", names, wanted)
            reader, renamed = spelled(engine, table, source, reader, path.name)
        readers.append(reader)
        delimiters.append(delimiter)
        found += [*told, *renamed]
    return readers, tuple(found), delimiters[0]


def _lacking(engine: Engine, table: str, source: Table, files: list[Path], readers: list[str]) -> tuple[Found, ...]:
    """The columns that only some of the files have; raise where one lacks a column that the table needs."""
    kinds = [engine.types(reader) for reader in readers] if len(files) > 1 else []
    every = {name.lower(): name for found in kinds for name in found}
    constants = {"survey": source.survey, "scale": source.scale}
    found = []
    for ours in (*REQUIRED[table], *OPTIONAL[table], *source.columns):
        text = source.columns.get(ours, ours)
        columns = [every[text.lower()]] if text.lower() in every else used(every.values(), [text])
        if constants.get(ours):
            continue
        for column, path, reader in lacking_in(columns, files, readers, kinds):
            others = [name for name in every.values() if name.lower() not in map(str.lower, source.columns.values())]
            if ours in REQUIRED[table]:
                raise DataError(
                    f"{path.name} has no column {column!r}, which other files of {source.path} have and {table} need for "
                    f"{ours}: {did_you_mean(column, [name for name in kinds[files.index(path)] if name in others])}"
                )
            ((rows,),) = engine.rows(f"SELECT count(*) FROM {reader}")
            found.append(Found("column missing in one file", rows, f"{path.name} has no {column!r} for {ours}"))
    return tuple(dict.fromkeys(found))


def _tables_of_folder(folder: Path) -> dict[str, str]:
    endings = (*FORMATS, *DATABASES)
    found = {}
    for name in _OURS:
        files = sorted(path.name for path in folder.glob(f"{name}.*") if path.suffix.lower() in endings)
        if len(files) > 1:
            raise DataError(
                f"The folder {str(folder)!r} holds {' and '.join(files)}: keep one, or name it in a retention.toml."
            )
        if files:
            found[name] = files[0]
    if not set(found) & set(TABLES):
        raise DataError(
            f"The folder {str(folder)!r} holds no table: name them orders, subscriptions or responses "
            f"({', '.join(FORMATS)}), or put a retention.toml beside them."
        )
    return found


def _distinctive(table: str) -> tuple[str, ...]:
    return REQUIRED[table] if table != "subscriptions" else ("customer_id", "started_at", "amount")


def _keep(
    engine: Engine, table: str, source: Table, reader: str, label: str, kept: str, hints: Hints
) -> tuple[tuple[str, ...], list[Found]]:
    """Let the rows of a source stand under a name, and beside them those that its `where` leaves out.

    What `where` asks for, and what is to be told of the expressions.
    """
    selected, theirs, found = _selected(engine, table, source, reader, label, hints)
    columns = ", ".join(as_named(engine, text, name) for name, text in selected.items())
    query = f"SELECT {columns} FROM {reader} AS _theirs"
    if not source.where:
        engine.define(kept, query)
        return (), found
    place = f"where = {source.where!r}"
    where, told = (
        (source.where, [])
        if not isinstance(engine, DuckDB)
        else typed(engine, source.where, reader, f"{label}: {place}", hints)
    )
    _try(engine, f"SELECT * FROM {reader} AS _theirs WHERE {where}", label, place, source.where, theirs)
    order = selected["order_id"] if source.rows == "lines" else ""
    keep_where(engine, kept, query, where, f"{reader} AS _theirs", order)
    return tuple(used(theirs, [source.where])), found + told


def _selected(
    engine: Engine, table: str, source: Table, reader: str, label: str, hints: Hints
) -> tuple[dict[str, str], dict[str, str], list[Found]]:
    """SQL of each column under our name or, of those that nobody maps, theirs; the types of theirs; and what is to be told."""
    theirs = engine.types(reader)
    # Weights change every figure: where columns are mapped, only a mapped weight counts.
    own = [name for name in (*REQUIRED[table], *OPTIONAL[table]) if name != "weight" or not source.columns]
    ours = {**{name: name for name in own if name in theirs}, **source.columns}
    constants = {"survey": source.survey, "scale": source.scale} if table == "responses" else {}
    selected, found = {}, []
    for name, text in ours.items():
        money = hints if name in ("amount", "refunded") else hints._replace(decimals=None)
        selected[name], told = _expression(engine, text, theirs, reader, label, name, money)
        found += told
    selected |= {name: literal(value) for name, value in constants.items() if value}
    known = [column for column in theirs if column not in ours and column not in source.columns.values()]
    for name in REQUIRED[table]:
        if name not in selected:
            raise DataError(f"{label} has no column {name!r}, which {table} need: {did_you_mean(name, known)}")
    if source.rows == "lines" and "order_id" not in selected:
        raise DataError(
            f"{label} has no column 'order_id', by which rows = \"lines\" are summed: {did_you_mean('order_id', known)}"
        )
    consumed = used(theirs, list(ours.values()))
    taken = {text.lower() for text in [*selected, *ours.values(), *consumed, *REQUIRED[table], *OPTIONAL[table]]}
    # Exports hold addresses and texts of every kind: of theirs only what is mapped can split the figures.
    kept = None if not source.layout else {name.lower() for name in source.keep or ()}
    others = [name for name in theirs if name.lower() not in taken and not name.startswith("_")]
    selected |= {name: engine.quote(name) for name in others if kept is None or name.lower() in kept}
    if source.rows == "lines":  # two lines are alike if all of their columns are, mapped or not
        selected["_like"] = engine.row_digest
    selected |= {name: name for name in (FILE, REST) if name in theirs}
    return selected, theirs, found


def _expression(
    engine: Engine, text: str, theirs: dict[str, str], reader: str, label: str, name: str, hints: Hints
) -> tuple[str, list[Found]]:
    """A column of theirs, or an SQL expression on them that the engine accepts; and what is to be told of it."""
    for column in theirs:
        if column.lower() == text.lower():  # as SQL compares names
            return engine.quote(column), []
    if re.fullmatch(r"[^\W\d]\w*", text):
        raise DataError(f"{label} has no column {text!r} for {name}: {did_you_mean(text, theirs)}")
    place = f"{name} = {text!r}"
    sql, found = (
        (text, []) if not isinstance(engine, DuckDB) else typed(engine, text, reader, f"{label}: {place}", hints)
    )
    beside = engine.quote(next(iter(theirs), "")) if theirs else "1"  # a sum over rows cannot stand by it
    _try(engine, f"SELECT {sql} AS one, {beside} AS beside FROM {reader} AS _theirs", label, place, text, theirs)
    return f"({sql})", found


def _try(engine: Engine, query: str, label: str, place: str, text: str, theirs: dict[str, str]) -> None:
    """Raise where the engine does not accept a query, and say what of its expression it does not."""
    try:
        engine.types(f"({query})")
    except engine.error as error:
        near = close_column(text, theirs)
        said = f"did you mean {near!r}?" if near else plainly(engine.embedded, first_line(error), theirs)
        raise DataError(f"{label}: {place} does not work: {said}") from None


def first_line(error: Exception) -> str:
    """What an engine says first, as a sentence."""
    said = str(error).strip().splitlines()[0].rstrip(".") + "."
    if "disabled by configuration" in said:
        said = f"Only the files that sources name can be read, by an expression too: {said.partition(' - ')[0]}."
    if any(sign in said for sign in _FULL):
        said = f"There is too little room in memory ([data] memory_limit) or on the disk for temporary files: {said}"
    return said
