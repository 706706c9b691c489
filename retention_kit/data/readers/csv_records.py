"""Reads records of CSV text with their line numbers, and finds quotes that are never closed."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from retention_kit.errors import DataError, Phrase

_SENTINEL = "\0end"  # a last line that no file has: if it is in a field, a quote was never closed
_MAX_FIELD = 1 << 24  # characters of a field; in a longer one a quote was never closed


def first_records(lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The records with the lines that they begin in, up to the first error."""
    reader = csv.reader(lines, delimiter=delimiter)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error:  # a field that is too long
        return


def read_records(file: Iterator[str], delimiter: str, label: str) -> Iterator[tuple[int, list[str]]]:
    """The records with the lines that they begin in; raises DataError if a quote is never closed."""
    raw: list[str] = []

    def lines() -> Iterator[str]:
        for text in file:
            raw.append(text)
            yield text
        yield _SENTINEL

    before = csv.field_size_limit(_MAX_FIELD)
    try:
        reader = csv.reader(lines(), delimiter=delimiter)
        line = 1
        for cells in reader:
            if cells and cells[-1].endswith(_SENTINEL):
                if cells == [_SENTINEL]:
                    return
                raise DataError(_unclosed_quote(raw, line, delimiter, label))
            if reader.line_num > line and not _is_closed(raw, delimiter):
                raise DataError(_unclosed_quote(raw, line, delimiter, label))
            yield line, cells
            raw.clear()
            line = reader.line_num + 1
    except csv.Error:
        raise DataError(_unclosed_quote(raw, line, delimiter, label)) from None
    finally:
        csv.field_size_limit(before)


def _is_closed(raw: list[str], delimiter: str) -> bool:
    """Whether all quotes of a record of several lines end at the end of a field."""
    try:
        return len(list(csv.reader(raw, delimiter=delimiter, strict=True))) == 1
    except csv.Error:
        return False


def _unclosed_quote(raw: list[str], line: int, delimiter: str, label: str) -> str:
    """The message about the quote that opens the first field without a closing quote at its end."""
    text, separator = "".join(raw), re.escape(delimiter)
    field = re.compile(rf'"(?:[^"]|"")*"(?={separator}|[\r\n]|$)|(?!")[^{separator}\r\n]*')
    position = 0
    while match := field.match(text, position):
        position = match.end() + 1
        if position > len(text):
            break
    line += len(text[:position].splitlines()) - (1 if position and text[:position][-1] not in "\r\n" else 0)
    beginning = text[position : position + 40].splitlines()[0]
    template = "{label} line {line}: the quote that opens {beginning!r} is never closed."
    return Phrase(template, label=label, line=line, beginning=beginning)
