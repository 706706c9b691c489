"""Shifted beta-geometric, a model of renewals. Source: Fader and Hardie (2007, 2010).

At each renewal a customer leaves with a probability that varies among customers as Beta(α, β). Customers with a high
one leave first, so the share lost falls from renewal to renewal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retention_kit.errors import ModelError
from retention_kit.metrics.models.inputs import as_numbers, column, same_length
from retention_kit.metrics.models.maximum import Maximum, climb, in_logs
from retention_kit.wording import Figure, Sentence, sentence

LOWER, UPPER = np.log([1e-6, 1e-6]), np.log([1e4, 1e4])
MAX_SUM = 1e3  # of α and β; above it, all customers are practically alike
MAX_SCORE = 2.0  # standard errors of a trend, above which the hazard rises
ALL_LEFT = "All customers left, so there is nobody left to project."


@dataclass(frozen=True)
class ShiftedBetaGeometric:
    """A fitted shifted beta-geometric model; time is counted in renewals.

    `covariance` is that of the logarithms of α and β (None if it is meaningless), `warnings` are sentences on why not
    to rely on it.
    """

    alpha: float
    beta: float
    log_likelihood: float
    covariance: np.ndarray | None
    warnings: tuple[Sentence, ...]

    @property
    def log_parameters(self) -> np.ndarray:
        """The logarithms of α and β, in the order of `covariance`."""
        return np.log([self.alpha, self.beta])

    def with_log_parameters(self, log_parameters: Sequence[float] | np.ndarray) -> ShiftedBetaGeometric:
        """The same model with other parameters, given as logarithms of α and β."""
        alpha, beta = (float(value) for value in np.exp(log_parameters))
        return replace(self, alpha=alpha, beta=beta)

    def survival(self, t: Any) -> np.ndarray:
        """The share of new customers left after t renewals."""
        from scipy.special import betaln

        (t,) = as_numbers(t=t)
        return np.exp(betaln(self.alpha, self.beta + t) - betaln(self.alpha, self.beta))

    def hazard(self, t: Any) -> np.ndarray:
        """The share of the customers before renewal t (1, 2, …) that leaves at it."""
        (t,) = as_numbers(1, t=t)
        return np.asarray(self.alpha / (self.alpha + self.beta + t - 1))

    def retention(self, t: Any) -> np.ndarray:
        """The share of the customers before renewal t (1, 2, …) that renews."""
        return 1 - self.hazard(t)

    def residual_lifetime(self, n: Any, discount: float) -> np.ndarray:
        """The expected number of future renewals, discounted, of a customer in the n-th period.

        `discount` is the rate of one period; the next renewal is not discounted. Raises ModelError if the sum is
        infinite: without a discount, for α of at most 1. Source: Fader and Hardie (2010).
        """
        from scipy.special import hyp2f1

        if not discount >= 0:
            raise ModelError("A discount is a share a period, 0 or more: {discount:g} is none.", discount=discount)
        (n,) = as_numbers(1, n=n)
        age = self.beta + n - 1
        if discount == 0:
            if self.alpha <= 1:
                raise ModelError(
                    "Without a discount the expected lifetime has no end: alpha is {alpha:.3g}, and has to be above 1.",
                    alpha=self.alpha,
                )
            return age / (self.alpha - 1)
        return age / (self.alpha + age) * hyp2f1(1, age + 1, self.alpha + age + 1, 1 / (1 + discount))


def fit_sbg(alive: Any) -> ShiftedBetaGeometric:
    """Fit a shifted beta-geometric model to one cohort, or to several of different age.

    `alive` are the customers of a cohort at the start and after renewals 1, 2, …, or a list of cohorts. Raises
    ModelError if a cohort grows, for fewer than two renewals, and if none or all customers left.
    """
    if len(alive) == 0:
        raise ModelError("There are no customers: alive is empty.")
    cohorts = [column("alive", cohort) for cohort in (alive if np.ndim(alive[0]) else [alive])]
    for cohort in cohorts:
        if (cohort < 0).any():
            raise ModelError("alive counts customers: {least:g} is below 0.", least=cohort.min())
        if (np.diff(cohort) > 0).any():
            at = int(np.argmax(np.diff(cohort) > 0))
            template = "A cohort cannot grow: {before:g} customers became {after:g} at renewal {renewal}."
            raise ModelError(template, before=cohort[at], after=cohort[at + 1], renewal=at + 1)
    renewals = max(len(cohort) - 1 for cohort in cohorts)
    exposed, lost = np.zeros(max(renewals, 1)), np.zeros(max(renewals, 1))
    for cohort in cohorts:
        exposed[: len(cohort) - 1] += cohort[:-1]
        lost[: len(cohort) - 1] += -np.diff(cohort)
    if exposed.any() and not any(cohort[-1] for cohort in cohorts):
        raise ModelError(ALL_LEFT)
    return fit_sbg_renewals(exposed, lost)


def fit_sbg_renewals(exposed: Any, lost: Any) -> ShiftedBetaGeometric:
    """Fit a shifted beta-geometric model to the numbers of customers due at renewals 1, 2, …, and lost at each.

    Raises ModelError for fewer than two renewals, and if none or all customers left.
    """
    exposed, lost = column("exposed", exposed).astype(float), column("lost", lost).astype(float)
    same_length(exposed=exposed, lost=lost)
    if (wrong := (lost < 0) | (lost > exposed)).any():
        at = int(np.argmax(wrong))
        template = (
            "Of {exposed:g} customers {lost:g} cannot leave at renewal {renewal}: it has to be between 0 and their "
            "number."
        )
        raise ModelError(template, exposed=exposed[at], lost=lost[at], renewal=at + 1)
    if not exposed.any():
        raise ModelError("There are no customers who came to a renewal.")
    if not lost.any():
        raise ModelError("Nobody left, so there is nothing to project from.")
    if np.array_equal(lost, exposed):
        raise ModelError(ALL_LEFT)
    if np.count_nonzero(exposed) < 2:
        raise ModelError("One renewal is known, and a projection needs two at least.")
    maximum = climb(_Likelihood(exposed, lost), np.log([1.0, 1.0]), LOWER, UPPER)
    alpha, beta = (float(value) for value in maximum.parameters)
    is_uniform = alpha + beta > MAX_SUM
    return ShiftedBetaGeometric(
        alpha=alpha,
        beta=beta,
        log_likelihood=maximum.log_likelihood,
        covariance=None if is_uniform else maximum.covariance,
        warnings=_warnings(exposed, lost, is_uniform, maximum),
    )


def _warnings(exposed: np.ndarray, lost: np.ndarray, is_uniform: bool, maximum: Maximum) -> tuple[Sentence, ...]:
    if not is_uniform and not maximum.at_bound.any():
        return ()
    share = float(lost.sum() / exposed.sum())
    if _rises(exposed, lost):
        return (sentence("model.rises", share=Figure(share, "fraction")),)
    return (sentence("model.does_not_fall", share=Figure(share, "fraction")),)


def _rises(exposed: np.ndarray, lost: np.ndarray) -> bool:
    """Whether the hazard rises significantly: the score test for a trend of proportions."""
    t, share = np.arange(len(lost)), lost.sum() / exposed.sum()
    centred = t - exposed @ t / exposed.sum()
    variance = share * (1 - share) * float(exposed @ centred**2)
    return bool(variance > 0 and float(centred @ lost) > MAX_SCORE * variance**0.5)


class _Likelihood:
    """The log-likelihood of losses at renewals, with its gradient and Hessian by log α and log β."""

    def __init__(self, exposed: np.ndarray, lost: np.ndarray) -> None:
        self.exposed, self.kept, self.lost = exposed, exposed - lost, float(lost.sum())
        self.t = np.arange(len(lost), dtype=float)

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        alpha, beta = parameters = np.exp(theta)
        stay, both = beta + self.t, alpha + beta + self.t
        value = self.lost * theta[0] + self.kept @ np.log(stay) - self.exposed @ np.log(both)
        total = float(self.exposed @ (1 / both))
        gradient = np.array([self.lost / alpha - total, float(self.kept @ (1 / stay)) - total])
        hessian = np.full((2, 2), float(self.exposed @ (1 / both**2)))
        hessian[0, 0] -= self.lost / alpha**2
        hessian[1, 1] -= float(self.kept @ (1 / stay**2))
        return float(value), *in_logs(parameters, gradient, hessian)
