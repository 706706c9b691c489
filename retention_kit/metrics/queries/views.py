"""The views shared by summaries: when customers are active, are customers, what they pay, and their segment values.

They exist on the engine for one granularity and segment at a time; each is a file in `sql/`.
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
INTERRUPTED = ("interrupted", "canceling statement due to user request", "cancelled")  # in messages of engines
_BOUGHT = "FROM orders WHERE is_purchase AND customer_id IS NOT NULL"
_PAID_FROM, _PAID_UNTIL = "CAST(paid_from AS DATE)", "CAST(paid_until AS DATE)"


def build_views(data: Dataset, granularity: Granularity, segment: str | None, views: Iterable[str] = ()) -> None:
    """Build the shared views that a query reads, for a granularity and segment, unless they exist."""
    built = data.live_engine.prepared
    if built.get("granularity") != granularity:
        for name in [name for name in built if name not in TIMELESS]:
            del built[name]
        built["granularity"] = granularity
    _build_missing(data, granularity, *views)
    if segment is not None and built.get("segment") != segment:
        built.pop("segment", None)  # neither exists after an interrupt
        build_customer_values(data, granularity, segment, end_index(data, granularity))
        built["segment"] = segment


def run_query(
    data: Dataset,
    query: str,
    granularity: Granularity | None = None,
    segment: str | None = None,
    views: Iterable[str] = (),
    **parts: str,
) -> pd.DataFrame:
    """The rows of a query, after the shared `views` that it reads are built (see `views_read`).

    Without a granularity these must be TIMELESS. `parts` replace placeholders in the query. Raises DataError if the
    engine fails.
    """
    engine = data.live_engine
    try:
        with engine.lock:  # threads must not change each other's views
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
    """Whether `option` (`churn_mode` or `mrr_mode`) compares day by day; windows are always compared at their ends."""
    return getattr(data.settings.definitions, option) == "event" and not granularity.is_windows


def departures_view(data: Dataset, granularity: Granularity, option: str) -> tuple[str, str]:
    """The view of ends of payments by `option` (`churn_mode` or `mrr_mode`), and SQL for the period of its rows."""
    if is_daily(data, granularity, option):
        return "day_levels_leaving", granularity.sql_of_day("span")
    return "levels_leaving", "span"


def active_sql(data: Dataset) -> str:
    """SQL of the relation of spans in which customers are active."""
    return sql("buying") if data.basis == "orders" else "activity"


def members_sql(data: Dataset) -> str:
    """SQL of the relation of customers at the ends of spans: buyers, with `inactivity_days` until these have passed."""
    is_buyer = data.basis == "orders" and data.settings.definitions.inactivity_days is None
    return active_sql(data) if is_buyer else "membership"


def membership_changes_sql(data: Dataset, granularity: Granularity) -> str:
    """SQL of the relation of changes: when customers begin and cease to be ones, by ends of periods or by day."""
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
    """SQL of the relation of spans at whose ends customers pay; `levels` is the view of their payments."""
    return fill_placeholders(sql("paying_runs"), {"levels": levels, "end": end_index(data, granularity)})


def payments_sql(data: Dataset) -> str:
    """SQL for the payments of customers as spans with their cohort: purchases in their period, or MRR."""
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
    """SQL for a customer's first span in a table, BEFORE if they were known earlier.

    It is an aggregate, or with `by` a window function.
    """
    first = f"first_value({{}}) OVER (PARTITION BY customer_id ORDER BY {by})" if by else "MIN({})"
    if not data.has_known_customers:
        return first.format(span)
    earlier = f"SELECT customer_id FROM known_customers WHERE coalesce(first_at < DATE '{data.starts[table]}', true)"
    return first.format(f"CASE WHEN customer_id IN ({earlier}) THEN {BEFORE} ELSE {span} END")


def trailing_year_parts(data: Dataset, granularity: Granularity) -> dict[str, str]:
    """SQL for trailing years: the relation of spans in which purchases enter and leave them, and that of their sums."""
    by_days = "day" in _windows(data, granularity)
    parts = {"windows": "windows_of_days" if by_days else sql("windows_of_periods")}
    parts["end"] = end_index(data, granularity)
    return parts | {"held": fill_placeholders(sql("held_by_days" if by_days else "held_by_periods"), parts)}


def _windows(data: Dataset, granularity: Granularity) -> pd.DataFrame:
    return year_windows(granularity, data.starts["orders"], data.as_of)


def end_index(data: Dataset, granularity: Granularity) -> str:
    """The number of the first span after the data, as SQL."""
    return str(granularity.index(data.as_of - timedelta(days=1)) + 1)


def views_read(data: Dataset, granularity: Granularity, query: str) -> list[str]:
    """The shared views (keys of VIEWS) that a query reads; they depend on the basis and the settings."""
    is_orders, has_membership = data.basis == "orders", members_sql(data) == "membership"
    activity = ["purchases_by_period" if is_orders else "customers"]
    changes = ["customers" if has_membership else "purchases_by_period"]
    if not is_orders and is_daily(data, granularity, "churn_mode"):
        changes.append("leaving")
    paid = ["purchases_by_period"] if is_orders else ["levels", "customers"]
    if query == "trailing":
        return ["trailing_days", "windows_of_days" if "day" in _windows(data, granularity) else "purchases_by_period"]
    return {
        "movements": [*activity, *changes],
        "mrr": ["levels"],
        "purchases": ["purchases_by_period"],
        "cohorts": [*activity, *paid],
        "reasons": ["leaving"],
        "listed_orders": ["membership_changes"],
        "listed_subscriptions": ["membership_changes", "leaving", "levels"],
        "listed_active": [*activity, *paid],
        "monthly_snapshots": ["levels", "customers"],
        "membership_changes": changes,
    }.get(query, [])


def _build_missing(data: Dataset, granularity: Granularity, *views: str) -> None:
    """Build views, and those that they read, unless they exist."""
    built = data.live_engine.prepared
    for name in views:
        if name not in built:
            VIEWS[name](data, granularity)
            built[name] = True


def _build_purchases(data: Dataset, granularity: Granularity) -> None:
    """Build the purchases of each customer in each period.

    If the basis is orders, with the next period with purchases, and, if all trailing years have equally many periods,
    with their sums.
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
    """Register the frame of `year_windows`."""
    data.live_engine.register("trailing_days", _windows(data, granularity))


