"""What the explorer takes to follow a change of selection."""

from __future__ import annotations

import sys

from environments import HERE, Company
from measure import Sample, by_turns, run
from results import Claim, Part, agreement, ratios, rows_of, seconds


def redraw(companies: list[Company], rounds: int) -> list[Part]:
    """What the explorer takes to follow a change of selection, its summaries kept, against computing them again."""
    company = companies[0]
    part = Part(f"The explorer follows a change of selection, {company.name}")
    names = (
        "change of selection, the median of nine",
        "change of selection, the slowest",
        "the summaries computed again",
    )

    def once() -> dict[str, Sample]:
        made = run([sys.executable, HERE / "ways.py", "redraw", company.folder])
        told = [made.told[key] for key in ("seconds", "slowest", "recomputed")]
        agreement(made.told["figures"])
        return {name: made._replace(seconds=seconds) for name, seconds in zip(names, told, strict=True)}

    found = by_turns([once], rounds)
    middle, slowest, again = (seconds(samples) for samples in found.values())
    part.rows = rows_of(found)
    part.claims = [
        Claim(
            f"change of selection in the explorer, {company.name}, against computing the summaries again: time",
            ratios(middle, again),
            0.25,
        ),
        Claim(f"the slowest change of selection, {company.name}", slowest, 0.5, unit="s"),
    ]
    part.notes.append(
        "A change of period, metric, segment column, value or comparison, until cards and the open tab are drawn."
    )
    return [part]
