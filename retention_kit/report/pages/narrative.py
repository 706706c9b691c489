"""Findings as sentences: scorecard rows to words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from retention_kit.lazy import pd
from retention_kit.metrics.catalogue import METRICS, ranked
from retention_kit.metrics.formulas import Z95
from retention_kit.metrics.insights import days
from retention_kit.periods import Period
from retention_kit.wording import MINUS, Words


def is_known(value: Any) -> bool:
    """Whether a cell of the scorecard is defined."""
    return value is not None and value == value


def is_same(row: Any, words: Words, before: str = "previous") -> bool:
    """Whether a figure prints the same as before, so that readers see no change."""
    return words.value(getattr(row, before), row.unit) == words.value(row.value, row.unit)


def is_bad(row: Any) -> bool:
    """Whether a figure moved in its bad direction; `row` has the column `better`."""
    return bool(row.better) and is_known(row.change) and (row.change > 0) == (row.better == "lower")


def change(row: Any, words: Words, before: str = "previous", sign: str = "") -> str:
    """The size of a change after `sign`: points for rates, per cent for money, else in the unit of the figure.

    Money that was not above 0 before has no per cent.
    """
    base = getattr(row, before)
    if row.unit == "money" and base > 0:
        return words.value(abs((row.value - base) / base), "fraction", sign=sign)
    return words.change(abs(row.value - base), row.unit, sign=sign)


def signed(row: Any, words: Words, before: str = "previous") -> str:
    """A change with its sign; without one if it prints as no change."""
    sign = "" if is_same(row, words, before) else "+" if row.value > getattr(row, before) else MINUS
    return change(row, words, before, sign)


def finding(row: Any, words: Words, verdict: str = "") -> str:
    """The change of one figure, as a title; `verdict` is that of `Context.verdict`, empty for a sum."""
    texts = {"label": row.label, "period": words.period(row.period), "value": words.value(row.value, row.unit)}
    if not is_known(row.value):
        return words.text("story.undefined", **texts)
    if not row.complete:
        return words.text("story.so_far", **texts)
    if not is_known(row.change):
        return words.text("story.first", **texts)
    if is_same(row, words):
        return words.text("story.steady", **texts)
    if verdict in ("chance", "many"):
        return words.text("story.steady" if is_small(row) else "story.unclear", **texts)
    if verdict == "few":
        return words.text("story.few", n=words.value(row.n, "count"), **texts)
    moved = words.text("story.rose" if row.change > 0 else "story.fell", change=change(row, words), **texts)
    if verdict == "length":
        return words.text("story.length", finding=moved)
    daily = "" if verdict else per_day(row, words)
    return words.text("story.daily", finding=moved, daily=daily) if daily else moved


def is_small(row: Any) -> bool:
    """Whether a change is no larger than its own standard error."""
    side = row.change - row.change_low if row.change > 0 else row.change_high - row.change
    return abs(row.change) * Z95 <= side


def lengths(row: Any) -> dict[str, int]:
    """The days of a row's period and of the one before."""
    period = Period.parse(row.period)
    return {"days": days(period), "other": days(period.shift(-1))}


def per_day(row: Any, words: Words) -> str:
    """The change of a sum per day if its period is longer or shorter than the one before; else empty."""
    length = lengths(row)
    sums = row.metric in METRICS and METRICS[row.metric].grows == "value" and is_known(row.previous)
    if not sums or length["days"] == length["other"] or row.unit not in ("money", "count") or not row.previous > 0:
        return ""
    share = row.value / length["days"] / (row.previous / length["other"]) - 1
    moved = words.value(abs(share), "fraction")
    kind = "same" if moved == words.value(0, "fraction") else "more" if share > 0 else "less"
    return words.text(f"story.daily_{kind}", share=moved)


def season(row: Any, words: Words) -> str:
    """A sentence if the change against the same period of last year has the opposite direction; else empty."""
    known = row.complete and is_known(row.change) and is_known(row.year_ago) and is_known(row.value)
    if not known or is_same(row, words) or is_same(row, words, "year_ago"):
        return ""
    up = row.value > row.year_ago
    if up == (row.change > 0):
        return ""
    last_year = Period.parse(row.period).year_ago()
    assert last_year is not None  # its figure is known
    texts = {"change": change(row, words, "year_ago"), "then": words.period(last_year)}
    return words.text(f"story.season_{'up' if up else 'down'}", **texts)


def certainty(row: Any, words: Words, verdict: str) -> str:
    """A sentence on whether a change is significant; empty if it was not tested."""
    if not verdict or is_same(row, words):
        return ""
    key = ("rise" if row.change > 0 else "fall") if verdict == "real" else verdict
    return words.text(f"story.certainty_{key}", **bounds(row, words), **lengths(row))


def bounds(row: Any, words: Words) -> dict[str, str]:
    """The bounds of a change's interval with their signs, in points without their unit for rates."""
    scale = 100 if row.unit == "fraction" else 1
    unit = "points" if row.unit == "fraction" else row.unit

    def bound(value: float) -> str:
        sign = "+" if value > 0 else MINUS if value < 0 else ""
        return words.value(abs(value) * scale, unit, sign=sign)

    return {"low": bound(row.change_low), "high": bound(row.change_high)}


def headline(row: Any | None, period: str, words: Words, verdict: str = "", goal: str = "") -> str:
    """The main finding of the report: that of the leading figure, with its goal if `reached`, `missed` or `near`."""
    if row is None:
        return words.text("story.nothing", period=words.period(period))
    sentence = finding(row, words, verdict)
    if goal in ("reached", "missed", "near"):
        return words.text(f"story.{goal}", finding=sentence, goal=words.bound(row.target, row.unit))
    return sentence


def leading(rows: pd.DataFrame, period: str, is_real: Callable[[Any], bool]) -> Any | None:
    """The scorecard row of the headline: the first with a significant change, else the first that is defined."""
    now = {row.metric: row for row in rows[(rows["period"] == period) & (rows["segment_value"] == "")].itertuples()}
    first = [name for name in ranked("headline") if name in now]
    names = [*first, *(name for name in now if name not in first)]
    known = [now[name] for name in names if is_known(now[name].value)]
    moved = [row for row in known if is_real(row)]
    return next(iter([*moved, *known, *now.values()]), None)
