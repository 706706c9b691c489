"""PostgreSQL: a real server, and on it the very figures that the embedded engine gives."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from datetime import date
from itertools import count
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import commented
import oracle_cases as cases
import retention_kit as rk
import test_times
from contradicting_shop import COUNTED, REVENUE, counted, shop
from due import follow_up_differences, with_consents
from exports import CASES
from pencil import checks, table, value
from retention_kit.cli import main
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.sql_text import quote
from retention_kit.data.importing.importer import import_files
from retention_kit.data.sample import sample_tables
from retention_kit.errors import DataError, SettingsError
from retention_kit.metrics.forecasts.lists import risk_lists
from retention_kit.metrics.queries.views import run_query
from retention_kit.periods import Period
from same_figures import AMOUNTS, AWARE, CLOCKS, FLOATS, INSTANTS, TEXTS, differences, forecast_differences
from test_interrupt import interrupted
from test_oracle_options import rates
from test_real_data import LINES, lines

pytestmark = pytest.mark.server
psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
NUMBERS = count()
DECEMBER = Period.parse("2025-12")


@pytest.fixture(scope="module")
def server():
    """The address of a server of our own, whose texts sort as people sort them, not by their bytes."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not (initdb := installed[-1] if installed else shutil.which("initdb")):
        pytest.skip("there is no PostgreSQL server here")
    tools, folder = Path(initdb).parent, Path(tempfile.mkdtemp(prefix="retention-kit-"))
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # no server runs as root
    if as_user:
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = str(folder / "data")
    locale = ["--locale=C", "--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en"]
    options = f"-c fsync=off -c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder}"
    options += " -c timezone=Asia/Tokyo -c datestyle=SQL,DMY"  # whatever a server's ways are
    steps = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL}
    try:
        subprocess.run(
            [*as_user, tools / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", *locale], **steps
        )
        subprocess.run(
            [*as_user, tools / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"], **steps
        )
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        subprocess.run([*as_user, tools / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"], **steps)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def database(server):
    return sqlalchemy.create_engine(server.replace("postgresql:", "postgresql+psycopg:"))


def execute(database, sql: str) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(sql)


def create_table(database, frame: pd.DataFrame, types: dict[str, str] | None = None) -> str:
    """A new table of a DataFrame, with the types it has or those given: its name, with its schema."""
    name = f"table_{next(NUMBERS)}"
    with duckdb.connect() as embedded:
        embedded.register("frame", frame)
        kinds = {name: kind for name, kind, *_ in embedded.execute("DESCRIBE frame").fetchall()}
        rows = embedded.execute(
            f"SELECT {', '.join(f'CAST({quote(name)} AS VARCHAR)' for name in kinds)} FROM frame"
        ).fetchall()
    postgres_types = {"DOUBLE": "double precision", "TIMESTAMP_NS": "timestamp", "VARCHAR": "text", '"NULL"': "text"}
    kinds = {name: (types or {}).get(name) or postgres_types.get(kind, kind) for name, kind in kinds.items()}
    with psycopg.connect(database.url.set(drivername="postgresql").render_as_string()) as connection:
        connection.execute(
            f"CREATE TABLE {name} ({', '.join(f'{quote(column)} {kind}' for column, kind in kinds.items())})"
        )
        with connection.cursor().copy(f"COPY {name} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    return f"public.{name}"


def load_both(database, options: dict, **tables: pd.DataFrame) -> tuple:
    """The same tables on the embedded engine and on the server."""
    return rk.load(**tables, **options), rk.load(
        database, **{n: create_table(database, t) for n, t in tables.items()}, **options
    )


@pytest.mark.parametrize(
    ("basis", "every"), [("orders", ["month", "week"]), ("subscriptions", ["month", "quarter", "year"])]
)
def test_the_sample_company_has_the_same_figures(database, basis, every):
    options = {"timezone": cases.ZONE, "currency": cases.CURRENCY, "basis": basis}
    data, other = load_both(database, options, **cases.tables())
    assert differences(data, other, ["channel"], every) == []


def test_follow_ups_are_the_same(database):
    options = {"timezone": cases.ZONE, "currency": cases.CURRENCY}
    tables = with_consents(cases.tables())
    some = {name: frame[frame["customer_id"].str[-1].isin([*"0369"])] for name, frame in tables.items()}
    data, other = load_both(database, options, **some)
    assert follow_up_differences(data, other) == []


def test_comments_and_invitations_are_the_same(database):
    for tables in commented.companies():
        embedded, remote = load_both(database, commented.OPTIONS, **tables)
        assert commented.all_texts(embedded) == commented.all_texts(remote)


def test_subscribers_are_forecast_alike(database):
    tables = {name: frame for name, frame in sample_tables().items() if name != "orders"}
    data, other = load_both(database, {"timezone": "Europe/London", "currency": "GBP"}, **tables)
    assert len(risk_lists(data, DECEMBER)["at_risk"]) == 100
    assert forecast_differences(data, other, DECEMBER, ["plan"]) == []


def test_online_retail_by_lines(server, database, shared, tmp_path):
    embedded = lines(tmp_path, shared, LINES)
    data = rk.load(embedded)
    name = create_table(database, pd.read_parquet(shared / "data" / LINES))
    text = re.sub(
        "(CustomerID|InvoiceNo|InvoiceDate|Country|Quantity|UnitPrice)", r'\\"\1\\"', embedded.read_text("utf-8")
    )
    text = re.sub('= "\\\\"(CustomerID|InvoiceNo|InvoiceDate|Country)\\\\""', r'= "\1"', text)
    text = re.sub("path = .*", f'path = "{name}"', text)
    (tmp_path / "there.toml").write_text(f'[data]\nengine = "{server}"\n{text}', "utf-8")
    other = rk.load(tmp_path / "there.toml")
    assert differences(data, other, ["country"]) == []
    assert round(value(other, "average_revenue_per_customer", "2011-11"), 2) == 698.21  # as published


def test_buyers_are_forecast_alike(database):
    """The models of the sample company's buyers, and whom they name: parameters and lists to the last digit."""
    options = {"timezone": cases.ZONE, "currency": cases.CURRENCY, "as_of": str(cases.AS_OF)}
    data, other = load_both(database, options, orders=cases.tables()["orders"])
    assert forecast_differences(data, other, DECEMBER, ["channel"]) == []
    assert len(risk_lists(other, DECEMBER)["at_risk"]) == 100


OPTIONS = [
    ("orders", {"inactivity_days": 45, "returning": "shopify", "count": "days", "answers": "all", "csat_top": 1}),
    ("orders", {"inactivity_days": 20, "churn_mode": "event", "zero_orders": "purchase", "ces_top": "mean"}),
    ("subscriptions", {"mrr_mode": "event", "churn_mode": "event", "lifespan_years": 2.5}),
]


@pytest.mark.parametrize(("basis", "options"), OPTIONS, ids=[f"{basis} {options}" for basis, options in OPTIONS])
def test_hard_cases_under_every_option(database, basis, options):
    common = {"timezone": cases.ZONE, "currency": cases.CURRENCY, "basis": basis, "as_of": str(cases.TRICKY_AS_OF)}
    data, other = load_both(database, common | options, **cases.many_tricky_tables(range(6)))
    assert differences(data, other, ["country"], ["month", "week"]) == []


@pytest.mark.parametrize("mode", ["snapshot", "event"])
@pytest.mark.parametrize("basis", cases.BASES)
def test_hard_cases_in_several_currencies(database, basis, mode):
    tables = cases.many_tricky_tables(range(4), ("GBP", "EUR", None, "USD"))
    tables |= {"rates": rates(date(2023, 10, 1), date(2024, 5, 10), 9)}
    options = {
        "timezone": cases.ZONE,
        "currency": "GBP",
        "basis": basis,
        "as_of": str(cases.TRICKY_AS_OF),
        "mrr_mode": mode,
    }
    data, other = load_both(database, options, **tables)
    assert differences(data, other, ["country"], ["month", "week"]) == []


@pytest.mark.parametrize("written", [CLOCKS, AWARE], ids=["naive", "aware"])
@pytest.mark.parametrize("zone", [None, "Europe/London", "America/New_York", "Australia/Lord_Howe"])
def test_times_in_local_zones_are_the_same(database, written, zone):
    data, other = load_both(database, {"timezone": zone, "currency": "EUR"}, orders=table(written))
    assert differences(data, other) == []


@pytest.mark.parametrize("column", test_times.COLUMNS)
def test_every_way_of_writing_a_time(database, column):
    frame = test_times.orders(test_times.COLUMNS[column])
    data, other = load_both(database, {"timezone": "Europe/London", "as_of": "2027-01-01"}, orders=frame)
    assert test_times.times_and_counts(data) == test_times.times_and_counts(other)


def test_ends_that_stand_for_none(database):
    frame = pd.DataFrame({"customer_id": "a", "started_at": "2024-01-10", "ended_at": test_times.NO_END, "amount": 10})
    data, other = load_both(database, {"timezone": "America/New_York", "as_of": "2024-04-01"}, subscriptions=frame)
    assert checks(data) == checks(other)
    typed = rk.load(
        database,
        subscriptions=create_table(database, frame, {"ended_at": "timestamptz"}),
        timezone="Asia/Tokyo",
        as_of="2024-04-01",
    )
    assert checks(typed)["end date that stands for none"] == len(frame)


def test_times_of_its_types_outside_all_years(database):
    texts = ["infinity", "-infinity", "4713-01-01 BC", "290000-01-01", *["2024-01-05"] * 5]
    frame = test_times.orders(texts)
    for kind in ("date", "timestamp", "timestamptz"):
        data = rk.load(database, orders=create_table(database, frame, {"ordered_at": kind}), timezone="Asia/Tokyo")
        assert checks(data) == {"date outside 1970-2100": 4}
        assert len(data.quarantine["orders"]) == 4


def test_times_of_a_zone_of_their_own_are_moved_alike(server, database, tmp_path):
    """Two sources, one below the other: naive times of London as texts, and a column of them, in a report of New York."""
    first = table(CLOCKS).assign(channel="web")
    second = first.assign(
        ordered_at=pd.to_datetime(first["ordered_at"], errors="coerce", format="mixed"), order_id=range(20, 28)
    )
    files = [tmp_path / "first.parquet", tmp_path / "second.parquet"]
    names = [create_table(database, frame) for frame in (first, second)]
    for file, frame in zip(files, (first, second), strict=True):
        frame.to_parquet(file)

    def loaded(engine: str, paths: list) -> object:
        sources = [f'[[data.orders]]\npath = "{path}"\ntimezone = "Europe/London"\n' for path in paths]
        text = f'[data]\n{engine}\n{"".join(sources)}[report]\ntimezone = "America/New_York"\ncurrency = "GBP"\n'
        (tmp_path / "retention.toml").write_text(text, "utf-8")
        return rk.load(tmp_path)

    data, other = loaded("", [file.as_posix() for file in files]), loaded(f'engine = "{server}"', names)
    assert differences(data, other, ["channel"]) == []
    assert (checks(data)["nonexistent local time"], checks(data)["ambiguous local time"]) == (2, 4)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [("TIMESTAMP", TEXTS), ("TIMESTAMPTZ", INSTANTS), ("DECIMAL(28, 6)", AMOUNTS), ("DOUBLE", FLOATS)],
    ids=lambda value: value.split("(")[0].lower() if isinstance(value, str) else "",
)
def test_texts_are_read_alike(database, kind, texts):
    """The figures rest on it: what one engine reads the other reads, as the same value."""
    query = f"SELECT said, CAST(TRY_CAST(said AS {kind}) AS VARCHAR) AS read FROM texts ORDER BY place"
    frame = pd.DataFrame({"place": range(len(texts)), "said": list(texts)})
    engines = [DuckDB(), postgres(database)]
    for engine in engines:
        engine.register("texts", frame)
    (embedded, remote) = (dict(engine.rows(query)) for engine in engines)
    if kind == "DOUBLE":
        embedded, remote = (
            {text: None if read is None else float(read) for text, read in readings.items()}
            for readings in (embedded, remote)
        )
    assert {text: (embedded[text], remote[text]) for text in texts if repr(embedded[text]) != repr(remote[text])} == {}
    assert sum(read is not None for read in embedded.values()) > len(texts) / 3


def test_halves_are_rounded_away_from_zero(database):
    frame = pd.DataFrame({"x": [0.5, 1.5, 2.5, -0.5, -2.5, 0.49999999999999994, 4503599627370497.0, -3.7]})
    engines = [DuckDB(), postgres(database)]
    for engine in engines:
        engine.register("halves", frame)
    query = "SELECT CAST(round(x) AS BIGINT), round(CAST(x * 2 AS BIGINT)), round(TRY_CAST('2.5' AS DECIMAL(28, 6))) FROM halves ORDER BY x"
    embedded, remote = (engine.rows(query) for engine in engines)
    assert embedded == remote
    assert [row[0] for row in embedded] == [-4, -3, -1, 0, 1, 2, 3, 4503599627370497]


def postgres(database):
    from retention_kit.data.engines.postgres import Postgres

    return Postgres(database)


# What a database is besides


ORDERS = """
customer_id  order_id  ordered_at           amount  channel
Ann          1         2025-01-05 10:00:00  10.00   web
bob          2         2025-01-20 10:00:00  20.00   shop
Ann          3         2025-02-05 10:00:00  30.00   web
"""
TYPED = {
    "customer_id": "char(8)",
    "order_id": "bigint",
    "ordered_at": "timestamptz",
    "amount": "numeric(12, 3)",
    "channel": "text",
}


def test_columns_of_its_own_types(database):
    frame = table(ORDERS)
    name = create_table(database, frame, TYPED)
    execute(database, f"ALTER TABLE {name} ADD paid boolean DEFAULT true, ADD id uuid DEFAULT gen_random_uuid(), ADD tags json, "
            f"ADD {quote('x' * 60)} text DEFAULT 'long'")  # fmt: skip  # the table as on paper
    execute(database, f"INSERT INTO {name} VALUES ('x', 9, 'infinity', 1, 'web')")
    data = rk.load(database, orders=name, timezone="Asia/Tokyo", currency="EUR")
    assert set(data.segments) == {"channel", "paid", "tags", "x" * 60}
    assert checks(data) == {"date outside 1970-2100": 1}
    assert data.quarantine["orders"]["customer_id"].tolist() == ["x"]
    assert value(data, "active_customers", "2025-01") == 2
    frame = rk.scorecard(data, "2025-01", metrics=["revenue"], segment="x" * 60)
    assert frame["value"].tolist() == [30.0, 30.0]


def test_tables_under_our_names_are_found(database):
    execute(
        database,
        f"CREATE VIEW subscriptions_ AS SELECT 1 AS a; CREATE VIEW orders AS SELECT * FROM {create_table(database, table(ORDERS))}",
    )
    try:
        with database.connect() as connection:
            data = rk.load(connection, currency="EUR")
            assert connection.exec_driver_sql("SELECT count(*) FROM orders").scalar() == 3  # theirs, not ours
    finally:
        execute(database, "DROP VIEW orders; DROP VIEW subscriptions_")
    assert data.tables == ("orders",)
    assert value(data, "revenue", "2025-01") == 30
    with pytest.raises(DataError, match="holds none of our tables, orders, subscriptions, responses; it has table_"):
        rk.load(database)


def test_a_query_is_in_the_words_of_the_database(database):
    name = create_table(database, table(ORDERS), TYPED)
    query = f"SELECT *, amount::numeric % 7 AS \"Rest\" FROM {name} WHERE channel ~ '^w';"
    data = rk.load(database, orders=query, currency="EUR")
    assert value(data, "revenue", "2025-01") == 10
    assert set(data.segments) == {"channel", "Rest"}


def test_files_and_frames_beside_a_database(server, database, tmp_path):
    """Rates in a CSV, and responses in a DataFrame: read here, taken there."""
    frame = table(ORDERS).assign(currency=["GBP", "EUR", None])
    rates = pd.DataFrame({"date": ["2025-01-01", "2025-02-01"], "currency": ["GBP", "GBP"], "rate": [1.25, 1.5]})
    answers = pd.DataFrame({"responded_at": ["2025-01-03"], "survey": ["nps"], "score": [9], 'a % "b"': [0.5]})
    name = create_table(database, frame)
    data = rk.load(database, orders=name, rates=rates, responses=answers, currency="EUR")
    assert (value(data, "revenue", "2025-01"), value(data, "net_promoter_score", "2025-01")) == (32.5, 100)
    rates.to_csv(tmp_path / "rates.csv", index=False)
    text = f'[data]\nengine = "{server}"\norders = "{name}"\nrates = "rates.csv"\n[report]\ncurrency = "EUR"\n'
    (tmp_path / "retention.toml").write_text(text, "utf-8")
    assert value(rk.load(tmp_path), "revenue", "2025-01") == 32.5


def test_a_source_is_known_by_its_rows(database):
    """The digest is that of the rows in their order, by which ties are settled; the name holds no credentials."""
    frame = table(ORDERS)
    digests = []
    for rows in (frame, frame, frame[::-1], frame[:2], frame.assign(amount="10.01")):
        (source,) = rk.load(database, orders=(name := create_table(database, rows)), currency="EUR").sources
        assert source["name"] == f"127.0.0.1/postgres: {name}"
        digests.append(source["sha256"])
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4
    assert {len(digest) for digest in digests} == {64}


def test_what_happens_to_the_table_meanwhile_changes_nothing(database):
    name = create_table(database, table(ORDERS))
    data = rk.load(database, orders=name, currency="EUR")
    execute(database, f"DROP TABLE {name}")
    assert value(data, "revenue", "2025-01") == 30


def test_tables_of_our_names_are_found_whatever_the_search_path(database):
    """Theirs while they are looked up, ours from then on, also where their schema comes before what is temporary."""
    execute(database, f"CREATE SCHEMA shop; CREATE TABLE shop.orders AS SELECT * FROM {create_table(database, table(ORDERS))}; "
            "CREATE TABLE shop.levels AS SELECT 1 AS a; CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA shop TO clerk; "
            "GRANT SELECT ON ALL TABLES IN SCHEMA shop TO clerk; ALTER ROLE clerk SET search_path = shop, pg_temp")  # fmt: skip  # the table as on paper
    clerk = sqlalchemy.create_engine(database.url.set(username="clerk"))
    try:
        for data in (rk.load(clerk, currency="EUR"), rk.load(clerk, orders="SELECT * FROM orders", currency="EUR")):
            assert value(data, "revenue", "2025-01") == 30
            assert data.engine.rows("SELECT sum(amount) FROM orders") == [(6000,)]
    finally:
        execute(database, "DROP SCHEMA shop CASCADE; DROP OWNED BY clerk; DROP ROLE clerk")


def test_what_is_no_engine_and_no_connection_is_refused(database):
    from sqlalchemy.orm import Session

    with Session(database) as session:
        for tables in ({"source": session}, {"orders": sqlalchemy.text("SELECT 1")}):
            with pytest.raises(
                DataError, match=r"^The tables cannot be loaded from SQLAlchemy's (Session|TextClause): give its"
            ):
                rk.load(**tables)


def test_nothing_is_left_or_written(database):
    """A user who may only read, and make temporary tables, will do."""
    name = create_table(database, table(ORDERS))
    execute(
        database,
        f"CREATE ROLE reader LOGIN; GRANT SELECT ON {name} TO reader; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    query = "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname !~ '^pg_' ORDER BY 1, 2"
    reader = sqlalchemy.create_engine(database.url.set(username="reader"))
    with database.connect() as connection:
        before = connection.exec_driver_sql(query).fetchall()
        data = rk.load(reader, orders=name, currency="EUR")
        assert value(data, "revenue", "2025-01") == 30
        assert connection.exec_driver_sql(query).fetchall() == before
    execute(database, "REVOKE TEMP ON DATABASE postgres FROM PUBLIC")
    try:
        with pytest.raises(DataError, match=r"allows no temporary tables, .*: GRANT TEMP on the database"):
            rk.load(reader, orders=name, currency="EUR")
    finally:
        execute(database, "GRANT TEMP ON DATABASE postgres TO PUBLIC")


def test_mistakes_are_one_sentence(server, database, tmp_path, monkeypatch):
    name = create_table(database, table(ORDERS))

    def load(orders: str, engine: str = server) -> None:
        (tmp_path / "retention.toml").write_text(
            f'[data]\nengine = "{engine}"\n{orders}\n[report]\ncurrency = "EUR"\n', "utf-8"
        )
        rk.load(tmp_path)

    with pytest.raises(DataError, match=f"^127.0.0.1/postgres has no table '{name}0': did you mean '(public.)?table_"):
        load(f'orders = "{name}0"')
    with pytest.raises(
        DataError, match="amount = 'amount \\* 2' does not work: operator does not exist: text \\* integer"
    ):
        load(f'[data.orders]\npath = "{name}"\ncolumns.amount = "amount * 2"')
    for expression, message in {
        "sum(amount)": "it gathers several rows, but is worked out for each row by itself: use the columns of its row",
        "max(amount)": "it gathers several rows",
        "round(amount)": "'round' does not take text",
        "amont": "no column 'amont' for amount: did you mean 'amount'",
        "rond(amount)": "there is no function 'rond': did you mean 'round'",
        "amont || ''": "there is no column 'amont': did you mean 'amount'",
    }.items():
        with pytest.raises(DataError, match=re.escape(message)):
            load(f'[data.orders]\npath = "{name}"\ncolumns.amount = "{expression}"')
    with pytest.raises(DataError, match=r'SELECT nothing FROM x cannot be read: relation "x" does not exist\.$'):
        load('orders = "SELECT nothing FROM x"')
    monkeypatch.setenv("PGPASS_WORD", "s3cr:t@")
    monkeypatch.delenv("PGNOBODY", raising=False)
    with pytest.raises(SettingsError, match=r"^data\.engine: the environment has no variable PGNOBODY\.$"):
        load(f'orders = "{name}"', server.replace("postgres@", "${PGNOBODY}@"))
    with pytest.raises(DataError, match=r"^127.0.0.1/nowhere cannot be reached: .*nowhere") as error:
        load(
            f'orders = "{name}"',
            server.replace("postgres@", "postgres:${PGPASS_WORD}@").replace("/postgres", "/nowhere"),
        )
    assert "s3cr" not in str(error.value)
    with pytest.raises(DataError, match=r"^A connection to sqlite cannot be used yet, one to postgresql can\.$"):
        rk.load(sqlalchemy.create_engine("sqlite://"))


def test_the_whole_address_may_be_a_variable(server, database, tmp_path, monkeypatch, capsys):
    name = create_table(database, table(ORDERS))
    monkeypatch.setenv("SHOP_DATABASE", server.replace("postgres@", "postgres:s3cret@"))
    (tmp_path / "retention.toml").write_text(f'[data]\nengine = "${{SHOP_DATABASE}}"\norders = "{name}"\n', "utf-8")
    assert main(["check", "--data", str(tmp_path)]) == 0
    assert main(["metrics", "--data", str(tmp_path), "--period", "2025-01", "--metric", "revenue", "--csv"]) == 0
    captured = capsys.readouterr()
    assert ",30.0,money" in captured.out
    assert "s3cret" not in captured.out + captured.err


def test_sums_that_are_too_large_are_refused_as_here(database):
    large = pd.DataFrame({"customer_id": list("abc"), "ordered_at": ["2025-01-05"] * 3, "amount": ["9e16"] * 3})
    for data in load_both(database, {"currency": "EUR"}, orders=large):
        with pytest.raises(DataError, match="The amounts are too large to be summed exactly"):
            rk.scorecard(data, "2025-01", metrics=["revenue"])


def test_a_query_is_ended_from_another_thread_and_the_next_one_works(database):
    orders = sample_tables()["orders"]
    data = rk.load(database, orders=create_table(database, orders), timezone="UTC", currency="GBP")
    assert interrupted(data) == "The query was interrupted."
    assert run_query(data, "SELECT 1 AS one")["one"].tolist() == [1]
    assert rk.customer_movements(data)["end"].iloc[-1] > 0


def test_a_pack_of_a_database_and_the_same_again(server, database, tmp_path):
    """The notebooks get the summaries alone; unchanged rows make no new pack, and the manifest holds no address."""
    name = create_table(database, cases.tables()["orders"])
    text = f'[data]\nengine = "{server}"\norders = "{name}"\n[report]\ncurrency = "GBP"\nformats = ["html"]\n'
    (tmp_path / "retention.toml").write_text(text, "utf-8")
    command = ["report", "--data", str(tmp_path), "--only", "overview,retention", "--output", str(tmp_path / "reports")]
    assert main(command) == 0
    pack = tmp_path / "reports" / "2025-12"
    before = (pack / "manifest.json").stat().st_mtime_ns
    assert main(command) == 0
    assert (pack / "manifest.json").stat().st_mtime_ns == before
    assert f"127.0.0.1/postgres: {name}" in (pack / "manifest.json").read_text("utf-8")
    assert not [file for file in pack.rglob("*") if file.is_file() and server.encode() in file.read_bytes()]
    assert len(list((pack / "lists").iterdir())) > 0
    assert main(["rerun", str(pack), "--data", str(tmp_path)]) == 0


def test_what_tables_say_against_themselves_is_counted_alike(server, tmp_path):
    embedded, server_folder = (tmp_path / name for name in ("embedded", "ours"))
    embedded.mkdir(), server_folder.mkdir()
    local, remote = rk.load(shop(embedded)), rk.load(shop(server_folder, server))
    assert counted(remote) == COUNTED
    pd.testing.assert_frame_equal(remote.quality, local.quality)
    assert remote.warnings == local.warnings
    assert {period: value(remote, "revenue", period) for period in REVENUE} == REVENUE


def test_ids_are_read_alike(database):
    ids = [
        "17850.0",
        "17850",
        "\u00a042 ",
        "NULL",
        "\\N",
        "[NULL]",
        "n/a",
        "007.0",
        "1.23457E+12",
        "A@x",
        "a@x",
        "0",
        "-",
        '="00123"',
        "'00123",
        "\u200e00123\u2069",
        "'t Hooft",
        "e\u0301",
        "\u00e9",
    ]
    orders = pd.DataFrame({"customer_id": ids, "ordered_at": "2024-01-05", "amount": "10", "refund_of": "0"})
    orders = orders.assign(order_id=[f"{index}.0" for index in range(len(ids))])
    embedded, remote = load_both(database, {"timezone": "UTC", "currency": "EUR"}, orders=orders)
    read = "SELECT customer_id, order_id FROM orders ORDER BY _row"
    assert embedded.engine.rows(read) == remote.engine.rows(read)
    assert embedded.quality.equals(remote.quality)


@pytest.mark.parametrize("mode", ["endpoint", "event"])
@pytest.mark.parametrize("basis", cases.BASES)
def test_customers_of_before_and_of_one_day_are_told_alike(database, basis, mode):
    orders = pd.DataFrame(
        [("a", "o1", "2023-01-05"), ("b", "o2", "2023-01-20"), ("b", "o3", "2023-03-02"), ("d", "o4", "2023-03-03")],
        columns=["customer_id", "order_id", "ordered_at"],
    ).assign(amount="10")
    spells = pd.DataFrame(
        [("a", "2023-01-05 10:00", "2023-01-05 18:00"), ("b", "2023-01-20", "2023-02-10"), ("d", "2023-03-03", None)],
        columns=["customer_id", "started_at", "ended_at"],
    ).assign(amount="10")
    known = pd.DataFrame(
        [("b", "2020-05-01"), ("b", None), ("x", None), (None, None), ("d", "2023-02-01"), ("a", "long ago")],
        columns=["customer_id", "first_at"],
    )
    tables = {"orders": orders, "subscriptions": spells, "known_customers": known}
    embedded, remote = load_both(database, {"basis": basis, "churn_mode": mode, "timezone": "UTC"}, **tables)
    assert value(embedded, "reactivated_customers", "2023-01") == 1
    assert differences(embedded, remote) == []


def test_several_answers_of_a_customer_are_told_alike(database):
    """Their intervals go by customers, of parts and changes too."""
    rows = [
        (
            customer_id,
            f"2024-0{month}-{day + 1:02}",
            survey,
            (day * 3 + month) % 5 + 1,
            1 + day % 3 / 2,
            customer_id or "guest",
            scale,
        )
        for survey, scale in (("nps", "0-10"), ("csat", "1-5"), ("ces", "1-7"))
        for month in (1, 2)
        for day, customer_id in enumerate(["a", "a", "b", None, "c", "a", "b", None])
    ]
    columns = ["customer_id", "responded_at", "survey", "score", "weight", "region", "scale"]
    options = {"timezone": "UTC", "answers": "all", "segments": ["region"]}
    embedded, remote = load_both(database, options, responses=pd.DataFrame(rows, columns=columns))
    assert differences(embedded, remote, ["region"]) == []


@pytest.mark.parametrize(
    "amounts", [["€ 1.200,50", "(5,00)", "7,5-", "x"], ["$1,200.00", "-$1", "١٢٫٥٠", "1e3", "ten"]]
)
def test_amounts_are_read_alike(database, amounts):
    orders = pd.DataFrame({"customer_id": "Ann", "ordered_at": "2024-01-05", "amount": amounts})
    embedded, remote = load_both(database, {"timezone": "UTC"}, orders=orders)
    read = "SELECT amount, refund FROM orders ORDER BY _row"
    assert embedded.engine.rows(read) == remote.engine.rows(read)
    assert len(embedded.engine.rows(read)) == len(amounts) - 1
    assert embedded.quality.equals(remote.quality)


def test_intervals_and_statuses_are_read_alike(database):
    intervals = ["Yearly", "3 months", "every 2 weeks", "P1M", "5 months", "bimonthly"]
    states = ["Active", "non_renewing", "past due", "in_trial", "future", "active"]
    spells = pd.DataFrame(
        {"customer_id": list("ABCDEF"), "started_at": "2024-01-05", "ended_at": None, "amount": "10.01"}
    )
    spells = spells.assign(interval=intervals, status=states)
    embedded, remote = load_both(database, {"timezone": "UTC", "as_of": "2024-03-01"}, subscriptions=spells)
    read = "SELECT mrr, status FROM subscriptions ORDER BY _row"
    assert embedded.engine.rows(read) == remote.engine.rows(read)
    assert embedded.quality.equals(remote.quality)


@pytest.mark.parametrize("mode", ["snapshot", "event"])
def test_discounts_are_read_alike(database, mode):
    spells = table("""
        customer_id  subscription_id  started_at  ended_at    amount  currency
        Ann          1                2024-01-05  -           50      -
        Ann          1                2024-01-05  2024-03-10  -10     -
        Ann          2                2024-02-05  2024-04-10  7       USD
        Ann          3                2024-02-15  2024-03-10  -3      USD
        Ben          4                2024-01-05  2024-02-10  5       -
        Ben          5                2024-01-20  -           -7      -
        Cy           6                2024-01-20  -           -7      -
    """)
    rates = pd.DataFrame({"date": ["2024-01-01"], "currency": ["USD"], "rate": [0.5]})
    options = {"timezone": "UTC", "currency": "EUR", "as_of": "2024-06-01", "mrr_mode": mode}
    embedded, remote = load_both(database, options, subscriptions=spells, rates=rates)
    read = "SELECT customer_id, _row, paid_from, paid_until, mrr, currency FROM subscriptions ORDER BY 2, 3"
    assert [tuple(row) for row in embedded.engine.rows(read)] == [tuple(row) for row in remote.engine.rows(read)]
    assert embedded.quality.equals(remote.quality)
    assert {check: rows for check, rows in checks(embedded).items() if "discount" in check} == {
        "discount": 3,
        "discount above what it lowers": 1,
    }
    pd.testing.assert_frame_equal(rk.mrr_movements(embedded), rk.mrr_movements(remote))


def test_words_for_nothing_guests_and_odd_amounts_are_read_alike(database):
    spells = pd.DataFrame(
        {
            "customer_id": ["A", "B", "C", "D"],
            "started_at": "2024-01-05",
            "ended_at": ["never", "2024-02-01", "N/A", "0000-00-00"],
            "amount": ["10", "€ 12.505", "(1.00)", "1,200.00"],
            "status": ["NULL", "active", "-", "on pause"],
            "interval": ["month", "\\N", "year", None],
        }
    )
    amounts = ["1,200.00", "$5", "€ 12.505", "2", "3", "4"]
    orders = pd.DataFrame(
        {
            "customer_id": ["guest", "0", "-1", "shop@x.example", "guest@x.example", "guest@x.example"],
            "ordered_at": "2024-01-05",
            "amount": amounts,
            "currency": ["USD", "EUR", "NULL", "EUR", "n/a", None],
            "order_id": list("abcdef"),
            "refunded": [None, "-", "1", "N/A", None, None],
        }
    )
    answers = pd.DataFrame(
        {
            "responded_at": ["2024-01-05", "2024-01-06", "soon", "2024-01-06", "2024-01-07"],
            "survey": "nps",
            "score": ["9", "2", "8", "8", "skipped"],
            "response_id": ["1", "1.0", "2", "2", None],
            "weight": ["1", "1", "NULL", "2", "-"],
        }
    )
    options = {"timezone": "UTC", "currency": "EUR", "as_of": "2024-03-01"}
    daily = rates(date(2024, 1, 1), date(2024, 3, 1), 9)
    tables = {
        "orders": orders,
        "subscriptions": spells,
        "responses": answers,
        "rates": daily[daily["currency"] == "USD"],
    }
    embedded, remote = load_both(database, options, **tables)
    assert embedded.quality.to_dict("records") == remote.quality.to_dict("records")
    assert {
        "word for an empty cell",
        "id that names nobody",
        "more decimals than the currency has",
        "sign of another currency",
        "same response_id",
    } <= set(embedded.quality["check"])
    assert rk.scorecard(embedded).equals(rk.scorecard(remote))


@pytest.mark.parametrize(
    ("survey", "scores"),
    [
        ("csat", ["10", "9 - Very", "2", "5"]),
        ("csat", ["good", "Bad, slow", "good"]),
        ("csat", [2, 1, 0]),
        ("csat", [1.0, 0.0, None]),
        ("csat", ["٥", "4", "good"]),
        ("ces", ["٧", "4", "1"]),
        ("ces", [7, 5, 9]),
    ],
)
def test_scales_are_read_alike(database, survey, scores):
    table = pd.DataFrame({"responded_at": "2024-01-05", "survey": survey.upper(), "score": scores})
    embedded, remote = load_both(database, {"timezone": "UTC"}, responses=table)
    read = "SELECT score, scale, low, high, problem FROM responses_typed ORDER BY _row"
    assert embedded.engine.rows(read) == remote.engine.rows(read)
    assert embedded.quality.equals(remote.quality)
    assert rk.scorecard(embedded).equals(rk.scorecard(remote))


@pytest.mark.parametrize(
    "name", sorted(set(CASES) - {"surveymonkey", "google_forms"})
)  # whose times are read by DuckDB's words
def test_an_export_beside_a_database_gives_the_same(server, tmp_path, name):
    case = CASES[name]
    (tmp_path / case.name).write_text(case.text, "utf-8")
    imported = import_files([tmp_path / case.name], None, tmp_path / "retention.toml")
    assert imported
    embedded = rk.load(tmp_path)
    text = (tmp_path / "retention.toml").read_text("utf-8")
    (tmp_path / "retention.toml").write_text(f'data.engine = "{server}"\n{text}', "utf-8")
    remote = rk.load(tmp_path)
    assert remote.quality.to_dict("records") == embedded.quality.to_dict("records")
    assert {metric: value(remote, metric, case.period) for metric in case.figures} == pytest.approx(case.figures)


@pytest.mark.parametrize("kind", ["query", "view", "where", "column"])
def test_what_is_read_writes_nothing(database, tmp_path, server, kind):
    execute(
        database,
        "CREATE SCHEMA writing; CREATE TABLE writing.seen (a integer); "
        "CREATE FUNCTION writing.writes() RETURNS integer LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO writing.seen VALUES (1); RETURN 1; END $$; "
        "CREATE TABLE writing.plain AS SELECT 'A' AS customer_id, DATE '2024-01-05' AS ordered_at, 1 AS amount; "
        "CREATE VIEW writing.orders AS SELECT customer_id, ordered_at, writing.writes() AS amount FROM writing.plain",
    )
    path = {"query": "SELECT *, writing.writes() FROM writing.plain", "view": "writing.orders"}.get(
        kind, "writing.plain"
    )
    more = {"where": 'where = "writing.writes() = 1"', "column": '[data.orders.columns]\ncountry = "writing.writes()"'}
    settings = (
        f'[report]\ntimezone = "UTC"\n[data]\nengine = "{server}"\n[data.orders]\npath = "{path}"\n{more.get(kind, "")}'
    )
    (tmp_path / "retention.toml").write_text(settings)
    try:
        with pytest.raises(DataError, match="read-only transaction"):
            rk.load(tmp_path / "retention.toml")
        with database.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM writing.seen").scalar() == 0
    finally:
        execute(database, "DROP SCHEMA writing CASCADE")


@pytest.mark.parametrize(("server_limit", "limit"), [("0", "1h"), ("7min", "7min")])
def test_no_statement_runs_for_ever(server, server_limit, limit):
    engine = postgres(
        sqlalchemy.create_engine(
            f"{server.replace('postgresql:', 'postgresql+psycopg:')}?options=-c%20statement_timeout%3D{server_limit}"
        )
    )
    assert engine.rows("SELECT current_setting('statement_timeout')") == [(limit,)]
