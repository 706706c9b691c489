"""Notebooks run, several at once and of several packs, their charts drawn as each is done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager
from time import sleep
from typing import TYPE_CHECKING

from retention_kit.data.engines.private_folders import private_path
from retention_kit.errors import ReportError
from retention_kit.metrics.snapshot import SNAPSHOT, save_snapshot
from retention_kit.report.execution import templates as library
from retention_kit.report.export import drawing

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from papermill.clientwrap import PapermillNotebookClient

    from retention_kit.report.execution.plan import Plan

    Executed = tuple[dict[str, NotebookNode], list[str]]  # by stem, and what failed


class Workers:
    """The threads of a run: `jobs` notebooks at once, in the order of their packs, and charts beside them."""

    def __init__(self, jobs: int):
        self.notebooks, self.charts = ThreadPoolExecutor(max(1, jobs)), ThreadPoolExecutor(drawing.MOST)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for what runs; what has not begun by now, never does."""
        self.notebooks.shutdown(cancel_futures=True)
        self.charts.shutdown(cancel_futures=True)


# A long frame is cut by the page, which has the rest in a file, and not already by pandas.
FRAMES = "import pandas\npandas.set_option('display.max_rows', 20_000)\n"


@contextmanager
def executing(
    plan: Plan, workers: Workers, progress: Callable[[str, int, int], None]
) -> Iterator[Callable[[], Executed]]:
    """Run every chosen section in every language meanwhile; gives what waits for them. To leave it early ends them.

    The summaries are computed once and handed over in a file. It lies in a folder of this user's alone, as it is a
    pickle: who could write it could run code here. What a killed run has left of it is taken away by the next one.
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
            raise ReportError(f"The summaries could not be written to {str(private)!r}: {error.strerror}.") from error
        own = {SNAPSHOT: str(snapshot), "IPYTHONDIR": str(private / "ipython"), "PYTHONHASHSEED": "0"}
        with _running(plan, {**os.environ, **own}, workers, progress) as collected:
            yield collected
    finally:
        shutil.rmtree(private, ignore_errors=True)


@contextmanager
def _running(
    plan: Plan, environment: dict[str, str], workers: Workers, progress: Callable[[str, int, int], None]
) -> Iterator[Callable[[], Executed]]:
    from retention_kit.report.export import exporters

    tasks = [(section, language) for language in plan.languages for section in plan.chosen]
    futures: dict[Future, tuple[library.Section, str]] = {}
    charts: list[Future] = []
    clients: list[PapermillNotebookClient] = []
    done = 0

    def one(task: tuple[library.Section, str]) -> tuple[NotebookNode, str]:
        nonlocal done
        section, language = task
        try:
            made = library.run(plan.notebooks[section.name], plan.parameters(section, language), environment, clients)
            charts.extend(workers.charts.submit(exporters.draw, spec) for spec in exporters.specs(made[0]))
            done += 1
            progress(section.name, done, len(tasks))
        except BaseException:
            for future in [*futures]:
                future.cancel()
            raise
        return made

    def collected() -> Executed:
        executed, failures = {}, []
        try:
            for future in as_completed(futures):
                if not future.cancelled():
                    future.result()  # raises what has cancelled the others
        except BaseException:  # the run is over: the next pack's notebooks are not to begin instead
            workers.notebooks.shutdown(wait=False, cancel_futures=True)
            raise
        for future, (section, language) in reversed(futures.items()):
            executed[plan.stem(section, language)], problem = future.result()
            if problem:
                failures.append(f"{section.name} ({language}): {problem}")
        wait(charts)
        return executed, failures

    progress("", 0, len(tasks))
    try:
        for task in reversed(tasks):  # what is read last is run first: its charts take longest
            futures[workers.notebooks.submit(one, task)] = task
        yield collected
    except BaseException:
        for future in [*futures, *charts]:
            future.cancel()
        while any(future.running() for future in futures):  # one may be about to start its kernel
            library.stop(clients)
            sleep(0.1)
        raise
