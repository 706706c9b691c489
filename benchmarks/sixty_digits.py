"""Expected purchases of the BG/NBD model with sixty digits: `python benchmarks/sixty_digits.py` writes
tests/metrics/expected_purchases.csv, which the tests hold the package to. It wants mpmath.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

FILE = Path(__file__).parents[1] / "tests" / "metrics" / "expected_purchases.csv"
SEED, DRAWN, KEPT = 19, 10_000, 200
NAMES = ("r", "alpha", "a", "b", "x", "t_x", "T", "t")


def draw(n: int = DRAWN, seed: int = SEED) -> np.ndarray:
    """Random parameters and customers from all over what the model allows, a row of NAMES each; t at most 50 (α + T)."""
    rng = np.random.default_rng(seed)

    def between(low: float, high: float) -> np.ndarray:
        return np.exp(rng.uniform(np.log(low), np.log(high), n))

    r, alpha, a, b = between(1e-3, 1e3), between(1e-3, 1e4), between(1e-3, 5e3), between(1e-3, 5e3)
    x, T = np.floor(between(1, 2001) - 1), between(1e-2, 1e4)
    t_x = np.where(x > 0, T * rng.uniform(0.01, 1, n), 0.0)
    t = between(1e-6, 50) * (alpha + T)
    special = np.arange(n) // 50 % 10  # where textbook forms fail: a = 1, a near 1, a + b + x = 1
    a = np.where(special == 1, 1.0, np.where(special == 2, 1 + between(1e-12, 1e-3), a))
    corner = (special == 3) & (a < 1)
    b, x, t_x = np.where(corner, 1 - a, b), np.where(corner, 0.0, x), np.where(corner, 0.0, t_x)
    return np.stack((r, alpha, a, b, x, t_x, T, t), axis=1)


def exact(row: np.ndarray, digits: int = 60) -> str:
    """Expected purchases of one row, by equation 10 of Fader, Hardie and Lee (2005) as it stands."""
    import mpmath as mp

    spare = 40  # what differences of nearly equal numbers cost; again with more, until two computations agree
    before = None
    while True:
        with mp.workdps(digits + spare):
            r, alpha, a, b, x, t_x, T, t = (mp.mpf(float(value)) for value in row)
            nudge = mp.mpf(10) ** -(digits // 2 + spare // 2)
            a = a + nudge if a == 1 else a
            b = b + nudge if a + b + x == 1 else b
            c = a + b + x - 1
            less = ((alpha + T) / (alpha + T + t)) ** (r + x) * mp.hyp2f1(r + x, b + x, c, t / (alpha + T + t))
            left = a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x) if x else mp.mpf(0)
            expected = c / (a - 1) * (1 - less) / (1 + left)
        if before is not None and abs(expected - before) <= abs(expected) * mp.mpf(10) ** -20:
            return str(mp.nstr(expected, 20))
        before, spare = expected, 2 * spare


if __name__ == "__main__":
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*NAMES, "expected"))
        for row in draw()[:: DRAWN // KEPT]:
            writer.writerow((*map(repr, map(float, row)), exact(row)))
