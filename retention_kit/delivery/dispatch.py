"""Handing the queue over: each message in turn, the ledger told before every step, and again later what was deferred."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.delivery.outbox import Outbox, Row
from retention_kit.delivery.smtp import Deferred, NotFound, Server, connect, hand_over, leave
from retention_kit.errors import SettingsError

if TYPE_CHECKING:
    import smtplib

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
    """Hand over what is queued; the ledger tells what became of it. What nobody takes after all `pauses` stays queued.

    Only what was certainly not taken is tried again: 4xx replies and connections lost before a message's content, and a
    server whose name nothing knows once only. `progress` is told why and how long it waits. Raises
    SettingsError where no try will do, such as a refused password; nothing more is sent then.
    """
    from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, stop_any

    pauses = PAUSES if pauses is None else pauses
    attempts = Retrying(
        stop=stop_any(
            stop_after_attempt(len(pauses) + 1),
            lambda state: state.attempt_number > 1 and isinstance(state.outcome.exception(), NotFound),
        ),
        wait=lambda state: (*pauses, 0)[state.attempt_number - 1],
        retry=retry_if_exception_type(Deferred),
        before_sleep=lambda state: (
            progress and progress(f"{state.outcome.exception()}; trying again in {state.next_action.sleep:g} s")
        ),
        sleep=time.sleep,
    )
    try:
        for attempt in attempts:
            with attempt:
                queued, error = _round(outbox, server, queued)
                if queued:
                    raise error or Deferred(outbox.row(queued[0].row.key).reply)
    except RetryError:
        pass  # what is left is queued for the next call


def _round(outbox: Outbox, server: Server, queued: list[Queued]) -> tuple[list[Queued], Deferred | None]:
    """Try each once, over one connection as long as it holds; gives those to be tried again, and why none could be had."""
    smtp: smtplib.SMTP | None = None
    deferred = []
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
                outcome = hand_over(smtp, server, one.sender, one.address, content, commit)
            except SettingsError as error:
                for other in queued[number:]:
                    outbox.set(other.row, "queued", str(error))
                raise
            if outcome.state == "deferred":
                deferred.append(one)
            outbox.set(one.row, "queued" if outcome.state == "deferred" else outcome.state, outcome.reply)
    finally:
        leave(smtp)
    return deferred, None
