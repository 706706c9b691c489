"""SQL that types raw columns: dates to the report's local time, money to minor units, ids to text."""

from __future__ import annotations

from retention_kit.data.checks import Finding
from retention_kit.data.cleaning.keys import FEW, are_unique
from retention_kit.data.cleaning.raw_columns import (
    FLAGS,
    LONGEST,
    agreed_value,
    capped_text,
    is_number,
    local_column,
    no_end_column,
    outside_column,
    plain_column,
    text_sql,
    times,
)
from retention_kit.data.cleaning.raw_values import RawValues, inspect_values
from retention_kit.data.cleaning.segments import choose_segments
from retention_kit.data.cleaning.stacking import Stack
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import NO_TEXT, literal, quote, segment_column
from retention_kit.data.readers.sources import Source
from retention_kit.data.readers.union import FILE, REST
from retention_kit.data.schema import IDENTITY, OPTIONAL, REQUIRED
from retention_kit.data.values.amounts import find_extra_decimals
from retention_kit.data.values.ids import read_ids
from retention_kit.data.values.missing import null_if_empty_word
from retention_kit.data.values.scales import bounds_sql, read_scales, refuse_reversed
from retention_kit.data.values.times import ENDS
from retention_kit.data.values.typed_amounts import is_whole, whole_amount
from retention_kit.data.values.vocabulary import scale_words, score_words, subscription_words
from retention_kit.settings import Settings
from retention_kit.wording import money_decimals

# Within them the square of a weight is a number: an infinite one, or one of 1e200, is none.
WEIGHTS = {"lightest": "1e-12", "heaviest": "1e12"}

# Excludes lines of an order that are in an earlier file of a pattern, too, as often as they are there. Lines with the
# same figures are the same, since a status may have changed between exports.
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

# Columns of typed rows besides the flags of times → the SQL part they are computed from; often constant.
_FLAG_COLUMNS = {
    "orders": {"_is_line": "is_line", "_like": "like", "outside": "ordered_at_outside"},
    "subscriptions": {
        "outside": "started_at_outside",
        "outside_end": "ended_at_outside",
        "outside_trial": "trial_ends_at_outside",
        "unreadable_end": "ended_at_unreadable",
        "unreadable_trial": "trial_ends_at_unreadable",
    },
}
_ALIASES = {"orders": "orders", "subscriptions": "spells"}  # of the typed rows
# Typed columns → the source column, which may be missing.
_OPTIONAL = {
    "orders": {"refund_of": "refund_of", "currency": "currency"},
    "subscriptions": {
        "billed": "interval",
        "currency": "currency",
        "trial_ends_at": "trial_ends_at",
        "cancel_reason": "cancel_reason",
        "status": "status",
    },
}


