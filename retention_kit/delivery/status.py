"""The state of all reports: expected, built, sent, failed and unknown, a line per period."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import NamedTuple

from retention_kit.delivery.alert_targets import delivery_problems
from retention_kit.delivery.outbox import OWNERS, Row, reading
from retention_kit.errors import Phrase
from retention_kit.periods import Period
from retention_kit.report.archive.packs import stored_packs
from retention_kit.settings import Settings


class Line(NamedTuple):
    """One period; the numbers count messages."""

    period: str
    expected: int  # for the last complete period by the settings, for others those ever queued
    built: str  # ok, incomplete, failed, or empty if there is no pack
    gate: str  # ok, degraded, blocked, or empty if it was not checked
    sent: int
    failed: int
    unknown: int
    waiting: int


class Status(NamedTuple):
    """All periods, the newest first, and a sentence for each problem."""

    lines: tuple[Line, ...]
    problems: tuple[str, ...]


def last_complete(day: date, every: str) -> Period:
    """The last period that has ended by the beginning of a day."""
    return Period.of(day, every).shift(-1)


def status(output: Path, settings: Settings, day: date) -> Status:
    """The state of the packs in a folder, compared with the period due at the beginning of a day; read only."""
    due = last_complete(day, settings.report.every)
    first = settings.report.languages[0]
    addressed = {(to.address.lower(), to.language or first, to.segment) for to in settings.mail.addressed()}
    with reading(output) as outbox:
        every = outbox.rows() if outbox else []
    rows = [row for row in every if row.is_report or row.series.startswith(OWNERS)]
    built = {str(pack.period): pack.manifest for pack in stored_packs(output)}
    periods = {Period.parse(text) for text in (*built, *(row.period for row in rows), str(due))}
    lines = []
    for period in sorted(periods, key=lambda period: (period.end, period.start), reverse=True):
        states = Counter(row.state for row in rows if row.is_report and row.period == str(period))
        expected = len(addressed) if period == due else states.total()
        manifest = built.get(str(period), {})
        unknown, waiting = states["unknown"] + states["data"], states["queued"] + states["sending"]
        fields = str(period), expected, _built(manifest), _gate(manifest)
        lines.append(Line(*fields, states["sent"], states["failed"], unknown, waiting))
    named = {address for address, *_ in addressed}
    # Former recipients and messages to the owner are not waited for.
    awaited = [row for row in rows if row.is_report and row.recipient in named]
    problems = _problems(lines, awaited, due, output) + delivery_problems(every, settings, due)
    return Status(tuple(lines), tuple(problems))


def _problems(lines: list[Line], rows: list[Row], due: Period, output: Path) -> list[str]:
    problems: list[str] = []
    line = next(line for line in lines if line.period == str(due))
    if not line.built:
        template = (
            "The report of {due} is missing since {end}: `retention-kit run` makes it once the data reach that day."
        )
        problems.append(Phrase(template, due=due, end=due.end))
    elif line.built == "failed" or line.gate == "blocked":
        template = "The report of {due} is not fit to be sent: a part of it failed, or the gate has blocked it."
        problems.append(Phrase(template, due=due))
    elif (missing := line.expected - sum(row.period == str(due) for row in rows)) > 0:
        template = "{missing} of {expected} messages of {due} were not sent yet: `retention-kit send {pack}`."
        problems.append(Phrase(template, missing=missing, expected=line.expected, due=due, pack=output / str(due)))
    for row in rows:
        pack = output / row.period
        if row.state in ("unknown", "data"):
            problems.append(
                Phrase(
                    "{period}: {recipient} may have it or not ({reply}). Ask, and where it did not arrive: "
                    "`retention-kit send {pack} --resend --to {recipient}`.",
                    period=row.period,
                    recipient=row.recipient,
                    reply=row.reply or Phrase("it is being sent"),
                    pack=pack,
                )
            )
        elif row.state in ("failed", "queued", "sending"):
            problems.append(
                Phrase(
                    "{period}: {recipient} does not have it ({reply}): `retention-kit send {pack}`.",
                    period=row.period,
                    recipient=row.recipient,
                    reply=row.reply or Phrase(row.state),
                    pack=pack,
                )
            )
    return problems


def _built(manifest: dict) -> str:
    if not manifest:
        return ""
    return "failed" if manifest.get("state") != "ok" else "ok" if manifest.get("complete") else "incomplete"


def _gate(manifest: dict) -> str:
    """The worst of a pack's messages."""
    states = {verdict.get("state") for verdict in manifest.get("gate", {}).values() if isinstance(verdict, dict)}
    return next((state for state in ("blocked", "degraded", "ok") if state in states), "")
