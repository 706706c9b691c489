"""What one sees as the last line of a cell: the same figures in words, harmless whatever the data hold, by day and by
night.
"""

from __future__ import annotations

import json
import pickle
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import retention_kit as rk
from pencil import table
from retention_kit.bidi import plain
from retention_kit.display import ROWS, Cell, Display, Table
from retention_kit.metrics.catalogue import Measure
from retention_kit.metrics.frames import Cohorts, Scorecard
from retention_kit.report.archive.pack import Pack, first_of
from retention_kit.wording import Words
from test_charts_customers import luminance

# a and b of January buy again in February, c does not, and d is new; in March, which is not over, only a has bought.
ORDERS = table("""
customer_id  ordered_at  amount  country
a            2024-01-01  1       France
b            2024-01-02  2       Spain
c            2024-01-03  5       Spain
a            2024-02-01  10      France
b            2024-02-02  20      Spain
d            2024-02-29  7.50    France
a            2024-03-01  1       France
""")
HOSTILE = '<script>alert("x")</script>\x1b[31m\n'


@pytest.fixture(scope="module")
def data():
    return rk.load(orders=ORDERS, timezone="Europe/London", currency="GBP", company="Ours", as_of="2024-03-10")


class _Read(HTMLParser):
    """The rows of a fragment's tables, its tags and its paragraphs."""

    def __init__(self, html: str):
        super().__init__()
        self.rows, self.texts, self.links, self.tips, self.tags, self.inside = [], [], [], [], set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.inside.append(tag)
        self.links += [value for name, value in attrs if name == "href"]
        self.tips += [value for name, value in attrs if name == "title"]
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "p":
            self.texts.append("")

    def handle_endtag(self, tag):
        assert self.inside.pop() == tag, "every tag is closed in its place"

    def handle_data(self, text):
        if {"td", "th"} & {*self.inside}:
            self.rows[-1][-1] += text
        elif "p" in self.inside:
            self.texts[-1] += text


def read(value) -> _Read:
    return _Read(value._repr_html_())


def lines(value) -> list[list[str]]:
    """What a terminal shows, cut where two spaces or more are."""
    return [re.split(r"\s{2,}", line.strip()) for line in str(value).splitlines()]


# Scorecards


def test_a_scorecard_shows_its_figures_in_words(data):
    """Two of the three of January buy again (Wilson: 20.8% to 93.9%); sales are £37.50 after £8.00."""
    rows = rk.scorecard(data, "2024-02", metrics=["customer_retention_rate", "revenue"])
    page = read(rows)
    assert page.texts == ["Figures, February 2024"]
    assert page.rows == [
        ["Figure", "Value", "95% interval", "n", "Change", "Made of", "Note"],
        ["Customer retention", "66.67%", "20.77% to 93.85%", "3", "–", "2 of 3", "Small sample: n = 3."],
        ["Revenue", "£37.50", "–", "3", "+£29.50", "–", ""],
    ]
    assert isinstance(rows, pd.DataFrame)
    assert list(rows["value"]) == [2 / 3, 37.5], "in the frame they are what they are"


def test_by_segment_and_over_periods_a_scorecard_says_which(data):
    parts = rk.scorecard(data, "2024-02", segment="country", metrics=["revenue"])
    assert [row[:3] for row in read(parts).rows] == [
        ["Figure", "country", "Value"],
        ["Revenue", "all", "£37.50"],
        ["Revenue", "France", "£17.50"],
        ["Revenue", "Spain", "£20.00"],
    ]
    trend = rk.scorecard(data, periods="all", metrics=["active_customers"])
    assert read(trend).texts == ["Figures, January 2024 to March 2024"]
    assert [row[1:3] for row in read(trend).rows] == [
        ["Period", "Value"],
        ["Jan 2024", "3"],
        ["Feb 2024", "3"],
        ["Mar 2024 (incomplete)", "1"],
    ]
    assert read(rk.scorecard(data, "2024-03", metrics=["revenue"])).texts == ["Figures, March 2024 (incomplete)"]


def test_a_goal_is_shown_with_its_state(tmp_path):
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    goal = "[goals.customer_retention_rate]\ntarget = 0.7\n"
    (tmp_path / "retention.toml").write_text(
        f'[data]\norders = "orders.csv"\n[report]\ntimezone = "UTC"\nas_of = 2024-03-01\n{goal}'
    )
    rows = rk.scorecard(rk.load(tmp_path), "2024-02", metrics=["customer_retention_rate"])
    assert "70.0% · missed" in read(rows).rows[1]


