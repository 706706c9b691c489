"""Whom to ask, and whether the model that says so is worth more than a plain rule; by a pencil and on real shops."""

import hashlib
from dataclasses import replace
from datetime import date, timedelta

import msgspec
import pandas as pd
import pytest

import oracle_cases as cases
import oracle_lives
import retention_kit as rk
from retention_kit.errors import DataError
from retention_kit.metrics.forecasts.buyers import cached_fit
from retention_kit.metrics.forecasts.buyers_back_test import back_test_at
from retention_kit.metrics.forecasts.horizon import is_control
from retention_kit.metrics.forecasts.lists import RISK_LISTS, risk_lists, risk_totals
from retention_kit.metrics.forecasts.lives import back_test, lives
from retention_kit.metrics.snapshot import load_snapshot, save_snapshot
from retention_kit.periods import Period
from retention_kit.settings import AtRisk
from test_lives import two_years  # noqa: F401
from test_vectors import read_cdnow

JUNE = Period.parse("2025-06")


# The verdict, both ways


def test_online_retail_beats_the_plain_rule(two_years):  # noqa: F811
    """Reference: another program on the same window; BG/NBD, days since the last purchase, a constant."""
    result = back_test_at(two_years, date(2011, 6, 10), date(2011, 12, 9), 6)
    comparison = result.comparison
    briers = [comparison.model.brier, comparison.plain.brier, comparison.constant]
    assert briers == pytest.approx([0.1770, 0.2260, 0.2497], abs=5e-5)
    assert [comparison.model.auc, comparison.plain.auc] == pytest.approx([0.8108, 0.7694], abs=5e-5)
    predicted, actual = result.purchases
    assert predicted / actual == pytest.approx(0.985, abs=5e-4)
    assert comparison.model.brier < 0.85 * comparison.plain.brier
    assert (result.verdict, result.is_flattered) == ("better", False)
    assert sum(group.customers for group in comparison.bins) == comparison.customers == 4969


def test_a_plain_rule_of_ten_days_is_no_straw_man(two_years):  # noqa: F811
    """A year before the cut the data were ten days old: whom they knew then says nothing of a year of silence."""
    result = back_test_at(two_years, date(2010, 12, 10), date(2011, 12, 10), 12)
    assert result.is_flattered
    assert result.comparison.plain.brier < result.comparison.constant
    assert result.verdict == "no_better"


def test_cdnow_over_39_weeks_does_not(cdnow):
    """All customers came within twelve weeks, nine months before: the plain rule ranks them better."""
    data = read_cdnow(cdnow / "CDNOW_sample.txt")
    result = back_test_at(data, date(1997, 10, 1), date(1998, 7, 1), 9)
    assert [result.comparison.model.auc, result.comparison.plain.auc] == pytest.approx([0.7569, 0.7714], abs=5e-5)
    assert result.purchases == (pytest.approx(1653.4, abs=0.1), 1882)
    assert (result.verdict, result.is_flattered, result.history) == ("no_better", True, 18)
    short = back_test_at(data, date(1997, 10, 1), date(1997, 12, 31), 3)
    briers = [short.comparison.model.brier, short.comparison.plain.brier, short.comparison.constant]
    assert briers == pytest.approx([0.1102, 0.1215, 0.1415], abs=1.5e-4)
    assert short.verdict == "short"


# The lists, on the sample company


@pytest.fixture(scope="module")
def lists():
    data, books = cases.company("orders")
    return data, books, risk_lists(data, JUNE, ["channel"])


