"""The six summaries in three ways, and the explorer's redraws, each in a process of its own: `python benchmarks/ways.py
WAY FOLDER` prints JSON.

What it prints: `load` and `seconds` (data loaded, then the figures), `memory` (the peak of the process, bytes) and
`figures`, which have to be the same in every way that tells them.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from string import Template
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset
    from retention_kit.periods import Period
    from retention_kit.widgets.explorer import Explorer

    Frames = dict[str, pd.DataFrame]

FIRST, LAST, AS_OF, MONTHS = "2024-12-01", "2025-12", "2026-01-01", 13
TABLES = ("orders", "subscriptions", "responses")
NATURAL = ("movements", "purchases", "mrr", "feedback", "cohorts", "rfm")
# What a scan has to read of each table.
NEEDED = {
    "orders": ("customer_id", "ordered_at", "amount"),
    "subscriptions": ("customer_id", "started_at", "ended_at", "amount"),
    "responses": ("customer_id", "responded_at", "survey", "score"),
}


def ours(folder: Path, basis: str) -> dict:
    """The scorecard of all metrics."""
    import retention_kit as rk

    data, load = _loaded(folder, basis)
    rows, seconds = timed(lambda: rk.scorecard(data, periods=_months()))
    return {"load": load, "seconds": seconds, "memory": peak(), "figures": figures_of(scorecard_frames(data, rows))}


def six(folder: Path) -> dict:
    """What the six queries give and no more: the scorecard of the metrics that come from them, cohorts and RFM."""
    import retention_kit as rk

    data, load = _loaded(folder, "orders")
    metrics = [name for name, metric in rk.METRICS.items() if metric.summary in NATURAL]
    rows, seconds = timed(lambda: rk.scorecard(data, periods=_months(), metrics=metrics))
    customers, more = timed(lambda: {"cohorts": rk.cohorts(data), "rfm": rk.rfm(data, unit="day")})
    memory = peak()
    frames = scorecard_frames(data, rows) | {"movements": _by_month(rk.customer_movements(data)), **customers}
    frames["cohorts"] = _by_month(frames["cohorts"])
    return {"load": load, "seconds": seconds + more, "memory": memory, "figures": figures_of(frames)}


def natural(folder: Path) -> dict:
    """The six queries of `natural/`, one by one, on DuckDB tables that hold the same columns."""
    import duckdb
    import pandas as pd  # noqa: F401  so that queries are queries only

    with duckdb.connect() as connection:

        def read() -> None:
            for name, columns in NEEDED.items():
                connection.execute(f"CREATE TABLE {name} AS SELECT {', '.join(columns)} FROM '{folder / name}.parquet'")

        def query(name: str) -> pd.DataFrame:
            text = (Path(__file__).parent / "natural" / f"{name}.sql").read_text()
            return connection.execute(Template(text).substitute(first=FIRST, as_of=AS_OF)).df()

        _, load = timed(read)
        frames, seconds = timed(lambda: {name: query(name) for name in NATURAL})
    return {"load": load, "seconds": seconds, "figures": figures_of(frames)}


def pandas(folder: Path) -> dict:
    """The functions of `pandas_way.py` on frames that hold the same columns."""
    import pandas as pd
    import pandas_way as way

    def read() -> Frames:
        return {name: pd.read_parquet(folder / f"{name}.parquet", columns=list(NEEDED[name])) for name in TABLES}

    tables, load = timed(read)
    orders, first, last = tables["orders"], way.number(FIRST), way.number(LAST)
    frames, seconds = timed(
        lambda: {
            "movements": way.movements(orders, first),
            "purchases": way.purchases(orders, first),
            "mrr": way.mrr(tables["subscriptions"], first, last),
            "feedback": way.feedback(tables["responses"], first),
            "cohorts": way.cohorts(orders),
            "rfm": way.rfm(orders, AS_OF),
        }
    )
    return {"load": load, "seconds": seconds, "figures": figures_of(frames)}


def scan(folder: Path) -> dict:
    """The floor: DuckDB reads every needed value once; of a hash, since a maximum stands in the file's footer."""
    import duckdb

    def read() -> None:
        for name, columns in NEEDED.items():
            duckdb.sql(f"SELECT bit_xor(hash({', '.join(columns)})) FROM '{folder / name}.parquet'").fetchall()

    return {"seconds": timed(read)[1]}


def cohorts(folder: Path) -> dict:
    """Cohorts alone, for a package that makes only them."""
    import retention_kit as rk

    data, load = _loaded(folder, "orders")
    frame, seconds = timed(lambda: rk.cohorts(data))
    sizes = frame[frame["age"] == 0]
    return {
        "load": load,
        "seconds": seconds,
        "figures": dict(zip(sizes["cohort"], sizes["size"].tolist(), strict=True)),
    }


