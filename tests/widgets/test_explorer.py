"""The explorer without a browser: its figures are the scorecard's, it never blocks the kernel, and it answers in
sentences.
"""

import asyncio
import io
import json
import re
import subprocess
import sys
import threading
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import traitlets
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from pencil import table
from retention_kit import cli
from retention_kit.cli import project
from retention_kit.errors import DataError, PeriodError, SettingsError, UnknownNameError
from retention_kit.metrics.catalogue import SMALL
from retention_kit.metrics.queries.summaries import periods_of
from retention_kit.metrics.scorecard import missing_metrics, records
from retention_kit.periods import EVERY, Period
from retention_kit.report.execution.plan import make_plan
from retention_kit.report.pages import narrative

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from retention_kit.settings.alerts import Alert
from retention_kit.widgets.background import Step, Task, Worker
from retention_kit.widgets.content import TABS
from retention_kit.widgets.controls import Controls
from retention_kit.widgets.explorer import TRAITS
from retention_kit.widgets.lists import Listing
from retention_kit.widgets.selection import COMPARE


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A project as `init` makes it, with a goal for one metric."""
    folder = tmp_path_factory.mktemp("explored") / "shop"
    project.begin(folder)
    return folder


@pytest.fixture(scope="module")
def data(shop):
    return rk.load(shop)


@pytest.fixture(scope="module")
def explorer(data):
    return rk.explore(data).wait()


@pytest.fixture
def fresh(data):
    """One for each test, over data whose summaries are shared."""
    return rk.explore(data).wait()


def opened(explorer, tab: str):
    """The soup of one tab, as a user has it who opens it."""
    explorer._tabs.selected_index = TABS.index(tab)
    explorer.wait()
    return explorer._tabs.children[TABS.index(tab)]


def soup(widget) -> BeautifulSoup:
    """All HTML in a widget."""
    if hasattr(widget, "children"):
        return BeautifulSoup("".join(str(soup(child)) for child in widget.children), "html.parser")
    return BeautifulSoup(getattr(widget, "value", "") if type(widget).__name__ == "HTML" else "", "html.parser")


def tree(widget) -> list:
    """A widget and all in it."""
    return [widget, *(part for child in getattr(widget, "children", ()) for part in tree(child))]


def cells(html: BeautifulSoup) -> list[list[str]]:
    return [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in html.select("tbody tr")]


def printed(*arguments: str) -> list[dict]:
    """What `retention-kit metrics --json` prints."""
    out = io.StringIO()
    with redirect_stdout(out):
        assert cli.main(["metrics", "--json", *arguments]) == 0
    return json.loads(out.getvalue())


def by_key(rows: list[dict]) -> dict[tuple, dict]:
    return {(row["metric"], row["period"], row["segment"], row["segment_value"]): row for row in rows}


def value_together(rows: list[dict]) -> float | None:
    """The value of several segment values: a ratio of sums, else a sum."""
    bottom = sum(row["denominator"] or 0 for row in rows)
    if bottom:
        scale = 100 if rows[0]["unit"] == "points" else 1
        return pytest.approx(scale * sum(row["numerator"] or 0 for row in rows) / bottom)
    values = [row["value"] for row in rows if row["value"] is not None]
    return pytest.approx(sum(values)) if values else None


@st.composite
def selections(draw):
    """A selection by numbers, which the data turn into names."""
    number = st.integers(0, 10_000)
    return {
        "every": draw(st.sampled_from(EVERY)),
        "compare": draw(st.sampled_from(COMPARE)),
        "period": draw(number),
        "metric": draw(number),
        "values": draw(st.none() | st.sets(number, max_size=3)),
    }


@pytest.mark.long
@settings(max_examples=20)
@given(chosen=selections())
def test_every_figure_is_that_of_the_scorecard_and_of_the_command_line(chosen, explorer, data, shop):
    metrics = [name for name in rk.METRICS if name not in missing_metrics(data)]
    values = ["app", "marketplace", "store", "web"]
    periods = periods_of(data, chosen["every"])
    metric, period = metrics[chosen["metric"] % len(metrics)], periods[chosen["period"] % len(periods)]
    explorer.every = chosen["every"]
    explorer.period, explorer.metric, explorer.compare = str(period), metric, chosen["compare"]
    explorer.segment = "" if chosen["values"] is None else "channel"
    picked = tuple(dict.fromkeys(values[number % 4] for number in sorted(chosen["values"] or ())))
    explorer.values = picked
    scorecard = explorer.scorecard

    # The figures behind it: of the trend's periods, and by value where a column is chosen.
    trend = [candidate for candidate in periods if candidate <= period][-13:] + [
        candidate for candidate in periods if candidate == period.shift(1) and not candidate.is_complete(data.as_of)
    ]
    arguments = ["--data", str(shop), "--from", str(trend[0]), "--to", str(trend[-1])]
    segment = explorer.parameters["segment"]
    figures = by_key(printed(*arguments, *(["--segment", segment] if segment else [])))
    expected = {
        key: row
        for key, row in figures.items()
        if len(picked) == 1 or not row["segment"] or (key[1] == str(period) and (not picked or key[3] in picked))
    }
    assert by_key(records(scorecard)) == expected
    assert by_key(records(rk.scorecard(data, periods=trend, segment=segment or None))) == figures

    # The cards.
    words, value = explorer._words, picked[0] if len(picked) == 1 else ""
    own = ("channel", value) if value else ("", "")
    for card in BeautifulSoup(explorer._cards.value, "html.parser").select(".rk-card"):
        row = SimpleNamespace(**figures[(card["data-metric"], str(period), *own)])
        assert card.select_one(".rk-value").get_text() == words.value(row.value, row.unit)
        before = {"goal": "target"}.get(chosen["compare"], chosen["compare"])
        changes = [change.find("bdi").get_text() for change in card.select(".rk-change")]
        has_change = row.complete and row.value is not None and getattr(row, before) is not None
        assert bool(changes) == has_change, (chosen, row, changes)
        assert all(narrative.signed(row, words, before) in change for change in changes)
    assert BeautifulSoup(explorer._cards.value, "html.parser").select_one(".rk-card")["data-metric"] == metric

    # The trend's chart and table.
    rows = [figures[(metric, str(trend_period), *own)] for trend_period in trend]
    panel = opened(explorer, "trend").children[0]
    if any(row["value"] is not None for row in rows) and panel.chart and panel.chart.spec:
        point_of = {row["period"]: row for row in panel.chart.spec["data"]["values"]}
        assert [
            (label, point_of[label]["value"], point_of[label]["low"], point_of[label]["high"]) for label in point_of
        ] == [(row["period"], row["value"], row["low"], row["high"]) for row in rows]
        if chosen["compare"] == "year_ago":
            assert [point_of[row["period"]]["earlier"] for row in rows] == [row["year_ago"] for row in rows]
    displayed = [row[:2] + row[5:6] for row in cells(soup(opened(explorer, "trend")))]
    assert displayed == [
        [
            words.period(row["period"], "short"),
            words.value(row["value"], row["unit"], "full"),
            words.value(row["n"], "count"),
        ]
        for row in reversed(rows)
    ] or [row[0:2] for row in displayed] == [
        [words.period(row["period"], "short"), words.value(row["value"], row["unit"], "full")] for row in reversed(rows)
    ]

    # The segments' chart and table.
    html = soup(opened(explorer, "segments"))
    parts = {key[3]: row for key, row in expected.items() if key[0] == metric and row["segment"] and not value}
    known = {name: row for name, row in parts.items() if row["value"] is not None or (row["n"] or 0) > 0}
    assert {row[0]: row[1] for row in cells(html)} == {
        name: words.value(row["value"], row["unit"], "full") for name, row in known.items()
    }
    picture = explorer._tabs._segments.chart
    if any(row["value"] is not None for row in known.values()) and any(row["n"] >= SMALL for row in known.values()):
        small = [name for name, row in known.items() if row["n"] < SMALL]
        shown = {name: row["value"] for name, row in known.items() if len(small) < 2 or name not in small}
        together = {f"{len(small)} small ones together": value_together([known[name] for name in small])}
        assert {row["name"]: row["value"] for row in picture.spec["data"]["values"]} == shown | (
            together if len(small) > 1 else {}
        )
    opened(explorer, "trend")


@pytest.fixture(autouse=True, scope="module")
def _loaded_once():
    """The command line reads the same files once, not with every command."""
    patch, again = pytest.MonkeyPatch(), []

    def load(arguments):
        again.append(rk.load(arguments.data)) if not again else None
        return again[0]

    patch.setattr(cli.metrics, "load_data", load)
    yield
    patch.undo()


def test_it_begins_with_the_last_complete_period_and_the_leading_metric(fresh, shop):
    assert (fresh.period, fresh.every, fresh.metric, fresh.segment, fresh.compare) == (
        "2025-12",
        "month",
        "customer_retention_rate",
        "",
        "previous",
    )
    assert fresh.parameters == {
        "period": "2025-12",
        "every": "month",
        "segment": "",
        "language": "en",
        "data": str(shop),
    }
    assert fresh.pack is None


@pytest.mark.parametrize("segment", ["", "channel", "channel=app"])
@pytest.mark.long
def test_its_parameters_are_those_of_the_templates(segment, data):
    explorer = rk.explore(data, period="2025-11", segment=segment).wait()
    plan = make_plan(data, "2025-11", None, segment, None, None, (), None, False)
    section = next(section for section in plan.everything if not section.metric)
    assert explorer.parameters == plan.parameters(section, "en")


def test_another_period_length_keeps_the_time(fresh):
    fresh.period = "2025-05"
    fresh.every = "quarter"
    assert fresh.period == "2025-Q2"
    fresh.every = "month"
    assert fresh.period == "2025-06"


WRONG = [
    ({"period": "2031-01"}, PeriodError, "lies outside the data"),
    ({"period": "2025-Q1"}, PeriodError, "is a quarter, not a month"),
    ({"every": "fortnight"}, PeriodError, "There is no period length 'fortnight'"),
    ({"metric": "retention"}, UnknownNameError, "There is no metric 'retention': did you mean"),
    ({"segment": "chanel"}, UnknownNameError, "did you mean 'channel'"),
    ({"segment": "channel=webb"}, UnknownNameError, "There is no channel 'webb' in the data: did you mean 'web'"),
    ({"compare": "last_year"}, SettingsError, "There is no comparison 'last_year'"),
    ({"period": 3}, PeriodError, "3"),
    ({"metric": 3}, SettingsError, "metric must be a text, not 3"),
    ({"segment": 3}, SettingsError, "segment must be a text, not 3"),
]


@pytest.mark.parametrize(("changes", "error", "sentence"), WRONG, ids=lambda value: str(value)[:30])
@pytest.mark.long
def test_a_wrong_value_is_a_sentence(changes, error, sentence, fresh, data):
    (name, value), *_ = changes.items()
    before = fresh.parameters
    with pytest.raises(error, match=sentence):
        setattr(fresh, name, value)
    assert fresh.parameters == before
    with pytest.raises(error, match=sentence):
        rk.explore(data, **({"every": "month"} | changes))


@pytest.mark.long
def test_values_must_be_of_the_column(fresh):
    with pytest.raises(UnknownNameError, match="name one in `segment`"):
        fresh.values = ("app",)
    fresh.segment = "channel"
    with pytest.raises(UnknownNameError, match="did you mean 'store'"):
        fresh.values = ("app", "stores")
    with pytest.raises(UnknownNameError, match="There is no channel 3 in the data"):
        fresh.values = (3,)
    with pytest.raises(SettingsError, match="values must be a text or several, not 3"):
        fresh.values = 3
    fresh.values = (name for name in ("web", "app"))
    assert fresh.values == ("web", "app")


def test_what_is_chosen_can_be_observed(fresh):
    changes = []
    fresh.observe(lambda change: changes.append((change["name"], change["old"], change["new"])), TRAITS)
    fresh.period = "2025-11"
    assert changes == [("period", "2025-12", "2025-11")]
    changes.clear()
    fresh.every = "quarter"
    assert sorted(changes) == [("every", "month", "quarter"), ("period", "2025-11", "2025-Q4")]
    changes.clear()
    fresh._controls.metric.value = "revenue"  # as a user does
    assert changes == [("metric", "customer_retention_rate", "revenue")]
    changes.clear()
    with pytest.raises(UnknownNameError):
        fresh.metric = "revenu"
    assert (changes, fresh.metric) == ([], "revenue")


@pytest.mark.long
def test_two_explorers_can_be_linked(fresh, data):
    other = rk.explore(data).wait()
    linked = traitlets.link((fresh, "period"), (other, "period"))
    fresh.period = "2025-10"
    assert other.wait().period == "2025-10"
    other.period = "2025-09"
    assert fresh.wait().period == "2025-09"
    linked.unlink()


def test_what_it_does_not_have_cannot_be_set(fresh):
    with pytest.raises(AttributeError, match="did you mean 'period'"):
        fresh.perod = "2025-01"
    with pytest.raises(AttributeError):
        fresh.parameters = {}


def test_what_cannot_be_explored_is_a_sentence(data):
    with pytest.raises(SettingsError, match="output must be the path of a folder, not 3"):
        rk.explore(data, output=3)
    with pytest.raises(DataError, match=r"rk\.explore\(rk\.load\(orders=df\)\)"):
        rk.explore(pd.DataFrame({"customer_id": ["a"]}))


def test_a_metric_that_the_data_do_not_give_says_why():
    orders = table("""
        customer_id  ordered_at  amount
        a            2025-01-05  10
        a            2025-02-05  10
    """)
    with pytest.raises(DataError, match="There is no mrr: It needs subscriptions"):
        rk.explore(rk.load(orders=orders, currency="GBP"), metric="mrr")


def test_without_the_lab_extra_it_says_what_to_install():
    program = (
        "import sys; sys.modules['ipywidgets'] = None\n"
        "import retention_kit as rk\n"
        "try: rk.explore()\n"
        "except rk.errors.DataError as error: print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert result.stdout == "The explorer is shown with ipywidgets: pip install 'retention-kit[lab]'.\n", result.stderr


# Controls and tabs.


def test_the_controls_choose(fresh):
    controls = fresh._controls
    controls.older.click()
    assert (fresh.period, controls.period.value, controls.newer.disabled) == ("2025-11", "2025-11", False)
    controls.newer.click()
    assert (fresh.period, controls.newer.disabled) == ("2025-12", True)
    controls.metric.value, controls.compare.value, controls.column.value = "revenue", "goal", "channel"
    fresh.wait()
    assert fresh.parameters["segment"] == "channel"
    assert "web" in controls.values.options
    controls.values.value = ("web",)
    assert (fresh.metric, fresh.compare, fresh.segment) == ("revenue", "goal", "channel=web")
    controls.column.value = ""
    assert (fresh.segment, fresh.values, controls.values.options) == ("", (), ())
    labels = [
        control.description
        for control in (
            controls.every,
            controls.period,
            controls.metric,
            controls.column,
            controls.values,
            controls.compare,
        )
    ]
    assert labels == ["Every", "Period", "Metric", "Segment", "Values", "Compare with"]


def test_styles_and_names_for_screen_readers_are_of_parts_that_there_are(explorer):
    def names(text):
        return set(re.findall(r"\.(rk-[\w-]+)", text))

    folder = Path(sys.modules[Controls.__module__].__file__).parent
    classes = {name for widget in tree(explorer) for name in getattr(widget, "_dom_classes", ())}
    cards = set(re.findall(r"rk-[\w-]+", (folder / "cards.html.j2").read_text("utf-8")))
    sometimes = {"rk-busy", "rk-error", "rk-title", "rk-caption"}
    assert names((folder / "style.css").read_text("utf-8")) - classes - cards == sometimes
    labelled = names(" ".join(explorer._front.labels))
    assert labelled == {"rk-status", "rk-building", "rk-sentence", "rk-cards"} <= classes


def test_the_brush_filters_the_table(fresh):
    trend = opened(fresh, "trend")
    assert len(cells(soup(trend))) == 13
    picture = trend.children[0].chart
    brushed = {"value": {"period": ["2025-03", "2025-04"]}, "store": []}
    picture._vl_selections = {"brush": brushed}
    assert [row[0] for row in cells(soup(trend))] == ["Apr 2025", "Mar 2025"]
    picture._vl_selections = {"brush": {"value": {}, "store": []}}
    assert len(cells(soup(trend))) == 13


def test_a_goal_that_is_not_there_is_said(fresh):
    fresh.compare = "goal"
    assert "has no goal" not in soup(opened(fresh, "trend")).get_text()
    fresh.metric = "revenue"
    assert "Revenue has no goal: the settings name one under [goals]." in soup(opened(fresh, "trend")).get_text()


def test_goals_are_those_of_the_report(fresh, data):
    states = [element.get_text() for element in soup(opened(fresh, "goals")).select(".state")]
    assert states == [row[3] for row in rk.Page(data=data).goals().data["rows"]]
    assert len(states) == 1
    fresh.segment = "channel=web"
    assert "The settings name no goal that speaks of these figures." in soup(opened(fresh, "goals")).get_text()


def test_alerts_stand_beside_goals(fresh, data):
    data.settings.alerts.append(Alert("Web sells", "revenue > 0", segment="channel=web"))
    try:
        fresh.segment = "channel=web"
        assert "Web sells, channel=web ! firing" in " ".join(soup(opened(fresh, "goals")).get_text(" ").split())
    finally:
        data.settings.alerts.clear()


def test_a_click_on_a_cell_shows_its_customers(fresh, data):
    panel = opened(fresh, "cohorts")
    cell = {"value": {"vlPoint": {"or": [{"cohort_id": "2025-03", "period": "2025-06"}]}}, "store": []}
    panel.children[0].chart._vl_selections = {"cell": cell}
    known = rk.cohorts(data)
    size = known.loc[(known["cohort"] == "2025-03") & (known["period"] == "2025-06"), "active"].item()
    assert len(fresh.customers) == size > 0
    assert TABS[fresh._tabs.selected_index] == "customers"
    assert soup(opened(fresh, "customers")).select_one(".title").get_text() == (
        f"Cohort of March 2025, active in June 2025: {size} in all."
    )


def test_whom_to_ask_is_listed_in_words(fresh, data):
    fresh._list(Listing("at_risk"))
    table = soup(opened(fresh, "customers"))
    in_all = int(rk.scorecard(data, "2025-12", metrics="customers_at_risk")["value"].item())
    assert table.select_one(".title").get_text() == (
        f"At risk, December 2025: 100 in all. They have the most at stake, of {in_all}."
    )
    assert "Leaves within 12 months" in [head.get_text() for head in table.select("thead th")]
    first = [cell.get_text() for cell in table.select_one("tbody tr").select("td")]
    assert any(cell.endswith("%") for cell in first)
    assert {"yes", "no"} & {*first}
    assert not {"True", "False"} & {*first}


def test_the_cell_can_be_chosen_by_keyboard_too(fresh):
    opened(fresh, "cohorts")
    tabs = fresh._tabs
    tabs._cohort.value, tabs._cohort_period.value = "2025-03", "2025-06"
    tabs._cell_button.click()
    by_keyboard = fresh.customers
    fresh.show_customers(cohort="2025-03", period="2025-06")
    pd.testing.assert_frame_equal(by_keyboard, fresh.customers)
    assert set(by_keyboard["cohort"]) == {"2025-03"}


@pytest.mark.parametrize("segment", ["", "channel", "channel=web"])
@pytest.mark.parametrize("kind", ["active", "lost_customers", "new_customers", "reactivated_customers"])
@pytest.mark.long
def test_a_list_is_as_long_as_its_figure(kind, segment, fresh, data):
    metric = "active_customers" if kind == "active" else kind
    fresh.segment = segment
    fresh.show_customers(kind)
    rows = rk.scorecard(data, "2025-12", segment=segment or None, metrics=[metric])
    rows = rows[rows["segment_value"] == segment.partition("=")[2]]
    assert len(fresh.customers) == rows["value"].item() > 0
    assert len(cells(soup(opened(fresh, "customers")))) == min(len(fresh.customers), 200)


def test_several_values_are_listed_together(fresh):
    fresh.segment = "channel"
    fresh.show_customers("active")
    everybody = fresh.customers
    fresh.values = ("web", "app")
    assert dict(fresh.customers["channel"].value_counts()) == {
        name: (everybody["channel"] == name).sum() for name in ("web", "app")
    }


WRONG_LISTS = [
    ({"kind": "lost"}, UnknownNameError, "There is no list 'lost': did you mean 'lost_customers'"),
    ({"cohort": "2025-01"}, UnknownNameError, "name both, `cohort` and `period`"),
    ({"period": "2025-01"}, UnknownNameError, "name both, `cohort` and `period`"),
    ({"cohort": "2025-01", "period": "2025-Q1"}, PeriodError, "is a quarter, not a month"),
    ({"cohort": "2031-01", "period": "2025-01"}, PeriodError, "lies outside the data"),
]


@pytest.mark.parametrize(("options", "error", "sentence"), WRONG_LISTS, ids=lambda value: str(value)[:30])
@pytest.mark.long
def test_a_wrong_list_is_a_sentence_and_changes_nothing(options, error, sentence, fresh):
    fresh.show_customers("new_customers")
    before = fresh.customers
    with pytest.raises(error, match=sentence):
        fresh.show_customers(**options)
    pd.testing.assert_frame_equal(fresh.customers, before)
    fresh.period = "2025-10"
    assert fresh.wait().period == "2025-10"


def test_of_several_values_the_status_says_what_is_of_them(fresh):
    note = "Cards, trend and the report are of all customers"
    fresh.segment = "channel"
    fresh.values = ("web", "app")
    fresh.wait()
    assert note in soup(fresh._status).get_text()
    whole = rk.scorecard(fresh._data, "2025-12", metrics=[fresh.metric])["value"].item()
    card = BeautifulSoup(fresh._cards.value, "html.parser").select_one(".rk-card .rk-value").get_text()
    assert card == fresh._words.value(whole, "fraction")
    fresh.values = "web"
    fresh.wait()
    assert note not in soup(fresh._status).get_text()


def test_without_a_company_the_status_speaks_of_the_data():
    orders = pd.DataFrame({"customer_id": ["a", "b"], "amount": 5.0, "ordered_at": ["2025-01-05", "2025-02-05"]})
    explorer = rk.explore(rk.load(orders=orders, currency="GBP", as_of="2025-03-01")).wait()
    assert soup(explorer._status).get_text() == "Data to 28 Feb 2025."


def test_the_download_is_the_whole_list_and_harmless(monkeypatch):
    orders = pd.DataFrame(
        {
            "customer_id": ["=cmd()", "b"] + [f"c{number}" for number in range(300)],
            "amount": 5.0,
            "ordered_at": "2025-01-05",
            "@place": "+44",
        }
    )
    explorer = rk.explore(rk.load(orders=orders, currency="GBP", as_of="2025-02-01"), segment="@place")
    explorer.show_customers("active")
    explorer.wait()
    saved = []
    monkeypatch.setattr(explorer._front, "save", lambda name, text: saved.append((name, text)))
    explorer._tabs._save.click()
    ((name, text),) = saved
    head, *lines = text.splitlines()
    assert (name, len(lines), head) == ("customers.csv", 302, "customer_id,cohort,paid,'@place")
    assert [line for line in lines if "cmd" in line] == ["'=cmd(),2025-01,5.0,'+44"]


def test_names_from_the_data_are_never_markup():
    evil = "<img src=x onerror=alert(1)>"
    orders = pd.DataFrame(
        {
            "customer_id": [f"{evil}{number % 9}" for number in range(40)],
            "amount": 5.0,
            evil: [evil, "b"] * 20,
            "ordered_at": [f"2025-0{1 + number % 4}-05" for number in range(40)],
        }
    )
    data = rk.load(orders=orders, currency="GBP", as_of="2025-05-01", company=evil)
    explorer = rk.explore(data, segment=evil, metric="active_customers")
    for tab in TABS:
        html = soup(opened(explorer, tab))
        assert not html.find("img"), tab
    assert "onerror" in soup(opened(explorer, "customers")).get_text()
    assert not soup(explorer._status).find("img")


def test_of_answers_alone_there_are_sentences():
    answers = pd.DataFrame({"responded_at": ["2025-01-05", "2025-02-05"] * 20, "survey": "nps", "score": [9, 3] * 20})
    explorer = rk.explore(rk.load(responses=answers, as_of="2025-03-01"))
    assert explorer.metric == "net_promoter_score"
    for tab in ("movements", "cohorts", "customers"):
        assert "neither orders nor subscriptions" in soup(opened(explorer, tab)).get_text()
    assert len(explorer.customers) == 0


# Work in its thread.


class Slow:
    """An engine that stands still once told to, until it is interrupted or let go."""

    def __init__(self, engine):
        self._engine, self.threads = engine, set()
        self.is_slow, self.is_started, self.go, self.is_interrupted = False, threading.Event(), threading.Event(), False

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def frame(self, *args, **parts):
        self.threads.add(threading.current_thread())
        if self.is_slow:
            self.is_started.set()
            assert self.go.wait(30)
            if self.is_interrupted:
                raise self.error("INTERRUPT Error: Interrupted!")
        return self._engine.frame(*args, **parts)

    def interrupt(self):
        self.is_interrupted = True
        self.go.set()


@pytest.fixture
def slow():
    """An explorer whose next question to the engine is slow."""
    data = rk.sample()
    data.engine = Slow(data.engine)
    explorer = rk.explore(data)
    explorer.wait()
    data.engine.is_slow = True
    yield explorer, data.engine
    data.engine.go.set()


@pytest.mark.long
def test_what_is_shown_does_not_wait_long_for_what_is_computed(monkeypatch):
    before, during = sys.getswitchinterval(), []
    explorer = rk.explore(rk.sample()).wait()
    monkeypatch.setattr(explorer._tabs, "draw", lambda *_: during.append(sys.getswitchinterval()))
    explorer.metric = "customer_churn_rate"
    assert explorer.metric == "customer_churn_rate"
    assert during
    assert max(during) < before / 5
    assert sys.getswitchinterval() == before
    explorer.close()


@pytest.mark.long
def test_cancel_interrupts_and_puts_the_controls_back(slow):
    explorer, engine = slow
    explorer._controls.column.value = "channel"
    assert engine.is_started.wait(30)
    assert (explorer.segment, "rk-busy" in explorer._dom_classes) == ("channel", True)
    assert explorer._status.cancel.layout.visibility == "visible"
    explorer._status.cancel.click()
    assert explorer.scorecard["segment"].unique().tolist() == [""]
    assert (explorer.segment, explorer._controls.column.value) == ("", "")
    assert soup(explorer._status).get_text() == "Cancelled: nothing was changed."
    assert "rk-busy" not in explorer._dom_classes
    engine.is_slow = engine.is_interrupted = False
    explorer.segment = "channel"
    assert set(explorer.scorecard["segment"]) == {"", "channel"}


@pytest.mark.long
def test_the_first_computation_can_be_cancelled_and_begun_again():
    data = rk.sample()
    data.engine = engine = Slow(data.engine)
    engine.is_slow = True
    explorer = rk.explore(data)
    assert engine.is_started.wait(30)
    explorer._status.cancel.click()
    saved = []
    explorer._front.save = lambda *args: saved.append(args)
    explorer._tabs._save.click()  # waits, and hears of it
    assert soup(explorer._status).select_one(".rk-error").get_text() == "Cancelled: nothing was changed."
    assert saved == []
    engine.go.clear()
    engine.is_started.clear()
    explorer._select(explorer._requested)
    assert engine.is_started.wait(30)
    explorer._status.cancel.click()
    with pytest.raises(DataError, match="Cancelled: nothing was changed"):
        explorer.wait()
    engine.is_slow = engine.is_interrupted = False
    assert len(explorer.customers) > 0
    assert explorer.wait().metric == "customer_retention_rate"


def test_what_stands_on_the_engine_is_forgotten_only_if_a_query_was_broken_off():
    cleaned, reports = [], []

    def done(*steps):
        worker = Worker(interrupt=lambda: None, clean_up=lambda: cleaned.append(True))
        task = Task("look", list(steps), reports.append, reports.append)
        steps[0].run.task = task
        worker.start(task)
        worker.wait("look")
        return type(reports.pop()).__name__, len(cleaned)

    def give_up():
        give_up.task.is_cancelled = True

    def fail():
        raise DataError("The query was interrupted.")

    assert done(Step("one", give_up), Step("two", fail)) == ("Cancelled", 0)
    assert done(Step("one", fail)) == ("DataError", 1)


def test_closing_it_closes_all_of_it_and_ends_its_work(data):
    from ipywidgets.widgets.widget import _instances

    before = set(_instances)
    explorer = rk.explore(data).wait()
    for tab in TABS:
        opened(explorer, tab)
    assert len(set(_instances) - before) > 50
    go = threading.Event()
    explorer._worker._interrupt = go.set
    explorer._worker.start(Task("look", [Step("slow", lambda: go.wait(30))], print, lambda _: None))
    thread = explorer._worker._thread
    explorer.close()
    assert set(_instances) - before == set()
    assert not thread.is_alive()
    explorer.close()


@pytest.mark.long
def test_what_is_cached_is_shown_while_something_slow_runs(slow):
    explorer, engine = slow
    explorer._controls.column.value = "channel"
    assert engine.is_started.wait(30)
    explorer._controls.column.value = ""
    explorer._controls.metric.value = "mrr"
    assert BeautifulSoup(explorer._cards.value, "html.parser").select_one(".rk-card")["data-metric"] == "mrr"
    engine.go.set()
    assert (explorer.segment, set(explorer.scorecard["segment"])) == ("", {""})  # the older one is not heard of


@pytest.mark.long
def test_a_failing_engine_is_a_sentence(slow):
    explorer, engine = slow
    explorer._controls.column.value = "channel"
    engine.is_interrupted = True  # by nobody here
    engine.go.set()
    with pytest.raises(DataError, match="interrupted"):
        explorer.wait()
    assert "interrupted" in soup(explorer._status).select_one(".rk-error").get_text()
    assert (explorer.segment, explorer._controls.column.value) == ("", "")


@pytest.mark.long
def test_the_engine_is_asked_in_one_other_thread():
    data = rk.sample()
    data.engine = Slow(data.engine)
    explorer = rk.explore(data, segment="channel=web")
    for tab in TABS:
        opened(explorer, tab)
    explorer.every = "quarter"
    assert len(explorer.wait().customers)
    assert threading.main_thread() not in data.engine.threads
    assert {thread.name for thread in data.engine.threads} == {"retention-kit explorer"}


@pytest.mark.long
def test_results_arrive_on_the_event_loop(slow):
    explorer, engine = slow

    async def watch() -> list[str]:
        threads = []
        explorer._controls.values.observe(lambda _: threads.append(threading.current_thread().name), "options")
        explorer._controls.column.value = "channel"
        await asyncio.sleep(0)  # the loop goes on meanwhile
        explorer_is_busy = "rk-busy" in explorer._dom_classes
        engine.go.set()
        for _ in range(300):
            if "rk-busy" not in explorer._dom_classes:
                break
            await asyncio.sleep(0.1)
        assert explorer_is_busy
        return threads

    assert asyncio.run(watch()) == [threading.main_thread().name]
    assert set(explorer._content.scorecard["segment"]) == {"", "channel"}


def test_of_waiting_work_the_newest_is_done():
    go, done = threading.Event(), []
    worker = Worker(interrupt=go.set, clean_up=lambda: None)

    def task(name):
        return Task(
            "look", [Step(name, lambda: go.wait(30) and name)], done.append, lambda error: done.append(repr(error))
        )

    for name in ("first", "second", "third"):
        worker.start(task(name))
    go.set()
    worker.wait("look")
    assert done == ["third"]


@pytest.mark.long
def test_what_may_be_chosen_next_is_prepared():
    """While nothing is asked for: then it is shown at once, and with the figures of the scorecard."""
    days = ("2024-01-05", "2024-02-05", "2024-02-20", "2024-03-05", "2024-03-09", "2024-04-02")
    rows = [(f"c{number % 3}", day, 10 * number + 5, "AB"[number % 2]) for number, day in enumerate(days)]
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount", "shop"])
    load = partial(rk.load, orders=orders, segments=["shop"], as_of="2024-05-01", timezone="UTC", currency="EUR")
    changes = [("period", "2024-03"), ("segment", "shop"), ("values", ("A",)), ("values", ()), ("every", "quarter")]

    async def choose() -> list[pd.DataFrame]:
        explorer, scorecards = rk.explore(load()).wait(), []
        for name, value in changes:
            for _ in range(600):  # until all is there that one change may ask for
                if explorer._worker._thread is None:
                    break
                await asyncio.sleep(0.05)
            assert explorer._worker._thread is None
            setattr(explorer, name, value)
            assert "rk-busy" not in explorer._dom_classes, name
            scorecards.append(explorer._content.scorecard)
        explorer.close()
        return scorecards

    fresh = rk.explore(load())
    for (name, value), scorecard in zip(changes, asyncio.run(choose()), strict=True):
        setattr(fresh, name, value)
        pd.testing.assert_frame_equal(pd.DataFrame(scorecard), pd.DataFrame(fresh.scorecard))
    assert fresh._worker._thread is None  # without a loop nobody can choose meanwhile: nothing more is computed


def test_what_is_asked_for_goes_before_what_is_prepared():
    done, started, go = [], threading.Event(), threading.Event()
    worker = Worker(interrupt=go.set, clean_up=lambda: done.append("cleaned"))

    def wait():
        started.set()
        done.append("first" if go.wait(30) else "never")

    def fail():
        done.append("failed")
        raise DataError("The query was interrupted.")

    def steps():
        yield Step("", wait)
        yield Step("", fail)
        yield Step("", lambda: done.append("last"))
        raise DataError("Nothing is known of the rest.")

    async def look():
        worker.prefetch(steps())
        assert started.wait(30)
        assert worker.is_running  # so that nobody else interrupts it
        worker.start(Task("look", [Step("", lambda: done.append("asked"))], lambda _: None, done.append))
        go.set()
        worker.wait("look")
        while worker._thread is not None:
            await asyncio.sleep(0.01)

    asyncio.run(look())
    assert done == ["first", "asked", "failed", "cleaned", "last"]
    worker.prefetch(steps())  # without an event loop
    assert worker._thread is None


# The way out.


@pytest.mark.long
def test_open_as_notebook_writes_a_template_that_runs(fresh, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    fresh.period, fresh.segment = "2025-11", "channel"
    first, second = fresh.open_as_notebook(), fresh.open_as_notebook()
    assert [first.name, second.name] == ["retention_2025-11.ipynb", "retention_2025-11-2.ipynb"]
    notebook = nbformat.read(first, as_version=4)
    (cell,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    namespace = {}
    exec(cell.source, namespace)
    assert {name: namespace[name] for name in fresh.parameters} == fresh.parameters
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute(cwd=str(tmp_path))
    text = "".join(str(output) for cell in notebook.cells for output in cell.get("outputs", []))
    assert "November 2025" in text
    assert "channel" in text


def test_a_metric_without_a_template_opens_in_the_one_for_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    orders = pd.DataFrame({"customer_id": ["a", "b"], "amount": 5.0, "ordered_at": ["2025-01-05", "2025-02-05"]})
    name = next(
        (metric.name for metric in rk.METRICS.values() if metric.template == "kpi" and metric.summary == "purchases"),
        "",
    )
    explorer = rk.explore(rk.load(orders=orders, currency="GBP", as_of="2025-03-01"), metric=name)
    path = explorer.open_as_notebook()
    if name:
        assert f'metric: str = "{name}"' in json.loads(path.read_text("utf-8"))["cells"][1]["source"]
    assert "a notebook cannot open again" in soup(explorer._reporting).get_text()


@pytest.mark.long
@pytest.mark.parametrize("source", ["sample", "path"])
def test_no_notebook_is_written_that_would_show_other_figures(source, shop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"churn_mode": "event"}
    data = rk.sample(**options) if source == "sample" else rk.load(shop, **options)
    explorer = rk.explore(data).wait()
    assert data.given == options
    assert explorer.open_as_notebook() is None
    assert list(tmp_path.iterdir()) == []
    message = soup(explorer._reporting).select_one(".rk-error").get_text()
    assert "churn_mode='event'" in message
    assert "retention.toml" in message


@pytest.mark.long
def test_while_a_report_is_built_the_explorer_answers_and_neither_ends_the_other(slow, tmp_path, monkeypatch):
    from retention_kit.report.build import builder as packs

    explorer, engine = slow
    engine.is_slow, started, go = False, threading.Event(), threading.Event()

    def build(*_, progress, **__):
        started.set()
        assert go.wait(30)
        progress("overview", 1, 8)
        return packs.Pack(tmp_path, "2025-12")

    monkeypatch.setattr(packs, "build_report", build)
    explorer.build_report()
    assert started.wait(30)
    explorer.segment = "channel"
    assert set(explorer.scorecard["segment"]) == {"", "channel"}  # computed meanwhile
    engine.is_slow = True
    explorer._controls.every.value = "quarter"
    assert engine.is_started.wait(30)
    explorer._status.cancel.click()
    assert not engine.is_interrupted  # it could be the report's query
    engine.go.set()
    assert explorer.wait().every == "month"
    go.set()
    assert explorer.pack.period == "2025-12"


@pytest.mark.long
def test_build_report_makes_the_pack_of_the_selection(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    explorer = rk.explore(rk.sample(formats=["html"]), period="2025-11", segment="channel=web")
    values = []
    explorer._reporting._progress.bar.observe(lambda change: values.append(change["new"]), "value")
    explorer._reporting.button.click()
    assert explorer._reporting.button.disabled
    pack = explorer.pack
    assert (pack.period, pack.failures, pack.path) == ("2025-11", (), Path("reports/2025-11"))
    assert (tmp_path / "reports/2025-11/report.en.channel-web.html").is_file()
    assert max(values) > 1
    (output,) = explorer._reporting._links.outputs
    links = [link["href"] for link in BeautifulSoup(output["data"]["text/html"], "html.parser").find_all("a")]
    assert links
    assert all((tmp_path / link).is_file() for link in links)
    assert not explorer._reporting.button.disabled


@pytest.mark.long
def test_a_build_can_be_cancelled(tmp_path, monkeypatch):
    from retention_kit.report.build import builder as packs

    started = threading.Event()

    def build(*_, progress, **__):
        started.set()
        while True:
            progress("overview", 1, 8)
            threading.Event().wait(0.01)

    monkeypatch.setattr(packs, "build_report", build)
    explorer = rk.explore(rk.sample(), output=tmp_path)
    explorer.build_report()
    assert started.wait(30)
    explorer._reporting._progress.cancel.click()
    assert explorer.pack is None
    assert soup(explorer._reporting).get_text() == "Cancelled: nothing was changed."


@pytest.mark.long
def test_reports_go_beside_the_project(explorer, shop, tmp_path, data):
    assert explorer._reporting._output == shop / "reports"
    assert rk.explore(rk.load(shop / "retention.toml"))._reporting._output == shop / "reports"
    assert rk.explore(rk.sample())._reporting._output == Path("reports")
    assert rk.explore(data, output=tmp_path).wait()._reporting._output == tmp_path


@pytest.mark.long
def test_a_path_may_be_given(shop):
    assert rk.explore(shop, period="2025-Q3").parameters["every"] == "quarter"
    assert Period.parse(rk.explore(str(shop)).period) == Period.parse("2025-12")
