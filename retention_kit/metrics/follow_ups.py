"""Who is due for a follow-up: dated lists with a reason, as `[[follow_ups]]` asks; pure, and as of the data's date.

A follow-up is due from the day on that its span is over, for so many days as there are to do it, and of a ticket until
it is closed. Who has bought or answered since, who does not agree or must not be written to, and the control group are
on no list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from retention_kit import bidi
from retention_kit.data.summary_key import SummaryKey
from retention_kit.metrics.forecasts.horizon import is_control
from retention_kit.metrics.queries.follow_ups import MOST, happened
from retention_kit.metrics.queries.lives import second_purchase_gaps
from retention_kit.settings.follow_ups import FollowUp, fill_text
from retention_kit.settings.when import When
from retention_kit.wording import Words

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset

_LONG_AGO = date(1970, 1, 1)  # before which no data begin
ONCE = ("first purchase", "second purchase", "subscribing")  # what happens to a customer once, whenever that was


@dataclass(frozen=True)
class Due:
    """One customer on one list: what happened (`occasion` tells it apart for good), by when and why to follow it up.

    `values` are those of the columns that the text names, by column; `text` is filled in.
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
    """Who is due for one follow-up as of `day`, the first due first; why there is no list (`reason`), and who is left
    out of it.
    """

    follow_up: FollowUp
    day: date  # the first that the data do not know
    rows: tuple[Due, ...] = ()
    reason: str = ""
    silent: int = 0  # suppressed
    not_agreeing: int = 0
    control: int = 0
    is_cut: bool = False  # there are more than leave the engine
    late: tuple[Due, ...] = ()  # who was due since the last run, and is not any more


def due_lists(data: Dataset, since: Mapping[str, date] | None = None) -> list[DueList]:
    """The list of every follow-up of the settings, in their order, as of the data's as-of date.

    `since` says by name of which day the last lists are, to tell who was due in between (`late`). What a ledger knows
    (who has been on a list already) is not regarded here. Raises DataError where only saved summaries are at hand.
    """
    return [due_list(data, one, (since or {}).get(one.name)) for one in data.settings.follow_ups]


def due_list(data: Dataset, follow_up: FollowUp, since: date | None = None) -> DueList:
    """Who is due for one follow-up; see `due_lists`."""
    rule, day = follow_up.rule, data.as_of
    words = Words.of(data.settings.report)
    if rule.table not in data.tables and not (rule.table == "tickets" and data.has_tickets):
        return DueList(follow_up, day, reason=bidi.plain(words.text(f"follow_ups.missing_{rule.table}")))
    gap, kinds = 0, None
    if rule.kind == "second":
        from retention_kit.metrics.forecasts.buyers_lists import usual_gaps

        if (gaps := usual_gaps(second_purchase_gaps(data, day))) is None:
            return DueList(follow_up, day, reason=bidi.plain(words.text("follow_ups.few_second")))
        gap = gaps[0]
    if rule.at_risk:
        from retention_kit.metrics.forecasts import members_lists

        if (kinds := members_lists.kinds(data, day)) is None:
            return DueList(follow_up, day, reason=bidi.plain(words.text("follow_ups.few_members")))
    first, last = window(rule, day, follow_up.days_left, gap)
    first -= timedelta(days=max((day - since).days, 0) if since and rule.kind != "renewal" else 0)
    frame = happened(data, follow_up, first, last, kinds)
    rows: list[Due] = []
    late: list[Due] = []
    counts = {"silent": 0, "not_agreeing": 0, "control": 0}
    for row in frame.head(MOST).itertuples(index=False):
        due = _due(row, follow_up, words, gap, day)
        why = _left_out(row, follow_up)
        if due.due < day:
            late += [due] if since and due.due >= since and not why else []
        elif why:
            counts[why] += 1
        else:
            rows.append(due)
    rows.sort(key=lambda one: (one.due, one.customer_id, one.occasion))
    return DueList(follow_up, day, tuple(rows), "", **counts, is_cut=len(frame) > MOST, late=tuple(late))


