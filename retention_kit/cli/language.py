"""The language of the commands: that of `--language` before a command, else that of the environment.

`--language` after a command that makes a report or a form is the language of its result. English texts are in the code,
their translations in `locale/phrases/<language>.toml`. JSON and CSV are always English.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from retention_kit import bidi
from retention_kit.errors import Phrase, SettingsError, naming
from retention_kit.word_files import locale_of, phrases

if TYPE_CHECKING:
    from retention_kit.settings import Report
    from retention_kit.wording import Words

VARIABLE = "RETENTION_KIT_LANGUAGE"
# After these, `--language` is the language of their output, or an option of JupyterLab.
_OTHERS = ("report", "preview", "invite", "lab")
_current = ["en"]


def language() -> str:
    """The current language of the commands."""
    return _current[-1]


def is_english() -> bool:
    return language().partition("-")[0] == "en"


@contextmanager
def use_language(name: str) -> Iterator[None]:
    """Use a language for the commands and for argparse's own messages."""
    _current.append(name)
    before = argparse._, argparse.ngettext  # type: ignore[attr-defined]
    translations = phrases(name.partition("-")[0])["phrases"]  # none in English, where gettext would look for files
    argparse._ = lambda text: translations.get(text, text)  # type: ignore[attr-defined]
    argparse.ngettext = lambda singular, plural, n: argparse._(singular if n == 1 else plural)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        argparse._, argparse.ngettext = before  # type: ignore[attr-defined]
        _current.pop()


def requested_language(arguments: Sequence[str]) -> str:
    """The language of a command line, else of the environment; read before parsing, for help and usage errors.

    Raises SettingsError if it is unknown.
    """
    for argument, following in pairwise([*arguments, ""]):
        name, sign, value = argument.partition("=")
        if argument in _OTHERS:
            break
        if name == "--language" and (requested := value if sign else following):
            with naming(name):
                return _checked(requested)
    return environment_language()


def switch_language(name: str) -> None:
    """Use another language from now on, unless `name` is empty. Raises SettingsError if it is unknown."""
    _current[-1] = _checked(name) if name else _current[-1]


def add_language(parser: argparse.ArgumentParser) -> None:
    """Add `--language`, which `requested_language` reads before the parser does."""
    parser.add_argument(
        "--language",
        dest="command_language",
        metavar="LANGUAGE",
        default=argparse.SUPPRESS,
        help="in which language the command speaks, such as ar (default: that of the environment)",
    )


def environment_language() -> str:
    """The language of RETENTION_KIT_LANGUAGE, else that of the locale if available, else English.

    Raises SettingsError if the former is unknown.
    """
    if requested := os.environ.get(VARIABLE):
        with naming(VARIABLE):
            return _checked(requested)
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "C")
    if _plain(locale) in ("C", "POSIX"):
        return "en"
    for candidate in (*os.environ.get("LANGUAGE", "").split(":"), locale):  # the order of gettext
        name = _plain(candidate).replace("_", "-")
        if name.partition("-")[0] == "en":  # in every region
            return "en"
        for variant in (name, name.partition("-")[0]):
            try:
                return _checked(variant)
            except SettingsError:
                continue
    return "en"


def _plain(locale: str) -> str:
    """A locale without encoding and modifier: `ar_EG` for `ar_EG.UTF-8@calendar`."""
    return locale.partition(".")[0].partition("@")[0]


def _checked(name: str) -> str:
    locale_of(name)
    return name


def words(report: Report | None = None) -> Words:
    """The words of the current language, with currency and digits of a report's settings."""
    from retention_kit.wording import Words

    return Words.of(report, language()) if report else Words(language(), "XXX")


def translated(text: object, /, **values: Any) -> str:
    """A template with its values, a phrase, a sentence or an error, in the language of the commands."""
    if type(text) is str:
        text = Phrase(text, **values)
    if is_english() or not isinstance(text, str | BaseException):
        return str(text)
    return isolate_rtl(words().say(text))


def translated_each(*texts: str) -> tuple[str, ...]:
    """Translated texts, such as the heads of a table."""
    return tuple(map(translated, texts))


def section(name: str) -> str:
    """The name of a section in the language of the commands; custom sections keep the name of their file."""
    return name if is_english() or not name else isolate_rtl(words().table("sections").get(name, name))


def isolate_rtl(text: str) -> str:
    """A text with each right-to-left line isolated for left-to-right terminals."""
    if is_english() or text.isascii():
        return text
    return "\n".join(bidi.whole(line, bidi.RTL) if bidi.has_rtl(line) else line for line in text.split("\n"))
