"""The display of a dataset: its tables, as-of date, definition of customers, and findings of cleaning."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from retention_kit.data.schema import table_name
from retention_kit.display import Display, Table, words_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retention_kit.wording import Words


def display_of(data: Any) -> Display:
    """The display of a `Dataset`."""
    report = data.settings.report
    words = words_in(report.languages[0], report.currency, report.digits)
    last = words.date(data.as_of - timedelta(days=1))
    values = {"company": report.company, "first": words.date(data.start), "last": last}
    title = words.text("shown.dataset.title" if report.company else "shown.dataset.untitled", **values)
    if data.is_sample:
        title = words.text("shown.dataset.sample", title=title)
    zone = (
        words.text("shown.dataset.zone", zone=report.timezone)
        if report.timezone
        else words.text("shown.dataset.unzoned")
    )
    money = [words.text("shown.dataset.currency", currency=report.currency)] if report.currency != "XXX" else []
    read = data.quality[data.quality["check"] == "rows read"].set_index("table")["rows"]
    tables = [_rows(name, read.get(name), words) for name in data.tables]
    segments = [*map(words.isolate, data.segments)] or [words.text("shown.dataset.none")]
    facts: list[tuple[str, Sequence[str]]] = [
        (words.text("shown.dataset.tables"), tables),
        (words.text("shown.dataset.time"), [zone, words.text("shown.dataset.asof", last=last), *money]),
        (words.text("shown.dataset.segments"), segments),
    ]
    notes = []
    if data.basis in data.tables:
        days = data.settings.definitions.inactivity_days
        kind = "inactivity" if data.basis == "orders" and days else data.basis
        every = words.text(f"every.{report.every}")
        notes = [words.text(f"definitions.basis_{kind}", every=every, days=days)]
    messages = [*data.warnings, *([data.notice] if data.notice else [])]
    return Display(title, words, facts, [_quality(data.quality, words)], notes, [*map(words.say, messages)])


def _rows(table: str, rows: int | None, words: Words) -> str:
    return words.text("shown.dataset.rows", table=table_name(table), rows=words.value(rows, "count"))


def _quality(frame: Any, words: Words) -> Table:
    heads = [words.text(f"shown.dataset.{name}") for name in ("table", "check", "rows_head", "effect")]
    say = words.say
    rows = [
        [say(row.table), say(row.check), words.value(row.rows, "count"), say(row.effect)] for row in frame.itertuples()
    ]
    return Table(heads, rows, frozenset({0, 1, 3}))
