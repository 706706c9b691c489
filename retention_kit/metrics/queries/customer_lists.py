"""Lists of the customers behind figures: new, reactivated, lost and active ones of a period."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import fsum
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.data.summary_key import SummaryKey
from retention_kit.errors import DataError
from retention_kit.metrics.queries.segment_values import segment_parts
from retention_kit.metrics.queries.spans import BEFORE, DAYS, Granularity
from retention_kit.metrics.queries.statements import sql
from retention_kit.metrics.queries.summaries import check_segment, missing_reason, pick_period
from retention_kit.metrics.queries.views import (
    active_sql,
    departures_view,
    is_daily,
    payments_sql,
    run_query,
    views_read,
)
from retention_kit.periods import Period

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

EARLIER = "(before)"  # the cohort of customers known from before the data
LISTS = {  # the metric that counts a list's rows: what happened to the customers on it
    "lost_customers": "lost",
    "new_customers": "new",
    "reactivated_customers": "reactivated",
}
_COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {  # by basis
    "orders": dict.fromkeys(("lost", "new", "reactivated"), ("last_purchase", "revenue_12_months")),
    "subscriptions": {
        "lost": ("paid_until", "mrr", "reason"),
        "new": ("paid_since", "mrr"),
        "reactivated": ("paid_since", "mrr"),
    },
}


class ListTotal(NamedTuple):
    """Totals of a list: its rows, the number without a limit, and the sum of money in the report's currency."""

    customers: int
    in_all: int
    money: float
    columns: tuple[str, ...]


def total_of(rows: pd.DataFrame, money: str) -> ListTotal:
    """The totals of a list; `money` is its column with money."""
    in_all = rows.attrs.get("in_all", len(rows))
    return ListTotal(len(rows), in_all, money_sum(rows[money]), tuple(rows.columns))


def list_totals(
    data: Dataset,
    period: Period,
    columns: Iterable[str] = (),
    only: tuple[str, str] | None = None,
    lists: dict[str, pd.DataFrame] | None = None,
) -> dict[str, ListTotal]:
    """The totals of `customer_lists` by metric; computed once for each period, columns and segment value.

    Empty if only other summaries are available. `lists` are the lists of the same period, if already computed.
    """
    columns = tuple(columns)
    key = SummaryKey("lists", (str(period), columns), only)  # its columns are told, too
    if key not in data.summaries:
        if lists is None and data.engine is None:
            return {}
        frames = customer_lists(data, period, columns, only) if lists is None else lists
        data.summaries[key] = {metric: total_of(rows, money_column(data)) for metric, rows in frames.items()}
    return data.summaries[key]


def money_sum(amounts: pd.Series) -> float:
    """A sum of money without errors of floats: 631.5, not 631.4999999999999, which would be printed differently."""
    return round(fsum(amounts), 6)


def money_column(data: Dataset) -> str:
    """The column of a list with money: MRR, or the amount spent in the twelve months up to the last purchase."""
    return "mrr" if data.basis == "subscriptions" else "revenue_12_months"


def customer_lists(
    data: Dataset, period: Period, columns: Iterable[str] = (), only: tuple[str, str] | None = None
) -> dict[str, pd.DataFrame]:
    """The customers lost, new and reactivated in a period, by the metric that counts them; empty without such metrics.

    A row is a change of one customer: with `churn_mode = "event"` one may leave twice. Columns: customer_id;
    last_purchase (local date, before the period's end) and revenue_12_months (the twelve months up to that purchase).
    For subscriptions: paid_until (first date without service), mrr (the lost amount) and reason; or, if new or
    reactivated, paid_since and mrr (at the period's end; 0 if they left before). Then the value of each segment column.
    Money is in the report's currency, the largest first. `only`, a segment column and its value, selects customers.
    """
    if missing_reason(data, "movements"):
        return {}
    frame, values = _by_column(data, _changes_of_period, period, columns, only)
    unit, money = _unit(data), money_column(data)
    is_wanted = _has_segment_value(frame, values, only)
    lists = {}
    for metric, kind in LISTS.items():
        selected = is_wanted & (frame["kind"] == kind)
        part = frame.loc[selected, ["customer_id", *_COLUMNS[data.basis][kind]]]
        part = part.assign(**{money: part[money] / unit})
        lists[metric] = with_segment_values(part, [value[selected] for value in values]).reset_index(drop=True)
    return lists


