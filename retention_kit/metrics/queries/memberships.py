"""Renewals, survival times and paying customers at a date, for subscriptions; grouped on the engine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import TYPE_CHECKING

from retention_kit.data.engines.sql_text import literal
from retention_kit.data.summary_key import DerivedKey, SummaryKey
from retention_kit.data.values.vocabulary import interval_step, per_year
from retention_kit.errors import DataError
from retention_kit.metrics.queries.renewal_steps import RenewalSteps, read_steps
from retention_kit.metrics.queries.segment_values import NONE, build_customer_values, segment_parts
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.statements import sql
from retention_kit.metrics.queries.summaries import check_segment
from retention_kit.metrics.queries.views import VIEWS, end_index, run_query
from retention_kit.periods import Period, add_months

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

_SINGLE_INTERVAL = "since AS run_since, until AS run_until, CAST(NULL AS DATE) AS behind"
_SEVERAL_INTERVALS = (
    "MIN(since) OVER (PARTITION BY customer_id, run) AS run_since, "
    "MAX(until) OVER (PARTITION BY customer_id, run) AS run_until, "
    "MAX(until) OVER (PARTITION BY customer_id ORDER BY since, billed "
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS behind"
)
_VIEWS = ["levels", "paid_stretches", "traits"]
GRACE = 3  # days after a renewal in which an end still belongs to it, unless the next one is within a week


def traits_of(data: Dataset) -> tuple[str, ...]:
    """The segment columns of the renewal model: the plan, then those of the report."""
    columns = ["plan", *data.settings.report.segments]
    return tuple(dict.fromkeys(column for column in columns if column in data.segments))


def renewals(data: Dataset, cut: date, segment: str | None = None) -> pd.DataFrame:
    """Subscriptions up to a date, in groups; a pause is no end.

    Columns: segment_value; billed, the interval; outcome: member (one for each customer who pays then), lost, or kept
    (until another one replaced it, or so far); units, whole months, weeks or days since the start, depending on the
    interval (of a lost one before the missed renewal); a column `trait_0`, … for each of `traits_of`; customers; mrr of
    members at the date, in the report's currency.
    """
    _check(data, "renewals", cut, segment)
    granularity, span = _shared_span(data, cut)

    def compute() -> RenewalSteps:
        parts = _ended_parts("until", "anchored")
        return read_steps(data, granularity, segment, len(traits_of(data)), _VIEWS, **parts)

    key = DerivedKey("renewal_steps", granularity, segment)
    frame = data.cached(key, f"no renewals up to {cut}", compute).at(span)
    return frame.assign(mrr=frame["mrr"] / (data.minor * 12))


def renewals_and_after(data: Dataset, cut: date, months: int) -> pd.DataFrame:
    """`renewals` of all customers, with what happened to the members in the months after the date.

    More columns: gone, customers lost by the end; months_paid, paid month ends; paid, the sum of MRR at these, in the
    report's currency.
    """
    span = span_before(cut)[1]
    parts = _trait_parts(traits_of(data), span)
    is_member, overlap = "counted.outcome = 'member'", "least(until_period, {1}) - greatest(from_period, {0})"
    overlap = overlap.format(span + 1, span + 1 + months)
    parts["joins"] += (
        f" LEFT JOIN (SELECT customer_id, SUM(mrr * ({overlap})) AS paid, SUM({overlap}) AS months FROM levels "
        f"WHERE mrr > 0 AND from_period <= {span + months} AND until_period > {span + 1} "
        f"GROUP BY customer_id) AS after ON after.customer_id = counted.customer_id AND {is_member}"
    )
    is_gone = f"{is_member} AND run_until < DATE '{add_months(cut, months)}'"
    sums = {
        "gone": f"CASE WHEN {is_gone} THEN 1 ELSE 0 END",
        "months_paid": "coalesce(after.months, 0)",
        "paid": "coalesce(after.paid, 0)",
    }
    later = "".join(f", CAST(SUM({value}) AS BIGINT) AS {name}" for name, value in sums.items())
    frame = _query(data, "renewals", cut, None, **parts, later=later)
    return frame.assign(**{name: frame[name] / (data.minor * 12) for name in ("mrr", "paid")})


def survival_times(data: Dataset, cut: date, segment: str | None = None, every: str = "month") -> pd.DataFrame:
    """The times from the start to the first loss, or so far, at a date; a pause is no loss.

    Columns: segment_value (that of the week, or month, of the start), lost (0 or 1), months (whole ones; if lost, the
    last begun one counts, too), customers.
    """
    granularity = Granularity("week" if every == "week" else "month")
    key = SummaryKey("survival", (cut, granularity.every), segment)
    if key not in data.summaries:
        data.summaries[key] = _query(data, "survival", cut, segment, granularity, began=granularity.sql("lives.since"))
    return data.summaries[key]


def listed_members(
    data: Dataset, cut: date, segment: str | None, value: str | None, kinds: pd.DataFrame, rank: str, most: int
) -> pd.DataFrame:
    """The members at a date who belong to `kinds`: the first `most` by the SQL expression `rank`.

    `value` selects a segment value. `kinds` have billed, kind_units, the traits, and leaving, chance and usual, which
    are added to each row. More columns: customer_id, units, mrr (twelfths of a minor unit), since, anchored (dates as
    text; renewals count from the latter), segment_value, and in_all, the number of members without the limit.
    """
    span, traits = span_before(cut)[1], traits_of(data)
    parts = _trait_parts(traits, span) | {
        "alike": "".join(
            f" AND kinds.trait_{number} = coalesce(t{number}.value, {literal(NONE)})" for number in range(len(traits))
        ),
        "wanted": "1 = 1" if value is None else f"segment_value = {literal(value)}",
        "rank": rank,
        "most": str(most),
    }
    engine = data.live_engine
    with engine.lock:
        engine.register("member_kinds", kinds.reset_index(drop=True))
        try:
            return _query(data, "listed_members", cut, segment, **parts)
        finally:
            engine.unregister("member_kinds")


def renewing_members(data: Dataset, cut: date, until: date, kinds: pd.DataFrame | None, found: str) -> pd.DataFrame:
    """The members at a date whose next renewal is by `until`: all, or those of `kinds` (see `listed_members`).

    `found` is SQL that selects from `happened`, with the columns customer_id, billed, units and anchored_on.
    """
    traits, span = traits_of(data), span_before(cut)[1]
    parts = _trait_parts(traits, span) if kinds is not None else {"joins": ""}
    same_traits = "".join(
        f" AND kinds.trait_{number} = coalesce(t{number}.value, {literal(NONE)})" for number in range(len(traits))
    )
    join = (
        f"JOIN member_kinds AS kinds ON kinds.billed = counted.billed AND kinds.kind_units = counted.units{same_traits}"
    )
    placeholders = {
        "until": f"DATE '{until}'",
        "months_until": months_between("counted.anchored", f"DATE '{until}'"),
        "kinds": f"{parts['joins']} {join}" if kinds is not None else "",
        "found": found,
    }
    engine = data.live_engine
    with engine.lock:
        if kinds is None:
            return _query(data, "due_renewals", cut, None, **placeholders)
        engine.register("member_kinds", kinds.reset_index(drop=True))
        try:
            return _query(data, "due_renewals", cut, None, **placeholders)
        finally:
            engine.unregister("member_kinds")


def _query(
    data: Dataset,
    name: str,
    cut: date,
    segment: str | None,
    granularity: Granularity | None = None,
    /,
    **more: str,
) -> pd.DataFrame:
    _check(data, name, cut, segment)
    granularity = granularity or span_before(cut)[0]
    is_by_trait = name != "survival"
    parts = {
        "cut": f"DATE '{cut}'",
        "eve": f"DATE '{cut - timedelta(days=1)}'",
        "span": str(granularity.index(cut - timedelta(days=1))),
        **(_ended_parts("until", "anchored") if is_by_trait else _ended_parts("MIN(run_until)", "since")),
        **segment_parts(segment),
        **more,
    }
    query = sql("subscriptions_so_far") + sql(name) if is_by_trait else sql(name)
    return run_query(data, query, granularity, segment, _VIEWS if is_by_trait else _VIEWS[:2], **parts)


def _check(data: Dataset, name: str, cut: date, segment: str | None) -> None:
    """Raise DataError without an engine, UnknownNameError for an unknown segment."""
    if data.engine is None:
        raise DataError(
            "The figures kept for the report hold no {name} up to {cut} by {segment}.",
            name=name,
            cut=cut,
            segment=segment or "whole",
        )
    check_segment(data, segment)


def _ended_parts(ends: str, counted_from: str) -> dict[str, str]:
    """SQL expressions for subscriptions that ended on `ends`: their last days, and the whole months to `ends`."""
    return {
        "day_before": f"({ends} - CAST(1 AS INTEGER))",
        "days_before": f"({ends} - CAST({GRACE + 1} AS INTEGER))",
        "months": months_between(counted_from, "ends"),
    }


def span_before(cut: date) -> tuple[Granularity, int]:
    """A granularity of months that has one ending at the date, and that month's number."""
    granularity = Granularity("month") if cut.day == 1 else Granularity("", 1, cut)
    return granularity, granularity.index(cut - timedelta(days=1))


