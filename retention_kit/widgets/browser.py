"""What the explorer needs from the browser: charts without a network, and what only a script can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import anywidget
import traitlets
from altair.jupyter.jupyter_chart import Selections
from altair.utils.selection import IntervalSelection, PointSelection

_HERE = Path(__file__).parent
KINDS = {"interval": IntervalSelection, "point": PointSelection}


class Front(anywidget.AnyWidget):
    """The explorer's style and script; `labels` are attributes for elements of it, by CSS selector."""

    _esm = (_HERE / "front.js").read_text("utf-8")
    _css = (_HERE / "style.css").read_text("utf-8")
    labels = traitlets.Dict().tag(sync=True)

    def save(self, name: str, text: str) -> None:
        """Let the browser save a text as a file."""
        self.send({"kind": "save", "name": name, "text": text})


class Picture(alt.JupyterChart):
    """Altair's chart widget, offline, drawn from a finished specification: to build it anew as objects takes too long.

    `name` and `kind` are those of the one selection that its charts may have; `selections` tells what is selected.
    """

    def __init__(self, name: str = "", kind: str = "interval"):
        self._empty: dict[str, dict[str, Any]] = {name: {"value": None, "store": []}} if name else {}
        super().__init__(None, spec=None, embed_options={"actions": False, "renderer": "svg"})  # type: ignore[arg-type]  # no chart yet
        self._turn = 0
        self._selection_types = {name: kind} if name else {}
        nothing: dict | list = {} if kind == "interval" else []
        self.selections = Selections({name: KINDS[kind](name=name, value=nothing, store=[])} if name else {})
        self.add_class("rk-picture")

    @classmethod
    def is_loaded(cls) -> bool:
        """Whether the charts' script is there; to make it takes a second, once."""
        return cls._is_offline

    def draw(self, spec: dict[str, Any] | None) -> None:
        """Show another chart, with nothing selected; None shows nothing."""
        if spec is not None and isinstance(spec.get("width"), int | float):
            self.layout.min_height = f"{spec['height']}px"  # so that nothing below it jumps while it is drawn
            spec = {**spec, "width": "container"}
        if spec is not None:  # the same chart is drawn again, too
            self._turn += 1
            spec = spec | {"usermeta": {**spec.get("usermeta", {}), "turn": self._turn}}
        with self.hold_sync():
            self._vl_selections = {} if spec is None else dict(self._empty)
            self.spec = spec  # type: ignore[assignment]  # None shows nothing


def load_pictures() -> None:
    """Make the charts' script."""
    Picture.enable_offline()
