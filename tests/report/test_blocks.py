"""Blocks: complete, escaped, and refused when they make no sense."""

import re

import pytest
from bs4 import BeautifulSoup

from retention_kit.errors import ReportError, UnknownNameError
from retention_kit.report.blocks import BLOCK_MIME, KINDS, VEGALITE_MIME, Block, sparkline, templates_dir

SPEC = {"mark": "bar", "data": {"values": [{"a": 1}]}, "encoding": {"x": {"field": "a", "type": "quantitative"}}}
SAMPLES = {
    "heading": {"text": "Words"},
    "headline": {"text": "Words", "lead": ["One.", "Two."]},
    "cards": {
        "cards": [
            {
                "label": "Words",
                "value": "45.6%",
                "changes": [
                    {"text": "Words since October", "direction": "up", "good": True, "detail": "Words of chance"},
                    {"text": "Words since last year", "direction": "flat", "good": None},
                ],
            }
        ]
    },
    "notice": {"title": "Words", "items": ["one"]},
    "text": {"text": "Words"},
    "table": {"columns": [{"label": "Words"}, {"label": "n", "align": "end"}], "rows": [["France", "12"]]},
    "terms": {"items": [{"term": "Words", "text": "What they mean.", "details": ["a / b"]}]},
    "goals": {"goals": [{"label": "Words", "state": "✓ reached", "share": 0.5, "mark": 0.25, "detail": "a · b"}]},
    "chart": {"title": "Words", "alt": "A bar", "spec": SPEC},
}


def test_there_is_a_sample_of_every_kind():
    assert set(SAMPLES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_shows_as_json_html_and_text(kind):
    bundle = Block(kind, **SAMPLES[kind])._repr_mimebundle_()
    assert bundle[BLOCK_MIME]["kind"] == kind
    assert set(bundle[BLOCK_MIME]) == {"kind", *KINDS[kind]}, "defaults are filled in"
    assert "Words" in bundle["text/plain"]
    if kind == "chart":  # Lab would show HTML rather than draw
        assert "text/html" not in bundle
        assert bundle[VEGALITE_MIME]["background"] == "white"
    else:
        assert "Words" in bundle["text/html"]


@pytest.mark.parametrize("kind", KINDS)
def test_words_never_become_markup(kind):
    def hostile(value):
        if isinstance(value, dict):
            return {key: hostile(part) for key, part in value.items()}
        return (
            [hostile(part) for part in value]
            if isinstance(value, list)
            else '"><img src=x>'
            if value == "Words"
            else value
        )

    html = Block(kind, **hostile(SAMPLES[kind])).html()
    assert "<img" not in html
    assert "&lt;img" in html


def test_a_card_says_each_change_with_its_direction_and_whether_it_is_good():
    card = BeautifulSoup(Block("cards", **SAMPLES["cards"]).html(), "html.parser").select_one(".card")
    since_october, since_last_year = card.select(".change")
    assert since_october.get_text(" ", strip=True) == "Words since October · Words of chance"
    assert (since_october["class"], bool(since_october.svg)) == (["change", "good"], True)
    assert (since_last_year["class"], bool(since_last_year.svg)) == (["change"], False)


def test_of_a_wide_table_each_figure_knows_its_column_and_what_is_undefined():
    """On a phone it is a list: every figure beside what it is, none that says nothing."""
    columns = [{"label": "Figure"}, *({"label": name, "align": "end"} for name in "abcde")]
    narrow = {"columns": columns[:4], "rows": [["Revenue", "1", "–", "3"]]}
    worded = {"columns": [*columns[:3], {"label": "why"}], "rows": [["Revenue", "1", "–", "of words"]]}
    wide = {"columns": columns, "rows": [["Revenue", "1", "–", "3", "4", "5"]]}
    four, words, six = (BeautifulSoup(Block("table", **data).html(), "html.parser") for data in (narrow, worded, wide))
    assert four.select("[data-label]") == []
    assert [cell["data-label"] for cell in words("td")] == ["a", "b", "why"], "words behind figures leave them no room"
    cells = six("td")
    assert [(cell["data-label"], cell.get_text()) for cell in cells] == list(zip("abcde", "1–345", strict=True))
    assert ["none" in cell["class"] for cell in cells] == [False, True, False, False, False]
    assert all(cell.bdi for cell in cells), "numbers keep their direction among words of any"


def test_a_block_in_words_leaves_out_what_only_a_picture_or_a_script_needs():
    table = Block("table", columns=[{"label": "Country"}], rows=[["France"]], keys=[[None]])
    assert str(table).split("\n") == ["Country", "France"]
    assert str(Block("cards", **SAMPLES["cards"])).split("\n") == [
        "Words",
        "45.6%",
        "Words since October",
        "Words of chance",
        "Words since last year",
    ]


def test_a_chart_takes_its_title_to_lab():
    assert Block("chart", title="Trend", alt="a", spec=SPEC)._repr_mimebundle_()[VEGALITE_MIME]["title"] == "Trend"


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        ("card", {}, "did you mean 'cards'"),
        ("text", {"txt": "a"}, "did you mean 'text'"),
        ("table", {"columns": []}, "needs 'rows'"),
        ("cards", {"cards": [{"label": "a", "vale": "1"}]}, "did you mean 'value'"),
        ("notice", {"title": "a", "tone": "loud"}, "no tone 'loud'"),
    ],
)
def test_a_senseless_block_is_refused_in_one_sentence(kind, data, message):
    with pytest.raises((ReportError, UnknownNameError), match=message):
        Block(kind, **data)


