"""How long subscribers stay: renewals, survival times and who pays at a date, collapsed on the engine."""

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

_ALONE = "since AS run_since, until AS run_until, CAST(NULL AS DATE) AS behind"
_AROUND = (
    "MIN(since) OVER (PARTITION BY customer_id, run) AS run_since, "
    "MAX(until) OVER (PARTITION BY customer_id, run) AS run_until, "
    "MAX(until) OVER (PARTITION BY customer_id ORDER BY since, billed "
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS behind"
)
_VIEWS = ["levels", "paid_stretches", "traits"]
GRACE = 3  # days after a renewal was due in which an end still counts as its own, unless the next is within a week


def traits_of(data: Dataset) -> tuple[str, ...]:
    """The columns that tell subscribers apart: the plan, then the segments that the report shows."""
    wanted = ["plan", *data.settings.report.segments]
    return tuple(dict.fromkeys(column for column in wanted if column in data.segments))


def renewals(data: Dataset, cut: date, segment: str | None = None) -> pd.DataFrame:
    """Subscriptions up to a date, collapsed; a pause is no end.

    Columns: segment_value; billed, the interval; outcome: member (one of each customer who pays then), lost, or kept
    (until another took over, or so far); units, whole months since the start, weeks or days where the interval is of
    these (of a lost one before the renewal that it did not make); a column `trait_0`, … for each of `traits_of`;
    customers; mrr at the date, of members, in the report's currency.
    """
    _check(data, "renewals", cut, segment)
    granularity, span = _shared_span(data, cut)

    def made() -> RenewalSteps:
        parts = _ended_parts("until", "anchored")
        return read_steps(data, granularity, segment, len(traits_of(data)), _VIEWS, **parts)

    key = DerivedKey("renewal_steps", granularity, segment)
    frame = data.cached(key, f"no renewals up to {cut}", made).at(span)
    return frame.assign(mrr=frame["mrr"] / (data.minor * 12))


def renewals_and_after(data: Dataset, cut: date, months: int) -> pd.DataFrame:
    """`renewals` of all customers, and what happened to the members in the months after the date.

    More columns: gone, who was lost by the end; months_paid, month ends at which they paid; paid, their MRR at those,
    in the report's currency.
    """
    span = span_before(cut)[1]
    parts = _trait_parts(traits_of(data), span)
    is_member, held = "counted.outcome = 'member'", "least(until_period, {1}) - greatest(from_period, {0})"
    held = held.format(span + 1, span + 1 + months)
    parts["joins"] += (
        f" LEFT JOIN (SELECT customer_id, SUM(mrr * ({held})) AS paid, SUM({held}) AS months FROM levels WHERE mrr > 0 "
        f"AND from_period <= {span + months} AND until_period > {span + 1} GROUP BY customer_id) AS after "
        f"ON after.customer_id = counted.customer_id AND {is_member}"
    )
    is_gone = f"{is_member} AND run_until < DATE '{add_months(cut, months)}'"
    sums = {
        "gone": f"CASE WHEN {is_gone} THEN 1 ELSE 0 END",
        "months_paid": "coalesce(after.months, 0)",
        "paid": "coalesce(after.paid, 0)",
    }
    later = "".join(f", CAST(SUM({value}) AS BIGINT) AS {name}" for name, value in sums.items())
    frame = _ask(data, "renewals", cut, None, **parts, later=later)
    return frame.assign(**{name: frame[name] / (data.minor * 12) for name in ("mrr", "paid")})


def survival_times(data: Dataset, cut: date, segment: str | None = None) -> pd.DataFrame:
    """How long customers stayed until they were lost for the first time, or so far, at a date; a pause is no loss.

    Columns: segment_value (that they began with), lost (0 or 1), months (whole ones; of a lost one with the last that
    was begun), customers.
    """
    key = SummaryKey("survival", cut, segment)
    if key not in data.summaries:
        began = span_before(cut)[0].sql("lives.since")
        data.summaries[key] = _ask(data, "survival", cut, segment, began=began)
    return data.summaries[key]


