"""`retention-kit alerts`: states, back-tests and tests of rules, with their exit codes."""

import json
from pathlib import Path

import pytest

from retention_kit.cli import main

ORDERS = "customer_id,ordered_at,amount,country\n" + "\n".join(
    f"c{number},2026-{month:02}-15,10,{'FR' if number % 2 else 'DE'}"
    for month, buyers in enumerate([50, 50, 50, 10, 10, 50], 1)
    for number in range(buyers)
)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder with a shop's orders; call it with alerts to write its settings."""
    monkeypatch.chdir(tmp_path)
    Path("orders.csv").write_text(ORDERS)

    def write(*alerts: str) -> None:
        text = '[data]\norders = "orders.csv"\n[report]\ntimezone = "UTC"\nas_of = 2026-07-01\n'
        Path("retention.toml").write_text(text + "".join(f"[[alerts]]\n{alert}\n" for alert in alerts))

    return write


LOST = 'name = "Lost"\nwhen = "customer_churn_rate > 50%"\nthen = ["exit", "notice"]\nowner = "Ann"'


def test_states_are_printed_and_a_firing_alert_ends_with_three_if_asked_to(shop, capsys):
    shop(LOST)
    assert main(["alerts"]) == 0
    assert main(["alerts", "--period", "2026-04"]) == 3
    shop(LOST.replace('"exit", ', ""))
    assert main(["alerts", "--period", "2026-04"]) == 0
    printed = capsys.readouterr().out
    assert "Customer churn 80.00% (66.96% to 88.76%), alert when above 50%" in printed
    assert "firing" in printed
    assert "Ann" in printed


def test_states_are_printed_as_json(shop, capsys):
    shop(LOST, 'name = "By country"\nwhen = "lost_customers >= 20"\neach = "country"')
    assert main(["alerts", "--period", "2026-04", "--json"]) == 3
    states = json.loads(capsys.readouterr().out)
    assert [(state["alert"], state["segment"], state["state"], state["since"]) for state in states] == [
        ("Lost", "", "firing", "2026-04"),
        ("By country", "country=DE", "firing", "2026-04"),
        ("By country", "country=FR", "firing", "2026-04"),
    ]
    left = states[0]["figures"][0]["left"]
    assert (left["metric"], left["value"], left["unit"]) == ("customer_churn_rate", 0.8, "fraction")


def test_a_back_test_names_each_firing_and_what_chance_would_give(shop, capsys):
    shop(LOST, 'name = "Revenue"\nwhen = "revenue < 90% * previous(revenue)"')
    assert main(["alerts", "--backtest"]) == 0
    printed = capsys.readouterr().out
    assert "Lost: 1 firing in 6 periods; had its figures kept their mean, chance alone would give 0.0." in printed
    assert "Revenue: 1 firing in 6 periods; sums and counts have no sampling error" in printed
    assert "With the data as they stand now, known up to 2026-07-01 (exclusive)." in printed
    assert main(["alerts", "--backtest", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert results[0]["firings"] == [
        {"segment_value": "", "first": "2026-04", "last": "2026-04", "resolved": "2026-05"}
    ]
    assert results[1]["by_chance"] is None


@pytest.mark.parametrize("when", ["net_promoter_score < 20 or {}", "{} or change(mrr) < -5", "{} or low(mrr) < 3"])
def test_what_holds_without_a_figure_that_there_is_not_fires(shop, capsys, when):
    shop(f'name = "Either"\nwhen = "{when.format("revenue > 5")}"\nthen = ["exit"]')
    assert main(["alerts"]) == 3
    printed = capsys.readouterr().out
    assert "Revenue 500.00, alert when above 5" in printed
    assert "Net promoter score" not in printed, "what does not hold is not why it fires"
    assert main(["alerts", "--backtest"]) == 0


def test_without_alerts_it_says_so(shop, capsys):
    shop()
    assert main(["alerts"]) == 0
    assert "hold no [[alerts]]" in capsys.readouterr().err


def test_a_wrong_condition_is_refused_with_its_place(shop, capsys):
    shop('name = "A"\nwhen = "revenue > 1 or revnue < 2"')
    assert main(["alerts"]) == 2
    assert (
        "alerts.A.when: at character 16, there is no metric 'revnue': did you mean 'revenue'?"
        in capsys.readouterr().err
    )
    assert main(["metrics"]) == 2


# Tests of rules.

RULES = """
[[alerts]]
name = "Churn"
when = "customer_churn_rate > 5%"
for = 2
"""
SERIES = """
[[tests]]
alert = "Churn"
name = "two months in a row"
first = "2025-11"
figures.customer_churn_rate = ["4%", 0.06, "7%", "no data", {value = "6%", low = "4%", high = "8%"}]
"""


def run(tmp_path, text: str) -> int:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    return main(["alerts", "--test", str(file)])


def test_rules_that_do_as_expected_pass(tmp_path, capsys):
    states = 'states = ["ok", "pending", "firing", "no data", "resolved"]'
    assert run(tmp_path, RULES + SERIES + states) == 0
    assert run(tmp_path, RULES + SERIES + 'firings = ["2026-01"]') == 0
    assert capsys.readouterr().out == "passed  two months in a row\n" * 2


def test_what_differs_is_shown_period_by_period(tmp_path, capsys):
    states = 'states = ["ok", "firing", "firing", "no data", "resolved"]'
    assert run(tmp_path, RULES + SERIES + states) == 1
    printed = capsys.readouterr().out
    assert "FAILED  two months in a row" in printed
    marked = [line.split() for line in printed.splitlines() if line.lstrip().startswith(">")]
    assert [line[1:4] for line in marked] == [["2025-12", "firing", "pending,"]]
    assert run(tmp_path, RULES + SERIES + "firings = []") == 1


def test_rules_are_those_of_the_settings_where_the_file_has_none(shop, tmp_path, capsys):
    shop(LOST)
    series = '[[tests]]\nalert = "Lost"\nfigures.customer_churn_rate = ["40%", "60%"]\nstates = ["ok", "firing"]'
    assert run(tmp_path, series) == 0
    assert capsys.readouterr().out == "passed  Lost\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('alert = "Churn"', 'alert = "Chrn"', "number 1: there is no alert 'Chrn': did you mean 'Churn'?"),
        ("figures.customer_churn_rate", "figures.mrr", "the alert asks for no 'mrr'"),
        ("0.06", "6", 'figures.customer_churn_rate[1].value cannot be 6, as a rate is a part of 1: write 0.06 or "6%"'),
        ("0.06", "true", "cannot be True"),
        ('low = "4%", ', "", "low and high both or neither"),
        ('high = "8%"', 'high = "5%"', "has to lie between low and high"),
        ('"no data",', "", "as many figures of each metric"),
        ("2025-11", "2025-13", "number 1: '2025-13' is not a period"),
        ('"pending"', '"waiting"', "there is no state 'waiting'"),
        ("states =", "stats =", "has no key 'stats': did you mean 'states'?"),
        ("states = [", 'firings = ["2026-01"]\nstates = [', "give states or firings"),
        ("[[tests]]", "[[test]]", "there is no key 'test': did you mean 'tests'?"),
        ("> 5%", "> 5", "alerts.Churn.when: at character 23"),
    ],
)
def test_a_wrong_file_of_tests_is_one_sentence(tmp_path, capsys, old, new, message):
    states = 'states = ["ok", "pending", "firing", "no data", "resolved"]'
    text = RULES + SERIES + states
    assert old in text
    assert run(tmp_path, text.replace(old, new, 1)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("retention-kit: rules.toml: ")
    assert error.count("\n") == 1
