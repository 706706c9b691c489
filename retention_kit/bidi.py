"""Direction of writing: what runs against its surroundings is isolated, so that signs and brackets stay in place.

Source: the Unicode bidirectional algorithm (Unicode Standard Annex #9, section 2.4).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

LTR, RTL, EITHER, END = "\u2066", "\u2067", "\u2068", "\u2069"
MARK = "\u200f"  # counts as a letter from right to left
_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_OVERRIDES = "\u202a\u202b\u202c\u202d\u202e"
_RTL = ("R", "AL")
_TYPED = re.compile("`[^`]*`|[!-~…]+(?: [!-~…]+)*")  # in a sentence of other letters
_FIELD = re.compile(r"[(.]*\{\w+(?::\w+)?\}[).,:;]*|%\(message\)s")  # the last: argparse's
_JOINED = re.compile(r"\}[!-~…]+\{")
_ISOLATED = re.compile("[\u2066-\u2068][^\u2066-\u2069]*\u2069")
# A field of a sentence, or what stands in it for itself against right to left: a number, a name, a formula.
_LITERAL = re.compile(
    r"\{[^{}]*\}"
    r"|\[?(?:\d+ )?[A-Za-z](?:[A-Za-z\d_./\]−+ -]*[A-Za-z\d\]])?"
    r"|[−+]?\d+(?:[.,/-]\d+)*%?(?![A-Za-z\d])"
)


def mirrored(sign: str, direction: str) -> str:
    """An arrow that points on, as it points in a text of that direction; any other sign as it is."""
    return sign.replace("→", "←") if direction == "rtl" else sign


def plain(text: str) -> str:
    """The text without the controls of direction, which nobody sees."""
    return _CONTROLS.sub("", text)


def ltr(text: str) -> str:
    """A run from left to right, whatever stands around it: a number with its sign and unit."""
    return f"{LTR}{text}{END}"


def rtl(text: str) -> str:
    """A run from right to left."""
    return f"{RTL}{text}{END}"


def is_isolated(text: str) -> bool:
    """Whether all of a text is one isolate."""
    depth = 0
    for index, sign in enumerate(text, 1):
        depth += (sign in (LTR, RTL, EITHER)) - (sign == END)
        if not depth:
            return 1 < index == len(text)
    return False


def isolate(text: str, direction: str) -> str:
    """A name in a text of that direction: isolated where letters of it run the other way, or where it has digits and
    no letters (`2011-12`), as between letters from right to left its parts would change places.
    """
    if direction == "ltr" and text.isascii():
        return text
    runs = _runs(text)
    if "L" in runs if direction == "rtl" else not runs.isdisjoint(_RTL):
        return f"{EITHER}{balanced(text, 'rtl')}{END}"
    return ltr(text) if direction == "rtl" and "EN" in runs and runs.isdisjoint(_RTL) else text


def whole(text: str, sign: str = "") -> str:
    """Something that stands for itself, or a sentence, in a text of any direction: isolated once, from left to right
    where none of its letters runs the other way.
    """
    if not text or _ISOLATED.fullmatch(_without_inner(text)):
        return text
    return f"{sign or (EITHER if has_rtl(text) else LTR)}{text}{END}"


def _without_inner(text: str) -> str:
    """A text without what is isolated within its outermost isolates."""
    while (shorter := re.sub(f"(?<=.){_ISOLATED.pattern}(?=.)", "", text)) != text:
        text = shorter
    return text


def settle(text: str, direction: str) -> str:
    """A text that stands alone on a page of that direction: isolated where no letter of it is of the page's scripts."""
    if direction == "ltr" and text.isascii():
        return text
    runs = _runs(text)
    is_of_page = not runs.isdisjoint(_RTL) if direction == "rtl" else "L" in runs
    return text if is_of_page else isolate(text, direction)


