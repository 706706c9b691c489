"""The oracle's calendar: periods by label, from their first day to the first day of the next."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd


def bounds(label: str) -> tuple[date, date]:
    """First day of the period and of the one after it: 2011-11, 2011-Q4, 2011-W45, 2011."""
    year, _, part = label.partition("-")
    year = int(year)
    if not part:
        return date(year, 1, 1), date(year + 1, 1, 1)
    if part.startswith("W"):
        monday = date.fromisocalendar(year, int(part[1:]), 1)
        return monday, monday + timedelta(days=7)
    length = 3 if part.startswith("Q") else 1
    start = date(year, (int(part[1:]) - 1) * 3 + 1 if length == 3 else int(part), 1)
    return start, months_later(start, length)


def months_later(day: date, months: int) -> date:
    """The same day of another month, or that month's last day."""
    later = pd.Timestamp(day) + pd.DateOffset(months=months)
    return later.date()


def day_after(day: date) -> date:
    return day + timedelta(days=1)


def label_of(day: date, every: str) -> str:
    if every == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return {
        "month": f"{day:%Y-%m}",
        "quarter": f"{day.year}-Q{(day.month + 2) // 3}",
        "year": f"{day.year}",
    }[every]


def every_of(label: str) -> str:
    return "week" if "W" in label else "quarter" if "Q" in label else "month" if "-" in label else "year"


def periods_between(first: date, last: date, every: str) -> list[str]:
    labels = [label_of(first, every)]
    while (following := bounds(labels[-1])[1]) <= last:
        labels.append(label_of(following, every))
    return labels
