"""The numbers of the lifetime models: exact where sixty digits can tell, finite and bounded everywhere, derivatives right."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention_kit.errors import ModelError
from retention_kit.metrics.models import (
    BgNbd,
    bg_nbd,
    fit_bg_nbd,
    fit_gamma_gamma,
    gamma_gamma,
    inputs,
    shifted_beta_geometric,
)
from retention_kit.metrics.models.expectation import purchases_while_alive
from retention_kit.metrics.models.inputs import Rows, purchases, sample_rows
from scripts import read_script

HERE = Path(__file__).parent


def model(r: float, alpha: float, a: float, b: float) -> BgNbd:
    return BgNbd(r, alpha, a, b, 0.0, None, (), 0, 0)


@pytest.fixture(scope="module")
def draws() -> np.ndarray:
    """10,000 random customers of random models, as benchmarks/sixty_digits.py draws them."""
    return read_script("sixty_digits").draw()


def test_expected_purchases_are_those_of_sixty_digits(draws):
    exact = pd.read_csv(HERE / "expected_purchases.csv")
    assert exact.iloc[:, :8].to_numpy() == pytest.approx(draws[::50], rel=1e-12), "200 of the 10,000"
    for r, alpha, a, b, x, t_x, T, t, expected in exact.itertuples(index=False):
        actual = model(r, alpha, a, b).expected_purchases(t, x, t_x, T)
        assert actual == pytest.approx(expected, rel=1e-8, abs=1e-300), (r, alpha, a, b, x, t_x, T, t)


@pytest.mark.long
def test_random_customers_get_finite_answers_within_bounds(draws):
    for r, alpha, a, b, x, t_x, T, t in draws:
        fit = model(r, alpha, a, b)
        alive, nothing = fit.probability_alive(x, t_x, T), fit.probability_no_purchase(t, x, t_x, T)
        expected = fit.expected_purchases(t, x, t_x, T)
        assert 0 <= alive <= 1
        assert 0 <= nothing <= 1
        assert 0 <= expected <= alive * t * (r + x) / (alpha + T) * (1 + 1e-12) + 1e-300
        # Some purchase is expected at least as often as there is one; none without a chance of one.
        assert expected >= (1 - nothing) * (1 - 1e-9) - 1e-12


def test_beyond_what_series_reach_expectations_still_grow(draws):
    tau = np.concatenate((np.linspace(50.001, 60, 20), 10.0 ** np.arange(2, 13)))
    for r, _, a, b, x, *_ in draws[:400]:
        purchases = purchases_while_alive(r, a, b, x, tau)
        assert np.isfinite(purchases).all()
        assert (np.diff(purchases) >= 0).all()
        assert (purchases <= (r + x) * tau).all()
        assert purchases[0] >= purchases_while_alive(r, a, b, x, np.array(50.0)) * (1 - 1e-9)


def test_expectations_never_fall_along_the_way(draws):
    tau = 10.0 ** np.linspace(-9, 2, 60)
    for r, _, a, b, x, *_ in draws[:300]:
        purchases = purchases_while_alive(r, a, b, x, tau)
        assert (np.diff(purchases) >= -1e-9 * purchases[1:]).all()


@pytest.mark.parametrize(
    ("parameters", "customer", "t", "expected"),
    [((0.5, 10, 0.4, 0.6), (0, 0, 50), 39, 0.2783043), ((3.575, 18.27, 473.5, 183.4), (20, 0.05, 0.1029), 721.6, 1.43)],
    ids=["a + b + x = 1", "a is large"],
)
def test_where_textbook_forms_fail(parameters, customer, t, expected):
    fit = model(*parameters)
    expected_if_alive = fit.expected_purchases(t, *customer) / fit.probability_alive(*customer)
    assert expected_if_alive == pytest.approx(expected, abs=5e-8 if expected < 1 else 5e-3)


def test_where_nothing_can_happen_nothing_is_expected():
    fit = model(0.5, 10, 0.4, 0.6)
    assert fit.expected_purchases(0, [0, 3], [0, 20], [0, 50]).tolist() == [0, 0]
    assert fit.probability_no_purchase(0, [0, 3], [0, 20], [0, 50]).tolist() == [1, 1]


def test_the_usual_gap_is_the_quantile_of_the_time_to_the_next_purchase():
    """Of a customer who stays, at the last purchase: no purchase within g_q has chance 1 - q."""
    fit = model(0.7, 9, 0.1, 2.4)
    for q in (0.2, 0.5, 0.8):
        gap = fit.usual_gap(q, 5, 40)
        assert (9 + 40) ** (0.7 + 5) / (9 + 40 + gap) ** (0.7 + 5) == pytest.approx(1 - q)


# Derivatives: those of the formulas against differences of the values.


def check_derivatives(likelihood, theta: np.ndarray) -> None:
    value, gradient, hessian = likelihood(theta)
    step = 1e-5
    for at in range(len(theta)):
        move = np.zeros_like(theta)
        move[at] = step
        above, below = likelihood(theta + move), likelihood(theta - move)
        scale = 1 + abs(value) + np.abs(gradient).max() + np.abs(hessian).max()
        assert (above[0] - below[0]) / (2 * step) == pytest.approx(gradient[at], abs=1e-7 * scale)
        assert (above[1] - below[1]) / (2 * step) == pytest.approx(hessian[at], abs=1e-6 * scale)


POINTS = st.lists(st.floats(-3, 3), min_size=4, max_size=4).map(np.array)


@given(POINTS)
@settings(max_examples=30)
def test_derivatives_of_bg_nbd(theta):
    rng = np.random.default_rng(1)
    x, T = rng.integers(0, 6, 50), rng.integers(5, 11, 50)
    check_derivatives(bg_nbd._Likelihood(purchases(x, np.where(x > 0, T - rng.integers(0, 5, 50), 0), T)), theta)


@given(POINTS)
@settings(max_examples=30)
def test_derivatives_of_gamma_gamma(theta):
    rng = np.random.default_rng(1)
    likelihood = gamma_gamma._Likelihood(rng.integers(1, 6, 50).astype(float), rng.gamma(2, 1, 50), rng.random(50) + 1)
    check_derivatives(likelihood, theta[:3])


@given(POINTS)
@settings(max_examples=30)
def test_derivatives_of_the_shifted_beta_geometric(theta):
    likelihood = shifted_beta_geometric._Likelihood(np.array([100.0, 70, 40]), np.array([30.0, 12, 5]))
    check_derivatives(likelihood, theta[:2])


@given(POINTS, st.integers(0, 9), st.integers(1, 40), st.integers(0, 40))
@settings(max_examples=60)
def test_the_likelihood_of_a_customer_is_the_published_one(theta, x, t_x, more):
    """Hardie's note 027 against equation 6 of Fader, Hardie and Lee (2005) as it stands."""
    r, alpha, a, b = np.exp(theta)
    t_x = t_x if x else 0
    T = t_x + more

    def beta(p: float, q: float) -> float:
        return math.exp(math.lgamma(p) + math.lgamma(q) - math.lgamma(p + q))

    power = math.gamma(r + x) * alpha**r / math.gamma(r)
    plain = beta(a, b + x) / beta(a, b) * power / (alpha + T) ** (r + x)
    if x:
        plain += beta(a + 1, b + x - 1) / beta(a, b) * power / (alpha + t_x) ** (r + x)
    value, *_ = bg_nbd._Likelihood(purchases([x], [t_x], [T]))(theta)
    assert value == pytest.approx(math.log(plain), rel=1e-9, abs=1e-9)


