"""Chart of predicted against actual shares, with a point for each tenth of the customers. It computes no figure."""

from __future__ import annotations

from typing import Any

from retention_kit.report.charts.base import (
    GREY,
    MUTED,
    TEAL,
    ChartSpec,
    alt,
    inline_data,
    interval_text,
    join_items,
    layered_spec,
    quantitative,
    tooltips,
    without_schema_checks,
)
from retention_kit.wording import Words

HEIGHT = 300


@without_schema_checks
def calibration(bins: list[dict[str, Any]], words: Words) -> ChartSpec | None:
    """A point for each tenth of the customers: the predicted share on x, the actual one with its interval on y.

    `bins` have predicted, actual, low, high (fractions) and customers; perfect forecasts are on the diagonal.
    """
    if not bins:
        return None
    rows = [
        {
            "predicted": group["predicted"],
            "value": group["actual"],
            "low": group["low"],
            "high": group["high"],
            "figure": words.value(group["actual"], "fraction"),
            "forecast": words.value(group["predicted"], "fraction"),
            "interval": interval_text(group["low"], group["high"], "fraction", words),
            "n": words.value(group["customers"], "count"),
        }
        for group in bins
    ]
    x, y = quantitative(alt.X, "fraction", words, [0, 1]), quantitative(alt.Y, "fraction", words, [0, 1])
    titles = words.text("charts.calibration.predicted"), words.text("charts.calibration.actual")
    across, up, low, start, end = (
        encoding.title(titles[is_up])
        for encoding, is_up in ((x("predicted"), 0), (y("value"), 1), (y("low"), 1), (x("at"), 0), (y("at"), 1))
    )
    ideal = alt.Chart(inline_data([{"at": 0}, {"at": 1}], "ideal"))
    tips = tooltips(words, "forecast", "figure", "interval", "n")
    base = alt.Chart()
    layers = [
        ideal.mark_line(color=MUTED, strokeWidth=1, strokeDash=[4, 4]).encode(start, end),
        base.mark_rule(color=GREY, strokeWidth=2).encode(across, low, alt.Y2("high:Q")),
        base.mark_circle(color=TEAL, size=70, opacity=1).encode(across, up, tooltip=tips),
    ]
    spec = layered_spec(layers, words, rows, right=24, height=HEIGHT)
    points = [words.text("charts.calibration.point", **row) for row in rows]
    return ChartSpec(spec, words.text("charts.calibration.alt", points=join_items(points, words)))
