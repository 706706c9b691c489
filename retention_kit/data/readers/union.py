"""SQL that concatenates files, and that filters the rows of a source by its `where`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from retention_kit.data.engines.protocol import Engine

FILE = "_file_number"  # column: the number of a row's file
REST = "_rest"  # column: a digest of the columns that are not kept, so that rows that differ in these stay distinct
UNKNOWN = "_unknown"  # column: whether `where` is neither true nor false
LEFT = "{}_left"  # name of the view of rows that `where` leaves out


def union_sql(readers: list[str]) -> str:
    """SQL that concatenates the rows of files, with the number of the file; missing columns are NULL."""
    if len(readers) == 1:
        return readers[0]
    parts = (f"SELECT *, {number} AS {FILE} FROM {reader}" for number, reader in enumerate(readers))
    return f"({' UNION ALL BY NAME '.join(parts)})"


def missing_columns(
    columns: list[str], files: list[Path], readers: list[str], types_by_file: list[dict[str, str]]
) -> Iterator[tuple[str, Path, str]]:
    """The missing columns of each file: tuples of column, file, and SQL that reads the file."""
    for column in columns:
        for path, reader, types in zip(files, readers, types_by_file, strict=True):
            if column.lower() not in map(str.lower, types):
                yield column, path, reader


def define_where(engine: Engine, name: str, query: str, where: str, reader: str, order: str) -> None:
    """Define a view of the rows of a query for which `where` is true, and one (`LEFT`) of the others.

    Exports of order lines often have values of the order only in its first line. So a line for which `where` is neither
    true nor false is kept if all other lines of its order are. `order` is SQL of a line's order, empty if rows are no
    lines.
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
