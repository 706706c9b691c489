"""Gamma-Gamma: how much customers spend at a purchase. Source: Fader and Hardie (2013), note 025.

The amounts of a customer vary as Gamma(p, ν), and ν among customers as Gamma(q, v); how much somebody spends has
nothing to do with how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retention_kit.errors import ModelError
from retention_kit.metrics.models.inputs import FEWEST, asked, column, counts_of, frequencies, same_length
from retention_kit.metrics.models.maximum import Maximum, climb, in_logs
from retention_kit.wording import Figure, Sentence, sentence

LOWER, UPPER = np.log([1e-3, 1e-3, 1e-9]), np.log([1e4, 1e4, 1e9])
BLOCK = 1 << 13
RELATED = 0.2  # a correlation of logarithms above which forecasts of money were 15% low


@dataclass(frozen=True)
class GammaGamma:
    """A fitted Gamma-Gamma model; money is in the currency of what it was fitted to.

    `covariance` is that of the logarithms of p, q and v (None where it has no meaning), `log_correlation` that of the
    logarithms of frequency and mean spend, `warnings` are sentences on why not to rely on it.
    """

    p: float
    q: float
    v: float
    log_likelihood: float
    covariance: np.ndarray | None
    warnings: tuple[Sentence, ...]
    log_correlation: float | None

    @property
    def log_parameters(self) -> np.ndarray:
        """The logarithms of p, q and v, which `covariance` is of."""
        return np.log([self.p, self.q, self.v])

    def with_log_parameters(self, log_parameters: Sequence[float] | np.ndarray) -> GammaGamma:
        """The same model with other parameters, given as logarithms of p, q and v."""
        p, q, v = (float(value) for value in np.exp(log_parameters))
        return replace(self, p=p, q=q, v=v)

    def expected_value(self, frequency: Any, monetary: Any) -> np.ndarray:
        """What a customer is expected to spend at a purchase, given the mean of so many repeat purchases.

        Without any (frequency 0) it is the mean of all customers, which does not exist where q is at most 1: then
        ModelError is raised. It is linear in frequency × monetary.
        """
        (x,) = asked(frequency=frequency)
        (m,) = asked(monetary=np.where(x > 0, monetary, 0.0))
        return self.p * (self.v + x * m) / self.expected_shape(x)

    def expected_shape(self, x: np.ndarray) -> np.ndarray:
        """p x + q - 1, which `expected_value` divides by; raises ModelError where it is not positive."""
        below = self.p * x + self.q - 1
        if (below <= 0).any():
            raise ModelError(
                "The mean spend of all customers does not exist: q is {q:.3g}, and has to be above 1.", q=self.q
            )
        return below


def fit_gamma_gamma(frequency: Any, monetary: Any, counts: Any = None) -> GammaGamma:
    """Fit a Gamma-Gamma model by maximum likelihood.

    `frequency` are the repeat purchases of each customer and `monetary` the mean amount of those; customers without any
    are left out. `counts` says how often each row occurs. Raises ModelError for amounts of 0 or less, and where fewer
    than 20 customers bought again.
    """
    x, m = frequencies(frequency).astype(float), column("monetary", monetary).astype(float)
    same_length(frequency=x, monetary=m)
    n = counts_of(counts, len(x))
    n = np.ones(len(x)) if n is None else n
    used = (x > 0) & (n > 0)
    x, m, n = x[used], m[used], n[used]
    if (m <= 0).any():
        raise ModelError(
            "The model of spend cannot take the amounts of {buyers:,} repeat buyers: a mean spend of 0 or less. "
            "Leave out purchases without an amount.",
            buyers=np.count_nonzero(m <= 0),
        )
    if n.sum() < FEWEST:
        raise ModelError(
            "Too few repeat buyers: {buyers:,.0f}, and a model of their spend needs {fewest}.",
            buyers=n.sum(),
            fewest=FEWEST,
        )
    order = np.lexsort((m, x))
    x, m, n = x[order], m[order], n[order]
    unit = float(n @ m / n.sum())
    likelihood = _Likelihood(x, m / unit, n)
    starts = [np.log([p, q, 2.0]) for p, q in ((1.0, 3.0), (6.0, 4.0))]
    tried = [climb(likelihood, start, LOWER, UPPER) for start in starts]
    found = max(tried, key=lambda one: one.log_likelihood)
    p, q, v = (float(value) for value in found.parameters)
    related = _log_correlation(x, m, n)
    doubtful = max(p, q) > 0.5 * np.exp(UPPER[0])
    return GammaGamma(
        p=p,
        q=q,
        v=v * unit,
        log_likelihood=found.log_likelihood - float(n.sum() * np.log(unit)),
        covariance=None if doubtful else found.covariance,
        warnings=_warnings(q, related, doubtful, found),
        log_correlation=related,
    )


def _warnings(q: float, related: float | None, doubtful: bool, found: Maximum) -> tuple[Sentence, ...]:
    said: list[Sentence] = []
    if q <= 1:
        said.append(sentence("model.unequal"))
    if related is not None and abs(related) > RELATED:
        said.append(sentence(f"model.{'too_low' if related > 0 else 'too_high'}", correlation=Figure(related, "ratio")))
    if doubtful or found.at_bound.any():
        said.append(sentence("model.hardly_vary"))
    elif found.covariance is None:
        said.append(sentence("model.no_interval_of_spend"))
    return tuple(said)


def _log_correlation(x: np.ndarray, m: np.ndarray, n: np.ndarray) -> float | None:
    """The correlation of log frequency and log spend; None where one of them does not vary."""
    log_x, log_m = np.log(x), np.log(m)
    log_x, log_m = log_x - n @ log_x / n.sum(), log_m - n @ log_m / n.sum()
    scatter = float(n @ log_x**2) * float(n @ log_m**2)
    return float(n @ (log_x * log_m)) / scatter**0.5 if scatter > 1e-20 * n.sum() ** 2 else None


class _Likelihood:
    """The log-likelihood of rows, with its gradient and Hessian by log p, log q and log v."""

    def __init__(self, x: np.ndarray, m: np.ndarray, n: np.ndarray) -> None:
        self.x, self.m, self.n = x, m, n
        self.xs, self.x_of = np.unique(x, return_inverse=True)
        self.with_x = np.bincount(self.x_of, weights=n)
        self.log_m = float(n @ np.log(m))
        self.log_spend = float((n * x) @ (np.log(m) + np.log(x)))

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        from scipy.special import gammaln, psi, zeta

        p, q, v = parameters = np.exp(theta)
        x, n, total = self.xs, self.with_x, float(self.with_x.sum())
        shape = p * x + q
        value = float(n @ (gammaln(shape) - gammaln(p * x))) - total * float(gammaln(q) - q * np.log(v))
        value += p * self.log_spend - self.log_m
        slope, curve = psi(shape), zeta(2, shape)  # digamma and trigamma
        gradient = np.array(
            [
                float((n * x) @ (slope - psi(p * x))) + self.log_spend,
                float(n @ slope) + total * float(np.log(v) - psi(q)),
                total * q / v,
            ]
        )
        hessian = np.zeros((3, 3))
        hessian[0, 0] = (n * x**2) @ (curve - zeta(2, p * x))
        hessian[0, 1] = (n * x) @ curve
        hessian[1, 1] = n @ curve - total * float(zeta(2, q))
        hessian[1, 2], hessian[2, 2] = total / v, -total * q / v**2
        for begin in range(0, len(self.x), BLOCK):
            part = slice(begin, begin + BLOCK)
            x, n = self.x[part], self.n[part]
            spend = x * self.m[part] + v
            logs, shape, share = n * np.log(spend), p * x + q, n / spend
            value -= float(shape @ logs)
            gradient -= [x @ logs, logs.sum(), shape @ share]
            hessian[0, 2] -= x @ share
            hessian[1, 2] -= share.sum()
            hessian[2, 2] += shape @ (share / spend)
        hessian = np.triu(hessian) + np.triu(hessian, 1).T
        return value, *in_logs(parameters, gradient, hessian)
