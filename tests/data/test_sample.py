"""The sample company: the same on every run, the size it says, and the story it says."""

import hashlib
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.data import sample

FINGERPRINTS = {  # change the sample on purpose only: every printed figure changes with it
    "orders": "c69917b701d358f2",
    "subscriptions": "9e3ad18b41d740c1",
    "responses": "2daea0fb995d0408",
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


def test_the_sample_has_its_size(raw):
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
    spells = raw["subscriptions"].drop_duplicates().sort_values("subscription_id", kind="stable")
    plans, prices = [plan.name for plan in sample.PLANS], {plan.name: plan.price for plan in sample.PLANS}
    seen = set()
    for before, after in pairwise(spells.itertuples()):
        if before.subscription_id != after.subscription_id:
            continue
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
    lost_at = lost(first)

    def hazard(begin: int, end: int) -> float:
        return (lost_at & months.between(begin, end, inclusive="left")).sum() / (months.clip(begin, end) - begin).sum()

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
    remaining = answers["customer_id"].map(ends) - answers["responded_at"]
    leaving = remaining.between(pd.Timedelta(0), pd.Timedelta(days=90))
    assert leaving.sum() > 50
    assert nps(answers.loc[leaving, "score"]) < nps(answers.loc[~leaving, "score"]) - 25


# --- the truth ------------------------------------------------------------------------------------------------------
# Estimates from the raw tables lie within four standard errors of what the tables were drawn from.


@pytest.fixture(scope="module")
def truth() -> pd.Series:
    return sample.truth().set_index(["name", "group"])["value"]


@pytest.fixture(scope="module")
def first_orders(orders) -> pd.DataFrame:
    """The first purchase of each customer; customers arrive with it."""
    return orders[orders["amount"] > 0].dropna(subset="customer_id").groupby("customer_id").first()


@pytest.fixture(scope="module")
def terms(spells) -> pd.DataFrame:
    """Paid spells with what came of their renewals: `renewals` faced, the last of which may have ended the spell.

    `left` and, by the spell that follows, `paused` or `changed` (to `next_plan`) say how; else it runs or moved on.
    """
    last_month = 12 * 2025 + 11  # renewals up to December 2025 are known
    began, ended = (12 * spells[name].dt.year + spells[name].dt.month - 1 for name in ("started_at", "ended_at"))
    months = ended.fillna(last_month) - began
    after = spells.groupby("subscription_id").shift(-1)
    renewed = spells["status"].eq("active") & spells["ended_at"].notna()
    return spells.assign(
        month=began - 12 * 2023,
        renewals=(months // spells["interval"].map({"month": 1, "year": 12})).astype(int),
        left=lost(spells),
        paused=renewed & after["status"].eq("paused"),
        changed=renewed & after["status"].ne("paused"),
        next_plan=after["plan"],
    )[~spells["ended_at"].eq(spells["trial_ends_at"]) & spells["status"].isin(["active", "cancelled"])]


def assert_near(estimate: float, true: float, error: float, what: object = "") -> None:
    assert abs(estimate - true) < 4 * error, f"{what}: {estimate:.4f}, not {true:.4f} ± {4 * error:.4f}"


def assert_share(true: float, part: float, whole: float, what: str = "") -> None:
    assert_near(part / whole, true, (true * (1 - true) / whole) ** 0.5, what)


def assert_shares(truth: pd.Series, name: str, values: pd.Series) -> None:
    """Of categories, each of its share."""
    assert set(values) == set(truth[name].index)
    for group, share in truth[name].items():
        assert_share(share, (values == group).sum(), len(values), group)


def points(scores: pd.Series) -> pd.Series:
    return 100.0 * ((scores >= 9).astype(int) - (scores <= 6).astype(int))


def test_the_truth_is_tidy():
    frame = sample.truth()
    assert list(frame) == ["name", "group", "value", "what"]
    assert not frame.duplicated(["name", "group"]).any()
    assert frame.notna().all(axis=None)
    for name in ("channel_share", "country_share", "joined", "plan_share", "reason_share", "survey_share"):
        assert frame.loc[frame["name"] == name, "value"].sum() == pytest.approx(1), name
    assert frame.loc[frame["name"] == "season", "value"].mean() == pytest.approx(1)


def test_one_channel_leaves_as_the_textbook_says(monkeypatch):
    """A shifted beta-geometric alone: b in the hazard grows by one at each renewal, a / (a + b + n - 1)."""
    monkeypatch.setattr(sample, "CHANNELS", (sample.Channel("all", 1, leaving=1, mood=0),))
    for renewal in (1, 2, 12):
        assert sample._hazard((0.9, 9.0), renewal) == pytest.approx(0.9 / (9.9 + renewal - 1), rel=1e-4)


def test_customers_arrive_as_drawn(truth, first_orders):
    assert_shares(truth, "channel_share", first_orders["channel"])
    assert_shares(truth, "country_share", first_orders["country"])
    assert_shares(truth, "joined", first_orders["ordered_at"].dt.year.astype(str))


def test_the_season_is_as_drawn(truth, first_orders):
    """Arrivals of one year follow the season alone; purchases in all also follow the number of customers."""
    season = truth["season"].to_numpy()
    days = pd.date_range("2023-01-01", periods=12, freq="MS").days_in_month.to_numpy()
    counts = first_orders["ordered_at"].dt.month.value_counts()
    for month, share in enumerate(season * days / (season * days).sum(), start=1):
        assert_share(share, counts[month], len(first_orders), str(month))


def test_customers_buy_again_as_drawn(truth, orders):
    bought = orders[(orders["amount"] > 0) & orders["customer_id"].notna()].sort_values("ordered_at")
    times = bought.groupby("customer_id")["ordered_at"]
    first, second = times.nth(0), times.nth(1)
    first, second = (part.set_axis(bought.loc[part.index, "customer_id"]) for part in (first, second))
    gap = second.reindex(first.index) - first
    old = first < pd.Timestamp(sample.AS_OF) - pd.Timedelta(days=365)
    assert_share(
        truth["repeats_within_a_year", ""], (old & (gap < pd.Timedelta(days=365))).sum(), old.sum(), "within a year"
    )

    # The rate: first repeats over their exposure in log(1 + t / alpha), the hazard of a gamma mixture.
    def clock(times: pd.Series) -> np.ndarray:
        days = (times.dt.normalize() - pd.Timestamp(sample.OPENED)).dt.days
        hours = (times - times.dt.normalize()).dt.total_seconds() / 3600
        return np.interp(days + (hours - 7) / 15, np.arange(len(sample._clock())), sample._clock())

    alpha = sample.PURCHASE_RATE[1]
    until = clock(second.reindex(first.index).fillna(pd.Timestamp(sample.AS_OF)))
    repeats = len(second)
    rate = repeats / np.log1p((until - clock(first)) / alpha).sum() / alpha
    assert_near(rate, truth["purchases_a_day", ""], rate / repeats**0.5, "purchases a day")


def test_spend_is_as_drawn(truth, orders, first_orders):
    between, within = truth["spend_between", ""], truth["spend_within", ""]
    spread, count = np.hypot(between, within), len(first_orders)
    median = np.log(first_orders["amount"]).median()
    assert_near(median, np.log(truth["spend_median", ""]), 1.2533 * spread / count**0.5, "median")
    bought = orders[(orders["amount"] > 0) & orders["customer_id"].notna()]
    log = np.log(bought["amount"])
    residuals = log - log.groupby(bought["customer_id"]).transform("mean")
    freedom = len(residuals) - bought["customer_id"].nunique()
    assert_near((residuals**2).sum() / freedom, within**2, within**2 * (2 / freedom) ** 0.5, "within")
    apart = np.log(first_orders["amount"]).var() - (residuals**2).sum() / freedom
    assert_near(apart, between**2, spread**2 * (2 / count) ** 0.5, "between")


def test_refunds_are_as_drawn(truth, orders):
    eligible = orders[(orders["amount"] > 0) & (orders["ordered_at"] < "2025-12-01")]  # paid within three weeks
    refunded = eligible["order_id"].isin(orders["refund_of"])
    assert_share(truth["refunded", ""], refunded.sum(), len(eligible))
    paid = orders.dropna(subset="refund_of").merge(orders, left_on="refund_of", right_on="order_id")
    assert_share(truth["refunded_in_full", ""], (paid["amount_x"] == -paid["amount_y"]).sum(), len(paid))


def test_members_begin_as_drawn(truth, spells):
    first = spells.groupby("customer_id").first()
    assert_shares(truth, "plan_share", first["plan"])
    assert_share(truth["paid_yearly", ""], (first["interval"] == "year").sum(), len(first))
    assert_share(truth["trial", ""], first["trial_ends_at"].notna().sum(), len(first))
    ended = first[first["trial_ends_at"] < sample.AS_OF]
    assert_share(truth["trial_paid", ""], (ended["ended_at"] != ended["trial_ends_at"]).sum(), len(ended))


@pytest.fixture(scope="module")
def renewals(terms, truth) -> pd.DataFrame:
    """By plan and monthly renewal, up to the first month in which fewer leave: members due, who left, how many should."""
    first = terms.groupby("customer_id").first()
    first = first[first["interval"] == "month"]
    rows = []
    for plan, members in first.groupby("plan"):
        for renewal in range(1, 13):
            due = members[(members["renewals"] >= renewal) & (members["month"] + renewal <= 24)]
            number_left = (due["left"] & (due["renewals"] == renewal)).sum()
            chance = truth[f"leaving_at_month_{renewal}", plan]
            rows.append((plan, renewal, number_left, len(due) * chance, len(due) * chance * (1 - chance)))
    return pd.DataFrame(rows, columns=["plan", "renewal", "left", "expected", "variance"])


def test_members_leave_at_their_renewals_as_drawn(renewals):
    """Each plan and renewal, the plans, the renewals, and all together, which is the sharpest."""
    every = renewals.assign(every="")
    for keys in (["plan", "renewal"], ["plan"], ["renewal"], ["every"]):
        for group, part in every.groupby(keys):
            assert_near(part["left"].sum(), part["expected"].sum(), part["variance"].sum() ** 0.5, group)
    assert renewals["left"].sum() > 250


def test_members_leave_after_a_year_as_drawn(truth, terms):
    first = terms.groupby("customer_id").first()
    due = first[(first["interval"] == "year") & (first["renewals"] >= 1) & (first["month"] + 12 <= 24)]
    leavers = due["left"] & (due["renewals"] == 1)
    chance = due["plan"].map(truth["leaving_at_year_1"])
    assert_near(leavers.sum(), chance.sum(), (chance * (1 - chance)).sum() ** 0.5, "after a year")


def test_members_pause_change_and_return_as_drawn(truth, terms):
    renewed = terms["renewals"] - terms["left"]
    monthly = terms["interval"] == "month"
    assert_share(truth["pause", ""], terms["paused"].sum(), renewed[monthly].sum(), "pauses")
    middle = terms["plan"] == "Plus"
    for interval, chance in truth["plan_change"].items():
        eligible = middle & (terms["interval"] == interval)
        assert_share(chance, (eligible & terms["changed"]).sum(), (renewed - terms["paused"])[eligible].sum(), interval)
    changed = terms[middle & terms["changed"]]
    assert_share(truth["upgrade", ""], (changed["next_plan"] == "Pro").sum(), len(changed), "upgrades")

    leavers = terms[terms["left"] & (terms["ended_at"] < "2025-05-01")]  # whoever comes back does so by December
    last_start = terms.groupby("customer_id")["started_at"].max()
    returned = leavers["customer_id"].map(last_start) > leavers["ended_at"]
    assert_share(truth["return", ""], returned.sum(), len(leavers), "returns")


def test_reasons_and_answers_are_as_drawn(truth, spells, responses):
    cancelled = spells[spells["status"] == "cancelled"]
    assert_share(truth["reason_given", ""], cancelled["cancel_reason"].notna().sum(), len(cancelled))
    assert_shares(truth, "reason_share", cancelled["cancel_reason"].dropna())
    assert_shares(truth, "survey_share", responses["survey"])
    assert_share(truth["anonymous", ""], responses["customer_id"].isna().sum(), len(responses))


@pytest.fixture(scope="module")
def answers(orders, spells, responses) -> pd.DataFrame:
    """NPS answers before 2025 of which the tables tell whether the customer was about to leave, one a customer."""
    nps = responses[(responses["survey"] == "nps") & (responses["responded_at"] < "2025-01-01")]
    nps = nps.dropna(subset="customer_id").sort_values("responded_at")
    bought = orders[(orders["amount"] > 0) & orders["customer_id"].notna()].groupby("customer_id")
    ends = spells.loc[spells["status"] == "cancelled", ["customer_id", "ended_at"]].sort_values("ended_at")
    rows = pd.merge_asof(
        nps,
        ends,
        left_on="responded_at",
        right_on="ended_at",
        by="customer_id",
        direction="forward",
        tolerance=sample.LEAVING_SOON,
    )
    rows["leaving"] = rows["ended_at"].notna()
    buys_again = rows["customer_id"].map(bought["ordered_at"].max()) > rows["responded_at"]
    rows["channel"] = rows["customer_id"].map(bought["channel"].first())
    return rows[rows["leaving"] | buys_again].groupby(["customer_id", "leaving"], as_index=False).last()


@pytest.mark.parametrize("leaving", [False, True])
def test_answers_are_as_drawn(truth, answers, leaving):
    subset = answers[answers["leaving"] == leaving]
    true = truth["nps_leaving" if leaving else "nps_staying"]
    gap = points(subset["score"]) - subset["channel"].map(true)  # by channel, each against its own truth
    assert len(gap) > 60
    assert_near(gap.mean(), 0, gap.std() / len(gap) ** 0.5)


# --- the truth through the package's figures --------------------------------------------------------------------------


@pytest.mark.long
def test_the_report_finds_plans_and_channels_in_their_true_order(truth):
    months = [f"2024-{month:02}" for month in range(1, 13)]

    def churn(segment: str) -> pd.Series:
        rows = rk.scorecard(rk.sample(), periods=months, metrics=["customer_churn_rate"], segment=segment)
        parts = rows.groupby("segment_value")[["numerator", "denominator"]].sum()
        return parts["numerator"] / parts["denominator"]

    plans, channels = churn("plan"), churn("channel")
    for order in ("leaving_at_month_1", "leaving_at_month_6", "leaving_at_month_12"):
        names = truth[order].sort_values(ascending=False).index
        assert plans[names].is_monotonic_decreasing
    worst = {channel.name: channel.leaving for channel in sample.CHANNELS}
    assert channels.drop("").idxmax() == max(worst, key=worst.get)


def test_the_report_finds_that_leavers_are_less_content(truth, answers):
    data = rk.load(
        responses=answers[["responded_at", "survey", "score", "leaving"]], timezone=sample.TIMEZONE, as_of="2025-01-01"
    )
    rows = rk.scorecard(data, periods=["2023", "2024"], metrics=["net_promoter_score"], segment="leaving")
    rows = rows[rows["segment_value"] != ""].assign(weighted=lambda row: row["value"] * row["n"])
    totals = rows.groupby("segment_value")[["weighted", "n"]].sum()
    score = totals["weighted"] / totals["n"]
    effect, error = truth["nps_effect_of_leaving"].mean(), 85 * (1 / totals["n"]).sum() ** 0.5  # answers: ± 85 points
    assert_near(score["true"] - score["false"], effect, error)
    assert score["true"] - score["false"] < -25
