"""Each metric and each option on tables small enough for a pencil."""

from __future__ import annotations

from math import sqrt

import pandas as pd
import pytest

import retention_kit as rk
from pencil import row, table, value
from retention_kit.errors import DataError, SettingsError, UnknownNameError
from retention_kit.metrics import formulas
from retention_kit.metrics.catalogue import Measure
from retention_kit.metrics.identities import identities

UTC = {"timezone": "UTC", "currency": "GBP"}

# In February Ben, Dan and Fay leave (Fay to pause), Cid pays 20 more, Gus 15 less, Eve comes and goes.
MEMBERS = table("""
    customer_id  subscription_id  started_at  ended_at    amount  status  cancel_reason
    Ann          a                2024-01-10  -           10      -       -
    Ben          b                2024-01-05  2024-02-15  20      -       too expensive
    Cid          c                2024-01-05  2024-02-10  30      -       -
    Cid          c                2024-02-10  -           50      -       -
    Dan          d                2024-01-20  2024-02-05  40      -       -
    Dan          d                2024-03-05  -           40      -       -
    Eve          e                2024-02-10  2024-02-20  15      -       missing feature
    Fay          f                2024-01-02  2024-02-11  25      -       -
    Fay          f                2024-02-11  2024-03-20  25      paused  -
    Fay          f                2024-03-20  -           25      -       -
    Gus          g                2024-01-03  2024-02-14  60      -       -
    Gus          g                2024-02-14  -           45      -       -
""")
SALES = table("""
    customer_id  order_id  ordered_at  amount  refund_of
    Ann          1         2024-01-05  10      -
    Ann          2         2024-02-05  30      -
    Ben          3         2024-02-06  20      -
    Ben          4         2024-02-07  40      -
    Cid          5         2024-02-08  50      -
    -            6         2024-02-09  7       -
    Cid          7         2024-02-10  -4      -
    -            8         2024-02-11  3       unknown
""")


def members(**options):
    return rk.load(subscriptions=MEMBERS, as_of="2024-04-01", **UTC | options)


def sales(**options):
    return rk.load(orders=SALES, as_of="2024-03-01", **UTC | options)


def answers(text: str, **options):
    return rk.load(responses=table(text), as_of="2024-02-01", **UTC | options)


# Recurring revenue


@pytest.mark.parametrize(
    ("metric", "february", "march"),
    [
        ("mrr", 105, 170),
        ("net_new_mrr", -80, 65),
        ("gross_revenue_churn_rate", 100 / 185, 0),
        ("net_revenue_churn_rate", 80 / 185, -65 / 105),
        ("gross_revenue_retention", 85 / 185, 1),
        ("net_revenue_retention", 105 / 185, 1),  # reactivated MRR is not retained MRR
        ("quick_ratio", 20 / 100, None),
        ("average_revenue_per_account", 105 / 3, 170 / 5),
        ("customers_at_start", 6, 3),
        ("lost_customers", 3, 0),
        ("reactivated_customers", 0, 2),
        ("early_churned_customers", 1, 0),
        ("new_customers", 0, 0),
        ("customer_churn_rate", 3 / 6, 0),
    ],
)
def test_recurring_revenue_by_hand(metric, february, march):
    data = members()
    assert value(data, metric, "2024-02") == pytest.approx(february)
    figure = row(data, metric, "2024-03")
    assert figure["value"] == pytest.approx(march)
    assert (figure["value"] is None) == ("nothing to divide by" in figure["note"])


def test_reactivation_can_be_left_out_of_the_quick_ratio():
    late = pd.concat(
        [
            MEMBERS,
            MEMBERS[MEMBERS["customer_id"] == "Ann"].assign(
                customer_id="Zoe", subscription_id="z", ended_at="2024-03-10"
            ),
        ]
    )
    data = rk.load(subscriptions=late, as_of="2024-04-01", **UTC)
    assert value(data, "quick_ratio", "2024-03") == 65 / 10
    data = rk.load(subscriptions=late, as_of="2024-04-01", quick_ratio_reactivation=False, **UTC)
    assert value(data, "quick_ratio", "2024-03") == 0