def test_what_is_filtered_sliced_or_sorted_still_shows_well(data):
    rows = rk.scorecard(data, "2024-02", segment="country", metrics=["revenue", "active_customers"])
    for part, figures in (
        (rows.head(1), ["£37.50"]),
        (rows[rows["segment_value"] == "Spain"], ["£20.00", "1"]),
        (rows.sort_values("value", ascending=False).head(2), ["£37.50", "£20.00"]),
        (rows.iloc[1:3], ["£17.50", "£20.00"]),
        (rows.query("metric == 'active_customers'").reset_index(drop=True), ["3", "2", "1"]),
    ):
        assert isinstance(part, Scorecard)
        heads, *cells = read(part).rows
        assert [row[heads.index("Value")] for row in cells] == figures
        assert all(any(figure in line for line in lines(part)) for figure in figures)
    added = rows.head(1).assign(mine="so <b>")
    assert read(added).rows[0][-1] == "mine"
    assert read(added).rows[1][-1] == "so <b>"


@pytest.mark.parametrize(
    "cut",
    [
        lambda rows: rows[["label", "value", "note"]],
        lambda rows: rows.drop(columns="unit"),
        lambda rows: rows.set_index("metric"),
        lambda rows: rows.T,
        lambda rows: rows.head(0),
        lambda rows: rows.assign(period="whenever"),
        lambda rows: rows.assign(unit="bananas"),
        lambda rows: rows.assign(value="a lot"),
        lambda rows: pd.concat([rows, rows], axis=1),
        lambda rows: rows.pivot(index="metric", columns="period", values="value"),
        lambda rows: rows.groupby("metric").agg({"value": "sum"}),
    ],
)
def test_what_is_no_scorecard_any_more_shows_as_any_frame(data, cut):
    frame = cut(rk.scorecard(data, "2024-02", metrics=["revenue"]))
    plain = pd.DataFrame(frame)
    assert frame._repr_html_() == plain._repr_html_()
    assert repr(frame) == repr(plain)


def test_scorecards_are_frames_in_all_else(data):
    rows = rk.scorecard(data, "2024-02", metrics=["revenue", "customer_retention_rate"])
    plain = pd.DataFrame(rows)
    assert type(plain) is pd.DataFrame
    assert rows.to_csv() == plain.to_csv()
    assert rows.to_html() == plain.to_html()
    again = pickle.loads(pickle.dumps(rows))
    assert_frame_equal(again, rows)
    assert_frame_equal(rows, plain)
    assert again._repr_html_() == rows._repr_html_(), "its currency went along"
    both = pd.concat([rows, rows], ignore_index=True)
    assert_frame_equal(both.iloc[2:].reset_index(drop=True), rows)
    assert "£37.50" in str(both)
    assert rows.merge(rows[["metric", "value"]], on="metric")["value_x"].tolist() == rows["value"].tolist()
    with pd.option_context("display.notebook_repr_html", False):
        assert rows._repr_html_() is None


def test_without_its_currency_money_is_a_plain_number(data):
    rows = rk.scorecard(data, "2024-02", metrics=["revenue"])
    rows.attrs = {}
    assert read(rows).rows[1][1] == "37.50"


def test_long_scorecards_are_cut_short_with_a_word():
    rows = rk.scorecard(rk.sample(), periods="all", metrics=["revenue", "refunds"])
    assert len(rows) == 72
    assert len(read(rows).rows) == 1 + ROWS
    assert read(rows).texts[-1] == str(rows).splitlines()[-1] == "And 12 more rows."


# Cohorts


