"""Sends a pack: the message of each recipient, unless they have it already, and its outcome."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from os import PathLike
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from retention_kit import bidi
from retention_kit.delivery import headers
from retention_kit.delivery.dispatch import Queued, deliver, queue_mail
from retention_kit.delivery.outbox import OWNERS, Key, Outbox, Row, reading, sending
from retention_kit.delivery.smtp import Server, refuse_localhost, server_of
from retention_kit.errors import Phrase, ReportError, SettingsError
from retention_kit.lazy import pd
from retention_kit.periods import Period
from retention_kit.report.archive import manifest as manifests
from retention_kit.report.checks import gate
from retention_kit.settings import Settings, read_settings
from retention_kit.settings.addresses import parse_address
from retention_kit.settings.mail import Recipient, unique_recipients
from retention_kit.wording import Words

SETTLED = ("sent", "already sent")
_REPEATED = "on request, though the first may have arrived: it may be there twice"


class Addressed(NamedTuple):
    """A message of a pack, and its recipient."""

    key: Key
    to: Recipient
    raw: bytes
    digest: str


class Result(NamedTuple):
    """The outcome for one recipient."""

    recipient: str
    language: str
    segment: str
    state: str  # sent, already sent, to be sent (dry run), blocked, changed, queued, failed, unknown
    reply: str


@dataclass(frozen=True)
class Sending:
    """The outcomes of one call of `send_report`."""

    period: str
    verdict: gate.Verdict
    results: tuple[Result, ...]
    is_dry: bool = False

    @property
    def outcomes(self) -> pd.DataFrame:
        """recipient, language, segment (empty: the whole), state, reply of the server or reason."""
        return pd.DataFrame(self.results, columns=Result._fields)

    @property
    def is_done(self) -> bool:
        """Whether every recipient has their message."""
        if self.verdict.state == "blocked":
            return False
        return all(result.state in SETTLED or (self.is_dry and result.state == "to be sent") for result in self.results)

    def _repr_html_(self) -> str:
        return self.outcomes.to_html(index=False)


def send_report(
    pack: str | PathLike[str],
    to: str | Iterable[str] | None = None,
    *,
    settings: Settings | str | Path | None = None,
    dry_run: bool = False,
    resend: bool = False,
    smtp_url: str | Server | None = None,
    expected: Period | None = None,
    progress: Callable[[str], None] | None = None,
) -> Sending:
    """Check a finished pack (its folder, or a `Pack`) and mail its messages, one to each recipient, once.

    - `to`: addresses of recipients in the settings, or others, who get the whole report in its first language.
    - `settings`: by default ./retention.toml, never others that a pack names; `smtp_url`: by default the environment
      variable RETENTION_KIT_SMTP_URL. `dry_run` reports what would be done and does nothing.
    - `resend` sends a changed report as a correction, and repeats messages that may have arrived (`unknown`), but only
      to recipients named in `to`; otherwise a second call sends only what is missing.
    - `expected`: the last complete period by the calendar; `progress` gets a sentence on each pause.

    A pack that the gate blocks is sent to nobody, and its owner is notified once. Raises SettingsError if there is no
    server or recipient, or the server refuses our password or cannot be trusted.
    """
    folder = Path(pack).resolve()  # so that "." has a parent, which holds the outbox
    manifest = manifests.read_pack(Path(pack))
    verdict = gate.judge(folder, None, expected)  # old packs may be sent late
    period = str(manifest.get("period", ""))
    recipients: list[Recipient] = []
    owner = None
    try:
        chosen = settings_of(settings, manifest)
        recipients = _recipients(chosen, to)
        if not dry_run:
            server = smtp_url if isinstance(smtp_url, Server) else server_of(smtp_url)
            owner = _Owner(folder, manifest, chosen, server)
    except SettingsError:
        if verdict.state != "blocked":  # a blocked pack is reported even without recipients or a server
            raise
    if verdict.state == "blocked":
        if owner and owner.settings.mail.owner:
            with sending(folder.parent) as outbox:
                owner.alert(outbox, reasons=verdict.reasons)
        return Sending(
            period, verdict, tuple(Result(*_fields(recipient), "blocked", "") for recipient in recipients), dry_run
        )
    messages, absent = _messages(folder, manifest, recipients)
    if owner is None:
        results = absent | _dry_run(folder.parent, messages, resend, bool(to))
        return Sending(period, verdict, tuple(results[recipient] for recipient in recipients), is_dry=True)
    refuse_localhost(headers.sender_of(messages[0].raw), owner.server)
    with sending(folder.parent) as outbox:
        sent = _send(outbox, owner.server, owner.settings, verdict, messages, resend, bool(to), progress)
        results = absent | {message.to: result for message, result in zip(messages, sent, strict=True)}
        outcomes = tuple(results[recipient] for recipient in recipients)
        if any(outcome.state in ("failed", "unknown", "queued") for outcome in outcomes):
            owner.alert(outbox, results=outcomes)
        keep = owner.settings.mail.keep_outbox
        if (deleted := outbox.forget(keep)) and progress:
            template = "{count} messages older than {age} were deleted from {folder}"
            progress(Phrase(template, count=deleted, age=keep, folder=outbox.folder))
    return Sending(period, verdict, outcomes)


def _dry_run(output: Path, messages: Sequence[Addressed], resend: bool, is_named: bool) -> dict[Recipient, Result]:
    """The result that sending would have, by recipient."""
    with reading(output) as ledger:
        rows = [ledger.row(message.key) if ledger else None for message in messages]
    actions = (_decide(row, message.digest, resend, is_named) for message, row in zip(messages, rows, strict=True))
    return {message.to: _planned(message, *action) for message, action in zip(messages, actions, strict=True)}


def _messages(
    folder: Path, manifest: dict, recipients: Sequence[Recipient]
) -> tuple[list[Addressed], dict[Recipient, Result]]:
    """The messages of the recipients, and the results of those without one; raises if nobody has one."""
    read = cache(Path.read_bytes)  # recipients of one message share its bytes
    messages: list[Addressed] = []
    absent: dict[Recipient, Result] = {}
    for recipient in recipients:
        try:
            messages.append(_message_for(folder, manifest, recipient, read))
        except SettingsError as error:
            absent[recipient] = Result(*_fields(recipient), "failed", error.text)
            if len(absent) == len(recipients):
                raise
    return messages, absent


def settings_of(settings: Settings | str | Path | None, manifest: dict) -> Settings:
    """The settings given, else ./retention.toml, else the defaults.

    A pack may come from anybody: settings that it names are used only if given. Raises SettingsError if it names others
    than ./retention.toml and none are given.
    """
    if isinstance(settings, Settings):
        return settings
    if settings is not None:
        path = Path(settings) / "retention.toml" if Path(settings).is_dir() else Path(settings)
        if not path.is_file():
            raise SettingsError("There is no file {path!r}: give a retention.toml.", path=str(path))
        return read_settings(path) if path.suffix == ".toml" else Settings()
    if others := manifests.other_settings(Path(manifest.get("data", {}).get("origin") or "")):
        template = (
            "This pack names the settings {others!r}, and they are not the retention.toml here: say whose "
            "recipients get it, with --data {quote} or another."
        )
        raise SettingsError(template, others=str(others), quote=shlex.quote(str(others)))
    file = Path("retention.toml")
    return read_settings(file) if file.is_file() else Settings()


def today(settings: Settings) -> date:
    """The date in the report's time zone, or `as_of` of the settings."""
    return settings.report.as_of or datetime.now(ZoneInfo(settings.report.timezone or "UTC")).date()


