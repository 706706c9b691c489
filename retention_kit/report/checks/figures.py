"""Compares the printed figures of a scorecard with executed notebooks and with the texts of files."""

from __future__ import annotations

import html
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from retention_kit import bidi
from retention_kit.errors import Listed, Phrase
from retention_kit.metrics.catalogue import METRICS
from retention_kit.periods import Period
from retention_kit.report.blocks import BLOCK_MIME, VEGALITE_MIME, Block
from retention_kit.report.pages import narrative, tables
from retention_kit.wording import Words

if TYPE_CHECKING:
    import pypdfium2

TEXTS = ("metric", "label", "period", "segment", "segment_value", "unit", "status", "note")
# Characters between words that differ by format, and characters that no page can show.
_SEPARATORS = re.compile("[\\s·▲▼\x00-\x1f\x7f\ud800-\udfff\ufeff\ufffd-\uffff]+")
_FIGURE = re.compile(r"\d[\d.,٫٬]*")
_SIGNED = re.compile(r"[+−]?\d(?:[\d.,٫٬]*\d)?")
_MOST_NAMED = 3  # differing parts in a reason


def flat(text: str) -> str:
    """A text independent of its format: words and figures with single spaces."""
    return _SEPARATORS.sub(" ", bidi.plain(text)).strip()


def figures_in(text: str) -> set[str]:
    """The numbers in a text, without signs, currencies and full stops."""
    return {figure.rstrip(".,٫٬") for figure in _FIGURE.findall(text)}


def summarise(parts: Iterable[str], where: str) -> str:
    """A sentence with the first few of some texts in quotation marks after `where`; empty without texts."""
    texts = [text if len(text) <= 80 else f"{text[:79].rstrip()}…" for text in parts]
    template = "{where}: {parts} and {more} more." if len(texts) > _MOST_NAMED else "{where}: {parts}."
    quoted = Listed(map(repr, texts[:_MOST_NAMED]))
    return Phrase(template, where=where, parts=quoted, more=len(texts) - _MOST_NAMED) if texts else ""


class Figures:
    """The scorecard rows of one period, of the whole (or of the segment value that the scorecard is of), by label."""

    def __init__(self, rows: Iterable[dict[str, str]], period: str, words: Words):
        rows = list(rows)
        scope = {(row["segment"], row["segment_value"]) for row in rows[:1]}
        now = [_row(row) for row in rows if row["period"] == period and (row["segment"], row["segment_value"]) in scope]
        for row in now:  # the file is in English
            row.label = words.say(METRICS[row.metric].label) if row.metric in METRICS else row.label
        self.rows = {row.label: row for row in now}
        self.metrics = {row.metric: row for row in now}
        self.named = {row[name] for row in rows for name in ("segment", "segment_value", "label")}
        self.period, self.words = Period.parse(period), words

    @property
    def is_empty(self) -> bool:
        """Whether the period has no active customers, or no answers if the data have no customers."""
        for name in ("active_customers", "response_count"):
            if name in self.metrics:
                return not self.metrics[name].value
        return not any(narrative.is_known(row.value) for row in self.rows.values())

    def table_row(self, label: str) -> list[str] | None:
        """The cells of a metric in a table of figures; None if the scorecard lacks it."""
        if (row := self.rows.get(label)) is None:
            return None
        if row.metric not in METRICS:  # from a plug-in that this process has not loaded
            return [row.label, self.words.value(row.value, row.unit, "full")]
        return tables.figures([row], self.period, self.words).data["rows"][0]

    def label_of(self, card: str) -> str:
        """The longest label at the beginning of a card's text, as one label may begin with another."""
        labels = [label for label in self.rows if card.startswith((f"{flat(label)} ", f"{flat(label)}: "))]
        return max(labels, key=len, default="")

    def key_figure(self, label: str) -> str:
        """A metric and its value, as at the beginning of a card; flat."""
        row = self.rows[label]
        return flat(f"{row.label} {self.words.value(row.value, row.unit)}")

    def card_faults(self, label: str, text: str) -> Iterator[str]:
        """The texts that a metric's card lacks; `text` is all of the card's text, flat."""
        if (row := self.rows.get(label)) is None:
            yield f"{label} {text}"
            return
        yield from (part for part in map(flat, self._card_texts(row, text)) if part not in text)

    def _card_texts(self, row: Any, text: str) -> Iterator[str]:
        words = self.words
        yield f"{row.label} {words.value(row.value, row.unit)}"
        earlier_periods = {"previous": self.period.shift(-1), "year_ago": self.period.year_ago()}
        for name, earlier in earlier_periods.items() if row.complete and narrative.is_known(row.value) else ():
            period = words.period(earlier, "short") if earlier else ""
            end = flat(words.text("card.change", change="", period=period))
            if period and end in text and narrative.is_known(getattr(row, name)):  # a card may have other comparisons
                yield words.text("card.change", change=narrative.signed(row, words, name), period=period)
        if row.metric in METRICS and row.unit != "points" and narrative.is_known(row.denominator):
            yield tables.made_of(row, words)  # the answers behind a score are in no scorecard
        yield tables.interval(row, words, "short", worded=True)


