"""The views that the summaries share: who is active, who is a customer, what they pay and which segment they are in.

They stand on the engine for one granularity and segment at a time; the SQL lies in `sql/`, one file a view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from retention_kit.data.engines.sql_text import fill_placeholders, literal
from retention_kit.data.readers.source_columns import error_sentence
from retention_kit.errors import DataError
from retention_kit.metrics.queries.segment_values import NONE, build_customer_values
from retention_kit.metrics.queries.spans import BEFORE, DAYS, Granularity, year_windows
from retention_kit.metrics.queries.statements import sql

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

PAUSED = "(paused)"
TIMELESS = ("paid_stretches", "purchase_history", "spenders")  # views that are the same for every granularity
INTERRUPTED = ("interrupted", "canceling statement due to user request", "cancelled")  # what the engines say of it
_BOUGHT = "FROM orders WHERE is_purchase AND customer_id IS NOT NULL"
_PAID_FROM, _PAID_UNTIL = "CAST(paid_from AS DATE)", "CAST(paid_until AS DATE)"


def build_views(data: Dataset, granularity: Granularity, segment: str | None, views: Iterable[str] = ()) -> None:
    """Build the shared views that a query reads, for one granularity and segment."""
    standing = data.live_engine.prepared
    if standing.get("granularity") != granularity:
        for name in [name for name in standing if name not in TIMELESS]:
            del standing[name]
        standing["granularity"] = granularity
    _build_missing(data, granularity, *views)
    if segment is not None and standing.get("segment") != segment:
        standing.pop("segment", None)  # where it is interrupted, neither stands
        build_customer_values(data, granularity, segment, end_index(data, granularity))
        standing["segment"] = segment


def run_query(
    data: Dataset,
    query: str,
    granularity: Granularity | None = None,
    segment: str | None = None,
    views: Iterable[str] = (),
    **parts: str,
) -> pd.DataFrame:
    """The rows of a query on the tables and the shared views that it reads (see `views_read`), which without a
    granularity are `TIMELESS` ones. Raises DataError where the engine cannot answer.
    """
    engine = data.live_engine
    try:
        with engine.lock:  # the views of one thread are not to be another's
            if granularity is None:
                _build_missing(data, DAYS, *views)
            else:
                build_views(data, granularity, segment, views)
            return engine.frame(query, **parts)
    except engine.error as error:
        message = error_sentence(error)
        if "out of range" in message or "Overflow" in message:
            message = "The amounts are too large to be summed exactly: give them in thousands."
        if any(sign in message.lower() for sign in INTERRUPTED):
            message = "The query was interrupted."
        raise DataError(message) from error


def is_daily(data: Dataset, granularity: Granularity, option: str) -> bool:
    """Whether `churn_mode` or `mrr_mode` tells changes apart day by day; lifetimes go by the ends of their windows."""
    return getattr(data.settings.definitions, option) == "event" and not granularity.is_windows


def departures_view(data: Dataset, granularity: Granularity, option: str) -> tuple[str, str]:
    """The view of who stops paying, told apart as `churn_mode` or `mrr_mode` says, and SQL for the
    period of its rows.
    """
    if is_daily(data, granularity, option):
        return "day_levels_leaving", granularity.sql_of_day("span")
    return "levels_leaving", "span"


def active_sql(data: Dataset) -> str:
    """Where customers stand as active, as spans."""
    return sql("buying") if data.basis == "orders" else "activity"


def members_sql(data: Dataset) -> str:
    """Where it stands who is a customer at the ends of spans: who buys, or with a time of inactivity who has bought."""
    is_buyer = data.basis == "orders" and data.settings.definitions.inactivity_days is None
    return active_sql(data) if is_buyer else "membership"


def membership_changes_sql(data: Dataset, granularity: Granularity) -> str:
    """Where it stands when one becomes a customer and ceases to be one: between the periods' ends, or day by day."""
    spans = {name: name for name in ("from_period", "until_period")} | {
        "membership": members_sql(data),
        "end": end_index(data, granularity),
        "passing": "",
    }
    if is_daily(data, granularity, "churn_mode") and members_sql(data) == "membership":
        spans = {name: granularity.sql_of_day(name) for name in ("from_period", "until_period")}
        spans |= {"membership": "day_membership", "end": end_index(data, DAYS), "passing": ""}
        if data.basis == "subscriptions":
            spans["passing"] = fill_placeholders(sql("passing"), {"day": granularity.sql_of_day("span")})
    return fill_placeholders(sql("membership_changes"), spans)


