"""Determines the as-of date, and tables that end early."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import pairwise

from retention_kit.data.checks import WHEN
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.schema import table_name
from retention_kit.errors import DataError, Listed, Phrase
from retention_kit.wording import Verbatim, Written, sentence

QUIET = 28  # days without an event that are normal
FEW = 10  # days on which subscriptions began: so few may run on as they are for long


def known_span(
    engine: Engine, tables: Iterable[str], as_of: date | None, tomorrow: date, left_out: Mapping[str, int]
) -> tuple[date, dict[str, date], dict[str, date]]:
    """The as-of date, by default the midnight after the last event until today, and the first and the last date before
    it in each table.

    An `ended_at` in the future is a plan, not an event. `left_out` has the rows that settings leave out, by name.
    Raises DataError where no row can be used.
    """
    until = as_of or tomorrow
    ended = {"subscriptions": f"max(CASE WHEN ended_at < TIMESTAMP '{tomorrow}' THEN ended_at END)"}
    before = f"< TIMESTAMP '{until}'"
    rows = engine.rows(
        " UNION ALL ".join(
            f"SELECT '{name}' AS name, CAST(min({WHEN[name]}) AS DATE) AS day, max({WHEN[name]}) AS moment, "
            f"{ended.get(name, 'CAST(NULL AS TIMESTAMP)')} AS ended FROM {name}_typed "
            f"WHERE problem IS NULL AND {WHEN[name]} {before}"
            for name in tables
        )
    )
    starts = {name: day for name, day, *_ in rows if day is not None}
    ends = {name: max(filter(None, moments)).date() for name, _, *moments in rows if any(moments)}
    if not starts:
        raise DataError(_why_none(engine, tables, as_of, left_out))
    return as_of or max(ends.values()) + timedelta(days=1), starts, ends


def _why_none(engine: Engine, tables: Iterable[str], as_of: date | None, left_out: Mapping[str, int]) -> Phrase:
    """Why no row can be used: all are later, left out, or set aside, most of them for one reason."""
    counted = engine.rows(
        " UNION ALL ".join(
            f"SELECT '{name}' AS name, problem, count(*) AS failed, "
            f"CAST(CAST(min({WHEN[name]}) AS DATE) AS VARCHAR) AS first FROM {name}_typed GROUP BY problem"
            for name in tables
        )
    )
    later = [first for _, problem, _, first in counted if problem is None]
    if later and as_of:
        template = "There is no usable row before {as_of}: the data begin on {first}."
        return Phrase(template, as_of=as_of, first=min(later))
    if later:
        return Phrase("All usable rows are dated in the future: correct the dates, or set as_of.")
    if not counted and (settings := [name for name, rows in left_out.items() if rows]):
        template = "The tables hold no usable row: every row ({rows:,}) is left out by {settings}."
        return Phrase(template, rows=sum(left_out.values()), settings=Listed(settings, " and "))
    if not counted:
        return Phrase("The tables hold no usable row.")
    table, problem, failed, _ = max(counted, key=lambda row: row[2])
    return Phrase(
        "The tables hold no usable row: of {rows:,} rows of the {table}, {failed:,} are set aside as {problem!r}.",
        rows=sum(count for name, _, count, _ in counted if name == table),
        table=table,
        failed=failed,
        problem=problem,
    )


def left_behind(engine: Engine, ends: dict[str, date], as_of: date, *, is_set: bool) -> tuple[str, ...]:
    """A sentence for each table of customers that ends well before the others do: longer than it was ever quiet; or,
    where `as_of` was given, one for all tables that end so long before it.
    """
    sentences = []
    for name, last in [max(ends.items(), key=lambda item: item[1])] if is_set else ends.items():
        quiet = (as_of - last).days - 1
        if quiet <= QUIET or (name == "responses" and not is_set):
            continue
        days = engine.rows(
            f"SELECT CAST({WHEN[name]} AS DATE) AS day FROM {name}_typed WHERE problem IS NULL "
            f"AND {WHEN[name]} < TIMESTAMP '{as_of}' GROUP BY CAST({WHEN[name]} AS DATE) ORDER BY 1"
        )
        usual = 2 * max([(later - day).days for (day,), (later,) in pairwise(days)], default=0)
        if name == "subscriptions" and len(days) < FEW:
            usual = max(usual, 366)
        if quiet > usual:
            end = as_of if is_set else as_of - timedelta(days=1)
            values: dict[str, str] = {"last": Written(str(last), last), "end": Written(str(end), end)}
            setting = Verbatim(f"as_of = {last + timedelta(days=1)}")
            if is_set:
                days_later = float((as_of - last).days)
                sentences.append(sentence("quality.details.ended", days=days_later, setting=setting, **values))
            else:
                values["table"] = table_name(name)
                sentences.append(sentence("quality.details.left_behind", setting=setting, **values))
    return tuple(sentences)
