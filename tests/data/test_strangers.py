"""Data files from anybody: what lies in them is read, and never run."""

import os
import sqlite3
from contextlib import closing

import duckdb
import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.readers import databases
from retention_kit.errors import DataError

ORDER = pd.DataFrame({"customer_id": ["C"], "ordered_at": ["2024-01-05"], "amount": [1.0]})
ROWS = "SELECT 'A' AS customer_id, '2024-01-05' AS ordered_at, 1 AS amount, {} AS country"


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """A file of the user's, and a password in the environment, that no data file may bring into a report."""
    path = tmp_path / "secret.txt"
    path.write_text("hunter2")
    monkeypatch.setenv("RETENTION_KIT_SMTP_URL", "smtp://me:hunter2@example.com")
    return path


def shop(path, sql):
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path)) as database:
            database.execute(sql)
    else:
        with closing(sqlite3.connect(path)) as database:
            database.executescript(sql)
    return path


# Views of DuckDB that read what is not theirs; `{}` is a file of the user's.
READING = {
    "read_text": "CREATE VIEW orders AS SELECT 'A' AS customer_id, '2024-01-05' AS ordered_at, 1 AS amount, content AS country FROM read_text('{}')",
    "environment": "CREATE VIEW orders AS "
    + ROWS.format("(SELECT decode(content) FROM read_blob('/proc/self/environ'))"),
    "a file as a table": "CREATE VIEW inner_one AS SELECT 1 AS a; CREATE VIEW orders AS "
    + ROWS.format("(SELECT count(*) FROM inner_one, glob('{}*'))"),
    "a macro": "CREATE MACRO told() AS (SELECT content FROM read_text('{}')); CREATE VIEW orders AS "
    + ROWS.format("told()"),
    "a macro that gives a table": "CREATE MACRO told() AS TABLE SELECT content FROM read_text('{}'); CREATE VIEW orders AS "
    + ROWS.format("(SELECT content FROM told())"),
    "a view behind a view": "CREATE VIEW one AS SELECT content FROM read_text('{}'); CREATE VIEW two AS FROM one; CREATE VIEW orders AS "
    + ROWS.format("(SELECT content FROM two)"),
    "a common table": "CREATE VIEW orders AS WITH one AS (SELECT content FROM read_text('{}')) "
    + ROWS.format("(SELECT content FROM one)"),
    "settings": "CREATE VIEW orders AS " + ROWS.format("(SELECT max(value) FROM duckdb_settings())"),
    "settings by another name": "CREATE VIEW orders AS "
    + ROWS.format("(SELECT max(setting) FROM pg_catalog.pg_settings)"),
    "settings one by one": "CREATE VIEW orders AS " + ROWS.format("current_setting('home_directory')"),
    "secrets": "CREATE VIEW orders AS " + ROWS.format("(SELECT count(*) FROM duckdb_secrets())"),
    "what is asked as text": "CREATE TABLE t AS SELECT 1 AS a; CREATE VIEW orders AS "
    + ROWS.format("(SELECT count(*) FROM query('FROM t'))"),
    "no end": "CREATE VIEW orders AS " + ROWS.format("(SELECT count(*) FROM range(1000000000000000))"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", READING)
def test_a_view_of_duckdb_reads_nothing_but_its_file(tmp_path, secret, name):
    path = shop(tmp_path / "shop.duckdb", READING[name].replace("{}", str(secret)))
    with pytest.raises(DataError, match=r"^shop\.duckdb") as error:
        rk.load(path, timezone="UTC")
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "query", ["SELECT * FROM orders", "FROM orders SELECT *", "WITH x AS (FROM orders) SELECT * FROM x"]
)
def test_a_query_of_the_user_runs_no_view_that_reads_files(tmp_path, secret, query):
    shop(tmp_path / "shop.duckdb", READING["read_text"].replace("{}", str(secret)))
    (tmp_path / "retention.toml").write_text(f'[data]\nengine = "duckdb:///shop.duckdb"\norders = "{query}"')
    with pytest.raises(DataError, match=r"the view 'orders' reads more than the tables of its file \(read_text\(\)\)"):
        rk.load(tmp_path)


HARMLESS = """
    CREATE TABLE came AS SELECT 'A' AS customer_id, '2024-01-05' AS ordered_at, 2 AS amount, 'UK' AS country;
    CREATE TABLE more AS SELECT 'B' AS customer_id, '2024-01-06' AS ordered_at, 3 AS amount, 'FR' AS country;
    CREATE VIEW both_of_them AS SELECT * FROM came UNION ALL SELECT * FROM more;
    CREATE VIEW orders AS WITH kept AS (SELECT * FROM both_of_them WHERE amount > 2)
        SELECT customer_id, ordered_at, amount, lower(country) AS country FROM kept;
"""


@pytest.mark.parametrize("name", ["shop.duckdb", "shop.sqlite"])
def test_a_view_over_tables_is_read(tmp_path, name):
    data = rk.load(shop(tmp_path / name, HARMLESS), timezone="UTC")
    assert data.engine.rows('SELECT customer_id, "segment.country" FROM orders') == [("B", "fr")]


def test_types_of_duckdb_come_as_they_are(tmp_path):
    sql = (
        "CREATE TABLE orders AS SELECT 170141183460469231731687303715884105727 AS customer_id, 1.25::DECIMAL(9, 2) AS amount, "
        "TIMESTAMPTZ '2024-01-05 23:30:00+00' AS ordered_at, 'b'::ENUM('a', 'b') AS plan, "
        "'c4d3e2f1-0000-4000-8000-000000000001'::UUID AS shop"
    )
    data = rk.load(shop(tmp_path / "shop.duckdb", sql), timezone="Europe/Berlin")
    query = 'SELECT customer_id, CAST(day AS VARCHAR), amount, "segment.plan", "segment.shop" FROM orders'
    assert data.engine.rows(query) == [
        (
            "170141183460469231731687303715884105727",
            "2024-01-06",
            125,
            "b",
            "c4d3e2f1-0000-4000-8000-000000000001",
        )
    ]


_ENDLESS = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n)"
_AMOUNT = "SELECT 'A' AS customer_id, '2024-01-05' AS ordered_at, {} AS amount FROM"
# Views that take too long, or give too many rows: the limit that ends them, and what is said.
ENDLESS = {
    "shop.duckdb without end": (
        "SECONDS",
        0.5,
        f"CREATE TABLE t AS SELECT 1 AS a FROM range(1000); CREATE VIEW orders AS {_ENDLESS} {_AMOUNT.format('i')} n",
    ),
    "shop.sqlite without end": ("SECONDS", 0.5, f"CREATE VIEW orders AS {_ENDLESS} {_AMOUNT.format('sum(i)')} n"),
    "shop.duckdb of many rows": (
        "ROWS",
        50_000,
        f"CREATE TABLE t AS SELECT 1 AS a FROM range(2000); CREATE VIEW orders AS {_AMOUNT.format(1)} t AS a, t AS b",
    ),
    "shop.sqlite of many rows": ("ROWS", 50_000, f"CREATE VIEW orders AS {_ENDLESS} {_AMOUNT.format('i')} n"),
}
SAID = {"SECONDS": r"its view takes more than 0\.5 seconds to read", "ROWS": r"its view .*gives more than .* rows.*"}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_view_beyond_a_limit_is_ended(tmp_path, monkeypatch, name):
    limit, value, sql = ENDLESS[name]
    monkeypatch.setattr(databases, limit, value)
    with pytest.raises(DataError, match=rf"{SAID[limit]}: make it a table\.$"):
        rk.load(shop(tmp_path / name.split()[0], sql), timezone="UTC")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT load_extension('x') AS customer_id, '2024-01-05' AS ordered_at, 1 AS amount",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "SELECT fts3_tokenizer('simple') AS customer_id, '2024-01-05' AS ordered_at, 1 AS amount",
    ],
)
def test_sqlite_only_reads(tmp_path, query):
    shop(tmp_path / "shop.sqlite", "CREATE TABLE t (a)")
    (tmp_path / "retention.toml").write_text(f'[data]\nengine = "sqlite:///shop.sqlite"\norders = "{query}"')
    with pytest.raises(DataError, match=r"^shop\.sqlite cannot be read: [^\n]+\.$"):
        rk.load(tmp_path)


