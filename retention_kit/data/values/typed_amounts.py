"""Amounts that come as numbers, not as texts: in whole units without being written out, where that is sure to be the
same.

A column of DOUBLE stands for the shortest decimals that give it, of which six are read. Half a millionth is the most
that this moves a value, so one that lies further from the middle between two whole units rounds as its decimals do.
"""

from __future__ import annotations

import re

_LARGEST = 10**8  # below it, what a DOUBLE of hundredths is off is no matter
_WHOLE = 10**9  # below it, integers and decimals in units fit a BIGINT
_MOST_UNITS = 10**5


def whole_amount(column: str, kind: str | None, units: int, written: str) -> str:
    """SQL of a column in whole units; `written` is the same by its text, for what is not sure."""
    if kind is not None and is_whole(kind):
        quick, is_sure = f"CAST({column} AS BIGINT) * {units}", f"{column} BETWEEN -{_WHOLE} AND {_WHOLE}"
    elif 0 <= decimals_of(kind) <= 6:
        quick, is_sure = f"CAST(round({column} * {units}) AS BIGINT)", f"{column} BETWEEN -{_WHOLE} AND {_WHOLE}"
    elif kind == "DOUBLE" and units <= _MOST_UNITS:
        scaled = f"abs({column} * {units})"
        from_middle = f"abs({scaled} - floor({scaled}) - 0.5) > {units / 10**6:.8f}"
        quick = f"CAST(round({column} * {units}) AS BIGINT)"
        is_sure = f"coalesce(CASE WHEN abs({column}) < {_LARGEST} THEN {from_middle} END, false)"
    else:
        return written
    return f"CASE WHEN {is_sure} THEN {quick} ELSE {written} END"


def is_whole(kind: str) -> bool:
    """Whether a type holds whole numbers."""
    return kind.endswith(("INT", "INTEGER"))


def decimals_of(kind: str | None) -> int:
    """How many decimals a type of fixed ones has; -1 of others."""
    match = re.fullmatch(r"DECIMAL\(\d+, ?(\d+)\)", kind or "")
    return int(match[1]) if match else -1


def may_be_finer(column: str, kind: str | None, decimals: int) -> str:
    """SQL: whether an amount may have more decimals than its currency; false where it is sure not to."""
    if (kind is not None and is_whole(kind)) or 0 <= decimals_of(kind) <= decimals:
        return "false"
    if kind != "DOUBLE":
        return "true"
    units = 10**decimals
    distance = f"abs({column} * {units} - round({column} * {units})) < {4 * units / 10**7:.8f}"
    return (
        f"NOT coalesce(CASE WHEN abs({column}) < {_LARGEST} THEN {distance} END, {column} IS NULL OR isnan({column}))"
    )
