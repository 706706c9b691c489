"""The house's SQL in another engine's words.

It is written once, in a subset of DuckDB's SQL that SQLGlot carries elsewhere: every column named, every subquery too, no
FILTER, EXCLUDE, REPLACE, BY NAME, GROUP BY ALL or ASOF. What engines do differently has one spelling in it, which each
dialect's rules rewrite: TRY_CAST of a text (NULL where it cannot be read), `round` (half goes away from zero), `isnan`,
and our own `local_time(instant, zone)`, `instant_at(local_time, zone)` and `whole_units(text, units)`, which the
embedded engine has as macros.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from sqlglot import exp, parse_one

from retention_kit.data.engines.dialects_spark import RULES as _SPARK
from retention_kit.errors import DataError

_READ = ("TIMESTAMP", "TIMESTAMPTZ", "DECIMAL(28, 6)", "DOUBLE", "BIGINT")  # what a text or number is safely cast to
_KNOWN = [exp.DataType.build(kind, dialect="duckdb") for kind in _READ]
_ONCE = ("typed", "came")  # parts of our statements where texts are read
_LONGEST = 63  # bytes of a name that PostgreSQL keeps


class Statement(NamedTuple):
    """One statement of another engine; `creates` is the table or view it makes, `kind` which of the two."""

    text: str
    creates: str = ""
    kind: str = ""


@lru_cache(maxsize=4096)
def ported(sql: str, dialect: str) -> Statement:
    """A statement of ours in the words of `postgres`, `spark`, `bigquery`, `snowflake` or `trino`.

    Raises DataError on what would mean another thing there.
    """
    tree = parse_one(sql, read="duckdb").transform(_spelled_out, copy=False)
    _refuse_others(tree)
    creates = kind = ""
    if isinstance(tree, exp.Create):
        creates, kind = tree.this.name, tree.kind
    text = _rewritten(tree, _RULES[dialect]).sql(dialect, comments=False, normalize_functions=False, copy=False)
    return Statement(text, creates, kind)


def _spelled_out(node: exp.Expression) -> exp.Expression:
    """An amount in whole units, in the words that the rules below know."""
    if not (isinstance(node, exp.Anonymous) and node.name.lower() == "whole_units"):
        return node
    said, units = (part.sql("duckdb") for part in node.expressions)
    return parse_one(f"TRY_CAST(round(TRY_CAST({said} AS DECIMAL(28, 6)) * {units}) AS BIGINT)", read="duckdb")


def _refuse_others(tree: exp.Expression) -> None:
    """Raise on casts and roundings that the rules below do not know."""
    for node in tree.find_all(exp.TryCast, exp.Round):
        if isinstance(node, exp.TryCast) and node.to not in _KNOWN:
            raise DataError(f"{node.sql('duckdb')} cannot be said to other engines: TRY_CAST to {' or '.join(_READ)}.")
        if isinstance(node, exp.Round) and node.args.get("decimals"):
            raise DataError(f"{node.sql('duckdb')} cannot be said to other engines: round to whole numbers.")


def _rewritten(tree: exp.Expression, rules: dict) -> exp.Expression:
    """The tree with the rules applied, inner parts first."""
    for node in reversed(list(tree.dfs())):
        rule = rules.get(node.name.lower() if isinstance(node, exp.Anonymous) else type(node))
        if rule:
            parent, place, number = node.parent, node.arg_key, node.index
            made = rule(node)
            if parent is None:
                tree = made
            elif made is not node:
                parent.set(place, made, number)
    return tree


def short(name: str) -> str:
    """A name that PostgreSQL does not cut: its beginning with a digest of the whole, where it is too long."""
    if len(name.encode()) <= _LONGEST:
        return name
    return name.encode()[:40].decode(errors="ignore") + "~" + hashlib.sha256(name.encode()).hexdigest()[:16]


def _call(name: str) -> Callable[..., exp.Expression]:
    return lambda *arguments: exp.Anonymous(this=name, expressions=list(arguments))


def _swapped(name: str) -> Callable[[exp.Anonymous], exp.Expression]:
    """A function of the same two arguments, the other way round."""
    return lambda node: _call(name)(*reversed(node.expressions))


def _not_a_number(node: exp.Expression) -> exp.Expression:
    return exp.EQ(this=exp.Paren(this=node.this), expression=exp.cast(exp.Literal.string("NaN"), "double"))


def _cast(node: exp.Expression, kind: str) -> exp.Expression:
    return exp.Cast(this=node, to=exp.DataType.build(kind, dialect="duckdb"))


def _named(kind: exp.DataType) -> str:
    return kind.this.name.lower()


# PostgreSQL: safe casts and rounding are functions of the session (sql/postgres.sql); texts sort by their bytes.


def _postgres_try(node: exp.TryCast) -> exp.Expression:
    names = {"timestampntz": "timestamp", "timestamptz": "instant", "bigint": "whole"}
    kind = _named(node.to)
    return _call(f"pg_temp.try_{names.get(kind, kind)}")(node.this)


def _postgres_cast(node: exp.Cast) -> exp.Expression:
    if not node.is_type("text", "varchar"):
        return node
    return exp.Paren(this=exp.Collate(this=node, expression=exp.to_identifier("C", quoted=True)))


def _postgres_round(node: exp.Round) -> exp.Expression:
    return _call("pg_temp.rounded")(node.this)


def _postgres_name(node: exp.Identifier) -> exp.Expression:
    return exp.to_identifier(short(node.name), quoted=node.quoted)


def _postgres_once(node: exp.CTE | exp.Subquery) -> exp.Expression:
    """What is computed here is used several times after it; PostgreSQL would compute it as often."""
    if node.alias in _ONCE and isinstance(node, exp.CTE):
        node.set("materialized", True)
    elif node.alias in _ONCE:
        node.this.set("offset", exp.Offset(expression=exp.Literal.number(0)))
    return node


def _temporary(node: exp.Create) -> exp.Create:
    node.set("replace", False)
    node.set("properties", exp.Properties(expressions=[exp.TemporaryProperty()]))
    return node


_POSTGRES = {
    exp.TryCast: _postgres_try,
    exp.Cast: _postgres_cast,
    exp.Round: _postgres_round,
    exp.Identifier: _postgres_name,
    exp.IsNan: _not_a_number,
    exp.Create: _temporary,
    exp.CTE: _postgres_once,
    exp.Subquery: _postgres_once,
    "local_time": _swapped("timezone"),
    "instant_at": _swapped("timezone"),
    "nfc_normalize": lambda node: _call("normalize")(*node.expressions),
}


# Not run by us, only parsed: BigQuery, Snowflake and Trino.


def _snowflake_try(node: exp.TryCast) -> exp.Expression:
    text = _cast(node.this, "varchar")
    names = {"timestampntz": "TRY_TO_TIMESTAMP_NTZ", "timestamptz": "TRY_TO_TIMESTAMP_TZ", "double": "TRY_TO_DOUBLE"}
    if (kind := _named(node.to)) in names:
        return _call(names[kind])(text)
    sizes = [part.this.copy() for part in node.to.expressions] or [exp.Literal.number(38), exp.Literal.number(0)]
    return _call("TRY_TO_DECIMAL")(text, *sizes)


def _plain_table(node: exp.Create) -> exp.Create:
    """Trino has no temporary tables: they belong in a schema of their own."""
    node.set("properties", None)
    return node


_BIGQUERY = {
    "local_time": lambda node: _call("DATETIME")(*node.expressions),
    "instant_at": lambda node: _call("TIMESTAMP")(*node.expressions),
    "nfc_normalize": lambda node: _call("NORMALIZE")(*node.expressions),
}
_SNOWFLAKE = {
    "nfc_normalize": lambda node: node.expressions[0],
    exp.TryCast: _snowflake_try,
    exp.IsNan: _not_a_number,
    "local_time": lambda node: _cast(_swapped("CONVERT_TIMEZONE")(node), "timestamp"),
    "instant_at": lambda node: _cast(
        _call("CONVERT_TIMEZONE")(node.expressions[1], exp.Literal.string("UTC"), node.expressions[0]), "timestamptz"
    ),
}
_TRINO = {
    exp.Create: _plain_table,
    "local_time": lambda node: _cast(_call("AT_TIMEZONE")(*node.expressions), "timestamp"),
    "instant_at": lambda node: _call("WITH_TIMEZONE")(*node.expressions),
    "nfc_normalize": lambda node: _call("NORMALIZE")(*node.expressions),
}

_RULES = {
    "postgres": _POSTGRES,
    "spark": _SPARK,
    "bigquery": _BIGQUERY,
    "snowflake": _SNOWFLAKE,
    "trino": _TRINO,
}
