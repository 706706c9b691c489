"""Formats of times: a form is a text with its digits replaced by 9, which matches a known format as a whole or not."""

from __future__ import annotations

import re
from functools import cache
from itertools import product
from typing import NamedTuple
from zoneinfo import available_timezones

from retention_kit.data.engines.sql_text import literal
from retention_kit.data.values.zone_names import offsets_of

# Forms of ISO 8601, by far the most frequent, are found by a pattern, which takes a fifth of the time of a translation:
# a date, a time without and one with an offset. No other form has digits from 0 to 8.
ISO = _DATE, _TIME, _INSTANT = "1", "2", "3"
_CLOCK = r"[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
_OFFSET = r"(Z|[+-](0\d|1[0-4])(:?[0-5]\d)?)"
_MAX_LENGTH = 100  # characters of a time

_MONTHS = (  # in English, and in Arabic as in Cairo, in Damascus, and from Nouakchott to Tunis
    "jan(?:uary)?|يناير|كانون الثاني|جانفي",
    "feb(?:ruary)?|فبراير|شباط|فيفري",
    "mar(?:ch)?|مارس|[اآ]ذار",
    "apr(?:il)?|[اأإ]بريل|نيسان|[اأ]فريل",
    "may|ماي[وس]?|[اأ]يار",
    "june?|يوني[وه]|حزيران|جوان",
    "july?|يولي(?:وز?|ه)|تموز|جويلية",
    "aug(?:ust)?|[اأ]غسطس|[اأآ]ب|[اأ]?غشت|[اأ]وت",
    "sept?(?:ember)?|سبتمبر|[اأ]يلول|شت[نم]بر",
    "oct(?:ober)?|[اأ]كتوبر|تشرين ال[اأ]ول",
    "nov(?:ember)?|نوفمبر|تشرين الثاني|نونبر",
    "dec(?:ember)?|ديسمبر|كانون ال[اأ]ول|دج[نم]بر",
)
_MONTH = rf"(?P<name>{'|'.join(_MONTHS)})\.?"
_DAY_OF_WEEK = (
    r"(?:(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?"
    r"|(?:ال)?(?:[اأ]حد|[اإ]ثنين|ثلاثاء|[اأ]ربعاء|خميس|جمعة|سبت))[,،]? )?"
)
_HIJRI_MONTH = (  # محرم to ذو الحجة
    "(?:ال)?محرم|صفر|ربيع (?:ال)?(?:[اأ]ول|[اآ]خر|ثاني)|جماد[ىي] ال(?:[اأ]ولى|[اآ]خرة|ثانية)"
    "|رجب|شعبان|رمضان|شوال|ذ[ويى] ال(?:قعدة|حجة)"
)
_ERA = r"(?: ?(?:م|ميلادي[ةه]?|a\.?d\.?|c\.?e\.?|(?P<hijri>ه|هجري[ةه]?)))?"  # of Christ or of the Hijra
_YEAR = r"(?P<year>9{1,6})"
_DAY = r"(?P<day>9{1,2})(?:st|nd|rd|th)?"
_DATE_PATTERNS = (
    r"(?P<year>9{3,6})(?P<sep>[-/.])(?P<month>9{1,2})(?P=sep)(?P<day>9{1,2})",
    r"(?P<year>9{4})(?P<month>99)(?P<day>99)",
    r"(?P<day>9{1,2})\.(?P<month>9{1,2})\.(?P<year>9{2,6})",
    r"(?P<one>9{1,2})(?P<sep>[-/])(?P<two>9{1,2})(?P=sep)(?P<year>9{2,6})",
    rf"{_DAY_OF_WEEK}{_DAY}(?P<sep>[- /])(?:of )?{_MONTH}[,،]?(?P=sep){_YEAR}",
    rf"{_DAY_OF_WEEK}{_MONTH} {_DAY}[,،]? {_YEAR}",
    rf"(?P<year>9{{4}})-{_MONTH}-(?P<day>99)",
    rf"{_DAY_OF_WEEK}{_DAY} (?P<hijri_month>{_HIJRI_MONTH})[,،]? {_YEAR}",
)
_BLANK = "[ \u00a0\u202f]"
_MORNING, _AFTER_NOON = {hour: hour % 12 for hour in range(13)}, {hour: hour % 12 + 12 for hour in range(1, 24)}
_HALVES = {  # of the day, or a part of it: the hours that it is said of, and which of 24 they are
    "a": _MORNING,
    "ص": _MORNING,
    "صباحا": _MORNING,
    "فجرا": {hour: hour for hour in range(2, 7)},
    "ظهرا": {hour: hour % 12 + 12 for hour in (12, 1, 2, 3, 13, 14, 15)},
    "ليلا": {hour: hour % 12 + 12 for hour in (8, 9, 10, 11, 20, 21, 22, 23)},
    "بعد الظهر": _AFTER_NOON,
    "مساءا": _AFTER_NOON,
    "مساء": _AFTER_NOON,
    "م": _AFTER_NOON,
    "p": _AFTER_NOON,
}
_ARABIC = "|".join(sorted((half for half in _HALVES if not half.isascii()), key=len, reverse=True))
_HALF = rf"(?:{_BLANK}?(?:(?P<half>[ap])\.?m\.?|(?P<arabic>{_ARABIC})))?"
_BEFORE = rf"(?:T|[,،]?{_BLANK}{{1,2}}|,? at |[,،]? (?:في )?الساعة |[,،]? في )"
_TIME_PATTERNS = (
    rf"{_BEFORE}(?P<hour>9{{1,2}}):(?P<minute>99)(?::(?P<second>99)(?:[.,](?P<part>9+))?)?{_HALF}",
    r"T(?P<hour>99)(?P<minute>99)(?:(?P<second>99)(?:[.,](?P<part>9+))?)?",
)
_UTC = "(?:utc|gmt|[غج]رينتش)"
_NAME = r"[^\W\d_][^\d()\[\]]*"
_PLACE = rf"(?: ?\((?P<place>{_NAME})\)| ?\[(?P<place2>{_NAME})\]| (?P<place3>{_NAME}))?"  # whose offset it is
# Google Forms and JavaScript: GMT+3 is three hours ahead of UTC, as an offset says.
_AHEAD = rf"{_UTC}(?P<sign>[+-])(?:(?P<hours>9{{1,2}})(?::(?P<minutes>99))?|(?P<hours4>99)(?P<minutes4>99))"
_PLACES = ("place", "place2", "place3")
_ZONE_PATTERNS = (
    rf" ?(?P<utc>z)| {_UTC}",
    rf" ?(?P<sign>[+-])(?P<hours>99)(?::?(?P<minutes>99))?{_PLACE}",
    rf" ?{_AHEAD}{_PLACE}",
    rf" \({_AHEAD}\){_PLACE}",
    r" etc/gmt(?P<posix>[+-])(?P<hours>9{1,2})",  # POSIX: Etc/GMT+3 is three hours behind
    r" (?P<zone>[a-z]+(?:[_-][a-z]+)*(?:/[a-z]+(?:[_-][a-z]+)*)+)",
)


