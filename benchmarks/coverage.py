"""How often the 95% intervals hold the truth, simulated: `python benchmarks/coverage.py` writes COVERAGE.md beside it.

Periods are drawn from a known truth, each gets its interval from the package's own metric, and what counts is how many
of those intervals hold the truth. Each row has a random stream of its own, so any of them can be drawn again alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

import retention_kit as rk
from retention_kit.metrics import formulas
from retention_kit.metrics.catalogue import Measure
from retention_kit.settings import Definitions

SEED, REPEATS, SIZES = 7, 10_000, (30, 50, 100, 400)
LOWEST, HIGHEST = 0.93, 0.97  # what counts as 95%
FILE = Path(__file__).with_name("COVERAGE.md")

Draw = Callable[[np.random.Generator, int, int], np.ndarray]  # stream, n, repeats → one row of sums a repeat


class Case(NamedTuple):
    """A figure and what is true of it; `measure` takes n and one row of what was drawn."""

    name: str
    truth: float
    draw: Draw
    measure: Callable[..., Measure]


class Row(NamedTuple):
    """What was found of a case at one n; coverage is a fraction, width is in the figure's unit."""

    name: str
    n: int
    truth: float
    coverage: float
    width: float

    @property
    def holds(self) -> bool:
        return LOWEST <= self.coverage <= HIGHEST


def retention(n: int, retained: float) -> Measure:
    row = SimpleNamespace(retained=retained, start=n, at_start_again=0, retained_again=0)  # nobody is there twice
    return rk.METRICS["customer_retention_rate"].function(row)


def satisfaction(n: int, top: float, weight: float | None = None, squared: float | None = None) -> Measure:
    row = feedback_row("csat", n, weight, squared, satisfied=top)
    return rk.METRICS["customer_satisfaction_score"].function(row)


def promoter_score(
    n: int, promoters: float, detractors: float, weight: float | None = None, squared: float | None = None
) -> Measure:
    row = feedback_row("nps", n, weight, squared, promoters=promoters, detractors=detractors)
    return rk.METRICS["net_promoter_score"].function(row)


def every_answer(_n: int, answers: int, top: int, beside: int, tops: int, parts: int) -> Measure:
    """Satisfaction of customers from all their answers, with the sums over every two answers of one of them."""
    row = feedback_row(
        "csat", answers, satisfied=top, csat_weight_beside=beside, csat_part_beside=tops, csat_parts_beside=parts
    )
    return rk.METRICS["customer_satisfaction_score"].function(row)


def mean_spend(n: int, total: float, squared: float) -> Measure:
    return formulas.mean(total, squared, n, "")


def feedback_row(
    survey: str, n: int, weight: float | None = None, squared: float | None = None, **counts: float
) -> SimpleNamespace:
    """A row of the feedback summary; without weights each answer weighs 1."""
    sums = {"answers": n, "weight": weight or n, "weight_squared": squared or n}
    sums |= dict.fromkeys(("crossed", "both", "before", "pairs"), 0)  # nobody answered twice
    sums |= dict.fromkeys(("parts_beside", "part_beside", "weight_beside"), 0)
    sums = {f"{survey}_{name}": value for name, value in sums.items()}
    return SimpleNamespace(**sums | counts, definitions=Definitions())


def counts(*shares: float) -> Draw:
    """How many of n fall into each class; the rest fall into none."""
    rest = 1 - sum(shares)
    return lambda rng, n, repeats: rng.multinomial(n, [*shares, rest], repeats)[:, : len(shares)]


