"""A report in several languages at once is, to the byte, the reports of each language alone."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import retention_kit as rk
from pencil import table
from retention_kit.report.execution import runner
from test_pack import notebook

ORDERS = table("""
customer_id  ordered_at  amount  country
a            2024-01-01  1       France
b            2024-01-02  2       Spain
c            2024-01-03  5       Spain
a            2024-02-01  10      France
b            2024-02-02  20      Spain
d            2024-02-29  7.50    France
""")
LANGUAGES = ["en", "ar"]


@pytest.fixture(scope="module")
def data():
    return rk.load(orders=ORDERS, timezone="UTC", currency="GBP", as_of="2024-03-01")


def build(data, output: Path, **options: object) -> Path:
    return rk.build_report(data, output=output, **options).path


@pytest.mark.long
def test_both_at_once_are_the_same_as_each_alone(data, tmp_path):
    options = {"only": "overview,retention,cohorts", "formats": "html,pdf", "segment": "country"}
    both = build(data, tmp_path / "both", languages="en,ar", **options)
    for language in LANGUAGES:
        alone = build(data, tmp_path / language, languages=language, **options)
        files = {path.relative_to(alone).as_posix() for path in alone.rglob("*") if path.is_file()} - {"manifest.json"}
        assert {f"report.{language}.html", f"report.{language}.pdf", f"notebooks/cohorts.{language}.ipynb"} <= files
        assert [name for name in sorted(files) if (alone / name).read_bytes() != (both / name).read_bytes()] == []
    manifest = json.loads((both / "manifest.json").read_text("utf-8"))
    assert {name.rpartition(".")[2] for name in manifest["sections"]} == {*LANGUAGES}


@pytest.mark.long
def test_an_analysts_template_finds_nothing_of_its_run_in_another_language(data, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    code = "import json\nprint('first' if not hasattr(json, 'seen') else 'again')\njson.seen = True"
    (own / "mine.ipynb").write_text(notebook(code), "utf-8")
    pack = build(data, tmp_path / "out", languages=LANGUAGES, formats="html", only="mine", templates=own)
    for language in LANGUAGES:
        text = (pack / "notebooks" / f"mine.{language}.ipynb").read_text("utf-8")
        assert "first\\n" in text
        assert "again\\n" not in text


@pytest.fixture
def kernels(monkeypatch):
    """The process of each run, in order; what is run in the language `failing` fails, `alone` has a kernel of its own."""
    run, log = runner.library.run, SimpleNamespace(pids=[], failing="", alone=False)

    def noted(template, parameters, environment, clients, kernel):
        executed, problem = run(template, parameters, environment, clients, None if log.alone else kernel)
        log.pids.append(None if log.alone else clients[-1].km.provisioner.pid)
        return executed, problem or ("ValueError: none" if parameters["language"] == log.failing else "")

    monkeypatch.setattr(runner.library, "run", noted)
    return log


def test_a_section_that_fails_in_one_language_does_not_fail_in_the_next(data, tmp_path, kernels):
    """The kernel of the failure is not used again."""
    kernels.failing = "en"
    pack = rk.build_report(data, output=tmp_path, languages=LANGUAGES, formats="html", only="overview")
    assert [failure for failure in pack.failures if "overview" in failure] == ["overview (en): ValueError: none"]
    assert len({*kernels.pids}) == len(kernels.pids) == 2


@pytest.mark.long
def test_our_own_sections_share_a_kernel_and_find_it_as_new(data, tmp_path, kernels):
    """In a kernel of its own, each gives the same notebook to the byte."""
    options = {"formats": "html", "segment": "country", "only": "overview,retention,cohorts", "jobs": 1}
    together = build(data, tmp_path / "together", **options)
    assert len(kernels.pids) == 3
    assert len({*kernels.pids}) == 1
    kernels.alone = True
    alone = build(data, tmp_path / "alone", **options)
    for path in (alone / "notebooks").iterdir():
        assert path.read_bytes() == (together / "notebooks" / path.name).read_bytes()
