"""The pack: what is in it, that every format says the same, and that nothing half-made is ever left."""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Barrier, Lock
from unittest.mock import patch

import nbformat
import nbformat.v4 as nbf
import pandas as pd
import pikepdf
import pypdf
import pytest
from bs4 import BeautifulSoup
from msgspec import structs

import retention_kit as rk
from retention_kit.cli import main
from retention_kit.errors import DataError, ReportError, UnknownNameError
from retention_kit.metrics.catalogue import METRICS, Measure, metric
from retention_kit.metrics.forecasts.lists import RISK_LISTS
from retention_kit.metrics.queries.customer_lists import LISTS
from retention_kit.metrics.snapshot import SNAPSHOT
from retention_kit.report.archive import manifest
from retention_kit.report.blocks import templates_dir
from retention_kit.report.build import rendering
from retention_kit.report.build.rerun import rerun
from retention_kit.report.execution import templates as library
from retention_kit.report.export.exporters import RetentionPDFExporter
from retention_kit.report.pages import context
from retention_kit.wording import Words
from soup import soup_of
from test_real_data import invoices
from test_templates import ORDERS, notebook

pytestmark = pytest.mark.long

SYNTHETIC = "synthetic data"
HOSTILE = ["../../x", "<script>alert(1)</script>", "=cmd|' /C calc'!A1", '#panic("x")', "France", "france"]
PRINTED = {  # of Online Retail in November 2011: label → value, numerator, denominator as the tables print them
    "Customers at start": ("1,364", "–", "–"),
    "Customers at end": ("1,664", "–", "–"),
    "New customers": ("323", "–", "–"),
    "Customer retention": ("45.60%", "622", "1,364"),
    "Repeat purchase rate": ("32.45%", "540", "1,664"),
    "Revenue": ("£1,161,817.38", "–", "–"),
    "Revenue per customer": ("£698.21", "£1,161,817.38", "1,664"),
}


@pytest.fixture(scope="module")
def data():
    return rk.load(orders=ORDERS, timezone="UTC", currency="GBP")


@pytest.fixture
def in_process(monkeypatch):
    """Templates run in this process, in a fifth of a second instead of three."""
    monkeypatch.setattr(library, "run", run_in_process)


@pytest.mark.usefixtures("in_process")
def test_two_charts_that_look_alike_are_one_picture(tmp_path):
    orders = pd.DataFrame({"customer_id": ["a", "b"], "ordered_at": ["2024-01-05", "2024-02-05"], "amount": 5})
    data = rk.load(orders=orders, timezone="UTC", currency="GBP", as_of="2024-03-01")
    assert rk.build_report(data, output=tmp_path, formats=["html"]).failures == ()


_ALONE = Lock()  # who sets the environment, sets it for all threads


def run_in_process(
    template: nbformat.NotebookNode, parameters: dict, environment: dict, *_: object
) -> tuple[nbformat.NotebookNode, str]:
    """Each cell's last expression is its output, as in a kernel; what it raises ends the run."""
    names: dict = {}
    with _ALONE, patch.dict(os.environ, {SNAPSHOT: environment[SNAPSHOT]}):
        for cell in template.cells:
            *body, last = ast.parse(cell.source).body or [ast.Pass()]
            is_shown = isinstance(last, ast.Expr)
            exec(compile(ast.Module(body if is_shown else [*body, last], []), "cell", "exec"), names)
            if "parameters" in cell.metadata.get("tags", []):
                names |= parameters
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if is_shown else None
            cell.outputs = [
                nbf.new_output("display_data", data=block._repr_mimebundle_())
                for block in (value if isinstance(value, list) else [value] if value else [])
            ]
    return template, ""


@cache
def read_html(path: Path) -> BeautifulSoup:
    return soup_of(path.read_text("utf-8"))


@cache
def pages_of(path: Path) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in pypdf.PdfReader(path).pages]


def html_text(pack: Path) -> str:
    return read_html(pack / "report.en.html").main.get_text(" ", strip=True)


def pdf_text(pack: Path) -> str:
    return " ".join(pages_of(pack / "report.en.pdf"))


def figures(pack: Path) -> dict[str, list[str]]:
    """The rows of the tables of figures in the HTML, by label."""
    titled = [
        table for table in read_html(pack / "report.en.html")("figure", class_="table") if table.find(class_="title")
    ]
    rows = [[cell.get_text() for cell in row(["th", "td"])] for table in titled for row in table.tbody("tr")]
    return {label: cells for label, *cells in rows}


