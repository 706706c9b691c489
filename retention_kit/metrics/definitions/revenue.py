"""Recurring revenue, from subscriptions."""

from dataclasses import replace

from retention_kit.metrics.catalogue import Measure, metric
from retention_kit.metrics.formulas import mean, money_sum, ratio
from retention_kit.metrics.summary_rows import Mrr
from retention_kit.wording import sentence

_NOBODY = sentence("notes.nobody_paid")
_BY_EVENT = "Adding up every change in the period instead of comparing its two ends."


@metric(
    label="Monthly recurring revenue",
    unit="money",
    better="higher",
    formula="sum of a month's worth of each running paid subscription",
    source="Stripe, billing analytics glossary",
    competing="Booking an annual invoice in one month; counting trials; weeks as 4.348 instead of 52/12 a month.",
    template="revenue",
    card=2,
    headline=4,
    mail_chart=5,
)
def mrr(mrr: Mrr) -> Measure:
    """Monthly worth of the paid subscriptions running at the period's end.

    Money a month; `n` is the paying customers. A state at the end, so it has no interval. Annual plans count a
    twelfth, weekly ones 52 / 12. Source: Stripe, billing analytics glossary.
    """
    return Measure(mrr.end, n=mrr.customers)


@metric(
    label="Net new MRR",
    unit="money",
    better="higher",
    formula="new + expansion + reactivation − contraction − churned",
    source="ChartMogul help centre, article 203299912",
    competing="Counting exchange rates as expansion or contraction.",
    template="revenue",
    grows="value",
    options=("mrr_mode",),
)
def net_new_mrr(mrr: Mrr) -> Measure:
    """Change of MRR in the period by customers' doing, without exchange rates.

    Money a month; `n` is the paying customers at the end. A sum, so it has no interval. Below 0 where more was
    given up than gained. Source: ChartMogul help centre, article 203299912.
    """
    m = mrr
    return Measure(money_sum(m.new, m.expansion, m.reactivation, -m.contraction, -m.churned), n=m.customers)


@metric(
    label="Gross MRR churn",
    unit="fraction",
    better="lower",
    formula="(churned + contraction) / MRR at start",
    source="ChartMogul help centre, article 203359341",
    competing=_BY_EVENT,
    template="revenue",
    grows="value",
    parts=("money", "money"),
    options=("mrr_mode",),
)
def gross_revenue_churn_rate(mrr: Mrr) -> Measure:
    """Share of the starting MRR that was churned or contracted in the period.

    A fraction of the MRR at the start, with the interval of a ratio over customers (Cochran 1977, section 2.11); by
    event without one. Undefined, with a note, where nobody paid at the start.
    """
    given_up = mrr.churned + mrr.contraction
    sums = _by_end(mrr, mrr.loss_squared, mrr.start_loss)
    measure = _of_start(mrr, given_up, sums, low=0, high=_most(mrr, given_up))
    return _paired(measure, mrr, mrr.lost_crossed, mrr.lost_start_before, mrr.start_lost_before)


@metric(
    label="Net MRR churn",
    unit="fraction",
    better="lower",
    formula="(churned + contraction − expansion − reactivation) / MRR at start",
    source="ChartMogul help centre, article 4414075567250",
    competing="Leaving reactivation out, which gives 1 − net revenue retention.",
    template="revenue",
    grows="value",
    parts=("money", "money"),
    options=("mrr_mode",),
)
def net_revenue_churn_rate(mrr: Mrr) -> Measure:
    """Gross MRR churn less what expansion and reactivation brought; below 0 where they brought more.

    A fraction of the MRR at the start, with the interval of a ratio over customers (Cochran 1977, section 2.11); by
    event without one. Undefined, with a note, where nobody paid at the start.
    """
    m = mrr
    squared = m.loss_squared + m.expansion_squared + m.reactivation_squared
    crossed = m.start_loss - m.start_expansion
    given_up = m.churned + m.contraction - m.expansion - m.reactivation
    measure = _of_start(m, given_up, _by_end(m, squared, crossed), high=_most(m, given_up))
    then, now = m.kept_start_before + m.back_start_before, m.start_kept_before + m.start_back_before
    return _paired(measure, m, m.kept_crossed + m.back_crossed, -then, -now)


@metric(
    label="Gross revenue retention",
    unit="fraction",
    better="higher",
    formula="sum of min(MRR at start, MRR at end) over the customers of S / MRR at start",
    source="textbook (GRR)",
    competing=f"{_BY_EVENT} ChartMogul's gross churn is that version.",
    template="revenue",
    grows="rest",
    parts=("money", "money"),
    options=("mrr_mode",),
    card=14,
)
def gross_revenue_retention(mrr: Mrr) -> Measure:
    """Share of the starting MRR that the same customers still pay, upgrades left out; at the exchange rates of the start.

    A fraction of at most 1, with the interval of a ratio over customers (Cochran 1977, section 2.11); by event
    without one. Undefined, with a note, where nobody paid at the start.
    """  # noqa: E501  # a definition is one line
    m = mrr
    if m.definitions.mrr_mode == "event":
        return _of_start(m, m.start - m.churned - m.contraction, None)
    squared = m.start_squared - 2 * m.start_kept_loss + m.kept_loss_squared
    measure = _of_start(m, m.start - m.kept_loss, (squared, m.start_squared - m.start_kept_loss), low=0, high=1)
    then, now = m.start_crossed - m.lost_start_before, m.start_crossed - m.start_lost_before
    return _paired(measure, m, now - m.lost_start_before + m.lost_crossed, then, now)


