"""The columns of a table's raw view: their names, and SQL for their original values."""

from __future__ import annotations

from typing import NamedTuple

from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import NO_TEXT, NUMERIC, quote
from retention_kit.data.readers.union import FILE, REST, UNKNOWN
from retention_kit.data.schema import OPTIONAL, REQUIRED
from retention_kit.data.values.times import ENDS

_FAMILIES = dict.fromkeys(NUMERIC, "number") | dict.fromkeys(
    ("DATE", "TIMESTAMP"), "time"
)  # families of types that can be stacked without a cast
NUMBERS = ("amount", "refunded", "rate", "weight")
LONGEST, KEPT, _CUT = 1000, 200, "… "  # maximal length of texts; length and mark of shortened ones
SEVERAL = "(several)"  # an order's value if its lines have different ones
FLAGS = ("ambiguous", "nonexistent", "no_end")  # of rows, by their times


def capped_text(text: str, longest: int = LONGEST + 1) -> str:
    """SQL for a text of limited length: longer ones become their beginning with a digest, so they stay distinct."""
    if longest <= LONGEST:
        return text
    return f"CASE WHEN length({text}) > {LONGEST} THEN left({text}, {KEPT}) || '{_CUT}' || md5({text}) ELSE {text} END"


def is_capped(engine: Engine, table: str) -> str:
    """SQL for whether a row of a typed table has a shortened text."""
    texts = [quote(name) for name, kind in engine.types(f"{table}_typed").items() if kind == "VARCHAR"]
    cut = (f"(length({text}) = {KEPT + 34} AND substr({text}, {KEPT + 1}, 2) = '{_CUT}')" for text in texts)
    return " OR ".join(cut) or "false"


class Writing(NamedTuple):
    """Properties of all texts of a column."""

    longest: int
    is_filled: bool  # no text is empty
    is_trimmed: bool  # no text has spaces around it

    @property
    def is_short(self) -> bool:
        """Whether no text is as long as a shortened one, even if lower case is longer."""
        return self.longest * 3 < KEPT + 34


def is_number(kind: str) -> bool:
    """Whether a type is numeric."""
    return kind in NUMERIC or kind.startswith("DECIMAL(")


def text_sql(name: str, kind: str | None, writing: Writing | None = None) -> str:
    """SQL for a column as trimmed text, NULL if empty; integral floats (ids with gaps in pandas) as integers."""
    column = quote(name)
    if kind is None:
        return NO_TEXT
    if kind in ("DOUBLE", "FLOAT"):
        integer = f"CAST(TRY_CAST({column} AS BIGINT) AS VARCHAR)"
        text = (
            f"CASE WHEN {column} = floor({column}) AND abs({column}) < 1e15 THEN {integer} ELSE CAST({column} AS "
            "VARCHAR) END"
        )
        return f"CASE WHEN NOT isnan({column}) THEN {text} END"
    if is_number(kind):
        return f"CAST({column} AS VARCHAR)"
    text = f"CAST({column} AS VARCHAR)"
    text = text if writing and writing.is_trimmed else f"trim({text})"
    return text if writing and writing.is_trimmed and writing.is_filled else f"nullif({text}, '')"


def stacked_names(every: list[dict[str, str]]) -> list[str]:
    """The columns of all sources; `Country` in one and `country` in another are the same, spelled as in the first."""
    names: list[str] = []
    for kinds in every:
        used = {name.lower() for name in names if name not in kinds}
        names += [name for name in kinds if name not in names and name.lower() not in used]
    return names


def spellings(kinds: dict[str, str], names: list[str]) -> dict[str, str]:
    """The stacked columns of a source → their spelling in it."""
    loosely = {name.lower(): name for name in kinds if name not in names}
    spelled = {name: name if name in kinds else loosely.get(name.lower()) for name in names}
    return {name: spelling for name, spelling in spelled.items() if spelling is not None}


def stacked_column(name: str, spelling: str | None, kinds: list[str]) -> str:
    """SQL for a stacked column: NULL if a source lacks it, text if sources have different families of types."""
    if spelling is None:
        return f"CAST(NULL AS {kinds[0]}) AS {quote(name)}"
    families = {next((_FAMILIES[start] for start in _FAMILIES if kind.startswith(start)), kind) for kind in kinds}
    return f"{quote(spelling) if len(families) <= 1 else f'CAST({quote(spelling)} AS VARCHAR)'} AS {quote(name)}"


def times(table: str) -> list[str]:
    """The columns of a table with times."""
    return [name for name in (*REQUIRED[table], *OPTIONAL[table]) if name.endswith("_at") or name == "date"]


def added_columns(table: str) -> list[str]:
    """The columns of a table's raw view that are not in the source."""
    return [
        "_row",
        *map(plain_column, NUMBERS),
        "_is_line",
        "_like",
        "_source",
        FILE,
        REST,
        UNKNOWN,
        *(f"_{flag}" for flag in FLAGS),
        *map(local_column, times(table)),
        *map(outside_column, times(table)),
        *(no_end_column(name) for name in times(table) if name in ENDS),
    ]


def outside_column(name: str) -> str:
    """The column for whether a time is outside the possible years."""
    return quote(f"_outside_{name}")


def no_end_column(name: str) -> str:
    """The column for whether a time means a missing one."""
    return quote(f"_no_{name}")


def local_column(name: str) -> str:
    """The column for a time as local time of the report."""
    return quote(f"_local_{name}")


def plain_column(name: str) -> str:
    """The column for numbers as plain text, if the source has another format."""
    return quote(f"_plain_{name}")


def agreed_value(column: str) -> str:
    """SQL for the common value of an order's lines; missing values do not count."""
    return (
        f"CASE WHEN min({column}) = max({column}) THEN min({column}) WHEN min({column}) IS NOT NULL THEN "
        f"'{SEVERAL}' END AS {column}"
    )
