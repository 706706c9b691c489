"""Spark: a session of its own on this machine, and on it the very figures that the embedded engine gives."""

from __future__ import annotations

import gc
import os
import re
import shutil
import socket
from datetime import date

import pandas as pd
import pytest

import oracle_cases as cases
import retention_kit as rk
from pencil import table, value
from retention_kit.data.engine import Engine, quote
from retention_kit.data.engines import named_engine
from retention_kit.data.spark import Spark
from retention_kit.errors import DataError
from same_figures import differences
from test_oracle_options import rates
from test_real_data import LINES, invoices, lines

pytestmark = [
    pytest.mark.server,
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]
pytest.importorskip("pyspark", reason="PySpark is not installed")
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
    made = builder.config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse"))).getOrCreate()
    yield made
    made.stop()


def put(session, frame: pd.DataFrame):
    """A Spark DataFrame of the same rows, in their order; naive times have no zone there either."""
    reader = Engine()
    reader.register("frame", frame)
    times = [name for name, kind in reader.types("frame").items() if kind in ("TIMESTAMP", "TIMESTAMP_NS")]
    texts = ", ".join(f"CAST({quote(name)} AS VARCHAR) AS {quote(name)}" for name in times)
    made = session.createDataFrame(reader.arrow(f"SELECT * {f'REPLACE ({texts})' if times else ''} FROM frame"))
    for name in times:
        made = made.withColumn(name, made[name].cast("timestamp_ntz"))
    return made


def both(session, options: dict, **tables: pd.DataFrame) -> tuple:
    """The same tables on the embedded engine and on Spark."""
    return rk.load(**tables, **options), rk.load(
        **{name: put(session, frame) for name, frame in tables.items()}, **options
    )


@pytest.mark.parametrize("basis", cases.BASES)
def test_the_sample_company(session, basis):
    options = {"timezone": cases.ZONE, "currency": cases.CURRENCY, "basis": basis}
    data, other = both(session, options, **cases.tables())
    assert differences(data, other, ["channel"]) == []


def test_online_retail_by_invoices(session, shared, tmp_path):
    data = rk.load(invoices(tmp_path, shared))
    frame = pd.read_parquet(shared / "data" / "online_retail_orders.parquet")
    other = rk.load(orders=put(session, frame), timezone="Europe/London", currency="GBP")
    assert differences(data, other, ["country"]) == []


def test_online_retail_by_lines(session, shared, tmp_path):
    embedded = lines(tmp_path, shared, LINES)
    data = rk.load(embedded)
    put(session, pd.read_parquet(shared / "data" / LINES)).createOrReplaceTempView("retail_lines")
    text = re.sub("path = .*", 'path = "retail_lines"', embedded.read_text("utf-8"))
    (tmp_path / "there.toml").write_text(f'[data]\nengine = "spark://local"\n{text}', "utf-8")
    other = rk.load(tmp_path / "there.toml")
    assert differences(data, other) == []


OPTIONS = [
    ("orders", {"inactivity_days": 20, "churn_mode": "event", "zero_orders": "purchase", "ces_top": "mean"}),
    ("subscriptions", {"mrr_mode": "event", "churn_mode": "event", "lifespan_years": 2.5}),
]


@pytest.mark.parametrize(("basis", "options"), OPTIONS, ids=[f"{basis} {options}" for basis, options in OPTIONS])
def test_hard_cases_under_options(session, basis, options):
    given = {"timezone": cases.ZONE, "currency": cases.CURRENCY, "basis": basis, "as_of": str(cases.TRICKY_AS_OF)}
    data, other = both(session, given | options, **cases.many_tricky_tables(range(4)))
    assert differences(data, other, ["country"] if basis == "subscriptions" else []) == []


@pytest.mark.parametrize(("basis", "mode"), [("orders", "snapshot"), ("subscriptions", "event")])
def test_hard_cases_in_several_currencies(session, basis, mode):
    tables = cases.many_tricky_tables(range(4), ("GBP", "EUR", None, "USD"))
    tables |= {"rates": rates(date(2023, 10, 1), date(2024, 5, 10), 9)}
    given = {
        "timezone": cases.ZONE,
        "currency": "GBP",
        "basis": basis,
        "as_of": str(cases.TRICKY_AS_OF),
        "mrr_mode": mode,
    }
    data, other = both(session, given, **tables)
    assert differences(data, other) == []


