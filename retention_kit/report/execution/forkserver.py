"""The fork server: a single-threaded process that has imported the packages of notebooks and forks kernels.

`kernels` starts it as `python -P -m retention_kit.report.execution.forkserver FD` and requests kernels on socket FD;
or forks it from a command that has done nothing yet, so that common packages are imported once. However the run ends,
that socket closes; then all kernels are killed, and the server exits. Each request comes with its own socket: the
server writes the process id and finally the exit code to it, and the kernel writes that it is ready.
"""

from __future__ import annotations

import array
import atexit
import gc
import io
import json
import os
import random
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType

# Importing vl-convert is harmless, but once it is used a fork lacks its threads; so nothing is drawn here.
IMPORTED = ("ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "numpy", "pandas", "altair", "duckdb",
            "jinja2", "vl_convert", "retention_kit.metrics.snapshot",
            "retention_kit.report.page")  # fmt: skip  # words by the line
# What commands that build reports import, too; and packages after whose use a process cannot be forked.
SHARED = ("numpy", "pandas", "altair", "duckdb", "jinja2", "papermill", "retention_kit.metrics.snapshot",
          "retention_kit.report.page")  # fmt: skip  # words by the line
THREADED = ("numpy", "pandas", "duckdb", "typst", "vl_convert")
# Imports of a starting kernel; these names may change.
STARTING = ("ipykernel.debugger", "IPython.core.debugger", "IPython.core.completerlib", "IPython.core.oinspect",
            "IPython.extensions.storemagic", "tornado.platform.asyncio", "tornado.queues", "babel.dates",
            "encodings.idna", "faulthandler", "pdb")  # fmt: skip  # words by the line
MAX_PATH = 70  # characters of a temporary folder's path, as that of a socket is limited to 104 or 108


def fork(control: socket.socket) -> int:
    """Import the common packages and fork the server from this process; returns the server's process id."""
    with _blocked_import("anywidget"):  # Altair needs it for widgets only; it takes half of the import's time
        for name in SHARED:
            import_module(name)
    parent = os.getpid()
    if pid := os.fork():
        return pid
    try:
        _detach(control)
        _run(control, parent)
        os._exit(0)
    finally:  # never continue as the command
        os._exit(1)


def _detach(control: socket.socket) -> None:
    """Give up the command's terminal, streams, files, locks and signal handlers."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.unraisablehook = sys.__unraisablehook__
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    os.closerange(3, control.fileno())
    os.closerange(control.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    os.close(null)
    if not sys.flags.safe_path:
        del sys.path[0]  # the folder of a script or the working directory, where the data may lie


def main() -> None:
    """Serve requests on the socket given on the command line."""
    _run(socket.socket(fileno=int(sys.argv[1])), os.getppid())


def _run(control: socket.socket, parent: int) -> None:
    """Import packages, send the path of the folder for the kernels' sockets, and serve; in a fork, run its kernel."""
    gc.disable()  # most objects of imports stay
    _import()
    _warm()
    gc.collect()
    gc.freeze()  # keeps these objects' memory shared with the kernels
    gc.enable()
    folder = _socket_folder()
    with suppress(BrokenPipeError):  # the run may be over by now
        control.sendall(f"{folder}\n".encode())
    if request := _serve(control, parent):
        _run_kernel(*request)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _import() -> None:
    """Import the packages of kernels, except the debugger, which is not used and takes longer than pandas."""
    with _blocked_import("debugpy"):
        for name in IMPORTED:
            import_module(name)
        for name in STARTING:
            with suppress(ImportError):
                import_module(name)


@contextmanager
def _blocked_import(name: str) -> Iterator[None]:
    """A context in which importing a module fails, unless it is imported already."""
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]  # None makes an import fail
    modules.setdefault(name, None)
    try:
        yield
    finally:
        if modules[name] is None:
            del modules[name]  # a notebook may import it


def _socket_folder() -> str:
    """The path of a new folder, short enough for sockets; empty if none is (then kernels use ports)."""
    roots = [root for root in (tempfile.gettempdir(), "/tmp") if len(root) <= MAX_PATH]
    return tempfile.mkdtemp(prefix="rk-", dir=roots[0]) if roots else ""


def _warm() -> None:
    """Fill caches that the first chart of every kernel would fill: translations, locales, schemas and templates."""
    import pandas as pd

    from retention_kit.report.blocks import Block
    from retention_kit.report.charts.series import trend
    from retention_kit.wording import Words, languages

    row = {"metric": "", "label": "", "unit": "fraction", "value": 0.5, "n": 1, "low": 0.4, "high": 0.6}
    rows = pd.DataFrame([row | {"period": f"2011-{month}", "complete": True} for month in (10, 11)])
    drawing = trend(rows, Words("en"), goal=0.5)
    assert drawing is not None, "two known values are a trend"
    for language in languages():
        words = Words(language)
        assert all((words.period("2011-11"), words.value(0.5, "fraction"), words.value(5, "money")))
    for block in (Block("chart", alt=drawing.alt, spec=drawing.spec), Block("notice", title="")):
        block._repr_mimebundle_()


