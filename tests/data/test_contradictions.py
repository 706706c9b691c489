"""What is left out, what files hold twice, and what tables say against themselves: counted, and told by name."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from balance import assert_balanced
from contradicting_shop import COUNTED, REVENUE, counted, shop
from pencil import checks, effects, table, value
from retention_kit.cli import main
from retention_kit.data.check_rows import rows_of
from retention_kit.errors import DataError

UTC = {"timezone": "UTC", "currency": "EUR"}
TOML = '[data.orders]\npath = "{path}"\n{more}\n[report]\ntimezone = "UTC"\ncurrency = "EUR"\n'
HEAD = "customer_id,order_id,ordered_at,amount\n"


def load(folder, path="*.csv", more="", **files):
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, "utf-8")
    (folder / "retention.toml").write_text(TOML.format(path=path, more=more), "utf-8")
    return rk.load(folder)


def test_contradictions_of_a_shop_are_findings(tmp_path):
    data = rk.load(shop(tmp_path))
    assert counted(data) == COUNTED
    assert {period: value(data, "revenue", period) for period in REVENUE} == REVENUE
    assert_balanced(data, "orders", 13)
    assert_balanced(data, "subscriptions", 8)
    effect_of = effects(data)
    assert effect_of["left out by where"] == "no figure counts the row, as where asks; 15.00 EUR"
    assert effect_of["where is neither true nor false"].endswith("6.00 EUR; to keep such rows, add OR status IS NULL")
    assert effect_of["order cut in half by where"].endswith("1 order, such as 'A3'")
    assert effect_of["line kept with its order"].endswith("1 order, such as 'A1'")
    assert effect_of["same line in another file"].endswith(
        "8.00 EUR not counted twice; 1 order stands in several files, such as 'A2'"
    )
    assert effect_of["file without a usable row"].endswith("lines-3.csv")
    assert effect_of["column missing in one file"].endswith("plans-2.csv has no 'status' for status")
    assert effect_of["row that sums the others"].endswith("140.00 EUR; row 6 of 'Total'")
    assert effect_of["cancelled without an end"].endswith("20.00 EUR of MRR")
    assert effect_of["status of today alone"].endswith("30.00 EUR of MRR")
    assert effect_of["same subscription_id and start, other contents"].endswith(
        "1 subscription stands in several files, such as '1'"
    )


CASES = {  # name: period, revenue, what is told
    "where_null_status": ("2024-01", 1, "where is neither true nor false"),
    "shopify_where_paid_lines": ("2024-01", 35, "line kept with its order"),
    "lines_overlap_files": ("2024-01", 17, "same line in another file"),
    "totals_row_dated": ("2024-01", 100, "row that sums the others"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_case_of_orders_has_its_figure_and_is_told(shared, name):
    period, revenue, check = CASES[name]
    data = rk.load(shared / "cases" / "data_in" / name)
    assert value(data, "revenue", period) == revenue
    assert check in checks(data)


@pytest.mark.parametrize(
    ("name", "check", "rows"),
    [("s_cancelled_no_end", "cancelled without an end", 2), ("s_stripe_status_now", "status of today alone", 3)],
)
def test_a_case_of_subscriptions_is_told(shared, name, check, rows):
    data = rk.load(shared / "cases" / "data_in" / name)
    assert checks(data)[check] == rows
    assert any(text.startswith(f"subscriptions: {check} in {rows} of ") for text in data.warnings)


STATUS = st.sampled_from(["paid", "voided", ""])
ORDERS = st.lists(st.tuples(st.integers(1, 6), STATUS, st.integers(1, 50)), min_size=1, max_size=25)


@settings(max_examples=8)
@given(ORDERS)
def test_a_line_of_no_status_goes_with_its_order(tmp_path_factory, lines):
    """Kept where all other lines that have a status are paid; worked out here order by order."""
    folder = tmp_path_factory.mktemp("lines")
    rows = [*lines, (99, "paid", 1)]
    text = "customer_id,order_id,ordered_at,amount,status\n"
    text += "".join(f"Ann,{order},2024-01-05,{amount},{status}\n" for order, status, amount in rows)
    data = load(folder, more='rows = "lines"\nwhere = "status = \'paid\'"', lines=text)
    statuses = {order: {status for other, status, _ in rows if other == order and status} for order, *_ in rows}
    selected = [row for row in rows if row[1] == "paid" or (not row[1] and statuses[row[0]] == {"paid"})]
    assert value(data, "revenue", "2024-01") == sum(amount for *_, amount in selected)
    assert_balanced(data, "orders", len(rows))
    left_out = [row for row in rows if row not in selected]
    assert checks(data).get("where is neither true nor false", 0) == sum(not status for _, status, _ in left_out)
    halves = {order for order, *_ in selected} & {order for order, *_ in left_out}
    assert checks(data).get("order cut in half by where", 0) == sum(order in halves for order, *_ in left_out)


@settings(max_examples=8)
@given(st.lists(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), max_size=8), min_size=2, max_size=3))
def test_a_line_in_several_files_counts_as_often_as_in_the_file_that_has_it_most(tmp_path_factory, parts):
    folder = tmp_path_factory.mktemp("files")
    head = "customer_id,order_id,ordered_at,amount\n"
    files = {
        f"lines{number}": head
        + "Zoe,99,2024-01-05,1\n"
        + "".join(f"Ann,{order},2024-01-05,{amount}\n" for order, amount in rows)
        for number, rows in enumerate(parts)
    }
    data = load(folder, more='rows = "lines"', **files)
    alike = {line for rows in parts for line in rows}
    assert value(data, "revenue", "2024-01") == 1 + sum(
        max(rows.count(line) for rows in parts) * line[1] for line in alike
    )
    assert_balanced(data, "orders", sum(map(len, parts)) + len(parts))


def test_one_order_in_two_exports_of_whole_orders_counts_once(tmp_path):
    data = load(tmp_path, jan=f"{HEAD}Ann,1,2024-01-05,10\n", feb=f"{HEAD}Ann,1,2024-01-05,10\nBen,2,2024-02-05,5\n")
    assert value(data, "revenue", "2024-01") == 10
    assert effects(data)["identical row"].endswith("1 order stands in several files, such as '1'")


def test_a_copy_of_a_file_is_told(tmp_path):
    january = "customer_id,ordered_at,amount\nAnn,2024-01-05,10\nBen,2024-01-06,20\n"
    empty = "customer_id,ordered_at,amount\n"
    data = load(tmp_path, jan=january, feb=january.replace("-01-", "-02-"), jan_again=january, may=empty, june=empty)
    assert checks(data)["file that is a copy of another"] == 2
    assert effects(data)["file that is a copy of another"].endswith("; jan_again.csv is jan.csv")
    assert [warning for warning in data.warnings if "jan_again.csv is jan.csv" in warning]


def test_two_files_of_one_row_may_be_alike(tmp_path):
    one = "customer_id,ordered_at,amount\n,2024-01-05,10\n"
    assert "file that is a copy of another" not in checks(load(tmp_path, north=one, south=one))


@pytest.mark.parametrize("table", ["orders", "known_customers", "tickets", "invitations"])
def test_a_table_without_rows_has_its_warning(tmp_path, table):
    """A finding about a file that holds its header alone is no division by its rows."""
    head = {"orders": "ordered_at,amount", "known_customers": "first_at", "tickets": "opened_at,closed_at"}
    names = head.get(table, "invited_at,survey,responded_at")
    (tmp_path / f"{table}.csv").write_text(f"customer_id,{names},country,country\n", "utf-8")
    (tmp_path / "subscriptions.csv").write_text("customer_id,started_at,ended_at,amount\nA,2024-01-05,,10\n", "utf-8")
    data = rk.load(tmp_path, timezone="UTC")
    assert [
        warning for warning in data.warnings if warning.startswith(f"{table}: duplicate header in 0 of 0 rows (0%)")
    ]


@pytest.mark.parametrize("setting", ['keep = ["Country"]', '[report]\nsegments = ["Country"]'])
def test_a_column_that_splits_figures_and_one_file_lacks_is_told(tmp_path, setting):
    (tmp_path / "a.csv").write_text(f"{HEAD.strip()},Country\nAnn,1,2024-01-05,10,FR\n", "utf-8")
    (tmp_path / "b.csv").write_text(f"{HEAD}Ben,2,2024-01-05,10\n", "utf-8")
    (tmp_path / "retention.toml").write_text(f'[data.orders]\npath = "*.csv"\n{setting}\n', "utf-8")
    (effect,) = [effects(rk.load(tmp_path, timezone="UTC"))["column missing in one file"]]
    assert effect.endswith("b.csv has no 'Country' for Country")


@pytest.mark.parametrize("lost", ["customer_id", "ordered_at", "amount"])
def test_a_column_that_one_file_lacks_is_a_sentence_where_the_table_needs_it(tmp_path, lost):
    rows = table("customer_id  order_id  ordered_at  amount\nAnn  1  2024-01-05  10")
    with pytest.raises(
        DataError, match=rf"^b\.csv has no column '{lost}', which other files of \*\.csv have and orders need"
    ):
        load(tmp_path, a=rows.to_csv(index=False), b=rows.drop(columns=lost).to_csv(index=False))


def test_where_leaves_out_all_but_what_it_keeps(tmp_path):
    data = load(
        tmp_path, more='where = "amount > 5"', a=f"{HEAD}Ann,1,2024-01-05,10\nBen,2,2024-01-05,3\nCy,3,2024-01-05,\n"
    )
    assert checks(data) == {"left out by where": 1, "where is neither true nor false": 1}
    assert_balanced(data, "orders", 3)
    (warning,) = data.warnings
    assert warning.startswith("orders: where is neither true nor false in 1 of 3 rows (33%)")


TOTALS = [  # what the last row is: whether it is told
    ({"customer_id": None}, True),
    ({"customer_id": "TOTAL"}, True),
    ({"customer_id": "Grand total"}, True),
    ({"customer_id": "الإجمالي"}, True),
    ({"customer_id": "Ann"}, False),
    ({"customer_id": None, "amount": 59}, False),
]


@pytest.mark.parametrize(("last", "is_reported"), TOTALS)
def test_a_row_that_sums_the_others_is_a_finding(last, is_reported):
    amounts = [10, 20, 30]
    rows = pd.DataFrame({"customer_id": list("ABC"), "ordered_at": "2024-01-05", "amount": amounts})
    rows.loc[3] = {"ordered_at": "2024-01-31", "amount": 60} | last
    counts = checks(rk.load(orders=rows, **UTC))
    assert ("row that sums the others" in counts) == is_reported


@pytest.mark.long
@settings(max_examples=25)
@given(
    months=st.lists(st.lists(st.integers(1, 60), min_size=2, max_size=4), min_size=2, max_size=4),
    refund=st.integers(0, 5),
    has_grand=st.booleans(),
)
def test_every_sum_of_rows_since_the_last_and_of_all_is_a_finding(months, refund, has_grand):
    """Sums of each month's rows less a refund."""
    rows = []
    for amounts in months:
        all_amounts = [*amounts, 6, -refund] if refund else amounts
        rows += [*(("A", amount) for amount in all_amounts), ("Subtotal", sum(all_amounts))]
    if has_grand:
        rows.append(("Grand total", sum(amount for name, amount in rows if name == "A")))
    frame = pd.DataFrame(rows, columns=["customer_id", "amount"])
    frame["ordered_at"] = pd.date_range("2024-01-05", periods=len(rows)).astype(str)
    assert checks(rk.load(orders=frame, **UTC))["row that sums the others"] == len(months) + has_grand


