"""Every figure that a report prints is one of its scorecard, as the words write it: cards, tables, findings, alt texts,
HTML and PDF alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import pandas as pd
import pytest
from bs4 import Tag
from pypdf import PdfReader

import retention_kit as rk
from retention_kit.errors import DataError
from retention_kit.metrics.catalogue import METRICS
from retention_kit.periods import Period
from retention_kit.report.page import Page
from retention_kit.report.pages import narrative
from retention_kit.wording import DASH, MINUS, Words
from soup import soup_of
from test_pack import pages_of, read_html, scorecard

NUMBER = re.compile(rf"(?<![\w.])[+{MINUS}±]?[£$€]?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?(?:%|[kKmMbBn]+\b)?")
OF_UNIT = ("value", "low", "high", "previous", "year_ago", "target")  # what a row says in its metric's own unit
COLUMNS = (
    "value",
    "numerator",
    "denominator",
    "n",
    "previous",
    "change",
)  # of a table of figures, in the scorecard's names
LEVEL = "95%"  # of every interval


class Printed:
    """What one pack prints, and what its scorecard lets it print."""

    def __init__(self, pack: Path):
        settings = json.loads((pack / "manifest.json").read_text("utf-8"))["settings"]["report"]
        self.words = Words("en", settings["currency"])
        self.period, self.rows = pack.name, [_read(row) for row in scorecard(pack)]
        page = read_html(pack / "report.en.html")
        self.header, self.titles = texts(page.header), [texts(title) for title in page("h2")]
        self.definitions = texts(page.find(id="definitions").find_next("p"))
        self.page = soup_of(str(page.main))
        for script in self.page("script"):
            script.decompose()
        self.drawn = {text.get_text() for text in self.page.select(".picture text")}
        for name in ("definitions", "quality", "identities", "provenance"):
            self.page.find("section", attrs={"aria-labelledby": name}).decompose()
        self.pages = pages_of(pack / "report.en.pdf")
        spelled = {words for row in self.rows for words in self._spelled(row["period"])}
        self._periods = re.compile("|".join(sorted(map(re.escape, spelled), key=len, reverse=True)))

    def rows_of(self, metric: str, *periods: str, segments: bool = False) -> list[dict]:
        """The rows of a metric: of some periods, or of all; of the whole, or of the segments, too."""
        return [
            row
            for row in self.rows
            if row["metric"] == metric
            and (not periods or row["period"] in periods)
            and (segments or not row["segment"])
        ]

    def figures(self, text: str) -> set[str]:
        """The figures in a text; the names of periods and the level of the intervals are none."""
        return {number for number in NUMBER.findall(self._periods.sub(" ", text)) if number != LEVEL}

    def allowed(self, rows: Iterable[dict]) -> set[str]:
        """Every figure of these rows in every form that the words have for it."""
        return self.figures(" ".join(form for row in rows for form in self._forms(row)))

    def metric(self, label: str) -> str:
        return next(name for name, metric in METRICS.items() if metric.label == label)

    def _forms(self, row: dict) -> Iterator[str]:
        words, unit = self.words, row["unit"]
        yield row["note"]
        yield narrative.per_day(SimpleNamespace(**row), words) if row["previous"] and row["value"] is not None else ""
        for style in ("short", "full"):
            for name in OF_UNIT:
                yield words.value(row[name], unit, style)
            for name, kind in zip(
                ("numerator", "denominator", "n"), (*METRICS[row["metric"]].parts, "count"), strict=True
            ):
                yield words.value(row[name], kind, style)
            since = [row["change"], None if None in (row["value"], row["year_ago"]) else row["value"] - row["year_ago"]]
            for change in (*since, row["change_low"], row["change_high"]):
                yield from (words.change(change, unit, style), words.change(change, unit, style).lstrip(f"+{MINUS}±"))
            for change, before in zip(since, (row["previous"], row["year_ago"]), strict=True):
                if change is not None and before and unit == "money":  # told in per cent, with its sign or after a verb
                    share = words.value(abs(change / before), "fraction", style)
                    yield from (share, f"{MINUS if change < 0 else '+'}{share}")

    def _spelled(self, period: str) -> set[str]:
        parsed = Period.parse(period)
        return {
            form
            for near in (parsed, parsed.shift(-1), parsed.shift(-12))
            for form in (str(near), self.words.period(near), self.words.period(near, "short"))
        }


def _read(row: dict[str, str]) -> dict:
    texts = ("metric", "label", "period", "segment", "segment_value", "unit", "complete", "status", "note")
    return {name: value if name in texts else float(value) if value else None for name, value in row.items()}


@cache
def printed_in(pack: Path) -> Printed:
    return Printed(pack)


@pytest.fixture
def printed(any_pack) -> Printed:
    return printed_in(any_pack)


def texts(tag: Tag) -> str:
    return " ".join(tag.get_text(" ", strip=True).split())


def tables(printed: Printed) -> list[tuple[list[str], list[list[str]]]]:
    """Of each table of figures: its header and its rows."""
    first = printed.words.text("figures.metric")
    read = [[[texts(cell) for cell in row(["th", "td"])] for row in table("tr")] for table in printed.page("table")]
    return [(head, rows) for head, *rows in read if head[0] == first]


def test_every_cell_of_the_tables_of_figures_is_the_scorecards(printed):
    heads = {printed.words.text(f"figures.{name}"): name for name in (*COLUMNS, "interval")}
    metrics = []
    for head, rows in tables(printed):
        assert {*COLUMNS, "interval"} <= {heads.get(label) for label in head}
        for label, *cells in rows:
            (row,) = printed.rows_of(printed.metric(label), printed.period)
            kinds = dict(zip(("numerator", "denominator", "n"), (*METRICS[row["metric"]].parts, "count"), strict=True))
            for name, cell in zip((heads.get(label) for label in head[1:]), cells, strict=True):
                if name == "change":
                    assert cell == printed.words.change(row["change"], row["unit"], "full"), (label, name)
                elif name == "interval":
                    ends = [printed.words.value(row[end], row["unit"], "full") for end in ("low", "high")]
                    assert re.split(r"\s+to\s+", cell) == (ends if row["low"] is not None else [DASH]), (label, name)
                elif name:
                    assert cell == printed.words.value(row[name], kinds.get(name, row["unit"]), "full"), (label, name)
                else:
                    assert printed.figures(cell) <= printed.allowed([row]), (label, name)
            metrics.append(row["metric"])
    assert len(metrics) == len({*metrics}) > 10


def test_every_figure_of_the_cards_is_the_scorecards(printed):
    cards = printed.page.select(".card")
    assert cards
    for card in cards:
        (row,) = printed.rows_of(printed.metric(texts(card.select_one(".label"))), printed.period)
        assert texts(card.select_one(".value")) == printed.words.value(row["value"], row["unit"])
        numbers = printed.figures(texts(card))
        if row["metric"] == "net_promoter_score":  # told with its answers, which no scorecard holds
            numbers = printed.figures(re.sub(r"[\d,.]+ promoters, [\d,.]+ detractors", "", texts(card)))
        assert numbers - printed.allowed([row]) == set(), row["metric"]
        assert len(numbers) > 1
        if row["change"] is not None:
            rose, is_low_better = row["change"] > 0, METRICS[row["metric"]].better == "lower"
            assert ("good" if rose == is_low_better else "bad") not in card.select_one(".change")["class"]


@pytest.fixture
def movements(any_pack) -> dict[str, set[str]]:
    return movements_in(any_pack)


@cache
def movements_in(pack: Path) -> dict[str, set[str]]:
    """What the library tells of the period's customers, MRR, reasons and why figures changed, as the words write it."""
    printed, manifest = printed_in(pack), json.loads((pack / "manifest.json").read_text("utf-8"))
    data_entry = manifest["data"]
    data = rk.sample() if data_entry["synthetic"] else rk.load(data_entry["origin"])
    by_kind = {}
    for name, frame_of in {
        "customers": rk.customer_movements,
        "mrr": rk.mrr_movements,
        "reasons": rk.churn_reasons,
    }.items():
        try:
            rows = frame_of(data)
        except DataError:  # these data tell nothing of it
            continue
        now = rows[rows["period"] == printed.period].select_dtypes("number")
        now = now.assign(share=now["lost"] / now["lost"].sum()) if name == "reasons" else now
        units = {"share": ["fraction"]} if name != "mrr" else {}
        forms = [
            printed.words.value(abs(value), unit, style)
            for column in now
            for value in now[column]
            for style in ("short", "full")
            for unit in units.get(column, ["money"] if name == "mrr" else ["count", "money"])
        ]
        by_kind[name] = printed.figures(" ".join(forms))
    why = Page(printed.period, segment=manifest["parameters"]["segment"], data=data).why()
    by_kind["why"] = printed.figures(" ".join(why.data["items"]) if why else "")
    return by_kind


