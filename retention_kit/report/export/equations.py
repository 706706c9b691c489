"""Formulas in LaTeX, as notebooks write them between dollar signs, drawn once for page and paper."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import mistune

# A dollar sign before a digit ends no formula, nor does one after a space: "$5 and $10" is money.
_INLINE = r"\$(?!\s)(?P<inline_latex>(?:\\.|[^$\\\n])+?)(?<!\s)\$(?!\d)"
_BLOCK = r"^ {0,3}\$\$[ \t]*\n?(?P<block_latex>(?:[^$]|\\\$)+?)\n?[ \t]*\$\$[ \t]*$"
_SIZE = 16  # of the letters that a picture is drawn with, in its own units


def formulas(markdown: mistune.Markdown) -> None:
    """The plug-in of mistune that reads `$…$` within a line and `$$…$$` as a block, as nodes of type `formula`."""
    markdown.inline.register("inline_formula", _INLINE, _inline, before="escape")
    markdown.block.register("block_formula", _BLOCK, _block, before="list")


def _inline(_: Any, match: re.Match, state: Any) -> int:
    state.append_token(node_of(match["inline_latex"]))
    return match.end()


def _block(_: Any, match: re.Match, state: Any) -> int:
    state.append_token({"type": "paragraph", "children": [node_of(match["block_latex"].strip())]})
    return match.end() + 1


def node_of(latex: str) -> dict[str, Any]:
    """A formula as a node of markdown: its picture, or its LaTeX as code where that cannot be drawn."""
    drawn = _draw(latex)
    if drawn is None:
        return {"type": "codespan", "raw": latex}
    return {"type": "formula", "raw": latex, "attrs": drawn}


@lru_cache(maxsize=256)
def _draw(latex: str) -> dict[str, Any] | None:
    """An SVG, its height and how far it reaches below the line, in units of the letters' size."""
    import ziamath

    try:
        svg = ziamath.Latex(latex, size=_SIZE).svg()
    except Exception:  # whatever a reader of half a language raises
        return None
    box = re.search(r'viewBox="\S+ (\S+) \S+ (\S+)"', svg)
    if box is None:
        return None
    top, height = (float(part) / _SIZE for part in box.groups())
    return {"svg": svg, "height": round(height, 3), "below": round(height + top, 3)}
