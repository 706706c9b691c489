"""Words: sentences from `locale/*.toml`; numbers, money and dates as a language writes them (Babel)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import cache, reduce
from numbers import Real
from operator import getitem
from string import Formatter
from typing import TYPE_CHECKING, Any

from retention_kit import bidi
from retention_kit.errors import Listed, Phrase, RetentionKitError, SettingsError
from retention_kit.periods import Period
from retention_kit.sentences import AND, COMMA, SEMICOLON, Figure, Number, Sentence, Verbatim, Written
from retention_kit.word_files import fields_of, flat, languages, locale_of, phrases, word_file

if TYPE_CHECKING:
    from babel import Locale
    from babel.numbers import NumberPattern

__all__ = [
    "AND", "COMMA", "DASH", "MINUS", "SEMICOLON", "Figure", "Number", "Sentence", "Verbatim", "Words", "Written",
    "declared", "languages", "money_decimals", "quoted", "sentence",
]  # fmt: skip  # words by the line

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
_ARABIC_DIGITS = str.maketrans("0123456789%", "٠١٢٣٤٥٦٧٨٩٪")
_SPACE = "\N{NO-BREAK SPACE}"
_OPTIONAL = re.compile("<([^<>]*{[^<>]*)>")  # a part of a sentence with a field


def sentence(key: str, **values: Any) -> Sentence:
    """A sentence of the word files, with what fills its fields."""
    return Sentence(bidi.plain(_english().text(key, **values)), key, values)


def declared(key: str, english: str, **values: Any) -> Sentence:
    """A sentence whose English stands in code, with fields; a word file may say it under the key."""
    text = bidi.plain(_english()._fill(english, values))
    return Sentence(text, key, values, translations={"en": english})


def quoted(text: str) -> Sentence:
    """Text of the data, on one line and in quotation marks."""
    literal = repr(text)
    return Sentence(literal, "quality.details.quoted", {"text": Verbatim(literal[1:-1])})


@cache
def _english() -> Words:
    return Words("en", "XXX")


class Words:
    """How one language says things, in one report currency.

    `language` may name a region: in `ar-SA` numbers and dates are those of Saudi Arabia. `digits` are `latn`, or
    `arab` (٠١٢) where the language knows them; `time_direction` is where time runs in charts, else as text does.
    `short` is for reading (45.6%, £698, £1.16M), `full` for checking (45.60%, £698.21). Where a language is written
    from right to left, figures, periods and dates are isolated (`bidi`). Raises SettingsError for an unknown language.
    """

    def __init__(self, language: str = "en", currency: str = "GBP", digits: str = "latn", time_direction: str = ""):
        self.locale = locale_of(language)
        own = _locale(self.locale).other_numbering_systems.get("native")
        self.digits = digits if digits == own else "latn"
        self._name = language.partition("-")[0]  # without its region: that of the word file
        self._sentences = _sentences(self._name, self.digits)
        self.language, self.currency = language, currency
        self.direction = self._sentences["direction"]
        self.time_direction = time_direction or self.direction
        self._is_rtl = self.direction == "rtl"
        self._filler = _Filler(self)

    @classmethod
    def of(cls, report: Any, language: str = "") -> Words:
        """The words that the settings of `[report]` ask for, in another language of theirs or in the first."""
        return cls(language or report.languages[0], report.currency, report.digits, report.time_direction or "")

    def text(self, key: str, **values: object) -> str:
        """The sentence under a dotted key with its `{fields}` filled in; a missing key is a programming error."""
        return self._fill(self.raw(key), values)

    def raw(self, key: str) -> str:
        """The sentence with its `{fields}` as they stand."""
        *parts, name = key.split(".")
        return self.table(".".join(parts))[name]

    def table(self, key: str) -> dict[str, str]:
        """All that stands under a dotted key, by name."""
        return reduce(getitem, key.split("."), self._sentences)

    def say(self, text: str | BaseException) -> str:
        """A Sentence, a Phrase or an error in this language; any other text, and one that the language has no words
        for, as it is.
        """
        if isinstance(text, BaseException):
            text = text.text if isinstance(text, RetentionKitError) else str(text)
        if isinstance(text, Phrase | Listed):
            return str(text) if self._name == "en" else self._say_phrase(text)
        if not isinstance(text, Sentence):
            return text
        if text.parts:
            return (self.raw(text.between) if text.between else " ").join(map(self.fill, text.parts))
        if self._name == "en" and (text.isascii() or not text.values):  # as it stands
            return str(text)
        known = _flat(self._name, self.digits).get(text.key)
        known = known or text.translations.get(self._name)
        return self._fill(known, text.values) if known else self.isolate(str(text))

    def _say_phrase(self, text: Phrase | Listed) -> str:
        known = phrases(self._name)["phrases"]
        if isinstance(text, Listed):
            return known.get(text.link, text.link).join(self._as_written(item) for item in text.items)
        translated = known.get(text.template)
        if translated is None or not text.values:
            return translated or self.isolate(str(text))
        forms = {name: (form, conversion) for _, name, form, conversion in Formatter().parse(text.template) if name}
        values = {name: self._as_written(value, *forms.get(name, ())) for name, value in text.values.items()}
        return self._fill(translated, values)

    def _as_written(self, value: object, form: str | None = "", conversion: str | None = None) -> str:
        """A value of a phrase as people type it, a period 2011-11; quotation marks are the language's own."""
        if isinstance(value, str) and type(value) is not str:  # it knows itself what it is
            return self.fill(value)
        if isinstance(value, Real) and not isinstance(value, bool):
            exact = float(value)
            return Number(self._signed(format(value, form or "")), int(exact) if exact.is_integer() else exact)
        quoted = repr(value)[1:-1] if isinstance(value, str) else repr(value)
        text = quoted if conversion == "r" else format(value, form or "")
        return bidi.whole(text) if self._is_rtl else text

    def isolate(self, text: str) -> str:
        """A name, or anything else that is not of this language, so that it does not turn what stands around it."""
        return bidi.isolate(text, self.direction)

    def name(self, value: str) -> str:
        """A name from the data: what stands for none, others or a pause in words."""
        return self.table("segment_values").get(value) or self.isolate(value)

    def count(self, noun: str, number: object) -> str:
        """A counted noun, `3 days`: the form that the language has for the number."""
        exact = number.number if isinstance(number, Number) else number
        forms = self._sentences["counted"].get(noun) or phrases(self._name)["counted"][noun]
        if not isinstance(exact, int | float):
            return forms["other"].format(n=number)
        return forms[_locale(self.locale).plural_form(abs(exact))].format(n=self.fill(number))

    def _fill(self, sentence: str, values: Mapping[str, object]) -> str:
        """A sentence of this language with its `{fields}` filled in; a part between < and > is left out where a value
        in it is empty.
        """
        if "<" in sentence:
            sentence = _OPTIONAL.sub(lambda part: _if_there(part[1], values), sentence)
        if any(noun or "[" in name for name, noun in fields_of(sentence)):
            return self._filler.vformat(sentence, (), values)
        return sentence.format(**{name: self.fill(value) for name, value in values.items()})

    def fill(self, value: object) -> str:
        """A value as a sentence holds it: raw numbers are counts."""
        if isinstance(value, Sentence | Phrase | Listed | RetentionKitError):
            return self.say(value)
        if isinstance(value, Written):
            return self._written(value)
        if isinstance(value, Verbatim) and self._is_rtl and bidi.isolate(value, "ltr") == value:
            return bidi.ltr(value)
        if isinstance(value, str):
            return self.name(value)
        if isinstance(value, Figure):
            return self.value(*value)
        if isinstance(value, float):
            return self.value(value, "count")
        if isinstance(value, list):
            return self.listed(value)
        if isinstance(value, Period):
            return self.period(value)
        if isinstance(value, date):
            return self.date(value)
        return self._in_digits(str(value)) if isinstance(value, int) else self.isolate(str(value))

    def listed(self, items: Iterable[object], mark: str = "comma") -> str:
        """Items with commas between them, or what has commas of its own with a `semicolon`."""
        return self.text(f"number.{mark}").join(map(self.fill, items))

    def _written(self, figure: Written) -> str:
        if self._name == "en":
            return str(figure)
        if isinstance(figure.raw, date):
            return self.date(figure.raw)
        words = Words(self.language, figure.currency, self.digits) if figure.currency else self
        return words.value(figure.raw, figure.unit, "full")

    def value(self, value: float | None, unit: str, style: str = "short", sign: str = "") -> str:
        """A figure with its unit, after a sign that belongs to it; a dash where it is undefined."""
        if value is None or value != value:
            return DASH
        # As people round, on the shortest decimal form: 0.125 is 0.13; with digits for the largest float.
        with localcontext(prec=330, rounding=ROUND_HALF_UP):
            return getattr(self, f"_{unit}")(value, style == "full", sign)

    def change(self, value: float | None, unit: str, style: str = "short", sign: str | None = None) -> str:
        """A difference with its sign, or another one, or none; between two fractions it is a number of percentage
        points.
        """
        if value is None or value != value:
            return DASH
        if sign is None:
            sign = "+" if value > 0 else MINUS if value < 0 else "±"
        if unit in ("fraction", "points"):
            points = value * 100 if unit == "fraction" else value
            return self.text("number.points", number=self.value(abs(points), "points", style, sign))
        return self.value(abs(value), unit, style, sign)

    def bound(self, value: float | None, unit: str, style: str = "short") -> str:
        """A goal or a threshold as one writes it, exact and without zeros at its end: 97%, £2,000; in `style` if it is
        money.
        """
        point = re.escape(_locale(self.locale).number_symbols[self.digits]["decimal"])
        zeros = rf"{point}[0٠]+(?!\d)"
        if unit != "money":
            style, zeros = "full", rf"{zeros}|({point}\d*?[1-9١-٩])[0٠]+(?!\d)"
        return re.sub(zeros, r"\1" if unit != "money" else "", self.value(value, unit, style))

    def period(self, period: Period | str, style: str = "long") -> str:
        """`November 2011`, or `Nov 2011`; `Q4 2011` and `2011` in either style; `Week 45 (7–13 Nov 2011)`, or `7–13
        Nov 2011`.

        As a `tick` of an axis it is as short as it goes: of a week its first day.
        """
        from babel.dates import format_date, format_interval

        period = Period.parse(period) if isinstance(period, str) else period
        if period.every == "month":
            return self._dated(
                format_date(period.start, "LLLL y" if style == "long" else "LLL y", locale=_locale(self.locale))
            )
        if period.every == "week":
            if style == "tick":
                return self.date(period.start)
            days = format_interval(period.start, period.end - timedelta(days=1), "yMMMd", locale=_locale(self.locale))
            days = self._dated(" ".join(days.split()))  # without the thin spaces, which few fonts have
            return self.text("number.week", week=int(str(period)[-2:]), days=days) if style == "long" else days
        if period.every == "quarter":
            return self._dated(format_date(period.start, "QQQ y", locale=_locale(self.locale)))
        return self._dated(str(period))

    def date(self, day: date) -> str:
        """`9 Dec 2011`."""
        from babel.dates import format_date

        return self._dated(format_date(day, "d MMM y", locale=_locale(self.locale)))

    def _dated(self, text: str) -> str:
        return bidi.rtl(self._in_digits(bidi.plain(text))) if self._is_rtl else text

    def _in_digits(self, text: str) -> str:
        return text.translate(_ARABIC_DIGITS) if self.digits == "arab" else text

    def _decimal(self, value: float, pattern: str, sign: str = "") -> Number:
        text = _pattern(pattern).apply(_exact(value), _locale(self.locale), numbering_system=self.digits)
        rounded = round(value, len(pattern.partition(".")[2].rstrip("%")))
        return Number(self._signed(text, sign), int(rounded) if rounded == int(rounded) else rounded)

    def _signed(self, number: str, sign: str = "") -> str:
        number = sign + number.replace("-", MINUS)
        return bidi.ltr(self._in_digits(bidi.plain(number))) if self._is_rtl else number

    def _fraction(self, value: float, full: bool, sign: str) -> str:
        return self._decimal(value, "#,##0.00%" if full else "#,##0.0%", sign)

    def _percent(self, value: float, _: bool, sign: str) -> str:
        return self._decimal(value, "#,##0%", sign)

    def _count(self, value: float, _: bool, sign: str) -> str:
        return self._decimal(value, "#,##0.##" if value % 1 else "#,##0", sign)

    def _points(self, value: float, full: bool, sign: str) -> str:
        return self._decimal(value, "#,##0.00" if full else "#,##0.0", sign)

    def _ratio(self, value: float, full: bool, sign: str) -> str:
        return self._decimal(value, "#,##0.0000" if full else "#,##0.00", sign)

    def _years(self, value: float, full: bool, sign: str) -> str:
        return self.text("number.years", number=self._decimal(value, "#,##0.00" if full else "#,##0.0", sign))

    def _money(self, value: float, full: bool, sign: str) -> str:
        from babel.numbers import format_compact_currency, format_compact_decimal, format_currency

        exact, is_plain = _exact(value), self.currency == "XXX"  # no currency: a plain number
        # The largest word there is stands for a trillion: a thousand of them are counted as such.
        digits = 2 if 1_000_000 <= abs(value) < 10**14 else 0
        short: dict[str, Any] = {
            "locale": _locale(self.locale),
            "fraction_digits": digits,
            "numbering_system": self.digits,
        }
        if full or abs(value) < 100:
            if is_plain or self._is_rtl:
                decimals = 2 if is_plain else money_decimals(self.currency)
                return self._with_symbol(self._decimal(value, f"#,##0.{'0' * decimals}".rstrip("."), sign))
            return self._signed(format_currency(exact, self.currency, locale=_locale(self.locale)), sign)
        if abs(value) < 100_000:
            if is_plain or self._is_rtl:
                return self._with_symbol(self._decimal(value, "#,##0", sign))
            return self._signed(
                format_currency(exact, self.currency, "¤#,##0", locale=_locale(self.locale), currency_digits=False),
                sign,
            )
        if self._is_rtl:
            number, _, word = bidi.plain(format_compact_decimal(exact, **short)).partition(_SPACE)
            return self._with_symbol(self._signed(number, sign), word)
        if is_plain:
            return self._signed(format_compact_decimal(exact, **short), sign)
        return self._signed(format_compact_currency(exact, self.currency, **short), sign)

    def _with_symbol(self, number: str, word: str = "") -> str:
        """Number, word and currency in the order in which they are read, as one run."""
        from babel.numbers import get_currency_symbol

        if not self._is_rtl:
            return number
        symbol = "" if self.currency == "XXX" else bidi.plain(get_currency_symbol(self.currency, _locale(self.locale)))
        symbol = symbol.rstrip(".")  # ر.س as it is mostly written: a sentence may end with it
        if symbol.isascii() or not any(character.isalpha() and not character.isascii() for character in symbol):
            symbol = symbol and bidi.ltr(get_currency_symbol(self.currency, _english().locale))
        return number if not (word or symbol) else bidi.rtl(_SPACE.join(filter(None, (number, word, symbol))))


