"""The text of our queries: the SQL lies in `sql/`, one file a query or view."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def sql(name: str) -> str:
    """The text of one of our SQL files."""
    return files("retention_kit.metrics.queries").joinpath("sql", f"{name}.sql").read_text("utf-8")
