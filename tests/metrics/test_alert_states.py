"""States of alerts over the periods of the data: pending, firing, resolved, no data, and what a rule remembers."""

from datetime import date
from random import Random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import retention_kit as rk
from retention_kit.errors import SettingsError
from retention_kit.metrics.alerts.back_test import by_chance, firings_of
from retention_kit.metrics.alerts.conditions import rules
from retention_kit.metrics.alerts.evaluate import Point
from retention_kit.metrics.alerts.judge import Reader, alert_history, alert_states, judge
from retention_kit.metrics.alerts.states import states
from retention_kit.metrics.formulas import share
from retention_kit.metrics.insights import usual_value
from retention_kit.metrics.scorecard import first_periods
from retention_kit.periods import Period
from retention_kit.settings import Settings
from retention_kit.settings.alerts import Alert

LETTERS = {"ok": ".", "pending": "p", "firing": "F", "resolved": "r", "no data": "?"}
HOLDS = {"+": True, "-": False, "?": None}


def state_letters(when: str, reset: str = "", **keys) -> str:
    """The states of a condition that holds (+), does not (-) or has no data (?), a letter a period."""
    outcomes = [(str(at), HOLDS[sign], HOLDS[reset[at]] if reset else None) for at, sign in enumerate(when)]
    return "".join(LETTERS[state] for state, _ in states(outcomes, has_reset=bool(reset), **keys))


@pytest.mark.parametrize(
    ("when", "keys", "expected"),
    [
        ("-+-", {}, ".Fr"),
        ("-+++-+-", {"for_": 2}, ".pFFrp."),
        ("+?+++", {"for_": 2}, "p?pFF"),  # a period without data is none in a row
        ("-+?+?--", {}, ".F?F?r."),  # nor does it resolve
        ("?+", {}, "?F"),
        ("-+--++-", {"reset": "----+-+"}, ".FFFFFr"),
        ("-+-?-", {"reset": "-----"}, ".FF?F"),
        ("-+-", {"reset": "--?"}, ".F?"),
        ("-+-+-+-", {"cooldown": 2}, ".Frp.Fr"),
        ("-+-+++", {"cooldown": 2}, ".FrppF"),
        ("-+-+?+", {"cooldown": 2}, ".Frp?F"),
        ("-+-++-+++", {"for_": 2, "cooldown": 3}, ".p.pFrppp"),
    ],
)
def test_states_follow_what_the_condition_says(when, keys, expected):
    assert state_letters(when, **keys) == expected


def test_a_state_says_since_when():
    outcomes = [(str(at), HOLDS[sign], None) for at, sign in enumerate("--++?+--++")]
    since = [since for _, since in states(outcomes, 2)]
    assert since == ["0", "0", "2", "3", "4", "3", "6", "7", "8", "9"]


signs = st.text("+-?", max_size=30)


@given(signs, st.integers(1, 4))
def test_a_firing_begins_after_so_many_in_a_row_and_ends_with_the_first_that_fails(when, for_):
    is_firing, runs = False, ""
    for sign, state in zip(when, state_letters(when, for_=for_), strict=True):
        runs += sign
        if sign != "?":
            is_firing = sign == "+" and (is_firing or runs.endswith("+" * for_))
        assert state == ("?" if sign == "?" else "F" if is_firing else {"+": "p"}.get(sign, state))
        assert state != "F" or sign == "+"


@given(signs, st.integers(1, 3), st.integers(0, 4), st.data())
def test_firings_are_apart_and_resolve_by_reset_alone(when, for_, cooldown, data):
    reset = data.draw(st.text("+-?", min_size=len(when), max_size=len(when)))
    states = state_letters(when, reset, for_=for_, cooldown=cooldown)
    known = states.replace("?", "")
    assert "Fp" not in known
    assert "F." not in known
    assert not known.startswith("r")
    assert all(when[at] == "-" and reset[at] == "+" for at, state in enumerate(states) if state == "r")
    starts = [
        at for at, state in enumerate(states) if state == "F" and (states[:at].replace("?", "") or ".")[-1] != "F"
    ]
    for at, state in enumerate(states):
        if state == "r":
            assert all(later - at > cooldown for later in starts if later > at)


