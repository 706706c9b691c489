"""Charts: tidy frames to Vega-Lite, by way of Altair. They place and word what they are given; they compute no figure.

Every function returns a `Drawing`, or None where no value is defined: an empty picture says less than a sentence.
Titles are left to the page. Only periods and our own words enter expressions; names from the data stay data.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from math import ceil, isfinite

import pandas as pd
from babel.lists import format_list
from babel.numbers import get_decimal_symbol, get_group_symbol

from retention_kit.periods import Period
from retention_kit.wording import DASH, MINUS, Words

WIDTH, HEIGHT = 620, 250
FONT = "IBM Plex Sans Arabic, system-ui, sans-serif"
INK, MUTED, HAIRLINE = "#1b2433", "#5f6b7a", "#e6eaed"
TEAL, LIGHT_TEAL, AMBER, GREY = "#0f6b78", "#82b7bd", "#d9b25f", "#cfd6db"
TERRACOTTA, PALE_TERRACOTTA = "#c9806a", "#e6c0b3"
BRICK = "#a04a2c"  # terracotta, dark enough for text

MOST_LABELS = 14  # period labels that fit side by side
# What XML, and so SVG, cannot hold becomes its visible picture; distinct names stay distinct.
_VISIBLE = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421, 0xFFFE: 0xFFFD, 0xFFFF: 0xFFFD}


class _Altair:
    """Altair, imported when the first chart is made: the process that computes and lays out a report makes none."""

    def __getattr__(self, name: str) -> object:
        import altair

        return getattr(altair, name)


alt = _Altair()  # in encodings, channels are objects: Altair takes milliseconds to find the one for a text


@dataclass(frozen=True)
class Drawing:
    """A Vega-Lite specification, complete with its data, and the same picture in words."""

    spec: dict
    alt: str


def drawing(function: Callable[..., Drawing | None]) -> Callable[..., Drawing | None]:
    """Without Altair's check of every part as it is made, which takes longer than making it."""

    @wraps(function)
    def unchecked(*given: object, **more: object) -> Drawing | None:
        with alt.utils.schemapi.debug_mode(False):
            return function(*given, **more)

    return unchecked


@drawing
def trend(rows: pd.DataFrame, words: Words, goal: float | None = None) -> Drawing | None:
    """One metric over periods: a line with its interval; gaps where undefined, incomplete periods hollow and apart.

    `rows` are scorecard rows of one metric and one segment value, oldest first.
    """
    records = [_measure(row, words) | _period(row, words) for row in rows.to_dict("records")]
    if all(record["value"] is None for record in records):
        return None
    solid = [record["complete"] and record["value"] is not None for record in records]
    for before, record, here, after in zip([False, *solid[:-1]], records, solid, [*solid[1:], False], strict=True):
        record["alone"] = not (here and (before or after))
        record["line"] = None if record["alone"] else record["value"]
        record["band"] = None if record["alone"] else record["low"]
    known = [record for record, here in zip(records, solid, strict=True) if here]
    for record in known[-1:]:
        record["latest"] = True
    falling = len(known) > 1 and known[-2]["value"] > known[-1]["value"]

    unit, goal = rows["unit"].iloc[0], number(goal)
    y = quantity(alt.Y, unit, words, extent(unit, goal, records))
    base = alt.Chart()
    latest = base.encode(y("value"), alt.Text("figure:N")).transform_filter("datum.latest")
    bold = {"fontSize": 13, "fontWeight": "bold", "dy": 17 if falling else -14}
    layers = [
        base.mark_area(color=TEAL, opacity=0.13).encode(y("band"), alt.Y2("high")),
        *_rule(goal, y, [words.text("charts.goal"), words.value(goal, unit)], alt.XValue(0), alt.X2Value("width")),
        base.mark_rule(color=LIGHT_TEAL, strokeWidth=2)
        .encode(y("low"), alt.Y2("high"))
        .transform_filter("datum.alone"),
        base.mark_line(color=TEAL, strokeWidth=2).encode(y("line")),
        latest.mark_text(**bold, stroke="white", strokeWidth=3, strokeJoin="round"),
        latest.mark_text(**bold, color=TEAL),
        _points(words, "when").encode(y("value")),
    ]
    chart = alt.layer(*layers, data=inline([])).encode(_over(records, words))
    return Drawing(
        finished(chart, words, records, right=24 if goal is None else 60), _trend_alt(rows, records, known, goal, words)
    )