def _fields(to: Recipient) -> tuple[str, str, str]:
    return to.address, to.language, to.segment


def _recipients(settings: Settings, to: str | Iterable[str] | None) -> list[Recipient]:
    """The recipients of the settings, or those named by `to`, with language and segment as configured."""
    first = settings.report.languages[0]
    configured = unique_recipients(to._replace(language=to.language or first) for to in settings.mail.addressed())
    if to is None:
        if not configured:
            raise SettingsError(
                'There is nobody to send to: name them in retention.toml ([mail], to = ["…"]) or by --to.'
            )
        return configured
    recipients: dict[tuple, Recipient] = {}
    for address, name in map(parse_address, [to] if isinstance(to, str) else to):
        matching = [recipient for recipient in configured if recipient.address.lower() == address.lower()]
        for recipient in matching or [Recipient(address, name, first)]:
            recipients[recipient.address.lower(), recipient.language, recipient.segment] = recipient
    if not recipients:
        raise SettingsError("There is nobody to send to: `to` is empty.")
    return [*recipients.values()]


def _message_for(folder: Path, manifest: dict, to: Recipient, read: Callable[[Path], bytes]) -> Addressed:
    """A recipient's message of the pack; raises SettingsError if there is none."""
    builds = {
        (name.partition(".")[0], manifests.segment_of(entry)): name
        for name, entry in manifest.get("reports", {}).items()
    }
    name = f"message.{builds.get((to.language, to.segment))}.eml"
    try:
        raw = read(folder / name)
    except OSError:
        how = f"--period {manifest['period']} --language {to.language}"
        how += f" --segment {shlex.quote(to.segment)}" if to.segment else ""
        description = Phrase("in {language!r}", language=to.language)
        if to.segment:
            description = Phrase("in {language!r} for {segment}", language=to.language, segment=to.segment)
        template = "{folder} has no message {what}: build it with `retention-kit report {how}`."
        raise SettingsError(template, folder=folder, what=description, how=how) from None
    digest = hashlib.sha256(raw).hexdigest()
    if manifest.get("files", {}).get(name) != digest:
        template = "{file} is not what was written there: build the report again, then send it."
        raise ReportError(template, file=folder / name)
    return Addressed(Key(_series(manifest, to), manifest["period"], to.address.lower()), to, raw, digest)


