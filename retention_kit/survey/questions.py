"""The surveys, and parsing of a browser's request into answers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl

from retention_kit.errors import SettingsError, check_choice, did_you_mean

SCALES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}  # lowest and highest answer, in the order of the form
COMMENT = 2_000  # characters
_FIELDS = 20


class Answers(NamedTuple):
    """Scores by survey and a comment, and errors: a key of the texts' `errors` by the field's name."""

    scores: dict[str, int]
    comment: str | None = None
    errors: Mapping[str, str] = {}


def parse_surveys(text: str) -> list[str]:
    """The surveys of a list like `nps,csat`, in the order of the form; raises SettingsError for unknown names."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        check_choice(SettingsError, "There is no survey {name!r}: {hint}", SCALES, name=name)
    if not names:
        raise SettingsError("--survey names none: {hint}", hint=did_you_mean("", SCALES))
    return [name for name in SCALES if name in names]


def parse_score(survey: str, text: str) -> int | None:
    """A whole number on a survey's scale, in the digits of any script; None for anything else."""
    low, high = SCALES[survey]
    if not re.fullmatch(r"\d{1,2}", text):
        return None
    score = int(text)
    return score if low <= score <= high else None


def preselected(query: Iterable[tuple[str, str]], surveys: Iterable[str]) -> dict[str, int]:
    """The scores that a link preselects; invalid ones are ignored."""
    scores = {name: parse_score(name, text) for name, text in query if name in surveys}
    return {name: score for name, score in scores.items() if score is not None}


def parse_body(body: bytes, surveys: Sequence[str]) -> Answers:
    """The answers of a form's fields to the surveys; other fields are ignored.

    One question of several may be left out, not all of them. A field given twice with different values is invalid.
    """
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS, errors="replace")
    except ValueError:  # another encoding, or too many fields
        return Answers({}, None, {surveys[0]: "unreadable"})
    scores: dict[str, int] = {}
    errors: dict[str, str] = {}
    for name in surveys:
        entered = {text.strip() for field, text in fields if field == name} - {""}
        score = parse_score(name, *entered) if len(entered) == 1 else None
        if score is not None:
            scores[name] = score
        elif entered:
            errors[name] = "score"
    if not scores and not errors:
        errors[surveys[0]] = "none" if len(surveys) == 1 else "none_of_several"
    comment = clean_comment("\n".join(text for field, text in fields if field == "comment"))
    if len(comment) > COMMENT:
        errors["comment"] = "comment"
    return Answers(scores, comment or None, errors)


def clean_comment(text: str) -> str:
    """A comment in Unicode form NFC, without control characters and surrogates, which would damage files and pages."""
    text = unicodedata.normalize("NFC", re.sub(r"\r\n?|[\u2028\u2029\x85]", "\n", text))
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs")).strip()
