"""Who is due for a follow-up: each form by hand, all of them by a second calculation, and who is never listed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from due import due, every_form, listed, with_rules
from pencil import table
from retention_kit.errors import SettingsError
from retention_kit.metrics.follow_ups import due_counts, due_lists, window
from retention_kit.metrics.forecasts import members_lists
from retention_kit.metrics.forecasts.horizon import is_control
from retention_kit.metrics.forecasts.lists import risk_lists
from retention_kit.metrics.queries.memberships import listed_members
from retention_kit.periods import Period
from retention_kit.settings.follow_ups import FollowUp
from retention_kit.settings.when import parse_when

TODAY = date(2024, 3, 11)
# a bought on the 4th for the first time, b on the 1st, c on the 4th for the second; d on the 4th, and again.
ORDERS = table("""
customer_id  ordered_at        amount  email          agreed  left
a            2024-03-04 10:00  10      a@example.com  yes     -
b            2024-03-01 10:00  10      b@example.com  no      -
c            2024-01-04 10:00  10      c@example.com  no      -
c            2024-03-04 10:00  10      -              yes     -
d            2024-03-04 10:00  10      d@example.com  -       -
d            2024-03-05 10:00  10      d@example.com  -       2024-03-06
""")
ANSWERS = table("""
customer_id  responded_at      survey  score
a            2024-03-09 18:00  nps     6
b            2024-03-08 18:00  nps     0
c            2024-03-10 09:00  nps     7
d            2024-03-09 09:00  nps     3
d            2024-03-09 10:00  nps     9
a            2024-03-10 10:00  csat    2
""")
TICKETS = table("""
customer_id  ticket_id  opened_at         closed_at
a            t1         2024-03-08 23:00  -
a            t2         2024-03-09 12:00  -
b            t3         2024-03-05 12:00  -
c            t4         2024-03-09 00:00  2024-03-10
d            t5         2024-02-05 12:00  -
""")
SPELLS = table("""
customer_id  started_at  ended_at    amount  interval  status
a            2024-01-15  -           10      month     active
b            2023-03-20  -           10      year      active
c            2024-01-05  2024-02-05  10      month     active
d            2024-03-02  -           10      month     active
e            2023-11-10  2024-02-10  10      month     active
e            2024-02-10  -           10      month     paused
""")


@cache
def shop(*tables: str):
    frames = {"orders": ORDERS, "responses": ANSWERS, "tickets": TICKETS, "subscriptions": SPELLS}
    return rk.load(**{name: frames[name] for name in tables}, timezone="UTC", currency="GBP", as_of=str(TODAY))


@pytest.mark.parametrize(
    ("when", "more", "expected"),
    [
        # a: 4 March + 7 days is today, to be done within 7 days; b: since the 8th; d has bought since.
        ("7 days after first purchase", {}, [("b", "2024-03-15"), ("a", "2024-03-18")]),
        ("7 days after first purchase", {"due_within": 3}, [("b", "2024-03-11"), ("a", "2024-03-14")]),
        ("7 days after first purchase", {"due_within": 2}, [("a", "2024-03-13")]),
        ("8 days after first purchase", {}, [("b", "2024-03-16")]),
        ("a week after second purchase", {}, [("c", "2024-03-18")]),
        ("5 days after second purchase", {}, [("c", "2024-03-16"), ("d", "2024-03-17")]),
        ("6 days after any purchase", {}, [("b", "2024-03-14"), ("a", "2024-03-17"), ("c", "2024-03-17"),
                                           ("d", "2024-03-18")]),
        ("no purchase for 10 days", {}, [("b", "2024-03-18")]),
        ("no purchase for 11 days", {}, []),
    ],
)  # fmt: skip
def test_purchases_are_due_by_their_rule(when, more, expected):
    assert due(shop("orders"), when, **more) == expected


def test_who_has_answered_since_is_not_asked_again():
    """a and b have answered since, and c, d on the days after their last purchases."""
    assert due(shop("orders", "responses"), "7 days after first purchase") == []
    assert due(shop("orders", "responses"), "no purchase for 10 days") == [("b", "2024-03-18")]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        # d's last answer makes them a promoter; b's is of the 8th, three days ago.
        ("detractor within 2 days", [("a", "2024-03-11")]),
        ("detractor within 3 days", [("b", "2024-03-11"), ("a", "2024-03-12")]),
        ("detractors within 48 hours", [("a", "2024-03-11")]),
        ("detractor within 24 hours", []),
        ("detractor within 30 hours", [("a", "2024-03-11")]),  # since 18:00 of the 9th: until midnight of today
        ("promoter within 2 days", [("d", "2024-03-11")]),
        ("passive within a week", [("c", "2024-03-17")]),
        ("csat below 3 within 2 days", [("a", "2024-03-12")]),
        ("csat at most 1 within 2 days", []),
        ("nps > 8 within 2 days", [("d", "2024-03-11")]),
    ],
)
def test_answers_are_due_by_their_rule(when, expected):
    assert due(shop("orders", "responses"), when) == expected


@pytest.mark.parametrize(
    ("when", "more", "expected"),
    [
        # At midnight t1 is open for 49 hours and t2 for 36; t3 has been due since the 7th, t5 for a month: it is due now.
        ("ticket open 48 hours", {}, [("d", "2024-03-11"), ("b", "2024-03-14"), ("a", "2024-03-17")]),
        ("ticket open 49 hours", {}, [("d", "2024-03-11"), ("b", "2024-03-14"), ("a", "2024-03-18")]),
        ("ticket open 2 days", {}, [("d", "2024-03-11"), ("b", "2024-03-14"), ("a", "2024-03-17"), ("a", "2024-03-18")]),
        ("ticket open 2 days", {"due_within": 1}, [*((who, "2024-03-11") for who in "abd"), ("a", "2024-03-12")]),
        ("ticket open 36 hours", {"due_within": 0}, [(who, "2024-03-11") for who in "aabd"]),
    ],
)  # fmt: skip
def test_tickets_are_due_by_their_rule(when, more, expected):
    result = due(shop("orders", "tickets"), when, **more)
    assert result == expected


def test_a_ticket_without_an_id_is_known_by_when_it_was_opened():
    data = rk.load(orders=ORDERS, tickets=TICKETS.drop(columns="ticket_id"), timezone="UTC", as_of=str(TODAY))
    rows = listed(data, "ticket open 2 days").rows
    assert [row.occasion for row in rows][:2] == ["ticket 2024-02-05T12:00:00", "ticket 2024-03-05T12:00:00"]
    assert rows[1].reason == "A ticket has been open since 5 Mar 2024."


@pytest.mark.parametrize(
    ("when", "more", "expected"),
    [
        # a renews on 15 March, d on 2 April, b (yearly) on 20 March; e pauses, c has left.
        ("renewal in 7 days", {}, [("a", "2024-03-15")]),
        ("renewal in 30 days", {}, [("a", "2024-03-15"), ("b", "2024-03-20"), ("d", "2024-04-02")]),
        ("renewal in 30 days", {"due_within": 10}, [("d", "2024-03-13")]),
        ("renewal in 21 days", {}, [("a", "2024-03-15"), ("b", "2024-03-20")]),
        ("7 days after subscribing", {}, [("d", "2024-03-16")]),
        ("30 days after leaving", {}, [("c", "2024-03-13")]),
        ("36 days after leaving", {}, []),
    ],
)
def test_subscriptions_are_due_by_their_rule(when, more, expected):
    assert due(shop("subscriptions"), when, **more) == expected


def test_who_renews_and_is_at_risk_is_on_the_list_of_those_at_risk(sample):
    """A second way: the members of the list of customers at risk whose next renewal comes within 30 days."""
    due_list = listed(sample, "renewal in 30 days and at risk", control=0)
    kinds = members_lists.risk_groups(sample, sample.as_of)
    rows = listed_members(sample, sample.as_of, None, None, kinds, "mrr", 10**6)
    renews = {
        row.customer_id: members_lists.next_renewal(row.billed, row.units, row.anchored) for row in rows.itertuples()
    }
    expected = {who: day for who, day in renews.items() if day <= sample.as_of + timedelta(days=30)}
    assert {row.customer_id: row.due for row in due_list.rows} == expected
    assert len(expected) > 50
    at_risk = risk_lists(sample, Period.parse("2025-12"))["at_risk"]
    by_hand = {row.customer_id: row.act_by for row in at_risk.itertuples() if row.act_by <= "2026-01-31"}
    assert by_hand.items() <= {who: str(day) for who, day in expected.items()}.items()


def test_no_second_purchase_by_hand():
    """Of 20 who came back half did within 10 days, so a customer of 20 February is due from the 25th on (10 - 5)."""
    rows = [(f"r{number}", day) for number in range(20) for day in ("2024-01-01", "2024-01-11")]
    rows += [("x", "2024-03-05"), ("y", "2024-03-07"), ("z", "2024-02-28")]
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at"]).assign(amount=10)
    data = rk.load(orders=orders, timezone="UTC", as_of=str(TODAY))
    when = "no second purchase 5 days before their usual gap ends"
    assert due(data, when) == [("z", "2024-03-11"), ("x", "2024-03-17")]
    assert due(data, "no second purchase 30 days before their usual gap ends")[-1] == ("y", "2024-03-14")
    row = listed(data, when).rows[0]
    assert row.reason == "Bought once, on 28 Feb 2024; half of those who buy again do so within 10 days."
    few = rk.load(orders=orders[2:], timezone="UTC", as_of=str(TODAY))
    assert listed(few, when).reason == "too few customers have bought again to know a usual gap"


def test_known_customers_have_no_first_purchase_in_the_data():
    data = rk.load(
        orders=ORDERS, known_customers=pd.DataFrame({"customer_id": ["a"]}), timezone="UTC", as_of=str(TODAY)
    )
    assert due(data, "7 days after first purchase") == [("b", "2024-03-15")]
    assert ("a", "2024-03-17") in due(data, "6 days after any purchase")


# What the tables say of customers


def test_contact_and_columns_are_the_last_that_were_said_and_are_filled_in_once():
    """c's address stands in the first order only."""
    text = "To {contact}: {reason} By {due}, {customer_id}. Agreed: {agreed}"
    (row,) = listed(shop("orders"), "a week after second purchase", contact="EMAIL", text=text).rows
    assert (row.contact, row.values) == ("c@example.com", {"agreed": "yes"})
    assert row.text == "To c@example.com: Second purchase on 4 Mar 2024. By 18 Mar 2024, c. Agreed: yes"


