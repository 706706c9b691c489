"""What the explorer takes to begin, and to follow a change of selection."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from environments import HERE, LARGE, Company, with_setting
from measure import Sample, by_turns, case, run
from results import Claim, Part, agreement, ratios, rows_of, seconds


def redraw(companies: list[Company], rounds: int) -> list[Part]:
    """The explorer's first picture against the scorecard, and what it takes to follow a change of selection."""
    parts = []
    for company in companies:
        if company.millions <= LARGE:
            # Figures by segment value need more than the scorecard's bound.
            with TemporaryDirectory() as place:
                parts.append(_part(with_setting(company, Path(place, "company"), 'memory_limit = "1GB"'), rounds))
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
        made = run([sys.executable, HERE / "ways.py", "redraw", company.folder])
        agreement(made.told["figures"])
        return {name: made._replace(seconds=made.told[key]) for key, name in names.items()}

    found = by_turns([once, case("scorecard", [sys.executable, HERE / "ways.py", "orders", company.folder])], rounds)
    first, middle, slowest, again, scorecard = (seconds(samples) for samples in found.values())
    part.rows = rows_of(found)
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
