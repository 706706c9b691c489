"""Columns whose names differ from what is asked for in spelling alone are read, and told, in every container."""

import pandas as pd
import polars as pl
import pytest

import retention_kit as rk
from containers import write_orders
from retention_kit.errors import DataError

ORDERS = pd.DataFrame(
    {
        "customer_id": ["A", "B", "A"],
        "order_id": ["1", "2", "2"],  # the last is a copy of the second but for its amount
        "ordered_at": ["2024-01-05", "2024-01-06", "2024-01-06"],
        "amount": [1.0, 2.0, 4.0],
    }
)
SPELLINGS = {
    "capitals": str.upper,
    "spaces": lambda name: f" {name.replace('_', ' ').title()} ",
    "no underscore": lambda name: name.replace("_", ""),
    "hyphens": lambda name: name.replace("_", "-"),
    "quotes": lambda name: f"'{name}'",
    "mark": lambda name: f"\ufeff{name}",
}
CONTAINERS = ["csv", "tsv", "xlsx", "parquet", "sqlite", "duckdb", "pandas", "polars"]


def loaded(folder, frame, container, columns=""):
    """The frame as a dataset, by way of a container, with columns mapped as TOML says."""
    path = folder / f"orders.{container}"
    if container == "pandas":
        return rk.load(orders=frame)
    if container == "polars":
        return rk.load(orders=pl.from_pandas(frame))
    write_orders(path, frame)
    if columns:
        (folder / "retention.toml").write_text(f'[data.orders]\npath = "{path.name}"\n{columns}\n', "utf-8")
        return rk.load(folder)
    return rk.load(path)


def effect_of(data):
    quality = data.quality[data.quality["check"] == "name spelled otherwise"]
    return quality["effect"].iloc[0] if len(quality) else ""


@pytest.mark.long
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_names_spelled_otherwise_are_read_and_a_finding(tmp_path, container, spelling):
    frame = ORDERS.rename(columns=SPELLINGS[spelling])
    data = loaded(tmp_path, frame, container)
    expected = rk.load(orders=ORDERS)
    for query in ("SELECT customer_id, order_id, amount FROM orders ORDER BY ALL", "SELECT count(*) FROM orders_typed"):
        assert data.engine.rows(query) == expected.engine.rows(query)
    assert data.segments == {}
    # Of files and sheets a mark is taken away before names are looked at.
    if spelling != "mark" or container not in ("csv", "tsv", "xlsx"):
        assert "is read as order_id" in effect_of(data)


@pytest.mark.parametrize("container", ["csv", "xlsx", "parquet", "duckdb"])
def test_mapped_names_are_found_in_expressions_too(tmp_path, container):
    frame = ORDERS.rename(columns={"customer_id": "Buyer E-Mail", "ordered_at": "Order Date", "amount": "Unit_Price"})
    mapping = """where = '"unit price" > 1'
[data.orders.columns]
customer_id = "buyer email"
ordered_at = "order_date"
amount = '"unit price" * 2' """
    data = loaded(tmp_path, frame, container, mapping)
    assert data.engine.rows("SELECT customer_id, amount FROM orders") == [("B", 400)]
    assert "'Buyer E-Mail' is read as buyer email" in effect_of(data)


@pytest.mark.parametrize("container", CONTAINERS)
def test_of_two_columns_spelled_alike_none_is_taken(tmp_path, container):
    frame = ORDERS.assign(**{"customer-id": "C"}).rename(columns={"customer_id": "Customer Id"})
    with pytest.raises(DataError) as error:
        loaded(tmp_path, frame, container)
    assert "has the columns 'Customer Id' and 'customer-id', each of which may be 'customer_id'" in str(error.value)


@pytest.mark.parametrize("container", ["csv", "parquet", "pandas"])
def test_a_column_of_the_very_name_is_taken_before_one_spelled_alike(tmp_path, container):
    data = loaded(tmp_path, ORDERS.assign(**{"Customer Id": ["x", "y", "y"]}), container)
    assert data.engine.rows("SELECT DISTINCT customer_id FROM orders ORDER BY 1") == [("A",), ("B",)]
    assert effect_of(data) == ""


def test_files_of_a_pattern_may_spell_their_names_each_in_its_own_way(tmp_path):
    for number, name in enumerate(["customer_id", "Customer ID", "CUSTOMER-ID"]):
        (tmp_path / f"o{number}.csv").write_text(f"{name},ordered_at,amount\nA{number},2024-01-0{number + 1},1\n")
    (tmp_path / "retention.toml").write_text('[data]\norders = "o*.csv"\n')
    data = rk.load(tmp_path)
    assert data.engine.rows("SELECT customer_id FROM orders ORDER BY 1") == [("A0",), ("A1",), ("A2",)]
    assert "column missing in one file" not in set(data.quality["check"])
