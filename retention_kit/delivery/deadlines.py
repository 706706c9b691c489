"""Deadlines for steps that another machine may delay."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from threading import TIMEOUT_MAX, Thread, Timer
from time import monotonic
from typing import Any


class DeadlineExceeded(Exception):
    """It was not done by its deadline."""


def call_by(deadline: float, work: Callable[[], Any]) -> Any:
    """The result of `work`; raises DeadlineExceeded if it is not done by a moment of `monotonic`.

    For calls that cannot be cancelled, such as name look-ups: their thread is abandoned.
    """
    future: Future = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return future.result(min(max(0, deadline - monotonic()), TIMEOUT_MAX))
    except TimeoutError:
        if future.done():
            raise
        raise DeadlineExceeded from None


@contextmanager
def close_after(close: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call `close` after so many seconds, which ends a connection and with it any waiting on it."""
    timer = Timer(seconds, close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Abortable:
    """A connection whose socket another thread can shut down, even during a handshake."""

    duplicate: socket.socket | None = None
    deadline = float("inf")  # for connecting, of `monotonic`

    def open_socket(self, connect: Callable[[], socket.socket]) -> socket.socket:
        """The socket from `connect`; raises DeadlineExceeded if it is not connected by the deadline."""
        opened: socket.socket = call_by(self.deadline, connect)
        self.duplicate = opened.dup()  # TLS detaches the first
        return opened

    def abort(self) -> None:
        """Shut the connection down from any thread."""
        if self.duplicate:
            with suppress(OSError):
                self.duplicate.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Release the duplicate."""
        if self.duplicate:
            self.duplicate.close()
