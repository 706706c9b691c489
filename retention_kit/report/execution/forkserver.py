"""The fork server: a process of one thread that has imported what notebooks need, and forks a kernel for each of them.

`kernels` starts it, `python -P -m retention_kit.report.execution.forkserver FD`, and asks for kernels on the socket FD. However the run
ends, that socket closes; then every kernel is ended, and the server after them. For each kernel comes a socket of its
own, on which the server tells its process id and at last its exit code, and the kernel between them that it is ready.
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
from contextlib import suppress
from importlib import import_module
from types import ModuleType

# Importing vl-convert is harmless, but once used its threads are missed in a fork; so nothing here draws.
IMPORTED = ("ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "numpy", "pandas", "altair", "duckdb",
            "jinja2", "vl_convert", "retention_kit.metrics.snapshot", "retention_kit.report.page")  # fmt: skip
# What a kernel imports as it starts, by names that may change.
STARTING = ("ipykernel.debugger", "IPython.core.debugger", "IPython.core.completerlib", "IPython.core.oinspect",
            "IPython.extensions.storemagic", "tornado.platform.asyncio", "tornado.queues", "babel.dates",
            "encodings.idna", "faulthandler", "pdb")  # fmt: skip
LONGEST = 70  # characters of a folder for temporary files, as the path of a socket may have 104 or 108 in all


def main() -> None:
    """Import, tell the folder for the kernels' sockets, and serve; in a forked process: be its kernel."""
    control, parent = socket.socket(fileno=int(sys.argv[1])), os.getppid()
    gc.disable()  # while imports make what stays
    _import()
    _warm()
    gc.collect()
    gc.freeze()  # what is here stays shared with the kernels
    gc.enable()
    place = _private()
    with suppress(BrokenPipeError):  # the run may be over by now
        control.sendall(f"{place}\n".encode())
    if asked := _serve(control, parent):
        _be_kernel(*asked)
    else:
        shutil.rmtree(place, ignore_errors=True)


def _import() -> None:
    """What kernels need. The debugger, which no notebook of a batch meets, would take longer than pandas: it is left out."""
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]  # None bars an import
    modules.setdefault("debugpy", None)  # ipykernel does without what cannot be imported
    for name in IMPORTED:
        import_module(name)
    for name in STARTING:
        with suppress(ImportError):
            import_module(name)
    if modules["debugpy"] is None:
        del modules["debugpy"]  # a notebook's own wish is another matter


def _private() -> str:
    """A new folder with a path short enough for sockets; empty where there is none, and ports have to serve."""
    roots = [root for root in (tempfile.gettempdir(), "/tmp") if len(root) <= LONGEST]
    return tempfile.mkdtemp(prefix="rk-", dir=roots[0]) if roots else ""


def _warm() -> None:
    """Do once what the first chart of every kernel would do: read locales, schemas and templates."""
    import pandas as pd

    from retention_kit.report.blocks import Block
    from retention_kit.report.charts.series import trend
    from retention_kit.wording import Words

    row = {"metric": "", "label": "", "unit": "fraction", "value": 0.5, "n": 1, "low": 0.4, "high": 0.6}
    rows = pd.DataFrame([row | {"period": f"2011-{month}", "complete": True} for month in (10, 11)])
    drawing = trend(rows, Words("en"), goal=0.5)
    assert drawing is not None, "two known values are a trend"
    for block in (Block("chart", alt=drawing.alt, spec=drawing.spec), Block("notice", title="")):
        block._repr_mimebundle_()


