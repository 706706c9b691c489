"""Queries for summaries: all expensive steps run once on the engine; metrics are ratios of columns of summaries.

A summary is a small frame with one row per segment value and period; money is in integer units (`Dataset.minor`; MRR in
their twelfths), so sums are exact. Each query is a file in `sql/`.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

from retention_kit.data.engines.sql_text import fill_placeholders, quote
from retention_kit.data.summary_key import DerivedKey, SummaryKey
from retention_kit.data.values.scales import top_sql
from retention_kit.errors import DataError, PeriodError, UnknownNameError, did_you_mean
from retention_kit.metrics.queries.segment_values import segment_parts, top_values_sql
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.statements import sql
from retention_kit.metrics.queries.views import (
    active_sql,
    departures_view,
    members_sql,
    membership_changes_sql,
    payments_sql,
    run_query,
    trailing_year_parts,
    views_read,
)
from retention_kit.metrics.summary_rows import SUMMARY_ROWS, columns
from retention_kit.periods import Period, add_months, check_every
from retention_kit.wording import Sentence, sentence

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

_ORDERS_SO_FAR = "SUM(purchases) OVER (PARTITION BY customer_id ORDER BY period)"
_SO_FAR = f"(first_period < period OR {_ORDERS_SO_FAR} > 1)"
_BEFORE = f"(first_period < period - 1 OR {_ORDERS_SO_FAR} - purchases > 1)"
_UNPLACED = ",\nplaced AS (SELECT '' AS segment_value, moves.* FROM moves)"


def table_of(data: Dataset, summary: str) -> str:
    """The table that a summary is computed from; the basis if it is about customers."""
    if summary in ("rfm", "concentration", "value_segments"):
        return "orders"
    return (summary in SUMMARY_ROWS and SUMMARY_ROWS[summary].table) or data.basis


def missing_reason(data: Dataset, summary: str) -> Sentence | None:
    """A sentence on why the data do not allow a summary; None if they do."""
    table = table_of(data, summary)
    if table in data.tables:
        return None
    either = "either" if summary in ("movements", "cohorts", "trailing_year", "lives") else table
    return sentence(f"missing.{either}")


def available_summaries(data: Dataset) -> list[str]:
    """The names of the summaries by period and segment value that the data allow."""
    return [
        name
        for name, row in SUMMARY_ROWS.items()
        if not row.key and name != "trailing" and missing_reason(data, name) is None
    ]


def in_currency(data: Dataset, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A summary with money in the report's currency: exact integers divided once, so rounded once."""
    is_monthly = SUMMARY_ROWS[name].is_monthly or (name == "cohorts" and data.basis == "subscriptions")
    unit = data.minor * (12 if is_monthly else 1)
    return frame.assign(
        **{key: frame[key] / unit**column.money for key, column in columns(name).items() if column.money}
    )


def summary(data: Dataset, name: str, granularity: Granularity, segment: str | None = None) -> pd.DataFrame:
    """A summary, computed once: columns segment_value, period (an index), then those of `SUMMARY_ROWS`.

    Without a segment its value is empty; cohorts, reasons and scores have another column, the `key` of their row. Every
    period from the first to that of the as-of date has a row. Raises DataError if the data lack the table,
    UnknownNameError for an unknown segment column.
    """
    if reason := missing_reason(data, name):
        raise DataError("There are no {name} figures: {reason}", name=name, reason=reason)
    return data.cached(
        SummaryKey(name, granularity, segment),
        f"no {name} by {granularity.every} and {segment or 'whole'}",
        lambda: _query(data, name, granularity, segment),
    )


def check_segment(data: Dataset, segment: str | None) -> None:
    """Raise UnknownNameError if no table has the segment column."""
    if segment in data.excluded_columns and segment not in data.segments:
        raise UnknownNameError(
            "The column {segment!r} is no segment ({why}): name it in keep of its table, such as [data.orders] "
            "keep = [{segment!r}], or in [report] segments.",
            segment=segment,
            why=data.excluded_columns[segment],
        )
    if segment is not None and segment not in data.segments:
        raise UnknownNameError(
            "There is no segment column {segment!r}: {hint}", segment=segment, hint=did_you_mean(segment, data.segments)
        )


