"""Summaries in a small file: computed once a run, opened by every notebook instead of the raw data."""

from __future__ import annotations

import os
import pickle
from collections.abc import Hashable, Mapping
from dataclasses import fields
from pathlib import Path

from retention_kit.data.dataset import Dataset, load, sample
from retention_kit.data.summary_key import DerivedKey
from retention_kit.plugins import run_plugins

SNAPSHOT = "RETENTION_KIT_SUMMARIES"  # the environment variable that names the snapshot of a run
NOT_SAVED = ("engine", "summaries", "parts", "known")  # fields that need the rows


def save_snapshot(data: Dataset, path: Path, more: Mapping[Hashable, object] | None = None) -> None:
    """Write every summary computed so far, with what describes the data, to a new file; `more` is saved beside them.

    A pickle, so that every number comes back as it was: it lies in a folder of this user's alone, and goes with the
    run.
    """
    plain = {one.name: getattr(data, one.name) for one in fields(Dataset) if one.name not in NOT_SAVED}
    summaries = {key: frame for key, frame in [*data.summaries.items()] if not isinstance(key, DerivedKey)}
    text = pickle.dumps(plain | {"summaries": summaries | dict(more or {})}, protocol=pickle.HIGHEST_PROTOCOL)
    path.write_bytes(text)


def load_snapshot(path: str | Path) -> Dataset:
    """The data as `save_snapshot` wrote them: their summaries can be read, others cannot be computed."""
    data = Dataset(**pickle.loads(Path(path).read_bytes()))
    run_plugins(data.settings.report.plugins)
    return data


def open_data(path: str) -> Dataset:
    """The dataset that a template's `data` names; in a report's run, the snapshot that was saved for it."""
    if saved := os.environ.get(SNAPSHOT):
        return load_snapshot(saved)
    return load(path) if path else sample()