def test_a_value_of_sqlite_has_an_end(tmp_path):
    view = (
        "CREATE VIEW orders AS SELECT hex(zeroblob(100000000)) AS customer_id, '2024-01-05' AS ordered_at, 1 AS amount"
    )
    with pytest.raises(DataError, match=r"^shop\.sqlite cannot be read: string or blob too big\.$"):
        rk.load(shop(tmp_path / "shop.sqlite", view))


def test_a_text_of_sqlite_that_is_none_is_a_sentence(tmp_path):
    sql = "CREATE TABLE orders AS SELECT CAST(x'ff' AS TEXT) AS customer_id, '2024-01-05' AS ordered_at, 1 AS amount"
    with pytest.raises(DataError, match=r"^shop\.sqlite cannot be read: "):
        rk.load(shop(tmp_path / "shop.sqlite", sql))


@pytest.mark.parametrize("name", ["shop.duckdb", "shop.sqlite"])
@pytest.mark.parametrize("seed", range(8))
def test_a_broken_database_is_a_sentence(tmp_path, name, seed):
    import random

    path, dice = shop(tmp_path / name, HARMLESS), random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(40):
        content[dice.randrange(20, min(len(content), 40_000))] = dice.randrange(256)
    path.write_bytes(content[: dice.randrange(100, len(content))] if seed % 2 else content)
    try:
        rk.load(path, timezone="UTC")
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017, it may also be readable


