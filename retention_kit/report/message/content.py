"""The content of a message as plain values: the report's first screen, charts and cohorts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retention_kit import bidi
from retention_kit.report.message.charts import Picture
from retention_kit.report.pages import narrative
from retention_kit.wording import DASH

if TYPE_CHECKING:
    from retention_kit.report.blocks import Block
    from retention_kit.report.page import Page
    from retention_kit.wording import Words

SHORT, LONG = 60, 700  # characters of a name, which is truncated, and of any text, which loses its middle
MOST_ALERTS = 3
MOST_ITEMS = 6  # sentences under "needs attention"; half as many cards in the preheader
NEAR = 6  # the highest age of cohorts for which a phone has space
SHADES = 5
# Keys whose values are not visible texts.
_NOT_TEXTS = {"language", "direction", "subject", "link", "href", "cid", "png", "kind", "tone", "metric"}


def content(
    page: Page,
    pictures: Sequence[Picture],
    table: dict | None,
    notices: Sequence[str],
    report: Path | None,
    one_page: Path | None = None,
) -> dict[str, Any]:
    """The context of the message's templates; `table` is that of `cohorts`, `report` and `one_page` are PDFs to attach.

    Keys: subject, preheader, company, title, subtitle, period, state, notices, headline, lead, alerts, cards,
    attention, why, goals, charts, cohorts, link, attached, one_page, full, about, received, leave, labels, language,
    direction.
    """
    text, settings = page.words.text, page.data.settings
    company = brief(settings.report.company)
    first = page.headline().data
    headline, lead = first["text"], first["lead"]
    block = page.cards()
    cards = block.data["cards"] if block else []
    alert, attention, why = page.alert_notice(MOST_ALERTS), page.attention(MOST_ITEMS), page.why()
    link = settings.mail.link or ""
    attached, is_brief = (
        pdf is not None and pdf.stat().st_size <= settings.mail.attach_bytes for pdf in (report, one_page)
    )
    attached = attached and not link
    zone = settings.report.timezone or "UTC"
    context = {
        "language": page.words.language,
        "direction": page.words.direction,
        "subject": _subject(page, company),
        "preheader": _preheader(cards, page.words),
        "company": page.words.isolate(company),
        "title": text("document.title"),
        "subtitle": _subtitle(page),
        "period": page.period_title(),
        "state": "" if _is_complete(page) else text("index.incomplete", day=page.last_day()),
        "notices": list(notices),
        "headline": headline,
        "lead": _lead(page, lead),
        "cards": cards,  # templates show goals in a section of their own
        "alerts": {"title": alert.data["title"], "items": alert.data["items"]} if alert else None,
        "attention": {"title": text("attention.title"), "items": attention.data["items"]} if attention else None,
        "why": {"title": why.data["title"], "items": why.data["items"]} if why else None,
        "goals": _goals(page),
        "charts": [vars(value) | {"cid": value.cid} for value in pictures],
        "cohorts": table,
        "link": link,
        "attached": attached,
        "one_page": text("mail.brief") if is_brief else "",
        "full": text("mail.open" if link else "mail.attached" if attached else "mail.elsewhere"),
        "about": f"{text('document.as_of', day=page.last_day(), zone=zone)} · {text('mail.definitions')}",
        "received": text("mail.received_of", company=company) if company else text("mail.received"),
        "leave": _unsubscribe(page),
        "labels": {name: text(f"mail.{name}") for name in ("notice", "goals", "cohort", "size")},
    }
    return _printable(context, page.words.direction)


def brief(text: str, most: int = SHORT, direction: str = "ltr") -> str:
    """A text, or a name from the data or the settings, on one line and truncated to `most` characters."""
    return bidi.shorten(_plain(text, direction), most, direction)


def _plain(text: str, direction: str) -> str:
    """A text on one line without controls, lone surrogates and unbalanced bidi controls."""
    visible = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text)
    visible = "".join(char for char in visible if unicodedata.category(char) != "Cs")
    return bidi.balanced(re.sub(" +", " ", visible).strip(), direction)


def _printable(value: Any, direction: str, is_text: bool = True) -> Any:
    """A nested value with each text on one printable line; very long ones lose their middle."""
    if isinstance(value, dict):
        return {name: _printable(item, direction, name not in _NOT_TEXTS) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(item, direction) for item in value]
    if not isinstance(value, str):
        return value
    text = _plain(value, direction)
    if len(text) > LONG:
        ends = text[: LONG // 2].rstrip(), text[-LONG // 2 :].lstrip()
        text = " … ".join(bidi.balanced(end, direction) for end in ends)
    return bidi.settle(text, direction) if is_text else text


def _is_complete(page: Page) -> bool:
    return page.period.is_complete(page.data.as_of)


def _subject(page: Page, company: str) -> str:
    """The finding, company, segment value and period."""
    words = page.words
    finding = brief(page.headline().data["text"], 2 * SHORT, words.direction)
    scope = [company, brief(page.alone[1]) if page.alone else "", words.period(page.period)]
    subject = words.text("mail.subject", finding=finding, about=words.listed(filter(None, scope)))
    return bidi.turn_lines(_plain(subject, words.direction), words.direction)


def _preheader(cards: list[dict], words: Words) -> str:
    """The leading figures with their changes, which mail programs show after the subject."""
    return " · ".join(
        " ".join(
            [words.isolate(card["label"]), card["value"], *(f"({change['text']})" for change in card["changes"][:1])]
        )
        for card in cards[: MOST_ITEMS // 2]
    )


def _subtitle(page: Page) -> str:
    text, parts = page.words.text, [page.words.text("document.subtitle")]
    if page.data.is_sample:
        parts.append(text("document.sample"))
    if page.alone:
        column, value = map(brief, page.alone)
        parts.append(text("document.filtered", column=column, value=value))
    return " · ".join(parts)


def _lead(page: Page, lead: list[str]) -> list[str]:
    """Two sentences: the certainty of the finding, and its explanation; else the first ones of the report's lead."""
    row = page.leading()
    certainty = "" if row is None else narrative.certainty(row, page.words, page.verdict(row))
    text = _why(page) if _is_complete(page) else lead[-1]
    return list(dict.fromkeys(filter(None, [certainty or next(iter(lead), ""), text or next(iter(lead[1:]), "")])))


