"""Where the data begin: who counts as new there, and what first_known and known_customers say of it."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from pencil import row
from retention_kit.data.check_rows import rows_of
from retention_kit.errors import DataError, SettingsError
from retention_kit.metrics.identities import identities
from retention_kit.metrics.queries.customer_lists import active_customers, customer_lists
from retention_kit.periods import Period
from retention_kit.report.page import Page

BEGIN = "The data begin in this period: earlier customers count as new."
EARLY = "The data begin shortly before: who is seen for the first time may be an earlier customer."

# a, b and c buy in January 2023; b again in March; d is new in March, e a year later.
ORDERS = pd.DataFrame(
    [
        ("a", "2023-01-05"),
        ("b", "2023-01-20"),
        ("c", "2023-01-25"),
        ("b", "2023-03-02"),
        ("d", "2023-03-03"),
        ("e", "2024-01-10"),
    ],
    columns=["customer_id", "ordered_at"],
).assign(amount=10.0)
SPELLS = pd.DataFrame(
    [("a", "2023-01-05", "2023-02-10"), ("b", "2023-01-20", None), ("a", "2023-04-01", None)],
    columns=["customer_id", "started_at", "ended_at"],
).assign(amount=10.0)


def load(orders=ORDERS, **more) -> rk.data.dataset.Dataset:
    return rk.load(orders=orders, timezone="UTC", currency="GBP", as_of="2024-03-01", **more)


def counted(data) -> dict[str, int]:
    rows = data.quality[data.quality["table"] == "known_customers"]
    return dict(zip(rows["check"], rows["rows"], strict=True))


def note(data, period: str, metric: str = "new_customers") -> str:
    return row(data, metric, period)["note"].replace(" Small sample: n = 2.", "").replace("Small sample: n = 2.", "")


# The note


@pytest.mark.parametrize(
    ("first_known", "notes"),
    [  # of January, February and December 2023, and January 2024
        (None, [BEGIN, EARLY, EARLY, ""]),
        ("2023-01-05", ["", "", "", ""]),
        ("2015-06-01", ["", "", "", ""]),
        ("2023-02-15", [BEGIN, EARLY, "", ""]),
        ("2024-02-01", [BEGIN, EARLY, EARLY, EARLY]),
    ],
)
def test_the_note_stays_for_twelve_months_or_until_all_are_known(first_known, notes):
    data = load(**{"first_known": first_known} if first_known else {})
    assert [note(data, period) for period in ("2023-01", "2023-02", "2023-12", "2024-01")] == notes
    cohorts = rk.cohorts(data)
    early = {
        cohort for cohort, is_early in zip(cohorts["cohort"], cohorts["may_hold_earlier"], strict=True) if is_early
    }
    assert early == {period for period in ("2023-01", "2023-03", "2024-01") if note(data, period)}


def test_longer_and_shorter_periods_keep_the_note_too():
    notes = {
        every: [note(load(), period) for period in periods]
        for every, periods in {
            "week": ("2023-W01", "2023-W52", "2024-W01"),
            "quarter": ("2023-Q1", "2023-Q4", "2024-Q1"),
            "year": ("2023", "2024"),
        }.items()
    }
    assert notes == {"week": [BEGIN, EARLY, ""], "quarter": [BEGIN, EARLY, ""], "year": [BEGIN, ""]}


def test_returning_buyers_have_the_note_by_the_orders_and_spells_only_where_they_begin():
    data = load(subscriptions=SPELLS)
    assert data.basis == "subscriptions"
    assert note(data, "2023-03", "returning_customer_rate") == EARLY
    assert note(data, "2023-03") == ""


def test_report_says_where_new_customers_may_be_earlier_ones():
    early, known = (
        Page("2024-01", data=load(**more)).movements().data["caption"] for more in ({"first_known": "2024-02-01"}, {})
    )
    assert "Those new may hold customers of before the data." in early
    assert "before the data" not in known


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('first_known = "soon"', "data.first_known: not a date, write it like 2011-12-10."),
        ('first_know = "2023-01-01"', "[data] has no setting 'first_know': did you mean 'first_known'?"),
    ],
)
def test_first_known_is_a_date(tmp_path, toml, message):
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "retention.toml").write_text(f'[data]\norders = "orders.csv"\n{toml}\n')
    with pytest.raises(SettingsError) as error:
        rk.load(tmp_path)
    assert message in str(error.value)


# Customers of before


def test_known_customers_are_never_new():
    """Of January's three b was there before; of March's two, b returns as they would anyway."""
    data = load(known_customers=pd.DataFrame({"customer_id": ["b", "x"]}))
    movements = rk.customer_movements(data).set_index("period")
    assert movements.loc["2023-01", ["new", "reactivated", "end"]].tolist() == [2, 1, 3]
    assert movements.loc["2023-03", ["new", "reactivated", "end"]].tolist() == [1, 1, 2]
    assert note(data, "2023-01") == ""
    assert row(data, "returning_customer_rate", "2023-01")["numerator"] == 1
    cohorts = rk.cohorts(data)
    assert cohorts[cohorts["age"] == 0].set_index("cohort")["size"].to_dict() == {
        "2023-01": 2,
        "2023-03": 1,
        "2024-01": 1,
    }
    assert not cohorts["may_hold_earlier"].any()
    assert all(not identity.broken for identity in identities(data, "month"))
    listed = active_customers(data, Period.parse("2023-01")).set_index("customer_id")["cohort"]
    assert listed.to_dict() == {"a": "2023-01", "b": "(before)", "c": "2023-01"}
    lists = customer_lists(data, Period.parse("2023-01"))
    assert list(lists["reactivated_customers"]["customer_id"]) == ["b"]
    counts = counted(data)
    assert counts == {"rows read": 2, "never new: there before the data begin": 1, "not in the data": 1}


@pytest.mark.parametrize("options", [{"returning": "shopify"}, {"inactivity_days": 40}, {"count": "days"}])
def test_options_know_earlier_customers_too(options):
    data = load(known_customers=pd.DataFrame({"customer_id": ["b"]}), **options)
    assert row(data, "returning_customer_rate", "2023-01")["numerator"] == 1
    assert row(data, "new_customers", "2023-01")["value"] == 2
    assert row(data, "reactivated_customers", "2023-01")["value"] == 1


@pytest.mark.parametrize("mode", ["endpoint", "event"])
def test_subscribers_of_before_bring_no_new_mrr(mode):
    """b's £10 of January come back; a's are new, and come back in April; a is no early churn of anybody."""
    modes = {"churn_mode": mode, "mrr_mode": {"endpoint": "snapshot", "event": "event"}[mode]}
    data = rk.load(
        subscriptions=SPELLS,
        timezone="UTC",
        currency="GBP",
        as_of="2023-06-01",
        known_customers=pd.DataFrame({"customer_id": ["b"]}),
        **modes,
    )
    mrr = rk.mrr_movements(data).set_index("period")
    assert mrr.loc["2023-01", ["new", "reactivation"]].tolist() == [10, 10]
    movements = rk.customer_movements(data).set_index("period")
    assert movements.loc["2023-01", ["new", "reactivated"]].tolist() == [1, 1]
    assert all(not identity.broken for identity in identities(data, "month"))


def test_whoever_is_known_only_since_the_data_begin_is_as_the_tables_say():
    known = pd.DataFrame(
        [
            ("a", "2022-12-31"),
            ("b", "2023-01-05"),
            ("c", "2023-01-01"),
            ("c", "2022-06-01"),
            ("d", None),
            (None, "2020-01-01"),
            ("e", "once"),
        ],
        columns=["customer_id", "first_at"],
    )
    data = load(known_customers=known)
    movements = rk.customer_movements(data).set_index("period")
    assert movements.loc["2023-01", ["new", "reactivated"]].tolist() == [1, 2]
    assert movements.loc["2023-03", ["new", "reactivated"]].tolist() == [0, 2]
    assert counted(data) == {
        "rows read": 7,
        "no id": 1,
        "unreadable date": 1,
        "known only since the data begin": 1,
        "several rows of one customer": 1,
        "never new: there before the data begin": 3,
    }
    assert list(data.quarantine["known_customers"]["check"]) == [
        "known only since the data begin",
        "no id",
        "unreadable date",
    ]


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"id": ["a"]}, "no column 'customer_id'"),
        (
            {"customer_id": ["A-1", "A-2"]},
            "None of the 2 known_customers is in the orders: write customer_id as it is there.",
        ),
        ({"customer_id": [None, None, "a"]}, "The known_customers column 'customer_id' is empty in 2 of 3 rows"),
        (
            {"customer_id": ["a", "b"], "first_at": ["?", "!"]},
            "The known_customers column 'first_at' is unreadable in 2 of 2",
        ),
    ],
)
def test_a_table_of_nobody_is_refused_in_a_sentence(known, message):
    with pytest.raises(DataError) as error:
        load(known_customers=pd.DataFrame(known))
    assert message in str(error.value)


def test_beside_answers_alone_nobody_can_be_new():
    answers = pd.DataFrame([("a", "2023-01-05", "nps", 9)], columns=["customer_id", "responded_at", "survey", "score"])
    data = rk.load(responses=answers, known_customers=pd.DataFrame({"customer_id": ["a"]}), timezone="UTC")
    assert set(data.quality["table"]) == set(data.quarantine) == {"responses"}
    assert not data.has_known_customers


def test_known_customers_of_a_retention_toml_are_mapped(tmp_path):
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "old.csv").write_text("Client;Since\nb;2020-05-01\n")
    (tmp_path / "retention.toml").write_text(
        '[data]\norders = "orders.csv"\n[data.known_customers]\npath = "old.csv"\n'
        '[data.known_customers.columns]\ncustomer_id = "Client"\nfirst_at = "Since"\n'
    )
    data = rk.load(tmp_path)
    assert row(data, "new_customers", "2023-01")["value"] == 2
    assert "old.csv" in [source["name"] for source in data.sources]


ids, days = st.sampled_from("abcdef"), st.integers(0, 500)


@settings(max_examples=8)
@given(
    st.lists(st.tuples(ids, days), min_size=1, max_size=20),
    st.lists(st.tuples(ids, st.none() | st.integers(-400, 200)), max_size=5),
)
def test_new_and_returning_by_hand(bought, known):
    """New: not known of before the data, and no purchase in an earlier month."""
    begin = date(2023, 1, 1)
    orders = pd.DataFrame(
        [(customer, str(begin + timedelta(days=day))) for customer, day in bought],
        columns=["customer_id", "ordered_at"],
    ).assign(amount=1.0, order_id=[str(number) for number in range(len(bought))])
    first = min(day for _, day in bought)
    before = {customer for customer, day in known if day is None or day < first}
    table = pd.DataFrame(
        [
            (customer, None if day is None else str(begin + timedelta(days=day)))
            for customer, day in [*known, (bought[0][0], first)]
        ],
        columns=["customer_id", "first_at"],
    )
    if before and not before & {customer for customer, _ in bought}:
        with pytest.raises(DataError, match="None of the"):
            rk.load(orders=orders, timezone="UTC", known_customers=table)
        return
    data = rk.load(orders=orders, timezone="UTC", known_customers=table)
    months = {}
    for customer, day in bought:
        months.setdefault((begin + timedelta(days=day)).strftime("%Y-%m"), set()).add(customer)
    seen, expected = set(before), {}
    for month in sorted(months):
        expected[month] = (len(months[month] - seen), len(months[month] & seen))
        seen |= months[month]
    rows = rk.scorecard(
        data, periods=list(expected), every="month", metrics=["new_customers", "returning_customer_rate"]
    )
    figures = rows.set_index(["metric", "period"])
    for month, (new, returning) in expected.items():
        assert figures.loc[("new_customers", month), "value"] == new
        assert figures.loc[("returning_customer_rate", month), "numerator"] == returning
    assert all(not identity.broken for identity in identities(data, "month"))


def test_the_rows_of_counts_by_customer_can_be_looked_at():
    """Not only of rows that are set aside: of customers who were there before, and of those never seen since."""
    ids = ["a", "b", "b", "z", None]
    known = pd.DataFrame({"customer_id": ids, "first_at": ["2022-01-05", "2022-02-05", None, "2022-03-05", None]})
    data = rk.load(orders=ORDERS, known_customers=known, timezone="UTC", currency="GBP")
    counts = data.quality[data.quality["table"] == "known_customers"].set_index("check")["rows"].drop("rows read")
    row_numbers = {check: [*rows_of(data, check)["known_customers"].frame["row"]] for check in counts.index}
    assert row_numbers == {
        "no id": [5],
        "several rows of one customer": [3],
        "never new: there before the data begin": [1, 2],
        "not in the data": [4],
    }
    assert {check: len(rows) for check, rows in row_numbers.items()} == dict(counts)


# Online Retail


@pytest.mark.long
def test_online_retail_of_one_year_with_the_customers_of_the_year_before(shared, tmp_path):
    """380 count as new in 2011-02; 124 are, says the year before."""
    path = (shared / "data" / "online_retail_ii_two_years.parquet").as_posix()
    names = [name for name, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
    assert {"CustomerID", "InvoiceNo", "InvoiceDate", "Quantity", "UnitPrice"} <= set(names)
    sales = f"FROM '{path}' WHERE CustomerID IS NOT NULL AND Quantity > 0 AND UnitPrice > 0 AND InvoiceDate"
    duckdb.sql(
        "COPY (SELECT CustomerID AS customer_id, InvoiceNo AS order_id, InvoiceDate AS ordered_at, Quantity * UnitPrice AS "
        f"amount {sales} >= '2010-12-01') TO '{(tmp_path / 'orders.parquet').as_posix()}'"
    )
    duckdb.sql(
        "COPY (SELECT CustomerID AS customer_id, min(InvoiceDate) AS first_at "
        f"{sales} < '2010-12-01' GROUP BY 1) TO '{(tmp_path / 'old.parquet').as_posix()}'"
    )
    toml = '[data.orders]\npath = "orders.parquet"\nrows = "lines"\n'
    more = {
        "": (380, 885, EARLY),
        '[data]\nfirst_known = "2009-12-01"\n': (380, 885, ""),
        '[data.known_customers]\npath = "old.parquet"\n': (124, 76, ""),
    }
    for text, (february, december, note) in more.items():
        (tmp_path / "retention.toml").write_text(f'{text}{toml}[report]\ntimezone = "Europe/London"\n')
        data = rk.load(tmp_path / "retention.toml")
        figure = row(data, "new_customers", "2011-02")
        assert (figure["value"], figure["note"]) == (february, note)
        assert row(data, "new_customers", "2010-12")["value"] == december
