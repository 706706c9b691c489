"""CSV files of a pack: exact figures, empty where undefined, no text that a spreadsheet would run."""

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

# Where a formula would begin: first in a cell, or in what another separator makes one, behind what shows nothing.
_FORMULA = re.compile(
    r"(?:(?<![\s\S])|(?<=[;|\t\r\n]))"
    "(?=[\\s\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    "\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]*[=+\\-@＝＋－＠﹦﹢﹣﹫])"
)


def to_csv(rows: pd.DataFrame) -> str:
    """A scorecard as CSV."""
    return _text(COLUMNS, (row.values() for row in records(rows[list(COLUMNS)])))


def scorecard_of(page: Page) -> str:
    """The figures of a report, of the whole and by segment, as CSV."""
    return to_csv(page.scorecard())


def frame_csv(frame: pd.DataFrame) -> str:
    """Any frame as CSV, without its index: empty where nothing is known, texts that a spreadsheet would run escaped."""
    plain = frame.astype(object)
    return _text(plain.columns, plain.where(plain.notna(), None).itertuples(index=False, name=None))


def rows_csv(rows: Sequence[Sequence[str]]) -> str:
    """A table of texts as CSV, the heads first."""
    return _text(rows[0], rows[1:])


def read_scorecard(path: Path) -> list[dict[str, str]]:
    """The cells of a scorecard as written; none where there is no such file or it is no scorecard."""
    try:
        rows = list(csv.DictReader(StringIO(path.read_text("utf-8"), newline="")))
    except (OSError, ValueError, csv.Error):
        return []
    return rows if rows and {*COLUMNS} <= {*rows[0]} else []


def write_lists(page: Page, lists: Mapping[str, pd.DataFrame], pack: Path) -> None:
    """The customers behind "did not return", "new" and "came back", and whom to ask, a file each in `lists`: for the
    team, never mailed.

    A list has as many rows as its figure says, those of whom to ask as many as `[at_risk] capacity` does, and is gone
    where the data no longer give it. Money is rounded to the currency's minor unit.
    """
    decimals, money = money_decimals(page.data.settings.report.currency), {money_column(page.data), *STAKES}
    for name in (*LISTS, *RISK_LISTS):
        path = pack / page.list_file(name)
        if name not in lists:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(0o700)  # customers by name: for whoever made the pack
        rows = lists[name].assign(**{one: lists[name][one].round(decimals) for one in lists[name] if one in money})
        path.write_text(frame_csv(rows), "utf-8", newline="")


def _text(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    text = _Lines()
    writer = csv.writer(text, lineterminator="\r\n")  # then a cell that holds either is quoted, on every Python
    writer.writerow(map(escape_formula, header))
    writer.writerows(map(escape_formula, row) for row in rows)
    return text.getvalue()


class _Lines(StringIO):
    """Rows as CSV writes them, each ended by a line feed alone."""

    def __init__(self) -> None:
        super().__init__(newline="")

    def write(self, row: str) -> int:
        return super().write(row.removesuffix("\r\n") + "\n")


def escape_formula(value: object) -> object:
    """A text that no spreadsheet runs: an apostrophe stands before what begins a formula, also behind a separator.

    Some programs pass over what is blank or invisible, take full-width signs for plain ones, and split at semicolons or
    tabs as their user's country does.
    """
    if not isinstance(value, str):
        return value
    escaped = _FORMULA.sub("'", value)
    return f"'{escaped}" if escaped.startswith(("\t", "\r", "\n")) else escaped
