"""An executed notebook read as a document: its outputs and markdown as blocks in sections, for either exporter to lay out.

Besides the kinds of `display.KINDS` a document holds `markdown` (a syntax tree), `image` (bytes as base64) and `printed`
(preformatted text). Code, warnings and tracebacks are left behind; a failed cell becomes a notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, count, zip_longest
from math import isfinite
from urllib.parse import urlsplit

import mistune
from bs4 import BeautifulSoup, Tag
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode

from retention_kit.report.display import BLOCK_MIME, Block

LABELS = {
    "contents": "Contents",
    "page": "Page {page} of {pages}",
    "skip": "Skip to content",
    "failed": "This section could not be made",
    "undescribed": "Picture without a description",
}
_DEFAULTS = {
    "title": "",
    "company": "",
    "subtitle": "",
    "period_label": "",
    "as_of_label": "",
    "language": "en",
    "direction": "ltr",
    "date": None,
}
_IMAGES = ("image/svg+xml", "image/png", "image/jpeg")
_NUMBER = re.compile(r"[-+−(]?\W?\d[\d.,  ’]*\W?[)kmb]?|[-–—]|nan|NaN|None|<NA>|NaT|")
# Neither XML nor PDF can hold these.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff\ufffe\uffff]")
_read_markdown = mistune.create_markdown(renderer="ast", plugins=["table"])


class Shown(NotebookNode):
    """A block of an assembled notebook: exporters read it and none changes it, so it is not copied for each."""

    def __deepcopy__(self, memo: dict) -> Shown:
        return self


def read(nb: NotebookNode, name: str = "") -> dict:
    """The document of one assembled notebook: its `metadata.retention_kit`, completed, with `contents` and `sections`.

    A section is a list of blocks that begins with its heading; the first begins with the headline. `name` is the title
    where nothing else gives one.
    """
    given = nb.metadata.get("retention_kit", {})
    document = _DEFAULTS | {key: value for key, value in given.items() if key in _DEFAULTS}
    document["labels"] = LABELS | given.get("labels", {})
    blocks = _outlined(
        [_clean(block) for block in _blocks(nb, document["labels"])], document["title"] or name or "Report"
    )
    document["title"] = document["title"] or blocks[0]["text"]
    document["sections"] = _sections(blocks)
    document["contents"] = [
        {"id": section[0]["id"], "text": section[0]["text"]} for section in document["sections"][1:]
    ]
    return _clean(document)


def _blocks(nb: NotebookNode, labels: dict) -> Iterator[dict]:
    for cell in nb.cells:
        if "papermill-error-cell-tag" in cell.metadata.get("tags", []):
            continue  # papermill's own markers around a failure, which the failed cell itself tells
        if cell.cell_type == "markdown":
            yield from _markdown(cell.source)
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                said = strip_ansi(output.evalue).strip().split("\n")[0] or output.ename
                yield _block("notice", tone="failure", title=labels["failed"], items=[said])
            elif output.output_type == "stream":
                if output.name == "stdout" and output.text.strip():
                    yield {"kind": "printed", "text": strip_ansi(output.text).rstrip()}
            else:
                yield from _shown(output.data, labels)


def _block(kind: str, **data) -> dict:
    return {"kind": kind, **Block(kind, **data).data}


def _shown(bundle: dict, labels: dict) -> Iterator[dict]:
    """The richest form of one output that both formats can draw."""
    if BLOCK_MIME in bundle:
        yield _block(**bundle[BLOCK_MIME])
        return
    for mime, content in bundle.items():
        if re.fullmatch(r"application/vnd\.vegalite\.v\d+(\.\d+)*\+json", mime):
            yield _block("chart", alt=_description(content) or labels["undescribed"], spec=content)
            return
    for mime in _IMAGES:
        if mime in bundle:
            yield {"kind": "image", "mime": mime, "content": bundle[mime], "alt": labels["undescribed"]}
            return
    soup = BeautifulSoup(bundle.get("text/html", ""), "html.parser")
    if tables := soup.find_all("table"):
        yield from map(_table, tables)
        return
    for hidden in soup(["script", "style"]):
        hidden.decompose()
    if "text/markdown" in bundle:
        yield from _markdown(bundle["text/markdown"])
    elif said := soup.get_text(" ", strip=True):
        yield _block("text", text=said)
    elif said := strip_ansi(bundle.get("text/plain", "")).rstrip():
        yield {"kind": "printed", "text": said}


def _description(spec: dict) -> str:
    title = spec.get("title", "")
    words = spec.get("description") or (title.get("text", "") if isinstance(title, dict) else title)
    return words if isinstance(words, str) else " ".join(map(str, words))


def _table(table: Tag) -> dict:
    """A DataFrame's HTML as a table block; the rows of a compound header are joined."""
    head = table.thead.find_all("tr") if table.thead else table.find_all("tr")[:1]
    body = [row for row in table.find_all("tr") if row not in head]
    names = [" ".join(dict.fromkeys(filter(None, column))) for column in zip_longest(*_cells(head), fillvalue="")]
    width = max([len(names), *(len(row) for row in _cells(body))])
    rows = [row + [""] * (width - len(row)) for row in _cells(body)]
    names += [""] * (width - len(names))
    numeric = [bool(rows) and all(_NUMBER.fullmatch(row[place]) for row in rows) for place in range(width)]
    columns = [
        {"label": label, "align": "end" if right else "start"} for label, right in zip(names, numeric, strict=True)
    ]
    caption = table.caption.get_text(" ", strip=True) if table.caption else ""
    keys = [[_key(cell) for cell in row] for row in rows]
    is_grouped = any(not row[0] for row in rows)  # of a compound index: out of order, labels would lose their rows
    return _block("table", columns=columns, rows=rows, keys=[] if is_grouped else keys, caption=caption)


