"""The columns of all summaries: type, unit, and the SQL that is summed up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar, NamedTuple

from retention_kit.settings import Definitions


class Column(NamedTuple):
    """The computation of a column.

    `kind` is "exact" (a sum of integers, BIGINT), "squares" (possibly too large for integer types, passed as text),
    "weighted" (DOUBLE) or "products" (of weights: DOUBLE, of either sign). `money` is the power of the minor unit (for
    MRR: of its twelfth). `branches` has the SQL of the column in branches of the query's UNION; in others it is 0.
    """

    kind: str
    money: int
    branches: dict[str, str]


def _column(kind: str, money: int, branches: dict[str, str]) -> Any:
    return field(metadata={"column": Column(kind, money, branches)})


def exact(money: int = 0, **branches: str) -> Any:
    """A column of integers; `money=1` for amounts."""
    return _column("exact", money, branches)


def squares(money: int = 0, **branches: str) -> Any:
    """A column of squares or products, for an interval; `money=2` if both factors are amounts."""
    return _column("squares", money, branches)


def weighted(**branches: str) -> Any:
    """A column of survey weights."""
    return _column("weighted", 0, branches)


def _if(condition: str, value: str = "1") -> str:
    return f"CASE WHEN {condition} THEN {value} ELSE 0 END"


@dataclass(kw_only=True)
class SummaryRow:
    """The fields of a segment value in a period that all summaries have.

    `period` is its index; `is_first`: the data begin in it; `may_hold_earlier`: its new customers may be from before
    the data; `definitions` are the settings of [definitions].
    """

    table: ClassVar[str] = ""  # its table; "" for the basis
    key: ClassVar[str] = ""  # another column that identifies a row
    is_state: ClassVar[bool] = False  # running sums of changes; else events
    is_monthly: ClassVar[bool] = False  # money in twelfths of the minor unit
    is_paired: ClassVar[bool] = False  # some columns are about a period and the one before

    segment_value: str
    period: int
    is_first: bool
    may_hold_earlier: bool
    definitions: Definitions


@dataclass(kw_only=True)
class Movements(SummaryRow):
    """Customers at the start and end of a period, and who came and left in it. All columns are numbers of customers.

    `…_again`: of those who were there at the start of the period before, too.
    """

    is_state = True
    is_paired = True

    start: int = exact(at_start="1")
    new: int = exact(changes=_if("kind = 'new'"))
    reactivated: int = exact(changes=_if("kind = 'reactivated'"))
    lost: int = exact(changes=_if("kind = 'lost'"))
    retained: int = exact(at_start="1", ending="-1")
    end: int = exact(at_end="1")
    active: int = exact(active="1")
    early_churned: int = exact(first_active="1", first_at_end="-1")
    at_start_again: int = squares(at_start_again="1")
    retained_again: int = squares(at_start_again="1", ending_again="-1")


def _change(kind: str, value: str = "amount") -> str:
    return _if(f"kind = '{kind}'", value)


@dataclass(kw_only=True)
class Mrr(SummaryRow):
    """MRR at the start and end of a period and how it changed, with the sums of squares for the intervals.

    Amounts are in the report's currency, squares and products in its square; decreases are positive. `…_before` is of
    the period right before, `…_crossed` the product of the two; these are at the rates of each period's start. `end_…`
    and `…_stayed` are of who pays at the start and the end, at the rates of each.
    """

    table = "subscriptions"
    is_state = True
    is_monthly = True
    is_paired = True

    start: float = exact(1, at_start="amount")
    new: float = exact(1, changes=_change("new"))
    expansion: float = exact(1, changes=_change("expansion"))
    contraction: float = exact(1, changes=_change("contraction"))
    churned: float = exact(1, changes=_change("churned"))
    reactivation: float = exact(1, changes=_change("reactivation"))
    fx: float = exact(1, changes=_change("fx"))
    end: float = exact(1, at_end="amount")
    kept_change: float = exact(1, kept="amount")
    kept_loss: float = exact(1, kept=_if("amount < 0", "-amount"))
    customers_at_start: int = exact(at_start="1")
    customers: int = exact(at_end="1")
    changes: int = exact(changes=_if("kind <> 'fx'"))
    start_squared: float = squares(2, at_start="wide * wide")
    end_squared: float = squares(2, at_end="wide * wide")
    kept_squared: float = squares(2, kept="wide * wide")
    start_kept: float = squares(2, kept="wide * wide_base")
    kept_loss_squared: float = squares(2, kept=_if("amount < 0", "wide * wide"))
    start_kept_loss: float = squares(2, kept=_if("amount < 0", "-wide * wide_base"))
    new_squared: float = squares(2, changes=_change("new", "wide * wide"))
    expansion_squared: float = squares(2, changes=_change("expansion", "wide * wide"))
    reactivation_squared: float = squares(2, changes=_change("reactivation", "wide * wide"))
    loss_squared: float = squares(2, changes=_if("is_loss", "wide * wide"))
    start_expansion: float = squares(2, changes=_change("expansion", "wide * wide_base"))
    start_loss: float = squares(2, changes=_if("is_loss", "wide * wide_base"))
    end_crossed: float = squares(2, pairs="at_end * paid", steady="wide * wide")
    end_stayed: float = squares(1, pairs=_if("paid > 0", "at_end"), steady="wide")
    start_stayed: float = squares(1, pairs=_if("at_end > 0", "paid"), steady="wide")
    stayed: float = squares(pairs=_if("paid > 0 AND at_end > 0"), steady="1")
    start_crossed: float = squares(2, pairs="paid * paid_before", steady="wide * wide")
    kept_crossed: float = squares(2, pairs="kept * kept_before")
    kept_start_before: float = squares(2, pairs="kept * paid_before")
    start_kept_before: float = squares(2, pairs="paid * kept_before")
    lost_crossed: float = squares(2, pairs="lost * lost_before")
    lost_start_before: float = squares(2, pairs="lost * paid_before")
    start_lost_before: float = squares(2, pairs="paid * lost_before")
    back_crossed: float = squares(2, pairs="kept * back_before + back * kept_before")
    back_start_before: float = squares(2, pairs="back * paid_before")
    start_back_before: float = squares(2, pairs="paid * back_before")
    gained_crossed: float = squares(2, pairs="gained * gained_before")
    gained_lost_before: float = squares(2, pairs="gained * lost_before")
    lost_gained_before: float = squares(2, pairs="lost * gained_before")


@dataclass(kw_only=True)
class Purchases(SummaryRow):
    """Purchases of identified customers, of guests, and refunds that name no order, with sums for the intervals.

    `…_before` is of the period right before, `…_both` of who bought in both, `…_crossed` the product of the two.
    Amounts are in the report's currency.
    """

    table = "orders"
    is_paired = True

    buyers: int = exact(customers="1")
    purchases: int = exact(customers="purchases")
    repeat_buyers: int = exact(customers="is_repeat")
    returning_buyers: int = exact(customers="is_returning")
    guest_purchases: int = exact(guests="1")
    refund_count: int = exact(refunds="1")
    customer_revenue: float = exact(1, customers="revenue")
    guest_revenue: float = exact(1, guests="amount")
    refunds: float = exact(1, refunds="refund")
    purchases_squared: float = squares(customers="wide_purchases * wide_purchases")
    revenue_squared: float = squares(2, customers="wide * wide")
    revenue_purchases: float = squares(1, customers="wide * wide_purchases")
    stayed: float = squares(both="1")
    purchases_crossed: float = squares(both="wide_purchases * wide_purchases_before")
    purchases_both: float = squares(both="purchases")
    purchases_before: float = squares(both="purchases_before")
    revenue_crossed: float = squares(2, both="wide * wide_before")
    revenue_both: float = squares(1, both="revenue")
    revenue_before: float = squares(1, both="revenue_before")
    revenue_purchases_before: float = squares(1, both="wide * wide_purchases_before")
    purchases_revenue_before: float = squares(1, both="wide_purchases * wide_before")
    repeat_crossed: float = squares(both="is_repeat * was_repeat")
    repeat_both: float = squares(both="is_repeat")
    repeat_before: float = squares(both="was_repeat")
    returning_before: float = squares(both="was_returning")


def _answers(survey: str, value: str, condition: str = "") -> Any:
    return weighted(rows=_if(f"survey = '{survey}'{condition and f' AND {condition}'}", value))


def _paired(survey: str, value: str) -> Any:
    """Over those who answered in the period right before too."""
    return _column("products", 0, {"twice": _if(f"survey = '{survey}'", value)})


def _beside(survey: str, value: str) -> Any:
    """Over every two answers of one customer."""
    return _column("products", 0, {"rows": _if(f"survey = '{survey}'", value)})


@dataclass(kw_only=True)
class Feedback(SummaryRow):
    """Valid answers by survey, what they weigh and what they count as, with sums for the intervals.

    Over those who answered in the period right before too: products of what their answers add to the score then and now
    (`…_crossed`), of one and the other's weight (`…_both`, `…_before`) and of the weights (`…_pairs`). Over every two
    answers of one customer within the period, each way round: `…_parts_beside`, `…_part_beside`, `…_weight_beside`.
    """

    table = "responses"
    is_paired = True

    nps_answers: float = _answers("nps", "1")
    nps_weight: float = _answers("nps", "weight")
    nps_weight_squared: float = _answers("nps", "weight * weight")
    promoters: float = _answers("nps", "weight", "score >= 9")
    passives: float = _answers("nps", "weight", "score BETWEEN 7 AND 8")
    detractors: float = _answers("nps", "weight", "score <= 6")
    csat_answers: float = _answers("csat", "1")
    csat_weight: float = _answers("csat", "weight")
    csat_weight_squared: float = _answers("csat", "weight * weight")
    satisfied: float = _answers("csat", "weight", "score > high - $csat_top")
    ces_answers: float = _answers("ces", "1")
    ces_weight: float = _answers("ces", "weight")
    ces_weight_squared: float = _answers("ces", "weight * weight")
    easy: float = _answers("ces", "weight", "score > high - $ces_top")
    ces_scores: float = _answers("ces", "weight * score")
    ces_scores_squared: float = _answers("ces", "weight * score * score")
    nps_crossed: float = _paired("nps", "part * part_before")
    nps_both: float = _paired("nps", "part * weight_before")
    nps_before: float = _paired("nps", "weight * part_before")
    nps_pairs: float = _paired("nps", "weight * weight_before")
    nps_parts_beside: float = _beside("nps", "part * part_beside")
    nps_part_beside: float = _beside("nps", "part * weight_beside")
    nps_weight_beside: float = _beside("nps", "weight * weight_beside")
    csat_crossed: float = _paired("csat", "part * part_before")
    csat_both: float = _paired("csat", "part * weight_before")
    csat_before: float = _paired("csat", "weight * part_before")
    csat_pairs: float = _paired("csat", "weight * weight_before")
    csat_parts_beside: float = _beside("csat", "part * part_beside")
    csat_part_beside: float = _beside("csat", "part * weight_beside")
    csat_weight_beside: float = _beside("csat", "weight * weight_beside")
    ces_crossed: float = _paired("ces", "part * part_before")
    ces_both: float = _paired("ces", "part * weight_before")
    ces_before: float = _paired("ces", "weight * part_before")
    ces_pairs: float = _paired("ces", "weight * weight_before")
    ces_parts_beside: float = _beside("ces", "part * part_beside")
    ces_part_beside: float = _beside("ces", "part * weight_beside")
    ces_weight_beside: float = _beside("ces", "weight * weight_beside")


@dataclass(kw_only=True)
class TrailingOrders(SummaryRow):
    """What customers bought in the twelve months up to a period's end, and who of the twelve before was lost."""

    table = "orders"
    is_state = True

    buyers: int = exact(bought="1")
    purchases: int = exact(held="purchases")
    revenue: float = exact(1, held="revenue")
    exposed: int = exact(could_be_lost="1")
    lost: int = exact(was_lost="1")
    revenue_squared: float = squares(
        2, held="CAST(revenue AS DECIMAL(19, 0)) * CAST(after_and_before AS DECIMAL(19, 0))"
    )


