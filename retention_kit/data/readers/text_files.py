"""Reads text files as tables: CSV and similar formats, plain or compressed, with a check of the number of rows.

Records are defined as by Python's `csv`: a quote counts only at the beginning of a field. The engine reads plain files
in place, and others as a copy of what `csv` reads.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterable
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from retention_kit.data.checks import Finding
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.private_folders import private_folder
from retention_kit.data.engines.sql_text import literal, path_literal, quote
from retention_kit.data.readers.csv_records import first_records, read_records
from retention_kit.data.readers.encodings import Encoding, encoding_of
from retention_kit.data.readers.header import (
    DELIMITERS,
    EXAMPLES,
    HEAD,
    IGNORED,
    Header,
    Names,
    NumberedRow,
    RecordSorter,
    find_header,
    name_key,
    stacked_cells,
)
from retention_kit.data.readers.text_scan import plain_records
from retention_kit.data.readers.union import REST
from retention_kit.errors import DataError
from retention_kit.wording import SEMICOLON, Sentence, Verbatim, sentence

TEXTS = (".csv", ".tsv", ".txt", ".gz", ".zip")
_HEAD_CHARACTERS = 1 << 20
_TABLE_SHARE = 0.9  # of the records below a header without known names that are as wide
_MAX_HEADER_LIKE = 10_000  # rows with a column's name in one cell; with more, the file is read record by record


class TextOptions(NamedTuple):
    """The settings of a text file."""

    encoding: str | None = None
    delimiter: str | None = None
    header_rows: int = 1


class _OpenFile(NamedTuple):
    """A file as UTF-8 on disk, with its header."""

    path: Path
    label: str
    encoding: Encoding
    delimiter: str
    header: int  # index of its record
    line: int
    first: list[list[str]]  # the header's record and the next ones, which may belong to it


class _CsvPart(NamedTuple):
    """A CSV file that the engine can read: after `skip` lines all rows have the same width."""

    path: Path
    columns: list[str]
    rows: int
    longest: int  # bytes of a record
    skip: int = 0
    delimiter: str = ","
    line_end: str = "\n"
    is_parallel: bool = True


def text_columns(path: Path, names: Names) -> list[str]:
    """The columns in the header of a text file."""
    with private_folder() as folder:
        return Header.of(_open(path, names, TextOptions(), folder).first[:1]).columns


def text_beginning(path: Path, most: int) -> tuple[list[str], list[list[str | None]]]:
    """The columns of a text file and its first `most` rows, without findings on later ones."""
    with private_folder() as folder:
        opened = _open(path, Names(), TextOptions(), folder)
        sorter = RecordSorter(opened.label, Names(), delimiter=opened.delimiter)
        with opened.path.open(encoding="utf-8-sig", newline="") as file:
            records = read_records(file, opened.delimiter, opened.label)
            first = [*islice(sorter.rows(records, opened.header), most)]
    columns, rows = stacked_cells([header.columns for header in sorter.headers], first)
    empty = [index for index, name in enumerate(columns) if _is_unnamed(name) and not any(row[index] for row in rows)]
    kept = [index for index in range(len(columns)) if index not in empty]
    return [columns[index] for index in kept], [[row[index] or None for index in kept] for row in rows]


def read_text(
    engine: DuckDB,
    path: Path,
    name: str,
    names: Names,
    options: TextOptions,
    wanted: Callable[[list[str]], list[str]] = list,
) -> tuple[list[Finding], str]:
    """Store the rows of a text file as the table `name`, with texts in all columns and NULL for empty cells.

    Returns findings, and the delimiter. `wanted` chooses the columns to store; with REST among them, a digest of the
    others is stored too. Raises DataError with file and line.
    """
    with private_folder(engine.copy_folder) as folder:
        opened = _open(path, names, options, folder)
        if (result := _read_in_place(engine, name, opened, names, options, wanted)) is None:
            result = _read_copy(engine, name, opened, names, options, wanted, folder)
        _drop_unnamed(engine, name)
        return _encoding_findings(engine, name, opened) + result, opened.delimiter


def _open(path: Path, names: Names, options: TextOptions, folder: Path) -> _OpenFile:
    label = path.name
    raw = _unpack(path, folder)
    if not raw.stat().st_size:
        raise DataError("{label} is empty.", label=label)
    encoding = encoding_of(raw, options.encoding, label)
    if encoding.name not in ("utf-8", "utf-8-sig") or encoding.damaged:
        raw = _transcode(raw, encoding, folder)
    with raw.open(encoding="utf-8-sig", newline="") as file:
        head = file.read(_HEAD_CHARACTERS)
    if not head.strip("\ufeff\r\n\t ,;|"):
        raise DataError("{label} is empty.", label=label)
    match = re.match(r'"?sep=(.)"?[,;\t|]*[\r\n]', head, re.IGNORECASE)
    choices = options.delimiter or dict.fromkeys([*(match[1] if match else ""), *DELIMITERS])
    best = max((_try_delimiter(head, delimiter, names) for delimiter in choices), key=lambda attempt: attempt[0])
    _, delimiter, header, records = best
    if not records:
        template = "{label} has no header: its first line is longer than {most:,} characters."
        raise DataError(template, label=label, most=_HEAD_CHARACTERS)
    first = [cells for _, cells in records[header : header + 3]]
    return _OpenFile(raw, label, encoding, delimiter, header, records[header][0], first)


def _try_delimiter(head: str, delimiter: str, names: Names) -> tuple[tuple, str, int, list[tuple[int, list[str]]]]:
    """How well a delimiter fits, by known names, then by records as wide as the header; the delimiter, the index of the
    header, and the records.

    Without a known name a table comes first: by another sign, a title above it is the header of a single column.
    """
    lines = io.StringIO(head, newline="")
    records = list(islice(first_records(lines, delimiter), HEAD))
    if len(head) == _HEAD_CHARACTERS and len(records) > 1:
        records.pop()  # it may be truncated
    cells = [record for _, record in records]
    header = find_header(cells, names) or 0
    width = len(cells[header]) if cells else 0
    if not width:  # the first line is longer than `head`
        return (False, 0, False, 0, 0, False), delimiter, 0, []
    alike = [len(record) == width for record in cells[header:]]
    share = sum(alike) / len(alike) if width > 1 else 0
    score = names.score(cells[header])
    is_table = not score and share >= _TABLE_SHARE and all(alike[:2])
    # With two exports of different delimiters in one file, the first one's header counts.
    fit = (names.is_header(cells[header]), score, is_table, -records[header][0], share, width > 1)
    return fit, delimiter, header, records


def _unpack(path: Path, folder: Path) -> Path:
    """The file itself, or the one in a .gz or .zip file."""
    ending = path.suffix.lower()
    if ending not in (".gz", ".zip"):
        return path
    target = folder / "unpacked"
    try:
        if ending == ".gz":
            with gzip.open(path) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
            return target
        with zipfile.ZipFile(path) as archive:
            held = [
                entry
                for entry in archive.infolist()
                if not entry.is_dir()
                and not entry.filename.startswith("__MACOSX/")
                and ".DS_Store" not in entry.filename
            ]
            if len(held) != 1 or not held[0].filename.lower().endswith((".csv", ".tsv", ".txt")):
                inside = ", ".join(entry.filename for entry in held[:5]) or "nothing"
                template = "{file} must hold one .csv, .tsv or .txt file; it holds {inside}: unpack it."
                raise DataError(template, file=path.name, inside=inside)
            with archive.open(held[0]) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise DataError("{file} cannot be unpacked: {reason}.", file=path.name, reason=str(error).rstrip(".")) from None
    return target


def _transcode(path: Path, encoding: Encoding, folder: Path) -> Path:
    target = folder / "utf-8"
    with (
        # Invalid bytes are replaced by their codes, so that different damaged texts stay different.
        path.open(encoding=encoding.name, errors="backslashreplace", newline="") as source,
        target.open("w", encoding="utf-8", newline="") as copy,
    ):
        shutil.copyfileobj(source, copy, 1 << 20)
    return target


def _encoding_findings(engine: DuckDB, name: str, opened: _OpenFile) -> list[Finding]:
    encoding = opened.encoding
    if encoding.is_sure and encoding.name in ("utf-8", "utf-8-sig"):
        return []
    if encoding.damaged:
        examples = [
            sentence("quality.details.line_holds", line=line, text=Verbatim(text))
            for line, text in encoding.damaged[:3]
        ]
        texts = {"file": opened.label, "lines": Sentence.joined(*examples, between=SEMICOLON)}
        more = len(encoding.damaged) - 3
        detail = sentence(f"quality.details.damaged{'_more' if more > 0 else ''}", **texts, more=more)
        return [Finding("damaged characters", len(encoding.damaged), detail, encoding.damaged[:EXAMPLES], opened.label)]
    key = "encoded" if encoding.is_sure else "encoded_perhaps"
    texts = {"file": opened.label, "encoding": encoding.name, "setting": Verbatim(f'encoding = "{encoding.name}"')}
    return [Finding("encoding", _count_rows(engine, name), sentence(f"quality.details.{key}", **texts))]


def _read_in_place(
    engine: DuckDB, name: str, opened: _OpenFile, names: Names, options: TextOptions, wanted: Callable
) -> list[Finding] | None:
    """Let the engine read a plain file; returns None if it is not plain."""
    header = Header.of(opened.first[:1])
    if options.header_rows > 1 or opened.header or header.detail or len(header.columns) < 2:
        return None
    if (plain := plain_records(opened.path, opened.delimiter, len(header.columns), opened.label)) is None:
        return None
    part = _CsvPart(
        opened.path,
        header.columns,
        plain.records - 1,
        plain.longest,
        1,
        opened.delimiter,
        plain.line_end,
        not plain.has_quoted_line_ends,
    )
    kept = wanted(header.columns)
    try:
        _store(engine, name, [part], kept)
        seen = _count_rows(engine, name)
    except engine.error:
        seen = None
    if seen == part.rows and not _has_header_below(engine, name, kept, names, header):
        return []
    engine.run(f"DROP TABLE IF EXISTS {quote(name)}")
    return None


def _has_header_below(engine: DuckDB, name: str, kept: list[str], names: Names, header: Header) -> bool:
    """Whether a row is a repeated or another header, as in concatenated exports."""
    keys = {name_key(column) for column in header.columns} | names.keys
    words = ", ".join(map(literal, sorted(keys)))
    kept = [column for column in kept if column != REST]
    probe = header.columns[names.least(header.columns) - 1]
    probe = probe if probe in kept else kept[0]
    # Only cells that begin like a name are compared, as that is slow.
    begins = f"^[{re.escape(IGNORED)}]*[{''.join(sorted({re.escape(word[0]) for word in keys if word}))}]"

    # Cells are compared with names here, as an expression of all columns and names would be too large for an engine.
    alike = engine.rows(
        f"SELECT {', '.join(map(quote, kept))} FROM (SELECT * FROM {quote(name)} "
        f"WHERE regexp_matches(lower({quote(probe)}), {literal(begins)})) AS near "
        f"WHERE translate(lower({quote(probe)}), {literal(IGNORED)}, '') IN ({words}) LIMIT {_MAX_HEADER_LIKE + 1}"
    )
    least = min(2, len(kept))
    return len(alike) > _MAX_HEADER_LIKE or any(
        sum(cell is not None and name_key(cell) in keys for cell in cells) >= least for cells in alike
    )


def _read_copy(
    engine: DuckDB,
    name: str,
    opened: _OpenFile,
    names: Names,
    options: TextOptions,
    wanted: Callable,
    folder: Path,
) -> list[Finding]:
    """Write the rows that `csv` reads to a copy, and let the engine read that."""
    sorter = RecordSorter(opened.label, names, options.header_rows, delimiter=opened.delimiter)
    parts: list[_CsvPart] = []
    with opened.path.open(encoding="utf-8-sig", newline="") as file:
        records = read_records(file, opened.delimiter, opened.label)
        for number, rows in groupby(sorter.rows(records, opened.header), key=itemgetter(0)):
            parts.append(_write_copy(folder / f"{number}.csv", sorter.headers[number].columns, rows))
    if not parts:
        parts = [_write_copy(folder / "0.csv", sorter.headers[0].columns, [])]
    expected = sum(part.rows for part in parts)
    _store(engine, name, parts, wanted(list(dict.fromkeys(column for part in parts for column in part.columns))))
    if (seen := _count_rows(engine, name)) != expected:
        template = "{label} cannot be read: the engine reads {seen:,} of its {expected:,} rows."
        raise DataError(template, label=opened.label, seen=seen, expected=expected)
    return sorter.findings()


def _write_copy(path: Path, columns: list[str], rows: Iterable[NumberedRow]) -> _CsvPart:
    count = longest = 0
    with path.open("w", encoding="utf-8", newline="") as copy:
        # Quote all fields, as the writer would not quote a carriage return, which ends a line for the engine.
        writer = csv.writer(copy, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for _, cells in rows:
            writer.writerow(cells)
            count += 1
            longest = max(longest, sum(map(len, cells)))
    return _CsvPart(path, columns, count, 4 * longest + 4 * len(columns), is_parallel=False)


def _store(engine: DuckDB, name: str, parts: list[_CsvPart], kept: list[str]) -> None:
    """Create the table with the kept columns, in the order of the files."""
    readers = []
    names = {column.lower() for column in kept}
    for part in parts:
        has = {column.lower() for column in part.columns}
        columns = [quote(column) for column in kept if column.lower() in has]
        others = ", ".join(quote(column) for column in part.columns if column.lower() not in names)
        columns += [f"CAST(hash(row({others})) >> 1 AS BIGINT) AS {REST}"] * (REST in kept)
        readers.append(f"SELECT {', '.join(columns)} FROM {_reader(part)}")
    engine.run(f"CREATE OR REPLACE TABLE {quote(name)} AS {' UNION ALL BY NAME '.join(readers)}")


def _reader(part: _CsvPart) -> str:
    kinds = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in part.columns)
    line_end = {"\n": "\\n", "\r\n": "\\r\\n"}[part.line_end]
    line = max(2_000_000, part.longest + 1024)
    return (
        f"read_csv({path_literal(part.path)}, auto_detect = false, header = false, "
        f"skip = {part.skip}, delim = {literal(part.delimiter)}, quote = '\"', escape = '\"', comment = '', nullstr "
        "= '', "
        f"new_line = '{line_end}', encoding = 'utf-8', strict_mode = true, null_padding = false, "
        f"max_line_size = {line}, buffer_size = {2 * line}, parallel = {str(part.is_parallel).lower()}, "
        f"hive_partitioning = false, columns = {{{kinds}}})"
    )


def _drop_unnamed(engine: DuckDB, name: str) -> None:
    """Drop columns without name and values, which are from delimiters at the ends of lines."""
    for column in engine.types(quote(name)):
        filled = f"SELECT count({quote(column)}) FROM {quote(name)}"
        if _is_unnamed(column) and not engine.rows(filled)[0][0]:
            engine.run(f"ALTER TABLE {quote(name)} DROP COLUMN {quote(column)}")


def _count_rows(engine: DuckDB, name: str) -> int:
    return engine.rows(f"SELECT count(*) FROM {quote(name)}")[0][0]


def _is_unnamed(column: str) -> bool:
    return bool(re.fullmatch(r"column\d+", column))
