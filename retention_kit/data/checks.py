"""When a table is not dirty but mapped or written wrongly, the load is refused."""

from __future__ import annotations

from retention_kit.data.columns import Columns
from retention_kit.data.engine import Engine
from retention_kit.errors import DataError, did_you_mean
from retention_kit.settings import Definitions, check_top

WHEN = {"orders": "ordered_at", "subscriptions": "started_at", "responses": "responded_at"}

_UNREADABLE = {
    "unreadable date": None,  # the column in WHEN
    "unreadable end date": "ended_at",
    "unreadable end date of the trial": "trial_ends_at",
    "unreadable amount": "amount",
    "unreadable refunded amount": "refunded",
    "unreadable score": "score",
}
_UNKNOWN = {
    "unknown interval": ("interval", ("day", "week", "month", "quarter", "year")),
    "unknown status": ("status", ("active", "trialing", "paused", "unpaid", "past_due", "cancelled", "free")),
    "unknown survey": ("survey", ("nps", "csat", "ces")),
    "unknown scale": ("scale", ("0-10", "1-5", "1-7", "1-10")),
}
_WRONG = {
    "no customer": ("customer_id", "is empty", "a subscription needs a customer"),
    "ended before it started": ("ended_at", "lies before started_at", "see which column is which"),
}


def refuse_unusable(engine: Engine, table: str, columns: Columns) -> int:
    """The number of rows; raise where half or more of a column's values are unreadable, or where every row of a table fails one check.

    Copies, codes outside a scale and answers without a weight are common in good data and never refused.
    """
    judged = engine.rows(f"SELECT problem, count(*), min(_row) FROM {table}_typed GROUP BY 1")
    rows = sum(count for _, count, _ in judged)
    for check, count, first in sorted(found for found in judged if found[0] is not None):
        if check in _UNREADABLE:
            _refuse_unreadable(engine, table, columns, check, _UNREADABLE[check] or WHEN[table])
        elif count < rows or check not in {**_UNKNOWN, **_WRONG}:
            continue
        elif check in _UNKNOWN:
            column, choices = _UNKNOWN[check]
            value, survey = _values(engine, table, first, columns.text(column), columns.text("survey"))
            if check == "unknown scale" and survey and survey.lower() == "nps":
                choices = ("0-10",)
            raise DataError(
                f"The {table} column {column!r} is unknown in {count} of {rows} rows, first in row {first} ({value!r}): "
                f"{did_you_mean(value or '', choices)}"
            )
        else:
            column, fault, hint = _WRONG[check]
            (value,) = _values(engine, table, first, columns.text(column))
            shown = f" ({value!r})" if value else ""
            raise DataError(
                f"The {table} column {column!r} {fault} in {count} of {rows} rows, first in row {first}{shown}: {hint}."
            )
    if columns.is_mixed:
        both = engine.rows(
            "SELECT order_id FROM orders_typed WHERE problem IS NULL AND order_id IS NOT NULL "
            "GROUP BY order_id HAVING bool_or(_is_line) AND NOT bool_and(_is_line) ORDER BY order_id LIMIT 1"
        )
        for (order,) in both:
            raise DataError(f"The order {order!r} is in a source of lines and in one of whole orders: keep it in one.")
    if table == "responses":
        asked: dict[str, list[str]] = {}
        scales = "SELECT DISTINCT survey, scale FROM responses_typed WHERE problem IS NULL ORDER BY survey, scale"
        for survey, scale in engine.rows(scales):
            asked.setdefault(survey, []).append(scale)
        for survey, found in asked.items():
            if len(found) > 1:
                said = " and ".join(found)
                raise DataError(f"The {survey} answers are on different scales, {said}: one survey needs one scale.")
    return rows


def refuse_tops(engine: Engine, chosen: Definitions) -> None:
    """Raise where csat_top or ces_top would make every answer of the scale a good one."""
    scales = (
        "SELECT DISTINCT survey, low, high FROM responses_typed WHERE problem IS NULL AND survey IN ('csat', 'ces')"
    )
    for survey, low, high in engine.rows(scales):
        top = getattr(chosen, f"{survey}_top")
        if top != "mean":
            check_top(f"definitions.{survey}_top", top, low, high)


def _refuse_unreadable(engine: Engine, table: str, columns: Columns, check: str, column: str) -> None:
    """Most spells run, so few have an end that could be read: what counts is also the share of the values there are."""
    text = columns.text(column)
    rows, failed, first, filled, unreadable, first_unreadable = engine.rows(
        f"SELECT count(*), count(CASE WHEN bad THEN 1 END), min(CASE WHEN bad THEN _row END), count(said), "
        f"count(CASE WHEN bad THEN said END), min(CASE WHEN bad AND said IS NOT NULL THEN _row END) "
        f"FROM (SELECT _row, coalesce(_problem = '{check}', false) AS bad, {text} AS said FROM {table}_raw "
        f"JOIN (SELECT _row AS _judged, problem AS _problem FROM {table}_typed) AS judged ON _row = _judged) AS seen"
    )[0]
    of = "rows"
    if failed * 2 < rows:
        if unreadable < 2 or unreadable * 2 < filled:  # one bad end in a small table is dirt
            return
        failed, rows, first, of = unreadable, filled, first_unreadable, "rows that hold a value"
    (value,) = _values(engine, table, first, text)
    hint = "write dates like 2011-11-30 or 2011-11-30 14:05" if "date" in check else "write plain numbers like 1234.50"
    raise DataError(
        f"The {table} column {column!r} is unreadable in {failed} of {rows} {of}, first in row {first} "
        f"({value or ''!r}): {hint}, or map it with an expression."
    )


def _values(engine: Engine, table: str, row: int, *columns: str) -> tuple:
    return engine.rows(f"SELECT {', '.join(columns)} FROM {table}_raw WHERE _row = {row}")[0]
