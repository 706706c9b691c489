"""Reads our SQL files in `sql/`; each has one query or view."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def sql(name: str) -> str:
    """The text of a SQL file."""
    return files("retention_kit.metrics.queries").joinpath("sql", f"{name}.sql").read_text("utf-8")
