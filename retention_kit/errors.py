"""What can go wrong, named for the mistake.

RetentionKitError
├── SettingsError      a setting is unknown or has an impossible value   (ValueError)
├── DataError          a table cannot be found, read or used             (ValueError)
│   └── ModelError     a lifetime model cannot be fitted or asked        (DataError)
├── PeriodError        a period is malformed or lies outside the data    (ValueError)
├── UnknownNameError   no metric, template or column of that name        (LookupError)
├── TemplateError      a notebook template cannot take its parameters    (ValueError)
└── ReportError        a pack could not be built                         (RuntimeError)
"""

from collections.abc import Iterable
from difflib import get_close_matches


class RetentionKitError(Exception):
    """Base of every error that is the user's to mend; its text is one clear sentence."""


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


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """The end of an error sentence: the nearest valid choice, else all of them."""
    choices = [str(choice) for choice in choices]
    near = get_close_matches(str(name).lower(), [choice.lower() for choice in choices], n=1, cutoff=0.6)
    if near:
        return f"did you mean {next(choice for choice in choices if choice.lower() == near[0])!r}?"
    if holding := [choice for choice in choices if str(name) and str(name).lower() in choice.lower()]:
        return f"did you mean {' or '.join(map(repr, holding[:3]))}?"
    return f"choose from {', '.join(choices)}." if choices else "there is none to choose from."
