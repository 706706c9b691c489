"""The door in: what counts, what is set aside, and that nothing is set aside in silence."""

import pandas as pd
import pytest

import retention_kit as rk
from pencil import by_segment, checks, row, table, value
from retention_kit.errors import DataError, SettingsError

UTC = {"timezone": "UTC", "currency": "GBP"}


def orders(text: str, **settings):
    return rk.load(orders=table(text), **UTC | settings)


def subscriptions(text: str, **settings):
    return rk.load(subscriptions=table(text), **UTC | settings)


def responses(text: str, **settings):
    return rk.load(responses=table(text), **UTC | settings)


# Orders


def test_identical_rows_count_once():
    data = orders("""
        customer_id  order_id  ordered_at  amount
        Ann          1         2024-01-05  10.00
        Ann          1         2024-01-05  10.00
        Ann          1         2024-01-05  10.00
        Ben          2         2024-01-06  5.00
    """)
    assert checks(data) == {"identical row": 2}
    assert value(data, "revenue", "2024-01") == 15  # 10 + 5


def test_without_an_order_id_every_row_is_an_order():
    data = orders("""
        customer_id  ordered_at  amount
        Ann          2024-01-05  10.00
        Ann          2024-01-05  10.00
    """)
    assert value(data, "revenue", "2024-01") == 20


def test_an_empty_order_id_is_like_no_other():
    data = orders("""
        customer_id  order_id  ordered_at  amount
        Ann          -         2024-01-05  10.00
        Ben          -         2024-01-06  20.00
    """)
    assert checks(data) == {}
    assert value(data, "revenue", "2024-01") == 30


def test_one_key_with_other_contents_keeps_the_earliest_then_the_smallest():
    data = orders("""
        customer_id  order_id  ordered_at  amount
        Ann          1         2024-01-09  10.00
        Ann          1         2024-01-05  30.00
        Ann          1         2024-01-05  20.00
        Ben          2         2024-01-06  5.00
    """)
    assert checks(data) == {"same order_id, other contents": 2}
    assert value(data, "revenue", "2024-01") == 25  # 20 + 5
    assert list(data.quarantine["orders"]["amount"]) == ["10.00", "30.00"]


def test_an_unusable_row_never_displaces_a_usable_one_of_its_key():
    data = orders("""
        customer_id  order_id  ordered_at  amount
        Ann          1         2024-01-01  ten
        Ann          1         2024-01-05  20.00
        Ben          2         2024-01-06  5.00
    """)
    assert checks(data) == {"unreadable amount": 1}
    assert value(data, "revenue", "2024-01") == 25


REFUNDS = """
    customer_id  order_id  ordered_at  amount   refund_of
    Ann          1         2024-01-05  100.00   -
    Ann          2         2024-01-06  40.00    -
    Ben          3         2024-01-07  50.00    -
    Ann          R1        2024-02-02  30.00    1
    Ben          R3        2024-02-03  -50.00   3
    Ann          R2        2024-02-04  -60.00   2
    Cy           R9        2024-02-05  -7.00    9
    Cy           R0        2024-02-06  -5.00    -
"""


def test_a_named_refund_lowers_its_order_in_that_orders_period():
    data = orders(REFUNDS)
    assert value(data, "revenue", "2024-01") == 70  # 100 - 30, 40 - 60 is nothing, 50 - 50 is nothing
    assert value(data, "active_customers", "2024-01") == 1, "a fully refunded order makes no purchaser"
    assert value(data, "revenue", "2024-02") == 0, "a refund is no purchase"
    assert value(data, "active_customers", "2024-02") == 0


def test_refunds_are_counted_by_whether_they_name_an_order():
    found = checks(orders(REFUNDS))
    assert found["refund of a named order"] == 4
    assert found["refund that names no order"] == 3, "20 too much for order 2, 7 for the unknown order 9, 5 without any"


def test_a_refund_counts_up_to_the_as_of_date_only():
    assert value(orders(REFUNDS, as_of="2024-02-03"), "revenue", "2024-01") == 160  # 100 - 30 + 40 + 50
    assert value(orders(REFUNDS, as_of="2024-02-04"), "revenue", "2024-01") == 110  # and order 3 is refunded


