"""The language of conditions: `customer_churn_rate > 5% and change(net_promoter_score) < -5`.

Text is parsed to a tree, or raises a SettingsError with the position. Names are checked in `conditions`. Nothing is
evaluated as Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn

from retention_kit.errors import Listed, Phrase, SettingsError, did_you_mean
from retention_kit.settings.alerts import MOST_CHARACTERS

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

DEEPEST = 20  # nested brackets and nots
FUNCTIONS = ("previous", "change", "year_ago", "low", "high", "goal", "usual")
OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "=": "!=", "!=": "="}

_GRAMMAR = r"""
start: either
?either: both (OR both)*
?both: one (AND one)*
?one: NOT one -> negation
    | "(" either ")" -> brackets
    | operand SIGN operand -> comparison
operand: NUMBER PERCENT? ("*" figure)?
    | figure
figure: NAME ("(" NAME ")")?

SIGN: ">=" | "<=" | "!=" | ">" | "<" | "="
NUMBER: /[+-]?([0-9]+(\.[0-9]+)?|\.[0-9]+)/
PERCENT: "%"
AND.2: /and\b/i
OR.2: /or\b/i
NOT.2: /not\b/i
NAME: /[A-Za-z_][A-Za-z0-9_]*/
%ignore /[ \t\r\n]+/
"""

_TERMINALS = {  # terminals of the grammar as printed, in order
    "NUMBER": "a number",
    "NAME": "a metric",
    "SIGN": "a comparison (> >= < <= = !=)",
    "PERCENT": "%",
    "STAR": "*",
    "LPAR": "(",
    "RPAR": ")",
    "AND": "and",
    "OR": "or",
    "NOT": "not",
    "$END": "the end",
}
_CORRECTIONS = {  # operators of other languages → ours
    "==": "=",
    "=>": ">=",
    "=<": "<=",
    "<>": "!=",
    "&&": "and",
    "||": "or",
    "&": "and",
    "|": "or",
    "!": "not",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "−": "-",
    "–": "-",
    "٪": "%",
    "×": "*",
}


@dataclass(frozen=True)
class Number:
    """A number in a condition; a percentage is a fraction of 1."""

    value: float
    is_percent: bool
    at: int  # its position, from 1


@dataclass(frozen=True)
class Figure:
    """A metric, or a function of it, times a factor."""

    metric: str
    function: str  # empty for the figure itself
    factor: float
    at: int


@dataclass(frozen=True)
class Compare:
    """Two sides and the sign between them."""

    left: Number | Figure
    sign: str
    right: Number | Figure
    at: int  # position of the right side


@dataclass(frozen=True)
class Not:
    """The negation of a condition."""

    part: Node


@dataclass(frozen=True)
class Join:
    """Conditions joined by `and` or `or`."""

    word: str
    parts: tuple[Node, ...]


Node = Compare | Not | Join


def parse(text: str) -> Node:
    """The tree of a condition; raises SettingsError, with the position, if it is invalid, too long or too deep."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedInput

    if len(text) > MOST_CHARACTERS:
        template = "a condition has at most {most} characters, and this one {number}."
        raise SettingsError(template, most=MOST_CHARACTERS, number=len(text))
    try:
        tree: Any = _parser().parse(text)
    except UnexpectedCharacters as error:
        _refuse(text, error.pos_in_stream or 0, error.allowed or ())
    except UnexpectedInput as error:
        token: Any = getattr(error, "token", None)
        is_end = token is None or token.type == "$END"
        accepted = getattr(error, "accepts", None) or getattr(error, "expected", ())
        _refuse(text, len(text.rstrip()) if is_end else token.start_pos, accepted, "" if is_end else str(token))
    return _node(tree.children[0], 0)


def wrong(at: int, problem: str, /, **values: Any) -> SettingsError:
    """An error at a position; `problem` is a template for `values`."""
    return SettingsError("at character {at}, {problem}", at=at, problem=Phrase(problem, **values))


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(_GRAMMAR, parser="lalr", propagate_positions=True)


