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
    assert found["refund of a named order"] == 3
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
    name = {"ignore": "no purchase: amount 0", "purchase": "purchase: amount 0"}[rule]
    assert checks(data) == {name: 2}
    assert checks(orders(ZEROS, zero_orders=rule, as_of="2024-01-06"))[name] == 1, "the other is not known yet"


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
    with pytest.raises(
        DataError, match=rf"^The orders column '{column}' is unreadable in 1 of 2 rows, first in row 1 \('{bad}'\)"
    ):
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
    assert checks(rk.load(orders=table("customer_id  ordered_at  amount\nBen  2024-01-31  5"))) == {}, (
        "dates have no zone"
    )


def test_naive_and_aware_times_in_one_column_are_refused():
    with pytest.raises(
        DataError, match="'ordered_at' mixes 1 times with an offset and 2 without: write all of them one way"
    ):
        orders("""
            customer_id  ordered_at            amount
            Ann          2024-01-05 10:00:00Z  10
            Ben          2024-01-05 10:00:00   10
            Cy           2024-01-06 10:00      10
        """)


def test_numbers_are_no_dates():
    frame = pd.DataFrame({"customer_id": ["Ann"], "ordered_at": [20240105], "amount": [1]})
    with pytest.raises(DataError, match=r"^The orders column 'ordered_at' holds bigint values, not dates"):
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
    with pytest.raises(DataError, match=r"^There is no usable row before 2023-01-01"):
        orders(ZEROS, as_of="2023-01-01")


# What cannot be used


@pytest.mark.parametrize(
    ("codes", "currency", "found"),
    [("GBP EUR", "GBP", "EUR, GBP"), ("EUR EUR", "GBP", "EUR"), ("USD EUR", "GBP", "EUR, USD")],
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
    for name in (
        "problem",
        "day",
        "refund",
        "is_purchase",
        "same_key",
        "period",
        "cohort",
        "value",
        "check",
        'a "b" $c',
    ):
        frame = table("customer_id  order_id  ordered_at  amount\nAnn  1  2024-01-05  10\nBen  2  2024-01-06  5")
        data = rk.load(orders=frame.assign(**{name: ["x", "y"]}), **UTC)
        assert by_segment(data, "revenue", "2024-01", name) == {"": 15, "x": 10, "y": 5}
        assert data.quarantine["orders"].empty


def test_nothing_or_too_much_to_load_is_refused():
    with pytest.raises(DataError, match=r"^Give either a path"):
        rk.load()
    with pytest.raises(DataError, match=r"^The tables hold no usable row"):
        rk.load(orders=table("customer_id  ordered_at  amount"))
    with pytest.raises(
        SettingsError, match=r"^definitions.basis is 'subscriptions', but there is no subscriptions table"
    ):
        orders(ZEROS, basis="subscriptions")
    with pytest.raises(
        DataError,
        match=r"^the orders DataFrame has no column 'customer_id', which orders need: did you mean 'customer'",
    ):
        rk.load(orders=table("customer  ordered_at  amount\nAnn  2024-01-05  10"))


def test_the_given_frame_is_left_as_it_was():
    frame = table(REFUNDS)
    before = frame.copy()
    rk.rfm(rk.load(orders=frame, **UTC))
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("given", ["orders.csv", {"customer_id": ["Ann"]}])
def test_a_table_that_is_no_frame_is_refused(given):
    with pytest.raises(DataError, match=r"^orders must be a DataFrame; to read a file use rk\.load\(path\)\.$"):
        rk.load(orders=given)


def test_lists_in_cells_are_no_harm():
    frame = table("customer_id  ordered_at  amount\nAnn  2024-01-05  10\nBen  2024-01-06  5")
    one, other = (rk.load(orders=frame.assign(tags=tags), **UTC) for tags in ([["a"], []], [["b"], []]))
    assert one.sources[0]["sha256"] != other.sources[0]["sha256"]


def test_infinity_is_no_date():
    data = orders("""
        customer_id  ordered_at  amount
        Ann          infinity    10
        Ben          2024-01-05  5
        Cy           2024-01-06  5
    """)
    assert checks(data) == {"unreadable date": 1}
    assert str(data.as_of) == "2024-01-07"


def test_an_as_of_date_may_be_a_midnight_of_pandas():
    assert str(orders(ZEROS, as_of=pd.Timestamp("2024-01-07")).as_of) == "2024-01-07"
    with pytest.raises(SettingsError, match=r"^as_of must be a date or a midnight, not 2024-01-07 09:00:00\.$"):
        orders(ZEROS, as_of=pd.Timestamp("2024-01-07 09:00"))


def test_segments_of_the_report_must_be_in_the_data():
    frame = table(ZEROS).assign(country="UK")
    assert rk.load(orders=frame, segments=["country"], **UTC).segments == {"country": ("orders",)}
    with pytest.raises(
        SettingsError, match=r"^report\.segments: there is no segment column 'contry': did you mean 'country'\?$"
    ):
        rk.load(orders=frame, segments=["contry"], **UTC)
