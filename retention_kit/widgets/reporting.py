"""Buttons of the explorer that build a report of the selection, or write it as a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

import ipywidgets as W
from markupsafe import Markup

from retention_kit.data.dataset import Dataset
from retention_kit.errors import RetentionKitError, SettingsError
from retention_kit.report.archive.pack import Pack, near
from retention_kit.widgets.background import Cancelled, Step, Task, Worker
from retention_kit.widgets.notebook import write_notebook
from retention_kit.widgets.panels import Progress, boxed
from retention_kit.widgets.selection import Selection
from retention_kit.wording import Words

REPORT = "report"  # kind of task
_FILES = ("report.*.html", "report.*.pdf", "brief.*", "scorecard*.csv")


class Reporting(W.VBox):
    """Two buttons, their progress, and links to the files they have written."""

    def __init__(
        self, data: Dataset, words: Words, worker: Worker, output: str | Path | None, selection: Callable[[], Selection]
    ):
        if not isinstance(output, str | Path | None):
            raise SettingsError("output must be the path of a folder, not {output!r}.", output=output)
        self._data, self._words, self._worker, self._selection = data, words, worker, selection
        self._output = Path(output) if output is not None else output_folder(data)
        self.pack: Pack | None = None
        self.button = W.Button(description=words.text("explorer.build"), button_style="primary")
        self.notebook_button = W.Button(description=words.text("explorer.open"))
        self._progress = Progress(words, "rk-building")
        self._links = W.Output()
        self.button.on_click(lambda _: self.build())
        self.notebook_button.on_click(lambda _: self.write())
        self._progress.cancel.on_click(lambda _: worker.cancel(REPORT))
        super().__init__(
            [boxed("rk-buttons", self.button, self.notebook_button, self._progress, row=True), self._links]
        )
        self.add_class("rk-report")
        self._links.add_class("rk-links")

    def build(self) -> None:
        """Build the report of the current selection in the background."""
        chosen = self._selection()
        period = self._words.period(chosen.period)

        def run() -> Pack:
            from retention_kit.report.build.builder import build_report

            def progress(section: str, done: int, total: int) -> None:
                task.check()
                self._worker.report_progress(task, section, done, total)

            return build_report(
                self._data, chosen.period, segment=chosen.segment, output=self._output, progress=progress
            )

        def show(section: str, done: int, total: int) -> None:
            self._progress.work(self._words.text("explorer.step.report", period=period, section=section), done, total)

        task = Task(REPORT, [Step("", run)], self._built, self._failed, show)
        self.button.disabled = True
        self._link("", ())
        show("", 0, 1)
        self._worker.start(task)

    def write(self) -> Path | None:
        """Write the current selection as a notebook into the working directory; None if that failed."""
        chosen = self._selection()
        try:
            path = write_notebook(self._data, chosen, Path())
        except (RetentionKitError, OSError) as error:
            self._progress.rest(error_message(error, self._words), is_error=True)
            return None
        is_in_memory = self._data.origin.startswith("(")
        self._progress.rest(self._words.text("explorer.not_again") if is_in_memory else "")
        self._link(self._words.text("explorer.written"), [path])
        return path

    def _built(self, pack: Pack) -> None:
        self.pack, self.button.disabled = pack, False
        words, texts = self._words, {"period": self._words.period(pack.period)}
        if pack.failures:
            failed = words.text("explorer.built_failed", failures=words.listed(pack.failures, "semicolon"), **texts)
            self._progress.rest(failed, is_error=True)
        else:
            self._progress.rest(words.text("explorer.built" if pack.is_new else "explorer.built_same", **texts))
        self._link(near(pack.path), [path for pattern in _FILES for path in sorted(pack.path.glob(pattern))])

    def _failed(self, error: Exception) -> None:
        self.button.disabled = False
        self._progress.rest(error_message(error, self._words), is_error=not isinstance(error, Cancelled))

    def _link(self, text: str, paths: Iterable[Path]) -> None:
        """Show links to files, relative to the notebook's folder: JupyterLab resolves them from there.

        `front.js` opens pages in a new tab, as JupyterLab would not run their charts.
        """
        links = [
            Markup('<a href="{}" target="_blank">{}</a>').format(quote(near(path)), self._words.isolate(path.name))
            for path in paths
        ]
        page = Markup("<p>{} {}</p>").format(self._words.isolate(text), Markup(" · ").join(links)) if links else ""
        output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": str(page), "text/plain": ""}}
        self._links.outputs = (output,) if page else ()


def output_folder(data: Dataset) -> Path:
    """The default folder of packs: beside the project, else in the working directory."""
    if not data.origin or data.origin.startswith("("):
        return Path("reports")
    origin = Path(data.origin)
    return (origin if origin.is_dir() else origin.parent) / "reports"


def error_message(error: Exception, words: Words) -> str:
    """An error as a sentence in the reader's language."""
    if isinstance(error, Cancelled):
        return words.text("explorer.cancelled")
    if isinstance(error, RetentionKitError):
        return words.say(error)
    return words.text("explorer.failed", error=f"{type(error).__name__}: {error}".splitlines()[0])
