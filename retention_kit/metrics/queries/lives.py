"""The inputs of lifetime models for buyers, grouped on the engine."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from retention_kit.data.engines.sql_text import literal
from retention_kit.metrics.queries.segment_values import segment_parts
from retention_kit.metrics.queries.spans import EPOCH, Granularity
from retention_kit.metrics.queries.statements import sql
from retention_kit.metrics.queries.views import VIEWS, run_query
from retention_kit.periods import Period

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

_READ = ("purchase_history",)
MOST_SPENDERS = 20_000  # repeat buyers in a `spend_sample`
DRAWN = 5 * MOST_SPENDERS  # repeat buyers in the view `spenders`, from which samples of all dates are drawn


def buyer_groups(data: Dataset, period: Period, segment: str | None = None) -> pd.DataFrame:
    """The customers with a purchase before a period's end, or the as-of date if that is earlier, by segment value.

    Columns: segment_value; frequency, days with a purchase after the first such day; recency_days and age_days, days
    from that first day to the last purchase and to the day before the end; customers, the number with the same values;
    repeat_amount and recent_amount, their sums spent after the first day and in the twelve months up to the last
    purchase, in minor units.
    """
    if segment is None:
        return _groups_of_all(data, period)
    parts = {"period": str(period.index), **segment_parts(segment), **_dates(min(period.end, data.as_of))}
    return run_query(data, sql("lives") + sql("lives_alike"), Granularity(period.every), segment, _READ, **parts)


def _groups_of_all(data: Dataset, period: Period) -> pd.DataFrame:
    """The same for all customers together, from states that are computed once for all periods."""
    import numpy as np
    import pandas as pd

    granularity, views = Granularity(period.every), (*_READ, "purchase_states")
    states = run_query(data, sql("lives_at_end"), granularity, None, views, period=str(period.index))
    last_day = min(period.end, data.as_of) - timedelta(days=1)
    recency = states["recency_days"].to_numpy("int64")
    age = (last_day - EPOCH).days - states["first_day"].to_numpy("int64")
    days = int(age.max(initial=0)) + 1
    keys = (states["frequency"].to_numpy("int64") * days + recency) * days + age
    order = np.argsort(keys)
    keys = keys[order]
    begins = np.flatnonzero(np.diff(keys, prepend=-1))
    keys = keys[begins]
    counts = {"frequency": keys // days**2, "recency_days": keys // days % days, "age_days": keys % days}
    sums = ("customers", "repeat_amount", "recent_amount")
    return pd.DataFrame(
        {"segment_value": pd.Categorical.from_codes(np.zeros(len(keys), "int8"), [""])}
        | {name: values.astype("int32") for name, values in counts.items()}
        | {name: np.add.reduceat(states[name].to_numpy("int64")[order], begins) if len(keys) else keys for name in sums}
    )


def spend_sample(data: Dataset, ends: date) -> pd.DataFrame:
    """The spending of at most 20,000 repeat buyers before a date, without ids.

    Columns: frequency, repeat_amount (minor units). The sample is drawn by a digest of the ids.
    """
    spent = _spent(data, ends, "spenders", "place")
    if len(spent) < MOST_SPENDERS and _is_truncated(data):
        spent = _spent(data, ends, "purchase_history", "md5(customer_id), customer_id")
    return spent


def _spent(data: Dataset, ends: date, spenders: str, order: str) -> pd.DataFrame:
    parts = {"spenders": spenders, "order": order, "most": str(MOST_SPENDERS), **_dates(ends)}
    return run_query(data, sql("lives_spend"), None, None, (*_READ, "spenders"), **parts)


def _is_truncated(data: Dataset) -> bool:
    """Whether there may be more repeat buyers than in the view `spenders`."""
    return bool(run_query(data, f"SELECT place FROM spenders WHERE place = {DRAWN}", views=(*_READ, "spenders")).size)


def later_purchases(data: Dataset, ends: date, until: date) -> pd.DataFrame:
    """The customers with a purchase before `ends`, in groups, and their purchases from then to before `until`.

    Columns: those of `buyer_groups` without segment_value; later_purchases, days with a purchase of each customer;
    later_amount, the amount spent by all of them, in minor units.
    """
    query = sql("lives") + sql("lives_later")
    return run_query(data, query, None, None, _READ, **_dates(ends), until=f"DATE '{until}'")


def second_purchase_gaps(data: Dataset, ends: date) -> pd.DataFrame:
    """The times from first to second purchases before a date. Columns: days, customers."""
    return run_query(data, sql("lives_gaps"), None, None, _READ, **_dates(ends))


def listed_buyers(
    data: Dataset, name: str, period: Period, segment: str | None, only: tuple[str, str] | None, **parts: str
) -> pd.DataFrame:
    """The rows of the list `name` of buyers, in the same order for every segment.

    Columns: customer_id, those of `buyer_groups` without its sums, last_day, recent_amount (minor units; of the twelve
    months up to the last purchase), segment_value, and in_all, the number of rows without the limit in `parts`.
    """
    condition = "1 = 1" if only is None else f"segment_value = {literal(only[1])}"
    placeholders = {"period": str(period.index), "wanted": condition, **segment_parts(segment), **parts}
    granularity, dates = Granularity(period.every) if segment else None, _dates(min(period.end, data.as_of))
    return run_query(data, sql("lives") + sql(f"listed_{name}"), granularity, segment, _READ, **dates, **placeholders)


def _dates(ends: date) -> dict[str, str]:
    return {"ends": f"DATE '{ends}'"}


def _build_states(data: Dataset, granularity: Granularity) -> None:
    data.live_engine.run(sql("purchase_states"), period=granularity.sql("day"), next_period=granularity.sql("next_day"))


VIEWS |= {
    "purchase_states": _build_states,
    "spenders": lambda data, _: data.live_engine.run(sql("spenders"), most=str(DRAWN)),
}
