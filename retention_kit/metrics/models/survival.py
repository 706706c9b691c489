"""How long customers stay, without a model: Kaplan-Meier curves and the test of whether curves differ."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import pandas as pd

from retention_kit.errors import ModelError
from retention_kit.metrics.models.inputs import column, counts_of, same_length

Z95 = 1.959963984540054


def kaplan_meier(durations: Any, events: Any, counts: Any = None) -> pd.DataFrame:
    """The share of customers still there by time, where some are known only to have stayed until now.

    `durations` are how long each customer was seen, `events` whether the customer then left (True, 1) or was last seen
    there (False, 0), `counts` how often each row occurs. A row for each time at which somebody left: time, survival, se
    (Greenwood), low and high (95%, by the log of the log), at_risk (customers seen until just before). `.attrs`:
    `median` (the time by which half have left; None where that was not seen), `customers` and `longest`, the longest
    time that anybody was seen. Source: Kaplan and Meier (1958).
    """
    time, left, n = _spells(durations, events, counts)
    times, at_risk, lost = _by_time(time, left, n)
    happened = lost > 0
    times, at_risk, lost = times[happened], at_risk[happened], lost[happened]
    survival = np.cumprod((at_risk - lost) / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.cumsum(lost / (at_risk * (at_risk - lost)))
        half = Z95 * np.sqrt(spread) / np.abs(np.log(survival))
        low, high = survival ** np.exp(half), survival ** np.exp(-half)
        se = survival * np.sqrt(spread)
    gone = survival <= 0  # nothing is left whose share could be uncertain
    se, low, high = (np.where(gone, nan, one) for one in (se, low, high))
    frame = pd.DataFrame({"time": times, "survival": survival, "se": se, "low": low, "high": high, "at_risk": at_risk})
    reached = np.flatnonzero(survival <= 0.5 + 1e-12)
    frame.attrs["median"] = times[reached[0]].item() if len(reached) else None
    frame.attrs["customers"], frame.attrs["longest"] = float(n.sum()), time.max().item()
    return frame


def log_rank(durations: Any, events: Any, groups: Any, counts: Any = None) -> tuple[float, float]:
    """Whether the survival of groups differs: the statistic of the log-rank test and its p value.

    The statistic is compared with a chi-squared distribution of one degree of freedom less than there are groups.
    Raises ModelError for fewer than two groups. Source: Mantel (1966).
    """
    from scipy.special import chdtrc

    time, left, n = _spells(durations, events, counts)
    codes, names = pd.factorize(np.asarray(groups))
    same_length(durations=time, groups=codes)
    if (codes < 0).any():
        raise ModelError("Everybody has to be in a group; row {row} is in none.", row=int(np.argmin(codes)) + 1)
    if len(names) < 2:
        raise ModelError("A comparison of survival needs two groups at least.")
    times, at_risk, lost = _by_time(time, left, n)
    each = [_by_time(time, left, np.where(codes == code, n, 0.0), times) for code in range(len(names))]
    risk, gone = np.array([one[1] for one in each]), np.array([one[2] for one in each])
    share = risk / np.maximum(at_risk, 1e-300)
    difference = (gone - share * lost).sum(axis=1)
    spread = np.where(at_risk > 1, lost * (at_risk - lost) / np.maximum(at_risk - 1, 1e-300), 0.0)
    covariance = np.diag((share * spread).sum(axis=1)) - (share * spread) @ share.T
    known = np.diag(covariance) > 0
    if np.count_nonzero(known) < 2:
        return 0.0, 1.0
    some = np.flatnonzero(known)[:-1]
    statistic = float(difference[some] @ np.linalg.pinv(covariance[np.ix_(some, some)]) @ difference[some])
    return statistic, float(chdtrc(len(some), statistic))


def _spells(durations: Any, events: Any, counts: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    time, left = column("durations", durations), column("events", events)
    same_length(durations=time, events=left)
    n = counts_of(counts, len(time))
    if (time < 0).any():
        raise ModelError("A duration cannot be below 0: {least:g} is.", least=time.min())
    if not np.isin(left, (0, 1)).all():
        raise ModelError("events are 1 (left) or 0 (last seen there).")
    return time, left, np.ones(len(time)) if n is None else n


def _by_time(
    time: np.ndarray, left: np.ndarray, n: np.ndarray, times: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each time ascending, the customers seen until just before, and those who left at it."""
    if times is None:
        times = np.unique(time[n > 0])
    place = np.searchsorted(times, time)
    some = n > 0
    seen = np.bincount(place[some], weights=n[some], minlength=len(times))
    lost = np.bincount(place[some], weights=n[some] * left[some], minlength=len(times))
    return times, np.cumsum(seen[::-1])[::-1], lost
