"""SQL text: quoted names and values, placeholders, and the statements of SQL files by name."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template

NO_TEXT = "CAST(NULL AS VARCHAR)"  # SQL of a column that is not there
NUMERIC = (  # how the types of numbers begin
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
    "FLOAT", "DOUBLE", "DECIMAL",
)  # fmt: skip  # words by the line


def quote(name: str) -> str:
    """A column or table name as an SQL identifier, with any characters."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def path_literal(path: Path) -> str:
    """A path as an SQL string that the engine does not treat as a pattern."""
    return literal(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))


def regex_literal(text: str) -> str:
    """A regular expression for a literal text, for all engines."""
    return "".join(
        sign if sign.isalnum() or sign == " " else f"\\{sign}" if sign in "\\^[]" else f"[{sign}]" for sign in text
    )


def segment_column(name: str) -> str:
    """The name of a segment column in our tables, which differs from those of our columns."""
    return quote(f"segment.{name}")


def fill_placeholders(sql: str, parts: dict[str, str]) -> str:
    """SQL with its `$name` placeholders replaced."""
    return Template(sql).substitute(parts) if parts else sql


def is_query(text: str) -> bool:
    """Whether a source is a query rather than the name of a table."""
    return bool(re.match(r"\s*(SELECT|WITH|FROM)\s", text, re.IGNORECASE))


@cache
def statements(package: str, name: str) -> dict[str, str]:
    """The statements of `sql/NAME.sql` in a package, in order, by the name in the `-- name: …` line above each.

    The text may hold `$placeholders`, which `Engine.run`, `rows` and `frame` fill. Treat the dict as read-only.
    """
    text = files(package).joinpath("sql", f"{name}.sql").read_text("utf-8")
    _, *parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return {key: sql.strip().removesuffix(";") for key, sql in zip(parts[::2], parts[1::2], strict=True)}
