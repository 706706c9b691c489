"""Kernels forked from one process: set apart from each other, alike the ordinary ones, and gone when they should be."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest

import retention_kit
from retention_kit.report.execution import kernels
from retention_kit.report.execution import templates as library
from test_templates import notebook

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not kernels.can_fork(), reason="kernels are not forked on this system"),
]


@pytest.fixture
def server() -> kernels.ForkServer:
    return kernels.prepare()


def run(*sources: str, environment: dict[str, str] | None = None) -> tuple[list[str], str]:
    """What each cell printed, and what went wrong."""
    template = nbformat.reads(notebook(*sources), as_version=4)
    executed, problem = library.run(template, {}, environment or {**os.environ}, [])
    return ["".join(output.get("text", "") for output in cell.outputs).strip() for cell in executed.cells[1:]], problem


def is_gone(pid: int, seconds: float = 30) -> bool:
    """Whether a process ends in a generous time; one that nobody has waited for counts as ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if (
            Path(f"/proc/{pid}/stat").exists()
            and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        ):
            return True
        time.sleep(0.05)
    return False


def test_a_kernel_is_a_fork_that_has_what_notebooks_need(server):
    (printed, *_), problem = run(
        "import os, sys\nprint(os.getppid(), os.getpid(), 'altair' in sys.modules, 'retention_kit.report.page' in sys.modules)"
    )
    parent, own, *known = printed.split()
    assert not problem
    assert (int(parent), known) == (server._process.pid, ["True", "True"])
    assert is_gone(int(own))


@pytest.mark.usefixtures("server")
def test_kernels_share_nothing_that_matters(tmp_path, monkeypatch):
    """Neither names, nor modules, nor chance, nor the environment; each is where the run is at that moment."""
    monkeypatch.chdir(tmp_path)
    outputs = []
    for word in ("first", "second"):
        lines, problem = run(
            "import os, random, sys, time\nimport numpy as np, pandas as pd",
            "print(hasattr(pd, 'touched'), 'word' in globals())",
            f"pd.touched = word = {word!r}",
            "print(random.random(), np.random.random())",
            "print(os.environ['WORD'], os.getcwd(), hash('retention'), time.tzname[0])",
            environment={**os.environ, "WORD": word, "TZ": "Asia/Tokyo"},
        )
        assert not problem
        outputs.append(lines)
    assert [lines[1] for lines in outputs] == ["False False"] * 2
    assert len({number for lines in outputs for number in lines[3].split()}) == 4
    seeded = subprocess.run(
        [sys.executable, "-c", "print(hash('retention'))"],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert [lines[4] for lines in outputs] == [f"{word} {tmp_path} {seeded} JST" for word in ("first", "second")]


@pytest.mark.usefixtures("server")
def test_a_kernel_ends_as_any_python_does(tmp_path):
    """What a notebook left open is written, and what it asked to be done at the end is done."""
    _, problem = run(
        f"import atexit, pathlib\nleft = open({str(tmp_path / 'left')!r}, 'w')\nleft.write('all of it')",
        f"atexit.register(pathlib.Path({str(tmp_path / 'last')!r}).write_text, 'done')",
    )
    assert not problem
    assert (tmp_path / "left").read_text() == "all of it"
    assert (tmp_path / "last").read_text() == "done"


@pytest.mark.usefixtures("server")
def test_a_kernel_that_hangs_at_its_end_is_ended(tmp_path):
    """Once what it left open is written."""
    (printed, *_), problem = run(
        "import os, threading, time\nprint(os.getpid())",
        f"left = open({str(tmp_path / 'left')!r}, 'w')\nleft.write('all of it')",
        "threading.Thread(target=time.sleep, args=(600,)).start()",
    )
    assert not problem
    assert is_gone(int(printed))
    assert (tmp_path / "left").read_text() == "all of it"


@pytest.mark.parametrize("is_forked", [True, False], ids=["forked", "ordinary"])
def test_what_a_kernel_runs_is_not_in_the_history_of_the_user(is_forked, tmp_path, monkeypatch):
    """A file that all kernels of a user share, and would wait for each other to write."""
    if not is_forked:
        monkeypatch.delattr(os, "fork")
    lines, problem = run(
        "print(get_ipython().profile_dir.location)",
        "print(len(In))",
        environment={**os.environ, "IPYTHONDIR": str(tmp_path)},
    )
    assert not problem
    assert Path(lines[0]).parent == tmp_path
    assert int(lines[1]) > 1  # it has a history of its own
    assert not list(tmp_path.rglob("history*"))


@pytest.mark.parametrize("is_forked", [True, False], ids=["forked", "ordinary"])
def test_a_file_beside_the_data_is_no_module_of_pythons(is_forked, tmp_path, monkeypatch):
    """And we are found, whether installed or named by PYTHONPATH."""
    for name in ("random", "pathlib", "selectors", "socket"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'came')!r}, 'w')\nraise ImportError", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(Path(retention_kit.__file__).parents[1]))
    monkeypatch.chdir(tmp_path)
    kernels.close()
    if not is_forked:
        monkeypatch.delattr(os, "fork")
    (printed, *_), problem = run("import os, random, retention_kit\nprint(os.getppid())")
    kernels.close()
    assert not problem
    assert (int(printed) == os.getpid()) != is_forked
    assert not (tmp_path / "came").exists()