def test_the_first_words_name_figures_of_the_period_only(any_pack, printed, movements):
    """The headline, the sentences under it, why figures changed, as the library tells it, and what needs attention, with
    what the lists hold and what is usual.
    """
    first = printed.page.find("section")
    lost = pd.read_csv(any_pack / "lists" / "lost_customers.csv")
    money = [lost[name].sum() for name in ("mrr", "revenue_12_months") if name in lost]
    assert money
    risk = any_pack / "lists" / "at_risk.csv"
    at_risk = pd.read_csv(risk) if risk.exists() else pd.DataFrame()
    money += [at_risk[name].sum() for name in at_risk if name.endswith("_at_stake")]
    before = [
        row["value"] for row in printed.rows if row["metric"] == "lost_customers" and row["period"] < printed.period
    ]
    period_rows = [row for row in printed.rows if row["period"] == printed.period and not row["segment"]]
    money += [
        abs(row["change"]) * row["denominator"]
        for row in period_rows
        if row["unit"] == "money" and None not in (row["change"], row["denominator"])
    ]
    listed = [printed.words.value(value, "money") for value in money]
    listed.append(printed.words.value(int(median(before[-12:]) + 0.5), "count"))
    allowed = printed.allowed(row for row in printed.rows if row["period"] == printed.period)
    for part in (first.h1, *first.select(".lead"), *first.select(".notice")):
        assert (
            printed.figures(texts(part))
            - allowed
            - movements.get("mrr", set())
            - movements["why"]
            - printed.figures(" ".join(listed))
            == set()
        )
    assert printed.figures(texts(first.h1))


