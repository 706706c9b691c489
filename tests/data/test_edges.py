"""The edges of the data: nothing to divide by, one of everything, far too many values, names that mean harm."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence

import pandas as pd
import pytest

import retention_kit as rk
from pencil import by_segment, row, table, value
from retention_kit.bidi import plain
from retention_kit.cli import main
from retention_kit.errors import UnknownNameError
from retention_kit.report.execution import templates as library
from soup import soup_of
from test_pack import run_in_process

ORDERS = table("""
    customer_id  order_id  ordered_at  amount  country
    A            1         2022-01-05  10      UK
    A            2         2022-01-06  10      UK
    B            3         2022-02-05  20      France
    C            4         2024-07-05  30      UK
""")
SPELLS = table("""
    customer_id  started_at  ended_at    amount  cancel_reason
    A            2022-01-03  2022-02-10  10      too expensive
    B            2022-01-03  2022-02-10  20      -
    C            2024-07-03  -           30      -
""")
ANSWERS = table("""
    customer_id  responded_at  survey  score
    A            2022-01-20    nps     9
    A            2022-01-20    csat    5
    A            2022-01-20    ces     7
    C            2024-07-20    nps     3
""")
ALL = {"orders": ORDERS, "subscriptions": SPELLS, "responses": ANSWERS}
OPTIONS = {"timezone": "UTC", "currency": "GBP", "every": "month", "as_of": "2024-08-01"}
SILENT = "2023-09"  # nobody buys, pays, leaves or answers, nor in the year before

# What divides is undefined where there is nothing to divide by; what counts is 0.
DIVIDES = {name for name, metric in rk.METRICS.items() if metric.unit not in ("count", "money")} | {
    "average_purchase_value",
    "average_revenue_per_customer",
    "average_revenue_per_account",
    "customer_lifetime_value",
    "predicted_lifetime_value",  # and what is forecast, of too few to forecast
    "customers_at_risk",
}


def printed(capsys, *arguments: str) -> str:
    assert main(["metrics", *arguments]) == 0
    return capsys.readouterr().out


def project(folder, tables: dict[str, pd.DataFrame], definitions: str = "", segments: Sequence[str] = ()):
    """The tables as a project on disk."""
    for name, frame in tables.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    lines = [
        "[data]",
        *(f'{name} = "{name}.csv"' for name in tables),
        "[report]",
        'timezone = "UTC"',
        'currency = "GBP"',
        f"segments = {json.dumps([*segments])}",
    ]
    (folder / "retention.toml").write_text("\n".join([*lines, "as_of = 2024-08-01", "[definitions]", definitions]))
    return str(folder)


def refuse_constant(name: str):
    raise AssertionError(f"{name} is no JSON")


# Nothing to divide by


@pytest.fixture(scope="module", params=["subscriptions", "orders"])
def silent(request):
    return rk.load(**ALL, **OPTIONS, basis=request.param)


def test_metrics_are_there_to_be_undefined(silent):
    assert set(rk.scorecard(silent, SILENT)["metric"]) == set(rk.METRICS)


@pytest.mark.parametrize("metric", rk.METRICS)
def test_an_undefined_figure_is_none_and_says_why_and_a_count_is_0(silent, metric):
    figure = row(silent, metric, SILENT)
    if metric in DIVIDES:
        assert figure["value"] is None
        assert figure["note"].endswith("."), "a sentence"
        assert (figure["low"], figure["high"], figure["change"]) == (None, None, None)
    else:
        assert figure["value"] == 0


def test_undefined_figures_are_null_in_json_and_empty_in_csv(tmp_path, capsys):
    where = ["--data", project(tmp_path, ALL), "--period", SILENT]
    rows = json.loads(printed(capsys, *where, "--json"), parse_constant=refuse_constant)
    assert {row["metric"] for row in rows if row["value"] is None} == DIVIDES
    assert {row["value"] for row in rows if row["metric"] not in DIVIDES} == {0}
    assert all(row["note"] for row in rows if row["value"] is None)
    cells = csv.DictReader(io.StringIO(printed(capsys, *where, "--csv")))
    assert {cell["metric"] for cell in cells if cell["value"] == ""} == DIVIDES


def test_a_share_of_nobody_is_undefined_in_each_segment_too(silent):
    frame = rk.scorecard(silent, SILENT, segment="country", metrics=sorted(DIVIDES))
    assert frame["value"].isna().all()
    assert (frame["note"] != "").all()


def test_nobody_lost_is_no_endless_lifespan():
    data = rk.load(subscriptions=SPELLS.assign(ended_at=None), **OPTIONS)
    for metric in ("customer_lifespan", "customer_lifetime_value"):
        figure = row(data, metric, "2024-07")
        assert figure["value"] is None
        assert "Nobody was lost" in figure["note"]
    assert value(data, "customer_churn_rate", "2024-07") == 0, "a share of somebody"
    assert row(data, "quick_ratio", "2024-07")["value"] is None, "nothing was lost to compare with"


# One of everything


def test_a_single_customer_has_figures_without_intervals():
    rows = pd.DataFrame(
        {"customer_id": "A", "ordered_at": ["2024-01-05", "2024-02-05", "2024-03-05"], "amount": [5, 5, 7]}
    )
    data = rk.load(orders=rows, **OPTIONS | {"as_of": "2024-04-01"})
    names = [
        "customers_at_start",
        "customers_at_end",
        "new_customers",
        "lost_customers",
        "customer_retention_rate",
        "revenue",
    ]
    assert [value(data, name, "2024-03") for name in names] == [1, 1, 0, 0, 1, 7]
    cells = rk.cohorts(data, every="month")
    assert cells["retention"].tolist() == [1, 1, 1]
    figure = row(data, "average_revenue_per_customer", "2024-03")
    assert (figure["value"], figure["low"], figure["high"]) == (7, None, None), "one customer says nothing of others"
    assert rk.rfm(data)[["frequency", "monetary"]].to_numpy().tolist() == [[2, 6]]


def test_one_subscriber_who_leaves():
    data = rk.load(subscriptions=SPELLS[:1], **OPTIONS)
    names = ["lost_customers", "customer_churn_rate", "gross_revenue_churn_rate", "net_revenue_retention", "mrr"]
    assert [value(data, name, "2022-02") for name in names] == [1, 1, 1, 0, 0]
    reasons = rk.churn_reasons(data, every="month")
    assert reasons.to_dict("records") == [{"period": "2022-02", "reason": "too expensive", "lost": 1, "churned": 10.0}]


def test_a_single_period_has_no_change():
    data = rk.load(orders=ORDERS[:2], **OPTIONS | {"as_of": "2022-02-01"})
    frame = rk.scorecard(data, periods="all")
    assert set(frame["period"]) == {"2022-01"}
    assert frame[["previous", "change", "year_ago"]].isna().all(axis=None)
    assert row(data, "customer_retention_rate", "2022-01")["note"]
    assert rk.cohorts(data, every="month")[["age", "size", "active"]].to_numpy().tolist() == [[0, 1, 1]]


def test_without_losses_there_are_no_reasons():
    data = rk.load(subscriptions=SPELLS[2:], **OPTIONS)
    reasons = rk.churn_reasons(data, every="month")
    assert list(reasons) == ["period", "reason", "lost", "churned"]
    assert reasons.empty


# No answers, no segments


def test_an_empty_survey_beside_orders(tmp_path, capsys):
    """A table without a row is as good as none: its figures are absent with the reason, the others stand."""
    where = project(tmp_path, {"orders": ORDERS, "responses": ANSWERS[:0]})
    frame = rk.scorecard(rk.load(where), "2022-01")
    assert frame.set_index("metric").loc["revenue", "value"] == 20
    assert "net_promoter_score" not in set(frame["metric"])
    assert "responses" in frame.attrs["absent"]["net_promoter_score"]
    rows = json.loads(printed(capsys, "--data", where, "--period", "2022-01", "--json"), parse_constant=refuse_constant)
    assert {row["metric"] for row in rows} == set(frame["metric"])


def test_a_segment_column_without_a_value_is_one_part():
    data = rk.load(orders=ORDERS.assign(country=None), **OPTIONS)
    for metric in ("revenue", "customers_at_end", "repeat_purchase_rate"):  # the rate is 1: A bought twice
        parts = by_segment(data, metric, "2022-01", "country")
        assert parts[""] > 0
        assert parts == {"": parts[""], "(none)": parts[""]}


# Ten thousand values


@pytest.fixture(scope="module")
def many_towns() -> pd.DataFrame:
    """Two months; 10,000 towns, of which town 0 has 50 customers more than its own, town 1 has 49 and so on."""
    extra = [(f"town {town}", f"E{town}-{number}") for town in range(50) for number in range(50 - town)]
    towns = [(f"town {town}", f"C{town}") for town in range(10_000)]
    frame = pd.DataFrame(extra + towns, columns=["town", "customer_id"])
    again = frame[frame.index % 3 == 0]
    return pd.concat([frame.assign(ordered_at="2024-01-05"), again.assign(ordered_at="2024-02-05")]).assign(amount=2)


COUNTS = [
    name
    for name, metric in rk.METRICS.items()
    if metric.unit == "count" and metric.summary in ("movements", "purchases")
]


def test_ten_thousand_segment_values_are_the_50_largest_and_the_others(many_towns):
    frame = rk.scorecard(
        rk.load(orders=many_towns, segments=["town"], **OPTIONS),
        "2024-02",
        segment="town",
        metrics=[*COUNTS, "revenue"],
    )
    segments = frame[frame["segment_value"] != ""]
    assert set(segments["segment_value"]) == {*(f"town {town}" for town in range(50)), "(other)"}
    whole = frame[frame["segment_value"] == ""].set_index("metric")["value"]
    assert segments.groupby("metric")["value"].sum().to_dict() == whole.to_dict()
    assert whole["revenue"] == 2 * (many_towns["ordered_at"] == "2024-02-05").sum()


def counting(method: Callable, calls: list[str]) -> Callable:
    """The method, noting each call."""

    def counted(*arguments, **options):
        calls.append(method.__name__)
        return method(*arguments, **options)

    return counted


@pytest.mark.long
def test_as_many_queries_for_ten_thousand_values_as_for_sixty(many_towns, monkeypatch):
    def queries(frame: pd.DataFrame) -> list[str]:
        data, calls = rk.load(orders=frame, segments=["town"], **OPTIONS), []
        for method in (data.engine.frame, data.engine.run, data.engine.rows):
            monkeypatch.setattr(data.engine, method.__name__, counting(method, calls))
        rk.scorecard(data, "2024-02", segment="town", metrics=["revenue"])
        return calls

    sixty = many_towns.assign(town=[f"town {row % 60}" for row in range(len(many_towns))])
    assert queries(many_towns) == queries(sixty)
    two = many_towns.assign(town=(many_towns["town"] == "town 0").astype(str))
    assert len(queries(two)) == len(queries(sixty)) - 1, "values are ordered by size where not all are shown"
    assert queries(two).count("frame") == queries(sixty).count("frame") == 2, "one for the whole, one for its parts"


# Names that mean harm

HARMFUL = {
    "markup": "<script>alert(1)</script>",
    "attribute": '" onmouseover="alert(1)',
    "quotes": 'O\'Neill "and" sons; --',
    "braces": "{x} {{ y }} {0}",
    "dollar": "$name ${name} $$",
    "newline": "two\nlines",
    "right to left": "\u200fmark \u202eoverride",
    "formula": "=cmd|' /C calc'!A1",
    "percent": "100% %s",
}


@pytest.fixture(scope="module", params=HARMFUL.values(), ids=HARMFUL)
def harmful(request) -> str:
    return request.param


def harmed(text: str) -> tuple[str, pd.DataFrame]:
    """The text as the name of a column, without the = that would end it, and as two customers' value in it."""
    column = text.replace("=", "is")
    return column, ORDERS.drop(columns="country").assign(**{column: [text, text, "UK", text]})


