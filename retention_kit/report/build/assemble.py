"""The executed sections and the appendix of a report as one notebook, for the exporters to lay out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from retention_kit.metrics.catalogue import METRICS
from retention_kit.report.appendix import appendix
from retention_kit.report.blocks import BLOCK_MIME, Block
from retention_kit.report.changes import Restated
from retention_kit.report.pages.alerts import MOST_NAMED
from retention_kit.wording import Words

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from retention_kit.metrics.identities import Identity
    from retention_kit.report.execution.plan import Plan
    from retention_kit.report.page import Page

BRIEF_ALERTS = 2  # alerts in a brief at most
FEWER_SENTENCES = (4, 3, 2, 1)  # numbers of sentences on what needs attention, for briefs longer than a page


def assemble(
    plan: Plan,
    language: str,
    notebooks: dict[str, NotebookNode],
    checks: Sequence[Identity],
    restated: Sequence[Restated] = (),
) -> NotebookNode:
    """A notebook of the executed sections (`notebooks`, by stem) in reading order, and the appendix."""
    page, cells = plan.pages[language], []
    for section in plan.everything:
        if (notebook := notebooks.get(plan.stem(section, language))) is None:
            continue
        if section.name != "overview" and not _has_heading(notebook):
            cells.append(_cell(page.heading(section.metric or section.name)))
        cells += notebook.cells
        if section.name == "overview" and (table := page.alerts()):
            cells.append(_cell(table))
    cells[:0] = map(_cell, _notices(page, checks))
    cells += [_cell(block) for block in appendix(page, checks, restated, _metrics_in(cells, page.words))]
    return _document(cells, _metadata(page))


def brief(page: Page, checks: Sequence[Identity]) -> NotebookNode:
    """A notebook of one page: failed identities and alerts, then the blocks of `Page.brief`."""
    blocks, metadata, text = [*_notices(page, checks, BRIEF_ALERTS), *page.brief()], _metadata(page), page.words.text
    metadata["title"] = text("brief.title", title=metadata["title"])
    shorter = [block.data["items"] for limit in FEWER_SENTENCES if (block := page.attention(limit))]
    metadata |= {"layout": "brief", "footer": text("brief.footer"), "shorter": shorter}
    return _document([_cell(block) for block in blocks], metadata)


def _document(cells: list[NotebookNode], metadata: dict[str, object]) -> NotebookNode:
    from nbformat.v4 import new_notebook

    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return new_notebook(cells=[*map(_share_block, cells)], metadata={"retention_kit": metadata})


def _share_block(cell: NotebookNode) -> NotebookNode:
    """A cell whose blocks have no other representations and are not copied, as exporters copy cells several times."""
    from nbformat import NotebookNode

    from retention_kit.report.export.document import SharedBlock

    if "outputs" not in cell:
        return cell
    outputs = [
        NotebookNode(output, data=NotebookNode({BLOCK_MIME: SharedBlock(output.data[BLOCK_MIME])}))
        if BLOCK_MIME in output.get("data", {})
        else output
        for output in cell.outputs
    ]
    return NotebookNode(cell, outputs=outputs)


def _outputs(cells: Iterable[NotebookNode]) -> Iterator[NotebookNode]:
    for cell in cells:
        yield from cell.get("outputs", [])


def _metrics_in(cells: list[NotebookNode], words: Words) -> set[str]:
    """The names of the metrics whose labels occur in cells."""
    text = "\n".join("".join(output.get("data", {}).get("text/plain", "")) for output in _outputs(cells))
    return {name for name, metric in METRICS.items() if words.say(metric.label) in text}


def _notices(page: Page, checks: Sequence[Identity], limit: int = MOST_NAMED) -> list[Block]:
    """The notices at the top: failed identities, and at most `limit` alerts that fire."""
    return [*_failed_identities(page, checks), *filter(None, [page.alert_notice(limit)])]


def _failed_identities(page: Page, checks: Sequence[Identity]) -> list[Block]:
    """A notice with the failed identities, if there are any."""
    names = [page.words.text(f"identities.{check.name}", column=check.column) for check in checks if check.broken]
    return [Block("notice", tone="failure", title=page.words.text("identities.failed"), items=names)] if names else []


def _has_heading(notebook: NotebookNode) -> bool:
    """Whether the template of a section has a heading of its own."""
    blocks = (output.get("data", {}).get(BLOCK_MIME, {}) for output in _outputs(notebook.cells))
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return any(block.get("kind") == "heading" for block in blocks) or any(re.match(r"#+ ", text) for text in texts)


def _cell(block: Block) -> NotebookNode:
    from nbformat.v4 import new_code_cell, new_output

    data = {BLOCK_MIME: {"kind": block.kind, **block.data}, "text/plain": str(block)}  # never opened in JupyterLab
    return new_code_cell(outputs=[new_output("display_data", data=data)])


def _metadata(page: Page) -> dict[str, object]:
    data, text = page.data, page.words.text
    company = data.settings.report.company
    subtitle = [text("document.subtitle")]
    if data.is_sample:
        subtitle.append(text("document.sample"))
    if page.alone:
        column, value = page.alone
        subtitle.append(text("document.filtered", column=column, value=value))
    zone = data.settings.report.timezone or "UTC"
    return {
        "title": text("document.titled", company=company) if company else text("document.title"),
        "company": company,
        "subtitle": " · ".join(subtitle),
        "period_label": page.period_title(),
        "as_of_label": text("document.as_of", day=page.last_day(), zone=zone),
        "language": page.words.language,
        "direction": page.words.direction,
        "numerals": "١" if page.words.digits == "arab" else "1",
        "date": data.as_of.isoformat(),
        "fonts": data.settings.report.fonts,
        "tables": f"tables/{page.words.language}{page.suffix}-",
        "labels": {name: text(f"document.{name}") for name in ("contents", "skip", "failed", "undescribed", "undrawn")}
        | {"page": page.words.raw("document.page")},
    }
