"""Runs the notebooks of packs in parallel, and draws the charts of each finished notebook."""

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
Result = list[tuple["NotebookNode", str]]  # the executed notebook and its error or "", for each language
Progress = Callable[[str, int, int], None]  # called with a finished section, how many are finished, and the total


class Workers:
    """The thread pools of a run: for `jobs` notebooks, in the order of their packs, and for drawing charts."""

    def __init__(self, jobs: int = 2):
        self.jobs = max(1, jobs)
        self.notebooks, self.charts = ThreadPoolExecutor(self.jobs), ThreadPoolExecutor(drawing.MOST)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for running tasks, and cancel those that have not started."""
        self.notebooks.shutdown(cancel_futures=True)
        self.charts.shutdown(cancel_futures=True)


# The report shortens long frames and writes all rows to a file, so pandas must not shorten them before.
FRAMES = "import pandas\npandas.set_option('display.max_rows', 20_000)\n"


class Execution(NamedTuple):
    """The executed notebooks by stem, and a sentence for each that failed."""

    notebooks: dict[str, NotebookNode]
    failures: list[str]


class NotebookRun:
    """The running notebooks of one plan: `result` waits for them, `cancel` ends them."""

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
            for task in reversed(alone):  # the last sections have the charts that take longest
                self._futures[workers.notebooks.submit(self._run, *task)] = task
            queue = deque[Future[Result]]()
            for task in reversed(shared):
                queue.append(Future())
                self._futures[queue[-1]] = task
            # Not `as_completed` or `wait`: an interrupt in them may leave locks of futures held forever.
            self._ended: SimpleQueue[Future[Result]] = SimpleQueue()
            for future in self._futures:
                future.add_done_callback(self._ended.put)
            for _ in range(min(workers.jobs, len(queue))):
                self._loops.append(workers.notebooks.submit(self._run_shared, queue))
        except BaseException:
            self.cancel()
            raise

    def _run_shared(self, queue: deque[Future[Result]]) -> None:
        """Run sections from a queue until it is empty, in one kernel, which is replaced after an error."""
        with library.Kernel() as kernel, suppress(IndexError):  # the queue is empty
            while True:
                future = queue.popleft()
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(self._run(*self._futures[future], kernel))
                    except BaseException as error:
                        future.set_exception(error)

    def _run(self, section: library.Section, languages: list[str], kernel: library.Kernel | None = None) -> Result:
        """Run a section in these languages, in `kernel`, or each in a new one."""
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
        """Wait for all notebooks and their charts; raises the exception that ended the run, such as an interrupt."""
        try:
            for _ in self._futures:
                future = self._ended.get()
                if not future.cancelled():
                    future.result()  # raises the exception that cancelled the others
        except BaseException:  # the notebooks of the next pack must not start
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
        """End running notebooks and drop waiting ones."""
        self._cancel_waiting()
        for loop in self._loops:
            loop.cancel()
        futures: list[Future[Any]] = [*self._futures, *self._loops]
        while any(future.running() for future in futures):  # repeated, as a kernel may just be starting
            library.stop(self._clients)
            sleep(0.1)

    def _cancel_waiting(self) -> None:
        futures: list[Future[Any]] = [*self._futures, *self._charts]
        for future in futures:
            future.cancel()


def _tasks(plan: Plan) -> tuple[list[Task], list[Task]]:
    """Sections with their languages: those that share kernels, and those with users' code, which run alone."""
    has_plugins = bool(plan.page.data.settings.report.plugins)
    shared = [section for section in plan.chosen if section.is_ours and not has_plugins]
    others = [section for section in plan.chosen if section not in shared]
    return (
        [(section, plan.languages) for section in shared],
        [(section, [language]) for language in plan.languages for section in others],
    )


def runs_others(plan: Plan) -> bool:
    """Whether a plan runs code of users: templates or plug-ins."""
    return bool(_tasks(plan)[1])


@contextmanager
def run_notebooks(plan: Plan, workers: Workers, progress: Progress) -> Iterator[NotebookRun]:
    """Start every chosen section in every language; notebooks that still run at the end of the context are ended.

    Kernels read the computed summaries from a snapshot, in a private folder, as it is a pickle, which can run code. The
    next run deletes the folder of a killed one. The folder also has the kernels' IPython settings, since a user's own
    may run code.
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
