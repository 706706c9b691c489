"""The manifest of a pack: what it was made from, by what, and what came of it; and whether that is still so."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

NAME = "manifest.json"
PACKAGES = ("retention-kit", "altair", "duckdb", "nbconvert", "pandas", "papermill", "typst", "vl-convert-python")
# What tells of one build; of a segment value's sibling, and of the whole beside it, the same is kept in `siblings`.
BUILD = ("complete", "as_of", "parameters", "data", "settings", "metrics", "templates", "code", "versions")


def other_settings(origin: Path) -> Path | None:
    """The settings file that a pack names as its source, where it is another than any command here would take."""
    path = origin / "retention.toml" if origin.is_dir() else origin
    is_other = path.suffix == ".toml" and path.is_file() and path.resolve() != Path("retention.toml").resolve()
    return path if is_other else None


def altered(folder: Path, manifest: dict) -> set[str]:
    """The files of a pack that are gone or are not what was written."""
    files = manifest.get("files", {})
    return {
        name for name, digest in files.items() if not (folder / name).is_file() or digest_of(folder / name) != digest
    }


def sections(folder: Path) -> set[str]:
    """The sections that the pack there holds."""
    return {*read(folder).get("sections", {})}


def builds(manifest: dict) -> dict[str, dict]:
    """What each build of a pack was made from, by what a segment value adds to its file names; the last one last."""
    siblings, suffix = manifest.get("siblings"), manifest.get("suffix")
    found = {**(siblings if isinstance(siblings, dict) else {}), suffix: manifest}
    return {
        name: build
        for name, build in found.items()
        if isinstance(name, str) and isinstance(build, dict) and {*BUILD} <= {*build}
    }


def write(building: Path, told: dict[str, Any]) -> None:
    """Write `manifest.json` into a pack that is otherwise whole: what is told of it, and what its files are."""
    path = building / NAME
    files = {
        file.relative_to(building).as_posix(): digest_of(file)
        for file in sorted(building.rglob("*"))
        if file.is_file() and file != path
    }
    path.write_text(as_json(told | {"files": files}) + "\n", "utf-8")


def segment_of(about: dict) -> str:
    """The segment value that a report is about, as `--segment` takes it; empty for the whole."""
    only = about.get("only") or ""
    return "=".join(map(str, only)) if isinstance(only, list) else str(only)


def as_json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)


def digest_if(file: Path) -> str:
    return digest_of(file) if file.is_file() else ""


def digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def read(folder: Path) -> dict:
    """The manifest of a pack; empty where there is none that can be read."""
    try:
        manifest = json.loads((folder / NAME).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}
