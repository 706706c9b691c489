"""The packs as a reader opens them: from disk, in Chromium, on a desk and on a phone, by day and by night."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from retention_kit.report.blocks import Block
from retention_kit.wording import Words
from test_exporters import code_cell, html, notebook

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


# The live charts that show no mark of their data, and the pictures of which nothing has a size.
UNMARKED = """svgs => svgs.filter(svg => ![...svg.querySelectorAll('.role-mark path, .role-mark line, .role-mark text')]
  .map(mark => mark.getBoundingClientRect()).some(box => box.width + box.height > 2)).length"""
BLANK = """svgs => svgs.filter(svg => [...svg.querySelectorAll('path, line, text')]
  .map(part => part.getBoundingClientRect()).filter(box => box.width + box.height > 2).length < 10).length"""


# What is one thing and yet has parts in several lines.
BROKEN = r"""() => [...document.querySelectorAll('td, th')].flatMap(cell => {
  const pattern = /(\d{1,2} )?\p{L}{3,} \d{4}(?![–-])|\d+[–-]\d+|[+−±]?\p{Sc}?[\d.,]*\d%?|\d{4}-\d\d-\d\d|customer-\S+/gu;
  const walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), parts = [];
  let text = '';
  for (let node; (node = walk.nextNode()); text += node.data) parts.push([node, text.length]);
  const at = place => parts.filter(([, start]) => start <= place).at(-1);
  return [...text.matchAll(pattern)].filter(({0: found, index}) => {
    const range = document.createRange(), [first, last] = [at(index), at(index + found.length - 1)];
    range.setStart(first[0], index - first[1]);
    range.setEnd(last[0], index + found.length - last[1]);
    return new Set([...range.getClientRects()].filter(box => box.width > 1).map(box => Math.round(box.top / 6))).size > 1;
  }).map(({0: found}) => `${found} in ${text}`);
})"""


@pytest.fixture
def report(any_pack) -> Path:
    """The HTML of a whole pack."""
    return any_pack / "report.en.html"


class Opened:
    """A report in a tab, with all that it asked for and all that it complained about."""

    def __init__(self, page, path: Path):
        self.page, self.address = page, path.as_uri()
        self.requests, self.console = [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.goto(self.address)
        self.charts = page.locator("figure.chart").count()
        assert self.charts > 3
        live = page.locator("figure.chart > script").count()
        assert live in (0, self.charts)
        page.wait_for_function(f"document.querySelectorAll('.live.ready svg').length === {live}")


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def opened(request, chromium, report) -> Iterator[Opened]:
    page = chromium.new_page(viewport=request.param)
    yield Opened(page, report)
    page.close()


def test_it_opens_alone_and_every_chart_comes_alive(opened):
    assert opened.page.locator("figure.chart .picture > svg").count() == 0
    assert opened.page.locator(".live.ready > svg").count() == opened.charts
    assert opened.page.eval_on_selector_all(".live.ready > svg", UNMARKED) == 0
    assert opened.requests == [opened.address]
    assert opened.console == []


def test_nothing_is_wider_than_the_page(opened):
    assert opened.page.evaluate("document.documentElement.scrollWidth") == opened.page.viewport_size["width"]
    charts = opened.page.locator(".live.ready svg").all()
    assert [
        box for box in (chart.bounding_box() for chart in charts) if box["width"] < 200 or box["height"] < 100
    ] == []


def test_no_date_id_or_amount_of_a_table_is_broken(opened):
    assert opened.page.evaluate(BROKEN) == []


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_table_that_stays_one_on_a_phone_breaks_no_date(chromium, tmp_path, language):
    words = Words(language, "GBP")
    days = [words.date(date(2026, 1, day)) for day in (1, 31)]
    change = words.change(-1234.5, "money", "full")
    cells = [
        "Those who have not come back",
        "no purchase for 60 days",
        words.text("follow_ups.due_by", first=days[0], last=days[1]),
    ]
    ids = [f"customer-00{number}-2025" for number in range(3)]
    blocks = [
        Block(
            "table",
            columns=[{"label": name} for name in "abc"] + [{"label": "d", "align": "end"}],
            rows=[[*cells, "16"]],
        ),
        Block(
            "table",
            columns=[{"label": "a"}, {"label": "b"}],
            rows=[[f"{change}: {ids[0]}", f"{', '.join(ids)} {change} " * 4]],
        ),
    ]
    path = tmp_path / "page.html"
    direction = "rtl" if language == "ar" else "ltr"
    path.write_text(html(notebook(code_cell(*blocks), language=language, direction=direction)), "utf-8")
    tab = chromium.new_page(viewport=PHONE)
    tab.goto(path.as_uri())
    assert tab.locator("table:not(.stack)").count() == 2
    assert tab.evaluate(BROKEN) == []
    assert tab.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    tab.close()


def test_contents_lead_to_their_sections(opened):
    links = opened.page.locator("nav a")
    assert links.count() > 5
    for number in range(links.count()):
        links.nth(number).click()
        name = opened.page.evaluate("decodeURIComponent(location.hash.slice(1))")
        assert opened.page.locator(f"[id='{name}']").inner_text() == links.nth(number).inner_text()
        assert opened.page.evaluate("name => document.getElementById(name).getBoundingClientRect().top >= -1", name)
    assert opened.requests == [opened.address]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_readers_light(chromium, report, scheme):
    page = chromium.new_page(viewport=DESK, color_scheme=scheme)
    opened = Opened(page, report)
    contrast = page.evaluate(CONTRAST)
    assert (contrast["ground"] > 0.5) == (scheme == "light")
    assert contrast["ratio"] > 7
    assert opened.console == []
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


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_static_report_is_small_still_and_whole(chromium, static_report, size):
    assert static_report.stat().st_size < 420_000
    page = chromium.new_page(viewport=size)
    opened = Opened(page, static_report)
    assert page.locator("script").count() == 0
    assert page.locator(".picture > svg").count() == opened.charts
    assert page.eval_on_selector_all(".picture > svg", BLANK) == 0
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    assert opened.requests == [opened.address]
    assert opened.console == []
    page.close()


def test_a_server_is_asked_for_the_report_and_for_nothing_else(chromium, sample_pack):
    """Not even for an icon, which a browser wants of every server but of no folder."""
    requests = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            requests.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=sample_pack)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        page = chromium.new_page(viewport=DESK)
        page.goto(f"http://127.0.0.1:{server.server_port}/report.en.html")
        page.wait_for_selector(".live.ready svg")
        page.wait_for_timeout(500)
        page.close()
        server.shutdown()
    assert requests == ["/report.en.html"]
