"""Both exporters on notebooks made here, one fault each: what must show, and what must never."""

import base64
import io
import json
import os
import re
import struct
import zlib
from pathlib import Path

import nbformat.v4 as nbf
import pandas as pd
import pikepdf
import pypdf
import pypdfium2
import pytest
from bs4 import BeautifulSoup
from nbformat import ValidationError
from traitlets.config import Config

import retention_kit as rk
from retention_kit.errors import ReportError
from retention_kit.report.archive import manifest
from retention_kit.report.blocks import Block, templates_dir
from retention_kit.report.execution import templates as library
from retention_kit.report.export import fonts
from retention_kit.report.export.exporters import RetentionHTMLExporter, RetentionPDFExporter, draw_svg
from soup import soup_of
from test_blocks import SAMPLES, SPEC

METADATA = {
    "title": "Customer retention report, November 2011",
    "company": "Example Ltd",
    "subtitle": "Customer retention report",
    "period_label": "November 2011",
    "language": "en",
    "direction": "ltr",
    "date": "2011-12-09",
}


def code_cell(*bundles):
    """A code cell whose outputs are the given blocks or MIME bundles."""
    cell = nbf.new_code_cell("secret_code = 1")
    for bundle in bundles:
        data = bundle._repr_mimebundle_() if isinstance(bundle, Block) else bundle
        cell.outputs.append(nbf.new_output("display_data", data=data))
    return cell


def notebook(*cells, **metadata):
    return nbf.new_notebook(cells=list(cells), metadata={"retention_kit": METADATA | metadata})


def html(nb, **options):
    return RetentionHTMLExporter(**options).from_notebook_node(nb)[0]


def static(nb):
    return html(nb, interactive=False)


def pdf(nb):
    return RetentionPDFExporter().from_notebook_node(nb)[0]


def pdf_text(nb):
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf(nb))).pages).split())


def html_text(nb):
    return soup_of(static(nb)).main.get_text(" ", strip=True)


BOTH = pytest.mark.parametrize("text_of", [html_text, pdf_text], ids=["html", "pdf"])


def png(width=40, height=20):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\x0f\x6b\x78" * width) * height)
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return base64.b64encode(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    ).decode()


@pytest.fixture(scope="module")
def every_kind():
    blocks = [Block(kind, **data) for kind, data in SAMPLES.items()]
    return notebook(
        code_cell(*blocks),
        nbf.new_markdown_cell("## Notes\n\nOf an analyst."),
        code_cell(Block("heading", text="Notes")),
    )


@BOTH
@pytest.mark.parametrize("kind", sorted(set(SAMPLES) - {"chart"}))
def test_every_kind_of_block_is_shown(text_of, kind):
    assert "Words" in text_of(notebook(code_cell(Block(kind, **SAMPLES[kind]))))


def test_a_chart_is_a_described_picture(every_kind):
    picture = BeautifulSoup(static(every_kind), "html.parser").find(role="img")
    assert picture["aria-label"] == "A bar"
    assert picture["dir"] == "ltr"
    assert picture.svg


@BOTH
def test_code_warnings_and_tracebacks_stay_behind(text_of):
    failed = nbf.new_code_cell("secret_code = 1 / 0")
    failed.outputs = [
        nbf.new_output("stream", name="stderr", text="secret_warning"),
        nbf.new_output(
            "error", ename="DataError", evalue="There is no column 'score'.\nmore", traceback=["secret_trace"]
        ),
    ]
    marker = nbf.new_markdown_cell("An Exception was encountered", metadata={"tags": ["papermill-error-cell-tag"]})
    text = text_of(notebook(marker, failed))
    assert "This section could not be made" in text
    assert "There is no column 'score'." in text
    assert "secret" not in text
    assert "Exception" not in text
    assert "more" not in text


@BOTH
def test_a_table_of_pandas_keeps_its_cells(text_of):
    frame = pd.DataFrame({"customers": [1364, 61]}, index=pd.Index(["United Kingdom", "<b>France"], name="country"))
    text = text_of(notebook(code_cell({"text/html": frame.to_html(), "text/plain": "frame"})))
    assert "country customers United Kingdom 1364 <b>France 61" in text


