"""The parts of the explorer's screen: widgets that show what they are given; they know no figures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import ipywidgets as W
import jinja2
from markupsafe import escape

from retention_kit.report.blocks import Block, sparkline
from retention_kit.widgets.browser import Picture
from retention_kit.widgets.content import TitledChart
from retention_kit.wording import Words


@cache
def _cards_template() -> jinja2.Template:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True)
    environment.filters["sparkline"] = sparkline
    return environment.get_template("cards.html.j2")


def cards_html(cards: Sequence[dict]) -> str:
    """Cards as `Page.cards` makes them."""
    return _cards_template().render(cards=cards)


def html(*blocks: Block | None) -> str:
    """Blocks as HTML, one below the other."""
    return "".join(block.html() for block in blocks if block is not None)


def sentence(text: str, name: str = "rk-title") -> str:
    """A sentence as HTML."""
    return f'<p class="{name}">{escape(text)}</p>' if text else ""


def markup(*names: str) -> W.HTML:
    """An empty place for HTML, with its class names."""
    widget = W.HTML()
    for name in names:
        widget.add_class(name)
    return widget


def boxed(name: str, *children: W.Widget, row: bool = False) -> W.Box:
    """Widgets in a box of a class name."""
    widget = (W.HBox if row else W.VBox)(children)
    widget.add_class(name)
    return widget


class ChartPanel(W.VBox):
    """A chart between its title and its caption, or a sentence in its place; the chart is widget when there is one."""

    def __init__(self, select: str = "", kind: str = "interval"):
        self._select = select, kind
        self.picture: Picture | None = None
        self._title, self._caption = markup(), markup()
        super().__init__([self._title, self._caption])
        self.add_class("rk-chart")

    def show(self, shown: TitledChart | None) -> Picture | None:
        """Show a chart; gives its widget where it was made just now, so that somebody may listen to it."""
        is_new = self.picture is None and shown is not None and shown.spec is not None
        if self.picture is None and is_new:
            self.picture = Picture(*self._select)
            self.children = [self._title, self.picture, self._caption]
        self._title.value = sentence(shown.title) if shown else ""
        self._caption.value = sentence(shown.caption, "rk-caption") if shown else ""
        if self.picture is not None:
            self.picture.draw(shown.spec if shown else None)
            self.picture.layout.display = None if shown and shown.spec else "none"
        return self.picture if is_new else None


class Progress(W.HBox):
    """What is being done, how far it is, and a button to cancel it; of one height whether there is anything or not."""

    def __init__(self, words: Words, name: str):
        self.text, self.bar = markup("rk-sentence"), W.IntProgress(0, 0, 1)
        self.cancel = W.Button(description=words.text("explorer.cancel"))
        super().__init__([self.text, self.bar, self.cancel])
        self.add_class(name)
        self.rest("")

    def work(self, text: str, done: int, total: int) -> None:
        """So far is it."""
        self.text.value = sentence(text, "rk-state")
        self.bar.max, self.bar.value = max(total, 1), done
        self._show(True)

    def rest(self, text: str, *, is_error: bool = False) -> None:
        """Nothing is being done."""
        self.text.value = sentence(text, "rk-error" if is_error else "rk-state")
        self._show(False)

    def _show(self, is_busy: bool) -> None:
        for widget in (self.bar, self.cancel):
            widget.layout.visibility = "visible" if is_busy else "hidden"
