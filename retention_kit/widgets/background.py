"""Runs slow work in a thread, so that the kernel stays responsive: steps, progress, results and cancellation.

Only these threads query the engine. Callbacks run in the kernel's own thread: on the event loop that was running when
the task was started, or in the caller of `wait`.
"""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Any

_SWITCH_INTERVAL = 0.0005  # seconds
_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def _shut_down_all() -> None:
    """A thread that is still running a query when Python exits would crash the process."""
    for worker in list(_workers):
        with suppress(Exception):
            worker.shut_down()


class Cancelled(Exception):
    """The task was cancelled; none of its results are shown."""


@dataclass(frozen=True)
class Step:
    """One step of a task, with its name for the progress bar."""

    name: str
    run: Callable[[], Any]


@dataclass
class Task:
    """Steps in order, and callbacks: `progress(name, done, total)`, then either `done(result of the last step)` or
    `failed(error)`.
    """

    kind: str
    steps: list[Step]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]
    progress: Callable[[str, int, int], None] = lambda *_: None
    is_cancelled: bool = False
    is_stale: bool = False  # replaced by a newer task of its kind
    wake: Callable[[], None] = field(default=lambda: None, repr=False)

    def check(self) -> None:
        """Raise Cancelled if the task is cancelled or stale; long steps call it themselves."""
        if self.is_cancelled or self.is_stale:
            raise Cancelled


class Worker:
    """A thread that runs tasks; of each kind only the newest is queued. While none is, it runs prefetch steps."""

    def __init__(
        self,
        interrupt: Callable[[], None],
        clean_up: Callable[[], None],
        is_exclusive: Callable[[], bool] = lambda: True,
    ):
        """`interrupt` stops the engine's current query; `clean_up` is called in the thread after a step has failed.

        Unless `is_exclusive`, the engine may be running another worker's query: then a cancelled task ends only after
        its current step.
        """
        self._interrupt, self._clean_up, self._is_exclusive = interrupt, clean_up, is_exclusive
        self._queue: deque[Task] = deque()
        self._callbacks: deque[Callable[[], None]] = deque()
        self._running: Task | None = None
        self._prefetch_steps: Iterator[Step] = iter(())
        self._is_prefetching = False
        self._change, self._callback_lock = threading.Condition(threading.RLock()), threading.RLock()
        self._thread: threading.Thread | None = None
        _workers.add(self)

    def start(self, task: Task) -> None:
        """Queue a task; its callbacks run on the current event loop if there is one, else in `wait`."""
        task.wake = self._make_wake()
        with self._change:
            self.drop(task.kind)
            self._queue.append(task)
            self._start_thread()
            self._change.notify_all()

    def prefetch(self, steps: Iterable[Step]) -> None:
        """Run these steps while no task is queued, in place of earlier ones; their results and errors are ignored.

        A task that is started meanwhile waits for the current step. Without an event loop the steps are not run, since
        no other task could be started before they have ended.
        """
        if (loop := _running_loop()) is None:
            return
        with self._change:
            self._prefetch_steps = takewhile(lambda _: not loop.is_closed(), steps)
            self._start_thread()

    def drop(self, kind: str) -> None:
        """Discard the tasks of a kind without callbacks; a running one ends after its current step."""
        with self._change:
            self._queue = deque(task for task in self._queue if task.kind != kind)
            if self._running and self._running.kind == kind:
                self._running.is_stale = True

    def cancel(self, kind: str) -> None:
        """Cancel the running task of a kind and the queued one; `failed(Cancelled())` is called for both."""
        with self._change:
            for task in [task for task in self._queue if task.kind == kind]:
                self._queue.remove(task)
                self._post(task, partial(task.failed, Cancelled()))
            if self._running and self._running.kind == kind:
                self._running.is_cancelled = True
                if self._is_exclusive():
                    self._interrupt()

    def shut_down(self) -> None:
        """Cancel all tasks, and wait up to five seconds for the thread to end."""
        with self._change:
            self._prefetch_steps = iter(())
            thread, kinds = self._thread, {task.kind for task in (*self._queue, *filter(None, [self._running]))}
            for kind in kinds:
                self.cancel(kind)
            if kinds or self._is_prefetching:
                self._interrupt()
        if thread is not None:
            thread.join(5)

    @property
    def is_running(self) -> bool:
        """Whether anything is running; read without the lock, as another worker may hold its own."""
        return self._running is not None or self._is_prefetching

    def is_busy(self, kind: str) -> bool:
        """Whether a task of this kind is running or queued."""
        with self._change:
            return any(task.kind == kind for task in (*self._queue, *filter(None, [self._running])))

    def wait(self, kind: str) -> None:
        """Wait until all tasks of a kind have ended, and run their callbacks in this thread."""
        while True:
            with self._change:
                self._change.wait_for(lambda: self._callbacks or not self.is_busy(kind))
            if not self.run_callbacks():
                return

    def run_callbacks(self) -> bool:
        """Run the pending callbacks; returns whether there were any."""
        has_run = False
        with self._callback_lock:  # a kernel may have several threads of its own
            while self._callbacks:
                self._callbacks.popleft()()
                has_run = True
        return has_run

    def report_progress(self, task: Task, name: str, done: int, total: int) -> None:
        """Queue a task's progress callback, from any thread."""
        self._post(task, lambda: task.progress(name, done, total))

    def _make_wake(self) -> Callable[[], None]:
        """A function that schedules the callbacks; the context says to which message of the kernel output belongs."""
        if (loop := _running_loop()) is None:  # no kernel: callbacks run in `wait`
            return lambda: None
        context = copy_context()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self.run_callbacks, context=context)

        return wake

    def _post(self, task: Task, callback: Callable[[], None]) -> None:
        with self._change:
            self._callbacks.append(callback)
            self._change.notify_all()
        task.wake()

    def _start_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run_tasks, name="retention-kit explorer", daemon=True)
            self._thread.start()

    def _run_tasks(self) -> None:
        while True:
            with self._change:
                task = self._running = self._queue.popleft() if self._queue else None
                step = self._next_prefetch_step() if task is None else None
                self._is_prefetching = step is not None
                if task is None and step is None:  # an idle thread would keep the worker in memory
                    self._thread = None
                    return
            if task is not None:
                callback = self._run(task)
                with self._change:  # together, so that `wait` never sees it ended without its callback
                    self._running = None
                    self._post(task, callback)
                del callback
            elif step is not None:
                self._run_prefetch_step(step)
            del task, step

    def _next_prefetch_step(self) -> Step | None:
        try:
            return next(self._prefetch_steps, None)
        except Exception:  # ignored, as errors of a step are
            return None

    def _run_prefetch_step(self, step: Step) -> None:
        try:
            step.run()
        except Exception:  # a task that runs the same will report it
            self._clean_up()
        self._is_prefetching = False

    def _run(self, task: Task) -> Callable[[], None]:
        """Run a task's steps; returns its final callback."""
        result = None
        try:
            for number, step in enumerate(task.steps):
                task.check()
                self.report_progress(task, step.name, number, len(task.steps))
                result = step.run()
            task.check()
        except Exception as error:
            if not isinstance(error, Cancelled):  # raised between queries
                self._clean_up()
            if task.is_stale:
                return _ignore
            reason = Cancelled() if task.is_cancelled else error
            return lambda: task.failed(reason)
        return lambda: task.done(result)


@contextmanager
def frequent_switches() -> Iterator[None]:
    """Let threads take turns more often than every 5 ms: so long a drawing would wait for the worker that computes,
    wherever it lets go of Python's lock.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _ignore() -> None:
    """The final callback of a stale task."""