@metric(
    label="Net revenue retention",
    unit="fraction",
    better="higher",
    formula="MRR at end of the customers of S / MRR at start",
    source="ChartMogul help centre, article 6886664393500",
    competing="1 − net MRR churn, which counts reactivated customers too (Baremetrics).",
    template="revenue",
    grows="rest",
    parts=("money", "money"),
    card=3,
    by_segment=True,
)
def net_revenue_retention(mrr: Mrr) -> Measure:
    """MRR that the customers of the start pay at the end, per unit of their starting MRR; at the rates of the start.

    A fraction, above 1 where customers paid more than before, with the interval of a ratio over customers (Cochran
    1977, section 2.11). Undefined, with a note, where nobody paid at the start.
    """
    m = mrr
    squared, crossed = m.start_squared + 2 * m.start_kept + m.kept_squared, m.start_squared + m.start_kept
    measure = _of_start(m, m.start + m.kept_change, (squared, crossed), low=0)
    then, now = m.start_crossed + m.kept_start_before, m.start_crossed + m.start_kept_before
    return _paired(measure, m, now + m.kept_start_before + m.kept_crossed, then, now)


@metric(
    label="Quick ratio",
    unit="ratio",
    better="higher",
    formula="(new + expansion + reactivation) / (contraction + churned)",
    source="ChartMogul",
    competing="Baremetrics leaves reactivation out.",
    template="revenue",
    parts=("money", "money"),
    options=("mrr_mode", "quick_ratio_reactivation"),
)
def quick_ratio(mrr: Mrr) -> Measure:
    """MRR gained for each unit of MRR given up in the period.

    A plain ratio, with the interval of a ratio over the customers whose MRR changed (Cochran 1977, section 2.11);
    by event without one. Undefined, with a note, where none was given up.
    """
    m, counts = mrr, mrr.definitions.quick_ratio_reactivation
    gained = m.new + m.expansion + (m.reactivation if counts else 0)
    squared = m.new_squared + m.expansion_squared + (m.reactivation_squared if counts else 0)
    nothing = "No MRR was given up in the period, so there is nothing to divide by."
    sums = None if m.definitions.mrr_mode == "event" else (squared, 0, m.loss_squared)
    measure = ratio(gained, m.contraction + m.churned, m.changes, sums, nothing, low=0)
    return replace(measure, crossed=(m.gained_crossed, m.gained_lost_before, m.lost_gained_before, m.lost_crossed))


@metric(
    label="Revenue per account",
    unit="money",
    better="higher",
    formula="MRR / customers at end",
    source="textbook (ARPA)",
    competing="Dividing by subscriptions, or by free accounts too.",
    template="revenue",
    card=13,
)
def average_revenue_per_account(mrr: Mrr) -> Measure:
    """Mean MRR of a paying customer at the period's end.

    Money a month per paying customer, with the interval of a mean over customers (Cochran 1977). Undefined, with a
    note, where nobody paid at the end.
    """
    m = mrr
    measure = mean(m.end, m.end_squared, m.customers, "Nobody paid at the period's end.")
    return replace(measure, crossed=(m.end_crossed, m.end_stayed, m.start_stayed, m.stayed))


def _of_start(mrr: Mrr, part: float, squares: tuple[float, float] | None, **bounds: float) -> Measure:
    """A part of the starting MRR, as a ratio over the customers who paid it; without squares, without interval."""
    squares_before = (*squares, mrr.start_squared) if squares else None
    return ratio(part, mrr.start, mrr.customers_at_start, squares_before, _NOBODY, **bounds)


def _paired(measure: Measure, mrr: Mrr, both: float, then: float, now: float) -> Measure:
    """A part of the starting MRR, paired with that of the period before by products over customers: of both parts
    (`both`), of this part and the starting MRR of `then`, and of the part of then and the starting MRR of `now`.
    """
    return replace(measure, crossed=(both, then, now, mrr.start_crossed))


def _most(mrr: Mrr, part: float) -> float:
    """The largest share of the starting MRR that can be given up: all of it, or more by exchange rates alone."""
    return max(1.0, part / mrr.start) if mrr.start else 1.0


def _by_end(mrr: Mrr, squared: float, crossed: float) -> tuple[float, float] | None:
    """The squares, unless changes are counted by event: those of one customer depend on each other, and no interval is
    known.
    """
    return None if mrr.definitions.mrr_mode == "event" else (squared, crossed)
