"""The figures of a scorecard as they are printed, compared with what notebooks recorded and files say."""

from __future__ import annotations

import html
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from retention_kit import bidi
from retention_kit.errors import Listed, Phrase
from retention_kit.metrics.catalogue import METRICS
from retention_kit.periods import Period
from retention_kit.report.blocks import BLOCK_MIME, VEGALITE_MIME, Block
from retention_kit.report.pages import narrative, tables
from retention_kit.wording import Words

TEXTS = ("metric", "label", "period", "segment", "segment_value", "unit", "status", "note")
# What stands between the words of a page and differs by format; and what no page can show, whatever a name holds of it.
_BETWEEN = re.compile("[\\s·▲▼\x00-\x1f\x7f\ud800-\udfff\ufeff\ufffd-\uffff]+")
_FIGURE = re.compile(r"\d[\d.,٫٬]*")
_SIGNED = re.compile(r"[+−]?\d(?:[\d.,٫٬]*\d)?")
_SHOWN = 3  # of the parts that differ, each named in a reason


def flat(text: str) -> str:
    """A text as any format says it: words and figures with a space between."""
    return _BETWEEN.sub(" ", bidi.plain(text)).strip()


def figures_in(text: str) -> set[str]:
    """The numbers in a text, without signs, currencies and the point that ends a sentence."""
    return {figure.rstrip(".,٫٬") for figure in _FIGURE.findall(text)}


def in_short(what: Iterable[str], where: str) -> str:
    """The first few of what differs, in quotation marks; empty where nothing does."""
    texts = [text if len(text) <= 80 else f"{text[:79].rstrip()}…" for text in what]
    template = "{where}: {parts} and {more} more." if len(texts) > _SHOWN else "{where}: {parts}."
    parts = Listed(map(repr, texts[:_SHOWN]))
    return Phrase(template, where=where, parts=parts, more=len(texts) - _SHOWN) if texts else ""


class Figures:
    """The rows of one period, of the whole (or of the one value that the scorecard is about), by their labels."""

    def __init__(self, rows: Iterable[dict[str, str]], period: str, words: Words):
        rows = list(rows)
        about = {(row["segment"], row["segment_value"]) for row in rows[:1]}
        now = [_row(row) for row in rows if row["period"] == period and (row["segment"], row["segment_value"]) in about]
        for row in now:  # the file is in English
            row.label = words.say(METRICS[row.metric].label) if row.metric in METRICS else row.label
        self.rows = {row.label: row for row in now}
        self.metrics = {row.metric: row for row in now}
        self.named = {row[name] for row in rows for name in ("segment", "segment_value", "label")}
        self.period, self.words = Period.parse(period), words

    @property
    def is_empty(self) -> bool:
        """Whether nobody was active in the period; of data without customers, nobody answered."""
        for name in ("active_customers", "response_count"):
            if name in self.metrics:
                return not self.metrics[name].value
        return not any(narrative.is_known(row.value) for row in self.rows.values())

    def table_row(self, label: str) -> list[str] | None:
        """The cells of a metric in a table of figures; None where the scorecard has no such metric."""
        row = self.rows.get(label)
        if row is None:
            return None
        if row.metric not in METRICS:  # of a plug-in that this process has not loaded
            return [row.label, self.words.value(row.value, row.unit, "full")]
        return tables.figures([row], self.period, self.words).data["rows"][0]

    def label_of(self, card: str) -> str:
        """The longest label that the text of a card begins with: one may begin with another."""
        labels = [label for label in self.rows if card.startswith((f"{flat(label)} ", f"{flat(label)}: "))]
        return max(labels, key=len, default="")

    def key_figure(self, label: str) -> str:
        """A metric and its value as a card begins, flat."""
        row = self.rows[label]
        return flat(f"{row.label} {self.words.value(row.value, row.unit)}")

    def card_faults(self, label: str, text: str) -> Iterator[str]:
        """What a card of a metric must say and does not; `said` is all of its text, flat."""
        row = self.rows.get(label)
        if row is None:
            yield f"{label} {text}"
            return
        yield from (part for part in map(flat, self._of_card(row, text)) if part not in text)

    def _of_card(self, row: Any, text: str) -> Iterator[str]:
        words = self.words
        yield f"{row.label} {words.value(row.value, row.unit)}"
        befores = {"previous": self.period.shift(-1), "year_ago": self.period.year_ago()}
        for name, before in befores.items() if row.complete and narrative.is_known(row.value) else ():
            period = words.period(before, "short") if before else ""
            end = flat(words.text("card.change", change="", period=period))
            if (
                period and end in text and narrative.is_known(getattr(row, name))
            ):  # cards may be asked to compare otherwise
                yield words.text("card.change", change=narrative.signed(row, words, name), period=period)
        if row.metric in METRICS and row.unit != "points" and narrative.is_known(row.denominator):
            yield tables.made_of(row, words)  # a score is made of answers that no scorecard holds
        yield tables.interval(row, words, "short", worded=True)


