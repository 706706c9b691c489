"""In which encoding a text file is written: its mark, UTF-16, UTF-8, as declared, or the code page that fits."""

from __future__ import annotations

import codecs
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from retention_kit.errors import DataError, Phrase

_CHUNK = 1 << 20
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What spreadsheets write without a mark; of those that fit alike the first is taken.
_PAGES = (
    "cp1252",
    "cp1256",
    "cp1251",
    "cp932",
    "cp1250",
    "cp1254",
    "cp1253",
    "cp1255",
    "cp949",
    "gb18030",
    "big5",
)
_SCRIPTS = dict.fromkeys(("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"), "JAPANESE")  # which Japanese mixes
_KOREAN = "cp949"
_MIN_SAMPLE = 4096  # bytes from which languages are told apart


_FEW_ERRORS = 3  # runs of bytes that are no UTF-8 may be damage wherever no fewer are
# So many times more runs of a code page than of UTF-8 may yet be a mix of the two; of two bytes a letter, by chance,
# none.
_MIXTURE_RATIO = {True: 50, False: 1}


class Encoding(NamedTuple):
    """Python's name of an encoding, whether the file says it itself, and the lines whose bytes do not fit."""

    name: str
    is_sure: bool = True
    damaged: tuple[tuple[int, str], ...] = ()  # line, and its bytes that fit no character


class _Utf8Counts(NamedTuple):
    """How many runs of bytes beyond ASCII are UTF-8 and how many are not, the first line of those that are, and the
    others.
    """

    right: int
    wrong: int
    line: int
    damaged: tuple[tuple[int, str], ...]


