"""Whether the keys of a table's rows are all different, found without holding them."""

from __future__ import annotations

from retention_kit.data.engines.protocol import Engine

FEW = 50_000  # rows whose keys are as soon compared
_SPARSE = 16  # numbers from the least key to the greatest, for each row, up to which a bit stands for each


def are_unique(engine: Engine, relation: str, key: str, rows: int, *, is_number: bool) -> bool:
    """Whether all keys of a relation of so many rows are sure to differ; False where that is not found cheaply.

    Numbers are told apart by a bit for each; texts by their order, as programs count on: each follows the one before
    it. Only the embedded engine is asked.
    """
    if engine.database:
        return False
    if is_number:
        ((filled, least, last),) = engine.rows(f"SELECT count({key}), min({key}), max({key}) FROM {relation}")
        if not filled or last - least > _SPARSE * rows:
            return False
        ((different,),) = engine.rows(f"SELECT bit_count(bitstring_agg({key}, {least}, {last})) FROM {relation}")
        return different == filled
    follows = f"length({key}) > length(before) OR (length({key}) = length(before) AND {key} > before)"
    ((others,),) = engine.rows(
        f"SELECT count(CASE WHEN NOT coalesce({follows}, false) THEN 1 END) "
        f"FROM (SELECT {key}, lag({key}) OVER () AS before FROM {relation}) AS came"
    )
    return others == 1  # the first
