"""Subscribers: which renewals they come to and miss, how long they stay, what is expected of them, who is at risk."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

import oracle_members
import retention_kit as rk
from pencil import table
from retention_kit.data.sample import truth
from retention_kit.errors import DataError
from retention_kit.metrics.forecasts.lists import risk_lists
from retention_kit.metrics.forecasts.lives import lives
from retention_kit.metrics.forecasts.members import back_test, back_test_at, rows
from retention_kit.metrics.forecasts.members_lists import next_renewal
from retention_kit.metrics.forecasts.renewal_model import (
    RenewalGroups,
    _by_renewal,
    _factor_covariance,
    deviation,
    fit_renewals,
    fit_tenure,
)
from retention_kit.metrics.formulas import wilson
from retention_kit.metrics.queries.memberships import (
    listed_members,
    renewals,
    renewals_and_after,
    survival_times,
)
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.views import run_query
from retention_kit.periods import Period

CUT = date(2024, 7, 1)
# What happens to whom, and what stands of them: interval, outcome, whole months (weeks, days).
SPELLS = """
customer_id  started_at  ended_at    amount  interval  status     trial_ends_at
on time      2024-01-10  2024-04-10  10      month     cancelled  -
a day late   2024-01-10  2024-04-11  10      month     cancelled  -
mid-month    2024-01-10  2024-04-25  10      month     cancelled  -
runs         2024-01-31  -           10      month     active     -
by year      2023-05-20  2024-05-20  120     year      cancelled  -
quarter      2024-01-05  -           30      quarter   active     -
week         2024-06-03  2024-06-17  5       week      cancelled  -
day          2024-06-20  2024-06-24  1       day       cancelled  -
upgrade      2024-01-15  2024-03-15  10      month     active     -
upgrade      2024-03-15  -           20      month     active     -
to year      2024-01-15  2024-03-15  10      month     active     -
to year      2024-03-15  -           120     year      active     -
two at once  2024-01-01  2024-03-01  10      month     cancelled  -
two at once  2024-02-01  -           10      month     active     -
pause        2024-01-08  2024-03-08  10      month     active     -
pause        2024-03-08  2024-05-08  10      month     paused     -
pause        2024-05-08  -           10      month     active     -
is paused    2024-01-08  2024-06-08  10      month     active     -
is paused    2024-06-08  -           10      month     paused     -
year pauses  2023-05-20  2024-05-20  120     year      active     -
year pauses  2024-05-20  -           10      month     paused     -
came back    2024-01-12  2024-02-12  10      month     cancelled  -
came back    2024-05-12  -           10      month     active     -
never paid   2024-01-12  2024-01-26  10      month     trialing   2024-01-26
later        2024-08-01  -           10      month     active     -
"""
STANDS = {
    "on time": [("month", "lost", 2)],  # came to the third renewal and did not make it
    "a day late": [("month", "lost", 2)],  # still at the third
    "mid-month": [("month", "lost", 3)],  # in the fourth month, so at the fourth
    "runs": [("month", "member", 5)],  # June has no 31st: its last day counts
    "by year": [("year", "lost", 11)],
    "quarter": [("quarter", "member", 5)],
    "week": [("week", "lost", 1)],
    "day": [("day", "lost", 3)],
    "upgrade": [("month", "member", 5)],
    "to year": [("month", "kept", 2), ("year", "member", 3)],
    "two at once": [("month", "member", 5)],
    "pause": [("month", "member", 5)],
    "is paused": [("month", "kept", 5)],
    "year pauses": [("year", "kept", 13)],  # whatever interval the pause names
    "came back": [("month", "lost", 0), ("month", "member", 1)],
    "never paid": [],
    "later": [],
}


def outcomes(data, cut: date = CUT) -> dict[str, list[tuple[str, str, int]]]:
    """What the query says of each customer, each being a segment value of its own."""
    frame = renewals(data, cut, "who")
    by_value: dict[str, list[tuple[str, str, int]]] = {}
    for row in frame.itertuples():
        by_value.setdefault(row.segment_value, []).append((row.billed, row.outcome, row.units))
    return by_value


@pytest.fixture(scope="module")
def data():
    spells = table(SPELLS)
    frame = spells.assign(subscription_id=[str(index) for index in range(len(spells))], who=spells["customer_id"])
    return rk.load(subscriptions=frame, timezone="UTC", currency="GBP", segments=["who"], as_of="2024-09-01")


def test_renewals_by_hand(data):
    assert outcomes(data) == {name: rows for name, rows in STANDS.items() if rows}


@pytest.mark.parametrize("at", ["2024-01-01", "2024-02-26", "2024-02-29", "2024-05-15", "2024-09-01"])
def test_one_pass_over_all_dates_says_what_a_query_of_one_date_does(at, data):
    """Also of a week's end, and of dates in mid-month; months count to the last day of a shorter one."""
    cut = date.fromisoformat(at)
    expected = renewals_and_after(data, cut, 1).drop(columns=["gone", "months_paid", "paid"])
    pd.testing.assert_frame_equal(renewals(data, cut), expected)


