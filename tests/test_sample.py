"""The sample company: the same on every run, the size it says, and the story it says."""

import hashlib
import os
import subprocess
import sys
from itertools import pairwise

import pandas as pd
import pytest

from retention_kit.data import sample

FINGERPRINTS = {  # change the sample on purpose only: every printed figure changes with it
    "orders": "c69917b701d358f2",
    "subscriptions": "9e3ad18b41d740c1",
    "responses": "8693452e0b573dcf",
}


def fingerprint(table: pd.DataFrame) -> str:
    return hashlib.sha256(table.to_csv(index=False, lineterminator="\n").encode()).hexdigest()[:16]


@pytest.fixture(scope="module")
def raw() -> dict[str, pd.DataFrame]:
    return sample.sample_tables()


@pytest.fixture(scope="module")
def orders(raw) -> pd.DataFrame:
    """Readable orders, once each."""
    table = raw["orders"].drop_duplicates()
    ordered_at, amount = (
        pd.to_datetime(table["ordered_at"], errors="coerce"),
        pd.to_numeric(table["amount"], errors="coerce"),
    )
    return table.assign(ordered_at=ordered_at, amount=amount).dropna(subset=["ordered_at", "amount"])


@pytest.fixture(scope="module")
def spells(raw) -> pd.DataFrame:
    """Possible spells, once each."""
    table = raw["subscriptions"].drop_duplicates()
    times = ["started_at", "ended_at", "trial_ends_at"]
    table = table.assign(**{name: pd.to_datetime(table[name]) for name in times})
    return table[~(table["ended_at"] < table["started_at"])]


@pytest.fixture(scope="module")
def responses(raw) -> pd.DataFrame:
    """Readable, possible answers, once each."""
    table = raw["responses"].drop_duplicates()
    scale = {survey.name: (survey.low, survey.high) for survey in sample.SURVEYS}
    low, high = (table["survey"].map({name: ends[end] for name, ends in scale.items()}) for end in (0, 1))
    table = table.assign(responded_at=pd.to_datetime(table["responded_at"], errors="coerce"))
    return table[table["score"].between(low, high)].dropna(subset="responded_at")


def lost(spells: pd.DataFrame) -> pd.Series:
    """Whether a paid monthly spell ended in leaving."""
    return spells["status"].eq("cancelled") & ~spells["ended_at"].eq(spells["trial_ends_at"])


def monthly_churn(spells: pd.DataFrame) -> float:
    """Members lost per month of membership, monthly plans only."""
    paid = spells[(spells["interval"] == "month") & spells["status"].isin(["active", "cancelled"])]
    paid = paid[~paid["ended_at"].eq(paid["trial_ends_at"])]
    months = (paid["ended_at"].fillna(sample.AS_OF) - paid["started_at"]).dt.days.sum() / 30.4
    return lost(paid).sum() / months


def nps(scores: pd.Series) -> float:
    return 100 * ((scores >= 9).mean() - (scores <= 6).mean())


# --- the same on every run ------------------------------------------------------------------------------------------


