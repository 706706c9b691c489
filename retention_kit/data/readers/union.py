"""Files that are read one below the other, and the rows of a source that its `where` keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from retention_kit.data.engines.protocol import Engine

FILE = "_file_number"  # the column that holds which of several files a row is from
# the column that holds a digest of those of a text file that are not kept, so that like rows are told apart
REST = "_rest"
UNKNOWN = "_unknown"  # the column that holds whether `where` is neither true nor false
LEFT = "{}_left"  # what the rows that `where` leaves out are called, beside those that it keeps


def union_sql(readers: list[str]) -> str:
    """SQL that reads files one below the other, with their number; a column that one lacks is empty there."""
    if len(readers) == 1:
        return readers[0]
    parts = (f"SELECT *, {number} AS {FILE} FROM {reader}" for number, reader in enumerate(readers))
    return f"({' UNION ALL BY NAME '.join(parts)})"


def missing_columns(
    columns: list[str], files: list[Path], readers: list[str], types_by_file: list[dict[str, str]]
) -> Iterator[tuple[str, Path, str]]:
    """Each of the columns with each of the files, and its reader, that lacks it."""
    for column in columns:
        for path, reader, types in zip(files, readers, types_by_file, strict=True):
            if column.lower() not in map(str.lower, types):
                yield column, path, reader


def define_where(engine: Engine, name: str, query: str, where: str, reader: str, order: str) -> None:
    """Let the rows of a query for which `where` is true stand under a name, and the others beside them.

    Exports of order lines often fill what belongs to the order in its first line alone. So a line for which `where` is
    neither true nor false goes with its order: it stays where all other lines of the order stay. `order` is SQL of the
    order that a row is a line of, empty where rows are no lines.
    """
    judged = f"CAST(({where}\n) AS BOOLEAN)"
    is_kept = f"coalesce({judged}, false)"
    if order:
        orders = (
            f"SELECT _order FROM (SELECT {order} AS _order, {judged} AS _kept FROM {reader}) AS judged "
            "WHERE _order IS NOT NULL GROUP BY _order HAVING coalesce(bool_and(_kept), false)"
        )
        is_kept = f"({is_kept} OR ({judged} IS NULL AND {order} IN ({orders})))"
    query = query.removesuffix(f" FROM {reader}") + f", ({judged} IS NULL) AS {UNKNOWN} FROM {reader}"
    engine.define(name, f"{query} WHERE {is_kept}")
    engine.define(LEFT.format(name), f"{query} WHERE NOT {is_kept}")
