"""Cohorts and customer value: each cell where it belongs, what is unseen left out, and titles that are right."""

from __future__ import annotations

import json

import altair as alt
import pandas as pd
import pytest
import vl_convert

import retention_kit as rk
from retention_kit.metrics.queries.summaries import concentration, missing_reason
from retention_kit.metrics.queries.value_segments import value_segments
from retention_kit.metrics.snapshot import load_snapshot, save_snapshot
from retention_kit.report.charts import cohorts as cohort_charts
from retention_kit.report.charts import concentration as concentration_chart
from retention_kit.report.execution import templates as library
from retention_kit.report.page import Page
from retention_kit.wording import Words
from test_charts import rows_of, svg_texts

WORDS = Words("en", "GBP")

CELLS = pd.DataFrame(
    [  # a cohort of 4 and one of 2, seen until the middle of March
        ("2024-01", 0, "2024-01", 4, 4, True),
        ("2024-01", 1, "2024-02", 4, 2, True),
        ("2024-01", 2, "2024-03", 4, 1, False),
        ("2024-02", 0, "2024-02", 2, 2, True),
        ("2024-02", 1, "2024-03", 2, 0, False),
    ],
    columns=["cohort", "age", "period", "size", "active", "complete"],
)
CELLS = CELLS.assign(retention=CELLS["active"] / CELLS["size"], value=CELLS["active"] / CELLS["size"])
AVERAGE = pd.DataFrame({"age": [1, 2], "active": [6, 3], "size": [12, 10], "value": [0.5, 0.3]})
LINES = pd.DataFrame(
    [("2024-01", 1, 8, 0.75), ("2024-01", 2, 8, 0.25), ("2024-02", 1, 4, 0.0)],
    columns=["cohort", "age", "size", "value"],
)
TENTHS = pd.DataFrame(
    {"tenth": [1, 2, 3], "customers": [3, 3, 2], "revenue": [600.0, 300.0, 100.0], "share": [0.6, 0.3, 0.1]}
)

DRAWINGS = {
    "heat map": lambda: cohort_charts.heat_map(CELLS, WORDS, "month", "fraction"),
    "curves": lambda: cohort_charts.curves(LINES, AVERAGE, "2024-01", WORDS, "month"),
    "value curves": lambda: cohort_charts.curves(LINES, AVERAGE, "2024-01", WORDS, "month", "money"),
    "tenths": lambda: concentration_chart.revenue_by_tenth(TENTHS, 2, WORDS),
}


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
def test_is_valid_vega_lite_and_the_same_bytes_every_time(draw):
    drawing = draw()
    alt.Chart.from_dict(drawing.spec)
    assert json.dumps(drawing.spec, allow_nan=False) == json.dumps(draw().spec)
    with alt.theme.enable("dark"):
        assert draw().spec == drawing.spec


def test_a_heat_map_has_no_cell_for_what_is_not_yet_seen_and_sets_the_running_period_apart():
    cells = {(row["cohort"], row["age"]): (row["text"], row["kind"]) for row in rows_of(DRAWINGS["heat map"]())}
    assert cells == {
        ("Jan 2024", 0): ("100", "first"),
        ("Jan 2024", 1): ("50", "later"),
        ("Jan 2024", 2): ("25", "running"),
        ("Feb 2024", 0): ("100", "first"),
        ("Feb 2024", 1): ("0", "running"),
    }


def test_a_heat_map_shows_sizes_beside_the_cohorts_and_words_on_its_axis():
    texts = svg_texts(DRAWINGS["heat map"]())
    assert {"Jan 2024", "Feb 2024", "customers", "4", "2", "months after joining", "50"} <= set(texts)
    assert cohort_charts.heat_map(CELLS[CELLS["age"] == 0], WORDS, "month", "fraction") is None


