"""Gamma-Gamma, a model of the value of purchases. Source: Fader and Hardie (2013), note 025.

The amounts of a customer vary as Gamma(p, ν), and ν among customers as Gamma(q, v); amounts are independent of the
frequency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retention_kit.errors import ModelError
from retention_kit.metrics.models.inputs import FEWEST, as_numbers, column, counts_of, dot, frequencies, same_length
from retention_kit.metrics.models.maximum import Maximum, climb, in_logs
from retention_kit.wording import Figure, Sentence, sentence

LOWER, UPPER = np.log([1e-3, 1e-3, 1e-9]), np.log([1e4, 1e4, 1e9])
BLOCK = 1 << 13
MAX_CORRELATION = 0.2  # of logarithms; above it, forecasts of money were 15% low


@dataclass(frozen=True)
class GammaGamma:
    """A fitted Gamma-Gamma model; money is in the currency of the data.

    `covariance` is that of the logarithms of p, q and v (None if it is meaningless), `log_correlation` that of the
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
        """The logarithms of p, q and v, in the order of `covariance`."""
        return np.log([self.p, self.q, self.v])

    def with_log_parameters(self, log_parameters: Sequence[float] | np.ndarray) -> GammaGamma:
        """The same model with other parameters, given as logarithms of p, q and v."""
        p, q, v = (float(value) for value in np.exp(log_parameters))
        return replace(self, p=p, q=q, v=v)

    def expected_value(self, frequency: Any, monetary: Any) -> np.ndarray:
        """The expected value of a purchase, given the number of repeat purchases and their mean value.

        Without any (frequency 0) it is the mean of all customers; raises ModelError if that does not exist (q at most
        1). It is linear in frequency × monetary.
        """
        (x,) = as_numbers(frequency=frequency)
        (m,) = as_numbers(monetary=np.where(x > 0, monetary, 0.0))
        return self.p * (self.v + x * m) / self.expected_shape(x)

    def expected_shape(self, x: np.ndarray) -> np.ndarray:
        """p x + q - 1, the divisor in `expected_value`; raises ModelError if it is not positive."""
        divisor = self.p * x + self.q - 1
        if (divisor <= 0).any():
            template = "The mean spend of all customers does not exist: q is {q:.3g}, and has to be above 1."
            raise ModelError(template, q=self.q)
        return divisor


def fit_gamma_gamma(frequency: Any, monetary: Any, counts: Any = None) -> GammaGamma:
    """Fit a Gamma-Gamma model by maximum likelihood.

    `frequency` are the repeat purchases of each customer and `monetary` their mean amount; customers without any are
    ignored. `counts` are multiplicities of rows. Raises ModelError for amounts of 0 or less, and for fewer than 20
    repeat buyers.
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
        template = "Too few repeat buyers: {buyers:,.0f}, and a model of their spend needs {fewest}."
        raise ModelError(template, buyers=n.sum(), fewest=FEWEST)
    order = np.lexsort((m, x))
    x, m, n = x[order], m[order], n[order]
    unit = dot(n, m) / float(n.sum())
    likelihood = _Likelihood(x, m / unit, n)
    starts = [np.log([p, q, 2.0]) for p, q in ((1.0, 3.0), (6.0, 4.0))]
    maxima = [climb(likelihood, start, LOWER, UPPER) for start in starts]
    best = max(maxima, key=lambda maximum: maximum.log_likelihood)
    p, q, v = (float(value) for value in best.parameters)
    correlation = _log_correlation(x, m, n)
    doubtful = max(p, q) > 0.5 * np.exp(UPPER[0])
    return GammaGamma(
        p=p,
        q=q,
        v=v * unit,
        log_likelihood=best.log_likelihood - float(n.sum() * np.log(unit)),
        covariance=None if doubtful else best.covariance,
        warnings=_warnings(q, correlation, doubtful, best),
        log_correlation=correlation,
    )


def _warnings(q: float, log_correlation: float | None, doubtful: bool, maximum: Maximum) -> tuple[Sentence, ...]:
    warnings: list[Sentence] = []
    if q <= 1:
        warnings.append(sentence("model.unequal"))
    if log_correlation is not None and abs(log_correlation) > MAX_CORRELATION:
        warnings.append(
            sentence(
                f"model.{'too_low' if log_correlation > 0 else 'too_high'}",
                correlation=Figure(log_correlation, "ratio"),
            )
        )
    if doubtful or maximum.at_bound.any():
        warnings.append(sentence("model.hardly_vary"))
    elif maximum.covariance is None:
        warnings.append(sentence("model.no_interval_of_spend"))
    return tuple(warnings)


def _log_correlation(x: np.ndarray, m: np.ndarray, n: np.ndarray) -> float | None:
    """The correlation of log frequency and log spend; None if one of them does not vary."""
    log_x, log_m = np.log(x), np.log(m)
    log_x, log_m = log_x - dot(n, log_x) / n.sum(), log_m - dot(n, log_m) / n.sum()
    scatter = dot(n, log_x**2) * dot(n, log_m**2)
    return dot(n, log_x * log_m) / scatter**0.5 if scatter > 1e-20 * n.sum() ** 2 else None


class _Likelihood:
    """The log-likelihood of rows, with its gradient and Hessian by log p, log q and log v."""

    def __init__(self, x: np.ndarray, m: np.ndarray, n: np.ndarray) -> None:
        self.x, self.m, self.n = x, m, n
        self.xs, self.x_of = np.unique(x, return_inverse=True)
        self.with_x = np.bincount(self.x_of, weights=n)
        self.log_m = dot(n, np.log(m))
        self.log_spend = dot(n * x, np.log(m) + np.log(x))

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