def test_a_harmful_name_is_a_name(harmful):
    column, orders = harmed(harmful)
    data = rk.load(orders=orders, segments=[column], **OPTIONS)
    assert by_segment(data, "revenue", "2022-01", column) == {"": 20, harmful: 20, "UK": 0}
    assert by_segment(data, "customers_at_end", "2022-02", column) == {"": 1, harmful: 0, "UK": 1}
    alone = rk.scorecard(data, "2022-01", segment=f"{column}={harmful}", metrics=["revenue"])
    assert alone[["segment", "segment_value", "value"]].to_numpy().tolist() == [[column, harmful, 20]]


@pytest.mark.long
def test_a_harmful_name_comes_through_json_and_csv_as_it_was(harmful, tmp_path, capsys):
    column, orders = harmed(harmful)
    frame = rk.scorecard(rk.load(orders=orders, segments=[column], **OPTIONS), "2022-02", segment=column)
    assert harmful in set(frame["segment_value"])
    command = [
        "--data",
        project(tmp_path, {"orders": orders}, segments=[column]),
        "--period",
        "2022-02",
        "--segment",
        column,
    ]
    rows = json.loads(printed(capsys, *command, "--json"), parse_constant=refuse_constant)
    cells = list(csv.DictReader(io.StringIO(printed(capsys, *command, "--csv"), newline="")))
    expected = frame["segment_value"].tolist()
    assert [row["segment_value"] for row in rows] == expected

    # Or a spreadsheet would run it, also one that parts cells at semicolons.
    def neutral(text: str) -> str:
        return f"'{text}" if text.startswith("=") else text.replace("; --", ";' --")

    assert [cell["segment_value"] for cell in cells] == [neutral(text) for text in expected]
    assert {row["segment"] for row in rows} == {"", column}
    assert {cell["segment"] for cell in cells} == {"", neutral(column)}