UP_AND_DOWN = table("""
    customer_id  subscription_id  started_at  ended_at    amount
    Ann          a                2024-01-01  2024-02-05  10
    Ann          a                2024-02-05  2024-02-25  30
    Ann          a                2024-02-25  -           20
    Ben          b                2024-01-01  2024-02-05  10
    Ben          b                2024-02-20  -           10
    Cid          c                2024-01-01  -           10
""")


def test_a_change_there_and_back_shows_only_in_the_events():
    ends = rk.load(subscriptions=UP_AND_DOWN, as_of="2024-03-01", **UTC)
    events = rk.load(subscriptions=UP_AND_DOWN, as_of="2024-03-01", mrr_mode="event", **UTC)
    columns = ["start", "new", "expansion", "contraction", "churned", "reactivation", "fx", "end"]
    february = [
        frame.set_index("period").loc["2024-02", columns].tolist()
        for frame in (rk.mrr_movements(ends), rk.mrr_movements(events))
    ]
    assert february == [[30, 0, 10, 0, 0, 0, 0, 40], [30, 0, 20, 10, 10, 10, 0, 40]]
    assert value(ends, "gross_revenue_retention", "2024-02") == 1
    assert value(events, "gross_revenue_retention", "2024-02") == pytest.approx(1 - 20 / 30)
    assert (
        value(ends, "net_revenue_retention", "2024-02") == value(events, "net_revenue_retention", "2024-02") == 40 / 30
    )
    assert value(events, "quick_ratio", "2024-02") == 30 / 20


def test_who_leaves_and_returns_is_churn_only_by_event():
    ends = rk.load(subscriptions=UP_AND_DOWN, as_of="2024-03-01", **UTC)
    events = rk.load(subscriptions=UP_AND_DOWN, as_of="2024-03-01", churn_mode="event", **UTC)
    assert rk.customer_movements(ends).loc[1].tolist() == ["2024-02", 3, 0, 0, 0, 3, 3]
    assert rk.customer_movements(events).loc[1].tolist() == ["2024-02", 3, 0, 1, 1, 3, 3]
    assert value(ends, "customer_churn_rate", "2024-02") == 0
    assert value(events, "customer_churn_rate", "2024-02") == 1 / 3
    assert value(events, "customer_retention_rate", "2024-02") == 1


def test_a_change_of_plan_within_a_day_is_one_change():
    data = rk.load(
        subscriptions=table("""
        customer_id  subscription_id  started_at           ended_at             amount
        Ann          a                2024-01-01 00:00:00  2024-02-05 13:00:00  10
        Ann          b                2024-02-05 10:00:00  -                    30
        Ben          c                2024-01-01 00:00:00  2024-02-05 10:00:00  10
        Ben          d                2024-02-05 13:00:00  -                    5
    """),
        as_of="2024-03-01",
        mrr_mode="event",
        churn_mode="event",
        **UTC,
    )
    february = rk.mrr_movements(data).set_index("period").loc["2024-02"]
    assert (february["expansion"], february["contraction"], february["churned"]) == (20, 5, 0)
    assert value(data, "lost_customers", "2024-02") == 0


def test_reasons_of_churn_by_hand():
    february = [["too expensive", 1, 20.0], ["(none)", 1, 40.0], ["(paused)", 1, 25.0]]
    frame = rk.churn_reasons(members())
    assert frame.columns.tolist() == ["period", "reason", "lost", "churned"]
    assert frame["period"].unique().tolist() == ["2024-02"]
    assert sorted(frame[["reason", "lost", "churned"]].values.tolist()) == sorted(february)
    early = rk.churn_reasons(members(churn_mode="event", mrr_mode="event"))
    assert ["missing feature", 1, 15.0] in early[["reason", "lost", "churned"]].values.tolist()


# Foreign money


