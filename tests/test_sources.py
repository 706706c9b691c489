"""Where tables come from: a settings file, a folder, one file; long and short, stacked and mapped."""

import duckdb
import pytest

import retention_kit as rk
from pencil import by_segment, checks, row, value
from retention_kit.errors import DataError, RetentionKitError, SettingsError, UnknownNameError

ORDERS = """customer_id,order_id,ordered_at,amount,country
007,0001,2024-01-05,10.00,UK
008,0002,2024-01-06,5.00,France
7,0003,2024-01-07,1.00,UK
"""
LINES = """Invoice,Customer,Date,Quantity,Price,Note
A1,007,2024-01-05,2,5.00,ours
A1,007,2024-01-05,1,0.50,ours
A2,008,2024-01-06,-1,3.00,ours
"""


@pytest.fixture
def folder(tmp_path):
    """A folder to write into by name."""

    def write(**texts: str):
        for name, text in texts.items():
            stem, _, ending = name.rpartition("_")
            (tmp_path / f"{stem}.{ending}").write_text(text, "utf-8")
        return tmp_path

    return write


def test_a_folder_gives_its_tables_by_their_names(folder):
    path = folder(orders_csv=ORDERS, responses_csv="responded_at,survey,score\n2024-01-05,nps,10\n", notes_txt="x")
    data = rk.load(path)
    assert data.tables == ("orders", "responses")
    assert value(data, "revenue", "2024-01") == 16
    assert [source["name"] for source in data.sources] == ["orders.csv", "responses.csv"]
    assert all(len(source["sha256"]) == 64 for source in data.sources)


def test_ids_keep_their_leading_zeros(folder):
    assert list(rk.rfm(rk.load(folder(orders_csv=ORDERS)))["customer_id"]) == ["007", "008", "7"]


def test_ids_keep_their_leading_zeros_beside_expressions(folder):
    path = folder(
        orders_csv=ORDERS,
        retention_toml='[data.orders]\npath = "orders.csv"\nwhere = "amount > 1"\n[data.orders.columns]\namount = "amount * 2"',
    )
    data = rk.load(path)
    assert list(rk.rfm(data)["customer_id"]) == ["007", "008"]
    assert value(data, "revenue", "2024-01") == 30  # (10 + 5) × 2


@pytest.mark.parametrize("name", ["orders_csv", "shop_csv"])
def test_a_single_file_is_known_by_its_name_or_its_columns(folder, name):
    path = folder(**{name: ORDERS})
    assert rk.load(path / name.replace("_", ".")).tables == ("orders",)


def test_a_parquet_file_is_read_alike(tmp_path):
    rows = "(7.0::DOUBLE, TIMESTAMP '2024-01-05', 1.5), (NULL, TIMESTAMP '2024-01-05', 2.5)"
    query = f"SELECT * FROM (VALUES {rows}) AS orders(customer_id, ordered_at, amount)"
    duckdb.sql(query).write_parquet(str(tmp_path / "orders.parquet"))
    data = rk.load(tmp_path, timezone="UTC")
    assert list(rk.rfm(data)["customer_id"]) == ["7"], "not 7.0, as pandas writes ids with gaps"
    assert checks(data) == {"no customer (guest)": 1}


@pytest.mark.parametrize(
    "table", ['orders = "orders.csv"', '[data.orders]\npath = "orders.csv"', '[[data.orders]]\npath = "orders.csv"']
)
def test_the_short_and_the_long_form_say_the_same(folder, table):
    head = "" if table.startswith("[") else "[data]\n"
    data = rk.load(folder(orders_csv=ORDERS, retention_toml=f"{head}{table}") / "retention.toml")
    assert by_segment(data, "revenue", "2024-01", "country") == {"": 16, "France": 5, "UK": 11}


def test_columns_are_mapped_or_computed(folder):
    toml = """
        [data.orders]
        path = "lines.csv"
        where = "Quantity > 0"
        [data.orders.columns]
        customer_id = "Customer"
        ordered_at = "Date"
        amount = "Quantity * Price"
    """
    data = rk.load(folder(lines_csv=LINES, retention_toml=toml))
    assert value(data, "revenue", "2024-01") == 10.5  # 2 × 5.00 + 1 × 0.50
    assert set(data.segments) == {"Invoice", "Note"}, "what no figure is computed from is a segment column"


