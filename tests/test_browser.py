"""The packs as a reader opens them: from disk, in Chromium, on a desk and on a phone, by day and by night."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import retention_kit as rk
from test_real_data import invoices

pytestmark = pytest.mark.browser

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# Of the page and its headline: the contrast of text and background, as WCAG 2.2 counts it.
CONTRAST = """() => {
  const light = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(Number)
      .map(part => (part /= 255) <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  const text = light(getComputedStyle(document.querySelector('h1')).color);
  return {ground, ratio: (Math.max(ground, text) + .05) / (Math.min(ground, text) + .05)};
}"""


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not (path := shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")):
        pytest.skip("there is no Chromium here")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=["sample", "retail"])
def report(request, tmp_path_factory) -> Path:
    """The HTML of a whole pack."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sample":
        pack = rk.build_report(rk.sample(), formats=["html"], output=folder)
    else:
        data = rk.load(
            invoices(folder, request.getfixturevalue("shared")), company="Online Retail", segments=["country"]
        )
        pack = rk.build_report(data, "2011-11", formats=["html"], output=folder)
    return pack.path / "report.en.html"


class Opened:
    """A report in a tab, with all that it asked for and all that it complained about."""

    def __init__(self, page, path: Path):
        self.page, self.address = page, path.as_uri()
        self.asked, self.said = [], []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.goto(self.address)
        charts = page.locator("figure.chart").count()
        assert charts > 3
        page.wait_for_function(f"document.querySelectorAll('.live.ready svg').length === {charts}")


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def opened(request, chromium, report) -> Iterator[Opened]:
    page = chromium.new_page(viewport=request.param)
    yield Opened(page, report)
    page.close()


def test_it_opens_alone_and_every_chart_comes_alive(opened):
    assert opened.page.locator("figure.chart .picture > svg").count() == 0
    assert opened.asked == [opened.address]
    assert opened.said == []


def test_nothing_is_wider_than_the_page(opened):
    assert opened.page.evaluate("document.documentElement.scrollWidth") == opened.page.viewport_size["width"]
    drawn = opened.page.locator(".live.ready svg").all()
    assert [box for box in (chart.bounding_box() for chart in drawn) if box["width"] < 200 or box["height"] < 100] == []


def test_contents_lead_to_their_sections(opened):
    links = opened.page.locator("nav a")
    assert links.count() > 5
    for number in range(links.count()):
        links.nth(number).click()
        name = opened.page.evaluate("decodeURIComponent(location.hash.slice(1))")
        assert opened.page.locator(f"[id='{name}']").inner_text() == links.nth(number).inner_text()
        assert opened.page.evaluate("name => document.getElementById(name).getBoundingClientRect().top >= -1", name)
    assert opened.asked == [opened.address]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_readers_light(chromium, report, scheme):
    page = chromium.new_page(viewport=DESK, color_scheme=scheme)
    opened = Opened(page, report)
    found = page.evaluate(CONTRAST)
    assert (found["ground"] > 0.5) == (scheme == "light")
    assert found["ratio"] > 7
    assert opened.said == []
    page.close()


def test_a_pointer_over_a_chart_tells_the_figure(chromium, report):
    page = chromium.new_page(viewport=DESK)
    Opened(page, report)
    bars = page.locator(".live.ready svg .mark-rect path").all()
    next(bar for bar in bars if bar.bounding_box()["height"] > 9).hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert page.locator("#vg-tooltip-element").inner_text().strip()
    page.close()


def test_without_scripts_the_charts_are_pictures(chromium, report):
    page = chromium.new_context(java_script_enabled=False, viewport=DESK).new_page()
    page.goto(report.as_uri())
    assert page.locator("figure.chart .picture > svg").count() == page.locator("figure.chart").count() > 3
    page.close()
