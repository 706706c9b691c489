"""Finds and reads files with one table: CSV, Parquet and workbooks; one by name or several by a pattern."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from retention_kit.data.checks import Finding
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.sql_text import path_literal, quote
from retention_kit.data.readers.frames import find_repeated_names, register_cells
from retention_kit.data.readers.header import HEAD, Names, RecordSorter, find_header, stacked_cells
from retention_kit.data.readers.text_cache import read_text_cached
from retention_kit.data.readers.text_files import TEXTS, TextOptions
from retention_kit.data.readers.workbooks import check_workbook
from retention_kit.errors import DataError, Listed, Phrase, did_you_mean, which_file
from retention_kit.lazy import pd
from retention_kit.settings import TABLES, Table

FORMATS = (*TEXTS, ".parquet", ".xlsx")
_BINARY_STARTS = {  # first bytes of files that often have the name of a text file
    b"\x1f\x8b": "a gzip file: name it .csv.gz",
    b"PK\x03\x04": "a workbook or a zip file: name it .xlsx or .csv.zip",
    b"\xd0\xcf\x11\xe0": "an old workbook: save it as .xlsx",
    b"PAR1\x15": "a Parquet file: name it .parquet",
}
_OTHER_STARTS = {  # those of texts that are no tables, in lower case and without blanks
    b"<html": "a web page",
    b"<!doctype": "a web page",
    b"<?xml": "XML",
    b"[{": "JSON",
    b'{"': "JSON",
    b"versionhttps://git-lfs": "a pointer of Git LFS, which git lfs pull replaces by the file",
}


def resolve_files(text: str, folder: Path) -> list[Path]:
    """The file of a name, or all files that match a pattern such as `exports/orders-*.csv`, sorted by name.

    Raises DataError if there are none, or of several types.
    """
    path = folder / text
    if path.is_file():
        return [path]
    if path.exists() or path.is_symlink():
        refuse_irregular(path)
    if not re.search(r"[*?\[]", text):
        template = "There is no file {text!r} in {folder!r}: {hint}"
        raise DataError(template, text=text, folder=str(folder), hint=which_file(path, FORMATS))
    root, pattern = (Path(path.anchor), path.relative_to(path.anchor)) if Path(text).is_absolute() else (folder, text)
    # Spreadsheet programs create `~$` files beside open ones.
    matching = sorted(file for file in root.glob(str(pattern)) if file.is_file() and not file.name.startswith("~$"))
    if not matching:
        raise DataError("No file in {folder!r} fits {text!r}.", folder=str(folder), text=text)
    endings = sorted({file.suffix.lower() for file in matching})
    if len(endings) > 1:
        template = "The files that fit {text!r} are of several kinds, {endings}: name one of them."
        raise DataError(template, text=text, endings=Listed(endings))
    return matching


def fingerprint(files: list[Path]) -> str:
    """The SHA-256 of a file's bytes, or of the names and bytes of several."""
    digests = []
    for path in files:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(files) == 1:
        return digests[0]
    named = "".join(f"{path.name}\0{digest}\n" for path, digest in zip(files, digests, strict=True))
    return hashlib.sha256(named.encode()).hexdigest()


def read_file(
    engine: DuckDB,
    path: Path,
    source: Table,
    table: str,
    name: str,
    names: Names,
    wanted: Callable[[list[str]], list[str]] = list,
) -> tuple[str, list[Finding], str | None]:
    """SQL that reads one file or sheet, findings, and the delimiter of a text file; rows that are copied are stored as
    `name`.

    `wanted` chooses the columns of a text file to keep (see `read_text`).
    """
    ending = path.suffix.lower()
    refuse_irregular(path)
    if ending == ".parquet":
        reader = f"read_parquet({path_literal(path)}, hive_partitioning = false)"
        return reader, [*find_repeated_names(engine, reader, _parquet_names(engine, path))], None
    if ending in TEXTS:
        options = TextOptions(source.encoding, source.delimiter, source.header_rows)
        return quote(name), *read_text_cached(engine, path, name, names, options, wanted)
    if ending == ".xlsx":
        columns, rows, findings = _read_sheet(path, source, table, names)
        return register_cells(engine, name, columns, rows), findings, None
    raise DataError("{file} cannot be read: use one of {formats}.", file=path.name, formats=Listed(FORMATS))


def _parquet_names(engine: DuckDB, path: Path) -> list[str]:
    """The names of the columns of a Parquet file, without those inside of them."""
    names, inside = [], 0
    for name, children in engine.rows(f"SELECT name, num_children FROM parquet_schema({path_literal(path)}) OFFSET 1"):
        if not inside:
            names.append(name)
        inside = max(inside - 1, 0) + (children or 0)
    return names


