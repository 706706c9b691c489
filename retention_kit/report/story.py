"""The findings in sentences: scorecard rows → words. Nothing is computed here but what is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retention_kit.metrics.scorecard import SMALL
from retention_kit.wording import MINUS, Words

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


def is_same(row: Any, words: Words, before: str = "previous") -> bool:
    """Whether a figure stayed where it was: what prints alike is no change to a reader."""
    return words.value(getattr(row, before), row.unit) == words.value(row.value, row.unit)


def is_chance(row: Any) -> bool:
    """Whether a change may be chance: its 95% interval holds no change at all. Sums and counts have no such interval."""
    return is_known(row.change_low) and row.change_low <= 0 <= row.change_high


def is_worse(row: Any) -> bool:
    """Whether a figure moved to the bad side by more than chance explains; `row` knows what is better."""
    if not is_known(row.change_low) or not row.better or is_chance(row):
        return False
    return (row.change > 0) == (row.better == "lower")


def change(row: Any, words: Words, before: str = "previous") -> str:
    """How far a figure moved, without its sign: points for rates, per cent for money, else in its own unit."""
    base = getattr(row, before)
    if row.unit == "money" and base:
        return words.value(abs((row.value - base) / base), "fraction")
    return words.change(abs(row.value - base), row.unit).lstrip("+±")


def signed(row: Any, words: Words, before: str = "previous") -> str:
    """The same with its sign; none where it prints as no change."""
    moved = change(row, words, before)
    if is_same(row, words, before):
        return moved
    return f"{'+' if row.value > getattr(row, before) else MINUS}{moved}"


def finding(row: Any, words: Words, *, hedged: bool = True) -> str:
    """What happened to one figure, as a title; `hedged` where no sentence about chance follows."""
    said = {"label": row.label, "period": words.period(row.period), "value": words.value(row.value, row.unit)}
    if not is_known(row.value):
        return words.text("story.undefined", **said)
    if not row.complete:
        return words.text("story.so_far", **said)
    if not is_known(row.change):
        return words.text("story.first", **said)
    if is_same(row, words):
        return words.text("story.same", **said)
    moved = words.text("story.rose" if row.change > 0 else "story.fell", change=change(row, words), **said)
    return words.text("story.chance", finding=moved) if hedged and is_chance(row) else moved


def certainty(row: Any, words: Words) -> str:
    """Whether a change is larger than chance explains, in a sentence; empty where that cannot be told."""
    if not row.complete or not is_known(row.change_low) or is_same(row, words):
        return ""
    key = "chance" if is_chance(row) else "rise" if row.change > 0 else "fall"
    return words.text(f"story.certainty_{key}", **bounds(row, words))


def bounds(row: Any, words: Words) -> dict[str, str]:
    """The ends of a change's interval, with their signs: points for rates and scores, without saying so twice."""
    scale = 100 if row.unit == "fraction" else 1
    unit = "points" if row.unit == "fraction" else row.unit

    def end(value: float) -> str:
        sign = "+" if value > 0 else MINUS if value < 0 else ""
        return sign + words.value(abs(value) * scale, unit)

    return {"low": end(row.change_low), "high": end(row.change_high)}


def headline(rows: pd.DataFrame, period: str, words: Words) -> str:
    """The finding of the report: of the first leading figure that is defined, with its goal."""
    row = leading(rows, period)
    if row is None:
        return words.text("story.nothing", period=words.period(period))
    said = finding(row, words, hedged=False)
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
