"""SQL that reads a column of times, of any type or common text format, as local time of the report.

Texts are read by their forms. A form is a text with its digits replaced by 9 (`99/99/9999 9:99 PM`): the engine counts
the forms of a column, `parse_form` finds the parts of each, and the engine rearranges them as ISO 8601, which all
engines read alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import NUMERIC, literal, quote
from retention_kit.data.values.amounts import DIGITS, INVISIBLE, OUR_DIGITS
from retention_kit.data.values.suggestions import ExpressionTarget, order_offers, refuse_numbers
from retention_kit.data.values.time_formats import ISO, Form, form_of, parse_form
from retention_kit.data.values.timezones import Transition, in_any_transition, in_report_zone, transitions
from retention_kit.data.values.zone_names import MARKS
from retention_kit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from retention_kit.data.values.aggregates import AggregateBatch

FIRST_YEAR, LAST_YEAR = 1970, 2100  # other dates are errors or mean none
ENDS = ("ended_at", "trial_ends_at", "closed_at")  # columns in which an empty value means "ongoing"
# Dates that programs write for no end.
NO_END = ("0001-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1970-01-01", "2099-12-31", "9999-12-31")
_NO_END_YEAR = 2099  # the first of them that may be in use
_MOST_FORMS = 10_000  # forms of one column


class TimeColumn(NamedTuple):
    """SQL that reads one column of times as local time of the report, and conditions on its rows.

    `steps` are columns that are computed before, one after another: the text and its form, the text in ISO 8601, and
    its naive time.
    """

    name: str
    moment: str = "CAST(NULL AS TIMESTAMP)"
    steps: tuple[dict[str, str], ...] = ()
    ambiguous: str = "false"
    nonexistent: str = "false"
    outside: str = "false"  # the year is out of range
    no_end: str = "false"  # means no end
    is_naive: bool = False  # some times have no zone


def read_times(
    engine: Engine,
    batch: AggregateBatch,
    part: str,
    name: str,
    text: str,
    kind: str | None,
    zone: str | None,
    report: str,
    target: ExpressionTarget,
) -> TimeColumn:
    """How to read one column of a source; `batch` computes aggregates of the source, `text` is the column as text, and
    `zone` the zone of its naive times, if it has its own.

    Raises DataError if it has no dates, or ambiguous ones.
    """
    column = quote(name)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return _read_instants(name, column, f"local_time({column}, {literal(report)})", report)
    if kind == "DATE":
        return _read_instants(name, f"CAST({column} AS TIMESTAMP)", f"CAST({column} AS TIMESTAMP)", "")
    if kind is not None and kind.startswith("TIMESTAMP"):
        rows, held, *span = (answer() for answer in span_of(batch, name))
        time = f"CAST({column} AS TIMESTAMP)"
        clock = TimeColumn(name, time) if rows == held else _read_instants(name, time, time, "")
        return _read_naive(clock, clock.moment, zone, report, span)._replace(is_naive=held > 0)
    is_number = kind is not None and kind.startswith(NUMERIC)
    if kind is None:
        return TimeColumn(name)
    if kind == "VARCHAR" or kind.startswith("ENUM") or is_number:
        return _read_texts(engine, part, name, text, kind if is_number else "", zone, report, target)
    if engine.rows(f"SELECT count({column}) FROM {part}")[0][0]:
        template = "The {table} column {name!r} holds {kind} values, not dates."
        raise DataError(template, table=target.table, name=name, kind=kind.lower())
    return TimeColumn(name)


def span_of(batch: AggregateBatch, name: str) -> list[Callable[[], Any]]:
    """Aggregates of a column of times without a zone: all, usable ones, and the first and last year of these."""
    time = f"CAST({quote(name)} AS TIMESTAMP)"
    usable = _read_instants(name, time, time, "").moment
    years = [f"CAST(EXTRACT(year FROM {most}({usable})) AS INTEGER)" for most in ("min", "max")]
    return [batch.add(expression) for expression in (f"count({time})", f"count({usable})", *years)]


def _read_instants(name: str, time: str, local: str, report: str) -> TimeColumn:
    """A column of times or dates; `report` is the zone of the report if they are instants, else empty."""
    first, after = f"TIMESTAMP '{FIRST_YEAR}-01-01 00:00:00'", f"TIMESTAMP '{LAST_YEAR + 1}-01-01 00:00:00'"
    if report:
        first, after = f"instant_at({first}, 'UTC')", f"instant_at({after}, 'UTC')"
    inside = f"({time} >= {first} AND {time} < {after})"
    if name not in ENDS:
        return TimeColumn(name, f"CASE WHEN {inside} THEN {local} END", outside=f"NOT {inside}")
    expressions = [time] if not report else [f"local_time({time}, 'UTC')", local]
    days = ", ".join(f"DATE '{day}'" for day in NO_END)
    no_end = " OR ".join(f"coalesce(CAST({expression} AS DATE) IN ({days}), false)" for expression in expressions)
    no_end = f"({no_end})"
    moment = f"CASE WHEN {inside} AND NOT {no_end} THEN {local} END"
    return TimeColumn(name, moment, outside=f"(NOT {inside} AND NOT {no_end})", no_end=no_end)


def _read_texts(
    engine: Engine,
    part: str,
    name: str,
    text: str,
    number: str,
    zone: str | None,
    report: str,
    target: ExpressionTarget,
) -> TimeColumn:
    forms, text = _forms_of(engine, part, name, text, target)
    parsed = [form for form in forms if form.parts or form.mask in ISO]
    refuse_numbers(target, name, [form[:1] + form[2:] for form in forms])
    if number and forms and not parsed:
        template = "The {table} column {name!r} holds {number} values, not dates."
        raise DataError(template, table=target.table, name=name, number=number.lower())
    timed = [form for form in parsed if form.is_timed]
    without = [form for form in timed if not form.zone]
    with_zone = [form for form in timed if form.zone]
    if with_zone and without:
        raise DataError(
            "The {table} column {name!r} mixes {with_zone:,} times with a zone and {without:,} without: write all "
            "of them one way.",
            table=target.table,
            name=name,
            with_zone=sum(form.rows for form in with_zone),
            without=sum(form.rows for form in without),
        )
    if not parsed:
        return TimeColumn(name)
    if all(form.mask in ISO for form in forms):
        steps, iso, form_column = [], text, ""
        span = [int(min(form.least for form in parsed)[:4]), int(max(form.last for form in parsed)[:4])]
    else:
        iso, form_column, text_column = (quote(f"_{what}_{name}") for what in ("iso", "form", "said"))
        day_first, span = _day_order(engine, part, name, text, parsed, target)
        cases = "".join(f" WHEN {literal(form.mask)} THEN {form.iso(text_column, day_first)}" for form in parsed)
        steps = [{text_column: text, form_column: form_of(text)}, {iso: f"CASE {form_column}{cases} END"}]
    return _read_iso(engine, part, name, iso, form_column, steps, parsed, zone, report, span)


def _read_iso(
    engine: Engine,
    part: str,
    name: str,
    iso: str,
    form_column: str,
    steps: list,
    parsed: list[Form],
    zone: str | None,
    report: str,
    span: list,
) -> TimeColumn:
    """A column whose texts have been converted to ISO 8601; `span` is the first and last year."""
    no_end, outside = "false", "false"
    if name in ENDS:
        no_end = f"coalesce(substr({iso}, 1, 10) IN ({', '.join(map(literal, NO_END))}), false)"
    usable = [] if no_end == "false" else [f"NOT {no_end}"]
    if span[0] is not None and not FIRST_YEAR <= span[0] <= span[1] <= LAST_YEAR:
        inside = f"({iso} >= '{FIRST_YEAR}' AND {iso} < '{LAST_YEAR + 1}')"
        outside = " AND ".join([f"NOT {inside}", *usable])
        usable.append(inside)

    def only(sql: str, *conditions: str) -> str:
        condition = " AND ".join([*usable, *conditions])
        return f"CASE WHEN {condition} THEN {sql} END" if condition else sql

    local, timed = f"TRY_CAST({iso} AS TIMESTAMP)", f"length({iso}) > 10"
    clock = TimeColumn(name, outside=f"({outside})", no_end=no_end, steps=tuple(steps))
    zones = {form.zone for form in parsed if form.zone}
    if zones == {"offset"}:
        instant = f"local_time(TRY_CAST({iso} AS TIMESTAMPTZ), {literal(report)})"
        if all(form.is_timed for form in parsed):
            return clock._replace(moment=only(instant))
        return clock._replace(moment=only(f"CASE WHEN {timed} THEN {instant} ELSE {local} END"))
    if not any(form.is_timed for form in parsed):
        return clock._replace(moment=only(local))
    if usable and None not in span and not FIRST_YEAR < span[0] <= span[1] < _NO_END_YEAR:
        # Zones change every year: 1970 or 9999, which mean none, would add a hundred conditions for each row.
        years = f"min(substr({iso}, 1, 4)), max(substr({iso}, 1, 4))"
        query = f"SELECT {years} FROM {stepwise(part, [clock])} WHERE {' AND '.join(usable)}"
        span = [year and int(year) for year in engine.rows(query)[0]]
    if zones:
        return _read_named_zones(clock, iso, form_column, parsed, report, span, only)
    moment = _read_naive(clock, only(local, timed), zone, report, span)._replace(is_naive=True)
    if all(form.is_timed for form in parsed):
        return moment
    # A date without time is its midnight in any zone.
    return moment._replace(moment=f"CASE WHEN {timed} THEN {moment.moment} ELSE {only(local)} END")


def _read_named_zones(
    clock: TimeColumn, iso: str, form_column: str, parsed: list[Form], report: str, span: list, only: Callable[..., str]
) -> TimeColumn:
    """Times with names of zones, each read in its own, and perhaps some with an offset."""
    column = quote(f"_naive_{clock.name}")
    forms: dict[str, list[str]] = {}
    for form in parsed:
        forms.setdefault(form.zone, []).append(literal(form.mask))
    instants = ", ".join(forms.pop("offset", ["''"]))
    local = only(f"TRY_CAST({iso} AS TIMESTAMP)", f"{form_column} NOT IN ({instants})")
    instant = f"local_time(TRY_CAST({iso} AS TIMESTAMPTZ), {literal(report)})"
    cases = [f"WHEN {form_column} IN ({instants}) THEN {only(instant)}"]
    flags: dict[bool, list[str]] = {True: [], False: []}
    for zone, masks in forms.items():
        is_here = f"{form_column} IN ({', '.join(masks)})"
        moved = _transitions(zone, span) if zone else ()
        cases.append(f"WHEN {is_here} THEN {in_report_zone(column, zone or report, report, moved) if zone else column}")
        for is_gap, flagged in flags.items():
            flagged.append(f"({is_here} AND ({in_any_transition(moved, column, is_gap)}))")
    return clock._replace(
        moment=f"CASE {' '.join(cases)} END",
        steps=(*clock.steps, {column: local}),
        ambiguous=" OR ".join(flags[False]),
        nonexistent=" OR ".join(flags[True]),
    )


def _read_naive(clock: TimeColumn, time: str, zone: str | None, report: str, span: Iterable[int | None]) -> TimeColumn:
    """Naive times as local times of the report, with conditions for those that do not exist or occur twice."""
    column = quote(f"_naive_{clock.name}")
    changes = _transitions(zone or report, span)
    return clock._replace(
        moment=in_report_zone(column, zone, report, changes),
        steps=(*clock.steps, {column: time}),
        ambiguous=in_any_transition(changes, column, False),
        nonexistent=in_any_transition(changes, column, True),
    )


def _transitions(zone: str, span: Iterable[int | None]) -> tuple[Transition, ...]:
    """The transitions of a zone from the first to the last year of a span; none without any date in it."""
    first, last = span
    return () if first is None or last is None else transitions(zone, first, last)


def stepwise(part: str, columns: list[TimeColumn]) -> str:
    """SQL of a source with the columns for its times, computed step by step."""
    relation = part
    for step in range(max((len(column.steps) for column in columns), default=0)):
        every = [
            item for column in columns for item in (column.steps[step].items() if step < len(column.steps) else ())
        ]
        relation = (
            f"(SELECT *{''.join(f', {sql} AS {column}' for column, sql in every)} FROM {relation}) AS source_rows"
        )
    return relation


def _count_forms(engine: Engine, part: str, text: str) -> list[tuple]:
    """The forms of a column's texts, the most frequent first: each with its count, and its first and last text."""
    return engine.rows(
        f"SELECT form, count(*) AS found, min(said) AS least, max(said) AS last FROM (SELECT said, {form_of('said')} "
        f"AS form FROM (SELECT {text} AS said FROM {part}) AS source_rows WHERE said IS NOT NULL) AS typed "
        f"GROUP BY form ORDER BY count(*) DESC, form LIMIT {_MOST_FORMS + 1}"
    )


