"""Converts numeric amounts to whole minor units without formatting them as text, if the result is sure to be the same.

A DOUBLE means the shortest decimal number that it represents, of which six decimals are read. That changes a value by
at most half a millionth, so one that is further from the middle between two units rounds like its decimal number.
"""

from __future__ import annotations

import re

_MAX_DOUBLE = 10**8  # below it, the error of a DOUBLE with two decimals does not matter
_MAX_WHOLE = 10**9  # up to it, integers and decimals in minor units fit a BIGINT
_MOST_UNITS = 10**5


def whole_amount(column: str, kind: str | None, units: int, expression: str) -> str:
    """SQL of a column in whole minor units; `expression` is the same by its text, for values that are not sure."""
    if kind is not None and is_whole(kind):
        quick, is_sure = (
            f"CAST({column} AS BIGINT) * {units}",
            f"{column} BETWEEN -{_MAX_WHOLE} AND {_MAX_WHOLE}",
        )
    elif 0 <= decimals_of(kind) <= 6:
        quick, is_sure = (
            f"CAST(round({column} * {units}) AS BIGINT)",
            f"{column} BETWEEN -{_MAX_WHOLE} AND {_MAX_WHOLE}",
        )
    elif kind == "DOUBLE" and units <= _MOST_UNITS:
        scaled = f"abs({column} * {units})"
        # The upper bound leaves out NaN, which DuckDB takes for small, and for no NaN, by a Parquet file's statistics.
        from_middle = f"abs({scaled} - floor({scaled}) - 0.5) BETWEEN {units / 10**6:.8f} AND 1"
        quick = f"CAST(round({column} * {units}) AS BIGINT)"
        is_sure = f"coalesce(CASE WHEN abs({column}) < {_MAX_DOUBLE} THEN {from_middle} END, false)"
    else:
        return expression
    return f"CASE WHEN {is_sure} THEN {quick} ELSE {expression} END"


def is_whole(kind: str) -> bool:
    """Whether a type is of whole numbers."""
    return kind.endswith(("INT", "INTEGER"))


def decimals_of(kind: str | None) -> int:
    """The number of decimals of a DECIMAL type; -1 for other types."""
    match = re.fullmatch(r"DECIMAL\(\d+, ?(\d+)\)", kind or "")
    return int(match[1]) if match else -1


def may_be_finer(column: str, kind: str | None, decimals: int) -> str:
    """SQL: whether an amount may have more decimals than its currency; false if it surely has not."""
    if (kind is not None and is_whole(kind)) or 0 <= decimals_of(kind) <= decimals:
        return "false"
    if kind != "DOUBLE":
        return "true"
    units = 10**decimals
    distance = f"abs({column} * {units} - round({column} * {units})) < {4 * units / 10**7:.8f}"
    is_fine = f"CASE WHEN abs({column}) < {_MAX_DOUBLE} THEN {distance} END"
    return f"NOT coalesce({is_fine}, {column} IS NULL OR isnan({column}))"
