"""A company of any size, the same every time: `python benchmarks/company.py ORDERS FOLDER` writes its tables as
Parquet.

36 months of orders, in the order of time; a tenth as many customers, who join evenly and come back ever more rarely,
every tenth a regular; about a fifth as many spells of subscription and a fiftieth as many survey answers. Every draw is
a hash of the row's number, so DuckDB writes any size without keeping it in memory.
"""

from __future__ import annotations

import sys
from pathlib import Path

START, DAYS = "2023-01-01", 1096  # to the end of 2025
LAST = "2025-12"
LIMITS = ((50_000_000, 'memory_limit = "6GB"'), (5_000_000, 'memory_limit = "235MB"'))  # from so many orders on

_DRAWS = """
CREATE MACRO draw(n, salt) AS (hash(n * 64 + salt) >> 11) / 9007199254740992.0;  -- from 0 up to 1
CREATE MACRO moment(part) AS TIMESTAMP '{start}' + to_seconds(CAST(floor(part * {days} * 86400) AS BIGINT));
CREATE MACRO customer(n) AS 'C' || lpad(CAST(n AS VARCHAR), 9, '0');
CREATE MACRO country(n) AS (['France', 'Germany', 'Spain', 'Italy', 'Poland', 'Norway', 'Egypt', 'Japan'])
    [1 + CAST(floor(8 * draw(n, 1) * draw(n, 2)) AS BIGINT)];
"""

# At the moment `part` of the years, one of those who have joined so far; more often one who has joined lately.
_ACTIVE = """
    SELECT n, (n + 0.5) / {rows} AS part, CAST(floor({customers} * part * (1 - pow(draw(n, 3), 2))) AS BIGINT) AS anyone,
           CASE WHEN draw(n, 4) < 0.3 THEN anyone - anyone % 10 ELSE anyone END AS who
    FROM range({rows}) AS numbers(n)
"""

_TABLES = {
    "orders": """
SELECT n AS order_id, CASE WHEN draw(n, 5) < 0.98 THEN customer(who) END AS customer_id, moment(part) AS ordered_at,
       round(5 + 120 * pow(draw(n, 6), 3), 2) AS amount, country(who) AS country
FROM ({active})
""",
    # A second spell follows the first at once, at another price, or after a pause of two days or more.
    "subscriptions": """
WITH first AS (
    SELECT n, moment((n + draw(n, 7)) / {customers}) AS begins,
           begins + to_hours(CAST(240 + 4800 * pow(draw(n, 8), 2) AS BIGINT)) AS ends
    FROM range({customers}) AS numbers(n)
),
spells AS (
    SELECT n, 1 AS spell, begins, ends FROM first
    UNION ALL
    SELECT n, 2, ends + to_hours(CASE WHEN draw(n, 9) < 0.7 THEN 0 ELSE CAST(48 + 4000 * draw(n, 10) AS BIGINT) END) AS again,
           again + to_hours(CAST(720 + 14400 * draw(n, 11) AS BIGINT))
    FROM first
)
SELECT n * 2 + spell AS subscription_id, customer(n) AS customer_id, begins AS started_at,
       CASE WHEN ends < moment(1) THEN ends END AS ended_at, ([9, 19, 29, 49, 99])[1 + CAST(floor(5 * draw(n * 2 + spell, 12)) AS BIGINT)] AS amount,
       CASE WHEN ends < moment(1) THEN (['price', 'service', 'moved'])[1 + CAST(floor(3 * draw(n, 13)) AS BIGINT)] END AS cancel_reason,
       country(n) AS country
FROM spells WHERE begins < moment(1)
""",
    "responses": """
SELECT customer(who) AS customer_id, moment(part) AS responded_at, survey, (map {{'nps': '0-10', 'csat': '1-5', 'ces': '1-7'}})[survey] AS scale,
       CASE survey WHEN 'nps' THEN CAST(floor(11 * sqrt(draw(n, 14))) AS BIGINT)
                   WHEN 'csat' THEN 1 + CAST(floor(5 * sqrt(draw(n, 14))) AS BIGINT)
                   ELSE 1 + CAST(floor(7 * sqrt(draw(n, 14))) AS BIGINT) END AS score
FROM (SELECT *, (['nps', 'nps', 'csat', 'ces'])[1 + n % 4] AS survey FROM ({active}))
""",
}

_SETTINGS = """[data]
orders = "orders.parquet"
subscriptions = "subscriptions.parquet"
responses = "responses.parquet"
{limit}
[report]
company = "Example Ltd"
timezone = "UTC"
currency = "EUR"
segments = ["country"]
"""


def write_company(orders: int, folder: Path) -> None:
    """Write the three tables and their `retention.toml` to a folder; the file of settings comes last."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    customers = max(orders // 10, 1)
    with duckdb.connect() as connection:
        connection.execute(_DRAWS.format(start=START, days=DAYS))
        for name, query in _TABLES.items():
            rows = max(orders // 50, 1) if name == "responses" else orders
            sizes = {"rows": rows, "customers": customers}
            query = query.format(active=_ACTIVE.format(**sizes), **sizes)
            connection.execute(f"COPY ({query}) TO '{folder / name}.parquet' (FORMAT parquet)")
    limit = next((limit for size, limit in LIMITS if orders >= size), "")
    (folder / "retention.toml").write_text(_SETTINGS.format(limit=limit))


if __name__ == "__main__":
    write_company(int(sys.argv[1]), Path(sys.argv[2]))
