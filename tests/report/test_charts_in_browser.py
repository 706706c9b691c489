"""Live charts for readers from right to left, in Chromium: on a desk, on a phone, and under the pointer."""

from __future__ import annotations

import re
from io import BytesIO
from itertools import pairwise
from operator import itemgetter
from pathlib import Path

import nbformat.v4 as nbf
import pytest
from PIL import Image

from retention_kit.report.blocks import Block
from retention_kit.report.charts import series
from retention_kit.report.charts.base import ChartSpec
from retention_kit.report.export.exporters import RetentionHTMLExporter
from retention_kit.wording import Words
from test_charts import segment_rows
from test_charts_direction import ARABIC, ENGLISH, OTHERS, OVER_TIME

pytestmark = pytest.mark.browser

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PAIRS = {"left": ("left", "right"), "top": ("top", "bottom")}
NAMES = ("trend", "customer movements", "heat map", "segments")
# Of every live chart the boxes of its marks, of its labels by their text, and of itself.
BOXES = """figures => figures.map(figure => {
  const box = one => { const {left, right, top, bottom} = one.getBoundingClientRect(); return {left, right, top, bottom}; };
  const svg = figure.querySelector('.live.ready svg');
  const all = selector => [...svg.querySelectorAll(selector)].map(one => ({...box(one), text: one.textContent}))
    .filter(one => one.right > one.left);
  return {
    picture: box(figure.querySelector('.picture')), svg: box(svg), direction: getComputedStyle(svg).direction,
    marks: all('.mark-symbol.role-mark path, .mark-rect.role-mark path'),
    squares: all('.role-legend-symbol path'), names: all('.role-legend-label text'),
    yAxis: all('.role-axis-label text'), texts: all('text'),
    scroll: figure.querySelector('.picture').scrollLeft,
  };
})"""


@pytest.fixture(scope="module", params=["ar", "en"])
def charts(request, tmp_path_factory) -> tuple[str, Path]:
    """The same charts in a page of one language."""
    words = ARABIC if request.param == "ar" else ENGLISH
    path = tmp_path_factory.mktemp("charts") / f"{request.param}.html"
    write_page(path, [(OVER_TIME | OTHERS)[name](words) for name in NAMES], words)
    return request.param, path


def write_page(path: Path, charts: list[ChartSpec], words: Words) -> None:
    outputs = [
        nbf.new_output("display_data", data=Block("chart", alt=one.alt, spec=one.spec)._repr_mimebundle_())
        for one in charts
    ]
    notebook = nbf.new_notebook(cells=[nbf.new_code_cell(outputs=outputs)])
    notebook.metadata["retention_kit"] = {"language": words.language, "direction": words.direction, "title": "A"}
    path.write_text(RetentionHTMLExporter().from_notebook_node(notebook)[0], "utf-8")


def opened(chromium, path: Path, viewport: dict):
    page = chromium.new_page(viewport=viewport)
    page.goto(path.as_uri())
    page.wait_for_function(
        "document.querySelectorAll('.live.ready svg').length === document.querySelectorAll('figure.chart').length"
    )
    return page


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_charts_begin_where_the_reader_does(chromium, charts, viewport):
    language, path = charts
    page = opened(chromium, path, viewport)
    trend, movements, cells, segments = page.eval_on_selector_all("figure.chart", BOXES)
    assert {one["direction"] for one in (trend, movements, cells, segments)} == {"ltr"}, "whatever stands around them"
    side, other, sign = ("right", "left", -1) if language == "ar" else ("left", "right", 1)

    times = [mark["left"] for mark in trend["marks"]]
    assert (times[-1] - times[0]) * sign > 0, "the last period is the furthest from where the reader begins"
    assert (min(movements["yAxis"], key=lambda one: one["left"] * sign)["text"])[0] in "01234-−", "the axis upwards"
    for square, name in zip(movements["squares"], movements["names"], strict=True):
        assert (square[side] - name[side]) * sign < 0, "each square before its name"
        assert 0 < (name[side] - square[other]) * sign < 12
    assert abs(cells["svg"][side] - cells["picture"][side]) < 20, "what is narrower stands there, and is seen first"
    labels = [one for one in segments["texts"] if "Peru" in one["text"] or "Chile" in one["text"]]
    assert all(abs(one[side] - segments["svg"][side]) < (150 if viewport == DESK else 20) for one in labels)
    page.close()


