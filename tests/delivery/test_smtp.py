"""One message over one connection: what is asked of a server before anything is said, and what each end of it means."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from aiosmtpd.smtp import SMTP as Protocol
from aiosmtpd.smtp import syntax

from mailroom import PASSWORD, Fault, hang_up, message, serving
from retention_kit.delivery.smtp import VARIABLE, Deferred, Server, connect, quit_connection, send_message, server_of
from retention_kit.errors import SettingsError

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # as these tests want it

ANN = "ann@example.com"
SECRET = "smtp://me:hunter2%40home@mail.example.com"


def send_to_ann(mail_server, content: bytes = b"Subject: a\r\n\r\nb\r\n", commit=lambda: None):
    """The outcome of one message to Ann."""
    smtp = connect(mail_server.server)
    try:
        return send_message(smtp, mail_server.server, "reports@example.com", ANN, content, commit)
    finally:
        quit_connection(smtp)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        (SECRET, Server("mail.example.com", 587, "starttls", "me", "hunter2@home")),
        ("smtps://mail.example.com", Server("mail.example.com", 465, "tls")),
        ("smtp://127.0.0.1:8025?starttls=false\n", Server("127.0.0.1", 8025, "none")),
        ("smtp://[::1]:25?starttls=false", Server("::1", 25, "none")),
        ("smtp://localhost:25?starttls=true", Server("localhost", 25, "starttls")),
    ],
)
def test_a_url_names_the_server(url, server, monkeypatch):
    monkeypatch.setenv(VARIABLE, url)
    assert server_of() == server
    assert "hunter2" not in f"{server_of()!r} {server_of()}"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "No mail server is named: set RETENTION_KIT_SMTP_URL to smtp://"),
        ("mail.example.com", "names no mail server"),
        ("http://me:hunter2@mail.example.com", "names no mail server"),
        ("smtp://", "names no mail server"),
        ("smtp://me:hunter2@mail.example.com:port", "cannot be read"),
        ("smtp://me:hunter2/x@mail.example.com", "cannot be read"),
        ("smtp://me:hun#ter2@mail.example.com", "names no mail server|cannot be read"),
        ("smtp://me@mail.example.com", "a user name without a password"),
        ("smtp://me:hunt%C3%A9r2@mail.example.com", "letters beyond ASCII"),
        ("smtp://me:hunter2@mail.example.com?starttls=false", "to send to mail.example.com unencrypted"),
        ("smtp://me:hunter2@127.0.0.1.example.com?starttls=false", "unencrypted"),
        ("smtp://mail.example.com?starttls=no", "an option that is not known"),
        ("smtp://mail.example.com?verify=false", "an option that is not known"),
    ],
)
def test_a_wrong_url_is_one_sentence_that_keeps_the_secret(url, message):
    with pytest.raises(SettingsError, match=message) as raised:
        server_of(url)
    assert "hunt" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_message_arrives_to_the_byte(tls):
    raw, steps = message(), []
    with serving(tls) as mail_server:
        outcome = send_to_ann(mail_server, raw, lambda: steps.append(len(mail_server.handler.received)))
    assert outcome.state == "sent"
    assert outcome.reply == "250 Taken"
    assert [tuple(envelope) for envelope in mail_server.handler.received] == [("reports@example.com", ANN, raw)]
    assert steps == [0], "it was committed once, before the server had it"
    assert b"\r\n..\r\n" not in raw.replace(b"\r\n.. dots", b"")
    assert b"\r\n.\r\n" in raw, "a line that is a dot alone is in the message, and does not end it"


def test_plain_is_for_this_machine():
    with serving("none", with_login=False) as mail_server:
        assert send_to_ann(mail_server).state == "sent"


@pytest.mark.parametrize("tls", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"trusted": False}, "unable to get local issuer certificate"),
        ({"name": "mail.example.com"}, "IP address mismatch"),
    ],
    ids=["untrusted", "another's"],
)
def test_a_certificate_is_verified_before_anything_is_said(tls, options, reason):
    with (
        serving(tls, **options) as mail_server,
        pytest.raises(SettingsError, match=f"is not trusted \\(.*{reason}") as raised,
    ):
        send_to_ann(mail_server)
    assert mail_server.handler.logins == mail_server.handler.received == []
    assert PASSWORD not in "".join(traceback.format_exception(raised.value))


def test_without_starttls_nothing_is_said():
    with (
        serving("none") as mail_server,
        pytest.raises(SettingsError, match="does not offer STARTTLS: nothing is sent there"),
    ):
        connect(mail_server.url(tls="starttls"))
    assert mail_server.handler.logins == []


def test_a_server_that_speaks_no_tls():
    with (
        serving("none") as mail_server,
        pytest.raises(SettingsError, match="we found no common TLS"),
    ):
        connect(mail_server.url(tls="tls"))


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_wrong_password_is_refused_once_and_shown_nowhere(tls, caplog):
    wrong = "wrong horse/battery"
    refused = pytest.raises(SettingsError, match="refused the user name or password")
    with serving(tls) as mail_server, refused as raised, caplog.at_level(logging.DEBUG):
        connect(mail_server.url(password=wrong))
    assert set(mail_server.handler.logins) == {wrong.encode()}
    assert wrong not in "".join(traceback.format_exception(raised.value)) + caplog.text
    assert VARIABLE in str(raised.value)


def test_a_server_without_logins():
    none = {"auth_exclude_mechanism": ["LOGIN", "PLAIN"]}
    with serving(**none) as mail_server, pytest.raises(SettingsError, match="does not offer a way to log in"):
        connect(mail_server.server)


class Echo(Protocol):
    """A server that repeats what it was told."""

    @syntax("MAIL FROM: <address>")
    async def smtp_MAIL(self, _arg):
        await self.push(f"550 you are {PASSWORD}\x07, are you\u202e not")


def test_what_a_server_repeats_of_a_password_is_not_kept():
    with serving(protocol=Echo) as mail_server:
        assert send_to_ann(mail_server) == ("failed", "550 you are *** , are you not")


@pytest.mark.parametrize(
    ("part", "reply", "state"),
    [
        ("rcpt", "450 4.2.0 Greylisted", "deferred"),
        ("rcpt", "550 5.1.1 No such user", "failed"),
        ("data", "451 4.3.0 Try later", "deferred"),
        ("data", "554 5.7.1 Spam", "failed"),
        ("after", "421 Closing", "deferred"),
        ("after", "200 What", "unknown"),
    ],
)
def test_each_reply_gives_its_state(part, reply, state):
    with serving() as mail_server:
        setattr(mail_server.handler, part, lambda *_: reply)
        outcome = send_to_ann(mail_server)
    assert outcome.state == state
    assert outcome.reply == reply


def test_a_connection_serves_again_after_a_refusal():
    with serving() as mail_server:
        mail_server.handler.rcpt = lambda address, _: "550 No" if address == ANN else None
        smtp = connect(mail_server.server)
        states = [
            send_message(smtp, mail_server.server, "r@example.com", address, b"a: b\r\n\r\n", lambda: None).state
            for address in (ANN, "ben@example.com", ANN, "cy@example.com")
        ]
        quit_connection(smtp)
    assert states == ["failed", "sent", "failed", "sent"]
    assert len(mail_server.handler.logins) == 1


def hang(*_):
    raise Fault


def silent(*_):
    time.sleep(0.6)  # longer than the test waits


class HangsUpAtData(Protocol):
    @syntax("DATA")
    async def smtp_DATA(self, _arg):
        hang_up(self)


@pytest.mark.parametrize(
    ("options", "fault", "state", "committed"),
    [
        ({}, ("rcpt", hang), "deferred", False),
        ({"protocol": HangsUpAtData}, None, "deferred", False),
        ({}, ("rcpt", silent), "deferred", False),
        ({}, ("data", hang), "unknown", True),
        ({}, ("after", hang), "unknown", True),
        ({}, ("after", silent), "unknown", True),
    ],
    ids=["lost at RCPT", "lost at DATA", "silent at RCPT", "lost in the content", "lost after it", "silent after it"],
)
def test_a_lost_connection_is_unknown_only_after_the_content(options, fault, state, committed):
    commits = []
    with serving(**options) as mail_server:
        if fault:
            setattr(mail_server.handler, *fault)
        quick = mail_server._replace(server=mail_server.url(timeout=0.3, data_timeout=0.3))
        outcome = send_to_ann(quick, commit=lambda: commits.append(1))
    assert outcome.state == state
    assert bool(commits) is committed
    assert ("fell silent" if fault and fault[1] is silent else "was lost") in outcome.reply


def test_what_the_server_announces_is_too_large():
    with serving(data_size_limit=2000) as mail_server:
        outcome = send_to_ann(mail_server, b"a: b\r\n\r\n" + b"c" * 3000)
    assert outcome.state == "failed"
    assert "takes 2,000 bytes at most; the message has 3,008" in outcome.reply
    assert mail_server.handler.attempts == {}, "nothing of it was sent"


def test_what_the_server_finds_too_large():
    with serving() as mail_server:
        mail_server.handler.data = lambda *_: "552 5.3.4 Too much mail data"
        assert send_to_ann(mail_server) == ("failed", "552 5.3.4 Too much mail data")


def test_a_commit_that_fails_keeps_the_message_back():
    def full():
        raise OSError("disk full")

    with serving() as mail_server, pytest.raises(OSError, match="disk full"):
        send_to_ann(mail_server, commit=full)
    assert mail_server.handler.received == []


@contextmanager
def answering(reply: bytes):
    """A port that says one thing, or nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            talk, _ = listening.accept()
            with talk:
                if reply:
                    talk.sendall(reply)
                talk.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Server("127.0.0.1", listening.getsockname()[1], "starttls", timeout=0.3)
    thread.join(2)


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (b"", Deferred, "did not answer within 0.3 seconds"),
        (b"421 Too many\r\n", Deferred, "answered 421 Too many"),
        (b"554 No service for you\r\n", SettingsError, "refused us .554 No service for you.: nothing is sent there"),
    ],
    ids=["silence", "busy", "not for us"],
)
def test_a_refusing_greeting_is_an_error(reply, error, message):
    with answering(reply) as server, pytest.raises(error, match=message):
        connect(server)


