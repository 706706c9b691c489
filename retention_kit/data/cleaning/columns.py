"""SQL that types raw columns: dates to the report's local time, money to minor units, ids to text."""

from __future__ import annotations

from collections import Counter

from retention_kit.data.checks import Finding
from retention_kit.data.cleaning.raw_columns import (
    FLAGS,
    LONGEST,
    NUMBERS,
    agreed_value,
    capped_text,
    is_number,
    local_column,
    no_end_column,
    outside_column,
    plain_column,
    spellings,
    stacked_column,
    stacked_names,
    text_sql,
    times,
)
from retention_kit.data.cleaning.raw_values import RawValues, look_at_values
from retention_kit.data.cleaning.segments import choose_segments
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal, quote, segment_column
from retention_kit.data.readers.sources import Source
from retention_kit.data.readers.union import FILE, REST
from retention_kit.data.schema import IDENTITY, OPTIONAL, REQUIRED
from retention_kit.data.values.amounts import Hints, find_extra_decimals, find_other_signs, read_numbers
from retention_kit.data.values.ids import read_ids
from retention_kit.data.values.missing import EMPTY_WORDS, count_empty_words, null_if_empty_word
from retention_kit.data.values.scales import bounds_sql, read_scales, refuse_reversed
from retention_kit.data.values.suggestions import ExpressionTarget
from retention_kit.data.values.times import ENDS, TimeColumn, read_times
from retention_kit.data.values.typed_amounts import is_whole, whole_amount
from retention_kit.data.values.vocabulary import scale_words, score_words, subscription_words
from retention_kit.settings import Settings
from retention_kit.wording import COMMA, Sentence, money_decimals, quoted, sentence

# Of one order's lines, those that an earlier file of a pattern holds too: as often as it holds them. Alike are lines
# whose figures are, since a status may have changed from one export to the next.
_OVERLAP = """UNION ALL
SELECT _row, 'same line in another file' AS problem FROM (
    SELECT _row, row_number() OVER (PARTITION BY _source, order_id, ordered_at, amount, customer_id, refund_of,
                                    refunded, currency, copy ORDER BY _file_number, _row) AS place
    FROM (
        SELECT _row, _source, _file_number, order_id, ordered_at, amount, customer_id, refund_of, refunded, currency,
               row_number() OVER (PARTITION BY _source, order_id, ordered_at, amount, customer_id, refund_of,
                                  refunded, currency, _file_number ORDER BY _row) AS copy
        FROM orders_judged
        WHERE _is_line AND fault IS NULL AND _file_number IS NOT NULL AND order_id IN (
            SELECT order_id FROM orders_judged WHERE _is_line AND order_id IS NOT NULL
            GROUP BY order_id, _source HAVING min(_file_number) <> max(_file_number)
        )
    ) AS copies
) AS repeats WHERE place > 1"""


