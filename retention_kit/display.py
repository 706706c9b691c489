"""What an object shows as the last line of a cell: HTML in a notebook, aligned text in a terminal.

Texts may come from the data: in HTML they are escaped, in a terminal what would steer it is made visible.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from retention_kit.errors import SettingsError
from retention_kit.wording import Words

if TYPE_CHECKING:
    from markupsafe import Markup
    from rich.console import Console

Row = TypeVar("Row")

ROWS = 60  # of a table, at most: as pandas shows
NARROW = 16  # characters that a column of words keeps in a terminal
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e]")
_ISOLATES = re.compile("[\u2066-\u2069]")
# JupyterLab's colours where there are any; else what the page has, so that it is legible by day and by night.
_STYLE = """
.rk-shown{color:var(--jp-content-font-color1,inherit);font-size:13px;line-height:1.45}
.rk-shown p{margin:.3em 0;text-align:start}.rk-shown .rk-title{font-size:15px;font-weight:600}
.rk-shown .rk-soft{color:var(--jp-content-font-color2,inherit)}.rk-shown .rk-failed{font-weight:600}
.rk-shown .rk-scroll{overflow-x:auto}
.rk-shown table{border-collapse:collapse;margin:.5em 0;font-size:13px;font-variant-numeric:tabular-nums}
.rk-shown table tr:nth-child(n){background:none}
.rk-shown table th,.rk-shown table td{text-align:right;padding:3px 9px;border:0;white-space:nowrap;vertical-align:top;
border-bottom:1px solid var(--jp-border-color2,rgba(128,128,128,.4))}
.rk-shown table thead th{font-weight:600;vertical-align:bottom}.rk-shown table tbody th{font-weight:400}
.rk-shown table .rk-word{text-align:start;white-space:normal;min-width:3em}
.rk-shown table .rk-outlined{outline:1px dashed var(--jp-content-font-color2,gray);outline-offset:-2px}
.rk-shown a{color:var(--jp-content-link-color,inherit);text-decoration:underline}
"""


@dataclass(frozen=True)
class Cell:
    """One cell, with what it has besides its text: a tip, a shade from 0 to 1, an outline, an address."""

    text: str
    tip: str = ""
    shade: float = 0.0
    outlined: bool = False
    href: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under their heads, the important columns first; those in `worded` are of words, the others of numbers."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    worded: frozenset[int] = frozenset({0})


@dataclass(frozen=True)
class Display:
    """A title, facts (what and how it is), failures, tables and notes."""

    title: str
    words: Words
    facts: Sequence[tuple[str, Sequence[str | Cell]]] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    failures: Sequence[str] = field(default=())

    def html(self) -> str:
        """A fragment with its own style."""
        from markupsafe import Markup

        parts = [Markup("<style>{}</style>").format(Markup(_STYLE)), _paragraph(self.title, "rk-title")]
        parts += [_paragraph(failure, "rk-failed") for failure in self.failures]
        for name, cells in self.facts:
            text = Markup(" · ").join(_linked(cell) for cell in cells)
            parts.append(Markup('<p><span class="rk-soft">{}:</span> {}</p>').format(name, text))
        parts += [_table(table, self.words) for table in self.tables]
        parts += [_paragraph(note, "rk-soft") for note in self.notes]
        page = Markup('<div class="rk-shown" lang="{}" dir="{}">{}</div>')
        return str(page.format(self.words.language, self.words.direction, Markup("\n").join(parts)))

    def text(self, width: int | None = None) -> str:
        """Lines of at most `width` characters (else the terminal's): columns for which there is no room are named."""
        from rich.console import Console

        width = width or shutil.get_terminal_size().columns
        # In Jupyter a console would show what it captures, too.
        console = Console(
            width=width,
            markup=False,
            highlight=False,
            emoji=False,
            color_system=None,
            force_terminal=False,
            force_jupyter=False,
        )
        lines = [self.title, *self.failures]
        lines += [f"{name}: {' · '.join(_text(cell) for cell in cells)}" for name, cells in self.facts]
        with console.capture() as capture:
            for line in map(printable, lines):
                console.print(line)
            for table in self.tables:
                console.print()
                _print(console, table, width, self.words)
            for note in map(printable, self.notes):
                console.print(note)
        return "\n".join(line.rstrip() for line in capture.get().splitlines())


def words_in(language: str, currency: str, digits: str = "latn") -> Words:
    """The words of a language; of one that has none the English ones, as an object shows itself whatever is asked."""
    try:
        return Words(language, currency, digits)
    except SettingsError:
        return Words("en", currency)


def clipped(rows: Sequence[Row], words: Words) -> tuple[Sequence[Row], list[str]]:
    """At most `ROWS` rows, and a note that says how many there are more."""
    more = len(rows) - ROWS
    return rows[:ROWS], [words.text("shown.more", count=words.value(more, "count"))] if more > 0 else []


def printable(text: str, direction: str = "ltr") -> str:
    """A text as a terminal may have it: on one line, and steering nothing; few terminals know isolates, which stay only
    where a command speaks a language that runs from right to left.
    """
    is_whole = direction == "rtl" and sum(map(text.count, "\u2066\u2067\u2068")) == text.count("\u2069")
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text if is_whole else _ISOLATES.sub("", text))


