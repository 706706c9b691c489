"""What happens to packs over time: they are listed, made again and compared, and say which figures are others now."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup

import retention_kit as rk
from retention_kit.cli import main
from retention_kit.metrics.catalogue import METRICS
from retention_kit.report.appendix import appendix
from retention_kit.report.archive import manifest
from retention_kit.report.archive.index import write_index
from retention_kit.report.build.rerun import rerun
from retention_kit.report.changes import Restated
from retention_kit.report.execution import templates as library
from retention_kit.report.page import Page
from test_pack import contents
from test_templates import ORDERS, notebook

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("kernelless")]
TOML = '[data]\norders = "orders.csv"\n[report]\ncompany = "Shop"\ntimezone = "UTC"\ncurrency = "GBP"\n'
AS_SENT = "figures as sent and now"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A shop with orders from January to March 2024, and us in it."""
    march = pd.DataFrame([("a", "2024-03-05", 11.0), ("d", "2024-03-31", 4.0)], columns=ORDERS.columns)
    orders = pd.concat([ORDERS, march]).assign(country=["France", "Spain"] * 4)
    orders.to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "retention.toml").write_text(TOML, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report(*options: str) -> int:
    return main(["report", "--format", "html", "--static", *options])


def index(output: Path = Path("reports")) -> BeautifulSoup:
    return BeautifulSoup((output / "index.html").read_text("utf-8"), "html.parser")


def entries(page: BeautifulSoup) -> dict[str, str]:
    return {entry.h3.get_text(): entry.get_text(" ", strip=True) for entry in page.select(".sent > li")}


def restate(amount: float = 33.0) -> None:
    """b paid another sum in February."""
    orders = pd.read_csv("orders.csv")
    orders.loc[orders["ordered_at"] == "2024-02-04", "amount"] = amount
    orders.to_csv("orders.csv", index=False)


# The list of packs.


@pytest.mark.usefixtures("project")
def test_the_index_lists_every_pack_with_its_finding_and_links():
    assert report("--from", "2024-01", "--to", "2024-03") == 0
    assert report("--period", "2024-Q1") == 0
    assert report("--period", "2024-02", "--segment", "country=France") == 0
    page = index()
    assert [heading.get_text() for heading in page("h2")] == ["Months", "Quarters"]
    assert list(entries(page)) == ["March 2024", "February 2024", "January 2024", "Q1 2024"]
    assert page.h1.get_text() == "Shop: retention reports"
    february = entries(page)["February 2024"]
    for words in ("Customer retention was 66.7% in February 2024", "Revenue £47.00", "country France"):
        assert words in february
    links = [link["href"] for link in page("a") if not link["href"].startswith("#")]
    assert len(links) == 5
    assert [link for link in links if not (Path("reports") / link).is_file()] == []
    assert "2024-02/report.en.country-France.html" in links
    assert not page("script")


@pytest.mark.usefixtures("project")
def test_the_sparklines_run_over_the_complete_periods_of_a_length():
    assert report("--from", "2024-01", "--to", "2024-03", "--as-of", "2024-03-20") == 0
    page = index()
    revenue = next(trend for trend in page.select(".trends > li") if trend.p.get_text() == "Revenue")
    assert "Jan 2024 to Feb 2024" in revenue.get_text(" ")
    heights = [float(point.split(",")[1]) for point in revenue.polyline["points"].split()]
    assert len(heights) == 2
    assert heights[0] > heights[1]  # 35 in January, 47 in February, and down is larger in a picture
    assert "Incomplete: data to 19 Mar 2024" in entries(page)["March 2024"]


@pytest.mark.usefixtures("project")
def test_what_is_no_pack_of_ours_does_not_break_the_index():
    assert report("--period", "2024-02") == 0
    output = Path("reports")
    known = json.loads((output / "2024-02" / "manifest.json").read_text("utf-8"))
    broken = {
        "2024-01": "not JSON",
        "2023-12": "[]",
        "2023-11": json.dumps({"schema": 1, "period": "2023-11"}),
        "2023-10": json.dumps(
            known | {"period": "2023-10", "state": 7, "reports": {"en": 1, "<b>": {}}, "settings": 3}
        ),
        "2023-09": json.dumps(
            known
            | {
                "period": "2023-09",
                "as_of": "soon",
                "complete": False,
                "reports": {"en": {"figures": {"revenue": "<b>"}}},
            }
        ),
        "notes": json.dumps(known),
        "2023-08": json.dumps(known),
    }
    for name, text in broken.items():
        (output / name).mkdir()
        (output / name / "manifest.json").write_text(text, "utf-8")
    (output / "2022").write_text("a file", "utf-8")
    assert write_index(output) == ""
    page = index()
    assert set(entries(page)) == {"February 2024", "November 2023", "October 2023", "September 2023"}
    assert "A part of this report failed" in entries(page)["October 2023"]
    assert not page("b")
    assert report("--period", "2024-03") == 0  # nor the next report
    assert "March 2024" in entries(index())


@pytest.mark.parametrize("languages", [["en", "ar"], ["ar", "en"]])
def test_the_index_names_reports_in_the_order_of_the_languages(tmp_path, languages):
    orders = ORDERS.assign(country="France")
    data = rk.load(orders=orders, timezone="UTC", currency="GBP", languages=languages)
    for segment in (None, "country=France"):
        rk.build_report(data, "2024-02", segment=segment, formats=["html"], static=True, output=tmp_path)
    files = [link["href"].rpartition("/")[2] for link in index(tmp_path).select(".links a")]
    assert files == [f"report.{name}{end}.html" for end in ("", ".country-France") for name in languages]


@pytest.mark.usefixtures("project")
def test_a_failed_pack_is_marked_in_the_index(monkeypatch):
    assert report("--period", "2024-01") == 0
    monkeypatch.setattr(library, "run", lambda template, *_: (template, "ValueError: No price list."))
    assert report("--period", "2024-02") == 1
    by_period = entries(index())
    assert [name for name, text in by_period.items() if "A part of this report failed" in text] == ["February 2024"]


@pytest.mark.usefixtures("project")
def test_names_from_the_data_are_words_in_the_index(tmp_path):
    company = "<script>alert(1)</script>"
    orders = ORDERS.assign(country="<b>France</b>")
    data = rk.load(orders=orders, timezone="UTC", currency="GBP", company=company)
    for segment in ("country=<b>France</b>", None):
        rk.build_report(data, "2024-02", segment=segment, formats=["html"], static=True, output=tmp_path / "out")
    page = index(tmp_path / "out")
    assert company in page.h1.get_text()
    assert "country <b>France</b>" in page.get_text()
    assert not page("script")
    assert not page("b")


@pytest.mark.usefixtures("project")
def test_an_index_of_someone_else_is_left_alone(capsys):
    Path("reports").mkdir()
    Path("reports/index.html").write_text("<p>Mine.</p>", "utf-8")
    assert report("--period", "2024-02") == 0
    assert "index.html there is not ours" in capsys.readouterr().err
    assert Path("reports/index.html").read_text("utf-8") == "<p>Mine.</p>"


def test_companies_do_not_share_a_trend(project):
    assert report("--from", "2024-01", "--to", "2024-02") == 0
    rk.build_report(rk.sample(), "2025-12", formats=["html"], static=True, output=project / "reports")
    page = index()
    shop, sample = (title.get_text() for title in page("h2"))
    assert shop == "Months · Shop"
    assert "synthetic data" in sample
    assert page.h1.get_text() == "Retention reports"


# The same again.


@pytest.mark.usefixtures("project")
def test_a_backfill_made_twice_is_the_same_to_the_byte():
    for output in ("once", "twice"):
        assert report("--from", "2024-01", "--to", "2024-03", "--segment", "country", "--output", output) == 0
    once, twice = contents(Path("once")), contents(Path("twice"))
    assert {
        "index.html",
        "2024-02/manifest.json",
        "2024-02/scorecard.csv",
        "2024-02/report.en.html",
        "2024-02/lists/lost_customers.csv",
    } <= set(once)
    assert [name for name in once if once[name] != twice.get(name)] == []
    assert set(once) == set(twice)
    assert report("--from", "2024-01", "--to", "2024-03", "--segment", "country", "--output", "once", "--force") == 0
    assert contents(Path("once")) == once


# Restated figures.


def restated(pack: Path, name: str = "report.en.html") -> list[list[str]]:
    """Period, figure, as sent, now and why, of the tables of earlier figures in a report."""
    page = BeautifulSoup((pack / name).read_text("utf-8"), "html.parser")
    tables = {(figure.find(class_="title") or figure).get_text(): figure for figure in page("figure", class_="table")}
    return [
        [title.partition(": ")[0], *(cell.get_text() for cell in row(["th", "td"]))]
        for title, table in tables.items()
        if title.endswith(AS_SENT)
        for row in table.tbody("tr")
    ]


@pytest.mark.usefixtures("project")
def test_a_later_report_shows_what_has_been_restated():
    assert report("--period", "2024-02") == 0
    restate()
    assert report("--period", "2024-03") == 0
    rows = restated(Path("reports/2024-03"))
    assert ["February 2024", "Revenue", "£47.00", "£50.00", "data"] in rows
    labels = [row[1] for row in rows]
    assert "Customer retention" not in labels  # who bought is as it was
    assert len(labels) == len(set(labels))
    changes = json.loads(Path("reports/2024-03/manifest.json").read_text("utf-8"))["restated"]
    assert {"period": "2024-02", "metric": "revenue", "sent": 47.0, "now": 50.0, "causes": ["data"]} in changes


@pytest.mark.usefixtures("project")
def test_nothing_restated_shows_nothing():
    assert report("--from", "2024-01", "--to", "2024-03") == 0
    assert restated(Path("reports/2024-03")) == []
    assert AS_SENT not in Path("reports/2024-03/report.en.html").read_text("utf-8")


@pytest.mark.usefixtures("project")
def test_another_definition_is_named_as_the_cause():
    assert report("--period", "2024-02") == 0
    Path("retention.toml").write_text(TOML + "[definitions]\nmin_n = 4\n", "utf-8")
    assert report("--period", "2024-03") == 0
    assert ["February 2024", "Customer retention", "66.67%", "–", "definition or setting"] in restated(
        Path("reports/2024-03")
    )


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "options",
    [("--period", "2024-03", "--segment", "country=France"), ("--period", "2024-Q1"), ("--period", "2024-01")],
    ids=["a part", "a quarter", "an earlier month"],
)
def test_only_like_is_compared_with_like(options):
    """Not the whole with a part of it, a month with a quarter, or a period with a later one."""
    assert report("--period", "2024-02") == 0
    restate()
    assert report(*options) == 0
    pages = [path.read_text("utf-8") for path in Path("reports").glob("*/report*")]
    assert len(pages) == 2
    assert [page for page in pages if AS_SENT in page] == []


