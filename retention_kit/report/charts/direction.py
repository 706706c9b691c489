"""Charts for those who read from right to left: the picture mirrored, its texts in their order.

Both take a finished specification and return another. All that draws pictures takes their texts to run from left to
right, whatever stands around them, so that a text of the other direction says its own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from retention_kit import bidi

_OTHER_SIDE = {"left": "right", "right": "left"}
_OTHER_END = {0: "width", "width": 0}
_OTHER_STEP = {"step-after": "step-before", "step-before": "step-after"}  # Vega joins points from the left
_SAID = ("text", "y", "y2", "color", "detail", "tooltip")  # channels whose texts a reader sees
_SYMBOL = 14  # pixels of a legend's square with the gap beside it


def mirrored(spec: dict) -> dict:
    """The same picture from right to left: what was left is right, the axis upwards stands at the right."""
    padding, config = spec["padding"], spec["config"]
    turned = {
        "padding": padding | {"left": padding["right"], "right": padding["left"]},
        # An axis ends now where it began; upwards its title is read as it was, and no label is below it.
        "config": config
        | {"axisX": {"titleAnchor": "end", "titleAlign": "left"}, "axisY": {"titleAngle": -90, "titleBaseline": "top"}},
    }
    if "encoding" in spec:
        turned["encoding"] = _turned_channels(spec["encoding"])
    layers = [
        layer | {"mark": _turned_mark(layer["mark"]), "encoding": _turned_channels(layer.get("encoding", {}))}
        for layer in spec["layer"]
    ]
    return spec | turned | {"layer": layers}


def _turned_mark(mark: dict) -> dict:
    turned = {}
    for name, other in (("align", _OTHER_SIDE), ("interpolate", _OTHER_STEP)):
        if name in mark:
            turned[name] = other.get(mark[name], mark[name])
    return mark | turned | ({"dx": -mark["dx"]} if "dx" in mark else {})


def _turned_channels(encoding: dict) -> dict:
    return {name: _turned(name, channel) for name, channel in encoding.items()}


def _turned(name: str, channel: Any) -> Any:
    if name in ("x", "x2") and "value" in channel:
        place = channel["value"]
        return channel | {"value": _OTHER_END.get(place) if place in _OTHER_END else {"expr": f"width - ({place})"}}
    if name == "x":
        return channel | {"scale": channel.get("scale", {}) | {"reverse": True}}
    if name == "y" and "value" not in channel:
        return channel | {"axis": channel.get("axis", {}) | {"orient": "right"}}
    return channel


def right_to_left(spec: dict) -> dict:
    """The same picture with texts that run from right to left; its legend and titles begin at the right."""
    encodings = [spec.get("encoding", {}), *(layer.get("encoding", {}) for layer in spec["layer"])]
    fields = {channel["field"] for encoding in encodings for channel in _said(encoding) if "field" in channel}
    config = spec["config"]
    legend = config["legend"] | {"layout": {"expr": "{top: {anchor: 'end'}}"}}
    title = {"titleAnchor": "start" if "axisX" in config else "end", "titleAlign": "right"}
    turned: dict[str, Any] = {
        "layer": [_in_order(layer, fields) for layer in spec["layer"]],
        "config": config | {"legend": legend, "axisX": title},
        "usermeta": {"direction": "rtl"},  # for those who change it before it is drawn
    }
    return _in_order(spec, fields) | turned


def _said(encoding: dict) -> Iterator[dict]:
    for name in _SAID:
        channel = encoding.get(name, {})
        yield from channel if isinstance(channel, list) else [channel]


def _in_order(part: dict, fields: Iterable[str]) -> dict:
    """A layer, or what all of them share."""
    changed: dict[str, Any] = {}
    if "encoding" in part:
        changed["encoding"] = {name: _channel_in_order(name, one) for name, one in part["encoding"].items()}
    if "values" in part.get("data", {}):
        rows = [row | {name: as_run(row[name]) for name in fields if name in row} for row in part["data"]["values"]]
        changed["data"] = part["data"] | {"values": rows}
    if "text" in part.get("mark", {}):
        changed["mark"] = part["mark"] | {"text": as_run(part["mark"]["text"])}
    return part | changed


def _channel_in_order(name: str, channel: Any) -> Any:
    if not isinstance(channel, dict):
        return channel
    changed: dict[str, Any] = {}
    if channel.get("title"):
        changed["title"] = as_run(channel["title"])
    domain = channel.get("scale", {}).get("domain")
    if name in _SAID and domain:
        changed["scale"] = channel["scale"] | {"domain": as_run(domain)}
        if channel.get("legend", {}) is not None and isinstance(domain[0], str):  # each name before its square
            own = {"values": as_run(domain)[::-1], "labelAlign": "right", "labelOffset": {"expr": f"-{_SYMBOL}"}}
            changed |= {"legend": channel.get("legend", {}) | own} if name == "color" else {}
    return channel | changed


def as_run(text: Any) -> Any:
    """A text, or each of a list, as one run from right to left, also where it is cut; one that runs from left to right
    alone, as a figure, needs nothing around it.
    """
    if isinstance(text, list):
        return [as_run(one) for one in text]
    if not isinstance(text, str):
        return text
    text = text[1:-1] if text[:1] in (bidi.LTR, bidi.EITHER) and bidi.is_isolated(text) else text
    kinds = {unicodedata.bidirectional(sign) for sign in text}
    return text if not kinds & {"R", "AL", "LRI", "RLI", "FSI"} or bidi.is_isolated(text) else bidi.rtl(text)