# Over data: the same as another computation.


def test_churn_of_the_sample_company_fires_as_a_second_computation_says(sample):
    moves = rk.customer_movements(sample).set_index("period")
    lost, start = moves["lost"][1:], moves["start"][1:]
    rate, z2 = lost / start, 1.959963984540054**2
    low = (rate + z2 / (2 * start) - (z2 * (rate * (1 - rate) / start + z2 / (4 * start**2))) ** 0.5) / (1 + z2 / start)
    for certain, holds in ((False, rate > 0.03), (True, (low > 0.03) & (start >= 30))):
        history = alert_history(sample, Alert("Churn", "customer_churn_rate > 3%", certain=certain))
        fires = pd.Series({state.period: state.state == "firing" for state in history})[moves.index[1:]]
        assert fires.equals(holds)
        begins = holds & ~holds.shift(1, fill_value=False)
        assert sorted({state.since for state in history if state.state == "firing"}) == [*begins[begins].index]
    assert (int((rate > 0.03).sum()), int((low > 0.03).sum())) == (30, 15)


def test_only_complete_periods_are_judged(sample):
    alert, periods = Alert("A", "revenue > 0"), ("2025-11", "2025-12")
    assert [alert_states(sample, Period.parse(period), [alert])[0].period for period in periods] == [*periods]
    early = rk.sample(as_of=date(2025, 12, 15))
    assert alert_states(early, None, [alert])[0].period == "2025-11"
    assert alert_states(early, Period.parse("2025-12"), [alert])[0].period == "2025-11"
    quarter = Alert("A", "revenue > 0", every="quarter")
    assert alert_states(early, Period.parse("2025-11"), [quarter])[0].period == "2025-Q3"


def test_the_state_now_is_the_last_of_the_history(sample):
    alert = Alert("A", "change(net_revenue) < 0 or lost_customers > usual(lost_customers)", for_=2)
    for period in ("2024-03", "2025-02", "2025-12"):
        (now,) = alert_states(sample, Period.parse(period), [alert])
        history = alert_history(sample, alert)
        assert now == next(state for state in history if state.period == period)


def test_functions_say_what_the_scorecard_says(sample):
    period = Period.parse("2025-06")
    rows = rk.scorecard(sample, periods="all", metrics=["repeat_purchase_rate"])
    row = rows[rows["period"] == str(period)].iloc[0]
    text = " or ".join(f"{name}(repeat_purchase_rate) < 0" for name in ("previous", "year_ago", "low", "high", "usual"))
    (state,) = alert_states(sample, period, [Alert("A", text + " or change(repeat_purchase_rate) < -100%")])
    values = {figure.left.function: figure.left for figure in state.figures}
    for name in ("year_ago", "previous", "low", "high", "change"):
        assert values[name].value == row[name]
    assert (values["change"].low, values["change"].high) == pytest.approx((row["change_low"], row["change_high"]))
    assert values["usual"].value == usual_value(rows, "repeat_purchase_rate", period)


def test_zeros_of_before_a_segment_value_begins_are_no_figures():
    """`app` begins in May: of January to April it has no figures, so what is usual for it is known from August on."""
    orders = pd.DataFrame(
        [
            (f"{channel}{month}", f"2025-{month:02}-10", amount, channel)
            for month in range(1, 10)
            for channel, amount in (("web", 100), ("app", 30 if month < 9 else 90))
            if channel == "web" or month >= 5
        ],
        columns=["customer_id", "ordered_at", "amount", "channel"],
    )
    data = rk.load(orders=orders, timezone="UTC", currency="EUR", segments=["channel"], as_of="2025-10-01")
    when = "revenue > 2 * usual(revenue)"
    for alert in (Alert("A", when, each="channel"), Alert("A", when, segment="channel=app")):
        by_period = {s.period[-2:]: s.state for s in alert_history(data, alert) if s.segment_value == "app"}
        assert [by_period.get(f"{month:02}", "no data") for month in range(1, 10)] == ["no data"] * 7 + ["ok", "firing"]
    starts = {value: str(period) for value, period in first_periods(data, "revenue", "month", "channel").items()}
    assert starts == {"": "2025-01", "web": "2025-01", "app": "2025-05"}


