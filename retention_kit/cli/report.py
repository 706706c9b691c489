"""`retention-kit report` builds packs, `retention-kit rerun` builds one again and compares."""

from __future__ import annotations

import argparse
import shlex
import sys
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from retention_kit.cli.language import isolate_rtl, language, translated, translated_each
from retention_kit.cli.options import (
    add_jobs,
    add_output,
    add_pack,
    add_selection,
    load_data,
    selected_periods,
)
from retention_kit.cli.output import DONE, FAILED, INTERRUPTED, end, nothing_changed, print_table, say, show
from retention_kit.cli.terminal import progress
from retention_kit.errors import Listed, Phrase, SettingsError, naming

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from retention_kit.cli.options import Commands
    from retention_kit.data.dataset import Dataset
    from retention_kit.periods import Period
    from retention_kit.report.archive.pack import Pack
    from retention_kit.report.execution.plan import Plan


def add(commands: Commands) -> None:
    """Add the commands to the parser's."""
    report = commands.add_parser("report", help="build the report pack of a period, or of many")
    add_selection(report, several=True)
    report.add_argument(
        "--language",
        action="append",
        metavar="LANGUAGES",
        help="such as en, or en,ar for both at once (default: settings)",
    )
    report.add_argument(
        "--format",
        action="append",
        type=_formats,
        metavar="FORMATS",
        help="html, pdf or brief (one page), or several with commas between (default: settings)",
    )
    add_output(report)
    report.add_argument(
        "--only", action="append", default=[], metavar="NAMES", help="run these sections again: retention,revenue"
    )
    report.add_argument("--templates", metavar="DIR", help="your own notebook templates; the same name overrides ours")
    report.add_argument("--static", action="store_true", help="charts as pictures only: a much smaller HTML file")
    add_jobs(report)
    report.add_argument("--force", action="store_true", help="build even where nothing has changed since the last time")
    report.add_argument("--open", action="store_true", help="open the report, the last of several, once it is built")
    report.set_defaults(run=_report, before_threads=_prepare)

    again = commands.add_parser("rerun", help="build a pack again beside it and say what differs and why")
    add_pack(again)
    again.add_argument("--data", metavar="PATH", help="the settings or data it names, where they are not the ones here")
    again.add_argument("--templates", metavar="DIR", help="the templates it was made with, which run code")
    again.set_defaults(run=_rerun)


def _formats(names: str) -> str:
    """Formats of a report, separated by commas; an unknown one is an error that names the nearest."""
    from retention_kit.errors import did_you_mean
    from retention_kit.settings import FORMATS

    for name in [*filter(None, map(str.strip, names.split(",")))] or [""]:
        if name not in FORMATS:
            raise argparse.ArgumentTypeError(
                translated("there is no report format {name!r}: {hint}", name=name, hint=did_you_mean(name, FORMATS))
            )
    return names


def _prepare(arguments: argparse.Namespace) -> None:
    """Fork the process for notebooks now, since a process with threads cannot be forked safely."""
    from retention_kit.report.execution import kernels

    kernels.prepare(for_others=bool(arguments.templates))  # it imports while the data are read


def _report(arguments: argparse.Namespace) -> int:
    from retention_kit.report.archive.folder import output_lock

    with output_lock(arguments.output):  # all periods and the list of them are one run's
        return _build(arguments)


def _build(arguments: argparse.Namespace) -> int:
    if arguments.language:
        _check_languages(arguments.language)
    data = load_data(arguments)
    from retention_kit.report.archive.pack import first_of
    from retention_kit.report.build.builder import build_packs
    from retention_kit.report.execution.plan import make_plan

    segments: list[str | None] = [*dict.fromkeys(arguments.segment or [None])]
    periods = selected_periods(data, arguments)
    if len(segments) > 1:
        _check_segments(data, periods[0], arguments.segment)

    def name(period: Period, segment: str | None) -> str:
        return f"{period} {segment}" if len(segments) > 1 else str(period)

    requests = [(period, segment) for period in periods for segment in segments]
    names = [name(*request) for request in requests]
    chosen = (arguments.language, arguments.format, arguments.only, arguments.templates, arguments.static)
    latest: list[Plan] = []  # of the last period begun

    def plans() -> Iterator[Plan]:
        for period, segment in requests:
            plan = make_plan(data, period, None, segment, *chosen)
            latest[:] = [*(begun for begun in latest if begun.page.period == period), plan]
            yield plan

    folders = [arguments.output / str(period) for period in periods for _ in segments]
    packs: list[Pack] = []
    before = [_identity(folders[0])]  # of the folder of the next pack, and longer than `packs` at any instant

    def interrupted() -> int:
        number = len(packs)
        if number < len(names) and _identity(folders[number]) != before[number]:
            number += 1  # it was in place when the interrupt came
        return _end_interrupted(names, number)

    arguments.interrupted = interrupted
    with progress() as update:

        def report_progress(plan: Plan, *done: Any) -> None:
            update(name(plan.page.period, plan.segment), *done)

        with closing(build_packs(plans(), arguments.output, arguments.force, arguments.jobs, report_progress)) as built:
            for pack in built:
                number = len(packs)
                before += [_identity(folder) for folder in folders[number + 1 : number + 2]]
                packs.append(pack)
                _print_pack(pack, names[number], is_one_of_many=len(names) > 1)
    if packs:
        first = first_of(packs[-1], latest[-1].suffix, latest[-1].languages)
        _print_next_steps(packs[-1], first, [plan.suffix for plan in latest], is_opened=arguments.open)
    failed = [label for label, pack in zip(names, packs, strict=True) if pack.failures]
    if failed and len(names) > 1:
        say("Of {count} reports parts failed in {periods}.", count=len(names), periods=Listed(failed))
    return FAILED if failed else DONE


