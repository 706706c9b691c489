"""Forecasts for subscribers: at which renewals they leave, and the expected MRR.

A pause is no loss, as otherwise pauses would hide final losses. Customers whom the model does not distinguish are
grouped in one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from retention_kit.data.summary_key import DerivedKey, SummaryKey
from retention_kit.errors import ModelError
from retention_kit.metrics.forecasts.back_test import BackTest, compare
from retention_kit.metrics.forecasts.horizon import (
    cutoff_date,
    discounts,
    interval,
    interval_factor,
    undefined,
    whole_months,
)
from retention_kit.metrics.forecasts.renewal_model import (
    RenewalGroups,
    RenewalModel,
    deviation,
    fit_renewals,
    fit_tenure,
)
from retention_kit.metrics.queries.memberships import renewals, renewals_and_after, traits_of
from retention_kit.periods import Period, add_months
from retention_kit.wording import Sentence

if TYPE_CHECKING:
    import pandas as pd

    from retention_kit.data.dataset import Dataset

RISK_RATIO = 2  # at risk: probability of leaving within a month, relative to the mean of the same plan
MIN_CUSTOMERS = 500  # subscriptions; with fewer, the interval's coverage is too low


def rows(data: Dataset, period: Period, segment: str | None) -> list[dict[str, Any]]:
    """The fields of a `Lives` row for each segment value with paying customers; see `lives.lives`."""
    cut = cutoff_date(data, period)
    fit = cached_fit(data, cut)
    members = current_members(fit.frame if segment is None else renewals(data, cut, segment))
    return _rows(data, fit, members) if len(members) else []


@dataclass(frozen=True)
class Fit:
    """The renewals up to a date and their model, or the `reason` why there is none."""

    frame: pd.DataFrame
    model: RenewalModel | None
    reason: str


def cached_fit(data: Dataset, cut: date) -> Fit:
    """The model of all customers at a date; not saved for notebooks."""

    def compute() -> Fit:
        frame = renewals(data, cut)
        try:
            return Fit(frame, fit_renewals(RenewalGroups(frame)), "")
        except ModelError as error:
            return Fit(frame, None, error.text)

    return data.cached(DerivedKey("members_fit", cut), f"no renewals up to {cut}", compute)


def current_members(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of customers who pay at the date of the renewals."""
    return frame[frame["outcome"] == "member"].reset_index(drop=True)


def usual_chance(data: Dataset, chance: np.ndarray, members: RenewalGroups) -> np.ndarray:
    """For each row the mean `chance` (of leaving within a month) of the customers with the same plan, or of all."""
    plan = members.traits[0] if traits_of(data)[:1] == ("plan",) else np.zeros(len(chance), int)
    means = np.bincount(plan, chance * members.customers) / np.maximum(np.bincount(plan, members.customers), 1)
    return means[plan]


def _rows(data: Dataset, fit: Fit, members: pd.DataFrame) -> list[dict[str, Any]]:
    """A row of sums for each segment value of `members`."""
    values, group_values = np.unique(members["segment_value"].to_numpy(object), return_inverse=True)
    groups, model = RenewalGroups(members), fit.model
    customers = np.bincount(group_values, groups.customers, len(values))
    if model is None:
        return [undefined(str(value), fit.reason, int(n)) for value, n in zip(values, customers, strict=True)]
    worth = np.array(discounts(data.settings.definitions))
    survival = model.survival(groups, len(worth))
    value = np.bincount(group_values, groups.mrr * (survival @ worth), len(values))
    is_enough = fit.frame["customers"].sum() >= MIN_CUSTOMERS
    errors = deviation(model, groups, worth, group_values, len(values)) if is_enough else None
    factors = np.full(len(values), np.inf) if errors is None else interval_factor(errors)
    intervals = [*map(interval, value, factors)]
    chance = 1 - survival[:, 0]
    is_high = (chance > 0) & (chance >= RISK_RATIO * usual_chance(data, chance, groups))
    counts = np.bincount(group_values, groups.customers * is_high, len(values))
    at_stake = np.bincount(group_values, groups.mrr * (1 - survival[:, -1]) * is_high, len(values))
    months_paid = np.bincount(group_values, groups.customers * survival.sum(axis=1), len(values))
    return [
        {
            "segment_value": str(name),
            "customers": int(customers[number]),
            "purchases": float(months_paid[number]),
            "value": float(value[number]),
            "low": intervals[number][0],
            "high": intervals[number][1],
            "at_risk": int(counts[number]),
            "at_stake": float(at_stake[number]),
            "reason": "",
            "at_risk_reason": "",
            "note": Sentence.joined(*model.warnings),
        }
        for number, name in enumerate(values)
    ]


def back_test(data: Dataset, period: Period) -> BackTest:
    """Compare the model of a horizon before the period's end with the losses and payments since."""
    cut, months = cutoff_date(data, period), data.settings.definitions.horizon_months
    key, description = SummaryKey("members_back_test", str(period)), f"no back-test of {period}"
    return data.cached(key, description, lambda: back_test_at(data, add_months(cut, -months), months))


def back_test_at(data: Dataset, cut: date, months: int) -> BackTest:
    """Compare the model of a date with the months after it; `history` counts to their end."""
    start, ends = data.starts["subscriptions"], add_months(cut, months)
    history = whole_months(start, ends)
    no_model = BackTest(cut, months, history, None, (0.0, 0.0), (0.0, 0.0))
    if cut <= start:
        return no_model
    frame = renewals_and_after(data, cut, months)
    outcomes = current_members(frame)
    groups, members = RenewalGroups(frame), RenewalGroups(outcomes)
    try:
        model = fit_renewals(groups)
    except ModelError:
        return no_model
    if not len(outcomes):
        return no_model
    survival, tenure = model.survival(members, months), fit_tenure(groups).loss_chances(members, months)
    lost = outcomes["gone"].to_numpy(float)
    comparison = compare(1 - survival[:, -1], tenure, tenure, lost, members.customers)
    paid = float(members.customers @ survival.sum(axis=1)), float(outcomes["months_paid"].sum())
    money = float(members.mrr @ survival.sum(axis=1)), float(outcomes["paid"].sum())
    return BackTest(cut, months, history, comparison, paid, money)
