"""Who stayed, came and left. S: customers at the period's start, E: at its end."""

from dataclasses import replace

from retention_kit.metrics.catalogue import Measure, history_note, metric
from retention_kit.metrics.formulas import share
from retention_kit.metrics.summary_rows import Movements
from retention_kit.wording import sentence

_NOBODY = sentence("notes.nobody_there")


@metric(
    label="Customers at start",
    unit="count",
    formula="S",
    source="textbook",
    template="retention",
    options=("inactivity_days",),
)
def customers_at_start(movements: Movements) -> Measure:
    """Customers at the period's start: buyers of the previous period (or of a set number of days), or paying at the boundary.

    A count of customers; `n` is the same. There is no interval, as nobody is sampled. 0 where nobody was a customer
    yet.
    """  # noqa: E501  # a definition is one line
    return Measure(movements.start, n=movements.start)


@metric(
    label="Customers at end",
    unit="count",
    better="higher",
    formula="E",
    source="textbook",
    template="retention",
    options=("inactivity_days",),
)
def customers_at_end(movements: Movements) -> Measure:
    """Customers at the period's end: buyers of this period (or of a set number of days), or paying at the boundary.

    A count of customers; `n` is the same. There is no interval, as nobody is sampled. 0 where nobody is a customer
    any more.
    """
    return Measure(movements.end, n=movements.end)


@metric(
    label="Active customers",
    unit="count",
    better="higher",
    formula="customers active in the period",
    source="textbook",
    template="retention",
    card=7,
)
def active_customers(movements: Movements) -> Measure:
    """Customers with a purchase, or paying at any time, in the period.

    A count of customers, at most one each. With subscriptions also those who left within the period; `n` is the
    same, and there is no interval.
    """
    return Measure(movements.active, n=movements.active)


@metric(
    label="New customers",
    unit="count",
    better="higher",
    formula="in E, never a customer before",
    source="ChartMogul help centre, article 203299912",
    template="retention",
    grows="value",
    options=("inactivity_days", "churn_mode"),
)
def new_customers(movements: Movements) -> Measure:
    """Customers at the period's end who had never been one before.

    A count; `n` is the customers at the end. The note says where customers of before the data may be among them.
    Source: ChartMogul help centre, article 203299912.
    """
    return Measure(movements.new, n=movements.end, note=history_note(movements))


@metric(
    label="Reactivated customers",
    unit="count",
    better="higher",
    formula="in E, not in S, a customer before",
    source="ChartMogul help centre, article 203299912",
    competing="Counting them as retained lifts retention, even above 100%.",
    template="retention",
    grows="value",
    options=("inactivity_days", "churn_mode"),
)
def reactivated_customers(movements: Movements) -> Measure:
    """Customers at the period's end who came back after at least one boundary without being one.

    A count; `n` is the customers at the end. They are neither new nor retained, so that start + new + reactivated -
    lost = end. Source: ChartMogul help centre, article 203299912.
    """
    return Measure(movements.reactivated, n=movements.end)


@metric(
    label="Lost customers",
    unit="count",
    better="lower",
    formula="customers of S that are not in E",
    source="textbook",
    template="retention",
    grows="value",
    options=("inactivity_days", "churn_mode"),
)
def lost_customers(movements: Movements) -> Measure:
    """Customers at the period's start who are none at its end.

    A count; `n` is the customers at the start. With `churn_mode = "event"` every departure counts, also of who came
    back within the period.
    """
    return Measure(movements.lost, n=movements.start)


@metric(
    label="Early churned customers",
    unit="count",
    better="lower",
    formula="first active in the period, not in E",
    source="textbook",
    competing="Stripe counts them as lost and adds them to the base; (E − N) / S subtracts them wrongly.",
    template="retention",
    grows="value",
    options=("inactivity_days",),
)
def early_churned_customers(movements: Movements) -> Measure:
    """Customers who came for the first time in the period and left before its end: in neither S nor E.

    A count; `n` is the active customers. They are in no retention or churn rate, as they were not there at the
    start.
    """
    return Measure(movements.early_churned, n=movements.active, note=history_note(movements))


@metric(
    label="Customer retention",
    unit="fraction",
    better="higher",
    formula="(customers of S that are in E) / S",
    source="textbook formula, on customer identities",
    competing="(E − N) / S from totals counts reactivated customers as retained and can pass 100%.",
    template="retention",
    grows="value",
    options=("inactivity_days",),
    card=1,
    headline=1,
    mail_chart=2,
    by_segment=True,
)
def customer_retention_rate(movements: Movements) -> Measure:
    """Share of the customers at the period's start who are still customers at its end.

    A fraction: numerator retained, denominator the customers at the start, with Wilson's interval (1927).
    Undefined, with a note, where nobody was a customer at the start.
    """
    m = movements
    # Who is in both rates was retained in the earlier one.
    crossed = (m.retained_again, m.retained_again, m.at_start_again, m.at_start_again)
    return replace(share(m.retained, m.start, _NOBODY), crossed=crossed)


@metric(
    label="Customer churn",
    unit="fraction",
    better="lower",
    formula="(customers of S that are not in E) / S = 1 − retention",
    source="ChartMogul help centre, article 203359321",
    competing="Stripe divides by start + new and counts every departure, also of those who came back.",
    template="retention",
    grows="rest",
    options=("inactivity_days", "churn_mode"),
)
def customer_churn_rate(movements: Movements) -> Measure:
    """Share of the customers at the period's start who are no longer customers at its end.

    A fraction: numerator lost, denominator the customers at the start, with Wilson's interval (1927); by event
    without one, as a customer may leave twice. Undefined, with a note, where nobody was there at the start.
    """
    m = movements
    if m.definitions.churn_mode == "event" and m.start:  # one customer may leave twice, so this is no proportion
        return Measure(m.lost / m.start, m.lost, m.start, m.start)
    crossed = (0, m.at_start_again - m.retained_again, 0, m.at_start_again)  # nobody lost earlier is in both rates
    return replace(share(m.lost, m.start, _NOBODY), crossed=crossed)
