"""Reads comments from the engine, without their customers."""

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

MOST = 1_000  # comments of a survey that are read, at most
MONTHS = 12  # up to a period's end
_A_NAME = "a name"  # the reason why such a column is no segment


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

    Columns: survey, answer_group (detractors, passives, promoters; top or rest), comment, written (the number of the
    survey's comments, of which at most MOST are returned). Rows have no customers.
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
    """Those of the texts, in lower case, that are ids of customers or values in columns of names."""
    import pandas as pd

    spellings = sorted({spelling for text in texts for spelling in (text, text.lower())})
    if not spellings:
        return set()
    engine = data.live_engine
    with engine.lock:
        engine.register("comment_texts", pd.DataFrame({"spelling": spellings}))
        try:
            identifiers: set[str] = set()
            for relation, column in _named_columns(data):
                names = run_query(data, sql("comment_names"), relation=relation, column=column)
                identifiers |= {spelling.lower() for spelling in names["spelling"]}
        finally:
            engine.unregister("comment_texts")
    return identifiers


def _named_columns(data: Dataset) -> list[tuple[str, str]]:
    """The relations and columns that identify customers."""
    engine = data.live_engine
    columns = [(table, "customer_id") for table in TABLES if table in data.tables]
    names = [name for name, reason in data.excluded_columns.items() if reason == _A_NAME]
    if names:
        raw = {table: engine.types(f"{table}_raw") for table in TABLES if table in data.tables}
        columns += [(f"{table}_raw", quote(name)) for table, known in raw.items() for name in names if name in known]
    return columns


def _group_sql(data: Dataset) -> str:
    """SQL for the group of an answer in its score."""
    definitions = data.settings.definitions
    tops = {"csat": definitions.csat_top, "ces": None if definitions.ces_top == "mean" else definitions.ces_top}
    cases = "CASE WHEN score >= 9 THEN 'promoters' WHEN score >= 7 THEN 'passives' ELSE 'detractors' END"
    others = " ".join(
        f"WHEN survey = '{survey}' THEN CASE WHEN score > high - {top_sql(survey, top)} THEN 'top' ELSE 'rest' END"
        for survey, top in tops.items()
    )
    return f"CASE WHEN survey = 'nps' THEN {cases} {others} END"
