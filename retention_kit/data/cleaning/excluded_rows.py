"""Counts what `where` excludes: rows and money, rows for which it is neither true nor false, and partial orders."""

from __future__ import annotations

from collections import Counter

from retention_kit.data.cleaning.failure_shares import FailedRows
from retention_kit.data.cleaning.money import Money
from retention_kit.data.cleaning.quality import Count
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal, quote
from retention_kit.data.readers.sources import Source
from retention_kit.data.readers.union import UNKNOWN
from retention_kit.wording import COMMA, Sentence, Verbatim, quoted, sentence

WHERE = ("left out by where", "where is neither true nor false")  # checks of rows that it does not keep
_EXAMPLES = 3


def count_left_out(engine: Engine, table: str, sources: list[Source], money: Money, rows: int) -> list[Count]:
    """The counts of all sources of a table with a `where`; `rows` is the number of rows that were kept."""
    rows_by_check: Counter[str] = Counter()
    units_by_currency: Counter[tuple[str, str | None]] = Counter()
    columns: list[str] = []
    cut: list[tuple[str, int]] = []
    kept_whole: list[tuple[str, int]] = []
    for source in [source for source in sources if source.left_out]:
        for is_unknown, code, count, units in _counted(engine, source.left_out, money):
            check = WHERE[is_unknown]
            rows_by_check[check] += count
            units_by_currency[check, code] += units or 0
            columns += source.where_columns if is_unknown else []
        if source.is_lines:
            cut += _orders(
                engine, source.left_out, f"order_id IN (SELECT {_order(engine, source.name)} FROM {source.name})"
            )
            kept_whole += _orders(engine, source.name, UNKNOWN)
    counts = []
    total = rows + sum(rows_by_check.values())
    for check, count in rows_by_check.items():
        amounts = tuple(
            money.format(units, code) for (name, code), units in units_by_currency.items() if name == check and units
        )
        detail = ""
        if check != "left out by where" and columns:
            condition = "".join(f" OR {name} IS NULL" for name in dict.fromkeys(columns))
            detail = sentence("quality.details.to_keep", condition=Verbatim(condition.strip()))
        counts.append(Count(table, check, count, amounts, detail, FailedRows(count, total)))
    for check, orders in (("order cut in half by where", cut), ("line kept with its order", kept_whole)):
        if orders:
            few = Sentence.joined(*(quoted(order) for order, _ in orders[:_EXAMPLES]), between=COMMA)
            detail = sentence("quality.details.orders_such_as", number=float(len(orders)), values=few)
            lines = sum(lines for _, lines in orders)
            counts.append(Count(table, check, lines, detail=detail, failing=FailedRows(lines, total)))
    return counts


def _counted(engine: Engine, relation: str, money: Money) -> list[tuple]:
    """Rows and units by whether `where` is known, and by currency."""
    kinds = engine.types(relation)
    amount = f"TRY_CAST({_text('amount', kinds)} AS DECIMAL(28, 6)) * {10**money.decimals * money.scale}"
    code = f"nullif(upper({_text('currency', kinds)}), {literal(money.currency)})"
    return engine.rows(
        f"SELECT {UNKNOWN}, code, count(*), sum(abs(amount)) FROM (SELECT {UNKNOWN}, {code} AS code, {amount} AS "
        "amount "
        f"FROM {relation}) AS source_rows GROUP BY {UNKNOWN}, code ORDER BY {UNKNOWN}, code NULLS FIRST"
    )


def _orders(engine: Engine, relation: str, condition: str) -> list[tuple[str, int]]:
    """The orders of the lines in a relation that meet a condition, with their numbers of lines."""
    return engine.rows(
        f"SELECT order_id, count(*) FROM (SELECT {_order(engine, relation)} AS order_id, {UNKNOWN} FROM {relation}) "
        "AS source_rows "
        f"WHERE order_id IS NOT NULL AND {condition} GROUP BY order_id ORDER BY order_id"
    )


def _order(engine: Engine, relation: str) -> str:
    return _text("order_id", engine.types(relation))


def _text(name: str, kinds: dict[str, str]) -> str:
    return f"nullif(trim(CAST({quote(name)} AS VARCHAR)), '')" if name in kinds else "CAST(NULL AS VARCHAR)"
