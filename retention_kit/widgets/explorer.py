"""The explorer itself: what it looks at, what it shows of that, and what happens when either changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as W
import traitlets as T
from msgspec import structs

from retention_kit.errors import DataError, SettingsError, did_you_mean
from retention_kit.periods import check_every
from retention_kit.report.export.csv_files import frame_csv
from retention_kit.widgets.ahead import next_selections
from retention_kit.widgets.background import Cancelled, Step, Task, Work
from retention_kit.widgets.browser import Front, Picture, load_pictures
from retention_kit.widgets.content import TABS, Content
from retention_kit.widgets.controls import Controls
from retention_kit.widgets.lists import ACTIVE, Listing
from retention_kit.widgets.panels import Progress, cards_html, markup
from retention_kit.widgets.reporting import KIND as REPORT
from retention_kit.widgets.reporting import Reporting, sentence
from retention_kit.widgets.selection import Selection, checked
from retention_kit.widgets.tabs import Asked, Tabs, checked_listing, fits
from retention_kit.wording import Words

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset
    from retention_kit.report.archive.pack import Pack

CONTENT, QUESTION = "content", "question"  # kinds of work
CHOSEN = ("period", "every", "metric", "segment", "values", "compare")
FILE = "customers.csv"  # fixed: no value of the data is in it


class Explorer(W.VBox):
    """A period, a metric and a segment to choose, and all that the report would show of them.

    `period`, `every`, `metric`, `segment`, `values` and `compare` are traits: they may be read, set, observed and
    linked; what is read after that is of the new selection. `parameters` are those of a template that shows the same;
    `scorecard`, `customers` and `pack` are what is behind the figures, the list of customers, and the last report built
    here.
    """

    period = T.Any("")  # of any type, as `checked` names what is wrong better
    every = T.Any("")
    metric = T.Any("")
    segment = T.Any("")
    values = T.Any(())
    compare = T.Any("")

    def __init__(
        self,
        data: Dataset,
        *,
        period: str = "",
        every: str = "",
        metric: str = "",
        segment: str = "",
        compare: str = "previous",
        language: str = "",
        output: str | Path | None = None,
    ):
        self._is_following = True  # until there is a selection, nothing is chosen
        data = _in_language(data, language) if language else data
        # Only the threads of work ask the engine; all else looks at what is at hand.
        self._data, self._at_hand = data, replace(data, engine=None)
        self._computed: dict[Hashable, pd.DataFrame] = {}
        self._prepared: set[Hashable] = set()
        self._work = Work(self._interrupt, self._clean, lambda: not self._building.is_running)
        self._building = Work(
            self._interrupt, self._clean, lambda: not self._work.is_running
        )  # what is shown does not wait
        self._shown: Content | None = None
        self._error: Exception | None = None
        self._turn = 0  # counts what was chosen
        self._listing = Listing(ACTIVE)
        self._wanted = self._checked(period, every, metric, segment, (), compare)

        self._words = words = Words.of(data.settings.report)
        self._controls = Controls(self._at_hand, words, self._go)
        self._status = Progress(words, "rk-status")
        self._status.cancel.on_click(lambda _: self._work.cancel(CONTENT))
        self._cards = markup("rk-cards")
        self._tabs = Tabs(words, Asked(lambda: self._go(self._wanted), self._list, self._save))
        self._reporting = Reporting(data, words, self._building, output, lambda: self._wanted)
        self._front = Front(labels=_labels(words))
        super().__init__(children=[self._controls, self._status, self._cards, self._tabs, self._reporting, self._front])
        self.add_class("rk-explorer")
        self._go(self._wanted)

    def __repr__(self) -> str:
        segment = f", segment={self.segment!r}" if self.segment else ""
        return f"Explorer(period={self.period!r}, metric={self.metric!r}{segment})"

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(f"The explorer has no {name!r} to set: {did_you_mean(name, CHOSEN)}")
        super().__setattr__(name, value)

    def close(self) -> None:
        """End what runs, and close all widgets of it."""
        if self.comm is None:  # closed already, or not made because something was wrong
            return
        self._turn += 1  # of what was chosen nothing is shown any more
        for work in (self._work, self._building):
            work.end()
        for widget in list(_parts(self)):
            W.Widget.close(widget)

    @T.validate(*CHOSEN)
    def _validate(self, proposal: T.Bunch) -> object:
        """What is set is checked with all else that is chosen, which may change with it."""
        if self._is_following:
            return proposal["value"]
        name, value = proposal["trait"].name, proposal["value"]
        if name == "every":
            self._proposed = self._controls.of_length(self._wanted, check_every(value))
        else:
            chosen = {"period": self.period, "every": self.every, "metric": self.metric, "compare": self.compare}
            chosen |= {"segment": self._wanted.column, "values": self.values if name != "segment" else ()}
            self._proposed = self._checked(**(chosen | {name: value}))
        return getattr(self._proposed, name) if name != "period" else str(self._proposed.period)

    @T.observe(*CHOSEN)
    def _set(self, _: object) -> None:
        if not self._is_following:
            self._go(self._proposed)

    def _follow(self, selection: Selection) -> None:
        """Take a selection over, so that what is chosen reads as it and observers hear of it, once each."""
        self._wanted, self._is_following = selection, True
        try:
            with self.hold_trait_notifications():
                for name in CHOSEN:
                    setattr(self, name, str(selection.period) if name == "period" else getattr(selection, name))
        finally:
            self._is_following = False

    # What is only read.

    @property
    def parameters(self) -> dict[str, str]:
        """What a template takes to show the same: period, every, segment, language, data."""
        return self._wanted.parameters(self._data)

    @property
    def scorecard(self) -> pd.DataFrame:
        """The scorecard behind what is shown: the trend's periods, and this period by segment value where chosen."""
        return self._settled().scorecard.copy()

    @property
    def customers(self) -> pd.DataFrame:
        """All customers of the list that is chosen in their table."""
        chosen, listing = self._settled().selection, self._listing
        return self._ask(lambda data: Content(data, chosen, self._computed).customers(listing)).copy()

    @property
    def pack(self) -> Pack | None:
        """The last report that was built here; one that is being built is waited for."""
        self._building.wait(REPORT)
        return self._reporting.pack

    def wait(self) -> Explorer:
        """Until what was chosen is shown; raises what kept it from being shown."""
        self._settled()
        return self

    def show_customers(self, kind: str = ACTIVE, *, cohort: str = "", period: str = "") -> None:
        """Show a list of customers, or with a cohort and a period those of a cell, as a click on the heat map does.

        Raises UnknownNameError where there is no such list, PeriodError for what is no period of the chosen length.
        """
        self._list(checked_listing(self._at_hand, self.every, kind, cohort, period))

    def build_report(self) -> None:
        """Build the report of what is chosen, meanwhile, as the button does; `pack` waits for it."""
        self._reporting.build()

    def open_as_notebook(self) -> Path | None:
        """Write what is chosen as a notebook into the working directory, as the button does."""
        return self._reporting.write()

    # What happens.

    def _checked(self, *given: Any, **named: Any) -> Selection:
        return self._ask(lambda data: checked(data, *given, **named))

    def _ask(self, question: Callable[[Dataset], Any]) -> Any:
        """The answer from what is at hand, else from the engine, which is waited for."""
        try:
            return question(self._at_hand)
        except DataError:
            answers: list[Any] = []
            self._work.start(Task(QUESTION, [Step("", lambda: question(self._data))], answers.append, answers.append))
            self._wait(QUESTION)
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    def _settled(self) -> Content:
        """What is shown, once it is what was chosen last; raises what kept it from being shown."""
        self._wait(CONTENT)
        if self._shown is None and self._error is None:  # what was first asked for was cancelled, and that was said
            self._go(self._wanted)
            self._wait(CONTENT)
        if self._error is not None:
            error, self._error = self._error, None
            raise DataError(self._words.text("explorer.cancelled")) if isinstance(error, Cancelled) else error
        assert self._shown is not None, "the work has neither ended nor failed"
        return self._shown

    def _wait(self, kind: str) -> None:
        try:
            self._work.wait(kind)
        except KeyboardInterrupt:
            self._work.cancel(kind)
            raise

    def _go(self, selection: Selection) -> None:
        """Show a selection: at once where all is at hand, else when it has been computed."""
        self._follow(selection)
        self._error, self._turn = None, self._turn + 1
        if not fits(self._listing, selection.every):
            self._listing = Listing(ACTIVE)
        content, tab = Content(self._at_hand, selection, self._computed), self._tabs.current
        listing = self._listing if tab == "customers" else None
        steps = content.steps(listing)
        try:
            for step in steps:
                step.run()
            is_at_hand = Picture.is_loaded()
        except DataError:
            is_at_hand = False
        if is_at_hand:
            self._work.drop(CONTENT)
            self._show(content)
            return
        shown = self._shown
        is_known = shown is not None and shown.selection.column == selection.column
        self._controls.set(selection, shown.values() if shown and is_known else [])
        charts = Step(self._words.text("explorer.step.charts"), load_pictures)
        self.add_class("rk-busy")
        self._status.work(self._words.text("explorer.begun"), 0, len(steps) + 1)

        def now(act: Callable[..., None], turn: int = self._turn) -> Callable[..., None]:
            """Only while nothing else has been chosen since."""
            return lambda *said: act(*said) if turn == self._turn else None

        done = now(lambda _: self._show(Content(self._at_hand, selection, self._computed)))
        steps = [*Content(self._data, selection, self._computed).steps(listing), charts]
        self._work.start(Task(CONTENT, steps, done, now(self._failed), now(self._progress)))

    def _show(self, content: Content) -> None:
        selection = content.selection
        try:
            if self._shown is None or self._shown.selection != selection:
                self._cards.value = cards_html(content.cards())
            self._controls.set(selection, content.values())
            self._tabs.draw(content, self._listing)
            self._shown = content
        except Exception as error:
            self._failed(error)
            return
        self._status.rest(content.state())
        self.remove_class("rk-busy")
        self._work.prepare(self._steps_ahead(selection))

    def _steps_ahead(self, shown: Selection) -> Iterator[Step]:
        """What it takes to list customers, and to show what may be chosen next."""
        yield from Content(self._data, shown, self._computed).list_steps(self._listing)
        for selection in next_selections(self._at_hand, shown):
            key = selection.period, selection.segment, selection.values
            if key in self._prepared:
                continue
            for step in Content(self._data, selection, self._computed).steps_ahead():
                if self._building.is_running:  # which is waited for
                    return
                yield step
            self._prepared.add(key)

    def _progress(self, name: str, done: int, total: int) -> None:
        self._status.work(self._words.text("explorer.computing", step=name), done, total)

    def _failed(self, error: Exception) -> None:
        """Back to what is shown, and a sentence."""
        is_cancelled = isinstance(error, Cancelled)
        self._error = None if is_cancelled and self._shown else error
        if self._shown is not None:
            self._follow(self._shown.selection)
            self._controls.set(self._wanted, self._shown.values())
        message = self._words.text("explorer.cancelled") if is_cancelled else sentence(error, self._words)
        self._status.rest(message, is_error=not is_cancelled)
        self.remove_class("rk-busy")

    def _list(self, listing: Listing) -> None:
        """Go to a list of customers."""
        self._listing, tab = listing, TABS.index("customers")
        if self._tabs.selected_index == tab:
            self._go(self._wanted)
        else:
            self._tabs.selected_index = tab  # which opens it

    def _save(self) -> None:
        try:
            text = frame_csv(self.customers)
        except Exception as error:
            self._status.rest(sentence(error, self._words), is_error=True)
        else:
            self._front.save(FILE, text)

    def _interrupt(self) -> None:
        if self._data.engine is not None:
            self._data.engine.interrupt()

    def _clean(self) -> None:
        """Of a step that was broken off, nobody knows which views stand."""
        if self._data.engine is not None:
            with self._data.engine.lock:  # the other work's stand, until they are asked for again
                self._data.engine.prepared.clear()


