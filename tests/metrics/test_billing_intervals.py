"""Subscriptions billed every two weeks, six months, …: their renewals, what is expected of them, and how it is said."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import retention_kit as rk
from due import due, listed
from pencil import table
from retention_kit.bidi import plain
from retention_kit.data.values.vocabulary import interval_step, parse_interval
from retention_kit.metrics.forecasts.members import cached_fit
from retention_kit.metrics.forecasts.members_lists import billed_words, next_renewal
from retention_kit.metrics.forecasts.renewal_model import RenewalGroups, fit_renewals
from retention_kit.metrics.queries.memberships import listed_members, renewals
from retention_kit.report.page import Page
from retention_kit.wording import Words

TODAY = date(2024, 6, 1)
START = date(2022, 1, 1)
SPELLS = table("""
customer_id     started_at  ended_at    amount  interval
two weeks       2024-05-01  -           10      2 weeks
six months      2023-08-31  -           60      6 months
two years       2022-06-04  -           240     2 years
ten days        2024-05-01  -           10      10 days
left            2024-04-01  2024-04-29  10      2 weeks
left late       2024-04-01  2024-05-01  10      2 weeks
left mid-way    2024-04-01  2024-05-06  10      2 weeks
left in half    2023-05-10  2024-05-12  60      6 months
two days        2024-05-01  2024-05-07  10      2 days
""")
# From the left: 15 and 29 May, 12 June; 29 February, 31 August (November has no 31st); …
RENEWS = {
    "two weeks": ("2 week", 4, "2024-06-12"),
    "six months": ("6 month", 9, "2024-08-31"),
    "two years": ("2 year", 23, "2024-06-04"),
    "ten days": ("10 day", 30, "2024-06-10"),
}


@pytest.fixture(scope="module")
def data():
    frame = SPELLS.assign(who=SPELLS["customer_id"])
    return rk.load(subscriptions=frame, timezone="UTC", currency="GBP", segments=["who"], as_of=str(TODAY))


def members(data) -> list:
    """All who pay, whether at risk or not."""
    frame = renewals(data, data.as_of)
    kinds = frame[["billed", "units", *(name for name in frame if name.startswith("trait_"))]].drop_duplicates()
    kinds = kinds.assign(leaving=0.5, chance=0.1, usual=0.05).rename(columns={"units": "kind_units"})
    return [*listed_members(data, data.as_of, None, None, kinds, "mrr", 10**4).itertuples()]


def test_next_renewals_by_hand(data):
    renewals = {
        row.customer_id: (row.billed, row.units, str(next_renewal(row.billed, row.units, row.anchored)))
        for row in members(data)
    }
    assert renewals == RENEWS


def test_who_left_by_hand(data):
    """At the second renewal, on its day or up to three days late; at the third; and of two days there is no grace."""
    frame = renewals(data, TODAY, "who")
    lost = frame[frame["outcome"] == "lost"].set_index("segment_value")
    steps = {name: row["units"] // interval_step(row["billed"])[0] for name, row in lost.iterrows()}
    assert steps == {"left": 1, "left late": 1, "left mid-way": 2, "left in half": 1, "two days": 2}


def test_follow_ups_by_hand(data):
    assert due(data, "renewal in 3 days") == [("two years", "2024-06-04")]
    soon = [("two years", "2024-06-04"), ("ten days", "2024-06-10"), ("two weeks", "2024-06-12")]
    assert due(data, "renewal in 30 days") == soon
    assert due(data, "renewal in 91 days") == [*soon, ("six months", "2024-08-31")]
    reasons = [row.reason for row in listed(data, "renewal in 30 days").rows]
    assert reasons[0] == "Renews on 4 Jun 2024, billed every 2 years."
    assert reasons[2] == "Renews on 12 Jun 2024, billed every 2 weeks."


@pytest.mark.parametrize(
    ("billed", "step", "english", "arabic"),
    [
        ("day", (1, "day"), "by the day", "يوم"),
        ("week", (1, "week"), "by the week", "أسبوع"),
        ("month", (1, "month"), "by the month", "شهر"),
        ("quarter", (3, "month"), "by the quarter", "ربع سنة"),
        ("year", (12, "month"), "by the year", "عام"),
        ("10 day", (10, "day"), "every 10 days", "10 أيام"),
        ("2 week", (2, "week"), "every 2 weeks", "أسبوعين"),
        ("4 week", (4, "week"), "every 4 weeks", "4 أسابيع"),
        ("6 month", (6, "month"), "every 6 months", "6 أشهر"),
        ("18 month", (18, "month"), "every 18 months", "18 شهرًا"),
        ("2 year", (24, "month"), "every 2 years", "عامين"),
    ],
)
def test_a_billing_interval_has_its_step_and_words(billed, step, english, arabic):
    assert interval_step(billed) == step
    assert billed_words(billed, Words("en")) == english
    assert plain(billed_words(billed, Words("ar"))) == arabic


def test_two_week_steps_in_the_model_by_hand():
    """26 payments a year: half leave at each renewal, of which two fall due in the first month and six in three."""
    lost = pd.DataFrame({
        "billed": ["2 week"] * 2, "outcome": ["lost", "kept"], "units": [1, 2], "customers": [10**7] * 2,
        "mrr": [0.0] * 2,
    })  # fmt: skip
    model = fit_renewals(RenewalGroups(lost))
    members = pd.DataFrame({"billed": ["2 week"], "outcome": ["member"], "units": [0], "customers": [1], "mrr": [1.0]})
    assert model.survival(RenewalGroups(members), 3)[0] == pytest.approx([0.25, 0.0625, 1 / 64], abs=1e-5)
    assert model.warnings[0] == "Billed every 2 weeks: only the first renewal is known, and stands for later ones."
    warning = "الفوترة كل أسبوعين: لا يُعرف إلا التجديد الأول، وهو يمثل ما يليه."
    assert plain(Words("ar").say(model.warnings[0])) == warning


# Every interval

counts = st.one_of(st.integers(1, 30), st.integers(1, 999))
intervals = st.tuples(counts, st.sampled_from(["day", "week", "month", "quarter", "year"]))
starts = st.integers(0, (TODAY - START).days - 1).map(lambda number: START + timedelta(days=number))


def renewal_after(start: date, count: int, unit: str) -> date:
    """Counted one by one from the start, the first that is not before today."""
    if (count, unit) == (365, "day"):
        count, unit = 1, "year"
    length = relativedelta(months=3 * count) if unit == "quarter" else relativedelta(**{f"{unit}s": count})
    return next(day for day in (start + length * number for number in range(1, 2000)) if day >= TODAY)


# Each case is a load with its forecasts.
@pytest.mark.long
@settings(max_examples=5, phases=[Phase.explicit, Phase.generate])
@given(st.dictionaries(intervals, st.lists(starts, min_size=2, max_size=4), min_size=6, max_size=12))
def test_whatever_the_interval(shop):
    """Renewals come every so often after the start, and what the report shows of them is built."""
    rows = [(f"m{number}", "2023-01-10", f"2023-0{number % 5 + 2}-10", 10, "month") for number in range(25)]
    expected = {}
    for (count, unit), began in shop.items():
        for number, start in enumerate(began):
            rows.append((f"{count} {unit} {number}", str(start), None, 100, f"every {count} {unit}s"))
            expected[f"{count} {unit} {number}"] = renewal_after(start, count, unit)
        rows.append((f"{count} {unit} lost", str(START), "2024-03-01", 100, f"{count} {unit}s"))
    frame = pd.DataFrame(rows, columns=["customer_id", "started_at", "ended_at", "amount", "interval"])
    data = rk.load(subscriptions=frame, timezone="UTC", currency="GBP", as_of=str(TODAY))
    assert {row.customer_id: next_renewal(row.billed, row.units, row.anchored) for row in members(data)} == expected
    soon = {name: str(day) for name, day in expected.items() if day <= TODAY + timedelta(days=30)}
    assert dict(due(data, "renewal in 30 days")) == soon
    model = cached_fit(data, TODAY).model
    assert {*model.curves} == {"month", *(parse_interval(f"{count} {unit}") for count, unit in shop)}
    for language in ("en", "ar"):
        page = Page("2024-05", language=language, data=data)
        assert (page.at_risk() is None) == (page.row("customers_at_risk").value == 0)
        assert page.back_test()
        assert page.survival()
        assert page.lifetime_values()


def test_a_thousand_years_are_no_interval():
    assert parse_interval("P999Y") == "999 year"
    assert parse_interval("P1095D") == "1095 day"
    assert [parse_interval(interval) for interval in ("P1000Y", "P12000M", "P999999999999D")] == [None] * 3
    assert parse_interval("8 quarters") == "2 year"