@drawing
def customer_movements(frame: pd.DataFrame, words: Words) -> Drawing | None:
    """Customers kept, back and new above the line, those who did not return below it: one stacked bar per period."""
    up = {"retained": TEAL, "reactivated": LIGHT_TEAL, "new": AMBER}
    return _movements("customers", frame, words, "count", up, {"lost": TERRACOTTA})


@drawing
def mrr_movements(frame: pd.DataFrame, words: Words) -> Drawing | None:
    """Recurring revenue won above the line and lost below it; exchange rates by their sign, where any."""
    up = {"new": TEAL, "expansion": LIGHT_TEAL, "reactivation": AMBER}
    if any(number(value) for value in frame["fx"]):
        up["fx"] = GREY
    return _movements("mrr", frame, words, "money", up, {"contraction": PALE_TERRACOTTA, "churned": TERRACOTTA})


@drawing
def nps(rows: pd.DataFrame, words: Words) -> Drawing | None:
    """Promoters, passives and detractors as shares of each period's answers; `rows` hold their counts and `n`."""
    kinds = {"detractors": TERRACOTTA, "passives": GREY, "promoters": TEAL}
    y = alt.Y("value:Q", title=None, stack="normalize", axis=alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1]))
    row = {"fontSize": 11, "color": MUTED, "baseline": "bottom"}
    answers = (
        alt.Chart().mark_text(**row).encode(alt.YValue(-5), alt.Text("whole:N")).transform_filter("datum.rank === 0")
    )
    head = alt.Chart(inline([{}], "head")).mark_text(**row, align="right", text=words.text("charts.nps.answers"))
    numbers = [answers, head.encode(alt.XValue(-6), alt.YValue(-5))] if len(rows) <= MOST_LABELS else []
    return _stacked("nps", rows, words, "count", kinds, y, "n", over=numbers, below=set())


@drawing
def segments(rows: pd.DataFrame, words: Words, total: float | None = None) -> Drawing | None:
    """One metric over segment values in one period: a dot with its interval each, highest first; `total` is for all.

    Undefined values come last, named, with no dot.
    """
    records = [_measure(row, words) | {"name": visible(row["segment_value"])} for row in rows.to_dict("records")]
    records.sort(key=lambda record: (record["value"] is None, -(record["value"] or 0)))
    if not records or records[0]["value"] is None:
        return None
    for record in records:
        record["beside"] = f"{record['figure']} · {record['n']}"

    unit, total = rows["unit"].iloc[0], number(total)
    whole = [f"{words.text('charts.whole')} {words.value(total, unit)}"]
    step = 24 if len(records) <= 20 else 15
    x = quantity(alt.X, unit, words, extent(unit, total, records))
    axis = alt.Axis(labelLimit=170, labelOverlap=False, labelColor=INK, labelFontSize=12 if step > 15 else 11)
    scale = alt.Scale(domain=[record["name"] for record in records], padding=0.5)
    base = alt.Chart()
    layers = [
        *_rule(total, x, whole, alt.YValue(0), alt.Y2Value("height")),
        base.mark_rule(color=LIGHT_TEAL, strokeWidth=2).encode(x("low"), alt.X2("high")),
        _points(words, "name").encode(x("value")),
        base.mark_text(align="left", dx=10, fontSize=11, color=MUTED).encode(alt.XValue("width"), alt.Text("beside:N")),
    ]
    chart = alt.layer(*layers, data=inline([])).encode(alt.Y("name:N", title=None, scale=scale, axis=axis))
    room = 12 + 6 * max(len(record["beside"]) for record in records)
    spec = finished(chart, words, records, right=room, height=step * len(records) + 50)
    return Drawing(spec, _segments_alt(rows, records, total, words))


