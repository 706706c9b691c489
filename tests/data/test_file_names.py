"""Segment columns and values of any name: as `--segment` takes them, and as file names that every system keeps apart."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import retention_kit as rk
from retention_kit.errors import TemplateError
from retention_kit.report.archive import manifest
from retention_kit.report.archive.index import write_index
from retention_kit.report.execution.templates import _check_names
from retention_kit.report.page import Page

RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
COLUMNS = ("country", "a,b", "a", "b", "a=b", "a=b,c", "c", "x=", ",y")
VALUES = (
    "France",
    "FRANCE",
    "france",
    "web",
    "a,b",
    "a=b",
    "=",
    ",",
    "CON",
    "x.",
    "x ",
    "..",
    "é",
    "É",
    "ß",
    "SS",
    "-",
    "x" * 90,
)


@pytest.fixture(scope="module")
def data():
    rows = [
        {"customer_id": f"C{number}", "ordered_at": f"2024-01-{1 + number % 28:02}", "amount": 1.0}
        | dict.fromkeys(COLUMNS, value)
        for number, value in enumerate(VALUES)
    ]
    frame = pd.DataFrame(rows)
    return rk.load(orders=frame, timezone="UTC", as_of="2024-02-01", segments=list(COLUMNS))


def page(data, segment: str) -> Page:
    return Page("2024-01", "month", segment, "en", data)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4, unique=True))
def test_columns_are_named_with_commas_between_whatever_they_are_called(data, columns):
    names = page(data, ",".join(columns)).columns
    # "a,b" is one column where there is one of that name: the longest name is the one that is meant.
    assert ",".join(names) == ",".join(columns)
    assert {*names} <= {*COLUMNS}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_value_is_named_whatever_the_two_are_called(data, column):
    rows = data.engine.rows(f'SELECT DISTINCT "segment.{column}" FROM orders')
    names = set()
    for (value,) in rows:
        value_page = page(data, f"{column}={value}")
        assert (value_page.alone, value_page.columns) == ((column, value), [])
        names.add(value_page.suffix)
    assert len({name.lower() for name in names}) == len(rows), "no two are one file where capitals are no difference"
    for name in names:
        assert re.fullmatch(r"\.[A-Za-z0-9][A-Za-z0-9-]*", name), name
        assert len(name) <= 60
        assert not name.endswith((".", " "))


def test_a_plain_value_keeps_its_plain_name(data):
    assert page(data, "country=web").suffix == ".country-web"


@pytest.mark.parametrize(
    "name", ["con", "AUX", "nul.x", "com1", "a:b", "a?", 'a"b', "a.", "a ", " a", "x" * 61, "a\tb"]
)
def test_a_template_is_called_as_every_system_allows(tmp_path, name):
    with pytest.raises(TemplateError, match="on Windows"):
        _check_names({name: tmp_path / f"{name}.ipynb"})


def test_two_templates_differ_by_more_than_capitals(tmp_path):
    with pytest.raises(TemplateError, match="differ in capitals alone"):
        _check_names({name: tmp_path / f"{name}.ipynb" for name in ("mine", "Mine")})
    _check_names({name: tmp_path / f"{name}.ipynb" for name in ("mine", "my own", "overview", "kpi", "console")})


def test_the_list_of_reports_names_the_column_and_the_value_that_were_asked_for(data, tmp_path):
    """Whatever they are called: `a=b=c` is the value `c` of `a=b` where there is such a column."""
    manifest_of = lambda alone: {"reports": {"en.x": {"only": alone, "headline": "", "figures": {}}}}  # noqa: E731
    for column, value in [("a=b", "="), ("x=", "a=b"), ("country", "France"), ("a=b,c", "-")]:
        alone = page(data, f"{column}={value}").alone
        assert alone == (column, value)
        folder = tmp_path / f"{column}{value}" / "2024-01"
        folder.mkdir(parents=True)
        (folder / "report.en.x.html").write_text("x")
        (folder / "manifest.json").write_text(json.dumps({"schema": 1, "period": "2024-01", **manifest_of(alone)}))
        assert write_index(folder.parent) == ""
        assert f"{column} {value}" in (folder.parent / "index.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("only", "segment"),
    [
        (["country", "France"], "country=France"),
        (["a=b", "="], "a=b=="),
        ([], ""),
        (None, ""),
        ("country=France", "country=France"),  # of a pack made before
        (5, "5"),
        ([5, None], "5=None"),  # of a broken one
    ],
)
def test_a_report_of_a_segment_value_is_never_taken_for_the_whole(only, segment):
    assert manifest.segment_of({"only": only}) == segment
