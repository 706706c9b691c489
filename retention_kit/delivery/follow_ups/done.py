"""Reads `done.csv` (customer_id, rule, done_at): completed follow-ups, written by people or mailing tools."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from retention_kit.delivery.follow_ups.ledger import Ledger
from retention_kit.errors import DataError, check_choice
from retention_kit.report.export.csv_files import escape_formula
from retention_kit.settings.follow_ups import FollowUp

NAME = "done.csv"
_COLUMNS = ("customer_id", "rule", "done_at")


class Done(NamedTuple):
    """One row of the file, with its number; the header is row 1."""

    row: int
    customer_id: str
    rule: str
    done_at: str


def read_done(path: Path) -> list[Done]:
    """The rows of a file; raises DataError if it cannot be read or lacks a column other than `done_at`."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise DataError("There is no file {path!r}.", path=str(path)) from None
    except OSError as error:
        raise DataError("{path} cannot be read: {reason}.", path=path, reason=error.strerror) from None
    except UnicodeDecodeError:
        raise DataError("{path} is no UTF-8: save it as CSV UTF-8.", path=path) from None
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise DataError("{path} cannot be read: {error}.", path=path, error=error) from None
    names = [name.strip().lower() for name in rows[0]] if rows else []
    for column in _COLUMNS[:2]:
        check_choice(DataError, "{path} has no column {column!r}: {hint}", names, path=path, column=column)
    rows_read = []
    for number, cells in enumerate(rows[1:], 2):
        values = dict(zip(names, (cell.strip() for cell in cells), strict=False))
        if any(values.values()):
            rows_read.append(Done(number, *(values.get(name, "") for name in _COLUMNS)))
    return rows_read


def apply_done(ledger: Ledger, rows: Sequence[Done], follow_ups: Sequence[FollowUp], path: Path) -> list[str]:
    """Record completed follow-ups; returns a sentence for each kind of row that matches nobody on a list.

    A rule is given by its name or that of its file. Ids may be escaped for spreadsheets, as they are in the lists.
    """
    names = {key: follow_up.name for follow_up in follow_ups for key in (follow_up.file, follow_up.name.casefold())}
    customers: dict[tuple[str, object], str] = {}
    for entry in ledger.entries():
        names.setdefault(entry.rule.casefold(), entry.rule)  # also rules no longer in the settings
        customers |= {(entry.rule, id_): entry.customer for id_ in (entry.customer, escape_formula(entry.customer))}
    problems: dict[str, list[Done]] = {}
    for row in rows:
        rule, day = names.get(row.rule.casefold()), row.done_at[:10]
        if rule is None:
            problems.setdefault("name no follow-up", []).append(row)
        elif row.done_at and not _is_date(day):
            problems.setdefault("have no date like 2026-01-31", []).append(row)
        elif (customer := customers.get((rule, row.customer_id))) is None:
            problems.setdefault("name nobody on the list", []).append(row)
        else:
            ledger.mark_done(rule, customer, day)
    return [
        f"{path.name}: {len(faulty)} row{'s' * (len(faulty) > 1)} "
        f"{problem if len(faulty) > 1 else _singular(problem)}, the first in row {faulty[0].row} ({faulty[0].rule!r})."
        for problem, faulty in problems.items()
    ]


def _is_date(text: str) -> bool:
    from datetime import date

    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None


def _singular(text: str) -> str:
    return text.replace("name ", "names ", 1).replace("have ", "has ", 1)
