"""Where tables come from: a settings file, a folder, one file; long and short, stacked and mapped."""

import hashlib
import json
import sqlite3
import zipfile
from contextlib import closing
from datetime import datetime, timedelta

import duckdb
import pandas as pd
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
    assert set(data.segments) == set()
    with_keep = toml.replace("where =", 'keep = ["Invoice", "Note"]\n        where =')
    data = rk.load(folder(lines_csv=LINES, retention_toml=with_keep))
    assert set(data.segments) == {"Invoice", "Note"}, (
        "what no figure is computed from is a segment column, if it is kept"
    )


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


def test_columns_of_stacked_sources_match_whatever_their_capitals(folder):
    path = folder(
        first_csv=ORDERS.replace("country", "Country"),
        second_csv="customer_id,order_id,ordered_at,amount,COUNTRY,channel\n9,0004,2024-01-08,2.00,UK,web\n",
        retention_toml='[[data.orders]]\npath = "first.csv"\n[[data.orders]]\npath = "second.csv"\n[report]\nsegments = ["Country"]',
    )
    data = rk.load(path)
    assert set(data.segments) == {"Country", "channel"}
    assert by_segment(data, "revenue", "2024-01", "Country") == {"": 18, "UK": 13, "France": 5}


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
    "other format": (
        'orders = "orders.xls"',
        "orders.xls cannot be read: use one of .csv, .tsv, .txt, .gz, .zip, .parquet, .xlsx.",
    ),
    "no column": ('orders = {path = "lines.csv"}', "lines.csv has no column 'customer_id', which orders need: "),
    "column near": (
        'orders = {path = "orders.csv", columns = {customer_id = "customer"}}',
        "orders.csv has no column 'customer' for customer_id: did you mean 'customer_id'?",
    ),
    "expression": (
        'orders = {path = "orders.csv", columns = {amount = "amount *"}}',
        "orders.csv: amount = 'amount *' is no SQL expression, at '*': use the columns of its row, 'amount'.",
    ),
    "filter": (
        'orders = {path = "orders.csv", where = "amont > 0"}',
        "where = 'amont > 0' does not work: there is no column 'amont': did you mean 'amount'?",
    ),
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


# What an expression may not be, and what its sentence says.
FAULTS = {
    "sum(total)": "gathers several rows, but is worked out for each row by itself: write 'total'; the lines of",
    "sum(qty * price)": "gathers several rows, .* write '.qty \\* price.'; the lines of an order are summed by rows = \"lines\"",
    "count(*)": "gathers several rows",
    "total / sum(total)": "gathers several rows, .* use the columns of its row, 'total'",
    "string_agg(total)": "gathers several rows",
    "sum(total) OVER ()": "looks at other rows, .* write 'total'",
    "lag(total) OVER (ORDER BY day)": "looks at other rows",
    "(SELECT max(total) FROM o)": "asks a table",
    "EXISTS (SELECT 1)": "asks a table",
    "total IN (SELECT qty FROM o)": "asks a table",
    "*": "stands for all columns",
    "COLUMNS('t.*')": "stands for all columns",
    "unnest([total])": "makes several rows of one",
    "amount * random()": "has another value each time it is asked",
    "? * total": "leaves a value open",
    "rond(total)": "there is no function 'rond': did you mean 'round'",
    "totl * 2": "there is no column 'totl': did you mean 'total'",
    'total = "x y"': "there is no column 'x y': use the columns .* single quotes, 'x y'",
    "CAST(total AS INTEGR)": "there is no type 'INTEGR': did you mean 'INTEGER'",
    "date_diff(total)": "'date_diff' does not take text",
    "unit pric": "is neither a column nor an SQL expression: did you mean 'unit price'",
    "unit-prices": "does not work: did you mean 'unit price'",
    '"unit prise"': "does not work: did you mean 'unit price'",
    "total *": r"is no SQL expression, at '\*'",
    "total AS x": "is no SQL expression but more",
    "total, qty": "is no SQL expression but more",
    "total WHERE qty = 1": "is no SQL expression but more",
    "total ORDER BY qty": "is no SQL expression but more",
    "total LIMIT 1": "is no SQL expression but more",
    "total; DROP TABLE o": "is no SQL expression",
    "qty x price": "is no SQL expression, at 'price': use the columns of its row, 'qty' or 'price'",
    "total = 'a": "is no SQL expression, with an unterminated string literal",
}


