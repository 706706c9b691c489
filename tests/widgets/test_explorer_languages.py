"""The explorer in another language: other words from the other side, the same figures."""

import json
import re

import pytest

import retention_kit as rk
from retention_kit.bidi import plain
from retention_kit.errors import SettingsError

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from test_explorer import cells, data, opened, shop, soup

from retention_kit.widgets.content import TABS

__all__ = ["data", "shop"]  # fixtures
NAMES = re.compile(r"[A-Za-z]{3,}")


@pytest.fixture(scope="module")
def pair(data):
    return [rk.explore(data, segment="channel", language=language).wait() for language in ("en", "ar")]


def figures(texts) -> list[list[str]]:
    return [re.findall(r"\d[\d.,]*\d|\d", plain(text)) for text in texts]


@pytest.mark.long
@pytest.mark.parametrize("tab", ["trend", "movements", "segments"])
def test_tables_hold_the_same_figures(pair, tab):
    english, arabic = ([cell for row in cells(soup(opened(explorer, tab))) for cell in row] for explorer in pair)
    numbers = [[value for value in figures(texts) if value] for texts in (english, arabic)]
    assert len(numbers[0]) > 20
    assert numbers[0] == numbers[1]


def test_cards_tell_the_same_values_in_other_words(pair):
    english, arabic = (soup(explorer._cards) for explorer in pair)
    values = [figures(value.get_text() for value in page.select(".rk-value")) for page in (english, arabic)]
    assert values[0] == values[1]
    assert [card["data-metric"] for card in english.select(".rk-card")] == [
        card["data-metric"] for card in arabic.select(".rk-card")
    ]
    assert not NAMES.search(plain(arabic.get_text()))
    assert arabic.select_one(".rk-label").get_text() == "معدل الاحتفاظ بالعملاء"


def test_all_that_can_be_chosen_is_named_in_the_language_and_means_the_same(pair):
    english, arabic = (explorer._controls for explorer in pair)
    for name in ("every", "period", "metric", "compare", "column"):
        widgets = [getattr(controls, name) for controls in (english, arabic)]
        assert widgets[0].description != widgets[1].description
        assert [value for _, value in widgets[0].options] == [value for _, value in widgets[1].options]
    assert not any(NAMES.search(plain(label)) for label, _ in arabic.metric.options)
    assert pair[1]._tabs.titles != pair[0]._tabs.titles
    assert len(pair[1]._tabs.titles) == len(TABS)
    arabic.values.value = ("web",)
    try:
        assert pair[1].wait().values == ("web",)
        assert pair[1].parameters["segment"] == "channel=web"
    finally:
        arabic.values.value = ()
        pair[1].wait()


def test_it_is_turned_round_where_the_language_is(pair):
    assert [explorer._front.labels[":root"]["dir"] for explorer in pair] == ["ltr", "rtl"]
    assert [explorer._front.labels[":root"]["lang"] for explorer in pair] == ["en", "ar"]


def test_what_goes_on_from_it_is_of_the_language_and_data_stay_as_they_are(pair, data):
    assert pair[1].parameters | {"language": "en"} == pair[0].parameters
    assert pair[1].parameters["language"] == "ar"
    assert list(pair[1].scorecard["label"]) == list(pair[0].scorecard["label"])
    assert pair[1].customers.to_csv() == pair[0].customers.to_csv()
    assert data.settings.report.languages == ["en"]
    assert 'dir="rtl"' in pair[1].scorecard._repr_html_()
    assert json.dumps(pair[1].parameters).isascii()


def test_a_language_without_words_is_refused_in_a_sentence(data):
    with pytest.raises(SettingsError, match=r"There is no language 'arr' yet: did you mean 'ar'\?"):
        rk.explore(data, language="arr")
    with pytest.raises(SettingsError, match="language must be a text, not 7"):
        rk.explore(data, language=7)
