"""What customers buy. Per-customer and per-purchase figures count identified customers only."""

from retention_kit.metrics.catalogue import Measure, metric
from retention_kit.metrics.formulas import mean, share

_NOBODY = "No identified customer bought in the period."


@metric(
    label="Repeat purchase rate",
    unit="fraction",
    better="higher",
    formula="buyers with two or more purchases / buyers",
    source="Little Stream glossary",
    competing="The returning customer rate counts buyers whose first purchase lies before the period.",
)
def repeat_purchase_rate(purchases) -> Measure:
    """Share of the period's buyers with two or more purchases in it."""
    return share(purchases.repeat_buyers, purchases.buyers, _NOBODY)


@metric(label="Revenue", unit="money", better="higher", formula="sum of all purchases, guests' too", source="textbook",
        template="revenue")  # fmt: skip
def revenue(purchases) -> Measure:
    """Value of all purchases of the period, less the refunds that name one of them."""
    total, count = purchases.customer_revenue + purchases.guest_revenue, purchases.purchases + purchases.guest_purchases
    return Measure(total, n=count)


@metric(
    label="Average purchase value",
    unit="money",
    better="higher",
    formula="customers' revenue / purchases",
    source="textbook",
    template="revenue",
)
def average_purchase_value(purchases) -> Measure:
    """Mean value of a purchase of an identified customer."""
    return mean(purchases.customer_revenue, purchases.purchases, purchases.purchases, _NOBODY)


@metric(
    label="Purchase frequency",
    unit="ratio",
    better="higher",
    formula="purchases / buyers",
    source="textbook",
    template="revenue",
)
def purchase_frequency(purchases) -> Measure:
    """Mean number of purchases of a buyer in the period."""
    return mean(purchases.purchases, purchases.buyers, purchases.buyers, _NOBODY)


@metric(
    label="Revenue per customer",
    unit="money",
    better="higher",
    formula="customers' revenue / buyers = purchase value × frequency",
    source="textbook (ARPC)",
    template="revenue",
)
def average_revenue_per_customer(purchases) -> Measure:
    """Mean revenue from a buyer in the period."""
    return mean(purchases.customer_revenue, purchases.buyers, purchases.buyers, _NOBODY)
