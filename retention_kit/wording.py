"""Words: sentences from `locale/*.toml`; numbers, money and dates as a language writes them (Babel)."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import cache, reduce
from importlib.resources import files
from operator import getitem
from typing import Any

from retention_kit.errors import SettingsError, did_you_mean
from retention_kit.periods import Period

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"


def languages() -> list[str]:
    """The languages a report can be written in: one file each in `locale/`."""
    return sorted(
        path.name[:-5] for path in files("retention_kit").joinpath("locale").iterdir() if path.name[-5:] == ".toml"
    )


@cache
def _sentences(language: str) -> dict[str, Any]:
    if language not in languages():
        raise SettingsError(f"Reports cannot be written in {language!r} yet: {did_you_mean(language, languages())}")
    return tomllib.loads(files("retention_kit").joinpath("locale", f"{language}.toml").read_text("utf-8"))


class Words:
    """How one language says things, in one report currency.

    `short` is for reading (45.6%, £698, £1.16M), `full` for checking (45.60%, £698.21).
    """

    def __init__(self, language: str = "en", currency: str = "GBP"):
        self._sentences = _sentences(language)
        self.language, self.currency = language, currency
        self.direction = self._sentences["direction"]
        self.locale = self._sentences["locale"]

    def text(self, key: str, **values: object) -> str:
        """The sentence under a dotted key with its `{fields}` filled in; a missing key is a programming error."""
        return self.raw(key).format(**values)

    def raw(self, key: str) -> str:
        """The sentence with its `{fields}` as they stand."""
        *parts, name = key.split(".")
        return self.table(".".join(parts))[name]

    def table(self, key: str) -> dict[str, str]:
        """All that stands under a dotted key, by name."""
        return reduce(getitem, key.split("."), self._sentences)

    def value(self, value: float | None, unit: str, style: str = "short") -> str:
        """A figure with its unit; a dash where it is undefined."""
        if value is None or value != value:
            return DASH
        with localcontext(rounding=ROUND_HALF_UP):  # as people round, on the shortest decimal form: 0.125 is 0.13
            return getattr(self, f"_{unit}")(value, style == "full").replace("-", MINUS)

    def change(self, value: float | None, unit: str, style: str = "short") -> str:
        """A signed difference; between two fractions it is a number of percentage points."""
        if value is None or value != value:
            return DASH
        if unit in ("fraction", "points"):
            points = value * 100 if unit == "fraction" else value
            figure = self.text("number.points", number=self.value(abs(points), "points", style))
        else:
            figure = self.value(abs(value), unit, style)
        return f"{'+' if value > 0 else MINUS if value < 0 else '±'}{figure}"

    def period(self, period: Period | str, style: str = "long") -> str:
        """`November 2011`, or `Nov 2011`; `Q4 2011` and `2011` in either style; `Week 45 (7–13 Nov 2011)`, or `7–13
        Nov 2011`.

        As a `tick` of an axis it is as short as it goes: of a week its first day.
        """
        from babel.dates import format_date, format_interval

        period = Period.parse(period) if isinstance(period, str) else period
        if period.every == "month":
            return format_date(period.start, "LLLL y" if style == "long" else "LLL y", locale=self.locale)
        if period.every == "week":
            if style == "tick":
                return self.date(period.start)
            days = format_interval(period.start, period.end - timedelta(days=1), "yMMMd", locale=self.locale)
            days = " ".join(days.split())  # without the thin spaces, which few fonts have
            return self.text("number.week", week=int(str(period)[-2:]), days=days) if style == "long" else days
        if period.every == "quarter":
            return format_date(period.start, "QQQ y", locale=self.locale)
        return str(period)

    def date(self, day: date) -> str:
        """`9 Dec 2011`."""
        from babel.dates import format_date

        return format_date(day, "d MMM y", locale=self.locale)

    def _decimal(self, value: float, pattern: str) -> str:
        from babel.numbers import format_decimal

        return format_decimal(_exact(value), format=pattern, locale=self.locale, decimal_quantization=True)

    def _fraction(self, value: float, full: bool) -> str:
        return self._decimal(value, "#,##0.00%" if full else "#,##0.0%")

    def _count(self, value: float, _: bool) -> str:
        return self._decimal(value, "#,##0.##" if value % 1 else "#,##0")

    def _points(self, value: float, full: bool) -> str:
        return self._decimal(value, "#,##0.00" if full else "#,##0.0")

    def _ratio(self, value: float, full: bool) -> str:
        return self._decimal(value, "#,##0.0000" if full else "#,##0.00")

    def _years(self, value: float, full: bool) -> str:
        return self.text("number.years", number=self._decimal(value, "#,##0.00" if full else "#,##0.0"))

    def _money(self, value: float, full: bool) -> str:
        from babel.numbers import format_compact_currency, format_compact_decimal, format_currency

        exact, is_plain = _exact(value), self.currency == "XXX"  # no currency: a plain number
        if full or abs(value) < 100:
            if is_plain:
                return self._decimal(value, "#,##0.00")
            return format_currency(exact, self.currency, locale=self.locale)
        if abs(value) < 100_000:
            if is_plain:
                return self._decimal(value, "#,##0")
            return format_currency(exact, self.currency, "¤#,##0", locale=self.locale, currency_digits=False)
        # The largest word there is stands for a trillion: a thousand of them are counted as such.
        digits = 2 if 1_000_000 <= abs(value) < 10**14 else 0
        if is_plain:
            return format_compact_decimal(exact, fraction_digits=digits, locale=self.locale)
        return format_compact_currency(exact, self.currency, fraction_digits=digits, locale=self.locale)


def _exact(value: float) -> Decimal:
    return Decimal(repr(float(value)))


def money_decimals(currency: str) -> int:
    """How many decimals a currency's minor unit has: 2 for GBP, 0 for JPY, 3 for KWD."""
    from babel.numbers import get_currency_precision, list_currencies

    if currency not in list_currencies():
        raise SettingsError(f"There is no currency {currency!r}: write its three-letter code, such as GBP or USD.")
    return get_currency_precision(currency)
