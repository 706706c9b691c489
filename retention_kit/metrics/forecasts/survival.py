"""How long subscribers stay, by the values of a column: Kaplan-Meier curves, and how they would go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from retention_kit.data.summary_key import SummaryKey
from retention_kit.metrics.catalogue import SMALL
from retention_kit.metrics.forecasts.horizon import cut_of
from retention_kit.metrics.forecasts.members import fit_of
from retention_kit.metrics.forecasts.renewal_model import Alike
from retention_kit.metrics.models import kaplan_meier, log_rank
from retention_kit.metrics.queries.memberships import renewals, survival_times
from retention_kit.periods import Period

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

MOST = 4  # values with a curve of their own
SEEN = 10  # customers who have to be followed still where a curve is drawn
AHEAD = 12  # months of projection


@dataclass(frozen=True)
class Curve:
    """One group: its `values` of the column, `customers`, what was `seen` (`models.kaplan_meier`, as far as ten are
    followed, `longest` months) and what is `projected` (month and share, from there on; empty where nothing is).
    """

    values: tuple[str, ...]
    customers: int
    lost: int
    seen: pd.DataFrame
    longest: int
    median: float | None
    projected: pd.DataFrame
    at_risk: tuple[float, ...]  # by months

    def at(self, month: int) -> pd.Series | None:
        """What is known of a month: the row of the last loss before its end; None before the first and after the
        last.
        """
        rows = self.seen[self.seen["time"] <= month]
        return None if month > self.longest or rows.empty else rows.iloc[-1]

    def followed(self, month: int) -> int:
        """How many customers were followed until then."""
        return int(self.at_risk[month]) if month < len(self.at_risk) else 0


def survival_curves(data: Dataset, period: Period, column: str | None) -> list[Curve]:
    """The curves of the largest values of a column, then of the others together; without a column there is one.

    Values of fewer than 30 customers are of the others, and so are all but the four largest. Empty where nobody ever
    paid.
    """
    times, groups = _grouped(data, period, column)
    ahead = projection(data, period, column) if groups else None
    return [
        _curve(group, times[times["group"] == place], ahead[ahead["segment_value"].isin(group)])
        for place, group in enumerate(groups)
        if ahead is not None
    ]


def survival_difference(data: Dataset, period: Period, column: str) -> float | None:
    """The p of the log-rank test of the groups that have `survival_curves`; None of fewer than two. Computed once."""
    key = SummaryKey("log_rank", str(period), column)
    if key not in data.summaries:
        times, groups = _grouped(data, period, column)
        found = len(groups) > 1
        p = log_rank(times["months"], times["lost"], times["group"], times["customers"])[1] if found else None
        data.summaries[key] = p
    return data.summaries[key]


def _grouped(data: Dataset, period: Period, column: str | None) -> tuple[pd.DataFrame, list[tuple[str, ...]]]:
    """The survival times with the number of their `group`, and the values of each group."""
    times = survival_times(data, cut_of(data, period), column)
    if times.empty:
        return times, []
    sizes = times.groupby("segment_value")["customers"].sum().sort_values(ascending=False, kind="stable")
    own = [*sizes[sizes >= SMALL].index[:MOST]]
    others = tuple(value for value in sizes.index if value not in own)
    groups = [*((value,) for value in own), *([others] if others else [])]
    number = {value: place for place, group in enumerate(groups) for value in group}
    return times.assign(group=times["segment_value"].map(number)), groups


def _curve(values: tuple[str, ...], times: pd.DataFrame, ahead: pd.DataFrame) -> Curve:
    """The curve of some values; `ahead` is the `projection` of each."""
    import pandas as pd

    months, n = times["months"].to_numpy(int), times["customers"].to_numpy(float)
    at_risk = np.cumsum(np.bincount(months, n)[::-1])[::-1]
    seen = kaplan_meier(times["months"], times["lost"], times["customers"])
    longest = int(np.flatnonzero(at_risk >= SEEN).max(initial=0))
    median, known = seen.attrs["median"], seen[seen["time"] <= longest].reset_index(drop=True)
    projected = pd.DataFrame({"month": [], "share": []})
    if len(ahead) and len(known):
        weights = ahead["customers"] * ahead["share"]
        share = weights.groupby(ahead["month"]).sum() / ahead.groupby("month")["customers"].sum()
        share = share[(share.index >= longest) & (share.index <= longest + AHEAD)]
        if share.iloc[0] > 0:
            scaled = share / share.iloc[0] * known["survival"].iloc[-1]
            projected = pd.DataFrame({"month": scaled.index, "share": scaled.to_numpy()})
    if median is not None and median > longest:
        median = None
    return Curve(values, int(n.sum()), int(n @ times["lost"]), known, longest, median, projected, tuple(at_risk))


def projection(data: Dataset, period: Period, column: str | None) -> pd.DataFrame:
    """What the renewal model expects of new subscribers like those of each value: the share that is still there.

    Columns: segment_value, month (0 to twelve beyond the longest seen), share, customers (who began so far). Empty
    where there is no model.
    """
    key, what = SummaryKey("projection", str(period), column), f"no projection of {period} by {column or 'whole'}"
    return data.kept(key, what, lambda: _projected(data, cut_of(data, period), column))


def _projected(data: Dataset, cut: date, column: str | None) -> pd.DataFrame:
    import pandas as pd

    fit = fit_of(data, cut)
    if fit.model is None:
        return pd.DataFrame({"segment_value": [], "month": [], "share": [], "customers": []})
    frame = fit.frame if column is None else renewals(data, cut, column)
    traits = [name for name in frame if name.startswith("trait_")]
    began = frame.groupby(["segment_value", "billed", *traits], as_index=False)["customers"].sum()
    began = began.assign(outcome="member", units=0, mrr=0.0)
    months = int(survival_times(data, cut, column)["months"].max()) + AHEAD
    alike = Alike(began)
    stays = np.hstack([np.ones((len(began), 1)), fit.model.staying(alike, months)]) * alike.customers[:, None]
    values, place = np.unique(began["segment_value"].to_numpy(object), return_inverse=True)
    sums = np.zeros((len(values), months + 1))
    np.add.at(sums, place, stays)
    n = np.bincount(place, alike.customers, len(values))
    return pd.DataFrame(
        {
            "segment_value": np.repeat(values, months + 1),
            "month": np.tile(np.arange(months + 1), len(values)),
            "share": (sums / n[:, None]).ravel(),
            "customers": np.repeat(n, months + 1),
        }
    )
