"""Excludes rows of a source by its `leave_out` conditions, and describes the limitations of exports."""

from __future__ import annotations

from retention_kit.data.checks import Finding
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import quote
from retention_kit.data.layouts.layout import layout_of
from retention_kit.data.readers.files import columns_used
from retention_kit.data.values.amounts import Hints
from retention_kit.data.values.expressions import explain_error
from retention_kit.data.values.typed_expressions import type_expression
from retention_kit.errors import DataError, Phrase
from retention_kit.settings import Table


def cells_as_text(engine: Engine, source: Table, reader: str) -> str:
    """A relation of an export with its cells as text, as in the file that its layout was written for, except columns
    in expressions of amounts.
    """
    kinds = engine.types(reader) if source.layout and engine.embedded is engine else {}
    computing = columns_used(kinds, [text for name, text in source.columns.items() if name in ("amount", "refunded")])
    if all(kind == "VARCHAR" or name in computing for name, kind in kinds.items()):
        return reader
    cells = (quote(name) if name in computing else f"CAST({quote(name)} AS VARCHAR) AS {quote(name)}" for name in kinds)
    return f"(SELECT {', '.join(cells)} FROM {reader} AS _cells)"


def leave_out(
    engine: Engine, source: Table, reader: str, label: str, name: str, hints: Hints
) -> tuple[str, list[Finding]]:
    """The remaining rows of a relation, and findings with the rows that each condition of `leave_out` excludes.

    A row is counted by the first condition that is true. Raises DataError on a condition that the engine rejects.
    """
    if not source.leave_out:
        return reader, []
    conditions, findings = {}, []
    for why, text in source.leave_out.items():
        setting = f"{label}: leave_out {why!r} = {text!r}"
        conditions[why], more = type_expression(engine, text, reader, setting, hints)
        findings += more
    for why, condition in conditions.items():
        try:
            engine.types(f"(SELECT 1 AS one FROM {reader} AS _theirs WHERE {condition})")
        except engine.error as error:
            reason = explain_error(engine.embedded, str(error), engine.types(reader))
            template = "{label}: leave_out {why!r} = {condition!r} does not work: {reason}"
            raise DataError(template, label=label, why=why, condition=source.leave_out[why], reason=reason) from None
    cases = " ".join(f"WHEN {condition} THEN {number}" for number, condition in enumerate(conditions.values()))
    number = f"CASE {cases} ELSE -1 END"
    engine.define(f"{name}_places", f"SELECT {number} AS place FROM {reader} AS _theirs")
    counted = dict(engine.rows(f"SELECT place, count(*) FROM {name}_places GROUP BY place"))
    remaining = f"(SELECT * FROM {reader} AS _theirs WHERE {number} = -1)"
    reasons = enumerate(source.leave_out)
    return remaining, [
        *findings,
        *(Finding(f"left out: {reason}", counted[number]) for number, reason in reasons if number in counted),
    ]


def export_limits(source: Table) -> list[str]:
    """The limitations of a source's export, a sentence each; raises SettingsError if its layout is unknown."""
    return [*map(Phrase, layout_of(source.layout).notes if source.layout else [])]


def lacks_earlier_prices(source: Table) -> bool:
    """Whether a source of subscriptions has only today's prices."""
    return source.layout is not None and layout_of(source.layout).is_snapshot
