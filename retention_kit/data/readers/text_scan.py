"""One pass over the bytes of a CSV file: whether all of its records are as wide as its header and nothing is odd."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.errors import DataError

if TYPE_CHECKING:
    import numpy as np

_BLOCK = 1 << 20
_LF, _CR, _QUOTE = 10, 13, 34


class Plain(NamedTuple):
    """What a file without oddities is like."""

    records: int
    longest: int  # bytes
    line_end: str
    has_quoted_line_ends: bool


def plain_records(path: Path, delimiter: str, width: int, label: str) -> Plain | None:
    """Records and line ends of a UTF-8 file; None where one is odd: of another width, blank, quoted loosely, ended
    otherwise.

    By induction over its quotes: each opens after a delimiter, a line end or the quote that it doubles, and closes
    before one.
    Raises DataError where the file holds NUL, which no text does.
    """
    import numpy as np

    sign = ord(delimiter)
    if sign > 127:
        return None
    records = longest = line = 0
    inside, before, is_quoted = 0, _LF, False
    delimiters = length = 0  # of the record that goes on
    ends = set()
    with path.open("rb") as file:
        if file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        held = b""
        while True:
            chunk = file.read(_BLOCK)
            whole = np.frombuffer(held + chunk, np.uint8)
            if not whole.size:
                break
            # The last byte of a block waits for its neighbour.
            body = whole if not chunk else whole[:-1]
            ahead = np.append(whole[1:], _LF) if not chunk else whole[1:]
            held = b"" if not chunk else whole[-1:].tobytes()
            if not body.size:
                continue
            if not body.all():
                line += int(np.count_nonzero(body[: int(np.argmin(body))] == _LF)) + 1
                raise DataError(f"{label} line {line} holds a NUL character: it is no text file, or damaged.")
            behind = np.concatenate((np.array([before], np.uint8), body[:-1]))
            feeds = body == _LF
            line += int(np.count_nonzero(feeds))
            quotes = body == _QUOTE
            places = np.flatnonzero(quotes)
            outside = None
            if places.size or inside:
                opens = (np.arange(places.size) + inside) % 2 == 0
                first, last = behind[places[opens]], ahead[places[~opens]]
                if not (_is_edge(first, sign).all() and _is_edge(last, sign).all()):
                    return None
                # Where a quote stands the parity counts as inside, which changes nothing.
                outside = (np.bitwise_xor.accumulate(quotes.view(np.uint8)) ^ inside) == 0
                is_quoted |= bool((feeds & ~outside).any())
                inside = (inside + places.size) % 2
                feeds &= outside
            returns = body == _CR
            if outside is not None:
                returns &= outside
            if (returns & (ahead != _LF)).any():
                return None
            after_return = behind[feeds] == _CR
            ends |= set(np.unique(after_return).tolist())
            if len(ends) > 1:
                return None
            cuts = np.flatnonzero(feeds)
            signs = body == sign
            if outside is not None:
                signs &= outside
            found = np.flatnonzero(signs)
            if cuts.size:
                upto = np.searchsorted(found, cuts)
                counts = np.diff(upto, prepend=0)
                counts[0] += delimiters
                sizes = np.diff(cuts, prepend=-1)
                sizes[0] += length
                if (counts != width - 1).any() or (sizes - 1 - after_return <= width - 1).any():
                    return None
                records += int(cuts.size)
                longest = max(longest, int(sizes.max()))
                delimiters, length = int(found.size - upto[-1]), int(body.size - cuts[-1] - 1)
            else:
                delimiters, length = delimiters + int(found.size), length + int(body.size)
            before = int(body[-1])
    if inside:
        return None
    if length:
        if delimiters != width - 1 or length <= width - 1:
            return None
        records, longest = records + 1, max(longest, length)
    if _ends_alone(path, delimiter):
        return None
    return Plain(records, longest, "\r\n" if True in ends else "\n", is_quoted)


def _is_edge(values: np.ndarray, sign: int) -> np.ndarray:
    return (values == sign) | (values == _LF) | (values == _CR) | (values == _QUOTE)


def _ends_alone(path: Path, delimiter: str) -> bool:
    """Whether the last line holds one value only, as a footer does that a spreadsheet has padded."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16)))
        lines = file.read().rstrip(b"\r\n").splitlines()
    return bool(lines) and sum(map(bool, lines[-1].split(delimiter.encode()))) <= 1
