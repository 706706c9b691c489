"""One rule of shares: over half of the rows is refused, from 5% is told before all else, and no row is lost on the way."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from balance import assert_balanced
from pencil import checks, table
from retention_kit.data.checks import CHECKS
from retention_kit.errors import DataError

UTC = {"timezone": "UTC", "currency": "GBP"}
GOOD = {
    "orders": {"customer_id": "Ann", "ordered_at": "2024-01-05", "amount": "10", "refunded": None},
    "subscriptions": {
        "customer_id": "Ann",
        "started_at": "2024-01-05",
        "ended_at": "2024-03-05",
        "amount": "10",
        "interval": "month",
        "status": "active",
        "trial_ends_at": None,
    },
    "responses": {"customer_id": None, "responded_at": "2024-01-05", "survey": "nps", "score": "9", "scale": "0-10"},
}
BAD = [  # table, check, what makes a row fail it
    ("orders", "unreadable date", {"ordered_at": "soon"}),
    ("orders", "unreadable amount", {"amount": "ten"}),
    ("orders", "unreadable refunded amount", {"refunded": "all"}),
    ("subscriptions", "unreadable date", {"started_at": "soon"}),
    ("subscriptions", "unreadable end date", {"ended_at": "soon"}),
    ("subscriptions", "unreadable end date of the trial", {"trial_ends_at": "soon"}),
    ("subscriptions", "unreadable amount", {"amount": "ten"}),
    ("subscriptions", "unknown interval", {"interval": "bimonthly"}),
    ("subscriptions", "unknown status", {"status": "sleeping"}),
    ("subscriptions", "no customer", {"customer_id": None}),
    ("subscriptions", "ended before it started", {"ended_at": "2023-12-31"}),
    ("orders", "date outside 1970-2100", {"ordered_at": "9999-12-31"}),
    ("subscriptions", "date outside 1970-2100", {"started_at": "1066-01-05"}),
    ("subscriptions", "end date outside 1970-2100", {"ended_at": "1066-10-14"}),
    ("subscriptions", "end date of the trial outside 1970-2100", {"trial_ends_at": "12024-01-01"}),
    ("responses", "date outside 1970-2100", {"responded_at": "0024-01-05"}),
    ("responses", "unreadable date", {"responded_at": "soon"}),
    ("responses", "unreadable score", {"score": "fine"}),
    ("responses", "unknown survey", {"survey": "npss"}),
    ("responses", "unknown scale", {"scale": "1-99"}),
    ("responses", "score outside the scale", {"score": "11"}),
]


def frame(name: str, bad: dict, failing: int, rows: int) -> pd.DataFrame:
    """Rows of customers of their own, the last of which fail."""
    table = pd.DataFrame([GOOD[name] | (bad if row >= rows - failing else {}) for row in range(rows)])
    if name != "responses":
        table["customer_id"] = [f"C{row}" if value == "Ann" else None for row, value in enumerate(table["customer_id"])]
    return table


@pytest.mark.long
@settings(max_examples=25)
@given(st.sampled_from(BAD), st.integers(1, 45), st.data())
def test_over_half_of_the_rows_is_refused_and_from_five_percent_on_is_told_first(case, rows, source):
    name, check, bad = case
    failing = source.draw(st.integers(0, rows - 1))
    input_rows = frame(name, bad, failing, rows)
    of = rows  # of what is mostly empty, also judged by the values there are
    if failing > 1 and failing * 2 <= rows and {"trial_ends_at", "refunded"} & set(bad):
        of = failing
    if failing * 2 > of:
        with pytest.raises(DataError, match=rf"{failing:,} of {of:,} "):
            rk.load(**{name: input_rows}, **UTC)
        return
    data = rk.load(**{name: input_rows}, **UTC)
    assert checks(data).get(check, 0) == failing
    assert [text.startswith(f"{name}: {check} in {failing} of {rows} ") for text in data.warnings] == (
        [True] if failing and failing >= 0.05 * rows else []
    )
    assert_balanced(data, name, rows)


def test_what_is_judged_by_its_share_is_tried_above():
    """`no exchange rate yet` is refused by currency, and tried where rates are."""
    refused = {name for name, check in CHECKS.items() if check.share == "refused"}
    assert refused <= {check for _, check, _ in BAD}


def test_the_commonest_values_are_told_with_their_number_and_money():
    rows = "customer_id  ordered_at  amount\n" + "Ann  2024-01-05  10\n" * 3
    rows += "Ben  soon  5\nBen  later  2\nBen  soon  3.50\n"
    data = rk.load(orders=table(rows).assign(order_id=[1, 2, 3, 4, 5, 6]), **UTC)
    (warning,) = data.warnings
    assert warning == (
        "orders: unreadable date in 3 of 6 rows (50%), set aside: no figure counts the row; 10.50 GBP; "
        "most often 'soon' (2 rows, 8.50 GBP), 'later' (1 row, 2.00 GBP)."
    )
    assert warning in repr(data).replace("\n", " ")


@pytest.mark.parametrize("fragment", ["#", "ordered_at", None, "Total"])
def test_a_fragment_never_stands_for_the_values_of_a_column(fragment):
    dates = [fragment, fragment, *(f"week {week} of 2011" for week in range(13, 28))]
    with pytest.raises(DataError) as raised:
        rk.load(orders=pd.DataFrame({"customer_id": "Ann", "ordered_at": dates, "amount": 1}), **UTC)
    assert str(raised.value) == (
        "The orders column 'ordered_at' is unreadable in 17 of 17 rows, such as row 3 ('week 13 of 2011'): "
        "write dates like 2011-11-30 or 2011-11-30 14:05, or map it with an expression."
    )


def test_values_are_told_on_one_line_and_cut():
    wild = "\x1b[31m<b>\u202e" + "x" * 200
    rows = pd.DataFrame({"customer_id": "Ann", "ordered_at": [wild] * 2 + ["2024-01-05"] * 3, "amount": range(1, 6)})
    (warning,) = rk.load(orders=rows, **UTC).warnings
    assert warning.isprintable()
    assert len(warning) < 300
