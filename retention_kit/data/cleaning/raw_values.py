"""Inspects the values of a table's raw view in one query, so that later steps can be skipped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from retention_kit.data.cleaning.raw_columns import Writing, is_number, text_sql, times
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import quote
from retention_kit.data.schema import OPTIONAL, REQUIRED
from retention_kit.data.values.aggregates import AggregateBatch
from retention_kit.data.values.ids import IdColumn, inspect_ids
from retention_kit.data.values.typed_amounts import may_be_finer


class RawValues(NamedTuple):
    """Properties of our columns and of segments: ids and texts; the number of amounts that may have more decimals than
    the report's currency (`finer`), of rows, and of rows with a customer (`known`).
    """

    ids: Mapping[str, IdColumn] = {}
    writing: Mapping[str, Writing] = {}
    finer: int = 1
    rows: int = 0
    known: int = 0

    @property
    def may_name_totals(self) -> bool:
        """Whether a customer's name may be that of a total."""
        return not ("customer_id" in self.ids and self.ids["customer_id"].is_plain)

    @property
    def may_hold_totals(self) -> bool:
        """Whether a row may be a total: with a customer called so, or without a customer."""
        return self.may_name_totals or self.known < self.rows

    @property
    def has_long(self) -> bool:
        """Whether a text may have been shortened."""
        return not all(writing.is_short for writing in self.writing.values())


def inspect_values(
    engine: Engine, table: str, kinds: Mapping[str, str], segments: list[str], decimals: int
) -> RawValues:
    """Inspect a table's raw view; `kinds` are the types of its columns, `decimals` those of the report's currency."""
    batch = AggregateBatch(engine, f"{table}_raw")
    declared = [name for name in (*REQUIRED[table], *OPTIONAL[table]) if name in kinds]
    ids = inspect_ids(batch, {name: kinds[name] for name in declared})
    rows, finer, known, results = batch.add("count(*)"), batch.add("0"), batch.add("0"), {}
    if "customer_id" in declared:
        kind, text = kinds["customer_id"], f"nullif(CAST({quote('customer_id')} AS VARCHAR), '')"
        known = batch.add(f"count({text_sql('customer_id', kind) if is_number(kind) else text})")
    for name in (name for name in (*declared, *segments) if not is_number(kinds[name]) and name not in times(table)):
        text = f"CAST({quote(name)} AS VARCHAR)"
        around = f"count(CASE WHEN {text} <> trim({text}) THEN 1 END)"
        lengths = [batch.add(f"{most}(length({text}))") for most in ("max", "min")]
        results[name] = lengths, batch.add(around) if name not in ids else ids[name].odd
    if "amount" in declared:
        finer = batch.add(f"count(CASE WHEN {may_be_finer(quote('amount'), kinds['amount'], decimals)} THEN 1 END)")
    writing = {
        name: Writing(longest() or 0, shortest() != 0, not around())
        for name, ((longest, shortest), around) in results.items()
    }
    return RawValues(ids, writing, finer(), rows(), known())
