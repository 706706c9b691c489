"""The commands that mail reports: `retention-kit send | status | run | preview`.

Exit codes: 0 done; 1 the gate has blocked it, or somebody does not have it for certain; 2 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.errors import ReportError, SettingsError, did_you_mean

if TYPE_CHECKING:
    from retention_kit.delivery.send import Sending

DONE, FAILED, INTERRUPTED = 0, 1, 130


class Tools(NamedTuple):
    """What the command line lends: the options of data, their reading, a table and a bar of progress."""

    add_data: Callable
    load: Callable
    table: Callable
    progress: Callable


def add(commands: argparse._SubParsersAction, tools: Tools) -> None:
    """Add the commands to the parser's."""
    send = commands.add_parser("send", help="check a pack and mail it, once to everybody")
    _add_pack(send)
    _add_settings(send)
    send.add_argument("--to", action="append", metavar="ADDRESS", help="only to this one; may be given several times")
    send.add_argument("--dry-run", action="store_true", help="say what would be sent to whom, and send nothing")
    send.add_argument(
        "--resend",
        action="store_true",
        help="send a report that has changed since, as a correction; with --to, also what may have arrived",
    )
    send.set_defaults(run=lambda arguments: _send(arguments, tools))

    status = commands.add_parser("status", help="expected, built, sent, failed, unknown: a line a period")
    _add_settings(status)
    _add_output(status)
    status.set_defaults(run=lambda arguments: _status(arguments, tools))

    run = commands.add_parser("run", help="report, check and send the last complete period; safe to repeat")
    tools.add_data(run)
    _add_output(run)
    run.add_argument("--jobs", type=int, default=2, metavar="N", help="notebooks run at once (default: 2)")
    run.set_defaults(run=lambda arguments: _run(arguments, tools))

    preview = commands.add_parser("preview", help="open the message of a pack in the browser")
    _add_pack(preview)
    preview.add_argument("--language", help="such as en (default: the pack's first)")
    preview.add_argument("--segment", default="", metavar="COLUMN=VALUE", help="the message about one value alone")
    preview.set_defaults(run=_preview)


def _add_pack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pack", metavar="PACK", type=Path, help="the folder of a pack, such as reports/2011-11")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", default="reports", type=Path, metavar="DIR", help="where packs land (default: reports)"
    )


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="PATH", help="the retention.toml, or its folder (default: ./retention.toml)")


def _send(arguments: argparse.Namespace, tools: Tools) -> int:
    from retention_kit.delivery.send import send_report

    try:
        made = send_report(
            arguments.pack,
            arguments.to,
            settings=arguments.data,
            dry_run=arguments.dry_run,
            resend=arguments.resend,
            progress=_say,
        )
    except KeyboardInterrupt:
        return _interrupted()
    _print_outcomes(made, tools)
    return DONE if made.is_done else FAILED


def _print_outcomes(made: Sending, tools: Tools) -> None:
    """The outcomes on standard output, and what the gate says on standard error."""
    if made.verdict.state == "blocked":
        _say(f"{made.period} is not fit to be sent, and was sent to nobody:")
    elif made.verdict.state == "degraded":
        _say(f"{made.period} is sent with a notice:")
    for reason in made.verdict.reasons:
        _say(f"  {reason}")
    tools.table(("recipient", "language", "segment", "outcome", "reply"), list(made.results), numbers=())


def _run(arguments: argparse.Namespace, tools: Tools) -> int:
    from retention_kit.delivery.send import settings_of
    from retention_kit.delivery.smtp import server_of
    from retention_kit.report.archive.folder import writing

    if arguments.jobs < 1:
        raise SettingsError(f"--jobs is {arguments.jobs}: at least one notebook has to run.")
    settings = settings_of(arguments.data, {})
    if not settings.mail.addressed():  # both before anything is built
        raise SettingsError('There is nobody to send to: a retention.toml says it ([mail], from = "…", to = ["…"]).')
    server_of()
    with writing(arguments.output):
        try:
            return _build_and_send(arguments, tools)
        except KeyboardInterrupt:
            return _interrupted()


