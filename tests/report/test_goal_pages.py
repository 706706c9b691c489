"""Goals on pages: bars, trends and a table, the same state everywhere, and a section only where there are goals."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import pandas as pd
import pytest
from bs4 import BeautifulSoup

import retention_kit as rk
from retention_kit.metrics.goals.states import SHAPES
from retention_kit.report.build.builder import build_report
from retention_kit.report.execution import templates as library
from retention_kit.report.message.mail import Parts, compose, to_bytes
from retention_kit.report.page import Page
from test_mail import ComposedMail
from test_pack import run_in_process

GOALS = """
[[goals]]
id = "first"
metric = "active_customers"
objective = "Keep <them>"
target = 140
start = 100
start_date = 2024-01-01
by = "2025-06"
owner = "Ann"
[[goals]]
id = "second"
metric = "customer_churn_rate"
objective = "Keep <them>"
target = 0.001
by = "2024-03"
[[goals]]
id = "alone"
metric = "active_customers"
objective = "Fewer, but better"
target = 80
segment = "country=UK"
[[goals]]
metric = "revenue"
target = 20000
every = "year"
[[goals]]
metric = "mrr"
target = 5
[[goals]]
kind = "yes/no"
objective = "Call"
by = "2025-01"
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Page:
    """In each month of 2024 two customers more, from 102 to 124 on; nobody leaves."""
    folder = tmp_path_factory.mktemp("goals")
    rows = [
        (f"c{number}", f"2024-{month:02d}-10", 10.0, "UK" if number % 2 else "France")
        for month in range(1, 13)
        for number in range(100 + 2 * month)
    ]
    columns = ["customer_id", "ordered_at", "amount", "country"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "orders.csv", index=False)
    report = '[report]\ntimezone = "UTC"\ncurrency = "GBP"\nas_of = 2025-01-01\nsegments = ["country"]\n'
    (folder / "retention.toml").write_text(f'[data]\norders = "orders.csv"\n{report}{GOALS}', "utf-8")
    return Page("2024-12", data=rk.load(folder))


def bars(page: Page, **options) -> dict[str, dict]:
    return {goal["label"]: goal for goal in page.goal_bars(**options).data["goals"]}


def test_bars_say_where_one_is_and_should_be(page):
    by_metric = bars(page)
    first = by_metric["Active customers"]
    assert (first["value"], first["state"], first["start"], first["target"]) == (
        "124",
        "∆ off track",
        "100",
        "140 by Jun 2025",
    )
    assert first["share"] == pytest.approx(24 / 40)
    assert first["mark"] == pytest.approx(12 / 18), "twelve of eighteen months"
    assert first["detail"].startswith("60% of the way, 67% would be on pace · ")
    assert re.search(r"\((\d+)%\) if it goes on as in the last 12 months · Ann$", first["detail"])
    revenue = by_metric["Revenue"]
    assert (revenue["value"], revenue["state"], revenue["target"]) == ("£13,560", "× missed", "£20,000 by 2024")
    assert by_metric["Monthly recurring revenue"]["state"] == "– no data"
    assert "subscriptions" in by_metric["Monthly recurring revenue"]["detail"]
    assert by_metric["Call"]["state"] == "→ on track"
    assert by_metric["Fewer, but better: Active customers, country UK"]["state"] == "× missed"


def test_who_is_farther_off_than_at_the_start_is_told_no_number(page):
    """From 100 to 140, and at 90 now, minus a quarter of the way says nothing to anybody."""
    one = next(one for one in page.goal_states() if one.progress == pytest.approx(24 / 40) and not one.is_sum)
    behind = replace(one, progress=-0.25)
    assert page._progress_texts(behind) == ["farther off than at the start, 67% of the way would be on pace"]


def test_goals_of_one_objective_stand_together_under_it(page):
    items = page.goal_bars().data["goals"]
    assert [goal["label"] for goal in items[-2:]] == ["Active customers", "Customer churn"]
    assert [goal["objective"] for goal in items] == ["", "", "", "", "Keep <them>", ""]


def test_two_goals_of_one_figure_are_told_apart(page):
    known = page.data.settings.goals["revenue"]
    both = {"revenue": known, "stretch": msgspec.structs.replace(known, id="stretch", target=30000)}
    settings = msgspec.structs.replace(page.data.settings, goals=both)
    assert [*bars(Page("2024-12", data=replace(page.data, settings=settings, summaries={})))] == [
        "Revenue",
        "Revenue, stretch",
    ]


