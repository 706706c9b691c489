"""The way out of the explorer: the report of what is shown, and a notebook that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import ipywidgets as W
from markupsafe import Markup

from retention_kit.errors import RetentionKitError, SettingsError
from retention_kit.report.archive.pack import near
from retention_kit.widgets.background import Cancelled, Step, Task, Work
from retention_kit.widgets.notebook import write_notebook
from retention_kit.widgets.panels import Progress, boxed
from retention_kit.widgets.selection import Selection
from retention_kit.wording import Words

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset
    from retention_kit.report.archive.pack import Pack

KIND = "report"
_FILES = ("report.*.html", "report.*.pdf", "brief.*", "scorecard*.csv")


class Reporting(W.VBox):
    """Two buttons, what they are doing, and links to what they made."""

    def __init__(
        self, data: Dataset, words: Words, work: Work, output: str | Path | None, selection: Callable[[], Selection]
    ):
        if not isinstance(output, str | Path | None):
            raise SettingsError("output must be the path of a folder, not {output!r}.", output=output)
        self._data, self._words, self._work, self._selection = data, words, work, selection
        self._output = Path(output) if output is not None else reports_of(data)
        self.pack: Pack | None = None
        self.button = W.Button(description=words.text("explorer.build"), button_style="primary")
        self.note = W.Button(description=words.text("explorer.open"))
        self._progress = Progress(words, "rk-building")
        self._links = W.Output()
        self.button.on_click(lambda _: self.build())
        self.note.on_click(lambda _: self.write())
        self._progress.cancel.on_click(lambda _: work.cancel(KIND))
        super().__init__([boxed("rk-buttons", self.button, self.note, self._progress, row=True), self._links])
        self.add_class("rk-report")
        self._links.add_class("rk-links")

    def build(self) -> None:
        """Build the report of what is chosen now, meanwhile."""
        chosen = self._selection()
        period = self._words.period(chosen.period)

        def run() -> Pack:
            from retention_kit.report.build.builder import build_report

            def progress(section: str, done: int, total: int) -> None:
                task.check()
                self._work.tell(task, section, done, total)

            return build_report(
                self._data, chosen.period, segment=chosen.segment, output=self._output, progress=progress
            )

        def show(section: str, done: int, total: int) -> None:
            self._progress.work(self._words.text("explorer.step.report", period=period, section=section), done, total)

        task = Task(KIND, [Step("", run)], self._built, self._failed, show)
        self.button.disabled = True
        self._link("", ())
        show("", 0, 1)
        self._work.start(task)

    def write(self) -> Path | None:
        """Write the notebook of what is chosen now into the working directory."""
        chosen = self._selection()
        try:
            path = write_notebook(self._data, chosen, Path())
        except (RetentionKitError, OSError) as error:
            self._progress.rest(sentence(error, self._words), is_error=True)
            return None
        is_kept = self._data.origin.startswith("(")
        self._progress.rest(self._words.text("explorer.not_again") if is_kept else "")
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
        paths = [path for pattern in _FILES for path in sorted(pack.path.glob(pattern))]
        self._link(near(pack.path), paths)

    def _failed(self, error: Exception) -> None:
        self.button.disabled = False
        is_cancelled = isinstance(error, Cancelled)
        self._progress.rest(
            self._words.text("explorer.cancelled") if is_cancelled else sentence(error, self._words),
            is_error=not is_cancelled,
        )

    def _link(self, text: str, paths: Iterable[Path]) -> None:
        """Links that JupyterLab opens: it looks relative ones up from the notebook's folder, as the kernel does.

        Pages are opened in a tab of their own by `front.js`, as JupyterLab would not run their charts.
        """
        places = [near(path) for path in paths]
        names = [self._words.isolate(Path(file).name) for file in places]
        links = [
            Markup('<a href="{}" target="_blank">{}</a>').format(quote(file), name)
            for file, name in zip(places, names, strict=True)
        ]
        page = Markup("<p>{} {}</p>").format(self._words.isolate(text), Markup(" · ").join(links)) if links else ""
        output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": str(page), "text/plain": ""}}
        self._links.outputs = (output,) if page else ()


def reports_of(data: Dataset) -> Path:
    """Where packs go unless show otherwise: beside the project, else in the working directory."""
    if not data.origin or data.origin.startswith("("):
        return Path("reports")
    origin = Path(data.origin)
    return (origin if origin.is_dir() else origin.parent) / "reports"


def sentence(error: Exception, words: Words) -> str:
    """What went wrong, in a sentence."""
    if isinstance(error, RetentionKitError):
        return words.say(error)
    return words.text("explorer.failed", error=f"{type(error).__name__}: {error}".splitlines()[0])
