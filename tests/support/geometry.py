"""Where words stand on a page of PDF, and whether any of them lie over others or leave the paper."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pypdfium2

SLACK = 0.8  # points: boxes of letters reach a little over the ink


class Word(NamedTuple):
    """A word and its box, in points from the lower left corner of its page."""

    page: int
    text: str
    left: float
    bottom: float
    right: float
    top: float


def words_of(content: bytes) -> list[Word]:
    """The words of a PDF with their boxes, as their letters are placed."""
    words = []
    with pypdfium2.PdfDocument(content) as document:
        for number, page in enumerate(document, 1):
            text = page.get_textpage()
            characters: list[tuple[str, tuple[float, float, float, float]]] = []
            for index in range(text.count_chars()):
                character = text.get_text_range(index, 1)
                box = text.get_charbox(index)
                if character.strip() and characters and not _follows(characters[-1][1], box):
                    words.append(_word(number, characters))
                    characters = []
                if character.strip():
                    characters.append((character, box))
                elif characters:
                    words.append(_word(number, characters))
                    characters = []
            if characters:
                words.append(_word(number, characters))
    return words


def overlapping(words: list[Word]) -> list[str]:
    """Pairs of words of which one lies over the other."""
    faults = []
    for number in sorted({word.page for word in words}):
        page = [word for word in words if word.page == number]
        left, bottom, right, top = np.array([word[2:] for word in page]).T
        across = np.minimum.outer(right, right) - np.maximum.outer(left, left)
        along = np.minimum.outer(top, top) - np.maximum.outer(bottom, bottom)
        height = np.minimum.outer(top - bottom, top - bottom)
        over = np.triu((across > SLACK) & (along > np.maximum(SLACK, 0.3 * height)), 1)
        for first_word, second_word in ((page[first], page[second]) for first, second in np.argwhere(over)):
            if first_word[1:] != second_word[1:]:  # drawn twice, the first time as its own halo
                faults.append(f"page {number}: {first_word.text!r} over {second_word.text!r}")
    return faults


def outside(words: list[Word], width: float = 595.3, edge: float = 40) -> list[str]:
    """Words that leave the column of text of a page of A4."""
    return [
        f"page {word.page}: {word.text!r}"
        for word in words
        if word.left < edge - SLACK or word.right > width - edge + 17
    ]


def _follows(before: tuple, box: tuple) -> bool:
    """Whether a letter stands beside the one before it, on its line."""
    size = max(before[3] - before[1], box[3] - box[1], 1)
    return (
        before[0] - SLACK < box[0] < before[2] + size and min(before[3], box[3]) > max(before[1], box[1]) - 0.3 * size
    )


def _word(page: int, characters: list) -> Word:
    boxes = [box for _, box in characters]
    return Word(
        page,
        "".join(character for character, _ in characters),
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )


# The words of a page that can be seen, with their boxes in CSS pixels, top down.
WORDS_JS = """() => {
  const found = [], range = document.createRange();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, parent = node.parentElement;
    if (["SCRIPT", "STYLE", "TITLE", "DESC"].includes(parent.tagName.toUpperCase())) continue;
    if (!parent.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    if (parent.closest("[hidden], .skip, .visually-hidden, details:not([open]) > :not(summary)")) continue;
    for (const match of node.data.matchAll(/\\S+/g)) {
      range.setStart(node, match.index); range.setEnd(node, match.index + match[0].length);
      for (const box of range.getClientRects())
        if (box.width > 0.5 && box.height > 0.5)
          found.push([match[0], box.left, -box.bottom, box.right, -box.top]);
    }
  }
  return found;
}"""
SCROLLED_JS = """() => [...document.querySelectorAll("body *")]
  .filter(one => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === "hidden" && one.innerText)
  .map(one => one.innerText.slice(0, 60))"""


def words_on(page) -> list[Word]:
    """The words that a browser's page shows."""
    return [Word(1, *word) for word in page.evaluate(WORDS_JS)]
