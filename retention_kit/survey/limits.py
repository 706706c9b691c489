"""Rate limits, counted in memory per minute and not stored."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

WINDOW = 60  # seconds
_MOST_KEYS = 10_000


class Limit:
    """At most `times` a minute for each key; when there are too many keys, the oldest are dropped."""

    def __init__(self, times: int, clock: Callable[[], float] = monotonic):
        self._times, self._clock = times, clock
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()  # start of the minute, count

    def allows(self, key: str) -> bool:
        """Count one attempt; returns whether it is within the limit."""
        now = self._clock()
        while self._counts and next(iter(self._counts.values()))[0] + WINDOW <= now:
            self._counts.popitem(last=False)
        start, count = self._counts.get(key, (now, 0))
        self._counts[key] = start, count + 1
        if len(self._counts) > _MOST_KEYS:
            self._counts.popitem(last=False)
        return count < self._times