def test_of_many_restated_periods_the_latest_are_shown():
    months = [f"2024-{month:02}" for month in range(6, 0, -1)]
    page = Page("2024-07", "month", data=rk.load(orders=ORDERS, timezone="UTC", currency="GBP", as_of="2024-08-01"))
    blocks = appendix(page, [], [Restated(month, "revenue", 1.0, None, ("data", "code")) for month in months])
    tables = [block for block in blocks if block.data.get("title", "").endswith(AS_SENT)]
    assert [block.data["title"].partition(":")[0] for block in tables] == ["June 2024", "May 2024", "April 2024"]
    assert tables[0].data["rows"] == [["Revenue", "£1.00", "–", "data, program or its environment"]]
    assert [block.data["text"] for block in blocks if "manifest.json" in block.data.get("text", "")] == [
        "Figures of Mar 2024, Feb 2024, Jan 2024 are others now, too: manifest.json lists them."
    ]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(("country", "expected"), [("France", ["£30.00", "£33.00"]), ("Spain", None)])
def test_a_segment_value_is_compared_with_its_own(country, expected):
    """b, who paid 30 and then 33 in February, is French."""
    options = ["--segment", f"country={country}"]
    assert report("--period", "2024-02", *options) == 0
    restate()
    assert report("--period", "2024-03", *options) == 0
    rows = restated(Path("reports/2024-03"), f"report.en.country-{country}.html")
    revenue = next((row[2:4] for row in rows if row[1] == "Revenue"), None)
    assert revenue == expected


