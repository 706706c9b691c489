"""Two datasets of the same tables on two engines: everything that one can ask of them, compared to the last digit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable

import pandas as pd
from pandas.testing import assert_frame_equal

import retention_kit as rk
from retention_kit.errors import RetentionKitError
from retention_kit.metrics.breakdowns import answer_counts
from retention_kit.metrics.forecasts.buyers import cached_fit
from retention_kit.metrics.forecasts.lists import risk_lists
from retention_kit.metrics.forecasts.lives import back_test, lives
from retention_kit.metrics.identities import identities
from retention_kit.metrics.queries.customer_lists import active_customers, customer_lists
from retention_kit.metrics.queries.later_retention import later_retention
from retention_kit.metrics.queries.memberships import renewals, survival_times
from retention_kit.metrics.queries.summaries import concentration, periods_of
from retention_kit.metrics.queries.value_segments import value_segments

LIFETIME = (  # take a query or several for every period
    *("customer_lifespan", "customer_lifetime_value", "predicted_lifetime_value", "customers_at_risk"),
)
FEW = {"week": 3, "month": 10**6, "quarter": 3, "year": 2}  # how many of the last periods are looked at
TABLES = (rk.customer_movements, rk.mrr_movements, rk.churn_reasons, answer_counts, rk.cohorts)


# What is dirty, for every engine to read as the embedded one does.
CLOCKS = """
customer_id  order_id  ordered_at                 amount
Zoë          1         2011-03-27 01:30:00        10.005
ann          2         2011-10-30 01:30:00        1e1
Ann          3         2011-10-30T01:30           -2.5
Ängla        4         2011-11-30                 +3.335
_b           5         2011/11/30 24:00           .5
a-b          6         2011-2-30 10:00            4
ab           7         2011-11-30 10:00:00.5555555  1_000
ab           7         2011-11-30 10:00:00.5555555  7
"""
AWARE = """
customer_id  order_id  ordered_at                        amount
a            1         2011-03-27 01:30:00Z              1
b            2         2011-10-30 01:30 +01:00           2
c            3         2011-10-30T01:30:00.25-0330       3
d            4         2011-11-30 10:00:00 Europe/Paris  4
e            5         2011-11-30 10:00:00 Foo/Bar       5
f            6         2011-11-30 23:30:00 utc           6
g            7         2011-11-30 23:30:00+25            7
"""
TEXTS = (
    *("2011-11-30", "2011/11/30", "2011-1-3", "11-30-2011", "30.11.2011", "2011-11-30 14:05", "2011-11-30T14:05:01"),
    *("2011-11-30 14:05:01.1234567", "2011-11-30 1:5", "2011-11-30 14", "2011-11-30  14:05", "2011 11 30", "20111130"),
    *("2011-11/30", "2011-02-30", "2012-02-29", "2011-02-29", "12011-01-01", "0001-01-01", "2011-11-30 24:00"),
    *(
        "2011-11-30 24:01",
        "2011-11-30 23:59:60",
        "2011-11-30 23:60",
        "2011-11",
        "2011",
        "today",
        "now",
        "Nov 30 2011",
        "x",
        "",
    ),
    *(
        "2011-11-30 14:05:",
        "2011-11-30T",
        "2011-11-30 14:05:1",
        "11-1-1",
        "+2011-01-01",
        "2011-13-01",
        "2011-00-10",
        "2011-10-00",
    ),
    *(
        "2011-011-30",
        "2011-11-30 014:05",
        "2011-11-30 14:05:01,5",
        "2011-11-30 14:05:01.",
        "2011-11-31",
        "1999-12-31 23:59:59.999999",
    ),
)
INSTANTS = (
    *(
        "2011-11-30 14:05:00Z",
        "2011-11-30 14:05Z",
        "2011-11-30 14:05:00+02",
        "2011-11-30 14:05:00+02:30",
        "2011-11-30 14:05:00-03:30",
    ),
    *(
        "2011-07-30 14:05:00 Europe/London",
        "2011-07-30 14:05:00 europe/london",
        "2011-07-30 14:05:00 UTC",
        "2011-07-30 14:05:00 EST",
    ),
    *(
        "2011-07-30 14:05:00 Foo/Bar",
        "2011-07-30 14:05:00+25:00",
        "2011-02-30 14:05:00Z",
        "2011-11-30 14:05:00",
        "x",
        "2011-11-30",
    ),
)
AMOUNTS = (
    *(
        "1",
        "1.5",
        "+1",
        "-1",
        ".5",
        "5.",
        "1e3",
        "1E-3",
        "1e+3",
        "1_000",
        "1,000",
        "0x10",
        "",
        "1e",
        "1.0000005",
        "-1.0000005",
    ),
    *(
        "9999999999999999999999",
        "99999999999999999999999",
        "1e21",
        "1e22",
        "1 2",
        "--1",
        "1e3.5",
        "1.5e2",
        "1d",
        "1__0",
        "_1",
        ".",
    ),
    *(
        "+",
        "-.5",
        "1.5.5",
        "5e-7",
        "4e-7",
        "true",
        "9999999999999999999999.9999996",
        "0.1",
        "123456789.123456789",
        " 7 ",
        "\t7",
    ),
)
FLOATS = (*AMOUNTS, "inf", "-inf", "Infinity", "nan", "1e400", "-1e400", "1e-400", "1e300")


def differences(
    data, other, segments: Iterable[str] = (), every: Iterable[str] = ("month",), months: int = 4
) -> list[str]:
    """What the two give otherwise, a line each, its first word being the frame; `months` have their lists compared."""
    lines = [
        f"{name}: {getattr(data, name)} {getattr(other, name)}"
        for name in ("as_of", "starts", "tables", "segments", "scale", "foreign", "basis")
        if getattr(data, name) != getattr(other, name)
    ]
    lines += _unequal("quality", data.quality, other.quality)
    for name, rows in data.quarantine.items():
        lines += _unequal(f"quarantine of {name}", rows, other.quarantine[name], types=False)
    segments = list(segments)
    for length in every:
        last = [str(period) for period in periods_of(data, length)][-FEW[length] :]
        metrics = [metric for metric in rk.METRICS if metric not in LIFETIME]
        for segment in (None, *segments):
            options = {"every": length, "segment": segment}
            lines += _compare("scorecard", data, other, rk.scorecard, periods=last, metrics=metrics, **options)
            lines += _compare("lifetimes", data, other, rk.scorecard, periods=last[-2:], metrics=LIFETIME, **options)
        for table in TABLES:
            lines += _compare(table.__name__, data, other, table, every=length)
        lines += _compare("identities", data, other, identities, every=length, segments=tuple(segments))
    for period in periods_of(data, "month")[-months:]:
        lines += _compare("lists", data, other, customer_lists, period=period, columns=segments)
        lines += _compare("active", data, other, active_customers, period=period, columns=segments)
        lines += _compare("concentration", data, other, concentration, period=period)
        lines += _compare("value segments", data, other, value_segments, period=period)
    lines += _compare("later retention", data, other, later_retention, period=periods_of(data, "month")[-1])
    if data.basis == "subscriptions":
        cuts = [data.as_of, *(period.start for period in periods_of(data, "month")[-months:])]
        for ask in (renewals, survival_times):
            for cut, segment in [(cuts[0], None), *((cut, segment) for cut in cuts[1:3] for segment in segments)]:
                lines += _compare(ask.__name__, data, other, ask, cut=cut, segment=segment)
    lines += _compare("rfm", data, other, rk.rfm)
    for key, frame in data.summaries.items():
        lines += _unequal(f"summary {key}", frame, other.summaries[key])
    return lines


def forecast_differences(data, other, period, segments: Iterable[str] = ()) -> list[str]:
    """What the two expect of customers otherwise: the fitted models, sums by segment value, the back-test, the lists."""
    lines = _compare("customers at risk", data, other, risk_lists, period=period, columns=[*segments])
    for segment in (None, *segments):
        lines += _compare("forecast", data, other, lives, period=period, segment=segment)
    lines += _compare("back-test", data, other, back_test, period=period)
    if data.basis not in data.tables:
        return lines
    if data.basis == "orders":
        return lines + _compare("fit", data, other, cached_fit, period=period)
    lines += _compare("later retention", data, other, later_retention, period=period)
    lines += _compare("survival times", data, other, survival_times, cut=period.end)
    return lines + _compare("renewals", data, other, renewals, cut=period.end, segment=None)


def _compare(name: str, data, other, ask, **options) -> list[str]:
    results = []
    for dataset in (data, other):
        try:
            results.append(ask(dataset, **options))
        except RetentionKitError as error:
            results.append(str(error))
    return _unequal(f"{name} {options}", *results)


def _plain(value: object) -> object:
    """What JSON cannot hold as it can: to the last digit of a number."""
    return (
        vars(value) if dataclasses.is_dataclass(value) else value.tolist() if hasattr(value, "tolist") else str(value)
    )


def _unequal(name: str, first, second, types: bool = True) -> list[str]:
    if isinstance(first, dict) and isinstance(second, dict):
        return [line for key in first for line in _unequal(f"{name} {key}", first[key], second[key])]
    if dataclasses.is_dataclass(first):  # it may hold arrays
        first, second = (json.dumps(vars(value), default=_plain) for value in (first, second))
    if not (isinstance(first, pd.DataFrame) and isinstance(second, pd.DataFrame)):
        return [] if first == second else [f"{name}: {first} {second}"]
    if not types:  # what came as nanoseconds is kept as microseconds elsewhere
        first, second = (frame.astype(object).where(frame.notna(), None) for frame in (first, second))
    try:
        assert_frame_equal(first, second, check_exact=True)
    except AssertionError as error:
        return [f"{name}: {' '.join(str(error).split())[:400]}"]
    return []
