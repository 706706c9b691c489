"""The kernels of the batch: this very Python, whatever kernels the machine has registered.

Where the system can fork, kernels are forked from one process that has imported what notebooks need (`forkserver`). It
is started once, serves all packs that this process builds, and ends with it. A command that has done nothing yet forks
that process from itself. Elsewhere, and where it cannot be started or a kernel of it does not come up, kernels are
started as ever.
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
# -P: a file in the working directory, where the data may lie, is no module of Python's.
_PYTHON = [sys.executable, "-P", "-m"]
_LAUNCH = [*_PYTHON, "ipykernel_launcher"]
STARTING, ENDING = 60, 1  # seconds that a kernel or the server may take to start, and to end when asked to


class _Forked:
    """A forked kernel, as the fork server reports it: what a provisioner asks of a process."""

    stdin = stdout = stderr = None

    def __init__(self, channel: socket.socket):
        """Waits until the kernel can be talked to, so that a client's first call is answered."""
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
        """Closed without a word, the socket says that the server is gone, and nobody else would end the kernel."""
        if not line.strip():
            self.kill()
        self.returncode = int(line.strip() or -signal.SIGKILL)
        self._channel.close()

    def wait(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int) -> None:
        """To the kernel and what it started; nothing where it has ended."""
        if self.returncode is None:
            with suppress(OSError):
                os.killpg(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class _ForkedServer:
    """The process of a fork server that was forked from this one: what is asked of a Popen."""

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
        """The exit code, once it has ended; raises TimeoutExpired."""
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
        start_new_session=True,  # Ctrl-C is for the run alone, which then ends its kernels
    )


class ForkServer:
    """The fork server as a client: asked for kernels by any thread, ended by `close` or when this process ends.

    `fork`: it is forked from this process, and so texts have other hashes in every run, as they have here.
    """

    def __init__(self, fork: bool = False) -> None:
        own, other = socket.socketpair()
        with other:
            self._process = _ForkedServer(forkserver.fork(other)) if fork else _execute(other)
        self.has_own_hashes = not fork
        self._control, self._asking, self._numbers = own, threading.Lock(), count()
        self._place: str | None = None

    @property
    def place(self) -> str:
        """Where the kernels' sockets lie, once all is imported; empty where no path is short enough.

        Raises OSError, at once when asked again, where the server does not start.
        """
        with self._asking:
            if self._place is None:
                self._control.settimeout(STARTING)
                line = b""
                with suppress(TimeoutError), self._control.makefile("rb", buffering=0) as lines:
                    line = lines.readline()
                self._control.settimeout(None)
                if not line:
                    self._process.kill()
                    raise BrokenPipeError("The fork server could not be started.")
                self._place = line.decode().strip()
        return self._place

    @property
    def was_ready(self) -> bool:
        return self._place is not None

    def next_name(self) -> str:
        """A name in `place` that no kernel has had."""
        return str(Path(self.place) / f"kernel-{next(self._numbers)}")

    def fork(self, arguments: list[str], env: dict[str, str], cwd: str) -> _Forked:
        """Ask for a kernel; raises OSError where the server is gone."""
        own, other = socket.socketpair()
        text = json.dumps({"arguments": arguments, "env": env, "cwd": cwd}).encode()
        with other, self._asking:
            socket.send_fds(self._control, [len(text).to_bytes(4, "big")], [other.fileno()])
            self._control.sendall(text)
        return _Forked(own)

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """End the kernels, then the server; one that is not ready yet has none."""
        if not self.was_ready and not select.select([self._control], [], [], 0)[0]:
            self._process.kill()
        self._control.close()
        try:
            self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._place:
            shutil.rmtree(self._place, ignore_errors=True)  # the server's own care, unless it was killed

    def forget(self) -> None:
        """In a fork of this process: the server is the other one's."""
        self._control.close()


_servers: list[ForkServer] = []
_starting = threading.Lock()


def can_fork() -> bool:
    """Whether kernels are forked here. On macOS its own libraries do not bear a fork once they are in use."""
    return hasattr(os, "fork") and sys.platform != "darwin"


