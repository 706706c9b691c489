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
        nbf.new_output("display_data", data=Block("chart", alt=chart.alt, spec=chart.spec)._repr_mimebundle_())
        for chart in charts
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
    assert {chart["direction"] for chart in (trend, movements, cells, segments)} == {"ltr"}, (
        "whatever stands around them"
    )
    side, other, sign = ("right", "left", -1) if language == "ar" else ("left", "right", 1)

    times = [mark["left"] for mark in trend["marks"]]
    assert (times[-1] - times[0]) * sign > 0, "the last period is the furthest from where the reader begins"
    assert (min(movements["yAxis"], key=lambda label: label["left"] * sign)["text"])[0] in "01234-−", "the axis upwards"
    for square, name in zip(movements["squares"], movements["names"], strict=True):
        assert (square[side] - name[side]) * sign < 0, "each square before its name"
        assert 0 < (name[side] - square[other]) * sign < 12
    assert abs(cells["svg"][side] - cells["picture"][side]) < 20, "what is narrower stands there, and is seen first"
    labels = [label for label in segments["texts"] if "Peru" in label["text"] or "Chile" in label["text"]]
    assert all(abs(label[side] - segments["svg"][side]) < (150 if viewport == DESK else 20) for label in labels)
    page.close()


@pytest.mark.parametrize("words", [ENGLISH, ARABIC], ids=["en", "ar"])
def test_on_a_phone_no_line_runs_through_a_label(chromium, tmp_path, words):
    """The dashed line of all together is drawn where names stand above their lines; its ink is brick, theirs grey."""
    rows = segment_rows(dict.fromkeys((f"A name of a department {letter}" for letter in "ABCDE"), 0.5))
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

    labels = [label for label in chart["texts"] if "department" in label["text"]]
    assert len({label["text"] for label in labels}) == len(rows)
    assert brick(chart["svg"]) > 50
    label_boxes = [
        label | {"top": label["top"] + 4, "bottom": label["bottom"] - 4} for label in labels
    ]  # without what is around
    assert [label["text"] for label in label_boxes if brick(label)] == []
    page.close()


def test_a_long_name_is_shortened_once(chromium, tmp_path):
    path, names = tmp_path / "page.html", ["MEMBERSHIP OF HOUSEHOLD GOODS, NORTHERN REGION", "x"]
    write_page(path, [series.segments(segment_rows(dict.fromkeys(names, 0.5)), ENGLISH)], ENGLISH)
    page = opened(chromium, path, DESK)
    (chart,) = page.eval_on_selector_all("figure.chart", BOXES)
    assert sorted(label["text"].count("…") for label in chart["yAxis"] if "%" not in label["text"]) == [0, 1]
    page.close()


def test_an_axis_on_a_phone_has_more_than_one_figure(chromium, tmp_path):
    path = tmp_path / "page.html"
    rows = [segment_rows({"a": low, "b": high}) for low, high in ((0.15, 0.8), (0.3, 0.36), (0.94, 0.98))]
    write_page(path, [series.segments(each, ENGLISH) for each in rows], ENGLISH)
    page = opened(chromium, path, PHONE)
    for chart in page.eval_on_selector_all("figure.chart", BOXES):
        ticks = [label for label in chart["texts"] if re.fullmatch(r"[\d.]+%", label["text"])]
        assert len(ticks) > 1
        assert all(
            tick["right"] + 5 < next_tick["left"] for tick, next_tick in pairwise(sorted(ticks, key=itemgetter("left")))
        )
    page.close()


def test_a_tooltip_is_read_as_the_page_is(chromium, charts):
    language, path = charts
    page = opened(chromium, path, DESK)
    page.locator("figure.chart .live.ready .mark-rect.role-mark path").first.hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible td.value")
    key, value = (page.locator(f"#vg-tooltip-element td.{name}").first.bounding_box() for name in ("key", "value"))
    assert (key["x"] > value["x"]) == (language == "ar")
    direction = page.locator("#vg-tooltip-element td.value").first.evaluate("one => getComputedStyle(one).unicodeBidi")
    assert (direction == "plaintext") == (language == "ar"), "a figure alone has its sign before it"
    page.close()
