"""What customers buy. Per-customer and per-purchase figures count identified customers only."""

from dataclasses import replace

from retention_kit.metrics.catalogue import Measure, history_note, metric
from retention_kit.metrics.formulas import mean, money_sum, ratio, share
from retention_kit.metrics.summary_rows import Purchases
from retention_kit.wording import sentence

_NOBODY = sentence("notes.nobody_bought")


def _revenue(row: Purchases) -> float:
    return money_sum(row.customer_revenue, row.guest_revenue)


@metric(
    label="Repeat purchase rate",
    unit="fraction",
    better="higher",
    formula="buyers with two or more purchases / buyers",
    source="Little Stream glossary",
    competing="Purchases may be days with a purchase (count); the returning customer rate looks at the time before.",
    template="repeat_purchase",
    grows="value",
    options=("count", "zero_orders"),
    card=4,
    by_segment=True,
)
def repeat_purchase_rate(purchases: Purchases) -> Measure:
    """Share of the period's buyers with two or more purchases in it.

    A fraction with Wilson's interval (1927); purchases are orders or, with `count = "days"`, days with one.
    Undefined, with a note, where no identified customer bought.
    """
    p = purchases
    measure = share(p.repeat_buyers, p.buyers, _NOBODY)
    return replace(measure, crossed=(p.repeat_crossed, p.repeat_both, p.repeat_before, p.stayed))


@metric(
    label="Returning customer rate",
    unit="fraction",
    better="higher",
    formula="buyers whose first purchase lies before the period / buyers",
    source="Little Stream glossary",
    competing="Shopify counts buyers with more than one order in their life, also two first orders within the period.",
    template="repeat_purchase",
    grows="rest",
    options=("returning", "zero_orders"),
)
def returning_customer_rate(purchases: Purchases) -> Measure:
    """Share of the period's buyers who had bought before the period.

    A fraction with Wilson's interval (1927); `returning` chooses between this rule and Shopify's. Undefined, with a
    note, where no identified customer bought.
    """
    p = purchases
    measure = share(p.returning_buyers, p.buyers, _NOBODY)
    # Who bought in the period before has come back in this one.
    measure = replace(measure, crossed=(p.returning_before, p.stayed, p.returning_before, p.stayed))
    return replace(measure, note=history_note(p)) if measure.value is not None else measure


@metric(
    label="Revenue",
    unit="money",
    better="higher",
    formula="sum of all purchases, guests' too",
    source="textbook",
    competing="Booking refunds that name an order when they happen, not against that order.",
    template="revenue",
    grows="value",
    card=8,
    headline=3,
    mail_chart=4,
)
def revenue(purchases: Purchases) -> Measure:
    """Value of all purchases of the period, less the refunds that name one of them.

    Money in the report's currency; `n` is the number of purchases. A sum, so it has no interval. Refunds that name
    no order are not taken off: see `net_revenue`.
    """
    return Measure(_revenue(purchases), n=purchases.purchases + purchases.guest_purchases)


@metric(
    label="Guest revenue",
    unit="money",
    formula="sum of the purchases without a customer",
    source="textbook",
    competing="Taking all guests for one customer.",
    template="revenue",
    grows="value",
)
def guest_revenue(purchases: Purchases) -> Measure:
    """Value of the period's purchases that name no customer: part of revenue, in no figure about customers.

    Money in the report's currency; `n` is the number of guests' purchases. A sum, so it has no interval. In
    `revenue`, but in no figure per customer.
    """
    return Measure(purchases.guest_revenue, n=purchases.guest_purchases)


@metric(
    label="Refunds",
    unit="money",
    better="lower",
    formula="sum of the refunds that name no order",
    source="textbook",
    competing="Counting refunds as orders of a negative amount.",
    template="revenue",
    grows="value",
)
def refunds(purchases: Purchases) -> Measure:
    """Money paid back in the period that names no order; what names one lowers that order instead.

    Money in the report's currency, positive; `n` is the number of refunds. A sum, so it has no interval. They count
    when they are paid, not when was bought.
    """
    return Measure(purchases.refunds, n=purchases.refund_count)


@metric(
    label="Net revenue",
    unit="money",
    better="higher",
    formula="revenue − refunds",
    source="textbook",
    template="revenue",
    grows="value",
)
def net_revenue(purchases: Purchases) -> Measure:
    """Revenue of the period less the refunds in it that name no order.

    Money in the report's currency; `n` is the number of purchases. A sum, so it has no interval. Below 0 where more
    was paid back than bought.
    """
    n = purchases.purchases + purchases.guest_purchases
    return Measure(money_sum(_revenue(purchases), -purchases.refunds), n=n)


@metric(
    label="Average purchase value",
    unit="money",
    better="higher",
    formula="customers' revenue / purchases",
    source="textbook",
    competing="Guests' purchases and purchases of value 0 among them.",
    template="revenue",
    options=("zero_orders",),
    card=11,
)
def average_purchase_value(purchases: Purchases) -> Measure:
    """Mean value of a purchase of an identified customer.

    Money per purchase: customers' revenue over purchases, with the interval of a ratio over customers (Cochran
    1977, section 2.11). Undefined, with a note, where no identified customer bought.
    """
    p = purchases
    squares = (p.revenue_squared, p.revenue_purchases, p.purchases_squared)
    measure = ratio(p.customer_revenue, p.purchases, p.buyers, squares, _NOBODY, low=0)
    crossed = (p.revenue_crossed, p.revenue_purchases_before, p.purchases_revenue_before, p.purchases_crossed)
    return replace(measure, n=p.purchases, crossed=crossed)


@metric(
    label="Purchase frequency",
    unit="ratio",
    better="higher",
    formula="purchases / buyers",
    source="textbook",
    competing="Dividing by all customers ever, who did not all buy in the period.",
    template="revenue",
    grows="value",
    options=("zero_orders",),
)
def purchase_frequency(purchases: Purchases) -> Measure:
    """Mean number of purchases of a buyer in the period.

    Purchases per buyer and period, at least 1, with the interval of a mean over customers (Cochran 1977).
    Undefined, with a note, where no identified customer bought.
    """
    p = purchases
    measure = mean(p.purchases, p.purchases_squared, p.buyers, _NOBODY)
    return replace(measure, crossed=(p.purchases_crossed, p.purchases_both, p.purchases_before, p.stayed))


@metric(
    label="Revenue per customer",
    unit="money",
    better="higher",
    formula="customers' revenue / buyers = purchase value × frequency",
    source="textbook (ARPC)",
    competing="Dividing all revenue, guests' too, by the identified buyers.",
    template="revenue",
    grows="value",
    options=("zero_orders",),
    card=5,
    mail_chart=1,
    by_segment=True,
)
def average_revenue_per_customer(purchases: Purchases) -> Measure:
    """Mean revenue from a buyer in the period.

    Money per buyer and period, with the interval of a mean over customers (Cochran 1977). Undefined, with a note,
    where no identified customer bought.
    """
    p = purchases
    measure = mean(p.customer_revenue, p.revenue_squared, p.buyers, _NOBODY)
    return replace(measure, crossed=(p.revenue_crossed, p.revenue_both, p.revenue_before, p.stayed))
