"""Comments as they were written: few leave the engine, without who wrote them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.data.engines.sql_text import quote
from retention_kit.data.values.scales import top_sql
from retention_kit.metrics.queries.statements import sql
from retention_kit.metrics.queries.views import run_query
from retention_kit.periods import Period, add_months
from retention_kit.settings import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

MOST = 1_000  # comments of a survey that are read
MONTHS = 12  # up to a period's end
_A_NAME = "a name"  # why such a column is no segment


class Window(NamedTuple):
    """Comments from `begins` to before `ends`."""

    begins: date
    ends: date


def window_of(data: Dataset, period: Period) -> Window:
    """The twelve months up to a period's end."""
    ends = min(period.end, data.as_of)
    return Window(add_months(ends, -MONTHS), ends)


def read_comments(data: Dataset, period: Period) -> pd.DataFrame:
    """The last comment of each customer to each survey in the `window_of` a period, the newest first.

    Columns: survey, answer_group (detractors, passives, promoters; top or rest), comment, written (how many there are
    of the survey; at most `MOST` of them are rows). No row tells of whom it is.
    """
    window = window_of(data, period)
    return run_query(
        data,
        sql("comments"),
        group=_group_sql(data),
        begins=f"DATE '{window.begins}'",
        ends=f"DATE '{window.ends}'",
        most=str(MOST),
    )


def known_texts(data: Dataset, texts: Iterable[str]) -> set[str]:
    """Which of some texts, in small letters, are ids of customers, or names in columns of names that were read."""
    import pandas as pd

    asked = sorted({spelling for text in texts for spelling in (text, text.lower())})
    if not asked:
        return set()
    engine = data.live_engine
    with engine.lock:
        engine.register("comment_texts", pd.DataFrame({"said": asked}))
        try:
            found: set[str] = set()
            for relation, column in _named_columns(data):
                names = run_query(data, sql("comment_names"), relation=relation, column=column)
                found |= {said.lower() for said in names["said"]}
        finally:
            engine.unregister("comment_texts")
    return found


def _named_columns(data: Dataset) -> list[tuple[str, str]]:
    """The relations and columns that say who somebody is."""
    engine = data.live_engine
    columns = [(table, "customer_id") for table in TABLES if table in data.tables]
    names = [name for name, why in data.excluded_columns.items() if why == _A_NAME]
    if names:
        raw = {table: engine.types(f"{table}_raw") for table in TABLES if table in data.tables}
        columns += [(f"{table}_raw", quote(name)) for table, known in raw.items() for name in names if name in known]
    return columns


def _group_sql(data: Dataset) -> str:
    """What an answer counts as in its score."""
    chosen = data.settings.definitions
    tops = {"csat": chosen.csat_top, "ces": None if chosen.ces_top == "mean" else chosen.ces_top}
    cases = "CASE WHEN score >= 9 THEN 'promoters' WHEN score >= 7 THEN 'passives' ELSE 'detractors' END"
    others = " ".join(
        f"WHEN survey = '{survey}' THEN CASE WHEN score > high - {top_sql(survey, top)} THEN 'top' ELSE 'rest' END"
        for survey, top in tops.items()
    )
    return f"CASE WHEN survey = 'nps' THEN {cases} {others} END"