NAIVE = """
customer_id  order_id  ordered_at                   amount
Zoë          1         2011-03-27 01:30:00          10.005
ann          2         2011-10-30 01:30:00          1e1
Ann          3         2011-10-30T01:30             -2.5
Ängla        4         2011-11-30                   +3.335
_b           5         2011/11/30 24:00             .5
a-b          6         2011-2-30 10:00              4
ab           7         2011-11-30 10:00:00.5555555  1_000
ab           7         2011-11-30 10:00:00.5555555  7
"""
AWARE = """
customer_id  order_id  ordered_at                        amount
a            1         2011-03-27 01:30:00Z              1
b            2         2011-10-30 01:30 +01:00           2
c            3         2011-10-30T01:30:00.25-0330       3
d            4         2011-11-30 10:00:00 Europe/Paris  4
e            5         2011-11-30 10:00:00 Foo/Bar       5
f            6         2011-11-30 23:30:00 utc           6
g            7         2011-11-30 23:30:00+25            7
"""


@pytest.mark.parametrize(
    ("written", "zone"),
    [(NAIVE, None), (NAIVE, "Europe/London"), (NAIVE, "Australia/Lord_Howe"), (AWARE, "Europe/London")],
)
def test_clocks(session, written, zone):
    data, other = both(session, {"timezone": zone, "currency": "EUR"}, orders=table(written))
    assert data.quality.equals(other.quality)
    for one in (data, other):
        one.orders = one.engine.frame(
            "SELECT customer_id, CAST(ordered_at AS VARCHAR) AS moment, amount FROM orders ORDER BY _row"
        )
    assert data.orders.to_dict("records") == other.orders.to_dict("records")


TEXTS = (
    *("2011-11-30", "2011/11/30", "2011-1-3", "11-30-2011", "30.11.2011", "2011-11-30 14:05", "2011-11-30T14:05:01"),
    *("2011-11-30 14:05:01.1234567", "2011-11-30 1:5", "2011-11-30 14", "2011-11-30  14:05", "2011 11 30", "20111130"),
    *("2011-11/30", "2011-02-30", "2012-02-29", "2011-02-29", "0001-01-01", "2011-11-30 24:00", "2011-11-30 24:01"),
    *("2011-11-30 23:59:60", "2011-11-30 23:60", "2011-11", "2011", "today", "Nov 30 2011", "x", "", "2011-13-01"),
    *(
        "2011-11-30 14:05:",
        "2011-11-30T",
        "11-1-1",
        "+2011-01-01",
        "2011-11-30 014:05",
        "2011-11-30 14:05:01,5",
        "T14:05",
    ),
)
NUMBERS = (
    *(
        "1",
        "1.5",
        ".5",
        "5.",
        "+5",
        "-5",
        "1e3",
        "1E-3",
        "1_000",
        "1,000",
        "5d",
        "5f",
        "0x10",
        "",
        "1__0",
        "_1",
        "1e",
        "--1",
    ),
    *(
        "12345678901234567890123",
        "1234567890123456789012",
        "0.0000005",
        "0.0000015",
        "-0.0000005",
        "1e22",
        "9e21",
        "1e400",
    ),
)


def test_texts_are_read_alike(session):
    here, there = Engine(), Spark(session)
    for kind, texts in (("TIMESTAMP", TEXTS), ("DECIMAL(28, 6)", NUMBERS), ("DOUBLE", (*NUMBERS, "inf", "-Infinity"))):
        read = []
        for engine in (here, there):
            engine.register("texts", pd.DataFrame({"place": range(len(texts)), "said": pd.Series(texts, dtype="str")}))
            read.append(engine.rows(f"SELECT said, TRY_CAST(said AS {kind}) FROM texts ORDER BY place"))
        assert read[0] == read[1]