@pytest.mark.parametrize("last", ["", "import signal\nos.kill(os.getpid(), signal.SIGKILL)"], ids=["ends", "is killed"])
@pytest.mark.usefixtures("server")
def test_what_a_kernel_started_ends_with_it(last):
    (printed, *_), _ = run("import os, subprocess\nprint(subprocess.Popen(['sleep', '600']).pid, flush=True)", last)
    assert is_gone(int(printed))


@pytest.mark.parametrize(
    ("source", "why"),
    [("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "killed"), ("import os\nos._exit(3)", "left")],
    ids=["killed", "left"],
)
def test_a_kernel_that_dies_ends_its_own_section_only(server, source, why):
    _, problem = run(source)
    assert problem == "DeadKernelError: The Python that ran it ended in the middle of a cell."
    assert run(f"print({why!r})") == ([why], "")
    assert server.is_alive()


def test_where_the_server_is_killed_the_next_notebook_has_another():
    kernels.prepare()
    (printed, *_), problem = run(
        "import os, signal, sys, time\nprint(os.getpid(), os.getppid(), flush=True)",
        "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(600)",
    )
    kernel, server = map(int, printed.split())
    assert problem == "DeadKernelError: The Python that ran it ended in the middle of a cell."
    assert is_gone(kernel)
    assert is_gone(server)
    (printed, *_), problem = run("import os\nprint(os.getppid())")
    assert not problem
    assert int(printed) != server


def test_a_kernel_says_nothing_before_its_process_id_is_told(monkeypatch):
    """However long the server is kept from telling it."""
    slow = "def slow(pid):\n    if pid != os.getpid():\n        time.sleep(2)\n    lead(pid)\n"
    program = f"import os, time\nfrom retention_kit.report.execution import forkserver\nlead = forkserver._make_group\n{slow}" \
              "forkserver._make_group = slow\nforkserver.main()"  # fmt: skip  # the table as on paper
    monkeypatch.setattr(kernels, "_PYTHON", [sys.executable, "-P", "-c"])
    monkeypatch.setattr(kernels, "_MODULE", program)
    monkeypatch.setattr(kernels, "_servers", [])
    try:
        (parents, *_), problem = run("import os\nprint(os.getppid())")
        assert (parents, problem) == (str(kernels._servers[0]._process.pid), "")
    finally:
        kernels.close()


def test_kernels_run_side_by_side(tmp_path):
    """Each waits for a file that the other writes."""
    answers = {}
    meet = (
        "import pathlib, time\nhere = pathlib.Path({place!r})\n(here / {own!r}).touch()\nuntil = time.monotonic() + 60"
    )
    wait = "while not (here / {other!r}).exists() and time.monotonic() < until:\n    time.sleep(0.01)\nprint((here / {other!r}).exists())"

    def run_template(own: str, other: str) -> None:
        sources = [text.format(place=str(tmp_path), own=own, other=other) for text in (meet, wait)]
        answers[own] = run(*sources)

    threads = [threading.Thread(target=run_template, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {own: lines[1] for own, (lines, _) in answers.items()} == {"a": "True", "b": "True"}


@pytest.mark.usefixtures("server")
def test_a_fork_of_the_run_has_a_server_of_its_own():
    """And takes nothing from the first: whose kernels go on, and whose end it does not hold up."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, str(kernels._servers).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"[]"
    for end in (reading, writing):
        os.close(end)
    assert run("print('still there')") == (["still there"], "")


def test_where_there_is_no_fork_there_is_no_server(monkeypatch):
    monkeypatch.delattr(os, "fork")
    assert kernels.prepare() is None
    assert kernels.KernelManager(kernel_name=kernels.NAME).kernel_spec.metadata == {}


def test_where_the_server_cannot_start_the_ordinary_kernel_serves(monkeypatch):
    kernels.close()
    monkeypatch.setattr(kernels, "_MODULE", "retention_kit.report.execution.absent")
    (printed, *_), problem = run("import os\nprint(os.getppid())")
    kernels.close()
    assert not problem
    assert int(printed) == os.getpid()


@pytest.mark.usefixtures("server")
def test_where_a_fork_does_not_come_up_the_ordinary_kernel_serves(tmp_path, monkeypatch):
    fork = kernels.ForkServer.fork
    monkeypatch.setattr(kernels.ForkServer, "fork", lambda *arguments: fork(*arguments[:-1], str(tmp_path / "absent")))
    (printed, *_), problem = run("import os\nprint(os.getppid())")
    assert not problem
    assert int(printed) == os.getpid()


def test_where_the_server_takes_too_long_the_ordinary_kernel_serves(monkeypatch):
    kernels.close()
    monkeypatch.setattr(kernels, "STARTING", 0.01)
    server = kernels.prepare()
    (printed, *_), problem = run("import os\nprint(os.getppid())")
    assert not problem
    assert int(printed) == os.getpid()
    assert kernels.prepare() is server  # which is not tried again
    kernels.close()
    assert is_gone(server._process.pid)


def test_nothing_is_forked_on_macos(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert kernels.prepare() is None


def test_a_kernel_that_is_not_ready_in_time_is_told_with_the_time(monkeypatch):
    monkeypatch.setattr(kernels, "STARTING", 0)
    with pytest.raises(RuntimeError, match=r"^The kernel was not ready within 0 seconds\.$"):
        asyncio.run(kernels.KernelClient().wait_for_ready())


@pytest.mark.parametrize("is_killed", [False, True], ids=["ends", "is killed"])
def test_one_server_serves_a_process_and_ends_with_it(is_killed):
    """Whether the process ends by itself, even before the server is ready, or by a signal that it cannot see."""
    program = "import os, signal\nfrom retention_kit.report.execution import kernels\nserver = kernels.prepare()\n" \
              "assert kernels.prepare() is server\nprint(server._process.pid, flush=True)\n"  # fmt: skip  # the table as on paper
    killed = "print(server.sockets, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    command = [sys.executable, "-c", program + killed * is_killed]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    pid, *paths = result.stdout.split()
    assert result.returncode == -signal.SIGKILL * is_killed
    assert is_gone(int(pid))
    assert len(paths) == is_killed
    assert not any(Path(path).exists() for path in paths)


FRESH = """
import os, signal, sys
from retention_kit.report.execution import kernels
locked = open("lock", "w")
signal.signal(signal.SIGTERM, lambda *_: None)
server = kernels.prepare()
import nbformat
from retention_kit.report.execution import templates
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in ("", sys.argv[1])])
notebook.cells[0].metadata["tags"] = ["parameters"]
for kernel in (templates.Kernel(), None):
    executed, problem = templates.run(notebook, {}, {**os.environ}, [], kernel)
    print(server._process.pid, *(problem or executed.cells[-1].outputs[0].text).split())
    if kernel:
        kernel.end()
"""


def test_a_command_that_has_done_nothing_yet_forks_the_server_which_has_nothing_of_it(tmp_path):
    """For notebooks of ours; what runs code of others has a server in which sets have the same order in every run."""
    code = "import os, signal, sys\nprint(os.getppid(), signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, " \
            "os.path.realpath('lock') in [os.path.realpath(f'/dev/fd/{one}') for one in range(64)], " \
            "sys.path.count(os.getcwd()), os.getsid(0) == os.getppid(), sys.flags.hash_randomization)"  # fmt: skip  # by the line
    program = [sys.executable, "-c", FRESH, code]
    result = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True)
    forked, fresh = (line.split() for line in result.stdout.splitlines())
    assert forked == [forked[0], forked[0], "True", "False", "0", "True", "1"]
    assert fresh == [forked[0], fresh[1], "True", "False", "0", "True", "0"]
    assert fresh[1] != forked[1]


@pytest.mark.parametrize(("more", "is_forked"), [([], True), (["--templates", "own"], False)])
def test_the_command_forks_the_server_before_it_has_threads(tmp_path, more, is_forked):
    """Unless code of others runs in it."""
    program = "import sys\nfrom retention_kit import cli\nfrom retention_kit.report.execution import kernels\n" \
              "def started(fork=False):\n    print(fork)\n    raise KeyboardInterrupt\n" \
              "kernels.ForkServer = started\ncli.main(['report', *sys.argv[1:]])"  # fmt: skip  # by the line
    command = [sys.executable, "-c", program, *more]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str(is_forked)


@pytest.mark.parametrize(("code", "message"), [("0", "SystemExit: 0"), ("", "SystemExit"), ("3", "SystemExit: 3")])
def test_a_cell_that_leaves_fails_its_section_with_whatever_code(code, message):
    """What follows it has not run, so nothing is done."""
    template = nbformat.reads(notebook(f"import sys\nsys.exit({code})", "print('never')"), as_version=4)
    _, problem = library.run(template, {}, {**os.environ}, [])
    assert problem.startswith(message)
