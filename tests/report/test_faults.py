"""Whatever cuts a run short: no half pack, no process left, a sentence that says so, and the next run succeeds."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.cli import main
from retention_kit.errors import SettingsError
from retention_kit.metrics.snapshot import SNAPSHOT
from retention_kit.report.archive import folder as places
from retention_kit.report.archive import manifest
from retention_kit.report.archive.folder import BEFORE, LOCK, output_lock, staging_dir
from retention_kit.report.build import builder as packing
from retention_kit.report.build import figures
from retention_kit.report.execution import kernels, runner
from test_kernels import is_gone
from test_pack import contents
from test_templates import ORDERS, notebook

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not kernels.can_fork(), reason="kernels are not forked on this system"),
]

TOLD = "import os, pathlib, signal, time\npathlib.Path({place!r}).write_text(f'{{os.getpid()}} {{os.getppid()}}.')\n"


class Workspace:
    """A folder of orders, where a report of one section can be built; `slow` is a section that never ends."""

    def __init__(self, folder: Path):
        self.folder, self.output, self.own = folder, folder / "reports", folder / "own"
        self.pack, self.told = self.output / "2024-02", folder / "told"
        self.own.mkdir()
        ORDERS.to_csv(folder / "orders.csv", index=False)
        for name, last in (("slow", "time.sleep(600)"), ("killed", "os.kill(os.getpid(), signal.SIGKILL)")):
            source = TOLD.format(place=str(self.told)) + last
            (self.own / f"{name}.ipynb").write_text(notebook(source), "utf-8")

    def command(self, *only: str) -> list[str]:
        options = ["--templates", str(self.own), "--only", ",".join(only), "--format", "html", "--static"]
        return ["report", "--data", str(self.folder), "--output", str(self.output), *options]

    def start(self, *only: str, options: tuple[str, ...] = ()) -> subprocess.Popen:
        """A run of its own, with a process group of its own, once its first section is being made."""
        command = [sys.executable, "-m", "retention_kit.cli", *self.command(*only), *options]
        running = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        until = time.monotonic() + 120
        while not (self.told.is_file() and self.told.read_text().endswith(".")):
            assert time.monotonic() < until
            assert running.poll() is None, running.communicate()[1]
            time.sleep(0.05)
        return running

    def kernel_and_server(self) -> list[int]:
        return [int(pid) for pid in self.told.read_text().rstrip(".").split()]

    def names(self) -> list[str]:
        return sorted(path.name for path in self.output.iterdir()) if self.output.exists() else []


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path)


def in_subprocess(function, *arguments):
    """As another run would do it: in this process, a thread is one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


def is_taken(output: Path) -> bool:
    """Whether another run would be refused."""

    def ask() -> None:
        with output_lock(output):
            pass

    try:
        in_subprocess(ask)
    except SettingsError:
        return True
    return False


def succeeds(workspace: Workspace) -> None:
    assert main(workspace.command("overview")) == 0
    assert manifest.read(workspace.pack)["state"] == "ok"
    assert workspace.names() == ["2024-02", "index.html"]


def test_a_killed_kernel_ends_its_own_section_only(workspace, capsys):
    assert main(workspace.command("killed", "overview")) == 1
    assert "Failed: killed (en): DeadKernelError: The Python that ran it ended" in capsys.readouterr().err
    contents = manifest.read(workspace.pack)
    assert (contents["state"], contents["sections"]) == ("failed", {"killed.en": "failed", "overview.en": "ok"})
    assert "This section could not be made" in (workspace.pack / "report.en.html").read_text("utf-8")
    for name in ("killed", "slow"):
        (workspace.own / f"{name}.ipynb").unlink()
    (workspace.own / "mended.ipynb").write_text(notebook(), "utf-8")
    succeeds(workspace)


@pytest.mark.parametrize("sent", ["Ctrl-C", "SIGTERM", "SIGKILL"])
def test_an_interrupt_leaves_no_process_and_no_half_pack(workspace, sent, capsys):
    running = workspace.start("slow")
    if sent == "Ctrl-C":  # a terminal tells all processes of the run
        os.killpg(running.pid, signal.SIGINT)
    else:
        running.send_signal(signal.Signals[sent])
    _, err = running.communicate(timeout=60)
    for pid in workspace.kernel_and_server():
        assert is_gone(pid)
    if sent == "SIGKILL":
        assert [name.startswith(".2024-02-") or name == LOCK for name in workspace.names()] == [True, True]
    else:
        assert running.returncode == 130
        assert err.splitlines()[-1] == "retention-kit: Interrupted: nothing was changed."
        assert workspace.names() == []
    succeeds(workspace)
    assert "Traceback" not in err + capsys.readouterr().err


