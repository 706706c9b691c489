"""The calendar of a day's lists: an event for each list and day that it is due on, with counts and nobody's name."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from retention_kit.delivery.follow_ups.ledger import Entry, File
from retention_kit.wording import Words


def calendar_text(files: Sequence[File], entries: Sequence[Entry], words: Words) -> str:
    """The events of some lists, as iCalendar (RFC 5545): the same lists give the same text, so that a calendar which
    takes it twice has each event once.
    """
    from icalendar import Calendar, Event

    calendar = Calendar()
    calendar.add("prodid", "-//retention-kit//follow-ups//EN")
    calendar.add("version", "2.0")
    for one in files:
        counts = Counter(entry.due for entry in entries if entry.file == one.file)
        for due, customers in sorted(counts.items()):
            texts = {
                "name": one.rule,
                "count": words.value(customers, "count"),
                "file": one.file,
                "owner": one.owner,
            }
            event = Event()
            event.add("uid", f"{hashlib.sha256(f'{one.file} {due}'.encode()).hexdigest()[:32]}@retention-kit")
            event.add("dtstamp", datetime.fromisoformat(one.at))
            event.add("dtstart", date.fromisoformat(due))
            event.add("dtend", date.fromisoformat(due) + timedelta(days=1))
            event.add("summary", words.text("follow_ups.event", **texts))
            about = "follow_ups.event_owned" if one.owner else "follow_ups.event_of"
            event.add("description", words.text(about, **texts))
            event.add("transp", "TRANSPARENT")
            calendar.add_component(event)
    return calendar.to_ical().decode("utf-8")
