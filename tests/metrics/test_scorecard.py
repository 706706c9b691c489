"""The scorecard: every figure with its division, its comparison, its goal, and its reason where there is none."""

import json

import pandas as pd
import pytest

import retention_kit as rk
from pencil import by_segment, row, table, value
from retention_kit.data.dataset import load
from retention_kit.errors import UnknownNameError
from retention_kit.metrics.scorecard import records
from retention_kit.report.page import Page

COLUMNS = [
    *("metric", "label", "period", "segment", "segment_value", "value", "unit", "numerator", "denominator", "n", "low"),
    *("high", "previous", "change", "change_low", "change_high", "year_ago", "complete", "target", "status", "note"),
]
ORDERS = table("""
    customer_id  order_id  ordered_at  amount  country
    A            1         2023-02-05  10      UK
    A            2         2024-01-05  10      UK
    B            3         2024-01-06  20      UK
    C            4         2024-01-07  30      France
    D            5         2024-01-08  40      France
    A            6         2024-02-01  10      UK
    A            7         2024-02-02  20      UK
    C            8         2024-02-03  30      France
    E            9         2024-02-04  40      -
    -            10        2024-02-05  5       Malta
    A            11        2024-03-01  50      UK
""")
TOML = """
[data]
orders = "orders.csv"
[report]
timezone = "UTC"
currency = "GBP"
as_of = 2024-03-15
"""


@pytest.fixture(scope="module")
def shop():
    return rk.load(orders=ORDERS, timezone="UTC", currency="GBP", as_of="2024-03-15")


@pytest.fixture
def with_goals(tmp_path):
    """The same shop from files, with goals."""

    def make(goals: str):
        ORDERS.to_csv(tmp_path / "orders.csv", index=False)
        (tmp_path / "retention.toml").write_text(TOML + goals)
        return load(tmp_path)

    return make


# The frame


def test_columns_units_and_one_row_a_metric(shop):
    frame = rk.scorecard(shop, "2024-02")
    assert list(frame.columns) == COLUMNS
    assert frame["metric"].is_unique
    assert set(frame["metric"]) | set(frame.attrs["absent"]) == set(rk.METRICS)
    assert set(frame["unit"]) <= {"fraction", "count", "money", "points", "ratio", "years"}
    assert [frame[name].dtype.kind for name in ("value", "n", "target", "change")] == ["f"] * 4
    assert (frame["label"] == [rk.METRICS[name].label for name in frame["metric"]]).all()


def test_metrics_without_their_table_are_absent_with_the_reason(shop):
    missing_metrics = rk.scorecard(shop).attrs["absent"]
    assert missing_metrics["mrr"] == "It needs subscriptions, and the data hold none."
    assert missing_metrics["net_promoter_score"] == "It needs responses, and the data hold none."
    assert not set(missing_metrics) & set(rk.scorecard(shop)["metric"])


def test_metrics_and_periods_keep_the_order_asked_for(shop):
    options = {"metrics": ["revenue", "customers_at_end"], "periods": ["2024-02", "2024-01"]}
    frame = rk.scorecard(shop, **options)
    assert list(zip(frame["metric"], frame["period"], strict=True)) == [
        ("revenue", "2024-02"),
        ("revenue", "2024-01"),
        ("customers_at_end", "2024-02"),
        ("customers_at_end", "2024-01"),
    ]


def test_the_default_is_the_last_complete_period(shop):
    assert set(rk.scorecard(shop)["period"]) == {"2024-02"}
    assert set(rk.scorecard(shop, every="year")["period"]) == {"2023"}
    assert rk.scorecard(shop, periods="all", metrics=["revenue"])["period"].tolist()[::12] == ["2023-02", "2024-02"]


def test_values_are_plain_enough_for_json(shop):
    rows = records(rk.scorecard(shop, periods=["2023-02", "2024-02"], segment="country"))
    again = json.loads(json.dumps(rows, allow_nan=False))
    assert again == rows
    assert list(rows[0]) == COLUMNS
    retention = next(row for row in rows if (row["metric"], row["period"]) == ("customer_retention_rate", "2024-02"))
    assert (retention["value"], retention["numerator"], retention["denominator"], retention["complete"]) == (
        0.5,
        2,
        4,
        True,
    )
    assert isinstance(retention["numerator"], int), "people are whole"
    assert next(row for row in rows if row["metric"] == "customer_retention_rate")["value"] is None


# Figures


