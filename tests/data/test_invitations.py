"""Who was asked and who answered: checked and counted, matched with answers, and compared, on tables to follow by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import retention_kit as rk
from pencil import table
from retention_kit.errors import DataError
from retention_kit.metrics.queries.invitations import response_groups, response_rates
from retention_kit.periods import Period
from retention_kit.report.page import Page
from retention_kit.report.pages.response_rate import weighted_score

UTC_UNTIL = {"timezone": "UTC", "currency": "GBP", "as_of": "2024-04-01"}
MARCH = Period.parse("2024-03")
ORDERS = table("""
customer_id  ordered_at  amount  country
a            2024-01-05  10      France
b            2024-01-20  10      France
c            2024-02-10  10      Spain
""")
ANSWERS = table("""
customer_id  responded_at  survey  score
a            2024-02-03    nps     9
b            2024-02-15    nps     2
c            2024-03-01    csat    5
""")
ASKED = table("""
customer_id  invited_at        survey  responded_at
a            2024-02-01 10:00  nps     2024-02-03
a            2024-02-01 10:00  csat    -
b            2024-02-01 12:00  nps     2024-02-15
c            2024-02-20 12:00  nps     -
c            2024-03-10 12:00  nps     2024-03-10
-            2024-02-21 12:00  nps     2024-02-22
-            2024-02-21 12:00  nps     -
""")
DIRTY = table("""
customer_id  invited_at  survey  responded_at
a            2024-02-02  other   -
b            soon        nps     -
c            2024-02-01  nps     yesterday
c            2024-02-05  nps     2024-02-01
c            2024-02-20 12:00  nps  -
c            2024-03-25  nps     -
c            2024-04-25  nps     -
c            2023-12-01  nps     -
""")


def load(invitations: pd.DataFrame, **tables) -> rk.data.dataset.Dataset:
    return rk.load(orders=ORDERS, responses=ANSWERS, invitations=invitations, **UTC_UNTIL | tables)


def rates(data) -> dict[str, tuple[int, int]]:
    return {
        str(Period("month", int(row.period))): (int(row.invited), int(row.answered))
        for row in response_rates(data, "month").itertuples()
    }


def test_rates_by_hand():
    """The last of 14 days decides the month. b answered on the 15th day; two questions of one form are one invitation;
    c is asked twice in March and counts once; nobody knows who the two others are."""
    assert rates(load(ASKED)) == {"2024-02": (2, 1), "2024-03": (3, 2)}


def test_without_answers_of_their_own_those_of_the_customer_count():
    """a answered on the third day; b on the 15th, too late; c never answered nps."""
    known = ASKED[ASKED["customer_id"].notna()].drop(columns="responded_at")
    assert rates(load(known)) == {"2024-02": (2, 1), "2024-03": (1, 0)}


def test_an_answer_belongs_to_the_last_invitation_before_it():
    text = "customer_id invited_at survey\na 2024-01-25 nps\na 2024-02-02 nps\na 2024-02-20 nps"
    data = load(pd.DataFrame([line.split() for line in text.splitlines()[1:]], columns=text.split()[:3]))
    frame = data.engine.frame("SELECT asked_on, is_answered FROM invitations ORDER BY 1")
    assert list(frame["is_answered"]) == [0, 1, 0]


def test_what_is_wrong_is_counted():
    data = load(pd.concat([ASKED, DIRTY], ignore_index=True))
    rows = data.quality[data.quality["table"] == "invitations"]
    assert dict(zip(rows["check"], rows["rows"], strict=True)) == {
        "rows read": 15,
        "unknown survey": 1,
        "unreadable date": 1,
        "unreadable date of an answer": 1,
        "answered before it was asked": 1,
        "same invitation": 1,
        "after the as-of date": 1,
        "asked before the data begin": 1,
        "still open to an answer": 1,
    }
    assert rates(data) == rates(load(ASKED))
    assert len(data.quarantine["invitations"]) == 7


def test_a_table_that_cannot_tell_who_answered_is_refused():
    with pytest.raises(DataError, match="no column responded_at, and there are no responses"):
        rk.load(orders=ORDERS, invitations=ASKED.drop(columns="responded_at"), **UTC_UNTIL)
    with pytest.raises(DataError, match=r"invitations column 'invited_at' is unreadable in 7 of 7 rows|invited_at"):
        load(ASKED.assign(invited_at="never"))
    with pytest.raises(DataError, match="invitations column 'customer_id' is empty in 7 of 7 rows"):
        load(ASKED.drop(columns="responded_at").assign(customer_id=None))


def test_groups_by_hand():
    """By each customer's last invitation that is over: a of 1 February, b of 1 February, c of 10 March."""
    data = load(ASKED)
    rows = response_groups(data, MARCH)
    groups = {(row.about, row.value): (int(row.invited), int(row.answered)) for row in rows.itertuples()}
    assert groups == {
        ("bought", "lately"): (3, 2),
        ("spent", "middle"): (3, 2),  # who spent the same is in one third
    }
    countries = response_groups(data, MARCH, "country")
    assert list(countries.itertuples(index=False, name=None)) == [
        ("country", "France", 2, 1),
        ("country", "Spain", 1, 1),
    ]


def test_who_pays_when_asked():
    spells = table("""
    customer_id  started_at  ended_at    amount
    a            2024-01-01  -           10
    b            2024-01-01  2024-02-01  10
    """)
    data = rk.load(subscriptions=spells, invitations=ASKED, **UTC_UNTIL)
    groups = {row.value: (int(row.invited), int(row.answered)) for row in response_groups(data, MARCH).itertuples()}
    assert groups == {"paying": (1, 1), "not_paying": (2, 1)}