def test_what_happens_after_the_date_changes_nothing(data):
    spells = table(SPELLS)
    known = spells[spells["started_at"] < str(CUT)]
    frame = known.assign(subscription_id=[str(index) for index in range(len(known))], who=known["customer_id"])
    earlier = rk.load(subscriptions=frame, timezone="UTC", currency="GBP", segments=["who"], as_of=CUT)
    assert outcomes(earlier) == outcomes(data)


def test_survival_times_by_hand(data):
    """First paid until first lost; a pause is no loss, and who came back had left."""
    frame = survival_times(data, CUT, "who").set_index("segment_value")
    times = {name: (row["months"], bool(row["lost"])) for name, row in frame.iterrows()}
    assert times == {
        "on time": (3, True),
        "a day late": (3, True),
        "mid-month": (4, True),
        "runs": (5, False),
        "by year": (12, True),
        "quarter": (5, False),
        "week": (1, True),
        "day": (1, True),
        "upgrade": (5, False),
        "to year": (5, False),
        "two at once": (5, False),
        "pause": (5, False),
        "is paused": (5, False),
        "year pauses": (13, False),
        "came back": (1, True),
    }


@pytest.mark.parametrize(("ends", "anniversary"), [("2024-03-10", 10), ("2024-03-24", 24)])
def test_renewals_count_from_the_day_on_which_subscriptions_end(ends, anniversary):
    """After a trial some shops bill from its end, others from the start: what has ended says which."""
    data = rk.load(
        subscriptions=table(f"""
            customer_id  started_at  ended_at  amount  trial_ends_at
            a            2024-01-10  {ends}    10      2024-01-24
            b            2024-01-10  -         10      2024-01-24
        """),
        timezone="UTC", currency="GBP", as_of="2024-05-15",
    )  # fmt: skip  # the table as on paper
    frame = renewals(data, date(2024, 5, 15)).set_index("outcome")
    assert frame.loc["member", "units"] == (4 if anniversary == 10 else 3)


def test_the_members_are_the_customers_who_pay_with_their_mrr(sample):
    data = sample
    movements, mrr = rk.customer_movements(data).set_index("period"), rk.mrr_movements(data).set_index("period")
    for period in ("2023-06", "2024-12", "2025-12"):
        frame = renewals(data, Period.parse(period).end)
        members = frame[frame["outcome"] == "member"]
        assert members["customers"].sum() == movements.loc[period, "end"]
        assert members["mrr"].sum() == pytest.approx(mrr.loc[period, "end"], abs=1e-6)


def test_expectation_by_hand():
    """Half leave at each renewal: a monthly member halves every month, a yearly one when the year is over."""
    frame = pd.DataFrame({
        "billed": ["month", "year"], "outcome": ["member", "member"], "units": [0, 9], "customers": [1, 1],
        "mrr": [1.0, 1.0],
    })  # fmt: skip
    alike = RenewalGroups(frame)
    lost = pd.DataFrame({
        "billed": ["month", "month", "year", "year"], "outcome": ["lost", "kept", "lost", "kept"],
        "units": [0, 1, 11, 12], "customers": [10**7] * 4, "mrr": [0.0] * 4,
    })  # fmt: skip
    model = fit_renewals(RenewalGroups(lost))
    survival = model.survival(alike, 4)
    assert survival[0] == pytest.approx([0.5, 0.25, 0.125, 0.0625], abs=1e-5)
    assert survival[1] == pytest.approx([1, 1, 0.5, 0.5], abs=1e-5)
    assert len(model.warnings) == 2
    assert "Billed by the month: only the first renewal is known" in model.warnings[0]


