"""Cleans tables in stages: types and checks rows, sets the as-of date, builds the clean tables, and counts findings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from retention_kit.data.checks import Finding
from retention_kit.data.cleaning.as_of import known_span, left_behind
from retention_kit.data.cleaning.columns import Columns
from retention_kit.data.cleaning.contradictions import detail_overlap, find_totals, find_useless_files
from retention_kit.data.cleaning.excluded_rows import WHERE, count_left_out
from retention_kit.data.cleaning.failure_shares import JudgedRows, judge
from retention_kit.data.cleaning.invitations import make_invitations
from retention_kit.data.cleaning.known_customers import make_known_customers
from retention_kit.data.cleaning.mixtures import refuse_mixed
from retention_kit.data.cleaning.money import Money
from retention_kit.data.cleaning.quality import Count, count_checks, lines_effect, quality_frame, warnings
from retention_kit.data.cleaning.rates import (
    SCALE,
    begin_sql,
    foreign_currencies,
    make_rates,
    refuse_late_rates,
    refuse_too_large,
)
from retention_kit.data.cleaning.tickets import make_tickets
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import literal, statements
from retention_kit.data.readers.sources import Source, wrap_errors
from retention_kit.data.schema import IDENTITY
from retention_kit.data.values.ids import dominant_customer
from retention_kit.errors import SettingsError
from retention_kit.periods import today
from retention_kit.settings import SIDE_TABLES, Settings
from retention_kit.wording import money_decimals

if TYPE_CHECKING:
    import pandas as pd

_PACKAGE = "retention_kit.data.cleaning"
_MEAN_WORTH = "coalesce(sum(amount * own_worth) / nullif(sum(amount), 0), 1.0)"  # of lines in several currencies


@dataclass
class Cleaning:
    """The cleaning of the tables of one load, with the SQL parts and counts so far.

    The stages must be called in the order `judge_rows`, `set_as_of`, `build_tables`.
    """

    engine: Engine
    settings: Settings
    sources: dict[str, list[Source]]
    columns: dict[str, Columns]  # of the main tables
    known_customers: Columns | None
    tickets: Columns | None
    invitations: Columns | None
    foreign: tuple[str, ...]  # currencies besides the report's
    rates_begin: dict[str, str]  # currency → its first day, as text
    money: Money
    parts: dict[str, str]  # placeholder → SQL
    as_of: date = date.max
    starts: dict[str, date] = field(default_factory=dict)  # table → its first local date
    behind: tuple[str, ...] = ()  # warnings on tables that end long before others, or before as_of
    counts: list[Count] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)  # rows read
    effects: dict[str, str] = field(default_factory=lambda: defaultdict(str))  # table → effect of reading
    judged: dict[str, JudgedRows] = field(default_factory=dict)

    @classmethod
    def begin(cls, engine: Engine, settings: Settings, sources: dict[str, list[Source]]) -> Cleaning:
        """Inspect the columns of all tables and read the rates; raises DataError if a currency lacks them."""
        report = settings.report
        columns = {}
        for name, parts in sources.items():
            with wrap_errors(engine.error, f"The {name}"):
                columns[name] = Columns.inspect(engine, name, parts, settings)
        rates, known, tickets, invitations = (columns.pop(name, None) for name in SIDE_TABLES)
        foreign = foreign_currencies(columns, report.currency, rates is not None)
        with wrap_errors(engine.error, "The rates"):
            rates_begin = make_rates(engine, rates, foreign, report.currency)
        money = Money(report.currency, money_decimals(report.currency), SCALE if foreign else 1)
        begin = {"rates_begin": begin_sql(rates_begin), "zone": literal(report.timezone or "UTC")}
        cleaning = cls(
            engine, settings, sources, columns, known, tickets, invitations, foreign, rates_begin, money, begin
        )
        if rates and (
            findings := [finding for source in sources["rates"] for finding in source.findings] + rates.findings
        ):
            cleaning.sizes["rates"] = rates.values.rows
            cleaning._add("rates", findings)
        return cleaning

    def judge_rows(self) -> None:
        """Make `TABLE_typed` for all tables, with the problem of each row; raises DataError if too many have one."""
        for name, columns in self.columns.items():
            sources = self.sources[name]
            with wrap_errors(self.engine.error, f"The {name}"):
                if name in IDENTITY:
                    columns.set_money(10**self.money.decimals, self.money.scale)
                    self._type_rows(name, columns)
                else:
                    self._run(statements(_PACKAGE, f"{name}_typed").values(), columns.sql)
            self.judged[name] = judge(self.engine, name, columns, self.money)
            self.sizes[name] = size = self.judged[name].rows
            self._add(name, [finding for source in sources for finding in source.findings] + columns.findings)
            self.counts += count_left_out(self.engine, name, sources, self.money, size)
            self.counts += find_useless_files(self.engine, name, columns, sources)
            self.counts += find_totals(self.engine, name, columns, self.money, size) if name in IDENTITY else []
            refuse_mixed(self.engine, name, columns, self.settings.definitions)
            if name in IDENTITY:
                refuse_late_rates(self.engine, name, self.rates_begin)
            if columns.is_naive:
                self.counts.append(Count(name, "naive times without a time zone", size))

    def _type_rows(self, name: str, columns: Columns) -> None:
        """Make `TABLE_typed`; steps that find no rows to exclude are skipped."""
        unneeded: set[str] = set()
        steps = statements(_PACKAGE, f"{name}_typed")
        columns.number_rows(next(iter(steps.values())), self.parts)
        for step, statement in steps.items():
            if step not in unneeded:
                self._run([statement], columns.sql)
            if step == f"{name}_judged":
                columns.judge_keys()
                unneeded = set() if columns.has_rest else {f"{name}_rest"}
                if not columns.has_problems:
                    unneeded = {f"{name}_repeated", f"{name}_rest", f"{name}_problems"}

    def set_as_of(self) -> None:
        """Set the as-of date; raises DataError or SettingsError if no row is before it."""
        report, basis = self.settings.report, self.settings.definitions.basis
        tomorrow = today(report.timezone) + timedelta(days=1)
        counts = [count for count in self.counts if count.table in self.columns]
        left_out = {
            "where": sum(count.rows for count in counts if count.check in WHERE),
            "leave_out": sum(count.rows for count in counts if count.check.startswith("left out: ")),
        }
        self.as_of, self.starts, ends = known_span(self.engine, self.columns, report.as_of, tomorrow, left_out)
        self.behind = left_behind(self.engine, ends, self.as_of, is_set=report.as_of is not None)
        if basis and basis not in self.starts:
            raise SettingsError(
                "definitions.basis is {basis!r}, but no row of the {basis} can be used before {as_of}.",
                basis=basis,
                as_of=self.as_of,
            )
        self.parts |= {
            "as_of": f"TIMESTAMP '{self.as_of}'",
            "tomorrow": f"TIMESTAMP '{tomorrow}'",
            "is_as_of_set": str(report.as_of is not None).lower(),
        }

    def build_tables(self) -> None:
        """Build the clean tables from rows before the as-of date, and count all findings."""
        for name, columns in self.columns.items():
            with wrap_errors(self.engine.error, f"The {name}"):
                if name == "orders":
                    self._build_orders(columns)
                    self._add(name, dominant_customer(self.engine, self.sizes[name]))
                elif name == "subscriptions":
                    self._build_subscriptions(columns)
                else:
                    self._run(statements(_PACKAGE, name).values(), columns.sql)
                self.effects[name] = lines_effect(self.engine, columns)
                parts = columns.sql | self.parts
                counts = count_checks(self.engine, name, columns, self.money, parts, self.judged[name])
                self.counts += detail_overlap(self.engine, name, columns, counts)
            if name not in self.starts:
                self.counts.append(Count(name, "no usable row", self.sizes[name]))
        if not {"orders", "subscriptions"} & set(self.starts):
            self.known_customers = None  # responses have no new customers
        if self.known_customers:
            with wrap_errors(self.engine.error, "The known_customers"):
                size, counts = make_known_customers(self.engine, self.known_customers, self.starts)
            self._count_side("known_customers", self.known_customers, size, counts)
        if self.tickets:
            with wrap_errors(self.engine.error, "The tickets"):
                size, counts = make_tickets(self.engine, self.tickets, self.starts, self.parts)
            self._count_side("tickets", self.tickets, size, counts)
        if self.invitations:
            with wrap_errors(self.engine.error, "The invitations"):
                size, counts = make_invitations(self.engine, self.invitations, self.starts, self.parts["as_of"])
            self._count_side("invitations", self.invitations, size, counts)

    def _count_side(self, name: str, columns: Columns, size: int, counts: list[Count]) -> None:
        self.sizes[name] = size
        self._add(name, [finding for source in self.sources[name] for finding in source.findings] + columns.findings)
        self.counts += count_left_out(self.engine, name, self.sources[name], self.money, size) + counts
        if columns.is_naive:
            self.counts.append(Count(name, "naive times without a time zone", size))

    def quality(self) -> pd.DataFrame:
        """The quality frame: columns table, check, rows, effect."""
        return quality_frame(self.counts, self.sizes, self.effects)

    def warnings(self) -> tuple[str, ...]:
        """Sentences on checks with so many rows that figures may be wrong, and on tables that end early."""
        return self.behind + warnings(self.counts, self.sizes)

    def _build_orders(self, columns: Columns) -> None:
        """Build the clean orders: one row each, in one currency, reduced by refunds."""
        orders, parts = statements(_PACKAGE, "orders"), columns.sql
        lines = statements(_PACKAGE, "lines")["lines"]
        self._run([orders["orders_known"]], parts)
        rows = "orders_known"
        if columns.has_lines:  # by currency first, so that whole orders are converted
            self._run(
                [lines], parts | {"rows": rows, "into": "orders_summed", "currency": "currency", "own_worth": "1.0"}
            )
            rows = "orders_summed"
        if self.foreign:
            self._run(statements(_PACKAGE, "conversion").values(), parts | {"rows": rows})
            refuse_too_large(self.engine)
            rows = "orders_converted"
            if columns.has_lines:
                whole = {"into": "orders_whole", "currency": "CAST(NULL AS VARCHAR)", "own_worth": _MEAN_WORTH}
                self._run([lines], parts | {"rows": rows} | whole)
                rows = "orders_whole"
        self._run([orders["orders_usable"]], parts | {"usable": rows})
        # Without refunds, a view is as fast as a table.
        has_refunds = columns.has("refund_of")
        if has_refunds:
            self.engine.run(orders["orders_refunds"])
            has_refunds = self.engine.rows("SELECT count(*) FROM orders_refunds")[0][0] > 0
        kind = "TABLE" if has_refunds or self.engine.database else "VIEW"
        self._run([orders["orders" if has_refunds else "orders_without_refunds"]], parts | {"made_as": kind})

    def _build_subscriptions(self, columns: Columns) -> None:
        """Build the clean spells, which are divided at the ends of discounts."""
        steps = statements(_PACKAGE, "subscriptions")
        for name in ("subscriptions_counted", "subscriptions_gaps", "subscriptions_spells", "subscriptions_discounts"):
            self._run([steps[name]], columns.sql)
        columns.has_discounts = self.engine.rows("SELECT count(*) FROM subscriptions_discounts")[0][0] > 0
        cut = ("subscriptions_before_discounts", "subscriptions_stretches", "subscriptions")
        for name in cut if columns.has_discounts else ("subscriptions_whole", "subscriptions_completed"):
            self._run([steps[name]], columns.sql)

    def _run(self, sql: Iterable[str], parts: dict[str, str]) -> None:
        for statement in sql:
            self.engine.run(statement, **parts | self.parts)

    def _add(self, table: str, findings: Iterable[Finding]) -> None:
        self.counts += [Count(table, finding.check, finding.rows, detail=finding.detail) for finding in findings]