def test_movements_are_told_as_the_library_tells_them(printed, movements):
    """Under the charts of customers and of MRR, where their sums are spelled out."""
    compared = []
    for name, titled in {"customers": "charts.customers.title", "mrr": "charts.mrr.title"}.items():
        before = printed.words.raw(titled).partition("{")[0]
        for picture in printed.page.select(".picture"):
            if picture["aria-label"].startswith(before):
                spelled = f"{picture['aria-label']} {texts(picture.find_next('figcaption'))}"
                spelled = re.sub(rf"(?<=\s)[+{MINUS}] (?=\S)", " ", spelled)
                unsigned = {figure.lstrip(f"+{MINUS}") for figure in printed.figures(spelled)}
                allowed = movements[name] | printed.allowed(
                    printed.rows_of("customers_at_start") + printed.rows_of("lost_customers")
                )
                assert {number for number in unsigned if len(number) > 2} <= allowed
                compared.append(name)
    assert compared == [name for name in ("customers", "mrr") if name in movements]


def test_reasons_are_told_as_the_library_tells_them(printed, movements):
    reason = printed.words.text("reasons.reason")
    matching = [table for table in printed.page("table") if texts(table.find("th")) == reason]
    assert len(matching) == ("reasons" in movements)
    for table in matching:
        assert printed.figures(texts(table)) <= movements["reasons"]


def charts(printed: Printed, kind: str) -> Iterator[tuple[str, str, str]]:
    """The metric, title and description of each trend, or each plot of segments."""
    before, _, after = printed.words.raw(f"charts.alt.{kind}").partition("{label}")
    end, labels = after.partition("{")[0], {metric.label for metric in METRICS.values()}
    for figure in printed.page.select("figure.chart"):
        alt, title = figure.select_one(".picture")["aria-label"], figure.select_one(".title")
        label = alt.removeprefix(before).partition(end)[0]
        if alt.startswith(before) and label in labels:
            yield printed.metric(label), texts(title), alt


def test_every_trend_tells_figures_of_its_metric(printed):
    trends = list(charts(printed, "trend"))
    assert len(trends) > 2
    for metric, title, alt in trends:
        assert printed.figures(title) - printed.allowed(printed.rows_of(metric, printed.period)) == set(), metric
        assert printed.figures(alt) - printed.allowed(printed.rows_of(metric)) == set(), metric
        assert len(printed.figures(alt)) > 2


def test_every_plot_of_segments_tells_figures_of_its_metric(printed):
    plots = list(charts(printed, "segments"))
    assert plots
    more = printed.words.raw("charts.alt.more").partition("{count}")
    for metric, title, alt in plots:
        text = re.sub(f"{more[0]}\\d+{more[2]}", "", alt)
        text = re.sub(r"\d+ small ones together \S+ · n [\d,]+", "", text)  # a sum that no scorecard holds
        allowed = printed.allowed(printed.rows_of(metric, printed.period, segments=True))
        assert printed.figures(title) | printed.figures(text) <= allowed, metric


def test_the_pdf_says_what_the_html_says(printed):
    """Each card and each row of each table stands in it, word for word."""
    text = " ".join(printed.pages)
    rows = [texts(row) for row in printed.page.select("tbody tr")]
    cards = [texts(part) for card in printed.page.select(".card") for part in card("p")]
    assert [part for part in [*rows, *cards] if part and part not in text] == []
    assert len(rows) > 10


@pytest.mark.long
def test_the_pdf_names_no_figure_that_the_html_does_not(any_pack, printed):
    """From its first page up to the definitions; what charts, the contents and page numbers say left aside."""
    drawings = "|".join(sorted(map(re.escape, printed.drawn), key=len, reverse=True))
    chart_descriptions, numbered = re.compile(rf"(?:(?:{drawings})\s*)+"), re.escape(printed.words.raw("document.page"))
    numbered = re.compile(numbered.replace(r"\{page\}", r"\d+").replace(r"\{pages\}", r"\d+"))
    lines = [
        line.strip()
        for page in PdfReader(any_pack / "report.en.pdf").pages
        for line in page.extract_text().splitlines()
    ]
    text = " ".join(line for line in lines if not chart_descriptions.fullmatch(line) and not numbered.fullmatch(line))
    listed = "".join(rf"\s+{re.escape(title)} \d+" for title in printed.titles)
    before, after = re.split(f"{printed.words.text('document.contents')}{listed}", text.replace(printed.header, " "))
    after, definitions, _ = after.partition(printed.definitions)
    assert definitions
    assert printed.figures(before) - printed.figures(texts(printed.page)) == set()
    assert printed.figures(after) - printed.figures(texts(printed.page)) == set()
    assert len(printed.figures(after)) > 50
