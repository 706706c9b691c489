"""The one-page report: the first screen of the full one, on exactly one page, whatever the names and sums."""

from __future__ import annotations

import io
import re
import shutil
from email import message_from_bytes, policy
from pathlib import Path

import pandas as pd
import pikepdf
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

import retention_kit as rk
from retention_kit.cli import main
from retention_kit.report.archive import manifest
from retention_kit.report.blocks import BLOCK_MIME
from retention_kit.report.build.assemble import assemble, brief
from retention_kit.report.checks import gate
from retention_kit.report.checks.figures import flat, text_of_html, text_of_pdf
from retention_kit.report.execution import templates as library
from retention_kit.report.execution.plan import make_plan
from retention_kit.report.export import exporters
from retention_kit.report.export.exporters import exporter_of, page_count
from retention_kit.report.page import Page
from test_pdf import tagged

pytestmark = pytest.mark.long

GOALS = (
    "customer_retention_rate",
    "repeat_purchase_rate",
    "average_revenue_per_customer",
    "revenue",
    "net_revenue",
    "active_customers",
    "purchase_frequency",
    "average_purchase_value",
)


def orders(size: float, customers: int, name: str) -> pd.DataFrame:
    """Eight months in which everybody buys, but for a half of them in the last."""
    rows = [
        (f"c{number}", f"2024-{month:02d}-10", size * (1 + number % 3), f"{name} {number % 4}")
        for month in range(1, 9)
        for number in range(customers)
        if month < 8 or number % 2
    ]
    return pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount", "region"])


def project(
    folder: Path, size: float = 10, customers: int = 40, name: str = "North", goals: int = 0, more: str = ""
) -> Path:
    orders(size, customers, name).to_csv(folder / "orders.csv", index=False)
    goals_toml = "".join(
        f'[goals.{metric}]\ntarget = 0.99\nowner = "{name}"\nby = "2025-12"\n' for metric in GOALS[:goals]
    )
    report = '[report]\ntimezone = "UTC"\ncurrency = "USD"\nas_of = 2024-09-01\nsegments = ["region"]\n'
    (folder / "retention.toml").write_text(f'[data]\norders = "orders.csv"\n{report}{more}\n{goals_toml}', "utf-8")
    return folder / "retention.toml"


def pages_of(page: Page) -> tuple[bytes, str]:
    notebook = brief(page, [])
    return tuple(exporter_of(kind, True).from_notebook_node(notebook)[0] for kind in ("pdf", "html"))


@pytest.mark.parametrize(
    ("size", "customers", "name", "goals"),
    [
        (0.01, 400, "North", 3),
        (19.99, 40, "Region " + "of a long name " * 5, len(GOALS)),
        (1e9, 2, "North", 0),
        (1e13, 400, "x" * 80, len(GOALS)),
        (1e13, 40, "Region " + "of a long name " * 5, 1),
    ],
)
def test_a_brief_is_one_page_with_the_words_of_the_page(tmp_path, size, customers, name, goals):
    page = Page(segment="region", data=rk.load(project(tmp_path, size, customers, name, goals)))
    pdf, html = pages_of(page)
    assert page_count(pdf) == 1
    on_paper, on_screen = flat(text_of_pdf(pdf)), text_of_html(html)
    for text in (on_paper, on_screen):
        assert flat(page.headline().data["text"]) in text
        for card in page.cards().data["cards"]:
            assert flat(f"{card['label']} {card['value']}") in text
        first = page.attention().data["items"][0]
        assert re.sub(r"\s", "", flat(first)) in re.sub(r"\s", "", text), "a long name may break"
        assert "lists/lost_customers.csv" in re.sub(r"\s", "", text)


@pytest.mark.parametrize("goals", [0, 3, len(GOALS)])
def test_readers_of_either_language_see_the_trend(tmp_path, goals):
    data = rk.load(project(tmp_path, goals=goals))
    for language in ("en", "ar"):
        pdf, _ = pages_of(Page(segment="region", data=data, language=language))
        assert page_count(pdf) == 1
        with pikepdf.open(io.BytesIO(pdf)) as document:
            assert len(tagged(document, "/Figure")) == 1, language