@pytest.mark.parametrize(
    ("key", "text"),
    [(key, text) for key in ("amount", "where") for text in FAULTS]
    + [(key, text) for key in ("customer_id", "leave_out") for text in ("count(*)", "rond(total)", "total *")],
)
@pytest.mark.long
def test_an_expression_of_more_than_its_row_is_a_sentence(tmp_path, key, text):
    (tmp_path / "o.csv").write_text(
        "customer_id,day,qty,price,total,unit price\nA,2024-01-05,1,2.5,2.5,1\nB,2024-01-06,2,3,6,1\n"
    )
    columns = {"customer_id": "customer_id", "ordered_at": "day", "amount": "total"}
    quoted = json.dumps(text)
    toml = {"where": f"where = {quoted}\n", "leave_out": f"leave_out = {{ why = {quoted} }}\n"}.get(key, "")
    columns |= {key: text} if key in columns else {}
    rows = "".join(f"{name} = {json.dumps(sql)}\n" for name, sql in columns.items())
    (tmp_path / "retention.toml").write_text(f'[data.orders]\npath = "o.csv"\n{toml}[data.orders.columns]\n{rows}')
    with pytest.raises(DataError, match=FAULTS[text]) as error:
        rk.load(tmp_path)
    named = "leave_out 'why'" if key == "leave_out" else key
    assert str(error.value).startswith(f"o.csv: {named} = {text!r} ")
    assert "\n" not in str(error.value)
    assert "Error" not in str(error.value)


def test_a_cast_of_a_value_that_does_not_fit_sets_its_row_aside(folder):
    rows = "customer_id,day,total\nA,05.01.2024,2\nB,soon,3\nC,07.01.2024,x\nD,08.01.2024,4\n"
    columns = (
        'customer_id = "customer_id", ordered_at = "strptime(day, \'%d.%m.%Y\')", amount = "CAST(total AS INTEGER)"'
    )
    toml = f'[data.orders]\npath = "o.csv"\ncolumns = {{{columns}}}\n[report]\ntimezone = "UTC"\n'
    data = rk.load(folder(o_csv=rows, retention_toml=toml))
    assert value(data, "revenue", "2024-01") == 6
    assert checks(data) == {"unreadable amount": 1, "unreadable date": 1}


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


# Workbooks, patterns, databases

at = datetime.fromisoformat
EPOCH = at("1899-12-30")  # of a workbook's days


def write_workbook(path, **tables):
    """A workbook with a sheet of each table; a list of rows, the first of them the header."""
    cells = (
        '<c t="inlineStr"><is><t>{}</t></is></c>',
        '<c t="b"><v>{}</v></c>',
        '<c s="1"><v>{}</v></c>',
        "<c><v>{}</v></c>",
    )

    def cell(value) -> str:
        if value is None:
            return "<c/>"
        if isinstance(value, str):
            return cells[0].format(value)
        if isinstance(value, bool):
            return cells[1].format(int(value))
        if isinstance(value, datetime):
            return cells[2].format((value - EPOCH) / timedelta(days=1))
        return cells[3].format(value)

    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    names = list(enumerate(tables, start=1))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/>'
        + "".join(f'<Override PartName="/xl/s{n}.xml" ContentType="{kind}.worksheet+xml"/>' for n, _ in names)
        + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="st" Type="{office}/styles" Target="styles.xml"/>'
        + "".join(f'<Relationship Id="r{n}" Type="{office}/worksheet" Target="s{n}.xml"/>' for n, _ in names)
        + "</Relationships>",
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in names)
        + "</sheets></workbook>",
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>',
    }
    for number, name in names:
        rows = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in tables[name])
        parts[f"xl/s{number}.xml"] = f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'
    with zipfile.ZipFile(path, "w") as file:
        for name, text in parts.items():
            file.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return path


BOOK = [
    ["customer_id", "order_id", "ordered_at", "amount", "country", None, "vip"],
    ["007", 1, at("2024-01-05 14:30"), 10, "NA", None, True],
    ["008", 2.0, at("2024-01-06 09:00"), 5.5, None, None, False],
    [None] * 7,
    [7, 3, at("2024-01-07"), 1, "UK", None, True],
]
FIRST = 'SELECT customer_id, order_id, CAST(ordered_at AS VARCHAR), amount, "segment.country" FROM orders ORDER BY _row'


