"""The lifetime models: published figures, what has no answer, and that they recover what data were drawn from."""

from __future__ import annotations

import math
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.data.sample import PURCHASE_RATE
from retention_kit.errors import DataError, ModelError
from retention_kit.metrics.models import (
    BgNbd,
    GammaGamma,
    ShiftedBetaGeometric,
    fit_bg_nbd,
    fit_gamma_gamma,
    fit_sbg,
    fit_sbg_renewals,
    kaplan_meier,
    log_rank,
)
from retention_kit.metrics.models.bg_nbd import AliveChances


def bg_nbd(*parameters: float) -> BgNbd:
    return BgNbd(*parameters, 0.0, None, (), 0, 0)


def gamma_gamma(*parameters: float) -> GammaGamma:
    return GammaGamma(*parameters, 0.0, None, (), None)


def sbg(*parameters: float) -> ShiftedBetaGeometric:
    return ShiftedBetaGeometric(*parameters, 0.0, None, ())


def test_models_are_there_without_scipy():
    program = "import sys, retention_kit.metrics.models; print('scipy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False"]


# Published figures.


@pytest.fixture(scope="module")
def customers(cdnow) -> pd.DataFrame:
    return pd.read_csv(cdnow / "cdnow_customers_summary.csv")


@pytest.fixture(scope="module")
def cdnow_model(customers) -> BgNbd:
    return fit_bg_nbd(customers["frequency"], customers["recency"], customers["T"])


def test_bg_nbd_of_cdnow_is_as_published(vectors, customers, cdnow_model):
    expected, tolerance = vectors["PUB-12"]["expected"], vectors["PUB-12"]["tolerance"]
    fit = cdnow_model
    precise = dict(zip(("r", "alpha", "a", "b"), expected["mle_precise"], strict=True))
    for name, value in precise.items():
        assert getattr(fit, name) == pytest.approx(expected[name], abs=tolerance[name])
        assert getattr(fit, name) == pytest.approx(value, abs=1e-5)
    assert fit.log_likelihood == pytest.approx(expected["loglik_precise"], abs=1e-4)
    next_39_weeks = fit.expected_purchases(39, customers["frequency"], customers["recency"], customers["T"])
    assert next_39_weeks.sum() == pytest.approx(expected["sum_cet_39w"], abs=0.01)
    assert (fit.customers, fit.repeat_buyers, fit.warnings) == (2357, 946, ())


def test_calibration_of_cdnow(cdnow, customers, cdnow_model):
    """By repeat purchases so far, 0 to 7 and more: days with a purchase in the 39 weeks after September 1997."""
    names = ["master", "ID", "day", "discs", "amount"]
    log = pd.read_csv(cdnow / "CDNOW_sample.txt", sep=r"\s+", names=names)[["ID", "day"]].drop_duplicates()
    bought = log[log["day"] > 19970930].groupby("ID").size().reindex(customers["ID"], fill_value=0)
    rows = [customers[name].to_numpy() for name in ("frequency", "recency", "T")]
    group = np.minimum(rows[0], 7)
    predicted = pd.Series(cdnow_model.expected_purchases(39, *rows)).groupby(group).mean()
    actual = pd.Series(bought.to_numpy()).groupby(group).mean()
    assert predicted.tolist() == pytest.approx([0.225, 0.523, 1.044, 1.520, 2.164, 2.654, 3.504, 6.157], abs=6e-4)
    assert actual.tolist() == pytest.approx([0.237, 0.697, 1.393, 1.560, 2.532, 2.947, 3.862, 6.359], abs=6e-4)


def test_one_customer_of_cdnow(vectors):
    inputs, expected = vectors["PUB-13"]["input"], vectors["PUB-13"]["expected"]
    model, customer = bg_nbd(*inputs["params"]), (inputs["x"], inputs["t_x"], inputs["T"])
    assert model.expected_purchases(inputs["t"], *customer) == pytest.approx(expected["expected"], abs=1e-6)
    assert model.probability_alive(*customer) == pytest.approx(expected["p_alive"], abs=1e-6)


def test_gamma_gamma_of_cdnow(vectors, cdnow):
    expected, tolerance = vectors["PUB-14"]["expected"], vectors["PUB-14"]["tolerance"]
    buyers = pd.read_csv(cdnow / "cdnow_customers_summary_with_transactions.csv")
    fit = fit_gamma_gamma(buyers["x"], buyers["zbar"])
    for name, precise in zip("pqv", expected["mle_precise"], strict=True):
        assert getattr(fit, name) == pytest.approx(expected[name], abs=tolerance[name])
        assert getattr(fit, name) == pytest.approx(precise, abs=1e-4)
    assert fit.log_likelihood == pytest.approx(expected["loglik"], abs=1e-3)
    assert fit.warnings == ()


