"""Spark: a session of its own on this machine, and on it the very figures that the embedded engine gives."""

from __future__ import annotations

import gc
import os
import re
import shutil
import socket
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

import commented
import oracle_cases as cases
import retention_kit as rk
import test_times
from due import follow_up_differences, with_consents
from pencil import checks, table, value
from retention_kit.data.choose_engine import named_engine
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.spark import Spark
from retention_kit.data.engines.sql_text import quote
from retention_kit.data.sample import sample_tables
from retention_kit.errors import DataError
from retention_kit.metrics.queries.views import run_query
from retention_kit.periods import Period
from retention_kit.settings import Data
from same_figures import AMOUNTS, AWARE, CLOCKS, FLOATS, INSTANTS, TEXTS, differences, forecast_differences
from test_interrupt import interrupted
from test_oracle_options import rates
from test_real_data import LINES, lines

pytestmark = [
    pytest.mark.server,
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]
# Small tables: what pays for itself over millions of rows only takes time here.
SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "2g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.session.timeZone": "Asia/Tokyo",  # whatever a user's ways are
    "spark.sql.ansi.enabled": "false",
}


@pytest.fixture(scope="module", autouse=True)
def _pyspark():
    """Asked for here, so that where Spark's tests are not wanted nothing is said of it."""
    pytest.importorskip("pyspark", reason="PySpark is not installed")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A session of two threads, whose settings are not ours."""
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        pytest.skip("there is no Java here")
    from pyspark.sql import SparkSession

    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    builder = SparkSession.builder.master("local[2]").appName("retention-kit's tests")
    for name, setting in SETTINGS.items():
        builder = builder.config(name, setting)
    spark = builder.config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse"))).getOrCreate()
    yield spark
    spark.stop()


def create_frame(session, frame: pd.DataFrame):
    """A Spark DataFrame of the same rows, in their order; naive times have no zone there either."""
    reader = DuckDB()
    reader.register("frame", frame)
    times = [name for name, kind in reader.types("frame").items() if kind in ("TIMESTAMP", "TIMESTAMP_NS")]
    texts = ", ".join(f"CAST({quote(name)} AS VARCHAR) AS {quote(name)}" for name in times)
    spark_frame = session.createDataFrame(reader.arrow(f"SELECT * {f'REPLACE ({texts})' if times else ''} FROM frame"))
    for name in times:
        spark_frame = spark_frame.withColumn(name, spark_frame[name].cast("timestamp_ntz"))
    return spark_frame


def load_both(session, options: dict, **tables: pd.DataFrame) -> tuple:
    """The same tables on the embedded engine and on Spark."""
    return rk.load(**tables, **options), rk.load(
        **{name: create_frame(session, frame) for name, frame in tables.items()}, **options
    )


def every_fourth(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of every fourth customer, and every fourth of nobody's."""
    number = frame["customer_id"].str[1:].astype(float).fillna(pd.Series(range(len(frame)), frame.index))
    return frame[number % 4 == 0].reset_index(drop=True)


@pytest.mark.parametrize("basis", cases.BASES)
def test_the_sample_company_has_the_same_figures(session, basis):
    options = {"timezone": cases.ZONE, "currency": cases.CURRENCY, "basis": basis}
    data, other = load_both(session, options, **{name: every_fourth(frame) for name, frame in cases.tables().items()})
    assert differences(data, other, ["channel"], months=2) == []


ONE_OF_EACH_QUERY = (
    *("7 days after any purchase", "promoter within 7 days", "ticket open 48 hours"),
    *("30 days after leaving", "renewal in 30 days and at risk"),
)


def test_follow_ups_are_the_same(session):
    options = {"timezone": cases.ZONE, "currency": cases.CURRENCY}
    tables = {name: every_fourth(frame) for name, frame in with_consents(cases.tables()).items()}
    data, other = load_both(session, options, **tables)
    assert follow_up_differences(data, other, ONE_OF_EACH_QUERY) == []


def test_comments_and_invitations_are_the_same(session):
    for tables in commented.companies():
        embedded, remote = load_both(session, commented.OPTIONS, **tables)
        assert commented.all_texts(embedded) == commented.all_texts(remote)


