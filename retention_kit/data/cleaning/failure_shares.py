"""Rows that fail a check, with their most common values; if over half do, loading raises an error."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from retention_kit.data.checks import CHECKS, OUTSIDE, REFUSED, WHEN
from retention_kit.data.cleaning.columns import Columns
from retention_kit.data.cleaning.money import Money
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal
from retention_kit.data.values.vocabulary import clearer_interval
from retention_kit.errors import DataError, Phrase, did_you_mean
from retention_kit.wording import COMMA, Sentence, quoted, sentence

_MAX_EXAMPLES = 3  # values
_MAX_VALUES = 1_000  # the most common ones, from which examples are chosen
_MAX_LENGTH = 40  # characters of a printed value
_CALENDARS = {  # their years of the last and the next decades
    "Persian": range(1350, 1410),
    "Hijri": range(1410, 1480),
    "Buddhist": range(2513, 2600),
    "Hebrew": range(5730, 5820),
}


class Value(NamedTuple):
    """A value in rows that fail a check: their number, the first of them, and their amounts by currency."""

    text: str | None
    rows: int
    first: int
    amounts: tuple[str, ...] = ()


class FailedRows(NamedTuple):
    """The number of rows that fail a check, the total, and the values in them, typical ones first."""

    rows: int
    of: int
    values: tuple[Value, ...] = ()
    of_values: bool = False  # whether `of` counts rows with a value only

    @property
    def examples(self) -> str:
        """The most common values, such as `most often 'soon' (8 rows, 40.00 GBP), '-' (2 rows)`; empty without any."""
        named = [value for value in self.values if value.text is not None][:_MAX_EXAMPLES]
        if not named:
            return ""
        if named[0].rows == 1:
            return sentence("quality.details.such_as", value=_quoted(named[0]))
        named = sorted(named, key=lambda value: (-value.rows, value.first))
        values = []
        for value in named:
            rows = sentence("quality.details.rows", rows=float(value.rows))
            about = Sentence.joined(rows, *value.amounts, between=COMMA)
            values.append(sentence("quality.details.in_brackets", text=_quoted(value), about=about))
        return sentence("quality.details.most_often", values=Sentence.joined(*values, between=COMMA))

    @property
    def base(self) -> str:
        """What `of` counts."""
        return Phrase("rows that hold a value" if self.of_values else "rows")

    @property
    def first_row(self) -> str:
        """The row of a typical value, and other examples: `first in row 1 ('soon')`."""
        typical = self.values[0]
        is_first = typical.first == min(value.first for value in self.values)
        location: str = sentence(f"quality.details.{'first_in' if is_first else 'such_as_row'}", row=typical.first)
        if typical.text is not None:
            location = sentence("quality.details.in_brackets", text=location, about=_quoted(typical))
        is_alone = len(self.values) == 1 or typical.rows == 1
        return location if is_alone else Sentence.joined(location, self.examples, between=COMMA)


class JudgedRows(NamedTuple):
    """The number of rows of a table, and those that fail a check and are excluded."""

    rows: int
    failing: dict[str, FailedRows]


def judge(engine: Engine, table: str, columns: Columns, money: Money) -> JudgedRows:
    """Count a table's rows and those excluded, with their values; raises DataError if over half fail a check."""
    if not columns.has_problems:
        return JudgedRows(columns.values.rows, {})
    counts = engine.rows(f"SELECT problem, count(*) FROM {table}_typed GROUP BY problem")
    rows = sum(count for _, count in counts)
    failed = dict(sorted(failure for failure in counts if failure[0] is not None))
    values = _values(engine, table, columns, money, [check for check in failed if CHECKS[check].column])
    failing = {}
    for check, count in failed.items():
        failure = FailedRows(count, rows, _typical(values.get(check, [])))
        if count <= REFUSED * rows and CHECKS[check].of_values:
            failure = _of_values(engine, table, columns, check, failure)
        failing[check] = failure
        if CHECKS[check].share == "refused" and failure.rows > REFUSED * failure.of:
            raise DataError(_refusal(engine, table, check, failure))
    if "score outside the scale" in failing:
        _refuse_scales(engine, failing["score outside the scale"])
    return JudgedRows(rows, failing)


