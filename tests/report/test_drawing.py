"""Charts drawn in a process of their own: the same pictures, and none is lost where it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from retention_kit.report.blocks import templates_dir
from retention_kit.report.export import drawing

FONTS = str(templates_dir() / "fonts")


def bars(count: int) -> str:
    """A chart of so many bars, named in two scripts."""
    rows = [{"name": f"Zürich – {number} – متجر", "value": number} for number in range(count)]
    encoding = {"x": {"field": "name", "type": "nominal"}, "y": {"field": "value", "type": "quantitative"}}
    return json.dumps({"mark": "bar", "data": {"values": rows}, "encoding": encoding})


def chart_of(spec: str) -> str:
    assert drawing._processes == []
    return drawing.render_svg(spec, FONTS)


@pytest.fixture
def drawing_process():
    drawing.close()
    drawing.prepare(FONTS)
    yield drawing._processes[0]
    drawing.close()


@pytest.mark.long
def test_the_other_process_draws_the_same_picture(drawing_process):
    pictures = [drawing.render_svg(bars(count), FONTS) for count in (2, 3)]
    assert not drawing_process.has_ended
    drawing.close()
    assert pictures == [chart_of(bars(count)) for count in (2, 3)]
    assert pictures[0] != pictures[1]


def test_from_the_second_report_on_two_draw_side_by_side(drawing_process):
    for _ in range(3):
        drawing.prepare(FONTS)
    assert len(drawing._processes) == drawing.MOST == 2
    assert drawing._processes[0] is drawing_process
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(lambda count: drawing.render_svg(bars(count), FONTS), range(2, 10)))
    assert not any(process.has_ended or process.waiting for process in drawing._processes)
    drawing.close()
    assert pictures == [chart_of(bars(count)) for count in range(2, 10)]


def test_what_cannot_be_drawn_is_told_and_the_next_picture_is_right(drawing_process):
    with pytest.raises(ValueError, match="conversion failed"):
        drawing.render_svg('{"mark": "no such mark", "data": {"values": []}}', FONTS)
    picture = drawing.render_svg(bars(2), FONTS)
    assert not drawing_process.has_ended
    drawing.close()
    assert picture == chart_of(bars(2))


def test_where_it_has_died_the_picture_is_drawn_here_and_another_one_may_be_started(drawing_process):
    drawing_process._process.kill()
    drawing_process._process.wait()
    assert drawing.render_svg(bars(2), FONTS).startswith("<svg")
    drawing.prepare(FONTS)
    (another,) = drawing._processes
    assert another is not drawing_process
    assert not another.has_ended


def test_interrupted_it_never_answers_the_question_before(drawing_process, monkeypatch):
    ask = drawing_process._answer

    def interrupted(spec: str) -> dict:
        ask(spec)
        raise KeyboardInterrupt

    monkeypatch.setattr(drawing_process, "_answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        drawing.render_svg(bars(3), FONTS)
    assert drawing_process._process.poll() is not None
    picture = drawing.render_svg(bars(2), FONTS)
    drawing.close()
    assert picture == chart_of(bars(2))


def test_a_fork_leaves_it_to_the_process_that_started_it(drawing_process):
    pid = os.fork() if hasattr(os, "fork") else pytest.skip("there is no fork here")
    if not pid:
        os._exit(len(drawing._processes))
    assert os.waitpid(pid, 0)[1] == 0
    assert drawing._processes == [drawing_process]


@pytest.mark.parametrize("ending", ["pass", "os.kill(os.getpid(), 9)"], ids=["ends", "is killed"])
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
def test_it_ends_with_the_run_however_that_ends(ending):
    program = (
        "import os; from retention_kit.report.export import drawing; "
        f"drawing.prepare({FONTS!r}); drawing.render_svg({bars(1)!r}, {FONTS!r}); "
        f"print(drawing._processes[0]._process.pid, flush=True); {ending}"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    pid, until = int(result.stdout), time.monotonic() + 20
    while is_running(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    """Whether a process is there and is more than its parent's memory of it."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
