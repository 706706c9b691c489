"""Purchases that a customer of the BG/NBD model makes while being one, finite wherever the model is."""

from __future__ import annotations

import numpy as np

STEP = 0.05  # of the quadrature: a computation with sixty digits agrees to 1e-12
LOST = 1e-3  # of 1: what a difference may leave before its digits are too few
SHORTEST, LONGEST = 1e-3, 50.0  # t / (α + T) where the series of the Euler form has its digits


def purchases_while_alive(r: float, a: float, b: float, x: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Expected purchases in a time t after T of a customer who is still one at T; tau is t / (α + T).

    Fader, Hardie and Lee's (2005) equation 10 after Euler's transformation, which keeps large x finite. Where that is
    not finite, outside what is possible, or a difference of nearly equal numbers (a near 1, t near 0, t very long), the
    mean over the chances p of leaving is taken by quadrature.
    """
    x, tau = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(tau, dtype=float))
    found = _by_euler(r, a, b, x, tau)
    lost = np.isnan(found)
    for value in np.unique(x[lost]):
        rows = lost & (x == value)
        found[rows] = _by_quadrature(r + value, a, b + value, tau[rows])
    return found


def _by_euler(r: float, a: float, b: float, x: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """The Euler form, NaN where it fails."""
    from scipy.special import hyp2f1

    c = a + b + x - 1
    with np.errstate(all="ignore"):
        less = np.exp((1 - a) * np.log1p(tau)) * hyp2f1(a + b - 1 - r, a - 1, c, tau / (1 + tau))
        found = c / (a - 1) * (1 - less)
        sound = (
            (np.abs(1 - less) > LOST) & (found >= 0) & (found <= (r + x) * tau) & (tau >= SHORTEST) & (tau <= LONGEST)
        )
    return np.asarray(np.where(sound, found, np.nan))


def _by_quadrature(rate: float, a: float, b: float, tau: np.ndarray) -> np.ndarray:
    """The mean of (1 - (1 + p tau)^-rate) / p over p ~ Beta(a, b), here with the repeat purchases added to r and b.

    By the trapezoidal rule over log odds of p, stretched by sinh: what is summed falls off doubly exponentially and has
    no singularity near the axis. All weights are positive and sum to 1, so the result lies between 0 and rate × tau
    and grows with tau.
    """
    spread = np.sqrt(1 / a + 1 / b)
    scale = min(1.0, float(spread))
    left, right = (np.arcsinh((45 / tail + 10 * spread) / scale) for tail in (a, b))
    steps = np.linspace(-left, right, int((left + right) / STEP) + 1)
    odds = np.log(a / b) + scale * np.sinh(steps)
    density = a * odds - (a + b) * np.logaddexp(0, odds) + np.log(np.cosh(steps))
    weights = np.exp(density - density.max())
    weights /= weights.sum()
    p = np.exp(-np.logaddexp(0, -odds))
    smallest = p < 1e-200  # as good as 0, where the mean of purchases is the limit
    found = np.empty_like(tau)
    for row, one in enumerate(tau):
        bought = -np.expm1(-rate * np.log1p(p * one)) / np.where(smallest, 1.0, p)
        found[row] = weights @ np.where(smallest, rate * one, bought)
    return np.minimum(found, rate * tau)