def test_reading_leaves_nothing_behind(tmp_path):
    path = shop(tmp_path / "shop.duckdb", HARMLESS)
    before = sorted(os.listdir(tmp_path))  # noqa: PTH208
    rk.load(path, timezone="UTC")
    assert sorted(os.listdir(tmp_path)) == before  # noqa: PTH208


def test_a_long_text_is_cut_and_counted_and_stays_apart_from_others(tmp_path):
    """Two names that begin alike are two, in every table; a page can hold each."""
    long = "A" * 100_000
    rows = [f"{long}{end},2024-0{month}-05,1,{long}{end},x" for end in "xy" for month in (1, 2)]
    (tmp_path / "orders.csv").write_text(
        "customer_id,ordered_at,amount,country,plan\n" + "\n".join([*rows, "B,2024-01-06,1,UK,y"])
    )
    data = rk.load(tmp_path, timezone="UTC", segments=["country"])
    customers = data.engine.rows(
        'SELECT customer_id, count(*), count(DISTINCT "segment.country") FROM orders GROUP BY 1 ORDER BY 1'
    )
    assert [(name[:200], len(name), orders, countries) for name, orders, countries in customers] == [
        ("A" * 200, 234, 2, 1),
        ("A" * 200, 234, 2, 1),
        ("B", 1, 1, 1),
    ]
    counted = {row.check: row.rows for row in data.quality.itertuples()}
    assert counted["long text, cut"] == 4
    just = rk.load(orders=ORDER.assign(customer_id="C" * 1000), timezone="UTC")
    assert just.engine.rows("SELECT length(customer_id) FROM orders") == [(1000,)]
    assert "long text, cut" not in set(just.quality["check"])