def test_subscribers_are_forecast_alike(session):
    tables = {name: frame for name, frame in sample_tables().items() if name != "orders"}
    data, other = load_both(session, {"timezone": "Europe/London", "currency": "GBP"}, **tables)
    period = Period.parse("2025-12")
    assert forecast_differences(data, other, period, ["plan"]) == []


def test_buyers_are_forecast_alike(session):
    options = {"timezone": cases.ZONE, "currency": cases.CURRENCY, "as_of": str(cases.AS_OF)}
    data, other = load_both(session, options, orders=every_fourth(cases.tables()["orders"]))
    assert forecast_differences(data, other, rk.Period.parse("2025-12"), ["channel"]) == []


def test_online_retail_by_lines(session, shared, tmp_path):
    """Lines, since all that is done to invoices is done to the orders that become of them; of every twentieth invoice."""
    frame = pd.read_parquet(shared / "data" / LINES)
    frame = frame[pd.factorize(frame["InvoiceNo"])[0] % 20 == 0].reset_index(drop=True)
    frame.to_parquet(tmp_path / "retail_lines.parquet")
    text = lines(tmp_path, shared, LINES).read_text("utf-8")
    (tmp_path / "here.toml").write_text(re.sub("path = .*", 'path = "retail_lines.parquet"', text), "utf-8")
    text = re.sub("path = .*", 'path = "retail_lines"', text)
    (tmp_path / "there.toml").write_text(f'[data]\nengine = "spark://local"\n{text}', "utf-8")
    create_frame(session, frame).createOrReplaceTempView("retail_lines")
    data, other = rk.load(tmp_path / "here.toml"), rk.load(tmp_path / "there.toml")
    session.catalog.dropTempView("retail_lines")
    assert differences(data, other, months=2) == []
    assert checks(data)["identical line"] > 100


def test_hard_cases_under_options(session):
    options = {"timezone": cases.ZONE, "currency": cases.CURRENCY, "as_of": str(cases.TRICKY_AS_OF), "basis": "orders"}
    options |= {"inactivity_days": 20, "churn_mode": "event", "zero_orders": "purchase", "ces_top": "mean"}
    data, other = load_both(session, options, **cases.many_tricky_tables(range(2)))
    assert differences(data, other, months=2) == []


def test_weighted_answers_are_added_up_alike(session):
    answers = pd.DataFrame(
        [
            (
                str(number % 7),
                f"2024-0{1 + number % 2}-{1 + number % 28:02}",
                "nps",
                number * 7 % 11,
                0.1 + number % 9 / 7,
            )
            for number in range(80)
        ],
        columns=["customer_id", "responded_at", "survey", "score", "weight"],
    )
    embedded, remote = load_both(session, {"timezone": "UTC", "answers": "all"}, responses=answers)
    assert differences(embedded, remote) == []


def test_hard_cases_in_several_currencies(session):
    tables = cases.many_tricky_tables(range(2), ("GBP", "EUR", None, "USD"))
    tables |= {"rates": rates(date(2023, 10, 1), date(2024, 5, 10), 9)}
    options = {"timezone": cases.ZONE, "currency": "GBP", "as_of": str(cases.TRICKY_AS_OF), "basis": "subscriptions"}
    options |= {"mrr_mode": "event", "churn_mode": "event", "lifespan_years": 2.5}
    data, other = load_both(session, options, **tables)
    assert differences(data, other, months=2) == []


def test_every_way_of_writing_a_time(session):
    for texts in test_times.COLUMNS.values():
        data, other = load_both(
            session, {"timezone": "Europe/London", "as_of": "2027-01-01"}, orders=test_times.orders(texts)
        )
        assert test_times.times_and_counts(data) == test_times.times_and_counts(other)