@pytest.mark.parametrize("name", ["orders.xlsx", "SHOP.XLSX"])
def test_a_workbooks_cells_are_what_the_workbook_says(tmp_path, name):
    data = rk.load(write_workbook(tmp_path / name, Sheet1=BOOK), timezone="Europe/London")
    assert data.engine.rows(FIRST) == [
        ("007", "1", "2024-01-05 14:30:00", 1000, "NA"),
        ("008", "2", "2024-01-06 09:00:00", 550, None),
        ("7", "3", "2024-01-07 00:00:00", 100, "UK"),
    ]
    assert data.engine.rows('SELECT DISTINCT "segment.vip" FROM orders ORDER BY 1') == [("false",), ("true",)]
    assert set(data.segments) == {"country", "vip"}, "an empty column without a name is none"
    assert checks(data) == {"blank row": 1}


def test_dates_of_a_workbook_are_bare_dates(tmp_path):
    rows = [["customer_id", "ordered_at", "amount"], ["Ann", at("2024-01-05"), 1], ["Ben", at("2024-01-06"), 2]]
    data = rk.load(write_workbook(tmp_path / "orders.xlsx", orders=rows))
    assert checks(data) == {}, "they have no time, so they need no time zone"
    assert str(data.start) == "2024-01-05"


def test_a_workbook_may_hold_all_tables(tmp_path):
    answers = [["responded_at", "survey", "score"], [at("2024-01-05"), "nps", 9]]
    path = write_workbook(tmp_path / "shop.xlsx", Notes=[["a"], ["b"]], Orders=BOOK, responses=answers)
    data = rk.load(path, timezone="UTC")
    assert data.tables == ("orders", "responses")
    assert [source["name"] for source in data.sources] == ["shop.xlsx", "shop.xlsx"]
    (tmp_path / "retention.toml").write_text(
        '[data]\norders = "shop.xlsx"\nresponses = "shop.xlsx"\n[report]\ntimezone = "UTC"'
    )
    assert rk.load(tmp_path).engine.rows(FIRST) == data.engine.rows(FIRST)


def test_a_damaged_workbook_is_one_sentence(tmp_path):
    (tmp_path / "orders.xlsx").write_text("junk")
    with pytest.raises(DataError, match=r"^orders\.xlsx cannot be read: [^\n]+\.$"):
        rk.load(tmp_path)


def test_a_pattern_takes_all_files_that_fit(tmp_path):
    (tmp_path / "exports").mkdir()
    head = "customer_id,order_id,ordered_at,amount"
    files = {
        "orders-2.csv": f"{head},country\n008,2,2024-02-05,2,UK\n",
        "orders-1.csv": f"{head},currency,channel\n007,1,2024-01-05,1.50,GBP,web\n",
        "orders-3.csv": f"{head},refund_of\n007,3,2024-03-05,1,1\n",
        "other.csv": "a\n1\n",
    }
    for name, text in files.items():
        (tmp_path / "exports" / name).write_text(text, "utf-8")
    toml = tmp_path / "retention.toml"
    toml.write_text('[data]\norders = "exports/orders-*.csv"\n[report]\ncurrency = "GBP"')
    data = rk.load(toml)
    query = 'SELECT customer_id, amount, refund, "segment.country", "segment.channel" FROM orders ORDER BY _row'
    assert data.engine.rows(query) == [
        ("007", 50, 0, None, "web"),  # 1.50 - 1.00
        ("008", 200, 0, "UK", None),
        ("007", 0, 0, None, None),
    ]
    assert [source["name"] for source in data.sources] == ["exports/orders-*.csv"]
    toml.write_text('[data.orders]\npath = "exports/orders-*.csv"\nwhere = "amount > 1"\n[report]\ncurrency = "GBP"')
    assert rk.load(toml).engine.rows("SELECT customer_id, amount FROM orders ORDER BY _row") == [
        ("007", 150),
        ("008", 200),
    ]

    before = data.sources[0]["sha256"]
    (tmp_path / "exports/orders-2.csv").rename(tmp_path / "exports/orders-4.csv")
    toml.write_text('[data]\norders = "exports/orders-*.csv"\n[report]\ncurrency = "GBP"')
    assert rk.load(toml).sources[0]["sha256"] != before, "names count"
    (tmp_path / "exports/orders-4.csv").rename(tmp_path / "exports/orders-2.csv")
    assert rk.load(toml).sources[0]["sha256"] == before
    (tmp_path / "exports/orders-2.csv").write_text(files["orders-2.csv"].replace(",2,UK", ",3,UK"))
    assert rk.load(toml).sources[0]["sha256"] != before, "so do contents"