def test_a_heat_map_is_shaded_between_the_extremes_of_its_finished_cells():
    """Month 0 is 100% by definition and the running month is low by nature: neither says anything."""
    longer = CELLS.assign(complete=True)  # 50%, 25% and 0%
    scale = cohort_charts.heat_map(longer, WORDS, "month", "fraction").spec["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == [0.0, 0.5]


@pytest.mark.parametrize("every", cohort_charts.YEAR)
@pytest.mark.parametrize("oldest", [1, 12, 13, 18, 19, 61, 250, 800])
def test_a_heat_map_of_a_long_history_has_columns_for_some_old_ages(every, oldest):
    ages = range(oldest + 1)
    cells = pd.DataFrame({"cohort": "2001", "age": ages, "period": "2020", "size": 9, "complete": True, "value": 0.5})
    drawing = cohort_charts.heat_map(cells, WORDS, every, "fraction")
    ages_on_chart = [row["age"] for row in rows_of(drawing)]
    step = cohort_charts.age_step(oldest, every)
    assert ages_on_chart[:13] == [*range(min(oldest, 12) + 1)]
    assert ages_on_chart[13:] == [age for age in range(13, oldest + 1) if age % step == 0]
    assert len(ages_on_chart) <= 19
    assert (step == 1) == (oldest <= 18)
    assert step < cohort_charts.YEAR[every] or step % cohort_charts.YEAR[every] == 0, "years are told as whole ones"


def test_a_cell_of_a_heat_map_can_be_chosen():
    drawing = cohort_charts.heat_map(CELLS, WORDS, "month", "fraction", select=True)
    plain = DRAWINGS["heat map"]()
    assert [(row["cohort_id"], row["period"]) for row in rows_of(drawing)] == [
        ("2024-01", "2024-01"),
        ("2024-01", "2024-02"),
        ("2024-01", "2024-03"),
        ("2024-02", "2024-02"),
        ("2024-02", "2024-03"),
    ]
    (param,) = drawing.spec["params"]
    assert (param["name"], param["select"]["type"], param["select"]["fields"]) == (
        "cell",
        "point",
        ["cohort_id", "period"],
    )
    assert param["views"] == [drawing.spec["layer"][0]["name"]]
    assert (drawing.alt, svg_texts(drawing)) == (plain.alt, svg_texts(plain)), (
        "it is the same picture until one is chosen"
    )
    assert alt.JupyterChart(alt.Chart.from_dict(drawing.spec)).selections.cell.value == []
    assert "params" not in plain.spec
    assert not {"cohort_id", "period"} & set(rows_of(plain)[0])


@pytest.mark.browser
def test_a_click_anywhere_in_a_cell_chooses_it(chromium, tmp_path):
    """On its ground as on its figure, which is a mark of its own; the last click counts."""
    drawing = cohort_charts.heat_map(CELLS, WORDS, "month", "fraction", select=True)
    script = vl_convert.javascript_bundle("window.embed = vegaEmbed")
    (tmp_path / "page.html").write_text(f'<script type="module">{script}</script><div id="chart"></div>', "utf-8")
    page = chromium.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    draw = "async spec => {window.view = (await embed('#chart', spec, {renderer: 'svg'})).view}"
    page.evaluate(draw, drawing.spec)
    chosen = "() => (({cohort_id, period}) => [cohort_id, period])(view.signal('cell'))"
    figure = page.locator("svg text", has_text="25")
    figure.click(force=True)
    assert page.evaluate(chosen) == [["2024-01"], ["2024-03"]]
    page.locator("svg text", has_text="50").click(position={"x": -8, "y": 2}, force=True)
    assert page.evaluate(chosen) == [["2024-01"], ["2024-02"]]
    page.close()


def test_a_heat_map_of_money_says_money():
    cells = CELLS.assign(value=[10.0, 7.5, 1234.0, 20.0, 0.0])
    assert [row["text"] for row in rows_of(cohort_charts.heat_map(cells, WORDS, "month", "money"))] == [
        *("10.00", "7.50", "1,234"),
        *("20.00", "0.00"),
    ]


def test_a_heat_map_in_words_names_figures_and_the_running_month():
    assert DRAWINGS["heat map"]().alt == (
        "Heat map: 2 cohorts from Jan 2024 to Feb 2024, in columns by months after joining. "
        "Column 1: Jan 2024 50.0%. March 2024 is incomplete."
    )


def luminance(parts: list[float]) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def by_day(colour: str) -> list[float]:
    return [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]


def by_night(colour: str) -> list[float]:
    """As the report's style shows pictures in the dark: invert(.92) hue-rotate(180deg), by the matrix of the CSS
    filter.
    """
    inverted = [0.92 - 0.84 * part for part in by_day(colour)]
    rows = (-0.574, 1.430, 0.144), (0.426, 0.430, 0.144), (0.426, 1.430, -0.856)
    turned = [sum(weight * part for weight, part in zip(row, inverted, strict=True)) for row in rows]
    return [min(1.0, max(0.0, part)) for part in turned]


@pytest.mark.parametrize("view", [by_day, by_night])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        (cohort_charts.DARK, cohort_charts.PALE),
        (cohort_charts.DARK, cohort_charts.DEEP),
        (cohort_charts.MUTED, cohort_charts.AGE_ZERO),
        (cohort_charts.MUTED, "#ffffff"),
    ],
)
def test_figures_in_cells_are_legible(view, text, ground):
    low, high = sorted((luminance(view(text)), luminance(view(ground))))
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_curves_point_out_the_average_and_one_cohort():
    drawing = DRAWINGS["curves"]()
    assert {"average", "Jan 2024", "months after joining"} <= set(svg_texts(drawing))
    assert drawing.alt == (
        "Line chart: retention of cohorts by months after joining. average: 1: 50.0%, 2: 30.0%. Jan 2024: 1: 75.0%, 2: 25.0%."
    )