@pytest.mark.long
def test_a_report_of_harmful_names_shows_them_and_runs_none(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "run", run_in_process)
    column = HARMFUL["markup"]
    frame = pd.DataFrame(  # of each enough that it is named
        [
            (f"{name}-{number}", day, 5, text)
            for name, text in HARMFUL.items()
            for day in ("2022-01-05", "2022-02-05")
            for number in range(30)
        ],
        columns=["customer_id", "ordered_at", "amount", column],
    )
    data = rk.load(orders=frame, **OPTIONS, segments=[column], company=HARMFUL["markup"])
    pack = rk.build_report(data, "2022-02", formats=["html"], only=["overview", "retention"], output=tmp_path)
    assert not pack.failures
    html = (pack.path / "report.en.html").read_text("utf-8")
    assert "<script>alert" not in html, "neither as markup nor within a script, which it would end"
    page = soup_of(html)
    assert [tag.name for tag in page.find_all(True) if any(name.startswith("on") for name in tag.attrs)] == []
    scripts = [script.extract().string or "" for script in page.find_all("script")]
    assert not any(script.strip().startswith("alert") for script in scripts)
    assert "\u202e" not in page.get_text(), "it would turn what follows"
    text = " ".join(plain(page.get_text(" ")).split())
    visible = {name: " ".join(plain(harm).replace("\n", "␊").split()) for name, harm in HARMFUL.items()}
    assert [name for name, harm in visible.items() if harm not in text] == []