def test_same_bytes_in_every_process(raw):
    assert {name: fingerprint(table) for name, table in raw.items()} == FINGERPRINTS
    code = "import sys, retention_kit.data.sample as s; [t.to_csv(sys.stdout) for t in s.sample_tables().values()]"
    environment = os.environ | {"PYTHONHASHSEED": "3", "TZ": "Asia/Tokyo"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "".join(table.to_csv(lineterminator="\n") for table in raw.values())


def test_calls_are_independent_and_seeds_differ(raw):
    again = sample.sample_tables()
    again["orders"].loc[:, "amount"] = "0"
    for name, table in sample.sample_tables().items():
        pd.testing.assert_frame_equal(table, raw[name])
    assert not sample.sample_tables(seed=8)["orders"].equals(raw["orders"])


# --- size and shape -------------------------------------------------------------------------------------------------


def test_tables_have_the_columns_of_the_data_model(raw):
    assert {name: list(table) for name, table in raw.items()} == {
        "orders": ["customer_id", "order_id", "ordered_at", "amount", "refund_of", "country", "channel"],
        "subscriptions": [
            *["customer_id", "subscription_id", "started_at", "ended_at", "amount", "interval", "plan"],
            *["trial_ends_at", "cancel_reason", "status"],
        ],
        "responses": ["customer_id", "responded_at", "survey", "score", "comment"],
    }


def test_size(raw):
    assert raw["orders"]["customer_id"].nunique() == sample.CUSTOMERS == 4_000
    assert 19_000 < len(raw["orders"]) < 21_000
    assert 2_800 < len(raw["subscriptions"]) < 3_200
    assert 5_990 < len(raw["responses"]) < 6_030
    assert raw["orders"]["customer_id"].isna().mean() == pytest.approx(0.02, abs=0.003)  # guests
    assert raw["orders"][["country", "channel"]].nunique().to_dict() == {"country": 5, "channel": 4}


def test_everything_happens_within_the_three_years(orders, spells, responses):
    for times in (orders["ordered_at"], spells["started_at"], spells["ended_at"], responses["responded_at"]):
        times = times.dropna()
        assert times.between(sample.OPENED, sample.AS_OF, inclusive="left").all()
        assert times.dt.hour.between(7, 21).all()  # never in the hour that a change of the clocks skips or repeats
    assert orders["ordered_at"].max() >= pd.Timestamp("2025-12-31")  # so that as_of is 2026-01-01


def test_ids_agree_between_tables(raw, orders):
    known = set(raw["orders"]["customer_id"].dropna())
    assert set(raw["subscriptions"]["customer_id"]) <= known
    assert set(raw["responses"]["customer_id"].dropna()) <= known
    assert set(orders["refund_of"].dropna()) <= set(raw["orders"]["order_id"])
    assert orders["order_id"].is_unique
    assert raw["orders"]["order_id"].str.fullmatch(r"[OR]\d{6}").all()
    assert raw["subscriptions"].groupby("subscription_id")["customer_id"].nunique().eq(1).all()


# --- what happens in it ---------------------------------------------------------------------------------------------


def test_spells_of_a_subscription_follow_each_other(raw):
    spells = raw["subscriptions"].drop_duplicates()
    plans, prices = [plan.name for plan in sample.PLANS], {plan.name: plan.price for plan in sample.PLANS}
    seen = set()
    for _, chain in spells.groupby("subscription_id"):
        for before, after in pairwise(chain.itertuples()):
            assert before.ended_at == after.started_at
            if before.plan != after.plan:
                seen.add("upgrade" if plans.index(after.plan) > plans.index(before.plan) else "downgrade")
            else:
                assert "paused" in (before.status, after.status)
                seen.add("pause")
    assert seen == {"upgrade", "downgrade", "pause"}
    assert (spells["amount"] == spells["plan"].map(prices) * spells["interval"].map({"month": 1, "year": 10})).all()


def test_trials_paid_and_unpaid_and_members_who_return(spells):
    trials = spells.dropna(subset="trial_ends_at")
    unpaid = trials["ended_at"] == trials["trial_ends_at"]
    assert unpaid.mean() == pytest.approx(1 - sample.TRIALS_PAID, abs=0.05)
    assert (trials["status"] == "trialing").equals(trials["trial_ends_at"] >= sample.AS_OF)
    assert spells.loc[~spells["status"].eq("cancelled"), "cancel_reason"].isna().all()
    assert set(spells["cancel_reason"].dropna()) == set(sample.REASONS)

    gap = spells["started_at"] - spells.groupby("customer_id")["ended_at"].shift()
    assert (gap > pd.Timedelta(days=50)).sum() > 50  # reactivations


def test_refunds_name_an_order_or_none(orders):
    paid_back = orders[orders["amount"] < 0].merge(
        orders[["order_id", "customer_id", "amount", "ordered_at"]],
        how="left",
        left_on="refund_of",
        right_on="order_id",
        suffixes=("", "_of"),
    )
    named = paid_back.dropna(subset="amount_of")
    assert len(named) > 400
    assert 20 < paid_back["refund_of"].isna().sum() <= sample.GOODWILL
    assert (-named["amount"] <= named["amount_of"]).all()
    assert 0.5 < (-named["amount"] == named["amount_of"]).mean() < 0.7  # some refunds are partial
    assert (named["ordered_at"] > named["ordered_at_of"]).all()


def test_every_kind_of_dirty_row_is_there(raw):
    orders, subscriptions, responses = raw.values()
    assert {name: int(table.duplicated().sum()) for name, table in raw.items()} == sample.COPIED
    assert set(sample.UNREADABLE_DATES) <= set(orders["ordered_at"])
    assert set(sample.UNREADABLE_DATES) <= set(responses["responded_at"])
    assert set(sample.UNREADABLE_AMOUNTS) <= set(orders["amount"])
    assert (subscriptions["ended_at"] < subscriptions["started_at"]).sum() >= sample.ENDED_TOO_EARLY
    for survey in sample.SURVEYS:
        scores = responses.loc[responses["survey"] == survey.name, "score"]
        assert set(scores[~scores.between(survey.low, survey.high)]) == set(sample.IMPOSSIBLE_SCORES[survey.name])


# --- the story ------------------------------------------------------------------------------------------------------


def test_november_and_december_are_the_peak(orders):
    monthly = orders[orders["amount"] > 0].groupby([orders["ordered_at"].dt.year, orders["ordered_at"].dt.month]).size()
    for year in (2023, 2024, 2025):
        assert set(monthly[year].nlargest(2).index) == {11, 12}
    assert monthly[2024][1] < monthly[2023][12] * 0.7


def test_spend_is_heavy_tailed(orders):
    spend = orders.loc[orders["amount"] > 0, "amount"]
    assert spend.mean() > 1.2 * spend.median()
    assert spend.max() > 8 * spend.median()


def test_dearer_plans_lose_fewer_members(spells):
    churn = {plan.name: monthly_churn(spells[spells["plan"] == plan.name]) for plan in sample.PLANS}
    assert churn["Basic"] > churn["Plus"] > churn["Pro"]


def test_leaving_becomes_rarer_with_tenure(spells):
    first = spells[(spells["interval"] == "month")].groupby("customer_id").first()
    months = (first["ended_at"].fillna(sample.AS_OF) - first["started_at"]).dt.days / 30.4
    left = lost(first)

    def hazard(begin: int, end: int) -> float:
        return (left & months.between(begin, end, inclusive="left")).sum() / (months.clip(begin, end) - begin).sum()

    assert hazard(0, 4) > hazard(4, 12) > hazard(12, 36)


def test_the_marketplace_loses_more_and_scores_less(orders, spells, responses):
    channel = orders.dropna(subset="customer_id").groupby("customer_id")["channel"].first()
    churn = spells.groupby(spells["customer_id"].map(channel)).apply(monthly_churn)
    assert churn.idxmax() == "marketplace"
    assert churn["marketplace"] > 1.3 * churn.drop("marketplace").max()
    answers = responses[responses["survey"] == "nps"]
    score = answers.groupby(answers["customer_id"].map(channel))["score"].apply(nps)
    assert score["marketplace"] < score.drop("marketplace").min() - 20


def test_the_last_year_is_better(spells, responses):
    def churn(year: int) -> float:
        begin, end = pd.Timestamp(year, 1, 1), pd.Timestamp(year + 1, 1, 1)
        paying = spells[
            spells["status"].isin(["active", "cancelled"]) & ~spells["ended_at"].eq(spells["trial_ends_at"])
        ]
        paying = paying[(paying["started_at"] < end) & ~(paying["ended_at"] < begin)]
        days = (paying["ended_at"].fillna(end).clip(upper=end) - paying["started_at"].clip(lower=begin)).dt.days.sum()
        return (lost(paying) & (paying["ended_at"] < end)).sum() / days

    assert churn(2025) < 0.9 * churn(2024)
    answers = responses[responses["survey"] == "nps"]
    score = answers.groupby(answers["responded_at"].dt.year)["score"].apply(nps)
    assert score[2025] > score[2024] + 5


def test_members_about_to_leave_score_lower(spells, responses):
    ends = spells.loc[lost(spells), ["customer_id", "ended_at"]].groupby("customer_id")["ended_at"].last()
    answers = responses[responses["survey"] == "nps"].dropna(subset="customer_id")
    left = answers["customer_id"].map(ends) - answers["responded_at"]
    leaving = left.between(pd.Timedelta(0), pd.Timedelta(days=90))
    assert leaving.sum() > 50
    assert nps(answers.loc[leaving, "score"]) < nps(answers.loc[~leaving, "score"]) - 25
