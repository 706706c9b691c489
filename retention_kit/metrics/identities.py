"""Identities: sums that must hold for all data, and are checked in every report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retention_kit.lazy import pd
from retention_kit.metrics.decomposition import rate_and_mix
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.summaries import available_summaries, missing_reason, summary
from retention_kit.metrics.summary_rows import columns
from retention_kit.periods import Period

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset


TOLERANCE = 1e-9  # relative, for survey weights; all other sums are integers


@dataclass(frozen=True)
class Identity:
    """The result of checking an identity: the periods in which it does not hold, and the number of checked ones."""

    name: str
    column: str  # its segment column, if any
    broken: tuple[str, ...]
    periods: int


def identities(data: Dataset, every: str, segments: tuple[str, ...] = ()) -> list[Identity]:
    """Check all identities that the data allow, on exact integers: money in minor units, MRR in their twelfths."""
    granularity, results = Granularity(every), []

    def check(name: str, frame: pd.DataFrame, left: pd.Series, right: pd.Series, column: str = "") -> None:
        off = (left - right).abs() > (TOLERANCE * right.abs() if right.dtype == "float64" else 0)
        broken = sorted({str(Period(every, int(index))) for index in frame.loc[off, "period"]})
        results.append(Identity(name, column, tuple(broken), frame["period"].nunique()))

    def by_period(frame: pd.DataFrame, name: str, column: str) -> pd.Series:
        """The sums of a keyed summary in the order of a frame's periods."""
        return (
            frame["period"]
            .map(summary(data, name, granularity).groupby("period")[column].sum())
            .fillna(0)
            .astype("int64")
        )

    if missing_reason(data, "movements") is None:
        m = moves = summary(data, "movements", granularity)
        check("customers", m, m["start"] + m["new"] + m["reactivated"] - m["lost"], m["end"])
        if data.settings.definitions.churn_mode == "endpoint":  # otherwise customers may be both lost and retained
            check("retained", m, m["retained"] + m["lost"], m["start"])
        check("cohorts", m, by_period(m, "cohorts", "active"), m["active"])
    if missing_reason(data, "mrr") is None:
        m = summary(data, "mrr", granularity)
        gained, given_up = m["new"] + m["expansion"] + m["reactivation"], m["contraction"] + m["churned"]
        check("mrr", m, m["start"] + gained - given_up + m["fx"], m["end"])
        check("reasons", m, by_period(m, "reasons", "churned"), m["churned"])
        if data.basis == "subscriptions":
            check("reasons_lost", moves, by_period(moves, "reasons", "lost"), moves["lost"])
            check("cohort_mrr", m, by_period(m, "cohorts", "revenue"), m["end"])
    if data.basis == "orders" and missing_reason(data, "purchases") is None:
        p = summary(data, "purchases", granularity)
        check("cohort_revenue", p, by_period(p, "cohorts", "revenue"), p["customer_revenue"])
    if missing_reason(data, "feedback") is None:
        f = summary(data, "feedback", granularity)
        check("answers", f, f["promoters"] + f["passives"] + f["detractors"], f["nps_weight"])
    for column in segments:
        check("segments", *_parts_and_whole(data, granularity, column), column)
        check("change", *_parts_of_changes(data, granularity, column), column)
    return results


def _parts_and_whole(data: Dataset, granularity: Granularity, column: str) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """The periods of all additive figures, a row for each figure and period; the sums of the parts; and the whole."""
    wholes, parts = [], []
    for name in available_summaries(data):
        figures = [*columns(name, "exact"), *columns(name, "weighted")]
        wholes.append(summary(data, name, granularity).set_index("period")[figures].stack())
        parts.append(summary(data, name, granularity, column).groupby("period")[figures].sum().stack())
    totals, part = pd.concat(wholes), pd.concat(parts)
    return totals.index.to_frame(index=False), part.reset_index(drop=True), totals.reset_index(drop=True)


def _parts_of_changes(
    data: Dataset, granularity: Granularity, column: str
) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """The periods of changes of retention and of the net promoter score; the sums of their parts; and the changes."""
    rows: list[tuple[int, float, float]] = []
    rates = (("movements", "retained", "", "start"), ("feedback", "promoters", "detractors", "nps_weight"))
    for name, plus, minus, below in rates:
        if missing_reason(data, name):
            continue
        frame = summary(data, name, granularity, column)
        top = frame[plus] - frame[minus] if minus else frame[plus]
        frame = frame.assign(pair=list(zip(top.astype(float), frame[below].astype(float), strict=True)))
        counts = {
            index: dict(zip(part["segment_value"], part["pair"], strict=True))
            for index, part in frame.groupby("period")
        }
        for index in counts:
            split = rate_and_mix(counts.get(index - 1, {}), counts[index])
            if split.change is not None:  # plus 2, so that the relative tolerance fits rates
                rows.append((index, 2 + split.change - split.unexplained, 2 + split.change))
    changes = pd.DataFrame(rows, columns=["period", "left", "right"]).astype({"left": "float64", "right": "float64"})
    return changes, changes["left"], changes["right"]