def scorecard(pack: Path, name: str = "scorecard.csv") -> list[dict[str, str]]:
    with (pack / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Whole packs, made by kernels.


def test_the_pack_holds_what_the_contract_names(any_pack):
    sections = json.loads((any_pack / "manifest.json").read_text("utf-8"))["sections"]
    notebooks = {f"notebooks/{stem}.ipynb" for stem in sections}
    listed = json.loads((any_pack / "manifest.json").read_text("utf-8"))["lists"]
    lists = {f"lists/{name}.csv" for name in LISTS} | {*listed}
    assert {*listed} - {f"lists/{name}.csv" for name in RISK_LISTS} == {f"lists/{name}.csv" for name in LISTS}
    reports = {"report.en.html", "report.en.pdf", "message.en.eml"}
    assert set(contents(any_pack)) == {"manifest.json", "scorecard.csv"} | reports | notebooks | lists


def test_the_manifest_is_true(any_pack):
    manifest = json.loads((any_pack / "manifest.json").read_text("utf-8"))
    assert manifest["state"] == "ok"
    assert set(manifest["sections"].values()) == {"ok"}
    assert manifest["period"] == any_pack.name
    assert manifest["files"] == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in contents(any_pack).items()
        if name != "manifest.json"
    }
    assert not [check for check in manifest["identities"] if check["broken"]]
    assert set(manifest["metrics"]) == set(METRICS)
    for section, digest in manifest["templates"].items():
        template = templates_dir() / f"{section.partition('.')[0]}.ipynb"
        assert hashlib.sha256(template.read_bytes()).hexdigest() == digest


def test_the_manifest_says_what_the_data_were(retail_pack, shared):
    manifest = json.loads((retail_pack / "manifest.json").read_text("utf-8"))
    source = shared / "data" / "online_retail_orders.parquet"
    assert [entry["sha256"] for entry in manifest["data"]["sources"]] == [
        hashlib.sha256(source.read_bytes()).hexdigest()
    ]
    assert manifest["data"]["quality"][0] == {"table": "orders", "check": "rows read", "rows": 22190, "effect": ""}
    assert (manifest["start"], manifest["end"], manifest["as_of"]) == ("2011-11-01", "2011-12-01", "2011-12-10")
    assert manifest["data"]["synthetic"] is False


def test_the_scorecard_is_that_of_the_library(retail_pack, shared, tmp_path):
    rows = rk.scorecard(rk.load(invoices(tmp_path, shared)), "2011-11", segment="country")
    written = pd.read_csv(retail_pack / "scorecard.csv", keep_default_na=False)
    written = written[(written["period"] == "2011-11")].reset_index(drop=True)
    assert list(written.columns) == list(rows.columns)
    keys = ["metric", "segment_value"]
    written, rows = (frame.set_index(keys).sort_index() for frame in (written, rows))
    assert list(written.index) == list(rows.index)
    for name in ("value", "numerator", "denominator", "n", "low", "high", "previous", "change", "year_ago"):
        pd.testing.assert_series_equal(pd.to_numeric(written[name]), rows[name], check_exact=True, check_dtype=False)
    assert list(written["note"]) == list(rows["note"])


def test_every_format_prints_the_published_figures(retail_pack):
    by_label = figures(retail_pack)
    assert {label: tuple(by_label[label][:3]) for label in PRINTED} == PRINTED
    in_pdf = pdf_text(retail_pack)
    for label, parts in PRINTED.items():
        assert f"{label} {' '.join(parts)}" in in_pdf
    for sentence in (
        "Customer retention rose by 7.0 points to 45.6%",
        "622 of the 1,364 customers of October 2011 bought again in November 2011.",
        "October 2011: 1,364 = 622 kept + 742 lost.",
        "November 2011: 1,664 = 622 kept + 719 back + 323 new.",
    ):
        assert sentence in html_text(retail_pack)
        assert sentence in in_pdf


