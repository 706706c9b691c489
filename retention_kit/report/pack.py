"""The pack: templates run, assembled, rendered and written beside, then swapped into place."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from retention_kit.errors import ReportError, SettingsError, did_you_mean
from retention_kit.metrics.handover import keep
from retention_kit.metrics.identities import identities
from retention_kit.metrics.scorecard import COLUMNS, METRICS, records
from retention_kit.periods import Period
from retention_kit.report import templates as library
from retention_kit.report.appendix import appendix
from retention_kit.report.display import BLOCK_MIME, Block
from retention_kit.report.page import HANDOVER, Page

if TYPE_CHECKING:
    import pandas as pd
    from nbformat import NotebookNode

    from retention_kit.data.dataset import Dataset

FORMATS = ("html", "pdf")
PACKAGES = ("retention-kit", "altair", "duckdb", "nbconvert", "pandas", "papermill", "typst", "vl-convert-python")


@dataclass(frozen=True)
class Pack:
    """A finished pack: its folder, and what of it could not be made."""

    path: Path
    period: str
    failures: tuple[str, ...] = ()

    def __fspath__(self) -> str:
        return str(self.path)


@dataclass
class _Plan:
    """What one build makes, checked before any of it is made."""

    page: Page
    segment: str
    languages: list[str]
    formats: list[str]
    everything: list[library.Section]
    chosen: list[library.Section]
    notebooks: dict[str, Any] = field(default_factory=dict)

    @property
    def suffix(self) -> str:
        """What a segment value adds to file names: letters and digits only, the rest told apart by a digest."""
        only = self.page.only
        if not only:
            return ""
        plain = re.sub(r"[^A-Za-z0-9]+", "-", only).strip("-")
        if len(plain) <= 40 and plain.replace("-", "=", 1) == only:
            return f".{plain}"
        return f".{plain[:40]}-{hashlib.sha256(only.encode()).hexdigest()[:6]}"

    def parameters(self, section: library.Section, language: str) -> dict[str, object]:
        page = self.page
        own = {"metric": section.metric} if section.metric else {}
        return {
            "period": str(page.period),
            "every": page.every,
            "segment": self.segment,
            "language": language,
            "data": page.data.origin,
            **own,
        }

    def stem(self, section: library.Section, language: str) -> str:
        return f"{section.name}.{language}{self.suffix}"


def build_report(
    data: Dataset,
    period: str | Period | None = None,
    *,
    every: str | None = None,
    segment: str | None = None,
    languages: Iterable[str] | None = None,
    formats: Iterable[str] | None = None,
    output: str | Path = "reports",
    only: Iterable[str] = (),
    templates: str | Path | None = None,
    static: bool = False,
    jobs: int = 2,
    progress: Callable[[str, int, int], None] | None = None,
) -> Pack:
    """Build the report pack of one period in `output`/<period> and return it.

    The period defaults to the last complete one; segment, languages and formats to the settings. `only` names the
    sections to run again; `templates` is a folder of own templates; `static` leaves the charts' script out;
    `jobs` notebooks run at once; `progress` is called with the section, how many are done and how many there are.
    A section that fails is marked in the pack and named in `Pack.failures`. Wrong input raises before anything is
    written; whatever goes wrong later leaves the previous pack as it was.
    """
    plan = _plan(data, period, every, segment, languages, formats, only, templates)
    folder = Path(output) / str(plan.page.period)
    checks = identities(data, plan.page.every, _columns(plan.page))
    rows = _scorecard(plan.page)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as place:
        building = Path(place) / folder.name
        if folder.is_dir():
            shutil.copytree(folder, building)
        (building / "notebooks").mkdir(parents=True, exist_ok=True)
        broken = [check.name for check in checks if check.broken]
        executed, failures = _execute(plan, Path(place), max(1, jobs), progress or (lambda *_: None))
        kept = _siblings(plan, building, rows)
        for language in plan.languages:
            document = _assemble(plan, language, kept | executed, checks)
            for made in plan.formats:
                _render(document, building / f"report.{language}{plan.suffix}.{made}", made, static)
        for stem, notebook in executed.items():
            _write_notebook(notebook, building / "notebooks" / f"{stem}.ipynb")
        (building / f"scorecard{plan.suffix}.csv").write_text(rows, "utf-8", newline="")
        problems = (*failures, *(f"the identity of {name} does not hold" for name in broken))
        _write_manifest(plan, building, failures, checks, static)
        _swap(building, folder, Path(place))
    return Pack(folder, str(plan.page.period), problems)


def to_csv(rows: pd.DataFrame) -> str:
    """A scorecard as CSV: exact figures, empty where undefined, no text that a spreadsheet would run."""
    text = StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in records(rows[list(COLUMNS)]))
    return text.getvalue()


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _plan(data, period, every, segment, languages, formats, only, folder) -> _Plan:
    report = data.settings.report
    languages, formats = list(languages or report.languages), list(formats or report.formats)
    for made in formats:
        if made not in FORMATS:
            raise SettingsError(f"There is no report format {made!r}: {did_you_mean(made, FORMATS)}")
    segment = ",".join(report.segments) if segment is None else segment
    pages = [Page(period or "", every, segment, language, data) for language in languages]
    if folder is not None and not Path(folder).is_dir():
        raise SettingsError(f"There is no folder of templates {str(folder)!r}.")
    everything = library.sections(data, Path(folder) if folder else None)
    chosen = library.pick(everything, list(only)) if only else everything
    plan = _Plan(pages[0], segment, languages, formats, everything, chosen)
    for section in chosen:
        plan.notebooks[section.name] = library.check(section, plan.parameters(section, languages[0]))
    return plan


def _columns(page: Page) -> tuple[str, ...]:
    return (page.only.partition("=")[0],) if page.only else tuple(page.columns)


def _scorecard(page: Page) -> str:
    import pandas as pd

    whole = page.rows
    if page.only:
        column, _, value = page.only.partition("=")
        whole = whole.assign(segment=column, segment_value=value)
    return to_csv(pd.concat([whole, *(page.parts(column) for column in page.columns)], ignore_index=True))


def _execute(
    plan: _Plan, place: Path, jobs: int, progress: Callable[[str, int, int], None]
) -> tuple[dict[str, NotebookNode], list[str]]:
    """Run every chosen section in every language; the summaries are computed once and handed over in a file."""
    handover = place / "summaries.duckdb"
    keep(plan.page.data, handover)
    environment = {**os.environ, HANDOVER: str(handover), "PYTHONHASHSEED": "0"}
    tasks = [(section, language) for language in plan.languages for section in plan.chosen]
    executed: dict[str, NotebookNode] = {}
    failures: list[str] = []
    done = 0

    def one(task: tuple[library.Section, str]) -> tuple[NotebookNode, str]:
        nonlocal done
        section, language = task
        made = library.run(plan.notebooks[section.name], plan.parameters(section, language), environment)
        done += 1
        progress(section.name, done, len(tasks))
        return made

    progress("", 0, len(tasks))
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = [(task, pool.submit(one, task)) for task in tasks]
        try:
            for (section, language), future in futures:
                notebook, problem = future.result()
                executed[plan.stem(section, language)] = notebook
                if problem:
                    failures.append(f"{section.name} ({language}): {problem}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return executed, failures


def _siblings(plan: _Plan, building: Path, rows: str) -> dict[str, NotebookNode]:
    """With `only`: the other sections as executed before, if they speak of the very same figures."""
    import nbformat

    before = building / f"scorecard{plan.suffix}.csv"
    if plan.chosen == plan.everything or not before.is_file() or before.read_text("utf-8") != rows:
        return {}
    stems = [plan.stem(section, language) for section in plan.everything for language in plan.languages]
    files = {stem: building / "notebooks" / f"{stem}.ipynb" for stem in stems}
    return {stem: nbformat.read(path, as_version=4) for stem, path in files.items() if path.is_file()}


def _assemble(plan: _Plan, language: str, executed: dict[str, NotebookNode], checks: list) -> NotebookNode:
    """One document: the sections in reading order, then the appendix."""
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    page = plan.page if language == plan.page.words.language else Page(
        str(plan.page.period), plan.page.every, plan.segment, language, plan.page.data
    )  # fmt: skip
    cells = []
    for section in plan.everything:
        notebook = executed.get(plan.stem(section, language))
        if notebook is None:
            continue
        if section.name != "overview" and not _is_titled(notebook):
            cells.append(_cell(page.heading(section.metric or section.name), new_code_cell, new_output))
        cells += notebook.cells
    if any(check.broken for check in checks):
        names = [page.words.text(f"identities.{check.name}", column=check.column) for check in checks if check.broken]
        notice = Block("notice", tone="failure", title=page.words.text("identities.failed"), items=names)
        cells.insert(0, _cell(notice, new_code_cell, new_output))
    cells += [_cell(block, new_code_cell, new_output) for block in appendix(page, checks)]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return new_notebook(cells=cells, metadata={"retention_kit": _about(page)})


def _is_titled(notebook: NotebookNode) -> bool:
    """Whether a section came to show a heading of its own."""
    shown = [
        output.get("data", {}).get(BLOCK_MIME, {}) for cell in notebook.cells for output in cell.get("outputs", [])
    ]
    written = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return any(block.get("kind") == "heading" for block in shown) or any(re.match(r"#+ ", text) for text in written)


def _cell(block: Block, new_code_cell, new_output) -> NotebookNode:
    return new_code_cell(outputs=[new_output("display_data", data=block._repr_mimebundle_())])


def _about(page: Page) -> dict[str, object]:
    data, text = page.data, page.words.text
    company = data.settings.report.company
    subtitle = [text("document.subtitle")]
    if data.is_sample:
        subtitle.append(text("document.sample"))
    if page.only:
        column, _, value = page.only.partition("=")
        subtitle.append(text("document.filtered", column=column, value=value))
    zone = data.settings.report.timezone or "UTC"
    return {
        "title": text("document.titled", company=company) if company else text("document.title"),
        "company": company,
        "subtitle": " · ".join(subtitle),
        "period_label": page.words.period(page.period),
        "as_of_label": text("document.as_of", day=page.last_day(), zone=zone),
        "language": page.words.language,
        "direction": page.words.direction,
        "date": data.as_of.isoformat(),
        "labels": {name: text(f"document.{name}") for name in ("contents", "skip", "failed", "undescribed")}
        | {"page": page.words.raw("document.page")},
    }


def _render(document: NotebookNode, path: Path, made: str, static: bool) -> None:
    from retention_kit.report.exporters import RetentionHTMLExporter, RetentionPDFExporter

    exporter = RetentionPDFExporter() if made == "pdf" else RetentionHTMLExporter(interactive=not static)
    body, _ = exporter.from_notebook_node(document)
    path.write_bytes(body if isinstance(body, bytes) else body.encode())


def _write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Without the clock: the same run gives the same notebook."""
    import nbformat

    parameters = notebook.metadata.get("papermill", {}).get("parameters", {})
    notebook.metadata["papermill"] = {"parameters": parameters}
    for number, cell in enumerate(notebook.cells):
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if "injected-parameters" in cell.metadata.get("tags", []) or not cell.get("id"):
            cell["id"] = f"run-{number}"
    nbformat.write(notebook, path)


