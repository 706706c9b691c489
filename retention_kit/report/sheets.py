"""CSV files of a pack: exact figures, empty where undefined, no text that a spreadsheet would run."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.metrics.lists import LISTS, customer_lists
from retention_kit.metrics.scorecard import COLUMNS, records

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.report.page import Page


def to_csv(rows: pd.DataFrame) -> str:
    """A scorecard as CSV."""
    return _text(COLUMNS, (row.values() for row in records(rows[list(COLUMNS)])))


def scorecard_of(page: Page) -> str:
    """The figures of a report, of the whole and by segment, as CSV."""
    import pandas as pd

    whole = page.rows
    if page.alone:
        column, value = page.alone
        whole = whole.assign(segment=column, segment_value=value)
    return to_csv(pd.concat([whole, *(page.parts(column) for column in page.columns)], ignore_index=True))


def frame_csv(frame: pd.DataFrame) -> str:
    """Any frame as CSV, without its index: empty where nothing is known, texts that a spreadsheet would run made harmless."""
    plain = frame.astype(object)
    return _text(plain.columns, plain.where(plain.notna(), None).itertuples(index=False, name=None))


def read_scorecard(path: Path) -> list[dict[str, str]]:
    """The cells of a scorecard as written; none where there is no such file or it is no scorecard."""
    try:
        rows = list(csv.DictReader(StringIO(path.read_text("utf-8"), newline="")))
    except (OSError, ValueError, csv.Error):
        return []
    return rows if rows and {*COLUMNS} <= {*rows[0]} else []


def write_lists(page: Page, pack: Path, suffix: str) -> None:
    """The customers behind "did not return", "new" and "came back", a file each in `lists`: for the team, never mailed.

    A list has as many rows as its figure says, and is gone where the data no longer give that figure.
    """
    lists = customer_lists(page.data, page.period, page.columns, page.alone)
    for metric in LISTS:
        path = pack / "lists" / f"{metric}{suffix}.csv"
        if metric not in lists:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(exist_ok=True)
        path.write_text(frame_csv(lists[metric]), "utf-8", newline="")


def _text(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_harmless, header))
    writer.writerows(map(_harmless, row) for row in rows)
    return text.getvalue()


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
