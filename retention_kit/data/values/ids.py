"""Normalises ids to one text each, whatever type or spelling the source has, and finds missing and suspicious ones.

`17850`, `17850.0` and 17850 are one id. Leading zeros, long numbers and hexadecimal ids are kept. Words that programs
write for a missing value are no id, nor is a customer called `guest` or `unknown`. Customer 0, 00 or -1 is none if it
means guests: if all other ids are positive whole numbers and none is 1, else if it has more rows than any other id. The
same holds for an address such as `guest@shop.example` with more rows than any other id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from retention_kit.data.checks import Finding
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal, quote, regex_literal
from retention_kit.data.values.aggregates import AggregateBatch
from retention_kit.data.values.amounts import INVISIBLE
from retention_kit.data.values.missing import GUESTS, MISSING
from retention_kit.data.values.typed_amounts import is_whole
from retention_kit.errors import DataError
from retention_kit.wording import AND, COMMA, Sentence, Verbatim, quoted, sentence

IDS = ("customer_id", "order_id", "subscription_id", "refund_of", "response_id", "ticket_id")
BLANKS = (
    " \t\r\n\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u200b\u202f\u205f\u2060\u3000\ufeff"
)
_INVISIBLE = INVISIBLE + "\u00ad"  # a soft hyphen, which may stand for the minus of an amount
# How spreadsheets mark digits as text: ="00123" and '00123.
_EQUALS, _APOSTROPHE = '^="[^"]*"$', "^'[0-9=+@-][^']*$"
_COMBINED = (
    "[\u0300-\u036f\u0653-\u0655\u3099\u309a]"  # combining accents, which may be composed with the letter before
)
_EDGE = f"^[{BLANKS}]|[{BLANKS}]$|[{_INVISIBLE}]|{_EQUALS}|{_APOSTROPHE}|{_COMBINED}"
_ZERO = "^(0+|-1)([.]0+)?$"  # may mean a missing id
_POINT = "^(0|-?[1-9][0-9]*)[.]0+$"
_CUT = "^[0-9]([.][0-9]+)?[eE][+][0-9]+$"  # 1.23457E+12, as spreadsheets show long numbers
_ADDRESS = "^(guest|guests|anonymous|unknown|nobody|no-?reply|none|null)([+._-][^@]*)?@"  # in small letters
# Ids of rows that may be totals of others, besides those with "total" in them.
TOTALS = ("sum", "summe", "gesamt", "suma", "somme", "summa", "toplam", "итого", "всего", "合計", "合计", "总计",
          "합계", "مجموع", "المجموع", "المجموع الكلي", "إجمالي", "اجمالي", "الإجمالي", "الاجمالي",
          "الإجمالي الكلي")  # fmt: skip  # words by the line
_TOTAL = f"total|^({'|'.join(TOTALS)})$"
_MIN_ORDERS = 20  # with fewer, one customer may well have most of them
_SAMPLE = 2000


class Ids(NamedTuple):
    """SQL that reads the id columns of a table, by name, and findings on them."""

    sql: dict[str, str]
    findings: tuple[Finding, ...] = ()


class IdColumn(NamedTuple):
    """The type of an id column, and numbers of rows, computed on first use."""

    kind: str
    odd: Callable[[], int]  # rows whose id may need normalising, or may be a total
    small: Callable[[], int]  # rows whose id has lower-case letters

    @property
    def is_plain(self) -> bool:
        """Whether every id can be used as it is, and none may be a total."""
        return not self.odd()


def inspect_ids(batch: AggregateBatch, kinds: Mapping[str, str]) -> dict[str, IdColumn]:
    """The id columns of a relation, given its columns with their types, and whether they need normalising."""
    columns = {}
    for name in (name for name in IDS if name in kinds):
        kind = kinds[name]
        text = f"CAST({quote(name)} AS VARCHAR)"
        has_letters = name == "customer_id" and not is_whole(kind) and not kind.startswith(("DOUBLE", "FLOAT"))
        small = batch.add(_count(f"{text} <> upper({text})")) if has_letters else lambda: 0
        columns[name] = IdColumn(kind, batch.add(_count(_is_odd_sql(name, kind, text))), small)
    return columns


def read_ids(
    engine: Engine, table: str, texts: Mapping[str, str], columns: Mapping[str, IdColumn], *, fold: bool
) -> Ids:
    """How the id columns of a table's raw view are read, given as trimmed text; `fold` makes them lower case.

    Raises DataError if a spreadsheet has truncated the digits of most ids of a column.
    """
    sql, nobody, findings = {}, [], []
    for name, text in texts.items():
        column = columns[name]
        if column.is_plain:
            sql[name] = f"lower({text})" if fold and not is_whole(column.kind) else text
        elif is_whole(column.kind):
            sql[name], words = _read_integers(engine, table, name, text)
            nobody += words
        else:
            sql[name], words, cut = _read(engine, table, name, text, fold=fold)
            nobody += words
            findings += cut
    if nobody:
        examples = [
            sentence("quality.details.word", column=name, word=quoted(word), rows=float(rows))
            for name, word, rows in nobody[:6]
        ]
        detail = Sentence.joined(*examples, between=COMMA)
        findings.append(Finding("id that names nobody", sum(rows for *_, rows in nobody), detail))
    if "customer_id" in texts and not fold and columns["customer_id"].small():
        text = texts["customer_id"]
        ((capital,),) = engine.rows(f"SELECT {_count(f'{text} <> lower({text})')} FROM {table}_raw")
        findings += _case_variants(engine, table, sql["customer_id"]) if capital else []
    return Ids(sql, tuple(findings))


def _count(condition: str) -> str:
    return f"count(CASE WHEN {condition} THEN 1 END)"


def _missing_words(name: str) -> tuple[str, ...]:
    """Words for a missing id in a column, in capitals."""
    return MISSING + GUESTS if name == "customer_id" else MISSING


def _is_odd_sql(name: str, kind: str, text: str) -> str:
    """SQL: whether an id may need normalising; for numbers, whether it is 0 or -1."""
    if is_whole(kind):
        return f"{quote(name)} IN (0, -1)"
    if kind in ("DOUBLE", "FLOAT"):
        number = quote(name)
        return f"NOT isnan({number}) AND ({number} <> floor({number}) OR abs({number}) >= 1e15 OR {number} IN (0, -1))"
    return f"regexp_matches({text}, {literal(f'(?i){_odd_pattern(name)}|{_TOTAL}')})"


def _odd_pattern(name: str) -> str:
    pattern = f"^({'|'.join(map(regex_literal, _missing_words(name)))})$"
    return "|".join([_EDGE, _ZERO, _POINT, _CUT, pattern, *([_ADDRESS] if name == "customer_id" else [])])


def _read_integers(engine: Engine, table: str, name: str, text: str) -> tuple[str, list[tuple[str, str, int]]]:
    """SQL of a column of integers (also given as text) with 0 or -1, and which of these means a missing id."""
    number = quote(name)
    ((zeros, minus_ones, lower, ones),) = engine.rows(
        f"SELECT {_count(f'{number} = 0')}, {_count(f'{number} = -1')}, {_count(f'{number} < -1')}, "
        f"{_count(f'{number} = 1')} FROM {table}_raw"
    )
    others = f"FROM (SELECT {number} AS said FROM {table}_raw) AS source_rows WHERE said NOT IN (0, -1)"
    if name != "refund_of" and (
        name != "customer_id" or ((lower or ones) and zeros + minus_ones <= _most_rows(engine, others))
    ):
        return text, []
    return f"CASE WHEN {number} NOT IN (0, -1) THEN {text} END", [
        (name, "-1" if minus_ones else "0", zeros + minus_ones)
    ]


def _read(
    engine: Engine, table: str, name: str, text: str, *, fold: bool, is_bare: bool = False
) -> tuple[str, list[tuple[str, str, int]], list[Finding]]:
    """SQL of one id column; words in it for a missing id with their rows; and findings on truncated ids."""
    upper, nobody = f"upper({text})", _missing_words(name)
    kind = (
        f"CASE WHEN NOT regexp_matches({text}, {literal(f'(?i){_odd_pattern(name)}')}) THEN 'plain' "
        f"WHEN {upper} IN ({', '.join(map(literal, nobody))}) THEN {upper} WHEN regexp_matches({text}, "
        f"{literal(_EDGE)}) THEN 'edge' "
        f"WHEN regexp_matches({text}, '{_ZERO}') THEN 'zero' WHEN regexp_matches({text}, '{_POINT}') THEN 'point' "
        f"WHEN regexp_matches({text}, {literal(_CUT)}) THEN 'cut' ELSE 'address' END"
    )
    kinds = {
        kind: (rows, example)
        for kind, rows, example in engine.rows(
            f"SELECT kind, count(*), min(said) FROM (SELECT {kind} AS kind, {text} AS said FROM {table}_raw "
            f"WHERE {text} IS NOT NULL) AS source_rows GROUP BY kind ORDER BY kind"
        )
    }
    if "edge" in kinds and not is_bare:
        return _read(engine, table, name, _stripped(text), fold=fold, is_bare=True)
    filled = sum(rows for rows, _ in kinds.values())
    cut, example = kinds.get("cut", (0, ""))
    if cut * 2 > filled:
        template = (
            "The {table} column {name!r} holds ids cut short in {cut:,} of {filled:,} rows, such as {example!r}: a "
            "spreadsheet has put them so and their last digits are lost, export them again with the column as text."
        )
        raise DataError(template, table=table, name=name, cut=cut, filled=filled, example=example)
    if words := [(name, kinds[word][1], kinds[word][0]) for word in nobody if word in kinds]:
        text = f"CASE WHEN {upper} NOT IN ({', '.join(map(literal, nobody))}) THEN {text} END"
    if "point" in kinds or "zero" in kinds:
        text = f"CASE WHEN regexp_matches({text}, '{_POINT}') THEN regexp_replace({text}, '[.]0+$', '') ELSE {text} END"
    zeros, example = kinds.get("zero", (0, ""))
    if zeros and (name == "refund_of" or (name == "customer_id" and _means_guest(engine, table, text, zeros))):
        text = f"CASE WHEN NOT regexp_matches({text}, '{_ZERO}') THEN {text} END"
        words.append((name, example, zeros))
    if "address" in kinds and (addresses := _guest_addresses(engine, table, text)):
        guests = ", ".join(literal(address) for address, _ in addresses)
        text = f"CASE WHEN lower({text}) NOT IN ({guests}) THEN {text} END"
        words += [(name, address, rows) for address, rows in addresses]
    detail = sentence("quality.details.column_such_as", column=name, value=quoted(kinds.get("cut", (0, ""))[1]))
    return f"lower({text})" if fold else text, words, [Finding("id in E-notation", cut, detail)] if cut else []


def _stripped(text: str) -> str:
    """SQL of an id without invisible characters, surrounding blanks, and a spreadsheet's mark of text."""
    seen = f"trim(translate({text}, {literal(_INVISIBLE)}, ''), {literal(BLANKS)})"
    inner = (
        f"CASE WHEN regexp_matches({seen}, {literal(_EQUALS)}) THEN substr({seen}, 3, length({seen}) - 3) "
        f"WHEN regexp_matches({seen}, {literal(_APOSTROPHE)}) THEN substr({seen}, 2) ELSE {seen} END"
    )
    return f"nullif(nfc_normalize(trim({inner}, {literal(BLANKS)})), '')"


