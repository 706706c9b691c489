"""How long customers stay and what they are worth, by the twelve months that end with the period and by models."""

from dataclasses import replace

from retention_kit.metrics.catalogue import Measure, metric
from retention_kit.metrics.formulas import lifetime_value, mean, product, wilson
from retention_kit.metrics.summary_rows import Lives, TrailingYear
from retention_kit.wording import sentence


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
        return Measure(chosen, n=year.exposed, note=sentence("notes.set"))
    if not year.is_known:
        return Measure(None, n=year.exposed, note=sentence("notes.two_years"))
    if not year.lifespan:
        reason = sentence("notes.nobody_lost" if year.exposed else "notes.nobody_to_lose")
        return Measure(None, n=year.exposed, note=reason)
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
        return Measure(None, n=n, note=sentence("notes.nobody_bought_in_a_year"))
    value = lifetime_value(year.revenue / year.purchases, year.frequency, years)
    yearly = year.revenue / year.purchases * year.frequency
    spent = mean(year.revenue * year.months / 12, year.revenue_squared, year.customers, "")
    if is_chosen:
        lifespan = replace(lifespan, low=years, high=years)
    low, high = product(spent, lifespan) or (None, None)
    if low is not None and high is not None:  # the mean is of what a customer spends in a year, or in a month
        low, high = low * 12 / year.months, high * 12 / year.months
    return Measure(value, yearly, 1 / years, n, low, high)


@metric(
    label="Predicted lifetime value",
    unit="money",
    better="higher",
    formula="money expected in the next 12 months (or another horizon), discounted / customers so far",
    source="BG/NBD (Fader, Hardie and Lee 2005) × Gamma-Gamma (Fader and Hardie 2013); subscriptions: shifted "
    "beta-geometric (Fader and Hardie 2007)",
    competing="The simple customer lifetime value takes the pace of the last year for everybody and for ever; "
    "this one looks no further than the horizon, and expects less of those who have long been silent.",
    template="lifetime_value",
    options=("discount", "horizon_months"),
    card=12,
)
def predicted_lifetime_value(lives: Lives) -> Measure:
    """Money expected from a customer in the next twelve months, unless another horizon is set, by a model.

    Money, discounted to today, per customer with a purchase so far (for subscriptions: paying at the end, and their MRR
    at the months' ends while they are expected to stay). Months are of 365.25 / 12 days; what is expected in one counts
    at its end, and money a year later is worth less by `discount`. The interval is that of the parameters, by the delta
    method on the logarithm. Undefined, with a note, where the model has too little to go by.
    """
    row = lives
    if row.value is None or not row.customers:
        return Measure(None, n=row.customers, note=row.reason)
    low, high = (end if end is None else end / row.customers for end in (row.low, row.high))
    return Measure(row.value / row.customers, row.value, row.customers, row.customers, low, high, row.note)


@metric(
    label="Customers at risk",
    unit="count",
    better="lower",
    formula="customers overdue by their own rhythm, of whom no purchase is likelier than one; "
    "subscribers at least twice as likely to leave within a month as customers on their plan are on average",
    source="BG/NBD (Fader, Hardie and Lee 2005); subscriptions: shifted beta-geometric (Fader and Hardie 2007)",
    competing="A fixed number of silent days for everybody names customers who buy seldom and misses those who "
    "bought often.",
    template="at_risk",
    options=("horizon_months",),
    card=15,
)
def customers_at_risk(lives: Lives) -> Measure:
    """Customers overdue by their own rhythm who more likely buy no more; subscribers twice as likely to leave as usual.

    A number of customers, of those with a repeat purchase: silent for longer than half of their own gaps, and with a
    chance of at least .5 of no purchase in the horizon. Of subscribers those whose chance to leave within a month is at
    least twice the mean of the customers on their plan. Who pauses has not left. Undefined, with a note, where the
    model has too little to go by.
    """
    row = lives
    if row.at_risk is None:
        return Measure(None, n=row.customers, note=row.at_risk_reason)
    return Measure(row.at_risk, n=row.customers)
