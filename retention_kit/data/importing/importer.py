"""Imports exports: recognises and counts them, and writes them into `retention.toml` or returns settings."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from retention_kit.data.choose_engine import files_named
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.importing.export import read_export
from retention_kit.data.importing.mapping import Mapping, Recognised, map_export, our_table
from retention_kit.data.importing.proposal import propose
from retention_kit.data.importing.settings_text import add_sources, report_keys, source_block, write_safely
from retention_kit.data.readers.files import FORMATS, resolve_files
from retention_kit.data.readers.header import Names
from retention_kit.data.readers.sources import read_table
from retention_kit.data.readers.text_files import TEXTS, text_columns
from retention_kit.errors import DataError
from retention_kit.settings import Data, Report, Settings, make_settings, read_settings


class CountedSource(NamedTuple):
    """A source to be written, with the rows that it keeps, and those left out by reason."""

    mapping: Mapping
    kept: int
    left_out: tuple[tuple[str, int], ...]


class Imported(NamedTuple):
    """One file of an import with its sources; without any if it is mapped already."""

    path: Path
    recognised: Recognised | None
    sources: list[CountedSource]
    existing: tuple[str, ...] = ()  # sources that its tables had already


def settings_for(location: Path) -> Settings | None:
    """Settings for an export, or for a folder of exports only; None for other files and those with our own names."""
    paths = sorted(location.iterdir()) if location.is_dir() else [location]
    paths = [path for path in paths if path.suffix.lower() in FORMATS and not path.name.startswith("~$")]
    sources = []
    for path in paths:
        try:
            # Check the header of a text file before reading all of it.
            if path.suffix.lower() in TEXTS and our_table(text_columns(path, Names())):
                return None
            export = read_export(path)
        except DataError:
            return None  # reported when it is read
        recognised = None if our_table(export.header) else map_export(export, path.name)
        if recognised is None:
            return None
        sources.append(recognised)
    tables: dict[str, Any] = {}
    if not sources:
        return None
    for mapping in chain.from_iterable(recognised.mappings for recognised in sources):
        if not mapping.doubt:
            tables.setdefault(mapping.table, []).append(mapping.source)
    if not tables:
        raise DataError(
            "{file}: which survey its questions are of is not sure; retention-kit import writes them out to choose "
            "from.",
            file=paths[0].name,
        )
    return Settings(data=Data(**tables), report=Report(**report_keys(sources)))


def import_files(paths: list[Path], layout: str | None, target: Path) -> list[Imported]:
    """Recognise and count exports and write their sources into the `retention.toml` at `target`, all or none.

    Raises DataError or SettingsError if an export cannot be used, or the file cannot be extended.
    """
    settings = read_settings(target) if target.is_file() else make_settings({})
    mapped = _mapped(settings, target.parent)
    imported, blocks = [], []
    for path in paths:
        export = read_export(path)
        if path.resolve() in mapped:
            imported.append(Imported(path, None, []))
            continue
        path_in_settings = _path_in_settings(path, target.parent)
        if not layout and (table := our_table(export.header)):
            template = (
                "{file} has our own names of columns and needs no mapping: write {table} = {path_in_settings!r} "
                "under [data]."
            )
            raise DataError(template, file=path.name, table=table, path_in_settings=path_in_settings)
        recognised = map_export(export, path_in_settings, layout) or propose(export, path_in_settings)
        counted = [_count(mapping, target.parent) for mapping in recognised.mappings]
        tables = {mapping.table for mapping in recognised.mappings if not mapping.doubt}
        existing = tuple(source.path for table in sorted(tables) for source in settings.data.sources(table))
        imported.append(Imported(path, recognised, counted, existing))
        blocks += [(source.mapping, source_block(source.mapping, _heading(recognised, source))) for source in counted]
    if blocks:
        text = target.read_bytes().decode("utf-8") if target.is_file() else ""
        keys = report_keys([file.recognised for file in imported if file.recognised])
        write_safely(target, add_sources(text, blocks, keys))
    return imported


def _path_in_settings(path: Path, folder: Path) -> str:
    """A path relative to the folder of the settings if it is inside, else absolute."""
    path, folder = path.resolve(), folder.resolve()
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _mapped(settings: Settings, folder: Path) -> set[Path]:
    """The files that are already sources."""
    files: set[Path] = set()
    for table in ("orders", "subscriptions", "responses"):
        for source in settings.data.sources(table):
            try:
                files |= {file.resolve() for file in resolve_files(source.path, folder)}
            except (DataError, ValueError, OSError):
                continue  # a table of a database, or a file that no longer exists
    return files


def _count(mapping: Mapping, folder: Path) -> CountedSource:
    engine = DuckDB(files=files_named(mapping.source, None, folder))
    source = read_table(engine, mapping.table, 0, mapping.source, None, folder)
    (kept,) = engine.rows(f"SELECT count(*) FROM {source.name}")[0]
    left_out = (finding for finding in source.findings if finding.check.startswith("left out"))
    named = tuple((finding.check.removeprefix("left out: "), finding.rows) for finding in left_out)
    return CountedSource(mapping, kept, named)


def _heading(recognised: Recognised, source: CountedSource) -> list[str]:
    """The comment above a source: its layout, counts, and what is uncertain."""
    if (layout := recognised.layout) is None:
        return ["No known export: the columns below are guesses. See that each is right."]
    left_out = "".join(f", {rows:,} {reason}" for reason, rows in source.left_out)
    lines = [f"{layout.label}: {source.kept:,} rows kept{left_out}."]
    lines += [f"Uncertain: {layout.uncertain}."] if layout.uncertain else []
    return lines + [f"Note: {note}." for note in layout.notes]
