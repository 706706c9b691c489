"""The section on what comes: whole, refused in a sentence, or absent; never half, and never with a name in it."""

from dataclasses import replace

import msgspec
import pandas as pd
import pytest

import oracle_cases as cases
import retention_kit as rk
from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.forecasts.back_test import BackTest, Comparison, Score
from retention_kit.metrics.forecasts.lists import risk_lists
from retention_kit.metrics.forecasts.lives import lives
from retention_kit.metrics.snapshot import load_snapshot, save_snapshot
from retention_kit.report.execution import templates as library
from retention_kit.report.page import Page
from retention_kit.report.pages.rules import in_force
from retention_kit.settings.goals import Goal


def section_blocks(page: Page) -> list:
    """The blocks of the section, in order, without its heading."""
    parts = [page.at_risk(), page.trend("customers_at_risk"), *page.back_test(), *page.segments("customers_at_risk")]
    return [block for block in parts if block is not None]


@pytest.fixture(scope="module")
def page() -> Page:
    """The sample company as a shop."""
    orders = cases.tables()["orders"]
    return Page("2025-11", data=rk.load(orders=orders, timezone=cases.ZONE, currency="GBP", segments=["channel"]))


def test_the_section_is_whole(page):
    assert [block.kind for block in section_blocks(page)] == ["notice", "chart", "text", "chart", "table", "table"]
    [row] = lives(page.data, page.period)
    notice = page.at_risk()
    count = page.words.value(row["at_risk"], "count")
    assert notice.data["title"] == f"Customers at risk at the end of November 2025: {count}"
    assert page.words.value(row["at_stake"], "money") in notice.data["items"][0]
    assert f"lists/at_risk.csv, 100 of {count}, " in notice.data["items"][1]


@pytest.mark.parametrize(
    ("verdict", "those"),
    [("better", "with the most at stake"), ("no_better", "who spent the most"), ("short", "who spent the most")],
)
def test_a_cut_list_says_what_it_is_ranked_by(page, monkeypatch, verdict, those):
    monkeypatch.setattr("retention_kit.report.pages.at_risk.back_test", lambda *_: back_test_with(verdict))
    assert f", those {those}; they stand for " in page.at_risk().data["items"][1]


def test_of_one_value_alone_the_test_says_that_it_is_of_all(page):
    alone = Page("2025-11", segment="channel=web", data=page.data)
    note = "The test is of all customers together"
    assert [note in section.back_test()[0].data["text"] for section in (page, alone)] == [False, True]


def test_other_definitions_leave_no_contradiction(page):
    chosen = msgspec.structs.replace(page.data.settings.definitions, horizon_months=3, discount=0.0)
    data = replace(page.data, settings=msgspec.structs.replace(page.data.settings, definitions=chosen))
    text = in_force(METRICS["predicted_lifetime_value"], data, page.words)
    assert text == "Expected money is not discounted. Forecasts look 3 months ahead."
    assert "unless another horizon is set" in METRICS["predicted_lifetime_value"].definition


def test_goals_of_what_comes_need_no_rows(page, tmp_path):
    """A notebook has the summaries alone: where a goal began, long ago, is not forecast anew for it."""
    goals = {name: Goal(target=50, by="2026-06") for name in ("predicted_lifetime_value", "customers_at_risk")}
    data = replace(page.data, settings=msgspec.structs.replace(page.data.settings, goals=goals))
    report_page = Page("2025-11", data=data)
    assert report_page.goals() is not None
    save_snapshot(data, tmp_path / "saved")
    in_notebook = Page("2025-11", data=load_snapshot(tmp_path / "saved"))
    assert [block.data for block in (in_notebook.goals(), in_notebook.cards())] == [
        block.data for block in (report_page.goals(), report_page.cards())
    ]


def test_the_change_of_a_forecast_is_no_claim(page):
    """Two forecasts a month apart rest on the same customers: their intervals say nothing of the change."""
    row = page.row("predicted_lifetime_value")
    assert row.low == row.low
    assert row.change == row.change
    assert row.change_low != row.change_low
    assert not [claim for claim in page.claims() if claim.metric in ("predicted_lifetime_value", "customers_at_risk")]


