"""The terminal of a command: streams, signals and progress.

The run continues if standard output or error fail, and its exit code is correct.
"""

from __future__ import annotations

import codecs
import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO, cast

from retention_kit.cli.language import section

if TYPE_CHECKING:
    from socket import socket

    from rich.progress import TaskID

_HANDLER = "retention-kit-plain"
_FORCED = {"FORCE_COLOR", "TTY_COMPATIBLE"}  # environment variables that force terminal output
# Replacements for characters of texts and tables that an encoding lacks.
_PLAIN = {
    **dict.fromkeys(map(ord, "\u2212\u2013\u2014\u2011\u2500"), "-"),
    **dict.fromkeys(map(ord, "\u00a0\u202f\u2009"), " "),
    **dict.fromkeys(map(ord, "\u2018\u2019"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d"), '"'),
    **str.maketrans({"\u2502": "|", "\u2026": "...", "\u00b7": ".", "\u00d7": "x", "\u00b1": "+/-"}),
    **str.maketrans({"\u2264": "<=", "\u2265": ">=", "\u2192": "->"}),
}


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: a similar character, such as a minus, else a backslash escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    replacement = error.object[error.start : error.end].translate(_PLAIN)
    return replacement.encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error(_HANDLER, _plain)


class Stream:
    """A stream that never raises: after a failed write further output is dropped; `error` is the reason."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self.error: Exception | None = None
        with suppress(AttributeError, ValueError, OSError):
            cast(TextIOWrapper, stream).reconfigure(errors=_HANDLER)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if self.error is None:
            try:
                self._stream.write(text)
            except (OSError, ValueError) as error:  # ValueError: the stream is closed
                self._give_up(error)
        return len(text)

    def writelines(self, lines: Any) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        if self.error is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._give_up(error)

    def isatty(self) -> bool:
        try:
            return self._stream.isatty()
        except (OSError, ValueError):
            return False

    @property
    def is_lost(self) -> bool:
        """Whether output was lost, other than by a reader that stopped reading, such as `head`."""
        return self.error is not None and getattr(self.error, "errno", None) not in (errno.EPIPE, errno.EINVAL)

    def _give_up(self, error: Exception) -> None:
        """Redirect buffered output to the null device, else it would raise again when the process ends."""
        self.error = error
        with suppress(AttributeError, OSError, ValueError):
            number = self._stream.fileno()
            devnull = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(devnull, number)
            finally:
                os.close(devnull)


def _stream(stream: TextIO | None) -> Stream:
    return Stream(stream if stream is not None else open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123


@contextmanager
def robust_streams() -> Iterator[tuple[Stream, Stream]]:
    """Replace standard output and error with streams that never raise; yields both."""
    original = sys.stdout, sys.stderr
    streams = _stream(sys.stdout), _stream(sys.stderr)
    sys.stdout, sys.stderr = streams
    try:
        yield streams
    finally:
        for stream in streams:
            stream.flush()
        sys.stdout, sys.stderr = original


def fill_descriptors() -> None:
    """Open missing standard descriptors on the null device, so that no file of ours gets their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


class Interrupts:
    """A context in which SIGINT and SIGTERM raise KeyboardInterrupt and set `is_interrupted`.

    A query of the embedded engine, during which Python handles no signals, is ended by a thread that calls
    `end_queries`, once `listen` has been called. Outside the main thread it does nothing.
    """

    def __init__(self, end_queries: Callable[[], None]):
        self.is_interrupted, self._end_queries, self._ended = False, end_queries, threading.Event()
        self._handlers: dict[int, Any] = {}
        self._sender: socket | None = None
        self._previous_wakeup = -1

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGTERM:
                    self._handlers[number] = signal.signal(number, self._interrupt)
            self._unraisable, sys.unraisablehook = sys.unraisablehook, self._repeat
        return self

    def listen(self) -> None:
        """Start the thread; before, this process can be forked."""
        if self._handlers:
            from socket import socketpair  # late: help needs none

            receiver, self._sender = socketpair()
            self._sender.setblocking(False)
            threading.Thread(target=self._listen, args=(receiver,), daemon=True).start()
            self._previous_wakeup = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)

    def __exit__(self, *_: object) -> None:
        if self._handlers:
            self._ended.set()
            sys.unraisablehook = self._unraisable
        if self._sender:
            signal.set_wakeup_fd(self._previous_wakeup)
            self._sender.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _interrupt(self, number: int, _: object) -> None:
        self.is_interrupted, self._number = True, number
        raise KeyboardInterrupt

    def _repeat(self, unraisable: Any) -> None:
        """Repeat an interrupt that was raised in a finalizer, where Python ignores it."""
        if unraisable.exc_type is KeyboardInterrupt:
            threading.Timer(0.01, os.kill, (os.getpid(), self._number)).start()
        else:
            self._unraisable(unraisable)

    def _listen(self, receiver: socket) -> None:
        """End queries repeatedly from the first interrupt until the command has ended, as new ones may begin."""
        with receiver, suppress(OSError):
            while numbers := receiver.recv(64):
                while {*numbers} & {*self._handlers} and not self._ended.is_set():
                    self.is_interrupted = True
                    self._end_queries()
                    self._ended.wait(0.2)


@contextmanager
def progress() -> Iterator[Callable[[str, str, int, int], None]]:
    """Show progress: a bar for each current pack in a terminal, else a line for each finished section."""
    if not sys.stderr.isatty() and _FORCED.isdisjoint(os.environ):  # the test of Rich, whose import is slow
        yield _write_line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _write_line
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    # Other output is printed above the bars, unless stdout is a file or pipe.
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as bars:

        def update(task: str, name: str, done: int, total: int) -> None:
            if task not in tasks:
                tasks[task] = bars.add_task(task, total=total)
                for finished in [*tasks.values()][:-2]:  # a pack is assembled while the notebooks of the next run
                    bars.update(finished, visible=False)
            bars.update(tasks[task], completed=done, total=total, description=f"{task} {section(name)}")

        yield update


def _write_line(task: str, name: str, done: int, total: int) -> None:
    """Write a line for a finished section; in one write, as several threads call it."""
    if name:
        sys.stderr.write(f"{task} {done}/{total} {section(name)}\n")
