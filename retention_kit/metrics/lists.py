"""The customers behind a figure: who came, came back and was lost in a period. Only the engine knows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from retention_kit.errors import DataError
from retention_kit.metrics.grids import DAYS, Grid
from retention_kit.metrics.summaries import check_segment, needs
from retention_kit.metrics.views import ask, departures, is_daily, sql, valued
from retention_kit.periods import Period

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

LISTS = {  # the metric that counts a list's rows: what happened to the customers on it
    "lost_customers": "lost",
    "new_customers": "new",
    "reactivated_customers": "reactivated",
}
_COLUMNS = {  # by the table that decides who is a customer
    "orders": dict.fromkeys(("lost", "new", "reactivated"), ("last_purchase", "revenue_12_months")),
    "subscriptions": {
        "lost": ("paid_until", "mrr", "reason"),
        "new": ("paid_since", "mrr"),
        "reactivated": ("paid_since", "mrr"),
    },
}


def customer_lists(
    data: Dataset, period: Period, columns: Iterable[str] = (), only: tuple[str, str] | None = None
) -> dict[str, pd.DataFrame]:
    """The customers lost, new and reactivated in a period, by the metric that counts them; empty without such figures.

    A row is a turn of a customer: with `churn_mode = "event"` one may leave twice. Columns: customer_id; last_purchase
    (local date, before the period's end) and revenue_12_months (the twelve months up to that purchase), or for subscriptions
    paid_until (first date without service), mrr (what was lost) and reason, and for who came paid_since and mrr (at the
    period's end; 0 where they left before); then the value of each segment column. Money is in the report's currency,
    the largest first. `only`, a segment column and its value, leaves the others out.
    """
    if needs(data, "movements"):
        return {}
    if data.engine is None:
        raise DataError("The figures kept for the report hold no customers: load the data to see them.")
    columns = list(columns) or ([only[0]] if only else [])
    for column in columns:
        check_segment(data, column)
    frames = [_listed(data, period, column) for column in columns or [None]]
    frame, unit = frames[0], data.minor * (12 if data.basis == "subscriptions" else 1)
    money = "mrr" if data.basis == "subscriptions" else "revenue_12_months"
    values = [one["segment_value"].rename(column) for column, one in zip(columns, frames, strict=False)]
    lists = {}
    for metric, kind in LISTS.items():
        wanted = frame["kind"] == kind
        if only:
            wanted &= frame["segment_value"] == only[1]
        part = frame.loc[wanted, ["customer_id", *_COLUMNS[data.basis][kind]]]
        part = part.assign(**{money: part[money] / unit})
        lists[metric] = _beside(part, [value[wanted] for value in values]).reset_index(drop=True)
    return lists


def _beside(frame: pd.DataFrame, values: list[pd.Series]) -> pd.DataFrame:
    """A list with its segment values; a segment column that is named like one of ours is told apart."""
    for value in values:
        name = f"segment.{value.name}" if value.name in frame else value.name
        frame = frame.assign(**{name: value})
    return frame


def _listed(data: Dataset, period: Period, segment: str | None) -> pd.DataFrame:
    """All turns of a period in one order, whatever the segment."""
    grid = Grid(period.every)
    parts = {"period": str(period.index), **valued(segment)}
    if data.basis == "orders":
        parts |= {"ends": f"DATE '{min(period.end, data.as_of)}'"}
    else:
        daily, paid_until = is_daily(data, grid, "churn_mode"), "CAST(paid_until AS DATE)"
        parts["lost_view"], parts["lost_period"] = departures(data, grid, "churn_mode")
        parts |= {
            "began": grid.sql("CAST(paid_from AS DATE)"),
            "lost_until": (DAYS if daily else grid).sql(paid_until),
        }
    return ask(data, sql(f"listed_{data.basis}"), grid, segment, **parts)
