"""Kernels for notebooks, which run this Python, whatever kernels are registered on the machine.

Where the system can fork, kernels are forked from one process that has imported the packages of notebooks (see
`forkserver`). It is started once, serves all packs that this process builds, and ends with it. A command that has not
used any threads forks that process from itself. On other systems, and where the fork server or one of its kernels does
not start, kernels are started as separate processes.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib.metadata import EntryPoint
from itertools import count
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import default

from retention_kit.report.execution import forkserver

NAME = "retention-kit"
_MODULE = "retention_kit.report.execution.forkserver"
# -P: files in the working directory, which may hold the data, must not shadow modules.
_PYTHON = [sys.executable, "-P", "-m"]
_LAUNCH = [*_PYTHON, "ipykernel_launcher"]
STARTING, ENDING = 60, 1  # seconds that a kernel or the server may take to start, and to end on request


class _Forked:
    """A forked kernel with the methods of `subprocess.Popen` that a provisioner calls."""

    stdin = stdout = stderr = None

    def __init__(self, channel: socket.socket):
        """Wait until the kernel is ready, so that a client's first request is answered."""
        self._channel = channel
        self.returncode: int | None = None
        channel.settimeout(STARTING)
        with channel.makefile("rb", buffering=0) as lines:
            if not (number := lines.readline()):
                raise BrokenPipeError("The fork server has ended.")
            self.pid = int(number)
            try:
                line = lines.readline()
            except TimeoutError:
                self.kill()
                line = b""
        channel.settimeout(None)
        if line != b"ready\n":
            self._end(line)

    def poll(self) -> int | None:
        """The exit code; None while the kernel runs."""
        if self.returncode is None:
            with suppress(BlockingIOError):
                self._end(self._channel.recv(64, socket.MSG_DONTWAIT))
        return self.returncode

    def _end(self, line: bytes) -> None:
        """Set the exit code; if the socket was closed without one, the server has died, and the kernel is killed."""
        if not line.strip():
            self.kill()
        self.returncode = int(line.strip() or -signal.SIGKILL)
        self._channel.close()

    def wait(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the kernel and its child processes, unless it has ended."""
        if self.returncode is None:
            with suppress(OSError):
                os.killpg(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class _ForkedServer:
    """A fork server that was forked from this process, with the methods of `subprocess.Popen` that are called."""

    def __init__(self, pid: int):
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float = STARTING) -> int:
        """Wait for the exit code; raises TimeoutExpired."""
        until = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(_MODULE, timeout)
            time.sleep(0.002)
        return code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def _execute(control: socket.socket) -> subprocess.Popen:
    return subprocess.Popen(
        [*_PYTHON, _MODULE, str(control.fileno())],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        pass_fds=[control.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches this process only, which then ends its kernels
    )


class ForkServer:
    """A client of the fork server: thread-safe; the server ends with `close` or with this process.

    `fork`: whether it is forked from this process; then hashes of texts differ between runs, as in this process.
    """

    def __init__(self, fork: bool = False) -> None:
        own, other = socket.socketpair()
        with other:
            self._process = _ForkedServer(forkserver.fork(other)) if fork else _execute(other)
        self.has_own_hashes = not fork
        self._control, self._asking, self._numbers = own, threading.Lock(), count()
        self._sockets: str | None = None

    @property
    def sockets(self) -> str:
        """The folder of the kernels' sockets, empty if no path is short enough; waits until the server is ready.

        Raises OSError if the server does not start; then later calls raise it at once.
        """
        with self._asking:
            if self._sockets is None:
                self._control.settimeout(STARTING)
                line = b""
                with suppress(TimeoutError), self._control.makefile("rb", buffering=0) as lines:
                    line = lines.readline()
                self._control.settimeout(None)
                if not line:
                    self._process.kill()
                    raise BrokenPipeError("The fork server could not be started.")
                self._sockets = line.decode().strip()
        return self._sockets

    @property
    def was_ready(self) -> bool:
        return self._sockets is not None

    def next_name(self) -> str:
        """A path in `sockets` that no kernel has used."""
        return str(Path(self.sockets) / f"kernel-{next(self._numbers)}")

    def fork(self, arguments: list[str], env: dict[str, str], cwd: str) -> _Forked:
        """Request a kernel; raises OSError if the server has ended."""
        own, other = socket.socketpair()
        text = json.dumps({"arguments": arguments, "env": env, "cwd": cwd}).encode()
        with other, self._asking:
            socket.send_fds(self._control, [len(text).to_bytes(4, "big")], [other.fileno()])
            self._control.sendall(text)
        return _Forked(own)

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """End the kernels, then the server; a server that is not ready is killed."""
        if not self.was_ready and not select.select([self._control], [], [], 0)[0]:
            self._process.kill()
        self._control.close()
        try:
            self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._sockets:
            shutil.rmtree(self._sockets, ignore_errors=True)  # the server deletes it, unless it was killed

    def forget(self) -> None:
        """Release the server in a fork of this process, to whose parent it belongs."""
        self._control.close()


_servers: list[ForkServer] = []
_starting = threading.Lock()


def can_fork() -> bool:
    """Whether kernels are forked on this system; libraries of macOS may crash in a fork after they were used."""
    return hasattr(os, "fork") and sys.platform != "darwin"


def prepare(for_others: bool = False) -> ForkServer | None:
    """The fork server of this process, which is started if there is none, without waiting until it is ready.

    `for_others`: for code of users, which gets the same hashes, and so the same order of sets, in every run. A server
    that failed to start is not tried again. None if kernels are not forked, or no process can be started.
    """
    if not can_fork():
        return None
    with _starting:
        for server in _servers:
            if server.was_ready and not server.is_alive():
                server.close()
                _servers.remove(server)
        for server in _servers:
            if server.has_own_hashes or not for_others:
                return server
        with suppress(OSError):
            _servers.append(ForkServer(fork=not for_others and _is_unused()))
            return _servers[-1]
        return None


def _is_unused() -> bool:
    """Whether this process has no threads and has imported no package that starts some, which a fork would lack."""
    return threading.active_count() == 1 and sys.modules.keys().isdisjoint(forkserver.THREADED)


@atexit.register
def close() -> None:
    """End the fork servers of this process; the next kernel starts another."""
    with _starting:
        servers, _servers[:] = _servers[:], []
    for server in servers:
        server.close()


def _forget() -> None:
    global _starting
    servers, _servers[:], _starting = _servers[:], [], threading.Lock()
    for server in servers:
        server.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _server_of(manager: object) -> ForkServer:
    """The fork server of a kernel manager; raises OSError if it has none."""
    if isinstance(manager, KernelManager) and manager.server:
        return manager.server
    raise BrokenPipeError("There is no fork server.")


class ForkedProvisioner(LocalProvisioner):
    """Starts kernels by forking them: see `forkserver`."""

    async def launch_kernel(self, cmd: list[str], **how: Any) -> KernelConnectionInfo:
        """Fork a kernel; if that fails, start a separate process."""
        where, process = str(how.get("cwd") or Path.cwd()), None
        with suppress(OSError):  # the server has ended
            process = _server_of(self.parent).fork(cmd[len(_LAUNCH) :], how["env"], where)
        if process is None or process.returncode is not None:
            return await super().launch_kernel(cmd, **how)
        self.process = process  # type: ignore[assignment]  # it has the methods of Popen that are called
        self.pid = self.pgid = process.pid
        self.cwd = where
        return self.connection_info

    async def shutdown_requested(self, restart: bool = False) -> None:  # noqa: ARG002  as overridden
        """Wait with a short interval, since a kernel ends at once and the manager would poll every 0.1 s.

        A fork that hangs at its end is then killed: its notebook is complete, and its open files were flushed.
        """
        if not await self._has_ended() and isinstance(self.process, _Forked):
            self.process.kill()
            await self._has_ended()

    async def wait(self) -> int | None:
        await self._has_ended()
        return await super().wait()

    async def _has_ended(self) -> bool:
        """Whether the kernel ends within ENDING seconds."""
        until = time.monotonic() + ENDING
        while await self.poll() is None and time.monotonic() < until:
            await asyncio.sleep(0.002)
        return await self.poll() is not None


KernelProvisionerFactory.provisioners[NAME] = EntryPoint(
    NAME, f"{__name__}:{ForkedProvisioner.__name__}", KernelProvisionerFactory.GROUP_NAME
)


class _OwnSpec(KernelSpecManager):
    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        if kernel_name != NAME:
            return super().get_kernel_spec(kernel_name)
        # No log on the terminal, as errors are in the notebook; no history, as kernels would wait for its lock.
        command = [*_LAUNCH, "-f", "{connection_file}", "--log-level=CRITICAL", "--HistoryManager.enabled=False"]
        forked = (
            {"kernel_provisioner": {"provisioner_name": NAME}}
            if isinstance(self.parent, KernelManager) and self.parent.server
            else {}
        )
        return KernelSpec(argv=command, display_name=NAME, language="python", metadata=forked)


class KernelClient(AsyncKernelClient):
    """A client that does not wait for further messages of a kernel that has answered."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        seconds = STARTING if timeout is None else timeout
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.kernel_info()
            try:
                await self.get_shell_msg(timeout=1)
                await self.get_iopub_msg(timeout=0.2)  # without one, the channel is not connected yet
            except Empty:
                if not (isinstance(self.parent, KernelManager) and await self.parent.is_alive()):
                    raise RuntimeError("The kernel died before it was ready.") from None
            else:
                return
        raise RuntimeError(f"The kernel was not ready within {seconds} seconds.")


class KernelManager(AsyncKernelManager):
    """Starts a kernel, forked if possible, without a kernelspec on the user's machine."""

    for_others = True  # whether it may run users' code

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.server: ForkServer | None = None
        try:
            if (server := prepare(self.for_others)) and server.sockets:
                # By default the path of a socket would be relative to the working directory.
                self.transport, self.connection_file = "ipc", f"{server.next_name()}.json"
            self.server = server
        except OSError:  # it cannot be started
            pass

    @default("kernel_spec_manager")
    def _own_spec(self) -> KernelSpecManager:
        return _OwnSpec(parent=self)

    @default("client_factory")
    def _own_client(self) -> type[AsyncKernelClient]:
        return KernelClient


class OwnKernelManager(KernelManager):
    """A kernel manager for notebooks of this package only."""

    for_others = False
