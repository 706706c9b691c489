"""Blocks: what a notebook shows and the exporters lay out. Their words are final plain text; only templates make
markup.

A block travels inside the notebook as JSON, under its own MIME type, beside HTML for JupyterLab and plain text for a
terminal, so that one executed notebook serves the HTML report and the PDF alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from retention_kit import bidi
from retention_kit.errors import ReportError, UnknownNameError, check_choice

BLOCK_MIME = "application/vnd.retention-kit+json"
VEGALITE_MIME = "application/vnd.vegalite.v5+json"  # the newest that JupyterLab draws; our charts are the same in it
VEGALITE_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"

# What is one thing to a reader though a line may end in it: a sign and the currency after it, a date with its time, a
# range, an id, a number and what it counts.
_UNBROKEN = re.compile(
    "[+−±][$\u00a2-\u00a5\u20a0-\u20cf][\\d.,]*\\d\\w*"
    r"|(?:\b\d{1,2}(?:–\d{1,2})?\.? )?\b[^\W\d_]{3,14}\.? \d{4}(?![\w–-])(?: هـ)?"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?"
    r"|(?=[\w.@/–-]*\d)(?![\w.@/–-]{33})(?<![\w.@/–-])\w[\w.@]*(?:[/–-][\w.@]*\w)+"
    "|(?:\u2066|(?<![\\w.,:/–-]))[+−±]?[$\u00a2-\u00a5\u20a0-\u20cf]?\\d(?:[\\d.,٬٫]*\\d)?\u2069? "
    "[^\\W\\d_](?:[^\\W\\d_]|[\u064b-\u0652]){2,13}(?![\\w-])"
)

# Fields of every kind with their defaults; `...` must be given.
KINDS: dict[str, dict] = {
    "heading": {"level": 2, "text": ..., "id": ""},
    "headline": {"text": ..., "lead": []},
    "cards": {"cards": ...},
    "notice": {"tone": "plain", "title": ..., "items": []},
    "text": {"text": ...},
    "table": {"title": "", "columns": ..., "rows": ..., "keys": [], "caption": ""},
    "terms": {"items": ...},
    "chart": {"title": "", "caption": "", "alt": ..., "spec": ...},
    "goals": {"title": "", "goals": ..., "caption": ""},
}
PARTS: dict[str, tuple[str, dict]] = {  # kind: (its field of dicts, their fields)
    "cards": (
        "cards",
        {
            "label": ...,
            "value": ...,
            "changes": [],
            "detail": "",
            "goal": None,
            "spark": [],
            "note": "",
            "metric": "",
            "time_direction": "ltr",
        },
    ),
    "table": ("columns", {"label": ..., "align": "start"}),
    "goals": (
        "goals",
        {
            "objective": "",
            "label": ...,
            "value": "",
            "state": ...,
            "tone": "",
            "share": None,
            "mark": None,
            "start": "",
            "target": "",
            "detail": "",
        },
    ),
    "terms": ("items", {"term": ..., "text": ..., "details": []}),
}
UNSAID = (  # no words
    *("spec", "id", "level", "tone", "align", "spark", "keys", "direction", "time_direction"),
    *("good", "share", "metric"),
)
TONES = ("attention", "plain", "failure")


@dataclass(frozen=True, init=False)
class Block:
    """One piece of a report: `Block("text", text="…")`. Unknown kinds and fields are refused, missing ones get
    defaults.
    """

    kind: str
    data: dict

    def __init__(self, kind: str, **data: Any):
        check_choice(UnknownNameError, "There is no block {kind!r}: {hint}", KINDS, kind=kind)
        data = _complete(data, KINDS[kind], f"{kind} block")
        if kind in PARTS:
            field, fields = PARTS[kind]
            data[field] = [_complete(part, fields, f"{field} entry of a {kind} block") for part in data[field]]
        if kind == "notice":
            check_choice(UnknownNameError, "A notice has no tone {tone!r}: {hint}", TONES, tone=data["tone"])
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "data", data)

    def _repr_mimebundle_(self, **_: object) -> dict:
        bundle = {BLOCK_MIME: {"kind": self.kind, **self.data}, "text/plain": str(self)}
        if self.kind == "chart":  # Lab draws it by itself; it would show HTML before that, which has no picture yet
            bundle[VEGALITE_MIME] = self._for_lab()
        else:
            bundle["text/html"] = self.html()
        return bundle

    def _for_lab(self) -> dict:
        """The chart alone, so with its title; on paper by night too, as its ink is made for that."""
        spec, title = self.data["spec"], self.data["title"]
        anchor = "end" if spec.get("usermeta", {}).get("direction") == "rtl" else "start"
        config = {**spec.get("config", {}), "title": {"color": "#1c2430", "anchor": anchor, "fontSize": 13}}
        paper = {"$schema": VEGALITE_SCHEMA, "background": "white", "config": config}
        return {**spec, **paper, **({"title": bidi.rtl(title) if anchor == "end" else title} if title else {})}

    def html(self) -> str:
        """The block as an HTML fragment, without style."""
        macros = _environment().get_template("blocks.html.j2").module
        return str(getattr(macros, "block")({"kind": self.kind, **self.data}))  # noqa: B009  a macro of the template

    def __str__(self) -> str:
        return "\n".join(_lines(self.data))


def _complete(values: dict, fields: dict, description: str) -> dict:
    for name in values:
        check_choice(UnknownNameError, "A {what} has no {name!r}: {hint}", fields, what=description, name=name)
    for name, default in fields.items():
        if default is ... and name not in values:
            raise ReportError("A {what} needs {name!r}.", what=description, name=name)
    return {name: values.get(name, default) for name, default in fields.items()}


def _lines(value: object) -> list[str]:
    """Every word of a block, one line each; rows of a table on a line."""
    if isinstance(value, dict):
        names = [name for name in value if name not in UNSAID]
        return [line for name in names for line in _lines(value[name])]
    if isinstance(value, Sequence) and not isinstance(value, str):
        if value and all(isinstance(cell, str) for cell in value):
            return ["  ".join(value)]
        return [line for part in value for line in _lines(part)]
    return [value] if isinstance(value, str) and value else []


def shipped(folder: str) -> Path:
    """A folder that ships with the package: inside it once installed, else in the checkout beside it."""
    package = Path(__file__).parents[1]
    installed = package / folder
    return installed if installed.is_dir() else package.parent / folder


def templates_dir() -> Path:
    """Where the notebook templates, skins and fonts are."""
    return shipped("templates")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(templates_dir() / "html"), autoescape=True)
    environment.filters |= {"plain": bidi.plain, "sparkline": sparkline, "unbroken": unbroken}
    return environment


def unbroken(text: str) -> Markup:
    """A text as HTML in which no line ends between a sign and the currency after it, in a date, a range or an id,
    or between a number and the word after it.
    """
    return Markup(_UNBROKEN.sub(r'<span class="short">\g<0></span>', str(escape(text))))


def sparkline(values: Sequence[float | None], time_direction: str = "ltr") -> Markup:
    """A small trend line as SVG in the text's colour: the last value is marked, a missing one breaks the line."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Markup()
    low, spread = min(known), (max(known) - min(known)) or 1
    width, height, edge = 120, 28, 4
    step = (width - 2 * edge) / (len(values) - 1)
    strokes: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            strokes.append([])
        else:
            across = edge + index * step
            across = width - across if time_direction == "rtl" else across
            down = height - edge - (value - low) / spread * (height - 2 * edge)
            strokes[-1].append(f"{across:.1f},{down:.1f}")
    lines = "".join(f'<polyline points="{" ".join(points)}"/>' for points in strokes if len(points) > 1)
    x, y = next(points[-1] for points in reversed(strokes) if points).split(",")
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="spark" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" fill="none" stroke="currentColor" stroke-width="1.5" '
        f'stroke-linejoin="round" stroke-linecap="round" '
        f'aria-hidden="true">{lines}<circle cx="{x}" cy="{y}" r="2.5" fill="currentColor" stroke="none"/></svg>'
    )