def test_an_interrupt_ends_the_notebooks_of_the_next_pack(workspace):
    """While February's wait, January's pack takes its place."""
    source = f"if period == '2024-02':\n    {TOLD.format(place=str(workspace.told)).strip().replace(chr(10), chr(10) + '    ')}"
    (workspace.own / "late.ipynb").write_text(notebook(f"{source}\n    time.sleep(600)"), "utf-8")
    running = workspace.start("late", options=("--from", "2024-01", "--to", "2024-02"))
    assert running.stdout.readline() == f"{workspace.output / '2024-01'}\n"
    os.killpg(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=60)
    for pid in workspace.kernel_and_server():
        assert is_gone(pid)
    assert running.returncode == 130
    message = "retention-kit: Interrupted at 2024-02, which is as it was; done: 2024-01."
    assert err.splitlines()[-1] == message
    assert workspace.names() == ["2024-01", "index.html"]


def test_of_two_runs_at_once_the_second_is_refused(workspace, capsys):
    with staging_dir(workspace.pack):
        assert in_subprocess(main, workspace.command("overview")) == 2
        message = (
            f"retention-kit: Another run (process {os.getpid()}) is writing to {str(workspace.output)!r}: wait until"
        )
        assert capsys.readouterr().err.splitlines()[-1].startswith(message)
        assert not workspace.pack.exists()
    assert workspace.names() == []
    succeeds(workspace)


def test_the_second_run_is_refused_before_anything_is_computed(workspace, monkeypatch):
    data = rk.load(workspace.folder)
    for name in ("_is_current", "start_pack"):
        monkeypatch.setattr(packing, name, lambda *_: pytest.fail("something was computed"))
    with output_lock(workspace.output), pytest.raises(SettingsError, match="Another run"):
        in_subprocess(partial(rk.build_report, data, "2024-02", output=workspace.output))


def test_nothing_is_computed_without_the_lock(workspace, monkeypatch):
    """Neither what tells an unchanged pack nor what any pack needs."""
    locked = []

    def ask(*_) -> None:
        locked.append(is_taken(workspace.output))
        raise KeyboardInterrupt

    for module, name in ((packing, "_is_current"), (figures, "identities")):
        monkeypatch.setattr(module, name, ask)
        with pytest.raises(KeyboardInterrupt):
            rk.build_report(rk.load(workspace.folder), "2024-02", output=workspace.output, force=name == "identities")
    assert locked == [True, True]
    assert not workspace.output.exists()


def test_a_run_of_many_periods_is_one(workspace, monkeypatch):
    """Nobody slips in between two packs."""
    locked = []

    def start(plan, folder, *_) -> SimpleNamespace:
        locked.append(is_taken(workspace.output))
        return SimpleNamespace(finish=lambda: packing.Pack(folder, str(plan.page.period)), cancel=lambda: None)

    monkeypatch.setattr(packing, "start_pack", start)
    assert main([*workspace.command(), "--from", "2024-01", "--to", "2024-02"]) == 0
    assert locked == [True, True]
    assert not is_taken(workspace.output)


def test_what_is_wrong_with_a_lock_is_told(workspace, monkeypatch, capsys):
    monkeypatch.setattr(places, "_try_lock", lambda _: refuse(errno.EIO))
    assert main(workspace.command("overview")) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message == f"retention-kit: No pack can be written to {str(workspace.output)!r}: {os.strerror(errno.EIO)}."


def test_where_there_are_no_locks_a_run_goes_on_without(workspace, monkeypatch):
    """And takes nothing away that may be another's."""
    monkeypatch.setattr(places, "_try_lock", lambda _: refuse(errno.ENOLCK))
    leftover = workspace.output / ".2024-02-abcd1234"
    leftover.mkdir(parents=True)
    with staging_dir(workspace.pack) as staging:
        assert staging.is_dir()
    assert workspace.names() == [leftover.name]


def refuse(number: int) -> None:
    raise OSError(number, os.strerror(number))


def test_a_run_that_comes_to_nothing_leaves_nothing(workspace, capsys):
    assert main([*workspace.command("overview"), "--period", "1999-01"]) == 2
    assert "1999-01" in capsys.readouterr().err
    assert not workspace.output.exists()


def test_only_what_is_not_written_is_told_as_not_written(workspace, monkeypatch, capsys):
    monkeypatch.setattr(figures, "identities", lambda *_: refuse(errno.ECONNRESET))
    assert main(workspace.command("overview")) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"retention-kit: {os.strerror(errno.ECONNRESET)}."
    assert not workspace.output.exists()