def test_a_sparkline_marks_its_last_value_and_breaks_where_one_is_missing():
    svg = sparkline([1, 2, None, 3, 4])
    assert svg.count("<polyline") == 2
    last = re.search(r'points="[^"]*?(\d+\.\d),(\d+\.\d)"/><circle', svg)
    assert f'cx="{last[1]}" cy="{last[2]}"' in svg


@pytest.mark.parametrize("values", [[], [None], [None, 3.0]])
def test_a_sparkline_of_one_value_is_no_line(values):
    assert sparkline(values) == ""


def test_a_constant_sparkline_is_level():
    assert len({point.split(",")[1] for point in re.findall(r"\d+\.\d,\d+\.\d", sparkline([2, 2, 2]))}) == 1


def test_skins_and_fonts_are_there():
    assert {path.name for path in templates_dir().iterdir()} >= {"html", "typst", "fonts"}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("notice", {"title": "Why", "items": ["<b> fell by −£88.33, in all (+€1.2M), not −12 CHF or 7 − £3"]}),
        ("text", {"text": "<b> fell by −£88.33, in all (+€1.2M), not −12 CHF or 7 − £3"}),
        ("headline", {"text": "Lower", "lead": ["<b> fell by −£88.33, in all (+€1.2M), not −12 CHF or 7 − £3"]}),
    ],
)
def test_no_line_ends_between_a_sign_and_its_currency(kind, fields):
    soup = BeautifulSoup(Block(kind, **fields).html(), "html.parser")
    assert [span.text for span in soup.select("span.short")] == ["−£88.33", "+€1.2M", "−12 CHF"]
    assert "<b> fell by −£88.33, in all (+€1.2M), not −12 CHF or 7 − £3" in soup.text
    assert re.search(r"^\.short \{[^}]*nowrap", (templates_dir() / "html" / "report.css").read_text("utf-8"), re.M)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("to be done by 1 Jan 2026 to 14 Jan 2026, 2025", ["1 Jan 2026", "14 Jan 2026"]),
        ("\u20671 يناير 2026\u2069 إلى \u20678 يناير 2026\u2069", ["1 يناير 2026", "8 يناير 2026"]),
        ("such as '2023-06-02 18:13:38', 2024-01", ["2023-06-02 18:13:38", "2024-01"]),
        ("promoters (9–10) of 2025", ["9–10"]),
        ("customer-00012@shop, follow_ups/2025-12-31 & Kaplan-Meier", ["customer-00012@shop", "follow_ups/2025-12-31"]),
        ("holds in 36 periods, and 12 of 1,155 rows or £698 given", ["36 periods", "1,155 rows", "£698 given"]),
        ("في \u20661,155\u2069 عميلًا و\u206636\u2069 فترة", ["\u20661,155\u2069 عميلًا", "\u206636\u2069 فترة"]),
        ("▲ +1.3% vs 15–21 Dec 2025", ["15–21 Dec 2025"]),
        ("منذ 7 رجب 1447 هـ الآن", ["7 رجب 1447 هـ"]),
        (f"<{'a-' * 20}1> and lists/new_customers.csv", []),  # longer than a line of a phone; a name
    ],
)
def test_no_line_ends_in_a_date_a_range_or_an_id_or_after_a_number_of_things(text, whole):
    cells = {"columns": [{"label": "a"}, {"label": "b"}], "rows": [[text, text]]}
    for block in (Block("table", **cells), Block("terms", items=[{"term": "a", "text": text, "details": [text]}])):
        soup = BeautifulSoup(block.html(), "html.parser")
        assert [span.text for span in soup.select("span.short")] == whole * 2
        assert soup.text.count(text) == 2


def test_a_date_in_a_change_is_as_heavy_as_the_rest_of_it():
    """What is said beside a change is lighter; the change itself is not, though a line may not end in its date."""
    change = {"text": "+1.3% vs 15–21 Dec 2025", "direction": "up", "good": True, "detail": "within chance"}
    page = BeautifulSoup(
        Block("cards", cards=[{"label": "A", "value": "1", "changes": [change]}]).html(), "html.parser"
    )
    lighter = re.search(
        r"^(\.change [^{]*span) \{[^}]*font-weight: 400",
        (templates_dir() / "html" / "report.css").read_text("utf-8"),
        re.M,
    )
    assert [span.text for span in page.select(lighter[1])] == ["\xa0·", "within chance"]
    assert page.select_one(".change .short").text == "15–21 Dec 2025"


@pytest.mark.parametrize(
    ("value", "is_wide"),
    [("\u2067\u206623,944\u2069 \u2066£\u2069\u2069", False), ("£23,944", False), ("US$1,234,567", True)],
)
def test_a_figure_of_a_card_is_small_where_it_is_long_to_the_eye(value, is_wide):
    """Controls of direction take no room."""
    page = BeautifulSoup(Block("cards", cards=[{"label": "Revenue", "value": value}]).html(), "html.parser")
    assert ("wide" in page.select_one(".value")["class"]) is is_wide
