"""Times in every type and every accepted way of writing, against instants that Python knew before they were spelled."""

# ruff: noqa: DTZ001, naive times are what is tried here

import datetime as dt
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import cycle
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest
from babel import localedata
from babel.dates import format_date
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from pencil import checks
from retention_kit.data.cleaning import pipeline
from retention_kit.data.values import times
from retention_kit.data.values.times import NO_END
from retention_kit.errors import DataError

UNREAD, OUTSIDE = "unreadable date", "date outside 1970-2100"
ZONES = ("UTC", "Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")
# The edges of periods and of clocks: the first and the last instant that Python can tell, in UTC.
EDGES = [
    datetime.fromisoformat(text).replace(tzinfo=UTC)
    for text in (
        "1970-01-02",
        "1999-12-31T23:59:59.999999",
        "2000-01-01",
        "2024-02-29T23:59:59.999999",
        "2024-03-01",
        "2024-03-10T06:59:59.999999",
        "2024-03-10T07:00",
        "2024-03-31T00:59:59.999999",
        "2024-03-31T01:00",
        "2024-04-06T15:00",
        "2024-10-27T00:59:59.999999",
        "2024-10-27T01:00",
        "2024-11-03T06:00",
        "2024-12-30T12:00:00.000001",
        "2026-01-31T23:59:59.999999",
    )
]
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def hour12(time: datetime) -> str:
    return f"{time.hour % 12 or 12}:{time:%M:%S}.{time.microsecond:06} {'PM' if time.hour >= 12 else 'AM'}"


def offset(time: datetime, colon: str = ":") -> str:
    minutes = time.utcoffset() // timedelta(minutes=1)
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    return f"{sign}{size // 60:02}{colon}{size % 60:02}"


# Ways of writing a local time to the microsecond.
NAIVE = {
    "iso": lambda t: t.strftime("%Y-%m-%d %H:%M:%S.%f"),
    "iso T": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%f"),
    "iso comma": lambda t: t.strftime("%Y-%m-%d %H:%M:%S,%f"),
    "nanoseconds": lambda t: t.strftime("%Y-%m-%d %H:%M:%S.%f") + "999",
    "basic": lambda t: t.strftime("%Y%m%dT%H%M%S.%f"),
    "slashes": lambda t: t.strftime("%Y/%m/%d %H:%M:%S.%f"),
    "short parts": lambda t: f"{t.year}-{t.month}-{t.day} {t.hour}:{t:%M:%S.%f}",
    "dots": lambda t: t.strftime("%d.%m.%Y %H:%M:%S.%f"),
    "day first": lambda t: t.strftime("%d/%m/%Y %H:%M:%S.%f"),
    "month first": lambda t: f"{t.month}/{t.day}/{t.year} {hour12(t)}",
    "day first, dashes": lambda t: t.strftime("%d-%m-%Y %H:%M:%S.%f"),
    "half days": lambda t: f"{t:%Y-%m-%d}, {hour12(t)}",
    "narrow blank": lambda t: f"{t:%Y-%m-%d} {hour12(t)}".replace(" AM", "\u202fam").replace(" PM", "\u202fpm"),
    "month named": lambda t: f"{t.day} {MONTHS[t.month - 1][:3]} {t.year} {t:%H:%M:%S.%f}",
    "month named in full": lambda t: f"{MONTHS[t.month - 1]} {t.day}, {t.year} {hour12(t)}",
    "month between": lambda t: f"{t.day:02}-{MONTHS[t.month - 1][:3].upper()}-{t.year} {t:%H:%M:%S.%f}",
}
# Ways of telling its offset.
AWARE = {
    "Z": lambda t: "Z" if not t.utcoffset() else offset(t),
    "+02:00": offset,
    "+0200": lambda t: offset(t, ""),
    " +02:00": lambda t: " " + offset(t),
    "+02": lambda t: offset(t)[:3] if offset(t)[4:] == "00" else offset(t),
    " UTC": lambda t: " UTC" if not t.utcoffset() else f" UTC{offset(t)}",
    " GMT+3": lambda t: f" GMT{offset(t)[0]}{int(offset(t)[1:3])}" + (offset(t)[3:] if offset(t)[4:] != "00" else ""),
    "GMT-0500": lambda t: f" GMT{offset(t, '')}",
}


def orders(values) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": [f"C{row}" for row in range(len(values))], "ordered_at": values, "amount": 1})


