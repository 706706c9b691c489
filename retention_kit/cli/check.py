"""The command that says what cleaning found: `retention-kit check`, and with `--rows` in which rows."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from retention_kit.cli.options import add_data, load_data
from retention_kit.cli.output import DONE, print_table
from retention_kit.display import printable

if TYPE_CHECKING:
    from retention_kit.cli.options import Commands
    from retention_kit.data.dataset import Dataset

SHOWN = 50  # rows of a table
_LONGEST = 60  # characters of a cell


def add(commands: Commands) -> None:
    """Add the command to the parser's."""
    check = commands.add_parser("check", help="read the data and say what cleaning found")
    add_data(check)
    check.add_argument(
        "--rows",
        nargs="?",
        const="",
        metavar="CHECK",
        help="print the rows of a check instead, such as 'unreadable date' (without a name: all rows set aside)",
    )
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    data = load_data(arguments)
    if arguments.rows is not None:
        _print_rows(data, arguments.rows)
        return DONE
    for warning in data.warnings:
        print(f"Warning: {printable(warning)}")
    rows = [(row.table, row.check, f"{row.rows:,}", printable(row.effect)) for row in data.quality.itertuples()]
    print_table(("table", "check", "rows", "effect"), rows, numbers=(2,))
    segments = printable(", ".join(data.segments)) or "none"
    print(
        f"Data from {data.start} to {data.as_of} (exclusive); customers by {data.basis}; segment columns: {segments}."
    )
    if excluded := ", ".join(
        f"{name} ({why})" for name, why in data.excluded_columns.items() if name not in data.segments
    ):
        print(f"Columns that are no segments, unless keep of [data.TABLE] names them: {printable(excluded)}.")
    return DONE


def _print_rows(data: Dataset, check: str) -> None:
    """The first rows of each table, as they came, with their number in the table; those outside it with their line."""
    from retention_kit.data.check_rows import rows_of

    for name, check_rows in rows_of(data, check or None).items():
        frames = [frame.head(SHOWN) for frame in (check_rows.frame, check_rows.lines) if len(frame)]
        some = sum(map(len, frames))
        many = f"{check_rows.rows:,} row{'s' * (check_rows.rows != 1)}"
        if not frames:
            effects = data.quality.loc[data.quality["check"] == check, "effect"]
            print(
                f"{name}: {many}, which cannot be shown{''.join(f'; {printable(effect)}' for effect in effects[:1])}."
            )
            continue
        print(f"{name}: {many}{f', the first {some} of them' if check_rows.rows > some >= SHOWN else ''}:")
        for frame in frames:
            cells = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
            print_table(tuple(map(printable, frame.columns)), cells)


def _cell(value: object) -> str:
    import pandas as pd

    text = "" if pd.api.types.is_scalar(value) and pd.isna(value) else printable(str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
