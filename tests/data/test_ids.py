"""Ids: one text each, however they are written and whatever they come in."""

import unicodedata
from datetime import date
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from containers import write_orders
from pencil import checks, effects, table, value
from retention_kit.errors import DataError

UTC = {"timezone": "UTC", "currency": "EUR"}
NAMES = ["17850", "42", "007", "7", "12345678901234567890", "12345678901234567891", "0x1F", "1E5", "100000", "007.0"]


def orders(ids: list, **more) -> pd.DataFrame:
    days = [f"2024-01-{5 + index % 20:02}" for index in range(len(ids))]
    frame = pd.DataFrame({"ordered_at": days, "amount": 10, **more})
    return frame.assign(
        customer_id=pd.Series(ids, dtype="object") if {type(customer_id) for customer_id in ids} != {int} else ids
    )


def customers(data) -> list:
    return [customer for (customer,) in data.engine.rows("SELECT customer_id FROM orders ORDER BY _row")]


SPELLINGS = [str, "{}.0".format, "{}.00".format, " {}\u00a0".format, "\u00a0{}.0 ".format, str]
WRITTEN = {
    "int": [int] * 6,
    "float": [float] * 6,
    "Decimal": [Decimal] * 6,
    "text": SPELLINGS,
    "mixed": [int, str, float, Decimal, *SPELLINGS[1:3]],
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("written", "ending"),
    [
        *((written, None) for written in WRITTEN),
        *((written, ending) for written in ("float", "text") for ending in ("csv", "parquet", "sqlite", "duckdb")),
    ],
)
def test_one_customer_is_one_in_every_container(tmp_path, written, ending):
    numbers = [17850, 42, 17850, 12345, 42, 17850]
    frame = orders([write(number) for write, number in zip(WRITTEN[written], numbers, strict=True)])
    data = rk.load(
        **{"orders": frame} if ending is None else {"source": write_orders(tmp_path / f"orders.{ending}", frame)}, **UTC
    )
    assert customers(data) == [str(number) for number in numbers]
    assert value(data, "repeat_purchase_rate", "2024-01") == 2 / 3


@settings(max_examples=10)
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=12), st.lists(st.booleans(), min_size=12, max_size=12))
def test_spellings_of_one_id_are_one_and_different_ids_stay_apart(ids, flags):
    """An id of digits may come with a point and zeros; whoever has leading zeros is another."""
    plain = [name.isdigit() and not name.startswith("00") for name in ids]
    written = [f"{name}.0" if may and flag else name for name, may, flag in zip(ids, plain, flags, strict=False)]
    assert customers(rk.load(orders=orders(written), **UTC)) == ids


WORDS = [
    "NULL",
    "null",
    "N/A",
    "n/a",
    "#N/A",
    "None",
    "nan",
    "NaN",
    "\\N",
    "-",
    "--",
    "\u00a0",
    "<NA>",
    "(null)",
    "[NULL]",
]


MARKED = [
    '="{}"'.format,
    '=" {} "'.format,
    "'{}".format,
    "\u200e{}\u2069".format,
    lambda name: f"{name[:1]}\u00ad{name[1:]}",
    lambda name: unicodedata.normalize("NFD", name),
]
UNSEEN = [
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2065),
    *range(0x2066, 0x206A),
    0xAD,
    0x61C,
    0xFEFF,
]


@pytest.mark.long
@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.sampled_from(["00123", "123", "4e7é", "7أحمد", "9が"]), st.sampled_from([str, *MARKED])),
        min_size=1,
        max_size=8,
    )
)
def test_marks_that_tell_a_text_or_that_nobody_sees_make_no_other_customer(written):
    frame = orders([write(name) for name, write in written])
    assert customers(rk.load(orders=frame, **UTC)) == [name for name, _ in written]


def test_no_unseen_sign_makes_another_customer():
    marked = [f"A{chr(sign)}1" for sign in UNSEEN]
    assert {*customers(rk.load(orders=orders(["A1", *marked]), **UTC))} == {"A1"}


@pytest.mark.parametrize("around", ["{}", " {}", "{} "])
@pytest.mark.long
def test_no_unseen_sign_is_part_of_a_name_a_time_or_an_amount(around):
    """What is written right to left has such signs, as `refund_of` of an order that was paid back in full."""
    signs = [chr(sign) for sign in UNSEEN if chr(sign) != "\u00ad"]  # a soft hyphen may stand for a minus
    frame = pd.DataFrame(
        {
            "customer_id": "A",
            "order_id": [f"#{index}" for index in range(len(signs))],
            "ordered_at": [f"{sign}{around.format('31/01/2024')}{sign}" for sign in signs],
            "amount": [f"{sign}{around.format('2.50')}{sign}" for sign in signs],
            "refund_of": ["", "#0", *[""] * (len(signs) - 2)],
        }
    )
    for sign in signs:
        named = frame.rename(columns=lambda name, sign=sign: f"{sign}{around.format(name)}{sign}")
        data = rk.load(orders=named, **UTC)
        ((revenue, first, last),) = data.engine.rows("SELECT sum(amount), min(day), max(day) FROM orders")
        assert (revenue, first, last) == (250 * (len(signs) - 2), date(2024, 1, 31), date(2024, 1, 31)), hex(ord(sign))