def read_times(frame, **settings) -> list[str]:
    data = rk.load(orders=frame, as_of="2101-01-01", **settings)
    return [text for (text,) in data.engine.rows("SELECT CAST(ordered_at AS VARCHAR) FROM orders_judged ORDER BY _row")]


def local_texts(instants, zone: str) -> list[str]:
    """As the engine writes local times."""
    local = [instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for instant in instants]
    return [str(time).rstrip("0") if time.microsecond else str(time) for time in local]


instants = st.one_of(
    st.sampled_from(EDGES),
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.replace(tzinfo=UTC)),
)


@pytest.mark.long
@settings(max_examples=25)
@given(
    st.lists(instants, min_size=1, max_size=8),
    st.sampled_from(sorted(NAIVE)),
    st.sampled_from(["", *AWARE]),
    st.sampled_from(ZONES),
    st.sampled_from(ZONES),
)
def test_what_is_spelled_is_read(moments, way, ending, source_zone, report_zone):
    """Offsets of whole minutes; naive times lie in the report's zone, where those in doubt are left out."""
    moments = [*moments, datetime(2024, 1, 31, 9, tzinfo=UTC)]  # which shows what is the day
    if not ending:
        source_zone, report_zone = "UTC", "UTC"
    local = [moment.astimezone(ZoneInfo(source_zone)) for moment in moments]
    local = [time for time in local if not time.utcoffset() % timedelta(minutes=1)]
    texts = [NAIVE[way](time) + (AWARE[ending](time) if ending else "") for time in local]
    assert read_times(orders(texts), timezone=report_zone) == local_texts(local, report_zone), texts


@pytest.mark.long
@pytest.mark.parametrize("way", NAIVE)
@pytest.mark.parametrize("zone", ["Europe/London", "America/New_York"])
def test_a_named_zone_is_its_own_clock(way, zone):
    local = [moment.astimezone(ZoneInfo(zone)) for moment in EDGES if moment.year > 1970]
    local = [time for time in local if not time.fold] + [datetime(2024, 1, 31, 9, tzinfo=ZoneInfo(zone))]
    texts = [f"{NAIVE[way](time)} {zone}" for time in local]
    assert read_times(orders(texts), timezone="Asia/Kolkata") == local_texts(local, "Asia/Kolkata")


DAYS = {
    "2024-02-29": "2024-02-29",
    "2024/2/29": "2024-02-29",
    "29.2.2024": "2024-02-29",
    "20240229": "2024-02-29",
    "29/02/2024": "2024-02-29",
    "29 Feb 2024": "2024-02-29",
    "Feb 29, 2024": "2024-02-29",
    "2024-Feb-29": "2024-02-29",
    "Thursday, 29th of February 2024": "2024-02-29",
    "thu, feb 29 2024": "2024-02-29",
    "29-feb-2024": "2024-02-29",
    "Sept. 3, 2024": "2024-09-03",
    "2024.12.31": "2024-12-31",
}


def test_dates_are_midnights():
    assert read_times(orders([*DAYS]), timezone="Pacific/Apia") == [f"{day} 00:00:00" for day in DAYS.values()]


TIMES = {
    "2024-01-05 24:00": "2024-01-06 00:00:00",
    "2024-01-05T24:00:00": "2024-01-06 00:00:00",
    "2024-01-05 12:00 AM": "2024-01-05 00:00:00",
    "2024-01-05 12:30 p.m.": "2024-01-05 12:30:00",
    "2024-01-05 at 2:05pm": "2024-01-05 14:05:00",
    "2024-01-31T23:59:59.9999999": "2024-01-31 23:59:59.999999",
    "2026/10/05 2:30:00 PM GMT+3": "2026-10-05 11:30:00",
    "2024-01-05 10:00 GMT-0500": "2024-01-05 15:00:00",
    "2024-01-05 10:00 Etc/GMT+3": "2024-01-05 13:00:00",
    "2024-01-05 10:00 Etc/GMT-14": "2024-01-04 20:00:00",
    "2024-01-05 10:00 europe/paris": "2024-01-05 09:00:00",
    "2024-01-05 10:00 utc": "2024-01-05 10:00:00",
}


@pytest.mark.parametrize("is_aware", [False, True])
def test_a_time_is_understood_to_its_end(is_aware):
    texts = [text for text in TIMES if bool(re.search("gmt|utc|/paris", text, re.IGNORECASE)) is is_aware]
    assert read_times(orders(texts), timezone="UTC") == [TIMES[text] for text in texts]


