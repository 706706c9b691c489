"""Charts over periods and segments: tidy frames to Vega-Lite with Altair. They compute no figure.

Every function returns a `ChartSpec`, or None if no value is defined. Titles are left to the page. Only periods and our
own texts enter expressions; names from the data remain data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import ceil
from statistics import median
from typing import Any

import pandas as pd

from retention_kit.bidi import plain
from retention_kit.periods import Period
from retention_kit.report.charts.base import (
    AMBER,
    BRICK,
    GREY,
    HEIGHT,
    INK,
    LIGHT_TEAL,
    MUTED,
    PALE_TERRACOTTA,
    TEAL,
    TERRACOTTA,
    ChartSpec,
    alt,
    as_float,
    axis_domain,
    conditional,
    control_pictures,
    inline_data,
    interval_text,
    join_items,
    layered_spec,
    quantitative,
    short_names,
    tooltips,
    with_selection,
    without_schema_checks,
)
from retention_kit.report.charts.direction import as_run
from retention_kit.wording import DASH, Words

OVER_PERIODS = {"type": "interval", "encodings": ["x"], "mark": {"fill": TEAL, "fillOpacity": 0.1}}
MOST_LABELS = 14  # of periods, side by side
MOST_CHARACTERS = 4 * MOST_LABELS  # in all labels
ABOVE, BELOW = -14, 17  # offset of the latest figure from its point, in pixels downwards
GOAL_LABEL_OFFSET = 8  # of the middle of a goal's label below its line, in pixels
LABEL_DISTANCE = 20  # between two labels at least, in pixels


@without_schema_checks
def trend(
    rows: pd.DataFrame, words: Words, goal: float | None = None, before: str | None = None, brush: bool = False
) -> ChartSpec | None:
    """One metric over periods: a line with its interval, gaps where undefined, incomplete periods as hollow points.

    `rows` are scorecard rows of one metric and one segment value, oldest first. `before` is a column of them,
    `year_ago`, for a second, pale line. `brush` adds the selection parameter `brush` over `period`.
    """
    records = [_value_fields(row, words, before) | _period_fields(row, words) for row in rows.to_dict("records")]
    if all(record["value"] is None for record in records):
        return None
    solid = [record["complete"] and record["value"] is not None for record in records]
    for left, record, is_solid, right in zip([False, *solid[:-1]], records, solid, [*solid[1:], False], strict=True):
        record["alone"] = not (is_solid and (left or right))
        record["line"] = None if record["alone"] else record["value"]
        record["band"] = None if record["alone"] else record["low"]
    known = [record for record, is_solid in zip(records, solid, strict=True) if is_solid]
    for record in records:
        record["latest"] = bool(known) and record is known[-1]
    is_falling = len(known) > 1 and known[-2]["value"] > known[-1]["value"]

    unit, goal = rows["unit"].iloc[0], as_float(goal)
    low, high = axis_domain(unit, goal, records)
    y = quantitative(alt.Y, unit, words, [low, high])
    base = alt.Chart()
    named = [] if goal is None else [words.text("charts.goal"), words.bound(goal, unit)]
    below, shift = _label_positions(known[-1]["value"] if known else None, is_falling, goal, low, high)
    latest = base.encode(y("value"), alt.Text("figure:N")).transform_filter("datum.latest")
    bold: dict[str, Any] = {"fontSize": 13, "fontWeight": "bold", "dy": BELOW if below else ABOVE}
    if known and records[-1] is not known[-1]:  # make space for the point of an incomplete period
        bold |= {"align": "right", "dx": 8}
    layers = [
        base.mark_area(color=TEAL, opacity=0.13).encode(y("band"), alt.Y2("high")),
        *_last_year_layers(records, y, words),
        *reference_line(goal, y, named, alt.XValue(0), alt.X2Value("width"), shift=shift),
        base.mark_rule(color=LIGHT_TEAL, strokeWidth=2)
        .encode(y("low"), alt.Y2("high"))
        .transform_filter("datum.alone"),
        base.mark_line(color=TEAL, strokeWidth=2).encode(y("line")),
        latest.mark_text(**bold, stroke="white", strokeWidth=3, strokeJoin="round"),
        latest.mark_text(**bold, color=TEAL),
        _point_layer(words, "when", *(["before"] if before else [])).encode(y("value")),
    ]
    right = 70 if before else max([24, *(12 + 7 * len(plain(text)) for text in named)])
    spec = layered_spec(layers, words, records, period_axis(records, words), right=right, is_over_time=True)
    spec = with_selection(spec, "brush", OVER_PERIODS) if brush else spec
    return ChartSpec(spec, _trend_alt(rows, records, known, goal, words))


@without_schema_checks
def customer_movements(frame: pd.DataFrame, words: Words) -> ChartSpec | None:
    """Retained, reactivated and new customers above zero, lost ones below: one stacked bar per period."""
    up = {"retained": TEAL, "reactivated": LIGHT_TEAL, "new": AMBER}
    return _movements("customers", frame, words, "count", up, {"lost": TERRACOTTA})


@without_schema_checks
def mrr_movements(frame: pd.DataFrame, words: Words) -> ChartSpec | None:
    """Recurring revenue gained above zero and lost below, and the effect of exchange rates, if any, by its sign."""
    up = {"new": AMBER, "expansion": TEAL, "reactivation": LIGHT_TEAL}
    if any(as_float(value) for value in frame["fx"]):
        up["fx"] = GREY
    return _movements("mrr", frame, words, "money", up, {"contraction": PALE_TERRACOTTA, "churned": TERRACOTTA})


@without_schema_checks
def nps(rows: pd.DataFrame, words: Words) -> ChartSpec | None:
    """Promoters, passives and detractors as shares of each period's answers; `rows` have their counts and `n`."""
    kinds = {"detractors": TERRACOTTA, "passives": GREY, "promoters": TEAL}
    y = alt.Y("value:Q", title=None, stack="normalize", axis=alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1]))
    row: dict[str, Any] = {"fontSize": 11, "color": MUTED, "baseline": "bottom"}
    answers = (
        alt.Chart(name="counts")
        .mark_text(**row)
        .encode(alt.YValue(-5), alt.Text("whole:N"))
        .transform_filter("datum.rank === 0")
    )
    head = alt.Chart(inline_data([{}], "head"), name="counts_head").mark_text(
        **row, align="right", text=words.text("charts.nps.answers")
    )
    numbers = [answers, head.encode(alt.XValue(-6), alt.YValue(-5))] if len(rows) <= MOST_LABELS else []
    return _stacked("nps", rows, words, "count", kinds, y, "n", over=numbers, below=set())


