"""Layouts: the columns of each vendor's export and their mapping to ours.

A layout is declared in a TOML file beside this module. Names of columns match regardless of case, spaces, dots and
underscores; `*` matches any text, as in `Created (*)`.
"""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatchcase
from functools import cache, partial
from importlib.resources import files
from typing import Literal

import msgspec
from msgspec import Struct, field

from retention_kit.data.engines.sql_text import quote
from retention_kit.errors import DataError, Listed, SettingsError, check_choice

_REFERENCE = re.compile(r'"([^"]+)"')


class Signature(Struct, frozen=True, forbid_unknown_fields=True):
    """The columns by which a header is recognised."""

    all: list[str] = field(default_factory=list)
    any: list[list[str]] = field(default_factory=list)  # at least one of each group
    none: list[str] = field(default_factory=list)
    first: list[list[str]] = field(default_factory=list)  # the first columns, each with its possible names

    def count(self, header: list[str]) -> int:
        """The number of matching columns; 0 if a required one is missing."""
        groups = [[name] for name in self.all] + self.any
        begins = len(header) >= len(self.first) and all(
            find_column(names, [column]) for names, column in zip(self.first, header, strict=False)
        )
        if not begins or not all(find_column(group, header) for group in groups) or find_column(self.none, header):
            return 0
        return len(groups) + len(self.first)

    def missing(self, header: list[str]) -> list[str]:
        """The columns that a header lacks, each group by its first name."""
        groups = self.first + [[name] for name in self.all] + self.any
        return [group[0] for group in groups if not find_column(group, header)]


class Read(Struct, frozen=True, forbid_unknown_fields=True):
    """How the file is read; keys as in `[data.TABLE]`."""

    header_rows: int = 1
    rows: Literal["orders", "lines"] = "orders"
    timezone: str | None = None  # one in a column's name, as in `Created (UTC)`, takes precedence


class Choice(Struct, frozen=True, forbid_unknown_fields=True):
    """An alternative expression for a column, and the reason for it."""

    expression: str
    text: str


class Layout(Struct, frozen=True, forbid_unknown_fields=True):
    """One vendor's export."""

    name: str
    label: str  # "Shopify: orders"
    table: Literal["orders", "subscriptions", "responses"]
    signature: Signature
    uncertain: str = ""  # what is not confirmed by documents or files of the vendor
    refused: str = ""  # why it cannot be used, and which export to use instead
    read: Read = Read()
    columns: dict[str, str | list[str]] = field(default_factory=dict)  # ours = the first of these in the header
    segments: dict[str, str | list[str]] = field(default_factory=dict)
    leave_out: dict[str, str | list[str]] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # limitations
    has_questions: bool = False  # for responses: the scores are in columns of questions
    is_snapshot: bool = False  # for subscriptions: it has current prices, not earlier ones


@cache
def layouts() -> dict[str, Layout]:
    """All layouts by name."""
    by_name = {}
    for path in sorted(files(__package__).iterdir(), key=lambda path: path.name):
        if path.name.endswith(".toml"):
            name = path.name.removesuffix(".toml")
            by_name[name] = msgspec.convert({"name": name} | tomllib.loads(path.read_text("utf-8")), Layout)
    return by_name


def layout_of(name: str) -> Layout:
    """The layout with a name; raises SettingsError with the nearest one."""
    check_choice(SettingsError, "There is no layout {name!r}: {hint}", layouts(), name=name)
    return layouts()[name]


def recognise(header: list[str]) -> Layout | None:
    """The layout with the most matching columns, or None; raises DataError if it is ambiguous."""
    counted = {layout.name: layout.signature.count(header) for layout in layouts().values()}
    most = max(counted.values())
    best = [name for name, count in counted.items() if count == most]
    if most and len(best) > 1:
        raise DataError("the header may be one of {best}: say which with --layout.", best=Listed(best, " or "))
    return layouts()[best[0]] if most else None


def find_column(names: list[str], header: list[str]) -> str | None:
    """The first column of a header with one of the names, earlier names first; else None."""
    loose = [_loose(column) for column in header]
    for name in names:
        for column, loosened in zip(header, loose, strict=True):
            if fnmatchcase(loosened, _loose(name).replace("[", "[[]")):
                return column
    return None


def resolve(readings: str | list[str], header: list[str]) -> str | None:
    """The first reading whose columns are in the header, in its spelling: a column's name, or SQL with quoted names.

    None if each needs a column that the header lacks.
    """
    for text in [readings] if isinstance(readings, str) else readings:
        if text == "NULL" or text.startswith("'"):  # a missing or constant value
            return "CAST(NULL AS VARCHAR)" if text == "NULL" else text
        names = _REFERENCE.findall(text) if is_sql(text) else [text]
        columns = {name: column for name in names if (column := find_column([name], header)) is not None}
        if len(columns) < len(set(names)):
            continue
        return _REFERENCE.sub(partial(_quoted, columns), text) if is_sql(text) else columns[text]
    return None


def _quoted(columns: dict[str, str], reference: re.Match) -> str:
    return quote(columns[reference[1]])


def is_sql(text: str) -> bool:
    """Whether a reading is an SQL expression, which quotes its columns."""
    return '"' in text


def _loose(name: str) -> str:
    return re.sub(r"[\s_.\-\u00a0]+", " ", name).strip().casefold()
