"""A second opinion: the metrics of the definitions, computed from raw tables the slow and obvious way.

It shares no code with the package. Money is exact (`Fraction`), states are looked up customer by customer and
boundary by boundary, and nothing is kept but the cleaned tables. Undefined is None.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

import pandas as pd

from oracle_tables import Answer, Books, Purchase

CUSTOMER_METRICS = (
    *("customers_at_start", "customers_at_end", "active_customers", "new_customers", "reactivated_customers"),
    *("lost_customers", "customer_retention_rate", "customer_churn_rate", "customer_lifetime_value"),
)
ORDER_METRICS = (
    *("repeat_purchase_rate", "average_purchase_value", "purchase_frequency"),
    *("revenue", "average_revenue_per_customer"),
)
MRR_METRICS = ("mrr", "net_new_mrr")
SURVEY_METRICS = ("net_promoter_score", "customer_satisfaction_score")
METRICS = CUSTOMER_METRICS + ORDER_METRICS + MRR_METRICS + SURVEY_METRICS

# Calendar


def bounds(label: str) -> tuple[date, date]:
    """First day of the period and of the one after it: 2011-11, 2011-Q4, 2011-W45, 2011."""
    year, _, part = label.partition("-")
    year = int(year)
    if not part:
        return date(year, 1, 1), date(year + 1, 1, 1)
    if part.startswith("W"):
        monday = date.fromisocalendar(year, int(part[1:]), 1)
        return monday, monday + timedelta(days=7)
    length = 3 if part.startswith("Q") else 1
    start = date(year, (int(part[1:]) - 1) * 3 + 1 if length == 3 else int(part), 1)
    return start, months_later(start, length)


def months_later(day: date, months: int) -> date:
    """The same day of another month, or that month's last day."""
    later = pd.Timestamp(day) + pd.DateOffset(months=months)
    return later.date()


def label_of(day: date, every: str) -> str:
    if every == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return {
        "month": f"{day:%Y-%m}",
        "quarter": f"{day.year}-Q{(day.month + 2) // 3}",
        "year": f"{day.year}",
    }[every]


def every_of(label: str) -> str:
    return "week" if "W" in label else "quarter" if "Q" in label else "month" if "-" in label else "year"


def periods_between(first: date, last: date, every: str) -> list[str]:
    labels = [label_of(first, every)]
    while (following := bounds(labels[-1])[1]) <= last:
        labels.append(label_of(following, every))
    return labels


def all_periods(books: Books, every: str) -> list[str]:
    """From the first event of the basis to the day before as_of."""
    return periods_between(min(first_paid(books).values()), books.as_of - timedelta(days=1), every)


# States


def segment_of(books: Books, segment: str | None, end: date):
    """A function that names the part that a row belongs to in the period that ends there."""
    if segment is None:
        return lambda _: ""
    last = {}
    for row in sorted(books.rows, key=lambda row: row.at):
        if row.customer and segment in row.columns and row.day < end:
            last[row.customer] = row.columns[segment]
    return lambda row: (last.get(row.customer) if row.customer else row.columns.get(segment)) or "(none)"


def purchases_between(books: Books, start: date, end: date) -> list[Purchase]:
    return [p for p in books.purchases if start <= p.day < end]


def buyers(purchases: list[Purchase]) -> set[str]:
    return {p.customer for p in purchases if p.customer}


def mrr_at(books: Books, boundary: date) -> dict[str, int]:
    """Twelfths of a cent by customer, just before the day begins."""
    mrr, midnight = Counter(), books.midnight(boundary)
    for spell in books.spells:
        if spell.at < midnight <= spell.end:
            mrr[spell.customer] += spell.twelfths
    return mrr


def money(twelfths: int) -> Fraction:
    return Fraction(twelfths, 1200)


def first_paid(books: Books) -> dict[str, date]:
    """The day on which each customer of the basis paid for the first time."""
    rows = books.purchases if books.basis == "orders" else books.spells
    return {row.customer: row.day for row in sorted(rows, key=lambda row: row.day, reverse=True) if row.customer}


