"""The published examples of the shared vectors, through the public API."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import retention_kit as rk
from retention_kit.metrics import formulas

MODELS = {f"PUB-{number}" for number in range(12, 18)}  # in test_models.py


def scores_of(counts: dict[str, int]) -> list[int]:
    return [int(score) for score, times in counts.items() for _ in range(times)]


def churn_rate(inputs):
    return {"pct": 100 * formulas.churn_rate(lost=inputs["lost"], start=inputs["start"])}


def lifetime_value(inputs):
    names = {"avg_purchase_value": "purchase_value", "purchase_frequency": "frequency", "lifespan": "lifespan"}
    return {"value": formulas.lifetime_value(**{names[name]: value for name, value in inputs.items()})}


def repeat_purchase_rate(inputs):
    rate = formulas.repeat_purchase_rate(repeat=inputs["customers_with_2plus_orders"], customers=inputs["customers"])
    return {"pct": 100 * rate}


def nps(inputs):
    measure = rk.nps(scores_of(inputs["scores"]), interval="wald")
    error = (measure.high - measure.low) / 2 / formulas.Z95
    interval = [measure.low, measure.high]
    return {"nps": measure.value, "se_points": error, "variance": measure.n * (error / 100) ** 2, "ci95_wald": interval}


def csat(inputs):
    lowest, highest = inputs["scale"]
    measure = rk.csat(scores_of(inputs["scores"]), scale=f"{lowest}-{highest}")
    mean = rk.ces(scores_of(inputs["scores"]), scale=f"{lowest}-{highest}", top="mean").value
    return {"csat_pct": 100 * measure.value, "satisfied": measure.numerator, "n": measure.n, "mean": mean}


def mrr(inputs):
    return {"mrr": formulas.mrr(customers=inputs["customers"], revenue_per_customer=inputs["arpc"])}


def retention_rate(inputs):
    rate = formulas.retention_rate(**inputs)
    return {"crr_pct": 100 * rate, "churn_pct": 100 * (1 - rate)}


def mrr_churn(inputs):
    """Of 100 a month at the start: ten churn, twenty shrink by ten, twenty grow by ten, fifty stay."""
    spells = pd.DataFrame(
        [
            ("churns", "2024-01-10", "2024-02-10", inputs["churn"]),
            ("shrinks", "2024-01-10", "2024-02-10", 2 * inputs["contraction"]),
            ("shrinks", "2024-02-10", None, inputs["contraction"]),
            ("grows", "2024-01-10", "2024-02-10", 2 * inputs["expansion"]),
            ("grows", "2024-02-10", None, 3 * inputs["expansion"]),
            ("stays", "2024-01-10", None, 50),
        ],
        columns=["customer_id", "started_at", "ended_at", "amount"],
    )
    data = rk.load(subscriptions=spells, timezone="UTC", currency="USD", as_of="2024-03-01")
    names = {
        "gross_mrr_churn_pct": "gross_revenue_churn_rate",
        "net_mrr_churn_pct": "net_revenue_churn_rate",
        "grr_pct": "gross_revenue_retention",
        "nrr_pct": "net_revenue_retention",
    }
    frame = rk.scorecard(data, "2024-02", metrics=[*names.values(), "mrr"]).set_index("metric")
    assert frame.loc["mrr", "previous"] == inputs["start_mrr"]
    return {key: 100 * frame.loc[name, "value"] for key, name in names.items()}


def mrr_movements(inputs):
    """The five events, one a month; Gold is left at the end of the year that was paid."""
    silver, gold = inputs["plans"]["Silver"], inputs["plans"]["Gold"]
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


def mrr_normalisation(inputs):
    plans = [(sub["amount"], sub["interval"]) for sub in inputs["subs"] for _ in range(sub["n"])]
    table = pd.DataFrame(plans, columns=["amount", "interval"]).assign(started_at="2024-01-10", ended_at=None)
    table["customer_id"] = table["subscription_id"] = [f"S{number}" for number in table.index]
    data = rk.load(subscriptions=table, timezone="UTC", currency="USD", as_of="2024-02-01")
    return {"mrr": rk.scorecard(data, periods=["2024-01"], metrics=["mrr"])["value"].item()}


def margin_multiple(inputs):
    multiple = formulas.margin_multiple(retention=inputs["retention"], discount=inputs["discount"])
    return {"multiple": multiple, "clv": inputs["margin"] * multiple}


CHECKS = {
    "PUB-01": churn_rate,
    "PUB-02": lifetime_value,
    "PUB-03": repeat_purchase_rate,
    "PUB-04": nps,
    "PUB-05": csat,
    "PUB-06": mrr,
    "PUB-07": retention_rate,
    "PUB-08": mrr_churn,
    "PUB-10": mrr_movements,
    "PUB-11": mrr_normalisation,
    "PUB-19": margin_multiple,
}


def test_every_vector_is_checked(vectors):
    required = {name for name, vector in vectors.items() if vector.get("required", True)}
    assert set(vectors) - required == {"PUB-09"}, "the day-summed rule is not one of our metrics"
    assert required - {*CHECKS, "PUB-18"} == MODELS


@pytest.mark.parametrize("name", CHECKS)
def test_a_metric_agrees_with_the_public_vector(name, vectors):
    vector = vectors[name]
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


def read_cdnow(path: Path):
    names = ["master_id", "customer_id", "ordered_at", "discs", "amount"]
    log = pd.read_csv(path, sep=r"\s+", names=names, dtype={"customer_id": str, "ordered_at": str})
    log["ordered_at"] = pd.to_datetime(log["ordered_at"]).dt.strftime("%Y-%m-%d")
    # Two like rows are two purchases: an order number each keeps them apart.
    log["order_id"] = [f"O{number}" for number in log.index]
    return rk.load(orders=log.drop(columns=["master_id", "discs"]), timezone="UTC", zero_orders="purchase")


def test_cdnow_recency_and_frequency_are_those_of_the_published_summary(vectors, cdnow):
    """PUB-18, all customers: an occasion is a day, the first one is no repeat."""
    expected = vectors["PUB-18"]["expected"]
    computed = rk.rfm(read_cdnow(cdnow / "CDNOW_sample.txt"), as_of="1997-10-01", unit="week")
    assert len(computed) == expected["customers"]
    assert computed["frequency"].sum() == expected["repeat_occasions"]
    assert (computed["frequency"] > 0).sum() == expected["repeaters"]
    first = computed.set_index("customer_id").loc["0001"]
    for name, key in {"frequency": "x", "recency": "t_x", "T": "T", "monetary": "zbar"}.items():
        assert first[name] == pytest.approx(expected["first"][key], abs=vectors["PUB-18"]["tolerance"]["abs"])

    published = pd.read_csv(cdnow / "cdnow_customers_summary.csv").set_index("ID")
    computed = computed.set_index(computed["customer_id"].astype(int)).loc[
        published.index, ["frequency", "recency", "T"]
    ]
    assert (computed["frequency"] == published["frequency"]).all()
    assert (computed - published).abs().max().max() <= vectors["PUB-18"]["tolerance"]["abs"] + 1e-9


def test_cdnow_repeat_spend_is_that_of_the_published_summary(cdnow):
    computed = rk.rfm(read_cdnow(cdnow / "CDNOW_sample.txt"), as_of="1997-10-01").set_index("customer_id")["monetary"]
    published = pd.read_csv(cdnow / "cdnow_customers_summary_with_transactions.csv").set_index("ID")["zbar"]
    assert (computed.set_axis(computed.index.astype(int)) - published).abs().max() <= 0.005 + 1e-9
