"""Movements, reasons, answers and cohorts as tables: one row per period or cell, money in the report's currency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retention_kit.metrics.queries.spans import BEFORE, Granularity
from retention_kit.metrics.queries.summaries import in_currency, summary
from retention_kit.periods import Period, check_every

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset


def customer_movements(data: Dataset, every: str = "month") -> pd.DataFrame:
    """Customers by period: start + new + reactivated - lost = end, and retained = start - lost.

    Columns: period, start, new, reactivated, lost, retained, end.
    """
    frame = _labelled(summary(data, "movements", Granularity(check_every(every))), every)
    return frame[["period", "start", "new", "reactivated", "lost", "retained", "end"]]


def mrr_movements(data: Dataset, every: str = "month") -> pd.DataFrame:
    """MRR by period: start + new + expansion + reactivation - contraction - churned + fx = end, to the cent.

    Columns: period, start, new, expansion, contraction, churned, reactivation, fx, end; decreases are positive, `fx`
    is the effect of exchange rates on the MRR of customers who stayed.
    """
    frame = _labelled(in_currency(data, "mrr", summary(data, "mrr", Granularity(check_every(every)))), every)
    return frame[["period", "start", "new", "expansion", "contraction", "churned", "reactivation", "fx", "end"]]


def churn_reasons(data: Dataset, every: str = "month") -> pd.DataFrame:
    """Lost subscribers in each period, and their MRR, by `cancel_reason`.

    Columns: period, reason, lost, churned (MRR, report currency). The reason is that of the last subscription
    that ended; (none) if it has none, (paused) before a pause. Rows of a period sum to its lost customers and churned
    MRR.
    """
    frame = _labelled(in_currency(data, "reasons", summary(data, "reasons", Granularity(check_every(every)))), every)
    frame = frame[(frame["lost"] > 0) | (frame["churned"] > 0)]
    frame = frame.sort_values(
        ["period", "lost", "churned", "reason"], ascending=[True, False, False, True], kind="stable"
    )
    return frame[["period", "reason", "lost", "churned"]].reset_index(drop=True)


def answer_counts(data: Dataset, every: str = "month") -> pd.DataFrame:
    """The distribution of answers over their scales, which end at `high`; weighted answers count by weight.

    Columns: period, survey, score, high, answers.
    """
    frame = _labelled(summary(data, "scores", Granularity(check_every(every))), every)
    parts = frame["answer"].str.split(" ", expand=True).reindex(columns=[0, 1, 2])
    frame = frame.assign(survey=parts[0], score=parts[1].astype("int64"), high=parts[2].astype("int64"))
    frame = frame[frame["answers"] > 0].sort_values(["period", "survey", "score"], kind="stable")
    return frame[["period", "survey", "score", "high", "answers"]].reset_index(drop=True)


def cohorts(data: Dataset, every: str = "month") -> pd.DataFrame:
    """Customers by the period in which they were first active, and their later activity.

    Columns: cohort, age (periods since), period, size, active, retention (active / size), complete, revenue (the
    cohort's purchases in the period; for subscriptions its MRR at the period's end), may_hold_earlier (whether
    the cohort may have customers from before the data, so that it cannot be compared). Future periods have no row; the
    current one is not complete. Customers known from before the data are in no cohort.
    """
    from retention_kit.metrics.frames import Cohorts, shown_as

    frame = in_currency(data, "cohorts", summary(data, "cohorts", Granularity(check_every(every))))
    frame = frame[(frame["period"] >= frame["cohort"]) & (frame["cohort"] > BEFORE)]
    frame = frame.assign(age=frame["period"] - frame["cohort"])
    sizes = frame[frame["age"] == 0].set_index("cohort")["active"]
    size = frame["cohort"].map(sizes).astype("int64")
    ended = {index: Period(every, int(index)).is_complete(data.as_of) for index in frame["period"].unique()}
    frame = frame.assign(size=size, retention=frame["active"] / size, complete=frame["period"].map(ended))
    early = {
        index: data.may_hold_earlier(data.basis, Period(every, int(index)).start) for index in frame["cohort"].unique()
    }
    frame["may_hold_earlier"] = frame["cohort"].map(early).astype("bool")
    frame["cohort"] = [str(Period(every, int(index))) for index in frame["cohort"]]
    frame = _labelled(frame, every)
    frame = Cohorts(
        frame[["cohort", "age", "period", "size", "active", "retention", "complete", "revenue", "may_hold_earlier"]]
    )
    frame.attrs |= shown_as(data)
    return frame


def _labelled(frame: pd.DataFrame, every: str) -> pd.DataFrame:
    return frame.assign(period=[str(Period(every, int(index))) for index in frame["period"]]).reset_index(drop=True)
