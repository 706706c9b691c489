"""`retention-kit goals`: the state of each goal, its expected progress and the outlook."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from retention_kit.cli.language import language, translated_each
from retention_kit.cli.options import add_data, add_period, load_data
from retention_kit.cli.output import DONE, print_json, print_table, say

if TYPE_CHECKING:
    from retention_kit.cli.options import Commands
    from retention_kit.metrics.goals.states import GoalState

_CELLS = ("value", "state", "start", "target", "detail")


def add(commands: Commands) -> None:
    """Add the command to the parser's."""
    goals = commands.add_parser("goals", help="print how each goal stands")
    add_data(goals)
    add_period(goals)
    goals.add_argument("--json", action="store_true", help="a list of objects")
    goals.set_defaults(run=_goals)


def _goals(arguments: argparse.Namespace) -> int:
    from retention_kit.metrics.goals.reading import goal_states
    from retention_kit.report.page import Page

    data = load_data(arguments)
    page = Page(arguments.period or "", None, data=data, language=language())
    states = goal_states(data, page.period, all_lengths=True)
    if arguments.json:
        print_json([_record(state) for state in states])
    elif not states:
        say("The settings name no goals: [goals.customer_retention_rate] with a target is one.")
    else:
        heads = translated_each("goal", "now", "state", "from", "to", "note")
        goals = map(page.goal_in_words, states)
        rows = [
            (": ".join(filter(None, [goal["objective"], goal["label"]])), *(goal[name] for name in _CELLS))
            for goal in goals
        ]
        print_table(heads, rows, numbers=(1,))
    return DONE


def _record(state: GoalState) -> dict[str, Any]:
    goal = state.goal
    return {
        "id": state.id,
        "objective": goal.objective,
        "metric": state.metric,
        "segment": goal.segment or "",
        "owner": goal.owner or "",
        "every": state.every,
        "by": goal.by or "",
        "state": state.state,
        "period": state.period,
        "value": state.value,
        "unit": state.unit if state.metric else "",
        "low": state.low,
        "high": state.high,
        "start": state.start,
        "start_period": state.start_period,
        "target": state.target,
        "progress": state.progress,
        "expected_progress": state.expected,
        "pace": state.pace,
        "probability": state.probability,
        "periods": state.known,
        "why": state.reason or state.why_no_start or state.why_no_outlook,
    }
