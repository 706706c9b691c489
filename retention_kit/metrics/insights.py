"""What may be called more than chance: every comparison of a report with its p-value, corrected together.

A report makes dozens of comparisons, and of those with nothing behind them one in twenty looks like something. So they
are corrected within a family (the figures of a page, the values of a column for one figure) and then over the families
(Holm 1979): with nothing changing, a report claims anything at all in at most 5 of 100 cases.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import erfc, sqrt
from typing import TYPE_CHECKING, Any

from retention_kit.metrics.catalogue import METRICS, SMALL, Measure
from retention_kit.metrics.decomposition import rate_and_mix, shapley  # noqa: F401  where people look for them
from retention_kit.metrics.formulas import Z95, difference, share
from retention_kit.periods import Period

if TYPE_CHECKING:
    import pandas as pd

USUAL, LEAST = 12, 3  # complete periods before that tell what is usual, and how many are needed
LEVEL = 0.05  # how often a report may claim something where nothing changed


@dataclass(frozen=True)
class Claim:
    """One comparison: of a metric, or of one segment `value` of it, `against` something, with its p-value.

    `against` is previous or year_ago (periods), goal, rest (the other customers), earlier (cohorts), or part or mix
    (what a value, or the mix of values, adds to a change). Claims of a family with the same `twin` say the same thing
    twice, such as retention and churn, and count once.
    """

    family: tuple[str, ...]
    metric: str
    against: str
    p: float
    value: str = ""
    twin: object = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is about: metric, against, segment column and value."""
        column = self.family[-1] if self.against in ("rest", "part", "mix") else ""
        return self.metric, self.against, column, self.value


def significant(claims: Iterable[Claim], level: float = LEVEL) -> frozenset[tuple[str, str, str, str]]:
    """The keys of the claims that hold at `level` for all of them together (Holm 1979, within families, then over
    them).
    """
    families: dict[tuple[str, ...], list[Claim]] = {}
    for claim in claims:
        families.setdefault(claim.family, []).append(claim)
    adjusted = {name: _holm(members) for name, members in families.items()}
    held: set[tuple[str, str, str, str]] = set()
    for place, name in enumerate(sorted(families, key=lambda name: min(adjusted[name].values()))):
        found = {key for key, p in adjusted[name].items() if p <= level / (len(families) - place)}
        if not found:
            break
        held |= found
    return frozenset(held)


def _holm(claims: list[Claim]) -> dict[tuple[str, str, str, str], float]:
    """Adjusted p-values by key: the smallest times the number of claims, the next times one less, and so on."""
    twins: dict[object, list[Claim]] = {}
    for claim in claims:
        twins.setdefault(claim.key if claim.twin is None else claim.twin, []).append(claim)
    adjusted: dict[tuple[str, str, str, str], float] = {}
    so_far = 0.0
    for place, same in enumerate(sorted(twins.values(), key=lambda same: max(claim.p for claim in same))):
        so_far = min(1.0, max(so_far, (len(twins) - place) * max(claim.p for claim in same)))
        adjusted |= {claim.key: so_far for claim in same}
    return adjusted


def p_value(change: float, low: float, high: float, explained: tuple[float, float] = (0.0, 0.0)) -> float:
    """The two-sided p of a change with a 95% interval: below 5% exactly where that leaves out what is `explained`.

    `explained` is the range of changes that need no other reason. The side of the interval that looks towards it
    counts.
    """
    nearest = min(max(change, explained[0]), explained[1])
    side = change - low if change > nearest else high - change
    if change == nearest or side <= 0:
        return 1.0
    return erfc(Z95 * abs(change - nearest) / side / sqrt(2))


def change_claims(rows: pd.DataFrame, period: Period, base: str) -> list[Claim]:
    """Of scorecard rows of the whole: each figure with an interval, against the period before and that of last year.

    `base` is what makes a customer (orders, inactivity, subscriptions). Fewer than 30 on either side claim nothing.
    Where periods differ in length, a change no larger than that explains is none.
    """
    known = {(row.metric, row.period): row for row in rows.itertuples() if row.metric in METRICS}
    found = []
    for (name, when), row in known.items():
        if when != str(period) or not row.complete or METRICS[name].overlaps:
            continue
        for against, other in (("previous", period.shift(-1)), ("year_ago", period.year_ago())):
            before = known.get((name, str(other)))
            if before is None or other is None or (bounds := _bounds(row, before, against)) is None:
                continue
            change = row.value - before.value
            p = p_value(change, *bounds, by_length(name, base, before.value, period, other))
            twin = (against, row.unit, row.n, round(abs(change), 9))
            found.append(Claim(("page", METRICS[name].template), name, against, p, twin=twin))
    return found


def usual_value(rows: pd.DataFrame, metric: str, period: Period) -> float | None:
    """The median of a figure over the complete periods before, of twelve at most; None of fewer than three."""
    before = [str(period.shift(-number)) for number in range(1, USUAL + 1)]
    known = rows[(rows["metric"] == metric) & rows["period"].isin(before) & rows["complete"]]["value"].dropna()
    return float(known.median()) if len(known) >= LEAST else None


def _bounds(row: Any, before: Any, against: str) -> tuple[float, float] | None:
    """The interval of a change; None where it has none, or of few."""
    if not min(row.n, before.n) >= SMALL:
        return None
    given = (row.change_low, row.change_high) if against == "previous" else difference(_measure(row), _measure(before))
    return None if given is None or given[0] != given[0] else given


