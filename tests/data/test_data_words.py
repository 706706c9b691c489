"""What cleaning tells, in Arabic: every check has its words, and only names, codes and settings stay in Latin letters."""

import json
import pickle
import re

import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.bidi import plain
from retention_kit.data.checks import CHECKS
from retention_kit.data.cleaning.money import Money
from retention_kit.data.cleaning.quality import Count, quality_frame
from retention_kit.data.layouts.layout import layouts
from retention_kit.data.schema import REQUIRED
from retention_kit.report.appendix import appendix
from retention_kit.word_files import fields_of, languages, phrases
from retention_kit.wording import Figure, Sentence, Verbatim, Words, Written, declared, quoted, sentence
from test_locales import texts_of

ARABIC, ENGLISH = Words("ar", "GBP"), Words("en", "GBP")
OTHERS = [name for name in languages() if name != "en"]
NUMBER = re.compile(r"\d[\d.,]*\d|\d")
LATIN = re.compile(r"[A-Za-z]\w*", re.ASCII)


# Of the shop below: ids and other values and settings.
NAMES = {"c1", "c2", "c3", "C3", "soon", "nothing", "n", "a", "joy", "csat", "nps", "ces", "customer_id", "data"}
NAMES |= {"orders", "case", "fold", "definitions", "zero_orders", "scale"}


def latin_words(text):
    return {*LATIN.findall(re.sub(r"\{[^{}]*\}", "", text))}


@pytest.mark.parametrize("name", OTHERS)
def test_each_check_has_a_name_and_an_effect_with_the_same_fields(name):
    own = texts_of(name)["checks"]
    assert [*own] == [*CHECKS]
    for check, texts in own.items():
        english = CHECKS[check].effect
        assert texts.keys() == {"name", "effect"}
        assert fields_of(texts["effect"]) == fields_of(english), check
        optional = [[fields_of(part) for part in re.findall("<(.*?)>", text)] for text in (texts["effect"], english)]
        assert optional[0] == optional[1], check
        assert fields_of(texts["name"]) == ([("why", "")] if check == "left out" else []), check
    names = [texts["name"] for texts in own.values()]
    assert len({*names}) == len(names)  # a table tells findings apart by them


@pytest.mark.parametrize("name", OTHERS)
def test_tables_and_the_notes_and_reasons_of_layouts_have_words(name):
    assert texts_of(name)["tables"].keys() == REQUIRED.keys()
    texts = {text for layout in layouts().values() for text in (*layout.notes, *layout.leave_out)}
    assert texts <= phrases(name)["phrases"].keys()


def test_the_arabic_of_checks_has_no_latin_word_that_the_english_has_not():
    own = texts_of("ar")
    for check, texts in own["checks"].items():
        assert latin_words(" ".join(texts.values())) <= latin_words(f"{check} {CHECKS[check].effect}"), check


def odd_shop():
    """Orders and answers of which many checks find something."""
    orders = pd.DataFrame(
        [
            ("c1", "1", "2024-01-05", "10.00", "GBP", None),
            ("c1", "1", "2024-01-05", "10.00", "GBP", None),  # a copy
            ("c2", "2", "soon", "1,234", "GBP", None),
            ("c2", "3", "soon", "12.00", "GBP", None),
            (None, "4", "2024-01-09", "7.50", "GBP", None),  # a guest
            ("n/a", "5", "2024-01-10", "7.25", "GBP", None),
            ("c3", "6", "2024-02-01", "5.00", "GBP", None),
            ("c3", "7", "2024-02-02", "-2.00", "GBP", "6"),
            ("c3", "8", "2024-02-02", "-3.00", "GBP", None),
            ("C3", "9", "2024-02-03", "0", "GBP", None),
            ("c4", "10", "2024-02-04", "nothing", "GBP", None),
            *((f"d{number}", f"{number + 20}", "2024-03-01", "9.99", "GBP", None) for number in range(9)),
        ],
        columns=["customer_id", "order_id", "ordered_at", "amount", "currency", "refund_of"],
    )
    answers = pd.DataFrame(
        {
            "responded_at": ["2024-01-05", "2024-01-06", "2024-01-07", "2024-01-08", "2024-01-09"],
            "survey": ["csat", "csat", "csat", "csat", "joy"],
            "score": ["9", "10", "8", "3", "2"],
        }
    )
    return rk.load(orders=orders, responses=answers, timezone="Europe/London", currency="GBP", as_of="2024-04-01")


def test_the_findings_of_a_shop_are_in_arabic():
    data = odd_shop()
    quality = data.quality[["check", "effect"]]
    assert len(quality) > 12
    translated = [
        ARABIC.say(text) for text in (*quality["check"], *quality["effect"], *data.warnings, *data.quality["table"])
    ]
    assert {word for text in translated for word in latin_words(text)} <= NAMES
    assert all(plain(text) != english for text, english in zip(translated, quality["check"], strict=False))
    for text in data.warnings:
        translated = ARABIC.say(text).replace("صفان", "2")  # a dual
        assert sorted(NUMBER.findall(translated)) == sorted(NUMBER.findall(text))