def paying_runs_sql(data: Dataset, granularity: Granularity, levels: str) -> str:
    """Who pays at the ends of spans, as spans; `levels` is the view of what they pay then."""
    return fill_placeholders(sql("paying_runs"), {"levels": levels, "end": end_index(data, granularity)})


def payments_sql(data: Dataset) -> str:
    """What the customers of the basis pay, as spans with their cohort: purchases in their period, MRR while it runs."""
    if data.basis == "orders":
        return (
            "SELECT customer_id, first_period AS cohort, period AS from_period, period + 1 AS until_period, "
            "revenue AS paid FROM purchases_by_period"
        )
    return (
        "SELECT levels.customer_id, first_period AS cohort, levels.from_period, levels.until_period, mrr AS paid "
        "FROM levels JOIN (SELECT DISTINCT customer_id, first_period FROM activity) AS firsts "
        "ON firsts.customer_id = levels.customer_id "
        "WHERE mrr > 0"
    )


def _first(data: Dataset, table: str, span: str, by: str = "") -> str:
    """SQL for a customer's first span in a table, `BEFORE` where they were known before it begins;
    `by` makes a window.
    """
    window = f" OVER (PARTITION BY customer_id ORDER BY {by})" if by else ""
    if not data.has_known_customers:
        return f"MIN({span}){window}"
    earlier = f"SELECT customer_id FROM known_customers WHERE coalesce(first_at < DATE '{data.starts[table]}', true)"
    return f"MIN(CASE WHEN customer_id IN ({earlier}) THEN {BEFORE} ELSE {span} END){window}"


def trailing_year_parts(data: Dataset, granularity: Granularity) -> dict[str, str]:
    """Where it stands when what customers bought enters the last twelve months, leaves them and is forgotten, and held
    sums.
    """
    by_days = "day" in _windows(data, granularity)
    parts = {"windows": "windows_of_days" if by_days else sql("windows_of_periods")}
    parts["end"] = end_index(data, granularity)
    return parts | {"held": fill_placeholders(sql("held_by_days" if by_days else "held_by_periods"), parts)}


def _windows(data: Dataset, granularity: Granularity) -> pd.DataFrame:
    return year_windows(granularity, data.starts["orders"], data.as_of)


def end_index(data: Dataset, granularity: Granularity) -> str:
    """The number of the first span that the data do not reach."""
    return str(granularity.index(data.as_of - timedelta(days=1)) + 1)


def views_read(data: Dataset, granularity: Granularity, query: str) -> list[str]:
    """The shared views that one of our queries reads, as the basis and the settings have it; keys of `VIEWS`."""
    is_orders, has_membership = data.basis == "orders", members_sql(data) == "membership"
    active_sql = ["purchases_by_period" if is_orders else "customers"]
    changes = ["customers" if has_membership else "purchases_by_period"]
    if not is_orders and is_daily(data, granularity, "churn_mode"):
        changes.append("leaving")
    paid = ["purchases_by_period"] if is_orders else ["levels", "customers"]
    if query == "trailing":
        return ["trailing_days", "windows_of_days" if "day" in _windows(data, granularity) else "purchases_by_period"]
    return {
        "movements": [*active_sql, *changes],
        "mrr": ["levels"],
        "purchases": ["purchases_by_period"],
        "cohorts": [*active_sql, *paid],
        "reasons": ["leaving"],
        "listed_orders": ["membership_changes"],
        "listed_subscriptions": ["membership_changes", "leaving", "levels"],
        "listed_active": [*active_sql, *paid],
        "monthly_snapshots": ["levels", "customers"],
        "membership_changes": changes,
    }.get(query, [])


def _build_missing(data: Dataset, granularity: Granularity, *views: str) -> None:
    """Build these views, and what they read, unless they stand."""
    standing = data.live_engine.prepared
    for name in views:
        if name not in standing:
            VIEWS[name](data, granularity)
            standing[name] = True


