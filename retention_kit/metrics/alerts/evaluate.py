"""Whether a condition holds in a period: true, false or, where a figure is undefined, neither (Kleene's logic).

With `certain`, a comparison holds only where it does for every value in the interval of the difference of its sides.
A `not` is carried to the comparisons first, `not (x > 5%)` being `x <= 5%`, so that what is negated has to be certain
too: else whatever chance may have made would hold by negation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, sqrt
from statistics import median

from retention_kit.metrics.alerts.language import OPPOSITE, Compare, Figure, Join, Node, Not, Number
from retention_kit.metrics.alerts.states import Comparison, Operand
from retention_kit.metrics.catalogue import METRICS
from retention_kit.metrics.insights import LEAST, USUAL
from retention_kit.periods import Period
from retention_kit.wording import Sentence, sentence

_NO_FIGURE = sentence("alerts.reasons.no_figure")


@dataclass(frozen=True)
class Point:
    """A figure of one period with all values that a condition may use; None where undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    target: float | None = None
    n: float | None = None
    unit: str = ""
    is_of_few: bool = False  # a rate or mean of fewer than 30, never certain
    note: str = ""  # why it is undefined


Figures = Mapping[str, Mapping[int, Point]]  # by metric, then by the number of the period


@dataclass(frozen=True)
class Outcome:
    """Whether a condition holds (None: no data), its comparisons, and the reason for no data."""

    holds: bool | None
    figures: tuple[Comparison, ...]
    reason: str = ""


@dataclass(frozen=True)
class _Side:
    operand: Operand
    is_of_few: bool = False
    note: str = ""


def evaluate(node: Node, figures: Figures, period: Period, *, certain: bool, wider: float = 1.0) -> Outcome:
    """Evaluate a condition in a period, with intervals `wider` times as wide (multiple comparisons)."""
    evaluator = _Evaluator(figures, period, certain, wider)
    holds = evaluator.holds(node)
    reason = Sentence.joined(*dict.fromkeys(evaluator.notes)) if holds is None else ""
    return Outcome(holds, tuple(evaluator.comparisons), reason)


def may_hold(node: Node, figures: Figures, period: Period) -> bool:
    """Whether a condition would hold in a period if every comparison did whose figures are known."""
    known = (comparison.holds is not None for comparison in evaluate(node, figures, period, certain=False).figures)

    def holds(node: Node, is_negated: bool) -> bool:
        match node:
            case Compare():
                return next(known)
            case Not(part):
                return holds(part, not is_negated)
            case Join(word, parts):
                each = [holds(part, is_negated) for part in parts]  # all, as `known` has one for each comparison
                return any(each) if (word == "or") is not is_negated else all(each)

    return holds(node, is_negated=False)


