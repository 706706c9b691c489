"""What must hold whatever the data: random small histories of orders and subscriptions, the same on every run."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from retention_kit.metrics.identities import identities
from retention_kit.metrics.scorecard import absent

START, AS_OF = date(2023, 11, 1), date(2024, 5, 16)
PERIODS = ["2024-03", "2024-05"]  # the last one is incomplete
OPTIONS = {"timezone": "UTC", "currency": "GBP", "as_of": str(AS_OF), "every": "month"}
QUICK = [name for name, one in rk.METRICS.items() if one.summary in ("movements", "purchases", "mrr")]
MONEY = [name for name in QUICK if rk.METRICS[name].unit == "money"]
ADDITIVE = [name for name in QUICK if rk.METRICS[name].unit == "count"] + ["revenue", "mrr", "net_new_mrr"]

CONTRACT = [name for name in QUICK if rk.METRICS[name].summary != "purchases"]

few = settings(max_examples=10)
days = st.integers(0, (AS_OF - START).days - 1).map(lambda number: str(START + timedelta(days=number)))
customers = st.sampled_from("ABCDE")
countries = st.sampled_from(["UK", "France", None])
orders = st.lists(
    st.tuples(st.one_of(customers, st.none()), days, st.integers(-500, 5000), countries), min_size=1, max_size=25
)
spells = st.lists(
    st.tuples(
        customers,
        days,
        st.integers(0, 120),
        st.integers(0, 5000),
        st.sampled_from(["month", "quarter", "year", "week", "day"]),
        st.sampled_from(["active", "active", "paused"]),
        countries,
    ),
    min_size=1,
    max_size=15,
)


def order_table(rows) -> pd.DataFrame:
    """Every fifth order is a refund of the one five before it."""
    frame = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "pence", "country"])
    frame["order_id"] = [f"O{number}" for number in range(len(frame))]
    frame["refund_of"] = [f"O{number - 4}" if number % 5 == 4 else None for number in range(len(frame))]
    return frame.assign(amount=frame.pop("pence") / 100)


def spell_table(rows) -> pd.DataFrame:
    names = ["customer_id", "started_at", "length", "pence", "interval", "status", "country"]
    frame = pd.DataFrame(rows, columns=names)
    ends = pd.to_datetime(frame["started_at"]) + pd.to_timedelta(frame.pop("length"), unit="D")
    frame["ended_at"] = ends.dt.strftime("%Y-%m-%d").where(ends < pd.Timestamp(AS_OF))
    frame["subscription_id"] = [f"S{number}" for number in range(len(frame))]
    return frame.assign(amount=frame.pop("pence") / 100)


def load(history: dict[str, pd.DataFrame], **changed):
    return rk.load(**history, **OPTIONS | changed)


def figures(history: dict[str, pd.DataFrame], periods=PERIODS, **changed) -> pd.DataFrame:
    """The scorecard of the periods that the data hold, by country; without lifetimes, which take long."""
    data = load(history, **changed)
    periods = [period for period in periods if period >= str(data.start)[:7]]
    return rk.scorecard(
        data, periods=periods, segment="country", metrics=[name for name in QUICK if name not in absent(data)]
    )


histories = st.one_of(
    orders.map(lambda rows: {"orders": order_table(rows)}),
    spells.map(lambda rows: {"subscriptions": spell_table(rows)}),
    st.tuples(orders, spells).map(lambda both: {"orders": order_table(both[0]), "subscriptions": spell_table(both[1])}),
)


def one_instant_each(history: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Rows at instants of their own, so that a customer's last row does not hang on the order of rows."""

    def spread(frame: pd.DataFrame, column: str, first: int) -> pd.DataFrame:
        return frame.assign(**{column: [f"{day} 00:{first + row:02}:00" for row, day in enumerate(frame[column])]})

    columns = {"orders": ("ordered_at", 0), "subscriptions": ("started_at", 30)}
    spread_out = {name: spread(frame, *columns[name]) for name, frame in history.items()}
    if "subscriptions" in spread_out:  # an end on the day of its start stays after it
        frame = spread_out["subscriptions"]
        spread_out["subscriptions"] = frame.assign(
            ended_at=frame["ended_at"].where(frame["ended_at"].isna(), frame["ended_at"] + " 23:00:00")
        )
    return spread_out


