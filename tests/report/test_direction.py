"""Reports, lists of reports and mail from right to left: what stands where, and what never holds a control of it."""

import json
import re
from dataclasses import replace
from email import message_from_bytes, policy
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from msgspec import structs

import retention_kit as rk
from retention_kit import bidi
from retention_kit.report.archive.index import write_index
from retention_kit.report.checks import gate
from retention_kit.report.checks.figures import PdfFigures, Record, text_of_pdf
from retention_kit.settings.goals import Goal
from retention_kit.wording import Words
from test_exporters import code_cell, notebook, pdf

pytestmark = pytest.mark.long

COMPANY = "متجر Example (UK)"
CONTROL = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# What changes its place between letters from right to left: a sign, a per cent or currency, a range, a Latin word.
TURNS = re.compile(r"[+−±]\s?\d|\d\s?%|\d\s*[–/-]\s*\d|[£$€]|[A-Za-z]{2}")


@pytest.fixture(scope="module")
def packs(tmp_path_factory) -> Path:
    """The pack of the sample company in Arabic, as every format, with a list of reports beside it."""
    output = tmp_path_factory.mktemp("arabic")
    data = rk.sample(company=COMPANY, languages=["ar"], formats=["html", "pdf", "brief"])
    goals = {"customer_retention_rate": Goal(target="97.5%", owner="Ann Lee")}
    data = replace(data, settings=structs.replace(data.settings, goals=goals))
    pack = rk.build_report(data, output=output)
    assert pack.failures == ()
    assert write_index(output) == ""
    return output


@pytest.fixture(scope="module")
def folder(packs) -> Path:
    (folder,) = [path for path in packs.iterdir() if path.is_dir()]
    return folder


@pytest.fixture(scope="module")
def message(folder):
    return message_from_bytes((folder / "message.ar.eml").read_bytes(), policy=policy.default)


def texts_of(page: str) -> list[str]:
    """The texts of HTML, those of attributes too; pictures tell theirs in their description."""
    page = re.sub(r"(?s)<!--.*?-->|<(script|style|svg|title)\b.*?</\1>", " ", page)
    page = re.sub(r'<span class="short">([^<]*)</span>', r"\1", page)  # of one sentence with what is around it
    parts = re.findall(r">([^<]+)<", page) + re.findall(r'\b(?:alt|title|data-label)="([^"]*)"', page)
    return [unescape(part) for part in parts if part.strip()]


def unisolated(texts: list[str]) -> list[str]:
    """The texts of which something is not isolated that would change its place."""
    return [text for text in texts if TURNS.search(bidi._bare(text))]


def test_no_figure_range_or_name_changes_its_place(folder, message):
    for name in ("report.ar.html", "brief.ar.html"):
        texts = texts_of((folder / name).read_text("utf-8"))
        assert len(texts) > 50
        assert unisolated(texts) == []
    assert unisolated(texts_of(message.get_body(("html",)).get_content())) == []
    assert unisolated(message.get_body(("plain",)).get_content().splitlines()) == []
    assert unisolated([message["Subject"]]) == []


def test_no_control_of_direction_reaches_files_that_programs_read(packs, folder, message):
    for path in packs.rglob("*"):
        assert not CONTROL.search(path.name)
        if path.suffix in (".csv", ".json", ".ics"):
            assert not CONTROL.search(path.read_text("utf-8")), path.name
    assert (folder / "lists" / "at_risk.csv").is_file()  # whose `why` is a sentence
    for path in packs.rglob("*.html"):
        named = re.findall(r'\b(?:id|href|for|aria-labelledby)="([^"]*)"', path.read_text("utf-8"))
        assert named
        assert not CONTROL.search(" ".join(named))
    for part in message.walk():
        assert not CONTROL.search(f"{part.get_filename() or ''} {part['Content-ID'] or ''}")
    for name, value in message.items():
        assert name == "Subject" or not CONTROL.search(value)


def test_mail_stays_from_right_to_left_where_styles_or_the_head_are_stripped(message):
    page = message.get_body(("html",)).get_content()
    body = page[page.index("<body") :]
    assert re.match(r'<body[^>]* dir="rtl"[^>]* lang="ar"|<body[^>]* lang="ar"[^>]* dir="rtl"', body)
    tables = re.findall(r"<table\b[^>]*>", re.sub(r"(?s)<!--.*?-->", "", body))
    assert tables
    assert all('dir="rtl"' in table for table in tables)
    cells = re.findall(r"<t[dh]\b[^>]* align=\"(?:left|right)\"[^>]*>", body)
    assert len([cell for cell in cells if 'align="right"' in cell]) > len(cells) / 2
    for cell in cells:  # attribute and style say the same
        (alignment,) = re.findall(r'\balign="(\w+)"', cell)
        assert {alignment} >= {*re.findall(r"text-align: ?(left|right)", cell)}
    assert "border-right: 4px" in body.replace("border-right:4px", "border-right: 4px")
    assert "border-left:" not in body


