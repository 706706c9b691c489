"""SQL of the columns of a source: plain ones under our names, and checked expressions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from retention_kit.data.checks import Finding
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal
from retention_kit.data.readers.files import columns_used
from retention_kit.data.readers.union import FILE, REST
from retention_kit.data.schema import OPTIONAL, REQUIRED
from retention_kit.data.values.amounts import Hints
from retention_kit.data.values.expressions import close_column, explain_error
from retention_kit.data.values.typed_expressions import type_expression
from retention_kit.errors import DataError, Phrase, did_you_mean
from retention_kit.settings import SIDE_TABLES, TABLES, Table
from retention_kit.wording import Verbatim

_ALL_TABLES = (*TABLES, *SIDE_TABLES)

_FULL = ("Out of Memory", "Could not write", "Could not truncate", "No space left")


def _other_delimiter(names: Iterable[str], required: Iterable[str]) -> str:
    """The delimiter between our column names if all of them are in one name; else empty."""
    name, *others = names
    ends = [match.end() for word in required if (match := re.search(re.escape(word), name, re.IGNORECASE))]
    if others or len(ends) < 2:
        return ""
    between = re.match(r"[^\w\s]|[\x01-\x08\x1c-\x1f]", name[min(ends) :])
    return between[0] if between else ""


def select_columns(
    engine: Engine, table: str, source: Table, reader: str, label: str, hints: Hints
) -> tuple[dict[str, str], dict[str, str], list[Finding]]:
    """SQL of the columns by our names, or by theirs if not mapped; the types of their columns; and findings."""
    types = engine.types(reader)
    # Weights change every figure: if columns are mapped, only a mapped weight counts.
    own = [name for name in (*REQUIRED[table], *OPTIONAL[table]) if name != "weight" or not source.columns]
    columns = {**{name: name for name in own if name in types}, **source.columns}
    constants = {"survey": source.survey, "scale": source.scale} if table == "responses" else {}
    selected, findings = {}, []
    for name, text in columns.items():
        money = hints if name in ("amount", "refunded") else hints._replace(decimals=None)
        selected[name], more = _expression(engine, text, types, reader, label, name, money)
        findings += more
    selected |= {name: literal(value) for name, value in constants.items() if value}
    known = [column for column in types if column not in columns and column not in source.columns.values()]
    for name in REQUIRED[table]:
        if name not in selected:
            if sign := _other_delimiter(types, REQUIRED[table]):
                template = "{label} has one column, {name!r}: do its cells end in another sign, delimiter = {sign}?"
                raise DataError(template, label=label, name=next(iter(types)), sign=Verbatim(json.dumps(sign)))
            template = "{label} has no column {name!r}, which {table} need: {hint}"
            hint = did_you_mean(name, known)
            if name == "survey":
                advice = 'If all answers are of one survey, set survey = "nps", "csat" or "ces" in [data.responses].'
                hint = Phrase("{hint} {more}", hint=hint, more=Phrase(advice))
            raise DataError(template, label=label, name=name, table=table, hint=hint)
    if source.rows == "lines" and "order_id" not in selected:
        template = "{label} has no column 'order_id', by which rows = \"lines\" are summed: {hint}"
        raise DataError(template, label=label, hint=did_you_mean("order_id", known))
    in_expressions = columns_used(types, list(columns.values()))
    used = {
        text.lower() for text in [*selected, *columns.values(), *in_expressions, *REQUIRED[table], *OPTIONAL[table]]
    }
    # Exports contain addresses and all kinds of texts: only mapped columns can be segments.
    segments = None if not source.layout else {name.lower() for name in source.keep or ()}
    others = [name for name in types if name.lower() not in used and not name.startswith("_")]
    selected |= {name: engine.quote(name) for name in others if segments is None or name.lower() in segments}
    if source.rows == "lines":  # two lines are equal if all of their columns are, mapped or not
        selected["_like"] = engine.row_digest
    selected |= {name: name for name in (FILE, REST) if name in types}
    return selected, types, findings


def _expression(
    engine: Engine, text: str, types: dict[str, str], reader: str, label: str, name: str, hints: Hints
) -> tuple[str, list[Finding]]:
    """SQL of a column of theirs, or a checked SQL expression on them; and findings."""
    for column in types:
        if column.lower() == text.lower():  # as SQL compares names
            return engine.quote(column), []
    if re.fullmatch(r"[^\W\d]\w*", text):
        template = "{label} has no column {text!r} for {name}: {hint}"
        raise DataError(template, label=label, text=text, name=name, hint=did_you_mean(text, types))
    setting = f"{name} = {text!r}"
    sql, findings = type_expression(engine, text, reader, f"{label}: {setting}", hints)
    beside = engine.quote(next(iter(types), "")) if types else "1"  # so that an aggregate over rows is rejected
    check_query(
        engine, f"SELECT {sql} AS one, {beside} AS beside FROM {reader} AS _theirs", label, setting, text, types
    )
    return f"({sql})", findings


def check_query(engine: Engine, query: str, label: str, setting: str, text: str, types: dict[str, str]) -> None:
    """Raise DataError with an explanation if the engine rejects a query."""
    try:
        engine.types(f"({query})")
    except engine.error as error:
        nearest = close_column(text, types)
        reason = (
            Phrase("did you mean {name!r}?", name=nearest)
            if nearest
            else explain_error(engine.embedded, error_sentence(error), types)
        )
        template = "{label}: {setting} does not work: {reason}"
        raise DataError(template, label=label, setting=setting, reason=reason) from None


def error_sentence(error: Exception) -> str:
    """The first line of an engine's error message, as a sentence."""
    text = str(error).strip().splitlines()[0].rstrip(".") + "."
    if "disabled by configuration" in text:
        template = "Only the files that sources name can be read, by an expression too: {reason}."
        text = Phrase(template, reason=text.partition(" - ")[0])
    if any(sign in text for sign in _FULL):
        text = Phrase(
            "There is too little room in memory ([data] memory_limit) or on the disk for temporary files: {reason}",
            reason=text,
        )
    return text
