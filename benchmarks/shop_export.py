"""A shop's export of orders as people get it: 79 columns, most of them of no use, a line for each item of an order."""

from __future__ import annotations

from pathlib import Path

import duckdb

LINES = 520_000  # about 200 MB
# Every fourth line is a further one of the order above it, which says hardly anything.
_ORDER = "(line - (line + 1) // 4)"
_WHEN = f"strftime(TIMESTAMP '2021-01-01' + INTERVAL 4 MINUTE * {_ORDER}, '%Y-%m-%d %H:%M:%S -0500')"
_CUSTOMER = f"(hash({_ORDER}) % 90000)"
_MONEY = f"printf('%.2f', (500 + hash({_ORDER}, 1) % 20000) / 100.0)"
_STREET = f"{_CUSTOMER} || ' Long Street'"
_ALWAYS = {
    "Name": f"'#' || {_ORDER}",
    "Email": f"'customer' || {_CUSTOMER} || '@example.com'",
    "Created at": _WHEN,
    "Lineitem quantity": "1",
    "Lineitem name": "CASE line % 3 WHEN 0 THEN 'Mug, \"large\"' WHEN 1 THEN 'Tea' ELSE 'Blue shirt - M' END",
    "Lineitem price": _MONEY,
    "Lineitem sku": "'SKU-' || line % 5000",
    "Vendor": "'Acme'",
}
_FIRST = {
    "Financial Status": f"CASE {_ORDER} % 20 WHEN 0 THEN 'voided' ELSE 'paid' END",
    "Paid at": _WHEN,
    "Fulfillment Status": "'fulfilled'",
    "Fulfilled at": _WHEN,
    "Accepts Marketing": "'yes'",
    "Currency": "'USD'",
    "Subtotal": _MONEY,
    "Shipping": "'0.00'",
    "Taxes": "'0.00'",
    "Total": _MONEY,
    "Shipping Method": "'Standard'",
    "Billing Name": f"'Customer Number ' || {_CUSTOMER}",
    "Billing Street": _STREET,
    "Billing Address1": _STREET,
    "Billing City": "'Springfield'",
    "Billing Zip": _CUSTOMER,
    "Billing Country": "'US'",
    "Shipping Name": f"'Customer Number ' || {_CUSTOMER}",
    "Shipping Street": _STREET,
    "Shipping Address1": _STREET,
    "Shipping City": "'Springfield'",
    "Shipping Zip": _CUSTOMER,
    "Shipping Country": f"CASE {_ORDER} % 3 WHEN 0 THEN 'US' WHEN 1 THEN 'GB' ELSE 'DE' END",
    "Payment Method": "'Shopify Payments'",
    "Payment Reference": f"'c' || {_ORDER} || '.1'",
    "Refunded Amount": "'0.00'",
    "Outstanding Balance": "'0.00'",
    "Id": f"5000000000 + {_ORDER}",
    "Risk Level": "'Low'",
    "Source": "'web'",
}
_NEVER = (
    "Discount Code",
    "Discount Amount",
    "Lineitem compare at price",
    "Billing Address2",
    "Billing Company",
    "Billing Province",
    "Billing Phone",
    "Shipping Address2",
    "Shipping Company",
    "Shipping Province",
    "Shipping Phone",
    "Notes",
    "Note Attributes",
    "Cancelled at",
    "Employee",
    "Location",
    "Device ID",
    "Tags",
    "Phone",
    "Receipt Number",
    "Duties",
    *(f"Tax {number} {what}" for number in range(1, 6) for what in ("Name", "Value")),
    "Payment ID",
    "Payment Terms",
    "Next Payment Due",
    "Payment References",
    "Lineitem discount",
    "Billing Province Name",
    "Shipping Province Name",
    "Lineitem requires shipping",
    "Lineitem taxable",
    "Lineitem fulfillment status",
)


def write_export(path: Path, lines: int = LINES) -> Path:
    """Write the export, the same every time."""
    first = {name: f"CASE WHEN line % 4 <> 3 THEN {sql} END" for name, sql in _FIRST.items()}
    columns = {**_ALWAYS, **first, **dict.fromkeys(_NEVER, "NULL")}
    selected = ", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(
            f"COPY (SELECT {selected} FROM range({lines}) AS lines(line)) TO '{path}' (FORMAT csv, HEADER, DELIMITER ',')"
        )
    return path
