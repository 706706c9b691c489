"""Real companies: the Online Retail invoices and the San Francisco airport survey, to the last published digit."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path

import duckdb
import pytest

import oracle
import oracle_tables
import retention_kit as rk
from retention_kit.cli import main
from retention_kit.metrics import formulas

AS_OF = date(2011, 12, 10)
INVOICES, SURVEY = "online_retail_orders.parquet", "sfo_survey_2017_2018.parquet"
METRICS = oracle.CUSTOMER_METRICS + oracle.ORDER_METRICS
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


def retail(folder: Path, shared: Path) -> Path:
    return settings(folder, f'[data]\norders = "{(shared / "data" / INVOICES).as_posix()}"\n')


def airport(folder: Path, shared: Path, weight: str) -> Path:
    questions = {"nps": "nps_0to10", "csat": "q_overall_1to5"}
    stack = "".join(
        f"""
[[data.responses]]
path = "{(shared / "data" / SURVEY).as_posix()}"
survey = "{survey}"
[data.responses.columns]
score = "{question}"
responded_at = "make_date(survey_year, 5, TRY_CAST(day_of_may AS INTEGER))"
{weight}
"""
        for survey, question in questions.items()
    )
    return settings(folder, stack, "America/Los_Angeles", "USD")


def scorecard(capsys, *arguments: str) -> dict[tuple[str, str], dict]:
    """What `retention-kit metrics … --json` prints, by period and metric."""
    assert not main(["metrics", *arguments, "--json"])
    return {(row["period"], row["metric"]): row for row in json.loads(capsys.readouterr().out)}


@cache
def company(path: Path):
    """The invoices as the package and as the oracle read them."""
    frame = duckdb.sql(f"SELECT * FROM '{path}'").df()
    data = rk.load(orders=frame, timezone="Europe/London", currency="GBP")
    return data, oracle_tables.read("Europe/London", AS_OF, "orders", orders=frame)


@pytest.fixture
def companies(shared):
    return company(shared / "data" / INVOICES)


def test_three_published_months(shared, tmp_path, capsys):
    rows = scorecard(capsys, "--data", str(retail(tmp_path, shared)), "--from", "2011-09", "--to", "2011-11")
    for period, published in PUBLISHED.items():
        start, end, new, rate, repeat, revenue, per_customer = (
            rows[period, metric]
            for metric in (
                *("customers_at_start", "customers_at_end", "new_customers", "customer_retention_rate"),
                *("repeat_purchase_rate", "revenue", "average_revenue_per_customer"),
            )
        )
        naive = formulas.retention_rate(start=start["value"], end=end["value"], new=new["value"])
        assert published == (
            *(start["value"], end["value"], new["value"], rate["numerator"]),
            *(round(rate["value"], 4), round(naive, 4), round(repeat["value"], 4)),
            *(round(revenue["value"], 2), round(per_customer["value"], 2)),
        )
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


def test_months_add_up_to_the_whole_file(companies):
    data, books = companies
    months = oracle.all_periods(books, "month")
    frame = rk.scorecard(data, periods=months, every="month", metrics=["revenue", "new_customers"])
    total = frame.groupby("metric")["value"].sum()
    assert round(total["revenue"], 2) == 8911407.90
    assert total["new_customers"] == 4338


def test_first_cohort(companies):
    data, _ = companies
    cohorts = rk.cohorts(data, every="month")
    first = cohorts[cohorts["cohort"] == "2010-12"].sort_values("age")
    assert first["active"].tolist() == COHORT_OF_2010_12
    assert first["complete"].tolist() == [True] * 12 + [False]


@pytest.mark.parametrize("every", ["month", "quarter", "year", "week"])
def test_every_period_agrees_with_the_oracle(companies, every):
    data, books = companies
    frame = rk.scorecard(data, periods=oracle.all_periods(books, every), every=every, metrics=list(METRICS))
    assert oracle.differences(frame, books) == []
    movements = rk.customer_movements(data, every=every).set_index("period")
    for label in oracle.all_periods(books, every):
        wanted = oracle.customer_movements(books, label)
        assert movements.loc[label, list(wanted)].astype(int).to_dict() == wanted, label


def test_countries_agree_with_the_oracle(companies):
    data, books = companies
    periods = ["2011-06", "2011-11", "2011-12"]
    frame = rk.scorecard(data, periods=periods, every="month", metrics=list(METRICS), segment="country")
    assert oracle.differences(frame, books, "country") == []


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
