"""Many charts in little room: what their specifications repeat stands once, and so do the keys of a table's rows.

`templates/html/charts.js` turns it back. In packed JSON `{"$": 7}` is the shared value of that number, and
`{"$keys": […], "$rows": [[…], …]}` are rows that all have these keys; a key of a chart's own that begins with $ has
another $ before it.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
LEAST = 40  # characters of a value that is worth a number


@dataclass(frozen=True)
class _Node:
    """A value of several parts, and its text, which tells it from others."""

    keys: tuple[str, ...] | None  # None of a list
    parts: tuple[_Node | Any, ...]
    text: str


def pack(values: list[Any]) -> tuple[list[Any], list[Any]]:
    """The values in a shorter form, and what they share; a shared value refers to earlier ones only."""
    nodes = [_node(value) for value in values]
    counts: Counter[str] = Counter()
    for node in nodes:
        _count(node, counts)
    shared: list[Any] = []
    numbers: dict[str, int] = {}
    return [_packed(node, counts, numbers, shared) for node in nodes], shared


def compact(value: Any) -> str:
    """JSON without blanks and with sorted keys, as notebooks on disk have them: same figures, same bytes."""
    return _ENCODER.encode(value)


def _node(value: Any) -> _Node | Any:
    if isinstance(value, dict):
        return _of_dict({f"${key}" if key.startswith("$") else key: part for key, part in value.items()})
    if not isinstance(value, list):
        return value
    keys = sorted(value[0]) if value and isinstance(value[0], dict) else []
    if len(value) > 2 and keys and all(isinstance(row, dict) and sorted(row) == keys for row in value):
        return _of_dict({"$keys": keys, "$rows": [[row[key] for key in keys] for row in value]})
    parts = tuple(map(_node, value))
    return _Node(None, parts, f"[{','.join(map(_text, parts))}]")


def _of_dict(value: dict[str, Any]) -> _Node:
    keys = tuple(sorted(value))
    parts = tuple(_node(value[key]) for key in keys)
    return _Node(keys, parts, f"{{{','.join(f'{key}:{_text(part)}' for key, part in zip(keys, parts, strict=True))}}}")


def _text(part: _Node | Any) -> str:
    return part.text if isinstance(part, _Node) else compact(part)


def _count(node: _Node | Any, counts: Counter[str]) -> None:
    """How often each value occurs; the parts of one that was seen before are not counted again."""
    if not isinstance(node, _Node) or len(node.text) < LEAST:
        return
    counts[node.text] += 1
    if counts[node.text] == 1:
        for part in node.parts:
            _count(part, counts)


def _packed(node: _Node | Any, counts: Counter[str], numbers: dict[str, int], shared: list[Any]) -> Any:
    if not isinstance(node, _Node):
        return node
    if node.text in numbers:
        return {"$": numbers[node.text]}
    parts = [_packed(part, counts, numbers, shared) for part in node.parts]
    packed = parts if node.keys is None else dict(zip(node.keys, parts, strict=True))
    if counts[node.text] < 2:
        return packed
    shared.append(packed)
    numbers[node.text] = len(shared) - 1
    return {"$": numbers[node.text]}