class Columns:
    """The typed columns of one table by name (`sql`), its segment columns, and whether its times lack a zone.

    Times become local before the sources are stacked, so that every source may write them its own way.
    """

    def __init__(self, engine: Engine, table: str, sources: list[Source], settings: Settings):
        self._engine, self._table = engine, table
        self._report_zone = settings.report.timezone
        self._currency = settings.report.currency
        self._times = times(table)
        self._types: dict[str, str] = {}  # of the columns of the raw view
        self._empty: dict[str, tuple[str, ...]] = {}  # our columns → words for a missing value
        self.is_naive = False
        self.has_lines = any(source.is_lines for source in sources)
        self.is_mixed = self.has_lines and not all(source.is_lines for source in sources)
        self.has_files = any(source.files for source in sources)
        self.has_refunded = False
        self.has_discounts = True
        self.has_unique_key = False  # whether the ids of its rows are certainly unique
        self.has_problems = True  # whether a row may be excluded
        self.has_rest = False  # whether columns that are no segments are compared to find identical rows
        self.segments: list[str] = []
        self.excluded: dict[str, str] = {}  # column that is no segment → why
        self.findings: list[Finding] = []
        self.values = RawValues()
        self.constant = {"false": "false"}  # columns of the raw view with the same value in every row
        self.sql: dict[str, str] = {}

    @classmethod
    def inspect(cls, engine: Engine, table: str, sources: list[Source], settings: Settings) -> Columns:
        """Inspect the values of a table's sources: make the view `TABLE_raw` and decide how each column is read.

        Raises DataError if a column can be read in two ways, or mixes them.
        """
        columns = cls(engine, table, sources, settings)
        stack = Stack(engine, table, sources, settings)
        columns._types, columns._empty = stack.types, stack.empty
        columns.constant |= stack.constant
        columns.findings, columns.is_naive = stack.findings, stack.is_naive
        columns._choose_segments(sources, settings)
        decimals = money_decimals(settings.report.currency)
        columns.values = inspect_values(engine, table, columns._types, columns.segments, decimals)
        columns._name_parts(settings)
        columns._type_columns(sources)
        if table == "subscriptions":
            texts = {name: columns.text(name) for name in ("interval", "status")}
            columns.sql |= subscription_words(engine, texts)
            columns.sql["billed"] = f"coalesce({columns.sql['interval']}, 'month')"
        if table == "responses":
            columns._read_answers(sources)
        columns._split_stored()
        return columns

    def _choose_segments(self, sources: list[Source], settings: Settings) -> None:
        """Choose segments among the other columns."""
        declared = [*REQUIRED[self._table], *OPTIONAL[self._table]]
        others = [name for name in self._types if name not in declared and not name.startswith("_")]
        self.segments, self.excluded = choose_segments(
            self._engine, self._table, sources, others, settings.report.segments
        )

    def _name_parts(self, settings: Settings) -> None:
        """SQL parts for segment columns, for other compared columns, and for options."""
        rest = {name: quote(f"rest.{name}") for name in (*self.excluded, REST) if name in self._types}
        columns = {name: segment_column(name) for name in self.segments}
        self.has_rest = bool(rest)
        self.sql |= {
            # Columns that are no segments are not kept, but compared to find identical rows.
            "rest_joined": f"LEFT JOIN {self._table}_rest AS rest ON rest._row = judged._row" if rest else "",
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
            **WEIGHTS,
            "weight_given": f"({self.text('weight')} IS NOT NULL)",
            "files": f", _source, {FILE}" if self.has_files else "",
            "file": f", {FILE}" if self.has_files else "",
            "overlap": _OVERLAP if self.has_files and self.has_lines else "",
            "score_text": self.text("score"),
            "is_line": "_is_line",
            "like": "_like",
        }

    def _type_columns(self, sources: list[Source]) -> None:
        """SQL for the typed values of each of our columns."""
        names = [*REQUIRED[self._table], *OPTIONAL[self._table]]
        texts = {name: self.text(name) for name in self.values.ids}
        ids = read_ids(self._engine, self._table, texts, self.values.ids, fold=any(source.fold for source in sources))
        self.findings += ids.findings
        for name in names:
            if name in self._times:
                self.sql[name] = local_column(name)
                self.sql[f"{name}_outside"] = outside_column(name)
                source_value = (
                    quote(name) if self._types.get(name, "").startswith(("DATE", "TIMESTAMP")) else self.text(name)
                )
                unreadable = f"{source_value} IS NOT NULL AND {local_column(name)} IS NULL"
                unreadable = f"({unreadable}{f' AND NOT {no_end_column(name)}' * (name in ENDS)})"
                self.sql[f"{name}_unreadable"] = unreadable if name in self._types else "false"
            elif name in ("score", "weight", "rate"):
                self.sql[name] = f"TRY_CAST({self.number(name)} AS DOUBLE)"
            elif name == "currency":
                self.sql[name] = f"nullif(upper({self.text(name)}), {literal(self._currency)})"
            elif name == "comment":
                self.sql[name] = f"left({self.text(name)}, {LONGEST})"
            else:
                self.sql[name] = self._capped(name, ids.sql.get(name) or self.text(name))

    def _read_answers(self, sources: list[Source]) -> None:
        """SQL for the scores of responses and their scale, and for the order of repeated exports of an answer."""
        engine, score = self._engine, self.text("score")
        if self._types.get("score") == "VARCHAR":
            refuse_reversed(engine, self.text("survey"), score)
            self.sql["score"] = f"TRY_CAST({score_words(engine, score)} AS DOUBLE)"
        scale, findings = read_scales(engine, self.text("survey"), score, self.text("scale"))
        self.findings += findings
        if "scale" in self._types:
            scale = f"coalesce({scale_words(engine, self.text('scale'))}, {scale})"
        self.sql |= {"scale": scale, **bounds_sql()}
        # If an answer is exported twice, a readable one counts.
        readable = "CASE WHEN responded_at IS NULL OR score IS NULL THEN 1 ELSE 0 END"
        questions = [source.question for source in sources]
        question = "".join(
            f" WHEN {number} THEN {questions.index(expression)}" for number, expression in enumerate(questions)
        )
        repetition = (
            f"row_number() OVER (PARTITION BY survey, response_id, CASE _source{question} END ORDER BY "
            f"{readable}, _row)"
        )
        self.sql["same_response"] = repetition if "response_id" in self._types else "1"

    def _split_stored(self) -> None:
        """SQL for the columns that are stored, and for constant or missing ones, which a view adds.

        Integer keys are stored as integers; the view converts them to text.
        """
        identity = IDENTITY.get(self._table)
        if identity is None:
            return
        self.has_refunded = self._table == "orders" and self.has("refunded")
        undated = "least(refunded, sold)" if self.has_refunded else "CAST(0 AS BIGINT)"
        self.sql["undated"], self.sql["beyond"] = undated, f"refunded - {undated}" if self.has_refunded else undated
        self.sql["rounded_amount"] = "CAST(round(amount) AS BIGINT)" if self.has_lines else "amount"
        flags = {f"_{flag}": f"_{flag}" for flag in FLAGS}
        flags |= {name: self.sql[sql] for name, sql in _FLAG_COLUMNS[self._table].items()}
        stored = {name: sql for name, sql in flags.items() if sql not in self.constant}
        absent = {name: self.constant[sql] for name, sql in flags.items() if sql in self.constant}
        for name, source in _OPTIONAL[self._table].items():
            if self.has(source):
                stored[name] = self.sql[name]
            else:
                absent[name] = "CAST(NULL AS TIMESTAMP)" if source in self._times else self.sql[name]
        self.sql["key"] = identity
        if not self.has(identity):
            absent[identity] = "CAST(_row AS VARCHAR)"
        elif is_whole(self._types[identity]):
            self.sql["key"] = "key_number"
            stored["key_number"], absent[identity] = quote(identity), "CAST(key_number AS VARCHAR)"
        else:
            stored[identity] = self.sql[identity]
        self.sql["stored"] = "".join(f", {sql} AS {name}" for name, sql in stored.items())
        self.sql["absent"] = "".join(f", {sql} AS {name}" for name, sql in absent.items())
        words = [name for name in _OPTIONAL[self._table] if name != "trial_ends_at"]
        self.sql["optional"] = "".join(f", {name}" for name in words if name in stored)
        self.sql["absent_optional"] = "".join(f", {absent[name]} AS {name}" for name in words if name in absent)

    def number_rows(self, statement: str, parts: dict[str, str]) -> None:
        """Store the numbers of rows in `statement`, which makes `TABLE_read`, unless the engine gives the same itself:
        storing them has the embedded engine read row after row.
        """
        self.sql["row"] = ""
        if self._engine.keeps_order(statement, **parts | self.sql):
            self.sql["absent"] = f", rowid + 1 AS _row{self.sql['absent']}"
        else:
            self.sql["row"] = "_row,"

    def judge_keys(self) -> None:
        """Decide whether rows have to be excluded, after `TABLE_judged` is made; unique keys need no comparison."""
        key, identity = self.sql["key"], IDENTITY[self._table]
        compared = "fault IS NULL AND NOT _is_line" if self._table == "orders" else "fault IS NULL"
        is_small = self.values.rows <= FEW
        ((faults, nameless, filled, different),) = self._engine.rows(
            f"SELECT count(fault), count(CASE WHEN {compared} AND {key} IS NULL THEN 1 END), "
            f"count(CASE WHEN {compared} THEN {key} END), "
            f"{f'count(DISTINCT CASE WHEN {compared} THEN {key} END)' if is_small else '0'} FROM {self._table}_judged"
        )
        self.has_unique_key = not self.has(identity) or (
            filled == different
            if is_small
            else are_unique(self._engine, f"{self._table}_read", key, self.values.rows, is_number=key != identity)
        )
        self.has_problems = bool(faults or nameless or not self.has_unique_key or self.sql["overlap"])
        self.sql["has_key"] = str(not self.has_unique_key).lower()
        self.sql["problem"] = "problems.problem" if self.has_problems else NO_TEXT
        joined = f"LEFT JOIN {self._table}_problems AS problems ON problems._row = {_ALIASES[self._table]}._row"
        self.sql["problems_joined"] = joined if self.has_problems else ""

    def has(self, name: str) -> bool:
        """Whether the table has a column with this name."""
        return name in self._types

    def text(self, name: str) -> str:
        """SQL for a column as text, with empty or missing ones as NULL."""
        text = text_sql(name, self._types.get(name), self.values.writing.get(name))
        return null_if_empty_word(text, self._empty.get(name, ()))

    def _capped(self, name: str, text: str) -> str:
        """SQL for the text of a column, shortened if it may be too long."""
        kind, writing = self._types.get(name), self.values.writing.get(name)
        if kind is None or is_number(kind):
            return text
        is_original = writing is not None and text in (self.text(name), f"lower({self.text(name)})")
        return text if writing and is_original and writing.longest * 3 <= LONGEST else capped_text(text)

    def number(self, name: str) -> str:
        """SQL for a column of numbers as plain text, whatever their format."""
        return plain_column(name) if plain_column(name).strip('"') in self._types else self.text(name)

    def set_money(self, minor: int, scale: int) -> None:
        """SQL for the amounts in units of 1 / (`minor` × `scale`)."""
        self.sql["amount"] = self.money("amount", minor, scale)
        codes = [self._currency, *filter(None, self.currencies())]
        if (codes[1:] or self.values.finer) and not is_whole(self._types.get("amount", "")):
            number = self.number("amount")
            if self._types["amount"] in ("DOUBLE", "FLOAT"):  # so that 0.1 + 0.2 has as many decimals as 0.3
                number = f"CAST(TRY_CAST({number} AS DECIMAL(28, 6)) AS VARCHAR)"
            self.findings += find_extra_decimals(
                self._engine, f"{self._table}_raw", number, self.sql["currency"], codes
            )
        if self._table == "orders":
            refunded = (
                f", abs({self.money('refunded', minor, scale)}) AS refunded, {self.text('refunded')} AS refunded_text"
            )
            self.sql["stored"] += refunded if self.has_refunded else ""
            self.sql["absent"] += (
                ""
                if self.has_refunded
                else ", CAST(NULL AS BIGINT) AS refunded, CAST(NULL AS VARCHAR) AS refunded_text"
            )

    def money(self, name: str, minor: int, scale: int) -> str:
        """SQL for a column of money in units of 1 / (`minor` × `scale`), finer than minor ones for conversion.

        For order lines it is not rounded, since their sum will be.
        """
        scaled = f"TRY_CAST({self.number(name)} AS DECIMAL(28, 6)) * {minor * scale}"
        units = f"TRY_CAST(round({scaled}) AS BIGINT)"
        if minor * scale <= 10**6:
            units = f"whole_units({self.number(name)}, {minor * scale})"
        if scale > 1:
            home = f"TRY_CAST(round(TRY_CAST({self.number(name)} AS DECIMAL(28, 6)) * {minor}) * {scale} AS BIGINT)"
            units = f"CASE WHEN {self.sql['currency']} IS NULL THEN {home} ELSE {units} END"
        elif name in self._types and not self.has_lines:
            units = whole_amount(quote(name), self._types[name], minor, units)
        if not self.has_lines:
            return units
        return f"CASE WHEN NOT _is_line THEN {units} WHEN {units} IS NOT NULL THEN {scaled} END"

    def currencies(self) -> list[str | None]:
        """The currencies of the rows, with None for the report's."""
        if "currency" not in self._types:
            return []
        query = f"SELECT DISTINCT $currency FROM {self._table}_raw ORDER BY 1 NULLS LAST"
        return [code for (code,) in self._engine.rows(query, **self.sql)]
