"""Counts problems of side tables, and refuses tables with the same problem in most rows."""

from __future__ import annotations

from collections.abc import Iterable

from retention_kit.data.checks import REFUSED
from retention_kit.data.cleaning.quality import Count
from retention_kit.data.engines.protocol import Engine
from retention_kit.errors import DataError, Phrase


def count_problems(engine: Engine, name: str, faults: Iterable[tuple[str, str, str]]) -> tuple[int, list[Count]]:
    """The number of rows of `NAME_typed`, and a count for each problem.

    `faults` are triples of problem, column and description. Raises DataError if over half of the rows have one.
    """
    by_problem = dict(engine.rows(f"SELECT coalesce(problem, ''), COUNT(*) FROM {name}_typed GROUP BY 1"))
    rows = sum(by_problem.values())
    for problem, column, fault in faults:
        if by_problem.get(problem, 0) > REFUSED * rows:
            raise DataError(
                "The {name} column {column!r} {fault} in {wrong:,} of {rows:,} rows: see which column is which.",
                name=name,
                column=column,
                fault=Phrase(fault),
                wrong=by_problem[problem],
                rows=rows,
            )
    return rows, [Count(name, problem, by_problem[problem]) for problem in sorted(set(by_problem) - {""})]