def window(rule: When, day: date, days_left: int, gap: int = 0) -> tuple[date | datetime, date | datetime]:
    """From when to when, both counting, something has happened that is due on a day; of renewals, will have.

    `days_left` is how long there is to do it, `gap` the usual days to a second purchase.
    """
    if rule.kind == "renewal":
        return day, day + timedelta(days=rule.days)
    midnight, span = datetime.combine(day, time()), timedelta(hours=rule.hours)
    if rule.kind == "score":
        return (midnight - span, midnight) if rule.is_hours else (day - timedelta(days=rule.days), day)
    if rule.kind == "ticket":  # what is open stays due, however long it has been
        return _LONG_AGO, midnight - span if rule.is_hours else day - timedelta(days=rule.days)
    ago = max(gap - rule.days, 0) if rule.kind == "second" else rule.days
    return day - timedelta(days=ago + days_left), day - timedelta(days=ago)


def _left_out(row: Any, follow_up: FollowUp) -> str:
    """Why a customer is on no list: silent, not_agreeing or control; empty where they may be."""
    if row.is_silent:
        return "silent"
    if not row.agrees:
        return "not_agreeing"
    return "control" if is_control(row.customer_id, follow_up.control) else ""


def _due(row: Any, follow_up: FollowUp, words: Words, gap: int, day: date) -> Due:
    """A row of the engine's as one of the list."""
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
        when, due = moment.date(), (moment + timedelta(hours=rule.hours)).date()
        texts |= {"score": words.value(row.said_score, "count"), "survey": rule.survey.upper()}
        key += f"_{rule.group}" * bool(rule.group)
        occasion = f"{rule.survey} {when}"
    elif rule.kind == "ticket":
        moment = _moment(row.happened_at)
        when, due = moment.date(), max((moment + timedelta(hours=rule.hours)).date() + left, day)
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
    named = [name for name in (follow_up.contact, *follow_up.merged) if name is not None]
    said = [getattr(row, f"value_{number}") for number in range(len(named))]
    values = [value if isinstance(value, str) else "" for value in said]
    contact = values.pop(0) if follow_up.contact is not None else ""
    merged = dict(zip(follow_up.merged, values, strict=True))
    ours = {"customer_id": row.customer_id, "reason": reason, "due": words.date(due), "contact": contact}
    text = fill_text(follow_up.text, merged | ours)
    return Due(row.customer_id, occasion, due, reason, contact, text, merged)


def _occasion(rule: When, when: date) -> str:
    """What tells an occasion from the others of a customer; what happens once stays one, whenever data say it was."""
    if rule.kind == "second":
        return "no second purchase"
    once = f"{rule.ordinal} purchase" if rule.kind == "purchase" else rule.kind
    return once if once in ONCE else f"{'purchase' if rule.kind in ('purchase', 'silent') else rule.kind} {when}"


def _moment(given: Any) -> datetime:
    import pandas as pd

    return pd.Timestamp(given).to_pydatetime()


def due_counts(data: Dataset) -> list[dict[str, Any]]:
    """What stands on the lists, without a name: name, when, owner, customers, first_due, last_due, reason, is_cut.

    Kept with the summaries, so that notebooks can show it; empty where no follow-ups are asked for.
    """
    if not data.settings.follow_ups:
        return []

    def made() -> list[dict[str, Any]]:
        return [
            {
                "name": one.follow_up.name,
                "when": one.follow_up.when,
                "owner": one.follow_up.owner or "",
                "customers": len(one.rows),
                "first_due": one.rows[0].due if one.rows else None,
                "last_due": one.rows[-1].due if one.rows else None,
                "reason": one.reason,
                "is_cut": one.is_cut,
            }
            for one in due_lists(data)
        ]

    return data.kept(SummaryKey("follow_ups", str(data.as_of)), "no follow-ups", made)
