"""How goals stand: the way, the pace, what is likely, and the six states, each with a rule for what is odd."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import retention_kit as rk
from fonts import characters_of
from retention_kit.errors import SettingsError
from retention_kit.metrics.goals import outlook as outlooks
from retention_kit.metrics.goals.outlook import Observation, fit
from retention_kit.metrics.goals.pace import bar, elapsed, expected, is_met, progress
from retention_kit.metrics.goals.reading import goal_states
from retention_kit.metrics.goals.states import (
    AT_RISK,
    MISSED,
    NO_DATA,
    OFF_TRACK,
    ON_TRACK,
    REACHED,
    SHAPES,
    URGENT,
    GoalState,
    goal_state,
)
from retention_kit.periods import Period
from retention_kit.report.blocks import templates_dir
from retention_kit.settings.goals import Goal
from scripts import read_script

FIGURES = st.floats(-1e9, 1e9).map(lambda value: round(value, 6))
BETTER = st.sampled_from(["higher", "lower", ""])


# The arithmetic


@given(FIGURES, FIGURES, FIGURES, BETTER)
def test_progress_is_the_part_of_the_way(value, start, target, better):
    share = progress(value, start, target, better)
    if is_met(start, target, better):
        assert share is None, "a level to keep is no way to go"
        return
    assert share == pytest.approx((value - start) / (target - start))
    assert (progress(start, start, target, better), progress(target, start, target, better)) == (0, 1)
    if abs(target - start) > 1e-3 and abs(value - target) > 1e-3:  # else rounding decides
        assert (share > 1) == (is_met(value, target, better) and value != target)


@given(FIGURES, FIGURES, FIGURES, BETTER, st.floats(0.01, 100), FIGURES)
def test_progress_knows_no_unit_and_no_direction(value, start, target, better, factor, shift):
    """Of cents, or counted from elsewhere, the part of the way is the same; so it is seen from below."""
    assume(abs(target - start) > 1)
    share = progress(value, start, target, better)
    assume(share is not None)
    other = progress(*(figure * factor + shift for figure in (value, start, target)), better)
    assert other == pytest.approx(share, rel=1e-4, abs=1e-4)
    mirrored = progress(-value, -start, -target, "higher" if better == "lower" else "lower")
    assert mirrored == pytest.approx(share)


@pytest.mark.parametrize("odd", [nan, inf, -inf, None])
def test_what_is_no_number_makes_no_way(odd):
    assert progress(odd, 1.0, 2.0, "higher") is None
    assert progress(1.0, odd, 2.0, "higher") is None


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-50, 50))
def test_time_passes_from_0_to_1(period, start, due):
    share = elapsed(period, start, due)
    assert (share is None) == (due <= start)
    if share is not None:
        assert 0 <= share <= 1
        assert (share == 0) == (period <= start)
        assert (share == 1) == (period >= due)
        assert elapsed(period + 1, start, due) >= share


@given(FIGURES, FIGURES, BETTER, st.floats(0, 1))
def test_the_pace_is_a_straight_line(start, target, better, share):
    """Who is exactly where they should be has come as far as time has."""
    pace = expected(start, target, better, share)
    if is_met(start, target, better):
        assert pace == target, "a level is to be held all the time"
    else:
        assert min(start, target) - 1e-6 <= pace <= max(start, target) + 1e-6
        if abs(target - start) > 1:
            assert progress(pace, start, target, better) == pytest.approx(share, abs=1e-6)
    assert expected(None, target, better, share) is None
    assert expected(start, target, better, None) is None


@given(st.floats(-5, 5), st.booleans())
def test_a_bar_is_full_where_the_goal_is_reached_alone(share, is_reached):
    assert (bar(share, is_reached) == 1) == is_reached
    assert 0 <= bar(share, is_reached) <= 1
    assert bar(None, is_reached) is None


# What is likely


def test_a_level_that_never_moved_goes_on():
    outlook = fit([Observation(index, 100.0) for index in range(10)], "count", is_part=False)
    assert outlook.probability(99, "higher", 12) == outlooks.SURE
    assert outlook.probability(101, "higher", 12) == pytest.approx(1 - outlooks.SURE)
    assert outlook.probability(100, "higher", 12) == outlook.probability(100, "lower", 12) == outlooks.SURE
    assert outlook.interval(12) == pytest.approx((100, 100, 100))


def test_under_eight_periods_nothing_is_said():
    assert fit([Observation(index, 100.0 + index % 3) for index in range(7)], "count", is_part=False) is None
    assert fit([Observation(index, 100.0 + index % 3) for index in range(8)], "count", is_part=False) is not None
    old = [Observation(index, 100.0 + index % 3) for index in (*range(7), 40)]
    assert fit(old, "count", is_part=False) is None, "what is long past does not count"


UNITS = st.sampled_from([("fraction", True, 0.0, 1.0), ("money", False, 0.01, 1e9), ("points", False, -100.0, 100.0)])


@settings(max_examples=60)
@given(UNITS, st.data())
def test_a_probability_is_one_and_further_goals_are_less_likely(unit, data):
    name, is_part, low, high = unit
    values = data.draw(st.lists(st.floats(low, high), min_size=8, max_size=30))
    outlook = fit([Observation(at, value) for at, value in enumerate(values)], name, is_part)
    at = len(values) + data.draw(st.integers(0, 20))
    targets = sorted(data.draw(st.lists(st.floats(low, high), min_size=2, max_size=5)))
    chances = [outlook.probability(target, "higher", at) for target in targets]
    assert chances == sorted(chances, reverse=True)
    assert all(0.01 - 1e-9 <= chance <= 0.99 for chance in chances)
    for target, chance in zip(targets, chances, strict=True):
        if len({*values}) > 1:  # else it is as good as itself, either way
            assert outlook.probability(target, "lower", at) == pytest.approx(1 - chance, abs=1e-9)
    lowest, middle, highest = outlook.interval(at)
    assert lowest <= middle <= highest
    if is_part:
        assert 0 <= lowest <= highest <= 1


def test_fractions_that_may_pass_the_whole_are_no_parts():
    """Net revenue retention has been below 1 so far: 1.05 is further away, not out of reach."""
    values = [Observation(index, 0.98 + 0.01 * (index % 3)) for index in range(12)]
    assert fit(values, "fraction", is_part=False).probability(1.005, "higher", 13) > 0.05


@pytest.mark.long
def test_what_is_said_to_be_likely_happens_so_often():
    """Said 70%, happens 60 to 80%; all by benchmarks/goal_outlook.py, whose figures are in benchmarks/GOALS.md."""
    goal_outlook = read_script("goal_outlook")
    trials = list(goal_outlook.trials(200))
    for path in ("", *goal_outlook.PATHS):
        for predicted, observed, _, count in goal_outlook.calibration(
            [trial for trial in trials if path in ("", trial.path)]
        ):
            assert observed == pytest.approx(predicted, abs=0.1 if not path else 0.16), (path, count)
    assert goal_outlook.brier(trials) < 0.16


# The states


def state_of(values: list[float | None], due: int, better: str = "higher", **fields) -> GoalState:
    """A goal of months from January 2024 on, judged at the last of them; `due` counts from January 2024, too."""
    begin = Period.parse("2024-01")
    known = [Observation(begin.index + at, value) for at, value in enumerate(values) if value is not None]
    goal = Goal(fields["target"])
    blank = GoalState("x", goal, "x", "month", "points", better, **fields)
    at = begin.shift(len(values) - 1)
    return goal_state(blank, known, at, begin.shift(due) if due >= 0 else None, begin, is_part=False)


@pytest.mark.parametrize(
    ("values", "due", "better", "target", "start", "state"),
    [
        ([10, 12], 5, "higher", 20, 10, ON_TRACK),  # should be 12 by now
        ([10, 11], 5, "higher", 20, 10, AT_RISK),  # half of what should be
        ([10, 10.9], 5, "higher", 20, 10, OFF_TRACK),
        ([10, 9], 5, "higher", 20, 10, OFF_TRACK),
        ([10, 20], 5, "higher", 20, 10, REACHED),
        ([20, 18], 5, "lower", 10, 20, ON_TRACK),
        ([20, 19.5], 5, "lower", 10, 20, OFF_TRACK),
        ([20, 10], 5, "lower", 10, 20, REACHED),
        ([-60, -50], 5, "higher", -10, -60, ON_TRACK),
        ([-60, -55], 5, "higher", -10, -60, AT_RISK),
        ([-60, -50], 1, "higher", -10, -60, MISSED),
        ([10, 19], -1, "higher", 20, 10, MISSED),  # a goal of every period
        ([25, 19], 5, "higher", 20, 25, AT_RISK),  # it began beyond and was to be held
        ([25, 21], 5, "higher", 20, 25, REACHED),
        ([20, 20], 5, "higher", 20, 20, REACHED),  # no way at all
        ([10, None], 5, "higher", 20, 10, NO_DATA),
        ([10] * 7 + [11], 20, "higher", 20, 10, OFF_TRACK),  # behind, and unlikely
        ([18, 19, 18.5, 19, 18.5, 19.5, 18, 18.8], 8, "higher", 19.2, 17, AT_RISK),  # behind, but open
        ([19.5, 19.4, 19.6] * 4 + [19.5, 19.2], 14, "higher", 19.3, 19.2, ON_TRACK),  # behind, but likely
        ([1, 2, 3, 4, 5, 6, 7, 8], 80, "higher", 60, 1, AT_RISK),  # on pace, and unlikely by what was
    ],
)
def test_a_goal_has_one_of_the_six_states(values, due, better, target, start, state):
    goal = state_of(values, due, better, target=float(target), start=float(start))
    assert goal.state == state, goal
    assert goal.bar is None or (goal.bar == 1) == (state == REACHED)


def test_a_missed_goal_below_zero_shows_no_full_bar():
    goal = state_of([-60, -50], 1, target=-10.0, start=-60.0)
    assert (goal.state, goal.progress, goal.bar) == (MISSED, 0.2, 0.2)
    backwards = state_of([-60, -70], 1, target=-10.0, start=-60.0)
    assert (backwards.progress, backwards.bar) == (-0.2, 0.0), "told as it is; a bar has no less than nothing"


@given(
    st.lists(st.one_of(st.none(), st.floats(-100, 100)), min_size=1, max_size=30),
    st.integers(-1, 40),
    st.floats(-100, 100),
    st.one_of(st.none(), st.floats(-100, 100)),
    BETTER,
)
@settings(max_examples=150)
def test_every_goal_has_one_of_six_states_that_agrees_with_its_figure(values, due, target, start, better):
    goal = state_of(values, due, better, target=target, start=start)
    assert goal.state in SHAPES
    assert (goal.state == NO_DATA) == (values[-1] is None)
    if values[-1] is None:
        assert goal.reason
        return
    assert (goal.state == REACHED) == is_met(values[-1], target, better)
    if goal.state == MISSED:
        assert due <= len(values) - 1
    assert (goal.probability is None) == (due < len(values) or goal.known < outlooks.LEAST)
    assert goal.bar is None or 0 <= goal.bar <= 1
    assert goal.mark is None or 0 <= goal.mark <= 1


@pytest.mark.parametrize("weight", ["Regular", "Bold"])
def test_each_state_has_a_shape_of_its_own_that_paper_can_print(weight):
    assert set(URGENT) == set(SHAPES)
    assert len(set(SHAPES.values())) == len(SHAPES) == 6
    known = characters_of(templates_dir() / "fonts" / f"IBMPlexSansArabic-{weight}.ttf")
    assert 0x1F600 not in known, "a font without emoji: the test can fail"
    assert {ord(shape) for shape in SHAPES.values()} <= known


# From the data


def shop(folder: Path, goals: str, every: str = "month", as_of: str = "2025-01-01") -> object:
    """In 2024, a hundred customers buy for 10 each in every month, one fewer from month to month."""
    rows = [
        (f"c{number}", f"2024-{month:02d}-10", 10.0, "UK" if number % 2 else "France")
        for month in range(1, 13)
        for number in range(101 - month)
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount", "country"])
    frame[frame["ordered_at"] < as_of].to_csv(folder / "orders.csv", index=False)
    report = f'[report]\ntimezone = "UTC"\ncurrency = "GBP"\nas_of = {as_of}\nevery = "{every}"\n'
    (folder / "retention.toml").write_text(f'[data]\norders = "orders.csv"\n{report}{goals}', "utf-8")
    return rk.load(folder)


def states(data: object, period: str, **more) -> dict[str, GoalState]:
    return {goal.id: goal for goal in goal_states(data, Period.parse(period), **more)}


def test_the_start_is_the_first_complete_period_with_a_figure(tmp_path):
    """In January nobody has been a customer before; of its 100 customers 99 buy again in February."""
    goals = '[goals.customer_retention_rate]\ntarget = 1.0\nby = "2024-12"\n[goals.active_customers]\ntarget = 120\n'
    by_metric = states(shop(tmp_path, goals), "2024-06")
    rate, count = by_metric["customer_retention_rate"], by_metric["active_customers"]
    assert (rate.start, rate.start_period, rate.period) == (0.99, "2024-02", "2024-06")
    assert rate.value == pytest.approx(95 / 96)
    assert rate.expected == pytest.approx(4 / 10), "four of the ten months from February to December"
    assert rate.pace == pytest.approx(0.99 + 0.01 * 0.4)
    assert (count.start, count.start_period, count.value, count.state) == (100, "2024-01", 95, MISSED)
    assert count.progress == pytest.approx(-5 / 20)


def test_the_start_is_looked_for_as_long_as_there_is_none(tmp_path):
    """Orders from January 2022 on, answers from June 2023: 12 that month, of 30 promoters 15 in July and 18 in August.

    A goal that was due in June began with the answers of that month, few as they are: what came later is not on its way.
    """
    months = pd.period_range("2022-01", "2023-08", freq="M")
    orders = pd.DataFrame({"customer_id": "a", "ordered_at": [f"{month}-10" for month in months], "amount": 10.0})
    answers = [
        (f"2023-{month:02d}-10", "nps", 10 if number < promoters else 7)
        for month, promoters, of in ((6, 9, 12), (7, 15, 30), (8, 18, 30))
        for number in range(of)
    ]
    orders.to_csv(tmp_path / "orders.csv", index=False)
    answers = pd.DataFrame(answers, columns=["responded_at", "survey", "score"])
    answers.to_csv(tmp_path / "responses.csv", index=False)
    goal = '[[goals]]\nid = "{}"\nmetric = "net_promoter_score"\ntarget = 90\nby = "{}"\n'
    text = (
        '[data]\norders = "orders.csv"\nresponses = "responses.csv"\n[report]\ntimezone = "UTC"\nas_of = 2023-09-01\n'
    )
    (tmp_path / "retention.toml").write_text(text + goal.format("now", "2023-12") + goal.format("past", "2023-06"))
    by_name = states(rk.load(tmp_path), "2023-08")
    now, past = by_name["now"], by_name["past"]
    assert (now.start, now.start_period, now.value) == (50, "2023-07", 60)
    assert (now.progress, now.expected) == (pytest.approx(10 / 40), pytest.approx(1 / 5))
    assert (now.state, past.state) == (ON_TRACK, MISSED)
    assert (past.start, past.start_period, past.value) == (75, "2023-06", 75)


def test_what_is_before_the_table_of_a_figure_begins_is_not_known(tmp_path):
    """Orders from January on, subscriptions from March: no MRR of 0 in January, and none that is on its way since."""
    orders = [(f"c{month}", f"2024-{month:02d}-05", 10) for month in range(1, 6)]
    spells = [("a", "2024-03-10", None, 10), ("b", "2024-04-10", None, 10)]
    columns = {"orders": ["customer_id", "ordered_at", "amount"]}
    columns["subscriptions"] = ["customer_id", "started_at", "ended_at", "amount"]
    for name, rows in (("orders", orders), ("subscriptions", spells)):
        pd.DataFrame(rows, columns=columns[name]).to_csv(tmp_path / f"{name}.csv", index=False)
    text = '[data]\norders = "orders.csv"\nsubscriptions = "subscriptions.csv"\n[report]\ntimezone = "UTC"\nas_of = 2024-06-01\n'
    (tmp_path / "retention.toml").write_text(text + '[goals.mrr]\ntarget = 50\nby = "2024-07"\n')
    data = rk.load(tmp_path)
    mrr = states(data, "2024-05")["mrr"]
    assert (mrr.start, mrr.start_period, mrr.value) == (10, "2024-03", 20)
    assert (mrr.progress, mrr.expected) == (10 / 40, 2 / 4)
    assert [value for _, value in mrr.history] == [None, None, 10, 20, 20]
    early = states(data, "2024-02")["mrr"]
    assert (early.state, early.reason) == (NO_DATA, "undefined")


def test_a_start_that_is_given_counts_from_its_date(tmp_path):
    goals = '[goals.active_customers]\ntarget = 120\nstart = 100\nstart_date = {}\nby = "2024-12"\n'
    data = shop(tmp_path, goals.format("2024-07-01"))
    assert states(data, "2024-09")["active_customers"].expected == pytest.approx(3 / 6), (
        "July, August, September of six"
    )
    data = shop(tmp_path, goals.format("2024-07-15"))
    assert states(data, "2024-09")["active_customers"].expected == pytest.approx(3 / 6)
    later = states(data, "2024-05")["active_customers"]
    assert (later.start, later.expected, later.why_no_start, later.state) == (100, None, "later", ON_TRACK)


def test_a_goal_that_is_due_stays_as_its_period_left_it(tmp_path):
    data = shop(tmp_path, '[goals.active_customers]\ntarget = 98\nby = "2024-03"\n')
    for period in ("2024-03", "2024-08", "2024-12"):
        goal = states(data, period)["active_customers"]
        assert (goal.state, goal.value, goal.period, goal.is_past) == (REACHED, 98, "2024-03", True)
    early = states(data, "2024-02")["active_customers"]
    assert (early.value, early.period, early.is_past) == (99, "2024-02", False)


def test_what_the_data_lack_or_do_not_reach_is_no_data_with_its_reason(tmp_path):
    goals = """
