"""What is new of an alert: each firing once, whatever the data become and however often we look."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention_kit.delivery.alert_events import Event, new_events
from retention_kit.metrics.alerts.states import AlertState, Comparison, Operand
from retention_kit.periods import Period
from retention_kit.settings.alerts import Alert

ALERT = Alert("Churn above plan", "customer_churn_rate > 5%", then=["mail:ann@example.com", "exit"])
FIRST = Period.parse("2025-01")


def history(
    pattern: str, figures: str = "", digest: str = "d", alert: Alert = ALERT, value: str = ""
) -> list[AlertState]:
    """The states of an alert, a letter for each month from January 2025: x holds, . does not, ? has no data.

    `figures` has a digit for each, the churn rate in hundredths; without, 6 where it holds and 4 where not.
    """
    states: list[AlertState] = []
    is_firing, firing_since = False, ""
    for number, letter in enumerate(pattern):
        period = str(FIRST.shift(number))
        state = {"x": "firing", "?": "no data", ".": "resolved" if is_firing else "ok"}[letter]
        if letter == "x" and not is_firing:
            firing_since = period
        is_firing = letter == "x" or (is_firing and letter == "?")
        same = states and states[-1].state == state
        since = firing_since if letter == "x" else states[-1].since if same else period
        rate = None if letter == "?" else int(figures[number] if figures else "64"[letter == "."]) / 100
        comparison = Comparison(
            Operand("customer_churn_rate", "", rate, "fraction"), ">", Operand("", "", 0.05, "fraction"), None
        )
        reason = "No customers." * (letter == "?")
        is_held = letter == "?" and is_firing
        states.append(AlertState(alert, value, period, state, since, (comparison,), reason, digest, is_held))
    return states


class Reader:
    """Somebody who is told, and remembers it as the ledger does."""

    def __init__(self):
        self.known, self.last = {}, None
        self.events: list[tuple[str, str]] = []

    def read(self, states: list[AlertState]) -> list[tuple[str, str]]:
        events = new_events(states, self.known, self.last)
        for event in events:
            assert (event.since, event.kind) not in self.known
            self.known[event.since, event.kind] = event.notification
        if states:
            self.last = max(filter(None, [self.last, states[-1].period]))
        summaries = [short(event) for event in events]
        self.events += summaries
        return summaries

    def believes(self) -> bool:
        """Whether it fires, as far as they know."""
        starts = [since for since, kind in self.known if kind in ("firing", "reopened")]
        return any(not {(start, "resolved"), (start, "withdrawn")} & {*self.known} for start in starts)


def short(event: Event) -> tuple[str, str]:
    return event.kind, event.state.period[5:]  # of one year, in what is written by hand


@pytest.mark.parametrize(
    ("histories", "expected"),
    [
        (["..x"], [("firing", "03")]),
        (["..x", "..x", "..xx", "..xx"], [("firing", "03")]),
        (["x.x"], [("firing", "03")]),  # a new rule tells of the newest period alone
        (["xx"], [("firing", "02")]),
        (["x."], []),
        (["..x", "..x.", "..x.."], [("firing", "03"), ("resolved", "04")]),
        (["..", "..x.x"], [("firing", "03"), ("firing", "05"), ("resolved", "04")]),  # months in which nobody looked
        (["x", "x?", "x??", "x??x", "x??x."], [("firing", "01"), ("no data", "02"), ("resolved", "05")]),
        (["?", "??", "??.", "??.?"], [("no data", "01"), ("no data", "04")]),
        ([".", ".?."], []),  # what is over is no news
        (["..x", "..x.", "..x"], [("firing", "03"), ("resolved", "04")]),  # older data are no news
        ([], []),
    ],
)
def test_events_come_in_their_order(histories, expected):
    reader = Reader()
    for pattern in histories:
        reader.read(history(pattern))
    assert reader.events == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (("..x", "446"), ("..x", "447"), [("revised", "03")]),
        (("..x", "446"), (".xx", "466"), []),  # it began earlier, and is the same
        ((".xx", "466"), ("..x", "446"), [("revised", "03")]),  # or later
        ((".xxx", "4666"), (".x.x", "4646"), []),  # it paused
        (("..x", "446"), ("...", "444"), [("withdrawn", "03")]),
        (("..x", "446"), ("..?", "440"), [("withdrawn", "03"), ("no data", "03")]),
        ((".xx", "466"), (".x?", "460"), [("no data", "03")]),  # it has not ended
        (("..x", "446"), ("....", "4444"), [("withdrawn", "03")]),
        (("..x", "446"), ("...x", "4446"), [("firing", "04"), ("withdrawn", "03")]),
        (("..x", "446"), ("..x.", "4474"), [("revised", "03"), ("resolved", "04")]),
        (("...", "444"), ("..x", "446"), [("firing", "03")]),  # restated within the newest period
        (("....", "4444"), (".x..", "4644"), []),  # restated in the past, and over
    ],
)
def test_revised_data_give_one_note(first, second, expected):
    reader = Reader()
    reader.read(history(first[0][:2], first[1][:2]))
    reader.read(history(*first))
    assert reader.read(history(*second)) == expected
    assert reader.read(history(*second)) == [], "once"


def test_one_note_however_often_they_are_revised():
    reader = Reader()
    reader.read(history(".."))
    events = [reader.read(history("..x", f"44{digit}")) for digit in "67889"]
    assert events == [[("firing", "03")], [("revised", "03")], [], [], []]


def test_what_is_resolved_and_was_not_after_all_is_reopened():
    reader = Reader()
    for pattern in ("..", "..x", "..x."):
        reader.read(history(pattern))
    assert reader.read(history("..xx")) == [("reopened", "04")]
    assert reader.read(history("..xxx")) == []
    assert reader.read(history("..xxx.")) == [("resolved", "06")]


def test_a_change_that_nobody_would_see_is_none():
    def rate(value):
        (state,) = history("x")
        comparison = state.figures[0]
        left = Operand("customer_churn_rate", "", value, "fraction")
        return [
            AlertState(
                state.alert,
                "",
                state.period,
                "firing",
                state.since,
                (Comparison(left, ">", comparison.right, True),),
                "",
                "d",
            )
        ]

    reader = Reader()
    assert reader.read(rate(0.06104)) == [("firing", "01")]
    assert reader.read(rate(0.06101)) == []
    assert reader.read(rate(0.0621)) == [("revised", "01")]


def test_a_period_fires_once():
    reader = Reader()
    for pattern in (".x", "xx", "x?", "x?x", ".?.", "x?x", "x?.", "x?x"):
        reader.read(history(pattern))
    beginnings = [event for event in reader.events if event[0] in ("firing", "reopened")]
    assert beginnings == [("firing", "02"), ("firing", "03")]


def test_a_firing_that_came_back_is_sent_again_but_not_in_its_period():
    reader = Reader()
    for pattern in ("..", "..x", "..."):
        reader.read(history(pattern))
    assert reader.read(history("..x")) == []
    assert reader.read(history("..xx")) == [("firing", "04")]
    assert reader.read(history("..xx.")) == [("resolved", "05")]


def beginnings_and_ends(pattern: str, start: int) -> list[tuple[str, str]]:
    """What is to be told, in any order, from when we first looked: by a search for the letters."""
    events = []
    for run in re.finditer(r"x[x?]*", pattern):
        known = [run.start() + at for at, letter in enumerate(run[0]) if letter == "x" and run.start() + at >= start]
        if known:
            events.append(("firing", month(known[0])))
        if known and run.end() < len(pattern):
            events.append(("resolved", month(run.end())))
    return sorted(events)


@given(st.text(".x?", min_size=1, max_size=24), st.sets(st.integers(1, 24)))
def test_without_revisions_each_beginning_and_end_is_sent_on_whatever_days_it_runs(pattern, days):
    """However many periods pass between two looks."""
    run_days = sorted(day for day in days | {len(pattern)} if day <= len(pattern))
    reader = Reader()
    for day in run_days:
        reader.read(history(pattern[:day]))
    events = sorted(event for event in reader.events if event[0] != "no data")
    assert events == beginnings_and_ends(pattern, run_days[0] - 1)


def month(number: int) -> str:
    return str(FIRST.shift(number))[5:]


steps = st.lists(
    st.tuples(
        st.sampled_from(["more", "revise", "again"]),
        st.integers(0, 30),
        st.sampled_from("..xx?"),
        st.sampled_from("6789"),
    ),
    max_size=25,
)


@given(steps)
@settings(max_examples=150)
def test_after_any_revisions_no_event_is_sent_twice_and_readers_know_the_state(steps):
    reader, pattern, rates, last = Reader(), [".", "x"], ["4", "6"], 0
    firings: list[str] = []
    reader.read(history("".join(pattern), "".join(rates)))
    for what, position, letter, digit in steps:
        if what == "more":
            pattern.append(letter)
            rates.append(digit if letter == "x" else "4")
        elif what == "revise":
            pattern[position % len(pattern)], rates[position % len(pattern)] = letter, digit if letter == "x" else "4"
        states = history("".join(pattern), "".join(rates))
        for event in new_events(states, reader.known, reader.last):
            firings += [event.state.period] * (event.kind in ("firing", "reopened"))
        reader.read(states)
        assert reader.read(states) == []
        if len(pattern) > last:
            now = states[-1]
            if now.state == "firing":
                assert reader.believes()
            elif now.state in ("ok", "resolved"):
                assert not reader.believes()
        last = len(pattern)
    assert len(firings) == len({*firings}), "no period's firing is told twice"
