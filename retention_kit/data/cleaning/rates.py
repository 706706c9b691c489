"""Cleans exchange rates: the table `rates(currency, day, rate)`; and requires them for foreign currencies."""

from __future__ import annotations

import re

from retention_kit.data.checks import WHEN
from retention_kit.data.cleaning.columns import Columns
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import NO_TEXT, literal
from retention_kit.errors import DataError, Listed, Phrase, did_you_mean

SCALE = 10**4  # with several currencies, money is in ten-thousandths of a minor unit, so that sums are exact


def foreign_currencies(tables: dict[str, Columns], report: str, has_rates: bool) -> tuple[str, ...]:
    """The currencies in the tables besides the report's; raises DataError if they need rates and there are none."""
    currencies: set[str] = set()
    for name, columns in tables.items():
        codes = columns.currencies()
        foreign = [code for code in codes if code]
        if foreign and (report == "XXX" or not has_rates):
            _refuse_without_rates(name, codes, foreign, report)
        currencies.update(foreign)
    return tuple(sorted(currencies))


def _refuse_without_rates(table: str, codes: list[str | None], foreign: list[str], report: str) -> None:
    named = Listed(sorted({code or report for code in codes} - {"XXX"}))
    report_in = Phrase("the report in no currency yet")
    if report != "XXX":
        report_in = Phrase("the report in {currency}", currency=report)
    template = (
        "The {table} are in {named}, {report_in}: give [data.rates], a table of date, currency and rate (of the "
        "report's currency per unit of it)."
    )
    if invalid := [code for code in foreign if not re.fullmatch("[A-Z]{3,4}", code)]:
        template = (
            "The {table} column 'currency' holds {odd!r}: write codes such as {example}, or map it with an expression."
        )
        raise DataError(template, table=table, odd=invalid[0], example=report if report != "XXX" else "EUR")
    if len(foreign) == len(codes) == 1:
        template = "The {table} are in {named}, {report_in}: set [report] currency to the currency of the data."
    elif report == "XXX":
        template = (
            "The {table} are in {named}, {report_in}: set [report] currency and give [data.rates], a table of date, "
            "currency and rate (of the report's currency per unit of it)."
        )
    raise DataError(template, table=table, named=named, report_in=report_in)


def make_rates(engine: Engine, columns: Columns | None, foreign: tuple[str, ...], report: str) -> dict[str, str]:
    """Make the table `rates` of the foreign currencies; returns the first day of each, as text.

    Raises DataError for rates that cannot be: among others, if they are to another currency than the report's.
    """
    if columns is None:
        engine.run(
            "CREATE TABLE rates AS SELECT currency, day, rate FROM (SELECT CAST(NULL AS VARCHAR) AS currency, "
            "CAST(NULL AS DATE) AS day, CAST(NULL AS DOUBLE) AS rate) AS nothing WHERE currency IS NOT NULL"
        )
        return {}
    typed = (
        "SELECT _row, CAST($date AS DATE) AS day, upper($code) AS currency, $rate AS rate, $rate_text AS rate_text, "
        f"{NO_TEXT} AS problem FROM rates_raw"
    )
    parts = {name: columns.sql[name] for name in ("date", "rate")}
    engine.run(
        f"CREATE TABLE rates_typed AS {typed}", **parts, code=columns.text("currency"), rate_text=columns.text("rate")
    )
    bad = engine.rows(
        "SELECT _row, CASE WHEN day IS NULL THEN 'has no readable date' WHEN currency IS NULL THEN 'names no currency' "
        "END, rate_text FROM rates_typed "
        "WHERE day IS NULL OR currency IS NULL OR NOT coalesce(rate > 0 AND rate < 1e12, false) ORDER BY _row LIMIT 1"
    )
    for row, fault, rate_text in bad:
        needs = Phrase("needs a rate above 0 and below a trillion, not {said}", said=rate_text or Phrase("none"))
        raise DataError("Row {row} of the rates {fault}.", row=row, fault=Phrase(fault) if fault else needs)
    twice = engine.rows(
        "SELECT currency, day, min(rate), max(rate) FROM rates_typed GROUP BY currency, day HAVING min(rate) <> "
        "max(rate) "
        "ORDER BY currency, day LIMIT 1"
    )
    for code, day, low, high in twice:
        raise DataError(
            "The rates give {code} two values on {day}, {low} and {high}: keep one.",
            code=code,
            day=day,
            low=low,
            high=high,
        )
    if foreign:
        _refuse_other_base(engine, report)
    first_days = dict(
        engine.rows("SELECT currency, CAST(min(day) AS VARCHAR) FROM rates_typed GROUP BY currency ORDER BY currency")
    )
    for code in foreign:
        if code not in first_days:
            raise DataError(
                "The rates have none for {code}, which the data hold: {hint}",
                code=code,
                hint=did_you_mean(code, first_days),
            )
    codes = ", ".join(map(literal, foreign)) or "NULL"
    engine.run(
        f"CREATE TABLE rates AS SELECT DISTINCT currency, day, rate FROM rates_typed WHERE currency IN ({codes}) "
        "ORDER BY currency, day, rate"
    )
    return {code: first_days[code] for code in foreign}


def _refuse_other_base(engine: Engine, report: str) -> None:
    """Raise DataError if one of the report's currency is not worth one: then the rates are to another currency."""
    others = engine.rows(
        f"SELECT rate, CAST(day AS VARCHAR) FROM rates_typed WHERE currency = {literal(report)} "
        "AND abs(rate - 1) > 1e-6 ORDER BY day LIMIT 1"
    )
    for rate, day in others:
        raise DataError(
            "The rates give {rate} on {day} for {report}, which the report is in, so they are to another currency: "
            "give how many {report} one of each is worth.",
            rate=rate,
            day=day,
            report=report,
        )


def begin_sql(first_days: dict[str, str]) -> str:
    """SQL: the first day of the rates of a row's currency; NULL for the report's own."""
    cases = " ".join(f"WHEN {literal(code)} THEN DATE '{day}'" for code, day in first_days.items())
    return f"CASE currency {cases} END" if cases else "CAST(NULL AS DATE)"


def refuse_late_rates(engine: Engine, table: str, first_days: dict[str, str]) -> None:
    """Raise DataError if at least half of a currency's rows are before its first rate, as a file must be missing."""
    for code, day in first_days.items():
        rows, early, first = engine.rows(
            "SELECT count(*), count(CASE WHEN problem = 'no exchange rate yet' THEN 1 END), "
            f"CAST(CAST(min({WHEN[table]}) AS DATE) AS VARCHAR) "
            f"FROM {table}_typed WHERE currency = {literal(code)}"
        )[0]
        if early and early * 2 >= rows:
            raise DataError(
                "The rates of {code} begin on {day}, after {early} of {rows} {table} in {code}: give those from "
                "{first} on.",
                code=code,
                day=day,
                early=early,
                rows=rows,
                table=table,
                first=first,
            )


def refuse_too_large(engine: Engine) -> None:
    """Raise DataError for an order that is too large in the report's currency to be summed exactly."""
    found = engine.rows(
        "SELECT _row, currency, CAST(rate_day AS VARCHAR) FROM orders_converted WHERE amount IS NULL "
        "ORDER BY _row LIMIT 1"
    )
    for row, code, day in found:
        raise DataError(
            "Row {row} of the orders is too large to be counted exactly once its {currency} are converted: see its "
            "amount, and the rate of {currency} on {day}.",
            row=row,
            currency=code,
            day=day,
        )
