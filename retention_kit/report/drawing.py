"""Vega-Lite specifications as SVG, and those as PNG, drawn by vl-convert: here, or in a process of their own.

vl-convert holds Python's lock while it draws, so kernels would wait for every picture. A batch therefore calls `prepare`,
which starts `python -P -m retention_kit.report.drawing FONTS`: one question a line on its input, one answer a line on its
output, both JSON, until its input ends. Where that cannot be started, or has ended, pictures are drawn here.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress

FONT = "IBM Plex Sans Arabic"
MODULE = "retention_kit.report.drawing"
_FIRST = '{"mark":"bar","data":{"values":[]}}'  # Vega is ready once it has drawn anything


def draw(spec: str, fonts: str) -> str:
    """The picture of a specification in the report's font, which lies in the folder `fonts`; raises ValueError."""
    return _answer({"spec": spec}, fonts)["svg"]


def paint(svg: str, scale: float, fonts: str) -> bytes:
    """A picture so drawn as PNG, `scale` times as large; raises ValueError."""
    return base64.b64decode(_answer({"svg": svg, "scale": scale}, fonts)["png"])


def _answer(question: dict, fonts: str) -> dict:
    if (artist := _artist) is not None:
        with suppress(OSError):
            return artist.ask(question)
    return _drawn(question, fonts)


def prepare(fonts: str) -> None:
    """Let another process draw from now on; it is started where there is none, without waiting until it is ready."""
    global _artist
    with _starting, suppress(OSError):
        if _artist is None or _artist.has_ended:
            _artist = _Artist(fonts)


@atexit.register
def close() -> None:
    """End the other process, if there is one."""
    global _artist
    with _starting:
        artist, _artist = _artist, None
    if artist is not None:
        artist.close()


class _Artist:
    """The other process, asked by any thread, one picture at a time; its death is an OSError."""

    def __init__(self, fonts: str):
        self._asking = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, fonts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the run alone
        )

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def ask(self, question: dict) -> dict:
        with self._asking:
            if self.has_ended:
                raise BrokenPipeError("The process that draws has ended.")
            try:
                answer = self._answer(question)
            except BaseException:  # interrupted between a question and its answer, it would answer the next one wrongly
                self.close()
                raise
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def _answer(self, question: dict) -> dict:
        self._process.stdin.write(f"{json.dumps(question)}\n".encode())
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise BrokenPipeError("The process that draws has ended.")
        return json.loads(line)

    def close(self) -> None:
        self._process.kill()  # it keeps nothing
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what it was asked and did not read
                pipe.close()


_artist: _Artist | None = None
_starting = threading.Lock()


def _forget() -> None:
    """In a fork of this process: the other one's artist would take two for one."""
    global _artist, _starting
    _artist, _starting = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _drawn(question: dict, fonts: str) -> dict:
    import vl_convert

    vl_convert.register_font_directory(fonts)
    if "svg" in question:
        png = vl_convert.svg_to_png(question["svg"], scale=question["scale"])
        return {"png": base64.b64encode(png).decode()}
    # An empty list of addresses: a picture never fetches its data.
    config = {"font": FONT, "background": None, "aria": False}
    return {"svg": vl_convert.vegalite_to_svg(question["spec"], config=config, allowed_base_urls=[])}


def _serve(fonts: str) -> None:
    _drawn({"spec": _FIRST}, fonts)
    for line in sys.stdin.buffer:
        try:
            told = _drawn(json.loads(line), fonts)
        except ValueError as error:
            told = {"error": str(error)}
        sys.stdout.buffer.write(f"{json.dumps(told)}\n".encode())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