def encoding_of(path: Path, declared: str | None, label: str) -> Encoding:
    """The encoding of a file; raises DataError, naming the line, where the declared one does not fit."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)), None)
    if declared:
        return _check_declared(path, declared, marked, label)
    if marked:
        _check_encoding(path, marked, label, "its first bytes say")
        return Encoding(marked)
    if wide := _utf16(head):
        _check_encoding(path, wide, label, "its bytes look like")
        return Encoding(wide)
    wrong = _first_undecodable_line(path, "utf-8")
    if wrong is None:
        return Encoding("utf-8")
    mixed = _count_utf8(path)
    if mixed.right >= (mixed.wrong if mixed.wrong <= _FEW_ERRORS else 10 * mixed.wrong):
        return Encoding("utf-8", is_sure=False, damaged=mixed.damaged)
    for page in _rank_pages(_non_ascii_lines(path)):
        if _first_undecodable_line(path, page) is None:
            if mixed.right >= mixed.wrong / _MIXTURE_RATIO[page[:4] == "cp12"]:
                raise DataError(
                    "{label} is in two encodings, UTF-8 in line {line} but {page} in line {wrong}: write it in "
                    'one, or, where it is, declare that: encoding = "{page}".',
                    label=label,
                    line=mixed.line,
                    page=page,
                    wrong=wrong,
                )
            return Encoding(page, is_sure=False)
    raise DataError(
        '{label} line {wrong} is not UTF-8 and fits no code page that is tried: declare it, encoding = "cp1252".',
        label=label,
        wrong=wrong,
    )


def _check_declared(path: Path, declared: str, marked: str | None, label: str) -> Encoding:
    name = codecs.lookup(declared).name
    if marked and _family(name) != _family(marked):
        raise DataError(
            "{label} line 1: encoding = {declared!r} does not fit, its first bytes say {marked}.",
            label=label,
            declared=declared,
            marked=marked.removesuffix("-sig"),
        )
    name = marked or {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(name, name)
    _check_encoding(path, name, label, "encoding =")
    return Encoding(name)


def _family(name: str) -> str:
    return name[:6].rstrip("-")


def _check_encoding(path: Path, name: str, label: str, source: str) -> None:
    if (line := _first_undecodable_line(path, name)) is not None:
        raise DataError(
            "{label} line {line} cannot be read: {source} {name!r}, which does not fit.",
            label=label,
            line=line,
            source=Phrase(source),
            name=name.removesuffix("-sig"),
        )


def _first_undecodable_line(path: Path, name: str) -> int | None:
    """The first line that an encoding cannot read, if there is one."""
    decoder, line = codecs.getincrementaldecoder(name)(), 1
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                # What came before in this chunk, with what the decoder had kept of the last.
                before = error.object[: error.start].decode(name, "ignore")
                return line + before.count("\n") + (before.count("\r") if "\n" not in before else 0)
            line += text.count("\n")
            if not chunk:
                return None


def _utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: delimiters, digits and line ends have a zero byte, all on one side."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    least = max(2, len(head) // 20)
    if odd >= least and even * 10 <= odd:
        return "utf-16-le"
    if even >= least and odd * 10 <= even:
        return "utf-16-be"
    return None


def _non_ascii_lines(path: Path) -> bytes:
    """Lines that hold more than ASCII, by which languages are told apart."""
    lines, size = [], 0
    with path.open("rb") as file:
        for line in file:
            if not line.isascii():
                lines.append(line[:4096])
                size += len(lines[-1])
                if size > 1 << 16:
                    break
    return b"".join(lines)


def _count_utf8(path: Path) -> _Utf8Counts:
    """What of a file is UTF-8: by whole runs of foreign letters, since a few bytes of other encodings are so by
    chance.
    """
    right = wrong = first = 0
    damaged = []
    with path.open("rb") as file:
        for line, text in enumerate(file, start=1):
            if text.isascii():
                continue
            odd = []
            for run in re.findall(rb"[\x80-\xff]+", text):
                try:
                    # Letters that hardly anybody writes are two of a code page.
                    if not re.search("[\u0180-\u0385\u03cf-\u03ff\u0460-\u05cf]", run.decode("utf-8")):
                        right, first = right + 1, first or line
                except UnicodeDecodeError as error:
                    odd.append(f"0x{run[error.start]:02X}")
            wrong += len(odd)
            if odd:
                damaged.append((line, " ".join(dict.fromkeys(odd))))
    return _Utf8Counts(right, wrong, first, tuple(damaged))


def _rank_pages(sample: bytes) -> list[str]:
    """Code pages that may have written a sample, the likeliest first."""
    from charset_normalizer import from_bytes

    repeated = sample * (_MIN_SAMPLE // max(len(sample), 1) + 1)
    matches = from_bytes(repeated, cp_isolation=list(_PAGES), threshold=0.5)
    best = max((match.coherence for match in matches if match.chaos < 0.2), default=0)
    likely = {
        page
        for match in matches
        if match.chaos < 0.2 and match.coherence > best - 0.1
        for page in (match.encoding, *match.could_be_from_charset)
    }
    word_shares = {page: _share_of_words(sample, page) for page in _PAGES}
    # What reads as words of one byte a letter is hardly ever of two, the other way round it often is.
    return sorted(
        _PAGES, key=lambda page: (-word_shares[page], page[:4] != "cp12", page not in likely and page != _KOREAN)
    )


def _share_of_words(sample: bytes, page: str) -> float:
    """The share of the words with foreign letters that look like words by a code page, to a tenth."""
    # What the Korean page has beyond the standard is hardly ever written, and what other pages are by chance.
    text = sample.decode("euc_kr" if page == _KOREAN else page, "replace")
    words = {word for word in re.findall(r"(?:[a-zA-Z]|[^\x00-\x7f’])+", text) if not word.isascii()}
    # Few write half-width katakana, and many bytes are such.
    words = {word for word in words if not re.fullmatch("[\uff61-\uff9f]+", word)}
    return round(sum(_is_word(word, page) for word in words) / len(words), 1) if words else 0


def _is_word(text: str, page: str) -> bool:
    """Whether a text is of one script, its capitals where words have them, and as that script is written."""
    scripts = {_SCRIPTS.get(script, script) for script in (unicodedata.name(sign, "?").split()[0] for sign in text)}
    is_cased = text.islower() or text.isupper() or text.istitle() or text.upper() == text.lower()
    if not (text.isalpha() and len(scripts) == 1 and is_cased):
        return False
    (script,) = scripts
    if script == "LATIN":
        return len(text) < 4 or any(map(str.isascii, text))
    return page != _KOREAN or script == "HANGUL"
