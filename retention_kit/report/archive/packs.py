"""The packs that stand in an output folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from retention_kit.errors import PeriodError
from retention_kit.periods import Period
from retention_kit.report.archive import manifest


class StoredPack(NamedTuple):
    """A pack as it stands."""

    folder: Path
    period: Period
    manifest: dict[str, Any]


def stored_packs(output: Path) -> Iterator[StoredPack]:
    """Every pack of an output folder, the oldest first of each length; what is no pack of ours is passed over."""
    found = []
    try:
        folders = [*output.iterdir()] if output.is_dir() else []
    except OSError:  # building a pack there will say so
        folders = []
    for folder in folders:
        told = manifest.read(folder)
        try:
            period = Period.parse(folder.name)
        except PeriodError:
            continue
        if told.get("schema") == 1 and told.get("period") == str(period) == folder.name:
            found.append(StoredPack(folder, period, told))
    yield from sorted(found, key=lambda one: one.period)
