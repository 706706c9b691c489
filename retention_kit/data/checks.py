"""The checks of the quality frame: their effect on figures, whether they exclude rows, and the share of a table's rows
from which on the table must have been mapped or written wrongly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

WHEN = {"orders": "ordered_at", "subscriptions": "started_at", "responses": "responded_at", "tickets": "opened_at"}
WARNED = 0.05  # from this share of the rows a check is told first, in `check` and in the report
REFUSED = 0.5  # above it the load is refused

SURVEYS = ("nps", "csat", "ces")
_INTERVALS = ("day", "week", "month", "quarter", "year")
_STATUSES = ("active", "trialing", "paused", "unpaid", "past_due", "cancelled", "free")
DATES = "write dates like 2011-11-30 or 2011-11-30 14:05"
OUTSIDE = "lies outside 1970-2100"
_YEARS = "write years with four digits"
_NUMBERS = "write plain numbers like 1234.50"
_SPELL = "set aside: no figure counts the spell"


class Check(NamedTuple):
    """A check of the quality frame; the part of `effect` between < and > is printed only if there are amounts."""

    effect: str
    sets_aside: bool = False  # its rows are in no figure and in no other check of cleaning
    # "refused" above half of the rows and warned from 5%, "warned", or "always" warned; empty where it is common in
    # good data
    share: str = ""
    column: str = ""  # whose values it judges: `when` is the column in WHEN
    fault: str = "is unreadable"  # of that column
    hint: str = ""
    choices: tuple[str, ...] = ()
    of_values: bool = False  # judged by the rows that hold a value, too: most subscriptions have no end


def _sets_aside(
    effect: str = "set aside: no figure counts the row<; {money}>", *, share: str = "refused", **more: Any
) -> Check:
    """A check that excludes rows, with a limit for their share."""
    return Check(effect, sets_aside=True, share=share, **more)


def _unpaid(reason: str) -> Check:
    return Check(f"no MRR {reason}")


# Copies, guests, refunds, free items, answers left out and what the user leaves out are common in good data: no share
# of them is told as a fault.
CHECKS = {
    "naive times without a time zone": Check("read as UTC; set [report] timezone"),
    "long text, cut": Check("its first 200 characters and a digest stand for it, so that values stay apart"),
    # What a source says of itself
    "left out": Check("by [data] leave_out: in no figure"),  # "left out: WHY"
    "limit of the export": Check("the figures cannot tell it"),
    "cells merged over several rows": Check("each of their rows has the value of the first"),
    # Dates, amounts and other values that cannot be read
    "unreadable date": _sets_aside(column="when", hint=DATES),
    "unreadable end date": _sets_aside(_SPELL, column="ended_at", hint=DATES, of_values=True),
    "unreadable end date of the trial": _sets_aside(_SPELL, column="trial_ends_at", hint=DATES, of_values=True),
    "date outside 1970-2100": _sets_aside(column="when", fault=OUTSIDE, hint=_YEARS),
    "end date outside 1970-2100": _sets_aside(_SPELL, column="ended_at", fault=OUTSIDE, hint=_YEARS, of_values=True),
    "end date of the trial outside 1970-2100": _sets_aside(
        _SPELL, column="trial_ends_at", fault=OUTSIDE, hint=_YEARS, of_values=True
    ),
    "end date that stands for none": Check("read as no end, as an empty one is"),
    "unreadable amount": _sets_aside(column="amount", hint=_NUMBERS),
    "unreadable refunded amount": _sets_aside(column="refunded", hint=_NUMBERS, of_values=True),
    "number that may be read in two ways": Check("read one way in the whole column", share="warned"),
    "more decimals than the currency has": Check(
        "rounded to what the currency has: set [report] currency where it is another", share="warned"
    ),
    "sign of another currency": Check("taken to be in the currency that its column names", share="warned"),
    "unreadable score": _sets_aside("set aside: no figure counts the answer", column="score", hint=_NUMBERS),
    "unknown interval": _sets_aside(
        "set aside: use day, week, month, quarter or year, or so many of them, such as 6 months",
        column="interval",
        fault="is unknown",
        choices=_INTERVALS,
    ),
    "unknown status": _sets_aside(
        "set aside: its MRR is not known", column="status", fault="is unknown", choices=_STATUSES
    ),
    "unknown survey": _sets_aside(
        "set aside: use nps, csat or ces", column="survey", fault="is unknown", choices=SURVEYS
    ),
    "unknown scale": _sets_aside(
        "set aside: use 0-10, 1-5, 1-7, 1-10, 0-2 or good/bad",
        column="scale",
        fault="is unknown",
        choices=("0-10", "1-5", "1-7", "1-10", "0-2", "good/bad"),
    ),
    # Single codes outside, such as for "don't know", are common: refused where most answers of one survey are.
    "score outside the scale": _sets_aside("set aside, never clamped", share="warned", column="score"),
    "no customer": _sets_aside(
        "set aside: a subscription needs a customer",
        column="customer_id",
        fault="is empty",
        hint="a subscription needs a customer",
    ),
    "ended before it started": _sets_aside(
        _SPELL, column="ended_at", fault="lies before started_at", hint="see which column is which"
    ),
    "no exchange rate yet": _sets_aside(
        "set aside: the rates of its currency begin later<; {money}>",
        share="warned",  # rates.py refuses, by currency
    ),
    # What text files and sheets hold besides the rows of their table
    "encoding": Check("no UTF-8"),
    "damaged characters": Check("bytes that fit no character are shown by their codes", share="always"),
    "name spelled otherwise": Check("a column whose name differs in spelling alone"),
    "duplicate header": Check("two columns of one name", share="always"),
    "blank row": _sets_aside("no row of the table", share=""),
    "row before the header": _sets_aside("no row of the table", share=""),
    "further header row": _sets_aside("names, no row of the table", share=""),
    "repeated header": _sets_aside("names, no row of the table", share=""),
    "row after the table": _sets_aside("set aside: too few cells for a row, at the end of the file", share=""),
    "row too short": _sets_aside("set aside: cells that the table needs are missing", share="warned"),
    "row with more cells than the header": _sets_aside(
        "set aside: which cell is one too many is not known", share="warned"
    ),
    "row with fewer cells than the header": Check("read, its last columns as empty"),
    # What the users leave out, and what their files lack
    "left out by where": _sets_aside("no figure counts the row, as where asks<; {money}>", share=""),
    "where is neither true nor false": _sets_aside(
        "left out: a column that where asks for is empty there<; {money}>", share="warned"
    ),
    "order cut in half by where": Check("of one order, where keeps some lines and leaves out these", share="warned"),
    "line kept with its order": Check(
        "where is neither true nor false for it, and would cut the order in half: kept, as all its other lines are"
    ),
    "column missing in one file": Check("empty in the rows of that file", share="warned"),
    "file that is a copy of another": Check(
        "read as any other: rows that no id tells apart count twice, so take it away", share="always"
    ),
    "file without a usable row": Check("as if the file were not there", share="always"),
    # Contradictions
    "row that sums the others": Check(
        "counted, so sums are double: leave it out with where<; {money}>", share="always"
    ),
    "cancelled without an end": Check("pays for ever: map ended_at, or leave it out<; {money} of MRR>", share="warned"),
    "spell that begins before the one before it ends": Check(
        "both are MRR until one ends: give the spell before its end, or each a subscription_id<; {money} of MRR>",
        share="warned",
    ),
    "status of today alone": Check(
        "no MRR in all of the past either, though it may have been paid until lately: give a row for each spell"
        "<; {money} of MRR>",
        share="warned",
    ),
    # Ids
    "id that names nobody": Check("read as empty"),
    "word for an empty cell": Check("read as empty"),
    "id in E-notation": Check(
        "counted as it is: a spreadsheet may have made several ids one; export the column as text", share="warned"
    ),
    "ids that differ only in case": Check("counted as different customers", share="warned"),
    "one customer has most orders": Check(
        "counted as one customer: an id that stands for guests has to be left empty", share="warned"
    ),
    # Copies
    "same line in another file": _sets_aside(
        "one is kept: the files overlap<; {money} not counted twice>", share="warned"
    ),
    "identical row": _sets_aside("one is kept<; {money} not counted twice>", share=""),
    "identical line": Check("kept: two like lines are two of the same<; {money}>"),
    # Never refused: where every day's export is joined to the last one's, most rows are copies, and the figures right.
    "same order_id, other contents": _sets_aside(
        "the earliest, then the smallest amount, is kept, the rest set aside<; {money}>; "
        'if rows are lines of orders, set rows = "lines"',
        share="warned",
        column="order_id",
    ),
    "same response_id": _sets_aside("one is kept: the exports overlap", share="warned", column="response_id"),
    "same subscription_id and start, other contents": _sets_aside(
        "the smallest amount is kept; the rest are set aside", share="warned", column="subscription_id"
    ),
    # Answers
    "scale by its answers": Check("set scale where it is another", share="always"),
    "no answer": _sets_aside("left out: the question was not answered", share=""),
    "no weight": _sets_aside("left out: the other answers are weighted", share=""),
    **{f"unweighted beside weighted answers: {name}": Check("each counts once") for name in SURVEYS},
    # Orders
    "no purchase: amount 0": Check("not counted as purchases (definitions.zero_orders)"),
    "purchase: amount 0": Check("counted as purchases (definitions.zero_orders)"),
    "refund that names no order": Check("lowers net revenue of its period; purchases stay as they are<; {money}>"),
    "refund of a named order": Check("lowers that order in that order's period<; {money}>"),
    "refund above the order it names": Check(
        "lowers that order to nothing; the rest names none<; {money}>", share="warned"
    ),
    "refunded without a date": Check("lowers its own order, in that order's period<; {money}>"),
    "refunded above its order": Check(
        "lowers that order to nothing; the rest counts nowhere<; {money}>", share="warned"
    ),
    "order of several customers": Check("counted for the customer of its earliest line<; {money}>", share="warned"),
    "no customer (guest)": Check("in revenue< ({money})>; in no figure about customers"),
    # Subscriptions
    "no exchange rate at its start": Check("valued at the first rate of its currency until that day", share="warned"),
    "discount": Check("lowers what its customer pays while it runs<; {money} of MRR>"),
    "discount above what it lowers": Check(
        "lowers what its customer pays to nothing; the rest counts nowhere", share="warned"
    ),
    "gap of at most 24 hours": Check("bridged: neither churn nor reactivation"),
    "spell without MRR: paused": _unpaid("while paused: not a paying customer"),
    "spell without MRR: trialing": _unpaid("in a trial: not a paying customer yet"),
    "spell without MRR: unpaid": _unpaid("while unpaid: not a paying customer"),
    "spell without MRR: free": _unpaid("from a free plan: not a paying customer"),
    "spell without MRR: future": _unpaid("before it starts: not a paying customer yet"),
    "spell without MRR: amount 0": _unpaid("from amount 0: not a paying customer"),
    "spell without MRR: in trial": _unpaid("before the trial ends: not a paying customer yet"),
    "spell without MRR: trial never paid": Check("no MRR: it ended by the end of its trial"),
    "spell without MRR: ended as it started": Check("no MRR: it has no length"),
    # Customers of before the data
    "no id": _sets_aside("set aside: nobody is known by it", share="warned"),
    "known only since the data begin": Check("left out: the tables tell when they came", sets_aside=True),
    "several rows of one customer": Check("one customer, there since the earliest"),
    "never new: there before the data begin": Check("in no cohort; at their first activity in the data they come back"),
    "not in the data": Check("never seen since the data begin: in no figure"),
    # Tickets
    "unreadable closing date": _sets_aside("set aside: whether the ticket is open is not known", share="warned"),
    "closed before it was opened": _sets_aside("set aside: whether the ticket is open is not known", share="warned"),
    "same ticket": _sets_aside("one is kept, a closed one before an open one", share=""),
    "ticket of nobody in the other tables": Check("kept: follow-ups list its customer", share="warned"),
    # Invitations
    "unreadable date of an answer": _sets_aside("set aside: whether it was answered is not known", share="warned"),
    "answered before it was asked": _sets_aside("set aside: whether it was answered is not known", share="warned"),
    "same invitation": _sets_aside("one is kept, an answered one before another", share=""),
    "asked before the data begin": Check("left out of response rates", sets_aside=True),
    "still open to an answer": Check("in no response rate until its 14 days are over"),
    # Times
    "ambiguous local time": Check("shown twice by clocks put back: read as the first"),
    "nonexistent local time": Check("skipped by clocks put forward: moved forward"),
    "dated in the future": Check(
        "not counted, since as_of is by itself no later than today: correct the date or set as_of<; {money}>",
        sets_aside=True,
        share="warned",
    ),
    "dated in the future, before as_of": Check("counted, since as_of is later than today<; {money}>", share="warned"),
    "after the as-of date": Check("not known yet at the as-of date<; {money}>", sets_aside=True),
    "no usable row": Check("as if the table were not there: its figures are absent"),
}


def get_check(name: str) -> Check:
    """The check of a row of the quality frame; the reasons of `leave_out` have names of the user."""
    return CHECKS["left out" if name.startswith("left out: ") else name]


def sets_aside(check: str) -> bool:
    """Whether a check excludes its rows from all figures: rows read = rows used + rows excluded by checks."""
    return get_check(check).sets_aside


class Finding(NamedTuple):
    """A finding from reading a source: the check's name in the quality frame, its rows, and details."""

    check: str
    rows: int
    detail: str = ""
    examples: tuple[tuple[int, str], ...] = ()  # line, or row of a sheet, and text of the first rows concerned
    file: str = ""  # that they stand in
