"""BG/NBD, a model of purchases without a contract. Source: Fader, Hardie and Lee (2005).

Active customers buy at a rate λ that varies among them as Gamma(r, α); after each purchase they leave for good with a
probability p that varies as Beta(a, b).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retention_kit.errors import ModelError
from retention_kit.metrics.models.expectation import purchases_while_alive
from retention_kit.metrics.models.inputs import FEWEST, Rows, as_numbers, distinct, dot, purchases, sample_rows
from retention_kit.metrics.models.maximum import Maximum, climb, in_logs
from retention_kit.wording import Sentence, sentence

SAMPLE = 10_000  # customers used for finding a starting point
SPAN = 10.0  # the longest T after scaling, so that α has the magnitude of the other parameters
LOWER = np.log([1e-6, 1e-6, 1e-6, 1e-6])
UPPER = np.log([1e3, 1e9, 5e3, 5e3])  # r; α; a + b at most 10,000
BLOCK = 1 << 13  # rows that are computed at once: in the CPU cache and in one thread, so that sums are reproducible

# Beyond these bounds a limiting case of the model fits equally well.
MAX_R = 100.0  # above, the rates of customers hardly differ
MIN_LEAVING = 1e-3  # a / (a + b); below, hardly any customers leave


@dataclass(frozen=True)
class BgNbd:
    """A fitted BG/NBD model; times are in the unit of the data.

    `covariance` is that of the logarithms of r, α, a and b (None if it is meaningless), `warnings` are sentences on why
    not to rely on it, `repeat_buyers` the number of customers with a repeat purchase.
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    covariance: np.ndarray | None
    warnings: tuple[Sentence, ...]
    customers: float
    repeat_buyers: float

    @property
    def log_parameters(self) -> np.ndarray:
        """The logarithms of r, α, a and b, in the order of `covariance`."""
        return np.log([self.r, self.alpha, self.a, self.b])

    def with_log_parameters(self, log_parameters: Sequence[float] | np.ndarray) -> BgNbd:
        """The same model with other parameters, given as logarithms of r, α, a and b."""
        r, alpha, a, b = (float(value) for value in np.exp(log_parameters))
        return replace(self, r=r, alpha=alpha, a=a, b=b)

    def probability_alive(self, x: Any, t_x: Any, T: Any) -> np.ndarray:
        """The probability that a customer has not left by T.

        It is 1 without a repeat purchase, since customers leave only after one; for reports use
        `probability_no_purchase`.
        """
        x, t_x, T = as_numbers(x=x, t_x=t_x, T=T)
        silent = (self.r + x) * np.log1p((T - t_x) / (self.alpha + t_x))
        return np.where(x > 0, _inverse_odds(self.odds_to_leave(x) + silent), 1.0)

    def odds_to_leave(self, x: np.ndarray) -> np.ndarray:
        """The log odds of leaving right after the last of x repeat purchases."""
        return np.log(self.a) - np.log(np.where(x > 0, self.b + x - 1, 1.0))

    def probability_to_buy(self, t: Any, x: Any, T: Any) -> np.ndarray:
        """The probability of a purchase within t after T, given that the customer has not left by T."""
        t, x, T = as_numbers(t=t, x=x, T=T)
        return -np.expm1(-(self.r + x) * np.log1p(t / (self.alpha + T)))

    def probability_no_purchase(self, t: Any, x: Any, t_x: Any, T: Any) -> np.ndarray:
        """The probability of no purchase within t after T."""
        return 1 - self.probability_alive(x, t_x, T) * self.probability_to_buy(t, x, T)

    def expected_purchases(self, t: Any, x: Any, t_x: Any, T: Any) -> np.ndarray:
        """The expected number of purchases within t after T."""
        t, x, t_x, T = as_numbers(t=t, x=x, t_x=t_x, T=T)
        alive = purchases_while_alive(self.r, self.a, self.b, x, t / (self.alpha + T))
        return self.probability_alive(x, t_x, T) * alive

    def usual_gap(self, q: Any, x: Any, t_x: Any) -> np.ndarray:
        """The q-quantile of the time from the last purchase to the next, given that the customer has not left."""
        q, x, t_x = as_numbers(q=q, x=x, t_x=t_x)
        if (q >= 1).any():
            raise ModelError("q is a chance below 1: {most:g} is none.", most=q.max())
        return (self.alpha + t_x) * np.expm1(-np.log1p(-q) / (self.r + x))