def prepare(for_others: bool = False) -> ForkServer | None:
    """The fork server of this process, started where there is none, without waiting until it is ready.

    `for_others`: for code that is not ours, whose sets have the same order in every run. One that never came up is not
    tried again. None where kernels are not forked or no further process is started.
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
    """Whether this process has no threads, and used nothing yet that starts some: a fork would lack them."""
    return threading.active_count() == 1 and sys.modules.keys().isdisjoint(forkserver.THREADED)


@atexit.register
def close() -> None:
    """End the fork servers of this process, if it has any; the next kernel starts another."""
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
    """The fork server that a kernel's manager uses; raises OSError where it has none."""
    if isinstance(manager, KernelManager) and manager.server:
        return manager.server
    raise BrokenPipeError("There is no fork server.")


class ForkedProvisioner(LocalProvisioner):
    """A process for each kernel, as ever, but forked: see `forkserver`."""

    async def launch_kernel(self, cmd: list[str], **how: Any) -> KernelConnectionInfo:
        """Fork a kernel; where none comes up, an ordinary one is started in its stead."""
        where, process = str(how.get("cwd") or Path.cwd()), None
        with suppress(OSError):  # the server is gone
            process = _server_of(self.parent).fork(cmd[len(_LAUNCH) :], how["env"], where)
        if process is None or process.returncode is not None:
            return await super().launch_kernel(cmd, **how)
        self.process = process  # type: ignore[assignment]  # it has what a provisioner asks of a Popen
        self.pid = self.pgid = process.pid
        self.cwd = where
        return self.connection_info

    async def shutdown_requested(self, restart: bool = False) -> None:  # noqa: ARG002  as overridden
        """Wait closely for what takes a moment; the manager would look ten times a second only.

        A fork that hangs at its end is then killed: its notebook is complete, and what it left open was written first.
        """
        if not await self._has_ended() and isinstance(self.process, _Forked):
            self.process.kill()
            await self._has_ended()

    async def wait(self) -> int | None:
        await self._has_ended()
        return await super().wait()

    async def _has_ended(self) -> bool:
        """Whether the kernel ends in the time it has."""
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
        # What a kernel says to its terminal is not the user's concern; what fails comes back in the notebook.
        # Nor does what it runs belong in the user's history, a file that kernels would wait for each other to write.
        command = [*_LAUNCH, "-f", "{connection_file}", "--log-level=CRITICAL", "--HistoryManager.enabled=False"]
        forked = (
            {"kernel_provisioner": {"provisioner_name": NAME}}
            if isinstance(self.parent, KernelManager) and self.parent.server
            else {}
        )
        return KernelSpec(argv=command, display_name=NAME, language="python", metadata=forked)


class KernelClient(AsyncKernelClient):
    """Asks a kernel whether it is ready, and does not wait for what else it might say."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        seconds = STARTING if timeout is None else timeout
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.kernel_info()
            try:
                await self.get_shell_msg(timeout=1)
                await self.get_iopub_msg(timeout=0.2)  # where none comes, the channel is not connected yet
            except Empty:
                if not (isinstance(self.parent, KernelManager) and await self.parent.is_alive()):
                    raise RuntimeError("The kernel died before it was ready.") from None
            else:
                return
        raise RuntimeError(f"The kernel was not ready within {seconds} seconds.")


class KernelManager(AsyncKernelManager):
    """Starts a kernel, forked where that is possible, without a kernelspec on the user's machine."""

    for_others = True  # whether it may run code that is not ours

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.server: ForkServer | None = None
        try:
            if (server := prepare(self.for_others)) and server.place:
                # A socket's path is relative to the working directory, unless it is told otherwise.
                self.transport, self.connection_file = "ipc", f"{server.next_name()}.json"
            self.server = server
        except OSError:  # it cannot be started here
            pass

    @default("kernel_spec_manager")
    def _own_spec(self) -> KernelSpecManager:
        return _OwnSpec(parent=self)

    @default("client_factory")
    def _own_client(self) -> type[AsyncKernelClient]:
        return KernelClient


class OwnKernelManager(KernelManager):
    """The same for notebooks of this package alone."""

    for_others = False
