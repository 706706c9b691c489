"""Which engine the tables are on: as `[data] engine` says, or as what was given shows."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote as in_url

from retention_kit.data.engine import Engine
from retention_kit.errors import SettingsError
from retention_kit.settings import Data, check_engine


def named_engine(data: Data, files: list[Path]) -> Engine:
    """The engine that [data] names, `${VAR}` taken from the environment; without one, and for files, the embedded one.

    `files` are those that its sources name, the only ones that can be read.
    """
    if data.engine is None:
        return Engine(data.memory_limit, files)
    url = _filled_in(data.engine)
    kind = check_engine(url)
    if kind == "postgresql":
        from retention_kit.data.postgres import Postgres

        return Postgres.at(url, data.memory_limit, files)
    if kind == "spark":
        from retention_kit.data.spark import Spark

        return Spark.at(url, data.memory_limit, files)
    return Engine(data.memory_limit, files)


def given_engine(given: Any) -> Engine | None:
    """The engine behind an SQLAlchemy engine or connection, a Spark session or a DataFrame of it; None behind anything else."""
    home = type(given).__module__.partition(".")[0]
    if home == "sqlalchemy":
        from retention_kit.data.postgres import Postgres

        return Postgres.of(given)
    if home == "pyspark":
        from retention_kit.data.spark import Spark

        return Spark.of(given)
    return None


def _filled_in(url: str) -> str:
    """Variables before the last @ or behind a ? are a name or a password, whose signs an address writes otherwise."""
    user, mark, rest = url.rpartition("@")

    def value(found: re.Match) -> str:
        if found[1] not in os.environ:
            raise SettingsError(f"data.engine: the environment has no variable {found[1]}.")
        return os.environ[found[1]]

    def signed(found: re.Match) -> str:
        return in_url(value(found), safe="")

    pattern = r"\$\{(\w+)\}"
    place, asked, options = rest.partition("?")
    return (
        re.sub(pattern, signed, user) + mark + re.sub(pattern, value, place) + asked + re.sub(pattern, signed, options)
    )
