"""Several rows an order: lines are judged one by one, then summed."""

import pytest

import retention_kit as rk
from pencil import checks, table, value
from retention_kit.errors import DataError, SettingsError

CONVERTED = {"currency": "GBP", "timezone": "UTC"}
ORDERS = "SELECT order_id, customer_id, CAST(day AS VARCHAR), amount, refund, is_purchase FROM orders ORDER BY _row"


@pytest.fixture
def lines(tmp_path):
    """Load lines written on paper, by a retention.toml."""

    def load(text: str, more: str = "", **settings):
        table(text).to_csv(tmp_path / "lines.csv", index=False)
        toml = f'[data.orders]\npath = "lines.csv"\nrows = "lines"\n{more}'
        (tmp_path / "retention.toml").write_text(toml, "utf-8")
        return rk.load(tmp_path, **CONVERTED | settings)

    return load


def test_lines_are_summed_by_order_at_its_earliest_time(lines):
    data = lines("""
        customer_id  order_id  ordered_at           amount
        Ann          1         2024-02-01 00:10:00  5.00
        Ann          1         2024-01-31 23:50:00  7.50
        Ben          2         2024-01-06 09:00:00  4.00
        Ann          1         2024-01-31 23:55:00  -2.50
    """)
    assert data.engine.rows(ORDERS) == [
        ("1", "Ann", "2024-01-31", 1000, 0, True),  # 5.00 + 7.50 - 2.50
        ("2", "Ben", "2024-01-06", 400, 0, True),
    ]
    assert data.quality.to_dict("records") == [
        {
            "table": "orders",
            "check": "rows read",
            "rows": 4,
            "effect": "lines of orders, summed by order_id: 2 orders",
        }
    ]


def test_the_sign_of_the_sum_tells_purchase_from_refund(lines):
    data = lines("""
        customer_id  order_id  ordered_at  amount
        Ann          1         2024-01-05  5.00
        Ann          1         2024-01-05  -5.00
        Ben          C2        2024-01-06  -4.00
        Ben          C2        2024-01-06  1.00
    """)
    assert data.engine.rows(ORDERS) == [
        ("1", "Ann", "2024-01-05", 0, 0, False),
        ("C2", "Ben", "2024-01-06", 0, 300, False),
    ]
    assert checks(data) == {"no purchase: amount 0": 1, "refund that names no order": 1}


def test_lines_that_name_an_order_refund_it(lines):
    data = lines("""
        customer_id  order_id  ordered_at  amount  refund_of
        Ann          1         2024-01-05  5.00    -
        Ann          1         2024-01-05  3.00    -
        Ann          R1        2024-02-05  -2.00   1
        Ann          R1        2024-02-05  -1.00   1
        Ann          1         2024-02-07  -4.00   1
    """)
    assert [row[3:] for row in data.engine.rows(ORDERS)] == [(100, 0, True), (0, 0, False), (0, 0, False)]  # 8 - 3 - 4
    assert checks(data)["refund of a named order"] == 2, "orders are counted, not lines"


def test_like_lines_are_two_of_the_same(lines):
    data = lines("""
        customer_id  order_id  ordered_at  amount  item
        Ann          1         2024-01-05  2.00    cup
        Ann          1         2024-01-05  2.00    cup
        Ann          1         2024-01-05  2.00    cup
        Ann          1         2024-01-05  2.00    pot
        Ben          -         2024-01-05  1.00    cup
        Ben          -         2024-01-05  1.00    cup
    """)
    assert checks(data) == {"identical line": 2}
    effects = dict(zip(data.quality["check"], data.quality["effect"], strict=True))
    assert effects["identical line"] == "kept: two like lines are two of the same; 4.00 GBP"
    assert data.quarantine["orders"].empty
    assert [row[3] for row in data.engine.rows(ORDERS)] == [800, 100, 100], "without an order_id a line is an order"


def test_each_line_is_judged_before_the_sum(lines):
    data = lines("""
        customer_id  order_id  ordered_at  amount
        Ann          1         2024-01-05  5.00
        Ann          1         someday     3.00
        Ann          1         2024-01-06  ten
        Ann          1         2024-02-06  2.00
        Ben          2         2024-01-07  1.00
    """, as_of="2024-02-01")  # fmt: skip  # the table as on paper
    assert data.engine.rows("SELECT order_id, amount FROM orders ORDER BY _row") == [("1", 500), ("2", 100)]
    assert checks(data) == {"unreadable date": 1, "unreadable amount": 1, "after the as-of date": 1}
    assert data.quarantine["orders"]["amount"].tolist() == ["3.00", "ten"]


def test_an_order_is_its_earliest_named_customers(lines):
    data = lines("""
        customer_id  order_id  ordered_at  amount
        Ben          1         2024-01-06  1
        -            1         2024-01-04  1
        Ann          1         2024-01-05  1
        Cy           2         2024-01-05  1
        -            2         2024-01-05  1
        -            3         2024-01-05  1
    """)
    assert [row[:2] for row in data.engine.rows(ORDERS)] == [("1", "Ann"), ("2", "Cy"), ("3", None)]
    assert checks(data) == {"order of several customers": 1, "no customer (guest)": 1}


def test_an_orders_value_of_a_column_is_what_its_lines_agree_on(lines):
    data = lines("""
        customer_id  order_id  ordered_at  amount  country  item
        Ann          1         2024-01-05  1       UK       cup
        Ann          1         2024-01-05  1       -        pot
        Ben          2         2024-01-05  1       -        -
    """)
    assert data.engine.rows('SELECT "segment.country", "segment.item" FROM orders ORDER BY _row') == [
        ("UK", "(several)"),
        (None, None),
    ]


