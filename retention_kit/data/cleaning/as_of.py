"""The date up to which data are known."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from retention_kit.data.checks import WHEN
from retention_kit.data.engines.protocol import Engine
from retention_kit.errors import DataError


def known_span(
    engine: Engine, tables: Iterable[str], as_of: date | None, tomorrow: date
) -> tuple[date, dict[str, date]]:
    """The as-of date, by default the midnight after the last event until today, and the first date before it in each
    table.

    An `ended_at` in the future is a plan, not an event. Raises DataError where no row can be used.
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
    if as_of:
        return as_of, starts
    if not starts:
        later = " UNION ALL ".join(f"SELECT _row FROM {name}_typed WHERE problem IS NULL" for name in tables)
        is_later = engine.rows(f"SELECT count(*) FROM ({later}) AS later")[0][0] > 0
        raise DataError(
            "All usable rows are dated in the future: correct the dates, or set as_of."
            if is_later
            else "The tables hold no usable row."
        )
    last = max(moment for _, _, *moments in rows for moment in moments if moment is not None)
    return last.date() + timedelta(days=1), starts
