"""Pages and messages as their readers see them."""

from bs4 import BeautifulSoup


def soup_of(html: str) -> BeautifulSoup:
    """The parsed HTML; what a line does not end in is of one text with what is around it."""
    page = BeautifulSoup(html, "html.parser")
    for part in page.select("span.short"):
        part.unwrap()
    page.smooth()
    return page
