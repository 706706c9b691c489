"""Caches the rows of text files between runs, so that only new files are read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from retention_kit.data.cache_folder import begin_entry, describe_entry, digest_of, open_entry, put_in_place, remove
from retention_kit.data.cache_values import NotKept
from retention_kit.data.checks import Finding
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.readers.header import Names
from retention_kit.data.readers.text_files import TextOptions, read_text


def read_text_cached(
    engine: DuckDB,
    path: Path,
    name: str,
    names: Names,
    options: TextOptions,
    wanted: Callable[[list[str]], list[str]] = list,
) -> tuple[list[Finding], str]:
    """`read_text`, or its cached result for the same bytes and options; only for tables in `engine.text_folders`.

    Cached rows are read in place, without a copy.
    """
    import duckdb

    if name not in engine.text_folders:
        return read_text(engine, path, name, names, options, wanted)
    digest, folder, building = engine.text_folders[name]
    known = [sorted(names.known), [[sorted(choice) for choice in choices] for choices in names.required]]
    key = [digest, path.name, known, list(options)]
    if (cached := _restore(engine, name, folder, key, wanted)) is not None:
        return cached
    choices: list[list[list[str]]] = []

    def recorded(columns: list[str]) -> list[str]:
        choices.append([columns, [*wanted(columns)]])
        return choices[-1][1]

    findings, delimiter = read_text(engine, path, name, names, options, recorded)
    try:
        with suppress(duckdb.Error, OSError, NotKept):  # it is read again next time
            if _save(engine, name, path, folder, building, [key, choices, findings, delimiter]):
                _restore(engine, name, folder, key, wanted)
    finally:
        remove(building)
    return findings, delimiter


def _restore(
    engine: DuckDB, name: str, folder: Path, key: list, wanted: Callable[[list[str]], list[str]]
) -> tuple[list[Finding], str] | None:
    import duckdb

    entry = open_entry(
        folder,
        lambda written: written[0] == key and all(wanted(columns) == kept for columns, kept in written[1]),
    )
    if entry is None:
        return None
    tables, checksums, (_, _, findings, delimiter) = entry
    try:
        engine.read_kept(tables, checksums, name)
    except duckdb.Error:
        return None
    return findings, delimiter


def _save(engine: DuckDB, name: str, path: Path, folder: Path, building: Path, description: list[Any]) -> bool:
    """Cache the table of a file and return True; False if the file changed while it was read."""
    engine.save_table(begin_entry(building), name)
    describe_entry(building, description)
    if digest_of(path) != description[0][0]:
        return False
    put_in_place(building, folder)
    return True
