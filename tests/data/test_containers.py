"""One spoiled table in every container: all of its rows are used or set aside by name, and by the same names."""

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import retention_kit as rk
from balance import assert_balanced, rows_set_aside, rows_used
from containers import write_orders

COLUMNS = ["customer_id", "order_id", "ordered_at", "amount"]
CLEAN = [[f"C{number % 5}", f"#{number}", f"2024-01-{number + 1:02}", f"{number + 1}.50"] for number in range(20)]
# What a row may be instead, at any place.
SPOILED = {
    "date": ["C1", "#90", "soon", "1.00"],
    "no date": ["C1", "#91", "", "1.00"],
    "year": ["C1", "#92", "9999-01-01", "1.00"],
    "amount": ["C1", "#93", "2024-01-05", "much"],
    "guest": ["", "#94", "2024-01-05", "1.00"],
    "nobody": ["N/A", "#95", "2024-01-05", "1.00"],
    "copy": CLEAN[3],
    "other copy": [*CLEAN[4][:3], "99.00"],
    "refund": ["C1", "#96", "2024-01-06", "-3.00"],
    "free": ["C1", "#97", "2024-01-06", "0"],
    "future": ["C1", "#98", "2100-01-01", "1.00"],
}
# What files and sheets hold besides: text that is no row of the table.
AROUND = {
    "blank": ["", "", "", ""],
    "header": COLUMNS,
    "note": ["Exported by the shop", "", "", ""],
}
CONTAINERS = ["csv", "txt", "xlsx", "parquet", "sqlite", "duckdb", "pandas"]


def loaded(folder, rows, container):
    """The rows, as texts and empty ones missing, by way of a container; those with a header hold it as the first row."""
    cells = [[cell or None for cell in row] for row in rows]
    frame = pd.DataFrame(cells, columns=COLUMNS, dtype=str)
    path = folder / f"orders.{container}"
    path.unlink(missing_ok=True)
    if container == "pandas":
        return rk.load(orders=frame)
    return rk.load(write_orders(path, frame))


spoils = st.lists(st.tuples(st.sampled_from(sorted(SPOILED)), st.integers(0, 20)), max_size=8)
around = st.lists(st.tuples(st.sampled_from(sorted(AROUND)), st.integers(1, 20)), max_size=3)


@pytest.mark.long
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoils)
def test_every_container_sets_the_same_rows_aside(tmp_path, chosen):
    rows = [*CLEAN]
    for name, position in chosen:
        rows.insert(position, SPOILED[name])
    by_container = {}
    for container in CONTAINERS:
        data = loaded(tmp_path, rows, container)
        assert_balanced(data, "orders", len(rows))
        by_container[container] = (
            rows_used(data, "orders"),
            rows_set_aside(data, "orders"),
            data.engine.rows("SELECT customer_id, order_id, ordered_at, amount FROM orders ORDER BY ALL"),
        )
    assert all(value == by_container["csv"] for value in by_container.values())


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoils, around, st.sampled_from(["csv", "txt", "xlsx"]))
def test_what_stands_around_a_table_is_set_aside_too(tmp_path, chosen, outside, container):
    rows = [*CLEAN]
    for name, position in chosen:
        rows.insert(position, SPOILED[name])
    for name, position in outside:
        rows.insert(position, AROUND[name])
    rows.append(AROUND["note"])
    data = loaded(tmp_path, rows, container)
    assert_balanced(data, "orders", len(rows))
    aside = rows_set_aside(data, "orders")
    assert aside.get("blank row", 0) == sum(name == "blank" for name, _ in outside)
    assert aside.get("repeated header", 0) == sum(name == "header" for name, _ in outside)
    assert aside["row after the table"] == 1


@pytest.mark.parametrize("container", ["csv", "txt", "xlsx"])
def test_a_long_tail_of_fragments_is_told_first(tmp_path, container):
    fragments = [[f"C{index}", "", "", ""] for index in range(12)]
    data = loaded(tmp_path, CLEAN + fragments, container)
    assert_balanced(data, "orders", 32)
    assert data.warnings[0].startswith("orders: unreadable date in 12 of 32 rows")
