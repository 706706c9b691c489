"""What README and docs/ show works: every block runs or is parsed, every key, link and name is there."""

import ast
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from datetime import date
from importlib.metadata import entry_points
from inspect import Parameter, Signature
from pathlib import Path
from unittest.mock import create_autospec

import pytest
import yaml

import retention_kit as rk
from exports import CASES
from retention_kit import errors
from retention_kit.cli import main, parser
from retention_kit.delivery import alert_events
from retention_kit.delivery.alert_messages import AlertNotice
from retention_kit.delivery.hook_bodies import Message, body_of
from retention_kit.delivery.webhooks import variable_of
from retention_kit.metrics.alerts.conditions import rules
from retention_kit.metrics.alerts.rule_tests import run_tests
from retention_kit.metrics.alerts.states import AlertState, Comparison, Operand
from retention_kit.metrics.catalogue import METRICS, SUMMARIES, Measure, metric
from retention_kit.settings import (
    AtRisk,
    Data,
    Definitions,
    Mail,
    Recipients,
    Report,
    Settings,
    Table,
    make_settings,
    parse_toml,
)
from retention_kit.settings.alerts import Alert
from retention_kit.settings.follow_ups import FollowUp
from retention_kit.settings.goals import Goal
from retention_kit.wording import Words
from test_readme import PAGES, ROOT

