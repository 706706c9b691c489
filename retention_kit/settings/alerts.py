"""`[[alerts]]` of a `retention.toml`; `metrics/alerts` interprets their conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from retention_kit.errors import SettingsError
from retention_kit.settings.checks import WEBHOOKS, check_owner, check_segment, check_target_names

MOST_CHARACTERS = 500  # of a condition
TARGETS = ("mail:ADDRESS", *(f"{kind}:NAME" for kind in WEBHOOKS), "list", "notice", "exit")


class Alert(Struct, frozen=True, forbid_unknown_fields=True):
    """When to notify whom: an entry of `[[alerts]]`.

    `when` is a condition over metrics, such as "customer_churn_rate > 5%", evaluated for complete periods.
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
    """Raise SettingsError for a missing or repeated name, an empty or too long condition, or an invalid target."""
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
        path = f"alerts.{alert.name}"
        for key in ("when", "reset"):
            _check_condition(getattr(alert, key), f"{path}.{key}")
        if alert.each is not None and alert.segment is not None:
            raise SettingsError("{path} has each and segment: keep one of them.", path=path)
        if alert.segment is not None:
            check_segment(alert.segment, path)
        if alert.each is not None and not alert.each.strip():
            raise SettingsError('{path}.each is empty: name a segment column, such as "country".', path=path)
        check_owner(alert.owner, path)
        check_target_names(alert.then, path, TARGETS)


def _check_condition(text: str | None, path: str) -> None:
    if text is not None and not text.strip():
        raise SettingsError('{path} is empty: write a condition, such as "customer_churn_rate > 5%".', path=path)
    if text is not None and len(text) > MOST_CHARACTERS:
        template = "{path} has {number} characters, more than {most}: make two alerts of it."
        raise SettingsError(template, path=path, number=len(text), most=MOST_CHARACTERS)
