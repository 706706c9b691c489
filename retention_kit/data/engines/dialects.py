"""Transpile our SQL for PostgreSQL and Spark with SQLGlot.

Our SQL is a portable subset of DuckDB's: every column and every subquery has a name, and there is no FILTER, EXCLUDE,
REPLACE, BY NAME, GROUP BY ALL or ASOF. What engines do differently has one spelling in it, which each dialect's rules
rewrite: TRY_CAST of a text (NULL where it cannot be read), `round` (half goes away from zero), `isnan`,
and our own `local_time(instant, zone)`, `instant_at(local_time, zone)`, `whole_units(text, units)` and
`ordered_sum(value)`, which the embedded engine has as macros.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from sqlglot import exp, parse_one

from retention_kit.data.engines.dialects_spark import RULES as _SPARK
from retention_kit.data.engines.dialects_spark import Rule
from retention_kit.errors import DataError, Listed

_READ = ("TIMESTAMP", "TIMESTAMPTZ", "DECIMAL(28, 6)", "DOUBLE", "BIGINT")  # what a text or number is safely cast to
_KNOWN = [exp.DataType.build(kind, dialect="duckdb") for kind in _READ]
_ONCE = ("typed", "source_rows")  # parts of our statements where texts are read
_LONGEST = 63  # bytes of a name that PostgreSQL keeps


class Statement(NamedTuple):
    """A statement for another engine; `creates` is the table or view that it creates, `kind` which of them."""

    text: str
    creates: str = ""
    kind: str = ""


@lru_cache(maxsize=4096)
def transpile(sql: str, dialect: str) -> Statement:
    """A statement of ours in the SQL of `postgres` or `spark`; raises DataError on what would mean another thing
    there.
    """
    tree = parse_one(sql, read="duckdb").transform(_expand_whole_units, copy=False)
    _refuse_unknown_casts(tree)
    creates = kind = ""
    if isinstance(tree, exp.Create):
        creates, kind = tree.this.name, tree.kind or ""
    text = _rewrite(tree, _RULES[dialect]).sql(dialect, comments=False, normalize_functions=False, copy=False)
    return Statement(text, creates, kind)


def _expand_whole_units(node: exp.Expr) -> exp.Expr:
    """Replace `whole_units` by casts for the rules below."""
    if not (isinstance(node, exp.Anonymous) and node.name.lower() == "whole_units"):
        return node
    text, units = (part.sql("duckdb") for part in node.expressions)
    return parse_one(f"TRY_CAST(round(TRY_CAST({text} AS DECIMAL(28, 6)) * {units}) AS BIGINT)", read="duckdb")


def _refuse_unknown_casts(tree: exp.Expr) -> None:
    """Raise DataError for casts and roundings that the rules below do not handle."""
    for node in tree.find_all(exp.TryCast, exp.Round):
        if isinstance(node, exp.TryCast) and node.to not in _KNOWN:
            template = "{sql} cannot be said to other engines: TRY_CAST to {read}."
            raise DataError(template, sql=node.sql("duckdb"), read=Listed(_READ, " or "))
        if isinstance(node, exp.Round) and node.args.get("decimals"):
            raise DataError("{sql} cannot be said to other engines: round to whole numbers.", sql=node.sql("duckdb"))


def _rewrite(tree: exp.Expr, rules: dict[Any, Rule]) -> exp.Expr:
    """Apply the rules to the tree, inner parts first."""
    for node in reversed(list(tree.dfs())):
        if rule := rules.get(node.name.lower() if isinstance(node, exp.Anonymous) else type(node)):
            parent, key, index = node.parent, node.arg_key, node.index
            new = rule(node)
            if parent is None:
                tree = new
            elif new is not node and key is not None:
                parent.set(key, new, index)
    return tree


def shorten_name(name: str) -> str:
    """A name that PostgreSQL does not truncate: if it is too long, its beginning with a digest."""
    if len(name.encode()) <= _LONGEST:
        return name
    return name.encode()[:40].decode(errors="ignore") + "~" + hashlib.sha256(name.encode()).hexdigest()[:16]


def _call(name: str) -> Callable[..., exp.Expr]:
    return lambda *arguments: exp.Anonymous(this=name, expressions=list(arguments))


def _swapped(name: str) -> Callable[[exp.Anonymous], exp.Expr]:
    """A function with the two arguments in reverse order."""
    return lambda node: _call(name)(*reversed(node.expressions))


def _not_a_number(node: exp.Expr) -> exp.Expr:
    return exp.EQ(this=exp.Paren(this=node.this), expression=exp.cast(exp.Literal.string("NaN"), "double"))


def _named(kind: exp.DataType) -> str:
    return kind.this.name.lower()


# PostgreSQL: safe casts and rounding are functions of the session (sql/postgres.sql); texts sort by their bytes.


def _postgres_try(node: exp.TryCast) -> exp.Expr:
    names = {"timestampntz": "timestamp", "timestamptz": "instant", "bigint": "whole"}
    kind = _named(node.to)
    return _call(f"pg_temp.try_{names.get(kind, kind)}")(node.this)


def _postgres_cast(node: exp.Cast) -> exp.Expr:
    if not node.is_type("text", "varchar"):
        return node
    return exp.Paren(this=exp.Collate(this=node, expression=exp.to_identifier("C", quoted=True)))


def _postgres_once(node: exp.CTE | exp.Subquery) -> exp.Expr:
    """Materialise CTEs that are used several times, as PostgreSQL would compute them each time."""
    if node.alias in _ONCE and isinstance(node, exp.CTE):
        node.set("materialized", True)
    elif node.alias in _ONCE:
        node.this.set("offset", exp.Offset(expression=exp.Literal.number(0)))
    return node


def _ordered_sum(node: exp.Anonymous) -> exp.Expr:
    (value,) = node.expressions
    return exp.Sum(this=exp.Order(this=value, expressions=[exp.Ordered(this=value.copy())]))


def _temporary(node: exp.Create) -> exp.Create:
    node.set("replace", False)
    node.set("properties", exp.Properties(expressions=[exp.TemporaryProperty()]))
    return node


_POSTGRES: dict[Any, Rule] = {
    exp.TryCast: _postgres_try,
    exp.Cast: _postgres_cast,
    exp.Round: lambda node: _call("pg_temp.rounded")(node.this),
    exp.Identifier: lambda node: exp.to_identifier(shorten_name(node.name), quoted=node.quoted),
    exp.IsNan: _not_a_number,
    exp.Create: _temporary,
    exp.CTE: _postgres_once,
    exp.Subquery: _postgres_once,
    "local_time": _swapped("timezone"),
    "instant_at": _swapped("timezone"),
    "ordered_sum": _ordered_sum,
    "nfc_normalize": lambda node: _call("normalize")(*node.expressions),
}

_RULES: dict[str, dict[Any, Rule]] = {"postgres": _POSTGRES, "spark": _SPARK}
