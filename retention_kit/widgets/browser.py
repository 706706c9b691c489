"""Widgets with scripts in the browser: charts that work offline, and the explorer's own script and style."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import anywidget
import traitlets
from altair.jupyter.jupyter_chart import Selections
from altair.utils.selection import IntervalSelection, PointSelection

_HERE = Path(__file__).parent
_SELECTION_TYPES = {"interval": IntervalSelection, "point": PointSelection}


class FrontEnd(anywidget.AnyWidget):
    """The explorer's style and script; `labels` are HTML attributes to set, by CSS selector."""

    _esm = (_HERE / "front.js").read_text("utf-8")
    _css = (_HERE / "style.css").read_text("utf-8")
    labels = traitlets.Dict().tag(sync=True)

    def save(self, name: str, text: str) -> None:
        """Let the browser save a text as a file."""
        self.send({"kind": "save", "name": name, "text": text})


class ChartWidget(alt.JupyterChart):
    """Altair's chart widget, offline, drawn from a finished specification, as building Altair objects is slow.

    `name` and `kind` are those of the one selection that its charts may have; `selections` has its current value.
    """

    def __init__(self, name: str = "", kind: str = "interval"):
        self._empty: dict[str, dict[str, Any]] = {name: {"value": None, "store": []}} if name else {}
        super().__init__(None, spec=None, embed_options={"actions": False, "renderer": "svg"})  # type: ignore[arg-type]  # no chart yet
        self._revision = 0
        self._selection_types = {name: kind} if name else {}
        nothing: dict | list = {} if kind == "interval" else []
        self.selections = Selections({name: _SELECTION_TYPES[kind](name=name, value=nothing, store=[])} if name else {})
        self.add_class("rk-picture")

    @classmethod
    def is_loaded(cls) -> bool:
        """Whether the chart script is loaded; loading it takes a second, once."""
        return cls._is_offline

    def draw(self, spec: dict[str, Any] | None) -> None:
        """Draw a Vega-Lite specification with nothing selected; None clears the chart."""
        if spec is not None and isinstance(spec.get("width"), int | float):
            self.layout.min_height = f"{spec['height']}px"  # so that the layout does not jump while it is drawn
            spec = {**spec, "width": "container"}
        if spec is not None:  # a new revision, so that an equal specification is drawn again too
            self._revision += 1
            spec = spec | {"usermeta": {**spec.get("usermeta", {}), "turn": self._revision}}
        with self.hold_sync():
            self._vl_selections = {} if spec is None else dict(self._empty)
            self.spec = spec  # type: ignore[assignment]  # None clears the chart


def load_chart_script() -> None:
    """Load the chart script, for all charts of this process."""
    ChartWidget.enable_offline()
