"""What customers write: words that set a group apart, counted by hand and by a second calculation; names masked."""

from __future__ import annotations

import random
import re
from math import log, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

import retention_kit as rk
from retention_kit.metrics.comments.distinctive import contrasts, exact_p, log_odds
from retention_kit.metrics.comments.masking import MASK, mask, mask_known, plain, usual_words
from retention_kit.metrics.comments.summary import survey_comments
from retention_kit.metrics.comments.words import STOP_WORDS, words_of
from retention_kit.metrics.insights import Claim, significant
from retention_kit.metrics.queries.comments import MOST, known_texts, read_comments
from retention_kit.periods import Period

UTC = {"timezone": "UTC", "currency": "GBP", "as_of": "2025-01-01"}
DECEMBER = Period.parse("2024-12")


def answers(comments: list[str | None], scores: list[int], survey: str = "nps", **columns) -> pd.DataFrame:
    """An answer a day, each of a customer of their own."""
    days = pd.date_range("2024-02-01", periods=len(comments), freq="h").astype(str)
    customer_ids = [f"C{number:05}" for number in range(len(comments))]
    table = {"customer_id": customer_ids, "responded_at": days, "survey": survey, "score": scores, "comment": comments}
    return pd.DataFrame(table | columns)


def comments_of(table: pd.DataFrame, **settings):
    return survey_comments(rk.load(responses=table, **UTC | settings), DECEMBER)


# The formula.


def test_log_odds_are_those_published():
    """The worked example in the README of the package `fightin_words`, with a prior of .05 for each word."""
    first = {"the": 2, "quick": 1, "brown": 1, "fox": 1, "jumps": 1, "over": 1, "lazy": 1, "pig": 1}
    second = {"the": 2, "lazy": 1, "purple": 1, "pig": 1, "jumps": 1, "over": 1, "lazier": 1, "donkey": 1}
    scores = log_odds(first, second, dict.fromkeys(first | second, 0.05))
    for word in ("donkey", "lazier", "purple"):
        assert scores[word] == pytest.approx(-0.6894227886807968, abs=1e-12)
    for word in ("brown", "fox", "quick"):
        assert scores[word] == pytest.approx(0.6894227886807968, abs=1e-12)
    assert {scores[word] for word in ("jumps", "lazy", "over", "pig", "the")} == {0.0}


def test_contrasts_by_hand():
    """Four comments against four; a word counts once in a comment, and the prior is a tenth of all ten words."""
    group, rest = [{"late"}, {"late"}, {"late", "box"}, {"late"}], [{"good"}, {"good", "box"}, {"good"}, {"good"}]
    by_word = {contrast.word: contrast for contrast in contrasts(group, rest)}
    late = by_word["late"]
    assert (late.comments, late.others) == (4, 0)
    # Of C(8, 4) = 70 ways to choose four comments one is all of those with the word; of the C(10, 4) = 210 ways to
    # choose four words five are of our five. Both tails count, and the larger p.
    assert late.p == pytest.approx(2 * max(1 / 70, 5 / 210))
    odds = log(4.4 / (6 - 4.4)) - log(0.4 / (6 - 0.4))
    assert late.z == pytest.approx(odds / sqrt(1 / 4.4 + 1 / 0.4))
    assert (by_word["box"].z, by_word["box"].p) == (0.0, 1.0)
    assert by_word["good"].z == pytest.approx(-late.z)
    assert [contrast.word for contrast in contrasts(group, rest, least=3)] == ["late", "good"]
    assert contrasts(group, []) == []


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_exact_p_is_twice_the_smaller_tail(size, others, data):
    total = data.draw(st.integers(1, size + others))
    count = data.draw(st.integers(max(0, total - others), min(size, total)))
    law = hypergeom(size + others, total, size)
    expected = min(1.0, 2 * law.cdf(count), 2 * law.sf(count - 1))
    assert exact_p(count, size, total, others) == pytest.approx(expected, rel=1e-9)
    assert exact_p(count, size, total, others) == pytest.approx(exact_p(total - count, others, total, size), rel=1e-9)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=12))
