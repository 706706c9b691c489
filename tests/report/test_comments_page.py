"""What a page shows of comments: words only where a group differs by more than chance, and nothing from the data is markup."""

from __future__ import annotations

import pandas as pd

import retention_kit as rk
from retention_kit.report.checks.message import named_customers
from retention_kit.report.page import Page

UTC = {"timezone": "UTC", "currency": "GBP", "as_of": "2025-01-01"}
GOOD = ["quick delivery as always", "delivery was quick", "quick and easy", "quick, friendly people", "so quick"]
BAD = ["parcel late again", "late and broken", "it was late", "late parcel, sad", "late late late"]


def page(comments: list[str], scores: list[int], survey="nps", only="", language="", **settings) -> Page:
    customer_ids = [f"C{number:05}" for number in range(len(comments))]
    days = pd.date_range("2024-02-01", periods=len(comments), freq="h").astype(str)
    table = {"customer_id": customer_ids, "responded_at": days, "survey": survey, "score": scores, "comment": comments}
    responses = pd.DataFrame(table | {"country": "France"})
    return Page("2024-12", segment=only, language=language, data=rk.load(responses=responses, **UTC | settings))


def test_words_that_stand_out():
    block = page(GOOD * 8 + BAD * 8, [10] * 40 + [2] * 40).comments("nps")
    assert block.kind == "table"
    assert block.data["title"] == "Recommendation: “late”, “parcel”, “broken” stand out among detractors"
    (worst, bad, late, _), (best, good, quick, _) = block.data["rows"]
    assert (worst, bad, best, good) == ("detractors (0–6)", "40", "promoters (9–10)", "40")
    assert late.startswith("late (40)")
    assert quick.startswith("quick (40)")
    assert "80 in all" in block.data["caption"]


def test_what_all_write_stands_out_nowhere():
    """The same comments in two groups, of which one writes twice as much: all words more, and no word is told."""
    comments = [f"{good} {bad}" for good, bad in zip(GOOD * 8, BAD * 8, strict=True)] + BAD * 4 + GOOD * 4
    block = page(comments, [2] * 40 + [10] * 40).comments("nps")
    assert block.data["title"] == "Recommendation: what customers write"
    assert {row[2] for row in block.data["rows"]} == {"none by more than chance"}


def test_a_small_group_shows_how_many_and_no_more():
    block = page(["ruined by bubbles"] * 4 + ["all is fine"] * 40, [1] * 4 + [10] * 40).comments("nps")
    assert block.data["rows"][0] == ["detractors (0–6)", "4", "fewer than 5: not shown", ""]
    assert "bubbles" not in str(block)


def test_there_is_none_of_few_comments_or_of_one_segment_value():
    assert page(["fine"] * 4, [9] * 4).comments("nps") is None
    assert page(["all is fine"] * 9, [9] * 9).comments("ces") is None
    assert page(["all is fine"] * 9, [9] * 9, only="country=France").comments("nps") is None


def test_a_comment_is_text_and_names_nobody():
    """Markup stays text, an address is masked, and so is the id of a customer, in the table as in the notebook."""
    comment = "<script>alert(1)</script> & *bold* #let x = 1 =HYPERLINK C00003 bob@example.com {0} is bad"
    section = page([comment, *["this is quite good"] * 20], [1] * 5 + [10] * 16, comment_min_n=1)
    block = section.comments("nps")
    examples = block.data["rows"][0][3]
    assert "<script>" in examples
    assert "<script>" not in block.html()
    assert "bob" not in examples
    assert named_customers(str(block), [f"C{number:05}" for number in range(30)], set()) == []


def test_claims_are_part_of_what_the_report_corrects():
    """A word counts once of two groups; of three each group is compared."""
    comments_page = page(GOOD * 8 + BAD * 8, [10] * 40 + [2] * 40)
    claims = [claim for claim in comments_page.claims() if claim.metric == "comments"]
    assert {claim.family for claim in claims} == {("comments",)}
    assert len({claim.twin for claim in claims}) * 2 == len(claims)
    assert comments_page.is_significant("comments", "words", value="nps detractors late")
    assert not comments_page.is_significant("comments", "words", value="nps detractors parcel late")


def test_of_other_surveys_groups_are_called_by_what_was_answered():
    block = page(GOOD * 8 + BAD * 8, [7] * 40 + [2] * 40, "ces").comments("ces")
    assert block.data["title"] == "Ease: “late”, “parcel”, “broken” stand out among customers who did not find it easy"
    assert [row[0] for row in block.data["rows"]] == ["other answers", "easy"]


def test_one_word_stands_out_alone():
    block = page(["late"] * 30 + GOOD * 6, [2] * 30 + [10] * 30).comments("nps")
    assert block.data["title"] == "Recommendation: “late” stands out among detractors"


def test_arabic_words_do_not_turn_what_stands_behind_them():
    block = page(["الخدمة سيئة جدا"] * 30 + GOOD * 6, [2] * 30 + [10] * 30).comments("nps")
    assert block.data["rows"][0][2] == "\u2068الخدمة\u2069 (30), \u2068سيئة\u2069 (30)"
    assert block.data["rows"][0][3] == "“\u2068الخدمة سيئة جدا\u2069”"
    assert "\u2068" not in str(page(GOOD * 8 + BAD * 8, [10] * 40 + [2] * 40).comments("nps"))


def test_from_right_to_left_each_example_has_its_line():
    """A quotation that breaks within such a line cannot be told from the next one in it."""
    rows = page(GOOD * 8 + BAD * 8, [10] * 40 + [2] * 40, language="ar").comments("nps").data["rows"]
    for *_, examples in rows:
        lines = examples.split("\n")
        assert len(lines) == 2
        assert all(line.startswith("«") and line.endswith("»") for line in lines)
