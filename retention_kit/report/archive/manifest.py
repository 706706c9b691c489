"""The manifest of a pack: reading and writing it, and comparing it with the files that stand beside it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

NAME = "manifest.json"
PACKAGES = ("retention-kit", "altair", "duckdb", "nbconvert", "pandas", "papermill", "typst", "vl-convert-python")
# The keys that describe one build; those of the other builds of a pack (segment values, the whole) are in `siblings`.
BUILD = ("complete", "as_of", "parameters", "data", "settings", "metrics", "templates", "code", "versions")


def other_settings(origin: Path) -> Path | None:
    """The settings file that a pack names as its origin, unless it is the one that a command would read here."""
    path = origin / "retention.toml" if origin.is_dir() else origin
    is_other = path.suffix == ".toml" and path.is_file() and path.resolve() != Path("retention.toml").resolve()
    return path if is_other else None


def altered(folder: Path, manifest: dict) -> set[str]:
    """The files of a pack that are missing, or differ from what was written."""
    return {name for name, digest in manifest.get("files", {}).items() if digest_if(folder / name) != digest}


def sections(folder: Path) -> set[str]:
    """The stems of the sections that the pack in this folder holds."""
    return {*read(folder).get("sections", {})}


def builds(manifest: dict) -> dict[str, dict]:
    """What each build of a pack was made from, by the suffix of its file names; the latest build is the last."""
    siblings, suffix = manifest.get("siblings"), manifest.get("suffix")
    known = {**(siblings if isinstance(siblings, dict) else {}), suffix: manifest}
    return {
        name: build
        for name, build in known.items()
        if isinstance(name, str) and isinstance(build, dict) and {*BUILD} <= {*build}
    }


def write(building: Path, manifest: dict[str, Any]) -> None:
    """Write `manifest.json` into a pack that is otherwise complete, with the digests of its files."""
    path = building / NAME
    files = {
        file.relative_to(building).as_posix(): digest_of(file)
        for file in sorted(building.rglob("*"))
        if file.is_file() and file != path
    }
    path.write_text(as_json(manifest | {"files": files}) + "\n", "utf-8")


def segment_of(report: dict) -> str:
    """The segment value of a report of the manifest, as `--segment` takes it; empty for the whole."""
    only = report.get("only") or ""
    return "=".join(map(str, only)) if isinstance(only, list) else str(only)


def as_json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)


def digest_if(file: Path) -> str:
    return digest_of(file) if file.is_file() else ""


def digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def read(folder: Path) -> dict:
    """The manifest of the pack in a folder; an empty dict where there is none that can be read."""
    try:
        manifest = json.loads((folder / NAME).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}
