"""Shared parts of all charts: colours, scales, labels, and the finished specification."""

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
from retention_kit.lazy import alt
from retention_kit.report.charts.direction import mirrored, right_to_left
from retention_kit.wording import MINUS, Words

WIDTH, HEIGHT = 620, 180
FONT = "IBM Plex Sans Arabic, system-ui, sans-serif"
INK, MUTED, HAIRLINE = "#1b2433", "#5f6b7a", "#e6eaed"
TEAL, LIGHT_TEAL, AMBER, GREY = "#0f6b78", "#82b7bd", "#d9b25f", "#cfd6db"
TERRACOTTA, PALE_TERRACOTTA = "#c9806a", "#e6c0b3"
BRICK = "#a04a2c"  # terracotta, dark enough for text
# Control characters, which XML and so SVG cannot have, become control pictures; distinct names stay distinct.
_VISIBLE = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421, 0xFFFE: 0xFFFD, 0xFFFF: 0xFFFD}


if TYPE_CHECKING:  # use encodings as objects: Altair takes milliseconds to parse a shorthand text
    Position = TypeVar("Position", alt.X, alt.Y)


@dataclass(frozen=True)
class ChartSpec:
    """A Vega-Lite specification with its data, and its text alternative."""

    spec: dict
    alt: str


def without_schema_checks(function: Callable[..., ChartSpec | None]) -> Callable[..., ChartSpec | None]:
    """A decorator that turns off Altair's validation of every part, which takes longer than building the chart."""

    @wraps(function)
    def unchecked(*args: object, **kwargs: object) -> ChartSpec | None:
        with alt.utils.schemapi.debug_mode(False):
            return function(*args, **kwargs)

    return unchecked


def control_pictures(name: object) -> str:
    """A name from the data with control characters replaced by control pictures."""
    return str(name).translate(_VISIBLE)