ORDERS = table("""
customer_id  order_id  ordered_at        amount
a            1         2024-01-05 09:00  10.00
b            2         2024-01-06 10:00  5.00
a            3         2024-02-07 11:00  1.00
""")


@pytest.fixture
def views(session):
    """The three orders as a view of the user's."""
    put(session, ORDERS).createOrReplaceTempView("orders")
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


def test_rows_have_one_fingerprint_in_any_order(session):
    frame = put(session, ORDERS)
    first, again = (rk.load(orders=one).sources[0]["sha256"] for one in (frame, frame.orderBy("amount")))
    other = rk.load(orders=frame.limit(2)).sources[0]["sha256"]
    assert first == again != other


def test_rows_are_counted_through_all_partitions(session):
    frame = (
        put(session, ORDERS)
        .drop("order_id")
        .repartition(3)
        .sortWithinPartitions("ordered_at")
        .union(put(session, ORDERS).drop("order_id"))
    )
    numbers = rk.load(orders=frame).engine.rows("SELECT _row FROM orders_raw ORDER BY _row")
    assert numbers == [(number,) for number in range(1, 7)]


def test_rows_are_let_go_of_with_the_dataset(session):
    def held() -> int:
        return session.sparkContext._jsc.getPersistentRDDs().size()

    gc.collect()
    before = held()
    data = rk.load(orders=put(session, ORDERS))
    value(data, "revenue", "2024-01")
    assert held() > before
    del data
    gc.collect()
    assert held() == before


@pytest.mark.usefixtures("views")
def test_two_datasets_share_a_session_and_leave_it_as_it_was(session):
    before = dict(session.conf.getAll)
    cached = session.table("orders").cache()
    first = rk.load(session)
    second = rk.load(orders=put(session, ORDERS.assign(amount="2")))
    assert (value(first, "revenue", "2024-01"), value(second, "revenue", "2024-01")) == (15, 4)
    assert value(first, "revenue", "2024-02") == 1
    assert cached.storageLevel.useMemory, "what the user keeps in memory stays there"
    assert dict(session.conf.getAll) == before
    for place, left in (("default", ["orders"]), ("global_temp", [])):
        views_there = session.sql(f"SHOW VIEWS IN {place}").collect()
        assert [view["viewName"] for view in views_there if place == "default" or view["namespace"]] == left


@pytest.mark.usefixtures("session")
def test_files_beside_the_engine_are_read_and_handed_over(tmp_path):
    (tmp_path / "rates.csv").write_text("date,currency,rate\n2024-01-01,USD,0.5\n", "utf-8")
    ORDERS.assign(currency="USD").to_parquet(tmp_path / "orders.parquet")
    text = (
        '[data]\nengine = "spark://local"\norders = "orders.parquet"\nrates = "rates.csv"\n[report]\ncurrency = "EUR"\n'
    )
    (tmp_path / "retention.toml").write_text(text, "utf-8")
    assert value(rk.load(tmp_path), "revenue", "2024-01") == 7.5


@pytest.mark.usefixtures("views")
def test_faults_are_one_sentence(session, monkeypatch):
    with pytest.raises(DataError, match=r"^Spark has no table 'order': did you mean 'orders'\?"):
        rk.load(session, orders="order")
    with pytest.raises(DataError, match=r"cannot be read: .*nothing.*\.$"):
        rk.load(session, orders="SELECT nothing FROM orders")
    large = pd.concat([ORDERS.assign(amount="9e16", order_id=range(place, place + 3)) for place in range(0, 9, 3)])
    data = rk.load(orders=put(session, large), currency="EUR")
    with pytest.raises(DataError, match="The amounts are too large to be summed exactly"):
        value(data, "revenue", "2024-01")
    from pyspark.sql import SparkSession

    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        for kind in ("spark", "sc"):
            with pytest.raises(
                DataError, match=rf"^Nothing answers at {kind}://127.0.0.1:\d+: is Spark running there\?$"
            ):
                named_engine(f"{kind}://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)  # noqa: ARG005
    with pytest.raises(DataError, match=r"^Spark needs Java 17 or later"):
        named_engine("spark://local")
