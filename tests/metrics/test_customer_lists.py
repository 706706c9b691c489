"""The customers behind a figure: as many as the figure says, with what is known of them, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO
from pathlib import Path

import pandas as pd
import pypdf
import pytest

import retention_kit as rk
from pencil import table
from retention_kit.errors import DataError, PeriodError, UnknownNameError
from retention_kit.metrics.queries.customer_lists import (
    LISTS,
    active_customers,
    customer_lists,
    list_totals,
    money_sum,
)
from retention_kit.metrics.queries.summaries import pick_period
from retention_kit.periods import Period
from retention_kit.report.export.csv_files import frame_csv
from test_templates import ORDERS

PAID = """
customer_id  subscription_id  started_at  ended_at    amount  cancel_reason  country
a            1                2024-01-01  2024-03-10  10      price          France
b            2                2024-01-01  -           20      -              France
c            3                2024-01-01  2024-02-05  30      -              Spain
c            4                2024-02-20  2024-03-31  30      moved          Spain
d            5                2024-03-15  -           12.50   -              Spain
e            6                2024-01-10  2024-02-01  8       -              France
e            7                2024-03-02  -           9       -              France
"""


def rows(frame: pd.DataFrame) -> list[tuple]:
    return list(frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None))


def test_lists_of_buyers_by_hand():
    """a and b buy in both months; c does not return, d is new."""
    data = rk.load(orders=ORDERS, timezone="UTC", currency="GBP")
    lists = customer_lists(data, Period.parse("2024-02"))
    assert list(lists) == list(LISTS)
    assert list(lists["lost_customers"]) == ["customer_id", "last_purchase", "revenue_12_months"]
    assert rows(lists["lost_customers"]) == [("c", "2024-01-07", 5.0)]
    assert rows(lists["new_customers"]) == [("d", "2024-02-29", 7.0)]
    assert rows(lists["reactivated_customers"]) == []


def test_the_columns_of_lists_are_those_asked_for_whatever_was_asked_before():
    """A report by a column, and one of the whole, of the same data."""
    orders = ORDERS.assign(country="France", channel="web")
    period, choices = Period.parse("2024-02"), [["country"], [], ["channel", "country"], ["country"]]

    def load():
        return rk.load(orders=orders, timezone="UTC", currency="GBP", segments=["country", "channel"])

    data = load()
    totals = [list_totals(data, period, columns) for columns in choices]
    assert totals == [list_totals(load(), period, columns) for columns in choices]
    assert all(totals)
    for columns, each in zip(choices, totals, strict=True):
        for total in each.values():
            assert [name for name in ("channel", "country") if name in total.columns] == columns


def test_revenue_is_that_of_the_twelve_months_up_to_the_last_purchase():
    """Of a: 2 and 4, but not the 1 of a year and a day before; what comes after the period is not known to it."""
    days = ["2023-01-04", "2023-01-05", "2024-01-04", "2024-03-01"]
    orders = pd.DataFrame({"customer_id": "a", "ordered_at": days, "amount": [1.0, 2.0, 4.0, 8.0]})
    other = pd.DataFrame({"customer_id": ["b"], "ordered_at": ["2024-02-01"], "amount": [16.0]})
    data = rk.load(orders=pd.concat([orders, other]), timezone="UTC", currency="GBP")
    lost = customer_lists(data, Period.parse("2024-02"))["lost_customers"]
    assert rows(lost) == [("a", "2024-01-04", 6.0)]


def test_lists_of_payers_by_hand():
    """In March a stops for the price and c, who had paused in February, has moved; d is new and e is back."""
    data = rk.load(subscriptions=table(PAID), timezone="UTC", currency="GBP", as_of="2024-04-01")
    lists = customer_lists(data, Period.parse("2024-03"), ["country"])
    assert list(lists["lost_customers"]) == ["customer_id", "paid_until", "mrr", "reason", "country"]
    assert rows(lists["lost_customers"]) == [
        ("c", "2024-03-31", 30.0, "moved", "Spain"),
        ("a", "2024-03-10", 10.0, "price", "France"),
    ]
    assert rows(lists["new_customers"]) == [("d", "2024-03-15", 12.5, "Spain")]
    assert rows(lists["reactivated_customers"]) == [("e", "2024-03-02", 9.0, "France")]
    french = customer_lists(data, Period.parse("2024-03"), only=("country", "France"))
    assert [row[0] for frame in french.values() for row in rows(frame)] == ["a", "e"]


def test_the_sum_of_a_list_prints_as_the_movement_does():
    """Three pay 290 a year, a twelfth of which is no float: the sum is 631.50, not 631.4999."""
    amounts = [99.0] * 4 + [29.0] * 5 + [290 / 12] * 3 + [9.0] * 2
    assert sum(amounts) != 631.5
    assert money_sum(pd.Series(amounts)) == 631.5


def test_by_event_every_departure_is_a_row():
    """c leaves on 5 February and is back on the 20th: lost by event, though paying at both boundaries; so is e."""
    data = rk.load(subscriptions=table(PAID), timezone="UTC", currency="GBP", as_of="2024-04-01", churn_mode="event")
    lists = customer_lists(data, Period.parse("2024-02"))
    assert rows(lists["lost_customers"]) == [
        ("c", "2024-02-05", 30.0, "(none)"),
        ("e", "2024-02-01", 8.0, "(none)"),
    ]
    assert rows(lists["reactivated_customers"]) == [("c", "2024-02-20", 30.0)]


OPTIONS = [
    {},
    {"churn_mode": "event"},
    {"basis": "orders"},
    {"basis": "orders", "inactivity_days": 60},
    {"basis": "orders", "inactivity_days": 60, "churn_mode": "event"},
]


@pytest.mark.long
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(map(str, options.values())) or "default")
def test_a_list_is_as_long_as_its_figure(options):
    """Of the sample company, the whole and by channel, also in a period that is not complete."""
    data = rk.sample(as_of="2025-11-20", **options)
    for period in (Period.parse("2025-11"), pick_period(data, None), pick_period(data, None, "quarter")):
        lists = customer_lists(data, period, ["channel"])
        figures = rk.scorecard(data, period, segment="channel", metrics=list(LISTS))
        assert figures["value"].sum() > 0
        for row in figures.itertuples():
            listed = lists[row.metric]
            assert row.value == len(listed[listed["channel"] == row.segment_value] if row.segment else listed)


def test_without_customers_there_is_no_list():
    answers = pd.DataFrame({"responded_at": ["2024-02-01"], "survey": ["nps"], "score": [9]})
    data = rk.load(responses=answers, timezone="UTC")
    assert customer_lists(data, Period.parse("2024-02")) == {}


def test_a_segment_named_like_a_column_of_ours_is_told_apart():
    orders = ORDERS.assign(last_purchase="yes")
    data = rk.load(orders=orders, timezone="UTC", currency="GBP")
    lost = customer_lists(data, Period.parse("2024-02"), ["last_purchase"])["lost_customers"]
    assert list(lost) == ["customer_id", "last_purchase", "revenue_12_months", "segment.last_purchase"]
    assert rows(lost) == [("c", "2024-01-07", 5.0, "yes")]


# Who is active.


BOUGHT = """
customer_id  order_id  ordered_at  amount  refund_of  country
a            1         2024-01-01  9       -          France
c            2         2024-01-31  8       -          France
b            3         2024-01-31  7       -          -
a            4         2024-02-01  3       -          France
a            5         2024-02-20  4       -          Spain
a            6         2024-02-21  -1      5          Spain
b            7         2024-02-02  2.50    -          -
d            8         2024-02-29  2.50    -          France
-            9         2024-02-29  99      -          France
"""


def test_active_buyers_and_what_they_spent():
    """In February a buys for 3 and, with 1 paid back, for 4; b is of January's cohort, d came in February."""
    data = rk.load(orders=table(BOUGHT), timezone="UTC", currency="GBP", as_of="2024-03-01")
    february = active_customers(data, Period.parse("2024-02"), columns=["country"])
    assert list(february) == ["customer_id", "cohort", "paid", "country"]
    assert rows(february) == [
        ("a", "2024-01", 6.0, "Spain"),
        ("b", "2024-01", 2.5, "(none)"),
        ("d", "2024-02", 2.5, "France"),
    ]
    assert rows(active_customers(data, "2024-02", cohort="2024-02")) == [("d", "2024-02", 2.5)]
    assert rows(active_customers(data, "2024-02", only=("country", "Spain"))) == [("a", "2024-01", 6.0, "Spain")]
    assert rows(active_customers(data, "2024-01", cohort="2024-02")) == []
    assert list(active_customers(data, "2024-01", cohort="2024-02")) == ["customer_id", "cohort", "paid"]


