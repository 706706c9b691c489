"""Sending the queue: each message in turn, with every step in the ledger first, and deferred ones again later."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.delivery import headers
from retention_kit.delivery.outbox import Key, Outbox, Row
from retention_kit.delivery.smtp import Deferred, NotFound, Server, connect, quit_connection, send_message
from retention_kit.errors import Phrase, SettingsError

if TYPE_CHECKING:
    from retention_kit.delivery.smtp import Connection
    from retention_kit.settings.mail import Recipient

PAUSES = (10, 40, 160, 300)  # seconds before a deferred message is tried again; covers most greylisting


class Queued(NamedTuple):
    """A message of the outbox, ready to be sent."""

    row: Row
    sender: str
    address: str


def queue_mail(
    outbox: Outbox,
    key: Key,
    to: Recipient,
    raw: bytes,
    digest: str,
    revision: int = 0,
    thread: Iterable[str] = (),
    unsubscribe: str | None = None,
    also: Callable[[sqlite3.Connection, str], None] | None = None,
) -> Queued:
    """Put a message with its recipient's headers into the outbox.

    `digest` identifies the message across calls; `thread` are the Message-IDs that it follows, the first of the thread
    first, empty ones and its own left out; `also` as in `Outbox.queue`. Raises ReportError where it has no sender.
    """
    sender = headers.sender_of(raw)
    number = headers.message_id(key, revision, digest, sender)
    earlier = tuple(dict.fromkeys(message_id for message_id in thread if message_id not in ("", number)))
    head, shared = headers.personalise(raw, to, number, earlier, datetime.now(UTC), unsubscribe)
    row = outbox.queue(key, revision, digest, number, (*earlier, number)[0], head, shared, also=also)
    return Queued(row, sender, to.address)


def deliver(
    outbox: Outbox,
    server: Server,
    queued: list[Queued],
    pauses: Sequence[float] | None = None,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Send the queued messages and record the outcomes; those not accepted after all `pauses` (seconds) stay queued.

    Only messages certainly not accepted are tried again: 4xx replies and connections lost before the content; a server
    whose name is unknown, once only. `progress` gets a sentence with the reason and length of each pause. Raises
    SettingsError where no retry can help, such as a refused password; nothing more is sent then.
    """
    keep_trying(partial(_round, outbox, server), queued, pauses, progress)


def keep_trying(
    try_each: Callable[[list[Queued]], tuple[list[Queued], Deferred | None]],
    queued: list[Queued],
    pauses: Sequence[float] | None,
    progress: Callable[[str], None] | None,
) -> None:
    """Call `try_each` until nothing is left or all `pauses` are over; it returns those to retry, and the reason."""
    from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception_type

    waits = PAUSES if pauses is None else pauses

    def is_last(state: RetryCallState) -> bool:
        is_unknown = state.outcome is not None and isinstance(state.outcome.exception(), NotFound)
        return state.attempt_number > (min(1, len(waits)) if is_unknown else len(waits))

    def pause(state: RetryCallState) -> float:
        requested = getattr(state.outcome and state.outcome.exception(), "wait", 0.0)
        return max((*waits, 0)[state.attempt_number - 1], requested)

    def report_wait(state: RetryCallState) -> None:
        if progress and state.outcome and state.next_action:
            error = state.outcome.exception()
            reason = error.args[0] if error and error.args else error  # as it was said, for any language
            progress(Phrase("{error}; trying again in {seconds:g} s", error=reason, seconds=state.next_action.sleep))

    attempts = Retrying(
        stop=is_last, wait=pause, retry=retry_if_exception_type(Deferred), before_sleep=report_wait, sleep=time.sleep
    )
    try:
        for attempt in attempts:
            with attempt:
                queued, error = try_each(queued)
                if queued:
                    raise error or Deferred()
    except RetryError:
        pass  # the rest stays queued for the next call


def _round(outbox: Outbox, server: Server, queued: list[Queued]) -> tuple[list[Queued], Deferred | None]:
    """Try each once, over one connection while it is open; returns those to retry and the first one's reason."""
    smtp: Connection | None = None
    deferred: list[Queued] = []
    reason: Deferred | None = None
    rest = deque(queued)
    try:
        while rest:
            message = rest[0]
            if smtp is None or smtp.sock is None:
                smtp = connect(server)
            content = outbox.content(message.row)
            outbox.set(message.row, "sending")
            commit = partial(outbox.set, message.row, "data")
            outcome = send_message(smtp, server, message.sender, message.address, content, commit)
            if outcome.state == "deferred":
                deferred.append(message)
                reason = reason or Deferred(outcome.reply)
            outbox.set(message.row, "queued" if outcome.state == "deferred" else outcome.state, outcome.reply)
            rest.popleft()
    except (Deferred, SettingsError) as error:
        for other in rest:
            outbox.set(other.row, "queued", str(error))
        if isinstance(error, SettingsError):
            raise
        return [*deferred, *rest], error
    finally:
        quit_connection(smtp)
    return deferred, reason