def _build_windows_of_days(data: Dataset, granularity: Granularity) -> None:
    """Build the purchases of each customer by `year_windows`, if the days of a span do not leave together."""
    _build_missing(data, granularity, "trailing_days")
    data.live_engine.run(sql("windows_of_days"))


def _level_views(data: Dataset, granularity: Granularity) -> dict[str, Granularity]:
    """The views of payments at the ends of spans, with their granularities: also by day if an option needs it."""
    daily = is_daily(data, granularity, "mrr_mode") or is_daily(data, granularity, "churn_mode")
    return {"levels": granularity} | ({"day_levels": DAYS} if daily else {})


def _paid_periods(spans: Granularity) -> dict[str, str]:
    return {"paid_from_period": spans.sql(_PAID_FROM), "paid_until_period": spans.sql(_PAID_UNTIL)}


def _build_mrr_steps(data: Dataset, granularity: Granularity) -> None:
    """Build the MRR of each customer at the ends of spans, and its changes."""
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
    """Build the ends of payments, and their reasons."""
    _build_missing(data, granularity, "levels")
    for name, spans in _level_views(data, granularity).items():
        data.live_engine.run(
            sql("leaving"),
            name=f"{name}_leaving",
            levels=name,
            paused=literal(PAUSED),
            none=literal(NONE),
            passing="ended.customer_id IS NOT NULL" if spans is DAYS else "false",
            zone=data.known["zone"],
            **_paid_periods(spans),
        )