def test_each_value_has_a_state_and_is_judged_more_strictly(sample):
    each = Alert("A", "customer_churn_rate > 3%", each="channel")
    history = alert_history(sample, each)
    values = {state.segment_value for state in history}
    rows = rk.scorecard(sample, periods="all", metrics=["customer_churn_rate"], segment="channel")
    assert values == {*rows["segment_value"]} - {""}
    for value in values:
        alone = {
            state.period: state for state in alert_history(sample, Alert("A", each.when, segment=f"channel={value}"))
        }
        for state in (state for state in history if state.segment_value == value and state.figures):
            corrected, plain = state.figures[0].left, alone[state.period].figures[0].left
            assert corrected.value == plain.value
            assert state.state != "firing" or alone[state.period].state == "firing"
            if plain.low is not None and plain.low < plain.value:
                assert corrected.low < plain.low


@pytest.mark.parametrize(
    ("when", "reset", "counted"),
    [
        ("customer_churn_rate > 99%", None, 4),
        ("customer_churn_rate > 99% or net_promoter_score > 0", None, 4),  # those who nobody asked may fire as well
        ("not (customer_churn_rate < 1% and net_promoter_score < 0)", None, 4),
        ("customer_churn_rate > 99%", "net_promoter_score > 0", 4),  # what ends a firing begins none
        ("customer_churn_rate > 99% and net_promoter_score > 0", None, 1),
        ("not (customer_churn_rate < 1% or net_promoter_score < 0)", None, 1),
    ],
)
def test_values_are_counted_that_may_fire(when, reset, counted):
    """Of four channels one was asked; intervals are as wide as for that many comparisons."""
    orders = pd.DataFrame(
        [(f"{c}{n}", f"2026-0{month}-05", 1, c) for c in "abcd" for month in (1, 2) for n in range(40 * month, 120)],
        columns=["customer_id", "ordered_at", "amount", "channel"],
    )
    answers = pd.DataFrame({"customer_id": [f"a{n}" for n in range(80, 120)], "survey": "nps", "score": 9})
    data = rk.load(
        orders=orders, responses=answers.assign(responded_at="2026-02-07"), timezone="UTC", as_of="2026-03-01"
    )
    (rule,) = rules(data.settings, [Alert("A", when, reset=reset, each="channel")])
    reader, february = Reader(data), Period.parse("2026-02")
    expected = {4: 2.4977, 1: 1.9600}[counted] / 1.9600  # of the 99.375th and the 97.5th percentile
    assert reader.wider(rule, reader.periods(rule))[february.index] == pytest.approx(expected, abs=1e-4)


def test_chance_fires_one_of_many_values_as_seldom_as_the_whole():
    """Orders of customers who all leave alike: of a hundred histories of a column few have a firing."""
    import numpy as np

    draw, month, fired = np.random.default_rng(20), Period.parse("2026-03"), 0
    (rule,) = rules(Settings(), [Alert("A", "customer_churn_rate > 10%", each="channel")])
    wider = {month.index: 3.0233 / 1.96}  # of the 99.875th percentile: 5% over twenty values
    for _ in range(100):
        shares = [share(float(draw.binomial(400, 0.10)), 400, "") for _ in range(20)]
        points = [{"customer_churn_rate": {month.index: Point(share.value, share.low, share.high)}} for share in shares]
        fired += any(state.state == "firing" for point in points for state in judge(rule, "x", point, [month], wider))
    assert fired <= 8


