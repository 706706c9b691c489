"""Charts for readers from right to left: the same marks in the same colours, mirrored, and texts in their order."""

from __future__ import annotations

import json
import re
import unicodedata

import altair as alt
import pandas as pd
import pytest
import vl_convert
from bs4 import BeautifulSoup

import retention_kit as rk
from retention_kit import bidi
from retention_kit.errors import SettingsError
from retention_kit.report.blocks import VEGALITE_MIME, Block, sparkline, templates_dir
from retention_kit.report.charts import calibration, cohorts, concentration, goals, series, surveys, survival, waterfall
from retention_kit.report.charts.direction import as_run
from retention_kit.report.export.drawing import render_png
from retention_kit.report.page import Page
from retention_kit.settings import make_settings
from retention_kit.wording import Words
from test_charts import CUSTOMERS, MRR, NPS, SEGMENTS, segment_rows, trend_rows
from test_charts_customers import AVERAGE, CELLS, LINES, TENTHS

ENGLISH, ARABIC = Words("en", "GBP"), Words("ar", "GBP")
TREND = trend_rows([0.38, 0.39, 0.456, 0.22], incomplete=[3]).assign(year_ago=[None, 0.35, 0.4, 0.3])
ANSWERS = pd.DataFrame(
    {
        "period": "2024-01",
        "survey": "nps",
        "score": range(11),
        "answers": [1, 0, 0, 0, 0, 0, 0, 2, 0, 3, 4],
        "share": [0.1, 0, 0, 0, 0, 0, 0, 0.2, 0, 0.3, 0.4],
        "group": ["detractors"] * 7 + ["passives"] * 2 + ["promoters"] * 2,
    }
)
STEPS = [
    {"name": "start", "value": 100.0, "before": 0.0, "after": 100.0},
    {"name": "new", "value": 40.0, "before": 100.0, "after": 140.0},
    {"name": "churned", "value": -25.0, "before": 140.0, "after": 115.0},
    {"name": "end", "value": 115.0, "before": 0.0, "after": 115.0},
]
SEEN = pd.DataFrame(
    [
        (plan, month, share, share - 0.1, share, 40)
        for plan, share in (("Pro", 0.9), ("Basic", 0.6))
        for month in (0, 1, 2)
    ],
    columns=["group", "month", "share", "low", "high", "at_risk"],
)
AHEAD = pd.DataFrame({"group": "Pro", "month": [2, 3], "share": [0.9, 0.8]})
BINS = [
    {"predicted": 0.1 * place, "actual": 0.1 * place + 0.02, "low": 0.05, "high": 0.9, "customers": 20}
    for place in (1, 4, 7)
]
OVER_TIME = {
    "trend": lambda words: series.trend(TREND, words, goal=0.45, before="year_ago"),
    "customer movements": lambda words: series.customer_movements(CUSTOMERS, words),
    "MRR movements": lambda words: series.mrr_movements(MRR, words),
    "NPS": lambda words: series.nps(NPS, words),
    "goal": lambda words: goals.goal_trend(
        [("2024-01", 0.4), ("2024-02", 0.5)], [("2024-03", 0.4, 0.55, 0.7)], 0.6, "fraction", words
    ),
    "heat map": lambda words: cohorts.heat_map(CELLS, words, "month", "fraction"),
    "curves": lambda words: cohorts.curves(LINES, AVERAGE, "2024-01", words, "month"),
    "survival": lambda words: survival.survival(SEEN, AHEAD, words),
}
OTHERS = {
    "segments": lambda words: series.segments(segment_rows(SEGMENTS), words, total=0.55),
    "tenths": lambda words: concentration.revenue_by_tenth(TENTHS, 2, words),
    "answers": lambda words: surveys.answers(
        ANSWERS.assign(group_label=[words.text(f"charts.nps.{group}") for group in ANSWERS["group"]]), words
    ),
    "waterfall": lambda words: waterfall.waterfall(STEPS, "2024-02", words),
    "calibration": lambda words: calibration.calibration(BINS, words),
}
every_chart = pytest.mark.parametrize("draw", [*OVER_TIME.values(), *OTHERS.values()], ids=[*OVER_TIME, *OTHERS])
every_other = pytest.mark.parametrize("draw", OTHERS.values(), ids=OTHERS)
every_time = pytest.mark.parametrize("draw", OVER_TIME.values(), ids=OVER_TIME)


