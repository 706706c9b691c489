"""Dated lists of whom to follow up: a CSV file each, a calendar for their owner, and webhooks; each customer once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

from retention_kit.delivery.follow_ups.ledger import Entry, File, Ledger, put_in_place, write_beside
from retention_kit.delivery.ledgers import now
from retention_kit.metrics.follow_ups import Due, DueList
from retention_kit.report.export.csv_files import rows_csv
from retention_kit.settings.follow_ups import OURS, FollowUp


@dataclass(frozen=True)
class Listed:
    """What became of one list: the customers that are new on it, and how many were left out for which reason."""

    due: DueList
    rows: tuple[Due, ...] = ()  # new, in the file
    file: str = ""  # below the folder; empty where nobody is new
    before: int = 0  # listed for this already
    quiet: int = 0  # on another list too short a time ago
    missed: int = 0  # due between the last lists and these, and on none
    beyond: int = 0  # above the cap; they come next time, while it is not too late
    open: int = 0  # of all lists, not done yet
    overdue: int = 0  # of these, late
    done: int = 0

    @property
    def name(self) -> str:
        return self.due.follow_up.name


def choose(ledger: Ledger, lists: Sequence[DueList]) -> list[Listed]:
    """Whom of those who are due the lists name now, in the order of the settings: who is on one is not on the next."""
    chosen: list[Listed] = []
    taken: set[str] = set()
    for due in lists:
        rule, before, quiet, beyond = due.follow_up, 0, 0, 0
        rows: list[Due] = []
        room = rule.cap - ledger.size(rule.name, due.day)
        for row in due.rows:
            if ledger.knows(rule.name, row.customer_id, row.occasion):
                before += 1
            elif rule.silence and (row.customer_id in taken or ledger.is_quiet(row.customer_id, due.day, rule.silence)):
                quiet += 1
            elif len(rows) >= room:
                beyond += 1
            else:
                rows.append(row)
                taken.add(row.customer_id)
        missed = sum(
            not ledger.knows(rule.name, row.customer_id, row.occasion)
            and not ledger.is_quiet(row.customer_id, due.day, rule.silence)
            for row in due.late
        )
        chosen.append(Listed(due, tuple(rows), "", before, quiet, missed, beyond))
    return chosen


def write_lists(ledger: Ledger, chosen: Iterable[Listed]) -> list[Listed]:
    """Write each list that names somebody, and the ledger with it; the calendars follow, so that none is missing."""
    return [_write(ledger, one) if one.rows else one for one in chosen]


def _write(ledger: Ledger, one: Listed) -> Listed:
    rule, day = one.due.follow_up, one.due.day
    names = {file.file for file in ledger.files()}
    folder = str(day - timedelta(days=1))  # the last day that the data know
    files = (_file(folder, rule, number) for number in count(1))
    file = next(file for file in files if file not in names and not (ledger.folder / file).exists())
    targets = [target for target in dict.fromkeys(rule.then) if ":" in target]
    write_beside(ledger.folder / file, list_csv(rule, one.rows))
    has_event = "ics" in rule.then
    content = json.dumps(facts(one, file), ensure_ascii=False) if targets else ""
    ledger.add(
        File(file, rule.name, str(day), rule.owner or "", now(), has_event, not has_event, " ".join(targets), content),
        [Entry(rule.name, row.customer_id, row.occasion, str(day), str(row.due), file) for row in one.rows],
    )
    put_in_place(ledger.folder / file)
    return replace(one, file=file)


def _file(folder: str, rule: FollowUp, number: int) -> str:
    return f"{folder}/{rule.file}{f'.{number}' if number > 1 else ''}.csv"


def list_csv(rule: FollowUp, rows: Iterable[Due]) -> str:
    """A list as a spreadsheet or a mailing tool reads it: no cell begins a formula."""
    heads = ["customer_id", "due", "reason", *(["contact"] if rule.contact else [])]
    heads += [name if name not in (*OURS, "text") else f"column.{name}" for name in rule.merged]
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


def facts(one: Listed, file: str) -> dict[str, Any]:
    """A list as a webhook gets it, and as `--json` prints it."""
    rule = one.due.follow_up
    return {
        "follow_up": rule.name,
        "when": rule.when,
        "day": str(one.due.day - timedelta(days=1)),
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
            for row in one.rows
        ],
    }


def count_done(ledger: Ledger, listed: Sequence[Listed]) -> list[Listed]:
    """The lists with how many of their customers, of all days, have been followed up, and how many are late."""
    counted = []
    for one in listed:
        entries = ledger.entries(one.name)
        waiting = [entry for entry in entries if not entry.done_at]
        late = sum(entry.due < str(one.due.day) for entry in waiting)
        counted.append(replace(one, open=len(waiting), overdue=late, done=len(entries) - len(waiting)))
    return counted


def draw_calendars(ledger: Ledger, render: Callable[[list[File], list[Entry]], str]) -> None:
    """Write the calendar of each day that has lists which no calendar holds yet."""
    files = ledger.files()
    for day in dict.fromkeys(one.day for one in files if not one.is_drawn):
        shown = [one for one in files if one.day == day and one.has_event]
        names = {one.file for one in shown}
        path = (ledger.folder / shown[0].file).with_name("follow-ups.ics")
        write_beside(path, render(shown, [entry for entry in ledger.entries() if entry.file in names]))
        put_in_place(path)
        ledger.drawn(day)