@pytest.mark.parametrize("name", ["orders", "export"])
def test_a_workbook_of_several_sheets_is_told_which_it_has(tmp_path, name):
    rows = [["customer_id", "ordered_at", "amount"], ["A1", at("2024-01-05 09:00"), 1]]
    path = tmp_path / f"{name}.xlsx"
    write_workbook(path, Jan=rows, Feb=rows)
    called = "orders" if name == "orders" else "orders, subscriptions, responses"
    with pytest.raises(
        DataError, match=rf"^{name}\.xlsx has the sheets Jan, Feb, none called {called}: name one, sheet"
    ):
        rk.load(path)


def test_a_pattern_takes_parquet_and_workbooks_alike(tmp_path):
    for number in (1, 2):
        row = f"SELECT 'A{number}' AS customer_id, TIMESTAMP '2024-01-05 09:00:00' AS ordered_at, {number}.5 AS amount"
        duckdb.sql(row).write_parquet(str(tmp_path / f"p{number}.parquet"))
        write_workbook(
            tmp_path / f"w{number}.xlsx",
            x=[["customer_id", "ordered_at", "amount"], [f"A{number}", at("2024-01-05 09:00"), number + 0.5]],
        )
    write_workbook(tmp_path / "~$w1.xlsx", x=[["locked"]])
    for pattern in ("p*.parquet", "w*.xlsx", "*.xlsx", f"{tmp_path.as_posix()}/p?.parquet"):
        (tmp_path / "retention.toml").write_text(f'[data]\norders = "{pattern}"\n[report]\ntimezone = "UTC"')
        rows = rk.load(tmp_path).engine.rows("SELECT customer_id, amount FROM orders ORDER BY _row")
        assert rows == [("A1", 150), ("A2", 250)], pattern


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("nothing-*.csv", r"^No file in '.*' fits 'nothing-\*\.csv'\.$"),
        ("*", r"^The files that fit '\*' are of several kinds, \.csv, \.toml: name one of them\.$"),
    ],
)
def test_a_pattern_that_fits_nothing_or_too_much_is_refused(folder, pattern, message):
    with pytest.raises(DataError, match=message):
        rk.load(folder(orders_csv=ORDERS, retention_toml=f'[data]\norders = "{pattern}"'))


def test_two_files_of_one_table_in_a_folder_are_refused(folder):
    path = folder(orders_csv=ORDERS)
    write_workbook(path / "orders.xlsx", orders=BOOK)
    with pytest.raises(
        DataError, match=r"holds orders\.csv and orders\.xlsx: keep one, or name it in a retention\.toml\.$"
    ):
        rk.load(path)


SHOP = """
    CREATE TABLE orders (customer_id VARCHAR(9), order_id INTEGER, ordered_at {time}, amount DOUBLE, country VARCHAR(9));
    INSERT INTO orders VALUES ('007', 1, '2024-01-05 09:00:00', 10.5, 'UK'), (NULL, 2, '2024-01-06 09:00:00', 5, NULL);
    CREATE VIEW big AS SELECT * FROM orders WHERE amount > 6;
"""


def database(path):
    """The same shop as a database file of the kind that its name says."""
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path)) as connection:
            connection.execute(SHOP.format(time="TIMESTAMP"))
            connection.execute("CREATE SCHEMA old; CREATE TABLE old.orders AS SELECT * FROM big")
            connection.execute("CREATE SCHEMA tables; CREATE TABLE tables.orders AS SELECT * FROM big")
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(SHOP.format(time="TEXT"))
    return path


KINDS = {"shop.duckdb": "duckdb", "shop.sqlite": "sqlite"}