def _row(cells: dict[str, str]) -> SimpleNamespace:
    """A row of the file as the formats read it: numbers, None where nothing stands, texts without their guard."""
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
    """What the executed notebooks of one report record: what every format has to say."""

    cards: list[tuple[str, str, str]] = field(default_factory=list)  # label, how it begins, all of it; flat
    rows: list[list[str]] = field(default_factory=list)  # of the tables of figures
    headlines: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)  # all words of all blocks, flat
    titles: list[str] = field(default_factory=list)  # of charts, which may say what the headline does; flat
    charts: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, notebook: dict, words: Words) -> None:
        """Read one executed notebook, as JSON."""
        for output in [one for cell in notebook["cells"] for one in cell.get("outputs", [])]:
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
        heads = [column["label"] for column in data.get("columns", [])]
        if heads[:2] == [words.text("figures.metric"), words.text("figures.value")]:
            self.rows += data["rows"]
        if block.kind == "headline":
            self.headlines.append(flat(data["text"]))
        if block.kind == "chart":
            self.charts += 1
            self.titles.append(flat(data["title"]))
        self.lines += filter(None, map(flat, str(block).splitlines()))

    def faults(self, figures: Figures) -> list[str]:
        """Where notebooks and scorecard tell different figures."""
        wrong = [part for label, _, text in self.cards for part in figures.card_faults(label, text)]
        for row in self.rows:
            known = figures.table_row(row[0]) or [row[0]]
            if row[: len(known)] != known or len(known) == 1:
                wrong.append(" ".join(row))
        return wrong

    def missing_in(self, text: str) -> list[str]:
        """What the HTML says less often than was recorded; `said` is all of its text, flat."""
        return _rarer(self.lines, text, self.lines)

    def missing_in_pdf(self, text: str, *, is_ordered: bool) -> list[str]:
        """The same for paper, where lines break: headlines, cards and rows of figures.

        The words of a page that runs from right to left cannot be had in reading order: there the figures of each part
        are compared, with their signs, as they stand beside one another.
        """
        parts = [*self.headlines, *(begin for _, begin, _ in self.cards), *(flat(" ".join(row)) for row in self.rows)]
        rows = {flat(" ".join(row)): row for row in self.rows}
        if is_ordered:
            missing = _rarer(parts, text, [*parts, *self.titles])
            return [part for part in missing if part not in rows or not _is_split(rows[part], text.__contains__)]
        told = FiguresOnPaper(text)
        missing = told.rarer(parts)
        return [part for part in missing if part not in rows or not _is_split(rows[part], told.tells)]


class FiguresOnPaper:
    """The signed figures in the text of a PDF whose lines cannot be had in reading order: those of one line, or of one
    row of a table, stand beside one another in any order.
    """

    def __init__(self, text: str):
        self._figures = _SIGNED.findall(text)
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, figure in enumerate(self._figures):
            self._places[figure].append(place)

    def tells(self, part: str) -> bool:
        """Whether the figures of a part stand together."""
        return not self.rarer([part])

    def rarer(self, parts: Sequence[str]) -> list[str]:
        """The parts whose figures stand together less often than there are parts with these."""
        figures = {part: sorted(_SIGNED.findall(part)) for part in parts}
        wanted = Counter(map(tuple, map(figures.__getitem__, parts)))
        return [part for part, some in figures.items() if some and self._count(some) < wanted[tuple(some)]]

    def _count(self, figures: list[str]) -> int:
        rarest, size = min(figures, key=lambda one: len(self._places[one])), len(figures)
        starts = {max(0, place - before) for place in self._places[rarest] for before in range(size)}
        return sum(sorted(self._figures[start : start + size]) == figures for start in starts)


def _is_split(row: list[str], is_told: Callable[[str], bool]) -> bool:
    """Whether a row stands in several tables below one another, its first cell in each: too wide for one on paper."""
    start = 1
    while start < len(row):
        ends = range(len(row), start, -1)
        end = next((end for end in ends if is_told(flat(" ".join([row[0], *row[start:end]])))), None)
        if end is None:
            return False
        start = end
    return True


def _rarer(parts: Iterable[str], text: str, recorded: Iterable[str]) -> list[str]:
    """The parts that a text has less often than the record: another that says the same does not stand in for one."""
    whole = "\n".join(recorded)
    return [part for part in dict.fromkeys(parts) if text.count(part) < whole.count(part)]


@lru_cache(maxsize=4)  # one check after the other asks for the same page
def text_of_html(page: str) -> str:
    """All words of our own HTML, those that only a screen reader tells included; flat."""
    bare = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", page)
    labels = re.findall(r'aria-label="([^"]*)"', bare)
    return flat(html.unescape(re.sub(r"<[^>]*>", " ", bare) + " " + " \n ".join(labels)))


def pages_of_pdf(content: bytes) -> int:
    """How many pages a PDF has; raises ValueError where it cannot be read."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(content) as document:
            return len(document)
    except pypdfium2.PdfiumError as error:
        raise ValueError("cannot be read") from error


@lru_cache(maxsize=4)
def text_of_pdf(content: bytes) -> str:
    """All words of a PDF, flat; raises ValueError where it cannot be read."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(content) as document:
            pages = []
            for page in document:
                words = page.get_textpage()
                pages.append(words.get_text_bounded())
                words.close()
                page.close()
            return flat(" ".join(pages))
    except pypdfium2.PdfiumError as error:
        raise ValueError("cannot be read") from error