@pytest.mark.parametrize(("written", "zone"), [(CLOCKS, "Australia/Lord_Howe"), (AWARE, "Europe/London")])
def test_times_in_local_zones_are_the_same(session, written, zone):
    data, other = load_both(session, {"timezone": zone, "currency": "EUR"}, orders=table(written))
    assert data.quality.equals(other.quality)
    for dataset in (data, other):
        dataset.orders = dataset.engine.frame(
            "SELECT customer_id, CAST(ordered_at AS VARCHAR) AS moment, amount FROM orders ORDER BY _row"
        )
    assert data.orders.to_dict("records") == other.orders.to_dict("records")


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        ("TRY_CAST(said AS TIMESTAMP)", TEXTS),
        ("local_time(TRY_CAST(said AS TIMESTAMPTZ), 'UTC')", INSTANTS),
        ("TRY_CAST(said AS DECIMAL(28, 6))", AMOUNTS),
        ("TRY_CAST(said AS DOUBLE)", FLOATS),
    ],
    ids=["timestamp", "timestamptz", "decimal", "double"],
)
def test_texts_are_read_alike(session, read, texts):
    beyond = ("12011-01-01", "2011-07-30 14:05:00 europe/london")  # a year that PySpark, a zone that Java does not know
    texts = [text for text in texts if text not in beyond]
    engines = [DuckDB(), Spark(session)]
    for engine in engines:
        engine.register("texts", pd.DataFrame({"place": range(len(texts)), "said": pd.Series(texts, dtype="str")}))
    embedded, remote = (dict(engine.rows(f"SELECT said, {read} FROM texts ORDER BY place")) for engine in engines)
    assert {text: (embedded[text], remote[text]) for text in texts if repr(embedded[text]) != repr(remote[text])} == {}
    assert sum(value is not None for value in embedded.values()) > len(texts) / 3


ORDERS = table("""
customer_id  order_id  ordered_at        amount
a            1         2024-01-05 09:00  10.00
b            2         2024-01-06 10:00  5.00
a            3         2024-02-07 11:00  1.00
""")


@pytest.fixture
def views(session):
    """The three orders as a view of the user's."""
    create_frame(session, ORDERS).createOrReplaceTempView("orders")
    yield
    session.catalog.dropTempView("orders")


@pytest.mark.usefixtures("views")
def test_a_session_gives_the_tables_that_bear_our_names(session):
    data = rk.load(session)
    assert value(data, "revenue", "2024-01") == 15
    assert [source["name"] for source in data.sources] == ["Spark: orders"]


@pytest.mark.usefixtures("views")
def test_a_table_or_a_query_of_the_session_is_named(session):
    data = rk.load(session, orders="SELECT * FROM orders WHERE customer_id = 'a'")
    assert value(data, "revenue", "2024-01") == 10


def test_rows_in_one_order_have_one_fingerprint(session):
    """However they lie in partitions; in another order they have another, since ties are settled by it."""

    def fingerprint(frame) -> str:
        return rk.load(orders=frame).sources[0]["sha256"]

    frame = create_frame(session, ORDERS)
    assert fingerprint(frame) == fingerprint(frame.coalesce(1)) == fingerprint(frame.limit(1).union(frame.offset(1)))
    others = [frame.orderBy("amount"), frame.limit(2), frame.replace("10.00", "10.01")]
    assert len({fingerprint(table) for table in (frame, *others)}) == 4


def test_rows_that_differ_by_a_millionth_of_a_second_or_by_a_place_are_two(session):
    rows = ["('2024-01-05 09:00:00.000001', NULL, 'x')", "('2024-01-05 09:00:00.000002', NULL, 'x')"]
    rows += ["('2024-01-05 09:00:00.000001', 'x', NULL)", "('2024-01-05 09:00:00.000001', NULL, 'x')"]
    for kind in ("TIMESTAMP_NTZ", "TIMESTAMP"):
        query = f"SELECT CAST(a AS {kind}) AS a, b, c FROM VALUES {', '.join(rows)} AS said(a, b, c)"
        engine = Spark(session)
        unequal = session.sql(query)
        engine.register("found", unequal)
        engine.define("kept", f"SELECT {engine.row_digest} AS digest FROM found AS _theirs")
        assert engine.rows("SELECT count(*), count(DISTINCT digest) FROM kept") == [(4, 3)]


def test_rows_are_counted_through_all_partitions(session):
    frame = (
        create_frame(session, ORDERS)
        .drop("order_id")
        .repartition(3)
        .sortWithinPartitions("ordered_at")
        .union(create_frame(session, ORDERS).drop("order_id"))
    )
    numbers = rk.load(orders=frame).engine.rows("SELECT _row FROM orders_raw ORDER BY _row")
    assert numbers == [(number,) for number in range(1, 7)]


def test_rows_are_let_go_of_with_the_dataset(session):
    def stored() -> int:
        return session.sparkContext._jsc.getPersistentRDDs().size()

    gc.collect()
    before = stored()
    data = rk.load(orders=create_frame(session, ORDERS))
    value(data, "revenue", "2024-01")
    assert stored() > before
    del data
    gc.collect()
    assert stored() == before