def test_what_the_data_lack_is_no_data_with_the_reason():
    orders = pd.DataFrame({"customer_id": ["a", "b"], "ordered_at": ["2026-01-05", "2026-03-31"], "amount": [5, 6]})
    data = rk.load(orders=orders, timezone="UTC", as_of=date(2026, 4, 1))
    no_table, first, gap = alert_states(
        data,
        None,
        [Alert("A", "mrr > 1"), Alert("B", "year_ago(revenue) > 1"), Alert("C", "average_purchase_value > 1")],
    )
    assert no_table.state == first.state == "no data"
    assert "subscriptions" in no_table.reason
    assert first.reason == "There is no figure of that period."
    history = alert_history(data, gap.alert)
    assert [state.state for state in history] == ["ok", "no data", "ok"]  # of fewer than two there is no interval
    assert history[1].reason


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"each": "chanel"}, "alerts.A.each: There is no segment column 'chanel': did you mean 'channel'"),
        ({"segment": "channel=wep"}, "alerts.A.segment: There is no channel 'wep' in the data: did you mean 'web'"),
    ],
)
def test_a_segment_that_is_not_there_is_refused(sample, keys, message):
    with pytest.raises(SettingsError, match=message):
        alert_states(sample, None, [Alert("A", "revenue > 1", **keys)])


# Figures by hand: the fold of one rule, and its back-test.

FIRST = Period.parse("2025-01", "month")


def series(*points: Point | None) -> dict[str, dict[int, Point]]:
    """Churn from January 2025 on; None is a period without a row."""
    return {"customer_churn_rate": {FIRST.index + at: point for at, point in enumerate(points) if point is not None}}


def test_a_value_that_is_gone_is_told_of_only_while_its_alert_fires():
    (rule,) = rules(Settings(), [Alert("A", "customer_churn_rate > 5%", each="country")])
    high, low = Point(0.09), Point(0.01)
    periods = [FIRST.shift(at) for at in range(8)]
    states = list(judge(rule, "FR", series(None, low, None, high, None, None, low, None), periods, {}))
    assert [(state.period, LETTERS[state.state], state.is_held) for state in states] == [
        ("2025-02", ".", False),
        ("2025-04", "F", False),
        ("2025-05", "?", True),
        ("2025-06", "?", True),
        ("2025-07", "r", False),
    ]


def test_chance_fires_as_often_as_the_interval_says():
    (rule,) = rules(Settings(), [Alert("A", "customer_churn_rate > 5%")])
    figures, draws = series(*[Point(0.05, 0.03, 0.07, n=400, unit="fraction")] * 40), Random(20)
    periods = [FIRST.shift(at) for at in range(40)]
    histories = [list(judge(rule, "", by_chance(figures, draws), periods, {})) for _ in range(100)]
    often = sum(state.state == "firing" for history in histories for state in history) / 4000
    assert 0.018 < often < 0.034  # one side of 95%
    assert sum(len(firings_of(history)) for history in histories) / 4000 <= often


def test_a_change_by_chance_is_that_of_the_figures_drawn():
    points = [Point(0.05, 0.03, 0.07, change=0.01, change_low=-0.02, change_high=0.04, n=400, unit="fraction")] * 3
    drawn = by_chance(series(*points), Random(20))["customer_churn_rate"]
    for index in (FIRST.index + 1, FIRST.index + 2):
        point, before = drawn[index], drawn[index - 1]
        assert point.change == pytest.approx(point.value - before.value)
        assert (point.change_low, point.change_high) == pytest.approx((point.change - 0.03, point.change + 0.03))


def test_the_key_of_a_rule_is_the_same_in_every_version():
    """It is in ledgers: another text for the same rule would tell of every firing once more."""
    alert = Alert(
        "A", "customer_churn_rate > 5% and not change(mrr) >= 2 * usual(mrr)", for_=2, reset="mrr > 1", cooldown=1
    )
    assert rules(Settings(), [alert])[0].digest == "6a20955723f8699d"
