"""How long subscribers stay: curves of groups on tables that one can follow by hand, and what the page says of them."""

import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.metrics.forecasts.survival import survival_curves, survival_difference
from retention_kit.periods import Period
from retention_kit.report.charts.survival import survival
from retention_kit.report.page import Page
from retention_kit.wording import Words

UTC = {"timezone": "UTC", "currency": "GBP"}


def company(**plans: list[int]) -> rk.data.dataset.Dataset:
    """Forty customers of each plan who begin on 2023-01-10 and leave after so many months, the others not."""
    rows = [
        (
            f"{plan}{customer}",
            "2023-01-10",
            None if months is None else f"{pd.Timestamp('2023-01-10') + pd.DateOffset(months=months):%Y-%m-%d}",
            plan,
        )
        for plan, lifetimes in plans.items()
        for customer, months in enumerate([*lifetimes, *[None] * (40 - len(lifetimes))])
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "started_at", "ended_at", "plan"])
    return rk.load(
        subscriptions=frame.assign(amount=10, subscription_id=frame.index.astype(str)), as_of="2024-03-01", **UTC
    )


def test_curves_by_hand():
    """Of forty Basics ten leave after one month and ten after three: 75%, then 50%; of the Pros nobody does."""
    data = company(Basic=[1] * 10 + [3] * 10, Pro=[])
    basic, pro = survival_curves(data, Period.parse("2024-02"), "plan")
    assert (basic.values, basic.customers, basic.lost, basic.median) == (("Basic",), 40, 20, 3)
    assert basic.seen["survival"].tolist() == [0.75, 0.5]
    assert [basic.followed(month) for month in (0, 1, 2, 3, 4, 13, 14)] == [40, 40, 30, 30, 20, 20, 0]
    assert basic.at(12)["survival"] == 0.5
    assert pro.at(12) is None
    assert pro.longest == 13
    assert survival_difference(data, Period.parse("2024-02"), "plan") < 1e-5
    assert basic.projected["month"].iloc[0] == 13  # where the data end
    assert basic.projected["share"].iloc[0] == 0.5
    assert (basic.projected["share"].diff().dropna() <= 0).all()


@pytest.mark.parametrize(("every", "period"), [("week", "2024-W07"), ("month", "2024-02")])
def test_the_value_at_the_start_counts_in_weeks_and_months_that_are_not_over(every, period):
    """Of forty Basics ten leave after three months; the others are Pros since, of whom nobody left as one."""
    rows = [(f"c{customer}", "2023-01-10", "2023-04-10", "Basic") for customer in range(40)]
    rows += [(f"c{customer}", "2023-04-10", None, "Pro") for customer in range(10, 40)]
    frame = pd.DataFrame(rows, columns=["customer_id", "started_at", "ended_at", "plan"])
    data = rk.load(subscriptions=frame.assign(amount=10), as_of="2024-02-20", every=every, **UTC)
    [curve] = survival_curves(data, Period.parse(period), "plan")
    assert (curve.values, curve.customers, curve.lost, curve.seen["survival"].tolist()) == (("Basic",), 40, 10, [0.75])


@pytest.mark.parametrize("as_of", ["2024-07-01", "2024-07-08", "2024-07-31"])
@pytest.mark.parametrize("every", ["week", "month"])
def test_the_value_at_the_start_is_that_of_the_week_in_weeks_and_else_of_the_month(as_of, every):
    """Basics who are Pros ten days later began as Basics: in the same month, and not in the same week. Week 26 ends
    with June; July is not over, though on the 8th a week is.
    """
    rows = [(f"c{customer}", start, plan) for customer in range(40) for start, plan in (("10", "Basic"), ("20", "Pro"))]
    frame = pd.DataFrame(rows, columns=["customer_id", "day", "plan"])
    frame = frame.assign(
        started_at="2024-01-" + frame["day"], ended_at=frame["day"].map({"10": "2024-01-20"}), amount=1
    )
    data = rk.load(subscriptions=frame, as_of=as_of, every=every, **UTC)
    for period, plan in {"2024-W26": "Basic", "2024-06": "Pro", "2024-07": "Pro", "2024-Q2": "Pro"}.items():
        assert [curve.values for curve in survival_curves(data, Period.parse(period), "plan")] == [(plan,)], period