def test_the_plain_rule_by_hand():
    """Of a hundred thousand one in ten leaves in the first month, of the others half in the second."""
    frame = pd.DataFrame({
        "billed": ["month"] * 3, "outcome": ["lost", "lost", "member"], "units": [0, 1, 2],
        "customers": [10_000, 45_000, 45_000], "mrr": [0.0, 0.0, 1.0],
    })  # fmt: skip
    rule = fit_tenure(RenewalGroups(frame))
    assert rule.survival[:3] == pytest.approx([1, 0.9, 0.45], abs=1e-3)
    new = RenewalGroups(frame.iloc[[2]].assign(units=0))
    assert rule.loss_chances(new, 2) == pytest.approx([0.55], abs=1e-3)


def test_hazards_of_the_sample_company_are_found_again(sample):
    """Of 36 monthly hazards, before 2025 changes them, at least 33 lie inside their interval."""
    alike = RenewalGroups(renewals(sample, date(2025, 1, 1)))
    exposed, lost, group = _by_renewal(alike)
    monthly, plans = alike.intervals[group[:, 0]] == "month", alike.values[0][group[:, 1]]
    known, inside = truth().set_index(["name", "group"])["value"], 0
    for renewal in range(1, 13):
        for plan in ("Basic", "Plus", "Pro"):
            chosen = monthly & (plans == plan)
            low, high = wilson(lost[chosen, renewal - 1].sum(), exposed[chosen, renewal - 1].sum())
            inside += low <= known[f"leaving_at_month_{renewal}", plan] <= high
    assert inside >= 33


def test_the_sample_companys_leavers_are_foreseen(sample):
    """Made on 2025-01-01 for six months: at least 3% below the plain rule's Brier score, as many leavers as there were."""
    test = back_test_at(sample, date(2025, 1, 1), 6)
    comparison = test.comparison
    assert comparison.model.brier <= 0.97 * comparison.plain.brier
    assert comparison.model.auc > comparison.plain.auc
    predicted = sum(group.customers * group.predicted for group in comparison.bins)
    assert 0.9 <= predicted / comparison.gone <= 1.1
    assert 0.9 <= test.money[0] / test.money[1] <= 1.1


def test_verdict_of_the_sample_company(sample):
    data = sample
    test = back_test(data, Period.parse("2025-12"))
    assert (test.verdict, test.history) == ("better", 35)
    assert back_test(data, Period.parse("2023-12")).verdict == "short"


def test_segments_sum_to_the_whole_and_a_year_is_worth_less_than_its_mrr(sample):
    data = sample
    (whole,) = rows(data, Period.parse("2025-12"), None)
    parts = rows(data, Period.parse("2025-12"), "plan")
    for name in ("customers", "purchases", "value", "at_risk", "at_stake"):
        assert sum(part[name] for part in parts) == pytest.approx(whole[name], rel=1e-12)
    mrr = rk.mrr_movements(data)["end"].iloc[-1]
    assert 0 < whole["low"] < whole["value"] < whole["high"] < 12 * mrr


def test_too_few_who_left_are_refused_in_a_sentence(data):
    (row,) = rows(data, Period.parse("2024-06"), None)
    assert row["value"] is None
    assert row["customers"] == 7
    assert row["reason"] == "Fewer than 20 subscriptions have ended, which is too few to project from."


@pytest.mark.parametrize(("month", "has_interval"), [("2024-01", False), ("2024-02", True)])
def test_an_interval_that_would_reach_anywhere_is_none(month, has_interval):
    """Where all who came to their first renewal were lost, nobody knows how many of the others will be."""
    ends = ["2024-01-25"] * 25 + ["2024-02-15"] * 100 + [None] * 475
    subscriptions = pd.DataFrame(
        {"customer_id": range(600), "started_at": "2024-01-20", "ended_at": ends, "amount": 10}
    )
    period = Period.parse(month)
    (row,) = rows(rk.load(subscriptions=subscriptions, as_of=period.end), period, None)
    assert row["value"] > 0
    assert (row["low"] is not None, row["high"] is not None) == (has_interval, has_interval)
    assert not has_interval or row["value"] / 10 <= row["low"] < row["high"] <= row["value"] * 10


