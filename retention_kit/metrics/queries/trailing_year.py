"""The inputs of lifetime metrics: the twelve months that end with a period."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from retention_kit.data.summary_key import DerivedKey, SummaryKey
from retention_kit.metrics.queries.segment_values import segment_parts
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.statements import sql
from retention_kit.metrics.queries.summaries import in_currency, summary
from retention_kit.metrics.queries.views import is_daily, paying_runs_sql, run_query, views_read
from retention_kit.periods import Period, add_months

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset


def trailing_year(data: Dataset, period: Period, segment: str | None = None) -> pd.DataFrame:
    """The inputs of lifetime metrics, over the twelve months that end with the period: one row per segment value.

    Columns: revenue (report currency; MRR's sum over the months' ends for subscriptions), revenue_squared, purchases
    (for subscriptions the customers at the months' ends), customers (buyers, or the mean at a month's end), frequency
    (purchases a customer and year), exposed and lost (customers who could leave and who did: from one year to the next,
    for subscriptions from month to month), lifespan (years; missing where it is undefined), is_known (whether the data
    reach back far enough).
    """
    key = DerivedKey("trailing_year", str(period), segment)
    if key not in data.summaries:  # the next month's report needs most of the same months
        data.summaries[key] = _trailing_year(data, period, segment)
    return data.summaries[key]


def _trailing_year(data: Dataset, period: Period, segment: str | None) -> pd.DataFrame:
    ends, chosen = min(period.end, data.as_of), data.settings.definitions.lifespan_years
    is_contract = data.basis == "subscriptions"
    year = _year_of_subscriptions(data, ends, segment) if is_contract else _year_of_orders(data, period, segment)
    values = summary(data, "movements", Granularity(period.every), segment)["segment_value"].unique()
    year = year.reindex(year.index.union(values).rename("segment_value"), fill_value=0)
    step = 1 if is_contract else 12  # months from one snapshot to the next
    lost = year["lost"].where((year["lost"] > 0) & (year["exposed"] > 0))
    lifespan = year["exposed"] / lost * step / 12 if chosen is None else chosen
    is_known = is_contract or chosen is not None or data.starts["orders"] <= add_months(ends, -24)
    return year.assign(months=step, lifespan=lifespan, is_known=is_known).reset_index()


def _year_of_subscriptions(data: Dataset, ends: date, segment: str | None) -> pd.DataFrame:
    """Sums over the snapshots at the ends of twelve months, by segment value."""
    granularity = Granularity("month") if ends.day == 1 else Granularity("", 1, ends)
    last = granularity.index(ends - timedelta(days=1))
    if segment is None and granularity.every == "month" and not is_daily(data, granularity, "churn_mode"):
        year = _years_of_all(data, granularity).loc[[last]].set_index("segment_value")
    else:
        year = _monthly_snapshots(data, granularity, last, segment).set_index("segment_value")
    return year.assign(revenue_squared=year["revenue_squared"] / 12, customers=year["purchases"] / 12, frequency=12.0)


def _years_of_all(data: Dataset, granularity: Granularity) -> pd.DataFrame:
    """Sums over the snapshots at the ends of twelve months, of all customers, by the number of the last month."""
    import numpy as np

    key = DerivedKey("years_of_subscriptions", granularity)
    if key not in data.summaries:
        moves, paid = (
            frame.set_index("period")
            for frame in (
                summary(data, "movements", granularity),
                in_currency(data, "mrr", summary(data, "mrr", granularity)),
            )
        )
        months = moves[["lost"]].assign(
            exposed=moves["start"],
            revenue=paid["end"],
            revenue_squared=paid["end_squared"],
            purchases=paid["customers"],
        )
        padded = {name: np.concatenate([np.zeros(11, values.dtype), values]) for name, values in months.items()}
        windows = {name: np.lib.stride_tricks.sliding_window_view(values, 12) for name, values in padded.items()}
        data.summaries[key] = moves[["segment_value"]].assign(
            **{name: window.sum(1) for name, window in windows.items()}
        )
    return data.summaries[key]


def _monthly_snapshots(data: Dataset, granularity: Granularity, last: int, segment: str | None) -> pd.DataFrame:
    """Sums over twelve monthly snapshots, up to that with number `last`, by segment value at the last one."""

    def compute() -> pd.DataFrame:
        # Windows are built for one date: customers at their ends are those who pay then.
        parts = {"month": str(last), "members": "membership", **segment_parts(segment)}
        views = views_read(data, granularity, "monthly_snapshots")
        if granularity.is_windows:
            views, parts["members"] = ["levels"], paying_runs_sql(data, granularity, "levels")
        frame = run_query(data, sql("monthly_snapshots"), granularity, segment, views, **parts)
        unit = data.minor * 12  # of MRR
        revenue = frame["revenue"].map(
            lambda paid: int(paid) / unit
        )  # passed as text, as the integers may be too large for other types
        squared = frame["revenue_squared"].map(lambda paid: int(paid) / unit**2)
        return frame.assign(revenue=revenue, revenue_squared=squared)

    key = SummaryKey("monthly_snapshots", (granularity, last), segment)
    return data.cached(key, f"no twelve months up to {granularity.end(last)}", compute)


def _year_of_orders(data: Dataset, period: Period, segment: str | None) -> pd.DataFrame:
    """Sums over twelve months of orders; buyers of the twelve months before could be lost in them."""
    frame = in_currency(data, "trailing", summary(data, "trailing", Granularity(period.every), segment))
    year = frame[frame["period"] == period.index].set_index("segment_value").drop(columns="period")
    frequency = (year["purchases"] / year["buyers"].where(year["buyers"] > 0)).fillna(0)
    return year.rename(columns={"buyers": "customers"}).assign(frequency=frequency)