def test_curves_want_two_ages_and_need_no_cohort_to_point_out():
    assert cohort_charts.curves(LINES, AVERAGE[:1], "2024-01", WORDS, "month") is None
    assert "Jan 2024" not in svg_texts(cohort_charts.curves(LINES, AVERAGE, "", WORDS, "month"))


def test_tenths_show_shares_over_money_and_mark_the_best():
    drawing = DRAWINGS["tenths"]()
    assert [(row["part"], row["best"]) for row in rows_of(drawing)] == [
        ("60.0%", True),
        ("30.0%", True),
        ("10.0%", False),
    ]
    assert {"60.0%", "£200"} <= set(svg_texts(drawing))
    assert drawing.alt.endswith("1: £600 (60.0%), 2: £300 (30.0%), 3: £100 (10.0%).")


# Whole pages. A customer of January, before whose end not all are known; 100 who first bought in February, half of
# whom did again
# in March; 100 who first bought in March, so many of whom did again in April; and one of April.
def orders(returning: int) -> pd.DataFrame:
    rows = [("z", "2024-01-05", 7.0), *((f"a{number}", "2024-02-10", 10.0) for number in range(100))]
    rows += [(f"a{number}", "2024-03-10", 4.0) for number in range(50)]
    rows += [(f"b{number}", "2024-03-20", 20.0) for number in range(100)]
    rows += [(f"b{number}", "2024-04-20", 10.0) for number in range(returning)]
    return pd.DataFrame([*rows, ("c", "2024-04-30", 5.0)], columns=["customer_id", "ordered_at", "amount"])


def page(frame: pd.DataFrame, period: str = "2024-04", as_of: str = "2024-05-01", **more) -> Page:
    known = {"timezone": "UTC", "currency": "GBP", "as_of": as_of, "first_known": "2024-02-01"}
    return Page(period, data=rk.load(orders=frame, **known), **more)


