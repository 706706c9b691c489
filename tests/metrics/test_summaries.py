"""Movements, cohorts and RFM on tables of a few rows, and the sums that must hold."""

from dataclasses import dataclass

import pandas as pd
import pytest

import retention_kit as rk
from pencil import table, value
from retention_kit.data.summary_key import SummaryKey
from retention_kit.errors import DataError, PeriodError
from retention_kit.metrics.identities import identities
from retention_kit.metrics.queries.customer_lists import customer_lists
from retention_kit.metrics.queries.spans import Granularity
from retention_kit.metrics.queries.summaries import summary
from retention_kit.metrics.summary_rows import SUMMARY_ROWS, exact

UTC = {"timezone": "UTC", "currency": "GBP"}

# A buys every month, B pauses, C once, D comes late; E only as a guest would not be told apart.
ORDERS = table("""
    customer_id  order_id  ordered_at  amount  country
    A            1         2024-01-05  10      UK
    B            2         2024-01-06  20      UK
    C            3         2024-01-07  30      France
    A            4         2024-02-01  10      UK
    A            5         2024-02-29  10      France
    D            6         2024-02-10  40      -
    A            7         2024-03-01  10      UK
    B            8         2024-03-02  20      Spain
    -            9         2024-03-03  5       Malta
""")
SPELLS = table("""
    customer_id  subscription_id  started_at  ended_at    amount
    A            1                2024-01-01  -           10
    B            2                2024-01-10  2024-02-15  20
    B            3                2024-03-20  -           25
    C            4                2024-01-31  2024-03-10  30
    C            5                2024-02-10  2024-02-20  5
    D            6                2024-02-01  2024-02-28  40
    E            7                2024-02-01  -           12
    E            8                2024-02-01  2024-03-01  8
    A            9                2024-03-05  -           10
""")


@pytest.fixture(scope="module")
def shop():
    return rk.load(orders=ORDERS, **UTC, as_of="2024-04-01")


@pytest.fixture(scope="module")
def subscribers():
    return rk.load(subscriptions=SPELLS, **UTC, as_of="2024-04-01")


def plain(frame: pd.DataFrame, *columns: str) -> list[tuple]:
    return [tuple(row) for row in frame[list(columns)].itertuples(index=False, name=None)]


# Customers


def test_customer_movements_of_buyers(shop):
    assert plain(rk.customer_movements(shop), *rk.customer_movements(shop).columns) == [
        # period, start, new, reactivated, lost, retained, end
        ("2024-01", 0, 3, 0, 0, 0, 3),  # A B C
        ("2024-02", 3, 1, 0, 2, 1, 2),  # A stays, B and C do not, D is new
        ("2024-03", 2, 0, 1, 1, 1, 2),  # A stays, D does not, B is back
    ]


def test_customer_movements_of_subscribers(subscribers):
    assert plain(rk.customer_movements(subscribers), *rk.customer_movements(subscribers).columns) == [
        ("2024-01", 0, 3, 0, 0, 0, 3),  # A B C at the end of January; A's first instant belongs to it
        ("2024-02", 3, 1, 0, 1, 2, 3),  # B left, E is new; D joined and left within: neither
        ("2024-03", 3, 0, 1, 1, 2, 3),  # C left, B is back
    ]
    assert value(subscribers, "active_customers", "2024-02") == 5, "D and B paid for a part of February"


def test_longer_periods_are_counted_afresh(shop, subscribers):
    assert plain(rk.customer_movements(shop, every="quarter"), "period", "start", "new", "end") == [
        ("2024-Q1", 0, 4, 4)
    ]
    assert plain(rk.customer_movements(subscribers, every="year"), "period", "new", "end") == [
        ("2024", 3, 3)
    ]  # C and D came and went