@cache
def _pattern(*parts: str) -> re.Pattern[str]:
    """The pattern of parts in a row; compiled when a text is first compared with it, as there are a hundred."""
    return re.compile("".join(parts), re.IGNORECASE)


class Form(NamedTuple):
    """One form of a column: its parts, and the number, least and last of the values that have it."""

    mask: str
    parts: re.Match | None
    rows: int
    least: str
    last: str

    @property
    def is_timed(self) -> bool:
        """Whether it has a time of day."""
        return self.mask in (_TIME, _INSTANT) or bool(self.parts and self.parts["hour"])

    @property
    def zone(self) -> str:
        """The name of its zone, `offset` for an offset from UTC, or empty."""
        if self.mask == _INSTANT:
            return "offset"
        if not self.parts or not self.is_timed:
            return ""
        if name := self._part("zone"):
            return _zones().get(name.lower(), "")
        return "offset" if self._match.end() > self._end_of_time() else ""

    def has(self, name: str) -> bool:
        """Whether it has a part."""
        return bool(self._part(name))

    def _part(self, name: str) -> str:
        """The digits or letters of a part; empty without it."""
        return (self.parts.groupdict().get(name) or "") if self.parts else ""

    @property
    def _match(self) -> re.Match:
        assert self.parts, f"{self.mask} is asked for its parts, but was not parsed"
        return self.parts

    def _end_of_time(self) -> int:
        ends = [self._match.end(name) for name in ("minute", "second", "part") if self._part(name)]
        tail = re.match(_HALF, self.mask[max(ends) :], re.IGNORECASE)
        return max(ends) + (tail.end() if tail else 0)

    @property
    def year_digits(self) -> int:
        """The number of digits of its year; 0 for forms of ISO 8601, which have four."""
        return len(self._part("year"))

    def digits(self, text: str, name: str, width: int = 2) -> str:
        """SQL: the digits of a part, with leading zeros."""
        length = min(len(self._part(name)), 6)  # fractions of a second are truncated to microseconds
        digits_sql = f"substr({text}, {self._match.start(name) + 1}, {length})"
        return f"'{'0' * (width - length)}' || {digits_sql}" if length < width else digits_sql

    def iso(self, text: str, day_first: bool) -> str:
        """SQL: the text in ISO 8601."""
        if self.mask in ISO:
            return text
        if self.year_digits != 4 or self.has("hijri") or self.has("hijri_month"):
            return "'0000-00-00'"  # outside any span
        if self.has("one"):
            month, day = ("two", "one") if day_first else ("one", "two")
        else:
            month, day = "month", "day"
        if self.has("name"):
            name = self._part("name")
            month_number = next(
                number for number, pattern in enumerate(_MONTHS, 1) if re.fullmatch(pattern, name, re.IGNORECASE)
            )
            number = f"'{month_number:02}'"
        else:
            number = self.digits(text, month)
        parts = [self.digits(text, "year"), "'-'", number, "'-'", self.digits(text, day)]
        if self.is_timed:
            parts += ["' '", self._hour(text), "':'", self.digits(text, "minute"), "':'"]
            parts += [self.digits(text, "second") if self.has("second") else "'00'"]
            parts += ["'.'", self.digits(text, "part", 1)] if self.has("part") else []
            parts += [self._offset(text)] if self.zone == "offset" else []
        return " || ".join(parts)

    def _hour(self, text: str) -> str:
        hour = self.digits(text, "hour")
        if not (half := self._part("half") or self._part("arabic")):
            return hour
        of_day = "".join(f" WHEN '{said:02}' THEN '{meant:02}'" for said, meant in _HALVES[half.lower()].items())
        return f"CASE {hour}{of_day} END"

    def _offset(self, text: str) -> str:
        sign = self._part("sign") or {"+": "-", "-": "+"}.get(self._part("posix"))
        if not sign:
            return "'Z'"
        hours, minutes = ("hours4", "minutes4") if self._part("hours4") else ("hours", "minutes")
        ahead = self.digits(text, hours)
        past = self.digits(text, minutes) if self._part(minutes) else "'00'"
        offset = f"'{sign}' || {ahead} || ':' || {past}"
        fits = f"{ahead} <= '14' AND {past} <= '59'"
        if place := self._place:
            fits = f"{offset} IN ({', '.join(map(literal, sorted(offsets_of(place))))})"
        return f"CASE WHEN {fits} THEN {offset} END"

    @property
    def _place(self) -> str:
        return next(filter(None, map(self._part, _PLACES)), "")


