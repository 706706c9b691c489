"""Reports in two languages: the same figures, and no word of the other language; a third language is one file."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from email import message_from_bytes, policy
from pathlib import Path

import pandas as pd
import pytest

import retention_kit as rk
from packs import built_once
from retention_kit.bidi import plain
from retention_kit.data.checks import CHECKS
from retention_kit.data.schema import REQUIRED
from retention_kit.metrics.catalogue import METRICS
from retention_kit.report.blocks import templates_dir
from retention_kit.report.checks.figures import text_of_pdf
from retention_kit.word_files import FOLDER
from soup import soup_of
from test_locales import LATIN
from test_pack import read_html
from test_real_data import invoices

pytestmark = pytest.mark.long

NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
PERIODS = {"sample": None, "retail": "2011-11"}
# Beside the abbreviations of the word file: names of what is outside, and of what people type or open.
NAMES = re.compile(
    r"GBP|Europe|London|UTC|CustomerGauge|Zencity|Gamma|REF|Excel|id|csv|lists|HTML|in|force|SHA|n|[a-z_]*_[a-z_]+"
)


@pytest.fixture(scope="session")
def packs(tmp_path_factory):
    """The packs of both companies in both languages, from one run each."""

    def make(name):
        def build(folder):
            if name == "sample":
                data = rk.sample(languages=["en", "ar"])
            else:
                shared = Path(__file__).parents[3] / "shared"
                if not shared.is_dir():
                    pytest.skip("../shared, the real data, is not beside this checkout")
                data = rk.load(
                    invoices(folder, shared), company="Online Retail", segments=["country"], languages=["en", "ar"]
                )
            return rk.build_report(data, PERIODS[name], output=folder / "reports").path

        return built_once(tmp_path_factory, f"languages-{name}", build)

    return make


@pytest.fixture(params=["sample", "retail"])
def pack(request, packs):
    return packs(request.param)


def numbers(text):
    return {number.strip(",") for number in NUMBER.findall(plain(text))}


def page_texts(page):
    """What a page says, with its alt texts and titles."""
    for tag in page(["script", "style"]):
        tag.decompose()
    named = (tag.get(name, "") for tag in page.find_all(True) for name in ("alt", "title", "aria-label"))
    return " ".join([page.get_text(" "), *named])


def figures_of(path):
    """The numbers of an HTML page but those on axes, which go by the room there is; what is drawn is in alt texts."""
    page = read_html(path)
    for tag in page.select(".picture text"):
        tag.decompose()
    return numbers(page_texts(page))


def message(pack, language):
    return message_from_bytes((pack / f"message.{language}.eml").read_bytes(), policy=policy.default)


def test_both_languages_tell_the_same_figures_in_html(pack):
    english, arabic = (figures_of(pack / f"report.{name}.html") for name in ("en", "ar"))
    assert len(english) > 200
    assert arabic == english


def test_both_languages_tell_the_same_figures_on_paper(pack):
    figures = figures_of(pack / "report.en.html")
    english, arabic = (
        numbers(text_of_pdf((pack / f"report.{name}.pdf").read_bytes())) & figures for name in ("en", "ar")
    )
    assert len(english) > 200
    assert arabic == english


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_both_languages_tell_the_same_figures_in_mail(pack, kind):
    texts = (message(pack, name).get_body((kind,)).get_content() for name in ("en", "ar"))
    english, arabic = (numbers(page_texts(soup_of(text)) if kind == "html" else text) for text in texts)
    assert len(english) > 50
    assert arabic == english


def test_both_languages_are_checked_and_go_out(pack):
    manifest = json.loads((pack / "manifest.json").read_text("utf-8"))
    assert manifest["state"] == "ok"
    assert manifest["reports"].keys() == {"en", "ar"}


def test_the_scorecard_is_one_file_in_english(pack):
    frame = pd.read_csv(pack / "scorecard.csv", keep_default_na=False)
    assert {"Revenue", "Repeat purchase rate"} <= {*frame["label"]}
    assert (pack / "scorecard.csv").read_text("utf-8") == plain((pack / "scorecard.csv").read_text("utf-8"))


def names_in(pack):
    """Words that stand in the data: columns, values, the company, and what customers of the sample wrote."""
    frame = pd.read_csv(pack / "scorecard.csv", keep_default_na=False)
    known = json.loads((pack / "manifest.json").read_text("utf-8"))
    texts = [*frame["segment"], *frame["segment_value"], known["settings"]["report"]["company"]]
    for name in pack.glob("lists/*.csv"):
        rows = pd.read_csv(name, dtype=str).fillna("")
        texts += [*rows, *rows.to_numpy().ravel()]
    if known["settings"]["report"]["company"] == "Sample Company":
        texts += [text for (text,) in rk.sample().engine.rows("SELECT DISTINCT comment FROM responses") if text]
    return {word for text in texts for word in re.findall("[A-Za-z]+", f"{text} {text.lower()}")}


def test_arabic_has_no_word_in_latin_letters_but_names_and_the_fields_abbreviations(pack):
    assert latin_words(read_html(pack / "report.ar.html"), names_in(pack)) == []


def latin_words(page, known):
    """The words of a page in Latin letters, without names of the data and those that stay as they are."""
    for tag in page.select("code, a[href^=http], .formula"):
        tag.decompose()
    quoted = {word for text in re.findall("«([^«»]*)»", page_texts(page)) for word in re.findall("[A-Za-z]+", text)}
    for section in page.select("section[aria-labelledby=provenance], section[aria-labelledby=comments]"):
        section.decompose()
    text = re.sub(r"[\w/-]+\.csv|\w+[._]\w+", "", plain(page_texts(page)))
    words = {*re.findall("[A-Za-z]+", text)} - known - quoted
    return sorted(word for word in words if not LATIN.fullmatch(word) and not NAMES.fullmatch(word))


LETTERS = {ord(letter): chr(0x5D0 + index % 22) * 2 for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}


def pseudo(text):
    """A sentence twice as long, in the letters of a language from right to left; its fields stay."""
    parts = re.split(r"(\{[^{}]*\})", text)
    return "".join(part if part.startswith("{") else part.lower().translate(LETTERS) for part in parts)


def as_toml(table, prefix=""):
    lines, tables = [], []
    for name, value in table.items():
        key = json.dumps(name)
        if isinstance(value, dict):
            tables.append(as_toml(value, f"{prefix}{key}."))
        else:
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    head = [f"[{prefix.rstrip('.')}]"] if prefix else []
    return "\n".join([*head, *lines, *tables])


def pseudo_table(table):
    return {name: pseudo_table(value) if isinstance(value, dict) else pseudo(value) for name, value in table.items()}


def test_a_third_language_is_one_file(tmp_path):
    package = Path(rk.__file__).parent
    shutil.copytree(package, tmp_path / "retention_kit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(templates_dir(), tmp_path / "templates")
    english = tomllib.loads(FOLDER.joinpath("en.toml").read_text("utf-8"))
    words = pseudo_table(english) | {"locale": "he", "direction": "rtl"}
    forms = ("one", "two", "other")
    words["metrics"] = {
        name: {
            what: pseudo(getattr(metric, what)) for what in ("label", "definition", "formula", "competing", "source")
        }
        for name, metric in METRICS.items()
    }
    words["tables"] = {name: pseudo(name) for name in REQUIRED}
    words["checks"] = {
        name: {"name": pseudo(name), "effect": pseudo(check.effect)}
        for name, check in CHECKS.items()
        if name != "left out"
    }
    words["counted"] = {name: {form: pseudo("{n} things") for form in forms} for name in english.get("counted", {})}
    (tmp_path / "retention_kit/locale/he.toml").write_text(as_toml(words), "utf-8")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [
        sys.executable,
        "-c",
        "from retention_kit.cli import main; main()",
        "report",
        "--language",
        "he",
        "--output",
        "reports",
    ]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    (report,) = (tmp_path / "reports").glob("*/report.he.html")
    page = read_html(report)
    assert page.html["dir"] == "rtl"
    assert page.html["lang"] == "he"
    assert latin_words(page, names_in(report.parent)) in ([], ["K"])  # a thousand, as Hebrew writes it