def test_what_happens_at_a_boundary_belongs_to_the_period_it_opens():
    spells = "customer_id  started_at  ended_at  amount\nA  2024-01-01  2024-02-01  10\nB  2024-01-01  -  10"
    data = rk.load(subscriptions=table(spells), **UTC, as_of="2024-03-01")
    assert value(data, "customers_at_end", "2024-01") == 2, "the state just before the boundary"
    assert value(data, "lost_customers", "2024-02") == 1
    assert value(data, "active_customers", "2024-02") == 1, "A has no service at any time in February"


def test_the_basis_is_the_subscriptions_unless_set():
    both = {"orders": ORDERS, "subscriptions": SPELLS}
    assert rk.load(**both, **UTC).basis == "subscriptions"
    assert rk.load(**both, **UTC, basis="orders").basis == "orders"


# Recurring revenue


def test_mrr_movements_by_customer(subscribers):
    frame = rk.mrr_movements(subscribers)
    assert plain(frame, *frame.columns) == [
        # period, start, new, expansion, contraction, churned, reactivation, fx, end
        ("2024-01", 0, 60, 0, 0, 0, 0, 0, 60),  # A 10 + B 20 + C 30
        ("2024-02", 60, 20, 0, 0, 20, 0, 0, 60),  # E 12 + 8 new; B churned; C's 5 came and went
        ("2024-03", 60, 0, 10, 8, 30, 25, 0, 57),  # A + 10, E - 8, C - 30, B + 25
    ]


def test_ending_one_of_two_subscriptions_is_contraction(subscribers):
    march = rk.mrr_movements(subscribers).iloc[2]
    assert (march["contraction"], march["churned"]) == (8, 30)


def test_a_change_of_plan_at_one_instant_is_expansion():
    spells = "customer_id  subscription_id  started_at  ended_at  amount\nA  1  2024-01-01  2024-02-10  10\nA  2  2024-02-10  -  15"
    frame = rk.mrr_movements(rk.load(subscriptions=table(spells), **UTC, as_of="2024-03-01"))
    assert plain(frame, "new", "expansion", "churned") == [(10, 0, 0), (0, 5, 0)]


def test_thirds_of_a_penny_add_up():
    rows = "customer_id  started_at  ended_at  amount  interval\n" + "\n".join(
        f"C{n}  2024-01-05  -  100  year" for n in range(3)
    )
    data = rk.load(subscriptions=table(rows), **UTC, as_of="2024-02-01")
    assert value(data, "mrr", "2024-01") == 25  # 3 × 100 / 12, not 3 × 8.33


# Cohorts


def test_cohorts_count_the_active_of_each_later_period(shop):
    frame = rk.cohorts(shop)
    assert plain(frame, "cohort", "age", "period", "size", "active", "complete") == [
        ("2024-01", 0, "2024-01", 3, 3, True),
        ("2024-01", 1, "2024-02", 3, 1, True),  # A
        ("2024-01", 2, "2024-03", 3, 2, True),  # A and B
        ("2024-02", 0, "2024-02", 1, 1, True),  # D
        ("2024-02", 1, "2024-03", 1, 0, True),  # observed, and nobody: 0
    ]
    assert list(frame["retention"]) == [1, 1 / 3, 2 / 3, 1, 0]


def test_a_cell_that_has_not_begun_has_no_row_and_one_that_has_not_ended_says_so():
    frame = rk.cohorts(rk.load(orders=ORDERS, **UTC, as_of="2024-03-15"))
    assert set(frame["period"]) == {"2024-01", "2024-02", "2024-03"}
    assert set(frame.loc[~frame["complete"], "period"]) == {"2024-03"}


def test_a_cohort_of_subscribers_is_their_first_paid_period(subscribers):
    frame = rk.cohorts(subscribers)
    assert plain(frame[frame["cohort"] == "2024-02"], "age", "size", "active") == [(0, 2, 2), (1, 2, 1)]  # D and E


# Recency, frequency, money