JUNK = (
    "2024-02-30",
    "2023-02-29 10:00",
    "2024-01-05 25:00",
    "2024-01-05 24:01",
    "2024-01-05 10:60",
    "2024-01-05 10:00:60",
    "2024-01-05 10:00 foo",
    "2024-01-05 10:00 EST5EDT",
    "2024-01-05 10:00 MDT",
    "2024-01-05 10:00 PST",
    "2024-01-05 10:00 Mars/Phobos",
    "2024-01-05 10:00+15:00",
    "2024-01-05 10:00+02:60",
    "2024-01-05 10:00+",
    "2024-01-05 13:05 AM",
    "2024-01-05 0:05 PM",
    "2024-01-05 13:05 ص",
    "2024-01-05 3:00 ليلا",
    "2024-01-05foo",
    "2024-01-05 10",
    "2024-01-05T",
    "foo 2024-01-05",
    "2024-13-01",
    "2024-00-01",
    "2024-01-00",
    "2024--01-05",
    "30 Feb 2024",
    "5 Foo 2024",
    "31.04.2024",
    "today",
    "now",
    "soon",
    "-",
    "0",
    "1",
    "2024",
    "2024-01",
    "10:00",
    "2024/01-05",
    "2024-01-05 10:00 GMT+3 (Mars)",
    "2024-01-05 10:00 GMT+5 (Moscow)",
    "2024-01-05 10:00+00 BC",
    "2024-01-05 10:00 UTC+14:60",
    "2024-01-05 10:00:00.",
    "2024-01-05 10:00 Etc/GMT+15",
)


@pytest.mark.parametrize("good", ["2024-01-05 10:00Z", "2024-01-05"])
def test_what_is_not_understood_to_its_end_is_set_aside_and_counted(good):
    texts = [text for text in JUNK if "Z" in good or not re.search(r"00( ?[+]| .*/GMT| GMT| UTC)", text)]
    naive = (
        "2024-01-05 25:00",
        "2024-01-05 24:01",
        "2024-01-05 10:60",
        "2024-01-05 10:00:60",
        "2023-02-29 10:00",
        "2024-01-05 13:05 ص",
        "2024-01-05 3:00 ليلا",
    )
    texts = [text for text in texts if "Z" not in good or (text not in naive and "M" not in text[-2:])]
    data = rk.load(orders=orders([good] * len(texts) + texts), timezone="UTC")
    assert checks(data) == {UNREAD: len(texts)}


@pytest.mark.long
@settings(max_examples=15)
@given(instants, st.sampled_from(sorted(NAIVE)), st.text("foo0x/:+ é", min_size=1, max_size=6).map(lambda t: f" {t}!"))
def test_trailing_junk_is_never_passed_over(moment, way, junk):
    good = [NAIVE[way](datetime(2024, 1, 31, 9))] * 2
    assert checks(rk.load(orders=orders([*good, NAIVE[way](moment) + junk]), timezone="UTC")) == {UNREAD: 1}


YEARS = (
    "9999-12-31",
    "12024-01-05",
    "0024-01-05",
    "24-01-05",
    "05/01/24",
    "5 Jan 24",
    "1969-12-31",
    "2101-01-01",
    "0001-01-01T00:00:00",
    "1900-01-01",
    "05.01.0024",
    "0000-00-00",
    "202-10-27 01:30",
    "2101-01-01 00:00",
)


def test_years_that_no_date_has_are_set_aside():
    data = rk.load(orders=orders(["2024-01-05"] * len(YEARS) + [*YEARS]), timezone="UTC")
    assert checks(data) == {OUTSIDE: len(YEARS)}
    assert data.as_of == date(2024, 1, 6)
    assert data.quarantine["orders"]["ordered_at"].tolist() == [*YEARS]


@pytest.mark.parametrize("none", ["0000-00-00 00:00:00", "00.00.0000", "1900-01-01", "9999-12-31 23:59:59"])
def test_clocks_are_asked_for_the_years_in_use_only(none, monkeypatch):
    """Dates that mean none would add the changes of a hundred years to what is asked of every row."""
    asked = []
    transitions = times.transitions
    monkeypatch.setattr(times, "transitions", lambda *years: asked.append(years) or transitions(*years))
    changed = ["2024-03-31 01:30:00", "2025-10-26 01:30:00"]
    assert read_times(orders([*changed, none]), timezone="Europe/London")[:2] == ["2024-03-31 02:30:00", changed[1]]
    assert {*asked} == {("Europe/London", 2024, 2025)}