def test_every_value_of_the_scorecard_is_on_the_page(any_pack):
    currency = json.loads((any_pack / "manifest.json").read_text("utf-8"))["settings"]["report"]["currency"]
    words, by_label = Words("en", currency), figures(any_pack)
    whole = [row for row in scorecard(any_pack) if row["period"] == any_pack.name and not row["segment"]]
    assert len(whole) > 10
    for row in whole:
        if (
            not row["value"] and row["label"] not in by_label
        ):  # where nothing of a table is defined, its reason stands there
            assert f"{row['label']}: {row['note']}" in html_text(any_pack)
            continue
        value, n = (float(row[name]) if row[name] else None for name in ("value", "n"))
        printed = by_label[row["label"]]
        assert (printed[0], printed[3]) == (words.value(value, row["unit"], "full"), words.value(n, "count"))


def test_the_html_names_no_address(any_pack):
    page = BeautifulSoup((any_pack / "report.en.html").read_text("utf-8"), "html.parser")
    page.find_all("script")[-2].decompose()  # Vega names its own addresses but calls none
    assert set(re.findall(r"https?://[^\s\"')]+", str(page))) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


@pytest.mark.parametrize("text_of", [html_text, pdf_text])
def test_no_line_of_code_is_in_a_report(any_pack, text_of):
    text = text_of(any_pack)
    templates = [nbformat.read(path, as_version=4) for path in templates_dir().glob("*.ipynb")]
    code = {line.strip() for nb in templates for cell in nb.cells for line in cell.source.splitlines() if line.strip()}
    assert [line for line in code if line in text] == []
    assert not re.search(r"\bimport \w+|\bpage\.\w+\(|Traceback|\bNaN\b|\bNone\b|<NA>", text)


def test_synthetic_figures_are_labelled_on_every_page(sample_pack, retail_pack):
    assert SYNTHETIC in read_html(sample_pack / "report.en.html").header.get_text()
    assert [page for page in pages_of(sample_pack / "report.en.pdf") if SYNTHETIC not in page] == []
    assert SYNTHETIC not in pdf_text(retail_pack)
    assert SYNTHETIC not in read_html(retail_pack / "report.en.html").get_text()


def test_the_pdf_has_contents_bookmarks_and_page_numbers(any_pack):
    sections = [heading.get_text() for heading in read_html(any_pack / "report.en.html").find_all("h2")]
    pages = pages_of(any_pack / "report.en.pdf")
    with pikepdf.open(any_pack / "report.en.pdf") as document, document.open_outline() as outline:
        assert [item.title for item in outline.root[0].children] == sections
        assert str(document.Root.Lang) == "en"
    assert [number for number, page in enumerate(pages, 1) if f"Page {number} of {len(pages)}" not in page] == []
    for section in sections:
        # They follow the first section, which may fill a page.
        assert re.search(rf"Contents .*{re.escape(section)} \d+", " ".join(pages[:2]))


def test_html_stays_within_its_budget(any_pack):
    assert (any_pack / "report.en.html").stat().st_size < 1_500_000


def test_a_section_run_again_elsewhere_gives_the_same_pack(sample_pack, tmp_path):
    """Same bytes, the other sections taken from the notebooks of before."""
    shutil.copytree(sample_pack, tmp_path / sample_pack.name)
    rk.build_report(rk.sample(), output=tmp_path, only=["retention"])
    before, after = contents(sample_pack), contents(tmp_path / sample_pack.name)
    assert [name for name in before if before[name] != after[name]] == ["manifest.json"]
    assert json.loads(after["manifest.json"])["sections"] == json.loads(before["manifest.json"])["sections"]


def test_runs_side_by_side_do_not_mix():
    """Both fail at once; each gives back its own notebook."""
    together = Barrier(2)

    def run_template(name: str) -> tuple[nbformat.NotebookNode, str]:
        template = nbformat.reads(notebook(f"raise ValueError('{name}')"), as_version=4)
        together.wait()
        return library.run(template, {}, {**os.environ}, [])

    with ThreadPoolExecutor() as pool:
        for name, (executed, problem) in zip("ab", pool.map(run_template, "ab"), strict=True):
            assert problem == f"ValueError: {name}"
            assert f"ValueError('{name}')" in executed.cells[-1].source


