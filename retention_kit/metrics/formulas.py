"""The textbook formulas from totals, and the intervals of proportions; the metrics are built on them."""

from __future__ import annotations

from math import sqrt

from retention_kit.metrics.catalogue import Measure

Z95 = 1.959963984540054  # the 97.5% quantile of the normal distribution


def retention_rate(start: float, end: float, new: float) -> float | None:
    """(end - new) / start: the aggregate formula, as a fraction; None without customers at the start.

    It equals the share of the start's customers that stayed only if every new customer is still there at the end
    and nobody came back; otherwise it counts returning customers as retained and can pass 100%.
    """
    return _divide(end - new, start)


def churn_rate(lost: float, start: float) -> float | None:
    """lost / start, as a fraction; None without customers at the start."""
    return _divide(lost, start)


def repeat_purchase_rate(repeat: float, customers: float) -> float | None:
    """Customers with two or more purchases / customers with at least one, as a fraction; None without customers."""
    return _divide(repeat, customers)


def lifetime_value(purchase_value: float, frequency: float, lifespan: float) -> float:
    """Purchase value × purchases a year × years: revenue, undiscounted, before any cost."""
    return purchase_value * frequency * lifespan


def mrr(customers: float, revenue_per_customer: float) -> float:
    """Customers × their mean monthly revenue."""
    return customers * revenue_per_customer


def margin_multiple(retention: float, discount: float) -> float:
    """r / (1 + i - r), with the first margin one period from now. Source: Gupta and Lehmann (2003).

    With the first margin today the multiple is (1 + i) / (1 + i - r).
    """
    return retention / (1 + discount - retention)


def wilson(part: float, n: float) -> tuple[float, float]:
    """The 95% interval of a proportion part / n, as fractions. Source: Wilson (1927)."""
    p, z2 = part / n, Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def nps_interval(promoters: float, detractors: float, n: float, method: str = "adjusted") -> tuple[float, float]:
    """The 95% interval of a net promoter score in points, from the shares' variance p + d - (p - d)².

    `adjusted` first adds three answers, 3/4 promoters and 3/4 detractors among them, so that its width is never
    zero; `wald` does not. Source: Rocks (2016), arXiv:1601.07235.
    """
    if method == "adjusted":
        promoters, detractors, n = promoters + 0.75, detractors + 0.75, n + 3
    p, d = promoters / n, detractors / n
    half = Z95 * sqrt((p + d - (p - d) ** 2) / n)
    return max(-100.0, 100 * (p - d - half)), min(100.0, 100 * (p - d + half))


def share(part: float, whole: float, nobody: str) -> Measure:
    """The proportion part / whole with its Wilson interval; undefined, with the reason, where the whole is empty."""
    if not whole:
        return Measure(None, part, whole, whole, note=nobody)
    return Measure(part / whole, part, whole, whole, *wilson(part, whole))


def mean(total: float, count: float, n: float, nobody: str) -> Measure:
    """The mean total / count over n observations; undefined, with the reason, where there are none."""
    return Measure(_divide(total, count), total, count, n, note="" if count else nobody)


def _divide(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator else None
