"""The command line: `retention-kit report | metrics | rerun | init | lab`, and those of cli_check and cli_mail.

Exit codes: 0 done; 1 a part failed (what could be made is there, marked); 2 wrong usage, settings or data.
"""

from __future__ import annotations

import argparse
import gc
import shlex
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from retention_kit.cli import (
    check as check_command,
)
from retention_kit.cli import (
    importing as import_command,
)
from retention_kit.cli import (
    mail as mail_commands,
)
from retention_kit.cli.terminal import Interrupts, fill_descriptors, progress, steady
from retention_kit.errors import PeriodError, ReportError, RetentionKitError, SettingsError

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset
    from retention_kit.periods import Period
    from retention_kit.report.archive.pack import Pack

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; every error is one sentence on standard error."""
    with steady() as (output, _):
        left = None
        try:
            code = _main(argv)
        except SystemExit as error:  # after help, or an option that does not exist
            left, code = error, error.code or DONE
        output.flush()
        if output.is_lost:
            reason = getattr(output.error, "strerror", None) or output.error
            return _say(f"Standard output cannot be written to: {reason}.", max(code, FAILED))
        if left:
            raise left
        return code


def _main(argv: list[str] | None) -> int:
    asked = Interrupts(_end_queries)
    try:
        with asked:
            arguments = _parser().parse_args(argv)
            return arguments.run(arguments)
    except KeyboardInterrupt:
        return _say("Interrupted: nothing was changed.", INTERRUPTED)
    except Exception as error:
        if asked.came:  # what an engine, or whoever else was at work, made of it
            return _say("Interrupted: nothing was changed.", INTERRUPTED)
        if isinstance(error, ReportError):
            return _say(error, FAILED)
        if isinstance(error, RetentionKitError):
            return _say(error, WRONG)
        if isinstance(error, OSError):
            return _say(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.", FAILED)
        raise


def _end_queries() -> None:
    if engine := sys.modules.get("retention_kit.data.engines.duckdb"):
        engine.interrupt_all()


def run() -> None:
    """Run one command as a process, which ends with it."""
    fill_descriptors()
    gc.set_threshold(100_000)  # what is loaded stays: looking through it over and over takes a twentieth of a run
    code = main()
    from retention_kit.report.execution.forkserver import leave  # late: what only prints help imports next to nothing

    leave(code)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage lines above it."""

    def error(self, message: str) -> None:
        self.exit(WRONG, f"retention-kit: {message}; {self.prog} --help tells what there is.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="retention-kit", description="Whether customers stay, and what to do about it.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    report = commands.add_parser("report", help="build the report pack of a period, or of many")
    _add_selection(report)
    report.add_argument(
        "--language", action="append", help="such as en; may be given several times (default: settings)"
    )
    report.add_argument(
        "--format",
        action="append",
        type=_format,
        metavar="FORMAT",
        help="html, pdf or brief (one page); may be given several times (default: settings)",
    )
    report.add_argument("--output", default="reports", metavar="DIR", help="where packs land (default: reports)")
    report.add_argument("--only", default="", metavar="NAMES", help="run these sections again: retention,revenue")
    report.add_argument("--templates", metavar="DIR", help="your own notebook templates; the same name overrides ours")
    report.add_argument("--static", action="store_true", help="charts as pictures only: a much smaller HTML file")
    report.add_argument("--jobs", type=int, default=2, metavar="N", help="notebooks run at once (default: 2)")
    report.add_argument("--force", action="store_true", help="build even where nothing has changed since the last time")
    report.set_defaults(run=_report)

    metrics = commands.add_parser("metrics", help="print the scorecard")
    _add_selection(metrics)
    metrics.add_argument("--metric", action="append", metavar="NAME", help="only this one; may be given several times")
    form = metrics.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a list of objects")
    form.add_argument("--csv", action="store_true", help="comma-separated, as in a pack")
    metrics.set_defaults(run=_metrics)

    check_command.add(commands, _add_data, _load, _print_table)

    again = commands.add_parser("rerun", help="build a pack again beside it and say what differs and why")
    again.add_argument("pack", metavar="PACK", type=Path, help="the folder of a pack, such as reports/2011-11")
    again.add_argument("--data", metavar="PATH", help="the settings or data it names, where they are not the ones here")
    again.add_argument("--templates", metavar="DIR", help="the templates it was made with, which run code")
    again.set_defaults(run=_rerun)

    init = commands.add_parser("init", help="begin a project: settings, example data, notebooks, a schedule")
    init.add_argument("folder", metavar="DIR", type=Path)
    init.set_defaults(run=_init)

    lab = commands.add_parser("lab", help="open a project in JupyterLab")
    lab.add_argument("folder", metavar="DIR", nargs="?", type=Path, default=Path(), help="a project (default: here)")
    lab.add_argument("options", metavar="...", nargs=argparse.REMAINDER, help="JupyterLab's own, such as --no-browser")
    lab.set_defaults(run=_lab)

    import_command.add(commands, _print_table)
    mail_commands.add(commands, mail_commands.Tools(_add_data, _load, _print_table, progress))
    return parser


def _format(name: str) -> str:
    """A format of a report; refused with the nearest there is."""
    from retention_kit.errors import did_you_mean
    from retention_kit.settings import FORMATS

    if name not in FORMATS:
        raise argparse.ArgumentTypeError(f"there is no report format {name!r}: {did_you_mean(name, FORMATS)}")
    return name


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", metavar="PATH", help="a retention.toml, a folder or a table (default: ./retention.toml)"
    )
    parser.add_argument("--as-of", metavar="DATE", help="what was known at this midnight, such as 2011-12-10")