def test_a_failing_template_fails_alone(tmp_path, capsys):
    """A part that fails is told in plain words; its traceback stays in the executed notebook."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "broken.ipynb").write_text(notebook("secret = 1", 'raise ValueError("No price list.")'), "utf-8")
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    command = ["report", "--data", str(tmp_path), "--output", str(tmp_path / "reports"), "--templates", str(own)]
    assert main([*command, "--only", "revenue,broken"]) == 1
    assert "Failed: broken (en): ValueError: No price list." in capsys.readouterr().err
    pack = tmp_path / "reports" / "2024-02"
    for text in (html_text(pack), pdf_text(pack)):
        assert "This section could not be made" in text
        assert "No price list." in text
        assert "The figures of February 2024" in text
        assert "secret" not in text
        assert "Traceback" not in text
    manifest = json.loads((pack / "manifest.json").read_text("utf-8"))
    assert manifest["state"] == "failed"
    assert manifest["sections"] == {"broken.en": "failed", "revenue.en": "ok"}
    assert "Traceback" in (pack / "notebooks" / "broken.en.ipynb").read_text("utf-8")


# The rest needs no kernel.


def build(data, output: Path, **options) -> Path:
    return rk.build_report(data, "2024-02", output=output, **({"formats": ["html"], "static": True} | options)).path


@pytest.fixture(scope="module")
def whole_pack(data, tmp_path_factory) -> Path:
    """A whole pack, made once for all tests that want one to stand there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "run", run_in_process)
        return build(data, tmp_path_factory.mktemp("made"))


@pytest.fixture
def existing_pack(whole_pack, tmp_path) -> dict[str, bytes]:
    """What a pack holds that stands in the test's folder already."""
    shutil.copytree(whole_pack, tmp_path / whole_pack.name)
    return contents(whole_pack)


@pytest.mark.usefixtures("in_process")
def test_only_keeps_its_siblings(data, tmp_path, existing_pack):
    again = contents(build(data, tmp_path, only=["revenue"]))
    assert [name for name in existing_pack if existing_pack[name] != again.get(name)] == ["manifest.json"]


