"""The figure of a goal over time, with its target, and where it is likely to lie until then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retention_kit.report.charts.base import (
    LIGHT_TEAL,
    TEAL,
    ChartSpec,
    alt,
    axis_domain,
    inline_data,
    interval_text,
    layered_spec,
    quantitative,
    tooltips,
    without_schema_checks,
)
from retention_kit.report.charts.series import period_axis, reference_line
from retention_kit.wording import Words

HEIGHT = 130  # pixels; several charts are below one another


@without_schema_checks
def goal_trend(
    history: Sequence[tuple[str, float | None]],
    outlook: Sequence[tuple[str, float, float, float]],
    target: float | None,
    unit: str,
    words: Words,
) -> ChartSpec | None:
    """A line of the history, a dashed line at the target, and a band of the outlook; None with fewer than two values.

    `history` has periods with their values, `outlook` later ones with low, middle and high, all in `unit`.
    """
    past = [_point(period, value, unit, words) for period, value in history]
    known = [record for record in past if record["value"] is not None]
    if len(known) < 2 or target is None:
        return None
    projected = [
        _point(period, middle, unit, words) | _bounds(low, high, unit, words) for period, low, middle, high in outlook
    ]
    if projected:  # the band begins at the last value
        last = known[-1]
        projected.insert(0, last | {"low": last["value"], "high": last["value"], "interval": ""})
    domain = axis_domain(unit, target, [*known, *projected])
    y = quantitative(alt.Y, unit, words, domain)
    line, later = alt.Chart(inline_data(past)), alt.Chart(inline_data(projected, "ahead"))
    label = [words.text("charts.goal"), words.bound(target, unit)]
    tips = tooltips(words, "when", "figure")
    dot: dict[str, Any] = {"filled": True, "size": 36, "opacity": 1, "color": TEAL}
    layers = [
        *([later.mark_area(color=TEAL, opacity=0.13).encode(y("low"), alt.Y2("high"))] if projected else []),
        *reference_line(target, y, label, alt.XValue(0), alt.X2Value("width")),
        *(
            [later.mark_line(color=LIGHT_TEAL, strokeWidth=1.5, strokeDash=[4, 4]).encode(y("value"))]
            if projected
            else []
        ),
        line.mark_line(color=TEAL, strokeWidth=2).encode(y("value")),
        line.mark_point(**dot).encode(y("value"), tooltip=tips),
    ]
    x = period_axis([*past, *projected[1:]], words)
    spec = layered_spec(layers, words, None, x, right=70, height=HEIGHT, is_over_time=True)
    return ChartSpec(spec, _alt(known, projected, words.bound(target, unit), words))


def _point(period: str, value: float | None, unit: str, words: Words) -> dict[str, Any]:
    return {
        "period": period,
        "when": words.period(period),
        "complete": True,
        "value": value,
        "figure": words.value(value, unit),
    }


def _bounds(low: float, high: float, unit: str, words: Words) -> dict[str, Any]:
    return {"low": low, "high": high, "interval": interval_text(low, high, unit, words)}


def _alt(known: list[dict], projected: list[dict], goal: str, words: Words) -> str:
    first, last = known[0], known[-1]
    texts = {"first": first["when"], "from": first["figure"], "last": last["when"], "to": last["figure"]}
    sentences = [words.text("charts.goals.alt", goal=goal, **texts)]
    if projected:
        sentences.append(
            words.text("charts.goals.ahead", when=projected[-1]["when"], interval=projected[-1]["interval"])
        )
    return " ".join(sentences)
