"""The arithmetic of a goal: how far one has come, and how far one should be by now."""

from __future__ import annotations

from math import isfinite

SHORT_OF_FULL = 0.99  # the most that a bar shows of a goal that is not reached


def is_met(value: float, target: float, better: str) -> bool:
    """Whether a value is as good as a target; where neither direction is better, higher counts as such."""
    return value <= target if better == "lower" else value >= target


def progress(value: float | None, start: float | None, target: float, better: str) -> float | None:
    """How far one has come: (value - start) / (target - start), below 0 and above 1 too.

    None where that cannot be told, or where the start was as good as the target: keeping a level is no way to go.
    """
    if value is None or start is None or not (isfinite(value) and isfinite(start)) or is_met(start, target, better):
        return None
    share = (value - start) / (target - start)
    return share if isfinite(share) else None


def elapsed(period: int, start: int, due: int) -> float | None:
    """The part of the time from a start to a due period that has passed, by periods: 0 at the start, 1 from the due one
    on.

    None where there is no time between them.
    """
    return min(max((period - start) / (due - start), 0.0), 1.0) if due > start else None


def expected(start: float | None, target: float, better: str, share: float | None) -> float | None:
    """Where one should be once a share of the time has passed: on the straight line from start to target.

    Where the start was as good as the target, at the target all the time.
    """
    if start is None or share is None or not isfinite(start):
        return None
    return target if is_met(start, target, better) else start + (target - start) * share


def bar(share: float | None, is_reached: bool) -> float | None:
    """What a bar shows of a progress: 0 to 1, and full where the goal is reached alone."""
    if share is None:
        return None
    return 1.0 if is_reached else min(max(share, 0.0), SHORT_OF_FULL)
