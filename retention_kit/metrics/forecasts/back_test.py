"""Back tests: compares an earlier forecast, and a simple rule, with what happened since.

All functions take groups of customers, with their sizes. The forecast is the probability that a customer is gone: buys
nothing within the horizon, or leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from retention_kit.lazy import np
from retention_kit.metrics.formulas import wilson

BETTER = 0.05  # relative difference of Brier scores from which on a model is better
SHORT, FULL = 12, 24  # months of history: up to SHORT no verdict, below FULL a warning
LOW_RATIO, HIGH_RATIO = 0.8, 1.25  # of predicted to actual; outside there is a warning
BINS = 10


@dataclass(frozen=True)
class Score:
    """The quality of probabilities: Brier score (0 is perfect), area under the ROC curve (0.5 is random), and lift:
    the share gone in the tenth ranked highest, relative to that of all customers.
    """

    brier: float
    auc: float
    lift: float


@dataclass(frozen=True)
class Bin:
    """A tenth of the customers by predicted probability: its mean, the share gone, and Wilson's interval."""

    customers: float
    predicted: float
    actual: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Scores of a model and a simple rule; `constant` is the Brier score of the same probability for all."""

    customers: float
    gone: float
    model: Score
    plain: Score
    constant: float
    bins: tuple[Bin, ...]

    @property
    def is_better(self) -> bool:
        """Whether the model's Brier score is 5% lower and its ranking no worse; False if all or none were gone, as they
        cannot be ranked.
        """
        if not 0 < self.gone < self.customers:
            return False
        return self.model.brier <= (1 - BETTER) * self.plain.brier and self.model.auc >= self.plain.auc


@dataclass(frozen=True)
class BackTest:
    """The test of a model fitted at `cut`, after `history` months of data, on the `months` that followed.

    `purchases` (for subscriptions paid month ends) and `money` are pairs of predicted and actual. `comparison` is None
    if there was no model. `is_flattered`: the simple rule learned from the tested months, as there were no earlier
    ones, so it looks better than it is.
    """

    cut: date
    months: int
    history: int
    comparison: Comparison | None
    purchases: tuple[float, float]
    money: tuple[float, float]
    is_flattered: bool = False

    @property
    def verdict(self) -> str:
        """See `verdict`."""
        return verdict(self.comparison, self.history)


def compare(
    predicted: np.ndarray, plain: np.ndarray, order: np.ndarray, departed: np.ndarray, customers: np.ndarray
) -> Comparison:
    """Compare a model and a simple rule with what happened.

    Arrays by group: `customers`, how many of them were `departed`; `predicted` and `plain`, the probabilities of that
    by the model and the simple rule; `order`, the rank by the simple rule, highest for the likeliest to be gone.
    """
    total, lost = float(customers.sum()), float(departed.sum())
    share = lost / total
    return Comparison(
        total,
        lost,
        Score(
            _brier(predicted, departed, customers),
            _auc(predicted, departed, customers),
            _lift(predicted, departed, customers),
        ),
        Score(_brier(plain, departed, customers), _auc(order, departed, customers), _lift(order, departed, customers)),
        share * (1 - share),
        _bins(predicted, departed, customers),
    )


def verdict(comparison: Comparison | None, months: int) -> str:
    """ "better" or "no_better" than the simple rule; "short" without a comparison, or up to 12 months of history."""
    if comparison is None or months <= SHORT:
        return "short"
    return "better" if comparison.is_better else "no_better"


def rising_rule(order: np.ndarray, departed: np.ndarray, customers: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The share gone by rank, as a non-decreasing function: isotonic regression (Barlow et al. 1972).

    Neighbours with a falling share are pooled. The function interpolates between the given ranks, and is constant
    outside. By hand, as importing scipy.optimize takes longer than all back tests.
    """
    ranks, index = np.unique(order, return_inverse=True)
    pools: list[tuple[float, float, int]] = []  # customers, of whom are gone, and the number of ranks
    for n, lost in zip(np.bincount(index, customers).tolist(), np.bincount(index, departed).tolist(), strict=True):
        size = 1
        while pools and pools[-1][1] * n >= lost * pools[-1][0]:
            n_before, lost_before, size_before = pools.pop()
            n, lost, size = n + n_before, lost + lost_before, size + size_before
        pools.append((n, lost, size))
    shares = np.repeat([lost / n for n, lost, _ in pools], [size for *_, size in pools])
    return lambda order: np.interp(order, ranks, shares)


def _brier(predicted: np.ndarray, departed: np.ndarray, customers: np.ndarray) -> float:
    return float((departed * (1 - predicted) ** 2 + (customers - departed) * predicted**2).sum() / customers.sum())


def _auc(order: np.ndarray, departed: np.ndarray, customers: np.ndarray) -> float:
    """The probability that a customer who is gone ranks higher than one who is not; ties count half."""
    _, index = np.unique(order, return_inverse=True)
    lost = np.bincount(index, departed)
    stayed = np.bincount(index, customers) - lost
    pairs = lost.sum() * stayed.sum()
    below = np.cumsum(stayed) - stayed
    return float(lost @ (below + stayed / 2) / pairs) if pairs else 0.5


def _lift(order: np.ndarray, departed: np.ndarray, customers: np.ndarray) -> float:
    """The share gone in the tenth ranked highest, relative to that of all; ties at its edge count in part."""
    _, index = np.unique(-order, return_inverse=True)
    n, lost = np.bincount(index, customers), np.bincount(index, departed)
    size = n.sum() / BINS
    weights = np.clip(size - (np.cumsum(n) - n), 0, n)
    return float((lost / n) @ weights / size / (lost.sum() / n.sum())) if lost.sum() else 1.0


def _bins(predicted: np.ndarray, departed: np.ndarray, customers: np.ndarray) -> tuple[Bin, ...]:
    """Tenths of the customers by predicted probability; equal ones are in the same bin."""
    ranks, index = np.unique(predicted, return_inverse=True)
    n, lost = np.bincount(index, customers), np.bincount(index, departed)
    middle = (np.cumsum(n) - n / 2) / n.sum()
    number = np.minimum((middle * BINS).astype(int), BINS - 1)
    bins = []
    for bin_number in np.unique(number):
        is_in = number == bin_number
        size, gone_in = float(n[is_in].sum()), float(lost[is_in].sum())
        bins.append(Bin(size, float(ranks[is_in] @ n[is_in]) / size, gone_in / size, *wilson(gone_in, size)))
    return tuple(bins)
