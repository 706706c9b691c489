"""The six summaries as somebody who knows Polars writes them, lazily: `python polars_summaries.py FOLDER` prints JSON.

Files are scanned, so what is read is part of each plan; all six are collected together, and what they share is
computed once.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from time import perf_counter

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))
from ways import AS_OF, FIRST, NATURAL, figures_of, peak

first, as_of = date.fromisoformat(FIRST), date.fromisoformat(AS_OF)
month, before = pl.col("month"), pl.col("before")


def month_of(column: str) -> pl.Expr:
    return pl.col(column).dt.month_start().dt.date().alias("month")


def movements(orders: pl.LazyFrame) -> pl.LazyFrame:
    months = orders.filter(pl.col("customer_id").is_not_null()).select("customer_id", month_of("ordered_at")).unique()
    visits = months.sort("customer_id", "month").with_columns(before=month.shift().over("customer_id"))
    moves = visits.group_by("month").agg(
        end=pl.len().cast(pl.Int64),
        new=before.is_null().sum().cast(pl.Int64),
        retained=(before == month.dt.offset_by("-1mo")).sum().cast(pl.Int64),
        reactivated=(before < month.dt.offset_by("-1mo")).sum().cast(pl.Int64),
    )
    moves = moves.sort("month").with_columns(start=pl.col("end").shift())
    return moves.with_columns(lost=pl.col("start") - pl.col("retained")).filter(month >= first)


def purchases(orders: pl.LazyFrame) -> pl.LazyFrame:
    orders = orders.with_columns(month_of("ordered_at"))
    known = orders.filter(pl.col("customer_id").is_not_null())
    buyers = known.group_by("customer_id", "month").agg(purchases=pl.len(), revenue=pl.col("amount").sum())
    lives = buyers.with_columns(first_month=month.min().over("customer_id"))
    months = (
        lives.filter(month >= first)
        .group_by("month")
        .agg(
            buyers=pl.len(),
            purchases=pl.col("purchases").sum(),
            repeat_buyers=(pl.col("purchases") >= 2).sum(),
            returning_buyers=(pl.col("first_month") < month).sum(),
            customer_revenue=pl.col("revenue").sum(),
        )
    )
    guests = orders.filter(pl.col("customer_id").is_null()).group_by("month").agg(guest_revenue=pl.col("amount").sum())
    return months.join(guests, on="month", how="left").with_columns(pl.col("guest_revenue").fill_null(0))


def mrr(subscriptions: pl.LazyFrame) -> pl.LazyFrame:
    ends = pl.date_range(first, as_of, "1mo", eager=True)
    calendar = pl.LazyFrame({"month": ends.dt.offset_by("-1mo"), "until": ends.cast(pl.Datetime)})
    running = subscriptions.with_columns(pl.col("ended_at").fill_null(pl.lit(as_of).cast(pl.Datetime)))
    running = running.join_where(
        calendar, pl.col("started_at") < pl.col("until"), pl.col("ended_at") >= pl.col("until")
    )
    levels = running.group_by("customer_id", "month").agg(mrr=pl.col("amount").sum())
    firsts = subscriptions.group_by("customer_id").agg(first_paid=pl.col("started_at").min())
    earlier = levels.select("customer_id", month.dt.offset_by("1mo"), before="mrr")
    both = levels.join(earlier, on=["customer_id", "month"], how="full", coalesce=True).join(firsts, on="customer_id")
    now, then = pl.col("mrr"), pl.col("before")
    moves = both.with_columns(now.fill_null(0), then.fill_null(0)).filter(month >= first, month < as_of)
    change, is_new = now - then, pl.col("first_paid") >= month.cast(pl.Datetime)
    return moves.group_by("month").agg(
        start=then.sum(),
        new=change.filter((then == 0) & is_new).sum(),
        expansion=change.filter((then > 0) & (change > 0)).sum(),
        contraction=-change.filter((now > 0) & (change < 0)).sum(),
        churned=-change.filter(now == 0).sum(),
        reactivation=change.filter((then == 0) & ~is_new).sum(),
        end=now.sum(),
    )


def feedback(responses: pl.LazyFrame) -> pl.LazyFrame:
    answers = responses.with_columns(month_of("responded_at")).filter(month >= first).sort("responded_at")
    answers = answers.unique(["customer_id", "survey", "month"], keep="last")
    score = {survey: pl.col("score").filter(pl.col("survey") == survey) for survey in ("nps", "csat", "ces")}
    return answers.group_by("month").agg(
        nps=100 * ((score["nps"] >= 9).mean() - (score["nps"] <= 6).mean()),
        csat=(score["csat"] >= 4).mean(),
        ces=(score["ces"] >= 5).mean(),
    )


def cohorts(orders: pl.LazyFrame) -> pl.LazyFrame:
    months = orders.filter(pl.col("customer_id").is_not_null()).select("customer_id", month_of("ordered_at")).unique()
    months = months.with_columns(cohort=month.min().over("customer_id"))
    return months.group_by("cohort", "month").agg(active=pl.len())


def rfm(orders: pl.LazyFrame) -> pl.LazyFrame:
    known, day = orders.filter(pl.col("customer_id").is_not_null()), pl.col("day")
    days = known.group_by("customer_id", day=pl.col("ordered_at").dt.date()).agg(pl.col("amount").sum())
    return days.group_by("customer_id").agg(
        frequency=pl.len().cast(pl.Int64) - 1,
        recency=(day.max() - day.min()).dt.total_days(),
        T=(pl.lit(as_of) - day.min()).dt.total_days() - 1,
        monetary=pl.col("amount").filter(day > day.min()).mean().fill_null(0),
    )


def polars(folder: Path) -> dict:
    start = perf_counter()
    orders, subscriptions, responses = (
        pl.scan_parquet(folder / f"{name}.parquet") for name in ("orders", "subscriptions", "responses")
    )
    plans = [
        movements(orders),
        purchases(orders),
        mrr(subscriptions),
        feedback(responses),
        cohorts(orders),
        rfm(orders),
    ]
    frames = dict(zip(NATURAL, pl.collect_all(plans), strict=True))
    seconds, memory = perf_counter() - start, peak()
    return {"seconds": seconds, "memory": memory, "figures": figures_of(frames)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(polars(Path(sys.argv[1]))))
