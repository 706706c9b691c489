"""The PDF of the whole packs: what PDF/UA-1 asks of its structure, and pages that a reader would call well made."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pikepdf
import pytest
from pypdf import PdfReader

from test_pack import read_html

SHOWN = {"Tj", "TJ", "'", '"', "S", "s", "f", "F", "f*", "B", "B*", "b", "b*", "Do", "sh"}  # what puts ink on a page
HEADINGS = ("/H1", "/H2", "/H3")
PAGE = 842  # points that a page of A4 is high
HEAD, FOOT = PAGE - 70, 60  # between them is the text of a page


@pytest.fixture
def pdf(any_pack) -> Iterator[pikepdf.Pdf]:
    with pikepdf.open(any_pack / "report.en.pdf") as document:
        yield document


@pytest.fixture
def titles(any_pack) -> dict[str, list[str]]:
    """What the HTML calls its headings, and the titles of its charts and tables."""
    page = read_html(any_pack / "report.en.html")
    elements = {"headings": page(["h1", "h2", "h3"]), "sections": page("h2"), "titles": page.select("figure > .title")}
    return {name: [" ".join(tag.get_text().split()) for tag in tags] for name, tags in elements.items()}


def tags(node: pikepdf.Object) -> Iterator[pikepdf.Dictionary]:
    """Every element of a structure tree, in reading order."""
    if isinstance(node, pikepdf.Array):
        for part in node:
            yield from tags(part)
    elif isinstance(node, pikepdf.Dictionary) and "/S" in node:
        yield node
        yield from tags(node.get("/K", pikepdf.Array()))


def tagged(pdf: pikepdf.Pdf, *kinds: str) -> list[pikepdf.Dictionary]:
    return [tag for tag in tags(pdf.Root.StructTreeRoot.K) if str(tag.S) in kinds]


def children(tag: pikepdf.Dictionary) -> list[pikepdf.Dictionary]:
    return [child for child in tags(tag.K) if child.P.objgen == tag.objgen]


@cache
def lines(path: Path) -> list[list[tuple[float, str]]]:
    """Of each page: its lines of text with their height above its lower edge, highest first; header and footer left
    out.
    """
    pages = []
    for page in PdfReader(path).pages:
        by_height: dict[float, str] = {}

        def see(text, matrix, at, *_, by_height=by_height):
            height = round(at[4] * matrix[1] + at[5] * matrix[3] + matrix[5])
            if text.strip() and FOOT < height < HEAD:
                by_height[height] = f"{by_height.get(height, '')} {text}"

        page.extract_text(visitor_text=see)
        pages.append([(height, " ".join(by_height[height].split())) for height in sorted(by_height, reverse=True)])
    return pages


def test_it_says_what_it_is(pdf, any_pack):
    assert pdf.Root.MarkInfo.Marked
    assert str(pdf.Root.Lang) == "en"
    assert pdf.Root.ViewerPreferences.DisplayDocTitle
    with pdf.open_metadata() as metadata:
        assert metadata["pdfuaid:part"] == "1"
        assert metadata["dc:title"].endswith("ustomer retention report")
        assert metadata["dc:title"] == str(pdf.docinfo["/Title"])
    assert not pdf.is_encrypted
    assert (any_pack / "report.en.pdf").stat().st_size < 1_000_000


def test_all_ink_is_tagged_or_an_artifact(pdf):
    for page in pdf.pages:
        depth, bare = 0, []
        for operands, operator in pikepdf.parse_content_stream(page):
            depth += {"BDC": 1, "BMC": 1, "EMC": -1}.get(str(operator), 0)
            if not depth and str(operator) in SHOWN:
                bare.append((operator, operands))
        assert bare == []
        assert page.Tabs == "/S"
        assert "/StructParents" in page


def test_all_fonts_are_inside_and_can_be_read_aloud(pdf):
    fonts = {str(font.BaseFont): font for page in pdf.pages for font in page.Resources.get("/Font", {}).values()}
    assert fonts
    for font in fonts.values():
        assert "/ToUnicode" in font
        descriptor = font.DescendantFonts[0].FontDescriptor
        assert any(name in descriptor for name in ("/FontFile2", "/FontFile3"))


def test_every_picture_is_described_in_the_words_of_the_html(pdf, any_pack):
    described = [str(figure.get("/Alt", "")) for figure in tagged(pdf, "/Figure")]
    assert described == [
        picture["aria-label"] for picture in read_html(any_pack / "report.en.html").select("figure .picture")
    ]
    assert all(len(alt) > 30 for alt in described)


def test_headings_follow_each_other_and_the_bookmarks_them(pdf, titles):
    headings = tagged(pdf, *HEADINGS)
    levels = [int(str(heading.S)[2:]) for heading in headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [str(heading.T) for heading in headings] == titles["headings"]
    with pdf.open_outline() as outline:
        (top,) = outline.root
        assert [top.title, *(item.title for item in top.children)] == [titles["headings"][0], *titles["sections"]]


def test_every_table_has_its_header_and_equal_rows(pdf, any_pack):
    tables = tagged(pdf, "/Table")
    assert len(tables) == len(read_html(any_pack / "report.en.html").main("table"))
    for table in tables:
        head, body = children(table)
        assert (str(head.S), str(body.S)) == ("/THead", "/TBody")
        (names,) = children(head)
        assert {str(cell.S) for cell in children(names)} == {"/TH"}
        assert {
            str(cell.A.Scope if isinstance(cell.A, pikepdf.Dictionary) else cell.A[0].Scope) for cell in children(names)
        } == {"/Column"}
        assert {len(children(row)) for row in children(body)} == {len(children(names))}


def test_every_link_says_where_it_leads(pdf):
    links = [note for page in pdf.pages for note in page.get("/Annots", []) if note.Subtype == "/Link"]
    assert len(links) == len(tagged(pdf, "/TOCI")) > 3
    assert all("/Contents" in link and "/StructParent" in link for link in links)


def test_pages_bear_the_numbers_that_they_print(pdf):
    assert [page.label for page in pdf.pages] == [str(number) for number in range(1, len(pdf.pages) + 1)]


@pytest.mark.long
def test_no_page_is_near_empty_but_the_last(any_pack):
    pages = lines(any_pack / "report.en.pdf")
    assert len(pages) > 3
    assert [number for number, page in enumerate(pages[:-1], 1) if not page or page[-1][0] > PAGE / 2] == []


@pytest.mark.long
def test_no_heading_and_no_title_ends_a_page(any_pack, titles):
    """Nor stands with its chart or table on the next."""
    ends = [(number, page[-1][1]) for number, page in enumerate(lines(any_pack / "report.en.pdf"), 1) if page]
    known = {*titles["headings"], *titles["titles"]}
    assert [(number, text) for number, text in ends if text in known] == []
    inside = {text for page in lines(any_pack / "report.en.pdf") for _, text in page}
    assert len(known & inside) > len(known) / 2, "lines are read as they are printed"