@pytest.mark.parametrize("start", [b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1\x15"])
def test_a_file_of_another_kind_that_is_named_as_a_text_is_told(tmp_path, start):
    (tmp_path / "orders.csv").write_bytes(start + b"\x00\x01,\xff\n1,2\n")
    with pytest.raises(DataError, match=r"^orders\.csv is no text but an? .*: .* \.[a-z.]+( or \.csv\.zip)?\.$"):
        rk.load(tmp_path)


@pytest.mark.parametrize(
    ("start", "what"),
    [
        ("<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page"),
        ("\ufeff <html>", "a web page"),
        ('[{"customer_id": "a", "amount": 5}]', "JSON"),
        ('{"customer_id": "a", "amount": 5}', "JSON"),
        ('[\n  {\n    "customer_id": "a"\n  }\n]', "JSON"),
        ('<?xml version="1.0"?><orders/>', "XML"),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:12\n",
            "a pointer of Git LFS, which git lfs pull replaces by the file",
        ),
    ],
)
@pytest.mark.parametrize("name", ["orders.csv", "orders.parquet", "orders.xlsx"])
def test_a_text_that_is_no_table_is_told(tmp_path, name, start, what):
    (tmp_path / name).write_text(start, "utf-8")
    with pytest.raises(DataError) as error:
        rk.load(tmp_path)
    assert str(error.value) == f"{name} holds no table but {what}."


# What an expression of the settings may try, beyond the columns of its own file; `{}` is a file that no source names.
BEYOND = [
    "(SELECT content FROM read_text('{}'))",
    "(SELECT max(CAST(content AS VARCHAR)) FROM read_blob('{}'))",
    "(SELECT max(a) FROM read_csv('{}', columns = {'a': 'VARCHAR'}))",
    "(SELECT max(CAST(j AS VARCHAR)) FROM read_json('{}') AS j)",
    "(SELECT max(a) FROM read_parquet('{}.parquet'))",
    "(SELECT max(prompt) FROM sniff_csv('{}'))",
    "(SELECT max(column0) FROM '{}')",
    "(SELECT max(file) FROM glob('{}*'))",
    "(SELECT content FROM read_text('{}.link'))",
    "(SELECT content FROM read_text('{}.csv/../secret.txt'))",
    "(SELECT content FROM read_text('/proc/self/environ'))",
    "(SELECT content FROM read_text('https://example.com/'))",
    "(SELECT max(hidden) FROM FRAME)",
    "getenv('RETENTION_KIT_SMTP_URL')",
]
FRAME = pd.DataFrame({"hidden": ["hunter2"]})
STATEMENTS = [
    "COPY (SELECT 1) TO '{}'",
    "ATTACH '{}.duckdb' AS theirs",
    "EXPORT DATABASE '{}.folder'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "RESET lock_configuration",
    "SET python_enable_replacements = true",
]


@pytest.fixture
def copies(secret):
    """The same with a link, a Parquet file and a database that hold it."""
    secret.with_name("secret.txt.link").symlink_to(secret)
    FRAME.rename(columns={"hidden": "a"}).to_parquet(secret.with_name("secret.txt.parquet"))
    shop(secret.with_name("secret.duckdb"), "CREATE TABLE a AS SELECT 1 AS b")
    return secret


@pytest.mark.parametrize("expression", BEYOND)
@pytest.mark.parametrize("key", ["column", "where"])
@pytest.mark.parametrize("name", ["orders.csv", "orders.parquet"])
@pytest.mark.long
def test_an_expression_reads_nothing_but_its_own_source(tmp_path, copies, expression, key, name):
    getattr(ORDER, "to_csv" if name.endswith("csv") else "to_parquet")(tmp_path / name, index=False)
    text = expression.replace("{}", str(copies)).replace('"', '\\"')
    lines = {"column": f'[data.orders.columns]\ncountry = "{text}"', "where": f'where = "{text} IS NOT NULL"'}
    (tmp_path / "retention.toml").write_text(
        f'[report]\ntimezone = "UTC"\n[data.orders]\npath = "{name}"\n{lines[key]}'
    )
    with pytest.raises(DataError, match=r"^(The )?orders") as error:
        rk.load(tmp_path / "retention.toml")
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("memory_limit", [None, "200MB"])
def test_an_engine_reaches_nothing_and_stays_so(copies, statement, memory_limit):
    engine = DuckDB(memory_limit)
    before = sorted(copies.parent.iterdir())
    with pytest.raises(engine.error):
        engine.run(statement.replace("{}", str(copies)))
    assert sorted(copies.parent.iterdir()) == before


@pytest.mark.parametrize(
    "name", ["a[1].csv", "a*.csv", "a?.csv", "it's.csv", "ä ö.csv", "linked.csv", "x.csv.gz", "[a]/b.csv"]
)
def test_a_source_of_any_name_is_read(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if name == "linked.csv":
        path.symlink_to(tmp_path / "real.csv")
    ORDER.assign(amount=[99.0]).to_csv(tmp_path / "a1.csv", index=False)
    ORDER.to_csv(path, index=False)
    data = rk.load(path, timezone="UTC")
    assert data.engine.rows("SELECT amount FROM orders") == [(100,)]