@without_schema_checks
def segments(rows: pd.DataFrame, words: Words, total: float | None = None) -> ChartSpec | None:
    """One metric by segment value in one period: a dot with its interval for each, in the order of `rows`.

    `total` is the value of all customers, drawn as a line. Undefined values have no dot.
    """
    named = zip(rows.to_dict("records"), map(words.name, short_names([*rows.get("segment_value", ())])), strict=True)
    records = [_value_fields(row, words) | {"name": name} for row, name in named]
    if all(record["value"] is None for record in records):
        return None
    for record in records:
        record["beside"] = f"{record['figure']} · {record['n']}"

    unit, total = rows["unit"].iloc[0], as_float(total)
    whole = [f"{words.text('charts.whole')} {words.value(total, unit)}"]
    step = 24 if len(records) <= 20 else 15
    x = quantitative(alt.X, unit, words, axis_domain(unit, total, records))
    axis = alt.Axis(labelLimit=230, labelOverlap=False, labelColor=INK, labelFontSize=12 if step > 15 else 11)
    scale = alt.Scale(domain=[record["name"] for record in records], padding=0.5)
    base = alt.Chart()
    layers = [
        *reference_line(total, x, whole, alt.YValue(0), alt.Y2Value("height")),
        base.mark_rule(color=LIGHT_TEAL, strokeWidth=2).encode(x("low"), alt.X2("high")),
        _point_layer(words, "name").encode(x("value")),
        base.mark_text(align="left", dx=10, fontSize=11, color=MUTED).encode(alt.XValue("width"), alt.Text("beside:N")),
    ]
    y = alt.Y("name:N", title=None, scale=scale, axis=axis)
    room = 12 + 6 * max(len(plain(record["beside"])) for record in records)
    spec = layered_spec(layers, words, records, y, right=room, height=step * len(records) + 50)
    return ChartSpec(spec, _segments_alt(rows, records, total, words))


