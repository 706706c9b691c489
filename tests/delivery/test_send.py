"""Sending a pack: everybody once, whatever fails; and what each of them is then told to be."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
from contextlib import suppress
from datetime import date
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP as Protocol
from aiosmtpd.smtp import syntax

import retention_kit as rk
from forking import in_memory, run_once, start_process
from mailroom import PASSWORD, PICTURE, Fault, mail_settings, message, serving, write_pack
from retention_kit.bidi import plain
from retention_kit.delivery import dispatch
from retention_kit.delivery.outbox import reading
from retention_kit.delivery.smtp import NotFound
from retention_kit.errors import ReportError, SettingsError
from retention_kit.report.archive import manifest
from retention_kit.report.checks import gate
from retention_kit.settings import make_settings
from retention_kit.wording import Words

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

ANN, BEN, CY = "ann@example.com", "ben@example.com", "cy@example.com"


@pytest.fixture(autouse=True)
def gate_by_state(monkeypatch):
    """These packs are no whole ones: the gate looks at their state alone."""

    def judge(folder, *_):
        is_ok = manifest.read(folder)["state"] == "ok"
        return gate.Verdict("ok", ()) if is_ok else gate.Verdict("blocked", ("a part of the report failed",))

    monkeypatch.setattr(gate, "judge", judge)


@pytest.fixture(scope="module")
def running():
    """One server for all tests that leave it as it is."""
    with serving() as mail_server:
        yield mail_server


@pytest.fixture
def mail_server(running):
    """The server, all well and with nothing taken yet."""
    running.handler.__init__()
    return running


@pytest.fixture
def pack(tmp_path) -> Path:
    return write_pack(tmp_path / "2011-11")


def send(pack, mail_server, to=None, *, settings=None, **options):
    return rk.send_report(pack, to, settings=settings or mail_settings(), smtp_url=mail_server.server, **options)


def states(outcome) -> dict[str, str]:
    return {result.recipient: result.state for result in outcome.results}


def ledger(pack) -> dict[str, str]:
    with reading(pack.parent) as outbox:
        return {row.recipient: row.state for row in outbox.rows() if row.is_report} if outbox else {}


def parsed(envelope):
    return message_from_bytes(envelope.content, policy=SMTP)


def body(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[2]


def test_everybody_gets_their_own_message(pack, mail_server):
    outcome = send(pack, mail_server)
    assert states(outcome) == {ANN: "sent", BEN: "sent", CY: "sent"}
    assert outcome.is_done
    assert list(outcome.outcomes.columns) == ["recipient", "language", "segment", "state", "reply"]
    assert mail_server.handler.recipients == [ANN, BEN, CY]
    assert {envelope.sender for envelope in mail_server.handler.received} == {"reports@example.com"}
    messages = [parsed(envelope) for envelope in mail_server.handler.received]
    assert [str(message["To"]) for message in messages] == ["Ann Lee <ann@example.com>", BEN, CY], (
        "nobody sees the others"
    )
    assert len({message["Message-ID"] for message in messages}) == 3
    assert all(message["Message-ID"].endswith("@example.com>") for message in messages)
    assert [message["Date"].datetime.year > 2011 for message in messages] == [True] * 3, "the day it was sent"
    assert {str(message["Auto-Submitted"]) for message in messages} == {"auto-generated"}
    assert len(mail_server.handler.logins) == 1, "one connection for all"


def test_the_body_is_the_packs_to_the_byte(pack, mail_server):
    send(pack, mail_server, ANN)
    (envelope,) = mail_server.handler.received
    assert body(envelope.content) == body(message())
    (picture,) = [part for part in parsed(envelope).walk() if part.get_content_type() == "image/png"]
    assert picture.get_content() == PICTURE
    assert parsed(envelope)["Subject"] == message_from_bytes(message(), policy=SMTP)["Subject"]
    with reading(pack.parent) as outbox:
        (row,) = outbox.rows()
        assert outbox.content(row) == envelope.content, "what is kept is what went out"


def test_data_that_end_early_are_told_on_top(pack, mail_server, monkeypatch):
    late = gate.Verdict("degraded", ("The data end on 2011-12-08.",), date(2011, 12, 8))
    monkeypatch.setattr(gate, "judge", lambda *_: late)
    send(pack, mail_server, ANN)
    text = parsed(mail_server.handler.received[0]).get_body(("plain",)).get_content()
    assert text.startswith("! The data of this report end on 8 Dec")


def test_again_sends_only_what_is_missing(pack, mail_server, pauses):
    mail_server.handler.rcpt = lambda address, _: "550 5.1.1 No such user" if address == BEN else None
    first = send(pack, mail_server)
    assert states(first) == {ANN: "sent", BEN: "failed", CY: "sent"}
    assert not first.is_done
    assert first.results[1].reply == "550 5.1.1 No such user"
    assert pauses == [], "a refusal is no reason to wait"
    mail_server.handler.rcpt = lambda *_: None
    again = send(pack, mail_server)
    assert states(again) == {ANN: "already sent", BEN: "sent", CY: "already sent"}
    assert again.is_done
    assert mail_server.handler.recipients == [ANN, CY, BEN]
    assert states(send(pack, mail_server)) == dict.fromkeys([ANN, BEN, CY], "already sent")
    assert len(mail_server.handler.received) == 3


def test_greylisting_is_waited_for(pack, mail_server, pauses):
    mail_server.handler.rcpt = lambda _, number: "450 4.2.0 Greylisted" if number < 2 else None
    assert states(send(pack, mail_server)) == dict.fromkeys([ANN, BEN, CY], "sent")
    assert pauses == list(dispatch.PAUSES[:2]), "once for all, not once for each"
    assert sorted(mail_server.handler.recipients) == [ANN, BEN, CY]
    with reading(pack.parent) as outbox:
        assert {row.attempts for row in outbox.rows()} == {3}


def test_who_is_deferred_too_long_waits_for_the_next_call(pack, mail_server, pauses):
    mail_server.handler.data = lambda address, _: "451 4.3.0 Try later" if address == CY else None
    outcome = send(pack, mail_server)
    assert states(outcome) == {ANN: "sent", BEN: "sent", CY: "queued"}
    assert not outcome.is_done
    assert outcome.results[2].reply == "451 4.3.0 Try later"
    assert pauses == list(dispatch.PAUSES)
    mail_server.handler.data = lambda *_: None
    assert states(send(pack, mail_server)) == {ANN: "already sent", BEN: "already sent", CY: "sent"}
    assert sorted(mail_server.handler.recipients) == [ANN, BEN, CY]


def test_where_the_server_refuses_all_every_message_fails(pack, mail_server):
    mail_server.handler.rcpt = lambda *_: "550 5.7.1 Not here"
    assert states(send(pack, mail_server)) == dict.fromkeys([ANN, BEN, CY], "failed")
    assert mail_server.handler.received == []


def hang(*_):
    raise Fault


def test_a_connection_lost_before_the_content_is_made_again(pack, mail_server, pauses):
    mail_server.handler.rcpt = lambda address, number: hang() if (address, number) == (BEN, 0) else None
    assert states(send(pack, mail_server)) == dict.fromkeys([ANN, BEN, CY], "sent")
    assert sorted(mail_server.handler.recipients) == [ANN, BEN, CY]
    assert len(pauses) == 1


def test_what_may_have_arrived_is_never_repeated_unasked(pack, mail_server, pauses):
    mail_server.handler.after = lambda address, _: hang() if address == BEN else None
    first = send(pack, mail_server)
    assert states(first) == {ANN: "sent", BEN: "unknown", CY: "sent"}
    assert "after the message was sent" in first.results[1].reply
    mail_server.handler.after = lambda *_: None
    for options in ({}, {"resend": True}, {"to": BEN}):
        outcome = send(pack, mail_server, **options)
        assert states(outcome)[BEN] == "unknown"
        assert not outcome.is_done
        assert "--resend --to ben@example.com sends it again" in outcome.results[-1 if "to" in options else 1].reply
    assert mail_server.handler.recipients == [ANN, BEN, CY]
    repeated = send(pack, mail_server, BEN, resend=True)
    assert states(repeated) == {BEN: "sent"}
    assert "it may be there twice" in repeated.results[0].reply
    message_ids = [
        parsed(envelope)["Message-ID"] for envelope in mail_server.handler.received if envelope.recipient == BEN
    ]
    assert message_ids[0] == message_ids[1], "so that a mailbox may tell"
    assert pauses == []


def test_no_connection_leaves_all_queued_and_says_why(pack, mail_server, pauses):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    closed = mail_server._replace(server=mail_server.url(port=port))
    outcome = send(pack, closed)
    assert states(outcome) == dict.fromkeys([ANN, BEN, CY], "queued")
    assert "cannot be reached" in outcome.results[0].reply
    assert len(pauses) == len(dispatch.PAUSES)
    assert states(send(pack, mail_server)) == dict.fromkeys([ANN, BEN, CY], "sent")


def test_a_wrong_password_stops_at_once_and_is_nowhere(pack, mail_server, pauses):
    wrong = mail_server._replace(server=mail_server.url(password="hunter2"))
    with pytest.raises(SettingsError, match="refused the user name or password"):
        send(pack, wrong)
    assert pauses == []
    with reading(pack.parent) as outbox:
        assert {(row.state, row.attempts) for row in outbox.rows()} == {("queued", 0)}
        assert all("refused the user name or password" in row.reply for row in outbox.rows())
    assert [path for path in pack.parent.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()] == []
    assert states(send(pack, mail_server)) == dict.fromkeys([ANN, BEN, CY], "sent")
    assert [path for path in pack.parent.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()] == []


def test_a_changed_report_goes_out_only_as_a_correction(pack, mail_server):
    send(pack, mail_server, ANN)
    write_pack(pack, {"en": message(text="Retention is 46.1%.")})
    refused = send(pack, mail_server, ANN)
    assert states(refused) == {ANN: "changed"}
    assert not refused.is_done
    assert len(mail_server.handler.received) == 1
    assert states(send(pack, mail_server, resend=True)) == {ANN: "sent", BEN: "sent", CY: "sent"}
    first, again, new = [parsed(envelope) for envelope in mail_server.handler.received[:3]]
    assert again["Subject"] == f"Correction: {first['Subject']}"
    assert (again["References"], again["In-Reply-To"]) == (first["Message-ID"], first["Message-ID"])
    assert again["Message-ID"] != first["Message-ID"]
    for kind in ("plain", "html"):
        text = again.get_body((kind,)).get_content()
        assert text.index("Correction: this replaces the report for November 2011") < text.index("46.1%")
    assert "Correction" not in new["Subject"], "Ben had none before"
    assert states(send(pack, mail_server, resend=True)) == dict.fromkeys([ANN, BEN, CY], "already sent")


def test_a_correction_that_did_not_go_out_is_still_one(pack, mail_server):
    send(pack, mail_server, ANN)
    write_pack(pack, {"en": message(text="Retention is 46.1%.")})
    mail_server.handler.rcpt = lambda *_: "550 no"
    assert states(send(pack, mail_server, ANN, resend=True)) == {ANN: "failed"}
    mail_server.handler.rcpt = lambda *_: None
    assert states(send(pack, mail_server, ANN)) == {ANN: "sent"}
    assert parsed(mail_server.handler.received[-1])["Subject"].startswith("Correction: ")
    assert len({parsed(envelope)["Message-ID"] for envelope in mail_server.handler.received}) == 2


def test_months_make_a_thread(tmp_path, mail_server):
    for month in ("2011-10", "2011-11", "2011-12"):
        send(write_pack(tmp_path / month), mail_server, [ANN, BEN])
    anns = [parsed(envelope) for envelope in mail_server.handler.received if envelope.recipient == ANN]
    assert [message["References"] for message in anns] == [None, anns[0]["Message-ID"], anns[0]["Message-ID"]]
    assert len({message["Message-ID"] for message in anns}) == 3
    bens = [parsed(envelope) for envelope in mail_server.handler.received if envelope.recipient == BEN]
    assert bens[1]["References"] == bens[0]["Message-ID"] != anns[0]["Message-ID"]


def test_another_name_of_the_company_sends_nothing_again(pack, mail_server):
    send(pack, mail_server)
    write_pack(pack, company="Example Limited")
    assert states(send(pack, mail_server)) == dict.fromkeys([ANN, BEN, CY], "already sent")


def test_two_projects_are_told_apart(tmp_path, mail_server):
    """A mailbox may drop the second of two messages with one Message-ID."""
    for name in ("toys", "books"):
        send(write_pack(tmp_path / name / "2011-11", {"en": message(text=name)}), mail_server, ANN)
    assert len({parsed(envelope)["Message-ID"] for envelope in mail_server.handler.received}) == 2


def test_listed_twice_is_sent_once(pack, mail_server):
    settings = mail_settings(ANN, recipients=[{"to": ["Ann@example.com"], "language": "en"}])
    assert len(send(pack, mail_server, settings=settings).results) == 1
    assert mail_server.handler.recipients == [ANN]


def test_from_inside_the_pack_it_is_the_same_outbox(pack, mail_server, monkeypatch):
    send(pack, mail_server, ANN)
    monkeypatch.chdir(pack)
    assert states(send(".", mail_server, ANN)) == {ANN: "already sent"}
    assert not (pack / "outbox").exists()


def test_progress_names_what_is_waited_for(pack, mail_server, pauses):
    messages = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    send(pack, mail_server._replace(server=mail_server.url(port=port)), ANN, progress=messages.append)
    assert messages[0] == f"127.0.0.1:{port} cannot be reached (Connection refused); trying again in 10 s"
    assert len(messages) == len(dispatch.PAUSES)
    pauses.clear()

    def lost(server):
        raise NotFound(f"{server} was not found")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "connect", lost)
        assert states(send(pack, mail_server, ANN)) == {ANN: "queued"}
    assert pauses == [10], "a name that nobody knows is more likely a slip"


@pytest.mark.parametrize("code", [530, 535])
def test_a_server_that_wants_a_login_is_a_wrong_setting(pack, code):
    class Wants(Protocol):
        @syntax("MAIL FROM: <address>")
        async def smtp_MAIL(self, _arg):
            await self.push(f"{code} 5.7.0 Authentication required")

    with serving(protocol=Wants) as other, pytest.raises(SettingsError, match="takes nothing without another login"):
        send(pack, other)
    assert ledger(pack) == dict.fromkeys([ANN, BEN, CY], "queued")


def test_each_segment_and_language_its_own(tmp_path, mail_server):
    packed = {"en": message(), "ar": message("ar"), "en.country=France": message(text="France")}
    pack = write_pack(tmp_path / "2011-11", packed)
    groups = [{"to": [ANN], "segment": "country=France"}, {"to": ["ali@example.com"], "language": "ar"}]
    settings = mail_settings(ANN, recipients=groups)
    outcome = send(pack, mail_server, settings=settings)
    assert [result[:4] for result in outcome.results] == [
        (ANN, "en", "", "sent"),
        (ANN, "en", "country=France", "sent"),
        ("ali@example.com", "ar", "", "sent"),
    ]
    bodies = [body(envelope.content) for envelope in mail_server.handler.received]
    assert bodies == [body(packed[name]) for name in ("en", "en.country=France", "ar")]
    assert states(send(pack, mail_server, "Ali@Example.com", settings=settings)) == {"ali@example.com": "already sent"}
    spain = [{"to": ["di@example.com"], "segment": "country=South Spain"}]
    outcome = send(pack, mail_server, settings=mail_settings(recipients=spain))
    assert states(outcome) == {ANN: "already sent", BEN: "sent", CY: "sent", "di@example.com": "failed"}, (
        "one stops nobody"
    )
    command = "`retention-kit report --period 2011-11 --language en --segment 'country=South Spain'`"
    assert f"has no message in 'en' for country=South Spain: build it with {command}" in outcome.results[-1].reply
    with pytest.raises(SettingsError, match="has no message in 'en' for country=South Spain"):
        send(pack, mail_server, "di@example.com", settings=mail_settings(recipients=spain))


def test_a_dry_run_says_what_would_be_done_and_does_nothing(pack, mail_server, monkeypatch):
    monkeypatch.delenv("RETENTION_KIT_SMTP_URL", raising=False)
    outcome = rk.send_report(pack, settings=mail_settings(), dry_run=True)
    assert states(outcome) == dict.fromkeys([ANN, BEN, CY], "to be sent")
    assert outcome.is_done
    assert not (pack.parent / "outbox").exists()
    send(pack, mail_server, ANN)
    write_pack(pack, {"en": message(text="Retention is 46.1%.")})
    planned = rk.send_report(pack, settings=mail_settings(), dry_run=True, resend=True)
    assert [(result.state, result.reply) for result in planned.results] == [
        ("to be sent", "as a correction"),
        ("to be sent", ""),
        ("to be sent", ""),
    ]
    assert len(mail_server.handler.received) == 1


def test_who_is_named_gets_it_and_nobody_else(pack, mail_server):
    assert states(send(pack, mail_server, ["Zoë <zoe@example.com>", CY])) == {"zoe@example.com": "sent", CY: "sent"}
    assert str(parsed(mail_server.handler.received[0])["To"]) == "Zoë <zoe@example.com>"
    assert sorted(mail_server.handler.recipients) == [CY, "zoe@example.com"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Müller, Jörg", '"Müller, Jörg" <a@xn--mnchen-3ya.example>'),
        ("علي الأحمد", "علي الأحمد <a@xn--mnchen-3ya.example>"),
        ("=?utf-8?q?a?=", None),
        ("Bcc: eve@example.org", None),
        ("Ann (board), " + "very long " * 20, None),
        ("李" * 60, None),
    ],
)
def test_a_name_of_any_letters_becomes_a_valid_header(pack, mail_server, name, expected):
    send(pack, mail_server, f"{name} <a@münchen.example>")
    (envelope,) = mail_server.handler.received
    head = envelope.content.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert max(map(len, head.split(b"\r\n"))) <= 200
    (address,) = parsed(envelope)["To"].addresses
    assert (envelope.recipient, address.addr_spec) == ("a@xn--mnchen-3ya.example",) * 2
    if expected:
        assert str(parsed(envelope)["To"]) == expected
    elif "?" not in name:
        assert address.display_name.replace(" ", "") == name.strip().replace(" ", "")
    assert parsed(envelope).get_all("Bcc") is None
    assert len(parsed(envelope).get_all("To")) == 1


def test_nothing_that_a_name_holds_becomes_a_header(tmp_path, mail_server):
    evil = "Shop\r\nBcc: eve@example.org\r\n\r\n<script>alert(1)</script>"
    pack = write_pack(tmp_path / "2011-11", company=evil)
    settings = make_settings(
        {"report": {"company": evil}, "mail": {"from": "R <r@example.com>", "to": [ANN], "owner": "own@example.com"}}
    )
    mail_server.handler.rcpt = lambda address, _: "550 no\x00\r\n" if address == ANN else None
    send(pack, mail_server, settings=settings)
    (envelope,) = mail_server.handler.received
    mail = parsed(envelope)
    assert envelope.recipient == "own@example.com"
    assert mail["Bcc"] is None
    assert "Bcc: eve@example.org" in mail["Subject"], "a part of the subject's only line"
    for wrong in ("Ann\r\nBcc: eve@example.org <a@example.com>", "a@example.com\nRCPT TO:<eve@example.org>"):
        with pytest.raises(SettingsError, match="is no email address"):
            send(pack, mail_server, wrong, settings=settings)
    lines = message().replace(b"From:", b"Bcc: eve@example.org\r\nReturn-Path: <>\r\nTo: eve@example.org\r\nFrom:", 1)
    pack = write_pack(tmp_path / "2011-12", {"en": lines})
    send(pack, mail_server, BEN, settings=settings)
    head = mail_server.handler.received[-1].content.partition(b"\r\n\r\n")[0]
    assert b"eve@" not in head, "a pack's message names nobody"
    assert b"Return-Path" not in head


@pytest.mark.parametrize(
    ("unsubscribe", "lines"),
    [
        (None, (None, None)),
        ("leave@example.com", ("<mailto:leave@example.com>", None)),
        ("https://example.com/l?s=1", ("<https://example.com/l?s=1>", None)),
        (
            "https://example.com/l?s={recipient}",
            ("<https://example.com/l?s=ann%40example.com>", "List-Unsubscribe=One-Click"),
        ),
    ],
)
def test_a_message_has_the_headers_to_unsubscribe(pack, mail_server, unsubscribe, lines):
    send(pack, mail_server, ANN, settings=mail_settings(**({"unsubscribe": unsubscribe} if unsubscribe else {})))
    mail = parsed(mail_server.handler.received[0])
    assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == lines


def test_a_blocked_pack_reaches_the_owner_alone_and_once(tmp_path, mail_server):
    pack = write_pack(tmp_path / "2011-11", state="failed")
    settings = mail_settings(owner="Own <own@example.com>")
    for _ in range(2):
        outcome = send(pack, mail_server, settings=settings)
        assert (outcome.verdict.state, outcome.is_done) == ("blocked", False)
        assert states(outcome) == dict.fromkeys([ANN, BEN, CY], "blocked")
    assert mail_server.handler.recipients == ["own@example.com"]
    mail = parsed(mail_server.handler.received[0])
    assert mail["Subject"] == "Not sent: report for November 2011"
    assert "- a part of the report failed\r\n" in mail.get_content()
    outcome = rk.send_report(pack, settings=settings, dry_run=True)
    assert outcome.verdict.reasons == ("a part of the report failed",)
    assert states(send(write_pack(pack), mail_server, settings=settings)) == dict.fromkeys([ANN, BEN, CY], "sent")


def test_the_owner_hears_of_other_reasons_again(tmp_path, mail_server, monkeypatch):
    settings = mail_settings(owner="own@example.com")
    pack = write_pack(tmp_path / "2011-11")
    for reason in ("the chart is missing", "the chart is missing", "a figure differs"):
        monkeypatch.setattr(gate, "judge", lambda *_, reason=reason: gate.Verdict("blocked", (reason,)))
        send(pack, mail_server, settings=settings)
    assert [
        reason in parsed(envelope).get_content()
        for envelope, reason in zip(
            mail_server.handler.received, ("the chart is missing", "a figure differs"), strict=True
        )
    ] == [True, True]


def test_the_owner_hears_whom_it_did_not_reach(pack, mail_server):
    settings = mail_settings(owner="own@example.com")
    mail_server.handler.rcpt = lambda address, number: (
        f"550 5.1.1 No such user, id {number}" if address == BEN else None
    )
    mail_server.handler.after = lambda address, _: hang() if address == CY else None
    for _ in range(2):
        send(pack, mail_server, settings=settings)
    assert mail_server.handler.recipients == [ANN, CY, "own@example.com"], "once, though the server words it otherwise"
    text = parsed(mail_server.handler.received[-1]).get_content()
    assert "(1 of 3 have it)" in text
    assert "- ben@example.com: failed. 550 5.1.1 No such user, id 0" in text
    assert f"retention-kit send {pack} --resend --to cy@example.com" in text
    assert ledger(pack) == {ANN: "sent", BEN: "failed", CY: "unknown"}


REPLY = "550 5.1.1 <ben@example.com>: No such user (here)!"


def test_what_a_server_says_is_quoted_from_right_to_left_in_an_arabic_alert_to_the_owner(tmp_path, mail_server):
    pack = write_pack(tmp_path / "2011-11", {"ar": message("ar")})
    report = {"languages": ["ar"]}
    settings = make_settings(
        {"report": report, "mail": {"from": "R <r@example.com>", "to": [ANN, BEN], "owner": "own@example.com"}}
    )
    mail_server.handler.rcpt = lambda address, _: REPLY if address == BEN else None
    send(pack, mail_server, settings=settings)
    assert f"\u2068{BEN}\u2069: تعذر. «\u2068{REPLY}\u2069»" in parsed(mail_server.handler.received[-1]).get_content()


def test_what_a_server_says_is_isolated_in_what_arabic_commands_tell(pack, mail_server, pauses):
    lines = []
    mail_server.handler.rcpt = lambda *_: REPLY.replace("550", "450")
    send(pack, mail_server, BEN, progress=lines.append)
    assert pauses
    reply = REPLY.replace("550", "450")
    assert Words("ar").say(lines[0]) == f"\u2066{reply}\u2069؛ ستُعاد المحاولة بعد \u206610\u2069 ثوانٍ"
    assert lines[0] == f"{reply}; trying again in 10 s"


def test_that_no_server_answered_is_said_in_the_language_of_the_commands(pack, mail_server, pauses):
    lines = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    send(pack, mail_server._replace(server=mail_server.url(port=port)), ANN, progress=lines.append)
    assert plain(Words("ar").say(lines[0])).startswith(f"تعذر الوصول إلى 127.0.0.1:{port} (Connection refused)؛")
    assert pauses


@pytest.mark.parametrize(
    ("wrong", "settings", "message"),
    [
        ("pack", {}, "is no pack: give the folder that `retention-kit report` has made"),
        ("nobody", {"mail": {"from": "r@example.com"}}, "There is nobody to send to: name them in retention.toml"),
        ("language", {"mail": {"recipients": [{"to": [ANN], "language": "ar"}]}}, "has no message in 'ar': build it"),
        ("server", {"mail": {"to": [ANN]}}, "No mail server is named"),
    ],
)
def test_what_cannot_be_sent_is_said_before_anything_is_done(tmp_path, pack, monkeypatch, wrong, settings, message):
    monkeypatch.delenv("RETENTION_KIT_SMTP_URL", raising=False)
    url = None if wrong == "server" else "smtp://127.0.0.1:9?starttls=false"
    with pytest.raises(SettingsError, match=message):
        rk.send_report(tmp_path if wrong == "pack" else pack, settings=make_settings(settings), smtp_url=url)
    assert not (tmp_path / "outbox").exists()


def test_a_sender_is_named_beyond_this_machine(tmp_path):
    pack = write_pack(tmp_path / "2011-11", {"en": message().replace(b"reports@example.com", b"reports@localhost")})
    with pytest.raises(SettingsError, match="Nobody can answer reports@localhost"):
        rk.send_report(pack, ANN, settings=make_settings({}), smtp_url="smtp://mail.invalid")


def test_a_message_that_is_not_the_packs_is_not_sent(pack, mail_server):
    (pack / "message.en.eml").write_bytes(message(text="Retention is 99%."))
    with pytest.raises(ReportError, match="is not what was written there"):
        send(pack, mail_server)
    assert mail_server.handler.received == []


@pytest.mark.parametrize("named", ["{shop}/retention.toml", "{shop}", "shop/retention.toml", "{pack}/retention.toml"])
def test_recipients_are_never_those_of_settings_that_a_pack_names(tmp_path, mail_server, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    pack = write_pack(tmp_path / "2011-11")
    for folder in (tmp_path / "shop", pack):
        (folder / "retention.toml").write_text(f'[mail]\nfrom = "r@example.com"\nto = ["{BEN}"]\n', "utf-8")
    write_pack(pack, data={"origin": named.format(shop=tmp_path / "shop", pack=pack)})
    for to in (None, ANN):
        with pytest.raises(SettingsError, match=r"names the settings .* with --data"):
            rk.send_report(pack, to, smtp_url=mail_server.server)
    assert mail_server.handler.received == []
    assert states(rk.send_report(pack, settings=tmp_path / "shop", smtp_url=mail_server.server)) == {BEN: "sent"}


def test_recipients_are_those_of_the_project_in_which_the_command_runs(tmp_path, mail_server, monkeypatch):
    (tmp_path / "retention.toml").write_text(f'[mail]\nfrom = "r@example.com"\nto = ["{BEN}"]\n', "utf-8")
    monkeypatch.chdir(tmp_path)
    for origin in ("retention.toml", str(tmp_path), ".", "orders.csv", "/nowhere/retention.toml"):
        pack = write_pack(tmp_path / "reports" / "2011-11", data={"origin": origin})
        assert states(rk.send_report(pack, smtp_url=mail_server.server, dry_run=True)) == {BEN: "to be sent"}


@pytest.mark.usefixtures("pauses")
def test_what_was_edited_in_the_outbox_is_queued_anew_from_the_pack(pack, mail_server):
    mail_server.handler.rcpt = lambda *_: "451 later"
    send(pack, mail_server, [ANN, BEN])
    mail_server.handler.rcpt = lambda *_: None
    (shared,) = (pack.parent / "outbox").glob("*.eml")
    shared.write_bytes(shared.read_bytes().replace(b"45.6", b"99.9"))
    assert states(send(pack, mail_server, [ANN, BEN])) == {ANN: "sent", BEN: "sent"}
    assert len(mail_server.handler.received) == 2
    assert all(
        b"99.9" not in envelope.content and b"45.6" in envelope.content for envelope in mail_server.handler.received
    )


# What is imported and done before `run` is there before the first fork.
SENDER = """
import sys, tenacity
from retention_kit.delivery import dispatch
from retention_kit.delivery.send import send_report
from retention_kit.report.checks import gate
gate.judge = lambda *_: gate.Verdict("ok", ())
pack, settings = sys.argv[1:]
dispatch.PAUSES = ()
send_report(pack, settings=settings, dry_run=True)