def test_exchange_rates_have_a_line_of_their_own():
    rates = table("""
        date        currency  rate
        2024-01-01  EUR       0.80
        2024-01-31  EUR       0.90
        2024-02-20  EUR       0.85
    """)
    spells = table("""
        customer_id  subscription_id  started_at  ended_at    amount  currency
        Ann          a                2024-01-10  2024-02-10  100     EUR
        Ann          a                2024-02-10  2024-03-10  120     EUR
        Ben          b                2024-01-10  -           50      GBP
    """)
    data = rk.load(subscriptions=spells, rates=rates, as_of="2024-04-01", **UTC)
    frame = rk.mrr_movements(data).set_index("period")
    columns = ["start", "new", "expansion", "contraction", "churned", "reactivation", "fx", "end"]
    assert frame.loc["2024-01", columns].tolist() == pytest.approx([0, 140, 0, 0, 0, 0, 0, 140])
    assert frame.loc["2024-02", columns].tolist() == pytest.approx([140, 0, 17, 0, 0, 0, -5, 152])
    assert frame.loc["2024-03", columns].tolist() == pytest.approx([152, 0, 0, 0, 102, 0, 0, 50])
    assert value(data, "net_revenue_retention", "2024-02") == pytest.approx(
        (140 + 20 * 0.9) / 140
    )  # at the rates of the start
    assert value(data, "net_new_mrr", "2024-02") == pytest.approx(17)
    assert [identity.broken for identity in identities(data, "month")] == [()] * len(identities(data, "month"))


# Purchases


@pytest.mark.parametrize(
    ("metric", "february"),
    [
        ("returning_customer_rate", 1 / 3),
        ("repeat_purchase_rate", 1 / 3),
        ("revenue", 147),
        ("guest_revenue", 7),
        ("refunds", 7),
        ("net_revenue", 140),
        ("purchase_frequency", 4 / 3),
        ("average_purchase_value", 140 / 4),
        ("average_revenue_per_customer", 140 / 3),
    ],
)
def test_purchase_metrics_by_hand(metric, february):
    assert value(sales(), metric, "2024-02") == pytest.approx(february)


def test_shopify_calls_two_first_orders_a_return():
    assert value(sales(returning="shopify"), "returning_customer_rate", "2024-02") == 2 / 3


def test_in_the_first_period_everybody_seems_new():
    figure = row(sales(), "returning_customer_rate", "2024-01")
    assert (figure["value"], "data begin" in figure["note"]) == (0, True)


def test_cohorts_carry_their_revenue():
    frame = rk.cohorts(sales())
    cells = {(cell.cohort, cell.age): (cell.active, cell.revenue) for cell in frame.itertuples()}
    assert cells == {("2024-01", 0): (1, 10.0), ("2024-01", 1): (1, 30.0), ("2024-02", 0): (2, 110.0)}
    frame = rk.cohorts(members())
    first = frame[frame["cohort"] == "2024-01"]
    assert first["revenue"].tolist() == [185, 105, 170]


@pytest.mark.parametrize(
    ("days", "january", "february"), [(26, (0, 1), (0, 0)), (27, (1, 0), (1, 0)), (56, (1, 0), (1, 1))]
)
def test_a_customer_for_some_days_after_a_purchase(days, january, february):
    """Ann buys on 5 January: 27 days before 1 February and 56 before 1 March."""
    orders = table("""
        customer_id  order_id  ordered_at  amount
        Ann          1         2024-01-05  10
        Ben          2         2024-02-28  10
    """)
    data = rk.load(orders=orders, as_of="2024-03-01", inactivity_days=days, **UTC)
    by_period = {
        period: {
            name: value(data, name, period)
            for name in (
                "customers_at_start",
                "customers_at_end",
                "new_customers",
                "lost_customers",
                "early_churned_customers",
            )
        }
        for period in ("2024-01", "2024-02")
    }
    at_end, early = january
    assert (by_period["2024-01"]["customers_at_end"], by_period["2024-01"]["early_churned_customers"]) == (
        at_end,
        early,
    )
    at_start, ann_stays = february
    assert by_period["2024-02"]["customers_at_start"] == at_start
    assert by_period["2024-02"]["customers_at_end"] == ann_stays + 1
    assert by_period["2024-02"]["new_customers"] == 1
    assert by_period["2024-02"]["lost_customers"] == at_start - ann_stays
    assert value(data, "active_customers", "2024-02") == 1
    assert [identity.name for identity in identities(data, "month") if identity.broken] == []