ZEROS = """
    customer_id  order_id  ordered_at  amount
    Ann          1         2024-01-05  0.00
    Ben          2         2024-01-06  0
    Ben          3         2024-01-07  10.00
"""


@pytest.mark.parametrize(("rule", "buyers", "purchases"), [("ignore", 1, 1), ("purchase", 2, 3)])
def test_a_zero_amount_is_a_purchase_only_if_the_definitions_say_so(rule, buyers, purchases):
    data = orders(ZEROS, zero_orders=rule)
    frequency = row(data, "purchase_frequency", "2024-01")
    assert (frequency["denominator"], frequency["numerator"]) == (buyers, purchases)
    assert checks(data)["no purchase: amount 0"] == 2


def test_guests_are_in_revenue_and_in_no_figure_about_customers():
    data = orders("""
        customer_id  order_id  ordered_at  amount
        -            1         2024-01-05  10.00
        -            2         2024-01-05  10.00
        Ann          3         2024-01-06  30.00
    """)
    assert checks(data) == {"no customer (guest)": 2}
    assert value(data, "revenue", "2024-01") == 50
    assert value(data, "active_customers", "2024-01") == 1
    assert value(data, "average_purchase_value", "2024-01") == 30


def test_money_is_exact_to_the_minor_unit():
    data = orders("customer_id  ordered_at  amount\n" + "Ann  2024-01-05  0.10\n" * 3 + "Ben  2024-01-05  19.99")
    assert value(data, "revenue", "2024-01") == 20.29  # floats would say 20.290000000000003


# Times


@pytest.mark.parametrize("column", ["ordered_at", "amount"])
def test_unreadable_values_are_set_aside_below_half_and_refused_from_half_on(column):
    bad = {"ordered_at": "someday", "amount": "ten"}[column]
    good = pd.DataFrame({"customer_id": list("ABC"), "ordered_at": "2024-01-05", "amount": "10"})
    third = good.assign(**{column: [bad, *good[column][1:]]})
    data = rk.load(orders=third, **UTC)
    assert checks(data) == {f"unreadable {'date' if column == 'ordered_at' else 'amount'}": 1}
    assert list(data.quarantine["orders"]["customer_id"]) == ["A"]
    with pytest.raises(DataError, match=rf"^The orders column '{column}' is unreadable in 1 of 2 rows, first in row 1 \('{bad}'\)"):
        rk.load(orders=third[:2], **UTC)


@pytest.mark.parametrize(
    ("times", "zone", "period"),
    [
        ("2024-01-31 23:30:00", "Europe/Paris", "2024-01"),  # naive: already local
        ("2024-01-31T23:30:00Z", "Europe/Paris", "2024-02"),  # 00:30 on 1 February in Paris
        ("2024-01-31 23:30:00+00:00", "America/New_York", "2024-01"),
        ("2024-02-01 03:00:00+00", "America/New_York", "2024-01"),  # 22:00 on 31 January in New York
        ("2024-02-01", "America/New_York", "2024-02"),  # a bare date is local midnight
        ("2024-06-30T22:30:00Z", "Europe/Paris", "2024-07"),  # summer time: two hours ahead
        ("2024-02-01 00:00:00", "UTC", "2024-02"),  # a period holds its first instant
        ("2024-01-31 23:59:59.999999", "UTC", "2024-01"),
    ],
)
def test_an_instant_belongs_to_its_local_date(times, zone, period):
    data = rk.load(orders=table(f"customer_id  ordered_at  amount\nAnn  {times}  10"), timezone=zone)
    assert value(data, "revenue", period) == 10


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # DuckDB's own, on columns with a zone
def test_aware_timestamps_of_a_frame_are_converted_and_given_back_as_they_came():
    frame = pd.DataFrame({"customer_id": ["Ann", "Ann"], "order_id": [1, 1], "amount": [10, 10]})
    data = rk.load(orders=frame.assign(ordered_at=pd.Timestamp("2024-01-31 23:30", tz="UTC")), timezone="Europe/Paris")
    assert value(data, "revenue", "2024-02") == 10
    assert list(data.quarantine["orders"]["check"]) == ["identical row"]


