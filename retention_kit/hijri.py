"""The months of the Umm al-Qura calendar that a period lies in, as a report names them beside its own."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retention_kit.periods import Period
    from retention_kit.wording import Words


def with_hijri(period: Period, words: Words) -> str:
    """`November 2011 · Dhu al-Hijjah 1432 – Muharram 1433 AH`; of years that the calendar's tables lack (before
    1924-08 and after 2077-11) the period alone.
    """
    name = words.period(period)
    try:
        first, last = (_month(day, words) for day in (period.start, period.end - timedelta(days=1)))
    except OverflowError:
        return name
    return words.text("hijri.one" if first == last else "hijri.several", period=name, first=first, last=last)


def _month(day: date, words: Words) -> str:
    from hijridate import Gregorian

    hijri = Gregorian.fromdate(day).to_hijri()
    return words.text("hijri.month", name=words.text(f"hijri.name_{hijri.month}"), year=hijri.year)