def test_a_list_names_those_that_the_figure_counts(lists):
    data, books, frames = lists
    assert set(frames) == set(RISK_LISTS)
    [row] = lives(data, JUNE)
    rows = frames["at_risk"]
    assert rows.attrs["in_all"] == row["at_risk"]
    assert len(rows) == min(row["at_risk"], 100)
    totals = risk_totals(data, JUNE, ["channel"], lists=frames)
    assert totals["at_risk"].in_all == row["at_risk"]
    if row["at_risk"] <= 100:
        assert totals["at_risk"].money == pytest.approx(row["at_stake"], rel=1e-9)
    each = oracle_lives.buyers(books, JUNE.end)
    for listed in rows.to_dict("records"):
        own = each[listed["customer_id"]]
        assert (listed["purchases"], listed["revenue_12_months"]) == (own["x"] + 1, pytest.approx(own["recent"]))
        assert 0.5 <= listed["probability_no_purchase_12_months"] <= 1
        assert listed["value_at_stake"] == pytest.approx(
            own["recent"] * listed["probability_no_purchase_12_months"], rel=1e-3
        )
        last = date.fromisoformat(listed["last_purchase"])
        assert date.fromisoformat(listed["overdue_since"]) == last + timedelta(days=listed["usual_gap_days"] + 1)
        assert last < date.fromisoformat(listed["overdue_since"]) <= JUNE.end
        assert listed["overdue_since"] <= listed["act_by"] or listed["usual_gap_days"] < 1
        assert f"within {listed['usual_gap_days']:,} days" in listed["why"]


def test_who_is_most_likely_gone_is_to_be_won_back(lists):
    data, _, frames = lists
    customers = rk.rfm(data, JUNE.end).set_index("customer_id")
    alive = cached_fit(data, JUNE).purchases.probability_alive(
        customers["frequency"], customers["recency"], customers["T"]
    )
    expected = dict(zip(customers.index, alive < 0.2, strict=True))
    rows = frames["at_risk"]
    assert [why.endswith("to be won back.") for why in rows["why"]] == [
        expected[customer] for customer in rows["customer_id"]
    ]
    assert len({expected[customer] for customer in rows["customer_id"]}) == 2


