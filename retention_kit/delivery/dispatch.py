"""Sending the queue: each message in turn, with every step in the ledger first, and deferred ones again later."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.delivery.outbox import Outbox, Row
from retention_kit.delivery.smtp import Deferred, NotFound, Server, connect, quit_connection, send_message
from retention_kit.errors import Phrase, SettingsError

if TYPE_CHECKING:
    from retention_kit.delivery.smtp import Connection

PAUSES = (10, 40, 160, 300)  # seconds before what was deferred is tried again: as long as greylisting mostly takes


class Queued(NamedTuple):
    """A message of the outbox, ready to go."""

    row: Row
    sender: str
    address: str


def deliver(
    outbox: Outbox,
    server: Server,
    queued: list[Queued],
    pauses: Sequence[float] | None = None,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Send what is queued and record the outcomes; what is not taken after all `pauses` (seconds) stays queued.

    Only what was certainly not taken is tried again: 4xx replies and connections lost before a message's content; a
    server whose name is unknown, once only. `progress` gets a sentence on why and how long it waits. Raises
    SettingsError where no retry can help, such as a refused password; nothing more is sent then.
    """
    keep_trying(partial(_round, outbox, server), queued, pauses, progress)


def keep_trying(
    try_each: Callable[[list[Queued]], tuple[list[Queued], Deferred | None]],
    queued: list[Queued],
    pauses: Sequence[float] | None,
    progress: Callable[[str], None] | None,
) -> None:
    """Call `try_each` until nothing is left, or all `pauses` are over; it returns what is to be retried, and why."""
    from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception_type

    waits = PAUSES if pauses is None else pauses

    def is_last(state: RetryCallState) -> bool:
        is_unknown = state.outcome is not None and isinstance(state.outcome.exception(), NotFound)
        return state.attempt_number > (min(1, len(waits)) if is_unknown else len(waits))

    def pause(state: RetryCallState) -> float:
        asked = getattr(state.outcome and state.outcome.exception(), "wait", 0.0)
        return max((*waits, 0)[state.attempt_number - 1], asked)

    def report_wait(state: RetryCallState) -> None:
        if progress and state.outcome and state.next_action:
            progress(
                Phrase(
                    "{error}; trying again in {seconds:g} s",
                    error=state.outcome.exception(),
                    seconds=state.next_action.sleep,
                )
            )

    attempts = Retrying(
        stop=is_last,
        wait=pause,
        retry=retry_if_exception_type(Deferred),
        before_sleep=report_wait,
        sleep=time.sleep,
    )
    try:
        for attempt in attempts:
            with attempt:
                queued, error = try_each(queued)
                if queued:
                    raise error or Deferred()
    except RetryError:
        pass  # what is left is queued for the next call


def _round(outbox: Outbox, server: Server, queued: list[Queued]) -> tuple[list[Queued], Deferred | None]:
    """Try each once, over one connection while it holds; returns those to retry, and why the first was not taken."""
    smtp: Connection | None = None
    deferred: list[Queued] = []
    why: Deferred | None = None
    try:
        for number, one in enumerate(queued):
            if smtp is None or smtp.sock is None:
                try:
                    smtp = connect(server)
                except (Deferred, SettingsError) as error:
                    for other in queued[number:]:
                        outbox.set(other.row, "queued", str(error))
                    if isinstance(error, SettingsError):
                        raise
                    return deferred + queued[number:], error
            content = outbox.content(one.row)
            outbox.set(one.row, "sending")
            commit = partial(outbox.set, one.row, "data")
            try:
                outcome = send_message(smtp, server, one.sender, one.address, content, commit)
            except SettingsError as error:
                for other in queued[number:]:
                    outbox.set(other.row, "queued", str(error))
                raise
            if outcome.state == "deferred":
                deferred.append(one)
                why = why or Deferred(outcome.reply)
            outbox.set(one.row, "queued" if outcome.state == "deferred" else outcome.state, outcome.reply)
    finally:
        quit_connection(smtp)
    return deferred, why
