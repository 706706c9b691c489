"""The gate: reads a finished pack before anything leaves, and says whether it may."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple

from retention_kit.periods import Period
from retention_kit.report import manifest


class Verdict(NamedTuple):
    """ok; degraded: sent with a visible notice; blocked: only the owner hears, with the reasons."""

    state: Literal["ok", "degraded", "blocked"]
    reasons: tuple[str, ...] = ()


def judge(folder: Path, today: date, expected: Period | None = None) -> Verdict:  # noqa: ARG001
    """Whether the pack at `folder` may be sent; `expected` is the period that the calendar says is the last complete."""
    if manifest.read(folder).get("state") != "ok":
        return Verdict("blocked", ("a part of the report failed",))
    return Verdict("ok")
