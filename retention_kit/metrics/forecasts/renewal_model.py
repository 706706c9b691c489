"""At which renewal subscriptions end: shifted beta-geometric by billing interval, times factors by plan and segment.

Source: Fader and Hardie (2007). The factors are shrunk towards 1: (losses observed + 20) / (losses expected + 20).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from retention_kit.data.values.vocabulary import interval_step, split_interval
from retention_kit.errors import ModelError
from retention_kit.metrics.models import ShiftedBetaGeometric, fit_sbg_renewals
from retention_kit.wording import Sentence, sentence

if TYPE_CHECKING:
    import pandas as pd

SHRUNK = 20  # losses that are added to those observed and those expected of each value, so that few tell little
LEAST = 20  # losses below which nothing is projected
MONTHS = {"day": 12 / 365, "week": 12 / 52, "month": 1.0}  # in a unit of `renewals`


class Alike:
    """The rows of `renewals`: customers who are alike to the model, as arrays with an entry a row.

    `billed` is the interval, `units` since the start, `made` the renewals among them, `traits` the number of the value
    in each of `values`.
    """

    def __init__(self, frame: pd.DataFrame):
        self.customers, self.mrr = frame["customers"].to_numpy(float), frame["mrr"].to_numpy(float)
        self.is_lost, self.units = (frame["outcome"] == "lost").to_numpy(bool), frame["units"].to_numpy(int)
        self.intervals, self.billed = np.unique(frame["billed"].to_numpy(object), return_inverse=True)
        steps = [interval_step(one) for one in self.intervals]
        self.step = np.array([step for step, _ in steps], int)[self.billed]
        self.unit = np.array([MONTHS[unit] for _, unit in steps], float)[self.billed]
        self.made = self.units // self.step
        self.months = np.floor(self.units * self.unit + 1e-9).astype(int)  # whole ones that were paid
        found = [
            np.unique(frame[name].to_numpy(object), return_inverse=True) for name in frame if name.startswith("trait_")
        ]
        self.values, self.traits = [values for values, _ in found], [place for _, place in found]

    def due(self, months: int) -> np.ndarray:
        """How many renewals fall due by the end of 1, 2, … months: a row each, a column a month."""
        passed = np.floor(np.arange(1, months + 1)[None, :] / self.unit[:, None] + 1e-9)
        first = self.step - self.units % self.step  # units until the next
        return np.maximum((passed - first[:, None]) // self.step[:, None] + 1, 0).astype(int)


@dataclass(frozen=True)
class Share:
    """One share that leaves at each renewal, where a billing interval has too few renewals for a curve."""

    share: float
    covariance: np.ndarray

    @property
    def log_parameters(self) -> np.ndarray:
        """The logarithm of the share, which `covariance` is of."""
        return np.log([self.share])

    def replaced(self, log_parameters: np.ndarray) -> Share:
        """The same with another share, given as its logarithm."""
        return replace(self, share=float(np.exp(log_parameters[0])))

    def hazard(self, t: np.ndarray) -> np.ndarray:
        """The share that leaves at renewal t."""
        return np.full(len(t), self.share)


Curve = ShiftedBetaGeometric | Share


@dataclass(frozen=True)
class RenewalModel:
    """The chance to leave at a renewal: that of the billing interval and the renewal's number, times a factor for each
    trait; never above 1.
    """

    curves: dict[str, Curve]
    factors: tuple[dict[str, float], ...]  # of each trait: value → factor
    spreads: tuple[np.ndarray, ...]  # of each trait: the covariance of the logarithms of its factors
    warnings: tuple[Sentence, ...]

    def factor(self, rows: Alike) -> np.ndarray:
        """What the traits of each row make of its chance."""
        found = np.ones(len(rows.units))
        for factors, values, place in zip(self.factors, rows.values, rows.traits, strict=True):
            found *= np.array([factors.get(value, 1.0) for value in values], float)[place]
        return found

    def staying(self, rows: Alike, months: int, scale: float = 1.0) -> np.ndarray:
        """The chance of each row's customers to stay to the end of 1, 2, … months: a row each, a column a month.

        `scale` multiplies their chance to leave.
        """
        found, due, factor = np.ones((len(rows.units), months)), rows.due(months), self.factor(rows) * scale
        for number, billed in enumerate(rows.intervals):
            of = np.flatnonzero(rows.billed == number)
            most = int(due[of].max(initial=0))
            numbers = np.arange(1, int(rows.made[of].max(initial=0)) + most + 1)
            hazards = self.curves[billed].hazard(numbers)  # of the renewals that are looked at
            places = rows.made[of][:, None] + np.arange(most)[None, :]
            chances = np.minimum(1.0, hazards[places] * factor[of][:, None]) if most else np.zeros((len(of), 0))
            stays = np.cumprod(np.hstack([np.ones((len(of), 1)), 1 - chances]), axis=1)
            found[of] = np.take_along_axis(stays, due[of], axis=1)
        return found

    def moved(self, billed: str, log_parameters: np.ndarray) -> RenewalModel:
        """The same model with other parameters for one interval."""
        return replace(self, curves=self.curves | {billed: self.curves[billed].replaced(log_parameters)})


def fit_renewals(rows: Alike) -> RenewalModel:
    """Fit to `renewals` of all customers; raises ModelError where too few have left."""
    exposed, lost, group = _by_renewal(rows)
    if lost.sum() < LEAST:
        raise ModelError("Fewer than {least} subscriptions have ended, which is too few to project from.", least=LEAST)
    length = np.array([step * MONTHS[unit] for step, unit in map(interval_step, rows.intervals)])
    monthly = min(lost.sum() / float(exposed.sum(axis=1) @ length[group[:, 0]]), 0.999)
    curves, warnings, expected = {}, list[Sentence](), np.zeros(exposed.shape)
    for number, billed in enumerate(rows.intervals):
        of = group[:, 0] == number
        usual = 1 - (1 - monthly) ** length[number]
        curves[billed], said = _curve(exposed[of].sum(axis=0), lost[of].sum(axis=0), usual)
        key, count = interval_words(billed)
        warnings += [sentence(f"model.billed.{key}", finding=one.lowered(), **count) for one in said]
        expected[of] = exposed[of] * curves[billed].hazard(np.arange(1, exposed.shape[1] + 1))
    factors, spreads = [], []
    for number, values in enumerate(rows.values, 1):
        observed, foreseen = (np.bincount(group[:, number], n.sum(axis=1), len(values)) for n in (lost, expected))
        factors.append(dict(zip(values, (observed + SHRUNK) / (foreseen + SHRUNK), strict=True)))
        spreads.append(_spread(lost.sum(axis=1), group[:, number], group[:, 0]))
    return RenewalModel(curves, tuple(factors), tuple(spreads), tuple(warnings))


def interval_words(billed: str) -> tuple[str, dict[str, int]]:
    """The key of an interval's words, `week`, or `weeks` with the number `n` of them."""
    count, unit = split_interval(billed)
    return (unit, {}) if count == 1 else (f"{unit}s", {"n": count})