def rfm(folder: Path) -> dict:
    """RFM alone, likewise."""
    import retention_kit as rk

    data, load = _loaded(folder, "orders")
    frame, seconds = timed(lambda: rk.rfm(data, unit="day"))
    return {"load": load, "seconds": seconds, "figures": figures_of({"rfm": frame})}


def values(folder: Path) -> dict:
    """The scorecard of the last month by the one segment column; the parts of the revenue have to be its whole."""
    import retention_kit as rk

    data, load = _loaded(folder, "orders")
    rows, seconds = timed(lambda: rk.scorecard(data, LAST, segment=data.settings.report.segments[0]))
    revenue = rows[rows["metric"] == "revenue"].groupby(rows["segment"] == "")["value"].sum()
    figures = {name: {"revenue": float(revenue[is_whole])} for name, is_whole in (("whole", True), ("parts", False))}
    return {"load": load, "seconds": seconds, "memory": peak(), "rows": len(rows), "figures": figures}


def years(folder: Path) -> dict:
    """The scorecard of every week."""
    import retention_kit as rk

    data, load = _loaded(folder, "orders")
    rows, seconds = timed(lambda: rk.scorecard(data, periods="all", every="week"))
    return {"load": load, "seconds": seconds, "memory": peak(), "rows": len(rows)}


def export(folder: Path) -> dict:
    """An export recognised, read, cleaned and checked."""
    import retention_kit as rk

    (path,) = folder.glob("*.csv")
    data, seconds = timed(lambda: rk.load(path))
    (counted,) = data.engine.rows("SELECT count(*), sum(amount) FROM orders")
    figures = {"orders": counted[0], "revenue": float(counted[1]) / data.minor}
    return {"seconds": seconds, "memory": peak(), "figures": figures}


def export_scan(folder: Path) -> dict:
    """The floor: DuckDB reads the file once as it thinks best, and counts and sums its paid orders."""
    import duckdb

    (path,) = folder.glob("*.csv")
    query = f"""SELECT count(*), sum(CAST("Total" AS DECIMAL(18, 2))), count(DISTINCT lower("Email")), min("Created at")
        FROM read_csv('{path}', all_varchar = true) WHERE "Financial Status" = 'paid'"""
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")  # which would stand before what is told
        ((orders, revenue, *_),), seconds = timed(lambda: connection.execute(query).fetchall())
    return {"seconds": seconds, "memory": peak(), "figures": {"orders": orders, "revenue": float(revenue)}}


CHANGES = (  # of what is chosen in the explorer, one after the other
    ("period", "2025-11"),
    ("metric", "repeat_purchase_rate"),
    ("segment", "country"),
    ("values", ("France",)),
    ("period", "2025-12"),
    ("compare", "year_ago"),
    ("compare", "previous"),
    ("segment", ""),
    ("metric", "customer_retention_rate"),
)


def redraw(folder: Path) -> dict:
    """The explorer's first picture; changes of what is chosen, each when what it needs has been prepared, while more is:
    the median and the slowest; and the summaries computed again.
    """
    import retention_kit as rk
    import retention_kit.widgets.explorer

    data, load = _loaded(folder, "orders")
    before, first, seconds = asyncio.run(_choose(data))
    data.summaries.clear()
    rows, again = timed(lambda: rk.scorecard(data, periods=_months()))
    facts = {"load": load, "first": first, "seconds": median(seconds), "slowest": max(seconds), "recomputed": again}
    return facts | {"figures": {"before": _retention(before), "again": _retention(rows)}}


async def _choose(data: Dataset) -> tuple[pd.DataFrame, float, list[float]]:
    """The last scorecard that was shown, the seconds of the first picture, and those of each change."""
    import retention_kit as rk

    explorer, first = timed(lambda: rk.explore(data, period=LAST).wait())
    seconds = []
    for name, value in CHANGES:
        while _next(explorer, name, value) not in explorer._prepared:
            await asyncio.sleep(0.1)
        before, duration = timed(partial(_change, explorer, name, value))
        seconds.append(duration)
    explorer.close()
    return before, first, seconds


def _next(explorer: Explorer, name: str, value: str | tuple) -> tuple:
    """What stands for the figures of the next selection."""
    import retention_kit as rk

    changes = {"period": lambda: {"period": rk.Period.parse(value)}, "segment": lambda: {"column": value, "values": ()}}
    changes["values"] = lambda: {"values": value}
    chosen = replace(explorer._requested, **changes[name]() if name in changes else {})
    return chosen.period, chosen.segment, chosen.values


