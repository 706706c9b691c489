"""The language of `[[follow_ups]] when`: a closed set of forms, parsed into a `When`, never evaluated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from retention_kit.errors import Listed, Phrase, SettingsError

if TYPE_CHECKING:
    from lark import Lark

MAX_CHARACTERS, MAX_DAYS = 200, 3_660
FORMS = (  # an example of each, for error messages
    "7 days after first purchase",
    "7 days after second purchase",
    "7 days after any purchase",
    "no purchase for 60 days",
    "no second purchase 14 days before their usual gap ends",
    "detractor within 2 days",
    "passive within 2 days",
    "promoter within 2 days",
    "csat below 3 within 2 days",
    "ticket open 48 hours",
    "renewal in 30 days",
    "renewal in 30 days and at risk",
    "7 days after subscribing",
    "30 days after leaving",
)
_HOURS = {"hour": 1, "day": 24, "week": 168}
_PURCHASES = {"first": "first", "second": "second"}  # any other word: any purchase
# The groups of the Net Promoter Score as comparisons of a score.
_GROUPS = {"detractor": ("<=", 6), "promoter": (">=", 9), "passive": ("BETWEEN 7 AND", 8)}
_SCORES = {"nps": (0, 11), "csat": (0, 11), "ces": (1, 8)}  # of any scale
_COMPARISONS = {
    "below": "<",
    "under": "<",
    "<": "<",
    "at most": "<=",
    "<=": "<=",
    "above": ">",
    "over": ">",
    ">": ">",
    "at least": ">=",
    ">=": ">=",
}

# Matched in lower case.
_GRAMMAR = r"""
start: after | second | silent | group | score | ticket | renewal
?after: span "after" _ARTICLE? PLACE? _PURCHASE -> purchase
    | span "after" _ARTICLE? _SUBSCRIBING -> subscribing
    | span "after" _ARTICLE? _LEAVING -> leaving
second: _NO "second" _PURCHASE span "before" _ARTICLE? "usual" "gap" _ENDS?
silent: _NO _PURCHASE _FOR span
group: _ARTICLE? GROUP "within" span
score: SURVEY COMPARISON NUMBER "within" span
ticket: _TICKET _OPEN _FOR? span
renewal: _RENEWAL "in" span RISK?
span: (NUMBER | _ARTICLE | _ONE) UNIT