def test_words_of_goals_are_words_in_html(page):
    html = page.goal_bars().html()
    soup = BeautifulSoup(html, "html.parser")
    assert soup.select_one(".objective").get_text() == "Keep <them>"
    widths = {
        element.select_one(".label").get_text(): element.select_one(".done") for element in soup.select("li.progress")
    }
    assert widths["Active customers"]["style"] == "inline-size:60.0%"
    assert widths["Revenue"]["style"] == "inline-size:67.8%", "missed, and so not full"
    assert len(soup.select("li.progress")) == 6
    assert all(track["aria-hidden"] == "true" for track in soup.select(".track")), "the words beside it say it"


def test_every_place_shows_the_same_states(page):
    table = {row[0]: row[3] for row in page.goals().data["rows"]}
    states = [goal["state"] for goal in page.goal_bars().data["goals"]]
    assert sorted(table.values()) == sorted(states)
    composed = ComposedMail(to_bytes(compose(page, prepared=Parts([], None))))
    for state in table.values():
        assert state in composed.html_text
        assert state in composed.text
    counted = page.states_counted()
    assert sum(counted.values()) == len(states) == 6
    assert page.goals_in_a_line() == "Goals: × 2 missed · ∆ 1 off track · – 1 no data · → 1 on track · ✓ 1 reached"
    assert all(state.split()[0] in SHAPES.values() for state in states), "word and shape"


def test_the_most_urgent_come_first_where_room_is_scarce(page):
    few = page.goal_bars(3, brief=True).data
    assert {goal["state"][0] for goal in few["goals"]} == {"×", "∆"}
    assert few["caption"] == "3 more under Goals, in the full report."
    assert {goal["detail"] for goal in few["goals"]} == {""}
    assert [row[3] for row in page.goals(3).data["rows"]] == ["× missed", "× missed", "∆ off track"]


def test_trends_show_target_and_outlook(page):
    charts = {block.data["title"]: block.data for block in page.goal_trends()}
    assert list(charts) == ["Keep <them>: Active customers: ∆ off track", "Fewer, but better: × missed"]
    first = charts["Keep <them>: Active customers: ∆ off track"]
    assert first["alt"].startswith(
        "Line chart: 102 in January 2024, 124 in December 2024. Goal: 140. Likely to lie within"
    )
    assert first["alt"].endswith("in June 2025.")
    (state,) = [goal for goal in page.goal_states() if goal.id == "first"]
    assert [period for period, *_ in state.outlook] == [f"2025-{month:02d}" for month in range(1, 7)]
    assert charts["Fewer, but better: × missed"]["caption"] == "", "a goal of every month has no later end"


def test_there_is_a_section_only_where_there_are_goals(page):
    def names(**options) -> list[str]:
        return [section.name for section in library.sections(page.data, **options)]

    assert names(has_goals=True)[-1] == "goals"
    assert "goals" not in names()
    assert page.has_goals()
    assert not Page("2024-12", "month", "country=France", data=page.data).has_goals()
    bare = replace(page.data, settings=msgspec.structs.replace(page.data.settings, goals={}))
    none = Page("2024-12", data=bare)
    assert not none.has_goals()
    assert (none.goal_bars(brief=True), none.goals(), none.goal_trends(), none.goals_in_a_line()) == (
        None,
        None,
        [],
        "",
    )
    assert none.goal_bars().data["text"].startswith("The settings name no goal")


def test_a_pack_has_them_on_its_pages_and_in_the_index(page, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "run", run_in_process)
        pack = build_report(page.data, "2024-12", formats=["html"], output=tmp_path, only=["goals"])
    assert pack.failures == ()
    html = BeautifulSoup((pack.path / "report.en.html").read_text("utf-8"), "html.parser")
    assert html.select_one("#goals").get_text() == "Goals"
    assert len(html.select("li.progress")) == 6
    index = (tmp_path / "index.html").read_text("utf-8")
    assert page.goals_in_a_line() in index


def test_a_goal_that_is_off_track_wants_attention(page):
    items = page.attention().data["items"]
    assert "Active customers: 124, off track for its goal of 140 by Jun 2025." in items
    assert sum("off track" in item for item in items) == 1
