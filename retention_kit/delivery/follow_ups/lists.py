"""Dated lists of customers to follow up: a CSV file each, a calendar and webhooks; each customer once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

from retention_kit.delivery.follow_ups.ledger import Entry, Ledger, StoredList, publish, stage_file
from retention_kit.delivery.ledgers import now
from retention_kit.metrics.follow_ups import Due, DueList
from retention_kit.report.export.csv_files import rows_csv
from retention_kit.settings.follow_ups import FIELDS, FollowUp


@dataclass(frozen=True)
class Listed:
    """The result of one list: its new customers, and how many were left out for each reason."""

    due: DueList
    rows: tuple[Due, ...] = ()  # new, written to the file
    file: str = ""  # below the folder; empty if nobody is new
    before: int = 0  # already listed for the occasion
    quiet: int = 0  # on another list too recently
    missed: int = 0  # due between the last run and this one, and not listed
    beyond: int = 0  # above the cap; listed next time if still due
    open: int = 0  # on all lists, not done yet
    overdue: int = 0  # of these, late
    done: int = 0

    @property
    def name(self) -> str:
        return self.due.follow_up.name


def choose(ledger: Ledger, lists: Sequence[DueList]) -> list[Listed]:
    """Select the due customers for each list, in the order of the settings: nobody is on two of them."""
    chosen: list[Listed] = []
    used: set[str] = set()
    for due in lists:
        rule, before, quiet, beyond = due.follow_up, 0, 0, 0
        quiet_days = rule.quiet_span
        rows: list[Due] = []
        free = rule.cap - ledger.size(rule.name, due.day)
        for row in due.rows:
            if ledger.is_listed(rule.name, row.customer_id, row.occasion):
                before += 1
            elif quiet_days and (row.customer_id in used or ledger.is_quiet(row.customer_id, due.day, quiet_days)):
                quiet += 1
            elif len(rows) >= free:
                beyond += 1
            else:
                rows.append(row)
                used.add(row.customer_id)
        missed = sum(
            not ledger.is_listed(rule.name, row.customer_id, row.occasion)
            and not ledger.is_quiet(row.customer_id, due.day, quiet_days)
            for row in due.late
        )
        chosen.append(Listed(due, tuple(rows), "", before, quiet, missed, beyond))
    return chosen


def write_lists(ledger: Ledger, chosen: Iterable[Listed]) -> list[Listed]:
    """Write each list with new customers and record it in the ledger."""
    return [_write(ledger, listed) if listed.rows else listed for listed in chosen]


def _write(ledger: Ledger, listed: Listed) -> Listed:
    rule, day = listed.due.follow_up, listed.due.day
    names = {stored.file for stored in ledger.files()}
    folder = str(day - timedelta(days=1))  # the last day of the data
    files = (_file(folder, rule, number) for number in count(1))
    file = next(file for file in files if file not in names and not (ledger.folder / file).exists())
    targets = [target for target in dict.fromkeys(rule.then) if ":" in target]
    stage_file(ledger.folder / file, list_csv(rule, listed.rows))
    event = "ics" in rule.then
    content = json.dumps(facts(listed, file), ensure_ascii=False) if targets else ""
    ledger.add(
        StoredList(file, rule.name, str(day), rule.owner or "", now(), event, not event, " ".join(targets), content),
        [Entry(rule.name, row.customer_id, row.occasion, str(day), str(row.due), file) for row in listed.rows],
    )
    publish(ledger.folder / file)
    return replace(listed, file=file)


def _file(folder: str, rule: FollowUp, number: int) -> str:
    return f"{folder}/{rule.file}{f'.{number}' if number > 1 else ''}.csv"


def list_csv(rule: FollowUp, rows: Iterable[Due]) -> str:
    """A list as CSV for spreadsheets and mailing tools, with formulas escaped."""
    heads = ["customer_id", "due", "reason", *(["contact"] if rule.contact else [])]
    heads += [name if name not in (*FIELDS, "text") else f"column.{name}" for name in rule.merged]
    heads += ["text"] if rule.text else []
    cells = [
        [
            row.customer_id,
            str(row.due),
            row.reason,
            *([row.contact] if rule.contact else []),
            *(row.values[name] for name in rule.merged),
            *([row.text] if rule.text else []),
        ]
        for row in rows
    ]
    return rows_csv([heads, *cells])


def facts(listed: Listed, file: str) -> dict[str, Any]:
    """A list as it is posted to webhooks and printed by `--json`."""
    rule = listed.due.follow_up
    return {
        "follow_up": rule.name,
        "when": rule.when,
        "day": str(listed.due.day - timedelta(days=1)),
        "owner": rule.owner or "",
        "file": file,
        "customers": [
            {
                "customer_id": row.customer_id,
                "due": str(row.due),
                "reason": row.reason,
                **({"contact": row.contact} if rule.contact else {}),
                **({"columns": row.values} if rule.merged else {}),
                **({"text": row.text} if rule.text else {}),
            }
            for row in listed.rows
        ],
    }


def count_done(ledger: Ledger, lists: Sequence[Listed]) -> list[Listed]:
    """The lists with the numbers of their customers, over all days, that are done, open and overdue."""
    counted = []
    for listed in lists:
        entries = ledger.entries(listed.name)
        waiting = [entry for entry in entries if not entry.done_at]
        late = sum(entry.due < str(listed.due.day) for entry in waiting)
        counted.append(replace(listed, open=len(waiting), overdue=late, done=len(entries) - len(waiting)))
    return counted


def write_calendars(ledger: Ledger, render: Callable[[list[StoredList], list[Entry]], str]) -> None:
    """Write the calendar of each day that has lists in no calendar yet."""
    files = ledger.files()
    for day in dict.fromkeys(stored.day for stored in files if not stored.is_drawn):
        with_event = [stored for stored in files if stored.day == day and stored.has_event]
        names = {stored.file for stored in with_event}
        path = (ledger.folder / with_event[0].file).with_name("follow-ups.ics")
        stage_file(path, render(with_event, [entry for entry in ledger.entries() if entry.file in names]))
        publish(path)
        ledger.mark_drawn(day)
