"""The layouts: what each vendor's export looks like, and how its columns become ours.

A layout is declared in a TOML of its own beside this module, and nowhere else. Its names of columns are found in a
header whatever their case, spaces, dots and underscores; `*` stands for any text, as in `Created (*)`.
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
from retention_kit.errors import DataError, Listed, SettingsError, did_you_mean

_REFERENCE = re.compile(r'"([^"]+)"')


class Signature(Struct, frozen=True, forbid_unknown_fields=True):
    """By which columns a header is recognised."""

    all: list[str] = field(default_factory=list)
    any: list[list[str]] = field(default_factory=list)  # of each group at least one
    none: list[str] = field(default_factory=list)
    first: list[list[str]] = field(default_factory=list)  # the columns that come first, each by one of its names

    def count(self, header: list[str]) -> int:
        """How many columns speak for it; 0 where one that is needed is missing."""
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
    """How the file is read, in the words of `[data.TABLE]`."""

    header_rows: int = 1
    rows: Literal["orders", "lines"] = "orders"
    timezone: str | None = None  # a column's own, as in `Created (UTC)`, comes before it


class Choice(Struct, frozen=True, forbid_unknown_fields=True):
    """Another reading of a column that is as good: `expression` in its place, and what speaks for it."""

    expression: str
    text: str


class Layout(Struct, frozen=True, forbid_unknown_fields=True):
    """One vendor's export."""

    name: str
    label: str  # "Shopify: orders"
    table: Literal["orders", "subscriptions", "responses"]
    signature: Signature
    uncertain: str = ""  # what of it no document or file of the vendor shows
    refused: str = ""  # why it is of no use, and which export to take instead
    read: Read = Read()
    columns: dict[str, str | list[str]] = field(default_factory=dict)  # ours = the first of these that the header has
    segments: dict[str, str | list[str]] = field(default_factory=dict)
    leave_out: dict[str, str | list[str]] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what it cannot tell
    has_questions: bool = False  # of answers: the scores are in columns that are questions
    is_snapshot: bool = False  # of subscriptions: it has today's prices, not those of before


@cache
def layouts() -> dict[str, Layout]:
    """All layouts by name."""
    known = {}
    for path in sorted(files(__package__).iterdir(), key=lambda path: path.name):
        if path.name.endswith(".toml"):
            name = path.name.removesuffix(".toml")
            known[name] = msgspec.convert({"name": name} | tomllib.loads(path.read_text("utf-8")), Layout)
    return known


def layout_of(name: str) -> Layout:
    """The layout of that name; raises SettingsError with the nearest one."""
    if name not in layouts():
        raise SettingsError("There is no layout {name!r}: {hint}", name=name, hint=did_you_mean(name, layouts()))
    return layouts()[name]


def recognise(header: list[str]) -> Layout | None:
    """The layout that the most columns of a header speak for; raises DataError where two are alike in that."""
    counted = {layout.name: layout.signature.count(header) for layout in layouts().values()}
    most = max(counted.values())
    best = [name for name, count in counted.items() if count == most]
    if most and len(best) > 1:
        raise DataError("the header may be one of {best}: say which with --layout.", best=Listed(best, " or "))
    return layouts()[best[0]] if most else None


def find_column(names: list[str], header: list[str]) -> str | None:
    """The first column of a header that bears one of the names, earlier names first."""
    loose = [_loose(column) for column in header]
    for name in names:
        for column, loosened in zip(header, loose, strict=True):
            if fnmatchcase(loosened, _loose(name).replace("[", "[[]")):
                return column
    return None


def resolve(given: str | list[str], header: list[str]) -> str | None:
    """The first of some readings whose columns a header has, in its spelling: a column's name, or SQL with names in
    quotes.

    None where each needs a column that the header lacks.
    """
    for text in [given] if isinstance(given, str) else given:
        if text == "NULL" or text.startswith("'"):  # nobody, or the same everywhere
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
    """Whether a reading is an expression: it quotes the columns it names."""
    return '"' in text


def _loose(name: str) -> str:
    return re.sub(r"[\s_.\-\u00a0]+", " ", name).strip().casefold()
