"""Real companies: Online Retail and the San Francisco airport survey, to the last published digit and by the oracle."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import oracle
import oracle_cases as cases
import oracle_tables
import retention_kit as rk
from pencil import checks, row
from retention_kit.cli import main
from retention_kit.metrics import formulas

AS_OF = date(2011, 12, 10)
INVOICES, SURVEY = "online_retail_orders.parquet", "sfo_survey_2017_2018.parquet"
LINES, TWO_YEARS = "online_retail_lines.parquet", "online_retail_ii_two_years.parquet"
NINE_YEARS = "sfo_survey_2010_2018.parquet"
SWIFT_METRICS = oracle.CUSTOMER_METRICS + oracle.ORDER_METRICS
METRICS = SWIFT_METRICS + oracle.LIFETIME_METRICS
COHORT_OF_2010_12 = [885, 324, 286, 340, 321, 352, 321, 309, 313, 350, 331, 445, 235]

PUBLISHED = {  # S, E, N, kept, kept/S, (E-N)/S, two or more orders, revenue, ARPC
    "2011-09": (935, 1266, 299, 425, 0.4545, 1.0342, 0.2141, 952838.38, 752.64),
    "2011-10": (1266, 1364, 358, 489, 0.3863, 0.7946, 0.2368, 1039318.79, 761.96),
    "2011-11": (1364, 1664, 323, 622, 0.4560, 0.9831, 0.3245, 1161817.38, 698.21),
}


def settings(folder: Path, data: str, timezone: str = "Europe/London", currency: str = "GBP") -> Path:
    path = folder / "retention.toml"
    report = f'\n[report]\nevery = "month"\ntimezone = "{timezone}"\ncurrency = "{currency}"\n'
    path.write_text(data + report, encoding="utf-8")
    return path


def invoices(folder: Path, shared: Path) -> Path:
    return settings(folder, f'[data]\norders = "{(shared / "data" / INVOICES).as_posix()}"\n')


LINE_COLUMNS = {
    "customer_id": "CustomerID",
    "order_id": "InvoiceNo",
    "ordered_at": "InvoiceDate",
    "amount": "Quantity * UnitPrice",
    "country": "Country",
}
SALES = "Quantity > 0 AND UnitPrice > 0"


def lines(folder: Path, shared: Path, file: str) -> Path:
    columns = "".join(f'{name} = "{column}"\n' for name, column in LINE_COLUMNS.items())
    source = f'path = "{(shared / "data" / file).as_posix()}"\nrows = "lines"\nwhere = "{SALES}"\n'
    return settings(folder, f"[data.orders]\n{source}[data.orders.columns]\n{columns}")


DAY_OF_MAY = "TRY_CAST(day_of_may AS INTEGER)"
# In 2016 the day is a whole timestamp.
ANY_DAY_OF_MAY = f"coalesce({DAY_OF_MAY}, day(try_strptime(day_of_may, '%m/%d/%Y %I:%M:%S %p')))"
QUESTIONS = {"nps": ("nps_0to10", "0-10"), "csat": ("q_overall_1to5", "1-5"), "ces": ("q_find_way_1to5", "1-5")}


def airport(folder: Path, shared: Path, weight: str, file: str = SURVEY, day: str = DAY_OF_MAY) -> Path:
    stack = "".join(
        f"""