def _measure(row: Any) -> Measure:
    names = ("value", "numerator", "denominator", "n", "low", "high")
    value, numerator, denominator, n, low, high = (
        None if (figure := getattr(row, name)) != figure else figure for name in names
    )
    return Measure(value, numerator, denominator, n, low, high)


def goal_claims(rows: pd.DataFrame) -> list[Claim]:
    """Of the rows of one period: each figure with an interval against its goal."""
    return [
        Claim(("goal",), row.metric, "goal", p_value(gap, row.low - row.target, row.high - row.target))
        for row in rows.itertuples()
        if row.status and row.low == row.low and row.n >= SMALL and (gap := row.value - row.target) == gap
    ]


def by_length(name: str, base: str, before: float, period: Period, other: Period) -> tuple[float, float]:
    """The changes of a figure that the lengths of two periods explain: at most in proportion to them."""
    return _by_ratio(grows(name, base), before, days(period) / days(other))


def by_cohort_length(base: str, before: float, period: Period, others: Iterable[Period]) -> tuple[float, float]:
    """The same of a cohort's retention in a period, against that of others at the same age in theirs."""
    lengths = [days(other) for other in others]
    return _by_ratio(grows("customer_retention_rate", base), before, days(period) * len(lengths) / sum(lengths))


def _by_ratio(part: str, before: float, ratio: float) -> tuple[float, float]:
    change = {"value": before * (ratio - 1), "rest": -(1 - before) * (ratio - 1)}.get(part, 0.0)
    return min(0.0, change), max(0.0, change)


def grows(name: str, base: str) -> str:
    """Whether a figure (value), or what is missing to 1 (rest), grows with the length of the period; else empty.

    Who has longer to buy again is kept more often; who pays has longer to leave.
    """
    one = METRICS[name]
    if one.summary == "movements" and base != "orders":
        return {"value": "rest", "rest": "value"}.get(one.grows, "") if one.unit == "fraction" else one.grows
    return one.grows


def days(period: Period) -> int:
    """How many days a period has."""
    return (period.end - period.start).days


def segment_claims(parts: pd.DataFrame, whole: Any, column: str) -> list[Claim]:
    """Of one metric in one period: each value of a column against all other customers together; `whole` is everybody's
    row.

    Values with fewer than 30, or without an interval, claim nothing.
    """
    if whole is None or not whole.complete or whole.low != whole.low:
        return []
    found = []
    for row in parts.itertuples():
        p = contrast(row, whole) if row.low == row.low and row.n >= SMALL else None
        if p is not None:
            family = ("segment", whole.metric, column)
            found.append(Claim(family, whole.metric, "rest", p, value=row.segment_value))
    return found


def contrast(part: Any, whole: Any) -> float | None:
    """The p-value of a part's figure against the rest of the whole, both with intervals; None where there is no rest.

    The rest's value and variance follow from the whole's, which are means of the two by their denominators. The part's
    variance is its own or, where that is larger, what one of its size has if it is like all: of few, the own one may be
    small by chance.
    """
    weight = part.denominator / whole.denominator if whole.denominator else 1.0
    if not 0 < weight < 1:
        return None
    gap = (whole.value - part.value) / (1 - weight)
    up = gap > 0
    own, all_ = (
        part.high - part.value if up else part.value - part.low,
        whole.value - whole.low if up else whole.high - whole.value,
    )
    rest = max(all_**2 - (weight * own) ** 2, 0.0) / (1 - weight) ** 2
    pooled = max(whole.value - whole.low, whole.high - whole.value) / sqrt(weight * (1 - weight))
    side = max(sqrt(own**2 + rest), pooled)
    return erfc(Z95 * abs(gap) / side / sqrt(2)) if side else None


def pooled(rows: pd.DataFrame) -> Measure:
    """Several values of one metric as one: the ratio of their sums, with the interval that theirs give it.

    Without a value where they have no denominators.
    """
    top, bottom, n = (float(rows[name].sum(min_count=1)) for name in ("numerator", "denominator", "n"))
    unit = rows["unit"].iloc[0]
    if not bottom > 0:
        return Measure(None, n=n)
    if unit == "fraction" and METRICS[rows["metric"].iloc[0]].parts == ("count", "count"):
        return share(top, bottom, "")
    scale, known = 100 if unit == "points" else 1, rows.dropna(subset=["low"])
    value = scale * top / bottom
    if len(known) < len(rows):
        return Measure(value, top, bottom, n)
    half = sqrt(float((((known["high"] - known["low"]) / 2 * known["denominator"]) ** 2).sum())) / bottom
    return Measure(value, top, bottom, n, value - half, value + half)


def cohort_claims(now: Measure, before: Measure, explained: tuple[float, float]) -> list[Claim]:
    """The newest cohort's retention against that of the earlier ones together; `explained` as in `p_value`."""
    one, other, bounds = now.estimate, before.estimate, difference(now, before)
    if one is None or other is None or bounds is None or min(now.n or 0, before.n or 0) < SMALL:
        return []
    p = p_value(one.value - other.value, *bounds, explained)
    return [Claim(("cohort",), "cohorts", "earlier", p)]