@pytest.mark.parametrize(("returning", "verdict"), [(10, "fewer than"), (50, "within chance of"), (90, "more than")])
def test_the_newest_cohort_is_compared_with_earlier_ones_at_the_same_age(returning, verdict):
    title = page(orders(returning)).cohorts().data["title"]
    assert title == (
        f"{returning}.0% of the new customers of March 2024 were active in month 1, {verdict} the 50.0% of earlier cohorts"
    )


def test_a_cohort_that_may_hold_earlier_customers_is_shown_but_compared_with_nothing():
    """Only February's customers have a month 1 that is comparable: January's may be older, March's is still to come."""
    block = page(orders(0), "2024-03", as_of="2024-04-01").cohorts().data
    assert block["title"] == "50.0% of the new customers of February 2024 were active in month 1"
    assert "Customers of before the data may be in the months up to January 2024" in block["caption"]
    assert "Jan 2024" in {row["cohort"] for row in block["spec"]["data"]["values"]}
    only = page(orders(0), "2024-02", as_of="2024-03-01").cohorts().data
    assert only["title"] == "Customers by the month in which they joined"


def test_a_running_month_is_outlined_and_said_and_starts_no_cohort():
    """b0 to b49 were back by the 21st of April."""
    block = page(orders(50), "2024-03", as_of="2024-04-21").cohorts().data
    cells = {(row["cohort"], row["age"]): row["kind"] for row in block["spec"]["data"]["values"]}
    assert cells["Mar 2024", 1] == "running"
    assert "Apr 2024" not in {cohort for cohort, _ in cells}
    assert "Outlined: not over. April 2024 is incomplete: data end on 20 Apr 2024." in block["caption"]


def test_a_report_on_the_past_shows_nothing_of_what_came_after():
    cells = page(orders(50), "2024-03").cohorts().data["spec"]["data"]["values"]
    assert {row["when"] for row in cells} == {"January 2024", "February 2024", "March 2024"}


def test_the_first_month_of_a_company_has_nobody_to_follow_yet():
    first = page(orders(0)[:1], "2024-01", as_of="2024-02-01")
    assert first.cohorts().data["text"] == "No cohort is a month old yet, so there is nobody to follow."
    assert first.curves() is first.cohort_revenue() is None


def test_revenue_of_a_cohort_counts_those_who_left_with_nothing():
    """February: 100 × £10, then 50 × £4. March: 100 × £20, then 50 × £10. (1000 + 2000) / 200, (200 + 500) / 200."""
    block = page(orders(50)).cohort_revenue().data
    assert block["title"] == (
        "A new customer spends £15.00 in the first month; in month 1 a cohort brings £3.50 per customer it began with"
    )
    texts = {(row["cohort"], row["age"]): row["text"] for row in block["spec"]["data"]["values"]}
    assert (texts["Feb 2024", 1], texts["Mar 2024", 1]) == ("2.00", "5.00")


SPELLS = pd.DataFrame(
    [  # who joins in January to April, and stays how long: cohorts of 2, 1, 1 and 1
        ("a", "2024-01-01", None),
        ("b", "2024-01-01", "2024-02-01"),
        ("c", "2024-02-01", None),
        ("d", "2024-03-01", "2024-04-01"),
        ("e", "2024-04-01", None),
    ],
    columns=["customer_id", "started_at", "ended_at"],
).assign(amount=12.0)


def test_the_average_of_curves_weighs_cohorts_by_size_and_takes_three_at_least():
    """Month 1: a but not b, c, not d, and e: 3 of 5. Month 2: a but not b, c, not d: 2 of 4. Month 3 has two cohorts
    only.
    """
    data = rk.load(subscriptions=SPELLS, timezone="UTC", currency="GBP", as_of="2024-06-01")
    block = Page("2024-05", data=data).curves().data
    assert block["title"] == "On average 60.0% of a cohort are active in month 1, and 50.0% in month 2"
    assert "before the data" not in block["caption"]  # a spell says when it began, an order does not