class _Evaluator:
    def __init__(self, figures: Figures, period: Period, certain: bool, wider: float):
        self._figures, self._period, self._certain, self._wider = figures, period, certain, wider
        self.comparisons: list[Comparison] = []
        self.notes: list[str] = []

    def holds(self, node: Node, is_negated: bool = False) -> bool | None:
        match node:
            case Compare():
                return self._compare(node, is_negated)
            case Not(part):
                return self.holds(part, not is_negated)
            case Join(word, parts):
                outcomes = [
                    self.holds(part, is_negated) for part in parts
                ]  # all are evaluated because all are displayed
                decides = (word == "or") is not is_negated  # a true part decides an "or", a false one an "and"
                return decides if decides in outcomes else None if None in outcomes else not decides

    def _compare(self, node: Compare, is_negated: bool) -> bool | None:
        sign = OPPOSITE[node.sign] if is_negated else node.sign
        left, right = self._side(node.left), self._side(node.right)
        holds = None
        if left.operand.value is None or right.operand.value is None:
            self.notes += [side.note for side in (left, right) if side.operand.value is None]
        elif self._certain and (left.is_of_few or right.is_of_few):
            holds = False
        else:
            bounds = self._difference(left.operand, right.operand)
            # Tolerate rounding of binary fractions: 0.3 - 0.25 equals 0.05.
            near = max(1e-9, 1e-12 * max(abs(left.operand.value), abs(right.operand.value)))
            low, high = (0.0 if abs(bound) <= near else bound for bound in bounds)
            holds = _is_so(sign, low, high)
        unit = left.operand.unit or right.operand.unit
        operands = [replace(side.operand, unit=unit) for side in (left, right)]
        self.comparisons.append(Comparison(operands[0], sign, operands[1], holds))
        return holds

    def _side(self, side: Number | Figure) -> _Side:
        if isinstance(side, Number):
            return _Side(Operand("", "", side.value, ""))
        points, index, function = self._figures.get(side.metric, {}), self._period.index, side.function
        if function == "previous":
            index -= 1
        elif function == "year_ago":
            ago = self._period.year_ago()
            index = ago.index if ago else -1
        point = points.get(index, Point(None, note=_NO_FIGURE))
        value, low, high, note = point.value, point.low, point.high, point.note or _NO_FIGURE
        if function == "change":
            value, low, high = point.change, point.change_low, point.change_high
            note = point.note if point.value is None else sentence("alerts.reasons.no_figure_before")
        elif function == "goal":
            value, low, high, note = point.target, None, None, sentence("alerts.reasons.no_goal")
        elif function == "usual":
            before = [points[number].value for number in range(index - USUAL, index) if number in points]
            values = [value for value in before if value is not None]
            value, low, high = median(values) if len(values) >= LEAST else None, None, None
            note = sentence("alerts.reasons.not_usual", least=LEAST, usual=USUAL)
        if value is not None and low is not None and high is not None:
            low, high = self._widened(value, low, high, point.unit if function != "change" else "")
        if function in ("low", "high"):
            value, note = low if function == "low" else high, point.note or sentence("alerts.reasons.no_interval")
            low = high = None
        value, low, high = (None if number is None else side.factor * number for number in (value, low, high))
        is_of_few = point.is_of_few and function in ("", "previous", "year_ago", "change")
        if function == "change" and (before_it := points.get(index - 1)) is not None:
            is_of_few = is_of_few or before_it.is_of_few
        unit = point.unit or METRICS[side.metric].unit  # a missing point has no unit
        return _Side(Operand(side.metric, function, value, unit, low, high, side.factor), is_of_few, note)

    def _widened(self, value: float, low: float, high: float, unit: str) -> tuple[float, float]:
        """The interval, widened, within the possible values of the figure."""
        least = {"points": -100.0}.get(unit, 0.0 if unit and low >= 0 else -inf)
        most = {"points": 100.0}.get(unit, 1.0 if unit == "fraction" and high <= 1 else inf)
        return max(least, value - self._wider * (value - low)), min(most, value + self._wider * (high - value))

    def _difference(self, left: Operand, right: Operand) -> tuple[float, float]:
        """The bounds of left - right; both are the difference itself unless it has to be certain."""
        assert left.value is not None
        assert right.value is not None
        gap = left.value - right.value
        if not self._certain or (left.low is None and right.low is None):
            return gap, gap
        if (both := self._change(left, right)) is not None:
            return both
        down, up = _sides(left), _sides(right)
        if left.metric and right.metric and left.metric != right.metric:  # possibly correlated negatively
            return gap - down[0] - up[1], gap + down[1] + up[0]
        return gap - sqrt(down[0] ** 2 + up[1] ** 2), gap + sqrt(down[1] ** 2 + up[0] ** 2)

    def _change(self, left: Operand, right: Operand) -> tuple[float, float] | None:
        """The bounds of a figure minus that of the period before, from the change, which is paired by customer."""
        if left.metric != right.metric or {left.function, right.function} != {"", "previous"}:
            return None
        if left.factor != right.factor:
            return None
        change = self._side(Figure(left.metric, "change", left.factor, 0)).operand
        assert change.value is not None
        low, high = (change.value if bound is None else bound for bound in (change.low, change.high))
        return (low, high) if left.function == "" else (-high, -low)


def _sides(operand: Operand) -> tuple[float, float]:
    """The distances from a value to the ends of its interval; zero without an interval."""
    if operand.value is None or operand.low is None or operand.high is None:
        return 0.0, 0.0
    return operand.value - operand.low, operand.high - operand.value


def _is_so(sign: str, low: float, high: float) -> bool:
    """Whether a comparison is true for every difference from `low` to `high`."""
    return {
        ">": low > 0,
        ">=": low >= 0,
        "<": high < 0,
        "<=": high <= 0,
        "=": low == high == 0,
        "!=": low > 0 or high < 0,
    }[sign]
