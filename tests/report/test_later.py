"""Whether customers stay after they answer a survey, by what they answered: on tables that one can follow by hand."""

import pandas as pd

import retention_kit as rk
from pencil import table
from retention_kit.metrics.queries.later_retention import later_retention, window_of
from retention_kit.periods import Period
from retention_kit.report.page import Page

UTC = {"timezone": "UTC", "currency": "GBP", "as_of": "2025-01-01"}
DECEMBER = Period.parse("2024-12")  # answers of 2023-10 to 2024-09
MEMBERS = """
customer_id  started_at  ended_at    amount  status
stays        2023-01-01  -           10      active
leaves soon  2023-01-01  2024-03-01  10      cancelled
leaves late  2023-01-01  2024-06-01  10      cancelled
pauses       2023-01-01  2024-02-01  10      active
pauses       2024-02-01  2024-08-01  10      paused
pauses       2024-08-01  -           10      active
had left     2023-01-01  2023-12-01  10      cancelled
silent       2023-01-01  -           10      active
"""
ANSWERS = """
customer_id  responded_at  survey  score
stays        2024-01-10    nps     9
stays        2024-05-10    nps     2
leaves soon  2024-01-10    nps     3
leaves late  2024-01-10    nps     4
pauses       2024-01-10    nps     5
had left     2024-01-10    nps     0
-            2024-01-10    nps     1
silent       2024-11-10    nps     6
"""


def counts(data) -> dict[tuple[str, int], tuple[int, int]]:
    frame = later_retention(data, DECEMBER)
    return {(row.survey, int(row.score)): (int(row.customers), int(row.kept)) for row in frame.itertuples()}


def test_members_by_hand():
    """The first answer given while paying counts; three months later who paused is still a customer."""
    data = rk.load(subscriptions=table(MEMBERS), responses=table(ANSWERS), **UTC)
    assert [str(day) for day in window_of(data, DECEMBER)[:2]] == ["2023-10-01", "2024-10-01"]
    assert counts(data) == {
        ("nps", 9): (1, 1),
        ("nps", 3): (1, 0),
        ("nps", 4): (1, 1),
        ("nps", 5): (1, 1),
        ("", 0): (6, 0),  # who paid at some time of the window
    }


ORDERS = """
customer_id  ordered_at  amount
again        2024-01-05  10
again        2024-04-10  10
too late     2024-01-05  10
too late     2024-04-11  10
same day     2024-01-10  10
long ago     2022-06-01  10
long ago     2024-02-01  10
silent       2024-01-05  10
"""
ASKED = """
customer_id  responded_at  survey  score
again        2024-01-10    csat    5
too late     2024-01-10    csat    1
same day     2024-01-10    csat    2
long ago     2024-01-10    csat    3
"""


def test_buyers_by_hand():
    """Who bought within a year, and buys again within three months, though not on the day of the answer."""
    data = rk.load(orders=table(ORDERS), responses=table(ASKED).assign(scale="1-5"), **UTC)
    assert counts(data) == {("csat", 5): (1, 1), ("csat", 1): (1, 0), ("csat", 2): (1, 0), ("", 0): (5, 0)}
    data = rk.load(orders=table(ORDERS), responses=table(ASKED).assign(scale="1-5"), inactivity_days=92, **UTC)
    assert counts(data)["csat", 1] == (1, 1)


def company(unhappy: int, happy: int, worst: int = 2) -> rk.data.dataset.Dataset:
    """A hundred detractors (or who scored `worst`) and a hundred promoters of whom so many leave a month after their answer."""
    customer_ids = [f"{kind}{number}" for kind in ("bad", "good") for number in range(100)]
    leaves = [number < most for most in (unhappy, happy) for number in range(100)]
    spells = pd.DataFrame({"customer_id": customer_ids, "started_at": "2023-01-01", "amount": 10})
    spells["ended_at"] = ["2024-02-10" if has_left else None for has_left in leaves]
    answers = pd.DataFrame({"customer_id": customer_ids, "responded_at": "2024-01-10", "survey": "nps"})
    answers["score"] = [worst] * 100 + [10] * 100
    return rk.load(subscriptions=spells, responses=answers, **UTC)


def test_the_page_says_more_than_chance_only_where_it_is():
    block = Page("2024-12", data=company(30, 4)).later_retention("nps")
    assert block.data["title"] == (
        "3 months after they answered, 70.0% of detractors (0–6) were still customers, and 96.0% of promoters (9–10)"
    )
    assert "200 of 200 customers of that time answered (100.0%)" in block.data["caption"]
    assert block.data["caption"].endswith("the score need not be the reason.")
    block = Page("2024-12", data=company(12, 8)).later_retention("nps")
    assert block.data["title"].endswith("were still customers: within chance")


def test_without_the_worst_answers_nothing_is_within_chance():
    """Where nobody is a detractor, passives and promoters are not tested against each other."""
    block = Page("2024-12", data=company(12, 8, worst=7)).later_retention("nps")
    assert block.data["title"] == "Still customers 3 months after they answered: too few to compare"


def test_there_is_none_without_answers_of_customers():
    data = rk.load(subscriptions=table(MEMBERS), responses=table(ANSWERS), **UTC)
    page = Page("2024-12", data=data)
    assert page.later_retention("nps") is None  # too few
    assert page.later_retention("ces") is None
    assert Page(data=rk.load(responses=table(ANSWERS), **UTC)).later_retention("nps") is None
