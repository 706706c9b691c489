"""The cache of cleaned tables and summaries: what it gives is what reading anew gives, whatever happened to it."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from errno import ENOSPC
from pathlib import Path

import duckdb
import msgspec
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import retention_kit as rk
from oracle_cases import CURRENCY, TRICKY_AS_OF, ZONE, many_tricky_tables, tricky_tables
from retention_kit.cli import main
from retention_kit.data import cache, cache_folder, cache_values, dataset
from retention_kit.data.check_rows import rows_of
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.readers import text_cache
from retention_kit.data.summary_key import SummaryKey
from retention_kit.errors import DataError, SettingsError
from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.comments.summary import survey_comments
from retention_kit.metrics.follow_ups import due_lists
from retention_kit.metrics.queries.customer_lists import customer_lists

pytestmark = pytest.mark.long

ORDERS = """customer_id,ordered_at,amount,country,email
a,2024-01-05,10.00,France,a@example.com
b,2024-01-06,20.00,Spain,b@example.com
a,2024-02-07,30.00,France,a@example.com
c,2024-02-08,40.00,Spain,c@example.com
a,2024-03-01,50.00,France,a@example.com
b,no date,60.00,Spain,b@example.com
"""
TOML = """[data]
orders = "orders*.csv"
cache = true
[report]
timezone = "Europe/London"
currency = "GBP"
segments = ["country"]
[[follow_ups]]
name = "Second"
when = "20 days after first purchase"
contact = "email"
"""


@pytest.fixture(autouse=True)
def cache_dir(tmp_path, monkeypatch) -> Path:
    """The folder of the cache, of this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    return tmp_path / "own" / "retention-kit" / "data"


