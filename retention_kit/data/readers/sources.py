"""Finds and reads raw tables: files, DataFrames and tables of a database, with their columns renamed to ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from retention_kit.data.checks import Finding
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.remote import RemoteEngine
from retention_kit.data.engines.sql_text import is_query
from retention_kit.data.readers.databases import SUFFIXES as DATABASES
from retention_kit.data.readers.databases import content_files, database_file, read_database, tables_in
from retention_kit.data.readers.exclusions import cells_as_text, export_limits, leave_out
from retention_kit.data.readers.files import (
    FORMATS,
    columns_used,
    fingerprint,
    read_file,
    refuse_irregular,
    resolve_files,
    sheets,
)
from retention_kit.data.readers.frames import find_repeated_names, names_of, register_frame, with_microseconds
from retention_kit.data.readers.header import Names, name_key
from retention_kit.data.readers.source_columns import check_query, error_sentence, select_columns
from retention_kit.data.readers.text_files import TEXTS, text_columns
from retention_kit.data.readers.union import LEFT, define_where, missing_columns, union_sql
from retention_kit.data.readers.wanted_columns import aliased, header_names, match_spelling, wanted_columns
from retention_kit.data.schema import OPTIONAL, REQUIRED, table_name
from retention_kit.data.values.amounts import Hints
from retention_kit.data.values.typed_expressions import type_expression
from retention_kit.errors import DataError, Listed, Phrase, did_you_mean
from retention_kit.settings import SIDE_TABLES, TABLES, Table
from retention_kit.wording import Verbatim, quoted, sentence

_ALL_TABLES = (*TABLES, *SIDE_TABLES)
_SURVEY_TABLES = {"answers", "tokens", "responses", "invitations"}  # tables and views in the file of a survey


class Source(NamedTuple):
    """One source of a table: its view on the engine, with our column names, and its description for reports."""

    name: str  # of the view of its rows
    label: str
    sha256: str
    timezone: str | None = None  # of its naive times, if it has its own
    is_lines: bool = False
    findings: tuple[Finding, ...] = ()  # of reading it
    columns: Mapping[str, str] = {}  # ours = theirs; empty for an expression
    left_out: str = ""  # the view of the rows that `where` leaves out
    where_columns: tuple[str, ...] = ()  # their columns in `where`
    files: tuple[str, ...] = ()  # if it is read from several
    fold: bool = False  # whether ids that differ only in case are the same
    decimal: str | None = None  # the decimal separator of its amounts by the settings
    delimiter: str | None = None  # of a text file
    keep: tuple[str, ...] | None = None  # the columns that are segments by the settings
    unread: tuple[str, ...] = ()  # columns of text files that are not stored, as by their names they are no segments
    is_frame: bool = False
    question: str = ""  # of answers: the mapping of the column of scores


def find_tables(path: Path) -> dict[str, str]:
    """Our tables in a folder, a workbook or a database, each with its path relative to the folder."""
    if path.is_dir():
        return _tables_of_folder(path)
    if path.suffix.lower() == ".xlsx":
        names = sheets(path)
    elif path.suffix.lower() in DATABASES:
        import duckdb

        with wrap_errors(duckdb.Error, path.name):
            names = tables_in(path)
    else:
        return {guess_table(path): path.name}
    tables = {name: path.name for name in _ALL_TABLES if name in {sheet.strip().lower() for sheet in names}}
    if set(tables) & set(TABLES):
        return tables
    if path.suffix.lower() == ".xlsx":
        return {guess_table(path): path.name}
    template = (
        "{file} holds none of our tables, {tables}; it has {names}. Name yours in a retention.toml with [data] engine."
    )
    raise DataError(template, file=path.name, tables=Listed(TABLES), names=Listed(names) or Phrase("none"))


def with_invitations(sources: dict[str, list[Table]], folder: Path) -> dict[str, list[Table]]:
    """The sources, with the invitations in the file of a survey (`retention-kit survey`) that has the answers."""
    if sources["invitations"]:
        return sources
    files = dict.fromkeys(
        source.path for source in sources["responses"] if Path(source.path).suffix.lower() in DATABASES
    )
    stores = [path for path in files if (folder / path).is_file() and set(tables_in(folder / path)) >= _SURVEY_TABLES]
    return sources | {"invitations": [Table(path=path) for path in stores]}


def guess_table(path: Path) -> str:
    """The table that a single file is, by its name, else by its columns; raises DataError if it is none."""
    refuse_irregular(path)
    if by_name := [name for name in TABLES if path.stem.lower().startswith(name)]:
        return by_name[0]
    names = Names(frozenset(name for table in TABLES for name in (*REQUIRED[table], *OPTIONAL[table])))
    if path.suffix.lower() in TEXTS:
        columns = text_columns(path, names)
    else:
        engine = DuckDB(files=[path])
        with wrap_errors(engine.error, path.name):
            columns = [*engine.types(read_file(engine, path, Table(path=""), "", "_guess", names)[0])]
    keys = set(map(name_key, columns))
    by_columns = [name for name in TABLES if set(map(name_key, _distinctive(name))) <= keys]
    if not by_columns:
        template = (
            "{file} is none of our tables: orders need {required}; it has {columns}. Map the columns in a "
            "retention.toml (retention-kit init writes one)."
        )
        raise DataError(template, file=path.name, required=Listed(REQUIRED["orders"]), columns=Listed(columns))
    return by_columns[0]


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
    """Read one source of a table, with its columns under our names; raises DataError with file and column.

    `decimals` is the number of decimals of the report's currency, by which expressions read amounts. Of text files only
    columns are stored that are mapped, in `segments`, or may be segments.
    """
    name, relation_name = f"_{table}_{number}", f"{table}_source_{number}"
    is_in_database = is_query(source.path) or Path(source.path).suffix.lower() not in FORMATS + DATABASES
    if isinstance(engine, RemoteEngine) and is_in_database:
        return _read_from_database(engine, table, source, relation_name)
    embedded = engine.embedded
    file_names: tuple[str, ...] = ()
    delimiter, unread = None, list[str]()
    if database and (is_query(source.path) or Path(source.path).suffix.lower() not in FORMATS):
        files, text = [database_file(database, folder)], source.path
        label = title = f"{files[0].name}: {' '.join(text.split())}"
        is_database = True
    else:
        files, text = resolve_files(source.path, folder), table
        label, title = source.path, Path(source.path).name
        is_database = files[0].suffix.lower() in DATABASES and len(files) == 1
    if is_database:
        with wrap_errors(engine.error, files[0].name):
            reader = read_database(embedded, files[0], text, name)
            reader, findings = match_spelling(embedded, table, source, reader, title)
        files = content_files(files[0])
    else:
        names_known = header_names(embedded, table, source)
        choose_columns = wanted_columns(embedded, source, names_known, segments, unread)
        readers, findings, delimiter = _read_files(embedded, table, source, files, name, names_known, choose_columns)
        reader, file_names = union_sql(readers), tuple(path.name for path in files) if len(files) > 1 else ()
        findings += _missing_columns(embedded, table, source, files, readers, segments)
        findings += tuple(_find_copies(embedded, files, readers))
    # Expressions on a file are run by the embedded engine, wherever its rows are needed.
    with wrap_errors(engine.error, title):
        hints = Hints(source.decimal, delimiter, decimals)
        relation, excluded = _exclude_rows(
            embedded, source, with_microseconds(embedded, reader), title, relation_name, hints
        )
        where_columns, extra = _define_rows(embedded, table, source, relation, title, relation_name, hints)
        for view in (
            (relation_name, *([LEFT.format(relation_name)] if source.where else [])) if embedded is not engine else ()
        ):
            engine.define(view, f"SELECT * FROM {engine.upload(f'_taken_{view}', view)}")
    details = {
        "files": file_names,
        "where_columns": where_columns,
        "delimiter": delimiter,
        "unread": tuple(dict.fromkeys(unread)),
    }
    return _source(relation_name, label, fingerprint(files), source, findings=(*findings, *excluded, *extra), **details)


def read_frame_or_name(engine: Engine, table: str, frame: Any) -> Source:
    """Read a DataFrame or Arrow table with our column names, or such a table or query of a database by its name."""
    relation_name = f"{table}_source_0"
    if isinstance(frame, str) and isinstance(engine, RemoteEngine):
        return _read_from_database(engine, table, Table(path=frame), relation_name)
    name, label = f"_{table}_frame", sentence("provenance.frame", table=table_name(table))
    native = engine if isinstance(engine, RemoteEngine) and engine.is_native(frame) else None
    repeated: tuple[Finding, ...] = ()
    if native:
        native.register(name, frame)
        relation, digest = name, ""
    else:
        name, digest = register_frame(engine.embedded, table, frame)
        repeated = find_repeated_names(engine.embedded, name, names_of(frame))
        relation = engine.upload(name, with_microseconds(engine.embedded, name))
    with wrap_errors(engine.error, f"The {label}"):
        named = sentence("quality.details.the_frame", table=table_name(table))
        relation, findings = match_spelling(engine, table, Table(path=""), relation, named)
        _define_rows(engine, table, Table(path=""), relation, named, relation_name, Hints())
        return Source(
            relation_name,
            label,
            native.digest(relation_name) if native else digest,
            findings=(*findings, *repeated),
            is_frame=not isinstance(frame, str),
        )


def _read_from_database(engine: RemoteEngine, table: str, source: Table, relation_name: str) -> Source:
    """Read a table or query of the engine's own database."""
    label = f"{engine.database}: {' '.join(source.path.split())}"
    with wrap_errors(engine.error, label):
        relation, findings = match_spelling(engine, table, source, engine.find_table(source.path), label)
        relation, excluded = _exclude_rows(engine, source, relation, label, relation_name, Hints())
        where_columns, _ = _define_rows(engine, table, source, relation, label, relation_name, Hints())
        return _source(
            relation_name,
            label,
            engine.digest(relation_name),
            source,
            findings=findings + excluded,
            where_columns=where_columns,
        )