@dataclass(kw_only=True)
class CohortPeriods(SummaryRow):
    """How many customers of a cohort were active in a period, and what they paid."""

    key = "cohort"
    is_state = True

    active: int = exact(active="1")
    revenue: float = exact(1, payments="paid")


@dataclass(kw_only=True)
class Reasons(SummaryRow):
    """Customers lost and MRR churned, by the reason that they gave."""

    table = "subscriptions"
    key = "reason"
    is_state = True
    is_monthly = True

    lost: int = exact(lost="1")
    churned: float = exact(1, churned="mrr_before")


@dataclass(kw_only=True)
class Scores(SummaryRow):
    """Answers by survey, score and the scale's end, by weight."""

    table = "responses"
    key = "answer"

    answers: float = weighted(rows="weight")


@dataclass(kw_only=True)
class TrailingYear:
    """The twelve months that end with a period, for one segment value; see `queries.trailing_year` for the columns.

    Money is in the report's currency, `lifespan` in years (None where it is undefined).
    """

    segment_value: str
    revenue: float
    revenue_squared: float
    purchases: float
    customers: float
    frequency: float
    exposed: float
    lost: float
    months: int
    lifespan: float | None
    is_known: bool
    definitions: Definitions


@dataclass(kw_only=True)
class Lives:
    """What a lifetime model says of the customers at a period's end, for one segment value; see `forecasts.lives`.

    Money is in the report's currency, over the months of `horizon_months`, discounted by the yearly `discount`.
    """

    segment_value: str
    customers: int  # in the model: with a purchase so far, or paying at the end
    purchases: float | None  # expected; for subscriptions renewals
    value: float | None  # expected, summed over the customers
    low: float | None  # the ends of its 95% interval, of the parameters alone; None where there is none
    high: float | None
    at_risk: int | None  # customers at risk
    at_stake: float | None  # the money that they may take along
    reason: str  # why `value` is undefined, in a sentence; else empty
    at_risk_reason: str  # why `at_risk` is; else empty
    note: str  # what the model warns of
    definitions: Definitions


SUMMARY_ROWS: dict[str, type[SummaryRow]] = {
    "movements": Movements,
    "mrr": Mrr,
    "purchases": Purchases,
    "feedback": Feedback,
    "trailing": TrailingOrders,
    "cohorts": CohortPeriods,
    "reasons": Reasons,
    "scores": Scores,
}


def columns(name: str, kind: str = "") -> dict[str, Column]:
    """The columns of a summary by their names, those of one kind or all."""
    return {
        field.name: field.metadata["column"]
        for field in _declared(SUMMARY_ROWS[name])
        if kind in ("", field.metadata["column"].kind)
    }


def _declared(row: type[SummaryRow]) -> Iterator[Field[Any]]:
    return (field for field in fields(row) if "column" in field.metadata)
