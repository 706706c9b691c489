"""Spells: what a month of each is worth, which of them count, and where one ends and the next begins."""

import pandas as pd
import pytest

import retention_kit as rk
from pencil import checks, table, value
from retention_kit.errors import DataError
from retention_kit.metrics.identities import identities
from retention_kit.metrics.queries.customer_lists import customer_lists
from retention_kit.periods import Period

UTC = {"timezone": "UTC", "currency": "GBP"}


def subscriptions(text: str, **settings):
    return rk.load(subscriptions=table(text), **UTC | settings)


SPELLS = [  # of one subscription, whose second begins on 15 February: when the first ends, whether it is told
    ("-", True),
    ("2024-02-20", True),
    ("2024-02-15", False),
    ("2024-02-15T20:00", False),
    ("2024-02-01", False),
]


@pytest.mark.long
@pytest.mark.parametrize(("ended", "is_reported"), SPELLS)
@pytest.mark.parametrize("other", ["1", "2"])
def test_spells_of_one_subscription_at_one_time_are_told(ended, is_reported, other):
    """A history whose old rows were never closed counts each of its prices; two subscriptions may well overlap."""
    data = subscriptions(f"""
        customer_id  subscription_id  started_at  ended_at  amount
        Ann          1                2024-01-05  {ended}   100
        Ann          {other}          2024-02-15  -         10
    """, as_of="2024-03-01")  # fmt: skip  # the table as on paper
    effect = data.quality.set_index("check")["effect"].get("spell that begins before the one before it ends", "")
    assert bool(effect) == (is_reported and other == "1")
    assert not effect or "10.00 GBP of MRR" in effect


@pytest.mark.parametrize("day", ["2024-02-16", "2024-02-29"])
def test_that_the_newest_row_overlaps_is_told_though_the_data_end_with_it(day):
    data = subscriptions("""
        customer_id  subscription_id  started_at  ended_at  amount
        Ann          1                2024-01-05  -         100
        Ann          1                2024-02-15  -         10
    """, as_of=day)  # fmt: skip  # the table as on paper
    assert "spell that begins before the one before it ends" in checks(data)


@pytest.mark.parametrize(
    ("amount", "interval", "mrr"),
    [
        ("100.00", "-", 100),
        ("100.00", "Month", 100),
        ("120.00", "year", 10),  # / 12
        ("30.00", "quarter", 10),  # / 3
        ("12.00", "week", 52),  # × 52 / 12
        ("1.20", "day", 36.5),  # × 365 / 12
        ("100.00", "year", 100 / 12),  # exact in twelfths, rounded in print only
    ],
)
def test_a_months_worth_of_every_interval(amount, interval, mrr):
    data = subscriptions(f"""
        customer_id  subscription_id  started_at  ended_at  amount     interval
        Ann          1                2024-01-05  -         {amount}  {interval}
    """, as_of="2024-02-01")  # fmt: skip  # the table as on paper
    assert data.engine.rows("SELECT mrr FROM subscriptions") == [(round(1200 * mrr),)]
    assert value(data, "mrr", "2024-01") == pytest.approx(mrr, abs=1e-8)


@pytest.mark.long
@pytest.mark.parametrize(
    ("status", "mrr"),
    [
        ("active", 10),
        ("-", 10),
        ("past_due", 10),
        ("cancelled", 10),
        ("Canceled", 10),
        ("paused", 0),
        ("trialing", 0),
        ("unpaid", 0),
        ("free", 0),
    ],
)
def test_which_states_carry_mrr(status, mrr):
    data = subscriptions(f"""
        customer_id  subscription_id  started_at  ended_at    amount  status
        Ann          1                2024-01-05  2024-02-15  10      {status}
    """, as_of="2024-03-01")  # fmt: skip  # the table as on paper
    assert value(data, "mrr", "2024-01") == mrr
    assert value(data, "mrr", "2024-02") == 0, "every state counts until it ended"
    assert checks(data) == ({} if mrr else {f"spell without MRR: {status}": 1})