def periods_of(data: Dataset, every: str) -> list[Period]:
    """All periods of the data; the last may be incomplete."""
    first, last = Period.of(data.start, check_every(every)), Period.of(data.as_of - timedelta(days=1), every)
    return [Period(every, index) for index in range(first.index, last.index + 1)]


def pick_period(data: Dataset, text: str | Period | None, every: str | None = None) -> Period:
    """The given period, by default the last complete one; raises PeriodError if it is outside the data."""
    if text:
        period = text if isinstance(text, Period) else Period.parse(text, every)
        periods = periods_of(data, period.every)
        if period not in periods:
            raise PeriodError(
                "{period} lies outside the data, which run from {first} to {last}.",
                period=period,
                first=periods[0],
                last=periods[-1],
            )
        return period
    periods = periods_of(data, every or data.settings.report.every)
    return next((period for period in reversed(periods) if period.is_complete(data.as_of)), periods[-1])


def concentration(data: Dataset, period: Period) -> pd.DataFrame:
    """The revenue of the twelve months that end with a period, by percentile of customers, the largest first.

    Columns: place (0 to 99; fewer if there are fewer customers), customers, revenue, lowest and highest (of one
    customer), in the report's currency. Empty if nobody bought.
    """
    ends = min(period.end, data.as_of)
    if reason := missing_reason(data, "concentration"):
        raise DataError("There is no concentration: {reason}", reason=reason)

    def compute() -> pd.DataFrame:
        frame = run_query(data, sql("concentration"), begins=f"DATE '{add_months(ends, -12)}'", ends=f"DATE '{ends}'")
        return frame.assign(**{name: frame[name] / data.minor for name in ("revenue", "lowest", "highest")})

    return data.cached(SummaryKey("concentration", ends), f"no concentration up to {ends}", compute)


def largest_change(data: Dataset, period: Period) -> tuple[float, float] | None:
    """The amounts spent in the period before and in this one by the customer with the largest change.

    In the report's currency. None if there are no orders, nobody bought in either period, or only other saved summaries
    are available.
    """
    key = SummaryKey("swing", str(period))
    if key not in data.summaries:
        if missing_reason(data, "purchases") or data.engine is None:
            return None
        ends = min(period.end, data.as_of)
        begins = f"DATE '{period.shift(-1).start}'"
        data.summaries[key] = run_query(
            data, sql("swing"), begins=begins, starts=f"DATE '{period.start}'", ends=f"DATE '{ends}'"
        )
    frame = data.summaries[key]
    if frame.empty:
        return None
    row = frame.iloc[0]
    return float(row["before_amount"]) / data.minor, float(row["now_amount"]) / data.minor


def rfm(data: Dataset, as_of: str | date | None = None, unit: str = "week") -> pd.DataFrame:
    """Recency, frequency and monetary value of each customer with a purchase before `as_of` (by default the data's).

    Columns: customer_id; frequency, days with a purchase after the first such day; recency and T, times from that first
    day to the last purchase and to the day before `as_of`, in `unit` (day or week); monetary, the mean amount of those
    repeat days, 0 without any. Raises UnknownNameError for an unknown unit, DataError without orders or an engine, or
    if `as_of` is no date. Source: Fader, Hardie and Lee (2005).
    """
    days = {"day": 1, "week": 7}
    if unit not in days:
        raise UnknownNameError("There is no unit {unit!r}: {hint}", unit=unit, hint=did_you_mean(unit, days))
    if reason := missing_reason(data, "rfm"):
        raise DataError("There is no RFM: {reason}", reason=reason)
    if data.engine is None:
        raise DataError("The figures kept for the report hold no customers: load the data to see them.")
    try:
        as_of = date.fromisoformat(as_of) if isinstance(as_of, str) else as_of or data.as_of
    except ValueError:
        raise DataError("{as_of!r} is not a date: write it like 2011-12-10.", as_of=as_of) from None
    frame = run_query(data, sql("purchase_days") + sql("rfm"), ends=f"DATE '{as_of}'")
    monetary = frame["repeat_amount"].astype(float) / data.minor / frame["frequency"].where(frame["frequency"] > 0)
    return frame[["customer_id"]].assign(
        frequency=frame["frequency"].astype("int64"),
        recency=frame["recency_days"] / days[unit],
        T=frame["age_days"] / days[unit],
        monetary=monetary.fillna(0.0),
    )


