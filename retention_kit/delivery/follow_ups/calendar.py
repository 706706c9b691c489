"""The calendar of a day's lists: an event for each list and due day, with counts and without names."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from retention_kit.delivery.follow_ups.ledger import Entry, StoredList
from retention_kit.wording import Words


def calendar_text(files: Sequence[StoredList], entries: Sequence[Entry], words: Words) -> str:
    """The events of some lists as iCalendar (RFC 5545), with stable ids: importing it twice adds each event once."""
    from icalendar import Calendar, Event

    calendar = Calendar()
    calendar.add("prodid", "-//retention-kit//follow-ups//EN")
    calendar.add("version", "2.0")
    for stored in files:
        counts = Counter(entry.due for entry in entries if entry.file == stored.file)
        for due, customers in sorted(counts.items()):
            summary, description = event_texts(stored, customers, words)
            event = Event()
            event.add("uid", f"{hashlib.sha256(f'{stored.file} {due}'.encode()).hexdigest()[:32]}@retention-kit")
            event.add("dtstamp", datetime.fromisoformat(stored.at))
            event.add("dtstart", date.fromisoformat(due))
            event.add("dtend", date.fromisoformat(due) + timedelta(days=1))
            event.add("summary", summary)
            event.add("description", description)
            event.add("transp", "TRANSPARENT")
            calendar.add_component(event)
    return calendar.to_ical().decode("utf-8")


def event_texts(stored: StoredList, customers: int, words: Words) -> tuple[str, str]:
    """The title and the description of a list with so many customers."""
    values = {"name": stored.rule, "count": words.value(customers, "count"), "file": stored.file, "owner": stored.owner}
    description = "follow_ups.event_owned" if stored.owner else "follow_ups.event_of"
    return words.text("follow_ups.event", **values), words.text(description, **values)
