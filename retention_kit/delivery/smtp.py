"""Sending over SMTP: a verified, encrypted connection, and one message at a time with a known outcome."""

from __future__ import annotations

import ipaddress
import os
import re
import smtplib
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Literal, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from retention_kit.delivery.deadlines import Abortable, DeadlineExceeded, call_by, close_after
from retention_kit.errors import Phrase, SettingsError

VARIABLE = "RETENTION_KIT_SMTP_URL"
_EXAMPLE = "smtp://user:password@mail.example.com:587 (STARTTLS) or smtps://user:password@mail.example.com:465 (TLS)"
_MAX_REPLY_LINES = 200
_MAX_REPLY_LENGTH = 300  # characters of a reply that are kept


State = Literal["sent", "failed", "deferred", "unknown"]


class Outcome(NamedTuple):
    """The outcome of one message. Deferred: certainly not accepted, try again; unknown: it may have been accepted."""

    state: State
    reply: str


class Deferred(Exception):
    """The server cannot be reached or asks to try again later."""

    wait = 0.0  # seconds that it asks to wait


class NotFound(Deferred):
    """The server's name cannot be resolved: more likely a typing error than a passing fault."""


@dataclass(frozen=True)
class Server:
    """An SMTP server; its repr never shows the password."""

    host: str
    port: int
    tls: Literal["starttls", "tls", "none"]
    user: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 60  # seconds for each reply
    # For the reply to a whole message: giving up sooner leaves it unknown (RFC 5321, 4.5.3.2.6).
    data_timeout: float = 600
    context: ssl.SSLContext | None = field(default=None, repr=False)  # default: the certificates that the system trusts
    # For connecting as a whole, and beyond `data_timeout` for a message.
    deadline: float = 300

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Whether it is this machine."""
        return is_loopback(self.host)


def server_of(url: str | None = None) -> Server:
    """The server of a URL, by default that of the environment; raises SettingsError, which never repeats the URL."""
    if not (url := (os.environ.get(VARIABLE, "") if url is None else url).strip()):
        template = "No mail server is named: set {variable} to {example}."
        raise SettingsError(template, variable=VARIABLE, example=Phrase(_EXAMPLE))
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
        host.encode("idna")
    except ValueError:  # its text could show the password
        raise _bad_url("cannot be read") from None
    if parts.scheme not in ("smtp", "smtps") or not host or not url.isprintable():
        raise _bad_url("names no mail server")
    if parts.path.strip("/") or parts.fragment:
        raise _bad_url("cannot be read: in user name and password write / as %2F, ? as %3F, # as %23 and @ as %40")
    tls = _tls_of(parts, host)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise _bad_url("has a user name without a password, or a password without a user name")
    if not (user + password).isascii():
        raise _bad_url("has a user name or password with letters beyond ASCII, which cannot be sent")
    return Server(host, port or (465 if tls == "tls" else 587), tls, user, password)


def _tls_of(parts: SplitResult, host: str) -> Literal["starttls", "tls", "none"]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    value = options.pop("starttls", "true")
    if options or value not in ("true", "false"):
        raise _bad_url("has an option that is not known: there is only starttls=false")
    if parts.scheme == "smtps":
        return "tls"
    if value == "true":
        return "starttls"
    if not is_loopback(host):
        template = "asks to send to {host} unencrypted: starttls=false is for this machine alone, such as 127.0.0.1"
        raise _bad_url(Phrase(template, host=host))
    return "none"


def refuse_localhost(sender: str, server: Server) -> None:
    """Raise SettingsError if recipients on other machines could not reply to the sender."""
    if sender.endswith("@localhost") and not server.is_here:
        raise SettingsError(
            'Nobody can answer reports@localhost: set [mail], from = "Reports <reports@…>", and build again.'
        )


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bad_url(problem: str) -> SettingsError:
    template = "{variable} {what}. Write it like {example}."
    return SettingsError(template, variable=VARIABLE, what=Phrase(problem), example=Phrase(_EXAMPLE))


class _LimitedReply:
    """The reply stream of a server, with a limit on the lines of one reply."""

    def __init__(self, file: Any):
        self._file, self.left = file, 0

    def readline(self, size: int) -> bytes:
        if self.left <= 0:
            raise OSError(None, "its answer has no end")
        self.left -= 1
        line = self._file.readline(size)
        return line if line.endswith(b"\n") or len(line) == size else b""  # a truncated line is no reply

    def close(self) -> None:
        self._file.close()


class Connection(Abortable, smtplib.SMTP):
    """A connection that another thread can abort."""

    def _get_socket(self, *address: Any) -> socket.socket:
        connect = partial(super()._get_socket, *address)  # type: ignore[misc]  # private: typeshed does not list it
        return self.open_socket(connect)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            self.file = _LimitedReply(_socket_of(self).makefile("rb"))
        self.file.left = _MAX_REPLY_LINES
        return super().getreply()

    def close(self) -> None:
        smtplib.SMTP.close(self)
        super().close()


class TlsConnection(smtplib.SMTP_SSL, Connection):
    """A connection with TLS from the first byte."""


def _socket_of(smtp: smtplib.SMTP) -> socket.socket:
    """The socket of an open connection; raises OSError where it is closed."""
    if smtp.sock is None:
        raise smtplib.SMTPServerDisconnected("the connection was closed")
    return smtp.sock


def connect(server: Server) -> Connection:
    """A connection that is encrypted, verified and logged in as the server's URL asks.

    Raises Deferred if a retry may help, and SettingsError if not: an untrusted certificate, no STARTTLS, a refused
    password. No password or message is sent before the certificate is verified.
    """
    context = server.context or ssl.create_default_context()
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    deadline, smtp = monotonic() + server.deadline, None
    kind = partial(TlsConnection, context=context) if server.tls == "tls" else Connection
    try:
        smtp = call_by(deadline, partial(kind, timeout=server.timeout))  # looks up the name of this machine
        smtp._host, smtp.deadline = server.host, deadline  # the host that the certificate must name
        with close_after(smtp.abort, server.deadline):
            code, reply = smtp.connect(server.host, server.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, reply)
            smtp.ehlo_or_helo_if_needed()
            if server.tls == "starttls":
                code, reply = smtp.starttls(context=context)
                if code != 220:
                    raise smtplib.SMTPResponseException(code, reply)
                smtp.ehlo_or_helo_if_needed()
            if server.user:
                smtp.login(server.user, server.password)
        return smtp
    except BaseException as error:
        if smtp:
            smtp.close()
        if isinstance(error, DeadlineExceeded):
            sentence = f"{server} was not found and connected within {server.deadline:g} seconds"
            raise Deferred(sentence) from None
        if isinstance(error, (smtplib.SMTPException, OSError)):
            raise _connection_error(error, server) from None  # a traceback could show the password
        raise


def _connection_error(error: Exception, server: Server) -> Exception:
    """The error of a failed connection: Deferred if a retry may help, else SettingsError."""
    if isinstance(error, ssl.SSLCertVerificationError):
        template = "The certificate of {server} is not trusted ({verify_message}): nothing is sent there."
        return SettingsError(template, server=server, verify_message=error.verify_message)
    if isinstance(error, ssl.SSLError) and not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        reason = (error.reason or "no reason given").replace("_", " ").lower()
        advice = Phrase("smtps:// is for TLS from the first byte (465), smtp:// for STARTTLS (587)")
        template = "{server} and we found no common TLS ({reason}): {advice}; nothing is sent there."
        return SettingsError(template, server=server, reason=reason, advice=advice)
    # `login` raises a plain SMTPException if the server offers no method that it knows.
    if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
        lacks = "STARTTLS" if "STARTTLS" in str(error) else Phrase("a way to log in that we know")
        return SettingsError("{server} does not offer {lacks}: nothing is sent there.", server=server, lacks=lacks)
    if isinstance(error, smtplib.SMTPResponseException):
        reply = _reply_text(error.smtp_code, error.smtp_error, server)
        if 400 <= error.smtp_code < 500 or error.smtp_code < 0:
            return Deferred(Phrase("{server} answered {reply}", server=server, reply=reply))
        if isinstance(error, smtplib.SMTPAuthenticationError):
            template = "{server} refused the user name or password of {variable} ({reply}): nothing is sent there."
            return SettingsError(template, server=server, variable=VARIABLE, reply=reply)
        return SettingsError("{server} refused us ({reply}): nothing is sent there.", server=server, reply=reply)
    if _is_silence(error):
        return Deferred(
            Phrase("{server} did not answer within {seconds:g} seconds", server=server, seconds=server.timeout)
        )
    if isinstance(error, socket.gaierror):
        return NotFound(Phrase("{server} was not found ({reason})", server=server, reason=error.strerror))
    reason = error.strerror if isinstance(error, OSError) and error.strerror else Phrase("the connection was closed")
    return Deferred(Phrase("{server} cannot be reached ({reason})", server=server, reason=reason))


def send_message(
    smtp: Connection, server: Server, sender: str, recipient: str, content: bytes, commit: Callable[[], None]
) -> Outcome:
    """Send one message (CRLF lines) to one recipient; returns its outcome.

    `commit` is called when the server waits for the content and none of it has been sent: until then every outcome is
    certain; afterwards a lost connection is `unknown`. An exception from it stops the message for certain. Raises
    SettingsError if the server requires another login.
    """
    with close_after(smtp.abort, server.deadline + server.data_timeout):
        return _send_message(smtp, server, sender, recipient, content, commit)


def _send_message(
    smtp: smtplib.SMTP, server: Server, sender: str, recipient: str, content: bytes, commit: Callable[[], None]
) -> Outcome:
    try:
        outcome = _envelope(smtp, server, sender, recipient, content)
    except (smtplib.SMTPException, OSError) as error:
        smtp.close()
        return Outcome("deferred", f"{_loss(error, server)} before the message was sent")
    if outcome:
        _reset(smtp)
        return outcome
    try:
        commit()
    except BaseException:
        smtp.close()  # the content was not sent, so the server does not accept the message
        raise
    try:
        connection = _socket_of(smtp)
        connection.settimeout(server.data_timeout)
        smtp.send(_stuffed(content))
        code, reply = smtp.getreply()
        connection.settimeout(server.timeout)
    except (smtplib.SMTPException, OSError) as error:
        smtp.close()
        return Outcome(
            "unknown", f"{_loss(error, server)} after the message was sent, before the server said it has it"
        )
    except BaseException:
        smtp.close()  # QUIT would wait for that same reply
        raise
    if code == 421:
        smtp.close()
    states: dict[int, State] = {4: "deferred", 5: "failed"}
    return Outcome("sent" if code == 250 else states.get(code // 100, "unknown"), _reply_text(code, reply, server))


def _envelope(smtp: smtplib.SMTP, server: Server, sender: str, recipient: str, content: bytes) -> Outcome | None:
    """Send sender, recipient and DATA; returns the refusal, or None once the server waits for the content."""
    limit, options = smtp.esmtp_features.get("size", ""), []
    if limit.isdigit() and 0 < int(limit) < len(content):
        return Outcome("failed", f"{server} takes {int(limit):,} bytes at most; the message has {len(content):,}")
    if smtp.has_extn("size"):
        options.append(f"SIZE={len(content)}")
    if not content.isascii():
        if not smtp.has_extn("8bitmime"):
            return Outcome("failed", f"{server} takes 7-bit messages only, and this one is not")
        options.append("BODY=8BITMIME")
    code, reply = smtp.mail(sender, options)
    if code in (530, 534, 535):
        reply_text = _reply_text(code, reply, server)
        template = "{server} takes nothing without another login ({reply_text}): see {variable}."
        raise SettingsError(template, server=server, reply_text=reply_text, variable=VARIABLE)
    if code == 250:
        code, reply = smtp.rcpt(recipient)
        if code in (250, 251):
            code, reply = smtp.docmd("DATA")
            if code == 354:
                return None
    if code == 421:
        smtp.close()
    return Outcome("failed" if 500 <= code < 600 else "deferred", _reply_text(code, reply, server))


def _reset(smtp: smtplib.SMTP) -> None:
    """Reset for the next message, or close the connection, so that the next message opens another."""
    try:
        if smtp.sock is not None and smtp.rset()[0] != 250:
            smtp.close()
    except (smtplib.SMTPException, OSError):
        smtp.close()


def quit_connection(smtp: smtplib.SMTP | None) -> None:
    """Send QUIT and close; errors are ignored because no message depends on it."""
    if smtp is not None and smtp.sock is not None:
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def _stuffed(content: bytes) -> bytes:
    """The content as transmitted: leading dots doubled, terminated by a dot (RFC 5321, 4.5.2)."""
    content = content if content.endswith(b"\r\n") else content + b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", content) + b".\r\n"


def _loss(error: Exception, server: Server) -> str:
    return f"{server} fell silent" if _is_silence(error) else f"the connection to {server} was lost"


def _is_silence(error: Exception) -> bool:
    """Whether it timed out, also where smtplib reports a closed connection instead."""
    return isinstance(error, TimeoutError) or "timed out" in str(error)


def _reply_text(code: int, reply: bytes | str, server: Server) -> str:
    """A server's reply on one line, with the password masked."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    text = f"{code} {text}" if code > 0 else text
    if server.password:
        secrets = server.password, f"\0{server.user}\0{server.password}"
        for secret in (*secrets, *(b64encode(secret.encode()).decode() for secret in secrets)):
            text = text.replace(secret, "***")
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_MAX_REPLY_LENGTH]
