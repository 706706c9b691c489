"""Live charts for readers from right to left, in Chromium: on a desk, on a phone, and under the pointer."""

from __future__ import annotations

from pathlib import Path

import nbformat.v4 as nbf
import pytest

from retention_kit.report.blocks import Block
from retention_kit.report.export.exporters import RetentionHTMLExporter
from test_charts_direction import ARABIC, ENGLISH, OTHERS, OVER_TIME

pytestmark = pytest.mark.browser

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
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
    blocks = [(OVER_TIME | OTHERS)[name](words) for name in NAMES]
    outputs = [
        nbf.new_output("display_data", data=Block("chart", alt=one.alt, spec=one.spec)._repr_mimebundle_())
        for one in blocks
    ]
    notebook = nbf.new_notebook(cells=[nbf.new_code_cell(outputs=outputs)])
    notebook.metadata["retention_kit"] = {"language": words.language, "direction": words.direction, "title": "A"}
    html, _ = RetentionHTMLExporter().from_notebook_node(notebook)
    path = tmp_path_factory.mktemp("charts") / f"{request.param}.html"
    path.write_text(html, "utf-8")
    return request.param, path


def opened(chromium, path: Path, viewport: dict):
    page = chromium.new_page(viewport=viewport)
    page.goto(path.as_uri())
    page.wait_for_function(f"document.querySelectorAll('.live.ready svg').length === {len(NAMES)}")
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
