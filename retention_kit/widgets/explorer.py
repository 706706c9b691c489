"""The explorer widget: connects the selection, the computation in threads, and all that is shown."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as W
import traitlets as T
from msgspec import structs

from retention_kit.data.dataset import Dataset
from retention_kit.errors import DataError, SettingsError, did_you_mean
from retention_kit.lazy import pd
from retention_kit.periods import check_every
from retention_kit.report.archive.pack import Pack
from retention_kit.report.export.csv_files import frame_csv
from retention_kit.widgets.background import Cancelled, Step, Task, Worker, frequent_switches
from retention_kit.widgets.browser import ChartWidget, FrontEnd, load_chart_script
from retention_kit.widgets.content import TABS, Content
from retention_kit.widgets.controls import Controls
from retention_kit.widgets.lists import ACTIVE, Listing
from retention_kit.widgets.panels import Progress, cards_html, markup
from retention_kit.widgets.reporting import REPORT, Reporting, error_message
from retention_kit.widgets.selection import Selection, check_selection, next_selections
from retention_kit.widgets.tabs import Tabs, check_listing, fits
from retention_kit.wording import Words

CONTENT, QUERY = "content", "query"  # kinds of tasks
TRAITS = ("period", "every", "metric", "segment", "values", "compare")
FILE = "customers.csv"  # fixed: contains no value of the data


class Explorer(W.VBox):
    """A widget to choose a period, a metric and a segment, which shows what the report would show of them.

    `period`, `every`, `metric`, `segment`, `values` and `compare` are traits: they can be read, set, observed and
    linked; a wrong value raises an error and changes nothing. `parameters` are those of a template that shows the same;
    `scorecard` and `customers` are the figures and the listed customers, once they are computed; `pack` is the last
    report that was built here.
    """

    period = T.Any("")  # of any type, as `check_selection` has the better error messages
    every = T.Any("")
    metric = T.Any("")
    segment = T.Any("")
    values = T.Any(())
    compare = T.Any("")

    def __init__(self, data: Dataset, *, language: str = "", output: str | Path | None = None, **selection: str):
        self._is_syncing = True  # until there is a selection
        data = _in_language(data, language) if language else data
        # Only the workers' threads query the engine; everything else uses cached summaries.
        self._data, self._cached_data = data, replace(data, engine=None)
        self._computed: dict[Hashable, pd.DataFrame] = {}
        self._prepared: set[Hashable] = set()
        self._worker = Worker(self._interrupt, self._clean_up, lambda: not self._report_worker.is_running)
        # A worker of its own, so that selections do not wait for a report.
        self._report_worker = Worker(self._interrupt, self._clean_up, lambda: not self._worker.is_running)
        self._content: Content | None = None
        self._error: Exception | None = None
        self._request_number = 0
        self._listing = Listing(ACTIVE)
        self._requested = self._check_selection(**selection)

        self._words = words = Words.of(data.settings.report)
        self._controls = Controls(self._cached_data, words, self._select)
        self._status = Progress(words, "rk-status")
        self._status.cancel.on_click(lambda _: self._worker.cancel(CONTENT))
        self._cards = markup("rk-cards")
        self._tabs = Tabs(words, lambda: self._select(self._requested), self._list, self._save)
        self._reporting = Reporting(data, words, self._report_worker, output, lambda: self._requested)
        self._front = FrontEnd(labels=_labels(words))
        super().__init__(children=[self._controls, self._status, self._cards, self._tabs, self._reporting, self._front])
        self.add_class("rk-explorer")
        self._select(self._requested)

    def __repr__(self) -> str:
        segment = f", segment={self.segment!r}" if self.segment else ""
        return f"Explorer(period={self.period!r}, metric={self.metric!r}{segment})"

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(f"The explorer has no {name!r} to set: {did_you_mean(name, TRAITS)}")
        super().__setattr__(name, value)

    def close(self) -> None:
        """Cancel all tasks, and close all widgets of the explorer."""
        if self.comm is None:  # closed already, or never opened because of an error
            return
        self._request_number += 1  # so that no pending result is shown
        for worker in (self._worker, self._report_worker):
            worker.shut_down()
        for widget in list(_descendants(self)):
            W.Widget.close(widget)

    @T.validate(*TRAITS)
    def _validate(self, proposal: T.Bunch) -> object:
        """Check a trait together with the rest of the selection, which may change with it."""
        if self._is_syncing:
            return proposal["value"]
        name, value = proposal["trait"].name, proposal["value"]
        if name == "every":
            self._proposed = self._controls.with_length(self._requested, check_every(value))
        else:
            chosen = {"period": self.period, "every": self.every, "metric": self.metric, "compare": self.compare}
            chosen |= {"segment": self._requested.column, "values": self.values if name != "segment" else ()}
            self._proposed = self._check_selection(**(chosen | {name: value}))
        return getattr(self._proposed, name) if name != "period" else str(self._proposed.period)

    @T.observe(*TRAITS)
    def _set(self, _: object) -> None:
        if not self._is_syncing:
            self._select(self._proposed)

    def _sync_traits(self, selection: Selection) -> None:
        """Set all traits to a selection; observers are notified once for each trait that has changed."""
        self._requested, self._is_syncing = selection, True
        try:
            with self.hold_trait_notifications():
                for name in TRAITS:
                    setattr(self, name, str(selection.period) if name == "period" else getattr(selection, name))
        finally:
            self._is_syncing = False

    # Read-only properties

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of a template that shows the same: period, every, segment, language, data."""
        return self._requested.parameters(self._data)

    @property
    def scorecard(self) -> pd.DataFrame:
        """The scorecard of the selection: the trend's periods, and the chosen period by segment value if one is chosen.

        A copy, with the columns of `retention_kit.scorecard`.
        """
        return self._current_content().scorecard.copy()

    @property
    def customers(self) -> pd.DataFrame:
        """All customers of the list that is shown, a row for each: `customer_id`, then the columns of the list."""
        chosen, listing = self._current_content().selection, self._listing
        return self._query(lambda data: Content(data, chosen, self._computed).customers(listing)).copy()

    @property
    def pack(self) -> Pack | None:
        """The last report that was built here, or None; waits for one that is being built."""
        self._report_worker.wait(REPORT)
        return self._reporting.pack

    def wait(self) -> Explorer:
        """Wait until the selection is shown; raises the error if it cannot be. Returns the explorer."""
        self._current_content()
        return self

    def show_customers(self, kind: str = ACTIVE, *, cohort: str = "", period: str = "") -> None:
        """Show a list of customers: `active`, or one of those in the tab of customers.

        With `cohort` and `period`, show the customers of a cohort who are active in the period, like a click on the
        heat map. Raises UnknownNameError if there is no such list, PeriodError for a period of another length.
        """
        self._list(check_listing(self._cached_data, self.every, kind, cohort, period))

    def build_report(self) -> None:
        """Build the report of the selection in the background, like the button; `pack` waits for it."""
        self._reporting.build()

    def open_as_notebook(self) -> Path | None:
        """Write the selection as a notebook into the working directory, like the button; None if that failed."""
        return self._reporting.write()

    # Events

    def _check_selection(self, **chosen: Any) -> Selection:
        return self._query(lambda data: check_selection(data, **chosen))

    def _query(self, query: Callable[[Dataset], Any]) -> Any:
        """The result of a query, from cached summaries if possible, else from the engine."""
        try:
            return query(self._cached_data)
        except DataError:
            results: list[Any] = []
            self._worker.start(Task(QUERY, [Step("", lambda: query(self._data))], results.append, results.append))
            self._wait(QUERY)
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]

    def _current_content(self) -> Content:
        """The content of the selection, once it is shown; raises the error if it cannot be."""
        self._wait(CONTENT)
        if self._content is None and self._error is None:  # the first request was cancelled, which has been reported
            self._select(self._requested)
            self._wait(CONTENT)
        if self._error is not None:
            error, self._error = self._error, None
            raise DataError(self._words.text("explorer.cancelled")) if isinstance(error, Cancelled) else error
        assert self._content is not None, "the task has neither ended nor failed"
        return self._content

    def _wait(self, kind: str) -> None:
        try:
            self._worker.wait(kind)
        except KeyboardInterrupt:
            self._worker.cancel(kind)
            raise

    @frequent_switches()
    def _select(self, selection: Selection) -> None:
        """Show a selection: at once if everything is cached, else when it has been computed."""
        self._sync_traits(selection)
        self._error, self._request_number = None, self._request_number + 1
        if not fits(self._listing, selection.every):
            self._listing = Listing(ACTIVE)
        content, tab = Content(self._cached_data, selection, self._computed), self._tabs.current
        listing = self._listing if tab == "customers" else None
        steps = content.steps(listing)
        try:
            for step in steps:
                step.run()
            is_cached = ChartWidget.is_loaded()
        except DataError:
            is_cached = False
        if is_cached:
            self._worker.drop(CONTENT)
            self._show(content)
            return
        before = self._content
        is_same_column = before is not None and before.selection.column == selection.column
        self._controls.set(selection, before.values() if before and is_same_column else [])
        charts = Step(self._words.text("explorer.step.charts"), load_chart_script)
        self.add_class("rk-busy")
        self._status.work(self._words.text("explorer.begun"), 0, len(steps) + 1)

        def if_current(callback: Callable[..., None], number: int = self._request_number) -> Callable[..., None]:
            """The callback, ignored if another selection has been requested since."""
            return lambda *args: callback(*args) if number == self._request_number else None

        done = if_current(lambda _: self._show(Content(self._cached_data, selection, self._computed)))
        steps = [*Content(self._data, selection, self._computed).steps(listing), charts]
        self._worker.start(Task(CONTENT, steps, done, if_current(self._failed), if_current(self._progress)))

    @frequent_switches()
    def _show(self, content: Content) -> None:
        selection = content.selection
        try:
            if self._content is None or self._content.selection != selection:
                self._cards.value = cards_html(content.cards())
            self._controls.set(selection, content.values())
            self._tabs.draw(content, self._listing)
            self._content = content
        except Exception as error:
            self._failed(error)
            return
        self._status.rest(content.state())
        self.remove_class("rk-busy")
        self._worker.prefetch(self._prefetch_steps(selection))

    def _prefetch_steps(self, current: Selection) -> Iterator[Step]:
        """The steps of the customer list, and of selections that are likely to be next."""
        yield from Content(self._data, current, self._computed).list_steps(self._listing)
        for selection in next_selections(self._cached_data, current):
            key = selection.period, selection.segment, selection.values
            if key in self._prepared:
                continue
            for step in Content(self._data, selection, self._computed).prefetch_steps():
                if self._report_worker.is_running:  # a user is waiting for it
                    return
                yield step
            self._prepared.add(key)

    def _progress(self, name: str, done: int, total: int) -> None:
        self._status.work(self._words.text("explorer.computing", step=name), done, total)

    def _failed(self, error: Exception) -> None:
        """Return to the selection that is shown, and report the error."""
        is_cancelled = isinstance(error, Cancelled)
        self._error = None if is_cancelled and self._content else error
        if self._content is not None:
            self._sync_traits(self._content.selection)
            self._controls.set(self._requested, self._content.values())
        self._status.rest(error_message(error, self._words), is_error=not is_cancelled)
        self.remove_class("rk-busy")

    def _list(self, listing: Listing) -> None:
        """Open the tab of customers with a list."""
        self._listing, tab = listing, TABS.index("customers")
        if self._tabs.selected_index == tab:
            self._select(self._requested)
        else:
            self._tabs.selected_index = tab  # which calls `_select`

    def _save(self) -> None:
        try:
            text = frame_csv(self.customers)
        except Exception as error:
            self._status.rest(error_message(error, self._words), is_error=True)
        else:
            self._front.save(FILE, text)

    def _interrupt(self) -> None:
        if self._data.engine is not None:
            self._data.engine.interrupt()

    def _clean_up(self) -> None:
        """After a failed step it is unknown which views exist."""
        if self._data.engine is not None:
            with self._data.engine.lock:  # another worker's views remain; they are only created again
                self._data.engine.prepared.clear()


