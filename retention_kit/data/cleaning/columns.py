"""SQL that types raw columns: dates to the report's local time, money to minor units, ids to text."""

from __future__ import annotations

from collections import Counter

from retention_kit.data.checks import Found
from retention_kit.data.cleaning.segments import choose_segments
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal, quote, segment_column
from retention_kit.data.readers.sources import Source
from retention_kit.data.readers.union import FILE, REST, UNKNOWN
from retention_kit.data.schema import IDENTITY, OPTIONAL, REQUIRED
from retention_kit.data.values.amounts import Hints, finer_than, read_numbers, signs_against
from retention_kit.data.values.ids import IDS, read_ids
from retention_kit.data.values.missing import WORDS, count_words, without
from retention_kit.data.values.scales import bounds_sql, read_scales, refuse_reversed
from retention_kit.data.values.suggestions import Written
from retention_kit.data.values.times import ENDS, Clock, read_times
from retention_kit.data.values.vocabulary import scale_words, score_words, subscription_words
from retention_kit.settings import Settings
from retention_kit.wording import money_decimals

_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
            "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip
_FAMILIES = dict.fromkeys(_NUMERIC, "number") | dict.fromkeys(
    ("DATE", "TIMESTAMP"), "time"
)  # types that stack by themselves
NUMBERS = ("amount", "refunded", "rate", "weight")
LONGEST, KEPT, _CUT = 1000, 200, "… "  # characters that a text may have; of a longer one this many, and the mark behind
SEVERAL = "(several)"  # an order's value where its lines disagree
FLAGS = ("ambiguous", "nonexistent", "no_end")  # what is known of a row by its times


# Of one order's lines, those that an earlier file of a pattern holds too: as often as it holds them. Alike are lines whose
# figures are, since a status may have changed from one export to the next.
_OVERLAP = """UNION ALL
SELECT _row, 'same line in another file' AS problem FROM (
    SELECT _row, row_number() OVER (PARTITION BY _source, order_id, ordered_at, amount, customer_id, refund_of, refunded, currency,
                                    copy ORDER BY _file_number, _row) AS place
    FROM (
        SELECT _row, _source, _file_number, order_id, ordered_at, amount, customer_id, refund_of, refunded, currency,
               row_number() OVER (PARTITION BY _source, order_id, ordered_at, amount, customer_id, refund_of, refunded, currency,
                                  _file_number ORDER BY _row) AS copy
        FROM orders_judged
        WHERE _is_line AND fault IS NULL AND _file_number IS NOT NULL AND order_id IN (
            SELECT order_id FROM orders_judged WHERE _is_line AND order_id IS NOT NULL
            GROUP BY order_id, _source HAVING min(_file_number) <> max(_file_number)
        )
    ) AS copies
) AS repeats WHERE place > 1"""


