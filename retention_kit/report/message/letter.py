"""Composes short messages, such as alerts, in the style of the report's: a headline and sections of sentences."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage

from retention_kit import bidi
from retention_kit.report.message import mail
from retention_kit.report.message.content import LONG, brief
from retention_kit.settings import Settings
from retention_kit.wording import Words


@dataclass(frozen=True)
class Letter:
    """The content of a short message."""

    subject: str
    title: str  # beside the company's name
    headline: str
    sections: tuple[tuple[str, list[str]], ...]  # pairs of a title (or "") and sentences
    period: str
    about: str
    received: str  # why its recipient gets it


def compose_letter(letter: Letter, settings: Settings, words: Words) -> bytes:
    """The message without To, Date and Message-ID: alternative(plain, html), without images or attachments."""
    link = settings.mail.link or ""
    context = {
        "language": words.language,
        "direction": words.direction,
        "preheader": brief(" ".join(letter.sections[0][1]), LONG, words.direction),
        "company": words.isolate(brief(settings.report.company)),
        "title": brief(letter.title, direction=words.direction),
        "subtitle": brief(letter.title, direction=words.direction),
        "period": brief(letter.period, direction=words.direction),
        "headline": brief(letter.headline, LONG, words.direction),
        "sections": [
            {
                "title": brief(title, LONG, words.direction),
                "items": [brief(item, LONG, words.direction) for item in items],
            }
            for title, items in letter.sections
        ],
        "link": link,
        "full": words.text("mail.open") if link else "",
        "about": brief(letter.about, LONG, words.direction),
        "received": brief(letter.received, LONG, words.direction),
        "leave": {"text": "", "href": ""},
        "labels": {},
    }
    message = EmailMessage(mail.POLICY)
    message["From"] = mail.sender_of(settings)
    message["Subject"] = bidi.turn_lines(brief(letter.subject, 200, words.direction), words.direction)
    message.set_content(mail.render("txt", context), cte="quoted-printable")
    message.add_alternative(mail.render("html", context), subtype="html", cte="quoted-printable")
    message["Content-Language"] = words.language  # last, as it would move into the first part
    mail.set_boundaries(message)
    return mail.to_bytes(message)