def _build_and_send(arguments: argparse.Namespace, tools: Tools) -> int:
    from retention_kit.report.execution import kernels

    kernels.prepare()  # it imports while the data are read
    data = tools.load(arguments)
    from retention_kit.delivery.send import send_report, today
    from retention_kit.delivery.status import last_complete
    from retention_kit.metrics.queries.summaries import pick_period
    from retention_kit.report.build.builder import build_report
    from retention_kit.report.execution.plan import make_plan

    settings = data.settings  # those of the file, and --as-of
    period, due = pick_period(data, None), last_complete(today(settings), settings.report.every)
    if not period.is_complete(data.as_of):
        raise ReportError(f"No period is over yet: {period} ends before {period.end}, and the data on {data.as_of}.")
    builds = {None: [*settings.report.languages]}  # by segment value: who gets one, gets it from the same pack
    for one in settings.mail.addressed():
        builds.setdefault(one.segment or None, [*settings.report.languages]).append(one.language)
    plans = {
        segment: make_plan(data, period, None, segment, filter(None, dict.fromkeys(languages)), None, [], None, False)
        for segment, languages in builds.items()
    }  # what one of them asks wrongly is said before any is built
    for segment, plan in plans.items():
        with tools.progress() as progress:
            pack = build_report(
                data,
                period,
                segment=segment,
                languages=plan.languages,
                output=arguments.output,
                jobs=arguments.jobs,
                progress=partial(progress, " ".join(filter(None, [str(period), segment]))),
            )
        if pack.note:
            _say(f"{period}: {pack.note}")
        for failure in pack.failures:
            _say(f"Failed: {failure}")
    print(pack.path)
    made = send_report(pack, settings=settings, expected=due, progress=_say)
    _print_outcomes(made, tools)
    if period < due:
        _say(f"{due} is over, but the data end before {data.as_of}: it is not there yet.")
    states = {one.state for one in made.results}
    if states <= {"already sent", "changed"}:
        _say(f"{period} was sent already; nothing was sent now.")
    # A report that has changed since it was sent waits for `send --resend`: that is no fault of this run.
    is_fit = made.verdict.state != "blocked"
    return DONE if is_fit and states <= {"sent", "already sent", "changed"} else FAILED


def _status(arguments: argparse.Namespace, tools: Tools) -> int:
    from retention_kit.delivery.send import settings_of, today
    from retention_kit.delivery.status import status

    settings = settings_of(arguments.data, {})
    made = status(arguments.output, settings, today(settings))
    rows = [
        (line.period, line.expected or "", line.built or "missing", line.gate, *map(str, line[4:]))
        for line in made.lines
    ]
    tools.table(("period", "expected", "built", "gate", "sent", "failed", "unknown", "waiting"), rows, (1, 4, 5, 6, 7))
    for problem in made.problems:
        _say(problem)
    return FAILED if made.problems else DONE


def _preview(arguments: argparse.Namespace) -> int:
    import tempfile
    import webbrowser

    from retention_kit.report.archive import manifest
    from retention_kit.report.message.mail import page_of

    told = manifest.read(arguments.pack)
    reports = told.get("reports", {})
    names = [
        name
        for name, about in reports.items()
        if manifest.segment_of(about) == arguments.segment
        and (not arguments.language or name.partition(".")[0] == arguments.language)
        and (arguments.pack / f"message.{name}.eml").is_file()
    ]
    if not names:
        there = [
            path.name.removeprefix("message.").removesuffix(".eml") for path in arguments.pack.glob("message.*.eml")
        ]
        asked = ".".join(filter(None, [arguments.language or "", arguments.segment]))
        raise SettingsError(f"{arguments.pack} has no such message: {did_you_mean(asked, there)}")
    message = arguments.pack / f"message.{names[0]}.eml"
    if message.name in manifest.altered(arguments.pack, told) or message.name not in told.get("files", {}):
        raise ReportError(f"{message} is not what was written there: build the report again.")
    place = Path(tempfile.mkdtemp(prefix="retention-kit-preview-"))
    for name, content in page_of(message.read_bytes()).items():
        (place / name).write_bytes(content)
    print(place / "index.html")
    webbrowser.open((place / "index.html").as_uri())
    return DONE


def _interrupted() -> int:
    _say("Interrupted: `retention-kit status` tells what was sent; the same command sends the rest.")
    return INTERRUPTED


def _say(message: str) -> None:
    print(f"retention-kit: {message}", file=sys.stderr)