class Columns:
    """The typed columns of one table by name (`sql`), its segment columns (`extras`), and whether its times lack a zone.

    Times become local before the sources are stacked, so that every source may write them its own way.
    """

    def __init__(self, engine: Engine, table: str, sources: list[Source], settings: Settings):
        self._engine, self._table = engine, table
        self._report_zone = settings.report.timezone
        self._currency = settings.report.currency
        self._times = times(table)
        self.is_naive = False
        self.has_lines = any(source.is_lines for source in sources)
        self.is_mixed = self.has_lines and not all(source.is_lines for source in sources)
        self.has_files = any(source.files for source in sources)
        self._empty: dict[str, tuple[str, ...]] = {}  # our columns with words for nothing
        self.found: list[Found] = []
        self._stack(sources)
        self._kinds = engine.types(f"{table}_raw")
        names = [*REQUIRED[table], *OPTIONAL[table]]
        extras = [name for name in self._kinds if name not in names and not name.startswith("_")]
        self.extras, self.unkept = choose_segments(engine, table, sources, extras, settings.report.segments)
        rest = {name: quote(f"rest.{name}") for name in (*self.unkept, REST) if name in self._kinds}
        self.sql = {
            # What is no segment is not carried on, but tells rows apart that are alike in all else.
            "has_rest": str(bool(rest)).lower(),
            "raw_rest": "".join(f", {self.text(name)} AS {column}" for name, column in rest.items()),
            "rest": "".join(f", {column}" for column in rest.values()),
            "raw_extras": "".join(f", {_capped(self.text(name))} AS {segment_column(name)}" for name in self.extras),
            "agreed_extras": "".join(f", {_agreed(segment_column(name))}" for name in self.extras),
            **{
                f"{part}extras": "".join(f", {part.replace('_', '.')}{segment_column(name)}" for name in self.extras)
                for part in ("", "usable_", "counted_", "orders_", "placed_", "spells_")
            },
            "zero_is_purchase": str(settings.definitions.zero_orders == "purchase").lower(),
            "weight_given": f"({self.text('weight')} IS NOT NULL)",
            "files": f", _source, {FILE}" if self.has_files else "",
            "file": f", {FILE}" if self.has_files else "",
            "overlap": _OVERLAP if self.has_files and self.has_lines else "",
            "score_text": self.text("score"),
        }
        texts = {name: self.text(name) for name in IDS if name in names and name in self._kinds}
        ids = read_ids(engine, table, texts, self._kinds, fold=any(source.fold for source in sources))
        self.found += ids.found
        for name in names:
            if name in self._times:
                self.sql[name] = local(name)
                self.sql[f"{name}_outside"] = _outside(name)
                unread = f"{self.text(name)} IS NOT NULL AND {local(name)} IS NULL"
                self.sql[f"{name}_unreadable"] = f"({unread}{f' AND NOT {_no_end(name)}' * (name in ENDS)})"
            elif name in ("score", "weight", "rate"):
                self.sql[name] = f"TRY_CAST({self.number(name)} AS DOUBLE)"
            elif name == "currency":
                self.sql[name] = f"nullif(upper({self.text(name)}), {literal(self._currency)})"
            else:
                self.sql[name] = _capped(ids.sql.get(name) or self.text(name))
        if table == "subscriptions":
            self.sql |= subscription_words(engine, {name: self.text(name) for name in ("interval", "status")})
        if table == "responses" and self._kinds.get("score") == "VARCHAR":
            refuse_reversed(engine, self.text("survey"), self.text("score"))
            self.sql["score"] = f"TRY_CAST({score_words(engine, self.text('score'))} AS DOUBLE)"
        if table == "responses":
            default, found = read_scales(engine, *(self.text(name) for name in ("survey", "score", "scale")))
            self.found += found
            named = (
                f"coalesce({scale_words(engine, self.text('scale'))}, {default})" if "scale" in self._kinds else default
            )
            self.sql |= {"scale": named, **bounds_sql()}
            # Of two exports of one answer that which can be read counts.
            readable = "CASE WHEN responded_at IS NULL OR score IS NULL THEN 1 ELSE 0 END"
            asked = [source.question for source in sources]
            question = "".join(f" WHEN {place} THEN {asked.index(one)}" for place, one in enumerate(asked))
            again = f"row_number() OVER (PARTITION BY survey, response_id, CASE _source{question} END ORDER BY {readable}, _row)"
            self.sql["same_response"] = again if "response_id" in self._kinds else "1"
        # What never came takes no room: a view says that it is missing.
        optional = [name for name in ("refund_of", "currency") if name in names]
        self.has_refunded = "refunded" in names and "refunded" in self._kinds
        came = [name for name in optional if name in self._kinds]
        self.sql["raw_optional"] = "".join(f", {self.sql[name]} AS {name}" for name in came)
        self.sql["absent"] = "".join(f", CAST(NULL AS VARCHAR) AS {name}" for name in optional if name not in came)
        identity = IDENTITY.get(table)
        self.sql["has_key"] = str(identity in self._kinds).lower()
        if identity and identity not in self._kinds:
            self.sql[identity] = "CAST(_row AS VARCHAR)"

    def text(self, name: str) -> str:
        """A column as text, empty as NULL, also where the table has none of that name."""
        return without(_text(name, self._kinds.get(name)), self._empty.get(name, ()))

    def number(self, name: str) -> str:
        """A column of numbers as plain text, however it writes them."""
        return _plain(name) if _plain(name).strip('"') in self._kinds else self.text(name)

    def set_money(self, minor: int, scale: int) -> None:
        """Read the amounts, now that the units they are kept in are known."""
        self.sql["amount"] = self.money("amount", minor, scale)
        if not self._kinds.get("amount", "").endswith(("INT", "INTEGER")):
            said = self.number("amount")
            if self._kinds["amount"] in ("DOUBLE", "FLOAT"):  # 0.1 + 0.2 is no finer than 0.3
                said = f"CAST(TRY_CAST({said} AS DECIMAL(28, 6)) AS VARCHAR)"
            codes = [self._currency, *filter(None, self.currencies())]
            self.found += finer_than(self._engine, f"{self._table}_raw", said, self.sql["currency"], codes)
        if self._table == "orders":
            refunded = (
                f", abs({self.money('refunded', minor, scale)}) AS refunded, {self.text('refunded')} AS refunded_text"
            )
            self.sql["raw_refunded"] = refunded if self.has_refunded else ""
            self.sql["absent"] += (
                ""
                if self.has_refunded
                else ", CAST(NULL AS BIGINT) AS refunded, CAST(NULL AS VARCHAR) AS refunded_text"
            )

    def money(self, name: str, minor: int, scale: int) -> str:
        """A column in minor units of the report's currency, each of `scale` units; foreign ones are finer, until converted.

        Of order lines it is not rounded, since their sum is.
        """
        scaled = f"TRY_CAST({self.number(name)} AS DECIMAL(28, 6)) * {minor * scale}"
        whole = f"TRY_CAST(round({scaled}) AS BIGINT)"
        if minor * scale <= 10**6:
            whole = f"whole_units({self.number(name)}, {minor * scale})"
        if scale > 1:
            home = f"TRY_CAST(round(TRY_CAST({self.number(name)} AS DECIMAL(28, 6)) * {minor}) * {scale} AS BIGINT)"
            whole = f"CASE WHEN {self.sql['currency']} IS NULL THEN {home} ELSE {whole} END"
        if not self.has_lines:
            return whole
        return f"CASE WHEN NOT _is_line THEN {whole} WHEN {whole} IS NOT NULL THEN {scaled} END"

    def currencies(self) -> list[str | None]:
        """The currencies that the rows are in, the report's as None."""
        if "currency" not in self._kinds:
            return []
        query = f"SELECT DISTINCT $currency FROM {self._table}_raw ORDER BY 1 NULLS LAST"
        return [code for (code,) in self._engine.rows(query, **self.sql)]

    def _stack(self, sources: list[Source]) -> None:
        """The view of all rows as they came, with their number, whether they are lines, and each time's local time."""
        every = [self._engine.types(source.name) for source in sources]
        stacked = _stacked(every)
        spelled = [_spelled(kinds, stacked) for kinds in every]
        names = {
            name: [kinds[said[name]] for kinds, said in zip(every, spelled, strict=True) if name in said]
            for name in stacked
        }
        names.setdefault("_like", ["BIGINT"])
        self._find_words(sources, every, spelled)
        numbers = self._numbers(sources, every, spelled)
        parts = []
        if self.has_files:
            names.setdefault(FILE, ["INTEGER"])
        for number, (source, kinds, said) in enumerate(zip(sources, every, spelled, strict=True)):
            clocks = [self._clock(source, name, kinds.get(name)) for name in self._times]
            moments = "".join(f", {clock.moment} AS {local(clock.name)}" for clock in clocks)
            moments += "".join(f", {clock.outside} AS {_outside(clock.name)}" for clock in clocks)
            moments += "".join(f", {clock.no_end} AS {_no_end(clock.name)}" for clock in clocks if clock.name in ENDS)
            flags = "".join(
                f", coalesce({' OR '.join(getattr(clock, flag) for clock in clocks)}, false) AS _{flag}"
                for flag in FLAGS
            )
            plain = "".join(f", {sql[number]} AS {_plain(name)}" for name, sql in numbers.items())
            made = f"{moments}{flags}{plain}, {str(source.is_lines).lower()} AS _is_line"
            made += f", {number} AS _source" if self.has_files or self._table == "responses" else ""
            came = ", ".join(_as_in_all(name, said.get(name), found) for name, found in names.items())
            parts.append(f"SELECT {came}{made} FROM {_stepwise(source.name, clocks)}")
        union = " UNION ALL ".join(parts)
        self._engine.run(
            f"CREATE VIEW {self._table}_raw AS SELECT *, row_number() OVER () AS _row FROM ({union}) AS stacked"
        )

    def _find_words(self, sources: list[Source], every: list[dict], spelled: list[dict]) -> None:
        """Which columns hold words for nothing, and what is to be told of them."""
        counted: dict[str, Counter] = {}
        for source, kinds, said in zip(sources, every, spelled, strict=True):
            texts = {
                name: _text(said[name], kinds[said[name]])
                for name in WORDS
                if name in said and kinds[said[name]].startswith(("VARCHAR", "ENUM"))
            }
            for name, words in count_words(self._engine, source.name, texts).items():
                counted.setdefault(name, Counter()).update(words)
        self._empty = {name: tuple(words) for name, words in counted.items()}
        if counted:
            told = [f"{name} {word!r} ({rows:,})" for name, words in counted.items() for word, rows in words.items()]
            rows = sum(sum(words.values()) for words in counted.values())
            self.found.append(Found("word for an empty cell", rows, ", ".join(told[:6])))

    def _numbers(self, sources: list[Source], every: list[dict], spelled: list[dict]) -> dict[str, list[str]]:
        """The columns of numbers that are not plain in every source: how each source's are read, as plain text."""
        report, found = self._currency, {}
        for name in NUMBERS:
            texts, is_plain = [], True
            for source, kinds, said in zip(sources, every, spelled, strict=True):
                column = said.get(name)
                text = without(_text(column or name, kinds.get(column or name)), self._empty.get(name, ()))
                if column and kinds[column] == "VARCHAR":
                    is_money = name in ("amount", "refunded")
                    hints = Hints(
                        source.decimal,
                        source.delimiter,
                        money_decimals(report) if is_money else None,
                        report if is_money and "currency" not in said else None,
                    )
                    label = f"The {self._table} column {name!r}"
                    read = read_numbers(self._engine, source.name, text, label, hints)
                    if read.assumed:
                        about = f"{name} {read.assumed}"
                        self.found.append(Found("number that may be read in two ways", read.open_rows, about))
                    if is_money and "currency" in said:
                        code = f"coalesce(nullif(upper({_text(said['currency'], 'VARCHAR')}), ''), {literal(report)})"
                        self.found += signs_against(
                            self._engine, self._table, source.name, name, text, code, read.markers
                        )
                    text, is_plain = read.sql(text), is_plain and read.is_plain
                texts.append(text)
            if not is_plain:
                found[name] = texts
        return found

    def _clock(self, source: Source, name: str, kind: str | None) -> Clock:
        """How to read a column as local time of the report; NULL where it is no date."""
        report = self._report_zone
        dialect = "pandas" if source.is_frame else self._engine.dialect
        written = Written(self._table, source.columns, dialect)
        text = without(_text(name, kind), self._empty.get(name, ()))
        clock = read_times(self._engine, source.name, name, text, kind, source.zone, report or "UTC", written)
        self.is_naive |= clock.is_naive and not (source.zone or report)
        return clock