@pytest.mark.parametrize(
    ("metric", "numerator", "denominator"),
    [
        ("customer_retention_rate", 2, 4),  # A and C of A B C D
        ("customer_churn_rate", 2, 4),  # B and D
        ("repeat_purchase_rate", 1, 3),  # A of A C E
        ("average_purchase_value", 100, 4),  # 10 + 20 + 30 + 40, without the guest's 5
        ("purchase_frequency", 4, 3),
        ("average_revenue_per_customer", 100, 3),
    ],
)
def test_a_rate_keeps_its_division(shop, metric, numerator, denominator):
    figure = row(shop, metric, "2024-02")
    assert (figure["numerator"], figure["denominator"]) == (numerator, denominator)
    assert figure["value"] == numerator / denominator


def test_counts_and_money_are_plain_sums(shop):
    names = [
        "customers_at_start",
        "new_customers",
        "reactivated_customers",
        "lost_customers",
        "customers_at_end",
        "revenue",
    ]
    assert [value(shop, name, "2024-02") for name in names] == [4, 1, 0, 2, 3, 105]
    assert value(shop, "reactivated_customers", "2024-01") == 1, "A, who had bought in 2023"


def test_repeat_purchases_may_be_counted_in_days():
    rows = (
        "customer_id  ordered_at  amount\n"
        + "A  2024-01-05 09:00  1\nA  2024-01-05 18:00  1\nB  2024-01-05 09:00  1\nB  2024-01-06 09:00  1"
    )
    for count, repeat in (("orders", 2), ("days", 1)):  # A bought twice on one day
        data = rk.load(orders=table(rows), timezone="UTC", count=count)
        assert row(data, "repeat_purchase_rate", "2024-01")["numerator"] == repeat


def test_proportions_have_their_wilson_interval(shop):
    figure = row(shop, "customer_retention_rate", "2024-02")
    assert (figure["low"], figure["high"]) == pytest.approx((0.1500, 0.8500), abs=5e-5)  # 2 of 4


def test_retention_and_churn_share_one_base(shop):
    for period in ("2024-01", "2024-02", "2024-03"):
        retained, lost = (value(shop, name, period) for name in ("customer_retention_rate", "customer_churn_rate"))
        assert retained is lost is None or retained + lost == 1


LIFETIME = """
    customer_id  order_id  ordered_at  amount
    A            1         2022-01-01  10
    B            2         2022-05-10  10
    C            3         2022-06-10  10
    D            4         2022-07-10  10
    A            5         2023-01-10  30
    A            6         2023-12-31  30
    B            7         2023-03-10  20
    C            8         2023-04-10  20
"""


def test_lifetime_value_is_purchase_value_by_frequency_by_lifespan():
    data = rk.load(orders=table(LIFETIME), timezone="UTC", as_of="2024-01-01")
    # of A B C D of 2022 only D did not buy in 2023: lifespan 1 / (1 - 3/4) = 4 years; 100 / 4 × 4/3 × 4
    assert value(data, "customer_lifetime_value", "2023-12") == pytest.approx(400 / 3)
    early = row(data, "customer_lifetime_value", "2023-11")
    assert early["value"] is None
    assert early["note"].startswith("It needs two years of orders")
    fixed = rk.load(orders=table(LIFETIME), timezone="UTC", as_of="2024-01-01", lifespan_years=2)
    assert value(fixed, "customer_lifetime_value", "2023-12") == pytest.approx(200 / 3)


def test_lifetime_value_of_subscribers():
    rows = "customer_id  started_at  ended_at  amount\nA  2024-01-01  -  10\nB  2024-01-01  2024-07-10  40\nC  2024-01-01  -  10"
    data = rk.load(subscriptions=table(rows), timezone="UTC", as_of="2025-01-01")
    # month ends: 12 × A, 12 × C, 6 × B = 480 of MRR in 30 customer-months: ARPA 16, 192 a year
    # month starts: 11 × 2 + 6 = 28, of which one was lost: 28 months; 192 × 28 / 12
    assert value(data, "customer_lifetime_value", "2024-12") == pytest.approx(448)
    assert "Nobody was lost in the last twelve months" in row(data, "customer_lifetime_value", "2024-06")["note"]


# Comparison


def test_change_is_value_less_previous(shop):
    figure = row(shop, "customers_at_end", "2024-02")
    assert (figure["value"], figure["previous"], figure["change"], figure["year_ago"]) == (3, 4, -1, 1)


def test_an_incomplete_period_has_a_figure_but_no_change_nor_status(with_goals):
    data = with_goals("[goals.revenue]\ntarget = 1000")
    figure = row(data, "revenue", "2024-03")
    assert (figure["complete"], figure["value"], figure["previous"], figure["change"], figure["status"]) == (
        False,
        50,
        105,
        None,
        "",
    )
    assert row(data, "revenue", "2024-02")["status"] == "missed"


