"""Summaries in a small file: computed once per run, opened by every notebook instead of the raw data."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.data.dataset import Dataset
from retention_kit.plugins import run_plugins

if TYPE_CHECKING:
    import pandas as pd

LEFT = ("engine", "summaries", "parts", "known")  # where no rows are at hand


def keep(data: Dataset, path: Path, more: Mapping[tuple, pd.DataFrame] | None = None) -> None:
    """Write every summary computed so far, with what describes the data, to a new file; `more` is kept beside them.

    A pickle, so that every number comes back as it was: it lies in a folder of this user's alone, and goes with the run.
    """
    plain = {one.name: getattr(data, one.name) for one in fields(Dataset) if one.name not in LEFT}
    # Years are made of the others, and few are asked for again.
    summaries = {key: frame for key, frame in data.summaries.items() if not key[0].startswith("year ")}
    text = pickle.dumps(plain | {"summaries": summaries | dict(more or {})}, protocol=pickle.HIGHEST_PROTOCOL)
    path.write_bytes(text)


def reopen(path: str | Path) -> Dataset:
    """The data as `keep` wrote them: their summaries can be read, others cannot be computed."""
    data = Dataset(**pickle.loads(Path(path).read_bytes()))
    run_plugins(data.settings.report.plugins)
    return data