def test_an_apostrophe_or_an_equals_sign_of_a_name_stays():
    names = ["'t Hooft", "O'Neil", "'a'", "=b", '"c"']
    assert customers(rk.load(orders=orders(names), **UTC)) == names


@pytest.mark.parametrize("column", ["customer_id", "order_id", "refund_of"])
def test_words_for_nothing_are_nobody(column):
    known = {"order_id": [str(index) for index in range(len(WORDS) + 2)], "refund_of": None}
    frame = orders(["Ann", "Ann", *(f"c{index}" for index in range(len(WORDS)))], **known)
    blank = frame.assign(**{column: [*frame[column][:2], *[None] * len(WORDS)]})
    data, clean = (
        rk.load(orders=table, **UTC) for table in (blank.assign(**{column: [*frame[column][:2], *WORDS]}), blank)
    )
    for metric in ("revenue", "active_customers", "guest_revenue", "repeat_purchase_rate", "net_revenue"):
        assert value(data, metric, "2024-01") == value(clean, metric, "2024-01"), metric
    assert checks(data)["id that names nobody"] == len(WORDS) - 1, "a blank is no word"


def test_a_reference_to_order_0_names_no_order():
    frame = orders([7, 8, 7], order_id=[1, 2, 3], refund_of=[0, 0, 1]).assign(amount=[10, 20, -10])
    data = rk.load(orders=frame, **UTC)
    assert value(data, "revenue", "2024-01") == 20
    assert effects(data)["id that names nobody"] == "read as empty; refund_of '0' (2)"


@pytest.mark.parametrize(
    ("ids", "guests"),
    [
        ([0, 0, 7, 8], 2),  # no customer 1: 0 is none either
        ([0, 1, 2, 3], 0),  # ids count from 0
        ([0, 0, 0, 1, 2, 2], 3),  # 0 is busier than any customer
        (["0", "Ann", "Ben"], 0),  # names: 0 may be one
        (["0", "007", "8"], 0),
        (["0.0", "17", "8.0"], 1),
        (["00", "00", "17", "8"], 2),
        (["00", "01", "02"], 0),  # codes of two digits
        (["-1", "17", "8"], 1),
        ([-1, -1, 7], 2),
        (["0", "0", "ann@x.example", "ben@x.example"], 2),  # busier than anybody
        (["Guest", "GUEST", "anonymous", "Unknown", "walk-in", "Ann"], 5),
        (["guest@x.example", "Guest@x.example", "ann@x.example"], 2),
        (["no-reply+7@x.example", "no-reply+7@x.example", "ann@x.example"], 2),
        (
            ["guest@x.example", "ann@x.example", "unknowns@x.example", "guesthouse@x.example"],
            0,
        ),  # people, as far as is known
    ],
)
def test_customer_0_is_nobody_where_it_stands_for_guests(ids, guests):
    data = rk.load(orders=orders(ids), **UTC)
    assert checks(data).get("no customer (guest)", 0) == guests
    assert checks(data).get("id that names nobody", 0) == guests


def test_ids_that_a_spreadsheet_cut_are_told_and_refused_where_they_are_most():
    with pytest.raises(DataError, match=r"'customer_id' holds ids cut short in 3 of 3 rows, such as '1.23457E\+12'"):
        rk.load(orders=orders(["1.23457E+12"] * 3), **UTC)
    data = rk.load(orders=orders(["1.23457E+12", "1", "2", "3"]), **UTC)
    assert checks(data)["id in E-notation"] == 1
    assert "'1.23457E+12'" in effects(data)["id in E-notation"]


def test_ids_that_differ_only_in_case_are_told_and_folded_where_asked(tmp_path):
    frame = orders(["A@x", "a@x", "B@x", "b", "A@x"])
    data = rk.load(orders=frame, **UTC)
    assert checks(data)["ids that differ only in case"] == 3
    assert "1 such as 'A@x' and 'a@x'" in effects(data)["ids that differ only in case"]
    frame.to_csv(tmp_path / "o.csv", index=False)
    (tmp_path / "retention.toml").write_text('[data.orders]\npath = "o.csv"\ncase = "fold"\n', "utf-8")
    folded = rk.load(tmp_path)
    assert customers(folded) == ["a@x", "a@x", "b@x", "b", "a@x"]
    assert "ids that differ only in case" not in checks(folded)


@pytest.mark.parametrize(("own", "others", "is_reported"), [(11, 9, 1), (10, 10, 0), (10, 8, 0)])
def test_a_customer_with_most_orders_is_a_finding(own, others, is_reported):
    data = rk.load(orders=orders(["till 1"] * own + [f"c{index}" for index in range(others)]), **UTC)
    assert checks(data) == ({"one customer has most orders": own} if is_reported else {})


def test_subscriptions_and_answers_read_ids_alike():
    spells = table("""
        customer_id  subscription_id  started_at  ended_at    amount
        17.0         1.0              2024-01-05  2024-02-01  10
        17           1                2024-02-01  -           10
        N/A          2                2024-01-05  -           10
    """)
    answers = table("responded_at  survey  score  customer_id\n2024-01-05  nps  9  17.00\n2024-01-06  nps  1  NULL")
    data = rk.load(subscriptions=spells, responses=answers, as_of="2024-03-01", **UTC)
    assert value(data, "customers_at_end", "2024-02") == 1
    assert data.engine.rows("SELECT customer_id FROM responses ORDER BY _row") == [("17",), (None,)]