def test_the_summaries_are_handed_over_where_nobody_else_can_write(workspace, monkeypatch):
    """They are a pickle, and the folder of packs may be a share."""
    result = []

    def run(_template, _parameters, environment, *_):
        snapshot = Path(environment[SNAPSHOT])
        result.append((snapshot, snapshot.parent.stat().st_mode & 0o777))
        raise KeyboardInterrupt

    monkeypatch.setattr(runner.library, "run", run)
    assert main(workspace.command("overview")) == 130
    (snapshot, mode), *_ = result
    assert mode == 0o700
    assert not snapshot.is_relative_to(workspace.output)
    assert not snapshot.parent.exists()


def test_a_pack_that_was_about_to_be_replaced_comes_back(workspace):
    """A run killed between two renames has left the pack beside its place."""
    succeeds(workspace)
    before, leftover = contents(workspace.pack), workspace.output / ".2024-02-abcd1234"
    leftover.mkdir()
    workspace.pack.rename(leftover / BEFORE)
    with staging_dir(workspace.pack) as staging:
        assert contents(workspace.pack) == before
        assert {*workspace.names()} == {LOCK, staging.name, "2024-02", "index.html"}


def test_what_is_not_ours_is_left_alone(workspace):
    paths = [
        workspace.output / name for name in (".git-abcd1234", ".2024-02-notes", ".2024-13-abcd1234", "2024-02-abcd1234")
    ]
    for path in paths:
        path.mkdir(parents=True)
    with staging_dir(workspace.pack):
        pass
    assert [path for path in paths if not path.is_dir()] == []


def limited(command: list[str], size: int) -> subprocess.CompletedProcess:
    """A run that can write no file of more than `size` bytes."""
    program = f"import resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n" \
              f"from retention_kit.cli import main\nsys.exit(main({command!r}))"  # fmt: skip  # the table as on paper
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_a_file_that_cannot_be_written_leaves_the_pack_before(workspace):
    succeeds(workspace)
    before = contents(workspace.pack)
    result = limited(workspace.command("overview"), 50_000)  # figures fit, the message does not
    assert (result.returncode, "Traceback" in result.stderr) == (1, False)
    assert result.stderr.splitlines()[-1] == (
        f"retention-kit: The pack could not be written to {str(workspace.pack)!r}: File too large."
    )
    assert contents(workspace.pack) == before
    succeeds(workspace)


def test_tables_that_find_no_room_on_disk_are_told_in_a_sentence(tmp_path):
    (tmp_path / "orders.csv").write_text("customer_id,ordered_at,amount\nAnn,2024-01-05,10\n")
    (tmp_path / "retention.toml").write_text('[data]\norders = "orders.csv"\nmemory_limit = "1GB"\n')
    result = limited(["metrics", "--data", str(tmp_path)], 4_000)
    assert result.returncode == 2
    assert re.fullmatch(
        r"retention-kit: What memory_limit leaves no room for cannot be written: .*: File too large\.\n", result.stderr
    )


def test_a_disk_that_fills_up_while_figures_are_made_names_the_limit(tmp_path):
    days = pd.date_range("2023-01-01", periods=600).astype(str)
    rows = pd.DataFrame({"customer_id": range(60_000), "ordered_at": [*days] * 100, "amount": 10})
    rows.to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "retention.toml").write_text('[data]\norders = "orders.csv"\nmemory_limit = "15MB"\n')
    result = limited(["metrics", "--data", str(tmp_path)], 1_000_000)
    assert result.returncode == 2
    assert re.fullmatch(
        r"retention-kit: .*There is too little room in memory \(\[data\] memory_limit\) or on the disk .*\n",
        result.stderr,
    )


@pytest.mark.server
def test_a_full_disk_leaves_nothing_behind(workspace):
    workspace.output.mkdir()
    mount = shutil.which("mount") or pytest.skip("there is no mount here")
    if subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", workspace.output], capture_output=True
    ).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        command = [sys.executable, "-m", "retention_kit.cli", *workspace.command("overview")]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1] == (
            f"retention-kit: The pack could not be written to {str(workspace.pack)!r}: No space left on device."
        )
        assert "Traceback" not in result.stderr
        assert workspace.names() == []
        subprocess.run([mount, "-o", "remount,size=20m", workspace.output], check=True)
        succeeds(workspace)
    finally:
        subprocess.run(["umount", workspace.output], check=True)
