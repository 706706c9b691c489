"""A second opinion: the metrics of the definitions, computed from raw tables the slow and obvious way.

It shares no code with the package. Money is exact (`Fraction`), states are looked up customer by customer and
boundary by boundary, and nothing is kept but the cleaned tables. Undefined is None.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

import pandas as pd

from oracle_calendar import bounds, day_after, every_of, label_of, months_later, periods_between
from oracle_money import change_days, money, mrr_at, mrr_figures, paying_lifespan, ratio, running
from oracle_tables import Answer, Books, Purchase

CUSTOMER_METRICS = (
    *("customers_at_start", "customers_at_end", "active_customers", "new_customers", "reactivated_customers"),
    *("lost_customers", "early_churned_customers", "customer_retention_rate", "customer_churn_rate"),
)
LIFETIME_METRICS = ("customer_lifespan", "customer_lifetime_value")  # of the twelve or 24 months before
ORDER_METRICS = (
    *("repeat_purchase_rate", "returning_customer_rate", "average_purchase_value", "purchase_frequency"),
    *("revenue", "guest_revenue", "refunds", "net_revenue", "average_revenue_per_customer"),
)
MRR_METRICS = (
    *("mrr", "net_new_mrr", "gross_revenue_churn_rate", "net_revenue_churn_rate", "gross_revenue_retention"),
    *("net_revenue_retention", "quick_ratio", "average_revenue_per_account"),
)
SURVEY_METRICS = (*("net_promoter_score", "customer_satisfaction_score", "customer_effort_score", "response_count"),)
SWIFT_METRICS = CUSTOMER_METRICS + ORDER_METRICS + MRR_METRICS + SURVEY_METRICS
METRICS = SWIFT_METRICS + LIFETIME_METRICS


def all_periods(books: Books, every: str) -> list[str]:
    """From the first event of the basis to the day before as_of."""
    return periods_between(books.begin, books.as_of - timedelta(days=1), every)


# States


def segment_of(books: Books, segment: str | None, end: date):
    """A function that names the part that a row belongs to in the period that ends there."""
    if segment is None:
        return lambda _: ""
    last = {}
    for row in books.rows_in_time:
        if segment in row.columns and row.day < end:
            last[row.customer] = row.columns[segment]
    return lambda row: (last.get(row.customer) if row.customer else row.columns.get(segment)) or "(none)"


def purchases_between(books: Books, start: date, end: date) -> list[Purchase]:
    days, purchases = books.purchases_by_day
    return purchases[bisect_left(days, start) : bisect_left(days, end)]


def buyers(purchases: list[Purchase]) -> set[str]:
    return {p.customer for p in purchases if p.customer}


def customers_of(books: Books, label: str) -> tuple[set[str], set[str]]:
    """S and E."""
    start, end = bounds(label)
    if books.rules.basis == "orders" and not books.rules.inactivity_days:
        earlier = bounds(label_of(start - timedelta(days=1), every_of(label)))
        return buyers(purchases_between(books, *earlier)), buyers(purchases_between(books, start, end))
    return customers_at(books, start), customers_at(books, min(end, books.as_of))


def customers_at(books: Books, boundary: date) -> set[str]:
    """Paying at the boundary, or with a purchase on one of the last days before it."""
    if books.rules.basis == "orders":
        return buyers(purchases_between(books, boundary - timedelta(days=books.rules.inactivity_days), boundary))
    return set(mrr_at(books, boundary))


def active_in(books: Books, label: str) -> set[str]:
    """With a purchase, or paying at any time, in the period."""
    start, end = bounds(label)
    if books.rules.basis == "orders":
        return buyers(purchases_between(books, start, end))
    midnight = books.midnight(start)
    return {s.customer for s in books.spells if s.day < end and s.end > midnight}


def movement_counts(books: Books, start: date, end: date) -> Counter:
    """How often a customer came or went on some day from start to before end, judged at the ends of the days."""
    counts = Counter()
    for customer, first in books.first_paid.items():
        for day in turning_days(books, customer):
            if not start <= day < end:
                continue
            was, now = is_customer(books, customer, day), is_customer(books, customer, day_after(day))
            if was and not now:
                counts["lost"] += 1
            spells = books.spells_of[customer] if books.rules.basis == "subscriptions" else []
            within = any(spell.day == day and spell.end < books.midnight(day_after(day)) for spell in spells)
            passed = within and not was and not now
            if passed:
                counts["lost"] += 1
            if passed or (now and not was):
                counts["new" if first == day else "reactivated"] += 1
    return counts


def turning_days(books: Books, customer: str) -> set[date]:
    """The days on which a customer may come or go."""
    if books.rules.basis == "subscriptions":
        return change_days(books, books.spells_of[customer])
    days = books.purchase_days[customer]
    return {*days, *(day + timedelta(days=books.rules.inactivity_days) for day in days)}


def is_customer(books: Books, customer: str, boundary: date) -> bool:
    if books.rules.basis == "subscriptions":
        return bool(running(books.spells_of[customer], books, boundary))
    earliest = boundary - timedelta(days=books.rules.inactivity_days)
    return any(earliest <= day < boundary for day in books.purchase_days[customer])


def customer_movements(books: Books, label: str) -> dict[str, int]:
    at_start, at_end = customers_of(books, label)
    start, end = bounds(label)
    before = {customer for customer, day in books.first_paid.items() if day < start}
    movements = {
        "new": len(at_end - at_start - before),
        "reactivated": len((at_end - at_start) & before),
        "lost": len(at_start - at_end),
    }
    by_state = books.rules.basis == "subscriptions" or books.rules.inactivity_days
    if books.rules.churn_mode == "event" and by_state:
        counted = movement_counts(books, start, min(end, books.as_of))
        movements = {kind: counted[kind] for kind in movements}
    return {"start": len(at_start), **movements, "retained": len(at_start & at_end), "end": len(at_end)}


def early_churned(books: Books, label: str) -> int:
    """Who paid for the first time in the period and is a customer at neither of its ends, in whatever mode."""
    start, end = bounds(label)
    at_start, at_end = customers_of(books, label)
    return len({customer for customer, day in books.first_paid.items() if start <= day < end} - at_start - at_end)


# Figures


def figures(books: Books, label: str, segment: str | None = None) -> dict[str, dict[str, Fraction | None]]:
    """Every metric of the period by segment value; by "" for the whole. Computed once for books that have been read."""
    known = vars(books).setdefault("figures", {})
    if (label, segment) not in known:
        known[label, segment] = _figures(books, label, segment)
    return known[label, segment]


def _figures(books: Books, label: str, segment: str | None) -> dict[str, dict[str, Fraction | None]]:
    start, end = bounds(label)
    end = min(end, books.as_of)
    part_of = segment_of(books, segment, end)
    tables = ("purchases", "refunds", "spells", "pauses", "answers")
    parts = defaultdict(lambda: replace(books, **{name: [] for name in tables}))
    for name in tables:
        for row in getattr(books, name):
            if row.day < end or name == "pauses":
                getattr(parts[part_of(row)], name).append(row)
    data_begin = label_of(books.begin, "month")
    return {part: metric_values(own, label, start, end, data_begin) for part, own in parts.items()}


def metric_values(books: Books, label: str, start: date, end: date, data_begin: str) -> dict[str, Fraction | None]:
    movements = customer_movements(books, label)
    values = {
        "customers_at_start": movements["start"],
        "customers_at_end": movements["end"],
        "active_customers": len(active_in(books, label)),
        "new_customers": movements["new"],
        "reactivated_customers": movements["reactivated"],
        "lost_customers": movements["lost"],
        "early_churned_customers": early_churned(books, label),
        "customer_retention_rate": ratio(movements["retained"], movements["start"]),
        "customer_churn_rate": ratio(movements["lost"], movements["start"]),
        **dict(zip(LIFETIME_METRICS, lifetime(books, end, data_begin), strict=True)),
        **order_figures(books, start, end),
        **mrr_figures(books, label),
        **survey_figures(books, start, end),
    }
    if books.rules.min_n == 1:
        return values
    few = {metric for metric, n in sizes(books, label, start, end).items() if n < books.rules.min_n}
    return {metric: None if metric in few else value for metric, value in values.items()}


def sizes(books: Books, label: str, start: date, end: date) -> dict[str, int]:
    """How many each rate and mean is of, where that is plain."""
    named = [p for p in purchases_between(books, start, end) if p.customer]
    at_start = len(customers_of(books, label)[0])
    surveys = {"net_promoter_score": "nps", "customer_satisfaction_score": "csat", "customer_effort_score": "ces"}
    return {
        **dict.fromkeys(("customer_retention_rate", "customer_churn_rate"), at_start),
        **dict.fromkeys(("repeat_purchase_rate", "returning_customer_rate"), len(buyers(named))),
        **dict.fromkeys(("purchase_frequency", "average_revenue_per_customer"), len(buyers(named))),
        "average_purchase_value": len(named),
        "average_revenue_per_account": len(mrr_at(books, end)),
        **{metric: len(answers_of(books, survey, start, end)) for metric, survey in surveys.items()},
    }


def order_figures(books: Books, start: date, end: date) -> dict[str, Fraction | None]:
    bought = purchases_between(books, start, end)
    named = [p for p in bought if p.customer]
    orders_of = Counter(p.customer for p in named)
    days_of = Counter(customer for customer, _ in {(p.customer, p.day) for p in named})
    purchases_of = days_of if books.rules.count == "days" else orders_of
    spent, revenue = (Fraction(sum(p.cents for p in some)) / 100 for some in (named, bought))
    refunds = Fraction(sum(r.cents for r in books.refunds if start <= r.day < end)) / 100
    return {
        "repeat_purchase_rate": ratio(sum(n > 1 for n in purchases_of.values()), len(orders_of)),
        "returning_customer_rate": ratio(sum(returned(books, c, start, end) for c in orders_of), len(orders_of)),
        "average_purchase_value": ratio(spent, len(named)),
        "purchase_frequency": ratio(len(named), len(orders_of)),
        "revenue": revenue,
        "guest_revenue": revenue - spent,
        "refunds": refunds,
        "net_revenue": revenue - refunds,
        "average_revenue_per_customer": ratio(spent, len(orders_of)),
    }


def returned(books: Books, customer: str, start: date, end: date) -> bool:
    """Whether a buyer bought before the window too; or, as Shopify has it, more than once by its end."""
    if books.rules.returning == "shopify":
        return sum(day < end for day in books.purchase_days[customer]) > 1
    return books.first_purchase[customer] < start


def lifetime(books: Books, end: date, data_begin: str) -> tuple[Fraction | None, Fraction | None]:
    """Lifespan in years, and the revenue of a customer and year over it."""
    if books.rules.basis == "subscriptions":
        years, monthly = paying_lifespan(books, end)
        yearly = monthly and monthly * 12
    else:
        years, yearly = buying_lifespan(books, end, data_begin)
    fixed = books.rules.lifespan_years
    years = Fraction(fixed) if fixed else years
    return years, years * yearly if years and yearly is not None else None


def buying_lifespan(books: Books, end: date, data_begin: str) -> tuple[Fraction | None, Fraction | None]:
    """Years that the share who came back after a year implies, and the yearly revenue of a buyer."""
    year_ago, two_years_ago = months_later(end, -12), months_later(end, -24)
    recent = [p for p in purchases_between(books, year_ago, end) if p.customer]
    yearly = ratio(Fraction(sum(p.cents for p in recent)) / 100, len(buyers(recent)))
    if data_begin > label_of(two_years_ago, "month"):
        return None, yearly
    earlier = buyers(purchases_between(books, two_years_ago, year_ago))
    lost = ratio(len(earlier - buyers(recent)), len(earlier))
    return (1 / lost if lost else None), yearly


def answers_of(books: Books, survey: str, start: date, end: date) -> list[Answer]:
    """Guests' answers, and the last of each customer, or all."""
    answers = [a for a in books.answers if a.survey == survey and start <= a.day < end]
    if books.rules.answers == "all":
        return answers
    last = {a.customer: a for a in sorted(answers, key=lambda a: a.at) if a.customer}
    return [a for a in answers if not a.customer] + list(last.values())


