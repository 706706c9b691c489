"""What must hold whatever the data: random small histories of orders, subscriptions and answers, the same on every run."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

import retention_kit as rk
from retention_kit.metrics.identities import identities
from retention_kit.metrics.scorecard import missing_metrics

START, AS_OF = date(2023, 11, 1), date(2024, 5, 16)
PERIODS = ["2024-03", "2024-05"]  # the last one is incomplete
OPTIONS = {"timezone": "UTC", "currency": "GBP", "as_of": str(AS_OF), "every": "month"}
QUICK = [name for name, metric in rk.METRICS.items() if metric.summary in ("movements", "purchases", "mrr")]
MONEY = [name for name in QUICK if rk.METRICS[name].unit == "money"]
FLOWS = ["revenue", "guest_revenue", "refunds", "net_revenue", "net_new_mrr"]  # what happens adds up over time too
ADDITIVE = [name for name in QUICK if rk.METRICS[name].unit == "count"] + [*FLOWS, "mrr"]
CONTRACT = [name for name in QUICK if rk.METRICS[name].summary != "purchases"]
FEEDBACK = [name for name, metric in rk.METRICS.items() if metric.summary == "feedback"]

# Each case is several loads, and making a failing one smaller would take minutes.
few = settings(max_examples=5, phases=[Phase.explicit, Phase.generate])
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
answers = st.lists(
    st.tuples(
        st.one_of(customers, st.none()),
        days,
        st.sampled_from(["nps", "nps", "csat", "ces"]),
        st.integers(-1, 11),  # some of them outside any scale, most outside 1-5
        countries,
    ),
    min_size=1,
    max_size=25,
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


VALID = {"nps": range(11), "csat": range(1, 6), "ces": range(1, 8)}


def answer_table(rows) -> pd.DataFrame:
    """Valid answers besides see to it that the table can be used: of each survey as many as lie outside its scale."""
    frame = pd.DataFrame(rows, columns=["customer_id", "responded_at", "survey", "score", "country"])
    outside = [
        survey for survey, score in zip(frame["survey"], frame["score"], strict=True) if score not in VALID[survey]
    ]
    for survey in outside:
        frame.loc[len(frame)] = [f"V{len(frame)}", str(START), survey, 5, "UK"]
    frame.loc[len(frame)] = ["A", str(START), "nps", 9, "UK"]
    return frame.assign(scale=frame["survey"].map({"nps": "0-10", "csat": "1-5", "ces": "1-7"}))


def load(history: dict[str, pd.DataFrame], **changed):
    return rk.load(**history, **OPTIONS | changed)


def figures(history: dict[str, pd.DataFrame], periods=PERIODS, **changed) -> pd.DataFrame:
    """The scorecard of the periods that the data hold, by country; without lifetimes, which take long."""
    return figures_of(load(history, **changed), periods)


def figures_of(data, periods=PERIODS) -> pd.DataFrame:
    periods = [period for period in periods if period >= str(data.start)[:7]]
    names = [name for name in QUICK + FEEDBACK if name not in missing_metrics(data)]
    return rk.scorecard(data, periods=periods, segment="country", metrics=names)


histories = st.one_of(
    orders.map(lambda rows: {"orders": order_table(rows)}),
    spells.map(lambda rows: {"subscriptions": spell_table(rows)}),
    st.tuples(orders, spells).map(lambda both: {"orders": order_table(both[0]), "subscriptions": spell_table(both[1])}),
)


def with_distinct_times(history: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Rows at instants of their own, so that a customer's last row does not hang on the order of rows."""

    def spread(frame: pd.DataFrame, column: str, first: int) -> pd.DataFrame:
        return frame.assign(**{column: [f"{day} 00:{first + row:02}:00" for row, day in enumerate(frame[column])]})

    columns = {"orders": ("ordered_at", 0), "subscriptions": ("started_at", 30), "responses": ("responded_at", 0)}
    spread_out = {name: spread(frame, *columns[name]) for name, frame in history.items()}
    if "subscriptions" in spread_out:  # an end on the day of its start stays after it
        frame = spread_out["subscriptions"]
        spread_out["subscriptions"] = frame.assign(
            ended_at=frame["ended_at"].where(frame["ended_at"].isna(), frame["ended_at"] + " 23:00:00")
        )
    return spread_out


@pytest.mark.long
@few
@given(history=histories)
@pytest.mark.parametrize("every", ["week", "month", "quarter"])
def test_identities_hold_for_any_history(every, history):
    data = load(history)
    for identity in identities(data, every, ("country",)):
        assert identity.broken == (), identity.name


@pytest.mark.long
@few
@given(history=histories)
@pytest.mark.parametrize(
    "options",
    [
        {"churn_mode": "event"},
        {"mrr_mode": "event"},
        {"basis": "orders", "inactivity_days": 20},
        {"basis": "orders", "inactivity_days": 45, "churn_mode": "event", "mrr_mode": "event"},
    ],
    ids=lambda options: " ".join(f"{name}={value}" for name, value in options.items()),
)
def test_identities_hold_under_other_definitions(options, history):
    assume("orders" in history or "basis" not in options)
    data = load(history, **options)
    for identity in identities(data, "month", ("country",)):
        assert identity.broken == (), identity.name
    moves = rk.customer_movements(data, every="month")
    assert (moves["start"] + moves["new"] + moves["reactivated"] - moves["lost"] == moves["end"]).all()
    assert (moves["start"].iloc[1:].to_numpy() == moves["end"].iloc[:-1].to_numpy()).all()


