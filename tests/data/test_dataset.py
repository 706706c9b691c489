"""The door in: what counts, what is set aside, and that nothing is set aside in silence."""

import gc
import os

import pandas as pd
import pytest

import retention_kit as rk
from pencil import by_segment, checks, effects, row, table, value
from retention_kit.cli import main
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.sql_text import segment_column
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
    assert effects(data)["same order_id, other contents"] == (
        "the earliest, then the smallest amount, is kept, the rest set aside; 40.00 GBP; "
        "if rows are lines of orders, set rows = \"lines\"; most often '1' (2 rows, 40.00 GBP)"
    )
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
    counts = checks(orders(REFUNDS))
    assert counts == {
        "refund of a named order": 2,
        "refund above the order it names": 1,  # 60 back for order 2, which cost 40
        "refund that names no order": 2,  # the unknown order 9, and none at all
    }, "each refund once"


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


def test_every_effect_names_the_money_concerned_where_there_is_any():
    data = orders("""
        customer_id  order_id  ordered_at  amount   refund_of
        Ann          1         2024-01-05  1234.50  -
        Ann          1         2024-01-05  1234.50  -
        Ben          2         someday     20.00    -
        Ben          3         2024-01-06  ten      -
        -            4         2024-01-07  30.00    -
        Cy           5         2024-01-08  0        -
        Cy           R1        2024-01-09  -4.00    -
        Ann          R2        2024-01-10  34.50    1
        Dee          6         2024-02-10  6.00     -
    """, as_of="2024-02-01")  # fmt: skip  # the table as on paper
    assert effects(data) == {
        "rows read": "",
        "identical row": "one is kept; 1,234.50 GBP not counted twice",
        "unreadable date": "set aside: no figure counts the row; 20.00 GBP; such as 'someday'",
        "unreadable amount": "set aside: no figure counts the row; such as 'ten'",
        "no customer (guest)": "in revenue (30.00 GBP); in no figure about customers",
        "no purchase: amount 0": "not counted as purchases (definitions.zero_orders)",
        "refund that names no order": "lowers net revenue of its period; purchases stay as they are; 4.00 GBP",
        "refund of a named order": "lowers that order in that order's period; 34.50 GBP",
        "after the as-of date": "not known yet at the as-of date; 6.00 GBP",
    }
    counted = data.quality.set_index("check")["rows"]
    assert (
        len(data.quarantine["orders"])
        == counted["identical row"] + counted[["unreadable date", "unreadable amount"]].sum()
    )


@pytest.mark.parametrize(("currency", "money"), [("JPY", "1,234 JPY"), ("KWD", "1,234.000 KWD"), ("XXX", "1,234.00")])
def test_money_is_written_as_its_currency_is(currency, money):
    text = "customer_id  ordered_at  amount\n-  2024-01-05  1234\nAnn  2024-01-05  1"
    effect_of = effects(orders(text, currency=currency))
    assert effect_of["no customer (guest)"] == f"in revenue ({money}); in no figure about customers"


# Times


@pytest.mark.parametrize("column", ["ordered_at", "amount"])
def test_unreadable_values_are_set_aside_up_to_half_and_refused_above(column):
    bad = {"ordered_at": "someday", "amount": "ten"}[column]
    good = pd.DataFrame({"customer_id": list("ABC"), "ordered_at": "2024-01-05", "amount": "10"})
    third = good.assign(**{column: [bad, *good[column][1:]]})
    data = rk.load(orders=third, **UTC)
    assert checks(data) == {f"unreadable {'date' if column == 'ordered_at' else 'amount'}": 1}
    assert list(data.quarantine["orders"]["customer_id"]) == ["A"]
    assert len(rk.load(orders=third[:2], **UTC).quarantine["orders"]) == 1
    most = good.assign(**{column: [bad, bad, good[column][2]]})
    with pytest.raises(
        DataError, match=rf"^The orders column '{column}' is unreadable in 2 of 3 rows, first in row 1 \('{bad}'\)"
    ):
        rk.load(orders=most, **UTC)


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
        DataError, match="'ordered_at' mixes 1 times with a zone and 2 without: write all of them one way"
    ):
        orders("""
            customer_id  ordered_at            amount
            Ann          2024-01-05 10:00:00Z  10
            Ben          2024-01-05 10:00:00   10
            Cy           2024-01-06 10:00      10
        """)


def test_numbers_are_no_dates():
    frame = pd.DataFrame({"customer_id": ["Ann"], "ordered_at": [105], "amount": [1]})
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
    with pytest.raises(DataError, match=r"^There is no usable row before 2023-01-01: the data begin on 2024-01-05\.$"):
        orders(ZEROS, as_of="2023-01-01")


# What cannot be used


