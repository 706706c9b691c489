"""A built pack, and how it is displayed: links to its files, notes and failures."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from retention_kit.display import Cell, Display, words_in
from retention_kit.errors import Listed
from retention_kit.report.archive import manifest as manifests
from retention_kit.wording import Words

FILE_KINDS = {  # the files of a pack, most useful first
    "report": "report.*",
    "brief": "brief.*",
    "figures": "scorecard*.csv",
    "lists": "lists/*.csv",
    "tables": "tables/*.csv",
    "notebooks": "notebooks/*.ipynb",
    "record": "manifest.json",
}

REPORTS = ("report.*.html", "brief.*.html", "report.*.pdf", "brief.*.pdf")


@dataclass(frozen=True)
class Pack:
    """A finished report pack, as returned by `build_report`.

    Attributes: `path`, its folder; `period`, such as `2011-11`; `failures`, a sentence for each part that failed;
    `is_new`, False if an up-to-date pack was kept; `note`, a sentence if the pack was not built exactly as asked. It is
    path-like (`os.fspath`), so `send_report(pack)` works.
    """

    path: Path
    period: str
    failures: tuple[str, ...] = ()
    is_new: bool = True
    note: str = ""

    def __fspath__(self) -> str:
        return str(self.path)

    def with_note(self, note: str) -> Pack:
        """The same pack with another note, unless that is empty."""
        return replace(self, note=Listed(filter(None, [self.note, note]), " "))

    def _repr_html_(self) -> str:
        return display_of(self).html()

    def __repr__(self) -> str:
        return display_of(self).text()


def display_of(pack: Pack) -> Display:
    """How a pack is displayed."""
    words = _words(manifests.read(pack.path))
    files = {kind: sorted(pack.path.glob(pattern)) for kind, pattern in FILE_KINDS.items()}
    facts = [
        (words.text(f"shown.pack.{kind}"), [Cell(words.isolate(path.name), href=quote(near(path))) for path in paths])
        for kind, paths in files.items()
        if paths
    ]
    facts.append((words.text("shown.pack.folder"), [Cell(words.isolate(near(pack.path)))]))
    notes = [pack.note] if pack.note else []
    if not pack.is_new:
        notes.append(words.text("shown.pack.unchanged"))
    if not any(files.values()):
        notes.append(words.text("shown.pack.gone"))
    failures = [words.text("shown.pack.failure", failure=failure) for failure in pack.failures]
    title = words.text("shown.pack.failed" if failures else "shown.pack.title", period=words.period(pack.period))
    return Display(title, words, facts, notes=notes, failures=failures)


def lists_of(pack: Pack, language: str = "", suffixes: Collection[str] | None = None) -> list[str]:
    """A sentence for each list of customers in a pack: file, number of customers and amount of money.

    `suffixes` (of segment values, "" for the whole) leaves out the lists of other reports in the folder.
    """
    manifest = manifests.read(pack.path)
    if not manifest.get("lists"):  # no lists, or no pack any more
        return []
    words = _words(manifest, language)
    return [
        words.text(
            "shown.pack.list_at_stake" if total.get("at_stake") else f"shown.pack.list_{manifest['data']['basis']}",
            file=name,
            customers=words.value(total["customers"], "count"),
            money=words.value(total["money"], "money"),
        )
        for name, total in manifest["lists"].items()
        if total["customers"] and (pack.path / name).is_file() and (suffixes is None or _suffix_of(name) in suffixes)
    ]


def _suffix_of(file: str) -> str:
    """The suffix in the name of a list, `.country-France` of `lists/new_customers.country-France.csv`."""
    _, dot, suffix = PurePosixPath(file).stem.partition(".")
    return dot + suffix


def _words(manifest: dict, language: str = "") -> Words:
    """Words in a language, by default the pack's first."""
    report = manifest.get("settings", {}).get("report", {})
    languages = report.get("languages") or ["en"]
    return words_in(language or languages[0], report.get("currency", "XXX"), report.get("digits", "latn"))


def first_of(pack: Pack, suffix: str = "", languages: Sequence[str] = ()) -> Path:
    """The file to open first: a report of the pack, else its folder.

    Preferred are files with this `suffix` (of a segment value), and in one of the `languages`, by default the pack's.
    """
    report = manifests.read(pack.path).get("settings", {}).get("report", {})
    order = {language: number for number, language in enumerate(languages or report.get("languages", []))}
    ranked = []
    for number, pattern in enumerate(REPORTS):
        for path in pack.path.glob(pattern):
            language, mark, segment = path.stem.partition(".")[2].partition(".")
            rank = (mark + segment != suffix, language not in order, number, order.get(language, 0), path.name)
            ranked.append((rank, path))
    return min(ranked)[1] if ranked else pack.path


def near(path: Path) -> str:
    """The path relative to the working directory, if it is on the same drive."""
    try:
        return Path(os.path.relpath(path)).as_posix()
    except ValueError:
        return path.as_posix()
