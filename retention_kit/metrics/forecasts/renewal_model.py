"""Model of the renewals at which subscriptions end: shifted beta-geometric by interval, times factors by trait.

Source: Fader and Hardie (2007). The factors are shrunk towards 1: (losses observed + 20) / (losses expected + 20).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from retention_kit.data.values.vocabulary import interval_step, split_interval
from retention_kit.errors import ModelError
from retention_kit.lazy import pd
from retention_kit.metrics.models import ShiftedBetaGeometric, fit_sbg_renewals
from retention_kit.wording import Sentence, sentence

PRIOR_LOSSES = 20  # losses added to observed and expected ones of each value, to shrink factors of few losses towards 1
LEAST = 20  # losses that a model needs
MONTHS = {"day": 12 / 365, "week": 12 / 52, "month": 1.0}  # per unit of `renewals`


class RenewalGroups:
    """The rows of `renewals` as arrays: each is a group of customers whom the model does not distinguish.

    `billed` is the index of the billing interval, `units` the time since the start, `made` the number of renewals in
    it; `traits` has the index of the value, in `values`, for each trait.
    """

    def __init__(self, frame: pd.DataFrame):
        self.customers, self.mrr = frame["customers"].to_numpy(float), frame["mrr"].to_numpy(float)
        self.is_lost, self.units = (frame["outcome"] == "lost").to_numpy(bool), frame["units"].to_numpy(int)
        self.intervals, self.billed = np.unique(frame["billed"].to_numpy(object), return_inverse=True)
        steps = [interval_step(interval) for interval in self.intervals]
        self.step = np.array([step for step, _ in steps], int)[self.billed]
        self.unit = np.array([MONTHS[unit] for _, unit in steps], float)[self.billed]
        self.made = self.units // self.step
        self.months = np.floor(self.units * self.unit + 1e-9).astype(int)  # whole months paid
        traits = [
            np.unique(frame[name].to_numpy(object), return_inverse=True) for name in frame if name.startswith("trait_")
        ]
        self.values, self.traits = [values for values, _ in traits], [index for _, index in traits]

    def due(self, months: int) -> np.ndarray:
        """The number of renewals due by the end of 1, 2, … months: an array of groups × months."""
        passed = np.floor(np.arange(1, months + 1)[None, :] / self.unit[:, None] + 1e-9)
        first = self.step - self.units % self.step  # units until the next renewal
        return np.maximum((passed - first[:, None]) // self.step[:, None] + 1, 0).astype(int)


@dataclass(frozen=True)
class Share:
    """A constant share lost at each renewal, for a billing interval with too few renewals for a curve."""

    share: float
    covariance: np.ndarray

    @property
    def log_parameters(self) -> np.ndarray:
        """The logarithm of the share; `covariance` is its variance."""
        return np.log([self.share])

    def with_log_parameters(self, log_parameters: np.ndarray) -> Share:
        """The same with another share, given by its logarithm."""
        return replace(self, share=float(np.exp(log_parameters[0])))

    def hazard(self, t: np.ndarray) -> np.ndarray:
        """The share lost at renewal t."""
        return np.full(len(t), self.share)


Curve = ShiftedBetaGeometric | Share


@dataclass(frozen=True)
class RenewalModel:
    """The probability of leaving at a renewal: that of the billing interval's curve, times a factor for each trait."""

    curves: dict[str, Curve]
    factors: tuple[dict[str, float], ...]  # of each trait: value → factor
    spreads: tuple[np.ndarray, ...]  # of each trait: the covariance of the logarithms of its factors
    warnings: tuple[Sentence, ...]

    def factor(self, rows: RenewalGroups) -> np.ndarray:
        """The product of the factors of each group's traits."""
        product = np.ones(len(rows.units))
        for factors, values, index in zip(self.factors, rows.values, rows.traits, strict=True):
            product *= np.array([factors.get(value, 1.0) for value in values], float)[index]
        return product

    def survival(self, rows: RenewalGroups, months: int, scale: float = 1.0) -> np.ndarray:
        """The probability of staying to the end of 1, 2, … months: an array of groups × months.

        `scale` multiplies the probabilities of leaving.
        """
        survival, due, factor = np.ones((len(rows.units), months)), rows.due(months), self.factor(rows) * scale
        for number, billed in enumerate(rows.intervals):
            in_interval = np.flatnonzero(rows.billed == number)
            last = int(due[in_interval].max(initial=0))
            numbers = np.arange(1, int(rows.made[in_interval].max(initial=0)) + last + 1)
            hazards = self.curves[billed].hazard(numbers)  # of renewals 1, 2, …
            positions = rows.made[in_interval][:, None] + np.arange(last)[None, :]
            chances = (
                np.minimum(1.0, hazards[positions] * factor[in_interval][:, None])
                if last
                else np.zeros((len(in_interval), 0))
            )
            by_renewal = np.cumprod(np.hstack([np.ones((len(in_interval), 1)), 1 - chances]), axis=1)
            survival[in_interval] = np.take_along_axis(by_renewal, due[in_interval], axis=1)
        return survival

    def with_parameters(self, billed: str, log_parameters: np.ndarray) -> RenewalModel:
        """The same model with other parameters for one interval."""
        return replace(self, curves=self.curves | {billed: self.curves[billed].with_log_parameters(log_parameters)})


