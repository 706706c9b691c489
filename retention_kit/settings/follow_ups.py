"""`[[follow_ups]]`: whom to follow up when something happened to them, as a `retention.toml` says it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct, field

from retention_kit.errors import SettingsError, did_you_mean
from retention_kit.settings.addresses import parse_address
from retention_kit.settings.alerts import WEBHOOKS
from retention_kit.settings.when import When, parse_when

QUIET, LEFT, CAP = 90, 7, 100  # days between two lists, days to do it in, customers on a list
OURS = ("customer_id", "reason", "due", "contact")  # what a text may name beside columns
_MOST_CHARACTERS = 5_000  # of a text
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
        """What `when` says."""
        return parse_when(self.when, f"follow_ups.{self.name}.when")

    @property
    def days_left(self) -> int:
        """Within how many days it is to be done, from the day on that it can be."""
        rule = self.rule
        if rule.kind == "score":
            return rule.days
        if self.due_within is not None:
            return self.due_within
        return rule.days if rule.kind == "renewal" else LEFT

    @property
    def silence(self) -> int:
        """So many days after one list a customer is on no other; 0 where the customer spoke first."""
        if self.quiet_days is not None:
            return self.quiet_days
        return 0 if self.rule.kind in ("score", "ticket") else QUIET

    @property
    def silencers(self) -> list[tuple[str, str | None]]:
        """The columns of `suppress`, each with the value that silences; None where every value but no does."""
        given = [self.suppress] if isinstance(self.suppress, str) else self.suppress or []
        parted = [text.partition("=") for text in given]
        return [(column.strip(), value.strip() if sign else None) for column, sign, value in parted]

    @property
    def merged(self) -> list[str]:
        """The columns that `text` names, in their order."""
        return [name for name in dict.fromkeys(_PLACEHOLDER.findall(self.text)) if name not in OURS]

    @property
    def columns(self) -> list[str]:
        """Every column of the data that it asks for."""
        named = [self.contact, self.consent, *(column for column, _ in self.silencers), *self.merged]
        return list(dict.fromkeys(name for name in named if name))

    @property
    def file(self) -> str:
        """What its files are called: letters, digits and hyphens of its name."""
        return re.sub(r"[\W_]+", "-", self.name.casefold()).strip("-")[:60].strip("-")


def check_follow_ups(follow_ups: Sequence[FollowUp]) -> None:
    """Raise SettingsError for a rule without a name of its own, whose `when`, `text` or `then` is none of ours."""
    files: dict[str, str] = {}
    for number, one in enumerate(follow_ups, 1):
        if not one.name.strip() or not one.name.isprintable() or len(one.name) > 100 or not one.file:
            raise SettingsError(
                "follow_ups: number {number} needs a name of up to 100 characters in one line, such as name = "
                '"Thank and ask".',
                number=number,
            )
        place = f"follow_ups.{one.name}"
        if one.file in files:
            raise SettingsError(
                "follow_ups: {other!r} and {name!r} would write one file, {file}.csv: give one of them another name.",
                other=files[one.file],
                name=one.name,
                file=one.file,
            )
        files[one.file] = one.name
        rule = one.rule
        if rule.kind == "score" and one.due_within is not None:
            raise SettingsError(
                "{place}.due_within is said by when, {when!r}: leave one of them out.", place=place, when=one.when
            )
        for key in ("contact", "consent"):
            if (column := getattr(one, key)) is not None and not column.strip():
                raise SettingsError("{place}.{key} is empty: name a column of your tables.", place=place, key=key)
        for column, value in one.silencers:
            if not column or value == "":
                raise SettingsError('{place}.suppress: write a column, or "column=value".', place=place)
        _check_text(one, place)
        for target in one.then:
            _check_target(target, place)
        if one.owner is not None and "@" in one.owner:
            try:
                parse_address(one.owner)
            except SettingsError as error:
                raise SettingsError("{place}.owner: {error}", place=place, error=error) from None


def _check_text(one: FollowUp, place: str) -> None:
    """Raise for braces that name nothing: what a name stands for is filled in, and nothing else is ever done."""
    if len(one.text) > _MOST_CHARACTERS:
        raise SettingsError(
            "{place}.text has {number:,} characters, more than {most:,}.",
            place=place,
            number=len(one.text),
            most=_MOST_CHARACTERS,
        )
    for name in _PLACEHOLDER.findall(one.text):
        if not name.strip() or name != name.strip():
            raise SettingsError(
                "{place}.text: {{{name}}} names nothing: write {{customer_id}} or a column.", place=place, name=name
            )
        if name == "contact" and one.contact is None:
            raise SettingsError('{place}.text names {{contact}}: say which column it is, contact = "…".', place=place)
    if left := re.search(r"[{}]", _PLACEHOLDER.sub("", one.text)):
        raise SettingsError(
            "{place}.text has a single {brace!r}: braces stand around the names of columns only.",
            place=place,
            brace=left[0],
        )


def _check_target(target: str, place: str) -> None:
    if target in ("list", "ics"):
        return
    kind, colon, name = target.partition(":")
    if kind not in WEBHOOKS or not colon:
        choices = ("list", "ics", *(f"{kind}:NAME" for kind in WEBHOOKS))
        raise SettingsError(
            "{place}.then cannot be {target!r}: {hint}", place=place, target=target, hint=did_you_mean(target, choices)
        )
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,49}", name):
        raise SettingsError(
            "{place}.then cannot be {target!r}: a NAME has letters, digits and _, as it is part of the name of a "
            "variable in the environment.",
            place=place,
            target=target,
        )


def fill_text(text: str, values: dict[str, str]) -> str:
    """A text with its names in braces filled in, once: braces in a value stay as they are."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)
