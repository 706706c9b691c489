"""Local clocks: times that they skip or show twice, in zones that put them forward and back in their own ways."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

import retention_kit as rk
from pencil import checks, table
from retention_kit.data.values.timezones import transitions
from retention_kit.errors import DataError

AMBIGUOUS, NONEXISTENT = "ambiguous local time", "nonexistent local time"
# zone, the first and the first later local time that does not exist or occurs twice, and which
SHIFTS = [
    ("Europe/London", "2024-03-31 01:00", "2024-03-31 02:00", True),
    ("Europe/London", "2024-10-27 01:00", "2024-10-27 02:00", False),
    ("America/New_York", "2024-03-10 02:00", "2024-03-10 03:00", True),
    ("America/New_York", "2024-11-03 01:00", "2024-11-03 02:00", False),
    ("Australia/Lord_Howe", "2024-10-06 02:00", "2024-10-06 02:30", True),  # half an hour
    ("Australia/Lord_Howe", "2024-04-07 01:30", "2024-04-07 02:00", False),
    ("Pacific/Apia", "2011-12-30 00:00", "2011-12-31 00:00", True),  # a whole day
    ("America/Sao_Paulo", "2018-11-04 00:00", "2018-11-04 01:00", True),  # a day without midnight
    ("America/Sao_Paulo", "2018-02-17 23:00", "2018-02-18 00:00", False),
    ("America/Havana", "2024-11-03 00:00", "2024-11-03 01:00", False),  # two midnights
    ("Africa/Casablanca", "2024-03-10 02:00", "2024-03-10 03:00", False),  # back for Ramadan
]


def moments(data) -> list[str]:
    return [moment for (moment,) in data.engine.rows("SELECT CAST(ordered_at AS VARCHAR) FROM orders ORDER BY _row")]


def orders(*times: str, **settings):
    return rk.load(orders=pd.DataFrame({"customer_id": "Ann", "ordered_at": times, "amount": 1}), **settings)


@pytest.mark.parametrize(("zone", "start", "end", "is_gap"), SHIFTS)
def test_the_shifts_of_a_zone_are_those_of_its_history(zone, start, end, is_gap):
    year = int(start[:4])
    changes = [
        (f"{shift.start:%Y-%m-%d %H:%M}", f"{shift.end:%Y-%m-%d %H:%M}", shift.is_gap)
        for shift in transitions(zone, year, year)
    ]
    assert (start, end, is_gap) in changes


def test_a_zone_without_shifts_has_none():
    assert transitions("Asia/Kolkata", 2000, 2024) == transitions("UTC", 2000, 2024) == ()


@pytest.mark.parametrize("report", ["own", "Asia/Kolkata", "Europe/Paris"])
@pytest.mark.parametrize(("zone", "start", "end", "is_gap"), SHIFTS)
@pytest.mark.long
def test_times_beside_and_within_a_shift_are_read_as_python_reads_them(tmp_path, zone, start, end, is_gap, report):
    """Python's clock with fold 0: the first of two, and forward by the length of the gap."""
    report = zone if report == "own" else report
    edges = [datetime.fromisoformat(start), datetime.fromisoformat(end)]
    second = timedelta(seconds=1)
    times = [edges[0] - second, edges[0], edges[0] + second, edges[1] - second, edges[1], edges[1] + second]
    rows = "".join(f"Ann,{time},1\n" for time in times)
    (tmp_path / "orders.csv").write_text(f"customer_id,ordered_at,amount\n{rows}")
    toml = f'[report]\ntimezone = "{report}"\n[data.orders]\npath = "orders.csv"\ntimezone = "{zone}"'
    (tmp_path / "retention.toml").write_text(toml)
    data = rk.load(tmp_path)
    instants = [time.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for time in times]
    assert moments(data) == [f"{instant.astimezone(ZoneInfo(report)):%Y-%m-%d %H:%M:%S}" for instant in instants]
    assert checks(data) == {NONEXISTENT if is_gap else AMBIGUOUS: 3}, (
        "[start, end): the second before and the end are neither"
    )


def test_frames_are_read_alike():
    times = ["2024-03-31 01:30:00", "2024-10-27 01:30:00", "2024-10-27 03:00:00"]
    for column in (times, pd.to_datetime(times), pd.to_datetime(times).astype("datetime64[s]")):
        data = orders(*column, timezone="Europe/London")
        assert moments(data) == ["2024-03-31 02:30:00", "2024-10-27 01:30:00", "2024-10-27 03:00:00"]
        assert checks(data) == {AMBIGUOUS: 1, NONEXISTENT: 1}
    effects = dict(zip(data.quality["check"], data.quality["effect"], strict=True))
    assert effects[AMBIGUOUS] == "shown twice by clocks put back: read as the first"
    assert effects[NONEXISTENT] == "skipped by clocks put forward: moved forward"