def customers_of(books: Books, label: str) -> tuple[set[str], set[str], set[str]]:
    """S, E and the customers who paid before the period began."""
    start, end = bounds(label)
    before = {c for c, day in first_paid(books).items() if day < start}
    if books.basis == "orders":
        earlier = bounds(label_of(start - timedelta(days=1), every_of(label)))
        return buyers(purchases_between(books, *earlier)), buyers(purchases_between(books, start, end)), before
    return set(mrr_at(books, start)), set(mrr_at(books, min(end, books.as_of))), before


def active_in(books: Books, label: str) -> set[str]:
    """With a purchase, or paying at any time, in the period."""
    start, end = bounds(label)
    if books.basis == "orders":
        return buyers(purchases_between(books, start, end))
    midnight = books.midnight(start)
    return {s.customer for s in books.spells if s.day < end and s.end > midnight}


# Figures


def ratio(numerator, denominator) -> Fraction | None:
    return Fraction(numerator) / denominator if denominator else None


def figures(books: Books, label: str, segment: str | None = None) -> dict[str, dict[str, Fraction | None]]:
    """Every metric of the period by segment value; by "" for the whole."""
    start, end = bounds(label)
    end = min(end, books.as_of)
    part_of = segment_of(books, segment, end)
    parts = defaultdict(lambda: Books(books.zone, books.as_of, books.basis))
    for name in ("purchases", "spells", "answers"):
        for row in getattr(books, name):
            getattr(parts[part_of(row)], name).append(row)
    return {part: whole(own, label, start, end, first_month(books)) for part, own in parts.items()}


def first_month(books: Books) -> str:
    return label_of(min(first_paid(books).values()), "month")


def whole(books: Books, label: str, start: date, end: date, data_begin: str) -> dict[str, Fraction | None]:
    at_start, at_end, before = customers_of(books, label)
    bought = purchases_between(books, start, end)
    named = [p for p in bought if p.customer]
    orders_of = Counter(p.customer for p in named)
    spent = Fraction(sum(p.cents for p in named), 100)
    mrr, mrr_before = mrr_at(books, end).total(), mrr_at(books, start).total()
    return {
        "customers_at_start": len(at_start),
        "customers_at_end": len(at_end),
        "active_customers": len(active_in(books, label)),
        "new_customers": len(at_end - at_start - before),
        "reactivated_customers": len((at_end - at_start) & before),
        "lost_customers": len(at_start - at_end),
        "customer_retention_rate": ratio(len(at_start & at_end), len(at_start)),
        "customer_churn_rate": ratio(len(at_start - at_end), len(at_start)),
        "repeat_purchase_rate": ratio(sum(n > 1 for n in orders_of.values()), len(orders_of)),
        "average_purchase_value": ratio(spent, len(named)),
        "purchase_frequency": ratio(len(named), len(orders_of)),
        "revenue": Fraction(sum(p.cents for p in bought), 100),
        "average_revenue_per_customer": ratio(spent, len(orders_of)),
        "customer_lifetime_value": lifetime_value(books, end, data_begin),
        "mrr": money(mrr),
        "net_new_mrr": money(mrr - mrr_before),
        "net_promoter_score": promoter_score(answers_of(books, "nps", start, end)),
        "customer_satisfaction_score": satisfaction(answers_of(books, "csat", start, end)),
    }


def lifetime_value(books: Books, end: date, data_begin: str) -> Fraction | None:
    """Revenue a customer and year (subscriptions: month) over the share lost a year (a month)."""
    if books.basis == "subscriptions":
        states = [mrr_at(books, months_later(end, -ago)) for ago in range(12, -1, -1)]
        lost = sum(len(set(earlier) - set(later)) for earlier, later in pairwise(states))
        revenue = ratio(money(sum(state.total() for state in states[1:])), sum(map(len, states[1:])))
        monthly_loss = ratio(lost, sum(map(len, states[:-1])))
        return revenue / monthly_loss if revenue and monthly_loss else None
    year_ago, two_years_ago = months_later(end, -12), months_later(end, -24)
    if data_begin > label_of(two_years_ago, "month"):
        return None
    recent = [p for p in purchases_between(books, year_ago, end) if p.customer]
    earlier = buyers(purchases_between(books, two_years_ago, year_ago))
    kept = ratio(len(earlier & buyers(recent)), len(earlier))
    if kept is None or kept == 1 or not recent:
        return None
    return Fraction(sum(p.cents for p in recent), 100) / len(buyers(recent)) / (1 - kept)


