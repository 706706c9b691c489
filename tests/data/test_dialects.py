"""Every statement that the package makes, in the words of other engines: SQLGlot reads it, and nothing of ours is left."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

import oracle_cases as cases
import retention_kit as rk
from due import every_form, tickets, with_rules
from retention_kit.data import choose_engine, dataset
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.sql_text import fill_placeholders
from retention_kit.errors import DataError
from retention_kit.metrics.comments.summary import survey_comments
from retention_kit.metrics.follow_ups import due_lists
from retention_kit.metrics.forecasts.lists import risk_lists
from retention_kit.metrics.forecasts.lives import back_test
from retention_kit.metrics.forecasts.survival import survival_curves
from retention_kit.metrics.identities import identities
from retention_kit.metrics.queries.customer_lists import active_customers, customer_lists
from retention_kit.metrics.queries.invitations import response_groups, response_rates
from retention_kit.metrics.queries.later_retention import later_retention
from retention_kit.metrics.queries.summaries import concentration, largest_change, periods_of
from retention_kit.metrics.queries.value_segments import value_segments
from same_figures import TABLES
from test_oracle_options import rates

pytestmark = pytest.mark.long

pytest.importorskip("sqlglot", reason="SQLGlot is not installed")
PACKAGE = Path(rk.__file__).parent
DIALECTS = ("postgres", "spark")
# What a statement must not hold: words of DuckDB that others lack, or take otherwise.
ONLY_DUCKDB = r"\b(FILTER|EXCLUDE|BY NAME|ASOF|QUALIFY|POSITIONAL|COLUMNS|GROUP BY ALL|ORDER BY ALL|ARG_MIN|ARG_MAX|UBIGINT|HUGEINT)\b"
# Functions that SQLGlot takes for unknown, and that the dialect has.
THEIRS = {
    "postgres": {"timezone"}
    | {"rounded", "try_whole", "try_decimal", "try_double", "try_timestamp", "try_instant"},  # sql/postgres.sql
    "spark": {"convert_timezone", "make_dt_interval", "monotonically_increasing_id"},
}
OPTIONS = [
    {"basis": "orders", "inactivity_days": 45, "returning": "shopify", "count": "days", "answers": "all"},
    {"basis": "orders", "inactivity_days": 20, "churn_mode": "event", "zero_orders": "purchase", "ces_top": "mean"},
    {"basis": "subscriptions", "mrr_mode": "event", "churn_mode": "event"},
    {"basis": "subscriptions", "lifespan_years": 2},
]


class Recorder(DuckDB):
    """The embedded engine, which writes down what it is asked in our SQL."""

    statements: dict[str, str] = {}  # noqa: RUF012, all engines of a test write into one book

    def __init__(self, memory_limit=None, files=(), kept=()):
        self.__dict__ |= vars(DuckDB())
        # Files and frames are read there, and come over as to other engines.
        self.embedded = DuckDB(memory_limit, files, kept)

    def upload(self, name: str, relation: str) -> str:
        self.register(name, self.embedded.arrow(f"SELECT * FROM {relation}"))
        return name

    def types(self, relation: str) -> dict[str, str]:
        return {name: kind for name, kind, *_ in super().rows(f"DESCRIBE SELECT * FROM {relation}")}

    def keeps_order(self, sql: str, **parts: str) -> bool:  # noqa: ARG002, as other engines answer
        return False

    def define(self, name: str, query: str) -> None:  # the user's SQL, not ours
        super().run(f"CREATE VIEW {name} AS {query}")

    def _write_down(self, sql: str, parts: dict[str, str]) -> None:
        whole = fill_placeholders(sql, parts)
        if "json_" in whole:  # the embedded engine's parser, asked about the user's expressions
            return
        self.statements[re.sub(r"\d+", "0", whole)] = whole

    def run(self, sql: str, **parts: str) -> None:
        self._write_down(sql, parts)
        super().run(sql, **parts)

    def frame(self, sql: str, **parts: str) -> pd.DataFrame:
        self._write_down(sql, parts)
        return super().frame(sql, **parts)

    def rows(self, sql: str, **parts: str) -> list[tuple]:
        self._write_down(sql, parts)
        return super().rows(sql, **parts)


def ask_everything(data, lengths=("month",)) -> None:
    assert set(data.quarantine) <= set(data.tables)
    for every in lengths:
        period = periods_of(data, every)[-1]
        rk.scorecard(data, period, segment="country")
        for table in TABLES:
            with suppress(DataError):  # the hard cases have every table, the lines no subscriptions
                table(data, every=every)
        customer_lists(data, period, ["country"])
        active_customers(data, period)
        concentration(data, period)
        value_segments(data, period)
        largest_change(data, period)
    identities(data, "month", ("country",))
    rk.rfm(data)


def ask_ahead(data) -> None:
    """What is asked for forecasts, and of what came after an answer."""
    period = periods_of(data, "month")[-1]
    risk_lists(data, period, ["channel"])
    back_test(data, period)
    later_retention(data, period)
    survey_comments(data, period)
    rules = every_form(contact="channel", consent="channel", suppress=["channel", "channel=app"], text="{country}")
    due_lists(with_rules(data, *rules))
    response_rates(data, "month")
    for column in (None, "channel"):
        response_groups(data, period, column)
    if data.basis == "subscriptions":
        survival_curves(data, period, "channel")


@pytest.fixture(scope="module")
def statements(tmp_path_factory) -> list[str]:
    """Those of loading hard cases, with lines, zones and currencies, and of every figure under every option."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (dataset, choose_engine):
            patch.setattr(module, "DuckDB", Recorder)
        daily = rates(date(2023, 10, 1), date(2024, 5, 10), 9)
        for currencies, more, chosen in (((None,), {}, OPTIONS), (("GBP", "EUR"), {"rates": daily}, OPTIONS[1:3])):
            tables = cases.many_tricky_tables(range(1), currencies) | more
            for options in chosen:
                data = rk.load(**tables, currency="GBP", timezone="Europe/London", as_of="2024-04-20", **options)
                ask_everything(data, ("month", "week", "quarter", "year") if options is chosen[0] else ("month",))
        repeated = {}
        for name in ("orders", "subscriptions"):  # an address is no segment, but tells rows of one key apart
            rows = tables[name].assign(email=[f"person{row}@example.com" for row in range(len(tables[name]))])
            repeated[name] = pd.concat([rows, rows])
        rk.load(**repeated, rates=daily, currency="GBP", as_of="2024-04-20")
        folder = tmp_path_factory.mktemp("lines")
        orders = tables["orders"].assign(order_id=[number // 3 for number in range(len(tables["orders"]))])
        orders.assign(ordered_at=orders["ordered_at"] + " +01:00").to_parquet(folder / "first.parquet")
        times, amounts = (
            pd.to_datetime(orders["ordered_at"], errors="coerce", format="mixed"),
            pd.to_numeric(orders["amount"], errors="coerce"),
        )
        orders.assign(ordered_at=times, amount=amounts).to_parquet(folder / "second.parquet")
        answers = tables["responses"].assign(score=pd.to_numeric(tables["responses"]["score"], errors="coerce"))
        answers = answers.assign(scale=7.0, responded_at=pd.Timestamp("2024-03-31 01:30", tz="UTC"))
        answers.to_parquet(folder / "r.parquet")
        daily.to_csv(folder / "rates.csv", index=False)
        (folder / "retention.toml").write_text(LINES, "utf-8")
        data = rk.load(folder)
        ask_everything(data)
        days = pd.DataFrame({"customer_id": ["A", "A"], "ordered_at": ["2022-01-05", "2024-04-03"], "amount": [1, 2]})
        rk.scorecard(rk.load(orders=days, as_of="2024-04-20"), every="week")  # whose days leave a year apart
        for basis in ("orders", "subscriptions"):  # the hard cases hold too few customers to forecast
            invited = pd.DataFrame({"customer_id": ["A"], "invited_at": ["2024-01-05"], "survey": ["nps"]})
            tables = cases.tables() | {"tickets": tickets(), "invitations": invited}
            ask_ahead(rk.load(**tables, timezone=cases.ZONE, currency=cases.CURRENCY, basis=basis))
    return list(Recorder.statements.values())


LINES = """
[data]
rates = "rates.csv"
[[data.orders]]
path = "first.parquet"
rows = "lines"
where = "amount <> '0'"
[[data.orders]]
path = "second.parquet"
rows = "lines"
timezone = "America/New_York"
[data.responses]
path = "r.parquet"
columns.scale = "CASE WHEN scale > 8 THEN '1-5' END"
[report]
timezone = "Europe/London"
currency = "GBP"
"""


def markers() -> dict[str, str]:
    """Of every statement of our SQL files the longest part of a line or comment that no other has, by its place."""
    texts = {
        f"{path.parent.parent.name}/{path.name} {number}": statement
        for path in sorted([*PACKAGE.glob("metrics/queries/sql/*.sql"), *PACKAGE.glob("data/cleaning/sql/*.sql")])
        for number, statement in enumerate(re.split(r";\n", path.read_text("utf-8")))
        if statement.strip()
    }
    return {
        place: max((part for part in parts(text) if sum(part in other for other in texts.values()) == 1), key=len)
        for place, text in texts.items()
    }


def parts(statement: str) -> list[str]:
    return re.split(r"\$\w+|;?\n|;$", statement)


def test_the_statements_are_all_there(statements):
    """Each statement of our SQL files is among them, so that none is forgotten below."""
    text, marker_of = " ".join(statements), markers()
    assert {path.partition(" ")[0] for path in marker_of} >= {"queries/membership_changes.sql", "cleaning/lines.sql"}
    assert [path for path, marker in marker_of.items() if marker not in text] == []
    for word in ("local_time", "instant_at", "isnan", "row_number() OVER () AS _row"):
        assert word in text, word


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "words", ["round(x, 2)", "TRY_CAST(x AS INT)", "TRY_CAST(x AS DATE)", "TRY_CAST(x AS DECIMAL(18, 3))"]
)
def test_what_would_become_another_thing_is_refused(dialect, words):
    from retention_kit.data.engines.dialects import transpile

    with pytest.raises(DataError, match="(?i)" + re.escape(words) + " cannot be said to other engines: "):
        transpile(f"SELECT 1 + {words} AS y FROM t", dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_statement_is_read_in(dialect, statements):
    from sqlglot import exp, parse_one

    from retention_kit.data.engines.dialects import transpile

    unknown = set()
    for sql in statements:
        text = transpile(sql, dialect).text
        assert not re.search(ONLY_DUCKDB, text), text
        tree = parse_one(text, read=dialect)
        assert not isinstance(tree, exp.Command), text
        unknown |= {node.name.lower() for node in tree.find_all(exp.Anonymous)}
    assert unknown - THEIRS[dialect] == set()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_our_words_have_their_own(dialect):
    from retention_kit.data.engines.dialects import transpile

    words = (
        "SELECT local_time(i, 'Europe/London'), instant_at(t, 'Europe/London'), TRY_CAST(s AS TIMESTAMP), "
        "ordered_sum(w) FROM x"
    )
    text = transpile(words, dialect).text.lower()
    assert "ordered_sum" not in text
    assert "local_time" not in text
    assert "instant_at" not in text
    assert "try_cast(s as timestamp)" not in text


def test_parts_that_postgresql_must_compute_once_are_marked(statements):
    """They go by their names."""
    from retention_kit.data.engines.dialects import _ONCE, transpile

    for name in _ONCE:
        part = re.compile(rf"\) AS {name}\b|\b{name} AS \(")
        used = [sql for sql in statements if part.search(sql)]
        assert used, name
        for sql in used:
            assert re.search(r"\bOFFSET 0\b|\bAS MATERIALIZED\b", transpile(sql, "postgres").text), sql


def test_a_long_name_is_not_cut_into_that_of_another():
    from retention_kit.data.engines.dialects import shorten_name, transpile

    names = ["segment." + "ä" * 40 + end for end in "ab"]
    assert shorten_name("channel") == "channel"
    assert len({shorten_name(name) for name in names}) == 2
    assert all(len(shorten_name(name).encode()) <= 63 for name in names)
    assert shorten_name(names[0]) in transpile(f'SELECT "{names[0]}" FROM orders', "postgres").text


def test_a_statement_says_what_it_makes():
    from retention_kit.data.engines.dialects import transpile

    statement = transpile(
        "CREATE OR REPLACE TEMP TABLE turns AS SELECT CAST(a AS VARCHAR) AS a FROM (SELECT 1 AS a) AS b", "postgres"
    )
    assert statement.creates == "turns"
    assert statement.kind == "TABLE"
    assert (
        statement.text
        == 'CREATE TEMPORARY TABLE turns AS SELECT (CAST(a AS TEXT) COLLATE "C") AS a FROM (SELECT 1 AS a) AS b'
    )
