"""Whether what is said to be likely happens so often: simulated figures, their goals, and what came of them.

Run by hand, `python benchmarks/goal_outlook.py 1000`; benchmarks/GOALS.md has what it said. Figures are shares of
customers, revenue, its sum over months, and scores; over 8 to 24 months they stand still but for chance, walk at
random, or rise or fall steadily.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from retention_kit.metrics.formulas import wilson
from retention_kit.metrics.goals.outlook import Observation, Outlook, fit

PATHS = ("flat", "walk", "trend")
UNITS = ("fraction", "money", "points")
HORIZONS = (1, 3, 6)
BINS = ((0.0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0))


class Trial(NamedTuple):
    """One goal: the path and the unit of its figure, how far ahead it was due, the probability, and whether it was reached."""

    path: str
    unit: str
    ahead: int
    predicted: float
    occurred: bool


def trials(count: int, seed: int = 20) -> Iterator[Trial]:
    """So many simulated goals of each path and unit, each at every horizon."""
    random = np.random.default_rng(seed)
    for path in PATHS:
        for unit in UNITS:
            for _ in range(count):
                yield from simulated_goal(random, path, unit)


def simulated_goal(random: np.random.Generator, path: str, unit: str) -> Iterator[Trial]:
    length = int(random.integers(8, 25))
    whole = length + max(HORIZONS)
    step = random.uniform(0.02, 0.12)  # of a month's change, on the scale of the level
    if path == "flat":
        moves = random.normal(0, step, whole)
    elif path == "walk":
        moves = np.cumsum(random.normal(0, step, whole))
    else:
        moves = np.arange(whole) * random.choice([-1, 1]) * step / 2 + random.normal(0, step, whole)
    known, values = _measured(random, moves, unit)
    outlook = fit(known[:length], unit, unit == "fraction")
    assert outlook is not None
    spread = float(np.std(values[:length])) or 1.0
    for ahead in HORIZONS:
        better = str(random.choice(["higher", "lower"]))
        target = values[length - 1] + random.normal(0, 1.5) * spread
        if unit == "fraction":
            target = float(np.clip(target, 0.001, 0.999))
        elif unit == "money":
            target = max(target, 1.0)
        then = values[length - 1 + ahead]
        reached = then <= target if better == "lower" else then >= target
        if unit == "money":
            yield simulated_sum(random, path, outlook, values[length - 1 :], spread, ahead)
        yield Trial(path, unit, ahead, outlook.probability(target, better, length - 1 + ahead), bool(reached))


def simulated_sum(
    random: np.random.Generator, path: str, outlook: Outlook, values: np.ndarray, spread: float, months: int
) -> Trial:
    """What is missing to a sum, and whether the next months bring it."""
    missing = max(months * (values[0] + random.normal(0, 1) * spread), 1.0)
    reached = float(np.sum(values[1 : months + 1])) >= missing
    return Trial(path, "sum", months, outlook.probability_of_sum(missing, "higher", months), reached)


def _measured(random: np.random.Generator, moves: np.ndarray, unit: str) -> tuple[list[Observation], np.ndarray]:
    """The figures as one sees them: a share of so many customers, revenue, or a score with its interval."""
    if unit == "fraction":
        size = int(random.choice([40, 200, 1000]))
        shares = 1 / (1 + np.exp(-(random.uniform(-1.5, 2.5) + moves)))
        counts = random.binomial(size, shares)
        bounds = [wilson(int(count), size) for count in counts]
        return [Observation(at, count / size, *bounds[at]) for at, count in enumerate(counts)], counts / size
    if unit == "money":
        values = 10_000 * np.exp(moves)
        return [Observation(at, float(value)) for at, value in enumerate(values)], values
    error = random.uniform(1, 5)
    values = 30 + 100 * moves + random.normal(0, error, len(moves))
    return [Observation(at, v, v - 1.96 * error, v + 1.96 * error) for at, v in enumerate(map(float, values))], values


def brier(outcomes: list[Trial]) -> float:
    """The mean squared distance of what was said from what came."""
    return float(np.mean([(trial.predicted - trial.occurred) ** 2 for trial in outcomes]))


def calibration(outcomes: list[Trial]) -> list[tuple[float, float, float, int]]:
    """By bins of what was said: its mean, how often it came, the standard error of that, and the number."""
    rows = []
    for low, high in BINS:
        binned = [trial for trial in outcomes if low <= trial.predicted < high]
        if binned:
            share = float(np.mean([trial.occurred for trial in binned]))
            error = (share * (1 - share) / len(binned)) ** 0.5
            rows.append((float(np.mean([trial.predicted for trial in binned])), share, error, len(binned)))
    return rows


def page(count: int) -> str:
    """The results as a page."""
    outcomes = list(trials(count))
    lines = [
        "# How often what is said of goals comes true\n",
        f"{len(outcomes):,} simulated goals. Brier scores (a coin: 0.25) by how the figure moves and how far ahead:\n",
        f"| figure | {' | '.join(f'{ahead} ahead' for ahead in HORIZONS)} |",
        "|---|---:|---:|---:|",
    ]
    for path in PATHS:
        scores = [
            brier([trial for trial in outcomes if (trial.path, trial.ahead) == (path, ahead)]) for ahead in HORIZONS
        ]
        lines.append(f"| {path} | {' | '.join(f'{score:.3f}' for score in scores)} |")
    heads = [f"{low:.0%} to {high:.0%}" for low, high in BINS]
    lines += ["\nWhat came, with its 95% margin, by what had been said:\n", f"| goals | {' | '.join(heads)} |"]
    lines.append("|---|" + "---:|" * len(BINS))
    for name in ("all", *PATHS, *UNITS, "sum"):
        chosen = [trial for trial in outcomes if name in ("all", trial.path, trial.unit)]
        cells = [f"{share:.1%} ± {1.96 * error:.1%}" for _, share, error, _ in calibration(chosen)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    text = page(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    Path(__file__).with_name("GOALS.md").write_text(text, "utf-8")
    sys.stdout.write(text)
