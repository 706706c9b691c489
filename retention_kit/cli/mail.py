"""The commands that mail reports: `retention-kit send | status | run | preview`.

Exit codes: 0 done; 1 blocked by the gate, or not certainly delivered to everybody; 2 wrong usage or settings; 3 an
alert with `exit` fires.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.cli.follow_ups import list_follow_ups
from retention_kit.cli.language import translated_each
from retention_kit.cli.options import add_data, add_jobs, add_output, add_pack, load_data
from retention_kit.cli.output import DONE, FAILED, FIRING, INTERRUPTED, end, print_table, say
from retention_kit.cli.terminal import progress
from retention_kit.errors import Listed, Phrase, ReportError, SettingsError, did_you_mean

if TYPE_CHECKING:
    from retention_kit.cli.options import Commands
    from retention_kit.data.dataset import Dataset
    from retention_kit.delivery.send import Sending
    from retention_kit.periods import Period
    from retention_kit.report.archive.pack import Pack
    from retention_kit.settings import Settings


def add(commands: Commands) -> None:
    """Add the commands to the parser's."""
    send = commands.add_parser("send", help="check a pack and mail it, once to everybody")
    add_pack(send)
    _add_settings(send)
    send.add_argument("--to", action="append", metavar="ADDRESS", help="only to this one; may be given several times")
    send.add_argument("--dry-run", action="store_true", help="say what would be sent to whom, and send nothing")
    send.add_argument(
        "--resend",
        action="store_true",
        help="send a report that has changed since, as a correction; with --to, also what may have arrived",
    )
    send.set_defaults(run=_send, interrupted=_interrupted)

    status = commands.add_parser("status", help="expected, built, sent, failed, unknown: a line a period")
    _add_settings(status)
    add_output(status)
    status.set_defaults(run=_status)

    run = commands.add_parser(
        "run", help="report, send, tell of alerts and list follow-ups for the last complete period; safe to repeat"
    )
    add_data(run)
    add_output(run)
    add_jobs(run)
    run.set_defaults(run=_run)

    preview = commands.add_parser("preview", help="open the message of a pack in the browser")
    add_pack(preview)
    preview.add_argument("--language", help="such as en (default: the pack's first)")
    preview.add_argument("--segment", default="", metavar="COLUMN=VALUE", help="the message about one value alone")
    preview.set_defaults(run=_preview)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="PATH", help="the retention.toml, or its folder (default: ./retention.toml)")


def _send(arguments: argparse.Namespace) -> int:
    from retention_kit.delivery.send import send_report

    sending = send_report(
        arguments.pack,
        arguments.to,
        settings=arguments.data,
        dry_run=arguments.dry_run,
        resend=arguments.resend,
        progress=say,
    )
    _print_outcomes(sending)
    return DONE if sending.is_done else FAILED


def _print_outcomes(sending: Sending) -> None:
    """Print the outcomes to standard output and the gate's reasons to standard error."""
    if sending.verdict.state == "blocked":
        say("{period} is not fit to be sent, and was sent to nobody:", period=sending.period)
    elif sending.verdict.state == "degraded":
        say("{period} is sent with a notice:", period=sending.period)
    for reason in sending.verdict.reasons:
        say("  {reason}", reason=reason)
    print_table(
        translated_each("recipient", "language", "segment", "outcome", "reply"),
        [(*result[:3], Phrase(result.state), result.reply) for result in sending.results],
    )


def _run(arguments: argparse.Namespace) -> int:
    from retention_kit.delivery.send import settings_of
    from retention_kit.report.archive.folder import output_lock

    settings = settings_of(arguments.data, {})
    _check_addresses(settings)  # before anything is built
    with output_lock(arguments.output):
        arguments.interrupted = _interrupted
        return _build_and_send(arguments)


def _check_addresses(settings: Settings) -> None:
    """Raise SettingsError if there are no recipients, or the environment lacks an address."""
    from retention_kit.delivery.alerts import check_targets
    from retention_kit.delivery.follow_ups.make import check_webhooks
    from retention_kit.delivery.smtp import server_of

    has_targets = any({*alert.then} - {"list", "notice"} for alert in settings.alerts)
    if not settings.mail.addressed() and not has_targets and not settings.follow_ups:
        raise SettingsError('There is nobody to send to: a retention.toml says it ([mail], from = "…", to = ["…"]).')
    if settings.mail.addressed():
        server_of()
    check_targets(settings)
    check_webhooks(settings)


def _build_and_send(arguments: argparse.Namespace) -> int:
    from retention_kit.report.execution import kernels

    kernels.prepare()  # imports run while the data are read
    data = load_data(arguments)
    from retention_kit.delivery.send import today
    from retention_kit.delivery.status import last_complete
    from retention_kit.metrics.queries.summaries import periods_of

    settings = data.settings  # those of the file, and --as-of
    day, every = today(settings), settings.report.every
    until, due = min(data.as_of, day), last_complete(day, every)  # today goes on, though the data may have some of it
    periods = periods_of(data, every)
    period = next((period for period in reversed(periods) if period.is_complete(until)), None)
    if period is None:
        template = "No period is over yet: {period} ends before {end}, and the data on {as_of}."
        raise ReportError(template, period=periods[-1], end=periods[-1].end, as_of=until)
    pack = _build(data, period, arguments)
    print(pack.path)
    is_fit = _send_pack(pack, settings, due) if settings.mail.addressed() else not pack.failures
    if period < due:
        say("{period} is over, but the data end before {as_of}: it is not there yet.", period=due, as_of=data.as_of)
    code = _send_alerts(data, arguments.output)
    is_listed = list_follow_ups(data)
    return code if is_fit and is_listed else FAILED  # a failure takes precedence over a firing alert


