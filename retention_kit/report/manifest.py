"""The manifest of a pack: what it was made from, by what, and what came of it; and whether that is still so."""

from __future__ import annotations

import hashlib
import inspect
import json
import platform
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec

from retention_kit.metrics.identities import Identity
from retention_kit.metrics.scorecard import METRICS
from retention_kit.report.display import templates_dir
from retention_kit.report.plan import Plan

NAME = "manifest.json"
PACKAGES = ("retention-kit", "altair", "duckdb", "nbconvert", "pandas", "papermill", "typst", "vl-convert-python")


def is_current(plan: Plan, folder: Path) -> bool:
    """Whether a whole pack stands there, made from the very same inputs, with every file as it was written."""
    manifest = _read(folder)
    files = manifest.get("files", {})
    return (
        manifest.get("state") == "ok"
        and _inputs(plan).items() <= manifest.get("inputs", {}).items()
        and all((folder / name).is_file() and _digest(folder / name) == digest for name, digest in files.items())
    )


def sections(folder: Path) -> set[str]:
    """The sections that the pack there holds."""
    return {*_read(folder).get("sections", {})}


def write(plan: Plan, building: Path, failures: list[str], checks: list[Identity]) -> None:
    """Write `manifest.json` into a pack that is otherwise whole; what it said of sibling builds is kept."""
    data, path, before = plan.page.data, building / NAME, _read(building)
    failed = {failure.partition(":")[0] for failure in failures}
    states = {
        plan.stem(section, language): "failed" if f"{section.name} ({language})" in failed else "ok"
        for section in plan.chosen
        for language in plan.languages
    }
    made = {
        name: state
        for name, state in {**before.get("sections", {}), **states}.items()
        if (building / "notebooks" / f"{name}.ipynb").is_file()
    }
    period = plan.page.period
    manifest = {
        "schema": 1,
        "state": "failed" if failures or "failed" in made.values() or any(check.broken for check in checks) else "ok",
        "period": str(period),
        "every": period.every,
        "start": str(period.start),
        "end": str(period.end),
        "complete": period.is_complete(data.as_of),
        "as_of": str(data.as_of),
        "parameters": {
            "segment": plan.segment,
            "languages": plan.languages,
            "formats": plan.formats,
            "sections": [section.name for section in plan.chosen],
            "static": plan.static,
        },
        "data": {
            "synthetic": data.is_sample,
            "origin": data.origin,
            "basis": data.basis,
            "start": str(data.start),
            "sources": data.sources,
            "quality": data.quality.to_dict("records"),
        },
        "settings": {
            "report": msgspec.to_builtins(data.settings.report),
            "definitions": msgspec.to_builtins(data.settings.definitions),
            "goals": msgspec.to_builtins(data.settings.goals),
        },
        "metrics": {name: {"formula": one.formula, "definition": one.definition} for name, one in METRICS.items()},
        "identities": [msgspec.to_builtins(check) for check in checks],
        "templates": {section.name: section.digest for section in plan.everything},
        "sections": made,
        # What failed is made again, also where a build of another language has since gone well.
        "inputs": before.get("inputs", {}) | (dict.fromkeys(_inputs(plan), "") if failures else _inputs(plan)),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "files": {
            file.relative_to(building).as_posix(): _digest(file)
            for file in sorted(building.rglob("*"))
            if file.is_file() and file != path
        },
    }
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False, default=str) + "\n", "utf-8")


def _inputs(plan: Plan) -> dict[str, str]:
    """A digest of everything that the files of each language depend on."""
    data = plan.page.data
    inputs = {
        "sources": data.sources,
        "settings": msgspec.to_builtins(data.settings),
        "known": [str(data.as_of), data.is_sample, data.origin],
        "asked": [str(plan.page.period), plan.segment, plan.formats, plan.static],
        "templates": {section.name: section.digest for section in plan.chosen},
        "metrics": {name: vars(one) | {"function": _source(one.function)} for name, one in METRICS.items()},
        "code": [_code(), platform.python_version(), *(version(name) for name in PACKAGES)],
    }
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()
    return {f"{language}{plan.suffix}": digest for language in plan.languages}


def _source(function: Callable) -> str:
    """A digest of the module that a metric stands in; nothing for one made in a session."""
    try:
        return _digest(Path(inspect.getsourcefile(function) or ""))
    except (OSError, TypeError):
        return ""


@cache
def _code() -> str:
    """A digest of the package itself, its SQL, words and skins."""
    places = (Path(__file__).parents[1], templates_dir())
    files = [
        path
        for place in places
        for path in sorted(place.rglob("*"))
        if path.suffix in (".py", ".sql", ".toml", ".j2", ".css", ".js", ".typ")
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _read(folder: Path) -> dict:
    try:
        return json.loads((folder / NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
