"""Direction of writing: what runs against its surroundings is isolated, so that signs and brackets stay in place.

Source: the Unicode bidirectional algorithm (Unicode Standard Annex #9, section 2.4).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

LTR, RTL, EITHER, END = "\u2066", "\u2067", "\u2068", "\u2069"
_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ISOLATED = re.compile("[\u2066-\u2068][^\u2066-\u2069]*\u2069")
# A field of a sentence, or what stands in it for itself against right to left: a number, a name, a formula.
_LITERAL = re.compile(
    r"\{[^{}]*\}|[−+]?\d+(?:[.,/]\d+)*%?(?![A-Za-z\d])|\[?[A-Za-z](?:[A-Za-z\d./\]−+ -]*[A-Za-z\d\]])?"
)


def plain(text: str) -> str:
    """The text without the controls of direction, which nobody sees."""
    return _CONTROLS.sub("", text)


def ltr(text: str) -> str:
    """A run from left to right, whatever stands around it: a number with its sign and unit."""
    return f"{LTR}{text}{END}"


def rtl(text: str) -> str:
    """A run from right to left."""
    return f"{RTL}{text}{END}"


def isolate(text: str, direction: str) -> str:
    """A name in a text of that direction: isolated where letters of it run the other way."""
    rest = text
    while (shorter := _ISOLATED.sub("", rest)) != rest:  # from the innermost outwards
        rest = shorter
    against = ("L",) if direction == "rtl" else ("R", "AL")
    if rest.isascii() and direction == "ltr":
        return text
    return f"{EITHER}{text}{END}" if any(unicodedata.bidirectional(one) in against for one in rest) else text


def isolate_literals(sentence: str, digits: Mapping[int, int | str]) -> str:
    """A sentence of a language from right to left, with the numbers and foreign words isolated that it says itself.

    Its `{fields}` stay as they are; numbers without letters are written in `digits`.
    """

    def isolated(found: re.Match) -> str:
        said = found[0]
        if said[0] == "{":
            return said
        return ltr(said if any(one.isalpha() for one in said) else said.translate(digits))

    return _LITERAL.sub(isolated, sentence)
