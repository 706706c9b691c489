"""Messages as they are sent: with the headers of one recipient, as corrections, and to the owner."""

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
# Replaced by the recipient's own headers, or removed, as Bcc.
_PERSONAL = {b"to", b"cc", b"bcc", b"date", b"message-id", b"references", b"in-reply-to", b"auto-submitted",
        b"list-unsubscribe", b"list-unsubscribe-post", b"return-path"}  # fmt: skip  # words by the line


def sender_of(raw: bytes) -> str:
    """The sender's address of a message; raises ReportError if there is none, or several."""
    try:
        parsed = BytesHeaderParser(policy=SMTP).parsebytes(raw)
        addresses: tuple[Address, ...] = getattr(parsed["From"], "addresses", ())
    except Exception:  # the library raises many types for an invalid header
        addresses = ()
    if len(addresses) != 1 or not addresses[0].domain:
        raise ReportError("The pack's message names no sender: build the report again.")
    return addresses[0].addr_spec


def message_id(key: Key, revision: int, digest: str, sender: str) -> str:
    """A Message-ID that is the same at each attempt to send the same message to the same person, else another."""
    number = hashlib.sha256("\n".join((*key, str(revision), digest)).encode()).hexdigest()[:32]
    return f"<{number}@{sender.rpartition('@')[2]}>"


def personalise(
    raw: bytes, to: Recipient, number: str, thread: tuple[str, ...], at: datetime, unsubscribe: str | None
) -> tuple[bytes, bytes]:
    """A message in two parts: the headers of one recipient, and everything else, unchanged to the byte.

    `number` is its Message-ID, `thread` are those that it follows, the first of the thread first.
    """
    head, _, body = re.sub(rb"\r?\n", b"\r\n", raw).partition(b"\r\n\r\n")
    kept = [
        line for line in re.split(rb"\r\n(?![ \t])", head) if line.partition(b":")[0].strip().lower() not in _PERSONAL
    ]
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
    """Name and address as in a header: quoted, or in encoded words if the name is long or beyond ASCII."""
    if name and (not name.isascii() or len(name) > 60 or "=?" in name):
        return Header(name, "utf-8", header_name="To").encode(linesep="\r\n").encode() + f"\r\n <{address}>".encode()
    return formataddr((name, address)).encode()


def _unsubscribe(target: str | None, recipient: str) -> list[bytes]:
    """List-Unsubscribe; one click (RFC 8058) needs an https URL that contains the recipient."""
    if not target:
        return []
    address = target if ":" in target else f"mailto:{target}"
    is_one_click = address.startswith("https:") and "{recipient}" in address
    one_click = [b"List-Unsubscribe-Post: List-Unsubscribe=One-Click"] if is_one_click else []
    address = address.replace("{recipient}", quote(recipient, safe=""))
    return [b"List-Unsubscribe: <" + address.encode() + b">", *one_click]


def with_notice(raw: bytes, sentence: str) -> bytes:
    """A message with a sentence above its text."""
    from retention_kit.report.message import mail

    return mail.to_bytes(mail.add_notice(BytesParser(policy=SMTP).parsebytes(raw), sentence))


def as_correction(raw: bytes, words: Words, period: str) -> bytes:
    """A message marked in its subject and above its text as replacing one that was sent before."""
    from retention_kit.report.message import mail

    notice = words.text("sending.correction", period=words.period(period))
    message = mail.add_notice(BytesParser(policy=SMTP).parsebytes(raw), notice)
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


_BIDI_CONTROLS = (bidi.LTR, bidi.RTL, bidi.EITHER, bidi.END, bidi.MARK)  # for right-to-left subjects


def _line(text: str) -> str:
    """Text as a header on one line: other controls and line breaks become spaces."""
    return " ".join("".join(char if char.isprintable() or char in _BIDI_CONTROLS else " " for char in text).split())
