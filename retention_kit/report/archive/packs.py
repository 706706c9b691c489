"""Lists the packs in an output folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from retention_kit.errors import PeriodError
from retention_kit.periods import Period
from retention_kit.report.archive import manifest as manifests


class StoredPack(NamedTuple):
    """A pack on the disk."""

    folder: Path
    period: Period
    manifest: dict[str, Any]


def stored_packs(output: Path) -> list[StoredPack]:
    """All packs in an output folder, sorted by length of period, then oldest first; other folders are ignored."""
    packs = []
    try:
        folders = [*output.iterdir()] if output.is_dir() else []
    except OSError:  # reported when a pack is built there
        folders = []
    for folder in folders:
        manifest = manifests.read(folder)
        try:
            period = Period.parse(folder.name)
        except PeriodError:
            continue
        if manifests.is_pack(manifest) and manifest.get("period") == str(period) == folder.name:
            packs.append(StoredPack(folder, period, manifest))
    return sorted(packs, key=lambda pack: pack.period)
