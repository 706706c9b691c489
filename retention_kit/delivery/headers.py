"""The messages as they are sent: with the headers of one recipient, as corrections, and alerts to the owner."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import TYPE_CHECKING
from urllib.parse import quote

from retention_kit import bidi
from retention_kit.errors import ReportError

if TYPE_CHECKING:
    from retention_kit.delivery.outbox import Key
    from retention_kit.settings.mail import Recipient
    from retention_kit.wording import Words

NOBODY = "retention-kit <reports@localhost>"  # the sender where the settings name none
# What a recipient's own lines replace; Bcc and the like have no business in a pack's message.
_OWN = {b"to", b"cc", b"bcc", b"date", b"message-id", b"references", b"in-reply-to", b"auto-submitted",
        b"list-unsubscribe", b"list-unsubscribe-post", b"return-path"}  # fmt: skip  # words by the line


def headers_of(raw: bytes) -> EmailMessage:
    """The parsed headers of a message, without its body."""
    return BytesHeaderParser(policy=SMTP).parsebytes(raw)


def sender_of(raw: bytes) -> str:
    """The address that a message comes from; raises ReportError where it names none, or several."""
    try:
        addresses: tuple[Address, ...] = getattr(headers_of(raw)["From"], "addresses", ())
    except Exception:  # the library says in many ways that a header is broken
        addresses = ()
    if len(addresses) != 1 or not addresses[0].domain:
        raise ReportError("The pack's message names no sender: build the report again.")
    return addresses[0].addr_spec


def message_id(key: Key, revision: int, digest: str, sender: str) -> str:
    """The same for the same message to the same person, however often it is tried; another for a correction.

    Of another project, whose series may be called the same, the message is another, and so is this.
    """
    number = hashlib.sha256("\n".join((*key, str(revision), digest)).encode()).hexdigest()[:32]
    return f"<{number}@{sender.rpartition('@')[2]}>"


def personal(
    raw: bytes, to: Recipient, number: str, thread: tuple[str, ...], at: datetime, unsubscribe: str | None
) -> tuple[bytes, bytes]:
    """A message in two parts: the lines that are one recipient's, and everything else as it is, to the byte.

    `number` is its Message-ID, `thread` those that it follows, the first of the series first.
    """
    head, _, body = re.sub(rb"\r?\n", b"\r\n", raw).partition(b"\r\n\r\n")
    kept = [line for line in re.split(rb"\r\n(?![ \t])", head) if line.partition(b":")[0].strip().lower() not in _OWN]
    lines = [
        b"To: " + _mailbox(to.name, to.address),
        b"Date: " + format_datetime(at).encode(),
        b"Message-ID: " + number.encode(),
        *([b"In-Reply-To: " + thread[-1].encode()] if thread else []),
        *([b"References: " + "\r\n ".join(thread).encode()] if thread else []),
        b"Auto-Submitted: auto-generated",
        *_unsubscribe(unsubscribe, to.address),
    ]
    return b"\r\n".join([*lines, b""]), b"\r\n".join([*kept, b"", b""]) + body


def _mailbox(name: str, address: str) -> bytes:
    """Name and address as a header has them: quoted, or where it is long or beyond ASCII, in encoded words."""
    if name and (not name.isascii() or len(name) > 60 or "=?" in name):
        return Header(name, "utf-8", header_name="To").encode(linesep="\r\n").encode() + f"\r\n <{address}>".encode()
    return formataddr((name, address)).encode()


def _unsubscribe(target: str | None, recipient: str) -> list[bytes]:
    """How a mail program lets its reader leave; one click (RFC 8058) is for https that tells who it was."""
    if not target:
        return []
    address = target if ":" in target else f"mailto:{target}"
    is_theirs = address.startswith("https:") and "{recipient}" in address
    one_click = [b"List-Unsubscribe-Post: List-Unsubscribe=One-Click"] if is_theirs else []
    address = address.replace("{recipient}", quote(recipient, safe=""))
    return [b"List-Unsubscribe: <" + address.encode() + b">", *one_click]


def noted(raw: bytes, sentence: str) -> bytes:
    """A message with a sentence on top."""
    from retention_kit.report.message import mail

    return mail.to_bytes(mail.noted(BytesParser(policy=SMTP).parsebytes(raw), sentence))


def corrected(raw: bytes, words: Words, period: str) -> bytes:
    """A message that says in its subject and on top that it replaces one that was sent before."""
    from retention_kit.report.message import mail

    message = mail.noted(
        BytesParser(policy=SMTP).parsebytes(raw), words.text("sending.correction", period=words.period(period))
    )
    subject = str(message["Subject"])
    del message["Subject"]
    message["Subject"] = _line(words.text("sending.correction_subject", subject=subject))
    return mail.to_bytes(message)


def owner_alert(sender: str, subject: str, text: str) -> bytes:
    """A plain-text message to the owner of the reports about a failure."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["Subject"] = sender, _line(subject)
    message.set_content(text, cte="quoted-printable")
    return message.as_bytes(policy=SMTP)


_DIRECTING = (
    bidi.LTR,
    bidi.RTL,
    bidi.EITHER,
    bidi.END,
    bidi.MARK,
)  # of a subject from right to left, and of a name in it


def _line(text: str) -> str:
    """A header's text on one line, whatever a name in it holds."""
    return " ".join("".join(one if one.isprintable() or one in _DIRECTING else " " for one in text).split())
