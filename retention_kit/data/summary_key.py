"""What names one computed summary of a dataset."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True)
class SummaryKey:
    """One summary in `Dataset.summaries`, which a snapshot of the data keeps.

    `name` is the query or table; `when` its granularity, period or date; `segment` a segment column, perhaps with one
    value of it; `metrics` the metrics of a scorecard, as a notebook may declare one of its own.
    """

    name: str
    when: Hashable
    segment: Hashable = None
    metrics: tuple[str, ...] = ()


class DerivedKey(SummaryKey):
    """A summary computed from others in no time, which a snapshot leaves out."""
