"""The texts of alerts: one message for webhooks and one email with all new events of a target."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from retention_kit.delivery.alert_events import KINDS, Event, end_of
from retention_kit.delivery.hook_bodies import Message
from retention_kit.metrics.alerts import texts
from retention_kit.settings import Settings
from retention_kit.wording import Words


class AlertNotice:
    """The events of one message in words, the most severe first."""

    def __init__(self, events: Sequence[Event], settings: Settings, words: Words, as_of: date):
        self.events = sorted(events, key=lambda event: KINDS.index(event.kind))
        self._settings, self._words, self._as_of = settings, words, as_of

    @property
    def finding(self) -> str:
        """The most severe event, for a subject."""
        first, more = self._title(self.events[0]), len(self.events) - 1
        return self._words.text("telling.more", finding=first, count=more) if more else first

    def message(self) -> Message:
        """The message for a webhook: a line per event, or each sentence of a single event; `facts` holds all values."""
        link = self._settings.mail.link or ""
        lines = [f"{self._title(event)}. {' '.join(self._lines(event))}" for event in self.events]
        return Message(
            title=self._about(self.finding),
            lines=tuple(lines if len(lines) > 1 else self._lines(self.events[0])),
            link=link,
            link_text=self._words.text("mail.open") if link else "",
            facts={
                "company": self._settings.report.company,
                "as_of": self._as_of,
                "alerts": [texts.facts(event.state) | {"event": event.kind} for event in self.events],
            },
            direction=self._words.direction,
        )

    def email(self) -> bytes:
        """The email as bytes, without the headers of its recipient."""
        from retention_kit.report.message.letter import Letter, compose_letter

        parts = [(self._title(event), self._lines(event)) for event in self.events]
        mail = Letter(
            subject=self._about(self.finding),
            title=self._words.text("telling.title"),
            headline=self.finding,
            sections=tuple(parts) if len(parts) > 1 else (("", parts[0][1]),),
            period=self._words.period(max((event.state.period for event in self.events), key=end_of)),
            about=self._words.text("telling.about", day=self._words.date(self._as_of)),
            received=self._words.text("telling.received"),
        )
        return compose_letter(mail, self._settings, self._words)

    def _about(self, finding: str) -> str:
        company = self._settings.report.company
        return self._words.text("mail.subject", finding=finding, about=company) if company else finding

    def _title(self, event: Event) -> str:
        return self._words.text(f"telling.{event.kind.replace(' ', '_')}", name=texts.title(event.state, self._words))

    def _lines(self, event: Event) -> list[str]:
        words, state = self._words, event.state
        values = {"period": words.period(state.period), "since": words.period(event.since)}
        when = f"telling.{event.kind.replace(' ', '_')}_when"
        if event.kind == "firing" and event.since != state.period:
            when = "telling.firing_since"
        sentences = [
            words.text(when, **values),
            *(f"{sentence.removesuffix('.')}." for sentence in texts.sentences(state, words)),
        ]
        if state.alert.owner:
            sentences.append(words.text("telling.owner", owner=state.alert.owner))
        return sentences
