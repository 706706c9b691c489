"""What all charts are made of: colours, scales, labels, and the finished specification."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce, wraps
from math import isfinite
from os.path import commonprefix
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd
from babel.numbers import get_decimal_symbol, get_group_symbol

from retention_kit import bidi
from retention_kit.report.charts.direction import mirrored, right_to_left
from retention_kit.wording import MINUS, Words

WIDTH, HEIGHT = 620, 180
FONT = "IBM Plex Sans Arabic, system-ui, sans-serif"
INK, MUTED, HAIRLINE = "#1b2433", "#5f6b7a", "#e6eaed"
TEAL, LIGHT_TEAL, AMBER, GREY = "#0f6b78", "#82b7bd", "#d9b25f", "#cfd6db"
TERRACOTTA, PALE_TERRACOTTA = "#c9806a", "#e6c0b3"
BRICK = "#a04a2c"  # terracotta, dark enough for text
# What XML, and so SVG, cannot hold becomes its visible picture; distinct names stay distinct.
_VISIBLE = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421, 0xFFFE: 0xFFFD, 0xFFFF: 0xFFFD}


class _Altair:
    """Altair, imported when the first chart is built: whoever only renders finished charts does without it."""

    def __getattr__(self, name: str) -> object:
        import altair

        return getattr(altair, name)


if TYPE_CHECKING:
    import altair as alt

    Position = TypeVar("Position", alt.X, alt.Y)
else:
    alt = _Altair()  # encodings are given as objects: Altair takes milliseconds to find the class for a text


@dataclass(frozen=True)
class ChartSpec:
    """A Vega-Lite specification, complete with its data, and the same picture in words."""

    spec: dict
    alt: str


def without_schema_checks(function: Callable[..., ChartSpec | None]) -> Callable[..., ChartSpec | None]:
    """Without Altair's check of every part as it is made, which takes longer than making it."""

    @wraps(function)
    def unchecked(*given: object, **more: object) -> ChartSpec | None:
        with alt.utils.schemapi.debug_mode(False):
            return function(*given, **more)

    return unchecked


def control_pictures(name: object) -> str:
    """A name from the data as a picture can show it: control characters drawn, nothing else changed."""
    return str(name).translate(_VISIBLE)


