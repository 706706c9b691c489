"""Posts through Apprise, which supports a hundred services; needs the extra `[apprise]`."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from retention_kit.delivery.smtp import Outcome


def send_by_apprise(url: str, content: bytes, commit: Callable[[], None]) -> Outcome:
    """Send one message by Apprise; the URL is a secret.

    Apprise only reports success or failure. A failure is tried again by the next call, so a message may arrive twice
    if the connection was lost after the service had accepted it.
    """
    try:
        import apprise
    except ImportError:
        return Outcome("failed", 'Apprise is not installed: pip install "retention-kit[apprise]"')
    logger = logging.getLogger("apprise")
    was_off, logger.disabled = logger.disabled, True  # it logs URLs
    try:
        sender = apprise.Apprise(asset=apprise.AppriseAsset(app_id="retention-kit", async_mode=False))
        if not sender.add(url):
            return Outcome("failed", "Apprise knows no such URL: see https://appriseit.com for how they are written")
        commit()
        parts = msgspec.json.decode(content)
        is_done = sender.notify(title=parts["title"], body=parts["body"], body_format=apprise.NotifyFormat.TEXT)
    finally:
        logger.disabled = was_off
    return Outcome("sent", "Apprise: sent") if is_done else Outcome("failed", "Apprise could not send it")