@pytest.mark.parametrize(
    ("days", "calendar"),
    [
        (["2567-01-05", "2567-02-30"], "Buddhist"),
        (["13/01/2567", "14/02/2567"], "Buddhist"),
        (["1446-01-05 10:00", "1446-02-14 10:00"], "Hijri"),
        (["١٤٤٦/٠١/٣٠", "١٤٤٦/٠٢/٠٤"], "Hijri"),
        (["1403/01/31", "1403/02/31"], "Persian"),
        (["5784-01-03", "5784-01-04"], "Hebrew"),
        (["14460130", "14460204"], "Hijri"),
        (["0113-01-03", "0113-01-04"], None),
        (["1969-12-30 10:00+1400", "1969-12-31 10:00+1400"], None),
    ],
)
def test_years_of_another_calendar_are_named(days, calendar):
    """2024 is 2567 in Thailand, 1445 and 1446 after the Hijra, 1402 and 1403 in Iran, 5784 in the Hebrew calendar."""
    hint = f"this looks like a year of the {calendar} calendar, give Gregorian ones."
    with pytest.raises(DataError) as error:
        rk.load(orders=orders(days), timezone="UTC")
    assert str(error.value).endswith(hint if calendar else "write years with four digits.")


@pytest.mark.parametrize("text", ["1970-01-01", "2100-12-31 23:59:59.999999"])
def test_the_first_and_the_last_that_they_have_are_not(text):
    assert checks(rk.load(orders=orders([text] * 2), timezone="UTC", as_of="2101-01-01")).keys() <= {
        "dated in the future, before as_of"
    }


def test_the_order_of_day_and_month_is_the_columns():
    assert read_times(orders(["05/01/2024", "31/01/2024"])) == ["2024-01-05 00:00:00", "2024-01-31 00:00:00"]
    assert read_times(orders(["05/01/2024", "1/31/2024"])) == ["2024-05-01 00:00:00", "2024-01-31 00:00:00"]
    assert read_times(orders(["05/05/2024", "1/1/2024"])) == ["2024-05-05 00:00:00", "2024-01-01 00:00:00"], (
        "either way"
    )
    with pytest.raises(DataError, match=r"writes the day first \('31/01/2024'\) and the month first \('01/31/2024'\)"):
        read_times(orders(["31/01/2024", "01/31/2024"]))
    bad = orders(["45/01/2024", "31/01/2024", "30/01/2024"])
    assert checks(rk.load(orders=bad, timezone="UTC")) == {UNREAD: 1}, "45 is no day, and proves nothing"


def test_dates_as_programs_in_arabic_write_them():
    """In Cairo, in Damascus, and in Excel, which marks the direction of a text: am is ص, pm is م."""
    theirs = [
        ("31/01/2024 12:05 ص", "2024-01-31 00:05:00"),
        ("\u200f31/01/2024 1:00:07 م", "2024-01-31 13:00:07"),
        ("٣ يناير ٢٠٢٤", "2024-01-03 00:00:00"),
        ("14 كانون الثاني، 2024", "2024-01-14 00:00:00"),
        ("14 تشرين الأول 2023", "2023-10-14 00:00:00"),
        ("الأربعاء، 1 آب 2023، 10:00 م", "2023-08-01 22:00:00"),
    ]
    assert read_times(orders([text for text, _ in theirs])) == [moment for _, moment in theirs]
    with pytest.raises(DataError, match=r"comes first, such as '05/01/2024 10:00 ص': write dates like 2011-11-30"):
        read_times(orders(["05/01/2024 10:00 ص"]))


HALVES = {  # what is said of an hour of 24, which of them it is said of
    "ص": range(12),
    "صباحًا": range(12),
    "صباحا": range(12),
    "فجرًا": range(2, 7),
    "ظهرًا": range(12, 16),
    "م": range(12, 24),
    "مساءً": range(12, 24),
    "مســاء": range(12, 24),
    "بعد الظهر": range(12, 24),
    "ليلاً": range(20, 24),
}
ERAS = ("", "م", " م", " ميلادي", " ميلادية", " AD")
BEHIND = {  # what tells the offset, and the hours that it is ahead
    "+03:00": 3,
    " UTC+03:00 Riyadh": 3,
    " (UTC+03:00) Kuwait, Riyadh": 3,
    " GMT+0300 (Arabian Standard Time)": 3,
    " غرينتش+3": 3,
    " UTC+03:00 الرياض": 3,
    "+03:00[Asia/Riyadh]": 3,
    " GMT+0000 (Coordinated Universal Time)": 0,
    " GMT+0100 (British Summer Time)": 1,
}


