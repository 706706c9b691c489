"""`retention-kit follow-ups`: dated lists of customers to follow up, each customer once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.cli.language import translated, translated_each
from retention_kit.cli.options import add_data, load_data
from retention_kit.cli.output import DONE, FAILED, INTERRUPTED, end, print_json, print_table, say

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
    parser.set_defaults(run=_follow_ups, interrupted=_interrupted)


def _follow_ups(arguments: argparse.Namespace) -> int:
    from retention_kit.delivery.follow_ups.make import make_follow_ups

    data = load_data(arguments)
    if not data.settings.follow_ups:
        say("The settings hold no [[follow_ups]]: docs/follow-ups.md shows how one is written.")
        if arguments.json:
            print("[]")
        return DONE
    result = make_follow_ups(data, arguments.output, arguments.done, dry_run=arguments.dry_run, progress=say)
    if arguments.json:
        _print_json(result)
    else:
        _print_follow_ups(result, arguments.output)
    return DONE if result.is_done else FAILED


def _interrupted() -> int:
    return end(INTERRUPTED, "Interrupted: the same command lists the rest.")


def list_follow_ups(data: Dataset) -> bool:
    """Make and print the follow-up lists of a dataset, if any are configured; returns whether all succeeded."""
    if not data.settings.follow_ups:
        return True
    from retention_kit.delivery.follow_ups.make import make_follow_ups

    result = make_follow_ups(data, progress=say)
    _print_follow_ups(result, FOLDER)
    return result.is_done


def _counts(listed: Listed) -> dict[str, int]:
    """The numbers of customers by outcome, in the order of the table."""
    due = listed.due
    return {
        "new": len(listed.rows),
        "open": listed.open,
        "overdue": listed.overdue,
        "done": listed.done,
        "listed before": listed.before,
        "missed": listed.missed,
        "quiet": listed.quiet,
        "above the cap": listed.beyond,
        "suppressed": due.suppressed,
        "no consent": due.without_consent,
        "control": due.control,
    }


def _print_follow_ups(result: FollowUps, folder: Path) -> None:
    """The lists as a table on standard output, notes on standard error."""
    rows, names = [], [*_counts(result.listed[0])]
    for listed in result.listed:
        reason = listed.due.reason or ("" if listed.rows else "nobody is due")
        file = str(folder / listed.file) if listed.file else translated(reason)
        rows.append((listed.name, *(f"{count:,}" if count else "" for count in _counts(listed).values()), file))
    print_table(translated_each("follow-up", *names, "list"), rows, range(1, len(names) + 1))
    for listed in result.listed:
        if listed.due.is_cut:
            say("{name}: more than 100,000 are due, and the first of them were looked at.", name=listed.name)
    for note in result.notes:
        say(note)


def _print_json(result: FollowUps) -> None:
    from retention_kit.delivery.follow_ups.lists import facts

    objects = []
    for listed in result.listed:
        counts = {name.replace(" ", "_"): count for name, count in _counts(listed).items()}
        objects.append(facts(listed, listed.file) | counts | {"reason": listed.due.reason})
    print_json(objects)
    for note in result.notes:
        say(note)
