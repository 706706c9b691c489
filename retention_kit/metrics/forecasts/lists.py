"""Lists of customers to contact: those at risk, and one-time buyers who may buy again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from retention_kit.data.summary_key import SummaryKey
from retention_kit.errors import DataError
from retention_kit.metrics.queries.customer_lists import ListTotal, total_of
from retention_kit.metrics.queries.summaries import check_segment, missing_reason
from retention_kit.periods import Period

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

RISK_LISTS = ("at_risk", "second_purchase")
STAKES = ("value_at_stake", "mrr_at_stake")  # columns with the money at stake


def risk_lists(
    data: Dataset, period: Period, columns: Iterable[str] = (), only: tuple[str, str] | None = None
) -> dict[str, pd.DataFrame]:
    """The customers at risk at a period's end, and one-time buyers who may buy again, by the name of the list.

    Customers at risk are subscribers or buyers, depending on `basis`; one-time buyers need orders. A list has at most
    `[at_risk] capacity` rows, the most money first; `attrs["in_all"]` is the number without that limit. Lists that the
    data do not allow are missing. `only`, a segment column and its value, selects customers.

    Columns: customer_id; value_at_stake, the product of revenue_12_months (up to the last purchase) and the probability
    of no purchase, which has the horizon in its name; purchases; last_purchase; usual_gap_days (the median of the
    customer's gaps; for one-time buyers that of the times to a second purchase); overdue_since; act_by (by the 80%
    quantile of the gaps); new_on_list; why; control (one in ten, not to be contacted); then the value of each segment
    column. For subscriptions see `members_lists.at_risk`.
    """
    from retention_kit.metrics.forecasts import buyers_lists, members_lists

    if not risk_names(data):
        return {}
    if data.engine is None:
        raise DataError("The figures kept for the report hold no customers: load the data to see them.")
    columns = [*columns]
    for column in columns:
        check_segment(data, column)
    forecast = members_lists if data.basis == "subscriptions" else buyers_lists
    frames = {
        "at_risk": forecast.at_risk(data, period, columns, only),
        "second_purchase": buyers_lists.second_purchase(data, period, columns, only)
        if "second_purchase" in risk_names(data)
        else None,
    }
    return {name: frame for name, frame in frames.items() if frame is not None}


def risk_names(data: Dataset) -> list[str]:
    """The names of the lists that the tables of the data allow."""
    if missing_reason(data, "lives"):
        return []
    return [*RISK_LISTS] if "orders" in data.tables else ["at_risk"]


def stake_column(frame: pd.DataFrame) -> str:
    """The column of a list with the money at stake."""
    return next(name for name in STAKES if name in frame)


def risk_totals(
    data: Dataset,
    period: Period,
    columns: Iterable[str] = (),
    only: tuple[str, str] | None = None,
    lists: dict[str, pd.DataFrame] | None = None,
) -> dict[str, ListTotal]:
    """The totals of the lists by name, empty if only other summaries are available; computed once for each period and
    columns.

    `lists` are the `risk_lists` of the same period, if already computed.
    """
    columns = tuple(columns)
    key = SummaryKey("risk_lists", (str(period), columns), only)  # its columns are told, too
    if key not in data.summaries:
        if lists is None and data.engine is None:
            return {}
        frames = risk_lists(data, period, columns, only) if lists is None else lists
        data.summaries[key] = {name: total_of(rows, stake_column(rows)) for name, rows in frames.items()}
    return data.summaries[key]