def test_consent_is_the_last_word_and_silence_any_word():
    data = shop("orders")
    # a agrees, b does not, c did not and does now, d never said so.
    assert [who for who, _ in due(data, "6 days after any purchase", consent="agreed")] == ["a", "c"]
    due_list = listed(data, "6 days after any purchase", consent="agreed")
    assert (due_list.without_consent, due_list.suppressed) == (2, 0)
    assert [who for who, _ in due(data, "6 days after any purchase", suppress="left")] == ["b", "a", "c"]
    assert [who for who, _ in due(data, "6 days after any purchase", suppress="agreed=NO")] == ["a", "d"]
    assert [who for who, _ in due(data, "6 days after any purchase", suppress=["left", "agreed=no"])] == ["a"]


def test_consent_has_to_be_said_by_every_table_that_asks_for_it():
    answers = ANSWERS.assign(agreed=["yes", "yes", "yes", "yes", "yes", "no"])
    data = rk.load(orders=ORDERS, responses=answers, timezone="UTC", as_of=str(TODAY))
    assert [who for who, _ in due(data, "no purchase for 6 days", consent="agreed")] == ["c", "d"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"contact": "e-mail"}, "rule 0.contact: no table has a column 'e-mail': did you mean 'email'?"),
        ({"consent": "agred"}, "rule 0.consent: no table has a column 'agred': did you mean 'agreed'?"),
        ({"suppress": "gone=yes"}, "rule 0.suppress: no table has a column 'gone'"),
        ({"text": "Hi {first_name}"}, "rule 0.text: no table has a column 'first_name'"),
    ],
)
def test_columns_that_no_table_has_are_refused(rule, message):
    with pytest.raises(SettingsError) as error:
        with_rules(shop("orders"), {"when": "7 days after first purchase"} | rule)
    assert message in str(error.value)