def test_saved_summaries_hold_what_was_asked_and_no_more(sample, tmp_path):
    from retention_kit.metrics.snapshot import load_snapshot, save_snapshot

    data, period = sample, Period.parse("2025-12")
    expected = lives(data, period, None), back_test(data, period)
    save_snapshot(data, tmp_path / "summaries")
    saved = load_snapshot(tmp_path / "summaries")
    assert (lives(saved, period, None), back_test(saved, period)) == expected
    with pytest.raises(DataError, match="hold no forecast of 2025-11 by whole"):
        lives(saved, Period.parse("2025-11"), None)


def test_simulated_members_are_found_again():
    """A monthly plan drawn from a known curve, and a channel that leaves twice as often."""
    rng = np.random.default_rng(4)
    n, renewal = 20_000, np.arange(24)
    twice = rng.random(n) < 0.5
    chance = np.minimum(rng.beta(1.0, 9.0, n) * np.where(twice, 2.0, 1.0), 1.0)
    leaves = rng.random((n, len(renewal))) < chance[:, None]
    left = leaves.any(axis=1)
    units = np.where(left, leaves.argmax(axis=1), len(renewal))
    frame = pd.DataFrame(
        {"units": units, "outcome": np.where(left, "lost", "member"), "trait_0": np.where(twice, "b", "a")}
    )
    frame = frame.groupby(["units", "outcome", "trait_0"]).size().rename("customers").reset_index()
    alike = RenewalGroups(frame.assign(billed="month", mrr=1.0))
    model = fit_renewals(alike)
    exposed, lost, _ = _by_renewal(alike)
    share = lost.sum(axis=0) / exposed.sum(axis=0)
    assert model.curves["month"].hazard(np.arange(1, 25)) == pytest.approx(share, abs=0.02)
    assert model.factors[0]["b"] / model.factors[0]["a"] == pytest.approx(
        (lost[1].sum() / exposed[1].sum()) / (lost[0].sum() / exposed[0].sum()), rel=0.15
    )


def test_what_chance_does_to_the_factors_of_a_trait():
    """Of 60 monthly losses 40 are of a and 20 of b: the variance of either is 40 × 20 / 60, over (40 + 20)² and
    (20 + 20)². All 30 yearly losses are of c, which leaves nothing to chance.
    """
    spread = _factor_covariance(np.array([40.0, 20.0, 30.0]), np.array([0, 1, 2]), np.array([0, 0, 1]))
    dealt = 40 * 20 / 60
    expected = [[dealt / 60**2, -dealt / 60 / 40, 0], [-dealt / 60 / 40, dealt / 40**2, 0], [0, 0, 0]]
    assert spread == pytest.approx(np.array(expected), abs=1e-15)


def test_the_interval_is_as_wide_as_chance_for_the_whole_and_for_each_plan():
    """Against a bootstrap: the curves alone would leave a plan's interval a third too narrow."""
    rng = np.random.default_rng(11)
    n = 900
    plan = np.array(["a", "b", "c"], object)[np.arange(n) % 3]
    leaves = rng.random((n, 24)) < rng.beta(1.0, 12.0, n)[:, None]
    left = leaves.any(axis=1) & (leaves.argmax(axis=1) < (seen := rng.integers(2, 24, n)))
    units = np.where(left, leaves.argmax(axis=1), seen)
    frame = pd.DataFrame({"units": units, "outcome": np.where(left, "lost", "member"), "trait_0": plan})
    frame = frame.groupby([*frame]).size().rename("customers").reset_index().assign(billed="month", mrr=1.0)
    members = RenewalGroups(frame[frame["outcome"] == "member"].assign(mrr=lambda rows: rows["customers"]))
    worth, groups = np.ones(12), ((members.traits[0], 3), (np.zeros(len(members.mrr), int), 1))

    def logs(model) -> np.ndarray:
        money = members.mrr * (model.survival(members, 12) @ worth)
        return np.log(np.concatenate([np.bincount(labels, money, size) for labels, size in groups]))

    model = fit_renewals(RenewalGroups(frame))
    predicted = np.concatenate([deviation(model, members, worth, labels, size) for labels, size in groups])
    draws = [frame.assign(customers=rng.poisson(frame["customers"])) for _ in range(120)]
    seen_in = np.std([logs(fit_renewals(RenewalGroups(sample[sample["customers"] > 0]))) for sample in draws], axis=0)
    assert predicted == pytest.approx(seen_in, rel=0.25)
    alone = [np.zeros_like(spread) for spread in model.spreads]
    narrow = deviation(replace(model, spreads=tuple(alone)), members, worth, *groups[0])
    assert (narrow < 0.85 * predicted[:3]).all()