def fit_renewals(rows: RenewalGroups) -> RenewalModel:
    """Fit the model to `renewals` of all customers; raises ModelError if too few have left."""
    exposed, lost, group = _by_renewal(rows)
    if lost.sum() < LEAST:
        raise ModelError("Fewer than {least} subscriptions have ended, which is too few to project from.", least=LEAST)
    length = np.array([step * MONTHS[unit] for step, unit in map(interval_step, rows.intervals)])
    monthly = min(lost.sum() / float(exposed.sum(axis=1) @ length[group[:, 0]]), 0.999)
    curves, warnings, expected = {}, list[Sentence](), np.zeros(exposed.shape)
    for number, billed in enumerate(rows.intervals):
        has_interval = group[:, 0] == number
        usual = 1 - (1 - monthly) ** length[number]
        curves[billed], notes = _curve(exposed[has_interval].sum(axis=0), lost[has_interval].sum(axis=0), usual)
        key, count = interval_words(billed)
        warnings += [sentence(f"model.billed.{key}", finding=note.lowered(), **count) for note in notes]
        expected[has_interval] = exposed[has_interval] * curves[billed].hazard(np.arange(1, exposed.shape[1] + 1))
    factors, spreads = [], []
    for number, values in enumerate(rows.values, 1):
        observed, predicted = (np.bincount(group[:, number], n.sum(axis=1), len(values)) for n in (lost, expected))
        factors.append(dict(zip(values, (observed + PRIOR_LOSSES) / (predicted + PRIOR_LOSSES), strict=True)))
        spreads.append(_factor_covariance(lost.sum(axis=1), group[:, number], group[:, 0]))
    return RenewalModel(curves, tuple(factors), tuple(spreads), tuple(warnings))


def interval_words(billed: str) -> tuple[str, dict[str, int]]:
    """The key of an interval's translation: `week`, or `weeks` with the number `n`."""
    count, unit = split_interval(billed)
    return (unit, {}) if count == 1 else (f"{unit}s", {"n": count})


def _factor_covariance(lost: np.ndarray, trait: np.ndarray, billed: np.ndarray) -> np.ndarray:
    """The covariance of the logarithms of a trait's factors: the losses of an interval are multinomial over the values.

    The uncertainty of their total is that of the curve.
    """
    size = (int(trait.max()) + 1, int(billed.max()) + 1)
    losses = np.bincount(trait * size[1] + billed, lost, size[0] * size[1]).reshape(size)
    covariance = np.diag(losses.sum(axis=1)) - losses / np.maximum(losses.sum(axis=0), 1.0) @ losses.T
    slopes = 1 / (losses.sum(axis=1) + PRIOR_LOSSES)
    return covariance * np.outer(slopes, slopes)