def _stepwise(part: str, clocks: list[Clock]) -> str:
    """A source with the columns of its clocks, each made from those before it."""
    made = part
    for step in range(max((len(clock.steps) for clock in clocks), default=0)):
        every = [item for clock in clocks for item in (clock.steps[step].items() if step < len(clock.steps) else ())]
        made = f"(SELECT *{''.join(f', {sql} AS {column}' for column, sql in every)} FROM {made}) AS came"
    return made


def _capped(text: str) -> str:
    """A text that fits a page: of a longer one its beginning and a digest, so that two of them stay two."""
    return f"CASE WHEN length({text}) > {LONGEST} THEN left({text}, {KEPT}) || '{_CUT}' || md5({text}) ELSE {text} END"


def is_capped(engine: Engine, table: str) -> str:
    """SQL: whether a row of a typed table holds a text that was cut."""
    texts = [quote(name) for name, kind in engine.types(f"{table}_typed").items() if kind == "VARCHAR"]
    cut = (f"(length({text}) = {KEPT + 34} AND substr({text}, {KEPT + 1}, 2) = '{_CUT}')" for text in texts)
    return " OR ".join(cut) or "false"


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


def _stacked(every: list[dict[str, str]]) -> list[str]:
    """The columns of all sources: `Country` in one and `country` in another are one, spelled as it is first."""
    names: list[str] = []
    for kinds in every:
        taken = {name.lower() for name in names if name not in kinds}
        names += [name for name in kinds if name not in names and name.lower() not in taken]
    return names