def test_compound_headers_and_indexes_keep_their_columns():
    index = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")], names=["k", "l"])
    columns = pd.MultiIndex.from_tuples([("orders", "n"), ("orders", "mean")])
    frame = pd.DataFrame([[1, 2.5], [3, 4]], index=index, columns=columns)
    rows = (
        BeautifulSoup(static(notebook(code_cell({"text/html": frame.to_html()}))), "html.parser")
        .find("table")
        .find_all("tr")
    )
    cells = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in rows]
    assert cells == [["k", "l", "orders n", "orders mean"], ["a", "x", "1", "2.5"], ["", "y", "3", "4.0"]]


BROKEN = {
    "chart": Block("chart", title="Own chart", alt="None", spec={"mark": "blob", "data": {"values": []}}),
    "cut short": {"image/png": png()[:60]},
    "not base64": {"image/png": "x"},
    "no picture": {"image/svg+xml": "hello"},
}


@pytest.mark.parametrize("exporter", [RetentionHTMLExporter(), RetentionPDFExporter()], ids=["html", "pdf"])
@pytest.mark.parametrize("fault", BROKEN)
def test_what_cannot_be_drawn_is_told_and_the_rest_stands(fault, exporter):
    nb = notebook(code_cell(BROKEN[fault], Block("text", text="What follows.")))
    body, resources = exporter.from_notebook_node(nb)
    (failure,) = resources["failures"]
    assert "could not be drawn: " in failure
    if isinstance(body, bytes):
        body = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(body)).pages)
    assert "This section could not be made" in body
    assert "What follows." in body


@pytest.mark.parametrize("data", [{"image/png": png()}, {"image/svg+xml": draw_svg(SPEC)}], ids=["png", "svg"])
def test_an_analysts_picture_shows(data):
    nb = notebook(code_cell(data))
    source = BeautifulSoup(static(nb), "html.parser").img["src"]
    assert source.startswith(f"data:{next(iter(data))};base64,")
    assert len(pdf(nb)) > len(pdf(notebook()))


@BOTH
@pytest.mark.parametrize(
    "cell",
    [
        nbf.new_markdown_cell("Some *Words*"),
        code_cell({"text/markdown": "**Words**", "text/plain": "x"}),
        code_cell({"text/html": "<p onclick='x()'>Words</p><script>x()</script>", "text/plain": "x"}),
        code_cell({"text/plain": "\x1b[31mWords\x1b[0m"}),
        nbf.new_code_cell(outputs=[nbf.new_output("stream", name="stdout", text="Words\n")]),
    ],
    ids=["markdown cell", "markdown output", "html output", "plain output", "printed"],
)
def test_words_of_any_cell_show(text_of, cell):
    text = text_of(notebook(cell))
    assert "Words" in text
    assert "x()" not in text


@pytest.mark.parametrize(
    "cell",
    [
        nbf.new_markdown_cell(
            "<script>x()</script>\n\nText <img src=x onerror=x()> [link](javascript:x())\n\n# <script>x()</script>"
        ),
        code_cell({"text/markdown": "<iframe src=x></iframe>"}),
        code_cell({"text/html": "<script>x()</script><iframe src=x></iframe>"}),
        code_cell({"text/html": "<table><tr><td><script>x()</script><img src=x></td></tr></table>"}),
        code_cell(
            Block(
                "chart",
                title="<script>x()</script>",
                alt='"><script>x()</script>',
                spec={**SPEC, "description": "</script><script>"},
            )
        ),
        code_cell({"application/vnd.retention-kit+json": {"kind": "text", "text": "<script>x()</script>"}}),
    ],
)
def test_no_cell_brings_markup_of_its_own(cell):
    page = BeautifulSoup(html(notebook(cell, company="<script>x()</script>", language='"><script>')), "html.parser")
    assert not page.find_all(["iframe", "img"])
    assert not page.find_all(href=re.compile("^javascript"))
    assert not [script for script in page.find_all("script") if script.string.strip().startswith("x()")]
    for script in page.find_all("script", type="application/json", id=None):
        assert json.loads(script.string)["mark"] == "bar"


