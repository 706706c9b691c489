"""What was measured, and the page that tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isclose
from statistics import median

from measure import Failed, Sample


@dataclass
class Row:
    """One way of doing something: its seconds, a figure a round, and its peak memory in bytes (0: not measured)."""

    name: str
    seconds: list[float]
    memory: int = 0


@dataclass
class Claim:
    """A line that has to hold: the ratios, one a round, and their bound; or one beside those, for information."""

    text: str
    ratios: list[float]
    bound: float
    is_floor: bool = False  # whether the bound is the least that the ratio may be
    unit: str = "×"
    is_bound: bool = True  # else for information: it says more, or of more, than the bound asks

    @property
    def holds(self) -> bool:
        middle = median(self.ratios)
        return middle >= self.bound if self.is_floor else middle <= self.bound


@dataclass
class Part:
    """A section of the page: what was compared, what has to hold, and what needs saying, such as why a peer is missing."""

    title: str
    rows: list[Row] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def ratios(first: list[float], second: list[float]) -> list[float]:
    """Round by round, so that what slows a machine for a while slows both."""
    return [first_value / second_value for first_value, second_value in zip(first, second, strict=True)]


def seconds(samples: list[Sample]) -> list[float]:
    return [sample.seconds for sample in samples]


def rows_of(by_case: dict[str, list[Sample]]) -> list[Row]:
    """A row for each name, with the most memory of its rounds."""
    return [Row(name, seconds(samples), max(sample.memory for sample in samples)) for name, samples in by_case.items()]


def agreement(figures: dict[str, dict[str, float]], within: float = 1e-9) -> str:
    """A sentence on how many figures are the same in all ways; raises Failed where one differs."""
    (first, known), *others = figures.items()
    shared = 0
    for name, other in others:
        common = known.keys() & other.keys()
        shared += len(common)
        for key in sorted(common):
            if not isclose(known[key], other[key], rel_tol=within):
                raise Failed(f"{key} is {known[key]} by {first} and {other[key]} by {name}.")
        if not common:
            raise Failed(f"{first} and {name} have no figure in common.")
    return f"The figures of all agree: {shared:,} comparisons."


def page(parts: list[Part], machine: list[str]) -> str:
    """The results as markdown."""
    claims = [claim for part in parts for claim in part.claims]
    bounds, beside = ([claim for claim in claims if claim.is_bound is is_bound] for is_bound in (True, False))
    lines = ["# Benchmarks", "", "Written by `make bench`; every ratio is of one run, its sides measured by turns.", ""]
    for title, some in (("What has to hold", bounds), ("Beside it, for information", beside)):
        if some:
            lines += [f"## {title}", "", f"{sum(claim.holds for claim in some)} of {len(some)} hold.", ""]
            lines += [*_table(("", "ratio", "spread", "bound", "holds"), [_claim_cells(claim) for claim in some]), ""]
    for part in parts:
        lines += [f"## {part.title}", ""]
        lines += _table(("", "seconds", "spread", "against the first", "peak memory"), _row_cells(part.rows))
        for note in part.notes:
            lines += ["", note]
        lines.append("")
    lines += ["## Machine and versions", "", *(f"- {line}" for line in machine)]
    return "\n".join(lines) + "\n"


def _claim_cells(claim: Claim) -> tuple[str, ...]:
    sign = "≥" if claim.is_floor else "≤"
    return (
        claim.text,
        f"{number(median(claim.ratios))} {claim.unit}",
        _spread(claim.ratios),
        f"{sign} {claim.bound:g} {claim.unit}",
        "yes" if claim.holds else "**no**",
    )


def _row_cells(rows: list[Row]) -> list[tuple[str, ...]]:
    return [
        (
            row.name,
            number(median(row.seconds)),
            _spread(row.seconds),
            f"{number(median(ratios(row.seconds, rows[0].seconds)))} ×"
            if len(row.seconds) == len(rows[0].seconds)
            else f"{number(median(row.seconds) / median(rows[0].seconds))} ×",
            f"{row.memory / 2**20:,.0f} MiB" if row.memory else "",
        )
        for row in rows
    ]


def number(value: float) -> str:
    """Three figures, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else f"{value:.5f}"


def _spread(values: list[float]) -> str:
    return f"{number(min(values))} to {number(max(values))}" if len(values) > 1 else "one run"


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    align = ["---", *["---:"] * (len(heads) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (heads, align, *rows)]
