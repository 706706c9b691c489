"""Renewals up to every span's end, read once as changes from span to span, and summed up to one of them."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from retention_kit.data.engines.sql_text import literal
from retention_kit.data.values.vocabulary import interval_step
from retention_kit.metrics.queries.segment_values import NONE, segment_parts
from retention_kit.metrics.queries.spans import EPOCH, Granularity
from retention_kit.metrics.queries.statements import sql
from retention_kit.metrics.queries.views import end_index, run_query

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset


class RenewalSteps:
    """Changes of subscriptions from span to span, by kind; `at` returns the rows of `memberships.renewals`."""

    def __init__(self, frame: pd.DataFrame, granularity: Granularity, as_of: date):
        """`frame` are the rows of `renewal_steps.sql`."""
        self._granularity, self._as_of = granularity, as_of
        self._last = granularity.index(as_of - timedelta(days=1))
        names = ["segment_value", "billed", *(name for name in frame if name.startswith("trait_"))]
        encoded = [np.unique(frame[name].to_numpy(object), return_inverse=True) for name in names]
        self._names, self._values = names, [values for values, _ in encoded]
        self._types = {name: frame[name].dtype for name in names}
        outcome = frame["outcome"].map({"kept": 0, "lost": 1, "running": 2}).to_numpy(int)
        kinds = np.column_stack([*(codes for _, codes in encoded), outcome, frame["units"].to_numpy(int)])
        periods = frame["period"].to_numpy("int64")
        order = np.lexsort((periods, *kinds.T[::-1]))
        self._periods = periods[order]
        self._sums = frame[["customers", "members", "mrr"]].to_numpy("int64")[order]
        ordered = kinds[order]
        self._starts = _starts_of(ordered)
        self._kinds = ordered[self._starts]

    def __eq__(self, other: object) -> bool:
        """Whether the steps are the same, whatever the engine's order of rows."""
        if not isinstance(other, RenewalSteps):
            return NotImplemented
        own_arrays, other_arrays = (
            [*steps._values, steps._kinds, steps._starts, steps._periods, steps._sums] for steps in (self, other)
        )
        return len(own_arrays) == len(other_arrays) and all(map(np.array_equal, own_arrays, other_arrays))

    def at(self, span: int) -> pd.DataFrame:
        """The rows at a span's end, or at the as-of date if that is earlier; mrr in twelfths of a minor unit."""
        seen = np.where((self._periods <= span)[:, None], self._sums, 0)
        sums = np.add.reduceat(seen, self._starts, axis=0) if len(seen) else seen
        runs = self._kinds[:, -2] == 2
        ended, running = self._kinds[~runs], self._kinds[runs]
        customers, members, mrr = sums[runs].T
        units = self._units(running, span)
        zeros = np.zeros(len(ended), "int64")
        parts = [  # the numbers of the values, outcome (kept, lost, member), units, customers, mrr
            (ended[:, :-2], ended[:, -2], ended[:, -1], sums[~runs, 0], zeros),
            (running[:, :-2], np.zeros(len(running), int), units, customers - members, np.zeros_like(mrr)),
            (running[:, :-2], np.full(len(running), 2), units, members, mrr),
        ]
        keys, outcomes, all_units, n, paid = (np.concatenate(part) for part in zip(*parts, strict=True))
        return self._collapsed(keys, outcomes, all_units, n, paid)

    def _units(self, running: np.ndarray, span: int) -> np.ndarray:
        """Whole months, weeks or days of running subscriptions, on the day before the span's end."""
        eve = min(self._granularity.end(span), self._as_of) - timedelta(days=1)
        units = [interval_step(name)[1] for name in self._values[1]]
        unit, counted = np.array(units, object)[running[:, 1]], running[:, -1]
        days = (eve - EPOCH).days - counted
        if self._granularity.every == "month":
            months = span - counted // 2 - (counted % 2 if span == self._last else 0)
        else:
            months = _months_between(counted, eve)
        units_run = np.where(unit == "day", days, np.where(unit == "week", days // 7, months))
        return np.maximum(units_run, 0).astype(int)

    def _collapsed(
        self, keys: np.ndarray, outcomes: np.ndarray, units: np.ndarray, n: np.ndarray, paid: np.ndarray
    ) -> pd.DataFrame:
        """One row for all with the same values, in their order."""
        import pandas as pd

        columns = np.column_stack([keys[:, :2], outcomes, units, keys[:, 2:]])[n != 0]
        order = np.lexsort(columns.T[::-1])
        columns = columns[order]
        starts = _starts_of(columns)
        columns = columns[starts]
        sums = [
            np.add.reduceat(values[n != 0][order], starts) if len(starts) else np.zeros(0, "int64")
            for values in (n, paid)
        ]
        places = dict(zip(self._names, [0, 1, *range(4, columns.shape[1])], strict=True))
        named = {
            name: pd.Series(values[columns[:, places[name]]], dtype=self._types[name])
            for name, values in zip(self._names, self._values, strict=True)
        }
        outcome = pd.Series(np.array(["kept", "lost", "member"], object)[columns[:, 2]], dtype=self._types["billed"])
        ahead = {"segment_value": named.pop("segment_value"), "billed": named.pop("billed"), "outcome": outcome}
        counted = {"units": columns[:, 3].astype("int32"), **named, "customers": sums[0], "mrr": sums[1]}
        return pd.DataFrame(ahead | counted)


def read_steps(
    data: Dataset, granularity: Granularity, segment: str | None, traits: int, views: list[str], **dates: str
) -> RenewalSteps:
    """The steps of all spans of a granularity, by segment value and the given number of traits.

    `dates` are SQL expressions for ended subscriptions: days_before, day_before and months.
    """
    end, eve = end_index(data, granularity), f"DATE '{data.as_of - timedelta(days=1)}'"

    def span(day: str) -> str:
        return f"CASE WHEN {day} >= DATE '{data.as_of}' THEN {end} ELSE {granularity.sql(day)} END"

    # Months count from a month where spans are months; the day in it tells on the last date alone, if that ends none.
    days = f"date_diff('day', DATE '{EPOCH}', anchored)"
    short = f"EXTRACT(day FROM {eve}) < least(EXTRACT(day FROM anchored), EXTRACT(day FROM last_day({eve})))"
    months = f"{granularity.sql('anchored')} * 2 + CASE WHEN {short} THEN 1 ELSE 0 END"
    is_monthly = granularity.every == "month"
    own = ["v", *(f"t{number}" for number in range(traits))]
    limits = {side: ", ".join(f"coalesce({alias}.{side}_period, moves.{side}_period)" for alias in own)
              for side in ("from", "until")}  # fmt: skip
    parts = {
        "as_of": f"DATE '{data.as_of}'",
        "since_span": granularity.sql("since"),
        "until_span": span("until"),
        "behind_span": f"coalesce({span('behind')}, {granularity.sql('since')})",
        "counted_from": f"CASE unit WHEN 'month' THEN {months} ELSE {days} END" if is_monthly else days,
        "from": f"greatest(moves.from_period, {limits['from']})",
        "until": f"least(moves.until_period, {limits['until']})",
        "keys": "".join(f", trait_{number}" for number in range(traits)),
        "traits": "".join(
            f", coalesce(t{number}.value, {literal(NONE)}) AS trait_{number}" for number in range(traits)
        ),
        "joins": "\n".join(
            f"LEFT JOIN trait_{number} AS t{number} ON t{number}.customer_id = moves.customer_id "
            f"AND t{number}.from_period < moves.until_period AND t{number}.until_period > moves.from_period"
            for number in range(traits)
        ),
        "end": end,
        **segment_parts(segment),
        **dates,
    }
    frame = run_query(data, sql("renewal_steps"), granularity, segment, views, **parts)
    return RenewalSteps(frame, granularity, data.as_of)


def _starts_of(rows: np.ndarray) -> np.ndarray:
    """The indices at which runs of equal rows begin, in sorted rows."""
    return np.flatnonzero(np.any(np.diff(rows, axis=0, prepend=rows[:1] - 1) != 0, axis=1))


def _months_between(days: np.ndarray, last: date) -> np.ndarray:
    """The whole months from dates (days since 1970) to `last`; if its month lacks the day, its last day counts."""
    first = np.asarray(days, "timedelta64[D]") + np.datetime64(EPOCH, "D")
    months = first.astype("datetime64[M]")
    day = (first - months.astype("datetime64[D]")).astype(int) + 1
    longest = monthrange(last.year, last.month)[1]
    whole = (np.datetime64(last, "M") - months).astype(int)
    return whole - (last.day < np.minimum(day, longest))
