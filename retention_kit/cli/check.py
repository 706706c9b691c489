"""`retention-kit check`: the findings of cleaning, with `--rows` the rows; and the goals and alerts without data."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from retention_kit.bidi import plain
from retention_kit.cli.language import translated_each, words
from retention_kit.cli.options import add_data, load_data
from retention_kit.cli.output import DONE, print_table, show
from retention_kit.errors import Listed, Phrase

if TYPE_CHECKING:
    from retention_kit.cli.options import Commands
    from retention_kit.data.dataset import Dataset

SHOWN = 50  # rows of a table
_LONGEST = 60  # characters of a cell


def add(commands: Commands) -> None:
    """Add the command to the parser's."""
    check = commands.add_parser("check", help="read the data, say what cleaning found, and check goals and alerts")
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
    from retention_kit.display import printable

    data = load_data(arguments)
    if arguments.rows is not None:
        _print_rows(data, _named(data, arguments.rows))
        return DONE
    for warning in data.warnings:
        show("Warning: {warning}", warning=_printable(warning))
    rows = [
        (Phrase(row.table), _printable(row.check), f"{row.rows:,}", _printable(row.effect))
        for row in data.quality.itertuples()
    ]
    print_table(translated_each("table", "check", "rows", "effect"), rows, numbers=(2,))
    show(
        "Data from {start} to {as_of} (exclusive); customers by {basis}; segment columns: {segments}."
        if data.basis in data.tables
        else "Data from {start} to {as_of} (exclusive); segment columns: {segments}.",
        start=data.start,
        as_of=data.as_of,
        basis=Phrase(data.basis),
        segments=Listed(map(printable, data.segments)) or Phrase("none"),
    )
    if excluded := Listed(
        Phrase("{name} ({why})", name=printable(name), why=_printable(reason))
        for name, reason in data.excluded_columns.items()
        if name not in data.segments
    ):
        show("Columns that are no segments, unless keep of [data.TABLE] names them: {columns}.", columns=excluded)
    _check_settings(data)
    return DONE


def _check_settings(data: Dataset) -> None:
    """Print which goals and alerts have no data; raises SettingsError if a report would refuse the settings."""
    from retention_kit.metrics.alerts.conditions import rules
    from retention_kit.metrics.alerts.judge import check_alerts, without_data
    from retention_kit.metrics.catalogue import METRICS
    from retention_kit.metrics.queries.summaries import missing_reason
    from retention_kit.metrics.scorecard import check_rules
    from retention_kit.wording import Words

    for language in data.settings.report.languages:
        Words(language)
    check_rules(data)
    check_alerts(data)
    unused = [
        Phrase("goals.{name}: {reason}", name=name, reason=reason)
        for name, goal in data.settings.goals.items()
        if not goal.kind and (reason := missing_reason(data, METRICS[goal.metric or name].summary))
    ]
    unused += [
        Phrase("alerts.{name}: {reason}", name=rule.alert.name, reason=reason)
        for rule in rules(data.settings)
        for metric in rule.metrics
        if (reason := without_data(data, metric))
    ]
    for warning in unused:
        show("Warning: {warning}", warning=warning)


def _named(data: Dataset, check: str) -> str:
    """The English name of a check, which may be given in the language of the commands."""
    texts = words()
    return {plain(texts.say(check_name)): str(check_name) for check_name in data.quality["check"]}.get(check, check)


def _print_rows(data: Dataset, check: str) -> None:
    """Print the first rows of each table as in the source, by number; rows that could not be read, by line."""
    from retention_kit.data.check_rows import rows_of
    from retention_kit.display import printable

    by_table = rows_of(data, check or None)
    if not by_table:
        show("No row was set aside.")
    for name, check_rows in by_table.items():
        frames = [frame.head(SHOWN) for frame in (check_rows.frame, check_rows.lines) if len(frame)]
        some = sum(map(len, frames))
        many = Phrase("{count:,} row" if check_rows.rows == 1 else "{count:,} rows", count=check_rows.rows)
        if not frames:
            is_it = (data.quality["check"] == check) & (data.quality["table"] == name)
            effects = data.quality.loc[is_it, "effect"]
            template = "{table}: {rows}, which cannot be shown; {effect}."
            if not len(effects):
                template = "{table}: {rows}, which cannot be shown."
            show(template, table=Phrase(name), rows=many, effect=_printable(next(iter(effects), "")))
            continue
        is_cut = check_rows.rows > some >= SHOWN
        template = "{table}: {rows}, the first {some} of them:" if is_cut else "{table}: {rows}:"
        show(template, table=Phrase(name), rows=many, some=some)
        for frame in frames:
            cells = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
            print_table(tuple(map(printable, frame.columns)), cells)


def _printable(text: str) -> str:
    """A sentence on cleaning, in the language of the commands."""
    from retention_kit.display import printable

    texts = words()
    return printable(texts.say(text), texts.direction)


def _cell(value: object) -> str:
    from retention_kit.display import printable
    from retention_kit.lazy import pd

    text = "" if pd.api.types.is_scalar(value) and pd.isna(value) else printable(str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