def test_the_page_of_data_quality_is_in_arabic():
    page = rk.Page("2024-03", language="ar", data=odd_shop())
    blocks = appendix(page, [])
    begins = {block.data["id"]: index for index, block in enumerate(blocks) if block.kind == "heading"}
    quality_blocks = blocks[begins["quality"] : begins["identities"]]
    titles = [plain(block.data["title"]) for block in quality_blocks if block.kind == "table"]
    assert titles == ["الطلبات: 20 صفًا مقروءًا", "الإجابات: 5 صفوف مقروءة"]
    (terms,) = [block.data["items"] for block in blocks[begins["provenance"] :] if block.kind == "terms"]
    assert [term["term"] for term in terms] == ["الطلبات", "الإجابات"]
    texts = [text for block in quality_blocks for row in block.data.get("rows", []) for text in row]
    texts += [item for block in quality_blocks for item in block.data.get("items", [])]
    assert len(texts) > 30
    assert {word for text in [*titles, *texts] for word in latin_words(text)} <= NAMES
    assert plain(page.attention().data["items"][0]) == plain(ARABIC.say(page.data.warnings[0]))


def test_what_machines_read_is_english_without_controls():
    data = odd_shop()
    records = json.loads(json.dumps(data.quality.to_dict("records")))
    assert records[0] == {"table": "orders", "check": "rows read", "rows": 20, "effect": ""}
    text = data.quality.to_csv() + json.dumps(records, ensure_ascii=False) + "".join(data.warnings)
    assert plain(text) == text
    assert not re.search("[\u0600-\u06ff]", text)
    assert (data.quality["check"] == "unreadable date").sum() == 1


def test_sentences_outlive_a_snapshot():
    data = odd_shop()
    again = pickle.loads(pickle.dumps(data.quality))
    assert again.equals(data.quality)
    assert [*map(ARABIC.say, again["effect"])] == [*map(ARABIC.say, data.quality["effect"])]
    assert all(isinstance(text, Sentence) for text in again["check"])


def test_money_is_in_its_own_currency_and_a_date_in_the_words_of_the_language():
    amount = Money("GBP", 2, 1).format(123450, "USD")
    assert amount == ENGLISH.fill(amount) == "1,234.50 USD"
    assert plain(ARABIC.fill(amount)) == "1,234.50\N{NO-BREAK SPACE}US$"
    assert Money("GBP", 2, 1).format(100, "ABC") == "1.00 ABC"  # of no currency that anybody knows
    day = Written("2011-12-09", pd.Timestamp("2011-12-09").date())
    assert (ENGLISH.fill(day), plain(ARABIC.fill(day))) == ("2011-12-09", "9 ديسمبر 2011")
    share = Figure(0.05, "percent")
    assert (ENGLISH.fill(share), plain(Words("ar", digits="arab").fill(share))) == ("5%", "٥٪")


def test_a_part_in_angle_brackets_goes_with_its_value():
    effect = declared("checks.identical row.effect", "one is kept<; {money} not counted twice>", money="")
    assert effect == "one is kept"
    assert plain(ARABIC.say(effect)) == "يُحتفظ بواحد"
    twice = declared("checks.identical row.effect", "one is kept<; {money} not counted twice>", money="a < b > {c}")
    assert twice == "one is kept; a < b > {c} not counted twice"


def test_a_foreign_name_is_isolated_where_it_is_read_only():
    text = sentence("quality.details.row_of", row=7, customer=quoted("محمد"))
    assert text == "row 7 of 'محمد'"
    assert ENGLISH.say(text) == "row 7 of '\u2068محمد\u2069'"
    assert ARABIC.say(text) == "الصف 7 للعميل «محمد»"
    assert ARABIC.fill(Verbatim("-5")) == "\u2066-5\u2069"


@pytest.mark.parametrize(("why", "arabic"), [("not paid", "غير مدفوع"), ("staff", "\u2068staff\u2069")])
def test_reasons_to_leave_rows_out_are_those_of_layouts_or_the_users(why, arabic):
    orders = pd.DataFrame({"customer_id": ["a", "b"], "ordered_at": ["2024-01-01"] * 2, "amount": [1, 2]})
    quality = rk.load(orders=orders, currency="GBP", as_of="2024-02-01").quality
    frame = quality_frame([Count("orders", f"left out: {why}", 3)], {"orders": 2}, {"orders": ""})
    assert [*frame["check"]] == [quality["check"].iloc[0], f"left out: {why}"]
    assert ARABIC.say(frame["check"].iloc[1]) == f"متروكة: {arabic}"
