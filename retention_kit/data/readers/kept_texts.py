"""Text files whose rows are kept between runs, so that of many only those that are new are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from retention_kit.data.cache_folder import (
    checksums,
    digest_of,
    is_file,
    put_in_place,
    read_checked,
    remove,
    write_checked,
)
from retention_kit.data.cache_values import NotKept, from_bytes, to_bytes
from retention_kit.data.checks import Finding
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.readers.header import Names
from retention_kit.data.readers.text_files import TextOptions, read_text


def read_kept_text(
    engine: DuckDB,
    path: Path,
    name: str,
    names: Names,
    options: TextOptions,
    wanted: Callable[[list[str]], list[str]] = list,
) -> tuple[list[Finding], str]:
    """`read_text`, or what it gave when it read the same bytes in the same way; in `engine.text_folders` stands where
    that is, else nothing is kept.
    """
    import duckdb

    if path not in engine.text_folders:
        return read_text(engine, path, name, names, options, wanted)
    digest, folder, building = engine.text_folders[path]
    known = [sorted(names.known), [[sorted(one) for one in choices] for choices in names.required]]
    asked = [digest, path.name, known, list(options)]
    if (found := _restored(engine, name, folder, asked, wanted)) is not None:
        return found
    chosen: list[list[list[str]]] = []

    def noted(columns: list[str]) -> list[str]:
        chosen.append([columns, [*wanted(columns)]])
        return chosen[-1][1]

    findings, delimiter = read_text(engine, path, name, names, options, noted)
    with suppress(duckdb.Error, OSError, NotKept):  # it is read anew next time
        _save(engine, name, path, folder, building, [asked, chosen, findings, delimiter])
    remove(building)
    return findings, delimiter


def _restored(
    engine: DuckDB, name: str, folder: Path, asked: list, wanted: Callable[[list[str]], list[str]]
) -> tuple[list[Finding], str] | None:
    import duckdb

    content, rows = read_checked(folder / "dataset"), folder / "tables"
    if content is None or not is_file(rows):
        return None
    try:
        sums, said, chosen, findings, delimiter = from_bytes(content)
        if said != asked or checksums(rows) != sums or any(wanted(columns) != kept for columns, kept in chosen):
            return None
        engine.restore_table(rows, name)
    except (duckdb.Error, OSError, NotKept):
        return None
    with suppress(OSError):
        os.utime(folder)
    return findings, delimiter


def _save(engine: DuckDB, name: str, path: Path, folder: Path, building: Path, content: list[Any]) -> None:
    building.mkdir(mode=0o700)
    engine.save_table(building / "tables", name)
    (building / "tables").chmod(0o600)
    write_checked(building / "dataset", to_bytes([checksums(building / "tables"), *content]))
    if digest_of(path) == content[0][0]:  # else it may have been read while it changed
        put_in_place(building, folder)
