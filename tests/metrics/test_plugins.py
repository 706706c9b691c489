"""A metric of one's own: one function in a file that retention.toml names, and it is everywhere."""

from __future__ import annotations

import json
import os
import sys

import pytest

import retention_kit as rk
from retention_kit.cli import main
from retention_kit.errors import SettingsError
from retention_kit.metrics.catalogue import METRICS
from retention_kit.wording import Words
from test_readme import METRICS_PAGE, written

METRIC = '''
from retention_kit.metrics.catalogue import Measure, metric


@metric(label="Guest share", unit="fraction", better="lower", formula="guests' purchases / purchases", source="us")
def guest_share(purchases) -> Measure:
    """Share of purchases made without a customer account."""
    whole = purchases.guest_purchases + purchases.purchases
    return Measure(purchases.guest_purchases / whole, purchases.guest_purchases, whole, n=whole)
'''
ORDERS = """customer_id,ordered_at,amount,country
Ann,2024-01-05,10,UK
Ann,2024-02-05,10,UK
,2024-02-06,10,France
,2024-02-07,10,UK
Ben,2024-02-08,10,UK
"""
TOML = '[data]\norders = "orders.csv"\n[report]\ntimezone = "UTC"\nas_of = 2024-03-01\nplugins = ["shop_metrics.py"]\n'


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "retention.toml").write_text(TOML)
    (tmp_path / "shop_metrics.py").write_text(METRIC)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    METRICS.pop("guest_share", None)


@pytest.mark.usefixtures("project")
def test_it_is_in_scorecard_and_command_line(capsys):
    data = rk.load("retention.toml")
    assert rk.METRICS["guest_share"].definition == "Share of purchases made without a customer account."
    rows = rk.scorecard(data, "2024-02", segment="country").query("metric == 'guest_share'")
    shares = dict(zip(rows["segment_value"], rows["value"], strict=True))
    assert shares == {"": 0.5, "France": 1, "UK": pytest.approx(1 / 3)}
    assert main(["metrics", "--metric", "guest_share", "--period", "2024-02", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["value"], row["numerator"], row["denominator"], row["previous"]) == (0.5, 2, 4, 0)


def test_it_has_a_page_and_a_definition_in_the_report(project):
    assert main(["report", "--only", "guest_share", "--format", "html", "--static"]) == 0
    page = (project / "reports" / "2024-02" / "report.en.html").read_text("utf-8")
    assert "Guest share rose by 50.0 points to 50.0%" in page
    assert "Formula: guests' purchases / purchases" in page.replace("&#39;", "'")


def test_it_brings_its_texts_in_other_languages(project):
    texts = '{"ar": {"label": "حصة الضيوف", "definition": "نسبة المشتريات دون حساب."}}'
    (project / "shop_metrics.py").write_text(METRIC.replace('source="us"', f'source="us", translations={texts}'))
    data, metric = rk.load("retention.toml", languages=["ar"]), rk.METRICS["guest_share"]
    assert (metric.label, metric.definition) == ("Guest share", "Share of purchases made without a customer account.")
    words = Words("ar")
    assert (words.say(metric.label), words.say(metric.definition)) == ("حصة الضيوف", "نسبة المشتريات دون حساب.")
    assert words.say(metric.formula) == "\u2068guests' purchases / purchases\u2069"  # not given: English
    page = rk.Page("2024-02", language="ar", data=data)
    assert "حصة الضيوف" in {row.label for row in page.rows.itertuples()}
    assert "Guest share" in {*page.scorecard()["label"]}


@pytest.mark.usefixtures("project")
def test_it_is_in_the_reference_of_metrics():
    rk.load("retention.toml")
    assert "`guest_share` (fraction, lower is better). Share of purchases made without a customer" in written(
        METRICS_PAGE
    )


def test_where_nothing_is_to_divide_it_is_undefined(project):
    (project / "orders.csv").write_text(ORDERS.replace("2024-01-05", "2023-12-05"))
    row = rk.scorecard(rk.load("."), "2024-01", metrics=["guest_share"]).iloc[0]
    assert (row["value"] != row["value"], row["note"]) == (True, "There is nothing to divide by.")


@pytest.mark.parametrize("label", ["Share of guests", "Guest ratio"])
def test_an_edited_file_counts_anew(project, monkeypatch, label):
    """Also where neither its time nor its size tells of the edit."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for text in (METRIC, METRIC.replace("Guest share", label, 1)):
        (project / "shop_metrics.py").write_text(text)
        os.utime(project / "shop_metrics.py", (1_700_000_000, 1_700_000_000))
        rk.load(".")
    assert rk.METRICS["guest_share"].label == label


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "there is no file .*shop_metrics.py"),
        ("import nothing_of_that_name", "shop_metrics.py fails: ModuleNotFoundError: No module named"),
        (
            METRIC.replace("guest_share(", "revenue("),
            "There is a metric 'revenue' in retention_kit.metrics.definitions.purchases already",
        ),
        (METRIC.replace("(purchases)", "(purchase)"), "takes one row of one summary: did you mean 'purchases'"),
        (METRIC.replace('"fraction"', '"percent"'), "There is no unit 'percent': choose from fraction, count"),
    ],
)
def test_a_mistake_is_one_sentence(project, text, sentence):
    if text is None:
        (project / "shop_metrics.py").unlink()
    else:
        (project / "shop_metrics.py").write_text(text)
    with pytest.raises(SettingsError, match=sentence):
        rk.load(".")


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ("return Measure(purchases.nope)", "The metric fails: AttributeError: "),
        ("return 0.5", "it returned 0.5, not a Measure"),
        ("return Measure('a')", "a Measure holds numbers"),
        ("return Measure(float('nan'))", "The metric gives no reason."),
    ],
)
def test_one_that_fails_takes_no_other_down(project, capsys, body, note):
    head, _, _ = METRIC.partition("    whole =")
    (project / "shop_metrics.py").write_text(f"{head}    {body}\n")
    assert main(["metrics", "--period", "2024-02", "--json"]) == 0
    rows = {row["metric"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["revenue"]["value"] == 40
    assert rows["guest_share"]["value"] is None
    assert note in rows["guest_share"]["note"]