def test_only_our_scripts_may_run(every_kind):
    live, still = (BeautifulSoup(export(every_kind), "html.parser") for export in (html, static))
    policies = [page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"] for page in (live, still)]
    assert policies[0].startswith("default-src 'none'")
    assert policies[0].count("sha256-") == 2
    assert "script-src 'none'" in policies[1]
    assert not still.find("script")


SORTABLE = Block(
    "table",
    columns=[{"label": "Reason"}, {"label": "MRR", "align": "end"}],
    rows=[["too dear", "£9.00"], ["<b>Ä", "£10.00"], ["unused", "–"]],
    keys=[[None, 9.0], [None, 10.0], [None, None]],
)


def test_a_table_can_be_sorted_only_where_scripts_may_run():
    live, still = (BeautifulSoup(export(notebook(code_cell(SORTABLE))), "html.parser") for export in (html, static))
    policies = [page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"] for page in (live, still)]
    assert policies[0].count("sha256-") == 1, "of tables alone no chart's script is needed"
    assert [cell.get("data-key") for cell in live("td")] == ["9.0", "10.0", None]
    assert not still.find("script")
    assert "script-src 'none'" in policies[1]
    assert not still.select("[data-key], [data-sortable]")


def test_a_pandas_table_is_sorted_by_its_numbers_and_a_grouped_one_is_left_alone():
    frame = pd.DataFrame({"spent": [9.5, 10.0]}, index=["Ann", "Bo"])
    index = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])
    plain, grouped = (
        BeautifulSoup(html(notebook(code_cell({"text/html": table.to_html()}))), "html.parser")
        for table in (frame, frame.set_axis(index))
    )
    assert [cell["data-key"] for cell in plain.select("tbody td")] == ["9.5", "10.0"]
    assert not grouped.select("[data-sortable]")


def test_a_picture_in_the_page_says_what_the_same_picture_says_on_paper():
    """Its tags are made shorter, its words are not."""
    name = ' role="x" opacity="1" class="y" 1.23456'
    spec = {**SPEC, "data": {"values": [{"a": 1, "b": name}]}}
    spec["encoding"] = {**SPEC["encoding"], "y": {"field": "b", "type": "nominal", "axis": {"labelLimit": 900}}}
    picture = BeautifulSoup(static(notebook(code_cell(Block("chart", alt="a", spec=spec)))), "html.parser").find(
        role="img"
    )
    on_paper = BeautifulSoup(draw_svg(spec), "html.parser")
    texts = [text.get_text() for text in on_paper("text")]
    assert name.strip() in [text.strip() for text in texts]
    assert [text.get_text() for text in picture("text")] == texts
    assert len(str(picture)) < len(str(on_paper))


def test_nothing_is_fetched(every_kind):
    page = BeautifulSoup(html(every_kind), "html.parser")
    page.find_all("script")[-2].decompose()  # Vega names its own addresses but calls none
    assert set(re.findall(r"https?://[^\s\"')]+", str(page))) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    with pytest.raises(ReportError, match="not allowed"):
        draw_svg({**SPEC, "data": {"url": "https://example.com/data.json"}})


def test_sizes_are_within_budget(every_kind):
    assert len(html(every_kind).encode()) < 1_500_000
    assert len(static(every_kind).encode()) < 300_000


def test_the_page_has_landmarks_one_title_and_unique_ids(every_kind):
    page = BeautifulSoup(static(every_kind), "html.parser")
    assert page.html["lang"] == "en"
    assert page.title.string == "Customer retention report, November 2011 · Example Ltd"
    assert page.header
    assert page.nav["aria-label"] == "Contents"
    assert page.find("a", class_="skip")["href"] == "#main"
    assert len(page.find_all("h1")) == 1
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert [link["href"][1:] for link in page.nav.find_all("a")] == [heading["id"] for heading in page.find_all("h2")]


def test_charts_keep_their_ids_apart():
    nb = notebook(code_cell(*[Block("chart", alt="a", spec={**SPEC, "mark": {"type": "bar", "clip": True}})] * 2))
    page = BeautifulSoup(static(nb), "html.parser")
    ids = [tag["id"] for tag in page.find_all(id=True)]
    clips = re.findall(r"url\(#([^)]+)\)", str(page))
    assert len(ids) == len(set(ids))
    assert len(set(clips)) == 2
    assert set(clips) <= set(ids)


