"""Converts the outputs of a cell to blocks: the best MIME type that both formats can show; HTML is split."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import zip_longest
from math import isfinite
from typing import Any

from bs4 import BeautifulSoup, Comment, NavigableString, Tag
from nbconvert.filters import strip_ansi

from retention_kit.report.blocks import BLOCK_MIME, Block
from retention_kit.report.export.equations import node_of
from retention_kit.report.export.markdown import read_markdown

IMAGES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp")
MAX_ROWS = 200  # of a table in a report
ELSEWHERE = "the notebook"  # where the other rows are, unless in a file
_CHART = re.compile(r"application/vnd\.vega(lite)?\.v\d+([.\d]*)(\+json|\.json)")
_INTERACTIVE = {  # types that need their own script → how to show a picture instead
    "application/vnd.plotly.v1+json": 'a Plotly figure: set plotly.io.renderers.default = "notebook_connected+svg"',
    "application/vnd.bokehjs_exec.v0+json": "a Bokeh figure: show its picture, bokeh.io.export.get_screenshot_as_png",
    "application/vnd.jupyter.widget-view+json": "a widget: show what it holds instead",
    "application/geo+json": "a map: show its picture",
    "text/latex": "",
}
_NUMBER = re.compile(r"[-+−(]?\W?\d[\d.,  ’]*\W?[)kmb]?|[-–—]|nan|NaN|None|<NA>|NaT|")
_BLOCKS = {"p", "div", "section", "article", "table", "ul", "ol", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "figure",
           "blockquote", "details", "summary", "dl", "dd", "dt", "center", "form", "main", "header", "footer", "hr",
           "img", "svg", "canvas", "iframe", "video", "audio", "object", "embed"}  # fmt: skip  # words by the line
_UNDRAWN = {"canvas", "iframe", "video", "audio", "object", "embed"}


def as_block(kind: str, **data: Any) -> dict[str, Any]:
    """A block as a dict."""
    return {"kind": kind, **Block(kind, **data).data}


def read_bundle(bundle: dict, labels: dict) -> Iterator[dict]:
    """The blocks of one output; if it cannot be drawn, a notice with the tone `failure`."""
    if BLOCK_MIME in bundle:
        yield as_block(**bundle[BLOCK_MIME])
        return
    for mime, content in bundle.items():
        if _CHART.fullmatch(mime):
            yield as_block("chart", alt=_description(content) or labels["undescribed"], spec=content)
            return
    for mime in IMAGES:
        if mime in bundle:
            yield {"kind": "image", "mime": mime, "content": bundle[mime], "alt": labels["undescribed"]}
            return
    for mime, kind in _INTERACTIVE.items():
        if mime in bundle and kind:
            yield _undrawn(kind, labels)
            return
    if "text/latex" in bundle and "text/markdown" not in bundle:
        latex = "".join(bundle["text/latex"]).strip()
        if "$" in latex:
            yield from read_markdown(latex)
        else:
            yield {"kind": "markdown", "nodes": [{"type": "paragraph", "children": [node_of(latex)]}]}
        return
    if "text/markdown" in bundle:
        yield from read_markdown("".join(bundle["text/markdown"]), block=lambda text: read_html(text, labels))
        return
    page = "".join(bundle.get("text/html", ""))
    if spec := _embedded_chart(page):
        yield as_block("chart", alt=_description(spec) or labels["undescribed"], spec=spec)
        return
    if blocks := list(read_html(page, labels)):
        yield from blocks
    elif "application/json" in bundle and "text/plain" not in bundle:
        yield {"kind": "printed", "text": str(bundle["application/json"])}
    elif plain := strip_ansi("".join(bundle.get("text/plain", ""))).rstrip():
        yield {"kind": "printed", "text": plain}


def _undrawn(kind: str, labels: dict) -> dict:
    return as_block("notice", tone="failure", title=labels["failed"], items=[f"{labels['undrawn']} {kind}."])


def _embedded_chart(page: str) -> dict | None:
    """The chart in HTML from Altair: the first argument of the function in its script."""
    call = page.rfind("})(") if "vegaEmbed" in page else -1
    with suppress(ValueError):
        spec, _ = json.JSONDecoder().raw_decode(page, call + 3)
        return spec if call >= 0 and isinstance(spec, dict) and "$schema" in spec else None
    return None


def _description(spec: dict) -> str:
    title = spec.get("title", "")
    words = spec.get("description") or (title.get("text", "") if isinstance(title, dict) else title)
    return words if isinstance(words, str) else " ".join(map(str, words))


def read_html(text: str, labels: dict) -> Iterator[dict]:
    """HTML as blocks, in order: tables, pictures, preformatted text, and other texts as paragraphs."""
    soup = BeautifulSoup(text, "html.parser")
    for hidden in soup(["script", "style", "template", "head", "title"]):
        hidden.decompose()
    for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    yield from _child_blocks(soup, labels)


def _child_blocks(parent: Tag, labels: dict) -> Iterator[dict]:
    words: list[str] = []

    def texts() -> Iterator[dict]:
        text = " ".join("".join(words).split())
        words.clear()
        if text:
            yield as_block("text", text=text)

    for child in parent.children:
        if isinstance(child, NavigableString):
            words.append(str(child))
        elif not isinstance(child, Tag) or "display:none" in str(child.get("style", "")).replace(" ", ""):
            continue
        elif child.name == "br":
            yield from texts()
        elif child.name in _BLOCKS or child.find(_BLOCKS):
            yield from texts()
            yield from _tag_blocks(child, labels)
        else:
            words.append(child.get_text())
    yield from texts()


def _tag_blocks(tag: Tag, labels: dict) -> Iterator[dict]:
    if tag.name == "table":
        yield read_table(tag)
    elif tag.name == "pre":
        yield {"kind": "printed", "text": tag.get_text().strip("\n")}
    elif tag.name == "svg":
        yield {"kind": "image", "mime": "image/svg+xml", "content": str(tag), "alt": labels["undescribed"]}
    elif tag.name == "img":
        match = re.match(r"data:(image/[\w+.-]+);base64,(.*)", str(tag.get("src", "")), re.DOTALL)
        alt = str(tag.get("alt", "")) or labels["undescribed"]
        if match and match[1] in IMAGES:
            yield {"kind": "image", "mime": match[1], "content": match[2], "alt": alt}
        else:
            yield _undrawn("a picture of another place: show its file, IPython.display.Image(filename=…)", labels)
    elif tag.name in _UNDRAWN:
        yield _undrawn(f"<{tag.name}>: show a picture of it instead", labels)
    elif tag.name in ("ul", "ol"):
        for number, item in enumerate(tag.find_all("li", recursive=False), 1):
            mark = "•" if tag.name == "ul" else f"{number}."
            inner = list(_child_blocks(item, labels))
            for index, element in enumerate(inner):
                if index == 0 and element["kind"] == "text":
                    element["text"] = f"{mark} {element['text']}"
                yield element
    else:
        yield from _child_blocks(tag, labels)


def read_table(table: Tag) -> dict:
    """A table as a block; rows of a compound header are joined, and a header cell over all columns is the title.

    A long table is shortened to its first rows, and the caption says so; `whole` has all rows after the header.
    """
    rows = [row for row in table.find_all("tr") if row.find_parent("table") is table]
    if not (head := [row for row in rows if row.find_parent("thead") is not None]):
        while len(head) < len(rows) and all(cell.name == "th" for cell in _row_cells(rows[len(head)])):
            head.append(rows[len(head)])
        if len(head) == len(rows):
            head = []
    body = [row for row in rows if row not in head]
    cells = _cells(body)
    width = max([0, *(len(row) for row in cells), *(len(row) for row in _cells(head))])
    titles = [
        row for row in head if width > 1 and len(_row_cells(row)) == 1 and _span(_row_cells(row)[0], "colspan") >= width
    ]
    caption = table.caption.get_text(" ", strip=True) if table.caption else ""
    title = " – ".join(row.get_text(" ", strip=True) for row in titles)
    names = [
        " ".join(dict.fromkeys(filter(None, column)))
        for column in zip_longest(*_cells([row for row in head if row not in titles]), fillvalue="")
    ]
    names += [""] * (width - len(names))
    cells = [row + [""] * (width - len(row)) for row in cells]
    numeric = [bool(cells) and all(_NUMBER.fullmatch(row[index]) for row in cells) for index in range(width)]
    columns = [
        {"label": label, "align": "end" if right else "start"} for label, right in zip(names, numeric, strict=True)
    ]
    whole = {"whole": [names, *cells]} if len(cells) > MAX_ROWS else {}
    if whole:
        caption = " ".join(filter(None, [caption, f"{MAX_ROWS} of {len(cells):,} rows: {ELSEWHERE} has them all."]))
        cells = cells[:MAX_ROWS]
    keys = [[_key(cell) for cell in row] for row in cells]
    if any(not row[0] for row in cells if row):  # a compound index: sorted, rows would lose their labels
        keys = []
    return as_block("table", title=title, columns=columns, rows=cells, keys=keys, caption=caption) | whole


def _key(cell: str) -> float | None:
    """The sort key of a cell: its number, if it is a plain finite one."""
    try:
        return float(cell) if isfinite(float(cell)) else None
    except ValueError:
        return None


def _row_cells(row: Tag) -> list[Tag]:
    return row.find_all(["th", "td"], recursive=False)


def _cells(rows: list[Tag]) -> list[list[str]]:
    """The texts of table rows; a cell over several columns is repeated, one over several rows has blanks below."""
    grid: list[list[str]] = []
    below: dict[int, int] = {}
    for row in rows:
        texts: list[str] = []
        for cell in _row_cells(row):
            while below.get(len(texts), 0):
                below[len(texts)] -= 1
                texts.append("")
            for _ in range(_span(cell, "colspan")):
                below[len(texts)] = _span(cell, "rowspan") - 1
                texts.append(cell.get_text(" ", strip=True))
        grid.append(texts)
    return grid


def _span(cell: Tag, name: str) -> int:
    value = str(cell.get(name, "1"))
    return min(int(value), 100) if value.isdigit() and int(value) else 1