def _in_language(data: Dataset, language: str) -> Dataset:
    """The same data, whose settings have another first language; raises SettingsError where it has no words."""
    if not isinstance(language, str):
        raise SettingsError("{name} must be a text, not {text!r}.", name="language", text=language)
    report = data.settings.report
    Words(language, report.currency)
    languages = [language, *(one for one in report.languages if one != language)]
    return replace(data, settings=structs.replace(data.settings, report=structs.replace(report, languages=languages)))


def _parts(widget: W.Widget) -> Iterator[W.Widget]:
    """A widget and all that are in it, with their layouts and styles."""
    for child in getattr(widget, "children", ()):
        yield from _parts(child)
    yield from (part for name in ("layout", "style") if isinstance(part := getattr(widget, name, None), W.Widget))
    yield widget


def _labels(words: Words) -> dict[str, dict[str, str]]:
    """What browsers and screen readers are told: attributes by selector."""
    live = {"role": "status", "aria-live": "polite"}
    progress = {"role": "progressbar", "aria-label": words.text("explorer.progress")}
    return {
        ":root": {
            "role": "group",
            "aria-label": words.text("explorer.title"),
            "lang": words.language,
            "dir": words.direction,
        },
        ".rk-status .rk-said": live,
        ".rk-building .rk-said": live,
        ".rk-status .progress": progress,
        ".rk-building .progress": progress,
        ".rk-cards": {"role": "region", "aria-label": words.text("explorer.cards")},
    }