def _shared_span(data: Dataset, cut: date) -> tuple[Granularity, int]:
    """Calendar periods that have one ending at the date (or at the as-of date), and its number; else `span_before`.

    They are the same for all dates of a report.
    """
    is_weekly, ends_data = data.settings.report.every == "week", cut == data.as_of
    if (ends_data and is_weekly) or (cut.day > 1 and not ends_data and Period.of(cut, "week").start == cut):
        granularity = Granularity("week")
    elif ends_data:
        granularity = Granularity("month")
    else:
        return span_before(cut)
    return granularity, granularity.index(cut - timedelta(days=1))


def months_between(first: str, last: str) -> str:
    """SQL for the whole months from a date to another; if the last month lacks the day, its last day counts."""
    short = f"EXTRACT(day FROM {last}) < least(EXTRACT(day FROM {first}), EXTRACT(day FROM last_day({last})))"
    return (
        f"((EXTRACT(year FROM {last}) - EXTRACT(year FROM {first})) * 12 + EXTRACT(month FROM {last}) "
        f"- EXTRACT(month FROM {first}) - CASE WHEN {short} THEN 1 ELSE 0 END)"
    )


def _build_stretches(data: Dataset, granularity: Granularity) -> None:  # noqa: ARG001
    """Build the intervals that customers pay for."""
    day = "EXTRACT(day FROM until) = least(EXTRACT(day FROM {0}), EXTRACT(day FROM last_day(until)))"
    parts = {"day_of_start": day.format("started"), "day_of_payment": day.format("since")}
    intervals = [name for (name,) in data.live_engine.rows("SELECT DISTINCT billed FROM subscriptions ORDER BY billed")]
    parts["step"] = _by_interval({interval: str(interval_step(interval)[0]) for interval in intervals}, "1")
    parts["unit"] = _by_interval({interval: literal(interval_step(interval)[1]) for interval in intervals}, "'month'")
    parts["has_grace"] = _by_interval(
        {interval: "0" for interval in intervals if per_year(interval) >= per_year("week")}, "1"
    )
    # With a single billing interval the stretches of a customer are the runs themselves, and never overlap.
    is_single = len(intervals) == 1
    parts["kind"] = "customer_id" if is_single else "customer_id, billed"
    parts["around"] = _SINGLE_INTERVAL if is_single else _SEVERAL_INTERVALS
    data.live_engine.run(sql("paid_stretches"), as_of=f"DATE '{data.as_of}'", zone=data.known["zone"], **parts)


