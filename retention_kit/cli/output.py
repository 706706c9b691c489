"""Output of the commands: exit codes, messages and tables."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from shutil import get_terminal_size
from typing import Any

from retention_kit import bidi
from retention_kit.cli.language import isolate_rtl, translated

DONE, FAILED, WRONG, FIRING, INTERRUPTED = 0, 1, 2, 3, 130


def say(message: object, /, **values: Any) -> None:
    """Print a message, or a template with its values, to standard error."""
    print(f"retention-kit: {translated(message, **values)}", file=sys.stderr)


def show(message: object, /, **values: Any) -> None:
    """Print a message, or a template with its values, to standard output."""
    print(translated(message, **values))


def end(code: int, message: object, /, **values: Any) -> int:
    """Print a message and return the exit code."""
    say(message, **values)
    return code


def nothing_changed() -> int:
    """Print that nothing was changed, and return the exit code: for interrupted commands that write at their end."""
    return end(INTERRUPTED, "Interrupted: nothing was changed.")


def _cell_text(cell: object) -> str:
    """The text of a cell; sentences and phrases in the language of the commands."""
    return isolate_rtl(cell) if type(cell) is str else translated(cell)


def print_json(objects: list) -> None:
    """Print a list of objects as JSON."""
    import json  # late: help needs none

    print(json.dumps(objects, indent=1, ensure_ascii=False))


def print_table(heads: Sequence[str], rows: Sequence[Sequence[object]], numbers: Collection[int] = ()) -> None:
    """Print an aligned table without empty columns; those in `numbers` and right-to-left ones are aligned right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    filled = [number for number in range(len(heads)) if any(row[number] for row in rows)]
    cells = [[_cell_text(row[number]) for number in filled] for row in rows]
    for position, number in enumerate(filled):
        is_last = number == len(heads) - 1
        is_rtl = bidi.has_rtl(heads[number]) and any(bidi.has_rtl(row[position]) for row in cells)
        table.add_column(
            heads[number],
            justify="right" if number in numbers or is_rtl else "left",
            no_wrap=not is_last,
            min_width=20 if is_last else None,
        )
    for row in cells:
        table.add_row(*map(Text, row))
    # Only the last column, of sentences, is wrapped, and only in a terminal.
    Console(width=max(get_terminal_size().columns, 160) if sys.stdout.isatty() else 10_000).print(table)