@pytest.mark.parametrize("name", KINDS)
def test_a_database_file_gives_its_tables_and_is_left_as_it_was(tmp_path, name):
    path = database(tmp_path / name)
    before, files = path.read_bytes(), sorted(tmp_path.iterdir())
    data = rk.load(path, timezone="UTC")
    assert data.engine.rows(FIRST) == [
        ("007", "1", "2024-01-05 09:00:00", 1050, "UK"),
        (None, "2", "2024-01-06 09:00:00", 500, None),
    ]
    assert (path.read_bytes(), sorted(tmp_path.iterdir())) == (before, files)
    assert data.sources == [{"table": "orders", "name": name, "sha256": hashlib.sha256(before).hexdigest()}]
    path.rename(tmp_path / "any.db")
    assert rk.load(tmp_path / "any.db", timezone="UTC").engine.rows(FIRST) == data.engine.rows(FIRST), (
        ".db is looked into"
    )
    assert data.quarantine["orders"].empty, "nothing is read from the file any more"


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("source", "customers"),
    [
        ('orders = "orders"', ["007", None]),
        ('orders = "BIG"', ["007"]),
        ('orders = "main.big"', ["007"]),
        ('orders = "SELECT * FROM orders WHERE amount < 6;"', [None]),
        ('orders = {path = "big", where = "amount > 0", columns = {country = "lower(country)"}}', ["007"]),
    ],
)
@pytest.mark.parametrize("limit", ["", 'memory_limit = "1GB"'])
def test_an_engine_takes_tables_and_queries(tmp_path, name, source, customers, limit):
    database(tmp_path / name)
    toml = f'[data]\nengine = "{KINDS[name]}:///{name}"\n{limit}\n{source}\n[report]\ntimezone = "UTC"'
    (tmp_path / "retention.toml").write_text(toml)
    data = rk.load(tmp_path)
    assert [
        customer_id for (customer_id,) in data.engine.rows("SELECT customer_id FROM orders ORDER BY _row")
    ] == customers
    assert data.sources[0]["name"].startswith(name)
    assert len(data.sources[0]["sha256"]) == 64


def test_a_schema_of_duckdb_and_a_file_beside_the_database(tmp_path):
    database(tmp_path / "shop.duckdb")
    (tmp_path / "answers.csv").write_text("responded_at,survey,score\n2024-01-05,nps,9\n")
    toml = '[data]\nengine = "duckdb:///shop.duckdb"\norders = "old.orders"\nresponses = "answers.csv"\n[report]\ntimezone = "UTC"'
    (tmp_path / "retention.toml").write_text(toml)
    data = rk.load(tmp_path)
    assert [source["name"] for source in data.sources] == ["shop.duckdb: old.orders", "answers.csv"]
    assert data.engine.rows("SELECT customer_id FROM orders") == [("007",)]


