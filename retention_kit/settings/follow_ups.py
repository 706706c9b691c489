"""`[[follow_ups]]` of a `retention.toml`: which customers to follow up, and when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct, field

from retention_kit.errors import SettingsError
from retention_kit.settings.checks import WEBHOOKS, check_owner, check_target_names
from retention_kit.settings.when import When, parse_when

QUIET_DAYS, DUE_DAYS, CAP = 90, 7, 100  # days between two lists, days to do it in, customers on a list
_TARGETS = ("list", "ics", *(f"{kind}:NAME" for kind in WEBHOOKS))
FIELDS = ("customer_id", "reason", "due", "contact")  # placeholders of a text besides columns
_MAX_CHARACTERS = 5_000  # of a text
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class FollowUp(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to list when something happened to them: an entry of `[[follow_ups]]`.

    `when` is one of a closed set of forms, such as "7 days after first purchase". `contact`, `consent` and `suppress`
    name columns of your tables, looked up by customer. docs/follow-ups.md has every form and an example of each key.
    """

    name: str
    when: str
    due_within: Annotated[int, Meta(ge=0, le=366)] | None = None  # days to do it in; else 7, of a renewal until then
    contact: str | None = None  # the column with their address, for the list
    consent: str | None = None  # the column that must say yes
    suppress: str | list[str] | None = None  # columns that must not say yes, or "column=value"
    text: str = ""  # to be sent, with {customer_id}, {reason}, {due}, {contact} or a column in braces
    cap: Annotated[int, Meta(ge=1, le=100_000)] = CAP  # customers on the lists of one day
    quiet_days: Annotated[int, Meta(ge=0, le=3660)] | None = None  # since any list; else 90, of answers and tickets 0
    control: Annotated[float, Meta(ge=0, lt=1)] = 0.1  # share of the customers that no list names
    then: list[str] = field(default_factory=lambda: ["list"])  # list, ics, webhook:NAME
    owner: str | None = None  # an address, or a name

    @property
    def rule(self) -> When:
        """The parsed `when`."""
        return parse_when(self.when, f"follow_ups.{self.name}.when")

    @property
    def days_left(self) -> int:
        """The days in which it is to be done, from the first day on which it can be."""
        rule = self.rule
        if rule.kind == "score":
            return rule.days
        if self.due_within is not None:
            return self.due_within
        return rule.days if rule.kind == "renewal" else DUE_DAYS

    @property
    def quiet_span(self) -> int:
        """The days after a list in which a customer is on no other; 0 where the customer made contact first."""
        if self.quiet_days is not None:
            return self.quiet_days
        return 0 if self.rule.kind in ("score", "ticket") else QUIET_DAYS

    @property
    def suppressions(self) -> list[tuple[str, str | None]]:
        """The columns of `suppress`, each with the value that suppresses; None if every value but "no" does."""
        suppress = [self.suppress] if isinstance(self.suppress, str) else self.suppress or []
        parts = [text.partition("=") for text in suppress]
        return [(column.strip(), value.strip() if sign else None) for column, sign, value in parts]

    @property
    def merged(self) -> list[str]:
        """The columns that `text` uses, in their order."""
        return [name for name in dict.fromkeys(_PLACEHOLDER.findall(self.text)) if name not in FIELDS]

    @property
    def columns(self) -> list[str]:
        """All columns of the data that it uses."""
        columns = [self.contact, self.consent, *(column for column, _ in self.suppressions), *self.merged]
        return list(dict.fromkeys(name for name in columns if name))

    @property
    def file(self) -> str:
        """The base name of its files: its name in lower-case letters, digits and hyphens."""
        return re.sub(r"[\W_]+", "-", self.name.casefold()).strip("-")[:60].strip("-")


def check_follow_ups(follow_ups: Sequence[FollowUp]) -> None:
    """Raise SettingsError for a missing or repeated name, or an invalid key."""
    files: dict[str, str] = {}
    for number, follow_up in enumerate(follow_ups, 1):
        name = follow_up.name
        if not name.strip() or not name.isprintable() or len(name) > 100 or not follow_up.file:
            raise SettingsError(
                "follow_ups: number {number} needs a name of up to 100 characters in one line, such as name = "
                '"Thank and ask".',
                number=number,
            )
        path = f"follow_ups.{name}"
        if follow_up.file in files:
            template = (
                "follow_ups: {other!r} and {name!r} would write one file, {file}.csv: give one of them another name."
            )
            raise SettingsError(template, other=files[follow_up.file], name=name, file=follow_up.file)
        files[follow_up.file] = name
        rule = follow_up.rule
        if rule.kind == "score" and follow_up.due_within is not None:
            template = "{path}.due_within is said by when, {when!r}: leave one of them out."
            raise SettingsError(template, path=path, when=follow_up.when)
        for key in ("contact", "consent"):
            if (column := getattr(follow_up, key)) is not None and not column.strip():
                raise SettingsError("{path}.{key} is empty: name a column of your tables.", path=path, key=key)
        for column, value in follow_up.suppressions:
            if not column or value == "":
                raise SettingsError('{path}.suppress: write a column, or "column=value".', path=path)
        _check_text(follow_up, path)
        check_target_names(follow_up.then, path, _TARGETS)
        check_owner(follow_up.owner, path)


def _check_text(follow_up: FollowUp, path: str) -> None:
    """Raise SettingsError for placeholders that are not valid; they are replaced with values, never evaluated."""
    if len(follow_up.text) > _MAX_CHARACTERS:
        template = "{path}.text has {number:,} characters, more than {most:,}."
        raise SettingsError(template, path=path, number=len(follow_up.text), most=_MAX_CHARACTERS)
    for name in _PLACEHOLDER.findall(follow_up.text):
        if not name.strip() or name != name.strip():
            template = "{path}.text: {{{name}}} names nothing: write {{customer_id}} or a column."
            raise SettingsError(template, path=path, name=name)
        if name == "contact" and follow_up.contact is None:
            raise SettingsError('{path}.text names {{contact}}: say which column it is, contact = "…".', path=path)
    if brace := re.search(r"[{}]", _PLACEHOLDER.sub("", follow_up.text)):
        template = "{path}.text has a single {brace!r}: braces stand around the names of columns only."
        raise SettingsError(template, path=path, brace=brace[0])


def fill_text(text: str, values: dict[str, str]) -> str:
    """A text with its placeholders replaced, once: braces in a value stay as they are."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)