def company(share_of_app: float, size: int = 400):
    """So many customers of each channel, of whom a quarter of web answers, and another share of app."""
    customer_ids = [f"{channel}{number}" for channel in ("web", "app") for number in range(size)]
    channels = np.repeat(["web", "app"], size)
    orders = pd.DataFrame({"customer_id": customer_ids, "ordered_at": "2024-02-01", "amount": 10, "channel": channels})
    answers = [number < share * size for share in (0.25, share_of_app) for number in range(size)]
    invitations = pd.DataFrame({"customer_id": customer_ids, "invited_at": "2024-02-05", "survey": "nps"})
    invitations["responded_at"] = np.where(answers, "2024-02-07", None)
    responses = invitations[answers].drop(columns="invited_at").assign(score=9)
    responses["score"] = np.where(responses["customer_id"].str.startswith("web"), 2, 10)
    return rk.load(orders=orders, responses=responses, invitations=invitations, **UTC_UNTIL | {"as_of": "2024-03-01"})


def test_the_page_says_who_answers_more():
    page = Page("2024-02", segment="channel", data=company(0.45))
    chart, groups = page.response_rate()
    assert chart.data["title"] == "35.0% of those asked answered"
    assert "280 of 800 answered" in chart.data["caption"]
    assert groups.data["title"] == ("Not all of those asked answered as often: channel: app 45.0%, channel: web 25.0%")
    rows = {row[0]: (row[1], row[2], row[4]) for row in groups.data["rows"]}
    assert rows["channel: app"] == ("400", "45.0%", "more often")
    assert rows["channel: web"] == ("400", "25.0%", "less often")
    # 100 detractors and 180 promoters make 28.6; if both had answered alike, (-100 + 100) / 2.
    assert "Net promoter score 0.0 (as counted: 28.6)" in groups.data["caption"]
    assert page.survey("nps")[:2] == [chart, groups]


def test_alike_is_said_as_such():
    page = Page("2024-02", segment="channel", data=company(0.28))
    assert page.response_rate()[1].data["title"] == "Those asked answered all alike, within chance"


def test_no_invitations_no_block():
    data = rk.load(orders=ORDERS, responses=ANSWERS, **UTC_UNTIL)
    assert page_of(data).response_rate() == []
    assert page_of(load(ASKED), "country=France").response_rate() == []


def page_of(data, segment: str = "") -> Page:
    return Page("2024-03", segment=segment, data=data)


def test_of_two_groups_the_comparison_is_one_and_its_p_is_that_of_the_difference():
    page = Page("2024-02", segment="channel", data=company(0.45))
    claims = [
        claim
        for claim in page.claims()
        if claim.metric == "answering" and claim.family == ("answering", "column channel")
    ]
    assert {claim.twin for claim in claims} == {"column channel"}
    # The intervals of the difference are Newcombe's, so that p is near that of two proportions and not the same.
    z = (0.45 - 0.25) / np.sqrt(0.45 * 0.55 / 400 + 0.25 * 0.75 / 400)
    assert np.log(claims[0].p) == pytest.approx(np.log(2 * norm.sf(z)), rel=0.05)


def test_weighted_scores_by_hand():
    assert weighted_score({"a": 10.0, "b": 40.0}, {"a": 1, "b": 3}) == 32.5
    assert weighted_score({"a": 10.0}, {"a": 1}) is None  # nothing to weigh
    assert weighted_score({"a": 10.0, "b": 40.0}, {"a": 1, "b": 1, "c": 1}) is None  # a third has no score
    assert weighted_score({"a": 10.0, "b": 10.0}, {"a": 7, "b": 2}) == pytest.approx(10)


def test_a_forms_file_brings_its_invitations(tmp_path, monkeypatch):
    from retention_kit.survey.store import Store

    monkeypatch.chdir(tmp_path)
    (tmp_path / "retention.toml").write_text('[data]\nresponses = "survey.sqlite"\n', "utf-8")
    store = Store(tmp_path / "survey.sqlite", make=True)
    with store.invite(["c1", "c2", "c3"], ["nps", "csat"], 90) as invited:
        token = invited.tokens["c1"] if isinstance(invited.tokens, dict) else next(iter(invited.tokens))
    store.answer(token, {"nps": 9}, "fine")
    store.close()
    data = rk.load("retention.toml", as_of=f"{datetime.now(UTC) + timedelta(days=40):%Y-%m-%d}")
    assert data.has_invitations
    frame = response_rates(data, "year")
    assert (int(frame["invited"].sum()), int(frame["answered"].sum())) == (3, 1)


def test_thirds_of_what_was_spent():
    """Of six who spent 1 to 6 two are in each third; whoever bought nothing in the year before is in none."""
    customer_ids = [f"c{number}" for number in range(1, 7)]
    orders = pd.DataFrame(
        {"customer_id": [*customer_ids, "old"], "ordered_at": "2024-01-05", "amount": [*range(1, 7), 9]}
    )
    orders.loc[6, "ordered_at"] = "2022-01-05"
    invited = pd.DataFrame({"customer_id": [*customer_ids, "old", "new"], "invited_at": "2024-02-05", "survey": "nps"})
    invited["responded_at"] = [*["2024-02-06"] * 3, *[None] * 5]
    frame = response_groups(rk.load(orders=orders, invitations=invited, **UTC_UNTIL), MARCH)
    groups = {(row.about, row.value): (int(row.invited), int(row.answered)) for row in frame.itertuples()}
    assert groups == {
        ("bought", "lately"): (6, 3),
        ("bought", "earlier"): (1, 0),
        ("bought", "never"): (1, 0),
        ("spent", "little"): (2, 2),
        ("spent", "middle"): (2, 1),
        ("spent", "much"): (2, 0),
        ("spent", "nothing"): (2, 0),
    }