# Rows: the same whatever way they come in.

CUSTOMERS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(1, 30), st.integers(0, 30), st.integers(1, 4)), min_size=1, max_size=60
)


@given(CUSTOMERS, st.randoms(use_true_random=False), st.sampled_from([1.0, 7.0, 0.3]))
def test_equal_customers_become_one_row(customers, random, unit):
    columns = [(x, t if x else 0, (t if x else 0) + more, n) for x, t, more, n in customers]
    each = [row[:3] for row in columns for _ in range(row[3])]
    random.shuffle(each)
    x, t_x, T = np.array(each).T
    repeated = purchases(x, t_x / unit, T / unit)
    x, t_x, T, n = np.array(columns).T
    counted = purchases(x, t_x / unit, T / unit, n)
    expected = pd.Series(each).value_counts().sort_index()
    assert [tuple(row) for row in zip(repeated.x, repeated.t_x, repeated.T, strict=True)] == [
        (x, t / unit, T / unit) for x, t, T in expected.index
    ]
    assert repeated.counts.tolist() == expected.tolist()
    for first, second in zip(repeated, counted, strict=True):
        assert (first == second).all()


def test_a_thinned_set_of_customers_is_like_the_whole():
    rng = np.random.default_rng(3)
    x = rng.poisson(2, 100_000)
    rows = purchases(x, np.where(x > 0, 5, 0), np.full(100_000, 9))
    few = sample_rows(rows, 1_000)
    assert few.counts.sum() == 1_000
    assert few.counts @ few.x / 1_000 == pytest.approx(x.mean(), abs=0.01)
    assert sample_rows(few, 1_000) is few


