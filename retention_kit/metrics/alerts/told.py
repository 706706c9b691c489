"""What an alert saw, in words: the same in a terminal, a report, a mail and a message."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from retention_kit.metrics.alerts.states import AlertState, Comparison, Operand
from retention_kit.metrics.catalogue import METRICS
from retention_kit.wording import Words


def sentences(state: AlertState, words: Words) -> list[str]:
    """What the condition saw, a part for each comparison; of no data the reason.

    Where it fires by one part of an `or`, that part alone.
    """
    if state.reason:
        return [words.say(state.reason)]
    holding = [one for one in state.figures if one.holds] if state.state == "firing" else []
    return [_seen(one, words) for one in holding or state.figures]


def state_name(state: AlertState, words: Words) -> str:
    """The state as a word with its shape."""
    return words.text(f"alerts.{state.state.replace(' ', '_')}")


def customers(state: AlertState) -> str:
    """Of whom the alert speaks: `country=France`; empty for all customers."""
    return f"{state.alert.each}={state.segment_value}" if state.alert.each else state.alert.segment or ""


def title(state: AlertState, words: Words) -> str:
    """The name of the alert, and of whom it speaks."""
    who = customers(state)
    return words.text("alerts.named", name=state.alert.name, customers=who) if who else state.alert.name


def worth_a_row(states: Iterable[AlertState]) -> tuple[list[AlertState], dict[str, Counter[str]]]:
    """The states that a table shows, and of alerts with `each`, by name, how many other values are in which state.

    A value that is ok, or has no data and does not fire, is one of many.
    """
    shown: list[AlertState] = []
    others: dict[str, Counter[str]] = defaultdict(Counter)
    for one in states:
        if one.alert.each and one.state in ("ok", "no data") and not one.is_held:
            others[one.alert.name][one.state] += 1
        else:
            shown.append(one)
    return shown, others


def facts(state: AlertState) -> dict[str, object]:
    """The state as plain values, for JSON."""
    return {
        "alert": state.alert.name,
        "segment": customers(state),
        "segment_value": state.segment_value,
        "period": state.period,
        "state": state.state,
        "since": state.since,
        "when": state.alert.when,
        "figures": [_fact(one) for one in state.figures],
        "reason": state.reason,
        "owner": state.alert.owner,
        "then": state.alert.then,
        "digest": state.digest,
    }


def _fact(one: Comparison) -> dict[str, object]:
    sides = {name: _operand_fact(side) for name, side in (("left", one.left), ("right", one.right))}
    return {**sides, "sign": one.sign, "holds": one.holds}


def _operand_fact(side: Operand) -> dict[str, object]:
    if not side.metric:
        return {"value": side.value, "unit": side.unit}
    return {name: getattr(side, name) for name in ("metric", "function", "factor", "value", "low", "high", "unit")}


def _seen(one: Comparison, words: Words) -> str:
    left, right, sign = one.left, one.right, one.sign
    if not left.metric:  # 5% < churn reads from the figure
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
    value = _value(side.value, side.unit, words, side.function == "change" if side.metric else is_change)
    return words.text("alerts.threshold", value=value, figure=_figure(side, words)) if side.metric else value


def _figure(side: Operand, words: Words) -> str:
    said = words.text(f"alerts.function.{side.function or 'self'}", label=METRICS[side.metric].label)
    return said if side.factor == 1 else words.text("alerts.times", factor=f"{side.factor:g}", figure=said)


def _value(value: float | None, unit: str, words: Words, is_change: bool) -> str:
    return words.change(value, unit, "full") if is_change else words.value(value, unit, "full")