def test_naive_times_without_any_time_zone_are_utc_and_counted():
    rows = "customer_id  ordered_at  amount\nAnn  2024-01-31 23:30:00  10\nBen  2024-01-31  5"
    assert checks(rk.load(orders=table(rows))) == {"naive times without a time zone": 2}
    assert checks(rk.load(orders=table(rows), timezone="UTC")) == {}
    assert checks(rk.load(orders=table("customer_id  ordered_at  amount\nBen  2024-01-31  5"))) == {}, "dates have no zone"


def test_naive_and_aware_times_in_one_column_are_refused():
    with pytest.raises(DataError, match="'ordered_at' mixes 1 times with an offset and 2 without: write all of them one way"):
        orders("""
            customer_id  ordered_at            amount
            Ann          2024-01-05 10:00:00Z  10
            Ben          2024-01-05 10:00:00   10
            Cy           2024-01-06 10:00      10
        """)


def test_numbers_are_no_dates():
    frame = pd.DataFrame({"customer_id": ["Ann"], "ordered_at": [20240105], "amount": [1]})
    with pytest.raises(DataError, match="^The orders column 'ordered_at' holds bigint values, not dates"):
        rk.load(orders=frame)


# As-of date


def test_the_as_of_date_is_the_midnight_after_the_last_event():
    data = orders("customer_id  ordered_at  amount\nAnn  2024-01-05  10\nBen  2024-03-31 18:00:00  10")
    assert (str(data.start), str(data.as_of)) == ("2024-01-05", "2024-04-01")
    assert rk.scorecard(data)["period"].unique() == ["2024-03"], "March is complete"


def test_a_planned_end_is_no_event():
    rows = """
        customer_id  subscription_id  started_at  ended_at    amount
        Ann          1                2024-01-05  2999-01-01  10
        Ben          2                2024-01-08  2024-02-10  10
    """
    assert str(subscriptions(rows).as_of) == "2024-02-11"


def test_what_happens_from_the_as_of_date_on_is_not_known_yet():
    data = orders(REFUNDS, as_of="2024-01-07")
    assert value(data, "revenue", "2024-01") == 140
    assert checks(data)["after the as-of date"] == 6
    assert not row(data, "revenue", "2024-01")["complete"]


def test_an_as_of_date_before_all_data_is_refused():
    with pytest.raises(DataError, match="^There is no usable row before 2023-01-01"):
        orders(ZEROS, as_of="2023-01-01")


# Subscriptions


@pytest.mark.parametrize(
    ("amount", "interval", "mrr"),
    [
        ("100.00", "-", 100),
        ("100.00", "Month", 100),
        ("120.00", "year", 10),  # / 12
        ("30.00", "quarter", 10),  # / 3
        ("12.00", "week", 52),  # × 52 / 12
        ("1.20", "day", 36.5),  # × 365 / 12
        ("100.00", "year", 100 / 12),  # exact in twelfths, rounded in print only
    ],
)
def test_a_months_worth_of_every_interval(amount, interval, mrr):
    data = subscriptions(f"""
        customer_id  subscription_id  started_at  ended_at  amount     interval
        Ann          1                2024-01-05  -         {amount}  {interval}
    """, as_of="2024-02-01")  # fmt: skip
    assert value(data, "mrr", "2024-01") == mrr


@pytest.mark.parametrize(
    ("status", "mrr"),
    [("active", 10), ("-", 10), ("past_due", 10), ("cancelled", 10), ("paused", 0), ("trialing", 0), ("unpaid", 0), ("free", 0)],
)
def test_which_states_carry_mrr(status, mrr):
    data = subscriptions(f"""
        customer_id  subscription_id  started_at  ended_at    amount  status
        Ann          1                2024-01-05  2024-02-15  10      {status}
    """, as_of="2024-03-01")  # fmt: skip
    assert value(data, "mrr", "2024-01") == mrr
    assert value(data, "mrr", "2024-02") == 0, "every state counts until it ended"
    assert checks(data) == ({} if mrr else {"spell without MRR": 1})


