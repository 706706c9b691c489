"""`check` tells of goals, alerts and languages what a report would refuse, in the sentence of the report."""

import pytest

import retention_kit as rk
from retention_kit.cli import main
from retention_kit.errors import SettingsError
from retention_kit.metrics.alerts.judge import alert_states
from retention_kit.report.execution.plan import make_plan

SETTINGS = '[data]\norders = "orders.csv"\n[report]\ntimezone = "UTC"\ncurrency = "GBP"\n'
ORDERS = """customer_id,ordered_at,amount,country
A,2024-01-10,20,France
B,2024-01-12,30,Spain
A,2024-02-10,20,France
C,2024-02-11,25,Spain
A,2024-03-01,20,France
"""


def goal(more: str, metric: str = "customer_retention_rate") -> str:
    return f"[goals.{metric}]\n{more}\n"


def alert(when: str = "customer_churn_rate > 5%", more: str = "") -> str:
    return f'[[alerts]]\nname = "Many"\nwhen = "{when}"\nthen = ["notice"]\n{more}\n'


REFUSED = [
    goal("target = 0.4", "retention"),
    goal("target = 40"),
    goal('target = 0.4\nsegment = "contry=France"'),
    goal('target = 0.4\nsegment = "country=Frence"'),
    goal('target = 0.4\nsegment = "country"'),
    alert("customer_chrn_rate > 5%"),
    alert("customer_churn_rate >> 5%"),
    alert("customer_churn_rate > 5"),
    alert("customer_churn_rate > goal(customer_churn_rate)"),
    alert(more='reset = "churn < 1%"'),
    alert(more='each = "contry"'),
    alert(more='segment = "country=Frence"'),
    'languages = ["xx"]',
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.csv").write_text(ORDERS, "utf-8")
    return tmp_path


def read_for_a_report() -> None:
    """What a report reads before it is built: its plan, its figures, and where its alerts stand."""
    data = rk.load("retention.toml")
    make_plan(data, None, None, None, None, None, (), None, False)
    rk.scorecard(data)
    alert_states(data)


@pytest.mark.parametrize("settings", REFUSED)
def test_what_a_report_would_refuse_is_told_in_the_same_sentence(folder, settings, capsys):
    (folder / "retention.toml").write_text(SETTINGS + settings, "utf-8")
    with pytest.raises(SettingsError) as error:
        read_for_a_report()
    assert main(["check"]) == 2
    out, err = capsys.readouterr()
    assert err == f"retention-kit: {error.value}\n"
    assert "Data from 2024-01-10" in out, "what was found in the data is told all the same"
    assert main(["check", "--rows"]) == 0, "who asks for rows gets them"


@pytest.mark.parametrize(
    "settings",
    [
        "",
        goal('target = "40%"\nsegment = "country=France"\nby = "2024-12"'),
        goal('target = 0.4\n[[alerts]]\nname = "A"\nwhen = "customer_retention_rate < goal(customer_retention_rate)"'),
        alert(more='each = "country"'),
        alert(more='segment = "country=Spain"\nreset = "customer_churn_rate < 2%"'),
        '[[goals]]\nid = "site"\nkind = "yes/no"\nobjective = "A new site"\nby = "2024-06"\n',
    ],
)
def test_what_a_report_takes_is_passed(folder, settings, capsys):
    (folder / "retention.toml").write_text(SETTINGS + settings, "utf-8")
    read_for_a_report()
    assert main(["check"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "goals." not in out
    assert "alerts." not in out


def test_goals_and_alerts_without_data_are_named_as_in_the_report(folder, capsys):
    settings = goal("target = 500", "mrr") + alert("customer_churn_rate > 5% or quick_ratio < 1")
    (folder / "retention.toml").write_text(SETTINGS + settings, "utf-8")
    assert main(["check"]) == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Warning: ")]
    reason = "needs subscriptions, and the data hold none."
    assert warnings == [f"Warning: goals.mrr: It {reason}", f"Warning: alerts.Many: Quick ratio: it {reason}"]
    assert main(["goals"]) == 0
    assert f"It {reason}" in capsys.readouterr().out
    assert main(["alerts"]) == 0
    assert f"Quick ratio: it {reason}" in capsys.readouterr().out


def test_before_a_period_is_over_no_value_is_missed(folder, capsys):
    """A report does not look for a value in data of no complete period, so nor does `check`."""
    (folder / "orders.csv").write_text("".join(ORDERS.splitlines(keepends=True)[:3]), "utf-8")
    (folder / "retention.toml").write_text(SETTINGS + alert(more='segment = "country=Italy"'), "utf-8")
    read_for_a_report()
    assert main(["check"]) == 0
    assert capsys.readouterr().err == ""