def encodings(spec: dict) -> list[dict]:
    return [spec.get("encoding", {}), *(layer.get("encoding", {}) for layer in spec["layer"])]


def marks(spec: dict) -> list[tuple]:
    """All that is drawn of the data: place within the plot (0 to 1 across and down), size and colours."""
    plot = vl_convert.vegalite_to_scenegraph(spec)["scenegraph"]["items"][0]
    width, height = plot["width"], plot["height"]
    result = []
    for mark in plot["items"]:
        if mark.get("role") == "mark" and mark["marktype"] in ("rect", "symbol", "line", "rule"):
            for item in mark["items"]:
                left, right = sorted((item.get("x", 0), item.get("x2", item.get("x", 0) + item.get("width", 0))))
                position = left / width, right / width, item.get("y", 0) / height
                result.append((mark["marktype"], *position, item.get("fill"), item.get("stroke"), item.get("opacity")))
        elif mark["marktype"] == "group" and "scope" in mark.get("role", ""):
            continue
    return result


def texts(spec: dict) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</t", vl_convert.vegalite_to_svg(spec))


@every_chart
def test_a_chart_is_mirrored_mark_by_mark_in_the_same_colours(draw):
    english, arabic = (marks(draw(words).spec) for words in (ENGLISH, ARABIC))
    assert english
    turned = [(kind, 1 - right, 1 - left, *rest) for kind, left, right, *rest in english]

    def ordered(drawn):
        return sorted(drawn, key=lambda mark: (mark[0], str(mark[4:]), round(mark[3], 2), mark[1]))

    for drawn, expected in zip(ordered(arabic), ordered(turned), strict=True):
        assert drawn[1:4] == pytest.approx(expected[1:4], abs=0.03)  # labels of another width leave another plot
        assert (drawn[0], drawn[4:]) == (expected[0], expected[4:])


@every_chart
def test_axes_legend_titles_and_labels_stand_on_the_readers_side(draw):
    english, arabic = draw(ENGLISH).spec, draw(ARABIC).spec
    alt.Chart.from_dict(arabic)
    assert arabic["padding"]["right"] == english["padding"]["left"]
    assert (arabic["padding"]["left"] > 4) == (english["padding"]["right"] > 4), "room for what stands at the end"
    for before, now in zip(encodings(english), encodings(arabic), strict=True):
        if "field" in now.get("x", {}):
            assert now["x"]["scale"]["reverse"] is True
        if now.get("y", {}).keys() & {"field", "datum"}:
            assert now["y"]["axis"]["orient"] == "right"
        assert before.get("x", {}).get("scale", {}).get("reverse") is None
    for before, now in zip(english["layer"], arabic["layer"], strict=True):
        if before["mark"].get("align") in ("left", "right"):
            assert {before["mark"]["align"], now["mark"]["align"]} == {"left", "right"}
            assert now["mark"].get("dx", 0) == -before["mark"].get("dx", 0)
    assert arabic["config"]["legend"]["layout"] == {"expr": "{top: {anchor: 'end'}}"}
    assert arabic["config"]["axisX"] == {"titleAnchor": "start", "titleAlign": "right"}, "of an axis that is reversed"


@every_chart
def test_a_series_keeps_its_colour_and_its_place(draw):
    english, arabic = (
        [
            encoding["color"]
            for encoding in encodings(draw(words).spec)
            if encoding.get("color", {}).get("scale", {}).get("domain")
        ]
        for words in (ENGLISH, ARABIC)
    )
    for before, now in zip(english, arabic, strict=True):
        assert now["scale"]["range"] == before["scale"]["range"]
        assert len(now["scale"]["domain"]) == len(before["scale"]["domain"])
        if isinstance(now["scale"]["domain"][0], str) and now.get("legend", {}) is not None:
            assert now["legend"]["values"] == now["scale"]["domain"][::-1], "the first is the rightmost"
            assert now["legend"]["labelOffset"] == {"expr": "-14"}, "each name before its square"
            assert now["legend"]["labelAlign"] == "right"


