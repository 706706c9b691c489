"""SQL that types raw columns: dates to the report's local time, money to minor units, ids to text."""

from __future__ import annotations

from retention_kit.data.engine import Engine, literal, quote, segment_column
from retention_kit.data.sources import OPTIONAL, REQUIRED
from retention_kit.errors import DataError
from retention_kit.settings import Settings

_AWARE = r"[ T]\d\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$"


class Columns:
    """The typed columns of one table by name (`sql`), its segment columns (`extras`), and whether its times lack a zone.

    `sources` are the queries that the table is stacked from, each with the time zone of its naive times, if it has one.
    Times become local before the stacking, so that every source may write them its own way.
    """

    def __init__(
        self, engine: Engine, table: str, sources: list[tuple[str, str | None]], decimals: int, settings: Settings
    ):
        self._engine, self._table = engine, table
        self._report_zone = settings.report.timezone
        names = [*REQUIRED[table], *OPTIONAL[table]]
        self._times = times(table)
        self.is_naive = False
        self._stack(sources)
        self._kinds = engine.types(f"{table}_raw")
        self.extras = [name for name in self._kinds if name not in names and not name.startswith("_")]
        self.sql = {
            "raw_extras": "".join(f", {self.text(name)} AS {segment_column(name)}" for name in self.extras),
            "extras": "".join(f", {segment_column(name)}" for name in self.extras),
            "usable_extras": "".join(f", usable.{segment_column(name)}" for name in self.extras),
            "counted_extras": "".join(f", counted.{segment_column(name)}" for name in self.extras),
            "zero_is_purchase": str(settings.definitions.zero_orders == "purchase").lower(),
            "weight_given": f"({self.text('weight')} IS NOT NULL)",
            "score_text": self.text("score"),
        }
        for name in names:
            if name in self._times:
                self.sql[name] = local(name)
                self.sql[f"{name}_unreadable"] = f"({self.text(name)} IS NOT NULL AND {local(name)} IS NULL)"
            elif name == "amount":
                scaled = f"round(TRY_CAST({self.text(name)} AS DECIMAL(28, 6)) * {10**decimals})"
                self.sql[name] = f"TRY_CAST({scaled} AS BIGINT)"
            elif name in ("score", "weight"):
                self.sql[name] = f"TRY_CAST({self.text(name)} AS DOUBLE)"
            else:
                self.sql[name] = self.text(name)
        if table != "responses":
            identity = "order_id" if table == "orders" else "subscription_id"
            if identity not in self._kinds:
                self.sql[identity] = "CAST(_row AS VARCHAR)"
            self._refuse_currencies(settings.report.currency)

    def text(self, name: str) -> str:
        """A column as text, empty as NULL, also where the table has none of that name."""
        return _text(name, self._kinds.get(name))

    def _stack(self, sources: list[tuple[str, str | None]]) -> None:
        """The view of all rows as they came, with their number and, beside each time, its local time."""
        parts = []
        for number, (query, zone) in enumerate(sources):
            part = f"{self._table}_source_{number}"
            self._engine.run(f"CREATE VIEW {part} AS {query}")
            kinds = self._engine.types(part)
            moments = "".join(
                f", {self._instant(part, name, kinds.get(name), zone)} AS {local(name)}" for name in self._times
            )
            parts.append(f"SELECT *{moments} FROM {part}")
        union = " UNION ALL BY NAME ".join(parts)
        self._engine.run(f"CREATE VIEW {self._table}_raw AS SELECT *, row_number() OVER () AS _row FROM ({union})")

    def _instant(self, part: str, name: str, kind: str | None, zone: str | None) -> str:
        """A column as local time of the report; NULL where it is no date."""
        column, text = quote(name), _text(name, kind)
        report = self._report_zone or "UTC"
        if kind == "TIMESTAMP WITH TIME ZONE":
            return _finite(f"timezone({literal(report)}, {column})")
        if kind == "DATE":
            return _finite(f"CAST({column} AS TIMESTAMP)")
        if kind is not None and kind.startswith("TIMESTAMP"):
            self.is_naive |= not (zone or self._report_zone)
            return _finite(_moved(f"CAST({column} AS TIMESTAMP)", zone, report))
        if kind != "VARCHAR":
            if kind and self._engine.rows(f"SELECT count({column}) FROM {part}")[0][0]:
                raise DataError(f"The {self._table} column {name!r} holds {kind.lower()} values, not dates.")
            return "CAST(NULL AS TIMESTAMP)"
        aware = f"regexp_matches({text}, '{_AWARE}')"
        timed = f"length({text}) > 10"
        if self._refuse_mixed(part, name, text, aware, timed):
            self.is_naive |= not (zone or self._report_zone)
        return _finite(
            f"CASE WHEN {aware} THEN timezone({literal(report)}, TRY_CAST({text} AS TIMESTAMPTZ)) "
            f"WHEN {timed} THEN {_moved(f'TRY_CAST({text} AS TIMESTAMP)', zone, report)} "
            f"ELSE TRY_CAST({text} AS TIMESTAMP) END"
        )

    def _refuse_mixed(self, part: str, name: str, text: str, aware: str, timed: str) -> bool:
        """Whether the times are naive; raises where naive and aware ones share a column."""
        readable = f"{timed} AND TRY_CAST({text} AS TIMESTAMP) IS NOT NULL"
        query = f"SELECT count(*) FILTER ({aware}), count(*) FILTER ({readable} AND NOT {aware}) FROM {part}"
        with_zone, without = self._engine.rows(query)[0]
        if with_zone and without:
            raise DataError(
                f"The {self._table} column {name!r} mixes {with_zone} times with an offset and {without} without: "
                "write all of them one way."
            )
        return bool(without)

    def _refuse_currencies(self, currency: str) -> None:
        found = [
            code
            for (code,) in self._engine.rows(
                f"SELECT DISTINCT {self.text('currency')} FROM {self._table}_raw WHERE {self.text('currency')} IS NOT NULL ORDER BY 1"
            )
        ]
        if found and found != [currency]:
            raise DataError(
                f"The {self._table} are in {', '.join(found)}, the report in {currency}: set [report] currency to the "
                "currency of the data; several currencies in one table cannot be added up."
            )


