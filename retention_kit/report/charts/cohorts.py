"""Charts of cohorts: a heat map by age, and curves. They compute no figure."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import pandas as pd

from retention_kit.bidi import plain
from retention_kit.report.charts.base import (
    GREY,
    INK,
    MUTED,
    TEAL,
    ChartSpec,
    alt,
    as_float,
    axis_domain,
    inline_data,
    join_items,
    layered_spec,
    quantitative,
    tooltips,
    with_selection,
    without_schema_checks,
)
from retention_kit.wording import Words

PALE, DEEP, AGE_ZERO = "#eef6f7", "#6fb2bc", "#eff2f4"
DARK = "#000000"  # contrast of at least 4.5:1 on all of them, also if charts are inverted in dark mode
ROW = 26  # height of a row of cells
BY_CELL = {"type": "point", "fields": ["cohort_id", "period"], "toggle": False}
SELECTED_CELL = {"param": "cell", "empty": False}
EVERY_AGE = 12  # each age up to this one has a column
MOST_LATE_COLUMNS = 6  # for higher ages
STEPS = {"week": (1, 4, 13, 26), "month": (1, 3, 6), "quarter": (1, 2), "year": (1,)}  # between these, or whole years
YEAR = {"week": 52, "month": 12, "quarter": 4, "year": 1}


def age_step(oldest: int, every: str) -> int:
    """The step between columns of a heat map above `EVERY_AGE`; 1 if there is space for all."""
    year = YEAR[every]
    years = (year * count for count in range(1, oldest // year + 2))
    return next(step for step in chain(STEPS[every], years) if oldest // step - EVERY_AGE // step <= MOST_LATE_COLUMNS)


@without_schema_checks
def heat_map(cells: pd.DataFrame, words: Words, every: str, unit: str, select: bool = False) -> ChartSpec | None:
    """A heat map with cohorts as rows, the oldest first, and ages as columns; future cells are left out.

    `cells` have cohort, age, period, size, complete and `value`, in `unit`. Cells of age 0 are pale, those whose period
    has not ended are outlined; of the others the highest is darkest. Of high ages only some have a column
    (`age_step`). `select` adds the selection parameter `cell` with `cohort_id` and `period` ("2011-11"). None if there
    is no age above 0.
    """
    step = age_step(int(cells["age"].max()), every)
    cells = cells[(cells["age"] <= EVERY_AGE) | (cells["age"] % step == 0)]
    records = [_cell(row, words, unit) | (_selection_fields(row) if select else {}) for row in cells.to_dict("records")]
    later = [record["value"] for record in records if record["kind"] == "later"]
    if not any(record["age"] for record in records):
        return None
    low, high = (min(later), max(later)) if later else (0, 1)
    domain = [low, high] if high > low else [low - 1, high]

    cohorts = list(dict.fromkeys(record["cohort"] for record in records))
    ages = sorted({record["age"] for record in records})
    width = max(40, 7 * max(len(plain(record["text"])) for record in records) + 8)
    label: dict[str, Any] = {"labelColor": INK, "labelPadding": 64, "labelLimit": 120, "labelOverlap": False}
    y = alt.Y("cohort:N", title=None, scale=alt.Scale(domain=cohorts, paddingInner=0.08), axis=alt.Axis(**label))
    x = alt.X(
        "age:O",
        title=words.text(f"charts.cohorts.age.{every}"),
        scale=alt.Scale(domain=ages, paddingInner=0.05, paddingOuter=0),
        axis=alt.Axis(orient="top", labelAngle=0, labelOverlap=False),
    )
    shade = alt.Scale(domain=domain, range=[PALE, DEEP], interpolate="rgb")
    cell = alt.Chart().encode(x, y, tooltip=tooltips(words, "cohort", "when", "figure", "n"))
    dashed: dict[str, Any] = {"stroke": MUTED, "strokeDash": [3, 3], "strokeWidth": 0.8}
    style: dict[str, Any] = {"align": "right", "color": MUTED, "fontSize": 11}
    sizes = alt.Chart().mark_text(**style).encode(y, alt.XValue(-10), alt.Text("size:N"))
    head = alt.Chart(inline_data([{}], "head")).mark_text(
        **style, baseline="bottom", text=words.text("charts.cohorts.size")
    )
    layers = [
        cell.mark_rect().encode(alt.Color("value:Q", scale=shade, legend=None)).transform_filter(_is_kind("later")),
        cell.mark_rect(color=AGE_ZERO).transform_filter(_is_kind("first")),
        cell.mark_rect(fillOpacity=0, **dashed).transform_filter(_is_kind("running")),
        cell.mark_text(color=DARK, fontSize=11).encode(alt.Text("text:N")).transform_filter(_is_kind("later")),
        cell.mark_text(color=MUTED, fontSize=11).encode(alt.Text("text:N")).transform_filter(f"!({_is_kind('later')})"),
        sizes.transform_filter("datum.age === 0"),
        head.encode(alt.XValue(-10), alt.YValue(-6)),
    ]
    if select:
        layers.insert(3, cell.mark_rect(fillOpacity=0, stroke=INK, strokeWidth=2).transform_filter(SELECTED_CELL))
    size = {"width": {"step": width}, "height": {"step": ROW}, "autosize": {"type": "pad"}}
    spec = layered_spec(layers, words, records, right=4, is_over_time=True) | size
    if select:
        spec = with_selection(spec, "cell", BY_CELL)
        spec["config"]["mark"] = {"cursor": "pointer"}
    return ChartSpec(spec, _heat_alt(records, cohorts, words, every))


@without_schema_checks
def curves(
    cells: pd.DataFrame, average: pd.DataFrame, chosen: str, words: Words, every: str, unit: str = "fraction"
) -> ChartSpec | None:
    """A figure by age, such as retention: a thin line for each cohort, a thick one for the average, one in colour.

    `cells` and `average` have age, size and `value`, in `unit`, `cells` also cohort; `chosen` is the cohort to
    highlight, or "". None with fewer than two ages.
    """
    if len(average) < 2:
        return None
    lines = [_point(row, words, unit) for row in cells.to_dict("records")]
    named = {"cohort": words.text("charts.curves.average")}
    mean = [_point(row, words, unit) | named for row in average.to_dict("records")]
    own = [line for line, cohort in zip(lines, cells["cohort"], strict=True) if cohort == chosen]
    y = quantitative(alt.Y, unit, words, axis_domain(unit, None, lines + mean))
    ages = [point["age"] for point in mean]
    axis = alt.Axis(values=ages, format="d", grid=False, labelOverlap=True, labelSeparation=6, labelFlush=False)
    scale = alt.Scale(domain=[ages[0], ages[-1]], nice=False, zero=False)
    x = alt.X("age:Q", title=words.text(f"charts.cohorts.age.{every}"), axis=axis, scale=scale)
    thin = [{name: line[name] for name in ("cohort", "age", "value")} for line in lines]  # without tooltips
    layers = [
        alt.Chart(inline_data(thin)).mark_line(color=GREY, strokeWidth=1).encode(y("value"), alt.Detail("cohort:N")),
        *_highlighted_layers(mean, "average", INK, y, words, align="left", dx=8),
    ]
    if own:
        average_then = next(point["value"] for point in mean if point["age"] == own[-1]["age"])
        dy = -16 if own[-1]["value"] > average_then else 18  # on the side away from the average
        layers += _highlighted_layers(own, "chosen", TEAL, y, words, align="center" if len(own) > 1 else "left", dy=dy)
    spec = layered_spec(layers, words, None, x, right=84, height=300, is_over_time=True)
    return ChartSpec(spec, _curves_alt(mean, own, words, every, unit))


def _is_kind(kind: str) -> str:
    return f"datum.kind === '{kind}'"


def _cell(row: dict, words: Words, unit: str) -> dict:
    """The fields of one cell; `text` has per cents without sign and decimals, and money without currency, for space."""
    value, figure = as_float(row["value"]), words.value(as_float(row["value"]), unit)
    return {
        "cohort": words.period(row["cohort"], "tick"),
        "when": words.period(row["period"]),
        "age": int(row["age"]),
        "size": words.value(int(row["size"]), "count"),
        "n": words.text("charts.n", n=words.value(int(row["size"]), "count")),
        "value": value,
        "figure": figure,
        "text": words.value(int(100 * row["value"] + 0.5), "count")
        if unit == "fraction"
        else _without_currency(value, words),
        "kind": "running" if not row["complete"] else "later" if row["age"] else "first",
    }


def _without_currency(value: float | None, words: Words) -> str:
    """Money without its currency, which is in the caption."""
    return Words(words.language, "XXX", words.digits).value(value, "money")


def _selection_fields(row: dict) -> dict:
    return {"cohort_id": str(row["cohort"]), "period": str(row["period"])}


def _point(row: dict, words: Words, unit: str) -> dict:
    value = as_float(row["value"])
    cohort = words.period(row["cohort"], "tick") if "cohort" in row else ""
    figure, size = words.value(value, unit), words.value(int(row["size"]), "count")
    return {
        "cohort": cohort,
        "age": int(row["age"]),
        "value": value,
        "figure": figure,
        "n": words.text("charts.n", n=size),
    }


def _highlighted_layers(
    points: list[dict], name: str, colour: str, y: Callable[[str], alt.Y], words: Words, **position: Any
) -> list[alt.Chart]:
    """A line with dots and tooltips, labelled at its end."""
    base = alt.Chart(inline_data(points, name)).encode(y("value"))
    end = alt.Chart(inline_data(points[-1:], f"{name}-end")).encode(y("value"), alt.Text("cohort:N"))
    label: dict[str, Any] = {"fontSize": 12, "fontWeight": "bold", **position}
    dots = base.mark_point(filled=True, size=36, color=colour, opacity=1)
    return [
        base.mark_line(color=colour, strokeWidth=2.5),
        dots.encode(tooltip=tooltips(words, "cohort", "age", "figure", "n")),
        end.mark_text(**label, stroke="white", strokeWidth=3, strokeJoin="round"),
        end.mark_text(**label, color=colour),
    ]


def _heat_alt(records: list[dict], cohorts: list[str], words: Words, every: str) -> str:
    """The extent of the heat map, then the columns of ages 1, 3, 6 and 12, cohort by cohort."""
    fields = {"count": len(cohorts), "first": cohorts[0], "last": cohorts[-1]}
    sentences = [words.text("charts.cohorts.alt", ages=words.text(f"charts.cohorts.age.{every}"), **fields)]
    known = [record for record in records if record["kind"] == "later"]
    for age in sorted({record["age"] for record in known} & {1, 3, 6, 12}):
        column = [f"{record['cohort']} {record['figure']}" for record in known if record["age"] == age]
        sentences.append(words.text("charts.cohorts.column", age=age, figures=join_items(column, words)))
    if running := next((record["when"] for record in records if record["kind"] == "running"), ""):
        sentences.append(words.text("charts.alt.unfinished", when=running))
    return " ".join(sentences)


def _curves_alt(mean: list[dict], own: list[dict], words: Words, every: str, unit: str) -> str:
    ages = words.text(f"charts.cohorts.age.{every}")
    sentences = [words.text("charts.curves.alt_money" if unit == "money" else "charts.curves.alt", ages=ages)]
    for points in filter(None, (mean, own)):
        figures = [f"{words.value(point['age'], 'count')}: {point['figure']}" for point in points]
        sentences.append(words.text("charts.curves.line", name=points[0]["cohort"], figures=join_items(figures, words)))
    return " ".join(sentences)
