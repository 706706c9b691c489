"""How a pack shows itself: a link to each of its files, relative to the working directory, and what of it failed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from retention_kit.display import Cell, Display
from retention_kit.report.archive import manifest
from retention_kit.wording import Words

KINDS = {  # the files of a pack, in the order in which a reader asks for them
    "report": "report.*",
    "brief": "brief.*",
    "figures": "scorecard*.csv",
    "lists": "lists/*.csv",
    "tables": "tables/*.csv",
    "notebooks": "notebooks/*.ipynb",
    "record": "manifest.json",
}

READ = ("report.*.html", "brief.*.html", "report.*.pdf", "brief.*.pdf")


@dataclass(frozen=True)
class Pack:
    """A finished pack: its folder, and what of it could not be made."""

    path: Path
    period: str
    failures: tuple[str, ...] = ()
    is_new: bool = True  # False where an unchanged pack was left as it stands
    note: str = ""  # where it is not made as asked for: a sentence that says so

    def __fspath__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        return display_of(self).html()

    def __repr__(self) -> str:
        return display_of(self).text()


def display_of(pack: Any) -> Display:
    """The display of a `Pack`."""
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
    return Display(title, words, facts, notes=notes, failures=failures)


def lists_of(pack: Any) -> list[str]:
    """A sentence for each list of customers in a `Pack`: the file, how many it names, and for how much money."""
    told = manifest.read(pack.path)
    if not told.get("lists"):  # none, or the pack is gone
        return []
    words = Words("en", told["settings"]["report"]["currency"])
    return [
        words.text(
            f"shown.pack.list_{told['data']['basis']}",
            file=name,
            customers=words.value(held["customers"], "count"),
            money=words.value(held["money"], "money"),
        )
        for name, held in told["lists"].items()
        if held["customers"] and (pack.path / name).is_file()
    ]


def first_of(pack: Any) -> Path:
    """What a reader of a `Pack` opens first: its report, else its folder."""
    found = [path for pattern in READ for path in sorted(pack.path.glob(pattern))]
    return next(iter(found), pack.path)


def near(path: Path) -> str:
    """The path from the working directory, with its drive where that is another one."""
    try:
        return Path(os.path.relpath(path)).as_posix()
    except ValueError:
        return path.as_posix()


def _link(path: Path) -> str:
    return quote(near(path))
