"""Answers: which of them count, on which scale and with which weight."""

import pytest

import retention_kit as rk
from pencil import checks, row, table, value
from retention_kit.errors import DataError
from retention_kit.metrics.feedback import SURVEYS
from retention_kit.report.rules import in_force
from retention_kit.wording import Words

UTC = {"timezone": "UTC", "currency": "GBP"}


def responses(text: str, **settings):
    return rk.load(responses=table(text), **UTC | settings)


def test_only_valid_answers_count_and_none_is_clamped():
    data = responses("""
        customer_id  responded_at  survey  score
        Ann          2024-01-05    nps     10
        Ben          2024-01-05    NPS     6
        Cy           2024-01-05    nps     11
        Dee          2024-01-05    nps     -1
        Eve          2024-01-05    nps     9.5
        Fay          2024-01-05    nps     great
        Guy          2024-01-05    npc     9
        Hal          2024-01-05    nps     9
    """)
    assert checks(data) == {"score outside the scale": 3, "unreadable score": 1, "unknown survey": 1}
    score = row(data, "net_promoter_score", "2024-01")
    assert (score["numerator"], score["n"]) == (1, 3)  # 2 promoters - 1 detractor, of 3


@pytest.mark.parametrize(
    ("scale", "top", "satisfied"), [("1-5", 2, 3), ("1-5", 1, 1), ("1-7", 2, 1), ("1-10", 2, 0), ("-", 2, 3)]
)
def test_satisfied_are_the_top_boxes_of_the_scale(scale, top, satisfied):
    data = responses(f"""
        responded_at  survey  score  scale
        2024-01-05    csat    5      {scale}
        2024-01-05    csat    4      {scale}
        2024-01-05    csat    4      {scale}
        2024-01-05    csat    {6 if scale == "1-7" else 3}      {scale}
    """, csat_top=top)  # fmt: skip
    assert row(data, "customer_satisfaction_score", "2024-01")["numerator"] == satisfied


def test_another_scale_is_never_mapped_to_nps():
    data = responses("""
        responded_at  survey  score  scale
        2024-01-05    nps     5      1-5
        2024-01-05    nps     9      0-10
        2024-01-05    csat    9      1-9
        2024-01-05    nps     8      -
        2024-01-05    nps     7      -
    """)
    assert checks(data) == {"unknown scale": 2}


def test_one_survey_on_two_scales_is_refused():
    with pytest.raises(
        DataError, match=r"^The csat answers are on different scales, 1-10 and 1-5: one survey needs one scale"
    ):
        responses("""
            responded_at  survey  score  scale
            2024-01-05    csat    5      1-5
            2024-01-05    csat    9      1-10
        """)


def test_the_last_answer_of_a_customer_and_period_counts_and_every_anonymous_one():
    data = responses("""
        customer_id  responded_at         survey  score
        Ann          2024-01-05 09:00:00  nps     0
        Ann          2024-01-20 09:00:00  nps     10
        Ann          2024-01-20 09:00:00  csat    1
        Ann          2024-02-02 09:00:00  nps     3
        -            2024-01-06 09:00:00  nps     10
        -            2024-01-06 09:00:00  nps     10
    """, as_of="2024-03-01")  # fmt: skip
    assert checks(data) == {}, "two guests may well answer alike"
    assert row(data, "net_promoter_score", "2024-01")["n"] == 3
    assert value(data, "net_promoter_score", "2024-01") == 100  # Ann's 10 and two guests
    assert value(data, "net_promoter_score", "2024-02") == -100


def test_weights_count_and_an_answer_without_one_is_left_out():
    data = responses("""
        responded_at  survey  score  weight
        2024-01-05    nps     10     3
        2024-01-05    nps     8      1
        2024-01-05    nps     0      1
        2024-01-05    nps     0      -
        2024-01-05    nps     0      0
    """)
    assert checks(data) == {"no weight": 2}
    score = row(data, "net_promoter_score", "2024-01")
    assert (score["value"], score["denominator"], score["n"]) == (40, 5, 3)  # 100 × (3 - 1) / 5


def test_a_scale_or_survey_that_every_answer_gets_wrong_is_refused():
    with pytest.raises(
        DataError, match=r"'scale' is unknown in 1 of 1 rows, first in row 1 \('1-5'\): choose from 0-10\."
    ):
        responses("responded_at  survey  score  scale\n2024-01-05  nps  5  1-5")
    with pytest.raises(
        DataError, match=r"'survey' is unknown in 1 of 1 rows, first in row 1 \('npss'\): did you mean 'nps'"
    ):
        responses("responded_at  survey  score\n2024-01-05  npss  5")


def test_weights_of_one_survey_leave_the_others_alone():
    data = responses("""
        responded_at  survey  score  weight
        2024-01-05    nps     10     3
        2024-01-05    nps     0      1
        2024-01-05    csat    5      -
        2024-01-05    csat    1      -
    """)
    assert checks(data) == {"unweighted beside weighted answers: csat": 2}
    assert value(data, "net_promoter_score", "2024-01") == 50  # 100 × (3 - 1) / 4
    assert row(data, "customer_satisfaction_score", "2024-01")["denominator"] == 2
    said = {name: in_force(rk.METRICS[name], data, Words("en", "GBP")) for name in SURVEYS}
    assert [name for name in said if said[name]] == ["customer_satisfaction_score"]
    assert "2 answers" in said["customer_satisfaction_score"]


def test_weights_are_asked_for_by_survey_in_a_source(tmp_path):
    """NPS is weighted in the first file, where one answer lacks its weight; in the second none has one."""
    (tmp_path / "a.csv").write_text("responded_at,score,weight\n2024-01-05,10,3\n2024-01-05,0,1\n2024-01-05,0,\n")
    (tmp_path / "b.csv").write_text("responded_at,score\n2024-01-06,10\n2024-01-06,8\n")
    (tmp_path / "retention.toml").write_text(
        "".join(f'[[data.responses]]\npath = "{name}.csv"\nsurvey = "nps"\n' for name in "ab")
    )
    data = rk.load(tmp_path)
    found = checks(data)
    assert found.pop("no weight") == 1
    assert found.pop("unweighted beside weighted answers: nps") == 2
    score = row(data, "net_promoter_score", "2024-01")
    assert (score["numerator"], score["denominator"], score["n"]) == (3, 6, 4)  # 3 - 1 + 1 of 3 + 1 + 2
