"""The oracle's subscription revenue: states at a boundary, what moved between two, and why it left. It shares no code
with the package. MRR is in twelfths of a cent until it is shown.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

from oracle_calendar import bounds, day_after, months_later
from oracle_tables import Books, Spell

KINDS = ("new", "expansion", "contraction", "churned", "reactivation", "fx")


def ratio(numerator, denominator) -> Fraction | None:
    return Fraction(numerator) / denominator if denominator else None


def money(twelfths) -> Fraction:
    return Fraction(twelfths) / 1200


def running(spells: list[Spell], books: Books, boundary: date) -> list[Spell]:
    """Those that are paid for just before the day begins."""
    midnight = books.midnight(boundary)
    return [spell for spell in spells if spell.at < midnight <= spell.end]


def worth(spells: list[Spell], books: Books, boundary: date) -> Fraction | int:
    """Their MRR at the last rates before the day."""
    return sum(spell.twelfths * books.rate(spell.currency, boundary) for spell in spells)


def mrr_at(books: Books, boundary: date) -> dict[str, Fraction | int]:
    """By customer, just before the day begins."""
    mrr = Counter()
    for spell in running(books.spells, books, boundary):
        mrr[spell.customer] += worth([spell], books, boundary)
    return mrr


def change_days(books: Books, spells: list[Spell]) -> set[date]:
    """The local days at whose end what runs may differ from the day before."""
    return {books.local_day(at) for spell in spells for at in (spell.at, min(spell.end, books.midnight(books.as_of)))}


def steps(books: Books, spells: list[Spell], start: date, end: date, mode: str) -> list[tuple[date, date]]:
    """The boundaries to compare: the period's own, or by event those of every day on which something changed."""
    days = {day for day in change_days(books, spells) if start <= day < end} if mode == "event" else set()
    return list(pairwise(sorted({start, end, *days, *map(day_after, days)})))


def mrr_movements(books: Books, label: str, mode: str) -> dict[str, Fraction]:
    """By kind, between the period's start and its end ("snapshot") or over each of its days ("event")."""
    start, end = bounds(label)
    end = min(end, books.as_of)
    movements = Counter()
    for customer, spells in books.spells_of.items():
        for earlier, later in steps(books, spells, start, end, mode):
            movements.update(movement(books, spells, earlier, later, books.first_spell[customer] < earlier))
    totals = {"start": sum(mrr_at(books, start).values()), **{kind: movements[kind] for kind in KINDS}}
    return {name: money(amount) for name, amount in (totals | {"end": sum(mrr_at(books, end).values())}).items()}


def movement(books: Books, spells: list[Spell], earlier: date, later: date, known: bool) -> dict[str, Fraction | int]:
    """One customer's, from boundary to boundary; what new rates do to the MRR that stood at the first is fx."""
    before, after = running(spells, books, earlier), running(spells, books, later)
    was, now = worth(before, books, earlier), worth(after, books, later)
    if not before:
        return {"reactivation" if known else "new": now}
    if not after:
        return {"churned": was}
    fx = worth(before, books, later) - was
    changed = now - was - fx
    return {"expansion" if changed > 0 else "contraction": abs(changed), "fx": fx}


def mrr_figures(books: Books, label: str) -> dict[str, Fraction | None]:
    movements = mrr_movements(books, label, books.rules.mrr_mode)
    start, down = movements["start"], movements["contraction"] + movements["churned"]
    won_back = movements["reactivation"] if books.rules.quick_ratio_reactivation else 0
    customers = len(mrr_at(books, min(bounds(label)[1], books.as_of)))
    retained, floor = retained_mrr(books, label)
    if books.rules.mrr_mode == "event":
        floor = start - down
    return {
        "mrr": movements["end"],
        "net_new_mrr": movements["new"] + movements["expansion"] + movements["reactivation"] - down,
        "gross_revenue_churn_rate": ratio(down, start),
        "net_revenue_churn_rate": ratio(down - movements["expansion"] - movements["reactivation"], start),
        "gross_revenue_retention": ratio(floor, start),
        "net_revenue_retention": ratio(retained, start),  # of the customers at the start, whatever the mode
        "quick_ratio": ratio(movements["new"] + movements["expansion"] + won_back, down),
        "average_revenue_per_account": ratio(movements["end"], customers),
    }


def retained_mrr(books: Books, label: str) -> tuple[Fraction, Fraction]:
    """What the customers of the start pay at the end, and that at most what each paid, both at the start's rates."""
    start, end = bounds(label)
    end, retained, floor = min(end, books.as_of), 0, 0
    for spells in books.spells_of.values():
        if before := running(spells, books, start):
            was, now = (worth(active, books, start) for active in (before, running(spells, books, end)))
            retained, floor = retained + now, floor + min(was, now)
    return money(retained), money(floor)


def paying_lifespan(books: Books, end: date) -> tuple[Fraction | None, Fraction | None]:
    """Years that the monthly churn of twelve months implies, and the monthly revenue of a customer over them."""
    states = [mrr_at(books, months_later(end, -ago)) for ago in range(12, -1, -1)]
    lost = sum(len(set(earlier) - set(later)) for earlier, later in pairwise(states))
    revenue = ratio(money(sum(sum(state.values()) for state in states[1:])), sum(map(len, states[1:])))
    monthly_churn = ratio(lost, sum(map(len, states[:-1])))
    return (1 / monthly_churn / 12 if monthly_churn else None), revenue


def churn_reasons(books: Books, label: str) -> dict[str, tuple[int, Fraction]]:
    """How many customers left and what MRR churned, by reason; each as its own mode counts it."""
    lost, churned = Counter(), Counter()
    for reason, _ in departures(books, label, books.rules.churn_mode):
        lost[reason] += 1
    for reason, mrr in departures(books, label, books.rules.mrr_mode):
        churned[reason] += mrr
    left = [reason for reason in lost.keys() | churned.keys() if lost[reason] or churned[reason]]
    return {reason: (lost[reason], money(churned[reason])) for reason in left}


def departures(books: Books, label: str, mode: str) -> list[tuple[str, Fraction | int]]:
    """Reason and MRR of everyone who pays at the first of two boundaries and not at the second; by event also, with no
    MRR, of who pays only within a day.
    """
    start, end = bounds(label)
    departed = []
    for customer, spells in books.spells_of.items():
        for earlier, later in steps(books, spells, start, min(end, books.as_of), mode):
            before = running(spells, books, earlier)
            within = [spell for spell in spells if books.midnight(earlier) <= spell.at < books.midnight(later)]
            if (before or (within and mode == "event")) and not running(spells, books, later):
                departed.append((reason(books, customer, later), worth(before, books, earlier)))
    return departed


def reason(books: Books, customer: str, end: date) -> str:
    """Of the spell that ended last; of two at once the larger."""
    ended = [spell for spell in books.spells_of[customer] if spell.end < books.midnight(end)]
    last = max(ended, key=lambda spell: (spell.end, worth([spell], books, end)))
    pauses = [pause.at - last.end for pause in books.pauses if pause.customer == customer]
    if any(timedelta(0) <= gap <= timedelta(hours=24) for gap in pauses):
        return "(paused)"
    return last.reason or "(none)"