def test_a_schema_may_be_called_as_anything_where_memory_is_limited(tmp_path):
    database(tmp_path / "shop.duckdb")
    (tmp_path / "retention.toml").write_text(
        '[data]\nengine = "duckdb:///shop.duckdb"\norders = "tables.orders"\nmemory_limit = "1GB"\n[report]\ntimezone = "UTC"'
    )
    assert rk.load(tmp_path).engine.rows("SELECT customer_id FROM orders") == [("007",)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            'engine = "sqlite:///shop.sqlite"\norders = "order"',
            "shop.sqlite has no table 'order': did you mean 'orders'?",
        ),
        (
            'engine = "sqlite:///shop.sqlite"\norders = "SELECT * FROM nowhere"',
            "shop.sqlite cannot be read: no such table: nowhere.",
        ),
        (
            'engine = "duckdb:///shop.duckdb"\norders = "SELECT * FROM nowhere"',
            "shop.duckdb cannot be read: Catalog Error: Table with name nowhere does not exist",
        ),
        ('engine = "sqlite:///shop.sqlit"\norders = "orders"', "There is no database 'shop.sqlit' in "),
        (
            'engine = "sqlite:///shop.duckdb"\norders = "orders"',
            "data.engine: shop.duckdb is a database of duckdb, not of sqlite: write duckdb:///….",
        ),
        (
            'engine = "sqlite:///shop.sqlite"\norders = "blobs"',
            "shop.sqlite: the column 'customer_id' holds bytes in row 2: leave it out with a query.",
        ),
        (
            'engine = "sqlite:///shop.sqlite"\norders = "thin"',
            "shop.sqlite: thin has no column 'ordered_at', which orders need: ",
        ),
        (
            'engine = "sqlite:///shop.sqlite"\norders = "WITH x AS (SELECT 1) DELETE FROM orders"',
            "shop.sqlite cannot be read: a query of it does more than read its tables.",
        ),
        (
            'engine = "sqlite:///shop.sqlite"\norders = "SELECT 1; DROP TABLE orders"',
            "shop.sqlite cannot be read: You can only execute one statement at a time.",
        ),
        ('engine = "duckdb:///shop.duckdb"\norders = "SELECT 1; DROP TABLE orders"', "shop.duckdb cannot be read: "),
        ('orders = "notes.db"', "notes.db is neither a DuckDB nor an SQLite database."),
    ],
)
def test_what_a_database_cannot_give_is_named(tmp_path, data, message):
    database(tmp_path / "shop.duckdb")
    with closing(sqlite3.connect(database(tmp_path / "shop.sqlite"))) as connection:
        connection.executescript(
            "CREATE TABLE blobs AS SELECT 'A' AS customer_id, '2024-01-05' AS ordered_at, 1 AS amount "
            "UNION ALL SELECT x'00', '2024-01-05', 1; CREATE TABLE thin AS SELECT 'A' AS customer_id, 1 AS amount;"
        )
    (tmp_path / "notes.db").write_text("not at all")
    (tmp_path / "retention.toml").write_text(f"[data]\n{data}")
    with pytest.raises(RetentionKitError) as error:
        rk.load(tmp_path)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_database_without_our_tables_is_told_what_it_holds(tmp_path):
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript("CREATE TABLE sales (a); CREATE TABLE people (b);")
    with pytest.raises(
        DataError, match=r"^shop\.db holds none of our tables, .*; it has people, sales\. Name yours in"
    ):
        rk.load(tmp_path / "shop.db")


