"""In which language the commands speak: that of `--language` before a command, else that of the environment.

Of a command that makes something in a language, a report or a form, `--language` after it chooses that one. English
stands in code; another language says it as `locale/phrases/<language>.toml` has it. JSON and CSV stay English.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from retention_kit import bidi
from retention_kit.errors import Phrase, SettingsError
from retention_kit.word_files import locale_of, phrases

if TYPE_CHECKING:
    from retention_kit.settings import Report
    from retention_kit.wording import Words

VARIABLE = "RETENTION_KIT_LANGUAGE"
# After these `--language` is another: that of what they make, or an option of JupyterLab's.
_OTHERS = ("report", "preview", "invite", "lab")
_current = ["en"]


def language() -> str:
    """The language in which the commands speak now."""
    return _current[-1]


def is_english() -> bool:
    return language().partition("-")[0] == "en"


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Let commands, and what argparse says by itself, speak a language."""
    _current.append(name)
    before = argparse._, argparse.ngettext  # type: ignore[attr-defined]
    if not is_english():
        known = phrases(name.partition("-")[0])["phrases"]
        argparse._ = lambda text: known.get(text, text)  # type: ignore[attr-defined]
        argparse.ngettext = lambda one, more, n: known.get(more, more) if n != 1 else known.get(one, one)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        argparse._, argparse.ngettext = before  # type: ignore[attr-defined]
        _current.pop()


def chosen(arguments: Sequence[str]) -> str:
    """The language that a command line asks for, as far as it can be read before it is parsed: help and what is wrong
    with it are said so; else that of the environment. Raises SettingsError for one that is unknown.
    """
    for one, following in pairwise([*arguments, ""]):
        name, sign, value = one.partition("=")
        if one in _OTHERS:
            break
        if name == "--language" and (asked := value if sign else following):
            return _known(asked)
    return of_environment()


def speak(name: str) -> None:
    """Speak another language from now on, where one is named. Raises SettingsError for one that is unknown."""
    _current[-1] = _known(name) if name else _current[-1]


def add_language(parser: argparse.ArgumentParser) -> None:
    """Add the option by which the commands' language is chosen; `chosen` has read it before the parser does."""
    parser.add_argument(
        "--language",
        dest="spoken",
        metavar="LANGUAGE",
        default=argparse.SUPPRESS,
        help="in which language the command speaks, such as ar (default: that of the environment)",
    )


def of_environment() -> str:
    """The language of RETENTION_KIT_LANGUAGE, which has to be known, else that of the locale, if it is."""
    if asked := os.environ.get(VARIABLE):
        try:
            return _known(asked)
        except SettingsError as error:
            raise SettingsError("{variable}: {error}", variable=VARIABLE, error=error) from None
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "C")
    if _plain(locale) in ("C", "POSIX"):
        return "en"
    for one in (*os.environ.get("LANGUAGE", "").split(":"), locale):  # in the order in which gettext reads them
        name = _plain(one).replace("_", "-")
        if name.partition("-")[0] == "en":  # as it always was, whatever the region
            return "en"
        for known in (name, name.partition("-")[0]):
            try:
                return _known(known)
            except SettingsError:
                continue
    return "en"


def _plain(locale: str) -> str:
    """`ar_EG` of `ar_EG.UTF-8@calendar`."""
    return locale.partition(".")[0].partition("@")[0]


def _known(name: str) -> str:
    locale_of(name)
    return name


def words(report: Report | None = None) -> Words:
    """The words of the language, in the currency and the digits of a report's settings."""
    from retention_kit.wording import Words

    return Words.of(report, language()) if report else Words(language(), "XXX")


def told(text: object, /, **values: Any) -> str:
    """A template with its values, or a phrase, a sentence or an error, in the language of the commands."""
    if type(text) is str:
        text = Phrase(text, **values)
    if is_english() or not isinstance(text, str | BaseException):
        return str(text)
    return in_line(words().say(text))


def told_each(*texts: str) -> tuple[str, ...]:
    """The heads of a table."""
    return tuple(map(told, texts))


def section(name: str) -> str:
    """What a section is called, where the language is not English; one of an analyst's own, as its file is."""
    return name if is_english() or not name else in_line(words().table("sections").get(name, name))


def in_line(text: str) -> str:
    """A text as a terminal needs it, whose lines run from left to right: what does not is isolated, a line each."""
    if is_english() or text.isascii():
        return text
    return "\n".join(bidi.whole(line, bidi.RTL) if bidi.has_rtl(line) else line for line in text.split("\n"))