def _movements(name: str, frame: pd.DataFrame, words: Words, unit: str, up: dict, down: dict) -> Drawing | None:
    kinds = up | down
    reach = max((abs(number(value) or 0) for kind in kinds for value in frame[kind]), default=0)
    y = quantity(alt.Y, unit, words, reach=reach)
    zero = alt.Chart(inline([{}], "zero")).mark_rule(color=MUTED)
    across = zero.encode(alt.YDatum(0), alt.XValue(0), alt.X2Value("width"))
    return _stacked(name, frame, words, unit, kinds, y("value"), "end", over=[across], below=set(down))


def _stacked(
    name: str, frame: pd.DataFrame, words: Words, unit: str, kinds: dict, y: alt.Y, whole: str, over: list, below: set
) -> Drawing | None:
    """One bar per period: `kinds` (column to colour) stacked from zero in their order, those of `below` downwards."""
    rows = frame.to_dict("records")
    periods = [_period(row, words) | {"whole": words.value(number(row[whole]), unit)} for row in rows]
    label = {kind: words.text(f"charts.{name}.{kind}") for kind in kinds}
    records = [
        period | {"kind": label[kind], "rank": rank, "value": 0 - value if kind in below else value, "figure": figure}
        for rank, kind in enumerate(kinds)
        for row, period in zip(rows, periods, strict=True)
        if (value := number(row[kind])) is not None and (figure := words.value(value, unit))
    ]
    if not any(record["value"] for record in records):
        return None

    colour = alt.Color("kind:N", title=None, scale=alt.Scale(domain=list(label.values()), range=list(kinds.values())))
    of = alt.Tooltip("whole:N", title=words.text(f"charts.{name}.whole"))
    tips = [*tooltips(words, "when", "kind", "figure"), of]
    bar = alt.Chart().mark_bar(width=alt.RelativeBandSize(0.7))
    bars = bar.encode(y, colour, alt.Order("rank:Q"), either(alt.OpacityValue, "datum.complete", 1, 0.45), tooltip=tips)
    chart = alt.layer(bars, *over, data=inline([])).encode(_over(periods, words))
    return Drawing(finished(chart, words, records, right=24), _stacked_alt(name, rows, periods, words, unit, label))


def visible(name: object) -> str:
    """A name from the data as a picture can show it: control characters drawn, nothing else changed."""
    return str(name).translate(_VISIBLE)


def number(value: object) -> float | None:
    """Undefined, in whichever of the frame's ways, is None."""
    return None if pd.isna(value) or not isfinite(value) else float(value)


def _period(row: dict, words: Words) -> dict:
    period = Period.parse(row["period"])
    return {"period": str(period), "when": words.period(period), "complete": bool(row["complete"])}


def _measure(row: dict, words: Words) -> dict:
    value, low, high = (number(row[column]) for column in ("value", "low", "high"))
    figure, lowest, highest = (words.value(bound, row["unit"]) for bound in (value, low, high))
    return {
        "value": value,
        "low": low,
        "high": high,
        "figure": figure,
        "interval": DASH if low is None else words.text("charts.interval", low=lowest, high=highest),
        "n": words.text("charts.n", n=words.value(number(row["n"]), "count")),
        "complete": bool(row["complete"]),
    }


def inline(records: list[dict], name: str = "rows") -> alt.InlineData:
    """Named, so that Altair neither moves the rows nor names them by a hash."""
    return alt.InlineData(values=records, name=name)


def extent(unit: str, reference: float | None, records: list[dict]) -> list[float]:
    """What the axis spans: everything drawn and some air, without leaving 0 to 100% or going below zero for it."""
    drawn = [reference, *(record.get(key) for record in records for key in ("value", "low", "high"))]
    drawn = [value for value in drawn if value is not None]
    low, high = min(drawn), max(drawn)
    air = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
    bottom = max(low - air, 0.0) if low >= 0 else low - air
    top = min(high + air, 1.0) if unit == "fraction" and high <= 1 else high + air
    return [bottom, top]