def test_a_server_that_cannot_be_reached_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Deferred, match=r"cannot be reached \(Connection refused\)"):
        connect(Server("127.0.0.1", port, "starttls"))
    with pytest.raises(Deferred, match="was not found"):
        connect(Server("mail.invalid", 587, "starttls"))


@pytest.mark.parametrize("tls", ["starttls", "tls"])
@pytest.mark.parametrize("function", ["getaddrinfo", "getfqdn"], ids=["the server's name", "our own"])
def test_a_name_server_that_never_answers_is_left(function, tls, monkeypatch):
    is_answered = threading.Event()
    monkeypatch.setattr(socket, function, lambda *_, **__: is_answered.wait())
    with pytest.raises(Deferred, match=r"mail\.example\.com:587 was not found and connected within 0\.1 seconds"):
        connect(Server("mail.example.com", 587, tls, deadline=0.1))
    is_answered.set()


def test_old_tls_is_refused():
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with serving("none") as mail_server, pytest.raises(SettingsError):
        connect(mail_server.url(context=context, tls="starttls"))
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_interrupted_after_the_content_waits_for_no_goodbye(monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    with serving() as mail_server:
        smtp = connect(mail_server.server)
        monkeypatch.setattr(smtp, "getreply", lambda: interrupt() if committed else type(smtp).getreply(smtp))
        committed = []
        with pytest.raises(KeyboardInterrupt):
            send_message(smtp, mail_server.server, "r@example.com", ANN, b"a: b\r\n\r\n", lambda: committed.append(1))
        assert smtp.sock is None, "it is closed: `quit_connection` says nothing more"


def endless(talk):
    """A banner that never ends."""
    while True:
        talk.sendall(b"220-and another line\r\n")


def dripping(talk):
    """A byte at a time, each of them soon enough."""
    while True:
        talk.sendall(b"2")
        time.sleep(0.02)


def polite_then_dripping(talk):
    talk.sendall(b"220 here\r\n")
    talk.recv(100)
    dripping(talk)


@pytest.mark.parametrize("tls", ["starttls", "tls", "none"])
@pytest.mark.parametrize("talking", [endless, dripping, polite_then_dripping])
def test_a_server_that_never_comes_to_an_end_is_left(tls, talking):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            talk, _ = listening.accept()
            with talk, suppress(OSError):
                talking(talk)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        server = Server("127.0.0.1", listening.getsockname()[1], tls, timeout=5, deadline=0.3)
        with pytest.raises((Deferred, SettingsError)):
            connect(server)
        thread.join(4)
        assert not thread.is_alive(), "the connection is closed"


def test_a_message_has_a_deadline_too():
    """A server that takes the content and then drips: nobody knows whether it has it."""

    class Drips(Protocol):
        async def smtp_RCPT(self, _):
            while True:
                self._writer.write(b"2")
                await asyncio.sleep(0.02)

    with serving("none", with_login=False, protocol=Drips) as mail_server:
        smtp = connect(mail_server.server)
        slow = replace(mail_server.server, deadline=0.1, data_timeout=0.2)
        outcome = send_message(smtp, slow, "a@example.com", "b@example.com", b"Subject: a\r\n\r\nb\r\n", lambda: None)
    assert (outcome.state, smtp.sock) == ("deferred", None)