def balanced(text: str, direction: str) -> str:
    """A text whose isolates end in it, as one that is cut may have them, without other controls that turn what follows.

    In a language from left to right names alone are isolated.
    """
    if text.isascii():
        return text
    kept: list[str] = []
    open_: list[bool] = []
    for character in text:
        if character in (LTR, RTL, EITHER):
            open_.append(direction == "rtl" or character == EITHER)
            kept.append(character * open_[-1])
        elif character == END:
            kept.append(character * (open_.pop() if open_ else False))
        elif character not in _OVERRIDES:
            kept.append(character)
    return "".join([*kept, *(END for is_kept in open_ if is_kept)])


def turn_lines(text: str, direction: str = "rtl") -> str:
    """Plain text whose lines programs set in that direction, as they go by the first letter of each; some pass by what
    is isolated, some do not. A line without a letter of that direction stays, as addresses and a server's words do, and
    what parts a signature from its message.
    """
    return "\n".join(map(_turned, text.split("\n"))) if direction == "rtl" else text


def _turned(line: str) -> str:
    directions = [one for one in map(unicodedata.bidirectional, plain(line)) if one in ("L", *_RTL)]
    if line == "-- " or not line.strip() or line.startswith(MARK):
        return line
    return line if directions and (directions[0] in _RTL or {*directions} == {"L"}) else f"{MARK}{line}"


def shorten(text: str, most: int, direction: str) -> str:
    """A text of at most so many characters that are seen, its isolates whole."""
    if len(text) <= most or len(plain(text)) <= most:
        return text
    room = [index for index, character in enumerate(text) if not _CONTROLS.match(character)][most - 1]
    return balanced(f"{text[:room].rstrip()}…", direction)


def _runs(text: str) -> set[str]:
    """How the characters of a text run, without what is isolated in it."""
    return set(map(unicodedata.bidirectional, _bare(text)))


def _bare(text: str) -> str:
    while (shorter := _ISOLATED.sub("", text)) != text:  # from the innermost outwards
        text = shorter
    return text


def isolate_literals(sentence: str, digits: Mapping[int, int | str]) -> str:
    """A sentence of a language from right to left, with the numbers and foreign words isolated that it says itself.

    Its `{fields}` stay as they are; numbers without letters are written in `digits`.
    """

    def isolated(match: re.Match) -> str:
        part = match[0]
        if part[0] == "{":
            return part
        return ltr(part if any(character.isalpha() for character in part) else part.translate(digits))

    return _LITERAL.sub(isolated, sentence)


def isolate_typed(sentence: str) -> str:
    """A sentence that runs from right to left, with what is to be typed isolated in it: `--jobs`, `[data] engine`,
    `timezone = "Europe/London"`. A field that stands alone is isolated when it is filled.
    """
    return _TYPED.sub(lambda match: _isolate_words(match[0]), sentence)


def _isolate_words(text: str) -> str:
    if text.startswith("`"):
        return ltr(text)
    words: list[str] = text.split(" ")
    runs: list[list[str]] = []
    for index, word in enumerate(words):
        is_beside = "=" in words[max(index - 1, 0) : index + 2]  # ours = {theirs}
        is_field = bool(_FIELD.fullmatch(word)) and not is_beside
        if is_field or not runs or (_FIELD.fullmatch(runs[-1][-1]) and not is_beside):
            runs.append([word])
        else:
            runs[-1].append(word)
    return " ".join(_isolate_run(" ".join(run)) for run in runs)


def _isolate_run(run: str) -> str:
    """What is typed, without the marks of the sentence around it."""
    outside = re.sub(r"\{\w+(?::\w+)?\}|%\(message\)s", "", run)
    if not re.search('[A-Za-z0-9%]|= "', outside) and not _JOINED.search(run):
        return run
    text = run.rstrip(".,:;!?( ")
    while text.endswith(")") and text.count("(") < text.count(")"):
        text = text[:-1].rstrip(".,:;!?")
    start = len(text) - len(text.lstrip("(,:; " if text.count("(") > text.count(")") else ",:; "))
    return f"{run[:start]}{ltr(text[start:])}{run[len(text) :]}"


def has_rtl(text: str) -> bool:
    """Whether a text has letters that run from right to left."""
    return not text.isascii() and any(unicodedata.bidirectional(character) in _RTL for character in text)
