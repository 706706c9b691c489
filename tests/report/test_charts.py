"""Charts show the figures they were given: in the right place, marked as what they are, and in words as well."""

import json
import re
from decimal import Decimal

import altair as alt
import pandas as pd
import pytest
import vl_convert

from retention_kit.metrics.catalogue import COLUMNS
from retention_kit.metrics.queries.segment_values import NONE
from retention_kit.report.charts import series
from retention_kit.report.charts.base import short_names
from retention_kit.report.pages.metric import by_size
from retention_kit.wording import Words

WORDS = Words("en", "GBP")


def trend_rows(values, unit="fraction", half=0.02, incomplete=()):
    """Scorecard rows of one metric from September 2011 on; every interval reaches `half` to either side."""
    rows = [
        {
            "metric": "customer_retention_rate",
            "label": "Customer retention rate",
            "period": f"2011-{9 + index:02}" if index < 4 else f"2012-{index - 3:02}",
            "value": value,
            "unit": unit,
            "n": 1364,
            "low": None if value is None or half is None else value - half,
            "high": None if value is None or half is None else value + half,
            "complete": index not in incomplete,
        }
        for index, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def segment_rows(values: dict):
    rows = trend_rows(values.values())
    return rows.assign(period="2011-11", segment="country", segment_value=list(values))


CUSTOMERS = pd.DataFrame(
    [
        ("2011-09", None, 400, None, None, None, 400, True),  # the data begin here
        ("2011-10", 400, 50, 10, 150, 250, 310, True),  # 250 kept + 10 + 50 = 310 at the end
        ("2011-11", 310, 20, 5, 210, 100, 125, False),
    ],
    columns=["period", "start", "new", "reactivated", "lost", "retained", "end", "complete"],
)
MRR = pd.DataFrame(
    [
        ("2011-09", 12_000, 1_500, 300, 100, 400, 50, 0, 13_350, True),
        ("2011-10", 13_350, 900, 200, 350, 4_000, 0, 0, 10_100, True),
    ],
    columns=["period", "start", "new", "expansion", "contraction", "churned", "reactivation", "fx", "end", "complete"],
)
NPS = pd.DataFrame(
    [("2011-09", 70, 20, 10, 100, True), ("2011-10", 0, 0, 0, 0, True), ("2011-11", 3, 2, 1, 6, False)],
    columns=["period", "promoters", "passives", "detractors", "n", "complete"],
)
SEGMENTS = {"France": 0.5, "Peru": None, "Chile": 0.61}

DRAWINGS = {
    "trend": lambda: series.trend(trend_rows([0.38, 0.39, 0.456, 0.22], incomplete=[3]), WORDS, goal=0.45),
    "customer_movements": lambda: series.customer_movements(CUSTOMERS, WORDS),
    "mrr_movements": lambda: series.mrr_movements(MRR, WORDS),
    "nps": lambda: series.nps(NPS, WORDS),
    "segments": lambda: series.segments(segment_rows(SEGMENTS), WORDS, total=0.55),
}
every_drawing = pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)


def rows_of(drawing):
    return drawing.spec["data"]["values"]


def svg_texts(drawing) -> list[str]:
    """The texts in the picture itself."""
    return re.findall(r">([^<>]+)</t", vl_convert.vegalite_to_svg(drawing.spec))