NUMBER: /[0-9]+/
UNIT: /(hour|day|week)s?\b/
PLACE: /(first|second|any|every|each|last|latest)\b/
GROUP: /(detractor|passive|promoter)s?\b/
SURVEY: /(nps|csat|ces)\b/
COMPARISON: /(below|under|above|over|at\s+most|at\s+least)\b|[<>]=?/
_LEAVING: /(leaving|cancelling|canceling|churning|cancellation)\b/
RISK: /(and\s+)?at\s+risk\b/
_ARTICLE: /(a|an|the|their)\b/
_ONE: /one\b/
_NO: /no\b/
_FOR: /(for|in|within)\b/
_PURCHASE: /(purchase|order)s?\b/
_SUBSCRIBING: /(subscribing|joining)\b/
_TICKET: /tickets?\b/
_OPEN: /open\b/
_RENEWAL: /(renewal|renews)\b/
_ENDS: /ends\b/
%ignore /\s+/
"""


@dataclass(frozen=True)
class When:
    """The event that a follow-up waits for: its kind, the span in hours, and details of the kind.

    `kind` is purchase, silent, second, score, ticket, renewal, subscribing or leaving.
    """

    kind: str
    hours: int
    is_hours: bool = False  # given in hours: times count, not dates
    ordinal: str = ""  # of a purchase: first, second or empty
    survey: str = ""  # of an answer
    comparison: tuple[str, int] = ("", 0)  # of an answer's score, as SQL
    at_risk: bool = False  # of a renewal
    group: str = ""  # of an answer: detractor, passive, promoter

    @property
    def days(self) -> int:
        """The span in days, rounded up."""
        return -(-self.hours // 24)

    @property
    def table(self) -> str:
        """The table that holds the event."""
        by_kind = {"score": "responses", "ticket": "tickets"}
        return by_kind.get(self.kind, "orders" if self.kind in ("purchase", "silent", "second") else "subscriptions")


@lru_cache(maxsize=256)
def parse_when(text: str, path: str) -> When:
    """Parse a text of the language; raises SettingsError with `path`, the position and the nearest form."""
    if len(text) > MAX_CHARACTERS:
        template = "{path} has {number} characters, more than {most}: {hint}"
        raise SettingsError(template, path=path, number=len(text), most=MAX_CHARACTERS, hint=_nearest(text))
    from lark.exceptions import UnexpectedInput

    lowered = "".join(char.lower() if len(char.lower()) == 1 else char for char in text)  # keeps positions
    try:
        tree = _parser().parse(lowered)
    except UnexpectedInput as error:
        token = getattr(error, "token", None)
        position = len(text.rstrip()) if token is not None and token.type == "$END" else error.pos_in_stream or 0
        rest = text[position:].split()
        template = "ends too early, after {text!r} (character {number})"
        if rest:
            template = "is not understood at {text!r} (character {number})"
        wrong = rest[0][:30] if rest else text.strip()[-20:]
        problem = Phrase(template, text=wrong, number=position + 1) if text.strip() else Phrase("is empty")
        template = "{path} = {text!r} {what}: {hint}"
        raise SettingsError(template, path=path, text=text, what=problem, hint=_nearest(text)) from None
    when = _read(tree.children[0])
    if when.days > MAX_DAYS:
        template = "{path} = {text!r} looks {days:,} days away: {most:,} are the most."
        raise SettingsError(template, path=path, text=text, days=when.days, most=MAX_DAYS)
    if when.kind == "score" and not any(_holds(score, when.comparison) for score in range(*_SCORES[when.survey])):
        low, high = _SCORES[when.survey][0], _SCORES[when.survey][1] - 1
        template = "{path} = {text!r} is of nobody: {survey} runs from {low} to {high}."
        raise SettingsError(template, path=path, text=text, survey=when.survey.upper(), low=low, high=high)
    if when.hours == 0 and when.kind not in ("purchase", "subscribing", "leaving"):
        template = "{path} = {text!r} needs a span of at least one: {hint}"
        raise SettingsError(template, path=path, text=text, hint=_nearest(text))
    return when


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(_GRAMMAR, parser="lalr", lexer="contextual")


def _read(tree: Any) -> When:
    """A `When` of a parsed form."""
    words = {token.type: str(token) for token in tree.scan_values(lambda _: True)}
    (span,) = tree.find_data("span")
    number = next((str(token) for token in span.children if token.type == "NUMBER"), "1")
    unit = str(span.children[-1]).removesuffix("s")
    hours, is_hours = int(number) * _HOURS[unit], unit == "hour"
    match tree.data:
        case "purchase":
            return When("purchase", hours, is_hours, ordinal=_PURCHASES.get(words.get("PLACE", ""), ""))
        case "group":
            group = words["GROUP"].removesuffix("s")
            return When("score", hours, is_hours, survey="nps", comparison=_GROUPS[group], group=group)
        case "score":
            score = next(int(token) for token in tree.children if getattr(token, "type", "") == "NUMBER")
            sign = _COMPARISONS[" ".join(words["COMPARISON"].split())]
            return When("score", hours, is_hours, survey=words["SURVEY"], comparison=(sign, score))
        case "renewal":
            return When("renewal", hours, is_hours, at_risk="RISK" in words)
    return When(str(tree.data), hours, is_hours)


def _holds(score: int, comparison: tuple[str, int]) -> bool:
    character, bound = comparison
    return {"<": score < bound, "<=": score <= bound, ">": score > bound, ">=": score >= bound}.get(character, True)


def _nearest(text: str) -> str:
    """The hint of an error: the form that is most similar to the text, else some examples."""
    plain = " ".join(text.lower().split())[:MAX_CHARACTERS]
    forms = {re.sub(r"\d+", "7", form): form for form in reversed(FORMS)}
    if nearest := get_close_matches(re.sub(r"\d+", "7", plain), [*forms][::-1], n=1, cutoff=0.5):
        return Phrase("did you mean {name!r}?", name=forms[nearest[0]])
    return Phrase("write it like {forms}.", forms=Listed(map(repr, FORMS[:1] + FORMS[3:6] + FORMS[9:11])))
