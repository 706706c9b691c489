"""Choose the engine: the one that `[data] engine` names, or that of the connection or frame that was given."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote as in_url

from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import is_query
from retention_kit.data.readers.databases import SUFFIXES as DATABASES
from retention_kit.data.readers.databases import content_files, database_file
from retention_kit.data.readers.files import FORMATS, resolve_files
from retention_kit.errors import SettingsError
from retention_kit.settings import SIDE_TABLES, TABLES, Data, Table
from retention_kit.settings.addresses import check_engine


def files_named(source: Table, url: str | None, folder: Path) -> list[Path]:
    """The files of a source that the engine reads; empty for tables of a database, named by `url` or a file itself."""
    suffix = Path(source.path).suffix.lower()
    if is_query(source.path) or suffix in DATABASES or (url and suffix not in FORMATS):
        return []
    return resolve_files(source.path, folder)


def content_of(source: Table, url: str | None, folder: Path) -> list[Path]:
    """The files of a source, those of a database with its log; raises DataError if one is missing."""
    if url and (is_query(source.path) or Path(source.path).suffix.lower() not in FORMATS):
        return content_files(database_file(url, folder))
    files = resolve_files(source.path, folder)
    return content_files(files[0]) if files[0].suffix.lower() in DATABASES and len(files) == 1 else files


def named_engine(data: Data, folder: Path, kept: Iterable[Path] = ()) -> Engine:
    """The engine of [data], with `${VAR}` from the environment; by default, and for files, the embedded one.

    The files of its sources, relative to `folder`, are the only ones that can be read; the folders `kept` are for
    tables of ours.
    """
    sources = [source for name in (*TABLES, *SIDE_TABLES) for source in data.sources(name)]
    files = [file for source in sources for file in files_named(source, data.engine, folder)]
    if data.engine is None:
        return DuckDB(data.memory_limit, files, kept)
    url = fill_variables(data.engine)
    kind = check_engine(url)
    if kind == "postgresql":
        from retention_kit.data.engines.postgres import Postgres

        return Postgres.connect(url, data.memory_limit, files)
    if kind == "spark":
        from retention_kit.data.engines.spark import Spark

        return Spark.connect(url, data.memory_limit, files)
    return DuckDB(data.memory_limit, files, kept)


def given_engine(source: Any) -> Engine | None:
    """The engine of an SQLAlchemy engine or connection, a Spark session or its DataFrame; None for other objects."""
    package = type(source).__module__.partition(".")[0]
    if package == "sqlalchemy":
        from retention_kit.data.engines.postgres import Postgres

        return Postgres.from_connection(source)
    if package == "pyspark":
        from retention_kit.data.engines.spark import Spark

        return Spark.from_session(source)
    return None


def fill_variables(url: str) -> str:
    """A URL with its `${VAR}` from the environment; raises SettingsError if one is missing.

    Variables before the last @ or after a ? are names or passwords, which are percent-encoded.
    """
    user, mark, rest = url.rpartition("@")

    def value(match: re.Match) -> str:
        if match[1] not in os.environ:
            raise SettingsError("data.engine: the environment has no variable {variable}.", variable=match[1])
        return os.environ[match[1]]

    def escaped(match: re.Match) -> str:
        return in_url(value(match), safe="")

    pattern = r"\$\{(\w+)\}"
    host, question_mark, options = rest.partition("?")
    return (
        re.sub(pattern, escaped, user)
        + mark
        + re.sub(pattern, value, host)
        + question_mark
        + re.sub(pattern, escaped, options)
    )
