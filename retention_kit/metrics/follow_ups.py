"""Customers due for a follow-up: dated lists with a reason for `[[follow_ups]]`, as of the data's as-of date.

A follow-up is due from the end of its span for `due_within` days, for a ticket until it is closed. Customers who have
bought or answered since, who are suppressed or have not consented, and the control group are on no list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from retention_kit import bidi
from retention_kit.data.summary_key import SummaryKey
from retention_kit.lazy import pd
from retention_kit.metrics.forecasts.horizon import is_control
from retention_kit.metrics.queries.follow_ups import MOST, happened
from retention_kit.metrics.queries.lives import second_purchase_gaps
from retention_kit.settings.follow_ups import FollowUp, fill_text
from retention_kit.settings.when import When
from retention_kit.wording import Words

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

_LONG_AGO = date(1970, 1, 1)  # before all data
ONCE = ("first purchase", "second purchase", "subscribing")  # events that each customer has once


@dataclass(frozen=True)
class Due:
    """One customer on one list: a stable id of the event (`occasion`), the due date and the reason.

    `values` are those of the columns used in the text, by column; `text` has its placeholders replaced.
    """

    customer_id: str
    occasion: str
    due: date
    reason: str
    contact: str = ""
    text: str = ""
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DueList:
    """The customers due for one follow-up as of `day`, the earliest due first; `reason` if there is no list; and the
    numbers of those left out.
    """

    follow_up: FollowUp
    day: date  # the first day after the data
    rows: tuple[Due, ...] = ()
    reason: str = ""
    suppressed: int = 0
    without_consent: int = 0
    control: int = 0
    is_cut: bool = False  # more are due than are read
    late: tuple[Due, ...] = ()  # due after the last run, but no longer


def due_lists(data: Dataset, since: Mapping[str, date] | None = None) -> list[DueList]:
    """The list of every follow-up of the settings, in their order, as of the data's as-of date.

    `since` has the day of the last list by name, to find customers due in between (`late`). Earlier lists are not
    regarded here. Raises DataError if only saved summaries are available.
    """
    return [due_list(data, follow_up, (since or {}).get(follow_up.name)) for follow_up in data.settings.follow_ups]


def due_list(data: Dataset, follow_up: FollowUp, since: date | None = None) -> DueList:
    """The list of one follow-up; see `due_lists`."""
    rule, day = follow_up.rule, data.as_of
    words = Words.of(data.settings.report)
    if rule.table not in data.tables and not (rule.table == "tickets" and data.has_tickets):
        return DueList(follow_up, day, reason=bidi.plain(words.text(f"follow_ups.missing_{rule.table}")))
    gap, kinds = 0, None
    if rule.kind == "second":
        from retention_kit.metrics.forecasts.buyers_lists import gap_quantiles

        if (gaps := gap_quantiles(second_purchase_gaps(data, day))) is None:
            return DueList(follow_up, day, reason=bidi.plain(words.text("follow_ups.few_second")))
        gap = gaps[0]
    if rule.at_risk:
        from retention_kit.metrics.forecasts import members_lists

        if (kinds := members_lists.risk_groups(data, day)) is None:
            return DueList(follow_up, day, reason=bidi.plain(words.text("follow_ups.few_members")))
    zone = ZoneInfo(data.settings.report.timezone or "UTC")
    first, last = window(rule, day, follow_up.days_left, gap, zone)
    first -= timedelta(days=max((day - since).days, 0) if since and rule.kind != "renewal" else 0)
    frame = happened(data, follow_up, first, last, kinds)
    rows: list[Due] = []
    late: list[Due] = []
    counts = {"suppressed": 0, "without_consent": 0, "control": 0}
    for row in frame.head(MOST).itertuples(index=False):
        due = _due(row, follow_up, words, gap, day, zone)
        exclusion = _exclusion(row, follow_up)
        if due.due < day:
            late += [due] if since and due.due >= since and not exclusion else []
        elif exclusion:
            counts[exclusion] += 1
        else:
            rows.append(due)
    rows.sort(key=lambda due: (due.due, due.customer_id, due.occasion))
    return DueList(follow_up, day, tuple(rows), "", **counts, is_cut=len(frame) > MOST, late=tuple(late))


def window(rule: When, day: date, days_left: int, gap: int, zone: ZoneInfo) -> tuple[date | datetime, date | datetime]:
    """The first and last time, both included, of events that are due on a day; for renewals, of future ones.

    `days_left` is the number of days to do it, `gap` the usual days to a second purchase, `zone` that of all times.
    """
    if rule.kind == "renewal":
        return day, day + timedelta(days=rule.days)
    midnight = datetime.combine(day, time())
    ago = _moved(midnight, -rule.hours, zone) if rule.is_hours else day - timedelta(days=rule.days)
    if rule.kind == "score":
        return ago, midnight if rule.is_hours else day
    if rule.kind == "ticket":  # open tickets stay due
        return _LONG_AGO, ago
    days = max(gap - rule.days, 0) if rule.kind == "second" else rule.days
    return day - timedelta(days=days + days_left), day - timedelta(days=days)


def _moved(moment: datetime, hours: int, zone: ZoneInfo) -> datetime:
    """A local time so many hours later, clocks put forward or back in between."""
    return (moment.replace(tzinfo=zone).astimezone(UTC) + timedelta(hours=hours)).astimezone(zone).replace(tzinfo=None)


def _exclusion(row: Any, follow_up: FollowUp) -> str:
    """Why a customer is left out: suppressed, without_consent or control; else empty."""
    if row.is_silent:
        return "suppressed"
    if not row.agrees:
        return "without_consent"
    return "control" if is_control(row.customer_id, follow_up.control) else ""


def _due(row: Any, follow_up: FollowUp, words: Words, gap: int, day: date, zone: ZoneInfo) -> Due:
    """A row of the query as a row of the list."""
    rule, left = follow_up.rule, timedelta(days=follow_up.days_left)
    key, texts = rule.kind, {}
    if rule.kind == "renewal":
        from retention_kit.metrics.forecasts.members_lists import billed_words, next_renewal

        when = next_renewal(row.billed, row.units, row.anchored_on)
        due = min(when - timedelta(days=rule.days) + left, when)
        texts["billed"] = billed_words(row.billed, words)
        key += "_at_risk" * rule.at_risk
        occasion = f"renewal {when}"
    elif rule.kind == "score":
        moment = _moment(row.happened_at)
        when, due = moment.date(), _after(moment, rule, zone)
        texts |= {"score": words.value(row.said_score, "count"), "survey": rule.survey.upper()}
        key += f"_{rule.group}" * bool(rule.group)
        occasion = f"{rule.survey} {when}"
    elif rule.kind == "ticket":
        moment = _moment(row.happened_at)
        when, due = moment.date(), max(_after(moment, rule, zone) + left, day)
        ticket = row.ticket_id if isinstance(row.ticket_id, str) else ""
        texts["ticket"] = ticket
        key += "_named" * bool(ticket)
        occasion = f"ticket {ticket or moment.isoformat()}"
    else:
        when = _moment(row.happened_on).date()
        ago = max(gap - rule.days, 0) if rule.kind == "second" else rule.days
        due = when + timedelta(days=ago) + left
        key += f"_{rule.ordinal}" * bool(rule.ordinal)
        texts["gap"] = words.value(gap, "count")
        occasion = _occasion(rule, when)
    reason = bidi.plain(words.text(f"follow_ups.why_{key}", day=words.date(when), **texts))  # for files
    count = (follow_up.contact is not None) + len(follow_up.merged)
    cells = (getattr(row, f"value_{number}") for number in range(count))
    values = [cell if isinstance(cell, str) else "" for cell in cells]
    contact = values.pop(0) if follow_up.contact is not None else ""
    merged = dict(zip(follow_up.merged, values, strict=True))
    fields = {"customer_id": row.customer_id, "reason": reason, "due": words.date(due), "contact": contact}
    return Due(row.customer_id, occasion, due, reason, contact, fill_text(follow_up.text, merged | fields), merged)


def _after(moment: datetime, rule: When, zone: ZoneInfo) -> date:
    """The day on which the span of a rule ends."""
    return _moved(moment, rule.hours, zone).date() if rule.is_hours else moment.date() + timedelta(days=rule.days)


def _occasion(rule: When, when: date) -> str:
    """A stable id of the event among those of a customer; without a date for events that happen once."""
    if rule.kind == "second":
        return "no second purchase"
    once = f"{rule.ordinal} purchase" if rule.kind == "purchase" else rule.kind
    return once if once in ONCE else f"{'purchase' if rule.kind in ('purchase', 'silent') else rule.kind} {when}"


def _moment(value: Any) -> datetime:
    return pd.Timestamp(value).to_pydatetime()


def due_counts(data: Dataset) -> list[dict[str, Any]]:
    """The lists without customers: name, when, owner, customers, first_due, last_due, reason, is_cut.

    Stored with the summaries for notebooks; empty if no follow-ups are configured.
    """
    if not data.settings.follow_ups:
        return []

    def compute() -> list[dict[str, Any]]:
        return [
            {
                "name": due.follow_up.name,
                "when": due.follow_up.when,
                "owner": due.follow_up.owner or "",
                "customers": len(due.rows),
                "first_due": due.rows[0].due if due.rows else None,
                "last_due": due.rows[-1].due if due.rows else None,
                "reason": due.reason,
                "is_cut": due.is_cut,
            }
            for due in due_lists(data)
        ]

    return data.cached(SummaryKey("follow_ups", str(data.as_of)), "no follow-ups", compute)
