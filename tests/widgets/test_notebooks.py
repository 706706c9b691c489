"""The notebooks that people open: run from top to bottom by an ordinary kernel in their own folder, as JupyterLab does."""

from __future__ import annotations

import json
import os
import shutil
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

import retention_kit as rk
from retention_kit.cli.project import begin
from retention_kit.metrics.catalogue import METRICS
from retention_kit.report.blocks import BLOCK_MIME, VEGALITE_MIME

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
NOTEBOOKS, TEMPLATES = (sorted((ROOT / folder).glob("*.ipynb")) for folder in ("notebooks", "templates"))
PERIOD = "2025-12"  # the last complete month of the sample company


@pytest.fixture(scope="module", autouse=True)
def kernels(tmp_path_factory):
    """Kernels of this Python, whatever others this user has, that keep no history of what they ran."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
        yield


@pytest.fixture(scope="module", params=["as they are", "as init writes them"])
def notebooks(request, tmp_path_factory) -> Path:
    """The folder of the notebooks, where they may write."""
    folder = tmp_path_factory.mktemp("place") / "ours"
    if request.param == "as init writes them":
        begin(folder)
    else:
        shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    return folder / "notebooks"


def run(path: Path, ask: str = "") -> tuple[nbformat.NotebookNode, str]:
    """A notebook as it stands after a run, and what `ask`, an expression, gives in its kernel as text.

    An error or a warning in it fails the test.
    """
    notebook = nbformat.read(path, as_version=4)
    ask = f"print({ask})" if ask else ""
    notebook.cells.append(new_code_cell(ask, id="asked"))
    folder = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=folder).execute()
    last_cell = notebook.cells.pop()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert [output.text for output in outputs if output.output_type == "stream"] == []
    return notebook, "".join(output.get("text", "") for output in last_cell.outputs)


def results(notebook: nbformat.NotebookNode) -> dict[str, dict]:
    """What each cell shows, by its id: the MIME bundle of its last output."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
    return {cell.id: dict(cell.outputs[-1].data) for cell in cells}


def kinds(notebook: nbformat.NotebookNode) -> list[str]:
    """The kinds of the blocks shown, in their order."""
    bundles = [output.data for cell in notebook.cells for output in cell.get("outputs", [])]
    return [bundle[BLOCK_MIME]["kind"] for bundle in bundles if BLOCK_MIME in bundle]


@cache
def retention() -> dict:
    """The retention rate of the last month: what every one of them has to come to."""
    row = rk.scorecard(rk.sample(), PERIOD, metrics=["customer_retention_rate"]).iloc[0]
    return {name: row[name] for name in ("value", "numerator", "denominator")}


def test_the_explorer_and_the_calls_behind_it_say_the_same(notebooks):
    ask = 'explorer.scorecard.to_json(orient="records"), explorer.parameters, len(Out)'
    notebook, output = run(notebooks / "01_explore.ipynb", f"__import__('json').dumps([{ask}])")
    displayed, parameters, count = json.loads(output)
    (row,) = (
        figure
        for figure in json.loads(displayed)
        if figure["period"] == PERIOD and figure["metric"] == "customer_retention_rate" and not figure["segment"]
    )
    assert {name: row[name] for name in retention()} == pytest.approx(retention(), abs=1e-9)
    assert (parameters["period"], parameters["every"]) == (PERIOD, "month")
    outputs = results(notebook)
    assert list(outputs) == ["load", "explore", "shown", "segments", "movements"]
    assert count == len(outputs)
    assert "application/vnd.jupyter.widget-view+json" in outputs["explore"]
    assert all("text/html" in outputs[cell] for cell in ("load", "shown", "segments", "movements"))
    assert "96.88%" in outputs["shown"]["text/html"]
    assert PERIOD in outputs["movements"]["text/plain"]


