"""Notebooks of an analyst's own in a pack: a plain one, and some that fail, hang or die; none takes the rest down."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import nbformat.v4 as nbf
import pikepdf
import pytest
from bs4 import Tag

from retention_kit.cli import main
from retention_kit.report.execution import templates as library
from test_exporters import png
from test_pack import html_text, pdf_text, read_html
from test_templates import ORDERS, PARAMETERS

pytestmark = pytest.mark.long

EXTENDING = Path(__file__).parents[2] / "docs" / "extending.md"
WORDS = """# Prices and customers

We looked at **three** price lists, *by hand*:

- the old one
- the `new` one

1. ask
2. answer

> As a customer said.

| list | customers |
|------|----------:|
| old  | 12 |

### In detail

See [our notes](https://example.com/notes)."""
TABLE = """import pandas as pd
pd.DataFrame({"country": ["France", "<b>Malta</b>"], "customers": [61, 2], "mean": [12.5, None]})"""
PICTURE = f"""from base64 import b64decode
from IPython.display import Image
Image(b64decode("{png(300, 120)}"))"""
ERROR = """secret = 1 / 0"""


def notebook(*cells: nbformat.NotebookNode, parameters: str = PARAMETERS) -> str:
    parameters = nbf.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    return nbformat.writes(nbf.new_notebook(cells=[parameters, *cells]))


def docs_example() -> str:
    """The example of a template in docs/, as a notebook."""
    (example,) = re.findall(
        r'```python\n(# the cell tagged "parameters".*?)```', EXTENDING.read_text("utf-8"), re.DOTALL
    )
    parameters, *cells = example.split("\n\n")
    return notebook(nbf.new_code_cell("\n\n".join(cells)), parameters=parameters)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, list[int]]:
    """A pack with four notebooks of an analyst's and one section of ours, and the exit codes of the two runs that made
    it.
    """
    folder = tmp_path_factory.mktemp("dropped")
    (folder / "own").mkdir()
    code = nbf.new_code_cell
    own = {
        "study": [nbf.new_markdown_cell(WORDS), *map(code, [TABLE, PICTURE, "print('printed', 'words')", "6 * 7"])],
        "broken": [nbf.new_markdown_cell("## A broken study"), code("'What came before.'"), code(ERROR)],
        "hanging": [code("import time; time.sleep(600)")],
        "dying": [code("import os; os._exit(1)")],
    }
    for name, cells in own.items():
        (folder / "own" / f"{name}.ipynb").write_text(notebook(*cells), "utf-8")
    (folder / "own" / "our_view.ipynb").write_text(docs_example(), "utf-8")
    ORDERS.to_csv(folder / "orders.csv", index=False)
    command = ["--data", str(folder), "--output", str(folder / "reports"), "--templates", str(folder / "own")]
    first = main(["report", *command, "--only", "revenue,study,our_view,broken,dying"])
    with pytest.MonkeyPatch.context() as patch:  # short for the one that hangs, whatever the others take
        patch.setattr(library, "CELL_TIMEOUT", 3)
        second = main(["report", *command, "--only", "hanging"])
    return folder / "reports" / "2024-02", [first, second]


@pytest.fixture
def pack(built) -> Path:
    return built[0]


def section(pack: Path, title: str) -> Tag:
    """The section of the HTML under a heading."""
    (match,) = [
        section for section in read_html(pack / "report.en.html")("section") if section.find(["h1", "h2"], string=title)
    ]
    return match


def executed(pack: Path, name: str) -> nbformat.NotebookNode:
    return nbformat.read(pack / "notebooks" / f"{name}.en.ipynb", as_version=4)


def test_a_plain_notebook_is_laid_out_in_html(pack):
    study = section(pack, "Prices and customers")
    assert [item.get_text() for item in study("li")] == ["the old one", "the new one", "ask", "answer"]
    assert (study.strong.get_text(), study.em.get_text(), study.code.get_text()) == ("three", "by hand", "new")
    assert study.blockquote.get_text(strip=True) == "As a customer said."
    assert study.h3.get_text() == "In detail"
    assert study.find("a", href="https://example.com/notes").get_text() == "our notes"
    typed, rendered = (
        [[cell.get_text(strip=True) for cell in row(["th", "td"])] for row in table("tr")] for table in study("table")
    )
    assert typed == [["list", "customers"], ["old", "12"]]
    assert rendered == [
        ["", "country", "customers", "mean"],
        ["0", "France", "61", "12.5"],
        ["1", "<b>Malta</b>", "2", "NaN"],
    ]
    assert study.img["src"].startswith("data:image/png;base64,")
    assert study.img["alt"]
    assert [element.get_text() for element in study("pre")] == ["printed words", "42"]