def test_without_its_table_a_follow_up_lists_nobody_and_says_why():
    """Other figures, and other follow-ups, do without it."""
    rules = [
        {"name": "Open", "when": "ticket open 2 days", "contact": "e-mail"},
        {"name": "Low", "when": "detractor within 2 days"},
    ]
    data = with_rules(shop("orders"), *rules, {"name": "Buyers", "when": "6 days after any purchase"})
    by_name = {due_list.follow_up.name: due_list for due_list in due_lists(data)}
    assert {name: bool(due_list.reason) for name, due_list in by_name.items()} == {
        "Open": True,
        "Low": True,
        "Buyers": False,
    }
    assert not by_name["Open"].rows
    assert by_name["Buyers"].rows


def test_a_retention_toml_needs_no_mapping_to_name_a_column_of_a_text_file(tmp_path):
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    toml = (
        '[data]\norders = "orders.csv"\n[report]\nas_of = 2024-03-11\n[[follow_ups]]\nname = "Ask"\n'
        'when = "7 days after first purchase"\ncontrol = 0\ncontact = "email"\n'
    )
    (tmp_path / "retention.toml").write_text(toml)
    data = rk.load(tmp_path)
    assert [row.contact for row in due_lists(data)[0].rows] == ["b@example.com", "a@example.com"]
    assert "email" not in data.segments, "an address splits no figure"
    (tmp_path / "retention.toml").write_text(toml.replace('"email"', '"mail"'))
    with pytest.raises(SettingsError, match=r"follow_ups.Ask.contact: no table has a column 'mail'"):
        rk.load(tmp_path)


