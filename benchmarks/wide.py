"""Companies that are wide, made of those of `company.py`: `python benchmarks/wide.py KIND FROM TO` writes one.

`values` has 10,000 cities, a few of them large and most of them small, in which a customer stays; `years` has the same
rows over 15 years.
"""

from __future__ import annotations

import sys
from pathlib import Path

VALUES, TIMES = 10_000, 5  # 3 years become 15
DATES = ("ordered_at", "started_at", "ended_at", "responded_at")
_LATER = "TIMESTAMP '2026-01-01' - {times} * (TIMESTAMP '2026-01-01' - {date}) AS {date}"
_CITY = (
    """*, 'City ' || CAST(floor({values} * pow((hash(customer_id) >> 11) / 9007199254740992.0, 2)) AS BIGINT) AS city"""
)


def write_wide(kind: str, source: Path, folder: Path) -> None:
    """Write the tables and settings of a kind of wide company to a folder; the file of settings comes last."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        for path in source.glob("*.parquet"):
            rows = connection.sql(f"SELECT * FROM '{path}'")
            dates = [_LATER.format(times=TIMES, date=name) for name in DATES if name in rows.columns]
            chosen = _CITY.format(values=VALUES) if kind == "values" else f"* REPLACE ({', '.join(dates)})"
            connection.execute(f"COPY (SELECT {chosen} FROM '{path}') TO '{folder / path.name}' (FORMAT parquet)")
    text = (source / "retention.toml").read_text()
    (folder / "retention.toml").write_text(text.replace('["country"]', '["city"]') if kind == "values" else text)


if __name__ == "__main__":
    write_wide(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