def _movements(name: str, frame: pd.DataFrame, words: Words, unit: str, up: dict, down: dict) -> ChartSpec | None:
    kinds = up | down
    reach = max((abs(as_float(value) or 0) for kind in kinds for value in frame[kind]), default=0)
    y = quantitative(alt.Y, unit, words, largest=reach)
    zero = alt.Chart(inline_data([{}], "zero")).mark_rule(color=MUTED)
    across = zero.encode(alt.YDatum(0), alt.XValue(0), alt.X2Value("width"))
    return _stacked(name, frame, words, unit, kinds, y("value"), "end", over=[across], below=set(down))


def _stacked(
    name: str, frame: pd.DataFrame, words: Words, unit: str, kinds: dict, y: alt.Y, whole: str, over: list, below: set
) -> ChartSpec | None:
    """One bar per period: `kinds` (column to colour) stacked from zero in their order, those in `below` downwards."""
    rows = frame.to_dict("records")
    periods = [_period_fields(row, words) | {"whole": words.value(as_float(row[whole]), unit)} for row in rows]
    label = {kind: words.text(f"charts.{name}.{kind}") for kind in kinds}
    records = [
        period | {"kind": label[kind], "rank": rank, "value": 0 - value if kind in below else value, "figure": figure}
        for rank, kind in enumerate(kinds)
        for row, period in zip(rows, periods, strict=True)
        if (value := as_float(row[kind])) is not None and (figure := words.value(value, unit))
    ]
    if not any(record["value"] for record in records):
        return None

    colour = alt.Color("kind:N", title=None, scale=alt.Scale(domain=list(label.values()), range=list(kinds.values())))
    total = alt.Tooltip("whole:N", title=words.text(f"charts.{name}.whole"))
    tips = [*tooltips(words, "when", "kind", "figure"), total]
    bar = alt.Chart().mark_bar(width=alt.RelativeBandSize(0.7))
    bars = bar.encode(
        y, colour, alt.Order("rank:Q"), conditional(alt.OpacityValue, "datum.complete", 1, 0.45), tooltip=tips
    )
    x = period_axis(periods, words)
    spec = layered_spec([bars, *over], words, records, x, right=24, height=HEIGHT + 30, is_over_time=True)
    return ChartSpec(spec, _stacked_alt(name, rows, periods, words, unit, label))


def _period_fields(row: dict, words: Words) -> dict:
    period = Period.parse(row["period"])
    return {"period": str(period), "when": words.period(period), "complete": bool(row["complete"])}


def _last_year_layers(records: list[dict], y: Callable, words: Words) -> list[alt.Chart]:
    """A second line with the values of a year before, labelled at its end; empty without such values."""
    if not (known := [record for record in records if record.get("earlier") is not None]):
        return []
    line: dict[str, Any] = {"color": LIGHT_TEAL, "strokeWidth": 1.5, "strokeDash": [2, 2]}
    dots = alt.OverlayMarkDef(color=LIGHT_TEAL, size=14, filled=True, opacity=1)
    end = alt.Chart(inline_data(known[-1:], "earlier")).encode(y("earlier"))
    label: dict[str, Any] = {"align": "left", "dx": 8, "fontSize": 11, "text": words.text("charts.before")}
    return [alt.Chart().mark_line(**line, point=dots).encode(y("earlier")), end.mark_text(**label, color=MUTED)]


def _value_fields(row: dict, words: Words, before: str | None = None) -> dict:
    value, low, high = (as_float(row[column]) for column in ("value", "low", "high"))
    earlier = as_float(row[before]) if before else None
    return {
        "value": value,
        "low": low,
        "high": high,
        "figure": words.value(value, row["unit"]),
        "interval": DASH if low is None else interval_text(low, high, row["unit"], words),
        "n": words.text("charts.n", n=words.value(as_float(row["n"]), "count")),
        "complete": bool(row["complete"]),
    } | ({"earlier": earlier, "before": words.value(earlier, row["unit"])} if before else {})