def _serve(control: socket.socket, parent: int) -> tuple[dict, socket.socket] | None:
    """Fork a kernel for every request; returns the request in the forked process, None when the run is over."""
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    kernels: dict[int, socket.socket] = {}
    with control, woken, waker, selectors.DefaultSelector() as events:
        for one in (control, woken):
            events.register(one, selectors.EVENT_READ)
        while os.getppid() == parent:  # another process may hold the socket open: a fork of the run
            for event, _ in events.select(timeout=1):
                if event.fileobj is woken:
                    woken.recv(4096)
                    _reap(kernels)
                    continue
                if (request := _receive(control)) is None:
                    _end(kernels)
                    return None
                told = request[1]
                try:
                    is_kernel = _fork(kernels, told)
                except OSError:  # closed without a word: this kernel cannot be had, others may
                    told.close()
                    continue
                if is_kernel:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for other in kernels.values():
                        other.close()
                    return request
        _end(kernels)
        return None


def _fork(kernels: dict[int, socket.socket], told: socket.socket) -> bool:
    """Fork a kernel, which waits until its process id has been told; gives whether this is it. Raises OSError."""
    ends = os.pipe()
    with os.fdopen(ends[0], "rb", 0) as wait, os.fdopen(ends[1], "wb", 0) as go:
        pid = os.fork()
        if not pid:
            go.close()
            wait.read(1)  # until the other side is closed as well
            return True
        _lead(pid)
        kernels[pid] = told
        if not _tell(told, f"{pid}\n"):
            _kill(pid)
    return False


def _receive(control: socket.socket) -> tuple[dict, socket.socket] | None:
    """One request, and the kernel's socket that came with it; None where the run is over or was cut off."""
    size = array.array("i").itemsize
    try:
        head, extra, *_ = control.recvmsg(4, socket.CMSG_SPACE(size))
    except ConnectionResetError:  # it ended before it read where the sockets are
        return None
    if len(head) < 4 or not extra:
        return None
    told = socket.socket(fileno=array.array("i", extra[0][2][:size])[0])
    wanted, text = int.from_bytes(head, "big"), b""
    while len(text) < wanted:
        if not (more := control.recv(wanted - len(text))):
            return None
        text += more
    return json.loads(text), told


def _reap(kernels: dict[int, socket.socket]) -> None:
    """Tell how kernels ended; what they started and left behind ends with them."""
    while kernels:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        _kill(pid)
        if told := kernels.pop(pid, None):
            _tell(told, f"{os.waitstatus_to_exitcode(status)}\n")
            told.close()


def _end(kernels: dict[int, socket.socket]) -> None:
    for pid in kernels:
        _kill(pid)
    for pid in kernels:
        os.waitpid(pid, 0)


def _kill(pid: int) -> None:
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _lead(pid: int) -> None:
    """A kernel and what it starts are a group, signalled together; both sides say so, whichever comes first."""
    with suppress(OSError):
        os.setpgid(pid, pid)


def _tell(told: socket.socket, text: str) -> bool:
    """Whether somebody waits for this kernel still."""
    try:
        told.sendall(text.encode())
    except OSError:
        return False
    return True


def _be_kernel(asked: dict, told: socket.socket) -> None:
    """What a fork shares with its siblings is set apart, then it is a kernel like any other."""
    import numpy as np
    from ipykernel.kernelapp import IPKernelApp

    _lead(os.getpid())
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    os.chdir(asked["cwd"])
    random.seed()
    np.random.seed()
    application = IPKernelApp.instance(parent_handle=os.getppid())  # it ends where its parent has gone
    application.initialize(asked["arguments"])
    _tell(told, "ready\n")
    told.close()
    application.start()
    leave(0)


def leave(code: int) -> None:
    """End as any Python does, but let the system take the memory: freeing it piece by piece takes longer than starting did.

    What was left open is written first as well: a kernel that hangs after that is killed.
    """
    _flush()
    threading._shutdown()  # type: ignore[attr-defined]  # private: joins what is no daemon, as an exit does
    atexit._run_exitfuncs()
    _flush()
    os._exit(code)


def _flush() -> None:
    for one in gc.get_objects():
        if isinstance(one, io.IOBase):
            with suppress(Exception):
                one.flush()


if __name__ == "__main__":
    main()