def test_words_for_nothing_are_no_address_and_silence_nobody():
    columns = {"email": ["a@example.com", "NULL"], "gone": ["n/a", "None"], "agreed": ["yes", "none"]}
    orders = ORDERS[:1].loc[[0, 0]].assign(ordered_at=["2024-03-03", "2024-03-04"], order_id=[1, 2], **columns)
    data = rk.load(orders=orders, timezone="UTC", as_of=str(TODAY))
    (row,) = listed(data, "7 days after second purchase", contact="email", suppress="gone").rows
    assert row.contact == "a@example.com"
    assert due(data, "7 days after second purchase", consent="agreed") == [], "none is no yes"


# Never listed


def test_the_control_group_is_that_of_the_list_at_risk_and_a_larger_one_holds_it():
    names = [f"C{number}" for number in range(4000)]
    groups = {share: {name for name in names if is_control(name, share)} for share in (0, 0.05, 0.1, 0.25)}
    assert groups[0] == set()
    assert groups[0.1] == {name for name in names if is_control(name)}
    assert groups[0.05] < groups[0.1] < groups[0.25]
    assert [round(len(group) / 4000, 2) for group in groups.values()] == pytest.approx([0, 0.05, 0.1, 0.25], abs=0.02)


words = st.sampled_from(["yes", "no", "", "TRUE", "0", "1", "maybe", "2024-03-01"])


@pytest.mark.long
@settings(max_examples=12)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 9), words, words), min_size=1, max_size=25),
    st.sampled_from([0.0, 0.3, 0.7]),
)
def test_who_must_not_be_written_to_is_never_listed(bought, control):
    """By hand: the last word agrees, no word silences, and the control group is left out."""
    orders = pd.DataFrame(bought, columns=["customer_id", "day", "agreed", "gone"])
    orders = orders.assign(
        ordered_at=[str(TODAY - timedelta(days=day + 1)) for day in orders["day"]],
        amount=5,
        order_id=range(len(orders)),
    )
    data = rk.load(orders=orders, timezone="UTC", as_of=str(TODAY))
    rule = {"when": "1 day after any purchase", "due_within": 30, "control": control}
    due_list = due_lists(with_rules(data, rule | {"consent": "agreed", "suppress": "gone"}))[0]
    expected = set()
    for who, rows in orders[orders["agreed"] != ""].sort_values(["day"], ascending=False).groupby("customer_id"):
        last = rows[rows["day"] == rows["day"].min()]
        agrees = all(word.lower() in ("yes", "true", "1") for word in last["agreed"])
        flags = orders[orders["customer_id"] == who]["gone"]
        if agrees and set(flags) <= {"", "no", "0"} and not is_control(who, control):
            expected.add(who)
    assert {row.customer_id for row in due_list.rows} == expected
    everybody = set(orders["customer_id"])
    assert len(due_list.rows) + due_list.suppressed + due_list.without_consent + due_list.control == len(everybody)