def _in_language(data: Dataset, language: str) -> Dataset:
    """The data with another first language in its settings; raises SettingsError if it is not supported."""
    if not isinstance(language, str):
        raise SettingsError("{name} must be a text, not {text!r}.", name="language", text=language)
    report = data.settings.report
    Words(language, report.currency)
    languages = [language, *(other for other in report.languages if other != language)]
    return replace(data, settings=structs.replace(data.settings, report=structs.replace(report, languages=languages)))


def _descendants(widget: W.Widget) -> Iterator[W.Widget]:
    """A widget and all inside it, with their layouts and styles."""
    for child in getattr(widget, "children", ()):
        yield from _descendants(child)
    yield from (part for name in ("layout", "style") if isinstance(part := getattr(widget, name, None), W.Widget))
    yield widget


def _labels(words: Words) -> dict[str, dict[str, str]]:
    """HTML attributes for browsers and screen readers, by CSS selector."""
    live = {"role": "status", "aria-live": "polite"}
    progress = {"role": "progressbar", "aria-label": words.text("explorer.progress")}
    return {
        ":root": {
            "role": "group",
            "aria-label": words.text("explorer.title"),
            "lang": words.language,
            "dir": words.direction,
        },
        ".rk-status .rk-sentence": live,
        ".rk-building .rk-sentence": live,
        ".rk-status .progress": progress,
        ".rk-building .progress": progress,
        ".rk-cards": {"role": "region", "aria-label": words.text("explorer.cards")},
    }
