"""The benchmarks: that the company is the same every time, that peers say the same as we do, and what the page says."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

import retention_kit as rk

pytest.importorskip("resource", reason="Windows does not tell what a process has used")
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TEMPLATES = BENCHMARKS.parent / "templates"


@pytest.fixture(scope="module", autouse=True)
def scripts():
    """The scripts import each other by name, as they do when run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS / "peers"))
        patch.syspath_prepend(str(BENCHMARKS))
        yield


@pytest.fixture(scope="module")
def company(tmp_path_factory) -> Path:
    from company import write_company

    folder = tmp_path_factory.mktemp("company")
    write_company(5_000, folder)
    return folder


def claim(ratios: list[float], bound: float, **more):
    from results import Claim

    return Claim("ours against theirs", ratios, bound, **more)


# The company


def test_the_company_is_the_same_every_time(company, tmp_path):
    from company import write_company

    write_company(5_000, tmp_path)
    for name in ("orders", "subscriptions", "responses"):
        before, again = (pd.read_parquet(folder / f"{name}.parquet") for folder in (company, tmp_path))
        pd.testing.assert_frame_equal(before, again)


def test_cleaning_finds_nothing_wrong_with_it(company):
    data = rk.load(company)
    counts = dict(zip(data.quality["table"] + " " + data.quality["check"], data.quality["rows"], strict=True))
    guests = counts.pop("orders no customer (guest)")
    assert guests == pytest.approx(100, abs=40)  # two in a hundred
    subscriptions = counts.pop("subscriptions rows read")
    assert subscriptions == pytest.approx(1_000, abs=100)  # a fifth
    assert counts == {"orders rows read": 5_000, "responses rows read": 100}
    assert (data.start.isoformat(), data.as_of.isoformat()) == ("2023-01-01", "2026-01-01")


def test_customers_come_stay_leave_and_return_in_every_month_of_a_report(company):
    moves = rk.customer_movements(rk.load(company, basis="orders")).iloc[-24:]
    assert (moves[["new", "reactivated", "lost", "retained"]].min() > 0).all()
    money = rk.mrr_movements(rk.load(company)).iloc[-12:]
    assert (money[["new", "expansion", "contraction", "churned", "reactivation"]].min() > 0).all()


# Peers


def test_sql_pandas_polars_and_we_say_the_same(company):
    from polars_summaries import polars
    from results import agreement
    from ways import WAYS

    figures = {way: WAYS[way](company)["figures"] for way in ("six", "natural", "pandas")}
    figures["polars"] = polars(company)["figures"]
    assert len({frozenset(values) for values in figures.values()}) == 1
    kinds = {key.split()[0] for key in figures["natural"]}
    assert kinds == {"movements", "purchases", "mrr", "feedback", "cohorts", "rfm"}
    assert agreement(figures).startswith("The figures of all agree")


@pytest.mark.long
def test_the_explorer_shows_the_figures_that_are_computed_again(company):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    from results import agreement
    from ways import CHANGES, WAYS

    with ThreadPoolExecutor(1) as thread:  # in this one a loop may run, which drives the browser of other tests
        result = thread.submit(WAYS["redraw"], company).result()
    assert CHANGES[-1] == ("metric", "customer_retention_rate")  # the figures are those of the last change
    assert len(result["figures"]["before"]) == len(result["figures"]["again"]) == 13
    assert agreement(result["figures"]) == "The figures of all agree: 13 comparisons."
    assert 0 < result["seconds"] <= result["slowest"]


def test_an_export_has_the_figures_that_a_plain_read_of_it_has(tmp_path):
    from results import agreement
    from shop_export import write_export
    from ways import WAYS

    path = write_export(tmp_path / "orders_export_1.csv", 400)
    assert path.read_bytes() == write_export(tmp_path / "orders_export_1.csv", 400).read_bytes()
    figures = {way: WAYS[way](tmp_path)["figures"] for way in ("export", "export_scan")}
    assert figures["export"]["orders"] == 285  # of 300, one in 20 is voided
    assert agreement(figures) == "The figures of all agree: 2 comparisons."


