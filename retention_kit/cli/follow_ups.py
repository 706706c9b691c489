"""`retention-kit follow-ups`: dated lists of whom to follow up, each customer once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.cli.language import told, told_each
from retention_kit.cli.options import add_data, load_data
from retention_kit.cli.output import DONE, FAILED, print_table, say

if TYPE_CHECKING:
    from retention_kit.cli.options import Commands
    from retention_kit.data.dataset import Dataset
    from retention_kit.delivery.follow_ups.lists import Listed
    from retention_kit.delivery.follow_ups.make import FollowUps

FOLDER = Path("follow_ups")


def add(commands: Commands) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser("follow-ups", help="list whom to follow up, each customer once; safe to repeat")
    add_data(parser)
    parser.add_argument(
        "--output", default=FOLDER, type=Path, metavar="DIR", help="where lists land (default: follow_ups)"
    )
    parser.add_argument(
        "--done", type=Path, metavar="FILE", help="what was done: customer_id, rule, done_at (default: DIR/done.csv)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say who would be listed, and write nothing")
    parser.add_argument("--json", action="store_true", help="a list of objects, with the customers that are new")
    parser.set_defaults(run=_follow_ups)


def _follow_ups(arguments: argparse.Namespace) -> int:
    from retention_kit.delivery.follow_ups.make import make_follow_ups

    data = load_data(arguments)
    if not data.settings.follow_ups:
        say("The settings hold no [[follow_ups]]: docs/follow-ups.md shows how one is written.")
        if arguments.json:
            print("[]")
        return DONE
    made = make_follow_ups(data, arguments.output, arguments.done, dry_run=arguments.dry_run, progress=say)
    if arguments.json:
        _print_json(made)
    else:
        _print_follow_ups(made, arguments.output)
    return DONE if made.is_done else FAILED


def list_follow_ups(data: Dataset) -> bool:
    """Make and print the lists of a dataset that asks for some, as `run` does after its report; whether all worked."""
    if not data.settings.follow_ups:
        return True
    from retention_kit.delivery.follow_ups.make import make_follow_ups

    made = make_follow_ups(data, progress=say)
    _print_follow_ups(made, FOLDER)
    return made.is_done


def _counts(one: Listed) -> dict[str, int]:
    """What became of whom, by the words for it."""
    due = one.due
    return {
        "new": len(one.rows),
        "open": one.open,
        "overdue": one.overdue,
        "done": one.done,
        "listed before": one.before,
        "missed": one.missed,
        "quiet": one.quiet,
        "above the cap": one.beyond,
        "suppressed": due.silent,
        "no consent": due.not_agreeing,
        "control": due.control,
    }


def _nobody(one: Listed) -> str:
    return "" if one.rows else told("nobody is due")


def _print_follow_ups(made: FollowUps, folder: Path) -> None:
    """The lists as a table on standard output, a line each; what else is to be told on standard error."""
    rows, names = [], [*_counts(made.listed[0])]
    for one in made.listed:
        file = str(folder / one.file) if one.file else told(one.due.reason or _nobody(one))
        rows.append((one.name, *(f"{count:,}" if count else "" for count in _counts(one).values()), file))
    print_table(told_each("follow-up", *names, "list"), rows, range(1, len(names) + 1))
    for one in made.listed:
        if one.due.is_cut:
            say("{name}: more than 100,000 are due, and the first of them were looked at.", name=one.name)
    for note in made.notes:
        say(note)


def _print_json(made: FollowUps) -> None:
    import json

    from retention_kit.delivery.follow_ups.lists import facts

    objects = []
    for one in made.listed:
        counts = {name.replace(" ", "_"): count for name, count in _counts(one).items()}
        objects.append(facts(one, one.file) | counts | {"reason": one.due.reason})
    print(json.dumps(objects, indent=1, ensure_ascii=False))
    for note in made.notes:
        say(note)