def test_active_payers_and_their_mrr_at_the_end():
    """Who paid at any time in March: a and c, gone by its end, pay nothing there; e, who had paused, is of January."""
    data = rk.load(subscriptions=table(PAID), timezone="UTC", currency="GBP", as_of="2024-04-01")
    assert rows(active_customers(data, Period.parse("2024-03"))) == [
        ("b", "2024-01", 20.0),
        ("d", "2024-03", 12.5),
        ("e", "2024-01", 9.0),
        ("a", "2024-01", 0.0),
        ("c", "2024-01", 0.0),
    ]


@pytest.mark.long
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(map(str, options.values())) or "default")
def test_active_customers_are_as_many_as_their_figures(options):
    """Of the sample company: each cell of the cohorts, with its revenue, and the metric, whole and by channel."""
    data = rk.sample(as_of="2025-11-20", **options)
    for period in (Period.parse("2025-11"), pick_period(data, None, "quarter")):
        active = active_customers(data, period, columns=["channel"])
        figures = rk.scorecard(data, period, segment="channel", metrics=["active_customers"])
        assert figures["value"].min() > 0
        for row in figures.itertuples():
            assert row.value == len(active[active["channel"] == row.segment_value] if row.segment else active)
        cells = rk.cohorts(data, every=period.every)
        cells = cells[cells["period"] == str(period)].set_index("cohort")
        assert active.groupby("cohort").size().to_dict() == cells["active"][cells["active"] > 0].to_dict()
        revenue = active.groupby("cohort")["paid"].sum()
        assert revenue.round(6).to_dict() == cells["revenue"][cells["active"] > 0].round(6).to_dict()
        first = active_customers(data, period, cohort=cells.index[0], columns=["channel"])
        assert rows(first) == rows(active[active["cohort"] == cells.index[0]])


