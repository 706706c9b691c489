"""CSV files of a pack: exact figures, empty if undefined, and no texts that spreadsheets would run as formulas."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.metrics.forecasts.lists import RISK_LISTS, STAKES
from retention_kit.metrics.queries.customer_lists import LISTS, money_column
from retention_kit.metrics.scorecard import COLUMNS, records
from retention_kit.wording import money_decimals

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.report.page import Page

# Where a formula may begin: at the start of a cell, or after another possible separator, behind invisible characters.
_FORMULA = re.compile(
    r"(?:(?<![\s\S])|(?<=[;|\t\r\n]))"
    "(?=[\\s\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    "\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]*[=+\\-@＝＋－＠﹦﹢﹣﹫])"
)


def to_csv(rows: pd.DataFrame) -> str:
    """A scorecard as CSV."""
    return _text(COLUMNS, (row.values() for row in records(rows[list(COLUMNS)])))


def scorecard_of(page: Page) -> str:
    """The scorecard of a report, including segments, as CSV."""
    return to_csv(page.scorecard())


def frame_csv(frame: pd.DataFrame) -> str:
    """Any frame as CSV, without its index: missing values are empty, formulas in texts escaped."""
    plain = frame.astype(object)
    return _text(plain.columns, plain.where(plain.notna(), None).itertuples(index=False, name=None))


def rows_csv(rows: Sequence[Sequence[str]]) -> str:
    """A table of texts as CSV; the first row is the header."""
    return _text(rows[0], rows[1:])


def read_scorecard(path: Path) -> list[dict[str, str]]:
    """The rows of a scorecard file, with cells as texts; empty if the file is missing or no scorecard."""
    try:
        rows = list(csv.DictReader(StringIO(path.read_text("utf-8"), newline="")))
    except (OSError, ValueError, csv.Error):
        return []
    return rows if rows and {*COLUMNS} <= {*rows[0]} else []


def write_lists(page: Page, lists: Mapping[str, pd.DataFrame], pack: Path) -> None:
    """Write a CSV file for each list of customers into `lists` of the pack: for the team, never mailed.

    `lists` are frames by metric (lost, new and returned customers) or name (at risk). Files of missing lists are
    removed. Money is rounded to the currency's minor unit.
    """
    decimals, money = money_decimals(page.data.settings.report.currency), {money_column(page.data), *STAKES}
    for name in (*LISTS, *RISK_LISTS):
        path = pack / page.list_file(name)
        if name not in lists:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(0o700)  # personal data: readable by their owner only
        rows = lists[name].assign(
            **{column: lists[name][column].round(decimals) for column in lists[name] if column in money}
        )
        path.write_text(frame_csv(rows), "utf-8", newline="")


def _text(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    text = _Lines()
    # So that cells with \r or \n are quoted, in every version of Python.
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(map(escape_formula, header))
    writer.writerows(map(escape_formula, row) for row in rows)
    return text.getvalue()


class _Lines(StringIO):
    """Rows from a CSV writer, with line feeds as line ends."""

    def __init__(self) -> None:
        super().__init__(newline="")

    def write(self, row: str) -> int:
        return super().write(row.removesuffix("\r\n") + "\n")


def escape_formula(value: object) -> object:
    """A text with an apostrophe before each possible formula, including those behind separators; other values as is.

    Some programs skip blank or invisible characters, accept full-width operators, or split at semicolons or tabs,
    depending on the user's country.
    """
    if not isinstance(value, str):
        return value
    escaped = _FORMULA.sub("'", value)
    return f"'{escaped}" if escaped.startswith(("\t", "\r", "\n")) else escaped
