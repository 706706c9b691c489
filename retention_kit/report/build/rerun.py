"""Builds a pack again from its manifest, compares the two, and names possible causes of differences."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from retention_kit.data.dataset import Dataset
from retention_kit.data.engines.private_folders import private_path
from retention_kit.errors import DataError, Phrase, SettingsError
from retention_kit.metrics.scorecard import COLUMNS
from retention_kit.report.archive import manifest as manifests
from retention_kit.report.archive.formats import FILES, files_of
from retention_kit.report.build.builder import make_pack
from retention_kit.report.changes import KINDS, Change, causes_of, changes
from retention_kit.report.execution.plan import Plan, make_plan
from retention_kit.report.export.csv_files import read_scorecard

_KEYS = ("metric", "period", "segment", "segment_value")
ALTERED = "altered"  # cause: a file of the pack was edited, so data and code may be unchanged


class Difference(NamedTuple):
    """A changed figure of the scorecard: the columns that differ, one cell before and now, and the causes."""

    metric: str
    period: str
    segment: str  # column=value, or empty
    columns: tuple[str, ...]
    before: str
    now: str
    causes: tuple[str, ...]  # `changes.KINDS` or ALTERED; empty if nothing explains it


class Rerun(NamedTuple):
    """The figures and files that differ, and all differences between the inputs of the two builds."""

    figures: list[Difference]
    files: dict[str, tuple[str, ...]]  # besides the scorecards: name → causes
    changes: list[Change]

    @property
    def is_same(self) -> bool:
        return not self.figures and not self.files


def rerun(
    pack: Path,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    *,
    data: str | None = None,
    templates: str | None = None,
) -> Rerun:
    """Build a pack again in a temporary directory from its manifest, and compare figures and files.

    The data are read from the recorded path, as of the same date; the settings are those of the file today, with the
    keywords and options of the build. Settings and templates run code, and a pack may come from anybody: so the
    recorded ones are used only if they are given again, as `data` and `templates`, or are the retention.toml of the
    working directory. Raises SettingsError if that is not so, DataError if the data are gone. The pack is not changed.
    """
    before = manifests.read(pack)
    if not (builds := manifests.builds(before)):
        template = "{pack!r} is no pack that can be made again: it has no manifest that tells how."
        raise SettingsError(template, pack=str(pack))
    figures, every = [], []
    # Among the engines' temporary folders: the next run removes it if this one is killed.
    with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=private_path().parent) as staging:
        folder = Path(staging) / before["period"]
        for suffix, build in builds.items():
            plan = _plan(before, suffix, build, pack, data, templates)
            make_pack(plan, folder, pack.resolve().parent, progress)
            named_changes = changes(build, manifests.builds(manifests.read(folder))[plan.suffix])
            every += [change for change in named_changes if change not in every]
            name = f"scorecard{suffix}.csv"
            differing = _figures(pack / name, folder / name, named_changes, name in manifests.altered(pack, before))
            figures += [
                figure for figure in differing if figure not in figures
            ]  # a segment's own scorecard repeats its rows
        files = _files(pack, before, manifests.read(folder), every)
    compared = {f"scorecard{suffix}.csv" for suffix in builds} if figures else set()
    return Rerun(figures, {name: causes for name, causes in files.items() if name not in compared}, every)


def _plan(manifest: dict, suffix: str, build: dict, pack: Path, data_path: str | None, templates: str | None) -> Plan:
    """The plan of a build, from its entry in the manifest and the files of its pack."""
    options = build["parameters"]
    if options["templates"] and not templates:
        raise SettingsError(
            "This pack was made with own templates, {templates!r}, which run code: where you trust them, name them "
            "again with --templates.",
            templates=options["templates"],
        )
    data = _load(build, data_path)
    languages = [key.partition(".")[0] for key in manifest["reports"] if key == key.partition(".")[0] + suffix]
    names = [f"{language}{suffix}" for language in languages]
    formats = [
        kind for kind in FILES if any((pack / file).is_file() for name in names for file in files_of(kind, name))
    ] or options["formats"]
    built = {
        stem.removesuffix(f".{name}") for stem in manifest["sections"] for name in names if stem.endswith(f".{name}")
    }
    folder = Path(templates) if templates and options["templates"] else None
    period, every = manifest["period"], manifest["every"]
    plan = make_plan(data, period, every, options["segment"], languages, formats, (), folder, options["static"])
    chosen = [section for section in plan.everything if section.name in built]
    return replace(plan, chosen=chosen or plan.everything)


def _load(build: dict, source: str | None) -> Dataset:
    from retention_kit.data.dataset import load, sample

    origin = source or build["data"]["origin"]
    overrides = build["data"]["overrides"] | {"as_of": build["as_of"]}
    if "plugins" in overrides:
        raise SettingsError(
            "This pack was made with plug-ins that were given by keyword, {plugins}, which run code: where you "
            "trust them, name them in a retention.toml, and give that with --data.",
            plugins=overrides["plugins"],
        )
    if build["data"]["synthetic"] and not source:
        return sample(**overrides)
    if not Path(origin).exists():
        hint = Phrase("run this where the pack was built")
        if origin == "(DataFrames)":
            hint = Phrase("they were DataFrames")
        elif origin.startswith("("):
            hint = Phrase("they came through a connection, which only the program that built the pack has")
        raise DataError("The data of this pack, {origin!r}, are not here: {hint}.", origin=origin, hint=hint)
    if not source and manifests.other_settings(Path(origin)):
        raise SettingsError(
            "This pack names the settings {origin!r}, which may run code, and they are not the retention.toml "
            "here: where you trust them, name them again with --data.",
            origin=origin,
        )
    return load(origin, **overrides)


def _figures(before: Path, now: Path, named_changes: list[Change], is_altered: bool) -> list[Difference]:
    """The rows that differ between two scorecards, in the order of the files."""
    old, new = ({tuple(row[key] for key in _KEYS): row for row in read_scorecard(path)} for path in (before, now))
    differences = []
    for key in {**old, **new}:
        rows = old.get(key, {}), new.get(key, {})
        columns = tuple(name for name in COLUMNS if name not in _KEYS and rows[0].get(name) != rows[1].get(name))
        if not columns:
            continue
        column = "value" if "value" in columns else columns[0]
        metric, period, segment, value = key
        causes = (ALTERED,) * is_altered + causes_of(metric, named_changes)
        before_cell, now_cell = (row[column] if row else "(no row)" for row in rows)
        name = f"{segment}={value}" if segment else ""
        differences.append(Difference(metric, period, name, columns, before_cell, now_cell, causes))
    return differences


def _files(pack: Path, before: dict, now: dict, causes: list[Change]) -> dict[str, tuple[str, ...]]:
    """The files that differ, with the causes: those that either build wrote differently, and those edited since."""
    altered = manifests.altered(pack, before)
    differing = {name for name, _ in before["files"].items() ^ now["files"].items()}
    kinds = tuple(kind for kind in KINDS if kind in {cause.kind for cause in causes})
    return {name: (ALTERED,) * (name in altered) + kinds * (name in differing) for name in sorted(differing | altered)}
