"""Money and feedback as pictures: sums step by step, answers over their scale, each with the finding and in words."""

from __future__ import annotations

import json
import re

import altair as alt
import pandas as pd
import pytest
import vl_convert

import retention_kit as rk
from pencil import table
from retention_kit.metrics.breakdowns import answer_counts
from retention_kit.report.charts import series
from retention_kit.report.charts import surveys as survey_charts
from retention_kit.report.charts import waterfall as waterfall_chart
from retention_kit.report.page import Page

UTC = {"timezone": "UTC", "currency": "GBP"}
# February: 130 at the start; Cy is new (20), Ann expands by 10, Di comes back (8), Bo contracts by 5, Ed leaves (40).
SPELLS = """
    customer_id  subscription_id  started_at  ended_at    amount
    Ann          a1               2024-01-05  2024-02-10  50
    Ann          a2               2024-02-10  -           60
    Bo           b1               2024-01-05  2024-02-12  40
    Bo           b2               2024-02-12  -           35
    Cy           c1               2024-02-20  -           20
    Di           d1               2023-11-05  2023-12-05  8
    Di           d2               2024-02-05  -           8
    Ed           e1               2024-01-05  2024-02-15  40
"""
ANSWERS = pd.DataFrame(
    [
        ("2024-01-05", "nps", 10),
        ("2024-01-06", "nps", 10),
        ("2024-01-07", "nps", 7),
        ("2024-01-08", "nps", 0),
        ("2024-01-05", "csat", 5),
        ("2024-01-06", "csat", 4),
        ("2024-01-07", "csat", 4),
        ("2024-01-08", "csat", 2),
        ("2024-01-05", "ces", 7),
        ("2024-01-06", "ces", 1),
        ("2024-02-06", "ces", 5),
    ],
    columns=["responded_at", "survey", "score"],
)


def subscriptions(spells: str = SPELLS, period: str = "2024-02", as_of: str = "2024-03-01", **settings) -> Page:
    return Page(period, data=rk.load(subscriptions=table(spells), as_of=as_of, **UTC | settings))


def survey(period: str = "2024-01", answers: pd.DataFrame = ANSWERS, **settings) -> Page:
    return Page(period, data=rk.load(responses=answers, as_of="2024-03-01", **UTC | settings))


def defined(tmp_path, options: str) -> Page:
    """The answers under other definitions."""
    ANSWERS.to_csv(tmp_path / "responses.csv", index=False)
    report = '[report]\ntimezone = "UTC"\nas_of = 2024-03-01\n'
    (tmp_path / "retention.toml").write_text(
        f'[data]\nresponses = "responses.csv"\n{report}[definitions]\n{options}\n', "utf-8"
    )
    return Page("2024-01", data=rk.load(tmp_path))


def rows_of(block) -> list[dict]:
    return block.data["spec"]["data"]["values"]


def svg_texts(block) -> list[str]:
    """The texts in the picture itself."""
    return re.findall(r">([^<>]+)</t", vl_convert.vegalite_to_svg(block.data["spec"]))


# The waterfall.


def test_a_waterfall_steps_from_the_start_to_the_end():
    steps = [
        (row["label"], row["figure"], row["before"], row["after"]) for row in rows_of(subscriptions().mrr_waterfall())
    ]
    assert steps == [
        ("MRR at the start", "£130", 130, 130),
        ("new", "+£20.00", 130, 150),
        ("expansion", "+£10.00", 150, 160),
        ("back", "+£8.00", 160, 168),
        ("contraction", "−£5.00", 168, 163),
        ("lost", "−£40.00", 163, 123),
        ("MRR at the end", "£123", 123, 123),
    ]


def test_a_waterfall_says_its_sum_in_its_title_its_caption_and_its_words():
    block = subscriptions().mrr_waterfall()
    assert block.data["title"] == "MRR fell by £7.00 to £123: £38.00 gained, £45.00 given up"
    assert block.data["caption"].startswith(
        "February 2024: £130 at the start + £20 new + £10 expansion + £8 back "
        "− £5 contraction − £40 lost = £123 at the end."
    )
    assert block.data["alt"] == (
        "Waterfall: monthly recurring revenue, February 2024. MRR at the start £130, new +£20.00, expansion +£10.00, "
        "back +£8.00, contraction −£5.00, lost −£40.00, MRR at the end £123."
    )
    assert {"£130", "+£20.00", "−£40.00", "£123", "MRR at the end"} <= set(svg_texts(block))


RISING = SPELLS.replace("2024-02-15  40", "-           40")  # Ed stays
SAME = """
    customer_id  subscription_id  started_at  ended_at    amount
    Ann          a1               2024-01-05  -           50
"""