def _series(manifest: dict, to: Recipient | None) -> str:
    """Identifies a thread of a recipient: length of the period, language and segment; without `to`, the owner's.

    The company is no part of it: another spelling of its name must not send everything again.
    """
    parts = [manifest.get("every", ""), *((to.language, to.segment) if to else ())]
    plain = re.sub(r"[^a-z0-9]+", "-", " ".join(filter(None, parts)).lower()).strip("-")[:60]
    return f"{'' if to else OWNERS}{plain}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]}"


def _decide(row: Row | None, digest: str, resend: bool, is_named: bool) -> tuple[str, str]:
    """The action for a message and its reason: send, correct, repeat, or none: already sent, changed, unknown."""
    if row is None or row.state in ("queued", "sending", "failed"):
        return ("correct" if row and row.revision else "send"), ""
    if row.state in ("unknown", "data"):
        if resend and is_named:
            return ("repeat", _REPEATED) if row.digest == digest else ("correct", _REPEATED)
        return "unknown", f"{row.reply}; --resend --to {row.recipient} sends it again, perhaps twice"
    if row.digest == digest:
        return "already sent", row.at
    return ("correct", "") if resend else ("changed", f"sent at {row.at}, another report now; --resend corrects it")


def _planned(message: Addressed, action: str, reason: str) -> Result:
    state = "to be sent" if action in ("send", "correct", "repeat") else action
    return Result(*_fields(message.to), state, "as a correction" if action == "correct" else reason)


def _send(
    outbox: Outbox,
    server: Server,
    settings: Settings,
    verdict: gate.Verdict,
    messages: Sequence[Addressed],
    resend: bool,
    is_named: bool,
    progress: Callable[[str], None] | None,
) -> tuple[Result, ...]:
    """Queue missing messages and deliver them; returns the outcome of every message."""
    results, queued = {}, []
    for message in messages:
        row = outbox.row(message.key)
        action, reason = _decide(row, message.digest, resend, is_named)
        if action in ("send", "correct", "repeat"):
            queued.append(_queue(outbox, settings, verdict, message, row, action))
        results[message.key] = action, reason
    deliver(outbox, server, queued, progress=progress)
    for row in (message.row for message in queued):
        now = outbox.row(row.key) or row
        reason = results[row.key][1]
        results[row.key] = now.state, "; ".join(filter(None, [now.reply, reason if now.state == "sent" else ""]))
    return tuple(Result(*_fields(message.to), *results[message.key]) for message in messages)


