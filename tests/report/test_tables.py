"""Tables on the screen and on paper: heads that break well, and columns that line up."""

import pypdfium2
import pytest

from retention_kit.report.blocks import Block
from soup import soup_of
from test_exporters import code_cell, html, notebook, pdf

FOLLOWED = {"en": "Followed for 6 · 12 · 24 months", "ar": "المتابَعون عند الشهر 6 · 12 · 24"}
LONG = "set aside: no figure counts the row, nor what it names; such as '#REF!'"


def table(heads: list[str], *rows: list[str], figures: list[int], title: str = "") -> Block:
    columns = [{"label": head, "align": "end" if place in figures else "start"} for place, head in enumerate(heads)]
    return Block("table", title=title, columns=columns, rows=[*rows])


def pieces(content: bytes) -> list[tuple[str, float, float]]:
    """What stands together on a line of the first page: its text, its left edge and its lower one, in points.

    A number and what it counts are a piece of their own in the file; a space apart they stand together.
    """
    page = pypdfium2.PdfDocument(content)[0].get_textpage()
    joined: list[list] = []
    for left, bottom, right, top in (page.get_rect(index) for index in range(page.count_rects())):
        text = " ".join(page.get_text_bounded(left, bottom, right, top).split())
        if joined and abs(joined[-1][2] - bottom) < 0.5 and 0 < left - joined[-1][3] < 4:
            joined[-1] = [f"{joined[-1][0]} {text}", *joined[-1][1:3], right]
        else:
            joined.append([text, left, bottom, right])
    return [(text, left, bottom) for text, left, bottom, _ in joined]


def found(content: bytes, text: str) -> list[tuple[float, float]]:
    return [(round(left, 1), round(bottom, 1)) for one, left, bottom in pieces(content) if one == text]


def quality(checks: dict[str, str], effect: str) -> Block:
    return table(["Check", "Rows", effect], *[[check, "4", said] for check, said in checks.items()], figures=[1])


def qualities(effect: str = "Effect") -> list[Block]:
    """Two tables with the same heads: one with short words, the other with long ones."""
    return [
        quality({"identical row": "one is kept"}, "Effect"),
        quality({"spell without MRR: trialing, paused or unpaid": "not a paying customer", "amount": LONG}, effect),
    ]


def test_a_head_stands_on_one_line_where_there_is_room():
    heads = ["How good", "Time since the start", "Predicted / actual"]
    content = pdf(notebook(code_cell(table(heads, ["Brier score", "0.2077", "1.0"], figures=[1, 2]))))
    for head in heads:
        assert len(found(content, head)) == 1, head


def test_a_list_in_a_head_stays_on_one_line():
    content = pdf(notebook(code_cell(table(["plan", FOLLOWED["en"]], ["Pro", "9"], figures=[1]))))
    ((_, upper),) = found(content, "Followed for")
    ((_, lower),) = found(content, "6 · 12 · 24 months")
    assert 8 < upper - lower < 15  # one line apart
    content = pdf(notebook(code_cell(table(["Group", "Share of 1 · 2 · 3"], *[["A", "9"]], figures=[1]))))
    assert found(content, "Share of 1 · 2 · 3")


def test_a_list_in_an_arabic_head_stays_on_one_line():
    block = table(["الباقة", FOLLOWED["ar"]], ["Pro", "9"], figures=[1])
    content = pdf(notebook(code_cell(block), language="ar", direction="rtl"))
    heights = {
        figure: {round(bottom) for text, _, bottom in pieces(content) if figure in text} for figure in ("6", "12", "24")
    }
    assert heights["6"] == heights["12"] == heights["24"]
    assert len(heights["6"]) == 1


@pytest.mark.parametrize("count", [9, 12])
def test_where_room_is_short_a_head_breaks_between_words_alone(count):
    heads = [f"Bought again in year{place}" for place in range(count)]
    content = pdf(notebook(code_cell(table(["Group", *heads], ["A", *["9"] * count], figures=[*range(1, count + 1)]))))
    text = " ".join(one for one, _, _ in pieces(content))
    assert all(f"year{place}" in text for place in range(count))
    assert len({bottom for _, bottom in found(content, "9")}) == 1  # the row is one


def test_tables_of_a_section_with_the_same_heads_line_up_on_paper():
    short, long = found(pdf(notebook(code_cell(*qualities()))), "Effect")
    assert short[0] == long[0]
    others = pdf(notebook(code_cell(*qualities("Result"))))
    assert found(others, "Effect")[0][0] != found(others, "Result")[0][0]
    apart = qualities()
    apart.insert(1, Block("heading", text="Another section"))
    short, long = found(pdf(notebook(code_cell(*apart))), "Effect")
    assert short[0] != long[0]


def test_tables_of_a_section_with_the_same_heads_line_up_on_the_screen():
    def widths(*blocks):
        page = soup_of(html(notebook(code_cell(*blocks))))
        return [[column.get("style") for column in one("col")] for one in page.main("table")]

    same = widths(*qualities())
    assert same[0] == same[1]
    assert same[0][1] == "inline-size: calc(5ch + 1.5rem)"  # as the head, "Rows"
    assert same[0][2] is None  # the longest words take what is left
    assert widths(*qualities("Result")) == [[], []]
    first = table(["channel", "Began"], ["web", "9"], figures=[1])
    second = table(["plan", "Began"], ["Basic", "12,345"], figures=[1])
    assert widths(first, second)[0] == [None, "inline-size: calc(7ch + 1.5rem)"]  # the first head may differ


@pytest.mark.browser
@pytest.mark.parametrize("width", [1200, 400])
@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("ar", "rtl")])
def test_columns_are_equally_wide_for_who_looks(tmp_path, chromium, width, language, direction):
    path = tmp_path / "report.html"
    path.write_text(html(notebook(code_cell(*qualities()), direction=direction, language=language)), "utf-8")
    page = chromium.new_page(viewport={"width": width, "height": 800})
    page.goto(path.as_uri())
    heads = "[...document.querySelectorAll('thead')].map(head => [...head.rows[0].cells].map(cell => cell.offsetWidth))"
    short, long = page.evaluate(heads)
    assert short == long
    assert page.evaluate("Math.max(...[...document.querySelectorAll('thead')].map(head => head.offsetHeight))") < 50
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(one => one.scrollWidth <= one.clientWidth)")
    page.close()
