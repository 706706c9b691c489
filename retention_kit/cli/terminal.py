"""What a command shares with its terminal: streams, signals and progress.

Whatever becomes of standard output and error, the run goes on, and its exit code tells the truth.
"""

from __future__ import annotations

import codecs
import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO, cast

from retention_kit.cli.language import section

if TYPE_CHECKING:
    from rich.progress import TaskID

_HANDLER = "retention-kit-plain"
_FORCED = {"FORCE_COLOR", "TTY_COMPATIBLE"}  # environment variables that make a terminal of what is none
# What words and tables are written with, for encodings that lack it.
_PLAIN = {
    **dict.fromkeys(map(ord, "\u2212\u2013\u2014\u2011\u2500"), "-"),
    **dict.fromkeys(map(ord, "\u00a0\u202f\u2009"), " "),
    **dict.fromkeys(map(ord, "\u2018\u2019"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d"), '"'),
    **str.maketrans({"\u2502": "|", "\u2026": "...", "\u00b7": ".", "\u00d7": "x", "\u00b1": "+/-"}),
    **str.maketrans({"\u2264": "<=", "\u2265": ">=", "\u2192": "->"}),
}


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What an encoding lacks in its letters, else by number: a minus stays a minus."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    replacement = error.object[error.start : error.end].translate(_PLAIN)
    return replacement.encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error(_HANDLER, _plain)


class Stream:
    """A stream that never raises: once it cannot be written to, what follows is dropped, and `error` says why."""

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
            except (OSError, ValueError) as error:  # a stream that is closed is a ValueError
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
        """Whether somebody who still wanted what was written has not got it: not one who, like `head`, has left."""
        return self.error is not None and getattr(self.error, "errno", None) not in (errno.EPIPE, errno.EINVAL)

    def _give_up(self, error: Exception) -> None:
        """What is buffered still would be an error again when the process ends: it goes nowhere."""
        self.error = error
        with suppress(AttributeError, OSError, ValueError):
            number = self._stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, number)
            finally:
                os.close(nowhere)


def _stream(stream: TextIO | None) -> Stream:
    return Stream(stream if stream is not None else open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123


@contextmanager
def steady() -> Iterator[tuple[Stream, Stream]]:
    """Let nothing that is printed end the run; gives standard output and error, whatever they are."""
    before = sys.stdout, sys.stderr
    ours = _stream(sys.stdout), _stream(sys.stderr)
    sys.stdout, sys.stderr = ours
    try:
        yield ours
    finally:
        for one in ours:
            one.flush()
        sys.stdout, sys.stderr = before


def fill_descriptors() -> None:
    """Let what a process was started without lead nowhere: else a file of ours would be its standard output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


class Interrupts:
    """While it holds, Ctrl-C and a polite kill are a KeyboardInterrupt, and `came` once one has come.

    Kernels are ended then and temporary folders go. A query of the embedded engine, during which Python does nothing
    else, is ended by a thread of its own, which `end_queries`. Only a main thread may ask for all that.
    """

    def __init__(self, end_queries: Callable[[], None]):
        self.came, self._end_queries, self._over = False, end_queries, threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGTERM:
                    self._before[number] = signal.signal(number, self._interrupt)
            self._woken, self._waker = socket.socketpair()
            self._waker.setblocking(False)
            self._awake = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
            threading.Thread(target=self._listen, args=(self._woken,), daemon=True).start()
            self._unraisable, sys.unraisablehook = sys.unraisablehook, self._again
        return self

    def __exit__(self, *_: object) -> None:
        if self._before:
            self._over.set()
            sys.unraisablehook = self._unraisable
            signal.set_wakeup_fd(self._awake)
            self._waker.close()
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _interrupt(self, number: int, _: object) -> None:
        self.came, self._number = True, number
        raise KeyboardInterrupt

    def _again(self, lost: Any) -> None:
        """An interrupt that came in a finalizer, where Python ignores it, comes once more."""
        if lost.exc_type is KeyboardInterrupt:
            threading.Timer(0.01, os.kill, (os.getpid(), self._number)).start()
        else:
            self._unraisable(lost)

    def _listen(self, woken: socket.socket) -> None:
        """End queries from the first interrupt on, until the command has ended: one may only just have begun."""
        with woken, suppress(OSError):
            while numbers := woken.recv(64):
                while {*numbers} & {*self._before} and not self._over.is_set():
                    self.came = True
                    self._end_queries()
                    self._over.wait(0.2)


@contextmanager
def progress() -> Iterator[Callable[[str, str, int, int], None]]:
    """A bar in a terminal for each pack in work; a line for each finished section elsewhere."""
    if not sys.stderr.isatty() and _FORCED.isdisjoint(os.environ):  # as Rich would say, which takes long to import
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
    # Lines printed meanwhile go above the bars, unless stdout is a file or pipe.
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as bars:

        def tell(what: str, name: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
                for over in [*tasks.values()][:-2]:  # a pack is put together while the next one's notebooks run
                    bars.update(over, visible=False)
            bars.update(tasks[what], completed=done, total=total, description=f"{what} {section(name)}")

        yield tell


def _write_line(what: str, name: str, done: int, total: int) -> None:
    """In one piece, as threads tell at once."""
    if name:
        sys.stderr.write(f"{what} {done}/{total} {section(name)}\n")