def test_a_figure_that_differs_ends_the_run():
    from measure import Failed
    from results import agreement

    with pytest.raises(Failed, match=r"new is 3\.0 by ours and 4\.0 by theirs"):
        agreement({"ours": {"new": 3.0}, "theirs": {"new": 4.0}})
    with pytest.raises(Failed, match="no figure in common"):
        agreement({"ours": {"new": 3.0}, "theirs": {"lost": 3.0}})


def test_the_loop_runs_our_templates_and_draws_their_charts():
    from parts.packs import with_drawn_charts

    for path in TEMPLATES.glob("*.ipynb"):
        before = json.loads(path.read_text())
        cells = with_drawn_charts(before)["cells"]
        (index,) = (i for i, cell in enumerate(cells) if cell.get("source") == "import drawn")
        assert "parameters" in cells[index - 1]["metadata"]["tags"]
        assert cells[:index] + cells[index + 1 :] == before["cells"]


def test_a_pack_is_filled_up_to_eight_sections(tmp_path):
    from parts.packs import sections

    own, notebooks = sections(tmp_path / "own")
    shipped = {path for path in notebooks if path.parent == TEMPLATES}
    assert {path.name for path in shipped} == {path.name for path in TEMPLATES.glob("*.ipynb")} - {"kpi.ipynb"}
    assert len(notebooks) == len(shipped | {*own.glob("*.ipynb")} if own else shipped) >= 8


def test_a_package_that_cannot_be_installed_is_told(monkeypatch, tmp_path):
    import environments

    monkeypatch.setattr(environments, "KEPT", tmp_path)
    monkeypatch.setattr(environments, "UV", tmp_path / "no-such-program")
    with pytest.raises(environments.NotThere, match=r"^it cannot be installed here \(.*no-such-program"):
        environments.environment("lifetimes")


def test_a_commit_that_git_does_not_have_is_told(monkeypatch, tmp_path):
    import environments

    monkeypatch.setattr(environments, "KEPT", tmp_path)
    monkeypatch.setattr(environments, "BEFORE", "0123456789ab")
    with pytest.raises(environments.NotThere, match=r"^git does not have 0123456789ab here$"):
        environments.before()
    assert [*tmp_path.iterdir()] == []


def test_every_part_says_how_often_it_is_run():
    from parts import PARTS
    from run import ROUNDS

    assert [*PARTS] == [*ROUNDS]
    assert min(ROUNDS.values()) > 1, "one run has no spread"


# Measuring