def contrast_with_white(colour: str) -> float:
    """WCAG 2.2: relative luminance against white's."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


@every_drawing
def test_is_valid_vega_lite_and_the_same_bytes_every_time(draw):
    drawing = draw()
    alt.Chart.from_dict(drawing.spec)
    assert json.dumps(drawing.spec) == json.dumps(draw().spec)
    assert json.loads(json.dumps(drawing.spec, allow_nan=False)) == drawing.spec
    assert not re.search(r"data-[0-9a-f]{8}", json.dumps(drawing.spec))


@every_drawing
def test_is_untouched_by_the_session_theme(draw):
    before = draw().spec
    with alt.theme.enable("dark"):
        assert draw().spec == before


@every_drawing
def test_leaves_its_frame_alone_and_names_its_latest_period_in_words(draw):
    frames = CUSTOMERS, MRR, NPS
    copies = [frame.copy() for frame in frames]
    assert re.search(r"(September|October|November) 2011", draw().alt)
    for frame, copy in zip(frames, copies, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


def test_a_trend_can_be_held_against_the_year_before():
    """Of September nothing is known a year before; December, which is not over, has a whole one."""
    rows = trend_rows([0.38, 0.39, 0.456, 0.22], incomplete=[3]).assign(year_ago=[None, 0.35, 0.4, 0.9])
    drawing = series.trend(rows, WORDS, before="year_ago")
    assert [(row["earlier"], row["before"]) for row in rows_of(drawing)] == [
        (None, "–"),
        (0.35, "35.0%"),
        (0.4, "40.0%"),
        (0.9, "90.0%"),
    ]
    assert "a year before" in svg_texts(drawing)
    assert " Pale line: a year before, 90.0% for December 2011." in drawing.alt
    fields = [layer["encoding"]["y"]["field"] for layer in drawing.spec["layer"] if "y" in layer["encoding"]]
    assert "earlier" in fields
    scale = drawing.spec["layer"][0]["encoding"]["y"]["scale"]
    assert scale["domain"][1] > 0.9, "it is not cut off"
    alt.Chart.from_dict(drawing.spec)

    assert "before" not in json.dumps(series.trend(rows, WORDS).spec), "unasked, nothing is said of it"

    unknown = series.trend(rows.assign(year_ago=None), WORDS, before="year_ago")
    assert len(unknown.spec["layer"]) == len(series.trend(rows, WORDS).spec["layer"])
    assert "Pale line" not in unknown.alt


def test_what_can_be_selected_changes_nothing_else():
    rows = trend_rows([0.38, 0.39, 0.456])
    plain, brushed = series.trend(rows, WORDS).spec, series.trend(rows, WORDS, brush=True).spec
    (param,) = brushed["params"]
    assert (param["name"], param["select"]["type"], param["select"]["encodings"]) == ("brush", "interval", ["x"])
    assert param["views"] == [brushed["layer"][0].pop("name")]
    assert {name: value for name, value in brushed.items() if name != "params"} == plain
    assert "params" not in plain
    assert (
        alt.JupyterChart(alt.Chart.from_dict(series.trend(rows, WORDS, brush=True).spec)).selections.brush.value == {}
    )


def test_trend_words_name_the_latest_complete_figure_its_interval_and_its_goal():
    assert DRAWINGS["trend"]().alt == (
        "Line chart: Customer retention rate, September 2011 to December 2011. "
        "November 2011: 45.6%, 95% interval 43.6% to 47.6%, n 1,364. "
        "Highest 45.6% in November 2011, lowest 38.0% in September 2011. "
        "December 2011 is incomplete: 22.0%. Goal: 45%."
    )


def test_trend_labels_the_last_complete_value_and_marks_the_incomplete_period():
    texts = svg_texts(DRAWINGS["trend"]())
    assert {"45.6%", "goal", "45%", "incomplete", "Sept", "Dec", "2011"} <= set(texts)
    assert texts.count("2011") == 1  # the year is said where it changes


def test_the_first_year_is_not_said_beside_the_second():
    turn = trend_rows([0.4, 0.5, 0.45]).assign(period=["2011-12", "2012-01", "2012-02"])
    texts = svg_texts(series.trend(turn, WORDS))
    assert ("2011" in texts, texts.count("2012")) == (False, 1)


@pytest.mark.parametrize(("incomplete", "positions"), [((), {(None, None)}), ((2,), {("right", 8)})])
def test_the_label_of_the_last_complete_value_lies_away_from_what_follows(incomplete, positions):
    spec = json.loads(json.dumps(series.trend(trend_rows([0.4, 0.5, 0.6], incomplete=incomplete), WORDS).spec))
    bold = [mark for mark in marks_in(spec) if mark.get("fontWeight") == "bold"]
    assert {(mark.get("align"), mark.get("dx")) for mark in bold} == positions


def marks_in(spec):
    """The marks of a specification and of its layers."""
    own = [spec["mark"]] if isinstance(spec.get("mark"), dict) else []
    return own + [mark for layer in spec.get("layer", []) for mark in marks_in(layer)]


def test_trend_keeps_the_incomplete_period_off_the_line():
    last = rows_of(DRAWINGS["trend"]())[-1]
    assert (last["value"], last["line"], last["band"], last["complete"]) == (0.22, None, None, False)


def test_trend_leaves_a_gap_where_undefined_and_never_draws_zero():
    rows = rows_of(series.trend(trend_rows([0.4, 0.41, None, 0.3, float("nan"), 0.2, 0.25]), WORDS))
    assert [row["value"] for row in rows] == [0.4, 0.41, None, 0.3, None, 0.2, 0.25]
    assert [row["line"] for row in rows] == [0.4, 0.41, None, None, None, 0.2, 0.25]
    assert [row["alone"] for row in rows] == [False, False, True, True, True, False, False]  # 0.3 gets its own interval


def test_trend_of_one_period_is_a_point_with_its_interval():
    drawing = series.trend(trend_rows([0.456]), WORDS)
    (row,) = rows_of(drawing)
    assert (row["value"], row["line"], row["alone"], row["latest"]) == (0.456, None, True, True)
    assert "Line chart: Customer retention rate, September 2011. " in drawing.alt


@pytest.mark.parametrize("goal", [None, float("nan")])
def test_trend_without_goal_has_no_rule(goal):
    drawing = series.trend(trend_rows([0.4, 0.5]), WORDS, goal=goal)
    assert "goal" not in svg_texts(drawing)
    assert "Goal" not in drawing.alt


@pytest.mark.parametrize(
    ("values", "low", "high"), [([0.99, 1.0], 0.9, 1.0), ([0.0, 0.01], 0.0, 0.1), ([0.0], 0.0, 1.0)]
)
def test_rates_have_no_axis_beyond_nought_and_a_hundred_per_cent(values, low, high):
    drawing = series.trend(trend_rows(values, half=None), WORDS)
    bottom, top = drawing.spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert low <= bottom < top <= high


@pytest.mark.parametrize(
    ("value", "ticks"),
    [
        (250, {"£240", "£260"}),
        (64_000, {"£60,000", "£70,000"}),
        (250_000, {"£240K", "£260K"}),
        (2_300_000, {"£2.2M", "£2.4M"}),
        (-250_000, {"−£240K", "−£260K"}),
    ],
)
def test_money_axis_speaks_as_the_text_does(value, ticks):
    assert ticks <= set(svg_texts(series.trend(trend_rows([Decimal(value)], "money", half=None), WORDS)))


def test_many_periods_thin_their_labels_but_keep_the_latest():
    weeks = [f"2011-W{week:02}" for week in range(1, 53)]
    rows = pd.concat([trend_rows([0.4])] * 52, ignore_index=True).assign(period=weeks)
    labels = [text for text in svg_texts(series.trend(rows, WORDS)) if re.fullmatch(r"\d+ [A-Z][a-z]+", text)]
    assert labels[-1] == "26 Dec"
    assert len(labels) <= series.MOST_LABELS / 2, "a day and a month take twice the room"


def test_a_narrower_chart_has_fewer_labels_and_no_year_is_lost():
    """Of five months three at most: each second, the last among them; the year of one left out goes to the next."""
    months = ["2023-11", "2023-12", "2024-01", "2024-02", "2024-03"]
    chart = series.trend(trend_rows([0.4, 0.5, 0.6, 0.5, 0.4], incomplete=[4]).assign(period=months), WORDS)
    narrow = series.with_fewer_labels(chart.spec, 3)
    labels = json.loads(re.search(r"\{.*\}", narrow["encoding"]["x"]["axis"]["labelExpr"])[0])
    assert list(labels) == ["2023-11", "2024-01", "2024-03"]
    assert [lines[0] for lines in labels.values()] == ["Nov", "Jan", "Mar"]
    assert labels["2024-01"][1] == "2024"
    assert labels["2024-03"][-1] == "incomplete"
    assert series.with_fewer_labels(chart.spec, 5) == chart.spec


def test_a_running_period_after_a_year_is_told_below_it():
    """Else the year of January and "incomplete" of February would run into one another."""
    chart = series.trend(
        trend_rows([0.4, 0.5, 0.6], incomplete=[2]).assign(period=["2023-12", "2024-01", "2024-02"]),
        WORDS,
    )
    labels = json.loads(re.search(r"\{.*\}", chart.spec["encoding"]["x"]["axis"]["labelExpr"])[0])
    assert (labels["2024-01"], labels["2024-02"]) == (["Jan", "2024"], ["Feb", "\u200b", "incomplete"])


def test_customer_movements_stack_what_came_above_zero_and_what_left_below():
    october = {
        row["kind"]: row["value"] for row in rows_of(DRAWINGS["customer_movements"]()) if row["period"] == "2011-10"
    }
    assert october == {"kept": 250, "back": 10, "new": 50, "lost": -150}


def test_customer_movements_leave_out_what_the_first_period_cannot_know():
    assert [row["kind"] for row in rows_of(DRAWINGS["customer_movements"]()) if row["period"] == "2011-09"] == ["new"]


def test_customer_movements_words_tell_the_last_complete_period():
    assert DRAWINGS["customer_movements"]().alt == (
        "Stacked bars: customers gained and lost, September 2011 to November 2011. "
        "October 2011: 250 kept, 10 back, 50 new, 150 lost, 310 at the end. November 2011 is incomplete."
    )


def test_mrr_movements_put_losses_below_zero_and_exchange_rates_by_their_sign():
    assert not [row for row in rows_of(DRAWINGS["mrr_movements"]()) if row["kind"] == "exchange rates"]
    drawing = series.mrr_movements(MRR.assign(fx=[-40, 25]), WORDS)
    october = {row["kind"]: row["value"] for row in rows_of(drawing) if row["period"] == "2011-10"}
    assert october["contraction"] == -350
    assert october["lost"] == -4_000
    assert october["exchange rates"] == 25
    assert "£900 new" in drawing.alt
    assert "£10,100 at the end" in drawing.alt


def test_nps_draws_counts_and_leaves_the_shares_to_the_stack():
    drawing = DRAWINGS["nps"]()
    assert drawing.spec["layer"][0]["encoding"]["y"]["stack"] == "normalize"
    september = [(row["kind"], row["value"]) for row in rows_of(drawing) if row["period"] == "2011-09"]
    assert september == [("detractors (0–6)", 10), ("passives (7–8)", 20), ("promoters (9–10)", 70)]
    assert "of 0 answers. November 2011 is incomplete." in drawing.alt
    assert {"n", "100", "0", "6"} <= set(svg_texts(drawing))


@pytest.mark.parametrize("name", ["customer_movements", "mrr_movements", "nps"])
def test_colours_are_fixed_to_their_part(name):
    scale = DRAWINGS[name]().spec["layer"][0]["encoding"]["color"]["scale"]
    assert len(scale["domain"]) == len(scale["range"]) == len(set(scale["range"]))


def test_segments_stand_in_the_order_given():
    drawing = DRAWINGS["segments"]()
    assert drawing.spec["encoding"]["y"]["scale"]["domain"] == ["France", "Peru", "Chile"]
    assert drawing.alt == (
        "Dot plot: Customer retention rate by country, November 2011, largest first. "
        "France 50.0% · n 1,364, Peru – · n 1,364, Chile 61.0% · n 1,364. All together: 55.0%."
    )
    assert {"all 55.0%", "61.0% · n 1,364", "– · n 1,364"} <= set(svg_texts(drawing))


@pytest.mark.parametrize(
    ("metric", "unit", "rows", "whole", "pooled"),
    [  # value, numerator, denominator and n of two large values, two small ones and the rows without a value
        ("revenue", "money", [(100, 50), (80, 40), (7.5, 5), (2.5, 3), (1, 2)], 191, 10),
        ("revenue", "money", [(100, 50), (80, 40), (7.5, 5), (2.5, 3), (1, 2)], 50, None),  # no sum: such as a median
        ("net_promoter_score", "points", [(50, 50), (40, 40), (20, 5), (-40, 10), (0, 2)], 40, -20),  # (1 - 4) of 15
        ("revenue", "money", [(100, 50), (80, 40), (None, 5), (None, 3), (1, 2)], 181, None),
    ],
)
def test_small_segment_values_are_pooled(metric, unit, rows, whole, pooled):
    frame = segment_rows({name: value for name, (value, _) in zip(["A", "B", "c", "d", NONE], rows, strict=True)})
    counts = [n for _, n in rows]
    if unit == "points":
        frame = frame.assign(numerator=[value * n / 100 for value, n in rows], denominator=counts)
    frame = frame.assign(metric=metric, unit=unit, n=counts, note="", low=None, high=None)
    sized = by_size(frame.reindex(columns=COLUMNS), WORDS, whole)
    assert list(sized["segment_value"]) == ["A", "B", "2 small ones together", NONE]
    (value,) = sized["value"].astype(float).iloc[[2]]
    assert value == pooled or (pooled is None and value != value)
    assert sized["n"].iloc[2] == counts[2] + counts[3]


def test_segments_say_how_many_the_words_leave_out():
    drawing = series.segments(segment_rows({f"Country {number}": 0.3 for number in range(50)}), WORDS)
    assert drawing.alt.endswith("And 40 more.")
    assert sum(text.startswith("Country") for text in svg_texts(drawing)) == 50


HOSTILE = [
    "<script>alert(1)</script>",
    'O\'Brien "x"\nnew\x0bline\x00',
    "__proto__",
    "datum.value",
    "${x}",
    "{x}",
    "=1+1",
    "]]>&",
]


def test_hostile_segment_names_stay_names():
    drawing = series.segments(segment_rows(dict.fromkeys([*HOSTILE, "long " * 500], 0.3)), WORDS)
    names = [row["name"] for row in rows_of(drawing)]
    assert names[0] == "<script>alert(1)</script>"
    assert names[1] == 'O\'Brien "x"␊new␋line␀'  # XML cannot hold the control characters themselves
    assert len(set(names)) == len(HOSTILE) + 1
    without_data = drawing.spec | {"data": None, "encoding": None}
    assert not any(json.dumps(name)[1:-1] in json.dumps(without_data) for name in names)
    svg = vl_convert.vegalite_to_svg(drawing.spec)
    assert "<script" not in svg
    assert "__proto__" in svg


@pytest.mark.parametrize(
    "draw",
    [
        lambda: series.trend(trend_rows([None, None]), WORDS, goal=0.45),
        lambda: series.trend(trend_rows([]), WORDS),
        lambda: series.segments(segment_rows({"France": None}), WORDS, total=0.4),
        lambda: series.segments(pd.DataFrame(), WORDS),
        lambda: series.customer_movements(CUSTOMERS.head(0), WORDS),
        lambda: series.mrr_movements(MRR.assign(new=0, expansion=0, contraction=0, churned=0, reactivation=0), WORDS),
        lambda: series.nps(NPS.iloc[[1]], WORDS),
    ],
)
def test_nothing_defined_is_no_picture(draw):
    assert draw() is None


@pytest.mark.parametrize("colour", [series.INK, series.MUTED, series.TEAL, series.BRICK])
def test_text_can_be_read_on_white(colour):
    assert contrast_with_white(colour) >= 4.5


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["short", "(none)"], ["short", "(none)"]),
        ([f"Country number {k} of the Federation" for k in (1, 12)] + ["(none)"], ["…1…", "…12…", "(none)"]),
        (["shop.example/category/shoes-men", "shop.example/category/hats-women"], ["…shoes-men", "…hats-women"]),
        (["a" * 40, "web"], ["aaaaaaaaaaaa…aaaaaaaaaaaa", "web"]),
        (["The Society of Long Names in Wales"] * 2, ["The Society…mes in Wales (1)", "The Society…mes in Wales (2)"]),
    ],
)
def test_long_names_are_told_apart(names, expected):
    assert short_names(names) == expected


@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize("latest", [0.931, 0.95, 0.969, 0.98])
def test_the_latest_figure_and_its_goal_are_written_apart(latest, falling):
    low, high = 0.93, 0.98
    pixels = (series.HEIGHT - 60) / (high - low)
    for goal in (low + step * (high - low) / 200 for step in range(201)):
        below, shift = series._label_positions(latest, falling, goal, low, high)
        figure = latest * pixels - (series.BELOW if below else series.ABOVE)
        assert abs(goal * pixels - series.GOAL_LABEL_OFFSET - shift - figure) >= series.LABEL_DISTANCE - 1, goal
        assert not below or latest > 0.94, "where the axis is"
    assert series._label_positions(latest, falling, None, low, high) == (falling and latest > 0.94, 0)
