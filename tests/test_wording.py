"""Words: numbers, money, dates and sentences as people write them."""

import re
import tomllib
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_kit import wording
from retention_kit.bidi import plain
from retention_kit.errors import SettingsError
from retention_kit.hijri import with_hijri
from retention_kit.metrics.catalogue import UNITS
from retention_kit.metrics.scorecard import METRICS
from retention_kit.periods import Period
from retention_kit.settings import make_settings
from retention_kit.wording import Words, languages, money_decimals, sentence

WORDS = Words("en", "GBP")
LANGUAGES = [Words(language, currency) for language in languages() for currency in ("GBP", "JPY", "XXX")]


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(UNITS), st.sampled_from(("short", "full")))
def test_every_number_can_be_written(value, unit, style):
    for words in LANGUAGES:
        assert re.search(r"\d", plain(words.value(value, unit, style)))


@pytest.mark.parametrize(
    ("value", "unit", "short", "full"),
    [
        (0.456012, "fraction", "45.6%", "45.60%"),
        (0.0, "fraction", "0.0%", "0.00%"),
        (1.0, "fraction", "100.0%", "100.00%"),
        (1664, "count", "1,664", "1,664"),
        (12.5, "count", "12.5", "12.5"),  # weighted answers
        (698.21, "money", "£698", "£698.21"),
        (99.995, "money", "£100.00", "£100.00"),
        (12.3, "money", "£12.30", "£12.30"),
        (46_170.4, "money", "£46,170", "£46,170.40"),
        (1_161_817.38, "money", "£1.16M", "£1,161,817.38"),
        (250_400, "money", "£250K", "£250,400.00"),
        (-12.3, "money", "−£12.30", "−£12.30"),
        (36.909871, "points", "36.9", "36.91"),
        (-20.0, "points", "−20.0", "−20.00"),
        (1.684, "ratio", "1.68", "1.6840"),
        (3.25, "years", "3.3 years", "3.25 years"),
    ],
)
def test_a_figure_with_its_unit(value, unit, short, full):
    assert WORDS.value(value, unit) == short
    assert WORDS.value(value, unit, "full") == full


@pytest.mark.parametrize("unit", ["fraction", "count", "money", "points", "ratio", "years"])
@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_what_is_undefined_is_a_dash(unit, nothing):
    assert WORDS.value(nothing, unit) == WORDS.change(nothing, unit) == "–"


@pytest.mark.parametrize(
    ("value", "unit", "style", "expected"),
    [
        (0.45, "fraction", "short", "45%"),
        (0.025, "fraction", "short", "2.5%"),
        (0.9625, "fraction", "short", "96.25%"),
        (0, "fraction", "full", "0%"),
        (4, "years", "short", "4 years"),
        (100, "count", "short", "100"),
        (2000, "money", "full", "£2,000"),
        (1250.5, "money", "full", "£1,250.50"),
        (0, "money", "full", "£0"),
        (1_000_000, "money", "short", "£1M"),
        (None, "money", "short", "–"),
    ],
)
def test_a_goal_is_said_as_one_writes_it(value, unit, style, expected):
    assert plain(Words("en").bound(value, unit, style)) == expected


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_goal_keeps_its_zeros_before_the_point(language):
    """In Arabic digits too: ١٠٪ and ٢٬٠٠٠, not ١٪ and ٢."""
    for digits, ten, thousands in (("latn", "10%", "2,000"), ("arab", "١٠٪", "٢٬٠٠٠")):
        words = Words(language, digits=digits)
        if words.digits == digits:
            assert plain(words.bound(0.1, "fraction")).rstrip("\u061c") == ten
            assert thousands in plain(words.bound(2000, "money", "full"))


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.0699, "fraction", "+7.0 points"),  # 45.6% - 38.6%: percentage points, not per cent
        (-0.084, "fraction", "−8.4 points"),
        (0, "fraction", "±0.0 points"),
        (-3.25, "points", "−3.3 points"),
        (12, "count", "+12"),
        (-1234.5, "money", "−£1,235"),
        (0.05, "ratio", "+0.05"),
        (-0.5, "years", "−0.5 years"),
    ],
)
def test_a_change_has_its_sign(value, unit, expected):
    assert WORDS.change(value, unit) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.00125, "0.13%"), (0.00115, "0.12%"), (0.29, "29.00%"), (0.57, "57.00%")]
)
def test_halves_are_rounded_as_people_do(value, expected):
    assert WORDS.value(value, "fraction", "full") == expected


@pytest.mark.parametrize(
    ("currency", "decimals", "expected"),
    [("USD", 2, "US$12.30"), ("JPY", 0, "JP¥12"), ("KWD", 3, "KWD12.300"), ("XXX", 2, "12.30")],
)
def test_money_has_the_decimals_of_its_currency(currency, decimals, expected):
    assert Words("en", currency).value(12.3, "money", "full") == expected
    assert money_decimals(currency) == (decimals if currency != "XXX" else money_decimals("GBP"))


