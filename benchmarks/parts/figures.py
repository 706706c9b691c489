"""Figures of data of any size against other ways to compute them, the data loaded and with its load."""

from __future__ import annotations

import sys
from itertools import pairwise

from environments import HERE, LARGE, Company, NotThere, environment
from measure import Case, Sample, case, measure_rounds, run, say
from results import Claim, Part, Row, agreement, ratios, rows_of, seconds

OURS = ("orders", "subscriptions")
WAYS = {
    "orders": "scorecard, customers by orders",
    "six": "the figures of the six queries alone",
    "subscriptions": "scorecard, customers by subscriptions",
    "natural": "six natural SQL queries",
    "pandas": "the six in pandas",
    "polars": "the six in lazy Polars",
    "scan": "floor: a scan of the needed Parquet columns",
}


def scorecard(companies: list[Company], rounds: int) -> list[Part]:
    """All metrics over 13 months, the data loaded, against natural SQL, pandas and a scan; and how it grows."""
    parts, by_company, missing = [], {}, _missing("polars")
    for company in companies:
        say(f"-- {company.name}")
        others = ("natural", "pandas", "polars") if company.millions <= LARGE else ()
        ways = (*OURS, "six", *others, "scan")
        cases = [_way(way, company) for way in ways if way != "polars" or not missing]
        by_company[company] = measure_rounds(cases, rounds if company.millions <= LARGE else 1)
        parts.append(_scorecard_part(company, by_company[company]))
    parts[0].notes += missing
    if middle := [company for company in companies if company.millions <= LARGE]:
        parts[len(middle) - 1].claims = _against_others(middle[-1], by_company[middle[-1]])
    for small, large in pairwise(companies):
        for way in OURS:
            before, after = by_company[small][way], by_company[large][way]
            for suffix, times_of in (("", seconds), (" with loading", _with_loading)):
                times = zip(times_of(after), times_of(before), strict=False)
                growth = [later * small.millions / (earlier * large.millions) for later, earlier in times]
                text = f"{WAYS[way]}{suffix}: time a row at {large.name} against {small.name}"
                parts[-1].claims.append(
                    Claim(text, growth, 1.0, is_bound=not suffix)
                )  # the scorecard's, the data loaded
    return parts


def _way(way: str, company: Company) -> Case:
    def once() -> dict[str, Sample]:
        if way == "polars":
            return {way: run([environment(way), HERE / "peers" / "polars_summaries.py", company.folder])}
        return {way: run([sys.executable, HERE / "ways.py", way, company.folder])}

    return once


def _scorecard_part(company: Company, by_way: dict[str, list[Sample]]) -> Part:
    part = Part(f"Scorecard of all metrics over 13 months, {company.name}")
    part.rows = rows_of({WAYS[way]: samples for way, samples in by_way.items()})
    for way, samples in by_way.items():
        if "load" in samples[0].output:
            part.rows.append(Row(f"{WAYS[way]}: loading from Parquet", [sample.output["load"] for sample in samples]))
    if company.millions > LARGE:
        for way in OURS:
            used = [sample.memory / 2**30 for sample in by_way[way]]
            part.claims.append(Claim(f"{WAYS[way]}, loaded from Parquet, {company.name}: memory", used, 8, unit="GiB"))
        part.notes.append("Natural SQL and pandas were not asked for as much: they keep all of it in memory.")
        return part
    compared = [way for way in ("natural", *OURS, "six", "pandas", "polars") if way in by_way]
    part.notes.append("Lazy Polars reads as it computes: its seconds hold the reading.")
    part.notes.append(agreement({way: by_way[way][0].output["figures"] for way in compared}))
    return part


def _against_others(company: Company, by_way: dict[str, list[Sample]]) -> list[Claim]:
    """The scorecard of all metrics, whoever is a customer, against others; for information what these give alone."""
    times = {way: seconds(samples) for way, samples in by_way.items()}
    claims = []
    for way in (*OURS, "six"):
        text = f"{WAYS[way]}, {company.name}, against natural SQL: time"
        claims.append(Claim(text, ratios(times[way], times["natural"]), 1.0, is_bound=way in OURS))
    loaded = {way: _with_loading(samples) for way, samples in by_way.items()}
    for way in (*OURS, "six"):
        name = f"{WAYS[way]}, and its load, {company.name},"
        text = f"{name} against natural SQL and its load: time"
        claims.append(Claim(text, ratios(loaded[way], loaded["natural"]), 1.0, is_bound=way in OURS))
        for other in ("pandas", "polars"):
            if other in loaded:
                text = f"{name} against {WAYS[other]}, and its load: faster by"
                claims.append(Claim(text, ratios(loaded[other], loaded[way]), 1, is_floor=True, is_bound=False))
    for way in (*OURS, "six"):
        is_bound = way in OURS
        name, used = f"{WAYS[way]}, {company.name}, against pandas:", [sample.memory for sample in by_way[way]]
        claims += [
            Claim(f"{name} faster by", ratios(times["pandas"], times[way]), 3, is_floor=True, is_bound=is_bound),
            Claim(
                f"{name} memory", ratios(used, [sample.memory for sample in by_way["pandas"]]), 0.25, is_bound=is_bound
            ),
        ]
    return claims


def peers(companies: list[Company], rounds: int) -> list[Part]:
    """Cohorts against repeatradar and RFM against lifetimes, the data loaded, each in an environment of its own."""
    company, parts = companies[0], []
    for way, name in (("cohorts", "repeatradar"), ("rfm", "lifetimes")):
        part = Part(f"{'Cohorts' if way == 'cohorts' else 'RFM'} against {name}, {company.name}")
        cases = [case("retention-kit", [sys.executable, HERE / "ways.py", way, company.folder])]
        try:
            python = environment(name)
            cases.append(case(name, [python, HERE / "peers" / f"{name}_{way}.py", company.folder]))
        except NotThere as error:
            part.notes.append(f"{name} is missing: {error}")
        by_case = measure_rounds(cases, rounds)
        part.rows = rows_of(by_case)
        if name in by_case:
            part.notes.append(
                agreement({package: samples[0].output["figures"] for package, samples in by_case.items()})
            )
        parts.append(part)
    return parts


def _missing(package: str) -> list[str]:
    """A note on a package that is not there to compare with; none where it is."""
    try:
        environment(package)
    except NotThere as error:
        return [f"{package} is missing: {error}"]
    return []


def _with_loading(samples: list[Sample]) -> list[float]:
    return [sample.output.get("load", 0) + sample.seconds for sample in samples]