def test_value_needs_orders_and_cohorts_do_not():
    data = rk.load(subscriptions=SPELLS, timezone="UTC", currency="GBP", as_of="2024-06-01")
    paid = Page("2024-05", data=data)
    assert paid.value() is None
    assert "who paid in the months" in paid.cohorts().data["caption"]
    assert paid.cohort_revenue().data["title"].startswith("A new customer pays £12.00 a month; ")


# Twenty customers: the best two spent £100 each, two more £50, sixteen £25. 200 + 100 of 700.
SPENT = pd.DataFrame(
    [(f"c{number}", "2024-02-10", 100.0 if number < 2 else 50.0 if number < 4 else 25.0) for number in range(20)],
    columns=["customer_id", "ordered_at", "amount"],
)


def test_value_says_what_the_best_fifth_brings():
    block = page(SPENT, "2024-02", as_of="2024-03-01").value().data
    assert block["title"] == "The best 20% of customers brought 42.9% of revenue"
    assert block["caption"] == (
        "20 customers and what they spent from 10 Feb 2024 to 29 Feb 2024, £700 in all, in ten equal groups. "
        "The best tenth spent £100 or more each, the last £25.00 or less."
    )


def test_value_says_the_share_that_it_shows():
    """Of eleven customers the first two tenths hold three: 27%."""
    assert page(SPENT[:11], "2024-02", as_of="2024-03-01").value().data["title"].startswith("The best 27% of customers")
    assert page(SPENT[:9], "2024-02", as_of="2024-03-01").value() is None


def test_a_kernel_draws_what_its_parent_asked_for(tmp_path):
    parent = page(orders(50))
    assert missing_reason(parent.data, "concentration") is None
    concentration(parent.data, parent.period)
    value_segments(parent.data, parent.period)
    names = ("cohorts", "curves", "cohort_revenue", "value", "value_groups")
    blocks = [getattr(parent, name)() for name in names]
    assert all(blocks[2:]), "or this would prove nothing"
    save_snapshot(parent.data, tmp_path / "summaries.duckdb")
    kernel = Page("2024-04", data=load_snapshot(tmp_path / "summaries.duckdb"))
    assert [getattr(kernel, name)() for name in names] == blocks


def test_one_segment_value_alone_has_no_cohorts_and_no_section_for_them():
    """A customer may change their segment value, so a cohort of one value could grow."""
    france = page(orders(50).assign(country="France"), segment="country=France")
    assert [france.cohorts(), france.curves(), france.cohort_revenue(), france.value()] == [None] * 4
    assert (france.value_curves(), france.value_groups()) == (None, [])
    assert "cohorts" in {section.name for section in library.sections(france.data)}
    assert "cohorts" not in {section.name for section in library.sections(france.data, is_whole=False)}


def test_guests_alone_make_no_cohort():
    guests = page(orders(0).assign(customer_id=None))
    assert guests.cohorts().data["text"].startswith("No cohort is a month old yet")
    assert guests.curves() is guests.cohort_revenue() is guests.value() is None


@pytest.mark.parametrize("every", ["month", "year"])
def test_a_shop_whose_first_period_is_not_over_has_no_cohort_yet(every):
    bought = pd.DataFrame([("A", "2025-11-03", 20.0)], columns=["customer_id", "ordered_at", "amount"])
    blocks = Page(None, every, data=rk.load(orders=bought, timezone="UTC"))
    assert blocks.cohorts().data["text"] == f"No cohort is a {every} old yet, so there is nobody to follow."
    assert blocks.curves() is blocks.cohort_revenue() is blocks.value_curves() is None


def test_answers_alone_have_no_section_about_customers():
    answers = pd.DataFrame([("2024-01-05", "nps", 9)], columns=["responded_at", "survey", "score"])
    plan = library.sections(rk.load(responses=answers, timezone="UTC"))
    assert [section.name for section in plan] == ["overview", "feedback"]