def _check_languages(texts: list[str]) -> None:
    from retention_kit.report.execution.plan import split_names
    from retention_kit.word_files import locale_of

    with naming("--language"):
        for name in split_names(texts) or [""]:
            locale_of(name)


def _identity(folder: Path) -> tuple[int, int] | None:
    """A value that changes when another pack is put into a folder."""
    from retention_kit.report.archive.manifest import NAME

    try:
        status = (folder / NAME).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _end_interrupted(names: list[str], done: int) -> int:
    """Print which of several packs were built before the interrupt, and which one was not."""
    if not done:
        return nothing_changed()
    if done == len(names):
        return end(INTERRUPTED, "done: {periods}.", periods=Listed(names))
    template = "Interrupted at {period}, which is as it was; done: {periods}."
    return end(INTERRUPTED, template, period=names[done], periods=Listed(names[:done]))


def _check_segments(data: Dataset, period: Period, segments: list[str]) -> None:
    """Raise SettingsError, before any build, if one of several segments is wrong, or two would write the same files."""
    from retention_kit.metrics.queries.summaries import check_segment
    from retention_kit.report.pages.context import Context

    known: dict[str, str] = {}
    for segment in dict.fromkeys(segments):
        page = Context(str(period), None, segment, data=data)
        for column in page.columns:
            check_segment(data, column)
        other = known.setdefault(page.suffix, segment)
        if other != segment:
            template = (
                "--segment {other!r} and {name!r} would write the same files: give all columns in one, with commas."
            )
            raise SettingsError(template, other=other, name=segment)


def _print_pack(pack: Pack, name: str, *, is_one_of_many: bool) -> None:
    """Print the folder of a pack and its notes, under its period and, if there are several, its segment."""
    print(pack.path)
    if pack.note:
        print(translated("{period}: {note}", period=name, note=pack.note), file=sys.stderr)
    if not pack.is_new:
        template = "{period}: unchanged, left as it stands (--force builds it again)."
        print(translated(template, period=name), file=sys.stderr)
    for failure in pack.failures:
        template = "Failed in {period}: {failure}" if is_one_of_many else "Failed: {failure}"
        say(template, period=name, failure=failure)


def _print_next_steps(pack: Pack, report: Path, suffixes: list[str], *, is_opened: bool) -> None:
    """Print the lists of the new reports and, on the last line, a command that opens one; open it with `--open`."""
    from retention_kit.report.archive.pack import lists_of

    for sentence in lists_of(pack, language(), suffixes):
        print(isolate_rtl(sentence))
    print(f"open {shlex.quote(str(report))}")
    if is_opened:
        import webbrowser  # late: it imports much, and help needs none of it

        if not webbrowser.open(report.resolve().as_uri()):  # the line before says what to open
            say("No browser could be opened here.")


_CAUSES = {
    "data": "data restated",
    "definition": "definition changed",
    "code": "code or environment changed",
    "altered": "file altered since",
}


def _rerun(arguments: argparse.Namespace) -> int:
    """Build a pack again and compare; returns exit code 0 if nothing differs, else 1."""
    from retention_kit.report.build.rerun import rerun

    pack = arguments.pack
    with progress() as update:
        again = rerun(pack, partial(update, pack.name), data=arguments.data, templates=arguments.templates)

    def cause_names(causes: tuple[str, ...]) -> Listed | Phrase:
        return Listed((Phrase(_CAUSES[cause]) for cause in causes), " or ") or Phrase("unexplained")

    if again.figures:
        table = [
            (
                *(
                    figure.period,
                    figure.segment,
                    figure.metric,
                    figure.before or translated("(empty)"),
                    figure.now or translated("(empty)"),
                ),
                *(cause_names(figure.causes), ", ".join(figure.columns)),
            )
            for figure in again.figures
        ]
        heads = translated_each("period", "segment", "metric", "then", "now", "why", "cells that differ")
        print_table(heads, table, numbers=(3, 4))
    for name, causes in again.files.items():
        show("{file} differs: {why}.", file=name, why=cause_names(causes))
    for change in again.changes:
        show(
            "{why}: {name}, {before} then, {now} now.",
            why=Phrase(_CAUSES[change.kind]),
            name=change.name,
            before=change.before or Phrase("(none)"),
            now=change.now or Phrase("(none)"),
        )
    if again.is_same:
        show("{pack} made again is the same: every figure and every file.", pack=pack)
        return DONE
    return FAILED
