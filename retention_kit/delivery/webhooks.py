"""Webhooks: a message posted once to a URL from the environment, with every step in the ledger first.

The states are those of the outbox. A 2xx response is `sent`; 408, 425, 429 and 5xx mean that it was not accepted and is
tried again; other responses are `failed` until the next call. If the connection is lost once the body is on its way,
the state is `unknown` and it is not repeated: few receivers honour `Idempotency-Key`.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import select
import socket
import sqlite3
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from importlib.metadata import version
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from retention_kit.delivery.deadlines import Abortable, DeadlineExceeded, close_after
from retention_kit.delivery.dispatch import PAUSES, Queued, keep_trying
from retention_kit.delivery.hook_bodies import Message, body_of
from retention_kit.delivery.outbox import Key, Outbox, Row
from retention_kit.delivery.smtp import Deferred, NotFound, Outcome, is_loopback
from retention_kit.errors import ReportError, SettingsError

KINDS = ("webhook", "slack", "teams", "apprise")
_TARGET = re.compile(rf"({'|'.join(KINDS)}):([A-Z0-9_]{{1,60}})")
_MOST_READ = 64_000  # bytes of a response
_MOST_KEPT = 200  # characters of it
_LONGEST_WAIT = PAUSES[-1]  # seconds that a receiver may ask for; beyond that it is tried at the next call
_AGAIN = {408, 425, 429, *range(500, 600)} - {504}
# Connectors of Teams that Microsoft has switched off; Workflows have taken their place.
_RETIRED = re.compile(r"(^|\.)(webhook\.office\.com|outlook\.office(365)?\.com)$")


@dataclass(frozen=True)
class Webhook:
    """A receiver of posts; its repr never shows the URL, which is a secret."""

    kind: str
    name: str
    url: str = field(repr=False)
    timeout: float = 30  # seconds for each response
    deadline: float = 120  # seconds for a post as a whole
    context: ssl.SSLContext | None = field(default=None, repr=False)  # default: the certificates that the system trusts

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def variable_of(name: str) -> str:
    """The environment variable that holds the URL of a webhook."""
    return f"RETENTION_KIT_WEBHOOK_{name}"


def webhook_of(target: str, environment: Mapping[str, str] | None = None) -> Webhook:
    """The webhook `webhook:NAME`, `slack:NAME`, `teams:NAME` or `apprise:NAME`, with its URL from the environment.

    Raises SettingsError, which never repeats the URL, if there is none or nothing may be posted there: unencrypted to
    another machine, or to a retired connector of Teams.
    """
    kind, _, name = target.partition(":")
    name = name.upper()
    if not _TARGET.fullmatch(f"{kind}:{name}"):
        raise SettingsError(
            "{target!r} is no webhook: write webhook:, slack:, teams: or apprise: and a name of letters, digits and _.",
            target=target,
        )
    variable = variable_of(name)
    if not (url := (os.environ if environment is None else environment).get(variable, "").strip()):
        template = "{kind}:{name} has no address: set {variable} to its URL."
        raise SettingsError(template, kind=kind, name=name, variable=variable)
    if kind != "apprise":  # whose addresses have schemes of their own
        _check_url(url, kind, variable)
    return Webhook(kind, name, url)


def _check_url(url: str, kind: str, variable: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        host.encode("idna")
        _ = parts.port
    except ValueError:  # its text would show the URL
        template = "{variable} cannot be read: write it like https://hooks.example.com/services/…."
        raise SettingsError(template, variable=variable) from None
    rest = parts.path + parts.query
    if parts.scheme not in ("https", "http") or not host or not (rest.isascii() and url.isprintable()) or " " in url:
        template = "{variable} is no address of a webhook: write it like https://hooks.example.com/…."
        raise SettingsError(template, variable=variable)
    if parts.scheme == "http" and not is_loopback(host):
        template = "{variable} is unencrypted: http is for this machine alone; write https://…."
        raise SettingsError(template, variable=variable)
    if parts.fragment or parts.username is not None or parts.password is not None:
        template = "{variable} cannot have a user name, a password or a part after #: they are not sent."
        raise SettingsError(template, variable=variable)
    if kind == "teams" and _RETIRED.search(host.lower()):
        raise SettingsError(
            '{variable} is a connector of Office 365, which Microsoft has retired: make a workflow in Teams ("Post '
            'to a channel when a webhook request is received") and take its URL.',
            variable=variable,
        )


class Post(NamedTuple):
    """A message to be posted once to one webhook; `series` contains a slash."""

    target: str
    series: str
    period: str
    message: Message


def post(
    outbox: Outbox,
    posts: Sequence[Post],
    pauses: Sequence[float] | None = None,
    progress: Callable[[str], None] | None = None,
    hooks: Callable[[str], Webhook] = webhook_of,
) -> list[Row]:
    """Post each message once, however often this is called: one that was sent, or may have been, is not repeated.

    Messages not accepted after all `pauses` (seconds) stay `queued`, refused ones `failed`; the next call tries both
    again, with the content as first queued. Returns the ledger's rows. Raises SettingsError, before anything is queued,
    if a webhook has no address.
    """
    addressed = {post.target: hooks(post.target) for post in posts}
    queued = [queue_post(outbox, addressed[post.target], *post[1:]) for post in posts]
    deliver_posts(outbox, {str(hook): hook for hook in addressed.values()}, queued, pauses, progress)
    return [outbox.row(row.key) or row for row in queued]


def queue_post(
    outbox: Outbox,
    hook: Webhook,
    series: str,
    period: str,
    message: Message,
    also: Callable[[sqlite3.Connection, str], None] | None = None,
) -> Row:
    """Put a message for a webhook into the outbox unless it is there; `also` as in `Outbox.queue`."""
    key = Key(series, period, str(hook))
    if (row := outbox.row(key)) and not _is_lost(outbox, row):
        return row
    body = body_of(hook.kind, message)
    digest = hashlib.sha256(body).hexdigest()
    number = hashlib.sha256("\n".join((*key, digest)).encode()).hexdigest()[:32]
    return outbox.queue(key, 0, digest, number, number, b"", body, ".json", also)


def _is_lost(outbox: Outbox, row: Row) -> bool:
    """Whether a message is still to be sent, but its content is missing or changed."""
    try:
        return row.state in ("queued", "failed") and not outbox.content(row)
    except ReportError:
        return True


def deliver_posts(
    outbox: Outbox,
    hooks: Mapping[str, Webhook],
    rows: Sequence[Row],
    pauses: Sequence[float] | None = None,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Post queued and refused messages and record the outcomes; `hooks` are by the recipient of a row."""
    waiting = [Queued(row, "", row.recipient) for row in rows if row.state in ("queued", "failed")]
    keep_trying(partial(_round, outbox, hooks), waiting, pauses, progress)


