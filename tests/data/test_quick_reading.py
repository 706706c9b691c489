"""What is read the short way is what the long way reads: amounts that are numbers, keys that differ, ids as they came."""

import random
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import retention_kit as rk
from pencil import checks
from retention_kit.data.cleaning.keys import are_unique
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.sql_text import segment_column
from retention_kit.data.values.aggregates import AggregateBatch
from retention_kit.data.values.typed_amounts import may_be_finer, whole_amount

UTC = {"timezone": "UTC", "currency": "EUR"}
HARD = [0.005, 1.005, 2.675, 1.0000005, 0.0149999, 0.01499995, 0.0150005, 4.9e-7, 5e-7, 0.1 + 0.2, -1.005, 0.0, -0.0,
        123456.785, 99999999.995, 1e8 + 0.005, 1e15, 1e20, 1e300, 1e-300, float("nan"), float("inf"), -float("inf"),
        None]  # fmt: skip  # numbers by the line


def doubles() -> list:
    chance = random.Random(22)
    near = [
        chance.randrange(10**6) / 100 + 0.005 + chance.choice([-1, 0, 1]) * 10.0**-exponent for exponent in range(4, 12)
    ]
    return [*HARD, *near, *(chance.random() * 10 ** chance.randrange(9) for _ in range(3000))]


def amounts(kind: str) -> list:
    if kind == "DOUBLE":
        return doubles()
    if kind == "BIGINT":
        return [0, 1, -7, 10**9, 10**9 + 1, -(10**12), 2**62, None]
    return [Decimal(text) for text in ("0.005", "1.005", "-2.675", "999999999.999", "1000000000.001", "12345678901.5")]


def text_of(kind: str) -> str:
    if kind != "DOUBLE":
        return "CAST(amount AS VARCHAR)"
    whole = "CASE WHEN amount = floor(amount) AND abs(amount) < 1e15 THEN CAST(TRY_CAST(amount AS BIGINT) AS VARCHAR)"
    return f"CASE WHEN NOT isnan(amount) THEN {whole} ELSE CAST(amount AS VARCHAR) END END"


@pytest.fixture(params=["DOUBLE", "BIGINT", "DECIMAL(18,3)"])
def column(request):
    """An engine with a table of hard amounts of a type, and the type."""
    engine = DuckDB()
    values = ", ".join(f"({'NULL' if amount is None else repr(str(amount))})" for amount in amounts(request.param))
    engine.run(f"CREATE TABLE came AS SELECT CAST(said AS {request.param}) AS amount FROM (VALUES {values}) AS v(said)")
    return engine, request.param


@pytest.mark.parametrize("units", [1, 10, 100, 1000, 10**6])
def test_a_number_in_units_is_that_of_its_decimals(column, units):
    engine, kind = column
    written = f"whole_units({text_of(kind)}, {units})"
    quick = whole_amount("amount", kind, units, written)
    assert engine.rows(f"SELECT amount FROM came WHERE {quick} IS DISTINCT FROM {written}") == []
    assert (quick == written) == (kind == "DOUBLE" and units > 10**5)


@pytest.mark.parametrize("decimals", [0, 2, 3])
def test_an_amount_with_more_decimals_is_never_missed(column, decimals):
    engine, kind = column
    number = f"CAST(TRY_CAST({text_of(kind)} AS DECIMAL(28, 6)) AS VARCHAR)"
    is_finer = f"regexp_matches({number}, '[.][0-9]{{{decimals}}}[0-9]*[1-9]')"
    query = f"SELECT amount FROM came WHERE {is_finer} AND NOT ({may_be_finer('amount', kind, decimals)})"
    assert engine.rows(query) == []


@pytest.mark.parametrize(
    ("keys", "unique"),
    [
        ([3, 1, 2], True),
        ([3, 1, 3], False),
        ([1, 10**9], False),  # too far apart to be told
        ([None, 1, 2], True),
        (["#9", "#10", "#11"], True),
        (["#9", "#9"], False),
        (["#10", "#9"], False),  # in no order in which they could be told
        (["#9", None, "#10"], False),
    ],
)
def test_keys_that_are_sure_to_differ(keys, unique):
    engine = DuckDB()
    is_number = not any(isinstance(key, str) for key in keys)
    kind = "BIGINT" if is_number else "VARCHAR"
    values = ", ".join(f"(CAST({'NULL' if key is None else repr(key)} AS {kind}))" for key in keys)
    engine.run(f"CREATE TABLE came AS SELECT * FROM (VALUES {values}) AS v(key)")
    assert are_unique(engine, "came", "key", len(keys), is_number=is_number) is unique


