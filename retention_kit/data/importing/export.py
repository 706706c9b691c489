"""Reads the beginning of an export, and recognises its format of times."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.sql_text import quote
from retention_kit.data.readers.files import FORMATS, read_file, refuse_irregular
from retention_kit.data.readers.header import Names
from retention_kit.data.readers.text_files import TEXTS, text_beginning
from retention_kit.errors import DataError, which_file
from retention_kit.settings import Table

SAMPLE = 5_000  # rows read
_ISO = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?( ?(Z|UTC|[+-]\d\d:?\d\d))?"
_DAYS = ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y", "%m/%d/%y", "%d/%m/%y", "%Y/%m/%d", "%Y-%m-%d",
         "%d %b %Y", "%b %d, %Y", "%d-%b-%Y")  # fmt: skip  # words by the line
_HOURS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


class Export(NamedTuple):
    """A file's columns, their texts if the header has several rows, and its first rows as text."""

    path: Path
    header: list[str]
    texts: list[str]
    rows: list[Sequence]
    zone: str | None = None

    def values(self, column: str) -> list[str]:
        """The non-empty values of a column."""
        position = self.header.index(column)
        return [row[position].strip() for row in self.rows if row[position] is not None and row[position].strip()]


def read_export(path: Path) -> Export:
    """The beginning of a file; raises DataError if it cannot be read or has no rows."""
    if not path.is_file():
        raise DataError("There is no file {path!r}: {hint}", path=str(path), hint=which_file(path, FORMATS))
    refuse_irregular(path)
    if path.suffix.lower() in TEXTS:
        return _checked(path, *text_beginning(path, SAMPLE))
    engine = DuckDB(files=[path])
    try:
        reader = read_file(engine, path, Table(path=""), "", f"_export_{abs(hash(path))}", Names())[0]
        header = list(engine.types(reader))
        texts = ", ".join(f"CAST({quote(name)} AS VARCHAR)" for name in header)
        rows = engine.rows(f"SELECT {texts} FROM {reader} LIMIT {SAMPLE}")
    except engine.error as error:
        template = "{file} cannot be read: {reason}."
        raise DataError(template, file=path.name, reason=str(error).strip().splitlines()[0].rstrip(".")) from None
    return _checked(path, header, rows)


def _checked(path: Path, header: list[str], rows: Sequence[Sequence]) -> Export:
    if not rows:
        raise DataError("{file} holds no row below its header: there is nothing to import.", file=path.name)
    return Export(path, header, header, [*rows])


def with_texts(export: Export, header_rows: int) -> Export:
    """The export with texts, and sometimes a time zone, from further rows of its header."""
    further, rows = export.rows[: header_rows - 1], export.rows[header_rows - 1 :]
    texts, zone = [], None
    for position, column in enumerate(export.header):
        below = [row[position] for row in further if row[position]]
        named = [] if re.fullmatch(r"column\d+", column) else [column]
        texts.append(" ".join(named + [text for text in below if not text.startswith("{")]))
        for text in below:
            zone = zone or _zone_in(text)
    return export._replace(texts=texts, rows=rows, zone=zone)


def _zone_in(text: str) -> str | None:
    try:
        question = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return iana_zone(question.get("timeZone")) if isinstance(question, dict) else None


def iana_zone(name: str | None) -> str | None:
    """The name if it is an IANA time zone, else None."""
    try:
        return ZoneInfo(name).key if name else None
    except (KeyError, ValueError, OSError):
        return None


def time_sql(column: str, values: Iterable[str]) -> tuple[str, str]:
    """A column of times or SQL that parses it, and the alternative if day and month are ambiguous, else empty."""
    values = [*values][:2000]
    if not values or all(re.fullmatch(_ISO, value) for value in values):
        return column, ""
    name = quote(column)
    zoned = r"(.*\d [AaPp][Mm]) GMT[+-]\d{1,2}(:\d\d)?"
    if all(re.fullmatch(zoned, value) for value in values):  # Google Forms
        padded = f"regexp_replace({name}, 'GMT([+-])(\\d)(:|$)', 'GMT\\10\\2\\3')"
        return f"try_strptime(replace({padded}, 'GMT', ''), '%Y/%m/%d %I:%M:%S %p %z')", ""
    fitting = [
        day + hour for day, hour in product(_DAYS, _HOURS) if all(_matches(day + hour, value) for value in values)
    ]
    readings = [f"try_strptime({name}, '{time_format}')" for time_format in fitting[:2]]
    return readings[0] if readings else column, readings[1] if readings[1:] else ""


def _matches(time_format: str, value: str) -> bool:
    try:
        return datetime.strptime(value, time_format).year >= 1900  # noqa: DTZ007, only checks that it can be parsed
    except ValueError:
        return False