def _key(cell: str) -> float | None:
    """What a cell is sorted by: its number, where it is a plain one."""
    try:
        return float(cell) if isfinite(float(cell)) else None
    except ValueError:
        return None


def _cells(rows: list[Tag]) -> list[list[str]]:
    """The texts of table rows; a cell that spans columns is repeated, one that spans rows leaves blanks below itself."""
    grid, below = [], {}
    for row in rows:
        texts: list[str] = []
        for cell in row.find_all(["th", "td"]):
            while below.get(len(texts), 0):
                below[len(texts)] -= 1
                texts.append("")
            for _ in range(_span(cell, "colspan")):
                below[len(texts)] = _span(cell, "rowspan") - 1
                texts.append(cell.get_text(" ", strip=True))
        grid.append(texts)
    return grid


def _span(cell: Tag, name: str) -> int:
    value = cell.get(name, "1")
    return min(int(value), 100) if value.isdigit() and int(value) else 1


def _markdown(source: str) -> Iterator[dict]:
    """Headings as blocks of their own, so that they join the outline; what lies between them as trees."""
    nodes: list[dict] = []
    for node in _plain_nodes(_read_markdown(source)):
        if node["type"] == "heading":
            if nodes:
                yield {"kind": "markdown", "nodes": nodes}
            nodes = []
            yield _block("heading", level=node["attrs"]["level"], text=_text(node))
        else:
            nodes.append(node)
    if nodes:
        yield {"kind": "markdown", "nodes": nodes}


def _plain_nodes(nodes: list[dict]) -> list[dict]:
    """The tree without what a report must not hold: raw HTML shows as text, pictures and unsafe links as their words."""
    plain = []
    for node in nodes:
        kind, node = node["type"], {key: value for key, value in node.items() if key != "style"}
        if "children" in node:
            node["children"] = _plain_nodes(node["children"])
        if kind == "block_html":
            node = {"type": "paragraph", "children": [{"type": "text", "raw": node["raw"].strip()}]}
        elif kind == "inline_html":
            node = {"type": "text", "raw": node["raw"]}
        elif kind == "image" or (
            kind == "link" and urlsplit(node["attrs"]["url"]).scheme not in ("http", "https", "mailto")
        ):
            node = {"type": "text", "raw": _text(node)}
        if kind != "blank_line":
            plain.append(node)
    return plain


def _text(node: dict) -> str:
    return node.get("raw") or "".join(map(_text, node.get("children", [])))


def _outlined(blocks: list[dict], title: str) -> list[dict]:
    """Blocks under one headline, in first place, with headings that skip no level and ids that are unique."""
    headline = next((block for block in blocks if block["kind"] == "headline"), None)
    if headline is None and blocks and blocks[0]["kind"] == "heading" and blocks[0]["level"] == 1:
        title = blocks.pop(0)["text"]
    headline = headline or _block("headline", text=title)
    blocks = [headline, *(block for block in blocks if block is not headline)]
    taken, level = {"main"}, 1
    for block in blocks:
        if block["kind"] == "heading":
            level = block["level"] = max(2, min(block["level"], level + 1, 3))
        elif block is not headline:
            continue
        wanted = re.sub(r"\W+", "-", block.get("id") or block["text"].lower()).strip("-") or "section"
        candidates = chain([wanted], (f"{wanted}-{number}" for number in count(2)))
        block["id"] = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(block["id"])
    return blocks


def _sections(blocks: list[dict]) -> list[list[dict]]:
    sections: list[list[dict]] = [[]]
    for block in blocks:
        if block["kind"] == "heading" and block["level"] == 2:
            sections.append([])
        sections[-1].append(block)
    return sections


def _clean(value):
    if isinstance(value, str):
        return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {key: _clean(part) for key, part in value.items()}
    return [_clean(part) for part in value] if isinstance(value, list) else value