@pytest.mark.usefixtures("project")
def test_a_provisional_figure_is_not_restated():
    assert report("--period", "2024-02", "--as-of", "2024-02-10") == 0
    assert report("--period", "2024-03") == 0
    assert restated(Path("reports/2024-03")) == []


# Made again from the manifest.


@pytest.fixture
def pack(project) -> Path:
    """February by country and of France alone, as known in the middle of March."""
    options = ("--period", "2024-02", "--as-of", "2024-03-20")
    assert report(*options, "--segment", "country=France") == 0
    assert report(*options, "--segment", "country") == 0
    return project / "reports" / "2024-02"


def run_again(pack: Path, capsys, *options: str) -> tuple[int, str]:
    before = contents(pack.parent)
    capsys.readouterr()
    code = main(["rerun", str(pack), *options])
    assert contents(pack.parent) == before, "nothing is written into the pack"
    return code, capsys.readouterr().out


def test_an_unchanged_pack_made_again_is_the_same(pack, capsys):
    code, out = run_again(pack, capsys)
    assert (code, out) == (0, f"{pack} made again is the same: every figure and every file.\n")


def test_restated_data_are_named(pack, capsys):
    restate()
    code, out = run_again(pack, capsys)
    assert code == 1
    (line,) = [line for line in out.splitlines() if " revenue " in line and "2024-02 " in line and "=" not in line]
    assert " ".join(line.split()).startswith("2024-02 revenue 47.0 50.0 data restated value, change")
    assert "data restated: orders: orders.csv, " in out
    result = rerun(pack)
    assert {figure.causes for figure in result.figures} == {("data",)}
    assert {figure.segment for figure in result.figures} == {"", "country=France"}  # Spain is as it was
    assert len(set(result.figures)) == len(result.figures)  # though France has a scorecard of its own, too
    assert "customer_retention_rate" not in {figure.metric for figure in result.figures}


