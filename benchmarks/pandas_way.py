"""The six summaries as somebody who knows pandas writes them: `groupby`, `drop_duplicates`, `merge`, no loops over
rows.

Every function takes frames as `pd.read_parquet` gives them and returns one frame; a month is a whole number, which
groups faster than a period of pandas.
"""

from __future__ import annotations

import pandas as pd


def movements(orders: pd.DataFrame, first: int) -> pd.DataFrame:
    months = _months(orders)
    before = months.groupby("customer_id")["month"].shift()
    gap = months["month"] - before  # missing for a customer's first month
    moves = (
        pd.DataFrame(
            {
                "end": months.groupby("month").size(),
                "new": months[before.isna()].groupby("month").size(),
                "retained": months[gap == 1].groupby("month").size(),
                "reactivated": months[gap > 1].groupby("month").size(),
            }
        )
        .fillna(0)
        .astype("int64")
    )
    moves["start"] = moves["end"].shift(fill_value=0)
    moves["lost"] = moves["start"] - moves["retained"]
    return _from(moves, first)


def purchases(orders: pd.DataFrame, first: int) -> pd.DataFrame:
    months = _month(orders["ordered_at"]).rename("month")
    buyers = orders.groupby(["customer_id", months])["amount"].agg(["size", "sum"]).reset_index()
    buyers["first"] = buyers.groupby("customer_id")["month"].transform("min")
    buyers["repeats"], buyers["returns"] = buyers["size"] >= 2, buyers["first"] < buyers["month"]
    totals = buyers.groupby("month").agg(
        buyers=("size", "size"),
        purchases=("size", "sum"),
        repeat_buyers=("repeats", "sum"),
        returning_buyers=("returns", "sum"),
        customer_revenue=("sum", "sum"),
    )
    guests = orders[orders["customer_id"].isna()]
    totals["guest_revenue"] = guests.groupby(months)["amount"].sum()
    return _from(totals.fillna({"guest_revenue": 0}), first)


def mrr(subscriptions: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    first_paid = _month(subscriptions.groupby("customer_id")["started_at"].min()).rename("first_month")
    ended, levels = subscriptions["ended_at"], []
    for month in range(first - 1, last + 1):
        until = label(month + 1)
        running = subscriptions[(subscriptions["started_at"] < until) & (ended.isna() | (ended >= until))]
        levels.append(running.groupby("customer_id")["amount"].sum())
    moves = {}
    for month, before, now in zip(range(first, last + 1), levels, levels[1:], strict=False):
        both = pd.concat([before.rename("before"), now.rename("now")], axis=1).fillna(0).join(first_paid)
        change = both["now"] - both["before"]
        joined, is_new = both["before"] == 0, both["first_month"] == month
        stayed, left = (both["before"] > 0) & (both["now"] > 0), both["now"] == 0
        moves[month] = {
            "start": both["before"].sum(),
            "new": change[joined & is_new].sum(),
            "expansion": change[stayed & (change > 0)].sum(),
            "contraction": -change[stayed & (change < 0)].sum(),
            "churned": -change[left].sum(),
            "reactivation": change[joined & ~is_new].sum(),
            "end": both["now"].sum(),
        }
    return _from(pd.DataFrame.from_dict(moves, orient="index").astype("int64"), first)


def feedback(responses: pd.DataFrame, first: int) -> pd.DataFrame:
    answers = responses.assign(month=_month(responses["responded_at"]))
    answers = answers.sort_values("responded_at").drop_duplicates(["customer_id", "survey", "month"], keep="last")
    is_nps = answers["survey"] == "nps"
    bounds = answers["survey"].map({"nps": 9, "csat": 4, "ces": 5})
    points = (answers["score"] >= bounds).astype("int64") - (is_nps & (answers["score"] <= 6)).astype("int64")
    means = points.groupby([answers["month"], answers["survey"]]).mean().unstack()
    return _from(means.assign(nps=100 * means["nps"]), first)


def cohorts(orders: pd.DataFrame) -> pd.DataFrame:
    months = _months(orders)
    months["cohort"] = months.groupby("customer_id")["month"].transform("min")
    cells = months.groupby(["cohort", "month"]).size().rename("active").reset_index()
    return cells.assign(cohort=cells["cohort"].map(label), month=cells["month"].map(label))


def rfm(orders: pd.DataFrame, as_of: str) -> pd.DataFrame:
    days = (
        orders.groupby(["customer_id", orders["ordered_at"].dt.normalize().rename("day")])["amount"].sum().reset_index()
    )
    lives = days.groupby("customer_id")["day"].agg(["size", "min", "max"])
    repeats = days[days.duplicated("customer_id")].groupby("customer_id")["amount"].mean()
    return pd.DataFrame(
        {
            "frequency": lives["size"] - 1,
            "recency": (lives["max"] - lives["min"]).dt.days,
            "T": (pd.Timestamp(as_of) - lives["min"]).dt.days - 1,
            "monetary": repeats.reindex(lives.index).fillna(0.0),
        }
    ).reset_index()


def number(month: str) -> int:
    """The number of a month written like 2025-12."""
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def label(month: int) -> pd.Timestamp:
    """The first instant of a month."""
    return pd.Timestamp(month // 12, month % 12 + 1, 1)


def _month(moments: pd.Series) -> pd.Series:
    return moments.dt.year * 12 + moments.dt.month - 1


def _months(orders: pd.DataFrame) -> pd.DataFrame:
    """The months in which each customer bought, in order."""
    known = orders.loc[orders["customer_id"].notna(), ["customer_id"]].assign(month=_month(orders["ordered_at"]))
    return known.drop_duplicates().sort_values(["customer_id", "month"])


def _from(frame: pd.DataFrame, first: int) -> pd.DataFrame:
    frame = frame[frame.index >= first].rename_axis("month").reset_index()
    return frame.assign(month=frame["month"].map(label))
