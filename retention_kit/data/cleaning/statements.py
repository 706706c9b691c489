"""The statements that make clean tables, as the SQL files hold them, and those of orders, which depend on what came."""

from __future__ import annotations

from importlib.resources import files

from retention_kit.data.cleaning.columns import Columns
from retention_kit.data.engines.protocol import Engine


def statements_of(name: str) -> tuple[list[str], list[str]]:
    """The statements of an SQL file: up to a table's typed and judged rows, and from there to the clean table."""
    text = files("retention_kit.data.cleaning").joinpath("sql", f"{name}.sql").read_text("utf-8")
    every = [statement for statement in text.split(";\n") if statement.strip()]
    typed = next((place for place, statement in enumerate(every, 1) if f" {name}_typed AS" in statement), 0)
    return every[:typed], every[typed:]


def make_usable_orders(
    engine: Engine, making: list[str], columns: Columns, foreign: tuple[str, ...], known: dict[str, str]
) -> dict[str, str]:
    """Make the known orders, one row each and in one currency, and their refunds; give what the clean table is made with."""
    parts = columns.sql | known
    rows_known, usable, refunds = making
    engine.run(rows_known, **parts)
    rows = "orders_known"
    if columns.has_lines:  # of one currency first, so that what is converted is an order
        (lines,) = statements_of("lines")[1]
        engine.run(lines, **parts | {"rows": rows, "into": "orders_summed", "currency": "currency"})
        rows = "orders_summed"
    if foreign:
        (conversion,) = statements_of("conversion")[1]
        engine.run(conversion, **parts | {"rows": rows})
        rows = "orders_converted"
        if columns.has_lines:
            engine.run(lines, **parts | {"rows": rows, "into": "orders_whole", "currency": "CAST(NULL AS VARCHAR)"})
            rows = "orders_whole"
    engine.run(usable, **parts, usable=rows)
    engine.run(refunds, **parts)
    # Where no refund has to be joined, orders are as soon computed as read.
    has_refunds = engine.rows("SELECT count(*) FROM orders_refunds")[0][0] > 0
    return {"made_as": "TABLE" if has_refunds or engine.database else "VIEW"}