@few
@given(history=histories)
@pytest.mark.parametrize("every", ["week", "month", "quarter"])
def test_identities_hold(every, history):
    data = load(history)
    for one in identities(data, every, ("country",)):
        assert one.broken == (), one.name


@few
@given(history=histories, random=st.randoms(use_true_random=False))
def test_the_order_of_rows_is_nothing(history, random):
    history = one_instant_each(history)
    shuffled = {name: frame.sample(frac=1, random_state=random.randrange(1000)) for name, frame in history.items()}
    pd.testing.assert_frame_equal(figures(shuffled), figures(history))


@few
@given(history=histories)
def test_rows_said_twice_count_once(history):
    twice = {name: pd.concat([frame, frame[::-1]]) for name, frame in history.items()}
    pd.testing.assert_frame_equal(figures(twice), figures(history))


@few
@given(history=histories)
def test_customers_by_other_names_are_the_same_customers(history):
    renamed = {
        name: frame.assign(
            customer_id=frame["customer_id"].map({who: f"{9 - number} é" for number, who in enumerate("ABCDE")})
        )
        for name, frame in history.items()
    }
    pd.testing.assert_frame_equal(figures(renamed), figures(history))


@few
@given(history=histories)
def test_ten_times_the_money_is_ten_times_the_money_figures_and_no_other(history):
    richer = figures({name: frame.assign(amount=(frame["amount"] * 10).round(2)) for name, frame in history.items()})
    before = figures(history)
    money = before["metric"].isin(MONEY)
    scaled = ["value", "previous", "change", "year_ago"]
    pd.testing.assert_frame_equal(richer.loc[money, scaled], before.loc[money, scaled] * 10)
    pd.testing.assert_frame_equal(richer[~money], before[~money])


@few
@given(history=orders.map(order_table), later=orders.map(order_table))
def test_what_happens_after_a_period_does_not_change_it(history, later):
    """But for refunds of its orders, which by the rules reach back: here the later orders refund nothing."""
    later = later.assign(order_id="L" + later["order_id"], refund_of=None, ordered_at="2024-05-02")
    key = ["metric", "period", "segment_value"]
    before, after = (
        figures({"orders": frame}, ["2023-12", "2024-04"]).set_index(key)
        for frame in (history, pd.concat([history, later]))
    )
    pd.testing.assert_frame_equal(after.reindex(before.index), before)
    new = after.loc[after.index.difference(before.index), "value"]
    assert new.fillna(0).eq(0).all(), "a country not seen before is empty"


@few
@given(history=histories)
def test_segments_sum_to_the_whole(history):
    frame = figures(history)
    frame = frame[frame["metric"].isin(ADDITIVE)]
    whole = frame[frame["segment_value"] == ""].set_index(["metric", "period"])["value"]
    parts = frame[frame["segment_value"] != ""].groupby(["metric", "period"])["value"].sum()
    pd.testing.assert_series_equal(parts.reindex(whole.index).fillna(0), whole, rtol=0, atol=1e-9)


@few
@given(history=spells.map(spell_table))
def test_a_spell_cut_in_two_is_the_same_service(history):
    """Ending a subscription and starting it again at the same instant moves nothing."""
    cut = str(AS_OF - timedelta(days=60))
    running = (history["started_at"] < cut) & ((history["ended_at"] > cut) | history["ended_at"].isna())
    first = history.assign(ended_at=history["ended_at"].where(~running, cut))
    second = history[running].assign(started_at=cut, subscription_id="again " + history["subscription_id"])
    whole, halves = (
        rk.scorecard(load({"subscriptions": frame}), "2024-04", metrics=[*CONTRACT, "customer_lifetime_value"])
        for frame in (history, pd.concat([first, second]))
    )
    pd.testing.assert_frame_equal(halves, whole)
