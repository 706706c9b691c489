"""Handing the queue over: each message in turn, the ledger told before every step, and again later what was deferred."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from retention_kit.errors import SettingsError
from retention_kit.report.outbox import Outbox, Row
from retention_kit.report.transport import Deferred, Server, connect, hand_over, leave

if TYPE_CHECKING:
    import smtplib

PAUSES = (10, 40, 160, 300)  # seconds before what was deferred is tried again: as long as greylisting mostly takes


class Queued(NamedTuple):
    """A message of the outbox, ready to go."""

    row: Row
    sender: str
    address: str


def deliver(outbox: Outbox, server: Server, queued: list[Queued], pauses: Sequence[float] | None = None) -> None:
    """Hand over what is queued; the ledger tells what became of it. What nobody takes after all `pauses` stays queued.

    Only what was certainly not taken is tried again: 4xx replies and connections lost before a message's content. Raises
    SettingsError where no try will do, such as a refused password; nothing more is sent then.
    """
    from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt

    pauses = PAUSES if pauses is None else pauses
    attempts = Retrying(
        stop=stop_after_attempt(len(pauses) + 1),
        wait=lambda state: (*pauses, 0)[state.attempt_number - 1],
        retry=retry_if_exception_type(Deferred),
        sleep=time.sleep,
    )
    try:
        for attempt in attempts:
            with attempt:
                queued = _round(outbox, server, queued)
                if queued:
                    raise Deferred
    except RetryError:
        pass  # what is left is queued for the next call


def _round(outbox: Outbox, server: Server, queued: list[Queued]) -> list[Queued]:
    """Try each once, over one connection as long as it holds; gives those to be tried again."""
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
                    return deferred + queued[number:]
            content = outbox.content(one.row)
            outbox.set(one.row, "sending")
            commit = partial(outbox.set, one.row, "data")
            outcome = hand_over(smtp, server, one.sender, one.address, content, commit)
            if outcome.state == "deferred":
                deferred.append(one)
            outbox.set(one.row, "queued" if outcome.state == "deferred" else outcome.state, outcome.reply)
    finally:
        leave(smtp)
    return deferred
