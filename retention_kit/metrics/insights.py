"""The comparisons of a report with p-values, corrected for multiple testing.

A report makes dozens of comparisons, and one in twenty looks significant by chance. So they are corrected within a
family (the figures of a page, the values of a column for one figure) and then over the families (Holm 1979): if nothing
changes, a report claims anything at all in at most 5 of 100 cases.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import erfc, sqrt
from typing import Any

from retention_kit.lazy import pd
from retention_kit.metrics.catalogue import METRICS, SMALL, Measure
from retention_kit.metrics.decomposition import rate_and_mix, shapley  # noqa: F401  where people look for them
from retention_kit.metrics.formulas import Z95, difference, share
from retention_kit.periods import Period

USUAL, LEAST = 12, 3  # earlier complete periods for the usual value: at most, and at least
LEVEL = 0.05  # probability that a report claims anything if nothing changed


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
        """Its subject: metric, against, segment column and value."""
        column = self.family[-1] if self.against in ("rest", "part", "mix") else ""
        return self.metric, self.against, column, self.value


def significant(claims: Iterable[Claim]) -> frozenset[tuple[str, str, str, str]]:
    """The keys of the claims that hold at `LEVEL` for all of them together (Holm 1979, within families, then over
    them).
    """
    families: dict[tuple[str, ...], list[Claim]] = {}
    for claim in claims:
        families.setdefault(claim.family, []).append(claim)
    adjusted = {name: _holm(members) for name, members in families.items()}
    significant_keys: set[tuple[str, str, str, str]] = set()
    for rank, name in enumerate(sorted(families, key=lambda name: min(adjusted[name].values()))):
        if not (keys := {key for key, p in adjusted[name].items() if p <= LEVEL / (len(families) - rank)}):
            break
        significant_keys |= keys
    return frozenset(significant_keys)


def _holm(claims: list[Claim]) -> dict[tuple[str, str, str, str], float]:
    """Adjusted p-values by key: the smallest times the number of claims, the next times one less, and so on."""
    twins: dict[object, list[Claim]] = {}
    for claim in claims:
        twins.setdefault(claim.key if claim.twin is None else claim.twin, []).append(claim)
    adjusted: dict[tuple[str, str, str, str], float] = {}
    so_far = 0.0
    for rank, same in enumerate(sorted(twins.values(), key=lambda same: max(claim.p for claim in same))):
        so_far = min(1.0, max(so_far, (len(twins) - rank) * max(claim.p for claim in same)))
        adjusted |= {claim.key: so_far for claim in same}
    return adjusted


def p_value(change: float, low: float, high: float, explained: tuple[float, float] = (0.0, 0.0)) -> float:
    """The two-sided p-value of a change with a 95% interval: below 5% if the interval does not reach the range
    `explained` of changes with a known reason.

    It uses the side of the interval towards that range.
    """
    nearest = min(max(change, explained[0]), explained[1])
    side = change - low if change > nearest else high - change
    if change == nearest or side <= 0:
        return 1.0
    return erfc(Z95 * abs(change - nearest) / side / sqrt(2))


def change_claims(rows: pd.DataFrame, period: Period, base: str) -> list[Claim]:
    """Claims from scorecard rows of the whole: figures with an interval, against the previous period and last year's.

    `base` defines customers (orders, inactivity, subscriptions). There are no claims for fewer than 30 on either side.
    Changes that the different lengths of periods explain do not count.
    """
    row_of = {(row.metric, row.period): row for row in rows.itertuples() if row.metric in METRICS}
    claims = []
    for (name, when), row in row_of.items():
        if when != str(period) or not row.complete or METRICS[name].overlaps:
            continue
        for against, other in (("previous", period.shift(-1)), ("year_ago", period.year_ago())):
            before = row_of.get((name, str(other)))
            if before is None or other is None or (bounds := _bounds(row, before, against)) is None:
                continue
            change = row.value - before.value
            p = p_value(change, *bounds, by_length(name, base, before.value, period, other))
            twin = (against, row.unit, row.n, round(abs(change), 9))
            claims.append(Claim(("page", METRICS[name].template), name, against, p, twin=twin))
    return claims


def usual_value(rows: pd.DataFrame, metric: str, period: Period, first: Period | None = None) -> float | None:
    """The median of a figure over at most twelve earlier complete periods; None for fewer than three.

    `first` is that in which its table begins: zeros of before are no figures.
    """
    earlier = [period.shift(-number) for number in range(1, USUAL + 1)]
    before = [str(other) for other in earlier if first is None or other >= first]
    values = rows[(rows["metric"] == metric) & rows["period"].isin(before) & rows["complete"]]["value"].dropna()
    return float(values.median()) if len(values) >= LEAST else None


def _bounds(row: Any, before: Any, against: str) -> tuple[float, float] | None:
    """The interval of a change; None without one, or for few customers."""
    if not min(row.n, before.n) >= SMALL:
        return None
    interval = (
        (row.change_low, row.change_high) if against == "previous" else difference(_measure(row), _measure(before))
    )
    return None if interval is None or interval[0] != interval[0] else interval


def _measure(row: Any) -> Measure:
    names = ("value", "numerator", "denominator", "n", "low", "high")
    value, numerator, denominator, n, low, high = (
        None if (figure := getattr(row, name)) != figure else figure for name in names
    )
    return Measure(value, numerator, denominator, n, low, high)


def goal_claims(rows: pd.DataFrame) -> list[Claim]:
    """Claims from the rows of one period: figures with an interval, against their goals."""
    return [
        Claim(("goal",), row.metric, "goal", p_value(gap, row.low - row.target, row.high - row.target))
        for row in rows.itertuples()
        if row.status and row.low == row.low and row.n >= SMALL and (gap := row.value - row.target) == gap
    ]


def by_length(name: str, base: str, before: float, period: Period, other: Period) -> tuple[float, float]:
    """The range of changes of a figure that the lengths of two periods explain: at most proportional to them."""
    return _by_ratio(grows(name, base), before, days(period) / days(other))


def by_cohort_length(base: str, before: float, period: Period, others: Iterable[Period]) -> tuple[float, float]:
    """The same for a cohort's retention in a period, against that of others at the same age."""
    lengths = [days(other) for other in others]
    return _by_ratio(grows("customer_retention_rate", base), before, days(period) * len(lengths) / sum(lengths))


