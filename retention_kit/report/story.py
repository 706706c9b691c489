"""The findings in sentences: scorecard rows → words. Nothing is computed here but what is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retention_kit.metrics.scorecard import SMALL
from retention_kit.wording import Words

if TYPE_CHECKING:
    import pandas as pd

LEADING = (
    "customer_retention_rate",
    "net_promoter_score",
    "revenue",
    "mrr",
)  # the headline is the first one defined, else any other that is


def is_known(value: Any) -> bool:
    """Whether a cell of the scorecard is defined."""
    return value is not None and value == value


def is_same(row: Any, words: Words) -> bool:
    """Whether a figure stayed where it was: what prints alike is no change to a reader."""
    return words.value(row.previous, row.unit) == words.value(row.value, row.unit)


def change(row: Any, words: Words) -> str:
    """How far a figure moved, without its sign: points for rates, per cent for money, else in its own unit."""
    if row.unit == "money" and row.previous:
        return words.value(abs(row.change / row.previous), "fraction")
    return words.change(abs(row.change), row.unit).lstrip("+±")


def finding(row: Any, words: Words) -> str:
    """What happened to one figure, as a title."""
    said = {"label": row.label, "period": words.period(row.period), "value": words.value(row.value, row.unit)}
    if not is_known(row.value):
        return words.text("story.undefined", **said)
    if not row.complete:
        return words.text("story.so_far", **said)
    if not is_known(row.change):
        return words.text("story.first", **said)
    if is_same(row, words):
        return words.text("story.same", **said)
    return words.text("story.rose" if row.change > 0 else "story.fell", change=change(row, words), **said)


def headline(rows: pd.DataFrame, period: str, words: Words) -> str:
    """The finding of the report: of the first leading figure that is defined, with its goal."""
    row = leading(rows, period)
    if row is None:
        return words.text("story.nothing", period=words.period(period))
    said = finding(row, words)
    if row.status in ("reached", "missed"):
        return words.text(f"story.{row.status}", finding=said, goal=words.value(row.target, row.unit))
    return said


def leading(rows: pd.DataFrame, period: str) -> Any | None:
    """The scorecard row that the headline speaks of."""
    now = {row.metric: row for row in rows[(rows["period"] == period) & (rows["segment_value"] == "")].itertuples()}
    names = sorted(now, key=lambda name: LEADING.index(name) if name in LEADING else len(LEADING))
    return next((now[name] for name in names if is_known(now[name].value)), next(iter(now.values()), None))


def stands_out(parts: pd.DataFrame, whole: Any) -> Any | None:
    """The segment value that is worst by more than chance: its whole interval lies on the bad side of the whole's value."""
    better = -1 if whole.better == "lower" else 1
    known = parts[parts["value"].notna() & parts["low"].notna() & (parts["n"] >= SMALL)]
    worse = known[(known["high"] if better > 0 else known["low"]) * better < whole.value * better]
    return None if worse.empty else next(worse.loc[[(worse["value"] * better).idxmin()]].itertuples())