def test_orders_that_came_later_change_no_figure(pack):
    """They lie beyond the midnight up to which the pack knew; but the fingerprint that it prints is another."""
    with Path("orders.csv").open("a", encoding="utf-8") as file:
        file.write("z,2024-05-01,9.0,France\n")
    result = rerun(pack)
    assert result.figures == []
    assert set(result.files) == {"report.en.html", "report.en.country-France.html"}
    assert {*result.files.values()} == {("data",)}


def test_a_changed_definition_is_named(pack, capsys):
    Path("retention.toml").write_text(TOML + "[definitions]\nmin_n = 4\n", "utf-8")
    code, out = run_again(pack, capsys)
    assert code == 1
    assert "definition changed: definitions.min_n, 1 then, 4 now." in out
    assert {figure.causes for figure in rerun(pack).figures} == {("definition",)}


def test_a_changed_metric_is_a_definition_of_its_own(pack):
    contents = json.loads((pack / "manifest.json").read_text("utf-8"))
    contents["metrics"]["revenue"]["formula"] = "sum of nothing"
    contents["code"]["retention-kit"] = "0" * 64
    (pack / "manifest.json").write_text(json.dumps(contents), "utf-8")
    path = pack / "scorecard.csv"
    text = path.read_text("utf-8").replace(",47.0,", ",46.0,")
    path.write_text(text, "utf-8")
    contents["files"]["scorecard.csv"] = manifest.digest_of(path)
    (pack / "manifest.json").write_text(json.dumps(contents), "utf-8")
    causes = {figure.metric: figure.causes for figure in rerun(pack).figures}
    assert causes["revenue"] == ("definition",)
    assert causes["net_revenue"] == ("code",)


def test_another_version_is_named(pack, capsys):
    contents = json.loads((pack / "manifest.json").read_text("utf-8"))
    contents["versions"]["duckdb"] = "0.0.1"
    (pack / "manifest.json").write_text(json.dumps(contents), "utf-8")
    code, out = run_again(pack, capsys)
    assert code == 0
    assert "code or environment changed: duckdb, 0.0.1 then, " in out


def test_a_figure_that_was_altered_is_told_from_one_that_changed(pack, capsys):
    path = pack / "scorecard.csv"
    path.write_text(path.read_text("utf-8").replace(",47.0,", ",74.0,", 1), "utf-8")
    code, out = run_again(pack, capsys)
    assert code == 1
    assert "file altered since" in out
    assert {figure.causes for figure in rerun(pack).figures} == {("altered",)}


def test_a_difference_that_nothing_explains_says_so(pack, capsys):
    path = pack / "scorecard.csv"
    path.write_text(path.read_text("utf-8").replace(",47.0,", ",74.0,", 1), "utf-8")
    contents = json.loads((pack / "manifest.json").read_text("utf-8"))
    contents["files"]["scorecard.csv"] = manifest.digest_of(path)
    (pack / "manifest.json").write_text(json.dumps(contents), "utf-8")
    code, out = run_again(pack, capsys)
    assert code == 1
    assert "unexplained" in out
    assert {figure.causes for figure in rerun(pack).figures} == {()}


def test_settings_given_besides_the_file_are_kept(project, capsys):
    data = rk.load("retention.toml", company="Another", min_n=4)
    pack = rk.build_report(data, "2024-02", formats=["html"], static=True, only=["revenue"], output="reports").path
    contents = json.loads((pack / "manifest.json").read_text("utf-8"))
    assert contents["data"]["overrides"] == {"company": "Another", "min_n": 4}
    assert run_again(pack, capsys)[0] == 0
    assert str(project) not in (pack / "manifest.json").read_text("utf-8")


