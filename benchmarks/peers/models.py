"""Lifetime models by other packages, each in an environment of its own.

`python models.py PACKAGE INPUTS` prints their figures of the same inputs as JSON; `python models.py folder` where
lifetimes keeps the CDNOW files.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import pandas as pd

warnings.filterwarnings("ignore")


def lifetimes(inputs: dict) -> dict[str, float]:
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    rows = pd.DataFrame(inputs["purchases"])
    model = BetaGeoFitter()
    model.fit(rows["frequency"], rows["recency"], rows["T"])
    expected = model.conditional_expected_number_of_purchases_up_to_time(
        inputs["t"], rows["frequency"], rows["recency"], rows["T"]
    )
    alive = model.conditional_probability_alive(rows["frequency"], rows["recency"], rows["T"])
    spend = pd.DataFrame(inputs["spend"])
    money = GammaGammaFitter()
    money.fit(spend["frequency"], spend["monetary"])
    values = money.conditional_expected_average_profit(spend["frequency"], spend["monetary"])
    return {
        **{f"BG/NBD {name}": float(model.params_[name]) for name in ("r", "alpha", "a", "b")},
        "expected purchases": float(expected.sum()),
        "alive": float(pd.Series(alive).sum()),
        **{f"Gamma-Gamma {name}": float(money.params_[name]) for name in "pqv"},
        "expected spend": float(values.sum()),
    }


def pymc_marketing(inputs: dict) -> dict[str, float]:
    """The maximum of the posterior under flat priors, so of the likelihood."""
    from pymc_extras.prior import Prior
    from pymc_marketing.clv import BetaGeoModel, GammaGammaModel, ShiftedBetaGeoModel

    def fitted(kind: type, names: str, rows: pd.DataFrame, **dims: str) -> tuple[object, dict[str, float]]:
        model = kind(model_config={name: Prior("HalfFlat", **dims) for name in names.split()})
        model.fit(rows, method="map", progressbar=False)
        return model, {name: float(model.fit_result[name].values.ravel()[0]) for name in names.split()}

    rows = pd.DataFrame(inputs["purchases"])
    rows.insert(0, "customer_id", rows.index)
    model, bg = fitted(BetaGeoModel, "r alpha a b", rows)
    spend = pd.DataFrame(inputs["spend"]).rename(columns={"monetary": "monetary_value"})
    spend.insert(0, "customer_id", spend.index)
    money, gg = fitted(GammaGammaModel, "p q v", spend)
    # A customer who left at renewal t was last seen in period t; who stayed was seen in all of them.
    alive = inputs["alive"]
    left = [(renewal, before - after) for renewal, (before, after) in enumerate(pairwise(alive), start=1)]
    recency = [renewal for renewal, many in [*left, (len(alive), alive[-1])] for _ in range(many)]
    members = pd.DataFrame({"recency": recency, "T": len(alive), "cohort": "all"})
    members.insert(0, "customer_id", members.index)
    _, sbg = fitted(ShiftedBetaGeoModel, "alpha beta", members, dims="cohort")
    return {
        **{f"BG/NBD {name}": value for name, value in bg.items()},
        "expected purchases": float(model.expected_purchases(rows, future_t=inputs["t"]).sum()),
        "alive": float(model.expected_probability_alive(rows).sum()),
        **{f"Gamma-Gamma {name}": value for name, value in gg.items()},
        "expected spend": float(money.expected_customer_spend(spend).sum()),
        **{f"sBG {name}": value for name, value in sbg.items()},
    }


def lifelines(inputs: dict) -> dict[str, float]:
    from lifelines import KaplanMeierFitter
    from lifelines.statistics import multivariate_logrank_test

    result = {}
    for name, spells in inputs["spells"].items():
        rows = pd.DataFrame(spells)
        curve = KaplanMeierFitter().fit(rows["durations"], rows["events"])
        low, high = (curve.confidence_interval_[column] for column in curve.confidence_interval_)
        for time in sorted(set(rows["durations"][rows["events"] == 1])):
            at = curve.survival_function_.index.get_loc(time)
            result[f"{name}: survival at {time}"] = float(curve.survival_function_.iloc[at, 0])
            result[f"{name}: low at {time}"], result[f"{name}: high at {time}"] = (
                float(low.iloc[at]),
                float(high.iloc[at]),
            )
        result[f"{name}: median"] = float(curve.median_survival_time_)
        test = multivariate_logrank_test(rows["durations"], rows["groups"], rows["events"])
        result[f"{name}: log-rank"], result[f"{name}: p"] = float(test.test_statistic), float(test.p_value)
    return result


if __name__ == "__main__":
    if sys.argv[1] == "folder":
        folder = importlib.util.find_spec("lifetimes").submodule_search_locations[0]
        sys.stdout.write(json.dumps({"folder": str(Path(folder) / "datasets")}))
    else:
        figures = globals()[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text("utf-8")))
        sys.stdout.write("\n" + json.dumps({"figures": figures}))
