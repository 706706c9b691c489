"""Proposes sources of `retention.toml` for a file of no known layout, by names and contents of its columns.

Names are recognised in English and Arabic. Every guess is marked as one, as only the user knows.
"""

from __future__ import annotations

import re
from collections import defaultdict

import msgspec

from retention_kit.data.engines.sql_text import quote
from retention_kit.data.importing.export import Export, time_sql
from retention_kit.data.importing.mapping import (
    AMOUNT,
    Mapping,
    Recognised,
    kept_columns,
    question_sources,
    single_currency,
)
from retention_kit.data.layouts.layout import layouts
from retention_kit.data.values.suggestions import numeric_time
from retention_kit.data.values.vocabulary import parse_interval, parse_status
from retention_kit.errors import DataError, Listed, Phrase
from retention_kit.settings import Table

_CUSTOMER = (
    "cust(omer)?.?(id|no|number|code)|(رقم|رمز|كود) ال(عميل|زبون|مشترك)",
    "client.?(id|no)", "account.?(id|no|code)", "user.?id", "member.?id",
    r"customer|client|buyer|subscriber|\bcust\b|عميل|زبون|مشترك", "e-?mail|بريد",
)  # fmt: skip  # words by the line
_CURRENCY = ("currency|عملة",)
# By table, our columns: patterns of names, the most likely first.
_NAMES = {
    "orders": {
        "customer_id": _CUSTOMER,
        "order_id": ("order.?(id|no|number|#)|رقم (ال)?(طلب|[اأ]مر)", "invoice.?(id|no|number)|رقم (ال)?فاتورة",
                     "transaction.?id|رقم (ال)?(عملية|معاملة)", "receipt|[إا]يصال", "^(order|invoice|طلب|فاتورة)$"),
        "ordered_at": ("(order|invoice|purchase|transaction).?date|تاريخ (ال)?(طلب|شراء|فاتورة)", "created|[إا]نشاء",
                       "date|تاريخ", "time|وقت"),
        "amount": ("net.?total|net.?sales|صافي", "total|[إا]جمالي|مجموع", "amount|مبلغ", "revenue|[إا]يراد", "gross",
                   "value|paid|قيمة|مدفوع", "price|سعر"),
        "currency": _CURRENCY,
    },
    "subscriptions": {
        "customer_id": _CUSTOMER,
        "subscription_id": ("(subscription|contract).?(id|no|number)|رقم (ال)?(اشتراك|عقد)",
                            "^(subscription|contract)$"),
        "started_at": ("start|بداية|بدء", "begin|activat|signed|subscribed"),
        "ended_at": ("(?<![a-z])end|نهاية|انتهاء", "cancel|churn|stop|terminat|[إا]لغاء"),
        "amount": (r"\bmrr\b|monthly.?(price|amount|fee|revenue)", "price|amount|fee|سعر|مبلغ|رسوم",
                   "revenue|value|paid", "total"),
        "interval": ("interval|frequency|cycle|دورة", "billing|period|term|فوترة|مدة"),
        "status": ("status|state|حالة",),
        "cancel_reason": ("(cancel|churn|leav).*(reason|why)|reason|سبب",),
        "currency": _CURRENCY,
    },
    "responses": {
        "responded_at": ("respon|submit|complet|answer", "date|time|تاريخ|وقت"),
        "customer_id": _CUSTOMER,
    },
}  # fmt: skip  # words by the line
_QUANTITY = "quantity|qty|pieces|^(units?|count)$|كمية|عدد"
_ONE_PRICE = "price|cost|سعر"  # of one piece, beside a quantity
_SUM = "total|line|ext|sum|amount|[إا]جمالي|مجموع"
_PRODUCT = "product|item|sku|article|description|stock|منتج|صنف"
_PLAIN = r"-?[0-9]+(\.[0-9]+)?"


def propose(export: Export, path: str) -> Recognised:
    """A proposal for a header without a layout: subscriptions where times begin and end or have an interval, answers
    where a question is known and no amount, else orders. Raises DataError if none fits.
    """
    found = {table: _find(export, names) for table, names in _NAMES.items()}
    subscriptions, responses = found["subscriptions"], found["responses"]
    is_sold = "order_id" in found["orders"]
    is_paid = {"customer_id", "started_at", "amount"} <= {*subscriptions}
    if is_paid and {"ended_at", "interval"} & {*subscriptions} and not is_sold:
        return _proposed(
            export, path, "subscriptions", subscriptions | {"ended_at": subscriptions.get("ended_at", "NULL")}
        )
    if not is_sold and "responded_at" in responses and "amount" not in found["orders"]:
        source, comments = _source(export, path, responses)
        if mappings := question_sources(export, responses.values(), source, comments):
            return Recognised(None, mappings)
    return _proposed(export, path, "orders", _orders(export, found["orders"]))


