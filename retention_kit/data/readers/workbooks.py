"""Checks workbooks before they are opened: a small file may unpack to more than fits into memory, or have a cell very
far from the others.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from retention_kit.errors import DataError

MAX_BYTES = 10**9  # of all parts together, unpacked
MAX_CELLS = 25_000_000  # of one sheet
SPARSE, SMALL = 20, 2_000_000  # largest area for each cell, and area that is always allowed
_CHUNK, _OVERLAP = 16 * 2**20, 200
_OLE = b"\xd0\xcf\x11\xe0"  # the first bytes of old Excel files, and of files with a password
_CELL = re.compile(rb"<(?:\w+:)?c[\s/>]")
_COLUMN = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\br\s*=\s*["']([A-Za-z]{1,9})\d""")
_ROW = re.compile(rb"""\br\s*=\s*["'][A-Za-z]{0,9}(\d{1,18})["']""")


def check_workbook(path: Path) -> bool:
    """Whether any sheet of a workbook may have merged cells.

    Raises DataError if it is no workbook, has a password, or would need too much memory for its cells.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head == _OLE:
        template = "{file} is protected by a password or is an old .xls: save it as .xlsx without a password."
        raise DataError(template, file=path.name)
    try:
        with zipfile.ZipFile(path) as book:
            parts = book.infolist()
            if sum(part.file_size for part in parts) > MAX_BYTES:
                raise _too_large(path)
            if any(part.flag_bits & 1 for part in parts):
                raise DataError("{file} is protected by a password: save it without one.", file=path.name)
            size, is_merged = 0, False
            for part in parts:
                with book.open(part) as file:
                    more, has_merged = _check_part(path, part.filename, iter(partial(file.read, _CHUNK), b""))
                    size, is_merged = size + more, is_merged or has_merged
                    if size > MAX_BYTES:
                        raise _too_large(path)
            return is_merged
    except DataError:
        raise
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, OSError) as error:
        template = "{file} cannot be read: it is no .xlsx workbook, or is broken ({reason})."
        raise DataError(template, file=path.name, reason=str(error).rstrip(".")) from None


def _too_large(path: Path) -> DataError:
    template = "{file} unpacks to more than {most:,} bytes: save the table as CSV or Parquet."
    return DataError(template, file=path.name, most=MAX_BYTES)


def _check_part(path: Path, name: str, chunks: Iterator[bytes]) -> tuple[int, bool]:
    """The size of a part, and whether it may have merged cells; raises DataError for a sheet whose last cell is far
    from all others.
    """
    size = cells = 0
    last_row, last_column, before, is_merged = 0, 0, b"", False
    for chunk in chunks:
        if not size and chunk[:2] in (b"\xff\xfe", b"\xfe\xff"):
            template = "{file}: {name} is not written in UTF-8: save the workbook again."
            raise DataError(template, file=path.name, name=name)
        size += len(chunk)
        text = before + chunk
        is_merged = is_merged or b"mergeCell" in text
        cells += len(_CELL.findall(text)) - len(_CELL.findall(before))
        last_column = max([last_column, *map(_number, set(_COLUMN.findall(text)))])
        last_row = max([last_row, *map(int, set(_ROW.findall(text)))])
        if cells > MAX_CELLS:
            template = "{file} has more than {most:,} cells: save the table as CSV or Parquet."
            raise DataError(template, file=path.name, most=MAX_CELLS)
        before = text[-_OVERLAP:]
    area = last_row * last_column
    if cells and area > SMALL and area > SPARSE * cells:
        template = (
            "{file}: {name} has {cells:,} cells, but they lie as far apart as row {last_row:,} and column "
            "{last_column:,}: delete what lies far from the table, or save it as CSV."
        )
        raise DataError(template, file=path.name, name=name, cells=cells, last_row=last_row, last_column=last_column)
    return size, is_merged


def _number(column: bytes) -> int:
    """AA → 27."""
    number = 0
    for character in column.upper():
        number = number * 26 + character - 64
    return number