def test_the_first_period_has_nothing_before_it(shop):
    first = row(shop, "customer_retention_rate", "2023-02")
    assert (first["value"], first["previous"], first["change"], first["year_ago"]) == (None, None, None, None)
    assert first["note"] == "Nobody was a customer at the period's start, so there is no base to divide by."
    assert row(shop, "new_customers", "2023-02")["note"].startswith("The data begin in this period")
    assert row(shop, "new_customers", "2024-01")["note"].startswith("The data begin shortly before")
    assert row(shop, "new_customers", "2024-02")["note"] == ""


def test_nothing_is_divided_by_nothing(shop):
    for metric in (
        "repeat_purchase_rate",
        "average_purchase_value",
        "purchase_frequency",
        "average_revenue_per_customer",
    ):
        figure = row(shop, metric, "2023-06")
        assert (figure["value"], figure["denominator"]) == (None, 0)
        assert figure["note"] == "No identified customer bought in the period."
    assert value(shop, "revenue", "2023-06") == 0, "no revenue is a figure"


# Goals


@pytest.mark.parametrize(
    ("goal", "metric", "status"),
    [
        ("target = 0.5", "customer_retention_rate", "reached"),
        ("target = 0.51", "customer_retention_rate", "missed"),
        ('target = 0.51\nby = "2024-02"', "customer_retention_rate", "missed"),
        ('target = 0.51\nby = "2024-03"', "customer_retention_rate", "open"),
        ('target = 0.51\nby = "2024"', "customer_retention_rate", "open"),
        ('target = 0.4\nby = "2024-12"', "customer_retention_rate", "reached"),
        ("target = 0.5", "customer_churn_rate", "reached"),  # lower is better
        ("target = 0.49", "customer_churn_rate", "missed"),
        ("target = 105", "revenue", "reached"),
    ],
)
def test_a_goal_is_reached_missed_or_open(with_goals, goal, metric, status):
    data = with_goals(f"[goals.{metric}]\n{goal}")
    figure = row(data, metric, "2024-02")
    assert (figure["status"], figure["target"]) == (status, float(goal.split()[2]))
    other = row(data, "customers_at_end", "2024-02")
    assert (other["status"], other["target"]) == ("", None)


def test_a_goal_is_of_the_whole_not_of_its_parts(with_goals):
    frame = rk.scorecard(with_goals("[goals.revenue]\ntarget = 100"), "2024-02", metrics=["revenue"], segment="country")
    assert dict(zip(frame["segment_value"], frame["status"], strict=True)) == {
        "": "reached",
        "(none)": "",
        "France": "",
        "Malta": "",
        "UK": "",
    }


def test_a_goal_of_an_undefined_figure_has_no_status(with_goals):
    assert (
        row(with_goals("[goals.customer_retention_rate]\ntarget = 0.5"), "customer_retention_rate", "2023-02")["status"]
        == ""
    )


# Small numbers


def test_small_samples_are_noted_and_below_the_minimum_undefined(shop):
    assert row(shop, "customer_retention_rate", "2024-02")["note"] == "Small sample: n = 4."
    strict = rk.load(orders=ORDERS, timezone="UTC", currency="GBP", as_of="2024-03-15", min_n=5)
    figure = row(strict, "customer_retention_rate", "2024-02")
    assert (figure["value"], figure["low"], figure["high"]) == (None, None, None)
    assert figure["note"] == "Not shown: n = 4 is below the minimum of 5."
    assert (figure["numerator"], figure["denominator"]) == (2, 4)
    assert value(strict, "revenue", "2024-02") == 105, "counts and money are always shown"
    assert value(strict, "lost_customers", "2024-02") == 2


def test_thirty_is_no_small_sample():
    rows = [(f"C{n}", day, 1) for n in range(30) for day in ("2024-01-05", "2024-02-05")]
    frame = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])
    assert row(rk.load(orders=frame, timezone="UTC"), "customer_retention_rate", "2024-02", every="month")["note"] == ""


# Segments


def test_parts_sum_to_the_whole(shop):
    for metric in (
        "customers_at_start",
        "new_customers",
        "lost_customers",
        "customers_at_end",
        "active_customers",
        "revenue",
    ):
        parts = by_segment(shop, metric, "2024-02", "country")
        assert parts.pop("") == sum(parts.values()), metric


def test_a_breakdown_gives_each_value_after_the_whole(shop):
    assert by_segment(shop, "revenue", "2024-02", "country") == {
        "": 105,
        "(none)": 40,
        "France": 30,
        "Malta": 5,
        "UK": 30,
    }
    retention = rk.scorecard(shop, "2024-02", metrics=["customer_retention_rate"], segment="country").set_index(
        "segment_value"
    )
    assert retention["denominator"].to_dict() == {"": 4, "(none)": 0, "France": 2, "UK": 2}  # Malta has guests only
    assert retention["value"].dropna().to_dict() == {"": 0.5, "France": 0.5, "UK": 0.5}


