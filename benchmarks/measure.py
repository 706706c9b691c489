"""Time and peak memory of commands, each a process of its own, repeated by turns: A B A B …, so that ratios are of one
run.

It imports nothing heavy: a child's peak memory begins with that of its parent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

EVERY = 0.2  # seconds between two looks at the memory of a tree of processes


class Failed(Exception):
    """A command that ended badly, with its last words."""


class Sample(NamedTuple):
    """One run: seconds of the clock, peak memory of the whole tree of processes in bytes, the JSON it printed, and the
    processor's seconds of that tree.
    """

    seconds: float
    memory: int
    output: Mapping[str, Any] = {}
    processor: float = 0


Case = Callable[[], dict[str, Sample]]  # runs once; what it measured, by name


def run(command: list[str | Path], **environment: str) -> Sample:
    """Run a command; one that prints JSON as its last line may tell its own figures.

    `seconds` are then without imports and loading, `memory` the peak up to a point.
    """
    command, environment = [str(part) for part in command], {**os.environ, **environment}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        start = perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=errors, env=environment)
        largest, done = [0], threading.Event()
        watch = threading.Thread(target=_watch, args=(child.pid, largest, done))
        watch.start()
        try:
            _, status, used = os.wait4(child.pid, 0)
            seconds = perf_counter() - start
        except BaseException:
            child.kill()
            raise
        finally:
            done.set()
            watch.join()
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if child.returncode:
            raise Failed(f"{' '.join(map(str, command))} failed:\n{errors.read()[-2000:]}")
        facts = _json(out.read())
    memory = facts.get("memory", max(used.ru_maxrss * 1024, largest[0]))
    return Sample(facts.get("seconds", seconds), memory, facts, used.ru_utime + used.ru_stime)


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def case(name: str, command: list[str | Path], **environment: str) -> Case:
    """A case that is one command."""
    return lambda: {name: run(command, **environment)}


def together(samples: list[Sample]) -> Sample:
    """Runs one after another as one."""
    return Sample(sum(sample.seconds for sample in samples), max(sample.memory for sample in samples))


def measure_rounds(cases: list[Case], rounds: int, say: Callable[[str], None] = say) -> dict[str, list[Sample]]:
    """Every case once a round; what each name measured, in the order of rounds."""
    samples: dict[str, list[Sample]] = {}
    for _ in range(rounds):
        for run_case in cases:
            for name, sample in run_case().items():
                samples.setdefault(name, []).append(sample)
                used = f", {sample.processor:.3g} s of the processor" if sample.processor else ""
                say(f"{name}: {sample.seconds:.3g} s, {sample.memory / 2**20:.0f} MiB{used}")
    return samples


def _json(text: str) -> dict[str, Any]:
    last = text.rstrip().rpartition("\n")[2]
    return json.loads(last) if last.startswith("{") else {}


def _watch(root: int, largest: list[int], done: threading.Event) -> None:
    """Keep the largest sum over a tree of processes; what they share is counted once (Linux only)."""
    while Path("/proc").is_dir() and not done.wait(EVERY):
        largest[0] = max(largest[0], sum(map(_proportional, _tree(root))))


def _tree(root: int) -> list[int]:
    processes = [root]
    for process in processes:  # grows while it is read
        try:
            threads = list(Path(f"/proc/{process}/task").iterdir())
            processes += [int(child) for thread in threads for child in (thread / "children").read_text().split()]
        except OSError:
            pass  # has ended
    return processes


def _proportional(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
