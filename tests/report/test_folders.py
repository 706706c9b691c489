"""Where a run reads and writes: what it does not need may be missing, and what it leaves harms nobody."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

import retention_kit as rk
from retention_kit.data.engines.private_folders import private_path, replace_private
from retention_kit.errors import ReportError, SettingsError
from retention_kit.report.archive.folder import LOCK, output_lock
from retention_kit.report.build import rerun
from retention_kit.report.export import drawing, exporters
from test_templates import ORDERS


def build(output):
    data = rk.load(orders=ORDERS, timezone="UTC", currency="GBP", as_of="2024-03-01")
    return rk.build_report(data, "2024-02", formats=["html"], static=True, output=output)


@pytest.mark.usefixtures("kernelless")
@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_lists_of_customers_are_for_whoever_made_them(tmp_path):
    assert stat.S_IMODE((build(tmp_path).path / "lists").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), RuntimeError("no home"), OSError(30, "read-only")]
)
@pytest.mark.parametrize("fails", ["found", "read", "made"])
def test_no_cache_is_needed(tmp_path, monkeypatch, error, fails):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("vl_convert.javascript_bundle", lambda: "vega()")
    monkeypatch.setattr(
        "platformdirs.user_cache_path", fail if fails == "found" else lambda *_, **__: tmp_path / "kept"
    )
    if fails == "read":
        monkeypatch.setattr("pathlib.Path.read_text", fail)
    if fails == "made":
        monkeypatch.setattr("pathlib.Path.mkdir", fail)
    exporters._vega.cache_clear()
    try:
        assert exporters._vega() == "vega()"
    finally:
        exporters._vega.cache_clear()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_fork_of_a_process_that_has_drawn_says_so(tmp_path, monkeypatch):
    """What draws would wait for ever for threads that are not there."""
    monkeypatch.setattr(drawing, "_has_drawn", True)
    read, write = os.pipe()
    if not (child := os.fork()):
        try:
            build(tmp_path / "fork")
        except ReportError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 500).decode().startswith("This process is a fork of one that has built reports already")
    os.close(read), os.close(write)
    assert not drawing._is_fork, "the process itself goes on"


@pytest.mark.skipif(os.name == "nt", reason="there the folder of temporary files is the user's own")
def test_what_a_killed_run_left_is_taken_away(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    first = private_path()
    leftover = first.with_name(f"{2**22 + 1}-left")  # no process has such a number
    leftover.mkdir()
    (leftover / "summaries").write_bytes(b"customers")
    private_path()
    assert not leftover.exists()


def test_a_private_file_that_two_processes_write_at_once_is_one_of_theirs(tmp_path, monkeypatch):
    path, synced = tmp_path / "links.csv", os.fsync

    def meanwhile(descriptor):
        synced(descriptor)
        monkeypatch.setattr(os, "fsync", synced)
        with monkeypatch.context() as other:
            other.setattr(os, "getpid", lambda: 2**22 + 1)
            replace_private(path, b"theirs")
            assert path.read_bytes() == b"theirs"

    monkeypatch.setattr(os, "fsync", meanwhile)
    replace_private(path, b"ours")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("links.csv", b"ours")]


@pytest.mark.usefixtures("kernelless")
def test_a_pack_made_again_lies_where_the_next_run_looks(tmp_path, monkeypatch):
    pack, folders = build(tmp_path / "reports").path, []

    def killed(_, folder, *__):
        folders.append(folder.parent)
        raise KeyboardInterrupt

    monkeypatch.setattr(rerun, "_plan", lambda *_: None)
    monkeypatch.setattr(rerun, "make_pack", killed)
    with pytest.raises(KeyboardInterrupt):
        rerun.rerun(pack)
    assert folders[0].parent == private_path().parent
    assert folders[0].name.startswith(f"{os.getpid()}-")
    assert not folders[0].exists()


@pytest.mark.usefixtures("kernelless")
def test_the_summaries_are_gone_with_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    build(tmp_path / "reports")
    assert [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()] == []


def test_a_folder_that_nobody_may_write_to_says_so(tmp_path, monkeypatch):
    def unwritable(path, mode="r", *rest, **named):
        if mode != "r":
            raise PermissionError(13, "Permission denied")
        return opened(path, mode, *rest, **named)

    opened = Path.open
    monkeypatch.setattr(Path, "open", unwritable)
    with pytest.raises(SettingsError, match="Permission denied"), output_lock(tmp_path):
        pass


@pytest.mark.skipif(os.name == "nt", reason="there the system keeps locks otherwise")
def test_a_lock_that_another_user_left_is_taken(tmp_path, monkeypatch):
    (tmp_path / LOCK).write_text("1")
    opened = Path.open

    def as_another_user(path, mode="r", *rest, **named):  # root may write everywhere
        if path.name == LOCK and mode != "r":
            raise PermissionError
        return opened(path, mode, *rest, **named)

    monkeypatch.setattr(Path, "open", as_another_user)
    with output_lock(tmp_path) as is_sure:
        assert is_sure
