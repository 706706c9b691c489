"""RFM by the package lifetimes, in an environment of its own: `python lifetimes_rfm.py FOLDER` prints JSON."""

import json
import sys
from time import perf_counter

import pandas as pd
from lifetimes.utils import summary_data_from_transaction_data

orders = pd.read_parquet(f"{sys.argv[1]}/orders.parquet", columns=["customer_id", "ordered_at", "amount"]).dropna()
start = perf_counter()
rfm = summary_data_from_transaction_data(
    orders, "customer_id", "ordered_at", "amount", observation_period_end="2025-12-31"
)
seconds = perf_counter() - start
names = {"frequency": "frequency", "recency": "recency", "T": "T", "monetary_value": "monetary"}
figures = {f"rfm {name}": float(rfm[column].sum()) for column, name in names.items()}
sys.stdout.write(json.dumps({"seconds": seconds, "figures": figures | {"rfm customers": float(len(rfm))}}))