def short_names(names: list[object], most: int = 26) -> list[str]:
    """Names from the data as an axis has room for them: long ones without what they all begin or end with, cut in the
    middle.

    Two that would look alike are told apart by their place.
    """
    shown = [control_pictures(name) for name in names]
    long = [name for name in shown if len(name) > most]
    if len(long) > 1:
        begin = _shared(long, most // 3)
        end = _shared([name[::-1] for name in long], most // 3)
        if all(len(name) > begin + end for name in long):
            shown = [
                f"{'…' * bool(begin)}{name[begin : len(name) - end]}{'…' * bool(end)}" if len(name) > most else name
                for name in shown
            ]
    half = (most - 1) // 2
    shown = [name if len(name) <= most else f"{name[:half].rstrip()}…{name[-half:].lstrip()}" for name in shown]
    return [name if shown.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(shown, 1)]


def _shared(names: list[str], least: int) -> int:
    """How many letters all names begin with, up to the end of a word; 0 where these are too few to be left out."""
    shared = commonprefix(names)  # noqa: RUF071  names are no paths
    length = max(shared.rfind(sign) for sign in " -_/:.,") + 1
    return length if length >= least else 0


def as_float(value: Any) -> float | None:
    """A cell of a frame as a float; None where it is undefined, in whichever of pandas' ways."""
    return None if pd.isna(value) or not isfinite(value) else float(value)


def with_selection(spec: dict, name: str, select: dict) -> dict:
    """A layered specification in which a reader may select: Vega-Lite's parameter `name`, held by the layer of that
    name.

    What is selected comes from any layer; one must hold it, as otherwise each would have its own.
    """
    first, *others = spec["layer"]
    held = {"name": name, "select": select, "views": [f"{name}_layer"]}
    return spec | {"layer": [{"name": f"{name}_layer", **first}, *others], "params": [held]}


def inline_data(records: list[dict], name: str = "rows") -> alt.InlineData:
    """Named, so that Altair neither moves the rows nor names them by a hash."""
    return alt.InlineData(values=records, name=name)


def axis_domain(unit: str, reference: float | None, records: list[dict]) -> list[float]:
    """What the axis spans: everything drawn and some air, without leaving 0 to 100% or going below zero for it."""
    values = [reference, *(record.get(key) for record in records for key in ("value", "low", "high", "earlier"))]
    drawn: list[float] = [value for value in values if value is not None]
    low, high = min(drawn), max(drawn)
    air = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
    bottom = max(low - air, 0.0) if low >= 0 else low - air
    top = min(high + air, 1.0) if unit == "fraction" and high <= 1 else high + air
    return [bottom, top]


def quantitative(
    channel: type[Position], unit: str, words: Words, domain: list[float] | None = None, reach: float = 0.0
) -> Callable[[str], Position]:
    """The encoding of any field in `unit`: one scale and axis for all layers; `reach` is the largest figure."""
    axis = alt.Axis(format="~%" if unit == "fraction" else ",~f", tickCount=5, grid=True)
    if channel is alt.X:  # wide labels lie beside one another
        axis.labelOverlap, axis.labelSeparation = "greedy", 10
    if unit == "count":
        axis.tickMinStep = 1
    if unit == "money":
        axis.labelExpr = _money_label(max((abs(bound) for bound in domain or []), default=reach), words)
    scale = alt.Scale(domain=domain, nice=False, zero=False) if domain else alt.Undefined
    return lambda field: channel(f"{field}:Q", title=None, axis=axis, scale=scale)


def _money_label(reach: float, words: Words) -> str:
    """Ticks in the words' own shortening: what they put round a round figure goes round each tick."""
    shortened = ((1e12, 1), (1e9, 1), (1e6, 1), (1e3, 100))
    size, shown = next((pair for pair in shortened if reach >= pair[0] * pair[1]), (1, 100))
    before, _, after = words.value(size * shown, "money").partition(bidi.plain(words.value(shown, "count")))
    begin = [f"(datum.value < 0 ? '{MINUS}' : '')", json.dumps(before)]
    if not words.value(-size * shown, "money").startswith(MINUS):  # but within what is put before the number
        begin.reverse()
    figure = f"format(abs(datum.value) / {size:.0f}, ',~f') + {json.dumps(after)}"
    return f"datum.value ? {' + '.join(begin)} + {figure} : '{bidi.plain(words.value(0, 'count'))}'"


def conditional(channel: type, test: str, yes: object, no: object) -> object:
    """One value of a channel where a test holds, another elsewhere."""
    return channel(no, condition={"test": test, "value": yes})


def tooltips(words: Words, *fields: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{field}:N", title=words.text(f"charts.tooltip.{field}")) for field in fields]


def layered_spec(
    layers: list[alt.Chart],
    words: Words,
    rows: list[dict] | None = None,
    along: alt.X | alt.Y | None = None,
    *,
    right: int,
    height: int = HEIGHT,
    is_over_time: bool = False,
) -> dict:
    """The finished specification of layers, with the rows and the axis that they share, as the reader's language runs,
    or time in it.

    Put together here, as Altair would copy every layer six times. It hands them over as inner ones, so that the
    session's theme stays out of them, and does not check them against Vega-Lite's schema: whoever draws them does that
    again.
    """
    shared = {} if rows is None else {"data": {"name": "rows", "values": rows}}
    if along is not None:
        shared |= _inner(alt.Chart().encode(along), "encoding")
    digits = {"numbering_system": words.digits}
    signs: dict[str, Any] = {
        "decimal": get_decimal_symbol(words.locale, **digits),
        "thousands": get_group_symbol(words.locale, **digits),
        "minus": MINUS,
    }
    if words.digits != "latn":
        written = [bidi.plain(words.value(one, "count")) for one in range(10)]
        signs |= {"numerals": written, "percent": bidi.plain(words.value(1.0, "fraction"))[-1]}
    # Without a limit no text is measured to be cut; an axis of names from the data has its own.
    label = {"labelColor": MUTED, "labelFontSize": 12, "labelLimit": 0, "titleLimit": 0}
    title = {"titleColor": MUTED, "titleFontSize": 12, "titleFontWeight": "normal", "titleAnchor": "start"}
    spec = (
        {"layer": [_inner(layer) for layer in layers]}
        | shared
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
    spec = spec if words.digits == "latn" else _with_numerals(spec)
    spec = mirrored(spec) if (words.time_direction if is_over_time else words.direction) == "rtl" else spec
    return right_to_left(spec) if words.direction == "rtl" else spec


def _with_numerals(spec: dict) -> dict:
    """Numbers that stand for themselves, as names of bars or in tooltips, formatted as those of axes are."""
    rows = [row for part in (spec, *spec["layer"]) for row in part.get("data", {}).get("values", ())]

    def numbered(channel: Any) -> Any:
        if isinstance(channel, list):
            return [numbered(one) for one in channel]
        if not isinstance(next((row[channel["field"]] for row in rows if channel.get("field") in row), None), int):
            return channel
        if channel["type"] == "ordinal":
            return channel | {"axis": channel["axis"] | {"format": "d"}}
        return channel | {"type": "quantitative", "format": "d"} if channel["type"] == "nominal" else channel

    def all_numbered(part: dict) -> dict:
        return part | {"encoding": {name: numbered(one) for name, one in part.get("encoding", {}).items()}}

    return all_numbered(spec) | {"layer": [all_numbered(layer) for layer in spec["layer"]]}


def _inner(chart: alt.Chart, *only: str) -> dict:
    # It has data above it, or Altair would give it empty ones.
    specification = chart.to_dict(validate=False, context={"top_level": False, "data": None})
    return {name: specification[name] for name in only or specification}


def join_items(items: list[str], words: Words) -> str:
    """Items one after the other, as a language lists what has figures of its own."""
    joined = words.raw("document.joined")
    return reduce(lambda before, item: joined.format(before=before, item=item), items) if items else ""
