"""Masks what could identify people in comments: addresses, numbers, ids and names.

They are recognised by their form, so too much may be masked, such as a town inside a sentence. A name in lower case
that is in no list is not recognised.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import takewhile

from retention_kit.metrics.comments.given_names import ALWAYS, AMBIGUOUS
from retention_kit.metrics.comments.words import STOP_WORDS, spelled

MASK = "[…]"
MOST_TOGETHER = 4  # words of a name or id
_ENDINGS = (
    "com|net|org|info|biz|edu|gov|io|co|me|shop|store|app|dev|ai|tv|eu|uk|us|ca|au|nz|ie|in|de|fr|es|it|nl|be|ch|at|se|"
    "no|dk|fi|pl|pt|gr|tr|ru|cn|jp|br|mx|za|ae|sa|eg|jo|qa|kw|bh|om|ma|tn|lb"
)
_ADDRESSES = re.compile(  # each begins at a word, so that matching is fast
    r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://\S+|\bwww\.\S+|(?<!\S)\S*@\S+(?:\s*\.\s*(?:" + _ENDINGS + r")\b)?"
    r"|(?<![\w.+-])[\w.+-]+\s*[(\[]\s*at\s*[)\]]\s*[\w.-]+(?:\s*[(\[]?\s*(?:dot|\.)\s*[)\]]?\s*\w+)*"
    r"|(?<![\w.+-])[\w.+-]+\s+at\s+[\w-]+(?:\s+dot\s+|\.)(?:" + _ENDINGS + r")\b"
    r"|(?<![\w.-])(?:[\w-]+\.)+(?:" + _ENDINGS + r")\b(?:[/?#]\S*)?",
    re.IGNORECASE,
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{2,4}){3,8}\b", re.IGNORECASE)
_NUMBER = re.compile(r"[+(]*\d(?:[\s().,/\\:_–-]{0,3}\d)*")  # with separators between its digits
_MOST_DIGITS = 4  # longer numbers could identify somebody
_CODE = re.compile(r"(?<![^\W_])[^\W_]*(?:\d[_-]*[^\W\d_]|[^\W\d_][_-]*\d)[\w-]*|#\s*\w+")
_MEASURE = re.compile(
    r"\d{1,3}(?:st|nd|rd|th|am|pm|a|p|h|hr|hrs|min|mins|s|d|kg|g|km|m|cm|mm|ml|l|x|k|gb|mb|%)|[a-z]{1,3}\d",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?i)\b(order|invoice|ticket|account|customer|client|member|membership|ref|reference|booking|case|card|code|pin"
    r"|policy|number|no\.|nr\.?|id|رقم|طلب|فاتورة|حساب|بطاقة)((?:\s+(?:number|no|nr|id|is|رقم|الطلب))*\W{0,3})(\d+)"
)
_SHORT = 4  # letters of an abbreviation
_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_STARTS = re.compile(r"(?:^|[.!?…؟:;\n\"“”(\[–—•/*]|\s-)\s*$")
_BRACKETED = re.compile(r"[(\[\"“”«].*[)\]\"“”»]", re.DOTALL)
# Words before a name.
_TITLES = frozenset(["mr", "mrs", "ms", "miss", "dr", "prof", "professor", "sir", "madam", "السيد", "السيده", "الاستاذ",
                     "الاستاذه", "الدكتور", "الدكتوره", "المهندس", "المهندسه", "الشيخ", "الاخ", "الاخت", "استاذ",
                     "استاذه", "دكتور", "دكتوره", "مهندس", "ابو", "ام", "اسمي", "اسمها", "اسمه", "الموظف", "الموظفه",
                     "موظف", "موظفه", "تحيات", "تحياتي", "اخوكم", "اختكم"])  # fmt: skip  # words by the line
_PHRASES = re.compile(
    r"(?i)(?:\b(?:my|his|her|their|whose|the)?\s*name(?:['’]s|\s+is|\s+was|:)"
    r"|\b(?:called|named|signed|signed by)\b(?!\s*[.!?…؟])"
    r"|(?:best|kind|warm)?\s*\bregards\b|\bsincerely\b|\bfaithfully\b|\b(?:best|many|good)\s+wishes\b|\bcheers\b,)\W*(?=\w)"
)
_DATES = frozenset(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february",
                    "march", "april", "may", "june", "july", "august", "september", "october", "november",
                    "december"])  # fmt: skip  # words by the line


def mask(comment: str, usual: Collection[str] = ()) -> str:
    """A comment on one line, with `[…]` for each address, number, code and name.

    `usual` are words, normalised by `spelled`, that comments write in lower case.
    """
    text = plain(comment)
    text = _ADDRESSES.sub(MASK, text)
    text = _NUMBERED.sub(rf"\1\2{MASK}", _IBAN.sub(MASK, text))
    text = _CODE.sub(lambda match: match[0] if _MEASURE.fullmatch(match[0]) else MASK, text)
    text = _NUMBER.sub(lambda match: match[0] if _is_small(match[0]) else MASK, text)
    return _without(text, _names(text, usual))


def mask_known(text: str, names: Collection[str]) -> str:
    """A text with `[…]` for each of the ids and names, which are in lower case."""
    lower = "".join(char.lower() if len(char.lower()) == 1 else char for char in text)
    spans = [match.span() for name in names for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", lower) if name]
    return _without(text, sorted(spans, key=lambda span: (span[0], -span[1])))


class _VisibleCharacters(dict):
    """A translation table: control characters and pictures become a space or nothing."""

    def __missing__(self, code: int) -> str:
        kind = unicodedata.category(chr(code))
        unseen = kind[0] == "C" or 0xFE00 <= code <= 0xFE0F
        self[code] = " " if kind in ("Cc", "Zl", "Zp", "So", "Sk") else "" if unseen else chr(code)
        return self[code]


_VISIBLE = _VisibleCharacters()


def plain(comment: str) -> str:
    """A text on one line, without controls, bidi controls and pictures."""
    return " ".join(unicodedata.normalize("NFC", comment).translate(_VISIBLE).split())


def usual_words(comments: Iterable[str]) -> frozenset[str]:
    """The words that comments write in lower case more often than with a capital inside a sentence."""
    small: Counter[str] = Counter()
    capital: Counter[str] = Counter()
    for comment in comments:
        for word, start, is_first in _tokens(comment):
            if word[0].islower():
                small[spelled(word)] += 1
            elif not is_first and not word.isupper() and start:
                capital[spelled(word)] += 1
    return frozenset(word for word, number in small.items() if number > capital[word])


def parts(text: str) -> Iterator[str]:
    """All parts of a text that may be an id or a name: up to four consecutive words, and parts without spaces."""
    yield from (match[0] for match in re.finditer(r"[^\s,;:()\"“”]+", text))
    spans = [match.span() for match in re.finditer(r"[\w'’-]+", text)]
    for first, (start, _) in enumerate(spans):
        yield from (text[start:end] for _, end in spans[first : first + MOST_TOGETHER])


def _is_small(number: str) -> bool:
    return sum(char.isdigit() for char in number) <= _MOST_DIGITS and not number.startswith("+")


def _tokens(text: str) -> Iterator[tuple[str, int, bool]]:
    """The words of a text with their positions, and whether they begin a sentence.

    A word alone in brackets or quotation marks begins none.
    """
    for match in _TOKEN.finditer(text):
        is_after_start = bool(_STARTS.search(text[max(0, match.start() - 4) : match.start()]))
        is_alone = bool(_BRACKETED.fullmatch(text[max(0, match.start() - 1) : match.end() + 1]))
        yield match[0], match.start(), is_after_start and not is_alone


def _names(text: str, usual: Collection[str]) -> list[tuple[int, int]]:
    """The spans of names in a text."""
    tokens = list(_tokens(text))
    is_capitals = sum(word.isupper() for word, _, _ in tokens) * 2 > len(tokens)
    is_capitals |= sum(word[0].isupper() for word, _, _ in tokens) * 3 > 2 * len(tokens)
    announced = {match.end() for match in _PHRASES.finditer(text)}
    names: set[int] = set()
    for position, (word, start, is_first) in enumerate(tokens):
        spelling, rest = spelled(word), _following(tokens, position, text)
        after = tokens[rest[0]][0] if rest else ""
        if spelling in ALWAYS or _is_written_as_name(word, is_first, is_capitals, usual, after):
            names.add(position)
        if start in announced and spelling not in STOP_WORDS:
            names |= {position, *takewhile(lambda index: not _is_usual(tokens[index][0], usual), rest)}
        if spelling in _TITLES:
            names |= {index for index in rest if index == position + 1 or tokens[index][0].startswith("ال")}
            names |= {index for index in rest if tokens[index][0][0].isupper()}
    return [(start, start + len(word)) for position, (word, start, _) in enumerate(tokens) if position in names]


def _is_written_as_name(word: str, is_first: bool, is_capitals: bool, usual: Collection[str], after: str) -> bool:
    """Whether a word has a capital letter that neither its position nor its meaning explains.

    `is_first`: it begins a sentence; `after`: the next word; `is_capitals`: the text is mostly in capitals.
    """
    spelling = spelled(word)
    if not word[0].isupper() or len(word) == 1 or spelling in STOP_WORDS or spelling in _DATES | _TITLES:
        return False
    if spelling in AMBIGUOUS:
        return spelling not in usual or not (is_first or is_capitals)
    if spelling in usual or (word.isupper() and len(word) <= _SHORT):
        return False
    return not is_first or (not word.isupper() and _is_written_as_name(after or "a", False, is_capitals, usual, ""))


def _following(tokens: list[tuple[str, int, bool]], position: int, text: str) -> list[int]:
    """The indices of the next two words, up to punctuation."""
    rest = range(position + 1, min(position + 3, len(tokens)))
    return [index for index in rest if not re.search(r"[!?؟,;]", text[tokens[position][1] : tokens[index][1]])]


def _is_usual(word: str, usual: Collection[str]) -> bool:
    spelling = spelled(word)
    return spelling in STOP_WORDS or spelling in usual


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    kept, last = [], 0
    for start, end in spans:
        if start >= last:
            kept += [text[last:start], MASK]
            last = end
    return re.sub(r"(?:\[…\][\s,.'’-]*)+(?=\[…\])", "", "".join([*kept, text[last:]]))
