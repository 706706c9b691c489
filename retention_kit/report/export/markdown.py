"""Converts markdown of a notebook to blocks: headings, pictures, and syntax trees for both formats.

Nodes are mistune's. HTML tags that style text become nodes; other tags and comments are removed, the text is kept.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import mistune

from retention_kit.report.export.equations import formulas

PLUGINS: list[Any] = ["table", "strikethrough", "footnotes", "task_lists", "url", formulas]
_read = mistune.create_markdown(renderer="ast", plugins=PLUGINS)
_STYLES = {
    "b": "strong", "strong": "strong", "i": "emphasis", "em": "emphasis", "var": "emphasis", "s": "strikethrough",
    "del": "strikethrough", "strike": "strikethrough", "sub": "subscript", "sup": "superscript",
    "code": "code", "kbd": "code", "u": "underline", "ins": "underline", "mark": "underline",
}  # fmt: skip  # words by the line
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]*)[^>]*>")
_ALERT = re.compile(r"\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]\s*")
_HIDDEN = re.compile(r"(?s)<!--.*?-->|<(script|style)\b.*?(?:</\1>|$)|<!--.*$")


def read_markdown(
    source: str,
    attachments: dict | None = None,
    block: Callable[[str], Iterator[dict]] = lambda _: iter(()),
) -> Iterator[dict]:
    """The blocks of a markdown text: `heading`, `image`, and `markdown` with the nodes between them.

    `attachments` are the cell's, by name; `block` converts HTML blocks.
    """
    nodes: list[dict] = []
    for node in _nodes(source):
        parts = list(_pieces(node, attachments or {}, block))
        for part in parts:
            if part["kind"] == "markdown":
                nodes += part["nodes"]
                continue
            if nodes:
                yield {"kind": "markdown", "nodes": nodes}
            nodes = []
            yield part
    if nodes:
        yield {"kind": "markdown", "nodes": nodes}


def _nodes(source: str) -> list[dict]:
    nodes = _read(source)
    assert isinstance(nodes, list), "its renderer is the tree"
    return [node for node in nodes if isinstance(node, dict)]


def _pieces(node: dict, attachments: dict, block: Callable[[str], Iterator[dict]]) -> Iterator[dict]:
    if node["type"] == "heading":
        text = "".join(map(text_of, _inline(node["children"])))
        yield {"kind": "heading", "level": node["attrs"]["level"], "text": text}
    elif node["type"] == "block_html":
        yield from block(node["raw"])
    elif node["type"] != "blank_line":
        (plain,) = _plain([node])
        if plain.get("children") or plain["type"] not in ("paragraph", "block_text"):
            yield {"kind": "markdown", "nodes": [plain]}
        for image in _images(node):
            kind, _, name = image["attrs"]["url"].partition(":")
            images = attachments.get(html.unescape(name), {}) if kind == "attachment" else {}
            if kind == "data" and (inside := re.match(r"(image/[\w+.-]+);base64,(.*)", name, re.DOTALL)):
                images = {inside[1]: inside[2]}
            for mime, content in images.items():
                yield {"kind": "image", "mime": mime, "content": content, "alt": text_of(image)}


def _images(node: dict) -> Iterator[dict]:
    for child in node.get("children", []):
        if child["type"] == "image":
            yield child
        else:
            yield from _images(child)


def text_of(node: dict) -> str:
    """The text of a node."""
    return node.get("raw") or "".join(map(text_of, node.get("children", [])))


def _plain(nodes: list[dict]) -> list[dict]:
    """Nodes for a report: without pictures, unsafe links and HTML, but with their texts."""
    plain = []
    for node in nodes:
        node = {key: value for key, value in node.items() if key != "style"}
        kind = node["type"]
        if kind == "blank_line":
            continue
        if kind == "block_html":
            words = html.unescape(_TAG.sub("", _HIDDEN.sub("", node["raw"]))).strip()
            node = {"type": "paragraph", "children": [{"type": "text", "raw": words}]}
        elif "children" in node:
            inline = any(child["type"] in ("text", "inline_html", "formula") for child in node["children"])
            node["children"] = _inline(node["children"]) if inline else _plain(node["children"])
        if kind == "block_quote":
            node["children"] = _alert(node["children"])
        if kind == "image":
            is_inside = node["attrs"]["url"].startswith(("attachment:", "data:image/"))
            node = {"type": "text", "raw": "" if is_inside else text_of(node)}
        elif kind == "link" and urlsplit(node["attrs"]["url"]).scheme not in ("http", "https", "mailto"):
            node = {"type": "text", "raw": text_of(node)}
        elif kind == "text" and "raw" in node:
            node["raw"] = html.unescape(node["raw"])
        plain.append(node)
    return plain


def _inline(nodes: list[dict]) -> list[dict]:
    """Inline nodes; HTML tags that style text become nodes around it."""
    root: list[dict] = []
    open_tags: list[tuple[str, list[dict]]] = []
    for node in nodes:
        if node["type"] != "inline_html":
            (open_tags[-1][1] if open_tags else root).extend(_plain([node]))
            continue
        tag = _TAG.fullmatch(node["raw"].strip())
        parent = open_tags[-1][1] if open_tags else root
        if tag is None or node["raw"].startswith("<!--"):
            continue
        name = tag[2].lower()
        if name == "br":
            parent.append({"type": "linebreak"})
        elif name in _STYLES and not tag[1]:
            open_tags.append((name, []))
        elif name in _STYLES and open_tags and open_tags[-1][0] == name:
            _, children = open_tags.pop()
            (open_tags[-1][1] if open_tags else root).append(_styled(name, children))
    while open_tags:  # an unclosed tag is ignored
        _, children = open_tags.pop()
        (open_tags[-1][1] if open_tags else root).extend(children)
    return [node for node in root if node.get("raw") != ""]


def _styled(name: str, children: list[dict]) -> dict:
    if _STYLES[name] == "code":
        return {"type": "codespan", "raw": "".join(map(text_of, children))}
    return {"type": _STYLES[name], "children": children}


def _alert(children: list[dict]) -> list[dict]:
    """Make `[!NOTE]` at the beginning of a quotation its title."""
    first = next((child for child in children if child["type"] == "paragraph"), None)
    words = first["children"][0] if first and first["children"] else {}
    if first and (match := _ALERT.match(words.get("raw", ""))):
        rest = [{**words, "raw": words["raw"][match.end() :]}, *first["children"][1:]]
        while rest and (rest[0]["type"] == "softbreak" or rest[0].get("raw") == ""):
            rest.pop(0)
        strong = {"type": "strong", "children": [{"type": "text", "raw": match[1].capitalize()}]}
        title = {"type": "paragraph", "children": [strong]}
        return [
            title,
            *([{**first, "children": rest}] if rest else []),
            *(child for child in children if child is not first),
        ]
    return children
