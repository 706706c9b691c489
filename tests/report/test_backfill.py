"""Packs of many periods in one run: each as it would be alone, though the next one's notebooks run meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.errors import DataError, ReportError
from retention_kit.report.build import builder as packing
from retention_kit.report.build import figures
from retention_kit.report.execution import templates as library
from retention_kit.report.execution.plan import Plan, make_plan
from test_pack import contents
from test_restatements import project, report, restate, restated

__all__ = ["project"]  # a fixture
pytestmark = [pytest.mark.long, pytest.mark.usefixtures("kernelless", "project")]
OUTPUT, MONTHS = Path("reports"), ("2024-01", "2024-02", "2024-03")


def plans(months: tuple[str, ...] = MONTHS) -> list[Plan]:
    data = rk.load("retention.toml")
    return [make_plan(data, month, None, None, None, ["html"], [], None, True) for month in months]


def backfill(months: tuple[str, ...] = MONTHS, log: list | None = None) -> Iterator[packing.Pack]:
    def progress(plan: Plan, section: str, done: int, total: int) -> None:
        if log is not None and not section:
            log.append((str(plan.page.period), done, total))

    return packing.build_packs(plans(months), OUTPUT, True, 2, progress)


def left() -> list[str]:
    return sorted(path.name for path in OUTPUT.iterdir()) if OUTPUT.exists() else []


def test_the_next_ones_notebooks_run_while_one_is_put_together(monkeypatch):
    swap, running = packing.swap, {month: Event() for month in MONTHS}

    def run(template, parameters, *_) -> tuple:
        running[parameters["period"]].set()
        return template, ""

    def swap_late(building, folder, index) -> None:
        assert all(running[month].wait(30) for month in MONTHS[: MONTHS.index(folder.name) + 2])
        swap(building, folder, index)

    monkeypatch.setattr(library, "run", run)
    monkeypatch.setattr(packing, "swap", swap_late)
    with closing(backfill()) as packs:
        for number, pack in enumerate(packs):
            assert (pack.period, pack.is_new) == (MONTHS[number], True)
            assert [name for name in left() if name.startswith("2024")] == [*MONTHS[: number + 1]]
            links = (OUTPUT / "index.html").read_text("utf-8")
            assert [month in links for month in MONTHS] == [index <= number for index in range(3)]
    assert left() == [*MONTHS, "index.html"]


def test_packs_of_one_run_are_those_of_a_run_each():
    assert report("--from", "2024-01", "--to", "2024-03", "--output", "together") == 0
    for month in MONTHS:
        assert report("--period", month, "--output", "apart") == 0
    assert contents(Path("together")) == contents(Path("apart"))
    assert report("--from", "2024-01", "--to", "2024-03", "--output", "alone", "--jobs", "1") == 0
    assert contents(Path("alone")) == contents(Path("apart"))


SEGMENTS = ["country", "country=Spain", "country=France"]
ASKED = [part for segment in SEGMENTS for part in ("--segment", segment)]


def test_several_segments_in_one_run_are_those_of_a_run_each(capsys):
    for output in ("together", "apart"):
        assert report("--period", "2024-02", "--segment", "country=Spain", "--output", output) == 0  # stands before
    restate()
    capsys.readouterr()
    assert report("--from", "2024-02", "--to", "2024-03", *ASKED, "--output", "together") == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[:6] == ["together/2024-02"] * 3 + ["together/2024-03"] * 3
    assert "2024-03 country=Spain 1/" in captured.err
    for month in MONTHS[1:]:
        for segment in SEGMENTS:
            assert report("--period", month, "--segment", segment, "--output", "apart") == 0
    assert contents(Path("together")) == contents(Path("apart"))
    capsys.readouterr()
    assert report("--from", "2024-02", "--to", "2024-03", *ASKED, "--output", "together") == 0
    printed = capsys.readouterr().err
    assert [printed.count(f"{month} {segment}: unchanged") for month in MONTHS[1:] for segment in SEGMENTS] == [1] * 6
    assert contents(Path("together")) == contents(Path("apart"))


def test_a_segment_that_is_none_is_refused_before_the_first_is_built(capsys):
    assert report("--period", "2024-02", *ASKED, "--segment", "country=Frence") == 2
    assert "There is no country 'Frence' in the data" in capsys.readouterr().err
    assert left() == []


def test_what_was_sent_is_what_stands_once_the_pack_before_is_done():
    """February's report is put together after January's took its place, though its notebooks ran before."""
    assert report("--from", "2024-01", "--to", "2024-03") == 0
    restate()
    assert report("--period", "2024-03") == 0
    assert restated(OUTPUT / "2024-03")
    assert report("--from", "2024-01", "--to", "2024-03") == 0
    assert restated(OUTPUT / "2024-02") == restated(OUTPUT / "2024-03") == []


def test_a_pack_that_stands_is_left_as_it_is_after_one_that_does_not(capsys):
    assert report("--from", "2024-01", "--to", "2024-03") == 0
    before = contents(OUTPUT)
    (OUTPUT / "2024-01" / "report.en.html").unlink()
    capsys.readouterr()
    assert report("--from", "2024-01", "--to", "2024-03") == 0
    printed = capsys.readouterr().err
    assert [month for month in MONTHS if f"{month}: unchanged" in printed] == ["2024-02", "2024-03"]
    assert contents(OUTPUT) == before


def test_what_failed_is_told_with_its_period_and_once_more_at_the_end(monkeypatch, capsys):
    problem = {"2024-02": "ValueError: No price list."}
    monkeypatch.setattr(
        library, "run", lambda template, parameters, *_: (template, problem.get(parameters["period"], ""))
    )
    assert report("--from", "2024-01", "--to", "2024-03", "--only", "overview") == 1
    messages = [line for line in capsys.readouterr().err.splitlines() if line.startswith("retention-kit: ")]
    assert messages == [
        "retention-kit: Failed in 2024-02: overview (en): ValueError: No price list.",
        "retention-kit: Of 3 reports parts failed in 2024-02.",
    ]


def test_an_output_that_is_a_file_is_called_one(capsys):
    OUTPUT.write_text("mine", "utf-8")
    assert report("--period", "2024-02") == 2
    assert (
        capsys.readouterr().err.splitlines()[-1] == "retention-kit: No pack can be written to 'reports': it is a file."
    )
    assert OUTPUT.read_text("utf-8") == "mine"


def test_closed_early_a_run_leaves_what_it_has_begun_as_it_was():
    with closing(backfill()) as packs:
        assert next(packs).period == "2024-01"
    assert left() == ["2024-01", "index.html"]


def test_an_interrupt_leaves_both_as_they_were(monkeypatch, capsys):
    """The one that is put together, and the one whose notebooks run."""

    def interrupted(template, parameters, *_) -> tuple:
        if parameters["period"] == "2024-02":
            raise KeyboardInterrupt
        return template, ""

    monkeypatch.setattr(library, "run", interrupted)
    assert report("--from", "2024-01", "--to", "2024-03") == 130
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == (
        "retention-kit: Interrupted at 2024-02, which is as it was; done: 2024-01."
    )
    assert left() == ["2024-01", "index.html"]


def test_where_the_next_cannot_even_be_planned_this_one_is_finished():
    def planned() -> Iterator[Plan]:
        yield from plans(MONTHS[:1])
        raise DataError("No.")

    packs = packing.build_packs(planned(), OUTPUT, True, 2, lambda *_: None)
    assert next(packs).period == "2024-01"
    with pytest.raises(DataError, match="No"):
        next(packs)


def test_what_interrupts_one_notebook_ends_those_that_wait(monkeypatch):
    """Such as a cancelled build, told where it tells its progress."""
    ran = []

    def run(template, parameters, *_) -> tuple:
        ran.append(parameters["period"])
        if len(ran) == 2:
            raise KeyboardInterrupt
        return template, ""

    monkeypatch.setattr(library, "run", run)
    with pytest.raises(KeyboardInterrupt):
        next(packing.build_packs(plans(MONTHS[:1]), OUTPUT, True, 1, lambda *_: None))
    assert ran == ["2024-01"] * 2
    assert left() == []


def test_where_one_cannot_be_begun_the_one_before_is_finished(monkeypatch):
    identities = figures.identities

    def fail(data, every, columns) -> list:
        if (OUTPUT / "2024-01").exists():
            raise DataError("No.")
        return identities(data, every, columns)

    monkeypatch.setattr(figures, "identities", fail)
    packs = backfill()
    assert [next(packs).period, next(packs).period] == ["2024-01", "2024-02"]
    with pytest.raises(DataError, match="No"):
        next(packs)
    assert left() == ["2024-01", "2024-02", "index.html"]


def test_where_one_cannot_be_written_the_next_is_not_made(monkeypatch):
    def fail(*_) -> None:
        raise ReportError("The disk is full.")

    monkeypatch.setattr(packing, "swap", fail)
    entries: list[tuple] = []
    with pytest.raises(ReportError, match="The disk is full"):
        next(backfill(log=entries))
    assert [*dict.fromkeys(period for period, *_ in entries)] == ["2024-01", "2024-02"]
    assert left() == []


@pytest.fixture
def channels(project) -> None:
    orders = pd.read_csv(project / "orders.csv")
    orders.assign(channel=["web", "shop"] * 4).to_csv(project / "orders.csv", index=False)


@pytest.mark.usefixtures("channels")
@pytest.mark.parametrize(
    ("segments", "error"),
    [
        (["country", "channel"], "'country' and 'channel' would write the same files"),
        (["country=Spain", "chanel"], "There is no segment column 'chanel'"),
    ],
)
def test_segments_that_cannot_all_be_built_are_refused_before_the_first_is(segments, error, capsys):
    """Two that are broken down by columns have files of the same names."""
    assert report("--period", "2024-02", *(part for segment in segments for part in ("--segment", segment))) == 2
    assert error in capsys.readouterr().err
    assert left() == []


def listed(out: str) -> set[str]:
    """The suffixes of the lists that a command names, `.country-France` of `lists/new_customers.country-France.csv`."""
    files = [line.partition(":")[0] for line in out.splitlines() if line.startswith("lists/")]
    return {file.removesuffix(".csv").partition(".")[2] for file in files}


def test_lists_named_at_the_end_are_those_of_the_reports_just_built(capsys):
    """The folder holds those of other segments as well."""
    for segments in ([], ["country=Spain"], ["country=France", "country=Spain"], ["country=France"]):
        assert report("--period", "2024-02", *(part for segment in segments for part in ("--segment", segment))) == 0
        named = {segment.replace("=", "-") for segment in segments} or {""}
        assert listed(capsys.readouterr().out) == named
        suffixes = {path.stem.partition(".")[2] for path in (OUTPUT / "2024-02" / "lists").iterdir()}
        assert named <= suffixes
    assert suffixes == {"", "country-Spain", "country-France"}


@pytest.mark.usefixtures("channels")
def test_columns_may_be_given_together_beside_a_value(capsys):
    assert report("--period", "2024-02", "--segment", "country=Spain", "--segment", "country,channel") == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["reports/2024-02"] * 2
