"""Compacts chart specifications: repeated values and the keys of rows are written once.

`templates/html/charts.js` restores them. In packed JSON `{"$": 7}` is the shared value with that number, and
`{"$keys": […], "$rows": [[…], …]}` are rows that all have these keys; original keys that begin with $ are escaped by
another $.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
MIN_LENGTH = 40  # characters of a value that is shared


@dataclass(frozen=True)
class _Node:
    """A list or dict with its parts, and its JSON text, which identifies it."""

    keys: tuple[str, ...] | None  # None for a list
    parts: tuple[_Node | Any, ...]
    text: str


def pack(values: list[Any]) -> tuple[list[Any], list[Any]]:
    """Pack values; returns them and the list of shared values, which refer only to earlier ones."""
    nodes = [_node(value) for value in values]
    counts: Counter[str] = Counter()
    for node in nodes:
        _count(node, counts)
    shared: list[Any] = []
    numbers: dict[str, int] = {}
    return [_packed(node, counts, numbers, shared) for node in nodes], shared


def compact(value: Any) -> str:
    """JSON without spaces, with sorted keys as in notebooks on disk: the same figures give the same bytes."""
    return _ENCODER.encode(value)


def _node(value: Any) -> _Node | Any:
    if isinstance(value, dict):
        return _dict_node({f"${key}" if key.startswith("$") else key: part for key, part in value.items()})
    if not isinstance(value, list):
        return value
    keys = sorted(value[0]) if value and isinstance(value[0], dict) else []
    if len(value) > 2 and keys and all(isinstance(row, dict) and sorted(row) == keys for row in value):
        return _dict_node({"$keys": keys, "$rows": [[row[key] for key in keys] for row in value]})
    parts = tuple(map(_node, value))
    return _Node(None, parts, f"[{','.join(map(_text, parts))}]")


def _dict_node(value: dict[str, Any]) -> _Node:
    keys = tuple(sorted(value))
    parts = tuple(_node(value[key]) for key in keys)
    return _Node(keys, parts, f"{{{','.join(f'{key}:{_text(part)}' for key, part in zip(keys, parts, strict=True))}}}")


def _text(part: _Node | Any) -> str:
    return part.text if isinstance(part, _Node) else compact(part)


def _count(node: _Node | Any, counts: Counter[str]) -> None:
    """Count how often each value occurs; the parts of a repeated value are counted once."""
    if not isinstance(node, _Node) or len(node.text) < MIN_LENGTH:
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