def survey_figures(books: Books, start: date, end: date) -> dict[str, Fraction | None]:
    nps, csat, ces = (answers_of(books, survey, start, end) for survey in ("nps", "csat", "ces"))
    easy = books.rules.ces_top
    return {
        "net_promoter_score": promoter_score(nps),
        "customer_satisfaction_score": top_boxes(csat, books.rules.csat_top),
        "customer_effort_score": mean_score(ces) if easy == "mean" else top_boxes(ces, easy),
        "response_count": len(nps) + len(csat) + len(ces),
    }


def promoter_score(answers: list[Answer]) -> Fraction | None:
    promoters = sum(a.weight for a in answers if a.score >= 9)
    detractors = sum(a.weight for a in answers if a.score <= 6)
    return ratio(100 * (promoters - detractors), sum(a.weight for a in answers))


def top_boxes(answers: list[Answer], boxes: int) -> Fraction | None:
    """The share of the highest boxes of the scale."""
    top = sum(a.weight for a in answers if a.score > int(a.scale.split("-")[1]) - boxes)
    return ratio(top, sum(a.weight for a in answers))


def mean_score(answers: list[Answer]) -> Fraction | None:
    return ratio(sum(a.weight * a.score for a in answers), sum(a.weight for a in answers))


def cohorts(books: Books, every: str) -> dict[tuple[str, int], tuple[int, int, Fraction]]:
    """Size, active customers and revenue by cohort (period of the first payment) and age; unobserved ones left out."""
    first = {customer: day for customer, day in books.first_paid.items() if customer not in books.known}
    cohort_of = {customer: label_of(day, every) for customer, day in first.items()}
    size = Counter(cohort_of.values())
    labels = all_periods(books, every)
    cells = {}
    for index, label in enumerate(labels):
        active = Counter(cohort_of[customer] for customer in active_in(books, label) if customer in first)
        revenue = Counter()
        for customer, amount in revenue_of(books, label):
            revenue[cohort_of.get(customer)] += amount
        for born in range(index + 1):
            cohort = labels[born]
            if size[cohort]:
                cells[cohort, index - born] = (size[cohort], active[cohort], Fraction(revenue[cohort]))
    return cells


