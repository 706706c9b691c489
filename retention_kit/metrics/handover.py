"""Summaries in a small file: computed once per run, opened by every notebook instead of the raw data."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import date
from pathlib import Path

import msgspec

from retention_kit.data.dataset import Dataset
from retention_kit.metrics.grids import Grid
from retention_kit.plugins import run_plugins
from retention_kit.settings import Settings

_PLAIN = ("tables", "segments", "sources", "origin", "is_sample", "scale", "foreign")


def keep(data: Dataset, path: Path) -> None:
    """Write every summary computed so far, with what describes the data, to a new DuckDB file."""
    import duckdb

    keys = [[name, grid.every, grid.months, str(grid.ends or ""), segment] for name, grid, segment in data.summaries]
    about = {name: getattr(data, name) for name in _PLAIN}
    about |= {"as_of": str(data.as_of), "starts": {name: str(day) for name, day in data.starts.items()}}
    about |= {"keys": keys, "settings": msgspec.to_builtins(data.settings)}
    with closing(duckdb.connect(str(path))) as file:
        for number, frame in enumerate([data.quality, *data.summaries.values()]):
            file.register("frame", frame)
            file.execute(f"CREATE TABLE frame_{number} AS SELECT * FROM frame")
        file.execute("CREATE TABLE about AS SELECT ? AS text", [json.dumps(about)])


def reopen(path: Path) -> Dataset:
    """The data as `keep` wrote them: their summaries can be read, others cannot be computed."""
    import duckdb

    with closing(duckdb.connect(str(path), read_only=True)) as file:
        about = json.loads(file.execute("SELECT text FROM about").fetchone()[0])
        frames = [file.execute(f"SELECT * FROM frame_{number}").df() for number in range(len(about["keys"]) + 1)]
    plain = {name: about[name] for name in _PLAIN} | {"as_of": date.fromisoformat(about["as_of"])}
    plain["starts"] = {name: date.fromisoformat(day) for name, day in about["starts"].items()}
    plain["segments"] = {name: tuple(tables) for name, tables in plain["segments"].items()}
    keys = [
        (name, Grid(every, months, date.fromisoformat(ends) if ends else None), segment)
        for name, every, months, ends, segment in about["keys"]
    ]
    settings = msgspec.convert(about["settings"], Settings)
    run_plugins(settings.report.plugins)
    return Dataset(settings, quality=frames[0], summaries=dict(zip(keys, frames[1:], strict=True)), **plain)
