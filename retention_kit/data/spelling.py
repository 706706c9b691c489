"""Columns whose names differ from what is asked for in spelling alone: capitals, spaces, underscores, quotes."""

from __future__ import annotations

from collections.abc import Iterable

from retention_kit.data.engine import Engine
from retention_kit.data.records import Found, name_key
from retention_kit.errors import DataError


def under_asked_names(
    engine: Engine, relation: str, ours: Iterable[str], mapped: Iterable[str], label: str
) -> tuple[str, tuple[Found, ...]]:
    """A relation whose columns bear the names that are asked for, where exactly one is spelled like it; and what was renamed.

    Names of `ours` are compared exactly, `mapped` ones as SQL compares names. Raises DataError where several are alike.
    """
    theirs = list(engine.types(relation))
    exactly, loosely = set(theirs), {column.lower() for column in theirs}
    wanted = [name for name in dict.fromkeys(ours) if name not in exactly]
    wanted += [name for name in dict.fromkeys(mapped) if name.lower() not in loosely and name not in wanted]
    taken = {name.lower() for name in mapped} | ({*ours} & exactly)
    renamed: dict[str, str] = {}
    for name in wanted:
        key = name_key(name)
        alike = [column for column in theirs if name_key(column) == key and column.lower() not in taken - {name}]
        # Of several the one that differs in capitals alone.
        alike = [column for column in alike if column.lower() == name.lower()] or alike
        if len(alike) > 1:
            named = " and ".join(map(repr, alike))
            raise DataError(f"{label} has the columns {named}, each of which may be {name!r}: map or keep one of them.")
        renamed |= {column: name for column in alike if column not in renamed}
    if not renamed:
        return relation, ()
    columns = ", ".join(
        # Of a column that differs in capitals alone the embedded engine would keep the table's spelling.
        f"CASE WHEN true THEN {engine.quote(column)} END AS {engine.quote(renamed[column])}"
        if column in renamed
        else engine.quote(column)
        for column in theirs
    )
    told = ", ".join(f"{column!r} is read as {name}" for column, name in renamed.items())
    return f"(SELECT {columns} FROM {relation} AS _spelled)", (Found("name spelled otherwise", 1, f"{label}: {told}"),)
