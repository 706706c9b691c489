"""How a pack shows itself: a link to each of its files, relative to the working directory, and what of it failed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from retention_kit.cells import Cell, Sheet
from retention_kit.wording import Words

KINDS = {  # the files of a pack, in the order in which a reader asks for them
    "report": "report.*",
    "figures": "scorecard*.csv",
    "lists": "lists/*.csv",
    "notebooks": "notebooks/*.ipynb",
    "record": "manifest.json",
}


def sheet_of(pack: Any) -> Sheet:
    """The sheet of a `Pack`."""
    words = Words("en")
    found = {kind: sorted(pack.path.glob(pattern)) for kind, pattern in KINDS.items()}
    facts = [
        (words.text(f"shown.pack.{kind}"), [Cell(path.name, href=_link(path)) for path in paths])
        for kind, paths in found.items()
        if paths
    ]
    facts.append((words.text("shown.pack.folder"), [Cell(near(pack.path))]))
    notes = [pack.note] if pack.note else []
    if not pack.is_new:
        notes.append(words.text("shown.pack.unchanged"))
    if not any(found.values()):
        notes.append(words.text("shown.pack.gone"))
    failures = [words.text("shown.pack.failure", failure=failure) for failure in pack.failures]
    title = words.text("shown.pack.failed" if failures else "shown.pack.title", period=words.period(pack.period))
    return Sheet(title, words, facts, notes=notes, failures=failures)


def near(path: Path) -> str:
    """The path from the working directory, with its drive where that is another one."""
    try:
        return Path(os.path.relpath(path)).as_posix()
    except ValueError:
        return path.as_posix()


def _link(path: Path) -> str:
    return quote(near(path))
