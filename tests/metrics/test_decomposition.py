"""Changes as sums that close: by hand, from zero and to zero, and over many random cases."""

from __future__ import annotations

from itertools import permutations
from math import fsum, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_kit.metrics.decomposition import EMPTY, rate_and_mix, shapley


def swapped(counts: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """(D, N) as the pencil cases are written, to (N, D)."""
    return {name: (n, d) for name, (d, n) in counts.items()}


def test_a_new_value_is_mix_and_an_old_one_rate_and_mix():
    """400 of 1,000 kept; then 350 of 900, and 90 of 100 new ones: 40% to 44%."""
    result = rate_and_mix(swapped({"old": (1000, 400)}), swapped({"old": (900, 350), "new": (100, 90)}))
    old, new = result.parts["old"], result.parts["new"]
    assert result.change == pytest.approx(0.04)
    assert (old.rate, old.mix) == pytest.approx((-0.95 / 90, 0.1 * 0.46 / 18))  # -.01056, .00256
    assert (new.rate, new.mix) == pytest.approx((0, 0.048))
    assert result.unexplained == pytest.approx(0, abs=1e-15)


def test_two_values_that_stay_as_they_are_change_the_whole_by_their_weights_alone():
    """80% and 20% of 100 each, then of 200 and 50: 50% to 68%."""
    result = rate_and_mix(swapped({"a": (100, 80), "b": (100, 20)}), swapped({"a": (200, 160), "b": (50, 10)}))
    assert result.change == pytest.approx(0.18)
    assert result.rate == pytest.approx(0, abs=1e-15)
    assert result.mix == pytest.approx(0.18)
    assert result.parts["a"].mix == pytest.approx(0.3 * (0.8 - 0.59))
    assert result.parts["a"].weight == pytest.approx(0.65)


def test_a_value_that_vanishes_is_mix():
    result = rate_and_mix({"a": (40, 100), "b": (90, 100)}, {"a": (40, 100)})
    assert result.parts["b"].rate == 0
    assert result.change == pytest.approx(0.4 - 0.65)
    assert result.mix == pytest.approx(result.change)


def test_a_numerator_without_a_denominator_is_unassigned():
    result = rate_and_mix({"a": (40, 100), "b": (5, 0)}, {"a": (40, 200), "b": (8, 0), "c": (0, 0)})
    assert {*result.parts} == {"a"}
    assert result.unassigned == pytest.approx(8 / 200 - 5 / 100)
    assert result.unexplained == pytest.approx(0, abs=1e-15)
    result = rate_and_mix({"a": (40, 100), "b": (5, 0)}, {"a": (40, 100), "b": (8, 100)})
    assert result.unassigned == pytest.approx(-0.05), "what it had before; now it is a value like others"
    assert result.unexplained == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(
    ("before", "now"),
    [({}, {"a": (1, 2)}), ({"a": (1, 2)}, {}), ({"a": (1, 0)}, {"a": (1, 2)}), ({"a": (0, 0)}, {"a": (0, 0)})],
)
def test_without_a_denominator_in_all_it_is_undefined_with_the_reason(before, now):
    result = rate_and_mix(before, now)
    assert (result.change, result.parts, result.reason, result.unexplained) == (None, {}, EMPTY, 0)


@pytest.mark.long
def test_a_hundred_thousand_random_cases_close():
    """Values that appear, vanish, or have no denominator among them, from one customer to ten million."""
    rng = np.random.default_rng(7)
    worst, undefined = 0.0, 0
    for _ in range(100_000):
        size = rng.integers(1, 6)
        sizes = (10 ** rng.uniform(0, 7, (2, size))).astype(int)
        counts = np.where(rng.random((2, size)) < 0.2, 0, sizes)
        numerators = (rng.random((2, size)) * sizes).astype(int)
        before, now = (
            dict(enumerate(zip(*rows, strict=True))) for rows in zip(numerators.tolist(), counts.tolist(), strict=True)
        )
        result = rate_and_mix(before, now)
        undefined += result.change is None
        worst = max(worst, abs(result.unexplained) / max(1.0, abs(result.change or 0.0)))
    assert worst < 1e-12
    assert 0 < undefined < 30_000


FACTOR = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(st.lists(st.tuples(FACTOR, FACTOR), min_size=1, max_size=5))
def test_the_factors_of_a_product_close_and_are_the_mean_over_all_orders(pairs):
    before, now = ({str(index): pair[end] for index, pair in enumerate(pairs)} for end in (0, 1))
    result = shapley(before, now)
    size = prod(max(abs(first), abs(second), 1) for first, second in pairs)
    assert fsum(result.values()) == pytest.approx(prod(now.values()) - prod(before.values()), abs=1e-12 * size)
    orders = list(permutations(before))
    for name in before:
        added = [
            (now[name] - before[name])
            * prod(
                now[factor] if order.index(factor) < order.index(name) else before[factor]
                for factor in before
                if factor != name
            )
            for order in orders
        ]
        assert result[name] == pytest.approx(fsum(added) / len(orders), abs=1e-12 * size)


def test_a_product_from_zero_and_to_zero_is_the_customers_doing():
    nobody = {"customers": 0, "frequency": None, "value": None}
    some = {"customers": 10, "frequency": 2.0, "value": 5.0}
    assert shapley(nobody, some) == {"customers": 100, "frequency": 0, "value": 0}
    assert shapley(some, nobody) == {"customers": -100, "frequency": 0, "value": 0}
    assert shapley(nobody, nobody) == {"customers": 0, "frequency": 0, "value": 0}
    assert shapley({"a": 0.0, "b": 0.0}, {"a": 2.0, "b": 3.0}) == {"a": 3, "b": 3}, "both at once: half each"


def test_two_factors_by_hand():
    """10 × 2 to 12 × 3: 2 more at 2 or at 3, on the mean 5; 1 more of 10 or of 12, on the mean 11."""
    assert shapley({"a": 10, "b": 2}, {"a": 12, "b": 3}) == pytest.approx({"a": 5, "b": 11})


def test_the_same_factors_are_named_in_both_periods():
    with pytest.raises(ValueError, match="factors"):
        shapley({"a": 1}, {"b": 1})
