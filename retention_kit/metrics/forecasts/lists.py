"""Lists of whom to ask: customers at risk, and customers who may buy a second time, for the team."""

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
STAKES = ("value_at_stake", "mrr_at_stake")  # the columns that hold the money at stake


def risk_lists(
    data: Dataset, period: Period, columns: Iterable[str] = (), only: tuple[str, str] | None = None
) -> dict[str, pd.DataFrame]:
    """The customers at risk at a period's end, and those who may buy a second time, by the name of the list.

    Who is at risk pays a subscription or buys, as `basis` decides; who may buy a second time is known from orders.

    As many as `[at_risk] capacity` says, the most money first; `attrs["in_all"]` counts those left out too. A list that
    the data cannot give is not there. Columns: customer_id; value_at_stake, revenue_12_months (up to the last purchase)
    times the chance of no purchase, which has the horizon in its head; purchases, last_purchase, usual_gap_days (within
    which half of a customer's own gaps lie; of who bought once, half of the times to a second purchase), overdue_since,
    act_by (within which four in five lie), new_on_list, why, control (one in ten, not to be asked); then the value of
    each segment column. For subscriptions see `members_lists.at_risk`. `only`, a segment column and its value, leaves
    the others out.
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
    made = {
        "at_risk": forecast.at_risk(data, period, columns, only),
        "second_purchase": buyers_lists.second_purchase(data, period, columns, only)
        if "second_purchase" in risk_names(data)
        else None,
    }
    return {name: frame for name, frame in made.items() if frame is not None}


def risk_names(data: Dataset) -> list[str]:
    """The lists that data of their kind have, however few customers they hold."""
    if missing_reason(data, "lives"):
        return []
    return [*RISK_LISTS] if "orders" in data.tables else ["at_risk"]


def stake_column(frame: pd.DataFrame) -> str:
    """The column of a list that holds the money at stake."""
    return next(name for name in STAKES if name in frame)


def risk_totals(
    data: Dataset,
    period: Period,
    columns: Iterable[str] = (),
    only: tuple[str, str] | None = None,
    lists: dict[str, pd.DataFrame] | None = None,
) -> dict[str, ListTotal]:
    """What the lists hold, by their names, with the money at stake; empty where no customers are at hand. Computed once
    for each period and columns.

    `lists` are the `risk_lists` of the same period, where they have been made.
    """
    columns = tuple(columns)
    key = SummaryKey("risk_lists", (str(period), columns), only)  # its columns are told, too
    if key not in data.summaries:
        if lists is None and data.engine is None:
            return {}
        made = risk_lists(data, period, columns, only) if lists is None else lists
        data.summaries[key] = {name: total_of(rows, stake_column(rows)) for name, rows in made.items()}
    return data.summaries[key]
