"""The questions that can be asked, and how what a browser sends is read as answers to them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl

from retention_kit.errors import SettingsError, did_you_mean

SCALES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}  # lowest and highest answer, in the order of the form
COMMENT = 2_000  # characters
_FIELDS = 20


class Answers(NamedTuple):
    """What was chosen and written, and what is wrong with it: a word of `errors` by the question's name."""

    scores: dict[str, int]
    comment: str | None = None
    errors: Mapping[str, str] = {}


def parse_surveys(text: str) -> list[str]:
    """The surveys of `nps,csat`, in the order of the form; raises SettingsError for one that is not known."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in SCALES:
            raise SettingsError("There is no survey {name!r}: {hint}", name=name, hint=did_you_mean(name, SCALES))
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


def preselected(query: Iterable[tuple[str, str]], asked: Iterable[str]) -> dict[str, int]:
    """The scores that a link chooses beforehand; what is no answer is passed over."""
    scores = {name: parse_score(name, text) for name, text in query if name in asked}
    return {name: score for name, score in scores.items() if score is not None}


def parse_body(body: bytes, asked: Sequence[str]) -> Answers:
    """The answers of a form's fields to what is asked; other fields count for nothing.

    One question of several may be left out, not all of them. Nothing is guessed: a field given twice with different
    values is no answer.
    """
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS, errors="replace")
    except ValueError:  # another encoding, or too many fields
        return Answers({}, None, {asked[0]: "unreadable"})
    scores: dict[str, int] = {}
    errors: dict[str, str] = {}
    for name in asked:
        given = {text.strip() for field, text in fields if field == name} - {""}
        score = parse_score(name, *given) if len(given) == 1 else None
        if score is not None:
            scores[name] = score
        elif given:
            errors[name] = "score"
    if not scores and not errors:
        errors[asked[0]] = "none" if len(asked) == 1 else "none_of_several"
    comment = clean_comment("\n".join(text for field, text in fields if field == "comment"))
    if len(comment) > COMMENT:
        errors["comment"] = "comment"
    return Answers(scores, comment or None, errors)


def clean_comment(text: str) -> str:
    """A comment in one normal form, without characters that are no text: they would only spoil files and pages."""
    text = unicodedata.normalize("NFC", re.sub(r"\r\n?|[\u2028\u2029\x85]", "\n", text))
    return "".join(sign for sign in text if sign in "\n\t" or unicodedata.category(sign) not in ("Cc", "Cs")).strip()