def _queue(
    outbox: Outbox, settings: Settings, verdict: gate.Verdict, message: Addressed, row: Row | None, action: str
) -> Queued:
    """Put a message into the outbox unless it is waiting there."""
    key, raw = message.key, message.raw
    if row and row.digest == message.digest and outbox.is_waiting(row):
        return Queued(row, headers.sender_of(raw), message.to.address)
    revision = 0 if row is None else row.revision
    if verdict.late:
        raw = headers.with_notice(raw, gate.late_notice(verdict, Words.of(settings.report, message.to.language)))
    if row and action == "correct":
        # A correction not yet sent is replaced; one that was sent, or may have been, is followed by another.
        revision += row.state in ("sent", "unknown")
        raw = headers.as_correction(raw, Words.of(settings.report, message.to.language), key.period)
    thread = [outbox.root(key), *([row.message_id] if row and row.revision < revision else [])]
    return queue_mail(outbox, key, message.to, raw, message.digest, revision, thread, settings.mail.unsubscribe)


class _Owner(NamedTuple):
    """The owner of the reports, who is notified once why a pack was blocked or whom it did not reach."""

    folder: Path
    manifest: dict
    settings: Settings
    server: Server

    def alert(self, outbox: Outbox, reasons: Sequence[str] = (), results: Sequence[Result] = ()) -> None:
        """Mail the owner, if there is one, unless the same notification was sent before."""
        if not self.settings.mail.owner:
            return
        address, name = parse_address(self.settings.mail.owner)
        raw, digest = self._message(reasons, results)
        key = Key(_series(self.manifest, None), self.manifest["period"], address.lower())
        row, revision = outbox.row(key), 0
        if row is not None:
            is_sent = row.state in ("sent", "unknown")
            if is_sent and row.digest == digest:
                return
            revision = row.revision + is_sent
        queued = queue_mail(outbox, key, Recipient(address, name), raw, digest, revision, [outbox.root(key)])
        deliver(outbox, self.server, [queued], pauses=())

    def _message(self, reasons: Sequence[str], results: Sequence[Result]) -> tuple[bytes, str]:
        """The message, and a digest of its reasons and recipients without the server's replies, which vary."""
        words, company = Words.of(self.settings.report), self.settings.report.company
        undelivered = [result for result in results if result.state not in SETTLED]
        kind = "undelivered" if results else "blocked"
        period, sent = words.period(self.manifest["period"]), len(results) - len(undelivered)
        values = {"period": period, "sent": sent, "count": len(results)}
        text = [words.text(f"sending.{kind}", **values), "", *(f"- {words.say(reason)}" for reason in reasons)]
        for result in undelivered:
            outcome = {"recipient": result.recipient, "state": Phrase(result.state), "reply": result.reply}
            text.append(words.text("sending.outcome", **outcome))
            if result.state == "unknown":
                command = f"retention-kit send {self.folder} --resend --to {result.recipient}"
                text.append("  " + words.text("sending.unknown", command=command))
        text += ["", words.text("sending.again", command=f"retention-kit send {self.folder}")]
        name = words.text("sending.of_company", company=company) if company else ""
        subject = words.text(f"sending.{kind}_subject", company=name, **values)
        body, subject = (bidi.turn_lines(text, words.direction) for text in ("\n".join(text) + "\n", subject))
        raw = headers.owner_alert(self.settings.mail.sender or headers.NOBODY, subject, body)
        gist = [kind, *reasons, *(f"{result.recipient} {result.state}" for result in undelivered)]
        return raw, hashlib.sha256("\n".join(gist).encode()).hexdigest()
