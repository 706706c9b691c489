"""Webhooks: what is posted and in which form, once whatever fails, and never where it should not go."""

from __future__ import annotations

import json
import math
import re
import select
import socket
import sys
import threading
import time
import traceback
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hook_server import SECRET, hook_server
from retention_kit.delivery.hook_bodies import Message, body_of
from retention_kit.delivery.outbox import Outbox, reading, sending
from retention_kit.delivery.webhooks import KINDS, Post, Webhook, post, webhook_of
from retention_kit.errors import SettingsError

SAID = Message(
    "Churn above plan", ("Churn is 6.1%, above 5%",), "https://example.com/r", "The report", {"churn": 0.061}
)
CLEVER = "<!channel> @channel <@U123> *b* _i_ `c` [x](https://e.example) <at>Ann</at> <https://e.example|x>"


@pytest.fixture(scope="module")
def running():
    with hook_server() as server:
        yield server


@pytest.fixture
def server(running):
    running.__init__(running.url, running.context)
    return running


def posted_row(tmp_path, hook: Webhook, message: Message = SAID, period: str = "2025-12", **options):
    """The row of a message after it was posted."""
    with sending(tmp_path) as outbox:
        return post(outbox, [Post(str(hook), "alerts/a", period, message)], hooks=lambda _: hook, **options)[0]


def steps(tmp_path, row) -> list[str]:
    with reading(tmp_path) as outbox:
        return [state for _, state, _ in outbox.history(row.key)]


@pytest.mark.parametrize("tls", [False, True])
def test_a_message_is_posted_once(tmp_path, tls):
    with hook_server(tls) as server:
        rows = [posted_row(tmp_path, server.hook()) for _ in range(2)]
    assert [row.state for row in rows] == ["sent", "sent"]
    (request,) = server.received
    assert request.path == f"/services/{SECRET}?sig={SECRET}q"
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert len(request.headers["Idempotency-Key"]) == 32
    assert request.payload == {
        "title": "Churn above plan",
        "lines": ["Churn is 6.1%, above 5%"],
        "link": "https://example.com/r",
        "facts": {"churn": 0.061},
    }
    assert steps(tmp_path, rows[0]) == ["queued", "sending", "data", "sent"]


def test_the_secret_is_in_no_file_and_no_reply(tmp_path, server):
    responses = iter([(400, {}, f"no such {server.url} {SECRET}".encode()), (200, {}, SECRET.encode())])
    server.reply = lambda _: next(responses)
    replies = [posted_row(tmp_path, server.hook()).reply for _ in range(2)]
    assert replies == ["400 Bad Request no such *** ***", "200 OK ***"]
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in repr(server.hook()) + str(server.hook())


@pytest.mark.parametrize(
    ("status", "headers", "state", "requests", "waited"),
    [
        (202, {}, "sent", 1, []),
        (302, {"Location": "https://e.example"}, "failed", 1, []),
        (308, {"Location": "/elsewhere"}, "failed", 1, []),
        (400, {}, "failed", 1, []),
        (410, {}, "failed", 1, []),
        (408, {}, "queued", 5, [10, 40, 160, 300]),
        (500, {}, "queued", 5, [10, 40, 160, 300]),
        (503, {"Retry-After": "20"}, "queued", 5, [20, 40, 160, 300]),
        (429, {"Retry-After": "301"}, "queued", 1, []),
        (429, {"Retry-After": "soon"}, "queued", 5, [10, 40, 160, 300]),
        (504, {}, "unknown", 1, []),
    ],
)
def test_what_an_answer_means(tmp_path, server, pauses, status, headers, state, requests, waited):
    server.reply = lambda _: (status, headers, b"so it is")
    row = posted_row(tmp_path, server.hook())
    assert (row.state, server.requests, pauses) == (state, requests, waited)
    assert str(status) in row.reply


def test_a_date_to_come_back_at_is_kept(tmp_path, server, pauses):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    server.reply = lambda number: (200, {}, b"") if number else (429, {"Retry-After": later}, b"")
    assert posted_row(tmp_path, server.hook()).state == "sent"
    assert [80 < wait <= 90 for wait in pauses] == [True]


@pytest.mark.usefixtures("pauses")
def test_after_a_fault_it_is_the_same_message(tmp_path, server):
    server.reply = lambda number: (200, {}, b"") if number else (500, {}, b"")
    assert posted_row(tmp_path, server.hook()).state == "sent"
    first, second = server.received
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.body == second.body


def test_what_was_refused_is_asked_again_by_the_next_call(tmp_path, server):
    server.reply = lambda number: (200, {}, b"") if number else (404, {}, b"")
    assert [posted_row(tmp_path, server.hook()).state for _ in range(3)] == ["failed", "sent", "sent"]
    assert server.requests == 2


