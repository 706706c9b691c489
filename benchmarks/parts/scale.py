"""How a scorecard grows with the values of a segment column, and with the periods."""

from __future__ import annotations

import sys

from environments import HERE, Company, wide_company
from measure import case, measure_rounds
from results import Claim, Part, agreement, ratios, rows_of

KINDS = {"values": "10,000 segment values", "years": "the weeks of 15 years"}
NARROW = {"values": "8 segment values", "years": "the weeks of 3 years"}


def wide(companies: list[Company], rounds: int) -> list[Part]:
    """Scorecards of many segment values and of many periods against those of few, on as many rows."""
    company = companies[0]
    part = Part(f"Many segment values and many periods, {company.name}")
    ways = [sys.executable, HERE / "ways.py"]
    cases = []
    for kind, name in KINDS.items():
        cases += [
            case(NARROW[kind], [*ways, kind, company.folder]),
            case(name, [*ways, kind, wide_company(kind, company)]),
        ]
    by_case = measure_rounds(cases, rounds)
    part.rows = rows_of(by_case)
    for kind, name in KINDS.items():
        each = [
            [sample.seconds / sample.output["rows"] for sample in by_case[case_name]]
            for case_name in (name, NARROW[kind])
        ]
        rows = [by_case[case_name][0].output["rows"] for case_name in (name, NARROW[kind])]
        part.claims += [
            Claim(f"scorecard of {name} against {NARROW[kind]}, {company.name}: time a figure", ratios(*each), 1),
            Claim(
                f"scorecard of {name}, {company.name}: memory",
                [sample.memory / 2**30 for sample in by_case[name]],
                8,
                unit="GiB",
            ),
        ]
        part.notes.append(f"Figures of {name}: {rows[0]:,}; of {NARROW[kind]}: {rows[1]:,}.")
    part.notes += [
        agreement(samples[0].output["figures"]) for samples in by_case.values() if "figures" in samples[0].output
    ]
    return [part]
