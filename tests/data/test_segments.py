"""Which columns become segments: those that are kept, else by one rule, and what that leaves out loses no row."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from balance import assert_balanced
from pencil import by_segment, checks, value
from retention_kit.data.values.personal_columns import personal_reason
from retention_kit.errors import SettingsError, UnknownNameError

UTC = {"timezone": "UTC", "currency": "GBP"}
PERSONAL = {
    "an id": ["id", "Order ID", "customerId", "UUID", "invoice_no", "Invoice", "transaction_reference", "order_number"],
    "a name": ["name", "first_name", "Last Name", "Billing Name", "company"],
    "an address": ["Billing Street", "address1", "Shipping Zip", "post_address", "latitude"],
    "a phone number": ["Phone", "billing_phone", "Telephone"],
    "an email address": ["Email", "e-mail", "contactEmail"],
    "an IP address": ["ip", "browser_ip"],
    "a URL": ["url", "referrer_url", "Landing Site", "user_agent"],
    "free text": ["Note", "Notes", "comment", "cancellation_comments", "item description", "feedback"],
    "a birthday": ["birthday", "date_of_birthday"],
}
SEGMENTS = [
    "country",
    "Country",
    "channel",
    "plan",
    "Billing Country",
    "Billing City",
    "product_type",
    "vip",
    "age_group",
    "Accepts Marketing",
    "email_opt_in",
    "Lineitem quantity",
    "source",
    "company_type",
    "number_of_items",
    "tags",
    "invoice_type",
    "address_country",
]


@pytest.mark.parametrize(("why", "name"), [(why, name) for why, names in PERSONAL.items() for name in names])
def test_what_names_or_reaches_one_person_is_told_by_its_name(why, name):
    assert personal_reason(name) == why


@pytest.mark.parametrize("name", SEGMENTS)
def test_what_many_share_may_be_a_segment(name):
    assert personal_reason(name) == ""


def orders(rows: int, **columns) -> pd.DataFrame:
    frame = pd.DataFrame({"customer_id": [f"C{row}" for row in range(rows)], "ordered_at": "2024-01-05", "amount": 1})
    return frame.assign(order_id=range(rows), **columns)


VALUES = {  # what stands in a column of an innocent name: whether it may be a segment
    "few": (lambda row: f"v{row % 7}", True),
    "none": (lambda _: None, True),
    "email": (lambda row: f"a{row % 7}@example.org", False),
    "url": (lambda row: f"https://example.org/{row % 7}", False),
    "ip": (lambda row: f"10.0.0.{row % 7}", False),
    "phone": (lambda row: f"+44 20 7946 00{row % 7}0", False),
    "text": (lambda row: f"please leave it with number {row % 7} next door", False),
    "version": (lambda row: f"1.{row % 7}", True),
    "year": (lambda row: str(2010 + row % 7), True),
    "bracket": (lambda row: f"{row % 7}0-{row % 7}9", True),
    "own": (lambda row: f"x{row}", False),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_speak_where_the_name_does_not(kind):
    make, is_segment = VALUES[kind]
    data = rk.load(orders=orders(70, column=[make(row) for row in range(70)]), **UTC)
    assert (set(data.segments) == {"column"}) == is_segment
    assert ("column" in data.excluded_columns) != is_segment


@pytest.mark.long
@settings(max_examples=25)
@given(st.integers(1, 600), st.integers(1, 300))
def test_at_most_200_values_or_5_percent_of_the_rows(rows, values):
    values = min(values, rows)
    data = rk.load(orders=orders(rows, column=[f"v{row % values}" for row in range(rows)]), **UTC)
    is_own = values == rows > 50
    assert (set(data.segments) == {"column"}) == (values <= max(200, rows * 0.05) and not is_own)


def test_a_column_that_is_not_kept_tells_rows_apart_and_names_keep():
    frame = orders(2, email=["a@example.org", "b@example.org"]).assign(customer_id="Ann", order_id=None)
    data = rk.load(orders=frame, **UTC)
    assert checks(data) == {}, "two purchases, however alike in all else"
    assert value(data, "revenue", "2024-01") == 2
    assert "segment.email" not in data.engine.types("orders")
    with pytest.raises(
        UnknownNameError, match=r"^The column 'email' is no segment \(an email address\): name it in keep"
    ):
        rk.scorecard(data, "2024-01", segment="email")
    same = pd.concat([frame, frame[:1]], ignore_index=True)
    data = rk.load(orders=same, **UTC)
    assert checks(data) == {"identical row": 1}
    assert list(data.quarantine["orders"]["email"]) == ["a@example.org"]
    assert_balanced(data, "orders", 3)


@pytest.mark.parametrize("name", ["subscriptions", "responses"])
def test_rows_of_the_other_tables_are_told_apart_too(name):
    row = {
        "subscriptions": {
            "customer_id": "Ann",
            "subscription_id": "1",
            "started_at": "2024-01-05",
            "ended_at": None,
            "amount": 10,
        },
        "responses": {"customer_id": "Ann", "responded_at": "2024-01-05", "survey": "nps", "score": 9},
    }[name]
    frame = pd.DataFrame([row | {"note": "one"}, row | {"note": "other"}, row | {"note": "one"}])
    data = rk.load(**{name: frame}, **UTC)
    other = {"same subscription_id and start, other contents": 1} if name == "subscriptions" else {}
    assert checks(data) == {"identical row": 1} | other
    assert data.excluded_columns == {"note": "free text"}
    assert_balanced(data, name, 3)


def test_what_the_report_names_is_kept():
    data = rk.load(orders=orders(2, email=["a@x.org", "b@x.org"]), segments=["email"], **UTC)
    assert by_segment(data, "revenue", "2024-01", "email") == {"": 2, "a@x.org": 1, "b@x.org": 1}


def test_keep_takes_the_place_of_the_rule(tmp_path):
    orders(2, email=["a@x.org", "b@x.org"], country="UK").to_csv(tmp_path / "orders.csv", index=False)

    def load(keep: str):
        toml = f'[data.orders]\npath = "orders.csv"\n{keep}\n[report]\ntimezone = "UTC"\n'
        (tmp_path / "retention.toml").write_text(toml, "utf-8")
        return rk.load(tmp_path)

    assert set(load("").segments) == {"country"}
    assert set(load('keep = ["email"]').segments) == {"email"}
    assert set(load("keep = []").segments) == set()
    with pytest.raises(
        SettingsError, match=r"^data\.orders\.keep: there is no column 'contry': did you mean 'country'\?$"
    ):
        load('keep = ["contry"]')