def _text(name: str, kind: str | None) -> str:
    """A column as trimmed text, empty as NULL; whole floats, as pandas makes of ids with gaps, as integers."""
    column = quote(name)
    if kind is None:
        return "CAST(NULL AS VARCHAR)"
    if kind in ("DOUBLE", "FLOAT"):
        whole = f"CAST(TRY_CAST({column} AS BIGINT) AS VARCHAR)"
        text = f"CASE WHEN {column} = floor({column}) AND abs({column}) < 1e15 THEN {whole} ELSE CAST({column} AS VARCHAR) END"
        return f"CASE WHEN NOT isnan({column}) THEN {text} END"
    return f"nullif(trim(CAST({column} AS VARCHAR)), '')"


def times(table: str) -> list[str]:
    """The columns of a table that hold times."""
    return [name for name in (*REQUIRED[table], *OPTIONAL[table]) if name.endswith("_at")]


def local(name: str) -> str:
    """The column that holds a time as local time of the report."""
    return quote(f"_local_{name}")


def _finite(time: str) -> str:
    """`infinity`, which SQL knows as a time, is no date."""
    return f"CASE WHEN isfinite({time}) THEN {time} END"


def _moved(time: str, zone: str | None, report: str) -> str:
    """Naive local times of another zone in the report's; a time that a clock showed twice is its first occurrence."""
    if zone is None or zone == report:
        return time
    own = literal(zone)
    instant = f"timezone({own}, {time})"
    earlier = f"{instant} - INTERVAL 1 HOUR"
    first = f"CASE WHEN timezone({own}, {earlier}) = {time} THEN {earlier} ELSE {instant} END"
    return f"timezone({literal(report)}, {first})"