def test_spells_that_cannot_be_are_set_aside():
    data = subscriptions("""
        customer_id  subscription_id  started_at  ended_at    amount  interval   status  trial_ends_at
        Ann          1                2024-01-05  -           10      month      -       -
        Ben          2                2024-01-05  2024-01-04  20      month      -       -
        -            3                2024-01-05  -           30      month      -       -
        Dee          4                2024-01-05  -           40      fortnight  -       -
        Eve          5                2024-01-05  -           50      month      asleep  -
        Fay          6                2024-01-05  never       60      month      -       -
        Guy          7                2024-01-05  -           70      month      -       soon
        Hal          8                2024-01-05  -           ten     month      -       -
        Ann          1                2024-01-05  -           15      month      -       -
        Ann          1                2024-01-05  -           10      month      -       -
    """, as_of="2024-02-01")  # fmt: skip
    assert checks(data) == {
        "ended before it started": 1,
        "no customer": 1,
        "unknown interval": 1,
        "unknown status": 1,
        "unreadable end date": 1,
        "unreadable end date of the trial": 1,
        "unreadable amount": 1,
        "same subscription_id and start, other contents": 1,
        "identical row": 1,
    }
    assert value(data, "mrr", "2024-01") == 10
    assert len(data.quarantine["subscriptions"]) == 9


def test_an_unreadable_end_is_named_by_its_own_column():
    with pytest.raises(DataError, match=r"column 'ended_at' is unreadable in 1 of 2 rows, first in row 2 \('never'\)"):
        subscriptions("""
            customer_id  started_at  ended_at  amount
            Ann          2024-01-05  -         10
            Ben          2024-01-05  never     10
        """)


def test_mrr_starts_when_the_trial_ends():
    data = subscriptions("""
        customer_id  subscription_id  started_at  ended_at    amount  trial_ends_at
        Ann          1                2024-01-20  -           10      2024-02-03
        Ben          2                2024-01-20  2024-01-27  10      2024-02-03
        Cy           3                2024-01-20  -           10      2024-01-10
    """, as_of="2024-03-01")  # fmt: skip
    assert value(data, "mrr", "2024-01") == 10, "Cy, whose trial ended before the start"
    assert value(data, "new_customers", "2024-02") == 1, "Ann; Ben left within the trial"
    assert value(data, "lost_customers", "2024-02") == 0


@pytest.mark.parametrize(
    ("resumed", "reactivated", "bridged"),
    [("2024-02-01 12:00:00", 0, 1), ("2024-02-01 12:00:01", 1, 0), ("2024-01-31 12:00:00", 0, 0)],
)
def test_a_gap_of_at_most_24_hours_is_no_gap(resumed, reactivated, bridged):
    data = subscriptions(f"""
        customer_id  subscription_id  started_at           ended_at             amount
        Ann          1                2024-01-05 00:00:00  2024-01-31 12:00:00  10
        Ann          2                {resumed}            -                    10
        Ben          3                2024-01-05 00:00:00  -                    10
    """, as_of="2024-03-01")  # fmt: skip
    assert value(data, "reactivated_customers", "2024-02") == reactivated
    assert value(data, "customers_at_end", "2024-01") == (1 if reactivated else 2)
    assert checks(data) == ({"gap of at most 24 hours": 1} if bridged else {})


# Responses


def test_only_valid_answers_count_and_none_is_clamped():
    data = responses("""
        customer_id  responded_at  survey  score
        Ann          2024-01-05    nps     10
        Ben          2024-01-05    NPS     6
        Cy           2024-01-05    nps     11
        Dee          2024-01-05    nps     -1
        Eve          2024-01-05    nps     9.5
        Fay          2024-01-05    nps     great
        Guy          2024-01-05    npc     9
        Hal          2024-01-05    nps     9
    """)
    assert checks(data) == {"score outside the scale": 3, "unreadable score": 1, "unknown survey": 1}
    score = row(data, "net_promoter_score", "2024-01")
    assert (score["numerator"], score["n"]) == (1, 3)  # 2 promoters - 1 detractor, of 3


@pytest.mark.parametrize(
    ("scale", "top", "satisfied"), [("1-5", 2, 3), ("1-5", 1, 1), ("1-7", 2, 1), ("1-10", 2, 0), ("-", 2, 3)]
)
def test_satisfied_are_the_top_boxes_of_the_scale(scale, top, satisfied):
    data = responses(f"""
        responded_at  survey  score  scale
        2024-01-05    csat    5      {scale}
        2024-01-05    csat    4      {scale}
        2024-01-05    csat    4      {scale}
        2024-01-05    csat    {6 if scale == "1-7" else 3}      {scale}
    """, csat_top=top)  # fmt: skip
    assert row(data, "customer_satisfaction_score", "2024-01")["numerator"] == satisfied