def _spread(lost: np.ndarray, trait: np.ndarray, billed: np.ndarray) -> np.ndarray:
    """The covariance of the logarithms of a trait's factors: how chance deals out the losses of an interval to its
    values (multinomial). How many those are is the curve's own uncertainty.
    """
    size = (int(trait.max()) + 1, int(billed.max()) + 1)
    losses = np.bincount(trait * size[1] + billed, lost, size[0] * size[1]).reshape(size)
    covariance = np.diag(losses.sum(axis=1)) - losses / np.maximum(losses.sum(axis=0), 1.0) @ losses.T
    slopes = 1 / (losses.sum(axis=1) + SHRUNK)
    return covariance * np.outer(slopes, slopes)


def _by_renewal(rows: Alike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many came to renewals 1, 2, … and how many left at each: a row for each interval with values of the traits,
    whose numbers come third.
    """
    group, place = np.unique(np.column_stack([rows.billed, *rows.traits]), axis=0, return_inverse=True)
    last = rows.made + rows.is_lost
    size = (len(group), int(last.max(initial=0)) + 1)
    ended = np.bincount(place.ravel() * size[1] + last, rows.customers, size[0] * size[1]).reshape(size)
    lost = np.bincount(place.ravel() * size[1] + last, rows.customers * rows.is_lost, size[0] * size[1]).reshape(size)
    return np.cumsum(ended[:, ::-1], axis=1)[:, ::-1][:, 1:], lost[:, 1:], group


def _curve(exposed: np.ndarray, lost: np.ndarray, usual: float) -> tuple[Curve, list[Sentence]]:
    """The curve of one interval; one share, drawn towards the `usual` one, where no curve can be had."""
    said: list[Sentence] = []
    known = int(np.count_nonzero(exposed))
    try:
        fitted = fit_sbg_renewals(exposed[: max(known, 1)], lost[: max(known, 1)])
        if fitted.covariance is not None:
            return fitted, [*fitted.warnings]
        said = [*fitted.warnings]
    except ModelError:
        pass
    if not known:
        said = [sentence("model.no_renewal")]
    elif known == 1:
        said = [sentence("model.first_renewal")]
    share = (lost.sum() + SHRUNK * usual) / (exposed.sum() + SHRUNK)
    return Share(float(share), np.array([[(1 - share) / (share * (exposed.sum() + SHRUNK))]])), said


def deviation(model: RenewalModel, rows: Alike, worth: np.ndarray, place: np.ndarray, groups: int) -> np.ndarray | None:
    """The standard error of the logarithm of each group's MRR to come, by the delta method; None where one has none.

    `worth` is what the MRR at the end of each month counts, `place` the group of each row.
    """

    def each(one: RenewalModel, scale: float = 1.0) -> np.ndarray:
        return rows.mrr * (one.staying(rows, len(worth), scale) @ worth)

    whole = np.bincount(place, each(model), groups)
    if not (whole > 0).all():
        return None
    variance, step = np.zeros(groups), 1e-4
    for billed, curve in model.curves.items():
        if curve.covariance is None:
            return None
        at, slopes = curve.log_parameters, []
        for number in range(len(at)):
            move = step * (np.arange(len(at)) == number)
            above, below = each(model.moved(billed, at + move)), each(model.moved(billed, at - move))
            slopes.append(np.bincount(place, above - below, groups) / (2 * step * whole))
        by = np.array(slopes)
        variance += ((by.T @ curve.covariance) * by.T).sum(axis=1)
    slope = (each(model, np.exp(step)) - each(model, np.exp(-step))) / (2 * step)  # by the log of a row's own factor
    traits = zip(model.factors, model.spreads, rows.values, rows.traits, strict=True)
    for factors, spread, values, trait in traits:
        number_of = {value: number for number, value in enumerate(factors)}
        column = np.array([number_of[value] for value in values], int)[trait]
        size = (groups, len(factors))
        by = np.bincount(place * size[1] + column, slope, size[0] * size[1]).reshape(size) / whole[:, None]
        variance += ((by @ spread) * by).sum(axis=1)
    return np.sqrt(np.maximum(variance, 0.0))


@dataclass(frozen=True)
class TenureRule:
    """The plain rule: the share lost in each month of paying, of all subscriptions alike; of few, drawn to that of all.

    Beyond the longest time seen, all months lose the share of all.
    """

    stays: np.ndarray  # the share that is still there after 0, 1, … months
    usual: float  # lost in a month, of all

    def leaving(self, rows: Alike, months: int) -> np.ndarray:
        """The chance of each row's customers to leave in so many months."""
        return 1 - self._stays(rows.months + months) / self._stays(rows.months)

    def _stays(self, months: np.ndarray) -> np.ndarray:
        beyond = np.maximum(months - len(self.stays) + 1, 0)
        return self.stays[np.minimum(months, len(self.stays) - 1)] * (1 - self.usual) ** beyond


def fit_tenure(rows: Alike) -> TenureRule:
    """The plain rule from `renewals` of all customers."""
    longest = int(rows.months.max(initial=0)) + 1
    seen = np.bincount(rows.months + rows.is_lost, rows.customers, longest + 1)[1:]
    exposed = np.cumsum(seen[::-1])[::-1]
    lost = np.bincount(rows.months, rows.customers * rows.is_lost, longest)
    usual = float(lost.sum() / exposed.sum()) if exposed.sum() else 0.0
    return TenureRule(np.cumprod(np.insert(1 - (lost + SHRUNK * usual) / (exposed + SHRUNK), 0, 1.0)), usual)
