"""Telling of alerts: one message with all that is new to each, once, whatever fails on the way."""

from __future__ import annotations

import json
import os
from datetime import date
from email import message_from_bytes
from email.policy import SMTP

import pytest
from test_alert_events import history

from hook_server import SECRET, hook_server
from mailroom import PASSWORD, serving
from retention_kit.delivery.alert_events import KINDS, Event
from retention_kit.delivery.alert_messages import AlertNotice
from retention_kit.delivery.alert_targets import delivery_problems
from retention_kit.delivery.alerts import check_targets, deliver_alerts, firing_exits
from retention_kit.delivery.outbox import reading, sending
from retention_kit.delivery.smtp import VARIABLE
from retention_kit.errors import SettingsError
from retention_kit.periods import Period
from retention_kit.settings import make_settings
from retention_kit.wording import Words

pytestmark = [
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),
    pytest.mark.usefixtures("pauses"),
]

ANN, OPS, OWN = "ann@example.com", "slack:OPS", "own@example.com"
CLEVER = "<!channel> <b>\r\nBcc: e@example.com"


@pytest.fixture(scope="module")
def running():
    with serving() as mail_server, hook_server() as hooks:
        yield mail_server, hooks


@pytest.fixture
def mail_server(running):
    running[0].handler.__init__()
    return running[0]


@pytest.fixture
def hooks(running, monkeypatch):
    monkeypatch.setenv("RETENTION_KIT_WEBHOOK_OPS", running[1].url)
    running[1].__init__(running[1].url, running[1].context)
    return running[1]


def settings_of(*then: str, name: str = "Churn above plan", **alert):
    mail = {"from": "Reports <reports@example.com>", "owner": OWN, "link": "https://intranet.example.com/r"}
    rule = {
        "name": name,
        "when": "customer_churn_rate > 5%",
        "then": list(then or [f"mail:Ann Lee <{ANN}>", OPS.lower()]),
    }
    return make_settings({"report": {"company": "Example Ltd"}, "mail": mail, "alerts": [rule | alert]})


class AlertRuns:
    """Whoever calls `run` each morning."""

    def __init__(self, folder, mail_server, settings=None):
        self.folder, self.mail_server, self.settings = folder, mail_server, settings or settings_of()

    def run(self, pattern: str, figures: str = "", **more):
        """What became of each message, by recipient."""
        (alert,) = self.settings.alerts
        hooks, server = check_targets(self.settings, self.mail_server.server)
        histories = [(alert, history(pattern, figures, alert=alert, **more))]
        with sending(self.folder) as outbox:
            deliveries = deliver_alerts(outbox, histories, self.settings, hooks, server, date(2026, 1, 1))
        return {delivery.target: delivery.state for delivery in deliveries}

    @property
    def mails(self):
        return [message_from_bytes(envelope.content, policy=SMTP) for envelope in self.mail_server.handler.received]


@pytest.fixture
def runs(tmp_path, mail_server, hooks):
    assert hooks.received == []
    return AlertRuns(tmp_path, mail_server)


def text_of(message, kind: str = "plain") -> str:
    return message.get_body((kind,)).get_content()


def test_each_hears_once_that_it_fires_and_once_that_it_is_resolved(runs, hooks):
    deliveries = [runs.run(pattern) for pattern in ("..", "..x", "..x", "..xx", "..xx.", "..xx.")]
    sent = {ANN: "sent", OPS: "sent"}
    assert deliveries == [{}, sent, {}, {}, sent, {}]
    assert [str(mail["Subject"]) for mail in runs.mails] == [
        "Churn above plan: firing – Example Ltd",
        "Churn above plan: resolved – Example Ltd",
    ]
    assert [request.payload["text"].splitlines()[0] for request in hooks.received] == [
        str(mail["Subject"]) for mail in runs.mails
    ]