@pytest.mark.long
@few
@given(history=histories)
def test_what_is_customer_at_a_boundary_is_so_in_either_mode(history):
    """Counting every departure changes how one gets from start to end, not where one is."""
    by_end, by_event = (
        rk.customer_movements(load(history, churn_mode=mode), every="month") for mode in ("endpoint", "event")
    )
    same = ["period", "start", "retained", "end"]
    pd.testing.assert_frame_equal(by_end[same], by_event[same])
    assert (by_event["lost"] >= by_end["lost"]).all()


@pytest.mark.long
@few
@given(history=histories, random=st.randoms(use_true_random=False))
def test_the_order_of_rows_is_nothing(history, random):
    history = with_distinct_times(history)
    shuffled = {name: frame.sample(frac=1, random_state=random.randrange(1000)) for name, frame in history.items()}
    pd.testing.assert_frame_equal(figures(shuffled), figures(history))


@pytest.mark.long
@few
@given(history=histories)
def test_rows_said_twice_count_once(history):
    history = with_distinct_times(history)
    twice = {name: pd.concat([frame, frame[::-1]]) for name, frame in history.items()}
    pd.testing.assert_frame_equal(figures(twice), figures(history))


@pytest.mark.long
@few
@given(history=histories)
def test_customers_by_other_names_are_the_same_customers(history):
    history = with_distinct_times(history)
    renamed = {
        name: frame.assign(
            customer_id=frame["customer_id"].map({who: f"{9 - number} é" for number, who in enumerate("ABCDE")})
        )
        for name, frame in history.items()
    }
    pd.testing.assert_frame_equal(figures(renamed), figures(history))


@pytest.mark.long
@few
@given(history=histories)
def test_ten_times_the_money_is_ten_times_the_money_figures_and_no_other(history):
    history = with_distinct_times(history)
    richer = figures({name: frame.assign(amount=(frame["amount"] * 10).round(2)) for name, frame in history.items()})
    before = figures(history)
    money = before["metric"].isin(MONEY)
    scaled = ["value", "low", "high", "previous", "change", "change_low", "change_high", "year_ago"]
    pd.testing.assert_frame_equal(richer.loc[money, scaled], before.loc[money, scaled] * 10)
    pd.testing.assert_frame_equal(richer.loc[~money, scaled], before.loc[~money, scaled])
    is_per_customer = ~before["metric"].isin([name for name in QUICK if rk.METRICS[name].summary == "mrr"]) & ~money
    pd.testing.assert_frame_equal(richer[is_per_customer], before[is_per_customer])


@pytest.mark.long
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


@pytest.mark.long
@few
@given(history=histories)
def test_segments_sum_to_the_whole(history):
    frame = figures(history)
    frame = frame[frame["metric"].isin(ADDITIVE)]
    whole = frame[frame["segment_value"] == ""].set_index(["metric", "period"])["value"]
    parts = frame[frame["segment_value"] != ""].groupby(["metric", "period"])["value"].sum()
    pd.testing.assert_series_equal(parts.reindex(whole.index).fillna(0), whole, rtol=0, atol=1e-6)


@pytest.mark.long
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


@few
@given(history=histories)
def test_months_sum_to_their_quarter(history):
    """What happens, not what is: three monthly figures of it are the quarter's."""
    data = load(history)
    flows = [name for name in FLOWS if name not in missing_metrics(data)]
    quarters = [
        period for period in ("2023-Q4", "2024-Q1") if period >= f"{data.start:%Y}-Q{(data.start.month + 2) // 3}"
    ]
    first = str(data.start)[:7]
    for quarter in quarters:
        months = [f"{quarter[:4]}-{3 * int(quarter[-1]) - back:02}" for back in (2, 1, 0)]
        parts = rk.scorecard(data, periods=[month for month in months if month >= first], metrics=flows)
        whole = rk.scorecard(data, quarter, metrics=flows).set_index("metric")["value"]
        sums = parts.groupby("metric")["value"].sum().reindex(whole.index)
        pd.testing.assert_series_equal(sums, whole, rtol=0, atol=1e-6)