def _round(outbox: Outbox, hooks: Mapping[str, Webhook], queued: list[Queued]) -> tuple[list[Queued], Deferred | None]:
    """Try each once; returns those to retry and the first one's reason."""
    deferred: list[tuple[Queued, Deferred]] = []
    for message in queued:
        content = outbox.content(message.row)
        outbox.set(message.row, "sending")
        commit = partial(outbox.set, message.row, "data")
        try:
            outcome = send_post(hooks[message.address], content, message.row.message_id, commit)
        except Deferred as error:
            outcome = Outcome("deferred", str(error))
            if error.wait <= _LONGEST_WAIT:
                deferred.append((message, error))
        outbox.set(message.row, "queued" if outcome.state == "deferred" else outcome.state, outcome.reply)
    if not deferred:
        return [], None
    reason = deferred[0][1] if all(isinstance(error, NotFound) for _, error in deferred) else Deferred(deferred[0][1])
    reason.wait = max(error.wait for _, error in deferred)
    return [message for message, _ in deferred], reason


def send_post(hook: Webhook, content: bytes, number: str, commit: Callable[[], None]) -> Outcome:
    """Post one body; returns the outcome. Raises Deferred if it was certainly not accepted and a retry may help.

    `commit` is called when the receiver is connected and has our headers, and nothing of the body was sent.
    """
    if hook.kind == "apprise":
        from retention_kit.delivery.apprise_posts import send_by_apprise

        return send_by_apprise(hook.url, content, commit)
    connection = _Connection(hook)
    try:
        with close_after(connection.abort, hook.deadline):
            return _send(connection, hook, content, number, commit)
    finally:
        connection.close()


def _send(connection: _Connection, hook: Webhook, content: bytes, number: str, commit: Callable[[], None]) -> Outcome:
    try:
        http = connection.connect()
        _put_headers(http, hook, content, number)
    except (OSError, HTTPException, DeadlineExceeded) as error:
        return _connection_outcome(error, hook)
    commit()
    if connection.is_closed():
        raise Deferred(f"{hook} closed the connection before anything was sent")
    with suppress(OSError):  # it may have responded already, for instance that the body is too large
        http.send(content)
    try:
        response = http.getresponse()
    except (OSError, HTTPException) as error:
        lost = "fell silent" if isinstance(error, TimeoutError) else "was lost"
        return Outcome("unknown", f"{hook} {lost} after the message was sent, before it said that it has it")
    return _outcome_of(response, hook)


def _put_headers(connection: HTTPConnection, hook: Webhook, content: bytes, number: str) -> None:
    parts = urlsplit(hook.url)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{parts.query}" if parts.query else "")
    connection.putrequest("POST", path, skip_accept_encoding=True)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(content)),
        "User-Agent": f"retention-kit/{version('retention-kit')}",
        "Idempotency-Key": number,
        "Connection": "close",
    }
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()


