"""`[[alerts]]` as a `retention.toml` says them; what their conditions mean, `metrics/alerts` knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from retention_kit.errors import SettingsError, did_you_mean
from retention_kit.settings.addresses import parse_address

MOST_CHARACTERS = 500  # of a condition
WEBHOOKS = ("webhook", "slack", "teams", "apprise")  # kinds of `then` that a NAME follows
TARGETS = ("mail:ADDRESS", *(f"{kind}:NAME" for kind in WEBHOOKS), "list", "notice", "exit")


class Alert(Struct, frozen=True, forbid_unknown_fields=True):
    """When to tell whom: an entry of `[[alerts]]`.

    `when` is a condition over metrics, such as "customer_churn_rate > 5%"; it is judged for complete periods.
    docs/alerts.md has the language and an example of each key.
    """

    name: str
    when: str
    for_: Annotated[int, Meta(ge=1, le=100)] = field(default=1, name="for")  # complete periods in a row before it fires
    reset: str | None = None  # what must hold before it resolves; else that `when` no longer holds
    every: Literal["week", "month", "quarter", "year"] | None = None  # else [report] every
    each: str | None = None  # a segment column: one alert for each of its values, corrected over them
    segment: str | None = None  # "country=France": of these customers alone
    certain: bool = True  # a comparison holds only where the figure's interval leaves out the threshold
    cooldown: Annotated[int, Meta(ge=0, le=100)] = 0  # complete periods after it resolved in which it does not fire
    owner: str | None = None  # an address, or a name
    then: list[str] = field(default_factory=list)  # mail:ADDRESS, webhook:NAME, slack:…, teams:…, list, notice, exit


def check_alerts(alerts: Sequence[Alert]) -> None:
    """Raise SettingsError for two of one name, a condition that is empty or too long, and a `then` that is none."""
    names = set()
    for number, alert in enumerate(alerts, 1):
        if not alert.name.strip() or not alert.name.isprintable() or len(alert.name) > 100:
            raise SettingsError(
                'alerts: number {number} needs a name of up to 100 characters in one line, such as name = "Churn '
                'above plan".',
                number=number,
            )
        if alert.name in names:
            raise SettingsError("alerts: two are called {name!r}: give one of them another name.", name=alert.name)
        names.add(alert.name)
        place = f"alerts.{alert.name}"
        for key in ("when", "reset"):
            _check_condition(getattr(alert, key), f"{place}.{key}")
        if alert.each is not None and alert.segment is not None:
            raise SettingsError("{place} has each and segment: keep one of them.", place=place)
        if alert.segment is not None and not re.fullmatch(r"[^=]+=.+", alert.segment):
            raise SettingsError(
                '{place}.segment cannot be {segment!r}: write it like "country=France".',
                place=place,
                segment=alert.segment,
            )
        if alert.each is not None and not alert.each.strip():
            raise SettingsError('{place}.each is empty: name a segment column, such as "country".', place=place)
        if alert.owner is not None and "@" in alert.owner:
            _check_address(alert.owner, f"{place}.owner")
        for target in alert.then:
            _check_target(target, f"{place}.then")


def _check_condition(text: str | None, place: str) -> None:
    if text is not None and not text.strip():
        raise SettingsError('{place} is empty: write a condition, such as "customer_churn_rate > 5%".', place=place)
    if text is not None and len(text) > MOST_CHARACTERS:
        raise SettingsError(
            "{place} has {number} characters, more than {most}: make two alerts of it.",
            place=place,
            number=len(text),
            most=MOST_CHARACTERS,
        )


def _check_target(target: str, place: str) -> None:
    kind, colon, name = target.partition(":")
    if kind == "mail" and colon:
        return _check_address(name, place)
    if target in ("list", "notice", "exit"):
        return None
    if kind in WEBHOOKS and colon:
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,49}", name):
            return None
        raise SettingsError(
            "{place} cannot be {target!r}: a NAME has letters, digits and _, as it is part of the name of a "
            "variable in the environment.",
            place=place,
            target=target,
        )
    raise SettingsError(
        "{place} cannot be {target!r}: {hint}", place=place, target=target, hint=did_you_mean(target, TARGETS)
    )


def _check_address(text: str, place: str) -> None:
    try:
        parse_address(text)
    except SettingsError as error:
        raise SettingsError("{place}: {error}", place=place, error=error) from None