def test_a_database_in_use_is_read_and_not_locked(tmp_path):
    path = database(tmp_path / "shop.sqlite")
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = wal")
        writer.execute("INSERT INTO orders VALUES ('new', 3, '2024-01-07 09:00:00', 1, 'UK')")
        writer.commit()
        files = sorted(tmp_path.iterdir())
        first = rk.load(path, timezone="UTC")
        assert first.engine.rows("SELECT count(*) FROM orders") == [(3,)], "what is in the log counts"
        assert sorted(tmp_path.iterdir()) == files
        writer.execute("INSERT INTO orders VALUES ('newer', 4, '2024-01-08 09:00:00', 1, 'UK')")
        writer.commit()
        assert rk.load(path, timezone="UTC").sources[0]["sha256"] != first.sources[0]["sha256"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["shop.sqlite"], "the log is merged at the end"
    assert rk.load(path, timezone="UTC").engine.rows("SELECT count(*) FROM orders") == [(4,)]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["shop.sqlite"], "and none is begun by reading"


# Frames


@pytest.mark.long
@pytest.mark.parametrize("kind", ["polars", "lazy", "arrow", "batches", "stream"])
def test_polars_and_arrow_are_read_as_pandas_is(kind):
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    columns = {
        "customer_id": ["007", None, "008"],
        "order_id": [1, 2, 2],
        "ordered_at": [at("2024-01-05 09:00"), at("2024-01-06 09:00"), at("2024-01-06 09:00")],
        "amount": [1.5, 2.5, 3.5],
        "country": ["UK", None, "UK"],
    }

    class Stream:
        def __init__(self, table):
            self.table = table

        def __arrow_c_stream__(self, requested_schema=None):
            return self.table.__arrow_c_stream__(requested_schema)

    def frame_of(columns):
        arrow = pyarrow.table(columns)
        return {
            "polars": lambda: polars.DataFrame(columns),
            "lazy": lambda: polars.DataFrame(columns).lazy(),
            "arrow": lambda: arrow,
            "batches": lambda: arrow.to_reader(),
            "stream": lambda: Stream(arrow),
        }[kind]()

    data = rk.load(orders=frame_of(columns), timezone="UTC")
    pandas = rk.load(orders=pd.DataFrame(columns), timezone="UTC")
    query = 'SELECT customer_id, order_id, ordered_at, amount, "segment.country" FROM orders ORDER BY _row'
    assert data.engine.rows(query) == pandas.engine.rows(query)
    assert len(data.engine.rows(query)) == 2
    pd.testing.assert_frame_equal(data.quality, pandas.quality)
    assert list(data.quarantine["orders"]["customer_id"]) == ["008"]
    again, other = frame_of(columns), frame_of(columns | {"amount": [1.5, 2.5, 3.6]})
    prints = [rk.load(orders=frame, timezone="UTC").sources[0]["sha256"] for frame in (again, other)]
    assert data.sources[0]["sha256"] == prints[0] != prints[1]


@pytest.mark.long
def test_little_memory_gives_the_same_figures(tmp_path):
    """What is more than the limit lies on disk meanwhile."""
    with duckdb.connect() as database:
        database.execute(
            "COPY (SELECT 'customer ' || (i * 7919 % 60007) AS customer_id, i AS order_id, "
            "TIMESTAMP '2023-01-01' + INTERVAL 1 MINUTE * (i * 31 % 1000000) AS ordered_at, i % 9973 / 100.0 AS amount, "
            f"'shop ' || i % 5 AS shop FROM range(400000) AS numbers(i)) TO '{(tmp_path / 'orders.parquet').as_posix()}'"
        )
    frames = []
    for limit in ("", 'memory_limit = "120MB"'):
        (tmp_path / "retention.toml").write_text(f'[data]\norders = "orders.parquet"\n{limit}\n')
        data = rk.load(tmp_path)
        frames.append(rk.scorecard(data, "2024-03", segment="shop"))
        (memory_limit,) = data.engine.rows("SELECT value FROM duckdb_settings() WHERE name = 'memory_limit'")[0]
    assert memory_limit == "114.4 MiB"
    pd.testing.assert_frame_equal(*frames)
    assert frames[0]["value"].notna().any()


def test_rows_are_left_out_by_name_and_counted(tmp_path):
    """Of five rows one is void, one a test (it is void, too, which counts first), one has no state and stays."""
    rows = "customer_id,ordered_at,amount,state,note\na,2024-01-05,1,paid,\nb,2024-01-05,2,void,\nc,2024-01-05,4,paid,test\nd,2024-01-05,8,void,test\ne,2024-01-05,16,,\n"
    (tmp_path / "o.csv").write_text(rows, "utf-8")
    toml = "[data.orders]\npath = 'o.csv'\nlayout = 'shopify_orders'\n[data.orders.leave_out]\nvoided = \"state = 'void'\"\n'a test' = \"note = 'test'\"\n"
    (tmp_path / "retention.toml").write_text(toml, "utf-8")
    data = rk.load(tmp_path, currency="GBP", timezone="UTC")
    assert value(data, "revenue", "2024-01") == 17
    quality = data.quality.set_index("check")
    assert (quality.loc["left out: voided", "rows"], quality.loc["left out: a test", "rows"]) == (2, 1)
    assert "refunds bear no date" in quality.loc["limit of the export", "effect"]


def test_a_condition_to_leave_out_that_does_not_work_is_a_sentence(tmp_path):
    (tmp_path / "o.csv").write_text("customer_id,ordered_at,amount\na,2024-01-05,1\n", "utf-8")
    toml = "[data.orders]\npath = 'o.csv'\n[data.orders.leave_out]\nvoided = \"state = 'void'\"\n"
    (tmp_path / "retention.toml").write_text(toml, "utf-8")
    with pytest.raises(DataError, match=r"o\.csv: leave_out 'voided' = .* does not work: .*state"):
        rk.load(tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(pd.interval_range(0, 2)),
        pd.Series([1 + 2j, 2]),
        pd.Series([b"a", b"\xff"]),
        pd.Series(["a\ud800", "b"], dtype="object"),
    ],
    ids=["intervals", "complex", "bytes", "half a letter"],
)
@pytest.mark.parametrize("column", ["amount", "country"])
def test_a_frame_of_what_no_table_holds_is_a_sentence(column, values):
    frame = pd.DataFrame({"customer_id": ["a", "b"], "ordered_at": "2024-01-05", "amount": 1.0}).assign(
        **{column: values}
    )
    with pytest.raises(
        DataError, match=rf"^The orders DataFrame's column '{column}' holds what cannot be read \(.+\): make it"
    ):
        rk.load(orders=frame)