def _send_pack(pack: Pack, settings: Settings, due: Period) -> bool:
    """Send a pack; returns whether every recipient has it."""
    from retention_kit.delivery.send import send_report

    sending = send_report(pack, settings=settings, expected=due, progress=say)
    _print_outcomes(sending)
    states = {result.state for result in sending.results}
    if states <= {"already sent", "changed"}:
        say("{period} was sent already; nothing was sent now.", period=sending.period)
    # A report that changed after it was sent waits for `send --resend`: no failure of this run.
    return sending.verdict.state != "blocked" and states <= {"sent", "already sent", "changed"}


def _send_alerts(data: Dataset, output: Path) -> int:
    """Send new events of alerts; returns the exit code."""
    from retention_kit.delivery.alerts import send_alerts

    delivery = send_alerts(data, output, progress=say)
    if delivery.outcomes:
        print_table(
            translated_each("alerts told to", "period", "outcome", "reply"),
            [(*outcome[:2], Phrase(outcome.state), outcome.reply) for outcome in delivery.outcomes],
        )
    if delivery.firing:
        say("Firing: {alerts}.", alerts=Listed(delivery.firing))
    if not delivery.is_done:
        return FAILED
    return FIRING if delivery.firing else DONE


def _build(data: Dataset, period: Period, arguments: argparse.Namespace) -> Pack:
    """Build the pack of a period with the reports of all recipients, including those of segment values."""
    from retention_kit.report.build.builder import build_report
    from retention_kit.report.execution.plan import make_plan

    settings = data.settings
    languages: dict[str | None, list[str]] = {None: [*settings.report.languages]}  # by segment value
    for recipient in settings.mail.addressed():
        languages.setdefault(recipient.segment or None, [*settings.report.languages]).append(recipient.language)
    plans = {
        segment: make_plan(data, period, None, segment, filter(None, dict.fromkeys(requested)), None, [], None, False)
        for segment, requested in languages.items()
    }  # all errors are raised before any report is built
    for segment, plan in plans.items():
        with progress() as update:
            pack = build_report(
                data,
                period,
                segment=segment,
                languages=plan.languages,
                output=arguments.output,
                jobs=arguments.jobs,
                progress=partial(update, " ".join(filter(None, [str(period), segment]))),
            )
        if pack.note:
            say("{period}: {note}", period=period, note=pack.note)
        for failure in pack.failures:
            say("Failed: {failure}", failure=failure)
    return pack


def _status(arguments: argparse.Namespace) -> int:
    from retention_kit.delivery.send import settings_of, today
    from retention_kit.delivery.status import status

    settings = settings_of(arguments.data, {})
    state = status(arguments.output, settings, today(settings))
    rows = [
        (line.period, line.expected or "", Phrase(line.built or "missing"), Phrase(line.gate), *map(str, line[4:]))
        for line in state.lines
    ]
    heads = translated_each("period", "expected", "built", "gate", "sent", "failed", "unknown", "waiting")
    print_table(heads, rows, (1, 4, 5, 6, 7))
    for problem in state.problems:
        say(problem)
    return FAILED if state.problems else DONE


def _preview(arguments: argparse.Namespace) -> int:
    import tempfile
    import webbrowser

    from retention_kit.report.archive import manifest
    from retention_kit.report.message.mail import preview_files

    loaded = manifest.read_pack(arguments.pack)
    reports = loaded.get("reports", {})
    names = [
        name
        for name, entry in reports.items()
        if manifest.segment_of(entry) == arguments.segment
        and (not arguments.language or name.partition(".")[0] == arguments.language)
        and (arguments.pack / f"message.{name}.eml").is_file()
    ]
    if not names:
        available = [
            path.name.removeprefix("message.").removesuffix(".eml") for path in arguments.pack.glob("message.*.eml")
        ]
        requested = ".".join(filter(None, [arguments.language or "", arguments.segment]))
        template = "{pack} has no such message: {hint}"
        raise SettingsError(template, pack=arguments.pack, hint=did_you_mean(requested, available))
    message = arguments.pack / f"message.{names[0]}.eml"
    if message.name in manifest.altered(arguments.pack, loaded) or message.name not in loaded.get("files", {}):
        raise ReportError("{message} is not what was written there: build the report again.", message=message)
    folder = Path(tempfile.mkdtemp(prefix="retention-kit-preview-"))
    for name, content in preview_files(message.read_bytes()).items():
        (folder / name).write_bytes(content)
    print(folder / "index.html")
    webbrowser.open((folder / "index.html").as_uri())
    return DONE


def _interrupted() -> int:
    return end(INTERRUPTED, "Interrupted: `retention-kit status` tells what was sent; the same command sends the rest.")
