"""SQL for values of customers in other columns, such as addresses, for follow-ups.

It selects customers of a relation `happened`, which the query defines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from retention_kit.data.checks import WHEN
from retention_kit.data.cleaning.raw_columns import added_columns, text_sql
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal
from retention_kit.data.values.missing import MISSING
from retention_kit.errors import SettingsError, did_you_mean
from retention_kit.settings.follow_ups import FollowUp

YES = ("true", "t", "yes", "y", "1", "on", "x", "ok", "granted", "given", "accepted", "agreed", "subscribed", "opt-in",
       "opted in", "opted-in", "opted_in", "ja", "oui", "si", "sí", "sim", "نعم")  # fmt: skip  # words by the line
NO = ("false", "f", "no", "n", "0", "off", "none", "never", "nein", "non", "não", "لا")
_FIRST, _LAST = "TIMESTAMP '1900-01-01 00:00:00'", "TIMESTAMP '9999-12-31 00:00:00'"


def check_columns(engine: Engine, tables: Collection[str], follow_ups: Sequence[FollowUp]) -> None:
    """Raise SettingsError for a follow-up with a column that is in no table.

    Follow-ups whose own table is missing are ignored; their lists give the reason.
    """
    if not (follow_ups := [follow_up for follow_up in follow_ups if follow_up.rule.table in tables]):
        return
    names = list(dict.fromkeys(name for table in tables for name in _columns(engine, table)))
    lowered = {name.lower() for name in names}
    for follow_up in follow_ups:
        columns = [("contact", follow_up.contact), ("consent", follow_up.consent)]
        columns += [("suppress", column) for column, _ in follow_up.suppressions] + [
            ("text", name) for name in follow_up.merged
        ]
        for key, name in columns:
            if name is not None and name.lower() not in lowered:
                template = (
                    "follow_ups.{name}.{key}: no table has a column {column!r}: {hint} Of an export, map it in "
                    "[data.TABLE.columns]."
                )
                raise SettingsError(template, name=follow_up.name, key=key, column=name, hint=did_you_mean(name, names))


def latest_value_sql(engine: Engine, tables: Iterable[str], column: str) -> str:
    """SQL for each customer's last value in a column of any table: customer_id, value."""
    missing = ", ".join(map(literal, MISSING))
    return (
        "SELECT customer_id, value FROM (SELECT customer_id, value, row_number() OVER (PARTITION BY customer_id "
        "ORDER BY moment DESC, place_of_table, _row DESC) AS place "
        f"FROM ({_values_sql(engine, tables, column)}) AS source_rows WHERE upper(value) NOT IN ({missing})) AS placed "
        "WHERE place = 1"
    )


def consent_sql(engine: Engine, tables: Iterable[str], column: str) -> str:
    """SQL for consent: customer_id, agrees (1 or 0): whether the last value in each table with the column is a yes.

    A value without a readable time counts as the last one, unless it is a yes.
    """
    is_yes = f"CASE WHEN lower(value) IN ({', '.join(map(literal, YES))}) THEN 1 ELSE 0 END"
    return (
        "SELECT customer_id, MIN(is_yes) AS agrees FROM (SELECT customer_id, is_yes, row_number() OVER "
        "(PARTITION BY customer_id, place_of_table ORDER BY "
        f"CASE WHEN moment = {_FIRST} AND is_yes = 0 THEN {_LAST} ELSE moment END DESC, is_yes, _row DESC) AS place "
        f"FROM (SELECT source_rows.*, {is_yes} AS is_yes "
        f"FROM ({_values_sql(engine, tables, column)}) AS source_rows) AS judged) AS placed "
        "WHERE place = 1 GROUP BY customer_id"
    )


def silence_sql(engine: Engine, tables: Iterable[str], column: str, value: str | None) -> str:
    """SQL for suppressed customers: customer_id. One row with such a value is enough, at any time."""
    no = ", ".join(map(literal, (*NO, *map(str.lower, MISSING))))
    is_silent = f"lower(value) NOT IN ({no})" if value is None else f"lower(value) = {literal(value.lower())}"
    return f"SELECT DISTINCT customer_id FROM ({_values_sql(engine, tables, column)}) AS source_rows WHERE {is_silent}"


def _values_sql(engine: Engine, tables: Iterable[str], column: str) -> str:
    """SQL for all values of a column: customer_id, value, moment, place_of_table, _row; including excluded rows."""
    parts = []
    for number, table in enumerate(tables):
        kinds = _columns(engine, table)
        name = column if column in kinds else next((kind for kind in kinds if kind.lower() == column.lower()), None)
        if name is not None:
            text = text_sql(name, kinds[name])
            parts.append(
                f"SELECT judged.customer_id, source_rows.value, coalesce(judged.{WHEN[table]}, {_FIRST}) AS moment, "
                f"{number} AS place_of_table, judged._row FROM {table}_typed AS judged "
                f"JOIN (SELECT _row, {text} AS value FROM {table}_raw) AS source_rows "
                "ON source_rows._row = judged._row "
                "WHERE judged.customer_id IN (SELECT customer_id FROM happened) AND source_rows.value IS NOT NULL"
            )
    return " UNION ALL ".join(parts)


def _columns(engine: Engine, table: str) -> dict[str, str]:
    """The columns of a table's sources, with their types."""
    added = {name.strip('"') for name in added_columns(table)}
    return {name: kind for name, kind in engine.types(f"{table}_raw").items() if name not in added}