def test_small_values_are_one_group():
    rows = [
        (f"{plan}{customer}", "2023-01-10", plan)
        for plan, n in {"a": 40, "b": 20, "c": 5}.items()
        for customer in range(n)
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "started_at", "plan"])
    data = rk.load(subscriptions=frame.assign(amount=10, ended_at=None), as_of="2024-03-01", **UTC)
    curves = survival_curves(data, Period.parse("2024-02"), "plan")
    assert [curve.values for curve in curves] == [("a",), ("b", "c")]


def test_the_page_says_what_holds():
    differ = Page("2024-02", data=company(Basic=[1] * 10 + [3] * 12, Pro=[5]))
    chart, table = differ.survival()
    assert chart.data["title"] == "97.5% of Pro stay for 12 months, and 45.0% of Basic"
    assert "The lines differ by more than chance explains (log-rank test, p < 0.001)." in chart.data["caption"]
    assert table.data["rows"][0] == ["Basic", "40", "3 months", "45.0% (29.3% to 59.5%)", "18 · 18"]
    alike = Page("2024-02", data=company(Basic=[1, 3, 5, 7], Pro=[2, 4, 6]))
    chart, _ = alike.survival()
    assert chart.data["title"] == "90.0% to 92.5% stay for 12 months; by plan they differ within chance"
    assert "Dashed" not in chart.data["caption"]  # seven have left: too few to project
    assert chart.data["caption"].endswith("of all that is compared here.")


@pytest.mark.long
def test_who_all_stayed_stay_in_the_table_too():
    """Of forty Pros nobody leaves in thirteen months: 100%, not unknown. Of the Basics all leave: no interval."""
    _, table = Page("2024-02", data=company(Basic=[1] * 40, Pro=[])).survival()
    assert {row[0]: row[3] for row in table.data["rows"]} == {"Basic": "0.0%", "Pro": "100.0%"}
    chart, table = Page("2024-02", data=company(Basic=[12] * 40, Pro=[12] * 40)).survival()
    assert chart.data["title"] == "0.0% stay for 12 months, by plan all alike"
    assert [row[3] for row in table.data["rows"]] == ["0.0%", "0.0%"]


@pytest.mark.parametrize("plans", [{"Basic": []}, {"Basic": [1, 2, 3, 4]}])
def test_while_hardly_anybody_has_left_there_is_none(plans):
    assert list(Page("2024-02", data=company(**plans)).survival()) == []


def test_orders_and_single_segment_values_have_none():
    orders = pd.DataFrame({"customer_id": ["a", "b"], "ordered_at": ["2024-01-01", "2024-02-01"], "amount": [1, 2]})
    assert list(Page(data=rk.load(orders=orders, **UTC)).survival()) == []
    assert list(Page("2024-02", segment="plan=Basic", data=company(Basic=[1] * 30, Pro=[])).survival()) == []


def test_the_chart_steps_and_goes_on_in_dashes():
    observed = pd.DataFrame(
        {
            "group": ["a", "a"],
            "month": [0, 2],
            "share": [1.0, 0.5],
            "low": [1.0, 0.3],
            "high": [1.0, 0.7],
            "at_risk": [10, 10],
        }
    )
    ahead = pd.DataFrame({"group": ["a", "a"], "month": [2, 14], "share": [0.5, 0.25]})
    chart = survival(observed, ahead, Words("en", "GBP"))
    band, line, _, dashed = chart.spec["layer"]
    assert band["mark"]["interpolate"] == line["mark"]["interpolate"] == "step-after"
    assert dashed["mark"]["strokeDash"]
    assert chart.alt.endswith("a: 50.0% in month 2, projected to be 25.0% in month 14.")
    assert survival(observed.iloc[:0], ahead, Words("en", "GBP")) is None