def test_a_plain_notebook_is_laid_out_in_pdf(pack):
    text = pdf_text(pack)
    for words in (
        "We looked at three price lists, by hand",
        "the new one",
        "As a customer said.",
        "old 12",
        "In detail",
        "0 France 61 12.5",
        "<b>Malta</b>",
        "printed words",
        "42",
    ):
        assert words in text
    with pikepdf.open(pack / "report.en.pdf") as document:
        pictures = [
            stream
            for stream in document.objects
            if isinstance(stream, pikepdf.Stream) and stream.get("/Subtype") == "/Image"
        ]
        sizes = {(picture.Width, picture.Height) for picture in pictures}
        titles = [item.title for item in document.open_outline().root[0].children]
    assert (300, 120) in sizes
    assert "Prices and customers" in titles


def test_the_template_of_the_readme_shows_its_trend(pack):
    """Of February, customers a and b came back, c did not."""
    chart = section(pack, "Our view").select_one("figure.chart")
    assert "66.7%" in chart.select_one(".picture")["aria-label"]


FAILED = {  # notebook: the title of its section, what that says, what the executed notebook keeps
    "broken": ("A broken study", "division by zero", "ZeroDivisionError"),
    "hanging": ("Hanging", "A cell ran for more than 3 seconds and was ended.", "KeyboardInterrupt"),
    "dying": ("Dying", "The Python that ran it ended in the middle of a cell.", "Kernel died"),
}


@pytest.mark.parametrize("name", FAILED)
def test_a_section_says_in_words_what_failed_and_the_notebook_keeps_the_rest(pack, name):
    title, message, trace = FAILED[name]
    notice = section(pack, title).select_one(".notice.failure")
    assert notice.get_text(" ", strip=True) == f"This section could not be made {message}"
    assert f"This section could not be made • {message}" in pdf_text(pack)
    outputs = [output for cell in executed(pack, name).cells for output in cell.get("outputs", [])]
    (error,) = [output for output in outputs if output.output_type == "error"]
    assert any(trace in line for line in error.traceback)


def test_what_came_before_a_failure_and_the_other_sections_stand(pack):
    assert "What came before." in section(pack, "A broken study").get_text()
    for text in (html_text(pack), pdf_text(pack)):
        assert "The figures of February 2024" in text
        assert "secret" not in text
        assert "Traceback" not in text


def test_the_pack_is_marked_and_the_exit_code_is_1(built):
    pack, exit_codes = built
    manifest = json.loads((pack / "manifest.json").read_text("utf-8"))
    states = {name.partition(".")[0]: state for name, state in manifest["sections"].items()}
    assert states == dict.fromkeys(["revenue", "study", "our_view"], "ok") | dict.fromkeys(FAILED, "failed")
    assert (manifest["state"], exit_codes) == ("failed", [1, 1])


REFUSED = {  # as docs/extending.md promises: a template, and the sentence
    "a parameter is missing": ({"parameters": 'period: str = ""'}, "own.ipynb has no parameter 'every'"),
    "of another type": ({"parameters": PARAMETERS.replace('language: str = ""', "language: int = 1")}, "takes int"),
    "no cell tagged parameters": (None, "own.ipynb needs one cell tagged 'parameters'; it has 0."),
    "a syntax error": ({"parameters": f"{PARAMETERS}\n1 +"}, "own.ipynb, cell 1, line 6: invalid syntax."),
}


@pytest.mark.parametrize(("fields", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_the_readme_says_is_refused_is_refused_before_anything_runs(
    tmp_path, monkeypatch, capsys, fields, sentence
):
    monkeypatch.setattr(library, "run", lambda *_: pytest.fail("a template was run"))
    (tmp_path / "own").mkdir()
    text = nbformat.writes(nbf.new_notebook(cells=[])) if fields is None else notebook(**fields)
    (tmp_path / "own" / "own.ipynb").write_text(text, "utf-8")
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    options = ["--data", str(tmp_path), "--output", str(tmp_path / "reports"), "--templates", str(tmp_path / "own")]
    assert main(["report", *options]) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert sentence in message
    assert not (tmp_path / "reports").exists()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_a_plain_notebook_is_accessible_and_no_wider_than_the_page(pack, chromium, axe, width):
    context = chromium.new_context(viewport={"width": width, "height": 900})
    context.add_init_script(path=axe)
    page = context.new_page()
    page.goto((pack / "report.en.html").as_uri())
    page.wait_for_selector(".live.ready svg")
    violations = page.evaluate("axe.run()")["violations"]
    assert [(rule["id"], node["target"]) for rule in violations for node in rule["nodes"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    context.close()
