"""The probability that a figure reaches a target some periods ahead, from its past: a local level model.

A local level (Durbin and Koopman, Time Series Analysis by State Space Methods, 2012, ch. 2) with its share of lasting
changes averaged over a grid, each by its likelihood, and its scale integrated out: a mixture of Student distributions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, expm1, isfinite, log, log1p, sqrt

LEAST = 8  # fewest periods for an outlook
WINDOW = 24  # periods of the past that are used
SURE = 0.99  # the largest probability reported
UNLIKELY, LIKELY = 0.2, 0.8
INSIDE = 0.8  # coverage of the interval that is drawn
_LASTING = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0)  # shares of variance that persist in the level
_STEPS = 60  # of the search for a quantile


@dataclass(frozen=True)
class Observation:
    """A figure of one period, with its 95% interval if it has one."""

    index: int
    value: float
    low: float | None = None
    high: float | None = None
    is_of_few: bool = False  # a rate or a mean of fewer than 30


@dataclass(frozen=True)
class _Level:
    """The fit for one share of lasting changes: the level, its variance, and the scale²."""

    lasting: float
    level: float
    uncertain: float
    scale2: float
    weight: float


@dataclass(frozen=True)
class Outlook:
    """A fitted model. `kind` is the scale of the fit: logit, log or plain; `periods` the number of observations."""

    kind: str
    periods: int
    last: int
    sampling2: float  # the last value's own sampling error, squared, on that scale
    levels: tuple[_Level, ...]

    def probability(self, target: float, better: str, at: int) -> float:
        """The probability that the figure of a later period reaches a target."""
        return self._passed(_to(target, self.kind), better, self._spreads(at))

    def probability_of_sum(self, missing: float, better: str, periods: int) -> float:
        """The probability that the figures of the next periods, at least one, add up to what is missing."""
        if self.kind == "log" and missing <= 0:
            return _bounded(0.0 if better == "lower" else 1.0)
        parts = sum((step / periods) ** 2 for step in range(1, periods + 1))
        spreads = [
            sqrt(level.scale2 * (level.uncertain + level.lasting * parts + (1 - level.lasting) / periods))
            for level in self.levels
        ]
        return self._passed(_to(missing / periods, self.kind), better, spreads)

    def interval(self, at: int) -> tuple[float, float, float]:
        """Low, middle and high of the figure of a later period, in its own unit."""
        spreads = self._spreads(at)
        low, middle, high = (self._quantile(part, spreads) for part in ((1 - INSIDE) / 2, 0.5, (1 + INSIDE) / 2))
        return _back(low, self.kind), _back(middle, self.kind), _back(high, self.kind)

    def _spreads(self, at: int) -> list[float]:
        """The standard deviation of the figure of a later period, for each level."""
        ahead = max(at - self.last, 1)
        return [
            sqrt(level.scale2 * (level.uncertain + level.lasting * ahead + 1 - level.lasting)) for level in self.levels
        ]

    def _passed(self, bound: float, better: str, spreads: Sequence[float]) -> float:
        below = self._below(bound, spreads, is_met=better == "lower")
        return _bounded(below if better == "lower" else 1 - below)

    def _below(self, bound: float, spreads: Sequence[float], *, is_met: bool = False) -> float:
        from scipy.special import stdtr

        total = 0.0
        for level, spread in zip(self.levels, spreads, strict=True):
            wide, gap = sqrt(spread**2 + self.sampling2), bound - level.level
            # Without any variation the figure stays at the level, which reaches a target equal to it.
            share = stdtr(self.periods - 1, gap / wide) if wide > 0 else gap > 0 or (gap == 0 and is_met)
            total += level.weight * float(share)
        return total

    def _quantile(self, part: float, spreads: Sequence[float]) -> float:
        reach = 50 * max(sqrt(spread**2 + self.sampling2) for spread in spreads)
        low, high = (choose(level.level for level in self.levels) for choose in (min, max))
        low, high = low - reach, high + reach
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._below(middle, spreads) < part else (low, middle)
        return (low + high) / 2


def fit(observations: Sequence[Observation], unit: str, is_part: bool) -> Outlook | None:
    """Fit the observations of the last periods, oldest first; None if there are too few.

    Fractions that are a part of a whole (`is_part`) are fitted as logits, money and counts as logarithms where all are
    positive, all else as it is.
    """
    observations = [observation for observation in observations if isfinite(observation.value)]
    observations = [observation for observation in observations if observation.index > observations[-1].index - WINDOW]
    if len(observations) < LEAST:
        return None
    kind = _kind([observation.value for observation in observations], unit, is_part)
    values = [_to(observation.value, kind) for observation in observations]
    levels = [_filtered([observation.index for observation in observations], values, lasting) for lasting in _LASTING]
    best = max(weight for *_, weight in levels)
    weights = [exp(weight - best) for *_, weight in levels]
    return Outlook(
        kind,
        len(observations),
        observations[-1].index,
        _sampling2(observations[-1], kind),
        tuple(
            _Level(lasting, level, uncertain, scale2, weight / sum(weights))
            for lasting, (level, uncertain, scale2, _), weight in zip(_LASTING, levels, weights, strict=True)
        ),
    )


def _filtered(indices: Sequence[int], values: Sequence[float], lasting: float) -> tuple[float, float, float, float]:
    """The level after the last value, its variance, the scale², and the log of the likelihood, by the Kalman filter."""
    level, uncertain, squares, logs = values[0], 1 - lasting, 0.0, 0.0
    for before, index, value in zip(indices, indices[1:], values[1:], strict=False):
        uncertain += lasting * (index - before)
        whole = uncertain + 1 - lasting
        gain, error = uncertain / whole, value - level
        level, uncertain = level + gain * error, uncertain * (1 - gain)
        squares, logs = squares + error**2 / whole, logs + log(whole)
    free = len(values) - 1
    tiny = 1e-18 * max(1.0, *(value**2 for value in values))  # a past without any change fits all shares alike
    return level, uncertain, squares / free, -0.5 * (logs + free * log(max(squares, tiny)))


def _kind(values: Sequence[float], unit: str, is_part: bool) -> str:
    if unit == "fraction" and is_part and all(0 <= value <= 1 for value in values):
        return "logit"
    if unit in ("money", "count", "ratio", "years") and all(value > 0 for value in values):
        return "log"
    return "plain"


def _to(value: float, kind: str) -> float:
    """A value on the scale of the fit; shares are limited to 0.0005 to 0.9995."""
    if kind == "logit":
        part = min(max(value, 0.0005), 0.9995)
        return log(part) - log1p(-part)
    if kind == "log":
        return log(value) if value > 0 else -700.0
    return value


def _back(value: float, kind: str) -> float:
    if kind == "logit":
        return 1 / (1 + exp(-value)) if value > -700 else 0.0
    if kind == "log":
        return 1 + expm1(min(value, 700.0))
    return value


def _sampling2(last: Observation, kind: str) -> float:
    if last.low is None or last.high is None or not (isfinite(last.low) and isfinite(last.high)):
        return 0.0
    if kind == "log" and last.low <= 0:
        return 0.0
    return ((_to(last.high, kind) - _to(last.low, kind)) / (2 * 1.96)) ** 2


def _bounded(probability: float) -> float:
    return min(max(probability, 1 - SURE), SURE)


def band(probability: float) -> str:
    """unlikely, open or likely."""
    return "unlikely" if probability < UNLIKELY else "likely" if probability > LIKELY else "open"