def _build_purchases(data: Dataset, granularity: Granularity) -> None:
    """What each customer bought in each period; where customers are those of orders with the next such period, and with
    the sums of twelve months where these are as many periods each.
    """
    is_by_days, later = data.settings.definitions.count == "days", ""
    if data.basis == "orders":
        later = ", lead(period) OVER (PARTITION BY customer_id ORDER BY period) AS next_period"
        windows = _windows(data, granularity)
        if "day" not in windows:
            others = str((windows["leaves"] - windows["enters"]).max() - 1)
            later += fill_placeholders(sql("years_of_periods"), {"others": others})
    data.live_engine.run(
        sql("purchases_by_period"),
        order_period=granularity.sql("day"),
        days=", CAST(COUNT(DISTINCT day) AS INTEGER) AS days" if is_by_days else "",
        days_before=sql("days_before") if is_by_days else "",
        later=later,
        first_period=_first(data, "orders", "period", "period"),
    )


def _build_trailing_days(data: Dataset, granularity: Granularity) -> None:
    """When days, or all days of a span, enter the last twelve months, leave them and are forgotten."""
    data.live_engine.register("trailing_days", _windows(data, granularity))


def _build_windows_of_days(data: Dataset, granularity: Granularity) -> None:
    """When what each customer bought does, where the days of a span do not leave together."""
    _build_missing(data, granularity, "trailing_days")
    data.live_engine.run(sql("windows_of_days"))


def _level_views(data: Dataset, granularity: Granularity) -> dict[str, Granularity]:
    """The views of what is paid, and at the ends of which spans: days too, where changes are told apart by them."""
    daily = is_daily(data, granularity, "mrr_mode") or is_daily(data, granularity, "churn_mode")
    return {"levels": granularity} | ({"day_levels": DAYS} if daily else {})


def _paid_periods(spans: Granularity) -> dict[str, str]:
    return {"paid_from_period": spans.sql(_PAID_FROM), "paid_until_period": spans.sql(_PAID_UNTIL)}


def _build_mrr_steps(data: Dataset, granularity: Granularity) -> None:
    """What each customer pays at the ends of spans, and how that changes."""
    engine = data.live_engine
    steps = sql("steps_other_currencies" if data.foreign else "steps_report_currency")
    for name, spans in _level_views(data, granularity).items():
        if data.foreign:
            engine.register(f"{name}_rates", _boundary_rates(data, spans))
        engine.run(
            sql("levels").replace("$steps", steps),
            name=name,
            end=end_index(data, spans),
            rates=f"{name}_rates",
            first_paid=_first(data, "subscriptions", "period", "period"),
            **_paid_periods(spans),
        )
    if is_daily(data, granularity, "mrr_mode"):
        engine.run(sql("changes"), levels="day_levels", period=granularity.sql_of_day("from_period"))
    else:
        engine.run(sql("changes"), levels="levels", period="from_period")


def _build_departures(data: Dataset, granularity: Granularity) -> None:
    """Who stops paying, and why."""
    _build_missing(data, granularity, "levels")
    for name, spans in _level_views(data, granularity).items():
        data.live_engine.run(
            sql("leaving"),
            name=f"{name}_leaving",
            levels=name,
            paused=literal(PAUSED),
            none=literal(NONE),
            passing="ended.customer_id IS NOT NULL" if spans is DAYS else "false",
            **_paid_periods(spans),
        )


def _boundary_rates(data: Dataset, granularity: Granularity) -> pd.DataFrame:
    """By currency and span: the last rate before the span's end (`rate`), its start (`earlier_rate`) and the next's
    end.
    """
    import pandas as pd

    first, last = granularity.index(data.start), granularity.index(data.as_of - timedelta(days=1))
    ends = {number: granularity.end(number) for number in range(first, last + 1)}
    days = [min(day, data.as_of) - timedelta(days=1) for day in ends.values()]
    spans = pd.DataFrame({"period": list(ends), "day": pd.to_datetime(pd.Series(days)).astype("datetime64[us]")})
    rates = data.live_engine.frame("SELECT currency, day, rate FROM rates ORDER BY day")
    rates["day"] = rates["day"].astype("datetime64[us]")
    parts = []
    for currency in data.foreign:
        part = pd.merge_asof(spans, rates[rates["currency"] == currency], on="day")
        rate = part["rate"].bfill()  # before the first rate that one counts
        around = {"earlier_rate": rate.shift(1).fillna(rate), "next_rate": rate.shift(-1).fillna(rate)}
        parts.append(part.assign(currency=currency, rate=rate, **around))
    return pd.concat(parts, ignore_index=True)


