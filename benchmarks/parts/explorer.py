"""What the explorer takes to begin, and to follow a change of selection."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from environments import HERE, LARGE, Company, with_setting
from measure import Sample, case, measure_rounds, run
from results import Claim, Part, agreement, ratios, rows_of, seconds


def redraw(companies: list[Company], rounds: int) -> list[Part]:
    """The explorer's first picture against the scorecard, and what it takes to follow a change of selection."""
    parts = []
    for company in companies:
        if company.millions <= LARGE:
            # Figures by segment value need more than the scorecard's bound.
            with TemporaryDirectory() as folder:
                parts.append(_part(with_setting(company, Path(folder, "company"), 'memory_limit = "1GB"'), rounds))
    return parts


def _part(company: Company, rounds: int) -> Part:
    part = Part(f"The explorer, {company.name}")
    names = {
        "first": "first picture",
        "seconds": "change of selection, the median of nine",
        "slowest": "change of selection, the slowest",
        "recomputed": "the summaries computed again",
    }

    def once() -> dict[str, Sample]:
        sample = run([sys.executable, HERE / "ways.py", "redraw", company.folder])
        agreement(sample.output["figures"])
        return {name: sample._replace(seconds=sample.output[key]) for key, name in names.items()}

    by_case = measure_rounds(
        [once, case("scorecard", [sys.executable, HERE / "ways.py", "orders", company.folder])], rounds
    )
    first, middle, slowest, again, scorecard = (seconds(samples) for samples in by_case.values())
    part.rows = rows_of(by_case)
    part.claims = [
        Claim(
            f"the explorer's first picture, {company.name}, against the scorecard: time", ratios(first, scorecard), 2
        ),
        Claim(
            f"change of selection in the explorer, {company.name}, against computing the summaries again: time",
            ratios(middle, again),
            0.25,
        ),
        Claim(f"the slowest change of selection, {company.name}", slowest, 0.5, unit="s"),
    ]
    part.notes.append(
        "A change of period, metric, segment column, value or comparison, until cards and the open tab are drawn; what it "
        "needs has been prepared, and more is being prepared meanwhile."
    )
    return part
