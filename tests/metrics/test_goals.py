"""Goals: of one length of period, in a form that cannot be mistaken, and no further reached than one knows."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.errors import SettingsError
from retention_kit.metrics.goals.pace import progress
from retention_kit.metrics.goals.reading import goal_states
from retention_kit.report.page import Page

# Of 100 customers of January 90 buy again in February and 80 of those in March.
ORDERS = pd.DataFrame(
    [
        (f"c{number}", f"{month}-10", 10.0, "UK" if number % 2 else "France")
        for month, first in (("2024-01", 100), ("2024-02", 90), ("2024-03", 80))
        for number in range(first)
    ],
    columns=["customer_id", "ordered_at", "amount", "country"],
)


def project(folder: Path, goals: str, every: str = "month") -> Path:
    ORDERS.to_csv(folder / "orders.csv", index=False)
    report = f'[report]\ntimezone = "UTC"\nas_of = 2024-04-01\nevery = "{every}"\n'
    (folder / "retention.toml").write_text(f'[data]\norders = "orders.csv"\n{report}{goals}', "utf-8")
    return folder


def card(folder: Path, goals: str, period: str = "2024-03") -> dict:
    return Page(period, None, data=rk.load(project(folder, goals))).cards("customer_retention_rate").data["cards"][0]


@pytest.mark.parametrize(
    ("goal", "period", "target"),
    [
        ("target = 0.8", "2024-03", 0.8),
        ("target = 0.8", "2024-Q1", None),  # a goal of [report] every, which is a month
        ("target = 0.8", "2024", None),
        ('target = 0.8\nevery = "quarter"', "2024-Q1", 0.8),
        ('target = 0.8\nevery = "quarter"', "2024-03", None),
        ('target = "80%"', "2024-03", 0.8),
        ('target = " 80.5 % "', "2024-03", 0.805),
        ("target = 1", "2024-03", 1.0),
    ],
)
def test_a_goal_speaks_of_one_length_of_period(tmp_path, goal, period, target):
    data = rk.load(project(tmp_path, f"[goals.customer_retention_rate]\n{goal}\n"))
    (row,) = rk.scorecard(data, period, metrics=["customer_retention_rate"]).itertuples()
    assert row.target == target if target is not None else pd.isna(row.target)
    assert bool(row.status) == (target is not None and pd.notna(row.value))


@pytest.mark.parametrize(
    ("metric", "goal", "message"),
    [
        (
            "customer_retention_rate",
            "target = 25",
            'goals.customer_retention_rate.target cannot be 25.* write 0.25 or "25%"',
        ),
        ("customer_churn_rate", "target = 2.5", 'write 0.025 or "2.5%"'),
        ("customer_retention_rate", 'target = "250%"', 'cannot be 250%, as a rate is a part of 1: write 0.25 or "25%"'),
        ("customer_retention_rate", "target = -0.1", "a rate is a part of 1"),
        ("customer_retention_rate", "target = nan", 'cannot be nan: write a number, such as 0.25 or "25%"'),
        ("revenue", "target = inf", "cannot be inf: write a number, such as 25"),
        ("lost_customers", "target = -5", "cannot be -5.0: lost_customers is counted, from 0 on"),
        ("revenue", "target = 1e300", "cannot be 1e\\+300: write a number up to 1,000,000,000,000,000"),
        ("revenue", 'target = "25%"', "is a per cent, but revenue is none: write 25"),
        ("customer_retention_rate", 'target = "a quarter"', "cannot be 'a quarter': write 0.25 or \"25%\""),
        ("customer_retention_rate", "target = 0.5\nstart = 40", 'start cannot be 40.* write 0.4 or "40%"'),
        ("net_promoter_score", "target = 400", "net_promoter_score lies between -100 and 100"),
        ("customer_retention_rate", 'target = 0.5\nevery = "mouth"', "every cannot be 'mouth': did you mean 'month'"),
        ("customer_retention_rate", 'target = 0.5\nsegment = "country"', 'name a value too, as in "country=…"'),
        ("customer_retention_rate", 'target = 0.5\nsegment = "country=Frnce"', "no country 'Frnce'.*'France'"),
    ],
)
def test_a_goal_that_cannot_be_meant_is_refused(tmp_path, metric, goal, message):
    with pytest.raises(SettingsError, match=message) as error:
        rk.scorecard(rk.load(project(tmp_path, f"[goals.{metric}]\n{goal}\n")), "2024-03")
    assert re.search(metric, str(error.value))


def test_a_share_of_money_may_pass_the_whole(tmp_path):
    rk.scorecard(rk.load(project(tmp_path, "[goals.net_revenue_retention]\ntarget = 1.1\n")), "2024-03")


def test_a_goal_may_be_of_one_segment_value(tmp_path):
    goal = '[goals.customer_retention_rate]\ntarget = 0.8\nsegment = "country=France"\n'
    data = rk.load(project(tmp_path, goal))
    rows = rk.scorecard(data, "2024-03", metrics=["customer_retention_rate"], segment="country")
    targets = dict(zip(rows["segment_value"], rows["target"], strict=True))
    assert targets["France"] == 0.8
    assert pd.isna(targets[""])
    assert pd.isna(targets["UK"])


@pytest.mark.long
@pytest.mark.parametrize(
    ("target", "message"),
    [
        (0.7, "goal 70% · ✓ reached"),  # 80 of 90, 88.9% (Wilson: 80.7% to 93.9%)
        (0.85, "goal 85% · within chance of it"),
        (0.9, "goal 90% · within chance of it"),
        (0.99, "goal 99% · × missed · from 90.0% in Feb 2024"),
    ],
)
def test_what_chance_may_have_decided_is_neither_reached_nor_missed(tmp_path, target, message):
    assert card(tmp_path, f"[goals.customer_retention_rate]\ntarget = {target}\n")["goal"]["text"] == message


@pytest.mark.parametrize(
    ("value", "start", "target", "better", "share"),
    [
        (-50, -60, -10, "higher", 0.2),
        (-50, None, -10, "higher", None),
        (0.04, 0.06, 0.03, "lower", 2 / 3),
        (0.07, 0.06, 0.03, "lower", -1 / 3),  # further away than at the start
        (0.02, 0.06, 0.03, "lower", 4 / 3),
        (5, 10, 10, "higher", None),
        (5, 12, 10, "higher", None),  # it began beyond its goal
        (float("nan"), 1, 2, "higher", None),
    ],
)
def test_progress_is_the_part_of_the_way(value, start, target, better, share):
    result = progress(value, start, target, better)
    assert result is None if share is None else result == pytest.approx(share)


def test_the_way_begins_where_the_goal_says(tmp_path):
    toml = "[goals.customer_retention_rate]\ntarget = 0.95\n"
    assert card(tmp_path, toml)["goal"]["share"] == 0  # from 90% to 88.9%
    assert card(tmp_path, f"{toml}start = 0.8\n")["goal"]["share"] == pytest.approx((8 / 9 - 0.8) / 0.15)
    assert card(tmp_path, f'{toml}start = "80%"\n')["goal"]["text"].endswith("from 80.0%")
    later = card(tmp_path, f"{toml}start_date = 2024-03-05\n")["goal"]
    assert (later["share"], later["text"].endswith("from 88.9% in Mar 2024")) == (0, True)


SEVERAL = """
[[goals]]
id = "first step"
metric = "customer_retention_rate"
target = 0.95
by = "2024-02"
[[goals]]
metric = "customer_retention_rate"
target = "85%"
by = "2024-12"
owner = "Ann"
[[goals]]
id = "British"
metric = "active_customers"
target = 30
segment = "country=UK"
[[goals]]
kind = "yes/no"
objective = "Ask those who left"
by = "2024-02"
[[goals]]
kind = "yes/no"
objective = "A letter to the best"
done = true
"""


def test_the_long_form_gives_a_figure_several_goals(tmp_path):
    """In March 80/90 stayed; in February 90/100, short of the first step, which stays as that month left it."""
    data = rk.load(project(tmp_path, SEVERAL))
    block = Page("2024-03", None, data=data).goals().data
    assert [column["label"] for column in block["columns"]] == ["Figure", "Now", "Goal", "State", "By", "Owner"]
    assert block["rows"] == [
        ["Customer retention, first step", "90.0%", "95%", "× missed", "Feb 2024", "–"],
        ["Customer retention", "88.9%", "85%", "✓ reached, within chance", "Dec 2024", "Ann"],
        ["Active customers, country UK", "40", "30", "✓ reached", "–", "–"],
        ["Ask those who left", "–", "–", "× missed", "Feb 2024", "–"],
        ["A letter to the best", "–", "–", "✓ reached", "–", "–"],
    ]
    british = Page("2024-03", None, "country=UK", data=data).goals().data
    assert [row[:4] for row in british["rows"]] == [["Active customers", "40", "30", "✓ reached"]]
    rows = rk.scorecard(data, periods=["2024-02", "2024-03"], metrics=["customer_retention_rate"])
    assert [*rows["target"]] == [0.95, 0.85], "the first that is not yet due"


def test_both_forms_are_one(tmp_path):
    short, long = tmp_path / "short", tmp_path / "long"
    short.mkdir()
    long.mkdir()
    keys = 'target = 0.9\nby = "2024-12"\nowner = "Ann"\n'
    folders = (
        project(short, f"[goals.customer_retention_rate]\n{keys}"),
        project(long, f'[[goals]]\nmetric = "customer_retention_rate"\n{keys}'),
    )
    first, second = (rk.load(folder).settings.goals for folder in folders)
    assert first == second


@pytest.mark.parametrize(
    ("goals", "message"),
    [
        ("[[goals]]\ntarget = 3", 'goals: number 1 names no metric: give it one, or kind = "yes/no" and an objective'),
        ('[[goals]]\nmetric = "revenu"\ntarget = 3', "names no metric 'revenu': did you mean 'revenue'?"),
        ('[[goals]]\nmetric = "revenue"', "goals.revenue needs a target"),
        (
            '[[goals]]\nmetric = "revenue"\ntarget = 3\n' * 2,
            "two are called 'revenue': give one of them an id of its own",
        ),
        ('[[goals]]\nkind = "yes/no"\nmetric = "revenue"\nobjective = "x"', "goals.revenue is yes or no"),
        ('[[goals]]\nkind = "yesno"\nobjective = "x"', "goals.x.kind cannot be 'yesno': did you mean 'yes/no'?"),
        ('[[goals]]\nmetric = "revenue"\ntarget = 3\nonwer = "x"', "has no setting 'onwer': did you mean 'owner'?"),
        ('[[goals]]\nmetric = "revenue"\ntarget = 3\ndone = true', "goals.revenue.done is of goals with kind"),
        ('[[goals]]\nmetric = "customer_retention_rate"\ntarget = 25', 'write 0.25 or "25%"'),
        ('[[goals]]\nid = 3\nmetric = "revenue"\ntarget = 3', "goals: number 1"),
    ],
)
def test_a_goal_that_says_too_little_or_too_much_is_refused(tmp_path, goals, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        Page("2024-03", None, data=rk.load(project(tmp_path, goals))).rows  # noqa: B018


def test_a_segment_value_that_begins_later_starts_from_its_first_figure(tmp_path):
    """`app` begins in May with 30 a month, 90 in September: it has not come all the way from 0 in January, and what it
    may reach by December is judged by five months, not by nine.
    """
    rows = [f"web{month},2025-{month:02}-10,100,web" for month in range(1, 10)]
    rows += [f"app{month},2025-{month:02}-10,{30 if month < 9 else 90},app" for month in range(5, 10)]
    (tmp_path / "orders.csv").write_text("\n".join(["customer_id,ordered_at,amount,channel", *rows]), "utf-8")
    goals = [
        f'[[goals]]\nid = "{name}"\nmetric = "revenue"\nsegment = "channel=app"\ntarget = {target}\nby = "{by}"\n{every}'
        for name, target, by, every in (("level", 150, "2025-12", ""), ("sum", 300, "2025", 'every = "year"\n'))
    ]
    settings = '[data]\norders = "orders.csv"\n[report]\ntimezone = "UTC"\ncurrency = "EUR"\nas_of = 2025-10-01\n'
    (tmp_path / "retention.toml").write_text(settings + 'segments = ["channel"]\n' + "".join(goals), "utf-8")
    level, whole = goal_states(rk.load(tmp_path), rk.Period.parse("2025-09"))
    assert (level.start, level.start_period, level.value) == (30, "2025-05", 90)
    assert level.progress == 0.5  # 60 of the 120 from 30 to 150
    assert (whole.start, whole.value, whole.known) == (0, 210, 5)