# A second calculation


def test_all_dates_of_the_sample_company_by_pandas(sample):
    """Every day on which the shop could have asked in one month, for the forms that need nothing but dates."""
    orders = sample.engine.frame("SELECT customer_id, day FROM orders WHERE is_purchase AND customer_id IS NOT NULL")
    orders["day"] = pd.to_datetime(orders["day"]).dt.date
    days = {who: sorted(set(rows)) for who, rows in orders.groupby("customer_id")["day"]}
    answers = sample.engine.frame("SELECT customer_id, responded_at, score, survey FROM responses")
    answered = answers.groupby("customer_id")["responded_at"].max().dt.date.to_dict()
    nps = answers[answers["survey"] == "nps"].sort_values("responded_at").groupby("customer_id").last()
    expected = {
        "7 days after first purchase": {
            who: bought[0] + timedelta(days=14)
            for who, bought in days.items()
            if len(bought) == 1 and answered.get(who, date.min) < bought[0]
        },
        "no purchase for 60 days": {who: bought[-1] + timedelta(days=67) for who, bought in days.items()},
        "detractor within 30 days": {
            who: row.responded_at.date() + timedelta(days=30) for who, row in nps.iterrows() if row.score <= 6
        },
    }
    lefts = {"7 days after first purchase": 7, "no purchase for 60 days": 7, "detractor within 30 days": 30}
    for when, dates in expected.items():
        today = sample.as_of
        by_hand = {who: str(day) for who, day in dates.items() if today <= day <= today + timedelta(days=lefts[when])}
        assert dict(due(sample, when)) == by_hand
        assert len(by_hand) > 20


def test_counts_for_the_report_name_nobody_and_are_kept(sample):
    data = with_rules(sample, *[rule for rule in every_form() if "ticket" not in rule["when"]])
    counts = due_counts(data)
    assert [due_list["customers"] for due_list in counts] == [len(due_list.rows) for due_list in due_lists(data)]
    assert "C0" not in str(counts)
    assert due_counts(replace(data, engine=None)) == counts


@pytest.mark.parametrize(
    ("as_of", "then", "is_over"),
    [
        ("2024-11-04", "2024-11-02 00:30", True),  # 48 hours and a half: on the 3rd clocks went back
        ("2024-03-11", "2024-03-08 23:30", False),  # 47 and a half: on the 10th they went forward
    ],
)
def test_hours_are_counted_over_a_change_of_the_clocks(as_of, then, is_over):
    times = {"timezone": "America/New_York", "currency": "USD", "as_of": as_of}
    tickets = pd.DataFrame({"customer_id": ["a"], "opened_at": [then], "closed_at": [None]})
    answers = pd.DataFrame({"customer_id": ["a"], "responded_at": [then], "survey": "nps", "score": 3})
    data = rk.load(orders=ORDERS, tickets=tickets, responses=answers, **times)
    assert bool(due(data, "ticket open 48 hours")) is is_over
    assert bool(due(data, "detractor within 48 hours")) is not is_over


def test_spans_of_hours_and_days_are_as_the_clock_and_the_calendar_count():
    hours, days = parse_when("ticket open 36 hours", "x"), parse_when("ticket open 2 days", "x")
    assert window(hours, TODAY, 1, 0, ZoneInfo("UTC"))[1] == pd.Timestamp("2024-03-09 12:00")
    assert window(days, TODAY, 1, 0, ZoneInfo("UTC"))[1] == date(2024, 3, 9)
    assert FollowUp("x", "renewal in 30 days").days_left == 30
    assert FollowUp("x", "detractor within 36 hours").days_left == 2
