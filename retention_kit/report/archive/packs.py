"""The packs that stand in an output folder."""

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
    """Every pack of an output folder, by length of period and then the oldest first; anything else is passed over."""
    packs = []
    try:
        folders = [*output.iterdir()] if output.is_dir() else []
    except OSError:  # building a pack there will say so
        folders = []
    for folder in folders:
        manifest = manifests.read(folder)
        try:
            period = Period.parse(folder.name)
        except PeriodError:
            continue
        if manifest.get("schema") == 1 and manifest.get("period") == str(period) == folder.name:
            packs.append(StoredPack(folder, period, manifest))
    return sorted(packs, key=lambda pack: pack.period)
