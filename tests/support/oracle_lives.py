"""A second opinion on forecasts: customer by customer, by the textbook forms of the models' formulas.

It shares no code with the package: BG/NBD by equations 6, 8 and 10 of Fader, Hardie and Lee (2005), Gamma-Gamma by
those of Fader and Hardie (2013), fitted without gradients. So its parameters agree to about six digits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1

from oracle import segment_of
from oracle_calendar import months_later
from oracle_tables import Books

METRICS = ("predicted_lifetime_value", "customers_at_risk")
DAYS_OF_A_MONTH = 365.25 / 12


def buyers(books: Books, end: date) -> dict[str, dict[str, float]]:
    """Of each customer: repeat days, weeks from the first day to the last and to the cut, money of repeat days, and of
    the year to the last day.
    """
    days: dict[str, Counter] = defaultdict(Counter)
    for bought in books.purchases:
        if bought.customer and bought.day < end:
            days[bought.customer][bought.day] += bought.cents
    by_customer = {}
    for customer, spent in days.items():
        first, last = min(spent), max(spent)
        a_year = months_later(last, -12)
        by_customer[customer] = {
            "x": len(spent) - 1,
            "t": (last - first).days / 7,
            "T": ((end - first).days - 1) / 7,
            "repeat": float(sum(spent.values()) - spent[first]) / 100,
            "recent": float(sum(cents for day, cents in spent.items() if day > a_year)) / 100,
        }
    return by_customer


def maximum(log_likelihood: Callable[[np.ndarray], float], start: list[float]) -> np.ndarray:
    """The parameters, by a simplex over their logarithms and then Newton's method with differences."""
    at = minimize(lambda theta: -log_likelihood(theta), np.log(start), method="Nelder-Mead", options={"maxfev": 2000}).x
    step = 1e-3
    for _ in range(4):
        unit = np.eye(len(at)) * step
        slope = np.array([log_likelihood(at + row) - log_likelihood(at - row) for row in unit]) / (2 * step)
        curve = np.array(
            [
                [
                    log_likelihood(at + row + column)
                    - log_likelihood(at + row - column)
                    - log_likelihood(at - row + column)
                    + log_likelihood(at - row - column)
                    for column in unit
                ]
                for row in unit
            ]
        ) / (4 * step**2)
        at = at - np.linalg.solve(curve, slope)
    return np.exp(at)


def bg_nbd(x: np.ndarray, t: np.ndarray, T: np.ndarray) -> np.ndarray:
    def log_likelihood(theta: np.ndarray) -> float:
        r, alpha, a, b = np.exp(theta)
        common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - betaln(a, b)
        alive = betaln(a, b + x) - (r + x) * np.log(alpha + T)
        again = x > 0
        left = betaln(a + 1, b + x[again] - 1) - (r + x[again]) * np.log(alpha + t[again])
        alive[again] = np.logaddexp(alive[again], left)
        return float((common + alive).sum())

    return maximum(log_likelihood, [0.5, 5, 0.5, 2])


def gamma_gamma(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    def log_likelihood(theta: np.ndarray) -> float:
        p, q, v = np.exp(theta)
        return float(
            (
                gammaln(p * x + q)
                - gammaln(p * x)
                - gammaln(q)
                + q * np.log(v)
                + (p * x - 1) * np.log(m)
                + p * x * np.log(x)
                - (p * x + q) * np.log(v + m * x)
            ).sum()
        )

    return maximum(log_likelihood, [2, 3, float(m.mean())])


def figures(books: Books, end: date, segment: str | None = None, discount: float = 0.1, months: int = 12) -> dict:
    """The two metrics at a date, by segment value."""
    each = buyers(books, end)
    x, t, T, repeat = (
        np.array([customer[name] for customer in each.values()], float) for name in ("x", "t", "T", "repeat")
    )
    r, alpha, a, b = bg_nbd(x, t, T)
    silent = ((alpha + T) / (alpha + t)) ** (r + x)
    odds_left = np.where(x > 0, a / (b + np.maximum(x, 1) - 1) * silent, 0)

    def expected(weeks: float) -> np.ndarray:
        z = weeks / (alpha + T + weeks)
        alive = 1 - (1 - z) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, z)
        return (a + b + x - 1) / (a - 1) * alive / (1 + odds_left)

    again = (x > 0) & (repeat > 0)
    p, q, v = gamma_gamma(x[again], repeat[again] / x[again])
    weight = p * x / (p * x + q - 1)
    spend = (1 - weight) * p * v / (q - 1) + weight * repeat / np.maximum(x, 1)
    ends = [month * DAYS_OF_A_MONTH / 7 for month in range(1, months + 1)]
    value, before = np.zeros(len(x)), np.zeros(len(x))
    for month, now in enumerate(map(expected, ends), 1):
        value, before = value + (now - before) / (1 + discount) ** (month / 12), now
    no_purchase = 1 - (1 - ((alpha + T) / (alpha + T + ends[-1])) ** (r + x)) / (1 + odds_left)
    overdue = ((alpha + t) / (alpha + T)) ** (r + x) < 0.5  # the chance that a gap is longer still
    at_risk = (x > 0) & overdue & (no_purchase >= 0.5)
    last = {row.customer: row for row in books.rows_in_time if row.customer and row.day < end}
    part_of = segment_of(books, segment, end)
    part = np.array([part_of(last[customer]) for customer in each])
    return {
        segment_value: {
            "predicted_lifetime_value": float((value * spend)[part == segment_value].mean()),
            "customers_at_risk": int(at_risk[part == segment_value].sum()),
            "at_stake": float(
                (no_purchase * np.array([c["recent"] for c in each.values()]))[(part == segment_value) & at_risk].sum()
            ),
        }
        for segment_value in np.unique(part)
    }