def test_nobody_is_named(page):
    text = str([block.data for block in [*section_blocks(page), page.attention(), page.lists()]])
    names = [name for frame in risk_lists(page.data, page.period).values() for name in frame["customer_id"]]
    assert len(names) > 100
    assert [name for name in names if name in text] == []


def back_test_with(verdict: str, **more) -> BackTest:
    """A back-test with this verdict."""
    briers = {"better": (0.1, 0.2), "no_better": (0.2, 0.1), "short": (0.1, 0.2)}[verdict]
    scores = [Score(brier, 0.7, 1.5) for brier in briers]
    fields = {"history": 12 if verdict == "short" else 30, "purchases": (95.0, 100.0), "money": (1.0, 1.0)} | more
    comparison = Comparison(100, 50, *scores, 0.25, ())
    return BackTest(cut=pd.Timestamp("2024-12-01").date(), months=12, comparison=comparison, **fields)


@pytest.mark.parametrize(
    ("verdict", "more", "present", "unsaid"),
    [
        ("better", {}, ["better than a plain rule", "off by 0.1000", "alone it was off by 0.2000"], ["care", "ranked"]),
        ("better", {"history": 18}, ["better than a plain rule", "shorter than two years"], ["ranked"]),
        ("better", {"purchases": (150.0, 100.0)}, ["1.50 times as many as came"], []),
        ("better", {"purchases": (79.0, 100.0)}, ["0.79 times as many as came"], []),
        ("better", {"is_flattered": True}, ["looks better than it is"], []),
        ("no_better", {}, ["no better than a plain rule", "ranked by money alone"], ["care"]),
        (
            "short",
            {},
            ["too short to tell", "they hold 12 months", "ranked by money alone"],
            ["better than a plain rule."],
        ),
    ],
)
def test_the_verdict_is_a_sentence(page, monkeypatch, verdict, more, present, unsaid):
    monkeypatch.setattr("retention_kit.report.pages.at_risk.back_test", lambda *_: back_test_with(verdict, **more))
    first = page.back_test()[0].data["text"]
    assert [part for part in present if part not in first] == []
    assert [part for part in unsaid if part in first] == []


def test_without_a_model_of_then_there_is_one_sentence(page, monkeypatch):
    nothing = BackTest(pd.Timestamp("2024-12-01").date(), 12, 9, None, (0.0, 0.0), (0.0, 0.0))
    monkeypatch.setattr("retention_kit.report.pages.at_risk.back_test", lambda *_: nothing)
    [block] = page.back_test()
    assert block.data["text"].startswith("The data are too short to tell")


def orders(customers: int) -> pd.DataFrame:
    rows = [(f"c{n}", f"2024-0{month}-1{n % 9}", 5.0) for n in range(customers) for month in (1, 3)]
    return pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])


def test_of_ten_customers_one_sentence_says_why_not():
    few = Page("2024-05", data=rk.load(orders=orders(10), timezone="UTC", currency="GBP", as_of="2024-06-01"))
    [block] = section_blocks(few)
    assert block.kind == "text"
    assert "Too few repeat buyers: 10 of 10" in block.data["text"]
    assert few.lists() is None or "at_risk" not in str(few.lists().data)


def test_without_customers_there_is_no_section():
    answers = pd.DataFrame({"responded_at": ["2024-02-01", "2024-02-29"], "survey": "nps", "score": 9})
    data = rk.load(responses=answers, timezone="UTC")
    assert "at_risk" not in [section.name for section in library.sections(data)]
    nobody = Page("2024-02", data=data)
    assert (nobody.at_risk(), [*nobody.back_test()], [*nobody.lifetime_values()]) == (None, [], [])


def test_both_lifetime_values_are_held_beside_each_other(page):
    *charts, text = page.lifetime_values()
    assert [chart.kind for chart in charts] == ["chart"] * 3
    predicted, simple = (page.row(name).value for name in ("predicted_lifetime_value", "customer_lifetime_value"))
    for value in (predicted, simple, abs(simple - predicted)):
        assert page.words.value(value, "money") in text.data["text"]
    assert ("less than" in text.data["text"]) == (predicted < simple)