class _Filler(Formatter):
    """Fills the fields of a sentence: `{n:days}` counts days."""

    def __init__(self, words: Words):
        self._words = words

    def format_field(self, value: object, noun: str) -> str:
        return self._words.count(noun, value) if noun else self._words.fill(value)


@cache
def _locale(name: str) -> Locale:
    """Babel's locale, which it would look up by its name for every figure."""
    from babel import Locale

    return Locale.parse(name)


@cache
def _pattern(text: str) -> NumberPattern:
    """Babel's number pattern, read once; it rounds to the decimals that it names."""
    from babel.numbers import parse_pattern

    return parse_pattern(text)


@cache
def _sentences(language: str, digits: str) -> dict[str, Any]:
    """The sentences of a language, ready to be filled in."""
    known = word_file(language)
    return _isolated(known, _ARABIC_DIGITS if digits == "arab" else {}) if known["direction"] == "rtl" else known


def _isolated(table: Mapping[str, Any], digits: Mapping[int, int | str]) -> dict[str, Any]:
    return {
        name: _isolated(value, digits) if isinstance(value, Mapping) else bidi.isolate_literals(value, digits)
        for name, value in table.items()
        if name not in ("locale", "direction")
    } | {name: table[name] for name in ("locale", "direction") if name in table}


@cache
def _flat(language: str, digits: str) -> dict[str, str]:
    return flat(_sentences(language, digits))


def _if_there(part: str, values: Mapping[str, object]) -> str:
    return part if all(values[name] for name, _ in fields_of(part)) else ""


def _exact(value: float | Decimal) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(repr(float(value)))


def money_decimals(currency: str) -> int:
    """How many decimals a currency's minor unit has: 2 for GBP, 0 for JPY, 3 for KWD."""
    from babel.numbers import get_currency_precision, list_currencies

    if currency not in list_currencies():
        template = "There is no currency {currency!r}: write its three-letter code, such as GBP or USD."
        raise SettingsError(template, currency=currency)
    return get_currency_precision(currency)