def _add_selection(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    parser.add_argument("--period", help="2011-11, 2011-Q4, 2011-W45 or 2011 (default: the last complete one)")
    parser.add_argument("--from", dest="first", metavar="PERIOD", help="the first of several periods")
    parser.add_argument("--to", dest="last", metavar="PERIOD", help="the last of several periods")
    parser.add_argument(
        "--every", metavar="LENGTH", help="week, month, quarter or year: that of the default period (default: settings)"
    )
    parser.add_argument(
        "--segment", metavar="COLUMN[=VALUE]", help="break down by a column, or look at one value alone"
    )


def _load(arguments: argparse.Namespace) -> Dataset:
    from retention_kit.data.dataset import load, sample
    from retention_kit.periods import check_every

    if every := getattr(arguments, "every", None):
        check_every(every)  # before any data are read
    chosen = {"as_of": arguments.as_of} if arguments.as_of else {}
    if arguments.data or Path("retention.toml").is_file():
        return load(arguments.data or "retention.toml", **chosen)
    print("No --data and no retention.toml here: this is the sample company, synthetic data.", file=sys.stderr)
    return sample(**chosen)


def _periods(data: Dataset, arguments: argparse.Namespace) -> list[Period]:
    """The periods asked for, each inside the data."""
    from retention_kit.metrics.queries.summaries import periods_of, pick_period
    from retention_kit.periods import Period

    if not (arguments.first or arguments.last):
        return [pick_period(data, arguments.period, arguments.every)]
    if arguments.period:
        raise PeriodError("Give either --period or --from and --to.")
    first = pick_period(data, arguments.first, arguments.every) if arguments.first else None
    last = pick_period(data, arguments.last, arguments.every or (first and first.every))
    first = first or periods_of(data, last.every)[0]
    if first.every != last.every:
        raise PeriodError(f"{first} is a {first.every} and {last} a {last.every}: give two of one length.")
    if first > last:
        raise PeriodError(f"--from {first} comes after --to {last}.")
    return [Period(first.every, index) for index in range(first.index, last.index + 1)]


def _report(arguments: argparse.Namespace) -> int:
    if arguments.jobs < 1:
        raise SettingsError(f"--jobs is {arguments.jobs}: at least one notebook has to run.")
    from retention_kit.report.archive.folder import writing

    with writing(Path(arguments.output)):  # all periods and the list of them are one run's
        return _build(arguments)


def _build(arguments: argparse.Namespace) -> int:
    from retention_kit.report.execution import kernels

    kernels.prepare()  # it imports while the data are read
    data = _load(arguments)
    from retention_kit.report.build.builder import build_packs
    from retention_kit.report.execution.plan import make_plan

    periods = _periods(data, arguments)
    only = [name.strip() for name in arguments.only.split(",") if name.strip()]
    plans = (
        make_plan(data, period, None, arguments.segment, arguments.language, arguments.format, only,
                  arguments.templates, arguments.static)
        for period in periods
    )  # fmt: skip
    done, failed, last = [], [], None
    try:
        with (
            progress() as tell,
            closing(build_packs(plans, Path(arguments.output), arguments.force, arguments.jobs, tell)) as packs,
        ):
            for pack in packs:
                done.append(pack.period)
                last = pack
                failed += [pack.period] if pack.failures else []
                _tell(pack, f" in {pack.period}" if len(periods) > 1 else "")
    except KeyboardInterrupt:
        if not done:
            raise
        left = f"Interrupted at {periods[len(done)]}, which is as it was; " if len(done) < len(periods) else ""
        return _say(f"{left}done: {', '.join(done)}.", INTERRUPTED)
    if last is not None:
        _tell_what_to_do(last)
    if failed and len(periods) > 1:
        _say(f"Of {len(periods)} reports parts failed in {', '.join(failed)}.", FAILED)
    return FAILED if failed else DONE


def _tell(pack: Pack, where: str) -> None:
    print(pack.path)
    if pack.note:
        print(f"{pack.period}: {pack.note}", file=sys.stderr)
    if not pack.is_new:
        print(f"{pack.period}: unchanged, left as it stands (--force builds it again).", file=sys.stderr)
    for failure in pack.failures:
        _say(f"Failed{where}: {failure}", FAILED)


def _tell_what_to_do(pack: Pack) -> None:
    """The lists of a pack and, on the last line, a command that opens its report."""
    from retention_kit.report.archive.pack import first_of, lists_of

    for sentence in lists_of(pack):
        print(sentence)
    print(f"open {shlex.quote(str(first_of(pack)))}")


def _metrics(arguments: argparse.Namespace) -> int:
    from retention_kit.metrics.scorecard import records, scorecard

    data = _load(arguments)
    rows = scorecard(
        data, periods=_periods(data, arguments), segment=arguments.segment, metrics=arguments.metric or None
    )
    if arguments.json:
        import json

        print(json.dumps(records(rows), indent=1, ensure_ascii=False))
    elif arguments.csv:
        from retention_kit.report.export.csv_files import to_csv

        print(to_csv(rows), end="")
    else:
        _print_scorecard(data, rows, with_absent=not arguments.metric)
    return DONE


def _print_scorecard(data: Dataset, rows, *, with_absent: bool) -> None:
    from retention_kit.wording import Words

    words = Words("en", data.settings.report.currency)
    table = [
        (
            row.period,
            f"{row.segment}={row.segment_value}" if row.segment else "",
            row.metric,
            words.value(row.value, row.unit, "full"),
            words.value(row.n, "count"),
            f"{words.value(row.low, row.unit, 'full')} to {words.value(row.high, row.unit, 'full')}"
            if row.low == row.low
            else "",
            words.change(row.change, row.unit, "full"),
            row.note,
        )
        for row in rows.itertuples()
    ]
    _print_table(
        ("period", "segment", "metric", "value", "n", "95% interval", "change", "note"), table, numbers=(3, 4, 6)
    )
    for reason in dict.fromkeys(rows.attrs["absent"].values()) if with_absent else ():
        names = [name for name, other in rows.attrs["absent"].items() if other == reason]
        print(f"Absent: {', '.join(names)}. {reason}", file=sys.stderr)


_CAUSES = {
    "data": "data restated",
    "definition": "definition changed",
    "code": "code or environment changed",
    "altered": "file altered since",
}


def _rerun(arguments: argparse.Namespace) -> int:
    """Exit code 0 where nothing differs, 1 where something does."""
    from retention_kit.report.build.rerun import rerun

    pack = arguments.pack
    with progress() as tell:
        made = rerun(pack, partial(tell, pack.name), data=arguments.data, templates=arguments.templates)

    def why(causes: tuple[str, ...]) -> str:
        return " or ".join(_CAUSES[cause] for cause in causes) or "unexplained"

    if made.figures:
        table = [(one.period, one.segment, one.metric, one.before or "(empty)", one.now or "(empty)", why(one.causes),
                  ", ".join(one.columns)) for one in made.figures]  # fmt: skip
        heads = ("period", "segment", "metric", "then", "now", "why", "cells that differ")
        _print_table(heads, table, numbers=(3, 4))
    for name, causes in made.files.items():
        print(f"{name} differs: {why(causes)}.")
    for one in made.changes:
        print(f"{_CAUSES[one.kind]}: {one.name}, {one.before or '(none)'} then, {one.now or '(none)'} now.")
    if made.is_same:
        print(f"{pack} made again is the same: every figure and every file.")
        return DONE
    return FAILED


def _init(arguments: argparse.Namespace) -> int:
    from retention_kit.cli.project import begin

    begin(folder := arguments.folder)
    print(f"{folder} is ready. Build its first report:\n  cd {shlex.quote(str(folder))}\n  retention-kit report")
    print("Explore it in JupyterLab:\n  retention-kit lab")
    return DONE


def _lab(arguments: argparse.Namespace) -> int:
    from retention_kit.cli.project import open_lab

    open_lab(arguments.folder, arguments.options)
    return DONE


def _print_table(heads: tuple[str, ...], rows: list[tuple], numbers: tuple[int, ...]) -> None:
    """An aligned table; columns that are empty throughout are left out."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown = [number for number in range(len(heads)) if any(row[number] for row in rows)]
    for number in shown:
        justify, is_last = "right" if number in numbers else "left", number == len(heads) - 1
        table.add_column(heads[number], justify=justify, no_wrap=not is_last, min_width=20 if is_last else None)
    for row in rows:
        table.add_row(*(Text(str(row[number])) for number in shown))
    # Only the last column, of sentences, is ever broken; into a file or pipe every line stays whole, however long.
    Console(width=max(get_terminal_size().columns, 160) if sys.stdout.isatty() else 10_000).print(table)


def _say(message: object, code: int) -> int:
    print(f"retention-kit: {message}", file=sys.stderr)
    return code