@pytest.mark.parametrize(
    ("period", "long", "short"),
    [
        ("2011-11", "November 2011", "Nov 2011"),
        ("2011-Q4", "Q4 2011", "Q4 2011"),
        ("2011-W45", "Week 45 (7–13 Nov 2011)", "7–13 Nov 2011"),
        ("2011-W48", "Week 48 (28 Nov – 4 Dec 2011)", "28 Nov – 4 Dec 2011"),
        ("2014-W01", "Week 1 (30 Dec 2013 – 5 Jan 2014)", "30 Dec 2013 – 5 Jan 2014"),
        ("2011", "2011", "2011"),
    ],
)
def test_a_period_has_a_name(period, long, short):
    assert WORDS.period(period) == long
    assert WORDS.period(Period.parse(period), "short") == short


def test_a_date_is_day_month_year():
    assert WORDS.date(Period.parse("2011-12").start) == "1 Dec 2011"


def test_sentences_are_filled_in():
    assert WORDS.text("story.rose", label="Retention", change="7.0 points", value="45.6%") == (
        "Retention rose by 7.0 points to 45.6%"
    )
    assert WORDS.direction == "ltr"


def test_a_frame_that_is_made_of_another_copies_no_sentence():
    """Pandas copies what a frame carries deeply, with each frame that is made of it."""
    carried = {"absent": {"churn": sentence("notes.small", n=3)}}
    assert deepcopy(carried)["absent"]["churn"] is carried["absent"]["churn"]


def test_values_are_never_read_as_fields():
    assert WORDS.text("document.filtered", column="{label}", value="{0.__class__}") == "{label} {0.__class__}"


def test_unknown_words_are_refused():
    assert "en" in languages()
    with pytest.raises(SettingsError, match=r"^There is no language 'eng' yet: did you mean 'en'\?$"):
        Words("eng")
    with pytest.raises(SettingsError, match=r"^There is no currency 'GBX': write its three-letter code"):
        money_decimals("GBX")
    with pytest.raises(KeyError):
        WORDS.text("story.nonsense")


def test_no_name_of_an_option_is_a_word_of_the_page():
    """Readers of a report know no `mrr_mode`: what a page says has no word with an underscore but columns of the lists."""

    def sentences(node, path=""):
        for key, value in node.items():
            yield from sentences(value, f"{path}{key}.") if isinstance(value, dict) else [(f"{path}{key}", value)]

    words = tomllib.loads((Path(wording.__file__).parent / "locale" / "en.toml").read_text("utf-8"))
    texts = [sentence for sentence in sentences(words) if sentence[0] != "locale"]
    texts += [
        (name, getattr(metric, part) or "")
        for name, metric in METRICS.items()
        for part in ("label", "definition", "formula", "competing", "source")
    ]
    assert [
        (where, text) for where, text in texts if re.search(r"\b[a-z]+_\w+\b", re.sub(r"\{[^}]*\}|lists/\w+", "", text))
    ] == []


def test_words_are_made_from_the_settings_of_the_report():
    report = make_settings({"report": {"languages": ["en"], "currency": "EUR", "digits": "arab"}}).report
    words = Words.of(report)
    assert (words.language, words.currency) == ("en", "EUR")
    assert words.value(1234.5, "money", "full") == "€1,234.50"  # English has no other digits
    with pytest.raises(SettingsError, match=r"report\.digits cannot be 'arabic': .*'arab'"):
        make_settings({"report": {"digits": "arabic"}})
    with pytest.raises(SettingsError, match="There is no language 'xx'"):
        Words.of(report, "xx")


@pytest.mark.parametrize(
    ("period", "language", "expected"),
    [
        ("2011-11", "en", "November 2011 · Dhu al-Hijjah 1432 – Muharram 1433 AH"),  # the year began on 26 November
        ("2025-03", "en", "March 2025 · Ramadan 1446 – Shawwal 1446 AH"),  # its feast was on 30 March
        ("2011-W45", "en", "Week 45 (7–13 Nov 2011) · Dhu al-Hijjah 1432 AH"),
        ("2011-11", "ar", "نوفمبر 2011 · ذو الحجة 1432 – محرم 1433 هـ"),
        ("1911-11", "en", "November 1911"),  # before the tables of the calendar
    ],
)
def test_a_period_has_hijri_months_beside_it(period, language, expected):
    assert plain(with_hijri(Period.parse(period), Words(language))) == expected


@pytest.mark.parametrize(("currency", "expected"), [("SAR", "64.08 ر.س"), ("EGP", "64.08 ج.م"), ("GBP", "64.08 £")])
def test_arabic_money_is_a_number_with_its_currency_and_no_stop_behind_it(currency, expected):
    assert plain(Words("ar", currency).value(64.08, "money")).replace("\xa0", " ") == expected
