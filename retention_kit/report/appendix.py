"""The end of every report: definitions, data quality, checks and provenance, as blocks."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import msgspec

from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.identities import Identity
from retention_kit.report.display import Block
from retention_kit.report.page import Page, unavailable
from retention_kit.report.rules import in_force


def appendix(page: Page, checks: list[Identity]) -> list[Block]:
    """The closing sections of a report on one page's data."""
    return [
        *_definitions(page),
        *_quality(page),
        page.heading("identities"),
        _identities(page, checks),
        *_provenance(page),
    ]


def _definitions(page: Page) -> list[Block]:
    text, shown = page.words.text, set(page.rows["metric"])
    every = text(f"every.{page.every}")
    terms = []
    for one in [metric for metric in METRICS.values() if metric.name in shown]:
        details = [text("definitions.formula", formula=one.formula)]
        if rule := in_force(one, page.data, page.words):
            details.append(rule)
        if one.competing:
            details.append(text("definitions.competing", competing=one.competing))
        terms.append(
            {
                "term": one.label,
                "text": one.definition,
                "details": [*details, text("definitions.source", source=one.source)],
            }
        )
    blocks = [
        page.heading("definitions"),
        Block(
            "text",
            text=text(
                f"definitions.basis_{page.base}", every=every, days=page.data.settings.definitions.inactivity_days
            ),
        ),
        Block("text", text=text("definitions.symbols", every=every)),
        Block("terms", items=terms),
    ]
    for reason, metrics in unavailable(page.data).items():
        labels = ", ".join(one.label for one in metrics)
        blocks.append(Block("text", text=text("definitions.absent", labels=labels, reason=reason)))
    return blocks


def _quality(page: Page) -> list[Block]:
    text = page.words.text
    columns = [
        {"label": text(f"quality.{name}"), "align": "end" if name == "rows" else "start"} for name in page.data.quality
    ]
    rows = [
        [row.table, row.check, page.words.value(row.rows, "count"), row.effect]
        for row in page.data.quality.itertuples()
    ]
    return [page.heading("quality"), Block("table", columns=columns, rows=rows, caption=text("quality.caption"))]


def _identities(page: Page, checks: list[Identity]) -> Block:
    text = page.words.text
    columns = [{"label": text("identities.identity")}, {"label": text("identities.result")}]
    rows = []
    for check in checks:
        result = (
            text("identities.broken", periods=", ".join(check.broken))
            if check.broken
            else text("identities.holds", count=page.words.value(check.periods, "count"))
        )
        rows.append([text(f"identities.{check.name}", column=check.column), result])
    return Block("table", columns=columns, rows=rows, caption=text("identities.caption"))


def _provenance(page: Page) -> list[Block]:
    text, data = page.words.text, page.data
    terms = [
        {
            "term": text("provenance.source", table=source["table"], name=_short(source["name"])),
            "text": text("provenance.digest", sha256=source["sha256"][:16]),
        }
        for source in data.sources
    ]
    options = {
        name: value for name, value in msgspec.to_builtins(data.settings.definitions).items() if value is not None
    }
    options["basis"] = data.basis
    sentences = [
        text("provenance.asof", day=page.words.date(data.as_of), zone=data.settings.report.timezone or "UTC"),
        text("provenance.options", options=", ".join(f"{name} = {value}" for name, value in options.items())),
        text("provenance.frame", version=version("retention-kit"), python=platform.python_version()),
    ]
    return [
        page.heading("provenance"),
        Block("terms", items=terms),
        *(Block("text", text=sentence) for sentence in sentences),
    ]


def _short(name: str) -> str:
    """A source without the folders before it: `shop.csv`, or `shop.duckdb: SELECT …`."""
    file, colon, query = name.partition(": ")
    return f"{Path(file).name}{colon}{query}"
