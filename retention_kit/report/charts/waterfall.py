"""Waterfall chart of recurring revenue from a period's start to its end. It computes no figure."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from retention_kit.bidi import plain
from retention_kit.report.charts.base import (
    AMBER,
    GREY,
    INK,
    LIGHT_TEAL,
    MUTED,
    PALE_TERRACOTTA,
    TEAL,
    TERRACOTTA,
    ChartSpec,
    alt,
    join_items,
    layered_spec,
    quantitative,
    tooltips,
    without_schema_checks,
)
from retention_kit.wording import Words

# As in the charts of customers: new, retained, reactivated, lost.
COLOURS = {
    "new": AMBER,
    "expansion": TEAL,
    "reactivation": LIGHT_TEAL,
    "fx": GREY,
    "contraction": PALE_TERRACOTTA,
    "churned": TERRACOTTA,
}
ROW, BAR = 30, 18  # heights of a row and its bar


@without_schema_checks
def waterfall(steps: list[dict], period: str, words: Words) -> ChartSpec | None:
    """A row for each step of a sum: levels as ticks, and changes as bars from one to the next.

    `steps` have `name` (start, a key of `COLOURS`, or end), `value` (signed money), and `before` and `after`, the
    running total. The axis covers the changes, so it need not begin at zero. None if all totals are zero.
    """
    if not any(step["before"] or step["after"] for step in steps):
        return None
    records = [_step(step, words) for step in steps]
    for record, following in pairwise(records):
        record["next"] = following["label"]

    levels = [value for step in steps for value in (step["before"], step["after"])]
    margin = (max(levels) - min(levels)) * 0.06 or abs(max(levels)) * 0.06
    x = quantitative(alt.X, "money", words, [min(levels) - margin, max(levels) + margin])
    labels = [record["label"] for record in records]
    axis = alt.Axis(labelLimit=max(140, 7 * max(map(len, labels))), labelOverlap=False, labelColor=INK)
    y = alt.Y("label:N", title=None, scale=alt.Scale(domain=labels, type="point", padding=0.5), axis=axis)
    colours = {
        record["label"]: COLOURS[step["name"]]
        for record, step in zip(records, steps, strict=True)
        if step["name"] in COLOURS
    }
    colour = alt.Color("label:N", legend=None, scale=alt.Scale(domain=list(colours), range=list(colours.values())))

    base = alt.Chart()
    tips = [alt.Tooltip("label:N", title=words.text("charts.tooltip.kind")), *tooltips(words, "figure")]
    label: dict[str, Any] = {"align": "left", "dx": 10, "fontSize": 12, "color": INK}
    texts = alt.XValue("width"), alt.Text("figure:N")
    money = base.mark_text(**label).encode(*texts)
    bold = base.mark_text(**label, fontWeight="bold").encode(*texts)
    tick = base.mark_tick(thickness=4, size=BAR + 4, color=INK).encode(x("after"), tooltip=tips)
    layers = [
        base.mark_rule(color=MUTED, strokeWidth=1).encode(x("after"), alt.Y2("next:N")).transform_filter("datum.next"),
        base.mark_bar(size=BAR)
        .encode(x("before"), colour, alt.X2("after"), tooltip=tips)
        .transform_filter("!datum.level"),
        tick.transform_filter("datum.level"),
        money.transform_filter("!datum.level"),
        bold.transform_filter("datum.level"),
    ]
    room = 16 + 8 * max(len(plain(record["figure"])) for record in records)
    spec = layered_spec(layers, words, records, y, right=room, height=ROW * len(records) + 50)
    return ChartSpec(spec, _alt(records, period, words))


def _step(step: dict, words: Words) -> dict:
    is_level = step["name"] not in COLOURS
    is_nothing = not step["value"]
    figure = (
        words.bound(0, "money") if is_nothing else (words.value if is_level else words.change)(step["value"], "money")
    )
    label = words.text(f"charts.waterfall.{step['name']}") if is_level else words.text(f"charts.mrr.{step['name']}")
    return {"label": label, "level": is_level, "figure": figure, "before": step["before"], "after": step["after"]}


def _alt(records: list[dict], period: str, words: Words) -> str:
    """All steps of the sum."""
    items = [f"{record['label']} {record['figure']}" for record in records]
    return words.text("charts.waterfall.alt", period=period, steps=join_items(items, words))
