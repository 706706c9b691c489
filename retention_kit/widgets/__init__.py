"""The explorer: choose a period, a metric and a segment in JupyterLab, and see what the report would show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.errors import DataError

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset
    from retention_kit.widgets.explorer import Explorer


def explore(
    data: Dataset | str | Path | None = None,
    *,
    period: str = "",
    every: str = "",
    metric: str = "",
    segment: str = "",
    compare: str = "previous",
    language: str = "",
    output: str | Path | None = None,
) -> Explorer:
    """The explorer of a dataset (or of a path that `rk.load` takes; without any, of the sample company).

    `period` such as 2011-11 (the last complete one), `every` week, month, quarter or year (the settings'), `metric` any
    name in METRICS (customer_retention_rate), `segment` a column or `column=value`, `compare` with "previous",
    "year_ago" or "goal", `language` such as ar (the settings' first one). Packs are built in `output`, else in
    `reports` beside the data. Wrong values raise one sentence.
    """
    try:
        from retention_kit.widgets.explorer import Explorer
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("anywidget", "ipywidgets"):
            raise
        raise DataError("The explorer is shown with ipywidgets: pip install 'retention-kit[lab]'.") from None
    from retention_kit.data.dataset import Dataset, load, sample

    if hasattr(data, "columns"):  # a table of pandas, Polars, Arrow or Spark
        raise DataError(
            "Of a table say what it holds: rk.explore(rk.load(orders=df)), or subscriptions=df, responses=df."
        )
    data = sample() if data is None else data if isinstance(data, Dataset) else load(data)
    selection = {"period": period, "every": every, "metric": metric, "segment": segment, "compare": compare}
    return Explorer(data, **selection, language=language, output=output)


def __getattr__(name: str) -> object:
    if name != "Explorer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from retention_kit.widgets.explorer import Explorer

    return Explorer
