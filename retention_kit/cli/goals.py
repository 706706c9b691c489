"""`retention-kit goals`: how each goal stands, where it should be by now, and what is likely."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from retention_kit.cli.language import language, told_each
from retention_kit.cli.options import add_data, load_data
from retention_kit.cli.output import DONE, print_table, say

if TYPE_CHECKING:
    from retention_kit.cli.options import Commands
    from retention_kit.metrics.goals.states import GoalState

SHOWN = ("value", "state", "start", "target", "detail")


def add(commands: Commands) -> None:
    """Add the command to the parser's."""
    goals = commands.add_parser("goals", help="print how each goal stands")
    add_data(goals)
    goals.add_argument("--period", help="2011-11, 2011-Q4, 2011-W45 or 2011 (default: the last complete one)")
    goals.add_argument("--json", action="store_true", help="a list of objects")
    goals.set_defaults(run=_goals)


def _goals(arguments: argparse.Namespace) -> int:
    from retention_kit.metrics.goals.reading import goal_states
    from retention_kit.report.page import Page

    data = load_data(arguments)
    page = Page(arguments.period or "", None, data=data, language=language())
    states = goal_states(data, page.period, all_lengths=True)
    if arguments.json:
        print(json.dumps([_record(one) for one in states], indent=1, ensure_ascii=False))
    elif not states:
        say("The settings name no goals: [goals.customer_retention_rate] with a target is one.")
    else:
        heads = told_each("goal", "now", "state", "from", "to", "note")
        told = [page.goal_in_words(one) for one in states]
        rows = [
            (": ".join(filter(None, [one["objective"], one["label"]])), *(one[name] for name in SHOWN)) for one in told
        ]
        print_table(heads, rows, numbers=(1,))
    return DONE


def _record(one: GoalState) -> dict[str, Any]:
    goal = one.goal
    return {
        "id": one.id,
        "objective": goal.objective,
        "metric": one.metric,
        "segment": goal.segment or "",
        "owner": goal.owner or "",
        "every": one.every,
        "by": goal.by or "",
        "state": one.state,
        "period": one.period,
        "value": one.value,
        "unit": one.unit if one.metric else "",
        "low": one.low,
        "high": one.high,
        "start": one.start,
        "start_period": one.start_period,
        "target": one.target,
        "progress": one.progress,
        "expected_progress": one.expected,
        "pace": one.pace,
        "probability": one.probability,
        "periods": one.known,
        "why": one.reason or one.why_no_start or one.why_no_outlook,
    }
