"""How long customers stay and what they are worth, over the twelve months that end with the period."""

from dataclasses import replace

from retention_kit.metrics.catalogue import Measure, metric
from retention_kit.metrics.formulas import lifetime_value, mean, product, wilson
from retention_kit.metrics.summary_rows import TrailingYear


@metric(
    label="Customer lifespan",
    unit="years",
    better="higher",
    formula="1 / share of customers lost in a year (subscriptions: in a month, / 12)",
    source="expectation under a constant hazard",
    competing="A constant hazard underestimates mixed cohorts (Fader and Hardie 2010); "
    "a survival curve needs no such rule.",
    template="lifetime_value",
    options=("lifespan_years",),
)
def customer_lifespan(trailing_year: TrailingYear) -> Measure:
    """Years that a customer is expected to stay, at the losses of the last twelve months.

    Years, as the expectation under a constant hazard, with the bounds of Wilson's interval (1927) of the share
    lost. Undefined, with a note, where nobody was lost or the data do not reach back two years.
    """
    year, chosen = trailing_year, trailing_year.definitions.lifespan_years
    if chosen is not None:
        return Measure(chosen, n=year.exposed, note="Set in the settings.")
    if not year.is_known:
        return Measure(
            None, n=year.exposed, note="It needs two years of orders: the customers of one year, seen in the next."
        )
    if not year.lifespan:
        nobody = "There was nobody to lose" if not year.exposed else "Nobody was lost"
        return Measure(None, n=year.exposed, note=f"{nobody} in the last twelve months, so the lifespan is undefined.")
    least, most = wilson(year.lost, year.exposed)
    length = year.months / 12
    return Measure(year.lifespan, year.exposed * length, year.lost, year.exposed, length / most, length / least)


@metric(
    label="Customer lifetime value",
    unit="money",
    better="higher",
    formula="purchase value × purchases a year × lifespan in years",
    source="textbook formula; lifespan: expectation under a constant hazard",
    competing="Margin-based and discounted values (Gupta and Lehmann 2003) and probabilistic ones (Fader et al. 2005).",
    template="lifetime_value",
    parts=("money", "ratio"),
    options=("lifespan_years", "zero_orders"),
)
def customer_lifetime_value(trailing_year: TrailingYear) -> Measure:
    """Revenue expected from a customer in their lifetime, undiscounted, at the pace of the last twelve months.

    Money: yearly revenue per customer times the lifespan; the intervals of both are combined on the log scale (Zou
    and Donner 2008). Undefined, with a note, where the lifespan is or nobody bought.
    """
    year, lifespan = trailing_year, customer_lifespan(trailing_year)
    is_chosen = year.definitions.lifespan_years is not None
    seen = year.purchases if year.months == 1 else year.customers  # customers at the months' ends, or buyers
    n = seen if is_chosen else lifespan.n
    years = lifespan.value
    if years is None:
        return Measure(None, n=n, note=lifespan.note)
    if not year.purchases:
        return Measure(None, n=n, note="Nobody bought in the last twelve months.")
    value = lifetime_value(year.revenue / year.purchases, year.frequency, years)
    yearly = year.revenue / year.purchases * year.frequency
    spent = mean(year.revenue * year.months / 12, year.revenue_squared, year.customers, "")
    if is_chosen:
        lifespan = replace(lifespan, low=years, high=years)
    low, high = product(spent, lifespan) or (None, None)
    if low is not None and high is not None:  # the mean is of what a customer spends in a year, or in a month
        low, high = low * 12 / year.months, high * 12 / year.months
    return Measure(value, yearly, 1 / years, n, low, high)
