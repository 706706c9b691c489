"""Reads and writes the manifest of a pack, and compares it with the pack's files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from retention_kit.errors import SettingsError

NAME = "manifest.json"
SCHEMA = 1  # the form of manifests
PACKAGES = ("retention-kit", "altair", "duckdb", "nbconvert", "pandas", "papermill", "typst", "vl-convert-python")
# The keys that describe one build; those of a pack's other builds (other segment values) are in `siblings`.
BUILD = ("complete", "as_of", "parameters", "data", "settings", "metrics", "templates", "code", "versions")


def other_settings(origin: Path) -> Path | None:
    """The settings file at a pack's recorded origin, unless it is the retention.toml of the working directory."""
    path = origin / "retention.toml" if origin.is_dir() else origin
    is_other = path.suffix == ".toml" and path.is_file() and path.resolve() != Path("retention.toml").resolve()
    return path if is_other else None


def altered(folder: Path, manifest: dict) -> set[str]:
    """The names of the pack's files that are missing or have changed since they were written."""
    return {name for name, digest in manifest.get("files", {}).items() if digest_if(folder / name) != digest}


def sections(folder: Path) -> set[str]:
    """The stems of the sections of the pack in this folder."""
    return {*read(folder).get("sections", {})}


def builds(manifest: dict) -> dict[str, dict]:
    """The description of each build of a pack (the keys of BUILD), by suffix of its file names; the latest is last."""
    siblings, suffix = manifest.get("siblings"), manifest.get("suffix")
    recorded = {**(siblings if isinstance(siblings, dict) else {}), suffix: manifest}
    return {
        name: build
        for name, build in recorded.items()
        if isinstance(name, str) and isinstance(build, dict) and {*BUILD} <= {*build}
    }


def write(building: Path, manifest: dict[str, Any]) -> None:
    """Write `manifest.json` with the digests of all files into an otherwise complete pack."""
    path = building / NAME
    files = {
        file.relative_to(building).as_posix(): digest_of(file)
        for file in sorted(building.rglob("*"))
        if file.is_file() and file != path
    }
    path.write_text(as_json(manifest | {"files": files}) + "\n", "utf-8")


def segment_of(report: dict) -> str:
    """The segment value of a report, as for `--segment`; empty for the whole company."""
    only = report.get("only") or ""
    return "=".join(map(str, only)) if isinstance(only, list) else str(only)


def as_json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)


def digest_if(file: Path) -> str:
    return digest_of(file) if file.is_file() else ""


def digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def is_pack(manifest: dict) -> bool:
    """Whether a manifest is that of a pack, and of a form that is known here."""
    return manifest.get("schema") == SCHEMA


def read_pack(folder: Path) -> dict:
    """The manifest of a pack; raises SettingsError if the folder is none."""
    if not is_pack(manifest := read(folder)):
        template = "{path!r} is no pack: give the folder that `retention-kit report` has made."
        raise SettingsError(template, path=str(folder))
    return manifest


def read(folder: Path) -> dict:
    """The manifest of the pack in a folder; an empty dict if there is none that can be read."""
    try:
        manifest = json.loads((folder / NAME).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}