def test_every_line_of_the_text_part_is_set_from_right_to_left(message):
    text = message.get_body(("plain",)).get_content()
    assert bidi.turn_lines(text.replace("\r\n", "\n")) == text.replace("\r\n", "\n")
    assert sum(line.startswith("\u200f") for line in text.splitlines()) < len(text.splitlines()) / 2


def test_the_gate_finds_nothing(folder):
    assert gate.judge(folder) == gate.Verdict("ok")


def test_figures_on_paper_are_compared_with_their_signs(folder):
    printed = text_of_pdf((folder / "report.ar.pdf").read_bytes())
    paper = PdfFigures(printed)
    sign, figure = re.search(r"([+−])(\d+\.\d)", printed).groups()
    assert paper.has_together(f"{sign}{figure}")
    assert not PdfFigures(printed.replace(f"{sign}{figure}", figure)).has_together(f"{sign}{figure}")
    assert PdfFigures("a 1,119 b 1,155 · 95.7% to 97.7%").has_together("97.7% 1,155 95.7%")
    assert not PdfFigures("1,119 and 95.7% then 1,155").has_together("1,119 1,155")
    assert PdfFigures("12 15 12 15").missing(["12 15", "15 12", "x 12 15"]) == []
    assert PdfFigures("12 15 x 7 12 16").missing(["12 15", "15 12 y"]) == ["12 15", "15 12 y"]


def test_paper_says_every_card_whatever_stands_beside_its_change():
    """The change of a sum from one month to a longer or shorter one has a third figure in its line: that by day."""
    days = pd.date_range("2023-01-01", "2024-12-31 23:00", freq="5h")
    sums = [20 + n * n % 31 + n / 50 for n in range(len(days))]
    orders = pd.DataFrame(
        {"customer_id": [f"c{n * n % 211}" for n in range(len(days))], "ordered_at": days, "amount": sums}
    )
    data = rk.load(orders=orders, currency="GBP", timezone="UTC", languages=["ar"])
    months = pd.period_range("2023-03", "2024-12", freq="M").astype(str)
    blocks = [rk.Page(month, data=data, language="ar").cards() for month in months]
    details = [change["detail"] for block in blocks for card in block.data["cards"] for change in card["changes"]]
    assert sum(map(bool, details)) > len(months), "few say what became of a sum by day"
    paper, record = notebook(code_cell(*blocks), language="ar", direction="rtl"), Record()
    record.add(paper, Words("ar", "GBP"))
    assert record.missing_in_pdf(text_of_pdf(pdf(paper)), is_ordered=False) == []


def test_the_list_of_reports_says_its_findings_from_right_to_left(packs, folder):
    page = (packs / "index.html").read_text("utf-8")
    assert '<html lang="ar" dir="rtl">' in page
    texts = [text for text in texts_of(page) if not re.fullmatch(r"HTML|PDF", text)]
    assert unisolated(texts) == []
    headline = json.loads((folder / "manifest.json").read_text("utf-8"))["reports"]["ar"]["headline"]
    assert headline in bidi.plain(unescape(page))


def test_names_from_right_to_left_stand_isolated_in_an_english_report(tmp_path):
    days = pd.date_range("2024-01-01", "2024-12-31 23:00", freq="5h")
    names = ["عميل (أ)", "Store (b)"]
    orders = pd.DataFrame(
        {
            "customer_id": [f"عميل-{n * n % 211}" for n in range(len(days))],
            "ordered_at": days,
            "amount": 20.0,
            "branch": [names[n * n % 211 % 2] for n in range(len(days))],
        }
    )
    data = rk.load(orders=orders, segments=["branch"], currency="GBP", timezone="UTC", company="متجر (أ)")
    pack = rk.build_report(data, output=tmp_path, formats=["html"])
    assert pack.failures == ()
    page = unescape((pack.path / "report.en.html").read_text("utf-8"))
    page = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", page)
    assert "عميل (أ)" in page
    assert re.findall(r"[^\u2068]عميل \(أ\)|عميل \(أ\)[^\u2069]", page) == []
    assert "\u2068Store (b)" not in page
    for path in pack.path.rglob("*.csv"):
        assert not CONTROL.search(path.read_text("utf-8"))
    assert not CONTROL.search((pack.path / "manifest.json").read_text("utf-8"))