def test_objects_of_polars_are_a_sentence():
    polars = pytest.importorskip("polars")
    customer_id = polars.Series([1, "x"], dtype=polars.Object)
    frame = polars.DataFrame({"customer_id": customer_id, "ordered_at": ["2024-01-05"] * 2, "amount": [1.5, 2]})
    with pytest.raises(DataError, match=r"column 'customer_id' holds what cannot be read \(Object\): make it text"):
        rk.load(orders=frame)


FRAME = pd.DataFrame({"customer_id": "A", "order_id": ["1", "1", "2"], "ordered_at": "2024-01-05", "amount": 5})


@pytest.mark.parametrize("index", ["order_id", "customer_id", ["customer_id", "order_id"]], ids=str)
def test_columns_that_are_the_index_of_a_frame_are_read(index):
    with_index = FRAME.set_index(index)
    plain, indexed = (rk.load(orders=frame, timezone="UTC") for frame in (FRAME, with_index))
    assert value(indexed, "revenue", "2024-01") == value(plain, "revenue", "2024-01") == 10
    assert indexed.quality.equals(plain.quality)
    assert with_index.equals(FRAME.set_index(index)), "it stays as it was"


@pytest.mark.parametrize("kind", ["pandas", "polars", "lazy"])
def test_names_that_a_frame_has_twice_are_told(kind):
    polars = pytest.importorskip("polars")
    columns = {"customer_id": ["A"], "ordered_at": ["2024-01-05"], "amount": [1], "Amount": [2]}
    frame = (
        pd.DataFrame(columns).rename(columns={"Amount": "amount"}) if kind == "pandas" else polars.DataFrame(columns)
    )
    data = rk.load(orders=frame.lazy() if kind == "lazy" else frame, timezone="UTC")
    assert value(data, "revenue", "2024-01") == 1
    (effect,) = data.quality.loc[data.quality["check"] == "duplicate header", "effect"]
    assert "stands again in column 4: the first is used, this one is " in effect


@pytest.mark.parametrize("names", [("amount", "Amount"), ("Amount", "amount"), ("AMOUNT", "Amount"), ("amount",) * 2])
@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet", "arrow", "pandas"])
@pytest.mark.long
def test_of_names_that_stand_twice_in_any_case_the_first_is_used_and_told_in_every_container(tmp_path, kind, names):
    """Inside of a list or a struct a name stands for itself."""
    arrow = pytest.importorskip("pyarrow")
    header, rows = ["customer_id", "ordered_at", *names], [["A", "2024-01-05", 1, 10], ["B", "2024-01-06", 2, 20]]
    inner = {"amount": 5, "list": [1]}
    orders = arrow.Table.from_arrays(
        [*map(arrow.array, zip(*rows, strict=True)), arrow.array([inner, inner])], [*header, "inner"]
    )
    path = tmp_path / f"orders.{kind}"
    if kind == "csv":
        path.write_text("".join(",".join(map(str, cells)) + "\n" for cells in [header, *rows]), "utf-8")
    elif kind == "xlsx":
        write_workbook(path, orders=[header, *rows])
    elif kind == "parquet":
        pytest.importorskip("pyarrow.parquet").write_table(orders, path)
    frames = {"arrow": orders, "pandas": pd.DataFrame(rows, columns=header)}
    data = rk.load(orders=frames[kind], timezone="UTC") if kind in frames else rk.load(path, timezone="UTC")
    assert value(data, "revenue", "2024-01") == 3
    (effect,) = data.quality.loc[data.quality["check"] == "duplicate header", "effect"]
    assert f"{names[1]!r} stands again in column 4: the first is used, this one is '{names[1]}_" in effect


def test_periods_and_sparse_columns_are_read():
    days = pd.Series(pd.PeriodIndex(["2024-01-31", "2024-02-01"], freq="D"))
    frame = pd.DataFrame({"customer_id": ["a", "b"], "ordered_at": days, "amount": pd.arrays.SparseArray([1.5, 2.0])})
    data = rk.load(orders=frame, timezone="Asia/Tokyo")
    assert [value(data, "revenue", month) for month in ("2024-01", "2024-02")] == [1.5, 2.0]
    assert frame["ordered_at"].dtype == "period[D]"
