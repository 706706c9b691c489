"""Bodies of posts to webhooks: plain JSON, or messages in the formats of Slack, Teams and Apprise.

Texts are plain-text values, never markup: nothing in a name from the data becomes a link, formatting or a mention.
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
    """A title and lines of plain text, a link, and `facts` for programs, which only plain JSON contains."""

    title: str
    lines: tuple[str, ...] = ()
    link: str = ""  # https://…, or empty
    link_text: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    direction: str = "ltr"  # or rtl

    def display_texts(self) -> tuple[str, list[str]]:
        """Title and lines as people see them, with mentions disabled."""
        return _without_mentions(self.title, self.direction), [
            _without_mentions(line, self.direction) for line in self.lines
        ]


def body_of(kind: str, message: Message) -> bytes:
    """The body of a post to a webhook of this kind: webhook (plain JSON), slack, teams or apprise.

    A body that is too long keeps its first lines and the number of those left out.
    """
    if kind == "webhook":
        return _encoded(_plain(message))
    layout = {"slack": _slack, "teams": _teams, "apprise": _apprise}[kind]
    for most in _MOST_LINES:
        left = len(message.lines) - most
        lines = (*message.lines[:most], f"… +{left}") if left > 0 else message.lines
        body = _encoded(layout(replace(message, lines=lines)))
        if len(body) <= _MOST_BYTES:
            break
    return body


def _encoded(body: dict[str, Any]) -> bytes:
    # NumPy has scalars of its own.
    return msgspec.json.encode(body, enc_hook=lambda value: value.item() if hasattr(value, "item") else str(value))


def _plain(message: Message) -> dict[str, Any]:
    """NaN and infinity become null, dates text."""
    return {
        "title": brief(message.title, MOST_LENGTH, message.direction),
        "lines": [brief(line, MOST_LENGTH, message.direction) for line in message.lines],
        "link": message.link or None,
        "facts": message.facts,
    }


def _slack(message: Message) -> dict[str, Any]:
    """`text` is for notifications and for servers that support nothing else; Slack shows the blocks."""
    title, lines = message.display_texts()
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
    """An Adaptive Card in the envelope for Workflows; its text runs have no Markdown."""
    title, lines = message.display_texts()
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


def _run(text: str, **style: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


def _apprise(message: Message) -> dict[str, Any]:
    title, lines = message.display_texts()
    return {"title": title, "body": "\n".join([*(f"• {line}" for line in lines), *filter(None, [message.link])])}


def _without_mentions(text: str, direction: str) -> str:
    """One line with a zero-width space after each sign that would begin a mention."""
    return _MENTIONS.sub("\\g<0>\u200b", brief(text, MOST_LENGTH, direction))
