"""The balance of a load: rows in the source = rows used + rows set aside by name."""

from __future__ import annotations

from retention_kit.data.checks import sets_aside
from retention_kit.data.dataset import Dataset

# The rows of a table that its figures are made of; of lines of orders each line is a row.
_USED = {
    "orders": "SELECT count(*) FROM orders_known",
    "subscriptions": "SELECT count(*) FROM subscriptions",
    "responses": "SELECT count(*) FROM responses",
}


def rows_used(data: Dataset, table: str) -> int:
    """How many rows of a table some figure counts."""
    ((rows,),) = data.engine.rows(_USED[table])
    return rows


def rows_set_aside(data: Dataset, table: str) -> dict[str, int]:
    """The checks that set rows of a table aside, reading and `where` among them, each with its rows."""
    quality = data.quality[data.quality["table"] == table]
    return {row.check: row.rows for row in quality.itertuples() if row.check != "rows read" and sets_aside(row.check)}


def assert_balanced(data: Dataset, table: str, rows: int) -> None:
    """Assert that every one of the `rows` that the test put into a table's sources is used or set aside by name."""
    used, aside = rows_used(data, table), rows_set_aside(data, table)
    assert used + sum(aside.values()) == rows, f"{rows} rows came, {used} are used, set aside: {aside}"
    if table in data.quarantine:
        quarantined = data.quarantine[table]["check"].value_counts().to_dict()
        assert quarantined.items() <= aside.items(), "what the quarantine gives back is what is counted"