def test_what_active_customers_cannot_tell_is_said():
    data = rk.load(orders=ORDERS, timezone="UTC", currency="GBP")
    with pytest.raises(PeriodError, match="2031-01 lies outside the data"):
        active_customers(data, "2031-01")
    with pytest.raises(PeriodError, match="'2024-Q1' is a quarter, not a month"):
        active_customers(data, "2024-02", cohort="2024-Q1")
    with pytest.raises(UnknownNameError, match="no segment column 'land'"):
        active_customers(data, "2024-02", columns=["land"])
    answers = pd.DataFrame({"responded_at": ["2024-02-01"], "survey": ["nps"], "score": [9]})
    with pytest.raises(DataError, match="no active customers: It needs orders or subscriptions"):
        active_customers(rk.load(responses=answers, timezone="UTC"), "2024-02")


# In the pack.


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.usefixtures("kernelless")
def test_no_customer_and_no_segment_becomes_a_formula(tmp_path):
    hostile = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"]
    orders = pd.DataFrame({"customer_id": hostile, "ordered_at": "2024-01-05", "amount": 1.0, "=country": hostile})
    later = pd.DataFrame({"customer_id": ["z"], "ordered_at": ["2024-02-05"], "amount": [1.0], "=country": ["=z"]})
    data = rk.load(orders=pd.concat([orders, later]), timezone="UTC", currency="GBP", as_of="2024-03-01")
    pack = rk.build_report(data, "2024-02", segment="=country", formats=["html"], static=True, output=tmp_path).path
    header, *lost = cells(pack / "lists" / "lost_customers.csv")
    assert header == ["customer_id", "last_purchase", "revenue_12_months", "'=country"]
    assert sorted(row[0] for row in lost) == sorted(f"'{name.strip()}" for name in hostile)  # ids come trimmed
    assert sorted(row[3] for row in lost) == sorted(f"'{name}".replace("\t", "\t'") for name in hostile)


def test_any_frame_is_written_as_a_harmless_csv():
    """Numbers stay numbers, also negative ones; what is not known is empty, in whichever way; the frame is untouched."""
    frame = pd.DataFrame({"=who": ["=1+1", None, "a,b"], "paid": [-1.5, float("nan"), 2.0], "n": [1, 2, -3]})
    frame["day"] = pd.to_datetime(["2024-02-01", None, "2024-02-29"])
    copy = frame.copy()
    assert list(csv.reader(frame_csv(frame).splitlines())) == [
        ["'=who", "paid", "n", "day"],
        ["'=1+1", "-1.5", "1", "2024-02-01 00:00:00"],
        ["", "", "2", ""],
        ["a,b", "2.0", "-3", "2024-02-29 00:00:00"],
    ]
    pd.testing.assert_frame_equal(frame, copy)
    assert frame_csv(frame.head(0)) == "'=who,paid,n,day\n"