@pytest.mark.parametrize("words", [ENGLISH, ARABIC], ids=["en", "ar"])
def test_on_a_phone_no_line_runs_through_a_label(chromium, tmp_path, words):
    """The dashed line of all together is drawn where names stand above their lines; its ink is brick, theirs grey."""
    rows = segment_rows(dict.fromkeys((f"A name of a department {place}" for place in "ABCDE"), 0.5))
    path = tmp_path / "page.html"
    write_page(path, [series.segments(rows, words, total=0.46)], words)
    page = opened(chromium, path, PHONE)
    svg = page.locator(".live.ready > svg")
    (chart,) = page.eval_on_selector_all("figure.chart", BOXES)
    picture = Image.open(BytesIO(svg.screenshot())).convert("RGB")

    def brick(box: dict) -> int:
        sides = [round(box[side] - chart["svg"][start]) for start in ("left", "top") for side in PAIRS[start]]
        colours = picture.crop((sides[0], sides[2], sides[1], sides[3])).getcolors(10**6)
        return sum(count for count, (red, _, blue) in colours if red - blue > 40)

    labels = [one for one in chart["texts"] if "department" in one["text"]]
    assert len({one["text"] for one in labels}) == len(rows)
    assert brick(chart["svg"]) > 50
    letters = [one | {"top": one["top"] + 4, "bottom": one["bottom"] - 4} for one in labels]  # without what is around
    assert [one["text"] for one in letters if brick(one)] == []
    page.close()


def test_a_long_name_is_shortened_once(chromium, tmp_path):
    path, names = tmp_path / "page.html", ["MEMBERSHIP OF HOUSEHOLD GOODS, NORTHERN REGION", "x"]
    write_page(path, [series.segments(segment_rows(dict.fromkeys(names, 0.5)), ENGLISH)], ENGLISH)
    page = opened(chromium, path, DESK)
    (chart,) = page.eval_on_selector_all("figure.chart", BOXES)
    assert sorted(one["text"].count("…") for one in chart["yAxis"] if "%" not in one["text"]) == [0, 1]
    page.close()


def test_an_axis_on_a_phone_has_more_than_one_figure(chromium, tmp_path):
    path = tmp_path / "page.html"
    rows = [segment_rows({"a": low, "b": high}) for low, high in ((0.15, 0.8), (0.3, 0.36), (0.94, 0.98))]
    write_page(path, [series.segments(each, ENGLISH) for each in rows], ENGLISH)
    page = opened(chromium, path, PHONE)
    for chart in page.eval_on_selector_all("figure.chart", BOXES):
        ticks = [one for one in chart["texts"] if re.fullmatch(r"[\d.]+%", one["text"])]
        assert len(ticks) > 1
        assert all(one["right"] + 5 < other["left"] for one, other in pairwise(sorted(ticks, key=itemgetter("left"))))
    page.close()


def test_a_tooltip_is_read_as_the_page_is(chromium, charts):
    language, path = charts
    page = opened(chromium, path, DESK)
    page.locator("figure.chart .live.ready .mark-rect.role-mark path").first.hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible td.value")
    key, value = (page.locator(f"#vg-tooltip-element td.{name}").first.bounding_box() for name in ("key", "value"))
    assert (key["x"] > value["x"]) == (language == "ar")
    way = page.locator("#vg-tooltip-element td.value").first.evaluate("one => getComputedStyle(one).unicodeBidi")
    assert (way == "plaintext") == (language == "ar"), "a figure alone has its sign before it"
    page.close()