@pytest.fixture
def shop(tmp_path) -> Path:
    """The settings of a small shop."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "orders.csv").write_text(ORDERS, "utf-8")
    path = tmp_path / "shop" / "retention.toml"
    path.write_text(TOML, "utf-8")
    return path


@pytest.fixture
def cleaned(monkeypatch) -> list[str]:
    """A line for each time that tables are cleaned."""
    times: list[str] = []

    def clean(*args):
        times.append("cleaned")
        return original(*args)

    original = dataset._clean
    monkeypatch.setattr(dataset, "_clean", clean)
    return times


def revenue(path: Path, **options) -> float:
    return rk.scorecard(rk.load(path, **options), "2024-02", metrics="revenue")["value"].iloc[0]


def entries(cache_dir: Path) -> list[Path]:
    return sorted(path for path in cache_dir.iterdir() if not path.name.startswith("."))


# Equality


def write_tables(folder: Path, tables: dict, kind: str) -> None:
    """Write tables into files of a kind."""
    if kind == "sqlite":
        with closing(sqlite3.connect(folder / "shop.sqlite")) as connection:
            for name, frame in tables.items():
                frame.to_sql(name, connection, index=False)
    elif kind == "csv of two":
        for name, frame in tables.items():
            half = len(frame) // 2
            for number, rows in enumerate((frame[:half], frame[half:])):
                rows.to_csv(folder / f"{name}-{number}.csv", index=False)
    else:
        for name, frame in tables.items():
            getattr(frame, f"to_{kind}")(folder / f"{name}.{kind}", index=False)


def scorecard_of(data) -> str:
    (segment, *_) = data.settings.report.segments
    return rk.scorecard(data, "2024-03", segment=segment).to_csv()


def values_of(data) -> dict:
    """What one can ask of a dataset, as text to the last digit; figures by segment value, lists, and rows as they came."""
    last = rk.Period.parse("2024-03")
    fields = ("as_of", "starts", "tables", "segments", "sources", "excluded_columns", "warnings", "scale", "known")
    values = {name: getattr(data, name) for name in (*fields, "parts", "has_tickets", "foreign", "basis")}
    return values | {
        "quality": data.quality.to_csv(),
        "display": data._repr_html_(),
        "quarantine": {name: (rows.to_csv(), dict(rows.dtypes)) for name, rows in data.quarantine.items()},
        "rows": {
            table: (checked.rows, checked.frame.to_csv(), checked.lines.to_csv())
            for table, checked in rows_of(data).items()
        },
        "lists": {name: rows.to_csv() for name, rows in customer_lists(data, last, columns=["country"]).items()},
        "due": [(due_list.follow_up.name, due_list.rows, due_list.reason) for due_list in due_lists(data)],
        "scorecard": scorecard_of(data),
    }


def compare(frames: dict[str, pd.DataFrame], kind: str, folder: Path, cleaned: list[str], **options) -> None:
    """What is kept of tables, in files of a kind, is what is read of them anew."""
    write_tables(folder, frames, kind)
    paths = {"sqlite": "{}", "csv of two": "{}-*.csv"}
    named = "".join(f'{name} = "{paths.get(kind, f"{{}}.{kind}").format(name)}"\n' for name in frames)
    engine = 'engine = "sqlite:///shop.sqlite"\n' if kind == "sqlite" else ""
    rules = '[[follow_ups]]\nname = "Back"\nwhen = "no purchase for 20 days"\ncontact = "country"\n'
    (folder / "retention.toml").write_text(f"[data]\n{engine}{named}cache = true\n{rules}", "utf-8")
    options |= {"timezone": ZONE, "currency": CURRENCY, "as_of": TRICKY_AS_OF}
    fresh = rk.load(folder, **options, cache=False)
    assert rk.load(folder, **options).notice == ""
    cleaned.clear()
    expected = values_of(fresh)
    assert values_of(rk.load(folder, **options)) == expected  # of tables
    assert scorecard_of(rk.load(folder, **options)) == expected["scorecard"]  # of summaries
    assert not cleaned


KINDS = ("csv", "parquet", "sqlite", "csv of two")


@pytest.mark.long
@pytest.mark.parametrize(("seed", "name"), [(0, "orders"), (4, "subscriptions"), (8, "orders"), (9, "subscriptions")])
def test_what_is_kept_is_what_is_read_anew(tmp_path, cleaned, seed: int, name: str):
    """Hard cases, as text, Parquet, database and several texts."""
    frame = tricky_tables(seed)[name].assign(country="Spain")
    compare({name: frame}, KINDS[seed // 3], tmp_path, cleaned, segments=["country"])


@pytest.mark.long
@pytest.mark.parametrize("number", range(4))
def test_a_hundred_companies(tmp_path, cleaned, number: int):
    """Random companies of hard cases, twenty-five in one, each of which is a segment value."""
    frames = many_tricky_tables(range(25 * number, 25 * number + 25))
    basis = ("orders", "subscriptions")[number % 2]
    compare(dict(frames), KINDS[number], tmp_path, cleaned, basis=basis, segments=["case"])


# What makes it read anew


def test_the_second_run_cleans_nothing(shop, cleaned):
    assert [revenue(shop), revenue(shop), revenue(shop.parent), revenue(shop)] == [70.0] * 4
    assert len(cleaned) == 1


def same_size_and_time(shop: Path) -> None:
    orders = shop.with_name("orders.csv")
    status = orders.stat()
    orders.write_text(ORDERS.replace("30.00", "31.00"), "utf-8")
    os.utime(orders, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (orders.stat().st_size, orders.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)


def another_file(shop: Path) -> None:
    shop.with_name("orders-2.csv").write_text(
        "customer_id,ordered_at,amount,country,email\nz,2024-02-09,1,-,-\n", "utf-8"
    )


def another_rule(shop: Path) -> None:
    shop.write_text(
        f"{TOML}\n[data.orders]\npath = 'orders*.csv'\nwhere = \"amount <> '30.00'\"\n".replace(
            'orders = "orders*.csv"\n', ""
        )
    )


@pytest.mark.parametrize(
    ("change", "expected"), [(same_size_and_time, 71.0), (another_file, 71.0), (another_rule, 40.0)]
)
def test_what_decides_is_seen(shop, cleaned, change: Callable[[Path], None], expected: float):
    assert revenue(shop) == 70.0
    change(shop)
    assert [revenue(shop), revenue(shop)] == [expected] * 2
    assert len(cleaned) == 2


def test_the_order_of_reasons_is_seen(shop):
    """A row that several reasons leave out is counted by the first."""
    reasons = ["small = 'amount < 25'\n", "french = \"country = 'France'\"\n"]
    for order in (reasons, reasons[::-1]):
        source = '[[data.orders]]\npath = "orders.csv"\n[data.orders.leave_out]\n' + "".join(order)
        shop.write_text(TOML.replace('orders = "orders*.csv"\n', "").replace("[report]", f"{source}[report]"), "utf-8")
        checks = [rk.load(shop, cache=cached).quality.to_csv() for cached in (True, False)]
        assert checks[0] == checks[1]


def test_a_setting_that_changes_figures_is_seen(shop, cleaned):
    assert [revenue(shop), revenue(shop, as_of="2024-02-08"), revenue(shop, min_n=2)] == [70.0, 30.0, 70.0]
    assert len(cleaned) == 3


@pytest.mark.parametrize("option", [{"company": "Shop"}, {"languages": ["ar"]}, {"formats": ["brief"]}])
def test_options_of_the_report_need_no_new_cleaning(shop, cleaned, option: dict):
    revenue(shop)
    data = rk.load(shop, **option)
    assert len(cleaned) == 1
    assert data.settings.report.company == option.get("company", "")  # those of now, not those of then


def test_code_and_rules_of_clocks_are_seen(shop, cleaned, monkeypatch):
    revenue(shop)
    for name in ("_code", "_rules_of", "version"):
        with monkeypatch.context() as patch:
            real = getattr(cache, name)
            patch.setattr(cache, name, lambda *args, real=real: real(*args) + type(real(*args))(real(*args)[:1]))
            cleaned.clear()
            revenue(shop)
            assert cleaned, name
    cleaned.clear()
    revenue(shop)
    assert not cleaned


def test_a_plug_in_is_seen(shop, cleaned):
    plugin = shop.with_name("own.py")
    shop.write_text(TOML.replace('currency = "GBP"', 'currency = "GBP"\nplugins = ["own.py"]'), "utf-8")
    text = (
        "from retention_kit.metrics.catalogue import Measure, metric\n\n"
        '@metric(label="Share", unit="ratio", formula="", source="")\n'
        'def cached_share(purchases):\n    """A share."""\n    return Measure(purchases.purchases + {more})\n'
    )
    try:
        for more in (0, 1):
            plugin.write_text(text.format(more=more), "utf-8")
            value = rk.scorecard(rk.load(shop), "2024-02", metrics="cached_share")["value"].iloc[0]
            assert value == 2 + more
        assert len(cleaned) == 2
    finally:
        METRICS.pop("cached_share", None)


@pytest.fixture
def on_day(monkeypatch) -> Callable[[str], None]:
    """Sets the date of today."""
    from retention_kit.data.cleaning import pipeline

    def set_day(day: str) -> None:
        for module in (pipeline, cache):
            monkeypatch.setattr(module, "today", lambda _: date.fromisoformat(day))

    return set_day


def test_a_day_counts_where_something_was_planned_for_it(shop, cleaned, on_day):
    on_day("2024-02-10")  # of the order on 1 March nothing is known yet
    assert rk.load(shop).as_of == date(2024, 2, 9)
    on_day("2024-02-29")
    assert rk.load(shop).as_of == date(2024, 2, 9)
    assert len(cleaned) == 1
    on_day("2024-03-01")
    assert rk.load(shop).as_of == date(2024, 3, 2)
    assert len(cleaned) == 2
    on_day("2030-01-01")
    assert rk.load(shop).as_of == date(2024, 3, 2)
    assert len(cleaned) == 2
    on_day("2024-02-10")  # the clock set back
    assert rk.load(shop).as_of == date(2024, 2, 9)
    assert len(cleaned) == 3


@pytest.mark.long
def test_a_new_file_of_many_is_read_alone(shop, cache_dir, monkeypatch):
    months = ORDERS.splitlines(keepends=True)
    shop.with_name("orders.csv").unlink()
    for month in (1, 2):
        rows = months[1:3] if month == 1 else months[3:5]
        shop.with_name(f"orders-{month}.csv").write_text("".join([months[0], *rows]), "utf-8")
    read: list[str] = []

    def read_text(engine, path, *more):
        read.append(path.name)
        return original(engine, path, *more)

    original = text_cache.read_text
    monkeypatch.setattr(text_cache, "read_text", read_text)
    assert revenue(shop) == 70.0
    assert read == ["orders-1.csv", "orders-2.csv"]
    shop.with_name("orders-3.csv").write_text("".join([months[0], *months[5:]]), "utf-8")
    data = rk.load(shop)
    assert read[2:] == ["orders-3.csv"]
    fresh = rk.load(shop, cache=False)
    assert values_of(data) == values_of(fresh)
    read.clear()
    shop.with_name("orders-2.csv").write_text("".join([months[0], *months[3:5]]).replace("30.00", "31.00"), "utf-8")
    assert revenue(shop) == 71.0
    assert read == ["orders-2.csv"]
    read.clear()
    with monkeypatch.context() as patch:
        patch.setattr(cache, "version", "another of {}".format)
        revenue(shop)
    assert len(read) == 3  # another package may read them otherwise
    read.clear()
    shop.write_text(TOML.replace("orders*.csv", "orders-[12].csv").replace('"email"', '"country"'), "utf-8")
    revenue(shop, as_of="2024-03-01")  # the e-mail is not read any more, nor what was kept with it
    assert read == ["orders-1.csv", "orders-2.csv"]
    for file in cache_dir.glob("*/tables"):
        spoil(file, random.Random(1))
    assert revenue(shop) == 71.0


@pytest.fixture
def months(shop) -> None:
    """The orders of the shop in three files."""
    rows = shop.with_name("orders.csv").read_text("utf-8").splitlines(keepends=True)
    shop.with_name("orders.csv").unlink()
    files = [shop.with_name(f"orders-{number}.csv") for number in (1, 2, 3)]
    for number, file in enumerate(files):
        file.write_text("".join([rows[0], *rows[1 + 2 * number :][:2]]), "utf-8")
    return files


def tables_in(file: Path) -> list[str]:
    with closing(duckdb.connect(file, read_only=True)) as connection:
        return [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]


@pytest.mark.usefixtures("months")
def test_rows_of_several_files_are_written_once(shop, cache_dir):
    fresh = values_of(rk.load(shop, cache=False))
    assert values_of(rk.load(shop)) == fresh
    by_tables = sorted(tables_in(entry / "tables") for entry in entries(cache_dir))
    assert by_tables[:3] == [["kept"]] * 3
    assert len(by_tables) == 4
    assert not any(name.startswith("_orders") for name in by_tables[3])
    assert values_of(rk.load(shop)) == fresh


@pytest.mark.usefixtures("months")
@pytest.mark.parametrize("fault", ["gone", "spoiled", "of another reading"])
def test_rows_of_a_file_that_are_not_as_they_were(shop, cache_dir, cleaned, fault: str):
    expected = values_of(rk.load(shop))
    text = min(entries(cache_dir), key=lambda entry: len(tables_in(entry / "tables")))
    if fault == "gone":
        shutil.rmtree(text)
    elif fault == "spoiled":
        spoil(text / "tables", random.Random(3))
    else:
        other = max(entries(cache_dir), key=lambda entry: (tables_in(entry / "tables") == ["kept"], entry != text))
        shutil.rmtree(text)
        shutil.copytree(other, text)
    cleaned.clear()
    assert values_of(rk.load(shop)) == expected
    assert values_of(rk.load(shop)) == expected
    assert len(cleaned) == 1


@pytest.mark.usefixtures("months")
def test_of_very_many_files_the_others_are_copied(shop, cleaned, monkeypatch):
    monkeypatch.setattr("retention_kit.data.engines.duckdb.MOST_OPEN", 1)
    expected = values_of(rk.load(shop, cache=False))
    cleaned.clear()
    assert [values_of(rk.load(shop)) for _ in range(3)] == [expected] * 3
    assert len(cleaned) == 1


def test_two_tables_and_two_files_of_the_same_bytes(tmp_path, cleaned):
    shop = tmp_path / "both" / "retention.toml"
    for year in ("2023", "2024"):
        (shop.parent / year).mkdir(parents=True)
        (shop.parent / year / "all.csv").write_text("customer_id,ordered_at,responded_at,amount,survey,score\n"
                                                    "a,2024-01-05,2024-01-06,10,nps,9\nb,2024-02-05,2024-02-06,20,nps,3\n")  # fmt: skip  # rows by the line
    shop.write_text('[data]\ncache = true\norders = "*/all.csv"\nresponses = "*/all.csv"\n[report]\ncurrency = "EUR"\n'
                    'timezone = "UTC"\nsegments = []\n')  # fmt: skip  # by the line
    scorecards = [rk.scorecard(rk.load(shop, cache=is_cached), "2024-02").to_csv() for is_cached in (False, True, True)]
    assert len(set(scorecards)) == 1
    assert len(cleaned) == 2


# Summaries


def test_summaries_are_kept_as_they_are_computed(shop, monkeypatch):
    first = rk.scorecard(rk.load(shop), segment="country")
    monkeypatch.setattr(DuckDB, "frame", lambda *_, **__: pytest.fail("a query was run"))
    data = rk.load(shop)
    assert not data.summaries
    assert_frame_equal(rk.scorecard(data, segment="country"), first)


def test_two_runs_add_to_one_another(shop):
    first, second = rk.load(shop), rk.load(shop)
    keys = [SummaryKey(name, "2024-02") for name in ("first", "second")]
    first.summaries[keys[0]], second.summaries[keys[1]] = 1, 2
    assert [rk.load(shop).summaries.get(key) for key in keys] == [1, 2]
    assert first.summaries[keys[1]] == 2


@pytest.mark.parametrize(
    "key",
    [
        SummaryKey("goals", "2024-02"),
        SummaryKey("follow_ups", "2024-02"),
        SummaryKey("claims", "2024-02", None, ("own",)),
    ],
)
def test_what_hangs_on_more_is_not_kept(shop, key: SummaryKey):
    data = rk.load(shop)
    data.summaries[key] = 1
    assert data.summaries[key] == 1
    assert key not in rk.load(shop).summaries


def test_under_other_settings_nothing_is_kept(shop):
    data, key = rk.load(shop), SummaryKey("first", "2024-02")
    definitions = msgspec.structs.replace(data.settings.definitions, count="days")
    replace(data, settings=msgspec.structs.replace(data.settings, definitions=definitions)).summaries[key] = 1
    assert key not in rk.load(shop).summaries
    replace(data, engine=None).summaries[key] = 2
    assert rk.load(shop).summaries[key] == 2


def test_a_session_of_an_earlier_day_leaves_later_ones_alone(shop, on_day):
    """A notebook left open overnight computes what was known then; meanwhile another run has cleaned the tables anew."""
    on_day("2024-02-10")
    earlier = rk.load(shop)
    on_day("2024-03-01")  # the order of that day has come
    assert rk.load(shop).as_of == date(2024, 3, 2)
    fresh = rk.scorecard(rk.load(shop, cache=False), "2024-03", segment="country")
    assert rk.scorecard(earlier, "2024-02")["value"].notna().any()
    assert_frame_equal(rk.scorecard(rk.load(shop), "2024-03", segment="country"), fresh)


@pytest.mark.parametrize("is_replaced", [True, False])
def test_what_is_computed_of_another_parquet_file_is_not_kept(tmp_path, is_replaced: bool):
    """Names in a column are masked in comments; a session whose file is another meanwhile knows those of that one."""
    period = rk.Period.parse("2024-03")
    rows = {"customer_id": [f"c{number}" for number in range(8)], "responded_at": "2024-03-05", "survey": "nps"}
    frame = pd.DataFrame(rows | {"score": "3", "comment": "the parcel by zanzibara came late"})
    path = tmp_path / "responses.parquet"
    contents = []
    for name in ("Zanzibara", "Marianne"):  # of one length
        frame.assign(name=name).to_parquet(path)
        contents.append(path.read_bytes())

    def put(content: bytes) -> None:
        if is_replaced:
            (tmp_path / "new").write_bytes(content)
            (tmp_path / "new").replace(path)
        else:
            path.write_bytes(content)

    def comments(data) -> str:
        return repr(survey_comments(data, period)["nps"])

    put(contents[0])
    (tmp_path / "retention.toml").write_text('[data]\nresponses = "responses.parquet"\ncache = true\n', "utf-8")
    expected = comments(rk.load(tmp_path, cache=False))
    session = rk.load(tmp_path)
    put(contents[1])
    comments(session)
    put(contents[0])
    assert comments(rk.load(tmp_path)) == expected
    assert "zanzibara" not in expected


# Faults


def spoil(path: Path, draw: random.Random) -> None:
    """Flip a bit of a file, cut it or empty it."""
    content = bytearray(path.read_bytes())
    if draw.random() < 0.2:
        content = content[: draw.randrange(len(content))]
    else:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


@pytest.mark.long
def test_what_is_damaged_is_not_used(shop, cache_dir, cleaned, monkeypatch):
    draw = random.Random(7)
    assert revenue(shop) == 70.0
    (entry,) = entries(cache_dir)
    whole = {file: file.read_bytes() for file in entry.rglob("*") if file.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "_clean", lambda *_: pytest.fail("cleaned"))
        assert revenue(shop) == 70.0
        for name in ("tables", "dataset") * 15:
            spoil(entry / name, draw)
            with pytest.raises(pytest.fail.Exception, match="cleaned"):
                rk.load(shop)
            (entry / name).write_bytes(whole[entry / name])
        for _ in range(4):
            for file in entry.glob("summaries-*/*"):
                spoil(file, draw)
            assert revenue(shop) == 70.0
            assert {file: file.read_bytes() for file in whole} == whole, "what is damaged was not replaced"
    for name in ("tables", "dataset"):
        cleaned.clear()
        spoil(entry / name, draw)
        assert [revenue(shop), revenue(shop)] == [70.0] * 2
        assert len(cleaned) == 1, "what is damaged was not replaced"


@pytest.mark.parametrize("name", ["", "tables", "dataset"])
def test_links_lead_nowhere(shop, cache_dir, tmp_path, cleaned, name: str):
    """An entry, or a file of one, that is a link to the very same is not followed, and what it leads to stays."""
    revenue(shop)
    (entry,) = entries(cache_dir)
    moved = (entry / name).rename(tmp_path / "moved")
    (entry / name).symlink_to(moved)
    assert revenue(shop) == 70.0
    assert len(cleaned) == 2
    assert moved.exists()
    assert not (entry / name).is_symlink()


@pytest.mark.long
@pytest.mark.parametrize("name", [".99999999999999999999-x", ".-x", ".0-x", "..x-", ".x"])
def test_what_is_none_of_ours_is_no_hindrance(shop, cache_dir, name: str):
    revenue(shop)
    (cache_dir / name).write_text("x")
    data = rk.load(shop, min_n=2)
    assert not data.notice
    assert len(entries(cache_dir)) == 2


def test_an_entry_that_is_no_folder_gives_way(shop, cache_dir):
    revenue(shop)
    (entry,) = entries(cache_dir)
    cache_folder.remove(entry)
    entry.write_text("x")
    assert revenue(shop) == 70.0
    assert (entry / "tables").is_file()


def refused(shop: Path, reason: str) -> None:
    data = rk.load(shop)
    assert data.notice.startswith("The cache cannot be used: ")
    assert reason in data.notice
    assert rk.scorecard(data, "2024-02", metrics="revenue")["value"].iloc[0] == 70.0


@pytest.mark.skipif(os.name == "nt", reason="rights are not told by mode")
def test_a_folder_of_others_is_not_used(shop, cache_dir, tmp_path, monkeypatch):
    revenue(shop)
    assert cache_dir.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o077 for file in cache_dir.rglob("*")} == {0}
    for folder, mode in ((cache_dir, 0o750), (cache_dir, 0o702), (cache_dir.parent, 0o775)):
        before = folder.stat().st_mode
        folder.chmod(mode)
        refused(shop, f"the folder {str(folder)!r} is not yours alone")
        folder.chmod(before)
    with monkeypatch.context() as patch:
        patch.setattr(cache_folder.os, "getuid", lambda: os.geteuid() + 1)
        refused(shop, "is not yours alone")
    cache_dir.rename(tmp_path / "moved")
    cache_dir.symlink_to(tmp_path / "moved")
    refused(shop, "is not yours alone")


@pytest.mark.skipif(os.name == "nt", reason="rights are not told by mode")
def test_new_files_that_a_group_may_write_are_no_hindrance(shop, cache_dir):
    before = os.umask(0o002)  # that of many systems where each user has a group
    try:
        assert not rk.load(shop).notice
    finally:
        os.umask(before)
    assert len(entries(cache_dir)) == 1


@pytest.mark.skipif(os.name == "nt", reason="such names are of other systems")
@pytest.mark.parametrize("name", ["what?", os.fsdecode(b"\xff")])
def test_a_folder_that_duckdb_cannot_name_is_not_used(shop, tmp_path, monkeypatch, name: str):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
    refused(shop, "has a question mark, or is not UTF-8")
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ['it\'s "own"', "[a] *", "a;b -- #%20", "a\nb", "Österreich 中"])
def test_a_folder_of_any_other_name_is_used(shop, tmp_path, monkeypatch, cleaned, name: str):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
    assert [revenue(shop), revenue(shop)] == [70.0] * 2
    assert len(cleaned) == 1


def test_an_interrupt_leaves_nothing_unfinished(shop, cache_dir, monkeypatch):
    shop.with_name("orders-2.csv").write_text(ORDERS, "utf-8")

    def interrupted(*_):
        raise KeyboardInterrupt

    for owner, name in ((text_cache, "describe_entry"), (DuckDB, "save_tables"), (cache_folder, "put_in_place")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, interrupted)
            with pytest.raises(KeyboardInterrupt):
                rk.load(shop)
        assert not [*cache_dir.glob(".*")]


def test_where_nothing_can_be_written_the_run_goes_on(shop, cache_dir, monkeypatch, capsys):
    cache_dir.parent.parent.mkdir()
    cache_dir.parent.write_text("no folder")
    refused(shop, "Not a directory")
    cache_dir.parent.unlink()

    def full(*_):
        raise OSError(ENOSPC, "No space left on device")

    for owner, name in ((DuckDB, "save_tables"), (cache_folder, "describe_entry"), (cache_folder, "put_in_place")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, full)
            refused(shop, "No space left on device")
        assert [*cache_dir.iterdir()] == []
    monkeypatch.setattr(cache_folder, "put_in_place", full)
    assert main(["metrics", "--data", str(shop), "--metric", "revenue", "--csv"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "Warning: The cache cannot be used: No space left on device.\n"
    assert "2024-02" in captured.out or "2024-03" in captured.out


def test_a_file_that_changes_meanwhile_is_not_kept(shop, cache_dir, monkeypatch):
    """What was read may be of the old content, of the new, or of both."""

    def clean(*args):
        result = original(*args)
        same_size_and_time(shop)
        return result

    original = dataset._clean
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "_clean", clean)
        rk.load(shop)
    assert [*cache_dir.iterdir()] == []
    assert revenue(shop) == 71.0


def test_what_another_process_deletes_while_sizes_are_summed_is_no_fault(shop, cache_dir, monkeypatch):
    def gone(path: Path):
        raise FileNotFoundError(path)

    with monkeypatch.context() as patch:
        patch.setattr(cache_folder.shutil, "disk_usage", gone)
        data = rk.load(shop)
    assert not data.notice
    assert len(entries(cache_dir)) == 1


def test_the_least_used_goes_first_and_other_code_before_it(shop, cache_dir, monkeypatch):
    options = ({}, {"min_n": 2}, {"min_n": 3})
    oldest_first = []
    for option in options:
        rk.load(shop, **option)
        oldest_first += [entry for entry in entries(cache_dir) if entry not in oldest_first]
    for day, entry in enumerate(oldest_first):
        os.utime(entry, (day, day))
    rk.load(shop)  # used last
    size = sum(file.stat().st_size for file in oldest_first[0].rglob("*"))
    other = oldest_first[2].rename(cache_dir / f"{'0' * 16}-of-other-code")
    monkeypatch.setattr(cache_folder, "LARGEST", int(size * 3.5))
    rk.load(shop, min_n=4)
    assert not other.exists()
    assert oldest_first[0].exists()
    assert oldest_first[1].exists()
    rk.load(shop, min_n=5)
    assert oldest_first[0].exists()
    assert not oldest_first[1].exists()


@pytest.mark.usefixtures("months")
def test_what_the_latest_entry_reads_is_not_pruned(shop, cache_dir, cleaned, monkeypatch):
    rk.load(shop, min_n=2)
    monkeypatch.setattr(cache_folder, "LARGEST", 0)
    rk.load(shop)
    assert len(entries(cache_dir)) == 4
    cleaned.clear()
    rk.load(shop)
    assert not cleaned


KILLED = """
import os, signal, sys, time
import pandas, duckdb
import retention_kit as rk, retention_kit.data.dataset, retention_kit.metrics.scorecard
from retention_kit.data import cache
path, most = sys.argv[1], int(sys.argv[2])
began, whole = time.monotonic(), None
for number in range(most + 1):
    child = os.fork()
    if not child:
        rk.scorecard(rk.load(path, min_n=number + 1), "2024-02", metrics="revenue")
        os._exit(0)
    if whole:  # as long as the first took
        time.sleep(whole * number / most)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    whole = whole or time.monotonic() - began