def test_spend_of_four_customers(vectors):
    inputs = vectors["PUB-15"]["input"]
    values = gamma_gamma(*inputs["params"]).expected_value(inputs["x"], inputs["zbar"])
    assert values == pytest.approx(vectors["PUB-15"]["expected"]["expected"], abs=1e-4)


def test_shifted_beta_geometric_of_regular_customers(vectors):
    inputs, expected = vectors["PUB-16"]["input"], vectors["PUB-16"]["expected"]
    fit = fit_sbg(inputs["alive_per_1000"])
    assert fit.alpha == pytest.approx(expected["alpha"], abs=1e-4)
    assert fit.beta == pytest.approx(expected["beta"], abs=1e-4)
    assert fit.log_likelihood == pytest.approx(expected["loglik"], abs=1e-3)
    assert fit.survival(np.arange(1, 13)) == pytest.approx(expected["survival_1_12"], abs=1e-4)


def test_kaplan_meier_of_the_leukaemia_trial(vectors):
    inputs, expected = vectors["PUB-17"]["input"], vectors["PUB-17"]["expected"]
    curve = kaplan_meier(inputs["time"], inputs["event"])
    assert curve.attrs["median"] == expected["median"]
    curve = curve.set_index("time")
    assert curve["survival"].to_dict() == pytest.approx({int(t): s for t, s in expected["surv"].items()}, abs=2e-6)
    for time, se in expected["greenwood_se"].items():
        assert curve.loc[int(time), "se"] == pytest.approx(se, abs=2e-6)
    assert curve.loc[6, ["low", "high"]].tolist() == pytest.approx(expected["ci95_loglog_at_6"], abs=2e-6)
    assert curve["at_risk"].tolist() == [21, 17, 15, 12, 11, 7, 6]


def test_models_of_online_retail_are_those_of_another_program(shared):
    """Two years of sales to known customers, in weeks: the reference of another program."""
    lines = (shared / "data" / "online_retail_ii_two_years.parquet").as_posix()
    customers = duckdb.sql(f"""
        WITH days AS (
            SELECT CustomerID AS customer, CAST(InvoiceDate AS DATE) AS day, sum(Quantity * UnitPrice) AS amount
            FROM '{lines}'
            WHERE Quantity > 0 AND UnitPrice > 0 AND InvoiceNo NOT LIKE 'C%' AND CustomerID IS NOT NULL GROUP BY ALL
        ), dated AS (SELECT *, min(day) OVER (PARTITION BY customer) AS first FROM days)
        SELECT count(*) - 1 AS x, (max(day) - any_value(first)) / 7 AS t_x, (DATE '2011-12-09' - any_value(first)) / 7 AS T,
            coalesce(avg(CASE WHEN day > first THEN amount END), 0) AS m
        FROM dated GROUP BY customer
    """).df()
    fit = fit_bg_nbd(customers["x"], customers["t_x"], customers["T"])
    assert (fit.customers, fit.repeat_buyers, fit.warnings) == (5878, 4189, ())
    assert [fit.r, fit.alpha, fit.a, fit.b] == pytest.approx([0.66353, 9.03365, 0.10864, 2.41570], abs=1e-5)
    assert fit.log_likelihood == pytest.approx(-86_053.906, abs=1e-3)
    assert fit.expected_purchases(365.25 / 7, customers["x"], customers["t_x"], customers["T"]).sum() == pytest.approx(
        18_523.1, abs=0.1
    )
    spend = fit_gamma_gamma(customers["x"], customers["m"])
    assert [spend.p, spend.q, spend.v] == pytest.approx([2.1616, 3.5051, 466.17], rel=1e-4)
    assert spend.log_likelihood == pytest.approx(-28_376.305, abs=1e-3)
    again = customers[customers["x"] > 0]
    assert spend.log_correlation == pytest.approx(np.corrcoef(np.log(again["x"]), np.log(again["m"]))[0, 1])
    assert "forecasts of money tend to be too low" in spend.warnings[0]


# What has no answer, or one that should not be relied on.

