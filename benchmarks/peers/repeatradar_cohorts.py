"""Cohorts by the package repeatradar, in an environment of its own: `python repeatradar_cohorts.py FOLDER` prints JSON.

Its months after the first are spans of 30 days from a customer's first order, ours are calendar months: the sizes of
the cohorts are what both define alike.
"""

import json
import sys
from time import perf_counter

import pandas as pd
from repeatradar import generate_cohort_data

orders = pd.read_parquet(f"{sys.argv[1]}/orders.parquet", columns=["customer_id", "ordered_at"]).dropna()
start = perf_counter()
cells = generate_cohort_data(orders, "ordered_at", "customer_id", cohort_period="M", period_duration=30)
seconds = perf_counter() - start
sys.stdout.write(
    json.dumps({"seconds": seconds, "figures": {str(cohort)[:7]: int(size) for cohort, size in cells[0].items()}})
)
