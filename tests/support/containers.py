"""One table in a file of any kind."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pandas as pd

from test_sources import write_workbook

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "|"}


def write_orders(path: Path, frame: pd.DataFrame) -> Path:
    """The frame as orders, by the file's ending: a text, a workbook, Parquet, SQLite or DuckDB."""
    if path.suffix in SEPARATORS:
        frame.to_csv(path, index=False, sep=SEPARATORS[path.suffix])
    elif path.suffix == ".xlsx":
        cells = frame.astype(object).where(frame.notna(), None)
        write_workbook(path, orders=[[*frame.columns], *cells.to_numpy().tolist()])
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".sqlite":
        with closing(sqlite3.connect(path)) as connection:
            frame.to_sql("orders", connection, index=False)
    else:
        with duckdb.connect(str(path)) as connection:
            connection.register("given", frame)
            connection.execute("CREATE TABLE orders AS SELECT * FROM given")
    return path