def test_one_query_answers_all_that_was_asked_before_it(monkeypatch):
    engine = DuckDB()
    engine.run("CREATE TABLE came AS SELECT 3 AS one UNION ALL SELECT 4")
    queries = []
    rows = engine.rows
    monkeypatch.setattr(engine, "rows", lambda sql: queries.append(sql) or rows(sql))
    batch = AggregateBatch(engine, "came")
    least, most, again = batch.add("min(one)"), batch.add("max(one)"), batch.add("min(one)")
    assert (least(), most(), again(), len(queries)) == (3, 4, 3, 1)
    assert (batch.add("sum(one)")(), batch.add("max(one)")(), len(queries)) == (7, 4, 2)


@pytest.mark.parametrize("odd", [" C9", "C9\t", "C9 ", "Grand Total", "guest", "0", "9.0", "C\u200b9", "x" * 1500])
def test_one_odd_id_changes_no_other(odd):
    """Of ids that are all as they are to be none is read; one that is not has all of them read."""
    ids = ["C1", "c2", "C1", "17", "007", "é3", "a b", "C4"]
    frame = pd.DataFrame({"customer_id": [*ids, odd], "ordered_at": "2024-01-05", "amount": range(1, 10)})
    frame["ordered_at"] = pd.to_datetime(frame["ordered_at"])
    plain, read = (rk.load(orders=orders, **UTC) for orders in (frame.head(len(ids)), frame))
    for data in (plain, read):
        assert [
            customer_id for (customer_id,) in data.engine.rows("SELECT customer_id FROM orders ORDER BY _row LIMIT 8")
        ] == ids


def test_a_table_without_a_fault_is_counted_like_one_with_one():
    frame = pd.DataFrame({"order_id": [7, 8, 9], "customer_id": ["a", "b", "a"], "amount": [1.0, 2.0, 3.0]})
    frame["ordered_at"] = pd.to_datetime(["2024-01-05", "2024-01-06", "2024-02-01"])
    clean = rk.load(orders=frame, **UTC)
    twice = rk.load(orders=pd.concat([frame, frame.tail(1)]), **UTC)
    rows = "SELECT order_id, customer_id, ordered_at, amount, refund, is_purchase FROM orders ORDER BY order_id"
    assert clean.engine.rows(rows) == twice.engine.rows(rows)
    assert "identical row" not in checks(clean)
    assert "identical row" in checks(twice)
    assert clean.quarantine["orders"].empty
    assert list(twice.quarantine["orders"]["order_id"]) == [9]


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u3000"])
def test_blanks_around_a_text_are_no_part_of_it(space):
    """Those of pages and of East Asian writing too, where no other text of the column has any."""
    frame = pd.DataFrame({"customer_id": ["a", "b"] * 3, "amount": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "currency": "EUR"})
    frame["ordered_at"] = pd.to_datetime("2024-01-05") + pd.to_timedelta(range(6), "D")
    frame["country"] = ["France", "Spain"] * 3
    frame.loc[[2, 4], ["country", "currency"]] = [f"{space}France", f"EUR{space}"], [space, space]
    data = rk.load(orders=frame, segments=["country"], **UTC)
    query = f"SELECT {segment_column('country')}, currency FROM orders_typed ORDER BY _row"
    countries, currencies = zip(*data.engine.rows(query), strict=True)
    assert countries == ("France", "Spain", "France", "Spain", None, "Spain")
    assert {*currencies} <= {"EUR", None}


def test_a_parquet_file_whose_statistics_leave_out_what_is_no_number(tmp_path):
    """DuckDB says by them that NaN is small, and no NaN."""
    rows = {"customer_id": ["a", "b", "c"], "ordered_at": ["2024-01-05"] * 3, "amount": [1.25, float("nan"), 3.0]}
    pq.write_table(pa.table(rows), tmp_path / "orders.parquet")
    data = rk.load(tmp_path / "orders.parquet", **UTC)
    assert checks(data)["unreadable amount"] == 1
    assert data.engine.rows("SELECT customer_id, amount FROM orders ORDER BY 1") == [("a", 125), ("c", 300)]


def test_rows_have_the_numbers_of_the_file_where_they_come_out_of_order(tmp_path):
    """The dates that mean no end are looked for by a join, which keeps no order of what several threads read."""
    count = 4000
    days = [f"2024-01-{1 + number % 28:02}" for number in range(count)]
    rows = {
        "customer_id": [*map(str, range(count))],
        "started_at": days,
        "ended_at": ["30/04/2024"] * count,
        "amount": [1] * count,
    }
    pq.write_table(pa.table(rows), tmp_path / "subscriptions.parquet", row_group_size=20)
    data = rk.load(tmp_path / "subscriptions.parquet", **UTC)
    offsets = data.engine.rows("SELECT CAST(customer_id AS BIGINT) + 1 - _row, count(*) FROM subscriptions GROUP BY 1")
    assert offsets == [(0, count)]
