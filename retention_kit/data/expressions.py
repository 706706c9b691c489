"""The SQL expression that would read a column's values, where it is known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from itertools import product

from retention_kit.data.engine import literal, quote

_DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%Y%m%d", "%d %b %Y", "%d-%b-%Y",
         "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y")  # fmt: skip
_HOURS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_FEW = 0.9  # of the values: a column may hold fragments besides its dates


def reading_expression(column: str, values: Iterable[str]) -> str:
    """SQL in quotation marks of TOML that reads nearly all values of a column as dates or numbers; empty where none is known.

    Where day and month cannot be told apart, both readings are named.
    """
    values = [*values]
    formats = [day + hour for day, hour in product(_DAYS, _HOURS) if _reads(day + hour, values)]
    return " or ".join(f'"try_strptime({_name(column)}, {literal(form)})"' for form in formats[:2])


def _reads(form: str, values: list[str]) -> bool:
    return bool(values) and sum(_is(form, value) for value in values) >= _FEW * len(values)


def _is(form: str, value: str) -> bool:
    try:
        datetime.strptime(value, form)  # noqa: DTZ007, only whether it can be read is asked
    except ValueError:
        return False
    return True


def _name(column: str) -> str:
    """A column in SQL, its quotation marks as TOML writes them."""
    return column if re.fullmatch(r"[A-Za-z_]\w*", column) else quote(column).replace('"', '\\"')
