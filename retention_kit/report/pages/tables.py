"""Tables of scorecard rows, and helpers for other tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from retention_kit.lazy import pd
from retention_kit.metrics.catalogue import METRICS, Measure
from retention_kit.metrics.queries.segment_values import NONE
from retention_kit.metrics.queries.views import PAUSED
from retention_kit.periods import Period
from retention_kit.report.blocks import Block
from retention_kit.report.pages import narrative
from retention_kit.wording import DASH, Words


def figures(rows: Sequence[Any], period: Period, words: Words) -> Block:
    """Scorecard rows with all digits: value, numerator, denominator, n, interval, value before and change."""
    text = words.text
    heads = ("metric", "value", "numerator", "denominator", "n", "interval", "previous", "change")
    body = [
        [
            row.label,
            words.value(row.value, row.unit, "full"),
            part(row.numerator, row, words, is_top=True),
            part(row.denominator, row, words, is_top=False),
            words.value(row.n, "count"),
            interval(row, words, "full") or DASH,
            words.value(row.previous, row.unit, "full"),
            words.change(row.change, row.unit, "full"),
        ]
        for row in rows
    ]
    labels: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            labels.setdefault(row.note, []).append(row.label)
    notes = [text("figures.note", label=words.listed(names), note=note) for note, names in labels.items()]
    title = text("figures.title", period=words.period(period))
    return _table(words, "figures", heads, body, title=title, caption=" ".join(notes))


def reasons(rows: pd.DataFrame, period: Period, words: Words) -> Block | None:
    """Lost customers by reason in a period (rows of `churn_reasons`); None if no reason is given."""
    named = rows[~rows["reason"].isin([NONE, PAUSED])]
    if named.empty:
        return None
    lost, names = rows["lost"].sum(), {NONE: words.text("reasons.none"), PAUSED: words.text("reasons.paused")}
    texts = {
        "reason": named["reason"].iloc[0],
        "lost": words.value(named["lost"].iloc[0], "count"),
        "all": words.value(lost, "count"),
        "period": words.period(period),
    }
    body = [
        [
            names.get(row.reason, row.reason),
            words.value(row.lost, "count"),
            words.value(row.lost / lost if lost else None, "fraction"),
            words.value(row.churned, "money", "full"),
        ]
        for row in rows.itertuples()
    ]
    heads = ("reason", "lost", "share", "churned")
    keys = [[None, float(row.lost), float(row.lost), float(row.churned)] for row in rows.itertuples()]
    title, caption = words.text("reasons.title", **texts), words.text("reasons.caption")
    return _table(words, "reasons", heads, body, title=title, caption=caption, keys=keys)


def part(value: float, row: Any, words: Words, *, is_top: bool, style: str = "full") -> str:
    """A numerator (`is_top`) or denominator, in the unit that the metric declares for it."""
    kinds = METRICS[row.metric].parts
    return words.value(value, kinds[0] if is_top else kinds[1], style)


def made_of(row: Any, words: Words) -> str:
    """Numerator and denominator in short: a part of a whole, or the division of a mean."""
    parts = {
        "numerator": part(row.numerator, row, words, is_top=True, style="short"),
        "denominator": part(row.denominator, row, words, is_top=False, style="short"),
    }
    kind = "mean" if row.unit in ("money", "ratio") else "share"
    return words.text(f"card.{kind}", **parts)


def interval(row: Any, words: Words, style: str, worded: bool = False) -> str:
    """The 95% interval of a scorecard row; empty if it has none."""
    if not narrative.is_known(row.low):
        return ""
    bounds = {"low": words.value(row.low, row.unit, style), "high": words.value(row.high, row.unit, style)}
    return words.text("card.interval" if worded else "charts.interval", **bounds)


def titled(
    words: Words, name: str, heads: Sequence[str], body: list[list[str]], numbers: Sequence[str], caption: str = ""
) -> Block:
    """A table whose title and column labels are the texts of `name`; the columns `numbers` are aligned to the end."""
    columns = [{"label": words.text(f"{name}.{key}"), "align": "end" if key in numbers else "start"} for key in heads]
    return Block("table", title=words.text(f"{name}.title"), columns=columns, rows=body, caption=caption)


def without_empty(
    names: Sequence[str], body: list[list[str]], required: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """Column names and rows without columns that are empty in all rows, unless `required`; other empty cells get a
    dash.
    """
    used = [index for index, name in enumerate(names) if name in required or any(row[index] for row in body)]
    return [names[index] for index in used], [[row[index] or DASH for index in used] for row in body]


def label_columns(labels: Iterable[str]) -> list[dict[str, str]]:
    """The `columns` of a table whose first column has texts and the others numbers."""
    return [{"label": label, "align": "end" if index else "start"} for index, label in enumerate(labels)]


def share_row(share: Measure, **columns: Any) -> dict[str, Any]:
    """A share as a row of a scorecard, as charts take it, with further columns."""
    return {"value": share.value, "low": share.low, "high": share.high, "n": share.n, "unit": "fraction"} | columns


def _table(words: Words, name: str, heads: Sequence[str], body: list[list[str]], **more: Any) -> Block:
    """A table whose first column has texts and the others numbers; labels are the texts of `name`."""
    return Block("table", columns=label_columns(words.text(f"{name}.{head}") for head in heads), rows=body, **more)
