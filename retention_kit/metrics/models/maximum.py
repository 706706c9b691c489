"""The maximum of a likelihood with two derivatives, over logarithms of parameters within bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Log parameters → log-likelihood, gradient and Hessian, all in the log parameters.
LogLikelihood = Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]]

STEPS = 60  # a good start needs four
SETTLED = 1e-7  # a step in the log parameters that leaves an error of its square
LARGEST_STEP = 1.5
WIDEST = 10.0  # a standard error of a log parameter that says nothing any more


@dataclass(frozen=True)
class Maximum:
    """Where a likelihood is largest, and the covariance of the log parameters there (None: it has no meaning)."""

    parameters: np.ndarray  # not their logarithms
    log_likelihood: float
    covariance: np.ndarray | None
    at_bound: np.ndarray  # which parameters
    settled: bool


def in_logs(parameters: np.ndarray, gradient: np.ndarray, hessian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives by the logarithms of parameters, from those by the parameters."""
    gradient = parameters * gradient
    return gradient, hessian * np.outer(parameters, parameters) + np.diag(gradient)


def search(likelihood: LogLikelihood, start: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Log parameters near the maximum, from afar: L-BFGS-B with the gradient."""
    from scipy.optimize import minimize

    scale = max(abs(likelihood(np.clip(start, lower, upper))[0]), 1.0)

    def negative(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient, _ = likelihood(theta)
        return -value / scale, -gradient / scale

    found = minimize(
        negative,
        np.clip(start, lower, upper),
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(lower, upper, strict=True)),
        options={"maxiter": 300, "ftol": 1e-13, "gtol": 1e-9},
    )
    return np.asarray(found.x)


def climb(likelihood: LogLikelihood, start: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Maximum:
    """The maximum, from nearby: Newton's method, with parameters that press against a bound held there."""
    theta = np.clip(np.asarray(start, dtype=float), lower, upper)
    value, gradient, hessian = likelihood(theta)
    settled = False
    for _ in range(STEPS):
        step = _step(theta, gradient, hessian, lower, upper)
        if np.abs(step).max() < SETTLED:
            theta, settled = np.clip(theta + step, lower, upper), True
            value += float(gradient @ step) / 2
            break
        reach = min(1.0, LARGEST_STEP / np.abs(step).max())
        while True:
            tried = np.clip(theta + reach * step, lower, upper)
            new = likelihood(tried)
            if np.isfinite(new[0]) and new[0] >= value - 1e-12 * abs(value):
                break
            reach /= 4
            if reach < 1e-6:
                break
        if reach < 1e-6:  # nothing better is to be found along the way: rounding
            settled = bool(np.abs(step).max() < 1e-3)
            break
        theta, (value, gradient, hessian) = tried, new
    at_bound = (theta <= lower + 1e-6) | (theta >= upper - 1e-6)
    covariance = None if at_bound.any() or not settled else _covariance(hessian)
    return Maximum(np.exp(theta), float(value), covariance, at_bound, settled)


def _step(
    theta: np.ndarray, gradient: np.ndarray, hessian: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """Newton's step for the parameters that are free to move; where the likelihood is no hill, uphill all the same."""
    held = ((theta <= lower) & (gradient < 0)) | ((theta >= upper) & (gradient > 0))
    step = np.zeros_like(theta)
    if held.all():
        return step
    free = np.flatnonzero(~held)
    curvature, axes = np.linalg.eigh(-hessian[np.ix_(free, free)])
    curvature = np.maximum(np.abs(curvature), 1e-10 * max(np.abs(curvature).max(), 1e-300))
    step[free] = axes @ ((axes.T @ gradient[free]) / curvature)
    return step


def _covariance(hessian: np.ndarray) -> np.ndarray | None:
    curvature, axes = np.linalg.eigh(-hessian)
    if not np.isfinite(curvature).all() or curvature.min() <= 1e-11 * curvature.max():
        return None
    covariance = np.asarray((axes / curvature) @ axes.T)
    return None if np.sqrt(np.diag(covariance)).max() > WIDEST else covariance
