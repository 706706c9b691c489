"""Renders the files of a report: each language and format of the executed sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.errors import Phrase, ReportError
from retention_kit.metrics.identities import Identity
from retention_kit.report.archive.formats import files_of
from retention_kit.report.build.assemble import assemble, brief
from retention_kit.report.changes import Restatements
from retention_kit.report.execution.plan import Plan

if TYPE_CHECKING:
    from nbformat import NotebookNode


class RenderedFile(NamedTuple):
    """A file of a report, and the complete rows of its shortened tables."""

    name: str
    body: bytes  # empty if it failed
    failures: list[str]
    boxes: dict[str, str]  # characters missing from all fonts → the first text with each
    tables: dict[str, list[list[str]]]  # rows of texts, by the path of the CSV file
    notes: Sequence[Phrase] = ()  # other shortcomings
    is_without_chart: bool = False  # a brief that has no room for its chart


def render(
    plan: Plan, notebooks: dict[str, NotebookNode], checks: Sequence[Identity], compared: Restatements
) -> list[RenderedFile]:
    """Render the files of the reports in all languages; `notebooks` are the executed sections, by stem."""
    rendered: list[RenderedFile] = []
    one_page: dict[str, NotebookNode] = {}
    for language, name in plan.names.items():
        files = [file for kind in plan.formats for file in files_of(kind, name)]
        briefs = {file: brief(plan.pages[language], checks) for file in files if file.startswith("brief")}
        one_page |= {file: document for file, document in briefs.items() if file.endswith(".pdf")}
        report = assemble(plan, language, notebooks, checks, compared.restated) if len(briefs) < len(files) else None
        with ThreadPoolExecutor() as threads:  # Typst releases the GIL
            static = (plan.static or file in briefs for file in files)
            rendered += threads.map(_render, (briefs.get(file, report) for file in files), files, static)
    return _drawn_alike(rendered, one_page)


def _drawn_alike(rendered: list[RenderedFile], one_page: Mapping[str, NotebookNode]) -> list[RenderedFile]:
    """The files, where in one language the chart found no room on the brief's page, without it in all."""
    if not any(file.is_without_chart for file in rendered):
        return rendered
    for document in one_page.values():
        document.metadata["retention_kit"]["charts"] = False
    is_other = {file.name for file in rendered if file.name in one_page and file.body and not file.is_without_chart}
    return [_render(one_page[file.name], file.name, True) if file.name in is_other else file for file in rendered]


def _render(document: NotebookNode, name: str, static: bool) -> RenderedFile:
    from retention_kit.report.export.exporters import exporter_of

    try:
        body, resources = exporter_of(name.rpartition(".")[2], static).from_notebook_node(document)
    except ReportError as error:
        return RenderedFile(name, b"", [f"{name}: {error}"], {}, {})
    failures = [f"{name}: {failure}" for failure in resources.get("failures", [])]
    content, boxes = body if isinstance(body, bytes) else body.encode(), resources.get("boxes", {})
    notes = [Phrase("{file}: {note}", file=name, note=note) for note in resources.get("notes", [])]
    return RenderedFile(
        name, content, failures, boxes, resources["files"], notes, resources.get("without_chart", False)
    )
