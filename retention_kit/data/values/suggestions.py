"""Suggests expressions, in the dialect of the engine, for columns of times whose format is ambiguous."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.data.checks import DATES
from retention_kit.data.engines.sql_text import literal, quote
from retention_kit.errors import DataError, Listed, Phrase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retention_kit.data.values.time_formats import Form


class ExpressionTarget(NamedTuple):
    """What expressions on a source need: its table, its names of our columns, and the SQL dialect."""

    table: str
    columns: Mapping[str, str]  # ours = theirs; empty for an expression
    dialect: str  # duckdb, postgres, spark, or pandas for a DataFrame
    file: str = ""  # SQL for the file of a row, if there are several


class _NumericTime(NamedTuple):
    """A numeric encoding of times: digits before the point, the range [first, after), and expressions by dialect."""

    what: str
    digits: range
    first: float
    after: float
    expressions: dict[str, str]


_INTEGER = "CAST({x} AS BIGINT)"
_EPOCH = "TIMESTAMPTZ '1970-01-01 00:00:00+00'"
_FIRST, _END = 31_536_000, 4_133_980_800  # seconds from 1970 to 1971 and to 2101: smaller numbers count something else
_NUMERIC_TIMES = (
    _NumericTime("Excel's days", range(5, 6), 25_569, 73_416, {
        "duckdb": "TIMESTAMP '1899-12-30' + to_milliseconds(CAST(round(CAST({x} AS DOUBLE) * 86400000) AS BIGINT))",
        "postgres": "TIMESTAMP '1899-12-30' + round(CAST({x} AS double precision) * 86400000) * INTERVAL '1 "
                    "millisecond'",
        "spark": "TIMESTAMP_NTZ '1899-12-30 00:00:00' + make_dt_interval(0, 0, 0, CAST(round(CAST({x} AS DOUBLE) * "
                 "86400, 3) AS DECIMAL(18, 6)))",
        "pandas": 'pd.to_datetime(pd.to_numeric({x}), unit="D", origin="1899-12-30").dt.round("ms")',
    }),
    _NumericTime("Julian days", range(7, 8), 2_440_952.5, 2_488_434.5, {
        "duckdb": "timezone('UTC', TIMESTAMP '1970-01-01' + to_milliseconds(CAST(round((CAST({x} AS DOUBLE) - "
                  "2440587.5) * 86400000) AS BIGINT)))",
        "postgres": "TIMESTAMPTZ '1970-01-01 00:00:00+00' + round((CAST({x} AS double precision) - 2440587.5) * "
                    "86400000) * INTERVAL '1 millisecond'",
        "spark": "timestamp_millis(CAST(round((CAST({x} AS DOUBLE) - 2440587.5) * 86400000) AS BIGINT))",
        "pandas": 'pd.to_datetime(pd.to_numeric({x}), unit="D", origin="julian", utc=True).dt.round("ms")',
    }),
    _NumericTime("seconds since 1970", range(8, 11), _FIRST, _END, {
        "duckdb": "to_timestamp(CAST({x} AS DOUBLE))",
        "postgres": "to_timestamp(CAST({x} AS double precision))",
        "spark": "timestamp_seconds(CAST({x} AS DECIMAL(18, 6)))",
        "pandas": 'pd.to_datetime(pd.to_numeric({x}), unit="s", utc=True)',
    }),
    _NumericTime("milliseconds since 1970", range(11, 14), _FIRST * 10**3, _END * 10**3, {
        "duckdb": "to_timestamp(CAST({x} AS DOUBLE) / 1000)",
        "postgres": "to_timestamp(CAST({x} AS double precision) / 1000)",
        "spark": "timestamp_millis(CAST({x} AS BIGINT))",
        "pandas": 'pd.to_datetime(pd.to_numeric({x}), unit="ms", utc=True)',
    }),
    _NumericTime("microseconds since 1970", range(14, 17), _FIRST * 10**6, _END * 10**6, {
        "duckdb": "timezone('UTC', make_timestamp(CAST({x} AS BIGINT)))",
        "postgres": f"{_EPOCH} + {_INTEGER} * INTERVAL '1 microsecond'",
        "spark": f"timestamp_micros({_INTEGER})",
        "pandas": 'pd.to_datetime(pd.to_numeric({x}), unit="us", utc=True)',
    }),
    _NumericTime("nanoseconds since 1970", range(17, 20), _FIRST * 10**9, _END * 10**9, {
        "duckdb": "timezone('UTC', make_timestamp(CAST({x} AS BIGINT) // 1000))",
        "postgres": f"{_EPOCH} + {_INTEGER} / 1000 * INTERVAL '1 microsecond'",
        "spark": f"timestamp_micros({_INTEGER} DIV 1000)",
        "pandas": 'pd.to_datetime(pd.to_numeric({x}), unit="ns", utc=True)',
    }),
)  # fmt: skip  # words by the line
# Format codes of the parts of a date, by dialect.
_STRPTIME = {
    "year": "%Y", "short": "%y", "month": "%m", "day": "%d", "name": "%b", "hour": "%H", "half": "%I",
    "minute": "%M", "second": "%S", "part": "%f", "noon": "%p",
}  # fmt: skip  # words by the line
_CODES = {
    "duckdb": _STRPTIME,
    "pandas": _STRPTIME,
    "postgres": {
        "year": "YYYY", "short": "YY", "month": "MM", "day": "DD", "name": "Mon", "hour": "HH24", "half": "HH12",
        "minute": "MI", "second": "SS", "part": "US", "noon": "AM",
    },
    "spark": {
        "year": "yyyy", "short": "yy", "month": "M", "day": "d", "name": "MMM", "hour": "H", "half": "h",
        "minute": "mm", "second": "ss", "part": "SSSSSS", "noon": "a",
    },
}  # fmt: skip  # words by the line


def refuse_numbers(target: ExpressionTarget, name: str, forms: list[tuple[str, int, str, str]]) -> None:
    """Raise DataError if most values of a column are numeric times; `forms` are tuples of form, rows, least and last
    value.
    """
    filled = sum(rows for _, rows, *_ in forms)
    for kind in _NUMERIC_TIMES:
        counting = [form for form in forms if _matches(kind, *form)]
        if sum(rows for _, rows, *_ in counting) * 2 > filled:
            raise DataError(
                "The {table} column {name!r} holds numbers such as {counting}, which look like {what}: {offer}",
                table=target.table,
                name=name,
                counting=counting[0][2],
                what=Phrase(kind.what),
                offer=_offer(target, name, [kind.expressions[target.dialect]]),
            )


def numeric_time(values: Sequence[str]) -> str | None:
    """DuckDB's SQL that reads `{x}` as a time if all of its values are times written as numbers, else None."""
    for kind in _NUMERIC_TIMES:
        if values and all(_matches(kind, re.sub("[0-9]", "9", value), 1, value, value) for value in values):
            return kind.expressions["duckdb"]
    return None