def test_own_templates_are_found_again(project, capsys):
    Path("own").mkdir()
    Path("own/price_list.ipynb").write_text(notebook(), "utf-8")
    assert report("--period", "2024-02", "--templates", "own") == 0
    pack = project / "reports" / "2024-02"
    assert run_again(pack, capsys, "--templates", "own")[0] == 0
    Path("own/price_list.ipynb").write_text(notebook("1"), "utf-8")
    code, out = run_again(pack, capsys, "--templates", "own")
    assert "code or environment changed: price_list, " in out
    assert "notebooks/price_list.en.ipynb differs: code or environment changed." in out
    assert code == 1
    assert main(["rerun", str(pack)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "retention-kit: This pack was made with own templates, 'own', which run code: where you trust them, name them "
        "again with --templates."
    )


@pytest.mark.parametrize("where", ["reports/2024-02", "reports", "elsewhere"])
def test_settings_that_a_pack_names_are_not_run(project, capsys, where):
    """A pack from anybody: its settings would load a plug-in, which is a program."""
    assert report("--period", "2024-02") == 0
    pack, folder = project / "reports" / "2024-02", project / where
    folder.mkdir(exist_ok=True)
    (folder / "own.py").write_text("from pathlib import Path\nPath('ran').touch()\n", "utf-8")
    shutil.copy("orders.csv", folder)
    (folder / "retention.toml").write_text(TOML + 'plugins = ["own.py"]\n', "utf-8")
    for origin in (where, f"{where}/retention.toml", str(folder)):
        contents = json.loads((pack / "manifest.json").read_text("utf-8"))
        contents["data"]["origin"] = origin
        (pack / "manifest.json").write_text(json.dumps(contents), "utf-8")
        assert main(["rerun", str(pack)]) == 2
        assert capsys.readouterr().err.splitlines()[-1] == (
            f"retention-kit: This pack names the settings {origin!r}, which may run code, and they are not the "
            "retention.toml here: where you trust them, name them again with --data."
        )
    contents["data"] |= {"origin": "retention.toml", "overrides": {"plugins": [f"{where}/own.py"]}}
    (pack / "manifest.json").write_text(json.dumps(contents), "utf-8")
    assert main(["rerun", str(pack)]) == 2
    assert not Path("ran").exists()


PLUGIN = """
from retention_kit.metrics.catalogue import Measure, metric

@metric(label="Own", unit="count", formula="one", source="this test")
def own_metric(purchases):
    "One."
    return Measure(1)
"""


def test_an_edited_plug_in_is_a_changed_definition(project):
    Path("own.py").write_text(PLUGIN, "utf-8")
    Path("retention.toml").write_text(TOML + 'plugins = ["own.py"]\n', "utf-8")
    try:
        assert report("--period", "2024-02") == 0
        pack = project / "reports" / "2024-02"
        assert str(project) not in (pack / "manifest.json").read_text("utf-8")
        assert rerun(pack).is_same
        Path("own.py").write_text(PLUGIN.replace("Measure(1)", "Measure(2)"), "utf-8")
        result = rerun(pack)
        assert {(figure.metric, figure.causes) for figure in result.figures} == {("own_metric", ("definition",))}
    finally:
        METRICS.pop("own_metric", None)


@pytest.mark.usefixtures("project")
def test_what_cannot_be_made_again_is_one_sentence(capsys):
    def refused(pack: str) -> str:
        capsys.readouterr()
        assert main(["rerun", pack]) == 2
        (message,) = capsys.readouterr().err.splitlines()
        return message

    assert refused("absent") == (
        "retention-kit: 'absent' is no pack that can be made again: it has no manifest that tells how."
    )
    data = rk.load(orders=ORDERS, timezone="UTC", currency="GBP")
    pack = rk.build_report(data, "2024-02", formats=["html"], static=True, output="frames").path
    assert "'(DataFrames)', are not here: they were DataFrames." in refused(str(pack))
    assert report("--period", "2024-02") == 0
    Path("retention.toml").unlink()
    assert "'retention.toml', are not here: run this where the pack was built." in refused("reports/2024-02")


@pytest.mark.usefixtures("project")
def test_the_scorecard_of_a_rerun_is_read_as_it_was_written():
    """The figures that a difference names are the cells themselves."""
    assert report("--period", "2024-02") == 0
    restate()
    with Path("reports/2024-02/scorecard.csv").open(encoding="utf-8", newline="") as file:
        then = {(row["metric"], row["period"]): row["value"] for row in csv.DictReader(file)}
    for figure in rerun(Path("reports/2024-02")).figures:
        if "value" in figure.columns:
            assert figure.before == then[figure.metric, figure.period]