def test_more_different_times_than_a_whole_number_can_hold(monkeypatch):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 5, 500)
    t_x, n = np.where(x > 0, rng.random(500) + 0.1, 0), rng.integers(1, 4, 500)
    collapsed = fit_bg_nbd(x, t_x, np.full(500, 2.0), n)
    monkeypatch.setattr(inputs, "KEYS", 1)
    rows = purchases(x, t_x, np.full(500, 2.0), n)
    assert isinstance(rows, Rows)
    assert (rows.counts.sum(), len(rows.x)) == (n.sum(), 500)
    apart = fit_bg_nbd(x, t_x, np.full(500, 2.0), n)
    assert apart.log_parameters == pytest.approx(collapsed.log_parameters, abs=1e-9)


# Any input is fitted to something finite or refused with a sentence.


def fitted(fit, *columns: np.ndarray):
    """A fit, or None where it is refused; the sentence says that too few bought again, the only reason there can be."""
    try:
        return fit(*columns)
    except ModelError as error:
        if not str(error).startswith("Too few repeat buyers"):
            raise
        return None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40))
@settings(max_examples=50)
def test_any_customers_are_fitted_or_refused(customers):
    rows = [(x, t + 1 if x else 0, (t + 1 if x else 0) + more) for x, t, more in customers] * 8
    x, t_x, T = np.array(rows).T
    if (fit := fitted(fit_bg_nbd, x, t_x, T)) is None:
        assert (x > 0).sum() < 20
        return
    assert np.isfinite([fit.r, fit.alpha, fit.a, fit.b, fit.log_likelihood]).all()
    assert fit.covariance is None or (np.linalg.eigvalsh(fit.covariance) > -1e-9).all()
    assert fit.covariance is not None or fit.warnings
    assert np.isfinite(fit.expected_purchases(10, x, t_x, T)).all()


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0.01, 1e6)), min_size=1, max_size=40))
@settings(max_examples=30)
def test_any_spend_is_fitted_or_refused(spends):
    x, m = np.array(spends * 8).T
    if (fit := fitted(fit_gamma_gamma, x, m)) is None:
        assert (x > 0).sum() < 20
        return
    assert np.isfinite([fit.p, fit.q, fit.v, fit.log_likelihood]).all()
    assert fit.covariance is not None or fit.warnings
    again = x > 0
    assert fit.p + fit.q <= 1 or (fit.expected_value(x[again], m[again]) > 0).all()


FITTED = """
import numpy as np
from retention_kit.metrics.models import fit_bg_nbd, fit_gamma_gamma

random = np.random.default_rng(3)
T = random.uniform(30, 900, 30_000)
x = random.poisson(T * random.gamma(0.5, 0.02, len(T)))
t = np.where(x > 0, T * random.uniform(0, 1, len(T)), 0)
bought = fit_bg_nbd(x, t, T)
spent = fit_gamma_gamma(x[x > 0], random.gamma(4, 10, (x > 0).sum()))
print([number.hex() for number in (bought.r, bought.alpha, bought.a, bought.b, spent.p, spent.q, spent.v)])
"""


@pytest.mark.long
def test_a_fit_does_not_depend_on_the_number_of_processors():
    def fitted(threads: str) -> str:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads}
        command = [sys.executable, "-c", FITTED]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert fitted("1") == fitted("2")
