"""The notebooks that make the sections: one fault each is refused before anything runs; own ones come first."""

import json
from dataclasses import replace

import nbformat
import nbformat.v4 as nbf
import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.errors import DataError, SettingsError, TemplateError, UnknownNameError
from retention_kit.metrics.catalogue import METRICS
from retention_kit.report.blocks import templates_dir
from retention_kit.report.build.builder import build_report
from retention_kit.report.execution import templates as library

PARAMETERS = 'period: str = ""\nevery: str = ""\nsegment: str = ""\nlanguage: str = ""\ndata: str = ""'
ORDERS = pd.DataFrame(
    [
        ("a", "2024-01-05", 10.0),
        ("b", "2024-01-06", 20.0),
        ("c", "2024-01-07", 5.0),
        ("a", "2024-02-03", 10.0),
        ("b", "2024-02-04", 30.0),
        ("d", "2024-02-29", 7.0),
    ],
    columns=["customer_id", "ordered_at", "amount"],
)


@pytest.fixture(scope="module")
def data():
    return rk.load(orders=ORDERS, timezone="UTC", currency="GBP")


def notebook(*sources: str, parameters: str = PARAMETERS, tagged: int = 1) -> str:
    """A template as text: so many cells tagged `parameters`, then one cell for each source."""
    cells = [nbf.new_code_cell(parameters, metadata={"tags": ["parameters"]}) for _ in range(tagged)]
    return nbformat.writes(nbf.new_notebook(cells=[*cells, *map(nbf.new_code_cell, sources)]))


