"""Columns of text as numbers: `1,200.00`, `1.200,00`, `1 200,00`, `€ 12.50`, `(5.00)`, `5.00-`, Arabic digits.

How a column is read is decided once, by all of its values. Some decide: two separators, groups, or decimals that no group of
three could be. Where none does, a lone comma before three digits groups thousands, and so does a lone point in a file whose
cells are parted by `;`, unless the currency has three decimals; elsewhere a point begins decimals.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from retention_kit.data.engine import Engine, literal
from retention_kit.errors import DataError, SettingsError
from retention_kit.wording import money_decimals

_BLANKS = "\t\u00a0\u2007\u2009\u202f"
_MINUS = "\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d"
_APOSTROPHES = "\u2019\u02bc\u00b4\u066c"
_UNSEEN = "\u200e\u200f\u061c\ufeff\u200b"
_DIGITS = "٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹０１２３４５６７８９"
# What `translate` makes of a text before it is looked at; the last signs have no partner and are left out.
_FROM = _DIGITS + _BLANKS + _MINUS + _APOSTROPHES + _UNSEEN
_TO = "0123456789" * 3 + " " * len(_BLANKS) + "-" * len(_MINUS) + "'" * len(_APOSTROPHES)
_SIGNS = "".join(sign for sign in map(chr, range(0x24, 0xFFFF)) if unicodedata.category(sign) == "Sc")
_WORDS = {"kr", "zł", "Kč", "Ft", "Fr", "Fr.", "SFr.", "Rs", "Rs.", "R", "RM", "R$", "US$", "A$", "C$", "CA$", "AU$", "NZ$", "HK$", "S$",
          "NT$", "MX$", "лв", "лв.", "руб", "руб.", "lei", "TL", "د.إ", "ر.س", "د.ك", "ج.م"}  # fmt: skip
_CURRENCIES = {"€": {"EUR"}, "£": {"GBP", "EGP", "LBP", "SYP", "GIP", "FKP", "SHP"}, "¥": {"JPY", "CNY"}, "₹": {"INR"},
               "₩": {"KRW"}, "₺": {"TRY"}, "₽": {"RUB"}, "₪": {"ILS"}, "₫": {"VND"}, "₴": {"UAH"}, "₦": {"NGN"}, "zł": {"PLN"},
               "Kč": {"CZK"}, "Ft": {"HUF"}, "US$": {"USD"}, "R$": {"BRL"}, "A$": {"AUD"}, "AU$": {"AUD"}, "C$": {"CAD"},
               "CA$": {"CAD"}, "NZ$": {"NZD"}, "HK$": {"HKD"}, "RM": {"MYR"}, "د.ك": {"KWD"}, "ر.س": {"SAR"}, "د.إ": {"AED"}}  # fmt: skip
_DOLLARS = {"USD", "CAD", "AUD", "NZD", "HKD", "SGD", "MXN", "TWD", "ARS", "CLP", "COP", "BSD", "BBD", "BZD", "BMD", "JMD", "FJD",
            "GYD", "KYD", "LRD", "NAD", "SRD", "TTD", "XCD", "UYU", "DOP", "BND", "SBD"}  # fmt: skip
_PLAIN = "^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$"
_NUMBER = re.compile(r"[0-9][0-9., '٫]*|[.,٫][0-9]+")
_SHAPES = 5_000  # of the values of one column that are looked at, the commonest first


class Numbers(NamedTuple):
    """How one column of text is read: its decimal sign, the currency signs beside its numbers, and whether all are plain."""

    decimal: str = "."
    markers: tuple[str, ...] = ()
    is_plain: bool = True

    def sql(self, text: str) -> str:
        """SQL: the number as plain text, `-1200.50`, for TRY_CAST to read; NULL for what is no number."""
        if self.is_plain:
            return text
        said = f"translate({text}, {literal(_FROM)}, {literal(_TO)})"
        group = "[', .]" if self.decimal == "," else "[', ,]"
        digits = f"([0-9]+|[0-9]{{1,3}}({group}[0-9]{{2,3}})*{group}[0-9]{{3}})"
        number = f"({digits}([{self.decimal}٫][0-9]+)?|[{self.decimal}٫][0-9]+)"
        marker = "(" + "|".join(map(_escaped, self.markers)) + ")?" if self.markers else ""
        whole = f"^({marker} *[+-]? *{marker} *{number} *{marker} *-?|[(] *{marker} *{number} *{marker} *[)]|[+-]? *[(]? *{marker} *{number} *{marker} *[)])$"
        bare = said
        for marker in self.markers:
            bare = f"replace({bare}, {literal(marker)}, '')"
        kept, made = (",٫.()+-' ", "..") if self.decimal == "," else (".٫,()+-' ", "..")
        sign = f"CASE WHEN {said} LIKE '%-%' OR {said} LIKE '%(%' THEN '-' ELSE '' END"
        return (
            f"CASE WHEN regexp_matches({said}, {literal(whole)}) THEN {sign} || translate({bare}, {literal(kept)}, '{made}') "
            f"WHEN regexp_matches({text}, '[0-9][eE]') THEN {text} END"
        )


def read_numbers(
    engine: Engine,
    relation: str,
    text: str,
    label: str,
    *,
    decimal: str | None = None,
    delimiter: str | None = None,
    decimals: int | None = None,
    currency: str | None = None,
) -> Numbers:
    """Decide how a column of text is read as numbers, by one look at all of it.

    `text` is SQL of trimmed text in the relation, `label` what a sentence calls the column, `decimal` its decimal sign if
    that is stated, `delimiter` that of its file, `decimals` how many its currency has (None: it is no money, so that a lone
    sign begins decimals), `currency` the one that all of it is in. Raises DataError where its values do not agree.
    """
    filled, plain, open_ = engine.rows(
        f"SELECT count({text}), count(CASE WHEN regexp_matches({text}, '{_PLAIN}') THEN 1 END), "
        f"count(CASE WHEN regexp_matches({text}, '^[+-]?[0-9]{{1,3}}[.][0-9]{{3}}$') THEN 1 END) FROM {relation} AS came"
    )[0]
    if plain == filled and not (open_ and decimals is not None) and decimal != ",":
        return Numbers()
    said = f"translate({text}, {literal(_FROM)}, {literal(_TO)})"
    zero = f"regexp_matches({said}, '^[^0-9]*0')"
    shapes = engine.rows(
        f"SELECT shape, is_zero, count(*) AS times, min(said) FROM (SELECT translate({said}, '123456789', '999999999') AS shape, "
        f"{zero} AS is_zero, {text} AS said FROM {relation} AS came WHERE {text} IS NOT NULL) AS shaped "
        f"GROUP BY shape, is_zero ORDER BY times DESC, shape, is_zero LIMIT {_SHAPES}"
    )
    return decide(
        [(shape, is_zero, said) for shape, is_zero, _, said in shapes], label, decimal, delimiter, decimals, currency
    )


def decide(
    shapes: Iterable[tuple[str, bool, str]],
    label: str,
    decimal: str | None = None,
    delimiter: str | None = None,
    decimals: int | None = None,
    currency: str | None = None,
) -> Numbers:
    """How numbers of these shapes (9 for a digit above 0; whether it begins with 0; an example) are read together."""
    votes: dict[str, str] = {}
    unclear: dict[str, str] = {}
    markers: dict[str, str] = {}
    whole = padded = is_long = False
    is_plain = True
    for shape, is_zero, example in shapes:
        found = _NUMBER.search(shape)
        if not found:
            continue
        around = [part.strip(" ()+-") for part in (shape[: found.start()], shape[found.end() :])]
        if re.fullmatch(r"[eE]", around[1][:1]) and re.search(r"[0-9]$", shape):
            continue
        beside = [part for part in around if part]
        if any(not _is_marker(part) for part in beside):
            continue
        markers |= dict.fromkeys(beside, example)
        core = found[0].strip()
        if core[-1] in ".,٫" and not re.fullmatch(_PLAIN, shape):  # `19,-` tells nothing of how others are written
            continue
        is_plain = is_plain and not beside and bool(re.fullmatch(_PLAIN, shape))
        signs = re.sub(r"[0-9 '٫]", "", core)
        if not signs:
            whole = whole or bool(re.fullmatch("[0-9]+", core))
            is_long = is_long or bool(re.fullmatch("[0-9]{4,}", core))
            continue
        sign, last = signs[-1], signs[-1]
        if len(set(signs)) == 2 or re.search(r"[ '][0-9]{3}[.,]", core):
            votes.setdefault(last, example)
        elif len(signs) > 1 or "٫" in core:
            votes.setdefault("," if sign == "." else ".", example)
        elif is_zero or not re.fullmatch(r"[1-9][0-9]{0,2}[.,][0-9]{3}", core):
            votes.setdefault(sign, example)
        else:
            unclear.setdefault(sign, example)
            padded = padded or (sign == "." and core.endswith("0"))
    if decimal:
        chosen = decimal
    elif len(votes) > 1:
        raise DataError(
            f"{label} mixes two ways of writing numbers, such as {votes['.']!r} with a decimal point and {votes[',']!r} with a "
            'decimal comma: write one, or state it with decimal = "." or decimal = ",".'
        )
    elif votes:
        chosen = next(iter(votes))
    else:
        chosen = _unvoted(unclear, label, delimiter, decimals, is_odd=whole and padded and not is_long)
    _refuse_other_currency(markers, label, currency)
    return Numbers(chosen, tuple(sorted(markers, key=lambda one: (-len(one), one))), is_plain and chosen == ".")


def _unvoted(unclear: dict[str, str], label: str, delimiter: str | None, decimals: int | None, *, is_odd: bool) -> str:
    """The decimal sign where each value may be thousands or have three decimals."""
    if not unclear:
        return "."
    sign = next(iter(unclear))
    other = "," if sign == "." else "."
    if len(unclear) > 1:
        raise DataError(
            f"{label} mixes {unclear['.']!r} and {unclear[',']!r}, and either sign may group thousands or begin decimals: "
            'state it with decimal = "." or decimal = ",".'
        )
    if decimals is None:
        return sign
    if sign == ",":
        if decimals < 3:
            return other
    elif decimals >= 3 or (delimiter != ";" and not is_odd):
        return sign
    elif delimiter == ";":
        return other
    group = unclear[sign].replace(sign, "")
    raise DataError(
        f"{label} holds values such as {unclear[sign]!r}, which may be {group} or {unclear[sign].replace(sign, '.')}: "
        'state it with decimal = "." or decimal = ",".'
    )


def _is_marker(text: str) -> bool:
    if text in _WORDS or (len(text) == 1 and text in _SIGNS):
        return True
    parts = text.split()
    if len(parts) > 1:
        return all(map(_is_marker, parts))
    if not re.fullmatch(r"[A-Za-z]{3}", text):
        return False
    try:
        money_decimals(text.upper())
    except SettingsError:
        return False
    return True


def _codes(marker: str) -> set[str]:
    """The currencies that a sign may stand for; none where it stands for many."""
    if marker in _CURRENCIES:
        return _CURRENCIES[marker]
    if marker == "$":
        return _DOLLARS
    return {marker.upper()} if re.fullmatch("[A-Za-z]{3}", marker) else set()


def _refuse_other_currency(markers: dict[str, str], label: str, currency: str | None) -> None:
    known = {marker: _codes(marker) for marker in markers if _codes(marker)}
    if currency is None or not known:
        return
    common = set.intersection(*known.values())
    if not common:
        several = " and ".join(repr(markers[marker]) for marker in list(known)[:2])
        raise DataError(
            f"{label} is in several currencies, such as {several}: name the currency in a column of its own."
        )
    if currency not in ("XXX", *common):
        example = markers[next(iter(known))]
        raise DataError(
            f"{label} holds {example!r}, but the report is in {currency}: set [report] currency, or name the currency in a "
            "column of its own."
        )


def _escaped(marker: str) -> str:
    return "".join(f"[{sign}]" if sign in ".$" else sign for sign in marker)
