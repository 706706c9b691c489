"""What has been done: `done.csv` (customer_id, rule, done_at), as a person or a mailing tool writes it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from retention_kit.delivery.follow_ups.ledger import Ledger
from retention_kit.errors import DataError, did_you_mean
from retention_kit.report.export.csv_files import escape_formula
from retention_kit.settings.follow_ups import FollowUp

NAME = "done.csv"
_COLUMNS = ("customer_id", "rule", "done_at")


class Done(NamedTuple):
    """One row: its number in the file, the header being 1, and what stands there."""

    row: int
    customer_id: str
    rule: str
    done_at: str


def read_done(path: Path) -> list[Done]:
    """The rows of a file; raises DataError where it cannot be read or lacks a column. Only `done_at` may be missing."""
    try:
        text = path.read_text("utf-8-sig")
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
        if column not in names:
            raise DataError(
                "{path} has no column {column!r}: {hint}", path=path, column=column, hint=did_you_mean(column, names)
            )
    found = []
    for number, cells in enumerate(rows[1:], 2):
        values = dict(zip(names, (cell.strip() for cell in cells), strict=False))
        if any(values.values()):
            found.append(Done(number, *(values.get(name, "") for name in _COLUMNS)))
    return found


def apply_done(ledger: Ledger, rows: Sequence[Done], follow_ups: Sequence[FollowUp], path: Path) -> list[str]:
    """Write down what has been done; a sentence for each kind of row that says nothing of anybody on a list.

    A rule may be called by its name or that of its file. Ids may be as a list has them, escaped for spreadsheets.
    """
    names = {key: one.name for one in follow_ups for key in (one.file, one.name.casefold())}
    customers: dict[tuple[str, object], str] = {}
    for entry in ledger.entries():
        names.setdefault(entry.rule.casefold(), entry.rule)  # of a rule that the settings have no more
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
        f"{path.name}: {len(some)} row{'s' * (len(some) > 1)} {what if len(some) > 1 else _singular(what)}, the first "
        f"in row {some[0].row} ({some[0].rule!r})."
        for what, some in problems.items()
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
