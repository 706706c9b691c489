"""Whatever becomes of standard output and error: the run goes on, its figures are whole, its exit code tells the truth."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import duckdb
import pytest

import retention_kit.data.dataset as dataset
from retention_kit.cli import main
from retention_kit.cli.terminal import Interrupts, Stream, progress, robust_streams
from retention_kit.data.engines.duckdb import DuckDB, interrupt_all
from retention_kit.report.archive import manifest
from retention_kit.report.execution import templates as library
from test_templates import ORDERS

COMMAND = [sys.executable, "-m", "retention_kit.cli"]


@pytest.fixture
def orders(tmp_path):
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    return tmp_path / "orders.csv"


def metrics(orders, *options: str) -> list[str]:
    return ["metrics", "--data", str(orders), "--period", "2024-02", *options]


@pytest.mark.long
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp437", "utf-8", "utf-16", "cp1256", "shift_jis"])
def test_any_encoding_prints_the_same_figures(orders, encoding):
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    result = subprocess.run([*COMMAND, *metrics(orders)], capture_output=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    output = result.stdout.decode(encoding).replace("\u2212", "-")
    assert "customer_retention_rate" in output
    assert "-" in output
    assert "Traceback" not in result.stderr.decode(encoding)
    assert "?" not in output


@pytest.mark.parametrize(
    ("sign", "plain"), [("\u2212", "-"), ("\u2026", "..."), ("\u00a0", " "), ("\u0661", "\\u0661")]
)
def test_what_an_encoding_lacks_is_written_plainly(sign, plain):
    into = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    stream = Stream(into)
    stream.write(f"a{sign}b")
    stream.flush()
    assert into.buffer.getvalue().decode() == f"a{plain}b"


class Broken(io.StringIO):
    def __init__(self, error: Exception):
        super().__init__()
        self.raised = error

    def write(self, text: str) -> int:  # noqa: ARG002
        raise self.raised


GONE, FULL = BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "error", [GONE, FULL, ValueError("I/O operation on closed file.")], ids=["gone", "full", "closed"]
)
@pytest.mark.parametrize("which", ["stdout", "stderr"])
def test_a_stream_that_breaks_ends_nothing(orders, monkeypatch, capsys, error, which):
    """Who has left wants no more; a full disk has lost what was asked for, and that is told."""
    monkeypatch.setattr(sys, which, Broken(error))
    is_lost = which == "stdout" and error is not GONE
    assert main(metrics(orders, "--csv")) == int(is_lost)
    message = capsys.readouterr().err
    assert ("Standard output cannot be written to: " in message) == is_lost


@pytest.mark.parametrize("which", ["stdout", "stderr"])
def test_without_a_stream_it_runs_all_the_same(orders, monkeypatch, which):
    monkeypatch.setattr(sys, which, None)
    assert main(metrics(orders, "--csv")) == 0


def test_steady_gives_the_streams_back(capsys):
    before = sys.stdout, sys.stderr
    with robust_streams():
        sys.stdout.write("said\n")
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out == "said\n"


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="a shell closes streams")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_files_of_ours(orders, closed):
    """A file that is opened next would else be standard output, and be printed into."""
    command = " ".join([*COMMAND, *metrics(orders), closed])
    result = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")  # noqa: PTH110
@pytest.mark.parametrize("arguments", [["metrics", "--csv"], ["check"], ["report", "--help"]])
def test_what_could_not_be_written_is_a_failure(orders, arguments):
    command = " ".join(
        [*COMMAND, *arguments, *([] if "--help" in arguments else ["--data", str(orders)]), "> /dev/full"]
    )
    result = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert (
        result.stderr.splitlines()[-1]
        == "retention-kit: Standard output cannot be written to: No space left on device."
    )


def test_a_backfill_is_made_to_its_end_when_nobody_reads_on(orders, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "run", lambda template, *_: (template, ""))  # no template runs
    monkeypatch.setattr(sys, "stdout", Broken(GONE))
    monkeypatch.setattr(sys, "stderr", Broken(GONE))
    output = tmp_path / "reports"
    options = ["--from", "2024-01", "--to", "2024-02", "--format", "html", "--static", "--output", str(output)]
    assert main(["report", "--data", str(orders), *options]) == 0
    assert [manifest.read(output / period)["state"] for period in ("2024-01", "2024-02")] == ["ok", "ok"]


LONG = "SELECT count(*) FROM range(100000) AS a, range(100000) AS b, range(1000) AS c WHERE a.range + b.range > c.range"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_query_that_is_interrupted_is_one_line_and_130(orders, monkeypatch, capsys, number):
    """DuckDB makes an error of its own of it."""

    def clean(*_):
        threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
        DuckDB().rows(LONG)

    monkeypatch.setattr(dataset, "_clean", clean)
    assert main(metrics(orders)) == 130
    assert capsys.readouterr().err.splitlines() == ["retention-kit: Interrupted: nothing was changed."]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_in_a_finalizer_is_not_lost(capsys, number):
    class Last:
        def __del__(self):
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt), Interrupts(lambda: None):  # noqa: PT012
        Last()
        time.sleep(30)
    assert capsys.readouterr().err == ""


def test_a_query_that_begins_just_after_the_interrupt_is_ended_too():
    """As where the interrupt comes while an engine is being made, and is made an error of by it."""
    with Interrupts(interrupt_all) as interrupts:
        interrupts.listen()
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(duckdb.InterruptException):
            DuckDB().rows(LONG)
    assert interrupts.is_interrupted


def test_without_a_terminal_sections_are_told_in_lines_and_rich_is_not_imported(monkeypatch, capsys):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)  # an import of it would fail
    with progress() as report:
        report("2024-02", "", 0, 1)
        report("2024-02", "revenue", 1, 1)
    assert capsys.readouterr().err == "2024-02 1/1 revenue\n"
