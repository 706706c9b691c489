"""How long BG/NBD takes to fit: `python bg_nbd_fit.py FILE` prints JSON, CPU seconds of the fit among it;
`python bg_nbd_fit.py FILE 100000` makes up so many customers and writes the file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import process_time

import numpy as np

MADE_OF = (0.66, 63.0, 0.11, 2.4)  # r, alpha, a, b by day, much like Online Retail's
LONGEST, BLOCK = 730, 1_000_000


def write_customers(n: int, path: Path) -> None:
    """Repeat purchases, recency and age of made-up customers, in whole days."""
    columns = [_customers(min(BLOCK, n - begin), begin) for begin in range(0, n, BLOCK)]
    x, t_x, T = (np.concatenate(parts).astype(np.int32) for parts in zip(*columns, strict=True))
    with (part := path.with_suffix(".part")).open("wb") as file:
        np.savez(file, x=x, t_x=t_x, T=T)
    part.replace(path)


def _customers(n: int, seed: int) -> tuple[np.ndarray, ...]:
    x, last, T = draw(np.random.default_rng(seed), n, *MADE_OF)
    return x, np.ceil(last).astype(int), T


def draw(rng: np.random.Generator, n: int, r: float, alpha: float, a: float, b: float) -> tuple[np.ndarray, ...]:
    """Customers of up to two years, drawn from a BG/NBD world by day: repeat purchases, recency and age in days."""
    T = rng.integers(1, LONGEST, n)
    rate, leaving = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    x, last, active = np.zeros(n, int), np.zeros(n), np.arange(n)
    while len(active):
        now = last[active] + rng.exponential(1 / np.maximum(rate[active], 1e-12))
        active, now = active[now < T[active]], now[now < T[active]]
        x[active] += 1
        last[active] = now
        active = active[rng.random(len(active)) > leaving[active]]
    return x, last, T


def fit_customers(path: Path) -> None:
    """Fit them, and print what it took."""
    from retention_kit.metrics.models import fit_bg_nbd

    with np.load(path) as file:
        columns = [file[name] for name in ("x", "t_x", "T")]
    start = process_time()
    fit = fit_bg_nbd(*columns)
    figures = {name: getattr(fit, name) for name in ("r", "alpha", "a", "b")}
    sys.stdout.write(json.dumps({"seconds": process_time() - start, "figures": figures}))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        write_customers(int(sys.argv[2]), Path(sys.argv[1]))
    else:
        fit_customers(Path(sys.argv[1]))
