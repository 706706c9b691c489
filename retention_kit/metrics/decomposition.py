"""Why a figure changed, as sums that close: a rate by segment into rate and mix, a product by its factors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from math import comb, fsum, prod

from retention_kit.wording import sentence

Counts = Mapping[str, tuple[float, float]]  # of each segment value: numerator and denominator
EMPTY = sentence("notes.no_parts")


@dataclass(frozen=True)
class Part:
    """What one segment value adds to the change of a rate: by its own rate (`rate`), and by its weight (`mix`).

    `weight` is its share of all denominators, the mean of both periods.
    """

    rate: float
    mix: float
    weight: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.rate + self.mix


@dataclass(frozen=True)
class Decomposition:
    """The change of a rate by segment value: `change` = the totals of `parts` + `unassigned`.

    `unassigned` is of values that have a numerator and no denominator. Where the change is undefined it is None, there
    are no parts, and `reason` says why.
    """

    change: float | None
    parts: Mapping[str, Part] = field(default_factory=dict)
    unassigned: float = 0.0
    reason: str = ""

    @property
    def rate(self) -> float:
        """What the values' own rates add up to."""
        return fsum(part.rate for part in self.parts.values())

    @property
    def mix(self) -> float:
        """What the values' weights add up to."""
        return fsum(part.mix for part in self.parts.values())

    @property
    def unexplained(self) -> float:
        """What the parts leave of the change: 0 but for the rounding of floats."""
        if self.change is None:
            return 0.0
        parts = [one for part in self.parts.values() for one in (part.rate, part.mix)]
        return self.change - fsum([*parts, self.unassigned])


def rate_and_mix(before: Counts, now: Counts) -> Decomposition:
    """The change of a rate N / D into what its segment values did and how they came to weigh more or less.

    `before` and `now` give (numerator, denominator) by segment value. Of a value with weights w and rates r, rate = (w0
    + w1) / 2 × (r1 - r0) and mix = (w1 - w0) × ((r0 + r1) / 2 - (R0 + R1) / 2), R the rate of all: a value gains by mix
    where it grows and is better than most. One without a denominator in one of the periods has its rate of the other in
    both, so that all it adds is mix; one that has a numerator nonetheless adds it as `unassigned`. Source: Kitagawa
    (1955), centred.
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
    """The change of a product into what each factor did, on the mean over every order in which they may change.

    `before` and `now` give the factors by name; the parts add up to product of `now` - product of `before`, from zero
    and to zero too. A factor that is None in one period, such as the purchases of each of no customers, is taken as
    unchanged. Raises ValueError where the two name different factors. Source: Shapley (1953).
    """
    if {*before} != {*now}:
        raise ValueError(f"The factors of both periods are the same: {[*before]} are not {[*now]}.")
    known = {}
    for name in before:
        then, today = before[name], now[name]
        start, end = today if then is None else then, then if today is None else today
        known[name] = (start or 0.0, end or 0.0)
    return {name: _added(name, known) for name in known}


def _added(name: str, factors: Mapping[str, tuple[float, float]]) -> float:
    """What a factor adds on the mean: over the sets of others that have changed before it."""
    others = [one for one in factors if one != name]
    start, end = factors[name]
    terms = [
        prod(factors[one][one in changed] for one in others) / comb(len(others), size) / (len(others) + 1)
        for size in range(len(others) + 1)
        for changed in map(set, combinations(others, size))
    ]
    return (end - start) * fsum(terms)
