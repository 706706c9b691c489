"""Moments by which a step is over, whatever the other side does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import TIMEOUT_MAX, Thread, Timer
from time import monotonic
from typing import Any


class Late(Exception):
    """It was not done in time."""


def by(moment: float, work: Callable[[], Any]) -> Any:
    """What `work` gives up to then, of `monotonic`; raises Late where it is not done.

    For what cannot be ended, such as a look-up of a name: it is left alone then.
    """
    future: Future = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return future.result(min(max(0, moment - monotonic()), TIMEOUT_MAX))
    except TimeoutError:
        if future.done():
            raise
        raise Late from None


@contextmanager
def within(end: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call `end`, which ends a connection, once the time is over: whoever waits for it then finds it lost."""
    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
