"""`retention-kit metrics`: the scorecard, or the list of metrics."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.cli.language import isolate_rtl, translated, translated_each, words
from retention_kit.cli.options import SETTINGS, add_selection, load_data, selected_periods
from retention_kit.cli.output import DONE, print_json, print_table
from retention_kit.errors import Listed, Phrase

if TYPE_CHECKING:
    from retention_kit.cli.options import Commands
    from retention_kit.data.dataset import Dataset
    from retention_kit.metrics.frames import Scorecard


def add(commands: Commands) -> None:
    """Add the command to the parser's."""
    metrics = commands.add_parser("metrics", help="print the scorecard")
    add_selection(metrics)
    metrics.add_argument("--metric", action="append", metavar="NAME", help="only this one; may be given several times")
    metrics.add_argument("--list", action="store_true", help="print which metrics there are, and what each means")
    form = metrics.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a list of objects")
    form.add_argument("--csv", action="store_true", help="comma-separated, as in a pack")
    metrics.set_defaults(run=_metrics)


def _list(arguments: argparse.Namespace) -> int:
    """Print the metrics of the package and of the plug-ins in the settings; no data are read."""
    from retention_kit.metrics.catalogue import METRICS
    from retention_kit.plugins import run_plugins
    from retention_kit.settings import read_settings

    path = Path(arguments.data or SETTINGS)
    path = path / SETTINGS.name if path.is_dir() else path
    if path.suffix == ".toml" and (arguments.data or path.is_file()):
        run_plugins(read_settings(path).report.plugins)
    names = arguments.metric or [*METRICS]
    rows = [
        {
            "metric": name,
            "label": METRICS[name].label,
            "unit": METRICS[name].unit,
            "section": METRICS[name].template,
            "formula": METRICS[name].formula,
            "definition": METRICS[name].definition,
        }
        for name in names
    ]
    if arguments.json:
        print_json(rows)
    elif arguments.csv:
        from retention_kit.report.export.csv_files import rows_csv

        print(rows_csv([[*rows[0]], *([*row.values()] for row in rows)]), end="")
    else:
        heads = [name for name in rows[0] if name != "formula"]
        texts = words()
        print_table(translated_each(*heads), [[texts.say(row[name]) for name in heads] for row in rows])
    return DONE


def _metrics(arguments: argparse.Namespace) -> int:
    if arguments.list:
        return _list(arguments)
    from retention_kit.metrics.scorecard import records, scorecard

    data = load_data(arguments)
    rows = scorecard(
        data, periods=selected_periods(data, arguments), segment=arguments.segment, metrics=arguments.metric or None
    )
    if arguments.json:
        print_json(records(rows))
    elif arguments.csv:
        from retention_kit.report.export.csv_files import to_csv

        print(to_csv(rows), end="")
    else:
        _print_scorecard(data, rows, with_absent=not arguments.metric)
    return DONE


def _print_scorecard(data: Dataset, rows: Scorecard, *, with_absent: bool) -> None:
    texts = words(data.settings.report)
    template = "{low} to {high}"
    table = [
        (
            row.period,
            f"{row.segment}={row.segment_value}" if row.segment else "",
            row.metric,
            texts.value(row.value, row.unit, "full"),
            texts.value(row.n, "count"),
            Phrase(template, low=texts.value(row.low, row.unit, "full"), high=texts.value(row.high, row.unit, "full"))
            if row.low == row.low
            else "",
            texts.change(row.change, row.unit, "full"),
            texts.say(row.note),
        )
        for row in rows.itertuples()
    ]
    print_table(
        translated_each("period", "segment", "metric", "value", "n", "95% interval", "change", "note"),
        table,
        numbers=(3, 4, 6),
    )
    _tell_incomplete(data, rows)
    for warning in data.behind:
        print(translated("Warning: {warning}", warning=warning), file=sys.stderr)
    for reason in dict.fromkeys(rows.attrs["absent"].values()) if with_absent else ():
        names = [name for name, other in rows.attrs["absent"].items() if other == reason]
        print(translated("Absent: {metrics}. {reason}", metrics=Listed(names), reason=reason), file=sys.stderr)


def _tell_incomplete(data: Dataset, rows: Scorecard) -> None:
    """Print the last day of the data for each period that is not over."""
    texts = words(data.settings.report)
    last = texts.date(data.as_of - timedelta(days=1))
    for period in rows.loc[~rows["complete"].astype(bool), "period"].unique():
        print(isolate_rtl(texts.text("story.incomplete", period=texts.period(str(period)), day=last)), file=sys.stderr)
