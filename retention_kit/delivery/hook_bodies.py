"""What is posted to a webhook: plain JSON, or a message as Slack and Teams lay it out.

Texts are values of their own there, never markup: whatever a name in the data holds, nothing of it is read as a link,
as formatting or as a mention of somebody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from retention_kit.report.message.content import brief

MOST_LENGTH = 400  # characters of a line
_MOST_LINES = (40, 20, 10, 5, 1)
_MOST_BYTES = 27_000  # Teams takes 28 KB
_MENTIONS = re.compile(r"(?<![\w.+-])@(?=\w)|<(?=[!@#])")


@dataclass(frozen=True)
class Message:
    """What is told: a title and lines of plain text, a link, and `facts` for programs, which plain JSON alone has."""

    title: str
    lines: tuple[str, ...] = ()
    link: str = ""  # https://…, or empty
    link_text: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    direction: str = "ltr"  # or rtl

    def shown(self) -> tuple[str, list[str]]:
        """Title and lines as people see them, which mention nobody."""
        return _tame(self.title, self.direction), [_tame(line, self.direction) for line in self.lines]


def body_of(kind: str, message: Message) -> bytes:
    """The body of a post to a webhook of this kind: webhook (plain JSON), slack, teams or apprise.

    Of many lines, people see only the first, and how many more there are.
    """
    if kind == "webhook":
        return _encoded(_plain(message))
    form = {"slack": _slack, "teams": _teams, "apprise": _apprise}[kind]
    for most in _MOST_LINES:
        left = len(message.lines) - most
        lines = (*message.lines[:most], f"… +{left}") if left > 0 else message.lines
        body = _encoded(form(replace(message, lines=lines)))
        if len(body) <= _MOST_BYTES:
            break
    return body


def _encoded(said: dict[str, Any]) -> bytes:
    return msgspec.json.encode(said, enc_hook=_of_numpy)


def _plain(message: Message) -> dict[str, Any]:
    """`nan` and infinity become null, dates text."""
    return {
        "title": brief(message.title, MOST_LENGTH, message.direction),
        "lines": [brief(line, MOST_LENGTH, message.direction) for line in message.lines],
        "link": message.link or None,
        "facts": message.facts,
    }


def _slack(message: Message) -> dict[str, Any]:
    """`text` is for notifications, and for servers that know nothing but it; Slack itself shows the blocks."""
    title, lines = message.shown()
    text = "\n".join([title, *(f"• {line}" for line in lines), *filter(None, [message.link])])
    elements: list[dict[str, Any]] = [_section({"type": "text", "text": title, "style": {"bold": True}})]
    if lines:
        items = [_section({"type": "text", "text": line}) for line in lines]
        elements.append({"type": "rich_text_list", "style": "bullet", "elements": items})
    if message.link:
        link = {"type": "link", "url": message.link, "text": message.link_text or message.link}
        elements.append(_section(link))
    return {
        "text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
        "mrkdwn": False,
        "blocks": [{"type": "rich_text", "elements": elements}],
    }


def _section(element: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": [element]}


def _teams(message: Message) -> dict[str, Any]:
    """An Adaptive Card in the envelope that Workflows take; its text runs know no Markdown."""
    title, lines = message.shown()
    runs = [_run(title, weight="bolder", size="medium"), *(_run(f"• {line}") for line in lines)]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "msteams": {"width": "Full"},
        "rtl": message.direction == "rtl",
        "body": runs,
    }
    if message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": message.link_text or message.link, "url": message.link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _run(text: str, **look: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **look}]}


def _apprise(message: Message) -> dict[str, Any]:
    title, lines = message.shown()
    return {"title": title, "body": "\n".join([*(f"• {line}" for line in lines), *filter(None, [message.link])])}


def _tame(text: str, direction: str) -> str:
    """One line that mentions nobody: a space of no width parts what would."""
    return _MENTIONS.sub("\\g<0>\u200b", brief(text, MOST_LENGTH, direction))


def _of_numpy(value: Any) -> Any:
    """A number of numpy, or anything else, as what it says."""
    return value.item() if hasattr(value, "item") else str(value)