def test_lapsing_and_buying_again_within_a_month_is_an_event():
    orders = table("""
        customer_id  order_id  ordered_at  amount
        Ann          1         2024-01-25  10
        Ann          2         2024-02-20  10
    """)
    ends, events = (
        rk.load(orders=orders, as_of="2024-03-01", inactivity_days=14, churn_mode=mode, **UTC)
        for mode in ("endpoint", "event")
    )
    assert rk.customer_movements(ends).loc[1].tolist() == ["2024-02", 1, 0, 0, 0, 1, 1]
    assert rk.customer_movements(events).loc[1].tolist() == ["2024-02", 1, 0, 1, 1, 1, 1]


# Lifetimes


def test_the_lifespan_of_members_by_hand():
    """Of nobody, then six, then three at the starts of three months, three are lost in all."""
    data = members()
    figure = row(data, "customer_lifespan", "2024-03")
    exposed = 0 + 6 + 3  # customers at the starts of January, February and March
    assert figure["value"] == pytest.approx(exposed / 3 / 12)
    assert (figure["numerator"], figure["denominator"], figure["n"]) == (exposed / 12, 3, exposed)
    assert figure["low"] < figure["value"] < figure["high"]
    assert value(data, "customer_lifetime_value", "2024-03") == pytest.approx(
        (185 + 105 + 170) / 14 * 12 * exposed / 36
    )


def test_the_lifespan_of_buyers_by_hand():
    """Of four buyers of one year three buy in the next: one in four is lost, so a customer stays four years."""
    orders = pd.DataFrame(
        {
            "customer_id": ["A", "B", "C", "D", "A", "B", "C", "C"],
            "ordered_at": ["2022-01-01", *["2022-06-01"] * 3, *["2023-06-01"] * 4],
            "amount": 10,
        }
    )
    data = rk.load(orders=orders, as_of="2024-01-01", **UTC)
    assert value(data, "customer_lifespan", "2023-12") == 4
    assert value(data, "customer_lifetime_value", "2023-12") == pytest.approx(10 * 4 / 3 * 4)
    chosen = rk.load(orders=orders, as_of="2024-01-01", lifespan_years=3, **UTC)
    assert row(chosen, "customer_lifespan", "2023-12")["note"] == "Set in the settings."
    assert value(chosen, "customer_lifetime_value", "2023-12") == pytest.approx(40)


# Answers

FOUR = """
    responded_at  survey  score
    2024-01-05    ces     7
    2024-01-06    ces     6
    2024-01-07    ces     5
    2024-01-08    ces     4
"""


@pytest.mark.parametrize(
    ("top", "unit", "score"), [(3, "fraction", 3 / 4), (2, "fraction", 2 / 4), ("mean", "ratio", 5.5)]
)
def test_customer_effort_by_hand(top, unit, score):
    figure = row(answers(FOUR, ces_top=top), "customer_effort_score", "2024-01")
    assert (figure["value"], figure["unit"], figure["n"]) == (score, unit, 4)
    assert rk.ces([7, 6, 5, 4], top=top).value == score


def test_the_last_answer_of_a_customer_counts_or_every_one():
    text = """
        customer_id  responded_at  survey  score
        Ann          2024-01-05    nps     10
        Ann          2024-01-09    nps     0
        -            2024-01-09    csat    4
    """
    assert value(answers(text), "net_promoter_score", "2024-01") == -100
    assert value(answers(text), "response_count", "2024-01") == 2
    assert value(answers(text, answers="all"), "net_promoter_score", "2024-01") == 0
    assert value(answers(text, answers="all"), "response_count", "2024-01") == 3


