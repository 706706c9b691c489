"""Finds contradictions in tables: rows with totals, overlapping files, and files without usable rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from retention_kit.data.cleaning.columns import Columns
from retention_kit.data.cleaning.money import Money
from retention_kit.data.cleaning.quality import Count
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal
from retention_kit.data.readers.sources import Source
from retention_kit.data.schema import IDENTITY
from retention_kit.data.values.ids import TOTALS
from retention_kit.wording import COMMA, Sentence, quoted, sentence

_CANDIDATES = 3  # unnamed totals that are looked for, the largest
_FEWEST = 3  # rows that a total sums up: two equal amounts are no sum
_FEWEST_NAMED = 2  # of a named total, since the one before
_BEGINNING = 20_000  # rows that are summed up first
_EXAMPLES = 3
_IS_TOTAL = (
    f"coalesce(lower(customer_id) LIKE '%total%' OR lower(customer_id) IN ({', '.join(map(literal, TOTALS))}), false)"
)
_REPEATED = ("same line in another file", "identical row", "same order_id, other contents", "same response_id",
             "same subscription_id and start, other contents")  # fmt: skip  # words by the line


def find_totals(engine: Engine, table: str, columns: Columns, money: Money, rows: int) -> list[Count]:
    """Count rows whose amount is the sum of rows before them in the same file.

    With a customer called a total, of all rows or of those since the last total; without a customer, of all rows, and
    only the last row of a file: in the middle, a guest may pay just as much. `rows` is the number of rows of the table.
    """
    if not columns.values.may_hold_totals:
        return []
    part = "_source * 1000000 + coalesce(_file_number, 0)" if columns.has_files else "0"
    is_named = _IS_TOTAL if columns.values.may_name_totals else "false"
    usable = (
        f"SELECT _row, customer_id, currency, amount, {part} AS part, {is_named} AS is_named "
        f"FROM {table}_typed WHERE problem IS NULL"
    )
    candidates = engine.rows(
        f"SELECT _row, customer_id, currency, amount, part, is_named FROM ({usable}) AS source_rows "
        "WHERE amount > 0 AND (is_named OR customer_id IS NULL AND _row IN "
        f"(SELECT max(_row) FROM ({usable}) AS source_rows GROUP BY part)) "
        f"ORDER BY is_named DESC, amount DESC, _row LIMIT {_CANDIDATES}"
    )
    if not candidates:
        return []
    if any(is_named for *_, is_named in candidates):
        totals = _sums_and_subtotals(engine, usable, candidates)
    else:
        totals = _sums(engine, usable, _not_exceeded(engine, usable, candidates) if rows > _BEGINNING else candidates)
    if not totals:
        return []
    sums: Counter[str | None] = Counter()
    for _, _, code, amount in totals:
        sums[code] += amount
    examples = Sentence.joined(*(_named(row, customer) for row, customer, *_ in totals[:_EXAMPLES]), between=COMMA)
    if more := len(totals) - _EXAMPLES if len(totals) > _EXAMPLES else 0:
        examples = sentence("quality.details.and_more", values=examples, more=float(more))
    amounts = tuple(money.format(amount, code) for code, amount in sorted(sums.items(), key=str))
    return [Count(table, "row that sums the others", len(totals), amounts, examples)]


def _not_exceeded(engine: Engine, usable: str, candidates: list[tuple]) -> list[tuple]:
    """The candidates that may still be sums after the first rows: these, minus all refunds, do not exceed them."""
    first = ", ".join(
        f"sum(CASE WHEN _row < {row} AND part = {part} AND amount > 0 THEN amount END)"
        for row, *_, part, _ in candidates
    )
    (sums,) = engine.rows(f"SELECT {first} FROM ({usable} AND _row <= {_BEGINNING}) AS source_rows")
    ((refunds,),) = engine.rows(f"SELECT sum(CASE WHEN amount < 0 THEN amount END) FROM ({usable}) AS source_rows")
    return [
        candidate
        for candidate, gross in zip(candidates, sums, strict=True)
        if (gross or 0) + (refunds or 0) <= candidate[3]
    ]


def _sums(engine: Engine, usable: str, candidates: list[tuple]) -> list[tuple]:
    """The candidates (row, customer, currency and amount) that are the sum of all rows before them, with or without
    refunds, in one query.
    """
    if not candidates:
        return []
    sums = ", ".join(
        f"sum(CASE WHEN {before} {sign} THEN amount END), count(CASE WHEN {before} {sign} THEN 1 END)"
        for row, _, _, _, part, _ in candidates
        for before in (f"_row < {row} AND part = {part}",)
        for sign in ("AND amount > 0", "")
    )
    (results,) = engine.rows(f"SELECT {sums} FROM ({usable}) AS source_rows")
    each = zip(candidates, results[::4], results[1::4], results[2::4], results[3::4], strict=True)
    return sorted(  # by row
        candidate[:4]
        for candidate, gross, gross_rows, net, net_rows in each
        if (candidate[3] == gross and gross_rows >= _FEWEST) or (candidate[3] == net and net_rows >= _FEWEST)
    )


def _sums_and_subtotals(engine: Engine, usable: str, candidates: list[tuple]) -> list[tuple]:
    """The same for all named totals, which do not include other totals, and for unnamed candidates; slow, as it sorts
    the table.
    """
    nobody = ", ".join(str(row) for row, *_, is_named in candidates if not is_named) or "-1"
    others = "PARTITION BY part{} ORDER BY _row ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    sums = ", ".join(
        f"sum(CASE WHEN NOT is_named {sign} THEN amount END) OVER ({others.format(block)}) AS {name}, "
        f"count(CASE WHEN NOT is_named {sign} THEN 1 END) OVER ({others.format(block)}) AS {name}_rows"
        for block, of in (("", "before"), (", block", "since"))
        for sign, name in (("AND amount > 0", f"gross_{of}"), ("", f"net_{of}"))
    )
    return engine.rows(
        f"SELECT _row, customer_id, currency, amount FROM (SELECT *, {sums} FROM (SELECT *, "
        f"count(CASE WHEN is_named THEN 1 END) OVER ({others.format('')}) AS block FROM ({usable}) AS source_rows) AS "
        "blocks) AS summed "
        f"WHERE amount > 0 AND (is_named OR _row IN ({nobody})) AND ("
        f"(amount = gross_before AND gross_before_rows >= {_FEWEST}) OR (amount = net_before AND net_before_rows >= "
        f"{_FEWEST}) "
        f"OR (is_named AND ((amount = gross_since AND gross_since_rows >= {_FEWEST_NAMED}) "
        f"OR (amount = net_since AND net_since_rows >= {_FEWEST_NAMED})))) ORDER BY _row"
    )


def _named(row: int, customer: str | None) -> str:
    if customer:
        return sentence("quality.details.row_of", row=row, customer=quoted(customer))
    return sentence("quality.details.row_of_nobody", row=row)


def detail_overlap(engine: Engine, table: str, columns: Columns, counts: list[Count]) -> list[Count]:
    """The counts of repeated rows, with the number of their orders or subscriptions in several files of a pattern."""
    key = IDENTITY.get(table, "response_id")
    if not columns.has_files:
        return counts
    detailed = []
    for count in counts:
        if count.check in _REPEATED:
            ((several, example),) = engine.rows(
                f"SELECT count(DISTINCT {key}), min({key}) FROM {table}_typed WHERE problem = '{count.check}' AND "
                f"{key} IN "
                f"(SELECT {key} FROM {table}_typed WHERE {key} IS NOT NULL GROUP BY {key}, _source "
                "HAVING min(_file_number) <> max(_file_number))"
            )
            if several:
                detail = sentence(f"quality.details.{table}_in_files", number=float(several), value=quoted(example))
                count = count._replace(detail=detail)
        detailed.append(count)
    return detailed


def find_useless_files(engine: Engine, table: str, columns: Columns, sources: Sequence[Source]) -> list[Count]:
    """Count the files of a pattern without usable rows; repeated rows count as usable."""
    if not columns.has_files:
        return []
    seen = engine.rows(
        "SELECT _source, _file_number, count(*), "
        f"count(CASE WHEN problem IS NULL OR problem IN ({', '.join(map(literal, _REPEATED))}) THEN 1 END) "
        f"FROM {table}_typed GROUP BY _source, _file_number"
    )
    rows_by_file = {(source, file): (rows, usable) for source, file, rows, usable in seen}
    useless = [
        (name, rows_by_file.get((number, file), (0, 0))[0])
        for number, source in enumerate(sources)
        for file, name in enumerate(source.files)
        if not rows_by_file.get((number, file), (0, 0))[1]
    ]
    if not useless:
        return []
    names = Sentence.joined(*(name for name, _ in useless), between=COMMA)
    return [Count(table, "file without a usable row", sum(rows for _, rows in useless), detail=names)]
