"""Running notebooks, several at once and of several packs, and drawing their charts as each is done."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from time import sleep
from typing import TYPE_CHECKING, Any, NamedTuple

from retention_kit.data.engines.private_folders import private_path
from retention_kit.errors import ReportError
from retention_kit.metrics.snapshot import SNAPSHOT, save_snapshot
from retention_kit.report.execution import templates as library
from retention_kit.report.export import drawing

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from papermill.clientwrap import PapermillNotebookClient

    from retention_kit.report.execution.plan import Plan

Task = tuple[library.Section, list[str]]  # a section and its languages
Result = list[tuple["NotebookNode", str]]  # for each language the executed notebook, and what went wrong
Progress = Callable[[str, int, int], None]  # the section that is done, how many are, and how many there are


class Workers:
    """The thread pools of a run: `jobs` notebooks at once, in the order of their packs, and charts beside them."""

    def __init__(self, jobs: int = 2):
        self.jobs = max(1, jobs)
        self.notebooks, self.charts = ThreadPoolExecutor(self.jobs), ThreadPoolExecutor(drawing.MOST)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for what runs; what has not begun by now never does."""
        self.notebooks.shutdown(cancel_futures=True)
        self.charts.shutdown(cancel_futures=True)


# A long frame is cut by the page, which has the rest in a file, and not already by pandas.
FRAMES = "import pandas\npandas.set_option('display.max_rows', 20_000)\n"


class Execution(NamedTuple):
    """The executed notebooks by stem, and a sentence for each that failed."""

    notebooks: dict[str, NotebookNode]
    failures: list[str]


class NotebookRun:
    """The notebooks of one plan while they run: `result` waits for them, `cancel` ends them."""

    def __init__(self, plan: Plan, environment: dict[str, str], workers: Workers, progress: Progress):
        self._plan, self._environment, self._workers, self._progress = plan, environment, workers, progress
        self._futures: dict[Future[Result], Task] = {}
        self._loops: list[Future[None]] = []
        self._charts: list[Future[None]] = []
        self._clients: list[PapermillNotebookClient] = []
        self._done = 0
        self._total = len(plan.languages) * len(plan.chosen)
        shared, alone = _tasks(plan)
        progress("", 0, self._total)
        try:
            for task in reversed(alone):  # what is read last is run first: its charts take longest
                self._futures[workers.notebooks.submit(self._run, *task)] = task
            queue = deque[Future[Result]]()
            for task in reversed(shared):
                queue.append(Future())
                self._futures[queue[-1]] = task
            # An interrupt in `as_completed` or `wait` may leave the locks of futures held, and then they never end.
            self._ended: SimpleQueue[Future[Result]] = SimpleQueue()
            for future in self._futures:
                future.add_done_callback(self._ended.put)
            for _ in range(min(workers.jobs, len(queue))):
                self._loops.append(workers.notebooks.submit(self._run_shared, queue))
        except BaseException:
            self.cancel()
            raise

    def _run_shared(self, queue: deque[Future[Result]]) -> None:
        """Sections from a queue until it is empty, in one kernel for as long as all goes well in it."""
        with library.Kernel() as kernel, suppress(IndexError):  # none is left
            while True:
                future = queue.popleft()
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(self._run(*self._futures[future], kernel))
                    except BaseException as error:
                        future.set_exception(error)

    def _run(self, section: library.Section, languages: list[str], kernel: library.Kernel | None = None) -> Result:
        """A section in these languages: each in a kernel of its own, unless one is given."""
        try:
            return [self._run_in(language, section, kernel) for language in languages]
        except BaseException:
            self._cancel_waiting()
            raise

    def _run_in(
        self, language: str, section: library.Section, kernel: library.Kernel | None
    ) -> tuple[NotebookNode, str]:
        from retention_kit.report.export import exporters

        template, parameters = self._plan.notebooks[section.name], self._plan.parameters(section, language)
        executed = library.run(template, parameters, self._environment, self._clients, kernel)
        if kernel is not None and executed[1]:
            kernel.end()
        specs = exporters.specs(executed[0])
        fonts = self._plan.page.data.settings.report.fonts
        self._charts.extend(self._workers.charts.submit(exporters.draw, spec, fonts) for spec in specs)
        self._done += 1
        self._progress(section.name, self._done, self._total)
        return executed

    def result(self) -> Execution:
        """Wait for all notebooks and their charts; raises what ended the run, such as an interrupt."""
        try:
            for _ in self._futures:
                future = self._ended.get()
                if not future.cancelled():
                    future.result()  # raises what has cancelled the others
        except BaseException:  # the run is over: the next pack's notebooks are not to begin instead
            self._workers.notebooks.shutdown(wait=False, cancel_futures=True)
            raise
        notebooks, failures = {}, []
        for future, (section, languages) in reversed(self._futures.items()):
            for language, (notebook, problem) in zip(languages, future.result(), strict=True):
                notebooks[self._plan.stem(section, language)] = notebook
                if problem:
                    failures.append(f"{section.name} ({language}): {problem}")
        for chart in self._charts:
            chart.exception()
        return Execution(notebooks, failures)

    def cancel(self) -> None:
        """End what runs and drop what waits; nothing where all is done."""
        self._cancel_waiting()
        for loop in self._loops:
            loop.cancel()
        futures: list[Future[Any]] = [*self._futures, *self._loops]
        while any(future.running() for future in futures):  # one may be about to start its kernel
            library.stop(self._clients)
            sleep(0.1)

    def _cancel_waiting(self) -> None:
        futures: list[Future[Any]] = [*self._futures, *self._charts]
        for future in futures:
            future.cancel()


def _tasks(plan: Plan) -> tuple[list[Task], list[Task]]:
    """Sections with their languages: those that may share a kernel, and what runs code of others, each alone."""
    has_plugins = bool(plan.page.data.settings.report.plugins)
    shared = [section for section in plan.chosen if section.is_ours and not has_plugins]
    others = [section for section in plan.chosen if section not in shared]
    return (
        [(section, plan.languages) for section in shared],
        [(section, [language]) for language in plan.languages for section in others],
    )


def runs_others(plan: Plan) -> bool:
    """Whether a plan runs code that is not of this package."""
    return bool(_tasks(plan)[1])


@contextmanager
def run_notebooks(plan: Plan, workers: Workers, progress: Progress) -> Iterator[NotebookRun]:
    """Run every chosen section in every language; what still runs at the end of the context is ended.

    The summaries are computed once and handed to the kernels in a file. It lies in a folder of this user's alone, as it
    is a pickle: who could write it could run code here. What a killed run has left of it, the next one removes.
    Kernels have their own settings of IPython there: the user's may run code, or be another user's.
    """
    private = private_path()
    snapshot = private / "summaries"
    try:
        try:
            startup = private / "ipython" / "profile_default" / "startup"
            startup.mkdir(mode=0o700, parents=True)
            private.chmod(0o700)
            (startup / "frames.py").write_text(FRAMES, "utf-8")
            save_snapshot(plan.page.data, snapshot, plan.page.computed)
        except OSError as error:
            template = "The summaries could not be written to {folder!r}: {reason}."
            raise ReportError(template, folder=str(private), reason=error.strerror) from error
        own = {SNAPSHOT: str(snapshot), "IPYTHONDIR": str(private / "ipython"), "PYTHONHASHSEED": "0"}
        run = NotebookRun(plan, {**os.environ, **own}, workers, progress)
        try:
            yield run
        finally:
            run.cancel()
    finally:
        shutil.rmtree(private, ignore_errors=True)
