"""Recurring revenue, from subscriptions."""

from retention_kit.metrics.catalogue import Measure, metric


@metric(
    label="Monthly recurring revenue",
    unit="money",
    better="higher",
    formula="sum of a month's worth of each running paid subscription",
    source="Stripe, billing analytics glossary",
    competing="Booking an annual invoice in one month; counting trials; weeks as 4.348 instead of 52/12 a month.",
    template="revenue",
)
def mrr(mrr) -> Measure:
    """Monthly worth of the paid subscriptions running at the period's end."""
    return Measure(mrr.end, n=mrr.customers)


@metric(
    label="Net new MRR",
    unit="money",
    better="higher",
    formula="new + expansion + reactivation − contraction − churned",
    source="ChartMogul help centre, article 203299912",
    template="revenue",
)
def net_new_mrr(mrr) -> Measure:
    """Change of MRR in the period by customers' doing, without exchange rates."""
    gained, given_up = mrr.new + mrr.expansion + mrr.reactivation, mrr.contraction + mrr.churned
    return Measure(gained - given_up, n=mrr.customers)
