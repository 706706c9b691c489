"""Texts that know what they are made of, a figure its number, a sentence its values, so that any language says them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from retention_kit.word_files import word_file

COMMA, SEMICOLON, AND = "number.comma", "number.semicolon", "number.and"  # what joined sentences have between them


def _separator(key: str) -> str:
    table, name = key.split(".")
    return word_file("en")[table][name]


class Number(str):
    """A figure as it is written, which knows its number: a sentence can count a noun with it."""

    number: float

    def __new__(cls, text: str, number: float = 0) -> Number:
        """`number` is rounded as the text is."""
        result = super().__new__(cls, text)
        result.number = number
        return result


class Figure(NamedTuple):
    """A figure as a value of a sentence: each language writes it with its unit."""

    value: float
    unit: str
    style: str = "short"


class Written(str):
    """A figure that has an English text of its own, `1,234.50 GBP` or `2011-12-09`, and in other languages theirs.

    It keeps what it is of: a date, or a number in a unit of `Words.value`, money in a currency of its own.
    """

    raw: Any
    unit: str
    currency: str

    def __new__(cls, english: str, raw: Any, unit: str = "", currency: str = "") -> Written:
        """A number that is rounded as the text is, so that it is one figure in every language."""
        result = super().__new__(cls, english)
        result.raw, result.unit, result.currency = raw, unit, currency
        return result

    def __reduce__(self) -> tuple:
        return Written, ("".join(self), self.raw, self.unit, self.currency)


class Verbatim(str):
    """Text as it stands in data or is to be typed: in no language does it turn, not even a sign or bracket of it."""


class Sentence(str):
    """An English sentence that can be said in any language; it is its English text in all else.

    Either a key of the word files with the values of its `{fields}`, plain numbers, periods, dates, names and other
    sentences; or several of them, one after the other. Names are not isolated in its English text, which is for
    machines as well.
    """

    key: str
    values: Mapping[str, Any]
    parts: tuple[str, ...]
    translations: Mapping[str, str]
    between: str

    def __new__(
        cls,
        english: str,
        key: str = "",
        values: Mapping[str, Any] | None = None,
        parts: tuple[str, ...] = (),
        translations: Mapping[str, str] | None = None,
        between: str = "",
    ) -> Sentence:
        """Made by `sentence`, `declared` and `joined`."""
        result = super().__new__(cls, english)
        result.key, result.values, result.parts, result.translations = key, values or {}, parts, translations or {}
        result.between = between
        return result

    def __reduce__(self) -> tuple:
        return Sentence, (str(self), self.key, self.values, self.parts, self.translations, self.between)

    def __deepcopy__(self, memo: dict) -> Sentence:
        """Itself, as of any text: pandas copies what a frame carries with each frame that is made of it."""
        return self

    def __str__(self) -> str:
        return "".join(self)

    def lowered(self) -> Sentence:
        """The sentence within another: in English it begins with a small letter."""
        english = f"{self[:1].lower()}{self[1:]}"
        return Sentence(english, self.key, self.values, self.parts, self.translations, self.between)

    @classmethod
    def declared(cls, key: str, english: str, translations: Mapping[str, str] | None = None) -> Sentence:
        """A sentence whose English stands in code; a word file may say it under the key, else `translations` do, by
        language, else it stays English.
        """
        return cls(english, key, translations=translations)

    @classmethod
    def joined(cls, *parts: str, between: str = "") -> str:
        """Sentences one after the other, without those that are empty; `between` is the key of what stands between
        them, else a space.
        """
        kept = tuple(part for part in parts if part)
        text = (_separator(between) if between else " ").join(kept)
        return kept[0] if len(kept) == 1 else cls(text, parts=kept, between=between)
