"""What a message says: the words of the report's first screen, its charts and its cohorts, as plain values."""

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

SHORT, LONG = 60, 700  # characters of a name, which is cut, and of any text, which loses its middle
IN_MESSAGE = 3  # alerts that fire
MOST = 6  # sentences under "needs attention", and names in the preheader
NEAR = 6  # the oldest age of a cohort that a phone has room for
SHADES = 5
# What stands in no text.
_UNSETTLED = {"language", "direction", "subject", "link", "href", "cid", "png", "kind", "tone", "metric"}


def content(
    page: Page,
    pictures: Sequence[Picture],
    table: dict | None,
    notices: Sequence[str],
    report: Path | None,
    one_page: Path | None = None,
) -> dict[str, Any]:
    """Everything a message says, in final words; `table` is of `cohorts`, `report` and `one_page` are PDFs to attach.

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
    alert, attention, why = page.alert_notice(IN_MESSAGE), page.attention(MOST), page.why()
    link = settings.mail.link or ""
    attached, is_brief = (
        pdf is not None and pdf.stat().st_size <= settings.mail.attach_bytes for pdf in (report, one_page)
    )
    attached = attached and not link
    zone = settings.report.timezone or "UTC"
    said = {
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
        "cards": cards,  # without their goals, which have a part of their own
        "alerts": {"title": alert.data["title"], "items": alert.data["items"]} if alert else None,
        "attention": {"title": text("attention.title"), "items": attention.data["items"]} if attention else None,
        "why": {"title": why.data["title"], "items": why.data["items"]} if why else None,
        "goals": _goals(page),
        "charts": [vars(one) | {"cid": one.cid} for one in pictures],
        "cohorts": table,
        "link": link,
        "attached": attached,
        "one_page": text("mail.brief") if is_brief else "",
        "full": text("mail.open" if link else "mail.attached" if attached else "mail.elsewhere"),
        "about": f"{text('document.as_of', day=page.last_day(), zone=zone)} · {text('mail.definitions')}",
        "received": text("mail.received_of", company=company) if company else text("mail.received"),
        "leave": _leave(page),
        "labels": {name: text(f"mail.{name}") for name in ("notice", "goals", "cohort", "size")},
    }
    return _printable(said, page.words.direction)


def brief(text: str, most: int = SHORT, direction: str = "ltr") -> str:
    """A text, or a name from the data or the settings, on one line and no longer than a header has room for."""
    return bidi.shorten(_plain(text, direction), most, direction)


def _plain(text: str, direction: str) -> str:
    """One line without what no reader sees: controls, lone surrogates and bidi controls that isolate nothing."""
    seen = "".join(" " if unicodedata.category(one) in ("Cc", "Zl", "Zp") else one for one in text)
    seen = "".join(one for one in seen if unicodedata.category(one) != "Cs")
    return bidi.balanced(re.sub(" +", " ", seen).strip(), direction)


def _printable(value: Any, direction: str, is_said: bool = True) -> Any:
    """All texts of a nested value, each on one printable line; of a very long one both ends, where the figures are."""
    if isinstance(value, dict):
        return {name: _printable(one, direction, name not in _UNSETTLED) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(one, direction) for one in value]
    if not isinstance(value, str):
        return value
    text = _plain(value, direction)
    if len(text) > LONG:
        ends = text[: LONG // 2].rstrip(), text[-LONG // 2 :].lstrip()
        text = " … ".join(bidi.balanced(one, direction) for one in ends)
    return bidi.settle(text, direction) if is_said else text


def _is_complete(page: Page) -> bool:
    return page.period.is_complete(page.data.as_of)


def _subject(page: Page, company: str) -> str:
    """The finding, for those who read no further."""
    words = page.words
    finding = brief(page.headline().data["text"], 2 * SHORT, words.direction)
    about = [company, brief(page.alone[1]) if page.alone else "", words.period(page.period)]
    subject = words.text("mail.subject", finding=finding, about=words.listed(filter(None, about)))
    return bidi.turn_lines(_plain(subject, words.direction), words.direction)


def _preheader(cards: list[dict], words: Words) -> str:
    """The leading figures with their changes: what a list of messages shows after the subject."""
    return " · ".join(
        " ".join(
            [words.isolate(card["label"]), card["value"], *(f"({change['text']})" for change in card["changes"][:1])]
        )
        for card in cards[: MOST // 2]
    )


def _subtitle(page: Page) -> str:
    text, said = page.words.text, [page.words.text("document.subtitle")]
    if page.data.is_sample:
        said.append(text("document.sample"))
    if page.alone:
        column, value = map(brief, page.alone)
        said.append(text("document.filtered", column=column, value=value))
    return " · ".join(said)


def _lead(page: Page, lead: list[str]) -> list[str]:
    """Two sentences: how sure the finding is, or whom it counts, and why it came so, or how far it can be told."""
    row = page.leading()
    sure = "" if row is None else narrative.certainty(row, page.words, page.verdict(row))
    why = _why(page) if _is_complete(page) else lead[-1]
    return list(dict.fromkeys(filter(None, [sure or next(iter(lead), ""), why or next(iter(lead[1:]), "")])))


def _why(page: Page) -> str:
    """What explains the figures: the reasons of lost customers, the parts of revenue per customer, or the answers."""
    words = page.words
    if (told := page.reasons()) is not None:
        return words.text("story.sentence", finding=capitalised(told.data["title"]))
    names = ("average_revenue_per_customer", "purchase_frequency", "average_purchase_value")
    rows = [row for row in map(page.row, names) if row is not None]
    if len(rows) == len(names) and all(
        narrative.is_known(value) for row in rows for value in (row.value, row.previous)
    ):
        revenue, *parts = rows
        said: dict[str, str] = {}
        for name, row in zip(("often", "value"), parts, strict=True):
            said |= {name: words.value(row.value, row.unit), f"{name}_change": narrative.signed(row, words)}
        return words.text("mail.why_revenue", finding=narrative.finding(revenue, words, page.verdict(revenue)), **said)
    answers: Block | None = page.nps()
    return words.text("story.sentence", finding=answers.data["title"]) if answers else ""


def _goals(page: Page) -> list[dict]:
    """Every goal, the most urgent ones where there are many: its state, and how far it has come in per cent of the bar.

    What is short of its goal is never 100, however near.
    """
    bars = page.goal_bars(2 * MOST, brief=True)
    text, found = page.words.text, []
    for one in bars.data["goals"] if bars else []:
        goal = text("mail.goal", target=one["target"]) if one["value"] else one["target"]
        begun = text("mail.goal_from", start=one["start"]) if one["start"] else ""
        found.append(
            one
            | {
                "text": " · ".join(filter(None, [one["state"], goal, begun])),
                "percent": _percent(one["share"]),
                "bad": one["tone"] == "bad",
            }
        )
    return found


def _percent(share: float | None) -> int | None:
    return None if share is None else 100 if share >= 1 else min(round(100 * share), 99)


def cohorts(page: Page) -> dict[str, Any] | None:
    """The cells of the report's heat map as a table, shaded in steps; None where it has none."""
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
        shown = [
            {
                "text": own[age]["text"],
                "kind": own[age]["kind"],
                "shade": min(int((own[age]["value"] - low) / spread * SHADES), SHADES - 1) + 1,
            }
            if age in own and own[age]["value"] is not None
            else {"text": DASH if age in own else "", "kind": "", "shade": 0}
            for age in ages
        ]
        size = next(iter(own.values()))["size"]
        rows.append({"cohort": cohort, "size": size, "cells": shown, "line": _line(shown)})
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
    """A row of cells as text: what is not over in brackets, a dash for an empty cell that others follow."""
    said = [f"({cell['text']})" if cell["kind"] == "running" else cell["text"] for cell in cells]
    while said and not said[-1]:
        said.pop()
    return " ".join(one or DASH for one in said)


def capitalised(text: str) -> str:
    """A text with a capital first letter."""
    return text[:1].upper() + text[1:]


def _leave(page: Page) -> dict[str, str]:
    """How to get no more of these: a link, an address, or an answer."""
    way = page.data.settings.mail.unsubscribe or ""
    if "{recipient}" in way:  # the address is in a header of each message; the text is everybody's
        way = ""
    if way.startswith("https:"):
        return {"text": page.words.text("mail.leave"), "href": way}
    if way:
        address = way.removeprefix("mailto:")
        shown = address.partition("?")[0]
        return {"text": page.words.text("mail.leave_by", address=shown), "href": f"mailto:{address}"}
    return {"text": page.words.text("mail.leave_answer"), "href": ""}
