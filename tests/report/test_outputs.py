"""What analysts' cells show: each output appears on the page as in JupyterLab, or as a notice, and takes no page with
it.
"""

import base64
import io

import nbformat
import nbformat.v4 as nbf
import pandas as pd
import pikepdf
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from retention_kit.report.execution.templates import Section, check, run
from retention_kit.report.export.csv_files import rows_csv
from retention_kit.report.export.document import read
from retention_kit.report.export.exporters import RetentionHTMLExporter, RetentionPDFExporter
from test_exporters import code_cell, html, notebook, static


def blocks(*cells):
    """The blocks that cells show, without the headline."""
    return [block for section in read(notebook(*cells))["sections"] for block in section][1:]


def text_of_html(text):
    return blocks(code_cell({"text/html": text, "text/plain": "?"}))


def picture(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20), "#0f6b78").save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


def words(outputs):
    return [block["text"] for block in outputs if block["kind"] in ("text", "printed")]


@pytest.mark.parametrize("version", ["v4+json", "v5+json", "v5.20+json", "v6+json", "v6.1.0+json"])
def test_charts_of_any_version(version):
    spec = {"mark": "bar", "data": {"values": [{"a": 1}]}, "encoding": {"x": {"field": "a"}}, "description": "One bar."}
    (chart,) = blocks(code_cell({f"application/vnd.vegalite.{version}": spec, "text/plain": "alt.Chart(...)"}))
    assert (chart["kind"], chart["alt"]) == ("chart", "One bar.")


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "bmp"])
def test_pictures_of_any_kind(kind):
    nb = notebook(code_cell({f"image/{kind}": picture(kind), "text/plain": "<Image>"}))
    assert 'src="data:image/' in static(nb)
    assert RetentionPDFExporter().from_notebook_node(nb)[0].startswith(b"%PDF")


def test_what_has_a_picture_beside_its_script_shows_the_picture():
    (image,) = blocks(code_cell({"application/vnd.plotly.v1+json": {"data": []}, "image/png": picture("png")}))
    assert image["kind"] == "image"


@pytest.mark.parametrize(
    "bundle",
    [
        {"application/vnd.plotly.v1+json": {"data": []}, "text/html": "<div></div>"},
        {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "IntSlider(value=1)"},
        {"text/html": "<iframe src='https://example.com'></iframe>"},
        {"text/html": "<canvas></canvas>"},
        {"text/html": "<img src='https://example.com/a.png'>"},
    ],
)
@pytest.mark.parametrize("exporter", [RetentionHTMLExporter, RetentionPDFExporter])
def test_what_cannot_be_drawn_is_a_notice_and_a_failure(bundle, exporter):
    nb = notebook(code_cell(bundle))
    (notice,) = [block for section in read(nb)["sections"] for block in section][1:]
    assert (notice["kind"], notice["tone"]) == ("notice", "failure")
    _, resources = exporter().from_notebook_node(nb)
    assert len(resources["failures"]) == 1


HTML = {
    "text around a table": (
        "<p>Before</p><table><tr><th>a</th></tr><tr><td>1</td></tr></table>After",
        ["text", "table", "text"],
    ),
    "a table without a head": ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></table>", ["table"]),
    "a table in a table": ("<table><tr><td><table><tr><td>x</td></tr></table></td></tr></table>", ["table"]),
    "a comment": ("<!-- secret --><p>shown</p>", ["text"]),
    "style and script": ("<style>p{}</style><script>x()</script><p>shown</p>", ["text"]),
    "what is hidden": ("<div style='display: none'>secret</div><p>shown</p>", ["text"]),
    "a list": ("<ul><li>one</li><li>two</li></ul>", ["text", "text"]),
    "preformatted": ("<pre>a  b\n c</pre>", ["printed"]),
    "a drawing": (
        "<div><svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><path d='M0 0h9'/></svg></div>",
        ["image"],
    ),
    "a picture inside": (f"<p>See</p><img alt='a' src='data:image/png;base64,{picture('png')}'>", ["text", "image"]),
    "lines": ("one<br>two", ["text", "text"]),
    "inline tags": ("<p>a <b>b</b> <i>c</i></p>", ["text"]),
    "a figure": (
        "<figure><table><tr><td>1</td></tr></table><figcaption>Caption</figcaption></figure>",
        ["table", "text"],
    ),
    "nothing": ("<div></div>", ["printed"]),
}