def test_the_cohorts_are_those_of_the_report_and_their_customers_are_counted(notebooks, sample):
    ask = "len(active_customers(data, page.period, cohort=page.period.shift(-3))), len(customer_lists(data, page.period)['lost_customers'])"
    notebook, output = run(notebooks / "02_cohorts.ipynb", ask)
    cell = rk.cohorts(sample).query("cohort == '2025-09' and age == 3").iloc[0]
    lost = rk.scorecard(sample, PERIOD, metrics=["lost_customers"]).iloc[0]
    assert [int(count) for count in output.split()] == [cell["active"], lost["value"]]
    assert kinds(notebook) == ["chart", "chart"]
    outputs = results(notebook)
    assert all(VEGALITE_MIME in outputs[name] for name in ("map", "curves"))
    assert f"{cell['active']:.0f} of {cell['size']:.0f}" in outputs["figures"]["text/html"]
    assert "customer_id" in outputs["lost"]["text/html"]


def test_the_report_is_built_beside_the_notebooks(notebooks):
    notebook, output = run(notebooks / "03_build_the_report.ipynb", "pack.failures, pack.period")
    assert output.strip() == f"() {PERIOD}"
    pack = notebooks.parent / "reports" / PERIOD
    listed = results(notebook)["contents"]["text/plain"]
    for name in ("report.en.html", "report.en.pdf", "scorecard.csv", "manifest.json"):
        assert (pack / name).is_file()
        assert name in listed
    assert "lists/lost_customers.csv" in listed
    assert "notebooks/retention.en.ipynb" in listed
    for named in ("report.en.html", "scorecard.csv", "lists/", "notebooks/", "manifest.json"):  # what the words promise
        assert named in next(cell.source for cell in notebook.cells if cell.id == "pack-words")


def test_a_metric_in_a_file_of_ones_own_is_everywhere(notebooks, sample):
    ask = "rk.scorecard(data, metrics=['new_customer_share']).to_json(orient='records')"
    notebook, output = run(notebooks / "04_your_own_metric.ipynb", ask)
    (row,) = json.loads(output)
    new, end = (
        rk.scorecard(sample, PERIOD, metrics=[name]).iloc[0]["value"] for name in ("new_customers", "customers_at_end")
    )
    assert (row["numerator"], row["denominator"]) == (new, end)
    assert row["value"] == pytest.approx(new / end)
    assert "new_customer_share" not in METRICS  # it is the notebook's own
    outputs = results(notebook)
    assert "Share of the customers at the period's end" in outputs["load"]["text/plain"]
    assert "France" in outputs["scorecard"]["text/html"]
    assert VEGALITE_MIME in outputs["trend"]
    assert "application/vnd.jupyter.widget-view+json" in outputs["explore"]
    page = (notebooks.parent / "reports" / "own" / PERIOD / "report.en.html").read_text("utf-8")
    assert "Share of new customers" in page
    assert "new customers / customers at the end" in page


def test_the_words_show_the_file_as_it_is():
    """The fourth notebook prints its metric: a reader compares it with the file."""
    notebook = nbformat.read(ROOT / "notebooks" / "04_your_own_metric.ipynb", as_version=4)
    code = notebook.cells[0].source.partition("```python\n")[2].partition("```")[0]
    assert code.strip()
    assert code in (ROOT / "notebooks" / "shop_metrics.py").read_text("utf-8")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_init_has_every_notebook_open_the_data_of_the_project(path):
    """They name the sample company in the spellings that `init` replaces, and in no other."""
    source = "".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    assert source.count("rk.sample(") == source.count("sample") == 1


def test_the_notebooks_of_a_project_know_no_sample(tmp_path):
    begin(tmp_path / "ours")
    written = sorted((tmp_path / "ours" / "notebooks").glob("*.ipynb"))
    assert [path.name for path in written] == [path.name for path in NOTEBOOKS]
    assert all("rk.load('..'" in path.read_text("utf-8") for path in written)
    assert all("rk.sample" not in path.read_text("utf-8") for path in written)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_opened_by_hand_runs_on_its_defaults(path, tmp_path):
    notebook, _ = run(Path(shutil.copy(path, tmp_path)))
    block_kinds = kinds(notebook)
    assert block_kinds[0] in ("heading", "headline")
    assert ("chart" in block_kinds) == (path.stem not in ("overview", "goals"))  # the sample company has no goals
    bundles = [output.data for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum(VEGALITE_MIME in bundle for bundle in bundles) == block_kinds.count("chart")