def test_what_waits_and_is_gone_is_made_anew(tmp_path, server):
    server.reply = lambda number: (200, {}, b"") if number else (404, {}, b"")
    posted_row(tmp_path, server.hook())
    (path,) = (tmp_path / "outbox").glob("*.json")
    path.unlink()
    assert posted_row(tmp_path, server.hook()).state == "sent"
    path.unlink()
    assert posted_row(tmp_path, server.hook()).state == "sent"
    assert server.requests == 2


def test_what_is_lost_after_the_body_is_unknown_and_not_repeated(tmp_path, server, pauses):
    server.after = lambda _: True
    rows = [posted_row(tmp_path, server.hook()) for _ in range(2)]
    assert [row.state for row in rows] == ["unknown", "unknown"]
    assert (server.requests, pauses) == (1, [])
    assert rows[0].reply == "webhook:CRM was lost after the message was sent, before it said that it has it"


def test_who_says_nothing_is_unknown(tmp_path, server):
    done = threading.Event()
    server.after = lambda _: done.wait(5)
    row = posted_row(tmp_path, server.hook(timeout=0.2))
    done.set()
    assert (row.state, row.reply[:30]) == ("unknown", "webhook:CRM fell silent after ")


def listener(work):
    """A port where `work` has each connection, of those that come."""

    def serve():
        with suppress(OSError):
            while True:
                with suppress(ConnectionError), listening.accept()[0] as line:
                    work(line)

    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, daemon=True).start()
    return listening