def test_the_pdf_is_tagged_titled_and_outlined(every_kind):
    with pikepdf.open(io.BytesIO(pdf(every_kind))) as document:
        assert document.Root.MarkInfo.Marked
        assert str(document.Root.Lang) == "en"
        assert document.open_metadata()["pdfuaid:part"] == "1"
        assert document.open_metadata()["dc:title"] == METADATA["title"]
        with document.open_outline() as outline:
            assert [item.title for item in outline.root[0].children] == ["Words", "Notes", "Notes"]
    assert "Page 1 of" in pdf_text(every_kind)


def test_the_header_stays_on_one_line_where_smaller_type_does_it():
    names = {"company": "Sample Company", "subtitle": "Customer retention report · synthetic data"}
    times = {"period_label": "Week 52 (22–28 Dec 2025)", "as_of_label": "Data to 31 Dec 2025 · Europe/London"}
    page = pypdfium2.PdfDocument(pdf(notebook(**names, **times)))[0].get_textpage()
    header = [rect for rect in map(page.get_rect, range(page.count_rects())) if rect[1] > 842 - 68]
    assert "synthetic data" in page.get_text_bounded(bottom=842 - 68)
    assert max(rect[3] for rect in header) - min(rect[1] for rect in header) < 12


def test_long_tables_repeat_their_header():
    rows = [[f"C{number:03}", "12"] for number in range(120)]
    block = Block("table", columns=[{"label": "Customer"}, {"label": "Orders", "align": "end"}], rows=rows)
    pages = pypdf.PdfReader(io.BytesIO(pdf(notebook(code_cell(block))))).pages
    assert len(pages) > 2
    assert all("Customer" in page.extract_text().replace("Customer retention", "") for page in pages)


@pytest.mark.parametrize("export", [html, pdf])
def test_the_same_notebook_gives_the_same_bytes(export, every_kind):
    assert export(every_kind) == export(every_kind)


def test_all_our_words_are_in_the_bundled_font():
    words = "".join(
        sorted(
            set(
                "".join(
                    path.read_text("utf-8") for path in (templates_dir().parent / "retention_kit/locale").glob("*.toml")
                )
            )
        )
    )
    with pikepdf.open(io.BytesIO(pdf(notebook(code_cell(Block("text", text=words)))))) as document:
        fonts = {str(font.BaseFont) for page in document.pages for font in page.Resources.Font.values()}
    assert fonts
    assert all("IBMPlexSansArabic" in font for font in fonts)


def test_a_name_that_the_font_lacks_costs_the_certificate_but_not_the_report():
    content, resources = RetentionPDFExporter().from_notebook_node(notebook(code_cell(Block("text", text="顧客 \x00"))))
    with pikepdf.open(io.BytesIO(content)) as document:
        assert document.Root.MarkInfo.Marked
    assert "the letters of '顧客 \N{REPLACEMENT CHARACTER}': boxes stand for them" in fonts.note(resources["boxes"])


def test_a_mark_that_stands_in_a_picture_alone_costs_the_certificate_but_not_the_report():
    """Fathatan in the name of an axis, and in no text: Typst knows no letter for it there, and PDF/UA asks for one."""
    axis = {"field": "a", "type": "quantitative", "title": "بدءًا"}
    chart = Block("chart", alt="Words", spec=SPEC | {"encoding": {"x": axis}})
    content, resources = RetentionPDFExporter().from_notebook_node(notebook(code_cell(chart)))
    with pikepdf.open(io.BytesIO(content)) as document:
        assert document.Root.MarkInfo.Marked
    assert resources["failures"] == []
    assert resources["boxes"] == {}
    assert resources["notes"] == [fonts.UNCERTIFIED]


def test_what_costs_the_certificate_is_told_beside_the_report(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "run", lambda template, *_: (template, ""))
    monkeypatch.setattr(fonts, "unprintable", lambda *_: {})  # as where a mark stands in a picture alone
    monkeypatch.setattr(fonts, "named", lambda *_: {})
    orders = pd.DataFrame({"customer_id": ["a", "b"], "ordered_at": ["2024-01-05", "2024-02-05"], "amount": 5})
    data = rk.load(orders=orders, timezone="UTC", currency="JPY", company="顧客", as_of="2024-03-01")
    pack = rk.build_report(data, output=tmp_path, formats=["html", "pdf"])
    assert pack.failures == ()
    assert pack.note == f"report.en.pdf: {fonts.UNCERTIFIED}"
    assert manifest.read(pack.path)["notes"] == [pack.note]