def _change(explorer: Explorer, name: str, value: str | tuple) -> pd.DataFrame:
    setattr(explorer, name, value)
    return explorer.scorecard


def _retention(rows: pd.DataFrame) -> dict[str, float]:
    rows = rows[(rows["metric"] == "customer_retention_rate") & (rows["segment"] == "")]
    return {f"retention {row.period}": float(row.value) for row in rows.itertuples()}


def _months() -> list[Period]:
    import retention_kit as rk

    return [rk.Period.parse(LAST).shift(-back) for back in range(MONTHS)]


def timed(work: Callable) -> tuple:
    """What a piece of work returns, and its seconds."""
    start = perf_counter()
    result = work()
    return result, perf_counter() - start


def _loaded(folder: Path, basis: str) -> tuple:
    """Our dataset and the seconds of loading alone: what it imports is there."""
    import duckdb  # noqa: F401
    import pandas as pd  # noqa: F401

    import retention_kit as rk

    return timed(lambda: rk.load(folder / "retention.toml", basis=basis))


def peak() -> int:
    """The most memory that this process has had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def scorecard_frames(data: Dataset, rows: pd.DataFrame) -> Frames:
    """What the scorecard holds, under the names of the natural queries."""
    import pandas as pd

    import retention_kit as rk

    def column(metric: str, field: str = "value") -> pd.Series:
        return rows[rows["metric"] == metric].set_index("period")[field]

    purchases = {
        "buyers": column("repeat_purchase_rate", "denominator"),
        "purchases": column("purchase_frequency", "numerator"),
        "repeat_buyers": column("repeat_purchase_rate", "numerator"),
        "returning_buyers": column("returning_customer_rate", "numerator"),
        "customer_revenue": column("average_revenue_per_customer", "numerator"),
        "guest_revenue": column("guest_revenue"),
    }
    scores = {"nps": "net_promoter_score", "csat": "customer_satisfaction_score", "ces": "customer_effort_score"}
    scores = {name: column(metric) for name, metric in scores.items()}
    figures = {
        name: _by_month(pd.DataFrame(columns).reset_index())
        for name, columns in {"purchases": purchases, "feedback": scores}.items()
    }
    return {**figures, "mrr": _by_month(rk.mrr_movements(data))}


def _by_month(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns={"period": "month"})


def figures_of(frames: Frames) -> dict[str, float]:
    """Every figure of the last 13 months under a name of its own; of RFM, which has a row per customer, the sums. Frames
    are those of pandas or Polars.
    """
    figures = {}
    for name, frame in frames.items():
        if name == "rfm":
            figures |= {
                f"rfm {column}": float(frame[column].sum()) for column in ("frequency", "recency", "T", "monetary")
            }
            figures["rfm customers"] = float(len(frame))
            continue
        keys = ["cohort", "month"] if name == "cohorts" else ["month"]
        for row in frame.to_dicts() if hasattr(frame, "to_dicts") else frame.to_dict("records"):
            if str(row["month"])[:7] >= FIRST[:7]:
                key = " ".join(str(row[column])[:7] for column in keys)
                # A score of no answers is none: in pandas not equal to itself, in Polars None.
                known = [column for column in COMPARED[name] if row[column] is not None and row[column] == row[column]]
                figures |= {f"{name} {key} {column}": float(row[column]) for column in known}
        if name == "cohorts":  # an empty cell and none are the same
            figures = {key: value for key, value in figures.items() if value or not key.startswith("cohorts ")}
    return figures


COMPARED = {
    "movements": ("start", "new", "reactivated", "lost", "retained", "end"),
    "purchases": ("buyers", "purchases", "repeat_buyers", "returning_buyers", "customer_revenue", "guest_revenue"),
    "mrr": ("start", "new", "expansion", "contraction", "churned", "reactivation", "end"),
    "feedback": ("nps", "csat", "ces"),
    "cohorts": ("active",),
}
WAYS: dict[str, Callable[[Path], dict]] = {
    "subscriptions": lambda folder: ours(folder, "subscriptions"),
    "orders": lambda folder: ours(folder, "orders"),
    "six": six,
    "natural": natural,
    "pandas": pandas,
    "scan": scan,
    "cohorts": cohorts,
    "rfm": rfm,
    "redraw": redraw,
    "values": values,
    "years": years,
    "export": export,
    "export_scan": export_scan,
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(WAYS[sys.argv[1]](Path(sys.argv[2]))))
