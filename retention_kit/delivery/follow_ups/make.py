"""Make all lists of a dataset: what `retention-kit follow-ups` does, and `run` after its report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.delivery.follow_ups import done as done_files
from retention_kit.delivery.follow_ups.calendar import calendar_text, event_texts
from retention_kit.delivery.follow_ups.ledger import Ledger, StoredList, reading, writing
from retention_kit.delivery.follow_ups.lists import Listed, choose, count_done, write_calendars, write_lists
from retention_kit.metrics.follow_ups import due_lists
from retention_kit.wording import Words

if TYPE_CHECKING:
    from retention_kit.data.dataset import Dataset
    from retention_kit.delivery.hook_bodies import Message
    from retention_kit.settings import Settings


class FollowUps(NamedTuple):
    """The lists in the order of the settings, notes for the user, and whether all posts succeeded."""

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
    """Write the list of each follow-up below a folder, once for every customer and occasion, and post to its webhooks.

    Safe to repeat and to kill: a customer in the ledger is not listed again. `done`, else `done.csv` in the folder,
    marks the customers who were followed up. `dry_run` writes nothing. Raises SettingsError if a webhook has no address
    or another run is at work, DataError if `done` cannot be read, ReportError if nothing can be written.
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
        ledger.record_run([follow_up.name for follow_up in settings.follow_ups], data.as_of)
        words = Words.of(settings.report)
        write_calendars(ledger, partial(calendar_text, words=words))
        failed = _post(ledger, settings, words, progress)
        return FollowUps(count_done(ledger, listed), notes + failed, not failed)


def check_webhooks(settings: Settings) -> None:
    """Raise SettingsError for a webhook of the follow-ups that has no address."""
    if hooks := {target for follow_up in settings.follow_ups for target in follow_up.then if ":" in target}:
        from retention_kit.delivery.webhooks import webhook_of

        for target in sorted(hooks):
            webhook_of(target)


def _post(ledger: Ledger, settings: Settings, words: Words, progress: Callable[[str], None] | None) -> list[str]:
    """Post waiting lists to their webhooks; a sentence for each post that did not certainly succeed."""
    if not (waiting := [stored for stored in ledger.files() if stored.targets]):
        return []
    from retention_kit.delivery.outbox import sending
    from retention_kit.delivery.webhooks import Post, post

    problems = []
    with sending(ledger.folder) as outbox:
        for stored in waiting:
            targets = stored.targets.split()
            day, _, name = stored.file.removesuffix(".csv").partition("/")
            message = _message(stored, settings, words)
            posts = [Post(target, f"follow-ups/{name}", day, message) for target in targets]
            rows = dict(zip(targets, post(outbox, posts, progress=progress), strict=True))
            unsent = {target: row for target, row in rows.items() if row.state != "sent"}
            problems += [f"{stored.file}: {target} is {row.state}: {row.reply}" for target, row in unsent.items()]
            ledger.set_waiting(stored.file, [target for target, row in unsent.items() if row.state != "unknown"])
        outbox.forget(settings.mail.keep_outbox)
    return problems


def _message(stored: StoredList, settings: Settings, words: Words) -> Message:
    """The message for webhooks: the list itself as facts, which only plain JSON contains; people see counts."""
    from retention_kit.delivery.hook_bodies import Message

    facts = json.loads(stored.content)
    customers: Sequence[dict] = facts["customers"]
    title, description = event_texts(stored, len(customers), words)
    due = words.text("follow_ups.due_between", first=customers[0]["due"], last=customers[-1]["due"])
    link, link_text = settings.mail.link or "", words.text("mail.open")
    return Message(title, (description, due), link, link_text, facts, words.direction)