@pytest.mark.parametrize(
    ("spells", "period", "as_of", "title"),
    [
        (RISING, "2024-02", "2024-03-01", "MRR rose by £33.00 to £163: £38.00 gained, £5.00 given up"),
        (SAME, "2024-02", "2024-03-01", "MRR stayed at £50.00: £0.00 gained, £0.00 given up"),
        (
            SAME,
            "2024-01",
            "2024-02-01",
            "MRR rose by £50.00 to £50.00: £50.00 gained, £0.00 given up",
        ),  # the first ever
        (SPELLS, "2024-02", "2024-02-18", "MRR is £103 so far in February 2024: £18.00 gained, £45.00 given up"),
    ],
)
def test_a_waterfall_says_what_happened(spells, period, as_of, title):
    assert subscriptions(spells, period, as_of).mrr_waterfall().data["title"] == title


def test_a_waterfall_shows_where_the_changes_are_and_levels_as_marks():
    """Of 10,000 a change of 7 would be nothing on an axis from zero; what has no length has no bar to be read from
    zero.
    """
    steps = [
        {"name": "start", "value": 10_000, "before": 10_000, "after": 10_000},
        {"name": "new", "value": 7, "before": 10_000, "after": 10_007},
        {"name": "end", "value": 10_007, "before": 10_007, "after": 10_007},
    ]
    spec = waterfall_chart.waterfall(steps, "February 2024", words()).spec
    bars = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "bar")
    low, high = bars["encoding"]["x"]["scale"]["domain"]
    assert 9_990 < low < 10_000 < 10_007 < high < 10_020
    assert bars["transform"] == [{"filter": "!datum.level"}]
    assert bars["encoding"]["color"]["scale"] == {"domain": ["new"], "range": [series.AMBER]}


def words():
    return subscriptions(SAME).words


def test_exchange_rates_have_a_step_of_their_own_only_where_they_moved():
    rates = pd.DataFrame([("2024-01-01", "EUR", 0.8), ("2024-02-10", "EUR", 0.9)], columns=["date", "currency", "rate"])
    spells = table(SAME).assign(currency="EUR")
    data = rk.load(subscriptions=spells, rates=rates, as_of="2024-03-01", **UTC)
    block = Page("2024-02", data=data).mrr_waterfall()
    assert [row["label"] for row in rows_of(block)][4:5] == ["exchange rates"]
    assert rows_of(block)[4]["figure"] == "+£5.00"  # 50 × (0.9 - 0.8)
    assert block.data["title"].endswith(", +£5.00 by exchange rates")
    assert "exchange rates" not in str(subscriptions().mrr_waterfall())


def test_thirteen_periods_of_mrr_are_told_in_one_finding():
    assert subscriptions().mrr_movements().data["title"] == "More MRR gained than given up in 2 of 4 periods"
    assert subscriptions(SAME, "2024-01", "2024-02-01").mrr_movements().data["title"] == "MRR gained and given up"


def test_without_subscriptions_there_is_no_mrr_and_with_nothing_paid_no_picture():
    orders = pd.DataFrame([("a", "2024-01-05", 10.0)], columns=["customer_id", "ordered_at", "amount"])
    assert Page("2024-01", data=rk.load(orders=orders, as_of="2024-02-01", **UTC)).mrr() == []
    nobody = [{"name": name, "value": 0, "before": 0, "after": 0} for name in ("start", "new", "end")]
    assert waterfall_chart.waterfall(nobody, "May 2024", words()) is None


# Answers.


def test_answers_stand_over_their_whole_scale_the_best_first():
    rows = rows_of(survey().answers("csat"))
    assert [(row["score"], row["share"], row["group"]) for row in rows] == [
        ("5", 0.25, "satisfied"),
        ("4", 0.5, "satisfied"),
        ("3", 0.0, "other answers"),  # nobody gave it, and it is on the scale all the same
        ("2", 0.25, "other answers"),
        ("1", 0.0, "other answers"),
    ]


def test_recommendations_count_as_the_score_counts_them():
    groups = {row["score"]: row["group"] for row in rows_of(survey().answers("nps"))}
    assert [groups[score] for score in ("10", "9", "8", "7", "6", "0")] == [
        "promoters (9–10)",
        "promoters (9–10)",
        "passives (7–8)",
        "passives (7–8)",
        "detractors (0–6)",
        "detractors (0–6)",
    ]
    assert len(groups) == 11


