"""A small shop whose tables say things against themselves, in files: what each engine is to tell of it alike."""

from __future__ import annotations

from pathlib import Path

LINES = {
    "lines-1.csv": """order_id,customer_id,ordered_at,quantity,price,status
        A1,Ann,2024-01-05,2,5,paid
        A1,Ann,2024-01-05,1,3,
        A2,Ben,2024-01-06,1,4,paid
        A2,Ben,2024-01-06,1,4,paid
        A3,Cy,2024-01-07,1,9,paid
        A3,Cy,2024-01-07,1,8,voided
        A4,Dee,2024-01-08,1,7,voided
        A5,Eve,2024-01-09,1,6,""",
    "lines-2.csv": """order_id,customer_id,ordered_at,quantity,price,status
        A2,Ben,2024-01-06,1,4,paid
        A2,Ben,2024-01-06,1,4,paid
        A2,Ben,2024-01-06,1,2,paid
        A6,Fay,2024-02-01,1,10,paid""",
    "lines-3.csv": """order_id,customer_id,ordered_at,quantity,price,status
        A7,Gus,someday,1,12,paid""",
}
SUBSCRIPTIONS = {
    "plans-1.csv": """customer_id,subscription_id,started_at,ended_at,amount,status
        Ann,1,2023-01-10,,10,active
        Ben,2,2023-01-10,,20,cancelled
        Cy,3,2023-01-10,,30,paused
        Dee,4,2023-01-10,2024-01-10,40,active
        Dee,5,2024-01-10,,40,unpaid
        Total,,2024-01-31,,140,active""",
    "plans-2.csv": """customer_id,subscription_id,started_at,ended_at,amount
        Ann,1,2023-01-10,,10
        Eve,6,2023-01-10,,5""",
}
COUNTED = {
    ("orders", "rows read"): 10,
    ("orders", "left out by where"): 2,
    ("orders", "where is neither true nor false"): 1,
    ("orders", "order cut in half by where"): 1,
    ("orders", "line kept with its order"): 1,
    ("orders", "file without a usable row"): 1,
    ("orders", "unreadable date"): 1,
    ("orders", "same line in another file"): 2,
    ("orders", "identical line"): 1,
    ("subscriptions", "rows read"): 8,
    ("subscriptions", "column missing in one file"): 2,
    ("subscriptions", "row that sums the others"): 1,
    ("subscriptions", "same subscription_id and start, other contents"): 1,
    ("subscriptions", "cancelled without an end"): 1,
    ("subscriptions", "status of today alone"): 1,
    ("subscriptions", "spell without MRR: paused"): 1,
    ("subscriptions", "spell without MRR: unpaid"): 1,
}
REVENUE = {
    "2024-01": 10 + 3 + 4 + 4 + 2 + 9,
    "2024-02": 10,
}  # A1 whole, A2 once with the line of the second file, A3's paid line


def shop(folder: Path, engine: str = "") -> Path:
    """Write the files and their settings; the settings' path."""
    for name, text in (LINES | SUBSCRIPTIONS).items():
        (folder / name).write_text("\n".join(line.strip() for line in text.splitlines()) + "\n", "utf-8")
    settings = f"""[data]
{f'engine = "{engine}"' if engine else ""}
subscriptions = "plans-*.csv"
[data.orders]
path = "lines-*.csv"
rows = "lines"
where = "status = 'paid'"
[data.orders.columns]
amount = "quantity * price"
[report]
timezone = "UTC"
currency = "EUR"
as_of = "2024-03-01"
"""
    (folder / "retention.toml").write_text(settings, "utf-8")
    return folder / "retention.toml"


def counted(data) -> dict[tuple[str, str], int]:
    """What each check counted."""
    return {(row.table, row.check): row.rows for row in data.quality.itertuples()}
