"""What may stand in a column of numbers, in every container: it counts as the number it is, or its row is set aside."""

import sqlite3
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

import duckdb
import numpy as np
import pandas as pd
import pytest

import retention_kit as rk
from balance import assert_balanced
from pencil import table, value
from retention_kit.errors import DataError

SETTINGS = {"timezone": "UTC", "currency": "EUR", "as_of": "2024-04-01"}
# What a value counts as in each column; × where its row is set aside as unreadable (a weight: as none), <> as outside
# the scale, 0/0 as not answered.
MEANING = table("""
    value       amount  refunded  price   score  weight
    inf         ×       ×         ×       <>     ×
    -inf        ×       ×         ×       <>     ×
    +Infinity   ×       ×         ×       <>     ×
    ∞           ×       ×         ×       ×      ×
    nan         ×       -         ×       0/0    ×
    NULL        ×       -         ×       0/0    ×
    ''          ×       -         ×       0/0    ×
    1e999       ×       ×         ×       <>     ×
    -1e999      ×       ×         ×       <>     ×
    1e99999999  ×       ×         ×       <>     ×
    1e308       ×       ×         ×       <>     ×
    1e30        ×       ×         ×       <>     ×
    10**30      ×       ×         ×       <>     ×
    1e-200      0       0         0       <>     ×
    1e5         100000  100000    100000  <>     100000
    -0.0        0       0         0       0      ×
    0           0       0         0       0      ×
    7           7       7         7       7      7
    7.50        7.5     7.5       7.5     <>     7.5
    -7          -7      7         ×       <>     ×
    1,000.50    1000.5  1000.5    1000.5  ×      1000.5
    1 000       1000    1000      1000    ×      1000
    (7.00)      -7      7         ×       ×      ×
    ٧٫٥         7.5     7.5       7.5     <>     7.5
    ７          7       7         7       7      7
    7%          ×       ×         ×       ×      ×
    0x10        ×       ×         ×       ×      ×
    True        ×       ×         ×       ×      ×
    2024-01-05  ×       ×         ×       ×      ×
    05-01-2024  ×       ×         ×       ×      ×
    soon        ×       ×         ×       ×      ×
""").fillna("")  # fmt: skip  # the table as on paper
MEANING["value"] = MEANING["value"].replace({"''": "", "10**30": str(10**30)})
PROBLEMS = {
    "amount": {"×": "unreadable amount"},
    "refunded": {"×": "unreadable refunded amount"},
    "price": {"×": "unreadable amount"},
    "score": {"×": "unreadable score", "<>": "score outside the scale", "0/0": "no answer"},
    "weight": {"×": "no weight"},
}
PLAIN = len(MEANING) + 5  # rows with plain values, so that no half of them is set aside


def rows(name: str) -> tuple[str, str, pd.DataFrame]:
    """The table and column that a column of MEANING stands for, and the rest of the table's rows."""
    size = len(MEANING) + PLAIN
    some = pd.DataFrame({"customer_id": [f"c{index}" for index in range(size)]})
    if name in ("amount", "refunded"):
        return "orders", name, some.assign(ordered_at="2024-01-05", amount="2000000", refunded="1", order_id=some.index)
    if name == "price":
        return "subscriptions", "amount", some.assign(started_at="2024-01-05", ended_at=None, amount="5")
    return "responses", name, some.assign(responded_at="2024-01-05", survey="nps", score="9", weight="5")


def as_object(text: str) -> object:
    """A value as Python has it."""
    ways = {"True": True, "2024-01-05": date(2024, 1, 5), "7.50": Decimal("7.50"), "nan": Decimal("NaN")}
    if text in ways:
        return ways[text]
    return as_float(text) if as_float(text) is not None else text


def as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def as_decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and -3 < number.adjusted() < 9 else None


# Container → a value as it holds it, None where it cannot.
CONTAINERS = {
    "csv": str,
    "parquet": str,
    "parquet of numbers": as_float,
    "parquet of decimals": as_decimal,
    "DataFrame": str,
    "DataFrame of numbers": as_float,
    "DataFrame of objects": as_object,
}