def test_log_odds_agree_with_a_matrix_of_counts(counts):
    """A second calculation: odds of posterior shares in an array; turned round, the scores change sign."""
    table = np.array(counts, float) + 0.01
    prior = 0.1 * table.sum(1)
    shares = (table + prior[:, None]) / (table + prior[:, None]).sum(0)
    logits = np.log(shares) - np.log1p(-shares)
    expected = (logits[:, 0] - logits[:, 1]) / np.sqrt((1 / (table + prior[:, None])).sum(1))
    first, second, weights = ({str(row): values[row] for row in range(len(table))} for values in (*table.T, prior))
    assert list(log_odds(first, second, weights).values()) == pytest.approx(expected.tolist(), abs=1e-9)
    turned = log_odds(second, first, weights)
    assert {word: -z for word, z in turned.items()} == pytest.approx(log_odds(first, second, weights))


@pytest.mark.parametrize("times", [1, 3], ids=["alike", "longer"])
def test_false_alarms_are_rare(times):
    """Words drawn alike for all groups, also where one writes three times as much: hardly ever is one claimed."""
    rng, alarms, trials = random.Random(5), 0, 100
    vocabulary = [f"w{number}" for number in range(120)]
    weights = [1 / (1 + number) for number in range(120)]
    for _ in range(trials):
        many = [rng.randint(1, 12) * (times if index < 40 else 1) for index in range(200)]
        comments = [set(rng.choices(vocabulary, weights, k=length)) for length in many]
        groups = {"a": comments[:40], "b": comments[40:90], "c": comments[90:]}
        claims = [
            Claim(("comments",), "comments", "words", contrast.p, value=f"{name} {contrast.word}")
            for name, those in groups.items()
            for contrast in contrasts(those, [c for other in groups.values() if other is not those for c in other], 5)
        ]
        alarms += bool(significant(claims))
    assert alarms / trials <= 0.05


# The words.


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        ("The delivery WASN'T late, it’s not!", ["delivery", "not", "late", "not"]),
        ("I cannot, can’t & couldn't", ["not", "not", "not"]),
        ("Éclair, ÉCLAIR and naïve 123", ["éclair", "éclair", "naïve"]),
        ("الخدمة ممتازةٌ جداً والأسعار", ["الخدمه", "ممتازه", "جدا", "الاسعار"]),
        ("الخدمه مُمتــــازة", ["الخدمه", "ممتازه"]),
        ("والدعم والتوصيل لوالدتي ووالد والدتي", ["الدعم", "التوصيل", "لوالدتي", "ووالد", "والدتي"]),
        ("إلى المدرسة في على", ["المدرسه"]),
        ("a I x \u200fok 😡 …", ["ok"]),
        ("w" * 31, []),
    ],
)
def test_a_comment_is_split_into_its_words(comment, words):
    parsed = [word for word, _ in words_of(comment)]
    assert [word for word in parsed if word != "جدا"] == [word for word in words if word != "جدا"]


def test_stop_words_are_written_as_words_are():
    assert {"the", "من", "التي", "علي"} <= STOP_WORDS
    assert {"not", "no", "never", "لا", "لم", "غير"} & STOP_WORDS == set()


# What is masked.

USUAL = frozenset(
    "and app great the in fast was delivery parcel service office spoke order late will may mark on".split()  # noqa: SIM905
)


