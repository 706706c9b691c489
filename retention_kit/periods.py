"""Periods: half-open spans `[start, end)` of local dates, numbered so that neighbours differ by one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from retention_kit.errors import PeriodError, Phrase, check_choice

EVERY = ("week", "month", "quarter", "year")

_FORMS = {
    "week": re.compile(r"(\d{4})-W(\d{2})"),
    "month": re.compile(r"(\d{4})-(\d{2})"),
    "quarter": re.compile(r"(\d{4})-Q([1-4])"),
    "year": re.compile(r"(\d{4})"),
}
_EXAMPLES = {"week": "2011-W45", "month": "2011-11", "quarter": "2011-Q4", "year": "2011"}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_MONDAY = date(1970, 1, 5)


def today(zone: str | None) -> date:
    """The date in a time zone, by default UTC."""
    return datetime.now(ZoneInfo(zone or "UTC")).date()


def check_every(every: str) -> str:
    """The granularity itself, or a PeriodError that names the nearest one."""
    check_choice(PeriodError, "There is no period length {every!r}: {hint}", EVERY, every=every)
    return every


def add_months(day: date, months: int) -> date:
    """The same day some months later, or the last day of that month where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return min(date(year, month + 1, 1) + timedelta(days=day.day - 1), following - timedelta(days=1))


@dataclass(frozen=True, order=True)
class Period:
    """One week (ISO, from Monday), month, quarter or year; `index` counts them from a fixed origin."""

    every: str
    index: int

    @classmethod
    def of(cls, day: date, every: str) -> Period:
        """The period that holds a local date."""
        if check_every(every) == "week":
            return cls(every, (day - _MONDAY).days // 7)
        return cls(every, (day.year * 12 + day.month - 1) // _MONTHS[every])

    @classmethod
    def parse(cls, text: str, every: str | None = None) -> Period:
        """Read `2011-W45`, `2011-11`, `2011-Q4` or `2011`; `every` additionally asks for that length.

        Raises PeriodError, in a sentence, where the text is none of them or of another length.
        """
        text = str(text).strip()
        parsed = next(((name, parts) for name, form in _FORMS.items() if (parts := form.fullmatch(text))), None)
        if parsed is None:
            expected = _EXAMPLES.get(every or "", Phrase("2011-11, 2011-Q4, 2011-W45 or 2011"))
            raise PeriodError("{text!r} is not a period: write it like {expected}.", text=text, expected=expected)
        length, parts = parsed
        if every is not None and length != check_every(every):
            template = "{text!r} is a {length}, not a {every}: write it like {example}."
            raise PeriodError(template, text=text, length=Phrase(length), every=Phrase(every), example=_EXAMPLES[every])
        year, *part = (int(number) for number in parts.groups())
        try:
            if length == "week":
                start = date.fromisocalendar(year, part[0], 1)
            else:
                start = date(year, (part[0] - 1) * _MONTHS[length] + 1 if part else 1, 1)
            period = cls.of(start, length)
            period.end  # noqa: B018  the calendar ends with the year 9999
            return period
        except ValueError:
            template = "{text!r} is not a period: the calendar has no such {length}."
            raise PeriodError(template, text=text, length=Phrase(length)) from None

    @property
    def start(self) -> date:
        """The first local date inside."""
        if self.every == "week":
            return _MONDAY + timedelta(weeks=self.index)
        year, month = divmod(self.index * _MONTHS[self.every], 12)
        return date(year, month + 1, 1)

    @property
    def end(self) -> date:
        """The first local date after it."""
        return self.shift(1).start

    def shift(self, periods: int) -> Period:
        """The period so many later (earlier, if negative)."""
        return Period(self.every, self.index + periods)

    def year_ago(self) -> Period | None:
        """The same period of the year before; None for a 53rd week, which has none."""
        if self.every != "week":
            return self.shift(-12 // _MONTHS[self.every])
        year, week, _ = self.start.isocalendar()
        return None if week == 53 else Period.of(date.fromisocalendar(year - 1, week, 1), "week")

    def is_complete(self, as_of: date) -> bool:
        """Whether it ends by `as_of`, the local midnight up to which data are known."""
        return self.end <= as_of

    def __str__(self) -> str:
        day = self.start
        if self.every == "week":
            return "{}-W{:02}".format(*day.isocalendar()[:2])
        if self.every == "quarter":
            return f"{day.year}-Q{day.month // 3 + 1}"
        return f"{day.year:04}-{day.month:02}" if self.every == "month" else f"{day.year:04}"
