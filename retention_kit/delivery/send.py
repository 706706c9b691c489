"""Sending a pack: who gets which message, whether they have it already, and what became of it."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from retention_kit.delivery import headers
from retention_kit.delivery.dispatch import Queued, deliver
from retention_kit.delivery.outbox import OWNERS, Key, Outbox, Row, reading, sending
from retention_kit.delivery.smtp import Server, server_of
from retention_kit.errors import ReportError, SettingsError
from retention_kit.periods import Period
from retention_kit.report.archive import manifest
from retention_kit.report.checks import gate
from retention_kit.settings import Recipient, Settings, address_of, read_settings
from retention_kit.wording import Words

if TYPE_CHECKING:
    import pandas as pd

SETTLED = ("sent", "already sent")
_REPEATED = "on request, though the first may have arrived: it may be there twice"


class Letter(NamedTuple):
    """A pack's message, and whose it is."""

    key: Key
    to: Recipient
    raw: bytes
    digest: str


class Result(NamedTuple):
    """What became of one letter."""

    recipient: str
    language: str
    segment: str
    state: str  # sent, already sent, to be sent (dry run), blocked, changed, queued, failed, unknown
    reply: str


@dataclass(frozen=True)
class Sending:
    """What one call of `send_report` did."""

    period: str
    verdict: gate.Verdict
    results: tuple[Result, ...]
    is_dry: bool = False

    @property
    def outcomes(self) -> pd.DataFrame:
        """recipient, language, segment (empty: the whole), state, reply of the server or reason."""
        import pandas as pd

        return pd.DataFrame(self.results, columns=Result._fields)

    @property
    def is_done(self) -> bool:
        """Whether everybody has what they are to have."""
        if self.verdict.state == "blocked":
            return False
        return all(one.state in SETTLED or (self.is_dry and one.state == "to be sent") for one in self.results)

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
    """Check a finished pack and mail its messages, one to each recipient, once.

    `to` names those of the settings' recipients who get it now, or others, who get the whole report in its first
    language. `settings` (default: ./retention.toml, never others that a pack names) hold the rest; `smtp_url` is
    by default that of the environment variable RETENTION_KIT_SMTP_URL. A second call sends only what is missing.
    `resend` sends a report that has changed since, as a correction; what may have arrived (`unknown`) goes out again
    only with `resend` to recipients named in `to`. `dry_run` says what would be done and does nothing. A pack that the
    gate blocks is sent to nobody, and its owner is told, once. `expected`: the period that the calendar says is over; `progress`
    is told what is waited for.
    Raises SettingsError where there is no server or recipient, the server refuses our password or cannot be trusted.
    """
    folder = Path(pack).resolve()  # "." is a pack too, and the outbox lies beside it
    told = manifest.read(folder)
    if told.get("schema") != 1:
        raise SettingsError(f"{str(Path(pack))!r} is no pack: give the folder that `retention-kit report` has made.")
    verdict = gate.judge(folder, None, expected)  # old packs may be sent late
    period, recipients, server = str(told.get("period", "")), [], None
    try:
        settings = settings_of(settings, told)
        recipients = _recipients(settings, to)
        server = None if dry_run else smtp_url if isinstance(smtp_url, Server) else server_of(smtp_url)
    except SettingsError:
        if verdict.state != "blocked":  # which is so whoever would have got it, and from where
            raise
    if verdict.state == "blocked":
        if server and settings.mail.owner:
            with sending(folder.parent) as outbox:
                _tell_owner(outbox, folder, told, settings, server, reasons=verdict.reasons)
        return Sending(period, verdict, tuple(Result(*_of(one), "blocked", "") for one in recipients), dry_run)
    read = cache(Path.read_bytes)  # one message of many recipients is in memory once
    post, absent = [], {}
    for one in recipients:
        try:
            post.append(_letter(folder, told, one, read))
        except SettingsError as error:
            absent[one] = Result(*_of(one), "failed", str(error))
            if len(absent) == len(recipients):
                raise
    if dry_run:
        with reading(folder.parent) as outbox:
            planned = [(one, _decide(outbox and outbox.row(one.key), one.digest, resend, bool(to))) for one in post]
        found = absent | {one.to: _planned(one, *action) for one, action in planned}
        return Sending(period, verdict, tuple(found[one] for one in recipients), is_dry=True)
    _refuse_localhost(headers.sender_of(post[0].raw), server)
    with sending(folder.parent) as outbox:
        made = _send(outbox, server, settings, verdict, post, resend, bool(to), progress)
        found = absent | {letter.to: result for letter, result in zip(post, made, strict=True)}
        results = tuple(found[one] for one in recipients)
        if any(one.state in ("failed", "unknown", "queued") for one in results):
            _tell_owner(outbox, folder, told, settings, server, results=results)
        if (gone := outbox.forget(settings.mail.keep_outbox)) and progress:
            progress(f"{gone} messages older than {settings.mail.keep_outbox} were deleted from {outbox.folder}")
    return Sending(period, verdict, results)


