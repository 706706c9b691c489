"""The tabs of the explorer; each is drawn when it is opened."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as W

from retention_kit.data.dataset import Dataset
from retention_kit.errors import UnknownNameError, check_choice
from retention_kit.metrics.forecasts.lists import risk_names
from retention_kit.metrics.queries.customer_lists import LISTS
from retention_kit.metrics.queries.summaries import pick_period
from retention_kit.periods import Period
from retention_kit.widgets.content import TABS, Content
from retention_kit.widgets.lists import ACTIVE, CELL, Listing
from retention_kit.widgets.panels import ChartPanel, boxed, html, markup, paragraph
from retention_kit.wording import Words


class Tabs(W.Tab):
    """Trend, movements, cohorts, segments, customers, goals with alerts, and data and definition.

    `on_open`, `on_list` and `on_save` are called when a user opens a tab, chooses a list of customers, downloads it.
    """

    def __init__(
        self,
        words: Words,
        on_open: Callable[[], None],
        on_list: Callable[[Listing], None],
        on_save: Callable[[], None],
    ):
        self._words, self._on_list = words, on_list
        self._content: Content | None = None
        self._listing = Listing(ACTIVE)
        self._drawn: set[str] = set()  # the tabs that show the current content
        self._is_updating = False
        text = words.text

        self._trend, self._trend_table = ChartPanel("brush"), markup("rk-table")
        kinds = [(text(f"explorer.movements_{kind}"), kind) for kind in ("customers", "mrr")]
        self._kind = W.ToggleButtons(options=kinds, description=text("explorer.movements_of"))
        self._movement_charts, self._movement_table = (ChartPanel(), ChartPanel()), markup("rk-table")
        self._cohorts = ChartPanel("cell", "point")
        self._cohort, self._cohort_period = (
            W.Dropdown(description=text(f"explorer.{name}")) for name in ("cohort", "in_period")
        )
        self._cell_button = W.Button(description=text("explorer.show_customers"))
        self._cell = boxed("rk-cell", self._cohort, self._cohort_period, self._cell_button, row=True)
        self._segments, self._segment_table = ChartPanel(), markup("rk-table")
        self._list = W.Dropdown(description=text("explorer.list_head"))
        self._save = W.Button(description=text("explorer.download"))
        self._table, self._goals, self._about = (markup("rk-table") for _ in range(3))
        self._lists = boxed("rk-cell", self._list, self._save, row=True)
        panels = {
            "trend": (self._trend, self._trend_table),
            "movements": (self._kind, *self._movement_charts, self._movement_table),
            "cohorts": (self._cohorts, self._cell),
            "segments": (self._segments, self._segment_table),
            "customers": (self._lists, self._table),
            "goals": (self._goals,),
            "about": (self._about,),
        }
        super().__init__([boxed(f"rk-{name}", *panels[name]) for name in TABS])
        self.titles = [text(f"explorer.tab_{name}") for name in TABS]
        self.selected_index = 0
        self.add_class("rk-tabs")
        self.observe(lambda _: on_open(), "selected_index")
        self._kind.observe(lambda _: self._draw_movements(), "value")
        self._cohort.observe(lambda _: self._offer_periods(), "value")
        self._cell_button.on_click(lambda _: on_list(Listing(CELL, self._cohort.value, self._cohort_period.value)))
        self._list.observe(self._choose_list, "value")
        self._save.on_click(lambda _: on_save())

    @property
    def current(self) -> str:
        """The name of the open tab."""
        return TABS[self.selected_index or 0]

    def draw(self, content: Content, listing: Listing) -> None:
        """Show a content in the open tab, and in the others when they are opened."""
        if self._content is None or content.selection != self._content.selection:
            self._drawn = set()
        if listing != self._listing:
            self._drawn.discard("customers")
        self._content, self._listing = content, listing
        if self.current not in self._drawn:
            getattr(self, f"_draw_{self.current}")()
            self._drawn.add(self.current)

    @property
    def content(self) -> Content:
        """The current content."""
        assert self._content is not None, "nothing has been drawn yet"
        return self._content

    def _draw_trend(self) -> None:
        if chart := self._trend.show(self.content.trend()):
            chart.selections.observe(self._brushed, "brush")
        self._trend_table.value = html(self.content.figures())

    def _brushed(self, change: dict) -> None:
        periods = [str(period) for period in (change["new"].value or {}).get("period", [])]
        self._trend_table.value = html(self.content.figures(periods))

    def _draw_movements(self) -> None:
        has_customers, has_money = self.content.has_movements()
        self._kind.layout.display = None if has_customers and has_money else "none"
        of_money = self._kind.value == "mrr" and has_money
        charts = [*self.content.movements(of_money), None]
        for panel, chart in zip(self._movement_charts, charts, strict=False):
            panel.show(chart)
        self._movement_table.value = html(self.content.movement_figures(of_money))

    def _draw_cohorts(self) -> None:
        if chart := self._cohorts.show(self.content.cohorts()):
            chart.selections.observe(self._clicked, "cell")
        known = list(dict.fromkeys(self.content.cells()["cohort"]))
        self._cell.layout.visibility = "visible" if known else "hidden"
        self._cohort.options = [(self._words.period(cohort), cohort) for cohort in reversed(known)]
        self._cohort.value = known[-1] if known else None
        self._offer_periods()

    def _offer_periods(self) -> None:
        """Offer the periods for which the chosen cohort has a cell."""
        cells = self.content.cells()
        known = list(cells.loc[cells["cohort"] == self._cohort.value, "period"])
        self._cohort_period.options = [(self._words.period(period), period) for period in reversed(known)]
        self._cohort_period.value = known[-1] if known else None

    def _clicked(self, change: dict) -> None:
        for value in change["new"].value or []:
            self._on_list(Listing(CELL, str(value["cohort_id"]), str(value["period"])))
            self._drawn.discard("cohorts")  # drawn again it has no selected cell, so that each can be clicked

    def _draw_segments(self) -> None:
        self._segments.show(self.content.segments())
        self._segment_table.value = html(self.content.segment_figures())

    def _draw_customers(self) -> None:
        options = self.content.listings()
        if self._listing.kind == CELL:
            names = [self._words.period(period, "short") for period in (self._listing.cohort, self._listing.period)]
            options.append((self._words.text("explorer.list.cell", cohort=names[0], period=names[1]), CELL))
        self._is_updating = True
        self._list.options = options
        self._list.value = self._listing.kind if options else None
        self._is_updating = False
        self._lists.layout.visibility = "visible" if options else "hidden"
        if not options:
            self._table.value = paragraph(self._words.text("explorer.no_customers"))
            return
        self._table.value = html(self.content.customer_table(self.content.customers(self._listing), self._listing))

    def _choose_list(self, change: dict) -> None:
        if not self._is_updating and change["new"] and change["new"] != CELL:
            self._on_list(Listing(change["new"]))

    def _draw_goals(self) -> None:
        self._goals.value = html(*filter(None, [self.content.page.goal_bars(), self.content.page.alerts()]))

    def _draw_about(self) -> None:
        self._about.value = html(*self.content.about())


def check_listing(data: Dataset, every: str, kind: str, cohort: str, period: str) -> Listing:
    """A listing from a user's input.

    Raises UnknownNameError for an unknown list, PeriodError for a period of another length or outside the data.
    """
    if cohort or period:
        if not (cohort and period):
            raise UnknownNameError("Those of a cohort are listed in a period: name both, `cohort` and `period`.")
        return Listing(CELL, *(str(pick_period(data, str(text), every)) for text in (cohort, period)))
    known = (ACTIVE, *LISTS, *risk_names(data))
    check_choice(UnknownNameError, "There is no list {kind!r}: {hint}", known, kind=kind)
    return Listing(kind)


def fits(listing: Listing, every: str) -> bool:
    """Whether a list exists with this period length."""
    return listing.kind != CELL or Period.parse(listing.period).every == every
