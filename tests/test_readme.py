"""The README says what the code does; its table of metrics is written from METRICS (`make readme`)."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from retention_kit.metrics.catalogue import METRICS
from retention_kit.plugins import run_plugins
from retention_kit.settings import Definitions

README = Path(__file__).parents[1] / "README.md"
TABLE = re.compile(r"(<!-- metrics: .*? -->\n).*?(<!-- end of metrics -->)", re.DOTALL)


def with_table(text: str) -> str:
    """The README with one row for every metric."""
    rows = [f"| `{one.name}` | {one.definition} | {one.formula} |" for one in METRICS.values()]
    table = "\n".join(["| metric | what it is | formula |", "|---|---|---|", *rows])
    return TABLE.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)


def test_the_table_lists_every_metric():
    text = README.read_text("utf-8")
    assert with_table(text) == text, "run `make readme`"


def test_every_definition_has_its_option_in_the_readme():
    text = README.read_text("utf-8")
    assert [name for name in Definitions.__struct_fields__ if f"{name} =" not in text] == []


@pytest.fixture
def scheduled(tmp_path) -> tuple[str, Path]:
    """The README with its project in a folder of the test, and that folder: its command writes down how it was called."""
    (tmp_path / "mail.env").write_text("RETENTION_KIT_SMTP_URL='smtps://user:pass%20word@mail.example.com'\n", "utf-8")
    command = tmp_path / ".venv" / "bin" / "retention-kit"
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\necho "$PWD: $* $RETENTION_KIT_SMTP_URL" >> called\n', "utf-8")
    command.chmod(0o755)
    return README.read_text("utf-8").replace("/srv/retention", str(tmp_path)), tmp_path


def called(folder: Path) -> str:
    return (folder / "called").read_text("utf-8")


def test_the_line_for_cron_runs_with_the_secret_in_its_environment(scheduled):
    text, folder = scheduled
    when, command = re.search(r"^((?:\S+ ){5})(cd .*)$", text, re.MULTILINE).groups()
    assert when == "0 6 * * * "
    assert "%" not in command, "to cron it is the end of the line"
    subprocess.run(["/bin/sh", "-c", command], check=True, env={"PATH": os.defpath}, cwd="/")
    assert called(folder) == f"{folder}: run smtps://user:pass%20word@mail.example.com\n"


def test_the_units_for_systemd_are_sound_and_run_the_same(scheduled):
    text, folder = scheduled
    units = ["service", "timer"]
    for unit in units:
        (folder / f"retention.{unit}").write_text(
            re.search(rf"```ini\n(# [^\n]*retention\.{unit}.*?)```", text, re.DOTALL)[1], "utf-8"
        )
    if shutil.which("systemd-analyze"):
        files = [folder / f"retention.{unit}" for unit in units]
        done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False)
        assert [line for line in done.stderr.splitlines() if "retention" in line] == []
    service, timer = ConfigParser(interpolation=None), ConfigParser(interpolation=None)
    service.read(folder / "retention.service")
    timer.read(folder / "retention.timer")
    assert timer["Timer"]["OnCalendar"] == "*-*-* 06:00"
    told = Path(service["Service"]["EnvironmentFile"]).read_text("utf-8")
    environment = dict(line.split("=", 1) for line in shlex.split(told))
    subprocess.run(
        shlex.split(service["Service"]["ExecStart"]),
        check=True,
        cwd=service["Service"]["WorkingDirectory"],
        env=environment,
    )
    assert called(folder) == f"{folder}: run smtps://user:pass%20word@mail.example.com\n"


if __name__ == "__main__":
    run_plugins(sys.argv[1:])  # metrics of one's own join the table
    README.write_text(with_table(README.read_text("utf-8")), "utf-8")