@pytest.mark.parametrize("name", HTML)
def test_html_becomes_blocks_without_scripts(name):
    text, kinds = HTML[name]
    outputs = text_of_html(text)
    assert [block["kind"] for block in outputs] == kinds
    assert "secret" not in str(outputs)


def test_a_table_keeps_its_rows_and_head():
    (table,) = text_of_html("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></table>")
    assert table["rows"] == [["1", "2"], ["3", "4"]]
    (table,) = text_of_html("<table><tr><th>a</th><th>b</th></tr><tr><td>3</td><td>4</td></tr></table>")
    assert [column["label"] for column in table["columns"]] == ["a", "b"]
    assert table["rows"] == [["3", "4"]]


def test_a_title_over_all_columns_is_the_title():
    head = "<thead><tr><th colspan=2>Sales</th></tr><tr><th>a</th><th>b</th></tr></thead>"
    (table,) = text_of_html(f"<table>{head}<tbody><tr><td>3</td><td>4</td></tr></tbody></table>")
    assert table["title"] == "Sales"
    assert [column["label"] for column in table["columns"]] == ["a", "b"]


@pytest.mark.long
def test_a_long_frame_is_cut_and_says_so():
    with pd.option_context("display.max_rows", None):
        bundle = {"text/html": pd.DataFrame({"a": range(10_000)})._repr_html_(), "text/plain": ""}
    table, *_ = blocks(code_cell(bundle))
    assert len(table["rows"]) == 200
    assert "200 of 10,000 rows" in table["caption"]


def test_the_rest_of_a_long_frame_is_a_file_beside_the_page():
    """Two frames: the second is cut, and is whole in the file that its caption names; the first needs none."""
    with pd.option_context("display.max_rows", None):
        cells = [code_cell({"text/html": pd.DataFrame({"a": range(rows)})._repr_html_()}) for rows in (200, 201)]
    assembled = nbf.new_notebook(cells=cells, metadata={"retention_kit": {"tables": "tables/en-"}})
    document = read(assembled)
    captions = [block["caption"] for section in document["sections"] for block in section if block["kind"] == "table"]
    assert captions == ["", "200 of 201 rows: tables/en-1.csv has them all."]
    (name, rows), *others = document["files"].items()
    assert (name, others) == ("tables/en-1.csv", [])
    assert rows_csv(rows) == ",a\n" + "".join(f"{number},{number}\n" for number in range(201))


def test_a_styler_is_a_table():
    bundle = {"text/html": pd.DataFrame({"a": [1]}).style.set_caption("Styled").to_html(), "text/plain": "<Styler>"}
    (table,) = blocks(code_cell(bundle))
    assert (table["caption"], table["rows"]) == ("Styled", [["0", "1"]])


MARKDOWN = {
    "~~gone~~": ("<del>gone</del>", "gone"),
    "a[^1]\n\n[^1]: the note": ("the note", "the note"),
    "- [x] done\n- [ ] open": ("done", "done"),
    "H<sub>2</sub>O": ("<sub>2</sub>", "2"),
    "a <b>bold</b> word": ("<strong>bold</strong>", "bold"),
    "one<br>two": ("<br", "two"),
    "Fish &amp; chips &eacute;": ("Fish &amp; chips é", "Fish & chips é"),
    "a <!-- secret --> b": ("<p>a  b", "b"),
    "<!-- secret -->\n\nshown": ("shown", "shown"),
    "<div>in a <b>div</b></div>": ("in a div", "in a div"),
    "> [!NOTE]\n> Mind this": ("<strong>Note</strong>", "Mind this"),
    "<script>secret()</script>\n\nshown": ("shown", "shown"),
    "[safe](https://example.com)": ('href="https://example.com"', "safe"),
    "[unsafe](javascript:secret)": ("unsafe", "unsafe"),
    "<b>never closed": ("never closed", "never closed"),
}