def _why(page: Page) -> str:
    """An explanation of the figures: reasons of lost customers, parts of revenue per customer, or answers."""
    words = page.words
    if (reasons := page.reasons()) is not None:
        return words.text("story.sentence", finding=capitalised(reasons.data["title"]))
    names = ("average_revenue_per_customer", "purchase_frequency", "average_purchase_value")
    rows = [row for row in map(page.row, names) if row is not None]
    if len(rows) == len(names) and all(
        narrative.is_known(value) for row in rows for value in (row.value, row.previous)
    ):
        revenue, *parts = rows
        texts: dict[str, str] = {}
        for name, row in zip(("often", "value"), parts, strict=True):
            texts |= {name: words.value(row.value, row.unit), f"{name}_change": narrative.signed(row, words)}
        return words.text("mail.why_revenue", finding=narrative.finding(revenue, words, page.verdict(revenue)), **texts)
    answers: Block | None = page.nps()
    return words.text("story.sentence", finding=answers.data["title"]) if answers else ""


def _goals(page: Page) -> list[dict]:
    """The goals, at most twelve of the most urgent, with their state and progress in per cent.

    A goal that is not reached never has 100.
    """
    bars = page.goal_bars(2 * MOST_ITEMS, brief=True)
    text, goals = page.words.text, []
    for item in bars.data["goals"] if bars else []:
        goal = text("mail.goal", target=item["target"]) if item["value"] else item["target"]
        start = text("mail.goal_from", start=item["start"]) if item["start"] else ""
        goals.append(
            item
            | {
                "text": " · ".join(filter(None, [item["state"], goal, start])),
                "percent": _percent(item["share"]),
                "bad": item["tone"] == "bad",
            }
        )
    return goals


def _percent(share: float | None) -> int | None:
    return None if share is None else 100 if share >= 1 else min(round(100 * share), 99)


def cohorts(page: Page) -> dict[str, Any] | None:
    """The cells of the report's cohort heat map as a table, with shades from 1 to 5; None without a heat map."""
    block = page.cohorts()
    if block is None or block.kind != "chart":
        return None
    cells = block.data["spec"]["data"]["values"]
    later = [cell["value"] for cell in cells if cell["kind"] == "later"]
    low, spread = (min(later), (max(later) - min(later)) or 1) if later else (0, 1)
    ages = sorted({cell["age"] for cell in cells})
    rows = []
    for cohort in dict.fromkeys(cell["cohort"] for cell in cells):
        own = {cell["age"]: cell for cell in cells if cell["cohort"] == cohort}
        row = [
            {
                "text": own[age]["text"],
                "kind": own[age]["kind"],
                "shade": min(int((own[age]["value"] - low) / spread * SHADES), SHADES - 1) + 1,
            }
            if age in own and own[age]["value"] is not None
            else {"text": DASH if age in own else "", "kind": "", "shade": 0}
            for age in ages
        ]
        rows.append({"cohort": cohort, "size": next(iter(own.values()))["size"], "cells": row, "line": _line(row)})
    data, text = block.data, page.words.text
    return {
        "title": data["title"],
        "caption": data["caption"],
        "told": data["caption"].replace(text("cohorts.outlined"), text("mail.bracketed")),
        "axis": capitalised(text(f"charts.cohorts.age.{page.every}")),
        "ages": ages,
        "heads": [page.words.value(age, "count") for age in ages],
        "rows": rows,
        "near": NEAR,
        "narrow": text("mail.narrow", age=NEAR) if len(ages) > NEAR + 1 else "",
    }


def _line(cells: list[dict]) -> str:
    """A row of cells as text: running periods in parentheses, a dash for an empty cell before others."""
    texts = [f"({cell['text']})" if cell["kind"] == "running" else cell["text"] for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    return " ".join(text or DASH for text in texts)


def capitalised(text: str) -> str:
    """A text with a capital first letter."""
    return text[:1].upper() + text[1:]


def _unsubscribe(page: Page) -> dict[str, str]:
    """How to unsubscribe: by a link, by mail to an address, or by an answer."""
    target = page.data.settings.mail.unsubscribe or ""
    if "{recipient}" in target:  # it is in a header of each message; the text is the same for all recipients
        target = ""
    if target.startswith("https:"):
        return {"text": page.words.text("mail.leave"), "href": target}
    if target:
        target = target.removeprefix("mailto:")
        return {"text": page.words.text("mail.leave_by", address=target.partition("?")[0]), "href": f"mailto:{target}"}
    return {"text": page.words.text("mail.leave_answer"), "href": ""}
