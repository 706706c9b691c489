"""The controls of the explorer: menus and buttons that change the selection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import ipywidgets as W

from retention_kit.data.dataset import Dataset
from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.queries.summaries import periods_of
from retention_kit.metrics.scorecard import missing_metrics
from retention_kit.periods import EVERY, Period
from retention_kit.widgets.panels import boxed
from retention_kit.widgets.selection import COMPARE, Selection, matching_period
from retention_kit.wording import Words


class Controls(W.HBox):
    """Menus for all parts of a selection; `on_select` is called with the new selection when a user has changed it."""

    def __init__(self, data: Dataset, words: Words, on_select: Callable[[Selection], None]):
        self._data, self._words, self._on_select = data, words, on_select
        self._selection: Selection | None = None
        self._is_updating = False  # by `set`, not by a user
        self._segment_values: list[str] = []
        text, missing = words.text, missing_metrics(data)
        metrics = [(words.say(metric.label), name) for name, metric in METRICS.items() if name not in missing]
        self.every = self._dropdown("every", [(text(f"explorer.every_{every}"), every) for every in EVERY])
        self.period = self._dropdown("period", [])
        self.metric = self._dropdown("metric", metrics)
        self.compare = self._dropdown("compare", [(text(f"explorer.compare_{name}"), name) for name in COMPARE])
        self.column = self._dropdown(
            "segment", [(text("explorer.whole"), ""), *((words.name(name), name) for name in data.segments)]
        )
        self.values = W.SelectMultiple(description=text("explorer.values"), rows=4)
        self.values.observe(self._on_change, "value")
        self.older, self.newer = (W.Button(description=text(f"explorer.{name}")) for name in ("older", "newer"))
        self.older.on_click(lambda _: self._move(-1))
        self.newer.on_click(lambda _: self._move(1))
        when = boxed("rk-when", self.period, self.older, self.newer, row=True)
        super().__init__([self.every, when, self.compare, self.metric, self.column, self.values])
        for name, widget in zip(
            ("every", "when", "compare", "metric", "segment", "values"), self.children, strict=True
        ):
            widget.add_class(f"rk-{name}")
        self.add_class("rk-controls")

    def set(self, selection: Selection, values: list[str]) -> None:
        """Show a selection; `values` are all values of its segment column."""
        known = [str(period) for period in reversed(periods_of(self._data, selection.every))]
        with self._updating():
            self._selection = selection
            self.every.value = selection.every
            if [value for _, value in self.period.options] != known:
                self.period.options = [(self._words.period(period), period) for period in known]
            self.period.value = str(selection.period)
            self.metric.value, self.compare.value = selection.metric, selection.compare
            self.column.value = selection.column
            self._set_values(selection.values, values)
            self.older.disabled = self.period.value == known[-1]
            self.newer.disabled = self.period.value == known[0]

    def _set_values(self, chosen: tuple[str, ...], known: list[str]) -> None:
        if self._segment_values != known:
            self.values.value = ()  # first: the browser cannot select a value that it does not know
            labels = [self._words.name(value) for value in known]
            self._segment_values = known
            self.values.options = known if labels == known else [*zip(labels, known, strict=True)]
        self.values.value = chosen if set(chosen) <= {*known} else ()
        self.values.disabled = not known
        self.values.layout.display = None if known else "none"

    def with_length(self, selection: Selection, every: str) -> Selection:
        """The selection with another period length, at the same time."""
        return replace(selection, period=matching_period(self._data, selection.period, every))

    def _dropdown(self, name: str, options: list[tuple[str, str]]) -> W.Dropdown:
        widget = W.Dropdown(options=options, description=self._words.text(f"explorer.{name}"))
        widget.observe(self._on_change, "value")
        return widget

    def _on_change(self, _: object) -> None:
        if self._is_updating or self._selection is None:
            return
        before = self._selection
        period = Period.parse(self.period.value)
        if self.every.value != before.every:
            period = matching_period(self._data, before.period, self.every.value)
        column = self.column.value
        values = tuple(self.values.value) if column == before.column else ()
        selection = Selection(period, self.metric.value, column, values, self.compare.value)
        self.set(selection, self._segment_values if column == before.column else [])
        self._on_select(selection)

    def _move(self, periods: int) -> None:
        self.period.value = str(Period.parse(self.period.value).shift(periods))

    @contextmanager
    def _updating(self) -> Iterator[None]:
        before, self._is_updating = self._is_updating, True
        try:
            yield
        finally:
            self._is_updating = before
