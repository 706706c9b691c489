"""Whether a forecast beats a plain rule, worked out by hand on a few customers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_kit.metrics.forecasts.back_test import Comparison, Score, compare, rising_rule, verdict

# Ten customers in four rows: two of .9, both gone; three of .6, two gone; one of .4, gone; four of .1, none gone.
MODEL, GONE, CUSTOMERS = np.array([0.9, 0.6, 0.4, 0.1]), np.array([2, 2, 1, 0]), np.array([2, 3, 1, 4])
DAYS = np.array([50, 100, 10, 50])  # of silence: what the plain rule ranks by
PLAIN = np.array([0.3, 0.7, 0.2, 0.3])


def test_scores_agree_with_those_by_hand():
    comparison = compare(MODEL, PLAIN, DAYS, GONE, CUSTOMERS)
    assert (comparison.customers, comparison.gone) == (10, 5)
    assert comparison.constant == 0.25  # .5 × .5
    # 2 × .1² + 2 × .4² + .6² + .6² + 4 × .1², over 10
    assert comparison.model.brier == pytest.approx((0.02 + 0.32 + 0.36 + 0.36 + 0.04) / 10)
    # 2 × .7² + 4 × .3² (50 days) + 2 × .3² + .7² (100) + .8² (10)
    assert comparison.plain.brier == pytest.approx((0.98 + 0.36 + 0.18 + 0.49 + 0.64) / 10)
    # Pairs of one gone and one not, 5 × 5. The model: 2 × 5 + 2 × (4 + 1/2) + 1 × 4. Days: 2 × (4 + 1/2) + 2 × (4 / 2)
    assert comparison.model.auc == pytest.approx((10 + 9 + 4) / 25)
    assert comparison.plain.auc == pytest.approx((2 * 4.5 + 2 * 2 + 0) / 25)
    # A tenth is one customer: of the two at .9, or of the three at 100 days, of whom two of three were gone
    assert (comparison.model.lift, comparison.plain.lift) == pytest.approx((2.0, 2 / 3 / 0.5))


def test_bins_hold_everybody_once():
    bins = compare(MODEL, PLAIN, DAYS, GONE, CUSTOMERS).bins
    assert [group.customers for group in bins] == [4, 1, 3, 2]
    assert [group.actual for group in bins] == pytest.approx([0, 1, 2 / 3, 1])
    assert [group.predicted for group in bins] == pytest.approx([0.1, 0.4, 0.6, 0.9])
    spread = np.linspace(0, 1, 1000)
    many = compare(spread, spread, spread, (spread > 0.5).astype(int), np.ones(1000)).bins
    assert [group.customers for group in many] == [100] * 10
    assert all(group.low - 1e-12 <= group.actual <= group.high + 1e-12 for group in many)


def scored(model: tuple[float, float], plain: tuple[float, float]) -> Comparison:
    """A comparison with these Brier scores and areas."""
    return Comparison(100, 50, Score(*model, 1), Score(*plain, 1), 0.25, ())


@pytest.mark.parametrize(
    ("model", "plain", "months", "expected"),
    [
        ((0.95, 0.8), (1.0, 0.8), 24, "better"),  # 5% lower is enough, and so is the same ranking
        ((0.951, 0.9), (1.0, 0.8), 24, "no_better"),
        ((0.5, 0.79), (1.0, 0.8), 24, "no_better"),  # calibrated, but it ranks worse
        ((0.5, 0.9), (1.0, 0.8), 13, "better"),
        ((0.5, 0.9), (1.0, 0.8), 12, "short"),
    ],
)
def test_the_verdict_follows_the_scores(model, plain, months, expected):
    assert verdict(scored(model, plain), months) == expected


@pytest.mark.parametrize("gone", [0, 100])
def test_where_all_or_none_were_gone_no_model_is_better(gone):
    """There is no ranking of them, and one chance for all is perfect."""
    comparison = Comparison(100, gone, Score(0.001, 0.5, 1), Score(0.01, 0.5, 1), 0.0, ())
    assert verdict(comparison, 36) == "no_better"


def test_without_a_window_there_is_no_verdict():
    assert verdict(None, 36) == "short"


def test_the_plain_rule_rises():
    """Of 10, 20, 30 days .2, .6 and .4 were gone, of as many: the last two are pooled to .5."""
    rule = rising_rule(np.array([10, 20, 30]), np.array([2, 6, 4]), np.array([10, 10, 10]))
    assert rule(np.array([0, 10, 15, 20, 30, 99])) == pytest.approx([0.2, 0.2, 0.35, 0.5, 0.5, 0.5])


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 30), st.integers(0, 30)), min_size=1, max_size=40))
def test_the_rising_rule_is_that_of_scipy(rows):
    from scipy.optimize import isotonic_regression

    order, customers, gone = np.array(rows, float).T
    gone = np.minimum(gone, customers)
    ranks, index = np.unique(order, return_inverse=True)
    n = np.bincount(index, customers)
    expected = isotonic_regression(np.bincount(index, gone) / n, weights=n).x
    assert rising_rule(order, gone, customers)(ranks) == pytest.approx(expected, abs=1e-12)


def test_who_is_alike_may_stand_in_one_row_or_in_many():
    def each(values):
        return np.repeat(values, CUSTOMERS)

    gone = np.concatenate([np.arange(n) < out for n, out in zip(CUSTOMERS, GONE, strict=True)]).astype(int)
    apart = compare(each(MODEL), each(PLAIN), each(DAYS), gone, np.ones(10))
    together = compare(MODEL, PLAIN, DAYS, GONE, CUSTOMERS)
    for first, second in ((apart.model, together.model), (apart.plain, together.plain)):
        assert [first.brier, first.auc, first.lift] == pytest.approx([second.brier, second.auc, second.lift])
    assert len(apart.bins) == len(together.bins)
