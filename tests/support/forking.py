"""A process that runs a piece of work for each line that it is sent, each time in a child that may be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOP = """
import os, sys
print("ready", flush=True)
for line in sys.stdin:
    if child := os.fork():
        print(child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)
    else:
        try:
            run(line.strip())
        finally:
            os._exit(0)
"""


def in_memory() -> tempfile.TemporaryDirectory:
    """A folder whose writing costs nothing, where there is one: a kill is no power cut."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


@contextmanager
def start_process(program: str, *arguments: str | Path, **environment: str) -> Iterator[subprocess.Popen]:
    """A process whose `program` defines `run(line)`, and imports all that it needs before the first fork."""
    command = [sys.executable, "-c", program + _LOOP, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


def run_once(process: subprocess.Popen, line: str = "", meanwhile: Callable[[int], object] = lambda _: None) -> None:
    """Let a run begin, call `meanwhile` with its process number, and wait until it is done or dead."""
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    meanwhile(int(process.stdout.readline()))
    assert process.stdout.readline() == "ended\n"
