"""Renders Vega-Lite specifications as SVG with vl-convert, here or in other processes, and SVG as PNG.

vl-convert holds the GIL while it draws, so kernels would wait for every picture. A build therefore calls `prepare` for
each report, which starts `python -P -m retention_kit.report.export.drawing FONTS`. That reads one specification a line
and writes one answer a line, both JSON, until its input ends. If it cannot be started, or has ended, pictures are drawn
here. From the second report on there are two processes: for a single report, starting another takes longer than it
saves.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache
from typing import IO

from retention_kit.errors import ReportError

FONT = "IBM Plex Sans Arabic"
MODULE = "retention_kit.report.export.drawing"
MOST = 2  # that draw, at most
_FIRST_SPEC = '{"mark":"bar","data":{"values":[]}}'  # drawing anything initializes Vega


def render_svg(spec: str, fonts: str) -> str:
    """Render a specification with the fonts in the folder `fonts`; raises ValueError if it is invalid."""
    if processes := [process for process in _processes if not process.has_ended and process.fonts == fonts]:
        with suppress(OSError):
            return min(processes, key=lambda process: len(process.waiting)).ask(spec)
    return _render_here(spec, fonts)


def render_png(svg: str, scale: float, fonts: str) -> bytes:
    """An SVG as PNG, `scale` times as large; raises ValueError. It is quick, so it runs in this process."""
    import vl_convert

    refuse_fork()
    _register(fonts)
    return vl_convert.svg_to_png(svg, scale=scale)


def prepare(fonts: str) -> None:
    """Start a process for drawing, up to MOST, without waiting until it is ready."""
    with _starting, suppress(OSError):
        for process in _processes:
            if process.fonts != fonts and not process.waiting:  # of a report with other fonts
                process.close()
        _processes[:] = [process for process in _processes if not process.has_ended]
        if len(_processes) < MOST:
            _processes.append(_DrawingProcess(fonts))


@atexit.register
def close() -> None:
    """End the other processes, if there are any."""
    with _starting:
        processes, _processes[:] = _processes[:], []
    for process in processes:
        process.close()


class _DrawingProcess:
    """A process for drawing, thread-safe, one picture at a time; raises OSError if it has died."""

    def __init__(self, fonts: str):
        self._lock = threading.Lock()
        self.fonts = fonts
        self.waiting: list[str] = []  # specifications that are queued or being drawn
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, fonts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C goes to the run only
        )

    @property
    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def ask(self, spec: str) -> str:
        self.waiting.append(spec)
        try:
            with self._lock:
                result = self._asked(spec)
        finally:
            self.waiting.pop()
        if "error" in result:
            raise ValueError(result["error"])
        return result["svg"]

    def _asked(self, spec: str) -> dict:
        if self.has_ended:
            raise BrokenPipeError("The process that draws has ended.")
        try:
            return self._answer(spec)
        except BaseException:  # after an interrupt, the next question would get this answer
            self.close()
            raise

    def _answer(self, spec: str) -> dict:
        questions, answers = self._pipes
        questions.write(f"{json.dumps(spec)}\n".encode())
        questions.flush()
        line = answers.readline()
        if not line.endswith(b"\n"):
            raise BrokenPipeError("The process that draws has ended.")
        return json.loads(line)

    def close(self) -> None:
        self._process.kill()  # it has no state to save
        self._process.wait()
        for pipe in self._pipes:
            with suppress(OSError):  # unread input
                pipe.close()


_processes: list[_DrawingProcess] = []
_starting = threading.Lock()


_has_drawn = _is_fork = False


def refuse_fork() -> None:
    """Raise ReportError in a fork of a process that has drawn, where drawing would wait for missing threads forever."""
    global _has_drawn
    if _is_fork:
        raise ReportError(
            "This process is a fork of one that has built reports already, where no report can be built: begin another "
            "(multiprocessing's method spawn), or fork before the first report."
        )
    _has_drawn = True


def _reset_in_fork() -> None:
    """In a fork: forget the parent's drawing processes, which cannot serve two."""
    global _starting, _is_fork
    _processes[:], _starting, _is_fork = [], threading.Lock(), _is_fork or _has_drawn


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_in_fork)


@cache
def _register(fonts: str) -> None:
    """Once a folder: fonts that are registered again stand there twice, and each text looks through all of them."""
    import vl_convert

    vl_convert.register_font_directory(fonts)


def _render_here(spec: str, fonts: str) -> str:
    import vl_convert

    refuse_fork()
    _register(fonts)
    # Without allowed URLs a picture cannot load data.
    config = {"font": FONT, "background": None, "aria": False}
    is_vega = "/vega/" in (json.loads(spec) if isinstance(spec, str) else spec).get("$schema", "")
    if is_vega:
        return vl_convert.vega_to_svg(spec, allowed_base_urls=[])
    return vl_convert.vegalite_to_svg(spec, config=config, allowed_base_urls=[])


def _serve(fonts: str) -> None:
    _render_here(_FIRST_SPEC, fonts)
    for line in sys.stdin.buffer:
        try:
            result = {"svg": _render_here(json.loads(line), fonts)}
        except ValueError as error:
            result = {"error": str(error)}
        sys.stdout.buffer.write(f"{json.dumps(result)}\n".encode())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