@pytest.mark.long
@pytest.mark.parametrize(
    ("start", "state"),
    [(b"HTTP/1.1", "unknown"), (b"HTTP/1.1 100 Continue\r\n", "unknown"), (b"HTTP/1.1 200 OK\r\n", "sent")],
)
def test_who_never_ends_saying_it_is_left(tmp_path, start, state):
    """A byte now and then keeps every single wait short; what it is about may have been said."""

    def drip(line):
        line.recv(10_000)
        line.sendall(start)
        while not done.wait(0.05):
            line.sendall(b" y\r\n" if start.endswith(b"\n") else b" ")

    done = threading.Event()
    with closing(listener(drip)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        row = posted_row(tmp_path, Webhook("webhook", "SLOW", url, 1, 1.5))
        done.set()
    assert row.state == state


def test_who_hangs_up_before_the_body_is_asked_again(tmp_path, pauses, monkeypatch):
    """The ledger is slower than the other side: the connection is gone when the body would be sent."""

    def hang_up(line):
        line.recv(10_000)
        line.close()
        closed.set()

    def slow(self, row, state, reply=""):
        if state == "data":
            assert closed.wait(5)
            time.sleep(0.05)
            closed.clear()
        usual(self, row, state, reply)

    usual, closed = Outbox.set, threading.Event()
    monkeypatch.setattr(Outbox, "set", slow)
    with closing(listener(hang_up)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        row = posted_row(tmp_path, Webhook("webhook", "GONE", url, 1, 3), pauses=(1,))
    assert (row.state, row.attempts, pauses) == ("queued", 2, [1])
    assert row.reply == "webhook:GONE closed the connection before anything was sent"


def test_a_webhook_that_cannot_be_reached_stays_queued(tmp_path, pauses):
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    row = posted_row(tmp_path, Webhook("webhook", "GONE", f"http://127.0.0.1:{port}/"))
    assert (row.state, row.reply) == ("queued", "webhook:GONE cannot be reached (Connection refused)")
    assert len(pauses) == 4
    assert "data" not in steps(tmp_path, row)


def test_a_huge_answer_is_not_read(tmp_path, server):
    server.reply = lambda _: (200, {}, b"x" * 50_000_000)
    row = posted_row(tmp_path, server.hook())
    assert (row.state, len(row.reply)) == ("sent", 207)


@pytest.mark.parametrize("options", [{"trusted": False}, {"name": "hooks.example.com"}])
def test_a_certificate_is_verified_before_anything_is_said(tmp_path, options):
    with hook_server(True, **options) as server:
        row = posted_row(tmp_path, server.hook())
    assert (row.state, server.requests) == ("failed", 0)
    assert row.reply.startswith("the certificate of webhook:CRM is not trusted")


@pytest.mark.usefixtures("pauses")
def test_one_that_fails_keeps_no_other_from_it(tmp_path, server):
    server.reply = lambda _: (200, {}, b"")
    unreachable = Webhook("slack", "GONE", "http://127.0.0.1:9/")
    hooks = {"slack:GONE": unreachable, "webhook:CRM": server.hook()}
    with sending(tmp_path) as outbox:
        posts = [Post(name, "alerts/a", "2025-12", SAID) for name in hooks]
        states = [row.state for row in post(outbox, posts, hooks=hooks.__getitem__)]
    assert (states, server.requests) == (["queued", "sent"], 1)


def test_a_url_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("RETENTION_KIT_WEBHOOK_OPS_2", " https://hooks.example.com/x \n")
    assert webhook_of("slack:ops_2") == Webhook("slack", "OPS_2", "https://hooks.example.com/x")
    assert "hooks.example" not in repr(webhook_of("slack:OPS_2"))


@pytest.mark.parametrize(
    ("target", "url", "message"),
    [
        ("slack:CRM", "", "slack:CRM has no address: set RETENTION_KIT_WEBHOOK_CRM to its URL"),
        ("slack:a b", "", "'slack:a b' is no webhook: write"),
        ("pager:CRM", "", "'pager:CRM' is no webhook: write"),
        ("slack:", "", "is no webhook"),
        ("webhook:CRM", f"http://hooks.example.com/{SECRET}", "is unencrypted"),
        ("webhook:CRM", f"http://127.0.0.1.example.com/{SECRET}", "is unencrypted"),
        ("webhook:CRM", f"ftp://hooks.example.com/{SECRET}", "is no address of a webhook"),
        ("webhook:CRM", f"hooks.example.com/{SECRET}", "is no address of a webhook"),
        ("webhook:CRM", f"https:///{SECRET}", "is no address of a webhook"),
        ("webhook:CRM", f"https://e.example/a\nHost: {SECRET}", "is no address of a webhook"),
        ("webhook:CRM", f"https://e.example/a b{SECRET}", "is no address of a webhook"),
        ("webhook:CRM", f"https://e.example:{SECRET}/", "cannot be read"),
        ("webhook:CRM", f"https://[{SECRET}/", "cannot be read"),
        ("webhook:CRM", f"https://me:{SECRET}@e.example/", "cannot have a user name"),
        ("webhook:CRM", f"https://e.example/#{SECRET}", "cannot have a user name, a password or a part after #"),
        ("teams:CRM", f"https://ours.webhook.office.com/webhookb2/{SECRET}", "which Microsoft has retired"),
        ("teams:CRM", f"https://outlook.office.com/webhook/{SECRET}", "which Microsoft has retired"),
    ],
)
def test_a_wrong_target_is_one_sentence_that_keeps_the_secret(target, url, message):
    with pytest.raises(SettingsError, match=message) as raised:
        webhook_of(target, {"RETENTION_KIT_WEBHOOK_CRM": url})
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_workflows_of_teams_are_taken():
    url = "https://prod-12.westeurope.logic.azure.com:443/workflows/x/triggers/manual/paths/invoke?sig=y"
    assert webhook_of("teams:CRM", {"RETENTION_KIT_WEBHOOK_CRM": url}).url == url


def texts_of(value, kind="") -> list[tuple[str, str]]:
    """Every text of a nested value that people see, with the type of what holds it."""
    if isinstance(value, dict):
        kind = value.get("type", kind)
        own = [(kind, value["text"])] if isinstance(value.get("text"), str) else []
        return own + [pair for part in value.values() for pair in texts_of(part, kind)]
    return [pair for part in value for pair in texts_of(part, kind)] if isinstance(value, list) else []


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_names_in_the_data_are_text(kind):
    payload = json.loads(body_of(kind, Message(CLEVER, (CLEVER,), "https://example.com/r")))
    if kind == "slack":
        assert "<" not in payload["text"], "what would be read as markup there"
        assert payload["mrkdwn"] is False
        payload = payload["blocks"]
    texts = texts_of(payload)
    assert {kind for kind, text in texts if "*b*" in text} == {"text" if kind == "slack" else "TextRun"}, (
        "which know no formatting"
    )
    text = json.dumps(payload, ensure_ascii=False)
    for mention in ("<!channel>", "@channel", "<@U123>"):
        assert mention not in text


def test_an_address_stays_whole():
    payload = json.loads(body_of("slack", Message("Ask ann@example.com")))
    assert payload["text"] == "Ask ann@example.com"


@pytest.mark.parametrize("letter", ["x", "ت", "😀", '"'])
def test_long_messages_are_cut(letter):
    long = Message("t" * 5000, tuple(f"line {number} {letter * 5000}" for number in range(1000)))
    for kind in ("slack", "teams"):
        body = body_of(kind, long)
        assert len(body) < 28_000
        assert re.search(r"… \+9[689]\d", body.decode())


def test_teams_shows_arabic_from_the_right():
    payload = json.loads(body_of("teams", Message("تنبيه", direction="rtl")))
    assert payload["attachments"][0]["content"]["rtl"] is True


def test_numbers_without_a_value_are_null():
    facts = {"a": math.nan, "b": math.inf, "c": np.float64(0.5), "d": np.int64(3), "e": date(2025, 12, 31), "f": None}
    payload = json.loads(body_of("webhook", Message("t", facts=facts)))["facts"]
    assert payload == {"a": None, "b": None, "c": 0.5, "d": 3, "e": "2025-12-31", "f": None}


@settings(max_examples=50)
@given(st.text(st.characters(codec=None), max_size=60), st.lists(st.text(max_size=60), max_size=5), st.booleans())
def test_every_text_has_a_form_that_mentions_nobody_and_is_not_too_long(title, lines, is_rtl):
    message = Message(title, tuple(lines), "https://example.com/r", direction="rtl" if is_rtl else "ltr")
    for kind in KINDS:
        body = body_of(kind, message)
        assert kind == "webhook" or len(body) < 28_000
        payload = json.loads(body)
        if kind in ("slack", "teams"):
            visible = " ".join(text for _, text in texts_of(payload.get("blocks") or payload["attachments"]))
            assert not re.search(r"<[!@#]|(?<![\w.+-])@\w", visible)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
@pytest.mark.parametrize("is_well", [True, False])
def test_apprise_posts_for_us(tmp_path, server, caplog, capfd, is_well):
    pytest.importorskip("apprise")
    server.reply = lambda _: (200 if is_well else 500, {}, b"")
    address = server.url.replace("http://", "json://").partition("?")[0]
    row = posted_row(tmp_path, Webhook("apprise", "ALL", address), pauses=())
    assert row.state == ("sent" if is_well else "failed")
    assert server.received[0].payload["title"] == "Churn above plan"
    assert "• Churn is 6.1%, above 5%" in server.received[0].payload["message"]
    assert SECRET not in row.reply + caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("address", ["nonsense", f"nowhere://{SECRET}"])
def test_what_apprise_does_not_know_is_refused(tmp_path, caplog, capfd, address):
    pytest.importorskip("apprise")
    row = posted_row(tmp_path, Webhook("apprise", "ALL", address), pauses=())
    assert (row.state, row.reply[:29]) == ("failed", "Apprise knows no such URL: se")
    assert SECRET not in row.reply + caplog.text + "".join(capfd.readouterr())


def test_without_apprise_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    row = posted_row(tmp_path, Webhook("apprise", "ALL", "json://127.0.0.1"))
    assert (row.state, row.reply) == ("failed", 'Apprise is not installed: pip install "retention-kit[apprise]"')


@pytest.mark.parametrize("login", ["", "me:horse%40home@"])
def test_a_proxy_sees_the_host_and_nothing_of_the_secret(tmp_path, monkeypatch, login):
    received = []

    def serve(line):
        received.append(line.recv(10_000))
        with socket.create_connection(("127.0.0.1", urlsplit(server.url).port)) as other:
            line.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            connections = [line, other]
            while ready := select.select(connections, [], [], 2)[0]:
                for connection in ready:
                    if not (data := connection.recv(100_000)):
                        return
                    received.append(data)
                    connections[connection is line].sendall(data)

    with hook_server(True, "hooks.example.com") as server, closing(listener(serve)) as listening:
        monkeypatch.setenv("https_proxy", f"http://{login}127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        hook = Webhook("webhook", "CRM", f"https://hooks.example.com/{SECRET}", 2, 5, server.context)
        assert posted_row(tmp_path, hook).state == "sent"
    assert server.received[0].path == f"/{SECRET}"
    assert received[0].startswith(b"CONNECT hooks.example.com:443 HTTP/1.")
    assert (b"Proxy-Authorization: Basic bWU6aG9yc2VAaG9tZQ==" in received[0]) is bool(login)
    assert SECRET.encode() not in b"".join(received)


def test_a_proxy_that_refuses_is_named(tmp_path, monkeypatch):
    def serve(line):
        line.recv(10_000)
        line.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

    with closing(listener(serve)) as listening:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{listening.getsockname()[1]}")
        row = posted_row(tmp_path, Webhook("webhook", "CRM", f"https://hooks.example.com/{SECRET}", 2, 5), pauses=())
    assert row.state == "queued"
    assert row.reply.startswith("webhook:CRM cannot be reached (the proxy answered 407")


def test_addresses_of_version_6_are_taken():
    assert webhook_of("webhook:A", {"RETENTION_KIT_WEBHOOK_A": "http://[::1]:8080/x"}).url == "http://[::1]:8080/x"