def test_second_purchases_are_dated_by_those_of_others(lists):
    _, books, frames = lists
    rows = frames["second_purchase"]
    days: dict[str, set] = {}
    for bought in books.purchases:
        if bought.customer and bought.day < JUNE.end:
            days.setdefault(bought.customer, set()).add(bought.day)
    gaps = sorted((sorted(own)[1] - min(own)).days for own in days.values() if len(own) > 1)
    half, most = (gaps[-(-len(gaps) * tenths // 10) - 1] for tenths in (5, 8))
    once = {customer: min(own) for customer, own in days.items() if len(own) == 1}
    waiting = {customer for customer, day in once.items() if half < (JUNE.end - day).days <= most}
    assert rows.attrs["in_all"] == len(waiting)
    assert {*rows["customer_id"]} <= waiting
    assert (rows["purchases"] == 1).all()
    assert (rows["usual_gap_days"] == half).all()
    assert [date.fromisoformat(day) for day in rows["act_by"]] == [
        once[customer] + timedelta(days=most) for customer in rows["customer_id"]
    ]
    assert (rows["act_by"] >= str(JUNE.end)).all()


def test_the_capacity_cuts_a_list_and_the_total_says_so(lists):
    data, _, frames = lists
    few = replace(data, settings=msgspec.structs.replace(data.settings, at_risk=AtRisk(capacity=3)))
    cut = risk_lists(few, JUNE)["at_risk"]
    assert cut["customer_id"].tolist() == frames["at_risk"]["customer_id"].tolist()[:3]
    assert cut.attrs["in_all"] == frames["at_risk"].attrs["in_all"]


def test_new_on_the_list_is_who_was_not_on_it_before(lists):
    data, _, frames = lists
    before = {*risk_lists(data, JUNE.shift(-1))["at_risk"]["customer_id"]}
    rows = frames["at_risk"]
    assert rows["new_on_list"].tolist() == [customer not in before for customer in rows["customer_id"]]


def test_the_segment_values_of_a_list_are_the_figures(lists):
    data, _, frames = lists
    whole = frames["at_risk"]
    for part in lives(data, JUNE, "channel"):
        only = risk_lists(data, JUNE, only=("channel", part["segment_value"]))["at_risk"]
        assert only.attrs["in_all"] == part["at_risk"]
        assert set(only["channel"]) <= {part["segment_value"]}
    assert {*whole["channel"]} <= {part["segment_value"] for part in lives(data, JUNE, "channel")}


def test_the_plain_rule_ranks_where_the_model_is_no_better(lists, monkeypatch):
    """By the model the most money at stake stands first, by the plain rule the most money."""
    data, _, frames = lists
    ranked = {}
    for verdict in ("better", "no_better", "short"):
        monkeypatch.setattr("retention_kit.metrics.forecasts.back_test.verdict", lambda *_, fixed=verdict: fixed)
        ranked[verdict] = risk_lists(data, JUNE)["at_risk"]
    for verdict, by in {
        "better": "value_at_stake",
        "no_better": "revenue_12_months",
        "short": "revenue_12_months",
    }.items():
        assert ranked[verdict][by].is_monotonic_decreasing
    assert {*ranked["better"]["customer_id"]} == {*ranked["short"]["customer_id"]} or len(ranked["short"]) == 100
    assert set(frames) == set(RISK_LISTS)


def test_who_buys_daily_is_said_to():
    """Sixty customers who bought every day and stopped: their usual gap is not 0 days in words."""
    rows = [
        (f"c{who}", f"{pd.Timestamp('2024-01-01') + pd.Timedelta(days=day):%Y-%m-%d}", 5.0)
        for who in range(60)
        for day in range(20 + who % 40)
    ]
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])
    data = rk.load(orders=orders, timezone="UTC", currency="GBP", as_of="2024-04-01")
    why = risk_lists(data, Period.parse("2024-03"))["at_risk"]["why"].iloc[0]
    assert why.startswith("Usually buys again within a day, and has now been silent for 33 days, after 59 purchases.")


def test_one_in_ten_is_left_alone():
    ids = [hashlib.md5(str(n).encode()).hexdigest()[:8] for n in range(5000)]
    chosen = [is_control(customer) for customer in ids]
    assert 430 <= sum(chosen) <= 570
    assert chosen == [is_control(customer) for customer in ids]


def test_notebooks_have_what_they_need_without_the_rows(lists, tmp_path):
    data, _, frames = lists
    back_test(data, JUNE)
    lives(data, JUNE)
    risk_totals(data, JUNE, ["channel"], lists=frames)
    save_snapshot(data, tmp_path / "saved")
    saved = load_snapshot(tmp_path / "saved")
    assert saved.engine is None
    assert back_test(saved, JUNE) == back_test(data, JUNE)
    assert risk_totals(saved, JUNE, ["channel"]) == risk_totals(data, JUNE, ["channel"])
    assert lives(saved, JUNE) == lives(data, JUNE)
    with pytest.raises(DataError, match="hold no"):
        risk_lists(saved, JUNE)


def test_the_columns_of_lists_are_those_asked_for_whatever_was_asked_before(lists):
    """Of one period: by a column, of the whole, and by the column again."""
    data = replace(lists[0], summaries={})
    first, whole, again = (risk_totals(data, JUNE, columns) for columns in (["channel"], [], ["channel"]))
    assert first == again
    assert all(first[name].columns == (*total.columns, "channel") for name, total in whole.items())
    assert whole


@pytest.mark.parametrize("customers", [0, 10])
def test_too_few_give_no_list(customers):
    days = [(f"c{n}", f"2024-{1 + n % 6:02}-0{1 + n % 9}") for n in range(max(customers, 1))]
    orders = pd.DataFrame([{"customer_id": who, "ordered_at": day, "amount": 5} for who, day in days])
    orders = orders if customers else orders.assign(customer_id=None)
    data = rk.load(orders=orders, timezone="UTC", currency="GBP", as_of="2024-08-01")
    assert risk_lists(data, Period.parse("2024-07")) == {}
    assert risk_totals(data, Period.parse("2024-07")) == {}
    assert back_test(data, Period.parse("2024-07")).verdict == "short"
