"""What is expected of customers who pay a subscription: who leaves at which renewal, and the MRR that stays.

Who pauses has not left: where pauses counted as leaving, they would hide who leaves for good. Customers who are alike
to the model stand in one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from retention_kit.data.summary_key import DerivedKey, SummaryKey
from retention_kit.errors import ModelError
from retention_kit.metrics.forecasts.back_test import BackTest, compare
from retention_kit.metrics.forecasts.horizon import cut_of, discounts, interval, reach, undefined, whole_months
from retention_kit.metrics.forecasts.renewal_model import Alike, RenewalModel, deviation, fit_renewals, fit_tenure
from retention_kit.metrics.queries.memberships import renewals, renewals_and_after, traits_of
from retention_kit.periods import Period, add_months
from retention_kit.wording import Sentence

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

TWICE = 2  # times the chance to leave within a month of the customers of the same plan: from there on one is at risk
FEW = 500  # subscriptions seen, below which the interval does not hold what it says


def rows(data: Dataset, period: Period, segment: str | None) -> list[dict[str, Any]]:
    """The fields of a `Lives` row for each segment value with customers who pay; see `lives.lives`."""
    cut = cut_of(data, period)
    fit = fit_of(data, cut)
    members = members_of(fit.frame if segment is None else renewals(data, cut, segment))
    return _rows(data, fit, members) if len(members) else []


@dataclass(frozen=True)
class Fit:
    """The renewals up to a date, and the model of them; None with a `reason` where there is none."""

    frame: pd.DataFrame
    model: RenewalModel | None
    reason: str


def fit_of(data: Dataset, cut: date) -> Fit:
    """The model of all customers at a date. Computed once; notebooks need what follows from it alone."""

    def made() -> Fit:
        frame = renewals(data, cut)
        try:
            return Fit(frame, fit_renewals(Alike(frame)), "")
        except ModelError as error:
            return Fit(frame, None, error.text)

    return data.kept(DerivedKey("members_fit", cut), f"no renewals up to {cut}", made)


def members_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of customers who pay at the date."""
    return frame[frame["outcome"] == "member"].reset_index(drop=True)


def usual_chance(data: Dataset, chance: np.ndarray, members: Alike) -> np.ndarray:
    """Of each row the mean `chance` to leave within a month of the customers of the same plan; of whom it is at least
    twice as high, they are at risk.
    """
    plan = members.traits[0] if traits_of(data)[:1] == ("plan",) else np.zeros(len(chance), int)
    usual = np.bincount(plan, chance * members.customers) / np.maximum(np.bincount(plan, members.customers), 1)
    return usual[plan]


def _rows(data: Dataset, fit: Fit, members: pd.DataFrame) -> list[dict[str, Any]]:
    """A row of sums for each segment value."""
    values, place = np.unique(members["segment_value"].to_numpy(object), return_inverse=True)
    alike, model = Alike(members), fit.model
    customers = np.bincount(place, alike.customers, len(values))
    if model is None:
        return [undefined(str(value), fit.reason, int(n)) for value, n in zip(values, customers, strict=True)]
    worth = np.array(discounts(data.settings.definitions))
    stays = model.staying(alike, len(worth))
    value = np.bincount(place, alike.mrr * (stays @ worth), len(values))
    spread = deviation(model, alike, worth, place, len(values)) if fit.frame["customers"].sum() >= FEW else None
    factors = np.full(len(values), np.inf) if spread is None else reach(spread)
    intervals = [*map(interval, value, factors)]
    chance = 1 - stays[:, 0]
    is_high = (chance > 0) & (chance >= TWICE * usual_chance(data, chance, alike))
    counts = np.bincount(place, alike.customers * is_high, len(values))
    stakes = np.bincount(place, alike.mrr * (1 - stays[:, -1]) * is_high, len(values))
    paid = np.bincount(place, alike.customers * stays.sum(axis=1), len(values))
    return [
        {
            "segment_value": str(name),
            "customers": int(customers[number]),
            "purchases": float(paid[number]),
            "value": float(value[number]),
            "low": intervals[number][0],
            "high": intervals[number][1],
            "at_risk": int(counts[number]),
            "at_stake": float(stakes[number]),
            "reason": "",
            "at_risk_reason": "",
            "note": Sentence.joined(*model.warnings),
        }
        for number, name in enumerate(values)
    ]


def back_test(data: Dataset, period: Period) -> BackTest:
    """The same model made a horizon earlier, held against who had left by the period's end, and what was paid."""
    cut, months = cut_of(data, period), data.settings.definitions.horizon_months
    key, what = SummaryKey("members_back_test", str(period)), f"no back-test of {period}"
    return data.kept(key, what, lambda: made_at(data, add_months(cut, -months), months))


def made_at(data: Dataset, cut: date, months: int) -> BackTest:
    """The model of a date, held against the months after it; the history counts to their end."""
    start, ends = data.starts["subscriptions"], add_months(cut, months)
    history = whole_months(start, ends)
    nothing = BackTest(cut, months, history, None, (0.0, 0.0), (0.0, 0.0))
    if cut <= start:
        return nothing
    frame = renewals_and_after(data, cut, months)
    happened = members_of(frame)
    everybody, members = Alike(frame), Alike(happened)
    try:
        model = fit_renewals(everybody)
    except ModelError:
        return nothing
    if not len(happened):
        return nothing
    stays, tenure = model.staying(members, months), fit_tenure(everybody).leaving(members, months)
    gone = happened["gone"].to_numpy(float)
    comparison = compare(1 - stays[:, -1], tenure, tenure, gone, members.customers)
    paid = float(members.customers @ stays.sum(axis=1)), float(happened["months_paid"].sum())
    money = float(members.mrr @ stays.sum(axis=1)), float(happened["paid"].sum())
    return BackTest(cut, months, history, comparison, paid, money)
