"""send, status, run and preview: what each prints, and the exit code that goes with it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import webbrowser
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from hook_server import hook_server
from mailroom import PASSWORD, mail_settings, message, serving, write_pack
from retention_kit.cli import mail as commands
from retention_kit.cli import main
from retention_kit.delivery import dispatch
from retention_kit.delivery.outbox import Key, sending
from retention_kit.delivery.smtp import VARIABLE
from retention_kit.delivery.status import last_complete, status
from retention_kit.periods import Period
from retention_kit.report.build import builder as packs
from retention_kit.report.checks import gate
from retention_kit.report.execution import templates as library
from retention_kit.settings import make_settings
from test_templates import ORDERS

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

TOML = '[data]\norders = "orders.csv"\n[report]\ntimezone = "UTC"\ncurrency = "GBP"\n'
MAIL = '[mail]\nfrom = "Reports <reports@example.com>"\nto = ["Ann Lee <ann@example.com>", "ben@example.com"]\n'


@pytest.fixture(autouse=True)
def gate_opens(monkeypatch):
    monkeypatch.setattr(gate, "judge", lambda *_: gate.Verdict("ok", ()))
    monkeypatch.setattr(dispatch, "PAUSES", ())


@pytest.fixture(scope="module")
def running():
    with serving("none", with_login=False) as mail_server:
        yield mail_server


@pytest.fixture
def mail_server(running, monkeypatch):
    running.handler.__init__()
    monkeypatch.setenv(VARIABLE, f"smtp://127.0.0.1:{running.server.port}?starttls=false")
    return running


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Orders of January to March 2024, settings that mail two people, and us in their folder; no template runs."""
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "retention.toml").write_text(TOML + MAIL, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(library, "run", lambda template, *_: (template, ""))
    return tmp_path


@pytest.fixture
def pack(project) -> Path:
    return write_pack(project / "reports" / "2024-01")


def output(capsys) -> tuple[str, str]:
    captured = capsys.readouterr()
    return re.sub(r" {2,}", " ", captured.out), captured.err


def test_send_prints_what_became_of_each(pack, mail_server, capsys):
    mail_server.handler.rcpt = lambda address, _: "550 5.1.1 No such user" if address == "ben@example.com" else None
    assert main(["send", str(pack)]) == 1
    out, err = output(capsys)
    assert "ann@example.com en sent 250 Taken" in out
    assert "ben@example.com en failed 550 5.1.1 No such user" in out
    assert err == ""
    mail_server.handler.rcpt = lambda *_: None
    assert main(["send", str(pack)]) == 0
    assert "ann@example.com en already sent" in output(capsys)[0]
    write_pack(pack, {"en": message(text="Retention is 46.1%.")})
    assert main(["send", str(pack)]) == 1
    assert "--resend corrects it" in output(capsys)[0]
    assert main(["send", str(pack), "--resend", "--to", "ann@example.com"]) == 0
    assert mail_server.handler.recipients == ["ann@example.com", "ben@example.com", "ann@example.com"]


def test_a_dry_run_needs_no_server(pack, monkeypatch, capsys):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main(["send", str(pack), "--dry-run"]) == 0
    assert output(capsys)[0].count("to be sent") == 2
    assert main(["send", str(pack)]) == 2
    assert f"No mail server is named: set {VARIABLE}" in output(capsys)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("absent", "'absent' is no pack"),
        ("reports/2024-01 --to ann", "'ann' is no email address"),
        ("reports/2024-01 --data absent.toml", "There is no file 'absent.toml'"),
    ],
)
@pytest.mark.usefixtures("pack", "mail_server")
def test_a_mistake_is_one_sentence(capsys, arguments, message):
    assert main(["send", *arguments.split()]) == 2
    out, err = output(capsys)
    assert message in err
    assert err.count("\n") == 1
    assert out == ""


def test_a_wrong_password_is_a_wrong_setting_and_is_not_shown(pack, monkeypatch, tmp_path_factory, capsys):
    with serving("tls", name="localhost") as other:
        trusted = tmp_path_factory.mktemp("ca") / "ca.pem"
        other.authority.cert_pem.write_to_path(trusted)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        for password, code in (("hunter2", 2), (PASSWORD.replace("/", "%2F").replace(" ", "%20"), 0)):
            monkeypatch.setenv(VARIABLE, f"smtps://reports:{password}@localhost:{other.server.port}")
            assert main(["send", str(pack)]) == code
            out, err = output(capsys)
            assert "hunter2" not in out + err
            assert ("refused the user name or password" in err) is bool(code)