def _matches(kind: _NumericTime, mask: str, _: int, least: str, last: str) -> bool:
    is_number = re.fullmatch(r"(9+)(?:\.9+)?", mask)
    if not is_number or len(is_number[1]) not in kind.digits or mask == "99999999":
        return False
    return kind.first <= float(least) <= float(last) < kind.after


def order_offers(target: ExpressionTarget, name: str, forms: list[Form]) -> str:
    """Expressions for both orders of day and month, or for years of two digits, ready to be pasted."""
    if any(re.search("[\u0621-\u064a]", form.mask) for form in forms):  # no engine's formats know Arabic words
        return Phrase("{hint}.", hint=Phrase(DATES))
    orders = [("day", "month"), ("month", "day")]
    offered = [_expression(target, [_codes(form, order, target.dialect) for form in forms]) for order in orders]
    return _offer(target, name, [*dict.fromkeys(offered)])


def _codes(form: Form, order: tuple[str, str], dialect: str) -> str:
    """A form as a format string of a dialect, with its separators."""
    codes = _CODES[dialect]
    assert form.parts  # only parsed forms are offered
    parts, pattern, end_of_last = form.parts, "", 0
    code_names = {name: name for name in ("year", "month", "day", "name", "minute", "second", "part")}
    code_names |= {"one": order[0], "two": order[1], "hour": "half" if form.has("half") else "hour"}
    code_names |= {"year": "year" if len(parts["year"]) == 4 else "short"}
    spans = sorted((parts.start(part), parts.end(part), part) for part in code_names if form.has(part))
    for start, end, part in spans:
        pattern += _plain(form.mask[end_of_last:start], dialect) + codes[code_names[part]]
        end_of_last = end
    if form.has("half"):
        pattern, end_of_last = (
            f"{pattern}{form.mask[end_of_last : parts.start('half')]}{codes['noon']}",
            parts.start("half") + 2,
        )
    return pattern


def _plain(text: str, dialect: str) -> str:
    quotes = {"spark": "'", "postgres": '"'}
    return re.sub("[A-Za-z]+", lambda word: quotes.get(dialect, "").join(["", word[0], ""]), text)


def _expression(target: ExpressionTarget, codes: list[str]) -> str:
    codes = sorted(set(codes), key=lambda code: (-len(code), code))
    if target.dialect == "pandas":
        is_day_first = codes[0].startswith("%d")
        how = f'format="mixed", dayfirst={is_day_first}' if len(codes) > 1 else f'format="{codes[0]}"'
        return f"pd.to_datetime({{x}}, {how})"
    if target.dialect == "postgres":
        return f"CAST(to_timestamp({{x}}, {literal(codes[0])}) AS timestamp)"
    if target.dialect == "spark":
        expressions = [f"try_to_timestamp({{x}}, {literal(code)})" for code in codes]
        return expressions[0] if len(expressions) == 1 else f"coalesce({', '.join(expressions)})"
    listed = ", ".join(map(literal, codes))
    return f"try_strptime({{x}}, {listed if len(codes) == 1 else f'[{listed}]'})"


def _offer(target: ExpressionTarget, name: str, expressions: list[str]) -> str:
    """`read it with ordered_at = "…", or with ordered_at = "…".`, in [data.TABLE.columns] of a retention.toml."""
    if target.dialect == "pandas":
        x = f'{target.table}["{name}"]'
        offers = Listed((text.format(x=x) for text in expressions), ", or with ")
        return Phrase("read it first with {target} = {ways}.", target=x, ways=offers)
    column = target.columns.get(name, name) or "…"
    x = column if re.fullmatch(r"[A-Za-z_]\w*|…", column) else quote(column)
    quoted = [text.format(x=x).replace("\\", "\\\\").replace('"', '\\"') for text in expressions]
    return Phrase("map it with {ways}.", ways=Listed((f'{name} = "{text}"' for text in quoted), ", or with "))
