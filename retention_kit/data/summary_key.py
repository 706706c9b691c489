"""Keys of the computed summaries of a dataset."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True)
class SummaryKey:
    """The key of a summary in `Dataset.summaries`, which is saved in snapshots.

    `name` is the query or table; `when` its granularity, period or date; `segment` a segment column, or a column and
    value; `metrics` the metrics of a scorecard, as a notebook may declare others.
    """

    name: str
    when: Hashable
    segment: Hashable = None
    metrics: tuple[str, ...] = ()


class DerivedKey(SummaryKey):
    """The key of a summary that is computed quickly from others, so it is not saved in snapshots."""