def arabic_times() -> Iterator[tuple[str, datetime]]:
    """Local times as they are written in Arabic, of every hour, word, era and month, some with a tatweel in it."""
    eras = cycle(ERAS)
    for place, (word, hours) in enumerate(HALVES.items()):
        for hour in hours:
            month = (hour + place) % 12 + 1
            moment = datetime(2024, month, 25, hour, 7)
            name = format_date(moment, "MMMM", ("ar_EG", "ar_SY", "ar_DZ")[hour % 3])
            name = f"{name[:2]}ـ{name[2:]}" if hour % 2 else name
            written = moment.strftime("%Y/%m/%d") if hour % 4 == 3 else f"25 {name} 2024"
            clock = f"{hour if hour > 12 and place % 2 else hour % 12 or 12}:07"
            yield f"{written}{next(eras)}{('، ', ' ', ' الساعة ', ' في ')[place % 4]}{clock} {word}", moment


def test_half_days_eras_and_drawn_out_months_are_read():
    texts, right = zip(*arabic_times(), strict=True)
    assert len(texts) == sum(map(len, HALVES.values()))
    assert read_times(orders(texts)) == list(map(str, right))


@pytest.mark.parametrize("behind", BEHIND)
def test_an_offset_may_name_its_places(behind):
    times = [*arabic_times()]
    ahead = timedelta(hours=BEHIND[behind])
    assert read_times(orders([text + behind for text, _ in times]), timezone="UTC") == [
        str(moment - ahead) for _, moment in times
    ]


def test_half_days_that_do_not_fit_their_hour_are_set_aside():
    wrong = [
        f"2024-01-25 {said}:07 {word}"
        for word, hours in HALVES.items()
        for said in range(24)
        if not {said, *([said % 12, said % 12 + 12] if 1 <= said <= 12 else [])} & {*hours}
    ]
    assert {"2024-01-25 13:07 ص", "2024-01-25 9:07 ظهرًا", "2024-01-25 3:07 ليلاً"} <= {*wrong}
    data = rk.load(orders=orders(["2024-01-25 10:00 ص"] * len(wrong) + wrong), timezone="UTC")
    assert checks(data) == {UNREAD: len(wrong)}


@pytest.mark.parametrize(
    "day", ["{} محرم 1446 هـ", "{} ربيع الأول 1446", "1446/01/{:02} هـ", "{}/1/1446هـ", "{} ذو الحجة ١٤٤٥هـ"]
)
def test_years_of_the_hijra_are_named_and_never_read(day):
    days = [day.format(number) for number in (5, 13)]
    with pytest.raises(DataError, match="this looks like a year of the Hijri calendar"):
        rk.load(orders=orders(days), timezone="UTC")
    data = rk.load(orders=orders([*days, *["2024-01-25", "25 يناير 2024 م"] * 3]), timezone="UTC")
    assert checks(data) == {OUTSIDE: 2}


def test_months_are_read_wherever_arabic_is_written():
    """May is مايو in Cairo, أيار in Damascus, ماي in Rabat and Algiers; some write a comma where others write none."""
    days = [date(2024, month, 5 + month) for month in range(1, 13)]
    places = [locale for locale in localedata.locale_identifiers() if locale.split("_")[0] == "ar"]
    written = {
        (format_date(day, style, locale), day) for locale in places for style in ("long", "full") for day in days
    }
    written |= {(f"{format_date(day, 'MMMM d', locale)}، 2024", day) for locale in places for day in days}
    texts, right = zip(*sorted(written), strict=True)
    assert read_times(orders(texts)) == [f"{day} 00:00:00" for day in right]


def test_files_of_a_pattern_that_contradict_each_other_are_named(tmp_path):
    """None is read by the other's order: each may be read by its own, as a source of its own."""
    head, rows = "customer_id,ordered_at,amount\n", ("Ann,31/01/2024,1\nBen,05/02/2024,1\n", "Cy,01/30/2024,1\n")
    for number, text in enumerate(rows):
        (tmp_path / f"o-{number}.csv").write_text(head + text, "utf-8")
    settings = tmp_path / "retention.toml"
    settings.write_text('[data]\norders = "o-*.csv"\n[report]\ntimezone = "UTC"\n', "utf-8")
    with pytest.raises(DataError) as error:
        rk.load(settings)
    assert str(error.value) == (
        "The orders column 'ordered_at' writes the day first in o-0.csv ('31/01/2024') and the month first in o-1.csv "
        "('01/30/2024'): write all of its dates one way, or name the files as sources of their own."
    )
    each = "".join(f'[[data.orders]]\npath = "o-{number}.csv"\n' for number in (0, 1))
    settings.write_text(f'{each}[report]\ntimezone = "UTC"\n', "utf-8")
    days = [day for (day,) in rk.load(settings).engine.rows("SELECT CAST(day AS VARCHAR) FROM orders ORDER BY _row")]
    assert days == ["2024-01-31", "2024-02-05", "2024-01-30"]