children = []
for _ in range(3):
    children.append(os.fork())
    if not children[-1]:
        found = rk.scorecard(rk.load(path, as_of="2024-03-02"), "2024-02", metrics="revenue")["value"].iloc[0]
        os._exit(0 if found == 70 else 1)
print(sum(os.waitpid(child, 0)[1] for child in children))
"""


def kill_while_writing(shop: Path, cache_dir: Path, times: int) -> None:
    """Kill processes that fill the cache at many points, then let three fill it at once."""
    ran = subprocess.run([sys.executable, "-c", KILLED, str(shop), str(times)], capture_output=True, text=True)
    assert ran.stdout == "0\n", ran.stderr
    for number in range(times + 1):
        assert revenue(shop, min_n=number + 1) == 70.0
    assert not [*cache_dir.glob(".*")], "what was not finished is left"


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_killed_while_writing(shop, cache_dir):
    kill_while_writing(shop, cache_dir, 4)


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.usefixtures("months")
def test_killed_at_many_points(shop, cache_dir):
    kill_while_writing(shop, cache_dir, 24)


# What is not kept


def test_only_files_are_kept(shop):
    frame = pd.read_csv(shop.with_name("orders.csv"))
    with pytest.raises(DataError, match="DataFrames and tables of a connection are not kept"):
        rk.load(orders=frame, cache=True)
    shop.write_text('[data]\nengine = "postgresql://localhost/shop"\norders = "orders"\ncache = true\n', "utf-8")
    with pytest.raises(SettingsError, match="of tables in a database nothing is kept"):
        rk.load(shop)


def test_nothing_of_others_is_written_or_made():
    with pytest.raises(cache_values.NotKept):
        cache_values.to_bytes({"one": object()})
    for name in ("os:system", "subprocess:Popen", "builtins:str", "retention_kit.cli:main"):
        for kind in ("text", "record", "object"):
            spoiled = msgspec.msgpack.encode([kind, name, "x", ["dict"]])
            with pytest.raises(cache_values.NotKept):
                cache_values.from_bytes(spoiled)