def test_colours_belong_to_what_they_mean():
    colour = next(
        encoding["color"] for encoding in encodings(OVER_TIME["customer movements"](ARABIC).spec) if "color" in encoding
    )
    kinds = ("retained", "reactivated", "new", "lost")
    assert colour["scale"]["domain"] == [as_run(ARABIC.text(f"charts.customers.{kind}")) for kind in kinds]
    assert colour["scale"]["range"] == [series.TEAL, series.LIGHT_TEAL, series.AMBER, series.TERRACOTTA]


def test_steps_go_down_where_they_did():
    """Vega joins points from the left: mirrored, a step has to come before its point."""
    ways = {layer["mark"].get("interpolate") for layer in OVER_TIME["survival"](ARABIC).spec["layer"]}
    assert "step-after" not in ways
    assert "step-before" in ways


@every_chart
def test_every_text_is_one_run_of_its_direction(draw):
    for text in texts(draw(ARABIC).spec):
        kinds = {unicodedata.bidirectional(sign) for sign in text}
        assert not kinds & {"R", "AL"} or bidi.is_isolated(text), text
        assert sum(text.count(sign) for sign in "\u2066\u2067\u2068") == text.count("\u2069"), text


@every_chart
def test_english_has_none_of_this(draw):
    spec = json.dumps(draw(ENGLISH).spec, ensure_ascii=False)
    assert bidi.plain(spec) == spec
    assert not re.search(r'"reverse"|"usermeta"|"orient": "right"|"numerals"', spec)


@every_time
def test_time_can_run_the_other_way(draw):
    """All else stays on the reader's side."""
    arabic, english = Words("ar", "GBP", time_direction="ltr"), Words("en", "GBP", time_direction="rtl")
    assert not any("reverse" in encoding.get("x", {}).get("scale", {}) for encoding in encodings(draw(arabic).spec))
    assert draw(arabic).spec["config"]["axisX"] == {"titleAnchor": "end", "titleAlign": "right"}
    assert draw(arabic).spec["config"]["legend"]["layout"] == {"expr": "{top: {anchor: 'end'}}"}
    assert any("reverse" in encoding.get("x", {}).get("scale", {}) for encoding in encodings(draw(english).spec))
    assert draw(english).spec["config"]["axisX"] == {"titleAnchor": "end", "titleAlign": "left"}
    assert "layout" not in draw(english).spec["config"]["legend"]


@every_other
def test_where_no_time_runs_its_direction_changes_nothing(draw):
    assert draw(Words("ar", "GBP", time_direction="ltr")).spec == draw(ARABIC).spec
    assert draw(Words("en", "GBP", time_direction="rtl")).spec == draw(ENGLISH).spec


def test_the_setting_is_one_of_two():
    report = make_settings({"report": {"languages": ["ar"], "time_direction": "ltr"}}).report
    assert (Words.of(report).direction, Words.of(report).time_direction) == ("rtl", "ltr")
    assert Words.of(make_settings({"report": {"languages": ["ar"]}}).report).time_direction == "rtl"
    with pytest.raises(SettingsError, match=r"report\.time_direction cannot be 'left': choose from ltr, rtl"):
        make_settings({"report": {"time_direction": "left"}})


@every_chart
def test_digits_are_those_of_the_setting_everywhere(draw):
    drawing = draw(Words("ar", "GBP", digits="arab"))
    text = "".join(texts(drawing.spec))
    assert not re.search("[0-9%]", text)
    assert re.search("[٠-٩]", text)
    tips = [tip for encoding in encodings(drawing.spec) for tip in encoding.get("tooltip", [])]
    for tip in tips:
        rows = [
            row for part in (drawing.spec, *drawing.spec["layer"]) for row in part.get("data", {}).get("values", [])
        ]
        text = "".join(str(row[tip["field"]]) for row in rows if tip["field"] in row)
        assert tip.get("format") == "d" or not re.search("[0-9]", text), tip


