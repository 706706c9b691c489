"""A new project: settings, example tables to replace, a notebook and a schedule."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from retention_kit.errors import SettingsError

_SETTINGS = """\
# What the report is made of. Every key: see the README. Secrets never belong here.
[data]
# The tables below are synthetic examples. Put yours in their place, or map your columns:
#
#   [data.orders]
#   path = "shop.parquet"
#   where = "Quantity > 0"                  # any SQL condition on your columns
#   [data.orders.columns]                   # ours = a column of yours, or an SQL expression on them
#   customer_id = "CustomerID"
#   ordered_at = "InvoiceDate"
#   amount = "Quantity * UnitPrice"
#   country = "Country"                     # any further column can split the figures
orders = "data/orders.csv"
subscriptions = "data/subscriptions.csv"
responses = "data/responses.csv"

[report]
company = "Sample Company (synthetic data)"
every = "month"                             # week, month, quarter or year
timezone = "Europe/London"
currency = "GBP"
segments = ["channel"]
# plugins = ["shop_metrics.py"]             # metrics of your own: Python files beside this one

[definitions]                               # the defaults are the rules of the field
# basis = "orders"                          # who is a customer: who buys (orders) or who pays (subscriptions)
# min_n = 30                                # rates of fewer are not shown

[goals.customer_retention_rate]
target = 0.97
"""

_SCHEDULE = """\
# A line for `crontab -e`: on the second of every month at 06:00, the report of the month before.
0 6 2 * * cd {folder} && {python} -m retention_kit.cli report >> report.log 2>&1
"""


def begin(folder: Path) -> None:
    """Write a project that works as it stands into a new or empty folder; raises SettingsError where it holds anything."""
    from retention_kit.data.sample import sample_tables
    from retention_kit.report.display import shipped

    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SettingsError(f"{str(folder)!r} is there already and not empty: name a new folder.")
        (folder / "data").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"No project can be begun in {str(folder)!r}: {error.strerror}.") from error
    for name, table in sample_tables().items():
        table.to_csv(folder / "data" / f"{name}.csv", index=False)
    (folder / "notebooks").mkdir()
    for notebook in sorted(shipped("notebooks").glob("*.ipynb")):
        text = notebook.read_text("utf-8").replace("rk.sample()", "rk.load('..')")
        (folder / "notebooks" / notebook.name).write_text(text, "utf-8")
    # To cron a bare % is the end of the line.
    place, python = (shlex.quote(str(path)).replace("%", r"\%") for path in (folder.resolve(), sys.executable))
    (folder / "schedule.cron").write_text(_SCHEDULE.format(folder=place, python=python), "utf-8")
    (folder / "retention.toml").write_text(_SETTINGS, "utf-8")
