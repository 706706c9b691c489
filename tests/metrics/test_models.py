"""The lifetime models: published figures, what has no answer, and that they recover what data were drawn from."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from retention_kit.metrics.models import (
    BgNbd,
    GammaGamma,
    ShiftedBetaGeometric,
    fit_bg_nbd,
    fit_gamma_gamma,
    fit_sbg,
    kaplan_meier,
)


def bg_nbd(*parameters: float) -> BgNbd:
    return BgNbd(*parameters, 0.0, None, (), 0, 0)


def gamma_gamma(*parameters: float) -> GammaGamma:
    return GammaGamma(*parameters, 0.0, None, (), None)


def sbg(*parameters: float) -> ShiftedBetaGeometric:
    return ShiftedBetaGeometric(*parameters, 0.0, None, ())


def test_models_are_there_without_scipy():
    program = "import sys, retention_kit.metrics.models; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


# Published figures.


@pytest.fixture(scope="module")
def vectors(shared) -> dict[str, dict]:
    listed = json.loads((shared / "vectors" / "public.json").read_text())["vectors"]
    return {vector["id"]: vector for vector in listed}


@pytest.fixture(scope="module")
def customers(cdnow) -> pd.DataFrame:
    return pd.read_csv(cdnow / "cdnow_customers_summary.csv")


@pytest.fixture(scope="module")
def cdnow_model(customers) -> BgNbd:
    return fit_bg_nbd(customers["frequency"], customers["recency"], customers["T"])


def test_bg_nbd_of_cdnow(vectors, customers, cdnow_model):
    expected, tolerance = vectors["PUB-12"]["expected"], vectors["PUB-12"]["tolerance"]
    found = cdnow_model
    precise = dict(zip(("r", "alpha", "a", "b"), expected["mle_precise"], strict=True))
    for name, value in precise.items():
        assert getattr(found, name) == pytest.approx(expected[name], abs=tolerance[name])
        assert getattr(found, name) == pytest.approx(value, abs=1e-5)
    assert found.log_likelihood == pytest.approx(expected["loglik_precise"], abs=1e-4)
    next_39_weeks = found.expected_purchases(39, customers["frequency"], customers["recency"], customers["T"])
    assert next_39_weeks.sum() == pytest.approx(expected["sum_cet_39w"], abs=0.01)
    assert (found.customers, found.repeat_buyers, found.warnings) == (2357, 946, ())


def test_one_customer_of_cdnow(vectors):
    given, expected = vectors["PUB-13"]["input"], vectors["PUB-13"]["expected"]
    model, customer = bg_nbd(*given["params"]), (given["x"], given["t_x"], given["T"])
    assert model.expected_purchases(given["t"], *customer) == pytest.approx(expected["expected"], abs=1e-6)
    assert model.probability_alive(*customer) == pytest.approx(expected["p_alive"], abs=1e-6)


def test_gamma_gamma_of_cdnow(vectors, cdnow):
    expected, tolerance = vectors["PUB-14"]["expected"], vectors["PUB-14"]["tolerance"]
    buyers = pd.read_csv(cdnow / "cdnow_customers_summary_with_transactions.csv")
    found = fit_gamma_gamma(buyers["x"], buyers["zbar"])
    for name, precise in zip("pqv", expected["mle_precise"], strict=True):
        assert getattr(found, name) == pytest.approx(expected[name], abs=tolerance[name])
        assert getattr(found, name) == pytest.approx(precise, abs=1e-4)
    assert found.log_likelihood == pytest.approx(expected["loglik"], abs=1e-3)
    assert found.warnings == ()


def test_spend_of_four_customers(vectors):
    given = vectors["PUB-15"]["input"]
    found = gamma_gamma(*given["params"]).expected_value(given["x"], given["zbar"])
    assert found == pytest.approx(vectors["PUB-15"]["expected"]["expected"], abs=1e-4)


def test_shifted_beta_geometric_of_regular_customers(vectors):
    given, expected = vectors["PUB-16"]["input"], vectors["PUB-16"]["expected"]
    found = fit_sbg(given["alive_per_1000"])
    assert found.alpha == pytest.approx(expected["alpha"], abs=1e-4)
    assert found.beta == pytest.approx(expected["beta"], abs=1e-4)
    assert found.log_likelihood == pytest.approx(expected["loglik"], abs=1e-3)
    assert found.survival(np.arange(1, 13)) == pytest.approx(expected["survival_1_12"], abs=1e-4)


def test_kaplan_meier_of_the_leukaemia_trial(vectors):
    given, expected = vectors["PUB-17"]["input"], vectors["PUB-17"]["expected"]
    found = kaplan_meier(given["time"], given["event"])
    assert found.attrs["median"] == expected["median"]
    found = found.set_index("time")
    assert found["survival"].to_dict() == pytest.approx({int(t): s for t, s in expected["surv"].items()}, abs=2e-6)
    for time, se in expected["greenwood_se"].items():
        assert found.loc[int(time), "se"] == pytest.approx(se, abs=2e-6)
    assert found.loc[6, ["low", "high"]].tolist() == pytest.approx(expected["ci95_loglog_at_6"], abs=2e-6)
    assert found["at_risk"].tolist() == [21, 17, 15, 12, 11, 7, 6]
