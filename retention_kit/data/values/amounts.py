"""Reads columns of text as numbers: `1,200.00`, `1.200,00`, `1 200,00`, `€ 12.50`, `(5.00)`, `5.00-`, Arabic digits.

The number format of a column is decided once, by all of its values. Some are unambiguous: with two separators, several
groups, or decimals that cannot be a group of three digits. If none is, a single comma before three digits groups
thousands, and so does a single point in a file delimited by `;`, unless the currency has three decimals; otherwise a
point begins decimals. That assumption is reported with an example, unless the currency has no decimals.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from retention_kit.data.checks import REFUSED, Finding
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal, regex_literal
from retention_kit.errors import DataError, Listed, SettingsError
from retention_kit.wording import Verbatim, money_decimals, quoted, sentence

_BLANKS = "\t\u00a0\u2007\u2009\u202f"
_MINUS = "\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d"
_APOSTROPHES = "\u2019\u02bc\u00b4\u066c"
INVISIBLE = (  # joiners, and marks of the direction of writing
    "\u200b\u200c\u200d\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
DIGITS = "٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹０１２３４５６７８９"
OUR_DIGITS = "0123456789" * 3  # what they stand for, one by one
# Arguments of `translate`, applied to all texts first; the last characters of `_FROM` have no counterpart: removed.
_FROM = DIGITS + _BLANKS + _MINUS + _APOSTROPHES + INVISIBLE
_TO = OUR_DIGITS + " " * len(_BLANKS) + "-" * len(_MINUS) + "'" * len(_APOSTROPHES)
_CURRENCY_SIGNS = "".join(sign for sign in map(chr, range(0x24, 0xFFFF)) if unicodedata.category(sign) == "Sc")
_CURRENCY_WORDS = {"kr", "zł", "Kč", "Ft", "Fr", "Fr.", "SFr.", "Rs", "Rs.", "R", "RM", "R$", "US$", "A$", "C$",
          "CA$", "AU$",
          "NZ$", "HK$", "S$", "NT$", "MX$", "円", "元", "원", "лв", "лв.",
          "руб", "руб.", "lei", "TL", "د.إ", "ر.س", "د.ك", "ج.م"}  # fmt: skip  # words by the line
_CURRENCIES = {"円": {"JPY"}, "元": {"CNY"}, "원": {"KRW"}, "€": {"EUR"},
               "£": {"GBP", "EGP", "LBP", "SYP", "GIP", "FKP", "SHP"}, "¥": {"JPY", "CNY"}, "₹": {"INR"},
               "₩": {"KRW"}, "₺": {"TRY"}, "₽": {"RUB"}, "₪": {"ILS"}, "₫": {"VND"}, "₴": {"UAH"},
               "₦": {"NGN"}, "zł": {"PLN"},
               "Kč": {"CZK"}, "Ft": {"HUF"}, "US$": {"USD"}, "R$": {"BRL"}, "A$": {"AUD"}, "AU$": {"AUD"},
               "C$": {"CAD"},
               "CA$": {"CAD"}, "NZ$": {"NZD"}, "HK$": {"HKD"}, "RM": {"MYR"}, "د.ك": {"KWD"}, "ر.س": {"SAR"},
               "د.إ": {"AED"}}  # fmt: skip  # words by the line
_DOLLARS = {"USD", "CAD", "AUD", "NZD", "HKD", "SGD", "MXN", "TWD", "ARS", "CLP", "COP", "BSD", "BBD", "BZD", "BMD",
            "JMD", "FJD", "GYD", "KYD", "LRD", "NAD", "SRD", "TTD", "XCD", "UYU",
            "DOP", "BND", "SBD"}  # fmt: skip  # words by the line
_PLAIN_NUMBER = "^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$"
_NUMBER = re.compile(r"[0-9][0-9., '٫]*|[.,٫][0-9]+")
_MOST_SHAPES = 5_000  # of one column, the most frequent first


class Hints(NamedTuple):
    """What is known of a column of numbers apart from its values."""

    decimal: str | None = None  # the decimal separator by the settings
    delimiter: str | None = None  # of its file
    decimals: int | None = None  # of its currency; None if it is no money: then a single separator begins decimals
    currency: str | None = None  # of all amounts


class NumberFormat(NamedTuple):
    """The number format of a column of text."""

    decimal: str = "."
    markers: tuple[str, ...] = ()  # currency signs before or after numbers
    is_plain: bool = True
    assumed: str = ""  # the assumption with an example, if all values are ambiguous
    open_rows: int = 0  # rows with ambiguous values

    def sql(self, text: str) -> str:
        """SQL: the number as plain text for TRY_CAST, such as `-1200.50`; NULL if it is no number."""
        if self.is_plain:
            return text
        text_sql = f"translate({text}, {literal(_FROM)}, {literal(_TO)})"
        group = "[', .]" if self.decimal == "," else "[', ,]"
        digits = f"([0-9]+|[0-9]{{1,3}}({group}[0-9]{{2,3}})*{group}[0-9]{{3}})"
        number = f"({digits}([{self.decimal}٫][0-9]+)?|[{self.decimal}٫][0-9]+)"
        marker = "(" + "|".join(map(regex_literal, self.markers)) + ")?" if self.markers else ""
        whole = (
            f"^({marker} *[+-]? *{marker} *{number} *{marker} *-?|[(] *{marker} *{number} *{marker} *[)]|[+-]? "
            f"*[(]? *{marker} *{number} *{marker} *[)])$"
        )
        without_markers = text_sql
        for marker in self.markers:
            without_markers = f"replace({without_markers}, {literal(marker)}, '')"
        dropped, replacement = (",٫.()+-' ", "..") if self.decimal == "," else (".٫,()+-' ", "..")
        sign = f"CASE WHEN {text_sql} LIKE '%-%' OR {text_sql} LIKE '%(%' THEN '-' ELSE '' END"
        return (
            f"CASE WHEN regexp_matches({text_sql}, {literal(whole)}) THEN {sign} || translate({without_markers}, "
            f"{literal(dropped)}, '{replacement}') "
            f"WHEN regexp_matches({text}, '[0-9][eE]') THEN {text} END"
        )


def read_numbers(engine: Engine, relation: str, text: str, label: str, hints: Hints) -> NumberFormat:
    """The number format of a column of text, by all of its values.

    `text` is SQL of trimmed text in the relation, `label` the name of the column in messages. Raises DataError if the
    values have different formats.
    """
    filled, plain, open_ = engine.rows(
        f"SELECT count({text}), count(CASE WHEN regexp_matches({text}, '{_PLAIN_NUMBER}') THEN 1 END), "
        f"count(CASE WHEN regexp_matches({text}, '^[+-]?[0-9]{{1,3}}[.][0-9]{{3}}$') THEN 1 END) FROM {relation} AS "
        "source_rows"
    )[0]
    if plain == filled and not (open_ and hints.decimals is not None) and hints.decimal != ",":
        return NumberFormat()
    translated = f"translate({text}, {literal(_FROM)}, {literal(_TO)})"
    zero = f"regexp_matches({translated}, '^[^0-9]*0')"
    shapes = engine.rows(
        f"SELECT shape, is_zero, min(written), count(*) AS times, max(is_moved) FROM (SELECT translate({translated}, "
        "'123456789', '999999999') AS shape, "
        f"{zero} AS is_zero, CASE WHEN {translated} <> {text} THEN 1 ELSE 0 END AS is_moved, {text} AS written FROM "
        f"{relation} AS source_rows WHERE {text} IS NOT NULL) AS shaped "
        f"GROUP BY shape, is_zero ORDER BY times DESC, shape, is_zero LIMIT {_MOST_SHAPES}"
    )
    return _decide(shapes, label, hints)


def _decide(shapes: Iterable[tuple[str, bool, str, int, int]], label: str, hints: Hints) -> NumberFormat:
    """How numbers of these shapes (9 for a digit above 0; whether it begins with 0; an example; rows; whether signs of
    some were translated) are read together."""
    votes: dict[str, str] = {}
    unclear: dict[str, str] = {}
    markers: dict[str, str] = {}
    whole = padded = is_long = False
    is_plain, open_rows = True, 0
    for shape, is_zero, example, rows, is_moved in shapes:
        if not (match := _NUMBER.search(shape)):
            continue
        around = [part.strip(" ()+-") for part in (shape[: match.start()], shape[match.end() :])]
        if re.fullmatch(r"[eE]", around[1][:1]) and re.search(r"[0-9]$", shape):
            continue
        beside = [part for part in around if part]
        if any(not _is_marker(part) for part in beside):
            continue
        markers |= dict.fromkeys(beside, example)
        digits = match[0].strip()
        if digits[-1] in ".,٫" and not re.fullmatch(_PLAIN_NUMBER, shape):  # `19,-` says nothing about others
            continue
        is_plain = is_plain and not (beside or is_moved) and bool(re.fullmatch(_PLAIN_NUMBER, shape))
        if not (separators := re.sub(r"[0-9 '٫]", "", digits)):
            whole = whole or bool(re.fullmatch("[0-9]+", digits))
            is_long = is_long or bool(re.fullmatch("[0-9]{4,}", digits))
            continue
        separator, last = separators[-1], separators[-1]
        if len(set(separators)) == 2 or re.search(r"[ '][0-9]{3}[.,]", digits):
            votes.setdefault(last, example)
        elif len(separators) > 1 or "٫" in digits:
            votes.setdefault("," if separator == "." else ".", example)
        elif is_zero or not re.fullmatch(r"[1-9][0-9]{0,2}[.,][0-9]{3}", digits):
            votes.setdefault(separator, example)
        else:
            unclear.setdefault(separator, example)
            padded = padded or (separator == "." and digits.endswith("0"))
            open_rows += rows
    assumed = ""
    if hints.decimal:
        chosen = hints.decimal
    elif len(votes) > 1:
        template = (
            "{label} mixes two ways of writing numbers, such as {with_point!r} with a decimal point and "
            '{with_comma!r} with a decimal comma: write one, or state it with decimal = "." or decimal = ",".'
        )
        raise DataError(template, label=label, with_point=votes["."], with_comma=votes[","])
    elif votes:
        chosen = next(iter(votes))
    else:
        chosen = _default_separator(unclear, label, hints, is_odd=whole and padded and not is_long)
        assumed = _describe_assumption(unclear, chosen) if hints.decimals in (None, 1, 2) else ""
    _refuse_other_currency(markers, label, hints.currency)
    longest_first = tuple(sorted(markers, key=lambda marker: (-len(marker), marker)))
    return NumberFormat(chosen, longest_first, is_plain and chosen == ".", assumed, open_rows if assumed else 0)


def _describe_assumption(unclear: dict[str, str], chosen: str) -> str:
    """How an ambiguous value is read, with the setting for the other reading."""
    if not unclear:
        return ""
    ((separator, example),) = unclear.items()
    readings = [
        re.sub(f"[^0-9{re.escape(decimal)}]", "", example).replace(decimal, ".") for decimal in (separator, "x")
    ]
    reading, other = readings if chosen == separator else readings[::-1]
    setting = Verbatim(f'decimal = "{"." if chosen == "," else ","}"')
    readings_told = {"reading": Verbatim(reading), "other": Verbatim(other), "setting": setting}
    return sentence("quality.details.read_as_number", value=quoted(example), **readings_told)


def _default_separator(unclear: dict[str, str], label: str, hints: Hints, *, is_odd: bool) -> str:
    """The decimal separator if each value may have thousands or three decimals."""
    if not unclear:
        return "."
    separator = next(iter(unclear))
    other = "," if separator == "." else "."
    if len(unclear) > 1:
        template = (
            "{label} mixes {with_point!r} and {with_comma!r}, and either sign may group thousands or begin "
            'decimals: state it with decimal = "." or decimal = ",".'
        )
        raise DataError(template, label=label, with_point=unclear["."], with_comma=unclear[","])
    if hints.decimals is None:
        return separator
    if hints.decimals == 0:  # 1.200 yen are 1200
        return other
    if separator == ",":
        if hints.decimals < 3:
            return other
    elif hints.decimals >= 3 or (hints.delimiter != ";" and not is_odd):
        return separator
    elif hints.delimiter == ";":
        return other
    group = unclear[separator].replace(separator, "")
    raise DataError(
        '{label} holds values such as {example!r}, which may be {group} or {decimal}: state it with decimal = "." '
        'or decimal = ",".',
        label=label,
        example=unclear[separator],
        group=group,
        decimal=unclear[separator].replace(separator, "."),
    )


def _is_marker(text: str) -> bool:
    if text in _CURRENCY_WORDS or (len(text) == 1 and text in _CURRENCY_SIGNS):
        return True
    parts = text.split()
    if len(parts) > 1:
        return all(map(_is_marker, parts))
    return bool(re.fullmatch(r"[A-Za-z]{3}", text)) and _decimals(text.upper()) is not None


def _possible_currencies(marker: str) -> set[str]:
    """The currencies of a sign; empty if it is used for many."""
    if marker in _CURRENCIES:
        return _CURRENCIES[marker]
    if marker == "$":
        return _DOLLARS
    return {marker.upper()} if re.fullmatch("[A-Za-z]{3}", marker) else set()


def _refuse_other_currency(markers: dict[str, str], label: str, currency: str | None) -> None:
    known = {marker: _possible_currencies(marker) for marker in markers if _possible_currencies(marker)}
    if currency is None or not known:
        return
    if not (common := set.intersection(*known.values())):
        several = Listed((repr(markers[marker]) for marker in list(known)[:2]), " and ")
        template = "{label} is in several currencies, such as {several}: name the currency in a column of its own."
        raise DataError(template, label=label, several=several)
    if currency not in ("XXX", *common):
        example = markers[next(iter(known))]
        template = (
            "{label} holds {example!r}, but the report is in {currency}: set [report] currency, or name the "
            "currency in a column of its own."
        )
        raise DataError(template, label=label, example=example, currency=currency)


def find_other_signs(
    engine: Engine, table: str, relation: str, name: str, text: str, code: str, markers: tuple[str, ...]
) -> list[Finding]:
    """Numbers with the sign of another currency than theirs (`code`, as SQL); raises DataError if too many have one.

    `text` is SQL of trimmed text in the relation, `markers` are the signs beside its numbers.
    """
    known = [(marker, sorted(codes)) for marker in markers if (codes := _possible_currencies(marker))]
    if not known:
        return []
    cases = " ".join(
        f"WHEN {text} LIKE {literal(f'%{marker}%')} THEN {code} NOT IN ({', '.join(map(literal, [*codes, 'XXX']))})"
        for marker, codes in known
    )
    clash = f"CASE {cases} ELSE false END"
    rows, filled, example, currency = engine.rows(
        f"SELECT count(CASE WHEN {clash} THEN 1 END), count({text}), min(CASE WHEN {clash} THEN {text} END), "
        f"min(CASE WHEN {clash} THEN {code} END) FROM {relation} AS source_rows"
    )[0]
    detail = ""
    if rows:
        detail = sentence("quality.details.sign_beside", column=name, value=quoted(example), currency=currency)
    if rows > REFUSED * filled:
        template = (
            "The {table} have the sign of another currency than their column 'currency' names in {rows:,} of "
            "{filled:,} rows, {detail}: map currency to the one that the amounts are in."
        )
        raise DataError(template, table=table, rows=rows, filled=filled, detail=detail)
    return [Finding("sign of another currency", rows, detail)] if rows else []


def find_extra_decimals(engine: Engine, relation: str, number: str, currency: str, codes: list[str]) -> list[Finding]:
    """Amounts, given as SQL of plain number text, with more decimals than their currency has.

    `currency` is SQL of their currency, NULL for the first of `codes`.
    """
    patterns = {
        code: f"[.][0-9]{{{decimals}}}[0-9]*[1-9]" for code in codes if (decimals := _decimals(code)) is not None
    }
    own = f"regexp_matches({number}, '{patterns[codes[0]]}')"
    foreign = "".join(
        f" WHEN {currency} = {literal(code)} THEN regexp_matches({number}, '{pattern}')"
        for code, pattern in patterns.items()
    )
    finer = f"CASE WHEN {currency} IS NULL THEN {own}{foreign} END" if codes[1:] else own
    rows, example = engine.rows(
        f"SELECT count(CASE WHEN {finer} THEN 1 END), min(CASE WHEN {finer} THEN {number} END) "
        f"FROM {relation} AS source_rows"
    )[0]
    if not rows:
        return []
    detail = sentence("quality.details.such_as", value=Verbatim(example.rstrip("0")))  # fractions, as they are finer
    return [Finding("more decimals than the currency has", rows, detail)]


def _decimals(code: str) -> int | None:
    """The number of decimals of a currency; None if it is unknown."""
    try:
        return money_decimals(code)
    except SettingsError:
        return None
