"""Transitions of time zones: local times that do not exist or occur twice, and SQL that converts local times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from retention_kit.data.engines.sql_text import literal

_YEARS = (1900, 2100)  # dates outside are errors, and computing transitions for millennia is slow


class Transition(NamedTuple):
    """A change of a zone's offset: the local times [start, end) do not exist (`is_gap`) or occur twice.

    `offset` is the offset from UTC before the change, by which such times are read: a time that occurs twice is its
    first occurrence, and one that does not exist moves forward by the length of the gap.
    """

    start: datetime
    end: datetime
    is_gap: bool
    offset: timedelta

    def contains(self, time: str) -> str:
        """SQL: whether a local time is in [start, end)."""
        return f"({time} >= TIMESTAMP '{self.start}' AND {time} < TIMESTAMP '{self.end}')"


@lru_cache(maxsize=32)
def transitions(zone: str, first: int, last: int) -> tuple[Transition, ...]:
    """The transitions of a zone in the years from first to last, in order."""
    first, last = (min(max(year, _YEARS[0]), _YEARS[1]) for year in (first, last))
    clock = ZoneInfo(zone)
    changes = []
    day, until = datetime(first, 1, 1, tzinfo=UTC) - timedelta(days=2), datetime(last + 1, 1, 3, tzinfo=UTC)
    before = _offset(clock, day)
    while day < until:
        following = day + timedelta(days=1)
        after = _offset(clock, following)
        if after != before:
            moment = _find_change(clock, day, following, before)
            start, end = sorted((moment + before, moment + after))
            changes.append(Transition(start.replace(tzinfo=None), end.replace(tzinfo=None), after > before, before))
        day, before = following, after
    return tuple(changes)


def in_any_transition(changes: tuple[Transition, ...], time: str, is_gap: bool) -> str:
    """SQL: whether a local time does not exist (or, if `is_gap` is false, occurs twice)."""
    return " OR ".join(change.contains(time) for change in changes if change.is_gap is is_gap) or "false"


def in_report_zone(time: str, zone: str | None, report: str, changes: tuple[Transition, ...]) -> str:
    """SQL: a naive local time of a zone, or of the report's if it has none, as local time of the report."""
    if zone in (None, report):
        moved = "".join(
            f" WHEN {change.contains(time)} THEN {time} + {_interval(change.end - change.start)}"
            for change in changes
            if change.is_gap
        )
        return f"CASE{moved} ELSE {time} END" if moved else time
    special = "".join(
        f" WHEN {change.contains(time)} THEN instant_at({time} - {_interval(change.offset)}, 'UTC')"
        for change in changes
    )
    instant = f"instant_at({time}, {literal(zone)})"
    return f"local_time({f'CASE{special} ELSE {instant} END' if special else instant}, {literal(report)})"


def _offset(clock: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(clock).utcoffset() or timedelta()


def _find_change(clock: ZoneInfo, low: datetime, high: datetime, before: timedelta) -> datetime:
    """The first second with another offset than before, by bisection."""
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if _offset(clock, middle) == before else (low, middle)
    return high


def _interval(length: timedelta) -> str:
    return f"INTERVAL '{length // timedelta(seconds=1)}' SECOND"
