"""Saves summaries in a small file, which notebooks open instead of the data."""

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
    """Write all summaries computed so far, and the dataset's other fields, to a new file; `more` is added to them.

    It is a pickle, so numbers are exact. It must be in a private folder, since unpickling runs code.
    """
    plain = {field.name: getattr(data, field.name) for field in fields(Dataset) if field.name not in NOT_SAVED}
    summaries = {key: frame for key, frame in [*data.summaries.items()] if not isinstance(key, DerivedKey)}
    text = pickle.dumps(plain | {"summaries": summaries | dict(more or {})}, protocol=pickle.HIGHEST_PROTOCOL)
    path.write_bytes(text)


def load_snapshot(path: str | Path) -> Dataset:
    """The dataset of a snapshot: its summaries can be read, others cannot be computed."""
    data = Dataset(**pickle.loads(Path(path).read_bytes()))
    run_plugins(data.settings.report.plugins)
    return data


def open_data(path: str) -> Dataset:
    """The dataset at a template's path `data`; while a report is built, its snapshot."""
    if saved := os.environ.get(SNAPSHOT):
        return load_snapshot(saved)
    return load(path) if path else sample()
