"""The contributions of segment values to the change of a figure since the last period, with intervals.

Rates are decomposed as in `decomposition`; sums, such as revenue, by the change of each value's sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from typing import TYPE_CHECKING, Any

from retention_kit.lazy import np, pd
from retention_kit.metrics.catalogue import SMALL
from retention_kit.metrics.decomposition import Decomposition, rate_and_mix
from retention_kit.metrics.formulas import Z95
from retention_kit.metrics.insights import Claim, by_length, p_value
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.summaries import in_currency, summary
from retention_kit.metrics.scorecard import scorecard
from retention_kit.periods import Period

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

COLUMNS = (
    "metric", "value", "before_numerator", "before_denominator", "numerator", "denominator", "before", "now", "low",
    "high", "n_before", "n",
)  # fmt: skip  # words by the line


@dataclass(frozen=True)
class ChangePart:
    """A part of a figure's change, in its unit: `amount`, with half the width of its 95% interval (None: unknown).

    For a segment `value` it is the effect of the value's own figure, which went from `before` to `now`; without a value
    ("") that of the mix of values, or of guests. `p` is that of the figure's change, or of the mix; None if not tested.
    """

    value: str
    amount: float
    half: float | None
    p: float | None = None
    before: float | None = None
    now: float | None = None

    @property
    def against(self) -> str:
        """The kind of its claim: that a value changed (part), or the mix of values (mix)."""
        return "part" if self.value else "mix"


def segment_changes(
    data: Dataset, period: Period, column: str, metrics: Sequence[str], rows: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The values of a segment column in a period and the one before, for each of the metrics.

    Columns are COLUMNS, NaN if unknown: numerators (points for scores) and denominators of both periods, the value's
    figure `before` and `now`, the bounds `low` and `high` of its change (95%), and both n. For sums the numerator is
    the sum, without a denominator; guests are a separate row with the value "". Empty for the first period. `rows` is a
    scorecard of both periods by the column, if already computed.
    """
    before = period.shift(-1)
    if before.index < Period.of(data.start, period.every).index:
        return pd.DataFrame(columns=list(COLUMNS))
    rates = [name for name in metrics if name not in _SUMS]
    frames = [_sums(data, name, period, column) for name in metrics if name in _SUMS]
    if rates:
        if rows is None:
            rows = scorecard(data, periods=[before, period], segment=column, metrics=rates)
        selected = (rows["segment"] == column) & rows["metric"].isin(rates)
        frames.append(_rates(rows[selected], str(before), str(period)))
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS))
    return frame[list(COLUMNS)]


def _rates(frame: pd.DataFrame, before: str, now: str) -> pd.DataFrame:
    """Rows of a scorecard of two periods, joined by metric and value."""
    scale = frame["unit"].map({"points": 100}).fillna(1)
    frame = frame.assign(numerator=frame["numerator"] * scale).rename(columns={"segment_value": "segment_value_"})
    names = ["numerator", "denominator", "value", "n"]
    then, today = (frame[frame["period"] == label].set_index(["metric", "segment_value_"]) for label in (before, now))
    joined = (
        today[[*names, "change_low", "change_high"]].join(then[names].add_suffix("_then"), how="outer").reset_index()
    )
    value, made_of = joined["value"], joined["numerator"] / joined["denominator"]
    off = (value - made_of).abs() > 1e-9 * value.abs().clip(lower=1)  # metrics of plug-ins may be no ratios
    joined = joined[~joined["metric"].isin(joined.loc[off, "metric"])]
    return joined.rename(
        columns={
            "segment_value_": "value",
            "value": "now",
            "value_then": "before",
            "numerator_then": "before_numerator",
            "denominator_then": "before_denominator",
            "n_then": "n_before",
            "change_low": "low",
            "change_high": "high",
        }
    )


def _sums(data: Dataset, metric: str, period: Period, column: str) -> pd.DataFrame:
    """Rows of a summary of two periods: sums, with intervals of their changes from the variance over customers."""
    name, total, spread, count = _SUMS[metric]
    frame = in_currency(data, name, summary(data, name, Granularity(period.every), column))
    then, now = (
        frame[frame["period"] == index].drop(columns="period").set_index("segment_value")
        for index in (period.index - 1, period.index)
    )
    values = now.index.union(then.index)
    then, now = then.reindex(values, fill_value=0), now.reindex(values, fill_value=0)
    half = Z95 * np.sqrt(np.maximum(spread(now, then).astype(float), 0.0))
    change = now[total] - then[total]
    rows = {
        "metric": metric,
        "value": values,
        "before_numerator": then[total],
        "numerator": now[total],
        "before": then[total],
        "now": now[total],
        "low": change - half,
        "high": change + half,
        "n_before": count(now, then)[1],
        "n": count(now, then)[0],
    }
    changes = pd.DataFrame(rows).reset_index(drop=True).reindex(columns=list(COLUMNS))
    if name != "purchases":
        return changes
    guests = {"metric": metric, "value": "", "before_numerator": then["guest_revenue"].sum()}
    guests |= {"numerator": now["guest_revenue"].sum(), "n": 0, "n_before": 0}
    return pd.concat([changes, pd.DataFrame([guests]).reindex(columns=list(COLUMNS)).astype(changes.dtypes)])


