"""Maps an export of a known layout to sources of `retention.toml`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from retention_kit.data import schema
from retention_kit.data.cleaning.segments import is_personal
from retention_kit.data.importing.export import Export, iana_zone, time_sql, with_texts
from retention_kit.data.importing.questions import Question, read_questions
from retention_kit.data.layouts.layout import Layout, layout_of, recognise, resolve
from retention_kit.data.values.missing import MISSING
from retention_kit.data.values.personal_columns import personal_reason
from retention_kit.errors import DataError, Listed, Phrase, did_you_mean
from retention_kit.settings import Table

REQUIRED = {
    "orders": ("customer_id", "ordered_at", "amount"),
    "subscriptions": ("customer_id", "started_at", "amount"),
    "responses": ("responded_at",),
}
OUR_COLUMNS = {
    "orders": ("customer_id", "ordered_at", "amount"),
    "subscriptions": ("customer_id", "started_at", "ended_at", "amount"),
    "responses": ("responded_at", "survey", "score"),
}
AMOUNT = r"[-+(]?\s?[$€£¥₹]?\s?[-+]?\d[\d.,٫٬' ]*\s?[$€£¥₹]?\)?"
_FEW, _SHARE = 20, 0.005  # most values of a column that is kept, or as a share of the rows read


class Mapping(NamedTuple):
    """One source: its settings, comments on its columns, and a doubt if it is a guess."""

    table: str
    source: Table
    comments: dict[str, str]  # by our column's name
    doubt: str = ""


class Recognised(NamedTuple):
    """The layout and the sources of an export."""

    layout: Layout | None  # None: a proposal
    mappings: list[Mapping]
    currency: str | None = None  # if all amounts are in one


def our_table(header: list[str]) -> str | None:
    """The table whose own column names a header has, or None."""
    return next((table for table, names in OUR_COLUMNS.items() if set(names) <= set(header)), None)


def map_export(export: Export, path: str, name: str | None = None) -> Recognised | None:
    """The sources of an export, with `path` as written in the settings; None if no layout matches its header.

    Raises DataError if the export cannot be used, or does not match the layout `name`.
    """
    try:
        layout = layout_of(name) if name else recognise(export.header)
    except DataError as error:
        raise DataError("{file}: {error}", file=export.path.name, error=error) from None
    if layout is None:
        return None
    if layout.refused:
        template = "{file} is {label} ({name}), which {refused}."
        raise DataError(
            template, file=export.path.name, label=layout.label, name=layout.name, refused=Phrase(layout.refused)
        )
    if name and not layout.signature.count(export.header):
        missing = Listed(layout.signature.missing(export.header))
        other = recognise(export.header)
        hint = Phrase("it has {columns}", columns=Listed(export.header[:8]))
        if other:
            hint = Phrase("it looks like {name}", name=other.name)
        template = "{file} is not {label} ({name}): {hint}."
        if missing:
            template = "{file} is not {label} ({name}): it lacks {missing}; {hint}."
        raise DataError(template, file=export.path.name, label=layout.label, name=name, missing=missing, hint=hint)
    return _by_layout(with_texts(export, layout.read.header_rows), path, layout)


def _by_layout(export: Export, path: str, layout: Layout) -> Recognised:
    header = export.header
    comments: dict[str, str] = {}
    resolved = {column: resolve(readings, header) for column, readings in (layout.columns | layout.segments).items()}
    for column in REQUIRED[layout.table]:
        if resolved.get(column) is None:
            readings = layout.columns[column]
            reading = readings if isinstance(readings, str) else readings[0]
            names = re.findall(r'"([^"]+)"', reading) or [reading]
            raise DataError(
                "{file} has no column {column!r}, which {label} needs for {ours}: {hint}",
                file=export.path.name,
                column=names[0],
                label=layout.label,
                ours=column,
                hint=did_you_mean(names[0], header),
            )
    columns = {column: text for column, text in resolved.items() if text is not None}
    zone = export.zone or _zone_of(columns) or layout.read.timezone
    for column, text in columns.items():
        if text in header and column.endswith("_at"):
            columns[column], other = time_sql(text, export.values(text))
            comments |= {column: Phrase("day and month cannot be told apart: or {other}", other=other)} if other else {}
    for column, choice in layout.choices.items():
        if expression := resolve(choice.expression, header):
            comments[column] = f"or {expression}: {choice.text}"
    leave_out = {reason: resolve(readings, header) for reason, readings in layout.leave_out.items()}
    source = Table(
        path=path,
        layout=layout.name,
        rows=layout.read.rows,
        timezone=zone,
        leave_out={reason: _sql_line(text) for reason, text in leave_out.items() if text},
        columns=columns,
    )
    source = msgspec.structs.replace(source, keep=kept_columns(export, source, layout.table))
    return Recognised(layout, _surveys(export, layout, source, comments), single_currency(export, columns))


def _sql_line(text: str) -> str:
    """SQL on one line that does not end with a quotation mark, for TOML literals."""
    line = " ".join(text.split())
    return f"{line} " if line.endswith("'") else line


def _zone_of(columns: dict[str, str]) -> str | None:
    """The time zone in brackets in a column name: `Created (UTC)`."""
    matches = [re.search(r"\(([\w/+-]+)\)", text) for column, text in columns.items() if column.endswith("_at")]
    return next((zone for match in matches if match and (zone := iana_zone(match[1]))), None)


def single_currency(export: Export, columns: dict[str, str]) -> str | None:
    """The currency of an export if all of its amounts are in one."""
    column = columns.get("currency")
    codes = {value.upper() for value in export.values(column)} if column in export.header else set()
    return codes.pop() if len(codes) == 1 and re.fullmatch(r"[A-Z]{3}", next(iter(codes))) else None


def _surveys(export: Export, layout: Layout, source: Table, comments: dict[str, str]) -> list[Mapping]:
    """A source for each question of a survey; a single one for other tables."""
    if not layout.has_questions:
        return [Mapping(layout.table, source, comments)]
    mapped_columns = {
        name for names in (layout.columns | layout.segments).values() for name in _columns_of(names, export.header)
    }
    mappings = question_sources(export, mapped_columns, source, comments)
    if not mappings:
        raise DataError(
            "{file} is {label}, but none of its questions is one of nps, csat or ces: name the column in a "
            "retention.toml ([data.responses.columns], score = …); it has {columns}.",
            file=export.path.name,
            label=layout.label,
            columns=Listed(column for column in export.header if column not in mapped_columns),
        )
    return mappings


def question_sources(
    export: Export, mapped_columns: Collection[str], source: Table, comments: dict[str, str]
) -> list[Mapping]:
    """A source for each question among the columns that are not mapped."""
    questions = read_questions(
        [
            (column, text, export.values(column))
            for column, text in zip(export.header, export.texts, strict=True)
            if column not in mapped_columns
        ]
    )
    mappings = []
    for position, question in enumerate(questions):
        if question.survey != "comment":
            following = questions[position + 1 : position + 2]
            comment = following[0].column if following and following[0].survey == "comment" else None
            mappings.append(_survey(source, question, comment, comments))
    return mappings


def _survey(source: Table, question: Question, comment: str | None, comments: dict[str, str]) -> Mapping:
    columns = {"score": question.score} | source.columns | ({"comment": comment} if comment else {})
    question_source = msgspec.structs.replace(
        source,
        survey=question.survey,
        scale=question.scale,
        columns=columns,
        keep=source.keep and [name for name in source.keep if name != question.column],
    )
    return Mapping("responses", question_source, comments, question.doubt)


def kept_columns(export: Export, source: Table, table: str) -> list[str]:
    """Further columns that can become segments: few distinct texts, repeated, not personal, not called as ours are."""
    ours = {*schema.REQUIRED[table], *schema.OPTIONAL[table]}
    expressions = " ".join([*source.columns.values(), *source.leave_out.values()]).lower()
    kept = []
    for name in export.header:
        values = [value for value in export.values(name) if value.upper() not in MISSING]
        several = Counter(values)
        is_few = 2 <= len(several) <= max(_FEW, _SHARE * len(export.rows)) and 2 * len(several) <= len(values)
        if (
            not is_few
            or name.lower() in expressions
            or name.lower() in ours
            or personal_reason(name)
            or any(map(is_personal, several))
        ):
            continue
        is_number = any(re.fullmatch(AMOUNT, value) for value in several)
        sample = [*several][:50]
        has_dates = any(re.match(r"\d{1,4}[-/.]\d{1,2}[-/.]\d", value) for value in sample)
        is_time = time_sql("x", sample)[0] != "x" or has_dates
        if not is_number and not is_time:
            kept.append(name)
    return kept


def _columns_of(readings: str | list[str], header: list[str]) -> list[str]:
    names = [resolve(text, header) or "" for text in ([readings] if isinstance(readings, str) else readings)]
    return [column for text in names for column in ([text] if text in header else re.findall(r'"([^"]+)"', text))]
