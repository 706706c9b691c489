"""Recipients of alerts, and messages of alerts that were not delivered."""

from __future__ import annotations

from collections.abc import Iterable

from retention_kit.delivery.outbox import ALERTS, Row
from retention_kit.periods import Period
from retention_kit.settings import Settings
from retention_kit.settings.addresses import parse_address
from retention_kit.settings.alerts import Alert
from retention_kit.settings.checks import WEBHOOKS
from retention_kit.settings.mail import Recipient


def targets_of(alert: Alert) -> dict[str, Recipient | str]:
    """The recipients of an alert, by their name in the ledger: a person, or the name of a webhook."""
    targets: dict[str, Recipient | str] = {}
    for target in alert.then:
        kind, _, name = target.partition(":")
        if kind == "mail":
            address, person = parse_address(name)
            targets[f"mail:{address.lower()}"] = Recipient(address, person)
        elif kind in WEBHOOKS:
            targets[f"{kind}:{name.upper()}"] = f"{kind}:{name.upper()}"
    return targets


def owner_of(alert: Alert, settings: Settings) -> dict[str, Recipient | str]:
    """The recipient of "no data": the alert's owner where that is an address, else the owner of the reports."""
    text = alert.owner if alert.owner and "@" in alert.owner else settings.mail.owner
    if not text:
        return {}
    address, person = parse_address(text)
    return {f"mail:{address.lower()}": Recipient(address, person)}


def all_targets(settings: Settings) -> dict[str, Recipient | str]:
    """The recipients of all alerts, by target."""
    targets: dict[str, Recipient | str] = {}
    for alert in settings.alerts:
        targets |= targets_of(alert) | owner_of(alert, settings)
    return targets


def target_of(row: Row) -> str:
    """The name of a message's recipient in the ledger of alerts."""
    return f"mail:{row.recipient}" if "@" in row.recipient else row.recipient


def delivery_problems(rows: Iterable[Row], settings: Settings, due: Period) -> list[str]:
    """A sentence for each message of alerts that a current recipient does not have, or may not have.

    A message that may have arrived is never sent again; it is listed until the period after the one that was due.
    """
    targets, problems = all_targets(settings), []
    for row in rows:
        if not row.series.startswith(ALERTS) or target_of(row) not in targets:
            continue
        if row.state in ("failed", "queued", "sending"):
            problems.append(
                f"Alerts of {row.period}: {row.recipient} does not have them ({row.reply or row.state}): "
                "`retention-kit run` tries again."
            )
        elif row.state in ("unknown", "data") and Period.parse(row.period).end >= due.end:
            problems.append(
                f"Alerts of {row.period}: {row.recipient} may have them or not ({row.reply or 'they are being sent'}). "
                "Ask; `retention-kit alerts` shows where each stands."
            )
    return problems