def _serve(control: socket.socket, parent: int) -> tuple[dict, socket.socket] | None:
    """Fork a kernel for every request; returns the request in the fork, and None in the server when the run is over."""
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    kernels: dict[int, socket.socket] = {}
    with control, woken, waker, selectors.DefaultSelector() as events:
        for descriptor in (control, woken):
            events.register(descriptor, selectors.EVENT_READ)
        while os.getppid() == parent:  # a fork of the run may keep the socket open
            for event, _ in events.select(timeout=1):
                if event.fileobj is woken:
                    woken.recv(4096)
                    _reap(kernels)
                    continue
                if (request := _receive(control)) is None:
                    _end(kernels)
                    return None
                channel = request[1]
                try:
                    is_kernel = _fork(kernels, channel)
                except OSError:  # closing it tells that this kernel has failed; others may succeed
                    channel.close()
                    continue
                if is_kernel:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for other in kernels.values():
                        other.close()
                    return request
        _end(kernels)
        return None


def _fork(kernels: dict[int, socket.socket], channel: socket.socket) -> bool:
    """Fork a kernel, which waits until its process id is sent; returns whether this is the fork. Raises OSError."""
    ends = os.pipe()
    with os.fdopen(ends[0], "rb", 0) as wait, os.fdopen(ends[1], "wb", 0) as go:
        if not (pid := os.fork()):
            go.close()
            wait.read(1)  # until the other side is closed as well
            return True
        _make_group(pid)
        kernels[pid] = channel
        if not _send_line(channel, f"{pid}\n"):
            _kill(pid)
    return False


def _receive(control: socket.socket) -> tuple[dict, socket.socket] | None:
    """Receive a request and the kernel's socket; returns None if the run is over or was interrupted."""
    size = array.array("i").itemsize
    try:
        head, extra, *_ = control.recvmsg(4, socket.CMSG_SPACE(size))
    except ConnectionResetError:  # the run ended before it read our first line
        return None
    if len(head) < 4 or not extra:
        return None
    channel = socket.socket(fileno=array.array("i", extra[0][2][:size])[0])
    size_wanted, text = int.from_bytes(head, "big"), b""
    while len(text) < size_wanted:
        if not (more := control.recv(size_wanted - len(text))):
            return None
        text += more
    return json.loads(text), channel


def _reap(kernels: dict[int, socket.socket]) -> None:
    """Report the exit codes of kernels that ended; their leftover child processes are killed."""
    while kernels:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        _kill(pid)
        if channel := kernels.pop(pid, None):
            _send_line(channel, f"{os.waitstatus_to_exitcode(status)}\n")
            channel.close()


def _end(kernels: dict[int, socket.socket]) -> None:
    for pid in kernels:
        _kill(pid)
    for pid in kernels:
        os.waitpid(pid, 0)


def _kill(pid: int) -> None:
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _make_group(pid: int) -> None:
    """Make a kernel and its children one process group; server and kernel both do, whichever comes first."""
    with suppress(OSError):
        os.setpgid(pid, pid)


def _send_line(channel: socket.socket, text: str) -> bool:
    """Send a line about a kernel; returns whether the other side is still open."""
    try:
        channel.sendall(text.encode())
    except OSError:
        return False
    return True


def _run_kernel(request: dict, channel: socket.socket) -> None:
    """Run a kernel in a fork, with its own environment, working directory and random seeds."""
    import numpy as np
    from ipykernel.kernelapp import IPKernelApp

    _make_group(os.getpid())
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["cwd"])
    random.seed()
    np.random.seed()
    application = IPKernelApp.instance(parent_handle=os.getppid())  # it exits when its parent does
    application.initialize(request["arguments"])
    _send_line(channel, "ready\n")
    channel.close()
    application.start()
    exit_quickly(0)


def exit_quickly(code: int) -> None:
    """Exit like Python does, but without freeing objects one by one, which takes longer than the start.

    Open files are flushed before exit functions, too, as a kernel that hangs in those is killed.
    """
    _flush()
    threading._shutdown()  # type: ignore[attr-defined]  # private: joins what is no daemon, as an exit does
    atexit._run_exitfuncs()
    _flush()
    os._exit(code)


def _flush() -> None:
    objects = gc.get_objects()
    streams = {kind for kind in set(map(type, objects)) if issubclass(kind, io.IOBase)}
    for obj in objects:  # a million objects of few classes
        if type(obj) in streams:
            with suppress(Exception):
                obj.flush()


if __name__ == "__main__":
    main()