TOO_FEW = "Too few repeat buyers"


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([(0, 0, 10)] * 30 + [(2, 5, 10)], TOO_FEW),
        ([(0, 0, 52)] * 500 + [(1, 5, 52)] * 19, TOO_FEW),
        ([(0, 0, 5)] * 30 + [(1, 0, 5)], "recency cannot be 0 with frequency; it is 1 in row 31."),
        ([(0, 0, 5)] * 30 + [(0, 2, 5)], "Without a repeat purchase recency has to be 0; it is 2 in row 31."),
        ([(1, 6, 5), (2, 7, 5)] * 15, "Recency cannot be larger than T"),
        ([(1, 6, 5), (2, 7, 5)] * 15, "it is 6 in row 1, and in 29 more."),
        ([(-1, 0, 5)] * 30, "a whole number, 0 or more; it is -1 in row 1"),
        ([(1.5, 3, 5)] * 30, "a whole number, 0 or more; it is 1.5 in row 1"),
        ([(1, math.nan, 5)] * 30, "Recency has to hold finite numbers; it is nan in row 1"),
        ([(1, 3, math.inf)] * 30, "T has to hold finite numbers; it is inf in row 1"),
        ([], "There are no customers"),
    ],
)
def test_impossible_customers_are_refused(rows, sentence):
    x, t_x, T = np.array(rows).T if rows else ([], [], [])
    with pytest.raises(ModelError) as error:
        fit_bg_nbd(x, t_x, T)
    assert sentence in str(error.value)
    assert isinstance(error.value, DataError)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (lambda: bg_nbd(1, 10, 1, 2).expected_purchases(-1, 2, 5, 9), "t has to be a number from 0; it is -1"),
        (lambda: bg_nbd(1, 10, 1, 2).expected_purchases(1, [2, -2], 5, 9), "x has to be a number from 0; it is -2"),
        (lambda: bg_nbd(1, 10, 1, 2).probability_alive(2, math.nan, 9), "t_x has to be a number from 0; it is nan"),
        (lambda: bg_nbd(1, 10, 1, 2).probability_no_purchase(1, 2, 5, "T"), "T has to hold numbers only"),
        (lambda: bg_nbd(1, 10, 1, 2).usual_gap(1, 2, 5), "q is a chance below 1: 1 is none"),
        (
            lambda: gamma_gamma(2, 3, 10).expected_value([0, 1], [math.nan, -5]),
            "monetary has to be a number from 0; it is -5",
        ),
        (lambda: sbg(1, 2).survival(-1), "t has to be a number from 0; it is -1"),
        (lambda: sbg(1, 2).retention(0), "t has to be a number from 1; it is 0"),
        (lambda: sbg(1, 2).residual_lifetime(0, 0.1), "n has to be a number from 1; it is 0"),
        (lambda: log_rank([1, 2, 3], [1, 1, 1], ["a", None, "b"]), "row 2 is in none"),
    ],
)
def test_impossible_questions_are_refused(question, sentence):
    with pytest.raises(ModelError, match=sentence):
        question()


def test_columns_that_do_not_fit_together_are_refused():
    with pytest.raises(ModelError, match="frequency has 2, recency has 1, T has 2"):
        fit_bg_nbd([1, 2], [1], [2, 3])
    with pytest.raises(ModelError, match="counts has 1, the others have 2"):
        fit_bg_nbd([1, 2], [1, 1], [2, 3], counts=[1])
    with pytest.raises(ModelError, match="frequency has to hold numbers only"):
        fit_bg_nbd(["one"], [1], [2])
    with pytest.raises(ModelError, match="not of 2 dimensions"):
        fit_bg_nbd([[1]], [1], [2])


@pytest.mark.parametrize(
    ("rows", "phrases"),
    [
        ([(x, 9.9, 10) for x in (3, 4, 5, 6)] * 10, ["nobody seems to leave", "buy at the same rate"]),
        ([(12, 52, 53)] * 50, ["nobody seems to leave", "buy at the same rate"]),
        ([(0, 0, 52)] * 99 + [(200, 50, 52)], ["Few repeat buyers (1)", "The model is at a bound"]),
    ],
    ids=["never left", "all alike", "one of a hundred"],
)
def test_limits_of_purchases_are_warned_of(rows, phrases):
    x, t_x, T = np.array(rows).T
    fit = fit_bg_nbd(x, t_x, T)
    assert [any(words in warning for warning in fit.warnings) for words in phrases] == [True] * len(phrases)
    assert np.isfinite([fit.r, fit.alpha, fit.a, fit.b, fit.log_likelihood]).all()
    if "nobody" in phrases[0]:
        assert fit.covariance is None
        # Nobody leaves: the expectation is that of the gamma mixture alone.
        expected = 10 * (fit.r + x) / (fit.alpha + T)
        assert fit.expected_purchases(10, x, t_x, T) == pytest.approx(expected, rel=1e-3)
        assert fit.expected_purchases(10, x, t_x, T).mean() == pytest.approx(10 * x.sum() / T.sum(), rel=0.02)