def _exclude_rows(
    engine: Engine, source: Table, relation: str, label: str, relation_name: str, hints: Hints
) -> tuple[str, tuple[Finding, ...]]:
    """The rows of a source without those of `leave_out`, and findings on these and on the limitations of its export."""
    relation, findings = leave_out(engine, source, cells_as_text(engine, source, relation), label, relation_name, hints)
    return relation, (*findings, *(Finding("limit of the export", 1, note) for note in export_limits(source)))


def _source(relation_name: str, label: str, digest: str, source: Table, **details: Any) -> Source:
    plain_names = {name: text if re.fullmatch(r"[\w .#-]+", text) else "" for name, text in source.columns.items()}
    left_out = LEFT.format(relation_name) if source.where else ""
    keep = None if source.keep is None else tuple(source.keep)
    details |= {
        "left_out": left_out,
        "question": source.columns.get("score", ""),
        "keep": keep,
        "fold": source.case == "fold",
        "decimal": source.decimal,
    }
    return Source(relation_name, label, digest, source.timezone, source.rows == "lines", columns=plain_names, **details)


@contextmanager
def wrap_errors(errors: type[Exception] | tuple[type[Exception], ...], label: str) -> Iterator[None]:
    """Convert errors of an engine to a DataError about a source."""
    try:
        yield
    except errors as error:
        raise DataError("{label} cannot be read: {reason}", label=label, reason=error_sentence(error)) from None