def _row(cells: dict[str, str]) -> SimpleNamespace:
    """A row of the file with numbers, None for empty cells, and texts without their guard against formulas."""
    values = {
        name: re.sub(r"^'(?=[=+\-@\t\r])", "", cell) if name in TEXTS else _number(cell)
        for name, cell in cells.items()
        if name != "complete"
    }
    return SimpleNamespace(**values, complete=cells["complete"] == "True")


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


@dataclass
class Record:
    """The texts of the executed notebooks of one report, which every format has to show."""

    cards: list[tuple[str, str, str]] = field(default_factory=list)  # label, beginning and all of the text; flat
    rows: list[list[str]] = field(default_factory=list)  # of tables of figures
    headlines: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)  # of all blocks, flat
    titles: list[str] = field(default_factory=list)  # of charts, which may repeat the headline; flat
    charts: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, notebook: dict, words: Words) -> None:
        """Read one executed notebook, as JSON."""
        for output in [output for cell in notebook["cells"] for output in cell.get("outputs", [])]:
            data = output.get("data", {})
            if output["output_type"] == "error":
                self.errors.append(str(output.get("ename", "")))
            elif BLOCK_MIME in data:
                self._add_block(Block(**data[BLOCK_MIME]), words)
            else:
                self.charts += VEGALITE_MIME in data

    def _add_block(self, block: Block, words: Words) -> None:
        data = block.data
        if block.kind == "cards":
            for card in data["cards"]:
                changes = [change[name] for change in card["changes"] for name in ("text", "detail")]
                goal = (card["goal"] or {}).get("text", "")
                first = [card["label"], card["value"], *(changes[:2] or [card["detail"]])]
                parts = [card["label"], card["value"], *changes, card["detail"], goal, card["note"]]
                self.cards.append((card["label"], flat(" ".join(first)), flat(" ".join(parts))))
            self.lines += [parts for *_, parts in self.cards[-len(data["cards"]) :]]
            return
        labels = [column["label"] for column in data.get("columns", [])]
        if labels[:2] == [words.text("figures.metric"), words.text("figures.value")]:
            self.rows += data["rows"]
        if block.kind == "headline":
            self.headlines.append(flat(data["text"]))
        if block.kind == "chart":
            self.charts += 1
            self.titles.append(flat(data["title"]))
        self.lines += filter(None, map(flat, str(block).splitlines()))

    def faults(self, figures: Figures) -> list[str]:
        """The texts of notebooks whose figures differ from the scorecard."""
        wrong = [part for label, _, text in self.cards for part in figures.card_faults(label, text)]
        for row in self.rows:
            expected = figures.table_row(row[0]) or [row[0]]
            if row[: len(expected)] != expected or len(expected) == 1:
                wrong.append(" ".join(row))
        return wrong

    def missing_in(self, text: str) -> list[str]:
        """The lines that `text`, all text of an HTML page, has less often than the notebooks; flat."""
        return _missing_parts(self.lines, text, self.lines)

    def missing_in_pdf(self, text: str, *, is_ordered: bool) -> list[str]:
        """The headlines, cards and rows of figures that `text`, all text of a PDF, has less often than the notebooks.

        Text from right to left cannot be extracted in reading order (`is_ordered` is False): then only the signed
        figures of each part are compared.
        """
        parts = [*self.headlines, *(begin for _, begin, _ in self.cards), *(flat(" ".join(row)) for row in self.rows)]
        rows = {flat(" ".join(row)): row for row in self.rows}
        if is_ordered:
            missing = _missing_parts(parts, text, [*parts, *self.titles])
            return [part for part in missing if part not in rows or not _is_split(rows[part], text.__contains__)]
        figures = PdfFigures(text)
        missing = figures.missing(parts)
        return [part for part in missing if part not in rows or not _is_split(rows[part], figures.has_together)]


