"""The columns that a source needs: names to find its header, columns to keep, and other spellings of names."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from retention_kit.data.checks import Finding
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.readers.header import Names, name_key
from retention_kit.data.readers.union import REST
from retention_kit.data.schema import OPTIONAL, REQUIRED
from retention_kit.data.values.personal_columns import personal_reason
from retention_kit.data.values.typed_expressions import columns_in
from retention_kit.errors import DataError
from retention_kit.settings import Table
from retention_kit.wording import COMMA, Sentence, Verbatim, quoted, sentence


def header_names(engine: DuckDB, table: str, source: Table) -> Names:
    """The names by which the header of a source is recognised: the mapped ones and ours."""
    expressions = {text: frozenset(columns_in(engine, text)) for text in source.columns.values()}
    known = {name for used in expressions.values() for name in used} | set(expressions)
    known |= {name for name in (*REQUIRED[table], *OPTIONAL[table]) if name not in source.columns}
    if source.where:
        known |= columns_in(engine, source.where)
    required = []
    for name in REQUIRED[table]:
        if (name == "survey" and source.survey) or (text := source.columns.get(name, name)) is None:
            continue
        used = expressions.get(text)
        required.append((frozenset({text}), *([used] if used else [])))
    return Names(frozenset(known), tuple(required))


def wanted_columns(
    engine: DuckDB, source: Table, names: Names, segments: Iterable[str], unread: list[str]
) -> Callable[[list[str]], list[str]]:
    """A function that chooses the columns of a text file to keep, and adds the others to `unread`."""
    texts = [text for text in (*source.columns.values(), source.where, *source.leave_out.values()) if text]
    needed = [({text}, columns_in(engine, text)) for text in texts] + [({name}, set()) for name in source.keep or ()]
    keys = set(map(name_key, names.known.union(segments, *(more for choices in needed for more in choices))))

    def may_be_segment(column: str) -> bool:
        return not source.layout and source.keep is None and not personal_reason(column)

    def wanted(columns: list[str]) -> list[str]:
        has = set(map(name_key, columns))
        is_whole = all(any(set(map(name_key, choice)) <= has for choice in choices if choice) for choices in needed)
        if not is_whole or not names.is_header(columns):
            return columns  # so that the error about missing columns can suggest all others
        selected = [column for column in columns if name_key(column) in keys or may_be_segment(column)]
        if len(selected) == len(columns) or not selected:
            return columns
        if source.layout and source.rows != "lines":
            return selected
        unread.extend(column for column in columns if column not in selected and not source.layout)
        return [*selected, REST]

    return wanted


def match_spelling(
    engine: Engine, table: str, source: Table, relation: str, label: str
) -> tuple[str, tuple[Finding, ...]]:
    """A relation with the column names that a source needs, and findings on renamed ones; for an export with a layout,
    only mapped columns are needed.
    """
    keys = set(map(name_key, engine.types(relation)))
    constants = {"survey": source.survey, "scale": source.scale, "weight": source.columns or None}
    wanted_of_ours = [
        name for name in (*REQUIRED[table], *OPTIONAL[table]) if name not in source.columns and not constants.get(name)
    ]
    texts = [text for text in source.columns.values() if name_key(text) not in keys]
    mapped = [text for text in (*source.columns.values(), *(source.keep or ())) if name_key(text) in keys]
    if isinstance(engine, DuckDB):  # other dialects have their own rules of case
        texts += [text for text in (source.where, *source.leave_out.values()) if text]
        mapped += sorted(set().union(*(columns_in(engine, text) for text in texts)))
    return _rename_columns(engine, relation, [] if source.layout else wanted_of_ours, mapped, label)


def aliased(engine: Engine, text: str, name: str) -> str:
    """SQL of a column under a name; if the name differs only in case, the embedded engine would otherwise keep the
    table's.
    """
    quoted = engine.quote(name)
    return (
        f"CASE WHEN true THEN {text} END AS {quoted}"
        if text.lower() == quoted.lower() != text
        else f"{text} AS {quoted}"
    )


def _rename_columns(
    engine: Engine, relation: str, wanted_of_ours: Iterable[str], mapped: Iterable[str], label: str
) -> tuple[str, tuple[Finding, ...]]:
    """A relation with columns renamed to the needed names, if exactly one has the same normalised name; and findings.

    Names of `wanted_of_ours` are compared exactly, `mapped` ones like in SQL. Raises DataError if several columns have
    the same normalised name.
    """
    columns_there = list(engine.types(relation))
    exactly, lower_case = set(columns_there), {column.lower() for column in columns_there}
    wanted = [name for name in dict.fromkeys(wanted_of_ours) if name not in exactly]
    wanted += [name for name in dict.fromkeys(mapped) if name.lower() not in lower_case and name not in wanted]
    reserved = {name.lower() for name in mapped} | ({*wanted_of_ours} & exactly)
    renamed: dict[str, str] = {}
    for name in wanted:
        key = name_key(name)
        alike = [
            column for column in columns_there if name_key(column) == key and column.lower() not in reserved - {name}
        ]
        # Of several, the one that differs only in case.
        alike = [column for column in alike if column.lower() == name.lower()] or alike
        if len(alike) > 1:
            named = " and ".join(map(repr, alike))
            template = "{label} has the columns {named}, each of which may be {name!r}: map or keep one of them."
            raise DataError(template, label=label, named=named, name=name)
        renamed |= {column: name for column in alike if column not in renamed}
    if not renamed:
        return relation, ()
    columns = ", ".join(aliased(engine, engine.quote(column), renamed.get(column, column)) for column in columns_there)
    renames = [
        sentence("quality.details.read_as", column=quoted(column), name=Verbatim(name))
        for column, name in renamed.items()
    ]
    detail = sentence("quality.details.text_at", place=label, text=Sentence.joined(*renames, between=COMMA))
    return f"(SELECT {columns} FROM {relation} AS _spelled)", (Finding("name spelled otherwise", 1, detail),)
