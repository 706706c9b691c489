"""The goals of a report: how each stands, in a card, a table, bars and trends; the six states are those everywhere."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from retention_kit.bidi import mirrored
from retention_kit.metrics.catalogue import METRICS, SMALL
from retention_kit.metrics.goals.outlook import LEAST
from retention_kit.metrics.goals.pace import bar, progress
from retention_kit.metrics.goals.reading import goal_states, has_goals
from retention_kit.metrics.goals.rules import goal_of
from retention_kit.metrics.goals.states import AT_RISK, MISSED, NO_DATA, OFF_TRACK, REACHED, SHAPES, URGENT
from retention_kit.report.blocks import Block
from retention_kit.report.charts import goals as charts
from retention_kit.report.pages import narrative, tables
from retention_kit.report.pages.context import Blocks, Context
from retention_kit.wording import DASH

if TYPE_CHECKING:
    from retention_kit.metrics.goals.states import GoalState

MOST_TRENDS = 6
MOST_TOLD = 100  # ways: of a start beside its target, further ones say nothing
TONES = {REACHED: "good", MISSED: "bad", OFF_TRACK: "bad", AT_RISK: "warn"}


class GoalBlocks(Context):
    """How each goal stands, in a card, a table, bars and trends."""

    def has_goals(self) -> bool:
        """Whether the settings name a goal that this page speaks of."""
        return has_goals(self.data, self.every, self.only)

    def goal_states(self) -> list[GoalState]:
        """How each goal stands at the period of the page."""
        return goal_states(self.data, self.period, self.only)

    def goal_state(self, row: Any) -> str:
        """What is said of a figure and its goal: reached, missed, open, or near, which chance may have decided; else
        empty.
        """
        if row.status not in ("reached", "missed") or not narrative.is_known(row.low) or self.holds(row.metric, "goal"):
            return row.status
        # Of few nothing is claimed: there the interval that is shown decides.
        return "near" if row.n >= SMALL or row.low <= row.target <= row.high else row.status

    def state_in_words(self, one: GoalState) -> str:
        """The state of a goal, shape and word; with what chance may have decided."""
        said = self.words.text("goals.shaped", shape=self._shape(one.state), state=self._word(one.state))
        return self.words.text("goals.near", said=said) if self._is_near(one) else said

    def states_counted(self) -> dict[str, int]:
        """How many goals are in each state, the most urgent first."""
        counted = Counter(one.state for one in self.goal_states())
        return {state: counted[state] for state in URGENT if counted[state]}

    def goals_in_a_line(self) -> str:
        """How many goals are in each state; empty where there are none."""
        words = self.words
        counted = [
            words.text(
                "goals.counted", shape=self._shape(state), count=words.value(count, "count"), state=self._word(state)
            )
            for state, count in self.states_counted().items()
        ]
        return words.text("goals.line", states=" · ".join(counted)) if counted else ""

    def _shape(self, state: str) -> str:
        return mirrored(SHAPES.get(state, ""), self.words.direction)

    def _word(self, state: str) -> str:
        return self.words.text(f"goals.states.{state.replace(' ', '_')}")

    def goals(self, most: int = 0) -> Block | None:
        """Every goal as a row: where its figure stands, its state, by when, and who answers for it.

        `most` of them at most, then the most urgent, else all; what is left out is counted below. Nothing where the
        settings name no goal. Values are in the unit of their figure.
        """
        words, states = self.words, self.goal_states()
        body = [
            [
                self._called(one),
                self._now(one),
                words.value(one.target, one.unit) if one.target is not None else "",
                self.state_in_words(one),
                self._by(one),
                one.goal.owner or "",
            ]
            for one in _most_urgent(states, most)
        ]
        heads = ("figure", "value", "target", "state", "by", "owner")
        used = [place for place in range(len(heads)) if place in (0, 3) or any(row[place] for row in body)]
        caption = words.text("goals.more", count=len(states) - len(body)) if len(body) < len(states) else ""
        cells = [[row[place] or DASH for place in used] for row in body]
        names = [heads[place] for place in used]
        return tables.titled(words, "goals", names, cells, ("value", "target"), caption) if body else None

    def goal_bars(self, most: int = 0, *, brief: bool = False) -> Block | None:
        """Every goal as a bar from its start to its target, with a mark where a straight line would be by now.

        The block `goals`: by objective, each with its figure, state, part of the way and outlook in words; `most` of
        them at most, then the most urgent. `brief` leaves the words below the bars out. Where the settings name no
        goal, a `text` that says so; nothing if `brief`.
        """
        states = self.goal_states()
        if not states and not brief:
            return Block("text", text=self.words.text("goals.none"))
        items = [self.goal_in_words(one, brief=brief) for one in _most_urgent(states, most)]
        places = {item["objective"]: place for place, item in reversed([*enumerate(items)])} | {"": -1}
        items.sort(key=lambda item: places[item["objective"]])  # those of one objective beside one another
        for item, before in reversed([*zip(items[1:], items, strict=False)]):
            if item["objective"] == before["objective"]:
                item["objective"] = ""  # it stands above the first of them
        marked = any(item["mark"] is not None for item in items)
        captions = [self.words.text("goals.caption")] if marked and not brief else []
        if len(items) < len(states):
            captions.append(self.words.text("goals.more", count=len(states) - len(items)))
        title = self.words.text("goals.title") if brief else ""
        return Block("goals", title=title, goals=items, caption=" ".join(captions)) if items else None

    def goal_trends(self) -> Blocks:
        """The figures of goals over time, each with its target and, where one is told, the interval of its outlook.

        A chart for each goal that is still to come, the most urgent first, six at most; a figure in its own unit.
        """
        words, blocks = self.words, Blocks()
        running = [one for one in self.goal_states() if not one.is_past and not one.is_sum and one.history]
        for one in _most_urgent(running, MOST_TRENDS):
            if chart := charts.goal_trend(one.history, one.outlook, one.target, one.unit, words):
                texts = {"goal": self._called(one), "state": self.state_in_words(one)}
                caption = [words.text("goals.trend_caption")] if one.outlook else []
                blocks.append(self.chart(chart, words.text("goals.trend", **texts), caption))
        return blocks

    def goal_on_card(self, row: Any) -> dict:
        """A goal in the words of a card, and how far one has come from where one began."""
        words, text = self.words, self.words.text
        goal = goal_of(self.data.settings.goals, row.metric, self.period, self.only, self.data.settings.report.every)
        one = next(one for one in self.goal_states() if one.goal == goal and one.metric == row.metric)
        state = self.goal_state(row)
        shape = self._shape(row.status if row.status != "open" else one.state)
        texts = {"goal": words.value(row.target, row.unit), "shape": shape}
        texts |= {"state": self._word(one.state), "by": self._by(one)}
        said = text(f"card.goal_{state}" if state else "card.goal", **texts)
        value = row.value if narrative.is_known(row.value) else None
        share = bar(progress(value, one.start, row.target, row.better), row.status == "reached")
        if share is not None:
            began = {"start": words.value(one.start, row.unit)}
            if one.start_period:
                began["period"] = words.period(one.start_period, "short")
            said = text("card.goal_since" if one.start_period else "card.goal_from", said=said, **began)
        return {"text": said, "share": share}

    def _is_near(self, one: GoalState) -> bool:
        """Whether chance may have decided it: of what this page compares as its headline has it."""
        if one.state not in (REACHED, MISSED) or one.low is None:
            return False
        is_ours = one.period == str(self.period) and (one.goal.segment or "") == self.only
        row = self.row(one.metric) if is_ours else None
        return one.may_be_chance if row is None or row.target != one.target else self.goal_state(row) == "near"

    def goal_in_words(self, one: GoalState, *, brief: bool = False) -> dict[str, Any]:
        """One goal as an entry of the block `goals`; `brief` without the words below its bar."""
        words, share = self.words, one.bar
        objective = one.goal.objective if self._is_shared(one) else ""
        begun = self.words.value(one.start, one.unit) if one.start is not None and not one.is_sum else ""
        if begun and one.start_period:
            begun = words.text("goals.start", start=begun, period=words.period(one.start_period, "short"))
        target = words.value(one.target, one.unit) if one.target is not None else ""
        by, owner = self._by(one), words.isolate(one.goal.owner or "")
        return {
            "objective": objective,
            "label": self._goal_figure(one) if objective else self._called(one, in_full=True),
            "value": self._now(one),
            "state": self.state_in_words(one),
            "tone": "" if self._is_near(one) else TONES.get(one.state, ""),
            "share": share,
            "mark": one.mark if not one.is_past else None,
            "start": begun if share is not None else "",
            "target": words.text("goals.target_by", target=target, by=by) if target and by else target or by,
            "detail": "" if brief else " · ".join(filter(None, [*self._way(one), *self._outlook(one), owner])),
        }

    def _way(self, one: GoalState) -> list[str]:
        """How far one has come, in words."""
        text = self.words.text
        if one.state == NO_DATA:
            if one.reason not in self.words.table("goals.reasons"):
                return [self.words.say(one.reason)]
            due = self.words.period(one.due) if one.due else ""
            return [text(f"goals.reasons.{one.reason}", every=text(f"every.{one.every}"), period=due)]
        if not one.metric:
            return [] if one.state == REACHED else [text("goals.by_hand")]
        said = []
        if one.is_held:
            said.append(text("goals.held", start=self.words.value(one.start, one.unit)))
        elif one.why_no_start:
            day = self.words.date(one.goal.start_date) if one.goal.start_date else ""
            said.append(text(f"goals.no_start.{one.why_no_start}", day=day))
        if one.progress is not None and abs(one.progress) < MOST_TOLD:
            way = self._percent(one.progress, one.state == REACHED)
            if one.expected is not None and not one.is_past:
                kind = "sum" if one.is_sum else "way"
                said.append(text(f"goals.{kind}_expected", way=way, expected=self._percent(one.expected, True)))
            else:
                said.append(text("goals.way", way=way))
        return said

    def _outlook(self, one: GoalState) -> list[str]:
        """What is likely, in words, or why nobody can say."""
        every = self.every if one.is_sum else one.every
        periods = self.words.text(f"spans.{every}", count=one.known)
        if one.probability is not None:
            chance = self._percent(one.probability, False)
            texts = {"chance": chance, "periods": periods, "by": self._by(one)}
            return [self.words.text(f"goals.{'stays_' * (one.state == REACHED)}{one.band}", **texts)]
        if one.why_no_outlook and one.state != REACHED:
            return [self.words.text("goals.few", least=LEAST, periods=periods)]
        return []

    def _percent(self, share: float, is_whole: bool) -> str:
        """A share in whole per cent; what is short of the whole is never 100."""
        number = round(100 * share)
        if not is_whole and share < 1:
            number = min(number, 99)
        return self.words.value(number / 100, "percent")

    def _now(self, one: GoalState) -> str:
        """The value of a goal, and of when it is where that is not the page's period."""
        if one.value is None:
            return ""
        value = self.words.value(one.value, one.unit)
        if one.is_past:
            return value
        if one.is_sum:
            return self.words.text("goals.so_far", value=value)
        if one.period != str(self.period):
            return self.words.text("goals.at", value=value, period=self.words.period(one.period, "short"))
        return value

    def _by(self, one: GoalState) -> str:
        named = one.goal.by or (one.due if one.is_sum else "")
        return self.words.period(named, "short") if named else ""

    def _goal_figure(self, one: GoalState) -> str:
        """What a goal is of: its figure and segment value; of yes or no its id."""
        label = self.words.say(METRICS[one.metric].label) if one.metric else one.id
        if one.metric and one.id != one.metric and self._has_twin(one):
            label = self.words.text("goals.of_segment", label=label, segment=one.id)
        column, _, value = (one.goal.segment or "").partition("=")
        if not value or self.only:
            return label
        part = self.words.text("document.filtered", column=column, value=value)
        return self.words.text("goals.of_segment", label=label, segment=part)

    def _has_twin(self, one: GoalState) -> bool:
        """Whether another goal without an objective is of the same figure and customers."""
        alike = [
            other
            for other in self.data.settings.goals.values()
            if (other.metric, other.segment, other.objective) == (one.metric, one.goal.segment, "")
        ]
        return len(alike) > 1

    def _called(self, one: GoalState, *, in_full: bool = False) -> str:
        """A goal alone: its objective, with the figure where several goals have that one, or `in_full`."""
        objective, figure = one.goal.objective, self._goal_figure(one)
        if not objective or (not one.metric and objective == one.id):
            return objective or figure
        if self._is_shared(one) or (in_full and one.metric):
            return self.words.text("goals.called", objective=objective, figure=figure)
        return objective

    def _is_shared(self, one: GoalState) -> bool:
        """Whether several goals have the objective of this one."""
        named = [other.objective for other in self.data.settings.goals.values() if other.objective]
        return named.count(one.goal.objective) > 1


def _most_urgent(states: list[GoalState], most: int) -> list[GoalState]:
    """All of them as they stand in the settings, or where they are too many the most urgent ones first."""
    if not 0 < most < len(states):
        return states
    return sorted(states, key=lambda one: URGENT.index(one.state))[:most]