def test_cohorts_show_as_shares_by_age(data):
    """Of the three of January two came in February, and one so far in March; d, of February, has not."""
    cohorts = rk.cohorts(data)
    page = read(cohorts)
    assert page.rows == [
        ["Joined", "Customers", "0", "1", "2"],
        ["Jan 2024", "3", "100", "67", "33"],
        ["Feb 2024", "1", "100", "0", ""],
    ]
    assert "February 2024: 2 of 3, 66.67%" in page.tips
    assert page.texts == [
        "Customers by the month in which they joined",
        "Per cent of each cohort who were active, in columns by months after joining.",
        "Cohorts up to Feb 2024 may hold earlier customers.",
        "Outlined, or with a star: a period that is not over.",
    ]
    assert cohorts._repr_html_().count("rk-outlined") - cohorts._repr_html_().count(".rk-outlined") == 2, "March, twice"
    assert ["Jan 2024", "3", "100", "67", "33*"] in lines(cohorts)
    assert list(cohorts["retention"]) == [1.0, 2 / 3, 1 / 3, 1.0, 0.0]


def test_part_of_the_cohorts_shows_well_and_what_is_no_cohort_as_a_frame(data):
    cohorts = rk.cohorts(data)
    assert read(cohorts[cohorts["cohort"] == "2024-02"]).rows[1:] == [["Feb 2024", "1", "100", "0"]]
    assert read(cohorts.tail(1)).rows == [["Joined", "Customers", "1"], ["Feb 2024", "1", "0"]]
    assert isinstance(pickle.loads(pickle.dumps(cohorts)), Cohorts)
    for frame in (
        cohorts.pivot(index="cohort", columns="age", values="retention"),
        cohorts.drop(columns="size"),
        pd.concat([cohorts, cohorts]),
    ):
        assert frame._repr_html_() == pd.DataFrame(frame)._repr_html_()
        assert repr(frame) == repr(pd.DataFrame(frame))


# Measures


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda: rk.csat([5, 4, 2]), "66.67% · 2 of 3 · 95% 20.77% to 93.85% · n 3 · Small sample: n = 3."),
        (lambda: rk.csat([]), "undefined · 0 of 0 · n 0 · No valid answer in the period."),
        (lambda: rk.ces([5, 6], top="mean"), "5.5000 · 11 of 2 · 95% 4.5200 to 6.4800 · n 2 · Small sample: n = 2."),
        (lambda: rk.nps([10] * 20 + [0] * 20), "0.00 · 0 of 40 · 95% −29.36 to 29.36 · n 40"),
        (lambda: Measure(1234.5), "1,234.5000"),
        (lambda: Measure("many", 1, 2, low=0, high=float("inf"), unit="bananas"), "many · 1 of 2 · 95% 0.0000 to inf"),
        (lambda: Measure(float("nan"), note="Because."), "undefined · Because."),
    ],
)
def test_a_measure_says_what_it_is_made_of(measure, message):
    """[5, 6] has a mean of 5.5 and a standard error of 0.5. Of forty answers, with 3 added, p = d = 20.75 / 43: 100 ·
    1.96 · √(2p / 43) = 29.36, and they are no small sample.
    """
    assert str(measure()) == repr(measure()) == message
    assert " · ".join(read(measure()).texts) == message


# Datasets


def test_a_dataset_says_what_it_holds(data):
    page = read(data)
    assert page.texts == [
        "Ours: data from 1 Jan 2024 to 9 Mar 2024",
        "Tables: orders (7 rows read)",
        "Time and money: times in Europe/London · known up to the end of 9 Mar 2024 · amounts in GBP",
        "Segment columns: country",
        "Customers are those who buy: the base of the customer figures is the orders, active means at least one purchase in the month.",
    ]
    assert page.rows[1] == ["orders", "rows read", "7", ""]
    assert len(page.rows) == 1 + len(data.quality)
    text = str(data)
    assert text == repr(data)
    assert text.startswith("Ours: data from 1 Jan 2024 to 9 Mar 2024\nTables: orders (7 rows read)\n")


def test_a_dataset_of_answers_names_no_customers():
    answers = pd.DataFrame({"responded_at": ["2024-02-01"], "survey": ["nps"], "score": [9]})
    texts = read(rk.load(responses=answers)).texts
    assert texts[0] == "Data from 1 Feb 2024 to 1 Feb 2024"
    assert texts[2:] == [
        "Time and money: times without a zone taken as UTC · known up to the end of 1 Feb 2024",
        "Segment columns: none",
    ]
    sample = rk.sample(as_of="2024-01-01")
    assert read(sample).texts[0] == "Sample Company: data from 1 Jan 2023 to 31 Dec 2023 (synthetic data)"


# Packs