@pytest.mark.parametrize(("options", "top"), [("csat_top = 1", {"5"}), ("csat_top = 2", {"5", "4"})])
def test_the_boxes_in_colour_are_those_that_the_score_counts(tmp_path, options, top):
    page = defined(tmp_path, options)
    rows = rows_of(page.answers("csat"))
    assert {row["score"] for row in rows if row["group"] == "satisfied"} == top
    assert (
        sum(row["share"] for row in rows if row["group"] == "satisfied")
        == page.row("customer_satisfaction_score").value
    )


def test_where_effort_is_a_mean_no_answer_counts_as_easy(tmp_path):
    block = defined(tmp_path, 'ces_top = "mean"').answers("ces")
    assert {row["group"] for row in rows_of(block)} == {"answers"}
    assert "answers" not in svg_texts(block), "one colour needs no legend"


def test_a_scale_is_the_one_that_the_survey_says():
    wide = ANSWERS[ANSWERS["survey"] == "csat"].assign(scale="1-10")
    rows = rows_of(survey(answers=wide).answers("csat"))
    assert [row["score"] for row in rows] == [str(score) for score in range(10, 0, -1)]
    assert {row["score"] for row in rows if row["group"] == "satisfied"} == {"9", "10"}


def test_answers_say_the_most_frequent_one_unless_several_are():
    assert survey().answers("csat").data["title"] == "Satisfaction: the most frequent answer was 4, given by 50.0%"
    assert survey().answers("ces").data["title"] == "Ease: how the answers of January 2024 spread"  # 7 and 1, one each
    assert survey().answers("csat").data["alt"] == (
        "Bars: answers to the Satisfaction question, January 2024, best score first. "
        "5: 25.0% (1), 4: 50.0% (2), 3: 0.0% (0), 2: 25.0% (1), 1: 0.0% (0)."
    )
    assert "4 valid answers" in survey().answers("csat").data["caption"]
    assert {"25.0%", "50.0%", "satisfied", "other answers"} <= set(svg_texts(survey().answers("csat")))


def test_weighted_answers_are_shares_by_weight():
    weighted = ANSWERS[ANSWERS["survey"] == "csat"].assign(weight=[3.0, 1.0, 1.0, 1.0])
    page = survey(answers=weighted)
    assert rows_of(page.answers("csat"))[0]["share"] == 0.5  # 3 of 6
    assert "4 valid answers" in page.answers("csat").data["caption"]


def test_a_survey_that_was_never_held_is_not_spoken_of():
    page = survey(answers=ANSWERS[ANSWERS["survey"] == "csat"])
    assert page.survey("nps") == page.survey("ces") == []
    assert len(page.survey("csat")) == 2
    assert [row[0] for row in page.figures("feedback").data["rows"]] == ["Customer satisfaction", "Survey answers"]


def test_a_survey_that_paused_says_so():
    (trend,) = survey("2024-02").survey("csat")  # February has answers about effort only
    assert trend.data["title"] == "Customer satisfaction cannot be told for February 2024"
    assert trend.data["caption"].startswith("No valid answer in the period. ")


def test_the_shares_of_promoters_and_detractors_are_the_finding():
    assert survey().nps().data["title"] == "January 2024: 50.0% promoters, 25.0% detractors"


def test_answers_by_score_sum_to_what_the_scores_are_made_of():
    """On the sample: the top boxes are the numerator, all of them the denominator."""
    data = rk.sample()
    counts = answer_counts(data)
    counts = counts[counts["period"] == "2025-12"]
    scores = rk.scorecard(data, "2025-12").set_index("metric")
    for kind, metric, top in (("csat", "customer_satisfaction_score", 2), ("ces", "customer_effort_score", 3)):
        rows = counts[counts["survey"] == kind]
        assert rows["answers"].sum() == scores.loc[metric, "denominator"]
        assert rows.loc[rows["score"] > rows["high"] - top, "answers"].sum() == scores.loc[metric, "numerator"] > 0


# Both.

DRAWN = {
    "waterfall": lambda: subscriptions().mrr_waterfall(),
    "nps": lambda: survey().answers("nps"),
    "csat": lambda: survey().answers("csat"),
}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_is_valid_vega_lite_and_the_same_bytes_every_time(draw):
    spec = draw().data["spec"]
    alt.Chart.from_dict(spec)
    assert json.dumps(spec, allow_nan=False) == json.dumps(draw().data["spec"])
    with alt.theme.enable("dark"):
        assert draw().data["spec"] == spec


@pytest.mark.parametrize("colours", [waterfall_chart.COLOURS, survey_charts.COLOURS])
def test_colours_are_those_of_the_palette(colours):
    palette = {series.TEAL, series.LIGHT_TEAL, series.AMBER, series.GREY, series.TERRACOTTA, series.PALE_TERRACOTTA}
    assert set(colours.values()) <= palette
