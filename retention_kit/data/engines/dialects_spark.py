"""Rules that turn our SQL into Spark's (`dialects.py`).

Texts are read as DuckDB reads them: Spark alone would also take `2024`, `5d` or a time without a date.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlglot import exp, parse_one

Rule = Callable[[Any], exp.Expr]  # a node → what stands in its place

# Times written in the usual way are read at once, others by their parts.
_USUAL = r"^(19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?)?$"
_PARTS = (
    r"^\s*(\d{1,6})([-/ \\])(\d{1,2})\2(\d{1,2})(?:(?:T| "
    r"+)(0*(?:1?\d|2[0-4])):([0-5]?\d)(?::([0-5]?\d)?(?:\.(\d*))?)?)?\s*$"
)
_ZONED = (
    r"(?i)^(.*?)(?: ?([zZ])|(?<=:[\d:.]{1,30}) ?([+-]\d\d)(?::?(\d\d))?| +(\w+/[\w/+-]+|est|mst|hst)| "
    r"+(?:utc|gmt|uct|zulu|universal|greenwich))?$"
)
_NUMBER = r"^\s*[+-]?(\d(_?\d)*\.?(\d(_?\d)*)?|\.\d(_?\d)*)([eE][+-]?\d{1,3})?\s*$"
_BEYOND = r"(?i)^\s*[+-]?(inf|infinity|nan)\s*$"


def _sql_text(pattern: str) -> str:
    return "'" + pattern.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _part(pattern: str, number: int) -> str:
    return f"regexp_extract(value, {_sql_text(pattern)}, {number})"


def _whole(number: int) -> str:
    return f"CAST(nullif({_part(_PARTS, number)}, '') AS INT)"


# A day more for an hour of 24, which ends a date; what lies between seconds and their millionths is cut off.
_READ = f"""
CASE WHEN value RLIKE {_sql_text(_USUAL)} THEN try_cast(value AS TIMESTAMP_NTZ)
     WHEN value RLIKE {_sql_text(_PARTS)}
          AND (coalesce({_whole(5)}, 0) < 24 OR coalesce({_whole(6)}, 0) + coalesce({_whole(7)}, 0) = 0)
     THEN try_cast(concat(lpad({_part(_PARTS, 1)}, greatest(4, length({_part(_PARTS, 1)})), '0'), '-',
                          {_part(_PARTS, 3)}, '-',
                          {_part(_PARTS, 4)}) AS TIMESTAMP_NTZ)
          + make_dt_interval(0, coalesce({_whole(5)}, 0), coalesce({_whole(6)}, 0),
                             CAST(concat(coalesce(nullif({_part(_PARTS, 7)}, ''), '0'), '.',
                                         rpad(substr({_part(_PARTS, 8)}, 1, 6), 6, '0')) AS DECIMAL(18, 6)))
END
"""
# Any offset is a length of time, of which Spark's zones know those up to 18 hours.
_INSTANT = f"""
try_cast(concat(CAST(({_READ.replace("value", _part(_ZONED, 1))}) AS STRING),
                CASE WHEN {_part(_ZONED, 5)} <> '' THEN concat(' ', {_part(_ZONED, 5)}) ELSE 'Z' END) AS TIMESTAMP_LTZ)
- make_dt_interval(0, coalesce(CAST(nullif({_part(_ZONED, 3)}, '') AS INT), 0),
                   coalesce(CAST(nullif(concat(substr({_part(_ZONED, 3)}, 1, 1), {_part(_ZONED, 4)}),
                                        substr({_part(_ZONED, 3)}, 1, 1)) AS INT), 0))
"""
_PLAIN = "replace(value, '_', '')"
_TEMPLATES = {
    "timestampntz": _READ,
    "timestampltz": _INSTANT,
    "decimal": f"CASE WHEN value RLIKE {_sql_text(_NUMBER)} THEN try_cast({_PLAIN} AS DECIMAL(28, 6)) END",
    "double": f"CASE WHEN value RLIKE {_sql_text(_NUMBER)} OR value RLIKE {_sql_text(_BEYOND)} THEN "
    f"try_cast({_PLAIN} AS DOUBLE) END",
}


@cache
def _template(kind: str) -> exp.Expr:
    return parse_one(_TEMPLATES[kind], read="spark")


def _try(node: exp.TryCast) -> exp.Expr:
    """Safe casts of text, whose types have Spark's names already; other casts are unchanged."""
    kind = node.to.this.name.lower()
    if kind not in _TEMPLATES:
        return node
    value = node.this

    def fill(part: exp.Expr) -> exp.Expr:
        return exp.Paren(this=value.copy()) if isinstance(part, exp.Column) and part.name == "value" else part

    return exp.Paren(this=_template(kind).copy().transform(fill))


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _local_time(node: exp.Anonymous) -> exp.Expr:
    instant, zone = node.expressions
    return _call("convert_timezone", exp.Literal.string("UTC"), zone, exp.cast(instant, exp.DType.TIMESTAMPNTZ))


def _instant_at(node: exp.Anonymous) -> exp.Expr:
    time, zone = node.expressions
    return exp.cast(_call("convert_timezone", zone, exp.Literal.string("UTC"), time), exp.DType.TIMESTAMPLTZ)


def _kind(node: exp.DataType) -> exp.Expr:
    """In our sessions TIMESTAMP has no time zone."""
    names = {exp.DType.TIMESTAMP: exp.DType.TIMESTAMPNTZ, exp.DType.TIMESTAMPTZ: exp.DType.TIMESTAMPLTZ}
    return exp.DataType(this=names[node.this]) if node.this in names else node


def _replaced(node: exp.RegexpReplace) -> exp.Expr:
    """Replacement texts refer to groups as $1."""
    replacement = node.args["replacement"].name.replace("\\", "$")
    return _call("regexp_replace", node.this, node.expression, exp.Literal.string(replacement))


def _ordered_sum(node: exp.Anonymous) -> exp.Expr:
    sql = "aggregate(sort_array(collect_list(value)), CAST(0 AS DOUBLE), (total, one) -> total + one)"
    values = parse_one(sql, read="spark")
    return values.transform(lambda part: node.expressions[0] if part == exp.column("value") else part)


def _numbered(node: exp.Window) -> exp.Expr:
    """Number rows in order without a window over all rows, which would move them to one machine."""
    is_all = isinstance(node.this, exp.RowNumber) and not (node.args.get("partition_by") or node.args.get("order"))
    return _call("monotonically_increasing_id") if is_all else node


def _query(node: exp.Create) -> exp.Expr:
    """The query only; the engine creates the view."""
    return node.expression


RULES: dict[Any, Rule] = {
    exp.Create: _query,
    exp.TryCast: _try,
    exp.DataType: _kind,
    exp.RegexpReplace: _replaced,
    exp.Window: _numbered,
    "local_time": _local_time,
    "instant_at": _instant_at,
    "ordered_sum": _ordered_sum,
    "nfc_normalize": lambda node: node.expressions[0],  # Spark has no such function: letters stay as they were composed
}