def test_a_table_may_be_stacked_from_several_sources(folder):
    toml = """
        [[data.responses]]
        path = "wide.csv"
        survey = "nps"
        [data.responses.columns]
        score = "recommend"
        responded_at = "day"
        [[data.responses]]
        path = "wide.csv"
        survey = "csat"
        scale = "1-5"
        [data.responses.columns]
        score = "satisfied"
        responded_at = "day"
    """
    wide = "day,recommend,satisfied,weight\n2024-01-05,10,5,9\n2024-01-06,2,5,9\n2024-01-07,9,1,9\n"
    data = rk.load(folder(wide_csv=wide, retention_toml=toml))
    score, satisfied = (row(data, name, "2024-01") for name in ("net_promoter_score", "customer_satisfaction_score"))
    assert (score["numerator"], score["denominator"]) == (1, 3)  # 2 promoters - 1 detractor; weight is not mapped
    assert (satisfied["numerator"], satisfied["denominator"]) == (2, 3)


def test_every_source_may_have_its_own_time_zone(folder):
    times = "customer_id,ordered_at,amount\n{who},2024-01-31 23:30:00,{amount}\n"
    toml = """
        [report]
        timezone = "Europe/Paris"
        [[data.orders]]
        path = "paris.csv"
        [[data.orders]]
        path = "london.csv"
        timezone = "Europe/London"
    """
    files = {"paris_csv": times.format(who="Ann", amount=10), "london_csv": times.format(who="Ben", amount=5)}
    data = rk.load(folder(**files, retention_toml=toml))
    assert value(data, "revenue", "2024-01") == 10
    assert value(data, "revenue", "2024-02") == 5, "half past eleven in London is past midnight in Paris"


def test_keywords_replace_what_the_file_says(folder):
    path = folder(
        orders_csv=ORDERS, retention_toml='[data]\norders = "orders.csv"\n[report]\ncurrency = "GBP"\nevery = "week"'
    )
    data = rk.load(path, currency="EUR")
    assert (data.settings.report.currency, data.settings.report.every) == ("EUR", "week")


