"""Every answer of a customer (answers = "all"): its intervals go by customers, as one customer's answers are alike."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from pencil import row, table
from retention_kit.metrics.catalogue import Measure
from retention_kit.metrics.formulas import difference, mean, nps_interval, paired, wilson

UTC = {"timezone": "UTC", "currency": "GBP", "as_of": "2024-03-01"}
METRICS = {"nps": "net_promoter_score", "csat": "customer_satisfaction_score", "ces": "customer_effort_score"}
COLUMNS = ["customer_id", "responded_at", "survey", "score", "weight", "region"]
SCALES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}


def framed(rows: list[tuple]) -> pd.DataFrame:
    """All answers, on the scale that each survey has here."""
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.assign(scale=["{}-{}".format(*SCALES[survey]) for survey in frame["survey"]])


def interval(data, survey: str, period: str = "2024-01") -> tuple[float, float]:
    figure = row(data, METRICS[survey], period)
    return figure["low"], figure["high"]


# With a pencil


def test_answers_of_one_customer_count_for_less_than_those_of_several():
    data = rk.load(responses=table("""
        customer_id  responded_at  survey  score
        Ann          2024-01-05    nps     10
        Ann          2024-01-09    nps     10
        Ben          2024-01-09    nps     0
        -            2024-01-09    nps     9
        -            2024-01-09    nps     8
    """), answers="all", **UTC)  # fmt: skip  # the table as on paper
    figure = row(data, "net_promoter_score", "2024-01")
    assert (figure["value"], figure["n"]) == (40, 5)  # 100 × (3 - 1) / 5
    # An answer less the mean of 0.4: 0.6 and 0.6 (Ann), -1.4 (Ben), 0.6, -0.4. Squared answer by answer they are 3.2;
    # squared
    # by customer 1.2² + 1.4² + 0.6² + 0.4² = 3.92. Five answers (÷ 4/5) are (5/1)² of Kish's, four customers of 2, 1,
    # 1 and 1
    # answers count as 5² / 7, so (÷ 1 - 7/25).
    size = 5 / ((3.92 / (1 - 7 / 25)) / (3.2 / (1 - 1 / 5)))
    assert (figure["low"], figure["high"]) == pytest.approx(nps_interval(0.6 * size, 0.2 * size, size))


@pytest.mark.parametrize("scores", [(5, 5, 5, 5, 5), (1, 1, 1, 1, 1)])
def test_where_all_say_the_same_a_customer_is_one_answer(scores):
    """Three customers of 3, 1 and 1 answers: 5² / (9 + 1 + 1) answers."""
    customer_ids = ["Ann", "Ann", "Ann", "Ben", None]
    days = [f"2024-01-{5 + index:02}" for index in range(5)]
    frame = pd.DataFrame({"customer_id": customer_ids, "responded_at": days, "survey": "csat", "score": scores})
    data = rk.load(responses=frame, answers="all", **UTC)
    size = 25 / 11
    assert interval(data, "csat") == pytest.approx(wilson(size * (scores[0] == 5), size))


def test_many_answers_of_a_single_customer_are_one():
    rows = [
        ("Ann", f"2024-01-{1 + index:02}", survey, SCALES[survey][index % 2])
        for survey in SCALES
        for index in range(18)
    ]
    data = rk.load(responses=pd.DataFrame(rows, columns=COLUMNS[:4]), answers="all", ces_top="mean", **UTC)
    assert interval(data, "csat") == pytest.approx(wilson(0.5, 1))
    assert interval(data, "nps") == pytest.approx(nps_interval(0.5, 0.5, 1))
    assert interval(data, "ces") == (None, None)  # no mean of one has an interval


def test_customers_of_unlike_answers_are_no_more_certain_than_independent_answers():
    """Each customer gave the best and the worst answer: their sums are all the same, yet the interval is not of no
    width.
    """
    rows = [(f"c{customer}", "2024-01-05", "csat", score) for customer in range(10) for score in (1, 5)]
    data = rk.load(responses=pd.DataFrame(rows, columns=COLUMNS[:4]), answers="all", **UTC)
    assert interval(data, "csat") == pytest.approx(wilson(10, 20))


# Against the customers themselves


def is_near(actual: tuple, expected: tuple) -> bool:
    """Bounds that are equal but for rounding, or both missing."""
    return (None in actual and actual == expected) or actual == pytest.approx(expected, rel=1e-5, abs=1e-6)


def brute(rows: list[tuple], survey: str, top: int | str) -> tuple[Measure, dict]:
    """The figure from its rows, with what each customer adds to numerator and denominator."""
    high = SCALES[survey][1]
    customers, parts = defaultdict(lambda: [0.0, 0.0]), []
    for index, (customer, _, _, score, weight, _) in enumerate(rows):
        if survey == "nps":
            part = (score >= 9) - (score <= 6)
        else:
            boxes = 2 if survey == "csat" else top
            part = score if boxes == "mean" else int(score > high - boxes)
        parts.append((weight, part))
        customers[customer or index][0] += weight * part
        customers[customer or index][1] += weight
    n, whole, squares = len(parts), sum(w for w, _ in parts), sum(w * w for w, _ in parts)
    value = sum(w * y for w, y in parts) / whole
    variance = sum(w * (y - value) ** 2 for w, y in parts) / whole
    kish, counted = whole**2 / squares, whole**2 / sum(w * w for _, w in customers.values())
    if variance < 1e-9 or len(customers) == 1:
        size = counted
    else:  # Kish's n, less what the customers' sums scatter more than their answers do
        alone = sum((w * (y - value)) ** 2 for w, y in parts)
        together = sum((a - value * w) ** 2 for a, w in customers.values())
        more = (variance * squares + together - alone) / (variance * squares)
        size = kish / max(1.0, more * (1 - 1 / kish) / (1 - 1 / counted))
    share = {name: sum(w for w, y in parts if y == sign) / whole for name, sign in (("up", 1), ("down", -1))}
    scale = 1.0
    if survey == "nps":
        scale, bounds = 100.0, nps_interval(share["up"] * size, share["down"] * size, size)
        bounds = min(bounds[0], 100 * value), max(bounds[1], 100 * value)
    elif survey == "ces" and top == "mean":
        figure = mean(value * size, sum(w * y * y for w, y in parts) / whole * size, size, "")
        bounds = figure.low, figure.high
    else:
        bounds = wilson(value * size, size)
    return Measure(scale * value, scale * value * whole, whole, n, *bounds), customers


def change(now: tuple[Measure, dict], before: tuple[Measure, dict], scale: float) -> tuple[float, float]:
    """The interval of the difference, paired by who answered in both periods."""
    (measure, later), (other, earlier) = now, before
    both = [
        (*later[customer], *earlier[customer])
        for customer in later.keys() & earlier.keys()
        if isinstance(customer, str)
    ]
    crossed = (
        scale**2 * sum(a * b for a, _, b, _ in both),
        scale * sum(a * v for a, _, _, v in both),
        scale * sum(w * b for _, w, b, _ in both),
        sum(w * v for _, w, _, v in both),
    )
    now = Measure(
        measure.value, measure.numerator, measure.denominator, measure.n, measure.low, measure.high, crossed=crossed
    )
    return difference(now, other, paired(now, other))


@st.composite
def answers(draw, once: bool = False) -> list[tuple]:
    """Answers of few customers, each of one region, and of nobody known, in two months."""
    is_weighted, rows = draw(st.booleans()), []
    for survey, (low, high) in SCALES.items():
        for hour in range(draw(st.integers(1, 12))):  # no answer twice over
            customer = draw(st.sampled_from(["a", "b", "c", "d", None]))
            month = draw(st.sampled_from(["2024-01", "2024-02"]))
            weight = draw(st.sampled_from([0.5, 1.0, 3.0])) if is_weighted else 1.0
            region = {"a": "north", "b": "south"}.get(customer) or "north"
            rows.append((customer, f"{month}-10 {hour:02}:00", survey, draw(st.integers(low, high)), weight, region))
    if once:
        rows = list({(row[0] or index, row[1][:7], row[2]): row for index, row in enumerate(rows)}.values())
    return rows


@pytest.mark.long
@settings(max_examples=6)
@given(answers(), st.sampled_from([3, "mean"]))
def test_intervals_are_those_of_the_customers_sums(rows, top):
    """Of the whole, of each region and of the change, for every survey."""
    data = rk.load(responses=framed(rows), answers="all", ces_top=top, segments=["region"], **UTC)
    frames = {
        period: rk.scorecard(data, period, metrics=list(METRICS.values()), segment="region").astype(object)
        for period in ("2024-01", "2024-02")
    }
    for survey, metric in METRICS.items():
        for region in ("", "north", "south"):
            selected = [row for row in rows if row[2] == survey and region in ("", row[5])]
            months = [[row for row in selected if row[1].startswith(month)] for month in ("2024-01", "2024-02")]
            before, now = (brute(month, survey, top) if month else None for month in months)
            for period, expected in (("2024-01", before), ("2024-02", now)):
                frame = frames[period]
                frame = frame[(frame["metric"] == metric) & (frame["segment_value"] == region)]
                if expected is None:
                    assert frame["value"].isna().all()  # or no row
                    continue
                (figure,) = frame.where(frame.notna(), None).to_dict("records")
                assert figure["value"] == pytest.approx(expected[0].value)
                assert figure["n"] == expected[0].n
                assert is_near((figure["low"], figure["high"]), (expected[0].low, expected[0].high))
            if now and before:  # `found` is February's
                bounds = change(now, before, 100.0 if survey == "nps" else 1.0) or (None, None)
                assert is_near((figure["change_low"], figure["change_high"]), bounds)


@settings(max_examples=4)
@given(answers(once=True), st.sampled_from([3, "mean"]))
def test_where_everyone_answers_once_nothing_differs(rows, top):
    """To the last bit, whichever answers count."""
    frame = framed(rows)
    last, every = (
        rk.scorecard(
            rk.load(responses=frame, answers=setting, ces_top=top, **UTC), "2024-02", metrics=list(METRICS.values())
        )
        for setting in ("last", "all")
    )
    pd.testing.assert_frame_equal(last, every, check_exact=True)


def test_more_answers_of_the_same_customers_do_not_make_a_figure_more_certain():
    """Twenty customers who say the same four times are as certain as when they say it once; a metric's n is the
    answers.
    """
    rows = [
        (f"c{customer}", f"2024-01-{10 + again}", "csat", 5 if customer % 3 else 2)
        for customer in range(20)
        for again in range(4)
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS[:4])
    last, every = (rk.load(responses=frame, answers=setting, **UTC) for setting in ("last", "all"))
    assert interval(every, "csat") == pytest.approx(interval(last, "csat"), rel=0.03)
    assert [row(data, METRICS["csat"], "2024-01")["n"] for data in (last, every)] == [20, 80]


@pytest.mark.long
def test_weighted_answers_are_added_up_the_same_way_every_time(tmp_path):
    """Processors finish in any order, and a sum of fractions is rounded at each step."""
    draws = np.random.default_rng(7)
    number = 150_000
    weights = draws.lognormal(size=number)
    answers = pd.DataFrame(
        {
            "customer_id": draws.integers(0, 60_000, number).astype(str),
            "responded_at": pd.Timestamp("2024-01-01") + pd.to_timedelta(draws.integers(0, 60, number), "D"),
            "survey": "nps",
            "score": draws.integers(0, 11, number),
            "weight": weights,
        }
    )
    answers.to_parquet(tmp_path / "responses.parquet", row_group_size=4096)
    (tmp_path / "retention.toml").write_text(
        '[data]\nresponses = "responses.parquet"\n[definitions]\nanswers = "all"\n', "utf-8"
    )
    cards = []
    for _ in range(4):
        data = rk.load(tmp_path / "retention.toml", as_of="2024-03-01")
        cards.append(rk.scorecard(data, periods=["2024-01", "2024-02"], metrics=["net_promoter_score"]))
    for card in cards[1:]:
        pd.testing.assert_frame_equal(card, cards[0], check_exact=True)
    assert cards[0]["denominator"].sum() == pytest.approx(math.fsum(weights), rel=1e-13)
