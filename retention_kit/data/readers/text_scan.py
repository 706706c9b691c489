"""Scans the bytes of a CSV file once, to find out whether it is plain: all records are as wide as the header."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from retention_kit.errors import DataError
from retention_kit.lazy import np

_BLOCK = 1 << 20
_LF, _CR, _QUOTE = 10, 13, 34


class PlainFile(NamedTuple):
    """The properties of a plain file."""

    records: int
    longest: int  # bytes
    line_end: str
    has_quoted_line_ends: bool


class _NotPlain(Exception):
    """A record is not plain, so the file has to be read record by record."""


def plain_records(path: Path, delimiter: str, width: int, label: str) -> PlainFile | None:
    """The properties of a plain UTF-8 file; None if a record has another width, is blank, has quotes within a field, or
    another line end.

    Raises DataError if the file has a NUL character.
    """
    if ord(delimiter) > 127:
        return None
    scan = _Scan(ord(delimiter), width, label)
    try:
        for body, following in _blocks(path):
            scan.add(body, following)
        plain = scan.finish()
    except _NotPlain:
        return None
    return None if _has_footer(path, delimiter) else plain


def _blocks(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The bytes after a byte order mark in blocks, each with the bytes shifted by one."""
    with path.open("rb") as file:
        if file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        tail, chunk = b"", b"-"
        while chunk:
            chunk = file.read(_BLOCK)
            data = np.frombuffer(tail + chunk, np.uint8)
            if not chunk:
                if data.size:
                    yield data, np.append(data[1:], _LF)
            else:  # the last byte of a block is kept for the next, as its following byte is there
                tail = data[-1:].tobytes()
                if data.size > 1:
                    yield data[:-1], data[1:]


class _Scan:
    """The state of a scan.

    Every quote opens after a delimiter, a line end or the quote that it doubles, and closes before one of these.
    """

    def __init__(self, delimiter: int, width: int, label: str):
        self.delimiter, self.width, self.label = delimiter, width, label
        self.records = self.longest = self.line = 0
        self.is_inside, self.before, self.has_quoted_line_ends = 0, _LF, False
        self.delimiters = self.length = 0  # of the incomplete record
        self.returns: set[bool] = set()  # whether line ends have a carriage return

    def add(self, body: np.ndarray, following: np.ndarray) -> None:
        if not body.all():
            line = self.line + int(np.count_nonzero(body[: int(np.argmin(body))] == _LF)) + 1
            template = "{label} line {line} holds a NUL character: it is no text file, or damaged."
            raise DataError(template, label=self.label, line=line)
        preceding = np.concatenate((np.array([self.before], np.uint8), body[:-1]))
        feeds, returns, delimiters = body == _LF, body == _CR, body == self.delimiter
        self.line += int(np.count_nonzero(feeds))
        if (outside := self._outside(body, preceding, following)) is not None:
            self.has_quoted_line_ends |= bool((feeds & ~outside).any())
            for mask in (feeds, returns, delimiters):
                mask &= outside
        if (returns & (following != _LF)).any():
            raise _NotPlain
        after_return = preceding[feeds] == _CR
        self.returns |= set(np.unique(after_return).tolist())
        if len(self.returns) > 1:
            raise _NotPlain
        self._count(body.size, np.flatnonzero(feeds), np.flatnonzero(delimiters), after_return)
        self.before = int(body[-1])

    def _outside(self, body: np.ndarray, preceding: np.ndarray, following: np.ndarray) -> np.ndarray | None:
        """A mask of the bytes outside quotes; None if all are."""
        quotes = body == _QUOTE
        positions = np.flatnonzero(quotes)
        if not (positions.size or self.is_inside):
            return None
        opens = (np.arange(positions.size) + self.is_inside) % 2 == 0
        first, last = preceding[positions[opens]], following[positions[~opens]]
        if not (_is_boundary(first, self.delimiter).all() and _is_boundary(last, self.delimiter).all()):
            raise _NotPlain
        # Quotes themselves count as inside, which does not matter.
        outside: np.ndarray = (np.bitwise_xor.accumulate(quotes.view(np.uint8)) ^ self.is_inside) == 0
        self.is_inside = (self.is_inside + positions.size) % 2
        return outside

    def _count(self, size: int, feeds: np.ndarray, delimiters: np.ndarray, after_return: np.ndarray) -> None:
        """Count the records that end in a block, by the positions of its line feeds and delimiters."""
        if not feeds.size:
            self.delimiters, self.length = self.delimiters + int(delimiters.size), self.length + size
            return
        upto = np.searchsorted(delimiters, feeds)
        counts = np.diff(upto, prepend=0)
        counts[0] += self.delimiters
        sizes = np.diff(feeds, prepend=-1)
        sizes[0] += self.length
        if (counts != self.width - 1).any() or (sizes - 1 - after_return <= self.width - 1).any():
            raise _NotPlain
        self.records += int(feeds.size)
        self.longest = max(self.longest, int(sizes.max()))
        self.delimiters, self.length = int(delimiters.size - upto[-1]), int(size - feeds[-1] - 1)

    def finish(self) -> PlainFile:
        """The properties of the whole file; its last record may have no line end."""
        if self.is_inside:
            raise _NotPlain
        if self.length:
            if self.delimiters != self.width - 1 or self.length <= self.width - 1:
                raise _NotPlain
            self.records, self.longest = self.records + 1, max(self.longest, self.length)
        return PlainFile(
            self.records, self.longest, "\r\n" if True in self.returns else "\n", self.has_quoted_line_ends
        )


def _is_boundary(values: np.ndarray, sign: int) -> np.ndarray:
    return (values == sign) | (values == _LF) | (values == _CR) | (values == _QUOTE)


def _has_footer(path: Path, delimiter: str) -> bool:
    """Whether the last line has only one value, like a footer that a spreadsheet has padded with delimiters."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16)))
        lines = file.read().rstrip(b"\r\n").splitlines()
    return bool(lines) and sum(map(bool, lines[-1].split(delimiter.encode()))) <= 1