FAULTS = {
    "a parameter is missing": (
        notebook(parameters=PARAMETERS.replace("segment", "segmant")),
        "own.ipynb has no parameter 'segment': did you mean 'segmant'?",
    ),
    "a parameter has another type": (
        notebook(parameters=PARAMETERS.replace('period: str = ""', "period: int = 1")),
        "own.ipynb: the parameter 'period' takes int, and '2024-02' is str.",
    ),
    "no parameters cell": (notebook(PARAMETERS, tagged=0), "own.ipynb needs one cell tagged 'parameters'; it has 0."),
    "two parameters cells": (notebook(tagged=2), "own.ipynb needs one cell tagged 'parameters'; it has 2."),
    "a syntax error": (notebook("1 + 1", "1 +"), "own.ipynb, cell 3, line 1: invalid syntax."),
    "not JSON": ("hello", "own.ipynb is not a notebook: "),
    "empty": ("", "own.ipynb is not a notebook: "),
    "another JSON": ("[1, 2]", "own.ipynb is not a notebook: "),
    "no cells": ("{}", "own.ipynb is not a notebook: "),
    "a cell without metadata": (
        json.dumps({"cells": [{"cell_type": "code"}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}),
        "own.ipynb is not a notebook: ",
    ),
}


@pytest.mark.filterwarnings("ignore::nbformat.warnings.MissingIDFieldWarning")
@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_template_is_refused_before_any_kernel_starts(data, tmp_path, monkeypatch, text, message):
    monkeypatch.setattr(library, "run", lambda *_: pytest.fail("a kernel was started"))
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.ipynb").write_text(text, "utf-8")
    with pytest.raises(TemplateError) as error:
        build_report(data, "2024-02", output=tmp_path / "reports", templates=tmp_path / "own")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("source", ["%matplotlib inline\n1 + 1", "!ls", "%%time\n1 + 1"])
def test_what_only_ipython_reads_is_no_syntax_error(tmp_path, source):
    path = tmp_path / "own.ipynb"
    path.write_text(notebook(source), "utf-8")
    assert library.check(library.Section(path), {"period": "2024-02"})


def test_a_template_may_leave_types_out(tmp_path):
    path = tmp_path / "own.ipynb"
    path.write_text(notebook(parameters="period = 1"), "utf-8")
    assert library.check(library.Section(path), {"period": "2024-02"})


@pytest.mark.parametrize("path", sorted(templates_dir().glob("*.ipynb")), ids=lambda path: path.stem)
def test_our_templates_take_the_parameters_of_the_contract(path):
    parameters = {**dict.fromkeys(("period", "every", "segment", "language", "data"), ""), "metric": ""}
    if path.stem != "kpi":
        del parameters["metric"]
    assert library.check(library.Section(path), parameters)


@pytest.fixture
def guest_share(monkeypatch) -> str:
    """A metric that names no template, as a plug-in's may."""
    plain = METRICS["repeat_purchase_rate"]
    monkeypatch.setitem(METRICS, "guest_share", replace(plain, name="guest_share", template="kpi"))
    return "guest_share"


def test_sections_follow_the_reading_order(data, guest_share):
    assert [section.name for section in library.sections(data)] == [
        "overview",
        "retention",
        f"kpi.{guest_share}",
        "repeat_purchase",
        "lifetime_value",
        "revenue",
        "cohorts",
        "at_risk",
    ]
    sample = [section.path.stem for section in library.sections(rk.sample())]
    assert [name for name in library.ORDER if name in sample] == [name for name in sample if name != "kpi"]


def test_every_metric_of_the_data_has_a_section(data):
    rows = rk.scorecard(data)
    served = {section.metric or section.path.stem for section in library.sections(data)}
    assert {METRICS[name].template if METRICS[name].template != "kpi" else name for name in rows["metric"]} <= served


def test_own_templates_override_by_name_and_new_ones_follow(data, tmp_path):
    for name in ("retention", "our_view"):
        (tmp_path / f"{name}.ipynb").write_text(notebook(), "utf-8")
    by_name = {section.name: section.path for section in library.sections(data, tmp_path)}
    assert by_name["retention"] == tmp_path / "retention.ipynb"
    assert by_name["overview"] == templates_dir() / "overview.ipynb"
    assert list(by_name)[-1] == "our_view"
    assert [name for name in by_name if name != "our_view"] == [section.name for section in library.sections(data)]


def test_an_own_template_takes_its_metrics_from_kpi(data, tmp_path, guest_share):
    (tmp_path / "kpi.ipynb").write_text(notebook(parameters=f"{PARAMETERS}\nmetric = ''"), "utf-8")
    own = {section.metric: section.path.parent for section in library.sections(data, tmp_path) if section.metric}
    assert own == {guest_share: tmp_path}


def test_sections_are_picked_by_template_or_metric(data, guest_share):
    plan = library.sections(data)
    kpis = [section for section in plan if section.metric]
    assert [section.metric for section in kpis] == [guest_share]
    assert (
        library.pick(plan, ["kpi"])
        == library.pick(plan, [guest_share])
        == library.pick(plan, ["kpi.guest_share"])
        == kpis
    )
    assert [section.name for section in library.pick(plan, ["revenue", "overview"])] == ["overview", "revenue"]
    with pytest.raises(UnknownNameError, match=r"There is no section 'revenu': did you mean 'revenue'\?"):
        library.pick(plan, ["revenu"])
    with pytest.raises(DataError, match="There is no section 'feedback' in this report"):
        library.pick(plan, ["feedback"])


def test_a_folder_of_templates_must_hold_some(data, tmp_path):
    with pytest.raises(TemplateError, match="holds no notebook template"):
        build_report(data, output=tmp_path / "reports", templates=tmp_path)
    with pytest.raises(SettingsError, match="There is no folder of templates"):
        build_report(data, output=tmp_path / "reports", templates=tmp_path / "absent")
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    "bundle",
    [
        {"text/plain": "one\ntwo\u2028three", "application/json": {}},
        {
            "application/x+json": {
                "z": [],
                "a": [{}, [1e22, -0.0, 1e-7, 10**20, None, True]],
                "ü": '\\"\t\x7f\U0001f600',
            }
        },
        {"application/x+json": {"value": float("nan")}},
    ],
    ids=["lines", "values", "no number"],
)
def test_a_notebook_is_written_as_nbformat_writes_it(bundle):
    cell = nbf.new_code_cell("a\nb", metadata={"trusted": True}, outputs=[nbf.new_output("display_data", bundle)])
    notebook = nbf.new_notebook(cells=[cell, nbf.new_markdown_cell("x\ny\n")], metadata={"signature": "none"})
    expected = nbformat.writes(notebook) + "\n"
    assert library.serialized(notebook) == expected