class Columns:
    """The typed columns of one table by name (`sql`), its segment columns, and whether its times lack a zone.

    Times become local before the sources are stacked, so that every source may write them its own way.
    """

    def __init__(self, engine: Engine, table: str, sources: list[Source], settings: Settings):
        self._engine, self._table = engine, table
        self._report_zone = settings.report.timezone
        self._currency = settings.report.currency
        self._times = times(table)
        self._types: dict[str, str] = {}  # of the raw view's columns
        self._empty: dict[str, tuple[str, ...]] = {}  # our columns with words for nothing
        self.is_naive = False
        self.has_lines = any(source.is_lines for source in sources)
        self.is_mixed = self.has_lines and not all(source.is_lines for source in sources)
        self.has_files = any(source.files for source in sources)
        self.has_refunded = False
        self.segments: list[str] = []
        self.excluded: dict[str, str] = {}  # column that is no segment → why
        self.findings: list[Finding] = []
        self.values = RawValues()
        self.sql: dict[str, str] = {}

    @classmethod
    def inspect(cls, engine: Engine, table: str, sources: list[Source], settings: Settings) -> Columns:
        """Look at the values of a table's sources: make the view `TABLE_raw` and decide how each column is read.

        Raises DataError where a column can be read in two ways, or mixes them.
        """
        columns = cls(engine, table, sources, settings)
        columns._stack_sources(sources)
        columns._types = engine.types(f"{table}_raw")
        columns._choose_segments(sources, settings)
        decimals = money_decimals(settings.report.currency)
        columns.values = look_at_values(engine, table, columns._types, columns.segments, decimals)
        columns._name_parts(settings)
        columns._type_columns(sources)
        if table == "subscriptions":
            texts = {name: columns.text(name) for name in ("interval", "status")}
            columns.sql |= subscription_words(engine, texts)
        if table == "responses":
            columns._read_answers(sources)
        columns._leave_absent()
        return columns

    def _choose_segments(self, sources: list[Source], settings: Settings) -> None:
        """Which of the columns that are not ours become segments."""
        ours = [*REQUIRED[self._table], *OPTIONAL[self._table]]
        others = [name for name in self._types if name not in ours and not name.startswith("_")]
        self.segments, self.excluded = choose_segments(
            self._engine, self._table, sources, others, settings.report.segments
        )

    def _name_parts(self, settings: Settings) -> None:
        """The SQL parts of segment columns, of what else tells rows apart, and of options."""
        rest = {name: quote(f"rest.{name}") for name in (*self.excluded, REST) if name in self._types}
        columns = {name: segment_column(name) for name in self.segments}
        self.sql |= {
            # What is no segment is not carried on, but tells rows apart that are alike in all else.
            "has_rest": str(bool(rest)).lower(),
            "raw_rest": "".join(f", {self.text(name)} AS {column}" for name, column in rest.items()),
            "rest": "".join(f", {column}" for column in rest.values()),
            "raw_extras": "".join(
                f", {self._capped(name, self.text(name))} AS {column}" for name, column in columns.items()
            ),
            "agreed_extras": "".join(f", {agreed_value(column)}" for column in columns.values()),
            **{
                f"{alias}extras": "".join(f", {alias.replace('_', '.')}{column}" for column in columns.values())
                for alias in ("", "usable_", "counted_", "orders_", "placed_", "spells_")
            },
            "zero_is_purchase": str(settings.definitions.zero_orders == "purchase").lower(),
            "weight_given": f"({self.text('weight')} IS NOT NULL)",
            "files": f", _source, {FILE}" if self.has_files else "",
            "file": f", {FILE}" if self.has_files else "",
            "overlap": _OVERLAP if self.has_files and self.has_lines else "",
            "score_text": self.text("score"),
        }

    def _type_columns(self, sources: list[Source]) -> None:
        """SQL that types each of our columns."""
        names = [*REQUIRED[self._table], *OPTIONAL[self._table]]
        texts = {name: self.text(name) for name in self.values.ids}
        ids = read_ids(self._engine, self._table, texts, self.values.ids, fold=any(source.fold for source in sources))
        self.findings += ids.findings
        for name in names:
            if name in self._times:
                self.sql[name] = local_column(name)
                self.sql[f"{name}_outside"] = outside_column(name)
                unread = f"{self.text(name)} IS NOT NULL AND {local_column(name)} IS NULL"
                self.sql[f"{name}_unreadable"] = f"({unread}{f' AND NOT {no_end_column(name)}' * (name in ENDS)})"
            elif name in ("score", "weight", "rate"):
                self.sql[name] = f"TRY_CAST({self.number(name)} AS DOUBLE)"
            elif name == "currency":
                self.sql[name] = f"nullif(upper({self.text(name)}), {literal(self._currency)})"
            elif name == "comment":
                self.sql[name] = f"left({self.text(name)}, {LONGEST})"
            else:
                self.sql[name] = self._capped(name, ids.sql.get(name) or self.text(name))

    def _read_answers(self, sources: list[Source]) -> None:
        """How the scores of responses are read, on which scale, and which of two exports of one answer counts."""
        engine, score = self._engine, self.text("score")
        if self._types.get("score") == "VARCHAR":
            refuse_reversed(engine, self.text("survey"), score)
            self.sql["score"] = f"TRY_CAST({score_words(engine, score)} AS DOUBLE)"
        scale, findings = read_scales(engine, self.text("survey"), score, self.text("scale"))
        self.findings += findings
        if "scale" in self._types:
            scale = f"coalesce({scale_words(engine, self.text('scale'))}, {scale})"
        self.sql |= {"scale": scale, **bounds_sql()}
        # Of two exports of one answer that which can be read counts.
        readable = "CASE WHEN responded_at IS NULL OR score IS NULL THEN 1 ELSE 0 END"
        questions = [source.question for source in sources]
        question = "".join(f" WHEN {number} THEN {questions.index(one)}" for number, one in enumerate(questions))
        repetition = (
            f"row_number() OVER (PARTITION BY survey, response_id, CASE _source{question} END ORDER BY "
            f"{readable}, _row)"
        )
        self.sql["same_response"] = repetition if "response_id" in self._types else "1"

    def _leave_absent(self) -> None:
        """Columns that never came take no room: a view adds them as NULL."""
        names = [*REQUIRED[self._table], *OPTIONAL[self._table]]
        optional = [name for name in ("refund_of", "currency") if name in names]
        present = [name for name in optional if name in self._types]
        self.has_refunded = "refunded" in names and "refunded" in self._types
        self.sql["raw_optional"] = "".join(f", {self.sql[name]} AS {name}" for name in present)
        self.sql["absent"] = "".join(f", CAST(NULL AS VARCHAR) AS {name}" for name in optional if name not in present)
        identity = IDENTITY.get(self._table)
        self.sql["has_key"] = str(identity in self._types).lower()
        if identity and identity not in self._types:
            self.sql[identity] = "CAST(_row AS VARCHAR)"

    def has(self, name: str) -> bool:
        """Whether the table has a column of this name."""
        return name in self._types

    def text(self, name: str) -> str:
        """A column as text, empty as NULL, also where the table has none of that name."""
        text = text_sql(name, self._types.get(name), self.values.writing.get(name))
        return null_if_empty_word(text, self._empty.get(name, ()))

    def _capped(self, name: str, text: str) -> str:
        """SQL of a text of a column, cut where one may be long."""
        kind, writing = self._types.get(name), self.values.writing.get(name)
        if kind is None or is_number(kind):
            return text
        is_as_it_came = writing is not None and text in (self.text(name), f"lower({self.text(name)})")
        return text if writing and is_as_it_came and writing.longest * 3 <= LONGEST else capped_text(text)

    def number(self, name: str) -> str:
        """A column of numbers as plain text, however it writes them."""
        return plain_column(name) if plain_column(name).strip('"') in self._types else self.text(name)

    def set_money(self, minor: int, scale: int) -> None:
        """Read the amounts, now that the units they are kept in are known."""
        self.sql["amount"] = self.money("amount", minor, scale)
        codes = [self._currency, *filter(None, self.currencies())]
        if (codes[1:] or self.values.finer) and not is_whole(self._types.get("amount", "")):
            number = self.number("amount")
            if self._types["amount"] in ("DOUBLE", "FLOAT"):  # 0.1 + 0.2 is no finer than 0.3
                number = f"CAST(TRY_CAST({number} AS DECIMAL(28, 6)) AS VARCHAR)"
            self.findings += find_extra_decimals(
                self._engine, f"{self._table}_raw", number, self.sql["currency"], codes
            )
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
        """A column in minor units of the report's currency, each of `scale` units; foreign ones are finer, until
        converted.

        Of order lines it is not rounded, since their sum is.
        """
        scaled = f"TRY_CAST({self.number(name)} AS DECIMAL(28, 6)) * {minor * scale}"
        whole = f"TRY_CAST(round({scaled}) AS BIGINT)"
        if minor * scale <= 10**6:
            whole = f"whole_units({self.number(name)}, {minor * scale})"
        if scale > 1:
            home = f"TRY_CAST(round(TRY_CAST({self.number(name)} AS DECIMAL(28, 6)) * {minor}) * {scale} AS BIGINT)"
            whole = f"CASE WHEN {self.sql['currency']} IS NULL THEN {home} ELSE {whole} END"
        elif name in self._types and not self.has_lines:
            whole = whole_amount(quote(name), self._types[name], minor, whole)
        if not self.has_lines:
            return whole
        return f"CASE WHEN NOT _is_line THEN {whole} WHEN {whole} IS NOT NULL THEN {scaled} END"

    def currencies(self) -> list[str | None]:
        """The currencies that the rows are in, the report's as None."""
        if "currency" not in self._types:
            return []
        query = f"SELECT DISTINCT $currency FROM {self._table}_raw ORDER BY 1 NULLS LAST"
        return [code for (code,) in self._engine.rows(query, **self.sql)]

    def _stack_sources(self, sources: list[Source]) -> None:
        """The view of all rows as they came, with their number, whether they are lines, and each time's local time."""
        types_by_source = [self._engine.types(source.name) for source in sources]
        names_in_all = stacked_names(types_by_source)
        spellings_by_source = [spellings(kinds, names_in_all) for kinds in types_by_source]
        types_by_name = {
            name: [
                kinds[spelling[name]]
                for kinds, spelling in zip(types_by_source, spellings_by_source, strict=True)
                if name in spelling
            ]
            for name in names_in_all
        }
        types_by_name.setdefault("_like", ["BIGINT"])
        self._find_empty_words(sources, types_by_source, spellings_by_source)
        numbers = self._read_numbers(sources, types_by_source, spellings_by_source)
        parts = []
        if self.has_files:
            types_by_name.setdefault(FILE, ["INTEGER"])
        for number, (source, kinds, spelling) in enumerate(
            zip(sources, types_by_source, spellings_by_source, strict=True)
        ):
            time_columns = [self._read_time(source, name, kinds.get(name)) for name in self._times]
            times = "".join(f", {column.moment} AS {local_column(column.name)}" for column in time_columns)
            times += "".join(f", {column.outside} AS {outside_column(column.name)}" for column in time_columns)
            times += "".join(
                f", {column.no_end} AS {no_end_column(column.name)}" for column in time_columns if column.name in ENDS
            )
            flags = "".join(
                f", coalesce({' OR '.join(getattr(column, flag) for column in time_columns)}, false) AS _{flag}"
                for flag in FLAGS
            )
            plain_numbers = "".join(f", {sql[number]} AS {plain_column(name)}" for name, sql in numbers.items())
            added = f"{times}{flags}{plain_numbers}, {str(source.is_lines).lower()} AS _is_line"
            added += f", {number} AS _source" if self.has_files or self._table == "responses" else ""
            columns = ", ".join(
                stacked_column(name, spelling.get(name), types) for name, types in types_by_name.items()
            )
            parts.append(f"SELECT {columns}{added} FROM {_stepwise(source.name, time_columns)}")
        union = " UNION ALL ".join(parts)
        self._engine.run(
            f"CREATE VIEW {self._table}_raw AS SELECT *, row_number() OVER () AS _row FROM ({union}) AS stacked"
        )

    def _find_empty_words(
        self, sources: list[Source], types_by_source: list[dict], spellings_by_source: list[dict]
    ) -> None:
        """Which columns hold words for nothing, and what is to be told of them."""
        counted: dict[str, Counter] = {}
        for source, kinds, spelling in zip(sources, types_by_source, spellings_by_source, strict=True):
            texts = {
                name: text_sql(spelling[name], kinds[spelling[name]])
                for name in EMPTY_WORDS
                if name in spelling and kinds[spelling[name]].startswith(("VARCHAR", "ENUM"))
            }
            for name, words in count_empty_words(self._engine, source.name, texts).items():
                counted.setdefault(name, Counter()).update(words)
        self._empty = {name: tuple(words) for name, words in counted.items()}
        if counted:
            examples = [
                sentence("quality.told.word", column=name, word=quoted(word), rows=float(rows))
                for name, words in counted.items()
                for word, rows in words.items()
            ]
            rows = sum(sum(words.values()) for words in counted.values())
            detail = Sentence.joined(*examples[:6], between=COMMA)
            self.findings.append(Finding("word for an empty cell", rows, detail))

    def _read_numbers(
        self, sources: list[Source], types_by_source: list[dict], spellings_by_source: list[dict]
    ) -> dict[str, list[str]]:
        """The columns of numbers that are not plain in every source: how each source's are read, as plain text."""
        report, columns = self._currency, {}
        for name in NUMBERS:
            texts, is_plain = [], True
            for source, kinds, spelling in zip(sources, types_by_source, spellings_by_source, strict=True):
                column = spelling.get(name)
                text = null_if_empty_word(
                    text_sql(column or name, kinds.get(column or name)), self._empty.get(name, ())
                )
                if column and kinds[column] == "VARCHAR":
                    is_money = name in ("amount", "refunded")
                    hints = Hints(
                        source.decimal,
                        source.delimiter,
                        money_decimals(report) if is_money else None,
                        report if is_money and "currency" not in spelling else None,
                    )
                    label = f"The {self._table} column {name!r}"
                    number_format = read_numbers(self._engine, source.name, text, label, hints)
                    if number_format.assumed:
                        detail = Sentence.joined(name, number_format.assumed)
                        self.findings.append(
                            Finding("number that may be read in two ways", number_format.open_rows, detail)
                        )
                    if is_money and "currency" in spelling:
                        code = (
                            f"coalesce(nullif(upper({text_sql(spelling['currency'], 'VARCHAR')}), ''), "
                            f"{literal(report)})"
                        )
                        self.findings += find_other_signs(
                            self._engine, self._table, source.name, name, text, code, number_format.markers
                        )
                    text, is_plain = number_format.sql(text), is_plain and number_format.is_plain
                texts.append(text)
            if not is_plain:
                columns[name] = texts
        return columns

    def _read_time(self, source: Source, name: str, kind: str | None) -> TimeColumn:
        """How to read a column as local time of the report; NULL where it is no date."""
        report = self._report_zone
        dialect = "pandas" if source.is_frame else self._engine.dialect
        written = ExpressionTarget(self._table, source.columns, dialect)
        text = null_if_empty_word(text_sql(name, kind), self._empty.get(name, ()))
        clock = read_times(self._engine, source.name, name, text, kind, source.timezone, report or "UTC", written)
        self.is_naive |= clock.is_naive and not (source.timezone or report)
        return clock


def _stepwise(part: str, clocks: list[TimeColumn]) -> str:
    """A source with the columns of its clocks, each made from those before it."""
    relation = part
    for step in range(max((len(clock.steps) for clock in clocks), default=0)):
        every = [item for clock in clocks for item in (clock.steps[step].items() if step < len(clock.steps) else ())]
        relation = f"(SELECT *{''.join(f', {sql} AS {column}' for column, sql in every)} FROM {relation}) AS came"
    return relation
