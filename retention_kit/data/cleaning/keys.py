"""Checks whether the keys of a table's rows are unique, without keeping them in memory."""

from __future__ import annotations

from retention_kit.data.engines.protocol import Engine

FEW = 50_000  # rows up to which comparing keys is as fast
_SPARSE = 16  # range of numeric keys per row, up to which a bit set is used


def are_unique(engine: Engine, relation: str, key: str, rows: int, *, is_number: bool) -> bool:
    """Whether all keys of a relation are certainly unique; False if that cannot be decided cheaply.

    Numbers are compared with a bit set; texts are unique if they are in ascending order. Always False for engines other
    than the embedded one.
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
        f"FROM (SELECT {key}, lag({key}) OVER () AS before FROM {relation}) AS source_rows"
    )
    return others == 1  # the first