def loaded(folder, container: str, name: str):
    """The data with the values of MEANING that the container holds, and what these count as, by customer."""
    pairs = [(value, MEANING[name][index]) for index, value in enumerate(MEANING["value"])]
    pairs = [(stored, meaning) for value, meaning in pairs if (stored := CONTAINERS[container](value)) is not None]
    kind, column, frame = rows(name)
    frame = frame.head(len(pairs) + PLAIN)
    plain = CONTAINERS[container](frame[column][0])
    frame[column] = pd.Series(
        [*(stored for stored, _ in pairs), *[plain] * PLAIN], dtype=None if plain != str(plain) else "str"
    )
    path = folder / f"{kind}.{container.partition(' ')[0]}"
    if container == "csv":
        frame.to_csv(path, index=False)
    elif container.startswith("parquet"):
        frame.to_parquet(path)
    data = rk.load(**{kind: frame}, **SETTINGS) if container.startswith("DataFrame") else rk.load(path, **SETTINGS)
    return data, {f"c{index}": meaning for index, (_, meaning) in enumerate(pairs)}


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.long
def test_a_value_is_a_number_or_its_row_is_set_aside(tmp_path, container, name):
    data, meanings = loaded(tmp_path, container, name)
    kind, column, _ = rows(name)
    assert_balanced(data, kind, len(meanings) + PLAIN)
    units = 100 if kind != "responses" else 1
    typed = data.engine.rows(f"SELECT customer_id, problem, {column} FROM {kind}_typed")
    values = {
        customer_id: problem or (None if number is None else float(number) / units)
        for customer_id, problem, number in typed
    }
    right = {
        customer_id: PROBLEMS[name].get(meaning) or (float(meaning) if meaning else None)
        for customer_id, meaning in meanings.items()
    }
    assert {customer_id: values[customer_id] for customer_id in right} == right


@pytest.mark.parametrize("name", PROBLEMS)
def test_no_figure_is_infinite(tmp_path, name):
    data, _ = loaded(tmp_path, "csv", name)
    card = rk.scorecard(data, "2024-01")
    numbers = card.select_dtypes("number").to_numpy()
    assert not np.isinf(numbers).any()
    figures = ["net_promoter_score"] if name in ("score", "weight") else ["mrr"] if name == "price" else ["revenue"]
    assert all(value(data, figure, "2024-01") is not None for figure in figures)
    assert not [note for note in card["note"] if "fails" in note]


@pytest.mark.parametrize(
    "text", ["inf", "-inf", "nan", "NULL", "", "1e999", "1e30", "0", "-7", "soon", "1e-200", "7,5"]
)
def test_a_rate_is_a_number_above_0_or_a_sentence(text):
    orders = pd.DataFrame({"customer_id": ["A"], "ordered_at": "2024-01-05", "amount": "10", "currency": "USD"})
    rates = pd.DataFrame({"date": ["2024-01-01"], "currency": "USD", "rate": [text]})
    if text in ("7,5", "1e-200"):
        revenue = value(rk.load(orders=orders, rates=rates, **SETTINGS), "revenue", "2024-01")
        assert revenue == (75 if text == "7,5" else 0)
    else:
        with pytest.raises(DataError, match=r"^Row 1 of the rates needs a rate above 0 and below a trillion, not "):
            rk.load(orders=orders, rates=rates, **SETTINGS)


def test_long_ids_beside_a_fraction_stay_apart(tmp_path):
    long = [9_007_199_254_740_993, 9_007_199_254_740_992]
    frame = pd.DataFrame({"customer_id": pd.Series([*long, 1.5], dtype="object")})
    frame = frame.assign(
        ordered_at="2024-01-05", amount=pd.Series([Decimal("90071992547409.93"), 1, 7.5], dtype="object")
    )
    path = tmp_path / "orders.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (customer_id, ordered_at, amount)")
        rows = [
            (customer_id, "2024-01-05", amount) for customer_id, amount in zip([*long, 1.5], [9.5, 1, 7.5], strict=True)
        ]
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
        connection.commit()
    query = "SELECT customer_id FROM orders ORDER BY _row"
    expected = [(str(customer_id),) for customer_id in (*long, 1.5)]
    assert rk.load(path, **SETTINGS).engine.rows(query) == expected
    mixed = pd.Series([1, date(2024, 1, 5), True], dtype="object")  # which no column of one type can hold
    for orders in (frame, frame.assign(note=mixed), pd.concat([mixed.rename("note"), frame], axis=1)):
        data = rk.load(orders=orders, **SETTINGS)
        assert data.engine.rows(query) == expected
        assert data.engine.rows("SELECT max(amount) FROM orders") == [(9_007_199_254_740_993,)]


