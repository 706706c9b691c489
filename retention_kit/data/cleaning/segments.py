"""Chooses the segments among other columns: those in `keep` or `[report] segments`, else by a rule.

The rule excludes columns that identify persons (ids, names, addresses, phones, emails, IPs, URLs), free text, columns
with more than 200 values that are also more than 5% of the rows, and columns of more than 50 rows with a different
value in each. It reads the first 50,000 rows of each source, so that it is as fast for large tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal, quote
from retention_kit.data.readers.sources import Source
from retention_kit.data.values.personal_columns import personal_reason
from retention_kit.errors import SettingsError, did_you_mean
from retention_kit.wording import sentence

_MAX_VALUES = 200  # values
_MAX_SHARE = 0.05  # of the rows
_MAX_UNIQUE = 50  # values, below which all of them may differ
_SAMPLE_ROWS = 50_000  # rows of a source
_MAX_COLUMNS = 50  # segments chosen by the rule; more have to be named
_BATCH = 10  # columns per query, as their values are kept in memory
_PERSONAL = (
    r"^\s*([^@\s]+@[^@\s]+\.[^@\s]+|https?://.*|www\..*|\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{0,4}){3,7}"
    r"|(\+|00)[0-9][0-9 ()./-]{6,18}|\(?0[0-9]{1,4}\)?[ /-][0-9 -]{5,14})\s*$"
)
_TEXT = r"(\S+\s+){6}\S|^.{80}"


def choose_segments(
    engine: Engine, table: str, sources: list[Source], names: list[str], wanted: Iterable[str]
) -> tuple[list[str], dict[str, str]]:
    """The segments among a table's other columns (`names`), and the reasons why the rest are none.

    Raises SettingsError if `keep` names a column that no source has.
    """
    # Mapped columns are wanted, like those in `keep`.
    requested = {
        name.lower() for source in sources if source.keep is not None for name in (*source.keep, *source.columns)
    }
    requested |= {name.lower() for name in wanted}
    for source in sources:
        for name in source.keep or ():
            if name.lower() not in map(str.lower, names):
                raise SettingsError(
                    "data.{table}.keep: there is no column {name!r}: {hint}",
                    table=table,
                    name=name,
                    hint=did_you_mean(name, names),
                )
    judged = [name for name in names if name.lower() not in requested]
    # `unread` columns were skipped because of their names.
    not_in_keep = sentence("quality.no_segment.keep")
    whys: dict[str, str] = {name: personal_reason(name) or not_in_keep for source in sources for name in source.unread}
    if sources and all(source.keep is not None for source in sources):
        whys |= dict.fromkeys(judged, not_in_keep)
    else:
        whys |= {name: reason for name in judged if (reason := personal_reason(name))}
        others = [name for name in judged if name not in whys]
        for start in range(0, len(others), _BATCH):
            whys |= _why_by_values(engine, sources, others[start : start + _BATCH])
            kept = [name for name in others[: start + _BATCH] if name not in whys]
            if len(kept) >= _MAX_COLUMNS:
                beyond = sentence("quality.no_segment.beyond", most=_MAX_COLUMNS)
                whys |= dict.fromkeys(kept[_MAX_COLUMNS:] + others[start + _BATCH :], beyond)
                break
    return [name for name in names if name not in whys], whys


def is_personal(value: str) -> bool:
    """Whether a value is an address, a phone number, a link or free text."""
    return bool(re.match(_PERSONAL, value) or re.match(_TEXT, value))


def _why_by_values(engine: Engine, sources: list[Source], names: list[str]) -> dict[str, str]:
    if not names:
        return {}
    parts = []
    for source in sources:
        kinds = {name.lower(): name for name in engine.types(source.name)}
        texts = (
            f"{_text(kinds[name.lower()]) if name.lower() in kinds else 'CAST(NULL AS VARCHAR)'} AS value_{index}"
            for index, name in enumerate(names)
        )
        sample = f"(SELECT {', '.join(texts)} FROM {source.name} LIMIT {_SAMPLE_ROWS}) AS first_rows"
        parts.append(f"SELECT * FROM {sample}")
    counts = ", ".join(
        f"count(value_{index}), count(DISTINCT value_{index}), "
        f"count(DISTINCT CASE WHEN regexp_matches(value_{index}, {literal(_PERSONAL)}) THEN value_{index} END), "
        f"count(DISTINCT CASE WHEN regexp_matches(value_{index}, {literal(_TEXT)}) THEN value_{index} END)"
        for index in range(len(names))
    )
    ((rows, *figures),) = engine.rows(f"SELECT count(*), {counts} FROM ({' UNION ALL '.join(parts)}) AS looked_at")
    whys: dict[str, str] = {}
    for index, name in enumerate(names):
        filled, values, personal, texts = figures[index * 4 : index * 4 + 4]
        if personal * 2 > values:
            whys[name] = sentence("quality.no_segment.reach")
        elif texts * 2 > values:
            whys[name] = sentence("quality.no_segment.text")
        elif values > max(_MAX_VALUES, _MAX_SHARE * rows):
            whys[name] = sentence("quality.no_segment.many", values=float(values), rows=float(rows))
        elif values == filled > _MAX_UNIQUE:
            whys[name] = sentence("quality.no_segment.own")
    return whys


def _text(name: str) -> str:
    return f"nullif(trim(CAST({quote(name)} AS VARCHAR)), '')"
