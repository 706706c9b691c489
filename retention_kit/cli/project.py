"""Projects: `retention-kit init` creates a folder with settings, examples and notebooks; `lab` opens it."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.cli.output import DONE, show
from retention_kit.errors import SettingsError

if TYPE_CHECKING:
    from retention_kit.cli.options import Commands

PLUGIN = "shop_metrics.py"  # what the fourth notebook shows

_SETTINGS = """\
# What the report is made of. Every key: docs/settings.md of retention-kit. Secrets never belong here.
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
# responses = "survey.sqlite"               # answers to a form of your own: retention-kit survey invite, survey serve
# first_known = "2023-01-01"                # who is first seen from then on is new: no customer of before is missing

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

[goals.customer_retention_rate]             # retention-kit goals: where it stands, and whether it will be reached
target = "97.5%"
by = "2026-12"
start_date = 2025-01-01
owner = "Ann Lee"

[[alerts]]                                  # retention-kit alerts: what fires; --backtest: what would have fired
name = "Many customers at risk"
when = "customers_at_risk > 120"            # or "customer_churn_rate > 5%", "net_promoter_score < 20" and the like
then = ["notice", "list"]                   # on top of the report, with its list; also "mail:ann@example.com" and more

[[follow_ups]]                              # retention-kit follow-ups: who is due, once each, in follow_ups/
name = "Ask who was unhappy"
when = "detractor within 14 days"
text = "Ask {customer_id} what went wrong."

# [mail]                                    # who gets it, and from whom; the server: RETENTION_KIT_SMTP_URL
# from = "Reports <reports@example.com>"
# to = ["Ann Lee <ann@example.com>"]
# owner = "analyst@example.com"             # hears what was held back or did not arrive
"""

_SCHEDULE = """\
# A line for `crontab -e`: on the second of every month at 06:00, the report of the month before.
# Where [mail] says to whom, `run` in the place of `report`, every morning, sends it too: docs/schedules.md.
0 6 2 * * cd {folder} && {python} -m retention_kit.cli report >> report.log 2>&1
"""


def add(commands: Commands) -> None:
    """Add the commands to the parser's."""
    init = commands.add_parser("init", help="begin a project: settings, example data, notebooks, a schedule")
    init.add_argument("folder", metavar="DIR", type=Path, help="the folder to make")
    init.set_defaults(run=_init)

    lab = commands.add_parser("lab", help="open a project in JupyterLab")
    lab.add_argument("folder", metavar="DIR", nargs="?", type=Path, default=Path(), help="a project (default: here)")
    lab.add_argument("options", metavar="...", nargs=argparse.REMAINDER, help="JupyterLab's own, such as --no-browser")
    lab.set_defaults(run=_lab)


def _init(arguments: argparse.Namespace) -> int:
    begin(folder := arguments.folder)
    show("{folder} is ready. Build its first report:", folder=folder)
    print(f"  cd {shlex.quote(str(folder))}\n  retention-kit report")
    show("Explore it in JupyterLab:")
    print("  retention-kit lab")
    return DONE


def _lab(arguments: argparse.Namespace) -> int:
    open_lab(arguments.folder, arguments.options)
    return DONE


def begin(folder: Path) -> None:
    """Write a working project into a new or empty folder; raises SettingsError if the folder is not empty."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SettingsError("{folder!r} is there already and not empty: name a new folder.", folder=str(folder))
        was_there = folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _write_project(folder)
        except BaseException:  # nothing half written is left
            shutil.rmtree(folder, ignore_errors=True)
            if was_there:
                folder.mkdir(exist_ok=True)
            raise
    except OSError as error:
        template = "No project can be begun in {folder!r}: {reason}."
        raise SettingsError(template, folder=str(folder), reason=error.strerror) from error


def _write_project(folder: Path) -> None:
    from retention_kit.data.sample import sample_tables
    from retention_kit.report.blocks import shipped

    (folder / "data").mkdir()
    for name, table in sample_tables().items():
        table.to_csv(folder / "data" / f"{name}.csv", index=False)
    (folder / "notebooks").mkdir()
    for notebook in sorted(shipped("notebooks").glob("*.ipynb")):
        text = notebook.read_text("utf-8").replace("rk.sample()", "rk.load('..')")
        text = text.replace("rk.sample(", "rk.load('..', ")  # where it is given settings
        (folder / "notebooks" / notebook.name).write_text(text, "utf-8")
    shutil.copyfile(shipped("notebooks") / PLUGIN, folder / PLUGIN)  # where retention.toml looks for it
    # To cron a bare % is the end of the line.
    directory, python = (shlex.quote(str(path)).replace("%", r"\%") for path in (folder.resolve(), sys.executable))
    (folder / "schedule.cron").write_text(_SCHEDULE.format(folder=directory, python=python), "utf-8")
    (folder / "retention.toml").write_text(_SETTINGS, "utf-8")


def open_lab(folder: Path, options: Iterable[str] = ()) -> None:
    """Serve a project in JupyterLab, with its first notebook open, until it ends; `options` are JupyterLab's own.

    Its kernels run this Python. Raises SettingsError if there is no project, or JupyterLab is not installed.
    """
    if not folder.is_dir():
        template = "There is no folder {folder!r}: retention-kit init DIR makes a project."
        raise SettingsError(template, folder=str(folder))
    notebooks = sorted((folder / "notebooks").glob("*.ipynb"))
    if not notebooks and not (folder / "retention.toml").is_file():
        template = (
            "{folder!r} is no project, it holds neither retention.toml nor notebooks: retention-kit init DIR makes one."
        )
        raise SettingsError(template, folder=str(folder))
    try:
        from jupyterlab.labapp import LabApp
    except ModuleNotFoundError as error:
        template = "JupyterLab cannot be opened ({error}): pip install 'retention-kit[lab]'."
        raise SettingsError(template, error=error) from error
    # A kernel of the same name may stand for another Python in this user's folder.
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    page = f"/lab/tree/notebooks/{notebooks[0].name}" if notebooks else "/lab"
    arguments = [f"--ServerApp.root_dir={folder.resolve()}", f"--LabApp.default_url={page}"]
    LabApp.launch_instance(["-y", *arguments, *options])  # -y: Ctrl-C ends it without a question