def test_spend_that_does_not_vary():
    fit = fit_gamma_gamma(np.tile([1, 2, 3, 4], 25), np.full(100, 20.0))
    assert fit.covariance is None
    assert "at a limit" in fit.warnings[0]
    assert fit.expected_value([0, 1, 5], [0, 20, 20]) == pytest.approx([20] * 3, rel=1e-3)


def test_spend_that_is_refused():
    with pytest.raises(ModelError, match="of 2 repeat buyers: a mean spend of 0 or less"):
        fit_gamma_gamma([1, 2, 0] * 30, [0.0, -1.0, 0.0] + [5.0] * 87)
    with pytest.raises(ModelError, match="Too few repeat buyers: 19"):
        fit_gamma_gamma([1] * 19 + [0] * 100, [5.0] * 119)
    with pytest.raises(ModelError, match="mean spend of all customers does not exist"):
        gamma_gamma(2, 0.9, 10).expected_value([3, 0], [20, 0])
    assert gamma_gamma(2, 0.9, 10).expected_value(3, 20) == pytest.approx(2 * (10 + 60) / (6 - 0.1))


def test_spend_so_unequal_that_it_has_no_mean_is_warned_of():
    rng = np.random.default_rng(5)
    x = rng.integers(1, 5, 2_000)
    fit = fit_gamma_gamma(x, rng.gamma(2.0 * x, 1 / (rng.gamma(0.7, 1 / 10, 2_000) * x)))
    assert fit.q == pytest.approx(0.7, abs=0.08)
    assert "its mean does not exist" in fit.warnings[0]


@pytest.mark.parametrize(
    ("alive", "sentence"),
    [
        ([100, 100, 100, 100], "Nobody left"),
        ([100, 0], "All customers left"),
        ([100, 50, 0], "All customers left"),
        ([1000, 900], "needs two at least"),
        ([[1000, 900], [500, 450]], "needs two at least"),
        ([100, 110, 90], "cannot grow: 100 customers became 110 at renewal 1"),
        ([100, -1, -2], "-1 is below 0|-2 is below 0"),
        ([100, math.nan, 50], "Alive has to hold finite numbers"),
        ([], "There are no customers"),
        ([0, 0, 0], "no customers who came to a renewal"),
        ([100], "no customers who came to a renewal"),
    ],
)
def test_cohorts_that_cannot_be_projected_are_refused(alive, sentence):
    with pytest.raises(ModelError, match=sentence):
        fit_sbg(alive)


@pytest.mark.parametrize(
    ("alive", "share", "message"),
    [
        ([1000, 900, 810, 729, 656], 0.1, "does not fall"),
        ([1000, 950, 850, 700, 500], 500 / 3500, "rises"),
    ],
)
def test_cohorts_without_a_falling_share_are_warned_of(alive, share, message):
    fit = fit_sbg(alive)
    assert fit.alpha / (fit.alpha + fit.beta) == pytest.approx(share, rel=1e-3)
    assert fit.covariance is None
    assert message in fit.warnings[0]


# The shifted beta-geometric by its definition.


def test_survival_is_the_product_of_retention():
    model = sbg(0.7, 1.2)
    renewals = np.arange(1, 40)
    assert np.cumprod(model.retention(renewals)) == pytest.approx(model.survival(renewals))
    assert model.hazard(renewals) == pytest.approx(0.7 / (0.7 + 1.2 + renewals - 1))
    assert model.survival(0) == 1


@pytest.mark.parametrize("discount", [0.1, 0.01, 0.001])
@pytest.mark.parametrize("n", [1, 4])
def test_residual_lifetime_is_the_discounted_sum(discount, n):
    model = sbg(1.7, 3.2)
    renewals = np.arange(n, 400_000)
    sum_ = (model.survival(renewals) / model.survival(n - 1)) @ (1 + discount) ** -(renewals - n).astype(float)
    assert model.residual_lifetime(n, discount) == pytest.approx(sum_, rel=1e-6)