def quantity(
    channel: type[alt.X | alt.Y], unit: str, words: Words, domain: list[float] | None = None, reach: float = 0.0
) -> Callable[[str], alt.X | alt.Y]:
    """The encoding of any field in `unit`: one scale and axis for all layers; `reach` is the largest figure."""
    axis = alt.Axis(format="~%" if unit == "fraction" else ",~f", tickCount=5, grid=True)
    if unit == "count":
        axis.tickMinStep = 1
    if unit == "money":
        axis.labelExpr = _money_label(max((abs(bound) for bound in domain or []), default=reach), words)
    scale = alt.Scale(domain=domain, nice=False, zero=False) if domain else alt.Undefined
    return lambda field: channel(f"{field}:Q", title=None, axis=axis, scale=scale)


def _money_label(reach: float, words: Words) -> str:
    """Ticks in the words' own shortening: what they put round a round figure goes round each tick."""
    shortened = ((1e9, 1), (1e6, 1), (1e3, 100))
    size, shown = next((pair for pair in shortened if reach >= pair[0] * pair[1]), (1, 100))
    before, _, after = words.value(size * shown, "money").partition(str(shown))
    figure = f"{json.dumps(before)} + format(abs(datum.value) / {size:.0f}, ',~f') + {json.dumps(after)}"
    return f"datum.value ? (datum.value < 0 ? '{MINUS}' : '') + {figure} : '0'"


def _over(periods: list[dict], words: Words) -> alt.X:
    """Periods in the order given; labels thinned to fit, the latest kept, with the year where it changes."""
    step = ceil(len(periods) / MOST_LABELS)
    labels, year_before = {}, None
    for record in periods[(len(periods) - 1) % step :: step]:
        year = record["period"][:4]
        name = words.period(record["period"], "short")
        lines = [name.replace(year, "").strip(" -") or name]
        if year in name and year not in (year_before, lines[0]):
            lines.append(year)
        if not record["complete"]:
            lines.append(words.text("charts.incomplete"))
        labels[record["period"]], year_before = lines, year
    text = f"({json.dumps(labels)})[datum.value]"
    axis = alt.Axis(values=list(labels), labelExpr=text, labelAngle=0, labelOverlap=False)
    scale = alt.Scale(domain=[record["period"] for record in periods])
    return alt.X("period:O", title=None, scale=scale, axis=axis)


def either(channel: type, test: str, yes: object, no: object) -> object:
    """One value of a channel where a test holds, another elsewhere."""
    return channel(no, condition={"test": test, "value": yes})