def test_a_bare_date_is_that_date_by_any_clock():
    """2011-12-30 was never in Apia, 2018-11-04 had no midnight in São Paulo and 2024-11-03 two in Havana."""
    for zone, day in (
        ("Pacific/Apia", "2011-12-30"),
        ("America/Sao_Paulo", "2018-11-04"),
        ("America/Havana", "2024-11-03"),
    ):
        data = orders(day, timezone=zone)
        assert moments(data) == [f"{day} 00:00:00"]
        assert checks(data) == {}
        dates = pd.DataFrame({"customer_id": "Ann", "ordered_at": [pd.Timestamp(day).date()], "amount": 1})
        assert moments(rk.load(orders=dates, timezone=zone)) == [f"{day} 00:00:00"]
    assert moments(orders("2011-12-30 00:00:00", timezone="Pacific/Apia")) == ["2011-12-31 00:00:00"], "a time moves"


def test_a_time_with_its_offset_is_never_in_doubt():
    data = orders("2024-10-27 01:30:00+01:00", "2024-10-27 01:30:00+00:00", timezone="Europe/London")
    assert moments(data) == ["2024-10-27 01:30:00"] * 2
    assert checks(data) == {}


def test_without_any_zone_no_time_is_in_doubt():
    assert AMBIGUOUS not in checks(orders("2024-10-27 01:30:00"))


def test_a_row_counts_once_and_only_if_it_is_used():
    spells = """
        customer_id  subscription_id  started_at           ended_at             amount
        Ann          1                2023-10-29 01:10:00  2024-10-27 01:30:00  10
        Ann          1                2023-10-29 01:10:00  2024-10-27 01:30:00  10
        Ben          2                2024-03-31 01:10:00  2024-10-27 01:30:00  10
        Cy           3                2024-03-31 01:10:00  -                    ten
        Dee          4                2024-12-01 09:00:00  2025-10-26 01:30:00  10
    """
    data = rk.load(subscriptions=table(spells), timezone="Europe/London", as_of="2024-11-15")
    assert checks(data) == {
        "identical row": 1,
        "unreadable amount": 1,
        "after the as-of date": 1,
        AMBIGUOUS: 2,  # Ann's, twice in doubt, and Ben's
        NONEXISTENT: 1,
    }


def test_responses_are_counted_alike():
    answers = "responded_at  survey  score\n2024-10-27 01:30:00  nps  9\n2024-10-27 01:30:00  nps  11"
    assert checks(rk.load(responses=table(answers), timezone="Europe/London")) == {
        "score outside the scale": 1,
        AMBIGUOUS: 1,
    }


def test_a_slip_of_the_pen_is_no_reason_to_follow_a_zone_for_millennia():
    times = ["2024-10-27 01:30:00", "2024-10-27 03:30:00", "0202-10-27 01:30:00", "9999-10-27 01:30:00"]
    data = orders(*times, timezone="Europe/London")
    assert checks(data) == {AMBIGUOUS: 1, "date outside 1970-2100": 2}


def test_mixed_clocks_in_one_column_stay_refused():
    with pytest.raises(DataError, match="mixes 1 times with a zone and 1 without"):
        orders("2024-10-27 01:30:00", "2024-10-27 01:30:00Z", timezone="Europe/London")


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-31 23:30:00 UTC",
        "2024-03-31 23:30 GMT",
        "2024-03-31 23:30:00 +0000",
        "2024-03-31 18:30:00 -0500",
        "2024-03-31T23:30:00.5z",
        "2024-03-31 19:30:00 America/New_York",
        "2024-04-01 00:30:00+01",
    ],
)
def test_a_time_may_name_its_zone_in_many_ways(text):
    assert orders(text, timezone="Europe/London").start == date(2024, 4, 1)


def test_times_that_name_their_zone_in_words_do_not_mix_with_others():
    with pytest.raises(DataError, match="mixes 1 times with a zone and 1 without"):
        orders("2024-03-31 23:30:00 UTC", "2024-03-31 23:30:00", timezone="Europe/London")


def test_times_with_am_or_pm_are_not_half_a_day_off():
    orders = """
    customer_id  ordered_at           amount
    a            2025-01-05 02:05 PM  1
    b            2025-01-05 14:06     1
    c            2025-01-06           1
    """
    data = rk.load(orders=table(orders), currency="EUR", timezone="UTC")
    assert checks(data) == {}
    assert moments(data) == ["2025-01-05 14:05:00", "2025-01-05 14:06:00", "2025-01-06 00:00:00"]
