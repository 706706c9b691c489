"""What is new of an alert since somebody was last told of it: pure, from its states over all complete periods.

A firing is told when it begins and when it ends. The data of periods that were told of may change afterwards: it stays
the same firing, even where it now begins or ends elsewhere, as long as it fires in any of the periods in which those
who were told take it to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal, NamedTuple

from retention_kit.metrics.alerts.states import AlertState, Operand
from retention_kit.periods import Period
from retention_kit.wording import Words

# Reopened: firing after all, though it was told that it is resolved; withdrawn: it would not have fired. Both are of
# data that were revised since, as is `revised`: it fires, elsewhere or with other figures than were told.
Kind = Literal["firing", "reopened", "no data", "revised", "withdrawn", "resolved"]
KINDS: tuple[Kind, ...] = ("firing", "reopened", "no data", "revised", "withdrawn", "resolved")  # the gravest first
_STARTS = ("firing", "reopened")


class Told(NamedTuple):
    """What was told: of which period, and with which figures (`figures_of`)."""

    period: str
    figures: str


@dataclass(frozen=True)
class Event:
    """Something to tell: `since` is the period by which the firing, or the lack of data, is known in the ledger."""

    kind: Kind
    since: str
    state: AlertState  # of the period that it speaks of

    @property
    def told(self) -> Told:
        return Told(self.state.period, figures_of(self.state))


Known = Mapping[tuple[str, str], Told]  # what was told of a rule, by `since` and kind


@dataclass(frozen=True)
class _Episode:
    """The periods in which it fires without an end between them, those without data among them, too."""

    since: str
    states: tuple[AlertState, ...]  # in which it fires
    last: str  # with the periods without data that follow

    def meets(self, first: str, last: str) -> bool:
        """Whether it lies, with some of it, between two periods."""
        return _start(self.states[0].period) <= _start(last) and _start(first) <= _start(self.last)


def figures_of(state: AlertState) -> str:
    """The figures of a condition as readers see them, in one language: a change that they would not see is none."""
    words = Words()
    said = (
        f"{_figure(one.left, words)} {one.sign} {_figure(one.right, words)}"
        if one.right.metric
        else _figure(one.left, words)
        for one in state.figures
    )
    return "; ".join(said)


def _figure(one: Operand, words: Words) -> str:
    return f"{one.function}({one.metric}) {words.value(one.value, one.unit or 'ratio')}"


def news(history: Sequence[AlertState], known: Known, last: str | None) -> list[Event]:
    """What is to be told of one rule and segment value, given what was told already.

    `history` has its states in complete periods, the oldest first; `last` is the period up to which it was looked at
    before, None for never: then only what stands in the newest is told. Data that end before `last` tell nothing.
    """
    if not history or not history[-1].period or (last and _start(last) > _start(history[-1].period)):
        return []
    fresh = [one for one in history if last and _start(one.period) > _start(last)] or [history[-1]]
    begins, told, found = _start(fresh[0].period), dict(known), []
    episodes = _episodes(history)
    for episode in episodes:
        seen = next((one for one in episode.states if _start(one.period) >= begins), None)
        met = [since for since in _standing(told) if episode.meets(*_believed(since, told, last))]
        if seen is None or any((since, "resolved") not in told for since in met):
            continue
        # What was withdrawn and fires again after all is told again, but not twice of one period.
        starts = _starts(told)
        since = next((one for one in (episode.since, seen.period) if one not in starts), None)
        if since and seen.period not in {one.period for one in starts.values()}:
            found.append(Event("reopened" if met else "firing", since, seen))
            told[since, found[-1].kind] = found[-1].told
    for since in _standing(told):
        mine = [one for one in episodes if one.meets(*_believed(since, told, last))]
        found += _after(since, history, mine, told)
    return found + _no_data(history, known)


def _starts(told: Known) -> dict[str, Told]:
    return {since: one for (since, kind), one in told.items() if kind in _STARTS}


def _standing(told: Known) -> list[str]:
    """The firings that were told and not withdrawn, by `since`."""
    return [since for since in _starts(told) if (since, "withdrawn") not in told]


def _believed(since: str, told: Known, last: str | None) -> tuple[str, str]:
    """The first and last period in which it fires, as far as those know who were told."""
    first = _starts(told)[since].period
    if ended := told.get((since, "resolved")):
        return first, max(first, str(Period.parse(ended.period).shift(-1)), key=_start)
    return first, max(first, last or first, key=_start)


def _after(since: str, history: Sequence[AlertState], mine: Sequence[_Episode], told: Known) -> list[Event]:
    """What became of a firing that was told, and now is these: its data were revised, or it is resolved."""
    first, there = _starts(told)[since], {one.period: one for one in history}
    if first.period not in there:
        return []
    if not mine:
        return [Event("withdrawn", since, there[first.period])]
    at, found = there[first.period], []
    if not mine[0].meets(first.period, first.period):
        found.append(Event("revised", since, mine[0].states[0]))
    elif at.state == "firing" and figures_of(at) != first.figures:
        found.append(Event("revised", since, at))
    if (since, "resolved") not in told:
        after = history[history.index(mine[-1].states[-1]) :]
        found += [Event("resolved", since, one) for one in after if one.state == "resolved"][:1]
    return [one for one in found if (since, one.kind) not in told]


def _no_data(history: Sequence[AlertState], known: Known) -> list[Event]:
    newest = history[-1]
    if newest.state != "no data":
        return []
    is_told = any(kind == "no data" and _start(one.period) >= _start(newest.since) for (_, kind), one in known.items())
    return [] if is_told or (newest.since, "no data") in known else [Event("no data", newest.since, newest)]


def _episodes(history: Sequence[AlertState]) -> list[_Episode]:
    found: dict[str, list[AlertState]] = {}
    last: dict[str, str] = {}
    since = ""
    for one in history:
        if one.state == "firing":
            since = one.since
            found.setdefault(since, []).append(one)
        if one.state == "firing" or (one.is_held and since):
            last[since] = one.period
    return [_Episode(since, tuple(states), last[since]) for since, states in found.items()]


@lru_cache(10_000)
def _start(period: str) -> date:
    return Period.parse(period).start


def end_of(period: str) -> date:
    """The day after a period, by which those of any length have an order."""
    return Period.parse(period).end