def test_rfm_counts_days_not_orders():
    data = rk.load(
        orders=table("""
            customer_id  order_id  ordered_at           amount
            7            1         2024-01-01 09:00:00  29.00
            7            2         2024-01-15 09:00:00  10.00
            7            3         2024-01-15 18:00:00  5.00
            7            4         2024-01-29 00:00:00  20.00
            8            5         2024-01-20 00:00:00  7.00
            8            6         2024-02-26 00:00:00  9.00
            -            7         2024-01-20 00:00:00  3.00
        """),
        **UTC,
    )
    first, second = rk.rfm(data, as_of="2024-02-26", unit="week").to_dict("records")
    # two later days: (10 + 5 + 20) / 2; 28 days to the last one; 55 days to 25 February
    assert first == {"customer_id": "7", "frequency": 2, "recency": 4.0, "T": 55 / 7, "monetary": 17.5}
    assert second == {"customer_id": "8", "frequency": 0, "recency": 0.0, "T": 36 / 7, "monetary": 0.0}
    assert rk.rfm(data, unit="day")["frequency"].tolist() == [2, 1], "to the end of the data"


# Segments


def test_a_customer_has_one_value_a_period_that_of_the_last_row(shop):
    parts = summary(shop, "movements", Granularity("month"), "country").set_index(["period", "segment_value"])
    january, march = (min(parts.index)[0] + step for step in (0, 2))
    assert parts.loc[(january, "UK"), "end"] == 2
    assert parts.loc[(january + 1, "France"), "end"] == 1, "A bought in the UK first, in France last"
    assert parts.loc[(january + 1, "France"), "lost"] == 1, "C, whose last row is French"
    assert parts.loc[(january + 1, "(none)"), "end"] == 1, "D has no country"
    assert parts.loc[(march, "Spain"), "reactivated"] == 1


def test_a_guest_has_the_value_of_the_row(shop):
    parts = summary(shop, "purchases", Granularity("month"), "country")
    assert parts.loc[parts["segment_value"] == "Malta", "guest_revenue"].tolist() == [0, 0, 500]


def test_a_column_that_a_table_lacks_is_looked_up_by_customer():
    answers = (
        "customer_id  responded_at  survey  score\nA  2024-02-20  nps  10\nC  2024-02-20  nps  0\n-  2024-02-20  nps  8"
    )
    data = rk.load(orders=ORDERS, responses=table(answers), **UTC)
    parts = (
        summary(data, "feedback", Granularity("month"), "country")
        .groupby("segment_value")[["promoters", "passives", "detractors"]]
        .sum()
    )
    # A's last row before March is the French order of 29 February
    assert parts.to_dict("index") == {
        "France": {"promoters": 1, "passives": 0, "detractors": 1},
        "(none)": {"promoters": 0, "passives": 1, "detractors": 0},
    }


def test_beyond_the_50_largest_values_are_other():
    rows = [(f"C{n}", f"2024-01-{5 + (n > 52):02}", 1, f"town {min(n, 51):02}") for n in range(54)]
    frame = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount", "town"])
    parts = summary(rk.load(orders=frame, **UTC), "purchases", Granularity("month"), "town").set_index("segment_value")[
        "buyers"
    ]
    assert len(parts) == 51
    assert parts["town 51"] == 3, "the largest is shown"
    assert parts["(other)"] == 2, "of 52 towns the last two by name"
    assert parts.sum() == 54


# Periods


def test_periods_outside_the_data_are_refused(shop):
    for period in ("2023-12", "2024-04"):
        with pytest.raises(PeriodError, match=f"^{period} lies outside the data, which run from 2024-01 to 2024-03"):
            rk.scorecard(shop, period)


def test_every_period_has_a_row_even_without_events():
    data = rk.load(orders=table("customer_id  ordered_at  amount\nA  2024-01-05  1\nA  2024-04-05  1"), **UTC)
    assert list(rk.customer_movements(data)["end"]) == [1, 0, 0, 1]


# Identities


@pytest.fixture
def everything():
    answers = "responded_at  survey  score  country\n2024-01-05  nps  10  UK\n2024-02-05  nps  3  UK\n2024-02-06  nps  7  France"
    return rk.load(orders=ORDERS, subscriptions=SPELLS, responses=table(answers), **UTC, as_of="2024-04-01")