@pytest.mark.parametrize("row", [1, 1234, 2999])
def test_one_value_of_another_kind_changes_no_other(row):
    """A column of Python objects is of all its values, however far down the odd one stands."""
    size = 3000
    columns = {
        "customer_id": (7, "007"),
        "order_id": (UUID(int=1), "#1"),
        "ordered_at": (date(2024, 1, 5), datetime.fromisoformat("2024-01-31 23:30")),
        "amount": (10, 7.25),
        "refunded": (Decimal("0.1"), Decimal("0.12")),
    }
    frame = pd.DataFrame({name: [usual] * size for name, (usual, _) in columns.items()}).astype(object)
    frame["order_id"] = pd.Series([UUID(int=at) for at in range(size)], dtype=object)
    for at, (_, odd) in enumerate(columns.values()):
        frame.iat[row, at] = odd
    data = rk.load(orders=frame, **SETTINGS)
    typed = data.engine.rows(f"SELECT * EXCLUDE (_row, order_id) FROM orders_typed WHERE _row = {row + 1}")
    names = data.engine.types("(SELECT * EXCLUDE (_row, order_id) FROM orders_typed)")
    values = dict(zip(names, typed[0], strict=True))
    assert (values["customer_id"], values["ordered_at"]) == ("007", datetime.fromisoformat("2024-01-31 23:30"))
    assert (values["amount"], values["refunded"]) == (725, 12)
    assert value(data, "revenue", "2024-01") == pytest.approx(2999 * 9.9 + 7.13)


# Types of numbers


def number_types() -> list[str]:
    """All that the embedded engine has."""
    named = duckdb.sql("SELECT DISTINCT logical_type FROM duckdb_types() WHERE type_category = 'NUMERIC' ORDER BY 1")
    return [name for (name,) in named.fetchall()]


@pytest.mark.parametrize("kind", number_types())
@pytest.mark.long
def test_every_type_of_numbers_is_read_in_every_column(tmp_path, kind):
    """24 and 10 USD are 3 € each: 72 + 30; NPS of 9 twice and 3 once by weight: (2 - 1) / 3."""
    kind = {"DECIMAL": "DECIMAL(18, 0)"}.get(kind, kind)
    holds_days = duckdb.sql(f"SELECT TRY_CAST(20240105 AS {kind})").fetchall() == [(20240105,)]
    day = f"20240105::{kind}" if holds_days else "DATE '2024-01-05'"
    with closing(duckdb.connect(tmp_path / "shop.duckdb")) as shop:
        shop.execute(
            f"CREATE TABLE orders AS SELECT id AS customer_id, id AS order_id, {day} AS ordered_at, amount, 'USD' AS "
            f"currency FROM (VALUES (7::{kind}, 24::{kind}), (8::{kind}, 10::{kind})) AS given(id, amount)"
        )
        shop.execute(f"CREATE TABLE rates AS SELECT DATE '2024-01-01' AS date, 'USD' AS currency, 3::{kind} AS rate")
        shop.execute(
            "CREATE TABLE responses AS SELECT id AS customer_id, DATE '2024-01-05' AS responded_at, 'nps' AS survey, "
            f"score, weight FROM (VALUES (7::{kind}, 9::{kind}, 2::{kind}), (8::{kind}, 3::{kind}, 1::{kind})) "
            "AS given(id, score, weight)"
        )
    data = rk.load(tmp_path / "shop.duckdb", **SETTINGS)
    assert data.engine.rows("SELECT DISTINCT customer_id FROM orders ORDER BY 1") == [("7",), ("8",)]
    assert value(data, "revenue", "2024-01") == 102
    assert value(data, "net_promoter_score", "2024-01") == pytest.approx(100 / 3)