@pytest.mark.parametrize(
    ("comment", "masked"),
    [
        ("Parcel came late", "Parcel came late"),
        ("Spoke to Sarah Miller at the London office, she was great", "Spoke to […] at the […] office, she was great"),
        ("call +44 7700 900123 or 07700-900-123.", "call […] or […]."),
        ("mail anna.b@example.com or anna (at) example (dot) com", "mail […] or […]"),
        ("mail anna at example dot com", "mail […]"),
        ("see https://x.io/u?id=3, www.foo.bar/x and example.com/path", "see […] and […]"),
        ("card 4111 1111 1111 1111, IBAN GB29 NWBK 6016 1331 9268 19", "card […], IBAN […]"),
        ("my order 482 is late, ref #A12 and invoice no. 77", "my order […] is late, ref […] and invoice no. […]"),
        (
            "C00012 and AB-1234-X but 24h, 3rd time, 10 days and 4 of 5",
            "[…] and […] but 24h, 3rd time, 10 days and 4 of 5",
        ),
        ("my name is bob smith and the app was late", "my name is […] and the app was late"),
        ("great app. Kind regards, priya", "great app. Kind regards, […]"),
        ("thanks to Mr O'Neil and Dr. House", "thanks to Mr […] and Dr. […]"),
        (
            "sarah was great, Mark too, will mark it on Monday in May",
            "[…] was great, […] too, will mark it on Monday in May",
        ),
        ("Will was great. Will I get it?", "Will was great. Will I get it?"),  # what is a word at the start stays one
        ("GREAT SERVICE AND FAST DELIVERY from DHL", "GREAT SERVICE AND FAST DELIVERY from DHL"),
        ("اسمي محمد العتيبي والخدمة سيئة", "اسمي […] والخدمة سيئة"),
        ("تكلمت مع السيد خالد القحطاني ١٢٣٤٥٦", "تكلمت مع السيد […]"),
        ("😡 line\nbreak\x07 \u202eturned", "line break turned"),
        ("(Zephyrine) never called. (Thanks for all)", "([…]) never called. (Thanks for all)"),
        ("fuck this shit", "fuck this shit"),
    ],
)
def test_personal_parts_of_a_comment_are_masked(comment, masked):
    assert mask(comment, USUAL) == masked


PERSONAL = st.one_of(
    st.emails(),
    st.from_regex(r"\+?[0-9]{2,4}[ -]?[0-9]{3}[ -]?[0-9]{3,4}", fullmatch=True),
    st.from_regex(r"[A-Z]{1,3}-?[0-9]{4,8}", fullmatch=True),
    st.from_regex(r"https?://[a-z]{2,8}\.[a-z]{2,3}/[a-z0-9]{1,9}", fullmatch=True),
    st.from_regex(r"[0-9]{5,16}", fullmatch=True),
    st.sampled_from(["Sarah", "ahmed", "Fatima Khalil", "Zephyrine", "محمد"]),
)


SENTENCES = (
    "I spoke to {} about it", "it was {}, really", "({}) was late", "[{}] was late", '"{}" was late', "“{}” was late",
    "ask for {}",
)  # fmt: skip  # sentences by the line


@given(PERSONAL, st.sampled_from(SENTENCES))
def test_personal_parts_are_masked_in_any_sentence(personal, sentence):
    masked = mask(sentence.format(personal), USUAL)
    assert MASK in masked
    assert not any(part in masked for part in personal.replace("+", " ").split() if len(part) > 3)


@given(st.text(max_size=300))
def test_any_text_is_masked_in_one_line(comment):
    masked = mask(comment)
    assert masked == plain(masked)
    assert not re.search(r"@\S", masked), "an @ at a word's end is no address"
    list(words_of(masked))
    usual_words([comment])


@given(st.lists(st.text("abc .", min_size=1, max_size=6), max_size=5), st.text("abc .", max_size=40))
def test_what_is_known_is_masked_wherever_it_stands_alone(known, text):
    masked = mask_known(text, {value.strip() for value in known if value.strip()})
    for value in known:
        assert not value.strip() or f" {value.strip()} " not in f" {masked} " or not value.strip(" .")


# The data.

GOOD = ["quick delivery as always", "delivery was quick", "quick and easy", "quick, friendly people", "so quick"]
BAD = ["parcel late again", "late and broken", "it was late", "late parcel, sad", "late late late"]


def shop(times: int = 8) -> pd.DataFrame:
    """Promoters who write of quick, detractors of late."""
    return answers([*GOOD * times, *BAD * times], [10] * 5 * times + [2] * 5 * times)


