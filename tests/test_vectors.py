"""The published examples of the shared vectors, through the public API."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.metrics import formulas


def scores_of(counts: dict[str, int]) -> list[int]:
    return [int(score) for score, times in counts.items() for _ in range(times)]


def churn_rate(given):
    return {"pct": 100 * formulas.churn_rate(lost=given["lost"], start=given["start"])}


def lifetime_value(given):
    names = {"avg_purchase_value": "purchase_value", "purchase_frequency": "frequency", "lifespan": "lifespan"}
    return {"value": formulas.lifetime_value(**{names[name]: value for name, value in given.items()})}


def repeat_purchase_rate(given):
    rate = formulas.repeat_purchase_rate(repeat=given["customers_with_2plus_orders"], customers=given["customers"])
    return {"pct": 100 * rate}


def nps(given):
    return {"nps": rk.nps(scores_of(given["scores"])).value}


def csat(given):
    lowest, highest = given["scale"]
    measure = rk.csat(scores_of(given["scores"]), scale=f"{lowest}-{highest}")
    return {"csat_pct": 100 * measure.value, "satisfied": measure.numerator, "n": measure.n}


def mrr(given):
    return {"mrr": formulas.mrr(customers=given["customers"], revenue_per_customer=given["arpc"])}


def retention_rate(given):
    rate = formulas.retention_rate(**given)
    return {"crr_pct": 100 * rate, "churn_pct": 100 * (1 - rate)}


def mrr_movements(given):
    """The five events, one a month; Gold is left at the end of the year that was paid."""
    silver, gold = given["plans"]["Silver"], given["plans"]["Gold"]
    spells = [
        ("gold", "2024-01-10", "2025-01-10", 4 * gold["year"], "year"),
        ("silver", "2024-02-10", "2024-03-10", 2 * silver["month"], "month"),
        ("gold again", "2025-03-10", None, 3 * gold["month"], "month"),
    ]
    columns = ["subscription_id", "started_at", "ended_at", "amount", "interval"]
    table = pd.DataFrame(spells, columns=columns).assign(customer_id="one customer")
    data = rk.load(subscriptions=table, timezone="UTC", currency="USD", as_of="2025-04-01")
    frame = rk.mrr_movements(data, every="month").set_index("period")
    happened = [
        ("new_business", frame.loc["2024-01", "new"]),
        ("expansion", frame.loc["2024-02", "expansion"]),
        ("contraction", -frame.loc["2024-03", "contraction"]),
        ("churn", -frame.loc["2025-01", "churned"]),
        ("reactivation", frame.loc["2025-03", "reactivation"]),
    ]
    kinds = ["new", "expansion", "contraction", "churned", "reactivation"]
    assert (frame[kinds] != 0).sum().sum() == len(happened), "nothing else moved"
    return {"movements": happened, "end_mrr": frame.loc["2025-03", "end"]}


def mrr_normalisation(given):
    plans = [(sub["amount"], sub["interval"]) for sub in given["subs"] for _ in range(sub["n"])]
    table = pd.DataFrame(plans, columns=["amount", "interval"]).assign(started_at="2024-01-10", ended_at=None)
    table["customer_id"] = table["subscription_id"] = [f"S{number}" for number in table.index]
    data = rk.load(subscriptions=table, timezone="UTC", currency="USD", as_of="2024-02-01")
    return {"mrr": rk.scorecard(data, periods=["2024-01"], metrics=["mrr"])["value"].item()}


def margin_multiple(given):
    multiple = formulas.margin_multiple(retention=given["retention"], discount=given["discount"])
    return {"multiple": multiple, "clv": given["margin"] * multiple}


CHECKS = {
    "PUB-01": churn_rate,
    "PUB-02": lifetime_value,
    "PUB-03": repeat_purchase_rate,
    "PUB-04": nps,
    "PUB-05": csat,
    "PUB-06": mrr,
    "PUB-07": retention_rate,
    "PUB-10": mrr_movements,
    "PUB-11": mrr_normalisation,
    "PUB-19": margin_multiple,
}


@pytest.mark.parametrize("name", CHECKS)
def test_public_vector(name, shared):
    vectors = json.loads((shared / "vectors" / "public.json").read_text())["vectors"]
    vector = next(vector for vector in vectors if vector["id"] == name)
    tolerance = vector["tolerance"]["abs"]
    for key, value in CHECKS[name](vector["input"]).items():
        expected = vector["expected"][key]
        if key == "movements":
            assert [kind for kind, _ in value] == [kind for kind, _ in expected]
            value, expected = [amount for _, amount in value], [amount for _, amount in expected]
        assert value == pytest.approx(expected, abs=tolerance), key


def test_published_nps_interval_is_near_ours():
    """Wald gives 47.0 to 73.0 for 70 promoters and 10 detractors of 100; a better interval shifts it by little."""
    measure = rk.nps([10] * 70 + [8] * 20 + [0] * 10)
    assert measure.n == 100
    assert (measure.low, measure.high) == (pytest.approx(47, abs=3), pytest.approx(73, abs=3))
