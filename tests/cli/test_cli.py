"""The command line: what each mistake is answered with, and what each command prints."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import subprocess
import sys
import webbrowser
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.cli import main
from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.scorecard import COLUMNS, records
from retention_kit.report.execution import templates as library
from test_templates import ORDERS

TOML = '[data]\norders = "orders.csv"\n[report]\ntimezone = "UTC"\ncurrency = "GBP"\n'


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A folder with six orders and settings, and us in it."""
    ORDERS.assign(country=["France", "Spain"] * 3).to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "retention.toml").write_text(TOML, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


MISTAKES = {  # what is asked for: what the sentence must hold
    "--data absent.toml": "There is no file or folder 'absent.toml'.",
    "--data notes.txt": "notes.txt is none of our tables: orders need customer_id, ordered_at, amount; it has hello.",
    "--data empty": "The folder 'empty' holds no table",
    "--data moved.toml": "There is no file 'order.csv'",
    "--data moved.toml --as-of 2024-03-01": "did you mean 'orders.csv'?",
    "--data narrow.csv": "narrow.csv has no column 'amount'",
    "--data torn.csv": "'ordered_at' is unreadable in 6 of 6 rows, first in row 1 ('soon')",
    "--data broken.toml": "broken.toml is not valid TOML",
    "--data setting.toml": "setting.toml: [report] has no setting 'langages': did you mean 'languages'?",
    "--every moth": "--every: There is no period length 'moth': did you mean 'month'?",
    "--data value.toml": "value.toml: report.every cannot be 'moth': did you mean 'month'?",
    "--data zone.toml": "There is no time zone 'Europe/Lundun'",
    "--data currency.toml": "There is no currency 'POUND'",
    "--data goal.toml": "[goals] names no metric 'retention': ",
    "--period November": "--period: 'November' is not a period: write it like 2011-11",
    "--period 2024-13": "--period: '2024-13' is not a period",
    "--period 2023-12": "--period: 2023-12 lies outside the data",
    "--period 2024-04": "2024-04",
    "--period 2024-01 --from 2024-01": "Give either --period or --from and --to.",
    "--from 2024-02 --to 2024-01": "--from 2024-02 comes after --to 2024-01.",
    "--from November": "--from: 'November' is not a period",
    "--from 2024-02 --to 2024-Q1": "--to: '2024-Q1' is a quarter, not a month",
    "--as-of soon": "--as-of 'soon' is not a date",
    "--as-of 2023-01-01": "2023-01-01",
    "--segment contry": "'contry'",
    "--segment country=Frence": "There is no country 'Frence' in the data: did you mean 'France'?",
}
OF_REPORT = {
    "--language xx": "--language: There is no language 'xx' yet",
    "--language ,": "--language: There is no language '' yet: choose from ar, en.",
    "--language en,arr": "--language: There is no language 'arr' yet: did you mean 'ar'?",
    "--only revenu": "There is no section 'revenu': did you mean 'revenue'?",
    "--only feedback": "There is no section 'feedback' in this report",
    "--templates absent": "There is no folder of templates 'absent'.",
    "--templates empty": "The folder 'empty' holds no notebook template",
    "--jobs 0": "--jobs '0' is not a whole number from 1 to 1,000.",
}
OF_METRICS = {
    "--metric retention_rate": "There is no metric 'retention_rate': did you mean",
    "--metric mrr": "There is no mrr: ",
}
ASKED = [("metrics", arguments) for arguments in (*MISTAKES, *OF_METRICS)] + [
    ("report", arguments) for arguments in (*MISTAKES, *OF_REPORT)
]


@pytest.fixture
def faulty(project):
    """Files with one fault each, named for it."""
    orders = pd.read_csv("orders.csv")
    (project / "empty").mkdir()
    Path("notes.txt").write_text("hello", "utf-8")
    Path("broken.toml").write_text("[data\n", "utf-8")
    Path("moved.toml").write_text(TOML.replace("orders.csv", "order.csv"), "utf-8")
    Path("setting.toml").write_text(TOML + 'langages = ["en"]\n', "utf-8")
    Path("value.toml").write_text(TOML + 'every = "moth"\n', "utf-8")
    Path("zone.toml").write_text(TOML.replace("UTC", "Europe/Lundun"), "utf-8")
    Path("currency.toml").write_text(TOML.replace("GBP", "POUND"), "utf-8")
    Path("goal.toml").write_text(TOML + "[goals.retention]\ntarget = 1\n", "utf-8")
    Path("narrow.toml").write_text(TOML.replace("orders.csv", "narrow.csv"), "utf-8")
    Path("torn.toml").write_text(TOML.replace("orders.csv", "torn.csv"), "utf-8")
    orders.drop(columns="amount").to_csv("narrow.csv", index=False)
    orders.assign(ordered_at="soon").to_csv("torn.csv", index=False)
    return project


@pytest.mark.parametrize(("command", "arguments"), ASKED, ids=lambda part: part)
def test_a_mistake_is_one_sentence_and_writes_nothing(faulty, capsys, monkeypatch, command, arguments):
    monkeypatch.setattr(library, "run", lambda *_: pytest.fail("a kernel was started"))
    # A table without settings is read with its file named, not guessed by its columns.
    command_line = arguments.replace("narrow.csv", "narrow.toml").replace("torn.csv", "torn.toml")
    before = {path: path.read_bytes() for path in faulty.rglob("*") if path.is_file()}
    assert main([command, *command_line.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("retention-kit: ")
    assert err.count("\n") == 1
    assert (MISTAKES | OF_REPORT | OF_METRICS)[arguments] in err
    assert {path: path.read_bytes() for path in faulty.rglob("*") if path.is_file()} == before
    assert not (faulty / "reports").exists()


@pytest.mark.parametrize(
    "arguments", ["report --format docx", "report --format html,pfd", "metrics --json --csv", "repot", ""]
)
def test_an_option_that_does_not_exist_names_those_that_do(project, capsys, arguments):
    with pytest.raises(SystemExit) as error:
        main(arguments.split())
    assert error.value.code == 2
    message = capsys.readouterr().err
    assert re.fullmatch(
        r"retention-kit: .+(?:: did you mean '\w+'\?|; retention-kit.* --help tells what there is\.)\n", message
    )
    assert not (project / "reports").exists()


@pytest.mark.usefixtures("project")
def test_metrics_prints_what_the_library_gives(capsys):
    rows = records(rk.scorecard(rk.load("retention.toml"), "2024-02", segment="country"))
    selection = ["--period", "2024-02", "--segment", "country"]
    assert main(["metrics", *selection, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == rows
    assert list(printed[0]) == list(COLUMNS)

    assert main(["metrics", *selection, "--csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["value"] for row in table] == ["" if row["value"] is None else str(row["value"]) for row in rows]

    assert main(["metrics", *selection, "--metric", "customer_retention_rate"]) == 0
    out = capsys.readouterr().out
    assert "66.67%" in out
    assert "country=France" in out
    assert "customer_retention_rate" in out
    assert "revenue" not in out


@pytest.mark.usefixtures("project")
def test_metrics_takes_the_last_complete_period_and_names_what_is_absent(capsys):
    assert main(["metrics"]) == 0
    out, err = capsys.readouterr()
    assert "2024-02" in out
    assert "Absent: mrr" in err
    assert main(["metrics", "--from", "2024-01", "--to", "2024-02", "--metric", "revenue", "--json"]) == 0
    assert [row["period"] for row in json.loads(capsys.readouterr().out)] == ["2024-01", "2024-02"]
    assert main(["metrics", "--every", "quarter", "--as-of", "2024-04-01", "--metric", "revenue", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["period"], row["value"], row["complete"]) == ("2024-Q1", 82, True)


def test_check_says_what_cleaning_found(project, capsys):
    with (project / "orders.csv").open("a") as file:
        file.write("e,soon,1,France\n")
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert "unreadable date" in out
    assert "Data from 2024-01-05 to 2024-03-01 (exclusive); customers by orders; segment columns: country." in out


@pytest.mark.long
@pytest.mark.usefixtures("kernelless")
def test_names_are_given_with_commas_or_one_by_one(project, capsys):
    options = [
        "--language",
        "en, ar",
        "--language",
        "en",
        "--format",
        "html",
        "--only",
        "revenue",
        "--only",
        "overview",
    ]
    main(["report", "--static", *options])
    assert "open reports/2024-02/report.en.html" in capsys.readouterr().out  # that of the settings' first language
    pack = project / "reports" / "2024-02"
    assert {path.name for path in pack.glob("report.*")} == {"report.en.html", "report.ar.html"}
    names = {"overview.ar", "overview.en", "revenue.ar", "revenue.en"}
    assert {path.stem for path in (pack / "notebooks").iterdir()} == names
    again = rk.build_report(
        rk.load("retention.toml"), "2024-01", languages="en,ar", formats="html", only="revenue,overview", static=True
    )
    assert {path.stem for path in (again.path / "notebooks").iterdir()} == names


@pytest.mark.usefixtures("kernelless")
def test_report_builds_each_period_asked_for(project, capsys):
    arguments = ["report", "--from", "2024-01", "--to", "2024-02", "--format", "html", "--static", "--output", "out"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        str(Path("out/2024-01")),
        str(Path("out/2024-02")),
        "lists/lost_customers.csv: 1 by name, £5.00 spent in twelve months",
        "lists/new_customers.csv: 1 by name, £7.00 spent in twelve months",
        "open out/2024-02/report.en.html",
    ]
    assert re.search(r"2024-02 (\d+)/\1 ", err)
    assert {path.name for path in project.glob("out/*")} == {"2024-01", "2024-02", "index.html"}
    assert {path.name for path in project.glob("out/*/*")} == {
        "lists",
        "manifest.json",
        "message.en.eml",
        "notebooks",
        "report.en.html",
        "scorecard.csv",
    }


@pytest.mark.usefixtures("kernelless")
def test_settings_decide_what_options_leave_open(project):
    (project / "retention.toml").write_text(
        TOML + 'every = "quarter"\nformats = ["html"]\nas_of = 2024-04-01\n', "utf-8"
    )
    assert main(["report", "--static"]) == 0
    assert [path.name for path in project.glob("reports/*/report*")] == ["report.en.html"]
    assert (project / "reports" / "2024-Q1").is_dir()


@pytest.mark.usefixtures("kernelless")
def test_without_data_it_is_the_sample_company_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["metrics", "--metric", "mrr", "--json"]) == 0
    assert "this is the sample company, synthetic data" in capsys.readouterr().err


def test_a_part_that_fails_is_named_and_the_rest_is_there(project, monkeypatch, capsys):
    monkeypatch.setattr(library, "run", lambda template, *_: (template, "ValueError: No price list."))
    assert main(["report", "--format", "html", "--static", "--only", "revenue"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == str(Path("reports/2024-02"))
    assert "retention-kit: Failed: revenue (en): ValueError: No price list." in err
    assert json.loads((project / "reports/2024-02/manifest.json").read_text("utf-8"))["state"] == "failed"


def test_ctrl_c_is_no_traceback(project, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "run", interrupted)
    assert main(["report"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "retention-kit: Interrupted: nothing was changed."
    assert not (project / "reports").exists()


def test_ctrl_c_midway_names_what_is_done(project, monkeypatch, capsys):
    def stop_at_february(template, parameters, *_):
        if parameters["period"] == "2024-02":
            raise KeyboardInterrupt
        return template, ""

    monkeypatch.setattr(library, "run", stop_at_february)
    assert main(["report", "--from", "2024-01", "--to", "2024-02", "--format", "html", "--static"]) == 130
    message = capsys.readouterr().err.splitlines()[-1]
    assert message == "retention-kit: Interrupted at 2024-02, which is as it was; done: 2024-01."
    assert {path.name for path in (project / "reports").iterdir()} == {"2024-01", "index.html"}


@pytest.mark.parametrize("folder", ["orders.csv", "orders.csv/reports", "blocked", "/dev/null/nope"])
def test_a_place_that_cannot_be_written_is_refused_before_any_work(project, monkeypatch, capsys, folder):
    monkeypatch.setattr(library, "run", lambda *_: pytest.fail("a kernel was started"))
    (project / "blocked").mkdir()
    (project / "blocked" / "2024-02").write_text("mine", "utf-8")
    assert main(["report", "--output", folder]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"retention-kit: No pack can be written to '{folder}")
    assert err.count("\n") == 1
    assert (project / "blocked" / "2024-02").read_text("utf-8") == "mine"


@pytest.mark.usefixtures("kernelless", "project")
def test_only_after_the_data_changed_makes_every_section_and_says_so(capsys):
    arguments = ["report", "--format", "html", "--static"]
    assert main(arguments) == 0
    orders = pd.read_csv("orders.csv")
    orders.assign(amount=orders["amount"] * 2).to_csv("orders.csv", index=False)
    assert main([*arguments, "--only", "revenue"]) == 0
    assert "every section was made" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.usefixtures("project")
def test_init_refuses_a_place_that_cannot_be_written(capsys):
    assert main(["init", "orders.csv/ours"]) == 2
    assert capsys.readouterr().err.startswith("retention-kit: No project can be begun in 'orders.csv/ours': ")


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no cron")
def test_the_schedule_of_init_runs(tmp_path, capsys):
    folder = tmp_path / "our 50% 'project'"
    assert main(["init", str(folder)]) == 0
    assert f"cd {shlex.quote(str(folder))}\n" in capsys.readouterr().out
    line = (folder / "schedule.cron").read_text("utf-8").splitlines()[-1]
    command = line.split(maxsplit=5)[5].replace(r"\%", "%")  # as cron reads it
    assert "%" not in line.replace(r"\%", "")
    command = command.replace("cli report", "cli check")
    subprocess.run(["/bin/sh", "-c", command], check=True, env={"PATH": "/usr/bin:/bin"})
    assert "customers by" in (folder / "report.log").read_text("utf-8")


@pytest.mark.long
def test_init_begins_a_project_that_works_as_it_stands(tmp_path, monkeypatch, capsys):
    assert main(["init", str(tmp_path / "ours")]) == 0
    monkeypatch.chdir(tmp_path / "ours")
    assert {"retention.toml", "data", "notebooks"} <= {path.name for path in Path().iterdir()}
    assert main(["check"]) == 0
    assert main(["metrics", "--metric", "mrr", "--json"]) == 0
    assert "sample company" not in capsys.readouterr().err
    card = rk.scorecard(rk.load("retention.toml"))
    pd.testing.assert_frame_equal(card[["metric", "value"]], rk.scorecard(rk.sample())[["metric", "value"]])
    assert main(["init", "."]) == 2
    assert "not empty" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"retention-kit {version('retention-kit')}\n"


def test_metrics_are_listed_with_what_they_mean_and_no_data_are_read(project, capsys):
    (project / "orders.csv").unlink()
    assert main(["metrics", "--list", "--json"]) == 0
    listed = {row["metric"]: row for row in json.loads(capsys.readouterr().out)}
    assert listed.keys() == METRICS.keys()
    assert listed["customer_churn_rate"]["definition"] == METRICS["customer_churn_rate"].definition
    assert main(["metrics", "--list", "--metric", "customer_churn_rate", "--csv"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head == "metric,label,unit,section,formula,definition"
    assert row.startswith("customer_churn_rate,Customer churn,fraction,")


def test_a_plug_in_s_metrics_are_listed_too(project, capsys):
    (project / "mine.py").write_text(
        "from retention_kit.metrics.catalogue import Measure, metric\n\n"
        '@metric(label="Mine", unit="count", formula="1", source="us")\n'
        'def a_metric_of_mine(movements):\n    """One, always."""\n    return Measure(1.0)\n',
        "utf-8",
    )
    (project / "retention.toml").write_text(TOML + 'plugins = ["mine.py"]\n', "utf-8")
    try:
        assert main(["metrics", "--list", "--metric", "a_metric_of_mine"]) == 0
        assert "One, always." in capsys.readouterr().out
    finally:
        METRICS.pop("a_metric_of_mine", None)


@pytest.mark.usefixtures("kernelless")
@pytest.mark.parametrize("is_opened", [True, False])
def test_a_report_is_opened_where_that_is_asked_for(project, capsys, monkeypatch, is_opened):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or is_opened)
    assert main(["report", "--period", "2024-01", "--format", "html", "--static"]) == 0
    assert opened == []
    assert main(["report", "--period", "2024-01", "--format", "html", "--static", "--open"]) == 0
    assert opened == [(project / "reports" / "2024-01" / "report.en.html").as_uri()]
    assert ("No browser could be opened here." in capsys.readouterr().err) is not is_opened


@pytest.mark.long
@pytest.mark.usefixtures("kernelless", "project")
def test_what_was_asked_for_is_opened_and_no_other_segment(capsys):
    arguments = ["report", "--period", "2024-01", "--format", "html", "--static"]
    names = {"country=Spain": ".country-Spain", "country=France": ".country-France", None: ""}
    for segment, suffix in [*names.items(), *reversed(names.items())]:  # built, then found unchanged or built again
        assert main([*arguments, *(["--segment", segment] if segment else [])]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"open reports/2024-01/report.en{suffix}.html"


@pytest.mark.parametrize(
    ("line", "words"), [("retention-kit re", {"report", "rerun"}), ("retention-kit metrics --js", {"--json"})]
)
def test_a_shell_completes_commands_and_options(tmp_path, line, words):
    output = tmp_path / "answer"
    variables = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": str(output), "_ARGCOMPLETE_SUPPRESS_SPACE": "1"}
    variables |= {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "", "_ARGCOMPLETE_IFS": "\n"}
    subprocess.run([sys.executable, "-m", "retention_kit.cli"], env={**os.environ, **variables}, check=True)
    assert {word.strip() for word in output.read_text("utf-8").split("\n")} == words


GOALS = """
[[goals]]
metric = "active_customers"
target = 5
by = "2025-12"
owner = "Ann"
[[goals]]
kind = "yes/no"
objective = "Call"
done = true
"""


def test_goals_are_a_table_or_objects(project, capsys):
    assert main(["goals"]) == 0
    assert "The settings name no goals" in capsys.readouterr().err
    (project / "retention.toml").write_text(TOML + GOALS, "utf-8")
    assert main(["goals"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"Active customers +\d .*5 by Dec 2025 .* · Ann", printed)
    assert re.search(r"Call +✓ reached", printed)
    assert main(["goals", "--json", "--period", "2024-02"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    (row,) = records(rk.scorecard(rk.load("retention.toml"), "2024-02", metrics=["active_customers"]))
    assert (first["value"], first["target"], first["period"], first["unit"]) == (row["value"], 5, "2024-02", "count")
    assert (second["state"], second["value"], second["metric"]) == ("reached", None, "")
    assert main(["goals", "--period", "2030-01"]) == 2