NAMES = [
    "customers",
    "retained",
    "cohorts",
    "mrr",
    "reasons",
    "reasons_lost",
    "cohort_mrr",
    "answers",
    "segments",
    "change",
]


def test_every_identity_holds(everything):
    results = identities(everything, "month", ("country",))
    assert [result.name for result in results] == NAMES
    assert {result.broken for result in results} == {()}
    assert [result.periods for result in results] == [3] * (len(NAMES) - 1) + [2], "the first month has no change"


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "table_name", "column", "segment"),
    [
        ("customers", "movements", "new", None),
        ("retained", "movements", "retained", None),
        ("cohorts", "cohorts", "active", None),
        ("mrr", "mrr", "expansion", None),
        ("mrr", "mrr", "fx", None),
        ("reasons", "reasons", "churned", None),
        ("reasons_lost", "reasons", "lost", None),
        ("cohort_mrr", "cohorts", "revenue", None),
        ("answers", "feedback", "passives", None),
        ("segments", "purchases", "guest_revenue", "country"),
    ],
)
def test_a_tampered_table_is_caught_in_its_period(everything, name, table_name, column, segment):
    identities(everything, "month", ("country",))  # computes every summary
    frame = everything.summaries[SummaryKey(table_name, Granularity("month"), segment)]
    frame.loc[frame["period"] == frame["period"].max(), column] += 1  # a twelfth of a penny is enough
    broken = {identity.name: identity.broken for identity in identities(everything, "month", ("country",))}
    assert broken[name] == ("2024-03",)
    assert {other for other, periods in broken.items() if periods} <= {name, "segments"}


def test_identities_cover_what_the_data_allow(shop):
    assert [identity.name for identity in identities(shop, "month")] == [
        "customers",
        "retained",
        "cohorts",
        "cohort_revenue",
    ]


def test_a_segment_may_pay_more_in_a_year_than_a_whole_number_of_the_engine_holds():
    # 9e14 GBP a month: in twelfths of a penny 1.08e18 at each of twelve looks, 1.3e19 in all.
    spells = table("""
        customer_id  started_at  ended_at    amount           plan
        A            2023-01-01  -           900000000000000  big
        B            2023-01-01  2024-03-10  1                big
    """)
    data = rk.load(subscriptions=spells, **UTC, as_of="2024-04-01")
    rows = rk.scorecard(data, "2024-03", segment="plan", metrics=["customer_lifetime_value"])
    whole, part = rows["value"]
    assert whole == part
    # 24 customers seen at twelve month ends but one; one of 24 - 1 lost in a month: a lifespan of 2 years.
    assert part == pytest.approx((9e14 * 12 + 11) / 23 * 12 * 2)


def test_what_the_engine_cannot_do_is_said_in_a_sentence(monkeypatch):
    data = rk.load(orders=ORDERS, **UTC, as_of="2024-04-01")

    def fails(*_, **__):
        raise data.engine.error("Out of Memory Error: could not allocate block.\nmore of it")

    monkeypatch.setattr(data.engine, "frame", fails)
    message = r"There is too little room in memory \(\[data\] memory_limit\) or on the disk for temporary files"
    for function in (rk.scorecard, rk.rfm, rk.cohorts, lambda data: customer_lists(data, rk.Period.parse("2024-03"))):
        with pytest.raises(DataError, match=rf"^{message}: Out of Memory Error: could not allocate block\.$"):
            function(data)


def test_a_column_for_a_branch_that_its_query_has_not_is_refused(shop, monkeypatch):
    """Else it would be 0 for everybody, and look like a figure."""

    @dataclass(kw_only=True)
    class Misspelt(SUMMARY_ROWS["purchases"]):
        extra: int = exact(customer="1")

    monkeypatch.setitem(SUMMARY_ROWS, "purchases", Misspelt)
    with pytest.raises(ValueError, match=r"purchases\.sql has no branch 'customer': did you mean 'customers'\?"):
        summary(shop, "purchases", Granularity("quarter"))
