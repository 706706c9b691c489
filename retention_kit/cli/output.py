"""What commands print and how they end: exit codes, messages and tables."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from shutil import get_terminal_size

DONE, FAILED, WRONG, FIRING, INTERRUPTED = 0, 1, 2, 3, 130


def say(message: object) -> None:
    """Print a message to standard error."""
    print(f"retention-kit: {message}", file=sys.stderr)


def end(code: int, message: object) -> int:
    """Print a message and return the exit code that goes with it."""
    say(message)
    return code


def print_table(heads: Sequence[str], rows: Sequence[Sequence[object]], numbers: Collection[int] = ()) -> None:
    """Print an aligned table, the columns in `numbers` to the right; columns that are empty throughout are left out."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    filled = [number for number in range(len(heads)) if any(row[number] for row in rows)]
    for number in filled:
        is_last = number == len(heads) - 1
        table.add_column(
            heads[number],
            justify="right" if number in numbers else "left",
            no_wrap=not is_last,
            min_width=20 if is_last else None,
        )
    for row in rows:
        table.add_row(*(Text(str(row[number])) for number in filled))
    # Only the last column, of sentences, is ever broken; into a file or pipe every line stays whole, however long.
    Console(width=max(get_terminal_size().columns, 160) if sys.stdout.isatty() else 10_000).print(table)