def _by_renewal(rows: RenewalGroups) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of customers due at renewals 1, 2, … and lost at each (groups × renewals), and the groups.

    A group is a row of the indices of the billing interval and of the value of each trait.
    """
    group, row_group = np.unique(np.column_stack([rows.billed, *rows.traits]), axis=0, return_inverse=True)
    last = rows.made + rows.is_lost
    size = (len(group), int(last.max(initial=0)) + 1)
    ended = np.bincount(row_group.ravel() * size[1] + last, rows.customers, size[0] * size[1]).reshape(size)
    lost = np.bincount(row_group.ravel() * size[1] + last, rows.customers * rows.is_lost, size[0] * size[1]).reshape(
        size
    )
    return np.cumsum(ended[:, ::-1], axis=1)[:, ::-1][:, 1:], lost[:, 1:], group


def _curve(exposed: np.ndarray, lost: np.ndarray, usual: float) -> tuple[Curve, list[Sentence]]:
    """The curve of one interval, and warnings; if it cannot be fitted, a constant share, shrunk towards `usual`."""
    warnings: list[Sentence] = []
    renewals = int(np.count_nonzero(exposed))
    try:
        fitted = fit_sbg_renewals(exposed[: max(renewals, 1)], lost[: max(renewals, 1)])
        if fitted.covariance is not None:
            return fitted, [*fitted.warnings]
        warnings = [*fitted.warnings]
    except ModelError:
        pass
    if not renewals:
        warnings = [sentence("model.no_renewal")]
    elif renewals == 1:
        warnings = [sentence("model.first_renewal")]
    share = (lost.sum() + PRIOR_LOSSES * usual) / (exposed.sum() + PRIOR_LOSSES)
    return Share(float(share), np.array([[(1 - share) / (share * (exposed.sum() + PRIOR_LOSSES))]])), warnings


def deviation(
    model: RenewalModel, rows: RenewalGroups, worth: np.ndarray, place: np.ndarray, groups: int
) -> np.ndarray | None:
    """The standard error of the logarithm of each group's expected MRR, by the delta method; None if it is undefined.

    `worth` is the weight of the MRR at the end of each month, `place` the group of each row.
    """

    def row_values(other: RenewalModel, scale: float = 1.0) -> np.ndarray:
        return rows.mrr * (other.survival(rows, len(worth), scale) @ worth)

    totals = np.bincount(place, row_values(model), groups)
    if not (totals > 0).all():
        return None
    variance, step = np.zeros(groups), 1e-4
    for billed, curve in model.curves.items():
        if curve.covariance is None:
            return None
        at, slopes = curve.log_parameters, []
        for number in range(len(at)):
            delta = step * (np.arange(len(at)) == number)
            above, below = (
                row_values(model.with_parameters(billed, at + delta)),
                row_values(model.with_parameters(billed, at - delta)),
            )
            slopes.append(np.bincount(place, above - below, groups) / (2 * step * totals))
        gradient = np.array(slopes)
        variance += ((gradient.T @ curve.covariance) * gradient.T).sum(axis=1)
    slope = (row_values(model, np.exp(step)) - row_values(model, np.exp(-step))) / (
        2 * step
    )  # by the logarithm of a row's factor
    traits = zip(model.factors, model.spreads, rows.values, rows.traits, strict=True)
    for factors, spread, values, trait in traits:
        column_of = {value: number for number, value in enumerate(factors)}
        column = np.array([column_of[value] for value in values], int)[trait]
        size = (groups, len(factors))
        gradient = np.bincount(place * size[1] + column, slope, size[0] * size[1]).reshape(size) / totals[:, None]
        variance += ((gradient @ spread) * gradient).sum(axis=1)
    return np.sqrt(np.maximum(variance, 0.0))


@dataclass(frozen=True)
class TenureRule:
    """A simple rule: the share of all subscriptions lost in each month of tenure, shrunk towards the overall share.

    After the longest observed time it is the overall share.
    """

    survival: np.ndarray  # the share left after 0, 1, … months
    usual: float  # the overall share lost in a month

    def loss_chances(self, rows: RenewalGroups, months: int) -> np.ndarray:
        """The probability of leaving within `months`, for each group."""
        return 1 - self._survival(rows.months + months) / self._survival(rows.months)

    def _survival(self, months: np.ndarray) -> np.ndarray:
        beyond = np.maximum(months - len(self.survival) + 1, 0)
        return self.survival[np.minimum(months, len(self.survival) - 1)] * (1 - self.usual) ** beyond


def fit_tenure(rows: RenewalGroups) -> TenureRule:
    """The simple rule from `renewals` of all customers."""
    longest = int(rows.months.max(initial=0)) + 1
    ended = np.bincount(rows.months + rows.is_lost, rows.customers, longest + 1)[1:]
    exposed = np.cumsum(ended[::-1])[::-1]
    lost = np.bincount(rows.months, rows.customers * rows.is_lost, longest)
    usual = float(lost.sum() / exposed.sum()) if exposed.sum() else 0.0
    return TenureRule(
        np.cumprod(np.insert(1 - (lost + PRIOR_LOSSES * usual) / (exposed + PRIOR_LOSSES), 0, 1.0)), usual
    )