@pytest.mark.usefixtures("mail_server")
def test_a_blocked_pack_says_why(pack, monkeypatch, capsys):
    monkeypatch.setattr(gate, "judge", lambda *_: gate.Verdict("blocked", ("a chart is missing",)))
    assert main(["send", str(pack)]) == 1
    out, err = output(capsys)
    assert (
        err
        == "retention-kit: 2024-01 is not fit to be sent, and was sent to nobody:\nretention-kit:   a chart is missing\n"
    )
    assert out.count("blocked") == 2
    monkeypatch.setattr(gate, "judge", lambda *_: gate.Verdict("degraded", ("the data are old",)))
    assert main(["send", str(pack)]) == 0
    assert "2024-01 is sent with a notice:\nretention-kit:   the data are old" in output(capsys)[1]


@pytest.mark.parametrize("toml", [None, MAIL.partition("to =")[0]])
@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--to", "ann@example.com"]])
def test_a_blocked_pack_is_exit_1_whoever_would_get_it(pack, monkeypatch, capsys, toml, more):
    (path := Path("retention.toml")).unlink()
    if toml is not None:
        path.write_text(toml, "utf-8")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(gate, "judge", lambda *_: gate.Verdict("blocked", ("a chart is missing",)))
    assert main(["send", str(pack), *more]) == 1
    assert "a chart is missing" in output(capsys)[1]


