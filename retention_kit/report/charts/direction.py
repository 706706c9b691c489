"""Charts for languages from right to left: mirrored, with texts in their own direction.

Both functions take a finished specification and return another. Renderers assume that texts run from left to right, so
each text of the other direction has to be marked.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from retention_kit import bidi

_OTHER_SIDE = {"left": "right", "right": "left"}
_OTHER_END = {0: "width", "width": 0}
_OTHER_STEP = {"step-after": "step-before", "step-before": "step-after"}  # Vega joins points from the left
_TEXT_CHANNELS = ("text", "y", "y2", "color", "detail", "tooltip")  # channels with visible texts
_SYMBOL = 14  # pixels of a legend's square with the gap beside it


def mirrored(spec: dict) -> dict:
    """The mirror image of a chart: left becomes right, and the y axis is at the right; texts are unchanged."""
    padding, config = spec["padding"], spec["config"]
    changes = {
        "padding": padding | {"left": padding["right"], "right": padding["left"]},
        # An axis now ends where it began; the title of the y axis keeps its reading direction.
        "config": config
        | {"axisX": {"titleAnchor": "end", "titleAlign": "left"}, "axisY": {"titleAngle": -90, "titleBaseline": "top"}},
    }
    if "encoding" in spec:
        changes["encoding"] = _mirrored_encoding(spec["encoding"])
    layers = [
        layer | {"mark": _mirrored_mark(layer["mark"]), "encoding": _mirrored_encoding(layer.get("encoding", {}))}
        for layer in spec["layer"]
    ]
    return spec | changes | {"layer": layers}


def _mirrored_mark(mark: dict) -> dict:
    changes = {}
    for name, other in (("align", _OTHER_SIDE), ("interpolate", _OTHER_STEP)):
        if name in mark:
            changes[name] = other.get(mark[name], mark[name])
    return mark | changes | ({"dx": -mark["dx"]} if "dx" in mark else {})


def _mirrored_encoding(encoding: dict) -> dict:
    return {name: _mirrored_channel(name, channel) for name, channel in encoding.items()}


def _mirrored_channel(name: str, channel: Any) -> Any:
    if name in ("x", "x2") and "value" in channel:
        x = channel["value"]
        return channel | {"value": _OTHER_END.get(x) if x in _OTHER_END else {"expr": f"width - ({x})"}}
    if name == "x":
        return channel | {"scale": channel.get("scale", {}) | {"reverse": True}}
    if name == "y" and "value" not in channel:
        return channel | {"axis": channel.get("axis", {}) | {"orient": "right"}}
    return channel


def right_to_left(spec: dict) -> dict:
    """A chart whose texts run from right to left; its legend and titles begin at the right."""
    encodings = [spec.get("encoding", {}), *(layer.get("encoding", {}) for layer in spec["layer"])]
    fields = {channel["field"] for encoding in encodings for channel in _text_channels(encoding) if "field" in channel}
    config = spec["config"]
    legend = config["legend"] | {"layout": {"expr": "{top: {anchor: 'end'}}"}}
    title = {"titleAnchor": "start" if "axisX" in config else "end", "titleAlign": "right"}
    changes: dict[str, Any] = {
        "layer": [_with_rtl_texts(layer, fields) for layer in spec["layer"]],
        "config": config | {"legend": legend, "axisX": title},
        "usermeta": {"direction": "rtl"},  # for code that changes it before it is drawn
    }
    return _with_rtl_texts(spec, fields) | changes


def _text_channels(encoding: dict) -> Iterator[dict]:
    for name in _TEXT_CHANNELS:
        channel = encoding.get(name, {})
        yield from channel if isinstance(channel, list) else [channel]


def _with_rtl_texts(part: dict, fields: Iterable[str]) -> dict:
    """A specification or one of its layers with texts marked as right to left."""
    changes: dict[str, Any] = {}
    if "encoding" in part:
        changes["encoding"] = {
            name: _channel_with_rtl_texts(name, channel) for name, channel in part["encoding"].items()
        }
    if "values" in part.get("data", {}):
        rows = [row | {name: as_run(row[name]) for name in fields if name in row} for row in part["data"]["values"]]
        changes["data"] = part["data"] | {"values": rows}
    if "text" in part.get("mark", {}):
        changes["mark"] = part["mark"] | {"text": as_run(part["mark"]["text"])}
    return part | changes


def _channel_with_rtl_texts(name: str, channel: Any) -> Any:
    if not isinstance(channel, dict):
        return channel
    changes: dict[str, Any] = {}
    if channel.get("title"):
        changes["title"] = as_run(channel["title"])
    domain = channel.get("scale", {}).get("domain")
    if name in _TEXT_CHANNELS and domain:
        changes["scale"] = channel["scale"] | {"domain": as_run(domain)}
        if channel.get("legend", {}) is not None and isinstance(domain[0], str):  # each name before its square
            own = {"values": as_run(domain)[::-1], "labelAlign": "right", "labelOffset": {"expr": f"-{_SYMBOL}"}}
            changes |= {"legend": channel.get("legend", {}) | own} if name == "color" else {}
    return channel | changes


def as_run(text: Any) -> Any:
    """A text, or each of a list, as one run from right to left, even if it is truncated; unchanged if it has no letters
    of that direction, such as a number.
    """
    if isinstance(text, list):
        return [as_run(line) for line in text]
    if not isinstance(text, str):
        return text
    text = text[1:-1] if text[:1] in (bidi.LTR, bidi.EITHER) and bidi.is_isolated(text) else text
    kinds = {unicodedata.bidirectional(sign) for sign in text}
    return text if not kinds & {"R", "AL", "LRI", "RLI", "FSI"} or bidi.is_isolated(text) else bidi.rtl(text)