def listed_members(
    data: Dataset, cut: date, segment: str | None, value: str | None, kinds: pd.DataFrame, rank: str, most: int
) -> pd.DataFrame:
    """The members at a date who are of some kinds, the first by the SQL of `rank`; `value` leaves other segment values
    out.

    `kinds` have billed, kind_units, the traits, and leaving, chance and usual, which each row gets. More columns:
    customer_id, units, mrr (twelfths of a minor unit), since, anchored (dates as text; renewals count from the latter),
    segment_value, and in_all, how many there are besides those that `most` leaves out.
    """
    span, traits = span_before(cut)[1], traits_of(data)
    parts = _trait_parts(traits, span) | {
        "alike": "".join(
            f" AND kinds.trait_{one} = coalesce(t{one}.value, {literal(NONE)})" for one in range(len(traits))
        ),
        "wanted": "1 = 1" if value is None else f"segment_value = {literal(value)}",
        "rank": rank,
        "most": str(most),
    }
    engine = data.live_engine
    with engine.lock:
        engine.register("member_kinds", kinds.reset_index(drop=True))
        try:
            return _ask(data, "listed_members", cut, segment, **parts)
        finally:
            engine.unregister("member_kinds")


def renewing_members(data: Dataset, cut: date, until: date, kinds: pd.DataFrame | None, found: str) -> pd.DataFrame:
    """The members at a date whose next renewal comes by another one, all or those of some kinds, as `found` selects
    from `happened`: customer_id, billed, units, anchored_on. `kinds` as in `listed_members`.
    """
    traits, span = traits_of(data), span_before(cut)[1]
    parts = _trait_parts(traits, span) if kinds is not None else {"joins": ""}
    alike = "".join(f" AND kinds.trait_{one} = coalesce(t{one}.value, {literal(NONE)})" for one in range(len(traits)))
    join = f"JOIN member_kinds AS kinds ON kinds.billed = counted.billed AND kinds.kind_units = counted.units{alike}"
    more = {
        "until": f"DATE '{until}'",
        "months_until": months_between("counted.anchored", f"DATE '{until}'"),
        "kinds": f"{parts['joins']} {join}" if kinds is not None else "",
        "found": found,
    }
    engine = data.live_engine
    with engine.lock:
        if kinds is None:
            return _ask(data, "due_renewals", cut, None, **more)
        engine.register("member_kinds", kinds.reset_index(drop=True))
        try:
            return _ask(data, "due_renewals", cut, None, **more)
        finally:
            engine.unregister("member_kinds")


def _ask(data: Dataset, name: str, cut: date, segment: str | None, **more: str) -> pd.DataFrame:
    _check(data, name, cut, segment)
    granularity, span = span_before(cut)
    is_by_trait = name != "survival"
    parts = {
        "cut": f"DATE '{cut}'",
        "eve": f"DATE '{cut - timedelta(days=1)}'",
        "span": str(span),
        **(_ended_parts("until", "anchored") if is_by_trait else _ended_parts("MIN(run_until)", "since")),
        **segment_parts(segment),
        **more,
    }
    query = sql("subscriptions_so_far") + sql(name) if is_by_trait else sql(name)
    return run_query(data, query, granularity, segment, _VIEWS if is_by_trait else _VIEWS[:2], **parts)


def _check(data: Dataset, name: str, cut: date, segment: str | None) -> None:
    """Raise where the engine is not at hand, or the segment is unknown."""
    if data.engine is None:
        raise DataError(
            "The figures kept for the report hold no {name} up to {cut} by {segment}.",
            name=name,
            cut=cut,
            segment=segment or "whole",
        )
    check_segment(data, segment)