@pytest.mark.usefixtures("mail_server")
def test_interrupted_says_how_to_go_on(pack, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(dispatch, "send_message", interrupt)
    assert main(["send", str(pack)]) == 130
    assert "`retention-kit status` tells what was sent" in output(capsys)[1]
    monkeypatch.undo()


def with_message(build):
    """`build_report`, with a message in the pack where the report wrote none."""

    def built(*args, **options):
        report = build(*args, **options)
        manifest = json.loads((report.path / "manifest.json").read_text("utf-8"))
        for name in manifest["reports"]:
            if not (report.path / f"message.{name}.eml").is_file():
                (report.path / f"message.{name}.eml").write_bytes(message())
                manifest["files"][f"message.{name}.eml"] = hashlib.sha256(message()).hexdigest()
        (report.path / "manifest.json").write_text(json.dumps(manifest), "utf-8")
        return report

    return built


@pytest.mark.usefixtures("project")
def test_run_builds_and_sends_once(mail_server, monkeypatch, capsys):
    monkeypatch.setattr(packs, "build_report", with_message(packs.build_report))
    assert main(["run", "--as-of", "2024-03-05"]) == 0
    out, err = output(capsys)
    assert out.strip().splitlines()[0] == "reports/2024-02"
    assert out.count(" sent ") == 2
    assert "was sent already" not in err
    assert mail_server.handler.recipients == ["ann@example.com", "ben@example.com"]
    assert main(["run", "--as-of", "2024-03-05"]) == 0
    assert "2024-02 was sent already; nothing was sent now." in output(capsys)[1]
    assert len(mail_server.handler.received) == 2
    assert main(["run", "--as-of", "2024-04-02"]) == 0
    assert len(mail_server.handler.received) == 4, "the next month"


@pytest.mark.usefixtures("project", "mail_server")
def test_run_says_that_the_data_are_old(monkeypatch, capsys):
    monkeypatch.setattr(packs, "build_report", with_message(packs.build_report))
    calls = []
    monkeypatch.setattr(gate, "judge", lambda *args: calls.append(args[1:]) or gate.Verdict("ok", ()))
    monkeypatch.setattr("retention_kit.delivery.send.today", lambda _: date(2024, 6, 2))
    assert main(["run"]) == 0
    assert "2024-05 is over, but the data end before" in output(capsys)[1]
    assert calls == [(None, Period.parse("2024-05"))], "the gate is told what was expected"


@pytest.mark.long
@pytest.mark.usefixtures("mail_server")
def test_run_waits_until_the_last_day_of_a_period_is_over(project, monkeypatch, capsys):
    """Data that are read live hold orders of this morning already."""
    monkeypatch.setattr(packs, "build_report", with_message(packs.build_report))
    today = ORDERS.tail(1).assign(ordered_at="2024-03-31 05:50")
    pd.concat([ORDERS, today]).to_csv(project / "orders.csv", index=False)
    alert = '[[alerts]]\nname = "Any"\nwhen = "revenue > 1"\nthen = ["mail:team@example.com"]\n'
    (project / "retention.toml").write_text(TOML + MAIL + alert, "utf-8")
    for day, period in ((date(2024, 3, 31), "2024-02"), (date(2024, 4, 1), "2024-03")):
        monkeypatch.setattr("retention_kit.delivery.send.today", lambda _, day=day: day)
        assert main(["run"]) == 0
        out = output(capsys)[0]
        assert out.splitlines()[0] == f"reports/{period}"
        assert ("team@example.com 2024-02 sent" in out) == (period == "2024-02"), "it has fired since"
    today.to_csv(project / "orders.csv", index=False)
    monkeypatch.setattr("retention_kit.delivery.send.today", lambda _: date(2024, 3, 31))
    assert main(["run"]) == 1
    assert "No period is over yet: 2024-03 ends before 2024-04-01, and the data on 2024-03-31." in output(capsys)[1]


@pytest.mark.long
def test_run_makes_what_each_recipient_is_to_get(project, mail_server, monkeypatch, capsys):
    monkeypatch.setattr(packs, "build_report", with_message(packs.build_report))
    ORDERS.assign(country=["France", "Spain"] * 3).to_csv(project / "orders.csv", index=False)
    group = '[[mail.recipients]]\nto = ["cy@example.com"]\nsegment = "country={}"\n'
    (project / "retention.toml").write_text(TOML + MAIL + group.format("Frence"), "utf-8")
    assert main(["run", "--as-of", "2024-03-05"]) == 2
    assert "There is no country 'Frence' in the data: did you mean 'France'?" in output(capsys)[1]
    assert not [*project.glob("reports/2024*")], "said before anything is built"
    (project / "retention.toml").write_text(TOML + MAIL + group.format("France"), "utf-8")
    assert main(["run", "--as-of", "2024-03-05"]) == 0
    assert "cy@example.com en country=France sent" in output(capsys)[0]
    assert mail_server.handler.recipients == ["ann@example.com", "ben@example.com", "cy@example.com"]


def test_a_blocked_run_tells_the_owner_once(project, mail_server, monkeypatch, capsys):
    (project / "retention.toml").write_text(TOML + MAIL + 'owner = "own@example.com"\n', "utf-8")
    monkeypatch.setattr(gate, "judge", lambda *_: gate.Verdict("blocked", ("a chart is missing",)))
    for _ in range(2):
        assert main(["run", "--as-of", "2024-03-05"]) == 1
        assert "sent to nobody" in output(capsys)[1]
    assert mail_server.handler.recipients == ["own@example.com"]


class Built(NamedTuple):
    """A pack that stands there already."""

    path: Path
    failures: tuple = ()

    def __fspath__(self) -> str:
        return str(self.path)


ALERT = """
[[alerts]]
name = "Somebody buys"
when = "active_customers > 0"
then = ["mail:eve@example.com", "webhook:CRM", "exit"]
"""


def test_run_tells_of_alerts_once(project, mail_server, monkeypatch, capsys):
    built = write_pack(project / "reports" / "2024-02")
    monkeypatch.setattr(commands, "_build", lambda *_: Built(built))
    (project / "retention.toml").write_text(TOML + MAIL + ALERT, "utf-8")
    with hook_server() as server:
        monkeypatch.setenv("RETENTION_KIT_WEBHOOK_CRM", server.url)
        server.reply = lambda _: (503, {}, b"")
        assert main(["run", "--as-of", "2024-03-05"]) == 1, "a fault goes before an alert"
        out, err = output(capsys)
        assert "Firing: Somebody buys." in err
        assert "eve@example.com 2024-02 sent" in out
        assert "webhook:CRM 2024-02 queued" in out
        assert main(["status"]) == 1
        assert "Alerts of 2024-02: webhook:CRM does not have them (webhook:CRM answered 503" in output(capsys)[1]
        server.reply = lambda _: (200, {}, b"")
        (project / "retention.toml").write_text(TOML + MAIL.partition("to =")[0] + ALERT, "utf-8")
        assert main(["run", "--as-of", "2024-03-05"]) == 3, "the report is sent to nobody, and it fires still"
        out, _ = output(capsys)
        assert "webhook:CRM 2024-02 sent" in out
        assert "eve@example.com" not in out
    assert mail_server.handler.recipients == ["ann@example.com", "ben@example.com", "eve@example.com"]
    first, second = server.received
    assert first.payload["facts"]["alerts"][0]["when"] == "active_customers > 0"
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


@pytest.mark.usefixtures("mail_server")
def test_run_without_an_address_of_a_webhook_builds_nothing(project, monkeypatch, capsys):
    monkeypatch.delenv("RETENTION_KIT_WEBHOOK_CRM", raising=False)
    (project / "retention.toml").write_text(TOML + MAIL + ALERT, "utf-8")
    assert main(["run"]) == 2
    assert "webhook:CRM has no address: set RETENTION_KIT_WEBHOOK_CRM to its URL." in output(capsys)[1]
    assert not (project / "reports").exists()


@pytest.mark.parametrize(
    ("toml", "url", "message"),
    [
        (TOML, "smtp://127.0.0.1:9?starttls=false", "There is nobody to send to"),
        (None, "smtp://127.0.0.1:9?starttls=false", "There is nobody to send to"),
        (TOML + MAIL, "", "No mail server is named"),
    ],
)
def test_run_without_mail_builds_nothing(project, monkeypatch, capsys, toml, url, message):
    monkeypatch.setenv(VARIABLE, url)
    path = project / "retention.toml"
    path.unlink() if toml is None else path.write_text(toml, "utf-8")
    assert main(["run"]) == 2
    assert message in output(capsys)[1]
    assert not (project / "reports").exists()


def test_status_of_what_was_done(pack, mail_server, capsys, monkeypatch):
    monkeypatch.setattr("retention_kit.delivery.send.today", lambda _: date(2024, 2, 2))
    assert main(["status"]) == 1
    out, err = output(capsys)
    assert out.strip().splitlines()[0].split() == [
        "period",
        "expected",
        "built",
        "sent",
        "failed",
        "unknown",
        "waiting",
    ]
    assert out.strip().splitlines()[2].split() == ["2024-01", "2", "ok", "0", "0", "0", "0"]
    assert err == "retention-kit: 2 of 2 messages of 2024-01 were not sent yet: `retention-kit send reports/2024-01`.\n"
    mail_server.handler.rcpt = lambda address, _: "550 no" if address == "ben@example.com" else None
    main(["send", str(pack)])
    output(capsys)
    assert main(["status"]) == 1
    out, err = output(capsys)
    assert out.strip().splitlines()[2].split() == ["2024-01", "2", "ok", "1", "1", "0", "0"]
    assert (
        err
        == "retention-kit: 2024-01: ben@example.com does not have it (550 no): `retention-kit send reports/2024-01`.\n"
    )
    mail_server.handler.rcpt = lambda *_: None
    main(["send", str(pack)])
    output(capsys)
    assert main(["status"]) == 0
    assert output(capsys)[1] == ""


@pytest.mark.usefixtures("mail_server")
def test_status_says_that_a_report_is_missing(pack, capsys, monkeypatch):
    main(["send", str(pack)])
    output(capsys)
    monkeypatch.setattr("retention_kit.delivery.send.today", lambda _: date(2024, 3, 1))
    assert main(["status"]) == 1
    out, err = output(capsys)
    assert [line.split()[0] for line in out.strip().splitlines()[2:4]] == ["2024-02", "2024-01"]
    assert (
        err
        == "retention-kit: The report of 2024-02 is missing since 2024-03-01: `retention-kit run` makes it once the data reach that day.\n"
    )


def test_status_shows_the_unknown_and_what_to_do(tmp_path):
    pack = write_pack(tmp_path / "2024-01", gate={"en": {"state": "degraded"}, "ar": {"state": "ok"}})
    with sending(tmp_path) as outbox:
        for address, state in (
            ("ann@example.com", "unknown"),
            ("ben@example.com", "queued"),
            ("cy@example.com", "sent"),
        ):
            row = outbox.queue(Key("a-en", "2024-01", address), 0, "", "<a@x>", "<a@x>", b"", b"")
            outbox.set(row, state, "the connection was lost")
        outbox.set(
            outbox.queue(Key("owner/a", "2024-01", "own@example.com"), 0, "", "<b@x>", "<b@x>", b"", b""), "sent"
        )
    summary = status(tmp_path, mail_settings(), date(2024, 2, 1))
    assert summary.lines == (("2024-01", 3, "ok", "degraded", 1, 0, 1, 1),)
    assert summary.problems == (
        "2024-01: ann@example.com may have it or not (the connection was lost). Ask, and where it did not arrive: "
        f"`retention-kit send {pack} --resend --to ann@example.com`.",
        f"2024-01: ben@example.com does not have it (the connection was lost): `retention-kit send {pack}`.",
    )


def test_status_is_not_red_for_who_is_no_longer_named(tmp_path):
    write_pack(tmp_path / "2024-01")
    with sending(tmp_path) as outbox:
        for series, address in (("a-en", "old@example.com"), ("owner/a", "ann@example.com")):
            row = outbox.queue(Key(series, "2024-01", address), 0, "", "<a@x>", "<a@x>", b"", b"")
            outbox.set(row, "failed", "550 no")
        outbox.set(outbox.queue(Key("a-en", "2024-01", "ann@example.com"), 0, "", "<a@x>", "<a@x>", b"", b""), "sent")
    summary = status(tmp_path, mail_settings("ann@example.com"), date(2024, 2, 1))
    assert summary == ((("2024-01", 1, "ok", "", 1, 1, 0, 0),), ())


def test_status_without_a_pack_names_the_missing_report(tmp_path):
    summary = status(tmp_path / "reports", make_settings({"report": {"every": "quarter"}}), date(2024, 4, 1))
    assert summary.lines == (("2024-Q1", 0, "", "", 0, 0, 0, 0),)
    assert "The report of 2024-Q1 is missing" in summary.problems[0]
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("day", "every", "period"),
    [
        ("2024-02-29", "month", "2024-01"),
        ("2024-03-01", "month", "2024-02"),
        ("2024-01-01", "week", "2023-W52"),
        ("2024-12-31", "year", "2023"),
        ("2024-04-01", "quarter", "2024-Q1"),
    ],
)
def test_what_is_over_is_expected(day, every, period):
    assert str(last_complete(date.fromisoformat(day), every)) == period