def test_of_rows_without_a_customer_the_last_of_a_file_may_be_a_total(tmp_path):
    """In the middle of a file a guest may happen to pay as much as all before together."""
    rows = "A,1,2024-01-05,10\nB,2,2024-01-06,20\nC,3,2024-01-07,30\n"
    guest, last = ",4,2024-01-08,60\n", "D,5,2024-01-09,5\n"
    told = "row that sums the others"
    assert told not in checks(load(tmp_path, a=HEAD + rows + guest + last))
    both = HEAD + rows + guest, HEAD + (rows + guest).replace(",1,", ",6,").replace(",2,", ",7,").replace(",4,", ",8,")
    assert checks(load(tmp_path, a=both[0], b=both[1].replace(",3,", ",9,")))[told] == 2


def test_two_guests_who_paid_the_same_are_no_total():
    rows = pd.DataFrame({"customer_id": ["A", None], "ordered_at": "2024-01-05", "amount": [10, 10]})
    assert checks(rk.load(orders=rows, **UTC)) == {"no customer (guest)": 1}


# The rows behind a check


@pytest.mark.long
def test_check_prints_the_rows_of_each_check(tmp_path, monkeypatch, capsys):
    data = rk.load(shop(tmp_path))
    for (name, check), rows in COUNTED.items():
        if check != "rows read":
            assert rows_of(data, check)[name].rows == rows
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--rows", "left out by where"]) == 0
    assert capsys.readouterr().out.startswith("orders: 2 rows")
    assert main(["check", "--rows"]) == 0
    output = capsys.readouterr().out
    assert re.search(r"unreadable date +10 +lines-3\.csv +Gus +someday +A7", output)
    assert re.search(r"same line in another file +6 +lines-2\.csv +Ben", output)
    assert re.search(r"left out by where +Dee ", output)
    assert main(["check", "--rows", "unreadable dates"]) == 2
    assert "did you mean 'unreadable date'?" in capsys.readouterr().err


def test_rows_are_printed_as_they_came_and_steer_nothing(tmp_path, capsys):
    wild = ["\x1b[31mred", "[bold]b[/bold]", "\u202edrow", "x" * 500]
    rows = pd.DataFrame({"customer_id": "Ann", "ordered_at": wild + ["2024-01-05"] * 60, "amount": 1})
    rows["order_id"] = range(64)
    rows.to_csv(tmp_path / "orders.csv", index=False)
    assert main(["check", "--rows", "unreadable date", "--data", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "[bold]b[/bold]" in output
    assert "\x1b" not in output
    assert "\u202e" not in output
    assert max(map(len, output.splitlines())) < 300


def test_of_many_rows_the_first_are_printed(tmp_path, capsys):
    rows = pd.DataFrame({"customer_id": "Ann", "ordered_at": ["soon"] * 60 + ["2024-01-05"] * 60, "amount": 1})
    rows["order_id"] = range(120)
    rows.to_csv(tmp_path / "orders.csv", index=False)
    assert main(["check", "--rows", "unreadable date", "--data", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert output.startswith("orders: 60 rows, the first 50 of them:")
    assert output.count("soon") == 50
