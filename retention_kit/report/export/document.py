"""Converts an executed notebook to a document: outputs and markdown as blocks in sections, for both exporters.

Besides the kinds of `blocks.KINDS`, a document has `markdown` (a syntax tree), `image` (bytes as base64) and `printed`
(preformatted text). Code, warnings and tracebacks are left out; a failed cell becomes a notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, count
from typing import Any

from nbconvert.filters import strip_ansi
from nbformat import NotebookNode

from retention_kit import bidi
from retention_kit.report.blocks import UNSAID
from retention_kit.report.export.markdown import read_markdown, text_of
from retention_kit.report.export.outputs import ELSEWHERE, as_block, read_bundle, read_html

LABELS = {
    "contents": "Contents",
    "page": "Page {page} of {pages}",
    "skip": "Skip to content",
    "failed": "This section could not be made",
    "undescribed": "Picture without a description",
    "undrawn": "A page cannot draw",
}
_DEFAULTS: dict[str, Any] = {
    "title": "",
    "company": "",
    "subtitle": "",
    "period_label": "",
    "as_of_label": "",
    "language": "en",
    "direction": "ltr",
    "numerals": "1",  # numerals of page numbers: 1, or ١
    "date": None,
    "layout": "",  # "brief": everything on one page
    "footer": "",
    "fonts": [],  # files from the settings, for characters missing from the bundled font
    "charts": True,  # of a brief: whether it may have its chart
    "shorter": [],  # of a brief: alternatives for the sentences of what needs attention, if not all fit the page
}
LINE, WORDS = 120, 24  # characters in a line of a wide table, and those that a column of words has at least
# Keys of a block whose values are no texts, or are shown unchanged.
_NOT_ISOLATED = {*UNSAID, "kind", "type", "raw", "attrs", "mime", "content"}
# Characters that are invalid in XML or PDF.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff\ufffe\uffff]")


class CleanSpec(dict):
    """The specification of a chart without forbidden characters; exporters do not change it."""


class SharedBlock(NotebookNode):
    """A block of an assembled notebook; exporters do not change it, so copying a notebook does not copy it."""

    def __init__(self, block: NotebookNode):
        super().__init__(block)
        if "spec" in block:
            dict.__setitem__(self, "spec", _clean_spec(block["spec"]))

    def __deepcopy__(self, memo: dict) -> SharedBlock:
        return self


def read(nb: NotebookNode, name: str = "") -> dict:
    """The document of an assembled notebook: `metadata.retention_kit` with defaults, `contents` and `sections`.

    A section is a list of blocks that begins with its heading; the first begins with the headline. `name` is the
    default title.
    """
    metadata = nb.metadata.get("retention_kit", {})
    document = _DEFAULTS | {key: value for key, value in metadata.items() if key in _DEFAULTS}
    document["labels"] = LABELS | metadata.get("labels", {})
    blocks = _outline(
        [_clean(block) for block in _blocks(nb, document["labels"])], document["title"] or name or "Report"
    )
    document["files"] = _files(blocks, metadata.get("tables", ""))
    blocks = [_isolated(block, document["direction"]) for block in blocks]
    document["company"] = bidi.isolate(document["company"], document["direction"])
    document["title"] = document["title"] or blocks[0]["text"]
    document["sections"] = _sections(blocks)
    for section in document["sections"]:
        _line_up([block for block in section if block["kind"] == "table"])
    document["undrawn"] = [
        item
        for block in blocks
        if block["kind"] == "notice" and block["tone"] == "failure"
        for item in block["items"]
        if item.startswith(document["labels"]["undrawn"])
    ]
    document["contents"] = [{"id": part[0]["id"], "text": part[0]["text"]} for part in document["sections"][1:]]
    return _clean(document)


def _files(blocks: list[dict], prefix: str) -> dict[str, list[list[str]]]:
    """The complete rows of shortened tables, by file name; names begin with `prefix`, and without it there are none."""
    files: dict[str, list[list[str]]] = {}
    for block in blocks:
        whole = block.pop("whole", None)
        if whole and prefix:
            name = f"{prefix}{len(files) + 1}.csv"
            files[name] = [[bidi.plain(cell) for cell in row] for row in whole]
            block["caption"] = block["caption"].replace(f"rows: {ELSEWHERE}", f"rows: {name}")
    return files


def _blocks(nb: NotebookNode, labels: dict) -> Iterator[dict]:
    for cell in nb.cells:
        if "papermill-error-cell-tag" in cell.metadata.get("tags", []):
            continue  # papermill's markers around a failure; the failed cell has the error
        if cell.cell_type == "markdown":
            yield from read_markdown(cell.source, cell.get("attachments"), lambda text: read_html(text, labels))
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                message = strip_ansi(output.evalue).strip().split("\n")[0] or output.ename
                yield as_block("notice", tone="failure", title=labels["failed"], items=[message])
            elif output.output_type == "stream":
                if output.name == "stdout" and output.text.strip():
                    yield {"kind": "printed", "text": strip_ansi(output.text).rstrip()}
            else:
                yield from read_bundle(output.data, labels)


def _outline(blocks: list[dict], title: str) -> list[dict]:
    """Blocks with one headline, which comes first, without gaps in the levels of headings, and with unique ids."""
    headline = next((block for block in blocks if block["kind"] == "headline"), None)
    if headline is None and blocks and blocks[0]["kind"] == "heading" and blocks[0]["level"] == 1:
        title = blocks.pop(0)["text"]
    headline = headline or as_block("headline", text=title)
    blocks = [headline, *(block for block in blocks if block is not headline)]
    used, level = {"main"}, 1
    for block in blocks:
        if block["kind"] == "heading":
            level = block["level"] = max(2, min(block["level"], level + 1, 3))
        elif block is not headline:
            continue
        base = re.sub(r"\W+", "-", block.get("id") or block["text"].lower()).strip("-") or "section"
        candidates = chain([base], (f"{base}-{number}" for number in count(2)))
        block["id"] = next(candidate for candidate in candidates if candidate not in used)
        used.add(block["id"])
    return blocks


def _sections(blocks: list[dict]) -> list[list[dict]]:
    sections: list[list[dict]] = [[]]
    for block in blocks:
        if block["kind"] == "heading" and block["level"] == 2:
            sections.append([])
        sections[-1].append(block)
    return sections


def _line_up(tables: list[dict]) -> None:
    """Let tables of a section with the same heads, whatever their first columns are called, have equally wide columns.

    Each gets `alike`, the rows of the others, to be measured on paper, and `widths`, in CSS, for the screen; both are
    empty for a table that is alone.
    """

    def heads(table: dict) -> list[tuple[str, str]]:
        return [(column["label"] if place else "", column["align"]) for place, column in enumerate(table["columns"])]

    for table in tables:
        others = [other for other in tables if other is not table and heads(other) == heads(table)]
        table["alike"] = [row for other in others for row in other["rows"]]
    for table in tables:
        table["widths"] = _widths(table["columns"], [*table["rows"], *table["alike"]]) if table["alike"] else []


def _widths(columns: list[dict], rows: list[list[str]]) -> list[str]:
    """The width of each column: figures take their characters, words a share, and the longest words what is left."""
    is_figure = [column["align"] == "end" for column in columns]
    longest = [max(len(bidi.plain(cell)) for cell in column) for column in zip(*rows, strict=True)]
    wanted = [min(length, LINE) for length in longest]
    least = [length if figure else min(length, WORDS) for length, figure in zip(wanted, is_figure, strict=True)]
    more = min(1, max(0, LINE - sum(least)) / ((sum(wanted) - sum(least)) or 1))
    parts = [low + more * (high - low) for low, high in zip(least, wanted, strict=True)]
    words = [0 if figure else part for part, figure in zip(parts, is_figure, strict=True)]
    widths = []
    for place, column in enumerate(columns):
        head = bidi.plain(column["label"])  # a long one stands on several lines
        room = 1 + max(longest[place], min(len(head), 16), *map(len, head.split()))
        share = "" if words[place] == max(words) else f"{100 * words[place] / sum(parts):.0f}%"
        widths.append(f"calc({room}ch + 1.5rem)" if is_figure[place] else share)
    return widths


def _isolated(value: Any, direction: str) -> Any:
    """A block with bidi isolates around texts of the other direction, such as names in cells."""
    if isinstance(value, str):
        return bidi.settle(value, direction)
    if isinstance(value, list):
        return [_isolated(item, direction) for item in value]
    if not isinstance(value, dict) or value.get("kind") == "printed":
        return value
    if value.get("type") in ("paragraph", "block_text", "table_cell"):  # of markdown: their parts form one text
        return value | {"children": _isolated_nodes(value["children"], direction)}
    return {key: item if key in _NOT_ISOLATED else _isolated(item, direction) for key, item in value.items()}


def _isolated_nodes(nodes: list[dict], direction: str) -> list[dict]:
    text = "".join(map(text_of, nodes))
    settled = bidi.settle(text, direction)
    if settled == text:
        return nodes
    begin, end = ({"type": "text", "raw": settled[index]} for index in (0, -1))
    return [begin, *nodes, end]


def _clean_spec(spec: Any) -> Any:
    cleaned = _clean(spec)
    return CleanSpec(cleaned) if isinstance(cleaned, dict) else cleaned


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, CleanSpec):
        return value
    if isinstance(value, dict):
        return {key: _clean_spec(part) if key == "spec" else _clean(part) for key, part in value.items()}
    return [_clean(part) for part in value] if isinstance(value, list) else value