@pytest.mark.long
@few
@given(history=histories, cut=st.floats(0, 1))
def test_a_table_in_two_files_is_one_table(history, cut):
    history = with_distinct_times(history)
    with TemporaryDirectory() as folder:

        def write(pieces: dict[str, list[pd.DataFrame]]):
            toml = ["[report]", *(f'{name} = "{value}"' for name, value in OPTIONS.items() if name != "as_of")]
            toml += [f"as_of = {AS_OF}"]
            for table, frames in pieces.items():
                for number, frame in enumerate(frames):
                    frame.to_csv(Path(folder) / f"{table}-{number}.csv", index=False)
                    toml += [f"[[data.{table}]]", f'path = "{table}-{number}.csv"']
            (Path(folder) / "retention.toml").write_text("\n".join(toml))
            return figures_of(rk.load(folder))

        whole = write({name: [frame] for name, frame in history.items()})
        cuts = {name: int(cut * len(frame)) for name, frame in history.items()}
        halves = {name: [frame[: cuts[name]], frame[cuts[name] :]] for name, frame in history.items()}
        halves = {name: [half for half in both if len(half)] for name, both in halves.items()}
        pd.testing.assert_frame_equal(write(halves), whole)


@pytest.mark.long
@few
@given(history=histories, zone=st.sampled_from(["America/New_York", "Asia/Kolkata", "Pacific/Kiritimati"]))
def test_instants_may_be_written_in_any_zone(history, zone):
    history = with_distinct_times(history)

    def in_zone(frame: pd.DataFrame) -> pd.DataFrame:
        times = frame.columns.intersection(["ordered_at", "started_at", "ended_at"])
        return frame.assign(
            **{name: pd.to_datetime(frame[name]).dt.tz_localize("UTC").dt.tz_convert(zone) for name in times}
        )

    pd.testing.assert_frame_equal(figures({name: in_zone(frame) for name, frame in history.items()}), figures(history))


@pytest.mark.long
@few
@given(history=histories, zone=st.sampled_from(["Asia/Tokyo", "America/Phoenix"]))
def test_local_times_are_local_wherever_that_is(history, zone):
    """In zones that never change their clocks."""
    history = with_distinct_times(history)
    pd.testing.assert_frame_equal(figures(history, timezone=zone), figures(history))


@pytest.mark.long
@few
@given(history=histories)
def test_two_values_by_one_name_are_their_sum(history):
    """And nothing else moves: neither the whole nor the customers without a value."""
    history = with_distinct_times(history)
    merged = figures(
        {name: frame.replace({"country": {"UK": "Europe", "France": "Europe"}}) for name, frame in history.items()}
    )
    before, key = figures(history), ["metric", "period", "segment_value"]
    apart = before["segment_value"].isin(["UK", "France"])
    pd.testing.assert_frame_equal(
        merged[merged["segment_value"] != "Europe"].reset_index(drop=True), before[~apart].reset_index(drop=True)
    )
    sums = before[apart & before["metric"].isin(ADDITIVE)].groupby(key[:2])["value"].sum()
    europe = merged[(merged["segment_value"] == "Europe") & merged["metric"].isin(ADDITIVE)].set_index(key[:2])["value"]
    pd.testing.assert_series_equal(europe.sort_index(), sums.sort_index(), rtol=0, atol=1e-6)


@few
@given(table=answers.map(answer_table))
def test_every_valid_answer_is_a_promoter_a_passive_or_a_detractor(table):
    data = load({"responses": table})
    for identity in identities(data, "month", ("country",)):
        assert identity.broken == (), identity.name
    frame = figures_of(data)
    scores = frame[(frame["metric"] == "net_promoter_score") & frame["value"].notna()]
    assert scores["value"].between(-100, 100).all()
    assert (scores["low"] <= scores["high"]).all()
    shares = frame[frame["metric"].isin(["customer_satisfaction_score", "customer_effort_score"])].dropna(
        subset="value"
    )
    assert shares["value"].between(0, 1).all()
    assert (shares["low"] <= shares["value"] + 1e-12).all()
    assert (shares["value"] <= shares["high"] + 1e-12).all()


@few
@given(table=answers.map(answer_table))
@pytest.mark.parametrize("rule", ["last", "all"])
def test_answers_are_counted_as_one_would_by_hand(rule, table):
    valid = table[[score in VALID[survey] for survey, score in zip(table["survey"], table["score"], strict=True)]]
    valid = valid.drop_duplicates()
    named, nameless = valid[valid["customer_id"].notna()], valid[valid["customer_id"].isna()]
    data = load({"responses": table}, answers=rule)
    for every, width in (("month", 7), ("year", 4)):
        month = named["responded_at"].str[:width]
        once = (
            named.assign(month=month).drop_duplicates(["customer_id", "survey", "month"]) if rule == "last" else named
        )
        counts = pd.concat([once["responded_at"], nameless["responded_at"]]).str[:width].value_counts()
        responses = rk.scorecard(data, periods="all", every=every, metrics=["response_count"]).set_index("period")[
            "value"
        ]
        assert responses[responses > 0].to_dict() == counts.to_dict()


@pytest.mark.long
@few
@given(table=answers.map(answer_table), random=st.randoms(use_true_random=False))
def test_neither_the_order_of_answers_nor_names_matter(table, random):
    history = with_distinct_times({"responses": table})
    shuffled = history["responses"].sample(frac=1, random_state=random.randrange(1000))
    shuffled = shuffled.assign(customer_id=shuffled["customer_id"].map(lambda who: f"é {who}", na_action="ignore"))
    pd.testing.assert_frame_equal(figures({"responses": shuffled}), figures(history))
