"""Survival of subscribers by the values of a column: Kaplan-Meier curves and their projection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retention_kit.data.summary_key import SummaryKey
from retention_kit.lazy import pd
from retention_kit.metrics.catalogue import SMALL
from retention_kit.metrics.forecasts.horizon import cutoff_date
from retention_kit.metrics.forecasts.members import cached_fit
from retention_kit.metrics.forecasts.renewal_model import RenewalGroups
from retention_kit.metrics.models import kaplan_meier, log_rank
from retention_kit.metrics.queries.memberships import renewals, survival_times
from retention_kit.periods import Period

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

MAX_CURVES = 4  # values with their own curves
MIN_FOLLOWED = 10  # customers still followed, below which a curve ends
AHEAD = 12  # months of projection


@dataclass(frozen=True)
class Curve:
    """The curve of a group of `values` of the column.

    `seen` is the frame of `models.kaplan_meier` up to `longest` months, where ten are still followed; `projected` has
    the columns month and share from there on, and is empty if there is no projection.
    """

    values: tuple[str, ...]
    customers: int
    lost: int
    seen: pd.DataFrame
    longest: int
    median: float | None
    projected: pd.DataFrame
    at_risk: tuple[float, ...]  # customers followed for at least 0, 1, … months

    def at(self, month: int) -> pd.Series | None:
        """The row of `seen` for a month: that of the last loss up to it; None before the first and after `longest`."""
        rows = self.seen[self.seen["time"] <= month]
        return None if month > self.longest or rows.empty else rows.iloc[-1]

    def followed(self, month: int) -> int:
        """The number of customers followed for at least so many months."""
        return int(self.at_risk[month]) if month < len(self.at_risk) else 0


def survival_curves(data: Dataset, period: Period, column: str | None) -> list[Curve]:
    """The curves of the largest values of a column, then one of all others; without a column a single curve.

    At most four values with at least 30 customers have their own curves. Empty if nobody ever paid.
    """
    times, groups = _grouped(data, period, column)
    ahead = projection(data, period, column) if groups else None
    return [
        _curve(group, times[times["group"] == number], ahead[ahead["segment_value"].isin(group)])
        for number, group in enumerate(groups)
        if ahead is not None
    ]


def survival_difference(data: Dataset, period: Period, column: str) -> float | None:
    """The p-value of the log-rank test between the groups of `survival_curves`; None if there are fewer than two."""
    key = SummaryKey("log_rank", str(period), column)
    if key not in data.summaries:
        times, groups = _grouped(data, period, column)
        test = log_rank(times["months"], times["lost"], times["group"], times["customers"]) if len(groups) > 1 else None
        data.summaries[key] = test[1] if test else None
    return data.summaries[key]


def _grouped(data: Dataset, period: Period, column: str | None) -> tuple[pd.DataFrame, list[tuple[str, ...]]]:
    """The survival times with the index of their `group`, and the values of each group."""
    times = survival_times(data, cutoff_date(data, period), column, period.every)
    if times.empty:
        return times, []
    sizes = times.groupby("segment_value")["customers"].sum().sort_values(ascending=False, kind="stable")
    own = [*sizes[sizes >= SMALL].index[:MAX_CURVES]]
    others = tuple(value for value in sizes.index if value not in own)
    groups = [*((value,) for value in own), *([others] if others else [])]
    group_of = {value: number for number, group in enumerate(groups) for value in group}
    return times.assign(group=times["segment_value"].map(group_of)), groups


def _curve(values: tuple[str, ...], times: pd.DataFrame, ahead: pd.DataFrame) -> Curve:
    """The curve of some values; `ahead` has the `projection` of each."""
    months, n = times["months"].to_numpy(int), times["customers"].to_numpy(float)
    at_risk = np.cumsum(np.bincount(months, n)[::-1])[::-1]
    curve = kaplan_meier(times["months"], times["lost"], times["customers"])
    longest = int(np.flatnonzero(at_risk >= MIN_FOLLOWED).max(initial=0))
    median, followed = curve.attrs["median"], curve[curve["time"] <= longest].reset_index(drop=True)
    projected = pd.DataFrame({"month": [], "share": []})
    if len(ahead) and len(followed):
        weights = ahead["customers"] * ahead["share"]
        share = weights.groupby(ahead["month"]).sum() / ahead.groupby("month")["customers"].sum()
        share = share[(share.index >= longest) & (share.index <= longest + AHEAD)]
        if share.iloc[0] > 0:
            scaled = share / share.iloc[0] * followed["survival"].iloc[-1]
            projected = pd.DataFrame({"month": scaled.index, "share": scaled.to_numpy()})
    if median is not None and median > longest:
        median = None
    return Curve(values, int(n.sum()), int(n @ times["lost"]), followed, longest, median, projected, tuple(at_risk))


def projection(data: Dataset, period: Period, column: str | None) -> pd.DataFrame:
    """The expected share of subscribers left after each month, by segment value, from the renewal model.

    Columns: segment_value, month (0 to twelve beyond the longest observed), share, customers (who have begun so far).
    Empty if there is no model.
    """
    key, description = (
        SummaryKey("projection", str(period), column),
        f"no projection of {period} by {column or 'whole'}",
    )
    return data.cached(key, description, lambda: _projection(data, period, column))


def _projection(data: Dataset, period: Period, column: str | None) -> pd.DataFrame:
    cut = cutoff_date(data, period)
    fit = cached_fit(data, cut)
    if fit.model is None:
        return pd.DataFrame({"segment_value": [], "month": [], "share": [], "customers": []})
    frame = fit.frame if column is None else renewals(data, cut, column)
    traits = [name for name in frame if name.startswith("trait_")]
    starters = frame.groupby(["segment_value", "billed", *traits], as_index=False)["customers"].sum()
    starters = starters.assign(outcome="member", units=0, mrr=0.0)
    months = int(survival_times(data, cut, column, period.every)["months"].max()) + AHEAD
    groups = RenewalGroups(starters)
    survival = np.hstack([np.ones((len(starters), 1)), fit.model.survival(groups, months)]) * groups.customers[:, None]
    values, group_values = np.unique(starters["segment_value"].to_numpy(object), return_inverse=True)
    sums = np.zeros((len(values), months + 1))
    np.add.at(sums, group_values, survival)
    n = np.bincount(group_values, groups.customers, len(values))
    return pd.DataFrame(
        {
            "segment_value": np.repeat(values, months + 1),
            "month": np.tile(np.arange(months + 1), len(values)),
            "share": (sums / n[:, None]).ravel(),
            "customers": np.repeat(n, months + 1),
        }
    )
