"""SQL that types raw columns: dates to the report's local time, money to minor units, ids to text."""

from __future__ import annotations

from retention_kit.data.engine import Engine, literal, quote, segment_column
from retention_kit.data.sources import OPTIONAL, REQUIRED
from retention_kit.errors import DataError
from retention_kit.settings import Settings

_AWARE = r"[ T]\d\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$"


class Columns:
    """The typed columns of one table by name (`sql`), its segment columns (`extras`), and whether its times are naive."""

    def __init__(self, engine: Engine, table: str, zone: str, decimals: int, settings: Settings):
        self._engine, self._table, self._zone = engine, table, zone
        self._kinds = engine.types(f"{table}_raw")
        known = {*REQUIRED[table], *OPTIONAL[table], "_row", "_zone"}
        self.extras = [name for name in self._kinds if name not in known]
        self.is_naive = False
        self.sql = {
            "raw_extras": "".join(f", {self._text(name)} AS {segment_column(name)}" for name in self.extras),
            "extras": "".join(f", {segment_column(name)}" for name in self.extras),
            "usable_extras": "".join(f", usable.{segment_column(name)}" for name in self.extras),
            "counted_extras": "".join(f", counted.{segment_column(name)}" for name in self.extras),
            "zero_is_purchase": str(settings.definitions.zero_orders == "purchase").lower(),
            "weighted": str("weight" in self._kinds).lower(),
        }
        for name in [*REQUIRED[table], *OPTIONAL[table]]:
            if name.endswith("_at"):
                self.sql[name] = self._instant(name)
                self.sql[f"{name}_unreadable"] = f"({self._text(name)} IS NOT NULL AND {self.sql[name]} IS NULL)"
            elif name == "amount":
                scaled = f"round(TRY_CAST({self._text(name)} AS DECIMAL(28, 6)) * {10**decimals})"
                self.sql[name] = f"TRY_CAST({scaled} AS BIGINT)"
            elif name in ("score", "weight"):
                self.sql[name] = f"TRY_CAST({self._text(name)} AS DOUBLE)"
            else:
                self.sql[name] = self._text(name)
        if table != "responses":
            identity = "order_id" if table == "orders" else "subscription_id"
            if identity not in self._kinds:
                self.sql[identity] = "CAST(_row AS VARCHAR)"
            self._refuse_currencies(settings.report.currency)

    def _text(self, name: str) -> str:
        """A column as trimmed text, empty as NULL; whole floats, as pandas makes of ids with gaps, as integers."""
        column, kind = quote(name), self._kinds.get(name)
        if kind is None:
            return "CAST(NULL AS VARCHAR)"
        if kind in ("DOUBLE", "FLOAT"):
            whole = f"CAST(TRY_CAST({column} AS BIGINT) AS VARCHAR)"
            text = f"CASE WHEN {column} = floor({column}) AND abs({column}) < 1e15 THEN {whole} ELSE CAST({column} AS VARCHAR) END"
            return f"CASE WHEN NOT isnan({column}) THEN {text} END"
        return f"nullif(trim(CAST({column} AS VARCHAR)), '')"

    def _instant(self, name: str) -> str:
        """A column as local time of the report; NULL where it is no date."""
        column, kind, text = quote(name), self._kinds.get(name), self._text(name)
        if kind is None:
            return "CAST(NULL AS TIMESTAMP)"
        report = literal(self._zone)
        moved = "CASE WHEN _zone IS NULL OR _zone = {0} THEN {1} ELSE timezone({0}, timezone(_zone, {1})) END"
        if kind == "TIMESTAMP WITH TIME ZONE":
            return f"timezone({report}, {column})"
        if kind == "DATE":
            return f"CAST({column} AS TIMESTAMP)"
        if kind.startswith("TIMESTAMP"):
            self.is_naive = True
            return moved.format(report, f"CAST({column} AS TIMESTAMP)")
        if kind != "VARCHAR":
            (filled,) = self._engine.rows(f"SELECT count({column}) FROM {self._table}_raw")[0]
            if filled:
                raise DataError(f"The {self._table} column {name!r} holds {kind.lower()} values, not dates.")
            return "CAST(NULL AS TIMESTAMP)"
        aware = f"regexp_matches({text}, '{_AWARE}')"
        timed = f"length({text}) > 10"
        self.is_naive |= self._refuse_mixed(name, aware, timed)
        naive = moved.format(report, f"TRY_CAST({text} AS TIMESTAMP)")
        return (
            f"CASE WHEN {aware} THEN timezone({report}, TRY_CAST({text} AS TIMESTAMPTZ)) "
            f"WHEN {timed} THEN {naive} ELSE TRY_CAST({text} AS TIMESTAMP) END"
        )

    def _refuse_mixed(self, name: str, aware: str, timed: str) -> bool:
        """Whether the times are naive; raises where naive and aware ones share a column."""
        text = self._text(name)
        readable = f"{timed} AND TRY_CAST({text} AS TIMESTAMP) IS NOT NULL"
        query = f"SELECT count(*) FILTER ({aware}), count(*) FILTER ({readable} AND NOT {aware}) FROM {self._table}_raw"
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
                f"SELECT DISTINCT {self._text('currency')} FROM {self._table}_raw WHERE {self._text('currency')} IS NOT NULL ORDER BY 1"
            )
        ]
        if found and found != [currency]:
            raise DataError(
                f"The {self._table} are in {', '.join(found)}, the report in {currency}: set [report] currency to the "
                "currency of the data; several currencies in one table cannot be added up."
            )