def test_a_ledger_that_is_broken_fails_and_sends_nothing(pack, mail_server, capsys):
    (pack.parent / "outbox").mkdir()
    (pack.parent / "outbox" / "ledger.sqlite").write_bytes(b"no ledger" * 200)
    for command in (["send", str(pack)], ["status"]):
        assert main(command) == 1
        assert "cannot be used: file is not a database" in output(capsys)[1]
    assert mail_server.handler.received == []


def test_preview_opens_the_message(project, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    packed = {"en": message(), "ar": message("ar", "هذا"), "en.country=France": message(text="France <b>")}
    pack = write_pack(project / "reports" / "2024-01", packed)
    for options, text in ((["--language", "ar"], "هذا"), (["--segment", "country=France"], "France"), ([], "45.6%")):
        assert main(["preview", str(pack), *options]) == 0
        page = Path(output(capsys)[0].strip())
        assert opened.pop() == page.as_uri()
        assert text in page.read_text("utf-8")
        (source,) = re.findall(r'src="([^"]+)"', page.read_text("utf-8"))
        assert (page.parent / source).is_file(), "the picture lies beside it"
        shutil.rmtree(page.parent)
    assert main(["preview", str(pack), "--language", "fr"]) == 2
    assert "has no such message" in output(capsys)[1]


def test_preview_shows_no_message_that_was_changed_and_runs_nothing(project, monkeypatch, capsys):
    monkeypatch.setattr(webbrowser, "open", lambda _: True)
    pack = write_pack(project / "reports" / "2024-01", {"en": message()})
    assert main(["preview", str(pack)]) == 0
    page = Path(output(capsys)[0].strip()).read_text("utf-8").lower()
    assert 0 < page.index("content-security-policy") < page.index("<body")
    assert "default-src 'none'" in page
    written = pack / "message.en.eml"
    written.write_bytes(written.read_bytes() + b"<script>")
    assert main(["preview", str(pack)]) == 1
    assert output(capsys)[1] == f"retention-kit: {written} is not what was written there: build the report again.\n"