def _build_customers(data: Dataset, granularity: Granularity) -> None:
    """When customers are active (activity), and when they are customers (membership), where that is
    not when they buy.
    """
    _build_missing(data, granularity, "purchases_by_period" if data.basis == "orders" else "levels")
    engine, end = data.live_engine, end_index(data, granularity)
    first_run = {"first_period": _first(data, data.basis, "from_period", "from_period, until_period")}
    inactivity = data.settings.definitions.inactivity_days
    if data.basis == "subscriptions":
        until = granularity.sql("CAST(paid_until - INTERVAL 1 MICROSECOND AS DATE)")
        touched = (
            f"SELECT customer_id, {granularity.sql(_PAID_FROM)} AS from_period, "
            f"coalesce({until} + 1, {end}) AS until_period FROM subscriptions WHERE mrr > 0"
        )
        engine.run(sql("merged_intervals"), name="activity", touched=touched, **first_run)

    def runs(spans: Granularity, name: str) -> str | None:
        """Spans at whose end one is a customer, where those are not just the active ones."""
        if data.basis == "subscriptions":
            return paying_runs_sql(data, spans, "levels" if spans is granularity else "day_levels")
        if inactivity is None:
            return None
        lapses = f"(day + {inactivity})"
        beyond = f"CASE WHEN {lapses} >= DATE '{data.as_of}' THEN {end_index(data, spans)} ELSE {spans.sql(lapses)} END"
        bought = f"SELECT DISTINCT customer_id, {spans.sql('day')} AS from_period, {beyond} AS until_period {_BOUGHT}"
        engine.run(sql("merged_intervals"), name=name, touched=bought, **first_run)
        return name

    def build_membership(name: str, found: str, first: str | None) -> None:
        """Build the runs of customers, their first period from another view, or None: with the runs themselves."""
        parts = {"first_period": "runs.first_paid", "firsts": ""}
        if first is not None:
            first_span = _first(data, data.basis, "from_period")
            joined = fill_placeholders(sql("first_spans"), {"first_period": first_span, "first": first})
            parts = {"first_period": "firsts.first_period", "firsts": joined}
        engine.run(sql("membership"), name=name, runs=found, **parts)

    if (found := runs(granularity, "customer_intervals")) is not None:
        # In foreign money who pays at no period's end has no level to tell when they first paid.
        is_told = data.basis == "subscriptions" and not data.foreign
        build_membership("membership", found, None if is_told else active_sql(data))
    if is_daily(data, granularity, "churn_mode") and (found := runs(DAYS, "day_customer_intervals")) is not None:
        first = None if data.basis == "subscriptions" else "day_customer_intervals"
        build_membership("day_membership", found, first)


def _build_membership_changes(data: Dataset, granularity: Granularity) -> None:
    """When one becomes a customer and ceases to be one, for who reads it several times."""
    _build_missing(data, granularity, *views_read(data, granularity, "membership_changes"))
    data.live_engine.run(
        f"CREATE OR REPLACE TEMP TABLE membership_changes AS {membership_changes_sql(data, granularity).strip()[1:-1]}"
    )


# How each shared view, or group of views that are built together, is built; `memberships` adds its own.
VIEWS: dict[str, Callable[[Dataset, Granularity], None]] = {
    "purchase_history": lambda data, _: data.live_engine.run(sql("purchase_history")),
    "purchases_by_period": _build_purchases,
    "trailing_days": _build_trailing_days,
    "windows_of_days": _build_windows_of_days,
    "levels": _build_mrr_steps,  # levels, day_levels, changes
    "leaving": _build_departures,  # levels_leaving, day_levels_leaving
    "customers": _build_customers,  # activity, membership, day_membership
    "membership_changes": _build_membership_changes,
}
