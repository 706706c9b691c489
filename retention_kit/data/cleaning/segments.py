"""Which of the columns that are not ours become segments: those named in `keep` or `[report] segments`, else by one
rule.

The rule leaves out what names or reaches one person (ids, names, addresses, phones, emails, IPs, URLs), free text,
columns of more than 200 values that are also more than 5% of the rows, and columns with a value of its own in every row
where those are more than 50. It looks at the first 50,000 rows of each source, so that it takes as long for a large
table as for a small one.
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

_MOST = 200  # values
_SHARE = 0.05  # of the rows
_SHOWN = 50  # so many values are shown by name, be there one a row
_LOOKED_AT = 50_000  # rows of a source
_COLUMNS = 50  # that nobody asked for: of a table wider than that they are chosen by name
_AT_ONCE = 10  # columns: their values are held in memory
_PERSONAL = (
    r"^\s*([^@\s]+@[^@\s]+\.[^@\s]+|https?://.*|www\..*|\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{0,4}){3,7}"
    r"|(\+|00)[0-9][0-9 ()./-]{6,18}|\(?0[0-9]{1,4}\)?[ /-][0-9 -]{5,14})\s*$"
)
_TEXT = r"(\S+\s+){6}\S|^.{80}"


def choose_segments(
    engine: Engine, table: str, sources: list[Source], names: list[str], wanted: Iterable[str]
) -> tuple[list[str], dict[str, str]]:
    """Of the columns of a table that are not ours, those that are segments, and of the others why they are none.

    Raises SettingsError where `keep` names a column that no source has.
    """
    # Beside what `keep` names, a column that is mapped was asked for too.
    asked = {name.lower() for one in sources if one.keep is not None for name in (*one.keep, *one.columns)}
    asked |= {name.lower() for name in wanted}
    for source in sources:
        for name in source.keep or ():
            if name.lower() not in map(str.lower, names):
                raise SettingsError(
                    "data.{table}.keep: there is no column {name!r}: {hint}",
                    table=table,
                    name=name,
                    hint=did_you_mean(name, names),
                )
    judged = [name for name in names if name.lower() not in asked]
    # Columns that were left unread for their names.
    unkept = sentence("quality.no_segment.keep")
    whys: dict[str, str] = {name: personal_reason(name) or unkept for source in sources for name in source.unread}
    if sources and all(source.keep is not None for source in sources):
        whys |= dict.fromkeys(judged, unkept)
    else:
        whys |= {name: why for name in judged if (why := personal_reason(name))}
        others = [name for name in judged if name not in whys]
        for start in range(0, len(others), _AT_ONCE):
            whys |= _why_by_values(engine, sources, others[start : start + _AT_ONCE])
            kept = [name for name in others[: start + _AT_ONCE] if name not in whys]
            if len(kept) >= _COLUMNS:
                beyond = sentence("quality.no_segment.beyond", most=_COLUMNS)
                whys |= dict.fromkeys(kept[_COLUMNS:] + others[start + _AT_ONCE :], beyond)
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
            f"{_text(kinds[name.lower()]) if name.lower() in kinds else 'CAST(NULL AS VARCHAR)'} AS said_{index}"
            for index, name in enumerate(names)
        )
        came = f"(SELECT {', '.join(texts)} FROM {source.name} LIMIT {_LOOKED_AT}) AS first_rows"
        parts.append(f"SELECT * FROM {came}")
    counts = ", ".join(
        f"count(said_{index}), count(DISTINCT said_{index}), "
        f"count(DISTINCT CASE WHEN regexp_matches(said_{index}, {literal(_PERSONAL)}) THEN said_{index} END), "
        f"count(DISTINCT CASE WHEN regexp_matches(said_{index}, {literal(_TEXT)}) THEN said_{index} END)"
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
        elif values > max(_MOST, _SHARE * rows):
            whys[name] = sentence("quality.no_segment.many", values=float(values), rows=float(rows))
        elif values == filled > _SHOWN:
            whys[name] = sentence("quality.no_segment.own")
    return whys


def _text(name: str) -> str:
    return f"nullif(trim(CAST({quote(name)} AS VARCHAR)), '')"
