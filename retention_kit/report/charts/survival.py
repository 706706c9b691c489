"""Charts of survival curves with their intervals and projections. They compute no figure."""

from __future__ import annotations

from typing import Any

from retention_kit.lazy import pd
from retention_kit.report.charts.base import (
    AMBER,
    GREY,
    INK,
    LIGHT_TEAL,
    TEAL,
    TERRACOTTA,
    ChartSpec,
    alt,
    as_float,
    inline_data,
    interval_text,
    layered_spec,
    quantitative,
    short_names,
    tooltips,
    without_schema_checks,
)
from retention_kit.wording import Words

COLOURS = (TEAL, AMBER, TERRACOTTA, INK, LIGHT_TEAL, GREY)
TICKS = ((24, 3), (48, 6), (10**6, 12))  # longest curve in months, and months between ticks


@without_schema_checks
def survival(observed: pd.DataFrame, projected: pd.DataFrame, words: Words) -> ChartSpec | None:
    """The share of customers still there by months since the start: a stepped line with a band for each group, and its
    projection as a dashed line.

    `observed` and `projected` have group (drawn in their order), month and share (a fraction), `observed` also low,
    high and at_risk. None if `observed` is empty.
    """
    if observed.empty:
        return None
    groups = [*dict.fromkeys(observed["group"])]
    names = dict(zip(groups, map(words.name, short_names(groups)), strict=True))
    known = [_point(row, words) | {"name": names[row["group"]]} for row in observed.to_dict("records")]
    ahead = [_point(row, words) | {"name": names[row["group"]]} for row in projected.to_dict("records")]
    longest = max(point["age"] for point in [*known, *ahead])
    step = next(step for most, step in TICKS if longest <= most)
    axis = alt.Axis(values=[*range(0, longest + 1, step)], format="d", grid=False)
    scale = alt.Scale(domain=[0, longest], nice=False, zero=False)
    x = alt.X("age:Q", title=words.text("charts.survival.axis"), axis=axis, scale=scale)
    y = quantitative(alt.Y, "fraction", words, [0, 1])
    colours = alt.Scale(domain=[*names.values()], range=[*COLOURS[: len(names)]])
    legend = alt.Legend(symbolOpacity=1) if len(names) > 1 else None  # not as pale as the bands
    colour = alt.Color("name:N", title=None, scale=colours, legend=legend)
    step_after: dict[str, Any] = {"interpolate": "step-after"}
    base = alt.Chart(inline_data(known)).encode(colour)
    tips = tooltips(words, "name", "month", "figure", "interval", "n")
    layers = [
        base.mark_area(opacity=0.13, **step_after).encode(y("low"), alt.Y2("high")),
        base.mark_line(strokeWidth=2, **step_after).encode(y("value")),
        base.mark_point(filled=True, size=60, opacity=0).encode(y("value"), tooltip=tips),
    ]
    if ahead:
        dashed = alt.Chart(inline_data(ahead, "projected")).encode(y("value"), colour)
        layers.append(dashed.mark_line(strokeWidth=1.5, strokeDash=[4, 4], opacity=0.8))
    spec = layered_spec(layers, words, None, x, right=24, height=300, is_over_time=True)
    return ChartSpec(spec, _alt(known, ahead, [*names.values()], words))


def _point(row: dict, words: Words) -> dict:
    month, share = int(row["month"]), as_float(row["share"])
    figures = {"figure": words.value(share, "fraction"), "month": words.value(month, "count")}
    point = {"age": month, "value": share, **figures}
    if "at_risk" not in row:
        return point
    low, high = (as_float(row[name]) for name in ("low", "high"))
    return point | {
        "low": low,
        "high": high,
        "interval": interval_text(low, high, "fraction", words),
        "n": words.text("charts.n", n=words.value(row["at_risk"], "count")),
    }


def _alt(known: list[dict], ahead: list[dict], names: list[str], words: Words) -> str:
    """The last known point of each line, and the end of its projection."""
    sentences = [words.text("charts.survival.alt")]
    for name in names:
        last = [point for point in known if point["name"] == name][-1]
        text = words.text("charts.survival.line", name=name or words.text("charts.whole"), **_ends(last))
        later = [point for point in ahead if point["name"] == name]
        sentences.append(text + (words.text("charts.survival.ahead", **_ends(later[-1])) if later else "") + ".")
    return " ".join(sentences)


def _ends(point: dict) -> dict:
    return {"month": point["month"], "share": point["figure"]}
