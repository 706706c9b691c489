"""The outputs of a cell as blocks: the richest form of a MIME bundle that both formats can draw, and HTML in pieces."""

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
MOST_ROWS = 200  # of a table on a page
ELSEWHERE = "the notebook"  # has the rest, where no file does
_CHART = re.compile(r"application/vnd\.vega(lite)?\.v\d+([.\d]*)(\+json|\.json)")
_INTERACTIVE = {  # what only its own script draws, and how it also shows a picture
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
    """A block as a document holds it."""
    return {"kind": kind, **Block(kind, **data).data}


def read_bundle(bundle: dict, labels: dict) -> Iterator[dict]:
    """The blocks of one output. What cannot be drawn is a notice that says so, of the tone `failure`."""
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
    for mime, what in _INTERACTIVE.items():
        if mime in bundle and what:
            yield _undrawn(what, labels)
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
    blocks = list(read_html(page, labels))
    if blocks:
        yield from blocks
    elif "application/json" in bundle and "text/plain" not in bundle:
        yield {"kind": "printed", "text": str(bundle["application/json"])}
    elif plain := strip_ansi("".join(bundle.get("text/plain", ""))).rstrip():
        yield {"kind": "printed", "text": plain}


def _undrawn(what: str, labels: dict) -> dict:
    return as_block("notice", tone="failure", title=labels["failed"], items=[f"{labels['undrawn']} {what}."])


def _embedded_chart(page: str) -> dict | None:
    """The specification in the script that Altair shows a chart with: what its function is called with."""
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
    """HTML as blocks, in the order it stands: tables, pictures, preformatted text, and its words as paragraphs."""
    soup = BeautifulSoup(text, "html.parser")
    for hidden in soup(["script", "style", "template", "head", "title"]):
        hidden.decompose()
    for comment in soup.find_all(string=lambda piece: isinstance(piece, Comment)):
        comment.extract()
    yield from _of_children(soup, labels)


def _of_children(parent: Tag, labels: dict) -> Iterator[dict]:
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
            yield from _of_block(child, labels)
        else:
            words.append(child.get_text())
    yield from texts()


def _of_block(tag: Tag, labels: dict) -> Iterator[dict]:
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
            inner = list(_of_children(item, labels))
            for index, one in enumerate(inner):
                if index == 0 and one["kind"] == "text":
                    one["text"] = f"{mark} {one['text']}"
                yield one
    else:
        yield from _of_children(tag, labels)


def read_table(table: Tag) -> dict:
    """A table as a block; the rows of a compound header are joined, one that spans all columns is its title.

    Of a long table the first rows are shown, and a sentence says so; all of them, the heads first, are its `whole`.
    """
    rows = [row for row in table.find_all("tr") if row.find_parent("table") is table]
    head = [row for row in rows if row.find_parent("thead") is not None]
    if not head:
        while len(head) < len(rows) and all(cell.name == "th" for cell in _of_row(rows[len(head)])):
            head.append(rows[len(head)])
        if len(head) == len(rows):
            head = []
    body = [row for row in rows if row not in head]
    cells = _cells(body)
    width = max([0, *(len(row) for row in cells), *(len(row) for row in _cells(head))])
    titles = [
        row for row in head if width > 1 and len(_of_row(row)) == 1 and _span(_of_row(row)[0], "colspan") >= width
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
    whole = {"whole": [names, *cells]} if len(cells) > MOST_ROWS else {}
    if whole:
        caption = " ".join(filter(None, [caption, f"{MOST_ROWS} of {len(cells):,} rows: {ELSEWHERE} has them all."]))
        cells = cells[:MOST_ROWS]
    keys = [[_key(cell) for cell in row] for row in cells]
    is_grouped = any(
        not row[0] for row in cells if row
    )  # of a compound index: out of order, labels would lose their rows
    keys = [] if is_grouped else keys
    return as_block("table", title=title, columns=columns, rows=cells, keys=keys, caption=caption) | whole


def _key(cell: str) -> float | None:
    """What a cell is sorted by: its number, where it is a plain one."""
    try:
        return float(cell) if isfinite(float(cell)) else None
    except ValueError:
        return None


def _of_row(row: Tag) -> list[Tag]:
    return row.find_all(["th", "td"], recursive=False)


def _cells(rows: list[Tag]) -> list[list[str]]:
    """The texts of table rows; a cell that spans columns is repeated, one that spans rows leaves blanks below it."""
    grid: list[list[str]] = []
    below: dict[int, int] = {}
    for row in rows:
        texts: list[str] = []
        for cell in _of_row(row):
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