def test_the_mail_says_what_was_seen_and_where_to_look(runs):
    runs.run("..")
    runs.run("..x")
    (mail,) = runs.mails
    assert str(mail["To"]) == f"Ann Lee <{ANN}>"
    assert str(mail["From"]) == "Reports <reports@example.com>"
    assert str(mail["Auto-Submitted"]) == "auto-generated"
    assert mail["List-Unsubscribe"] is None
    for kind in ("plain", "html"):
        text = text_of(mail, kind)
        for words in (
            "Churn above plan: firing",
            "It began in March 2025.",
            "6.00%",
            "above 5%",
            "https://intranet.example.com/r",
        ):
            assert words in text, (kind, words)
    assert "<style" in text_of(mail, "html"), "in the look of the report's"


def test_what_ends_answers_what_began(runs):
    for pattern in ("..", "..x", "..x."):
        runs.run(pattern)
    first, second = runs.mails
    assert str(second["In-Reply-To"]) == str(first["Message-ID"])
    assert str(first["Message-ID"]) != str(second["Message-ID"])


def test_all_that_is_new_is_in_one_message(tmp_path, mail_server, hooks):
    runs = AlertRuns(tmp_path, mail_server, settings_of(f"mail:{ANN}", OPS, each="country"))
    (alert,) = runs.settings.alerts
    channels, server = check_targets(runs.settings, mail_server.server)
    parts = [state for value in ("France", "Spain") for state in history("..x", alert=alert, value=value)]
    with sending(tmp_path) as outbox:
        deliver_alerts(outbox, [(alert, parts)], runs.settings, channels, server, date(2026, 1, 1))
    (mail,), (request,) = runs.mails, hooks.received
    assert str(mail["Subject"]) == "Churn above plan, country=France: firing, and 1 more – Example Ltd"
    assert "Churn above plan, country=Spain: firing" in text_of(mail)
    assert request.payload["text"].count("•") == 2


def test_missing_data_are_reported_to_the_owner_once(runs, hooks):
    for pattern in ("..", "..x", "..x?", "..x??", "..x??x"):
        runs.run(pattern)
    assert runs.mail_server.handler.recipients == [ANN, OWN]
    assert len(hooks.received) == 1
    assert "No customers." in text_of(runs.mails[1])
    assert str(runs.mails[1]["Subject"]).startswith("Churn above plan: no data")


def test_revised_data_are_one_note(runs):
    for pattern, figures in (
        ("..", "44"),
        ("..x", "446"),
        ("..x", "447"),
        ("..x", "448"),
        ("...", "444"),
        ("...", "444"),
    ):
        runs.run(pattern, figures)
    subjects = [str(mail["Subject"]).partition(" – ")[0] for mail in runs.mails]
    assert subjects == [f"Churn above plan: {word}" for word in ("firing", "revised", "withdrawn")]


def test_every_kind_of_event_has_its_words():
    words, (alert,) = Words(), settings_of().alerts
    (state,) = history("x", alert=alert)
    for kind in KINDS:
        message = AlertNotice([Event(kind, "2024-12", state)], settings_of(), words, date(2026, 1, 1)).message()
        assert message.title.startswith("Churn above plan: ")
        assert "January 2025" in message.lines[0] or "December 2024" in message.lines[0]


def test_a_changed_rule_is_another(runs):
    for digest in ("a", "a", "b", "b"):
        runs.run("..x", digest=digest)
    assert len(runs.mails) == 2


def test_another_name_or_target_is_the_same_rule(tmp_path, mail_server, hooks):
    AlertRuns(tmp_path, mail_server, settings_of(f"mail:{ANN}")).run("..x")
    both = AlertRuns(tmp_path, mail_server, settings_of(f"mail:{ANN.upper()}", OPS, name="Churn"))
    assert both.run("..x") == {OPS: "sent"}, "who is new hears of it too"
    assert (len(both.mails), len(hooks.received)) == (1, 1)


def test_what_was_not_taken_comes_with_the_next_run(runs, hooks):
    runs.run("..")
    runs.mail_server.handler.rcpt = lambda *_: "451 later"
    hooks.reply = lambda _: (503, {}, b"")
    assert runs.run("..x") == {ANN: "queued", OPS: "queued"}
    assert runs.run("..x") == {ANN: "queued", OPS: "queued"}
    with reading(runs.folder) as outbox:
        problems = delivery_problems(outbox.rows(), runs.settings, Period.parse("2025-03"))
    assert sorted(problems) == [
        "Alerts of 2025-03: ann@example.com does not have them (451 later): `retention-kit run` tries again.",
        "Alerts of 2025-03: slack:OPS does not have them (slack:OPS answered 503 Service Unavailable): "
        "`retention-kit run` tries again.",
    ]
    hooks.received.clear()
    runs.mail_server.handler.rcpt, hooks.reply = (lambda *_: None), (lambda _: (200, {}, b"ok"))
    assert runs.run("..xx") == {ANN: "sent", OPS: "sent"}
    assert (len(runs.mails), len(hooks.received)) == (1, 1)
    assert runs.run("..xxx") == {}


