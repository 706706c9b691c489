"""Answers: which of them count, on which scale and with which weight."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from pencil import checks, row, table, value
from retention_kit.data.values.scales import BOUNDS, DEFAULT
from retention_kit.errors import DataError
from retention_kit.metrics.definitions.feedback import SURVEYS
from retention_kit.report.pages.rules import in_force
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
    """, csat_top=top)  # fmt: skip  # the table as on paper
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


def test_who_names_no_survey_is_told_how():
    with pytest.raises(DataError) as error:
        rk.load(responses=table("responded_at  score\n2024-01-05  9"), timezone="UTC")
    assert str(error.value).endswith(
        "has no column 'survey', which responses need: there is none to choose from. If all answers are of one survey, "
        'set survey = "nps", "csat" or "ces" in [data.responses].'
    )


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
    """, as_of="2024-03-01")  # fmt: skip  # the table as on paper
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
    conditions = {name: in_force(rk.METRICS[name], data, Words("en", "GBP")) for name in SURVEYS}
    assert [name for name in conditions if conditions[name]] == ["customer_satisfaction_score"]
    assert "2 answers" in conditions["customer_satisfaction_score"]


def test_weights_are_asked_for_by_survey_in_a_source(tmp_path):
    """NPS is weighted in the first file, where one answer lacks its weight; in the second none has one."""
    (tmp_path / "a.csv").write_text("responded_at,score,weight\n2024-01-05,10,3\n2024-01-05,0,1\n2024-01-05,0,\n")
    (tmp_path / "b.csv").write_text("responded_at,score\n2024-01-06,10\n2024-01-06,8\n")
    (tmp_path / "retention.toml").write_text(
        "".join(f'[[data.responses]]\npath = "{name}.csv"\nsurvey = "nps"\n' for name in "ab")
    )
    data = rk.load(tmp_path)
    counts = checks(data)
    assert counts.pop("no weight") == 1
    assert counts.pop("unweighted beside weighted answers: nps") == 2
    score = row(data, "net_promoter_score", "2024-01")
    assert (score["numerator"], score["denominator"], score["n"]) == (3, 6, 4)  # 3 - 1 + 1 of 3 + 1 + 2


def load_answers(survey: str, scores: list, **more):
    return rk.load(
        responses=pd.DataFrame({"responded_at": "2024-01-05", "survey": survey, "score": scores} | more), **UTC
    )


RECOGNISED = {
    "csat 1-10": ("csat", [10, 9, 8, 5, 3], 2 / 5, "1-10"),
    "csat 1-10, most answers low": ("csat", [10, 8, 5, 4, 3, 2, 1], 1 / 7, "1-10"),
    "csat 1-7": ("csat", [7, 6, 5, 3], 2 / 4, "1-7"),
    "csat 0-2": ("csat", [2, 1, 0, 2], 2 / 4, "0-2"),
    "csat thumbs": ("csat", [1, 1, 0, 1], 3 / 4, "good/bad"),
    "csat good": ("csat", ["Good", "good, thanks", "bad", None], 2 / 3, "good/bad"),
    "csat all good": ("csat", ["good", "good"], 1, "good/bad"),
    "csat labelled": ("csat", ["10 - Very", "9", "1 - Not at all"], 2 / 3, "1-10"),
    "csat, one code outside": ("csat", [5, 4, 2, 1, 9], 2 / 4, None),
    "csat, few answers outside": ("csat", [5] * 30 + [10, 9], 1, None),
    "csat 1-5": ("csat", [1, 2, 2], 0, None),
    "csat, one short of doubt": ("csat", [3] * 19, 0, None),
    "nps, one short of doubt": ("nps", [5] * 9, -100, None),
    "nps, nobody above 7": ("nps", [7, 0] * 20, -50, None),
    "ces 1-7": ("ces", [7, 5, 5, 4], 3 / 4, None),
    "ces, one code outside": ("ces", [6, 4, 4, 2, 99], 1 / 4, None),
}
NAMES = {survey: metric for metric, survey in SURVEYS.items()}


@pytest.mark.parametrize("name", RECOGNISED)
@pytest.mark.parametrize("kind", [str, float])
@pytest.mark.long
def test_a_scale_that_is_not_given_is_told_by_the_answers(name, kind):
    survey, scores, share, scale = RECOGNISED[name]
    scores = [kind(score) if isinstance(score, int) else score for score in scores]
    data = load_answers(survey, scores)
    assert value(data, NAMES[survey], "2024-01") == pytest.approx(share)
    effect = data.quality.set_index("check")["effect"].get("scale by its answers", "")
    assert effect.startswith(f"set scale where it is another; {survey} on {scale}, since") if scale else effect == ""
    assert any("scale by its answers" in warning for warning in data.warnings) == (scale is not None)


@pytest.mark.parametrize(
    ("survey", "scores", "words"),
    [
        ("ces", [5, 5, 4, 3, 1], r'lie from 1 to 5, .* write scale = "1-5" or scale = "1-7" into'),
        ("ces", ["5 - Easy", "4", "99", "9"], r"lie from 4 to 5"),
        ("ces", [4], r"are all 4"),
        ("nps", [1, 2, 3, 4, 5] * 2, r'lie from 1 to 5, .* write scale = "0-10" into .* nps has no other'),
        ("nps", [*range(1, 8)] * 3, r"lie from 1 to 7"),
        ("csat", [1, 2, 3, 3] * 5, r'lie from 1 to 3, .* write scale = "1-5" into'),
        ("csat", ["1"] * 20, r"are all 1"),  # thumbs, all of them up?
    ],
)
def test_a_scale_that_the_answers_do_not_tell_is_asked_for(survey, scores, words):
    with pytest.raises(DataError, match=f"^The {survey} answers {words}"):
        load_answers(survey, scores)
    assert checks(load_answers(survey, scores, scale=DEFAULT[survey])).keys() <= {"score outside the scale"}


@pytest.mark.parametrize(
    ("survey", "scale", "scores", "share"),
    [
        ("csat", "1-5", [5, 4, 3], 2 / 3),
        ("csat", "1 – 7", [7, 6, 5], 2 / 3),
        ("csat", "1 to 10", [10, 9, 8], 2 / 3),
        ("csat", "0-2", [2, 1, 0, 1], 1 / 4),
        ("csat", "0-1", [1, 0, 0], 1 / 3),
        ("csat", "bad/good", ["good", "bad"], 1 / 2),
        ("ces", "1-7", [5, 4, 5], 2 / 3),
        ("ces", "1-5", [5, 4, 3], 2 / 3),
    ],
)
def test_a_scale_that_is_given_holds_and_has_its_own_top_boxes(survey, scale, scores, share):
    data = load_answers(survey, scores, scale=scale)
    assert value(data, NAMES[survey], "2024-01") == pytest.approx(share)
    assert checks(data) == {}


@pytest.mark.long
@settings(max_examples=6)
@given(
    st.sampled_from(["1-7", "1-10", "0-2", "good/bad"]),
    st.lists(st.integers(0, 10), min_size=1, max_size=30),
    st.data(),
)
def test_recognised_or_given_a_scale_has_the_same_figures(scale, scores, draw):
    low, high = BOUNDS[scale]
    scores = [low + score % (high - low + 1) for score in scores] + [low, high, high - 1]
    scores = draw.draw(st.permutations(scores + [high] * (len(scores) if high > 2 else 0)))
    recognised, explicit = load_answers("csat", scores), load_answers("csat", scores, scale=scale)
    same = "customer_satisfaction_score"
    assert row(recognised, same, "2024-01")["value"] == row(explicit, same, "2024-01")["value"]
    assert checks(recognised) == {"scale by its answers": len(scores)}
    assert rk.csat(scores, scale).value == row(explicit, same, "2024-01")["value"]


def test_sources_on_two_scales_are_not_taken_for_one(tmp_path):
    for name, scores in (("a", (10, 9, 2)), ("b", (5, 4, 2))):
        lines = "".join(f"2024-01-05,csat,{score}\n" for score in scores)
        (tmp_path / f"{name}.csv").write_text(f"responded_at,survey,score\n{lines}", "utf-8")
    (tmp_path / "retention.toml").write_text(
        '[[data.responses]]\npath = "a.csv"\n[[data.responses]]\npath = "b.csv"\n', "utf-8"
    )
    with pytest.raises(DataError, match="different scales, 1-10 and 1-5"):
        rk.load(tmp_path)


def test_good_and_bad_are_words_of_their_scale_alone():
    assert checks(load_answers("csat", ["5", "4", "good"])) == {"unreadable score": 1}
    with pytest.raises(
        DataError, match=r"'score' is unreadable in 2 of 3 rows, such as row 1 \('good'\)|first in row 1"
    ):
        load_answers("nps", ["good", "bad", "9"])


def test_of_one_answer_that_came_twice_the_one_that_can_be_read_counts():
    data = responses(
        """
        response_id  responded_at  survey  score  customer_id
        1            2024-01-05    nps     10     Ann
        1.0          2024-01-05    nps     10     Ann
        1            2024-01-05    csat    5      Ann
        2            soon          nps     9      Ben
        2            2024-01-06    nps     9      Ben
        3            2024-01-06    nps     -      -
        3            2024-01-07    nps     0      -
        3            2024-01-08    nps     1      -
        -            2024-01-08    nps     0      -
        -            2024-01-08    nps     0      -
    """,
        answers="all",
    )
    assert checks(data) == {"same response_id": 2, "unreadable date": 1, "no answer": 1}
    assert row(data, "net_promoter_score", "2024-01")["n"] == 5
    assert value(data, "net_promoter_score", "2024-01") == -20  # 10 and 9, three zeros


def test_two_questions_of_one_answer_both_count(tmp_path):
    (tmp_path / "a.csv").write_text("id,at,food,staff\n1,2024-01-05,5,1\n2,2024-01-05,4,5\n", "utf-8")
    (tmp_path / "b.csv").write_text("id,at,food,staff\n2,2024-01-05,4,5\n3,2024-01-06,5,5\n", "utf-8")
    block = '[[data.responses]]\npath = "?.csv"\nsurvey = "csat"\n[data.responses.columns]\nresponse_id = "id"\nresponded_at = "at"\n'
    text = "".join(f'{block}score = "{question}"\n' for question in ("food", "staff"))
    (tmp_path / "retention.toml").write_text(text, "utf-8")
    data = rk.load(tmp_path, **UTC)
    assert value(data, "customer_satisfaction_score", "2024-01") == 5 / 6
    assert checks(data)["same response_id"] == 2