def _text(cell: str | Cell) -> str:
    """What is outlined in HTML has a star in a terminal."""
    return cell if isinstance(cell, str) else f"{cell.text}*" if cell.outlined else cell.text


def _paragraph(text: str, name: str) -> Markup:
    from markupsafe import Markup

    return Markup('<p class="{}">{}</p>').format(name, text)


def _linked(cell: str | Cell) -> str | Markup:
    from markupsafe import Markup, escape

    if isinstance(cell, str) or not cell.href:
        return escape(cell if isinstance(cell, str) else cell.text)
    return Markup('<a href="{}" target="_blank">{}</a>').format(cell.href, cell.text)


def _table(table: Table, words: Words) -> Markup:
    from markupsafe import Markup

    rows, notes = clipped(table.rows, words)
    heads = [
        Markup('<th scope="col"{}>{}</th>').format(_names(index, "", table), head)
        for index, head in enumerate(table.heads)
    ]
    body = [Markup("<tr>{}</tr>").format(Markup("").join(_cells(row, table))) for row in rows]
    parts = {"heads": Markup("").join(heads), "body": Markup("\n").join(body)}
    markup = Markup('<div class="rk-scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>')
    return Markup("\n").join([markup.format(**parts), *(_paragraph(note, "rk-soft") for note in notes)])


def _cells(row: Sequence[str | Cell], table: Table) -> list[Markup]:
    from markupsafe import Markup

    result = []
    for index, cell in enumerate(row):
        about = cell if isinstance(cell, Cell) else Cell(cell)
        more = _names(index, "rk-outlined" if about.outlined else "", table)
        if about.tip:
            more += Markup(' title="{}"').format(about.tip)
        if about.shade:
            more += Markup(' style="background:rgba(15,107,120,{:.2f})"').format(about.shade)
        tag = Markup('<th scope="row"{}>{}</th>') if index == 0 else Markup("<td{}>{}</td>")
        result.append(tag.format(more, _linked(about)))
    return result


def _names(index: int, name: str, table: Table) -> Markup:
    from markupsafe import Markup

    names = " ".join(filter(None, (name, "rk-word" if index in table.worded else "")))
    return Markup(' class="{}"').format(names) if names else Markup("")


def _print(console: Console, table: Table, width: int, words: Words) -> None:
    from rich.cells import cell_len
    from rich.table import Table as Grid

    rows, notes = clipped([[printable(_text(cell)) for cell in row] for row in table.rows], words)
    columns = list(zip(table.heads, *rows, strict=True))

    def room(index: int) -> int:
        """What a column takes at least: words may be broken over lines, numbers not."""
        longest = max(map(cell_len, columns[index]))
        return min(longest, NARROW) if index in table.worded else longest

    count = len(columns)
    while count > 2 and sum(map(room, range(count))) + 2 * (count - 1) > width:
        count -= 1
    grid = Grid(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for index, head in enumerate(table.heads[:count]):
        is_worded = index in table.worded
        grid.add_column(
            printable(head), justify="left" if is_worded else "right", no_wrap=not is_worded, overflow="fold"
        )
    for row in rows:
        grid.add_row(*row[:count])
    console.print(grid)
    if count < len(columns):
        notes = [*notes, words.text("shown.unshown", columns=", ".join(table.heads[count:]))]
    for note in map(printable, notes):
        console.print(note)
