"""Renders LaTeX formulas between dollar signs in notebooks as SVG, for HTML and PDF."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import mistune

# A dollar sign before a digit or after a space does not end a formula: "$5 and $10" is money.
_INLINE = r"\$(?!\s)(?P<inline_latex>(?:\\.|[^$\\\n])+?)(?<!\s)\$(?!\d)"
_BLOCK = r"^ {0,3}\$\$[ \t]*\n?(?P<block_latex>(?:[^$]|\\\$)+?)\n?[ \t]*\$\$[ \t]*$"
_SIZE = 16  # font size of the picture, in its units


def formulas(markdown: mistune.Markdown) -> None:
    """A mistune plug-in that parses `$…$` in a line and `$$…$$` as a block to nodes of type `formula`."""
    markdown.inline.register("inline_formula", _INLINE, _inline, before="escape")
    markdown.block.register("block_formula", _BLOCK, _block, before="list")


def _inline(_: Any, match: re.Match, state: Any) -> int:
    state.append_token(node_of(match["inline_latex"]))
    return match.end()


def _block(_: Any, match: re.Match, state: Any) -> int:
    state.append_token({"type": "paragraph", "children": [node_of(match["block_latex"].strip())]})
    return match.end() + 1


def node_of(latex: str) -> dict[str, Any]:
    """A formula as a markdown node: its picture, or its LaTeX as code if that cannot be rendered."""
    if (picture := _render(latex)) is None:
        return {"type": "codespan", "raw": latex}
    return {"type": "formula", "raw": latex, "attrs": picture}


@lru_cache(maxsize=256)
def _render(latex: str) -> dict[str, Any] | None:
    """`svg`, its `height`, and its depth `below` the baseline in em; None for invalid LaTeX."""
    import ziamath

    try:
        svg = ziamath.Latex(latex, size=_SIZE).svg()
    except Exception:  # ziamath raises errors of any type
        return None
    if (box := re.search(r'viewBox="\S+ (\S+) \S+ (\S+)"', svg)) is None:
        return None
    top, height = (float(part) / _SIZE for part in box.groups())
    return {"svg": svg, "height": round(height, 3), "below": round(height + top, 3)}