def _ended_parts(ends: str, counted_from: str) -> dict[str, str]:
    """SQL of what ended on `ends`: the last day that counts, and the whole months from the other date to `ends`."""
    return {
        "day_before": f"({ends} - CAST(1 AS INTEGER))",
        "days_before": f"({ends} - CAST({GRACE + 1} AS INTEGER))",
        "months": months_between(counted_from, "ends"),
    }


def span_before(cut: date) -> tuple[Granularity, int]:
    """A grid of months one of which ends at the date, and its number."""
    granularity = Granularity("month") if cut.day == 1 else Granularity("", 1, cut)
    return granularity, granularity.index(cut - timedelta(days=1))


def _shared_span(data: Dataset, cut: date) -> tuple[Granularity, int]:
    """The calendar periods one of which ends at the date, or with the data at the as-of date, and its number: one grid
    serves all dates of a report. Else that of `span_before`.
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
    """SQL for the whole months from a date to another; a day that a month lacks is its last."""
    short = f"EXTRACT(day FROM {last}) < least(EXTRACT(day FROM {first}), EXTRACT(day FROM last_day({last})))"
    return (
        f"((EXTRACT(year FROM {last}) - EXTRACT(year FROM {first})) * 12 + EXTRACT(month FROM {last}) "
        f"- EXTRACT(month FROM {first}) - CASE WHEN {short} THEN 1 ELSE 0 END)"
    )


def _build_stretches(data: Dataset, granularity: Granularity) -> None:  # noqa: ARG001
    """The time that customers pay for."""
    day = "EXTRACT(day FROM until) = least(EXTRACT(day FROM {0}), EXTRACT(day FROM last_day(until)))"
    parts = {"day_of_start": day.format("started"), "day_of_payment": day.format("since")}
    intervals = [name for (name,) in data.live_engine.rows("SELECT DISTINCT billed FROM subscriptions ORDER BY billed")]
    parts["step"] = _by_interval({one: str(interval_step(one)[0]) for one in intervals}, "1")
    parts["unit"] = _by_interval({one: literal(interval_step(one)[1]) for one in intervals}, "'month'")
    parts["has_grace"] = _by_interval({one: "0" for one in intervals if per_year(one) >= per_year("week")}, "1")
    # Where all are billed alike, a customer's stretches are the runs themselves, and none is behind another.
    is_alike = len(intervals) == 1
    parts["kind"] = "customer_id" if is_alike else "customer_id, billed"
    parts["around"] = _ALONE if is_alike else _AROUND
    data.live_engine.run(sql("paid_stretches"), as_of=f"DATE '{data.as_of}'", **parts)


def _by_interval(values: dict[str, str], usual: str) -> str:
    """SQL: the value of the interval in `billed`, `usual` of those that have none."""
    cases = " ".join(f"WHEN {literal(name)} THEN {value}" for name, value in values.items() if value != usual)
    return f"CASE billed {cases} ELSE {usual} END" if cases else usual


def _build_traits(data: Dataset, granularity: Granularity) -> None:
    """The values that each customer has in the columns of `traits_of`, beside that of a segment asked for."""
    for number, column in enumerate(traits_of(data)):
        end, name = end_index(data, granularity), f"trait_{number}"
        build_customer_values(data, granularity, column, end, name, f"top_{name}")


VIEWS |= {"paid_stretches": _build_stretches, "traits": _build_traits}


def _trait_parts(traits: Iterable[str], span: int) -> dict[str, str]:
    """SQL of the columns of `traits_of`: selected, joined, and what everything is grouped by."""
    numbers = range(len([*traits]))
    groups = range(1, 5 + len(numbers))
    return {
        "traits": "".join(f", coalesce(t{one}.value, {literal(NONE)}) AS trait_{one}" for one in numbers),
        "joins": "\n".join(
            f"LEFT JOIN trait_{one} AS t{one} ON t{one}.customer_id = counted.customer_id "
            f"AND t{one}.from_period <= {span} AND t{one}.until_period > {span}"
            for one in numbers
        ),
        "groups": ", ".join(map(str, groups)),
    }
