"""How often somebody may try: counted in memory, by the minute, and kept nowhere."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

WINDOW = 60  # seconds
_MOST_KEYS = 10_000


class Limit:
    """At most `times` in a minute for each key; the oldest keys are forgotten where there are too many."""

    def __init__(self, times: int, clock: Callable[[], float] = monotonic):
        self._times, self._clock = times, clock
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()  # when the minute began, and the count

    def allows(self, key: str) -> bool:
        """Count one more, and say whether it is within the limit."""
        now = self._clock()
        while self._counts and next(iter(self._counts.values()))[0] + WINDOW <= now:
            self._counts.popitem(last=False)
        begun, count = self._counts.get(key, (now, 0))
        self._counts[key] = begun, count + 1
        if len(self._counts) > _MOST_KEYS:
            self._counts.popitem(last=False)
        return count < self._times
