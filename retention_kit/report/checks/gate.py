"""The gate: decides whether a pack may be sent.

The build compares the figures of the scorecard with notebooks, HTML, PDF and message (`check_report`,
`check_message`), and records the findings with a digest of every part. Before a pack is sent, `judge` compares the
parts with these digests, and looks for secrets. Findings are for the owner of the reports; notices for readers
(`notices`) are in their language.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from retention_kit.errors import Phrase
from retention_kit.periods import Period
from retention_kit.report.archive import manifest as manifests
from retention_kit.report.checks import message as message_checks
from retention_kit.report.checks import record as record_checks
from retention_kit.report.checks import report as report_checks
from retention_kit.report.checks import secrets as secret_checks
from retention_kit.report.checks.figures import Figures, flat, summarise, text_of_pdf
from retention_kit.report.checks.report import REBUILD, STATES, Finding, Report, State, blocked, degraded
from retention_kit.wording import Words

_SYSTEM_FILES = {".DS_Store", "Thumbs.db", "desktop.ini"}  # created by file managers


class Verdict(NamedTuple):
    """The result: `ok`, `degraded` (sent with a visible notice) or `blocked` (only the owner is told), with reasons."""

    state: State
    reasons: tuple[str, ...] = ()
    late: date | None = None  # the last day of the data, if they are older than expected


def judge(folder: Path, today: date | None = None, expected: Period | None = None) -> Verdict:
    """Whether the finished pack at `folder` may be sent, by the findings of its build and those of now.

    `expected` is the last complete period by the calendar, by default that of `today`; without either, the age of the
    data is not checked.
    """
    manifest = manifests.read(folder)
    if not manifests.is_pack(manifest):
        return Verdict("blocked", (Phrase("{folder} is no pack: {todo}.", folder=folder, todo=REBUILD),))
    try:
        findings = [*_check_integrity(folder, manifest), *check_files(folder, manifest)]
        for name in manifest["reports"]:
            if Report(folder, manifest, name).is_there:
                findings += _build_findings(manifest.get("gate", {}).get(name, {}))
                findings += report_checks.of_manifest(Report(folder, manifest, name))
                if verdict_of(findings).state != "blocked":  # else other findings explain it
                    findings += _changed(folder, manifest, name)
        late = _late(manifest, today, expected)
    except Exception as error:  # a broken pack is blocked
        return Verdict("blocked", (_unreadable(folder, error).reason,))
    if manifest["state"] != "ok" and verdict_of(findings).state != "blocked":
        findings.append(blocked("A part of the report failed: {todo}.", todo=REBUILD))
    if late:
        findings.append(degraded("The data end on {late}, before the last period that is over.", late=late))
    return verdict_of(findings)._replace(late=late)


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """The worst state of the findings, with every reason once, the worst first."""
    ordered = sorted(findings, key=lambda finding: -STATES.index(finding.state))
    state = ordered[0].state if ordered else "ok"
    return Verdict(state, tuple(dict.fromkeys(finding.reason for finding in ordered)))


def notices(findings: Iterable[Finding], folder: Path, manifest: dict, name: str) -> list[str]:
    """The notices on findings for the readers of a message, in its language."""
    report = Report(folder, manifest, name)
    last = report.words.date(date.fromisoformat(report.about["as_of"]) - timedelta(days=1))
    period = report.words.period(str(manifest["period"]))
    keys = dict.fromkeys(
        finding.notice or "blocked" for finding in findings if finding.notice or finding.state == "blocked"
    )
    return [report.words.text(f"mail.{key}", period=period, day=last) for key in keys]


def late_notice(verdict: Verdict, words: Words) -> str:
    """The notice for readers if the data of a report are older than expected; else empty."""
    return words.text("mail.late", day=words.date(verdict.late)) if verdict.late else ""


def check_files(folder: Path, manifest: dict[str, Any]) -> list[Finding]:
    """Findings of secrets in the manifest and the files of a pack except messages; also in the text of PDFs."""
    known = secret_checks.environment_secrets()
    contents = {manifests.NAME: [json.dumps(manifest, ensure_ascii=False, default=str).encode()]}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".eml"):
        content = contents.setdefault(path.relative_to(folder).as_posix(), [path.read_bytes()])
        if path.suffix == ".pdf":
            with suppress(ValueError):  # which `check_report` reports
                content.append(text_of_pdf(content[0]).encode())
    return [Finding("blocked", reason) for name in contents for reason in _leaks(name, contents[name], known)]


def _leaks(name: str, contents: Iterable[bytes], known: dict[str, frozenset[bytes]]) -> Iterator[str]:
    template = "{name} holds {leak}: take it out of the data or the settings, and {todo}."
    for leak in dict.fromkeys(leak for content in contents for leak in secret_checks.leaks(content, known)):
        yield Phrase(template, name=name, leak=leak, todo=REBUILD)


def check_report(folder: Path, manifest: dict[str, Any], name: str) -> list[Finding]:
    """The findings on one report of a pack, from its `manifest`; `name` is the middle of its file names."""
    report = Report(folder, manifest, name)
    return _collect(f"report.{name}", chain(report_checks.of_manifest(report), report_checks.of_files(report)))


def check_message(folder: Path, manifest: dict[str, Any], name: str, findings: Iterable[Finding] = ()) -> list[Finding]:
    """The findings on the message of a report; `findings` are those on the report.

    The message has to show the notices of a degraded report; a blocked one is not sent.
    """
    report = Report(folder, manifest, name)
    path = report.file("message", "eml")
    if not path.is_file():
        return [blocked("{file} is not there: {todo}.", file=path.name, todo=REBUILD, is_reported=True)]
    degraded = [finding for finding in findings if finding.state == "degraded"]
    raw, expected = path.read_bytes(), notices(degraded, folder, manifest, name)
    parts = [message_checks.payload_of(part) for part in message_checks.parse(raw).walk() if not part.is_multipart()]
    leaks = [Finding("blocked", leak) for leak in _leaks(path.name, [raw, *parts], secret_checks.environment_secrets())]
    faults = (
        blocked("{file}: {fault}", file=path.name, fault=finding) for finding in _check_message(report, raw, expected)
    )
    return _collect(path.name, faults) + leaks


def _collect(subject: str, findings: Iterator[Finding]) -> list[Finding]:
    """All findings; one that blocks if a file cannot be read."""
    collected = []
    try:
        for finding in findings:
            collected.append(finding)
    except Exception as error:
        collected.append(_unreadable(subject, error))
    return collected


def _unreadable(subject: str | Path, error: Exception) -> Finding:
    return blocked(
        "{what} could not be checked ({kind}): {todo}.", what=subject, kind=type(error).__name__, todo=REBUILD
    )


def _check_message(report: Report, raw: bytes, expected: Iterable[str]) -> Iterator[str]:
    """The faults of a message: its figures are compared with the scorecard, its finding with the manifest."""
    yield from (Phrase("{fault}.", fault=fault) for fault in message_checks.faults(raw))
    message = message_checks.parse(raw)
    html, text = message_checks.html_of(message), message_checks.text_of(message)
    if html is None or text is None:
        return
    body, flat_text = message_checks.read(html), flat(text)
    yield from message_checks.figure_faults(body.text, text)
    yield from (
        Phrase("it links to {host}, which [mail] allowed_hosts does not name.", host=host)
        for host in report_checks.foreign_hosts(report, html)
    )
    for where, cards in (("HTML", body.cards), ("text", _cards_of(text, report.figures))):
        if not cards and any(row.value is not None for row in report.figures.rows.values()):
            yield Phrase("its {where} has no key figures.", where=where)
        wrong = [
            part
            for card in cards
            for label in [report.figures.label_of(card)]
            for part in report.figures.card_faults(label, card.replace(f"{flat(label)}: ", f"{flat(label)} ", 1))
        ]
        template = "its {where} tells other figures than the scorecard, which has"
        yield from filter(None, [summarise(wrong, Phrase(template, where=where))])
    finding = flat(report.manifest["reports"][report.name]["headline"])
    if body.headlines != [finding]:
        yield Phrase("its headline is not the finding of the report, {finding!r}.", finding=finding)
    if finding not in flat_text:
        yield Phrase("its text does not tell the finding of the report, {finding!r}.", finding=finding)
    for notice in map(flat, expected):
        if notice not in body.text or notice not in flat_text:
            yield Phrase("it does not show the notice {notice!r}.", notice=notice)
    subject = str(message["Subject"])
    all_text = f"{subject}\n{body.text}\n{text}"
    if customers := message_checks.named_customers(all_text, report.customers, report.allowed_names):
        template = "it names {count} of the customers that the lists hold, and those are never mailed."
        yield Phrase(template, count=len(customers))


def _cards_of(text: str, figures: Figures) -> list[str]:
    """The key figures of the text part: paragraphs that begin with a label and a colon."""
    parts = [flat(part) for part in re.split(r"\r?\n\s*\r?\n", text)]
    labels = tuple(f"{flat(label)}: " for label in figures.rows)
    return [part for part in parts if part.startswith(labels)]


def _check_integrity(folder: Path, manifest: dict[str, Any]) -> Iterator[Finding]:
    """Findings on files that were changed, removed or added after the build."""
    for name in sorted(manifests.altered(folder, manifest)):
        yield blocked("{name} is not what was written there: {todo}.", name=name, todo=REBUILD)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        is_known = name in (*manifest["files"], manifests.NAME) or path.name in _SYSTEM_FILES
        if path.is_symlink() or (path.is_file() and not is_known):
            yield blocked("{name} was put there by somebody else: {todo}.", name=name, todo=REBUILD)
    for name, entry in manifest.get("lists", {}).items():
        rows = _rows(folder / name)
        if rows is not None and rows != entry["customers"]:
            template = "{name} has {rows} customers, and its figure is {figure}: {todo}."
            yield blocked(template, name=name, rows=rows, figure=entry["customers"], todo=REBUILD)


def _rows(path: Path) -> int | None:
    """The number of customers in a list; None if there is no such file."""
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def _build_findings(verdict: dict[str, Any]) -> Iterator[Finding]:
    """The findings that were recorded when a report was built."""
    yield from (
        Finding(verdict["state"], reason) for reason in verdict.get("reasons", ()) if verdict["state"] in STATES
    )


def _changed(folder: Path, manifest: dict[str, Any], name: str) -> Iterator[Finding]:
    """Findings on parts of a report that differ from those recorded when it was built."""
    if not (recorded := manifest.get("record", {}).get(name)):
        yield blocked("Nothing was recorded of the parts of {name}: {todo}.", name=name, todo=REBUILD)
        return
    for file in recorded:
        if not (folder / file).is_file():
            yield blocked("{file} is not there: {todo}.", file=file, todo=REBUILD)
    for part in record_checks.changed(folder, recorded):
        yield blocked("The {part} changed after it was built: {todo}.", part=part, todo=REBUILD)


def _late(manifest: dict[str, Any], today: date | None, expected: Period | None) -> date | None:
    """The last day of the data, if a whole period has ended since; None otherwise, and for the sample company."""
    if expected is None and today is not None:
        expected = Period.of(today, manifest["every"]).shift(-1)
    as_of = date.fromisoformat(manifest["as_of"])
    is_late = expected is not None and as_of < expected.end and not manifest["data"]["synthetic"]
    return as_of - timedelta(days=1) if is_late else None