def test_spells_that_cannot_be_are_set_aside():
    data = subscriptions("""
        customer_id  subscription_id  started_at  ended_at    amount  interval   status  trial_ends_at
        Ann          1                2024-01-05  -           10      month      -       -
        Ben          2                2024-01-05  2024-01-04  20      month      -       -
        -            3                2024-01-05  -           30      month      -       -
        Dee          4                2024-01-05  -           40      bimonthly  -       -
        Eve          5                2024-01-05  -           50      month      asleep  -
        Fay          6                2024-01-05  sometime    60      month      -       -
        Guy          7                2024-01-05  -           70      month      -       soon
        Hal          8                2024-01-05  -           ten     month      -       -
        Ida          9                2024-01-05  2024-03-01  80      month      free    2024-01-06
        Jo           10               2024-01-05  2024-03-01  90      month      free    2024-01-06
        Ann          1                2024-01-05  -           15      month      -       -
        Ann          1                2024-01-05  -           10      month      -       -
    """, as_of="2024-02-01")  # fmt: skip  # the table as on paper
    assert checks(data) == {
        "spell without MRR: free": 2,
        "ended before it started": 1,
        "no customer": 1,
        "unknown interval": 1,
        "unknown status": 1,
        "unreadable end date": 1,
        "unreadable end date of the trial": 1,
        "unreadable amount": 1,
        "same subscription_id and start, other contents": 1,
        "identical row": 1,
    }
    assert value(data, "mrr", "2024-01") == 10
    assert len(data.quarantine["subscriptions"]) == 9


def test_an_unreadable_end_is_named_by_its_own_column():
    with pytest.raises(
        DataError, match=r"column 'ended_at' is unreadable in 2 of 3 rows, first in row 2 \('sometime'\)"
    ):
        subscriptions("""
            customer_id  started_at  ended_at  amount
            Ann          2024-01-05  -         10
            Ben          2024-01-05  sometime  10
            Cy           2024-01-05  sometime  10
        """)


def test_mrr_starts_when_the_trial_ends():
    data = subscriptions("""
        customer_id  subscription_id  started_at  ended_at    amount  trial_ends_at
        Ann          1                2024-01-20  -           10      2024-02-03
        Ben          2                2024-01-20  2024-01-27  10      2024-02-03
        Cy           3                2024-01-20  -           10      2024-01-10
    """, as_of="2024-03-01")  # fmt: skip  # the table as on paper
    assert value(data, "mrr", "2024-01") == 10, "Cy, whose trial ended before the start"
    assert value(data, "new_customers", "2024-02") == 1, "Ann; Ben left within the trial"
    assert value(data, "lost_customers", "2024-02") == 0


@pytest.mark.parametrize(
    ("resumed", "reactivated", "bridged"),
    [("2024-02-01 12:00:00", 0, 1), ("2024-02-01 12:00:01", 1, 0), ("2024-01-31 12:00:00", 0, 0)],
)
def test_a_gap_of_at_most_24_hours_is_no_gap(resumed, reactivated, bridged):
    data = subscriptions(f"""
        customer_id  subscription_id  started_at           ended_at             amount
        Ann          1                2024-01-05 00:00:00  2024-01-31 12:00:00  10
        Ann          2                {resumed}            -                    10
        Ben          3                2024-01-05 00:00:00  -                    10
    """, as_of="2024-03-01")  # fmt: skip  # the table as on paper
    assert value(data, "reactivated_customers", "2024-02") == reactivated
    assert value(data, "customers_at_end", "2024-01") == (1 if reactivated else 2)
    assert checks(data) == ({"gap of at most 24 hours": 1} if bridged else {})


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (
            "interval",
            "monthh",
            r"'interval' is unknown in 3 of 3 rows, first in row 1 \('monthh'\): did you mean 'month'\?",
        ),
        (
            "status",
            "trialin",
            r"'status' is unknown in 3 of 3 rows, first in row 1 \('trialin'\): did you mean 'trialing'\?",
        ),
        (
            "customer_id",
            None,
            r"'customer_id' is empty in 3 of 3 rows, first in row 1: a subscription needs a customer\.",
        ),
        (
            "ended_at",
            "2024-01-01",
            r"'ended_at' lies before started_at in 3 of 3 rows, first in row 1 \('2024-01-01'\): ",
        ),
    ],
)
def test_what_every_row_gets_wrong_is_refused(column, value, message):
    frame = table("""
        customer_id  subscription_id  started_at  ended_at  amount  interval  status
        Ann          1                2024-01-05  -         10      month     active
        Ben          2                2024-01-05  -         10      month     active
        Cy           3                2024-01-05  -         10      month     active
    """)
    frame[column] = value
    with pytest.raises(DataError, match=f"^The subscriptions column {message}"):
        rk.load(subscriptions=frame, **UTC)


