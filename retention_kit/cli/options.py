"""Options that several commands have, and what they select: data, periods, a pack, an output folder."""

from __future__ import annotations

import argparse
import re
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retention_kit.bidi import plain
from retention_kit.cli.language import translated
from retention_kit.errors import Listed, PeriodError, SettingsError, naming

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset
    from retention_kit.periods import Period

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

SETTINGS = Path("retention.toml")


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", metavar="PATH", help="a retention.toml, a folder or a table (default: ./retention.toml)"
    )
    parser.add_argument("--as-of", metavar="DATE", help="what was known at this midnight, such as 2011-12-10")


def add_period(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--period", help="2011-11, 2011-Q4, 2011-W45 or 2011 (default: the last complete one)")


def add_selection(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add the options that select data, periods and a segment, or a list of segments (`several`)."""
    add_data(parser)
    add_period(parser)
    parser.add_argument("--from", dest="first", metavar="PERIOD", help="the first of several periods")
    parser.add_argument("--to", dest="last", metavar="PERIOD", help="the last of several periods")
    parser.add_argument(
        "--every", metavar="LENGTH", help="week, month, quarter or year: that of the default period (default: settings)"
    )
    parser.add_argument(
        "--segment",
        action="append" if several else "store",
        metavar="COLUMN[=VALUE]",
        help="break down by a column, or look at one value alone; each one given is a report of its own"
        if several
        else "break down by a column, or look at one value alone",
    )


def load_data(arguments: argparse.Namespace) -> Dataset:
    from retention_kit.data.dataset import load, sample
    from retention_kit.periods import check_every
    from retention_kit.settings import TABLES

    if every := getattr(arguments, "every", None):
        with naming("--every"):
            check_every(every)  # before any data are read
    chosen = {"as_of": _date("--as-of", arguments.as_of)} if arguments.as_of else {}
    if arguments.data or Path("retention.toml").is_file():
        data = load(arguments.data or "retention.toml", **chosen)
        if data.notice:
            print(translated("Warning: {warning}", warning=data.notice), file=sys.stderr)
        return data
    notice = translated("No --data and no retention.toml here: this is the sample company, synthetic data.")
    print(notice, file=sys.stderr)
    if tables := sorted(file.name for name in TABLES for file in Path().glob(f"{name}.*")):
        print(translated("Say --data . for what is here: {tables}.", tables=Listed(tables)), file=sys.stderr)
    return sample(**chosen)


def _date(option: str, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        template = "{option} {text!r} is not a date: write it like 2011-12-10."
        raise SettingsError(template, option=option, text=text) from None


def selected_periods(data: Dataset, arguments: argparse.Namespace) -> list[Period]:
    """The selected periods, each with data."""
    from retention_kit.metrics.queries.summaries import periods_of
    from retention_kit.periods import Period

    if not (arguments.first or arguments.last):
        return [picked_period(data, "--period", arguments.period, arguments.every)]
    if arguments.period:
        raise PeriodError("Give either --period or --from and --to.")
    first = picked_period(data, "--from", arguments.first, arguments.every) if arguments.first else None
    last = picked_period(data, "--to", arguments.last, arguments.every or (first.every if first else None))
    first = first or periods_of(data, last.every)[0]
    if first.every != last.every:
        template = "{first} is a {every} and {last} a {other}: give two of one length."
        raise PeriodError(template, first=first, every=first.every, last=last, other=last.every)
    if first > last:
        raise PeriodError("--from {first} comes after --to {last}.", first=first, last=last)
    return [Period(first.every, index) for index in range(first.index, last.index + 1)]


def picked_period(data: Dataset, option: str, text: str | None, every: str | None = None) -> Period:
    """The period that an option names, by default the last complete one."""
    from retention_kit.metrics.queries.summaries import pick_period

    with naming(option):
        return pick_period(data, text, every)


def add_pack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pack", metavar="PACK", type=Path, help="the folder of a pack, such as reports/2011-11")


def add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", default="reports", type=Path, metavar="DIR", help="where packs land (default: reports)"
    )


def add_number(parser: argparse.ArgumentParser, option: str, **more: Any) -> None:
    """Add an option with a whole number; further arguments are those of `add_argument` and the bounds of `_Number`."""
    parser.add_argument(option, action=_Number, **more)


def add_jobs(parser: argparse.ArgumentParser) -> None:
    add_number(parser, "--jobs", least=1, most=1_000, default=2, metavar="N", help="notebooks run at once (default: 2)")


class _Number(argparse.Action):
    """A whole number from `least` to `most`; other input is an error that quotes it."""

    def __init__(self, *names: Any, least: int, most: int, **more: Any):
        super().__init__(*names, **more)
        self.least, self.most = least, most

    def __call__(self, _parser: Any, namespace: argparse.Namespace, text: Any, option: str | None = None) -> None:
        digits = plain(text).strip()
        number = int(digits) if re.fullmatch(r"[+-]?\d{1,20}", digits) else None
        if number is None or not self.least <= number <= self.most:
            template = "{option} {text!r} is not a whole number from {least} to {most:,}."
            raise SettingsError(template, option=option, text=text, least=self.least, most=self.most)
        setattr(namespace, self.dest, number)