@pytest.mark.parametrize(
    ("codes", "currency", "listed"),
    [("GBP EUR", "GBP", "EUR, GBP"), ("EUR EUR", "GBP", "EUR"), ("USD EUR", "GBP", "EUR, USD")],
)
def test_other_currencies_are_refused_without_rates(codes, currency, listed):
    first, second = codes.split()
    with pytest.raises(DataError, match=f"^The orders are in {listed}, the report in {currency}: "):
        orders(f"""
            customer_id  ordered_at  amount  currency
            Ann          2024-01-05  10      {first}
            Ben          2024-01-05  10      {second}
        """, currency=currency)  # fmt: skip  # the table as on paper


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


@pytest.mark.parametrize(
    ("value", "kind"), [("orders.csv", "a str"), ({"customer_id": ["Ann"]}, "a dict"), ([1], "a list"), (7, "an int")]
)
def test_a_table_that_is_no_frame_is_refused(value, kind):
    with pytest.raises(DataError) as error:
        rk.load(orders=value)
    assert str(error.value) == (
        f"orders must be a DataFrame (pandas, Polars) or an Arrow table, not {kind}; to read a file use rk.load(path)."
    )


def test_lists_in_cells_are_no_harm():
    frame = table("customer_id  ordered_at  amount\nAnn  2024-01-05  10\nBen  2024-01-06  5")
    first, second = (rk.load(orders=frame.assign(tags=tags), **UTC) for tags in ([["a"], []], [["b"], []]))
    assert first.sources[0]["sha256"] != second.sources[0]["sha256"]


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


# Small and strange tables

HEADERS = {
    "orders": "customer_id  order_id  ordered_at  amount",
    "subscriptions": "customer_id  started_at  ended_at  amount",
    "responses": "responded_at  survey  score",
}
GOOD = {
    "orders": f"{HEADERS['orders']}\nAnn  1  2024-01-05  10",
    "subscriptions": f"{HEADERS['subscriptions']}\nAnn  2024-01-05  -  10",
    "responses": f"{HEADERS['responses']}\n2024-01-05  nps  9",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_table_without_rows_is_as_if_it_were_not_there(name):
    for header in (table(HEADERS[name]), pd.DataFrame(columns=HEADERS[name].split())):
        with pytest.raises(DataError, match=r"^The tables hold no usable row\.$"):
            rk.load(**{name: header}, **UTC)
        other = "subscriptions" if name == "orders" else "orders"
        data = rk.load(**{name: header, other: table(GOOD[other])}, **UTC)
        assert data.tables == (other,)
        counts = data.quality[data.quality["table"] == name].set_index("check")["rows"]
        assert dict(counts) == {"rows read": 0, "no usable row": 0}
        assert data.quarantine[name].empty


def test_a_basis_without_a_usable_row_is_refused():
    with pytest.raises(
        SettingsError, match=r"^definitions\.basis is 'orders', but no row of the orders can be used before"
    ):
        rk.load(orders=table(HEADERS["orders"]), subscriptions=table(GOOD["subscriptions"]), basis="orders", **UTC)


def test_a_table_with_only_late_rows_is_told_and_left_out():
    late = table(f"{HEADERS['orders']}\nAnn  1  2024-03-05  10")
    data = rk.load(orders=late, subscriptions=table(GOOD["subscriptions"]), as_of="2024-02-01", **UTC)
    assert data.tables == ("subscriptions",)
    assert {"after the as-of date", "no usable row"} <= set(data.quality["check"])


@pytest.mark.parametrize("name", GOOD)
def test_one_row_is_enough(name):
    data = rk.load(**{name: table(GOOD[name])}, **UTC)
    assert data.tables == (name,)
    assert data.engine.rows(f"SELECT count(*) FROM {name}") == [(1,)]
    assert checks(data) == {}


def test_one_customer_is_enough():
    data = orders("""
        customer_id  order_id  ordered_at  amount
        Ann          1         2024-01-05  10
        Ann          2         2024-01-06  5
        Ann          3         2024-02-06  1
    """)
    assert value(data, "customers_at_end", "2024-01") == 1
    assert value(data, "repeat_purchase_rate", "2024-01") == 1
    assert value(data, "customer_retention_rate", "2024-02") == 1


def test_columns_without_any_value_are_no_harm():
    frame = table(f"{HEADERS['orders']}\n-  -  2024-01-05  10\n-  -  2024-01-06  5")
    for empty in (None, float("nan"), pd.NaT, ""):
        data = rk.load(orders=frame.assign(refund_of=empty, currency=empty, country=empty), **UTC)
        assert checks(data) == {"no customer (guest)": 2}
        assert data.engine.rows('SELECT DISTINCT refund, "segment.country" FROM orders') == [(0, None)]


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("orders", "Ann  1  never  10", "column 'ordered_at' is unreadable in 1 of 1 rows"),
        ("subscriptions", "-  2024-01-05  -  10", "column 'customer_id' is empty in 1 of 1 rows"),
        ("responses", "2024-01-05  nps  11", "column 'score' lies outside the scale 0-10 in 1 of 1 nps answers"),
        (
            "responses",
            "2024-01-05  nps  -",
            "The tables hold no usable row: of 1 rows of the responses, 1 are set aside as 'no answer'",
        ),
    ],
)
def test_a_table_with_nothing_but_set_aside_rows_is_one_sentence(name, rows, message):
    with pytest.raises(DataError, match=message):
        rk.load(**{name: table(f"{HEADERS[name]}\n{rows}")}, **UTC)


