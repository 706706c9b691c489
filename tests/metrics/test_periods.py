"""Periods: how they are written, where they begin and end, and which one lies a year back."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention_kit.errors import PeriodError
from retention_kit.periods import EVERY, Period, add_months

DAYS = st.dates(date(1950, 1, 1), date(2150, 12, 31))


@pytest.mark.parametrize(
    ("text", "every", "start", "end"),
    [
        ("2011-11", "month", date(2011, 11, 1), date(2011, 12, 1)),
        ("2011-12", "month", date(2011, 12, 1), date(2012, 1, 1)),
        ("2012-02", "month", date(2012, 2, 1), date(2012, 3, 1)),
        ("2011-Q4", "quarter", date(2011, 10, 1), date(2012, 1, 1)),
        ("2011", "year", date(2011, 1, 1), date(2012, 1, 1)),
        ("2011-W45", "week", date(2011, 11, 7), date(2011, 11, 14)),
        ("2015-W53", "week", date(2015, 12, 28), date(2016, 1, 4)),  # ISO: 1 January 2016 belongs to 2015
        ("2025-W01", "week", date(2024, 12, 30), date(2025, 1, 6)),  # and 30 December 2024 to 2025
    ],
)
def test_a_period_is_half_open_and_reads_back(text, every, start, end):
    period = Period.parse(text)
    assert (period.every, period.start, period.end, str(period)) == (every, start, end, text)


@given(day=DAYS)
@pytest.mark.parametrize("every", EVERY)
def test_every_day_lies_in_exactly_one_period(every, day):
    period = Period.of(day, every)
    assert period.start <= day < period.end
    assert period.shift(-1).end == period.start
    assert Period.parse(str(period)) == period


@given(day=DAYS, steps=st.integers(-100, 100))
@pytest.mark.parametrize("every", EVERY)
def test_neighbours_differ_by_one(every, day, steps):
    period = Period.of(day, every)
    assert period.shift(steps).index == period.index + steps
    assert period.shift(steps).shift(-steps) == period
    assert (period.shift(steps) > period) == (steps > 0)


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("2012-02", "2011-02"),
        ("2011-Q4", "2010-Q4"),
        ("2011", "2010"),
        ("2011-W45", "2010-W45"),
        ("2016-W01", "2015-W01"),
    ],
)
def test_the_same_period_a_year_ago(text, before):
    assert str(Period.parse(text).year_ago()) == before


def test_a_53rd_week_has_no_year_ago():
    assert Period.parse("2015-W53").year_ago() is None


def test_a_period_is_complete_when_it_ends_by_the_as_of_date():
    november = Period.parse("2011-11")
    assert november.is_complete(date(2011, 12, 1))
    assert not november.is_complete(date(2011, 11, 30))


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2011, 1, 31), 1, date(2011, 2, 28)),
        (date(2012, 2, 29), -12, date(2011, 2, 28)),
        (date(2011, 3, 31), -1, date(2011, 2, 28)),
        (date(2011, 12, 9), 1, date(2012, 1, 9)),
        (date(2011, 12, 31), 12, date(2012, 12, 31)),
    ],
)
def test_months_added_stay_within_the_month(day, months, expected):
    assert add_months(day, months) == expected


@pytest.mark.parametrize(
    ("text", "every", "message"),
    [
        ("November", None, "'November' is not a period: write it like 2011-11, 2011-Q4, 2011-W45 or 2011."),
        ("2011-11-01", "month", "'2011-11-01' is not a period: write it like 2011-11."),
        ("2011-13", None, "'2011-13' is not a period: the calendar has no such month."),
        ("2011-00", None, "'2011-00' is not a period: the calendar has no such month."),
        ("2011-W53", None, "'2011-W53' is not a period: the calendar has no such week."),
        ("2011-Q5", None, "'2011-Q5' is not a period: write it like 2011-11, 2011-Q4, 2011-W45 or 2011."),
        ("0000", None, "'0000' is not a period: the calendar has no such year."),
        ("2011-Q4", "month", "'2011-Q4' is a quarter, not a month: write it like 2011-11."),
        ("2011-11", "monthly", "There is no period length 'monthly': did you mean 'month'?"),
        ("", None, "'' is not a period: write it like 2011-11, 2011-Q4, 2011-W45 or 2011."),
    ],
)
def test_what_is_no_period_is_refused_in_a_sentence(text, every, message):
    with pytest.raises(PeriodError) as error:
        Period.parse(text, every)
    assert str(error.value) == message
