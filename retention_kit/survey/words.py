"""The words of the form and of the mail block, one file a language in `words/`, and which language somebody reads."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from retention_kit.errors import SettingsError, did_you_mean

DEFAULT = "en"


@cache
def languages() -> list[str]:
    """The languages that there is a file of, the default first."""
    names = sorted(path.name.removesuffix(".toml") for path in files(__package__).joinpath("words").iterdir())
    return sorted(names, key=lambda name: name != DEFAULT)


@cache
def words(language: str) -> dict[str, Any]:
    """All words of a language; raises SettingsError where there are none."""
    if language not in languages():
        raise SettingsError(
            "The form does not speak {language!r} yet: {hint}",
            language=language,
            hint=did_you_mean(language, languages()),
        )
    return tomllib.loads(files(__package__).joinpath("words", f"{language}.toml").read_text("utf-8"))


def choose_language(wanted: str | None, accepted: str | None) -> str:
    """The language that a link names, else the first that a browser asks for (Accept-Language), else English."""
    preferences = []
    for place, part in enumerate((accepted or "")[:200].split(",")):
        tag, _, weight = part.strip().partition(";q=")
        try:
            preferences.append((-float(weight or 1), place, tag))
        except ValueError:
            continue
    for tag in [wanted or "", *(tag for weight, _, tag in sorted(preferences) if weight < 0)]:
        if (name := tag.strip().partition("-")[0].lower()) in languages():
            return name
    return DEFAULT


def number(value: int, language: str) -> str:
    """A whole number in the digits of a language."""
    return str(value).translate(dict(zip(range(ord("0"), ord("9") + 1), words(language)["digits"], strict=True)))