def _outcome_of(response: HTTPResponse, hook: Webhook) -> Outcome:
    """The outcome of a response; raises Deferred if it is to be tried again."""
    status, body = response.status, ""
    with response, suppress(OSError, HTTPException):  # its status is enough
        body = response.read(_MOST_READ).decode("utf-8", "replace")
    reply = " ".join(filter(None, [str(status), _printable(response.reason, hook), _printable(body, hook)]))
    if 200 <= status < 300:
        return Outcome("sent", reply)
    if 300 <= status < 400:
        return Outcome("failed", f"{status}: {hook} sends us elsewhere, and nothing is sent there")
    if status == 504 or status < 200:
        return Outcome("unknown", f"{reply}: it may have been taken")
    if status not in _AGAIN:
        return Outcome("failed", reply)
    deferred = Deferred(f"{hook} answered {reply}")
    deferred.wait = _wait_of(response.headers.get("Retry-After", ""))
    raise deferred


def _wait_of(text: str) -> float:
    """The seconds of a Retry-After header, a number or a date; 0 if it cannot be read."""
    text = text.strip()
    if re.fullmatch(r"\d{1,9}(\.\d*)?", text, re.ASCII):
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _printable(text: str, hook: Webhook) -> str:
    """The beginning of a response on one line, with parts of the URL masked."""
    parts = urlsplit(hook.url)
    pieces = {hook.url, parts.path, parts.query, *parts.path.split("/"), *re.split("[&=]", parts.query)}
    for part in sorted(pieces | {unquote(part) for part in pieces}, key=len, reverse=True):
        if len(part) >= 6:
            text = text.replace(part, "***")
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:_MOST_KEPT]


def _connection_outcome(error: Exception, hook: Webhook) -> Outcome:
    """The outcome of a failed connection; raises Deferred if a retry may help."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Outcome("failed", f"the certificate of {hook} is not trusted ({error.verify_message})")
    if isinstance(error, ssl.SSLError) and not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        reason = (error.reason or "no reason given").replace("_", " ").lower()
        return Outcome("failed", f"{hook} and we found no common TLS ({reason})")
    if isinstance(error, DeadlineExceeded):
        raise Deferred(f"{hook} was not found and connected in time") from None
    if isinstance(error, TimeoutError):
        raise Deferred(f"{hook} did not answer within {hook.timeout:g} seconds") from None
    if isinstance(error, socket.gaierror):
        raise NotFound(f"{hook} was not found ({error.strerror})") from None
    reason = getattr(error, "strerror", None) or "the connection was closed"
    if str(error).startswith("Tunnel connection failed"):
        reason = f"the proxy answered {_printable(str(error).rpartition('failed: ')[2], hook)}"
    raise Deferred(f"{hook} cannot be reached ({reason})") from None


class _Connection(Abortable):
    """A connection to a webhook that another thread can abort at any moment; through the proxy where there is one.

    TLS is with the webhook itself, also through a proxy, which sees the host but not the URL.
    """

    def __init__(self, hook: Webhook):
        self._hook = hook
        self.deadline = monotonic() + hook.deadline
        self._connection: HTTPConnection | None = None

    def connect(self) -> HTTPConnection:
        parts, timeout = urlsplit(self._hook.url), self._hook.timeout
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if parts.scheme == "http":
            http = HTTPConnection(host, port, timeout=timeout)
        else:
            context = self._hook.context or ssl.create_default_context()
            context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
            proxy = "" if is_loopback(host) or proxy_bypass(host) else getproxies().get("https", "")
            via = urlsplit(proxy if "//" in proxy else f"//{proxy}")
            at = (via.hostname, via.port or 80) if via.hostname else (host, port)
            http = HTTPSConnection(*at, timeout=timeout, context=context)
            if via.hostname:
                http.set_tunnel(host, port, _login(via.username, via.password))
        self._connection = http
        http._create_connection = self._open  # type: ignore[attr-defined]  # private: typeshed does not list it
        http.connect()
        return http

    def _open(self, *address: Any) -> socket.socket:
        return self.open_socket(partial(socket.create_connection, *address))

    def is_closed(self) -> bool:
        """Whether the receiver has closed the connection."""
        if self.duplicate is None or not select.select([self.duplicate], [], [], 0)[0]:
            return False
        try:
            return not self.duplicate.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        super().close()


def _login(user: str | None, password: str | None) -> dict[str, str]:
    """The authorization header for a proxy."""
    if not user:
        return {}
    login = base64.b64encode(f"{unquote(user)}:{unquote(password or '')}".encode()).decode()
    return {"Proxy-Authorization": f"Basic {login}"}