@pytest.fixture
def pack(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "our reports" / "2024-02"
    for name in (
        "report.en.html",
        "report.en.pdf",
        "scorecard.csv",
        "manifest.json",
        "lists/lost_customers.csv",
        "lists/new_customers.country-#1.csv",
        "notebooks/overview.en.ipynb",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_pack_links_its_files_from_the_working_directory(pack):
    page = read(Pack(pack, "2024-02"))
    assert page.texts == [
        "Report of February 2024",
        "Report: report.en.html · report.en.pdf",
        "Figures: scorecard.csv",
        "Customers: lost_customers.csv · new_customers.country-#1.csv",
        "Notebooks: overview.en.ipynb",
        "Record: manifest.json",
        "Folder: our reports/2024-02",
    ]
    assert page.links == [
        f"our%20reports/2024-02/{name}"
        for name in (
            "report.en.html",
            "report.en.pdf",
            "scorecard.csv",
            "lists/lost_customers.csv",
            "lists/new_customers.country-%231.csv",
            "notebooks/overview.en.ipynb",
            "manifest.json",
        )
    ]
    assert str(Pack(Path("our reports/2024-02"), "2024-02")).splitlines() == page.texts


def test_a_pack_marks_what_failed_and_what_was_left(pack):
    texts = read(Pack(pack, "2024-02", ("revenue (en): <b>Boom</b>.",))).texts
    assert texts[:2] == ["Report of February 2024: a part of it failed", "Failed: revenue (en): <b>Boom</b>."]
    text = str(Pack(pack, "2024-02", is_new=False, note="Something is unlisted."))
    assert text.splitlines()[-2:] == ["Something is unlisted.", "Unchanged, left as it stands."]
    assert "It is no longer there." in str(Pack(pack.parent / "2024-01", "2024-01"))


# Whatever the data hold


@pytest.mark.parametrize("what", ["dataset", "scorecard", "cohorts", "measure", "pack"])
def test_nothing_of_the_data_becomes_markup_or_steers_a_terminal(what, tmp_path):
    orders = ORDERS.rename(columns={"country": HOSTILE}).assign(**{HOSTILE: HOSTILE})
    data = rk.load(orders=orders, timezone="UTC", currency="GBP", company=HOSTILE, as_of="2024-03-10")
    value = {
        "dataset": data,
        "scorecard": rk.scorecard(data, "2024-02", segment=HOSTILE, metrics=["revenue"]).assign(**{HOSTILE: HOSTILE}),
        "cohorts": rk.cohorts(data).assign(**{HOSTILE: HOSTILE}),
        "measure": Measure(1.0, note=HOSTILE),
        "pack": Pack(tmp_path / "<script>", "2024-02", (HOSTILE,), note=HOSTILE),
    }[what]
    assert "script" not in read(value).tags
    assert "\x1b" not in str(value)
    assert not any(ord(character) < 32 and character != "\n" for character in str(value))
    if what != "cohorts":  # which show nothing that is not theirs
        assert "&lt;script&gt;" in value._repr_html_()
        assert "<script>" in str(value)


# In a terminal


@pytest.mark.long
@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_are_no_longer_than_the_terminal_and_what_has_no_room_is_named(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    data = rk.sample()
    for value in (rk.scorecard(data, segment="channel"), rk.cohorts(data), data):
        assert max(map(len, str(value).splitlines())) <= width
    rows = rk.scorecard(data, "2025-12", metrics=["customer_retention_rate"])
    heads = {40: "95% interval, n, Change, Made of, A year ago", 80: "A year ago", 120: ""}[width]
    unshown = re.findall(r"Not shown for want of room: (.*?)\.", " ".join(str(rows).split()))
    assert unshown == ([heads] if heads else [])


def test_wide_letters_take_two_places():
    display = Display("t", Words(), tables=[Table(["a", "b"], [["日本", "1"], ["xx", "2"]])])
    assert display.text(80).splitlines()[2:] == ["a     b", "日本  1", "xx    2"]


# In a browser


@pytest.mark.browser
@pytest.mark.parametrize(("ground", "ink"), [("#ffffff", "rgba(0, 0, 0, 0.87)"), ("#111111", "rgba(255, 255, 255, 1)")])
def test_figures_are_legible_by_day_and_by_night(chromium, tmp_path, ground, ink):
    """On the darkest shade as on none, in JupyterLab's two themes."""
    display = Display("Title", Words(), tables=[Table(["a", "b", "c"], [["x", Cell("97", shade=0.5), "1"]])])
    style = f"background:{ground};--jp-content-font-color1:{ink}"
    (tmp_path / "page.html").write_text(f'<!doctype html><body style="{style}">{display.html()}</body>', "utf-8")
    page = chromium.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    for cell in page.locator("tbody td").all():
        colour, shade = cell.evaluate("cell => [getComputedStyle(cell).color, getComputedStyle(cell).backgroundColor]")
        below = [int(ground[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        under = _over(shade, below)
        light, dark = sorted((luminance(under), luminance(_over(colour, under))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5
    page.close()


def _over(colour: str, below: list[float]) -> list[float]:
    """A colour as the browser tells it, with its opacity, on another."""
    *parts, alpha = [float(part) for part in re.findall(r"[\d.]+", colour)] + (
        [1.0] if colour.startswith("rgb(") else []
    )
    return [part / 255 * alpha + ground * (1 - alpha) for part, ground in zip(parts, below, strict=True)]


def test_objects_show_themselves_in_the_settings_first_language(data):
    arabic = rk.load(
        orders=ORDERS,
        timezone="Europe/London",
        currency="GBP",
        company="Ours",
        as_of="2024-03-10",
        languages=["ar", "en"],
    )
    displays = {"data": lambda of: of, "scorecard": lambda of: rk.scorecard(of, "2024-02"), "cohorts": rk.cohorts}
    for of in displays.values():
        english, turned = of(data), of(arabic)
        assert '<div class="rk-shown" lang="ar" dir="rtl">' in turned._repr_html_()
        assert '<div class="rk-shown" lang="en" dir="ltr">' in english._repr_html_()
        cells = [[cell for row in read(table).rows for cell in row] for table in (english, turned)]
        figures = [[re.findall(r"\d[\d.,]*\d|\d", plain(cell)) for cell in each] for each in cells]
        assert figures[0] == figures[1]
        assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", str(turned)), "a terminal shows isolates"
    rows = rk.scorecard(arabic, "2024-02")
    copy = pickle.loads(pickle.dumps(rows[rows["metric"] == "customer_retention_rate"]))
    assert "معدل الاحتفاظ بالعملاء" in copy._repr_html_()
    assert list(copy["label"]) == ["Customer retention"], "data are never translated"
    rows.attrs["language"] = "xx"
    assert str(rows) == str(rk.scorecard(data, "2024-02")), "English, where a language has no words"


def test_a_pack_shows_itself_and_is_opened_in_its_first_language(tmp_path):
    for name in ("report.ar.html", "report.en.html", "report.en.pdf"):
        (tmp_path / name).write_text("", "utf-8")
    assert first_of(Pack(tmp_path, "2024-02")).name == "report.ar.html"
    for languages, first, title in ((["en", "ar"], "report.en.html", "Report"), (["ar"], "report.ar.html", "تقرير")):
        manifest = {"settings": {"report": {"languages": languages, "currency": "GBP", "digits": "latn"}}}
        (tmp_path / "manifest.json").write_text(json.dumps(manifest), "utf-8")
        pack = Pack(tmp_path, "2024-02")
        assert first_of(pack).name == first
        assert title in str(pack)
        assert f'lang="{languages[0]}"' in pack._repr_html_()


def test_of_several_builds_in_a_pack_the_one_asked_for_is_opened_first(tmp_path):
    """Names that sort before and after, in another language or format."""
    segments = ("", ".country-France", ".country-zz", ".country-France-1a2b3c")
    for segment in segments:
        for language in ("ar", "en"):
            (tmp_path / f"report.{language}{segment}.pdf").write_text("", "utf-8")
    for name in ("brief.en.html", "report.en.country-aa.html", "report.ar.html", "report.ar.country-zz.html"):
        (tmp_path / name).write_text("", "utf-8")
    pack = Pack(tmp_path, "2024-02")
    for segment, ending in zip(segments, ("html", "pdf", "html", "pdf"), strict=True):
        assert first_of(pack, segment, ["ar"]).name == f"report.ar{segment}.{ending}"
        assert first_of(pack, segment, ["fr", "en"]).name.startswith(("report.en", "brief.en"))
        assert first_of(pack, segment, ["en"]).name == ("brief.en.html" if not segment else f"report.en{segment}.pdf")