@pytest.mark.usefixtures("in_process", "existing_pack")
def test_only_shows_what_it_has_just_made(data, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    code = "from retention_kit.report.blocks import Block\nBlock('text', text='Made anew')"
    (own / "retention.ipynb").write_text(notebook(code), "utf-8")
    assert "Made anew" in html_text(build(data, tmp_path, only=["retention"], templates=own))


@pytest.mark.usefixtures("in_process", "existing_pack")
def test_other_figures_do_not_mix(tmp_path):
    """Sections of before speak of other data: they leave the report."""
    other = rk.load(orders=ORDERS.assign(amount=ORDERS["amount"] * 2), timezone="UTC", currency="GBP")
    text = html_text(build(other, tmp_path, only=["revenue"]))
    assert "£94.00" in text  # 2 · (10 + 30 + 7)
    assert "£47.00" not in text


@pytest.mark.usefixtures("in_process")
def test_only_makes_every_section_where_the_others_would_be_lost(data, tmp_path):
    """But a first pack, or one that never had others, holds what is asked for."""
    options = {"period": "2024-02", "output": tmp_path, "formats": ["html"], "static": True}
    other = rk.load(orders=ORDERS.assign(amount=ORDERS["amount"] * 2), timezone="UTC", currency="GBP")
    for source in (data, other):
        assert not rk.build_report(source, only=["revenue"], **options).note
        assert manifest.sections(tmp_path / "2024-02") == {"revenue.en"}
    rk.build_report(other, **options)
    whole = manifest.sections(tmp_path / "2024-02")
    assert len(whole) > 3
    assert not rk.build_report(other, only=["revenue"], **options).note
    assert "every section was made" in rk.build_report(data, only=["revenue"], **options).note
    assert manifest.sections(tmp_path / "2024-02") == whole
    assert "£47.00" in html_text(tmp_path / "2024-02")


@pytest.mark.usefixtures("in_process")
def test_an_own_section_needs_no_heading_of_ours(data, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "price_list.ipynb").write_text(notebook(), "utf-8")
    page = read_html(build(data, tmp_path, templates=own) / "report.en.html")
    assert "Price list" in [heading.get_text() for heading in page.find_all("h2")]


@pytest.fixture
def guest_share() -> Iterator[str]:
    """A metric of someone else's."""

    @metric(label="Guest share", unit="fraction", formula="guests' revenue / revenue", source="this test")
    def guest_share(purchases) -> Measure:
        """Share of the revenue that comes from guests."""
        whole = purchases.customer_revenue + purchases.guest_revenue
        return Measure(purchases.guest_revenue / whole, purchases.guest_revenue, whole, n=purchases.purchases)

    yield guest_share.__name__
    del METRICS["guest_share"]


@pytest.mark.usefixtures("in_process")
def test_a_plug_in_metric_gets_its_row_and_its_section(guest_share, tmp_path):
    guests = pd.concat([ORDERS, pd.DataFrame([(None, "2024-02-10", 53.0)], columns=ORDERS.columns)])
    data = rk.load(orders=guests, timezone="UTC", currency="GBP")
    row = rk.scorecard(data, "2024-02", metrics=[guest_share]).iloc[0]
    assert (row["label"], row["value"], row["denominator"]) == ("Guest share", 0.53, 100)  # 53 / (10 + 30 + 7 + 53)
    pack = build(data, tmp_path)
    assert figures(pack)["Guest share"][0] == "53.00%"
    assert guest_share in {row["metric"] for row in scorecard(pack)}
    assert "Guest share" in [heading.get_text() for heading in read_html(pack / "report.en.html").find_all("h2")]


@pytest.fixture(scope="module")
def hostile():
    """A customer for each value, who buys in both months."""
    rows = [
        (f"c{number}", f"2024-0{month}-05", 10.0, value) for number, value in enumerate(HOSTILE) for month in (1, 2)
    ]
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount", "country"])
    return rk.load(orders=orders, timezone="UTC", currency="GBP")


@pytest.mark.usefixtures("in_process")
def test_values_of_the_data_stay_values(hostile, tmp_path):
    pack = build(hostile, tmp_path, segment="country", formats=["html", "pdf"])
    page = read_html(pack / "report.en.html")
    assert not page.find_all("script")
    assert "none of" in page.main.get_text(), "values of so few are in the scorecard alone"
    cells = {cell for row in scorecard(pack) for cell in row.values()}
    assert [cell for cell in cells if cell.startswith(("=", "+", "@"))] == []
    assert "'=cmd|' /C calc'!A1" in cells


@pytest.mark.usefixtures("in_process")
def test_each_segment_value_gets_files_of_its_own_and_wipes_none(hostile, tmp_path):
    expected: dict[str, bytes] = {}
    for segment in (None, *(f"country={value}" for value in HOSTILE)):
        pack = build(hostile, tmp_path / "reports", segment=segment, only=["overview"])
        files = contents(pack)
        added = set(files) - set(expected)
        assert len(added) == 7 + (
            segment is None
        )  # report, message, notebook, scorecard, three lists; first the manifest, too
        assert [name for name in expected if name != "manifest.json" and files[name] != expected[name]] == []
        assert all(re.fullmatch(r"[a-zA-Z0-9_./-]+", name) for name in added)
        expected = files
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]
    assert {path.name for path in (tmp_path / "reports").iterdir()} == {"2024-02", "index.html"}
    assert set(json.loads(expected["manifest.json"])["files"]) == set(expected) - {"manifest.json"}


@pytest.mark.usefixtures("in_process")
def test_a_segment_value_is_told_and_filtered(hostile, tmp_path):
    pack = build(hostile, tmp_path, segment="country=France")
    report = next(pack.glob("report.en.*.html"))
    assert "country France" in read_html(report).header.get_text()
    rows = scorecard(pack, next(pack.glob("scorecard*.csv")).name)
    assert {(row["segment"], row["segment_value"]) for row in rows} == {("country", "France")}
    assert {row["value"] for row in rows if row["metric"] == "active_customers"} == {"1"}
    with pytest.raises(UnknownNameError, match=r"There is no country 'Frence' in the data: did you mean 'France'\?"):
        build(hostile, tmp_path, segment="country=Frence")