@pytest.mark.usefixtures("views")
def test_two_datasets_share_a_session_and_leave_it_as_it_was(session):
    before = dict(session.conf.getAll)
    cached = session.table("orders").cache()
    first = rk.load(session)
    second = rk.load(orders=create_frame(session, ORDERS.assign(amount="2")))
    assert (value(first, "revenue", "2024-01"), value(second, "revenue", "2024-01")) == (15, 4)
    assert value(first, "revenue", "2024-02") == 1
    assert cached.storageLevel.useMemory, "what the user keeps in memory stays there"
    assert dict(session.conf.getAll) == before
    for namespace, expected in (("default", ["orders"]), ("global_temp", [])):
        views = session.sql(f"SHOW VIEWS IN {namespace}").collect()
        assert [view["viewName"] for view in views if namespace == "default" or view["namespace"]] == expected


@pytest.mark.usefixtures("session")
def test_files_beside_the_engine_are_read_and_handed_over(tmp_path):
    (tmp_path / "rates.csv").write_text("date,currency,rate\n2024-01-01,USD,0.5\n", "utf-8")
    ORDERS.assign(currency="USD").to_parquet(tmp_path / "orders.parquet")
    text = (
        '[data]\nengine = "spark://local"\norders = "orders.parquet"\nrates = "rates.csv"\n[report]\ncurrency = "EUR"\n'
    )
    (tmp_path / "retention.toml").write_text(text, "utf-8")
    assert value(rk.load(tmp_path), "revenue", "2024-01") == 7.5


def test_a_query_is_ended_from_another_thread_and_the_next_one_works(session):
    """What the user runs beside it goes on."""
    data = rk.load(orders=create_frame(session, sample_tables()["orders"]), timezone="UTC", currency="GBP")
    assert interrupted(data) == "The query was interrupted."
    assert run_query(data, "SELECT 1 AS one")["one"].tolist() == [1]
    assert rk.customer_movements(data)["end"].iloc[-1] > 0
    assert session.range(3).count() == 3


@pytest.mark.usefixtures("views")
def test_faults_are_one_sentence(session, monkeypatch):
    with pytest.raises(DataError, match=r"^Spark has no table 'order': did you mean 'orders'\?"):
        rk.load(session, orders="order")
    with pytest.raises(DataError, match=r"cannot be read: .*nothing.*\.$"):
        rk.load(session, orders="SELECT nothing FROM orders")
    large = pd.concat([ORDERS.assign(amount="9e16", order_id=range(start, start + 3)) for start in range(0, 9, 3)])
    data = rk.load(orders=create_frame(session, large), currency="EUR")
    with pytest.raises(DataError, match="The amounts are too large to be summed exactly"):
        value(data, "revenue", "2024-01")
    from pyspark.sql import SparkSession

    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(DataError, match=r"^Nothing answers at spark://127.0.0.1:\d+: is Spark running there\?$"):
            connect(f"spark://127.0.0.1:{free.getsockname()[1]}/;token=s3cret")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)  # noqa: ARG005
    with pytest.raises(DataError, match=r"^Spark needs Java 17 or later"):
        connect("spark://local")


def connect(url: str):
    return named_engine(Data(engine=url), Path())


@pytest.mark.usefixtures("session")
def test_a_session_of_another_master_is_not_taken_for_the_one_named():
    with pytest.raises(
        DataError, match=r"^data\.engine names spark://h:1, but a Spark session of local\[2\] runs here: stop it"
    ):
        connect("spark://h:1/;token=s3cret")
    assert connect("spark://local[4]").database == "Spark"


def test_an_address_that_spark_refuses_is_told_without_its_secrets(session, monkeypatch):
    def refuse(builder):  # noqa: ARG001, as a builder's method
        raise ValueError("Could not parse Master URL: 'local[;token=s3cret'")

    monkeypatch.setattr(type(session), "getActiveSession", lambda: None)
    monkeypatch.setattr(type(session).Builder, "getOrCreate", refuse)
    with pytest.raises(DataError, match=r"^Spark cannot be started at spark://local\[: Could not parse") as error:
        connect("spark://local[;token=s3cret")
    assert "s3cret" not in str(error.value)