BROKEN = {
    "no file": ('orders = "order.csv"', "There is no file 'order.csv' in "),
    "no file near": ('orders = "order.csv"', "did you mean 'orders.csv'?"),
    "other format": ('orders = "orders.xls"', "orders.xls cannot be read: use one of .parquet, .csv."),
    "no column": ('orders = {path = "lines.csv"}', "lines.csv has no column 'customer_id', which orders need: "),
    "column near": (
        'orders = {path = "orders.csv", columns = {customer_id = "customer"}}',
        "orders.csv has no column 'customer' for customer_id: did you mean 'customer_id'?",
    ),
    "expression": (
        'orders = {path = "orders.csv", columns = {amount = "amount *"}}',
        "orders.csv: amount = 'amount *' does not work: Parser Error: syntax error",
    ),
    "filter": ('orders = {path = "orders.csv", where = "amont > 0"}', '"amont" not found'),
    "no table": ("", "retention.toml: [data] names no table: add orders, subscriptions or responses."),
    "key": ('order = "orders.csv"', "retention.toml: [data] has no setting 'order': did you mean 'orders'?"),
    "damaged": ('orders = "junk.parquet"', "junk.parquet cannot be read: "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_read_is_named(folder, case):
    text, message = BROKEN[case]
    path = folder(
        orders_csv=ORDERS, orders_xls="x", lines_csv=LINES, junk_parquet="junk", retention_toml=f"[data]\n{text}"
    )
    with pytest.raises(RetentionKitError) as error:
        rk.load(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value), "one sentence"


def test_a_path_that_holds_no_table_is_named(folder):
    path = folder(notes_csv="a,b\n1,2\n", orders_parquet="junk")
    with pytest.raises(DataError, match=r"^There is no file or folder"):
        rk.load(path / "nowhere")
    with pytest.raises(DataError, match=r"^notes\.csv is none of our tables: orders need .*; it has a, b\."):
        rk.load(path / "notes.csv")
    with pytest.raises(DataError, match=r"^orders\.parquet cannot be read"):
        rk.load(path / "orders.parquet")
    (path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no table: name them orders, subscriptions or responses"):
        rk.load(path / "empty")


def test_unknown_names_are_refused_with_the_nearest(folder):
    data = rk.load(folder(orders_csv=ORDERS))
    with pytest.raises(UnknownNameError, match=r"^There is no metric 'retention_rate': "):
        rk.scorecard(data, metrics=["retention_rate"])
    with pytest.raises(DataError, match=r"^There is no mrr: It needs subscriptions, and the data hold none"):
        rk.scorecard(data, metrics=["mrr"])
    with pytest.raises(UnknownNameError, match=r"^There is no segment column 'contry': did you mean 'country'"):
        rk.scorecard(data, segment="contry")
    with pytest.raises(UnknownNameError, match=r"^There is no country 'Frence' in the data: did you mean 'France'"):
        rk.scorecard(data, segment="country=Frence")
    with pytest.raises(SettingsError, match=r"^There is no setting 'time_zone': did you mean 'timezone'"):
        rk.load(folder(orders_csv=ORDERS), time_zone="UTC")
    with pytest.raises(UnknownNameError, match=r"^There is no unit 'weeks': did you mean 'week'"):
        rk.rfm(data, unit="weeks")
    with pytest.raises(DataError, match=r"^There are no mrr figures: It needs subscriptions"):
        rk.mrr_movements(data)


@pytest.mark.parametrize("name", ["customer_id", "CUSTOMER_ID"])
def test_a_mapped_id_stays_a_text_where_it_also_filters(folder, name):
    toml = f"""
        [data.orders]
        path = "orders.csv"
        where = "{name} <> '008'"
        columns = {{customer_id = "{name}", amount = "AMOUNT * 2"}}
    """
    data = rk.load(folder(orders_csv=ORDERS, retention_toml=toml))
    assert list(rk.rfm(data)["customer_id"]) == ["007", "7"]
    assert value(data, "revenue", "2024-01") == 22  # (10 + 1) × 2


def test_dates_are_texts_to_an_expression(folder):
    toml = """
        [data.orders]
        path = "lines.csv"
        columns = {customer_id = "Customer", ordered_at = "strptime(Day, '%Y-%m-%d')", amount = "Price"}
    """
    lines = "Customer,Day,Price\n007,2024-01-05,2\n008,2024-01-06,3\n"
    assert value(rk.load(folder(lines_csv=lines, retention_toml=toml)), "revenue", "2024-01") == 5


def test_amounts_can_be_compared_where_they_are_mapped(folder):
    toml = '[data.orders]\npath = "orders.csv"\nwhere = "amount > 4"\ncolumns = {amount = "amount"}'
    rows = "customer_id,ordered_at,amount\nA,2024-01-05,4\nB,2024-01-06,5.50\n"
    assert value(rk.load(folder(orders_csv=rows, retention_toml=toml)), "revenue", "2024-01") == 5.5


def test_a_text_that_is_computed_with_asks_for_a_cast(folder):
    toml = '[data.orders]\npath = "orders.csv"\ncolumns = {customer_id = "customer_id", order_id = "customer_id * 2"}'
    with pytest.raises(
        DataError, match=r"does not work: .*'customer_id' is text: write CAST\(\"customer_id\" AS DOUBLE\)\.$"
    ) as error:
        rk.load(folder(orders_csv=ORDERS, retention_toml=toml))
    assert "\n" not in str(error.value)


def test_stacked_sources_may_each_write_times_their_own_way(folder):
    toml = """
        [report]
        timezone = "Europe/Paris"
        [[data.orders]]
        path = "aware.csv"
        [[data.orders]]
        path = "naive.csv"
        timezone = "America/New_York"
        [[data.orders]]
        path = "dates.parquet"
    """
    head = "customer_id,ordered_at,amount\n"
    path = folder(
        aware_csv=f"{head}Ann,2024-01-31T23:30:00Z,1\n",
        naive_csv=f"{head}Ben,2024-01-31 19:00:00,2\nBen,2024-01-31 17:00:00,4\n",
        retention_toml=toml,
    )
    query = "SELECT 'Cy' AS customer_id, DATE '2024-02-01' AS ordered_at, 8 AS amount"
    duckdb.sql(query).write_parquet(str(path / "dates.parquet"))
    data = rk.load(path)
    assert value(data, "revenue", "2024-01") == 4  # 17:00 in New York is 23:00 in Paris
    assert value(data, "revenue", "2024-02") == 11
    assert checks(data) == {}
    assert data.quarantine["orders"].columns.tolist() == ["check", "customer_id", "ordered_at", "amount"]


def test_a_time_that_a_clock_showed_twice_is_its_first_occurrence(folder):
    toml = '[report]\ntimezone = "UTC"\n[data.orders]\npath = "orders.csv"\ntimezone = "America/Havana"'
    rows = "customer_id,ordered_at,amount\nAnn,2024-11-03 00:30:00,1\n"  # clocks went back from 1:00 to 0:00
    data = rk.load(folder(orders_csv=rows, retention_toml=toml))
    (moment,) = data.engine.rows("SELECT CAST(ordered_at AS VARCHAR) FROM orders")[0]
    assert moment == "2024-11-03 04:30:00"