def _find(export: Export, names: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """The most likely column for each of ours, by its name, among those whose values fit."""
    columns: dict[str, str] = {}
    for column, patterns in names.items():
        fitting = [name for name in export.header if name not in columns.values() and _fits(column, name, export)]
        ranked = [name for pattern in patterns for name in fitting if re.search(pattern, name, re.I)]
        if ranked:
            columns[column] = ranked[0]
    return columns


def _orders(export: Export, columns: dict[str, str]) -> dict[str, str]:
    """The columns of orders, a time and an amount by their contents alone if no name tells them."""
    for column in ("ordered_at", "amount"):
        rest = [
            name
            for name in export.header
            if name not in columns.values() and _fits(column, name, export) and not numeric_time(export.values(name))
        ]
        if column not in columns and rest:
            columns[column] = rest[0]
    if missing := [column for column in ("customer_id", "ordered_at", "amount") if column not in columns]:
        raise DataError(
            "{file} is no export that is known ({known} are: retention-kit import --list), and none of its columns "
            "looks like {missing}: it has {header}. Name them in a retention.toml: [data.orders], path = {file!r}, and "
            'below [data.orders.columns], {first} = "…".',
            file=export.path.name,
            first=missing[0],
            known=len(layouts()),
            missing=Listed(missing, " or "),
            header=Listed(export.header),
        )
    return columns


def _proposed(export: Export, path: str, table: str, columns: dict[str, str]) -> Recognised:
    """The proposal of one source."""
    currency = single_currency(export, columns)
    source, comments = _source(export, path, columns)
    if table == "orders":
        if pieces := _pieces(export, columns["amount"]):
            price = columns["amount"]
            source.columns["amount"] = f"{quote(pieces)} * {quote(price)}"
            comments["amount"] = Phrase("guess; if {price} is of all pieces: {price}", price=quote(price))
        if "order_id" in columns and _are_lines(export, columns["order_id"]):
            source = msgspec.structs.replace(source, rows="lines")
            comments["rows"] = "guess"
    source = msgspec.structs.replace(source, keep=kept_columns(export, source, table))
    return Recognised(None, [Mapping(table, source, comments)], currency)


def _source(export: Export, path: str, columns: dict[str, str]) -> tuple[Table, dict[str, str]]:
    """A source with these columns, times as SQL that parses them, and the comments on them."""
    columns, comments = dict(columns), dict.fromkeys(columns, "guess")
    for column, name in columns.items():
        if column.endswith("_at") and name in export.header:
            if expression := numeric_time(export.values(name)):
                columns[column] = expression.format(x=quote(name))
                continue
            columns[column], other = time_sql(name, export.values(name))
            if other:
                template = "guess; day and month cannot be told apart: or {other}"
                comments[column] = Phrase(template, other=other)
    return Table(path=path, columns=columns), comments


def _pieces(export: Export, amount: str) -> str | None:
    """The column of quantities by which an amount has to be multiplied, if it is a price of one piece."""
    if not re.search(_ONE_PRICE, amount, re.I) or re.search(_SUM, amount, re.I) or not _are_plain(export, amount):
        return None
    names = (name for name in export.header if re.search(_QUANTITY, name, re.I) and _are_plain(export, name))
    return next(names, None)


def _are_plain(export: Export, name: str) -> bool:
    values = export.values(name)
    return bool(values) and all(re.fullmatch(_PLAIN, value) for value in values)


def _are_lines(export: Export, order_id: str) -> bool:
    """Whether rows are lines of orders: most orders with several rows have several products."""
    product = next((name for name in export.header if re.search(_PRODUCT, name, re.I)), None)
    if product is None:
        return False
    sold = defaultdict(list)
    for row in export.rows:
        sold[row[export.header.index(order_id)]].append(row[export.header.index(product)])
    several = [products for order, products in sold.items() if order and len(products) > 1]
    return 2 * sum(len({*products}) > 1 for products in several) > len(several)


def _fits(column: str, name: str, export: Export) -> bool:
    """Whether the values of a column fit one of ours."""
    sample = export.values(name)[:500]
    if not sample:
        return column == "ended_at"  # all go on
    times = time_sql("x", sample)[0] != "x" or all(re.match(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}", value) for value in sample)
    if column.endswith("_at"):
        return times or numeric_time(sample) is not None
    if column == "amount":
        return not times and all(re.fullmatch(AMOUNT, value) for value in sample)
    if column == "currency":
        return all(re.fullmatch(r"[A-Za-z]{3}", value) for value in sample)
    if column == "interval":
        return all(map(parse_interval, sample))
    if column == "status":
        return all(map(parse_status, sample))
    return not times and max(map(len, sample)) <= 64
