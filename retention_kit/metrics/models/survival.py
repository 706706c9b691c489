"""Kaplan-Meier curves, and the log-rank test of differences between them."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import pandas as pd

from retention_kit.errors import ModelError
from retention_kit.metrics.models.inputs import column, counts_of, same_length

Z95 = 1.959963984540054


def kaplan_meier(durations: Any, events: Any, counts: Any = None) -> pd.DataFrame:
    """The Kaplan-Meier curve: the share of customers left by time, with censored observations.

    `durations` are the observed times of customers, `events` whether they left then (True, 1) or are censored (False,
    0), `counts` multiplicities of rows. Returns a row for each time of a loss, with the columns time, survival, se
    (Greenwood), low and high (95%, log-log), at_risk (customers observed until just before). `.attrs`: `median` (the
    time by which half have left; None if fewer have), `customers`, and `longest`, the longest observed time. Raises
    ModelError for invalid input. Source: Kaplan and Meier (1958).
    """
    time, left, n = _validated(durations, events, counts)
    times, at_risk, lost = _by_time(time, left, n)
    has_losses = lost > 0
    times, at_risk, lost = times[has_losses], at_risk[has_losses], lost[has_losses]
    survival = np.cumprod((at_risk - lost) / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.cumsum(lost / (at_risk * (at_risk - lost)))
        half = Z95 * np.sqrt(spread) / np.abs(np.log(survival))
        low, high = survival ** np.exp(half), survival ** np.exp(-half)
        se = survival * np.sqrt(spread)
    is_zero = survival <= 0  # nobody is left, so there is no uncertainty
    se, low, high = (np.where(is_zero, nan, values) for values in (se, low, high))
    frame = pd.DataFrame({"time": times, "survival": survival, "se": se, "low": low, "high": high, "at_risk": at_risk})
    reached = np.flatnonzero(survival <= 0.5 + 1e-12)
    frame.attrs["median"] = times[reached[0]].item() if len(reached) else None
    frame.attrs["customers"], frame.attrs["longest"] = float(n.sum()), time.max().item()
    return frame


def log_rank(durations: Any, events: Any, groups: Any, counts: Any = None) -> tuple[float, float]:
    """The log-rank test of whether the survival of groups differs: statistic and p-value.

    The statistic has a chi-squared distribution; its degrees of freedom are the number of groups minus one. Raises
    ModelError for fewer than two groups. Source: Mantel (1966).
    """
    from scipy.special import chdtrc

    time, left, n = _validated(durations, events, counts)
    codes, names = pd.factorize(np.asarray(groups))
    same_length(durations=time, groups=codes)
    if (codes < 0).any():
        raise ModelError("Everybody has to be in a group; row {row} is in none.", row=int(np.argmin(codes)) + 1)
    if len(names) < 2:
        raise ModelError("A comparison of survival needs two groups at least.")
    times, at_risk, lost = _by_time(time, left, n)
    by_group = [_by_time(time, left, np.where(codes == code, n, 0.0), times) for code in range(len(names))]
    risk, group_losses = np.array([group[1] for group in by_group]), np.array([group[2] for group in by_group])
    share = risk / np.maximum(at_risk, 1e-300)
    difference = (group_losses - share * lost).sum(axis=1)
    spread = np.where(at_risk > 1, lost * (at_risk - lost) / np.maximum(at_risk - 1, 1e-300), 0.0)
    covariance = np.diag((share * spread).sum(axis=1)) - (share * spread) @ share.T
    has_variance = np.diag(covariance) > 0
    if np.count_nonzero(has_variance) < 2:
        return 0.0, 1.0
    used = np.flatnonzero(has_variance)[:-1]
    statistic = float(difference[used] @ np.linalg.pinv(covariance[np.ix_(used, used)]) @ difference[used])
    return statistic, float(chdtrc(len(used), statistic))


def _validated(durations: Any, events: Any, counts: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
    """The times in ascending order, the customers observed until just before each, and those lost at it."""
    if times is None:
        times = np.unique(time[n > 0])
    index = np.searchsorted(times, time)
    is_counted = n > 0
    observed = np.bincount(index[is_counted], weights=n[is_counted], minlength=len(times))
    lost = np.bincount(index[is_counted], weights=n[is_counted] * left[is_counted], minlength=len(times))
    return times, np.cumsum(observed[::-1])[::-1], lost