def active_customers(
    data: Dataset,
    period: Period,
    cohort: str | Period | None = None,
    columns: Iterable[str] = (),
    only: tuple[str, str] | None = None,
) -> pd.DataFrame:
    """The customers active in a period, all or those of one cohort; their number is that of the metric or of `cohorts`.

    Columns: customer_id; cohort, the period in which they were first active ("2011-11"), or "(before)" for known
    earlier customers; paid, their purchases in the period, or for subscriptions their MRR at its end, in the report's
    currency; then the value of each segment column. The largest first. `only`, a segment column and its value, selects
    customers. Raises DataError if the data have no customers, PeriodError if a period is outside the data.
    """
    if reason := missing_reason(data, "movements"):
        raise DataError("There are no active customers: {reason}", reason=reason)
    period = pick_period(data, period)
    began = pick_period(data, str(cohort), period.every) if cohort else None
    frame, values = _by_column(data, _active_in_period, period, columns, only)
    selected = _has_segment_value(frame, values, only)
    if began:
        selected &= frame["cohort"] == began.index
    part = frame.loc[selected, ["customer_id", "cohort", "paid"]]
    names = {
        index: EARLIER if index == BEFORE else str(Period(period.every, int(index)))
        for index in part["cohort"].unique()
    }
    part = part.assign(cohort=part["cohort"].map(names).astype("str"), paid=part["paid"] / _unit(data))
    return with_segment_values(part, [value[selected] for value in values]).reset_index(drop=True)


def _by_column(
    data: Dataset, query: Callable, period: Period, columns: Iterable[str], only: tuple[str, str] | None
) -> tuple[pd.DataFrame, list[pd.Series]]:
    """The rows of a list, and their values in each segment column; `query` returns the same order for each column."""
    if data.engine is None:
        raise DataError("The figures kept for the report hold no customers: load the data to see them.")
    columns = list(columns) or ([only[0]] if only else [])
    for column in columns:
        check_segment(data, column)
    frames = [query(data, period, column) for column in columns] or [query(data, period, None)]
    return frames[0], [frame["segment_value"].rename(column) for column, frame in zip(columns, frames, strict=False)]


def _has_segment_value(frame: pd.DataFrame, values: list[pd.Series], only: tuple[str, str] | None) -> pd.Series:
    """Whether rows have the segment value of `only`."""
    import pandas as pd

    if only is None:
        return pd.Series(True, index=frame.index)
    return next(value for value in values if value.name == only[0]) == only[1]


def _unit(data: Dataset) -> int:
    """The divisor from sums to the report's currency: MRR is in twelfths of a minor unit."""
    return data.minor * (12 if data.basis == "subscriptions" else 1)


def with_segment_values(frame: pd.DataFrame, values: list[pd.Series]) -> pd.DataFrame:
    """A list with its segment values; a segment column with the name of another column gets the prefix `segment.`."""
    for value in values:
        name = f"segment.{value.name}" if value.name in frame else value.name
        frame = frame.assign(**{name: value})
    return frame


def _changes_of_period(data: Dataset, period: Period, segment: str | None) -> pd.DataFrame:
    """All changes of a period, in the same order for every segment."""
    granularity = Granularity(period.every)
    parts = {"period": str(period.index), **segment_parts(segment)}
    if data.basis == "orders":
        parts |= {"ends": f"DATE '{min(period.end, data.as_of)}'"}
    else:
        daily, paid_until = is_daily(data, granularity, "churn_mode"), "CAST(paid_until AS DATE)"
        parts["lost_view"], parts["lost_period"] = departures_view(data, granularity, "churn_mode")
        parts |= {
            "began": granularity.sql("CAST(paid_from AS DATE)"),
            "lost_until": (DAYS if daily else granularity).sql(paid_until),
        }
    name = f"listed_{data.basis}"
    return run_query(data, sql(name), granularity, segment, views_read(data, granularity, name), **parts)


def _active_in_period(data: Dataset, period: Period, segment: str | None) -> pd.DataFrame:
    """All active customers of a period, in the same order for every segment."""
    granularity = Granularity(period.every)
    parts = {
        "period": str(period.index),
        "active": active_sql(data),
        "paid": payments_sql(data),
        **segment_parts(segment),
    }
    return run_query(
        data, sql("listed_active"), granularity, segment, views_read(data, granularity, "listed_active"), **parts
    )