def tooltips(words: Words, *fields: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{field}:N", title=words.text(f"charts.tooltip.{field}")) for field in fields]


def _points(words: Words, name: str) -> alt.Chart:
    mark = alt.Chart().mark_point(filled=True, size=46, stroke=TEAL, strokeWidth=1.5, opacity=1)
    fill = either(alt.FillValue, "datum.complete", TEAL, "white")
    return mark.encode(fill, tooltip=tooltips(words, name, "figure", "interval", "n"))


def _rule(
    at: float | None, channel: Callable, label: list[str], *span: alt.XValue | alt.YValue | alt.X2Value | alt.Y2Value
) -> list[alt.Chart]:
    """A dashed line across the picture at a goal or at the whole, labelled outside it; none where `at` is None."""
    if at is None:
        return []
    base = alt.Chart(inline([{"at": at, "label": label}], "reference")).encode(channel("at"))
    if isinstance(span[0], alt.XValue):
        text = base.mark_text(color=BRICK, fontSize=11, align="left", dx=6).encode(
            alt.XValue("width"), alt.Text("label:N")
        )
    else:
        text = base.mark_text(color=BRICK, fontSize=11, dy=-9).encode(alt.YValue(0), alt.Text("label:N"))
    return [base.mark_rule(color=BRICK, strokeDash=[4, 3]).encode(*span), text]


def finished(
    chart: alt.LayerChart, words: Words, rows: list[dict] | None = None, *, right: int, height: int = HEIGHT
) -> dict:
    """The finished specification, with the rows that the layers share: as part of the chart they are copied for each.

    Altair hands it over as an inner one, so that the session's theme stays out of it, and does not check it against
    Vega-Lite's schema: whoever draws it does that again.
    """
    data = {} if rows is None else {"data": {"name": "rows", "values": rows}}
    signs = {"decimal": get_decimal_symbol(words.locale), "thousands": get_group_symbol(words.locale), "minus": MINUS}
    label = {"labelColor": MUTED, "labelFontSize": 12}
    title = {"titleColor": MUTED, "titleFontSize": 12, "titleFontWeight": "normal", "titleAnchor": "start"}
    return (
        chart.to_dict(validate=False, context={"top_level": False})
        | data
        | {
            "$schema": alt.SCHEMA_URL,
            "width": WIDTH,
            "height": height,
            "autosize": {"type": "fit", "contains": "padding"},
            "padding": {"left": 4, "top": 20, "right": right, "bottom": 4},
            "background": "transparent",
            "config": {
                "font": FONT,
                "locale": {"number": signs | {"grouping": [3], "currency": ["", ""]}},
                "view": {"stroke": None},
                "axis": label
                | title
                | {"labelPadding": 6, "titlePadding": 8, "domain": False, "ticks": False, "gridColor": HAIRLINE},
                "legend": label | {"orient": "top", "symbolType": "square", "offset": 22, "columnPadding": 14},
            },
        }
    )


def _trend_alt(rows: pd.DataFrame, records: list[dict], known: list[dict], goal: float | None, words: Words) -> str:
    told = [words.text("charts.alt.trend", label=rows["label"].iloc[0], span=_span(records, words))]
    for record in known[-1:]:
        told.append(words.text("charts.alt.bare" if record["low"] is None else "charts.alt.latest", **record))
    if len(known) > 1:
        low, high = (choose(known, key=lambda record: record["value"]) for choose in (min, max))
        extremes = {"low": low["figure"], "lowest": low["when"], "high": high["figure"], "highest": high["when"]}
        told.append(words.text("charts.alt.extremes", **extremes))
    if gaps := [record["when"] for record in records if record["value"] is None]:
        told.append(words.text("charts.alt.undefined", periods=listed(gaps, words)))
    told += [words.text("charts.alt.incomplete", **record) for record in records if not record["complete"]]
    if goal is not None:
        told.append(words.text("charts.alt.goal", goal=words.value(goal, rows["unit"].iloc[0])))
    return " ".join(told)


def _stacked_alt(name: str, rows: list[dict], periods: list[dict], words: Words, unit: str, label: dict) -> str:
    """The last complete period in full, or the last one where none is."""
    place = max((place for place, period in enumerate(periods) if period["complete"]), default=-1)
    figures = [f"{words.value(number(rows[place][kind]), unit)} {label[kind]}" for kind in label]
    told = [
        words.text(f"charts.{name}.title", span=_span(periods, words)),
        words.text(f"charts.{name}.alt", figures=listed(figures, words), **periods[place]),
        *(words.text("charts.alt.unfinished", when=other["when"]) for other in periods if not other["complete"]),
    ]
    return " ".join(told)


def _segments_alt(rows: pd.DataFrame, records: list[dict], total: float | None, words: Words) -> str:
    row = rows.iloc[0]
    subject = {"label": row["label"], "segment": visible(row["segment"]), "period": words.period(row["period"])}
    first = [f"{record['name']} {record['beside']}" for record in records[:10]]
    told = [words.text("charts.alt.segments", **subject), f"{listed(first, words)}."]
    if len(records) > len(first):
        told.append(words.text("charts.alt.more", count=len(records) - len(first)))
    if total is not None:
        told.append(words.text("charts.alt.whole", value=words.value(total, row["unit"])))
    return " ".join(told)


def _span(periods: list[dict], words: Words) -> str:
    first, last = periods[0]["when"], periods[-1]["when"]
    return first if first == last else words.text("charts.interval", low=first, high=last)


def listed(items: list[str], words: Words) -> str:
    return format_list(items, "unit", locale=words.locale)