def short_names(names: list[object], most: int = 26) -> list[str]:
    """Names from the data, shortened to `most` characters for an axis: long ones lose their common beginning and end,
    then their middle.

    Names that become equal get their position in parentheses.
    """
    texts = [control_pictures(name) for name in names]
    long = [name for name in texts if len(name) > most]
    if len(long) > 1:
        begin = _common_prefix(long, most // 3)
        end = _common_prefix([name[::-1] for name in long], most // 3)
        if all(len(name) > begin + end for name in long):
            texts = [
                f"{'…' * bool(begin)}{name[begin : len(name) - end]}{'…' * bool(end)}" if len(name) > most else name
                for name in texts
            ]
    half = (most - 1) // 2
    texts = [name if len(name) <= most else f"{name[:half].rstrip()}…{name[-half:].lstrip()}" for name in texts]
    return [name if texts.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(texts, 1)]


def _common_prefix(names: list[str], least: int) -> int:
    """The length of the common beginning of names, up to the end of a word; 0 if it is shorter than `least`."""
    prefix = commonprefix(names)  # noqa: RUF071  names are no paths
    length = max(prefix.rfind(sign) for sign in " -_/:.,") + 1
    return length if length >= least else 0


def as_float(value: Any) -> float | None:
    """A cell of a frame as a float; None if it is missing or infinite."""
    return None if pd.isna(value) or not isfinite(value) else float(value)


def with_selection(spec: dict, name: str, select: dict) -> dict:
    """A layered specification with Vega-Lite's selection parameter `name`.

    It belongs to the first layer, as otherwise each layer would have its own; a reader can select in all of them.
    """
    first, *others = spec["layer"]
    parameter = {"name": name, "select": select, "views": [f"{name}_layer"]}
    return spec | {"layer": [{"name": f"{name}_layer", **first}, *others], "params": [parameter]}


def inline_data(records: list[dict], name: str = "rows") -> alt.InlineData:
    """Rows as inline data, named so that Altair neither moves them nor names them by a hash."""
    return alt.InlineData(values=records, name=name)


def axis_domain(unit: str, reference: float | None, records: list[dict]) -> list[float]:
    """The domain of an axis: all values with a margin, which does not go below zero or above 100%."""
    cells = [reference, *(record.get(key) for record in records for key in ("value", "low", "high", "earlier"))]
    values: list[float] = [value for value in cells if value is not None]
    low, high = min(values), max(values)
    margin = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
    bottom = max(low - margin, 0.0) if low >= 0 else low - margin
    top = min(high + margin, 1.0) if unit == "fraction" and high <= 1 else high + margin
    return [bottom, top]


def quantitative(
    channel: type[Position], unit: str, words: Words, domain: list[float] | None = None, largest: float = 0.0
) -> Callable[[str], Position]:
    """A function that encodes a field in `unit`, with one scale and axis for all layers; `largest` is the largest
    absolute value, if there is no `domain`.
    """
    axis = alt.Axis(format="~%" if unit == "fraction" else ",~f", tickCount=5, grid=True)
    if channel is alt.X:  # wide labels beside one another
        axis.labelOverlap, axis.labelSeparation = "greedy", 10
    if unit == "count":
        axis.tickMinStep = 1
    if unit == "money":
        axis.labelExpr = _money_label(max((abs(bound) for bound in domain or []), default=largest), words)
    scale = alt.Scale(domain=domain, nice=False, zero=False) if domain else alt.Undefined
    return lambda field: channel(f"{field}:Q", title=None, axis=axis, scale=scale)


def _money_label(largest: float, words: Words) -> str:
    """A Vega expression that labels ticks as `Words.value` shortens money: the texts around a sample go around each."""
    shortened = ((1e12, 1), (1e9, 1), (1e6, 1), (1e3, 100))
    size, sample = next((pair for pair in shortened if largest >= pair[0] * pair[1]), (1, 100))
    before, _, after = words.value(size * sample, "money").partition(bidi.plain(words.value(sample, "count")))
    begin = [f"(datum.value < 0 ? '{MINUS}' : '')", json.dumps(before)]
    if not words.value(-size * sample, "money").startswith(MINUS):  # the sign is after the currency
        begin.reverse()
    figure = f"format(abs(datum.value) / {size:.0f}, ',~f') + {json.dumps(after)}"
    return f"datum.value ? {' + '.join(begin)} + {figure} : '{bidi.plain(words.value(0, 'count'))}'"


def conditional(channel: type, test: str, value: object, default: object) -> object:
    """A channel with one value if a test holds, else another."""
    return channel(default, condition={"test": test, "value": value})


def interval_text(low: float | None, high: float | None, unit: str, words: Words) -> str:
    """An interval with its bounds in `unit`."""
    return words.text("charts.interval", low=words.value(low, unit), high=words.value(high, unit))


def tooltips(words: Words, *fields: str) -> list[alt.Tooltip]:
    """Tooltips of fields, labelled by the texts `charts.tooltip`."""
    return [alt.Tooltip(f"{field}:N", title=words.text(f"charts.tooltip.{field}")) for field in fields]


def layered_spec(
    layers: list[alt.Chart],
    words: Words,
    rows: list[dict] | None = None,
    shared_axis: alt.X | alt.Y | None = None,
    *,
    right: int,
    height: int = HEIGHT,
    is_over_time: bool = False,
) -> dict:
    """The finished specification of layers, with their shared rows and axis, mirrored if the reader's language (or time
    in it, if `is_over_time`) runs from right to left.

    It is composed here, as Altair would copy every layer six times. Layers are exported as inner ones, without the
    session's theme, and not validated against Vega-Lite's schema, as the renderer does that.
    """
    shared = {} if rows is None else {"data": {"name": "rows", "values": rows}}
    if shared_axis is not None:
        shared |= _layer_dict(alt.Chart().encode(shared_axis), "encoding")
    digits = {"numbering_system": words.digits}
    signs: dict[str, Any] = {
        "decimal": get_decimal_symbol(words.locale, **digits),
        "thousands": get_group_symbol(words.locale, **digits),
        "minus": MINUS,
    }
    if words.digits != "latn":
        numerals = [bidi.plain(words.value(digit, "count")) for digit in range(10)]
        signs |= {"numerals": numerals, "percent": bidi.plain(words.value(1.0, "fraction"))[-1]}
    # Without a limit no text is truncated; an axis of names from the data has its own.
    label = {"labelColor": MUTED, "labelFontSize": 12, "labelLimit": 0, "titleLimit": 0}
    title = {"titleColor": MUTED, "titleFontSize": 12, "titleFontWeight": "normal", "titleAnchor": "start"}
    spec = (
        {"layer": [_layer_dict(layer) for layer in layers]}
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
    """A specification whose integers in tooltips and names of bars are formatted like those of axes."""
    rows = [row for part in (spec, *spec["layer"]) for row in part.get("data", {}).get("values", ())]

    def numbered(channel: Any) -> Any:
        if isinstance(channel, list):
            return [numbered(part) for part in channel]
        if not isinstance(next((row[channel["field"]] for row in rows if channel.get("field") in row), None), int):
            return channel
        if channel["type"] == "ordinal":
            return channel | {"axis": channel["axis"] | {"format": "d"}}
        return channel | {"type": "quantitative", "format": "d"} if channel["type"] == "nominal" else channel

    def all_numbered(part: dict) -> dict:
        return part | {"encoding": {name: numbered(channel) for name, channel in part.get("encoding", {}).items()}}

    return all_numbered(spec) | {"layer": [all_numbered(layer) for layer in spec["layer"]]}


def _layer_dict(chart: alt.Chart, *only: str) -> dict:
    # Its data are in the enclosing specification; without `data`, Altair would add empty ones.
    specification = chart.to_dict(validate=False, context={"top_level": False, "data": None})
    return {name: specification[name] for name in only or specification}


def join_items(items: list[str], words: Words) -> str:
    """Items that contain figures, joined as the language lists them; empty without items."""
    joined = words.raw("document.joined")
    return reduce(lambda before, item: joined.format(before=before, item=item), items) if items else ""
