"""Granularities: how local dates are divided into numbered spans."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from retention_kit.periods import Period, add_months

if TYPE_CHECKING:
    import pandas as pd

EPOCH = date(1970, 1, 1)
BEFORE = -(10**6)  # the number of the span of customers known from before the data


@dataclass(frozen=True)
class Granularity:
    """Calendar periods, days, or windows of `months` whole months that end at the date `ends`."""

    every: str = "month"
    months: int = 0
    ends: date | None = None

    @property
    def is_windows(self) -> bool:
        """Whether the spans are windows that end at a date."""
        return self.ends is not None

    def index(self, day: date) -> int:
        """The number of the span of a date; the window that ends at `ends` has number -1."""
        if self.every == "day":
            return (day - EPOCH).days
        if self.ends is None:
            return Period.of(day, self.every).index
        months = (day.year - self.ends.year) * 12 + day.month - self.ends.month
        return (months - (add_months(self.ends, months) > day)) // self.months

    def end(self, number: int) -> date:
        """The first date after a span."""
        if self.every == "day":
            return EPOCH + timedelta(days=number + 1)
        return (
            Period(self.every, number).end if self.ends is None else add_months(self.ends, (number + 1) * self.months)
        )

    def sql(self, day: str) -> str:
        """SQL for the same; `day` is an expression of a date."""
        months = f"EXTRACT(year FROM {day}) * 12 + EXTRACT(month FROM {day})"
        if self.ends is not None:
            last = f"least({self.ends.day}, EXTRACT(day FROM last_day({day})))"
            early = f"CASE WHEN EXTRACT(day FROM {day}) < {last} THEN 1 ELSE 0 END"
            since = f"{months} - {self.ends.year * 12 + self.ends.month} - {early}"
            return f"CAST(floor(({since}) / {self.months}.0) AS INTEGER)"
        if self.every == "day":
            return f"date_diff('day', DATE '{EPOCH}', {day})"
        if self.every == "week":
            return f"CAST(floor(date_diff('day', DATE '1970-01-05', {day}) / 7.0) AS INTEGER)"
        length = {"month": 1, "quarter": 3, "year": 12}[self.every]
        return f"CAST(floor(({months} - 1) / {length}.0) AS INTEGER)"

    def sql_of_day(self, number: str) -> str:
        """SQL for the number of the span of a day, which is given by its number in `DAYS`."""
        return self.sql(f"(DATE '{EPOCH}' + CAST({number} AS INTEGER))")


DAYS = Granularity("day")


@lru_cache(maxsize=8)
def year_windows(granularity: Granularity, start: date, as_of: date) -> pd.DataFrame:
    """For each day from `start` to before `as_of`, the spans whose trailing year includes it.

    Columns: day; enters, the first such span; leaves, the first one after them; forgotten, the first span with the day
    outside its last 24 months. The last span ends at `as_of`. If all days of each span leave together, and equally many
    spans later (except after `as_of`), there is a row for each span instead, without day. The frame is shared and must
    not be changed.
    """
    import numpy as np
    import pandas as pd

    days = [start + timedelta(days=number) for number in range((as_of - start).days)]
    first, last = granularity.index(start), granularity.index(as_of - timedelta(days=1))
    ends = [min(granularity.end(number), as_of) for number in range(first, last + 1)]
    ordinals = [day.toordinal() for day in days]

    def first_spans_without(months: int) -> np.ndarray:
        begins = [add_months(end, -months).toordinal() for end in ends]
        return first + np.searchsorted(begins, ordinals, side="right")

    enters = [granularity.index(day) for day in days]
    windows = pd.DataFrame(
        {"day": days, "enters": enters, "leaves": first_spans_without(12), "forgotten": first_spans_without(24)}
    )
    spans = windows.drop(columns="day").drop_duplicates()
    durations = (spans["leaves"] - spans["enters"]).where(spans["leaves"] <= last)
    return spans if spans["enters"].is_unique and durations.nunique() <= 1 else windows