@pytest.mark.usefixtures("in_process")
def test_an_unchanged_pack_is_left_as_it_stands(data, tmp_path, monkeypatch, existing_pack):
    options = {"period": "2024-02", "output": tmp_path, "formats": ["html"], "static": True}
    assert not rk.build_report(data, **options).is_new
    (tmp_path / "2024-02" / "report.en.html").write_text("spoiled", "utf-8")
    assert rk.build_report(data, **options).is_new  # a file is not what was written
    assert contents(tmp_path / "2024-02") == existing_pack
    assert rk.build_report(data, force=True, **options).is_new
    again = rk.load(orders=ORDERS, timezone="UTC", currency="GBP")
    # How much memory there is and whether tables are kept changes no figure.
    resources = structs.replace(again.settings.data, memory_limit="1GB", cache=True)
    again.settings = structs.replace(again.settings, data=resources)
    monkeypatch.setattr(library, "run", lambda *_: pytest.fail("a template was run"))
    assert not rk.build_report(again, **options).is_new
    assert contents(tmp_path / "2024-02") == existing_pack
    other = rk.load(orders=ORDERS[:-1], timezone="UTC", currency="GBP", as_of="2024-03-01")
    with pytest.raises(pytest.fail.Exception, match="a template was run"):
        rk.build_report(other, **options)


@pytest.mark.parametrize(
    ("origin", "hint"),
    [
        ("(localhost/shop)", "they came through a connection, which only the program that built the pack has"),
        ("(DataFrames)", "they were DataFrames"),
        ("shop.duckdb", "run this where the pack was built"),
    ],
)
@pytest.mark.usefixtures("existing_pack")
def test_data_that_are_gone_are_told_for_what_they_were(tmp_path, origin, hint):
    path = tmp_path / "2024-02" / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["data"]["origin"] = origin
    path.write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(DataError) as error:
        rerun(path.parent)
    assert str(error.value) == f"The data of this pack, {origin!r}, are not here: {hint}."


@pytest.fixture
def months():
    """Three months of orders, the last one complete."""
    march = ORDERS.iloc[3:].assign(ordered_at=["2024-03-03", "2024-03-04", "2024-03-31"])
    return pd.concat([ORDERS, march])


@pytest.mark.usefixtures("in_process")
def test_nothing_is_computed_for_a_pack_that_is_unchanged(months, tmp_path, monkeypatch):
    options = {"output": tmp_path, "formats": ["html"], "static": True, "only": ["revenue"]}
    load = {"orders": months, "timezone": "UTC", "currency": "GBP", "as_of": "2024-04-01"}
    for period in ("2024-02", "2024-03"):
        assert rk.build_report(rk.load(**load), period, **options).is_new
    monkeypatch.setattr(context, "scorecard", lambda *_, **__: pytest.fail("figures were computed"))
    data = rk.load(**load)
    for period in ("2024-02", "2024-03"):
        assert not rk.build_report(data, period, **options).is_new
    assert data.summaries == {}


@pytest.mark.usefixtures("in_process")
def test_an_earlier_pack_counts_where_it_changes_what_is_said(months, tmp_path):
    """One that says what is still so leaves the later pack as it stands; one that said otherwise is told of in it."""
    options = {"output": tmp_path, "formats": ["html"], "static": True, "only": ["revenue"]}
    load = {"timezone": "UTC", "currency": "GBP", "as_of": "2024-04-01"}
    data, other = rk.load(orders=months, **load), rk.load(orders=months.assign(amount=1.0), **load)
    assert rk.build_report(data, "2024-03", **options).is_new
    assert rk.build_report(data, "2024-02", **options).is_new
    assert not rk.build_report(data, "2024-03", **options).is_new
    assert rk.build_report(other, "2024-02", **options).is_new
    assert rk.build_report(data, "2024-03", **options).is_new
    assert {change["period"] for change in manifest.read(tmp_path / "2024-03")["restated"]} == {"2024-02"}
    assert not rk.build_report(data, "2024-03", **options).is_new


OWN_METRIC = """
from retention_kit.metrics.catalogue import Measure, metric

@metric(label="Own", unit="count", formula="one", source="this test")
def own_metric(purchases):
    "One."
    return Measure(1)
"""


@pytest.mark.usefixtures("in_process")
def test_an_edited_metric_or_own_template_is_made_again(data, tmp_path):
    options = {
        "period": "2024-02",
        "output": tmp_path / "reports",
        "formats": ["html"],
        "static": True,
        "only": ["overview"],
    }
    module = tmp_path / "own_metrics.py"

    def edited(text: str) -> bool:
        module.write_text(text, "utf-8")
        exec(compile(text, module, "exec"), {"__name__": "own_metrics"})
        return rk.build_report(data, **options).is_new

    try:
        assert edited(OWN_METRIC)
        assert not edited(OWN_METRIC)
        assert edited(OWN_METRIC.replace("Measure(1)", "Measure(1 if purchases else 2)"))
        assert edited(OWN_METRIC.replace("One.", "The first number."))
    finally:
        del METRICS["own_metric"]
    own = tmp_path / "own"
    own.mkdir()
    (own / "price_list.ipynb").write_text(notebook(), "utf-8")
    assert rk.build_report(data, templates=own, **options).is_new
    assert rk.build_report(data, templates=own, **options).is_new  # what it imports may have changed


