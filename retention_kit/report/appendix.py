"""The end of every report: definitions, data quality, checks and provenance, as blocks."""

from __future__ import annotations

import platform
from collections.abc import Sequence, Set
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from retention_kit.metrics.catalogue import METRICS, Metric
from retention_kit.metrics.identities import Identity
from retention_kit.metrics.queries.summaries import missing_reason
from retention_kit.report.archive.manifest import PACKAGES
from retention_kit.report.blocks import Block
from retention_kit.report.changes import Restated
from retention_kit.report.charts.base import join_items
from retention_kit.report.page import Page
from retention_kit.report.pages import rules
from retention_kit.report.pages.context import unavailable
from retention_kit.wording import Sentence, Verbatim

READ = "rows read"  # of the checks, the one that only counts
RESTATED = 3  # earlier periods whose figures are shown as sent and now; the manifest holds all


def appendix(
    page: Page, checks: Sequence[Identity], restated: Sequence[Restated] = (), shown: Set[str] = frozenset()
) -> list[Block]:
    """The closing sections of a report on one page's data.

    `restated` are figures that earlier reports gave otherwise; of `shown`, the metrics that the report speaks of, it
    has the definitions, of all where that is empty.
    """
    return [
        *_definitions(page, [METRICS[name] for name in METRICS if name in (shown or set(page.rows["metric"]))]),
        *_quality(page),
        *_restated(page, restated),
        page.heading("identities"),
        _identities(page, checks),
        *_provenance(page),
    ]


def _definitions(page: Page, shown: Sequence[Metric]) -> list[Block]:
    text = page.words.text
    every = text(f"every.{page.every}")
    terms = []
    for metric in shown:
        details = [text("definitions.formula", formula=metric.formula)]
        if rule := rules.in_force(metric, page.data, page.words):
            details.append(rule)
        if metric.competing:
            details.append(text("definitions.competing", competing=metric.competing))
        terms.append(
            {
                "term": page.words.say(metric.label),
                "text": page.words.say(metric.definition),
                "details": [*details, text("definitions.source", source=metric.source)],
            }
        )
    blocks = [page.heading("definitions")]
    if missing_reason(page.data, "movements") is None:  # of answers alone, nobody is a customer
        days = page.data.settings.definitions.inactivity_days
        basis = text(f"definitions.basis_{page.base}", every=every, days=days)
        blocks += [Block("text", text=basis), Block("text", text=text("definitions.symbols", every=every))]
    blocks += [
        Block("notice", title=text("rules.title"), items=rules.describe_options(shown, page.data, page.words)),
        Block("terms", items=terms),
    ]
    for reason, metrics in unavailable(page.data).items():
        labels = page.words.listed(metric.label for metric in metrics)
        blocks.append(Block("text", text=text("definitions.absent", labels=labels, reason=reason)))
    return blocks


def _quality(page: Page) -> list[Block]:
    """A table for each source table: what cleaning found in it, and what that does to the figures."""
    words, text, say, blocks = page.words, page.words.text, page.words.say, []
    columns = [
        {"label": text(f"quality.{name}"), "align": "end" if name == "rows" else "start"}
        for name in ("check", "rows", "effect")
    ]
    for _, rows in page.data.quality.groupby("table", sort=False):
        size = words.value(rows.loc[rows["check"] == READ, "rows"].sum(), "count")
        read = {"table": rows["table"].iloc[0], "rows": size}
        noted = rows[rows["check"] != READ]
        body = [[say(row.check), words.value(row.rows, "count"), say(row.effect)] for row in noted.itertuples()]
        if body:
            blocks.append(Block("table", title=text("quality.title", **read), columns=columns, rows=body))
        else:
            blocks.append(Block("text", text=text("quality.clean", **read)))
    if warned := page.data.warnings:
        blocks.insert(0, Block("notice", tone="attention", title=text("quality.warned"), items=[*map(say, warned)]))
    return [page.heading("quality"), Block("text", text=text("quality.caption")), *blocks]


def _restated(page: Page, restated: Sequence[Restated]) -> list[Block]:
    """What the latest earlier reports said against what is known now; nothing where nothing changed."""
    words, text = page.words, page.words.text
    columns = [
        {"label": text(f"history.{name}"), "align": "end" if name in ("sent", "now") else "start"}
        for name in ("metric", "sent", "now", "why")
    ]
    periods, blocks = list(dict.fromkeys(figure.period for figure in restated)), []
    for period in periods[:RESTATED]:
        rows = []
        for figure in [figure for figure in restated if figure.period == period]:
            metric = METRICS[figure.metric]
            figures = [words.value(value, metric.unit, "full") for value in (figure.sent, figure.now)]
            causes = words.listed(text(f"history.{cause}") for cause in figure.causes) or text("history.none")
            rows.append([metric.label, *figures, causes])
        title = text("history.title", period=words.period(period))
        blocks.append(Block("table", title=title, columns=columns, rows=rows, caption=text("history.caption")))
    if older := words.listed(words.period(period, "short") for period in periods[RESTATED:]):
        blocks.append(Block("text", text=text("history.older", periods=older)))
    return blocks


def _identities(page: Page, checks: Sequence[Identity]) -> Block:
    text = page.words.text
    columns = [{"label": text("identities.identity")}, {"label": text("identities.result")}]
    rows = []
    for check in checks:
        result = (
            text("identities.broken", periods=page.words.listed(check.broken))
            if check.broken
            else text("identities.holds", count=page.words.value(check.periods, "count"))
        )
        rows.append([text(f"identities.{check.name}", column=check.column), result])
    return Block("table", columns=columns, rows=rows, caption=text("identities.caption"))


def _provenance(page: Page) -> list[Block]:
    words, text, data = page.words, page.words.text, page.data
    read = data.quality[data.quality["check"] == READ].groupby("table")["rows"].sum()
    terms = []
    for table, sources in groupby(data.sources, key=lambda source: source["table"]):
        rows = text("provenance.rows", rows=words.value(read[table], "count")) if table in read else ""
        # Several questions of one file are one source each.
        files = dict.fromkeys(
            text("provenance.source", name=_short(source["name"]), sha256=Verbatim(source["sha256"][:16]))
            for source in sources
        )
        terms.append({"term": words.say(table), "text": rows, "details": [*files]})
    packages = {name: version(name) for name in PACKAGES}
    lines = [
        text("provenance.package", name=package, version=packages[package])
        for package in PACKAGES
        if package != "retention-kit"
    ]
    asof = {"day": words.date(data.as_of), "last": page.last_day(), "zone": data.settings.report.timezone or "UTC"}
    sentences = [
        text("provenance.asof", **asof),
        text(
            "provenance.made",
            version=packages["retention-kit"],
            python=platform.python_version(),
            packages=join_items(lines, words),
        ),
    ]
    return [
        page.heading("provenance"),
        Block("terms", items=terms),
        *(Block("text", text=sentence) for sentence in sentences),
    ]


def _short(name: str) -> str:
    """A source without the folders before it: `shop.csv`, or `shop.duckdb: SELECT …`."""
    if isinstance(name, Sentence):  # of no file
        return name
    file, colon, query = name.partition(": ")
    return f"{Path(file).name}{colon}{query}"