STRANGE = (
    "<script>alert(1)</script>",
    'it\'s "so"',
    "{braces} {0}",
    "$name ${as_of} $$",
    "two\nlines",
    "\u200fمرحبا",
    "\u202edrows",
)


@pytest.mark.parametrize("text", STRANGE)
def test_names_and_values_may_hold_any_characters(text):
    frame = table(
        "customer_id  order_id  ordered_at  amount\nAnn  1  2024-01-05  10\nAnn  1  2024-01-05  10\nBen  2  2024-01-06  5"
    )
    frame[text] = [text, text, "x"]
    frame["customer_id"] = [text, text, "Ben"]
    data = rk.load(orders=frame, **UTC)
    column = segment_column(text)
    assert data.segments == {text: ("orders",)}
    stripped = text.strip("\u200f\u202e")  # an id loses what nobody sees; a value keeps it
    assert data.engine.rows(f"SELECT customer_id, {column} FROM orders ORDER BY _row") == [
        (stripped, text),
        ("Ben", "x"),
    ]
    assert data.quarantine["orders"][text].tolist() == [text]


@pytest.mark.skipif(os.name == "nt", reason="the folder for temporary files is the user's own on Windows")
def test_rows_beyond_the_memory_lie_where_only_we_look_and_go_with_the_engine(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    base = tmp_path / f"retention-kit-{os.getuid()}"
    leftover = base / f"{2**22 + 1}-gone"  # of a process that there cannot be
    leftover.mkdir(parents=True)
    base.chmod(0o700)
    engine = DuckDB("60MB")
    engine.run(
        "CREATE TABLE large AS SELECT hash(number) AS one, hash(number + 1) AS other FROM range(5000000) AS numbers(number)"
    )
    (folder,) = base.iterdir()
    assert not leftover.exists()
    assert sum(file.stat().st_size for file in folder.rglob("*")) > 10_000_000
    assert base.stat().st_mode & 0o077 == 0
    assert engine.rows("SELECT count(*) FROM large") == [(5_000_000,)]
    del engine
    gc.collect()
    assert list(base.iterdir()) == []


REFUNDED = """
    customer_id  order_id  ordered_at  amount  refunded
    A            1         2024-01-05  50.00   20.00
    A            2         2024-01-06  30.00   -30.00
    B            3         2024-02-06  10.00   12.50
    C            4         2024-02-07  10.00   -
    C            5         2024-02-08  0       1.00
    D            6         2024-02-09  8.00    soon
    """


def test_what_is_refunded_without_a_date_lowers_its_own_order():
    """January: 50 - 20 and 30 - 30. February: 10 - 12.50 is nothing, 2.50 and the 1.00 of an empty order count nowhere."""
    data = rk.load(orders=table(REFUNDED), **UTC)
    assert [value(data, "revenue", month) for month in ("2024-01", "2024-02")] == [30, 10]
    assert [value(data, "active_customers", month) for month in ("2024-01", "2024-02")] == [1, 1]
    assert value(data, "refunds", "2024-02") == 0
    quality = data.quality.set_index("check")
    assert dict(quality["rows"])["refunded without a date"] == 3
    assert "60.00 GBP" in quality.loc["refunded without a date", "effect"]
    assert dict(quality["rows"])["refunded above its order"] == 2
    assert "3.50 GBP" in quality.loc["refunded above its order", "effect"]
    assert list(data.quarantine["orders"]["check"]) == ["unreadable refunded amount"]


def test_a_refund_that_names_its_order_finds_what_is_left_of_it():
    """Of 50.00, 20.00 were refunded without a date; a refund of 40.00 finds 30.00 and names no order with the rest."""
    orders = """
        customer_id  order_id  ordered_at  amount  refunded  refund_of
        A            1         2024-01-05  50.00   20.00     -
        A            r         2024-02-05  -40.00  -         1
        """
    data = rk.load(orders=table(orders), **UTC)
    assert (value(data, "revenue", "2024-01"), value(data, "refunds", "2024-02")) == (0, 10)


@pytest.mark.parametrize(
    ("answered", "options", "ends"),
    [
        ("2024-06-10", {}, "2024-04-28"),
        ("2024-05-20", {}, None),  # three weeks: the shop may be closed
        ("2024-06-10", {"as_of": "2024-07-01"}, None),  # who says up to when data are known knows it
    ],
)
def test_a_table_that_ends_long_before_the_others_is_told_first(answered, options, ends):
    """A survey that goes on brings new periods, in which nobody can have bought."""
    days = pd.date_range("2024-01-01", "2024-04-28")
    bought = pd.DataFrame(
        {"customer_id": [f"c{number % 7}" for number in range(len(days))], "ordered_at": days, "amount": 1}
    )
    answers = pd.DataFrame(
        {"responded_at": ["2024-01-10", answered], "survey": "nps", "score": [9, 3], "scale": "0-10"}
    )
    data = rk.load(orders=bought, responses=answers, **UTC, **options)
    assert [warning for warning in data.warnings if warning.startswith("orders: they end")] == (
        [
            f"orders: they end on {ends}, and other tables go on to {answered}: figures of the time between are of "
            "nothing. Bring them up to date, or set as_of = 2024-04-29."
        ]
        if ends
        else []
    )


@pytest.mark.parametrize(
    ("as_of", "days"), [("2024-04-29", None), ("2024-05-25", None), ("2024-06-01", "34"), ("2030-01-01", "2,074")]
)
def test_an_as_of_long_after_all_data_is_told_with_their_end(as_of, days, capsys, tmp_path):
    """Its periods hold no event: zeros, which nobody should take for figures. Four weeks may be quiet ones."""
    bought = pd.DataFrame({"customer_id": ["a", "b"], "ordered_at": ["2024-04-20", "2024-04-28"], "amount": 1})
    bought.to_csv(tmp_path / "orders.csv", index=False)
    warning = (
        f"The data end on 2024-04-28, and the report is as of {as_of}, {days} days later: figures of the time between are of "
        "nothing. Bring the data up to date, or set as_of = 2024-04-29."
    )
    assert rk.load(orders=bought, **UTC, as_of=as_of).warnings == ((warning,) if days else ())
    for command in ("check", "metrics"):
        assert main([command, "--data", str(tmp_path / "orders.csv"), "--as-of", as_of, "--language", "en"]) == 0
        output = capsys.readouterr()
        assert (warning in output.out + output.err) == bool(days)


@pytest.mark.parametrize("rows", ["orders", "lines"])
@pytest.mark.parametrize(
    ("conditions", "named"),
    [
        ('where = "amount > 1000"', "where"),
        ("leave_out = { test = \"customer_id <> ''\" }", "leave_out"),
        ('where = "amount > 5"\nleave_out = { test = "amount > 6" }', "where and leave_out"),
    ],
)
def test_conditions_that_leave_nothing_are_told(rows, conditions, named, tmp_path):
    """Who was a customer before is no row of a table that figures are of, whatever is left out there."""
    (tmp_path / "o.csv").write_text(
        "customer_id,order_id,ordered_at,amount\na,1,2024-01-05,5\nb,2,2024-01-06,7\n", "utf-8"
    )
    (tmp_path / "earlier.csv").write_text("customer_id\na\nb\n", "utf-8")
    settings = f'[data.orders]\npath = "o.csv"\nrows = "{rows}"\n{conditions}\n'
    settings += '[data.known_customers]\npath = "earlier.csv"\nwhere = "customer_id = \'a\'"\n'
    (tmp_path / "retention.toml").write_text(settings, "utf-8")
    with pytest.raises(DataError) as error:
        rk.load(tmp_path)
    assert str(error.value) == f"The tables hold no usable row: every row (2) is left out by {named}."


@pytest.mark.parametrize(("as_of", "is_reported"), [("2024-12-01", False), ("2026-01-01", True)])
def test_a_few_subscriptions_may_run_on_for_long(as_of, is_reported):
    data = subscriptions("customer_id  started_at  ended_at  amount\nAnn  2024-01-05  -  10", as_of=as_of)
    assert any(warning.startswith("The data end on 2024-01-05") for warning in data.warnings) == is_reported


def test_a_table_that_was_quiet_as_long_before_is_none_that_ended():
    days = ["2023-11-01", "2024-02-01", "2024-04-01", "2024-04-28"]
    bought = pd.DataFrame({"customer_id": ["a", "b", "a", "c"], "ordered_at": days, "amount": 1})
    answers = pd.DataFrame({"responded_at": ["2024-06-10"], "survey": "nps", "score": [9], "scale": "0-10"})
    assert not any("they end" in warning for warning in rk.load(orders=bought, responses=answers, **UTC).warnings)