def _query(data: Dataset, name: str, granularity: Granularity, segment: str | None) -> pd.DataFrame:
    check_segment(data, segment)
    value = "CASE WHEN customer_id IS NULL THEN {} END" if segment else "CAST(NULL AS VARCHAR)"
    row, names, definitions = SUMMARY_ROWS[name], [quote(column) for column in columns(name)], data.settings.definitions
    # Events may be those of guests, whose rows have their own segment value.
    table, key = "" if row.is_state else table_of(data, name), row.key
    shared = sql("answers") if name in ("feedback", "scores") else ""
    add = _sum_of_weights(data) if shared else "SUM"
    parts = {
        "order_period": granularity.sql("day"),
        "response_period": granularity.sql("day"),
        "repeat": "days" if definitions.count == "days" else "purchases",
        "counts_back": str(definitions.quick_ratio_reactivation).lower(),
        "returning": _SO_FAR if definitions.returning == "shopify" else "first_period < period",
        "returned": _BEFORE if definitions.returning == "shopify" else "first_period < period - 1",
        "ces_part": "score"
        if definitions.ces_top == "mean"
        else f"CASE WHEN score > high - {top_sql('ces', definitions.ces_top)} THEN 1 ELSE 0 END",
        "csat_top": top_sql("csat", definitions.csat_top),
        "ces_top": "0" if definitions.ces_top == "mean" else top_sql("ces", definitions.ces_top),
        "every_answer": str(definitions.answers == "all").lower(),
        "active": active_sql(data),
        "members": members_sql(data),
        "membership_changes": membership_changes_sql(data, granularity) if name == "movements" else "",
        "paid": payments_sql(data) if name == "cohorts" else "",
        "own_value": value.format(top_values_sql(segment) if segment and table in data.segments[segment] else "NULL"),
        **segment_parts(segment),
        "keys": f"{key}, " if key else "",
        # Who has no segment value to be looked up is added up with the others at once.
        "customer": "customer_id, " if segment else "",
        "by_span": "" if segment else f"GROUP BY 1, 2{', 3' if key else ''}",
        "looks_back": "moves.looks_back" if row.is_paired else "0",
        "columns": ", ".join(names),
        "negatives": ", ".join(f"-{key}" for key in names),
        "totals": ", ".join(f"SUM({key}) AS {key}" for key in names),
        "sums": ", ".join(_SUMS[column.kind].format(quote(key), add=add) for key, column in columns(name).items()),
        "sum": add,
    }
    for option, mode in (("lost", "churn_mode"), ("churned", "mrr_mode")):
        parts[f"{option}_view"], parts[f"{option}_period"] = departures_view(data, granularity, mode)
    if name == "trailing":
        parts |= trailing_year_parts(data, granularity)
    parts |= {
        branch: fill_placeholders(text, parts)
        for branch, text in _select_lists(name, row.is_state and not segment).items()
    }
    placed = "spans" if row.is_state else "points"
    query = shared + sql(name) + (sql(f"placed_{placed}") if segment else _UNPLACED) + sql(placed)
    frame = run_query(data, query, granularity, segment, views_read(data, granularity, name), **parts)
    keys = ["segment_value", key] if key else ["segment_value"]
    return _fill_periods(
        frame, keys, granularity.index(data.start), granularity.index(data.as_of - timedelta(days=1)), name
    )


