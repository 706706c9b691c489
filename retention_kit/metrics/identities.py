"""Sums that must hold whatever the data: every report asserts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retention_kit.metrics.summaries import COLUMNS, Grid, at_hand, needs, summary
from retention_kit.periods import Period

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset


TOLERANCE = 1e-6  # only survey weights are not whole numbers


@dataclass(frozen=True)
class Identity:
    """The result of one: the periods in which it is broken (none, one hopes) and how many were checked."""

    name: str
    column: str  # the segment column it is about, if any
    broken: tuple[str, ...]
    periods: int


def identities(data: Dataset, every: str, segments: tuple[str, ...] = ()) -> list[Identity]:
    """Every identity these data allow, on exact integers: money in minor units, MRR in their twelfths."""
    import pandas as pd

    grid, found = Grid(every), []

    def check(name: str, frame: pd.DataFrame, gap: pd.Series, column: str = "") -> None:
        broken = sorted({str(Period(every, int(index))) for index in frame.loc[gap.abs() > TOLERANCE, "period"]})
        found.append(Identity(name, column, tuple(broken), frame["period"].nunique()))

    if needs(data, "movements") is None:
        moves = summary(data, "movements", grid)
        check("customers", moves, moves["start"] + moves["new"] + moves["reactivated"] - moves["lost"] - moves["end"])
        check("retained", moves, moves["start"] - moves["lost"] - moves["retained"])
        cells = summary(data, "cohorts", grid).groupby("period")["active"].sum()
        check("cohorts", moves, moves["active"] - moves["period"].map(cells).fillna(0))
    if needs(data, "mrr") is None:
        mrr = summary(data, "mrr", grid)
        gained = mrr["new"] + mrr["expansion"] + mrr["reactivation"]
        check("mrr", mrr, mrr["start"] + gained - mrr["contraction"] - mrr["churned"] - mrr["end"])
    if needs(data, "feedback") is None:
        answers = summary(data, "feedback", grid)
        check(
            "answers",
            answers,
            answers["promoters"] + answers["passives"] + answers["detractors"] - answers["nps_weight"],
        )
    for column in segments:
        gaps = []
        for name in at_hand(data):
            whole = summary(data, name, grid).set_index("period")[list(COLUMNS[name])]
            parts = summary(data, name, grid, column).groupby("period")[list(COLUMNS[name])].sum()
            gaps.append((whole - parts).abs().max(axis=1))
        if gaps:
            worst = pd.concat(gaps, axis=1).max(axis=1).rename("gap").reset_index()
            check("segments", worst, worst["gap"], column)
    return found