def settings_of(given: Settings | str | Path | None, told: dict) -> Settings:
    """The settings given, else those that lie here, else the defaults.

    A pack may come from anybody, and its recipients get what it holds: so of a pack that names other settings than
    those that lie here, theirs are used only where they are given. Raises SettingsError where they are not.
    """
    if isinstance(given, Settings):
        return given
    if given is not None:
        path = Path(given) / "retention.toml" if Path(given).is_dir() else Path(given)
        if not path.is_file():
            raise SettingsError(f"There is no file {str(path)!r}: give a retention.toml.")
        return read_settings(path) if path.suffix == ".toml" else Settings()
    if others := manifest.other_settings(Path(told.get("data", {}).get("origin") or "")):
        raise SettingsError(
            f"This pack names the settings {str(others)!r}, and they are not the retention.toml here: say whose recipients "
            f"get it, with --data {shlex.quote(str(others))} or another."
        )
    here = Path("retention.toml")
    return read_settings(here) if here.is_file() else Settings()


def today(settings: Settings) -> date:
    """The date in the report's time zone, or the one that the settings pretend it to be."""
    return settings.report.as_of or datetime.now(ZoneInfo(settings.report.timezone or "UTC")).date()


def _of(to: Recipient) -> tuple[str, str, str]:
    return to.address, to.language, to.segment


def _recipients(settings: Settings, to: str | Iterable[str] | None) -> list[Recipient]:
    """Who is to get something; those named, where some are, with what the settings say of them."""
    first = settings.report.languages[0]
    each = [one._replace(language=one.language or first) for one in settings.mail.addressed()]
    known = [*{(one.address.lower(), *one[2:]): one for one in reversed(each)}.values()][::-1]
    if to is None:
        if not known:
            raise SettingsError(
                'There is nobody to send to: name them in retention.toml ([mail], to = ["…"]) or by --to.'
            )
        return known
    found: dict[tuple, Recipient] = {}
    for address, name in map(address_of, [to] if isinstance(to, str) else to):
        theirs = [one for one in known if one.address.lower() == address.lower()]
        for one in theirs or [Recipient(address, name, first)]:
            found[one.address.lower(), one.language, one.segment] = one
    if not found:
        raise SettingsError("There is nobody to send to: `to` is empty.")
    return [*found.values()]


def _letter(folder: Path, told: dict, to: Recipient, read: Callable[[Path], bytes]) -> Letter:
    """The message of the pack that is theirs; raises SettingsError where it has none."""
    builds = {
        (name.partition(".")[0], manifest.segment_of(about)): name for name, about in told.get("reports", {}).items()
    }
    name = f"message.{builds.get((to.language, to.segment))}.eml"
    try:
        raw = read(folder / name)
    except OSError:
        how = f"--period {told['period']} --language {to.language}"
        how += f" --segment {shlex.quote(to.segment)}" if to.segment else ""
        what = f"in {to.language!r}" + (f" for {to.segment}" if to.segment else "")
        raise SettingsError(f"{folder} has no message {what}: build it with `retention-kit report {how}`.") from None
    digest = hashlib.sha256(raw).hexdigest()
    if told.get("files", {}).get(name) != digest:
        raise ReportError(f"{folder / name} is not what was written there: build the report again, then send it.")
    return Letter(Key(_series(told, to), told["period"], to.address.lower()), to, raw, digest)


def _series(told: dict, to: Recipient | None) -> str:
    """What a thread is kept apart by beside its recipient: length of the period, language and segment; or the owner's.

    The company is none of it: another spelling of its name is no reason to send everything again, and an output folder
    holds one pack a period.
    """
    what = [told.get("every", ""), *((to.language, to.segment) if to else ())]
    plain = re.sub(r"[^a-z0-9]+", "-", " ".join(filter(None, what)).lower()).strip("-")[:60]
    return f"{'' if to else OWNERS}{plain}-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:8]}"


def _refuse_localhost(sender: str, server: Server) -> None:
    if sender.endswith("@localhost") and not server.is_here:
        raise SettingsError(
            'Nobody can answer reports@localhost: set [mail], from = "Reports <reports@…>", and build again.'
        )


def _decide(row: Row | None, digest: str, resend: bool, is_named: bool) -> tuple[str, str]:
    """What is to be done with a letter, and why: send, correct, repeat, or leave it as already sent, changed or unknown."""
    if row is None or row.state in ("queued", "sending", "failed"):
        return ("correct" if row and row.revision else "send"), ""
    if row.state in ("unknown", "data"):
        if resend and is_named:
            return ("repeat", _REPEATED) if row.digest == digest else ("correct", _REPEATED)
        return "unknown", f"{row.reply}; --resend --to {row.recipient} sends it again, perhaps twice"
    if row.digest == digest:
        return "already sent", row.at
    return ("correct", "") if resend else ("changed", f"sent at {row.at}, another report now; --resend corrects it")