[goals.mrr]
target = 5
[goals.active_customers]
target = 5
by = "2020-01"
[goals.revenue]
target = 5
by = "2026"
every = "year"
[goals.net_promoter_score]
target = 5
"""
    by_name = states(shop(tmp_path, goals), "2024-06")
    assert {value.state for value in by_name.values()} == {NO_DATA}
    assert {name: goal.reason for name, goal in by_name.items() if len(goal.reason) < 20} == {
        "active_customers": "before_data",
        "revenue": "not_begun",
    }
    assert "subscriptions" in by_name["mrr"].reason
    assert "responses" in by_name["net_promoter_score"].reason


def test_a_goal_of_another_length_is_silent_unless_it_adds_up(tmp_path):
    goals = """
[[goals]]
id = "rate"
metric = "customer_retention_rate"
target = 0.9
every = "quarter"
[[goals]]
id = "year"
metric = "revenue"
target = 12000
every = "year"
by = "2024"
[[goals]]
id = "refunds"
metric = "refunds"
target = 100
every = "year"
"""
    data = shop(tmp_path, goals)
    assert set(states(data, "2024-06")) == {"year", "refunds"}
    every = states(data, "2024-06", all_lengths=True)
    assert (every["rate"].every, every["rate"].period) == ("quarter", "2024-Q2")
    year = every["year"]
    assert year.value == sum(10 * (101 - month) for month in range(1, 7)) == 5850
    assert (year.start, year.expected, year.pace, year.due, year.is_sum) == (0, 0.5, 6000, "2024", True)
    assert year.state == AT_RISK, "97% of what should be by now; under eight months, pace alone"
    assert every["refunds"].state == ON_TRACK, "none yet, and none too many"
    at_end = states(data, "2024-12")["year"]
    assert (at_end.value, at_end.state) == (11340, MISSED)
    late = states(data, "2024-10")["year"]
    assert (late.state, late.band) == (OFF_TRACK, "unlikely"), "two months of 910 do not bring the 2,450 that lack"


def test_a_sum_that_is_the_figure_of_the_year_is_the_same(tmp_path):
    goals = '[goals.revenue]\ntarget = 12000\nevery = "year"\n'
    data = shop(tmp_path, goals)
    (row,) = rk.scorecard(data, "2024", metrics=["revenue"]).itertuples()
    for every in ("2024-12", "2024-Q4", "2024"):
        assert states(data, every)["revenue"].value == row.value


def test_goals_of_segment_values_stand_beside_those_of_all(tmp_path):
    goals = '[goals.active_customers]\ntarget = 40\nsegment = "country=UK"\n'
    data = shop(tmp_path, goals)
    (whole,), (own,) = (
        goal_states(data, Period.parse("2024-06")),
        goal_states(data, Period.parse("2024-06"), "country=UK"),
    )
    assert whole == own
    assert (whole.value, whole.state) == (47, REACHED)
    assert goal_states(data, Period.parse("2024-06"), "country=France") == []


def test_yes_or_no_is_by_hand_until_its_time_is_up(tmp_path):
    goals = '[[goals]]\nkind = "yes/no"\nobjective = "Call"\nby = "2024-06"\ndone = {}\n'
    data = shop(tmp_path, goals.format("false"), as_of="2024-06-20")
    assert states(data, "2024-05")["Call"].state == ON_TRACK
    assert states(data, "2024-06")["Call"].state == ON_TRACK, "June is not over"
    data = shop(tmp_path, goals.format("false"))
    assert states(data, "2024-06")["Call"].state == MISSED
    assert states(shop(tmp_path, goals.format("true")), "2024-08")["Call"].state == REACHED


def test_an_incomplete_period_is_judged_by_the_last_complete_one(tmp_path):
    data = shop(tmp_path, "[goals.active_customers]\ntarget = 97\n", as_of="2024-06-05")
    assert states(data, "2024-06")["active_customers"].period == "2024-05"


def test_an_end_before_the_start_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"goals.revenue.by cannot be '2024-02', which is over on 2024-03-01"):
        shop(tmp_path, '[goals.revenue]\ntarget = 5\nby = "2024-02"\nstart_date = 2024-03-01\n')


def test_a_mean_score_has_a_goal_that_is_a_score(tmp_path):
    """Where ease is a mean of the answers, so is its goal; 5.5 of a share is refused."""
    answers = pd.DataFrame({"responded_at": "2024-05-10", "survey": "ces", "score": [5, 6, 7, 4], "scale": "1-7"})
    answers.to_csv(tmp_path / "responses.csv", index=False)
    text = '[data]\nresponses = "responses.csv"\n[report]\ntimezone = "UTC"\nas_of = 2024-06-01\n[goals.customer_effort_score]\ntarget = 5.5\n'
    (tmp_path / "retention.toml").write_text(text, "utf-8")
    with pytest.raises(SettingsError, match="a rate is a part of 1"):
        states(rk.load(tmp_path), "2024-05")
    (tmp_path / "retention.toml").write_text(text + '[definitions]\nces_top = "mean"\n', "utf-8")
    (goal,) = states(rk.load(tmp_path), "2024-05").values()
    assert (goal.value, goal.target, goal.state, goal.unit) == (5.5, 5.5, REACHED, "ratio")


@pytest.mark.parametrize("day", ["0001-01-01", "1970-01-01", "9998-12-31"])
def test_a_start_of_any_date_is_understood(tmp_path, day):
    goals = f"[goals.active_customers]\ntarget = 200\nstart = 5\nstart_date = {day}\n"
    assert states(shop(tmp_path, goals), "2024-06")["active_customers"].state == MISSED


def test_before_it_begins_nothing_is_expected(tmp_path):
    goals = '[goals.active_customers]\ntarget = {}\nstart_date = 2025-03-01\nby = "2026"\n'
    open_yet, unlikely = (
        states(shop(tmp_path, goals.format(target)), "2024-12")["active_customers"] for target in (90, 200)
    )
    assert (open_yet.why_no_start, unlikely.why_no_start) == ("later", "later")
    assert (open_yet.band, unlikely.band) == ("open", "unlikely")
    assert (open_yet.state, unlikely.state) == (ON_TRACK, AT_RISK)


def test_states_agree_with_the_scorecard(tmp_path):
    """Reached and missed are those of the scorecard; what is open there is one of three here."""
    goals = "".join(
        f'[[goals]]\nid = "{number}"\nmetric = "{metric}"\ntarget = {target}\n{by}'
        for number, (metric, target, by) in enumerate(
            [
                ("active_customers", 90, ""),
                ("active_customers", 95, 'by = "2024-12"\n'),
                ("customer_churn_rate", 0.02, ""),
                ("customer_churn_rate", 0.001, 'by = "2024-08"\n'),
                ("revenue", 940, 'by = "2024-10"\n'),
            ]
        )
    )
    data, names = shop(tmp_path, goals), ["active_customers", "customer_churn_rate", "revenue"]
    for period in ("2024-03", "2024-07", "2024-08", "2024-12"):
        rows = {row.metric: row for row in rk.scorecard(data, period, metrics=names).itertuples()}
        for goal in goal_states(data, Period.parse(period)):
            row = rows[goal.metric]
            if row.target == goal.target and goal.period == period:
                assert row.value == goal.value
                expected_state = row.status if row.status != "open" else goal.state
                assert goal.state == expected_state
                assert row.status != "open" or goal.state in (ON_TRACK, AT_RISK, OFF_TRACK)
