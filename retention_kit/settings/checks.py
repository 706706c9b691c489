"""Checks of values that several sections of a `retention.toml` share; each raises SettingsError naming the key."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retention_kit.errors import SettingsError, check_choice
from retention_kit.settings.addresses import parse_address

WEBHOOKS = ("webhook", "slack", "teams", "apprise")  # kinds of targets that a NAME follows


def check_address(text: str, path: str) -> None:
    """Raise SettingsError where `text` is no email address; `path` is the key in the settings."""
    try:
        parse_address(text)
    except SettingsError as error:
        raise SettingsError("{path}: {error}", path=path, error=error) from None


def check_owner(owner: str | None, path: str) -> None:
    """Raise SettingsError where an owner that has an @, and so is no name, is no email address."""
    if owner is not None and "@" in owner:
        check_address(owner, f"{path}.owner")


def check_segment(segment: str, path: str) -> None:
    """Raise SettingsError where `segment` is not of the form column=value."""
    if not re.fullmatch(r"[^=]+=.+", segment):
        template = '{path}.segment cannot be {segment!r}: write it like "country=France".'
        raise SettingsError(template, path=path, segment=segment)


def check_target_names(targets: Sequence[str], path: str, choices: Sequence[str]) -> None:
    """Raise SettingsError for a target of `then` that is none of `choices`, such as list, mail:ADDRESS, slack:NAME."""
    path = f"{path}.then"
    for target in targets:
        kind, colon, name = target.partition(":")
        if colon and f"{kind}:ADDRESS" in choices:
            check_address(name, path)
        elif colon and f"{kind}:NAME" in choices:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,49}", name):
                template = (
                    "{path} cannot be {target!r}: a NAME has letters, digits and _, as it is part of the name of a "
                    "variable in the environment."
                )
                raise SettingsError(template, path=path, target=target)
        else:
            check_choice(SettingsError, "{path} cannot be {target!r}: {hint}", choices, path=path, target=target)
