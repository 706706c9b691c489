"""Words of intervals and statuses as vendors write them."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import retention_kit as rk
from pencil import checks, table, value
from retention_kit.data.values.vocabulary import parse_interval, parse_score, parse_status, per_year
from retention_kit.errors import DataError

UTC = {"timezone": "UTC", "currency": "EUR"}
INTERVALS = {
    "year": [
        "yearly",
        "annual",
        "Annually",
        "12 month",
        "1 year",
        "P1Y",
        "every 12 months",
        "per year",
        "4 quarters",
        "Annual billing",
        "YEARLY_PLAN",
        "p.a.",
        "jährlich",
        "annuelle",
        "سنوي",
    ],
    "month": [
        "monthly",
        "Month",
        "1 month",
        "P1M",
        "every month",
        "1mo",
        "/month",
        "/ mo",
        "Monthly subscription",
        "month-to-month",
        "mensual",
    ],
    "quarter": ["quarterly", "3 months", "3-month", "every 3 months", "P3M", "month-3"],
    "6 month": [
        "semi-annual",
        "semiannually",
        "half yearly",
        "half-yearly",
        "2 quarters",
        "6 months",
        "twice a year",
        "halbjährlich",
    ],
    "week": ["weekly", "7 days", "1 week"],
    "2 week": ["every 2 weeks", "every other week", "fortnightly", "14 days"],
    "day": ["daily", "1 day"],
}


@pytest.mark.parametrize(
    ("expected", "text"), [(expected, text) for expected, every in INTERVALS.items() for text in every]
)
def test_intervals_are_read_in_any_case(expected, text):
    assert parse_interval(text) == parse_interval(text.upper()) == expected


@pytest.mark.parametrize(
    "text", ["bimonthly", "bi-weekly", "biannual", "Bi-Annually", "0 months", "often", "month month", "12", ""]
)
def test_what_means_two_things_or_none_is_no_interval(text):
    assert parse_interval(text) is None


def test_how_often_an_interval_comes_in_a_year():
    intervals = ["3 months", "2 weeks", "5 months", "2 years", "10 days"]
    often = [4, 26, Fraction(12, 5), Fraction(1, 2), Fraction(73, 2)]
    assert [per_year(parse_interval(interval)) for interval in intervals] == often


def test_statuses_of_vendors():
    spellings = {"active": "Active", "past_due": "Past Due", "trialing": "in_trial", "unpaid": "incomplete-expired"}
    assert {status: parse_status(spelling) for status, spelling in spellings.items()} == {
        status: status for status in spellings
    }
    assert [parse_status(text) for text in ("non_renewing", "future", "Canceled", "on-hold", "asleep")] == [
        "active",
        "future",
        "cancelled",
        None,
        None,
    ]


# Every status of the vendors' documents, and what it means for MRR; None where it means another thing at each, and is
# told.
VENDORS = {
    "Stripe": {
        "incomplete": "unpaid",
        "incomplete_expired": "unpaid",
        "trialing": "trialing",
        "active": "active",
        "past_due": "past_due",
        "canceled": "cancelled",
        "unpaid": "unpaid",
        "paused": "paused",
        "ended": "cancelled",
        "not_started": "future",
    },
    "Chargebee": {
        "future": "future",
        "in_trial": "trialing",
        "active": "active",
        "non_renewing": "active",
        "paused": "paused",
        "cancelled": "cancelled",
        "transferred": None,
    },
    "Recurly": {
        "active": "active",
        "expired": "cancelled",
        "future": "future",
        "paused": "paused",
        "live": "active",
        "in_trial": "trialing",
        "past_due": "past_due",
        "failed": None,
    },
    "Paddle": {
        "active": "active",
        "canceled": "cancelled",
        "past_due": "past_due",
        "paused": "paused",
        "trialing": "trialing",
        "deleted": "cancelled",
    },
    "Braintree": {
        "Active": "active",
        "Canceled": "cancelled",
        "Expired": "cancelled",
        "Past Due": "past_due",
        "Pending": None,
    },
    "WooCommerce": {
        "wc-active": "active",
        "wc-cancelled": "cancelled",
        "wc-expired": "cancelled",
        "wc-pending-cancel": "active",
        "wc-on-hold": None,
        "switched": None,
    },
    "people": {
        "Cancelled at period end": "active",
        "will not renew": "active",
        "Churned": "cancelled",
        "Terminated": "cancelled",
        "Free trial": "trialing",
        "Freemium": "free",
        "Overdue": "past_due",
        "In grace period": "past_due",
        "Suspended": None,
        "Inactive": None,
        "Pending activation": None,
    },
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_status_of_a_vendor(vendor):
    assert {text: parse_status(text) for text in VENDORS[vendor]} == VENDORS[vendor]
    assert {text: parse_status(f" {text.upper()} ") for text in VENDORS[vendor]} == VENDORS[vendor]


def test_mrr_follows_the_words_for_intervals_and_statuses():
    data = rk.load(subscriptions=table("""
        customer_id  subscription_id  started_at  ended_at  amount  interval       status
        A            1                2024-01-05  -         120     Yearly         Active
        B            2                2024-01-05  -         30      3 months       non_renewing
        C            3                2024-01-05  -         6       every 2 weeks  past due
        D            4                2024-01-05  -         10      P1M            in_trial
        E            5                2024-01-05  -         10      monthly        future
        F            6                2024-01-05  -         10      5 months       active
        G            7                2024-01-05  -         10      bimonthly      active
    """), as_of="2024-03-01", **UTC)  # fmt: skip  # the table as on paper
    assert value(data, "mrr", "2024-02") == 10 + 10 + 13 + 2  # 6 × 26 / 12; 10 / 5
    unpaid = {"spell without MRR: trialing": 1, "spell without MRR: future": 1}
    assert checks(data) == {"unknown interval": 1} | unpaid


LABELS = {
    10: ["10 - Extremely likely", "10", "10.0", "Extremely likely (10)", "10/10", "10: sure"],
    5: [
        "Very satisfied (5)",
        "5. Very good",
        "5 out of 7",
        "(5) good",
        "٥",
        "★★★★★",
        "5 stars",
        "5, very good",
        "5|Very good",
        "⭐️⭐️⭐️⭐️⭐️",
    ],
    0: ["0 – Not at all likely", "Not at all likely 0", "Bad", "0"],
    None: [
        "9-10",
        "1 - rated 5",
        "great",
        "",
        "-",
        "2024-01-05",
        "05-01-2024",
        "2024-01-05 10:00",
        "10-Sep",  # what a spreadsheet makes of 9-10
        "Sep-10",
        "5 Jan 2024",
        "1e999999999",
        "inf",
        "NaN",
    ],
}


@pytest.mark.parametrize(("number", "text"), [(number, text) for number, every in LABELS.items() for text in every])
def test_the_number_at_either_end_of_a_label(number, text):
    assert parse_score(text) == number


def test_labelled_answers_are_scores():
    answers = table("""
        responded_at  survey  score
        2024-01-05    NPS     10 - Extremely likely
        2024-01-05    nps     ٩
        2024-01-05    Nps     0 (Not at all likely)
        2024-01-05    nps     great
        2024-01-05    nps     8/10
    """)
    data = rk.load(responses=answers, **UTC)
    assert value(data, "net_promoter_score", "2024-01") == 25  # 2 promoters, 1 detractor, of 4
    assert checks(data) == {"unreadable score": 1}


def test_functions_take_text_and_decimals_but_no_truths():
    scores = ["10 - Extremely likely", Decimal(9), np.int64(3), 8.0, True, np.bool_(True), "great", None]
    assert (rk.nps(scores).value, rk.nps(scores).n) == (25, 4)
    assert "4 left out" in rk.nps(scores).note
    assert rk.csat(["Very satisfied (5)", Decimal("2")]).value == rk.ces(["6", True, 1]).value == 0.5


@pytest.mark.parametrize("text", ["biannual", "Biweekly", "bi-monthly"])
def test_an_interval_of_two_meanings_is_told_and_where_it_is_most_refused(text):
    spells = table(f"""
        customer_id  started_at  ended_at  amount  interval
        A            2024-01-05  -         10      {text}
        B            2024-01-05  -         10      month
        C            2024-01-05  -         10      month
    """)
    data = rk.load(subscriptions=spells, as_of="2024-03-01", **UTC)
    assert checks(data) == {"unknown interval": 1}
    assert f"such as '{text}'" in data.warnings[0]
    with pytest.raises(
        DataError, match=r"it is taken to mean two things, write (6 months or 2 years|2 weeks|2 months)"
    ):
        rk.load(subscriptions=spells.assign(interval=text), as_of="2024-03-01", **UTC)