def _boundary_rates(data: Dataset, granularity: Granularity) -> pd.DataFrame:
    """Rates by currency and span: the last before its end (rate), its start (earlier_rate), and the next one's end
    (next_rate).
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
        rate = part["rate"].bfill()  # before the first rate, that one
        around = {"earlier_rate": rate.shift(1).fillna(rate), "next_rate": rate.shift(-1).fillna(rate)}
        parts.append(part.assign(currency=currency, rate=rate, **around))
    return pd.concat(parts, ignore_index=True)


def _build_customers(data: Dataset, granularity: Granularity) -> None:
    """Build the spans in which customers are active (activity) and, unless these are the same, are customers
    (membership).
    """
    _build_missing(data, granularity, "purchases_by_period" if data.basis == "orders" else "levels")
    engine, end = data.live_engine, end_index(data, granularity)
    first_run = {"first_period": _first(data, data.basis, "from_period", "from_period, until_period")}
    inactivity = data.settings.definitions.inactivity_days
    if data.basis == "subscriptions":
        until = granularity.sql("CAST(paid_until - INTERVAL 1 MICROSECOND AS DATE)")
        paid_spans = (
            f"SELECT customer_id, {granularity.sql(_PAID_FROM)} AS from_period, "
            f"coalesce({until} + 1, {end}) AS until_period FROM subscriptions WHERE mrr > 0"
        )
        engine.run(sql("merged_intervals"), name="activity", touched=paid_spans, **first_run)

    def runs(spans: Granularity, name: str) -> str | None:
        """The relation of spans at whose end customers are ones; None if these are the active ones."""
        if data.basis == "subscriptions":
            return paying_runs_sql(data, spans, "levels" if spans is granularity else "day_levels")
        if inactivity is None:
            return None
        lapses = f"(day + {inactivity})"
        beyond = f"CASE WHEN {lapses} >= DATE '{data.as_of}' THEN {end_index(data, spans)} ELSE {spans.sql(lapses)} END"
        bought = f"SELECT DISTINCT customer_id, {spans.sql('day')} AS from_period, {beyond} AS until_period {_BOUGHT}"
        engine.run(sql("merged_intervals"), name=name, touched=bought, **first_run)
        return name

    def build_membership(name: str, relation: str, first: str | None) -> None:
        """Build a view of runs, with each customer's first period from the view `first`, or else from the runs."""
        parts = {"first_period": "runs.first_paid", "firsts": ""}
        if first is not None:
            first_span = _first(data, data.basis, "from_period")
            joined = fill_placeholders(sql("first_spans"), {"first_period": first_span, "first": first})
            parts = {"first_period": "firsts.first_period", "firsts": joined}
        engine.run(sql("membership"), name=name, runs=relation, **parts)

    if (relation := runs(granularity, "customer_intervals")) is not None:
        # With other currencies, levels lack customers who pay at no period's end, and so their first period.
        has_first = data.basis == "subscriptions" and not data.foreign
        build_membership("membership", relation, None if has_first else active_sql(data))
    if is_daily(data, granularity, "churn_mode") and (relation := runs(DAYS, "day_customer_intervals")) is not None:
        first = None if data.basis == "subscriptions" else "day_customer_intervals"
        build_membership("day_membership", relation, first)


def _build_membership_changes(data: Dataset, granularity: Granularity) -> None:
    """Build the changes of `membership_changes_sql` as a table, for queries that read it several times."""
    _build_missing(data, granularity, *views_read(data, granularity, "membership_changes"))
    data.live_engine.run(
        f"CREATE OR REPLACE TEMP TABLE membership_changes AS {membership_changes_sql(data, granularity).strip()[1:-1]}"
    )


# The functions that build each shared view, or group of views; `memberships` adds others.
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