[[data.responses]]
path = "{(shared / "data" / file).as_posix()}"
survey = "{survey}"
scale = "{scale}"
[data.responses.columns]
score = "{question}"
responded_at = "make_date(survey_year, 5, {day})"
{weight}
"""
        for survey, (question, scale) in QUESTIONS.items()
    )
    return settings(folder, stack, "America/Los_Angeles", "USD")


def scorecard(capsys, *arguments: str) -> dict[tuple[str, str], dict]:
    """What `retention-kit metrics … --json` prints, by period and metric."""
    assert not main(["metrics", *arguments, "--json"])
    return {(row["period"], row["metric"]): row for row in json.loads(capsys.readouterr().out)}


@pytest.fixture(scope="module")
def shops(shared, tmp_path_factory):
    """Files of Online Retail as the package and as the oracle read them, each read once."""

    @cache
    def read(name: str):
        source = (shared / "data" / name).as_posix()
        if name == INVOICES:
            frame = duckdb.sql(f"SELECT * FROM '{source}'").df()
            data = rk.load(orders=frame, timezone="Europe/London", currency="GBP")
            return data, oracle_tables.read("Europe/London", AS_OF, "orders", orders=frame)
        columns = ", ".join(f"{column} AS {our_name}" for our_name, column in LINE_COLUMNS.items())
        frame = duckdb.sql(f"SELECT {columns} FROM '{source}' WHERE {SALES}").df()
        books = oracle_tables.read("Europe/London", AS_OF, "orders", orders=frame, lines=True)
        return rk.load(lines(tmp_path_factory.mktemp("shop"), shared, name)), books

    return read


@pytest.fixture
def shop(request, shops):
    return shops(request.param)


# Each length of period on the smallest, each file in months.
every_shop = pytest.mark.parametrize(
    ("shop", "every"),
    [*((INVOICES, every) for every in cases.EVERY), (LINES, "month"), (TWO_YEARS, "month")],
    indirect=["shop"],
)


@pytest.mark.long
@pytest.mark.parametrize("by_line", [False, True], ids=["invoices", "lines"])
def test_three_published_months(shared, tmp_path, capsys, by_line):
    """By line, the purchases without a customer come on top of the revenue."""
    path = lines(tmp_path, shared, LINES) if by_line else invoices(tmp_path, shared)
    rows = scorecard(capsys, "--data", str(path), "--from", "2011-09", "--to", "2011-11")
    for period, published in PUBLISHED.items():
        start, end, new, rate, repeat, revenue, guests, per_customer = (
            rows[period, metric]
            for metric in (
                *("customers_at_start", "customers_at_end", "new_customers", "customer_retention_rate"),
                *("repeat_purchase_rate", "revenue", "guest_revenue", "average_revenue_per_customer"),
            )
        )
        naive = formulas.retention_rate(start=start["value"], end=end["value"], new=new["value"])
        assert published == (
            *(start["value"], end["value"], new["value"], rate["numerator"]),
            *(round(rate["value"], 4), round(naive, 4), round(repeat["value"], 4)),
            *(round(revenue["value"] - guests["value"], 2), round(per_customer["value"], 2)),
        )
        assert (guests["value"] > 10_000) == by_line
        assert rate["denominator"] == start["value"]
        assert rows[period, "customer_churn_rate"]["value"] == pytest.approx(1 - rate["value"], abs=1e-12)


def test_whole_file_as_one_year(shared, tmp_path, capsys):
    """December 2010 is moved to the first day of 2011, so that one year holds all."""
    source = (shared / "data" / INVOICES).as_posix()
    columns = "ordered_at = \"greatest(ordered_at, TIMESTAMP '2011-01-01 00:00:00')\""
    path = settings(tmp_path, f'[data.orders]\npath = "{source}"\n[data.orders.columns]\n{columns}\n')
    rows = scorecard(capsys, "--data", str(path), "--every", "year", "--period", "2011")
    value = {metric: row["value"] for (_, metric), row in rows.items()}
    assert rows["2011", "average_purchase_value"]["denominator"] == 18532
    assert value["active_customers"] == 4338
    assert rows["2011", "repeat_purchase_rate"]["numerator"] == 2845
    assert round(value["revenue"], 2) == 8911407.90
    assert round(value["repeat_purchase_rate"], 6) == 0.655832
    assert round(value["average_purchase_value"], 4) == 480.8660
    assert round(value["purchase_frequency"], 6) == 4.272015
    assert round(value["average_revenue_per_customer"], 4) == 2054.2665


@pytest.mark.parametrize("shop", [INVOICES], indirect=True)
def test_months_add_up_to_the_whole_file(shop):
    data, books = shop
    months = oracle.all_periods(books, "month")
    frame = rk.scorecard(data, periods=months, every="month", metrics=["revenue", "new_customers"])
    total = frame.groupby("metric")["value"].sum()
    assert round(total["revenue"], 2) == 8911407.90
    assert total["new_customers"] == 4338


@pytest.mark.long
@pytest.mark.parametrize("shop", [INVOICES, LINES], indirect=True)
def test_the_first_cohort_of_online_retail_is_as_published(shop):
    data, _ = shop
    cohorts = rk.cohorts(data, every="month")
    first = cohorts[cohorts["cohort"] == "2010-12"].sort_values("age")
    assert first["active"].tolist() == COHORT_OF_2010_12
    assert first["complete"].tolist() == [True] * 12 + [False]


@pytest.mark.long
@pytest.mark.parametrize("shop", [TWO_YEARS], indirect=True)
def test_two_years_know_the_customers_of_the_first(shop):
    """The one-year file calls all 885 buyers of 2010-12 new."""
    data, _ = shop
    assert row(data, "active_customers", "2010-12")["value"] == 885
    assert row(data, "new_customers", "2010-12")["value"] == 76


@pytest.mark.long
@every_shop
def test_periods_agree_with_the_oracle(shop, every):
    data, books = shop
    periods = cases.some_periods(books, every, 6)
    assert cases.scorecard_differences(data, books, periods, every, METRICS) == []
    assert cases.movement_differences(data, books, every) == []
    assert cases.cohort_differences(data, books, every) == []


@pytest.mark.long
@every_shop
def test_countries_agree_with_the_oracle(shop, every):
    data, books = shop
    periods = oracle.all_periods(books, every)[-2:]
    months = len(oracle.all_periods(books, "month"))
    metrics = METRICS if every == "month" and months > 24 else SWIFT_METRICS  # else there is no lifetime to know
    assert cases.scorecard_differences(data, books, periods, every, metrics, segment="country") == []


def test_airport_survey_weighted(shared, tmp_path, capsys):
    path = airport(tmp_path, shared, 'weight = "weight"')
    rows = scorecard(capsys, "--data", str(path), "--every", "year", "--from", "2017", "--to", "2018")
    assert round(rows["2017", "net_promoter_score"]["value"], 4) == 40.3984
    assert round(rows["2017", "customer_satisfaction_score"]["value"], 6) == 0.822793
    assert round(rows["2018", "net_promoter_score"]["value"], 4) == 35.1136
    assert round(rows["2018", "customer_satisfaction_score"]["value"], 6) == 0.804852


def test_airport_survey_unweighted(shared, tmp_path, capsys):
    path = airport(tmp_path, shared, "")
    rows = scorecard(capsys, "--data", str(path), "--every", "year", "--from", "2017", "--to", "2018")
    nps, csat = rows["2017", "net_promoter_score"], rows["2017", "customer_satisfaction_score"]
    assert (round(nps["value"], 4), nps["n"]) == (39.8398, 1436 + 968 + 342)
    assert (round(csat["value"], 6), csat["n"]) == (0.820685, 2688)


@pytest.mark.long
def test_nine_years_of_the_airport(shared, tmp_path):
    """Every row of the three questions is an answer or counted: blanks (0; 11 of NPS), 6 for not applicable, no weight.

    NPS was asked in 2017 and 2018 only; 2011 and 2012 have no weights.
    """
    data = rk.load(airport(tmp_path, shared, 'weight = "weight"', NINE_YEARS, ANY_DAY_OF_MAY))
    source = (shared / "data" / NINE_YEARS).as_posix()
    raw = duckdb.sql(
        " UNION ALL ".join(
            f"SELECT make_date(survey_year, 5, {ANY_DAY_OF_MAY}) AS responded_at, '{survey}' AS survey,"
            f" '{scale}' AS scale, {question} AS score, NULL AS customer_id, weight FROM '{source}'"
            for survey, (question, scale) in QUESTIONS.items()
        )
    ).df()
    # The question of ease is on 1-5, of which two boxes are easy.
    books = oracle_tables.read("America/Los_Angeles", date(2019, 1, 1), "orders", responses=raw, ces_top=2)
    years = [str(year) for year in range(2010, 2019)]
    frame = rk.scorecard(data, periods=years, every="year", metrics=list(oracle.SURVEY_METRICS))
    figures = frame.pivot(index="period", columns="metric", values="value").astype(object)
    figures = figures.where(figures.notna(), None)
    for year in years:
        for metric, expected in oracle.survey_figures(books, *oracle.bounds(year)).items():
            assert oracle.same(figures.loc[year, metric], expected), (year, metric)
    assert figures["net_promoter_score"].dropna().index.tolist() == ["2017", "2018"]
    assert round(figures.loc["2017", "net_promoter_score"], 4) == 40.3984
    assert figures.index[figures["response_count"] == 0].tolist() == ["2011", "2012"]

    score = pd.to_numeric(raw["score"], errors="coerce")
    valid = score.between(raw["scale"].map({"0-10": 0, "1-5": 1}), raw["scale"].map({"0-10": 10, "1-5": 5}))
    counted = checks(data)
    assert counted["score outside the scale"] == (score.notna() & ~valid).sum() > 1000
    assert counted["no weight"] == (valid & raw["weight"].isna()).sum() > 10_000
    assert figures["response_count"].sum() == (valid & raw["weight"].notna()).sum()