@pytest.mark.usefixtures("kernelless")
def test_the_lists_of_a_pack_are_those_of_its_figures(tmp_path):
    orders = ORDERS.assign(customer_id="customer-" + ORDERS["customer_id"], country=["France", "Spain"] * 3)
    data = rk.load(orders=orders, timezone="UTC", currency="GBP")
    options = {"period": "2024-02", "formats": ["html"], "static": True, "output": tmp_path}
    pack = rk.build_report(data, **options).path
    rk.build_report(data, segment="country=France", **options)
    lost = pack / "lists" / "lost_customers.csv"
    assert [row[0] for row in cells(lost)] == ["customer_id", "customer-c"]
    for suffix in ("", ".country-France"):
        with (pack / f"scorecard{suffix}.csv").open(encoding="utf-8", newline="") as file:
            figures = {row["metric"]: row["value"] for row in csv.DictReader(file) if row["period"] == "2024-02"}
        for metric in LISTS:
            assert len(cells(pack / "lists" / f"{metric}{suffix}.csv")) - 1 == int(figures[metric])
    listed = {path.relative_to(pack).as_posix() for path in (pack / "lists").iterdir()}
    assert len(listed) == 6
    assert listed <= set(json.loads((pack / "manifest.json").read_text("utf-8"))["files"])


@pytest.mark.long
def test_no_customer_is_named_outside_the_lists(sample_pack):
    """The sample's are called C0001 and so on."""
    assert re.search(r"\bC\d{4}\b", (sample_pack / "lists" / "lost_customers.csv").read_text("utf-8"))
    others = [path for path in sample_pack.rglob("*") if path.is_file() and path.parent.name != "lists"]
    texts = {path.name: pdf_text(path) if path.suffix == ".pdf" else path.read_text("utf-8") for path in others}
    assert {"report.en.html", "report.en.pdf", "overview.en.ipynb", "manifest.json"} <= set(texts)
    assert [name for name, text in texts.items() if re.search(r"\bC\d{4}\b", text)] == []


def pdf_text(path: Path) -> str:
    return " ".join(page.extract_text() for page in pypdf.PdfReader(path).pages)


@pytest.mark.usefixtures("kernelless")
def test_lists_go_with_the_figures_that_they_stand_behind(tmp_path):
    data = rk.load(orders=ORDERS, timezone="UTC", currency="GBP")
    options = {"period": "2024-02", "formats": ["html"], "static": True, "output": tmp_path}
    pack = rk.build_report(data, **options).path
    assert {path.stem for path in (pack / "lists").iterdir()} == {*LISTS}
    answers = pd.DataFrame({"responded_at": ["2024-02-01", "2024-02-29"], "survey": "nps", "score": 9})
    rk.build_report(rk.load(responses=answers, timezone="UTC"), **options)
    assert [*(pack / "lists").iterdir()] == []


def unescape_formulas(text: str) -> list[list[str]]:
    return list(csv.reader(StringIO(text, newline="")))


BLANKS = [
    "",
    " ",
    "\u00a0",
    "\u200b",
    "\ufeff",
    "\u2060",
    "\u202e",
    "\x00",
    "\u3000",
    "\u3164",
    "\U000e0020",
    " \u200d \u00ad",
]


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("sign", "=+-@＝＋－＠﹣")
def test_what_a_spreadsheet_would_run_is_a_text(blank, sign):
    """Behind anything that shows nothing, and where another separator than ours begins a cell."""
    cell = f"{blank}{sign}1+cmd"
    for before in ("", "a;", "a|", "a\t", "a\n", "a\r"):
        _, row = unescape_formulas(frame_csv(pd.DataFrame({"who": [before + cell]})))
        assert row == [f"{before}'{cell}"], "the rest stays as it is"


@pytest.mark.parametrize("text", ["a-b", "a = b", "x@example.com", "3;4", "", "é", "a; b"])
def test_an_ordinary_text_stays_as_it_is(text):
    assert unescape_formulas(frame_csv(pd.DataFrame({"who": [text], "n": [-1]})))[1] == [text, "-1"]