def _means_guest(engine: Engine, table: str, text: str, zeros: int) -> bool:
    """Whether customer 0 means guests, by the rules above."""
    others = f"FROM (SELECT {text} AS said FROM {table}_raw) AS source_rows WHERE NOT regexp_matches(said, '{_ZERO}')"
    non_numbers, ones = engine.rows(
        "SELECT count(CASE WHEN NOT regexp_matches(said, '^[1-9][0-9]*$') THEN 1 END), count(CASE WHEN said = '1' "
        f"THEN 1 END) {others}"
    )[0]
    return zeros > _most_rows(engine, others) if non_numbers or ones else True


def _guest_addresses(engine: Engine, table: str, text: str) -> list[tuple[str, int]]:
    """Addresses such as `guest@shop.example` with more rows than any other id, in lower case."""
    came = f"FROM (SELECT lower({text}) AS said FROM {table}_raw) AS source_rows WHERE"
    rows_by_address = engine.rows(
        f"SELECT said, count(*) {came} regexp_matches(said, '{_ADDRESS}') GROUP BY said ORDER BY count(*) DESC, said "
        "LIMIT 100"
    )
    busiest = _most_rows(engine, f"{came} NOT regexp_matches(said, '{_ADDRESS}')")
    return [(address, rows) for address, rows in rows_by_address if rows > busiest]