def weighted(*strata: tuple[float, float, tuple[float, ...]]) -> Draw:
    """Weighted counts, then the sums of the weights and of their squares; a stratum: its share, weight and classes.

    Within a stratum weights vary by a quarter. Answers come from a stratum in proportion to its share.
    """

    def draw(rng: np.random.Generator, n: int, repeats: int) -> np.ndarray:
        stratum = rng.choice(len(strata), (repeats, n), p=[share for share, _, _ in strata])
        weight = np.array([weight for _, weight, _ in strata])[stratum] * rng.lognormal(0, 0.25, stratum.shape)
        edges = np.cumsum([classes for _, _, classes in strata], axis=1)[stratum]
        drawn_class = (rng.random(stratum.shape)[..., None] >= edges).sum(axis=-1)
        sums = [(weight * (drawn_class == number)).sum(axis=1) for number in range(edges.shape[-1])]
        return np.column_stack([*sums, weight.sum(axis=1), (weight**2).sum(axis=1)])

    return draw


def weighted_share(strata: tuple, number: int) -> float:
    """What a class is of the whole, in truth."""
    whole = sum(share * weight for share, weight, _ in strata)
    return sum(share * weight * classes[number] for share, weight, classes in strata) / whole


def several(share: float, between: float) -> Draw:
    """All answers of n customers of one to five answers each, and how many are satisfied, then the sums over every two.

    How likely a customer is satisfied varies between customers (beta), so that their answers correlate by `between`.
    """

    def draw(rng: np.random.Generator, n: int, repeats: int) -> np.ndarray:
        answers = rng.integers(1, 6, (repeats, n))
        spread = 1 / between - 1
        top = rng.binomial(answers, rng.beta(share * spread, (1 - share) * spread, answers.shape))
        pairs = (answers * (answers - 1), top * (answers - 1), top * (top - 1))
        return np.column_stack([counts_of_answers.sum(axis=1) for counts_of_answers in (answers, top, *pairs)])

    return draw


def spend(between: float) -> Draw:
    """Sums of n lognormal amounts of median 1 and of their squares."""

    def draw(rng: np.random.Generator, n: int, repeats: int) -> np.ndarray:
        amounts = rng.lognormal(0, between, (repeats, n))
        return np.column_stack([amounts.sum(axis=1), (amounts**2).sum(axis=1)])

    return draw


def change(name: str, now: Case, before: Case) -> Case:
    """Of two periods that are drawn apart, the interval of the difference."""

    def draw(rng: np.random.Generator, n: int, repeats: int) -> np.ndarray:
        return np.hstack([now.draw(rng, n, repeats), before.draw(rng, n, repeats)])

    def measure(n: int, *drawn: float) -> Measure:
        half = len(drawn) // 2
        measure_now, measure_before = now.measure(n, *drawn[:half]), before.measure(n, *drawn[half:])
        low, high = formulas.difference(measure_now, measure_before)
        return Measure(measure_now.value - measure_before.value, low=low, high=high)

    return Case(name, now.truth - before.truth, draw, measure)


def share_case(name: str, measure: Callable[..., Measure], share: float) -> Case:
    return Case(name, share, counts(share), measure)


def score_case(name: str, promoters: float, detractors: float) -> Case:
    return Case(name, 100 * (promoters - detractors), counts(promoters, detractors), promoter_score)


SATISFIED = ((0.6, 0.5, (0.86,)), (0.4, 1.75, (0.76,)))
UNLIKE = ((0.6, 0.5, (0.95,)), (0.4, 1.75, (0.55,)))
RECOMMEND = ((0.6, 0.5, (0.60, 0.10)), (0.4, 1.75, (0.45, 0.20)))