def _select_lists(name: str, is_summed: bool) -> dict[str, str]:
    """The SELECT list of each branch of a summary's query: all columns (`is_summed`: their sums), 0 for those it lacks.

    Raises ValueError if a column names a branch that the query does not have.
    """
    declared, branches = columns(name), re.findall(r"\$(\w+)_columns", sql(name))
    for branch in (branch for column in declared.values() for branch in column.branches):
        if branch not in branches:
            raise ValueError(f"{name}.sql has no branch {branch!r}: {did_you_mean(branch, branches)}")
    form = "SUM({})" if is_summed else "{}"
    return {
        f"{branch}_columns": ", ".join(
            f'{form.format(column.branches[branch]) if branch in column.branches else 0} AS "{key}"'
            for key, column in declared.items()
        )
        for branch in branches
    }


_SUMS = {  # by kind of column; squares are passed as text, as they may be too large for other types
    "exact": "CAST(SUM({0}) AS BIGINT) AS {0}",
    "squares": "CAST(SUM({0}) AS VARCHAR) AS {0}",
    "weighted": "CAST({add}({0}) AS DOUBLE) AS {0}",
    "products": "CAST({add}({0}) AS DOUBLE) AS {0}",
}


def _sum_of_weights(data: Dataset) -> str:
    """The aggregate that adds up weights: fractions in one order, as their sum is rounded at each step."""

    def is_weighted() -> bool:
        return not run_query(data, "SELECT survey FROM responses WHERE is_weighted LIMIT 1").empty

    return "ordered_sum" if data.cached(DerivedKey("is_weighted", ""), "no answers", is_weighted) else "SUM"


def _fill_periods(frame: pd.DataFrame, keys: list[str], first: int, last: int, name: str) -> pd.DataFrame:
    """A row for every key and period: running sums of changes for states, zeros if nothing happened.

    Integers stay integers, so that they are exact however large.
    """
    import numpy as np
    import pandas as pd

    is_state = SUMMARY_ROWS[name].is_state
    kinds = {key: "int64" if column.kind == "exact" else "float64" for key, column in columns(name).items()}
    exact, squared = [*columns(name, "exact")], [*columns(name, "squares")]
    weights = [*columns(name, "weighted"), *columns(name, "products")]
    figures = {
        tuple(names): part.to_numpy(kind)
        for names, part, kind in (
            (exact, frame[exact], "int64"),
            (squared, frame[squared].map(int), object),
            (weights, frame[weights], "float64"),
        )
        if names
    }
    all_periods, periods = np.arange(first, last + 1), frame["period"].to_numpy()
    group = frame.groupby(keys, sort=True).ngroup().to_numpy()
    order = np.lexsort((periods, group))
    firsts: list[int] = []
    pieces: dict[tuple[str, ...], list[np.ndarray]] = {names: [] for names in figures}
    for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1) if len(order) else ():
        position = np.searchsorted(periods[rows], all_periods, side="right") - 1
        is_given = position >= 0 if is_state else (position >= 0) & (periods[rows][position] == all_periods)
        filled = {}
        for names, values in figures.items():
            values = values[rows].cumsum(axis=0) if is_state else values[rows]
            filled[names] = np.where(is_given[:, None], values[position], 0)
        if any(part.any() for part in filled.values()):  # else it changes only after the end of the data
            firsts.append(rows[0])
            for names, part in filled.items():
                pieces[names].append(part)
    if not firsts and len(keys) > 1:  # nobody was ever active, or left
        empty = {"segment_value": "str", keys[1]: frame[keys[1]].dtype, "period": "int64", **kinds}
        return pd.DataFrame({column: pd.Series([], dtype=kind) for column, kind in empty.items()})
    if not firsts:
        return pd.DataFrame({"segment_value": "", "period": all_periods} | dict.fromkeys(kinds, 0)).astype(kinds)
    spread = {key: frame[key].iloc[np.repeat(firsts, len(all_periods))].reset_index(drop=True) for key in keys}
    spread["period"] = np.tile(all_periods, len(firsts))
    for names, parts in pieces.items():
        column_values = np.concatenate(parts)
        spread |= {column: column_values[:, position].astype(kinds[column]) for position, column in enumerate(names)}
    return pd.DataFrame(spread)[[*keys, "period", *kinds]]