def _by_ratio(part: str, before: float, ratio: float) -> tuple[float, float]:
    change = {"value": before * (ratio - 1), "rest": -(1 - before) * (ratio - 1)}.get(part, 0.0)
    return min(0.0, change), max(0.0, change)


def grows(name: str, base: str) -> str:
    """Whether a figure ("value"), or 1 minus it ("rest"), grows with the length of the period; else empty.

    With more time, more buyers return, and more subscribers leave.
    """
    metric = METRICS[name]
    if metric.summary == "movements" and base != "orders":
        return {"value": "rest", "rest": "value"}.get(metric.grows, "") if metric.unit == "fraction" else metric.grows
    return metric.grows


def days(period: Period) -> int:
    """The number of days in a period."""
    return (period.end - period.start).days


def segment_claims(parts: pd.DataFrame, whole: Any, column: str) -> list[Claim]:
    """Claims on a metric in a period: each value of a column against all other customers; `whole` is the row of all.

    There are no claims for values with fewer than 30 customers, or without an interval.
    """
    if whole is None or not whole.complete or whole.low != whole.low:
        return []
    claims = []
    for row in parts.itertuples():
        p = contrast(row, whole) if row.low == row.low and row.n >= SMALL else None
        if p is not None:
            claims.append(Claim(("segment", whole.metric, column), whole.metric, "rest", p, value=row.segment_value))
    return claims


def contrast(part: Any, whole: Any) -> float | None:
    """The p-value of a part's figure against the rest of the whole, both with intervals; None if there is no rest.

    The rest's value and variance follow from the whole's, which are weighted means of the two. The part's variance is
    at least that of the whole for its size, as that of few customers may be small by chance.
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
    """Several values of a metric combined: the ratio of their sums, with an interval from theirs.

    The value is None if they have no denominators.
    """
    top, bottom, n = (float(rows[name].sum(min_count=1)) for name in ("numerator", "denominator", "n"))
    unit = rows["unit"].iloc[0]
    if not bottom > 0:
        return Measure(None, n=n)
    if unit == "fraction" and METRICS[rows["metric"].iloc[0]].parts == ("count", "count"):
        return share(top, bottom, "")
    scale, with_interval = 100 if unit == "points" else 1, rows.dropna(subset=["low"])
    value = scale * top / bottom
    if len(with_interval) < len(rows):
        return Measure(value, top, bottom, n)
    half = (
        sqrt(float((((with_interval["high"] - with_interval["low"]) / 2 * with_interval["denominator"]) ** 2).sum()))
        / bottom
    )
    return Measure(value, top, bottom, n, value - half, value + half)


def cohort_claims(now: Measure, before: Measure, explained: tuple[float, float]) -> list[Claim]:
    """The newest cohort's retention against that of the earlier ones together; `explained` as in `p_value`."""
    estimate, earlier, bounds = now.estimate, before.estimate, difference(now, before)
    if estimate is None or earlier is None or bounds is None or min(now.n or 0, before.n or 0) < SMALL:
        return []
    return [Claim(("cohort",), "cohorts", "earlier", p_value(estimate.value - earlier.value, *bounds, explained))]