def _refuse(text: str, position: int, accepted: Any, token: str = "") -> NoReturn:
    names = [Phrase(description) for name, description in _TERMINALS.items() if name in accepted]
    expected = Listed([*filter(None, [Listed(names[:-1])]), *names[-1:]], " or ")
    unexpected = token or text[position : position + 1]
    if not text.strip():
        raise SettingsError("a condition is empty: write one, such as customer_churn_rate > 5%.")
    if position >= len(text.rstrip()):
        raise wrong(position + 1, "the condition ends where {wanted} is missing.", wanted=expected)
    for start, end in ((max(position - 1, 0), position + 1), (position, position + 2), (position, position + 1)):
        if (fragment := text[start:end]) in _CORRECTIONS:
            template = "{text!r} is not known here: write {sign}."
            raise wrong(start + 1, template, text=fragment, sign=_CORRECTIONS[fragment])
    if text[position] == "," and text[position - 1 : position].isdigit():
        raise wrong(position + 1, "numbers have a point for decimals and nothing between thousands: write 1250.5.")
    printed = repr(unexpected) if unexpected.isprintable() else f"U+{ord(unexpected[0]):04X}"
    if "OR" in accepted and token and token.isalpha():
        hint = did_you_mean(token, ("and", "or"))
        if hint.startswith("did"):
            template = "{found} stands where {wanted} is expected: {hint}"
            raise wrong(position + 1, template, found=printed, wanted=expected, hint=hint)
    raise wrong(position + 1, "{found} stands where {wanted} is expected.", found=printed, wanted=expected)


def _node(tree: Tree[Token], depth: int) -> Node:
    if depth > DEEPEST:
        at = (tree.meta.start_pos or 0) + 1
        raise wrong(at, "brackets within brackets go deeper than {deepest}: make two alerts of it.", deepest=DEEPEST)
    children: list[Any] = tree.children
    if tree.data == "negation":
        return Not(_node(children[1], depth + 1))
    if tree.data == "brackets":
        return _node(children[0], depth + 1)
    if tree.data == "comparison":
        left, sign, right = children
        return Compare(_operand(left), str(sign), _operand(right), right.meta.start_pos + 1)
    word = "or" if tree.data == "either" else "and"
    return Join(word, tuple(_node(part, depth + 1) for part in children[::2]))


def _operand(tree: Tree[Token]) -> Number | Figure:
    at, children = tree.meta.start_pos + 1, list(tree.children)
    figure: Any = children.pop() if getattr(children[-1], "data", "") == "figure" else None
    number = _number(children, at) if children else None
    if figure is None:
        assert number is not None  # an operand is a number, a figure or both
        return number
    names = figure.children
    function, metric = (str(names[0]), names[1]) if len(names) == 2 else ("", names[0])
    if function and function not in FUNCTIONS:
        hint = did_you_mean(function, FUNCTIONS)
        raise wrong(names[0].start_pos + 1, "there is no function {name!r}: {hint}", name=function, hint=hint)
    if number is not None and not number.value > 0:
        raise wrong(at, "a figure is taken so many times, such as 2 * usual(refunds): write a number above 0.")
    return Figure(str(metric), function, number.value if number else 1.0, metric.start_pos + 1)


def _number(tokens: list[Any], at: int) -> Number:
    is_percent = len(tokens) > 1
    value = float(Decimal(str(tokens[0])) / (100 if is_percent else 1))
    if not isfinite(value):
        raise wrong(at, "this number is too large.")
    return Number(value, is_percent, at)


def canonical(node: Node) -> str:
    """The normalised text of a condition, which is the same for all its spellings."""
    match node:
        case Not(part):
            return f"not ({canonical(part)})"
        case Join(word, parts):
            return f" {word} ".join(f"({canonical(part)})" for part in parts)
        case Compare(left, sign, right):
            return f"{_side(left)} {sign} {_side(right)}"


def _side(side: Number | Figure) -> str:
    if isinstance(side, Number):
        return _plain(side.value)
    named = f"{side.function}({side.metric})" if side.function else side.metric
    return named if side.factor == 1 else f"{_plain(side.factor)} * {named}"


def _plain(value: float) -> str:
    """A number without exponents, which the language does not have."""
    return f"{Decimal(repr(value)):f}"


def comparisons(node: Node) -> list[Compare]:
    """All comparisons of a condition, from left to right."""
    match node:
        case Compare():
            return [node]
        case Not(part):
            return comparisons(part)
        case Join(_, parts):
            return [comparison for part in parts for comparison in comparisons(part)]
