"""Stacks the sources of a table: the view `TABLE_raw`, with each time as local time of the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from retention_kit.data.checks import Finding
from retention_kit.data.cleaning.raw_columns import (
    FLAGS,
    NUMBERS,
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
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import NUMERIC, literal
from retention_kit.data.readers.sources import Source
from retention_kit.data.readers.union import FILE
from retention_kit.data.values.aggregates import AggregateBatch
from retention_kit.data.values.amounts import Hints, find_other_signs, read_numbers
from retention_kit.data.values.missing import (
    EMPTY_WORDS,
    count_empty_words,
    count_possible_empty_words,
    null_if_empty_word,
)
from retention_kit.data.values.suggestions import ExpressionTarget
from retention_kit.data.values.times import ENDS, TimeColumn, read_times, span_of, stepwise
from retention_kit.settings import Settings
from retention_kit.wording import COMMA, Sentence, money_decimals, quoted, sentence


class _Part(NamedTuple):
    """A source: the types of its columns, its spelling of the stacked columns, and aggregates of its rows."""

    source: Source
    kinds: dict[str, str]
    spelling: dict[str, str]
    batch: AggregateBatch
    words: dict[str, str]  # SQL of columns that may have words for missing values
    counts: dict[str, Callable[[], int]]

    @classmethod
    def of(cls, engine: Engine, table: str, source: Source, kinds: dict[str, str], names: list[str]) -> _Part:
        """A source with the usual aggregates in one batch."""
        batch, spelling = AggregateBatch(engine, source.name), spellings(kinds, names)
        words = {
            name: text_sql(spelling[name], kinds[spelling[name]])
            for name in EMPTY_WORDS
            if name in spelling
            and kinds[spelling[name]].startswith(("VARCHAR", "ENUM", *(NUMERIC if name in ENDS else ())))  # an end of 0
        }
        for name in times(table):
            if kinds.get(name, "").startswith("TIMESTAMP") and kinds[name] != "TIMESTAMP WITH TIME ZONE":
                span_of(batch, name)
        return cls(source, kinds, spelling, batch, words, count_possible_empty_words(batch, words))


class Stack:
    """The stacked sources of a table: creates the view `TABLE_raw`.

    `types` are those of the view's columns, `empty` our columns with words for missing values, `constant` columns with
    the same SQL value in every row.
    """

    def __init__(self, engine: Engine, table: str, sources: list[Source], settings: Settings):
        """Raises DataError if a column can be read in two ways, or mixes them."""
        self._engine, self._table = engine, table
        self._zone, self._currency = settings.report.timezone, settings.report.currency
        self.has_files = any(source.files for source in sources)
        self.is_naive = False
        self.findings: list[Finding] = []
        types_by_source = [engine.types(source.name) for source in sources]
        names = stacked_names(types_by_source)
        parts = [
            _Part.of(engine, table, source, kinds, names)
            for source, kinds in zip(sources, types_by_source, strict=True)
        ]
        self.empty = self._find_empty_words(parts)
        self.constant: dict[str, str] = {}
        engine.run(f"CREATE VIEW {table}_raw AS {self._query(parts, names)}")
        self.types = engine.types(f"{table}_raw")

    def _query(self, parts: list[_Part], names: list[str]) -> str:
        """SQL for all source rows, with their number, whether they are lines, and each time as local time."""
        types_by_name = {
            name: [part.kinds[part.spelling[name]] for part in parts if name in part.spelling] for name in names
        }
        if "_like" not in types_by_name:
            types_by_name["_like"] = ["BIGINT"]
            self.constant["_like"] = "CAST(NULL AS BIGINT)"
        numbers = self._read_numbers(parts)
        if self.has_files:
            types_by_name.setdefault(FILE, ["INTEGER"])
        queries, added_by_part = [], []
        for number, part in enumerate(parts):
            columns = [self._read_time(part, name) for name in times(self._table)]
            added = {local_column(column.name): column.moment for column in columns}
            added |= {outside_column(column.name): column.outside for column in columns}
            added |= {no_end_column(column.name): column.no_end for column in columns if column.name in ENDS}
            for flag in FLAGS:
                ways = dict.fromkeys(getattr(column, flag) for column in columns)
                condition = " OR ".join(way for way in ways if way != "false")
                added[f"_{flag}"] = f"coalesce({condition}, false)" if condition else "false"
            added |= {plain_column(name): sql[number] for name, sql in numbers.items()}
            added["_is_line"] = str(part.source.is_lines).lower()
            if self.has_files or self._table == "responses":
                added["_source"] = str(number)
            selected = [stacked_column(name, part.spelling.get(name), types) for name, types in types_by_name.items()]
            selected += [f"{sql} AS {column}" for column, sql in added.items()]
            queries.append(f"SELECT {', '.join(selected)} FROM {stepwise(part.source.name, columns)}")
            added_by_part.append(added)
        for column in added_by_part[0]:
            values = {added[column] for added in added_by_part}
            if len(values) == 1 and values <= {"true", "false"}:
                self.constant[column] = values.pop()
        return f"SELECT *, row_number() OVER () AS _row FROM ({' UNION ALL '.join(queries)}) AS stacked"

    def _find_empty_words(self, parts: list[_Part]) -> dict[str, tuple[str, ...]]:
        """The words for missing values in each column, and findings about them."""
        counted: dict[str, Counter] = {}
        for part in parts:
            words_by_column = count_empty_words(self._engine, part.source.name, part.words, part.counts)
            for name, words in words_by_column.items():
                counted.setdefault(name, Counter()).update(words)
        if counted:
            examples = [
                sentence("quality.details.word", column=name, word=quoted(word), rows=float(rows))
                for name, words in counted.items()
                for word, rows in words.items()
            ]
            rows = sum(sum(words.values()) for words in counted.values())
            detail = Sentence.joined(*examples[:6], between=COMMA)
            self.findings.append(Finding("word for an empty cell", rows, detail))
        return {name: tuple(words) for name, words in counted.items()}

    def _read_numbers(self, parts: list[_Part]) -> dict[str, list[str]]:
        """SQL for columns of numbers as plain text, by source; without those that are plain in every source."""
        columns = {}
        for name in NUMBERS:
            read = [self._read_number(part, name) for part in parts]
            if not all(is_plain for _, is_plain in read):
                columns[name] = [text for text, _ in read]
        return columns

    def _read_number(self, part: _Part, name: str) -> tuple[str, bool]:
        """A source's column of numbers as plain text, and whether it was plain already."""
        source, kinds, column = part.source, part.kinds, part.spelling.get(name)
        text = null_if_empty_word(text_sql(column or name, kinds.get(column or name)), self.empty.get(name, ()))
        if not column or kinds[column] != "VARCHAR":
            return text, True
        report, is_money = self._currency, name in ("amount", "refunded")
        hints = Hints(
            source.decimal,
            source.delimiter,
            money_decimals(report) if is_money else None,
            report if is_money and "currency" not in part.spelling else None,
        )
        label = f"The {self._table} column {name!r}"
        number_format = read_numbers(self._engine, source.name, text, label, hints)
        if number_format.assumed:
            detail = Sentence.joined(name, number_format.assumed)
            self.findings.append(Finding("number that may be read in two ways", number_format.open_rows, detail))
        if is_money and "currency" in part.spelling:
            code = f"coalesce(nullif(upper({text_sql(part.spelling['currency'], 'VARCHAR')}), ''), {literal(report)})"
            self.findings += find_other_signs(
                self._engine, self._table, source.name, name, text, code, number_format.markers
            )
        return number_format.sql(text), number_format.is_plain

    def _read_time(self, part: _Part, name: str) -> TimeColumn:
        """SQL for a column as local time of the report, NULL for values that are no dates."""
        source, kind = part.source, part.kinds.get(name)
        dialect = "pandas" if source.is_frame else self._engine.dialect
        files = " ".join(f"WHEN {number} THEN {literal(file)}" for number, file in enumerate(source.files))
        written = ExpressionTarget(
            self._table, source.columns, dialect, f"CASE {FILE} {files} END" if source.files else ""
        )
        text = null_if_empty_word(text_sql(name, kind), self.empty.get(name, ()))
        zone = source.timezone, self._zone or "UTC"
        column = read_times(self._engine, part.batch, source.name, name, text, kind, *zone, written)
        self.is_naive |= column.is_naive and not (source.timezone or self._zone)
        return column