def _values(engine: Engine, table: str, columns: Columns, money: Money, checks: list[str]) -> dict[str, list[Value]]:
    """The most common values that fail each check, by number of rows."""
    if not checks:
        return {}
    named = {_column(table, check) for check in checks}
    texts = ", ".join(f"{columns.text(name)} AS value_{name}" for name in sorted(named))
    cases = " ".join(f"WHEN {literal(check)} THEN value_{_column(table, check)}" for check in checks)
    currency, amount = ("currency", "abs(amount)") if table != "responses" else ("CAST(NULL AS VARCHAR)", "0")
    rows = engine.rows(
        "SELECT problem, value, currency, occurrences, worth, first FROM ("
        "SELECT problem, value, currency, occurrences, worth, first, "
        "row_number() OVER (PARTITION BY problem ORDER BY occurrences DESC, first) AS place FROM ("
        "SELECT problem, value, currency, count(*) AS occurrences, sum(amount) AS worth, min(_row) AS first FROM ("
        f"SELECT _row, problem, currency, amount, CASE problem {cases} END AS value FROM ("
        f"SELECT _row, problem, {currency} AS currency, {amount} AS amount "
        f"FROM {table}_typed WHERE problem IN ({', '.join(map(literal, checks))})) AS judged "
        f"JOIN (SELECT _row AS _at, {texts} FROM {table}_raw) AS source_rows ON _at = _row) AS failed "
        "GROUP BY problem, value, currency) AS counted) AS ranked "
        f"WHERE place <= {_MAX_VALUES} ORDER BY problem, place"
    )
    every: dict[str, dict[str | None, Value]] = {}
    for check, text, code, count, units, first in rows:
        before = every.setdefault(check, {}).get(text, Value(text, 0, first))
        amounts = (*before.amounts, *([money.format(units, code)] if units else []))
        every[check][text] = Value(text, before.rows + count, min(before.first, first), amounts)
    return {check: [*values.values()] for check, values in every.items()}


def _typical(values: list[Value]) -> tuple[Value, ...]:
    """The values in the most common format first (never `#` before the dates), then the most common ones."""
    shapes: Counter[str] = Counter()
    for value in values:
        shapes[_shape(value.text)] += value.rows
    return tuple(
        sorted(values, key=lambda value: (value.text is None, -shapes[_shape(value.text)], -value.rows, value.first))
    )


def _shape(text: str | None) -> str:
    """The format of a value, the same for `31/12/2024` and `01/01/2025`."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d", "9", text or ""))


def _of_values(engine: Engine, table: str, columns: Columns, check: str, failure: FailedRows) -> FailedRows:
    """The failure relative to rows with a value (most spells have no end), if over half and more than one fail."""
    ((filled,),) = engine.rows(f"SELECT count({columns.text(_column(table, check))}) FROM {table}_raw")
    if failure.rows < 2 or failure.rows <= REFUSED * filled:
        return failure
    return failure._replace(of=filled, of_values=True)


def _refuse_scales(engine: Engine, failure: FailedRows) -> None:
    """Raise DataError for the first survey with most answers outside its scale; a few codes outside, such as for `don't
    know`, are common.
    """
    surveys = engine.rows(
        "SELECT survey, min(scale), count(*), count(CASE WHEN problem IS NOT NULL THEN 1 END) FROM responses_typed "
        "WHERE problem IS NULL OR problem = 'score outside the scale' GROUP BY survey ORDER BY survey"
    )
    for survey, scale, rows, outside in surveys:
        if outside > REFUSED * rows:
            raise DataError(
                "The responses column 'score' lies outside the scale {scale} in {outside:,} of {rows:,} {survey} "
                "answers, {first_row}: set the scale that was asked (scale = …), or give the scores on it.",
                scale=scale,
                outside=outside,
                rows=rows,
                survey=survey,
                first_row=failure.first_row,
            )


def _refusal(engine: Engine, table: str, check: str, failure: FailedRows) -> Phrase:
    definition, column, typical = CHECKS[check], _column(table, check), failure.values[0]
    choices = definition.choices
    if check == "unknown scale":
        ((survey,),) = engine.rows(f"SELECT survey FROM responses_typed WHERE _row = {typical.first}")
        choices = ("0-10",) if survey == "nps" else choices
    if check == "unknown interval" and (clearer := clearer_interval(typical.text or "")):
        choices = ()
        definition = definition._replace(hint=f"it is taken to mean two things, write {clearer}")
    if choices:
        hint = did_you_mean(typical.text or "", choices)
    else:
        is_unreadable = definition.fault == "is unreadable"
        template = "{hint}, or map it with an expression." if is_unreadable else "{hint}."
        hint = Phrase(template, hint=Phrase(definition.hint))
        if definition.fault == OUTSIDE and (calendar := _calendar(typical.text or "")):
            template = "this looks like a year of the {calendar} calendar, give Gregorian ones."
            hint = Phrase(template, calendar=Phrase(calendar))
    return Phrase(
        "The {table} column {column!r} {fault} in {wrong:,} of {rows:,} {base}, {first_row}: {hint}",
        table=table,
        column=column,
        fault=Phrase(definition.fault),
        wrong=failure.rows,
        rows=failure.of,
        base=failure.base,
        first_row=failure.first_row,
        hint=hint,
    )


def _calendar(text: str) -> str | None:
    """The calendar whose year a date outside of the possible ones is likely to have."""
    years = [int(year) for year in re.findall(r"(?<![\d+])\d{4}(?=\d{4}(?!\d)|(?!\d))", text)]  # and of 14460130
    return next((name for name, known_years in _CALENDARS.items() if any(year in known_years for year in years)), None)


def _column(table: str, check: str) -> str:
    return CHECKS[check].column.replace("when", WHEN[table])


def _quoted(value: Value) -> str:
    """A value as in the source, on one line and shortened."""
    text = value.text or ""
    return quoted(text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}…")