@pytest.mark.parametrize("crowded", [(), ("ar",), ("en", "ar")])
def test_readers_of_all_languages_see_the_trend_or_none_does(tmp_path, monkeypatch, crowded):
    def figures(pdf: bytes) -> tuple[str, int]:
        with pikepdf.open(io.BytesIO(pdf)) as document:
            return str(document.Root.Lang), len(tagged(document, "/Figure"))

    def count(pdf: bytes) -> int:
        language, drawn = figures(pdf)
        return 2 if drawn and language in crowded else page_count(pdf)

    monkeypatch.setattr(exporters, "page_count", count)
    monkeypatch.setattr(library, "run", lambda template, *_: (template, ""))
    pack = rk.build_report(rk.load(project(tmp_path)), languages=["en", "ar"], formats=["brief"], output=tmp_path)
    drawn = dict(figures((pack.path / f"brief.{language}.pdf").read_bytes()) for language in ("en", "ar"))
    assert drawn == dict.fromkeys(("en", "ar"), 0 if crowded else 1)


def test_what_finds_no_room_is_counted(tmp_path):
    """Thirty long warnings: a few stand on the page, and how many more the full report has."""
    page = Page(data=rk.load(project(tmp_path, goals=len(GOALS))))
    sentences = [f"Warning {number}: {'so many words that a line is not enough for them ' * 6}" for number in range(30)]
    page.data.warnings = tuple(sentences)
    pdf, _ = pages_of(page)
    assert page_count(pdf) == 1
    text = flat(text_of_pdf(pdf))
    numbers = [number for number in range(30) if f"Warning {number}:" in text]
    assert numbers
    assert numbers == [*range(len(numbers))]
    (more,) = re.findall(r"(\d+) more in the full report", text.partition("Goals")[0])
    assert int(more) + len(numbers) > 30, "what the data do not warn of is counted, too"


def test_alerts_stay_what_they_are_where_room_is_short(tmp_path):
    alert = '[[alerts]]\nname = "Many leave"\nwhen = "customer_churn_rate > 1%"\nthen = ["notice"]\n'
    page = Page(data=rk.load(project(tmp_path, goals=len(GOALS), more=alert)))
    page.data.warnings = tuple(f"Warning {number}: {'so many words that a line is full ' * 9}" for number in range(9))
    pdf, html = pages_of(page)
    assert page_count(pdf) == 1
    (fires,) = page.alert_notice(2).data["items"]
    on_paper = flat(text_of_pdf(pdf))
    assert flat(fires) in on_paper
    assert on_paper.count("Warning 0:") == 1
    assert "Warning 8:" not in on_paper
    assert flat(fires) in text_of_html(html)


