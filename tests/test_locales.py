"""The word files: what each language says, and that it says all of it in its own words."""

import re
import tomllib
import unicodedata

import pytest

from retention_kit.bidi import END, LTR, isolate_literals, plain
from retention_kit.metrics.catalogue import METRICS
from retention_kit.word_files import FOLDER, OWN, faults_of, fields_of, flat, languages
from retention_kit.wording import Words

OTHERS = [name for name in languages() if name != "en"]
TEXTS = ("label", "definition", "formula")
# Latin words that Arabic may have: formats, files, settings, programs, authors, and the terms that the field uses.
LATIN = re.compile(
    "[SEN]|NPS|CSAT|CES|MRR|NRR|GRR|CLV|ARPC|ARPA|PDF|CSV|SHA|data|tickets|goals|answers|count|json|manifest|retention|"
    "toml|kit|Python|Measure|DataFrames?|ChartMogul|Stripe|Shopify|Baremetrics|Little|Stream|BG|NBD|Gamma|shifted|beta|geometric|"
    "CustomerGauge|Zencity|Fader|Hardie|Lee|Gupta|Lehmann|Rocks|Wald|Churn|Quick|Ratio|nps|bain|com|UTF|IP|keep|good|bad"
)


def texts_of(name):
    return tomllib.loads(FOLDER.joinpath(f"{name}.toml").read_text("utf-8"))


@pytest.mark.parametrize("name", OTHERS)
def test_a_language_says_all_that_english_says_in_the_same_order_with_the_same_fields(name):
    own, english = texts_of(name), texts_of("en")
    assert not list(faults_of(own, english))
    keys = [key for key in flat(own) if not key.startswith(OWN)]
    assert keys == [key for key in flat(english) if not key.startswith(OWN)]
    for key, sentence in flat(english).items():
        if not key.startswith("counted."):
            fields = {field for field, _ in fields_of(sentence)}
            assert {field for field, _ in fields_of(flat(own)[key])} == fields, key


@pytest.mark.parametrize("name", OTHERS)
def test_every_counted_noun_is_counted_somewhere(name):
    own = flat(texts_of(name))
    counted = {noun for sentence in own.values() for _, noun in fields_of(sentence) if noun}
    assert counted == {*texts_of(name)["counted"]}


@pytest.mark.parametrize("name", OTHERS)
def test_every_metric_has_its_texts(name):
    known = texts_of(name)["metrics"]
    own = {name for name, metric in METRICS.items() if metric.function.__module__.startswith("retention_kit.")}
    assert known.keys() == own
    for metric in known:
        texts = [*TEXTS, *(["competing"] if METRICS[metric].competing else [])]
        assert all(known[metric].get(text) for text in texts), metric
    labels = [texts["label"] for texts in known.values()]
    assert len({*labels}) == len(labels)  # a table tells figures apart by them


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_has_no_control_of_direction_and_no_double_space(name):
    for key, sentence in flat(texts_of(name)).items():
        assert sentence == plain(sentence), key
        assert "  " not in sentence, key
        assert sentence == unicodedata.normalize("NFC", sentence), key


def test_arabic_has_arabic_words_and_punctuation():
    for key, sentence in flat(texts_of("ar")).items():
        if key in ("locale", "direction"):
            continue
        if key.startswith("checks."):  # which name settings
            continue
        literal = re.sub(r"\{[^{}]*\}", "", sentence)
        assert all(LATIN.fullmatch(word) for word in re.findall("[A-Za-z]+", literal)), key
        assert not re.search("[,;?\"']", literal), key
        assert not re.search(r"\s[،؛.:]", sentence), key


@pytest.mark.parametrize(
    ("number", "days", "customers"),
    [
        (0, "0 يوم", "0 عميل"),
        (1, "يوم واحد", "عميل واحد"),
        (2, "يومين", "عميلين"),
        (3, "3 أيام", "3 عملاء"),
        (10, "10 أيام", "10 عملاء"),
        (11, "11 يومًا", "11 عميلًا"),
        (99, "99 يومًا", "99 عميلًا"),
        (100, "100 يوم", "100 عميل"),
        (103, "103 أيام", "103 عملاء"),
        (1234, "1,234 يومًا", "1,234 عميلًا"),
    ],
)
def test_arabic_nouns_agree_with_their_number(number, days, customers):
    words = Words("ar")
    for noun, form in (("days_gen", days), ("customers_gen", customers)):
        assert plain(words.count(noun, words.value(number, "count"))) == form


def test_numbers_and_foreign_words_of_a_sentence_are_isolated_and_its_fields_are_not():
    assert isolate_literals("بنسبة 95%، من −100 إلى 4.5. (E − N)", {}) == (
        f"بنسبة {LTR}95%{END}، من {LTR}−100{END} إلى {LTR}4.5{END}. ({LTR}E − N{END})"
    )
    assert isolate_literals("{n:days} و{first[age]}", {}) == "{n:days} و{first[age]}"
    digits = str.maketrans("0123456789%", "٠١٢٣٤٥٦٧٨٩٪")
    assert isolate_literals("في 12 شهرًا (SHA-256)", digits) == f"في {LTR}١٢{END} شهرًا ({LTR}SHA-256{END})"


def test_sentences_hold_the_digits_that_are_asked_for():
    assert plain(Words("ar", digits="arab").text("charts.tooltip.interval")) == "مجال الثقة ٩٥٪"
    assert plain(Words("ar").text("charts.tooltip.interval")) == "مجال الثقة 95%"
