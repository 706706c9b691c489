"""What can go wrong, named for the mistake.

RetentionKitError
├── SettingsError      a setting is unknown or has an impossible value   (ValueError)
├── DataError          a table cannot be found, read or used             (ValueError)
│   └── ModelError     a lifetime model cannot be fitted or asked        (DataError)
├── PeriodError        a period is malformed or lies outside the data    (ValueError)
├── UnknownNameError   no metric, template or column of that name        (LookupError)
├── TemplateError      a notebook template cannot take its parameters    (ValueError)
└── ReportError        a pack could not be built                         (RuntimeError)

An error's text is English, and keeps what it was made of, so that `wording.Words.say` can say it in another language.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from numbers import Number
from pathlib import Path
from typing import Any, cast

_FILE_LIKENESS = 0.8  # of two names of files, most of which end alike
_MOST_FILES = 10  # of a folder that an error lists


class Phrase(str):
    """English text that knows the template and the values it was made of: `Phrase("There is no file {path!r}.",
    path=path)`. Values may be phrases and errors in their turn.
    """

    template: str
    values: Mapping[str, Any]

    def __new__(cls, template: str = "", /, **values: Any) -> "Phrase":
        """Without values the template is the text, whatever braces it has; what can be said already stays as it is."""
        if type(template) is not str and not values:
            return cast(Phrase, template)
        phrase = super().__new__(cls, template.format(**values) if values else template)
        phrase.template = template
        phrase.values = {name: _kept(value) for name, value in values.items()}
        return phrase


class Listed(str):
    """Names one after the other, with `, `, ` or ` or ` and ` between them."""

    items: tuple[str, ...]
    link: str

    def __new__(cls, items: Iterable[object], link: str = ", ") -> "Listed":
        names = tuple(item if isinstance(item, str) else str(item) for item in items)
        listed = super().__new__(cls, link.join(names))
        listed.items, listed.link = names, link
        return listed

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.items, self.link


class RetentionKitError(Exception):
    """Base of every error that is the user's to mend; its text is one clear sentence, a template and its values."""

    def __init__(self, text: str = "", /, **values: Any):
        self.text = Phrase(text, **values)
        super().__init__(str(self.text))


class SettingsError(RetentionKitError, ValueError):
    """A setting is unknown or has an impossible value."""


class DataError(RetentionKitError, ValueError):
    """A table cannot be found, read or used."""


class ModelError(DataError):
    """A lifetime model cannot be fitted to what there is, or cannot tell what it is asked for."""


class PeriodError(RetentionKitError, ValueError):
    """A period is malformed or lies outside the data."""


class UnknownNameError(RetentionKitError, LookupError):
    """No metric, template or column bears that name."""


class TemplateError(RetentionKitError, ValueError):
    """A notebook template cannot be run with the parameters it was given."""


class ReportError(RetentionKitError, RuntimeError):
    """A pack could not be built."""


def _kept(value: object) -> object:
    """A value as plain text or number: without what an exception or a server holds on to."""
    if isinstance(value, RetentionKitError):
        return value.text
    return value if isinstance(value, str | Number) else str(value)


@contextmanager
def naming(source: str) -> Iterator[None]:
    """Say before an error which option or variable had the wrong value: `--period: '2011-13' is not a period …`."""
    try:
        yield
    except RetentionKitError as error:
        raise type(error)("{source}: {error}", source=source, error=error) from None


def check_choice(error: type[RetentionKitError], template: str, choices: Collection[str], /, **values: Any) -> None:
    """Raise an error, with the nearest choice as its `hint`, unless the last of its values is one of the choices."""
    *_, name = values.values()
    if name not in choices:
        raise error(template, **values, hint=did_you_mean(name, choices))


def nearest(name: object, choices: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The choice that is spelled most like a name, if any is near it."""
    spelled: dict[str, str] = {}
    for choice in choices:
        spelled.setdefault(choice.lower(), choice)
    near = get_close_matches(str(name).lower(), spelled, n=1, cutoff=cutoff)
    return spelled[near[0]] if near else None


def suggestion(name: str) -> Phrase:
    """The end of an error sentence that offers a choice."""
    return Phrase("did you mean {name!r}?", name=name)


def did_you_mean(name: str, choices: Iterable[str]) -> Phrase:
    """The end of an error sentence: the nearest valid choice, else all of them."""
    choices = [str(choice) for choice in choices]
    if near := nearest(name, choices):
        return suggestion(near)
    if holding := [choice for choice in choices if str(name) and str(name).lower() in choice.lower()]:
        return Phrase("did you mean {names}?", names=Listed(map(repr, holding[:3]), " or "))
    return Phrase("choose from {names}.", names=Listed(choices)) if choices else Phrase("there is none to choose from.")


def which_file(path: Path, endings: Collection[str]) -> Phrase:
    """The end of an error sentence on a missing file: the nearest of the files beside it with such endings, else all
    of them if they are few.
    """
    names = [file.name for file in _beside(path) if file.suffix.lower() in endings and file.is_file()]
    if near := nearest(path.name, names, _FILE_LIKENESS):
        return suggestion(near)
    is_short = 0 < len(names) <= _MOST_FILES
    return Phrase("choose from {names}.", names=Listed(names)) if is_short else Phrase("name one that is there.")


def nearest_beside(path: Path) -> str | None:
    """The path of the file or folder beside a missing one that is named most like it, if any is."""
    near = nearest(path.name, [file.name for file in _beside(path)], _FILE_LIKENESS)
    return near and str(path.parent / near)


def _beside(path: Path) -> list[Path]:
    return sorted(path.parent.iterdir()) if path.parent.is_dir() else []
