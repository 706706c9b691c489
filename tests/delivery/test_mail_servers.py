"""The whole way: `send` to a real Postfix, by STARTTLS and with a password, and what a real Dovecot gives the reader."""

from __future__ import annotations

import imaplib
import re
import shutil
from collections.abc import Iterator
from email import message_from_bytes, policy
from time import monotonic, sleep
from urllib.parse import quote

import pytest

import mail_servers
from mail_servers import PASSWORD, USER
from retention_kit.cli import main

pytestmark = pytest.mark.server

SETTINGS = """
[mail]
from = "Reports of Zoë & Sons <reports@example.com>"
to = ["The Board <board@example.com>", "Zoë Müller <zoe@example.com>"]
owner = "owner@example.com"
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[mail_servers.MailServers]:
    if reason := mail_servers.missing():
        pytest.skip(reason)
    with mail_servers.mail_servers() as started:
        yield started


@pytest.fixture
def project(servers, sample_pack, tmp_path, monkeypatch):
    """A copy of the sample's pack beside settings that mail it to these servers."""
    shutil.copytree(sample_pack, tmp_path / "reports" / sample_pack.name)
    (tmp_path / "retention.toml").write_text(SETTINGS, "utf-8")
    user, password = quote(USER, safe=""), quote(PASSWORD, safe="")
    monkeypatch.setenv("RETENTION_KIT_SMTP_URL", f"smtp://{user}:{password}@localhost:{servers.smtp}")
    monkeypatch.setenv("SSL_CERT_FILE", str(servers.trusted))
    monkeypatch.chdir(tmp_path)
    return f"reports/{sample_pack.name}"


class Box:
    """A reader's mailbox."""

    def __init__(self, servers: mail_servers.MailServers, address: str):
        self._server = imaplib.IMAP4("127.0.0.1", servers.imap)
        self._server.login(address, PASSWORD)

    def count(self) -> int:
        return int(self._server.select()[1][0])

    def wait_for(self, count: int) -> None:
        until = monotonic() + 30
        while self.count() < count:
            assert monotonic() < until, f"{self.count()} of {count} messages came"
            sleep(0.2)

    def fetch(self, number: int, part: str) -> bytes:
        return self._server.fetch(str(number), f"(BODY.PEEK[{part}])")[1][0][1]


def test_it_arrives_whole_and_once(servers, project, tmp_path, capsys):
    boxes = [Box(servers, address) for address in ("board@example.com", "zoe@example.com")]
    assert main(["send", project, "--data", "retention.toml"]) == 0
    for box in boxes:
        box.wait_for(1)
        message = (tmp_path / project / "message.en.eml").read_bytes()
        assert box.fetch(1, "TEXT") == message.partition(b"\r\n\r\n")[2]
        assert box.count() == 1
    received = message_from_bytes(boxes[1].fetch(1, ""), policy=policy.default)
    assert received["To"] == "Zoë Müller <zoe@example.com>"
    assert received["Subject"] == message_from_bytes(message, policy=policy.default)["Subject"]
    assert re.fullmatch(r"<[^<>@ ]+@[^<>@ ]+>", received["Message-ID"])
    assert {part.get_content_type() for part in received.walk()} >= {
        "text/plain",
        "text/html",
        "image/png",
        "application/pdf",
    }

    capsys.readouterr()
    assert main(["send", project, "--data", "retention.toml"]) == 0
    assert capsys.readouterr().out.count("already sent") == 2
    sleep(1)
    assert [box.count() for box in boxes] == [1, 1]


def test_a_wrong_password_is_one_sentence_and_nothing_is_sent(servers, project, monkeypatch, capsys):
    monkeypatch.setenv("RETENTION_KIT_SMTP_URL", f"smtp://{quote(USER, safe='')}:not-it@localhost:{servers.smtp}")
    box = Box(servers, "board@example.com")
    before = box.count()
    assert main(["send", project, "--data", "retention.toml"]) == 2
    message = capsys.readouterr().err
    assert "refused the user name or password" in message
    assert "not-it" not in message
    sleep(1)
    assert box.count() == before


def test_who_signed_the_certificate_has_to_be_known(project, monkeypatch, capsys):
    monkeypatch.delenv("SSL_CERT_FILE")
    assert main(["send", project, "--data", "retention.toml"]) == 2
    assert "is not trusted" in capsys.readouterr().err
