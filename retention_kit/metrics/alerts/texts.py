"""Texts of alerts, the same in the terminal, report, mail and webhook messages."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from retention_kit.metrics.alerts.states import AlertState, Comparison, Operand
from retention_kit.metrics.catalogue import METRICS
from retention_kit.wording import Words


def sentences(state: AlertState, words: Words) -> list[str]:
    """The comparisons of the condition, a text each; for "no data" the reason.

    If it is firing by one part of an `or`, that part only.
    """
    if state.reason:
        return [words.say(state.reason)]
    holding = [comparison for comparison in state.figures if comparison.holds] if state.state == "firing" else []
    return [_comparison_text(comparison, words) for comparison in holding or state.figures]


def state_name(state: AlertState, words: Words) -> str:
    """The state's name with its symbol."""
    return words.text(f"alerts.{state.state.replace(' ', '_')}")


def customers(state: AlertState) -> str:
    """The customers of the alert: `country=France`; empty for all."""
    return f"{state.alert.each}={state.segment_value}" if state.alert.each else state.alert.segment or ""


def title(state: AlertState, words: Words) -> str:
    """The name of the alert with its customers."""
    segment = customers(state)
    return words.text("alerts.named", name=state.alert.name, customers=segment) if segment else state.alert.name


def split_rows(states: Iterable[AlertState]) -> tuple[list[AlertState], dict[str, Counter[str]]]:
    """The states for the rows of a table; for alerts with `each`, by name, the numbers of other values by state.

    Values that are ok, or have no data and are not firing, have no row.
    """
    rows: list[AlertState] = []
    others: dict[str, Counter[str]] = defaultdict(Counter)
    for state in states:
        if state.alert.each and state.state in ("ok", "no data") and not state.is_held:
            others[state.alert.name][state.state] += 1
        else:
            rows.append(state)
    return rows, others


def facts(state: AlertState) -> dict[str, object]:
    """The state as plain values for JSON."""
    return {
        "alert": state.alert.name,
        "segment": customers(state),
        "segment_value": state.segment_value,
        "period": state.period,
        "state": state.state,
        "since": state.since,
        "when": state.alert.when,
        "figures": [_fact(comparison) for comparison in state.figures],
        "reason": state.reason,
        "owner": state.alert.owner,
        "then": state.alert.then,
        "digest": state.digest,
    }


def _fact(comparison: Comparison) -> dict[str, object]:
    sides = {name: _operand_fact(side) for name, side in (("left", comparison.left), ("right", comparison.right))}
    return {**sides, "sign": comparison.sign, "holds": comparison.holds}


def _operand_fact(side: Operand) -> dict[str, object]:
    if not side.metric:
        return {"value": side.value, "unit": side.unit}
    return {name: getattr(side, name) for name in ("metric", "function", "factor", "value", "low", "high", "unit")}


def _comparison_text(comparison: Comparison, words: Words) -> str:
    left, right, sign = comparison.left, comparison.right, comparison.sign
    if not left.metric:  # 5% < churn is displayed as churn > 5%
        left, right, sign = right, left, {">": "<", "<": ">", ">=": "<=", "<=": ">="}.get(sign, sign)
    is_change = left.function == "change"
    texts = {
        "figure": _figure(left, words),
        "value": _value(left.value, left.unit, words, is_change),
        "sign": words.table("alerts.sign")[sign],
        "threshold": _threshold(right, words, is_change),
    }
    if left.low is None:
        return words.text("alerts.seen", **texts)
    low, high = (_value(bound, left.unit, words, is_change) for bound in (left.low, left.high))
    return words.text("alerts.seen_interval", **texts, low=low, high=high)


def _threshold(side: Operand, words: Words, is_change: bool) -> str:
    if not side.metric:  # as it was written
        return words.change(side.value, side.unit, "full") if is_change else words.bound(side.value, side.unit, "full")
    value = _value(side.value, side.unit, words, side.function == "change")
    return words.text("alerts.threshold", value=value, figure=_figure(side, words))


def _figure(side: Operand, words: Words) -> str:
    name = words.text(f"alerts.function.{side.function or 'self'}", label=METRICS[side.metric].label)
    return name if side.factor == 1 else words.text("alerts.times", factor=f"{side.factor:g}", figure=name)


def _value(value: float | None, unit: str, words: Words, is_change: bool) -> str:
    return words.change(value, unit, "full") if is_change else words.value(value, unit, "full")
