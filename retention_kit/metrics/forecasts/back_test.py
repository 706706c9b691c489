"""Whether a forecast is worth more than a plain rule: the same model, made earlier, held against what then happened.

Everything works on rows of customers who are alike, with how many they are. What is forecast is that a customer is
gone: buys nothing in the horizon, or leaves in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from retention_kit.metrics.formulas import wilson

if TYPE_CHECKING:
    import numpy as np

BETTER = 0.05  # by how much lower the Brier score is of a model that is better than a plain rule
SHORT, FULL = 12, 24  # months of history: up to the one there is no verdict, below the other it carries a warning
LOW_RATIO, HIGH_RATIO = 0.8, 1.25  # of predicted to actual: beyond them a reader is warned
BINS = 10


@dataclass(frozen=True)
class Score:
    """How good a rule's probabilities were: the Brier score (0 is perfect), the area under the ROC curve (0.5 is no
    better than a coin), and how much more often those in the tenth that it named were gone than all.
    """

    brier: float
    auc: float
    lift: float


@dataclass(frozen=True)
class Bin:
    """A tenth of the customers, by predicted probability: its mean, the share that were gone, and Wilson's interval."""

    customers: float
    predicted: float
    actual: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A model and a plain rule on the same customers; `constant` is the Brier score of one probability for all."""

    customers: float
    gone: float
    model: Score
    plain: Score
    constant: float
    bins: tuple[Bin, ...]

    @property
    def is_better(self) -> bool:
        """Whether the model's Brier score is 5% lower and its ranking no worse; never where all or none were gone, of
        whom there is no ranking.
        """
        if not 0 < self.gone < self.customers:
            return False
        return self.model.brier <= (1 - BETTER) * self.plain.brier and self.model.auc >= self.plain.auc


@dataclass(frozen=True)
class BackTest:
    """A model made at `cut`, after `history` months of data, held against the `months` that followed.

    `purchases` (for subscriptions month ends paid) and `money` are what it predicted and what happened. `comparison` is
    None where no model could be made then. `is_flattered` says that the plain rule learned its chances from what it is
    held against, as there was nothing earlier to learn from: it looks better than it is.
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
    predicted: np.ndarray, plain: np.ndarray, order: np.ndarray, gone: np.ndarray, customers: np.ndarray
) -> Comparison:
    """Hold two rules against what happened.

    A row is of `customers` who are alike, of whom `gone` were gone. `predicted` and `plain` are the probabilities of
    that by the model and by the plain rule, `order` is what the plain rule ranks by, the likeliest to be gone last.
    """
    total, lost = float(customers.sum()), float(gone.sum())
    share = lost / total
    return Comparison(
        total,
        lost,
        Score(_brier(predicted, gone, customers), _auc(predicted, gone, customers), _lift(predicted, gone, customers)),
        Score(_brier(plain, gone, customers), _auc(order, gone, customers), _lift(order, gone, customers)),
        share * (1 - share),
        _bins(predicted, gone, customers),
    )


def verdict(comparison: Comparison | None, months: int) -> str:
    """ "better" or "no_better" than the plain rule; "short" where the data are too short to say, or up to a year."""
    if comparison is None or months <= SHORT:
        return "short"
    return "better" if comparison.is_better else "no_better"


def rising_rule(order: np.ndarray, gone: np.ndarray, customers: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The share gone among those of each rank, made to rise with it: isotonic regression (Barlow et al. 1972).

    Gives a function of ranks: in between those seen it interpolates, beyond them the nearest one holds.
    """
    import numpy as np
    from scipy.optimize import isotonic_regression

    ranks, place = np.unique(order, return_inverse=True)
    n, lost = np.bincount(place, customers), np.bincount(place, gone)
    shares = isotonic_regression(lost / n, weights=n).x
    return lambda wanted: np.interp(wanted, ranks, shares)


def _brier(predicted: np.ndarray, gone: np.ndarray, customers: np.ndarray) -> float:
    return float((gone * (1 - predicted) ** 2 + (customers - gone) * predicted**2).sum() / customers.sum())


def _auc(order: np.ndarray, gone: np.ndarray, customers: np.ndarray) -> float:
    """The chance that of two customers, one gone and one not, the one gone ranks higher; ties count half."""
    import numpy as np

    _, place = np.unique(order, return_inverse=True)
    lost = np.bincount(place, gone)
    stayed = np.bincount(place, customers) - lost
    pairs = lost.sum() * stayed.sum()
    below = np.cumsum(stayed) - stayed
    return float(lost @ (below + stayed / 2) / pairs) if pairs else 0.5


def _lift(order: np.ndarray, gone: np.ndarray, customers: np.ndarray) -> float:
    """The share gone in the tenth ranked highest, over that of all; those who tie at its edge count in part."""
    import numpy as np

    _, place = np.unique(-order, return_inverse=True)
    n, lost = np.bincount(place, customers), np.bincount(place, gone)
    wanted = n.sum() / BINS
    used = np.clip(wanted - (np.cumsum(n) - n), 0, n)
    return float((lost / n) @ used / wanted / (lost.sum() / n.sum())) if lost.sum() else 1.0


def _bins(predicted: np.ndarray, gone: np.ndarray, customers: np.ndarray) -> tuple[Bin, ...]:
    """Tenths of the customers by predicted probability; those with the same one stay together."""
    import numpy as np

    ranks, place = np.unique(predicted, return_inverse=True)
    n, lost = np.bincount(place, customers), np.bincount(place, gone)
    middle = (np.cumsum(n) - n / 2) / n.sum()
    number = np.minimum((middle * BINS).astype(int), BINS - 1)
    found = []
    for one in np.unique(number):
        held = number == one
        size, out = float(n[held].sum()), float(lost[held].sum())
        found.append(Bin(size, float(ranks[held] @ n[held]) / size, out / size, *wilson(out, size)))
    return tuple(found)