def test_a_company_that_the_font_lacks_is_told_beside_the_report(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "run", lambda template, *_: (template, ""))
    orders = pd.DataFrame({"customer_id": ["a", "b"], "ordered_at": ["2024-01-05", "2024-02-05"], "amount": 5})
    data = rk.load(orders=orders, timezone="UTC", currency="JPY", company="顧客", as_of="2024-03-01")
    pack = rk.build_report(data, output=tmp_path, formats=["pdf"])
    assert pack.failures == ()
    assert pack.note.startswith(
        "report.en.pdf: no font of the report has the letters of '顧客: customer retention report'"
    )
    assert manifest.read(pack.path)["notes"] == [pack.note]


def test_a_notebook_of_anyones_is_exported():
    nb = nbf.new_notebook(
        cells=[nbf.new_markdown_cell("# My study\n\n### Skipped a level"), nbf.new_code_cell("secret_code")]
    )
    page = BeautifulSoup(static(nb), "html.parser")
    assert (page.h1.string, page.h2.string, page.title.string) == ("My study", "Skipped a level", "My study")
    assert pdf(nb).startswith(b"%PDF")


@pytest.mark.browser
def test_charts_come_alive_without_network_and_fit_a_phone(every_kind, tmp_path, chromium):
    path = tmp_path / "report.html"
    path.write_text(html(every_kind), "utf-8")
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    requests, console = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: console.append(message.text))
    page.goto(path.as_uri())
    page.wait_for_selector(".live.ready svg")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert requests == [path.as_uri()]
    assert console == []
    page.close()


@pytest.mark.browser
def test_a_table_is_sorted_by_pointer_and_keyboard(tmp_path, chromium):
    path = tmp_path / "report.html"
    path.write_text(html(notebook(code_cell(SORTABLE))), "utf-8")
    page = chromium.new_page()
    console = []
    page.on("console", lambda message: console.append(message.text))
    page.goto(path.as_uri())

    def order() -> list[str]:
        return page.locator("tbody th").all_inner_texts()

    def sorted_by() -> list[str | None]:
        return [head.get_attribute("aria-sort") for head in page.locator("thead th").all()]

    assert sorted_by() == [None, None]
    page.get_by_role("button", name="MRR").click()
    assert (order(), sorted_by()) == (["<b>Ä", "too dear", "unused"], [None, "descending"])
    page.keyboard.press("Enter")
    assert (order(), sorted_by()) == (["too dear", "<b>Ä", "unused"], [None, "ascending"])
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert (order(), sorted_by()) == (["<b>Ä", "too dear", "unused"], ["ascending", None])
    assert console == []
    page.close()


@pytest.mark.parametrize("exporter", [RetentionHTMLExporter, RetentionPDFExporter])
def test_preprocessors_are_applied_and_what_is_no_notebook_is_refused(exporter):
    secret = nbf.new_markdown_cell("Kept to oneself", metadata={"tags": ["hidden"]})
    source = nbf.new_notebook(cells=[nbf.new_markdown_cell("# Shown"), secret])
    plain, _ = exporter(config=Config(TagRemovePreprocessor={"enabled": True})).from_notebook_node(source)
    bare = Config(TagRemovePreprocessor={"enabled": True, "remove_cell_tags": {"hidden"}})
    removed, _ = exporter(config=bare).from_notebook_node(source)
    assert [is_hidden(document) for document in (plain, removed)] == [True, False]
    assert len(source.cells) == 2
    del source.cells[0]["source"]
    with pytest.raises(ValidationError):
        exporter().from_notebook_node(source)


def is_hidden(page: str | bytes) -> bool:
    text = page if isinstance(page, str) else pypdf.PdfReader(io.BytesIO(page)).pages[0].extract_text()
    return "Kept to oneself" in text


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not say what a process holds")
def test_what_typst_remembers_of_a_page_goes_with_it():
    def held() -> float:
        """Megabytes."""
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def words(page: int) -> str:
        return " ".join(f"{page}x{number}" for number in range(3000))

    for page in range(3):  # as the first ones bring in fonts
        pdf(notebook(nbf.new_markdown_cell(words(page))))
    before = held()
    for page in range(3, 12):
        pdf(notebook(nbf.new_markdown_cell(words(page))))
    assert held() - before < 15  # 40 where pages are remembered