def run(_):
    send_report(pack, settings=settings)
"""


class PostOffice:
    """A plain server, a pack, settings that name many, and processes that send it when asked."""

    def __init__(self, folder: Path, mail_server, count: int):
        self.handler, self.many = mail_server.handler, [f"p{number:03}@example.com" for number in range(count)]
        self.pack, self.toml = write_pack(folder / "reports" / "2011-11"), folder / "retention.toml"
        self.toml.write_text(f'[mail]\nfrom = "r@example.com"\nto = {self.many}\n', "utf-8")
        self.url = f"smtp://127.0.0.1:{mail_server.server.port}?starttls=false"

    def sender(self):
        return start_process(SENDER, self.pack, self.toml, RETENTION_KIT_SMTP_URL=self.url)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.long
def test_a_sender_killed_again_and_again_sends_everything_once():
    """SIGKILL while the queue is made, and then some milliseconds after the server saw so many more messages begin."""
    chance, lives = random.Random(7), 0
    with in_memory() as folder, serving("none", with_login=False) as mail_server:
        office = PostOffice(Path(folder), mail_server, 120)
        office.handler.pause = 0.004  # so that some die while the server has the message and has not said so

        def kill(child: int) -> None:
            def strike(seconds: float) -> None:
                threading.Timer(seconds, end).start()

            def end() -> None:
                with suppress(ProcessLookupError):  # it was done first
                    os.kill(child, signal.SIGKILL)

            def count(*_) -> None:
                nonlocal left
                left -= 1
                if not left:
                    end() if lives % 2 else strike(chance.uniform(0, 0.012))

            left = chance.randint(1, 16)
            # By turns just when the server has a message and has not said so yet, and anywhere near.
            office.handler.rcpt, office.handler.after = (ignore, count) if lives % 2 else (count, ignore)
            if lives < 3:
                strike(chance.uniform(0, 0.05))

        def ignore(*_) -> None:
            return None

        with office.sender() as process:
            while len(entries := ledger(office.pack)) < 120 or {"queued", "sending", "data"} & {*entries.values()}:
                assert lives < 100
                run_once(process, meanwhile=kill)
                lives += 1
            office.handler.rcpt = office.handler.after = ignore
            run_once(process)
        outcomes, recipients = ledger(office.pack), mail_server.handler.recipients
    assert lives >= 5
    assert sorted(outcomes) == office.many, "nothing is lost"
    assert len(recipients) == len(set(recipients)), "nothing is sent twice"
    assert set(outcomes.values()) == {"sent", "unknown"}
    sent = {address for address, state in outcomes.items() if state == "sent"}
    assert sent <= set(recipients), "what is called sent has arrived; of the rest we say that we do not know"
    assert len(outcomes) - len(sent) <= lives


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.long
def test_two_senders_at_once_send_everything_once():
    with in_memory() as folder, serving("none", with_login=False) as mail_server:
        office = PostOffice(Path(folder), mail_server, 30)
        with office.sender() as first, office.sender() as second:
            threads = [threading.Thread(target=run_once, args=(process,)) for process in (first, second)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            run_once(first)  # whoever came second has left it to the first; afterwards nothing is missing
        assert sorted(mail_server.handler.recipients) == office.many
        assert set(ledger(office.pack).values()) == {"sent"}