def _read_files(
    engine: DuckDB, table: str, source: Table, files: list[Path], name: str, names: Names, choose_columns: Callable
) -> tuple[list[str], tuple[Finding, ...], str | None]:
    """SQL that reads each of the files, findings, and the delimiter of the first."""
    readers, findings, delimiters = [], [], []
    for part, path in enumerate(files):
        with wrap_errors(engine.error, path.name):
            reader, in_file, delimiter = read_file(engine, path, source, table, f"{name}_{part}", names, choose_columns)
            reader, renamed = match_spelling(engine, table, source, reader, path.name)
        readers.append(reader)
        delimiters.append(delimiter)
        findings += [*in_file, *renamed]
    return readers, tuple(findings), delimiters[0]


def _missing_columns(
    engine: Engine, table: str, source: Table, files: list[Path], readers: list[str], segments: Iterable[str]
) -> tuple[Finding, ...]:
    """Findings on columns that some of the files lack; raises DataError if the table requires one of these."""
    types_by_file = [engine.types(reader) for reader in readers] if len(files) > 1 else []
    all_columns = {name.lower(): name for findings in types_by_file for name in findings}
    constants = {"survey": source.survey, "scale": source.scale}
    findings = []
    for column_of_ours in (*REQUIRED[table], *OPTIONAL[table], *source.columns, *(source.keep or ()), *segments):
        text = source.columns.get(column_of_ours, column_of_ours)
        columns = (
            [all_columns[text.lower()]] if text.lower() in all_columns else columns_used(all_columns.values(), [text])
        )
        if constants.get(column_of_ours):
            continue
        for column, path, reader in missing_columns(columns, files, readers, types_by_file):
            others = [
                value for value in all_columns.values() if value.lower() not in map(str.lower, source.columns.values())
            ]
            if column_of_ours in REQUIRED[table]:
                raise DataError(
                    "{file} has no column {column!r}, which other files of {path} have and {table} need for "
                    "{column_of_ours}: {hint}",
                    file=path.name,
                    column=column,
                    path=source.path,
                    table=table,
                    column_of_ours=column_of_ours,
                    hint=did_you_mean(column, [name for name in types_by_file[files.index(path)] if name in others]),
                )
            ((rows,),) = engine.rows(f"SELECT count(*) FROM {reader}")
            texts = {"file": path.name, "column": quoted(column), "ours": Verbatim(column_of_ours)}
            findings.append(
                Finding("column missing in one file", rows, sentence("quality.details.file_lacks", **texts))
            )
    return tuple(dict.fromkeys(findings))