def test_spells_without_mrr_are_counted_by_kind_and_once():
    data = subscriptions("""
        customer_id  subscription_id  started_at  ended_at    amount  status    trial_ends_at
        Ann          1                2024-01-05  -           10      paused    -
        Ben          2                2024-01-05  -           10      trialing  -
        Cy           3                2024-01-05  -           10      unpaid    -
        Dee          4                2024-01-05  -           0       free      -
        Eve          5                2024-01-05  -           0       -         -
        Fay          6                2024-01-05  2024-01-19  10      -         2024-01-19
        Guy          7                2024-01-25  -           10      active    2024-02-08
        Hal          8                2024-01-05  2024-01-05  10      -         -
        Ida          9                2024-01-05  -           10      -         -
    """, as_of="2024-02-01")  # fmt: skip  # the table as on paper
    kinds = ("paused", "trialing", "unpaid", "free", "amount 0", "trial never paid", "in trial", "ended as it started")
    assert checks(data) == {f"spell without MRR: {kind}": 1 for kind in kinds}
    paying = data.engine.rows("SELECT customer_id, mrr FROM subscriptions WHERE mrr > 0")
    assert paying == [("Ida", 12_000)], "10.00 in twelfths of a penny"


def test_overlapping_spells_all_count():
    data = subscriptions("""
        customer_id  subscription_id  started_at  ended_at    amount
        Ann          1                2024-01-05  2024-03-05  10
        Ann          2                2024-02-05  -           20
        Ann          1                2024-02-10  2024-04-01  5
    """, as_of="2024-05-01")  # fmt: skip  # the table as on paper
    assert checks(data) == {"spell that begins before the one before it ends": 1}
    spells = data.engine.rows("SELECT mrr, CAST(paid_until AS DATE) IS NULL FROM subscriptions ORDER BY _row")
    assert spells == [(12_000, False), (24_000, True), (6_000, False)]
    assert value(data, "mrr", "2024-02") == 35


def test_a_plan_change_within_a_day_is_neither_churn_nor_reactivation():
    data = subscriptions("""
        customer_id  subscription_id  started_at           ended_at             amount  plan
        Ann          1                2024-01-05 00:00:00  2024-02-10 09:00:00  10      Basic
        Ann          1                2024-02-10 15:00:00  -                    25      Plus
    """, as_of="2024-03-01")  # fmt: skip  # the table as on paper
    assert checks(data) == {"gap of at most 24 hours": 1}
    ends = data.engine.rows("SELECT CAST(paid_until AS VARCHAR) FROM subscriptions ORDER BY _row")
    assert ends == [("2024-02-10 15:00:00",), (None,)], "the first spell is stretched to the second"


def test_unreadable_ends_are_measured_against_the_ends_there_are():
    rows = "customer_id  started_at  ended_at  amount\n" + "Ann  2024-01-05  -  10\n" * 8
    with pytest.raises(
        DataError, match=r"'ended_at' is unreadable in 2 of 2 rows that hold a value, first in row 9 \('31\.2\.2024'\)"
    ):
        subscriptions(rows + "Ben  2024-01-05  31.2.2024  10\n" * 2)


@pytest.mark.parametrize(
    ("end", "start", "bridged"),
    [
        ("2025-03-30 00:30:00", "2025-03-31 01:30:00", 1),  # 24 hours: one is skipped in between
        ("2025-10-26 00:30:00", "2025-10-27 00:30:00", 0),  # 25 hours: one comes twice
    ],
)
def test_24_hours_are_24_hours_also_where_clocks_change(end, start, bridged):
    text = f"""
        customer_id  subscription_id  started_at  ended_at  amount
        Ann          a                2025-01-05  {end}     10
        Ann          b                {start}     -         10
    """
    data = rk.load(subscriptions=table(text), timezone="Europe/London", currency="GBP", as_of="2025-12-01")
    assert data.engine.rows("SELECT count(*) FROM subscriptions WHERE is_bridged") == [(bridged,)]