def test_another_scale_is_never_mapped_to_nps():
    data = responses("""
        responded_at  survey  score  scale
        2024-01-05    nps     5      1-5
        2024-01-05    nps     9      0-10
        2024-01-05    csat    9      1-9
    """)
    assert checks(data) == {"unknown scale": 2}


def test_one_survey_on_two_scales_is_refused():
    with pytest.raises(DataError, match="^The csat answers are on different scales, 1-10 and 1-5: one survey needs one scale"):
        responses("""
            responded_at  survey  score  scale
            2024-01-05    csat    5      1-5
            2024-01-05    csat    9      1-10
        """)


def test_the_last_answer_of_a_customer_and_period_counts_and_every_anonymous_one():
    data = responses("""
        customer_id  responded_at         survey  score
        Ann          2024-01-05 09:00:00  nps     0
        Ann          2024-01-20 09:00:00  nps     10
        Ann          2024-01-20 09:00:00  csat    1
        Ann          2024-02-02 09:00:00  nps     3
        -            2024-01-06 09:00:00  nps     10
        -            2024-01-06 09:00:00  nps     10
    """, as_of="2024-03-01")  # fmt: skip
    assert checks(data) == {}, "two guests may well answer alike"
    assert row(data, "net_promoter_score", "2024-01")["n"] == 3
    assert value(data, "net_promoter_score", "2024-01") == 100  # Ann's 10 and two guests
    assert value(data, "net_promoter_score", "2024-02") == -100


def test_weights_count_and_an_answer_without_one_is_left_out():
    data = responses("""
        responded_at  survey  score  weight
        2024-01-05    nps     10     3
        2024-01-05    nps     8      1
        2024-01-05    nps     0      1
        2024-01-05    nps     0      -
        2024-01-05    nps     0      0
    """)
    assert checks(data) == {"no weight": 2}
    score = row(data, "net_promoter_score", "2024-01")
    assert (score["value"], score["denominator"], score["n"]) == (40, 5, 3)  # 100 × (3 - 1) / 5


# What cannot be used


@pytest.mark.parametrize(
    ("codes", "currency", "found"), [("GBP EUR", "GBP", "EUR, GBP"), ("EUR EUR", "GBP", "EUR"), ("USD EUR", "GBP", "EUR, USD")]
)
def test_other_currencies_are_refused_without_rates(codes, currency, found):
    first, second = codes.split()
    with pytest.raises(DataError, match=f"^The orders are in {found}, the report in {currency}: "):
        orders(f"""
            customer_id  ordered_at  amount  currency
            Ann          2024-01-05  10      {first}
            Ben          2024-01-05  10      {second}
        """, currency=currency)  # fmt: skip


def test_a_column_may_bear_any_name_even_one_of_ours():
    """Segment columns named like the columns that cleaning makes."""
    for name in ("problem", "day", "refund", "is_purchase", "same_key", "period", "cohort", "value", "check", 'a "b" $c'):
        frame = table("customer_id  order_id  ordered_at  amount\nAnn  1  2024-01-05  10\nBen  2  2024-01-06  5")
        data = rk.load(orders=frame.assign(**{name: ["x", "y"]}), **UTC)
        assert by_segment(data, "revenue", "2024-01", name) == {"": 15, "x": 10, "y": 5}
        assert data.quarantine["orders"].empty


def test_nothing_or_too_much_to_load_is_refused():
    with pytest.raises(DataError, match="^Give either a path"):
        rk.load()
    with pytest.raises(DataError, match="^The tables hold no usable row"):
        rk.load(orders=table("customer_id  ordered_at  amount"))
    with pytest.raises(SettingsError, match="^definitions.basis is 'subscriptions', but there is no subscriptions table"):
        orders(ZEROS, basis="subscriptions")
    with pytest.raises(DataError, match="^the orders DataFrame has no column 'customer_id', which orders need: did you mean 'customer'"):
        rk.load(orders=table("customer  ordered_at  amount\nAnn  2024-01-05  10"))


def test_the_given_frame_is_left_as_it_was():
    frame = table(REFUNDS)
    before = frame.copy()
    rk.rfm(rk.load(orders=frame, **UTC))
    pd.testing.assert_frame_equal(frame, before)
