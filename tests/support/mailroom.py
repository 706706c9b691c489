"""A small pack to be mailed, and an SMTP server that fails as it is told and remembers what it took."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import NamedTuple

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Protocol
from aiosmtpd.smtp import AuthResult, LoginPassword

from retention_kit.delivery.smtp import Server
from retention_kit.settings import Settings, make_settings

PASSWORD = "correct horse/battery"
PICTURE = bytes(range(256)) * 4  # no picture, but as many kinds of bytes as there are


def message(
    language: str = "en", text: str = "Retention is 45.6%.\n.\n.. dots\n", company: str = "Example Ltd"
) -> bytes:
    """A message as packs hold it: alternatives, a picture, lines that begin with dots, letters beyond ASCII."""
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    mail["From"] = Address("Reports", addr_spec="reports@example.com")
    mail["Subject"] = f"{company} · November 2011: 45.6% stayed – {language}"
    mail["Date"] = "Fri, 09 Dec 2011 00:00:00 +0000"
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(
        f'<html><body><table><!--notices--><tr><td>{text}<img src="cid:one@x"></td></tr></table></body></html>',
        subtype="html",
        cte="quoted-printable",
    )
    mail.get_payload()[1].add_related(PICTURE, "image", "png", cid="<one@x>", filename="one.png", disposition="inline")
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"=_fixed-{number}")
    return mail.as_bytes()


def write_pack(folder: Path, messages: dict[str, bytes] | None = None, company: str = "Example Ltd", **fields) -> Path:
    """A pack that holds messages, by "language" or "language.segment=value", and the manifest that goes with them."""
    folder.mkdir(parents=True, exist_ok=True)
    reports, files = {}, {}
    for number, (key, raw) in enumerate((messages or {"en": message()}).items()):
        language, _, segment = key.partition(".")
        name = language + (f".part-{number}" if segment else "")
        (folder / f"message.{name}.eml").write_bytes(raw)
        reports[name] = {"only": segment.split("=", 1) if segment else [], "headline": "", "figures": {}}
        files[f"message.{name}.eml"] = hashlib.sha256(raw).hexdigest()
    report = {"company": company, "languages": ["en"]}
    manifest = {
        "schema": 1,
        "state": "ok",
        "period": folder.name,
        "every": "month",
        "complete": True,
        "settings": {"report": report},
        "reports": reports,
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | fields), "utf-8")
    return folder


def mail_settings(*to: str, **mail) -> Settings:
    """Settings that send to these, by default to Ann, Ben and Cy."""
    people = list(to) or ["Ann Lee <ann@example.com>", "ben@example.com", "cy@example.com"]
    return make_settings({"mail": {"from": "Reports <reports@example.com>", "to": people, **mail}})


class ReceivedMessage(NamedTuple):
    """A message that the server has said it has, or has had when it fell silent."""

    sender: str
    recipient: str
    content: bytes


class Fault(Exception):
    """The server hangs up."""


class Handler:
    """What the server says; a test puts its own `rcpt` or `data` in place.

    They are given how often this was asked before, for this recipient, and return a reply, or nothing where all is
    well; they may raise Fault to hang up. `after` is the same when the content is there and kept.
    """

    def __init__(self):
        self.received: list[ReceivedMessage] = []
        self.attempts: dict[str, int] = {}
        self.rcpt: Callable[[str, int], str | None] = lambda *_: None
        self.data: Callable[[str, int], str | None] = lambda *_: None
        self.after: Callable[[str, int], str | None] = lambda *_: None
        self.pause = 0.0
        self.logins: list[bytes] = []

    @property
    def recipients(self) -> list[str]:
        return [message.recipient for message in self.received]

    async def handle_RCPT(self, server, _session, envelope, address, _options) -> str:
        number = self.attempts[address] = self.attempts.get(address, -1) + 1
        try:
            if reply := self.rcpt(address, number):
                return reply
        except Fault:
            return hang_up(server)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope) -> str:
        (address,) = envelope.rcpt_tos
        number = self.attempts[address]
        try:
            if reply := self.data(address, number):
                return reply
            if self.pause:
                await asyncio.sleep(self.pause)
            self.received.append(ReceivedMessage(envelope.mail_from, address, envelope.original_content))
            return self.after(address, number) or "250 Taken"
        except Fault:
            return hang_up(server)


def hang_up(server: Protocol) -> str:
    server.transport.abort()
    return "421 too late"


class MailServer(NamedTuple):
    """A running server, and how to reach it."""

    handler: Handler
    server: Server
    authority: trustme.CA

    def url(self, **changes) -> Server:
        return replace(self.server, **changes)


@contextmanager
def serving(
    tls: str = "starttls",
    name: str = "127.0.0.1",
    trusted: bool = True,
    with_login: bool = True,
    protocol: type[Protocol] = Protocol,
    **options,
) -> Iterator[MailServer]:
    """An SMTP server on the loopback, with a certificate for `name`, that asks for user and password."""
    authority, handler = trustme.CA(), Handler()
    inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(inside)

    def login(_server, _session, _envelope, _mechanism, data) -> AuthResult:
        assert isinstance(data, LoginPassword)
        handler.logins.append(data.password)
        return AuthResult(success=data == LoginPassword(b"reports", PASSWORD.encode()), handled=False)

    if with_login:
        options |= {"authenticator": login, "auth_required": True, "auth_require_tls": tls == "starttls"}
    if tls == "starttls":
        options |= {"tls_context": inside, "require_starttls": True}

    class Ours(Controller):
        def factory(self):
            return protocol(self.handler, **self.SMTP_kwargs)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Ours(handler, "127.0.0.1", port, ssl_context=inside if tls == "tls" else None, **options)
    controller.start()
    outside = ssl.create_default_context()
    if trusted:
        authority.configure_trust(outside)
    user = ("reports", PASSWORD) if with_login else ("", "")
    try:
        yield MailServer(handler, Server("127.0.0.1", port, tls, *user, 2, 2, outside), authority)
    finally:
        controller.stop()