def test_without_a_discount_a_lifetime_may_have_no_end():
    assert sbg(2.5, 3).residual_lifetime(1, 0) == pytest.approx(sbg(2.5, 3).residual_lifetime(1, 1e-7), rel=1e-3)
    with pytest.raises(ModelError, match="no end"):
        sbg(0.9, 3).residual_lifetime(1, 0)
    with pytest.raises(ModelError, match="0 or more"):
        sbg(0.9, 3).residual_lifetime(1, -0.1)


def test_several_cohorts_are_one_fit_of_all_renewals():
    cohorts = [[1000, 631, 468, 382], [500, 310], [800, 520, 380]]
    together = fit_sbg(cohorts)
    collapsed = fit_sbg_renewals([2300, 631 + 520, 468], [369 + 190 + 280, 163 + 140, 86])
    assert (together.alpha, together.beta) == (collapsed.alpha, collapsed.beta)
    assert fit_sbg([[400, 250, 190, 150]] * 2).alpha == pytest.approx(fit_sbg([800, 500, 380, 300]).alpha)
    with pytest.raises(ModelError, match="Of 10 customers 11 cannot leave at renewal 2"):
        fit_sbg_renewals([20, 10], [10, 11])


# Kaplan-Meier and log-rank on a few customers.


def test_kaplan_meier_of_six_customers():
    """Three of six leave, at 1, 2 and 2; 5/6, then 3/5 of it with three still seen at 3."""
    curve = kaplan_meier([1, 2, 2, 2, 3, 4], [1, 1, 1, 0, 0, 0])
    assert curve["time"].tolist() == [1, 2]
    assert curve["at_risk"].tolist() == [6, 5]
    assert curve["survival"].tolist() == pytest.approx([5 / 6, 5 / 6 * 3 / 5])
    assert curve.attrs == {"median": 2, "customers": 6, "longest": 4}
    assert kaplan_meier([1, 2, 3], [1, 0, 0]).attrs["median"] is None
    assert kaplan_meier([1, 2, 3], [0, 0, 0]).empty


def test_when_all_have_left_nothing_is_uncertain_to_tell():
    curve = kaplan_meier([1, 2], [1, 1])
    assert curve["survival"].tolist() == [0.5, 0]
    assert curve.loc[1, ["se", "low", "high"]].isna().all()


def test_counts_stand_for_customers():
    durations, events, groups, counts = [1, 2, 2, 5, 7], [1, 1, 0, 1, 0], ["a", "b", "a", "b", "a"], [3, 1, 0, 2, 4]
    each = [np.repeat(column, counts) for column in (durations, events, groups)]
    pd.testing.assert_frame_equal(kaplan_meier(*each[:2]), kaplan_meier(durations, events, counts))
    assert log_rank(*each) == pytest.approx(log_rank(durations, events, groups, counts))


def test_log_rank_of_the_leukaemia_trial():
    """Freireich et al. (1963), both arms: 16.79 with one degree of freedom (Kalbfleisch and Prentice 1980)."""
    treated = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    placebo = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
    statistic, p = log_rank(treated + placebo, [1] * 9 + [0] * 12 + [1] * 21, ["treated"] * 21 + ["placebo"] * 21)
    assert statistic == pytest.approx(16.79, abs=0.005)
    assert p == pytest.approx(4.17e-5, rel=1e-2)


def test_log_rank_of_groups_that_cannot_be_compared():
    assert log_rank([1, 2, 3, 4], [0, 0, 0, 0], [1, 1, 2, 2]) == (0.0, 1.0)
    with pytest.raises(ModelError, match="two groups"):
        log_rank([1, 2], [1, 1], ["a", "a"])
    with pytest.raises(ModelError, match="durations has 2, groups has 1"):
        log_rank([1, 2], [1, 1], ["a"])
    with pytest.raises(ModelError, match=r"1 \(left\) or 0"):
        kaplan_meier([1, 2], [1, 2])
    with pytest.raises(ModelError, match="below 0: -1 is"):
        kaplan_meier([-1, 2], [1, 1])


def test_log_rank_finds_nothing_where_there_is_nothing():
    rng = np.random.default_rng(2)
    p = [log_rank(rng.geometric(0.1, 90), rng.random(90) < 0.8, np.arange(90) % 3)[1] for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.033)  # three standard errors
    assert np.mean(p) == pytest.approx(0.5, abs=0.045)


# What data were drawn from is found again.


