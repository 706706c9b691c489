"""Detects the encoding of a text file: by its byte order mark, UTF-16, UTF-8, as declared, or the best code page."""

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
# Code pages that spreadsheets write; of those that fit equally well the first is used.
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
_MIN_SAMPLE = 4096  # bytes for the detection of languages


_FEW_ERRORS = 3  # runs of invalid UTF-8 that are damage, if at least as many are valid
# By whether a code page has one byte a letter: how many times more invalid runs than valid ones are still a mixture of
# both encodings. With two bytes a letter, valid ones occur by chance.
_MIXTURE_RATIO = {True: 50, False: 1}


class Encoding(NamedTuple):
    """An encoding by Python's name, whether it is certain, and lines with invalid bytes."""

    name: str
    is_sure: bool = True
    damaged: tuple[tuple[int, str], ...] = ()  # pairs of line and invalid bytes


class _Utf8Counts(NamedTuple):
    """Numbers of valid and invalid runs of non-ASCII bytes, the first line of valid ones, and the invalid ones."""

    right: int
    wrong: int
    line: int
    damaged: tuple[tuple[int, str], ...]


def encoding_of(path: Path, declared: str | None, label: str) -> Encoding:
    """The encoding of a file; raises DataError, with the line, if the declared one does not fit or none does."""
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
    if (wrong := _first_undecodable_line(path, "utf-8")) is None:
        return Encoding("utf-8")
    mixed = _count_utf8(path)
    if mixed.right >= (mixed.wrong if mixed.wrong <= _FEW_ERRORS else 10 * mixed.wrong):
        return Encoding("utf-8", is_sure=False, damaged=mixed.damaged)
    for page in _rank_pages(_non_ascii_lines(path)):
        if _first_undecodable_line(path, page) is None:
            if mixed.right >= mixed.wrong / _MIXTURE_RATIO[page[:4] == "cp12"]:
                template = (
                    "{label} is in two encodings, UTF-8 in line {line} but {page} in line {wrong}: write it in "
                    'one, or, where it is, declare that: encoding = "{page}".'
                )
                raise DataError(template, label=label, line=mixed.line, page=page, wrong=wrong)
            return Encoding(page, is_sure=False)
    template = '{label} line {wrong} is not UTF-8 and fits no code page that is tried: declare it, encoding = "cp1252".'
    raise DataError(template, label=label, wrong=wrong)


def _check_declared(path: Path, declared: str, marked: str | None, label: str) -> Encoding:
    name = codecs.lookup(declared).name
    if marked and _family(name) != _family(marked):
        template = "{label} line 1: encoding = {declared!r} does not fit, its first bytes say {marked}."
        raise DataError(template, label=label, declared=declared, marked=marked.removesuffix("-sig"))
    name = marked or {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(name, name)
    _check_encoding(path, name, label, "encoding =")
    return Encoding(name)


def _family(name: str) -> str:
    return name[:6].rstrip("-")


def _check_encoding(path: Path, name: str, label: str, source: str) -> None:
    if (line := _first_undecodable_line(path, name)) is not None:
        template = "{label} line {line} cannot be read: {source} {name!r}, which does not fit."
        raise DataError(template, label=label, line=line, source=Phrase(source), name=name.removesuffix("-sig"))


def _first_undecodable_line(path: Path, name: str) -> int | None:
    """The first line that cannot be decoded, if there is one."""
    decoder, line = codecs.getincrementaldecoder(name)(), 1
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                # The text before the error, including bytes that the decoder had kept of the last chunk.
                before = error.object[: error.start].decode(name, "ignore")
                return line + before.count("\n") + (before.count("\r") if "\n" not in before else 0)
            line += text.count("\n")
            if not chunk:
                return None


def _utf16(head: bytes) -> str | None:
    """UTF-16 without a byte order mark: ASCII characters have a zero byte, always on the same side."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    least = max(2, len(head) // 20)
    if odd >= least and even * 10 <= odd:
        return "utf-16-le"
    if even >= least and odd * 10 <= even:
        return "utf-16-be"
    return None


def _non_ascii_lines(path: Path) -> bytes:
    """A sample of lines that are not ASCII, for the detection of languages."""
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
    """Count valid and invalid UTF-8 by runs of non-ASCII bytes, as single letters of other encodings may be valid by
    chance.
    """
    right = wrong = first = 0
    damaged = []
    with path.open("rb") as file:
        for line, text in enumerate(file, start=1):
            if text.isascii():
                continue
            invalid = []
            for run in re.findall(rb"[\x80-\xff]+", text):
                try:
                    # Rare letters are in fact two letters of a code page.
                    if not re.search("[\u0180-\u0385\u03cf-\u03ff\u0460-\u05cf]", run.decode("utf-8")):
                        right, first = right + 1, first or line
                except UnicodeDecodeError as error:
                    invalid.append(f"0x{run[error.start]:02X}")
            wrong += len(invalid)
            if invalid:
                damaged.append((line, " ".join(dict.fromkeys(invalid))))
    return _Utf8Counts(right, wrong, first, tuple(damaged))


def _rank_pages(sample: bytes) -> list[str]:
    """The code pages, the most likely for a sample first."""
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
    # Text in code pages of one byte a letter often looks like words in those of two, but hardly ever vice versa.
    return sorted(
        _PAGES, key=lambda page: (-word_shares[page], page[:4] != "cp12", page not in likely and page != _KOREAN)
    )


def _share_of_words(sample: bytes, page: str) -> float:
    """The share of non-ASCII words that look like words in a code page, rounded to a tenth."""
    # Characters of the Korean page beyond the standard are rare, but match text of other pages by chance.
    text = sample.decode("euc_kr" if page == _KOREAN else page, "replace")
    words = {word for word in re.findall(r"(?:[a-zA-Z]|[^\x00-\x7f’])+", text) if not word.isascii()}
    # Half-width katakana are rare, but match many bytes.
    words = {word for word in words if not re.fullmatch("[\uff61-\uff9f]+", word)}
    return round(sum(_is_word(word, page) for word in words) / len(words), 1) if words else 0


def _is_word(text: str, page: str) -> bool:
    """Whether a text looks like a word: of one script, with plausible capitals."""
    scripts = {_SCRIPTS.get(script, script) for script in (unicodedata.name(sign, "?").split()[0] for sign in text)}
    is_cased = text.islower() or text.isupper() or text.istitle() or text.upper() == text.lower()
    if not (text.isalpha() and len(scripts) == 1 and is_cased):
        return False
    (script,) = scripts
    if script == "LATIN":
        return len(text) < 4 or any(map(str.isascii, text))
    return page != _KOREAN or script == "HANGUL"