def _spelled(kinds: dict[str, str], names: list[str]) -> dict[str, str]:
    """Stacked column → how one source spells it, of those that it has."""
    loosely = {name.lower(): name for name in kinds if name not in names}
    found = {name: name if name in kinds else loosely.get(name.lower()) for name in names}
    return {name: said for name, said in found.items() if said is not None}


def _as_in_all(name: str, said: str | None, kinds: list[str]) -> str:
    """A column as it is stacked: missing where a source lacks it, text where sources differ in more than precision."""
    if said is None:
        return f"CAST(NULL AS {kinds[0]}) AS {quote(name)}"
    families = {next((_FAMILIES[start] for start in _FAMILIES if found.startswith(start)), found) for found in kinds}
    return f"{quote(said) if len(families) <= 1 else f'CAST({quote(said)} AS VARCHAR)'} AS {quote(name)}"


def times(table: str) -> list[str]:
    """The columns of a table that hold times."""
    return [name for name in (*REQUIRED[table], *OPTIONAL[table]) if name.endswith("_at") or name == "date"]


def made_columns(table: str) -> list[str]:
    """The columns that a table's raw view has besides those that came."""
    return [
        "_row",
        *map(_plain, NUMBERS),
        "_is_line",
        "_like",
        "_source",
        FILE,
        REST,
        UNKNOWN,
        *(f"_{flag}" for flag in FLAGS),
        *map(local, times(table)),
        *map(_outside, times(table)),
        *(_no_end(name) for name in times(table) if name in ENDS),
    ]


def _outside(name: str) -> str:
    """The column that says whether a time lies in no year that it may have."""
    return quote(f"_outside_{name}")


def _no_end(name: str) -> str:
    """The column that says whether a time stands for none."""
    return quote(f"_no_{name}")


def local(name: str) -> str:
    """The column that holds a time as local time of the report."""
    return quote(f"_local_{name}")


def _plain(name: str) -> str:
    """The column that holds numbers as plain text, where they came otherwise."""
    return quote(f"_plain_{name}")


def _agreed(column: str) -> str:
    """What an order's lines say with one voice; lines that say nothing do not count."""
    return f"CASE WHEN min({column}) = max({column}) THEN min({column}) WHEN min({column}) IS NOT NULL THEN '{SEVERAL}' END AS {column}"