@pytest.mark.parametrize(
    ("value", "ticks"),
    [
        (64_000, {"\u2067\u206660,000\u2069 £\u2069"}),
        (250_000, {"\u2067\u2066240\u2069 ألف £\u2069"}),
        (-250_000, {"\u2067\u2066−240\u2069 ألف £\u2069"}),
    ],
)
def test_money_axis_speaks_as_the_text_does(value, ticks):
    drawing = series.trend(trend_rows([value], "money", half=None), ARABIC)
    labels = {text.replace("\xa0", " ") for text in texts(drawing.spec)}
    assert {re.sub("\u2066([^\u2069]*£)\u2069", r"\1", text) for text in labels} >= ticks


def test_a_text_is_made_a_run_only_where_that_is_needed():
    assert as_run("Peru (2)") == "Peru (2)"
    assert as_run("العملاء الجدد") == "\u2067العملاء الجدد\u2069", "as it may be cut: its dots come last"
    assert as_run("\u2066−45%\u2069") == "−45%"
    assert as_run("\u2068Peru\u2069") == "Peru"
    assert as_run("\u206645%\u2069 · \u20661\u2069") == "\u2067\u206645%\u2069 · \u20661\u2069\u2069"
    assert as_run(["MRR في البداية", 3]) == ["\u2067MRR في البداية\u2069", 3]


def test_isolates_are_not_seen_and_take_no_room():
    """In a picture as it is measured, and as it is drawn."""

    def picture(text):
        element = f'<text x="5" y="20" font-family="IBM Plex Sans Arabic" font-size="14">{text}</text>'
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="30">{element}</svg>'
        return render_png(svg, 1, str(templates_dir() / "fonts"))

    assert picture("\u2067مليون\u2069") == picture("مليون")
    assert picture("\u206645%\u2069") == picture("45%")
    assert picture("ن 45%") != picture("\u2067ن \u206645%\u2069\u2069"), "which has its percent sign beside its number"

    def width(name):
        bars = {"data": {"values": [{"name": name}]}, "mark": "bar", "encoding": {"y": {"field": "name"}}}
        return float(re.search(r'<svg[^>]* width="([\d.]+)"', vl_convert.vegalite_to_svg(bars))[1])

    assert width("\u2067مليون\u2069") - width("مليون") <= 1
    assert width("\u2068Peru\u2069") - width("Peru") <= 1


def test_small_lines_run_as_time_does():
    values = [1.0, None, 3.0, 2.0]
    usual, turned = (BeautifulSoup(sparkline(values, way), "html.parser") for way in ("ltr", "rtl"))
    last, last_turned = (float(drawing.circle["cx"]) for drawing in (usual, turned))
    assert (last, last_turned) == (116, 4), "the last value is marked, at the left"

    def points(picture):
        return [
            [float(number) for number in pair.split(",")]
            for line in picture("polyline")
            for pair in line["points"].split()
        ]

    assert points(turned) == [[120 - across, down] for across, down in points(usual)]
    assert sparkline(values) == sparkline(values, "ltr")


@pytest.mark.long
@pytest.mark.parametrize(("settings", "way"), [({}, "rtl"), ({"time_direction": "ltr"}, "ltr")])
def test_cards_say_where_their_small_lines_run(settings, way):
    data = rk.sample(languages=["ar"], **settings)
    (card,) = Page(language="ar", data=data).cards("customer_retention_rate").data["cards"]
    assert card["time_direction"] == way
    assert str(sparkline(card["spark"], way)) in Block("cards", cards=[card]).html()
    (english,) = Page(language="en", data=data).cards("customer_retention_rate").data["cards"]
    assert (english["time_direction"], english["spark"]) == ("ltr", card["spark"])


def test_in_lab_a_title_begins_where_the_reader_does():
    drawing = OVER_TIME["trend"](ARABIC)
    spec = Block("chart", title="الإيرادات 2024", alt=drawing.alt, spec=drawing.spec)._repr_mimebundle_()[VEGALITE_MIME]
    assert (spec["title"], spec["config"]["title"]["anchor"]) == ("\u2067الإيرادات 2024\u2069", "end")
    english = OVER_TIME["trend"](ENGLISH)
    spec = Block("chart", title="Revenue", alt=english.alt, spec=english.spec)._repr_mimebundle_()[VEGALITE_MIME]
    assert (spec["title"], spec["config"]["title"]["anchor"]) == ("Revenue", "start")