def test_the_list_names_those_who_are_counted(sample):
    """As many as the metric says, the most MRR at stake first; who stood on the list a month before is not new."""
    period = Period.parse("2025-12")
    frame = risk_lists(sample, period, ["channel"])["at_risk"]
    (whole,) = rows(sample, period, None)
    assert (len(frame), frame.attrs["in_all"]) == (100, whole["at_risk"])
    assert frame["mrr_at_stake"].is_monotonic_decreasing
    chance = frame["probability_of_leaving_12_months"]
    assert (frame["mrr"] * chance).to_numpy() == pytest.approx(frame["mrr_at_stake"].to_numpy(), abs=0.01)
    before = {*risk_lists(sample, period.shift(-1))["at_risk"]["customer_id"]}
    assert frame["new_on_list"].tolist() == [customer not in before for customer in frame["customer_id"]]
    web = risk_lists(sample, period, ["channel"], ("channel", "web"))["at_risk"]
    part = next(row for row in rows(sample, period, "channel") if row["segment_value"] == "web")
    assert (len(web), {*web["channel"]}) == (part["at_risk"], {"web"})
    assert web["mrr_at_stake"].sum() == pytest.approx(part["at_stake"])
    known = run_query(sample, "SELECT customer_id FROM levels WHERE mrr > 0", Granularity("month"), None, ["levels"])
    assert {*frame["customer_id"]} <= {*known["customer_id"]}


@pytest.mark.parametrize(
    ("billed", "started", "renews"),
    [
        ("month", "2023-12-31", "2024-06-30"),
        ("quarter", "2024-02-10", "2024-08-10"),
        ("year", "2022-06-04", "2024-06-04"),
        ("week", "2024-05-01", "2024-06-05"),
        ("day", "2024-05-01", "2024-06-01"),
    ],
)
def test_the_next_renewal_is_the_first_that_has_not_come(billed, started, renews):
    """As of 2024-06-01: a month without a 31st renews on its last day."""
    row = pd.DataFrame(
        {"customer_id": ["a"], "started_at": [started], "ended_at": [None], "amount": [10], "interval": [billed]}
    )
    data = rk.load(subscriptions=row, timezone="UTC", currency="GBP", as_of="2024-06-01")
    kinds = renewals(data, data.as_of)[["billed", "units"]].assign(leaving=0.5, chance=0.1, usual=0.05)
    kinds = kinds.rename(columns={"units": "kind_units"})
    (member,) = listed_members(data, data.as_of, None, None, kinds, "mrr", 9).itertuples()
    assert str(next_renewal(member.billed, member.units, member.anchored)) == renews


def test_a_second_calculation_agrees(sample):
    """Customer by customer, with another fit: the same members, value and customers at risk."""
    spells = run_query(
        sample,
        "SELECT customer_id, started_at, paid_from, paid_until, mrr, status, billed, _row FROM subscriptions",
    )
    period = Period.parse("2025-12")
    at = period.index
    query = f"SELECT customer_id, value FROM customer_values WHERE from_period <= {at} AND until_period > {at}"
    for column in ("plan", "channel"):
        values = run_query(sample, query, Granularity("month"), column).set_index("customer_id")["value"]
        spells[column] = spells["customer_id"].map(values).astype(object).fillna("(none)")
    value, at_risk, at_stake = oracle_members.forecast(oracle_members.times_of(spells, period.end))
    (whole,) = rows(sample, period, None)
    assert whole["value"] == pytest.approx(value, rel=1e-5)
    assert whole["at_risk"] == at_risk
    assert whole["at_stake"] == pytest.approx(at_stake, rel=1e-4)
