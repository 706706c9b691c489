"""Exports imported: recognised, counted, and written into `retention.toml`, or read at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from retention_kit.data.choose_engine import files_named
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.importing.export import read_export
from retention_kit.data.importing.mapping import Mapping, Recognised, map_export, our_table, propose
from retention_kit.data.importing.settings_text import add_sources, report_keys, source_block, write_safely
from retention_kit.data.readers.files import FORMATS, resolve_files
from retention_kit.data.readers.header import Names
from retention_kit.data.readers.sources import read_table
from retention_kit.data.readers.text_files import TEXTS, text_columns
from retention_kit.errors import DataError
from retention_kit.settings import Data, Report, Settings, make_settings, read_settings


class CountedSource(NamedTuple):
    """A source to be written: how many rows it keeps, and how many it leaves out by name."""

    mapping: Mapping
    kept: int
    left: tuple[tuple[str, int], ...]


class Imported(NamedTuple):
    """One file of an import: what it is, and its sources; none where it is mapped already."""

    path: Path
    recognised: Recognised | None
    sources: list[CountedSource]
    beside: tuple[str, ...] = ()  # the sources that its tables had already, which it is stacked with


def settings_for(place: Path) -> Settings | None:
    """Settings in memory for an export, or a folder of nothing else; None where it is none, or has our own names."""
    paths = sorted(place.iterdir()) if place.is_dir() else [place]
    paths = [path for path in paths if path.suffix.lower() in FORMATS and not path.name.startswith("~$")]
    sources = []
    for path in paths:
        try:
            # A text's header is looked at before all of it is read.
            if path.suffix.lower() in TEXTS and our_table(text_columns(path, Names())):
                return None
            export = read_export(path)
        except DataError:
            return None  # whoever reads it says what is wrong
        recognised = None if our_table(export.header) else map_export(export, path.name)
        if recognised is None:
            return None
        sources.append(recognised)
    tables: dict[str, Any] = {}
    if not sources:
        return None
    for one in [mapping for recognised in sources for mapping in recognised.mappings if not mapping.doubt]:
        tables.setdefault(one.table, []).append(one.source)
    if not tables:
        raise DataError(
            "{file}: which survey its questions are of is not sure; retention-kit import writes them out to choose "
            "from.",
            file=paths[0].name,
        )
    return Settings(data=Data(**tables), report=Report(**report_keys(sources)))


def import_files(paths: list[Path], layout: str | None, target: Path) -> list[Imported]:
    """Recognise and count exports and write their sources into the `retention.toml` at `target`, all of them or none.

    Raises DataError or SettingsError where one cannot be used or the file not be added to.
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
            raise DataError(
                "{file} has our own names of columns and needs no mapping: write {table} = {path_in_settings!r} "
                "under [data].",
                file=path.name,
                table=table,
                path_in_settings=path_in_settings,
            )
        recognised = map_export(export, path_in_settings, layout) or propose(export, path_in_settings)
        counted = [_count(one, target.parent) for one in recognised.mappings]
        tables = {one.mapping.table for one in counted if not one.mapping.doubt}
        existing = tuple(source.path for table in sorted(tables) for source in settings.data.sources(table))
        imported.append(Imported(path, recognised, counted, existing))
        blocks += [(one.mapping, source_block(one.mapping, _heading(recognised, one))) for one in counted]
    if blocks:
        text = target.read_bytes().decode("utf-8") if target.is_file() else ""
        write_safely(
            target, add_sources(text, blocks, report_keys([one.recognised for one in imported if one.recognised]))
        )
    return imported


def _path_in_settings(path: Path, folder: Path) -> str:
    """A path as a `retention.toml` in that folder names it."""
    path, folder = path.resolve(), folder.resolve()
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _mapped(settings: Settings, folder: Path) -> set[Path]:
    """The files that are sources already."""
    files: set[Path] = set()
    for table in ("orders", "subscriptions", "responses"):
        for source in settings.data.sources(table):
            try:
                files |= {file.resolve() for file in resolve_files(source.path, folder)}
            except (DataError, ValueError, OSError):
                continue  # a table of a database, or a file that is no longer there
    return files


def _count(mapping: Mapping, folder: Path) -> CountedSource:
    engine = DuckDB(files=files_named(mapping.source, None, folder))
    source = read_table(engine, mapping.table, 0, mapping.source, None, folder)
    (kept,) = engine.rows(f"SELECT count(*) FROM {source.name}")[0]
    named = [
        (one.check.removeprefix("left out: "), one.rows) for one in source.findings if one.check.startswith("left out")
    ]
    return CountedSource(mapping, kept, tuple(named))


def _heading(recognised: Recognised, one: CountedSource) -> list[str]:
    """What stands above a source: what it is, its counts, and what it cannot tell."""
    layout = recognised.layout
    if layout is None:
        return ["No known export: the columns below are guesses. See that each is right."]
    left = "".join(f", {rows:,} {why}" for why, rows in one.left)
    lines = [f"{layout.label}: {one.kept:,} rows kept{left}."]
    lines += [f"Uncertain: {layout.uncertain}."] if layout.uncertain else []
    return lines + [f"Note: {note}." for note in layout.notes]
