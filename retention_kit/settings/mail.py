"""`[mail]`: sender, recipients and options of the mails."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct, field

from retention_kit.errors import Listed, SettingsError
from retention_kit.settings.addresses import parse_address
from retention_kit.settings.checks import check_address, check_segment


class Recipient(NamedTuple):
    """One person and their message."""

    address: str  # bare, the domain as servers know it: reports@xn--mnchen-3ya.example
    name: str = ""
    language: str = ""  # empty: the report's first
    segment: str = ""  # empty: the whole report; else "country=France"


class Recipients(Struct, frozen=True, forbid_unknown_fields=True):
    """People who get the report of a segment value, or in a language, of their own."""

    to: list[str]
    segment: str = ""
    language: str = ""


class Mail(Struct, frozen=True, forbid_unknown_fields=True):
    """Sender, recipients and options of the mails: `[mail]`. Passwords belong in RETENTION_KIT_SMTP_URL."""

    sender: str | None = field(default=None, name="from")  # "Reports <reports@example.com>"
    to: list[str] = field(default_factory=list)  # these get the whole report in its first language
    recipients: list[Recipients] = field(default_factory=list)  # these what their entry says
    link: str | None = None  # where the full report is; without it, the PDF is attached
    unsubscribe: str | None = None  # how to leave: an https address of a page, or an email address
    owner: str | None = None  # notified of failures
    attach_limit: Annotated[str, Meta(pattern=r"^(?=.*[1-9])\d+(\.\d+)? ?[KM]B$")] = "5MB"  # no larger PDF is attached
    allowed_hosts: list[str] = field(default_factory=list)  # that a report may link to, besides those of the two above
    keep_outbox: Annotated[str, Meta(pattern=r"^[1-9]\d{0,3} (day|week|month|year)s?$")] = "1 year"  # messages

    @property
    def attach_bytes(self) -> int:
        """The limit in bytes; 1 MB is a million bytes."""
        return int(float(self.attach_limit[:-2]) * {"K": 1_000, "M": 1_000_000}[self.attach_limit[-2]])

    def addressed(self) -> list[Recipient]:
        """All recipients, once each, in the order of the settings."""
        groups = [Recipients(self.to), *self.recipients]
        return unique_recipients(
            Recipient(*parse_address(text), group.language, group.segment) for group in groups for text in group.to
        )


def unique_recipients(recipients: Iterable[Recipient]) -> list[Recipient]:
    """The recipients without repetitions of address, language and segment."""
    unique = {(to.address.lower(), to.language, to.segment): to for to in reversed([*recipients])}
    return [*unique.values()][::-1]


def check_mail(mail: Mail) -> None:
    """Raise SettingsError for invalid addresses and links, which could also break a header."""
    addresses: list[tuple[str, Sequence[str | None]]] = [
        ("from", [mail.sender]),
        ("to", mail.to),
        ("owner", [mail.owner]),
        *(("recipients.to", group.to) for group in mail.recipients),
    ]
    for name, texts in addresses:
        for text in texts:
            if text is not None:
                check_address(text, f"mail.{name}")
    for name, schemes in (("link", ("https", "http")), ("unsubscribe", ("https", "mailto"))):
        text = getattr(mail, name)
        if text and name == "unsubscribe" and "@" in text and ":" not in text:
            text = f"mailto:{text}"
        if text is not None and not re.fullmatch(rf"({'|'.join(schemes)}):[!#-;=?-~]+", text):
            ways = ["https://example.com/reports", "leave@example.com"]
            example = Listed(ways[: 2 if name == "unsubscribe" else 1], " or ")
            template = "mail.{name} cannot be {text!r}: write it like {example}."
            raise SettingsError(template, name=name, text=text, example=example)
        if name == "unsubscribe" and text and text.startswith("mailto:"):
            check_address(text.removeprefix("mailto:").partition("?")[0], f"mail.{name}")
    for group in mail.recipients:
        if group.segment:
            check_segment(group.segment, "mail.recipients")