@pytest.mark.parametrize("source", MARKDOWN)
def test_markdown_is_the_same_on_page_and_paper(source):
    from test_exporters import pdf_text

    page_text, printed_text = MARKDOWN[source]
    nb = notebook(nbf.new_markdown_cell(source))
    main = static(nb).partition("<main")[2]
    assert page_text in main
    assert "secret" not in main
    assert printed_text in pdf_text(nb)


def test_pictures_attached_to_a_cell():
    cell = nbf.new_markdown_cell(
        "See ![a chart](attachment:a.png)", attachments={"a.png": {"image/png": picture("png")}}
    )
    text, image = blocks(cell)
    assert (text["kind"], image["kind"], image["alt"]) == ("markdown", "image", "a chart")


FORMULA = r"\frac{a}{b}"


@pytest.mark.parametrize(
    "cell",
    [
        code_cell({"text/latex": f"${FORMULA}$", "text/plain": "x"}),
        code_cell({"text/latex": f"$\\displaystyle {FORMULA}$", "text/plain": "x"}),
        code_cell({"text/latex": f"\\begin{{equation}}{FORMULA}\\end{{equation}}", "text/plain": "x"}),
        nbf.new_markdown_cell(f"The share ${FORMULA}$ of them."),
        nbf.new_markdown_cell(f"$$\n{FORMULA}\n$$"),
        nbf.new_markdown_cell(f"Before.\n\n$${FORMULA}$$\n\nAfter."),
    ],
)
def test_formulas_are_drawn(cell):
    from test_exporters import pdf

    (image,) = BeautifulSoup(static(notebook(cell)), "html.parser").select("img.formula")
    assert FORMULA in image["alt"]
    with pikepdf.open(io.BytesIO(pdf(notebook(cell)))) as document:
        assert FORMULA in "".join(
            str(obj.get("/Alt", "")) for obj in document.objects if isinstance(obj, pikepdf.Dictionary)
        )


@pytest.mark.parametrize("text", ["It costs $5 and $10.", "US$5 or A$6, $ 7 $.", r"\$x\$"])
def test_money_is_no_formula(text):
    assert "img" not in static(notebook(nbf.new_markdown_cell(text))).partition("<main")[2]


def test_a_formula_that_cannot_be_drawn_is_shown_as_it_is_written():
    assert "\\frac{a}{" in static(notebook(nbf.new_markdown_cell(r"See $\frac{a}{$ here.")))


PARAMETERS = 'period: str = ""'


def own(tmp_path, source, tags=()):
    nb = nbf.new_notebook(
        cells=[
            nbf.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
            nbf.new_code_cell(source, metadata={"tags": list(tags)}),
        ]
    )
    path = tmp_path / "own.ipynb"
    nbformat.write(nb, path)
    return Section(path)


@pytest.mark.parametrize(
    "source",
    [
        "await thing()",
        "!ls",
        "x = !ls\nx",
        "%time 1",
        "x = %time 1",
        "%%time\n1 + 1",
        "async with a as b:\n    pass",
        "?print",
    ],
)
def test_what_a_notebook_runs_is_no_syntax_error(tmp_path, source):
    check(own(tmp_path, source), {"period": "2011-11"})


def test_a_cell_that_is_to_raise_costs_nothing(tmp_path):
    section = own(tmp_path, "raise ValueError('as planned')", ["raises-exception"])
    executed, problem = run(check(section, {"period": ""}), {"period": ""}, {}, [])
    assert problem == ""
    assert "ValueError: as planned" in words(blocks(*executed.cells))


def test_a_plain_altair_chart(tmp_path):
    source = "import altair as alt, pandas as pd\nalt.Chart(pd.DataFrame({'a': [1, 2]})).mark_bar().encode(x='a:Q')"
    executed, problem = run(check(own(tmp_path, source), {"period": ""}), {"period": ""}, {}, [])
    assert problem == ""
    (chart,) = blocks(*executed.cells)
    assert chart["kind"] == "chart"
    page = html(notebook(*executed.cells))
    assert 'class="chart' in page
    assert "alt.Chart" not in page
