"""Textbook formulas from totals, and 95% intervals, from which metrics are built."""

from __future__ import annotations

from math import exp, fsum, log, sqrt

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


def effective_size(
    total: float, squared: float, weight: float, weight_squared: float, beside: tuple[float, float, float] = (0, 0, 0)
) -> float:
    """The size of an unweighted sample of independent answers with the same precision of the mean total / weight.

    With answers y of weight w: `total` is the sum of w·y, `squared` that of w·y², `weight_squared` that of w². `beside`
    are the sums of wy·w'y', wy·w' and w·w' over every two answers of one customer, each way round; without such pairs
    the size is Kish's (1965), weight² / weight_squared. With them it is divided by how much the variance of the ratio
    estimator by customers, the sum of (their w·y - mean × their w)² (Cochran 1977, section 6; clusters times m / (m -
    1)), exceeds that of independent answers, but never raised (Korn and Graubard 1998). If all answers are equal, or
    of one customer, the variance is unknown: each customer then counts as one answer.
    """
    value, (xx, xy, yy) = total / weight, beside
    independent, customers = weight**2 / weight_squared, weight**2 / (weight_squared + yy)
    variance = squared / weight - value**2
    if variance <= 1e-12 * squared / weight or customers <= 1 + 1e-9:  # what is left is rounding
        return customers
    excess = (xx - 2 * value * xy + value**2 * yy) / (variance * weight_squared)
    return independent / max(1.0, (1 + excess) * (1 - 1 / independent) / (1 - 1 / customers))


def money_sum(*parts: float) -> float:
    """A sum of money without errors of binary fractions, so that 0.1 + 0.2 is 0.3."""
    return round(fsum(parts), 9)


def share(part: float, whole: float, reason: str) -> Measure:
    """The proportion part / whole with its Wilson interval; undefined, with the `reason`, if the whole is 0."""
    if not whole:
        return Measure(None, part, whole, whole, note=reason)
    return Measure(part / whole, part, whole, whole, *wilson(part, whole))


def mean(total: float, squared: float, n: float, reason: str) -> Measure:
    """The mean total / n with its interval, from the sums of n values and of their squares; `reason` as for `share`."""
    return ratio(total, n, n, (squared, total, n), reason, low=0)


def ratio(
    x: float,
    y: float,
    n: float,
    squares: tuple[float, float, float] | None,
    reason: str,
    low: float | None = None,
    high: float | None = None,
) -> Measure:
    """The ratio of two sums over n customers, with its interval by the delta method (Cochran 1977, section 2.11).

    `squares` are the sums of x², xy and y² over the same customers (None: no interval); `low` and `high` are the limits
    of possible ratios; `reason` as for `share`. There is no interval for one customer, or if all are equal, since a
    width of zero would claim certainty.
    """
    if not y:
        return Measure(None, x, y, n, note=reason)
    if squares is None:
        return Measure(x / y, x, y, n)
    value, (xx, xy, yy) = x / y, squares
    scatter = xx - 2 * value * xy + value**2 * yy
    if n < 2 or scatter <= 1e-12 * (xx + value**2 * yy):  # equal values except for rounding
        return Measure(value, x, y, n)
    half = Z95 * sqrt(n / (n - 1) * scatter) / abs(y)
    bounds = (
        value - half if low is None else max(low, value - half),
        value + half if high is None else min(high, value + half),
    )
    return Measure(value, x, y, n, *bounds)


def difference(now: Measure, before: Measure, correlation: float = 0.0) -> tuple[float, float] | None:
    """The 95% interval of now - before, from both intervals; None if one is missing.

    It uses the distance on each side, so asymmetric intervals stay so (Newcombe 1998, methods 8 and 10; Zou and Donner
    2008). Without a `correlation` (see `paired`) the samples are independent.
    """
    estimate, earlier = now.estimate, before.estimate
    if estimate is None or earlier is None:
        return None
    change = estimate.value - earlier.value

    def half(left: float, right: float) -> float:
        return sqrt(max(left**2 - 2 * correlation * left * right + right**2, 0.0))

    return (
        change - half(estimate.value - estimate.low, earlier.high - earlier.value),
        change + half(estimate.high - estimate.value, earlier.value - earlier.low),
    )


def paired(now: Measure, before: Measure) -> float:
    """The correlation of a figure with that of the period before, due to customers in both; 0 if it is unknown.

    From the products of their linearised deviations x - value·y (Cochran 1977, section 2.11), over the wider side of
    each interval.
    """
    estimate, earlier = now.estimate, before.estimate
    if now.crossed is None or estimate is None or earlier is None or not now.denominator or not before.denominator:
        return 0.0
    sides = [max(each.value - each.low, each.high - each.value) for each in (estimate, earlier)]
    if not all(sides):
        return 0.0
    xx, xy, yx, yy = now.crossed
    covariance = xx - earlier.value * xy - estimate.value * yx + estimate.value * earlier.value * yy
    correlation = Z95**2 * covariance / (now.denominator * before.denominator * sides[0] * sides[1])
    return min(max(correlation, -1.0), 1.0)


def product(first: Measure, second: Measure) -> tuple[float, float] | None:
    """The 95% interval of the product of two positive figures, from both intervals (`difference` of logarithms).

    None if one has no interval above 0; a figure that is set, not measured, has its value as bounds.
    """
    left, right = first.estimate, second.estimate
    if left is None or right is None or min(left.low, right.low) <= 0:
        return None
    value = left.value * right.value
    down = sqrt(log(left.value / left.low) ** 2 + log(right.value / right.low) ** 2)
    up = sqrt(log(left.high / left.value) ** 2 + log(right.high / right.value) ** 2)
    return value * exp(-down), value * exp(up)


def _divide(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator else None
