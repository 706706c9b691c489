"""Blocks on goals: a table, bars and trends, and texts for cards and other blocks."""

from __future__ import annotations

from collections import Counter
from typing import Any

from retention_kit.bidi import mirrored
from retention_kit.metrics.catalogue import METRICS, SMALL
from retention_kit.metrics.goals.outlook import LEAST
from retention_kit.metrics.goals.pace import bar, progress
from retention_kit.metrics.goals.reading import goal_states, has_goals
from retention_kit.metrics.goals.rules import goal_of
from retention_kit.metrics.goals.states import AT_RISK, MISSED, NO_DATA, OFF_TRACK, REACHED, SHAPES, URGENT, GoalState
from retention_kit.report.blocks import Block
from retention_kit.report.charts import goals as charts
from retention_kit.report.pages import narrative, tables
from retention_kit.report.pages.context import Blocks, Context

MOST_TRENDS = 6
MAX_PROGRESS = 100  # as a multiple of the way from start to target; beyond it, it is not shown
TONES = {REACHED: "good", MISSED: "bad", OFF_TRACK: "bad", AT_RISK: "warn"}


class GoalBlocks(Context):
    """Blocks on goals."""

    def has_goals(self) -> bool:
        """Whether the settings have a goal for this page."""
        return has_goals(self.data, self.every, self.only)

    def goal_states(self) -> list[GoalState]:
        """The state of each goal at the period of the page."""
        return goal_states(self.data, self.period, self.only)

    def goal_state(self, row: Any) -> str:
        """The state of a figure's goal: `reached`, `missed`, `open`, `near` (not significant), or empty without one."""
        if (
            row.status not in ("reached", "missed")
            or not narrative.is_known(row.low)
            or self.is_significant(row.metric, "goal")
        ):
            return row.status
        # With few customers nothing is tested: the interval decides.
        return "near" if row.n >= SMALL or row.low <= row.target <= row.high else row.status

    def state_in_words(self, goal_state: GoalState) -> str:
        """The state of a goal as shape and word, and whether it is not significant."""
        state = self.words.text(
            "goals.shaped", shape=self._state_shape(goal_state.state), state=self._state_word(goal_state.state)
        )
        return self.words.text("goals.near", said=state) if self._is_near(goal_state) else state

    def states_counted(self) -> dict[str, int]:
        """The number of goals by state, the most urgent first."""
        counts = Counter(goal_state.state for goal_state in self.goal_states())
        return {state: counts[state] for state in URGENT if counts[state]}

    def goals_in_a_line(self) -> str:
        """The number of goals by state, in one line; empty without goals."""
        words = self.words
        counted = [
            words.text(
                "goals.counted",
                shape=self._state_shape(state),
                count=words.value(count, "count"),
                state=self._state_word(state),
            )
            for state, count in self.states_counted().items()
        ]
        return words.text("goals.line", states=" · ".join(counted)) if counted else ""

    def _state_shape(self, state: str) -> str:
        return mirrored(SHAPES.get(state, ""), self.words.direction)

    def _state_word(self, state: str) -> str:
        return self.words.text(f"goals.states.{state.replace(' ', '_')}")

    def goals(self, most: int = 0) -> Block | None:
        """All goals as a table.

        The block `table`: figure, value and target in the unit of the figure, state, deadline and owner. With `most`,
        only so many of the most urgent, and a count of the others. None without goals.
        """
        words, states = self.words, self.goal_states()
        body = [
            [
                self._goal_title(goal_state),
                self._value_text(goal_state),
                words.bound(goal_state.target, goal_state.unit) if goal_state.target is not None else "",
                self.state_in_words(goal_state),
                self._due_text(goal_state),
                goal_state.goal.owner or "",
            ]
            for goal_state in _most_urgent(states, most)
        ]
        names = ("figure", "value", "target", "state", "by", "owner")
        columns, cells = tables.without_empty(names, body, ("figure", "state"))
        caption = words.text("goals.more", count=len(states) - len(body)) if len(body) < len(states) else ""
        return tables.titled(words, "goals", columns, cells, ("value", "target"), caption) if body else None

    def goal_bars(self, most: int = 0, *, brief: bool = False) -> Block | None:
        """All goals as bars from start to target, with a mark where linear progress would be now.

        The block `goals`: grouped by objective, each with its figure, state, progress and outlook. With `most`, only so
        many of the most urgent, and a count of the others. `brief` leaves out the texts below the bars. Without goals a
        `text` that says so, or None if `brief`.
        """
        states = self.goal_states()
        if not states and not brief:
            return Block("text", text=self.words.text("goals.none"))
        items = [self.goal_in_words(goal_state, brief=brief) for goal_state in _most_urgent(states, most)]
        first = {item["objective"]: index for index, item in reversed([*enumerate(items)])} | {"": -1}
        items.sort(key=lambda item: first[item["objective"]])  # grouped by objective
        for item, before in reversed([*zip(items[1:], items, strict=False)]):
            if item["objective"] == before["objective"]:
                item["objective"] = ""  # shown above the first of them only
        has_marks = any(item["mark"] is not None for item in items)
        captions = [self.words.text("goals.caption")] if has_marks and not brief else []
        if len(items) < len(states):
            captions.append(self.words.text("goals.more", count=len(states) - len(items)))
        title = self.words.text("goals.title") if brief else ""
        return Block("goals", title=title, goals=items, caption=" ".join(captions)) if items else None

    def goal_trends(self) -> Blocks:
        """The figures of goals over time, each with its target and the interval of its outlook, if there is one.

        A `chart` for each running goal, the most urgent first, six at most; values are in the unit of the figure.
        """
        words, blocks = self.words, Blocks()
        running = [
            goal_state
            for goal_state in self.goal_states()
            if not goal_state.is_past and not goal_state.is_sum and goal_state.history
        ]
        for goal_state in _most_urgent(running, MOST_TRENDS):
            if chart := charts.goal_trend(
                goal_state.history, goal_state.outlook, goal_state.target, goal_state.unit, words
            ):
                texts = {"goal": self._goal_title(goal_state), "state": self.state_in_words(goal_state)}
                caption = [words.text("goals.trend_caption")] if goal_state.outlook else []
                blocks.append(self.chart(chart, words.text("goals.trend", **texts), caption))
        return blocks

    def goal_on_card(self, row: Any) -> dict:
        """A figure's goal on its card: `text`, and `share`, the progress from start to target (None if unknown)."""
        words, text = self.words, self.words.text
        goal = goal_of(self.data.settings.goals, row.metric, self.period, self.only, self.data.settings.report.every)
        goal_state = next(
            goal_state
            for goal_state in self.goal_states()
            if goal_state.goal == goal and goal_state.metric == row.metric
        )
        state = self.goal_state(row)
        shape = self._state_shape(row.status if row.status != "open" else goal_state.state)
        texts = {"goal": words.bound(row.target, row.unit), "shape": shape}
        texts |= {"state": self._state_word(goal_state.state), "by": self._due_text(goal_state)}
        sentence = text(f"card.goal_{state}" if state else "card.goal", **texts)
        value = row.value if narrative.is_known(row.value) else None
        share = bar(progress(value, goal_state.start, row.target, row.better), row.status == "reached")
        if share is not None:
            start = {"start": words.value(goal_state.start, row.unit)}
            if goal_state.start_period:
                start["period"] = words.period(goal_state.start_period, "short")
            sentence = text("card.goal_since" if goal_state.start_period else "card.goal_from", said=sentence, **start)
        return {"text": sentence, "share": share}

    def _is_near(self, goal_state: GoalState) -> bool:
        """Whether a reached or missed goal is not significant; the page's own figures as in its headline."""
        if goal_state.state not in (REACHED, MISSED) or goal_state.low is None:
            return False
        is_ours = goal_state.period == str(self.period) and (goal_state.goal.segment or "") == self.only
        row = self.row(goal_state.metric) if is_ours else None
        return (
            goal_state.may_be_chance
            if row is None or row.target != goal_state.target
            else self.goal_state(row) == "near"
        )

    def goal_in_words(self, goal_state: GoalState, *, brief: bool = False) -> dict[str, Any]:
        """One goal as an entry of the block `goals`; `brief` leaves out the texts below its bar."""
        words, share = self.words, goal_state.bar
        objective = goal_state.goal.objective if self._shares_objective(goal_state) else ""
        start = (
            self.words.value(goal_state.start, goal_state.unit)
            if goal_state.start is not None and not goal_state.is_sum
            else ""
        )
        if start and goal_state.start_period:
            start = words.text("goals.start", start=start, period=words.period(goal_state.start_period, "short"))
        target = words.bound(goal_state.target, goal_state.unit) if goal_state.target is not None else ""
        by, owner = self._due_text(goal_state), words.isolate(goal_state.goal.owner or "")
        return {
            "objective": objective,
            "label": self._goal_figure(goal_state) if objective else self._goal_title(goal_state, in_full=True),
            "value": self._value_text(goal_state),
            "state": self.state_in_words(goal_state),
            "tone": "" if self._is_near(goal_state) else TONES.get(goal_state.state, ""),
            "share": share,
            "mark": goal_state.mark if not goal_state.is_past else None,
            "start": start if share is not None else "",
            "target": words.text("goals.target_by", target=target, by=by) if target and by else target or by,
            "detail": ""
            if brief
            else " · ".join(filter(None, [*self._progress_texts(goal_state), *self._outlook_texts(goal_state), owner])),
        }

    def _progress_texts(self, goal_state: GoalState) -> list[str]:
        """The progress of a goal in words, or why it is unknown."""
        text = self.words.text
        if goal_state.state == NO_DATA:
            if goal_state.reason not in self.words.table("goals.reasons"):
                return [self.words.say(goal_state.reason)]
            due = self.words.period(goal_state.due) if goal_state.due else ""
            return [text(f"goals.reasons.{goal_state.reason}", every=text(f"every.{goal_state.every}"), period=due)]
        if not goal_state.metric:
            return [] if goal_state.state == REACHED else [text("goals.by_hand")]
        texts = []
        if goal_state.is_held:
            texts.append(text("goals.held", start=self.words.value(goal_state.start, goal_state.unit)))
        elif goal_state.why_no_start:
            day = self.words.date(goal_state.goal.start_date) if goal_state.goal.start_date else ""
            texts.append(text(f"goals.no_start.{goal_state.why_no_start}", day=day))
        if goal_state.progress is not None and goal_state.progress < MAX_PROGRESS:
            percent = self._whole_percent(goal_state.progress, goal_state.state == REACHED)
            kind = "farther" if goal_state.progress < 0 else "sum" if goal_state.is_sum else "way"
            if goal_state.expected is not None and not goal_state.is_past:
                texts.append(
                    text(f"goals.{kind}_expected", way=percent, expected=self._whole_percent(goal_state.expected, True))
                )
            else:
                texts.append(text("goals.farther" if goal_state.progress < 0 else "goals.way", way=percent))
        return texts

    def _outlook_texts(self, goal_state: GoalState) -> list[str]:
        """The outlook of a goal in words, or why there is none."""
        periods = self.words.text(
            f"spans.{self.every if goal_state.is_sum else goal_state.every}", count=goal_state.known
        )
        if goal_state.probability is not None:
            chance = self._whole_percent(goal_state.probability, False)
            texts = {"chance": chance, "periods": periods, "by": self._due_text(goal_state)}
            return [self.words.text(f"goals.{'stays_' * (goal_state.state == REACHED)}{goal_state.band}", **texts)]
        if goal_state.why_no_outlook and goal_state.state != REACHED:
            return [self.words.text("goals.few", least=LEAST, periods=periods)]
        return []

    def _whole_percent(self, share: float, is_whole: bool) -> str:
        """A share in whole per cent; below 1 it is never 100, unless `is_whole`."""
        number = round(100 * share)
        if not is_whole and share < 1:
            number = min(number, 99)
        return self.words.value(number / 100, "percent")

    def _value_text(self, goal_state: GoalState) -> str:
        """The value of a goal's figure, with its period if that is not the page's."""
        if goal_state.value is None:
            return ""
        value = self.words.value(goal_state.value, goal_state.unit)
        if goal_state.is_past:
            return value
        if goal_state.is_sum:
            return self.words.text("goals.so_far", value=value)
        if goal_state.period != str(self.period):
            return self.words.text("goals.at", value=value, period=self.words.period(goal_state.period, "short"))
        return value

    def _due_text(self, goal_state: GoalState) -> str:
        period = goal_state.goal.by or (goal_state.due if goal_state.is_sum else "")
        return self.words.period(period, "short") if period else ""

    def _goal_figure(self, goal_state: GoalState) -> str:
        """The figure of a goal with its segment value; the id of a goal without a figure."""
        label = self.words.say(METRICS[goal_state.metric].label) if goal_state.metric else goal_state.id
        if goal_state.metric and goal_state.id != goal_state.metric and self._is_ambiguous(goal_state):
            label = self.words.text("goals.of_segment", label=label, segment=goal_state.id)
        column, _, value = (goal_state.goal.segment or "").partition("=")
        if not value or self.only:
            return label
        part = self.words.text("document.filtered", column=column, value=value)
        return self.words.text("goals.of_segment", label=label, segment=part)

    def _is_ambiguous(self, goal_state: GoalState) -> bool:
        """Whether another goal without an objective has the same figure and customers."""
        same = [
            other
            for other in self.data.settings.goals.values()
            if (other.metric, other.segment, other.objective) == (goal_state.metric, goal_state.goal.segment, "")
        ]
        return len(same) > 1

    def _goal_title(self, goal_state: GoalState, *, in_full: bool = False) -> str:
        """The title of a goal: its objective, with the figure if several goals share the objective, or `in_full`."""
        objective, figure = goal_state.goal.objective, self._goal_figure(goal_state)
        if not objective or (not goal_state.metric and objective == goal_state.id):
            return objective or figure
        if self._shares_objective(goal_state) or (in_full and goal_state.metric):
            return self.words.text("goals.called", objective=objective, figure=figure)
        return objective

    def _shares_objective(self, goal_state: GoalState) -> bool:
        """Whether several goals have the objective of this one."""
        objectives = [other.objective for other in self.data.settings.goals.values() if other.objective]
        return objectives.count(goal_state.goal.objective) > 1


def _most_urgent(states: list[GoalState], most: int) -> list[GoalState]:
    """All goals in the order of the settings, or the `most` most urgent if there are more; 0 means all."""
    if not 0 < most < len(states):
        return states
    return sorted(states, key=lambda goal_state: URGENT.index(goal_state.state))[:most]