def period_axis(periods: list[dict], words: Words) -> alt.X:
    """An axis of periods in their order; with fewer labels if space is short, and the year where it changes."""
    most = MOST_LABELS // 2 if "W" in periods[0]["period"] else MOST_LABELS  # a week's label has day and month
    ticks = [_tick(record["period"], words) for record in periods]
    usual = median(len(name) for name, *_ in ticks)
    step = ceil(len(periods) / min(most, MOST_CHARACTERS // usual))
    labelled = slice((len(periods) - 1) % step, None, step)
    years = [year for _, year, _ in ticks[labelled]]
    # If the second label begins a year, there is no space for the year of the first.
    labels: dict[str, list[str]] = {}
    is_tight = step == 1 or len(years) > MOST_LABELS // 2
    year_before = years[0] if is_tight and len({*years[:2]}) > 1 else None
    for record, (name, year, has_year) in zip(periods[labelled], ticks[labelled], strict=True):
        lines = [name, year] if has_year and year != year_before else [name]
        if not record["complete"]:
            below = len(labels) > 0 and len([*labels.values()][-1]) > len(lines)  # the label before has a year
            lines += [*(["\N{ZERO WIDTH SPACE}"] if below else []), words.text("charts.incomplete")]
        labels[record["period"]], year_before = as_run(lines) if words.direction == "rtl" else lines, year
    # With `values` for an axis, Vega may drop the first label when the width changes.
    text = f"({json.dumps(labels)})[datum.value] || ''"
    axis = alt.Axis(labelExpr=text, labelAngle=0, labelOverlap=False)
    scale = alt.Scale(domain=[record["period"] for record in periods])
    return alt.X("period:O", title=None, scale=scale, axis=axis)


def with_fewer_labels(spec: dict, most: int) -> dict:
    """The chart with labels at `most` of its periods, the last one always among them, as `narrow` of charts.js has it
    on a phone: the year of one left out goes to the next.
    """
    x = spec.get("encoding", {}).get("x", {})
    labels = re.fullmatch(r"\((.*)\)\[datum\.value\] \|\| ''", x.get("axis", {}).get("labelExpr", ""))
    if labels is None:
        return spec
    lines = json.loads(labels[1])
    named = [period for period in x["scale"]["domain"] if period in lines]
    step = ceil(len(named) / most)
    kept: dict[str, list[str]] = {}
    year: list[str] = []
    for place, period in enumerate(named):
        name, *more = lines[period]
        year = more or year
        if (len(named) - 1 - place) % step == 0:
            kept[period], year = [name, *year], []
    axis = x["axis"] | {"labelExpr": f"({json.dumps(kept)})[datum.value] || ''"}
    return spec | {"encoding": spec["encoding"] | {"x": x | {"axis": axis}}}


def _tick(period: str, words: Words) -> tuple[str, str, bool]:
    """The label of a period on an axis, its year, and whether the year is shown below the label."""
    name, year = plain(words.period(period, "tick")), plain(words.period(period[:4]))
    rest = name.replace(year, "").strip(" -")
    return rest or name, year, bool(rest) and year in name


def _point_layer(words: Words, name: str, *more: str) -> alt.Chart:
    mark = alt.Chart().mark_point(filled=True, size=46, stroke=TEAL, strokeWidth=1.5, opacity=1)
    fill = conditional(alt.FillValue, "datum.complete", TEAL, "white")
    return mark.encode(fill, tooltip=tooltips(words, name, "figure", "interval", "n", *more))


def _label_positions(
    latest: float | None, is_falling: bool, goal: float | None, low: float, high: float
) -> tuple[bool, int]:
    """Whether the latest figure is below its point, and by how many pixels the goal's label is moved down.

    A falling figure has it below, unless the axis or the goal's label is there.
    """
    if latest is None:
        return False, 0
    pixels = (HEIGHT - 60) / (high - low)  # without the axis and its margin
    sides = [below for below in (is_falling, not is_falling) if not below or latest - low > 0.2 * (high - low)]
    if goal is None:
        return sides[0], 0
    # From the figure's label to the goal's.
    gaps = {below: (goal - latest) * pixels - GOAL_LABEL_OFFSET + (BELOW if below else ABOVE) for below in sides}
    below = next(
        (below for below in sides if abs(gaps[below]) >= LABEL_DISTANCE), max(sides, key=lambda below: abs(gaps[below]))
    )
    gap = gaps[below]
    return below, 0 if abs(gap) >= LABEL_DISTANCE else round(gap - LABEL_DISTANCE if gap >= 0 else gap + LABEL_DISTANCE)


def reference_line(
    at: float | None,
    channel: Callable,
    label: list[str],
    *span: alt.XValue | alt.YValue | alt.X2Value | alt.Y2Value,
    shift: int = 0,
) -> list[alt.Chart]:
    """A dashed line at a goal or at the whole, with a label outside the chart; empty if `at` is None.

    `shift` moves the label down, in pixels.
    """
    if at is None:
        return []
    base = alt.Chart(inline_data([{"at": at, "label": label}], "reference")).encode(channel("at"))
    if isinstance(span[0], alt.XValue):
        text = base.mark_text(color=BRICK, fontSize=11, align="left", dx=6, dy=shift).encode(
            alt.XValue("width"), alt.Text("label:N")
        )
    else:
        text = base.mark_text(color=BRICK, fontSize=11, dy=-9).encode(alt.YValue(0), alt.Text("label:N"))
    return [base.mark_rule(color=BRICK, strokeDash=[4, 3]).encode(*span), text]


def _trend_alt(rows: pd.DataFrame, records: list[dict], known: list[dict], goal: float | None, words: Words) -> str:
    sentences = [words.text("charts.alt.trend", label=rows["label"].iloc[0], span=_span(records, words))]
    for record in known[-1:]:
        sentences.append(words.text("charts.alt.bare" if record["low"] is None else "charts.alt.latest", **record))
    if len(known) > 1:
        low, high = (choose(known, key=lambda record: record["value"]) for choose in (min, max))
        extremes = {"low": low["figure"], "lowest": low["when"], "high": high["figure"], "highest": high["when"]}
        sentences.append(words.text("charts.alt.extremes", **extremes))
    if gaps := [record["when"] for record in records if record["value"] is None]:
        sentences.append(words.text("charts.alt.undefined", periods=join_items(gaps, words)))
    sentences += [words.text("charts.alt.incomplete", **record) for record in records if not record["complete"]]
    if earlier := [record for record in records if record.get("earlier") is not None]:
        sentences.append(words.text("charts.alt.before", figure=earlier[-1]["before"], when=earlier[-1]["when"]))
    if goal is not None:
        sentences.append(words.text("charts.alt.goal", goal=words.bound(goal, rows["unit"].iloc[0])))
    return " ".join(sentences)


def _stacked_alt(name: str, rows: list[dict], periods: list[dict], words: Words, unit: str, label: dict) -> str:
    """All parts of the last complete period, or of the last one if none is complete."""
    index = max((index for index, period in enumerate(periods) if period["complete"]), default=-1)
    parts = {name: words.value(as_float(rows[index][kind]), unit) for kind, name in label.items()}
    figures = [words.text("charts.alt.part", figure=figure, name=name) for name, figure in parts.items()]
    sentences = [
        words.text(f"charts.{name}.title", span=_span(periods, words)),
        words.text(f"charts.{name}.alt", figures=join_items(figures, words), **periods[index]),
        *(words.text("charts.alt.unfinished", when=other["when"]) for other in periods if not other["complete"]),
    ]
    return " ".join(sentences)


def _segments_alt(rows: pd.DataFrame, records: list[dict], total: float | None, words: Words) -> str:
    row = rows.iloc[0]
    subject = {
        "label": row["label"],
        "segment": control_pictures(row["segment"]),
        "period": words.period(row["period"]),
    }
    first = [f"{record['name']} {record['beside']}" for record in records[:10]]
    sentences = [words.text("charts.alt.segments", **subject), f"{join_items(first, words)}."]
    if len(records) > len(first):
        sentences.append(words.text("charts.alt.more", count=len(records) - len(first)))
    if total is not None:
        sentences.append(words.text("charts.alt.whole", value=words.value(total, row["unit"])))
    return " ".join(sentences)


def _span(periods: list[dict], words: Words) -> str:
    first, last = periods[0]["when"], periods[-1]["when"]
    return first if first == last else words.text("charts.interval", low=first, high=last)
