"""Comments without what says who wrote them or whom they are about: addresses, numbers, ids and names.

What is masked is told by its form, so it errs on the side of masking: a town inside a sentence goes too. A name in
small letters that no list has is not seen.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import takewhile

from retention_kit.metrics.comments.given_names import ALWAYS, WRITTEN_AS_ONE
from retention_kit.metrics.comments.words import STOP_WORDS, spelled

MASK = "[…]"
MOST_TOGETHER = 4  # words of a name or id
_ENDINGS = (
    "com|net|org|info|biz|edu|gov|io|co|me|shop|store|app|dev|ai|tv|eu|uk|us|ca|au|nz|ie|in|de|fr|es|it|nl|be|ch|at|se|"
    "no|dk|fi|pl|pt|gr|tr|ru|cn|jp|br|mx|za|ae|sa|eg|jo|qa|kw|bh|om|ma|tn|lb"
)
_ADDRESSES = re.compile(  # each begins where a word does, so that no text takes long
    r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://\S+|\bwww\.\S+|(?<!\S)\S*@\S+(?:\s*\.\s*(?:" + _ENDINGS + r")\b)?"
    r"|(?<![\w.+-])[\w.+-]+\s*[(\[]\s*at\s*[)\]]\s*[\w.-]+(?:\s*[(\[]?\s*(?:dot|\.)\s*[)\]]?\s*\w+)*"
    r"|(?<![\w.+-])[\w.+-]+\s+at\s+[\w-]+(?:\s+dot\s+|\.)(?:" + _ENDINGS + r")\b"
    r"|(?<![\w.-])(?:[\w-]+\.)+(?:" + _ENDINGS + r")\b(?:[/?#]\S*)?",
    re.IGNORECASE,
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{2,4}){3,8}\b", re.IGNORECASE)
_NUMBER = re.compile(r"[+(]*\d(?:[\s().,/\\:_–-]{0,3}\d)*")  # with all that may stand between its digits
_MOST_DIGITS = 4  # of a number that says who nobody is
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
# Words before a name: how many words after them belong to it, whatever they look like.
_TITLES = frozenset(["mr", "mrs", "ms", "miss", "dr", "prof", "professor", "sir", "madam", "السيد", "السيده", "الاستاذ",
                     "الاستاذه", "الدكتور", "الدكتوره", "المهندس", "المهندسه", "الشيخ", "الاخ", "الاخت", "استاذ",
                     "استاذه", "دكتور", "دكتوره", "مهندس", "ابو", "ام", "اسمي", "اسمها", "اسمه", "الموظف", "الموظفه",
                     "موظف", "موظفه", "تحيات", "تحياتي", "اخوكم", "اختكم"])  # fmt: skip  # words by the line
_PHRASES = re.compile(
    r"(?i)(?:\b(?:my|his|her|their|whose|the)?\s*name(?:['’]s|\s+is|\s+was|:)|\b(?:called|named|signed|signed by)\b"
    r"|(?:best|kind|warm)?\s*\bregards\b|\bsincerely\b|\bfaithfully\b|\b(?:best|many|good)\s+wishes\b|\bcheers\b,)\W*(?=\w)"
)
_DATES = frozenset(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february",
                    "march", "april", "may", "june", "july", "august", "september", "october", "november",
                    "december"])  # fmt: skip  # words by the line


def mask(comment: str, usual: Collection[str] = ()) -> str:
    """A comment on one line, with `[…]` in the place of each address, number, code and name.

    `usual` are words, as `spelled`, that comments write in small letters.
    """
    text = plain(comment)
    text = _ADDRESSES.sub(MASK, text)
    text = _NUMBERED.sub(rf"\1\2{MASK}", _IBAN.sub(MASK, text))
    text = _CODE.sub(lambda found: found[0] if _MEASURE.fullmatch(found[0]) else MASK, text)
    text = _NUMBER.sub(lambda found: found[0] if _is_small(found[0]) else MASK, text)
    return _without(text, _names(text, usual))


def mask_known(text: str, known: Collection[str]) -> str:
    """A text with `[…]` in the place of each of some ids and names, which are in small letters."""
    lower = "".join(one.lower() if len(one.lower()) == 1 else one for one in text)
    spans = [found.span() for one in known for found in re.finditer(rf"(?<!\w){re.escape(one)}(?!\w)", lower) if one]
    return _without(text, sorted(spans, key=lambda span: (span[0], -span[1])))


class _Seen(dict):
    """What each character is on a page: nothing, a space, or itself."""

    def __missing__(self, code: int) -> str:
        kind = unicodedata.category(chr(code))
        unseen = kind[0] == "C" or 0xFE00 <= code <= 0xFE0F
        self[code] = " " if kind in ("Cc", "Zl", "Zp", "So", "Sk") else "" if unseen else chr(code)
        return self[code]


_SEEN = _Seen()


def plain(comment: str) -> str:
    """A text on one line, without what no page can show: controls, bidi controls and pictures."""
    return " ".join(unicodedata.normalize("NFC", comment).translate(_SEEN).split())


def usual_words(comments: Iterable[str]) -> frozenset[str]:
    """The words that comments write in small letters, and not more often with a capital inside a sentence."""
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
    """All that may be an id or a name in a text: up to four words that follow each other, and whatever has no space."""
    yield from (match[0] for match in re.finditer(r"[^\s,;:()\"“”]+", text))
    spans = [match.span() for match in re.finditer(r"[\w'’-]+", text)]
    for first, (start, _) in enumerate(spans):
        yield from (text[start:end] for _, end in spans[first : first + MOST_TOGETHER])


def _is_small(number: str) -> bool:
    return sum(one.isdigit() for one in number) <= _MOST_DIGITS and not number.startswith("+")


def _tokens(text: str) -> Iterator[tuple[str, int, bool]]:
    """The words of a text, where they begin, and whether a sentence does there."""
    for match in _TOKEN.finditer(text):
        yield match[0], match.start(), bool(_STARTS.search(text[max(0, match.start() - 4) : match.start()]))


def _names(text: str, usual: Collection[str]) -> list[tuple[int, int]]:
    """Where names stand."""
    tokens = list(_tokens(text))
    loud = sum(word.isupper() for word, _, _ in tokens) * 2 > len(tokens)
    loud |= sum(word[0].isupper() for word, _, _ in tokens) * 3 > 2 * len(tokens)
    announced = {found.end() for found in _PHRASES.finditer(text)}
    names: set[int] = set()
    for place, (word, start, is_first) in enumerate(tokens):
        said, rest = spelled(word), _following(tokens, place, text)
        after = tokens[rest[0]][0] if rest else ""
        if said in ALWAYS or _is_written_as_name(word, is_first, loud, usual, after):
            names.add(place)
        if start in announced and said not in STOP_WORDS:
            names |= {place, *takewhile(lambda one: not _is_usual(tokens[one][0], usual), rest)}
        if said in _TITLES:
            names |= {one for one in rest if one == place + 1 or tokens[one][0].startswith("ال")}
            names |= {one for one in rest if tokens[one][0][0].isupper()}
    return [(start, start + len(word)) for place, (word, start, _) in enumerate(tokens) if place in names]


def _is_written_as_name(word: str, is_first: bool, loud: bool, usual: Collection[str], after: str) -> bool:
    """Whether a word has a capital that neither its place nor its meaning gives it.

    `is_first`: it begins a sentence, `after` is the next word; `loud`: everything is in capitals.
    """
    said = spelled(word)
    if not word[0].isupper() or len(word) == 1 or said in STOP_WORDS or said in _DATES | _TITLES:
        return False
    if said in WRITTEN_AS_ONE:
        return said not in usual or not (is_first or loud)
    if said in usual or (word.isupper() and len(word) <= _SHORT):
        return False
    return not is_first or (not word.isupper() and _is_written_as_name(after or "a", False, loud, usual, ""))


def _following(tokens: list[tuple[str, int, bool]], place: int, text: str) -> list[int]:
    """The next two words, as far as no sign stands between."""
    rest = range(place + 1, min(place + 3, len(tokens)))
    return [one for one in rest if not re.search(r"[!?؟,;]", text[tokens[place][1] : tokens[one][1]])]


def _is_usual(word: str, usual: Collection[str]) -> bool:
    said = spelled(word)
    return said in STOP_WORDS or said in usual


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    kept, last = [], 0
    for start, end in spans:
        if start >= last:
            kept += [text[last:start], MASK]
            last = end
    return re.sub(r"(?:\[…\][\s,.'’-]*)+(?=\[…\])", "", "".join([*kept, text[last:]]))
