"""Building blocks of the explorer's screen: HTML, boxes, charts with titles, and a progress bar."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import ipywidgets as W
import jinja2
from markupsafe import escape

from retention_kit.report.blocks import Block, sparkline, unbroken
from retention_kit.widgets.browser import ChartWidget
from retention_kit.widgets.content import TitledChart
from retention_kit.wording import Words


@cache
def _cards_template() -> jinja2.Template:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True)
    environment.filters |= {"sparkline": sparkline, "unbroken": unbroken}
    return environment.get_template("cards.html.j2")


def cards_html(cards: Sequence[dict]) -> str:
    """The cards of a block of `Page.cards` as HTML."""
    return _cards_template().render(cards=cards)


def html(*blocks: Block | None) -> str:
    """Blocks as HTML, one below the other."""
    return "".join(block.html() for block in blocks if block is not None)


def paragraph(text: str, name: str = "rk-title") -> str:
    """A sentence as an HTML paragraph of class `name`."""
    return f'<p class="{name}">{escape(text)}</p>' if text else ""


def markup(*names: str) -> W.HTML:
    """An empty HTML widget with class names."""
    widget = W.HTML()
    for name in names:
        widget.add_class(name)
    return widget


def boxed(name: str, *children: W.Widget, row: bool = False) -> W.Box:
    """A box of widgets, with a class name; vertical unless `row`."""
    widget = (W.HBox if row else W.VBox)(children)
    widget.add_class(name)
    return widget


class ChartPanel(W.VBox):
    """A chart between its title and caption, or only a sentence. Its widget is created with the first chart."""

    def __init__(self, select: str = "", kind: str = "interval"):
        self._selection = select, kind
        self.chart: ChartWidget | None = None
        self._title, self._caption = markup(), markup()
        super().__init__([self._title, self._caption])
        self.add_class("rk-chart")

    def show(self, content: TitledChart | None) -> ChartWidget | None:
        """Show a chart; returns its widget if it has just been created, so that its selection can be observed."""
        is_new = self.chart is None and content is not None and content.spec is not None
        if self.chart is None and is_new:
            self.chart = ChartWidget(*self._selection)
            self.children = [self._title, self.chart, self._caption]
        self._title.value = paragraph(content.title) if content else ""
        self._caption.value = paragraph(content.caption, "rk-caption") if content else ""
        if self.chart is not None:
            self.chart.draw(content.spec if content else None)
            self.chart.layout.display = None if content and content.spec else "none"
        return self.chart if is_new else None


class Progress(W.HBox):
    """A status text, a progress bar and a button to cancel; of the same height while idle."""

    def __init__(self, words: Words, name: str):
        self.text, self.bar = markup("rk-sentence"), W.IntProgress(0, 0, 1)
        self.cancel = W.Button(description=words.text("explorer.cancel"))
        super().__init__([self.text, self.bar, self.cancel])
        self.add_class(name)
        self.rest("")

    def work(self, text: str, done: int, total: int) -> None:
        """Show progress."""
        self.text.value = paragraph(text, "rk-state")
        self.bar.max, self.bar.value = max(total, 1), done
        self._show(True)

    def rest(self, text: str, *, is_error: bool = False) -> None:
        """Show a text, without a progress bar."""
        self.text.value = paragraph(text, "rk-error" if is_error else "rk-state")
        self._show(False)

    def _show(self, is_busy: bool) -> None:
        for widget in (self.bar, self.cancel):
            widget.layout.visibility = "visible" if is_busy else "hidden"