def form_of(text: str) -> str:
    """SQL: the form of a text."""
    plain = rf"^\d{{4}}-\d\d-\d\d({_CLOCK})?$"
    return (
        f"CASE WHEN regexp_matches({text}, '{plain}') THEN CASE WHEN length({text}) = 10 THEN '{_DATE}' ELSE "
        f"'{_TIME}' END "
        rf"WHEN regexp_matches({text}, '^\d{{4}}-\d\d-\d\d{_CLOCK}{_OFFSET}$') THEN '{_INSTANT}' "
        f"ELSE translate(substr({text}, 1, {_MAX_LENGTH}), '012345678', '999999999') END"
    )


def parse_form(mask: str) -> re.Match | None:
    """The parts of a form with their positions; None unless the whole form matches a known format."""
    for day in _DATE_PATTERNS:
        if not _pattern(day, _ERA).match(mask):
            continue
        for time, zone in product(_TIME_PATTERNS, _ZONE_PATTERNS):
            parts = _pattern(day, _ERA, "(?:", time, "(?:", zone, ")?)?").fullmatch(mask)
            if parts and _are_known(parts.groupdict()):
                return parts
    return None


def _are_known(parts: dict[str, str | None]) -> bool:
    """Whether its zone is known, and the places whose offset it has."""
    if zone := parts.get("zone"):
        return zone.lower() in _zones()
    return all(offsets_of(place) for place in map(parts.get, _PLACES) if place)


def _zones() -> dict[str, str]:
    if not _KNOWN_ZONES:
        _KNOWN_ZONES.update({name.lower(): name for name in available_timezones() if "/" in name})
    return _KNOWN_ZONES


_KNOWN_ZONES: dict[str, str] = {}