class AliveChances:
    """`BgNbd.probability_alive` of the same customers by several models; intermediate results are reused."""

    def __init__(self, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> None:
        self._x, self._t_x, self._T = x, t_x, T
        self._xs, self._x_of = distinct(x)
        self._alpha, self._silence = -1.0, x
        self._parameters, self._chances = (0.0, 0.0, 0.0, 0.0), x

    def of(self, model: BgNbd) -> np.ndarray:
        """The probabilities by a model; the array must not be changed."""
        if self._alpha != model.alpha:
            self._alpha, self._silence = model.alpha, np.log1p((self._T - self._t_x) / (model.alpha + self._t_x))
        if self._parameters != (parameters := (model.r, model.alpha, model.a, model.b)):
            odds, chances = model.odds_to_leave(self._xs), np.empty_like(self._x)
            for begin in range(0, len(chances), BLOCK):
                part = slice(begin, begin + BLOCK)
                silent = (model.r + self._x[part]) * self._silence[part]
                chances[part] = _inverse_odds(odds[self._x_of[part]] + silent)
            chances[self._x == 0] = 1.0
            self._parameters, self._chances = parameters, chances
        return self._chances


def _inverse_odds(odds: np.ndarray) -> np.ndarray:
    """The probability of an event with these log odds against it."""
    small = np.exp(-np.abs(odds))
    return np.where(odds > 0, small, 1.0) / (1 + small)


def fit_bg_nbd(frequency: Any, recency: Any, T: Any, counts: Any = None) -> BgNbd:
    """Fit a BG/NBD model by maximum likelihood.

    `frequency` are the repeat purchases of each customer, `recency` the time from the first to the last and `T` that
    from the first to the cutoff, in any unit; `counts` are multiplicities of rows. Raises ModelError for impossible
    rows, and for fewer than 20 repeat buyers (unless they made 200 repeat purchases).
    """
    rows = purchases(frequency, recency, T, counts)
    has_repeat = rows.x > 0
    buyers, repeats = float(rows.counts[has_repeat].sum()), dot(rows.counts, rows.x)
    if buyers < FEWEST and repeats < 10 * FEWEST:
        template = (
            "Too few repeat buyers: {buyers:,.0f} of {customers:,.0f} customers bought again, and a model of "
            "purchases needs {fewest}."
        )
        raise ModelError(template, buyers=buyers, customers=rows.counts.sum(), fewest=FEWEST)
    unit = float(rows.T.max()) / SPAN
    maximum = _fit(rows._replace(t_x=rows.t_x / unit, T=rows.T / unit))
    r, alpha, a, b = (float(value) for value in maximum.parameters)
    warnings = _warnings(r, a, b, buyers, maximum)
    doubtful = r > MAX_R or a < MIN_LEAVING * (a + b)
    return BgNbd(
        r=r,
        alpha=alpha * unit,
        a=a,
        b=b,
        log_likelihood=maximum.log_likelihood - repeats * float(np.log(unit)),
        covariance=None if doubtful else maximum.covariance,
        warnings=warnings,
        customers=float(rows.counts.sum()),
        repeat_buyers=buyers,
    )


def _fit(rows: Rows) -> Maximum:
    """The better of two maxima from different starting points, for rows scaled to the longest T of 10.

    Earlier fits are no starting points, as the last digits would depend on them.
    """
    likelihood = _Likelihood(rows)
    sample = sample_rows(rows, SAMPLE)
    sample_likelihood = likelihood if sample is rows else _Likelihood(sample)
    rate = dot(rows.counts, rows.x) / dot(rows.counts, rows.T)
    starts = [np.log([r, r / rate, a, b]) for r, a, b in ((0.5, 0.5, 2.0), (2.0, 2.0, 2.0))]
    maxima = [climb(sample_likelihood, start, LOWER, UPPER) for start in starts]
    best = max(maxima, key=lambda maximum: maximum.log_likelihood)
    return best if sample_likelihood is likelihood else climb(likelihood, np.log(best.parameters), LOWER, UPPER)


def _warnings(r: float, a: float, b: float, buyers: float, maximum: Maximum) -> tuple[Sentence, ...]:
    warnings: list[Sentence] = []
    if buyers < FEWEST:
        warnings.append(sentence("model.few", buyers=float(round(buyers))))
    few_leave, rates_equal = a < MIN_LEAVING * (a + b), r > MAX_R
    if few_leave:
        warnings.append(sentence("model.nobody_leaves"))
    if rates_equal:
        warnings.append(sentence("model.all_alike"))
    if maximum.at_bound.any() and not (few_leave or rates_equal):
        names = [name for name, at in zip(("r", "alpha", "a", "b"), maximum.at_bound, strict=True) if at]
        warnings.append(sentence("model.at_bound", names=names))
    if not warnings and maximum.covariance is None:
        warnings.append(sentence("model.no_interval"))
    return tuple(warnings)


class _Likelihood:
    """The log-likelihood of rows, with its gradient and Hessian by log r, log α, log a and log b.

    It uses s, the log odds of having left after the last purchase (Hardie's note 027), so that no term overflows.
    """

    def __init__(self, rows: Rows) -> None:
        self.times, index = distinct(np.concatenate((rows.t_x, rows.T)))
        self.counts, self.customers = rows.counts, float(rows.counts.sum())
        self.xs, self.x_of = np.unique(rows.x, return_inverse=True)
        self.with_x = np.bincount(self.x_of, weights=rows.counts)
        first = int(np.searchsorted(rows.x, 0.5))  # rows are sorted by x: those without a repeat purchase are first
        T_of = index[len(rows.x) :].astype(np.int32)
        self.never = np.bincount(T_of[:first], weights=rows.counts[:first], minlength=len(self.times))
        self.again = slice(first, None)
        self.x_again, self.n_again = rows.x[first:], rows.counts[first:]
        self.t_of, self.T_of = index[first : len(rows.x)].astype(np.int32), T_of[first:]

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        r, alpha, a, b = parameters = np.exp(theta)
        value, gradient, hessian = self._of_x(r, alpha, a, b)
        logs, shares = np.log(alpha + self.times), 1 / (alpha + self.times)
        log_never, share_never = dot(self.never, logs), dot(self.never, shares)
        value -= r * log_never
        gradient[:2] -= log_never, r * share_never
        hessian[0, 1] -= share_never
        hessian[1, 1] += r * dot(self.never, shares**2)
        for begin in range(0, len(self.x_again), BLOCK):
            value += self._block(slice(begin, begin + BLOCK), r, a, b, logs, shares, gradient, hessian)
        hessian = np.triu(hessian) + np.triu(hessian, 1).T
        return value, *in_logs(parameters, gradient, hessian)

    def _of_x(self, r: float, alpha: float, a: float, b: float) -> tuple[float, np.ndarray, np.ndarray]:
        """The terms that only depend on the number of repeat purchases."""
        from scipy.special import gammaln, psi, zeta

        x, n, total = self.xs, self.with_x, self.customers

        def summed(of: Any, at: float) -> float:
            return float(n @ (of(at + x) - of(at)))

        def curve(at: np.ndarray | float) -> np.ndarray:
            return zeta(2, at)  # the trigamma function; faster than polygamma

        value = summed(gammaln, r) + summed(gammaln, b) - summed(gammaln, a + b) + total * r * np.log(alpha)
        both = -summed(psi, a + b)
        gradient = np.array([summed(psi, r) + total * np.log(alpha), total * r / alpha, both, both + summed(psi, b)])
        hessian = np.zeros((4, 4))
        hessian[0, 0], hessian[0, 1] = summed(curve, r), total / alpha
        hessian[1, 1] = -total * r / alpha**2
        hessian[2, 2] = hessian[2, 3] = -summed(curve, a + b)
        hessian[3, 3] = hessian[2, 3] + summed(curve, b)
        return float(value), gradient, hessian

    def _block(
        self,
        part: slice,
        r: float,
        a: float,
        b: float,
        logs: np.ndarray,
        shares: np.ndarray,
        gradient: np.ndarray,
        hessian: np.ndarray,
    ) -> float:
        """The terms of rows with a repeat purchase: adds to the derivatives in place, and returns the value."""
        x, n = self.x_again[part], self.n_again[part]
        t_of, T_of = self.t_of[part], self.T_of[part]
        log_t, log_T, share_t, share_T = logs[t_of], logs[T_of], shares[t_of], shares[T_of]
        rate, last = r + x, 1 / (b + x - 1)
        s = np.log(a * last) + rate * (log_T - log_t)
        small = np.exp(-np.abs(s))
        left = np.where(s >= 0, 1.0, small) / (1 + small)  # w, the probability of having left
        stayed, either = 1 - left, small / (1 + small) ** 2
        value = float(n @ (np.maximum(s, 0) + np.log1p(small) - rate * log_T))
        n_left, n_stayed = n * left, n * stayed
        log_both, share_both = n_stayed @ log_T + n_left @ log_t, n_stayed * share_T + n_left * share_t
        gradient += [-log_both, -(rate @ share_both), n_left.sum() / a, -(n_left @ last)]
        apart = np.stack((log_T - log_t, rate * (share_T - share_t), np.full_like(x, 1 / a), -last))
        hessian += (apart * (n * either)) @ apart.T
        hessian[0, 1] -= share_both.sum()
        hessian[1, 1] += rate @ (n_stayed * share_T**2 + n_left * share_t**2)
        hessian[2, 2] -= n_left.sum() / a**2
        hessian[3, 3] += n_left @ last**2
        return value