def test_a_group_of_answers_has_its_words():
    nps = comments_of(shop())["nps"]
    assert (nps.written, nps.read) == (80, 80)
    assert {name: group.customers for name, group in nps.groups.items()} == {"promoters": 40, "detractors": 40}
    best = {group: (those[0].word, those[0].comments, those[0].others) for group, those in nps.contrasts.items()}
    assert best == {"promoters": ("quick", 40, 0), "detractors": ("late", 40, 0)}
    assert all("late" in example for example in nps.groups["detractors"].examples)


def test_the_last_comment_of_a_customer_counts_and_anonymous_ones_each():
    table = answers(["first word here", "second word here", "no name here", "no name here"], [9, 2, 9, 9])
    table["customer_id"] = ["A", "A", None, None]
    rows = read_comments(rk.load(responses=table, **UTC), DECEMBER)
    assert list(rows["answer_group"]) == ["promoters", "promoters", "detractors"]
    assert list(rows.columns) == ["survey", "answer_group", "comment", "written"]


def test_only_twelve_months_are_read():
    table = answers(["old one", "new one", "too new"], [9, 9, 9])
    table["responded_at"] = ["2023-12-31", "2024-01-01", "2025-01-01"]
    assert list(read_comments(rk.load(responses=table, **UTC), DECEMBER)["comment"]) == ["new one"]


def test_groups_follow_the_settings():
    table = answers([f"word {number}" for number in range(5)], [1, 2, 3, 4, 5], "csat", scale="1-5")
    groups = read_comments(rk.load(responses=table, **UTC, csat_top=1), DECEMBER)["answer_group"]
    assert list(groups) == ["top", "rest", "rest", "rest", "rest"]


def test_of_many_as_many_are_read_spread_evenly():
    many = 3 * MOST + 7
    table = answers([f"text {number}" for number in range(many)], [9] * many)
    rows = read_comments(rk.load(responses=table, **UTC), DECEMBER)
    assert (len(rows), set(rows["written"])) == (MOST, {many})
    numbers = [int(comment.split()[1]) for comment in rows["comment"]]
    assert set(np.diff(numbers)) <= {-3, -4}


def test_few_are_not_shown():
    """A word of four customers is none, though it stands out; a group of four has no examples."""
    table = answers(["ruined by bubbles"] * 4 + ["fine and dandy"] * 40, [1] * 4 + [10] * 40)
    nps = comments_of(table)["nps"]
    assert nps.groups["detractors"].examples == ()
    assert "bubbles" not in {contrast.word for those in nps.contrasts.values() for contrast in those}
    nps = comments_of(table, comment_min_n=4)["nps"]
    assert nps.groups["detractors"].examples == ("ruined by bubbles",)


def test_ids_and_names_of_the_data_are_in_nothing_that_is_kept():
    """Ids of customers, whatever they look like, and names of columns that were read."""
    comments = ["zork was rude and late", "ask Zork, he was rude", "ida blue was late and rude", "late, rude, zork"]
    table = answers(comments * 3, [1] * 11 + [9], person_name=["Ida Blue", *["Someone Else"] * 11])
    table.loc[0, "customer_id"] = "zork"
    data = rk.load(responses=table, **UTC, comment_min_n=2)
    assert known_texts(data, ["zork", "Zork", "ida blue", "Ida Blue", "rude"]) == {"zork", "ida blue"}
    text = str(survey_comments(data, DECEMBER)).lower()
    assert "rude" in text
    assert "zork" not in text
    assert "ida" not in text
    assert "'blue'" not in text


def test_comments_are_no_segment_and_none_is_no_failure():
    data = rk.load(responses=shop(1), **UTC)
    assert "comment" not in data.segments
    assert comments_of(shop(1).drop(columns="comment")) == {}
    assert comments_of(answers([None, "", " "], [1, 2, 3])) == {}


def test_the_prior_keeps_rare_words_from_the_top():
    """Of two words that one group alone uses, the one of more comments comes first."""
    contrasted = contrasts([{"often"}] * 20 + [{"once"}], [{"other"}] * 21)
    order = [contrast.word for contrast in contrasted]
    assert order.index("often") < order.index("once")