def answers_of(books: Books, survey: str, start: date, end: date) -> list[Answer]:
    """Guests' answers, and the last of each customer."""
    found = [a for a in books.answers if a.survey == survey and start <= a.day < end]
    last = {a.customer: a for a in sorted(found, key=lambda a: a.at) if a.customer}
    return [a for a in found if not a.customer] + list(last.values())


def promoter_score(answers: list[Answer]) -> Fraction | None:
    promoters = sum(a.weight for a in answers if a.score >= 9)
    detractors = sum(a.weight for a in answers if a.score <= 6)
    return ratio(100 * (promoters - detractors), sum(a.weight for a in answers))


def satisfaction(answers: list[Answer]) -> Fraction | None:
    """The share of the two highest boxes of the scale."""
    top = sum(a.weight for a in answers if a.score >= int(a.scale.split("-")[1]) - 1)
    return ratio(top, sum(a.weight for a in answers))


def customer_movements(books: Books, label: str) -> dict[str, int]:
    at_start, at_end, before = customers_of(books, label)
    return {
        "start": len(at_start),
        "new": len(at_end - at_start - before),
        "reactivated": len((at_end - at_start) & before),
        "lost": len(at_start - at_end),
        "retained": len(at_start & at_end),
        "end": len(at_end),
    }


def mrr_movements(books: Books, label: str) -> dict[str, Fraction]:
    start, end = bounds(label)
    opening, closing = mrr_at(books, start), mrr_at(books, min(end, books.as_of))
    before = {spell.customer for spell in books.spells if spell.day < start}
    moved = Counter()
    for customer in opening.keys() | closing.keys():
        was, now = opening[customer], closing[customer]
        if not was:
            moved["reactivation" if customer in before else "new"] += now
        elif not now:
            moved["churned"] += was
        else:
            moved["expansion" if now > was else "contraction"] += abs(now - was)
    kinds = ("new", "expansion", "contraction", "churned", "reactivation", "fx")
    totals = {"start": opening.total(), **{kind: moved[kind] for kind in kinds}, "end": closing.total()}
    return {name: money(twelfths) for name, twelfths in totals.items()}


def cohorts(books: Books, every: str) -> dict[tuple[str, int], tuple[int, int]]:
    """Size and active customers by cohort (period of the first payment) and age; unobserved cells are left out."""
    cohort_of = {customer: label_of(day, every) for customer, day in first_paid(books).items()}
    size = Counter(cohort_of.values())
    labels = all_periods(books, every)
    cells = {}
    for place, label in enumerate(labels):
        active = Counter(cohort_of[customer] for customer in active_in(books, label))
        for born in range(place + 1):
            if size[labels[born]]:
                cells[labels[born], place - born] = (size[labels[born]], active[labels[born]])
    return cells


# Comparison


def differences(scorecard: pd.DataFrame, books: Books, segment: str | None = None) -> list[str]:
    """One line for each figure of the scorecard that is not the oracle's, and for each part that it lacks.

    Counts must be equal, rates and money to 1e-9 of their size; undefined must be undefined.
    """
    found = scorecard[scorecard["segment"] == segment] if segment else scorecard
    wanted = {label: figures(books, label, segment) for label in found["period"].unique()}
    lines = []
    for row in found.itertuples():
        value = None if pd.isna(row.value) else row.value
        expected = wanted[row.period].get(row.segment_value if segment else "", {}).get(row.metric, "no such part")
        if not same(value, expected):
            lines.append(f"{row.metric} {row.period} {row.segment_value}: {value}, the oracle says {expected}")
    shown = set(zip(found["period"], found["segment_value"] if segment else [""] * len(found), strict=True))
    for label, parts in wanted.items():
        lines += [
            f"{label}: no part {part}" for part in parts if (label, part) not in shown and any(parts[part].values())
        ]
    return lines


def same(value: float | None, expected: Fraction | int | str | None) -> bool:
    if expected == "no such part":
        return not value
    if value is None or expected is None:
        return value is expected
    return value == expected if isinstance(expected, int) else math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-9)
