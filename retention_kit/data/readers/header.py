"""Finds the header of a file or sheet by known names, and sorts its records into rows and others, which are counted."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from retention_kit.data.checks import Finding
from retention_kit.data.values.amounts import INVISIBLE
from retention_kit.errors import DataError, Phrase
from retention_kit.wording import SEMICOLON, Sentence, quoted, sentence

HEAD = 200  # records that are searched for the header
EXAMPLES = 20
_TORN_RATIO = 20  # if at least one in so many records is too short, the file is rejected
_MAX_FOOTER = 10  # rows below a table that may be a footer; more are truncated rows
_COMPARED_ROWS = 20  # compared with possibly truncated ones
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
IGNORED = " \t\xa0_-.\"'`“”‘’" + INVISIBLE  # characters that do not matter in names of columns
NumberedRow = tuple[int, Sequence[Any]]  # a record with its line, or a row with the number of its header
_DROPPED = dict.fromkeys(map(ord, IGNORED))


def name_key(name: Any) -> str:
    """The normalised name of a column: `Customer_ID`, `"customer id "` and `customerId` have the same."""
    text = _text(name).casefold()
    return text.translate(_DROPPED) or text


@dataclass(frozen=True)
class Names:
    """The column names by which a header is recognised, in any spelling."""

    known: frozenset[str] = frozenset()
    # for each required column the alternatives: its name, or the names in its expression
    required: tuple[tuple[frozenset[str], ...], ...] = ()

    @cached_property
    def keys(self) -> frozenset[str]:
        """The known names, normalised."""
        return frozenset(map(name_key, self.known))

    @cached_property
    def _choices(self) -> list[list[set[str]]]:
        return [[set(map(name_key, names)) for names in choices] for choices in self.required]

    def score(self, cells: Iterable[Any]) -> int:
        """The number of known names in a record."""
        return len(set(map(name_key, cells)) & self.keys)

    def is_header(self, cells: Iterable[Any]) -> bool:
        """Whether a record has the names of all required columns."""
        keys = set(map(name_key, cells))
        return bool(self.required) and all(any(names <= keys for names in choices) for choices in self._choices)

    def least(self, columns: Iterable[str]) -> int:
        """The least number of cells of a row with these columns that includes all required ones."""
        positions = {name_key(name): position for position, name in enumerate(columns, start=1)}
        needed = (name for choices in self._choices for names in choices for name in names)
        return max((positions[name] for name in needed if name in positions), default=1)


def find_header(records: Sequence[Sequence[Any]], names: Names) -> int | None:
    """The index of the header: the first record with all required names, else the one with most names; without any
    names, the first record of the most frequent width. None without records.
    """
    for position, cells in enumerate(records):
        if names.is_header(cells):
            return position
    filled = [sum(map(_is_filled, cells)) for cells in records]
    scores = [names.score(cells) for cells in records]
    if best := max(scores, default=0):
        return max(range(len(records)), key=lambda index: (scores[index], best > 1 or filled[index], -index))
    if not (widths := Counter(len(cells) for cells, size in zip(records, filled, strict=True) if size > 1)):
        return next((position for position, size in enumerate(filled) if size), None)
    usual = widths.most_common(1)[0][0]
    return next(position for position, cells in enumerate(records) if len(cells) == usual and filled[position] > 1)


class Header(NamedTuple):
    """The unique names of the columns of a table, and a sentence on repeated ones."""

    columns: list[str]
    detail: str = ""  # on repeated names

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> Header:
        """A header of one to three rows; a name that is blank in the first is taken from the next."""
        columns: list[str] = []
        used: set[str] = set()
        titles: list[str] = []
        for position, first in enumerate(rows[0]):
            below = (row[position] if position < len(row) else "" for row in rows)
            title = next((text for cell in below if (text := _text(cell))), "") or f"column{position + 1}"
            name, number = title, 2
            while name.lower() in used:
                name, number = f"{title}_{number}", number + 1
            titles.append(title if _text(first) else "")
            used.add(name.lower())
            columns.append(name)
        return cls(columns, names_again(titles, columns))


def names_again(headers: Sequence[str], names: Sequence[str]) -> str:
    """A sentence on the first repeated names of a header, regardless of case, which were renamed; else empty."""
    again = [
        sentence("quality.details.name_again", name=quoted(name), column=number, other=quoted(other))
        for number, (name, other) in enumerate(zip(headers, names, strict=True), start=1)
        if name not in ("", other)
    ]
    return Sentence.joined(*again[:3], between=SEMICOLON) if again else ""


class RecordSorter:
    """Sorts the records of one file: `rows` yields those of the table, `findings` counts the others.

    A file may have several exports, one below another: `headers` has the columns of each.
    """

    def __init__(self, label: str, names: Names, header_rows: int = 1, unit: str = "line", delimiter: str = ","):
        self._label, self._names, self._header_rows, self._unit = label, names, header_rows, unit
        self._delimiter = delimiter
        self._examples: dict[str, list[tuple[int, str]]] = {}
        self._counts: Counter[str] = Counter()
        self.headers: list[Header] = []
        self.line = 0  # of the first header
        self.records = 0

    def rows(self, records: Iterable[NumberedRow], header: int) -> Iterator[NumberedRow]:
        """The rows of the table, each with the number of its header; `header` is the index of the first header's
        record.
        """
        reading = iter(records)
        for _ in range(header):
            self._count_outside("row before the header", *next(reading))
        rest: list[Sequence[Any]] | None = self._take_header(*next(reading), reading)
        while rest is not None:
            rest = yield from self._rows_below(rest, reading)
        self._check_torn()

    def findings(self) -> list[Finding]:
        """Findings on records that are no rows, and on repeated names."""
        findings = [
            Finding(check, size, self._example(check), tuple(self._examples[check]), self._label)
            for check, size in self._counts.items()
        ]
        if doubled := dict.fromkeys(header.detail for header in self.headers if header.detail):
            findings.append(Finding("duplicate header", self.records, Sentence.joined(*doubled, between=SEMICOLON)))
        return findings

    def _take_header(self, line: int, first: Sequence[Any], reading: Iterator) -> list[Sequence[Any]]:
        rows = [first]
        if not self.headers:
            self.line = line
        else:
            self._count("repeated header", line, first)
        for _ in range(self._header_rows - 1):
            if (further := next(reading, None)) is not None:
                self._count("further header row", *further)
                rows.append(further[1])
        # A name with another spelling in an export above gets that spelling.
        before = {name_key(name): name for header in self.headers for name in header.columns}
        self.headers.append(Header.of([[before.get(name_key(cell), cell) for cell in row] for row in rows]))
        return rows

    def _rows_below(
        self, header: Sequence[Sequence[Any]], reading: Iterator
    ) -> Generator[NumberedRow, None, list[Sequence[Any]] | None]:
        """The rows below one header; returns the next header, or None at the end."""
        number = len(self.headers) - 1
        columns = self.headers[-1].columns
        width = len(columns)
        keys = [name_key(cell) for cell in header[0]]
        least = self._names.least(columns)
        score = self._names.score(header[0])
        vocabulary = {key for key in keys if key} | self._names.keys
        probe = max(least - 1, 0)  # the cell by which repeated headers are recognised
        pending: list[NumberedRow] = []  # a footer, unless more rows follow
        recent: deque[Sequence[Any]] = deque(maxlen=_COMPARED_ROWS)
        for line, cells in reading:
            size = len(cells)
            filled = size - cells.count("") - cells.count(None)
            if size <= probe or size != width or name_key(cells[probe]) in vocabulary:
                if not filled or (size == 1 and not _text(cells[0])):
                    self._count("blank row", line, cells)
                    continue
                if [name_key(cell) for cell in cells] == keys:
                    yield from self._flush(pending, number, width)
                    self._count("repeated header", line, cells)
                    for _ in range(self._header_rows - 1):
                        if (further := next(reading, None)) is not None:
                            self._count("further header row", *further)
                    continue
                if self._names.is_header(cells) or self._names.score(cells) >= max(score, 2):
                    yield from self._flush(pending, number, width)
                    return self._take_header(line, cells, reading)
            elif not filled:
                self._count("blank row", line, cells)
                continue
            if size > width:
                if any(map(_is_filled, cells[width:])):
                    self._count("row with more cells than the header", line, cells)
                    continue
                cells = cells[:width]
            if (filled == 1 and width > 1) or size < least or (size < width and size == 1):
                pending.append((line, cells))
                continue
            if pending:
                yield from self._flush(pending, number, width)
            if size < width:
                self._count("row with fewer cells than the header", line, cells)
                cells = [*cells, *[""] * (width - size)]
            recent.append(cells)
            self.records += 1
            yield number, cells
        yield from self._flush(self._without_footer(pending, recent), number, width)
        return None

    def _without_footer(self, pending: list[NumberedRow], recent: Iterable[Sequence[Any]]) -> list[NumberedRow]:
        """Those of the last records of a file that are truncated rows; the others are counted as a footer."""
        if not recent or len(pending) > _MAX_FOOTER:
            return pending
        cut = [row for row in pending if _is_truncated(row[1], recent)]
        for line, cells in [row for row in pending if row not in cut]:
            self._count("row after the table", line, cells)
        return cut

    def _flush(self, pending: list[NumberedRow], number: int, width: int) -> Iterator:
        """Sort pending records that are no footer, as more rows follow."""
        for line, cells in pending:
            if len(cells) == width:
                self.records += 1
                yield number, cells
            else:
                self._count("row too short", line, cells)
        pending.clear()

    def _count_outside(self, check: str, line: int, cells: Sequence[Any]) -> None:
        self._count(check if any(map(_is_filled, cells)) else "blank row", line, cells)

    def _count(self, check: str, line: int, cells: Sequence[Any]) -> None:
        self._counts[check] += 1
        examples = self._examples.setdefault(check, [])
        if len(examples) < EXAMPLES:
            examples.append((line, self._delimiter.join(map(_text, cells))[:200]))

    def _example(self, check: str) -> str:
        line, text = self._examples[check][0]
        short = text if len(text) <= 60 else f"{text[:59]}…"
        position = sentence(f"quality.details.in_{self._unit}", file=self._label, number=line)
        if not short.strip(f"{self._delimiter} "):
            return position
        return sentence("quality.details.text_at", place=position, text=quoted(short))

    def _check_torn(self) -> None:
        """Raise DataError if a record has more cells than the header (values may be shifted), or many have too few."""
        for check, wrong in (("row with more cells than the header", "more"), ("row too short", "fewer")):
            size = self._counts[check]
            is_much = size * _TORN_RATIO >= size + self.records and (size > 1 or not self.records)
            if not size or (wrong == "fewer" and not is_much):
                continue
            line, text = self._examples[check][0]
            others = Phrase(", as have {count} more" if size > 1 else "", count=size - 1)
            if other := self._other_delimiter(check):
                raise DataError(
                    "{label}: the header in line {head_line} separates its names by {delimiter}, but line {line} "
                    "its values by {other} ({text!r}){others}: write both alike.",
                    label=self._label,
                    head_line=self.line,
                    delimiter=Phrase(DELIMITERS[self._delimiter]),
                    line=line,
                    other=Phrase(DELIMITERS[other]),
                    text=text[:60],
                    others=others,
                )
            raise DataError(
                "{label} {unit} {line} has {wrong} cells than the header in {unit} {head_line} ({text!r}){others}: "
                "quote a value that holds the delimiter, or put the missing names above.",
                label=self._label,
                unit=Phrase(self._unit),
                line=line,
                wrong=Phrase(wrong),
                head_line=self.line,
                text=text[:60],
                others=others,
            )

    def _other_delimiter(self, check: str) -> str | None:
        """Another delimiter with which these records would be as wide as the header."""
        signs = len(self.headers[0].columns) - 1
        if self._unit != "line" or self._delimiter not in DELIMITERS or not signs:
            return None
        rows = [text for _, text in self._examples[check]]
        others = (sign for sign in DELIMITERS if sign != self._delimiter)
        return next((sign for sign in others if all(text.count(sign) >= signs for text in rows)), None)


def stacked_cells(headers: list[list[str]], rows: Iterable[NumberedRow]) -> tuple[list[str], list[list[Any]]]:
    """The union of the columns of several headers, and all rows, with None in missing columns."""
    first: dict[str, str] = {}
    for header in headers:
        for name in header:
            first.setdefault(name.lower(), name)
    columns = list(first.values())
    positions = {name.lower(): position for position, name in enumerate(columns)}
    into = [[positions[name.lower()] for name in header] for header in headers]
    stacked = []
    for number, cells in rows:
        row: list[Any] = [None] * len(columns)
        for position, cell in zip(into[number], cells, strict=True):
            row[position] = cell
        stacked.append(row)
    return columns, stacked


def _is_truncated(cells: Sequence[Any], rows: Iterable[Sequence[Any]]) -> bool:
    """Whether a record below a table has the form of its values, and not only words, so that it is a truncated row."""
    rows = [*rows]
    shapes = {position: _shape(_text(cell)) for position, cell in enumerate(cells) if _text(cell)}
    alike = all(any(_shape(_text(row[position])) == shape for row in rows) for position, shape in shapes.items())
    return alike and any(not re.fullmatch(r"[a ]*", shape) for shape in shapes.values())


def _shape(text: str) -> str:
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", text))


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip().removeprefix("\ufeff").strip()


def _is_filled(cell: Any) -> bool:
    return cell is not None and cell != ""
