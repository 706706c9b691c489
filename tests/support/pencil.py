"""Tables small enough to check with a pencil, and the few questions that tests ask of them."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

import retention_kit as rk


def table(text: str) -> pd.DataFrame:
    """Rows as one writes them on paper: columns two or more spaces apart, `-` where nothing is known, all of it text."""
    header, *rows = (re.split(r"\s{2,}", line.strip()) for line in text.strip().splitlines())
    assert all(len(row) == len(header) for row in rows), "a row has more or fewer cells than the header"
    return pd.DataFrame([[None if cell == "-" else cell for cell in row] for row in rows], columns=header)


def checks(data) -> dict[str, int]:
    """What cleaning counted, without the table sizes; of data with one table."""
    counted = data.quality[data.quality["check"] != "rows read"]
    return dict(zip(counted["check"], counted["rows"], strict=True))


def effects(data) -> dict[str, str]:
    """What cleaning says of each check."""
    return dict(zip(data.quality["check"], data.quality["effect"], strict=True))


def row(data, metric: str, period: str, **options: Any) -> dict[str, Any]:
    """The scorecard's row of one metric and period, None where it is empty."""
    frame = rk.scorecard(data, period, metrics=[metric], **options)
    (record,) = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return record


def value(data, metric: str, period: str, **options: Any) -> float | None:
    """The figure alone."""
    return row(data, metric, period, **options)["value"]


def by_segment(data, metric: str, period: str, segment: str) -> dict[str, float]:
    """The figure of every segment value; the whole is under the empty text."""
    frame = rk.scorecard(data, period, metrics=[metric], segment=segment)
    return dict(zip(frame["segment_value"], frame["value"], strict=True))
