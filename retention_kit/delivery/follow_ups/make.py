"""Make all lists of a dataset: what `retention-kit follow-ups` does, and `run` after its report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.delivery.follow_ups import done as done_files
from retention_kit.delivery.follow_ups.calendar import calendar_text
from retention_kit.delivery.follow_ups.ledger import File, Ledger, reading, writing
from retention_kit.delivery.follow_ups.lists import Listed, choose, count_done, draw_calendars, write_lists
from retention_kit.metrics.follow_ups import due_lists
from retention_kit.wording import Words

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset
    from retention_kit.settings import Settings


class FollowUps(NamedTuple):
    """What was listed, in the order of the settings; what is to be told besides; and whether all of it worked."""

    listed: list[Listed]
    notes: list[str]
    is_done: bool = True


def make_follow_ups(
    data: Dataset,
    folder: Path = Path("follow_ups"),
    done: Path | None = None,
    *,
    dry_run: bool = False,
    progress: Callable[[str], None] | None = None,
) -> FollowUps:
    """Write the list of each follow-up below a folder, once for every customer and occasion, and tell its webhooks.

    Safe to repeat and to kill: whoever is in the ledger there is on no list again. `done`, else `done.csv` in the
    folder, marks who was followed up. `dry_run` writes nothing. Raises SettingsError where a webhook has no address or
    another run is at work, DataError where `done` cannot be read, ReportError where nothing can be written.
    """
    settings, path = data.settings, done or folder / done_files.NAME
    if not dry_run:
        check_webhooks(settings)  # before anything is written
    rows = done_files.read_done(path) if done or path.is_file() else []
    if dry_run:
        with reading(folder) as ledger:
            return FollowUps(count_done(ledger, choose(ledger, due_lists(data, ledger.last_days()))), [])
    with writing(folder) as ledger:
        lists = due_lists(data, ledger.last_days())
        notes = done_files.apply_done(ledger, rows, settings.follow_ups, path)
        listed = write_lists(ledger, choose(ledger, lists))
        ledger.ran([one.name for one in settings.follow_ups], data.as_of)
        words = Words.of(settings.report)
        draw_calendars(ledger, partial(calendar_text, words=words))
        failed = _post(ledger, settings, words, progress)
        return FollowUps(count_done(ledger, listed), notes + failed, not failed)


def check_webhooks(settings: Settings) -> None:
    """Raise SettingsError for a webhook of the follow-ups that has no address."""
    if hooks := {target for one in settings.follow_ups for target in one.then if ":" in target}:
        from retention_kit.delivery.webhooks import webhook_of

        for target in sorted(hooks):
            webhook_of(target)


def _post(ledger: Ledger, settings: Settings, words: Words, progress: Callable[[str], None] | None) -> list[str]:
    """Send what waits to the webhooks; a sentence for each that does not have it for certain."""
    waiting = [one for one in ledger.files() if one.targets]
    if not waiting:
        return []
    from retention_kit.delivery.outbox import sending
    from retention_kit.delivery.webhooks import Post, post

    problems = []
    with sending(ledger.folder) as outbox:
        for one in waiting:
            targets = one.targets.split()
            day, _, name = one.file.removesuffix(".csv").partition("/")
            message = _message(one, settings, words)
            posts = [Post(target, f"follow-ups/{name}", day, message) for target in targets]
            rows = post(outbox, posts, progress=progress)
            problems += [
                f"{one.file}: {target} is {row.state}: {row.reply}"
                for target, row in zip(targets, rows, strict=True)
                if row.state != "sent"
            ]
            states = zip(targets, rows, strict=True)
            ledger.wait(one.file, [target for target, row in states if row.state not in ("sent", "unknown")])
        outbox.forget(settings.mail.keep_outbox)
    return problems


def _message(one: File, settings: Settings, words: Words):  # type: ignore[no-untyped-def]
    """What a webhook gets: the list itself as facts, which only plain JSON has; people see counts."""
    from retention_kit.delivery.hook_bodies import Message

    facts = json.loads(one.content)
    customers: Sequence[dict] = facts["customers"]
    texts = {"name": one.rule, "count": words.value(len(customers), "count"), "file": one.file, "owner": one.owner}
    first, last = customers[0]["due"], customers[-1]["due"]
    lines = [
        words.text("follow_ups.event_owned" if one.owner else "follow_ups.event_of", **texts),
        words.text("follow_ups.due_between", first=first, last=last),
    ]
    return Message(
        words.text("follow_ups.event", **texts), tuple(lines), settings.mail.link or "", words.text("mail.open"), facts,
        words.direction,
    )  # fmt: skip