@pytest.mark.parametrize("digits", ["٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "０１２３４５６７８９"])
def test_digits_of_other_scripts_are_digits(digits):
    texts = ["2024-01-05", "2024-01-05 10:30:00", "31/01/2024 2:05 PM", "2024/02/06"]
    right = ["2024-01-05 00:00:00", "2024-01-05 10:30:00", "2024-01-31 14:05:00", "2024-02-06 00:00:00"]
    translated = [text.translate(str.maketrans("0123456789", digits)) for text in texts]
    assert read_times(orders(translated)) == read_times(orders(texts)) == right
    assert read_times(orders([translated[0], texts[1]])) == right[:2]
    minutes = [f"2024-01-05 {at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}" for at in range(10_500)]
    several = [text.translate(str.maketrans("0123456789", digits)) for text in minutes]
    assert read_times(orders(several)) == minutes


OFFERED = {
    "45296": "2024-01-05 00:00:00",
    "45296.4375": "2024-01-05 10:30:00",
    "1704448800": "2024-01-05 10:00:00",
    "1704448800.5": "2024-01-05 10:00:00.5",
    "1704448800123": "2024-01-05 10:00:00.123",
    "1704448800123456": "2024-01-05 10:00:00.123456",
    "1706745599999999999": "2024-01-31 23:59:59.999999",
    "2460314.9375": "2024-01-05 10:30:00",
}


def offers(error: str) -> list[str]:
    return re.findall(r'ordered_at = "(?:[^"\\]|\\.)*"', error)


def project(folder, texts, mapping: str = "", column: str = "ordered_at") -> None:
    rows = "".join(f'Ann,"{text}",1\n' for text in texts)
    (folder / "orders.csv").write_text(f"customer_id,{column},amount\n{rows}", "utf-8")
    columns = f"[data.orders.columns]\n{mapping}\n" if mapping else ""
    toml = f'[report]\ntimezone = "UTC"\nas_of = 2101-01-01\n[data.orders]\npath = "orders.csv"\n{columns}'
    (folder / "retention.toml").write_text(toml, "utf-8")


def loaded(folder) -> list[str]:
    return [at for (at,) in rk.load(folder).engine.rows("SELECT CAST(ordered_at AS VARCHAR) FROM orders ORDER BY _row")]


@pytest.mark.parametrize("column", ["ordered_at", "Order date"])
@pytest.mark.parametrize("number", OFFERED)
@pytest.mark.long
def test_numbers_that_count_time_are_refused_with_what_reads_them(tmp_path, number, column):
    project(tmp_path, [number] * 3, "" if column == "ordered_at" else f'ordered_at = "{column}"', column)
    with pytest.raises(DataError, match="which look like ") as error:
        loaded(tmp_path)
    (offer,) = offers(str(error.value))
    project(tmp_path, [number] * 3, offer, column)
    assert loaded(tmp_path) == [OFFERED[number]] * 3


@pytest.mark.parametrize("number", OFFERED)
def test_numbers_in_frames_too(number):
    frame = orders([float(number) if "." in number else int(number)] * 2)
    with pytest.raises(DataError, match="which look like ") as error:
        rk.load(orders=frame)
    expression = re.search(r'with (orders\["ordered_at"\]) = (.*)\.$', str(error.value))
    frame["ordered_at"] = eval(expression[2], {"pd": pd, "orders": frame})
    assert read_times(frame, timezone="UTC") == [OFFERED[number]] * 2


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["05/06/2026 2:30:00 PM"], ["2026-06-05 14:30:00", "2026-05-06 14:30:00"]),
        (["05/06/2026", "7/8/2026 14:30"], ["2026-06-05 00:00:00", "2026-05-06 00:00:00"]),
        (["05-06-2026T14:30:00"], ["2026-06-05 14:30:00", "2026-05-06 14:30:00"]),
        (["05/06/26", "07/08/26"], ["2026-06-05 00:00:00", "2026-05-06 00:00:00"]),
        (["5 Jun 26", "7 Aug 26"], ["2026-06-05 00:00:00"]),
    ],
)
def test_what_cannot_be_told_is_refused_with_both_readings(tmp_path, texts, first):
    project(tmp_path, texts)
    with pytest.raises(DataError, match=r"day or the month comes first|years with two digits") as error:
        loaded(tmp_path)
    offered = offers(str(error.value))
    read_as = []
    for offer in offered:
        assert tomllib.loads(offer)
        project(tmp_path, texts, offer)
        read_as.append(loaded(tmp_path)[0])
    assert read_as == first


