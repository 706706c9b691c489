"""How long customers stay and what they are worth, over the twelve months that end with the period."""

from retention_kit.metrics.catalogue import Measure, metric
from retention_kit.metrics.formulas import lifetime_value


@metric(
    label="Customer lifetime value",
    unit="money",
    better="higher",
    formula="purchase value × purchases a year × lifespan in years",
    source="textbook formula; lifespan: expectation under a constant hazard",
    competing="Margin-based and discounted values (Gupta and Lehmann 2003) and probabilistic ones (Fader et al. 2005).",
)
def customer_lifetime_value(trailing_year) -> Measure:
    """Revenue expected from a customer in their lifetime, undiscounted, at the pace of the last twelve months."""
    year = trailing_year
    if not year.is_known:
        return Measure(
            None, n=year.n, note="It needs two years of orders: the customers of one year, seen in the next."
        )
    if not year.purchases:
        return Measure(None, n=year.n, note="Nobody bought in the last twelve months.")
    if not year.lifespan:
        nobody = "There was nobody to lose" if not year.exposed else "Nobody was lost"
        return Measure(None, n=year.n, note=f"{nobody} in the last twelve months, so the lifespan is undefined.")
    value = lifetime_value(year.revenue / year.purchases, year.frequency, year.lifespan)
    yearly = year.revenue / year.purchases * year.frequency
    return Measure(value, yearly, 1 / year.lifespan, year.n)