def test_a_column_may_hold_an_equals_sign_and_so_may_its_values():
    orders = pd.DataFrame(
        {"customer_id": ["Ann", "Ben"], "ordered_at": "2024-01-05", "amount": [10, 20], "a=b": ["c=d", "e"]}
    )
    data = rk.load(orders=orders, timezone="UTC", currency="GBP", as_of="2024-02-01")
    assert by_segment(data, "revenue", "2024-01", "a=b") == {"": 30, "c=d": 10, "e": 20}
    assert rk.scorecard(data, "2024-01", metrics=["revenue"], segment="a=b=c=d")["value"].tolist() == [10]
    with pytest.raises(UnknownNameError, match="There is no segment column 'a': did you mean 'a=b'"):
        rk.scorecard(data, "2024-01", segment="a=c")


def test_an_order_and_a_spell_of_one_instant_decide_the_same_way_each_time():
    """The later table's row counts as the last one."""
    orders = pd.DataFrame(
        {"customer_id": [f"C{n}" for n in range(200)], "ordered_at": "2024-01-05", "amount": 10, "shop": "A"}
    )
    spells = orders.rename(columns={"ordered_at": "started_at"}).assign(ended_at=None, shop="B")
    data = rk.load(orders=orders, subscriptions=spells, timezone="UTC", currency="GBP", as_of="2024-02-01")
    assert by_segment(data, "mrr", "2024-01", "shop") == {"": 2000, "B": 2000}
