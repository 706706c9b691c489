"""The packs as those read them who do not see, or not well: axe-core's rules, and the contrast that it cannot measure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from test_browser import DESK, PHONE, Opened

pytestmark = pytest.mark.browser

# Of every word in a chart: its contrast with what lies under its middle, worst first.
WORDS = """() => {
  const parts = colour => (colour.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const over = (top, alpha, ground) => top.slice(0, 3).map((part, place) => part * alpha + ground[place] * (1 - alpha));
  const light = colour => {
    const [r, g, b] = colour.map(part => (part /= 255) <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const painted = (element, ground) => {
    const {fill, fillOpacity, opacity} = getComputedStyle(element);
    return fill === 'none' ? ground : over(parts(fill), (parts(fill)[3] ?? 1) * fillOpacity * opacity, ground);
  };
  const paper = parts(getComputedStyle(document.body).backgroundColor);
  const found = [];
  for (const word of document.querySelectorAll('.picture svg text')) {
    if (!word.textContent.trim() || getComputedStyle(word).opacity === '0') continue;  // Vega hides labels that overlap
    word.scrollIntoView({block: 'center', inline: 'center'});
    const box = word.getBoundingClientRect();
    const under = document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2)
      .filter(element => element instanceof SVGGeometryElement).reverse();
    const ground = under.reduce((below, element) => painted(element, below), paper);
    const [one, other] = [light(painted(word, ground)), light(ground)];
    found.push([(Math.max(one, other) + .05) / (Math.min(one, other) + .05), word.textContent]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}"""


@pytest.fixture(params=["sample_pack", "retail_pack", "static_report"])
def report(request) -> Path:
    path = request.getfixturevalue(request.param)
    return path / "report.en.html" if path.is_dir() else path


@pytest.fixture(params=["light", "dark"])
def scheme(request) -> str:
    return request.param


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def size(request) -> dict:
    return request.param


@pytest.fixture
def page(chromium, size, scheme) -> Iterator:
    context = chromium.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def test_axe_finds_no_violation(axe, page, report):
    page.context.add_init_script(path=axe)
    Opened(page, report)
    result = page.evaluate("axe.run()")
    assert len(result["passes"]) > 30
    assert [
        (rule["id"], node["target"], node["failureSummary"]) for rule in result["violations"] for node in rule["nodes"]
    ] == []


@pytest.mark.parametrize("report", ["sample_pack"], indirect=True)
@pytest.mark.parametrize("size", [DESK], indirect=True, ids=["desk"])
@pytest.mark.parametrize("scheme", ["light"], indirect=True)
def test_axe_would_find_one(axe, page, report):
    """The rules run: what is broken on purpose is found."""
    page.context.add_init_script(path=axe)
    Opened(page, report)
    page.evaluate("document.documentElement.removeAttribute('lang')")
    assert [rule["id"] for rule in page.evaluate("axe.run()")["violations"]] == ["html-has-lang"]


@pytest.mark.parametrize("scheme", ["light"], indirect=True)  # dark charts are light ones inverted
def test_words_in_charts_stand_out(page, report):
    """Axe does not look into pictures."""
    Opened(page, report)
    page.add_style_tag(content="svg * { pointer-events: all !important; }")
    words = page.evaluate(WORDS)
    assert len(words) > 50
    assert [word for word in words if word[0] < 4.5] == []


@pytest.mark.parametrize("size", [DESK], indirect=True, ids=["desk"])
@pytest.mark.parametrize("scheme", ["light"], indirect=True)
def test_every_chart_is_described_and_every_heading_has_its_place(page, report):
    Opened(page, report)
    for chart in page.locator("figure.chart").all():
        picture = chart.locator("[role=img]")
        assert picture.count() == 1
        assert len(picture.get_attribute("aria-label")) > 30
    levels = page.eval_on_selector_all("h1, h2, h3", "found => found.map(heading => Number(heading.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("size", [DESK], indirect=True, ids=["desk"])
@pytest.mark.parametrize("scheme", ["light"], indirect=True)
def test_the_keyboard_reaches_the_text_first_then_the_contents(page, report):
    Opened(page, report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    links = page.locator("nav a")
    links.first.focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
