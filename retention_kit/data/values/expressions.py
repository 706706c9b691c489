"""Explains errors in SQL expressions of users, with the nearest form that works."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.errors import Listed, Phrase, did_you_mean

_CLASSES = {
    "WINDOW": "looks at other rows, but is worked out for each row by itself",
    "SUBQUERY": "asks a table, but is worked out for each row by itself",
    "STAR": "stands for all columns",
    "PARAMETER": "leaves a value open",
}
# Functions with other results in each run.
_VOLATILE = frozenset([
    "random", "setseed", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "nextval", "currval", "setval",
    "sleep_ms", "write_log", "stats", "current_query", "current_query_id", "current_connection_id",
    "current_transaction_id",
])  # fmt: skip  # words by the line
_TYPES = ("DOUBLE", "DECIMAL(18, 2)", "INTEGER", "VARCHAR", "DATE", "TIMESTAMP", "BOOLEAN")


def find_fault(engine: DuckDB, tree: Any) -> tuple[str, Any]:
    """What an expression does that is not allowed (or ""), and the part of it that could be used alone (or None).

    `tree` is the syntax tree of the embedded engine's parser.
    """
    nodes = [*_nodes(tree)]
    called = {node["function_name"] for node in nodes if node.get("class") == "FUNCTION"}
    gathering = set(_functions(engine, "aggregate", called)) - set(_functions(engine, "scalar", called))
    for node in nodes:
        inner = [
            part["expression"] for part in node.get("arguments") or () if part["expression"].get("class") != "CONSTANT"
        ]
        inner = inner if node is tree else []
        if reason := _CLASSES.get(node.get("class", "")):
            return reason, next(iter(inner), None)
        if node.get("class") == "FUNCTION" and node["function_name"] in gathering:
            return "gathers several rows, but is worked out for each row by itself", next(iter(inner), None)
        if node.get("class") == "FUNCTION" and node["function_name"] in ("unnest", "unlist"):
            return "makes several rows of one, but is worked out for each row by itself", None
        if node.get("class") == "FUNCTION" and node["function_name"] in _VOLATILE:
            return "has another value each time it is asked, and so would the figures", None
    return "", None


def advice(columns: Iterable[str], inner: str = "") -> str:
    """The end of a message about an expression: what to write instead."""
    if inner:
        return Phrase('write {inner!r}; the lines of an order are summed by rows = "lines".', inner=inner)
    if not (few := [*columns][:3]):
        return Phrase("use the columns of its row.")
    return Phrase("use the columns of its row, {columns}.", columns=Listed(map(repr, few), " or "))


def close_column(text: str, columns: Iterable[str]) -> str:
    """The column of which a text may be a misspelling; empty if there is none."""
    if re.search(r"[^\w .\"'#/&()-]", text):
        return ""
    named = {column.lower(): column for column in columns}
    nearest = get_close_matches(text.strip(' "').lower(), named, n=1, cutoff=0.75)
    return named[nearest[0]] if nearest else ""


def explain_error(engine: DuckDB, message: str, columns: Collection[str]) -> str:
    """An engine's error message about an expression on these columns, in our words."""
    message = message.strip().splitlines()[0].rstrip(".!")
    if match := re.search(
        r'(?:Referenced column|column) "([^"]+)" (?:not found|was not found|does not exist)', message
    ):
        near = get_close_matches(match[1].lower(), [column.lower() for column in columns])
        hint = (
            did_you_mean(match[1], columns)
            if near
            else Phrase("{hint} A text stands in single quotes, '{text}'.", hint=advice(columns), text=match[1])
        )
        return Phrase("there is no column {name!r}: {hint}", name=match[1], hint=hint)
    if match := re.search(r"(?:Function with name \"?(\w+)\"?|function (\w+)\((.*)\)) does not exist", message):
        name, is_known = match[1] or match[2], [*_functions(engine, "scalar", {match[2] or ""})]
        if is_known:
            return Phrase("{name!r} does not take {kinds}.", name=name, kinds=match[3] or Phrase("nothing"))
        if not [*_functions(engine, "aggregate", {name.lower()})]:
            if not (near := get_close_matches(name.lower(), [*_functions(engine, "scalar")], n=1)):
                return Phrase("there is no function {name!r}.", name=name)
            hint = Phrase("did you mean {name!r}?", name=near[0])
            return Phrase("there is no function {name!r}: {hint}", name=name, hint=hint)
        message = "GROUP BY"
    if "GROUP BY" in message:
        return Phrase("it gathers several rows, but is worked out for each row by itself: {hint}", hint=advice(columns))
    if match := re.search(r"Type with name (\S+) does not exist", message):
        return Phrase("there is no type {name!r}: {hint}", name=match[1], hint=did_you_mean(match[1], _TYPES))
    if match := re.search(r"types '(\w+)\((.*)\)'", message):
        kinds = match[2].lower().replace("varchar", "text")
        return Phrase("{name!r} does not take {kinds}.", name=match[1], kinds=kinds or Phrase("nothing"))
    return f"{re.sub(r'^[A-Z][A-Za-z ]* Error: ', '', message)}."


def _functions(engine: DuckDB, kind: str, among: Iterable[str] | None = None) -> Iterator[str]:
    if among is not None and not among:
        return
    if kind not in _FUNCTIONS:
        known = f"SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = '{kind}' ORDER BY 1"
        _FUNCTIONS[kind] = [name for (name,) in engine.rows(known)]
    yield from (name for name in _FUNCTIONS[kind] if among is None or name in among)


_FUNCTIONS: dict[str, list[str]] = {}  # functions by kind: every embedded engine has the same


def _nodes(tree: Any) -> Iterator[dict]:
    """The nodes of an expression, the outermost first."""
    if isinstance(tree, list):
        for part in tree:
            yield from _nodes(part)
    elif isinstance(tree, dict):
        yield tree
        for part in tree.values():
            yield from _nodes(part)
