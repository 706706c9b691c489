"""Chart of the concentration of revenue. It computes no figure."""

from __future__ import annotations

from typing import Any

import pandas as pd

from retention_kit.report.charts.base import (
    INK,
    LIGHT_TEAL,
    TEAL,
    ChartSpec,
    alt,
    conditional,
    join_items,
    layered_spec,
    quantitative,
    tooltips,
    without_schema_checks,
)
from retention_kit.wording import Words


@without_schema_checks
def revenue_by_tenth(rows: pd.DataFrame, best: int, words: Words) -> ChartSpec:
    """Revenue by tenths of the customers, the best first; the first `best` tenths are highlighted.

    `rows` have tenth (from 1), customers, revenue (money) and share (of all revenue), in order.
    """
    records = [
        {
            "tenth": int(row["tenth"]),
            "revenue": float(row["revenue"]),
            "figure": words.value(float(row["revenue"]), "money"),
            "part": words.value(float(row["share"]), "fraction"),
            "n": words.text("charts.n", n=words.value(int(row["customers"]), "count")),
            "best": row["tenth"] <= best,
        }
        for row in rows.to_dict("records")
    ]
    y = quantitative(alt.Y, "money", words, largest=max(record["revenue"] for record in records))
    x = alt.X(
        "tenth:O",
        title=words.text("charts.value.axis"),
        scale=alt.Scale(domain=[record["tenth"] for record in records]),
        axis=alt.Axis(labelAngle=0),
    )
    colour = conditional(alt.ColorValue, "datum.best", TEAL, LIGHT_TEAL)
    base = alt.Chart().encode(y("revenue"))
    label: dict[str, Any] = {"dy": -9, "fontSize": 11}
    shares = base.encode(alt.Text("part:N"))
    layers = [
        base.mark_bar(width=alt.RelativeBandSize(0.7)).encode(
            colour, tooltip=tooltips(words, "tenth", "figure", "part", "n")
        ),
        shares.mark_text(**label, stroke="white", strokeWidth=3, strokeJoin="round").properties(name="shares_halo"),
        shares.mark_text(**label, color=INK).properties(name="shares"),
    ]
    figures = [f"{words.value(record['tenth'], 'count')}: {record['figure']} ({record['part']})" for record in records]
    text = words.text("charts.value.alt", figures=join_items(figures, words))
    return ChartSpec(layered_spec(layers, words, records, x, right=24), text)