def simulated(n: int, r: float, alpha: float, a: float, b: float, seed: int = 1) -> tuple[np.ndarray, ...]:
    """Customers of a BG/NBD world: repeat purchases, recency and age in days, as whole numbers."""
    rng = np.random.default_rng(seed)
    T = rng.integers(30, 730, n)
    rate, leaving = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    x, last, active = np.zeros(n, int), np.zeros(n), np.arange(n)
    while len(active):
        now = last[active] + rng.exponential(1 / rate[active])
        active, now = active[now < T[active]], now[now < T[active]]
        x[active] += 1
        last[active] = now
        active = active[rng.random(len(active)) > leaving[active]]
    return x, last, T


def test_parameters_of_purchases_are_found_again():
    """Within four standard errors; in whole days, which the model does not know, to a few percent."""
    true = np.log([0.8, 40, 0.4, 2.5])
    x, t_x, T = simulated(20_000, *np.exp(true))
    fit = fit_bg_nbd(x, t_x, T)
    z = (fit.log_parameters - true) / np.sqrt(np.diag(fit.covariance))
    assert np.abs(z).max() < 4
    assert np.sqrt(np.diag(fit.covariance)).max() < 0.1
    days = fit_bg_nbd(x, np.ceil(t_x).astype(int), T)
    assert days.log_parameters == pytest.approx(fit.log_parameters, abs=0.05)


def test_the_unit_of_time_changes_alpha_only():
    x, t_x, T = simulated(3_000, 0.8, 40, 0.4, 2.5)
    days, weeks = fit_bg_nbd(x, t_x, T), fit_bg_nbd(x, t_x / 7, T / 7)
    assert weeks.log_parameters + np.log([1, 7, 1, 1]) == pytest.approx(days.log_parameters, abs=1e-9)
    assert days.log_likelihood == pytest.approx(weeks.log_likelihood - x.sum() * np.log(7), abs=1e-6)
    assert days.covariance == pytest.approx(weeks.covariance, rel=1e-6)


def test_parameters_of_spend_are_found_again():
    rng = np.random.default_rng(4)
    p, q, v = 4.0, 3.5, 30.0
    x = rng.integers(1, 12, 20_000)
    m = rng.gamma(p * x, 1 / (rng.gamma(q, 1 / v, 20_000) * x))
    fit = fit_gamma_gamma(x, m)
    z = (fit.log_parameters - np.log([p, q, v])) / np.sqrt(np.diag(fit.covariance))
    assert np.abs(z).max() < 4
    assert fit.expected_value(0, 0) == pytest.approx(p * v / (q - 1), rel=0.02)
    assert fit.warnings == ()
    pence = fit_gamma_gamma(x, 100 * m)
    assert (pence.p, pence.q, pence.v) == pytest.approx((fit.p, fit.q, 100 * fit.v))


def test_parameters_of_renewals_are_found_again():
    rng = np.random.default_rng(6)
    alpha, beta, alive = 0.9, 9.0, np.zeros(13)
    leaving = rng.beta(alpha, beta, 30_000)
    left_at = rng.geometric(leaving)
    alive = [(left_at > renewal).sum() for renewal in range(13)]
    fit = fit_sbg(alive)
    z = (fit.log_parameters - np.log([alpha, beta])) / np.sqrt(np.diag(fit.covariance))
    assert np.abs(z).max() < 4
    assert fit.warnings == ()


def test_purchases_a_day_of_the_sample_company():
    """Drawn with .9 / 56 a day in the clock of its seasons: within two standard errors."""
    rows = rk.rfm(rk.sample(), as_of="2026-01-01", unit="day")
    fit = fit_bg_nbd(rows["frequency"], rows["recency"], rows["T"])
    r, alpha = PURCHASE_RATE
    slope = np.array([1, -1, 0, 0])
    error = (slope @ fit.covariance @ slope) ** 0.5
    assert fit.r / fit.alpha == pytest.approx(0.01626, abs=5e-6)
    assert abs(np.log(fit.r / fit.alpha) - np.log(r / alpha)) < 2 * error


def test_chances_of_the_same_customers_are_those_of_each_model_alone():
    x, t_x, T = np.array([0.0, 1, 1, 3, 40]), np.array([0.0, 2, 7, 5, 51]), np.array([9.0, 9, 8, 30, 52])
    model = bg_nbd(0.66, 9.03, 0.11, 2.42)
    chances = AliveChances(x, t_x, T)
    for shift in ([0, 0, 0, 0], [1e-4, 0, 0, 0], [0, 1e-4, 0, 0], [0, 0, 1e-4, 0], [0, 0, 0, 1e-4], [0, 0, 0, 0]):
        other = model.with_log_parameters(model.log_parameters + shift)
        assert chances.of(other).tolist() == other.probability_alive(x, t_x, T).tolist()