def _built(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """A pack of brief and PDF without kernels: the full report is its appendix."""
    patch.chdir(folder)
    patch.setattr(library, "run", lambda template, *_: (template, ""))
    project(folder, goals=2)
    assert main(["report", "--format", "brief", "--format", "pdf", "--static"]) == 0
    return folder / "reports" / "2024-08"


@pytest.fixture
def built(tmp_path, monkeypatch) -> Path:
    return _built(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def brief_pack(tmp_path_factory) -> Path:
    """Such a pack, only for reading and copying."""
    with pytest.MonkeyPatch.context() as patch:
        return _built(tmp_path_factory.mktemp("once"), patch)


def test_the_pack_knows_its_brief(built, capsys):
    names = {"brief.en.html", "brief.en.pdf", "report.en.pdf"}
    assert {path.name for path in built.glob("[br]*.en.*")} == names
    contents = manifest.read(built)
    assert names <= set(contents["files"])
    assert contents["parameters"]["formats"] == ["brief", "pdf"]
    index = (built.parent / "index.html").read_text("utf-8")
    assert all(f'href="2024-08/{name}"' in index for name in names)
    assert gate.judge(built).state == "ok"
    capsys.readouterr()
    assert main(["rerun", "reports/2024-08"]) == 0
    assert main(["report", "--format", "brief", "--format", "pdf", "--static"]) == 0
    out, err = capsys.readouterr()
    assert "unchanged" in err
    assert out.splitlines()[-1] == "open reports/2024-08/brief.en.html"


@pytest.mark.parametrize(
    ("link", "attached"),
    [
        ("", ["retention-2024-08-brief.en.pdf", "retention-2024-08.en.pdf"]),
        ("https://example.com/reports", ["retention-2024-08-brief.en.pdf"]),
    ],
)
def test_the_mail_brings_the_page_along(built, link, attached):
    if link:
        file = built.parents[1] / "retention.toml"
        file.write_text(file.read_text("utf-8") + f'[mail]\nlink = "{link}"\n', "utf-8")
        assert main(["report", "--format", "brief", "--format", "pdf", "--static"]) == 0
    message = message_from_bytes((built / "message.en.eml").read_bytes(), policy=policy.default)
    files = {part.get_filename(): part.get_content() for part in message.iter_attachments()}
    assert list(files) == attached
    assert files[attached[0]] == (built / "brief.en.pdf").read_bytes()
    for kind in ("plain", "html"):
        assert "One page of it is attached as a PDF." in message.get_body((kind,)).get_content()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda pack: (pack / "brief.en.pdf").unlink(), "brief.en.pdf is not there"),
        (lambda pack: _replaced(pack / "brief.en.html", "50.0%", "51.0%"), "other figures than the scorecard"),
        (
            lambda pack: (pack / "brief.en.pdf").write_bytes((pack / "report.en.pdf").read_bytes()),
            "pages and is to have one",
        ),
    ],
)
def test_the_gate_reads_the_brief(brief_pack, tmp_path, spoil, message):
    pack = Path(shutil.copytree(brief_pack, tmp_path / brief_pack.name))
    spoil(pack)
    reasons = [finding.reason for finding in gate.check_report(pack, manifest.read(pack), "en")]
    assert any(message in reason for reason in reasons)


def _replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_format_that_does_not_exist_names_the_nearest(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as error:
        main(["report", "--format", "breif"])
    assert error.value.code == 2
    assert "there is no report format 'breif': did you mean 'brief'?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["report", "--help"])
    assert "html, pdf or brief (one page)" in re.sub(r"\s+", " ", capsys.readouterr().out)


def test_the_full_report_defines_what_it_shows(tmp_path):
    """One section that shows two cards: two definitions, and no rule that decides neither figure."""
    plan = make_plan(rk.load(project(tmp_path)), None, None, None, None, ["pdf"], [], None, True)
    outputs = [new_output("display_data", data=plan.page.cards("repeat_purchase_rate", "revenue")._repr_mimebundle_())]
    executed = {plan.stem(plan.everything[0], "en"): new_notebook(cells=[new_code_cell(outputs=outputs)])}
    for sections, expected in ((executed, {"Repeat purchase rate", "Revenue"}), ({}, {*plan.page.rows["label"]})):
        blocks = [cell.outputs[0].data[BLOCK_MIME] for cell in assemble(plan, "en", sections, []).cells]
        terms = next(block["items"] for block in blocks if block["kind"] == "terms")
        assert {term["term"] for term in terms} == expected


def test_the_sample_is_short_and_defines_every_figure(sample_pack):
    """All that the sample company shows on paper, at most on twenty-one pages, and live in less than 1.5 MB."""
    assert page_count((sample_pack / "report.en.pdf").read_bytes()) <= 21
    assert (sample_pack / "report.en.html").stat().st_size < 1_480_000
    text = flat(text_of_pdf((sample_pack / "report.en.pdf").read_bytes()))
    assert [
        metric.label for metric in rk.METRICS.values() if f"{metric.label} {metric.definition[:20]}" not in text
    ] == []