def _most_rows(engine: Engine, ids: str) -> int:
    """The number of rows of the most frequent id."""
    counted = f"SELECT count(*) AS times {ids} AND said IS NOT NULL GROUP BY said"
    (times,) = engine.rows(f"SELECT max(times) FROM ({counted}) AS counted")[0]
    return times or 0


def _case_variants(engine: Engine, table: str, text: str) -> Iterable[Finding]:
    alike = (
        f"SELECT lower(said) AS folded, count(*) AS times, min(said) AS one, max(said) AS other "
        f"FROM (SELECT {text} AS said FROM {table}_raw) AS source_rows WHERE said IS NOT NULL GROUP BY lower(said) "
        "HAVING min(said) <> max(said)"
    )
    customers, rows = engine.rows(f"SELECT count(*), CAST(sum(times) AS BIGINT) FROM ({alike}) AS alike")[0]
    if customers:
        examples = engine.rows(f"SELECT one, other FROM ({alike}) AS alike ORDER BY folded LIMIT 3")
        pairs = [Sentence.joined(quoted(first), quoted(second), between=AND) for first, second in examples]
        setting = Verbatim(f'[data.{table}] case = "fold"')
        texts = {"pairs": Sentence.joined(*pairs, between=COMMA), "setting": setting}
        yield Finding(
            "ids that differ only in case", rows, sentence("quality.details.fold", ids=float(customers), **texts)
        )


def dominant_customer(engine: Engine, rows: int) -> list[Finding]:
    """A finding if one customer has more than half of the identified orders of a shop with twenty or more.

    `rows` is the number of rows of the table, at least that of its orders. Such a customer is also the most frequent in
    a systematic sample, which is queried before all orders are counted.
    """
    if rows < _MIN_ORDERS:
        return []
    known = "FROM orders WHERE customer_id IS NOT NULL AND is_purchase"
    orders, last = engine.rows(f"SELECT count(*), max(_row) {known}")[0]
    if orders < _MIN_ORDERS:
        return []
    step = last // _SAMPLE | 1  # odd, so that alternating rows are both sampled
    drawn = f"SELECT customer_id, count(*) AS times {known} AND _row % {step} = 0 GROUP BY customer_id"
    for (customer,) in engine.rows(
        f"SELECT customer_id FROM ({drawn}) AS drawn ORDER BY times DESC, customer_id LIMIT 1"
    ):
        (own,) = engine.rows(f"SELECT count(*) {known} AND customer_id = {literal(customer)}")[0]
        if own * 2 > orders:
            detail = sentence("quality.details.orders_of", customer=quoted(customer), number=float(orders))
            return [Finding("one customer has most orders", own, detail)]
    return []