def cases() -> list[Case]:
    """Truths as real shops and surveys have them, then harder ones: nearly all or nobody, unlike strata."""
    shop, club = share_case("retention", retention, 0.456), share_case("retention", retention, 0.85)
    survey, year_before = score_case("NPS", 0.523, 0.125), score_case("NPS", 0.48, 0.13)
    return [
        shop,
        club,
        share_case("retention", retention, 0.95),
        share_case("retention (hard)", retention, 0.98),
        share_case("satisfaction", satisfaction, 0.82),
        share_case("satisfaction", satisfaction, 0.60),
        Case("satisfaction, weighted", weighted_share(SATISFIED, 0), weighted(*SATISFIED), satisfaction),
        Case("satisfaction, weighted (hard)", weighted_share(UNLIKE, 0), weighted(*UNLIKE), satisfaction),
        Case("satisfaction, 1-5 answers a customer", 0.75, several(0.75, 0.4), every_answer),
        score_case("NPS", 0.70, 0.10),
        survey,
        score_case("NPS", 0.30, 0.30),
        score_case("NPS", 0.20, 0.50),
        score_case("NPS (hard)", 0.90, 0.02),
        Case(
            "NPS, weighted",
            100 * (weighted_share(RECOMMEND, 0) - weighted_share(RECOMMEND, 1)),
            weighted(*RECOMMEND),
            promoter_score,
        ),
        change("change of retention", shop, share_case("", retention, 0.40)),
        change("change of retention", club, share_case("", retention, 0.90)),
        change("change of NPS", survey, year_before),
        Case("mean of skewed spend (hard)", float(np.exp(0.74**2 / 2)), spend(0.74), mean_spend),
    ]


def simulate(case: Case, n: int, repeats: int = REPEATS, seed: int = SEED) -> Row:
    """Draw a case anew, with a stream that only its name, truth, n and the seed decide."""
    rng = np.random.default_rng([seed, n, *f"{case.name} {case.truth:.6f}".encode()])
    drawn, times = np.unique(case.draw(rng, n, repeats), axis=0, return_counts=True)
    measures = [case.measure(n, *row) for row in drawn.tolist()]
    # Where all answers are alike a mean has no interval: it counts as one that misses.
    low, high = np.array([(m.low, m.high) if m.low is not None else (np.inf, np.inf) for m in measures]).T
    holds = (low <= case.truth) & (case.truth <= high)
    known = np.isfinite(low)
    width = np.average((high - low)[known], weights=times[known])
    return Row(case.name, n, case.truth, float(np.average(holds, weights=times)), float(width))


def rows() -> Iterator[Row]:
    """Every case at every n."""
    for case in cases():
        for n in SIZES:
            yield simulate(case, n)


def line(row: Row) -> str:
    """A row of the table; a figure that is out of bounds says so."""
    mark = "" if row.holds else " (outside)"
    digits = 1 if "NPS" in row.name else 3
    numbers = f"{row.n} | {row.truth:.{digits}f} | {row.coverage:.1%}{mark} | {row.width:.{digits}f}"
    return f"| {row.name} | {numbers} |"


def page(rows: list[Row]) -> str:
    """The file: the table, what lies outside and why."""
    outside = [row for row in rows if not row.holds]
    return "\n".join(
        [
            "# How often the 95% intervals hold the truth",
            "",
            "| figure | n | truth | coverage | mean width |",
            "|---|---:|---:|---:|---:|",
            *map(line, rows),
            "",
            f"{len(rows) - len(outside)} of {len(rows)} rows lie between {LOWEST:.0%} and {HIGHEST:.0%}. Outside:",
            "",
            *(f"- {row.name}, n = {row.n}, truth {row.truth:.3g}: {row.coverage:.1%}" for row in outside),
            "",
            "A share of n answers can only be one of n + 1 values, so the coverage of a Wilson interval jumps from one",
            "truth to the next, most where n is small or nearly all answers are alike; it is 95% on average over truths.",
            "Weighted intervals use the effective size of the sample (Kish 1965), which takes the answers of all strata",
            "to vary alike. Where customers answer several times, n is the customers, and the interval goes by their sums.",
            "The mean of skewed amounts needs more than a hundred customers before its interval is near 95%.",
            "",
            f"Each row: {REPEATS:,} periods drawn from the truth (fixed seed {SEED}), the interval of each by the package's",
            "own metric, the share of intervals that hold the truth; simulation error ± 0.4 points.",
            "",
        ]
    )


if __name__ == "__main__":
    _, mark, others = FILE.read_text("utf-8").partition("\n## ")  # of chance.py
    FILE.write_text(page(list(rows())) + mark + others, encoding="utf-8")