def _find_copies(engine: Engine, files: list[Path], readers: list[str]) -> Iterator[Finding]:
    """Findings on files with the same bytes as another: their rows without ids count twice."""
    sizes = [path.stat().st_size for path in files]
    firsts: dict[str, Path] = {}
    for path, size, reader in zip(files, sizes, readers, strict=True):
        if sizes.count(size) < 2 or (first := firsts.setdefault(fingerprint([path]), path)) is path:
            continue
        ((rows,),) = engine.rows(f"SELECT count(*) FROM {reader}")
        if rows > 1:  # of a single one, such as an answer of nobody, the like may come again
            detail = sentence("quality.details.copy_of", file=path.name, other=first.name)
            yield Finding("file that is a copy of another", rows, detail)


def _tables_of_folder(folder: Path) -> dict[str, str]:
    endings = (*FORMATS, *DATABASES)
    tables = {}
    for name in _ALL_TABLES:
        files = sorted(path.name for path in folder.glob(f"{name}.*") if path.suffix.lower() in endings)
        if len(files) > 1:
            template = "The folder {folder!r} holds {files}: keep one, or name it in a retention.toml."
            raise DataError(template, folder=str(folder), files=Listed(files, " and "))
        if files:
            tables[name] = files[0]
    if not set(tables) & set(TABLES):
        template = (
            "The folder {folder!r} holds no table: name them orders, subscriptions or responses ({formats}), or "
            "put a retention.toml beside them."
        )
        raise DataError(template, folder=str(folder), formats=Listed(FORMATS))
    return tables


def _distinctive(table: str) -> tuple[str, ...]:
    return REQUIRED[table] if table != "subscriptions" else ("customer_id", "started_at", "amount")


def _define_rows(
    engine: Engine, table: str, source: Table, reader: str, label: str, relation_name: str, hints: Hints
) -> tuple[tuple[str, ...], list[Finding]]:
    """Define a view of the rows of a source, and one of those that its `where` leaves out.

    Returns the columns in `where`, and findings on the expressions.
    """
    selected, types, findings = select_columns(engine, table, source, reader, label, hints)
    columns = ", ".join(aliased(engine, text, name) for name, text in selected.items())
    query = f"SELECT {columns} FROM {reader} AS _theirs"
    if not source.where:
        engine.define(relation_name, query)
        return (), findings
    setting = f"where = {source.where!r}"
    where, more = type_expression(engine, source.where, reader, f"{label}: {setting}", hints)
    check_query(engine, f"SELECT * FROM {reader} AS _theirs WHERE {where}", label, setting, source.where, types)
    order = selected["order_id"] if source.rows == "lines" else ""
    define_where(engine, relation_name, query, where, f"{reader} AS _theirs", order)
    return tuple(columns_used(types, [source.where])), findings + more