# For each sum: summary, column, variance of its change (the customers' squared changes), and the n of both periods.
_SUMS: dict[str, tuple[str, str, Any, Any]] = {
    "revenue": (
        "purchases",
        "customer_revenue",
        lambda now, then: now["revenue_squared"] + then["revenue_squared"] - 2 * now["revenue_crossed"],
        lambda now, then: (now["buyers"], then["buyers"]),
    ),
    "mrr": (
        "mrr",
        "end",
        lambda now, then: now["end_squared"] + then["end_squared"] - 2 * now["end_crossed"],
        lambda now, _: (now["changes"], now["changes"]),
    ),
}


def decompose_change(rows: pd.DataFrame) -> Decomposition:
    """The change of one metric, from its rows of `segment_changes`."""
    before, now = (
        {
            row.value: (_number(getattr(row, f"{when}numerator")), _number(getattr(row, f"{when}denominator")))
            for row in rows.itertuples()
        }
        for when in ("before_", "")
    )
    return rate_and_mix(before, now)


def change_parts(rows: pd.DataFrame, base: str, period: Period) -> list[ChangePart]:
    """The parts of segment values in the change of a metric (rows of `segment_changes`), with the mix of a rate last.

    Values without an interval, or with fewer than 30 customers in either period, have no p. Changes that the lengths of
    the periods explain have a p of 1. `base` defines customers, as in `change_claims`.
    """
    if rows.empty:
        return []
    metric = rows["metric"].iloc[0]
    if metric in _SUMS:
        parts = [
            ChangePart(
                row.value, row.numerator - row.before_numerator, _half(row), _p(row, base, period), row.before, row.now
            )
            for row in rows.itertuples()
            if row.value
        ]
        guests = rows[rows["value"] == ""]
        return [*parts, *(ChangePart("", row.numerator - row.before_numerator, None) for row in guests.itertuples())]
    split = decompose_change(rows)
    if split.change is None:
        return []
    row_of = {row.value: row for row in rows.itertuples()}
    parts = []
    for value, part in split.parts.items():
        row = row_of[value]
        half = _half(row)
        amount = None if half is None else part.weight * half
        parts.append(ChangePart(value, part.rate, amount, _p(row, base, period), row.before, row.now))
    return [*parts, _mix(split, rows)]


def part_claims(parts: Sequence[ChangePart], metric: str, column: str) -> list[Claim]:
    """The claims of a column's values, and of the mix, on the change of a metric: one family."""
    if sum(part.p is not None for part in parts if part.value) < 2:
        return []  # a single value is the whole
    family = ("change", metric, column)
    return [Claim(family, metric, part.against, part.p, part.value) for part in parts if part.p is not None]


def is_within_chance(parts: Sequence[ChangePart]) -> bool:
    """Whether the sum of some parts may be due to chance; False if a part with a value has no interval."""
    relevant = [part for part in parts if part.half is not None or (part.value and part.amount)]
    halves = [part.half for part in relevant if part.half is not None]
    if len(halves) < len(relevant):
        return False
    return abs(fsum(part.amount for part in relevant)) <= sqrt(fsum(half**2 for half in halves))


def _mix(split: Decomposition, rows: pd.DataFrame) -> ChangePart:
    """The effect of the mix, tested against random weights of as many customers (multinomial)."""
    before, now = float(rows["before_denominator"].sum()), float(rows["denominator"].sum())
    total = (rows["before_numerator"].sum() / before + rows["numerator"].sum() / now) / 2
    variance, sizes = 0.0, (float(rows["n_before"].sum()), float(rows["n"].sum()))
    for size, all_, name in zip(sizes, (before, now), ("before_denominator", "denominator"), strict=True):
        weights = rows[name].fillna(0) / all_
        then, today = (rows[f"{when}numerator"] / rows[f"{when}denominator"] for when in ("before_", ""))
        off = ((then.fillna(today) + today.fillna(then)) / 2 - total).fillna(0)
        if size:
            variance += float((weights * off**2).sum() - (weights * off).sum() ** 2) / size
    half = Z95 * sqrt(max(variance, 0.0))
    p = p_value(split.mix, split.mix - half, split.mix + half) if half and min(sizes) >= SMALL else None
    return ChangePart("", split.mix, half, p)


def _p(row: Any, base: str, period: Period) -> float | None:
    """The p-value of a value's own change; None if it is not tested."""
    if not min(row.n, row.n_before) >= SMALL or _half(row) is None:
        return None
    other = period.shift(-1)
    return p_value(row.now - row.before, row.low, row.high, by_length(row.metric, base, row.before, period, other))


def _half(row: Any) -> float | None:
    """The wider side of the interval of a value's own change."""
    if row.low != row.low or row.now != row.now or row.before != row.before:
        return None
    return max(row.now - row.before - row.low, row.high - (row.now - row.before))


def _number(cell: float) -> float:
    return 0.0 if cell != cell else float(cell)