def test_what_may_have_arrived_is_not_repeated(runs, hooks):
    runs.run("..")
    hooks.after = lambda _: True
    assert runs.run("..x") == {ANN: "sent", OPS: "unknown"}
    hooks.after = lambda _: False
    assert runs.run("..x") == {}
    assert len(hooks.received) == 1
    with reading(runs.folder) as outbox:
        (problem,) = delivery_problems(outbox.rows(), runs.settings, Period.parse("2025-03"))
        assert delivery_problems(outbox.rows(), runs.settings, Period.parse("2025-04")) == []
    assert problem.startswith("Alerts of 2025-03: slack:OPS may have them or not (slack:OPS was lost after")


def test_who_is_no_longer_named_is_waited_for_by_nobody(runs, hooks):
    hooks.reply = lambda _: (404, {}, b"")
    assert runs.run("..x")[OPS] == "failed"
    runs.settings = settings_of(f"mail:{ANN}")
    assert runs.run("..x") == {}


def test_a_message_that_is_lost_is_a_fault_and_no_end(runs):
    runs.mail_server.handler.rcpt = lambda *_: "451 later"
    runs.run("..x")
    (path,) = (runs.folder / "outbox").glob("*.eml")
    path.write_bytes(b"other")
    runs.mail_server.handler.rcpt = lambda *_: None
    assert runs.run("..x") == {ANN: "queued"}
    assert runs.mails == []


def test_no_secret_is_written(runs, hooks):
    hooks.reply = lambda _: (400, {}, hooks.url.encode())
    for pattern in ("..", "..x", "..x."):
        runs.run(pattern)
    written = b"".join(path.read_bytes() for path in runs.folder.rglob("*") if path.is_file())
    assert SECRET.encode() not in written
    assert PASSWORD.encode() not in written
    assert str(os.environ["RETENTION_KIT_WEBHOOK_OPS"]).encode() not in written


def test_names_in_the_data_are_text_in_mail_and_webhooks(tmp_path, mail_server, hooks):
    value = CLEVER.replace("\r\n", " ")
    runs = AlertRuns(tmp_path, mail_server, settings_of(f"mail:{ANN}", OPS, name="<!channel> *x* <b>", each="country"))
    runs.run("..x", value=value)
    (mail,) = runs.mails
    assert mail["Bcc"] is None
    assert "<!channel>" not in text_of(mail, "html")
    assert "&lt;b&gt;" in text_of(mail, "html")
    assert "<!channel>" not in json.dumps(hooks.received[0].payload, ensure_ascii=False)


def test_what_is_missing_is_said_first(monkeypatch):
    monkeypatch.delenv("RETENTION_KIT_WEBHOOK_OPS", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(SettingsError, match="set RETENTION_KIT_WEBHOOK_OPS to its URL"):
        check_targets(settings_of(OPS))
    with pytest.raises(SettingsError, match="No mail server is named"):
        check_targets(settings_of(f"mail:{ANN}"))
    nobody = make_settings({"alerts": [{"name": "a", "when": "mrr < 5", "then": ["notice", "exit"]}]})
    assert check_targets(nobody) == ({}, None)


@pytest.mark.parametrize(("pattern", "then", "names"), [
    ("..x", "exit", ("Churn above plan",)), ("..x.", "exit", ()), ("..x?", "exit", ()), ("..x", "notice", ()), ("", "exit", ())
])  # fmt: skip
def test_only_what_fires_now_sets_the_exit_code(pattern, then, names):
    (alert,) = settings_of(then).alerts
    assert firing_exits([(alert, history(pattern, alert=alert))]) == names