def test_a_process_is_measured_with_what_it_starts():
    from measure import run

    child = "import time; kept = bytearray(150_000_000); time.sleep(1)"
    both = run([sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"])
    assert both.seconds > 1
    assert both.memory > 150_000_000


def test_what_a_process_tells_of_its_time_counts():
    from measure import run

    sample = run([sys.executable, "-c", "print('reading'); print('{\"seconds\": 0.25, \"load\": 2}')"])
    assert (sample.seconds, sample.output["load"]) == (0.25, 2)


def test_a_process_that_fails_ends_the_run_with_its_words():
    from measure import Failed, run

    with pytest.raises(Failed, match="no such table"):
        run([sys.executable, "-c", "import sys; sys.exit('no such table')"])


def test_cases_take_turns():
    from measure import Sample, measure_rounds

    order = []

    def case(name):
        def once():
            order.append(name)
            return {name: Sample(len(order), 1)}

        return once

    samples = measure_rounds([case("a"), case("b")], 3, lambda _: None)
    assert order == ["a", "b"] * 3
    assert [sample.seconds for sample in samples["b"]] == [2, 4, 6]


# The page


def test_ratios_are_of_the_same_round():
    from results import ratios

    assert ratios([2, 8], [1, 2]) == [2, 4]
    with pytest.raises(ValueError):
        ratios([1], [1, 2])


@pytest.mark.parametrize(
    ("ratios", "bound", "is_floor", "holds"),
    [
        ([1, 1.5, 9], 1.6, False, True),  # the median of the rounds decides
        ([1, 1.7, 9], 1.6, False, False),
        ([12, 10, 2], 10, True, True),
        ([12, 9.9, 2], 10, True, False),
    ],
)
def test_the_median_against_its_bound_decides(ratios, bound, is_floor, holds):
    assert claim(ratios, bound, is_floor=is_floor).holds is holds


def test_the_page_tells_every_ratio_its_bound_and_whether_it_holds():
    from results import Part, Row, page

    rows = [Row("ours", [2, 4, 3], 300 * 2**20), Row("theirs", [20, 60, 33]), Row("theirs, once", [600])]
    claims = [claim([10, 15, 11], 10, is_floor=True), claim([8.25], 8, unit="GiB")]
    text = page([Part("Packs", rows, claims, ["lifetimes is missing."])], ["8 cores"])
    assert "1 of 2 hold." in text
    assert "| ours against theirs | 11 × | 10 to 15 | ≥ 10 × | yes |" in text
    assert "| ours against theirs | 8.25 GiB | one run | ≤ 8 GiB | **no** |" in text
    assert "| ours | 3 | 2 to 4 | 1 × | 300 MiB |" in text
    assert "| theirs | 33 | 20 to 60 | 11 × |  |" in text
    assert "| theirs, once | 600 | one run | 200 × |  |" in text
    assert text.index("## What has to hold") < text.index("## Packs")
    assert text.index("## Packs") < text.index("lifetimes is missing.") < text.index("- 8 cores")


def test_what_is_told_for_information_is_shown_apart_and_counts_for_no_bound():
    from results import Part, page

    claims = [claim([0.9], 1), claim([1.4], 1, is_bound=False)]
    bounds, _, information = page([Part("Scorecard", claims=claims)], []).partition("## Beside it, for information")
    assert "1 of 1 hold." in bounds
    assert "| 0.9 × |" in bounds
    assert "0 of 1 hold." in information
    assert "| 1.4 × | one run | ≤ 1 × | **no** |" in information


def test_the_scorecard_is_held_to_its_bounds_whoever_is_a_customer():
    from environments import Company
    from measure import Sample
    from parts.figures import _against_others

    seconds = {"orders": 1, "subscriptions": 2, "six": 3, "natural": 2, "pandas": 6}
    samples = {way: [Sample(times, 100, {"load": 0.5})] for way, times in seconds.items()}
    claims = _against_others(Company(10, Path()), samples)
    against_sql = [
        (claim.ratios, claim.bound, claim.is_bound) for claim in claims if claim.text.endswith("natural SQL: time")
    ]
    assert against_sql == [([0.5], 1.0, True), ([1.0], 1.0, True), ([1.5], 1.0, False)]
    loaded = [
        (claim.ratios, claim.is_bound) for claim in claims if claim.text.endswith("natural SQL and its load: time")
    ]
    assert loaded == [([0.6], True), ([1.0], True), ([1.4], False)]
    assert [(claim.ratios, claim.is_bound) for claim in claims if claim.text.endswith("against pandas: faster by")] == [
        ([6.0], True),
        ([3.0], True),
        ([2.0], False),
    ]


def test_the_page_names_no_machine():
    import platform

    from run import machine

    text = " ".join(machine())
    assert platform.python_version() in text
    assert "duckdb" in text
    for secret in (platform.node(), str(Path.home()), str(Path.cwd())):
        assert len(secret) < 3 or secret not in text


def test_an_unknown_part_is_refused():
    ended = subprocess.run(
        [sys.executable, BENCHMARKS / "run.py", "--only", "packs"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "there is no part 'packs': choose from pack, " in ended.stderr
