"""In which language the commands speak: who says so, what stays English, and that figures are the same."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from retention_kit import bidi
from retention_kit.cli import main
from retention_kit.cli.language import language, requested_language
from test_templates import ORDERS

NAMES = ("RETENTION_KIT_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE")
ARABIC = re.compile("[\u0600-\u06ff]")


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """No language is asked for; a folder with six orders."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    ORDERS.assign(country=["France", "Spain"] * 3).to_csv(tmp_path / "orders.csv", index=False)
    settings = '[data]\norders = "orders.csv"\n[report]\ntimezone = "UTC"\ncurrency = "GBP"\n'
    (tmp_path / "retention.toml").write_text(settings, "utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("variables", "arguments", "expected"),
    [
        ({}, "check", "en"),
        ({"LANG": "C"}, "check", "en"),
        ({"LANG": "en_US.UTF-8"}, "check", "en"),
        ({"LANG": "ar_EG.UTF-8", "LANGUAGE": "en:ar"}, "check", "en"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "ar"}, "check", "en"),
        ({"LANG": "ar_EG.UTF-8"}, "check", "ar-EG"),
        ({"LANG": "ar_XX.UTF-8"}, "check", "ar"),
        ({"LANG": "fr_FR.UTF-8"}, "check", "en"),
        ({"LANG": "fr_FR.UTF-8", "LANGUAGE": "fr:ar"}, "check", "ar"),
        ({"LANG": "ar_EG.UTF-8", "LC_ALL": "C"}, "check", "en"),
        ({"LANG": "en_GB.UTF-8", "RETENTION_KIT_LANGUAGE": "ar"}, "check", "ar"),
        ({}, "check --language ar", "ar"),
        ({}, "--language=ar report --language en", "ar"),
        ({}, "report --language ar", "en"),
        ({}, "survey invite --language ar", "en"),
        ({"LANG": "ar_SA"}, "--language en check", "en"),
    ],
)
def test_the_language_is_that_of_the_option_else_of_the_environment(monkeypatch, variables, arguments, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert requested_language(arguments.split()) == expected


def test_a_language_that_is_unknown_is_refused(monkeypatch, capsys):
    assert main(["metrics", "--language", "xx"]) == 2
    assert "'xx'" in capsys.readouterr().err
    monkeypatch.setenv("RETENTION_KIT_LANGUAGE", "xx")
    assert main(["metrics"]) == 2
    assert capsys.readouterr().err.startswith("retention-kit: RETENTION_KIT_LANGUAGE: ")


def test_commands_speak_it_and_then_no_longer(capsys):
    assert main(["--language", "ar", "check"]) == 0
    output = bidi.plain(capsys.readouterr().out)
    assert "الجدول" in output
    assert "البيانات من" in output
    assert language() == "en"
    assert main(["check"]) == 0
    assert not ARABIC.search(capsys.readouterr().out)


def test_figures_are_the_same(capsys):
    def numbers(*arguments: str) -> list[str]:
        assert main(["metrics", *arguments]) == 0
        return re.findall(r"\d[\d,.]*\d|\d", bidi.plain(capsys.readouterr().out))

    assert numbers("--language", "ar") == numbers()


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_machines_read_english(capsys, form):
    assert main(["metrics", form]) == 0
    english = capsys.readouterr().out
    assert main(["--language", "ar", "metrics", form]) == 0
    assert capsys.readouterr().out == english
    assert form != "--json" or json.loads(english)


@pytest.mark.parametrize("arguments", ["--help", "report --help", "survey invite --help"])
def test_help_is_in_the_language_with_the_same_options(capsys, arguments):
    def shown_words(*options: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*options, *arguments.split()])
        assert ended.value.code == 0
        return bidi.plain(capsys.readouterr().out)

    english, arabic = shown_words(), shown_words("--language", "ar")
    assert re.findall(r"^  (-[^ ]+)", arabic, re.M) == re.findall(r"^  (-[^ ]+)", english, re.M)
    assert "الخيارات:" in arabic
    assert "options:" not in arabic
    assert not ARABIC.search(english)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ("metrics --period 2011x", "«2011x» ليس فترة"),
        ("metrics --json --csv", "لا يجتمع مع المعامل --json"),
        ("report --format docx", "لا توجد صيغة تقرير «docx»"),
        ("metrics --metric retention_rate", "لا يوجد مؤشر «retention_rate»: هل تقصد"),
        ("check --data absent.toml", "لا يوجد ملف أو مجلد «absent.toml»."),
        ("report --jobs 0", "قيمة --jobs «0» ليست عددًا صحيحًا بين 1 و1,000."),
    ],
)
def test_a_mistake_is_one_line(capsys, arguments, part):
    try:
        code = main(["--language", "ar", *arguments.split()])
    except SystemExit as ended:
        code = ended.code
    message = capsys.readouterr().err
    assert code == 2
    assert message.count("\n") == 1
    assert part in bidi.plain(message)
    assert message.startswith("retention-kit: \u2067")  # a line from left to right, whose sentence is isolated


def test_a_check_is_asked_for_by_the_name_that_is_shown(capsys):
    frame = pd.read_csv("orders.csv").astype({"ordered_at": str})
    frame.loc[0, "ordered_at"] = "soon"
    frame.to_csv("orders.csv", index=False)
    assert main(["--language", "ar", "check", "--rows", "تاريخ غير مقروء"]) == 0
    out = capsys.readouterr().out
    assert "soon" in out
    assert main(["check", "--rows", "unreadable date"]) == 0
    assert "soon" in capsys.readouterr().out
