"""The six queries: everything heavy happens here, once, on the engine; metrics are ratios of two columns after it.

Each summary is a small frame with one row per segment value and period; money is in minor units (MRR in their
twelfths), so sums are exact. The SQL lies in `sql/`: one file a query, and the views that they share.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from retention_kit.data.checks import WHEN
from retention_kit.data.engine import literal, quote, segment_column
from retention_kit.errors import DataError, PeriodError, UnknownNameError, did_you_mean
from retention_kit.periods import Period, add_months, check_every

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

NONE, OTHER, SHOWN = "(none)", "(other)", 50

MOVEMENTS = ("start", "new", "reactivated", "lost", "retained", "end", "active")
MRR = ("start", "new", "expansion", "contraction", "churned", "reactivation", "end", "customers")
PURCHASES = ("buyers", "purchases", "repeat_buyers", "customer_revenue", "guest_revenue", "refunds", "guest_purchases")
FEEDBACK = ("nps_answers", "nps_weight", "nps_weight_squared", "promoters", "passives", "detractors",
            "csat_answers", "csat_weight", "csat_weight_squared", "satisfied")  # fmt: skip
COLUMNS = {"movements": MOVEMENTS, "mrr": MRR, "purchases": PURCHASES, "feedback": FEEDBACK, "cohorts": ("active",)}
STATES = ("movements", "mrr", "cohorts")  # running sums of changes; the others happen at a point in time
MONEY = {"mrr": MRR[:-1], "purchases": PURCHASES[3:-1]}


@dataclass(frozen=True)
class Grid:
    """How local dates are cut into numbered spans: calendar periods, or windows of whole months that end at a date."""

    every: str = "month"
    months: int = 0
    ends: date | None = None

    def index(self, day: date) -> int:
        """The number of the span that holds a date; a window that ends at `ends` has number -1."""
        if self.ends is None:
            return Period.of(day, self.every).index
        months = (day.year - self.ends.year) * 12 + day.month - self.ends.month
        return (months - (add_months(self.ends, months) > day)) // self.months

    def sql(self, day: str) -> str:
        """The same as SQL on a date."""
        months = f"EXTRACT(year FROM {day}) * 12 + EXTRACT(month FROM {day})"
        if self.ends is not None:
            early = f"CASE WHEN EXTRACT(day FROM {day}) < least({self.ends.day}, EXTRACT(day FROM last_day({day}))) THEN 1 ELSE 0 END"
            return f"CAST(floor(({months} - {self.ends.year * 12 + self.ends.month} - {early}) / {self.months}.0) AS INTEGER)"
        if self.every == "week":
            return f"CAST(floor(date_diff('day', DATE '1970-01-05', {day}) / 7.0) AS INTEGER)"
        length = {"month": 1, "quarter": 3, "year": 12}[self.every]
        return f"CAST(floor(({months} - 1) / {length}.0) AS INTEGER)"


def table_of(data: Dataset, summary: str) -> str:
    """The table that a summary speaks of; for what is about customers, the one that decides who is one."""
    own = {"purchases": "orders", "rfm": "orders", "mrr": "subscriptions", "feedback": "responses"}
    return own.get(summary, data.basis)


def needs(data: Dataset, summary: str) -> str | None:
    """Why a summary cannot be had from this data, in a sentence; None where it can."""
    table = table_of(data, summary)
    return None if table in data.tables else f"It needs {table}, and the data hold none."


def at_hand(data: Dataset) -> list[str]:
    """The summaries by period and segment value that these data allow."""
    return [name for name in COLUMNS if name != "cohorts" and needs(data, name) is None]


def summary(data: Dataset, name: str, grid: Grid, segment: str | None = None) -> pd.DataFrame:
    """One summary, from the cache or the engine: columns segment_value, period (an index), then `COLUMNS[name]`.

    Without a segment its value is empty. Every period from the first to that of the as-of date has a row.
    Raises DataError where the data lack the table, UnknownNameError for an unknown segment column.
    """
    key = (name, grid, segment)
    if key not in data.summaries:
        if reason := needs(data, name):
            raise DataError(f"There are no {name} figures: {reason}")
        if data.engine is None:
            raise DataError(f"The figures kept for the report hold no {name} by {grid.every} and {segment or 'whole'}.")
        check_segment(data, segment)
        data.summaries[key] = _query(data, name, grid, segment)
    return data.summaries[key]


def check_segment(data: Dataset, segment: str | None) -> None:
    """Raise UnknownNameError where no table has the segment column."""
    if segment is not None and segment not in data.segments:
        raise UnknownNameError(f"There is no segment column {segment!r}: {did_you_mean(segment, data.segments)}")


def periods_of(data: Dataset, every: str) -> list[Period]:
    """Every period of the data, the last one perhaps incomplete."""
    first, last = Period.of(data.start, check_every(every)), Period.of(data.as_of - timedelta(days=1), every)
    return [Period(every, index) for index in range(first.index, last.index + 1)]


def pick_period(data: Dataset, text: str | None, every: str | None = None) -> Period:
    """The period asked for, else the last complete one; raises PeriodError where it lies outside the data."""
    if text:
        period = text if isinstance(text, Period) else Period.parse(text, every)
        known = periods_of(data, period.every)
        if period not in known:
            raise PeriodError(f"{period} lies outside the data, which run from {known[0]} to {known[-1]}.")
        return period
    known = periods_of(data, every or data.settings.report.every)
    return next((period for period in reversed(known) if period.is_complete(data.as_of)), known[-1])


def trailing_year(data: Dataset, period: Period, segment: str | None = None) -> pd.DataFrame:
    """What lifetimes are made of, over the twelve months that end with the period: one row per segment value.

    Columns: revenue (minor units, MRR's twelfths for subscriptions), purchases (for subscriptions the customers at
    the months' ends), frequency (purchases a customer and year), exposed and lost (customers who could leave and who
    did: from one year to the next, for subscriptions from month to month), lifespan (years; missing where it is
    undefined), n (the customers observed), is_known (whether the data reach back far enough).
    """
    import pandas as pd

    ends = min(period.end, data.as_of)
    is_contract = data.basis == "subscriptions"
    grid = Grid("", 1 if is_contract else 12, ends)
    spans = list(range(-12, 0)) if is_contract else [-1]

    def totals(name: str) -> pd.DataFrame:
        frame = summary(data, name, grid, segment)
        return frame[frame["period"].isin(spans)].groupby("segment_value")[list(COLUMNS[name])].sum()

    moves, spent = totals("movements"), totals("mrr" if is_contract else "purchases")
    year = pd.DataFrame({"exposed": moves["start"], "lost": moves["lost"]})
    year["revenue"] = spent["end" if is_contract else "customer_revenue"]
    year["purchases"] = spent["customers" if is_contract else "purchases"]
    year["frequency"] = 12.0 if is_contract else spent["purchases"] / spent["buyers"].where(spent["buyers"] > 0)
    year = year.fillna(0)
    lost = year["lost"].where((year["lost"] > 0) & (year["exposed"] > 0))
    year["lifespan"] = year["exposed"] / lost / (12 if is_contract else 1)
    if (chosen := data.settings.definitions.lifespan_years) is not None:
        year["lifespan"] = chosen
    year["n"] = year["exposed"] if chosen is None else spent["customers" if is_contract else "buyers"]
    year["is_known"] = is_contract or chosen is not None or data.starts["orders"] <= add_months(ends, -24)
    return year.reset_index()


def rfm(data: Dataset, as_of: str | date | None = None, unit: str = "week") -> pd.DataFrame:
    """Recency, frequency and money of each customer with a purchase before `as_of` (exclusive; else the data's).

    Columns: customer_id; frequency, days with a purchase after the first such day; recency and T, from that first
    day to the last purchase and to the day before `as_of`, in `unit` (day or week = 7 days); monetary, the mean
    spent on those repeat days, 0 where there are none. Source: Fader, Hardie and Lee (2005).
    """
    days = {"day": 1, "week": 7}
    if unit not in days:
        raise UnknownNameError(f"There is no unit {unit!r}: {did_you_mean(unit, days)}")
    if reason := needs(data, "rfm"):
        raise DataError(f"There is no RFM: {reason}")
    if data.engine is None:
        raise DataError("The figures kept for the report hold no customers: load the data to see them.")
    try:
        as_of = date.fromisoformat(as_of) if isinstance(as_of, str) else as_of or data.as_of
    except ValueError:
        raise DataError(f"{as_of!r} is not a date: write it like 2011-12-10.") from None
    frame = data.engine.frame(_sql("rfm"), as_of=f"DATE '{as_of}'")
    monetary = frame["repeat_amount"].astype(float) / data.minor / frame["frequency"].where(frame["frequency"] > 0)
    return frame[["customer_id", "frequency"]].assign(
        recency=frame["recency_days"] / days[unit], T=frame["age_days"] / days[unit], monetary=monetary.fillna(0.0)
    )


@cache
def _sql(name: str) -> str:
    return files("retention_kit.metrics").joinpath("sql", f"{name}.sql").read_text("utf-8")


def _query(data: Dataset, name: str, grid: Grid, segment: str | None) -> pd.DataFrame:
    own = "CASE WHEN customer_id IS NULL THEN {} END" if segment else "CAST(NULL AS VARCHAR)"
    _prepare(data, grid, segment)
    columns = [quote(column) for column in COLUMNS[name]]
    table = {"purchases": "orders", "feedback": "responses"}.get(name, "")
    parts = {
        "order_period": grid.sql("day"),
        "response_period": grid.sql("day"),
        "repeat": "days" if data.settings.definitions.count == "days" else "purchases",
        "csat_top": str(data.settings.definitions.csat_top),
        "own_value": own.format(_shown(segment) if segment and table in data.segments[segment] else "NULL"),
        "missing": literal(NONE if segment else ""),
        "keys": "cohort, " if name == "cohorts" else "",
        "columns": ", ".join(columns),
        "negatives": ", ".join(f"-{column}" for column in columns),
        "sums": ", ".join(f"SUM({column}) AS {column}" for column in columns),
    }
    frame = data.engine.frame(_sql(name) + _sql("spans" if name in STATES else "points"), **parts)
    keys = ["segment_value", "cohort"] if name == "cohorts" else ["segment_value"]
    return _spread(frame, keys, grid.index(data.start), grid.index(data.as_of - timedelta(days=1)), name)


def _prepare(data: Dataset, grid: Grid, segment: str | None) -> None:
    """The views that the queries share, for one grid and segment."""
    engine, end = data.engine, str(grid.index(data.as_of - timedelta(days=1)) + 1)
    if engine.prepared == (grid, segment):
        return
    if "subscriptions" in data.tables:
        until = grid.sql("CAST(paid_until AS DATE)")
        engine.run(
            _sql("levels"), end=end, paid_from_period=grid.sql("CAST(paid_from AS DATE)"), paid_until_period=until
        )
    touched = {
        "orders": f"SELECT DISTINCT customer_id, {grid.sql('day')} AS from_period, {grid.sql('day')} + 1 AS until_period "
        "FROM orders WHERE is_purchase AND customer_id IS NOT NULL",
        "subscriptions": f"SELECT customer_id, {grid.sql('CAST(paid_from AS DATE)')} AS from_period, coalesce("
        f"{grid.sql('CAST(paid_until - INTERVAL 1 MICROSECOND AS DATE)')} + 1, {end}) AS until_period "
        "FROM subscriptions WHERE mrr > 0",
    }
    if data.basis in data.tables:
        engine.run(_sql("activity"), touched=touched[data.basis])
        engine.run(_sql(f"membership_{data.basis}"), end=end)
    # Windows that end at a date are one period's: the value before that date holds in all of them.
    begin = str(grid.index(data.start) - 1)
    placed, before = ("{}", "") if grid.ends is None else (begin, f" AND {{}} < DATE '{grid.ends}'")
    rows = [
        f"SELECT customer_id, {WHEN[name]} AS happened_at, _row, {_shown(segment)} AS value, "
        f"{placed.format(grid.sql(f'CAST({WHEN[name]} AS DATE)'))} AS period FROM {name} WHERE customer_id IS NOT NULL"
        f"{before.format(WHEN[name])}"
        for name in (data.segments[segment] if segment else ())
    ]
    nobody = "SELECT NULL AS customer_id, NULL AS happened_at, NULL AS _row, NULL AS value, NULL AS period WHERE 1 = 0"
    if segment:
        _choose_shown(data, segment)
    engine.run(_sql("customer_values"), dated=" UNION ALL ".join(rows) or nobody, begin=begin, end=end)
    engine.prepared = (grid, segment)


def _shown(segment: str) -> str:
    """The segment's value as it is shown: beyond the largest ones it is (other)."""
    column = f"CAST({segment_column(segment)} AS VARCHAR)"
    return f"CASE WHEN {column} IS NULL OR {column} IN (SELECT value FROM shown_values) THEN {column} ELSE {literal(OTHER)} END"


def _choose_shown(data: Dataset, segment: str) -> None:
    """Keep the values with the most customers (a guest's row counts as one), ties by name."""
    rows = " UNION ALL ".join(
        f"SELECT CAST({segment_column(segment)} AS VARCHAR) AS value, coalesce(customer_id, CAST(_row AS VARCHAR)) AS who FROM {name}"
        for name in data.segments[segment]
    )
    data.engine.run(
        "CREATE OR REPLACE TEMP TABLE shown_values AS SELECT value FROM "
        f"(SELECT value, COUNT(DISTINCT who) AS size FROM ({rows}) AS every_row WHERE value IS NOT NULL GROUP BY value) AS sized "
        f"ORDER BY size DESC, value LIMIT {SHOWN}"
    )


def _spread(frame: pd.DataFrame, keys: list[str], first: int, last: int, name: str) -> pd.DataFrame:
    """A row for every key and period: running sums of the changes for states, zeros where nothing happened."""
    import pandas as pd

    columns = list(COLUMNS[name])
    kind = "float64" if name == "feedback" else "int64"
    wide = frame.set_index([*keys, "period"])[columns].astype(kind).sort_index()
    spine = pd.RangeIndex(first, last + 1, name="period")
    pieces = {}
    for key, part in wide.groupby(level=keys, sort=True):
        part = part.droplevel(keys)
        if name in STATES:
            part = part.cumsum().reindex(part.index.union(spine)).ffill()
        part = part.reindex(spine).fillna(0).astype(kind)
        if part.to_numpy().any():  # else it only moves after the data end
            pieces[key] = part
    if not pieces and name == "cohorts":  # nobody was ever active
        return pd.DataFrame(
            {"segment_value": [], **{key: pd.Series([], dtype="int64") for key in ("cohort", "period", "active")}}
        )
    if not pieces:
        pieces = {("",) * len(keys): pd.DataFrame(0, index=spine, columns=columns, dtype=kind)}
    return pd.concat(pieces, names=[*keys, "period"]).reset_index()
