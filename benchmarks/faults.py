"""Kill `report`, `run` and `send` at random points, again and again, and write benchmarks/FAULTS.md: what was lost,
doubled or left.

    python benchmarks/faults.py --trials 200

Each trial begins one command and ends it with KILL, TERM or INT after a random part of the time that it takes. After
all trials of a command it runs once more to its end.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager, nullcontext
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from mailroom import serving
from retention_kit.report.checks import gate

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
RECIPIENTS = {"report": 1, "run": 20, "send": 2000}  # of `send` so many that each trial has some left
PATIENCE = 5  # seconds in which kernels see that their parent is gone
START = 0.4  # seconds that Python takes to begin: until then it answers for itself
COLUMNS = (
    "trials",
    "ended first",
    "lost",
    "doubled",
    "half packs",
    "tracebacks",
    "wrong exits",
    "processes left",
    "folders left",
)


class Project:
    """A company of a few customers with recipients, in a folder of its own."""

    def __init__(self, folder: Path, port: int, recipients: int):
        self.folder = folder
        rows = "SELECT 'C' || i % 40 AS customer_id, DATE '2024-01-01' + CAST(i % 90 AS INTEGER) AS ordered_at, 10 + i % 7 AS amount"
        duckdb.sql(f"COPY ({rows} FROM range(400) AS t(i)) TO '{folder / 'orders.csv'}'")
        self.people = [f"p{number:02}@example.com" for number in range(recipients)]
        (folder / "retention.toml").write_text(
            '[data]\norders = "orders.csv"\n[report]\ncurrency = "GBP"\ntimezone = "UTC"\nas_of = "2024-03-31"\n'
            f'[mail]\nfrom = "r@example.com"\nto = {self.people}\n'
        )
        temporary = folder / "tmp"
        temporary.mkdir()
        url = f"smtp://127.0.0.1:{port}?starttls=false"
        self.environment = os.environ | {"RETENTION_KIT_SMTP_URL": url, "TMPDIR": str(temporary)}

    def begin(self, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "retention_kit.cli", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def packs(self) -> list[Path]:
        return [path for path in (self.folder / "reports").glob("2024-*") if path.is_dir()]

    def left(self) -> int:
        """Folders that a run should have taken away: beside the packs, and what lay in the temporary place."""
        leftovers = [path for path in (self.folder / "reports").glob(".*") if path.is_dir()]
        files = [path for folder in (self.folder / "tmp").glob("retention-kit-*") for path in folder.iterdir()]
        return len(leftovers) + len(files)

    def processes(self) -> int:
        """Those whose working folder is the project, or whose environment names it."""
        count = 0
        for path in Path("/proc").glob("[0-9]*"):
            try:
                count += str(self.folder / "tmp").encode() in (path / "environ").read_bytes()
            except OSError:
                continue
        return count


def trial(
    project: Project, command: list[str], duration: float, chance: random.Random, counts: Counter, number: int
) -> None:
    """One run that is ended somewhere."""
    chosen_signal = SIGNALS[number % len(SIGNALS)]
    with project.begin(*command) as process:
        try:
            _, err = process.communicate(timeout=chance.uniform(START, duration))
            counts["ended first"] += 1
        except subprocess.TimeoutExpired:
            process.send_signal(chosen_signal)
            _, err = process.communicate(timeout=60)
            expected = {-signal.SIGKILL} if chosen_signal == signal.SIGKILL else {130, 0, -chosen_signal}
            counts["wrong exits"] += process.returncode not in expected
    if b"Traceback" in err:
        counts["tracebacks"] += 1
        sys.stderr.write(err.decode("utf-8", "replace"))
    counts["half packs"] += sum(gate.judge(pack).state == "blocked" for pack in project.packs())
    until = time.monotonic() + PATIENCE
    while (left := project.processes()) and time.monotonic() < until:
        time.sleep(0.2)
    counts["processes left"] += left


def tried(name: str, trials: int, seed: int) -> Counter:
    """All trials of one command, and the run to the end that follows."""
    chance, counts = random.Random(f"{seed} {name}"), Counter(trials=trials)
    with serving("none", with_login=False) as mail_server, tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder), mail_server.server.port, RECIPIENTS[name])
        mail_server.handler.pause = 0.1 if name == "send" else 0
        if name == "send":
            with project.begin("report") as process:
                process.communicate()
        command = {"report": ["report", "--force"], "run": ["run"], "send": ["send", "reports/2024-02"]}[name]
        start = time.monotonic()
        with project.begin(*command) if name == "report" else nullcontext() as process:
            if process:
                process.communicate()
        duration = max(time.monotonic() - start, 3.0)
        for number in range(trials):
            trial(project, command, duration, chance, counts, number)
        with project.begin(*command) as process:
            process.communicate()
            counts["wrong exits"] += process.returncode not in (0, 1)
        counts["folders left"] += project.left()
        if name != "report":
            from retention_kit.delivery.outbox import reading

            with reading(project.folder / "reports") as outbox:
                states = {row.recipient: row.state for row in outbox.rows() if row.is_report}
            received = Counter(message.recipient for message in mail_server.handler.received)
            counts["doubled"] += sum(times > 1 for times in received.values())
            counts["lost"] += sum(not received[person] and states.get(person) != "unknown" for person in project.people)
    return counts


@contextmanager
def written(path: Path):
    lines: list[str] = []
    yield lines
    path.write_text("\n".join(lines) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--only", nargs="*", default=["report", "run", "send"])
    arguments = parser.parse_args()
    with written(Path(__file__).with_name("FAULTS.md")) as lines:
        lines += [
            "# Killed at random points",
            "",
            "`make faults` writes this page: each command is ended by KILL, TERM and INT in turn after a",
            "random part of its time, then runs once more to its end. Lost: a recipient whom nobody knows of; doubled: one who",
            "has a message twice.",
            "",
            f"| command | {' | '.join(COLUMNS)} |",
            f"|---|{'---:|' * len(COLUMNS)}",
        ]
        for name in arguments.only:
            counts = tried(name, arguments.trials, arguments.seed)
            lines.append(f"| `{name}` | {' | '.join(str(counts[column]) for column in COLUMNS)} |")
            sys.stdout.write(f"{lines[-1]}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
