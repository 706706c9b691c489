"""How often the interval of the predicted lifetime value holds the truth: `python benchmarks/forecast_coverage.py` writes
its section of COVERAGE.md.

Customers are drawn from a BG/NBD and Gamma-Gamma world, both models are fitted to what they bought, and the interval is
the package's own. The truth is what the same customers are expected to be worth by the parameters they were drawn with:
the interval covers the parameters, and not what chance does to the customers after that.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from bg_nbd_fit import draw as draw_purchases

from retention_kit.errors import ModelError
from retention_kit.metrics.forecasts.buyers import Fit, Forecast
from retention_kit.metrics.forecasts.horizon import discounts, interval
from retention_kit.metrics.models import BgNbd, GammaGamma, fit_bg_nbd, fit_gamma_gamma
from retention_kit.settings import Definitions

FILE = Path(__file__).with_name("COVERAGE.md")
HEADING = "## How often the interval of the predicted lifetime value holds the truth"
SEED, REPEATS, MINOR = 7, 1_000, 100
LOWEST, HIGHEST = 0.93, 0.97
WORTH = discounts(Definitions())


class World(NamedTuple):
    """What customers are drawn from: r, α (weeks), a, b; p, q, v."""

    name: str
    purchases: tuple[float, float, float, float]
    spend: tuple[float, float, float]


RETAIL = World("like Online Retail", (0.66353, 9.03365, 0.10864, 2.41570), (2.1616, 3.5051, 466.17))
CDNOW = World("like CDNOW", (0.2426, 4.4135, 0.7929, 2.4258), (6.2488, 3.7446, 15.4477))
MIDDLE = World("between the two", (1.0, 12.0, 0.5, 3.0), (4.0, 4.0, 30.0))
CASES = [(RETAIL, 500), (RETAIL, 1_000), (RETAIL, 2_000), (CDNOW, 1_000), (MIDDLE, 1_000)]


def draw(world: World, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Customers of up to two years, as the summary `lives` has them, one a row."""
    (r, alpha, a, b), (p, q, v) = world.purchases, world.spend
    x, last, T = draw_purchases(rng, n, r, 7 * alpha, a, b)
    many = np.maximum(x, 1)
    mean = rng.gamma(p * many, 1 / (rng.gamma(q, 1 / v, n) * many))
    columns = {"frequency": x, "recency_days": last, "age_days": T, "customers": 1}
    return pd.DataFrame({**columns, "repeat_amount": x * mean * MINOR})


def simulate(world: World, n: int, number: int) -> tuple[float, float, float] | None:
    """The truth of one draw and the two ends of its interval; None where there is no interval."""
    frame = draw(world, n, np.random.default_rng([SEED, n, number]))
    forecast = Forecast(frame, MINOR)
    true = Fit(BgNbd(*world.purchases, 0, None, (), n, n), GammaGamma(*world.spend, 0, None, (), None), "", "", "")
    truth, _ = forecast.money(true, WORTH)
    x = frame["frequency"].to_numpy()
    try:
        model = fit_bg_nbd(x, forecast.t_x, forecast.T)
        spend = fit_gamma_gamma(x, frame["repeat_amount"] / np.maximum(x, 1) / MINOR)
    except ModelError:
        return None
    money, factors = forecast.money(Fit(model, spend, "", "", ""), WORTH)
    low, high = interval(money[0], factors[0])
    return None if low is None else (float(truth[0]), low, high)


def line(world: World, n: int) -> str:
    """A row of the table."""
    results = [simulate(world, n, number) for number in range(REPEATS)]
    truth, low, high = np.array([result for result in results if result]).T
    inside = (low <= truth) & (truth <= high)
    mark = "" if LOWEST <= inside.mean() <= HIGHEST else " (outside)"
    width = np.median((high - low) / truth)
    missed = f"{(truth < low).mean():.1%} | {(truth > high).mean():.1%}"
    return (
        f"| {world.name} | {n:,} | {inside.mean():.1%}{mark} | {missed} | {width:.0%} | {len(results) - len(truth)} |"
    )


def section() -> str:
    """The section of the file."""
    return "\n".join(
        [
            HEADING,
            "",
            "| customers | n | coverage | interval above | interval below | median width | without one |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *(line(world, n) for world, n in CASES),
            "",
            f"Each row: {REPEATS:,} companies drawn from the truth (fixed seed {SEED}), fitted and valued as the package does,",
            "over 12 months at 10% a year; simulation error ± 1.4 points. The interval is the delta method's on the",
            "logarithm, and covers what the parameters leave open: not the luck of customers, nor whether the model is right.",
            "Below 500 customers none is given. Made by `python benchmarks/forecast_coverage.py`.",
            "",
        ]
    )


if __name__ == "__main__":
    text = FILE.read_text("utf-8")
    before, _, rest = text.partition(f"\n{HEADING}")
    if rest:
        after = rest.partition("\n## ")[2]
    else:  # before the last section, which another script writes whole
        before, _, after = text.rpartition("\n## ")
    FILE.write_text(f"{before}\n{section()}\n## {after}", "utf-8")