def test_an_order_is_rounded_once(lines):
    data = lines("customer_id  order_id  ordered_at  amount\n" + "Ann  1  2024-01-05  0.005\n" * 3)
    assert data.engine.rows("SELECT amount FROM orders") == [(2,)], "0.015, not three times 0.01"


def test_one_order_may_lie_in_two_sources_of_lines(tmp_path):
    head = "customer_id,order_id,ordered_at,amount\n"
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"{head}Ann,1,2024-01-05,2\n", "utf-8")
    lines, orders = '[[data.orders]]\npath = "a.csv"\nrows = "lines"\n', '[[data.orders]]\npath = "b.csv"\n'
    (tmp_path / "retention.toml").write_text(f'{lines}{orders}rows = "lines"\n', "utf-8")
    assert rk.load(tmp_path).engine.rows("SELECT order_id, amount FROM orders") == [("1", 400)]

    (tmp_path / "retention.toml").write_text(lines + orders, "utf-8")
    with pytest.raises(
        DataError, match=r"^The order '1' is in a source of lines and in one of whole orders: keep it in one\.$"
    ):
        rk.load(tmp_path)

    (tmp_path / "b.csv").write_text(f"{head}Ann,2,2024-01-05,3\nAnn,2,2024-01-05,3\n", "utf-8")
    data = rk.load(tmp_path)
    assert data.engine.rows("SELECT order_id, amount FROM orders ORDER BY 1") == [("1", 200), ("2", 300)]
    assert checks(data) == {"identical row": 1}, "whole orders are checked as ever"


def test_lines_want_an_order_id_and_are_orders_only(lines, tmp_path):
    with pytest.raises(
        DataError,
        match=r"^lines\.csv has no column 'order_id', by which rows = \"lines\" are summed: did you mean 'order'\?$",
    ):
        lines("customer_id  order  ordered_at  amount\nAnn  1  2024-01-05  1")
    (tmp_path / "retention.toml").write_text('[data.responses]\npath = "r.csv"\nrows = "lines"', "utf-8")
    with pytest.raises(SettingsError, match=r'data\.responses\.rows: only orders may be given as "lines"\.$'):
        rk.load(tmp_path)


def test_lines_of_several_currencies_convert_at_the_orders_date(lines, tmp_path):
    (tmp_path / "rates.csv").write_text("date,currency,rate\n2024-01-01,EUR,0.8\n2024-01-06,EUR,0.9\n", "utf-8")
    data = lines("""
        customer_id  order_id  ordered_at  amount  currency  refund_of
        Ann          1         2024-01-06  10.00   EUR       -
        Ann          1         2024-01-05  1.00    GBP       -
        Ben          2         2024-01-05  3.33    EUR       -
        Ben          2         2024-01-07  6.67    EUR       -
        Ben          R2        2024-01-08  -10.00  EUR       2
    """, '[data.rates]\npath = "rates.csv"')  # fmt: skip  # the table as on paper
    amounts = data.engine.rows("SELECT order_id, amount, refund, is_purchase FROM orders ORDER BY _row")
    assert amounts == [
        ("1", 900 * 10**4, 0, True),  # 1.00 + 10.00 × 0.8, the rate of the 5th
        ("2", 0, 0, False),  # a full refund is full
        ("R2", 0, 0, False),
    ]


MAPPED = """
[data.orders]
path = '{path}'
rows = "lines"
[data.orders.columns]
customer_id = "CustomerID"
order_id = "InvoiceNo"
ordered_at = "InvoiceDate"
amount = "Quantity * UnitPrice"
country = "Country"
[report]
timezone = "Europe/London"
currency = "GBP"
"""


@pytest.mark.parametrize(
    ("name", "new", "alike"),
    [("online_retail_lines", 885, 5268), pytest.param("online_retail_ii_two_years", 76, None, marks=pytest.mark.long)],
)
def test_the_published_shop_comes_out_of_all_its_lines(shared, tmp_path, name, new, alike):
    """Cancelled lines among them, which are refunds; test_real_data leaves them out by `where`."""
    path = tmp_path / "retention.toml"
    path.write_text(MAPPED.format(path=(shared / f"data/{name}.parquet").as_posix()), "utf-8")
    data = rk.load(path)
    first = "SELECT customer_id, min(day) AS day FROM orders WHERE is_purchase AND customer_id IS NOT NULL GROUP BY 1"
    assert data.engine.rows(
        f"SELECT count(*) FROM ({first}) WHERE day BETWEEN DATE '2010-12-01' AND DATE '2010-12-31'"
    ) == [(new,)]
    months = (
        "SELECT strftime(day, '%Y-%m'), count(DISTINCT customer_id), CAST(sum(amount) AS BIGINT) FROM orders WHERE is_purchase "
        "AND customer_id IS NOT NULL AND day BETWEEN DATE '2011-09-01' AND DATE '2011-11-30' GROUP BY 1 ORDER BY 1"
    )
    assert data.engine.rows(months) == [
        ("2011-09", 1266, 95283838),
        ("2011-10", 1364, 103931879),
        ("2011-11", 1664, 116181738),
    ]
    assert "refund that names no order" in checks(data)
    if alike:
        assert checks(data)["identical line"] == alike


@pytest.mark.parametrize("second", ["-", "5.00"])
def test_what_is_refunded_of_an_order_counts_once(lines, second):
    """12.00 of both lines together; 5.00 of them are refunded, on the first line or on each."""
    data = lines(f"""
        customer_id  order_id  ordered_at  amount  refunded
        A            1         2024-01-05  8.00    5.00
        A            1         2024-01-05  4.00    {second}
        """)
    assert value(data, "revenue", "2024-01") == 7
