"""What a wrong or an empty option is answered with: one sentence that names what was typed, and where."""

import argparse
import re
from collections.abc import Iterator

import pytest

from retention_kit.cli import main, parser
from retention_kit.cli.options import _Number


@pytest.fixture
def orders(tmp_path, monkeypatch):
    """A shop whose second month is not over, in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "orders.csv"
    path.write_text("customer_id,ordered_at,amount\nA,2025-11-03,20\nB,2025-11-30,5\nA,2025-12-04,7\n", "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["metrics", "--as-of", "yesterday"], "--as-of 'yesterday' is not a date: write it like 2011-12-10."),
        (["check", "--as-of", "2025-02-30"], "--as-of '2025-02-30' is not a date: write it like 2011-12-10."),
        (["preview", "nothere"], "'nothere' is no pack: give the folder that `retention-kit report` has made."),
        (
            ["report", "--format", ""],
            "argument --format: there is no report format '': choose from html, pdf, brief; "
            "retention-kit report --help tells what there is.",
        ),
        (
            ["report", "--format", "htm"],
            "argument --format: there is no report format 'htm': did you mean 'html'?",
        ),
        (["report", "--perod", "2025-11"], "there is no option --perod: did you mean '--period'?"),
        (["report", "--xyz"], "unrecognized arguments: --xyz; retention-kit report --help tells what there is."),
    ],
)
def test_wrong_options_are_named_as_they_were_typed(arguments, sentence, orders, capsys):
    command = [*arguments, *(["--data", orders] if arguments[0] != "preview" else [])]
    if arguments[0] == "report":
        with pytest.raises(SystemExit, match="2"):
            main(command)
    else:
        assert main(command) == 2
    assert capsys.readouterr().err == f"retention-kit: {sentence}\n"


def all_options(of: argparse.ArgumentParser, *words: str) -> Iterator[tuple[list[str], argparse.Action]]:
    """Every option of every command, with the words of its command."""
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield from all_options(command, *words, name)
        elif action.option_strings:
            yield [*words], action


NUMBERS = [(words, action) for words, action in all_options(parser()) if isinstance(action, _Number)]


def test_no_number_is_left_to_argparse():
    assert {" ".join([*words, *action.option_strings]) for words, action in NUMBERS} == {
        "report --jobs",
        "run --jobs",
        "survey serve --port",
        "survey invite --days",
    }
    assert not [words for words, action in all_options(parser()) if action.type in (int, float)]


@pytest.mark.parametrize(("words", "action"), NUMBERS)
@pytest.mark.parametrize("text", ["many", "", "1e3", "2.5", "1_0", "0x9", "-1", "−1", "9" * 5000, "below", "above"])
def test_what_is_no_such_number_is_answered_in_our_words(words, action, text, capsys):
    text = {"below": str(action.least - 1), "above": str(action.most + 1)}.get(text, text)
    needed = ["--to", "x.csv", "--public-url", "https://example.com"] if "invite" in words else []
    (option,) = action.option_strings
    assert main([*words, *needed, f"{option}={text}"]) == 2
    bounds = f"from {action.least} to {action.most:,}"
    assert capsys.readouterr().err == f"retention-kit: {option} {text!r} is not a whole number {bounds}.\n"


@pytest.mark.parametrize(("text", "number"), [("3", 3), ("+3", 3), (" 3 ", 3), ("٣", 3), ("\u206730\u2069", 30)])
def test_numbers_are_read_as_they_are_written(text, number):
    assert parser().parse_args(["report", "--jobs", text]).jobs == number


def test_an_incomplete_period_is_told_beside_its_figures(orders, capsys):
    assert main(["metrics", "--data", orders, "--period", "2025-12", "--metric", "revenue"]) == 0
    note = "December 2025 is not complete: its figures run to 4 Dec 2025, without change or verdict.\n"
    assert capsys.readouterr().err.endswith(note)
    assert main(["metrics", "--data", orders, "--period", "2025-11", "--metric", "revenue"]) == 0
    assert "not complete" not in capsys.readouterr().err


def test_a_metric_named_twice_is_one_row(orders, capsys):
    assert main(["metrics", "--data", orders, "--metric", "revenue", "--metric", "revenue", "--csv"]) == 0
    assert len(re.findall("^revenue,", capsys.readouterr().out, re.MULTILINE)) == 1


def test_rows_of_clean_data_are_said_to_be_none(tmp_path, capsys):
    dated = tmp_path / "dated.csv"
    dated.write_text("customer_id,ordered_at,amount\nA,2025-11-03,20\n", "utf-8")
    assert main(["check", "--data", str(dated), "--rows"]) == 0
    assert capsys.readouterr().out == "No row was set aside.\n"


def test_a_command_spelled_wrong_has_the_nearest(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["reprot"])
    assert capsys.readouterr().err == "retention-kit: argument COMMAND: there is no 'reprot': did you mean 'report'?\n"


def test_a_file_spelled_wrong_has_the_nearest_beside_it(orders, tmp_path, capsys):
    wrong = str(tmp_path / "orders.cvs")
    assert main(["check", "--data", wrong]) == 2
    expected = f"There is no file or folder {wrong!r}: did you mean {orders!r}?"
    assert capsys.readouterr().err == f"retention-kit: {expected}\n"
    assert main(["check", "--data", "xyz"]) == 2
    assert capsys.readouterr().err == "retention-kit: There is no file or folder 'xyz'.\n"


@pytest.mark.usefixtures("orders")
def test_a_line_that_is_no_toml_is_quoted(tmp_path, capsys):
    settings = '[data]\norders = "orders.csv"\n[data.orders.columns]\ncustomer_id = "A"\n'
    (tmp_path / "retention.toml").write_text(settings, "utf-8")
    assert main(["check"]) == 2
    assert capsys.readouterr().err.endswith("(at line 3, column 21): '[data.orders.columns]'.\n")


@pytest.mark.usefixtures("orders")
def test_tables_that_lie_here_are_not_passed_over_in_silence(capsys):
    assert main(["metrics", "--metric", "revenue"]) == 0
    assert "Say --data . for what is here: orders.csv.\n" in capsys.readouterr().err


def test_answers_alone_have_no_customers(tmp_path, capsys):
    (tmp_path / "responses.csv").write_text("responded_at,survey,score\n2025-11-03,nps,9\n", "utf-8")
    assert main(["check", "--data", str(tmp_path)]) == 0
    assert "customers by" not in capsys.readouterr().out


def test_a_project_that_cannot_be_written_is_not_there(tmp_path, monkeypatch, capsys):
    from retention_kit.cli import project

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(project.shutil, "copyfile", full)
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        folder = tmp_path / name
        assert main(["init", str(folder)]) == 2
        expected = f"No project can be begun in {str(folder)!r}: No space left on device."
        assert capsys.readouterr().err == f"retention-kit: {expected}\n"
    assert [one.name for one in tmp_path.iterdir()] == ["empty"]
    assert list((tmp_path / "empty").iterdir()) == []