@pytest.mark.parametrize(("part", "revenue"), [("France", 30), ("UK", 30), ("Malta", 5), ("(none)", 40)])
def test_one_segment_value_alone_has_its_figures(shop, part, revenue):
    figure = row(shop, "revenue", "2024-02", segment=f"country={part}")
    assert (figure["segment"], figure["segment_value"], figure["value"]) == ("country", part, revenue)


def test_a_value_of_guests_alone_has_no_customers(shop):
    figure = row(shop, "customer_retention_rate", "2024-02", segment="country=Malta")
    assert (figure["value"], figure["note"]) == (None, "Nothing is known of this segment in the period.")


@pytest.mark.parametrize("missing", [None, "", "  ", float("nan")])
def test_a_missing_value_is_none(missing):
    frame = table("customer_id  ordered_at  amount\nA  2024-01-05  1\nB  2024-01-06  2").assign(country=[missing, "UK"])
    assert by_segment(rk.load(orders=frame, timezone="UTC"), "revenue", "2024-01", "country") == {
        "": 3,
        "(none)": 1,
        "UK": 2,
    }


def test_numbers_are_values_as_people_write_them():
    frame = table("customer_id  ordered_at  amount\nA  2024-01-05  1\nB  2024-01-06  2").assign(
        store=[7.0, float("nan")]
    )
    assert by_segment(rk.load(orders=frame, timezone="UTC"), "revenue", "2024-01", "store") == {
        "": 3,
        "(none)": 2,
        "7": 1,
    }


def test_a_period_of_nobody_has_no_parts():
    data = rk.load(orders=table("customer_id  ordered_at  amount  country\nA  2024-01-05  0  UK"), timezone="UTC")
    assert by_segment(data, "revenue", "2024-01", "country") == {"": 0}


def test_a_value_may_hold_any_characters():
    hostile = "=cmd' OR 1=1; --<script>"
    frame = table("customer_id  ordered_at  amount\nA  2024-01-05  1\nB  2024-01-06  2").assign(country=[hostile, "UK"])
    data = rk.load(orders=frame, timezone="UTC")
    assert by_segment(data, "revenue", "2024-01", "country") == {"": 3, hostile: 1, "UK": 2}
    assert value(data, "revenue", "2024-01", segment=f"country={hostile}") == 1


def test_a_value_of_one_week_can_be_looked_at_alone():
    """A buys in the North in the first week of January and in the South later: by month they are of the South."""
    orders = table("""
        customer_id  ordered_at  amount  town
        A            2024-01-02  10      North
        A            2024-01-20  20      South
        B            2024-01-03  30      South
    """)
    data = rk.load(orders=orders, timezone="UTC", currency="GBP", segments=["town"], as_of="2024-02-01")
    by_town = rk.scorecard(data, "2024-W01", metrics=["revenue"], segment="town").set_index("segment_value")["value"]
    alone = rk.scorecard(data, "2024-W01", metrics=["revenue"], segment="town=North")
    assert [*alone["value"]] == [by_town["North"]] == [10]
    assert Page("2024-W01", None, "town=North", data=data).rows["value"].dropna().size > 0
    with pytest.raises(UnknownNameError, match="There is no town 'North' in the data"):
        rk.scorecard(data, "2024-01", segment="town=North")
    with pytest.raises(UnknownNameError, match="There is no town '' in the data"):
        rk.scorecard(data, "2024-01", segment="town=")


@pytest.mark.parametrize(
    ("paused_at", "reason"),
    [
        ("2024-03-31 13:00:00", "(paused)"),  # clocks went forward in the night: 24 hours after noon
        ("2024-03-31 13:00:01", "(none)"),
        ("2024-03-31 12:30:00", "(paused)"),
    ],
)
def test_a_pause_follows_within_24_hours_where_clocks_change(paused_at, reason):
    rows = [("A", "1", "2024-02-01", "2024-03-30 12:00:00", None), ("A", "1", paused_at, None, "paused")]
    frame = pd.DataFrame(rows, columns=["customer_id", "subscription_id", "started_at", "ended_at", "status"])
    frame = frame.assign(amount=10, interval="month")
    data = rk.load(subscriptions=frame, timezone="Europe/London", currency="GBP", as_of="2024-04-20")
    reasons = rk.churn_reasons(data)
    assert [*reasons[["period", "reason", "lost"]].itertuples(index=False, name=None)] == [("2024-03", reason, 1)]