def test_who_joins_and_leaves_on_one_day_is_both_new_and_lost_where_every_departure_counts():
    """a comes and goes on 5 January, and again on 7 March; b comes that day too and stays."""
    spells = pd.DataFrame(
        [
            ("a", "2024-01-05 10:00", "2024-01-05 18:00"),
            ("a", "2024-03-07 09:00", "2024-03-07 12:00"),
            ("b", "2024-01-05 10:00", None),
        ],
        columns=["customer_id", "started_at", "ended_at"],
    ).assign(amount=10.0, cancel_reason=["price", None, None])
    of = {"subscriptions": spells, "timezone": "UTC", "currency": "GBP", "as_of": "2024-05-01"}
    columns, months = ["start", "new", "reactivated", "lost", "end"], ["2024-01", "2024-03"]
    moves = {
        mode: rk.customer_movements(rk.load(**of, churn_mode=mode))
        .set_index("period")[columns]
        .loc[months]
        .values.tolist()
        for mode in ("endpoint", "event")
    }
    assert moves == {"endpoint": [[0, 1, 0, 0, 1], [1, 0, 0, 0, 1]], "event": [[0, 2, 0, 1, 1], [1, 0, 1, 1, 1]]}
    data = rk.load(**of, churn_mode="event")
    assert not any(identity.broken for identity in identities(data, "month"))
    lists = customer_lists(data, Period.parse("2024-01"))
    assert list(lists["lost_customers"]["customer_id"]) == ["a"]
    assert list(lists["lost_customers"]["reason"]) == ["price"]
    assert sorted(lists["new_customers"]["customer_id"]) == ["a", "b"]


def test_a_discount_lowers_what_its_customer_pays_while_it_runs():
    data = subscriptions("""
        customer_id  subscription_id  started_at  ended_at    amount  interval  cancel_reason
        Ann          1                2024-01-05  -           50      month     -
        Ann          1                2024-01-05  2024-03-10  -10     month     -
        Ann          1                2024-02-05  2024-03-10  -60     year      -
        Ben          2                2024-01-05  2024-04-10  5       month     price
        Ben          3                2024-01-05  -           5       month     -
        Ben          4                2024-02-05  2024-03-05  -7      month     -
        Cy           5                2024-01-05  2024-05-10  10      month     moved
        Cy           6                2024-02-10  2024-03-10  -12     month     -
        Dee          7                2024-01-05  -           -3      month     -
    """, as_of="2024-06-01")  # fmt: skip  # the table as on paper
    months = [f"2024-0{month}" for month in range(1, 6)]
    assert [value(data, "mrr", month) for month in months] == [40 + 10 + 10, 35 + 3, 50 + 10 + 10, 50 + 5 + 10, 55]
    assert [value(data, "lost_customers", month) for month in months[1:]] == [1, 0, 0, 1], "Cy paid nothing for a while"
    assert checks(data) == {"discount": 4, "discount above what it lowers": 1, "unreadable amount": 1}
    assert all(holds for _, holds in identities_of(data, months[1:]))
    reasons = rk.churn_reasons(data).set_index("period")["reason"]
    assert (reasons["2024-02"], reasons["2024-05"]) == ("(none)", "moved")


def identities_of(data, months: list[str]) -> list[tuple[str, bool]]:
    frame = rk.mrr_movements(data).set_index("period").loc[months]
    movements = frame["new"] + frame["expansion"] + frame["reactivation"] - frame["contraction"] - frame["churned"]
    return list(zip(months, (frame["start"] + movements - frame["end"]).abs() < 1e-9, strict=True))


def test_a_discount_is_bridged_as_its_subscription_is():
    data = subscriptions("""
        customer_id  subscription_id  started_at  ended_at             amount
        Ann          1                2024-01-05  2024-01-31 12:00:00  50
        Ann          2                2024-01-05  2024-01-31 12:00:00  -10
        Ann          1                2024-02-01  -                    50
        Ann          2                2024-02-01  -                    -10
    """, as_of="2024-03-01")  # fmt: skip  # the table as on paper
    assert [value(data, "mrr", month) for month in ("2024-01", "2024-02")] == [40, 40]
    assert checks(data) == {"discount": 2, "gap of at most 24 hours": 1}


def test_amounts_that_are_negative_all_over_are_refused():
    with pytest.raises(DataError, match="'amount' is unreadable in 2 of 2 rows"):
        subscriptions("customer_id  started_at  ended_at  amount\nAnn  2024-01-05  -  -10\nBen  2024-01-05  -  -20")