def revenue_of(books: Books, label: str) -> list[tuple[str, Fraction]]:
    """What customers bought in the period; of subscriptions, their MRR at its end."""
    start, end = bounds(label)
    if books.rules.basis == "orders":
        return [(p.customer, Fraction(p.cents) / 100) for p in purchases_between(books, start, end) if p.customer]
    return [(customer, money(mrr)) for customer, mrr in mrr_at(books, min(end, books.as_of)).items()]


# Comparison


def differences(
    scorecard: pd.DataFrame, books: Books, segment: str | None = None, tolerance: float = 1e-9
) -> list[str]:
    """One line for each figure of the scorecard that is not the oracle's, and for each part that it lacks.

    Counts must be equal, rates and money to the tolerance of their size; undefined must be undefined.
    """
    rows = scorecard[scorecard["segment"] == segment] if segment else scorecard
    by_label = {label: figures(books, label, segment) for label in rows["period"].unique()}
    lines = []
    for row in rows.itertuples():
        value = None if pd.isna(row.value) else row.value
        expected = by_label[row.period].get(row.segment_value if segment else "", {}).get(row.metric, "no such part")
        if not same(value, expected, tolerance):
            lines.append(f"{row.metric} {row.period} {row.segment_value}: {value}, the oracle says {expected}")
    present = set(zip(rows["period"], rows["segment_value"] if segment else [""] * len(rows), strict=True))
    metrics = rows["metric"].unique()
    for label, parts in by_label.items():
        for part, own in parts.items():
            if (label, part) not in present and any(own[metric] for metric in metrics):
                lines.append(f"{label}: no part {part}")
    return lines


def same(value: float | None, expected: Fraction | int | str | None, tolerance: float = 1e-9) -> bool:
    if expected == "no such part":
        return not value
    if value is None or expected is None:
        return value is expected
    if isinstance(expected, int):
        return value == expected
    return math.isclose(value, expected, rel_tol=tolerance, abs_tol=tolerance)