def _write_manifest(plan: _Plan, building: Path, failures: list[str], checks: list, static: bool) -> None:
    data, path = plan.page.data, building / "manifest.json"
    try:
        before = json.loads(path.read_text("utf-8"))["sections"] if path.is_file() else {}
    except (ValueError, KeyError):
        before = {}
    failed = {failure.partition(":")[0] for failure in failures}
    states = {
        plan.stem(section, language): "failed" if f"{section.name} ({language})" in failed else "ok"
        for section in plan.chosen
        for language in plan.languages
    }
    sections = {
        name: state
        for name, state in {**before, **states}.items()
        if (building / "notebooks" / f"{name}.ipynb").is_file()
    }
    period = plan.page.period
    manifest = {
        "schema": 1,
        "state": "failed" if "failed" in sections.values() or any(check.broken for check in checks) else "ok",
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
            "static": static,
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
        "sections": sections,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "files": {
            file.relative_to(building).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(building.rglob("*"))
            if file.is_file() and file != path
        },
    }
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False, default=str) + "\n", "utf-8")


def _swap(building: Path, folder: Path, place: Path) -> None:
    """The new pack takes the old one's name; the old one is gone only then."""
    try:
        if folder.exists():
            folder.rename(place / "before")
        building.rename(folder)
    except OSError as error:
        if not folder.exists() and (place / "before").exists():
            (place / "before").rename(folder)
        raise ReportError(f"The pack could not be put in place at {folder}: {error.strerror}.") from error