def refuse_irregular(path: Path) -> None:
    """Raise DataError if a path is no readable regular file, is empty, or is a binary file with the name of a text."""
    if not path.is_file():
        problem = Phrase("no regular file")
        if path.is_symlink():
            problem = Phrase("a link to nothing")
        elif path.is_dir():
            problem = Phrase("a folder")
        raise DataError("{file} cannot be read: it is {what}.", file=path.name, what=problem)
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise DataError("{file} cannot be read: {reason}.", file=path.name, reason=error.strerror) from None
    if not start:
        raise DataError("{file} is empty.", file=path.name)
    kind = next((kind for first, kind in _BINARY_STARTS.items() if start.startswith(first)), None)
    if kind and path.suffix.lower() in set(TEXTS) - {".gz", ".zip"}:
        raise DataError("{file} is no text but {kind}.", file=path.name, kind=Phrase(kind))
    text = b"".join(start.removeprefix(b"\xef\xbb\xbf").lower().split())
    if other := next((kind for first, kind in _OTHER_STARTS.items() if text.startswith(first)), None):
        raise DataError("{file} holds no table but {kind}.", file=path.name, kind=Phrase(other))


def sheets(path: Path) -> list[str]:
    """The names of a workbook's sheets."""
    return _inspect_workbook(path)[0]


def _inspect_workbook(path: Path) -> tuple[list[str], bool]:
    """The names of a workbook's sheets, and whether any may have merged cells."""
    from python_calamine import CalamineError, CalamineWorkbook

    refuse_irregular(path)
    is_merged = check_workbook(path)
    try:
        with CalamineWorkbook.from_path(path) as book:
            return list(book.sheet_names), is_merged
    except (CalamineError, OSError) as error:
        raise DataError("{file} cannot be read: {reason}.", file=path.name, reason=str(error).rstrip(".")) from None


def columns_used(columns: Iterable[str], expressions: list[str]) -> list[str]:
    """The columns that are used in SQL expressions; texts that are column names themselves do not count."""
    plain = {column.lower() for column in columns}
    code = " ".join(re.sub(r"'[^']*'", "", text) for text in expressions if text.lower() not in plain)
    return [column for column in columns if re.search(rf"(?<!\w){re.escape(column)}(?!\w)", code, re.IGNORECASE)]


def _read_sheet(
    path: Path, source: Table, table: str, names: Names
) -> tuple[list[str], list[list[object]], list[Finding]]:
    """The columns and rows of a sheet, with typed cells, and findings: the chosen sheet, the one named like the table,
    or the only one.
    """
    from python_calamine import CalamineError

    chosen_sheet, (names_in_book, is_merged) = source.sheet, _inspect_workbook(path)
    named = [sheet for sheet in names_in_book if sheet.strip().lower() == (chosen_sheet or table).strip().lower()]
    if chosen_sheet and not named:
        template = "{file} has no sheet {wanted!r}: {hint}"
        raise DataError(template, file=path.name, wanted=chosen_sheet, hint=did_you_mean(chosen_sheet, names_in_book))
    if not named and len(names_in_book) > 1:
        template = "{file} has the sheets {sheets}, none called {table}: name one, sheet = {first!r}."
        called, sheets = table or Listed(TABLES), Listed(names_in_book)
        raise DataError(template, file=path.name, sheets=sheets, table=called, first=names_in_book[0])
    try:
        # Only empty cells are missing: NA is also a country.
        frame = pd.read_excel(
            path,
            sheet_name=named[0] if named else 0,
            header=None,
            engine="calamine",
            dtype=object,
            keep_default_na=False,
            na_values=[""],
        )
    except (CalamineError, ValueError, OSError) as error:
        raise DataError("{file} cannot be read: {reason}.", file=path.name, reason=str(error).rstrip(".")) from None
    frame = frame.astype(object)
    cells = frame.where(frame.notna(), None).to_numpy().tolist()
    merged = _fill_merged(path, named[0] if named else names_in_book[0], cells) if is_merged else 0
    while cells and not any(cell is not None for cell in cells[-1]):
        cells.pop()
    if (header := find_header(cells[:HEAD], names)) is None:
        raise DataError("{file} is empty.", file=path.name)
    sorter = RecordSorter(path.name, names, source.header_rows, "row")
    sorted_rows = [*sorter.rows(enumerate(cells, start=1), header)]
    columns, rows = stacked_cells([header.columns for header in sorter.headers], sorted_rows)
    blank = {f"column{position + 1}" for position in range(len(columns))}
    positions = [
        position
        for position, name in enumerate(columns)
        if name not in blank or any(row[position] is not None for row in rows)
    ]
    findings = [*sorter.findings(), *([Finding("cells merged over several rows", merged)] if merged else [])]
    return (
        [columns[position] for position in positions],
        [[row[position] for position in positions] for row in rows],
        findings,
    )


def _fill_merged(path: Path, sheet: str, cells: list[list[object]]) -> int:
    """Fill cells that are merged over several rows with their value, which only the first has; returns the number of
    filled rows.
    """
    from python_calamine import CalamineWorkbook

    with CalamineWorkbook.from_path(path) as book:
        ranges = book.get_sheet_by_name(sheet).merged_cell_ranges or []
    filled = set()
    for (top, column), (bottom, _) in ranges:
        for row in range(top + 1, min(bottom + 1, len(cells))):
            if column < len(cells[row]) and any(cell is not None for cell in cells[row]) and cells[row][column] is None:
                cells[row][column] = cells[top][column]
                filled.add(row)
    return len(filled)