UNITS = ("s", "ms", "us", "ns")
LAST = "2024-01-31 23:59:59.999999999"


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("way", ["pandas", "arrow", "parquet"])
@pytest.mark.long
def test_every_type_of_time_is_read(tmp_path, way, unit, zone):
    """The last instant of a month that the type can tell, and no later one."""
    digits = {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit]
    local = LAST[: 19 + (digits > 0) + digits]
    times = pd.Series(pd.to_datetime([local])).astype(f"datetime64[{unit}]")
    times = times.dt.tz_localize(zone) if zone else times
    frame = orders(times)
    given_ = frame if way == "pandas" else pa.Table.from_pandas(frame.assign(ordered_at=times))
    if way == "arrow":
        given_ = given_.set_column(1, "ordered_at", pa.array(times).cast(pa.timestamp(unit, zone)))
    if way == "parquet":
        frame.to_parquet(tmp_path / "orders.parquet")
        data = rk.load(tmp_path / "orders.parquet", timezone=zone or "UTC")
    else:
        data = rk.load(orders=given_, timezone=zone or "UTC")
    assert data.engine.rows("SELECT CAST(ordered_at AS VARCHAR) FROM orders") == [(local[:26],)]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_every_type_of_date_is_read(kind):
    frame = pa.table({"customer_id": ["Ann"], "ordered_at": pa.array([date(2024, 1, 31)], kind), "amount": [1]})
    assert rk.load(orders=frame).start == date(2024, 1, 31)


def test_days_as_whole_numbers_categories_and_objects():
    for values in (
        [20240131, 20240201],
        pd.Categorical(["2024-01-31", "2024-02-01"]),
        [date(2024, 1, 31), date(2024, 2, 1)],
        pd.Series([date(2024, 1, 31), datetime(2024, 2, 1)], dtype=object),
        pd.Series([datetime(2024, 1, 31), "2024-02-01"], dtype=object),
        pd.Series(
            [datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 2, 1, 2, tzinfo=dt.timezone(timedelta(hours=2)))],
            dtype=object,
        ),
    ):
        assert read_times(orders(values), timezone="UTC") == ["2024-01-31 00:00:00", "2024-02-01 00:00:00"]


@pytest.mark.parametrize(
    "values", [[dt.time(10)], [True], [7], [timedelta(days=1)]], ids=["time", "bool", "number", "span"]
)
def test_what_is_no_date_is_a_sentence(values):
    with pytest.raises(DataError, match=r"^The orders column 'ordered_at' holds \w+ values, not dates\.$"):
        rk.load(orders=orders(values))


@pytest.mark.parametrize("kind", ["datetime64[s]", "datetime64[us]", "object"])
def test_typed_years_that_no_date_has(kind):
    times = [datetime(2024, 1, 5), datetime(2024, 1, 5), datetime(9999, 12, 31)]
    column = pd.Series(times, dtype=object) if kind == "object" else pd.Series(times).astype(kind)
    data = rk.load(orders=orders(column), timezone="America/New_York")
    assert checks(data) == {OUTSIDE: 1}
    assert len(data.quarantine["orders"]) == 1


SPELLED = {
    "day": str,
    "midnight": "{} 00:00:00".format,
    "last second": "{} 23:59:59".format,
    "instant": "{}T00:00:00Z".format,
    "typed": datetime.fromisoformat,
    "date": date.fromisoformat,
    "slashes": lambda day: "{2}.{1}.{0}".format(*day.split("-")),
}


@pytest.mark.long
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize("spelled", SPELLED)
def test_ends_that_stand_for_none(spelled, zone):
    ends = [*map(SPELLED[spelled], [*NO_END, "2024-03-15"]), None]
    frame = pd.DataFrame({"customer_id": list("abcdefghi"), "started_at": "2024-01-10", "ended_at": ends, "amount": 10})
    data = rk.load(subscriptions=frame, timezone=zone, as_of="2024-04-01")
    assert checks(data) == {"end date that stands for none": 7}
    assert rk.scorecard(data, "2024-03", metrics=["mrr"])["value"].tolist() == [80]


