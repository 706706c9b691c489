"""Slow work in a thread, so that the kernel stays answerable: its steps, its progress, its end and how it is cancelled.

Only such threads ask the engine. What it has to say waits until the kernel's own thread takes it: on the event loop
that was running when the work was asked for, or in whoever waits for the work.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Any

_alive: weakref.WeakSet[Work] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """A thread that is in the middle of a query when Python ends takes the process down with it."""
    for work in list(_alive):
        with suppress(Exception):
            work.end()


class Cancelled(Exception):
    """The work was cancelled; nothing of it is shown."""


@dataclass(frozen=True)
class Step:
    """A named piece of work."""

    name: str
    run: Callable[[], Any]


@dataclass
class Task:
    """Steps in their order, and who hears of them: `progress(name, done, total)`, then one of `done` and
    `failed(error)`.
    """

    kind: str
    steps: list[Step]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]
    progress: Callable[[str, int, int], None] = lambda *_: None
    is_cancelled: bool = False
    is_stale: bool = False  # a newer one of its kind has been asked for
    wake: Callable[[], None] = field(default=lambda: None, repr=False)

    def check(self) -> None:
        """Raise Cancelled where nobody waits for it any more; long steps ask for themselves."""
        if self.is_cancelled or self.is_stale:
            raise Cancelled


class Work:
    """One thread for slow work; at most one task of a kind waits, the newest. While none does, it does what is done
    ahead.
    """

    def __init__(
        self, interrupt: Callable[[], None], clean: Callable[[], None], is_alone: Callable[[], bool] = lambda: True
    ):
        """`interrupt` ends what the engine runs; `clean` is called in the thread when a step was broken off.

        Where the engine is not `is_alone` ours, what it runs may be another's: then cancelled work ends after its step.
        """
        self._interrupt, self._clean, self._is_alone = interrupt, clean, is_alone
        self._waiting: deque[Task] = deque()
        self._callbacks: deque[Callable[[], None]] = deque()
        self._running: Task | None = None
        self._ahead: Iterator[Step] = iter(())
        self._is_ahead = False  # a step of those is running
        self._change, self._hearing = threading.Condition(threading.RLock()), threading.RLock()
        self._thread: threading.Thread | None = None
        _alive.add(self)

    def start(self, task: Task) -> None:
        """Do it after what runs; what it says comes on the event loop that runs here, if any, else when one waits."""
        task.wake = self._waker()
        with self._change:
            self.drop(task.kind)
            self._waiting.append(task)
            self._begin()
            self._change.notify_all()

    def prepare(self, steps: Iterable[Step]) -> None:
        """Do these steps while no task waits, in place of those before; nobody hears of them, nor of errors.

        What is asked for meanwhile waits until the step that runs has ended. Without an event loop they are not done:
        nobody could ask for anything before they are.
        """
        if (loop := _running_loop()) is None:
            return
        with self._change:
            self._ahead = takewhile(lambda _: not loop.is_closed(), steps)
            self._begin()

    def drop(self, kind: str) -> None:
        """Nobody waits for what was asked of this kind: it ends after its step, and is not heard of."""
        with self._change:
            self._waiting = deque(task for task in self._waiting if task.kind != kind)
            if self._running and self._running.kind == kind:
                self._running.is_stale = True

    def cancel(self, kind: str) -> None:
        """End the running task of a kind and forget the waiting one; both hear of it by `failed(Cancelled())`."""
        with self._change:
            for task in [task for task in self._waiting if task.kind == kind]:
                self._waiting.remove(task)
                self._say(task, partial(task.failed, Cancelled()))
            if self._running and self._running.kind == kind:
                self._running.is_cancelled = True
                if self._is_alone():
                    self._interrupt()

    def end(self) -> None:
        """Cancel all of it, and wait a moment until it has ended."""
        with self._change:
            self._ahead = iter(())
            thread, kinds = self._thread, {task.kind for task in (*self._waiting, *filter(None, [self._running]))}
            for kind in kinds:
                self.cancel(kind)
            if kinds or self._is_ahead:
                self._interrupt()
        if thread is not None:
            thread.join(5)

    @property
    def is_running(self) -> bool:
        """Whether anything runs; asked without the lock, as the other work may hold its own."""
        return self._running is not None or self._is_ahead

    def is_busy(self, kind: str) -> bool:
        """Whether something of a kind runs or waits."""
        with self._change:
            return any(task.kind == kind for task in (*self._waiting, *filter(None, [self._running])))

    def wait(self, kind: str) -> None:
        """Until all of a kind is done and what was said has been heard, in this thread."""
        while True:
            with self._change:
                self._change.wait_for(lambda: self._callbacks or not self.is_busy(kind))
            if not self.hear():
                return

    def hear(self) -> bool:
        """Act on what was said; whether there was anything."""
        heard = False
        with self._hearing:  # a kernel may have several threads of its own
            while self._callbacks:
                self._callbacks.popleft()()
                heard = True
        return heard

    def tell(self, task: Task, name: str, done: int, total: int) -> None:
        """How far a task is, from whichever thread does it."""
        self._say(task, lambda: task.progress(name, done, total))

    def _waker(self) -> Callable[[], None]:
        """Wakes whoever is to hear; the context tells the kernel which message it answers."""
        if (loop := _running_loop()) is None:  # no kernel: who wants to know waits
            return lambda: None
        context = copy_context()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self.hear, context=context)

        return wake

    def _say(self, task: Task, what: Callable[[], None]) -> None:
        with self._change:
            self._callbacks.append(what)
            self._change.notify_all()
        task.wake()

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="retention-kit explorer", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._change:
                task = self._running = self._waiting.popleft() if self._waiting else None
                step = self._next_ahead() if task is None else None
                self._is_ahead = step is not None
                if task is None and step is None:  # an idle thread would keep all of this in memory
                    self._thread = None
                    return
            if task is not None:
                last = self._run(task)
                with self._change:  # at once, so that nobody sees it done but unsaid
                    self._running = None
                    self._say(task, last)
                del last
            elif step is not None:
                self._run_ahead(step)
            del task, step

    def _next_ahead(self) -> Step | None:
        try:
            return next(self._ahead, None)
        except Exception:  # as of a step
            return None

    def _run_ahead(self, step: Step) -> None:
        try:
            step.run()
        except Exception:  # whoever asks for the same will hear of it
            self._clean()
        self._is_ahead = False

    def _run(self, task: Task) -> Callable[[], None]:
        """Run a task's steps; gives its last word."""
        result = None
        try:
            for number, step in enumerate(task.steps):
                task.check()
                self.tell(task, step.name, number, len(task.steps))
                result = step.run()
            task.check()
        except Exception as error:
            if not isinstance(error, Cancelled):  # which is raised between queries
                self._clean()
            if task.is_stale:
                return _nothing
            reason = Cancelled() if task.is_cancelled else error
            return lambda: task.failed(reason)
        return lambda: task.done(result)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _nothing() -> None:
    """Of stale work nobody hears."""