def _forms_of(engine: Engine, part: str, name: str, text: str, target: ExpressionTarget) -> tuple[list[Form], str]:
    """The forms of a column with their counts, the most frequent first, and SQL of its text with our digits and without
    marks of direction and of Arabic letters.
    """
    rows = _count_forms(engine, part, text)
    unsaid = INVISIBLE + MARKS
    if any(sign in mask for mask, *_ in rows for sign in DIGITS + unsaid):
        text = f"trim(translate({text}, {literal(DIGITS + unsaid)}, {literal(OUR_DIGITS)}))"
        rows = _count_forms(engine, part, text)
    if len(rows) > _MOST_FORMS:
        template = (
            "The {table} column {name!r} holds no dates: its values are written in more than {most:,} ways, such "
            "as {rows!r}: see which column is which."
        )
        raise DataError(template, table=target.table, name=name, most=_MOST_FORMS, rows=rows[0][2])
    is_plain = all(mask in ISO for mask, *_ in rows)  # whose parts nobody asks for
    return [Form(mask, None if is_plain else parse_form(mask), *more) for mask, *more in rows], text


def _day_order(
    engine: Engine, part: str, name: str, text: str, parsed: list[Form], target: ExpressionTarget
) -> tuple[bool, list]:
    """Whether the day is before the month in numeric dates, by parts above 12, and the first and last year.

    Raises DataError if a column has both orders, or neither can be proven.
    """
    full = [form for form in parsed if form.mask in ISO or form.year_digits == 4]
    short = [form for form in parsed if form.year_digits == 2]
    if short and sum(form.rows for form in short) > sum(form.rows for form in full):
        template = "The {table} column {name!r} writes years with two digits, such as {least!r}: {order_offers}"
        raise DataError(
            template,
            table=target.table,
            name=name,
            least=short[0].least,
            order_offers=order_offers(target, name, short),
        )
    numbers = [form for form in full if form.has("one")]
    if all(form.mask in ISO for form in parsed):
        return True, [int(min(form.least for form in parsed)[:4]), int(max(form.last for form in parsed)[:4])]

    def digits_by_form(forms: list[Form], part: str) -> str:
        cases = "".join(f" WHEN {literal(form.mask)} THEN {form.digits('said', part)}" for form in forms)
        return f"CASE form{cases} END" if cases else "CAST(NULL AS VARCHAR)"

    years = "".join(
        f" WHEN {literal(form.mask)} THEN {'substr(said, 1, 4)' if not form.parts else form.digits('said', 'year')}"
        for form in full
    )
    examples = [
        f"min(CASE WHEN {day} BETWEEN '13' AND '31' AND {month} BETWEEN '01' AND '12' THEN said END)"
        for day, month in (("one", "two"), ("two", "one"))
    ]
    query = (
        f"SELECT {', '.join(examples)}, min(CASE WHEN one <> two AND one <= '12' AND two <= '12' THEN said END), "
        "min(year), max(year) FROM (SELECT said, "
        f"{digits_by_form(numbers, 'one')} AS one, {digits_by_form(numbers, 'two')} AS two, "
        f"{f'CASE form{years} END' if years else 'CAST(NULL AS VARCHAR)'} AS year FROM (SELECT said, "
        f"{form_of('said')} AS form "
        f"FROM (SELECT {text} AS said FROM {part}) AS source_rows) AS typed) AS parted"
    )
    ((day_first, month_first, open_, least, last),) = engine.rows(query)
    if day_first and month_first:
        raise _both_orders(engine, part, name, text, day_first, month_first, target)
    if numbers and open_ and not (day_first or month_first):
        template = (
            "The {table} column {name!r} does not show whether the day or the month comes first, such as {open!r}: "
            "{order_offers}"
        )
        raise DataError(
            template, table=target.table, name=name, open=open_, order_offers=order_offers(target, name, numbers)
        )
    span = [least and int(least), last and int(last)] if len(full) == len(parsed) else [0, int(last or 0)]
    return not month_first, span


def _both_orders(
    engine: Engine, part: str, name: str, text: str, day_first: str, month_first: str, target: ExpressionTarget
) -> DataError:
    """The error of a column that has both orders of day and month, with a file of each if they are in two."""
    files = ["", ""]
    if target.file:
        for number, date in enumerate((day_first, month_first)):
            ((files[number],),) = engine.rows(
                f"SELECT min(file) FROM (SELECT {text} AS said, {target.file} AS file FROM {part}) AS source_rows "
                f"WHERE said = {literal(date)}"
            )
    template = (
        "The {table} column {name!r} writes the day first ({day_first!r}) and the month first "
        "({month_first!r}): write all of its dates one way."
    )
    if files[0] != files[1]:
        template = (
            "The {table} column {name!r} writes the day first in {file} ({day_first!r}) and the month first in {other} "
            "({month_first!r}): write all of its dates one way, or name the files as sources of their own."
        )
    dates = {"day_first": day_first, "month_first": month_first}
    return DataError(template, table=target.table, name=name, file=files[0], other=files[1], **dates)
