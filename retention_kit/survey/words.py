"""The texts of the form and of the mail block, a file per language in `words/`, and the choice of language."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from retention_kit.errors import SettingsError, check_choice

DEFAULT = "en"


@cache
def languages() -> list[str]:
    """The available languages, the default first."""
    names = sorted(path.name.removesuffix(".toml") for path in files(__package__).joinpath("words").iterdir())
    return sorted(names, key=lambda name: name != DEFAULT)


@cache
def words(language: str) -> dict[str, Any]:
    """All texts of a language; raises SettingsError if there are none."""
    check_choice(SettingsError, "The form does not speak {language!r} yet: {hint}", languages(), language=language)
    return tomllib.loads(files(__package__).joinpath("words", f"{language}.toml").read_text("utf-8"))


def choose_language(requested: str | None, accepted: str | None) -> str:
    """The language that a link names, else the preferred one of the browser (Accept-Language), else English."""
    preferences = []
    for position, part in enumerate((accepted or "")[:200].split(",")):
        tag, _, weight = part.strip().partition(";q=")
        try:
            preferences.append((-float(weight or 1), position, tag))
        except ValueError:
            continue
    for tag in [requested or "", *(tag for weight, _, tag in sorted(preferences) if weight < 0)]:
        if (name := tag.strip().partition("-")[0].lower()) in languages():
            return name
    return DEFAULT


def number(value: int, language: str) -> str:
    """A whole number in the digits of a language."""
    return str(value).translate(dict(zip(range(ord("0"), ord("9") + 1), words(language)["digits"], strict=True)))