def test_wald_is_an_option_for_nps():
    """Ten promoters: Wald gives no width, the adjusted interval does."""
    text = "responded_at  survey  score\n" + "\n".join(f"2024-01-{day}  nps  10" for day in range(10, 20))
    wald = row(answers(text, nps_interval="wald"), "net_promoter_score", "2024-01")
    adjusted = row(answers(text), "net_promoter_score", "2024-01")
    assert (wald["low"], wald["high"]) == (100, 100)
    assert adjusted["low"] < 95


@pytest.mark.parametrize(("top", "share"), [(2, 2 / 4), (4, 4 / 4), (1, 1 / 4)])
def test_satisfied_are_the_top_boxes(top, share):
    text = """
        responded_at  survey  score  scale
        2024-01-05    csat    10     1-10
        2024-01-06    csat    9      1-10
        2024-01-07    csat    8      1-10
        2024-01-08    csat    7      1-10
    """
    assert value(answers(text, csat_top=top), "customer_satisfaction_score", "2024-01") == share


# Intervals


def test_mean_has_the_interval_of_its_standard_error():
    values = [10, 20, 60]
    measure = formulas.mean(sum(values), sum(value**2 for value in values), 3, "")
    error = sqrt(sum((value - 30) ** 2 for value in values) / 2 / 3)  # sample deviation over the root of n
    assert (measure.value, measure.n) == (30, 3)
    assert measure.high - 30 == pytest.approx(1.959964 * error, rel=1e-6)
    assert measure.low == max(0, 30 - (measure.high - 30))


def test_of_one_customer_or_equal_ones_there_is_no_interval():
    assert formulas.mean(10, 100, 1, "") == Measure(10, 10, 1, 1)
    assert formulas.mean(30, 300, 3, "") == Measure(10, 30, 3, 3)


def test_difference_has_an_interval_by_newcombe():
    """Newcombe (1998), table II (a): 56/70 - 48/80 = 0.2, by his method 10 from 0.0524 to 0.3339."""
    low, high = formulas.difference(formulas.share(56, 70, ""), formulas.share(48, 80, ""))
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)
    assert formulas.difference(Measure(0.5), Measure(0.4, low=0.3, high=0.5)) is None


def test_changes_carry_their_interval():
    figure = row(members(), "customer_retention_rate", "2024-03")
    now, before = formulas.share(3, 3, ""), formulas.share(3, 6, "")
    assert figure["change"] == 0.5
    assert (figure["change_low"], figure["change_high"]) == pytest.approx(formulas.difference(now, before))


@pytest.mark.parametrize("scores", [[10], [5], [10, 10], [0, None]])
def test_of_one_answer_the_interval_holds_the_score(scores):
    measure = rk.nps(scores)
    assert measure.low <= measure.value <= measure.high
    assert "Small sample: n = " in measure.note


def test_nrr_and_its_interval_are_the_same_in_either_mode():
    ends, events = (row(members(mrr_mode=mode), "net_revenue_retention", "2024-02") for mode in ("snapshot", "event"))
    assert (ends["value"], ends["low"], ends["high"]) == (events["value"], events["low"], events["high"])
    assert ends["low"] < ends["value"] < ends["high"]


def test_a_wrong_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="no metric 'retention_rate': did you mean 'customer_retention_rate'"):
        rk.METRICS["retention_rate"]


@pytest.mark.parametrize("scores", [7, "10"])
def test_scores_are_a_list(scores):
    with pytest.raises(DataError, match="Scores are a list"):
        rk.nps(scores)


def test_not_every_answer_can_be_a_good_one():
    with pytest.raises(SettingsError, match="top is 5 on a scale of 1-5: choose from 1 to 4"):
        rk.csat([5, 4], top=5)
    with pytest.raises(SettingsError, match=r"definitions.ces_top is 7 on a scale of 1-7: choose from 1 to 6"):
        answers(FOUR, ces_top=7)