@pytest.mark.usefixtures("in_process")
def test_a_chart_that_cannot_be_drawn_fails_alone(data, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    chart = "Block('chart', title='Own chart', alt='None', spec={'mark': 'blob', 'data': {'values': []}})"
    (own / "own.ipynb").write_text(notebook(f"from retention_kit.report.blocks import Block\n{chart}"), "utf-8")
    pack = rk.build_report(data, "2024-02", output=tmp_path / "reports", templates=own, static=True)
    assert [failure.partition(": A chart could not be drawn: ")[0] for failure in pack.failures] == [
        "report.en.html",
        "report.en.pdf",
    ]
    for text in (html_text(pack.path), pdf_text(pack.path)):
        assert "This section could not be made" in text
        assert "The figures of February 2024" in text
    assert json.loads((pack.path / "manifest.json").read_text("utf-8"))["state"] == "failed"


@pytest.mark.usefixtures("in_process")
def test_a_format_that_fails_leaves_the_other(data, tmp_path, monkeypatch):
    options = {"period": "2024-02", "output": tmp_path, "static": True, "only": ["overview"]}
    rk.build_report(data, **options)

    def fail(*_):
        raise ReportError("The PDF could not be made: no ink.")

    with monkeypatch.context() as broken:
        broken.setattr(RetentionPDFExporter, "_typeset", fail)
        pack = rk.build_report(data, force=True, **options)
    assert pack.failures == ("report.en.pdf: The PDF could not be made: no ink.",)
    assert {path.name for path in pack.path.glob("report*")} == {"report.en.html"}
    assert json.loads((pack.path / "manifest.json").read_text("utf-8"))["state"] == "failed"
    again = rk.build_report(data, **options)
    assert again.is_new
    assert not again.failures


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(28, "No space left")], ids=["Ctrl-C", "disk full"])
def test_a_swap_cut_short_puts_the_pack_before_back(data, tmp_path, monkeypatch, existing_pack, fault):
    real = Path.rename

    def second_rename_fails(path: Path, target: Path) -> Path:
        if target == tmp_path / "2024-02" and path.name != "before":
            raise fault
        return real(path, target)

    monkeypatch.setattr(Path, "rename", second_rename_fails)
    with pytest.raises((KeyboardInterrupt, ReportError)):
        build(data, tmp_path, force=True)
    assert contents(tmp_path / "2024-02") == existing_pack
    assert [path.name for path in tmp_path.iterdir()] == ["2024-02"]


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError], ids=["Ctrl-C", "crash"])
@pytest.mark.parametrize(
    "target", [(library, "run"), (rendering, "_render"), (manifest, "write")], ids=lambda at: at[1]
)
def test_what_goes_wrong_midway_leaves_the_pack_before(data, tmp_path, monkeypatch, existing_pack, target, fault):
    calls, real = [], getattr(*target)

    def fail_the_second_time(*arguments):
        calls.append(arguments)
        if len(calls) > 1 or target[1] != "run":
            raise fault
        return real(*arguments)

    monkeypatch.setattr(*target, fail_the_second_time)
    with pytest.raises(fault):
        build(data, tmp_path, force=True)
    assert calls
    assert contents(tmp_path / "2024-02") == existing_pack
    assert [path.name for path in tmp_path.iterdir()] == ["2024-02"]


@pytest.mark.usefixtures("in_process")
def test_a_new_pack_that_crashes_leaves_nothing(data, tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "_render", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build(data, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("in_process")
def test_a_period_may_be_of_any_length(data, tmp_path):
    pack = rk.build_report(data, "2024-Q1", output=tmp_path, formats=["html"], static=True, only=["retention"]).path
    assert pack.name == "2024-Q1"
    assert "Q1 2024" in read_html(pack / "report.en.html").header.get_text()