def _planned(letter: Letter, action: str, reason: str) -> Result:
    state = "to be sent" if action in ("send", "correct", "repeat") else action
    return Result(*_of(letter.to), state, "as a correction" if action == "correct" else reason)


def _send(
    outbox: Outbox,
    server: Server,
    settings: Settings,
    verdict: gate.Verdict,
    post: Sequence[Letter],
    resend: bool,
    is_named: bool,
    progress: Callable[[str], None] | None,
) -> tuple[Result, ...]:
    """Queue what is missing, hand it over, and say of every letter what became of it."""
    results, queued = {}, []
    for letter in post:
        row = outbox.row(letter.key)
        action, reason = _decide(row, letter.digest, resend, is_named)
        if action in ("send", "correct", "repeat"):
            queued.append(_queue(outbox, settings, verdict, letter, row, action))
        results[letter.key] = action, reason
    deliver(outbox, server, queued, progress=progress)
    for row in (one.row for one in queued):
        now = outbox.row(row.key)
        reason = results[row.key][1]
        results[row.key] = now.state, "; ".join(filter(None, [now.reply, reason if now.state == "sent" else ""]))
    return tuple(Result(*_of(letter.to), *results[letter.key]) for letter in post)


def _queue(
    outbox: Outbox, settings: Settings, verdict: gate.Verdict, letter: Letter, row: Row | None, action: str
) -> Queued:
    """Put a letter into the outbox, or find it there."""
    key, sender, raw = letter.key, headers.sender_of(letter.raw), letter.raw
    if row and row.digest == letter.digest and outbox.is_waiting(row):
        return Queued(row, sender, letter.to.address)
    revision = 0 if row is None else row.revision
    if verdict.late:
        raw = headers.noted(raw, gate.late_notice(verdict, Words(letter.to.language)))
    if action == "correct":
        # One that did not go out yet is that same correction; one that did, or may have, is followed by another.
        revision += row.state in ("sent", "unknown")
        raw = headers.corrected(raw, Words(letter.to.language), key.period)
    number = headers.message_id(key, revision, letter.digest, sender)
    root = outbox.root(key)
    before = [row.message_id] if row and row.revision < revision else []
    thread = tuple(dict.fromkeys([one for one in (root, *before) if one and one != number]))
    parts = headers.personal(raw, letter.to, number, thread, datetime.now(UTC), settings.mail.unsubscribe)
    queued = outbox.queue(key, revision, letter.digest, number, root or number, *parts)
    return Queued(queued, sender, letter.to.address)


def _tell_owner(
    outbox: Outbox,
    folder: Path,
    told: dict,
    settings: Settings,
    server: Server,
    reasons: Sequence[str] = (),
    results: Sequence[Result] = (),
) -> None:
    """Mail the owner, where there is one, why a pack was held back or whom it did not reach: once, unless that changes."""
    if not settings.mail.owner:
        return
    address, name = address_of(settings.mail.owner)
    raw, digest = _notice(folder, told, settings, reasons, results)
    key, sender = Key(_series(told, None), told["period"], address.lower()), headers.sender_of(raw)
    row = outbox.row(key)
    is_out = bool(row) and row.state in ("sent", "unknown")
    if is_out and row.digest == digest:
        return
    revision = row.revision + is_out if row else 0
    number, root = headers.message_id(key, revision, digest, sender), outbox.root(key)
    thread = (root,) if root and root != number else ()
    parts = headers.personal(raw, Recipient(address, name), number, thread, datetime.now(UTC), None)
    queued = outbox.queue(key, revision, digest, number, root or number, *parts)
    deliver(outbox, server, [Queued(queued, sender, address)], pauses=())


def _notice(
    folder: Path, told: dict, settings: Settings, reasons: Sequence[str], results: Sequence[Result]
) -> tuple[bytes, str]:
    """The message to the owner, and a digest of what it says: who and why, not the words of a server, which vary."""
    words, company = Words(settings.report.languages[0]), settings.report.company
    missed = [one for one in results if one.state not in SETTLED]
    why, values = (
        "undelivered" if results else "blocked",
        {
            "period": words.period(told["period"]),
            "sent": len(results) - len(missed),
            "count": len(results),
        },
    )
    text = [words.text(f"sending.{why}", **values), "", *(f"- {reason}" for reason in reasons)]
    for one in missed:
        text.append(f"- {one.recipient}: {one.state}. {one.reply}")
        if one.state == "unknown":
            text.append("  " + words.text("sending.unknown", pack=folder, address=one.recipient))
    text += ["", words.text("sending.again", pack=folder)]
    subject = words.text(f"sending.{why}_subject", company=f"{company}, " if company else "", **values)
    said = [why, *reasons, *(f"{one.recipient} {one.state}" for one in missed)]
    raw = headers.to_owner(settings.mail.sender or headers.NOBODY, subject, "\n".join(text) + "\n")
    return raw, hashlib.sha256("\n".join(said).encode()).hexdigest()