BLOCK = re.compile(r"^```([^\s{]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SCHEDULES = ROOT / "docs" / "schedules.md"


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language; those of MyST's own directives are none."""
    return [code for name, code in BLOCK.findall(page.read_text("utf-8")) if name == language]


def with_blocks(language: str) -> pytest.MarkDecorator:
    pages = [page for page in PAGES if blocks(page, language)]
    return pytest.mark.parametrize("page", pages, ids=lambda page: page.stem)


def test_every_block_is_in_a_language_that_is_checked_here():
    used = {name for page in PAGES for name, _ in BLOCK.findall(page.read_text("utf-8"))}
    assert used == {"ini", "json", "nginx", "python", "sh", "toml", "yaml"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_fit_a_page_without_scrolling(page):
    lines = [line for _, code in BLOCK.findall(page.read_text("utf-8")) for line in code.splitlines()]
    assert [line for line in lines if len(line) > 88 and page != SCHEDULES] == []


# Python runs in a project of the sample company, beside an export.


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "shop"
    assert main(["init", str(folder)]) == 0
    (folder / "orders_export_1.csv").write_text(CASES["shopify_orders"].text, "utf-8")
    return folder


@pytest.fixture
def metrics_kept() -> Iterator[None]:
    """Metrics that are declared meanwhile are forgotten again."""
    known = dict(METRICS)
    yield
    METRICS.clear()
    METRICS.update(known)


@pytest.fixture
def namespace(project, monkeypatch, metrics_kept) -> Iterator[dict]:  # noqa: ARG001, what is declared is forgotten
    """What the blocks of a page share; reports and mails, which others test, are only asked for as one can."""
    monkeypatch.chdir(project)
    for name in ("build_report", "send_report"):
        monkeypatch.setattr(rk, name, create_autospec(getattr(rk, name)))
    explore, explorers = rk.explore, []
    monkeypatch.setattr(
        rk, "explore", lambda *args, **named: explorers.append(explore(*args, **named)) or explorers[-1]
    )
    yield {"__name__": "docs"}
    for explorer in explorers:
        explorer.close()


@pytest.mark.long
@with_blocks("python")
def test_every_python_block_runs(page, namespace):
    for code in blocks(page, "python"):
        if page != SCHEDULES:
            exec(compile(ast.parse(code), str(page), "exec"), namespace)


@with_blocks("toml")
def test_settings_are_valid(page):
    for code in blocks(page, "toml"):
        raw = parse_toml(code.encode(), page.name)
        if "tests" in raw:  # of alerts
            assert all(result.is_as_expected for result in run_tests(raw, None))
        else:
            rules(make_settings(raw))


@with_blocks("sh")
def test_commands_and_their_options_exist(page):
    for line in "\n".join(blocks(page, "sh")).splitlines():
        for command in split_commands(line):
            check_command(command)


@with_blocks("json")
def test_what_a_webhook_gets_is_what_is_posted(page):
    (block,) = blocks(page, "json")
    payload = json.loads(block)
    message = Message(payload["title"], tuple(payload["lines"]), payload["link"], facts=payload["facts"])
    assert json.loads(body_of("webhook", message)) == payload
    operand = Operand("customer_churn_rate", "", 0.061, "fraction")
    alert = Alert(name="a", when="customer_churn_rate > 5%")
    state = AlertState(alert, "", "2025-11", "firing", "2025-11", (Comparison(operand, ">", operand, True),), "", "d")
    facts = (
        AlertNotice([alert_events.Event("firing", "2025-11", state)], Settings(), Words(), date(2025, 12, 1))
        .message()
        .facts
    )
    assert payload["facts"].keys() == facts.keys()
    assert payload["facts"]["alerts"][0].keys() <= facts["alerts"][0].keys()
    sentence = re.search("`event` is one of (.*)", page.read_text("utf-8"))[1]
    assert {*re.findall("`([^`]+)`", sentence)} == {*alert_events.KINDS}


def split_commands(line: str) -> list[list[str]]:
    """The words of each command of a line, without its comment; the line for cron has its own test."""
    return [] if re.match(r"(\S+ ){4}\* ", line) else list(filter(None, [shlex.split(line, comments=True)]))


def check_command(words: list[str]) -> None:
    match words:
        case ["retention-kit", *options]:
            parser().parse_args(options)
        case ["make", target, *_]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        case ["pip", "install", *_, package]:
            extra = re.fullmatch(r"(?:retention-kit|\.)(?:\[(\w+)\])?", package)
            assert extra[1] in (None, *PROJECT["optional-dependencies"])
        case ["jupyter", "nbconvert", "--to", exporter, _]:
            assert exporter in entry_points(group="nbconvert.exporters").names
        case ["export", variable]:
            name, _, address = variable.partition("=")
            known = {"RETENTION_KIT_SMTP_URL": "smtp://"} if "SMTP" in name else {variable_of(name[22:]): "https://"}
            assert address.startswith(known[name])
        case _:
            assert words in (["pytest"],)


@with_blocks("yaml")
def test_yaml_is_valid(page):
    for code in blocks(page, "yaml"):
        steps = yaml.safe_load(code)["jobs"]["run"]["steps"]
        for command in (step["run"] for step in steps if "run" in step):
            if command.startswith("retention-kit"):
                check_command(shlex.split(command, comments=True))


# What a page lists is what the code has.

KINDS = {
    "[data]": Data,
    "[data.orders] and the other tables": Table,
    "[report]": Report,
    "[definitions]": Definitions,
    "[goals]": Goal,
    "[[alerts]]": Alert,
    "[[follow_ups]]": FollowUp,
    "[at_risk]": AtRisk,
    "[mail]": Mail,
    "[[mail.recipients]]": Recipients,
}


def section(page: str, heading: str) -> str:
    text = (ROOT / "docs" / page).read_text("utf-8")
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def table(text: str) -> list[list[str]]:
    """The rows of a section's last table, without its head, as cells."""
    lines = re.findall(r"(?:^\|.*\|\n?)+", text, re.MULTILINE)[-1].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@pytest.mark.parametrize("heading", KINDS)
def test_every_key_of_the_settings_is_documented_with_its_default(heading):
    documented = {row[0].strip("`"): row[1] for row in table(section("settings.md", heading))}
    kind = KINDS[heading]
    assert sorted(documented) == sorted(kind.__struct_encode_fields__)
    required = len(kind.__struct_fields__) - len(kind.__struct_defaults__)
    defaults = dict(zip(kind.__struct_encode_fields__[required:], kind.__struct_defaults__, strict=True))
    for key, cell in documented.items():
        if key not in defaults:
            assert cell == "required"
        elif (default := defaults[key]) is None:
            assert cell == "none"
        else:
            default = default.factory() if hasattr(default, "factory") else default
            assert tomllib.loads(f"x = {cell.strip('`')}")["x"] == default, key


def test_every_section_of_the_settings_is_documented():
    headings = re.findall(r"^## \[+(\w+)\]", (ROOT / "docs" / "settings.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(Settings.__struct_fields__)


@pytest.mark.usefixtures("metrics_kept")
def test_every_column_of_a_summary_is_there():
    rows = {}

    def probe(summary: str) -> str:
        """The name of a metric that keeps the row it is given."""

        def row(frame) -> Measure:
            """A row of a summary."""
            rows[summary] = frame
            return Measure(1)

        row.__name__ = f"row_of_{summary}"
        row.__signature__ = Signature([Parameter(summary, Parameter.POSITIONAL_OR_KEYWORD)])
        metric(label="", unit="count", formula="", source="")(row)
        return row.__name__

    documented = {
        cells[0].strip("`"): re.findall(r"`(\w+)`", cells[2]) for cells in table(section("extending.md", "A metric"))
    }
    rk.scorecard(rk.sample(), "2025-11", metrics=[*map(probe, SUMMARIES)])
    assert set(documented) == set(SUMMARIES)
    for summary, columns in documented.items():
        assert [name for name in columns if not hasattr(rows[summary], name)] == [], summary


def test_hooks_before_a_commit_have_the_locked_tools():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    [ruff] = {package for hook in hooks for package in hook["additional_dependencies"] if package.startswith("ruff")}
    assert f"\n{ruff} " in (ROOT / "requirements" / "dev.txt").read_text("utf-8")


def test_every_room_is_described():
    packages = {
        path.parent.relative_to(ROOT / "retention_kit") for path in (ROOT / "retention_kit").rglob("*/__init__.py")
    }
    described = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert [str(package) for package in packages if f"`{package.as_posix()}`" not in described] == []


def test_every_error_is_documented():
    documented = {
        row[0].strip("`"): row[2].strip("`") for row in table(section("errors.md", "Errors").partition("```")[0])
    }
    kinds = [
        member
        for member in vars(errors).values()
        if isinstance(member, type) and issubclass(member, errors.RetentionKitError)
    ]
    assert documented == {kind.__name__: kind.__bases__[-1].__name__ for kind in kinds}


# Links and names.


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = BLOCK.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_to_a_page_and_heading(page):
    text = BLOCK.sub("", page.read_text("utf-8"))
    links = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"|^```\{image\} (\S+)", text, re.MULTILINE)
    dead = []
    for link in (next(filter(None, groups)) for groups in links):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if ":" not in path and (not target.is_file() or (anchor and anchor not in anchors(target))):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_names_of_files_and_modules_exist(page):
    for name in re.findall(r"`([^`\n]+)`", BLOCK.sub("", page.read_text("utf-8"))):
        if match := re.match(r"(retention_kit(?:\.\w+)+)", name):
            *module, attribute = match[1].split(".")
            assert is_importable(".".join(module), attribute), name
        elif re.match(r"(retention_kit|templates|notebooks|benchmarks|tests|docs|requirements)/[\w/.]+$", name):
            assert (ROOT / name).exists(), name
        elif match := re.match(r"make ([a-z-]+)$", name):
            check_command(["make", match[1]])


def is_importable(module: str, attribute: str) -> bool:
    """Whether a name is a module, or something that a module holds."""
    try:
        return hasattr(importlib.import_module(module), attribute) or bool(
            importlib.import_module(f"{module}.{attribute}")
        )
    except ImportError:
        return f"{module}.{attribute}" == "retention_kit.metrics"


# Schedules run the command where they say, with the secret in its environment.


@pytest.fixture
def scheduled(tmp_path) -> tuple[str, Path]:
    """The page with its project in a folder of the test, and that folder: its command writes down how it was called."""
    (tmp_path / "mail.env").write_text("RETENTION_KIT_SMTP_URL='smtps://user:pass%20word@mail.example.com'\n", "utf-8")
    command = tmp_path / ".venv" / "bin" / "retention-kit"
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\necho "$PWD: $* $RETENTION_KIT_SMTP_URL" >> called\n', "utf-8")
    command.chmod(0o755)
    return SCHEDULES.read_text("utf-8").replace("/srv/retention", str(tmp_path)), tmp_path


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
        result = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False)
        assert [line for line in result.stderr.splitlines() if "retention" in line] == []
    service, timer = ConfigParser(interpolation=None), ConfigParser(interpolation=None)
    service.read(folder / "retention.service")
    timer.read(folder / "retention.timer")
    assert timer["Timer"]["OnCalendar"] == "*-*-* 06:00"
    lines = Path(service["Service"]["EnvironmentFile"]).read_text("utf-8")
    environment = dict(line.split("=", 1) for line in shlex.split(lines))
    subprocess.run(
        shlex.split(service["Service"]["ExecStart"]),
        check=True,
        cwd=service["Service"]["WorkingDirectory"],
        env=environment,
    )
    assert called(folder) == f"{folder}: run smtps://user:pass%20word@mail.example.com\n"


def test_the_cell_for_jupyter_scheduler_runs_the_command(scheduled, monkeypatch):
    text, folder = scheduled
    monkeypatch.setenv("PATH", f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("RETENTION_KIT_SMTP_URL", raising=False)
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], {})
    assert called(folder) == f"{folder}: run \n"
