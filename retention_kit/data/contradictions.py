"""What tables say against themselves: totals among their rows, files that overlap, and files of which no row can be used."""

from __future__ import annotations

from collections.abc import Sequence

from retention_kit.data.columns import Columns
from retention_kit.data.engine import Engine, literal
from retention_kit.data.money import Money
from retention_kit.data.quality import Count
from retention_kit.data.sources import Source
from retention_kit.data.tables import IDENTITY

_CANDIDATES = 3  # a total is among the largest amounts
_FEWEST = 3  # rows that a total sums: two equal amounts are no sum
_REPEATED = ("same line in another file", "identical row", "same order_id, other contents", "same response_id",
             "same subscription_id and start, other contents")  # fmt: skip


def find_totals(engine: Engine, table: str, columns: Columns, money: Money) -> list[Count]:
    """Rows of nobody, or of somebody called a total, whose amount is the sum of all rows before them in their file."""
    part = "_source * 1000000 + coalesce(_file_number, 0)" if columns.has_files else "0"
    asked = f"FROM {table}_typed WHERE problem IS NULL AND amount > 0"
    candidates = engine.rows(
        f"SELECT _row, amount, customer_id, currency, {part} AS part {asked} AND (customer_id IS NULL OR lower(customer_id) "
        f"LIKE '%total%' OR lower(customer_id) IN ('sum', 'summe', 'gesamt', 'suma', 'somme')) ORDER BY amount DESC, _row "
        f"LIMIT {_CANDIDATES}"
    )
    if not candidates:
        return []
    sums = ", ".join(
        f"sum(CASE WHEN _row < {row} AND part = {place} THEN amount END), "
        f"count(CASE WHEN _row < {row} AND part = {place} THEN 1 END)"
        for row, *_, place in candidates
    )
    (before,) = engine.rows(f"SELECT {sums} FROM (SELECT _row, amount, {part} AS part {asked}) AS came")
    pairs = zip(before[::2], before[1::2], strict=True)
    return [
        Count(table, "row that sums the others", 1, (money.say(amount, code),), _named(row, who))
        for (row, amount, who, code, _), (units, rows) in zip(candidates, pairs, strict=True)
        if rows >= _FEWEST and units == amount
    ][:1]


def _named(row: int, who: str | None) -> str:
    return f"row {row} of {who!r}" if who else f"row {row}, without a customer"


def tell_overlap(engine: Engine, table: str, columns: Columns, counts: list[Count]) -> list[Count]:
    """The counts of copies, with how many of their orders or subscriptions stand in several files of a pattern."""
    key = IDENTITY.get(table, "response_id")
    if not columns.has_files:
        return counts
    told = []
    for count in counts:
        if count.check in _REPEATED:
            ((several, example),) = engine.rows(
                f"SELECT count(DISTINCT {key}), min({key}) FROM {table}_typed WHERE problem = '{count.check}' AND {key} IN "
                f"(SELECT {key} FROM {table}_typed WHERE {key} IS NOT NULL GROUP BY {key}, _source "
                "HAVING min(_file_number) <> max(_file_number))"
            )
            if several:
                what = f"{'answer' if table == 'responses' else table.rstrip('s')}{'s stand' if several > 1 else ' stands'}"
                count = count._replace(detail=f"{several:,} {what} in several files, such as {example!r}")
        told.append(count)
    return told


def find_useless_files(engine: Engine, table: str, columns: Columns, sources: Sequence[Source]) -> list[Count]:
    """The files of a pattern that give no usable row, be it a copy."""
    if not columns.has_files:
        return []
    seen = engine.rows(
        "SELECT _source, _file_number, count(*), "
        f"count(CASE WHEN problem IS NULL OR problem IN ({', '.join(map(literal, _REPEATED))}) THEN 1 END) "
        f"FROM {table}_typed GROUP BY _source, _file_number"
    )
    found = {(source, file): (rows, usable) for source, file, rows, usable in seen}
    useless = [
        (name, found.get((number, file), (0, 0))[0])
        for number, source in enumerate(sources)
        for file, name in enumerate(source.files)
        if not found.get((number, file), (0, 0))[1]
    ]
    names = ", ".join(name for name, _ in useless)
    return (
        [Count(table, "file without a usable row", sum(rows for _, rows in useless), detail=names)] if useless else []
    )
