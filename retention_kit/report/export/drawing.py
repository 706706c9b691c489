"""Vega-Lite specifications as SVG, drawn by vl-convert here or in a process of their own, and those as PNG.

vl-convert holds Python's lock while it draws, so kernels would wait for every picture. A batch therefore calls
`prepare` for each report, which starts `python -P -m retention_kit.report.export.drawing FONTS`. It reads one
specification a line and writes one answer a line, both JSON, until its input ends. Where it cannot be started, or has
ended, pictures are drawn here. From the second report on there are two: another takes longer to start than the pictures
of a single report would gain.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO

from retention_kit.errors import ReportError

FONT = "IBM Plex Sans Arabic"
MODULE = "retention_kit.report.export.drawing"
MOST = 2  # processes that draw
_FIRST = '{"mark":"bar","data":{"values":[]}}'  # Vega is ready once it has drawn anything


def render_svg(spec: str, fonts: str) -> str:
    """The picture of a specification in the report's font, which lies in the folder `fonts`; raises ValueError."""
    if processes := [one for one in _processes if not one.has_ended and one.fonts == fonts]:
        with suppress(OSError):
            return min(processes, key=lambda one: len(one.waiting)).ask(spec)
    return _render_here(spec, fonts)


def render_png(svg: str, scale: float, fonts: str) -> bytes:
    """An SVG as PNG, `scale` times as large; raises ValueError. It is quick, so it is done in this process."""
    import vl_convert

    refuse_fork()
    vl_convert.register_font_directory(fonts)
    return vl_convert.svg_to_png(svg, scale=scale)


def prepare(fonts: str) -> None:
    """Let another process draw from now on, or one more; it is started without waiting until it is ready."""
    with _starting, suppress(OSError):
        for one in _processes:
            if one.fonts != fonts and not one.waiting:  # of another project
                one.close()
        _processes[:] = [one for one in _processes if not one.has_ended]
        if len(_processes) < MOST:
            _processes.append(_DrawingProcess(fonts))


@atexit.register
def close() -> None:
    """End the other processes, if there are any."""
    with _starting:
        processes, _processes[:] = _processes[:], []
    for one in processes:
        one.close()


class _DrawingProcess:
    """A process that draws, used by any thread, one picture at a time; its death is an OSError."""

    def __init__(self, fonts: str):
        self._asking = threading.Lock()
        self.fonts = fonts
        self.waiting: list[str] = []  # the specifications that are asked for
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, fonts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the run alone
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
            with self._asking:
                answer = self._asked(spec)
        finally:
            self.waiting.pop()
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["svg"]

    def _asked(self, spec: str) -> dict:
        if self.has_ended:
            raise BrokenPipeError("The process that draws has ended.")
        try:
            return self._answer(spec)
        except BaseException:  # interrupted between a question and its answer, it would answer the next one wrongly
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
        self._process.kill()  # it keeps nothing
        self._process.wait()
        for pipe in self._pipes:
            with suppress(OSError):  # what it was asked and did not read
                pipe.close()


_processes: list[_DrawingProcess] = []
_starting = threading.Lock()


_has_drawn = _is_fork = False


def refuse_fork() -> None:
    """Raise ReportError in a fork of a process that has drawn: drawing would wait there for threads that are gone."""
    global _has_drawn
    if _is_fork:
        raise ReportError(
            "This process is a fork of one that has built reports already, where no report can be built: begin another "
            "(multiprocessing's method spawn), or fork before the first report."
        )
    _has_drawn = True


def _forget() -> None:
    """In a fork of this process: the other one's processes would take two for one."""
    global _starting, _is_fork
    _processes[:], _starting, _is_fork = [], threading.Lock(), _is_fork or _has_drawn


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _render_here(spec: str, fonts: str) -> str:
    import vl_convert

    refuse_fork()
    vl_convert.register_font_directory(fonts)
    # An empty list of addresses: a picture never fetches its data.
    config = {"font": FONT, "background": None, "aria": False}
    is_vega = "/vega/" in (json.loads(spec) if isinstance(spec, str) else spec).get("$schema", "")
    if is_vega:
        return vl_convert.vega_to_svg(spec, allowed_base_urls=[])
    return vl_convert.vegalite_to_svg(spec, config=config, allowed_base_urls=[])


def _serve(fonts: str) -> None:
    _render_here(_FIRST, fonts)
    for line in sys.stdin.buffer:
        try:
            answer = {"svg": _render_here(json.loads(line), fonts)}
        except ValueError as error:
            answer = {"error": str(error)}
        sys.stdout.buffer.write(f"{json.dumps(answer)}\n".encode())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
