"""The arithmetic of a goal: actual and expected progress."""

from __future__ import annotations

from math import isfinite

SHORT_OF_FULL = 0.99  # the largest fill of a bar before the goal is reached


def is_met(value: float, target: float, better: str) -> bool:
    """Whether a value reaches a target; higher is better unless `better` is lower."""
    return value <= target if better == "lower" else value >= target


def progress(value: float | None, start: float | None, target: float, better: str) -> float | None:
    """The progress (value - start) / (target - start), which may lie outside 0 to 1.

    None if it is undefined, or if the start had already reached the target.
    """
    if value is None or start is None or not (isfinite(value) and isfinite(start)) or is_met(start, target, better):
        return None
    share = (value - start) / (target - start)
    return share if isfinite(share) else None


def elapsed(period: int, start: int, due: int) -> float | None:
    """The elapsed share of the periods from a start to a due period: 0 at the start, 1 from the due one on.

    None if the due period is not after the start.
    """
    return min(max((period - start) / (due - start), 0.0), 1.0) if due > start else None


def expected(start: float | None, target: float, better: str, share: float | None) -> float | None:
    """The expected value after a share of the time, on the straight line from start to target.

    If the start had already reached the target, the target.
    """
    if start is None or share is None or not isfinite(start):
        return None
    return target if is_met(start, target, better) else start + (target - start) * share


def bar(share: float | None, is_reached: bool) -> float | None:
    """The fill of a progress bar, 0 to 1; 1 only if the goal is reached."""
    if share is None:
        return None
    return 1.0 if is_reached else min(max(share, 0.0), SHORT_OF_FULL)
