"""Decompositions of a change: of a rate into rate and mix by segment value, of a product by its factors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from math import comb, fsum, prod

from retention_kit.wording import sentence

Counts = Mapping[str, tuple[float, float]]  # segment value → numerator and denominator
EMPTY = sentence("notes.no_parts")


@dataclass(frozen=True)
class Part:
    """The contribution of a segment value to the change of a rate: by its own rate (`rate`), and by its weight (`mix`).

    `weight` is its share of the denominators, averaged over both periods.
    """

    rate: float
    mix: float
    weight: float

    @property
    def total(self) -> float:
        """The sum of both."""
        return self.rate + self.mix


@dataclass(frozen=True)
class Decomposition:
    """The change of a rate by segment value: `change` = the totals of `parts` + `unassigned`.

    `unassigned` is that of values with a numerator but no denominator. If the change is undefined, it is None without
    parts, and `reason` says why.
    """

    change: float | None
    parts: Mapping[str, Part] = field(default_factory=dict)
    unassigned: float = 0.0
    reason: str = ""

    @property
    def rate(self) -> float:
        """The sum of the contributions by rate."""
        return fsum(part.rate for part in self.parts.values())

    @property
    def mix(self) -> float:
        """The sum of the contributions by weight."""
        return fsum(part.mix for part in self.parts.values())

    @property
    def unexplained(self) -> float:
        """The change minus its parts: 0 except for rounding."""
        if self.change is None:
            return 0.0
        parts = [measure for part in self.parts.values() for measure in (part.rate, part.mix)]
        return self.change - fsum([*parts, self.unassigned])


def rate_and_mix(before: Counts, now: Counts) -> Decomposition:
    """Decompose the change of a rate N / D into the effects of the rates and of the weights of its segment values.

    `before` and `now` are (numerator, denominator) by segment value. For a value with weights w and rates r, rate = (w0
    + w1) / 2 × (r1 - r0) and mix = (w1 - w0) × ((r0 + r1) / 2 - (R0 + R1) / 2), where R is the overall rate. A value
    without a denominator in one period has its rate of the other in both, so it only contributes mix; its numerator, if
    any, is `unassigned`. Source: Kitagawa (1955), centred.
    """
    whole_before, whole_now = (fsum(d for _, d in counts.values()) for counts in (before, now))
    if not (whole_before > 0 and whole_now > 0):
        return Decomposition(None, reason=EMPTY)
    rate_before, rate_now = (
        fsum(n for n, _ in counts.values()) / whole for counts, whole in ((before, whole_before), (now, whole_now))
    )
    centre, parts, unassigned = (rate_before + rate_now) / 2, {}, []
    for name in dict.fromkeys([*before, *now]):
        (n0, d0), (n1, d1) = before.get(name, (0, 0)), now.get(name, (0, 0))
        unassigned += [-n0 / whole_before if not d0 else 0.0, n1 / whole_now if not d1 else 0.0]
        if not d0 and not d1:
            continue
        r0, r1 = n0 / d0 if d0 else n1 / d1, n1 / d1 if d1 else n0 / d0
        w0, w1 = d0 / whole_before, d1 / whole_now
        parts[name] = Part((w0 + w1) / 2 * (r1 - r0), (w1 - w0) * ((r0 + r1) / 2 - centre), (w0 + w1) / 2)
    return Decomposition(rate_now - rate_before, parts, fsum(unassigned))


def shapley(before: Mapping[str, float | None], now: Mapping[str, float | None]) -> dict[str, float]:
    """Decompose the change of a product by factor: the mean effect over all orders in which they may change.

    `before` and `now` are the factors by name; the parts add up to product of `now` - product of `before`, also from or
    to zero. A factor that is None in one period, such as a mean over no customers, counts as unchanged. Raises
    ValueError if the names differ. Source: Shapley (1953).
    """
    if {*before} != {*now}:
        raise ValueError(f"The factors of both periods are the same: {[*before]} are not {[*now]}.")
    factors = {}
    for name in before:
        then, today = before[name], now[name]
        start, end = today if then is None else then, then if today is None else today
        factors[name] = (start or 0.0, end or 0.0)
    return {name: _mean_effect(name, factors) for name in factors}


def _mean_effect(name: str, factors: Mapping[str, tuple[float, float]]) -> float:
    """The mean effect of a factor, over the sets of other factors that have changed before it."""
    others = [factor for factor in factors if factor != name]
    start, end = factors[name]
    terms = [
        prod(factors[factor][factor in changed] for factor in others) / comb(len(others), size) / (len(others) + 1)
        for size in range(len(others) + 1)
        for changed in map(set, combinations(others, size))
    ]
    return (end - start) * fsum(terms)
