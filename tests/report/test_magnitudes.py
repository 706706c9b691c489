"""Figures of every magnitude, currency and length of name: nothing lies over anything else or leaves its page."""

from __future__ import annotations

import ast
from functools import cache

import nbformat
import nbformat.v4 as nbf
import pandas as pd
import pytest

import retention_kit as rk
from geometry import outside, overlapping, words_of, words_on
from retention_kit import wording
from retention_kit.report.blocks import Block
from retention_kit.report.execution.templates import sections
from retention_kit.report.export.exporters import RetentionHTMLExporter, RetentionPDFExporter
from retention_kit.report.message.mail import compose
from retention_kit.report.page import Page

# The tables that do not fit, and have to be scrolled.
CUT = """() => [...document.querySelectorAll(".scroll")]
  .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.ariaLabel)"""
MAGNITUDES = (1e-2, 1e0, 1e2, 1e3, 1e4, 1e5, 1e6, 1e8, 1e9, 1e11, 1e13, 1e15)
CURRENCIES = ("USD", "JPY", "KWD", "VND", "XXX")
LONG = "The Honourable Society of Extraordinarily Long Names and Sundry Other Matters, "


@cache
def company(magnitude: float, currency: str, is_long: bool) -> rk.data.dataset.Dataset:
    """A shop whose revenue of a month is about the magnitude: fourteen months, forty customers, three countries."""
    names = [f"{LONG}{part}" if is_long else part for part in ("Utopia", "Atlantis", "Lemuria")]
    months = pd.date_range("2024-01-01", periods=14, freq="MS")
    orders = pd.DataFrame(
        [
            (
                f"c{customer}",
                month + pd.Timedelta(days=customer % 27),
                magnitude * (0.5 + customer % 7) / 70,
                names[customer % 3],
            )
            for number, month in enumerate(months)
            for customer in range(40)
            if (customer * 7 + number * 3) % 10 < 7
        ],
        columns=["customer_id", "ordered_at", "amount", "country"],
    )
    plans = pd.DataFrame(
        [
            (
                f"c{customer}",
                months[customer % 9],
                months[customer % 5 + 9] if customer % 4 == 0 else None,
                magnitude * (1 + customer % 3) / 60,
            )
            for customer in range(40)
        ],
        columns=["customer_id", "started_at", "ended_at", "amount"],
    )
    answers = pd.DataFrame(
        [
            (f"c{customer}", month, "nps", (customer + number) % 11)
            for number, month in enumerate(months)
            for customer in range(40)
        ],
        columns=["customer_id", "responded_at", "survey", "score"],
    )
    return rk.load(
        orders=orders,
        subscriptions=plans,
        responses=answers,
        currency=currency,
        timezone="UTC",
        company=LONG.strip(", ") if is_long else "Shop",
        as_of="2025-03-01",
        segments=["country"],
    )


@cache
def notebook(*case) -> nbformat.NotebookNode:
    """The report's notebook, its templates run here instead of in kernels, with figures as the test's locale has them."""
    data = company(*case[:3])
    cells = []
    for section in sections(data):
        names = {"period": "2025-01", "every": "month", "segment": "country", "language": "en", "data": data}
        names["metric"] = section.metric
        template = nbformat.read(section.path, as_version=4)
        for cell in template.cells:
            if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []):
                cells.append(_run(cell.source, names))
    manifest = {
        "title": "Customer retention report",
        "company": data.settings.report.company,
        "subtitle": "Customer retention report",
        "period_label": "January 2025",
        "as_of_label": "Data to 28 Feb 2025",
        "language": "en",
        "direction": "ltr",
    }
    return nbf.new_notebook(cells=cells, metadata={"retention_kit": manifest})


def _run(source: str, names: dict) -> nbformat.NotebookNode:
    """A cell run, with what it shows."""
    *statements, last = ast.parse(source).body
    is_shown = isinstance(last, ast.Expr)
    exec(compile(ast.Module(statements if is_shown else [*statements, last], []), "cell", "exec"), names)
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if is_shown else None
    cell = nbf.new_code_cell(source)
    for block in value if isinstance(value, list | tuple) else [value]:
        if isinstance(block, Block):
            cell.outputs.append(nbf.new_output("display_data", data=block._repr_mimebundle_()))
        elif block is not None:
            cell.outputs += [nbf.new_output("display_data", data=part._repr_mimebundle_()) for part in block]
    return cell


# Their figures: 1,234.56, 1.234,56 with the currency behind it, and narrow spaces between thousands.
LOCALES = ("en_GB", "de", "fr")
FEW = [(1e-2, "KWD", False, "fr"), (1e15, "VND", True, "en_GB")]
MORE = [(1e6, "USD", True, "de"), (1e9, "XXX", False, "fr"), (1e15, "USD", False, "en_GB")]
# Every magnitude, the currencies, names and ways to write figures in turn.
ALL = [(size, CURRENCIES[place % 5], place % 2 == 1, LOCALES[place % 3]) for place, size in enumerate(MAGNITUDES)]
cases = pytest.mark.parametrize(
    "case",
    [*FEW, *(pytest.param(case, marks=pytest.mark.long) for case in MORE + ALL if case not in FEW)],
    ids=lambda case: f"{case[0]:g}-{case[1]}-{'long' if case[2] else 'short'}-{case[3]}",
)


@pytest.fixture(autouse=True)
def _figures_as_written_in(request, monkeypatch):
    """The English sentences, with figures, money and dates as another language writes them."""
    case = request.node.callspec.params["case"]
    monkeypatch.setattr(wording, "locale_of", lambda _: case[3])


@pytest.mark.long
@cases
def test_a_pdf_of_any_magnitude_overlaps_nowhere_and_fits(case):
    words = words_of(RetentionPDFExporter().from_notebook_node(notebook(*case))[0])
    assert len(words) > 500
    assert overlapping(words) == []
    assert outside(words) == []


@pytest.mark.browser
@cases
def test_a_page_of_any_magnitude_overlaps_nowhere_and_fits(case, chromium, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(RetentionHTMLExporter().from_notebook_node(notebook(*case))[0], "utf-8")
    with chromium.new_page(viewport={"width": 1280, "height": 900}) as page:
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(path.as_uri())
            charts = page.locator("figure.chart > script").count()
            page.wait_for_function(f"document.querySelectorAll('.live.ready svg').length === {charts}")
            words = words_on(page)
            assert len(words) > 500
            assert overlapping(words) == [], width
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if width == 1280 and case[0] <= 1e6:
                assert page.evaluate(CUT) == []


@pytest.mark.browser
@cases
def test_a_message_of_any_magnitude_fits(case, chromium):
    message = compose(Page("2025-01", "month", "country", "en", company(*case[:3])))
    with chromium.new_page(viewport={"width": 640, "height": 900}) as page:
        page.set_content(message.get_body(("html",)).get_content())
        for width in (640, 390):
            page.set_viewport_size({"width": width, "height": 900})
            words = words_on(page)
            assert len(words) > 100
            assert overlapping(words) == [], width
            assert [word for word in words if word.right > width] == [], width
