"""Who hears of alerts, and whom of them a message has not reached."""

from __future__ import annotations

from collections.abc import Iterable

from retention_kit.delivery.outbox import ALERTS, Row
from retention_kit.periods import Period
from retention_kit.settings import Settings
from retention_kit.settings.addresses import parse_address
from retention_kit.settings.alerts import WEBHOOKS, Alert
from retention_kit.settings.mail import Recipient


def targets_of(alert: Alert) -> dict[str, Recipient | str]:
    """Who hears of an alert, by how the ledger names them: a person, or the name of a webhook."""
    found: dict[str, Recipient | str] = {}
    for target in alert.then:
        kind, _, name = target.partition(":")
        if kind == "mail":
            address, person = parse_address(name)
            found[f"mail:{address.lower()}"] = Recipient(address, person)
        elif kind in WEBHOOKS:
            found[f"{kind}:{name.upper()}"] = f"{kind}:{name.upper()}"
    return found


def owner_of(alert: Alert, settings: Settings) -> dict[str, Recipient | str]:
    """Who hears that an alert has no data: its owner, where that is an address, else that of the reports."""
    text = alert.owner if alert.owner and "@" in alert.owner else settings.mail.owner
    if not text:
        return {}
    address, person = parse_address(text)
    return {f"mail:{address.lower()}": Recipient(address, person)}


def people_of(settings: Settings) -> dict[str, Recipient | str]:
    """Everybody who may hear of an alert, by target."""
    each = [targets_of(alert) | owner_of(alert, settings) for alert in settings.alerts]
    return {target: who for one in each for target, who in one.items()}


def target_of(row: Row) -> str:
    """How the ledger of alerts names who a message is for."""
    return f"mail:{row.recipient}" if "@" in row.recipient else row.recipient


def undelivered(rows: Iterable[Row], settings: Settings, due: Period) -> list[str]:
    """What of alerts somebody who is still to hear of them does not have, or may not, in sentences.

    Nobody can send again what may have arrived; it is named until the period after the one that was due.
    """
    people, found = people_of(settings), []
    for row in rows:
        if not row.series.startswith(ALERTS) or target_of(row) not in people:
            continue
        if row.state in ("failed", "queued", "sending"):
            found.append(
                f"Alerts of {row.period}: {row.recipient} does not have them ({row.reply or row.state}): "
                "`retention-kit run` tries again."
            )
        elif row.state in ("unknown", "data") and Period.parse(row.period).end >= due.end:
            found.append(
                f"Alerts of {row.period}: {row.recipient} may have them or not ({row.reply or 'they are being sent'}). "
                "Ask; `retention-kit alerts` shows where each stands."
            )
    return found
