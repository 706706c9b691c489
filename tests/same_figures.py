"""Two datasets of the same tables on two engines: everything that one can ask of them, compared to the last digit."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from pandas.testing import assert_frame_equal

import retention_kit as rk
from retention_kit.errors import RetentionKitError
from retention_kit.metrics.identities import identities
from retention_kit.metrics.lists import customer_lists
from retention_kit.metrics.summaries import concentration, periods_of
from retention_kit.metrics.tables import answer_counts

LIFETIME = ("customer_lifespan", "customer_lifetime_value")  # take a query or several for every period
FEW = {"week": 3, "month": 10**6, "quarter": 3, "year": 2}  # how many of the last periods are looked at
TABLES = (rk.customer_movements, rk.mrr_movements, rk.churn_reasons, answer_counts, rk.cohorts)


def differences(data, other, segments: Iterable[str] = (), every: Iterable[str] = ("month",)) -> list[str]:
    """What the two give otherwise, a line each, its first word being the frame."""
    found = [
        f"{name}: {getattr(data, name)} {getattr(other, name)}"
        for name in ("as_of", "starts", "tables", "segments", "scale", "foreign", "basis")
        if getattr(data, name) != getattr(other, name)
    ]
    found += _unlike("quality", data.quality, other.quality)
    for name, rows in data.quarantine.items():
        found += _unlike(f"quarantine of {name}", rows, other.quarantine[name], types=False)
    segments = list(segments)
    for length in every:
        last = [str(period) for period in periods_of(data, length)][-FEW[length] :]
        asked = [metric for metric in rk.METRICS if metric not in LIFETIME]
        for segment in (None, *segments):
            options = {"every": length, "segment": segment}
            found += _both("scorecard", data, other, rk.scorecard, periods=last, metrics=asked, **options)
            found += _both("lifetimes", data, other, rk.scorecard, periods=last[-2:], metrics=LIFETIME, **options)
        for table in TABLES:
            found += _both(table.__name__, data, other, table, every=length)
        found += _both("identities", data, other, identities, every=length, segments=tuple(segments))
    for period in periods_of(data, "month")[-4:]:
        found += _both("lists", data, other, customer_lists, period=period, columns=segments)
        found += _both("concentration", data, other, concentration, period=period)
    found += _both("rfm", data, other, rk.rfm)
    for key, frame in data.summaries.items():
        found += _unlike(f"summary {key}", frame, other.summaries[key])
    return found


def _both(name: str, data, other, ask, **options) -> list[str]:
    answers = []
    for one in (data, other):
        try:
            answers.append(ask(one, **options))
        except RetentionKitError as error:
            answers.append(str(error))
    return _unlike(f"{name} {options}", *answers)


def _unlike(name: str, one, other, types: bool = True) -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        return [line for key in one for line in _unlike(f"{name} {key}", one[key], other[key])]
    if not (isinstance(one, pd.DataFrame) and isinstance(other, pd.DataFrame)):
        return [] if one == other else [f"{name}: {one} {other}"]
    if not types:  # what came as nanoseconds is kept as microseconds elsewhere
        one, other = (frame.astype(object).where(frame.notna(), None) for frame in (one, other))
    try:
        assert_frame_equal(one, other, check_exact=True)
    except AssertionError as error:
        return [f"{name}: {' '.join(str(error).split())[:400]}"]
    return []