def _by_interval(values: dict[str, str], usual: str) -> str:
    """SQL for the value of the interval in `billed`; `usual` if it has none."""
    cases = " ".join(f"WHEN {literal(name)} THEN {value}" for name, value in values.items() if value != usual)
    return f"CASE billed {cases} ELSE {usual} END" if cases else usual


def _build_traits(data: Dataset, granularity: Granularity) -> None:
    """Build the values of each customer in the columns of `traits_of`."""
    for number, column in enumerate(traits_of(data)):
        end, name = end_index(data, granularity), f"trait_{number}"
        build_customer_values(data, granularity, column, end, name, f"top_{name}")


VIEWS |= {"paid_stretches": _build_stretches, "traits": _build_traits}


def _trait_parts(traits: Iterable[str], span: int) -> dict[str, str]:
    """SQL for the columns of `traits_of`: selected columns, joins, and numbers of columns for GROUP BY."""
    numbers = range(len([*traits]))
    groups = range(1, 5 + len(numbers))
    return {
        "traits": "".join(f", coalesce(t{number}.value, {literal(NONE)}) AS trait_{number}" for number in numbers),
        "joins": "\n".join(
            f"LEFT JOIN trait_{number} AS t{number} ON t{number}.customer_id = counted.customer_id "
            f"AND t{number}.from_period <= {span} AND t{number}.until_period > {span}"
            for number in numbers
        ),
        "groups": ", ".join(map(str, groups)),
    }