class PdfFigures:
    """The signed figures in the text of a PDF without reading order: those of one line or row are adjacent, in any
    order.
    """

    def __init__(self, text: str):
        self._figures = _SIGNED.findall(text)
        self._positions: dict[str, list[int]] = defaultdict(list)
        for position, figure in enumerate(self._figures):
            self._positions[figure].append(position)

    def has_together(self, part: str) -> bool:
        """Whether the figures of a text are adjacent."""
        return not self.missing([part])

    def missing(self, parts: Sequence[str]) -> list[str]:
        """The texts whose figures are adjacent less often than there are texts with these figures."""
        figures = {part: sorted(_SIGNED.findall(part)) for part in parts}
        expected = Counter(map(tuple, map(figures.__getitem__, parts)))
        return [part for part, some in figures.items() if some and self._count(some) < expected[tuple(some)]]

    def _count(self, figures: list[str]) -> int:
        rarest, size = min(figures, key=lambda figure: len(self._positions[figure])), len(figures)
        starts = {max(0, position - offset) for position in self._positions[rarest] for offset in range(size)}
        return sum(sorted(self._figures[start : start + size]) == figures for start in starts)


def _is_split(row: list[str], contains: Callable[[str], bool]) -> bool:
    """Whether a row is split over several tables, each with its first cell, as it is too wide for the paper."""
    start = 1
    while start < len(row):
        ends = range(len(row), start, -1)
        end = next((end for end in ends if contains(flat(" ".join([row[0], *row[start:end]])))), None)
        if end is None:
            return False
        start = end
    return True


def _missing_parts(parts: Iterable[str], text: str, recorded: Iterable[str]) -> list[str]:
    """The parts that a text has less often than the recorded lines."""
    record = "\n".join(recorded)
    return [part for part in dict.fromkeys(parts) if text.count(part) < record.count(part)]


@lru_cache(maxsize=4)  # several checks read the same page
def text_of_html(page: str) -> str:
    """All text of our own HTML, including labels for screen readers; flat."""
    bare = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", page)
    bare = re.sub(r'<span class="short">([^<]*)</span>', r"\1", bare)  # of one sentence with what is around it
    labels = re.findall(r'aria-label="([^"]*)"', bare)
    return flat(html.unescape(re.sub(r"<[^>]*>", " ", bare) + " " + " \n ".join(labels)))


@contextmanager
def _open_pdf(content: bytes) -> Iterator[pypdfium2.PdfDocument]:
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(content) as document:
            yield document
    except pypdfium2.PdfiumError as error:
        raise ValueError("cannot be read") from error


def pages_of_pdf(content: bytes) -> int:
    """The number of pages of a PDF; raises ValueError if it cannot be read."""
    with _open_pdf(content) as document:
        return len(document)


@lru_cache(maxsize=4)
def text_of_pdf(content: bytes) -> str:
    """All text of a PDF, flat; raises ValueError if it cannot be read."""
    with _open_pdf(content) as document:
        pages = []
        for page in document:
            words = page.get_textpage()
            pages.append(words.get_text_bounded())
            words.close()
            page.close()
        return flat(" ".join(pages))