@pytest.mark.parametrize("ends", [[0, 0, 20240315], [0.0, None, 20240315.0], ["0", "", "20240315"], [0, 0, 0]], ids=str)
def test_an_end_of_zero_is_none_however_it_is_typed(ends):
    """So do databases without missing values: the spells of a and b run."""
    frame = pd.DataFrame({"customer_id": list("abc"), "started_at": "2024-01-10", "ended_at": ends, "amount": 10})
    data = rk.load(subscriptions=frame, timezone="UTC", as_of="2024-04-01")
    assert {*checks(data)} == {"word for an empty cell"}
    assert rk.scorecard(data, "2024-03", metrics=["mrr"])["value"].tolist() == [20 if ends[2] else 30]


def test_other_ends_are_ends():
    ends = ["1970-01-02", "2098-12-31", "9999-12-30", "2024-03-15"]
    frame = pd.DataFrame({"customer_id": list("abcd"), "started_at": "2024-01-10", "ended_at": ends, "amount": 10})
    assert checks(rk.load(subscriptions=frame, timezone="UTC", as_of="2024-04-01")) == {
        "ended before it started": 1,
        "end date outside 1970-2100": 1,
    }


def test_a_date_in_the_future_makes_no_empty_month_the_report(monkeypatch):
    monkeypatch.setattr(pipeline, "today", lambda _: date(2024, 2, 10))
    frame = orders(["2024-01-05", "2024-02-09", "2027-03-01"])
    data = rk.load(orders=frame, timezone="UTC")
    assert data.as_of == date(2024, 2, 10)
    assert checks(data) == {"dated in the future": 1}
    assert rk.load(
        orders=frame.assign(ordered_at=["2024-01-05", "2024-02-10 23:59", "2027-03-01"]), timezone="UTC"
    ).as_of == date(2024, 2, 11)
    dated = rk.load(orders=frame, timezone="UTC", as_of="2028-01-01")
    assert (dated.as_of, checks(dated)) == (date(2028, 1, 1), {"dated in the future, before as_of": 1})
    with pytest.raises(
        DataError, match=r"^All usable rows are dated in the future: correct the dates, or set as_of\.$"
    ):
        rk.load(orders=frame[2:], timezone="UTC")


# Columns that every engine reads alike (test_postgres.py, test_spark.py): each with some that are unreadable.
COLUMNS = {
    "naive": [way(datetime(2024, 1, 31, 23, 59, 59, 999999)) for way in [*NAIVE.values()][:8]]
    + [
        "31/01/2024 12:05:00 AM",
        "01/02/2024",
        "2024-01-05 24:00",
        "2024-02-30 10:00",
        "9999-12-31 00:00",
        "24-01-05",
        "soon",
        "20240105",
    ],
    "aware": [
        "2024-03-31T00:59:59.999999Z",
        "2024-01-01 00:30:00+0200",
        "2024-01-01 00:30+02",
        "2026/10/05 2:30:00 PM GMT+3",
        "2024-03-31 03:30 Europe/Paris",
        "2024-03-31 02:30 Europe/Paris",
        "2024-01-05 10:00 Etc/GMT+3",
        "5 Jan 2024 10:00 UTC",
        "2024-01-05 10:00+15:00",
        "2024-01-05 10:00 MDT",
        "2024-01-05",
        "0001-01-01T00:00:00Z",
    ],
    "plain": ["2024-01-05", "2024-01-05 10:00", "2024-10-27 01:30:00.5"],
    "instants": ["2024-01-05T10:00:00Z", "2024-10-27 01:30:00.5+01:00"],
}


def times_and_counts(data) -> tuple[list, dict]:
    """The local times of all rows, and what was counted."""
    query = "SELECT CAST(ordered_at AS VARCHAR) FROM orders_judged ORDER BY _row"
    return [text for (text,) in data.engine.rows(query)], checks(data)


@pytest.mark.parametrize("column", COLUMNS)
def test_columns_that_every_engine_reads(column):
    times, counted = times_and_counts(
        rk.load(orders=orders(COLUMNS[column]), timezone="Europe/London", as_of="2027-01-01")
    )
    aside = sum(counted.get(check, 0) for check in (UNREAD, OUTSIDE))
    assert len(times) == len(COLUMNS[column])
    assert sum(time is None for time in times) == aside == {"naive": 4, "aware": 3}.get(column, 0)
